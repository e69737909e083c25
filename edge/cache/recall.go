package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"
)

// smallBody is the largest body that memory has although the disk has it too, in bytes. A larger one is in its file only: the
// system's page cache has it, and sendfile takes it from there without a copy. Sent so over plaintext, 100 KiB cost what writev of
// memory does and 1 MiB a quarter less; over TLS, through a copy, none of the sizes from 16 KiB to 1 MiB told the two apart
// (the server's processor time, 2026-11-26).
const smallBody = 64 << 10

// recalls makes those who want one record wait for the first of them.
type recalls struct {
	mu      sync.Mutex // guards running
	running map[uint64]chan struct{}
}

// Open returns a view of the fresh response under k, in memory or on disk, or nil. It does not fetch. For a response
// whose body is in a file and which was asked for lately it reads nothing. The caller closes the view.
func (c *Cache) Open(ctx context.Context, k Key) *View {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	e := s.get(h, k)
	if e == nil && c.disk.on() {
		e = c.recall(ctx, s, h, k)
	}
	if e == nil || !c.current(e) || !e.fresh(c.cfg.Now().UnixNano()) {
		return nil
	}
	e.touch()
	v, err := viewOf(e, Hit)
	if err != nil {
		return nil
	}
	return v
}

// get returns what memory has under k, nil when that is in a file that was dropped.
func (s *shard) get(h uint64, k Key) *Entry {
	s.mu.RLock()
	e := s.entries.get(h, k.Bytes)
	s.mu.RUnlock()
	if e == nil || e.gone() {
		return nil
	}
	return e
}

// used reports whether memory has key and it was asked for again.
func (c *Cache) hot(key string) bool {
	h := maphash.String(c.seed, key)
	s := &c.shards[h&(shardCount-1)]
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries.get(h, []byte(key))
	return e != nil && (e.in != &s.window || e.uses.Load() > 0)
}

// recall brings what the disk has under k into memory, a large body excepted, and returns it; nil when it has nothing, or
// memory has something by now. Those who want the same wait for each other.
func (c *Cache) recall(ctx context.Context, s *shard, h uint64, k Key) *Entry {
	hash := diskHash(k.Bytes)
	if _, ok := c.disk.index.get(hash); !ok {
		return nil
	}
	for c.recalls.wait(ctx, hash) {
		if e := s.get(h, k); e != nil || ctx.Err() != nil {
			return e
		}
	}
	defer c.recalls.done(hash)
	at, ok := c.disk.index.get(hash)
	if !ok {
		return nil
	}
	swept := c.purges.swept.Load()
	e := c.disk.recall(k, hash, at)
	if e == nil {
		return nil
	}
	e.hash = h
	// The purges are asked before it is seen that the segment is still there: while it is, they forget nothing that could
	// concern it.
	if !c.current(e) {
		c.disk.index.removeAt(hash, at)
		return nil
	}
	if from := c.disk.acquire(at.segment); from != nil {
		from.release()
		c.keep(s, e, hash, at, swept)
		return e
	}
	return nil
}

// keep puts e, which the disk has at a slot, into memory if there is room.
func (c *Cache) keep(s *shard, e *Entry, hash uint64, at slot, swept uint64) {
	e.size = e.charge()
	if !c.room(e.size) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := c.disk.index.get(hash)
	if ok && now.at(at) && s.entries.get(e.hash, []byte(e.key)) == nil && c.purges.swept.Load() == swept {
		s.add(e)
		return
	}
	c.used.Add(-e.size)
}

