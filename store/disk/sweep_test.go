package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"glassine/store"
)

// abandon closes a store as a crash would: without the note that nothing was left behind.
func abandon(t *testing.T, s *Store) {
	t.Helper()
	s.leftBehind.Store(true)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// putString stores body, which must succeed. Any goroutine may call it.
func putString(t testing.TB, s *Store, bucket, key, body string) {
	t.Helper()
	if _, err := s.Put(t.Context(), bucket, key, strings.NewReader(body), store.PutOptions{}); err != nil {
		t.Errorf("Put(%q, %q): %v", bucket, key, err)
	}
}

// files returns how many blob files there are.
func files(t *testing.T, s *Store) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.blobs.dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestSweepDeletesJustTheOrphans(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	const objects = 1200
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < objects; i += 8 {
				putString(t, s, fmt.Sprintf("bucket-%d", i%7), fmt.Sprintf("key-%d", i), "body")
			}
		})
	}
	wg.Wait()
	for range 300 {
		if _, err := s.blobs.write(t.Context(), strings.NewReader("an orphan"), "", false); err != nil {
			t.Fatal(err)
		}
	}
	strange := filepath.Join(s.blobs.fanOutDir(3), "not-ours")
	if err := os.WriteFile(strange, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	abandon(t, s)

	s = openAt(t, dir)
	<-s.swept
	if got := files(t, s); got != objects+1 {
		t.Errorf("the sweep left %d files, want %d", got, objects+1)
	}
	for i := range objects {
		o, err := s.Get(t.Context(), fmt.Sprintf("bucket-%d", i%7), fmt.Sprintf("key-%d", i), store.GetOptions{})
		if err != nil {
			t.Fatalf("object %d after the sweep: %v", i, err)
		}
		o.Body.Close()
	}
	if !s.clean {
		t.Error("the sweep does not say that nothing is left")
	}
}

func TestSweepSparesWhatIsBeingWritten(t *testing.T) {
	s := openAt(t, t.TempDir())
	<-s.swept
	b, err := s.blobs.write(t.Context(), strings.NewReader("not yet published"), "", false)
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := s.sweepFanOut(t.Context()); err != nil || removed != 0 {
		t.Errorf("the sweep deleted %d files, %v", removed, err)
	}
	if _, err := os.Stat(s.blobs.path(b.id)); err != nil {
		t.Error(err)
	}
}

func TestSweepSparesTheBlobOfADamagedRecord(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	putString(t, s, "b", "k", "body")
	damage(t, s, "b", "k")
	abandon(t, s)
	s = openAt(t, dir)
	<-s.swept
	if files(t, s) != 1 {
		t.Errorf("%d files, want 1", files(t, s))
	}
}

func TestCleanEndNeedsNoSweep(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	putString(t, s, "b", "k", "old")
	putString(t, s, "b", "k", "new")
	shut(t, s)
	x, _, clean, err := openIndex(filepath.Join(dir, "index.db"))
	if err != nil || !clean {
		t.Errorf("after Close clean is %v, %v; want true", clean, err)
	}
	shut(t, x.db)
	x, _, clean, err = openIndex(filepath.Join(dir, "index.db")) // nobody called markClean
	if err != nil || clean {
		t.Errorf("after a crash clean is %v, %v; want false", clean, err)
	}
	shut(t, x.db)
}
