package pixel

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"glassine/transform/pixel/render"
)

// runner is a worker as the pool sees it: package pixel's processes, or what a test puts in their place.
type runner interface {
	run(ctx context.Context, job *render.Job, source []byte) (*render.Result, error)
	alive() bool
	residentMB() int
	close()
}

// pool hands workers out. At most cfg.Workers jobs run at a time, whatever kind they are of, since each takes a core; the
// others wait in the order they came. There is at most one worker more than that: a spare, which stands ready for when one
// ends.
type pool struct {
	cfg    *Config
	start  func(ctx context.Context, svg bool) (runner, error)
	ctx    context.Context // ends with the pool
	cancel context.CancelCauseFunc
	owned  sync.WaitGroup // goroutines, and jobs under way

	mu       sync.Mutex // guards what follows
	free     int        // jobs that may begin at once
	waiting  list.List  // of chan struct{}, each closed when its job may begin
	idle     []*member  // the one that was used last is last
	live     int        // workers that there are or that are being started
	sparing  bool       // a spare is being started
	isClosed bool
}

// member is a worker of the pool.
type member struct {
	runner
	svg     bool
	jobs    int
	retires *time.Timer // while it is idle
}

func newPool(cfg *Config, start func(ctx context.Context, svg bool) (runner, error)) *pool {
	p := &pool{cfg: cfg, start: start, free: cfg.Workers}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// do runs a job on a worker, and says how long it waited for one and how long it then took.
func (p *pool) do(ctx context.Context, job *render.Job, source []byte) (result *render.Result, waited, took time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.ctx, func() { cancel(ErrClosed) })
	defer stop()
	begun := time.Now()
	if err := p.enter(ctx); err != nil {
		return nil, time.Since(begun), 0, err
	}
	defer p.owned.Done()
	defer p.leave()
	m, err := p.take(ctx, job.Source == "svg")
	waited = time.Since(begun)
	if err != nil {
		return nil, waited, 0, err
	}
	if !m.svg {
		p.spare()
	}
	begun = time.Now()
	result, err = m.run(ctx, job, source)
	p.put(m, err)
	return result, waited, time.Since(begun), err
}

// warm starts a worker unless there is one.
func (p *pool) warm(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.ctx, func() { cancel(ErrClosed) })
	defer stop()
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.owned.Done()
	defer p.leave()
	m, err := p.take(ctx, false)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.keep(m)
	return nil
}

// enter waits for the right to run a job.
func (p *pool) enter(ctx context.Context) error {
	p.mu.Lock()
	switch {
	case p.isClosed:
		p.mu.Unlock()
		return ErrClosed
	case ctx.Err() != nil:
		p.mu.Unlock()
		return context.Cause(ctx)
	case p.free > 0:
		p.free--
		p.owned.Add(1)
		p.mu.Unlock()
		return nil
	case p.waiting.Len() >= p.cfg.Queue:
		p.mu.Unlock()
		return &BusyError{p.cfg.Queue}
	}
	turn := make(chan struct{})
	place := p.waiting.PushBack(turn)
	p.owned.Add(1)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	select {
	case <-turn: // it came at the same time
		p.mu.Unlock()
		p.leave()
	default:
		p.waiting.Remove(place)
		p.mu.Unlock()
	}
	p.owned.Done()
	return context.Cause(ctx)
}

// leave gives the right on to the one that waits longest.
func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.waiting.Front(); first != nil {
		close(p.waiting.Remove(first).(chan struct{}))
		return
	}
	p.free++
}

// take takes the idle worker that was used last, or starts one.
func (p *pool) take(ctx context.Context, svg bool) (*member, error) {
	for {
		m, there := p.pick(svg)
		if !there {
			break
		}
		if m.alive() {
			return m, nil
		}
		m.close() // something ended it while it was idle
		p.gone()
	}
	p.mu.Lock()
	p.live++
	var room *member
	if p.live > p.cfg.Workers+1 && len(p.idle) > 0 { // then those of the other kind are idle
		room = p.idle[0]
		p.remove(0)
		p.live--
	}
	p.mu.Unlock()
	if room != nil {
		room.close()
		p.tell(Event{Outcome: WorkerRetired, SVG: room.svg})
	}
	m, err := p.begin(ctx, svg)
	if err != nil {
		p.gone()
	}
	return m, err
}

