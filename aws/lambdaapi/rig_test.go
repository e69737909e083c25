package lambdaapi_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/aws/awscli"
	"glassine/aws/fault"
	"glassine/aws/lambdaapi"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/lambda/sandbox"
	"glassine/state"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
	role    = "arn:aws:iam::" + account + ":role/execution"
	prefix  = "arn:aws:lambda:" + region + ":" + account + ":function:"
)

// executor is a sandbox whose functions answer with what they see.
type executor struct {
	invoke  func(ctx context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error)
	retired []string
}

func (e *executor) Invoke(ctx context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
	return e.invoke(ctx, v, inv)
}

func (e *executor) Warm(context.Context, sandbox.Version) error { return nil }

func (e *executor) Retire(key string) { e.retired = append(e.retired, key) }

// objects is a bucket.
type objects map[string]string

func (o objects) GetObject(_ context.Context, _ iam.Caller, bucket, key, version string) (io.ReadCloser, error) {
	body, ok := o[bucket+"/"+key+"?"+version]
	if !ok {
		return nil, fault.New("NoSuchKey", "The specified key does not exist.")
	}
	return io.NopCloser(strings.NewReader(body)), nil
}

// rig is the API over real services, with aws-cli as its client.
type rig struct {
	t        *testing.T
	endpoint string
	home     string
	key      iam.Credentials
	lambda   *lambda.Service
	iam      *iam.Service
	process  *executor
	objects  objects
}

func newRig(t *testing.T) *rig {
	t.Helper()
	ctx := context.Background()
	records := &state.Memory{}
	r := &rig{t: t, home: t.TempDir(), process: &executor{}, objects: objects{}}
	r.process.invoke = func(_ context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
		code, err := os.ReadFile(filepath.Join(v.CodeDir, "index.js"))
		if err != nil {
			return sandbox.Result{}, err
		}
		answer, err := json.Marshal(map[string]any{"event": string(inv.Payload), "code": string(code), "version": v.Version, "environment": v.Environment, "context": inv.ClientContext})
		return sandbox.Result{Payload: answer, LogTail: []byte("START\nEND\n")}, err
	}
	var err error
	if r.iam, err = iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	if r.key, _, err = r.iam.EnsureRoot(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.iam.CreateRole(ctx, r.iam.Root(), iam.NewRole{Name: "execution", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}); err != nil {
		t.Fatal(err)
	}
	if r.lambda, err = lambda.New(ctx, lambda.Config{
		State: records, IAM: r.iam, Dir: filepath.Join(t.TempDir(), "code"), Executor: r.process, Objects: r.objects, Log: slog.New(slog.DiscardHandler),
		Builtins: map[string]runner.Func{"glassine://echo": func(_ context.Context, inv runner.Invocation) ([]byte, error) { return inv.Payload, nil }},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.lambda.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(lambdaapi.New(r.lambda, r.iam, nil, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	r.endpoint = server.URL
	return r
}

// try runs "aws lambda args..." and returns what it printed, and what it complained of.
func (r *rig) try(args ...string) (out []byte, complaint string) {
	r.t.Helper()
	cmd := awscli.Command(r.t.Context(), append([]string{"--endpoint-url", r.endpoint, "--region", region, "--output", "json", "--cli-binary-format", "raw-in-base64-out", "lambda"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.home, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=" + region,
		"AWS_MAX_ATTEMPTS=1", "AWS_ACCESS_KEY_ID=" + r.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + r.key.SecretAccessKey,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, err.Error() + ": " + strings.TrimSpace(stderr.String())
	}
	return stdout.Bytes(), ""
}

// run wants success, and decodes the answer into out unless it is nil.
func (r *rig) run(out any, args ...string) {
	r.t.Helper()
	text, complaint := r.try(args...)
	if complaint != "" {
		r.t.Fatalf("aws lambda %s: %s", strings.Join(args, " "), complaint)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		r.t.Fatalf("aws lambda %s: %v: %s", strings.Join(args, " "), err, text)
	}
}

// fails wants the error code, and the text in what it says.
func (r *rig) fails(code, text string, args ...string) {
	r.t.Helper()
	if _, complaint := r.try(args...); !strings.Contains(complaint, "("+code+")") || !strings.Contains(complaint, text) {
		r.t.Errorf("aws lambda %s: %q, want %s with %q", strings.Join(args, " "), complaint, code, text)
	}
}

// archive writes a zip of the files, name and content in turn, and returns its name as --zip-file takes it.
func (r *rig) archive(files ...string) string {
	r.t.Helper()
	name := filepath.Join(r.t.TempDir(), "code.zip")
	if err := os.WriteFile(name, zipOf(r.t, files...), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return "fileb://" + name
}

func zipOf(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// signed sends a request by root to the API.
func (r *rig) signed(method, path string, header map[string]string, body []byte) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.endpoint+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: r.key.AccessKeyID, SecretAccessKey: r.key.SecretAccessKey}, region, "lambda", sigv4.PayloadSHA256(body), time.Now())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { resp.Body.Close() })
	return resp
}
