//go:build linux

package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"glassine/store"
)

func TestFullDiskFailsCleanly(t *testing.T) {
	cmd := child("fill", t.TempDir())
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

// fillSmallDisk mounts a file system of 8 MB on dir and fills a store there until nothing fits, with large objects and
// then with empty ones, which take room in the index alone.
func fillSmallDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		return fmt.Errorf("%w: %w", errNoMount, err)
	}
	s, err := Open(filepath.Join(dir, "data"), Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	there := make(map[string]int) // sizes by key
	fill := func(prefix string, size, most int) error {
		for n := range most {
			key := fmt.Sprintf("%s-%06d", prefix, n)
			_, err := s.Put(ctx, "b", key, bytes.NewReader(bytes.Repeat([]byte{'x'}, size)), store.PutOptions{})
			if errors.Is(err, store.ErrFull) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("put of %s, object %d: %w", key, len(there), err)
			}
			there[key] = size
		}
		return fmt.Errorf("%d objects of %d bytes fit on a full disk", most, size)
	}
	check := func() error {
		page, err := s.List(ctx, "b", store.ListOptions{Max: 1 << 20})
		if err != nil || len(page.Objects) != len(there) {
			return fmt.Errorf("%d objects are there, want %d, %w", len(page.Objects), len(there), err)
		}
		for key, size := range there {
			o, err := s.Get(ctx, "b", key, store.GetOptions{})
			if err != nil {
				return err
			}
			body, err := io.ReadAll(o.Body)
			o.Body.Close()
			if err != nil || len(body) != size {
				return fmt.Errorf("%s has %d bytes, want %d: %w", key, len(body), size, err)
			}
		}
		files, err := filepath.Glob(filepath.Join(s.blobs.dir, "*", "*"))
		if err != nil || len(files) != len(there) {
			return fmt.Errorf("%d files for %d objects, %w", len(files), len(there), err)
		}
		return nil
	}
	for _, step := range []func() error{
		func() error { return fill("large", 1<<20, 20) },
		func() error { return fill("medium", 10_000, 1000) },
		func() error { return fill("empty", 0, 200_000) },
		check,
		func() error { // deletion makes room again
			for key, size := range there {
				if size == 1<<20 {
					delete(there, key)
					return s.Delete(ctx, "b", key)
				}
			}
			return errors.New("no large object fitted")
		},
		check,
		func() error {
			there["again"] = 10_000
			_, err := s.Put(ctx, "b", "again", bytes.NewReader(make([]byte, 10_000)), store.PutOptions{})
			return err
		},
		check,
		func() error { return s.Close() },
		func() error { s, err = Open(filepath.Join(dir, "data"), Options{}); return err },
		check,
		func() error { return s.Close() },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
