package crash

import (
	"errors"
	"io"
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

const bucket = "/crash-test"

// strace returns the path of strace, which these tests cannot do without.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("this test needs strace: install the Debian package strace (%v)", err)
	}
	return path
}

// traced runs a server under strace, sends it what send sends, and returns the trace and the data directory.
func traced(t *testing.T, send func(*server)) (events []storetest.Event, data string) {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data = filepath.Join(home, "data")
	underStrace(t, data, storetest.StraceArgs, send, func(trace io.Reader) (err error) {
		events, err = storetest.ParseTrace(trace)
		return err
	})
	return events, data
}

// underStrace runs a server on a data directory under strace with the arguments, sends it what send sends, ends it, and
// gives read what strace wrote.
func underStrace(t *testing.T, data string, args []string, send func(*server), read func(io.Reader) error) {
	t.Helper()
	// With -D the server is our child and strace our grandchild, which writes on after the server has ended. So the
	// trace is a pipe: its end is the end of strace.
	trace := filepath.Join(t.TempDir(), "trace")
	if err := syscall.Mkfifo(trace, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		f, err := os.Open(trace)
		if err == nil {
			err = errors.Join(read(f), f.Close())
		}
		ended <- err
	}()
	s := start(t, data, append([]string{strace(t), "-D", "-o", trace}, args...)...)
	send(s)
	s.stop(t)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// arrives is the read of the traced request's first bytes, answered the write of an answer's.
func arrives(e storetest.Event) bool {
	return e.Call == "read" && strings.Contains(e.Args, bucket+"/traced?x-id=PutObject")
}

func answered(e storetest.Event) bool {
	return strings.HasPrefix(e.Call, "write") && strings.Contains(e.Args, `"HTTP/1.1 200`)
}

func TestServerFlushesBeforeItAnswersAPut(t *testing.T) {
	events, data := traced(t, func(s *server) {
		s.must(t, "PUT", bucket, "")
		s.must(t, "PUT", bucket+"/traced", "the object before")
		s.must(t, "PUT", bucket+"/traced?x-id=PutObject", strings.Repeat("x", 300_000))
	})
	dir := filepath.Join(data, "objects")
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
	s.must(t, "PUT", bucket, "")
	s.must(t, "PUT", bucket+"/key", "old")
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
