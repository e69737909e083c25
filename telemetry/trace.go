package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"
)

// Trace is what happened to one request of a viewer, from the edge to the store: what was decided about it and why, and how long
// each step took. It is for administrators: it names functions, buckets and keys. It holds no credentials.
//
// Names of attributes and the shape of a span are OpenTelemetry's (Semantic Conventions 1.37; what is ours alone begins with
// glassine), so that an exporter has nothing to translate.
type Trace struct {
	TraceID   string    `json:"traceId"`   // 32 hex digits
	RequestID string    `json:"requestId"` // X-Amz-Cf-Id, which the origin saw too
	Began     time.Time `json:"began"`
	// Facts are in the order in which they were decided, Spans in the order in which they began.
	Facts []Fact `json:"facts"`
	Spans []Span `json:"spans"`
	// Dropped counts the facts and spans beyond TraceLimit.
	Dropped int `json:"dropped,omitempty"`
}

// Fact is one thing that was decided about a request.
type Fact struct {
	Name  string `json:"name"`          // glassine.cache.key.query, http.response.status_code
	Value string `json:"value"`         // "" where there is nothing to name
	Why   string `json:"why,omitempty"` // a sentence without its full stop
}

// Span is one step. Times are in microseconds since the trace began.
type Span struct {
	SpanID     string            `json:"spanId"` // 16 hex digits
	ParentID   string            `json:"parentSpanId,omitempty"`
	Name       string            `json:"name"`
	Start      int64             `json:"startMicros"`
	Duration   int64             `json:"durationMicros"` // -1: it did not end
	Attributes map[string]string `json:"attributes,omitempty"`
	Error      string            `json:"error,omitempty"`
}

// TraceLimit is how many facts, and how many spans, a trace has at most. A request that goes through everything has some 30.
const TraceLimit = 128

// Recorder makes a Trace. All methods are safe for many goroutines and do nothing on a nil Recorder, so that who has none need not
// ask. What is recorded after a trace was read is in the next reading.
type Recorder struct {
	now func() time.Time

	mu    sync.Mutex // guards trace
	trace Trace
}

// NewRecorder begins a trace of the request with that id. now is the clock; its monotonic reading counts, if it has one.
func NewRecorder(requestID string, now func() time.Time) *Recorder {
	var id [16]byte
	rand.Read(id[:])
	return &Recorder{now: now, trace: Trace{TraceID: hex.EncodeToString(id[:]), RequestID: requestID, Began: now()}}
}

// Fact notes something that was decided.
func (r *Recorder) Fact(name, value, why string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.trace.Facts) == TraceLimit {
		r.trace.Dropped++
		return
	}
	r.trace.Facts = append(r.trace.Facts, Fact{name, value, why})
}

// Begun changes the id of the request and when it began, where those come to be known after the Recorder.
func (r *Recorder) Begun(requestID string, began time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trace.RequestID, r.trace.Began = requestID, began
}

// Trace returns what was recorded so far.
func (r *Recorder) Trace() Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.trace
	t.Facts, t.Spans = slices.Clone(t.Facts), slices.Clone(t.Spans)
	for i := range t.Spans {
		attributes := make(map[string]string, len(t.Spans[i].Attributes))
		for name, value := range t.Spans[i].Attributes {
			attributes[name] = value
		}
		t.Spans[i].Attributes = attributes
	}
	return t
}

// ActiveSpan is a step under way. A nil one does nothing.
type ActiveSpan struct {
	r  *Recorder
	at int // in r.trace.Spans
	id string
}

type spanKey struct{}

// WithRecorder returns a context whose spans r records.
func WithRecorder(ctx context.Context, r *Recorder) context.Context {
	return context.WithValue(ctx, spanKey{}, Point{r: r})
}

// RecorderOf returns the Recorder of ctx, or nil.
func RecorderOf(ctx context.Context) *Recorder {
	in, _ := ctx.Value(spanKey{}).(Point)
	return in.r
}

// Point is a place in a trace, under which spans may be put from elsewhere: by work that outlives whoever asked for it. The zero
// Point is in no trace.
type Point struct {
	r    *Recorder
	span *ActiveSpan // nil: under no span
}

// PointOf returns where ctx is.
func PointOf(ctx context.Context) Point {
	p, _ := ctx.Value(spanKey{}).(Point)
	return p
}

