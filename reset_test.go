package glassine

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/aws/resetapi"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/s3"
	"glassine/store"
)

// serving is a System that can be reset, served until the test ends.
func serving(t *testing.T, cfg Config) *System {
	t.Helper()
	cfg.AllowReset = true
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return s
}

func resetClient(t *testing.T, s *System, c iam.Credentials) *resetapi.Client {
	t.Helper()
	return &resetapi.Client{Client: wire.Client{
		Credentials: sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
		HTTP: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: rootsOf(t, s)}, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", s.Addresses().AWS)
			},
		}},
	}}
}

func rootsOf(t *testing.T, s *System) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

// viewerOf asks the edge over connections that are kept.
func viewerOf(t *testing.T, s *System) func(path string) (status int, cache string, body []byte) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rootsOf(t, s)}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	_, port, _ := net.SplitHostPort(s.Addresses().HTTPS)
	return func(path string) (int, string, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost:"+port+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("X-Cache"), body
	}
}

func TestAResetSystemIsAsAfterItsFirstStart(t *testing.T) {
	t.Parallel()
	cfg := quietConfig(t.TempDir())
	cfg.Demo = true
	var access bytes.Buffer
	cfg.AccessLog = &access
	s := serving(t, cfg)
	key, root, before := *s.NewRoot, s.IAM.Root(), s.Addresses()
	view := viewerOf(t, s)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// A picture in the cache, and something of every kind.
	_, err := s.S3.PutObject(t.Context(), root, s3.Target{Bucket: DemoBucket("123456789012")}, "mine.txt", strings.NewReader("private"), store.PutOptions{})
	must(err)
	if status, _, _ := view("/" + DemoKey); status != http.StatusOK {
		t.Fatalf("the demo's picture: %d", status)
	}
	if _, cache, _ := view("/" + DemoKey); cache != "Hit from cloudfront" {
		t.Fatalf("X-Cache: %q, want a hit before the reset", cache)
	}
	_, err = s.S3.CreateBucket(t.Context(), root, "photos", "us-east-1")
	must(err)
	must(s.S3.PutBucketVersioning(t.Context(), root, "photos", s3.VersioningEnabled))
	put(t, s, "a.jpg", "one")
	put(t, s, "a.jpg", "two")
	_, err = s.IAM.CreateUser(t.Context(), root, iam.NewUser{Name: "alice"})
	must(err)
	alice, _, err := s.IAM.CreateAccessKey(t.Context(), root, "alice")
	must(err)
	session, err := s.IAM.GetSessionToken(t.Context(), root, time.Hour)
	must(err)
	must(s.Logs.CreateLogGroup(t.Context(), root, "us-east-1", "/mine", nil))

	took, err := resetClient(t, s, key).Reset(t.Context(), "us-east-1")
	must(err)
	t.Logf("the reset took %s", took)

	if s.Addresses() != before {
		t.Errorf("it listens at %v, before at %v", s.Addresses(), before)
	}
	root = s.IAM.Root()
	if root.AccessKeyID != key.AccessKeyID {
		t.Errorf("the root key is %s, before %s", root.AccessKeyID, key.AccessKeyID)
	}
	if secret, _, err := s.IAM.Lookup(t.Context(), key.AccessKeyID, ""); err != nil || secret != key.SecretAccessKey {
		t.Errorf("the root key after the reset: %v", err)
	}
	if _, _, err := s.IAM.Lookup(t.Context(), alice.AccessKeyID, ""); !fault.Is(err, "InvalidAccessKeyId") {
		t.Errorf("a user's key: %v, want InvalidAccessKeyId", err)
	}
	if _, _, err := s.IAM.Lookup(t.Context(), session.AccessKeyID, session.SessionToken); !fault.Is(err, "InvalidToken") {
		t.Errorf("a session of before: %v, want InvalidToken", err)
	}
	buckets, err := s.S3.Buckets(t.Context(), root)
	must(err)
	if len(buckets) != 1 || buckets[0].Name != DemoBucket("123456789012") {
		t.Errorf("buckets: %v, want the demo's", buckets)
	}
	if _, err := s.S3.GetObject(t.Context(), root, s3.Target{Bucket: DemoBucket("123456789012")}, "mine.txt", store.GetOptions{}); !fault.Is(err, "NoSuchKey") {
		t.Errorf("an object of before in the demo's bucket: %v", err)
	}
	groups, err := s.Logs.DescribeLogGroups(t.Context(), root, "us-east-1", "", "")
	must(err)
	for _, g := range groups {
		if g.Name == "/mine" {
			t.Error("the log group is still there")
		}
	}
	if status, cache, _ := view("/" + DemoKey); status != http.StatusOK || cache != "Miss from cloudfront" {
		t.Errorf("the demo's picture: %d, %q, want one that was fetched anew", status, cache)
	}
	if status, _, _ := view("/mine.txt"); status == http.StatusOK {
		t.Error("the edge serves an object of before")
	}
	for _, name := range []string{resetDir, stagedDir} {
		if _, err := os.Stat(filepath.Join(cfg.Data, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	// Again, by the API of Go.
	if err := s.Reset(t.Context(), s.IAM.Root()); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := view("/" + DemoKey); status != http.StatusOK {
		t.Errorf("the demo's picture after another reset: %d", status)
	}
	if raw, err := os.ReadFile(filepath.Join(cfg.Data, "audit.log")); err != nil || !bytes.Contains(raw, []byte("glassine:Reset")) || !bytes.Contains(raw, []byte("iam:CreateUser")) {
		t.Errorf("the audit log lacks the reset, or what was before it: %v", err)
	}
}

func TestAResetIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("without the setting", func(t *testing.T) {
		s := newQuiet(t, t.TempDir())
		if err := s.Reset(t.Context(), s.IAM.Root()); !fault.Is(err, resetapi.Disabled) || !strings.Contains(err.Error(), "allow-reset") {
			t.Errorf("Reset = %v, want one that names the setting", err)
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://glassine.us-east-1.amazonaws.com"+resetapi.Path, http.NoBody)
		sigv4.Sign(req, sigv4.Credentials{AccessKeyID: s.NewRoot.AccessKeyID, SecretAccessKey: s.NewRoot.SecretAccessKey}, "us-east-1", resetapi.Service, sigv4.PayloadSHA256(nil), time.Now())
		resp, err := s.Transport().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusForbidden || resp.Header.Get("X-Amzn-Errortype") != resetapi.Disabled || !strings.Contains(string(body), `"message":"This glassine cannot be reset: the setting allow-reset`) {
			t.Errorf("the answer is %d %v %s (%v)", resp.StatusCode, resp.Header, body, err)
		}
	})
	s := serving(t, quietConfig(t.TempDir()))
	root := s.IAM.Root()
	if _, err := s.S3.CreateBucket(t.Context(), root, "photos", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	user := func(name, policy string) iam.Credentials {
		t.Helper()
		_, err := s.IAM.CreateUser(t.Context(), root, iam.NewUser{Name: name})
		if err == nil && policy != "" {
			err = s.IAM.PutUserPolicy(t.Context(), root, name, "p", policy)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, _, err := s.IAM.CreateAccessKey(t.Context(), root, name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	wrong := *s.NewRoot
	wrong.SecretAccessKey = "of somebody else"
	for name, row := range map[string]struct {
		key  iam.Credentials
		code string
	}{
		"a user without a policy":  {user("nobody", ""), "AccessDeniedException"},
		"who may all but this":     {user("most", `{"Statement":{"Effect":"Allow","NotAction":"glassine:Reset","Resource":"*"},"Version":"2012-10-17"}`), "AccessDeniedException"},
		"a signature that is none": {wrong, "InvalidSignatureException"},
	} {
		if _, err := resetClient(t, s, row.key).Reset(t.Context(), "us-east-1"); !fault.Is(err, row.code) {
			t.Errorf("%s: %v, want %s", name, err, row.code)
		}
	}
	for _, row := range []struct {
		method string
		status int
	}{{http.MethodPost, http.StatusForbidden}, {http.MethodGet, http.StatusMethodNotAllowed}} {
		req, _ := http.NewRequestWithContext(t.Context(), row.method, "http://"+s.Addresses().AWS+resetapi.Path, http.NoBody)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != row.status {
			t.Errorf("%s without a signature: %d, want %d", row.method, resp.StatusCode, row.status)
		}
	}
	if _, err := s.S3.BucketVersioning(t.Context(), root, "photos"); err != nil {
		t.Errorf("the bucket after all that was refused: %v", err)
	}
	if _, err := resetClient(t, s, user("tester", `{"Statement":{"Effect":"Allow","Action":"glassine:Reset","Resource":"*"},"Version":"2012-10-17"}`)).Reset(t.Context(), "us-east-1"); err != nil {
		t.Errorf("who may: %v", err)
	}
	if _, err := s.S3.BucketVersioning(t.Context(), s.IAM.Root(), "photos"); !fault.Is(err, "NoSuchBucket") {
		t.Errorf("the bucket after the reset: %v", err)
	}
}

func TestAResetLeavesOriginalsElsewhereAlone(t *testing.T) {
	t.Parallel()
	scans := t.TempDir()
	if err := os.WriteFile(filepath.Join(scans, "a.jpg"), []byte("an original"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := quietConfig(t.TempDir())
	cfg.Directories = []Directory{{Name: "scans", Path: scans}}
	s := serving(t, cfg)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::scans/*","Condition":{"StringEquals":{"aws:PrincipalAccount":"123456789012"}}}]}`
	if err := s.S3.PutBucketPolicy(t.Context(), s.IAM.Root(), "scans", policy); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(t.Context(), s.IAM.Root()); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(scans, "a.jpg")); err != nil || string(raw) != "an original" {
		t.Fatalf("the original is %q, %v", raw, err)
	}
	o, err := s.S3.GetObject(t.Context(), s.IAM.Root(), s3.Target{Bucket: "scans"}, "a.jpg", store.GetOptions{})
	if err != nil {
		t.Fatalf("the bucket is not declared anew: %v", err)
	}
	o.Body.Close()
	if _, err := s.S3.GetBucketPolicy(t.Context(), s.IAM.Root(), "scans"); !fault.Is(err, "NoSuchBucketPolicy") {
		t.Errorf("the bucket's policy: %v, want NoSuchBucketPolicy", err)
	}
}

func TestAResetRefusesADirectoryThatItWouldEmpty(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	mine := filepath.Join(data, "edge-logs", "mine")
	if err := os.MkdirAll(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "a.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := quietConfig(data)
	cfg.Directories = []Directory{{Name: "mine", Path: mine}}
	s := serving(t, cfg)
	if err := s.Reset(t.Context(), s.IAM.Root()); err == nil || !strings.Contains(err.Error(), "which a reset empties") {
		t.Errorf("Reset = %v, want a refusal", err)
	}
	if _, err := os.Stat(filepath.Join(mine, "a.jpg")); err != nil {
		t.Error(err)
	}
	if _, err := s.S3.BucketVersioning(t.Context(), s.IAM.Root(), "mine"); err != nil {
		t.Errorf("the system after the refusal: %v", err)
	}
}

// Requests never stop while the system is reset again and again: whoever connects is answered, by what was or by what is.
func TestRequestsDuringResetsAreAnsweredOrWait(t *testing.T) {
	t.Parallel()
	cfg := quietConfig(t.TempDir())
	cfg.Demo = true
	s := serving(t, cfg)
	address, https := s.Addresses().AWS, s.Addresses().HTTPS
	var stop atomic.Bool
	var asked, broken atomic.Int64
	var all sync.WaitGroup
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: rootsOf(t, s), ServerName: "localhost"}}}
	for _, url := range []string{"http://" + address + "/_localstack/health", "https://" + https + "/" + DemoKey} {
		all.Go(func() {
			for !stop.Load() {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
				req.Host = "localhost"
				resp, err := fresh.Do(req)
				asked.Add(1)
				if err != nil {
					broken.Add(1) // a connection that was just being made
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", url, resp.Status)
				}
			}
		})
	}
	var longest time.Duration
	for range 5 {
		began := time.Now()
		if err := s.Reset(t.Context(), s.IAM.Root()); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
	}
	stop.Store(true)
	all.Wait()
	t.Logf("%d requests, %d broken off, over 5 resets of at most %s", asked.Load(), broken.Load(), longest)
	if broken.Load() > 10 { // one for each of both and each reset
		t.Errorf("%d of %d requests were broken off by 5 resets", broken.Load(), asked.Load())
	}
}

func TestAFunctionThatIsWarmIsGone(t *testing.T) {
	t.Parallel()
	cfg := quietConfig(t.TempDir())
	cfg.Functions = map[string]runner.Func{"glassine://mine": func(context.Context, runner.Invocation) ([]byte, error) { return []byte(`"warm"`), nil }}
	s := serving(t, cfg)
	make := func() {
		t.Helper()
		root := s.IAM.Root()
		if _, err := s.IAM.CreateRole(t.Context(), root, iam.NewRole{Name: "runs", Trust: trust(`"lambda.amazonaws.com"`)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Lambda.CreateFunction(t.Context(), root, lambda.NewFunction{Name: "mine", Code: lambda.Code{URI: "glassine://mine"}, Role: "arn:aws:iam::123456789012:role/runs"}); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Lambda.Invoke(t.Context(), root, "mine", []byte("{}")); err != nil || string(r.Payload) != `"warm"` {
			t.Fatalf("Invoke = %q, %v", r.Payload, err)
		}
	}
	make()
	if err := s.Reset(t.Context(), s.IAM.Root()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Lambda.Invoke(t.Context(), s.IAM.Root(), "mine", []byte("{}")); !fault.Is(err, "ResourceNotFoundException") {
		t.Errorf("Invoke after the reset = %q, %v, want ResourceNotFoundException", r.Payload, err)
	}
	make()
}
