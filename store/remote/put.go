package remote

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"glassine/store"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	info, err := s.put(ctx, bucket, key, body, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("put object %s/%q: %w", bucket, key, err)
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	remote, err := s.begin(ctx, bucket, key)
	if err != nil {
		return store.Info{}, err
	}
	if err := s.ensureVersioning(ctx, remote, opt.Version); err != nil {
		return store.Info{}, err
	}
	made := func(d digest) store.Info {
		return store.Info{
			Key: key, Size: d.size, ETag: d.etag, Checksum: d.checksum, Encrypted: opt.Encrypt,
			Headers: opt.Headers, Metadata: maps.Clone(opt.Metadata), Tags: maps.Clone(opt.Tags),
		}
	}
	accept := func(d digest) error {
		if opt.Accept != nil {
			if err := opt.Accept(made(d)); err != nil {
				return err
			}
		}
		return impossible(opt.IfMatch, opt.IfNoneMatch)
	}
	var out *s3.PutObjectOutput
	d, err := s.send(ctx, body, opt.Size, opt.ChecksumAlgorithm, accept, func(p payload) error {
		h := stored(opt.Headers, opt.Metadata, opt.Encrypt)
		if p.coding != "" {
			h["Content-Encoding"] = join(p.coding, opt.Headers.ContentEncoding)
		}
		maps.Copy(h, p.headers)
		var err error
		out, err = s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &remote, Key: &key, Body: p.body, ContentLength: &p.length, Tagging: tagging(opt.Tags),
			IfMatch: quoted(opt.IfMatch), IfNoneMatch: optional(opt.IfNoneMatch),
		}, append(append(p.options, headers(h)), conditional(opt.IfMatch, opt.IfNoneMatch)...)...)
		return s.putFault(ctx, err, opt.IfMatch)
	})
	if err != nil {
		return store.Info{}, err
	}
	h := headerOf(out.ResultMetadata)
	info := made(d)
	info.ETag, info.VersionID, info.Encrypted, info.Modified = unquoted(aws.ToString(out.ETag)), versionOf(h), encrypted(h), answered(h)
	if opt.Version == store.Versioned && info.VersionID == store.NullVersion {
		s.forgetVersioning(remote)
		return store.Info{}, fmt.Errorf("bucket %s at the service keeps no versions: %w", remote, store.ErrVersioning)
	}
	return info, nil
}

// putFault is fault where a condition on what the key holds may be the reason: S3 answers 404 to If-Match when the key holds
// nothing. (S3 API Reference, PutObject, If-Match.)
func (s *Store) putFault(ctx context.Context, err error, ifMatch string) error {
	if ifMatch != "" && codeOf(err) == "NoSuchKey" && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", store.ErrPrecondition, err)
	}
	return fault(ctx, err, "")
}

// impossible refuses the conditions that hold of no object; S3 does not take them.
func impossible(ifMatch, ifNoneMatch string) error {
	if ifNoneMatch != "" && (ifNoneMatch != "*" || ifMatch != "") {
		return store.ErrPrecondition
	}
	return nil
}

// answered is when the service answered, about which time it did what was asked.
func answered(h map[string][]string) time.Time {
	if at := timeOf(h, "Date"); !at.IsZero() {
		return at
	}
	return time.Now().UTC().Truncate(time.Second)
}

// tagging is tags as a header has them.
func tagging(tags map[string]string) *string {
	if len(tags) == 0 {
		return nil
	}
	q := url.Values{}
	for k, v := range tags {
		q.Set(k, v)
	}
	return aws.String(q.Encode())
}

// optional is nil for "".
func optional(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

// quoted is an ETag as a header has it, "*" as it is; nil for "".
func quoted(etag string) *string {
	if etag == "" || etag == "*" {
		return optional(etag)
	}
	return aws.String(`"` + etag + `"`)
}

// join joins two codings of a body.
func join(outer, inner string) string {
	if inner == "" {
		return outer
	}
	return outer + "," + inner
}
