package lambda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/iam"
	"glassine/lambda/runner"
	"glassine/lambda/sandbox"
)

// processes is an Executor that does what run says.
type processes struct {
	run     func(ctx context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error)
	retired []string
}

func (p *processes) Invoke(ctx context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
	return p.run(ctx, v, inv)
}

func (p *processes) Warm(context.Context, sandbox.Version) error { return nil }

func (p *processes) Retire(key string) { p.retired = append(p.retired, key) }

// lines is Logs in memory: what was written, by region, group and stream.
type lines struct {
	mu      sync.Mutex
	written map[string][]string
	by      iam.Caller
	err     error
}

func (l *lines) Lines(_ context.Context, c iam.Caller, region, group, stream string, _ []time.Time, lines [][]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written == nil {
		l.written = map[string][]string{}
	}
	l.by = c
	key := region + " " + group + " " + stream
	for _, line := range lines {
		l.written[key] = append(l.written[key], string(line))
	}
	return l.err
}

// zipped is a rig with a function "zipped" whose archive's index.js is "one".
func zipped(t testing.TB, change ...func(*Config)) (*rig, *processes) {
	t.Helper()
	p := &processes{}
	r := newRig(t, append([]func(*Config){func(c *Config) { c.Dir, c.Executor = filepath.Join(t.TempDir(), "code"), p }}, change...)...)
	n := newFunction()
	n.Name, n.Runtime, n.Handler, n.Code = "zipped", "nodejs20.x", "index.handler", Code{Zip: zipOf(t, file("index.js", "one"))}
	n.Environment, n.Memory, n.Timeout = map[string]string{"A": "b"}, 256, 7*time.Second
	if _, err := r.CreateFunction(t.Context(), r.root, n); err != nil {
		t.Fatal(err)
	}
	return r, p
}

const zippedARN = "arn:aws:lambda:us-east-1:" + account + ":function:zipped"

