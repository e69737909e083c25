package cache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
)

// job is what the writer does next: write entry; or void hash; or drop the segments that begin before a purge generation.
// Then it closes done, if there is one.
type job struct {
	entry  *Entry
	hash   uint64
	void   bool
	before uint64
	done   chan struct{}
}

// replace has e written in the place of what its key had. It never waits.
func (d *disk) replace(e *Entry) {
	switch {
	case d == nil || d.off.Load():
		return
	case e.marker || e.aloneUntil != 0:
		d.remove(e.key)
		return
	}
	hash := diskHash(e.key)
	d.index.remove(hash) // whatever becomes of e, what was before is not given after it
	if d.queued.Add(e.size) > queueBytes {
		d.queued.Add(-e.size)
		d.unwritten.Add(1)
		return
	}
	select {
	case d.jobs <- job{entry: e, hash: hash}:
	default:
		d.queued.Add(-e.size)
		d.unwritten.Add(1)
	}
}

// remove voids what key has. It never waits: with a full queue, what was there may come back after a restart, as old as
// it was.
func (d *disk) remove(key string) {
	if d == nil || d.off.Load() {
		return
	}
	hash := diskHash(key)
	if !d.index.remove(hash) && len(d.jobs) == 0 {
		return
	}
	select {
	case d.jobs <- job{hash: hash, void: true}:
	default:
	}
}

// settle waits until what was asked for before is done.
func (d *disk) settle() { d.ask(job{}) }

// dropBefore drops the segments whose records may be older than purge generation g.
func (d *disk) dropBefore(g uint64) { d.ask(job{before: g}) }

func (d *disk) ask(j job) {
	if d == nil {
		return
	}
	j.done = make(chan struct{})
	select {
	case d.jobs <- j:
	case <-d.quit:
		return
	}
	select {
	case <-j.done:
	case <-d.quit:
	}
}

// writer is the goroutine that writes.
func (d *disk) writer() {
	for {
		select {
		case j := <-d.jobs:
			d.do(j)
			continue
		default:
		}
		select {
		case j := <-d.jobs:
			d.do(j)
		case <-d.quit:
			d.finish()
			return
		}
	}
}

// finish writes what waits, and the contents of the last segment, so that the next start is quick.
func (d *disk) finish() {
	for len(d.jobs) > 0 {
		d.do(<-d.jobs)
	}
	if d.off.Load() || d.active == nil {
		return
	}
	if err := d.active.finish(d.write); err != nil {
		d.fail(fmt.Errorf("finish a segment: %w", err))
	}
}

func (d *disk) do(j job) {
	if j.done != nil {
		defer close(j.done)
	}
	if j.entry != nil {
		d.queued.Add(-j.entry.size)
	}
	if d.off.Load() {
		return
	}
	var err error
	switch {
	case j.entry != nil:
		var at extent
		if at, err = d.put(j.entry, j.hash); at.segment != nil && j.entry.inMemory() && j.entry.Length > smallBody {
			d.placed(j.entry, at)
		}
	case j.void:
		err = d.void(j.hash)
	default:
		for s := d.oldest(); s != nil && s.floor < j.before; s = d.oldest() {
			if s == d.active {
				d.active = nil
			}
			d.dropOldest()
		}
	}
	if err != nil {
		d.fail(err)
	}
}

// put appends e's record and returns where its body is, unless a purge reached e, or it cannot be written: its Meta has no bytes,
// or it is too large. An error is the system's.
func (d *disk) put(e *Entry, hash uint64) (placed extent, err error) {
	g := d.purges.generation.Load()
	v := d.purges.reached(e.key[:e.path], e.tags, e.stamp)
	if v.hard {
		return extent{}, nil
	}
	if v.soft {
		e.softAt.CompareAndSwap(0, v.at)
	}
	meta, ok := d.encode(e.Meta)
	b := appendHead(append(d.buf[:0], make([]byte, recordFixed)...), e, meta)
	d.buf = b[:0]
	r := record{hash: hash, stamp: g, head: uint32(len(b) - recordFixed), body: uint32(e.Length)}
	if !ok || len(b)-recordFixed > headLimit || e.Length > largestSegment || r.size() > d.cfg.SegmentBytes/2-segmentHead-segmentTail {
		return extent{}, nil
	}
	if err := d.makeRoom(r.size(), g); err != nil {
		return extent{}, err
	}
	at := d.active.end
	switch {
	case e.inMemory() && len(e.Body) <= smallBody:
		r.bodySum = update(0, e.Body)
		r.seal(b)
		b = append(b, e.Body...)
		d.buf = b[:0]
		err = d.write(d.active.file, b, at)
	default:
		// The body first: without what is before it there is no record.
		if r.bodySum, err = d.putBody(e, at+int64(len(b))); errors.Is(err, errRecord) {
			return extent{}, nil
		}
		if err == nil {
			r.seal(b)
			err = d.write(d.active.file, b, at)
		}
	}
	if err != nil {
		return extent{}, fmt.Errorf("write a record: %w", err)
	}
	d.active.note(r)
	d.active.size.Store(d.active.end)
	d.index.set(hash, slot{segment: d.active.id, offset: uint32(at), size: uint32(r.size()), flags: slotVerified})
	return extent{d.active, at + recordFixed + int64(r.head), r.bodySum}, nil
}

