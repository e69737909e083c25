package disk

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"
)

// sweep deletes the blobs of earlier runs that the index does not refer to, and reports whether none is left. It may run
// beside everything else: what refers to an earlier run's blob comes from something that did so before, so a blob that
// the index does not know once it never will.
func (s *Store) sweep(ctx context.Context) (clean bool) {
	began := time.Now()
	removed, err := s.sweepFanOut(ctx)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		s.log.LogAttrs(ctx, slog.LevelWarn, "sweep of the object store broke off", slog.Any("error", err))
		return false
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "swept the object store after a crash",
		slog.Int("removed", removed), slog.Duration("took", time.Since(began)))
	return true
}

// sweepFanOut sweeps the fan-out directories and returns how many blobs it deleted.
func (s *Store) sweepFanOut(ctx context.Context) (removed int, err error) {
	for dir := range fanOut {
		n, err := s.sweepDir(ctx, byte(dir))
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// sweepDir deletes the blobs in one directory that are of earlier runs and that the index does not know.
func (s *Store) sweepDir(ctx context.Context, dir byte) (removed int, err error) {
	err = s.blobs.walkDir(ctx, dir, func(ids []blobID) error {
		var orphans []blobID
		err := s.index.view(func(t *txn) error {
			b := t.tx.Bucket(blobsBucket)
			for _, id := range ids {
				if id.run < s.blobs.run && b.Get(id.encode()) == nil { // one of this run is perhaps being written
					orphans = append(orphans, id)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, id := range orphans {
			if err := s.blobs.remove(id); err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	return removed, err
}

// walkDir calls f with the blobs whose files are in one fan-out directory, some hundreds at a time.
func (b *blobs) walkDir(ctx context.Context, dir byte, f func([]blobID) error) error {
	d, err := os.Open(b.fanOutDir(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		names, err := d.Readdirnames(1000)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var ids []blobID
		for _, name := range names {
			if id, ok := parseBlobName(name, dir); ok { // others are not ours
				ids = append(ids, id)
			}
		}
		if err := f(ids); err != nil {
			return err
		}
	}
}
