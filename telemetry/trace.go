package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Trace is what happened to one request of a viewer, from the edge to the store: what was decided about it and why, and how long
// each step took. It is for administrators: it names functions, buckets and keys. It holds no credentials.
//
// Names of attributes and the shape of a span are OpenTelemetry's (Semantic Conventions 1.37; what is ours alone begins with
// glassine), so that an exporter has nothing to translate.
type Trace struct {
	TraceID   string    `json:"traceId"`   // 32 hex digits; the first 8 are the seconds since 1970, as X-Ray wants them
	SpanID    string    `json:"spanId"`    // 16 hex digits, of the request as a whole, which is over the spans that have no parent
	RequestID string    `json:"requestId"` // X-Amz-Cf-Id, which the origin saw too
	Began     time.Time `json:"began"`
	// Facts are in the order in which they were decided, Spans in the order in which they began.
	Facts []Fact `json:"facts"`
	Spans []Span `json:"spans"`
	// Dropped counts the facts and spans beyond TraceLimit.
	Dropped int `json:"dropped,omitempty"`
	// Ended says that the request is over; before that a trace still grows.
	Ended bool `json:"ended"`
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

	mu     sync.Mutex // guards trace, events and kept
	trace  Trace
	events []FunctionEvent
	kept   *Traces // nil until it is told of changes

	bytes int64  // what trace and events take, about; guarded by mu
	seq   uint64 // of the last change; kept.mu guards it
}

// unlock gives mu back, and says that there is something new.
func (r *Recorder) unlock() {
	kept := r.kept
	r.mu.Unlock()
	kept.changed(r)
}

// NewRecorder begins a trace of the request with that id. now is the clock; its monotonic reading counts, if it has one.
func NewRecorder(requestID string, now func() time.Time) *Recorder {
	// Nothing of the id comes from the request: who could choose it could put his steps into another's trace.
	var id [24]byte
	rand.Read(id[:])
	began := now()
	binary.BigEndian.PutUint32(id[:], uint32(began.Unix()))
	return &Recorder{now: now, bytes: traceBytes, trace: Trace{
		TraceID: hex.EncodeToString(id[:16]), SpanID: hex.EncodeToString(id[16:]), RequestID: requestID, Began: began,
	}}
}

// Fact notes something that was decided.
func (r *Recorder) Fact(name, value, why string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.unlock()
	if len(r.trace.Facts) == TraceLimit {
		r.drop()
		return
	}
	f := Fact{name, short(value), short(why)}
	r.grow(factBytes + len(f.Value) + len(f.Why))
	r.trace.Facts = append(r.trace.Facts, f)
}

// Begun changes the id of the request and when it began, where those come to be known after the Recorder.
func (r *Recorder) Begun(requestID string, began time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.unlock()
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
	AddSpanBefore(ctx, name, took, 0, attributes...)
}

// AddSpanBefore notes a step under that of ctx that has been over for some time: it took so long until then.
func AddSpanBefore(ctx context.Context, name string, took, since time.Duration, attributes ...string) {
	in, _ := ctx.Value(spanKey{}).(Point)
	if in.r == nil {
		return
	}
	end := in.r.now().Add(-since)
	in.r.start(name, in.span, end.Add(-took), attributes).endAt(end, nil)
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
	defer r.unlock()
	if len(r.trace.Spans) == TraceLimit {
		r.drop()
		return nil
	}
	r.grow(spanBytes + sizeOf(attributes))
	span.Start = max(0, at.Sub(r.trace.Began).Microseconds())
	s.at = len(r.trace.Spans)
	r.trace.Spans = append(r.trace.Spans, span)
	return s
}

func set(to map[string]string, attributes []string) {
	for i := 0; i+1 < len(attributes); i += 2 {
		to[attributes[i]] = short(attributes[i+1])
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
			s.r.trace.Spans[s.at].Error = short(err.Error())
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
	defer s.r.unlock()
	span := &s.r.trace.Spans[s.at]
	if span.Duration >= 0 {
		return
	}
	span.Duration = max(0, now.Sub(s.r.trace.Began).Microseconds()-span.Start)
	set(span.Attributes, attributes)
	s.r.grow(sizeOf(attributes))
}

// Traces keeps the traces of the last requests. Safe for many goroutines.
type Traces struct {
	// MaxBytes is what all that are kept may take, about. NewTraces sets 32 MiB; it is changed before the first request only.
	MaxBytes int64
	// Export, unless it is nil, gets the Recorder of each request that is over, in the order in which they end. It must not block,
	// and is set before the first request.
	Export func(*Recorder)

	budget  atomic.Int32 // hits that are still to be recorded for whoever watches
	bytes   atomic.Int64 // of all that are kept
	dropped atomic.Int64 // traces that gave way to later ones
	cut     atomic.Int64 // facts, spans and events beyond what a trace may have

	mu      sync.Mutex // guards what follows
	ring    []*Recorder
	next    int
	hits    []*Recorder // recorded while somebody watched; nil before that
	nextHit int
	seq     uint64        // of the last change of any
	wake    chan struct{} // closed by the next change; nil while nobody waits
}

// NewTraces keeps that many traces, some 5 KiB each, as long as they take no more than Traces.MaxBytes.
func NewTraces(most int) *Traces { return &Traces{MaxBytes: 32 << 20, ring: make([]*Recorder, most)} }

// Dropped returns how many traces gave way to later ones, and how many facts, spans and events were beyond what a trace may have.
func (t *Traces) Dropped() (ring, limit int64) { return t.dropped.Load(), t.cut.Load() }

// Add keeps what r recorded of a request that is over, in place of the oldest unless Begin did so already.
func (t *Traces) Add(r *Recorder) {
	if r == nil {
		return
	}
	r.mu.Lock()
	r.trace.Ended = true
	begun := r.kept != nil
	r.unlock()
	if !begun {
		t.Begin(r, false)
	}
	if t != nil && t.Export != nil {
		t.Export(r)
	}
}

// Get returns the trace of the request with that id.
func (t *Traces) Get(requestID string) (Trace, bool) {
	if r := t.find(requestID); r != nil {
		return r.Trace(), true
	}
	return Trace{}, false
}

func (t *Traces) find(requestID string) *Recorder {
	for _, r := range t.latest() {
		r.mu.Lock()
		found := r.trace.RequestID == requestID
		r.mu.Unlock()
		if found {
			return r
		}
	}
	return nil
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
	out := make([]*Recorder, 0, len(t.ring)+len(t.hits))
	for i := range t.ring {
		if r := t.ring[(t.next-1-i+2*len(t.ring))%len(t.ring)]; r != nil {
			out = append(out, r)
		}
	}
	for i := range t.hits {
		if r := t.hits[(t.nextHit-1-i+2*len(t.hits))%len(t.hits)]; r != nil {
			out = append(out, r)
		}
	}
	if t.hits != nil {
		slices.SortStableFunc(out, func(a, b *Recorder) int { return b.began().Compare(a.began()) })
	}
	return out
}
