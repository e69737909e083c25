package telemetry

import (
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// None stands in labels for what a request has none of: a distribution, when its host is nobody's.
const None = "none"

// Results are the values of the label result: what CloudFront's standard log calls x-edge-result-type, as far as the edge can come
// to it. (CloudFront Developer Guide, "Standard logging reference".)
var Results = [...]string{
	"Hit", "RefreshHit", "Miss", "Error", "Redirect", "LimitExceeded", "LambdaGeneratedResponse", "LambdaValidationError",
	"LambdaExecutionError", "LambdaLimitExceeded", "FunctionGeneratedResponse", "FunctionExecutionError",
}

// resultError is where Error stands among Results.
const resultError = 3

// requestShards is how many copies of its counters a RequestMeter has, a power of two: cores that count at the same time do not
// wait for each other's cache lines.
const requestShards = 8

// RequestMeter counts the requests of one behavior of a distribution. Count allocates nothing and takes no lock, so that a cached
// hit can be counted. Safe for many goroutines.
type RequestMeter struct {
	distribution, behavior string
	shards                 [requestShards]requestShard
	exemplars              [len(secondsBuckets) + 1]atomic.Pointer[prometheus.Exemplar]
}

// requestShard is one copy of the counters, on cache lines of its own.
type requestShard struct {
	results [len(Results)]atomic.Uint64
	buckets [len(secondsBuckets) + 1]atomic.Uint64 // requests that took so long, not cumulative
	nanos   atomic.Uint64                          // their sum
	bytes   atomic.Uint64
	_       [128]byte
}

// secondsBuckets are the upper bounds of every duration's histogram: a cached picture takes a tenth of a millisecond, a function up
// to a minute.
var secondsBuckets = [...]float64{.0001, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// bucketOf is the index of the first bucket that took fits in.
func bucketOf(took time.Duration) int {
	seconds := took.Seconds()
	for i, most := range secondsBuckets {
		if seconds <= most {
			return i
		}
	}
	return len(secondsBuckets)
}

// Count counts a request that took so long and whose answer had a body of so many bytes. result is one of Results; any other counts
// as Error. shard is any number: callers that run at the same time do well to give different ones. traceID, unless it is "", is
// shown beside the duration as an exemplar.
func (m *RequestMeter) Count(shard uint32, result string, took time.Duration, bytes int64, traceID string) {
	if m == nil {
		return
	}
	s := &m.shards[shard%requestShards]
	index := slices.Index(Results[:], result)
	if index < 0 {
		index = resultError
	}
	took = max(took, 0)
	bucket := bucketOf(took)
	s.results[index].Add(1)
	s.buckets[bucket].Add(1)
	s.nanos.Add(uint64(took))
	s.bytes.Add(uint64(max(bytes, 0)))
	if traceID != "" {
		m.exemplars[bucket].Store(newExemplar(traceID, took))
	}
}

// sum adds the shards up.
func (m *RequestMeter) sum() (results [len(Results)]uint64, buckets [len(secondsBuckets) + 1]uint64, seconds float64, bytes uint64) {
	var nanos uint64
	for i := range m.shards {
		s := &m.shards[i]
		for k := range results {
			results[k] += s.results[k].Load()
		}
		for k := range buckets {
			buckets[k] += s.buckets[k].Load()
		}
		nanos += s.nanos.Load()
		bytes += s.bytes.Load()
	}
	return results, buckets, float64(nanos) / 1e9, bytes
}

// Requests are the RequestMeters of the edge: the metrics glassine_edge_requests_total, glassine_edge_request_duration_seconds and
// glassine_edge_response_bytes_total.
type Requests struct {
	mu     sync.Mutex // guards meters
	meters map[[2]string]*RequestMeter

	requests, duration, bytes *prometheus.Desc
	collapsed                 prometheus.Counter
	origins                   *prometheus.HistogramVec
	seen                      map[string]bool // origins; mu guards it
}

func newRequests(registry *prometheus.Registry) *Requests {
	r := &Requests{
		meters:   map[[2]string]*RequestMeter{},
		requests: prometheus.NewDesc("glassine_edge_requests_total", "Viewers' requests, by distribution, behavior and result in CloudFront's words.", []string{"distribution", "behavior", "result"}, nil),
		duration: prometheus.NewDesc("glassine_edge_request_duration_seconds", "Time from a viewer's request to the end of its answer.", []string{"distribution", "behavior"}, nil),
		bytes:    prometheus.NewDesc("glassine_edge_response_bytes_total", "Bytes of the bodies that viewers got.", []string{"distribution", "behavior"}, nil),
		collapsed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "glassine_edge_collapsed_requests_total", Help: "Viewers' requests that another request's fetch answered.",
		}),
		origins: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "glassine_origin_request_duration_seconds", Help: "Time from a request to an origin to the header of its answer, or to its failure.", Buckets: seconds,
		}, []string{"origin"}),
		seen: map[string]bool{},
	}
	registry.MustRegister(r, r.collapsed, r.origins)
	return r
}

