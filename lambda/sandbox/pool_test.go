package sandbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// double is a worker whose work takes time and nothing else.
type double struct {
	v       Version
	work    time.Duration
	lag     time.Duration // from its answer until it is ready
	until   time.Time     // of its credentials
	ended   chan struct{}
	once    sync.Once
	ran     atomic.Int32
	refuses bool
}

func (d *double) invoke(ctx context.Context, _ Invocation, ready func()) (Result, error) {
	if d.refuses {
		d.close()
		ready()
		return Result{}, errNotTaken
	}
	select {
	case <-time.After(d.work):
	case <-ctx.Done():
		d.close()
		ready()
		return Result{}, ctx.Err()
	}
	d.ran.Add(1)
	if d.lag == 0 {
		ready()
	} else {
		time.AfterFunc(d.lag, ready)
	}
	return Result{}, nil
}

func (d *double) usable() bool {
	select {
	case <-d.ended:
		return false
	default:
		return d.until.IsZero() || time.Now().Before(d.until)
	}
}
func (d *double) prewarmed()            {}
func (d *double) done() <-chan struct{} { return d.ended }
func (d *double) close()                { d.once.Do(func() { close(d.ended) }) }

// yard makes doubles and counts them.
type yard struct {
	mu      sync.Mutex
	made    []*double
	boot    time.Duration
	fail    error
	prepare func(*double)
}

func (y *yard) start(ctx context.Context, v Version) (worker, error) {
	select {
	case <-time.After(y.boot):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.fail != nil {
		return nil, y.fail
	}
	d := &double{v: v, work: 50 * time.Millisecond, ended: make(chan struct{})}
	if y.prepare != nil {
		y.prepare(d)
	}
	y.made = append(y.made, d)
	return d, nil
}

func (y *yard) alive() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	n := 0
	for _, d := range y.made {
		if d.usable() {
			n++
		}
	}
	return n
}

// inPools runs a test on pools in a bubble of its own time.
func inPools(t *testing.T, idle time.Duration, most int, f func(t *testing.T, ps *pools, y *yard)) {
	synctest.Test(t, func(t *testing.T) {
		y := &yard{boot: 40 * time.Millisecond}
		ps := newPools(y.start, idle, most, time.Now)
		ps.mostStart = 100
		f(t, ps, y)
		ps.close()
		if n := y.alive(); n != 0 {
			t.Errorf("%d processes live after close", n)
		}
		if ps.total != 0 || ps.waiting != 0 || ps.starting != 0 {
			t.Errorf("after close: total %d, waiting %d, starting %d", ps.total, ps.waiting, ps.starting)
		}
	})
}

var pooled = Version{Key: "a", Timeout: 3 * time.Second}

// together invokes n times at once and returns the errors.
func together(ps *pools, v Version, n int) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = ps.invoke(context.Background(), v, Invocation{}) })
	}
	wg.Wait()
	return errs
}

func count(errs []error, target error) int {
	n := 0
	for _, err := range errs {
		if errors.Is(err, target) {
			n++
		}
	}
	return n
}

func TestPoolReusesOneProcess(t *testing.T) {
	inPools(t, time.Hour, 10, func(t *testing.T, ps *pools, y *yard) {
		y.prepare = func(d *double) { d.lag = time.Millisecond } // asks for the next event a moment after its answer
		for range 20 {
			if _, err := ps.invoke(t.Context(), pooled, Invocation{}); err != nil {
				t.Fatal(err)
			}
		}
		if len(y.made) != 1 {
			t.Errorf("20 invocations in a row took %d processes, want 1", len(y.made))
		}
	})
}

func TestPoolGrowsWithTheQueue(t *testing.T) {
	inPools(t, time.Hour, 5, func(t *testing.T, ps *pools, y *yard) {
		if n := count(together(ps, pooled, 40), nil); n != 40 {
			t.Errorf("%d of 40 invocations ran", n)
		}
		if len(y.made) != 5 {
			t.Errorf("40 invocations at once took %d processes, want the 5 that may be", len(y.made))
		}
	})
}

// A process that has answered but does something else before it asks for more must not hold those who wait.
func TestPoolStartsAnotherForOneThatLags(t *testing.T) {
	inPools(t, time.Hour, 5, func(t *testing.T, ps *pools, y *yard) {
		y.prepare = func(d *double) { d.lag = time.Second }
		together(ps, pooled, 1)
		begin := time.Now()
		together(ps, pooled, 1)
		if took := time.Since(begin); took > 200*time.Millisecond {
			t.Errorf("the second invocation took %v, want a start and the work", took)
		}
	})
}

func TestPoolThrottles(t *testing.T) {
	inPools(t, time.Hour, 2, func(t *testing.T, ps *pools, y *yard) {
		y.prepare = func(d *double) { d.work = 2 * time.Second }
		errs := together(ps, pooled, 6) // two run at 0 s and at 2 s; two wait 3 s in vain
		if ok, throttled := count(errs, nil), count(errs, ErrThrottled); ok != 4 || throttled != 2 {
			t.Errorf("%d ran and %d were throttled, want 4 and 2", ok, throttled)
		}
		reserved := pooled
		reserved.Key, reserved.MaxConcurrency = "r", 1
		errs = together(ps, reserved, 3)
		if ok, throttled := count(errs, nil), count(errs, ErrReservedConcurrency); ok != 1 || throttled != 2 {
			t.Errorf("of reserved concurrency 1, %d ran and %d were throttled, want 1 and 2", ok, throttled)
		}
	})
}

