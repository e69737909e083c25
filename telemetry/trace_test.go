package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTraceHasWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder("id", time.Now)
		ctx := WithRecorder(t.Context(), r)
		time.Sleep(time.Millisecond)
		inner, outer := StartSpan(ctx, "outer", "a", "1")
		time.Sleep(2 * time.Millisecond)
		_, step := StartSpan(inner, "inner")
		time.Sleep(3 * time.Millisecond)
		step.Fail(errors.New("no"))
		step.End("late", "ignored")
		AddSpan(inner, "measured", time.Millisecond)
		r.Fact("x", "y", "because")
		outer.End("b", "2")
		_, _ = StartSpan(ctx, "open")
		got := r.Trace()
		if len(got.TraceID) != 32 || got.RequestID != "id" || len(got.Facts) != 1 || got.Facts[0] != (Fact{"x", "y", "because"}) || len(got.Spans) != 4 {
			t.Fatalf("trace = %+v", got)
		}
		for i, want := range []struct {
			name            string
			start, duration int64
			err, attributes string
			parent          string
		}{
			{"outer", 1000, 5000, "", "map[a:1 b:2]", ""},
			{"inner", 3000, 3000, "no", "map[]", got.Spans[0].SpanID},
			{"measured", 5000, 1000, "", "map[]", got.Spans[0].SpanID},
			{"open", 6000, -1, "", "map[]", ""},
		} {
			s := got.Spans[i]
			if s.Name != want.name || s.Start != want.start || s.Duration != want.duration || s.Error != want.err || s.ParentID != want.parent || fmt.Sprint(s.Attributes) != want.attributes {
				t.Errorf("span %d = %+v, want %+v", i, s, want)
			}
		}
	})
}

func TestWithoutARecorderNothingIsRecorded(t *testing.T) {
	ctx := context.Background()
	allocations := testing.AllocsPerRun(100, func() {
		inner, s := StartSpan(ctx, "a")
		s.End()
		s.Fail(errBoom)
		AddSpan(inner, "b", 1)
		RecorderOf(inner).Fact("a", "b", "c")
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want 0", allocations)
	}
}

var errBoom = errors.New("boom")

func TestTracesAreBounded(t *testing.T) {
	r := NewRecorder("id", time.Now)
	ctx := WithRecorder(t.Context(), r)
	for range TraceLimit + 5 {
		r.Fact("a", "b", "c")
		_, s := StartSpan(ctx, "s")
		s.End()
	}
	got := r.Trace()
	if len(got.Facts) != TraceLimit || len(got.Spans) != TraceLimit || got.Dropped != 10 {
		t.Errorf("%d facts, %d spans, %d dropped", len(got.Facts), len(got.Spans), got.Dropped)
	}

	kept := NewTraces(3)
	var all sync.WaitGroup
	for i := range 5 {
		kept.Add(NewRecorder(fmt.Sprint(i), time.Now))
		all.Go(func() { kept.Latest(2) })
	}
	all.Wait()
	latest := kept.Latest(10)
	if len(latest) != 3 || latest[0].RequestID != "4" || latest[2].RequestID != "2" {
		t.Errorf("latest = %+v, want 4, 3, 2", latest)
	}
	if len(kept.Latest(1)) != 1 {
		t.Error("Latest(1) is not one")
	}
	if _, ok := kept.Get("1"); ok {
		t.Error("the trace of 1 is still there")
	}
	if got, ok := kept.Get("3"); !ok || got.RequestID != "3" {
		t.Errorf("Get(3) = %+v, %v", got, ok)
	}
	if _, ok := (*Traces)(nil).Get("3"); ok {
		t.Error("nothing keeps a trace")
	}
}
