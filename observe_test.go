package glassine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/edge"
	"glassine/iam"
	"glassine/telemetry"
)

// admin is what the admin port answers.
func admin(s *System, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.adminHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// One picture, asked for twice: what the edge, the function, the store and the image function say of it is in the metrics.
func TestAPictureIsCountedOnItsWay(t *testing.T) {
	s := demoSystem(t, false)
	view := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.Edge.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://localhost:8443"+path, nil))
		return w
	}
	first := view("/" + DemoKey)
	if first.Code != http.StatusOK {
		t.Fatalf("status %d", first.Code)
	}
	for range 3 {
		view("/" + DemoKey)
	}
	view("/missing.jpg")
	w := httptest.NewRecorder()
	s.Edge.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://nobody.example/"+DemoKey, nil))
	id := distributionOf(t, s)
	if err := s.Close(); err != nil { // a function may still run after its answer: Close waits for it
		t.Fatal(err)
	}
	text := admin(s, "/metrics").Body.String()
	for _, want := range []string{
		`glassine_edge_requests_total{behavior="*",distribution="` + id + `",result="Miss"} 1`,
		`glassine_edge_requests_total{behavior="*",distribution="` + id + `",result="Error"} 1`,
		`glassine_edge_requests_total{behavior="none",distribution="none",result="Error"} 1`,
		`glassine_edge_request_duration_seconds_count{behavior="*",distribution="` + id + `"} 5`,
		`glassine_lambda_invocations_total{function="glassine-image",result="success"}`,
		`glassine_lambda_duration_seconds_count{function="glassine-image"}`,
		`glassine_transform_duration_seconds_count{format="jpeg",op="strip"} 1`,
		`glassine_transform_duration_seconds_count{format="none",op="refuse"} 1`,
		`glassine_metadata_removed_bytes_total{kind="gps"} 205`, `glassine_metadata_removed_total{kind="gps"} 1`,
		`glassine_metadata_removed_bytes_total{kind="thumbnail"} 3326`,
		`glassine_s3_requests_total{code="OK",operation="GetObject"} 1`,
		`glassine_certificate_expiry_timestamp_seconds{name=`, `glassine_trace_dropped_total{reason="ring"} 0`,
		`glassine_origin_request_duration_seconds_count{origin="`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if strings.Contains(text, DemoKey) || strings.Contains(text, "missing") || strings.Contains(text, "nobody.example") {
		t.Error("a path or a host that anybody can make up is among the metrics")
	}
	if !strings.Contains(text, `result="Hit"} 3`) {
		t.Errorf("three hits are not counted: %.2000s", text)
	}
}

func TestDenialsAreCountedByAction(t *testing.T) {
	s := demoSystem(t, false)
	if _, err := s.Edge.Trace(t.Context(), iam.Caller{Principal: iam.Principal{Kind: iam.Anonymous}}, edge.TraceRequest{URL: "https://localhost:8443/"}); err == nil {
		t.Fatal("an anonymous caller may trace")
	}
	if text := admin(s, "/metrics").Body.String(); !strings.Contains(text, `glassine_iam_denials_total{action="glassine:TraceRequest",reason="`) {
		t.Error("the denial is not counted")
	}
}

func TestReadiness(t *testing.T) {
	s := demoSystem(t, false)
	read := func(path string) (int, string, map[string]check) {
		t.Helper()
		w := admin(s, path)
		var in struct {
			Status string
			Checks []check
		}
		if err := json.Unmarshal(w.Body.Bytes(), &in); err != nil {
			t.Fatalf("%s: %v: %s", path, err, w.Body)
		}
		all := map[string]check{}
		for _, c := range in.Checks {
			all[c.Name] = c
		}
		return w.Code, in.Status, all
	}
	if w := admin(s, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("/healthz before serving = %d: the process is alive", w.Code)
	}
	if code, status, checks := read("/readyz"); code != http.StatusServiceUnavailable || status != "not ready" || len(checks) != 1 || checks["listeners"].OK {
		t.Errorf("before serving: %d %s %v, want 503 because of the listeners alone", code, status, checks)
	}
	s.ready.serving.Store(true)
	if code, status, checks := read("/readyz"); code != http.StatusOK || status != "ready" || len(checks) != 0 {
		t.Errorf("while serving: %d %s %v", code, status, checks)
	}
	_, _, checks := read("/readyz?verbose")
	for _, name := range []string{"listeners", "state", "store", "disk", "isolation", "cache", "certificates"} {
		if c, ok := checks[name]; !ok || !c.OK {
			t.Errorf("check %s = %+v, %v", name, c, ok)
		}
	}
	// Where no object can be written, that is said, and a look is remembered for a while only.
	objects := filepath.Join(s.cfg.Data, "objects")
	if err := os.Rename(objects, objects+"-gone"); err != nil {
		t.Fatal(err)
	}
	s.ready.checks = nil
	if code, _, checks := read("/readyz"); code != http.StatusServiceUnavailable || checks["store"].OK || checks["store"].Detail == "" || len(checks) != 1 {
		t.Errorf("without a place for objects: %d %v", code, checks)
	}
	if err := os.Rename(objects+"-gone", objects); err != nil {
		t.Fatal(err)
	}
	s.ready.checks = nil
	s.ready.draining.Store(true)
	if code, status, checks := read("/readyz"); code != http.StatusServiceUnavailable || status != "draining" || checks["listeners"].OK {
		t.Errorf("while draining: %d %s %v", code, status, checks)
	}
	// Viewers' paths are theirs.
	w := httptest.NewRecorder()
	s.Edge.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://localhost:8443/readyz", nil))
	if w.Header().Get("X-Cache") == "" {
		t.Error("/readyz is not an object's key at the edge")
	}
}

// Whatever component writes a line about a request, its id is the viewer's.
func TestLogLinesCarryTheViewersRequest(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(requestLog{slog.NewJSONHandler(&out, nil)}).With("function", "f")
	r := telemetry.NewRecorder("viewer-id", time.Now)
	ctx := telemetry.WithRecorder(t.Context(), r)
	log.LogAttrs(ctx, slog.LevelWarn, "a hop's", slog.String("request", "hop-id"), slog.Int("status", 500))
	log.LogAttrs(ctx, slog.LevelWarn, "the edge's", slog.String("request", "viewer-id"))
	log.LogAttrs(ctx, slog.LevelWarn, "nobody's")
	log.LogAttrs(t.Context(), slog.LevelWarn, "of no trace", slog.String("request", "own-id"))
	var got []string
	for d := json.NewDecoder(&out); ; {
		var line map[string]any
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		hop, _ := line["hop"].(string)
		got = append(got, line["request"].(string)+" "+hop+" "+line["function"].(string))
	}
	if want := "viewer-id hop-id f|viewer-id  f|viewer-id  f|own-id  f"; strings.Join(got, "|") != want {
		t.Errorf("lines = %q, want %q", strings.Join(got, "|"), want)
	}
}

// A request of a function outside the process is in the trace of the request that it answers; a stranger's is in none.
func TestRequestsFromOutsideJoinTheTrace(t *testing.T) {
	s := demoSystem(t, false)
	r := telemetry.NewRecorder("id", s.cfg.Now)
	ctx, span := telemetry.StartSpan(telemetry.WithRecorder(t.Context(), r), "lambda.invoke")
	now := s.cfg.Now()
	s.joins.Put("ASIAFUNCTION", telemetry.PointOf(ctx), now, now.Add(joinLife))
	handler := s.awsHandler()
	send := func(credential, token string) {
		req := httptest.NewRequest(http.MethodGet, "https://b.s3.us-east-1.amazonaws.com/k?X-Amz-Credential="+credential+"%2F20260101%2Fus-east-1%2Fs3%2Faws4_request", nil)
		req.Header.Set("Traceparent", telemetry.Traceparent(ctx))
		req.Header.Set("X-Amzn-Trace-Id", telemetry.XRay(ctx))
		if token != "" {
			req.Header.Set("X-Amz-Request-Token", token)
		}
		handler.ServeHTTP(httptest.NewRecorder(), req)
	}
	send("ASIASTRANGER", "")
	send("ASIASTRANGER", "a token")
	if got := len(r.Trace().Spans); got != 1 {
		t.Fatalf("a stranger's request put %d spans into the trace", got-1)
	}
	send("ASIAFUNCTION", "")
	span.End()
	got := r.Trace().Spans
	if len(got) != 2 || got[1].Name != "s3.get" || got[1].ParentID != got[0].SpanID || got[1].Attributes["http.response.status_code"] == "" || got[1].Duration < 0 {
		t.Errorf("spans = %+v, want s3.get under lambda.invoke", got)
	}
}
