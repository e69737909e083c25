package cache

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"glassine/lockfile"
)

// disk is the tier of stored responses that outlives the process: a log of records in segment files, of which the oldest
// is dropped when there are too many bytes, its used records going to the front (the idea of S3-FIFO: Yang, Zhang, Qiu,
// Yue, Rashmi, SOSP 2023). Everything that is stored is written behind, through a bounded queue by one goroutine; what
// finds the queue full is not written. A nil *disk is no tier.
//
// When the system refuses to read or write, the tier turns itself off for good and what was on it is a miss. The files
// stay for the next start, unless a purge cannot be noted: then they go, since nobody would know of it.
type disk struct {
	cfg    Config
	purges *purges
	hot    func(key string) bool // whether memory has key and it is used
	placed func(*Entry, extent)  // the body of an entry in memory, not a small one, is in a file now
	// write is os.File.WriteAt; tests make it fail.
	write func(f *os.File, b []byte, at int64) error

	lock    *os.File
	journal *journal
	index   index

	mu       sync.RWMutex // guards what follows
	segments map[uint32]*segment
	closed   bool
	failure  error

	off     atomic.Bool // it failed, or was closed
	jobs    chan job
	queued  atomic.Int64 // bytes of the entries in jobs
	quit    chan struct{}
	dirty   chan struct{} // 1 deep: the journal has what is not on the disk
	running sync.WaitGroup

	active *segment // gets records; for the writer
	last   uint32   // id of the last segment; for the writer
	buf    []byte   // for the writer

	unwritten, damaged, moved, evicted atomic.Int64
}

// DiskStats says what the disk tier has and did since it was opened.
type DiskStats struct {
	Objects  int   // responses
	Bytes    int64 // of the files
	Segments int
	// Unwritten counts responses that found the queue full, Damaged those whose record was not what was written, and Moved
	// those that were used and so outlived their segment. Evicted counts those that did not, so that others had room.
	Unwritten, Damaged, Moved, Evicted int64
	// Err is why the tier is off; nil when it is on or was not asked for.
	Err error
}

// What may wait to be written, at most.
const (
	queueLength = 4096
	queueBytes  = 64 << 20
)

// openDisk opens the tier in cfg.Dir, making it if there is none.
func openDisk(cfg Config, p *purges, hot func(string) bool, placed func(*Entry, extent)) (*disk, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockfile.Take(lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	d := &disk{
		cfg: cfg, purges: p, hot: hot, placed: placed, lock: lock,
		write:    func(f *os.File, b []byte, at int64) error { _, err := f.WriteAt(b, at); return err },
		segments: map[uint32]*segment{}, jobs: make(chan job, queueLength), quit: make(chan struct{}), dirty: make(chan struct{}, 1),
	}
	if err := d.load(); err != nil {
		for _, s := range d.segments {
			s.release()
		}
		if d.journal != nil {
			err = errors.Join(err, d.journal.close())
		}
		lock.Close()
		return nil, err
	}
	d.running.Go(d.writer)
	d.running.Go(d.syncer)
	return d, nil
}

// load reads journal and segments.
func (d *disk) load() error {
	names, err := filepath.Glob(filepath.Join(d.cfg.Dir, "*"+segmentSuffix))
	if err != nil {
		return err
	}
	j, records, fresh, err := openJournal(d.cfg.Dir)
	if errors.Is(err, errJournal) {
		if err = os.Remove(filepath.Join(d.cfg.Dir, "purges")); err == nil {
			j, records, fresh, err = openJournal(d.cfg.Dir)
		}
	}
	if err != nil {
		return err
	}
	d.journal = j
	if fresh && len(names) > 0 {
		// Without a journal nobody knows what was purged.
		d.cfg.Log.Warn("disk cache has no sound purge journal, and begins anew")
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
		names = nil
	}
	all, err := d.openSegments(names)
	if err != nil {
		return err
	}
	stamp, objects := uint64(0), 0
	for _, s := range all {
		d.segments[s.id] = s
		d.last = max(d.last, s.id)
		stamp = max(stamp, s.stamp, s.floor)
		objects += len(s.contents)
	}
	d.purges.restore(records, stamp)
	d.index.fill(all, objects)
	return d.resume(all)
}

// openSegments opens the named files, some at a time, in the order of their ids. One that is no segment is removed.
func (d *disk) openSegments(names []string) ([]*segment, error) {
	all := make([]*segment, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	gate := make(chan struct{}, 4) // so many are read at once
	for i, name := range names {
		id, ok := segmentID(filepath.Base(name))
		if !ok {
			continue
		}
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			s, err := openSegment(name, id)
			if errors.Is(err, errSegment) {
				err = os.Remove(name)
			}
			all[i], errs[i] = s, err
		})
	}
	wg.Wait()
	all = slices.DeleteFunc(all, func(s *segment) bool { return s == nil })
	slices.SortFunc(all, func(a, b *segment) int { return int(int64(a.id) - int64(b.id)) })
	if err := errors.Join(errs...); err != nil {
		for _, s := range all {
			s.release()
		}
		return nil, err
	}
	return all, nil
}

