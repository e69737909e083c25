package telemetry

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What goes over the wire: ExportTraceServiceRequest of opentelemetry-proto 1.9 in its JSON, in which ids are in hex and 64-bit
// numbers are strings. (OpenTelemetry Protocol Specification, "JSON Protobuf Encoding".)
type (
	otlpExport struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource struct {
			Attributes []otlpAttribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
		SchemaURL  string           `json:"schemaUrl"`
	}
	otlpScopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Dropped    int             `json:"droppedAttributesCount,omitempty"`
		Status     *otlpStatus     `json:"status,omitempty"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    string  `json:"intValue,omitempty"`
	}
	otlpStatus struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code"`
	}
)

// Span kinds and the status of a failed step, as the protocol numbers them.
const (
	spanInternal = 1
	spanServer   = 2
	spanClient   = 3
	statusError  = 2
)

// rootName is the span of a request as a whole.
const rootName = "edge.request"

// semanticConventions are those that attributes are named by.
const semanticConventions = "https://opentelemetry.io/schemas/1.37.0"

// otlpRequest makes the request of a batch.
func otlpRequest(resource map[string]string, traces []Trace) otlpExport {
	var all otlpScopeSpans
	all.Scope.Name = "glassine"
	for i := range traces {
		all.Spans = appendSpans(all.Spans, &traces[i])
	}
	spans := otlpResourceSpans{ScopeSpans: []otlpScopeSpans{all}, SchemaURL: semanticConventions}
	spans.Resource.Attributes = attributesOf(resource)
	return otlpExport{[]otlpResourceSpans{spans}}
}

// private are facts that stay here: a query may hold a credential, and an address or a browser a person.
var private = map[string]bool{"url.query": true, "client.address": true, "user_agent.original": true}

// appendSpans appends the spans of a trace: one for the request as a whole, and under it the steps. Of facts that are there several
// times the last counts; why something was decided stays here.
func appendSpans(to []otlpSpan, t *Trace) []otlpSpan {
	facts := map[string]string{"glassine.request_id": t.RequestID}
	for _, f := range t.Facts {
		if !private[f.Name] && !strings.HasPrefix(f.Name, "glassine.cache.key") {
			facts[f.Name] = f.Value
		}
	}
	last := int64(0)
	for _, s := range t.Spans {
		last = max(last, s.Start+max(0, s.Duration))
	}
	if took, err := strconv.ParseFloat(strings.TrimSuffix(facts["glassine.time_taken"], " s"), 64); err == nil {
		// To the millisecond, as the log has it: never less than what was within.
		last = max(last, int64(took*1e6))
	}
	at := func(micros int64) string {
		return strconv.FormatInt(t.Began.Add(time.Duration(micros)*time.Microsecond).UnixNano(), 10)
	}
	root := otlpSpan{
		TraceID: t.TraceID, SpanID: t.SpanID, Name: rootName, Kind: spanServer, Start: at(0), End: at(last),
		Attributes: attributesOf(facts), Dropped: t.Dropped,
	}
	if status := facts["http.response.status_code"]; strings.HasPrefix(status, "5") {
		root.Status = &otlpStatus{Code: statusError}
	}
	to = append(to, root)
	for _, s := range t.Spans {
		out := otlpSpan{
			TraceID: t.TraceID, SpanID: s.SpanID, ParentID: s.ParentID, Name: s.Name, Kind: spanInternal,
			Start: at(s.Start), End: at(s.Start + s.Duration), Attributes: attributesOf(s.Attributes),
		}
		if s.ParentID == "" {
			out.ParentID = t.SpanID
		}
		if s.Duration < 0 { // it had not ended
			out.End = at(max(last, s.Start))
		}
		if _, ok := s.Attributes["server.address"]; ok {
			out.Kind = spanClient
		}
		if s.Error != "" {
			out.Status = &otlpStatus{s.Error, statusError}
		}
		to = append(to, out)
	}
	return to
}

// attributesOf are attributes in the order of their names; what the conventions have as a number is one.
func attributesOf(from map[string]string) []otlpAttribute {
	out := make([]otlpAttribute, 0, len(from))
	for _, name := range slices.Sorted(maps.Keys(from)) {
		value := from[name]
		a := otlpAttribute{Key: name, Value: otlpValue{String: &value}}
		switch name {
		case "http.response.status_code", "http.response.body.size", "server.port":
			if _, err := strconv.ParseInt(value, 10, 64); err == nil {
				a.Value = otlpValue{Int: value}
			}
		}
		out = append(out, a)
	}
	return out
}
