// Package crash has no code: its tests kill the real server and trace its system calls.
package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"glassine/aws/sigv4"
)

// program is the path of the server's binary. TestMain builds it, unless programPath, an environment variable, names it.
var program string

const programPath = "GLASSINE_CRASH_PROGRAM"

func TestMain(m *testing.M) {
	if program = os.Getenv(programPath); program != "" {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "glassine-crash-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "glassine")
		if out, err := exec.Command("go", "build", "-o", program, "glassine/cmd/glassine").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// server is a running glassine serve.
type server struct {
	cmd         *exec.Cmd
	url         string // of the AWS endpoint, plaintext
	credentials sigv4.Credentials
	client      *http.Client
	complaints  *bytes.Buffer // standard error; to be read after wait
	output      sync.WaitGroup
	wait        func() error // waits for the end; may be called again
	killed      atomic.Bool  // by crash or kill: requests may fail from here on
}

// launch begins to run the server on a data directory and calls said with every line of its standard output. wrapper, if
// any, is a command that runs it.
func launch(t *testing.T, data string, said func(line string), wrapper ...string) *server {
	t.Helper()
	args := append(wrapper, program, "serve", "--data", data, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off")
	s := &server{cmd: exec.Command(args[0], args[1:]...), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}, complaints: new(bytes.Buffer)}
	s.cmd.Stderr = s.complaints
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.wait = sync.OnceValue(func() error {
		s.client.CloseIdleConnections()
		s.output.Wait()
		return s.cmd.Wait()
	})
	t.Cleanup(s.kill) // whatever the test comes to
	s.output.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said(lines.Text())
		}
	})
	return s
}

// start runs the server until it says that it is ready.
func start(t *testing.T, data string, wrapper ...string) *server {
	t.Helper()
	ready := make(chan string, 1)
	address := ""
	s := launch(t, data, func(line string) {
		if rest, ok := strings.CutPrefix(line, "AWS endpoint:"); ok {
			_, rest, _ = strings.Cut(rest, "http://")
			address, _, _ = strings.Cut(rest, ",")
		}
		if line == "Ready." {
			ready <- "http://" + address
		}
	}, wrapper...)
	ended := make(chan struct{})
	go func() { s.output.Wait(); close(ended) }()
	select {
	case s.url = <-ready:
	case <-ended:
	case <-time.After(time.Minute):
	}
	if s.url == "" {
		s.kill()
		t.Fatalf("the server did not start: %s", s.complaints)
	}
	raw, err := os.ReadFile(filepath.Join(data, "root-credentials.json"))
	if err == nil {
		err = json.Unmarshal(raw, &s.credentials)
	}
	if err != nil {
		s.kill()
		t.Fatalf("root credentials: %v", err)
	}
	return s
}

// crash sends the server SIGKILL.
func (s *server) crash() {
	s.killed.Store(true)
	_ = s.cmd.Process.Kill() // it may have ended
}

// kill ends the server as a crash would, and waits for it.
func (s *server) kill() {
	s.crash()
	_ = s.wait()
}

// stop ends the server in order.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.cmd.Process.Signal(syscall.SIGTERM), s.wait()); err != nil {
		t.Errorf("the server ended with %v: %s", err, s.complaints)
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a signed request.
func (s *server) do(method, path string, body []byte, header map[string]string) (answer, error) {
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	sigv4.Sign(req, s.credentials, "us-east-1", "s3", sigv4.PayloadSHA256(body), time.Now())
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: content}, err
}

// must sends a request that must succeed.
func (s *server) must(t *testing.T, method, path, body string) {
	t.Helper()
	a, err := s.do(method, path, []byte(body), nil)
	if err != nil || a.status/100 != 2 {
		t.Fatalf("%s %s: %v, %d %s", method, path, err, a.status, a.body)
	}
}
