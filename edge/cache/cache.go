// Package cache keeps HTTP responses in memory and makes sure that many who ask for one thing cost one fetch.
//
// It knows nothing of HTTP's caching rules: its caller says of each response how long it is fresh, whether it may be
// stored, and whether those who wait for it may have it. It has no disk tier.
//
// Start at Cache. Lookup is the hit path and allocates nothing. Fetch is everything else: it joins the fill under way
// for the key, or begins one, and the View that it returns streams the body as it arrives.
//
// Invariants:
//   - A cached body is immutable, and so is an Entry. Replacing a response makes a new Entry; readers of the old one are
//     not disturbed.
//   - One fill at a time runs for a key, except for responses that were found to be nobody else's (Response.Share false).
//   - A body that did not arrive whole is never stored.
//   - What was requested before a purge of its path is never stored after it and never given to a later request.
//   - A slow reader holds up neither the fill nor other readers.
package cache

import (
	"context"
	"errors"
	"hash/maphash"
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
	// MaxObject is the largest body that is stored; 0 means an eighth of Bytes.
	MaxObject int64
	// Fills bounds how many fills run at once: they cost connections, and the origin's work. 0 means 256.
	Fills int
	// FillWait is how long a fill may wait for its turn; 0 means 10 s.
	FillWait time.Duration
	// AloneTTL is how long a key whose response could not be shared is remembered, so that its requests do not queue
	// behind each other; 0 means 120 s, as Varnish's hit-for-miss.
	AloneTTL time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Cache holds responses by key. All methods are safe for many goroutines.
type Cache struct {
	cfg    Config
	seed   maphash.Seed
	shards [shardCount]shard
	used   atomic.Int64  // bytes of all shards and of bodies on their way in, never above cfg.Bytes
	evict  atomic.Uint32 // the shard that gives way next
	purges purges
	gate   chan struct{} // one slot for each running fill

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup // fills and sweeps

	mu     sync.Mutex // guards closed and live
	closed bool
	live   map[*fill]struct{} // fills under way
}

const shardCount = 64 // a power of two

// New returns an empty cache. The caller closes it.
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
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Cache{cfg: cfg, seed: maphash.MakeSeed(), gate: make(chan struct{}, cfg.Fills), live: map[*fill]struct{}{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i := range c.shards {
		c.shards[i].init()
	}
	c.purges.init()
	return c
}

// Close stops every fill, waits for them, and makes later Fetches return ErrClosed.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
}

// Key names a response. Its first Path bytes are what Purge compares; what follows (the chosen headers, say) tells
// variants of one path apart.
type Key struct {
	Bytes []byte // the caller may reuse it after the call
	Path  int
}

// Lookup returns the fresh response under k, or nil. It allocates nothing.
func (c *Cache) Lookup(k Key) *Entry {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	s.mu.RLock()
	e := s.entries[string(k.Bytes)]
	s.mu.RUnlock()
	if e == nil || !e.fresh(c.cfg.Now().UnixNano()) || !c.current(e) {
		return nil
	}
	e.touch()
	return e
}

// current reports whether no purge reached e.
func (c *Cache) current(e *Entry) bool {
	g := c.purges.generation.Load()
	if e.seen.Load() >= g {
		return true
	}
	if c.purges.reached(e.key[:e.path], e.stamp) {
		return false
	}
	e.seen.Store(g)
	return true
}

// Fetch returns a view of the response under k: the stored one when it is fresh, else from the fill under way, else from
// a new fill that calls do. It waits for the header, not for the body. The caller closes the view.
//
// The fill runs in a goroutine of the cache. It outlives the ctx of whoever began it while others wait, and until its
// header is there; a response that is stored is then fetched to its end, any other only while somebody reads. If do
// returns an error, the do of one who waited is called once in its place; its error goes to all.
func (c *Cache) Fetch(ctx context.Context, k Key, do Fill) (*View, error) {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	for alone := false; ; alone = true {
		v, p, err := c.join(s, h, k, do, alone)
		if v != nil || err != nil {
			return v, err
		}
		v, err = p.wait(ctx)
		if !errors.Is(err, errNotShared) {
			return v, err
		}
	}
}

// join finds the fresh entry, or makes the caller a party to the fill under way or to a new one. With alone, the fill is
// the caller's own.
func (c *Cache) join(s *shard, h uint64, k Key, do Fill, alone bool) (*View, *party, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.entries[string(k.Bytes)]
	if stale != nil && !c.current(stale) {
		c.used.Add(-s.remove(stale))
		stale = nil
	}
	if stale != nil {
		now := c.cfg.Now().UnixNano()
		if stale.fresh(now) {
			stale.touch()
			return &View{Entry: stale, How: Hit}, nil, nil
		}
		alone = alone || now < stale.aloneUntil
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
	f.owner = p
	go f.run()
	return p, nil
}

// Used returns how many bytes are in use, as Config.Bytes counts them.
func (c *Cache) Used() int64 { return c.used.Load() }

// Len returns how many entries are stored, markers of unshared keys included.
func (c *Cache) Len() int {
	n := 0
	for i := range c.shards {
		c.shards[i].mu.RLock()
		n += len(c.shards[i].entries)
		c.shards[i].mu.RUnlock()
	}
	return n
}
