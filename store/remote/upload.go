package remote

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"glassine/store"
)

// CreateUpload implements store.Store. The service is told a checksum algorithm always: without one it would take parts
// without checksums alone.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, opt store.UploadOptions) (store.Upload, error) {
	remote, err := s.begin(ctx, bucket, key)
	if err = first(err, opt.Check()); err != nil {
		return store.Upload{}, fmt.Errorf("create upload of %s/%q: %w", bucket, key, err)
	}
	algorithm := cmp.Or(opt.ChecksumAlgorithm, store.CRC64NVME)
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &remote, Key: &key, Tagging: tagging(opt.Tags), ChecksumAlgorithm: types.ChecksumAlgorithm(algorithm),
		ChecksumType: types.ChecksumType(cmp.Or(opt.ChecksumType, store.DefaultChecksumType(algorithm))),
	}, headers(stored(opt.Headers, opt.Metadata, opt.Encrypt)))
	if err != nil {
		return store.Upload{}, fmt.Errorf("create upload of %s/%q: %w", bucket, key, fault(ctx, err, ""))
	}
	up := store.Upload{Key: key, ID: aws.ToString(out.UploadId), Initiated: answered(headerOf(out.ResultMetadata)), Options: opt}
	up.Options.Metadata, up.Options.Tags = maps.Clone(opt.Metadata), maps.Clone(opt.Tags)
	s.keepAlgorithm(store.UploadID{Bucket: bucket, Key: key, ID: up.ID}, algorithm)
	return up, nil
}

// algorithmsKept is of how many uploads the checksum algorithm is kept, so that their parts need not ask.
const algorithmsKept = 1000

func (s *Store) keepAlgorithm(up store.UploadID, algorithm string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.algorithms) >= algorithmsKept {
		clear(s.algorithms)
	}
	s.algorithms[up] = algorithm
}

// uploading is the beginning of storing a part: it returns the service's bucket, and what checksum its parts have.
func (s *Store) uploading(ctx context.Context, up store.UploadID, number int) (remote, algorithm string, err error) {
	if remote, err = s.beginUpload(ctx, up); err != nil {
		return "", "", err
	}
	s.mu.Lock()
	algorithm, ok := s.algorithms[up]
	s.mu.Unlock()
	if !ok {
		page, err := s.listParts(ctx, up, store.MaxPartNumber, 1)
		if err != nil {
			return "", "", err
		}
		algorithm = cmp.Or(page.Upload.Options.ChecksumAlgorithm, store.CRC64NVME)
		s.keepAlgorithm(up, algorithm)
	}
	return remote, algorithm, store.CheckPartNumber(number)
}

// beginUpload is begin for a method about an upload.
func (s *Store) beginUpload(ctx context.Context, up store.UploadID) (remote string, err error) {
	remote, err = s.begin(ctx, up.Bucket, up.Key)
	if err == nil && up.ID == "" || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrName) {
		return "", store.ErrNoUpload
	}
	return remote, err
}

// uploadFault is fault about an upload: a service may not even take the id for one.
func uploadFault(ctx context.Context, err error) error {
	if err = fault(ctx, err, ""); errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", store.ErrNoUpload, err)
	}
	return err
}

// PutPart implements store.Store.
func (s *Store) PutPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	p, err := s.putPart(ctx, up, number, body, opt)
	if err != nil {
		return store.Part{}, fmt.Errorf("put part %d of %s/%q: %w", number, up.Bucket, up.Key, err)
	}
	return p, nil
}

