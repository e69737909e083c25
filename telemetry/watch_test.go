package telemetry

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestSinceSeesARequestGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := NewTraces(4)
		look := func(after uint64) (string, uint64) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			all, next := kept.Since(ctx, after, 10)
			said := ""
			for _, trace := range all {
				said += fmt.Sprintf("%s:%d:%v ", trace.RequestID, len(trace.Spans), trace.Ended)
			}
			return said, next
		}
		began := time.Now()
		if got, _ := look(0); got != "" || time.Since(began) != time.Minute {
			t.Fatalf("without a request = %q after %v, want nothing after a minute", got, time.Since(began))
		}
		r := NewRecorder("a", time.Now)
		ctx := WithRecorder(t.Context(), r)
		go func() {
			time.Sleep(time.Second)
			kept.Begin(r, false)
			time.Sleep(time.Second)
			_, step := StartSpan(ctx, "step")
			time.Sleep(time.Second)
			step.End()
			time.Sleep(time.Second)
			kept.Add(r)
		}()
		next := uint64(0)
		for i, want := range []string{"a:0:false ", "a:1:false ", "a:1:false ", "a:1:true "} {
			var got string
			if got, next = look(next); got != want {
				t.Errorf("look %d = %q, want %q", i, got, want)
			}
		}
		if got := len(kept.Latest(10)); got != 1 {
			t.Errorf("a request that was watched is kept %d times, want once", got)
		}
		if got, _ := look(next + 1000); got != "a:1:true " {
			t.Errorf("from a point of an earlier process = %q, want all", got)
		}
	})
}

func TestHitsAreRecordedWhileSomebodyWatches(t *testing.T) {
	kept := NewTraces(2)
	if kept.TakeHit() || (*Traces)(nil).TakeHit() || (*Traces)(nil).WantsHits() {
		t.Error("a hit is recorded and nobody watches")
	}
	kept.Add(NewRecorder("miss", time.Now))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	kept.Since(over, 0, 1)
	taken := 0
	for range 50 {
		if kept.TakeHit() {
			kept.Begin(NewRecorder("hit", time.Now), true)
			taken++
		}
	}
	if taken != hitsPerLook {
		t.Errorf("%d hits for one look, want %d", taken, hitsPerLook)
	}
	if _, ok := kept.Get("miss"); !ok {
		t.Error("hits pushed out a miss")
	}
	if got := len(kept.Latest(100)); got != 1+hitsPerLook {
		t.Errorf("%d traces, want the miss and the hits", got)
	}
}
