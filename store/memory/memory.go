// Package memory keeps objects in memory: a store.Store for tests and for throw-away installations. Nothing in it
// outlives the process, or is ever at rest: so PutOptions.Encrypt is noted, and that is all. Begin with Store, whose zero
// value is ready.
package memory

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"glassine/store"
)

// Store is a store.Store in memory. Set Limit before the first use.
type Store struct {
	// Limit is the most bytes that the bodies may take together, those being read included; over it, Put returns
	// store.ErrFull. 0 means no limit.
	Limit int64

	mu      sync.RWMutex       // guards what follows
	buckets map[string]*bucket // none is empty
	used    int64              // bytes of the bodies
	closed  bool
}

// bucket holds one bucket's objects and uploads; Store.mu guards it.
type bucket struct {
	keys    []string             // sorted
	objects map[string][]*object // newest version first; none is empty
	uploads []*upload            // by key, and of a key the oldest first
}

// object is one version of a key, or a delete marker. It is immutable once it is in a bucket.
type object struct {
	info   store.Info
	nanos  uint64 // of the version's id, or what it would be
	upload string // that made the object, "" if none
	body   []byte
}

var _ store.Store = (*Store)(nil)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, bucketName, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	info, err := s.put(ctx, bucketName, key, body, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("put object %s/%q: %w", bucketName, key, err)
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, bucketName, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	if err := s.usable(ctx); err != nil {
		return store.Info{}, err
	}
	if err := store.CheckName(bucketName, key); err != nil {
		return store.Info{}, err
	}
	sum, err := store.NewHash(opt.ChecksumAlgorithm)
	if err != nil {
		return store.Info{}, err
	}
	content, err := s.read(ctx, body)
	if err != nil {
		return store.Info{}, err
	}
	md5Sum := md5.Sum(content)
	sum.Write(content)
	o := &object{body: content, info: store.Info{
		Size:     int64(len(content)),
		ETag:     hex.EncodeToString(md5Sum[:]),
		Checksum: store.SumOf(opt.ChecksumAlgorithm, sum),
	}}
	return s.publish(bucketName, key, o, opt)
}

// publish makes o, whose body is counted in s.used and described in o.info, the newest version of key, or gives the
// bytes back.
func (s *Store) publish(bucketName, key string, o *object, opt store.PutOptions) (info store.Info, err error) {
	defer func() {
		if err != nil {
			s.giveBack(int64(len(o.body)))
		}
	}()
	o.info.Key = key
	o.info.Headers, o.info.Metadata, o.info.Tags = opt.Headers, maps.Clone(opt.Metadata), maps.Clone(opt.Tags)
	o.info.Encrypted = opt.Encrypt
	if opt.Accept != nil {
		if err := opt.Accept(o.describe()); err != nil {
			return store.Info{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Info{}, store.ErrClosed
	}
	b := s.bucket(bucketName)
	if err := opt.Check(b.currentETag(key)); err != nil {
		s.drop(bucketName)
		return store.Info{}, err
	}
	s.used -= b.add(key, o, opt.Version)
	return o.describe(), nil
}

// giveBack counts n bytes less.
func (s *Store) giveBack(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
}

// bucket returns the bucket of that name, which is made if need be. The caller holds s.mu for writing.
func (s *Store) bucket(name string) *bucket {
	b := s.buckets[name]
	if b == nil {
		b = &bucket{objects: make(map[string][]*object)}
		if s.buckets == nil {
			s.buckets = make(map[string]*bucket)
		}
		s.buckets[name] = b
	}
	return b
}

// drop forgets a bucket in which there is nothing. The caller holds s.mu for writing.
func (s *Store) drop(name string) {
	if b := s.buckets[name]; b != nil && len(b.keys) == 0 && len(b.uploads) == 0 {
		delete(s.buckets, name)
	}
}

// read reads body whole; Limit bounds it. The bytes it returns are counted in s.used, and on an error none is.
func (s *Store) read(ctx context.Context, body io.Reader) ([]byte, error) {
	var content []byte
	buf := make([]byte, 32<<10)
	counted := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			s.giveBack(counted)
			return nil, err
		}
		n, err := body.Read(buf)
		if n > 0 {
			if !s.take(int64(n)) {
				s.giveBack(counted)
				return nil, store.ErrFull
			}
			counted += int64(n)
			content = append(content, buf[:n]...)
		}
		if err == io.EOF {
			return slices.Clip(content), nil
		}
		if err != nil {
			s.giveBack(counted)
			return nil, err
		}
	}
}

// take counts n more bytes, or returns false when there is no room for them.
func (s *Store) take(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Limit > 0 && s.used+n > s.Limit {
		return false
	}
	s.used += n
	return true
}

// Get implements store.Store. The body is an io.ReaderAt and an io.WriterTo as well.
func (s *Store) Get(ctx context.Context, bucketName, key string, opt store.GetOptions) (*store.Object, error) {
	o, err := s.find(ctx, bucketName, key, opt.VersionID)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucketName, key, err)
	}
	offset, length, err := opt.Range.Resolve(o.info.Size)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucketName, key, err)
	}
	return &store.Object{
		Info:   o.whole(),
		Offset: offset,
		Length: length,
		Body:   body{bytes.NewReader(o.body[offset : offset+length])},
	}, nil
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucketName, key string) (store.Info, error) {
	return s.HeadVersion(ctx, bucketName, key, "")
}

// find returns a version of key; versionID is as in store.GetOptions.
func (s *Store) find(ctx context.Context, bucketName, key, versionID string) (*object, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckName(bucketName, key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.buckets[bucketName].version(key, versionID)
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, bucketName, key string) error {
	_, err := s.DeleteVersion(ctx, bucketName, key, store.DeleteOptions{})
	return err
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, bucketName string, opt store.ListOptions) (store.Page, error) {
	err := s.usable(ctx)
	if err == nil {
		err = store.CheckName(bucketName, "any")
	}
	if err != nil {
		return store.Page{}, fmt.Errorf("list bucket %s: %w", bucketName, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return store.Page{}, nil
	}
	return store.ListFrom(&cursor{bucket: b}, opt)
}

// Close implements store.Store. It does not wait: a Put under way returns store.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	s.buckets = nil
	return nil
}

// usable returns why no method may run now, or nil.
func (s *Store) usable(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	return ctx.Err()
}

// describe returns an Info that the caller may keep and change.
func (o *object) describe() store.Info {
	info := o.info
	info.Metadata = maps.Clone(info.Metadata)
	info.Tags = maps.Clone(info.Tags)
	info.Parts = nil
	return info
}

// whole is describe with the parts.
func (o *object) whole() store.Info {
	info := o.describe()
	info.Parts = slices.Clone(o.info.Parts)
	return info
}

// cursor walks the keys of a bucket whose newest version is an object; the caller holds Store.mu.
type cursor struct {
	bucket *bucket
	at     int
}

func (c *cursor) Seek(from string) (string, bool) {
	c.at, _ = slices.BinarySearch(c.bucket.keys, from)
	return c.key()
}

func (c *cursor) Next() (string, bool) {
	c.at++
	return c.key()
}

func (c *cursor) key() (string, bool) {
	for ; c.at < len(c.bucket.keys); c.at++ {
		key := c.bucket.keys[c.at]
		if !c.bucket.objects[key][0].info.DeleteMarker {
			return key, true
		}
	}
	return "", false
}

func (c *cursor) Info() (store.Info, error) {
	return c.bucket.objects[c.bucket.keys[c.at]][0].describe(), nil
}

// body reads an object's bytes, which nobody changes.
type body struct{ *bytes.Reader }

func (body) Close() error { return nil }