func TestArchiveRunsInAProcess(t *testing.T) {
	r, p := zipped(t)
	_, layer, err := r.PublishLayerVersion(t.Context(), r.root, NewLayer{Name: "l", Region: "us-east-1", Content: Code{Zip: zipOf(t, file("nodejs/a.js", "layer"))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.UpdateFunctionConfiguration(t.Context(), r.root, "zipped", Change{Layers: &[]string{layer.ARN}, Logging: &Logging{Format: "JSON", Group: "mine"}}); err != nil {
		t.Fatal(err)
	}
	var saw sandbox.Version
	p.run = func(_ context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
		saw = v
		if inv.InvokedARN != zippedARN || inv.ClientContext != "{}" || inv.TraceID != "trace" || inv.RequestID != "id" || !inv.WantLogTail {
			t.Errorf("invocation = %+v", inv)
		}
		code, err := os.ReadFile(filepath.Join(v.CodeDir, "index.js"))
		if err != nil || len(v.LayerDirs) != 1 {
			return sandbox.Result{}, err
		}
		below, err := os.ReadFile(filepath.Join(v.LayerDirs[0], "nodejs", "a.js"))
		return sandbox.Result{Payload: append(code, below...), LogTail: []byte("tail")}, err
	}
	out, err := r.Call(t.Context(), r.root, "zipped", Call{Payload: []byte("{}"), ClientContext: "{}", TraceID: "trace", RequestID: "id", WantLogTail: true})
	if err != nil || string(out.Payload) != "onelayer" || string(out.LogTail) != "tail" || out.Role != roleARN || out.Version != Latest || out.RequestID != "id" {
		t.Errorf("Call = %+v, %v", out, err)
	}
	if saw.FunctionARN != zippedARN || saw.FunctionName != "zipped" || saw.Version != Latest || saw.Region != "us-east-1" || saw.Account != account || saw.Runtime != "nodejs20.x" ||
		saw.Handler != "index.handler" || saw.MemoryMB != 256 || saw.EphemeralMB != 512 || saw.Timeout != 7*time.Second || !maps.Equal(saw.Environment, map[string]string{"A": "b"}) ||
		saw.LogGroup != "mine" || !saw.LogJSON || saw.ApplicationLogLevel != "INFO" || saw.Key == "" {
		t.Errorf("version = %+v", saw)
	}
	creds, ends, err := r.Credentials(t.Context(), saw)
	if err != nil || time.Until(ends) < 11*time.Hour {
		t.Fatalf("Credentials end at %s, %v", ends, err)
	}
	if _, c, err := r.iam.Lookup(t.Context(), creds.AccessKeyID, creds.SessionToken); err != nil || c.Principal.RoleARN != roleARN || !strings.HasSuffix(c.Principal.ARN, "/zipped") {
		t.Errorf("credentials are %v's, %v", c.Principal, err)
	}
}

// A process of what was changed is ended; one of what stays is not.
func TestChangedVersionsRetire(t *testing.T) {
	r, p := zipped(t)
	var keys []string
	p.run = func(_ context.Context, v sandbox.Version, _ sandbox.Invocation) (sandbox.Result, error) {
		keys = append(keys, v.Key)
		return sandbox.Result{}, nil
	}
	invoke := func(name string) string {
		t.Helper()
		if _, err := r.Invoke(t.Context(), r.root, name, nil); err != nil {
			t.Fatal(err)
		}
		return keys[len(keys)-1]
	}
	latest := invoke("zipped")
	if invoke("zipped") != latest {
		t.Error("the same version has two keys")
	}
	if _, _, err := r.PublishVersion(t.Context(), r.root, "zipped", Publish{}); err != nil {
		t.Fatal(err)
	}
	one := invoke("zipped:1")
	if len(p.retired) != 0 {
		t.Errorf("retired %v before anything changed", p.retired)
	}
	if _, err := r.UpdateFunctionConfiguration(t.Context(), r.root, "zipped", Change{Memory: new(512)}); err != nil {
		t.Fatal(err)
	}
	second := invoke("zipped")
	if !slices.Contains(p.retired, latest) || second == latest || invoke("zipped:1") != one || slices.Contains(p.retired, one) {
		t.Errorf("after a change, retired %v; $LATEST's key %s became %s", p.retired, latest, second)
	}
	if _, _, err := r.UpdateFunctionCode(t.Context(), r.root, "zipped", CodeChange{Code: Code{Zip: zipOf(t, file("index.js", "two"))}}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(p.retired, second) {
		t.Error("the process of replaced code was not retired")
	}
	if err := r.DeleteFunction(t.Context(), r.root, "zipped"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(p.retired, one) {
		t.Error("the process of a deleted function's version was not retired")
	}
}

func TestEdgeRunsItsOwnProcess(t *testing.T) {
	r, p := zipped(t, func(c *Config) { c.Region = "eu-west-1" })
	n := newFunction()
	n.Name, n.Region, n.Runtime, n.Handler, n.Code, n.Publish = "signer", "us-east-1", "python3.9", "a.b", Code{Zip: zipOf(t, file("a.py", "x"))}, true
	if _, err := r.CreateFunction(t.Context(), r.root, n); err != nil {
		t.Fatal(err)
	}
	var saw []sandbox.Version
	p.run = func(_ context.Context, v sandbox.Version, _ sandbox.Invocation) (sandbox.Result, error) {
		saw = append(saw, v)
		return sandbox.Result{Payload: []byte(`{}`)}, nil
	}
	version := "arn:aws:lambda:us-east-1:" + account + ":function:signer:1"
	if _, err := r.InvokeEdge(t.Context(), version, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Invoke(t.Context(), r.root, version, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if saw[0].LogGroup != "/aws/lambda/us-east-1.signer" || saw[0].Region != "eu-west-1" || saw[1].LogGroup != "/aws/lambda/signer" || saw[1].Region != "us-east-1" || saw[0].Key == saw[1].Key {
		t.Errorf("at the edge it is %+v, else %+v", saw[0], saw[1])
	}
}

func TestWhatProcessesAnswer(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"too many", fmt.Errorf("x: %w", sandbox.ErrThrottled), "TooManyRequestsException"},
		{"no interpreter", fmt.Errorf("install node 20: %w", sandbox.ErrNoInterpreter), "InvalidRuntimeException"},
		{"no such runtime", fmt.Errorf("ruby: %w", sandbox.ErrUnsupportedRuntime), "InvalidRuntimeException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, p := zipped(t)
			p.run = func(context.Context, sandbox.Version, sandbox.Invocation) (sandbox.Result, error) {
				return sandbox.Result{}, c.err
			}
			_, err := r.Invoke(t.Context(), r.root, "zipped", nil)
			wantCode(t, "Invoke", err, c.want)
		})
	}
	r, p := zipped(t)
	p.run = func(context.Context, sandbox.Version, sandbox.Invocation) (sandbox.Result, error) {
		return sandbox.Result{Failed: true, Payload: []byte(`{"errorType":"X"}`)}, nil
	}
	if out, err := r.Invoke(t.Context(), r.root, "zipped", nil); err != nil || !out.Failed || string(out.Payload) != `{"errorType":"X"}` {
		t.Errorf("Invoke of a function that fails = %+v, %v", out, err)
	}
	p.run = func(context.Context, sandbox.Version, sandbox.Invocation) (sandbox.Result, error) {
		return sandbox.Result{}, errors.New("disk on fire")
	}
	if _, err := r.Invoke(t.Context(), r.root, "zipped", nil); err == nil || err.Error() != "disk on fire" {
		t.Errorf("Invoke when the machine fails = %v", err)
	}
	none := newRig(t, func(c *Config) { c.Dir = filepath.Join(t.TempDir(), "code") })
	n := newFunction()
	n.Name, n.Runtime, n.Handler, n.Code = "zipped", "nodejs20.x", "index.handler", Code{Zip: zipOf(t, file("index.js", "one"))}
	if _, err := none.CreateFunction(t.Context(), none.root, n); err != nil {
		t.Fatal(err)
	}
	_, err := none.Invoke(t.Context(), none.root, "zipped", nil)
	wantCode(t, "Invoke without an executor", err, "InvalidRuntimeException")
}

func TestAnswersAreStreamed(t *testing.T) {
	r, p := zipped(t)
	p.run = func(_ context.Context, _ sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
		w := inv.Stream(sandbox.StreamHead{})
		for _, part := range []string{"a", "b"} {
			if _, err := io.WriteString(w, part); err != nil {
				return sandbox.Result{}, err
			}
		}
		return sandbox.Result{}, nil
	}
	stream := func(name string) (string, Result) {
		t.Helper()
		var b bytes.Buffer
		out, err := r.Call(t.Context(), r.root, name, Call{Payload: []byte(`"echo"`), Stream: func(version string) io.Writer {
			b.WriteString(version + " ")
			return &b
		}})
		if err != nil {
			t.Fatal(err)
		}
		return b.String(), out
	}
	if got, out := stream("zipped"); got != "$LATEST ab" || out.Payload != nil {
		t.Errorf("a process streamed %q, and answered %q", got, out.Payload)
	}
	if got, out := stream("clean"); got != `$LATEST "echo"` || out.Payload != nil {
		t.Errorf("a built-in streamed %q, and answered %q", got, out.Payload)
	}
	r.run = func(context.Context, runner.Invocation) ([]byte, error) { return nil, errors.New("boom") }
	if got, out := stream("clean"); got != "" || !out.Failed || !strings.Contains(string(out.Payload), "boom") {
		t.Errorf("a built-in that fails streamed %q, and answered %q", got, out.Payload)
	}
}

// A function that is no process leaves the lines that a process would.
func TestInvocationsAreLogged(t *testing.T) {
	for _, c := range []struct {
		name    string
		logging *Logging
		run     func(context.Context, runner.Invocation) ([]byte, error)
		want    []string
	}{
		{"success", nil, nil, []string{"START RequestId: id Version: $LATEST", "END RequestId: id", "REPORT RequestId: id\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t"}},
		{"failure", nil, func(context.Context, runner.Invocation) ([]byte, error) { return nil, errors.New("boom") }, []string{
			"START RequestId: id Version: $LATEST", "2000-01-01T00:00:00.000Z\tid\tERROR\tError: boom", "END RequestId: id",
			"REPORT RequestId: id\tDuration: 0.00 ms\tBilled Duration: 0 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t",
		}},
		{"timeout", nil, func(ctx context.Context, _ runner.Invocation) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }, []string{
			"START RequestId: id Version: $LATEST", "2000-01-01T00:00:03.000Z id Task timed out after 3.00 seconds", "END RequestId: id",
			"REPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 0 MB\tStatus: timeout",
		}},
		{"success in JSON", &Logging{Format: "JSON"}, nil, []string{
			`{"record":{"requestId":"id","version":"$LATEST"},"time":"2000-01-01T00:00:00.000Z","type":"platform.start"}`,
			`{"record":{"metrics":{"billedDurationMs":0,"durationMs":0,"maxMemoryUsedMB":0,"memorySizeMB":128},"requestId":"id","status":"success"},"time":"2000-01-01T00:00:00.000Z","type":"platform.report"}`,
		}},
		{"success in JSON, warnings only", &Logging{Format: "JSON", SystemLevel: "WARN"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logs := &lines{}
				r := newRig(t, func(c *Config) { c.Logs = logs })
				r.run = c.run
				if _, err := r.UpdateFunctionConfiguration(t.Context(), r.root, "clean", Change{Logging: c.logging}); err != nil {
					t.Fatal(err)
				}
				out, err := r.Call(t.Context(), r.root, "clean", Call{Payload: []byte("1"), RequestID: "id", WantLogTail: true})
				if err != nil {
					t.Fatal(err)
				}
				if len(logs.written) > 1 || len(logs.written) == 0 && c.want != nil {
					t.Fatalf("streams = %v, want one", logs.written)
				}
				for key, got := range logs.written {
					if !strings.HasPrefix(key, "us-east-1 /aws/lambda/clean 2000/01/01/[$LATEST]") || len(key) != len("us-east-1 /aws/lambda/clean 2000/01/01/[$LATEST]")+32 {
						t.Errorf("stream = %q", key)
					}
					if !slices.Equal(got, c.want) {
						t.Errorf("log = %q, want %q", got, c.want)
					}
				}
				if c.want != nil && logs.by.Principal.RoleARN != roleARN {
					t.Errorf("the log was written by %v, want the execution role", logs.by.Principal)
				}
				tail := strings.Join(c.want, "\n")
				if c.want != nil {
					tail += "\n"
				}
				if string(out.LogTail) != tail {
					t.Errorf("tail = %q, want %q", out.LogTail, tail)
				}
			})
		})
	}
}

func TestLogTailIsItsEnd(t *testing.T) {
	l := lastBytes{most: 10}
	for _, s := range []string{"one", "two", "three"} {
		l.line([]byte(s))
	}
	if got := l.b.String(); got != "two\nthree\n" {
		t.Errorf("tail = %q", got)
	}
}

func TestLogOfAProcessIsWrittenByItsRole(t *testing.T) {
	logs := &lines{}
	r, p := zipped(t, func(c *Config) { c.Logs = logs })
	var saw sandbox.Version
	p.run = func(_ context.Context, v sandbox.Version, _ sandbox.Invocation) (sandbox.Result, error) {
		saw = v
		return sandbox.Result{}, nil
	}
	if _, err := r.Invoke(t.Context(), r.root, "zipped", nil); err != nil {
		t.Fatal(err)
	}
	r.WriteLog(saw, "stream", time.Now(), []byte("hello"))
	if got := logs.written["us-east-1 /aws/lambda/zipped stream"]; !slices.Equal(got, []string{"hello"}) || logs.by.Principal.RoleARN != roleARN {
		t.Errorf("log = %v by %v", logs.written, logs.by.Principal)
	}
	logs.err = errors.New("disk full")
	if _, err := r.Invoke(t.Context(), r.root, "clean", []byte("1")); err != nil {
		t.Errorf("Invoke when the log cannot be written = %v, want the function's answer", err)
	}
}
