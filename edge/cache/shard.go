package cache

import "sync"

// shard is a part of the index. What gives way is decided by W-TinyLFU, counted in bytes: a new entry enters a window,
// and comes from there into the main part only if it was asked for more often, for each byte it costs, than the entry
// that would go for it. So a scan does not wash the cache out, and a large body must earn its place. The main part is
// segmented: what was used since it came is protected.
// (Einziger, Friedman, Manes: "TinyLFU", ACM Transactions on Storage 13(4), 2017; the comparison by bytes: Einziger,
// Eytan, Friedman, Manes: "Lightweight robust size aware cache management", 2021.)
//
// A hit only counts up in its entry, so it moves nothing and takes no exclusive lock; the counts reach the sketch, and
// the queues are put in order, when something must give way.
type shard struct {
	mu      sync.RWMutex // guards everything below
	entries table
	fills   map[string]*fill // fills under way that others may join

	share     int64 // of the cache's bytes
	counts    sketch
	window    queue // the newest
	probation queue // admitted, not used since
	protected queue // used since they were admitted
}

// What the window has of a shard's share, and what protected has of the rest, at most. Of 1, 5, 10 and 20 per cent the
// window did best at 5 over the traces of TestHitRatios (2026-11).
const (
	windowPart    = 20 // a twentieth
	protectedPart = 80 // per cent
)

func (s *shard) init(share int64) {
	s.share = share
	s.fills = map[string]*fill{}
	s.counts.fit(0)
	s.window.init()
	s.probation.init()
	s.protected.init()
}

// bytes is what the shard stores. s.mu is held.
func (s *shard) bytes() int64 { return s.window.bytes + s.probation.bytes + s.protected.bytes }

// add puts e in and returns how many bytes what it replaced had. s.mu is held; e.size is already counted as used.
func (s *shard) add(e *Entry) (freed int64) {
	to := &s.window
	if old := s.entries.get(e.hash, []byte(e.key)); old != nil {
		to = old.in
		freed = s.remove(old)
		e.uses.Store(old.uses.Load())
	}
	s.entries.put(e)
	s.counts.fit(s.entries.n)
	s.counts.add(e.hash, 1)
	to.push(e)
	return freed
}

// remove takes e out and returns its size. s.mu is held.
func (s *shard) remove(e *Entry) int64 {
	if !s.entries.remove(e) {
		return 0
	}
	e.in.take(e)
	return e.size
}

// evict removes one entry and returns its size, 0 when the shard is empty. s.mu is held.
func (s *shard) evict() int64 {
	for {
		victim, candidate := s.victim(), s.window.last()
		switch {
		case victim == nil && candidate == nil:
			return 0
		case candidate == nil || victim != nil && s.window.bytes <= s.share/windowPart:
			return s.remove(victim)
		case victim == nil || s.probation.bytes+s.protected.bytes+candidate.size <= s.share-s.share/windowPart:
			s.move(candidate, &s.probation)
		case s.worthier(candidate, victim):
			s.move(candidate, &s.probation)
			return s.remove(victim)
		default:
			s.count(candidate)
			return s.remove(candidate)
		}
	}
}

// victim returns what of the main part goes first, nil if that is empty. On the way it brings to protected what was used,
// and back what is too much there. s.mu is held.
func (s *shard) victim() *Entry {
	for {
		e := s.probation.last()
		switch {
		case e == nil && s.protected.last() == nil:
			return nil
		case e == nil:
			s.demote()
		case e.uses.Load() == 0:
			return e
		default:
			s.move(e, &s.protected)
			for s.protected.bytes*100 > (s.probation.bytes+s.protected.bytes)*protectedPart {
				s.demote()
			}
		}
	}
}

// demote brings the last of protected back to probation, or to the front of protected if it was used. s.mu is held.
func (s *shard) demote() {
	e := s.protected.last()
	if e.uses.Load() > 0 {
		s.move(e, &s.protected)
		return
	}
	s.move(e, &s.probation)
}

// move puts e at the front of a queue, its uses being counted. s.mu is held.
func (s *shard) move(e *Entry, to *queue) {
	s.count(e)
	e.in.take(e)
	to.push(e)
}

// count tells the sketch of e's uses since the last time. s.mu is held.
func (s *shard) count(e *Entry) {
	if n := e.uses.Swap(0); n > 0 {
		s.counts.add(e.hash, n)
	}
}

// worthier reports whether a was asked for more often than b, for each byte. s.mu is held.
func (s *shard) worthier(a, b *Entry) bool {
	ofA := int64(s.counts.estimate(a.hash)) + int64(a.uses.Load())
	ofB := int64(s.counts.estimate(b.hash)) + int64(b.uses.Load())
	return ofA*b.size > ofB*a.size
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
	e.in = q
	q.bytes += e.size
}

func (q *queue) take(e *Entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next, e.in = nil, nil, nil
	q.bytes -= e.size
}

// last returns the oldest, nil when q is empty.
func (q *queue) last() *Entry {
	if q.root.prev == &q.root {
		return nil
	}
	return q.root.prev
}
