package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/objectlambda"
)

// One GiB through a function that passes it on: the server's memory does not grow with the object. The server is a process
// of its own, on the data directory that another one prepared.
func TestObjectLambdaMemoryIsBounded(t *testing.T) {
	const size = 1 << 30
	s := start(t)
	data := s.data
	address := freeAddress(t)
	p := point{name: "whole", code: s.functionWebhookAt(t, "identity.mjs", address)}.create(t, s)
	root := s.root(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pid := serveProcess(t, data, address)
	client := &http.Client{Transport: awsTransport(s.roots(t), address)}

	sum := sha256.New()
	body := io.TeeReader(io.LimitReader(&noise{}, size), sum)
	put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+bucketHost+"/whole", body)
	if err != nil {
		t.Fatal(err)
	}
	put.ContentLength = size
	keys := sigv4.Credentials{AccessKeyID: root.AccessKeyID, SecretAccessKey: root.SecretAccessKey}
	sigv4.Sign(put, keys, "us-east-1", "s3", sigv4.UnsignedPayload, time.Now())
	if a := do(t, client, put); a.StatusCode != 200 {
		t.Fatalf("PUT = %s %s", a.Status, a.body)
	}
	want := hex.EncodeToString(sum.Sum(nil))
	get := func(service, host string) time.Duration {
		t.Helper()
		began := time.Now()
		req := request(t, http.MethodGet, "https://"+host+"/whole", nil)
		sigv4.Sign(req, keys, "us-east-1", service, "", time.Now())
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		sum.Reset()
		n, err := io.Copy(sum, resp.Body)
		if err != nil || resp.StatusCode != 200 || n != size || hex.EncodeToString(sum.Sum(nil)) != want {
			t.Fatalf("GET from %s = %s, %d bytes, %v", host, resp.Status, n, err)
		}
		return time.Since(began)
	}
	plain := get("s3", bucketHost)
	before := memory(t, pid, "VmRSS")
	resetPeak(t, pid)
	through := get("s3-object-lambda", p.host())
	grown := memory(t, pid, "VmHWM") - before
	t.Logf("1 GiB through the function: %.0f MB/s, plain GET: %.0f MB/s; peak memory of the server grew by %.1f MiB", size/1e6/through.Seconds(), size/1e6/plain.Seconds(), float64(grown)/(1<<20))
	if grown >= 32<<20 {
		t.Errorf("peak memory of the server grew by %d bytes, want less than 32 MiB", grown)
	}
	if objectlambda.Deadline < through {
		t.Errorf("took %s, longer than an answer may", through)
	}
}

// noise is bytes that do not compress, fast: a counter, mixed.
type noise struct{ n uint64 }

func (r *noise) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		r.n++
		x := r.n * 0x9e3779b97f4a7c15
		for j := i; j < len(p) && j < i+8; j++ {
			p[j] = byte(x >> 56)
			x <<= 8
		}
	}
	return len(p), nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveProcess runs the program on a data directory until the test ends, and returns its process id.
func serveProcess(t *testing.T, data, address string) int {
	t.Helper()
	cmd := exec.Command(glassineCommand(t), "serve", "--data", data, "--aws", address, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	scan := bufio.NewScanner(out)
	for scan.Scan() && scan.Text() != "Ready." {
	}
	if scan.Text() != "Ready." {
		t.Fatal("the server did not become ready")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return cmd.Process.Pid
}

// memory reads a line of /proc/PID/status, in bytes.
func memory(t *testing.T, pid int, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s in the status", name)
	return 0
}

// resetPeak makes the peak what is used now. (proc(5), /proc/pid/clear_refs.)
func resetPeak(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}
