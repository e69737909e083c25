// Package cache keeps HTTP responses in memory and on disk, and makes sure that many who ask for one thing cost one fetch.
//
// It knows nothing of HTTP's caching rules: its caller says of each response how long it is fresh, how it may be used
// when it no longer is, whether it may be stored, and whether those who wait for it may have it. It stores whole bodies
// only, no ranges of them.
//
// Start at Cache. Lookup is the hit path in memory and allocates nothing; Find is that for bodies in files too, and Open also
// looks on disk. Fetch is everything else: it joins the fill under way for the key, or begins one, and the View that it returns streams the body
// as it arrives. In memory, shard.go decides what goes; on disk, everything stored is written behind to a log of segments
// (disk.go), which the next process finds again.
//
// Invariants:
//   - A cached body is immutable, and so is an Entry. Replacing a response makes a new Entry; readers of the old one are
//     not disturbed.
//   - One fill at a time runs for a key, except for responses that were found to be nobody else's (Response.Share false),
//     and for those who waited too long (Config.JoinWait).
//   - A body that did not arrive whole is never stored.
//   - What was requested before a purge of its path or tag is never stored after it and never given to a later request,
//     nor after a restart.
//   - A body of more than 64 KiB is in memory only until it is in a file.
//   - What is on disk is given only if it is what was written.
//   - A slow reader holds up neither the fill nor other readers.
package cache

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that Fetch and View.Next return, possibly wrapped.
var (
	// ErrBusy says that the fill could not begin within Config.FillWait.
	ErrBusy = errors.New("too many fills at once")
	// ErrClosed says that the cache was closed.
	ErrClosed = errors.New("cache closed")
	// ErrTruncated says that the body ended early, or was longer than its announced length.
	ErrTruncated = errors.New("body does not have its announced length")
	// ErrTooSlow says that a reader of a body that is not stored fell too far behind another reader of it.
	ErrTooSlow = errors.New("reader fell too far behind")
)

