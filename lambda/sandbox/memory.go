package sandbox

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// memoryTick is how often the memory of a busy process is looked at. Between two looks it may exceed its limit, up to
	// what the control group or RLIMIT_DATA allows.
	memoryTick = 25 * time.Millisecond
	// fresh is how old a look may be to count as the use at an invocation's end.
	fresh = 100 * time.Millisecond
	// dataSlackMB is what one process may reserve beyond the function's memory where no control group holds it: stacks
	// of threads and heaps that are reserved and not used. Node does not start with less.
	dataSlackMB = 512
)

// meters watches the memory of processes, and ends one that takes more than its function has.
type meters struct {
	now     func() time.Time
	stopped chan struct{}
	ended   chan struct{}

	mu  sync.Mutex // guards all
	all map[*meter]struct{}
}

// meter is the memory of one process.
type meter struct {
	p   *process
	now func() time.Time

	mu   sync.Mutex // guards what follows
	peak int64
	seen time.Time
}

func (m *meters) start(now func() time.Time) {
	m.now, m.all, m.stopped, m.ended = now, map[*meter]struct{}{}, make(chan struct{}), make(chan struct{})
	go m.run()
}

func (m *meters) stop() {
	close(m.stopped)
	<-m.ended
}

func (m *meters) add(p *process) *meter {
	one := &meter{p: p, now: m.now}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[one] = struct{}{}
	return one
}

func (m *meters) drop(one *meter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, one)
}

func (m *meters) run() {
	defer close(m.ended)
	tick := time.NewTicker(memoryTick)
	defer tick.Stop()
	for {
		select {
		case <-m.stopped:
			return
		case <-tick.C:
		}
		for _, one := range m.busy() {
			one.look()
		}
	}
}

// busy lists the processes that do something: those that are starting or have an event.
func (m *meters) busy() []*meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*meter
	for one := range m.all {
		if one.p.working() {
			out = append(out, one)
		}
	}
	return out
}

// look measures, and ends a process that has too much.
func (m *meter) look() {
	n := m.p.child.Memory()
	m.mu.Lock()
	m.peak, m.seen = max(m.peak, n), m.now()
	m.mu.Unlock()
	if limit := int64(m.p.v.MemoryMB) << 20; n > limit {
		m.p.host.cfg.Logger.LogAttrs(m.p.ctx, slog.LevelWarn, "function used more memory than it has",
			slog.String("function", m.p.v.FunctionARN), slog.Int64("bytes", n), slog.Int64("limit", limit))
		m.p.end()
	}
}

// peakMB is the most memory that was seen, in MB. An invocation shorter than a tick is measured at its end, unless one was a
// moment ago.
func (m *meter) peakMB() int {
	m.mu.Lock()
	old := m.now().Sub(m.seen) > fresh
	m.mu.Unlock()
	if old {
		m.look()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return int((min(m.peak, int64(m.p.v.MemoryMB)<<20) + 1<<20 - 1) >> 20)
}
