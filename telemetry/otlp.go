package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// OTLP says where traces are exported to, over OTLP/HTTP in JSON. The zero value exports none. (OpenTelemetry Protocol
// Specification 1.8, "OTLP/HTTP".)
type OTLP struct {
	// URL is what batches are posted to, such as http://localhost:4318/v1/traces; "" exports nothing.
	URL string
	// Headers are sent with each batch; they may hold a credential.
	Headers map[string]string
	// Timeout is how long one attempt may take; 0 means 10 s.
	Timeout time.Duration
	// Gzip compresses the batches.
	Gzip bool
	// Resource are attributes of the process, such as service.name and service.version.
	Resource map[string]string
	// Ratio is which part of the traces is exported, chosen by their ids; 0 means all, less than 0 none.
	Ratio float64
	// Delay is how long a batch waits for more; 0 means 5 s.
	Delay time.Duration
	// Transport carries the batches; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Log gets what an operator must know; nil means slog.Default.
	Log *slog.Logger
}

// How much waits, how much goes in one batch, and how long a batch is tried for.
const (
	exportQueue = 1024 // traces
	exportBatch = 64   // traces, of at most TraceLimit+1 spans each
	exportTries = time.Minute
)

// ExportCounts are what became of spans.
type ExportCounts struct {
	Sent     int64 // taken by the receiver
	Rejected int64 // by the receiver, as it said
	Failed   int64 // the receiver could not be reached in time, or refused the batch
	Dropped  int64 // too many waited, or the process ended before they were sent
}

// Exporter sends traces to an OTLP receiver, off the path of requests: what finds the queue full is dropped and counted. Safe for
// many goroutines.
type Exporter struct {
	cfg    OTLP
	queue  chan *Recorder
	ctx    context.Context // ends when what waits is given up
	cancel context.CancelFunc
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended

	sent, rejected, failed, dropped atomic.Int64
	closing                         sync.Once
	warned                          time.Time // when the last failure was logged; only the goroutine uses it
}

// NewExporter starts an Exporter; the caller closes it.
func NewExporter(cfg OTLP) *Exporter {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Delay == 0 {
		cfg.Delay = 5 * time.Second
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	e := &Exporter{cfg: cfg, queue: make(chan *Recorder, exportQueue), stop: make(chan struct{}), done: make(chan struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return e
}

// Counts returns what became of spans so far. A nil Exporter has none.
func (e *Exporter) Counts() ExportCounts {
	if e == nil {
		return ExportCounts{}
	}
	return ExportCounts{e.sent.Load(), e.rejected.Load(), e.failed.Load(), e.dropped.Load()}
}

// Export takes the trace of a request that is over. It never blocks.
func (e *Exporter) Export(r *Recorder) {
	if !e.chosen(r.TraceID()) {
		return
	}
	select {
	case e.queue <- r:
	default:
		e.dropped.Add(int64(r.spans()))
	}
}

// chosen decides by the last 7 bytes of a trace id, as samplers by ratio do. (OpenTelemetry Specification, "TraceIdRatioBased".)
func (e *Exporter) chosen(traceID string) bool {
	if e.cfg.Ratio == 0 || e.cfg.Ratio >= 1 {
		return true
	}
	n, err := strconv.ParseUint(traceID[len(traceID)-14:], 16, 64)
	return err == nil && float64(n) < e.cfg.Ratio*(1<<56)
}

// spans is how many spans the trace has as OTLP.
func (r *Recorder) spans() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.trace.Spans) + 1
}

// Close sends what waits, for 2 seconds at most, and ends the Exporter.
func (e *Exporter) Close() error {
	e.closing.Do(func() {
		close(e.stop)
		t := time.AfterFunc(2*time.Second, e.cancel)
		<-e.done
		t.Stop()
		e.cancel()
	})
	return nil
}

// run gathers batches and sends them, one after the other.
func (e *Exporter) run() {
	defer close(e.done)
	for {
		var batch []*Recorder
		select {
		case r := <-e.queue:
			batch = append(batch, r)
		case <-e.stop:
			e.rest(nil)
			return
		}
		for wait := time.After(e.cfg.Delay); len(batch) < exportBatch && wait != nil; {
			select {
			case r := <-e.queue:
				batch = append(batch, r)
			case <-wait:
				wait = nil
			case <-e.stop:
				e.rest(batch)
				return
			}
		}
		e.send(batch)
	}
}

// rest sends what waits when the Exporter is closed.
func (e *Exporter) rest(batch []*Recorder) {
	for {
		select {
		case r := <-e.queue:
			batch = append(batch, r)
		default:
			if len(batch) > 0 {
				e.send(batch)
			}
			return
		}
	}
}

// send posts a batch until it is taken or refused, or has been tried for long enough.
func (e *Exporter) send(batch []*Recorder) {
	traces := make([]Trace, len(batch))
	spans := int64(0)
	for i, r := range batch {
		traces[i] = r.Trace()
		spans += int64(len(traces[i].Spans)) + 1
	}
	body, err := e.body(traces)
	if err != nil {
		e.fail(spans, err)
		return
	}
	until := time.Now().Add(exportTries)
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		rejected, again, err := e.post(body)
		if err == nil {
			e.sent.Add(spans - rejected)
			e.rejected.Add(rejected)
			return
		}
		var after *retryError
		pause := wait/2 + rand.N(wait) // so that many that failed together do not come back together
		if errors.As(err, &after) && after.wait > 0 {
			pause = after.wait
		}
		if !again || time.Now().Add(pause).After(until) {
			e.fail(spans, err)
			return
		}
		select {
		case <-time.After(pause):
		case <-e.stop:
			e.fail(spans, err)
			return
		}
	}
}

