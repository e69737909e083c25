package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/minio/crc64nvme"

	"glassine/store"
)

// Verify reads every byte of a version and compares it with its checksum: an error that is store.ErrCorrupt says what is
// damaged or missing. versionID is as in store.GetOptions.
func (s *Store) Verify(ctx context.Context, bucket, key, versionID string) error {
	err := s.verify(ctx, bucket, key, versionID)
	if err != nil {
		return fmt.Errorf("verify object %s/%q: %w", bucket, key, err)
	}
	return nil
}

func (s *Store) verify(ctx context.Context, bucket, key, versionID string) error {
	for {
		opt := store.GetOptions{VersionID: versionID}
		l, err := s.find(ctx, bucket, key, opt)
		if err != nil {
			return err
		}
		moved := false
		for _, p := range l.pieces {
			err := s.blobs.verify(ctx, p.blob, p.rec, nil)
			if errors.Is(err, fs.ErrNotExist) {
				if err = s.whyNot(ctx, bucket, key, l, opt, err); errors.Is(err, errMoved) {
					moved = true
					break
				}
			}
			if err != nil {
				return err
			}
		}
		if !moved {
			return nil
		}
	}
}

// verify reads a blob's file. p slows it down; nil does not.
func (b *blobs) verify(ctx context.Context, id blobID, rec blobRecord, p *pace) error {
	f, err := b.open(id, rec)
	if err != nil {
		return err
	}
	defer f.Close()
	if rec.key != nil && b.keys != nil {
		if _, err := b.keys.unwrap(id, rec.key); err != nil {
			return err
		}
	}
	buf := buffers.Get().(*packageBuffer)
	defer buffers.Put(buf)
	crc := crc64nvme.New()
	for {
		n, end, err := fill(ctx, f, buf[:])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		crc.Write(buf[:n])
		if end {
			break
		}
		if err := p.wait(ctx, int64(n)); err != nil {
			return err
		}
	}
	if got := crc.Sum64(); got != rec.crc {
		return fmt.Errorf("blob %s has the checksum %016x, the index says %016x: %w", f.Name(), got, rec.crc, store.ErrCorrupt)
	}
	return nil
}

// pace keeps a reader to a number of bytes a second. It is for one goroutine.
type pace struct {
	rate  int64 // 0 and less: as fast as it goes
	began time.Time
	bytes int64 // since began
}

