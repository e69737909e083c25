package e2e

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// h2spec builds the conformance test of HTTP/2 at the version of tools.mod.
func h2spec(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "h2spec")
	build := exec.CommandContext(t.Context(), "go", "build", "-modfile=tools.mod", "-o", program, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build h2spec: %v\n%s", err, out)
	}
	return program
}

// h2spec's cases, with those that it calls strict, on the viewers' listeners: over TLS, and in plaintext with prior knowledge
// (RFC 9113, section 3.3).
func TestH2spec(t *testing.T) {
	s := start(t)
	program := h2spec(t)
	s.view(t, "GET", "/sample.jpg") // so that it is a hit there
	for _, listener := range []struct {
		name, address string
		flags         []string
	}{
		{"TLS", s.Addresses().HTTPS, []string{"-t", "-k"}},
		{"plaintext", s.Addresses().HTTP, nil},
	} {
		t.Run(listener.name, func(t *testing.T) {
			host, port, err := net.SplitHostPort(listener.address)
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{"-S", "-h", host, "-p", port, "-P", "/sample.jpg"}, listener.flags...)
			out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
			text := string(out)
			if err != nil || !strings.Contains(text, "146 tests, 146 passed, 0 skipped, 0 failed") {
				_, failures, _ := strings.Cut(text, "Failures:")
				t.Errorf("h2spec: %v; want that 146 of 146 pass\n%s\n%s", err, failures, text[max(0, len(text)-200):])
			}
		})
	}
}
