package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// configured is the program under a file of settings and a service manager.
type configured struct {
	cmd     *exec.Cmd
	file    string // of settings
	log     *lines // standard error
	printed *lines
	manager *net.UnixConn
}

// lines collects what a process writes. Safe for many goroutines.
type lines struct {
	mu    sync.Mutex // guards text
	text  bytes.Buffer
	ready chan struct{} // has one when the line Ready. came; nil: nobody waits for it
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	if l.ready != nil && bytes.HasSuffix(l.text.Bytes(), []byte("\nReady.\n")) {
		l.ready <- struct{}{}
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startConfigured runs glassine up or serve with the settings, and waits until the service manager is told that it is ready.
func startConfigured(t *testing.T, command, settings string, inherit ...*os.File) *configured {
	t.Helper()
	dir := t.TempDir()
	c := &configured{file: filepath.Join(dir, "glassine.yaml"), log: &lines{}, printed: &lines{ready: make(chan struct{}, 1)}}
	c.write(t, settings)
	socket := filepath.Join(dir, "notify")
	var err error
	if c.manager, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.manager.Close() })
	// The shell gives LISTEN_PID the number of the process that it becomes.
	c.cmd = exec.Command("sh", "-c", `if [ -n "$LISTEN_FDS" ]; then export LISTEN_PID=$$; fi; exec "$0" "$1" --config "$2"`, glassineCommand(t), command, c.file)
	c.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket)
	if len(inherit) > 0 {
		var names []string
		for _, f := range inherit {
			names = append(names, filepath.Base(f.Name()))
		}
		c.cmd.Env = append(c.cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(inherit)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
		c.cmd.ExtraFiles = inherit
	}
	c.cmd.Stderr, c.cmd.Stdout = c.log, c.printed
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may have ended
		_ = c.cmd.Wait()
	})
	c.hear(t, "READY=1")
	select {
	case <-c.printed.ready:
	case <-time.After(time.Minute):
		t.Fatalf("it does not say that it is ready:\n%s\n%s", c.printed, c.log)
	}
	return c
}

func (c *configured) write(t *testing.T, settings string) {
	t.Helper()
	if err := os.WriteFile(c.file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hear waits for what the service manager is told next.
func (c *configured) hear(t *testing.T, want string) {
	t.Helper()
	buf := make([]byte, 4096)
	if err := c.manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, err := c.manager.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
		t.Fatalf("the service manager heard %q, %v; want %s\n%s\n%s", buf[:n], err, want, c.printed, c.log)
	}
}

// reload changes the file and sends SIGHUP; it returns when the service manager is told that it is over.
func (c *configured) reload(t *testing.T, settings string) {
	t.Helper()
	c.write(t, settings)
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	c.hear(t, "RELOADING=1\nMONOTONIC_USEC=")
	c.hear(t, "READY=1")
}

// stop ends it as systemd does.
func (c *configured) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.hear(t, "STOPPING=1")
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit 0\n%s", err, c.log)
	}
}

// at finds an address in what was printed, behind a text and before a space or slash.
func (c *configured) at(t *testing.T, before string) string {
	t.Helper()
	_, rest, ok := strings.Cut(c.printed.String(), before)
	if !ok {
		t.Fatalf("%q is not printed:\n%s", before, c.printed)
	}
	return rest[:strings.IndexAny(rest+" ", " /\n")]
}

