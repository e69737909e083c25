package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"

	"glassine/store"
)

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	info, err := s.put(ctx, bucket, key, body, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("put object %s/%q: %w", bucket, key, fullError(err))
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	if err := s.enter(ctx); err != nil {
		return store.Info{}, err
	}
	defer s.calls.Done()
	if err := store.CheckName(bucket, key); err != nil {
		return store.Info{}, err
	}
	rec := newRecord(key, opt) // before the body is read: the maps are the caller's
	b, err := s.blobs.write(ctx, body, opt.ChecksumAlgorithm, opt.Encrypt)
	if err != nil {
		return store.Info{}, err
	}
	rec.content.blob = b.id
	rec.info.Size, rec.info.ETag, rec.info.Checksum, rec.info.Encrypted = b.rec.size, b.etag, b.checksum, opt.Encrypt
	if err := accept(opt, rec.info); err != nil {
		s.remove(b.id)
		return store.Info{}, err
	}
	err = s.change([]blobID{b.id}, func(t *txn) error {
		if err := t.check(bucket, key, opt); err != nil {
			return err
		}
		if err := t.putBlob(b.id, b.rec); err != nil {
			return err
		}
		return t.add(bucket, key, &rec, opt.Version)
	})
	return rec.info, err
}

// newRecord returns a record with what opt says of an object.
func newRecord(key string, opt store.PutOptions) record {
	return record{info: store.Info{
		Key: key, Headers: opt.Headers, Metadata: maps.Clone(opt.Metadata), Tags: maps.Clone(opt.Tags),
	}}
}

func accept(opt store.PutOptions, info store.Info) error {
	if opt.Accept == nil {
		return nil
	}
	return opt.Accept(info)
}

// check refuses a put that its conditions forbid.
func (t *txn) check(bucket, key string, opt store.PutOptions) error {
	current, err := t.currentETag(bucket, key)
	if err != nil {
		return err
	}
	if err := opt.Check(current); err != nil {
		return refusal{err}
	}
	return nil
}

// change commits a change to the index: see change.apply. fresh are the blobs that were written for it: they are removed
// if it does not come about, as is afterwards what nothing refers to any more.
func (s *Store) change(fresh []blobID, apply func(*txn) error) error {
	ch := &change{apply: apply}
	err := s.committer.submit(ch)
	if !ch.published {
		ch.freed = fresh
	}
	for _, id := range ch.freed {
		s.remove(id)
	}
	var refused refusal
	if errors.As(err, &refused) {
		err = refused.error
	}
	return err
}

// remove deletes a blob that the index does not refer to. What it cannot delete is left to the sweep of the next run.
func (s *Store) remove(id blobID) { s.removed(s.blobs.remove(id)) }

// removed notes that a blob could not be removed, unless err is nil.
func (s *Store) removed(err error) {
	if err != nil {
		s.leftBehind.Store(true)
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "a replaced object's file stays until the next start", slog.Any("error", err))
	}
}

// Get implements store.Store. The body of a plain object that is one file is a *Body.
func (s *Store) Get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	o, err := s.get(ctx, bucket, key, opt)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucket, key, err)
	}
	return o, nil
}

func (s *Store) get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	l, err := s.find(ctx, bucket, key, opt)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, bucket, key, l, opt)
}

// located is a version with what is needed to read a range of it.
type located struct {
	found
	offset, length int64
	pieces         []piece // of the range
}

// find looks up the version that opt names and the pieces that its range needs.
func (s *Store) find(ctx context.Context, bucket, key string, opt store.GetOptions) (l located, err error) {
	if err := usable(ctx, bucket, key); err != nil {
		return l, err
	}
	err = s.index.view(func(t *txn) (err error) {
		if l.found, err = t.object(bucket, key, opt.VersionID); err != nil {
			return err
		}
		if l.offset, l.length, err = opt.Range.Resolve(l.info.Size); err != nil {
			return err
		}
		segments, err := t.contentOf(&l.record)
		if err != nil {
			return err
		}
		start := int64(0)
		for _, seg := range cut(segments, l.offset, l.length) {
			b, err := t.blob(seg.blob)
			if err != nil {
				return err
			}
			l.pieces = append(l.pieces, piece{segment: seg, start: start, rec: b})
			start += seg.size
		}
		return nil
	})
	return l, err
}

func usable(ctx context.Context, bucket, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return store.CheckName(bucket, key)
}

