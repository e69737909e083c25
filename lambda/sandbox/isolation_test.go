package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"glassine/aws/sigv4"
)

// What a function must not be able to do.

// probe is a Python function that runs the source in its event and returns what the expression gives, or the error.
const probe = `
import os, socket, subprocess, sys, time, urllib.request
def handler(event, context):
    try:
        return eval(event)
    except BaseException as e:
        return type(e).__name__ + ": " + str(e)
`

// eval evaluates a Python expression inside the sandbox.
func (r *rig) eval(v Version, expression string) string {
	r.t.Helper()
	got := r.invoke(v, fmt.Sprintf("%q", expression))
	if got.Failed {
		r.t.Fatalf("%s: %s\nlog:\n%s", expression, got.Payload, r.logged())
	}
	return string(got.Payload)
}

func strict(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := newRig(t, func(c *Config) {
		c.Require = "strict"
		if change != nil {
			change(c)
		}
	})
	if level, why := r.Level(); level != "strict" {
		t.Fatalf("level = %s, want strict: %q", level, why)
	}
	return r
}

func TestFunctionSeesNoOtherFiles(t *testing.T) {
	r := strict(t, nil)
	v, other := python(r, probe), python(r, probe)
	secret := filepath.Join(r.cfg.Dir, "secret")
	for _, name := range []string{secret, filepath.Join(other.CodeDir, "secret")} {
		if err := os.WriteFile(name, []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := r.eval(v, fmt.Sprintf("open(%q).read()", name)); !strings.Contains(got, "No such file") {
			t.Errorf("reading %s = %s", name, got)
		}
	}
	if got, want := r.eval(v, "sorted(os.listdir('/'))"), `["bin", "dev", "etc", "lib", "lib64", "proc", "sbin", "tmp", "usr", "var"]`; !strings.Contains(got, `"etc"`) || strings.Contains(got, "home") || strings.Contains(got, "root") {
		t.Errorf("root = %s, want about %s", got, want)
	}
	if got := r.eval(v, "sorted(os.listdir('/var/task'))"); got != `["lambda_function.py"]` && got != `["__pycache__", "lambda_function.py"]` {
		t.Errorf("task root = %s", got)
	}
	for _, name := range []string{"/var/task/x", "/usr/x", "/x", "/etc/hosts", "/var/runtime/bootstrap.py", "/proc/sys/kernel/core_pattern", "/proc/self/oom_score_adj"} {
		if got := r.eval(v, fmt.Sprintf("open(%q, 'w').write('x')", name)); !strings.Contains(got, "Error: [Errno") {
			t.Errorf("writing %s = %s", name, got)
		}
	}
	if got := r.eval(v, "open('/tmp/x', 'w').write('x')"); got != "1" {
		t.Errorf("writing to /tmp = %s", got)
	}
	if got := r.eval(other, "os.listdir('/tmp')"); got != "[]" {
		t.Errorf("/tmp of another function = %s", got)
	}
}

// The processes, the environment and the descriptors of others hold their credentials.
func TestFunctionSeesNoOtherProcesses(t *testing.T) {
	t.Setenv("GLASSINE_TEST_SECRET", "of-the-server")
	leak, err := os.Open(os.DevNull) // as a server inherits from what starts it, not marked close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	if err := unix.Dup2(int(leak.Fd()), 231); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(231)
	r := strict(t, func(c *Config) {
		c.Credentials = func(_ context.Context, v Version) (sigv4.Credentials, time.Time, error) {
			return sigv4.Credentials{AccessKeyID: "ASIA" + v.Key, SecretAccessKey: "secret-" + v.Key, SessionToken: "token-" + v.Key}, time.Now().Add(time.Hour), nil
		}
	})
	v, other := python(r, probe), python(r, probe)
	r.eval(other, "1")
	if got, want := r.eval(v, "[os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY'], os.environ['AWS_SESSION_TOKEN']]"), fmt.Sprintf(`["ASIA%[1]s", "secret-%[1]s", "token-%[1]s"]`, v.Key); got != want {
		t.Errorf("own credentials = %s, want %s", got, want)
	}
	if got := r.eval(v, "[open('/proc/%s/environ' % p).read() for p in os.listdir('/proc') if p.isdigit()]"); strings.Contains(got, "secret-"+other.Key) || strings.Contains(got, "of-the-server") || !strings.Contains(got, "secret-"+v.Key) {
		t.Errorf("environments of all processes = %s", got)
	}
	if got := r.eval(v, "sorted(int(p) for p in os.listdir('/proc') if p.isdigit())"); got != "[1]" {
		t.Errorf("processes = %s, want the own one", got)
	}
	if got := r.eval(v, "os.path.exists('/proc/self/fd/231')"); got != "false" {
		t.Error("the function has a descriptor that the server inherited")
	}
	if got := r.eval(v, "'GLASSINE_TEST_SECRET' in os.environ"); got != "false" {
		t.Error("the function has the server's environment")
	}
}

func TestFunctionHasNoWayOut(t *testing.T) {
	t.Parallel()
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the host's") }))
	defer host.Close()
	if resp, err := http.Get(host.URL); err != nil || resp.Body.Close() != nil {
		t.Fatalf("outside: %v", err)
	}
	name := fmt.Sprintf("glassine-test-out-%d", os.Getpid()) // another user may run this test at the same time
	abstract, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	r := strict(t, nil)
	v := python(r, probe)
	for _, c := range []struct{ name, expression, want string }{
		{"the host's loopback", fmt.Sprintf("urllib.request.urlopen(%q, timeout=3).read()", host.URL), "Connection refused"},
		{"an address of the internet", "socket.create_connection(('1.1.1.1', 443), 3)", "Network is unreachable"},
		{"an address of version 6", "socket.create_connection(('2606:4700:4700::1111', 443), 3)", "unreachable"},
		{"the machine's metadata service", "socket.create_connection(('169.254.169.254', 80), 3)", "Network is unreachable"},
		{"a name of the internet", "socket.gethostbyname('example.com')", "gaierror"},
		{"an abstract Unix socket of the host", "socket.socket(socket.AF_UNIX).connect('\\0" + name + "')", "Error: [Errno"},
		{"the hypervisor's sockets", "socket.socket(40, socket.SOCK_STREAM)", "PermissionError"},
		{"raw packets", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "PermissionError"},
		{"a new namespace", "subprocess.run(['unshare', '-Ur', 'true'], capture_output=True, text=True).stderr", "Operation not permitted"},
		{"a mount", "subprocess.run(['mount', '-t', 'tmpfs', 'x', '/tmp'], capture_output=True, text=True).returncode", "32"},
		{"a set-user-id program", "subprocess.run(['su', '-c', 'id'], capture_output=True, text=True).returncode", "1"},
		{"another user", "os.setuid(0)", "Error: [Errno"},
		{"the kernel's log", "open('/dev/kmsg').read()", "No such file"},
		{"debugging", "__import__('ctypes').CDLL(None, use_errno=True).ptrace(0, 0, 0, 0)", "-1"},
	} {
		if got := r.eval(v, c.expression); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s = %s, want %q", c.name, c.expression, got, c.want)
		}
	}
}

