package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/telemetry"
)

// The audit log has every control operation and every denial, on whichever hop, and no secret.
func TestAuditLog(t *testing.T) {
	s := start(t)
	root := s.root(t)
	session, err := s.edgeSession(t)
	if err != nil {
		t.Fatal(err)
	}
	s.signed(t, root, "s3", http.MethodPut, "https://s3.us-east-1.amazonaws.com/audited-bucket", nil, nil)
	s.signed(t, session, "s3", http.MethodDelete, "https://"+bucketHost+"/sample.jpg", nil, nil)
	do(t, s.aws, request(t, http.MethodGet, "https://"+lambdaHost+"/sample.jpg", nil))
	s.view(t, http.MethodGet, "/sample.jpg") // data: no record
	if err := s.IAM.DeleteRolePolicy(t.Context(), s.IAM.Root(), edgeRole, "read-original"); err != nil {
		t.Fatal(err)
	}
	s.put(t, "second.jpg", []byte("x"))
	s.view(t, http.MethodGet, "/second.jpg") // denied on the function's way to the original

	if err := s.Close(); err != nil { // records are written when their requests end
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.data, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	var records []telemetry.Record
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		var r telemetry.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		records = append(records, r)
	}
	find := func(what string, match func(telemetry.Record, telemetry.Decision) bool) {
		t.Helper()
		for _, r := range records {
			for _, d := range r.Decisions {
				if match(r, d) {
					return
				}
			}
		}
		t.Errorf("no record of %s", what)
	}
	find("the demo's deployment", func(r telemetry.Record, d telemetry.Decision) bool {
		return d.Action == "cloudfront:CreateDistribution" && d.Allowed && r.Type == "Root"
	})
	find("the bucket that was made", func(r telemetry.Record, d telemetry.Decision) bool {
		return d.Action == "s3:CreateBucket" && d.Allowed && r.Status == 200 && r.AccessKeyID == root.AccessKeyID && r.RequestID != "" && r.SourceIP == "127.0.0.1"
	})
	find("the deletion that was denied", func(r telemetry.Record, d telemetry.Decision) bool {
		return d.Action == "s3:DeleteObject" && !d.Allowed && d.By == "identity-based policy" && r.Status == 403 && r.Type == "AssumedRole"
	})
	find("the function's denied read of the original", func(r telemetry.Record, d telemetry.Decision) bool {
		return d.Action == "s3:GetObject" && !d.Allowed && len(r.InvokedBy) == 1 && r.InvokedBy[0] == "s3-object-lambda.amazonaws.com"
	})
	unsigned := false
	for _, r := range records {
		unsigned = unsigned || r.Type == "Anonymous" && r.Status == 403
		for _, d := range r.Decisions {
			if d.Allowed && len(r.Decisions) == 1 && strings.HasPrefix(d.Action, "s3-object-lambda:") {
				t.Errorf("a record of plain data access: %+v", r)
			}
		}
	}
	if !unsigned {
		t.Error("no record of the request without a signature")
	}
	for what, secret := range map[string]string{"root's secret": root.SecretAccessKey, "a session's secret": session.SecretAccessKey, "a session's token": session.SessionToken, "a presigned query": "X-Amz-Signature"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the audit log holds %s", what)
		}
	}
}
