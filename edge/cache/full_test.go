//go:build linux

package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFullFileSystemTurnsTheTierOff(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fullEnv+"="+t.TempDir())
	// A user and mount namespace of its own, in which the child may mount a small file system.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	err := cmd.Run()
	if strings.Contains(complaint.String(), errNoMount.Error()) || errors.Is(err, syscall.EPERM) {
		t.Skipf("this kernel lets us have no small file system of our own: %v %s", err, &complaint)
	}
	if err != nil {
		t.Errorf("%v: %s", err, &complaint)
	}
}

var errNoMount = errors.New("mount refused")

// fillFileSystem mounts one of 8 MB on dir and stores until it is full, and then more; then it starts again on what is
// there.
func fillFileSystem(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		return fmt.Errorf("%w: %w", errNoMount, err)
	}
	var log bytes.Buffer
	cfg := onDisk(filepath.Join(dir, "cache"))
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	body := func(n int) string { return strings.Repeat(fmt.Sprintf("%07d\n", n), 10000) }
	c := New(cfg)
	const all = 200 // of 80 KB each: twice what there is room for
	for n := range all {
		for _, do := range []Fill{give(stored(body(n))), nil} {
			v, err := c.Fetch(context.Background(), key(fmt.Sprint("/", n)), do)
			if err != nil {
				return err
			}
			if s, err := read(context.Background(), v); err != nil || s != body(n) {
				return fmt.Errorf("/%d has %d bytes, %w; want %d", n, len(s), err, len(body(n)))
			}
			c.running.Wait()
		}
		if err := c.Flush(); err != nil {
			return err
		}
	}
	if err := c.Disk().Err; !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the tier is off for %w, want no space left on device", err)
	}
	c.Close()
	if n := strings.Count(log.String(), "\n"); n != 1 {
		return fmt.Errorf("%d log lines: %s", n, &log)
	}
	cfg.DiskBytes = 4 << 20 // what was too much goes, and there is room again
	cfg.SegmentBytes = 1 << 20
	c = New(cfg)
	defer c.Close()
	if err := c.Disk().Err; err != nil {
		return err
	}
	found := 0
	for n := range all {
		v := c.Open(context.Background(), key(fmt.Sprint("/", n)))
		if v == nil {
			continue
		}
		found++
		if s, err := read(context.Background(), v); err != nil || s != body(n) {
			return fmt.Errorf("after a restart /%d has %d bytes, %w; want %d", n, len(s), err, len(body(n)))
		}
	}
	if found == 0 {
		return errors.New("after a restart nothing is there")
	}
	return nil
}
