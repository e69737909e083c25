package cache

import (
	"context"
	"errors"
	"io"
	"slices"
)

// deliver publishes the header and carries the body. leave gives back the slot, when the body costs no memory of ours.
func (f *fill) deliver(r *Response, leave func()) {
	c := f.cache
	now := c.cfg.Now().UnixNano()
	tags := slices.Clone(r.Tags)
	if r.Reuse != nil && r.Tags == nil {
		tags = r.Reuse.tags
	}
	f.labels.Store(&tags)
	if !taggable(f.tags()) {
		r.Store = false
	}
	if r.Store && r.Body != nil && (r.Length > c.cfg.MaxObject || !f.reserve(max(r.Length, firstChunk))) {
		r.Store = false
	}
	e := &Entry{
		Status: r.Status, Header: NewHeader(r.Header), Meta: r.Meta, Length: r.Length,
		key: f.key, path: f.path, tags: f.tags(), hash: f.hash, stamp: f.stamp,
		since: now - int64(r.Age), expires: now + int64(r.TTL), lapsed: now + int64(r.TTL),
		staleWhile: int64(r.StaleWhileRevalidate), staleError: int64(r.StaleIfError),
	}
	if !r.Share {
		e.aloneUntil = now + int64(c.cfg.AloneTTL)
	}
	f.entry, f.share, f.how = e, r.Share, Filled
	switch {
	case r.Reuse != nil:
		e.Body, e.extent, e.Length, f.complete = r.Reuse.Body, r.Reuse.extent, r.Reuse.Length, true
		if f.how = Refreshed; r.Kept {
			f.how = Kept
			e.lapsed, e.staleWhile, e.staleError = r.Reuse.staleSince(), r.Reuse.staleWhile, r.Reuse.staleError
			e.retry.Store(e.expires)
		}
	case r.Body == nil:
		e.Length, f.complete = 0, true
	}
	if !r.Store {
		f.forget(e)
	}
	switch {
	case f.complete:
		if r.Store {
			c.store(f.shard, f, e)
		}
		f.publish(nil)
	case r.Store:
		f.publish(newBody(r.Length, 0))
		f.carry(r.Body)
	case r.Share:
		leave()
		f.publish(newBody(r.Length, c.passWindow()))
		f.carry(r.Body)
	default:
		leave()
		f.direct = r.Body
		f.publish(nil)
		// The owner reads the body itself and ends f.ctx by leaving.
		<-f.ctx.Done()
		r.Body.Close()
	}
}

// forget removes what was stored before a response that is not stored; one that is not shared leaves a marker.
func (f *fill) forget(e *Entry) {
	c, s := f.cache, f.shard
	if e.aloneUntil == 0 {
		s.mu.Lock()
		c.drop(s, f)
		s.mu.Unlock()
		return
	}
	c.store(s, f, &Entry{marker: true, aloneUntil: e.aloneUntil, key: f.key, path: f.path, hash: f.hash, stamp: f.stamp})
}

// store puts e into s, and has it written to disk. What f has reserved counts for it, and room is made for the rest. It
// does nothing when f was overtaken by a purge, or there is no room.
func (c *Cache) store(s *shard, f *fill, e *Entry) {
	e.size = e.charge()
	if !f.reserve(e.size - f.reserved) {
		s.mu.Lock()
		c.drop(s, f)
		s.mu.Unlock()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.purged() {
		return
	}
	f.reserved = 0
	c.used.Add(-s.add(e))
	if e.retry.Load() == 0 {
		c.disk.replace(e) // of one that is merely kept, the disk has all that matters
	}
}

// drop removes what f was to replace. s.mu is held.
func (c *Cache) drop(s *shard, f *fill) {
	if f.stale == nil {
		return
	}
	if e := s.entries.get(f.hash, []byte(f.key)); e != nil && e.same(f.stale) {
		c.used.Add(-s.remove(e))
	}
	if s.entries.get(f.hash, []byte(f.key)) == nil && !f.purged() {
		c.disk.remove(f.key)
	}
}

// reserve makes room for n more bytes of the body; a negative n gives some back.
func (f *fill) reserve(n int64) bool {
	if n <= 0 {
		f.cache.used.Add(n)
	} else if !f.cache.room(n) {
		return false
	}
	f.reserved += n
	return true
}

// publish lets the parties go on, with b to read from if it is not nil. A body that is stored is fetched to its end
// whoever leaves, and others may still join it.
func (f *fill) publish(b *body) {
	stored := b != nil && b.window == 0
	f.mu.Lock()
	defer f.mu.Unlock()
	f.body, f.published, f.kept, f.sealed = b, true, stored, !stored || !f.share
	for p := range f.parties {
		if b != nil && (f.share || p == f.owner) {
			b.register(p)
		}
	}
	_, owned := f.parties[f.owner]
	if !stored && !f.complete && (len(f.parties) == 0 || !f.share && !owned) || stored && f.unwanted() {
		f.sealed = true
		f.cancel(errUnwanted)
	}
	close(f.ready)
}

// carry reads r to its end into f.body, and stores the entry if the body is whole and kept whole.
func (f *fill) carry(r io.ReadCloser) {
	b, c := f.body, f.cache
	stop := context.AfterFunc(f.ctx, func() { r.Close() })
	err := f.copy(r)
	whole := errors.Is(err, io.EOF)
	if stop() {
		r.Close()
	}
	if whole && b.window == 0 {
		c.store(f.shard, f, f.entry.withBody(b.whole()))
	}
	if !whole {
		f.mu.Lock()
		f.sealed = true
		f.mu.Unlock()
		f.failed(0)
	}
	b.finish(err)
}

// copy reads r into f.body. It returns io.EOF when the body is whole.
func (f *fill) copy(r io.Reader) error {
	b, most := f.body, f.cache.cfg.MaxObject
	for idle := 0; ; idle++ {
		if b.window == 0 && (b.size > most || b.size > f.reserved && !f.reserve(b.size)) {
			f.overflow()
		}
		if err := b.pace(f.ctx); err != nil {
			return err
		}
		n, err := r.Read(b.space())
		if n > 0 {
			idle = 0
		}
		switch {
		case f.ctx.Err() != nil:
			if f.cache.ctx.Err() != nil {
				return ErrClosed
			}
			return context.Cause(f.ctx)
		case b.length >= 0 && b.size+int64(n) > b.length:
			return ErrTruncated
		}
		b.commit(n)
		switch {
		case err == io.EOF && b.length >= 0 && b.size < b.length:
			return ErrTruncated
		case err != nil:
			return err
		case idle > 100:
			return io.ErrNoProgress
		}
	}
}

// overflow turns a body that is too large to be stored, which nobody knew before, into one that is passed on.
func (f *fill) overflow() {
	f.reserve(-f.reserved)
	f.shard.mu.Lock()
	f.cache.drop(f.shard, f)
	f.shard.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed, f.kept = true, false
	f.body.limit(f.cache.passWindow())
	if len(f.parties) == 0 {
		f.cancel(errUnwanted)
	}
}
