package disk

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// sweepIDs is the most blob ids that a sweep holds in memory, 16 bytes each. A larger store takes more passes over
	// its index, each for a part of the fan-out directories.
	sweepIDs = 1 << 20
	// walkStep is the number of records read in one transaction: the index cannot grow while one is open.
	walkStep = 1000
)

// sweep deletes the blobs of earlier runs that the index does not refer to, and reports whether none is left. It may run
// beside everything else: no call makes the index refer to an earlier run's blob again, so a blob that is not referred
// to once never is.
func (s *Store) sweep(ctx context.Context) (clean bool) {
	began := time.Now()
	removed, err := s.sweepFanOut(ctx, sweepIDs)
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

// sweepFanOut sweeps the fan-out directories in passes of at most limit ids, and returns how many blobs it deleted.
func (s *Store) sweepFanOut(ctx context.Context, limit int) (removed int, err error) {
	for low, width := 0, fanOut; low < fanOut; low += width {
		width = min(width, fanOut-low)
		var known []blobID
		known, width, err = s.index.blobsIn(ctx, low, width, limit)
		if err != nil {
			return removed, err
		}
		for dir := low; dir < low+width; dir++ {
			n, err := s.sweepDir(ctx, byte(dir), known)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// sweepDir deletes the blobs in one directory that are of earlier runs and not known. known is sorted.
func (s *Store) sweepDir(ctx context.Context, dir byte, known []blobID) (removed int, err error) {
	d, err := os.Open(s.blobs.fanOutDir(dir))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	for {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		names, err := d.Readdirnames(1000)
		if err == io.EOF {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
		for _, name := range names {
			id, ok := parseBlobName(name, dir)
			if !ok || id.run >= s.blobs.run { // not ours, or perhaps being written
				continue
			}
			if _, ok := slices.BinarySearchFunc(known, id, compareIDs); ok {
				continue
			}
			if err := s.blobs.remove(id); err != nil {
				return removed, err
			}
			removed++
		}
	}
}

func compareIDs(a, b blobID) int {
	return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.seq, b.seq))
}

// blobsIn returns, sorted, the blobs in the fan-out directories from low on that the index refers to. It looks at width
// directories, or at fewer when their blobs are more than limit; covered is their number, at least 1.
func (x *index) blobsIn(ctx context.Context, low, width, limit int) (found []blobID, covered int, err error) {
	err = x.walk(ctx, func(id blobID) {
		if dir := int(byte(id.seq)); dir < low || dir >= low+width {
			return
		}
		found = append(found, id)
		for len(found) > limit && width > 1 {
			width /= 2
			found = slices.DeleteFunc(found, func(id blobID) bool { return int(byte(id.seq)) >= low+width })
		}
	})
	slices.SortFunc(found, compareIDs)
	return found, width, err
}

// walk calls f with every blob that the index refers to. It is many short reads, not one moment: f sees every blob that
// was there from the beginning to the end.
func (x *index) walk(ctx context.Context, f func(blobID)) error {
	var bucket, key []byte // the last ones seen
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := x.db.View(func(tx *bbolt.Tx) (err error) {
			more, bucket, key, err = walkSome(tx.Bucket(objectsBucket), bucket, key, f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// walkSome is one step of walk: up to walkStep records after the given key, which is nil at a bucket's beginning.
func walkSome(objects *bbolt.Bucket, bucket, key []byte, f func(blobID)) (more bool, lastBucket, lastKey []byte, err error) {
	n := 0
	c := objects.Cursor()
	for name, _ := c.Seek(bucket); name != nil; name, _ = c.Next() {
		if !bytes.Equal(name, bucket) {
			bucket, key = bytes.Clone(name), nil
		}
		records := objects.Bucket(name).Cursor()
		from := key
		if key != nil {
			from = append(bytes.Clone(key), 0)
		}
		for k, v := records.Seek(from); k != nil; k, v = records.Next() {
			if n == walkStep {
				return true, bucket, key, nil
			}
			id, err := recordBlob(v)
			if err != nil { // its blob is unknown, so none may be deleted
				return false, nil, nil, fmt.Errorf("%s/%q: %w", name, k, err)
			}
			f(id)
			key = append(key[:0], k...)
			n++
		}
	}
	return false, nil, nil, nil
}