func (s *Store) putPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	remote, algorithm, err := s.uploading(ctx, up, number)
	if err != nil {
		return store.Part{}, err
	}
	made := func(d digest) store.Part {
		return store.Part{Number: number, Size: d.size, ETag: d.etag, Checksum: d.checksum}
	}
	var accept func(digest) error
	if opt.Accept != nil {
		accept = func(d digest) error { return opt.Accept(made(d)) }
	}
	var out *s3.UploadPartOutput
	d, err := s.send(ctx, body, opt.Size, algorithm, accept, func(p payload) error {
		if p.coding != "" {
			p.headers["Content-Encoding"] = p.coding
		}
		p.headers["Content-Type"] = "" // a part has none
		var err error
		out, err = s.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &remote, Key: &up.Key, UploadId: &up.ID, PartNumber: aws.Int32(int32(number)), Body: p.body, ContentLength: &p.length,
		}, append(p.options, headers(p.headers))...)
		return uploadFault(ctx, err)
	})
	if err != nil {
		return store.Part{}, err
	}
	p := made(d)
	p.ETag, p.Modified = unquoted(aws.ToString(out.ETag)), answered(headerOf(out.ResultMetadata))
	return p, nil
}

// ListParts implements store.Store. Of the upload's options only the checksum's are known.
func (s *Store) ListParts(ctx context.Context, up store.UploadID, after, most int) (store.PartPage, error) {
	page, err := s.listParts(ctx, up, after, most)
	if err != nil {
		return store.PartPage{}, fmt.Errorf("list parts of %s/%q: %w", up.Bucket, up.Key, err)
	}
	return page, nil
}

func (s *Store) listParts(ctx context.Context, up store.UploadID, after, n int) (store.PartPage, error) {
	remote, err := s.beginUpload(ctx, up)
	if err != nil {
		return store.PartPage{}, err
	}
	in := &s3.ListPartsInput{Bucket: &remote, Key: &up.Key, UploadId: &up.ID, MaxParts: aws.Int32(int32(most(n)))}
	if after > 0 {
		in.PartNumberMarker = aws.String(fmt.Sprint(after))
	}
	out, err := s.client.ListParts(ctx, in)
	if err != nil {
		return store.PartPage{}, uploadFault(ctx, err)
	}
	page := store.PartPage{Upload: store.Upload{
		Key: up.Key, ID: up.ID, Options: store.UploadOptions{ChecksumAlgorithm: string(out.ChecksumAlgorithm), ChecksumType: string(out.ChecksumType)},
	}}
	for _, p := range out.Parts {
		page.Parts = append(page.Parts, store.Part{
			Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size), ETag: unquoted(aws.ToString(p.ETag)), Modified: seconds(p.LastModified),
			Checksum: pick(store.FullObject, p.ChecksumCRC64NVME, p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumSHA1, p.ChecksumSHA256, p.ChecksumSHA512, p.ChecksumMD5, p.ChecksumXXHASH64, p.ChecksumXXHASH3, p.ChecksumXXHASH128),
		})
	}
	if aws.ToBool(out.IsTruncated) && len(page.Parts) > 0 {
		page.Next = page.Parts[len(page.Parts)-1].Number
	}
	return page, nil
}

// AbortUpload implements store.Store.
func (s *Store) AbortUpload(ctx context.Context, up store.UploadID) error {
	remote, err := s.beginUpload(ctx, up)
	if err == nil {
		_, err = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &remote, Key: &up.Key, UploadId: &up.ID})
		err = uploadFault(ctx, err)
	}
	if err != nil {
		return fmt.Errorf("abort upload of %s/%q: %w", up.Bucket, up.Key, err)
	}
	return nil
}

// CompleteUpload implements store.Store.
func (s *Store) CompleteUpload(ctx context.Context, up store.UploadID, parts []store.Part, opt store.CompleteOptions) (store.Info, error) {
	info, err := s.completeUpload(ctx, up, parts, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("complete upload of %s/%q: %w", up.Bucket, up.Key, err)
	}
	return info, nil
}