// Config sizes a Cache; its zero value is usable.
type Config struct {
	// Bytes bounds what is stored or on its way to be: bodies, headers, keys and a fixed overhead for each entry. 0 means
	// 256 MiB. A body that finds no room, so much being on its way, is passed on and not stored.
	Bytes int64
	// MaxObject is the largest body that is stored, in memory and so on disk; 0 means an eighth of Bytes.
	MaxObject int64
	// Fills bounds how many fills run at once: they cost connections, and the origin's work. 0 means 256.
	Fills int
	// FillWait is how long a fill may wait for its turn; 0 means 10 s.
	FillWait time.Duration
	// AloneTTL is how long a key whose response could not be shared is remembered, so that its requests do not queue
	// behind each other; 0 means 120 s, as Varnish's hit-for-miss.
	AloneTTL time.Duration
	// JoinWait is how long a request waits for the header of another's fill before it goes by itself; 0 means as long as it
	// takes. (nginx's proxy_cache_lock_timeout. It trades an origin that sees one request for one that sees many.)
	JoinWait time.Duration
	// Finish says when a response that is stored is still fetched to its end although its last viewer left: when this share
	// of its announced length, 0 to 1, has come. 0 means always, as does a length that is not known; AWS's edge never does.
	Finish float64
	// Retry is for how long after a failed refresh no other is tried; 0 means 10 s, CloudFront's default for errors.
	Retry time.Duration

	// Dir is the disk tier's directory, made with mode 0700 and for one process at a time; "" means no disk tier. If it
	// cannot be used, Log says so, the cache goes on without, and Disk tells why.
	Dir string
	// DiskBytes bounds the files in Dir; 0 means 10 GiB. Files that were dropped while somebody reads them come on top.
	DiskBytes int64
	// SegmentBytes is the size of one file; 0 means 128 MiB, or an eighth of DiskBytes if that is less. It is at most 256
	// MiB and a quarter of DiskBytes. A response of nearly half of it or more is not written.
	SegmentBytes int64
	// EncodeMeta and DecodeMeta make bytes of Response.Meta and back, for the disk. A response whose Meta is not nil is not
	// written without them or when they return an error, and never read. The bytes are DecodeMeta's.
	EncodeMeta func(meta any) ([]byte, error)
	DecodeMeta func(b []byte) (meta any, err error)
	// Log gets what an operator must know of the disk; nil discards.
	Log *slog.Logger

	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Cache holds responses by key. All methods are safe for many goroutines.
type Cache struct {
	cfg     Config
	seed    maphash.Seed
	shards  [shardCount]shard
	used    atomic.Int64  // bytes of all shards and of bodies on their way in, never above cfg.Bytes
	evict   atomic.Uint32 // the shard that gives way next
	evicted atomic.Int64  // entries that gave way to others
	voided  atomic.Int64  // entries that purges took
	purges  purges
	disk    *disk // nil: no disk tier
	broken  error // why there is none though it was asked for
	recalls recalls
	gate    chan struct{} // one slot for each running fill

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup // fills and sweeps

	mu     sync.Mutex // guards closed and live
	closed bool
	live   map[*fill]struct{} // fills under way
}

const shardCount = 64 // a power of two

// New returns a cache, empty but for what Config.Dir has. The caller closes it.
func New(cfg Config) *Cache {
	if cfg.Bytes == 0 {
		cfg.Bytes = 256 << 20
	}
	if cfg.MaxObject == 0 {
		cfg.MaxObject = cfg.Bytes / 8
	}
	if cfg.Fills == 0 {
		cfg.Fills = 256
	}
	if cfg.FillWait == 0 {
		cfg.FillWait = 10 * time.Second
	}
	if cfg.AloneTTL == 0 {
		cfg.AloneTTL = 120 * time.Second
	}
	if cfg.Retry == 0 {
		cfg.Retry = 10 * time.Second
	}
	if cfg.DiskBytes == 0 {
		cfg.DiskBytes = 10 << 30
	}
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = min(128<<20, cfg.DiskBytes/8)
	}
	cfg.SegmentBytes = min(cfg.SegmentBytes, cfg.DiskBytes/4, largestSegment)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Cache{cfg: cfg, seed: maphash.MakeSeed(), gate: make(chan struct{}, cfg.Fills), live: map[*fill]struct{}{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i := range c.shards {
		c.shards[i].init(cfg.Bytes / shardCount)
	}
	c.purges.init()
	if cfg.Dir != "" {
		if c.disk, c.broken = openDisk(cfg, &c.purges, c.hot, c.lighten); c.broken != nil {
			c.disk = nil
			cfg.Log.Error("disk cache is off", slog.String("error", c.broken.Error()))
		}
	}
	return c
}

// Close stops every fill, waits for them, writes what is still to be written, and makes later Fetches return ErrClosed.
// Views of bodies in files must be closed for their files to be. What is purged after Close is purged in memory only.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	c.disk.close()
}

// Flush waits until what was stored before is in the files, as far as the queue took it, and does what SyncPurges does.
func (c *Cache) Flush() error {
	if c.disk.on() {
		c.disk.settle()
	}
	return c.SyncPurges()
}

// SyncPurges waits until the purges before it would survive a power failure. That comes by itself soon after each; who
// acknowledges a batch of them asks for it once. An error says that the tier is off and its files are gone, which serves as
// well. Without a disk tier, or after Close, it returns at once.
func (c *Cache) SyncPurges() error { return c.disk.syncJournal() }

// Disk returns what the disk tier has and did; all zero without one.
func (c *Cache) Disk() DiskStats {
	if c.disk == nil {
		return DiskStats{Err: c.broken}
	}
	return c.disk.stats()
}

// Key names a response. Its first Path bytes are what Purge compares; what follows (the chosen headers, say) tells
// variants of one path apart.
type Key struct {
	Bytes []byte // the caller may reuse it after the call
	Path  int
}

// Lookup returns the fresh response under k if memory has it with its body, or nil. It allocates nothing.
func (c *Cache) Lookup(k Key) *Entry {
	if e := c.Find(k); e != nil && e.inMemory() {
		return e
	}
	return nil
}

// Find is Lookup for responses whose body is in a file too, if that was asked for lately: then Body is nil, and Open reads it.
func (c *Cache) Find(k Key) *Entry {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	s.mu.RLock()
	e := s.entries.get(h, k.Bytes)
	s.mu.RUnlock()
	// current learns of soft purges, so it comes before fresh.
	if e == nil || e.gone() || !c.current(e) || !e.fresh(c.cfg.Now().UnixNano()) {
		return nil
	}
	e.touch()
	return e
}

// Fetch returns a view of the response under k: the stored one when it is fresh or may be given stale, else from the fill
// under way, else from a new fill that calls do. It waits for the header, not for the body. The caller closes the view.
//
// The fill runs in a goroutine of the cache. It outlives the ctx of whoever began it while others wait, and until its
// header is there; a response that is stored is then fetched to its end (but see Config.Finish), any other only while
// somebody reads. If do returns an error, the do of one who waited is called once in its place; its error goes to all,
// unless what is stored may be used instead.
func (c *Cache) Fetch(ctx context.Context, k Key, do Fill) (*View, error) {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	for alone := false; ; {
		var found *Entry
		if c.disk.on() && s.get(h, k) == nil {
			found = c.recall(ctx, s, h, k)
		}
		v, p, err := c.join(s, h, k, do, alone, found)
		if p != nil {
			v, err = p.wait(ctx)
		}
		switch {
		case errors.Is(err, errNotShared), errors.Is(err, errLate):
			alone = true
		case !errors.Is(err, errAgain):
			return v, err
		}
	}
}

// join finds the entry, or makes the caller a party to the fill under way or to a new one. With alone, the fill is the
// caller's own. found is what the disk has, or nil.
func (c *Cache) join(s *shard, h uint64, k Key, do Fill, alone bool, found *Entry) (*View, *party, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.entries.get(h, k.Bytes)
	if stale != nil && (stale.gone() || !c.current(stale)) {
		if !stale.gone() {
			c.voided.Add(1)
		}
		c.used.Add(-s.remove(stale))
		stale = nil
	}
	if stale == nil && found != nil && c.current(found) {
		stale = found
	}
	if stale != nil {
		now := c.cfg.Now().UnixNano()
		if stale.fresh(now) {
			stale.touch()
			v, err := viewOf(stale, Hit)
			return v, nil, err
		}
		alone = alone || now < stale.aloneUntil
		if how, ok, refresh := stale.serves(now); ok && !alone {
			if refresh {
				c.refreshBehind(s, h, k, do, stale)
			}
			stale.touch()
			v, err := viewOf(stale, how)
			return v, nil, err
		}
	}
	if !alone {
		if f := s.fills[string(k.Bytes)]; f != nil && !f.purged() {
			if p := f.join(do); p != nil {
				return nil, p, nil
			}
		}
	}
	if stale != nil && stale.marker {
		stale = nil
	}
	f := &fill{cache: c, shard: s, hash: h, key: string(k.Bytes), path: k.Path, stale: stale, alone: alone}
	p, err := c.begin(f, do)
	if err == nil && !alone {
		s.fills[f.key] = f
	}
	return nil, p, err
}

// begin starts the goroutine of f, whose owner is the party it returns.
func (c *Cache) begin(f *fill, do Fill) (*party, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	c.live[f] = struct{}{}
	c.running.Add(1)
	f.stamp = c.purges.generation.Load()
	f.ctx, f.cancel = context.WithCancelCause(c.ctx)
	f.ready = make(chan struct{})
	p := f.join(do)
	p.runs = true
	f.owner = p
	go f.run()
	return p, nil
}

// MaxObject is the largest body that is stored, in bytes.
func (c *Cache) MaxObject() int64 { return c.cfg.MaxObject }

// Stats are what memory has and did; Disk has those of the files.
type Stats struct {
	Objects int   // entries, markers of unshared keys included
	Bytes   int64 // in use, as Config.Bytes counts them
	// Evicted counts entries that gave way to others, and Purged those that a purge took. What was replaced or refreshed is in
	// neither.
	Evicted, Purged int64
}

// Stats returns what memory has and did.
func (c *Cache) Stats() Stats {
	return Stats{Objects: c.Len(), Bytes: c.Used(), Evicted: c.evicted.Load(), Purged: c.voided.Load()}
}

// Used returns how many bytes are in use, as Config.Bytes counts them.
func (c *Cache) Used() int64 { return c.used.Load() }

// Len returns how many entries are stored, markers of unshared keys included.
func (c *Cache) Len() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += c.shards[i].entries.n
		c.shards[i].mu.RUnlock()
	}
	return n
}