func TestForkBombIsContained(t *testing.T) {
	t.Parallel()
	r := strict(t, nil)
	v := python(r, probe+`
def bomb():
    n = 0
    try:
        while n < 5000:
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            n += 1
    except OSError as e:
        return "%d, then %s" % (n, e)
    return n
`)
	v.MemoryMB = 4096 // so that it is the number of processes that ends it
	got := r.eval(v, "bomb()")
	var n int
	if _, err := fmt.Sscanf(got, `"%d, then [Errno 11]`, &n); err != nil || n < 100 || n >= maxProcesses {
		t.Errorf("fork bomb = %s, want fewer than %d processes", got, maxProcesses)
	}
	// The machine can still fork, and so can another function.
	if got := r.eval(python(r, probe), "subprocess.run(['true']).returncode"); got != "0" {
		t.Errorf("another function's process = %s", got)
	}
}

func TestMemoryHogIsEnded(t *testing.T) {
	t.Parallel()
	r := strict(t, nil)
	for _, v := range []Version{
		python(r, "def handler(e, c):\n    hog = []\n    while True:\n        hog.append(bytearray(8 << 20))"),
		node(r, "exports.handler = async () => { const hog = []; for (;;) hog.push(Buffer.alloc(8 << 20, 1)) }"),
	} {
		v.MemoryMB = 128
		r.wantFailure(r.invoke(v, `{}`), "Runtime.ExitError", "Runtime exited with error: signal: killed")
	}
	// Children count with their parent.
	v := python(r, "import os, time\ndef handler(e, c):\n    for i in range(6):\n        if os.fork() == 0:\n            x = bytearray(40 << 20)\n            time.sleep(60)\n    time.sleep(10)\n    return 'lived'")
	v.MemoryMB = 128
	r.wantFailure(r.invoke(v, `{}`), "Runtime.ExitError", "signal: killed")
}

