// Package route puts several stores together: a store.Store that sends what is about a bucket to the store that has the
// bucket. It keeps nothing itself. Begin with New.
package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"glassine/store"
)

// Store sends each bucket to one store. Safe for many goroutines.
type Store struct {
	rest store.Store

	mu      sync.RWMutex           // guards what follows
	buckets map[string]store.Store // nil: nobody said where the bucket is
	others  []store.Store          // what Send was given, each once
}

var (
	_ store.Store            = (*Store)(nil)
	_ store.VersioningSetter = (*Store)(nil)
)

// New returns a store that sends to rest what Send says nothing of. Close closes rest and the others.
func New(rest store.Store) *Store {
	return &Store{rest: rest, buckets: map[string]store.Store{}}
}

// Send sends a bucket to a store. With nil every call about the bucket is refused with store.ErrUndeclared.
func (s *Store) Send(bucket string, to store.Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucket] = to
	if to == nil {
		return
	}
	for _, o := range s.others {
		if o == to {
			return
		}
	}
	s.others = append(s.others, to)
}

// of returns the store of a bucket.
func (s *Store) of(bucket string) (store.Store, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	to, said := s.buckets[bucket]
	switch {
	case !said:
		return s.rest, nil
	case to == nil:
		return nil, fmt.Errorf("bucket %s: %w", bucket, store.ErrUndeclared)
	}
	return to, nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.Info{}, err
	}
	return to.Put(ctx, bucket, key, body, opt)
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	to, err := s.of(bucket)
	if err != nil {
		return nil, err
	}
	return to.Get(ctx, bucket, key, opt)
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucket, key string) (store.Info, error) {
	return s.HeadVersion(ctx, bucket, key, "")
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	_, err := s.DeleteVersion(ctx, bucket, key, store.DeleteOptions{})
	return err
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, bucket string, opt store.ListOptions) (store.Page, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.Page{}, err
	}
	return to.List(ctx, bucket, opt)
}

// Copy implements store.Store. Between two stores the bytes are read and put: the copy of a multipart object is then one
// without parts.
func (s *Store) Copy(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	from, to, err := s.both(src.Bucket, bucket)
	if err != nil {
		return store.Info{}, err
	}
	if from == to {
		return to.Copy(ctx, src, bucket, key, opt)
	}
	o, err := read(ctx, from, src, nil)
	if err != nil {
		return store.Info{}, err
	}
	defer o.Body.Close()
	opt.Size = o.Length
	if opt.ChecksumAlgorithm == "" && o.Info.Checksum.Type == store.FullObject {
		opt.ChecksumAlgorithm = o.Info.Checksum.Algorithm
	}
	return to.Put(ctx, bucket, key, o.Body, opt)
}

// both are the stores that a copy is about.
func (s *Store) both(src, dst string) (from, to store.Store, err error) {
	from, err1 := s.of(src)
	to, err2 := s.of(dst)
	return from, to, errors.Join(err1, err2)
}

// read opens what is to be copied.
func read(ctx context.Context, from store.Store, src store.Source, r *store.Range) (*store.Object, error) {
	o, err := from.Get(ctx, src.Bucket, src.Key, store.GetOptions{VersionID: src.VersionID, Range: r})
	if err != nil {
		return nil, err
	}
	if src.ETag != "" && src.ETag != o.Info.ETag {
		_ = o.Body.Close() // it was not read
		return nil, fmt.Errorf("read object %s/%q: %w", src.Bucket, src.Key, store.ErrPrecondition)
	}
	return o, nil
}

// SetTags implements store.Store.
func (s *Store) SetTags(ctx context.Context, bucket, key, versionID string, tags map[string]string) (store.Info, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.Info{}, err
	}
	return to.SetTags(ctx, bucket, key, versionID, tags)
}

// HeadVersion implements store.Store.
func (s *Store) HeadVersion(ctx context.Context, bucket, key, versionID string) (store.Info, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.Info{}, err
	}
	return to.HeadVersion(ctx, bucket, key, versionID)
}

