package glassine

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"glassine/aws/cloudfrontapi"
	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/edge"
	"glassine/iam"
	"glassine/telemetry"
)

// tracer is a client of the AWS endpoint in this process, signed with the credentials.
func tracer(s *System, c iam.Credentials) *cloudfrontapi.Client {
	return &cloudfrontapi.Client{Client: wire.Client{
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}, HTTP: &http.Client{Transport: s.Transport()},
	}}
}

// One trace leads from the viewer to the store: every hop of a miss is in it, under the one that made it.
func TestTraceLeadsFromTheViewerToTheStore(t *testing.T) {
	s := demoSystem(t, false)
	root := tracer(s, *s.NewRoot)
	got, err := root.Trace(edge.TraceRequest{URL: "https://localhost:8443/" + DemoKey, Header: http.Header{"Accept": {"image/*"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != 200 || got.Bytes == 0 || got.Trace.RequestID != got.Header.Get("X-Amz-Cf-Id") {
		t.Errorf("answer = %d with %d bytes, request %q of %q", got.Status, got.Bytes, got.Trace.RequestID, got.Header.Get("X-Amz-Cf-Id"))
	}
	names := map[string]string{"": ""}
	for _, span := range got.Trace.Spans {
		names[span.SpanID] = names[span.ParentID] + "/" + span.Name
	}
	for _, want := range []string{
		"/edge.lookup", "/edge.fetch/edge.trigger origin-request", "/edge.fetch/edge.trigger origin-request/lambda.invoke/sigv4.sign", "/edge.fetch/edge.origin",
		"/edge.fetch/edge.origin/olap.get", "/edge.fetch/edge.origin/olap.get/lambda.invoke", "/edge.fetch/edge.origin/olap.get/lambda.invoke/s3.get",
		"/edge.fetch/edge.origin/olap.get/lambda.invoke/transform.strip", "/edge.fetch/edge.origin/olap.get/lambda.invoke/s3.write_get_object_response", "/edge.fetch/edge.store",
	} {
		found := false
		for _, name := range names {
			found = found || name == want
		}
		if !found {
			t.Errorf("there is no step %s among %v", want, names)
		}
	}
	if !slices.ContainsFunc(got.Trace.Facts, func(f telemetry.Fact) bool {
		return f.Name == "aws.s3.object_lambda.access_point" && strings.Contains(f.Why, "glassine-image")
	}) {
		t.Errorf("no fact names the function: %+v", got.Trace.Facts)
	}
	for _, secret := range []string{"X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Credential"} {
		for _, span := range got.Trace.Spans {
			for _, value := range span.Attributes {
				if strings.Contains(value, secret) {
					t.Errorf("span %s shows %s", span.Name, value)
				}
			}
		}
	}

	// A request of a viewer's own can be looked up afterwards.
	w := httptest.NewRecorder()
	s.Edge.ServeHTTP(w, httptest.NewRequest("GET", "https://localhost:8443/missing.jpg", nil))
	kept, err := root.RecordedTrace(w.Header().Get("X-Amz-Cf-Id"))
	if err != nil || len(kept.Spans) == 0 {
		t.Errorf("the trace of the viewer's request = %+v, %v", kept, err)
	}
	if all, err := root.LatestTraces(); err != nil || len(all) < 2 || all[0].RequestID != kept.RequestID {
		t.Errorf("the latest traces = %+v, %v", all, err)
	}
}

// Who may see traces is a decision of IAM's, and a denial on the way is explained in the trace and nowhere else.
func TestTracesAreForAdministrators(t *testing.T) {
	s := demoSystem(t, false)
	ctx, root := t.Context(), s.IAM.Root()
	if _, err := s.IAM.CreateUser(ctx, root, iam.NewUser{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	key, _, err := s.IAM.CreateAccessKey(ctx, root, "ann")
	if err != nil {
		t.Fatal(err)
	}
	ann := tracer(s, key)
	url := "https://localhost:8443/" + DemoKey
	may := func(action string) {
		t.Helper()
		if err := s.IAM.PutUserPolicy(ctx, root, "ann", "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"`+action+`","Resource":"*"}]}`); err != nil {
			t.Fatal(err)
		}
	}
	may("cloudfront:*")
	if _, err := ann.Trace(edge.TraceRequest{URL: url}); err == nil || !strings.Contains(err.Error(), "glassine:TraceRequest") {
		t.Errorf("with cloudfront:* alone: %v, want that glassine:TraceRequest is denied", err)
	}
	may("glassine:TraceRequest")
	if _, err := ann.Trace(edge.TraceRequest{URL: url}); err != nil {
		t.Errorf("with glassine:TraceRequest: %v", err)
	}

	// The access point denies its function's caller: the viewer gets a 403 that says nothing, the trace names the policy.
	if err := s.IAM.PutRolePolicy(ctx, root, demoEdgeRole, "no", `{"Version":"2012-10-17","Statement":[{"Sid":"NotNow","Effect":"Deny","Action":"s3-object-lambda:*","Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edge.Invalidate(ctx, root, distributionOf(t, s), "1", []string{"/*"}); err != nil {
		t.Fatal(err)
	}
	got, err := ann.Trace(edge.TraceRequest{URL: url})
	if err != nil || got.Status != 403 {
		t.Fatalf("trace = %d, %v", got.Status, err)
	}
	i := slices.IndexFunc(got.Trace.Facts, func(f telemetry.Fact) bool { return f.Name == "aws.iam.denied" })
	if i < 0 || !strings.Contains(got.Trace.Facts[i].Why, "NotNow") || !strings.Contains(got.Trace.Facts[i].Value, "s3-object-lambda:GetObject") {
		t.Errorf("facts = %+v, want the denial by NotNow", got.Trace.Facts)
	}
}

func distributionOf(t *testing.T, s *System) string {
	t.Helper()
	all, err := s.Edge.ListDistributions(t.Context(), s.IAM.Root())
	if err != nil || len(all) == 0 {
		t.Fatalf("distributions = %v, %v", all, err)
	}
	return all[0].ID
}

func TestStrictNamesWhatIsDoneAsOnAWS(t *testing.T) {
	all, functions, err := strictness([]string{"all"})
	if all != (edge.Strict{Vary: true, Targeted: true, MustRevalidate: true, Truncated: true, Authorization: true}) || !functions || err != nil {
		t.Errorf("all = %+v, %v, %v", all, functions, err)
	}
	each, functions, err := strictness(strictNames)
	if each != all || !functions || err != nil {
		t.Errorf("each by its name = %+v, %v, %v", each, functions, err)
	}
	if none, functions, err := strictness(nil); none != (edge.Strict{}) || functions || err != nil {
		t.Errorf("nothing = %+v, %v, %v", none, functions, err)
	}
	_, err = New(t.Context(), Config{
		Data: t.TempDir(), AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Strict: []string{"very"}, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil || !strings.Contains(err.Error(), `"very"`) {
		t.Errorf("New = %v, want that it is none of the names", err)
	}
}

// What functions at the edge write is in the log groups that CloudFront names, and the counts are among the metrics.
func TestFunctionsAtTheEdgeLeaveLogs(t *testing.T) {
	s := demoSystem(t, false)
	ctx, root := t.Context(), s.IAM.Root()
	f, err := s.Edge.CreateFunction(ctx, root, "hello", edge.FunctionConfig{Runtime: "cloudfront-js-2.0"}, []byte(`function handler(event) { console.log("seen", event.request.uri); return event.request; }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edge.PublishFunction(ctx, root, "hello", f.ETag); err != nil {
		t.Fatal(err)
	}
	d, err := s.Edge.GetDistribution(ctx, root, distributionOf(t, s))
	if err != nil {
		t.Fatal(err)
	}
	d.Config.DefaultCacheBehavior.Functions = []edge.FunctionAssociation{{FunctionARN: f.ARN, EventType: "viewer-request"}}
	if _, err := s.Edge.UpdateDistribution(ctx, root, d.ID, d.ETag, d.Config); err != nil {
		t.Fatal(err)
	}
	s.Edge.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "https://localhost:8443/x.jpg", nil))
	metrics := httptest.NewRecorder()
	s.adminHandler().ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	text, _ := io.ReadAll(metrics.Result().Body)
	if !strings.Contains(string(text), "glassine_edge_function_log_lost_lines_total 0") || !strings.Contains(string(text), "glassine_edge_standard_log_lines_total 0") {
		t.Errorf("the metrics have no counts of logs: %.300s", text)
	}
	if err := s.edgeLogs.Close(); err != nil { // what waits is written then
		t.Fatal(err)
	}
	streams, err := s.Logs.DescribeLogStreams(ctx, root, "us-east-1", "/aws/cloudfront/function/hello", "", false, false)
	if err != nil || len(streams) != 1 {
		t.Fatalf("streams = %+v, %v", streams, err)
	}
	if _, err := s.Logs.DescribeLogStreams(ctx, root, "us-east-1", "/aws/cloudfront/function/other", "", false, false); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("a function that never ran: %v", err)
	}
}