func TestGrandchildEndsWithItsFunction(t *testing.T) {
	t.Parallel()
	r := strict(t, nil)
	marker := fmt.Sprintf("31%d", time.Now().UnixNano()%1e9)
	v := python(r, probe+fmt.Sprintf("\ndef leave():\n    subprocess.Popen(['setsid', 'sleep', %q])\n    time.sleep(60)", marker))
	v.Timeout = 800 * time.Millisecond
	r.wantFailure(r.invoke(v, `"leave()"`), "Sandbox.Timedout", "")
	waitFor(t, func() bool { return !running(marker) })
	// And while it runs it is seen, so that its absence says something.
	v = python(r, probe)
	r.eval(v, fmt.Sprintf("subprocess.Popen(['setsid', 'sleep', %q]).pid > 0", marker))
	waitFor(t, func() bool { return running(marker) })
	r.Retire(v.Key)
	waitFor(t, func() bool { return !running(marker) })
}

// running looks for a process of the machine with that argument.
func running(argument string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "sleep\x00"+argument) {
			return true
		}
	}
	return false
}

// waitFor polls what another process does.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it did not come to pass in 10 s")
}

func TestFullTmpIsAnError(t *testing.T) {
	t.Parallel()
	r := strict(t, nil)
	v := python(r, probe+`
def fill():
    n = 0
    try:
        with open('/tmp/fill', 'wb', buffering=0) as f:
            while n < 200:
                n += f.write(bytes(1 << 20)) >> 20
    except OSError as e:
        return "%d MB, then errno %d" % (n, e.errno)
    return n
`)
	v.MemoryMB, v.EphemeralMB = 128, 64
	if got := r.eval(v, "fill()"); got != `"64 MB, then errno 28"` {
		t.Errorf("filling /tmp = %s", got)
	}
	// Files in /tmp are no memory of the function's: it goes on.
	if got := r.eval(v, "os.path.getsize('/tmp/fill') >> 20"); got != "64" {
		t.Errorf("afterwards = %s", got)
	}
}

func TestUnknownLevelIsRefused(t *testing.T) {
	for _, c := range []Config{{Require: "Strict"}, {Level: "none"}} {
		c.Dir = t.TempDir()
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "is no level of isolation") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestRequiredLevelIsKept(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Require, c.Level = "strict", "process" })
	_, err := r.Invoke(t.Context(), node(r, "exports.handler = async () => 1"), Invocation{RequestID: "r", Payload: []byte("{}")})
	if !strings.Contains(fmt.Sprint(err), "isolation is weaker than required: strict is required, this machine gives process") {
		t.Errorf("error = %v", err)
	}
}
