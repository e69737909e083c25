package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"glassine/store"
)

// withChecksum asks for the object's checksum; the SDK's own field would also compute it of every body that is read.
var withChecksum = headers(map[string]string{"X-Amz-Checksum-Mode": "ENABLED"})

// Get implements store.Store. The body streams from the service; when the connection breaks it goes on from there, as long
// as the object is still the same.
func (s *Store) Get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	o, err := s.get(ctx, bucket, key, opt)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucket, key, err)
	}
	return o, nil
}

func (s *Store) get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	remote, err := s.begin(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	if !askable(opt.Range) {
		if _, err := s.head(ctx, remote, key, opt.VersionID); err != nil {
			return nil, err
		}
		return nil, store.ErrRange
	}
	for range 3 {
		o, err := s.open(ctx, remote, key, opt)
		if err != nil {
			return nil, err
		}
		same, err := s.addTags(ctx, remote, &o.Info, opt.VersionID)
		if err == nil && same {
			return o, nil
		}
		_ = o.Body.Close() // it was not read
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the object was overwritten again and again while it was opened", store.ErrUnavailable)
}

// askable reports whether HTTP has words for r.
func askable(r *store.Range) bool {
	return r == nil || r.Start == -1 && r.End > 0 || r.Start >= 0 && (r.End == -1 || r.End >= r.Start)
}

// inHTTP is a range as a header has it.
func inHTTP(r *store.Range) *string {
	var v string
	switch {
	case r == nil:
		return nil
	case r.Start == -1:
		v = "bytes=-" + strconv.FormatInt(r.End, 10)
	case r.End == -1:
		v = "bytes=" + strconv.FormatInt(r.Start, 10) + "-"
	default:
		v = "bytes=" + strconv.FormatInt(r.Start, 10) + "-" + strconv.FormatInt(r.End, 10)
	}
	return &v
}

// open asks for the object. Tags are not in the Info, but how many they are.
func (s *Store) open(ctx context.Context, remote, key string, opt store.GetOptions) (*store.Object, error) {
	out, cancel, err := s.request(ctx, &s3.GetObjectInput{Bucket: &remote, Key: &key, VersionId: optional(opt.VersionID), Range: inHTTP(opt.Range)})
	if err != nil {
		return nil, fault(ctx, err, opt.VersionID)
	}
	h := headerOf(out.ResultMetadata)
	o := &store.Object{Info: described(key, h)}
	o.Offset, o.Length, o.Info.Size, err = extent(h, opt.Range)
	if err != nil {
		out.Body.Close()
		cancel()
		return nil, err
	}
	if n, _ := strconv.Atoi(h.Get("X-Amz-Tagging-Count")); n > 0 {
		o.Info.Tags = map[string]string{}
	}
	again := &s3.GetObjectInput{Bucket: &remote, Key: &key, IfMatch: quoted(o.Info.ETag), VersionId: optional(opt.VersionID)}
	if opt.VersionID == "" && o.Info.VersionID != store.NullVersion {
		again.VersionId = &o.Info.VersionID
	}
	o.Body = &body{store: s, again: again, at: o.Offset, end: o.Offset + o.Length, open: out.Body, cancel: cancel}
	return o, nil
}

// request sends a GetObject whose body lives on after ctx is done, until cancel.
func (s *Store) request(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, context.CancelFunc, error) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	out, err := s.client.GetObject(lasting, in, withChecksum)
	if !stop() && err == nil { // ctx was done meanwhile, and the body is dead
		out.Body.Close()
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return out, cancel, nil
}

// extent reads where an answer's bytes lie in the object, and how large that is.
func extent(h http.Header, r *store.Range) (offset, length, size int64, err error) {
	length, err = strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return 0, 0, 0, errors.New("the service's answer has no length")
	}
	given := h.Get("Content-Range")
	if given == "" {
		// All of it: so S3 answers when the last bytes of nothing are asked.
		offset, want, err := r.Resolve(length)
		if err == nil && (offset != 0 || want != length) {
			err = errors.New("the service ignored a range")
		}
		return 0, length, length, err
	}
	span, total, ok1 := strings.Cut(strings.TrimPrefix(given, "bytes "), "/")
	first, _, ok2 := strings.Cut(span, "-")
	offset, err1 := strconv.ParseInt(first, 10, 64)
	size, err2 := strconv.ParseInt(total, 10, 64)
	if !ok1 || !ok2 || errors.Join(err1, err2) != nil {
		return 0, 0, 0, fmt.Errorf("the service's answer has the range %q", given)
	}
	if wantOffset, want, err := r.Resolve(size); err != nil || wantOffset != offset || want != length {
		return 0, 0, 0, fmt.Errorf("the service gave the range %q where another was asked", given)
	}
	return offset, length, size, nil
}

