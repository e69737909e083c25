package disk

import (
	"fmt"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// versionCursor is a store.EntryCursor over the versions of a bucket, within a transaction: objectsBucket and
// versionsBucket merged. A key's record in the first is newer than those in the second.
type versionCursor struct {
	t              *txn
	bucket         string
	objects        *bbolt.Cursor // nil when the bucket has nothing there, as versions
	versions       *bbolt.Cursor
	oKey, oValue   []byte // of objects; oKey nil at its end
	vKey           string // of versions; vEntry nil at its end
	vEntry, vValue []byte
	err            error // a key in versions that cannot be read
}

func newVersionCursor(t *txn, bucket string) *versionCursor {
	c := &versionCursor{t: t, bucket: bucket}
	if b := t.sub(objectsBucket, bucket); b != nil {
		c.objects = b.Cursor()
	}
	if b := t.sub(versionsBucket, bucket); b != nil {
		c.versions = b.Cursor()
	}
	return c
}

func (c *versionCursor) seekObject(from string) {
	if c.objects != nil {
		c.oKey, c.oValue = c.objects.Seek([]byte(from))
	}
}

func (c *versionCursor) atVersion(k, v []byte) {
	ok := true
	c.vEntry, c.vValue = k, v
	if k != nil {
		c.vKey, _, ok = splitEntryKey(k)
	}
	if !ok {
		c.vEntry, c.err = nil, fmt.Errorf("key %x: %w", k, errRecord)
	}
}

func (c *versionCursor) seekVersion(from []byte) {
	if c.versions != nil {
		c.atVersion(c.versions.Seek(from))
	}
}

func (c *versionCursor) Seek(from string) (string, bool) {
	c.seekObject(from)
	c.seekVersion(escapeKey(nil, from))
	return c.at()
}

func (c *versionCursor) SeekAfter(key, id string) (string, bool) {
	after, ok := store.ParseID(id)
	if id == store.NullVersion {
		null, err := c.t.version(c.bucket, key, id)
		after, ok = null.id, err == nil
	}
	if !ok { // an id that means nothing any more: rather repeat than omit
		return c.Seek(key)
	}
	c.seekVersion(entryKey(key, versionTail(after.Nanos()-1)))
	c.seekObject(key)
	if string(c.oKey) == key {
		if r, err := decodeRecord(c.oValue); err == nil && r.id.Nanos() >= after.Nanos() {
			c.oKey, c.oValue = c.objects.Next()
		}
	}
	return c.at()
}

func (c *versionCursor) Next() (string, bool) {
	if c.atObject() {
		c.oKey, c.oValue = c.objects.Next()
	} else {
		c.atVersion(c.versions.Next())
	}
	return c.at()
}

// atObject reports whether the current entry is in objectsBucket.
func (c *versionCursor) atObject() bool {
	return c.oKey != nil && (c.vEntry == nil || string(c.oKey) <= c.vKey)
}

func (c *versionCursor) at() (string, bool) {
	if c.atObject() {
		return string(c.oKey), true
	}
	return c.vKey, c.vEntry != nil || c.err != nil
}

func (c *versionCursor) Entry() (store.Info, string, error) {
	if c.err != nil {
		return store.Info{}, "", c.err
	}
	if c.atObject() {
		info, err := decodeInfo(string(c.oKey), c.oValue)
		info.Latest = true
		return info, info.VersionID, err
	}
	info, err := decodeInfo(c.vKey, c.vValue)
	if err == nil && info.DeleteMarker { // an object here has something newer over it
		newest, ok, err := c.t.newest(c.bucket, c.vKey)
		if err != nil {
			return store.Info{}, "", err
		}
		info.Latest = ok && newest.info.VersionID == info.VersionID
	}
	return info, info.VersionID, err
}