// putBody writes e's body and returns its sum; errRecord when it is in a file that has it no more, or not whole.
func (d *disk) putBody(e *Entry, at int64) (uint32, error) {
	if e.inMemory() {
		return update(0, e.Body), d.write(d.active.file, e.Body, at)
	}
	from := e.extent.segment
	if !from.acquire() {
		return 0, errRecord
	}
	defer from.release()
	crc, err := sum(from.file, e.extent.offset, e.Length, func(b []byte) error {
		err := d.write(d.active.file, b, at)
		at += int64(len(b))
		return err
	})
	if err == nil && crc != e.extent.sum || errors.Is(err, io.EOF) {
		d.damaged.Add(1)
		return 0, errRecord
	}
	return crc, err
}

// void appends a tombstone.
func (d *disk) void(hash uint64) error {
	g := d.purges.generation.Load()
	d.index.remove(hash)
	if err := d.makeRoom(recordFixed, g); err != nil {
		return err
	}
	r := record{hash: hash, stamp: g, tombstone: true}
	b := make([]byte, recordFixed)
	r.seal(b)
	if err := d.write(d.active.file, b, d.active.end); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	d.active.note(r)
	d.active.size.Store(d.active.end)
	return nil
}

// makeRoom sees to it that n more bytes fit into the active segment, whose records have stamps from generation g on.
func (d *disk) makeRoom(n int64, g uint64) error {
	if a := d.active; a != nil && a.end+n+int64(len(a.contents)+1)*contentSize <= d.cfg.SegmentBytes {
		return nil
	}
	if d.active != nil {
		if err := d.active.finish(d.write); err != nil {
			return fmt.Errorf("finish a segment: %w", err)
		}
		d.active.contents = nil
		d.active = nil
	}
	if d.last == math.MaxUint32 {
		return errors.New("segment numbers are used up")
	}
	next, err := createSegment(d.cfg.Dir, d.last+1, g)
	if err != nil {
		return fmt.Errorf("begin a segment: %w", err)
	}
	d.last++
	d.active = next
	d.mu.Lock()
	d.segments[next.id] = next
	d.mu.Unlock()
	if d.off.Load() {
		// Perhaps all files were just removed, and what is about to be written was judged before that.
		d.active = nil
		return errors.Join(errors.New("the tier is off"), os.Remove(next.path))
	}
	// Two of room: one is filled now, and while the oldest is emptied both are there.
	for d.bytes()+2*d.cfg.SegmentBytes > d.cfg.DiskBytes {
		s := d.oldest()
		if s == d.active {
			break
		}
		if err := d.moveHot(s); err != nil {
			return err
		}
		d.dropOldest()
	}
	return nil
}

// moveHot appends those records of s again that were used, up to half a segment.
func (d *disk) moveHot(s *segment) error {
	if !s.readContents(s.file, s.size.Load()) {
		return nil
	}
	buf := d.buf // put is on its way here, and has its record in it
	d.buf = nil
	defer func() { s.contents, d.buf = nil, buf }()
	for _, c := range s.contents {
		at, ok := d.index.get(c.hash)
		if !ok || at.segment != s.id || at.offset != c.offset {
			continue
		}
		if d.active.end+int64(c.size) > d.cfg.SegmentBytes/2 {
			return nil
		}
		e, err := d.read(s, at)
		if err != nil || at.flags&slotUsed == 0 && !d.hot(e.key) {
			continue
		}
		moved, err := d.put(e, c.hash)
		if err != nil {
			return err
		}
		if moved.segment != nil {
			d.moved.Add(1)
		}
	}
	return nil
}

// dropOldest removes the oldest segment.
func (d *disk) dropOldest() {
	s := d.oldest()
	if s.contents != nil || s.readContents(s.file, s.size.Load()) {
		for _, c := range s.contents {
			if d.index.removeAt(c.hash, slot{segment: s.id, offset: c.offset}) {
				d.evicted.Add(1)
			}
		}
		s.contents = nil
	}
	d.mu.Lock()
	delete(d.segments, s.id)
	d.mu.Unlock()
	s.dropped.Store(true)
	if err := os.Remove(s.path); err != nil {
		d.fail(fmt.Errorf("drop a segment: %w", err))
	}
	s.release()
}

// encode returns meta as bytes; false when it has none.
func (d *disk) encode(meta any) ([]byte, bool) {
	if meta == nil {
		return nil, true
	}
	if d.cfg.EncodeMeta == nil {
		return nil, false
	}
	b, err := d.cfg.EncodeMeta(meta)
	return b, err == nil
}

func update(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }
