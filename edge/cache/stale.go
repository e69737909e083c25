package cache

// How old responses are used.
//
// One that is no longer fresh is given at once, while it is refreshed behind the viewer's back, for StaleWhileRevalidate
// (RFC 5861, section 3). When a refresh fails, it is given for StaleIfError (section 4), and from then on at once: nobody
// else waits for an origin that is known to fail or to hang, until a refresh succeeds. One refresh at a time runs for a
// key, and after a failure none for Config.Retry or Response.Retry.

// staleSince is when e stopped being fresh.
func (e *Entry) staleSince() int64 {
	if at := e.softAt.Load(); at != 0 {
		return min(at, e.lapsed)
	}
	return e.lapsed
}

// serves says of an entry that is not fresh whether it may be given at once, as what, and whether it is time to refresh it.
func (e *Entry) serves(now int64) (how How, ok, refresh bool) {
	if e.marker {
		return 0, false, false
	}
	retry, since := e.retry.Load(), e.staleSince()
	switch {
	case retry != 0 && now < since+e.staleError:
		return Kept, true, now >= retry
	case now < since+e.staleWhile:
		return Stale, true, now >= retry
	}
	return 0, false, false
}

// refreshBehind starts a fill of k's response that nobody waits for, unless one is under way. s.mu is held.
func (c *Cache) refreshBehind(s *shard, h uint64, k Key, do Fill, stale *Entry) {
	if f := s.fills[string(k.Bytes)]; f != nil && !f.purged() {
		return
	}
	f := &fill{cache: c, shard: s, hash: h, key: string(k.Bytes), path: k.Path, stale: stale, behind: true}
	p, err := c.begin(f, do)
	if err != nil {
		return // closed
	}
	s.fills[f.key] = f
	p.leave()
}

// failed remembers that f's refresh failed, for retry nanoseconds, and reports whether what is stored may be given
// in its place.
func (f *fill) failed(retry int64) bool {
	if f.stale == nil || f.ctx.Err() != nil {
		return false
	}
	if retry == 0 {
		retry = int64(f.cache.cfg.Retry)
	}
	now := f.cache.cfg.Now().UnixNano()
	f.stale.retry.Store(now + retry)
	return now < f.stale.staleSince()+f.stale.staleError && !f.purged()
}

// keep gives what is stored to all.
func (f *fill) keep() {
	f.entry, f.how, f.share, f.complete = f.stale, Kept, true, true
	f.publish(nil)
}
