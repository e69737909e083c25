package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// upload is an upload that was found.
type upload struct {
	store.UploadID
	id  store.ID
	rec uploadRecord
}

func (u upload) describe() store.Upload {
	return store.Upload{Key: u.Key, ID: u.ID, Initiated: u.rec.initiated, Options: u.rec.opt}
}

// upload returns the upload, or store.ErrNoUpload.
func (t *txn) upload(up store.UploadID) (upload, error) {
	id, ok := store.ParseID(up.ID)
	var v []byte
	if ok && up.Bucket != "" {
		v = t.get(uploadsBucket, up.Bucket, entryKey(up.Key, id[:]))
	}
	if v == nil {
		return upload{}, store.ErrNoUpload
	}
	rec, err := decodeUpload(v)
	return upload{UploadID: up, id: id, rec: rec}, err
}

func (t *txn) deleteUpload(u upload) error {
	return t.delete(uploadsBucket, u.Bucket, entryKey(u.Key, u.id[:]))
}

// upload returns the upload, or store.ErrNoUpload.
func (s *Store) upload(ctx context.Context, up store.UploadID) (u upload, err error) {
	if err := ctx.Err(); err != nil {
		return u, err
	}
	err = s.index.view(func(t *txn) (err error) {
		u, err = t.upload(up)
		return err
	})
	return u, err
}

// CreateUpload implements store.Store.
func (s *Store) CreateUpload(ctx context.Context, bucket, key string, opt store.UploadOptions) (store.Upload, error) {
	u, err := s.createUpload(ctx, bucket, key, opt)
	if err != nil {
		return store.Upload{}, fmt.Errorf("create upload of %s/%q: %w", bucket, key, fullError(err))
	}
	return u.describe(), nil
}

func (s *Store) createUpload(ctx context.Context, bucket, key string, opt store.UploadOptions) (u upload, err error) {
	if err := s.enter(ctx); err != nil {
		return u, err
	}
	defer s.calls.Done()
	if err := errors.Join(store.CheckName(bucket, key), opt.Check()); err != nil {
		return u, err
	}
	if opt.Encrypt && s.blobs.keys == nil {
		return u, store.ErrNoKey
	}
	opt.Metadata, opt.Tags = maps.Clone(opt.Metadata), maps.Clone(opt.Tags)
	u.id = store.NewID(store.NextNanos(0))
	u.UploadID = store.UploadID{Bucket: bucket, Key: key, ID: u.id.String()}
	u.rec = uploadRecord{initiated: time.Now().UTC().Truncate(time.Second), opt: opt}
	v, err := u.rec.encode()
	if err != nil {
		return u, err
	}
	return u, s.change(nil, func(t *txn) error { return t.put(uploadsBucket, bucket, entryKey(key, u.id[:]), v) })
}

// PutPart implements store.Store.
func (s *Store) PutPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	info, err := s.putPart(ctx, up, number, body, opt)
	if err != nil {
		return store.Part{}, fmt.Errorf("put part %d of %s/%q: %w", number, up.Bucket, up.Key, fullError(err))
	}
	return info, nil
}

func (s *Store) putPart(ctx context.Context, up store.UploadID, number int, body io.Reader, opt store.PartOptions) (store.Part, error) {
	if err := s.enter(ctx); err != nil {
		return store.Part{}, err
	}
	defer s.calls.Done()
	u, err := s.upload(ctx, up)
	if err != nil {
		return store.Part{}, err
	}
	if err := store.CheckPartNumber(number); err != nil {
		return store.Part{}, err
	}
	b, err := s.blobs.write(ctx, body, u.rec.opt.ChecksumAlgorithm, u.rec.opt.Encrypt)
	if err != nil {
		return store.Part{}, err
	}
	p := partRecord{
		info:     store.Part{Number: number, Size: b.rec.size, ETag: b.etag, Checksum: b.checksum},
		segments: []segment{{blob: b.id, size: b.rec.size}},
	}
	nothing := func(*txn) error { return nil }
	return s.publishPart(u, p, opt, []blobID{b.id}, nothing, func(t *txn) error { return t.putBlob(b.id, b.rec) })
}

