// Package awscli runs the AWS CLI in tests, and is for nothing else. The program does not import it.
//
// A start of aws is a second of a processor, most of it Python's imports of modules, and the tests start it hundreds of times. So a
// process that has imported them forks one for each command (server.py): the same code of the same files runs, in a process of its own, with the
// command's own arguments, environment, working directory and descriptors. Where that cannot be done, aws itself is started.
//
// Start from Command.
package awscli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Path returns the file name of the AWS CLI that the tests ask: Debian's where that is, for another one may come first in PATH.
func Path() (string, error) {
	const debian = "/usr/bin/aws"
	if _, err := os.Stat(debian); err == nil {
		return debian, nil
	}
	path, err := exec.LookPath("aws")
	if err != nil {
		return "", errors.New("aws-cli is missing: run make deps")
	}
	return path, nil
}

// Cmd is a command of the AWS CLI. Its fields are those of exec.Cmd, and mean the same. It is run once.
type Cmd struct {
	Args   []string // after "aws"
	Env    []string // nil is this process's
	Dir    string   // "" is this process's
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	ctx context.Context
}

// Command returns "aws args...". Its process is killed when ctx ends before it.
func Command(ctx context.Context, args ...string) *Cmd {
	return &Cmd{Args: args, ctx: ctx}
}

// ExitError is the end of a process that did not end with status 0. It reads as exec's.
type ExitError struct {
	Code   int            // -1 after a signal
	Signal syscall.Signal // 0 without one
}

// Error is "exit status 255", say, or "signal: killed".
func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return "signal: " + e.Signal.String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Output runs the command and returns what it writes to its standard output.
func (c *Cmd) Output() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput runs the command and returns what it writes to its standard output and error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// Run runs the command and waits until its process has ended. Any other end than status 0 is an *ExitError.
func (c *Cmd) Run() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	path, err := Path()
	if err != nil {
		return err
	}
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	s := running.server(path, env)
	if s == nil {
		return c.start(path, env)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	files, err := c.open()
	if err != nil {
		return err
	}
	err = s.run(c.ctx, dir, c.Args, env, files.child)
	return errors.Join(err, files.wait(patience))
}

// start starts aws itself.
func (c *Cmd) start(path string, env []string) error {
	cmd := exec.CommandContext(c.ctx, path, c.Args...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, c.Dir, c.Stdin, c.Stdout, c.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, _ := exit.Sys().(syscall.WaitStatus)
		e := &ExitError{Code: exit.ExitCode()}
		if status.Signaled() {
			e.Signal = status.Signal()
		}
		return e
	}
	return err
}

// standard is a command's standard descriptors.
type standard struct {
	child  [3]*os.File // the command's, which are closed once it has them
	theirs [3]bool     // the caller's files, which stay open
	ours   []*os.File  // other ends of pipes
	copied []chan error
}

// open makes the descriptors, with a pipe for what is no file, and begins to copy.
func (c *Cmd) open() (*standard, error) {
	s := &standard{}
	if err := s.reader(c.Stdin); err != nil {
		return nil, err
	}
	if err := s.writer(1, c.Stdout); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if c.Stdout != nil && c.Stdout == c.Stderr {
		s.child[2], s.theirs[2] = s.child[1], true
		return s, nil
	}
	if err := s.writer(2, c.Stderr); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *standard) reader(from io.Reader) (err error) {
	if from == nil {
		s.child[0], err = os.Open(os.DevNull)
		return err
	}
	if f, ok := from.(*os.File); ok {
		s.child[0], s.theirs[0] = f, true
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s.child[0] = r
	s.copying(func() error {
		_, err := io.Copy(w, from)
		if errors.Is(err, syscall.EPIPE) {
			err = nil // the command did not read all
		}
		return errors.Join(err, w.Close())
	})
	return nil
}

func (s *standard) writer(fd int, to io.Writer) (err error) {
	if to == nil {
		s.child[fd], err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return err
	}
	if f, ok := to.(*os.File); ok {
		s.child[fd], s.theirs[fd] = f, true
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s.child[fd] = w
	s.ours = append(s.ours, r)
	s.copying(func() error {
		_, err := io.Copy(to, r)
		return errors.Join(err, r.Close())
	})
	return nil
}

func (s *standard) copying(f func() error) {
	done := make(chan error, 1)
	s.copied = append(s.copied, done)
	go func() { done <- f() }()
}

// close closes what the command has, or would have had.
func (s *standard) close() (err error) {
	for fd, f := range s.child {
		if f != nil && !s.theirs[fd] {
			err = errors.Join(err, f.Close())
		}
		s.child[fd] = nil
	}
	return err
}

// patience is how long a pipe may be held open by a process that the command left behind.
const patience = 10 * time.Second

// wait waits until all is copied, after the command's process has ended.
func (s *standard) wait(patience time.Duration) (err error) {
	err = s.close()
	late := time.AfterFunc(patience, func() {
		for _, f := range s.ours {
			_ = f.Close()
		}
	})
	defer late.Stop()
	for _, done := range s.copied {
		err = errors.Join(err, <-done)
	}
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("a process that aws left behind held its output for %s: %w", patience, err)
	}
	return err
}

// joined is what a request consists of after its length.
func joined(dir string, args, env []string) []byte {
	parts := append([]string{dir, fmt.Sprint(len(args))}, args...)
	for _, s := range env {
		if strings.Contains(s, "=") {
			parts = append(parts, s)
		}
	}
	return []byte(strings.Join(parts, "\x00"))
}
