package s3controlapi

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/s3"
	"glassine/state"
	"glassine/store/memory"
)

const account = "123456789012"

// Every operation that clients of the reference set-up need is here, by its method and path.
func TestOperationsAreServed(t *testing.T) {
	operations := (&Handler{}).operations()
	var all []string
	for _, kind := range []string{"accesspoint", "accesspointforobjectlambda"} {
		all = append(all, "PUT "+kind+"/name", "GET "+kind+"/name", "DELETE "+kind+"/name", "GET "+kind+"/", "PUT "+kind+"/name/policy", "GET "+kind+"/name/policy",
			"DELETE "+kind+"/name/policy", "GET "+kind+"/name/policyStatus")
	}
	all = append(all, "PUT accesspointforobjectlambda/name/configuration", "GET accesspointforobjectlambda/name/configuration",
		"PUT configuration/name", "GET configuration/name", "DELETE configuration/name", "POST tags/name", "DELETE tags/name", "GET tags/name")
	for _, name := range all {
		if operations[name] == nil {
			t.Errorf("%s is not served", name)
		}
	}
	if len(all) != 24 {
		t.Errorf("looked for %d operations, want 24", len(all))
	}
}

func TestTagsOfAnAccessPoint(t *testing.T) {
	ctx := context.Background()
	records := &state.Memory{}
	identities, err := iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := identities.EnsureRoot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	service, err := s3.New(ctx, s3.Config{State: records, Store: &memory.Store{}, IAM: identities, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.CreateBucket(ctx, identities.Root(), "photos", ""); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&Handler{IAM: identities, S3: service, Log: log})
	t.Cleanup(server.Close)
	send := func(method, path, body string, wantStatus int, want ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, server.URL+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Account-Id", account)
		sigv4.Sign(req, sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, "us-east-1", "s3", sigv4.PayloadSHA256([]byte(body)), time.Now())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != wantStatus || slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(string(raw), w) }) {
			t.Errorf("%s %s = %d %s, want %d with %q", method, path, resp.StatusCode, raw, wantStatus, want)
		}
	}
	const ns = ` xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"`
	const tags = "/v20180820/tags/arn:aws:s3:us-east-1:" + account + ":accesspoint/photos-ap"
	send("PUT", "/v20180820/accesspoint/photos-ap", "<CreateAccessPointRequest"+ns+"><Bucket>photos</Bucket><Tags><Tag><Key>a</Key><Value>1</Value></Tag></Tags></CreateAccessPointRequest>", 200)
	send("POST", tags, "<TagResourceRequest"+ns+"><Tags><Tag><Key>b</Key><Value>2</Value></Tag><Tag><Key>c</Key><Value>3</Value></Tag></Tags></TagResourceRequest>", 204)
	send("DELETE", tags+"?tagKeys=c", "", 204)
	send("GET", tags, "", 200, "<Tags><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value>2</Value></Tag></Tags>")
	send("GET", strings.ReplaceAll(tags, "accesspoint/photos-ap", "accesspoint%2Fphotos-ap"), "", 200, "<Key>b</Key>")
	send("POST", tags, "<TagResourceRequest"+ns+"></TagResourceRequest>", 400, "MalformedXML")
	send("GET", "/v20180820/multi-region-access-points", "", 501, "NotImplemented", "multi-region-access-points")
}