// addTags fills in info.Tags if there are any. It returns false when the object was overwritten meanwhile, so that the tags
// may be another's.
func (s *Store) addTags(ctx context.Context, remote string, info *store.Info, versionID string) (same bool, err error) {
	if info.Tags == nil {
		return true, nil
	}
	if versionID == "" && info.VersionID != store.NullVersion {
		versionID = info.VersionID
	}
	out, err := s.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &remote, Key: &info.Key, VersionId: optional(versionID)})
	if err != nil {
		return false, fault(ctx, err, versionID)
	}
	for _, t := range out.TagSet {
		info.Tags[*t.Key] = *t.Value
	}
	if len(info.Tags) == 0 {
		info.Tags = nil
	}
	if info.VersionID != store.NullVersion {
		return true, nil
	}
	now, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &remote, Key: &info.Key, VersionId: optional(versionID)})
	if err != nil {
		return false, fault(ctx, err, versionID)
	}
	return unquoted(*now.ETag) == info.ETag, nil
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucket, key string) (store.Info, error) {
	return s.HeadVersion(ctx, bucket, key, "")
}

// HeadVersion implements store.Store. A multipart object's parts are asked for besides: their list is empty where the service
// does not tell them.
func (s *Store) HeadVersion(ctx context.Context, bucket, key, versionID string) (store.Info, error) {
	remote, err := s.begin(ctx, bucket, key)
	var info store.Info
	if err == nil {
		info, err = s.head(ctx, remote, key, versionID)
	}
	if err == nil && info.PartCount > 0 {
		info.Parts, err = s.partsOf(ctx, remote, info, versionID)
	}
	if err != nil {
		return store.Info{}, fmt.Errorf("head object %s/%q: %w", bucket, key, err)
	}
	return info, nil
}

// head describes a version, without its parts.
func (s *Store) head(ctx context.Context, remote, key, versionID string) (store.Info, error) {
	for range 3 {
		out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &remote, Key: &key, VersionId: optional(versionID)}, withChecksum)
		if err != nil {
			return store.Info{}, fault(ctx, err, versionID)
		}
		h := headerOf(out.ResultMetadata)
		info := described(key, h)
		if _, _, info.Size, err = extent(h, nil); err != nil {
			return store.Info{}, err
		}
		// HeadObject tells the count of tags as GetObject does; not all services know that.
		if n, _ := strconv.Atoi(h.Get("X-Amz-Tagging-Count")); n > 0 {
			info.Tags = map[string]string{}
		}
		same, err := s.addTags(ctx, remote, &info, versionID)
		if err != nil {
			return store.Info{}, err
		}
		if same {
			return info, nil
		}
	}
	return store.Info{}, fmt.Errorf("%w: the object was overwritten again and again while it was looked at", store.ErrUnavailable)
}

// partsOf asks for the parts of a multipart object; nil when the service does not say. (S3 API Reference,
// GetObjectAttributes: ObjectParts lists the parts of objects that were uploaded with checksums.)
func (s *Store) partsOf(ctx context.Context, remote string, info store.Info, versionID string) ([]store.Part, error) {
	var parts []store.Part
	in := &s3.GetObjectAttributesInput{
		Bucket: &remote, Key: &info.Key, VersionId: optional(versionID), ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectParts},
	}
	for {
		out, err := s.client.GetObjectAttributes(ctx, in)
		if err != nil {
			if status := statusOf(err); status == http.StatusForbidden || status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed {
				return nil, nil
			}
			return nil, fault(ctx, err, versionID)
		}
		if out.ObjectParts == nil {
			break
		}
		for _, p := range out.ObjectParts.Parts {
			if p.PartNumber == nil || p.Size == nil {
				return nil, nil
			}
			parts = append(parts, store.Part{
				Number: int(*p.PartNumber), Size: *p.Size,
				Checksum: pick(store.FullObject, p.ChecksumCRC64NVME, p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumSHA1, p.ChecksumSHA256, p.ChecksumSHA512, p.ChecksumMD5, p.ChecksumXXHASH64, p.ChecksumXXHASH3, p.ChecksumXXHASH128),
			})
		}
		if out.ObjectParts.IsTruncated == nil || !*out.ObjectParts.IsTruncated || out.ObjectParts.NextPartNumberMarker == nil {
			break
		}
		in.PartNumberMarker = out.ObjectParts.NextPartNumberMarker
	}
	total := int64(0)
	for _, p := range parts {
		total += p.Size
	}
	if len(parts) != info.PartCount || total != info.Size {
		return nil, nil // of another object, or not all
	}
	return parts, nil
}

var _ io.ReadCloser = (*body)(nil)
