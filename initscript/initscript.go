// Package initscript runs the scripts of a folder when a server starts and ends, as LocalStack does with those in
// /etc/localstack/init: boot.d before it opens anything, start.d before it answers, ready.d when it answers, shutdown.d before it
// leaves. A script runs as the server's own user with the server's powers: whoever can write to the folder has both.
//
// Of LocalStack's kinds only shell scripts are run. (LocalStack documentation, "Initialization Hooks".)
//
// Start at Scripts.
package initscript

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Stage is a time at which scripts are run, by LocalStack's name.
type Stage string

// The stages, in their order.
const (
	Boot     Stage = "BOOT"
	Start    Stage = "START"
	Ready    Stage = "READY"
	Shutdown Stage = "SHUTDOWN"
)

// Stages are all of them.
var Stages = []Stage{Boot, Start, Ready, Shutdown}

// State is how far a script is, by LocalStack's name.
type State string

// The states. Unknown is a script that has not been run, or that is of a kind that is not run.
const (
	Unknown    State = "UNKNOWN"
	Running    State = "RUNNING"
	Successful State = "SUCCESSFUL"
	Failed     State = "ERROR"
)

// Script is one script, in the form of LocalStack's answers.
type Script struct {
	Stage Stage  `json:"stage"`
	Name  string `json:"name"` // of the file, without its folder
	State State  `json:"state"`

	path string
}

// Scripts are those of a folder. A nil one has none, and all its stages but Shutdown are completed. Safe for many goroutines.
type Scripts struct {
	dir string
	log *slog.Logger

	mu        sync.Mutex // guards what follows
	completed map[Stage]bool
	scripts   map[Stage][]Script
}

const (
	// leaveTime is how long a script whose stage is cut off has after SIGTERM.
	leaveTime = 2 * time.Second
	// maxLine bounds what is logged of one line, in bytes.
	maxLine = 4 << 10
)

// Open reads which scripts there are. A folder that is not there, or has no folder of a stage, has none.
func Open(dir string, log *slog.Logger) (*Scripts, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Scripts{dir: dir, log: cmp.Or(log, slog.Default()), completed: map[Stage]bool{}, scripts: map[Stage][]Script{}}
	for _, stage := range Stages {
		if s.scripts[stage], err = s.find(stage); err != nil {
			return nil, fmt.Errorf("read the scripts of %s: %w", dir, err)
		}
	}
	return s, nil
}

// find lists the scripts of a stage in their order: those of a folder by name, then its folders.
func (s *Scripts) find(stage Stage) (out []Script, err error) {
	var walk func(dir string) error
	walk = func(dir string) error {
		entries, err := os.ReadDir(dir) // in the order of their names
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		var below []string
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), "."): // a mounted ConfigMap has such folders beside links to what is in them
			case e.IsDir():
				below = append(below, path)
			case filepath.Ext(path) == ".sh" || filepath.Ext(path) == ".py":
				out = append(out, Script{Stage: stage, Name: e.Name(), State: Unknown, path: path})
			}
		}
		for _, dir := range below {
			if err := walk(dir); err != nil {
				return err
			}
		}
		return nil
	}
	err = walk(filepath.Join(s.dir, strings.ToLower(string(stage))+".d"))
	return out, err
}

// Run runs the scripts of a stage one after the other, with env as their environment, and returns when all have ended. What they write goes to the log. One that fails is logged and keeps nothing from going on. When ctx ends, that which runs is
// told to leave, and the rest are not begun.
func (s *Scripts) Run(ctx context.Context, stage Stage, env []string) {
	if s == nil {
		return
	}
	scripts, err := s.find(stage)
	if err != nil {
		s.log.Error("init scripts not read", slog.String("stage", string(stage)), slog.String("error", err.Error()))
	}
	s.mu.Lock()
	s.scripts[stage] = scripts
	s.mu.Unlock()
	for i, script := range scripts {
		if ctx.Err() != nil {
			return
		}
		if filepath.Ext(script.path) != ".sh" {
			s.log.Warn("init script not run: only shell scripts are", slog.String("stage", string(stage)), slog.String("script", script.path))
			continue
		}
		s.set(stage, i, Running)
		began, state := time.Now(), Successful
		if err := s.run(ctx, script, env); err != nil {
			state = Failed
			s.log.Error("init script failed", slog.String("stage", string(stage)), slog.String("script", script.path), slog.String("error", err.Error()), slog.Duration("took", time.Since(began)))
		} else {
			s.log.Info("init script done", slog.String("stage", string(stage)), slog.String("script", script.path), slog.Duration("took", time.Since(began)))
		}
		s.set(stage, i, state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.completed[stage] = true
}

func (s *Scripts) set(stage Stage, i int, state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[stage][i].State = state
}

// run runs one script in a group of processes of its own, of which none is left.
func (s *Scripts) run(ctx context.Context, script Script, env []string) error {
	out := &lines{write: func(line string) {
		s.log.Info("init script says", slog.String("stage", string(script.Stage)), slog.String("script", script.Name), slog.String("line", line))
	}}
	cmd := exec.CommandContext(ctx, script.path)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = leaveTime
	err := cmd.Start()
	if err != nil {
		return err
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind; mostly nothing
	out.end()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well, and something that it left behind still had its output
	}
	return err
}

// Completed reports whether a stage is over.
func (s *Scripts) Completed(stage Stage) bool {
	if s == nil {
		return stage != Shutdown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.completed[stage]
}

// Of returns the scripts of a stage, in their order; never nil.
func (s *Scripts) Of(stage Stage) []Script {
	if s == nil {
		return []Script{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Script{}, s.scripts[stage]...)
}

// lines is an io.Writer that has each line written by itself.
type lines struct {
	write func(line string)
	rest  []byte
}

func (l *lines) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if room := maxLine - len(l.rest); len(line) > room {
			line = line[:room] // the rest of it is not logged
		}
		l.rest = append(l.rest, line...)
		if whole {
			l.write(strings.TrimSuffix(string(l.rest), "\r"))
			l.rest = l.rest[:0]
		}
		rest = after
	}
	return len(p), nil
}

func (l *lines) end() {
	if len(l.rest) > 0 {
		l.write(string(l.rest))
		l.rest = nil
	}
}
