package disk

import (
	"bytes"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// txn is a transaction on the index, for reading or for one change. The methods that change something return an error
// only when the transaction cannot go on; what a change refuses, it refuses before it calls them.
type txn struct {
	tx    *bbolt.Tx
	freed []blobID // by the change: nothing refers to them once the transaction is committed
}

// sub returns what the store's bucket of that name has in a top-level bucket, nil if it has nothing there.
func (t *txn) sub(top []byte, bucket string) *bbolt.Bucket {
	return t.tx.Bucket(top).Bucket([]byte(bucket))
}

// get returns a value, nil if there is none.
func (t *txn) get(top []byte, bucket string, k []byte) []byte {
	if b := t.sub(top, bucket); b != nil {
		return b.Get(k)
	}
	return nil
}

func (t *txn) put(top []byte, bucket string, k, v []byte) error {
	b, err := t.tx.Bucket(top).CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	return b.Put(k, v)
}

// delete deletes a key, and the store's bucket with the last one.
func (t *txn) delete(top []byte, bucket string, k []byte) error {
	b := t.sub(top, bucket)
	if b == nil {
		return nil
	}
	if err := b.Delete(k); err != nil {
		return err
	}
	if first, _ := b.Cursor().First(); first != nil {
		return nil
	}
	return t.tx.Bucket(top).DeleteBucket([]byte(bucket))
}

// found is a version and where it is: the current object in objectsBucket, everything else in versionsBucket.
type found struct {
	record
	current bool
}

// newest returns the newest version of key, which may be a delete marker.
func (t *txn) newest(bucket, key string) (f found, ok bool, err error) {
	if v := t.get(objectsBucket, bucket, []byte(key)); v != nil {
		r, err := decodeRecord(v)
		return found{r, true}, true, err
	}
	err = t.older(bucket, key, func(r record) bool {
		f, ok = found{record: r}, true
		return false
	})
	return f, ok, err
}

// older calls f with the versions of key in versionsBucket, the newest first, until f returns false.
func (t *txn) older(bucket, key string, f func(record) bool) error {
	b := t.sub(versionsBucket, bucket)
	if b == nil {
		return nil
	}
	prefix := entryKey(key, nil)
	c := b.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		r, err := decodeRecord(v)
		if err != nil {
			return err
		}
		if !f(r) {
			return nil
		}
	}
	return nil
}

// version returns the version of that id, a delete marker too, or store.ErrNoVersion. To find the null version under
// others it looks at all that are newer.
func (t *txn) version(bucket, key, versionID string) (found, error) {
	var f found
	ok := false
	if v := t.get(objectsBucket, bucket, []byte(key)); v != nil {
		r, err := decodeRecord(v)
		if err != nil || r.info.VersionID == versionID {
			return found{r, true}, err
		}
	}
	if versionID == store.NullVersion {
		err := t.older(bucket, key, func(r record) bool {
			if r.info.VersionID == store.NullVersion {
				f, ok = found{record: r}, true
			}
			return !ok
		})
		if err != nil {
			return found{}, err
		}
	} else if id, valid := store.ParseID(versionID); valid {
		if v := t.get(versionsBucket, bucket, versionKey(key, id)); v != nil {
			r, err := decodeRecord(v)
			if err != nil {
				return found{}, err
			}
			f, ok = found{record: r}, r.id == id && r.info.VersionID == versionID
		}
	}
	if !ok {
		return found{}, store.ErrNoVersion
	}
	return f, nil
}

// object returns what a reader means by versionID: see store.GetOptions.
func (t *txn) object(bucket, key, versionID string) (found, error) {
	var f found
	var err error
	if versionID == "" {
		var ok bool
		if f, ok, err = t.newest(bucket, key); err == nil && !ok {
			err = store.ErrNotFound
		}
	} else {
		f, err = t.version(bucket, key, versionID)
	}
	if err != nil {
		return found{}, err
	}
	if f.info.DeleteMarker {
		return found{}, &store.MarkerError{VersionID: f.info.VersionID, Modified: f.info.Modified, Named: versionID != ""}
	}
	f.info.Key = key
	return f, nil
}

// currentETag returns the ETag of key's current object, "" if there is none.
func (t *txn) currentETag(bucket, key string) (string, error) {
	v := t.get(objectsBucket, bucket, []byte(key))
	if v == nil {
		return "", nil
	}
	r, err := decodeRecord(v)
	return r.info.ETag, err
}

// add makes r the newest version of key and gives it its id and time. With another mode than Versioned it drops the null
// version. What r refers to is the caller's to count.
func (t *txn) add(bucket, key string, r *record, mode store.Versioning) error {
	newest, ok, err := t.newest(bucket, key)
	if err != nil {
		return err
	}
	nanos := uint64(0)
	if ok {
		nanos = newest.id.Nanos()
	}
	r.id = store.NewID(store.NextNanos(nanos))
	r.info.VersionID = r.id.String()
	r.info.Modified = time.Now().UTC().Truncate(time.Second)
	if mode != store.Versioned {
		r.info.VersionID = store.NullVersion
		clear(r.id[8:])
		switch null, err := t.version(bucket, key, store.NullVersion); {
		case errors.Is(err, store.ErrNoVersion):
		case err != nil:
			return err
		default:
			if err := t.release(null.record); err != nil {
				return err
			}
			if null.current {
				newest.current = false // it is not kept
				err = t.replaceCurrent(bucket, key, r)
			} else {
				err = t.delete(versionsBucket, bucket, versionKey(key, null.id))
			}
			if err != nil {
				return err
			}
		}
	}
	if ok && newest.current {
		old := bytes.Clone(t.get(objectsBucket, bucket, []byte(key)))
		if err := t.put(versionsBucket, bucket, versionKey(key, newest.id), old); err != nil {
			return err
		}
		if err := t.replaceCurrent(bucket, key, r); err != nil {
			return err
		}
	}
	v, err := r.encode()
	if err != nil {
		return err
	}
	if r.info.DeleteMarker {
		return t.put(versionsBucket, bucket, versionKey(key, r.id), v)
	}
	return t.put(objectsBucket, bucket, []byte(key), v)
}

// replaceCurrent takes key's record out of objectsBucket, unless r is about to take its place.
func (t *txn) replaceCurrent(bucket, key string, r *record) error {
	if !r.info.DeleteMarker {
		return nil
	}
	return t.delete(objectsBucket, bucket, []byte(key))
}

// remove takes a version out of the index, releases what it refers to, and makes the newest one left the current one.
func (t *txn) remove(bucket, key string, f found) error {
	if err := t.release(f.record); err != nil {
		return err
	}
	if f.current {
		if err := t.delete(objectsBucket, bucket, []byte(key)); err != nil {
			return err
		}
	} else if err := t.delete(versionsBucket, bucket, versionKey(key, f.id)); err != nil {
		return err
	}
	next, ok, err := t.newest(bucket, key)
	if err != nil || !ok || next.current || next.info.DeleteMarker {
		return err
	}
	k := versionKey(key, next.id)
	v := bytes.Clone(t.get(versionsBucket, bucket, k))
	if err := t.delete(versionsBucket, bucket, k); err != nil {
		return err
	}
	return t.put(objectsBucket, bucket, []byte(key), v)
}
