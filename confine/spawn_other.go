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

// Harden has nothing to work with on this system.
func Harden() error { return fmt.Errorf("harden this process: %w", ErrUnsupported) }

// Start starts a child of level Process.
func (s *Spawner) Start(ctx context.Context, spec Spec) (*Child, error) {
	if spec.Level != Process || len(spec.Listen) > 0 {
		return nil, fmt.Errorf("start child at level %s: %w", spec.Level, ErrUnsupported)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := spec.Args[0]
	if spec.Self {
		own, err := os.Executable()
		if err != nil {
			return nil, err
		}
		path = own
	}
	if _, err := os.Stat(path); err != nil {
		return nil, &ProgramError{fmt.Sprintf("fork/exec %s: %v", path, errors.Unwrap(err))}
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
	c := &Child{Output: output, Log: logs, ended: make(chan struct{})}
	theirs := []*os.File{nil, theirOutput, theirOutput, nil, theirLog}
	if spec.Channel {
		var theirChannel *os.File
		if c.Channel, theirChannel, err = pair(); err != nil {
			output.Close()
			logs.Close()
			return nil, err
		}
		defer theirChannel.Close()
		theirs = append(theirs, theirChannel)
	}
	process, err := startLimited(path, spec, theirs)
	if err != nil {
		output.Close()
		logs.Close()
		c.Channel.Close() // without a channel it is nil, and says so
		return nil, fmt.Errorf("start child: %w", err)
	}
	c.impl = child{process}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[c] = struct{}{}
	if s.closed {
		c.Kill()
	}
	go s.wait(c)
	return c, nil
}

// pair is a connected pair of sockets, ours polled.
func pair() (ours, theirs *os.File, err error) {
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range p {
		syscall.CloseOnExec(fd)
	}
	_ = syscall.SetNonblock(p[0], true) // fails only for a bad descriptor
	return os.NewFile(uintptr(p[0]), "socket"), os.NewFile(uintptr(p[1]), "socket"), nil
}

// startLimited lets a shell set the limits: this process cannot set another's. The shell makes the path the program's
// name too.
func startLimited(path string, spec Spec, files []*os.File) (*os.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files[0] = null
	script := []string{"ulimit -c 0"}
	if spec.Limits.Files > 0 {
		script = append(script, "ulimit -n "+strconv.Itoa(spec.Limits.Files))
	}
	if spec.Limits.CPUSeconds > 0 {
		script = append(script, "ulimit -t "+strconv.Itoa(spec.Limits.CPUSeconds))
	}
	args := append([]string{"/bin/sh", "-c", strings.Join(append(script, `exec "$@"`), "; "), "sh", path}, spec.Args[1:]...)
	return os.StartProcess(args[0], args, &os.ProcAttr{
		Dir: spec.Dir, Env: spec.Env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
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
