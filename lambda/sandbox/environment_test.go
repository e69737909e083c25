package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"glassine/aws/sigv4"
)

func TestEnvironment(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Credentials = func(context.Context, Version) (sigv4.Credentials, time.Time, error) {
			return sigv4.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "token"}, time.Now().Add(12 * time.Hour), nil
		}
	})
	v := node(r, `exports.handler = async () => process.env`)
	v.Environment = map[string]string{"MINE": "1", "LANG": "C", "AWS_REGION": "elsewhere", "LAMBDA_TASK_ROOT": "/"}
	var env map[string]string
	if err := json.Unmarshal(r.invoke(v, `{}`).Payload, &env); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"_HANDLER": "index.handler", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs20.x",
		"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f", "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "LAMBDA_TASK_ROOT": "/var/task",
		"LAMBDA_RUNTIME_DIR": "/var/runtime", "TZ": ":UTC", "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "LANG": "C", "MINE": "1",
		"PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin", "NODE_PATH": "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules",
	} {
		if env[name] != want {
			t.Errorf("%s = %q, want %q", name, env[name], want)
		}
	}
	for _, name := range []string{"AWS_ENDPOINT_URL", "HTTP_PROXY", "HOME", "_LAMBDA_TELEMETRY_LOG_FD"} {
		if got, ok := env[name]; ok {
			t.Errorf("%s = %q, want none", name, got)
		}
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	first := r.version("", "", "nodejs/node_modules/dep/index.js", "module.exports = 'first'", "bin/tool", "#!/bin/sh\necho tool of first", "python/dep.py", "value = 'first'")
	second := r.version("", "", "nodejs/node_modules/dep/index.js", "module.exports = 'second'", "wrapper", "#!/bin/sh\nexport WRAPPED=1\nexec \"$@\"\n")
	if err := os.Symlink("tool", filepath.Join(first.CodeDir, "bin", "layer-link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		layers []string
		want   string
	}{
		{"one layer", []string{first.CodeDir}, `["first","tool of first\n"]`},
		{"a later layer wins", []string{first.CodeDir, second.CodeDir}, `["second","tool of first\n"]`},
	} {
		v := node(r, `exports.handler = async () => [require('dep'), require('child_process').execSync('layer-link', {encoding: 'utf8'})]`)
		v.LayerDirs = c.layers
		r.want(r.invoke(v, `{}`), c.want)
	}
	v := python(r, "import dep, os\ndef handler(e, c):\n    return [dep.value, os.environ['WRAPPED']]")
	v.LayerDirs, v.Environment = []string{first.CodeDir, second.CodeDir}, map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}
	r.want(r.invoke(v, `{}`), `["first", "1"]`)
}

func TestWarm(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	v := node(r, `let n = 0; exports.handler = async () => ++n`)
	if err := r.Warm(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if got := r.invoke(v, `{}`); got.InitDuration != 0 || string(got.Payload) != "1" {
		t.Errorf("first invocation of a warm process = %+v, want no init", got)
	}
	if strings.Contains(r.logged(), "Init Duration") {
		t.Errorf("log:\n%s", r.logged())
	}
	err := r.Warm(t.Context(), node(r, `throw new TypeError('broken')`))
	failed, ok := errors.AsType[*InitError](err)
	if !ok || !strings.Contains(string(failed.Payload()), `"errorType":"TypeError","errorMessage":"broken"`) {
		t.Errorf("warming a broken function = %v", err)
	}
	if err := r.Warm(t.Context(), r.version("java21", "x")); !errors.Is(err, ErrUnsupportedRuntime) {
		t.Errorf("warming java21 = %v", err)
	}
}

// The process that runs an event asks for its credentials once, and the one after half their life asks again.
func TestCredentialsAreRenewed(t *testing.T) {
	var mu sync.Mutex
	now, asked := time.Now(), 0
	r := newRig(t, func(c *Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
		c.Credentials = func(context.Context, Version) (sigv4.Credentials, time.Time, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return sigv4.Credentials{AccessKeyID: "ASIA"}, now.Add(12 * time.Hour), nil
		}
	})
	v := python(r, "n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n")
	r.want(r.invoke(v, `{}`), `1`)
	r.want(r.invoke(v, `{}`), `2`)
	mu.Lock()
	now = now.Add(6*time.Hour + time.Second)
	mu.Unlock()
	r.want(r.invoke(v, `{}`), `1`)
	if asked != 2 {
		t.Errorf("credentials were asked for %d times, want 2", asked)
	}
}

func TestCallerWhoLeavesEndsTheProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	v := node(r, `let n = 0; exports.handler = async (e) => { n++; if (e.wait) await new Promise((r) => setTimeout(r, 60000)); return n }`)
	r.want(r.invoke(v, `{}`), `1`)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Invoke(ctx, v, Invocation{RequestID: "r", Payload: []byte(`{"wait":1}`)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v", err)
	}
	r.want(r.invoke(v, `{}`), `1`)
}

func TestConcurrentInvocationsAreAllRun(t *testing.T) {
	r := newRig(t, nil)
	v := python(r, "def handler(e, c):\n    return [e, c.aws_request_id]")
	var wg sync.WaitGroup
	next := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range next {
				id := strings.Repeat("x", i%7) + string(rune('a'+i%26))
				payload, _ := json.Marshal(i)
				got, err := r.Invoke(t.Context(), v, Invocation{RequestID: id, Payload: payload})
				if want := `[` + string(payload) + `, "` + id + `"]`; err != nil || string(got.Payload) != want {
					t.Errorf("invocation %d = %q, %v, want %q", i, got.Payload, err, want)
				}
			}
		})
	}
	for i := range 400 {
		next <- i
	}
	close(next)
	wg.Wait()
}

// The isolation tests once more as a user without any privilege.
func TestStrictHoldsForAPlainUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("this is a plain user; all other tests are this one")
	}
	dir, err := os.MkdirTemp("", "glassine-plain-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	self, err := os.Executable()
	if err == nil {
		err = copyFile(filepath.Join(dir, "sandbox.test"), self)
	}
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(dir, "tmp"), 0o700), os.Chown(filepath.Join(dir, "tmp"), 65534, 65534), os.Chmod(dir, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "sandbox.test"), "-test.v", "-test.timeout=60s",
		"-test.run=TestFunction|TestMemoryHog|TestGrandchild|TestFullTmp|TestGoBootstrap|TestRestricted")
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "TMPDIR=" + filepath.Join(dir, "tmp")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	for errors.Is(err, syscall.ETXTBSY) { // a child that another test forked has the copy open still, until it begins its own program
		time.Sleep(10 * time.Millisecond)
		again := exec.CommandContext(t.Context(), cmd.Path, cmd.Args[1:]...)
		again.Dir, again.Env, again.SysProcAttr = cmd.Dir, cmd.Env, cmd.SysProcAttr
		out, err = again.CombinedOutput()
	}
	if err != nil || strings.Count(string(out), "--- PASS: Test") != 8 {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
