package memory

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"glassine/store"
)

// upload is an upload under way; Store.mu guards it.
type upload struct {
	info  store.Upload
	nanos uint64 // of the id
	parts []part // by number
}

type part struct {
	info store.Part
	body []byte
}

// describe returns an Upload that the caller may keep and change.
func (u *upload) describe() store.Upload {
	info := u.info
	info.Options.Metadata = maps.Clone(info.Options.Metadata)
	info.Options.Tags = maps.Clone(info.Options.Tags)
	return info
}

// part returns the place of a part, and whether it is there.
func (u *upload) part(number int) (i int, ok bool) {
	return slices.BinarySearchFunc(u.parts, number, func(p part, n int) int { return cmp.Compare(p.info.Number, n) })
}

// join returns the bytes of the parts, all of which are there.
func (u *upload) join(parts []store.Part) []byte {
	bodies := make([][]byte, 0, len(parts))
	for _, p := range parts {
		i, _ := u.part(p.Number)
		bodies = append(bodies, u.parts[i].body)
	}
	return slices.Concat(bodies...)
}

// uploadAt returns the place of an upload, and whether it is there. b may be nil.
func (b *bucket) uploadAt(up store.UploadID) (i int, ok bool) {
	if b == nil {
		return 0, false
	}
	return slices.BinarySearchFunc(b.uploads, up, func(u *upload, up store.UploadID) int {
		return cmp.Or(cmp.Compare(u.info.Key, up.Key), cmp.Compare(u.info.ID, up.ID))
	})
}

// upload returns the upload, or store.ErrNoUpload. The caller holds s.mu.
func (s *Store) upload(up store.UploadID) (*upload, error) {
	b := s.buckets[up.Bucket]
	i, ok := b.uploadAt(up)
	if !ok {
		return nil, store.ErrNoUpload
	}
	return b.uploads[i], nil
}

// endUpload removes the upload and returns how many bytes its parts have. The caller holds s.mu.
func (s *Store) endUpload(up store.UploadID) (freed int64) {
	b := s.buckets[up.Bucket]
	i, ok := b.uploadAt(up)
	if !ok {
		return 0
	}
	for _, p := range b.uploads[i].parts {
		freed += p.info.Size
	}
	b.uploads = slices.Delete(b.uploads, i, i+1)
	s.drop(up.Bucket)
	return freed
}

// CreateUpload implements store.Store.
func (s *Store) CreateUpload(ctx context.Context, bucketName, key string, opt store.UploadOptions) (store.Upload, error) {
	err := errors.Join(s.usable(ctx), store.CheckName(bucketName, key), opt.Check())
	if err != nil {
		return store.Upload{}, fmt.Errorf("create upload of %s/%q: %w", bucketName, key, err)
	}
	u := &upload{nanos: store.NextNanos(0)}
	u.info = store.Upload{
		Key: key, ID: store.NewID(u.nanos).String(), Options: opt,
		Initiated: time.Now().UTC().Truncate(time.Second),
	}
	u.info = u.describe() // maps of our own
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bucket(bucketName)
	i, _ := b.uploadAt(store.UploadID{Bucket: bucketName, Key: key, ID: u.info.ID})
	b.uploads = slices.Insert(b.uploads, i, u)
	return u.describe(), nil
}

// PutPart implements store.Store.
func (s *Store) PutPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	info, err := s.putPart(ctx, up, number, body, opt)
	if err != nil {
		return store.Part{}, fmt.Errorf("put part %d of %s/%q: %w", number, up.Bucket, up.Key, err)
	}
	return info, nil
}

func (s *Store) putPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	u, err := s.findUpload(ctx, up)
	if err != nil {
		return store.Part{}, err
	}
	if err := store.CheckPartNumber(number); err != nil {
		return store.Part{}, err
	}
	content, err := s.read(ctx, body)
	if err != nil {
		return store.Part{}, err
	}
	sum, err := store.NewHash(u.Options.ChecksumAlgorithm)
	if err != nil {
		return store.Part{}, err // CreateUpload refused it
	}
	sum.Write(content)
	md5Sum := md5.Sum(content)
	p := part{body: content, info: store.Part{
		Number: number, Size: int64(len(content)), ETag: hex.EncodeToString(md5Sum[:]),
		Checksum: store.SumOf(u.Options.ChecksumAlgorithm, sum),
	}}
	if opt.Accept != nil {
		if err := opt.Accept(p.info); err != nil {
			s.giveBack(p.info.Size)
			return store.Part{}, err
		}
	}
	return s.publishPart(up, p)
}

// publishPart adds p to the upload, or gives its bytes back.
func (s *Store) publishPart(up store.UploadID, p part) (store.Part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Part{}, store.ErrClosed
	}
	u, err := s.upload(up)
	if err != nil {
		s.used -= p.info.Size
		return store.Part{}, err
	}
	p.info.Modified = time.Now().UTC().Truncate(time.Second)
	i, ok := u.part(p.info.Number)
	if ok {
		s.used -= u.parts[i].info.Size
		u.parts[i] = p
	} else {
		u.parts = slices.Insert(u.parts, i, p)
	}
	return p.info, nil
}