// DeleteVersion implements store.Store.
func (s *Store) DeleteVersion(ctx context.Context, bucket, key string, opt store.DeleteOptions) (store.Deleted, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.Deleted{}, err
	}
	return to.DeleteVersion(ctx, bucket, key, opt)
}

// ListVersions implements store.Store.
func (s *Store) ListVersions(ctx context.Context, bucket string, opt store.EntryOptions) (store.VersionPage, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.VersionPage{}, err
	}
	return to.ListVersions(ctx, bucket, opt)
}

// CreateUpload implements store.Store.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, opt store.UploadOptions) (store.Upload, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.Upload{}, err
	}
	return to.CreateUpload(ctx, bucket, key, opt)
}

// PutPart implements store.Store.
func (s *Store) PutPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	to, err := s.of(up.Bucket)
	if err != nil {
		return store.Part{}, err
	}
	return to.PutPart(ctx, up, number, body, opt)
}

// CopyPart implements store.Store. Between two stores the bytes are read and put.
func (s *Store) CopyPart(ctx context.Context, src store.Source, r *store.Range, up store.UploadID, number int, opt store.PartOptions) (store.Part, error) {
	from, to, err := s.both(src.Bucket, up.Bucket)
	if err != nil {
		return store.Part{}, err
	}
	if from == to {
		return to.CopyPart(ctx, src, r, up, number, opt)
	}
	o, err := read(ctx, from, src, r)
	if err != nil {
		return store.Part{}, err
	}
	defer o.Body.Close()
	opt.Size = o.Length
	return to.PutPart(ctx, up, number, o.Body, opt)
}

// ListParts implements store.Store.
func (s *Store) ListParts(ctx context.Context, up store.UploadID, after, most int) (store.PartPage, error) {
	to, err := s.of(up.Bucket)
	if err != nil {
		return store.PartPage{}, err
	}
	return to.ListParts(ctx, up, after, most)
}

// ListUploads implements store.Store.
func (s *Store) ListUploads(ctx context.Context, bucket string, opt store.EntryOptions) (store.UploadPage, error) {
	to, err := s.of(bucket)
	if err != nil {
		return store.UploadPage{}, err
	}
	return to.ListUploads(ctx, bucket, opt)
}

// CompleteUpload implements store.Store.
func (s *Store) CompleteUpload(ctx context.Context, up store.UploadID, parts []store.Part, opt store.CompleteOptions) (store.Info, error) {
	to, err := s.of(up.Bucket)
	if err != nil {
		return store.Info{}, err
	}
	return to.CompleteUpload(ctx, up, parts, opt)
}

// AbortUpload implements store.Store.
func (s *Store) AbortUpload(ctx context.Context, up store.UploadID) error {
	to, err := s.of(up.Bucket)
	if err != nil {
		return err
	}
	return to.AbortUpload(ctx, up)
}

// Versioning implements store.VersioningSetter. A bucket of a store that has no setting of its own is Unversioned.
func (s *Store) Versioning(ctx context.Context, bucket string) (store.Versioning, error) {
	to, err := s.of(bucket)
	if err != nil {
		return 0, err
	}
	if setter, ok := to.(store.VersioningSetter); ok {
		return setter.Versioning(ctx, bucket)
	}
	return store.Unversioned, nil
}

// SetVersioning implements store.VersioningSetter. A store that has no setting of its own is told nothing.
func (s *Store) SetVersioning(ctx context.Context, bucket string, v store.Versioning) error {
	to, err := s.of(bucket)
	if err != nil {
		return err
	}
	if setter, ok := to.(store.VersioningSetter); ok {
		return setter.SetVersioning(ctx, bucket, v)
	}
	return nil
}

// Close implements store.Store: it closes all stores.
func (s *Store) Close() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	err := s.rest.Close()
	for _, o := range s.others {
		err = errors.Join(err, o.Close())
	}
	return err
}
