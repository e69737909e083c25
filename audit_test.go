package glassine

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/s3"
	"glassine/telemetry"
)

// For each denial the audit log, which only the data directory's owner reads, says which statement of which policy decided,
// or which rule. Who was denied is not told.
func TestAuditLogSaysWhichStatementDenied(t *testing.T) {
	s := demoSystem(t, false)
	root, bucket := s.IAM.Root(), DemoBucket("123456789012")
	resource := s3.BucketARN(bucket)
	if _, err := s.IAM.CreateUser(t.Context(), root, iam.NewUser{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := s.IAM.PutUserPolicy(t.Context(), root, "ann", "reads", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","s3:PutBucketPolicy"],"Resource":"*"},
		{"Sid":"NotTheSecretOnes","Effect":"Deny","Action":"s3:*","Resource":"`+resource+`/secret/*"}]}`); err != nil {
		t.Fatal(err)
	}
	key, _, err := s.IAM.CreateAccessKey(t.Context(), root, "ann")
	if err != nil {
		t.Fatal(err)
	}
	put := func(policy string) {
		t.Helper()
		if err := s.S3.PutBucketPolicy(t.Context(), root, bucket, policy); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"Version":"2012-10-17","Id":"OfTheBucket","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ann"},"Action":"s3:GetObject","Resource":"` + resource + `/*"},
		{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::123456789012:user/ann"},"Action":"s3:PutObject","Resource":"` + resource + `/*"}]}`)
	public := `{"Version":"2012-10-17","Statement":[{"Sid":"ForAll","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"` + resource + `/*"}]}`
	host := bucket + ".s3.us-east-1.amazonaws.com"
	ann := sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}
	denials := []struct {
		name, method, path, query, body string
		anonymous                       bool
		before                          func()
		want                            telemetry.Decision
		notTold                         []string
	}{
		{
			"by a statement with a Sid of the user's policy", "GET", "/secret/k", "", "", false, nil,
			telemetry.Decision{Action: "s3:GetObject", Resources: []string{resource + "/secret/k"}, By: "identity-based policy", Policy: "reads", Statement: "NotTheSecretOnes"},
			[]string{"NotTheSecretOnes", "reads"},
		},
		{
			"by a statement without one of the bucket's policy", "PUT", "/k", "", "x", false, nil,
			telemetry.Decision{Action: "s3:PutObject", Resources: []string{resource + "/k"}, By: "resource-based policy", Policy: "OfTheBucket", Statement: "1"},
			[]string{"OfTheBucket"},
		},
		{
			"since nothing allows it", "DELETE", "/k", "", "", false, nil,
			telemetry.Decision{Action: "s3:DeleteObject", Resources: []string{resource + "/k"}, By: "identity-based policy"},
			nil,
		},
		{
			"by BlockPublicPolicy", "PUT", "/", "policy", public, false, nil,
			telemetry.Decision{Action: "s3:PutBucketPolicy", Resources: []string{resource}, By: "S3 Block Public Access, BlockPublicPolicy"},
			nil,
		},
		{"by RestrictPublicBuckets", "GET", "/sample.jpg", "", "", true, func() {
			if err := s.S3.PutPublicAccessBlock(t.Context(), root, bucket, s3.PublicAccessBlock{}); err != nil {
				t.Fatal(err)
			}
			put(public)
			if err := s.S3.PutPublicAccessBlock(t.Context(), root, bucket, s3.PublicAccessBlock{RestrictPublicBuckets: true}); err != nil {
				t.Fatal(err)
			}
		}, telemetry.Decision{Action: "s3:GetObject", Resources: []string{resource + "/sample.jpg"}, By: "S3 Block Public Access, RestrictPublicBuckets"}, []string{"Block Public Access"}},
	}
	ids := make([]string, len(denials))
	for i, d := range denials {
		if d.before != nil {
			d.before()
		}
		credentials := &ann
		if d.anonymous {
			credentials = nil
		}
		resp := s.send(t, credentials, d.method, host, d.path, d.query, "s3", []byte(d.body))
		said, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusForbidden {
			t.Fatalf("%s: %d %s (%v), want 403", d.name, resp.StatusCode, said, err)
		}
		for _, secret := range d.notTold {
			if strings.Contains(string(said), secret) {
				t.Errorf("%s: the caller is told of %s: %s", d.name, secret, said)
			}
		}
		ids[i] = resp.Header.Get("X-Amz-Request-Id")
	}
	if err := s.local.wait(); err != nil { // a record is written when its request ends
		t.Fatal(err)
	}
	file := filepath.Join(s.cfg.Data, "audit.log")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("audit.log has mode %v (%v), want it private", info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]telemetry.Record{}
	for line := range bytes.Lines(text) {
		var r telemetry.Record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		records[r.RequestID] = r
	}
	for i, d := range denials {
		r := records[ids[i]]
		n := len(r.Decisions)
		if n == 0 {
			t.Errorf("%s: the record has no decision: %+v", d.name, r)
			continue
		}
		got, _ := json.Marshal(r.Decisions[n-1])
		want, _ := json.Marshal(d.want)
		if !bytes.Equal(got, want) || r.Status != http.StatusForbidden {
			t.Errorf("%s: the record says %s, want %s", d.name, got, want)
		}
	}
}