// publishPart puts a part into the index in place of the one of its number. fresh are the blobs that were written for
// it; refuse may return a refusal; count counts the references that the part makes.
func (s *Store) publishPart(u upload, p partRecord, opt store.PartOptions, fresh []blobID, refuse, count func(*txn) error) (store.Part, error) {
	if opt.Accept != nil {
		if err := opt.Accept(p.info); err != nil {
			for _, id := range fresh {
				s.remove(id)
			}
			return store.Part{}, err
		}
	}
	err := s.change(fresh, func(t *txn) error {
		if _, err := t.upload(u.UploadID); err != nil {
			return refuseAbsent(err)
		}
		if err := refuse(t); err != nil {
			return err
		}
		if err := count(t); err != nil {
			return err
		}
		parts, k := t.tx.Bucket(partsBucket), partKey(u.id, p.info.Number)
		if v := parts.Get(k); v != nil {
			old, err := decodePart(k, v)
			if err != nil {
				return err
			}
			if err := t.dropPart(u.id, old); err != nil {
				return err
			}
		}
		p.info.Modified = time.Now().UTC().Truncate(time.Second)
		v, err := p.encode()
		if err != nil {
			return err
		}
		return parts.Put(k, v)
	})
	return p.info, err
}

// ListParts implements store.Store.
func (s *Store) ListParts(ctx context.Context, up store.UploadID, after, most int) (page store.PartPage, err error) {
	if most <= 0 {
		most = 1000
	}
	err = ctx.Err()
	if err == nil {
		err = s.index.view(func(t *txn) error {
			u, err := t.upload(up)
			if err != nil {
				return err
			}
			page.Upload = u.describe()
			if after >= store.MaxPartNumber {
				return nil
			}
			return t.parts(u.id, max(after, 0)+1, func(p partRecord) bool {
				if len(page.Parts) == most {
					page.Next = page.Parts[most-1].Number
					return false
				}
				page.Parts = append(page.Parts, p.info)
				return true
			})
		})
	}
	if err != nil {
		return store.PartPage{}, fmt.Errorf("list parts of %s/%q: %w", up.Bucket, up.Key, err)
	}
	return page, nil
}

// ListUploads implements store.Store.
func (s *Store) ListUploads(ctx context.Context, bucket string, opt store.EntryOptions) (page store.UploadPage, err error) {
	if err = usable(ctx, bucket, "any"); err == nil {
		err = s.index.view(func(t *txn) (err error) {
			if b := t.sub(uploadsBucket, bucket); b != nil {
				page, err = store.ListEntries(&uploadCursor{c: b.Cursor()}, opt)
			}
			return err
		})
	}
	if err != nil {
		return store.UploadPage{}, fmt.Errorf("list uploads of bucket %s: %w", bucket, err)
	}
	return page, nil
}

// uploadCursor is a store.EntryCursor over a bucket of uploadsBucket, within a transaction.
type uploadCursor struct {
	c     *bbolt.Cursor
	entry store.Upload
	value []byte
	err   error // of the entry's key
}

func (c *uploadCursor) Seek(from string) (string, bool) { return c.at(c.c.Seek(escapeKey(nil, from))) }

func (c *uploadCursor) SeekAfter(key, id string) (string, bool) {
	after, ok := store.ParseID(id)
	if !ok {
		return c.Seek(key)
	}
	return c.at(c.c.Seek(append(entryKey(key, after[:]), 0)))
}

func (c *uploadCursor) Next() (string, bool) { return c.at(c.c.Next()) }

func (c *uploadCursor) at(k, v []byte) (string, bool) {
	if k == nil {
		return "", false
	}
	key, tail, ok := splitEntryKey(k)
	if !ok || len(tail) != len(store.ID{}) {
		c.err = fmt.Errorf("key %x: %w", k, errRecord)
		return key, true
	}
	c.entry, c.value = store.Upload{Key: key, ID: store.ID(tail).String()}, v
	return key, true
}

func (c *uploadCursor) Entry() (store.Upload, string, error) {
	if c.err != nil {
		return store.Upload{}, "", c.err
	}
	u, err := decodeUpload(c.value)
	c.entry.Initiated, c.entry.Options = u.initiated, u.opt
	return c.entry, c.entry.ID, err
}

// CompleteUpload implements store.Store. The parts stay where they are; the object's record names them.
func (s *Store) CompleteUpload(ctx context.Context, up store.UploadID, parts []store.Part, opt store.CompleteOptions) (store.Info, error) {
	info, err := s.completeUpload(ctx, up, parts, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("complete upload of %s/%q: %w", up.Bucket, up.Key, fullError(err))
	}
	return info, nil
}

