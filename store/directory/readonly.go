package directory

import (
	"context"
	"fmt"
	"io"

	"glassine/store"
)

// refuse is the answer to what would change something.
func (s *Store) refuse(ctx context.Context, what, bucket, key string) error {
	err := s.begin(ctx, bucket, key)
	if err == nil {
		err = store.ErrReadOnly
	}
	return fmt.Errorf("%s %s/%q: %w", what, bucket, key, err)
}

// none is the answer about an upload: there is none.
func (s *Store) none(ctx context.Context, what string, up store.UploadID) error {
	err := s.begin(ctx, "any", "any")
	if err == nil {
		err = store.ErrNoUpload
	}
	return fmt.Errorf("%s of %s/%q: %w", what, up.Bucket, up.Key, err)
}

// Put implements store.Store: it is refused.
func (s *Store) Put(ctx context.Context, bucket, key string, _ io.Reader, _ store.PutOptions) (store.Info, error) {
	return store.Info{}, s.refuse(ctx, "put object", bucket, key)
}

// Delete implements store.Store: it is refused.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	return s.refuse(ctx, "delete object", bucket, key)
}

// DeleteVersion implements store.Store: it is refused.
func (s *Store) DeleteVersion(ctx context.Context, bucket, key string, _ store.DeleteOptions) (store.Deleted, error) {
	return store.Deleted{}, s.refuse(ctx, "delete object", bucket, key)
}

// Copy implements store.Store: it is refused.
func (s *Store) Copy(ctx context.Context, _ store.Source, bucket, key string, _ store.PutOptions) (store.Info, error) {
	return store.Info{}, s.refuse(ctx, "copy to object", bucket, key)
}

// SetTags implements store.Store: it is refused.
func (s *Store) SetTags(ctx context.Context, bucket, key, _ string, _ map[string]string) (store.Info, error) {
	return store.Info{}, s.refuse(ctx, "tag object", bucket, key)
}

// Versioning implements store.VersioningSetter: there are none.
func (s *Store) Versioning(ctx context.Context, bucket string) (store.Versioning, error) {
	return store.Unversioned, s.begin(ctx, bucket, "any")
}

// SetVersioning implements store.VersioningSetter: it is refused.
func (s *Store) SetVersioning(ctx context.Context, bucket string, _ store.Versioning) error {
	return s.refuse(ctx, "set versioning of", bucket, "any")
}

// CreateUpload implements store.Store: it is refused.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, _ store.UploadOptions) (store.Upload, error) {
	return store.Upload{}, s.refuse(ctx, "create upload of", bucket, key)
}

// PutPart implements store.Store: there is no upload.
func (s *Store) PutPart(ctx context.Context, up store.UploadID, _ int, _ io.Reader, _ store.PartOptions) (store.Part, error) {
	return store.Part{}, s.none(ctx, "put part", up)
}

// CopyPart implements store.Store: there is no upload.
func (s *Store) CopyPart(ctx context.Context, _ store.Source, _ *store.Range, up store.UploadID, _ int, _ store.PartOptions) (store.Part, error) {
	return store.Part{}, s.none(ctx, "copy part", up)
}

// ListParts implements store.Store: there is no upload.
func (s *Store) ListParts(ctx context.Context, up store.UploadID, _, _ int) (store.PartPage, error) {
	return store.PartPage{}, s.none(ctx, "list parts", up)
}

// ListUploads implements store.Store: there is none.
func (s *Store) ListUploads(ctx context.Context, bucket string, _ store.EntryOptions) (store.UploadPage, error) {
	if err := s.begin(ctx, bucket, "any"); err != nil {
		return store.UploadPage{}, fmt.Errorf("list uploads of bucket %s: %w", bucket, err)
	}
	return store.UploadPage{}, nil
}

// CompleteUpload implements store.Store: there is no upload.
func (s *Store) CompleteUpload(ctx context.Context, up store.UploadID, _ []store.Part, _ store.CompleteOptions) (store.Info, error) {
	return store.Info{}, s.none(ctx, "complete upload", up)
}

// AbortUpload implements store.Store: there is no upload.
func (s *Store) AbortUpload(ctx context.Context, up store.UploadID) error {
	return s.none(ctx, "abort upload", up)
}