// Collapsed counts a request that another one's fetch answered.
func (r *Requests) Collapsed() {
	if r != nil {
		r.collapsed.Inc()
	}
}

// Origin counts a request to an origin, by its domain name as a distribution has it.
func (r *Requests) Origin(origin string, took time.Duration) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.seen[origin] = true
	r.mu.Unlock()
	r.origins.WithLabelValues(origin).Observe(took.Seconds())
}

// KeepOrigins drops the series of all origins but those that wanted says yes to.
func (r *Requests) KeepOrigins(wanted func(origin string) bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for origin := range r.seen {
		if !wanted(origin) {
			r.origins.DeleteLabelValues(origin)
			delete(r.seen, origin)
		}
	}
}

// Meter returns the meter of a behavior, by the distribution's id and the behavior's path pattern: the same one for the same names,
// until Keep drops it. A nil Requests returns nil, which counts nothing.
func (r *Requests) Meter(distribution, behavior string) *RequestMeter {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{distribution, behavior}
	m := r.meters[key]
	if m == nil {
		m = &RequestMeter{distribution: distribution, behavior: behavior}
		r.meters[key] = m
	}
	return m
}

// Keep drops the meters of all behaviors but those that wanted says yes to. What is counted on a dropped one is not shown.
func (r *Requests) Keep(wanted func(distribution, behavior string) bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.meters {
		if !wanted(key[0], key[1]) {
			delete(r.meters, key)
		}
	}
}

// Describe implements prometheus.Collector.
func (r *Requests) Describe(to chan<- *prometheus.Desc) {
	to <- r.requests
	to <- r.duration
	to <- r.bytes
}

// Collect implements prometheus.Collector. Of results only those that came are shown, and of behaviors those that had a request.
func (r *Requests) Collect(to chan<- prometheus.Metric) {
	r.mu.Lock()
	meters := make([]*RequestMeter, 0, len(r.meters))
	for _, m := range r.meters {
		meters = append(meters, m)
	}
	r.mu.Unlock()
	for _, m := range meters {
		results, buckets, seconds, bytes := m.sum()
		total := uint64(0)
		for i, n := range results {
			if n > 0 {
				to <- prometheus.MustNewConstMetric(r.requests, prometheus.CounterValue, float64(n), m.distribution, m.behavior, Results[i])
			}
			total += n
		}
		if total == 0 {
			continue
		}
		to <- prometheus.MustNewConstMetric(r.bytes, prometheus.CounterValue, float64(bytes), m.distribution, m.behavior)
		to <- withExemplars(histogramOf(r.duration, buckets, seconds, m.distribution, m.behavior), m.exemplars[:])
	}
}

// histogramOf makes a metric of counts that are not cumulative.
func histogramOf(desc *prometheus.Desc, buckets [len(secondsBuckets) + 1]uint64, sum float64, labels ...string) prometheus.Metric {
	cumulative, count := make(map[float64]uint64, len(secondsBuckets)), uint64(0)
	for i, n := range buckets {
		count += n
		if i < len(secondsBuckets) {
			cumulative[secondsBuckets[i]] = count
		}
	}
	return prometheus.MustNewConstHistogram(desc, count, sum, cumulative, labels...)
}

func newExemplar(traceID string, took time.Duration) *prometheus.Exemplar {
	return &prometheus.Exemplar{Value: took.Seconds(), Labels: prometheus.Labels{"trace_id": traceID}, Timestamp: time.Now()}
}

// withExemplars adds the exemplars that there are to a histogram.
func withExemplars(m prometheus.Metric, from []atomic.Pointer[prometheus.Exemplar]) prometheus.Metric {
	var list []prometheus.Exemplar
	for i := range from {
		if e := from[i].Load(); e != nil {
			list = append(list, *e)
		}
	}
	if len(list) == 0 {
		return m
	}
	sort.Slice(list, func(i, k int) bool { return list[i].Value < list[k].Value })
	out, err := prometheus.NewMetricWithExemplars(m, list...)
	if err != nil || math.IsNaN(list[0].Value) {
		return m
	}
	return out
}