func (s *Store) completeUpload(ctx context.Context, up store.UploadID, parts []store.Part, opt store.CompleteOptions) (store.Info, error) {
	if err := s.enter(ctx); err != nil {
		return store.Info{}, err
	}
	defer s.calls.Done()
	var rec record
	err := s.index.view(func(t *txn) (err error) {
		rec, err = t.assemble(up, parts)
		return err
	})
	if err != nil || rec.info.VersionID != "" { // it was completed before
		return rec.info, err
	}
	if err := accept(store.PutOptions{Accept: opt.Accept}, rec.info); err != nil {
		return store.Info{}, err
	}
	accepted := rec.info.ETag
	err = s.change(nil, func(t *txn) error {
		rec, err = t.assemble(up, parts)
		switch {
		case err != nil:
			return refuseParts(err)
		case rec.info.VersionID != "":
			return errNothing
		case rec.info.ETag != accepted:
			return refusal{store.ErrInvalidPart} // a part was replaced meanwhile
		}
		if err := t.check(up.Bucket, up.Key, store.PutOptions{IfMatch: opt.IfMatch, IfNoneMatch: opt.IfNoneMatch}); err != nil {
			return err
		}
		return t.complete(up, parts, &rec, opt.Version)
	})
	return rec.info, err
}

// complete makes an object of an upload's parts and ends the upload.
func (t *txn) complete(up store.UploadID, parts []store.Part, rec *record, mode store.Versioning) error {
	u, err := t.upload(up)
	if err != nil {
		return err
	}
	keep := make(map[int]bool, len(parts))
	for _, p := range parts {
		keep[p.Number] = true
	}
	if err := t.dropParts(u.id, keep); err != nil {
		return err
	}
	if err := t.putManifest(u.id, 1); err != nil {
		return err
	}
	if err := t.deleteUpload(u); err != nil {
		return err
	}
	return t.add(up.Bucket, up.Key, rec, mode)
}

// assemble returns the object that the parts make; for an upload that was completed before, the object that it made.
func (t *txn) assemble(up store.UploadID, want []store.Part) (record, error) {
	u, err := t.upload(up)
	if errors.Is(err, store.ErrNoUpload) && store.CheckName(up.Bucket, up.Key) == nil {
		if made, ok, newestErr := t.newest(up.Bucket, up.Key); ok && newestErr == nil && made.info.PartCount > 0 && made.content.manifest.String() == up.ID {
			made.info.Key = up.Key
			return made.record, nil
		}
	}
	if err != nil {
		return record{}, err
	}
	stored := make(map[int]store.Part)
	err = t.parts(u.id, 0, func(p partRecord) bool {
		stored[p.info.Number] = p.info
		return true
	})
	if err != nil {
		return record{}, err
	}
	o := u.rec.opt
	rec := newRecord(up.Key, store.PutOptions{Headers: o.Headers, Metadata: o.Metadata, Tags: o.Tags})
	rec.content.manifest = u.id
	made, err := store.Assemble(o, want, func(number int) (store.Part, bool) {
		p, ok := stored[number]
		return p, ok
	})
	rec.info.Size, rec.info.ETag, rec.info.Checksum, rec.info.PartCount = made.Size, made.ETag, made.Checksum, made.PartCount
	rec.info.Encrypted = o.Encrypt
	return rec, err
}

// refuseParts makes a refusal of what the caller did wrong.
func refuseParts(err error) error {
	if errors.Is(err, store.ErrInvalidPart) || errors.Is(err, store.ErrPartOrder) || errors.Is(err, store.ErrPartTooSmall) {
		return refusal{err}
	}
	return refuseAbsent(err)
}

// AbortUpload implements store.Store.
func (s *Store) AbortUpload(ctx context.Context, up store.UploadID) error {
	err := s.enter(ctx)
	if err == nil {
		defer s.calls.Done()
		err = s.change(nil, func(t *txn) error {
			u, err := t.upload(up)
			if err != nil {
				return refuseAbsent(err)
			}
			if err := t.dropParts(u.id, nil); err != nil {
				return err
			}
			return t.deleteUpload(u)
		})
	}
	if err != nil {
		return fmt.Errorf("abort upload of %s/%q: %w", up.Bucket, up.Key, fullError(err))
	}
	return nil
}
