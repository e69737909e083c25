package e2e

import (
	"bufio"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"glassine"
)

func TestStartSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, "VERSION"), []byte("2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	running := start(t)
	keyLost := t.TempDir()
	if err := os.WriteFile(filepath.Join(keyLost, "state.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  glassine.Config
		want string
	}{
		{"a port in use", glassine.Config{Data: t.TempDir(), HTTPS: taken.Addr().String()}, "is in use by another program; choose another with --https"},
		{"a data directory in use", glassine.Config{Data: running.data}, "is in use by another glassine"},
		{"a data directory of a newer version", glassine.Config{Data: newer}, "was written by a newer glassine"},
		{"the sealing key lost", glassine.Config{Data: keyLost}, "secret.key is missing"},
		{"an account that is none", glassine.Config{Data: t.TempDir(), Account: "12"}, "is not 12 digits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, a := range []*string{&c.cfg.AWS, &c.cfg.HTTP, &c.cfg.HTTPS, &c.cfg.Admin} {
				if *a == "" {
					*a = "127.0.0.1:0"
				}
			}
			s, err := glassine.New(t.Context(), c.cfg)
			if err == nil {
				s.Close()
				t.Fatal("New gave no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %q, want %q in it", err, c.want)
			}
		})
	}
}

// The command as a user runs it: what it prints, that Ready. is true, that a signal ends it in order, and that a second
// start keeps everything and shows no secret.
func TestUpAndStop(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	args := []string{"up", "--data", data, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off"}
	run := func() (lines []string, admin string) {
		cmd := exec.Command(glassineCommand(t), args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scan := bufio.NewScanner(out)
		for scan.Scan() && scan.Text() != "Ready." {
			lines = append(lines, scan.Text())
			if _, rest, ok := strings.Cut(scan.Text(), "http://"); ok && strings.HasPrefix(scan.Text(), "Console:") {
				admin = rest[:strings.IndexAny(rest+" ", "/ ")]
			}
		}
		if scan.Text() != "Ready." {
			t.Fatalf("last line %q, want Ready.; all: %q", scan.Text(), lines)
		}
		if a := do(t, http.DefaultClient, request(t, http.MethodGet, "http://"+admin+"/healthz", nil)); a.StatusCode != 200 {
			t.Errorf("/healthz = %s", a.Status)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := cmd.Wait(); err != nil {
			t.Errorf("after SIGINT: %v, want exit 0", err)
		}
		if took := time.Since(begun); took > glassine.DrainTime+time.Second {
			t.Errorf("stopping took %s, it says %s", took, glassine.DrainTime)
		}
		return lines, admin
	}
	first, _ := run()
	for _, want := range []string{"Viewer URL:", "Console:", "AWS endpoint:", "Root key:", "Credentials:"} {
		if !strings.Contains(strings.Join(first, "\n"), want) {
			t.Errorf("the first start does not print %q:\n%s", want, strings.Join(first, "\n"))
		}
	}
	root, err := glassine.RootCredentials(data)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := run()
	if text := strings.Join(second, "\n"); strings.Contains(text, "Root key:") || strings.Contains(text, root.SecretAccessKey) {
		t.Errorf("the second start shows the secret again:\n%s", text)
	}
	if again, err := glassine.RootCredentials(data); err != nil || again.AccessKeyID != root.AccessKeyID {
		t.Errorf("root key after the second start = %v, %v", again, err)
	}
	for _, name := range []string{"root-credentials.json", "secret.key", "ca-key.pem", "state.db"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", name, info.Mode(), err)
		}
	}
}

func TestLostRootKeyIsMadeAnew(t *testing.T) {
	data := t.TempDir()
	cfg := glassine.Config{Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0"}
	s, err := glassine.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	old := *s.NewRoot
	if out, err := exec.Command(glassineCommand(t), "root-key", "--data", data).CombinedOutput(); err == nil || !strings.Contains(string(out), "in use") {
		t.Errorf("root-key while it runs: %s (%v), want a refusal", out, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(data, "root-credentials.json")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(glassineCommand(t), "env", "--data", data).CombinedOutput(); err == nil || !strings.Contains(string(out), "glassine root-key") {
		t.Errorf("env without the key: %s (%v), want the command that helps", out, err)
	}
	if out, err := exec.Command(glassineCommand(t), "root-key", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("root-key: %s (%v)", out, err)
	}
	fresh, err := glassine.RootCredentials(data)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = glassine.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.IAM.Lookup(t.Context(), fresh.AccessKeyID, ""); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if _, _, err := s.IAM.Lookup(t.Context(), old.AccessKeyID, ""); err == nil {
		t.Error("the old key still stands")
	}
}
