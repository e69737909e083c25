//go:build linux

package edge

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fullDir is the environment variable with the directory that the child of TestFullDiskTurnsTheTierOff mounts a small file system on.
const fullDir = "GLASSINE_TEST_EDGE_FULL_DIR"

const noMount = "mount refused"

// An edge whose disk is full goes on with its memory alone: every answer is whole, and the log says once why.
func TestFullDiskTurnsTheTierOff(t *testing.T) {
	if dir := os.Getenv(fullDir); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
			t.Fatalf("%s: %v", noMount, err)
		}
		fullDisk(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDiskTurnsTheTierOff$", "-test.v")
	cmd.Env = append(os.Environ(), fullDir+"="+t.TempDir())
	// A user and mount namespace of its own, in which the child may mount a small file system.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), noMount) || errors.Is(err, syscall.EPERM) {
		t.Skipf("this kernel lets us have no small file system of our own: %v\n%s", err, out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestFullDiskTurnsTheTierOff") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T, dir string) {
	var log bytes.Buffer
	body := func(n int) string { return strings.Repeat(fmt.Sprintf("%07d\n", n), 25000) } // 200 KB
	d := newDiskRig(t, setup{
		origin: func(r *http.Request) (*http.Response, error) {
			var n int
			if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil {
				return nil, err
			}
			return response(200, body(n), "Cache-Control", "max-age=3600"), nil
		},
		config: func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) },
	})
	d.Edge.Close()
	d.cfg.CacheDir = filepath.Join(dir, "cache")
	d.restart(t)
	d.down.Store(false)
	for n := range 100 { // twice what there is room for
		for _, want := range []string{"Miss", "Hit"} {
			a := d.get(fmt.Sprint("/", n))
			if a.status != 200 || a.body != body(n) || a.broken || a.xCache() != want {
				t.Fatalf("object %d: %d %s, %d bytes, broken %v; want %s", n, a.status, a.xCache(), len(a.body), a.broken, want)
			}
		}
		d.settled(t)
	}
	if err := d.cache.Disk().Err; !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the tier is off for %v, want no space left on device", err)
	}
	if n := strings.Count(log.String(), "disk cache is off"); n != 1 {
		t.Errorf("the log says %d times that the disk cache is off: %s", n, &log)
	}
	// What is on the disk is found at the next start.
	d.restart(t)
	var found []int
	for n := range 100 {
		a := d.get(fmt.Sprint("/", n))
		if a.status != 200 {
			continue
		}
		if found = append(found, n); a.body != body(n) || a.broken {
			t.Errorf("object %d after a restart: %d bytes, broken %v", n, len(a.body), a.broken)
		}
	}
	if len(found) < 10 {
		t.Fatalf("%d objects are found after a restart", len(found))
	}
	// An invalidation holds, whether there is room to note it or not: without, the files go.
	if _, err := d.Invalidate(t.Context(), d.root, d.dist.ID, "1", []string{fmt.Sprint("/", found[0])}); err != nil {
		t.Errorf("an invalidation on a full disk: %v", err)
	}
	for range 2 {
		if a := d.get(fmt.Sprint("/", found[0])); a.status == 200 {
			t.Errorf("object %d after its invalidation: %s", found[0], a.xCache())
		}
		d.restart(t)
	}
	d.Edge.Close()
}