// Context returns ctx with its spans recorded at p; ctx itself when p is in no trace.
func (p Point) Context(ctx context.Context) context.Context {
	if p.r == nil {
		return ctx
	}
	return context.WithValue(ctx, spanKey{}, p)
}

// StartSpan begins a step under that of ctx. The context is for the steps within it. attributes are names and values in turn.
func StartSpan(ctx context.Context, name string, attributes ...string) (context.Context, *ActiveSpan) {
	in, _ := ctx.Value(spanKey{}).(Point)
	if in.r == nil {
		return ctx, nil
	}
	s := in.r.start(name, in.span, in.r.now(), attributes)
	if s == nil {
		return ctx, nil
	}
	return context.WithValue(ctx, spanKey{}, Point{in.r, s}), s
}

// AddSpan notes a step under that of ctx that is over: it took so long until now.
func AddSpan(ctx context.Context, name string, took time.Duration, attributes ...string) {
	in, _ := ctx.Value(spanKey{}).(Point)
	if in.r == nil {
		return
	}
	now := in.r.now()
	in.r.start(name, in.span, now.Add(-took), attributes).endAt(now, nil)
}

func (r *Recorder) start(name string, parent *ActiveSpan, at time.Time, attributes []string) *ActiveSpan {
	var raw [8]byte
	rand.Read(raw[:])
	s := &ActiveSpan{r: r, id: hex.EncodeToString(raw[:])}
	span := Span{SpanID: s.id, Name: name, Duration: -1, Attributes: map[string]string{}}
	if parent != nil {
		span.ParentID = parent.id
	}
	set(span.Attributes, attributes)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.trace.Spans) == TraceLimit {
		r.trace.Dropped++
		return nil
	}
	span.Start = max(0, at.Sub(r.trace.Began).Microseconds())
	s.at = len(r.trace.Spans)
	r.trace.Spans = append(r.trace.Spans, span)
	return s
}

func set(to map[string]string, attributes []string) {
	for i := 0; i+1 < len(attributes); i += 2 {
		to[attributes[i]] = attributes[i+1]
	}
}

// End ends the step, with attributes that came to be known. A step ends once; later calls do nothing.
func (s *ActiveSpan) End(attributes ...string) {
	if s != nil {
		s.endAt(s.r.now(), attributes)
	}
}

// Fail is End for a step that failed, unless err is nil.
func (s *ActiveSpan) Fail(err error, attributes ...string) {
	if s == nil {
		return
	}
	if err != nil {
		s.r.mu.Lock()
		if s.r.trace.Spans[s.at].Duration < 0 {
			s.r.trace.Spans[s.at].Error = err.Error()
		}
		s.r.mu.Unlock()
	}
	s.endAt(s.r.now(), attributes)
}

func (s *ActiveSpan) endAt(now time.Time, attributes []string) {
	if s == nil {
		return
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	span := &s.r.trace.Spans[s.at]
	if span.Duration >= 0 {
		return
	}
	span.Duration = max(0, now.Sub(s.r.trace.Began).Microseconds()-span.Start)
	set(span.Attributes, attributes)
}

// Traces keeps the traces of the last requests. Safe for many goroutines.
type Traces struct {
	mu   sync.Mutex // guards ring and next
	ring []*Recorder
	next int
}

// NewTraces keeps that many traces: some 5 KiB each.
func NewTraces(most int) *Traces { return &Traces{ring: make([]*Recorder, most)} }

// Add keeps what r records, in place of the oldest.
func (t *Traces) Add(r *Recorder) {
	if t == nil || r == nil || len(t.ring) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring[t.next] = r
	t.next = (t.next + 1) % len(t.ring)
}

// Get returns the trace of the request with that id.
func (t *Traces) Get(requestID string) (Trace, bool) {
	for _, r := range t.latest() {
		r.mu.Lock()
		found := r.trace.RequestID == requestID
		r.mu.Unlock()
		if found {
			return r.Trace(), true
		}
	}
	return Trace{}, false
}

// Latest returns up to most traces, the latest first.
func (t *Traces) Latest(most int) []Trace {
	all := t.latest()
	out := make([]Trace, 0, min(most, len(all)))
	for _, r := range all[:cap(out)] {
		out = append(out, r.Trace())
	}
	return out
}

func (t *Traces) latest() []*Recorder {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*Recorder, 0, len(t.ring))
	for i := range t.ring {
		if r := t.ring[(t.next-1-i+2*len(t.ring))%len(t.ring)]; r != nil {
			out = append(out, r)
		}
	}
	return out
}
