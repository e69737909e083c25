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
	const objects = walkStep + walkStep/5 // so that the walk takes more than one step
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
		if _, err := s.blobs.write(t.Context(), strings.NewReader("an orphan")); err != nil {
			t.Fatal(err)
		}
	}
	strange := filepath.Join(s.blobs.fanOutDir(3), "not-ours")
	if err := os.WriteFile(strange, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	abandon(t, s)

	for _, limit := range []int{sweepIDs, 100, 1} { // one pass, some, and one for each directory
		s = openAt(t, dir)
		<-s.swept
		if limit != sweepIDs {
			for range 300 {
				id := blobID{run: s.blobs.run - 1, seq: s.blobs.next.Add(1) + 1<<40}
				if err := os.WriteFile(s.blobs.path(id), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if removed, err := s.sweepFanOut(t.Context(), limit); err != nil || removed != 300 {
				t.Errorf("a sweep in passes of %d ids deleted %d files, %v; want 300", limit, removed, err)
			}
		}
		if got := files(t, s); got != objects+1 {
			t.Errorf("a sweep in passes of %d ids left %d files, want %d", limit, got, objects+1)
		}
		for i := range objects {
			o, err := s.Get(t.Context(), fmt.Sprintf("bucket-%d", i%7), fmt.Sprintf("key-%d", i), store.GetOptions{})
			if err != nil {
				t.Fatalf("object %d after the sweep: %v", i, err)
			}
			o.Body.Close()
		}
		abandon(t, s)
	}
}

func TestSweepSparesWhatIsBeingWritten(t *testing.T) {
	s := openAt(t, t.TempDir())
	<-s.swept
	b, err := s.blobs.write(t.Context(), strings.NewReader("not yet published"))
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := s.sweepFanOut(t.Context(), sweepIDs); err != nil || removed != 0 {
		t.Errorf("the sweep deleted %d files, %v", removed, err)
	}
	if _, err := os.Stat(s.blobs.path(b.id)); err != nil {
		t.Error(err)
	}
}

func TestSweepDeletesNothingWhenARecordIsDamaged(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	putString(t, s, "b", "k", "body")
	damage(t, s, "b", "damaged")
	abandon(t, s)
	s = openAt(t, dir)
	<-s.swept
	if s.clean || files(t, s) != 1 {
		t.Errorf("clean is %v, %d files; want false, 1", s.clean, files(t, s))
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
