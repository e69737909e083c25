package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		bootstrap() // this binary is a function's bootstrap, too: see provided
		return
	}
	os.Exit(m.Run())
}

// rig is a Host whose log is kept.
type rig struct {
	*Host
	t   *testing.T
	mu  sync.Mutex
	log []string
	seq int
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t}
	cfg := Config{
		Dir: t.TempDir(),
		Log: func(_ Version, _ string, _ time.Time, line []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.log = append(r.log, string(line))
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if r.Host, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// logged is the whole log so far.
func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.log, "\n")
}

// version makes a version of a function of the given files: name, content, name, content...
func (r *rig) version(runtime, handler string, files ...string) Version {
	r.t.Helper()
	r.seq++
	dir := r.t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	return Version{
		Key: fmt.Sprint("f", r.seq), FunctionName: "f", FunctionARN: "arn:aws:lambda:us-east-1:123456789012:function:f", Version: "$LATEST",
		Region: "us-east-1", Account: "123456789012", Runtime: runtime, Handler: handler, CodeDir: dir, MemoryMB: 512, Timeout: 20 * time.Second,
	}
}

func node(r *rig, source string) Version {
	return r.version("nodejs20.x", "index.handler", "index.js", source)
}

func python(r *rig, source string) Version {
	return r.version("python3.11", "lambda_function.handler", "lambda_function.py", source)
}

// invoke runs one event, and fails the test when it does not run at all.
func (r *rig) invoke(v Version, payload string) Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	result, err := r.Invoke(ctx, v, Invocation{
		RequestID: "8c1a3f0e-1111-4222-8333-944445555666", InvokedARN: v.FunctionARN, Payload: []byte(payload), WantLogTail: true,
	})
	if err != nil {
		r.t.Fatalf("invoke: %v\nlog:\n%s", err, r.logged())
	}
	return result
}

// want compares a result that did not fail.
func (r *rig) want(got Result, payload string) {
	r.t.Helper()
	if got.Failed || string(got.Payload) != payload {
		r.t.Errorf("result = %q (failed: %t), want %q\nlog:\n%s", got.Payload, got.Failed, payload, r.logged())
	}
}

// failure is an error as an invoker reads it.
type failure struct {
	ErrorType    string   `json:"errorType"`
	ErrorMessage string   `json:"errorMessage"`
	Trace        []string `json:"trace"`
	StackTrace   []any    `json:"stackTrace"`
	RequestID    string   `json:"requestId"`
}

// wantFailure compares a result that did fail, and returns it for more.
func (r *rig) wantFailure(got Result, kind, message string) failure {
	r.t.Helper()
	var f failure
	if err := json.Unmarshal(got.Payload, &f); err != nil || !got.Failed || got.FunctionError != "Unhandled" {
		r.t.Fatalf("result = %q (failed: %t, %q), want a failure", got.Payload, got.Failed, got.FunctionError)
	}
	if f.ErrorType != kind || !strings.Contains(f.ErrorMessage, message) {
		r.t.Errorf("failure = %q %q, want %q %q\nlog:\n%s", f.ErrorType, f.ErrorMessage, kind, message, r.logged())
	}
	return f
}

// provided makes a version whose bootstrap is this test binary.
func provided(r *rig, handler string) Version {
	r.t.Helper()
	v := r.version("provided.al2023", handler)
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := copyFile(filepath.Join(v.CodeDir, "bootstrap"), self); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// ours is a listener that is handed its connections.
type ours struct {
	conns chan net.Conn
	done  chan struct{}
}

func (o ours) Accept() (net.Conn, error) {
	select {
	case c := <-o.conns:
		return c, nil
	case <-o.done:
		return nil, net.ErrClosed
	}
}

func (o ours) Close() error {
	close(o.done)
	return nil
}

func (o ours) Addr() net.Addr { return &net.TCPAddr{} }
