package telemetry

import (
	"context"
	"strings"
	"unicode/utf8"
)

// What a trace takes, about, in bytes: itself, and a fact or a span without its texts.
const (
	traceBytes = 512
	factBytes  = 64
	spanBytes  = 192
)

// longestText bounds each text of a trace: URLs and header fields are a stranger's, and may have 20 KiB.
const longestText = 2 << 10

// short is s, cut where it is longer than a trace keeps it.
func short(s string) string {
	if len(s) <= longestText {
		return s
	}
	cut := longestText
	for cut > longestText-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.Clone(s[:cut]) + "..."
}

// sizeOf is what names and values in turn take.
func sizeOf(attributes []string) int {
	n := 0
	for i := 0; i+1 < len(attributes); i += 2 {
		n += 2*16 + min(len(attributes[i+1]), longestText)
	}
	return n
}

// grow counts n bytes more. r.mu is held.
func (r *Recorder) grow(n int) {
	r.bytes += int64(n)
	if r.kept != nil {
		r.kept.bytes.Add(int64(n))
	}
}

// drop counts something that finds no place in the trace. r.mu is held.
func (r *Recorder) drop() {
	r.trace.Dropped++
	if r.kept != nil {
		r.kept.cut.Add(1)
	}
}

// forget empties a place of a ring. t.mu is held.
func (t *Traces) forget(ring []*Recorder, at int) {
	r := ring[at]
	if r == nil {
		return
	}
	ring[at] = nil
	r.mu.Lock()
	t.bytes.Add(-r.bytes)
	r.kept = nil
	r.mu.Unlock()
	t.dropped.Add(1)
}

// TraceID is the trace's id, "" of a nil Recorder.
func (r *Recorder) TraceID() string {
	if r == nil {
		return ""
	}
	return r.trace.TraceID // never changes
}

// TraceIDOf is the id of the trace that ctx is in, or "".
func TraceIDOf(ctx context.Context) string { return RecorderOf(ctx).TraceID() }

// ids are those of the trace and of the span that p is at.
func (p Point) ids() (trace, span string, ok bool) {
	if p.r == nil {
		return "", "", false
	}
	if p.span != nil {
		return p.r.TraceID(), p.span.id, true
	}
	return p.r.TraceID(), p.r.trace.SpanID, true
}

// Traceparent is where ctx is in its trace, as the header field of that name says it (W3C Trace Context, section 3.2); "" when it
// is in none. It is always sampled: what is not recorded has no trace.
func Traceparent(ctx context.Context) string {
	trace, span, ok := PointOf(ctx).ids()
	if !ok {
		return ""
	}
	return "00-" + trace + "-" + span + "-01"
}

// XRay is Traceparent as X-Amzn-Trace-Id and a function's _X_AMZN_TRACE_ID have it. (AWS X-Ray Developer Guide, "Tracing header".)
func XRay(ctx context.Context) string {
	trace, span, ok := PointOf(ctx).ids()
	if !ok {
		return ""
	}
	return "Root=1-" + trace[:8] + "-" + trace[8:] + ";Parent=" + span + ";Sampled=1"
}

// RequestID is the id of the request that is recorded, "" of a nil Recorder.
func (r *Recorder) RequestID() string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trace.RequestID
}
