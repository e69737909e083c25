package disk

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"

	"glassine/store"
)

// Copy implements store.Store. Bytes are copied only to encrypt or to decrypt them; the copy of a multipart object is
// then a plain object.
func (s *Store) Copy(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	var info store.Info
	err := store.CheckName(bucket, key)
	for again := true; again && err == nil; {
		again = false
		info, err = s.copyObject(ctx, src, bucket, key, opt)
		if errors.Is(err, errMoved) {
			again, err = true, nil
		}
	}
	if err != nil {
		return store.Info{}, fmt.Errorf("copy object %s/%q to %s/%q: %w", src.Bucket, src.Key, bucket, key, fullError(err))
	}
	return info, nil
}

// copyObject makes one attempt; errMoved says that the source was replaced meanwhile.
func (s *Store) copyObject(ctx context.Context, src store.Source, bucket, key string, opt store.PutOptions) (store.Info, error) {
	l, err := s.source(ctx, src, nil)
	if err != nil {
		return store.Info{}, err
	}
	rec := newRecord(key, opt)
	from := l.info
	switch {
	case opt.Encrypt != from.Encrypted:
		return s.copyBytes(ctx, src, l, bucket, key, opt)
	case opt.ChecksumAlgorithm != "" && opt.ChecksumAlgorithm != from.Checksum.Algorithm:
		if _, from.Checksum, err = s.sums(ctx, src, l, nil, opt.ChecksumAlgorithm); err != nil {
			return store.Info{}, err
		}
	}
	if err := s.enter(ctx); err != nil {
		return store.Info{}, err
	}
	defer s.calls.Done()
	rec.content = l.content
	rec.info.Size, rec.info.ETag, rec.info.Checksum = from.Size, from.ETag, from.Checksum
	rec.info.Encrypted, rec.info.PartCount = from.Encrypted, from.PartCount
	if err := accept(opt, rec.info); err != nil {
		return store.Info{}, err
	}
	err = s.change(nil, func(t *txn) error {
		if err := t.stillThere(src, l); err != nil {
			return err
		}
		if err := t.check(bucket, key, opt); err != nil {
			return err
		}
		if err := t.retain(rec); err != nil {
			return err
		}
		return t.add(bucket, key, &rec, opt.Version)
	})
	return rec.info, err
}

// copyBytes copies by reading and writing.
func (s *Store) copyBytes(ctx context.Context, src store.Source, l located, bucket, key string, opt store.PutOptions) (store.Info, error) {
	body, err := s.openBody(ctx, src.Bucket, src.Key, l, store.GetOptions{VersionID: src.VersionID})
	if err != nil {
		return store.Info{}, err
	}
	defer body.Close()
	if opt.ChecksumAlgorithm == "" {
		opt.ChecksumAlgorithm = l.info.Checksum.Algorithm
	}
	return s.put(ctx, bucket, key, body, opt)
}

// source looks up what is to be copied.
func (s *Store) source(ctx context.Context, src store.Source, r *store.Range) (located, error) {
	l, err := s.find(ctx, src.Bucket, src.Key, store.GetOptions{VersionID: src.VersionID, Range: r})
	if err == nil && src.ETag != "" && src.ETag != l.info.ETag {
		err = store.ErrPrecondition
	}
	return l, err
}

// stillThere refuses with errMoved when src names something else than l by now.
func (t *txn) stillThere(src store.Source, l located) error {
	now, err := t.object(src.Bucket, src.Key, src.VersionID)
	if err != nil {
		return refuseAbsent(err)
	}
	if now.content != l.content {
		return refusal{errMoved}
	}
	return nil
}

// sums reads a range of a source and returns its MD5 in hex and its checksum.
func (s *Store) sums(ctx context.Context, src store.Source, l located, r *store.Range, algorithm string) (string, store.Checksum, error) {
	h, err := store.NewHash(algorithm)
	if err != nil {
		return "", store.Checksum{}, err
	}
	body, err := s.openBody(ctx, src.Bucket, src.Key, l, store.GetOptions{VersionID: src.VersionID, Range: r})
	if err != nil {
		return "", store.Checksum{}, err
	}
	defer body.Close()
	buf := buffers.Get().(*packageBuffer)
	defer buffers.Put(buf)
	md5Hash := md5.New()
	for {
		n, end, err := fill(ctx, body, buf[:packageSize])
		if err != nil {
			return "", store.Checksum{}, err
		}
		md5Hash.Write(buf[:n])
		h.Write(buf[:n])
		if end {
			return hex.EncodeToString(md5Hash.Sum(nil)), store.SumOf(algorithm, h), nil
		}
	}
}

// CopyPart implements store.Store.
func (s *Store) CopyPart(ctx context.Context, src store.Source, r *store.Range, up store.UploadID, number int, opt store.PartOptions) (store.Part, error) {
	var info store.Part
	err := store.CheckPartNumber(number)
	for again := true; again && err == nil; {
		again = false
		info, err = s.copyPart(ctx, src, r, up, number, opt)
		if errors.Is(err, errMoved) {
			again, err = true, nil
		}
	}
	if err != nil {
		return store.Part{}, fmt.Errorf("copy part %d of %s/%q: %w", number, up.Bucket, up.Key, fullError(err))
	}
	return info, nil
}

// copyPart makes one attempt; errMoved says that the source was replaced meanwhile.
func (s *Store) copyPart(ctx context.Context, src store.Source, r *store.Range, up store.UploadID, number int, opt store.PartOptions) (store.Part, error) {
	l, err := s.source(ctx, src, r)
	if err != nil {
		return store.Part{}, err
	}
	u, err := s.upload(ctx, up)
	if err != nil {
		return store.Part{}, err
	}
	if u.rec.opt.Encrypt != l.info.Encrypted {
		body, err := s.openBody(ctx, src.Bucket, src.Key, l, store.GetOptions{VersionID: src.VersionID, Range: r})
		if err != nil {
			return store.Part{}, err
		}
		defer body.Close()
		return s.putPart(ctx, up, number, body, opt)
	}
	p := partRecord{info: store.Part{Number: number, Size: l.length}}
	for _, piece := range l.pieces {
		p.segments = append(p.segments, piece.segment)
	}
	p.info.ETag, p.info.Checksum, err = s.sums(ctx, src, l, r, u.rec.opt.ChecksumAlgorithm)
	if err != nil {
		return store.Part{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Part{}, err
	}
	defer s.calls.Done()
	return s.publishPart(u, p, opt, nil, func(t *txn) error { return t.stillThere(src, l) }, func(t *txn) error {
		for _, seg := range p.segments {
			if err := t.share(seg.blob); err != nil {
				return err
			}
		}
		return nil
	})
}