// findUpload describes the upload, or returns store.ErrNoUpload.
func (s *Store) findUpload(ctx context.Context, up store.UploadID) (store.Upload, error) {
	if err := s.usable(ctx); err != nil {
		return store.Upload{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, err := s.upload(up)
	if err != nil {
		return store.Upload{}, err
	}
	return u.describe(), nil
}

// CopyPart implements store.Store.
func (s *Store) CopyPart(ctx context.Context, src store.Source, r *store.Range, up store.UploadID, number int, opt store.PartOptions) (store.Part, error) {
	o, err := s.Get(ctx, src.Bucket, src.Key, store.GetOptions{Range: r, VersionID: src.VersionID})
	if err == nil && src.ETag != "" && src.ETag != o.Info.ETag {
		err = store.ErrPrecondition
	}
	if err != nil {
		return store.Part{}, fmt.Errorf("copy part %d of %s/%q: %w", number, up.Bucket, up.Key, err)
	}
	return s.PutPart(ctx, up, number, o.Body, opt)
}

// ListParts implements store.Store.
func (s *Store) ListParts(ctx context.Context, up store.UploadID, after, most int) (store.PartPage, error) {
	info, err := s.findUpload(ctx, up)
	if err != nil {
		return store.PartPage{}, fmt.Errorf("list parts of %s/%q: %w", up.Bucket, up.Key, err)
	}
	page := store.PartPage{Upload: info}
	if most <= 0 {
		most = 1000
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, err := s.upload(up)
	if err != nil {
		return store.PartPage{}, fmt.Errorf("list parts of %s/%q: %w", up.Bucket, up.Key, err)
	}
	for _, p := range u.parts {
		if p.info.Number <= after {
			continue
		}
		if len(page.Parts) == most {
			page.Next = page.Parts[most-1].Number
			break
		}
		page.Parts = append(page.Parts, p.info)
	}
	return page, nil
}

// ListUploads implements store.Store.
func (s *Store) ListUploads(ctx context.Context, bucketName string, opt store.EntryOptions) (store.UploadPage, error) {
	err := s.usable(ctx)
	if err == nil {
		err = store.CheckName(bucketName, "any")
	}
	if err != nil {
		return store.UploadPage{}, fmt.Errorf("list uploads of bucket %s: %w", bucketName, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[bucketName]
	if b == nil {
		return store.UploadPage{}, nil
	}
	return store.ListEntries(&uploadCursor{uploads: b.uploads}, opt)
}

// uploadCursor walks the uploads of a bucket; the caller holds Store.mu.
type uploadCursor struct {
	uploads []*upload
	at      int
}

func (c *uploadCursor) Seek(from string) (string, bool) { return c.SeekAfter(from, "") }

func (c *uploadCursor) SeekAfter(key, id string) (string, bool) {
	var found bool
	c.at, found = (&bucket{uploads: c.uploads}).uploadAt(store.UploadID{Key: key, ID: id})
	if found {
		c.at++
	}
	return c.key()
}

func (c *uploadCursor) Next() (string, bool) {
	c.at++
	return c.key()
}

func (c *uploadCursor) key() (string, bool) {
	if c.at >= len(c.uploads) {
		return "", false
	}
	return c.uploads[c.at].info.Key, true
}

func (c *uploadCursor) Entry() (store.Upload, string, error) {
	u := c.uploads[c.at].describe()
	return u, u.ID, nil
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
	if err := s.usable(ctx); err != nil {
		return store.Info{}, err
	}
	o, err := s.assemble(up, parts)
	if err != nil {
		return store.Info{}, err
	}
	if o.info.VersionID != "" { // completed before
		return o.describe(), nil
	}
	if opt.Accept != nil {
		if err := opt.Accept(o.describe()); err != nil {
			return store.Info{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Info{}, store.ErrClosed
	}
	again, err := s.assembled(up, parts)
	if err != nil {
		return store.Info{}, err
	}
	b := s.bucket(up.Bucket)
	if again.info.ETag != o.info.ETag {
		return store.Info{}, store.ErrInvalidPart // a part was replaced meanwhile
	}
	if err := (store.PutOptions{IfMatch: opt.IfMatch, IfNoneMatch: opt.IfNoneMatch}).Check(b.currentETag(up.Key)); err != nil {
		return store.Info{}, err
	}
	u, err := s.upload(up)
	if err != nil {
		return store.Info{}, err
	}
	again.body = u.join(again.info.Parts)
	s.used += again.info.Size
	s.used -= b.add(up.Key, again, opt.Version)
	s.used -= s.endUpload(up)
	return again.describe(), nil
}

// assemble is assembled at one moment; an upload that was completed before gives the object that it made.
func (s *Store) assemble(up store.UploadID, parts []store.Part) (*object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, err := s.assembled(up, parts)
	if !errors.Is(err, store.ErrNoUpload) {
		return o, err
	}
	if made, err := s.buckets[up.Bucket].version(up.Key, ""); err == nil && made.upload == up.ID {
		return made, nil
	}
	return nil, err
}

// assembled describes the object that the parts make. The caller holds s.mu.
func (s *Store) assembled(up store.UploadID, parts []store.Part) (*object, error) {
	u, err := s.upload(up)
	if err != nil {
		return nil, err
	}
	o := &object{upload: up.ID}
	o.info, err = store.Assemble(u.info.Options, parts, func(number int) (store.Part, bool) {
		i, ok := u.part(number)
		if !ok {
			return store.Part{}, false
		}
		return u.parts[i].info, true
	})
	if err != nil {
		return nil, err
	}
	opt := u.describe().Options
	o.info.Key, o.info.Headers, o.info.Metadata, o.info.Tags, o.info.Encrypted = up.Key, opt.Headers, opt.Metadata, opt.Tags, opt.Encrypt
	return o, nil
}

// AbortUpload implements store.Store.
func (s *Store) AbortUpload(ctx context.Context, up store.UploadID) error {
	_, err := s.findUpload(ctx, up)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.used -= s.endUpload(up)
	}
	if err != nil {
		return fmt.Errorf("abort upload of %s/%q: %w", up.Bucket, up.Key, err)
	}
	return nil
}