// resume makes the last segment the one that gets records if half of it is free, and the others finished ones.
func (d *disk) resume(all []*segment) error {
	for i, s := range all {
		if i == len(all)-1 && s.end < d.cfg.SegmentBytes/2 {
			if err := s.file.Truncate(s.end); err != nil {
				return err
			}
			s.size.Store(s.end)
			d.active = s
			continue
		}
		if s.end+int64(len(s.contents))*contentSize+segmentTail != s.size.Load() {
			if err := s.finish(d.write); err != nil {
				return err
			}
		}
		s.contents = nil
	}
	for d.bytes() > d.cfg.DiskBytes && len(d.segments) > 0 {
		if s := d.oldest(); s == d.active {
			d.active = nil
		}
		d.dropOldest()
	}
	return nil
}

// close writes what waits, and closes the files.
func (d *disk) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	again := d.closed
	d.closed = true
	d.mu.Unlock()
	if again {
		return
	}
	close(d.quit)
	d.running.Wait()
	d.off.Store(true)
	d.mu.Lock()
	for _, s := range d.segments {
		s.dropped.Store(true)
		s.release()
	}
	d.segments = map[uint32]*segment{}
	d.mu.Unlock()
	if err := d.journal.close(); err != nil {
		d.cfg.Log.Error("purge journal was not closed", slog.String("error", err.Error()))
	}
	_ = lockfile.Close(d.lock) // it goes with the process at the latest
}

// fail turns the tier off.
func (d *disk) fail(err error) {
	if !d.off.CompareAndSwap(false, true) {
		return
	}
	d.mu.Lock()
	d.failure = err
	for _, s := range d.segments {
		s.dropped.Store(true)
	}
	d.mu.Unlock()
	d.index.clear()
	d.cfg.Log.Error("disk cache is off", slog.String("error", err.Error()))
}

// wipe removes the files, so that no later process reads them.
func (d *disk) wipe() {
	d.mu.Lock()
	all := d.segments
	d.segments = map[uint32]*segment{}
	d.mu.Unlock()
	for _, s := range all {
		s.dropped.Store(true)
		if err := os.Remove(s.path); err != nil {
			d.cfg.Log.Error("disk cache has what was purged: remove it by hand", slog.String("error", err.Error()))
		}
		s.release()
	}
}

// note has r in the journal when it returns.
func (d *disk) note(r purgeRecord) {
	if d == nil {
		return
	}
	d.mu.RLock()
	closed := d.closed
	d.mu.RUnlock()
	if closed {
		return
	}
	if err := d.journal.add(r); err != nil {
		d.fail(fmt.Errorf("note a purge: %w", err))
		d.wipe()
		return
	}
	select {
	case d.dirty <- struct{}{}:
	default:
	}
}

// rewriteJournal drops from the journal what p has forgotten.
func (d *disk) rewriteJournal(p *purges) {
	if d == nil {
		return
	}
	if err := d.journal.rewrite(p); err != nil {
		d.fail(fmt.Errorf("rewrite the purge journal: %w", err))
		d.wipe()
	}
}

// syncer brings the journal to the disk, soon after each purge.
func (d *disk) syncer() {
	for {
		select {
		case <-d.dirty:
			_ = d.syncJournal() // it did what there is to do
		case <-d.quit:
			return
		}
	}
}

// syncJournal has the journal on the disk when it returns.
func (d *disk) syncJournal() error {
	if d == nil {
		return nil
	}
	d.mu.RLock()
	closed := d.closed
	d.mu.RUnlock()
	if closed {
		return nil
	}
	if err := d.journal.sync(); err != nil {
		d.fail(fmt.Errorf("sync the purge journal: %w", err))
		d.wipe()
		return err
	}
	return nil
}

// floor is the purge generation that no record on disk is before.
func (d *disk) floor() uint64 {
	least := uint64(math.MaxUint64)
	if d == nil {
		return least
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, s := range d.segments {
		least = min(least, s.floor)
	}
	return least
}

// acquire returns segment id, to be released, or nil.
func (d *disk) acquire(id uint32) *segment {
	d.mu.RLock()
	s := d.segments[id]
	d.mu.RUnlock()
	if s == nil || !s.acquire() {
		return nil
	}
	return s
}

// oldest returns the segment with the lowest id.
func (d *disk) oldest() *segment {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var first *segment
	for _, s := range d.segments {
		if first == nil || s.id < first.id {
			first = s
		}
	}
	return first
}

// bytes is how many bytes the files have.
func (d *disk) bytes() int64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n := int64(0)
	for _, s := range d.segments {
		n += s.size.Load()
	}
	return n
}

// stats is Cache.Disk.
func (d *disk) stats() DiskStats {
	d.mu.RLock()
	segments, failure := len(d.segments), d.failure
	d.mu.RUnlock()
	return DiskStats{
		Objects: d.index.len(), Bytes: d.bytes(), Segments: segments, Err: failure,
		Unwritten: d.unwritten.Load(), Damaged: d.damaged.Load(), Moved: d.moved.Load(), Evicted: d.evicted.Load(),
	}
}

// sum reads n bytes from at and returns their CRC-32C.
func sum(f io.ReaderAt, at, n int64, each func([]byte) error) (uint32, error) {
	buf := make([]byte, min(n, 256<<10))
	crc := uint32(0)
	for n > 0 {
		b := buf[:min(n, int64(len(buf)))]
		if _, err := f.ReadAt(b, at); err != nil {
			return 0, err
		}
		crc = update(crc, b)
		if each != nil {
			if err := each(b); err != nil {
				return 0, err
			}
		}
		at += int64(len(b))
		n -= int64(len(b))
	}
	return crc, nil
}
