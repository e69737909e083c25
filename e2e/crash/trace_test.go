package crash

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"glassine/store/storetest"
)

// strace returns the path of strace, which these tests cannot do without.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("this test needs strace: install the Debian package strace (%v)", err)
	}
	return path
}

// tracedPut overwrites an object on a server under strace and returns the trace, and the store's directory.
func tracedPut(t *testing.T) (events []storetest.Event, dir string) {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, trace := filepath.Join(home, "data"), filepath.Join(home, "trace")
	// With -D the server is our child and strace our grandchild, which writes on after the server has ended. So the
	// trace is a pipe: its end is the end of strace.
	if err := syscall.Mkfifo(trace, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		f, err := os.Open(trace)
		if err == nil {
			events, err = storetest.ParseTrace(f)
			err = errors.Join(err, f.Close())
		}
		read <- err
	}()
	s := start(t, data, append([]string{strace(t), "-D", "-o", trace}, storetest.StraceArgs...)...)
	s.mustPut(t, bucket, "")
	s.mustPut(t, bucket+"/traced", "the object before")
	s.mustPut(t, bucket+"/traced?x-id=PutObject", strings.Repeat("x", 300_000))
	s.stop(t)
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	return events, filepath.Join(data, "objects")
}

// arrives is the read of the traced request's first bytes, answered the write of an answer's.
func arrives(e storetest.Event) bool {
	return e.Call == "read" && strings.Contains(e.Args, bucket+"/traced?x-id=PutObject")
}

func answered(e storetest.Event) bool {
	return strings.HasPrefix(e.Call, "write") && strings.Contains(e.Args, `"HTTP/1.1 200`)
}

func TestServerFlushesBeforeItAnswersAPut(t *testing.T) {
	events, dir := tracedPut(t)
	if err := storetest.CheckFlushOrder(events, dir, arrives, answered); err != nil {
		t.Fatal(err)
	}
	// The test must bite: without any one of the flushes in the trace, it has to complain.
	objects := filepath.Join(dir, "objects")
	for name, of := range map[string]func(path string) bool{
		"objects":     func(path string) bool { return filepath.Dir(filepath.Dir(path)) == objects },
		"directories": func(path string) bool { return filepath.Dir(path) == objects },
		"the index":   func(path string) bool { return path == filepath.Join(dir, "index.db") },
	} {
		less := slices.DeleteFunc(slices.Clone(events), func(e storetest.Event) bool {
			return (e.Call == "fsync" || e.Call == "fdatasync") && of(e.Path)
		})
		if err := storetest.CheckFlushOrder(less, dir, arrives, answered); err == nil || len(less) == len(events) {
			t.Errorf("without its %d flushes of %s the trace passes", len(events)-len(less), name)
		}
	}
}

// A PUT whose flush fails must not be answered with success, and must leave the object before.
func TestServerDoesNotAcknowledgeWhatItCannotFlush(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := start(t, data)
	s.mustPut(t, bucket, "")
	s.mustPut(t, bucket+"/key", "old")
	s.stop(t)

	// Starting in a directory that is complete calls fsync for nothing; a Put does, for its file.
	s = start(t, data, strace(t), "-D", "-f", "-o", os.DevNull, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO")
	a, err := s.do("PUT", bucket+"/key", []byte("new"), nil)
	if err != nil || a.status != http.StatusInternalServerError || !strings.Contains(string(a.body), "<Code>InternalError</Code>") {
		t.Errorf("PUT on a disk that does not flush: %v, %d %s; want 500 InternalError", err, a.status, a.body)
	}
	if strings.Contains(string(a.body), "input/output") {
		t.Errorf("the answer tells a client of our disk: %s", a.body)
	}
	s.stop(t)

	s = start(t, data)
	a, err = s.do("GET", bucket+"/key", nil, nil)
	if err != nil || a.status != http.StatusOK || string(a.body) != "old" {
		t.Errorf("GET after it: %v, %d %q; want the old object", err, a.status, a.body)
	}
}