// contentOf returns the segments of an object, and sets info.Parts.
func (t *txn) contentOf(r *record) ([]segment, error) {
	if r.info.PartCount == 0 {
		return []segment{{blob: r.content.blob, size: r.info.Size}}, nil
	}
	var segments []segment
	r.info.Parts = make([]store.Part, 0, r.info.PartCount)
	err := t.parts(r.content.manifest, 0, func(p partRecord) bool {
		r.info.Parts = append(r.info.Parts, p.info)
		segments = append(segments, p.segments...)
		return true
	})
	if err == nil && len(r.info.Parts) != r.info.PartCount {
		err = fmt.Errorf("%d parts, want %d: %w", len(r.info.Parts), r.info.PartCount, errRecord)
	}
	return segments, err
}

// open opens what was located, or what has replaced it since.
func (s *Store) open(ctx context.Context, bucket, key string, l located, opt store.GetOptions) (*store.Object, error) {
	for {
		body, err := s.openBody(ctx, bucket, key, l, opt)
		if err == nil {
			return &store.Object{Info: l.info, Offset: l.offset, Length: l.length, Body: body}, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		if l, err = s.find(ctx, bucket, key, opt); err != nil {
			return nil, err
		}
	}
}

// errMoved says that an object was replaced or deleted between the look-up and the open. The index knows by now.
var errMoved = errors.New("object was replaced while it was opened")

// openBody opens what was located, or returns errMoved.
func (s *Store) openBody(ctx context.Context, bucket, key string, l located, opt store.GetOptions) (io.ReadCloser, error) {
	if len(l.pieces) == 1 {
		p := l.pieces[0]
		f, err := s.blobs.openPiece(p.blob, p.rec)
		if err != nil {
			return nil, s.whyNot(ctx, bucket, key, l, opt, err)
		}
		if sealed, ok := f.(*sealedFile); ok {
			return &sealedBody{sealedViews: sealedViews{file: sealed}, span: span{off: p.off, len: l.length}}, nil
		}
		return &Body{f: f.(*os.File), span: span{off: p.off, len: l.length}}, nil
	}
	// Its files are opened one after the other. So they are held, and then the index is asked whether that was in time.
	j := &joined{blobs: s.blobs, pieces: l.pieces, len: l.length}
	s.blobs.hold(j.ids())
	f, err := j.take(0)
	if err != nil {
		err = s.whyNot(ctx, bucket, key, l, opt, err)
	} else {
		j.put(0, f)
		err = s.whyNot(ctx, bucket, key, l, opt, nil)
	}
	body := heldBody{j, s}
	if err != nil {
		if closeErr := body.Close(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
		return nil, err
	}
	return body, nil
}

// whyNot returns errMoved when the index has something else by now than what was located; else err, the error of opening
// it.
func (s *Store) whyNot(ctx context.Context, bucket, key string, l located, opt store.GetOptions, err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	now, findErr := s.find(ctx, bucket, key, opt)
	switch {
	case findErr != nil:
		return findErr
	case now.content != l.content:
		return errMoved
	case err != nil:
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// heldBody is a joined whose blobs the store may have to remove when it is closed.
type heldBody struct {
	*joined
	s *Store
}

// Close implements io.Closer.
func (b heldBody) Close() error {
	err := b.joined.Close()
	b.s.removed(err)
	return err
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucket, key string) (store.Info, error) {
	return s.HeadVersion(ctx, bucket, key, "")
}

// HeadVersion implements store.Store.
func (s *Store) HeadVersion(ctx context.Context, bucket, key, versionID string) (store.Info, error) {
	err := usable(ctx, bucket, key)
	var f found
	if err == nil {
		err = s.index.view(func(t *txn) (err error) {
			if f, err = t.object(bucket, key, versionID); err == nil && f.info.PartCount > 0 {
				_, err = t.contentOf(&f.record)
			}
			return err
		})
	}
	if err != nil {
		return store.Info{}, fmt.Errorf("head object %s/%q: %w", bucket, key, err)
	}
	return f.info, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, bucket string, opt store.ListOptions) (store.Page, error) {
	err := usable(ctx, bucket, "any")
	var page store.Page
	if err == nil {
		page, err = s.index.list(bucket, opt)
	}
	if err != nil {
		return store.Page{}, fmt.Errorf("list bucket %s: %w", bucket, err)
	}
	return page, nil
}