// pick takes the idle worker of a kind that was used last, if there is one.
func (p *pool) pick(svg bool) (*member, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if m := p.idle[i]; m.svg == svg {
			p.remove(i)
			return m, true
		}
	}
	return nil, false
}

// gone counts a worker that is no more.
func (p *pool) gone() {
	p.mu.Lock()
	p.live--
	p.mu.Unlock()
}

// remove takes the idle worker out of the list. mu is held.
func (p *pool) remove(i int) {
	p.idle[i].retires.Stop()
	p.idle = append(p.idle[:i], p.idle[i+1:]...)
}

// begin starts a worker that live counts already.
func (p *pool) begin(ctx context.Context, svg bool) (*member, error) {
	begun := time.Now()
	r, err := p.start(ctx, svg)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	p.tell(Event{Outcome: WorkerStarted, SVG: svg, Took: time.Since(begun)})
	return &member{runner: r, svg: svg}, nil
}

// spare starts a worker in the background when the last idle one was taken. There is none for SVG, which is rare.
func (p *pool) spare() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isClosed || p.sparing || p.live > p.cfg.Workers || slices.ContainsFunc(p.idle, func(m *member) bool { return !m.svg }) {
		return
	}
	p.sparing = true
	p.live++
	p.owned.Go(func() {
		m, err := p.begin(p.ctx, false)
		p.mu.Lock()
		p.sparing = false
		if err != nil {
			p.live--
			p.mu.Unlock()
			if p.ctx.Err() == nil {
				p.cfg.Log.LogAttrs(p.ctx, slog.LevelWarn, "spare worker for pictures does not start", slog.String("error", err.Error()))
			}
			return
		}
		p.keep(m)
	})
}

// put takes a worker back after a job that ended with err.
func (p *pool) put(m *member, err error) {
	m.jobs++
	_, input := errors.AsType[*render.InputError](err)
	_, told := errors.AsType[*jobError](err)
	dead := err != nil && !input && !told
	worn := m.jobs >= p.cfg.MaxJobs || m.residentMB() > p.cfg.MaxRSSMB
	p.mu.Lock()
	if !dead && !worn {
		p.keep(m)
		return
	}
	p.live--
	p.mu.Unlock()
	if !dead {
		m.close()
		p.tell(Event{Outcome: WorkerRecycled, SVG: m.svg})
	}
}

// keep makes a worker idle, for cfg.Idle at most. mu is held, and let go.
func (p *pool) keep(m *member) {
	if p.isClosed {
		p.live--
		p.mu.Unlock()
		m.close()
		return
	}
	m.retires = time.AfterFunc(p.cfg.Idle, func() { p.retire(m) })
	p.idle = append(p.idle, m)
	p.mu.Unlock()
}

// retire ends a worker that is still idle.
func (p *pool) retire(m *member) {
	p.mu.Lock()
	for i := range p.idle {
		if p.idle[i] != m {
			continue
		}
		p.remove(i)
		p.live--
		p.owned.Add(1)
		p.mu.Unlock()
		m.close()
		p.tell(Event{Outcome: WorkerRetired, SVG: m.svg})
		p.owned.Done()
		return
	}
	p.mu.Unlock()
}

func (p *pool) tell(e Event) {
	if p.cfg.Observe != nil {
		p.cfg.Observe(e)
	}
}

// close ends all workers, those at work too, and waits until they are gone.
func (p *pool) close() {
	p.mu.Lock()
	p.isClosed = true
	idle := p.idle
	p.idle = nil
	p.live -= len(idle)
	for _, m := range idle {
		m.retires.Stop()
	}
	p.mu.Unlock()
	p.cancel(ErrClosed)
	for _, m := range idle {
		m.close()
	}
	p.owned.Wait()
}