func (s *Store) completeUpload(ctx context.Context, up store.UploadID, parts []store.Part, opt store.CompleteOptions) (store.Info, error) {
	remote, err := s.beginUpload(ctx, up)
	if err != nil {
		return store.Info{}, err
	}
	info, err := s.assembled(ctx, up, parts)
	switch {
	case errors.Is(err, store.ErrNoUpload) && repeatable(parts):
		info.Parts = parts // it may be complete already: the service knows
	case err != nil:
		return store.Info{}, err
	default:
		if err := s.ensureVersioning(ctx, remote, opt.Version); err != nil {
			return store.Info{}, err
		}
		if opt.Accept != nil {
			info.Key = up.Key
			if err := opt.Accept(info); err != nil {
				return store.Info{}, err
			}
		}
		if err := impossible(opt.IfMatch, opt.IfNoneMatch); err != nil {
			return store.Info{}, err
		}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &remote, Key: &up.Key, UploadId: &up.ID, IfMatch: quoted(opt.IfMatch), IfNoneMatch: optional(opt.IfNoneMatch), MultipartUpload: &types.CompletedMultipartUpload{},
	}
	for _, p := range info.Parts {
		in.MultipartUpload.Parts = append(in.MultipartUpload.Parts, completed(p))
	}
	out, err := s.patient.CompleteMultipartUpload(ctx, in, conditional(opt.IfMatch, opt.IfNoneMatch)...)
	if err != nil {
		if info.ETag == "" && statusOf(err) >= 400 && statusOf(err) < 500 {
			return store.Info{}, fmt.Errorf("%w: %w", store.ErrNoUpload, err)
		}
		return store.Info{}, s.putFault(ctx, err, opt.IfMatch)
	}
	h := headerOf(out.ResultMetadata)
	id := versionOf(h)
	if id == store.NullVersion {
		id = ""
	}
	made, err := s.head(ctx, remote, up.Key, id)
	if err != nil {
		return store.Info{}, err
	}
	if etag := unquoted(aws.ToString(out.ETag)); made.ETag != etag { // overwritten already
		info.Key, info.ETag, info.VersionID, info.Modified, info.Parts = up.Key, etag, versionOf(h), answered(h), nil
		return info, nil
	}
	return made, nil
}

// repeatable reports whether parts can be those of a completion that succeeded.
func repeatable(parts []store.Part) bool {
	for _, p := range parts {
		if p.ETag == "" || store.CheckPartNumber(p.Number) != nil {
			return false
		}
	}
	return len(parts) > 0
}

// assembled is store.Assemble of the parts that the service has. Where it keeps no checksums of parts, there is none of the whole.
func (s *Store) assembled(ctx context.Context, up store.UploadID, want []store.Part) (store.Info, error) {
	have := map[int]store.Part{}
	var opt store.UploadOptions
	known := true
	for after := 0; ; {
		page, err := s.listParts(ctx, up, after, 0)
		if err != nil {
			return store.Info{}, err
		}
		for _, p := range page.Parts {
			have[p.Number] = p
			known = known && p.Checksum.Value != ""
		}
		opt = page.Upload.Options
		if after = page.Next; after == 0 {
			break
		}
	}
	if !known || opt.ChecksumAlgorithm == "" {
		known, opt = false, store.UploadOptions{}
	}
	info, err := store.Assemble(opt, want, func(number int) (store.Part, bool) {
		p, ok := have[number]
		if ok && !known {
			p.Checksum = store.Checksum{Algorithm: store.CRC64NVME, Value: base64.StdEncoding.EncodeToString(make([]byte, 8))}
		}
		return p, ok
	})
	if !known {
		info.Checksum = store.Checksum{}
		for i := range info.Parts {
			info.Parts[i].Checksum = store.Checksum{}
		}
	}
	return info, err
}

// completed names a part to the service.
func completed(p store.Part) types.CompletedPart {
	out := types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: quoted(p.ETag)}
	switch v := optional(p.Checksum.Value); p.Checksum.Algorithm {
	case store.CRC64NVME:
		out.ChecksumCRC64NVME = v
	case store.CRC32:
		out.ChecksumCRC32 = v
	case store.CRC32C:
		out.ChecksumCRC32C = v
	case store.SHA1:
		out.ChecksumSHA1 = v
	case store.SHA256:
		out.ChecksumSHA256 = v
	case store.SHA512:
		out.ChecksumSHA512 = v
	case store.MD5:
		out.ChecksumMD5 = v
	case store.XXHASH64:
		out.ChecksumXXHASH64 = v
	case store.XXHASH3:
		out.ChecksumXXHASH3 = v
	case store.XXHASH128:
		out.ChecksumXXHASH128 = v
	}
	return out
}
