package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"glassine/store"
)

// copySnapshot copies the files of a snapshot whose index was written to dir.
func copySnapshot(t *testing.T, p *Snapshot, dir string) (lost []string) {
	t.Helper()
	err := p.Blobs(t.Context(), func(b Blob) error {
		raw, err := io.ReadAll(b.Body)
		if err != nil {
			return err
		}
		if int64(len(raw)) != b.Size {
			return fmt.Errorf("%s has %d bytes, not %d", b.Name, len(raw), b.Size)
		}
		name := filepath.Join(dir, b.Name)
		return errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, raw, 0o600))
	}, func(name string, err error) error {
		if !errors.Is(err, store.ErrCorrupt) {
			return err
		}
		lost = append(lost, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lost
}

func TestSnapshotIsOneMomentWhileTheStoreGoesOn(t *testing.T) {
	s := openAt(t, t.TempDir())
	for i := range 200 {
		putString(t, s, "b", fmt.Sprintf("key-%d", i), fmt.Sprintf("body %d", i))
	}
	p, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(t.Context()); !errors.Is(err, ErrSnapshot) {
		t.Errorf("a second snapshot: %v", err)
	}
	dir := t.TempDir()
	if err := p.WriteIndex(filepath.Join(dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	// Everything is replaced or deleted before a byte of it was copied.
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < 200; i += 4 {
				key := fmt.Sprintf("key-%d", i)
				if i%2 == 0 {
					putString(t, s, "b", key, "another body")
				} else if err := s.Delete(t.Context(), "b", key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	putString(t, s, "b", "short-lived", "x")
	if err := s.Delete(t.Context(), "b", "short-lived"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if got := files(t, s); got != 300 { // 200 of the moment, 100 that replaced some; not the one that came and went
		t.Errorf("%d files while the snapshot is open, want 300", got)
	}
	if lost := copySnapshot(t, p, dir); len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s); got != 100 {
		t.Errorf("%d files after it was closed, want the 100 that objects have", got)
	}
	checked, err := Fsck(t.Context(), dir, FsckOptions{}, func(p Problem) { t.Errorf("problem of the copy: %v: %v", p.File, p.Err) })
	if err != nil || checked.Blobs != 200 {
		t.Errorf("Fsck of the copy = %+v, %v", checked, err)
	}
	c := openAt(t, dir)
	for i := range 200 {
		o, err := c.Get(t.Context(), "b", fmt.Sprintf("key-%d", i), store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(o.Body)
		o.Body.Close()
		if want := fmt.Sprintf("body %d", i); err != nil || string(body) != want {
			t.Fatalf("object %d of the copy is %q, %v; want %q", i, body, err, want)
		}
	}
}

func TestSnapshotOfDamagedBlobs(t *testing.T) {
	s := openAt(t, t.TempDir())
	for _, key := range []string{"whole", "short", "gone", "changed"} {
		putString(t, s, "b", key, strings.Repeat(key, 100))
	}
	short, gone, changed := blobPath(t, s, "b", "short"), blobPath(t, s, "b", "gone"), blobPath(t, s, "b", "changed")
	raw, err := os.ReadFile(changed)
	if err != nil {
		t.Fatal(err)
	}
	raw[5] ^= 1
	if err := errors.Join(os.Truncate(short, 7), os.Remove(gone), os.WriteFile(changed, raw, 0o600)); err != nil {
		t.Fatal(err)
	}
	p, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, p)
	if err := p.WriteIndex(filepath.Join(t.TempDir(), "index.db")); err != nil {
		t.Fatal(err)
	}
	var whole, corrupt, lost int
	err = p.Blobs(t.Context(), func(b Blob) error {
		read, err := io.ReadAll(b.Body)
		switch {
		case err == nil:
			whole++
		case errors.Is(err, store.ErrCorrupt) && bytes.Equal(read, raw):
			corrupt++
		default:
			t.Errorf("%s: %v", b.Name, err)
		}
		return nil
	}, func(string, error) error { lost++; return nil })
	if err != nil || whole != 1 || corrupt != 1 || lost != 2 {
		t.Errorf("whole %d, corrupt %d, lost %d, %v; want 1, 1, 2", whole, corrupt, lost, err)
	}
}

func TestBlobOfASnapshotThatIsReadStaysForItsReader(t *testing.T) {
	s := openAt(t, t.TempDir())
	putString(t, s, "b", "k", "body")
	p, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WriteIndex(filepath.Join(t.TempDir(), "index.db")); err != nil {
		t.Fatal(err)
	}
	l, err := s.find(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	held := []blobID{l.pieces[0].blob}
	s.blobs.hold(held)
	if err := errors.Join(s.Delete(t.Context(), "b", "k"), p.Close()); err != nil {
		t.Fatal(err)
	}
	if files(t, s) != 1 {
		t.Error("the file went while it was held")
	}
	if err := s.blobs.letGo(held); err != nil {
		t.Fatal(err)
	}
	if files(t, s) != 0 {
		t.Error("the file stays though nobody needs it")
	}
}
