package s3

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// CreateMultipartUpload begins an upload. Encrypt asks for what the bucket may do by itself; Initiator is set here.
func (s *Service) CreateMultipartUpload(ctx context.Context, c iam.Caller, t Target, key string, opt store.UploadOptions) (Bucket, store.Upload, error) {
	if c.Principal.Kind == iam.Anonymous {
		return Bucket{}, store.Upload{}, fault.New("AccessDenied", "Anonymous users cannot initiate multipart uploads.  Please authenticate.")
	}
	w := write{Tags: opt.Tags, Encrypt: opt.Encrypt}
	b, err := s.writable(ctx, c, t, key, &w, nil)
	if err != nil {
		return b, store.Upload{}, err
	}
	if err := opt.Check(); err != nil {
		return b, store.Upload{}, fault.New("InvalidRequest", "The %s checksum type cannot be used with the %s checksum algorithm.", strings.ToUpper(opt.ChecksumType), strings.ToLower(opt.ChecksumAlgorithm))
	}
	opt.Encrypt, opt.Initiator = w.Encrypt, c.Principal.ARN
	up, err := s.cfg.Store.CreateUpload(ctx, b.Name, key, opt)
	if err != nil {
		return b, up, storeFault(err, key, "")
	}
	whole := context.WithoutCancel(ctx)
	if err := s.stillThere(whole, b); err != nil {
		return b, store.Upload{}, errors.Join(err, s.cfg.Store.AbortUpload(whole, store.UploadID{Bucket: b.Name, Key: key, ID: up.ID}))
	}
	return b, up, nil
}

// upload is an upload under way that somebody may do something to.
type upload struct {
	store.Upload
	id store.UploadID
}

// upload finds an upload and decides.
func (s *Service) upload(ctx context.Context, c iam.Caller, action string, t Target, key, id string, extra iam.Context) (Bucket, upload, error) {
	up := upload{}
	b, ap, err := s.locate(c, t, key)
	if err != nil {
		return b, up, err
	}
	if err := s.authorize(ctx, c, action, b, ap, key, extra); err != nil {
		return b, up, err
	}
	up.id = store.UploadID{Bucket: b.Name, Key: key, ID: id}
	page, err := s.cfg.Store.ListParts(ctx, up.id, store.MaxPartNumber, 1) // no part: its options alone are wanted
	if err != nil {
		return b, up, up.fault(err)
	}
	up.Upload = page.Upload
	return b, up, nil
}

// fault gives a store's error about the upload AWS's code.
func (u upload) fault(err error) error {
	if errors.Is(err, store.ErrNoUpload) {
		return fault.New("NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").With("UploadId", u.id.ID)
	}
	return storeFault(err, u.id.Key, "")
}

