package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"glassine/store"
)

// version returns a version of key; versionID is as in store.GetOptions. b may be nil.
func (b *bucket) version(key, versionID string) (*object, error) {
	var versions []*object
	if b != nil {
		versions = b.objects[key]
	}
	if versionID == "" {
		if len(versions) == 0 {
			return nil, store.ErrNotFound
		}
		return versions[0].unlessMarker(false)
	}
	for _, o := range versions {
		if o.info.VersionID == versionID {
			return o.unlessMarker(true)
		}
	}
	return nil, store.ErrNoVersion
}

func (o *object) unlessMarker(named bool) (*object, error) {
	if o.info.DeleteMarker {
		return nil, &store.MarkerError{VersionID: o.info.VersionID, Modified: o.info.Modified, Named: named}
	}
	return o, nil
}

// currentETag returns the ETag of key's current object, "" if there is none.
func (b *bucket) currentETag(key string) string {
	if o, err := b.version(key, ""); err == nil {
		return o.info.ETag
	}
	return ""
}

// add makes o the newest version of key, and returns how many bytes went with what it replaced.
func (b *bucket) add(key string, o *object, versioning store.Versioning) (freed int64) {
	var newest uint64
	if versions := b.objects[key]; len(versions) > 0 {
		newest = versions[0].nanos
	}
	o.nanos = store.NextNanos(newest)
	o.info.Key, o.info.VersionID = key, store.NullVersion
	o.info.Modified = time.Now().UTC().Truncate(time.Second)
	if versioning == store.Versioned {
		o.info.VersionID = store.NewID(o.nanos).String()
	} else {
		_, freed = b.remove(key, store.NullVersion)
	}
	if len(b.objects[key]) == 0 {
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, i, key)
	}
	b.objects[key] = slices.Insert(b.objects[key], 0, o)
	return freed
}

// remove removes a version and returns it, nil if there is none, and how many bytes went with it.
func (b *bucket) remove(key, versionID string) (o *object, freed int64) {
	versions := b.objects[key]
	i := slices.IndexFunc(versions, func(o *object) bool { return o.info.VersionID == versionID })
	if i < 0 {
		return nil, 0
	}
	o = versions[i]
	b.objects[key] = slices.Delete(versions, i, i+1)
	if len(versions) == 1 {
		delete(b.objects, key)
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Delete(b.keys, i, i+1)
	}
	return o, int64(len(o.body))
}

// HeadVersion implements store.Store.
func (s *Store) HeadVersion(ctx context.Context, bucketName, key, versionID string) (store.Info, error) {
	o, err := s.find(ctx, bucketName, key, versionID)
	if err != nil {
		return store.Info{}, fmt.Errorf("head object %s/%q: %w", bucketName, key, err)
	}
	return o.whole(), nil
}

// DeleteVersion implements store.Store.
func (s *Store) DeleteVersion(ctx context.Context, bucketName, key string, opt store.DeleteOptions) (store.Deleted, error) {
	err := s.usable(ctx)
	if err == nil {
		err = store.CheckName(bucketName, key)
	}
	var deleted store.Deleted
	if err == nil {
		deleted, err = s.deleteVersion(bucketName, key, opt)
	}
	if err != nil {
		return store.Deleted{}, fmt.Errorf("delete object %s/%q: %w", bucketName, key, err)
	}
	return deleted, nil
}

func (s *Store) deleteVersion(bucketName, key string, opt store.DeleteOptions) (store.Deleted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.drop(bucketName)
	b := s.bucket(bucketName)
	etag := ""
	if o, err := b.version(key, opt.VersionID); err == nil {
		etag = o.info.ETag
	}
	if err := opt.Check(etag); err != nil {
		return store.Deleted{}, err
	}
	if opt.VersionID == "" && opt.Version != store.Unversioned {
		marker := &object{info: store.Info{DeleteMarker: true}}
		s.used -= b.add(key, marker, opt.Version)
		return store.Deleted{VersionID: marker.info.VersionID, Marker: true}, nil
	}
	o, freed := b.remove(key, cmp.Or(opt.VersionID, store.NullVersion))
	if o == nil {
		return store.Deleted{}, nil
	}
	s.used -= freed
	return store.Deleted{VersionID: o.info.VersionID, Marker: o.info.DeleteMarker}, nil
}

