package e2e

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A folder becomes a function, behind an Object Lambda access point too; what is saved is in force, and what it logs is shown.
func TestDevFollowsAFolder(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := filepath.Join(t.TempDir(), "my function")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	save := func(answer string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "index.mjs"), []byte("export const handler = async event => { console.log('said "+answer+"'); return '"+answer+"'; };\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save("first")
	cmd := exec.Command(glassineCommand(t), "dev", dir, "--data", s.data, "--aws", s.Addresses().AWS, "--access-point", "glassine-demo")
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
			t.Errorf("glassine dev ended with %v", err)
		}
	})
	lines := make(chan string, 1000)
	go func() {
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
		close(lines)
	}()
	wait := func(text string) {
		t.Helper()
		late := time.After(time.Minute)
		for {
			select {
			case line, ok := <-lines:
				if strings.Contains(line, text) {
					return
				}
				if !ok {
					t.Fatalf("it ended before it said %q", text)
				}
			case <-late:
				t.Fatalf("it did not say %q", text)
			}
		}
	}
	invoke := func() string {
		t.Helper()
		return string(s.signed(t, s.root(t), "lambda", http.MethodPost, "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/my-function/invocations", []byte("{}"), nil).body)
	}
	wait("Watching")
	if got := invoke(); got != `"first"` {
		t.Errorf("the function answers %s", got)
	}
	wait("said first")
	save("second")
	wait("reloaded")
	if got := invoke(); got != `"second"` {
		t.Errorf("after a change the function answers %s", got)
	}
	wait("said second")
	// It stands behind the access point now, and is no good function of it.
	a := s.signed(t, s.root(t), "s3-object-lambda", http.MethodGet, "https://"+lambdaHost+"/sample.jpg", nil, nil)
	if e := a.awsError(t); e.Code != "LambdaResponseNotReceived" {
		t.Errorf("through the access point: %s %s", a.Status, a.body)
	}
}