// uploadFault gives a store's error about parts AWS's code.
func uploadFault(err error) error {
	switch {
	case errors.Is(err, store.ErrInvalidPart):
		return fault.New("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
	case errors.Is(err, store.ErrPartOrder):
		return fault.New("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
	case errors.Is(err, store.ErrPartTooSmall):
		return fault.New("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").With("MinSizeAllowed", strconv.Itoa(store.MinPartSize))
	case errors.Is(err, store.ErrPartNumber):
		return fault.New("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive").With("ArgumentName", "partNumber")
	}
	return err
}

// UploadPart stores body as a part of the upload, which it returns too. body is treated as PutObject treats it.
func (s *Service) UploadPart(ctx context.Context, c iam.Caller, t Target, key, id string, number int, body io.Reader, d Digest) (store.Part, store.Upload, error) {
	_, up, err := s.upload(ctx, c, "s3:PutObject", t, key, id, nil)
	if err != nil {
		return store.Part{}, up.Upload, err
	}
	kept := up.Options.ChecksumAlgorithm
	if kept != "" && d.Algorithm == "" && up.composite() {
		return store.Part{}, up.Upload, checksumMismatch(kept, "null")
	}
	accept := func(p store.Part) error { return d.Check(p.ETag, p.Checksum) }
	if d.Algorithm != "" && d.Algorithm != kept {
		if kept != "" {
			return store.Part{}, up.Upload, checksumMismatch(kept, d.Algorithm)
		}
		// The upload named no algorithm and keeps CRC64NVME: what the sender said is looked at all the same.
		h, err := store.NewHash(d.Algorithm)
		if err != nil {
			return store.Part{}, up.Upload, err
		}
		body = &summed{body, h}
		accept = func(p store.Part) error {
			sum := store.Checksum{Algorithm: d.Algorithm, Value: base64.StdEncoding.EncodeToString(h.Sum(nil))}
			return d.Check(p.ETag, sum)
		}
	}
	part, err := s.cfg.Store.PutPart(ctx, up.id, number, body, store.PartOptions{Size: d.Size, Accept: accept})
	if err != nil {
		return part, up.Upload, up.fault(err)
	}
	return part, up.Upload, nil
}

// composite reports whether the object's checksum will be made of the parts' checksums: then each must have come with its part.
func (u upload) composite() bool {
	kind := u.Options.ChecksumType
	return kind == store.Composite || kind == "" && store.DefaultChecksumType(u.Options.ChecksumAlgorithm) == store.Composite
}

func checksumMismatch(expected, actual string) error {
	return fault.New("InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(expected), strings.ToLower(actual))
}

// summed is a reader that hashes what is read.
type summed struct {
	io.Reader
	h hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.h.Write(p[:n])
	return n, err
}

// ListParts returns up to most of the upload's parts whose numbers are greater than after. most is at least 1.
func (s *Service) ListParts(ctx context.Context, c iam.Caller, t Target, key, id string, after, most int) (Bucket, store.PartPage, error) {
	b, up, err := s.upload(ctx, c, "s3:ListMultipartUploadParts", t, key, id, nil)
	if err != nil {
		return b, store.PartPage{}, err
	}
	page, err := s.cfg.Store.ListParts(ctx, up.id, after, most)
	if err != nil {
		return b, page, up.fault(err)
	}
	return b, page, nil
}

// AbortMultipartUpload drops the upload and its parts.
func (s *Service) AbortMultipartUpload(ctx context.Context, c iam.Caller, t Target, key, id string) error {
	_, up, err := s.upload(ctx, c, "s3:AbortMultipartUpload", t, key, id, nil)
	if err != nil {
		return err
	}
	if err := s.cfg.Store.AbortUpload(ctx, up.id); err != nil {
		return up.fault(err)
	}
	return nil
}

// Complete says what object an upload's parts make.
type Complete struct {
	Parts                []store.Part // of each Number and ETag, and Checksum.Value unless it is ""
	IfMatch, IfNoneMatch string       // as in store.PutOptions
	Digest               Digest       // of the whole object; its MD5 is not looked at
	ChecksumType         string       // "" or what the upload's must be
	Size                 int64        // bytes that the object must have; -1: not said
}

// CompleteMultipartUpload publishes the object that the parts make. Asked again after it succeeded, it gives the same
// answer as long as the object is the newest of its key.
func (s *Service) CompleteMultipartUpload(ctx context.Context, c iam.Caller, t Target, key, id string, cm Complete) (Bucket, store.Info, error) {
	keys := iam.Context{}
	if cm.IfMatch != "" {
		keys["s3:if-match"] = []string{cm.IfMatch}
	}
	if cm.IfNoneMatch != "" {
		keys["s3:if-none-match"] = []string{cm.IfNoneMatch}
	}
	b, ap, err := s.locate(c, t, key)
	if err != nil {
		return b, store.Info{}, err
	}
	if err := s.authorize(ctx, c, "s3:PutObject", b, ap, key, keys); err != nil {
		return b, store.Info{}, err
	}
	up := upload{id: store.UploadID{Bucket: b.Name, Key: key, ID: id}}
	if page, err := s.cfg.Store.ListParts(ctx, up.id, store.MaxPartNumber, 1); err == nil { // else it may be complete already
		up.Upload = page.Upload
		if err := up.check(cm.Parts); err != nil {
			return b, store.Info{}, err
		}
	}
	info, err := s.cfg.Store.CompleteUpload(ctx, up.id, cm.Parts, store.CompleteOptions{
		Version: b.versioning(), IfMatch: cm.IfMatch, IfNoneMatch: cm.IfNoneMatch, Accept: cm.accept,
	})
	if errors.Is(err, store.ErrNoUpload) {
		return b, info, up.fault(err)
	}
	info, err = s.published(ctx, b, key, cm.IfMatch, info, err)
	return b, info, err
}

// check refuses parts whose checksums are missing where they are needed, or are of another algorithm than the upload's.
func (u upload) check(parts []store.Part) error {
	kept := u.Options.ChecksumAlgorithm
	for _, p := range parts {
		switch {
		case p.Checksum.Value == "" && kept != "" && u.composite():
			return fault.New("InvalidRequest", "The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(kept), p.Number)
		case p.Checksum.Value != "" && p.Checksum.Algorithm != cmp.Or(kept, store.CRC64NVME):
			return fault.New("BadDigest", "The %s you specified for part %d did not match what we received.", strings.ToLower(p.Checksum.Algorithm), p.Number)
		}
	}
	return nil
}

// accept compares what is about to be published with what was said of it.
func (cm Complete) accept(info store.Info) error {
	if cm.Size >= 0 && cm.Size != info.Size {
		return fault.New("InvalidRequest", "The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", cm.Size, info.Size)
	}
	sum := info.Checksum
	if cm.ChecksumType != "" && cm.ChecksumType != sum.Type {
		return fault.New("InvalidRequest", "The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", sum.Type)
	}
	if cm.Digest.Value == nil {
		return nil
	}
	if cm.Digest.Algorithm != sum.Algorithm {
		return checksumMismatch(sum.Algorithm, cm.Digest.Algorithm)
	}
	// A composite value may come without its number of parts, as the SDKs compute it. (S3 User Guide, "Checking object integrity".)
	value := cm.Digest.Value()
	if bare, _, _ := strings.Cut(sum.Value, "-"); value == sum.Value || sum.Type == store.Composite && value == bare {
		return nil
	}
	return BadChecksum(sum.Algorithm)
}
