package glassine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrNotRunning is returned by Running when no glassine runs on a data directory.
var ErrNotRunning = errors.New("no glassine runs on that data directory")

// Running returns the process that runs on a data directory: whoever holds its lock has written its id into it. The error is
// ErrNotRunning when nobody does. Where the id is not that of the holder, as when it runs in another container, the error says so.
func Running(data string) (pid int, err error) {
	name := filepath.Join(data, "lock")
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %s", ErrNotRunning, data)
	}
	if err != nil {
		return 0, fmt.Errorf("find the process that runs on the data directory: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return 0, fmt.Errorf("%w: %s", ErrNotRunning, data) // closing f lets go of it
	} else if !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, fmt.Errorf("find the process that runs on the data directory: %w", err)
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("find the process that runs on the data directory: %w", err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("a glassine runs on %s, and its lock does not say as which process", data)
	}
	if !holds(pid, f) {
		return 0, fmt.Errorf("a glassine runs on %s as process %d of another container or machine: stop it there", data, pid)
	}
	return pid, nil
}

// holds reports whether a process has the file open, as far as /proc tells; where there is no /proc, it is believed.
func holds(pid int, f *os.File) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return true
	}
	want, err := f.Stat()
	if err != nil {
		return false
	}
	open, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return true // another user's; the signal will be refused, which is said then
	}
	for _, fd := range open {
		if info, err := os.Stat(filepath.Join(dir, fd.Name())); err == nil && os.SameFile(info, want) {
			return true
		}
	}
	return false
}

// signLock writes who holds the lock into it. It is for people and glassine down; the lock itself is the kernel's.
func signLock(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}
