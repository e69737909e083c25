package e2e

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"glassine/transform/sample"
)

// try sends a signed request of S3 and returns the status of its answer, 0 when there is none. Any goroutine may call it.
func (k *killedStack) try(method, url string, body []byte) int {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	sign(req, k.key, "s3", body)
	resp, err := k.api.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	resp.Body.Close()
	return resp.StatusCode
}

// load puts and deletes objects until the function that it returns is called.
func (k *killedStack) load(base string) (stop func()) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	for worker := range 3 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				target := fmt.Sprintf("%s/load/%d-%d", base, worker, n%20)
				if status := k.try(http.MethodPut, target, []byte(target)); status != http.StatusOK {
					k.t.Errorf("PUT %s = %d", target, status)
					return
				}
				if n%2 == 0 {
					k.try(http.MethodDelete, target, nil)
				}
			}
		})
	}
	return func() { close(done); wg.Wait() }
}

// makeFunction makes a function of an archive.
func (k *killedStack) makeFunction() {
	role := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	k.ask("iam", http.MethodPost, "https://iam.amazonaws.com/", []byte("Action=CreateRole&Version=2010-05-08&RoleName=echo&AssumeRolePolicyDocument="+url.QueryEscape(role)))
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	w, err := z.Create("index.py")
	if err == nil {
		_, err = io.WriteString(w, "def handler(event, context):\n    return {'echo': event}\n")
	}
	if err := errors.Join(err, z.Close()); err != nil {
		k.t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"FunctionName": "echo", "Runtime": "python3.11", "Handler": "index.handler", "Role": "arn:aws:iam::" + account + ":role/echo", "Code": map[string]any{"ZipFile": file.Bytes()},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	req := request(k.t, http.MethodPost, "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions", body)
	sign(req, k.key, "lambda", body)
	if a := do(k.t, k.api, req); a.StatusCode != http.StatusCreated {
		k.t.Fatalf("CreateFunction: %s %s", a.Status, a.body)
	}
}

// A backup is made of a running server while objects come and go. Restored elsewhere, it has every object that was acknowledged
// before it began, whole; the viewer's URL, the functions and the stacks work.
func TestBackupUnderLoadAndRestore(t *testing.T) {
	t.Parallel()
	k := &killedStack{t: t, data: t.TempDir(), dir: t.TempDir()}
	k.serve()
	k.command("init", "--name", "album").wants(t, 0)
	k.command("deploy", "stack.yaml", "--stack", "album").wants(t, 0, "album: created")
	k.makeFunction()
	base := "https://" + strings.TrimSpace(k.command("outputs", "album", "BucketName").out) + ".s3.us-east-1.amazonaws.com"
	body := func(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "object %d. ", n), 1+n*997%5000) }
	const objects = 40
	for n := range objects {
		if status := k.try(http.MethodPut, fmt.Sprintf("%s/kept/%d", base, n), body(n)); status != http.StatusOK {
			t.Fatal("PUT:", status)
		}
	}

	stop := k.load(base)
	file := filepath.Join(t.TempDir(), "all.backup")
	went := make(chan struct{})
	go func() { // as soon as it may have begun, what it must have goes
		defer close(went)
		for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(time.Millisecond) { // another process
			if begun, _ := filepath.Glob(filepath.Join(k.data, ".backup-*", ".manifest-*")); len(begun) > 0 {
				break
			}
			if _, err := os.Stat(file); err == nil {
				break
			}
		}
		for n := range objects {
			k.try(http.MethodDelete, fmt.Sprintf("%s/kept/%d", base, n), nil)
		}
	}()
	k.command("backup", file).wants(t, 0, "every file checked", "Private:")
	<-went
	stop()
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has the mode %v, %v; want 0600", info, err)
	}
	t.Logf("the backup has %d bytes", info.Size())
	k.command("backup", file).wants(t, 1, "is there already")
	k.kill()

	r := &killedStack{t: t, data: filepath.Join(t.TempDir(), "restored"), dir: k.dir}
	r.edgeProcess = new(edgeProcess)
	r.command("restore", file).wants(t, 0, "Restored:")
	r.command("restore", file).wants(t, 1, "is not empty")
	r.command("fsck").wants(t, 0, " 0 problems")
	r.serve()
	if r.key != k.key {
		t.Error("the root key is another one")
	}
	for n := range objects {
		if a := r.ask("s3", http.MethodGet, fmt.Sprintf("%s/kept/%d", base, n), nil); !bytes.Equal(a.body, body(n)) {
			t.Fatalf("object %d has %d bytes that are not its own", n, len(a.body))
		}
	}
	r.serves()
	r.command("stacks").wants(t, 0, "album")
	a := r.ask("lambda", http.MethodPost, "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/echo/invocations", []byte(`"hello"`))
	if string(a.body) != `{"echo": "hello"}` {
		t.Errorf("the function answers %s", a.body)
	}
}

// restore is killed at any moment; nothing starts from what it leaves, and the next one makes it whole.
func TestRestoreThatIsKilled(t *testing.T) {
	t.Parallel()
	s := start(t)
	for n := range 40 {
		s.put(t, fmt.Sprintf("big/%d", n), bytes.Repeat(sample.JPEG, 4))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "all.backup")
	commandAt(t, s.data, "127.0.0.1:1", t.TempDir(), "backup", file).wants(t, 0, "every file checked")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	for _, part := range []int{0, len(raw) / 3, len(raw) - 1, len(raw)} {
		// The rest never comes: the kill meets it where it waits for more.
		cmd := exec.Command(glassineCommand(t), "restore", "--data", restored, "-")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(raw[:part]); err != nil {
			t.Fatal(err)
		}
		for range 200 { // until it has begun
			if _, err := os.Stat(filepath.Join(restored, "RESTORING")); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		up := exec.Command(glassineCommand(t), "up", "--data", restored, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0")
		out, err := up.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "restore has not finished") {
			t.Fatalf("up on what %d bytes of %d left: %v %s", part, len(raw), err, out)
		}
	}
	commandAt(t, restored, "127.0.0.1:1", t.TempDir(), "restore", file).wants(t, 0, "Restored:")
	commandAt(t, restored, "127.0.0.1:1", t.TempDir(), "fsck").wants(t, 0, " 0 problems")
	raw[len(raw)/2] ^= 1
	damaged := writeTemp(t, "damaged.backup", raw)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	commandAt(t, elsewhere, "127.0.0.1:1", t.TempDir(), "restore", damaged).wants(t, 1, "damaged")
}
