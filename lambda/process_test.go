package lambda

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/lambda/sandbox"
)

func TestMain(m *testing.M) {
	if sandbox.Main() {
		return
	}
	os.Exit(m.Run())
}

// The seam to lambda/sandbox, with both sides real: an archive runs as a process with its role's credentials and environment,
// and its log is written by its role.
func TestArchiveRunsInARealProcess(t *testing.T) {
	logs := &lines{}
	var s *Service
	r := newRig(t, func(c *Config) {
		host, err := sandbox.New(sandbox.Config{
			Dir: filepath.Join(t.TempDir(), "sandbox"), Credentials: func(ctx context.Context, v sandbox.Version) (sigv4.Credentials, time.Time, error) {
				return s.Credentials(ctx, v)
			},
			Log: func(v sandbox.Version, stream string, at time.Time, line []byte) { s.WriteLog(v, stream, at, line) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := host.Close(); err != nil {
				t.Error(err)
			}
		})
		c.Dir, c.Executor, c.Logs = filepath.Join(t.TempDir(), "code"), host, logs
	})
	s = r.Service
	version, err := exec.Command("python3", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		t.Fatalf("python3 is not installed: run make deps: %v", err)
	}
	n := newFunction()
	n.Name, n.Runtime, n.Handler, n.Environment = "real", strings.TrimSpace(string(version)), "index.handler", map[string]string{"NAME": "world"}
	n.Timeout = 20 * time.Second
	n.Code = Code{Zip: zipOf(t, file("index.py", `
import os
def handler(event, context):
    print("said", event["greeting"])
    if event["greeting"] == "boom":
        raise ValueError("boom")
    return {"said": event["greeting"] + " " + os.environ["NAME"], "key": os.environ["AWS_ACCESS_KEY_ID"][:4], "id": context.aws_request_id, "arn": context.invoked_function_arn}
`))}
	if _, err := r.CreateFunction(t.Context(), r.root, n); err != nil {
		t.Fatal(err)
	}
	out, err := r.Call(t.Context(), r.root, "real", Call{Payload: []byte(`{"greeting":"hello"}`), RequestID: "8f0c1b2e-0000-4000-8000-000000000000", WantLogTail: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"hello world"`, `"ASIA"`, `"8f0c1b2e-0000-4000-8000-000000000000"`, `function:real"`} {
		if !strings.Contains(string(out.Payload), want) {
			t.Errorf("answer = %s, want %s in it", out.Payload, want)
		}
	}
	if !strings.Contains(string(out.LogTail), "said hello") {
		t.Errorf("log tail = %q", out.LogTail)
	}
	if out, err = r.Invoke(t.Context(), r.root, "real", []byte(`{"greeting":"boom"}`)); err != nil || !out.Failed || !strings.Contains(string(out.Payload), "ValueError") {
		t.Errorf("a failure = %+v, %v", out, err)
	}
	if _, _, err := r.UpdateFunctionCode(t.Context(), r.root, "real", CodeChange{Code: Code{Zip: zipOf(t, file("index.py", `
def handler(event, context):
    return "new"
`))}}); err != nil {
		t.Fatal(err)
	}
	if out, err = r.Invoke(t.Context(), r.root, "real", []byte(`{}`)); err != nil || string(out.Payload) != `"new"` {
		t.Errorf("after an update = %s, %v, want the new code's answer", out.Payload, err)
	}
	logs.mu.Lock()
	defer logs.mu.Unlock()
	var all []string
	for stream, written := range logs.written {
		if !strings.HasPrefix(stream, "us-east-1 /aws/lambda/real ") {
			t.Errorf("stream %q", stream)
		}
		all = append(all, written...)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"START RequestId: 8f0c1b2e-0000-4000-8000-000000000000 Version: $LATEST", "said hello", "END RequestId: ", "REPORT RequestId: ", "said boom"} {
		if !strings.Contains(text, want) {
			t.Errorf("log has no %q:\n%s", want, text)
		}
	}
}
