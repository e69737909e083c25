package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// openAt opens the store in dir, and closes it with the test.
func openAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // the test may have done so
	return s
}

// shut closes what must close well.
func shut(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// damage writes a record that cannot be decoded.
func damage(t *testing.T, s *Store, bucket, key string) {
	t.Helper()
	err := s.index.db.Update(func(tx *bbolt.Tx) error {
		t := &txn{tx: tx}
		return t.put(objectsBucket, bucket, []byte(key), []byte{recordVersion, 1, 2, 3})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// blobPath returns the file of an object that is one blob.
func blobPath(t *testing.T, s *Store, bucket, key string) string {
	t.Helper()
	l, err := s.find(t.Context(), bucket, key, store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.blobs.path(l.pieces[0].blob)
}

func TestObjectsSurviveReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "Open")
	s := openAt(t, dir)
	want, err := s.Put(t.Context(), "b", "k", strings.NewReader("body"), store.PutOptions{
		Headers: store.Headers{ContentType: "text/plain"}, Metadata: map[string]string{"a": "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	s = openAt(t, dir)
	o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	if err != nil || string(b) != "body" || o.Info.ETag != want.ETag || o.Info.Headers != want.Headers || o.Info.Metadata["a"] != "b" {
		t.Errorf("after reopening: %q, %+v, %v; want %+v", b, o.Info, err, want)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	putString(t, s, "b", "k", "body")
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v; want nothing for others", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatItWouldHarm(t *testing.T) {
	t.Run("a store that is open", func(t *testing.T) {
		dir := t.TempDir()
		openAt(t, dir)
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("Open: %v, want ErrLocked", err)
		}
	})
	t.Run("objects whose index is gone", func(t *testing.T) {
		dir := t.TempDir()
		s := openAt(t, dir)
		putString(t, s, "b", "k", "body")
		shut(t, s)
		if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "index.db is missing") {
			t.Errorf("Open: %v, want a word about index.db", err)
		}
		if files(t, s) != 1 {
			t.Error("the object's file is gone")
		}
	})
	t.Run("an index that is none", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "index.db"), []byte("something else"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); err == nil {
			t.Error("Open accepted it")
		}
	})
}

func TestOpenMakesMissingDirectories(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	shut(t, s)
	if err := os.RemoveAll(filepath.Join(dir, "objects")); err != nil { // as a copy that leaves out empty directories
		t.Fatal(err)
	}
	s = openAt(t, dir)
	var wg sync.WaitGroup
	for i := range fanOut {
		wg.Go(func() { putString(t, s, "b", fmt.Sprint(i), "body") })
	}
	wg.Wait()
}

func TestReplacedAndDeletedObjectsLeaveNoFiles(t *testing.T) {
	s := openAt(t, t.TempDir())
	refused := store.PutOptions{IfNoneMatch: "*"}
	for _, step := range []struct {
		name string
		do   func() error
		want int // files
	}{
		{"put", func() error { putString(t, s, "b", "k", "1"); return nil }, 1},
		{"replace", func() error { putString(t, s, "b", "k", "2"); return nil }, 1},
		{"another key", func() error { putString(t, s, "b", "l", "3"); return nil }, 2},
		{"refused", func() error { _, err := s.Put(t.Context(), "b", "k", strings.NewReader("4"), refused); return err }, 2},
		{"delete", func() error { return s.Delete(t.Context(), "b", "k") }, 1},
		{"delete again", func() error { return s.Delete(t.Context(), "b", "k") }, 1},
	} {
		if err := step.do(); err != nil && step.name != "refused" {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := files(t, s); got != step.want {
			t.Errorf("%s: %d files, want %d", step.name, got, step.want)
		}
	}
}

// Between a reader's look-up and its open of the file, a writer may replace or delete the object.
func TestReaderFindsTheObjectThatReplacedItsOwn(t *testing.T) {
	s := openAt(t, t.TempDir())
	putString(t, s, "b", "k", "the old body")
	old, err := s.find(t.Context(), "b", "k", store.GetOptions{Range: &store.Range{Start: 1, End: 5}})
	if err != nil {
		t.Fatal(err)
	}
	putString(t, s, "b", "k", "new")
	o, err := s.open(t.Context(), "b", "k", old, store.GetOptions{Range: &store.Range{Start: 1, End: 5}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(o.Body)
	shut(t, o.Body)
	if err != nil || string(b) != "ew" || o.Length != 2 || o.Info.Size != 3 {
		t.Errorf("after a replacement the reader got %q, %+v, %v; want the new object's range", b, o, err)
	}
	if err := s.Delete(t.Context(), "b", "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open(t.Context(), "b", "k", old, store.GetOptions{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after a deletion the reader got %v, want ErrNotFound", err)
	}
}

func TestDamageIsAnErrorAndNotAnAbsence(t *testing.T) {
	s := openAt(t, t.TempDir())
	get := func(key string) error {
		o, err := s.Get(t.Context(), "b", key, store.GetOptions{})
		if err != nil {
			return err
		}
		defer o.Body.Close()
		_, err = io.Copy(io.Discard, struct{ io.Reader }{o.Body})
		return err
	}
	path := func(key string) string {
		return blobPath(t, s, "b", key)
	}
	for _, key := range []string{"missing", "cut", "grown", "whole"} {
		putString(t, s, "b", key, "the body of "+key)
	}
	damage(t, s, "b", "damaged")
	if err := errors.Join(os.Remove(path("missing")), os.Truncate(path("cut"), 5), os.Truncate(path("grown"), 500)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"missing", "cut", "grown", "damaged"} {
		if err := get(key); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%q): %v, want an error that is not ErrNotFound", key, err)
		}
	}
	if _, err := s.Put(t.Context(), "b", "damaged", strings.NewReader(""), store.PutOptions{}); !errors.Is(err, errRecord) {
		t.Errorf("Put over a damaged record: %v, want errRecord", err)
	}
	if err := get("whole"); err != nil {
		t.Errorf("an object beside damaged ones: %v", err)
	}
	putString(t, s, "b", "after", "a put after a refused one")
}

func TestFileCutWhileItIsReadIsAnUnexpectedEnd(t *testing.T) {
	s := openAt(t, t.TempDir())
	putString(t, s, "b", "k", strings.Repeat("x", 100_000))
	for name, read := range map[string]func(io.Reader) error{
		"Read":    func(r io.Reader) error { _, err := io.Copy(io.Discard, struct{ io.Reader }{r}); return err },
		"WriteTo": func(r io.Reader) error { _, err := r.(io.WriterTo).WriteTo(io.Discard); return err },
	} {
		o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f, _, _ := o.Body.(*Body).File()
		if err := os.Truncate(f.Name(), 70_000); err != nil {
			t.Fatal(err)
		}
		if err := read(o.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v, want io.ErrUnexpectedEOF", name, err)
		}
		o.Body.Close()
		if err := os.Truncate(f.Name(), 100_000); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBodyIsAFile(t *testing.T) {
	s := openAt(t, t.TempDir())
	putString(t, s, "b", "k", "0123456789")
	o, err := s.Get(t.Context(), "b", "k", store.GetOptions{Range: &store.Range{Start: 3, End: 6}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	f, off, n := o.Body.(interface {
		File() (*os.File, int64, int64)
	}).File()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil || string(b) != "3456" {
		t.Errorf("the file at %d, %d bytes, holds %q, %v; want 3456", off, n, b, err)
	}
}

func TestBodyGoesThroughHTTP(t *testing.T) {
	s := openAt(t, t.TempDir())
	body := strings.Repeat("0123456789", 50_000)
	putString(t, s, "b", "k", body)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, err := s.Get(r.Context(), "b", "k", store.GetOptions{Range: &store.Range{Start: 7, End: -1}})
		if err != nil {
			t.Error(err)
			return
		}
		defer o.Body.Close()
		w.Header().Set("Content-Length", fmt.Sprint(o.Length))
		if n, err := io.Copy(w, o.Body); err != nil || n != o.Length {
			t.Errorf("sent %d bytes, %v; want %d", n, err, o.Length)
		}
	}))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != body[7:] {
		t.Errorf("received %d bytes, %v; want %d", len(b), err, len(body)-7)
	}
}

func TestDiskFullAtAnyFlushLeavesNothing(t *testing.T) {
	var failAt, flushes atomic.Int64 // the flush that fails, and how many there were
	full := &os.PathError{Op: "sync", Path: "somewhere", Err: syscall.ENOSPC}
	s, err := open(t.TempDir(), Options{}, func(f *os.File) error {
		if flushes.Add(1) == failAt.Load() {
			return full
		}
		return f.Sync()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	putString(t, s, "b", "old", "body")
	for n := int64(1); n <= 2; n++ { // of the file, and of its directory
		flushes.Store(0)
		failAt.Store(n)
		for _, key := range []string{"old", "new"} {
			_, err := s.Put(t.Context(), "b", key, strings.NewReader("another"), store.PutOptions{})
			if key == "old" && (!errors.Is(err, store.ErrFull) || !errors.Is(err, syscall.ENOSPC)) {
				t.Errorf("Put whose flush %d fails: %v, want ErrFull", n, err)
			}
			if key == "new" && err != nil { // that flush was the only one to fail
				t.Errorf("Put after it: %v", err)
			}
		}
		if err := s.Delete(t.Context(), "b", "new"); err != nil {
			t.Fatal(err)
		}
		o, err := s.Get(t.Context(), "b", "old", store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(o.Body)
		o.Body.Close()
		if err != nil || string(b) != "body" || files(t, s) != 1 {
			t.Errorf("after it the key holds %q, %v, among %d files; want the old body alone", b, err, files(t, s))
		}
	}
}

func TestNoChangeAfterAFailedCommit(t *testing.T) {
	s := openAt(t, t.TempDir())
	putString(t, s, "b", "k", "body")
	shut(t, s.index.db) // the next commit fails, and not because the disk is full
	_, err := s.Put(t.Context(), "b", "k", strings.NewReader("another"), store.PutOptions{})
	if err == nil || errors.Is(err, store.ErrFull) {
		t.Errorf("Put with a broken index: %v", err)
	}
	if got := files(t, s); got != 2 {
		t.Errorf("%d files: what a broken commit may have published, and what it may not have replaced, must both stay", got)
	}
	if err := s.Delete(t.Context(), "b", "k"); err == nil || !strings.Contains(err.Error(), "until restart") {
		t.Errorf("Delete after it: %v, want a refusal", err)
	}
}

func TestCloseWaitsForPutsUnderWay(t *testing.T) {
	s := openAt(t, t.TempDir())
	reading, finish, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		body := io.MultiReader(strings.NewReader("body"), readerFunc(func([]byte) (int, error) {
			close(reading)
			<-finish
			return 0, io.EOF
		}))
		if _, err := s.Put(t.Context(), "b", "k", body, store.PutOptions{}); err != nil {
			t.Errorf("Put: %v", err)
		}
		select {
		case <-closed:
			t.Error("Close returned before Put did")
		default:
		}
	})
	<-reading
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		close(closed)
	})
	for s.enter(t.Context()) == nil { // until Close has begun
		s.calls.Done()
	}
	close(finish)
	wg.Wait()
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestConcurrentPutsShareCommits(t *testing.T) {
	s := openAt(t, t.TempDir())
	const puts = 200
	commits := func() int {
		var id int
		if err := s.index.db.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := commits()
	// All wait in the queue before the first is committed.
	changes := make([]*change, puts)
	var wg sync.WaitGroup
	for i := range changes {
		b, err := s.blobs.write(t.Context(), bytes.NewReader(nil), "", false)
		if err != nil {
			t.Fatal(err)
		}
		rec := record{content: content{blob: b.id}, info: store.Info{ETag: b.etag, Checksum: b.checksum}}
		changes[i] = &change{apply: func(x *txn) error {
			if err := x.putBlob(b.id, b.rec); err != nil {
				return err
			}
			return x.add("b", fmt.Sprint(i), &rec, store.Unversioned)
		}}
	}
	for _, ch := range changes {
		wg.Go(func() {
			if err := s.committer.submit(ch); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made := commits() - before; made > puts/4 {
		t.Errorf("%d changes took %d commits", puts, made)
	} else {
		t.Logf("%d changes took %d commits", puts, made)
	}
	if page, err := s.List(t.Context(), "b", store.ListOptions{}); err != nil || len(page.Objects) != puts {
		t.Errorf("%d objects, %v; want %d", len(page.Objects), err, puts)
	}
}
