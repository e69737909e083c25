package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// weak is a rig whose level is held down.
func weak(t *testing.T, level string, change func(*Config)) *rig {
	t.Helper()
	r := newRig(t, func(c *Config) {
		c.Level = level
		if change != nil {
			change(c)
		}
	})
	if got, why := r.Level(); got != level || len(why) == 0 {
		t.Fatalf("level = %s, %q, want %s and a reason", got, why, level)
	}
	return r
}

func TestAWSNamesLeadToUsBelowStrict(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"restricted", "process"} {
		e := newEndpoint(t)
		r := weak(t, level, func(c *Config) { c.AWS, c.CAFile = e.serve, e.caFile })
		for name, v := range awsCases(r) {
			t.Run(level+", "+name, func(t *testing.T) {
				r.t = t
				const bucket = "a-bucket.s3.us-east-1.amazonaws.com"
				r.want(r.invoke(v, `{"get":"https://`+bucket+`/key"}`), `"tls=true host=`+bucket+` path=/key"`)
				label := `{"get":{"host":"io-use1-001.127.0.0.1","port":1,"path":"/WriteGetObjectResponse"}}` // as SDKs make of AWS_ENDPOINT_URL
				switch name {
				case "Python's urllib":
					label = `{"get":"http://io-use1-001.127.0.0.1:1/WriteGetObjectResponse"}`
				case "Node's https module":
				default:
					return // fetch refuses such a name; Go has no shim, and its proxy takes real names
				}
				got := r.invoke(v, label)
				if !strings.Contains(string(got.Payload), "tls=false host=io-use1-001.127.0.0.1:1 path=/WriteGetObjectResponse") {
					t.Errorf("label before an address = %s", got.Payload)
				}
				r.Retire(v.Key)
			})
		}
		r.t = t
		v := python(r, probe)
		if got := r.eval(v, "os.environ['AWS_ENDPOINT_URL']"); !strings.HasPrefix(got, `"http://127.0.0.1:`) {
			t.Errorf("%s: AWS_ENDPOINT_URL = %s", level, got)
		}
	}
}

func TestRestrictedHoldsFilesAndNetwork(t *testing.T) {
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the host's") }))
	defer host.Close()
	r := weak(t, "restricted", nil)
	v, other := python(r, probe), python(r, probe)
	secret := filepath.Join(r.cfg.Dir, "secret")
	for _, name := range []string{secret, filepath.Join(other.CodeDir, "secret")} {
		if err := os.WriteFile(name, []byte("secret"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.eval(other, "1")
	for _, c := range []struct{ name, expression, want string }{
		{"the data directory", fmt.Sprintf("open(%q).read()", secret), "Permission denied"},
		{"another function's files", fmt.Sprintf("open(%q).read()", filepath.Join(other.CodeDir, "secret")), "Permission denied"},
		{"a child's view of them", fmt.Sprintf("subprocess.run(['cat', %q], capture_output=True, text=True).stderr", secret), "Permission denied"},
		{"the own code, for writing", "open(os.environ['LAMBDA_TASK_ROOT'] + '/x', 'w')", "Permission denied"},
		{"the machine's /tmp", "open('/tmp/glassine-test', 'w')", "Permission denied"},
		{"the own /tmp", "open(os.environ['TMPDIR'] + '/x', 'w').write('x')", "1"},
		{"the host's loopback", fmt.Sprintf("urllib.request.urlopen(%q, timeout=3).read()", host.URL), "Permission denied"},
		{"another user", "os.setuid(1234)", "PermissionError"},
		{"capabilities", "[l for l in open('/proc/self/status') if l.startswith('CapEff')][0]", "0000000000000000"},
		{"others' environments", "[1 for p in os.listdir('/proc') if p.isdigit() and int(p) not in (os.getpid(),) and os.access('/proc/%s/environ' % p, os.R_OK) and open('/proc/%s/environ' % p).read()]", "PermissionError"},
		{"a signal to another", fmt.Sprintf("os.kill(%d, 0)", os.Getpid()), "PermissionError"},
	} {
		if got := r.eval(v, c.expression); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s = %s, want %q", c.name, c.expression, got, c.want)
		}
	}
}

func TestWeakLevelsEndWhatTheyStarted(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"restricted", "process"} {
		r := weak(t, level, nil)
		marker := fmt.Sprintf("32%d", time.Now().UnixNano()%1e9)
		v := python(r, probe+fmt.Sprintf("\ndef leave():\n    subprocess.Popen(['setsid', 'sh', '-c', 'setsid sleep %s & setsid sleep %s'])\n    time.sleep(60)", marker, marker))
		v.Timeout = 800 * time.Millisecond
		r.wantFailure(r.invoke(v, `"leave()"`), "Sandbox.Timedout", "")
		waitFor(t, func() bool { return !running(marker) })
		v = python(r, probe)
		r.eval(v, fmt.Sprintf("subprocess.Popen(['setsid', 'sleep', %q]).pid > 0", marker))
		waitFor(t, func() bool { return running(marker) })
		r.Close() // the keeper sees the end of its parent's socket
		if running(marker) {
			t.Errorf("%s: a grandchild outlived the host", level)
		}
	}
}

func TestWeakLevelsBoundMemory(t *testing.T) {
	for _, level := range []string{"restricted", "process"} {
		r := weak(t, level, nil)
		v := python(r, "def handler(e, c):\n    hog = []\n    while True:\n        hog.append(bytearray(8 << 20))")
		v.MemoryMB = 128
		got := r.invoke(v, `{}`)
		if !got.Failed || !strings.Contains(string(got.Payload), "signal: killed") && !strings.Contains(string(got.Payload), "MemoryError") {
			t.Errorf("%s: memory hog = %s", level, got.Payload)
		}
		if !strings.Contains(r.logged(), "Isolation: "+level) {
			t.Errorf("REPORT does not show the level:\n%s", r.logged())
		}
	}
}
