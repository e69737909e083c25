package state

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockWait is how long Open waits for the lock of a process that is just ending.
const lockWait = time.Second

// The file is a bbolt database. Its one top-level bucket holds a bucket per table; a value is the record's revision,
// 8 bytes big-endian, and then the record's bytes. The top-level bucket's own sequence is the revision counter.
var recordsBucket = []byte("records-1")

// File is a Store in one file, with fsync on every commit.
type File struct {
	db *bbolt.DB
}

// mapped is how far the file can grow while a snapshot is read: bbolt maps anew what grows beyond it, and waits for readers
// first, so that a backup would stop every write. It is address space, not memory.
const mapped = 1 << 30

// Open opens the file at path, or makes it with mode 0600; the directory must exist. A new file's directory entry is
// durable when Open returns. It returns ErrLocked when the file is open elsewhere for longer than a second.
func Open(path string) (*File, error) {
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create state file %s: %w", path, err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapped})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open state file %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open state file %s: %w", path, err)
	}
	return &File{db: db}, nil
}

// create makes an empty database at path unless something is there. It is prepared under another name, so that a
// power failure at any instant leaves no half-made file at path; and linked rather than renamed, so that of two
// processes that start together neither replaces the file of the other.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	fresh, err := os.CreateTemp(dir, ".new-*") // mode 0600
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
		_, err := tx.CreateBucket(recordsBucket)
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get implements Store.
func (f *File) Get(ctx context.Context, table, key string) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	var r Record
	err := f.db.View(func(tx *bbolt.Tx) error {
		t, err := openTable(tx, table)
		if err != nil {
			return err
		}
		if t == nil {
			return ErrNotFound
		}
		v := t.Get([]byte(key))
		if v == nil {
			return ErrNotFound
		}
		r, err = decode(key, v)
		return err
	})
	if err != nil {
		return Record{}, fmt.Errorf("get %s %q: %w", table, key, closedError(err))
	}
	return r, nil
}

// List implements Store.
func (f *File) List(ctx context.Context, table, prefix string) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []Record
	err := f.db.View(func(tx *bbolt.Tx) error {
		t, err := openTable(tx, table)
		if err != nil || t == nil {
			return err
		}
		c := t.Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			r, err := decode(string(k), v)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s %q: %w", table, prefix, closedError(err))
	}
	return found, nil
}

// Commit implements Store.
func (f *File) Commit(ctx context.Context, changes ...Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := f.db.Update(func(tx *bbolt.Tx) error {
		root := tx.Bucket(recordsBucket)
		if root == nil {
			return errNotState
		}
		for _, c := range changes {
			if err := apply(root, c); err != nil {
				return fmt.Errorf("%s %q: %w", c.Table, c.Key, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("commit: %w", closedError(err))
	}
	return nil
}

// Snapshot writes the file as it is at one moment to a new file at path, mode 0600. at is called at that moment: no commit is made
// while it runs. Commits go on while the copy is written.
func (f *File) Snapshot(path string, at func() error) error {
	tx, err := f.moment(at)
	if err != nil {
		return fmt.Errorf("snapshot: %w", closedError(err))
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = tx.WriteTo(out)
		err = errors.Join(err, out.Close())
	}
	if err = errors.Join(err, tx.Rollback()); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

// moment begins a read at which no commit is under way, and calls at before one can be. A transaction for writing is what keeps
// others out; it writes nothing.
func (f *File) moment(at func() error) (tx *bbolt.Tx, err error) {
	alone, err := f.db.Begin(true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, alone.Rollback()) }()
	if tx, err = f.db.Begin(false); err != nil {
		return nil, err
	}
	if err := at(); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// Close implements Store. It waits for the calls under way.
func (f *File) Close() error {
	// bbolt's Close of a closed database returns nil; an empty transaction tells whether it is open.
	if err := f.db.View(func(*bbolt.Tx) error { return nil }); err != nil {
		return closedError(err)
	}
	return f.db.Close()
}

// errNotState is returned for a bbolt file that is not ours.
var errNotState = errors.New("not a glassine state file")

// openTable returns the table's bucket, nil when the table was never written.
func openTable(tx *bbolt.Tx, table string) (*bbolt.Bucket, error) {
	root := tx.Bucket(recordsBucket)
	if root == nil {
		return nil, errNotState
	}
	return root.Bucket([]byte(table)), nil
}

// apply makes one change within a transaction.
func apply(root *bbolt.Bucket, c Change) error {
	if c.Table == "" || c.Key == "" {
		return errName
	}
	var current uint64
	if t := root.Bucket([]byte(c.Table)); t != nil {
		if v := t.Get([]byte(c.Key)); v != nil {
			r, err := decode(c.Key, v)
			if err != nil {
				return err
			}
			current = r.Revision
		}
	}
	if c.If != nil && *c.If != current {
		return ErrConflict
	}
	if c.Value == nil && current == 0 {
		return nil
	}
	revision, err := root.NextSequence()
	if err != nil {
		return err
	}
	t, err := root.CreateBucketIfNotExists([]byte(c.Table))
	if err != nil {
		return err
	}
	if c.Value == nil {
		return t.Delete([]byte(c.Key))
	}
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(c.Value)), revision)
	return t.Put([]byte(c.Key), append(v, c.Value...))
}

// decode makes a record of a stored value, copying it.
func decode(key string, v []byte) (Record, error) {
	if len(v) < 8 {
		return Record{}, fmt.Errorf("record of %d bytes is damaged", len(v))
	}
	return Record{Key: key, Revision: binary.BigEndian.Uint64(v), Value: append([]byte{}, v[8:]...)}, nil
}

// closedError turns bbolt's word for a closed file into ours.
func closedError(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}
