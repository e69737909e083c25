// Package lockfile has one process at a time use a directory, by a lock on a file in it. (flock(2))
//
// Such a lock is of an open file, and every process that is being started has all open files of its parent for a moment, until it has
// become its program. So a lock may outlive for that moment who let it go, or was killed; and who only looks at it holds it as long.
package lockfile

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrLocked says that another process has the lock.
var ErrLocked = errors.New("another process has the lock")

// How long a lock is waited for, and how often it is tried: much longer than a process takes to become its program, and too short for
// anyone to mind.
const (
	patience = 250 * time.Millisecond
	pause    = 5 * time.Millisecond
)

// Take locks f for this process alone. The error is ErrLocked, or why the file system cannot.
func Take(f *os.File) error {
	for until := time.Now().Add(patience); ; time.Sleep(pause) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(until) {
			return ErrLocked
		}
	}
}

// Close lets go of the lock, whoever has the file besides, and closes f.
func Close(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
