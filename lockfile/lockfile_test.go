package lockfile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOnlyOneHasTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Take(first); err != nil {
		t.Fatal(err)
	}
	if err := Take(second); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v, want ErrLocked", err)
	}
	if err := Close(first); err != nil {
		t.Error(err)
	}
	if err := Take(second); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

// A process that was started with the file, as one is that has not become its program yet, does not keep the lock.
func TestAProcessThatHasTheFileDoesNotKeepTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first := open(t, path)
	if err := Take(first); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{first}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	if err := Close(first); err != nil {
		t.Fatal(err)
	}
	if err := Take(open(t, path)); err != nil {
		t.Errorf("while the child lives: %v", err)
	}
}

// One that was killed, and had such a child, is waited for.
func TestALockThatGoesInAMomentIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first := open(t, path)
	if err := Take(first); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(4*pause, func() { first.Close() })
	if err := Take(open(t, path)); err != nil {
		t.Error(err)
	}
}
