package console

import (
	"bufio"
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
	got := sample{s.now(), parseMetrics(w.Body)}
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

// parseMetrics reads Prometheus's text format 0.0.4. Lines that are none are passed over: they are our own.
func parseMetrics(r io.Reader) map[string]float64 {
	out := map[string]float64{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		name, labels, rest, ok := splitMetric(line)
		if !ok {
			continue
		}
		text, _, _ := strings.Cut(strings.TrimSpace(rest), " ") // a time may follow
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		out[name] += v
		for _, l := range keptLabels {
			if value, ok := labels[l]; ok {
				out[name+"{"+l+"="+value+"}"] += v
			}
		}
		if of, ok := labels["distribution"]; ok && labels["result"] != "" { // a distribution's page tells its own apart
			out[name+"{distribution="+of+",result="+labels["result"]+"}"] += v
		}
	}
	return out
}

// splitMetric takes a line apart: name{label="value",...} rest.
func splitMetric(line string) (name string, labels map[string]string, rest string, ok bool) {
	i := strings.IndexAny(line, "{ ")
	if i <= 0 {
		return "", nil, "", false
	}
	name, rest = line[:i], line[i:]
	if rest[0] == ' ' {
		return name, nil, rest, true
	}
	labels, rest = map[string]string{}, rest[1:]
	for {
		rest = strings.TrimLeft(rest, ", ")
		if after, end := strings.CutPrefix(rest, "}"); end {
			return name, labels, after, true
		}
		label, after, found := strings.Cut(rest, `="`)
		if !found {
			return "", nil, "", false
		}
		var value strings.Builder
		j := 0
		for j < len(after) && after[j] != '"' {
			if after[j] == '\\' && j+1 < len(after) {
				j++
			}
			value.WriteByte(after[j])
			j++
		}
		if j == len(after) {
			return "", nil, "", false
		}
		labels[label], rest = value.String(), after[j+1:]
	}
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
