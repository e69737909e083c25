package s3

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// maxCopy is the largest object, and the largest part, that one copy makes. (S3 API Reference, CopyObject: 5 GB.)
const maxCopy = 5 << 30

// CopySource is the object that a copy reads.
type CopySource struct {
	Target     Target
	Key        string
	VersionID  string // as in store.GetOptions
	Conditions Conditions
}

// Copy says what to copy, and what the copy is.
type Copy struct {
	Source CopySource
	Target Target
	Key    string

	ReplaceMetadata bool // Headers and Metadata are the copy's, not the source's
	Headers         store.Headers
	Metadata        map[string]string
	ReplaceTags     bool // Tags are the copy's, not the source's
	Tags            map[string]string

	Encrypt              bool   // as in store.PutOptions
	ChecksumAlgorithm    string // as in store.PutOptions
	IfMatch, IfNoneMatch string // on what the key holds, as in store.PutOptions
}

// Copied is what a copy made, and from what version: "" where the source's bucket never had versions.
type Copied struct {
	store.Info
	SourceVersionID string
}

// CopyObject stores an object under another key, or with other metadata under its own. The caller must be allowed to read
// the source and to write the copy, and both for the tags if it has any.
func (s *Service) CopyObject(ctx context.Context, c iam.Caller, cp Copy) (Copied, error) {
	if c.Principal.Kind == iam.Anonymous {
		return Copied{}, fault.New("AccessDenied", "Anonymous users cannot copy objects.  Please authenticate")
	}
	for range 3 {
		src, err := s.source(ctx, c, cp.Source)
		if err != nil {
			return Copied{}, err
		}
		b, opt, err := s.copyOptions(ctx, c, cp, src)
		if err != nil {
			return Copied{}, err
		}
		info, err := s.cfg.Store.Copy(ctx, src.pinned(), b.Name, cp.Key, opt)
		if s.overwritten(ctx, src, err) {
			continue
		}
		info, err = s.published(ctx, b, cp.Key, cp.IfMatch, info, src.vanished(err, cp.Source.VersionID))
		return Copied{info, src.bucket.shown(src.info).VersionID}, err
	}
	return Copied{}, fault.New("OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
}

// copyOptions decides about the copy and says how to store it.
func (s *Service) copyOptions(ctx context.Context, c iam.Caller, cp Copy, src source) (Bucket, store.PutOptions, error) {
	opt := store.PutOptions{
		Headers: cp.Headers, Metadata: cp.Metadata, Tags: cp.Tags, ChecksumAlgorithm: cp.ChecksumAlgorithm,
		IfMatch: cp.IfMatch, IfNoneMatch: cp.IfNoneMatch,
	}
	if !cp.ReplaceMetadata {
		opt.Headers, opt.Metadata = src.info.Headers, src.info.Metadata
	}
	if !cp.ReplaceTags {
		opt.Tags = src.info.Tags
		if len(opt.Tags) > 0 {
			err := s.authorize(ctx, c, versioned("s3:GetObjectTagging", cp.Source.VersionID), src.bucket, src.point, cp.Source.Key, versionKeys(cp.Source.VersionID, src.info.Tags))
			if err != nil {
				return Bucket{}, opt, err
			}
		}
	}
	w := write{Tags: opt.Tags, Encrypt: cp.Encrypt, IfMatch: cp.IfMatch, IfNoneMatch: cp.IfNoneMatch}
	b, err := s.writable(ctx, c, cp.Target, cp.Key, &w, src.keys())
	if err != nil {
		return b, opt, err
	}
	if b.Name == src.bucket.Name && cp.Key == cp.Source.Key && cp.Source.VersionID == "" && !cp.ReplaceMetadata && !cp.Encrypt {
		return b, opt, fault.New("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if src.info.Size > maxCopy {
		return b, opt, tooLargeToCopy()
	}
	opt.Version, opt.Encrypt = b.versioning(), w.Encrypt
	return b, opt, nil
}

func tooLargeToCopy() error {
	return fault.New("InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: %d", int64(maxCopy))
}

// source is an object that may be read and copied.
type source struct {
	bucket Bucket
	point  *AccessPoint
	info   store.Info
}

// source finds what is copied and decides about reading it.
func (s *Service) source(ctx context.Context, c iam.Caller, from CopySource) (source, error) {
	b, ap, err := s.locateVersion(c, from.Target, from.Key, from.VersionID)
	if err != nil {
		return source{}, err
	}
	info, failed := s.cfg.Store.HeadVersion(ctx, b.Name, from.Key, from.VersionID)
	if err := s.mayRead(ctx, c, []string{"s3:GetObject"}, b, ap, from.Key, from.VersionID, info, failed); err != nil {
		if marker, ok := errors.AsType[*store.MarkerError](err); ok && marker.Named {
			// S3 API Reference, CopyObject: a delete marker cannot be copied.
			err = fault.New("InvalidRequest", "The source of a copy request may not specifically refer to a delete marker by version id.")
		}
		return source{}, err
	}
	if err := from.Conditions.Check(info); err != nil {
		f, _ := errors.AsType[*fault.Error](err)
		failed := fault.New("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
		failed.Fields = f.Fields // S3 API Reference, CopyObject: 412 for all four conditions
		return source{}, failed
	}
	return source{b, ap, info}, nil
}

// pinned names the very version that was decided about.
func (s source) pinned() store.Source {
	return store.Source{Bucket: s.bucket.Name, Key: s.info.Key, VersionID: s.info.VersionID, ETag: s.info.ETag}
}

// keys are the condition keys of a request that writes what it copies. (Service Authorization Reference, Amazon S3.)
func (s source) keys() iam.Context {
	return iam.Context{"s3:x-amz-copy-source": {s.bucket.Name + "/" + s.info.Key}}
}

// vanished is err with the source's absence told as its reader asked for it.
func (s source) vanished(err error, versionID string) error {
	if errors.Is(err, store.ErrNoVersion) && versionID == "" {
		return fmt.Errorf("copy source: %w", store.ErrNotFound)
	}
	return err
}

// overwritten reports whether err, of a copy, comes of the source's having been replaced since it was decided about. The
// other reason is a condition on the target.
func (s *Service) overwritten(ctx context.Context, src source, err error) bool {
	if !errors.Is(err, store.ErrPrecondition) {
		return false
	}
	now, failed := s.cfg.Store.HeadVersion(ctx, src.bucket.Name, src.info.Key, src.info.VersionID)
	return failed == nil && now.ETag != src.info.ETag
}

// PartCopy says what to copy into a part of an upload.
type PartCopy struct {
	Source CopySource
	Range  *store.Range // Start and End given and within the object; nil is all of it
	Target Target
	Key    string
	Upload string
	Number int
}

// CopiedPart is what a copy made of a part.
type CopiedPart struct {
	store.Part
	Upload          store.Upload
	SourceVersionID string
}

// UploadPartCopy stores a range of an object as a part of an upload.
func (s *Service) UploadPartCopy(ctx context.Context, c iam.Caller, cp PartCopy) (CopiedPart, error) {
	for range 3 {
		src, err := s.source(ctx, c, cp.Source)
		if err != nil {
			return CopiedPart{}, err
		}
		_, up, err := s.upload(ctx, c, "s3:PutObject", cp.Target, cp.Key, cp.Upload, src.keys())
		if err != nil {
			return CopiedPart{}, err
		}
		if cp.Range != nil && cp.Range.End >= src.info.Size {
			return CopiedPart{}, fault.New("InvalidArgument", "Range specified is not valid for source object of size: %d", src.info.Size).
				With("ArgumentName", "x-amz-copy-source-range").With("ArgumentValue", "bytes="+strconv.FormatInt(cp.Range.Start, 10)+"-"+strconv.FormatInt(cp.Range.End, 10))
		}
		if _, length, err := cp.Range.Resolve(src.info.Size); err == nil && length > maxCopy {
			return CopiedPart{}, tooLargeToCopy()
		}
		part, err := s.cfg.Store.CopyPart(ctx, src.pinned(), cp.Range, up.id, cp.Number, store.PartOptions{})
		if s.overwritten(ctx, src, err) {
			continue
		}
		if err != nil {
			return CopiedPart{}, up.fault(src.vanished(err, cp.Source.VersionID))
		}
		return CopiedPart{part, up.Upload, src.bucket.shown(src.info).VersionID}, nil
	}
	return CopiedPart{}, fault.New("OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")
}