// lighten puts in the place of e, if memory still has it, an entry whose body is in a file.
func (c *Cache) lighten(e *Entry, at extent) {
	light := e.withBody(nil)
	light.Length, light.extent = e.Length, at
	light.size = light.charge()
	s := &c.shards[e.hash&(shardCount-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries.get(e.hash, []byte(e.key)) != e {
		return
	}
	// What a purge told e is told of it here, or will be told to light: seen is stored after what was seen.
	light.seen.Store(e.seen.Load())
	light.softAt.Store(e.softAt.Load())
	light.retry.Store(e.retry.Load())
	c.used.Add(light.size - s.add(light))
}

// wait returns false when the caller is the first to want hash, and has to call done; else it waits for done.
func (r *recalls) wait(ctx context.Context, hash uint64) bool {
	r.mu.Lock()
	first := r.running[hash]
	if first == nil {
		if r.running == nil {
			r.running = map[uint64]chan struct{}{}
		}
		r.running[hash] = make(chan struct{})
		r.mu.Unlock()
		return false
	}
	r.mu.Unlock()
	select {
	case <-first:
	case <-ctx.Done():
	}
	return true
}

func (r *recalls) done(hash uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.running[hash])
	delete(r.running, hash)
}

// on reports whether there is a tier that works.
func (d *disk) on() bool { return d != nil && !d.off.Load() }

// recall reads the record at a slot if it is k's. A damaged one is dropped.
func (d *disk) recall(k Key, hash uint64, at slot) *Entry {
	s := d.acquire(at.segment)
	if s == nil {
		d.index.removeAt(hash, at)
		return nil
	}
	defer s.release()
	e, err := d.read(s, at)
	switch {
	case errors.Is(err, errRecord):
		d.damaged.Add(1)
		d.index.removeAt(hash, at)
		return nil
	case err != nil:
		d.fail(fmt.Errorf("read a record: %w", err))
		return nil
	case e.key != string(k.Bytes) || e.path != k.Path:
		return nil
	}
	if !e.inMemory() && at.flags&slotVerified == 0 {
		crc, err := sum(s.file, e.extent.offset, e.Length, nil)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			d.fail(fmt.Errorf("read a record: %w", err))
			return nil
		case err != nil || crc != e.extent.sum:
			d.damaged.Add(1)
			d.index.removeAt(hash, at)
			return nil
		}
	}
	d.index.flag(hash, at, slotUsed|slotVerified)
	return e
}

var readBuffers = sync.Pool{New: func() any { return new([smallBody + 8<<10]byte) }}

// read reads the record at a slot of s: a small body into memory, where its sum is checked; a large one stays, and its sum
// is not. The error is errRecord when it is damaged.
func (d *disk) read(s *segment, at slot) (*Entry, error) {
	pooled := readBuffers.Get().(*[smallBody + 8<<10]byte)
	defer readBuffers.Put(pooled)
	b := pooled[:]
	if int(at.size) > len(b) {
		b = b[:8<<10] // enough for most heads
	} else {
		b = b[:at.size]
	}
	if err := readAt(s, b, at.offset); err != nil {
		return nil, err
	}
	r, ok := parseRecord(b)
	if !ok || r.tombstone || r.size() != int64(at.size) {
		return nil, errRecord
	}
	if need := recordFixed + int(r.head); need > len(b) {
		b = make([]byte, need)
		if err := readAt(s, b, at.offset); err != nil {
			return nil, err
		}
	}
	if !r.check(b) {
		return nil, errRecord
	}
	e, meta, err := parseHead(b[recordFixed : recordFixed+int(r.head)])
	if err != nil {
		return nil, err
	}
	if len(meta) > 0 {
		if d.cfg.DecodeMeta == nil {
			return nil, errRecord
		}
		if e.Meta, err = d.cfg.DecodeMeta(append([]byte(nil), meta...)); err != nil {
			return nil, errRecord
		}
	}
	e.Length, e.stamp = int64(r.body), r.stamp
	begin := recordFixed + int64(r.head)
	if r.body > smallBody {
		e.extent = extent{s, int64(at.offset) + begin, r.bodySum}
		return e, nil
	}
	e.Body = make([]byte, r.body)
	if int64(len(b)) == r.size() {
		copy(e.Body, b[begin:])
	} else if err := readAt(s, e.Body, at.offset+uint32(begin)); err != nil {
		return nil, err
	}
	if update(0, e.Body) != r.bodySum {
		return nil, errRecord
	}
	return e, nil
}

// readAt fills b. The error is errRecord when the file ends too early.
func readAt(s *segment, b []byte, at uint32) error {
	_, err := s.file.ReadAt(b, int64(at))
	if errors.Is(err, io.EOF) {
		return errRecord
	}
	return err
}
