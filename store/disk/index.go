package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"glassine/store"
)

// lockWait is how long Open waits for the lock of a process that is just ending.
const lockWait = time.Second

// The index is a bbolt database with these top-level buckets. The first three hold a bucket for every bucket of the store
// in which there is something.
var (
	// objectsBucket has the record of a key's newest version under the key, unless that is a delete marker.
	objectsBucket = []byte("objects-2")
	// versionsBucket has the records of all other versions under versionKey.
	versionsBucket = []byte("versions-2")
	// uploadsBucket has the uploads under way under entryKey with their id.
	uploadsBucket = []byte("uploads-2")
	// partsBucket has the parts of uploads and of multipart objects under partKey.
	partsBucket = []byte("parts-2")
	// manifestsBucket has, under the id of the upload that made them, how many objects are made of its parts: a uvarint.
	manifestsBucket = []byte("manifests-2")
	// blobsBucket has a blobRecord under the id of every blob that something refers to.
	blobsBucket = []byte("blobs-2")
	// runBucket's sequence is the number of the last run.
	runBucket = []byte("run")
	// cleanKey is in runBucket when the last run ended with no blob left behind.
	cleanKey = []byte("clean")

	dataBuckets = [][]byte{objectsBucket, versionsBucket, uploadsBucket, partsBucket, manifestsBucket, blobsBucket}
)

// index is what the store knows of its objects.
type index struct {
	db *bbolt.DB
}

// createIndex makes an empty index at path. It is prepared under another name, so that a power failure at any instant
// leaves no half-made file at path; and linked rather than renamed, so that of two processes that start together
// neither replaces the file of the other.
func createIndex(path string) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	fresh.Close()
	defer os.Remove(fresh.Name())
	db, err := bbolt.Open(fresh.Name(), 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range dataBuckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(runBucket)
		if err != nil {
			return err
		}
		return b.Put(cleanKey, []byte("yes"))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// mapped is how far the index can grow while a backup reads a snapshot of it: bbolt maps anew what grows beyond it, and waits for
// readers first. It is address space, not memory.
const mapped = 4 << 30

// openIndex opens the index at path and begins a run: run is its number, and clean says that the run before left no
// blob behind.
func openIndex(path string) (x *index, run uint32, clean bool, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapped})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, 0, false, ErrLocked
	}
	if err != nil {
		return nil, 0, false, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range append(dataBuckets, runBucket) {
			if tx.Bucket(name) == nil {
				return errors.New("not the index of a glassine store, or of another version of it")
			}
		}
		b := tx.Bucket(runBucket)
		clean = b.Get(cleanKey) != nil
		n, err := b.NextSequence()
		run = uint32(n)
		return errors.Join(err, b.Delete(cleanKey))
	})
	if err != nil {
		return nil, 0, false, errors.Join(err, db.Close())
	}
	return &index{db: db}, run, clean, nil
}

// markClean notes that this run leaves no blob behind.
func (x *index) markClean() error {
	return x.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(runBucket).Put(cleanKey, []byte("yes")) })
}

// view calls f with the index at one moment. f must be short: the index cannot outgrow its map meanwhile.
func (x *index) view(f func(*txn) error) error {
	err := x.db.View(func(tx *bbolt.Tx) error { return f(&txn{tx: tx}) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// list returns a page of a bucket.
func (x *index) list(bucket string, opt store.ListOptions) (page store.Page, err error) {
	err = x.view(func(t *txn) error {
		b := t.sub(objectsBucket, bucket)
		if b == nil {
			return nil
		}
		page, err = store.ListFrom(&cursor{c: b.Cursor()}, opt)
		return err
	})
	return page, err
}

// cursor is a store.Cursor over a bucket of objectsBucket, within a transaction.
type cursor struct {
	c     *bbolt.Cursor
	key   string
	value []byte
}

func (c *cursor) Seek(from string) (string, bool) { return c.at(c.c.Seek([]byte(from))) }

func (c *cursor) Next() (string, bool) { return c.at(c.c.Next()) }

func (c *cursor) at(k, v []byte) (string, bool) {
	c.key, c.value = string(k), v
	return c.key, k != nil
}

func (c *cursor) Info() (store.Info, error) { return decodeInfo(c.key, c.value) }

// decodeInfo reads the record of a key.
func decodeInfo(key string, v []byte) (store.Info, error) {
	r, err := decodeRecord(v)
	if err != nil {
		return store.Info{}, fmt.Errorf("%q: %w", key, err)
	}
	r.info.Key = key
	return r.info, nil
}
