package disk

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"glassine/store"
	"glassine/store/storetest"
)

// openFast opens the store in dir without flushes, which trace tests look after.
func openFast(t testing.TB, dir string, opt Options) *Store {
	t.Helper()
	s, err := open(dir, opt, func(*os.File) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.index.db.NoSync = true
	t.Cleanup(func() { _ = s.Close() }) // the test may have done so
	return s
}

// emptied removes the files of a store from dir, but not its 256 directories, which take long to make.
func emptied(t *testing.T, dir string) string {
	t.Helper()
	for _, pattern := range []string{"index.db", "objects/*/*"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range paths {
			err = errors.Join(err, os.Remove(path))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestStoreKeepsTheContract(t *testing.T) {
	dir := t.TempDir()
	storetest.Run(t, func(t *testing.T) store.Store { return checkedStore{openFast(t, emptied(t, dir), Options{}), t} })
}

func TestEncryptedStoreKeepsTheContract(t *testing.T) {
	dir := t.TempDir()
	storetest.Run(t, func(t *testing.T) store.Store {
		s := openFast(t, emptied(t, dir), Options{Keys: [][32]byte{{1}}})
		return encryptingStore{checkedStore{s, t}}
	})
}

// encryptingStore encrypts everything.
type encryptingStore struct{ checkedStore }

func (s encryptingStore) Put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	opt.Encrypt = true
	return s.checkedStore.Put(ctx, bucket, key, body, opt)
}

func (s encryptingStore) Copy(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	opt.Encrypt = true
	return s.checkedStore.Copy(ctx, src, bucket, key, opt)
}

func (s encryptingStore) CreateUpload(ctx context.Context, bucket, key string, opt store.UploadOptions) (store.Upload, error) {
	opt.Encrypt = true
	return s.checkedStore.CreateUpload(ctx, bucket, key, opt)
}

// checkedStore looks, when it is closed, whether index and files agree.
type checkedStore struct {
	*Store
	t *testing.T
}

func (s checkedStore) Close() error {
	if !s.isClosed() {
		checkIndex(s.t, s.Store)
	}
	return s.Store.Close()
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// checkIndex counts every reference in the index again and looks for every file, with code that shares nothing with what
// keeps the counts.
func checkIndex(t *testing.T, s *Store) {
	t.Helper()
	c := counts{make(map[blobID]uint64), make(map[store.ID]uint64), make(map[store.ID]bool)}
	err := s.index.view(func(x *txn) error {
		for _, step := range []func(*testing.T, *txn) error{c.records, c.uploads, c.parts, c.blobs} {
			if err := step(t, x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := files(t, s); got != len(c.refs) && !s.blobs.anyDoomed() {
		t.Errorf("%d files for %d blobs", got, len(c.refs))
	}
}

// counts is what checkIndex has counted.
type counts struct {
	refs     map[blobID]uint64
	manifest map[store.ID]uint64
	upload   map[store.ID]bool
}

// inEvery calls f with every key of a top-level bucket that holds a bucket for each of the store's.
func inEvery(x *txn, top []byte, f func(k, v []byte) error) error {
	return x.tx.Bucket(top).ForEachBucket(func(name []byte) error {
		return x.tx.Bucket(top).Bucket(name).ForEach(f)
	})
}

func (c counts) records(t *testing.T, x *txn) error {
	for _, top := range [][]byte{objectsBucket, versionsBucket} {
		err := inEvery(x, top, func(_, v []byte) error {
			r, err := decodeRecord(v)
			switch {
			case r.info.DeleteMarker:
			case r.info.PartCount > 0:
				c.manifest[r.content.manifest]++
			default:
				c.refs[r.content.blob]++
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return x.tx.Bucket(manifestsBucket).ForEach(func(k, v []byte) error {
		if n := uint64(v[0]); n != c.manifest[store.ID(k)] {
			t.Errorf("manifest %x is counted %d times, and referred to %d times", k, n, c.manifest[store.ID(k)])
		}
		return nil
	})
}

func (c counts) uploads(_ *testing.T, x *txn) error {
	return inEvery(x, uploadsBucket, func(k, _ []byte) error {
		_, tail, _ := splitEntryKey(k)
		c.upload[store.ID(tail)] = true
		return nil
	})
}

func (c counts) parts(t *testing.T, x *txn) error {
	return x.tx.Bucket(partsBucket).ForEach(func(k, v []byte) error {
		id := store.ID(k[:len(store.ID{})])
		if c.manifest[id] == 0 && !c.upload[id] {
			t.Errorf("part %x is of no object and of no upload", k)
		}
		p, err := decodePart(k, v)
		for _, seg := range p.segments {
			c.refs[seg.blob]++
		}
		return err
	})
}

func (c counts) blobs(t *testing.T, x *txn) error {
	return x.tx.Bucket(blobsBucket).ForEach(func(k, v []byte) error {
		b, err := decodeBlob(v)
		if id := decodeBlobID(k); err == nil && b.refs != c.refs[id] {
			t.Errorf("blob %x is counted %d times, and referred to %d times", k, b.refs, c.refs[id])
		}
		return err
	})
}
