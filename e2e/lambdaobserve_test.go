package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/telemetry"
)

// Each request on an Object Lambda access point is counted, and its record names both principals: who asked and who
// answered.
func TestObjectLambdaIsObserved(t *testing.T) {
	s := start(t)
	root := s.root(t)
	ask := func(method, path string, status int) {
		t.Helper()
		if a := s.signed(t, root, "s3-object-lambda", method, "https://"+lambdaHost+path, nil, nil); a.StatusCode != status {
			t.Errorf("%s %s = %s: %s", method, path, a.Status, a.body)
		}
	}
	ask(http.MethodGet, "/sample.jpg", 200)
	ask(http.MethodGet, "/sample.jpg?Range=bytes%3D0-1", 501)
	ask(http.MethodHead, "/sample.jpg", 200)
	s.put(t, "text", []byte("no picture"))
	ask(http.MethodGet, "/text", 500)

	metrics := do(t, http.DefaultClient, request(t, http.MethodGet, "http://"+s.Addresses().Admin+"/metrics", nil))
	for _, want := range []string{
		`glassine_object_lambda_requests_total{access_point="glassine-demo",answered_by="function",operation="GetObject",status="200"} 1`,
		`glassine_object_lambda_requests_total{access_point="glassine-demo",answered_by="access_point",operation="HeadObject",status="200"} 1`,
		`glassine_object_lambda_errors_total{access_point="glassine-demo",code="NotImplemented"} 1`,
		`glassine_object_lambda_errors_total{access_point="glassine-demo",code="of_the_function"} 1`,
		`glassine_object_lambda_function_duration_seconds_count{access_point="glassine-demo"} 2`,
	} {
		if !bytes.Contains(metrics.body, []byte(want+"\n")) {
			t.Errorf("/metrics has no line %s", want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	var events []telemetry.Record
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		var r telemetry.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.ObjectLambda != nil {
			events = append(events, r)
		}
	}
	if len(events) != 4 {
		t.Fatalf("%d records, want 4", len(events))
	}
	get := events[0]
	if get.Principal != "arn:aws:iam::"+account+":root" || get.ObjectLambda.AnsweredBy != "arn:aws:sts::"+account+":assumed-role/"+imageRole+"/glassine-image" ||
		get.ObjectLambda.AccessPoint != lambdaARN || get.ObjectLambda.EventName != "GetObject" || get.ObjectLambda.BytesOut == 0 || get.Status != 200 {
		t.Errorf("record of the GET = %+v %+v", get, get.ObjectLambda)
	}
	if e := events[1].ObjectLambda; e.ErrorCode != "NotImplemented" || e.Function != "" {
		t.Errorf("record of the range = %+v", e)
	}
	if e := events[2].ObjectLambda; e.EventName != "HeadObject" || e.AnsweredBy != "" {
		t.Errorf("record of the HEAD = %+v", e)
	}
	if e := events[3].ObjectLambda; e.ErrorCode != "InternalLambdaError" {
		t.Errorf("record of what is no picture = %+v", e)
	}
	if bytes.Contains(text, []byte("X-Amz-Signature")) || bytes.Contains(text, []byte("outputToken")) {
		t.Error("a secret is in the audit log")
	}
}
