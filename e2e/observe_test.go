package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/telemetry"
)

// receivedSpan is a span as the Collector's receiver writes it.
type receivedSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	Start                               string `json:"startTimeUnixNano"`
	End                                 string `json:"endTimeUnixNano"`
	Attributes                          []struct {
		Key   string
		Value struct {
			StringValue string
			IntValue    json.RawMessage
		}
	}
}

func (s receivedSpan) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue
		}
	}
	return ""
}

// receiver starts the OpenTelemetry Collector's own OTLP receiver, whose building is a minute's work the first time, and returns its
// URL and what it takes.
func receiver(t *testing.T) (url string, lines <-chan string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "otlpreceiver")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = "otlpreceiver"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the receiver: %v\n%s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0") // the receiver tells nobody which port it took
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	cmd := exec.CommandContext(t.Context(), program, address)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	taken := make(chan string, 64)
	go func() {
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 8<<20)
		for scan.Scan() {
			taken <- scan.Text()
		}
		close(taken)
	}()
	return "http://" + address, taken
}

// A cold request's trace arrives at a receiver that we did not write: one trace with every hop, each under the one that made it, and
// with the ids that the viewer and the console see. What a stranger says of traces changes nothing.
func TestTraceArrivesAtAnOTLPReceiver(t *testing.T) {
	t.Parallel()
	url, lines := receiver(t)
	s := start(t, func(c *glassine.Config) {
		c.OTLP = telemetry.OTLP{URL: url + "/v1/traces", Gzip: true, Delay: 100 * time.Millisecond, Resource: map[string]string{"service.name": "glassine"}}
	})
	stranger := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	req := request(t, http.MethodGet, s.url("/"+glassine.DemoKey+"?secret=1"), nil)
	req.Header.Set("Traceparent", stranger)
	req.Header.Set("X-Amzn-Trace-Id", "Root=1-0af76519-16cd43dd8448eb211c80319c")
	a := do(t, s.viewer, req)
	if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("X-Cache"), "Miss") {
		t.Fatalf("answer = %s, %s", a.Status, a.Header.Get("X-Cache"))
	}
	id := a.Header.Get("X-Amz-Cf-Id")
	var spans []receivedSpan
	for deadline := time.After(30 * time.Second); len(spans) == 0; {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatal("the receiver ended")
			}
			if strings.Contains(line, "secret=1") {
				t.Errorf("what was exported has the query: %s", line)
			}
			spans = spansOf(t, line, id)
		case <-deadline:
			t.Fatal("no trace of the request arrived in 30 s")
		}
	}
	kept, err := s.Edge.RecordedTrace(t.Context(), s.IAM.Root(), id)
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]receivedSpan{}
	byID := map[string]receivedSpan{}
	for _, span := range spans {
		byID[span.SpanID] = span
		if span.TraceID != kept.TraceID || strings.Contains(stranger, span.TraceID) {
			t.Errorf("%s is in the trace %s, want %s, the edge's own", span.Name, span.TraceID, kept.TraceID)
		}
	}
	for _, span := range spans {
		path := span.Name
		for at := span; at.ParentSpanID != ""; {
			parent, ok := byID[at.ParentSpanID]
			if !ok {
				t.Fatalf("%s has a parent that did not arrive", at.Name)
			}
			at, path = parent, parent.Name+"/"+path
		}
		paths[path] = span
		if number(t, span.End) < number(t, span.Start) || number(t, span.Start) == 0 {
			t.Errorf("%s took from %s to %s", path, span.Start, span.End)
		}
	}
	const origin = "edge.request/edge.fetch/edge.origin/olap.get/"
	for _, want := range []string{
		"edge.request", "edge.request/edge.lookup", "edge.request/edge.fetch/edge.trigger origin-request/lambda.invoke/sigv4.sign", origin + "lambda.invoke",
		origin + "lambda.invoke/s3.get", origin + "lambda.invoke/transform.strip", origin + "lambda.invoke/s3.write_get_object_response", "edge.request/edge.fetch/edge.store",
	} {
		if _, ok := paths[want]; !ok {
			t.Errorf("no span %s arrived", want)
		}
	}
	if len(spans) != len(kept.Spans)+1 {
		t.Errorf("%d spans arrived, the console has %d and the request itself", len(spans), len(kept.Spans))
	}
	if root := paths["edge.request"]; root.SpanID != kept.SpanID || root.attribute("glassine.request_id") != id || root.Kind != 2 {
		t.Errorf("the request's span = %+v", root)
	}
	// The receiver prints a batch before its answer is here, so the count follows.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		metrics := s.metrics(t)
		if !strings.Contains(metrics, `glassine_trace_exported_spans_total{result="rejected"} 0`) {
			t.Fatal("the metrics say that spans were rejected, or nothing of it")
		}
		if strings.Contains(metrics, `glassine_trace_exported_spans_total{result="sent"} `) && !strings.Contains(metrics, `glassine_trace_exported_spans_total{result="sent"} 0`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the metrics do not say that spans were sent")
		}
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Errorf("%q is no time", s)
	}
	return n
}

// spansOf are the spans of the trace of a request, nil when the line has none.
func spansOf(t *testing.T, line, requestID string) []receivedSpan {
	t.Helper()
	var in struct {
		ResourceSpans []struct {
			ScopeSpans []struct{ Spans []receivedSpan }
		}
	}
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	traces, found := map[string][]receivedSpan{}, ""
	for _, r := range in.ResourceSpans {
		for _, scope := range r.ScopeSpans {
			for _, span := range scope.Spans {
				traces[span.TraceID] = append(traces[span.TraceID], span)
				if span.attribute("glassine.request_id") == requestID {
					found = span.TraceID
				}
			}
		}
	}
	return traces[found]
}

// metrics are what /metrics shows.
func (s *system) metrics(t *testing.T) string {
	t.Helper()
	resp, err := http.Get("http://" + s.Addresses().Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
