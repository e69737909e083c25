package sandbox

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

// worker is a process as the pools see it.
type worker interface {
	// invoke runs one event. ready is called once, from any goroutine, when the worker may be given another one or has
	// ended: that may be a moment after invoke returned. errNotTaken says that it ended before it took the event.
	invoke(ctx context.Context, inv Invocation, ready func()) (Result, error)
	usable() bool          // it lives, and its credentials last
	prewarmed()            // no invocation waited for its start
	done() <-chan struct{} // closed when it has ended
	close()                // ends it and waits
}

// errNotTaken says that the event was not begun and another process may have it.
var errNotTaken = errors.New("the process ended before it took the event")

const (
	// maxWaiting bounds the invocations that wait for a process, all versions together: the concurrency of an account.
	// (AWS Lambda Developer Guide, "Lambda quotas".)
	maxWaiting = 1000
	// settle is how long a process that has answered may take to ask for the next event before another one is started
	// for whoever waits.
	settle = 10 * time.Millisecond
)

// pools holds the processes of all versions: it starts one when an invocation waits, hands them on, and retires them.
type pools struct {
	start     func(context.Context, Version) (worker, error)
	idle      time.Duration
	most      int
	mostStart int // processes that start at the same time: more only slow each other down
	now       func() time.Time
	ctx       context.Context // ends with close
	cancel    context.CancelFunc
	running   sync.WaitGroup

	mu       sync.Mutex // guards what follows, and the pools
	byKey    map[string]*pool
	all      []*pool // also retired ones that still have processes or waiters
	total    int     // processes, starting ones included
	starting int
	waiting  int
}

// pool is the processes of one version.
type pool struct {
	v        Version
	idle     []idler // the longest idle first
	busy     int
	settling int // have answered, and will be idle in a moment
	starting int
	waiters  []*waiter // in order of arrival
	retired  bool
	keep     bool // one process always
}

type idler struct {
	worker
	since time.Time
}

type waiter struct{ granted chan grant }

type grant struct {
	worker
	err error
}

