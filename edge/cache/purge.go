package cache

import (
	"sync"
	"sync/atomic"
)

// purges is what was purged, by generation. Every purge begins a new one; a response is stamped with the generation in
// which its fill began, and is void if a later generation's purge names its path or one of its tags. So a purge costs the
// same however much is stored, and reaches fills under way.
type purges struct {
	generation atomic.Uint64
	// swept is the generation up to which sweeps looked at what is in memory, or are about to: what was judged before it
	// and is put in now may owe its place to a purge that is forgotten.
	swept atomic.Uint64

	mu       sync.RWMutex // guards what follows
	marks    [purgeKinds]map[string]mark
	lengths  map[int]int // how many keys of the prefixes have this length
	lastTag  uint64      // generation of the last purge by tag
	sweeping bool
	limit    int // of marks, where a sweep begins
	most     int // marks that may be left by it
}

// What a purge names. The values are in journals.
const (
	purgePath = iota
	purgePrefix
	purgeTag
	purgeKinds
)

// mark is when a path, prefix or tag was last purged, as generations; 0: never.
type mark struct {
	hard, soft uint64
	at         int64 // of soft, Unix nanoseconds
}

// verdict is what purges mean for a response.
type verdict struct {
	hard, soft bool
	at         int64 // of the soft one
}

func (v verdict) any() bool { return v.hard || v.soft }

// sweepAt is how many different things are marked before a pass over the entries makes marks unnecessary. markLimit is
// how many are kept at most for what is on disk, which no pass looks at: about 20 MB.
const (
	sweepAt   = 4096
	markLimit = 1 << 17
)

func (p *purges) init() {
	for i := range p.marks {
		p.marks[i] = map[string]mark{}
	}
	p.lengths = map[int]int{}
	p.limit, p.most = sweepAt, markLimit
}

// Purge voids the responses whose path is exactly path, and the fills under way for them. It takes constant time; their
// memory is reclaimed when they are next looked up or give way. With a disk tier it is in the journal when the call
// returns, so that it holds after a crash of the process; SyncPurges waits until it would survive a power failure.
func (c *Cache) Purge(path string) { c.purge(purgePath, false, path) }

// PurgePrefix voids the responses whose path begins with prefix, as Purge does.
func (c *Cache) PurgePrefix(prefix string) { c.purge(purgePrefix, false, prefix) }

// PurgeTag voids the responses that have tag among their Tags, as Purge does.
func (c *Cache) PurgeTag(tag string) { c.purge(purgeTag, false, tag) }

// SoftPurge makes the responses whose path is exactly path stale from now on: they are revalidated, and meanwhile used as
// stale responses are. Fills under way are treated as by Purge.
func (c *Cache) SoftPurge(path string) { c.purge(purgePath, true, path) }

// SoftPurgePrefix makes the responses stale whose path begins with prefix, as SoftPurge does.
func (c *Cache) SoftPurgePrefix(prefix string) { c.purge(purgePrefix, true, prefix) }

// SoftPurgeTag makes the responses stale that have tag among their Tags, as SoftPurge does.
func (c *Cache) SoftPurgeTag(tag string) { c.purge(purgeTag, true, tag) }

func (c *Cache) purge(kind int, soft bool, name string) {
	at := c.cfg.Now().UnixNano()
	g, sweep := c.purges.add(kind, soft, at, name)
	c.disk.note(purgeRecord{generation: g, kind: kind, soft: soft, at: at, name: name})
	if sweep {
		c.start(func() { c.sweep(g) })
	}
}

// add begins generation g with a purge; sweep says that it is time for a sweep up to g.
func (p *purges) add(kind int, soft bool, at int64, name string) (g uint64, sweep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g = p.generation.Load() + 1
	p.set(purgeRecord{generation: g, kind: kind, soft: soft, at: at, name: name})
	// Last: whoever reads this generation finds the mark.
	p.generation.Store(g)
	sweep = !p.sweeping && p.len() > p.limit
	p.sweeping = p.sweeping || sweep
	return g, sweep
}

// set marks what r names. p.mu is held.
func (p *purges) set(r purgeRecord) {
	m, ok := p.marks[r.kind][r.name]
	if !ok && r.kind == purgePrefix {
		p.lengths[len(r.name)]++
	}
	if r.soft {
		m.soft, m.at = max(m.soft, r.generation), max(m.at, r.at)
	} else {
		m.hard = max(m.hard, r.generation)
	}
	if r.kind == purgeTag {
		p.lastTag = max(p.lastTag, r.generation)
	}
	p.marks[r.kind][r.name] = m
}

