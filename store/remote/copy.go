package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"glassine/store"
)

// Copy implements store.Store. The service copies.
func (s *Store) Copy(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	info, err := s.copyObject(ctx, src, bucket, key, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("copy object %s/%q to %s/%q: %w", src.Bucket, src.Key, bucket, key, err)
	}
	return info, nil
}

func (s *Store) copyObject(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	for range 3 {
		info, err := s.copyOnce(ctx, src, bucket, key, opt)
		if !errors.Is(err, errOverwritten) {
			return info, err
		}
	}
	return store.Info{}, fmt.Errorf("%w: the source was overwritten again and again while it was looked at", store.ErrUnavailable)
}

// errOverwritten says that the source of a copy was another when it was copied than when Accept was asked.
var errOverwritten = errors.New("the source was overwritten meanwhile")

func (s *Store) copyOnce(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	from, err := s.found(ctx, src)
	if err != nil {
		return store.Info{}, err
	}
	remote, err := s.begin(ctx, bucket, key)
	if err != nil {
		return store.Info{}, err
	}
	if _, err := store.NewHash(opt.ChecksumAlgorithm); err != nil {
		return store.Info{}, err
	}
	if err := s.ensureVersioning(ctx, remote, opt.Version); err != nil {
		return store.Info{}, err
	}
	made := from.info
	made.Key, made.Headers, made.Metadata, made.Tags, made.Encrypted = key, opt.Headers, maps.Clone(opt.Metadata), maps.Clone(opt.Tags), opt.Encrypt
	if opt.ChecksumAlgorithm != "" && opt.ChecksumAlgorithm != made.Checksum.Algorithm {
		made.Checksum = store.Checksum{Algorithm: opt.ChecksumAlgorithm} // its value the service will compute
	}
	if opt.Accept != nil {
		if err := opt.Accept(made); err != nil {
			return store.Info{}, err
		}
	}
	if err := impossible(opt.IfMatch, opt.IfNoneMatch); err != nil {
		return store.Info{}, err
	}
	in := &s3.CopyObjectInput{
		Bucket: &remote, Key: &key, CopySource: aws.String(from.text), CopySourceIfMatch: quoted(src.ETag),
		MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace, Tagging: tagging(opt.Tags),
		ChecksumAlgorithm: types.ChecksumAlgorithm(opt.ChecksumAlgorithm), IfMatch: quoted(opt.IfMatch), IfNoneMatch: optional(opt.IfNoneMatch),
	}
	if opt.Accept != nil {
		in.CopySourceIfMatch = quoted(from.info.ETag) // it is what was accepted
	}
	out, err := s.patient.CopyObject(ctx, in, append(conditional(opt.IfMatch, opt.IfNoneMatch), headers(stored(opt.Headers, opt.Metadata, opt.Encrypt)))...)
	if err != nil {
		err = s.copyFault(ctx, err, src, bucket, key, opt.IfMatch)
		if errors.Is(err, store.ErrPrecondition) && opt.Accept != nil && src.ETag == "" {
			if now, gone := s.head(ctx, from.remote, src.Key, src.VersionID); gone == nil && now.ETag != from.info.ETag {
				return store.Info{}, errOverwritten
			}
		}
		return store.Info{}, err
	}
	h := headerOf(out.ResultMetadata)
	made.VersionID, made.Encrypted = versionOf(h), encrypted(h)
	if r := out.CopyObjectResult; r != nil {
		made.ETag, made.Modified = unquoted(aws.ToString(r.ETag)), seconds(r.LastModified)
		if c := pick(string(r.ChecksumType), r.ChecksumCRC64NVME, r.ChecksumCRC32, r.ChecksumCRC32C, r.ChecksumSHA1, r.ChecksumSHA256, r.ChecksumSHA512, r.ChecksumMD5, r.ChecksumXXHASH64, r.ChecksumXXHASH3, r.ChecksumXXHASH128); c.Value != "" {
			made.Checksum = c
		}
	}
	if made.PartCount = partCount(made.ETag); made.ETag == from.info.ETag {
		return made, nil
	}
	// The source was overwritten since it was looked at, or the service made another ETag: what is there says the rest.
	if now, gone := s.head(ctx, remote, key, ""); gone == nil && now.ETag == made.ETag {
		made.Size, made.Checksum = now.Size, now.Checksum
	}
	return made, nil
}

