package remote

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"glassine/store"
)

// most is the page that is asked for: S3 gives 1000 entries at most.
func most(n int) int {
	if n <= 0 || n > 1000 {
		return 1000
	}
	return n
}

// decode undoes the encoding of a listing that says it is encoded: S3 writes a space as a plus there. Not every service encodes
// when it is asked to.
func decode(encoding types.EncodingType, v *string) (string, error) {
	if encoding == "" {
		return aws.ToString(v), nil
	}
	text, err := url.QueryUnescape(aws.ToString(v))
	if err != nil {
		return "", fmt.Errorf("the service listed a key that is not encoded as asked: %w", err)
	}
	return text, nil
}

// List implements store.Store. Headers, metadata and tags are not in S3's listings: see store.Store.
func (s *Store) List(ctx context.Context, bucket string, opt store.ListOptions) (store.Page, error) {
	page, err := s.list(ctx, bucket, opt)
	if err != nil {
		return store.Page{}, fmt.Errorf("list bucket %s: %w", bucket, err)
	}
	return page, nil
}

func (s *Store) list(ctx context.Context, bucket string, opt store.ListOptions) (store.Page, error) {
	remote, err := s.begin(ctx, bucket, anyKey)
	if err != nil {
		return store.Page{}, err
	}
	var page store.Page
	last := ""
	limit := most(opt.Max)
	in := &s3.ListObjectsV2Input{
		Bucket: &remote, Prefix: optional(opt.Prefix), Delimiter: optional(opt.Delimiter), StartAfter: optional(opt.After), EncodingType: types.EncodingTypeUrl,
	}
	for {
		in.MaxKeys = aws.Int32(int32(limit - len(page.Objects) - len(page.Prefixes)))
		out, err := s.client.ListObjectsV2(ctx, in)
		if err != nil {
			return store.Page{}, fault(ctx, err, "")
		}
		for _, o := range out.Contents {
			key, err := decode(out.EncodingType, o.Key)
			if err != nil {
				return store.Page{}, err
			}
			page.Objects = append(page.Objects, store.Info{
				Key: key, Size: aws.ToInt64(o.Size), ETag: unquoted(aws.ToString(o.ETag)), Modified: seconds(o.LastModified),
				Checksum: listed(o.ChecksumAlgorithm, o.ChecksumType), PartCount: partCount(unquoted(aws.ToString(o.ETag))),
			})
			last = max(last, key)
		}
		for _, p := range out.CommonPrefixes {
			prefix, err := decode(out.EncodingType, p.Prefix)
			if err != nil {
				return store.Page{}, err
			}
			// Services differ about a prefix that After is, or lies in.
			if prefix > opt.After {
				page.Prefixes = append(page.Prefixes, prefix)
				last = max(last, prefix)
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return page, nil
		}
		if len(page.Objects)+len(page.Prefixes) >= limit {
			page.Next = last
			return page, nil
		}
		if in.ContinuationToken = out.NextContinuationToken; in.ContinuationToken == nil {
			return store.Page{}, errNoToken
		}
	}
}

var errNoToken = fmt.Errorf("%w: the service cut a listing off without saying how it goes on", store.ErrUnavailable)

// listed is what a listing says of an object's checksum.
func listed(algorithms []types.ChecksumAlgorithm, kind types.ChecksumType) store.Checksum {
	if len(algorithms) == 0 {
		return store.Checksum{}
	}
	return store.Checksum{Algorithm: string(algorithms[0]), Type: string(kind)}
}

func seconds(t *time.Time) time.Time {
	return aws.ToTime(t).UTC().Truncate(time.Second)
}

// ListVersions implements store.Store, with what List leaves out.
func (s *Store) ListVersions(ctx context.Context, bucket string, opt store.EntryOptions) (store.VersionPage, error) {
	page, err := s.listVersions(ctx, bucket, opt)
	if err != nil {
		return store.VersionPage{}, fmt.Errorf("list versions of bucket %s: %w", bucket, err)
	}
	return page, nil
}

func (s *Store) listVersions(ctx context.Context, bucket string, opt store.EntryOptions) (store.VersionPage, error) {
	remote, err := s.begin(ctx, bucket, anyKey)
	if err != nil {
		return store.VersionPage{}, err
	}
	in := &s3.ListObjectVersionsInput{
		Bucket: &remote, Prefix: optional(opt.Prefix), Delimiter: optional(opt.Delimiter), KeyMarker: optional(opt.KeyMarker), EncodingType: types.EncodingTypeUrl,
	}
	if opt.KeyMarker != "" {
		in.VersionIdMarker = optional(opt.IDMarker)
	}
	return entries(opt, func(limit int) (batch[store.Info], error) {
		in.MaxKeys = aws.Int32(int32(limit))
		var order versionOrder
		out, err := s.client.ListObjectVersions(ctx, in, order.watch)
		if err != nil {
			return batch[store.Info]{}, fault(ctx, err, "")
		}
		b := batch[store.Info]{encoding: out.EncodingType, prefixes: out.CommonPrefixes, more: aws.ToBool(out.IsTruncated)}
		b.entries, err = order.merge(out)
		if b.more {
			in.KeyMarker, in.VersionIdMarker = nil, out.NextVersionIdMarker
			key, derr := decode(out.EncodingType, out.NextKeyMarker)
			in.KeyMarker, err = optional(key), first(err, derr)
		}
		return b, err
	}, func(v store.Info) (string, string) { return v.Key, v.VersionID })
}

// ListUploads implements store.Store. Of an upload's options only the checksum's are known.
func (s *Store) ListUploads(ctx context.Context, bucket string, opt store.EntryOptions) (store.UploadPage, error) {
	page, err := s.listUploads(ctx, bucket, opt)
	if err != nil {
		return store.UploadPage{}, fmt.Errorf("list uploads of bucket %s: %w", bucket, err)
	}
	return page, nil
}

func (s *Store) listUploads(ctx context.Context, bucket string, opt store.EntryOptions) (store.UploadPage, error) {
	remote, err := s.begin(ctx, bucket, anyKey)
	if err != nil {
		return store.UploadPage{}, err
	}
	in := &s3.ListMultipartUploadsInput{
		Bucket: &remote, Prefix: optional(opt.Prefix), Delimiter: optional(opt.Delimiter), KeyMarker: optional(opt.KeyMarker), EncodingType: types.EncodingTypeUrl,
	}
	if opt.KeyMarker != "" {
		in.UploadIdMarker = optional(opt.IDMarker)
	}
	return entries(opt, func(limit int) (batch[store.Upload], error) {
		in.MaxUploads = aws.Int32(int32(limit))
		out, err := s.client.ListMultipartUploads(ctx, in)
		if err != nil {
			return batch[store.Upload]{}, fault(ctx, err, "")
		}
		b := batch[store.Upload]{encoding: out.EncodingType, prefixes: out.CommonPrefixes, more: aws.ToBool(out.IsTruncated)}
		for _, u := range out.Uploads {
			key, err := decode(out.EncodingType, u.Key)
			if err != nil {
				return b, err
			}
			b.entries = append(b.entries, store.Upload{
				Key: key, ID: aws.ToString(u.UploadId), Initiated: seconds(u.Initiated),
				Options: store.UploadOptions{ChecksumAlgorithm: string(u.ChecksumAlgorithm), ChecksumType: string(u.ChecksumType)},
			})
		}
		if b.more {
			in.UploadIdMarker = out.NextUploadIdMarker
			var key string
			key, err = decode(out.EncodingType, out.NextKeyMarker)
			in.KeyMarker = optional(key)
		}
		return b, err
	}, func(u store.Upload) (string, string) { return u.Key, u.ID })
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// batch is one answer to a listing of entries.
type batch[T any] struct {
	encoding types.EncodingType // of prefixes
	entries  []T
	prefixes []types.CommonPrefix
	more     bool
}

// entries makes a page of the batches that next gives, each of up to limit.
func entries[T any](opt store.EntryOptions, next func(limit int) (batch[T], error), name func(T) (key, id string)) (store.EntryPage[T], error) {
	var page store.EntryPage[T]
	lastKey, lastID := "", ""
	limit := most(opt.Max)
	for {
		b, err := next(limit - len(page.Entries) - len(page.Prefixes))
		if err != nil {
			return store.EntryPage[T]{}, err
		}
		page.Entries = append(page.Entries, b.entries...)
		if n := len(b.entries); n > 0 {
			lastKey, lastID = name(b.entries[n-1])
		}
		for _, p := range b.prefixes {
			prefix, err := decode(b.encoding, p.Prefix)
			if err != nil {
				return store.EntryPage[T]{}, err
			}
			// Services differ about a prefix that the marker is, or lies in.
			if prefix > opt.KeyMarker {
				page.Prefixes = append(page.Prefixes, prefix)
				if prefix > lastKey {
					lastKey, lastID = prefix, ""
				}
			}
		}
		if !b.more {
			return page, nil
		}
		if len(page.Entries)+len(page.Prefixes) >= limit {
			page.NextKey, page.NextID = lastKey, lastID
			return page, nil
		}
	}
}
