package telemetry

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// functionMetrics are those of Lambda functions, by the function's name.
type functionMetrics struct {
	invocations    *prometheus.CounterVec
	duration, init *prometheus.HistogramVec
	seen           *functionNames
}

// functionNames are the functions that have series.
type functionNames struct {
	mu  sync.Mutex // guards all
	all map[string]bool
}

func newFunctionMetrics(r *prometheus.Registry) functionMetrics {
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "glassine_lambda_" + name, Help: help, Buckets: seconds}, []string{"function"})
	}
	m := functionMetrics{
		invocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glassine_lambda_invocations_total", Help: "Invocations of functions, by what came of them: success, error (of the function), timeout, throttled, refused (the role, the code or the payload), failed (of the machine), cancelled (by who asked).",
		}, []string{"function", "result"}),
		duration: histogram("duration_seconds", "Time that a function ran for an invocation, without the start of its process."),
		init:     histogram("init_duration_seconds", "Time that a process of a function took from its start until it asked for its first event, where an invocation waited for it."),
		seen:     &functionNames{all: map[string]bool{}},
	}
	r.MustRegister(m.invocations, m.duration, m.init)
	return m
}

// Invocation is one invocation of a function.
type Invocation struct {
	Function string // name
	Result   string // one of those that glassine_lambda_invocations_total lists
	// Took is how long it ran, Init how long its process took to start: 0 where it did not run, or had a process.
	Took, Init time.Duration
	TraceID    string // shown beside the duration as an exemplar; "" is none
}

// Invoked counts an invocation.
func (m *Metrics) Invoked(i Invocation) {
	w := &m.work
	w.seen.mu.Lock()
	w.seen.all[i.Function] = true
	w.seen.mu.Unlock()
	w.invocations.WithLabelValues(i.Function, i.Result).Inc()
	if i.Took > 0 {
		observe(w.duration.WithLabelValues(i.Function), i.Took, i.TraceID)
	}
	if i.Init > 0 {
		observe(w.init.WithLabelValues(i.Function), i.Init, i.TraceID)
	}
}

// FunctionGone drops the series of a function that was deleted.
func (m *Metrics) FunctionGone(function string) {
	w := &m.work
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	if !w.seen.all[function] {
		return
	}
	delete(w.seen.all, function)
	labels := prometheus.Labels{"function": function}
	w.invocations.DeletePartialMatch(labels)
	w.duration.DeletePartialMatch(labels)
	w.init.DeletePartialMatch(labels)
}

// Concurrency adds how many invocations run now, by function, as read tells it. It is called once.
func (m *Metrics) Concurrency(read func() map[string]int) {
	running := prometheus.NewDesc("glassine_lambda_concurrency", "Invocations under way, by function.", []string{"function"}, nil)
	m.registry.MustRegister(collectorFunc{[]*prometheus.Desc{running}, func(to chan<- prometheus.Metric) {
		for function, n := range read() {
			to <- prometheus.MustNewConstMetric(running, prometheus.GaugeValue, float64(n), function)
		}
	}})
}

// observe notes a duration, with a trace that shows it unless its id is "".
func observe(o prometheus.Observer, took time.Duration, traceID string) {
	if e, ok := o.(prometheus.ExemplarObserver); ok && traceID != "" {
		e.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": traceID})
		return
	}
	o.Observe(took.Seconds())
}
