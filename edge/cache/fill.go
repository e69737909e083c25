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

	// Tags are what PurgeTag finds it by, compared exactly; nil in a Reuse means those of the entry. A response with more
	// than 50 of them, or one of more than 512 bytes, is not stored, since no purge would reach it. (AWS allows 50 of 256
	// characters; the rest is for what the caller puts before them to keep its tenants apart. CloudFront Developer Guide,
	// "Invalidate files by cache tag".)
	Tags []string
	// StaleWhileRevalidate is for how long after TTL it is given at once while a Fill runs behind; 0: not at all.
	StaleWhileRevalidate time.Duration
	// StaleIfError is for how long after TTL it is given when a Fill fails; 0: not at all. In a response that is Kept both
	// are the entry's, counted from when that stopped being fresh.
	StaleIfError time.Duration
	// Failed says that this is a failure: if what is stored may be used in its place (its StaleIfError), it is, and this
	// response is dropped.
	Failed bool
	// Retry is for how long after a Failed response no other refresh is tried; 0 means Config.Retry.
	Retry time.Duration
}

// Limits on Response.Tags.
const (
	mostTags   = 50
	longestTag = 512
)

// taggable reports whether tags keep to the limits.
func taggable(tags []string) bool {
	for _, tag := range tags {
		if len(tag) > longestTag {
			return false
		}
	}
	return len(tags) <= mostTags
}

// errNotShared says that a response was for another party only.
var errNotShared = errors.New("response is not shared")

// errAgain says that a response came to be of no use while a party waited for it, and that the next may be.
var errAgain = errors.New("response was purged meanwhile")

// errLate says that a party waited for Config.JoinWait.
var errLate = errors.New("waited too long for another's fill")

// errUnwanted ends a fill that nobody reads any more.
var errUnwanted = errors.New("nobody waits for the response")

// fill is one fetch under way, and its outcome.
type fill struct {
	cache  *Cache
	shard  *shard
	hash   uint64
	key    string
	path   int
	stale  *Entry
	alone  bool   // nobody may join
	behind bool   // nobody waits for it: it refreshes what is given meanwhile
	stamp  uint64 // purge generation at its start

	void   atomic.Bool              // a purge that is no longer in the table reached it
	labels atomic.Pointer[[]string] // tags of the response, nil before its header is there
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
	runs bool // its do runs or ran; guarded by fill.mu
	// since is the purge generation when it joined: a purge up to it came before the request.
	since uint64
}

// join adds a party, or returns nil when it is too late.
func (f *fill) join(do Fill) *party {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sealed {
		return nil
	}
	p := &party{fill: f, do: do, since: f.cache.purges.generation.Load()}
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
	p.fill.mu.Lock()
	defer p.fill.mu.Unlock()
	p.quit()
}

// quit is leave; fill.mu is held.
func (p *party) quit() {
	f := p.fill
	delete(f.parties, p)
	if f.body != nil {
		f.body.unregister(p)
	}
	if f.unwanted() && (f.published || f.alone) {
		f.sealed = true
		f.cancel(errUnwanted)
	}
}

// unwanted reports whether nobody reads f and it is not worth finishing. f.mu is held.
func (f *fill) unwanted() bool {
	switch {
	case len(f.parties) > 0:
		return false
	case !f.kept:
		return true
	case f.behind || f.body == nil || f.body.length <= 0:
		return false
	}
	return float64(f.body.arrived()) < f.cache.cfg.Finish*float64(f.body.length)
}

// desert takes p out if its do was not called; false when it was.
func (p *party) desert() bool {
	p.fill.mu.Lock()
	defer p.fill.mu.Unlock()
	if !p.runs {
		p.quit()
	}
	return !p.runs
}

// purged reports whether a purge reached f.
func (f *fill) purged() bool {
	return f.void.Load() || f.cache.purges.reached(f.key[:f.path], f.tags(), f.stamp).any()
}

// tags are those of the response that f brings, nil before its header is there.
func (f *fill) tags() []string {
	if tags := f.labels.Load(); tags != nil {
		return *tags
	}
	return nil
}

// wait returns p's view once the header is there.
func (p *party) wait(ctx context.Context) (*View, error) {
	f := p.fill
	var late <-chan time.Time
	if limit := f.cache.cfg.JoinWait; limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		late = t.C
	}
	for waiting := true; waiting; {
		select {
		case <-f.ready:
			waiting = false
		case <-ctx.Done():
			p.leave()
			return nil, context.Cause(ctx)
		case <-late:
			late = nil
			if p.desert() {
				return nil, errLate
			}
		}
	}
	switch {
	case f.err != nil:
		p.leave()
		return nil, f.err
	case !f.share && p != f.owner:
		p.leave()
		return nil, errNotShared
	case p.since > f.stamp && f.purged():
		// A purge by tag, perhaps, which nobody could know to reach f before its header was there.
		p.leave()
		return nil, errAgain
	}
	v := &View{Entry: f.entry, How: f.how, party: p}
	if p != f.owner {
		v.How = Shared
	}
	switch {
	case f.complete:
		p.leave()
		return viewOf(f.entry, v.How)
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
	switch {
	case errors.Is(err, ErrBusy) && f.failed(0):
		f.keep()
		return
	case err != nil:
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
	switch {
	case err == nil && resp.Failed && f.failed(int64(resp.Retry)):
		if resp.Body != nil {
			resp.Body.Close()
		}
		f.keep()
	case err == nil:
		f.deliver(resp, leave)
	case f.failed(0):
		f.keep()
	default:
		f.fail(err)
	}
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
			p.runs = true
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