// certificate writes a certificate for localhost with its key into a new directory, and returns it.
func certificate(t *testing.T) (dir string, der []byte) {
	t.Helper()
	dir = t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	if err := os.WriteFile(filepath.Join(dir, "site.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, der
}

const anyPorts = "aws: 127.0.0.1:0\nhttp: 127.0.0.1:0\nhttps: 127.0.0.1:0\nadmin: 127.0.0.1:0\ncache-disk: 0\nno-http3: true\n"

func TestReloadBySignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	access := filepath.Join(dir, "access.log")
	base := anyPorts + "data: " + filepath.Join(dir, "data") + "\naccess-log: " + access + "\n"
	c := startConfigured(t, "up", base)
	viewer, admin := c.at(t, "https://"), c.at(t, "Console:       http://")
	fresh := func() *http.Client { // a new connection for each request shows the certificate that is in force
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	}
	// in force: whether answers have Cache-Status, whose certificate it is, and the metric.
	inForce := func(when string, cacheStatus bool, leaf []byte, metric string) {
		t.Helper()
		a := do(t, fresh(), request(t, http.MethodGet, "https://"+viewer+"/sample.jpg", nil))
		if got := a.Header.Get("Cache-Status") != ""; got != cacheStatus || a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, Cache-Status %q; want one: %v", when, a.Status, a.Header.Get("Cache-Status"), cacheStatus)
		}
		if got := bytes.Equal(a.TLS.PeerCertificates[0].Raw, leaf); got != (leaf != nil) {
			t.Errorf("%s: the given certificate is served: %v, want %v", when, got, leaf != nil)
		}
		m := do(t, http.DefaultClient, request(t, http.MethodGet, "http://"+admin+"/metrics", nil))
		if !strings.Contains(string(m.body), "\nglassine_config_last_reload_successful "+metric+"\n") {
			t.Errorf("%s: /metrics has no glassine_config_last_reload_successful %s", when, metric)
		}
	}
	inForce("at the start", false, nil, "1")
	certificates, leaf := certificate(t)
	if err := os.Rename(access, access+".1"); err != nil { // as logrotate does
		t.Fatal(err)
	}
	changed := base + "cache-status: true\ncert-dir: " + certificates + "\nlog-level: debug\nstrict: [vary]\n"
	c.reload(t, changed)
	inForce("after a reload", true, leaf, "1")
	if text, err := os.ReadFile(access); err != nil || bytes.Count(text, []byte("\n")) != 1 || !bytes.Contains(text, []byte("/sample.jpg")) {
		t.Errorf("the access log after it was moved away holds %q, %v; want the line of one request", text, err)
	}
	c.reload(t, strings.Replace(changed, "cache-status: true", "cache-status: false", 1)+"picture-workers: 1\n")
	inForce("after a change that needs a restart", true, leaf, "0")
	c.reload(t, strings.Replace(changed, "cache-status: true", "cache-stats: false", 1))
	inForce("after a reload of a file with a fault", true, leaf, "0")
	c.reload(t, base)
	inForce("after the way back", false, nil, "1")
	c.stop(t)
	for _, want := range []string{
		`"settings reloaded","changed":"cert-dir strict cache-status log-level"`, "a restart is needed for picture-workers", `there is no setting \"cache-stats\"; did you mean \"cache-status\"?`,
	} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, c.log)
		}
	}
	for line := range strings.Lines(c.log.String()) {
		if !strings.HasPrefix(line, "Stopping: ") && !json.Valid([]byte(line)) {
			t.Errorf("a line of the log into a pipe is no JSON: %s", line)
		}
	}
}

// A restart under a service manager that holds the sockets: who comes meanwhile waits, and nobody is refused.
func TestRestartKeepsTheSockets(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	named := os.NewFile(file.Fd(), "admin")
	settings := strings.Replace(anyPorts, "admin: 127.0.0.1:0", "admin: 127.0.0.1:1", 1) + "access-log: off\nlog-format: text\ndata: " + t.TempDir() + "\n"
	healthy := func() error {
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + listener.Addr().String() + "/healthz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	first := startConfigured(t, "serve", settings, named)
	if err := healthy(); err != nil {
		t.Fatalf("at the socket of the service manager: %v\n%s", err, first.log)
	}
	first.stop(t)
	between := make(chan error, 1)
	go func() { between <- healthy() }()
	second := startConfigured(t, "serve", settings, named)
	if err := <-between; err != nil {
		t.Errorf("who came between two processes: %v", err)
	}
	second.stop(t)
}

// SIGHUP is also what a terminal sends when its window is closed: then nobody is left to end the program.
func TestClosingTheTerminalEndsIt(t *testing.T) {
	t.Parallel()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	inside, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(glassineCommand(t), "serve", "--config", "none", "--data", t.TempDir(), "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--cache-disk", "0", "--no-http3")
	cmd.Stdin, cmd.Stderr = inside, inside
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // when the test ends early
	_ = inside.Close()       // the program has it
	printed := bufio.NewScanner(out)
	for printed.Scan() && printed.Text() != "Ready." {
	}
	if printed.Text() != "Ready." {
		t.Fatal("it does not get ready")
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil { // while the terminal is there: a reload
		t.Fatal(err)
	}
	shown := bufio.NewReader(terminal)
	for {
		line, err := shown.ReadString('\n')
		if err != nil {
			t.Fatalf("the terminal shows no reload: %v", err)
		}
		if strings.Contains(line, "level=INFO msg=\"settings reloaded\"") { // text, as on any terminal
			break
		}
	}
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ends with %v, want exit 0", err)
		}
	case <-time.After(time.Minute):
		t.Error("it runs on without its terminal")
	}
}

func TestSettingsOnTheCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := write("good.yaml", "# ours\ncache-disk:   20GiB\nstrict: [vary]\n")
	bad := write("bad.yaml", "cache-dsk: 20GiB\ndrain: 10\n")
	run := func(env string, args ...string) (out string, code int) {
		t.Helper()
		cmd := exec.Command(glassineCommand(t), args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "GLASSINE_CONFIG=", env)
		text, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(text), cmd.ProcessState.ExitCode()
	}
	for _, tt := range []struct {
		env  string
		args []string
		code int
		want string
	}{
		{"", []string{"config", "validate", good}, 0, "good.yaml: 2 settings, nothing wrong"},
		{"GLASSINE_CACHE_DSK=1GiB", []string{"config", "validate", good}, 0, "did you mean GLASSINE_CACHE_DISK?"},
		{"", []string{"config", "validate", bad}, 1, "bad.yaml:1:1: there is no setting \"cache-dsk\"; did you mean \"cache-disk\"?"},
		{"", []string{"config", "validate", bad}, 1, "bad.yaml:2:8: drain is \"10\"; write a duration with its unit"},
		{"", []string{"config", "validate", filepath.Join(dir, "missing.yaml")}, 1, "missing.yaml: no such file"},
		{"", []string{"serve", "--config", bad}, 2, "bad.yaml:1:1"},
		{"GLASSINE_REGION=eu-west-1", []string{"config", "print", "--config", good, "--drain", "5s"}, 0, "GLASSINE_REGION"},
		{"", []string{"config", "print", "--config", good}, 0, "good.yaml:2"},
		{"", []string{"config", "print", "--config", good, "-o", "yaml"}, 0, "good.yaml:2\ncache-disk: 20GiB"},
		{"", []string{"config", "print", "--config", good, "-o", "json"}, 0, `"value": "20GiB"`},
		{"", []string{"config", "schema"}, 0, "https://json-schema.org/draft/2020-12/schema"},
		{"", []string{"config", "fmt", "-l", good}, 1, "good.yaml is not in the usual form"},
		{"", []string{"config", "fmt", good}, 0, "# ours\ncache-disk: 20GiB\nstrict:\n  - vary\n"},
		{"", []string{"config", "fmt", "-w", good}, 0, ""},
		{"", []string{"config", "fmt", "-l", good}, 0, ""},
		{"GLASSINE_ADMIN=127.0.0.1:1", []string{"health"}, 1, "dial tcp 127.0.0.1:1: connect: connection refused"},
	} {
		out, code := run(tt.env, tt.args...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s glassine %s ends with %d, want %d, and %q in\n%s", tt.env, strings.Join(tt.args, " "), code, tt.code, tt.want, out)
		}
	}
	s := start(t)
	if out, code := run("GLASSINE_ADMIN="+s.Addresses().Admin, "health"); code != 0 {
		t.Errorf("glassine health of one that runs ends with %d, want 0: %s", code, out)
	}
}
