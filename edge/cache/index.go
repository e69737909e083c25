package cache

import (
	"runtime"
	"sync"
)

// index finds records by the hash of their key. It has no pointers, so that the collector has nothing to look at, and
// takes 25 bytes an object and what Go's maps keep free.
type index struct {
	shards [shardCount]indexShard
}

type indexShard struct {
	mu sync.RWMutex // guards m
	m  map[uint64]slot
}

// slot is where a record is.
type slot struct {
	segment, offset, size uint32
	// flags are slotUsed and slotVerified.
	flags uint32
}

const (
	slotUsed     = 1 // it was read since it was written
	slotVerified = 2 // its body was found to have its sum, or was written by this process
)

// at reports whether a is the record that b is.
func (a slot) at(b slot) bool { return a.segment == b.segment && a.offset == b.offset }

// located is a record of an earlier run.
type located struct {
	content
	segment uint32
}

// fill makes x what the contents of segments say, of which later ones count; objects is how many they are. It sorts them
// by shard first, so that a shard is in the processor's cache while it is filled: with two million records that is most of
// the time of a start.
func (x *index) fill(segments []*segment, objects int) {
	var ends [shardCount]int // of each shard's part of sorted; at first its size
	for _, s := range segments {
		for _, c := range s.contents {
			ends[c.hash&(shardCount-1)]++
		}
	}
	var begins [shardCount]int
	at := 0
	for i, n := range ends {
		begins[i], ends[i] = at, at
		at += n
	}
	sorted := make([]located, objects)
	for _, s := range segments {
		for _, c := range s.contents {
			end := &ends[c.hash&(shardCount-1)]
			sorted[*end] = located{c, s.id}
			*end++
		}
	}
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < shardCount; i += workers {
				x.shards[i].fill(sorted[begins[i]:ends[i]])
			}
		})
	}
	wg.Wait()
}

// fill makes s what records say, of which later ones count.
func (s *indexShard) fill(records []located) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m = make(map[uint64]slot, len(records))
	for _, r := range records {
		if r.size == 0 {
			delete(s.m, r.hash)
			continue
		}
		s.m[r.hash] = slot{segment: r.segment, offset: r.offset, size: r.size}
	}
}

func (x *index) of(hash uint64) *indexShard { return &x.shards[hash&(shardCount-1)] }

func (x *index) get(hash uint64) (slot, bool) {
	s := x.of(hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.m[hash]
	return at, ok
}

func (x *index) set(hash uint64, to slot) {
	s := x.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[hash] = to
}

// flag adds flags to was, if it is still there.
func (x *index) flag(hash uint64, was slot, flags uint32) {
	if was.flags&flags == flags {
		return
	}
	s := x.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.m[hash]; ok && now.at(was) {
		now.flags |= flags
		s.m[hash] = now
	}
}

// remove takes hash out and reports whether it was in.
func (x *index) remove(hash uint64) bool {
	s := x.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.m[hash]
	delete(s.m, hash)
	return ok
}

// removeAt takes hash out if it is was, and reports whether it was.
func (x *index) removeAt(hash uint64, was slot) bool {
	s := x.of(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := s.m[hash]
	if ok = ok && now.at(was); ok {
		delete(s.m, hash)
	}
	return ok
}

func (x *index) len() int {
	n := 0
	for i := range x.shards {
		x.shards[i].mu.RLock()
		n += len(x.shards[i].m)
		x.shards[i].mu.RUnlock()
	}
	return n
}

// clear takes all out.
func (x *index) clear() {
	for i := range x.shards {
		x.shards[i].mu.Lock()
		x.shards[i].m = map[uint64]slot{}
		x.shards[i].mu.Unlock()
	}
}
