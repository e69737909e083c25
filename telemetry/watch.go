package telemetry

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// hitsKept is how many hits Traces keeps beside its ring, and hitsPerLook how many are recorded for each look of somebody who
// watches: hits are what an edge has most of, and recording one costs more than answering it.
const (
	hitsKept    = 100
	hitsPerLook = 20
)

// Begin keeps what r records from now on, while its request is under way, in place of the oldest. hit puts it among the hits,
// which are few and push out nothing else.
func (t *Traces) Begin(r *Recorder, hit bool) {
	if t == nil || r == nil || len(t.ring) == 0 {
		return
	}
	r.mu.Lock()
	r.kept = t
	t.bytes.Add(r.bytes)
	t.cut.Add(int64(r.trace.Dropped))
	r.mu.Unlock()
	t.mu.Lock()
	if hit {
		if t.hits == nil {
			t.hits = make([]*Recorder, hitsKept)
		}
		t.forget(t.hits, t.nextHit)
		t.hits[t.nextHit] = r
		t.nextHit = (t.nextHit + 1) % len(t.hits)
	} else {
		t.forget(t.ring, t.next)
		t.ring[t.next] = r
		t.next = (t.next + 1) % len(t.ring)
	}
	for i := 0; t.bytes.Load() > t.MaxBytes && i < len(t.ring)-1; i++ { // the oldest first, the newest never
		t.forget(t.ring, (t.next+i)%len(t.ring))
	}
	t.mu.Unlock()
	t.changed(r)
}

// changed notes that r has something new, and wakes who waits for it.
func (t *Traces) changed(r *Recorder) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq++
	r.seq = t.seq
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
}

// WantsHits reports whether somebody watches who has not seen as many hits as a look has. It is cheap.
func (t *Traces) WantsHits() bool { return t != nil && t.budget.Load() > 0 }

// TakeHit reports whether a hit is to be recorded, and counts it.
func (t *Traces) TakeHit() bool { return t.WantsHits() && t.budget.Add(-1) >= 0 }

// Since returns up to most traces that changed after the point that an earlier call returned (0: all), the latest change last,
// and the point to go on from. It waits for a change until ctx ends; then there are none. A call lets some of the next hits be
// recorded.
func (t *Traces) Since(ctx context.Context, after uint64, most int) (all []Trace, next uint64) {
	if t == nil {
		<-ctx.Done()
		return nil, after
	}
	t.budget.Store(hitsPerLook)
	for {
		found, seq, wake := t.since(after, most)
		if len(found) > 0 || ctx.Err() != nil {
			for _, r := range found {
				all = append(all, r.Trace())
			}
			return all, seq
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// since returns the recorders that changed after a point, and a channel that the next change closes.
func (t *Traces) since(after uint64, most int) (found []*Recorder, seq uint64, wake <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if after > t.seq { // a point of an earlier process
		after = 0
	}
	for _, ring := range [][]*Recorder{t.ring, t.hits} {
		for _, r := range ring {
			if r != nil && r.seq > after {
				found = append(found, r)
			}
		}
	}
	slices.SortFunc(found, func(a, b *Recorder) int { return cmp.Compare(a.seq, b.seq) })
	if len(found) > most {
		found = found[len(found)-most:]
	}
	if t.wake == nil {
		t.wake = make(chan struct{})
	}
	return found, t.seq, t.wake
}

// began is when r's request began.
func (r *Recorder) began() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trace.Began
}