// SetTags implements store.Store.
func (s *Store) SetTags(ctx context.Context, bucketName, key, versionID string, tags map[string]string) (store.Info, error) {
	info, err := s.setTags(ctx, bucketName, key, versionID, tags)
	if err != nil {
		return store.Info{}, fmt.Errorf("tag object %s/%q: %w", bucketName, key, err)
	}
	return info, nil
}

func (s *Store) setTags(ctx context.Context, bucketName, key, versionID string, tags map[string]string) (store.Info, error) {
	if err := s.usable(ctx); err != nil {
		return store.Info{}, err
	}
	if err := store.CheckName(bucketName, key); err != nil {
		return store.Info{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketName]
	o, err := b.version(key, versionID)
	if err != nil {
		return store.Info{}, err
	}
	tagged := *o
	tagged.info.Tags = maps.Clone(tags)
	b.objects[key][slices.Index(b.objects[key], o)] = &tagged
	return tagged.describe(), nil
}

// Copy implements store.Store.
func (s *Store) Copy(ctx context.Context, src store.Source, bucketName, key string, opt store.PutOptions) (store.Info, error) {
	info, err := s.copyObject(ctx, src, bucketName, key, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("copy object %s/%q to %s/%q: %w", src.Bucket, src.Key, bucketName, key, err)
	}
	return info, nil
}

func (s *Store) copyObject(ctx context.Context, src store.Source, bucketName, key string, opt store.PutOptions) (store.Info, error) {
	o, err := s.find(ctx, src.Bucket, src.Key, src.VersionID)
	if err != nil {
		return store.Info{}, err
	}
	if src.ETag != "" && src.ETag != o.info.ETag {
		return store.Info{}, store.ErrPrecondition
	}
	if err := store.CheckName(bucketName, key); err != nil {
		return store.Info{}, err
	}
	c := &object{body: o.body, info: o.whole()}
	if a := opt.ChecksumAlgorithm; a != "" && a != c.info.Checksum.Algorithm {
		sum, err := store.NewHash(a)
		if err != nil {
			return store.Info{}, err
		}
		sum.Write(o.body)
		c.info.Checksum = store.SumOf(a, sum)
	}
	if !s.take(int64(len(c.body))) {
		return store.Info{}, store.ErrFull
	}
	return s.publish(bucketName, key, c, opt)
}

// ListVersions implements store.Store.
func (s *Store) ListVersions(ctx context.Context, bucketName string, opt store.EntryOptions) (store.VersionPage, error) {
	err := s.usable(ctx)
	if err == nil {
		err = store.CheckName(bucketName, "any")
	}
	if err != nil {
		return store.VersionPage{}, fmt.Errorf("list versions of bucket %s: %w", bucketName, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return store.VersionPage{}, nil
	}
	return store.ListEntries(&versionCursor{bucket: b}, opt)
}

// versionCursor walks the versions of a bucket; the caller holds Store.mu.
type versionCursor struct {
	bucket *bucket
	at     int // key
	nth    int // version of it
}

func (c *versionCursor) Seek(from string) (string, bool) {
	c.at, _ = slices.BinarySearch(c.bucket.keys, from)
	c.nth = 0
	return c.key()
}

func (c *versionCursor) SeekAfter(key, id string) (string, bool) {
	next, ok := c.Seek(key)
	if next != key {
		return next, ok
	}
	nanos := uint64(math.MaxUint64) // of an id that means nothing: all of the key's versions come after it
	if after, ok := store.ParseID(id); ok {
		nanos = after.Nanos()
	}
	for _, o := range c.bucket.objects[key] {
		if o.info.VersionID == id {
			nanos = o.nanos
		}
	}
	for ok && next == key && c.bucket.objects[key][c.nth].nanos >= nanos {
		next, ok = c.Next()
	}
	return next, ok
}

func (c *versionCursor) Next() (string, bool) {
	if c.nth++; c.nth >= len(c.bucket.objects[c.bucket.keys[c.at]]) {
		c.at, c.nth = c.at+1, 0
	}
	return c.key()
}

func (c *versionCursor) key() (string, bool) {
	if c.at >= len(c.bucket.keys) {
		return "", false
	}
	return c.bucket.keys[c.at], true
}

func (c *versionCursor) Entry() (store.Info, string, error) {
	info := c.bucket.objects[c.bucket.keys[c.at]][c.nth].describe()
	info.Latest = c.nth == 0
	return info, info.VersionID, nil
}