// wait waits until n bytes more may have been read.
func (p *pace) wait(ctx context.Context, n int64) error {
	if p == nil || p.rate <= 0 {
		return ctx.Err()
	}
	if p.bytes == 0 {
		p.began = time.Now()
	}
	p.bytes += n
	ahead := time.Duration(float64(p.bytes)/float64(p.rate)*float64(time.Second)) - time.Since(p.began)
	if ahead <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Problem is something that Scrub or Fsck found.
type Problem struct {
	// File is the blob's path, or the index's.
	File string
	// Objects are the objects and uploads that need the file, as bucket/"key"; for a blob up to ten of them.
	Objects []string
	Err     error // an ErrCorrupt, unless Orphan
	Orphan  bool  // the index does not know the file: no harm but its room
}

// Checked is how much Scrub or Fsck has looked at.
type Checked struct {
	Blobs, Bytes int64 // whose bytes were read
	Problems     int
}

// Scrub reads every blob once and compares it with its checksum, at most rate bytes a second; 0 is as fast as it goes. It
// calls report with each that is damaged or missing. It runs beside everything else.
func (s *Store) Scrub(ctx context.Context, rate int64, report func(Problem)) (Checked, error) {
	var c Checked
	p := &pace{rate: rate}
	var after blobID
	for {
		ids, recs, err := s.index.blobsAfter(after, 100)
		if err != nil || len(ids) == 0 {
			return c, scrubError(err)
		}
		for i, id := range ids {
			after = id
			err := s.blobs.verify(ctx, id, recs[i], p)
			if ctx.Err() != nil {
				return c, scrubError(ctx.Err())
			}
			c.Blobs++
			c.Bytes += recs[i].fileSize()
			if err == nil {
				continue
			}
			owners, known, ownersErr := s.index.owners(ctx, id)
			if ownersErr != nil {
				return c, scrubError(ownersErr)
			}
			if !known { // it was deleted meanwhile
				continue
			}
			c.Problems++
			report(Problem{File: s.blobs.path(id), Objects: owners, Err: corrupt(err)})
		}
	}
}

func scrubError(err error) error {
	if err != nil {
		return fmt.Errorf("scrub object store: %w", err)
	}
	return nil
}

// corrupt makes an ErrCorrupt of what was found wrong with a blob.
func corrupt(err error) error {
	if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNoKey) {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
}

// blobsAfter returns the records of up to most blobs, in the order of their ids.
func (x *index) blobsAfter(after blobID, most int) (ids []blobID, recs []blobRecord, err error) {
	err = x.view(func(t *txn) error {
		c := t.tx.Bucket(blobsBucket).Cursor()
		for k, v := c.Seek(append(after.encode(), 0)); k != nil && len(ids) < most; k, v = c.Next() {
			rec, err := decodeBlob(v)
			if err != nil {
				return fmt.Errorf("blob %x: %w", k, err)
			}
			ids, recs = append(ids, decodeBlobID(k)), append(recs, rec)
		}
		return nil
	})
	return ids, recs, err
}

// owners returns what needs a blob: see Problem.Objects. known says that the index still has the blob. It looks through
// the whole index, a step at a time.
func (x *index) owners(ctx context.Context, id blobID) (names []string, known bool, err error) {
	needing := make(map[store.ID]bool) // uploads and manifests that have the blob in a part
	err = x.steps(ctx, partsBucket, nil, func(k, v []byte) error {
		p, err := decodePart(k, v)
		for _, seg := range p.segments {
			if seg.blob == id && err == nil {
				needing[store.ID(k[:len(store.ID{})])] = true
			}
		}
		return nil // what cannot be read needs nothing
	})
	for _, top := range [][]byte{objectsBucket, versionsBucket, uploadsBucket} {
		if err != nil {
			return nil, false, err
		}
		err = x.stepsInEvery(ctx, top, func(bucket string, k, v []byte) error {
			if name, ok := needs(top, bucket, k, v, id, needing); ok && len(names) < 10 {
				names = append(names, name)
			}
			return nil
		})
	}
	if err == nil {
		err = x.view(func(t *txn) error {
			known = t.tx.Bucket(blobsBucket).Get(id.encode()) != nil
			return nil
		})
	}
	return names, known, err
}

// needs returns the name of an entry of a top-level bucket when it needs the blob, or one of the manifests.
func needs(top []byte, bucket string, k, v []byte, id blobID, manifests map[store.ID]bool) (name string, ok bool) {
	key := string(k)
	var tail []byte
	if string(top) != string(objectsBucket) {
		key, tail, _ = splitEntryKey(k)
	}
	name = fmt.Sprintf("%s/%q", bucket, key)
	if string(top) == string(uploadsBucket) {
		return name + " (upload)", len(tail) == len(store.ID{}) && manifests[store.ID(tail)]
	}
	r, err := decodeRecord(v)
	if err != nil || r.info.DeleteMarker {
		return "", false
	}
	if r.info.VersionID != store.NullVersion {
		name += " version " + r.info.VersionID
	}
	if r.info.PartCount > 0 {
		return name, manifests[r.content.manifest]
	}
	return name, r.content.blob == id
}

// ScrubOptions says how a store reads its blobs in the background.
type ScrubOptions struct {
	Every time.Duration // from the end of one pass to the beginning of the next; 0 and less: never
	Rate  int64         // bytes a second; 0 means 10 MiB
}

// scrubForever scrubs now and then until ctx is done.
func (s *Store) scrubForever(ctx context.Context, opt ScrubOptions) {
	if opt.Rate <= 0 {
		opt.Rate = 10 << 20
	}
	timer := time.NewTimer(opt.Every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		c, err := s.Scrub(ctx, opt.Rate, func(p Problem) {
			s.log.LogAttrs(ctx, slog.LevelError, "scrub found a damaged object",
				slog.String("file", p.File), slog.Any("objects", p.Objects), slog.Any("error", p.Err))
		})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.LogAttrs(ctx, slog.LevelWarn, "scrub of the object store broke off", slog.Any("error", err))
		default:
			s.log.LogAttrs(ctx, slog.LevelInfo, "scrubbed the object store", slog.Int64("blobs", c.Blobs),
				slog.Int64("bytes", c.Bytes), slog.Int("problems", c.Problems), slog.Duration("took", time.Since(began)))
		}
		timer.Reset(opt.Every)
	}
}
