//go:build unix && !linux

package confine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Spawner starts children at level Process, which is all that this system gives: it has none of what the others are made
// of. Nothing here was run on such a system yet. Safe for many goroutines.
type Spawner struct {
	mu     sync.Mutex // guards what follows
	live   map[*Child]struct{}
	closed bool
}

// NewSpawner returns a Spawner.
func NewSpawner() *Spawner { return &Spawner{live: map[*Child]struct{}{}} }

// Main has nothing to do on this system.
func Main() bool {
	mainCalled.Store(true)
	return false
}

// Probe says that there is no more than Process.
func (s *Spawner) Probe(context.Context) (Level, []string) {
	return Process, []string{runtime.GOOS + " has neither namespaces nor Landlock nor seccomp: functions see what this user sees, and their memory is not bounded"}
}

// Start starts a child of level Process.
func (s *Spawner) Start(ctx context.Context, spec Spec) (*Child, error) {
	if spec.Level != Process || len(spec.Listen) > 0 {
		return nil, fmt.Errorf("start child at level %s: %w", spec.Level, ErrUnsupported)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(spec.Args[0]); err != nil {
		return nil, &ProgramError{fmt.Sprintf("fork/exec %s: %v", spec.Args[0], errors.Unwrap(err))}
	}
	output, theirOutput, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirOutput.Close()
	logs, theirLog, err := os.Pipe()
	if err != nil {
		output.Close()
		return nil, err
	}
	defer theirLog.Close()
	process, err := startLimited(spec, theirOutput, theirLog)
	if err != nil {
		output.Close()
		logs.Close()
		return nil, fmt.Errorf("start child: %w", err)
	}
	c := &Child{Output: output, Log: logs, ended: make(chan struct{}), impl: child{process}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[c] = struct{}{}
	if s.closed {
		c.Kill()
	}
	go s.wait(c)
	return c, nil
}

// startLimited lets a shell set the limits: this process cannot set another's.
func startLimited(spec Spec, output, log *os.File) (*os.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	script := []string{"ulimit -c 0"}
	if spec.Limits.Files > 0 {
		script = append(script, "ulimit -n "+strconv.Itoa(spec.Limits.Files))
	}
	args := append([]string{"/bin/sh", "-c", strings.Join(append(script, `exec "$@"`), "; "), "sh"}, spec.Args...)
	return os.StartProcess(args[0], args, &os.ProcAttr{
		Dir: spec.Dir, Env: spec.Env, Files: []*os.File{null, output, output, nil, log}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
}

func (s *Spawner) wait(c *Child) {
	state, err := c.impl.process.Wait()
	_ = syscall.Kill(-c.impl.process.Pid, syscall.SIGKILL) // what it left behind in its group
	c.exit = Exit{Code: -1}
	if err == nil {
		c.exit.Code = state.ExitCode()
		if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			c.exit = Exit{Code: -1, Signal: status.Signal().String()}
		}
	}
	s.mu.Lock()
	delete(s.live, c)
	s.mu.Unlock()
	close(c.ended)
}

// Close ends the children that are left.
func (s *Spawner) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.live {
		c.Kill()
	}
	return nil
}

// child is what Child holds on this system.
type child struct{ process *os.Process }

// kill ends the process group. What has left it goes on.
func (c *child) kill() { _ = syscall.Kill(-c.process.Pid, syscall.SIGKILL) }

func (c *child) memory() int64 { return 0 }
