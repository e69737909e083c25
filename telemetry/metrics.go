package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what Prometheus reads from /metrics. A label is a name that an administrator gave, or one of a fixed set:
// never a path, a key or anything that a stranger can make up. Safe for many goroutines.
type Metrics struct {
	registry *prometheus.Registry
	lambda   objectLambdaMetrics
	settings settingsMetrics
	requests *Requests
	calls    callMetrics
	work     functionMetrics
	content  contentMetrics

	pictures       *prometheus.CounterVec
	pictureTime    prometheus.Histogram
	pictureWorkers prometheus.Counter
}

// objectLambdaMetrics are those of S3 Object Lambda, by access point. (Amazon S3 User Guide, "Metrics and dimensions", S3
// Object Lambda request metrics, under Prometheus's naming rules.)
type objectLambdaMetrics struct {
	requests, errors, received, sent *prometheus.CounterVec
	function, firstByte, duration    *prometheus.HistogramVec
}

// seconds are the buckets of every duration but that of an answer from the cache.
var seconds = secondsBuckets[1:]

// NewMetrics makes metrics that are all zero.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "glassine_build_info", Help: "Always 1; the label says which version runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.settings = newSettingsMetrics(m.registry)
	m.requests = newRequests(m.registry)
	m.calls, m.work, m.content = newCallMetrics(m.registry), newFunctionMetrics(m.registry), newContentMetrics(m.registry)
	m.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "glassine_object_lambda_" + name, Help: help}, append([]string{"access_point"}, labels...))
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "glassine_object_lambda_" + name, Help: help, Buckets: seconds}, []string{"access_point"})
		m.registry.MustRegister(h)
		return h
	}
	m.lambda = objectLambdaMetrics{
		requests:  counter("requests_total", "Requests on an Object Lambda access point, by operation, who answered and status.", "operation", "answered_by", "status"),
		errors:    counter("errors_total", "Requests on an Object Lambda access point that were answered with an error, by its code.", "code"),
		received:  counter("received_bytes_total", "Bytes of the bodies that callers of an Object Lambda access point sent."),
		sent:      counter("sent_bytes_total", "Bytes of the bodies that callers of an Object Lambda access point got."),
		function:  histogram("function_duration_seconds", "Time from the invocation of the function to its answer, or to its end without one."),
		firstByte: histogram("first_byte_seconds", "Time from the request to the beginning of its answer."),
		duration:  histogram("request_duration_seconds", "Time from the request to the end of its answer."),
	}
	m.pictures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "glassine_picture_jobs_total", Help: "Pictures that workers were to make, by what came of it.",
	}, []string{"outcome"})
	m.pictureTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "glassine_picture_job_duration_seconds", Help: "Time that a worker had a picture, whatever came of it.", Buckets: seconds,
	})
	m.pictureWorkers = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "glassine_picture_workers_started_total", Help: "Worker processes for pictures that were started.",
	})
	m.registry.MustRegister(m.pictures, m.pictureTime, m.pictureWorkers)
	return m
}

// Picture counts a job of the pixel engine. took is 0 when no worker had it.
func (m *Metrics) Picture(outcome string, took time.Duration) {
	m.pictures.WithLabelValues(outcome).Inc()
	if took > 0 {
		m.pictureTime.Observe(took.Seconds())
	}
}

// PictureWorker counts a worker that was started.
func (m *Metrics) PictureWorker() { m.pictureWorkers.Inc() }

// Handler answers in Prometheus's text format, or in OpenMetrics, which has the exemplars, for who asks for that.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Requests are the counters of viewers' requests, for the edge.
func (m *Metrics) Requests() *Requests { return m.requests }

// ObjectLambdaRequest is one request on an Object Lambda access point.
type ObjectLambdaRequest struct {
	AccessPoint string // name
	Operation   string
	ByFunction  bool
	Status      int    // 0 when the connection was reset
	Code        string // of an error that is not the function's own, or ""
	OwnError    bool   // the function answered with an error of its own
	In, Out     int64  // bytes

	FunctionTime, FirstByte, Total time.Duration
}

// ObjectLambda counts a request.
func (m *Metrics) ObjectLambda(r ObjectLambdaRequest) {
	by := "access_point"
	if r.ByFunction {
		by = "function"
		m.lambda.function.WithLabelValues(r.AccessPoint).Observe(r.FunctionTime.Seconds())
	}
	status := "reset"
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	if r.Operation == "" {
		r.Operation = "other"
	}
	m.lambda.requests.WithLabelValues(r.AccessPoint, r.Operation, by, status).Inc()
	switch {
	case r.OwnError:
		m.lambda.errors.WithLabelValues(r.AccessPoint, "of_the_function").Inc()
	case r.Code != "":
		m.lambda.errors.WithLabelValues(r.AccessPoint, r.Code).Inc()
	}
	m.lambda.received.WithLabelValues(r.AccessPoint).Add(float64(r.In))
	m.lambda.sent.WithLabelValues(r.AccessPoint).Add(float64(r.Out))
	if r.FirstByte > 0 {
		m.lambda.firstByte.WithLabelValues(r.AccessPoint).Observe(r.FirstByte.Seconds())
	}
	m.lambda.duration.WithLabelValues(r.AccessPoint).Observe(r.Total.Seconds())
}
