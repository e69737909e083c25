package state_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"glassine/state"
	"glassine/state/statetest"
)

func open(t *testing.T, path string) *state.File {
	t.Helper()
	f, err := state.Open(path)
	if err != nil {
		t.Fatalf("Open(%s): %v", path, err)
	}
	t.Cleanup(func() { _ = f.Close() }) // the test may have done so
	return f
}

// shut closes what must close well.
func shut(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestFileKeepsTheContract(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return open(t, filepath.Join(t.TempDir(), "state.db")) })
}

func TestFileKeepsRecordsAndRevisionsOverReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	if err := f.Commit(t.Context(), state.Change{Table: "t", Key: "k", Value: []byte("v")},
		state.Change{Table: "t", Key: "gone", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(t.Context(), state.Change{Table: "t", Key: "gone"}); err != nil { // the newest revision
		t.Fatal(err)
	}
	before, err := f.Get(t.Context(), "t", "k")
	if err != nil {
		t.Fatal(err)
	}
	shut(t, f)

	f = open(t, path)
	after, err := f.Get(t.Context(), "t", "k")
	if err != nil || string(after.Value) != "v" || after.Revision != before.Revision {
		t.Errorf("after reopening: %+v, %v; want %+v", after, err, before)
	}
	if err := f.Commit(t.Context(), state.Change{Table: "t", Key: "new", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	r, err := f.Get(t.Context(), "t", "new")
	if err != nil || r.Revision <= before.Revision+2 {
		t.Errorf("first revision after reopening is %d, %v; want more than %d", r.Revision, err, before.Revision+2)
	}
}

func TestFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	open(t, filepath.Join(dir, "state.db"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the directory holds %v, %v; want the state file alone", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestFileInUseIsErrLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	began := time.Now()
	if _, err := state.Open(path); !errors.Is(err, state.ErrLocked) {
		t.Errorf("Open of an open file: %v, want ErrLocked", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Open of an open file took %v", took)
	}
	shut(t, f)
	open(t, path)
}

func TestOpenRefusesWhatIsNoStateFile(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte("not a database, and not to be replaced by one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, dir, filepath.Join(dir, "no", "such", "directory.db")} {
		if f, err := state.Open(path); err == nil {
			shut(t, f)
			t.Errorf("Open(%s) was accepted", path)
		}
	}
	if b, err := os.ReadFile(garbage); err != nil || string(b[:3]) != "not" {
		t.Errorf("the file that was refused holds %q, %v", b, err)
	}
}

func BenchmarkCommit(b *testing.B) {
	f, err := state.Open(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer shut(b, f)
	value := make([]byte, 1024)
	for b.Loop() {
		if err := f.Commit(b.Context(), state.Change{Table: "t", Key: "k", Value: value}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	f, err := state.Open(filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer shut(b, f)
	if err := f.Commit(b.Context(), state.Change{Table: "t", Key: "k", Value: make([]byte, 1024)}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.Get(b.Context(), "t", "k"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSnapshotIsOneMomentWhileCommitsGoOn(t *testing.T) {
	dir := t.TempDir()
	f := open(t, filepath.Join(dir, "state.db"))
	put := func(v string) error {
		return f.Commit(t.Context(), state.Change{Table: "t", Key: "a", Value: []byte(v)}, state.Change{Table: "u", Key: "b", Value: []byte(v)})
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	committed := make(chan error, 1)
	err := f.Snapshot(filepath.Join(dir, "copy.db"), func() error {
		go func() { committed <- put("after") }()
		select {
		case err := <-committed:
			t.Errorf("a commit was made at the moment itself: %v", err)
		case <-time.After(20 * time.Millisecond): // a commit that is not kept out takes far less
		}
		return nil
	})
	if err := errors.Join(err, <-committed); err != nil {
		t.Fatal(err)
	}
	c := open(t, filepath.Join(dir, "copy.db"))
	a, errA := c.Get(t.Context(), "t", "a")
	b, errB := c.Get(t.Context(), "u", "b")
	if err := errors.Join(errA, errB); err != nil || string(a.Value) != "before" || string(b.Value) != "before" {
		t.Errorf("the copy holds %q and %q, %v", a.Value, b.Value, err)
	}
	if now, err := f.Get(t.Context(), "t", "a"); err != nil || string(now.Value) != "after" {
		t.Errorf("the file holds %q, %v", now.Value, err)
	}
	refused := errors.New("refused")
	if err := f.Snapshot(filepath.Join(dir, "no.db"), func() error { return refused }); !errors.Is(err, refused) {
		t.Errorf("Snapshot whose moment failed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "no.db")); err == nil {
		t.Error("a snapshot that failed left a file")
	}
	if err := put("later"); err != nil {
		t.Errorf("a commit after a snapshot that failed: %v", err)
	}
}
