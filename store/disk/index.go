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

// The index is a bbolt database with two top-level buckets. objectsBucket holds a bucket per bucket of the store, and in
// it a record under every key. runBucket is empty: its sequence is the number of the last run.
var (
	objectsBucket = []byte("objects-1")
	runBucket     = []byte("run")
	// cleanKey is in runBucket when the last run ended with no blob left behind.
	cleanKey = []byte("clean")
)

// index is the ordered map from bucket and key to record.
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
		_, err1 := tx.CreateBucket(objectsBucket)
		b, err2 := tx.CreateBucket(runBucket)
		if err := errors.Join(err1, err2); err != nil {
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

// openIndex opens the index at path and begins a run: run is its number, and clean says that the run before left no
// blob behind.
func openIndex(path string) (x *index, run uint32, clean bool, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, 0, false, ErrLocked
	}
	if err != nil {
		return nil, 0, false, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(runBucket)
		if b == nil || tx.Bucket(objectsBucket) == nil {
			return errors.New("not the index of a glassine store")
		}
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

// get returns the record at key, or store.ErrNotFound.
func (x *index) get(bucket, key string) (r record, err error) {
	err = x.view(bucket, func(b *bbolt.Bucket) error {
		v := b.Get([]byte(key))
		if v == nil {
			return store.ErrNotFound
		}
		r, err = decodeRecord(v)
		r.info.Key = key
		return err
	})
	return r, err
}

// view calls f with a bucket of the index at one moment, or returns store.ErrNotFound when nothing is in the bucket.
// f must be short: the index cannot grow meanwhile.
func (x *index) view(bucket string, f func(*bbolt.Bucket) error) error {
	err := x.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(objectsBucket).Bucket([]byte(bucket))
		if b == nil {
			return store.ErrNotFound
		}
		return f(b)
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// list returns a page of a bucket.
func (x *index) list(bucket string, opt store.ListOptions) (page store.Page, err error) {
	err = x.view(bucket, func(b *bbolt.Bucket) error {
		page, err = store.ListFrom(&cursor{c: b.Cursor()}, opt)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return store.Page{}, nil
	}
	return page, err
}

// cursor is a store.Cursor over a bucket of the index, within a transaction.
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

func (c *cursor) Info() (store.Info, error) {
	r, err := decodeRecord(c.value)
	if err != nil {
		return store.Info{}, fmt.Errorf("%q: %w", c.key, err)
	}
	r.info.Key = c.key
	return r.info, nil
}
