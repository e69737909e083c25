package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsAreNamedByTheRules(t *testing.T) {
	m := NewMetrics("v")
	m.ObjectLambda(ObjectLambdaRequest{AccessPoint: "photos", Operation: "GetObject", ByFunction: true, Status: 200, Out: 3, FunctionTime: time.Second, FirstByte: time.Second, Total: time.Second})
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestObjectLambdaMetrics(t *testing.T) {
	m := NewMetrics("v")
	for _, r := range []ObjectLambdaRequest{
		{AccessPoint: "photos", Operation: "GetObject", ByFunction: true, Status: 200, Out: 30, FunctionTime: 20 * time.Millisecond, FirstByte: time.Second, Total: time.Second},
		{AccessPoint: "photos", Operation: "GetObject", ByFunction: true, Status: 404, Code: "MyCode", OwnError: true, Out: 12},
		{AccessPoint: "photos", Operation: "GetObject", ByFunction: true, Code: "ResponseInterrupted", Out: 5},
		{AccessPoint: "photos", Operation: "PutObject", Status: 200, In: 7},
		{AccessPoint: "photos", Status: 501, Code: "NotImplemented"},
	} {
		m.ObjectLambda(r)
	}
	m.Picture("crash", 20*time.Millisecond)
	m.Picture("busy", 0)
	m.PictureWorker()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`glassine_build_info{version="v"} 1`,
		`glassine_object_lambda_requests_total{access_point="photos",answered_by="function",operation="GetObject",status="200"} 1`,
		`glassine_object_lambda_requests_total{access_point="photos",answered_by="function",operation="GetObject",status="reset"} 1`,
		`glassine_object_lambda_requests_total{access_point="photos",answered_by="access_point",operation="PutObject",status="200"} 1`,
		`glassine_object_lambda_requests_total{access_point="photos",answered_by="access_point",operation="other",status="501"} 1`,
		`glassine_object_lambda_errors_total{access_point="photos",code="of_the_function"} 1`,
		`glassine_object_lambda_errors_total{access_point="photos",code="ResponseInterrupted"} 1`,
		`glassine_object_lambda_errors_total{access_point="photos",code="NotImplemented"} 1`,
		`glassine_object_lambda_received_bytes_total{access_point="photos"} 7`,
		`glassine_object_lambda_sent_bytes_total{access_point="photos"} 47`,
		`glassine_object_lambda_function_duration_seconds_bucket{access_point="photos",le="0.025"} 3`,
		`glassine_object_lambda_function_duration_seconds_count{access_point="photos"} 3`,
		`glassine_object_lambda_first_byte_seconds_count{access_point="photos"} 1`,
		`glassine_picture_jobs_total{outcome="crash"} 1`,
		`glassine_picture_jobs_total{outcome="busy"} 1`,
		`glassine_picture_job_duration_seconds_count 1`,
		`glassine_picture_workers_started_total 1`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("/metrics has no line %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "MyCode") {
		t.Error("a code that a function made up is a label")
	}
}