func TestPoolWaitsLongerForAStartThanTheTimeout(t *testing.T) {
	inPools(t, time.Hour, 2, func(t *testing.T, ps *pools, y *yard) {
		y.boot = 8 * time.Second
		if _, err := ps.invoke(t.Context(), pooled, Invocation{}); err != nil {
			t.Errorf("invocation of a version that takes 8 s to start: %v", err)
		}
	})
}

func TestPoolRetiresTheIdle(t *testing.T) {
	inPools(t, 10*time.Minute, 10, func(t *testing.T, ps *pools, y *yard) {
		together(ps, pooled, 3)
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if n := y.alive(); n != 3 {
			t.Errorf("after 9 minutes %d live, want 3", n)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if n := y.alive(); n != 0 {
			t.Errorf("after 12 minutes %d live, want none", n)
		}
		if err := ps.warm(t.Context(), pooled); err != nil {
			t.Fatal(err)
		}
		together(ps, pooled, 3)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := y.alive(); n != 1 {
			t.Errorf("of a warmed version %d live after an hour, want 1", n)
		}
		ps.retire(pooled.Key)
		synctest.Wait()
		if n := y.alive(); n != 0 {
			t.Errorf("of a retired version %d live", n)
		}
	})
}

func TestPoolReplacesAProcessBeforeItsCredentialsEnd(t *testing.T) {
	inPools(t, 10*time.Minute, 10, func(t *testing.T, ps *pools, y *yard) {
		y.prepare = func(d *double) { d.until = time.Now().Add(time.Hour) }
		if err := ps.warm(t.Context(), pooled); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(50 * time.Minute)
			together(ps, pooled, 1)
		}
		for _, d := range y.made {
			if d.ran.Load() > 0 && d.until.IsZero() {
				t.Error("a process without an end")
			}
		}
		if len(y.made) < 4 || y.alive() != 1 {
			t.Errorf("in 250 minutes %d processes were made and %d live, want one an hour and 1", len(y.made), y.alive())
		}
	})
}

func TestPoolRetiresTheBusyAfterTheirWork(t *testing.T) {
	inPools(t, time.Hour, 10, func(t *testing.T, ps *pools, y *yard) {
		done := make(chan []error)
		go func() { done <- together(ps, pooled, 2) }()
		time.Sleep(60 * time.Millisecond) // they work
		ps.retire(pooled.Key)
		if errs := <-done; count(errs, nil) != 2 {
			t.Errorf("invocations under way ended with %v", errs)
		}
		synctest.Wait()
		if n := y.alive(); n != 0 {
			t.Errorf("%d live after their work", n)
		}
	})
}

func TestPoolTellsAFailedStartToOne(t *testing.T) {
	inPools(t, time.Hour, 10, func(t *testing.T, ps *pools, y *yard) {
		y.fail = &InitError{}
		errs := together(ps, pooled, 4)
		if slices.ContainsFunc(errs, func(err error) bool { _, ok := errors.AsType[*InitError](err); return !ok }) {
			t.Errorf("errors = %v, want 4 of the start", errs)
		}
		y.fail = nil
		if errs := together(ps, pooled, 1); errs[0] != nil {
			t.Errorf("afterwards: %v", errs[0])
		}
	})
}

func TestPoolTakesAnotherProcessWhenOneDied(t *testing.T) {
	inPools(t, time.Hour, 10, func(t *testing.T, ps *pools, y *yard) {
		n := 0
		y.prepare = func(d *double) { n++; d.refuses = n == 1 }
		if errs := together(ps, pooled, 1); errs[0] != nil {
			t.Errorf("invocation = %v", errs[0])
		}
		y.made[1].close() // while idle
		synctest.Wait()
		if errs := together(ps, pooled, 1); errs[0] != nil || len(y.made) != 3 {
			t.Errorf("invocation after an idle death = %v, %d processes, want 3", errs[0], len(y.made))
		}
	})
}

func TestPoolEvictsTheLongestIdle(t *testing.T) {
	inPools(t, time.Hour, 2, func(t *testing.T, ps *pools, y *yard) {
		for _, key := range []string{"a", "b", "c"} {
			if errs := together(ps, Version{Key: key, Timeout: time.Second}, 1); errs[0] != nil {
				t.Fatal(errs[0])
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		var alive []string
		for _, d := range y.made {
			if d.usable() {
				alive = append(alive, d.v.Key)
			}
		}
		if !slices.Equal(alive, []string{"b", "c"}) {
			t.Errorf("alive = %q, want b and c", alive)
		}
	})
}

func TestPoolLetsGoOfWhoLeaves(t *testing.T) {
	inPools(t, time.Hour, 1, func(t *testing.T, ps *pools, y *yard) {
		y.prepare = func(d *double) { d.work = 2 * time.Second }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		go together(ps, pooled, 1)
		time.Sleep(50 * time.Millisecond)
		if _, err := ps.invoke(ctx, pooled, Invocation{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		time.Sleep(3 * time.Second)
		if errs := together(ps, pooled, 1); errs[0] != nil {
			t.Errorf("afterwards: %v", errs[0])
		}
	})
}
