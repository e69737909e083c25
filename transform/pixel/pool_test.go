package pixel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/transform/pixel/render"
)

// fake is a worker that is no process.
type fake struct {
	p      *fakes
	svg    bool
	id     int
	closed bool
}

// fakes makes workers and knows which live. A job takes as many seconds as its width.
type fakes struct {
	mu      sync.Mutex // guards what follows
	started int
	live    map[*fake]bool
	most    int
	order   []int // the heights of the jobs, as they began
	fail    error // of the next start
}

func (f *fakes) start(ctx context.Context, svg bool) (runner, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail; err != nil {
		f.fail = nil
		return nil, err
	}
	f.started++
	w := &fake{p: f, svg: svg, id: f.started}
	f.live[w] = true
	f.most = max(f.most, len(f.live))
	return w, nil
}

func (w *fake) run(ctx context.Context, job *render.Job, source []byte) (*render.Result, error) {
	w.p.mu.Lock()
	w.p.order = append(w.p.order, job.Height)
	w.p.mu.Unlock()
	if w.svg != (job.Source == "svg") {
		return nil, errors.New("a worker of the other kind")
	}
	select {
	case <-time.After(time.Duration(job.Width) * time.Second):
	case <-ctx.Done():
		w.close()
		return nil, context.Cause(ctx)
	}
	return &render.Result{Width: w.id}, nil
}

func (w *fake) alive() bool     { return true }
func (w *fake) residentMB() int { return 0 }

func (w *fake) close() {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	w.closed = true
	delete(w.p.live, w)
}

func (f *fakes) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

func newFakes(t *testing.T, cfg Config) (*fakes, *pool) {
	f := &fakes{live: map[*fake]bool{}}
	cfg = cfg.withDefaults()
	p := newPool(&cfg, f.start)
	t.Cleanup(p.close)
	return f, p
}

func TestIdleWorkersRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFakes(t, Config{Workers: 4, Idle: time.Minute})
		if f.count() != 0 {
			t.Error("a worker before the first job")
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { _, _, _, _ = p.do(t.Context(), &render.Job{Width: 1}, nil) })
		}
		all.Wait()
		synctest.Wait()
		if n := f.count(); n != 5 {
			t.Errorf("%d workers after four jobs at a time, want them and a spare", n)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if n := f.count(); n != 4 { // the spare was idle all the while
			t.Errorf("%d workers after 59 s, want 4", n)
		}
		if _, _, _, err := p.do(t.Context(), &render.Job{Width: 1}, nil); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := f.count(); n != 1 {
			t.Errorf("%d workers after 60 s, want the one that was used", n)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := f.count(); n != 0 || p.live != 0 || f.started != 5 {
			t.Errorf("%d workers at the end (%d counted), of %d", n, p.live, f.started)
		}
	})
}

func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFakes(t, Config{Workers: 1, Queue: 100})
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				if i%10 == 9 {
					cancel() // and some leave the queue
				}
				defer cancel()
				_, waited, _, err := p.do(ctx, &render.Job{Width: 1, Height: i}, nil)
				if (err != nil) != (i%10 == 9) || err == nil && waited > time.Duration(i)*time.Second {
					t.Errorf("job %d waited %v: %v", i, waited, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if !slices.IsSorted(f.order) || len(f.order) != 45 || f.most > 2 {
			t.Errorf("order = %v, at most %d workers", f.order, f.most)
		}
	})
}

// However jobs of both kinds come, workers are at most one more than may work, each gets a job of its kind, and nothing is
// left over or lost at the end.
func TestKindsShareTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFakes(t, Config{Workers: 3, Queue: 1000, MaxJobs: 5, Idle: 20 * time.Second})
		var all sync.WaitGroup
		for i := range 500 {
			source := []string{"jpeg", "svg", "jpeg", "png", "svg"}[i*7%5]
			time.Sleep(time.Duration(i*13%7) * 200 * time.Millisecond)
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%60)*time.Second)
				defer cancel()
				_, _, _, err := p.do(ctx, &render.Job{Source: source, Width: i % 4}, nil)
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("job %d: %v", i, err)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		p.mu.Lock()
		if f.most > 4 || p.free != 3 || p.waiting.Len() != 0 || p.live != len(p.idle) || p.live != len(f.live) {
			t.Errorf("at most %d workers; %d free, %d waiting, %d counted, %d idle, %d live", f.most, p.free, p.waiting.Len(), p.live, len(p.idle), len(f.live))
		}
		p.mu.Unlock()
	})
}

func TestStartThatFailsIsOneJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newFakes(t, Config{Workers: 1, Queue: -1})
		f.fail = errors.New("no memory")
		if _, _, _, err := p.do(t.Context(), &render.Job{}, nil); fmt.Sprint(err) != "no memory" {
			t.Errorf("error = %v", err)
		}
		if _, _, _, err := p.do(t.Context(), &render.Job{}, nil); err != nil {
			t.Errorf("the next: %v", err)
		}
		synctest.Wait()
		var all sync.WaitGroup
		all.Go(func() { _, _, _, _ = p.do(t.Context(), &render.Job{Width: 1}, nil) })
		synctest.Wait()
		if _, _, _, err := p.do(t.Context(), &render.Job{}, nil); fmt.Sprint(err) != "0 pictures are waiting already" {
			t.Errorf("without a queue: %v", err)
		}
		all.Wait()
		if err := p.warm(t.Context()); err != nil || f.started != 2 {
			t.Errorf("warm: %v, %d started, want no third", err, f.started)
		}
	})
}

func TestCrashesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crashes
		key := func(i int) jobKey { return keyOf(&render.Job{Width: i}, []byte("source")) }
		bad := errors.New("it crashed")
		if !c.empty() || key(1) == key(2) || key(1) == keyOf(&render.Job{Width: 1}, []byte("other")) {
			t.Error("keys or the zero value")
		}
		c.add(key(1), bad)
		if err := c.refused(key(1)); err != nil || c.empty() {
			t.Errorf("after one crash: %v", err)
		}
		time.Sleep(refusalTime - time.Second)
		c.add(key(1), bad)
		time.Sleep(refusalTime)
		if err := c.refused(key(1)); !errors.Is(err, bad) {
			t.Errorf("after two: %v", err)
		}
		if err := c.refused(key(2)); err != nil {
			t.Errorf("another job: %v", err)
		}
		time.Sleep(time.Second)
		if err := c.refused(key(1)); err != nil || !c.empty() {
			t.Errorf("after %v: %v", refusalTime, err)
		}
		for i := range maxRemembered + 10 {
			c.add(key(i), bad)
			c.add(key(i), bad)
			time.Sleep(time.Millisecond)
		}
		if n := len(c.jobs); n != maxRemembered || c.refused(key(9)) != nil || c.refused(key(10)) == nil {
			t.Errorf("%d remembered, the first %v, a later one %v", n, c.refused(key(9)), c.refused(key(10)))
		}
	})
}
