package telemetry

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// receiving is a receiver in place of the network: it answers by turns, and then with 200.
type receiving struct {
	answers []func() (*http.Response, error)

	mu    sync.Mutex
	taken []otlpExport
	at    []time.Time
	auth  string
}

func (r *receiving) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at, r.auth = append(r.at, time.Now()), req.Header.Get("Authorization")
	if len(r.answers) > 0 {
		answer := r.answers[0]
		r.answers = r.answers[1:]
		return answer()
	}
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	var in otlpExport
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, err
	}
	r.taken = append(r.taken, in)
	return answered(200, `{"partialSuccess":{}}`)()
}

func answered(status int, body string, header ...string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func unreachable() (*http.Response, error) { return nil, errors.New("connection refused") }

// ended is a trace of one step.
func ended(id string) *Recorder {
	r := NewRecorder(id, time.Now)
	_, s := StartSpan(WithRecorder(context.Background(), r), "edge.fetch", "server.address", "origin.example")
	s.End()
	r.Fact("url.path", "/a", "")
	r.Fact("url.query", "token=secret", "")
	r.Fact("client.address", "192.0.2.1", "")
	r.Fact("http.response.status_code", "502", "")
	return r
}

func TestExportTriesAgainAsTheReceiverSays(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []func() (*http.Response, error)
		want    ExportCounts
		after   []time.Duration // of the attempts, from the first
	}{
		{"taken at once", nil, ExportCounts{Sent: 2}, []time.Duration{0}},
		{"busy, with the time to wait", []func() (*http.Response, error){answered(503, "", "Retry-After", "7"), answered(429, "", "Retry-After", "3")}, ExportCounts{Sent: 2}, []time.Duration{0, 7 * time.Second, 10 * time.Second}},
		{"refused, which is final", []func() (*http.Response, error){answered(400, "no")}, ExportCounts{Failed: 2}, []time.Duration{0}},
		{"moved, which is not followed", []func() (*http.Response, error){answered(307, "", "Location", "http://elsewhere")}, ExportCounts{Failed: 2}, []time.Duration{0}},
		{"taken in part", []func() (*http.Response, error){answered(200, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"one"}}`)}, ExportCounts{Sent: 1, Rejected: 1}, []time.Duration{0}},
		{"told to wait for longer than it is tried for", []func() (*http.Response, error){answered(503, "", "Retry-After", "3600")}, ExportCounts{Failed: 2}, []time.Duration{0}},
		{"not to be reached, and then it is", []func() (*http.Response, error){unreachable}, ExportCounts{Sent: 2}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &receiving{answers: c.answers}
				e := NewExporter(OTLP{URL: "http://c/v1/traces", Headers: map[string]string{"Authorization": "Bearer t"}, Gzip: true, Transport: to, Log: slog.New(slog.DiscardHandler)})
				kept := NewTraces(4)
				kept.Export = e.Export
				kept.Add(ended("id"))
				time.Sleep(2 * time.Minute)
				if got := e.Counts(); got != c.want {
					t.Errorf("counts = %+v, want %+v", got, c.want)
				}
				if to.auth != "Bearer t" {
					t.Errorf("Authorization = %q", to.auth)
				}
				for i, want := range c.after {
					if len(to.at) != len(c.after) || to.at[i].Sub(to.at[0]) != want {
						t.Errorf("attempts at %v, want after %v", to.at, c.after)
						break
					}
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestExportOfOneTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &receiving{}
		e := NewExporter(OTLP{URL: "http://c/v1/traces", Resource: map[string]string{"service.name": "glassine"}, Transport: to})
		r := ended("id")
		e.Export(r)
		if err := e.Close(); err != nil { // what waits is sent
			t.Error(err)
		}
		if len(to.taken) != 1 {
			t.Fatalf("%d batches, want 1", len(to.taken))
		}
		text, err := json.Marshal(to.taken[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"token=secret", "192.0.2.1"} {
			if strings.Contains(string(text), private) {
				t.Errorf("%s is exported: %s", private, text)
			}
		}
		spans := to.taken[0].ResourceSpans[0].ScopeSpans[0].Spans
		got := r.Trace()
		if len(spans) != 2 || spans[0].SpanID != got.SpanID || spans[0].TraceID != got.TraceID || spans[1].ParentID != got.SpanID || spans[1].SpanID != got.Spans[0].SpanID || spans[1].Kind != spanClient || spans[0].Kind != spanServer {
			t.Errorf("spans = %s", text)
		}
		if spans[0].Status == nil || spans[0].Status.Code != statusError {
			t.Error("a request that was answered with 502 is no error")
		}
	})
}

func TestExportIsBoundedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		to := &receiving{answers: []func() (*http.Response, error){func() (*http.Response, error) { <-stuck; return unreachable() }}}
		e := NewExporter(OTLP{URL: "http://c/v1/traces", Transport: to, Log: slog.New(slog.DiscardHandler)})
		r := ended("id")
		for range exportBatch {
			e.Export(r)
		}
		time.Sleep(10 * time.Second) // the first batch is on its way
		for range exportQueue + 5 {
			e.Export(r)
		}
		if got := e.Counts(); got.Dropped != 10 {
			t.Errorf("counts = %+v, want 5 traces of 2 spans dropped", got)
		}
		close(stuck)
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if got := e.Counts(); got.Sent+got.Failed+got.Dropped+got.Rejected != 2*(exportBatch+exportQueue+5) {
			t.Errorf("counts = %+v, which are not all", got)
		}
	})
}

func TestSampledByRatio(t *testing.T) {
	for ratio, want := range map[float64][2]int{0: {1000, 1000}, 1: {1000, 1000}, -1: {0, 0}, 0.25: {150, 350}} {
		e := &Exporter{cfg: OTLP{Ratio: ratio}}
		n := 0
		for range 1000 {
			if e.chosen(NewRecorder("", time.Now).TraceID()) {
				n++
			}
		}
		if n < want[0] || n > want[1] {
			t.Errorf("ratio %v chose %d of 1000, want %v", ratio, n, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	for _, seed := range []string{"7", "Thu, 26 Nov 2026 00:01:00 GMT", "-1", "99999999999", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got := retryAfter(value, now); got < 0 {
			t.Errorf("retryAfter(%q) = %v", value, got)
		}
	})
}
