package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// sample fills a store with something of everything, and returns the object whose parts are shared.
func sample(t *testing.T, s *Store) {
	t.Helper()
	putString(t, s, "b", "plain", "the plain body")
	putEncrypted(t, s, "sealed", strings.Repeat("s", packageSize+5))
	for _, body := range []string{"one", "two"} {
		if _, err := s.Put(t.Context(), "b", "versioned", strings.NewReader(body), store.PutOptions{Version: store.Versioned}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DeleteVersion(t.Context(), "b", "versioned", store.DeleteOptions{Version: store.Versioned}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"joined", "under way"} {
		u, err := s.CreateUpload(t.Context(), "b", key, store.UploadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		up := store.UploadID{Bucket: "b", Key: key, ID: u.ID}
		p, err := s.PutPart(t.Context(), up, 1, strings.NewReader("a part of "+key), store.PartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if key == "joined" {
			if _, err := s.CompleteUpload(t.Context(), up, []store.Part{p}, store.CompleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for key, from := range map[string]string{"copy of plain": "plain", "copy of joined": "joined"} {
		if _, err := s.Copy(t.Context(), store.Source{Bucket: "b", Key: from}, "c", key, store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFsckFindsWhatIsWrong(t *testing.T) {
	index := func(change func(x *txn) error) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			if err := s.index.db.Update(func(tx *bbolt.Tx) error { return change(&txn{tx: tx}) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(key string, change func(path string) error) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			if err := change(blobPath(t, s, "b", key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[3] ^= 1
		return os.WriteFile(path, b, 0o600)
	}
	tests := []struct {
		name   string
		damage func(*testing.T, *Store)
		want   string // of every problem: what it says, and what it is about
		quick  bool   // found without reading the blobs
	}{
		{"nothing", func(*testing.T, *Store) {}, "", true},
		{"a changed byte", file("plain", flip), `has the checksum b/"plain" c/"copy of plain"`, false},
		{"a changed byte in an encrypted blob", file("sealed", flip), `has the checksum b/"sealed"`, false},
		{"a changed byte in a part", file("joined", flip), `has the checksum b/"joined" c/"copy of joined"`, false},
		{"a missing file", file("plain", os.Remove), `no such file b/"plain" c/"copy of plain"`, true},
		{"a short file", file("plain", func(p string) error { return os.Truncate(p, 3) }), `has 3 bytes b/"plain" c/"copy of plain"`, true},
		{"a damaged record", index(func(x *txn) error {
			return errors.Join(x.put(objectsBucket, "b", []byte("plain"), []byte{9}), x.unref(blobOf(x, "c", "copy of plain")))
		}), `record is damaged b/"plain"`, true},
		{"a wrong count", index(func(x *txn) error { return x.share(blobOf(x, "b", "plain")) }), `counted 3 times`, true},
		{"a lost count", index(func(x *txn) error {
			return x.tx.Bucket(blobsBucket).Delete(blobOf(x, "b", "plain").encode())
		}), `lost the blob b/"plain" c/"copy of plain"; orphan`, true},
		{"a wrong count of a manifest", index(func(x *txn) error {
			f, err := x.object("b", "joined", "")
			return errors.Join(err, x.putManifest(f.content.manifest, 1))
		}), `counted 1 times, 2 objects have it`, true},
		{"a part of nothing", index(func(x *txn) error {
			p := samplePart()
			p.segments = nil
			v, err := p.encode()
			return errors.Join(err, x.tx.Bucket(partsBucket).Put(partKey(store.NewID(1), 1), v))
		}), `part of no object`, true},
		{"a file that the index does not know", func(t *testing.T, s *Store) {
			if err := os.WriteFile(s.blobs.path(blobID{7, 7}), []byte("orphan"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "orphan", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openFast(t, dir, Options{Keys: [][32]byte{{1}}})
			sample(t, s)
			tt.damage(t, s)
			if _, err := Fsck(t.Context(), dir, FsckOptions{}, nil); !errors.Is(err, ErrLocked) {
				t.Errorf("Fsck of an open store: %v, want ErrLocked", err)
			}
			shut(t, s)
			for _, quick := range []bool{true, false} {
				var got []Problem
				checked, err := Fsck(t.Context(), dir, FsckOptions{Quick: quick, Keys: [][32]byte{{1}}}, func(p Problem) { got = append(got, p) })
				if err != nil {
					t.Fatalf("Fsck: %v", err)
				}
				want := strings.Split(tt.want, "; ")
				if tt.want == "" || quick && !tt.quick {
					want = nil
				}
				if len(got) != len(want) || checked.Problems != len(want) {
					t.Fatalf("quick %v: %d problems, %+v; want %q", quick, checked.Problems, got, want)
				}
				for i := range want {
					matches(t, got[i], want[i])
				}
				if !quick && (checked.Bytes == 0 || checked.Blobs < 5) {
					t.Errorf("it says that it has checked %+v", checked)
				}
			}
		})
	}
}

func blobOf(x *txn, bucket, key string) blobID {
	f, err := x.object(bucket, key, "")
	if err != nil {
		panic(err)
	}
	return f.content.blob
}

// matches compares a problem with text that holds a part of what it says and then what it is about.
func matches(t *testing.T, p Problem, want string) {
	t.Helper()
	if want == "orphan" {
		if !p.Orphan || p.File == "" {
			t.Errorf("problem %+v, want an orphan", p)
		}
		return
	}
	all := p.Err.Error()
	for _, o := range slices.Sorted(slices.Values(p.Objects)) {
		all += " " + o
	}
	says, about, _ := strings.Cut(want, ` b/"`)
	if about != "" {
		about = ` b/"` + about
	}
	if !errors.Is(p.Err, store.ErrCorrupt) || p.Orphan || !strings.Contains(all, says) || !strings.HasSuffix(all, about) {
		t.Errorf("problem %q, want %q", all, want)
	}
}

func TestFsckRemovesOrphans(t *testing.T) {
	dir := t.TempDir()
	s := openFast(t, dir, Options{})
	putString(t, s, "b", "k", "body")
	orphan := s.blobs.path(blobID{7, 7})
	if err := os.WriteFile(orphan, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	if _, err := Fsck(t.Context(), dir, FsckOptions{RemoveOrphans: true}, func(Problem) {}); err != nil {
		t.Fatal(err)
	}
	checked, err := Fsck(t.Context(), dir, FsckOptions{}, func(p Problem) { t.Errorf("%+v", p) })
	if err != nil || checked.Problems != 0 || checked.Blobs != 1 {
		t.Errorf("Fsck after the orphan was removed = %+v, %v", checked, err)
	}
	if _, err := Fsck(t.Context(), filepath.Join(dir, "absent"), FsckOptions{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Fsck of no store: %v, want ErrNotExist", err)
	}
}

func TestVerifyReadsEveryVersion(t *testing.T) {
	s := openFast(t, t.TempDir(), Options{Keys: [][32]byte{{1}}})
	sample(t, s)
	for _, key := range []string{"plain", "sealed", "joined"} {
		if err := s.Verify(t.Context(), "b", key, ""); err != nil {
			t.Errorf("Verify(%q): %v", key, err)
		}
	}
	page, err := s.ListVersions(t.Context(), "b", store.EntryOptions{Prefix: "versioned"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range page.Entries {
		if err := s.Verify(t.Context(), "b", v.Key, v.VersionID); (err != nil) != v.DeleteMarker {
			t.Errorf("Verify of version %+v: %v", v, err)
		}
	}
	if err := s.Verify(t.Context(), "b", "absent", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Verify of nothing: %v, want ErrNotFound", err)
	}
	if err := os.Truncate(blobPath(t, s, "b", "joined"), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), "c", "copy of joined", ""); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Verify of a copy of what was damaged: %v, want ErrCorrupt", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Verify(ctx, "b", "plain", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify with a cancelled context: %v", err)
	}
}

func TestScrubKeepsToItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openFast(t, t.TempDir(), Options{})
		for i := range 4 {
			putString(t, s, "b", fmt.Sprint(i), strings.Repeat("x", 1<<20))
		}
		if err := os.Truncate(blobPath(t, s, "b", "2"), 5); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var got []Problem
		c, err := s.Scrub(t.Context(), 1<<20, func(p Problem) { got = append(got, p) })
		if err != nil || c.Blobs != 4 || c.Problems != 1 || len(got) != 1 {
			t.Fatalf("Scrub = %+v, %v, %+v", c, err, got)
		}
		matches(t, got[0], `has 5 bytes b/"2"`)
		if took := time.Since(began); took < 2800*time.Millisecond || took > 3100*time.Millisecond {
			t.Errorf("3 MiB at 1 MiB a second took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Scrub(ctx, 1<<10, func(Problem) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Scrub whose time is over: %v", err)
		}
		shut(t, s)
	})
}

// lockedBuffer is a buffer for many goroutines.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestBackgroundScrubReportsToTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lockedBuffer)
		s := openFast(t, t.TempDir(), Options{
			Scrub: ScrubOptions{Every: time.Hour},
			Log:   slog.New(slog.NewTextHandler(log, nil)),
		})
		putString(t, s, "b", "good", "body")
		putString(t, s, "b", "bad", "body")
		if err := os.Truncate(blobPath(t, s, "b", "bad"), 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if got := log.String(); got != "" {
			t.Errorf("before the first pass the log says %s", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := log.String(); !strings.Contains(got, `b/\"bad\"`) || strings.Contains(got, "good") || !strings.Contains(got, "blobs=2") {
			t.Errorf("the log says %s", got)
		}
		shut(t, s)
	})
}