func newPools(start func(context.Context, Version) (worker, error), idle time.Duration, most int, now func() time.Time) *pools {
	p := &pools{start: start, idle: idle, most: most, mostStart: max(2, runtime.NumCPU()), now: now, byKey: map[string]*pool{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.running.Go(p.sweepOften)
	return p
}

// invoke runs the event on a process of v, or on another one if that ends before it takes the event.
func (ps *pools) invoke(ctx context.Context, v Version, inv Invocation) (Result, error) {
	for {
		p, w, err := ps.take(ctx, v, v.MaxConcurrency)
		if err != nil {
			return Result{}, err
		}
		result, err := w.invoke(ctx, inv, func() { ps.give(p, w) })
		ps.answered(p)
		if errors.Is(err, errNotTaken) && ctx.Err() == nil {
			continue
		}
		return result, err
	}
}

// warm waits until the version has a process, which stays.
func (ps *pools) warm(ctx context.Context, v Version) error {
	ps.mu.Lock()
	p := ps.pool(v)
	p.keep = true
	there := p.busy+p.settling+len(p.idle) > 0
	ps.mu.Unlock()
	if there {
		return nil
	}
	p, w, err := ps.take(ctx, v, 0)
	if err != nil {
		return err
	}
	w.prewarmed()
	ps.answered(p)
	ps.give(p, w)
	return nil
}

// pool finds or makes the pool of v. The mutex is held.
func (ps *pools) pool(v Version) *pool {
	p := ps.byKey[v.Key]
	if p == nil {
		p = &pool{v: v}
		ps.byKey[v.Key] = p
		ps.all = append(ps.all, p)
	}
	return p
}

// take gets a process, waiting for one when it must.
func (ps *pools) take(ctx context.Context, v Version, reserved int) (*pool, worker, error) {
	ps.mu.Lock()
	p := ps.pool(v)
	if err := ps.admit(p, reserved); err != nil {
		ps.mu.Unlock()
		return nil, nil, err
	}
	for len(p.idle) > 0 {
		last := p.idle[len(p.idle)-1] // the warmest
		p.idle = p.idle[:len(p.idle)-1]
		if last.usable() {
			ps.lend(p)
			ps.mu.Unlock()
			return p, last.worker, nil
		}
		ps.discard(last.worker)
	}
	w := &waiter{granted: make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	ps.waiting++
	ps.grow(p, p.settling)
	ps.mu.Unlock()
	g := ps.await(ctx, p, w)
	return p, g.worker, g.err
}

// admit says why no further invocation may wait. The mutex is held.
func (ps *pools) admit(p *pool, reserved int) error {
	switch {
	case ps.ctx.Err() != nil:
		return ErrClosed
	case reserved > 0 && p.busy+len(p.waiters) >= reserved:
		return ErrReservedConcurrency
	case ps.waiting >= maxWaiting:
		return ErrThrottled
	}
	return nil
}

// await waits for the grant of w: as long as ctx lasts, and no longer than the function's timeout unless a process is being
// started for it.
func (ps *pools) await(ctx context.Context, p *pool, w *waiter) grant {
	settled, patience := time.NewTimer(settle), time.NewTimer(p.v.Timeout)
	defer settled.Stop()
	defer patience.Stop()
	for {
		var err error
		select {
		case g := <-w.granted:
			return g
		case <-settled.C:
			ps.mu.Lock()
			ps.grow(p, 0)
			ps.mu.Unlock()
			continue
		case <-patience.C:
			ps.mu.Lock()
			comes := slices.Index(p.waiters, w) < p.starting // -1 is granted
			ps.mu.Unlock()
			if comes {
				patience.Reset(p.v.Timeout)
				continue
			}
			err = ErrThrottled
		case <-ctx.Done():
			err = ctx.Err()
		case <-ps.ctx.Done():
			err = ErrClosed
		}
		return ps.giveUp(p, w, err)
	}
}

// giveUp takes w out of the queue. A process that was granted meanwhile goes on.
func (ps *pools) giveUp(p *pool, w *waiter, err error) grant {
	ps.mu.Lock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		ps.waiting--
		ps.mu.Unlock()
		return grant{err: err}
	}
	ps.mu.Unlock()
	g := <-w.granted
	if g.err == nil {
		ps.answered(p)
		ps.give(p, g.worker)
	}
	return grant{err: err}
}

// lend counts a process that somebody gets; close waits until it is given back. The mutex is held.
func (ps *pools) lend(p *pool) {
	p.busy++
	ps.running.Add(1)
}

// answered notes that an invocation of p has its result.
func (ps *pools) answered(p *pool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.busy--
	p.settling++
}

// give takes back a process that is ready. It may come before answered: the sums are right after both.
func (ps *pools) give(p *pool, w worker) {
	defer ps.running.Done()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.settling--
	ps.place(p, w)
	ps.growAll()
}

// place hands w to the first who waits, or keeps it. The mutex is held.
func (ps *pools) place(p *pool, w worker) {
	switch {
	case !w.usable() || ps.ctx.Err() != nil || p.retired && len(p.waiters) == 0:
		ps.discard(w)
	case len(p.waiters) > 0:
		ps.grant(p, grant{worker: w})
		ps.lend(p)
	default:
		p.idle = append(p.idle, idler{w, ps.now()})
	}
}

func (ps *pools) grant(p *pool, g grant) {
	first := p.waiters[0]
	p.waiters = slices.Delete(p.waiters, 0, 1)
	ps.waiting--
	first.granted <- g
}

// discard ends w, beside the caller. The mutex is held.
func (ps *pools) discard(w worker) {
	ps.total--
	ps.running.Go(w.close)
}

// grow starts processes for those who wait and for whom none is about to come: soon counts the ones that will be idle in a
// moment. The mutex is held.
func (ps *pools) grow(p *pool, soon int) {
	soon = max(soon, 0)
	want := len(p.waiters)
	if p.keep && !p.retired && want == 0 && p.busy+p.settling+len(p.idle) == 0 {
		want = 1
	}
	for p.starting+soon < want && ps.starting < ps.mostStart && ps.ctx.Err() == nil && ps.room() {
		p.starting++
		ps.starting++
		ps.total++
		ps.running.Go(func() { ps.startOne(p) })
	}
}

func (ps *pools) growAll() {
	ps.all = slices.DeleteFunc(ps.all, func(p *pool) bool {
		return p.retired && p.busy+p.settling+p.starting+len(p.waiters)+len(p.idle) == 0
	})
	for _, p := range ps.all {
		if len(p.waiters) > 0 {
			ps.grow(p, p.settling)
		}
	}
}

// room reports whether one more process may be, after ending the longest idle one if that is what it takes.
func (ps *pools) room() bool {
	if ps.total < ps.most {
		return true
	}
	var oldest *pool
	for _, p := range ps.all {
		if len(p.idle) > 0 && (oldest == nil || p.idle[0].since.Before(oldest.idle[0].since)) {
			oldest = p
		}
	}
	if oldest == nil {
		return false
	}
	ps.discard(oldest.idle[0].worker)
	oldest.idle = slices.Delete(oldest.idle, 0, 1)
	return true
}

// startOne starts a process and places it. When it does not start, the first who waits is told why.
func (ps *pools) startOne(p *pool) {
	w, err := ps.start(ps.ctx, p.v)
	ps.mu.Lock()
	p.starting--
	ps.starting--
	if err != nil {
		ps.total--
		if len(p.waiters) > 0 {
			ps.grant(p, grant{err: err})
		}
	} else {
		if len(p.waiters) == 0 {
			w.prewarmed()
		}
		ps.place(p, w)
	}
	ps.growAll()
	ps.mu.Unlock()
	if err != nil {
		return
	}
	ps.running.Go(func() { // a process that dies while idle is no use to keep
		<-w.done()
		ps.mu.Lock()
		defer ps.mu.Unlock()
		if i := slices.IndexFunc(p.idle, func(i idler) bool { return i.worker == w }); i >= 0 {
			p.idle = slices.Delete(p.idle, i, i+1)
			ps.discard(w)
		}
	})
}

// retire ends the version's idle processes, and the others when they are given back.
func (ps *pools) retire(key string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.byKey[key]
	if p == nil {
		return
	}
	delete(ps.byKey, key)
	p.retired = true
	for _, i := range p.idle {
		ps.discard(i.worker)
	}
	p.idle = nil
	ps.growAll()
}

// sweepOften retires what has been idle for long, until close.
func (ps *pools) sweepOften() {
	tick := time.NewTicker(max(ps.idle/8, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ps.sweep()
		case <-ps.ctx.Done():
			return
		}
	}
}

func (ps *pools) sweep() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	now := ps.now()
	for _, p := range ps.all {
		count := len(p.idle) + p.busy + p.settling
		p.idle = slices.DeleteFunc(p.idle, func(i idler) bool {
			last := p.keep && count == 1
			if i.usable() && (now.Sub(i.since) < ps.idle || last) {
				return false
			}
			count--
			ps.discard(i.worker)
			return true
		})
		ps.grow(p, p.settling) // in the place of a kept one whose credentials end
	}
}

// close ends all processes and waits.
func (ps *pools) close() {
	ps.cancel()
	ps.mu.Lock()
	for _, p := range ps.all {
		for _, i := range p.idle {
			ps.discard(i.worker)
		}
		p.idle = nil
	}
	ps.mu.Unlock()
	ps.running.Wait()
}
