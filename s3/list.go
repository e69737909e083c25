package s3

import (
	"context"
	"strconv"

	"glassine/iam"
	"glassine/store"
)

// ListObjects returns a page of the bucket's objects. opt.Max is what the caller asked for: it is a condition key too.
func (s *Service) ListObjects(ctx context.Context, c iam.Caller, t Target, opt store.ListOptions) (Bucket, store.Page, error) {
	b, err := s.listable(ctx, c, "s3:ListBucket", t, opt.Prefix, opt.Delimiter, opt.Max)
	if err != nil {
		return b, store.Page{}, err
	}
	page, err := s.cfg.Store.List(ctx, b.Name, opt)
	return b, page, storeFault(err, "", "")
}

// ListObjectVersions returns a page of the versions and delete markers in the bucket. Where it never had versions, all
// have the id store.NullVersion.
func (s *Service) ListObjectVersions(ctx context.Context, c iam.Caller, t Target, opt store.EntryOptions) (Bucket, store.VersionPage, error) {
	b, err := s.listable(ctx, c, "s3:ListBucketVersions", t, opt.Prefix, opt.Delimiter, opt.Max)
	if err != nil {
		return b, store.VersionPage{}, err
	}
	page, err := s.cfg.Store.ListVersions(ctx, b.Name, opt)
	return b, page, storeFault(err, "", "")
}

// ListMultipartUploads returns a page of the uploads under way in the bucket.
func (s *Service) ListMultipartUploads(ctx context.Context, c iam.Caller, t Target, opt store.EntryOptions) (Bucket, store.UploadPage, error) {
	b, err := s.listable(ctx, c, "s3:ListBucketMultipartUploads", t, opt.Prefix, opt.Delimiter, opt.Max)
	if err != nil {
		return b, store.UploadPage{}, err
	}
	page, err := s.cfg.Store.ListUploads(ctx, b.Name, opt)
	return b, page, storeFault(err, "", "")
}

// listable finds the target and decides about a listing of it.
func (s *Service) listable(ctx context.Context, c iam.Caller, action string, t Target, prefix, delimiter string, most int) (Bucket, error) {
	b, ap, err := s.resolve(c, t)
	if err != nil {
		return b, err
	}
	keys := iam.Context{"s3:prefix": {prefix}}
	if delimiter != "" {
		keys["s3:delimiter"] = []string{delimiter}
	}
	if most > 0 {
		keys["s3:max-keys"] = []string{strconv.Itoa(most)}
	}
	return b, s.authorize(ctx, c, action, b, ap, "", keys)
}
