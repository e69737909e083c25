package glassine

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/edge"
	"glassine/iam"
	"glassine/s3"
	"glassine/store"
)

// The standard log of a distribution arrives in the bucket: put by the delivery service, which the bucket's policy lets in since
// whoever turned logging on had the right to say so.
func TestStandardLogArrivesInTheBucket(t *testing.T) {
	cfg := Config{
		Data: t.TempDir(), AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Demo: true,
		Log: slog.New(slog.DiscardHandler),
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := t.Context(), s.IAM.Root()
	if _, err := s.S3.CreateBucket(ctx, root, "the-logs", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.S3.PutBucketPolicy(ctx, root, "the-logs", `{"Version":"2012-10-17","Statement":{"Sid":"TLS","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::the-logs/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`); err != nil {
		t.Fatal(err)
	}
	all, err := s.Edge.ListDistributions(ctx, root)
	if err != nil || len(all) == 0 {
		t.Fatalf("distributions = %v, %v", all, err)
	}
	d := all[0]
	with := d.Config
	with.Logging = edge.Logging{Bucket: "the-logs.s3.amazonaws.com", Prefix: "cdn"}

	// Who may change distributions but not the bucket's policy cannot send logs there.
	user, err := s.IAM.CreateUser(ctx, root, iam.NewUser{Name: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.IAM.PutUserPolicy(ctx, root, user.Name, "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudfront:*","lambda:*","s3:GetBucketPolicy"],"Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	key, _, err := s.IAM.CreateAccessKey(ctx, root, user.Name)
	if err != nil {
		t.Fatal(err)
	}
	_, ann, err := s.IAM.Lookup(ctx, key.AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Edge.UpdateDistribution(ctx, ann, d.ID, d.ETag, with); !fault.Is(err, "AccessDenied") {
		t.Errorf("a caller without s3:PutBucketPolicy: %v, want AccessDenied", err)
	}
	missing := with
	missing.Logging.Bucket = "no-such-bucket-here.s3.amazonaws.com"
	if _, err := s.Edge.UpdateDistribution(ctx, root, d.ID, d.ETag, missing); !fault.Is(err, "InvalidArgument") {
		t.Errorf("a bucket that is not there: %v, want InvalidArgument", err)
	}
	if _, err := s.Edge.UpdateDistribution(ctx, root, d.ID, d.ETag, with); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "https://"+d.DomainName+"/not-there.jpg", nil)
	s.Edge.ServeHTTP(httptest.NewRecorder(), r)
	if err := s.Close(); err != nil { // which delivers
		t.Fatal(err)
	}

	if s, err = New(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, page, err := s.S3.ListObjects(ctx, s.IAM.Root(), s3.Target{Bucket: "the-logs"}, store.ListOptions{Prefix: "cdn/" + d.ID + "."})
	if err != nil || len(page.Objects) != 1 {
		t.Fatalf("objects = %+v, %v, want one", page.Objects, err)
	}
	o, err := s.S3.GetObject(ctx, s.IAM.Root(), s3.Target{Bucket: "the-logs"}, page.Objects[0].Key, store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	z, err := gzip.NewReader(o.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !bytes.HasPrefix(text, []byte("#Version: 1.0\n#Fields: date time ")) || !bytes.Contains(text, []byte("\t/not-there.jpg\t")) {
		t.Errorf("the log is %q, %v", text, err)
	}
}

func TestBucketPolicyGetsAStatementForLogs(t *testing.T) {
	const own = `{"Effect":"Allow","Principal":{"Service":["delivery.logs.amazonaws.com"]},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}`
	for _, c := range []struct {
		name, old  string
		statements int // 0: unchanged
	}{
		{"no policy", "", 1},
		{"a statement that is no list", `{"Version":"2012-10-17","Statement":{"Effect":"Deny"}}`, 2},
		{"several", `{"Version":"2008-10-17","Id":"x","Statement":[{"Effect":"Deny"},{"Effect":"Allow","Principal":"*"}]}`, 3},
		{"the administrator's own", `{"Version":"2012-10-17","Statement":[` + own + `]}`, 0},
		{"own, of another prefix", `{"Version":"2012-10-17","Statement":[` + strings.Replace(own, "b/*", "b/other/*", 1) + `]}`, 2},
		{"a denial of the service", `{"Version":"2012-10-17","Statement":[` + strings.Replace(own, "Allow", "Deny", 1) + `]}`, 2},
	} {
		got, changed, err := withLogStatement(c.old, "123456789012", "b", "cdn/")
		if err != nil || changed != (c.statements > 0) {
			t.Errorf("%s: %s, %v, %v", c.name, got, changed, err)
			continue
		}
		if !changed {
			continue
		}
		var p struct {
			ID        string
			Statement []logStatement
		}
		_ = json.Unmarshal([]byte(strings.ReplaceAll(got, `"Principal":"*",`, "")), &p) // what it has is compared next
		if len(p.Statement) != c.statements && c.name != "several" {
			t.Errorf("%s: %s has %d statements, want %d", c.name, got, len(p.Statement), c.statements)
		}
		again, changed, err := withLogStatement(got, "123456789012", "b", "cdn/")
		if changed || err != nil {
			t.Errorf("%s: the second time: %s, %v, %v; want no change", c.name, again, changed, err)
		}
	}
	if _, _, err := withLogStatement("{", "123456789012", "b", ""); err == nil {
		t.Error("a policy that is no JSON gave no error")
	}
}

func FuzzBucketPolicyForLogs(f *testing.F) {
	f.Add(`{"Statement":[{"Principal":{"Service":"delivery.logs.amazonaws.com"},"Effect":"Allow","Resource":"*"}]}`)
	f.Fuzz(func(t *testing.T, old string) {
		got, changed, err := withLogStatement(old, "123456789012", "b", "")
		if err == nil && changed && !json.Valid([]byte(got)) {
			t.Errorf("%q became %q", old, got)
		}
	})
}

// slowLines is where lines go, one invocation's at a time once something comes from go.
type slowLines struct {
	next  chan error
	lines []string
}

func (s *slowLines) Lines(_ context.Context, c iam.Caller, region, group, stream string, _ []time.Time, lines [][]byte) error {
	err := <-s.next
	if err == nil {
		s.lines = append(s.lines, fmt.Sprintf("%s %s %s %s %v", region, group, stream, lines[0], c.Session.Via))
	}
	return err
}

func TestFunctionLogNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &slowLines{next: make(chan error)}
		l := newFunctionLog(to, iam.Caller{}, slog.New(slog.DiscardHandler))
		for i := range functionQueue + 10 {
			l.add("/aws/cloudfront/function/f", "s", time.Time{}, []string{fmt.Sprint(i)})
			synctest.Wait() // one is being written, so that the queue holds the next ones
		}
		if lost := l.lost.Load(); lost != 9 {
			t.Errorf("lost = %d, want the 9 that neither the queue nor the writer had room for", lost)
		}
		go func() {
			to.next <- errors.New("no")
			for range functionQueue {
				to.next <- nil
			}
		}()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if len(to.lines) != functionQueue || to.lines[0] != "us-east-1 /aws/cloudfront/function/f s 1 [cloudfront.amazonaws.com]" {
			t.Errorf("%d lines, the first %q", len(to.lines), to.lines[0])
		}
		l.add("g", "s", time.Time{}, []string{"late"})
		if lost := l.lost.Load(); lost != 11 {
			t.Errorf("lost = %d, want one more for the failure and one after Close", lost)
		}
		_ = l.Close() // again does nothing
	})
}
