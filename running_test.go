package glassine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunningFindsWhoHoldsTheLock(t *testing.T) {
	dir := t.TempDir()
	if _, err := Running(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("an empty directory: %v", err)
	}
	d, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := Running(dir); err != nil || pid != os.Getpid() {
		t.Errorf("Running = %d, %v; this process is %d", pid, err, os.Getpid())
	}
	for _, row := range []struct{ name, content, want string }{
		{"a process that has not got it open", "1\n", "another container"},
		{"no number", "x\n", "does not say"},
		{"nothing", "", "does not say"},
	} {
		if row.content == "1\n" && os.Geteuid() != 0 {
			continue // process 1 is somebody else's, and cannot be looked at
		}
		if err := os.WriteFile(filepath.Join(dir, "lock"), []byte(row.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, err := Running(dir); err == nil || errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Running = %d, %v; want %q", row.name, pid, err, row.want)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Running(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after it ended: %v", err)
	}
}