// copySource is the version that is copied.
type copySource struct {
	info   store.Info
	text   string // as x-amz-copy-source has it
	remote string
}

// found looks at what is to be copied: a version, whose ETag is as wanted.
func (s *Store) found(ctx context.Context, src store.Source) (copySource, error) {
	remote, err := s.begin(ctx, src.Bucket, src.Key)
	if err != nil {
		return copySource{}, err
	}
	info, err := s.head(ctx, remote, src.Key, src.VersionID)
	if err != nil {
		return copySource{}, err
	}
	if src.ETag != "" && src.ETag != info.ETag {
		return copySource{}, store.ErrPrecondition
	}
	from := copySource{info: info, remote: remote, text: remote + "/" + strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(src.Key), "+", "%20"), "%2F", "/")}
	if src.VersionID != "" || info.VersionID != store.NullVersion {
		from.text += "?versionId=" + url.QueryEscape(info.VersionID)
	}
	return from, nil
}

// copyFault is fault for a copy, of which an absent object may be the source, or what a condition on the target wants.
func (s *Store) copyFault(ctx context.Context, err error, src store.Source, bucket, key, ifMatch string) error {
	known := fault(ctx, err, src.VersionID)
	if ifMatch != "" && errors.Is(known, store.ErrNotFound) {
		if _, missing := s.Head(ctx, bucket, key); errors.Is(missing, store.ErrNotFound) {
			return fmt.Errorf("%w: %w", store.ErrPrecondition, err)
		}
	}
	return known
}

// CopyPart implements store.Store. The service copies, unless Accept wants to know what.
func (s *Store) CopyPart(ctx context.Context, src store.Source, r *store.Range, up store.UploadID, number int, opt store.PartOptions) (store.Part, error) {
	p, err := s.copyPart(ctx, src, r, up, number, opt)
	if err != nil {
		return store.Part{}, fmt.Errorf("copy part %d of %s/%q: %w", number, up.Bucket, up.Key, err)
	}
	return p, nil
}

func (s *Store) copyPart(ctx context.Context, src store.Source, r *store.Range, up store.UploadID, number int, opt store.PartOptions) (store.Part, error) {
	from, err := s.found(ctx, src)
	if err != nil {
		return store.Part{}, err
	}
	offset, length, err := r.Resolve(from.info.Size)
	if err != nil {
		return store.Part{}, err
	}
	if opt.Accept != nil {
		o, err := s.get(ctx, src.Bucket, src.Key, store.GetOptions{Range: r, VersionID: src.VersionID})
		if err != nil {
			return store.Part{}, err
		}
		defer o.Body.Close()
		opt.Size = o.Length
		return s.putPart(ctx, up, number, o.Body, opt)
	}
	remote, algorithm, err := s.uploading(ctx, up, number)
	if err != nil {
		return store.Part{}, err
	}
	in := &s3.UploadPartCopyInput{
		Bucket: &remote, Key: &up.Key, UploadId: &up.ID, PartNumber: aws.Int32(int32(number)),
		CopySource: aws.String(from.text), CopySourceIfMatch: quoted(from.info.ETag),
	}
	if length > 0 {
		in.CopySourceRange = inHTTP(&store.Range{Start: offset, End: offset + length - 1})
	}
	out, err := s.patient.UploadPartCopy(ctx, in)
	if err != nil {
		return store.Part{}, fault(ctx, err, src.VersionID)
	}
	p := store.Part{Number: number, Size: length}
	if c := out.CopyPartResult; c != nil {
		p.ETag, p.Modified = unquoted(aws.ToString(c.ETag)), seconds(c.LastModified)
		p.Checksum = pick(store.FullObject, c.ChecksumCRC64NVME, c.ChecksumCRC32, c.ChecksumCRC32C, c.ChecksumSHA1, c.ChecksumSHA256, c.ChecksumSHA512, c.ChecksumMD5, c.ChecksumXXHASH64, c.ChecksumXXHASH3, c.ChecksumXXHASH128)
	}
	if p.Checksum.Algorithm != algorithm {
		p.Checksum = store.Checksum{}
	}
	return p, nil
}
