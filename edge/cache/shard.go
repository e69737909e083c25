package cache

import (
	"sync"
)

// shard is a part of the index. What gives way is decided by S3-FIFO: a new entry enters a small queue and only reaches
// the main one if it is used again before it falls out, or was here shortly before; so a scan does not wash the cache
// out. A use only counts up in the entry: hits move nothing and take no exclusive lock.
// (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023.)
type shard struct {
	mu      sync.RWMutex // guards everything below
	entries map[string]*Entry
	fills   map[string]*fill // fills under way that others may join

	small, main queue
	ghosts      map[uint64]struct{} // hashes of keys that fell out of small
	ghostRing   []uint64            // the same in their order, a ring
	ghostNext   int
}

// ghostCount is how many evicted keys a shard remembers.
const ghostCount = 1024

func (s *shard) init() {
	s.entries = map[string]*Entry{}
	s.fills = map[string]*fill{}
	s.ghosts = map[uint64]struct{}{}
	s.small.init()
	s.main.init()
}

// add puts e in and returns how many bytes what it replaced had. s.mu is held; e.size is already counted as used.
func (s *shard) add(e *Entry) (freed int64) {
	if old := s.entries[e.key]; old != nil {
		freed = s.remove(old)
		e.uses.Store(old.uses.Load())
		e.main = old.main
	}
	if _, ok := s.ghosts[e.hash]; ok {
		e.main = true
	}
	s.entries[e.key] = e
	s.queueOf(e).push(e)
	return freed
}

// remove takes e out and returns its size. s.mu is held.
func (s *shard) remove(e *Entry) int64 {
	if s.entries[e.key] != e {
		return 0
	}
	delete(s.entries, e.key)
	s.queueOf(e).take(e)
	return e.size
}

func (s *shard) queueOf(e *Entry) *queue {
	if e.main {
		return &s.main
	}
	return &s.small
}

// evict removes one entry and returns its size, 0 when the shard is empty. s.mu is held.
func (s *shard) evict() int64 {
	for len(s.entries) > 0 {
		if s.fromSmall() {
			e := s.small.last()
			if e.uses.Load() <= 1 {
				s.remember(e.hash)
				return s.remove(e)
			}
			s.small.take(e)
			e.main = true
			e.uses.Store(0)
			s.main.push(e)
			continue
		}
		e := s.main.last()
		if n := e.uses.Load(); n > 0 {
			s.main.take(e)
			e.uses.Store(n - 1)
			s.main.push(e)
			continue
		}
		return s.remove(e)
	}
	return 0
}

// fromSmall reports whether the small queue gives way: it has more than a tenth of the bytes. s.mu is held.
func (s *shard) fromSmall() bool {
	return s.small.bytes > 0 && (s.main.bytes == 0 || s.small.bytes*10 > s.small.bytes+s.main.bytes)
}

func (s *shard) remember(hash uint64) {
	if _, ok := s.ghosts[hash]; ok {
		return
	}
	if len(s.ghostRing) < ghostCount {
		s.ghostRing = append(s.ghostRing, hash)
	} else {
		delete(s.ghosts, s.ghostRing[s.ghostNext])
		s.ghostRing[s.ghostNext] = hash
		s.ghostNext = (s.ghostNext + 1) % ghostCount
	}
	s.ghosts[hash] = struct{}{}
}

// queue is a ring of entries around a root; the newest is root.next.
type queue struct {
	root  Entry
	bytes int64
}

func (q *queue) init() { q.root.prev, q.root.next = &q.root, &q.root }

func (q *queue) push(e *Entry) {
	e.prev, e.next = &q.root, q.root.next
	e.prev.next, e.next.prev = e, e
	q.bytes += e.size
}

func (q *queue) take(e *Entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	q.bytes -= e.size
}

func (q *queue) last() *Entry { return q.root.prev }

// store puts e into s. What f has reserved counts for it, and room is made for the rest. It does nothing when f was
// overtaken by a purge, or there is no room.
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
}

// room counts n bytes as used, evicting what has to give way; false when so much is under way that it cannot.
func (c *Cache) room(n int64) bool {
	for n <= c.cfg.Bytes {
		if c.reserve(n) {
			return true
		}
		if !c.giveWay() {
			return false
		}
	}
	return false
}

// reserve counts n bytes as used if they fit.
func (c *Cache) reserve(n int64) bool {
	for {
		used := c.used.Load()
		if used+n > c.cfg.Bytes {
			return false
		}
		if c.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// giveWay evicts one entry, or returns false when there is none. The shards take turns; those whose small queue has less
// than its share are passed over at first, since what they would give up has been used.
func (c *Cache) giveWay() bool {
	for try := range 8 + shardCount {
		s := &c.shards[c.evict.Add(1)&(shardCount-1)]
		s.mu.Lock()
		var freed int64
		if try >= 8 || s.fromSmall() {
			freed = s.evict()
		}
		s.mu.Unlock()
		if freed > 0 {
			c.used.Add(-freed)
			return true
		}
	}
	return false
}

// drop removes what f was to replace. s.mu is held.
func (c *Cache) drop(s *shard, f *fill) {
	if f.stale != nil {
		c.used.Add(-s.remove(f.stale))
	}
}
