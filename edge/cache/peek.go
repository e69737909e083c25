package cache

import (
	"context"
	"errors"
	"hash/maphash"
)

// Peek returns what memory has under k with its body, fresh or not, or nil. It is for callers with rules of their own
// about what may be given; it asks nobody and changes nothing.
func (c *Cache) Peek(k Key) *Entry {
	h := maphash.Bytes(c.seed, k.Bytes)
	e := c.shards[h&(shardCount-1)].get(h, k)
	if e == nil || e.marker || !e.inMemory() || !c.current(e) {
		return nil
	}
	return e
}

// Recall is Peek for what is on disk too: fresh or not, in memory or not. It may read a file.
func (c *Cache) Recall(ctx context.Context, k Key) *Entry {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	e := s.get(h, k)
	if e == nil && c.disk.on() {
		e = c.recall(ctx, s, h, k)
	}
	if e == nil || e.marker || !c.current(e) {
		return nil
	}
	e.touch()
	return e
}

// Open returns a view of a stored response, which the caller closes; nil when its body was in a file that is gone.
func (e *Entry) Open() *View {
	v, err := viewOf(e, Hit)
	if err != nil {
		return nil
	}
	return v
}

// Renew is Fetch for a request that what is stored may not answer as it is, fresh or not, or whose fetch is nobody else's
// business: it joins no fill, and nobody joins its own. do gets what is stored, in memory or on disk, or nil.
func (c *Cache) Renew(ctx context.Context, k Key, do Fill) (*View, error) {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	for {
		var found *Entry
		if c.disk.on() && s.get(h, k) == nil {
			found = c.recall(ctx, s, h, k)
		}
		p, err := c.renew(s, h, k, do, found)
		if err != nil {
			return nil, err
		}
		v, err := p.wait(ctx)
		if !errors.Is(err, errAgain) {
			return v, err
		}
	}
}

// renew begins the fill of Renew.
func (c *Cache) renew(s *shard, h uint64, k Key, do Fill, found *Entry) (*party, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.entries.get(h, k.Bytes)
	if stale == nil {
		stale = found
	}
	if stale != nil && (stale.marker || stale.gone() || !c.current(stale)) {
		stale = nil
	}
	return c.begin(&fill{cache: c, shard: s, hash: h, key: string(k.Bytes), path: k.Path, stale: stale, alone: true}, do)
}
