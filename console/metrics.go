package console

import (
	"context"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"glassine/telemetry"
)

// How often the metrics are read, and how many readings are kept: half an hour of them, in memory.
const (
	sampleEvery = 5 * time.Second
	samplesKept = 361
)

// keptLabels are the labels whose values are told apart; over all others a metric is summed up.
var keptLabels = []string{"le", "result", "status", "outcome"}

// sample is a reading: values by metric, by metric{label=value} for the labels that are kept, and by
// metric{distribution=value,result=value}.
type sample struct {
	at     time.Time
	values map[string]float64
}

// series are the last readings of the metrics. Safe for many goroutines.
type series struct {
	from http.Handler
	now  func() time.Time

	mu  sync.Mutex // guards all
	all []sample
}

func newSeries(from http.Handler, now func() time.Time) *series { return &series{from: from, now: now} }

// run reads the metrics until ctx ends.
func (s *series) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s.take(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *series) take(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return
	}
	w := httptest.NewRecorder()
	s.from.ServeHTTP(w, r)
	got := sample{s.now(), readMetrics(w.Body)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all = append(s.all, got); len(s.all) > samplesKept {
		s.all = slices.Delete(s.all, 0, len(s.all)-samplesKept)
	}
}

func (s *series) samples() []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// readMetrics sums what is exported up, as sample has it.
func readMetrics(r io.Reader) map[string]float64 {
	out := map[string]float64{}
	for s := range telemetry.Samples(r) {
		out[s.Name] += s.Value
		for _, l := range keptLabels {
			if value, ok := s.Labels[l]; ok {
				out[s.Name+"{"+l+"="+value+"}"] += s.Value
			}
		}
		if of, ok := s.Labels["distribution"]; ok && s.Labels["result"] != "" { // a distribution's page tells its own apart
			out[s.Name+"{distribution="+of+",result="+s.Labels["result"]+"}"] += s.Value
		}
	}
	return out
}

// rate is how much a counter grew each second between two readings; NaN where it was not read. A restart counts from 0.
func rate(a, b sample, key string) float64 {
	now, ok := b.values[key]
	seconds := b.at.Sub(a.at).Seconds()
	if !ok || seconds <= 0 {
		return math.NaN()
	}
	before := a.values[key]
	if now < before {
		before = 0
	}
	return (now - before) / seconds
}

// quantile is that of a histogram's growth between two readings, in its unit, linear within a bucket as Prometheus has it;
// NaN when nothing was observed.
func quantile(a, b sample, name string, q float64) float64 {
	type bucket struct{ le, n float64 }
	var buckets []bucket
	prefix := name + "_bucket{le="
	for _, key := range slices.Sorted(maps.Keys(b.values)) {
		text, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		le, err := strconv.ParseFloat(strings.TrimSuffix(text, "}"), 64)
		if err != nil {
			continue
		}
		buckets = append(buckets, bucket{le, b.values[key] - a.values[key]})
	}
	slices.SortFunc(buckets, func(x, y bucket) int {
		if x.le < y.le {
			return -1
		}
		return 1
	})
	if len(buckets) == 0 || buckets[len(buckets)-1].n <= 0 {
		return math.NaN()
	}
	rank, lower, below := q*buckets[len(buckets)-1].n, 0.0, 0.0
	for _, k := range buckets {
		if k.n >= rank {
			if math.IsInf(k.le, 1) || k.n == below {
				return lower
			}
			return lower + (k.le-lower)*(rank-below)/(k.n-below)
		}
		lower, below = k.le, k.n
	}
	return lower
}
