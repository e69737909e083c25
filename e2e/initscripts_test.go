package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The scripts of --init-dir run in their stages, with a shell in which the AWS CLI works, and what they made is there when the
// last line of the start is.
func TestInitScriptsRunInTheirStages(t *testing.T) {
	t.Parallel()
	dir, data := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"boot.d/a.sh":       "echo \"boot has key: ${AWS_ACCESS_KEY_ID:-none}\"",
		"start.d/a.sh":      "echo \"start has a key of ${#AWS_ACCESS_KEY_ID}\"",
		"ready.d/1-make.sh": "aws s3 mb s3://seeded && echo seed | aws s3 cp - s3://seeded/a.txt",
		"ready.d/2-bad.sh":  "echo about to fail >&2; exit 7",
		"shutdown.d/z.sh":   "aws s3 ls s3://seeded >" + filepath.Join(dir, "left"),
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("#!/bin/bash\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(glassineCommand(t), "serve", "--data", data, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	cmd.Env = []string{"PATH=" + filepath.Dir(tool(t, "aws")) + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PROFILE=none-such", "GLASSINE_INIT_DIR=" + dir}
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	hung := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer hung.Stop()
	var endpoint, last string
	lines := bufio.NewScanner(out)
	for last != "Ready." && lines.Scan() {
		last = lines.Text()
		if _, rest, ok := strings.Cut(last, " and http://"); ok {
			endpoint, _, _ = strings.Cut(rest, ",")
		}
	}
	if last != "Ready." {
		t.Fatalf("the server is not ready: %s", log.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	resp, err := http.Get("http://" + endpoint + "/_localstack/init")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told struct {
		Completed map[string]bool
		Scripts   []struct{ Stage, Name, State string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, s := range told.Scripts {
		states = append(states, s.Stage+" "+s.Name+" "+s.State)
	}
	if got := strings.Join(states, ", "); got != "BOOT a.sh SUCCESSFUL, START a.sh SUCCESSFUL, READY 1-make.sh SUCCESSFUL, READY 2-bad.sh ERROR, SHUTDOWN z.sh UNKNOWN" {
		t.Errorf("/_localstack/init: %s\n%s", got, log.String())
	}
	if c := told.Completed; !c["BOOT"] || !c["START"] || !c["READY"] || c["SHUTDOWN"] {
		t.Errorf("completed: %v", c)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "left")); err != nil || !strings.HasSuffix(string(raw), " a.txt\n") {
		t.Errorf("what the script of the end saw: %q, %v", raw, err)
	}
	for _, want := range []string{`"line":"boot has key: none"`, `"line":"start has a key of 20"`, `"line":"make_bucket: seeded"`, `"line":"about to fail"`, `"error":"exit status 7"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}
