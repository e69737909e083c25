package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"glassine/store"
)

// Expire removes what the lifecycle rules of all buckets say has ended, by Config.Now; it is to be called now and then,
// such as each hour. It asks nobody, as on AWS: who may write the rules decided. One bucket's failure does not keep it
// from the next.
func (s *Service) Expire(ctx context.Context) error {
	now := s.cfg.Now()
	var failed []error
	for _, b := range s.buckets.All() {
		if len(b.Lifecycle) == 0 {
			continue
		}
		e := expiry{s: s, b: b, now: now}
		if err := errors.Join(e.versions(ctx), e.uploads(ctx)); err != nil {
			failed = append(failed, fmt.Errorf("expire objects of bucket %s: %w", b.Name, err))
		}
		if e.removed > 0 {
			s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "lifecycle rules removed objects", slog.String("bucket", b.Name), slog.Int("count", e.removed))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

// expiry is one walk through a bucket.
type expiry struct {
	s       *Service
	b       Bucket
	now     time.Time
	removed int

	// Of the version that waits to be decided:
	waiting bool
	entry   store.Info
	newer   int       // how many versions of its key are newer
	covered time.Time // when the next newer one came on top of it
}

// versions walks through all versions. Each waits until the next is seen, since a marker must know whether it is alone.
func (e *expiry) versions(ctx context.Context) error {
	opt := store.EntryOptions{}
	for {
		page, err := e.s.cfg.Store.ListVersions(ctx, e.b.Name, opt)
		if err != nil {
			return err
		}
		for _, next := range page.Entries {
			last := !e.waiting || next.Key != e.entry.Key
			if err := e.decide(ctx, last); err != nil {
				return err
			}
			if last {
				e.newer, e.covered = 0, time.Time{}
			} else {
				e.newer, e.covered = e.newer+1, e.entry.Modified
			}
			e.waiting, e.entry = true, next
		}
		if page.NextKey == "" {
			return e.decide(ctx, true)
		}
		opt.KeyMarker, opt.IDMarker = page.NextKey, page.NextID
	}
}

// decide ends the waiting version if a rule says so. last says that no older version of its key is there.
func (e *expiry) decide(ctx context.Context, last bool) error {
	if !e.waiting {
		return nil
	}
	for i := range e.b.Lifecycle {
		r := &e.b.Lifecycle[i]
		if !r.covers(e.entry) {
			continue
		}
		opt := store.DeleteOptions{VersionID: e.entry.VersionID}
		switch {
		case e.newer > 0:
			if r.NoncurrentDays == 0 || e.newer-1 < r.NewerNoncurrent || e.now.Before(due(e.covered, r.NoncurrentDays)) {
				continue
			}
		case e.entry.DeleteMarker:
			if !last || !r.ExpireMarkers && !r.expires(e.entry.Modified, e.now) {
				continue
			}
		case r.expires(e.entry.Modified, e.now):
			// The current object goes as a user's deletion makes it go; should it have been replaced meanwhile, it stays.
			opt = store.DeleteOptions{Version: e.b.versioning(), IfMatch: e.entry.ETag}
		default:
			continue
		}
		_, err := e.s.cfg.Store.DeleteVersion(ctx, e.b.Name, e.entry.Key, opt)
		if errors.Is(err, store.ErrPrecondition) {
			return nil
		}
		if err == nil {
			e.removed++
		}
		return err
	}
	return nil
}

// uploads aborts what was begun too long ago.
func (e *expiry) uploads(ctx context.Context) error {
	opt := store.EntryOptions{}
	for {
		page, err := e.s.cfg.Store.ListUploads(ctx, e.b.Name, opt)
		if err != nil {
			return err
		}
		for _, up := range page.Entries {
			for i := range e.b.Lifecycle {
				r := &e.b.Lifecycle[i]
				if r.AbortDays == 0 || !r.covers(store.Info{Key: up.Key}) || e.now.Before(due(up.Initiated, r.AbortDays)) {
					continue
				}
				err := e.s.cfg.Store.AbortUpload(ctx, store.UploadID{Bucket: e.b.Name, Key: up.Key, ID: up.ID})
				if err != nil && !errors.Is(err, store.ErrNoUpload) {
					return err
				}
				e.removed++
				break
			}
		}
		if page.NextKey == "" {
			return nil
		}
		opt.KeyMarker, opt.IDMarker = page.NextKey, page.NextID
	}
}
