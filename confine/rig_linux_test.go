package confine

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if Main() {
		return
	}
	if len(os.Args) > 1 && selfPrograms[os.Args[1]] != nil {
		selfPrograms[os.Args[1]]()
		os.Exit(0)
	}
	if level := os.Getenv("CONFINE_TEST_LEVEL"); level != "" {
		serverOfATest(level, os.Getenv("CONFINE_TEST_MARKER"))
	}
	if os.Getenv("CONFINE_TEST_PROBE") != "" {
		fmt.Println(NewSpawner().Probe(context.Background()))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// machine is what a shell finds of Debian's files.
func machine() Spec {
	return Spec{
		Level: Strict, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/", TmpMB: 2,
		Binds: []Bind{{From: "/usr", To: "/usr"}},
		Links: map[string]string{"/bin": "usr/bin", "/lib": "usr/lib", "/lib64": "usr/lib64"},
		Read:  []string{"/usr", "/bin", "/lib", "/lib64"},
	}
}

func spawner(t *testing.T) *Spawner {
	t.Helper()
	s := NewSpawner()
	t.Cleanup(func() { s.Close() })
	return s
}

// run runs a program to its end and returns what it wrote.
func run(t *testing.T, s *Spawner, spec Spec, args ...string) (string, Exit) {
	t.Helper()
	spec.Args = args
	c, err := s.Start(t.Context(), spec)
	if err != nil {
		t.Fatalf("start %q: %v", args, err)
	}
	defer c.Close()
	timer := time.AfterFunc(20*time.Second, c.Kill)
	defer timer.Stop()
	out, err := io.ReadAll(c.Output)
	if err != nil {
		t.Fatalf("read output: %v", err)
	}
	return strings.TrimSpace(string(out)), c.Wait()
}
