// Package e2e tests the whole system through its listeners, with clients that we did not write. What a test cannot find
// (a tool of sh e2e/deps.sh) fails it, with the command that installs it.
package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/aws/awscli"
	"glassine/aws/sigv4"
	"glassine/iam"
)

const (
	account     = "123456789012"
	bucket      = "glassine-demo-" + account
	pointARN    = "arn:aws:s3:us-east-1:" + account + ":accesspoint/glassine-demo-ap"
	lambdaARN   = "arn:aws:s3-object-lambda:us-east-1:" + account + ":accesspoint/glassine-demo"
	edgeRole    = "glassine-signer-role"
	edgeRoleARN = "arn:aws:iam::" + account + ":role/" + edgeRole
	imageRole   = "glassine-image-role"

	bucketHost = bucket + ".s3.us-east-1.amazonaws.com"
	pointHost  = "glassine-demo-ap-" + account + ".s3-accesspoint.us-east-1.amazonaws.com"
	lambdaHost = "glassine-demo-" + account + ".s3-object-lambda.us-east-1.amazonaws.com"
	writeHost  = "io-use1-001.s3-object-lambda.us-east-1.amazonaws.com"
)

// system is a running glassine with the demo.
type system struct {
	*glassine.System
	data   string
	viewer *http.Client // trusts the local CA, follows no redirect
	aws    *http.Client // reaches every AWS host name at the endpoint, over TLS
}

// start runs a system on free ports until the test ends.
func start(t *testing.T, change ...func(*glassine.Config)) *system {
	t.Helper()
	s := &system{data: t.TempDir()}
	cfg := glassine.Config{
		Data: s.data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Demo: true,
		Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	sys, err := glassine.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.System = sys
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sys.Serve(ctx) }()
	t.Cleanup(func() {
		s.viewer.CloseIdleConnections() // HTTP/2 gives clients a second to leave by themselves
		s.aws.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	roots := s.roots(t)
	s.viewer = &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.aws = &http.Client{Transport: awsTransport(roots, s.Addresses().AWS)}
	return s
}

func (s *system) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

// awsTransport sends every connection to the endpoint; TLS is verified against the name that was asked for.
func awsTransport(roots *x509.CertPool, endpoint string) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, endpoint)
		},
	}
}

// url is a viewer's URL of a path.
func (s *system) url(path string) string {
	_, port, _ := net.SplitHostPort(s.Addresses().HTTPS)
	return "https://localhost:" + port + path
}

// answer is a response, read whole.
type answer struct {
	*http.Response
	body []byte
}

func do(t *testing.T, c *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read: %v", req.Method, req.URL, err)
	}
	return answer{resp, body}
}

// view asks the edge as a viewer.
func (s *system) view(t *testing.T, method, path string) answer {
	t.Helper()
	return do(t, s.viewer, request(t, method, s.url(path), nil))
}

func request(t *testing.T, method, url string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// signed asks the AWS endpoint with a signature by c. change sees the request after it was signed.
func (s *system) signed(t *testing.T, c iam.Credentials, service, method, url string, body []byte, change func(*http.Request)) answer {
	t.Helper()
	req := request(t, method, url, body)
	sign(req, c, service, body)
	if change != nil {
		change(req)
	}
	return do(t, s.aws, req)
}

func sign(req *http.Request, c iam.Credentials, service string, body []byte) {
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken},
		"us-east-1", service, sigv4.PayloadSHA256(body), time.Now())
}

// root is the root access key.
func (s *system) root(t *testing.T) iam.Credentials {
	t.Helper()
	c, err := glassine.RootCredentials(s.data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// edgeSession is a session of the edge signer's role, as the signer gets one.
func (s *system) edgeSession(t *testing.T) (iam.Credentials, error) {
	t.Helper()
	return s.IAM.AssumeForService(t.Context(), edgeRoleARN, []string{"lambda.amazonaws.com", "edgelambda.amazonaws.com"}, "glassine-signer", 15*time.Minute)
}

// put stores an object in the demo's bucket as the root user.
func (s *system) put(t *testing.T, key string, body []byte) {
	t.Helper()
	a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/"+key, body, nil)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("PUT %s = %s: %s", key, a.Status, a.body)
	}
}

// tool finds a program that the tests ask.
func tool(t *testing.T, name string) string {
	t.Helper()
	find := exec.LookPath
	if name == "aws" {
		find = func(string) (string, error) { return awscli.Path() }
	}
	path, err := find(name)
	if err != nil {
		t.Fatalf("%s is missing: run make deps", name)
	}
	return path
}

func command(t *testing.T, env []string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	if name == "aws" {
		cmd := awscli.Command(t.Context(), args...)
		cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = &out, &errOut, env, t.TempDir()
		err = cmd.Run()
		return out.String(), errOut.String(), err
	}
	cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = &out, &errOut, env, t.TempDir()
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

func writeTemp(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tags is what exiftool finds in a file, by group and name, without what it says of the file itself.
func tags(t *testing.T, file string) map[string]any {
	t.Helper()
	out, errOut, err := command(t, os.Environ(), "exiftool", "-json", "-G1", "-a", "-u", "-U", file)
	if err != nil {
		t.Fatalf("exiftool: %v: %s", err, errOut)
	}
	var found []map[string]any
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found) != 1 {
		t.Fatalf("exiftool's JSON: %v", err)
	}
	for name := range found[0] {
		group, _, _ := strings.Cut(name, ":")
		if group == "System" || group == "File" || group == "ExifTool" || group == "Composite" || name == "SourceFile" {
			delete(found[0], name)
		}
	}
	return found[0]
}
