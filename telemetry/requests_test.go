package telemetry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// exported is what /metrics shows, in OpenMetrics when open.
func exported(m *Metrics, open bool) string {
	r := httptest.NewRequest("GET", "/metrics", nil)
	if open {
		r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	return w.Body.String()
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

func TestRequestsAreCountedOverAllShards(t *testing.T) {
	m := NewMetrics("v")
	meter := m.Requests().Meter("E1", "*")
	var all sync.WaitGroup
	for shard := range uint32(20) {
		all.Go(func() {
			for range 100 {
				meter.Count(shard, "Hit", 400*time.Microsecond, 10, "")
			}
		})
	}
	all.Wait()
	meter.Count(rand.Uint32(), "Miss", 3*time.Second, 7, "0af7651916cd43dd8448eb211c80319c")
	meter.Count(0, "a word that nobody knows", -time.Second, -1, "")
	m.Requests().Meter("E2", "img/*") // which had no request, and shows nothing
	text := exported(m, true)
	wants(t, text,
		`glassine_edge_requests_total{behavior="*",distribution="E1",result="Hit"} 2000.0`,
		`glassine_edge_requests_total{behavior="*",distribution="E1",result="Miss"} 1.0`,
		`glassine_edge_requests_total{behavior="*",distribution="E1",result="Error"} 1.0`,
		`glassine_edge_response_bytes_total{behavior="*",distribution="E1"} 20007.0`,
		`glassine_edge_request_duration_seconds_bucket{behavior="*",distribution="E1",le="0.001"} 2001`,
		`glassine_edge_request_duration_seconds_bucket{behavior="*",distribution="E1",le="5.0"} 2002 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 3.0`,
		`glassine_edge_request_duration_seconds_count{behavior="*",distribution="E1"} 2002`,
	)
	if strings.Contains(text, "E2") {
		t.Error("a behavior without requests has series")
	}
	m.Requests().Keep(func(distribution, _ string) bool { return distribution != "E1" })
	if strings.Contains(exported(m, false), "E1") {
		t.Error("a distribution that is gone has series")
	}
	var none *Requests
	none.Meter("a", "b").Count(0, "Hit", 1, 1, "") // counts nothing
	none.Collapsed()
	none.Origin("a", 1)
}

func TestCountingARequestAllocatesNothing(t *testing.T) {
	meter := NewMetrics("v").Requests().Meter("E1", "*")
	if n := testing.AllocsPerRun(1000, func() { meter.Count(3, "Hit", time.Millisecond, 100, "") }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkCount(b *testing.B) {
	meter := NewMetrics("v").Requests().Meter("E1", "*")
	b.RunParallel(func(p *testing.PB) {
		for shard := rand.Uint32(); p.Next(); {
			meter.Count(shard, "Hit", time.Millisecond, 100, "")
		}
	})
}

// fill counts something of everything, so that each metric has a series.
func fill(m *Metrics) {
	m.Requests().Meter("E1", "*").Count(0, "Hit", time.Millisecond, 1, "")
	m.Requests().Origin("origin.example", time.Second)
	m.Requests().Collapsed()
	m.ObjectLambda(ObjectLambdaRequest{AccessPoint: "photos", Operation: "GetObject", ByFunction: true, Status: 500, Code: "MyCode", Out: 3, FunctionTime: time.Second, FirstByte: time.Second, Total: time.Second})
	m.Invoked(Invocation{Function: "f", Result: "success", Took: time.Second, Init: time.Second})
	m.S3("GetObject", "")
	m.Denied("s3:GetObject", "implicit deny")
	m.Transformed("strip", "jpeg", time.Millisecond, 12, "")
	m.MetadataRemoved("gps", 1, 200)
	m.Picture("ok", time.Second)
	m.PictureWorker()
	m.SettingsLoaded(true, time.Unix(1, 0))
	m.Edge(func() EdgeCounts { return EdgeCounts{MemoryBytes: 1, DiskFull: 2} })
	m.Tracing(func() (int64, int64) { return 1, 2 }, func() ExportCounts { return ExportCounts{Sent: 3} })
	m.Concurrency(func() map[string]int { return map[string]int{"f": 2} })
	m.Certificates(func() []Certificate {
		return []Certificate{{"acme", "a.example", time.Unix(200, 0)}, {"acme", "a.example", time.Unix(100, 0)}}
	})
}

func TestAllMetricsAreNamedByTheRules(t *testing.T) {
	m := NewMetrics("v")
	fill(m)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	wants(t, exported(m, false),
		`glassine_lambda_invocations_total{function="f",result="success"} 1`, `glassine_lambda_concurrency{function="f"} 2`,
		`glassine_s3_requests_total{code="OK",operation="GetObject"} 1`, `glassine_iam_denials_total{action="s3:GetObject",reason="implicit deny"} 1`,
		`glassine_metadata_removed_bytes_total{kind="gps"} 200`, `glassine_metadata_removed_total{kind="gps"} 1`, `glassine_transform_pixels_total 12`,
		`glassine_edge_cache_bytes{tier="memory"} 1`, `glassine_edge_cache_evictions_total{reason="disk_full"} 2`, `glassine_trace_dropped_total{reason="ring"} 1`,
		`glassine_trace_exported_spans_total{result="sent"} 3`, `glassine_certificate_expiry_timestamp_seconds{name="a.example",source="acme"} 100`,
		`glassine_origin_request_duration_seconds_count{origin="origin.example"} 1`, `glassine_build_info{version="v"} 1`,
	)
	m.FunctionGone("f")
	m.Requests().KeepOrigins(func(string) bool { return false })
	text := exported(m, false)
	for _, gone := range []string{`glassine_lambda_invocations_total{function="f"`, `glassine_lambda_duration_seconds_count{function="f"`, `origin="origin.example"`} {
		if strings.Contains(text, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
}

func TestNamesFromTheCodeAreBounded(t *testing.T) {
	m := NewMetrics("v")
	for i := range mostNames + 20 {
		m.Denied(fmt.Sprint("s3:Action", i), "x")
	}
	m.Denied("", "x")
	wants(t, exported(m, false), `glassine_iam_denials_total{action="other",reason="x"} 21`)
}

func TestJoinsEndAndAreFound(t *testing.T) {
	var j Joins
	now := time.Unix(1000, 0)
	r := NewRecorder("id", time.Now)
	ctx, span := StartSpan(WithRecorder(context.Background(), r), "lambda.invoke")
	j.Put("AKIA1", PointOf(ctx), now, now.Add(time.Minute))
	j.Put("", PointOf(ctx), now, now.Add(time.Minute))
	j.Put("AKIA2", Point{}, now, now.Add(time.Minute))
	_, under := StartSpan(j.Find("AKIA1", now).Context(context.Background()), "s3.get")
	under.End()
	span.End()
	got := r.Trace()
	if len(got.Spans) != 2 || got.Spans[1].ParentID != got.Spans[0].SpanID {
		t.Errorf("spans = %+v, want the one under the other", got.Spans)
	}
	for name, p := range map[string]Point{"a secret that nobody made": j.Find("AKIA3", now), "one of no trace": j.Find("AKIA2", now), "none": j.Find("", now), "one that ended": j.Find("AKIA1", now.Add(2*time.Minute))} {
		if p != (Point{}) {
			t.Errorf("%s is found", name)
		}
	}
	j.Put("AKIA4", PointOf(ctx), now.Add(time.Hour), now.Add(2*time.Hour))
	if len(j.points) != 1 {
		t.Errorf("%d secrets are kept, want the one that has not ended", len(j.points))
	}
}

func TestTracesTakeBoundedMemory(t *testing.T) {
	kept := NewTraces(100)
	kept.MaxBytes = 64 << 10
	for i := range 50 {
		r := NewRecorder(fmt.Sprint(i), time.Now)
		r.Fact("url.path", strings.Repeat("x", 1<<20), "") // cut to 2 KiB
		for range 3 {
			r.Fact("user_agent.original", strings.Repeat("y", 4000), "")
		}
		kept.Add(r)
	}
	if n := kept.bytes.Load(); n > kept.MaxBytes {
		t.Errorf("%d bytes are kept, want at most %d", n, kept.MaxBytes)
	}
	latest := kept.Latest(100)
	if len(latest) < 2 || len(latest) > 8 || latest[0].RequestID != "49" || len(latest[0].Facts[0].Value) > longestText+3 {
		t.Errorf("%d traces are kept, the latest is %s", len(latest), latest[0].RequestID)
	}
	ring, limit := kept.Dropped()
	if ring != int64(50-len(latest)) || limit != 0 {
		t.Errorf("dropped = %d and %d, want %d and 0", ring, limit, 50-len(latest))
	}
	r := NewRecorder("long", time.Now)
	kept.Begin(r, false)
	for range TraceLimit + 4 {
		r.Fact("a", "b", "")
	}
	if _, limit := kept.Dropped(); limit != 4 {
		t.Errorf("%d facts were cut, want 4", limit)
	}
}

func TestTraceparentAndXRayNameTheSamePlace(t *testing.T) {
	r := NewRecorder("id", func() time.Time { return time.Unix(0x5759e988, 0) })
	ctx := WithRecorder(context.Background(), r)
	root := r.Trace()
	if got, want := Traceparent(ctx), "00-"+root.TraceID+"-"+root.SpanID+"-01"; got != want || len(got) != 55 {
		t.Errorf("traceparent = %s, want %s", got, want)
	}
	ctx, span := StartSpan(ctx, "lambda.invoke")
	if got, want := XRay(ctx), "Root=1-5759e988-"+root.TraceID[8:]+";Parent="+span.id+";Sampled=1"; got != want {
		t.Errorf("X-Ray = %s, want %s", got, want)
	}
	if Traceparent(context.Background())+XRay(context.Background()) != "" {
		t.Error("there is a trace where there is none")
	}
}