// fail counts spans that were not sent, and says so once a minute.
func (e *Exporter) fail(spans int64, err error) {
	e.failed.Add(spans)
	if now := time.Now(); now.Sub(e.warned) >= time.Minute {
		e.warned = now
		e.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "traces not exported", slog.String("error", err.Error()))
	}
}

// body is a batch as it is sent.
func (e *Exporter) body(traces []Trace) ([]byte, error) {
	text, err := json.Marshal(otlpRequest(e.cfg.Resource, traces))
	if err != nil || !e.cfg.Gzip {
		return text, err
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err = z.Write(text)
	err = errors.Join(err, z.Close()) // which writes the end
	return out.Bytes(), err
}

// retryError is an answer after which the batch may be sent again, after so long if that is not 0.
type retryError struct {
	status string
	wait   time.Duration
}

func (e *retryError) Error() string { return "the receiver answered " + e.status }

// post is one attempt. It returns how many spans the receiver rejected, and whether it may be tried again. (OTLP specification,
// "OTLP/HTTP Response": 429, 502, 503 and 504 may be, after what Retry-After says.)
func (e *Exporter) post(body []byte) (rejected int64, again bool, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	for name, value := range e.cfg.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/json")
	if e.cfg.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := e.cfg.Transport.RoundTrip(req) // which follows no redirect: a credential may be in the headers
	if err != nil {
		return 0, e.ctx.Err() == nil, fmt.Errorf("post traces: %w", err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // 64 KiB; what is cut is no JSON and says nothing
	switch resp.StatusCode {
	case http.StatusOK:
		var said struct {
			PartialSuccess struct {
				RejectedSpans json.Number `json:"rejectedSpans"`
				ErrorMessage  string      `json:"errorMessage"`
			} `json:"partialSuccess"`
		}
		if json.Unmarshal(answer, &said) == nil {
			rejected, _ = said.PartialSuccess.RejectedSpans.Int64() // "" is none
		}
		return max(0, rejected), false, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return 0, true, &retryError{resp.Status, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	return 0, false, fmt.Errorf("the receiver answered %s", resp.Status)
}

// retryAfter reads the field of that name: seconds, or a date (RFC 9110, section 10.2.3); 0 is neither.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
