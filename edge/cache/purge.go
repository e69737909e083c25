package cache

import (
	"sync"
	"sync/atomic"
)

// purges is what was purged, by generation. Every purge begins a new one; a response is stamped with the generation in
// which its fill began, and is void if a later generation's purge names its path. So a purge costs the same however much
// is stored, and reaches fills under way.
type purges struct {
	generation atomic.Uint64

	mu       sync.RWMutex // guards what follows
	exact    map[string]uint64
	prefix   map[string]uint64
	lengths  map[int]int // how many of prefix's keys have this length
	sweeping bool
}

// sweepAt is how many different purged paths are kept before a pass over the entries makes them unnecessary.
const sweepAt = 4096

func (p *purges) init() {
	p.exact, p.prefix, p.lengths = map[string]uint64{}, map[string]uint64{}, map[int]int{}
}

// Purge voids the responses whose path is exactly path, and the fills under way for them. It takes constant time; their
// memory is reclaimed when they are next looked up or give way.
func (c *Cache) Purge(path string) { c.purge(path, false) }

// PurgePrefix voids the responses whose path begins with prefix, as Purge does.
func (c *Cache) PurgePrefix(prefix string) { c.purge(prefix, true) }

func (c *Cache) purge(path string, prefix bool) {
	if g, sweep := c.purges.add(path, prefix); sweep {
		c.start(func() { c.sweep(g) })
	}
}

// add begins generation g with a purge of path; sweep says that it is time for a sweep up to g.
func (p *purges) add(path string, prefix bool) (g uint64, sweep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g = p.generation.Load() + 1
	if !prefix {
		p.exact[path] = g
	} else {
		if _, ok := p.prefix[path]; !ok {
			p.lengths[len(path)]++
		}
		p.prefix[path] = g
	}
	// Last: whoever reads this generation finds the path in the table.
	p.generation.Store(g)
	sweep = !p.sweeping && len(p.exact)+len(p.prefix) > sweepAt
	p.sweeping = p.sweeping || sweep
	return g, sweep
}

// reached reports whether a purge after generation stamp named path.
func (p *purges) reached(path string, stamp uint64) bool {
	if p.generation.Load() == stamp {
		return false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.exact[path] > stamp {
		return true
	}
	for n := range p.lengths {
		if n <= len(path) && p.prefix[path[:n]] > stamp {
			return true
		}
	}
	return false
}

// sweep removes what the purges up to generation g voided, and then forgets them.
func (c *Cache) sweep(g uint64) {
	// Fills first: one that ends before its shard is visited leaves an entry to be judged there, one that ends later
	// sees its mark.
	c.mu.Lock()
	for f := range c.live {
		if f.purged() {
			f.void.Store(true)
		}
	}
	c.mu.Unlock()
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			if !c.current(e) {
				c.used.Add(-s.remove(e))
			}
		}
		s.mu.Unlock()
	}
	p := &c.purges
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, at := range p.exact {
		if at <= g {
			delete(p.exact, path)
		}
	}
	for path, at := range p.prefix {
		if at <= g {
			delete(p.prefix, path)
			if p.lengths[len(path)]--; p.lengths[len(path)] == 0 {
				delete(p.lengths, len(path))
			}
		}
	}
	p.sweeping = false
}

// start runs f in a goroutine that Close waits for; after Close it does nothing.
func (c *Cache) start(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.running.Go(f)
	}
}
