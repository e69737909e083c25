// Package memory keeps objects in memory: a store.Store for tests and for throw-away installations. Nothing in it
// outlives the process. Begin with Store, whose zero value is ready.
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
	"time"

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

// bucket holds one bucket's objects; Store.mu guards it.
type bucket struct {
	keys    []string // sorted
	objects map[string]*object
}

// object is immutable once it is in a bucket.
type object struct {
	info store.Info
	body []byte
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
	content, err := s.read(ctx, body)
	if err != nil {
		return store.Info{}, err
	}
	sum := md5.Sum(content)
	o := &object{body: content, info: store.Info{
		Key:      key,
		Size:     int64(len(content)),
		ETag:     hex.EncodeToString(sum[:]),
		Headers:  opt.Headers,
		Metadata: maps.Clone(opt.Metadata),
	}}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.used -= o.info.Size
		return store.Info{}, store.ErrClosed
	}
	b := s.buckets[bucketName]
	var old *object
	current := ""
	if b != nil && b.objects[key] != nil {
		old = b.objects[key]
		current = old.info.ETag
	}
	if err := opt.Check(current); err != nil {
		s.used -= o.info.Size
		return store.Info{}, err
	}
	if b == nil {
		b = &bucket{objects: make(map[string]*object)}
		if s.buckets == nil {
			s.buckets = make(map[string]*bucket)
		}
		s.buckets[bucketName] = b
	}
	if old == nil {
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, i, key)
	} else {
		s.used -= old.info.Size
	}
	o.info.Modified = time.Now().UTC().Truncate(time.Second)
	b.objects[key] = o
	return o.describe(), nil
}

// read reads body whole; Limit bounds it. The bytes it returns are counted in s.used, and on an error none is.
func (s *Store) read(ctx context.Context, body io.Reader) ([]byte, error) {
	var content []byte
	buf := make([]byte, 32<<10)
	counted := int64(0)
	giveBack := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.used -= counted
	}
	for {
		if err := ctx.Err(); err != nil {
			giveBack()
			return nil, err
		}
		n, err := body.Read(buf)
		if n > 0 {
			if !s.take(int64(n)) {
				giveBack()
				return nil, store.ErrFull
			}
			counted += int64(n)
			content = append(content, buf[:n]...)
		}
		if err == io.EOF {
			return slices.Clip(content), nil
		}
		if err != nil {
			giveBack()
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
	o, err := s.find(ctx, bucketName, key)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucketName, key, err)
	}
	offset, length, err := opt.Range.Resolve(o.info.Size)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucketName, key, err)
	}
	return &store.Object{
		Info:   o.describe(),
		Offset: offset,
		Length: length,
		Body:   body{bytes.NewReader(o.body[offset : offset+length])},
	}, nil
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucketName, key string) (store.Info, error) {
	o, err := s.find(ctx, bucketName, key)
	if err != nil {
		return store.Info{}, fmt.Errorf("head object %s/%q: %w", bucketName, key, err)
	}
	return o.describe(), nil
}

// find returns the object at key, or store.ErrNotFound.
func (s *Store) find(ctx context.Context, bucketName, key string) (*object, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.CheckName(bucketName, key); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.buckets[bucketName]; b != nil && b.objects[key] != nil {
		return b.objects[key], nil
	}
	return nil, store.ErrNotFound
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, bucketName, key string) error {
	err := s.usable(ctx)
	if err == nil {
		err = store.CheckName(bucketName, key)
	}
	if err != nil {
		return fmt.Errorf("delete object %s/%q: %w", bucketName, key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[bucketName]
	if b == nil || b.objects[key] == nil {
		return nil
	}
	s.used -= b.objects[key].info.Size
	delete(b.objects, key)
	i, _ := slices.BinarySearch(b.keys, key)
	b.keys = slices.Delete(b.keys, i, i+1)
	if len(b.keys) == 0 {
		delete(s.buckets, bucketName)
	}
	return nil
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
	return info
}

// cursor walks a bucket's keys; the caller holds Store.mu.
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
	if c.at >= len(c.bucket.keys) {
		return "", false
	}
	return c.bucket.keys[c.at], true
}

func (c *cursor) Info() (store.Info, error) {
	return c.bucket.objects[c.bucket.keys[c.at]].describe(), nil
}

// body reads an object's bytes, which nobody changes.
type body struct{ *bytes.Reader }

func (body) Close() error { return nil }