// len is how many marks there are. p.mu is held.
func (p *purges) len() int {
	return len(p.marks[purgePath]) + len(p.marks[purgePrefix]) + len(p.marks[purgeTag])
}

// reached says what the purges after generation stamp mean for a response with path and tags.
func (p *purges) reached(path string, tags []string, stamp uint64) (v verdict) {
	if p.generation.Load() == stamp {
		return v
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	v.see(p.marks[purgePath][path], stamp)
	for _, tag := range tags {
		v.see(p.marks[purgeTag][tag], stamp)
	}
	for n := range p.lengths {
		if n <= len(path) {
			v.see(p.marks[purgePrefix][path[:n]], stamp)
		}
	}
	return v
}

func (v *verdict) see(m mark, stamp uint64) {
	v.hard = v.hard || m.hard > stamp
	if m.soft > stamp {
		v.soft, v.at = true, max(v.at, m.at)
	}
}

// tagged reports whether any tag was purged after generation stamp.
func (p *purges) tagged(stamp uint64) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.lastTag > stamp
}

// current reports whether no purge voided e. It learns here whether a soft one made it stale.
func (c *Cache) current(e *Entry) bool {
	g := c.purges.generation.Load()
	if e.seen.Load() >= g {
		return true
	}
	v := c.purges.reached(e.key[:e.path], e.tags, e.stamp)
	if v.hard {
		return false
	}
	if v.soft {
		e.softAt.CompareAndSwap(0, v.at)
	}
	e.seen.Store(g)
	return true
}

// sweep removes from memory what the purges up to generation g voided, and then forgets those that nothing on disk is
// older than.
func (c *Cache) sweep(g uint64) {
	// Fills first: one that ends before its shard is visited leaves an entry to be judged there, one that ends later
	// sees its mark. Of one whose header is not there nobody knows the tags.
	c.mu.Lock()
	for f := range c.live {
		if f.labels.Load() == nil && c.purges.tagged(f.stamp) || f.purged() {
			f.void.Store(true)
		}
	}
	c.mu.Unlock()
	c.purges.swept.Store(g)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for e := range s.entries.all() {
			if !c.current(e) {
				c.used.Add(-s.remove(e))
				c.voided.Add(1)
			}
		}
		s.mu.Unlock()
	}
	c.disk.settle() // what waits to be written is judged when it is
	left := c.purges.forget(min(g, c.disk.floor()))
	if left > c.purges.most {
		c.disk.dropBefore(c.purges.middle())
		c.purges.forget(min(g, c.disk.floor()))
	}
	c.disk.rewriteJournal(&c.purges)
	c.purges.mu.Lock()
	defer c.purges.mu.Unlock()
	c.purges.sweeping = false
	c.purges.limit = max(sweepAt, 2*c.purges.len())
}

// forget drops the marks up to generation g and returns how many are left.
func (p *purges) forget(g uint64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for kind, marks := range p.marks {
		for name, m := range marks {
			if max(m.hard, m.soft) > g {
				continue
			}
			delete(marks, name)
			if kind != purgePrefix {
				continue
			}
			if p.lengths[len(name)]--; p.lengths[len(name)] == 0 {
				delete(p.lengths, len(name))
			}
		}
	}
	return p.len()
}

// middle is about the generation that half of the marks are not after.
func (p *purges) middle() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.generation.Load() - uint64(p.len()/2)
}

// list returns the marks as records, behind one without a name that carries the generation.
func (p *purges) list() []purgeRecord {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := []purgeRecord{{generation: p.generation.Load(), kind: purgeKinds}}
	for kind, marks := range p.marks {
		for name, m := range marks {
			if m.hard > 0 {
				all = append(all, purgeRecord{generation: m.hard, kind: kind, name: name})
			}
			if m.soft > 0 {
				all = append(all, purgeRecord{generation: m.soft, kind: kind, soft: true, at: m.at, name: name})
			}
		}
	}
	return all
}

// restore makes p what a journal says, in a generation after every one of it and after least.
func (p *purges) restore(records []purgeRecord, least uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		least = max(least, r.generation)
		if r.kind < purgeKinds {
			p.set(r)
		}
	}
	p.generation.Store(least + 1)
	p.limit = max(sweepAt, 2*p.len())
}

// start runs f in a goroutine that Close waits for; after Close it does nothing.
func (c *Cache) start(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.running.Go(f)
	}
}
