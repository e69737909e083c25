package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Fill fetches a response. stale is what is stored and no longer fresh, or nil; Response.Reuse may name it. ctx ends when
// nobody needs the response any more.
type Fill func(ctx context.Context, stale *Entry) (*Response, error)

// Response is what a Fill brings.
type Response struct {
	Status int
	Header map[string][]string
	Meta   any
	// Body is read to its end or to the first error and then closed; nil is an empty body.
	Body io.ReadCloser
	// Length is the body's length in bytes, -1 when it is not known. A body of another length is an error.
	Length int64
	// Reuse says that the body is this entry's: it was revalidated, or must do. Body is nil then.
	Reuse *Entry
	// Kept says of a Reuse that nothing was refreshed: the entry stays what it was, for another TTL.
	Kept bool

	// TTL is for how long it is fresh from now on; 0 stores it for revalidation only.
	TTL time.Duration
	// Age is how old it is already.
	Age time.Duration
	// Store says that later requests may have it.
	Store bool
	// Share says that those who wait for it now may have it. When it is false, they fetch their own, and for a while
	// nobody waits for this key.
	Share bool
}

// errNotShared says that a response was for another party only.
var errNotShared = errors.New("response is not shared")

// errUnwanted ends a fill that nobody reads any more.
var errUnwanted = errors.New("nobody waits for the response")

// fill is one fetch under way, and its outcome.
type fill struct {
	cache *Cache
	shard *shard
	hash  uint64
	key   string
	path  int
	stale *Entry
	alone bool   // nobody may join
	stamp uint64 // purge generation at its start

	void   atomic.Bool // a purge that is no longer in the table reached it
	ctx    context.Context
	cancel context.CancelCauseFunc
	owner  *party // whose do runs; changed only before ready
	// reserved is what the body takes of the cache's bytes; only run's goroutine uses it.
	reserved int64
	ready    chan struct{} // closed once the outcome below is there

	// The outcome; written before ready is closed, body under mu.
	err      error
	entry    *Entry
	how      How
	share    bool
	complete bool          // entry.Body is the body
	direct   io.ReadCloser // the body, for the owner alone
	body     *body         // the body, for all

	mu      sync.Mutex // guards what follows
	parties map[*party]struct{}
	spares  []*party // in the order they came; may have left

	published bool // the header is there
	sealed    bool // nobody may join any more
	kept      bool // it goes on though nobody reads
}

// party is one request that takes part in a fill.
type party struct {
	fill *fill
	do   Fill
}

// join adds a party, or returns nil when it is too late.
func (f *fill) join(do Fill) *party {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed {
		return nil
	}
	p := &party{f, do}
	if f.parties == nil {
		f.parties = map[*party]struct{}{}
	}
	f.parties[p] = struct{}{}
	if f.body != nil {
		f.body.register(p)
	} else {
		f.spares = append(f.spares, p)
	}
	return p
}

// leave takes p out, and ends a fill that is of no use to anybody else. Before its header is there a fill may still turn
// out to be worth storing, unless its key is known for responses that are not.
func (p *party) leave() {
	f := p.fill
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.parties, p)
	if f.body != nil {
		f.body.unregister(p)
	}
	if len(f.parties) == 0 && !f.kept && (f.published || f.alone) {
		f.sealed = true
		f.cancel(errUnwanted)
	}
}

// purged reports whether a purge reached f.
func (f *fill) purged() bool {
	return f.void.Load() || f.cache.purges.reached(f.key[:f.path], f.stamp)
}

// wait returns p's view once the header is there.
func (p *party) wait(ctx context.Context) (*View, error) {
	f := p.fill
	select {
	case <-f.ready:
	case <-ctx.Done():
		p.leave()
		return nil, context.Cause(ctx)
	}
	switch {
	case f.err != nil:
		p.leave()
		return nil, f.err
	case !f.share && p != f.owner:
		p.leave()
		return nil, errNotShared
	}
	v := &View{Entry: f.entry, How: f.how, party: p}
	if p != f.owner {
		v.How = Shared
	}
	switch {
	case f.complete:
		p.leave()
		v.party = nil
	case f.direct != nil:
		v.direct = f.direct
		v.stop = context.AfterFunc(ctx, p.leave)
	default:
		v.body, v.cursor = f.body, f.body.reader(p)
	}
	return v, nil
}

// run is the fill's goroutine.
func (f *fill) run() {
	c := f.cache
	defer c.running.Done()
	defer f.end()
	leave, err := f.enter()
	if err != nil {
		f.fail(err)
		return
	}
	defer leave()
	resp, err := f.call(f.owner)
	if err != nil && f.ctx.Err() == nil {
		if p := f.spare(); p != nil {
			f.owner = p
			resp, err = f.call(p)
		}
	}
	if err != nil {
		f.fail(err)
		return
	}
	f.deliver(resp, leave)
}

// enter waits for a slot; leave gives it back, and may be called again.
func (f *fill) enter() (leave func(), err error) {
	c := f.cache
	leave = sync.OnceFunc(func() { <-c.gate })
	select {
	case c.gate <- struct{}{}:
		return leave, nil
	default:
	}
	t := time.NewTimer(c.cfg.FillWait)
	defer t.Stop()
	select {
	case c.gate <- struct{}{}:
		return leave, nil
	case <-t.C:
		return nil, ErrBusy
	case <-f.ctx.Done():
		return nil, context.Cause(f.ctx)
	}
}

// call runs p's do. A panic in it is an error: it must not take the process along, and others wait.
func (f *fill) call(p *party) (resp *Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("fill panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return p.do(f.ctx, f.stale)
}

// spare returns a party that still waits and whose do has not been run, or nil.
func (f *fill) spare() *party {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.spares {
		if _, here := f.parties[p]; here && p != f.owner {
			return p
		}
	}
	return nil
}

// fail gives err to all.
func (f *fill) fail(err error) {
	f.mu.Lock()
	f.sealed = true
	f.mu.Unlock()
	if f.cache.ctx.Err() != nil {
		err = ErrClosed
	}
	f.err = err
	close(f.ready)
}

// end takes f off the lists.
func (f *fill) end() {
	s, c := f.shard, f.cache
	c.used.Add(-f.reserved)
	s.mu.Lock()
	if s.fills[f.key] == f {
		delete(s.fills, f.key)
	}
	s.mu.Unlock()
	c.mu.Lock()
	delete(c.live, f)
	c.mu.Unlock()
	f.cancel(nil)
}
