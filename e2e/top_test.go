package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// terminal is what was written to one so far.
type terminal struct {
	mu  sync.Mutex
	all strings.Builder
}

func (m *terminal) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all.Write(p)
}

func (m *terminal) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all.String()
}

// await returns what was written after from, when want matches it.
func (m *terminal) await(t *testing.T, from int, want string) string {
	t.Helper()
	is := regexp.MustCompile(want)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text := m.String()[from:]
		if is.MatchString(text) {
			return text
		}
		if time.Now().After(deadline) {
			t.Fatalf("the terminal has not %q: %q", want, text)
		}
	}
}

func TestTopOnATerminal(t *testing.T) {
	t.Parallel()
	s := start(t)
	if got := s.view(t, "GET", "/sample.jpg"); got.StatusCode != 200 {
		t.Fatal(got.Status)
	}
	at := s.Addresses()
	env := append(os.Environ(), "GLASSINE_DATA="+s.data, "GLASSINE_AWS="+at.AWS, "GLASSINE_ADMIN="+at.Admin, "TERM=xterm", "AWS_ENDPOINT_URL=", "NO_COLOR=")
	cmd := exec.CommandContext(t.Context(), tool(t, "script"), "-qefc", `tty; stty cols 60 rows 24; stty -g; "$0" top --every 200ms; echo "status $?"; stty -g; cat`, "/dev/null")
	cmd.Args[2] = strings.Replace(cmd.Args[2], `"$0"`, glassineCommand(t), 1)
	cmd.Env = env
	screen := &terminal{}
	cmd.Stdout, cmd.Stderr = screen, screen
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	press := func(key string) {
		t.Helper()
		if _, err := keys.Write([]byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	first := screen.await(t, 0, `(?s)\x1b\[\?1049h.*/sample\.jpg`)
	for _, want := range []string{"\x1b[?25l", "\x1b[32mready\x1b[0m", "FUNCTION", "glassine-image", "requests/s", "Miss"} {
		if !strings.Contains(first, want) {
			t.Errorf("the screen lacks %q: %q", want, first)
		}
	}
	if strings.Contains(first, "COLD/s") {
		t.Errorf("60 columns have the columns of more: %q", first)
	}
	press(" ")
	screen.await(t, 0, "paused")
	from := len(screen.String())
	// A wider terminal is taken up without a key.
	if out, err := exec.CommandContext(t.Context(), "stty", "-F", strings.TrimSpace(strings.SplitN(first, "\n", 2)[0]), "cols", "120").CombinedOutput(); err != nil {
		t.Fatalf("stty: %v: %s", err, out)
	}
	screen.await(t, from, "COLD/s")
	press(" ")
	press("q")
	left := screen.await(t, 0, `(?s)\x1b\[\?1049l.*status 0\r\n[0-9a-f:]+\r\n`)
	// What stty -g said before and after: modes, not sizes.
	modes := regexp.MustCompile(`[0-9a-f]+(?::[0-9a-f]+){10,}`).FindAllString(left, -1)
	if len(modes) != 2 || modes[0] != modes[1] {
		t.Errorf("the modes of the terminal before and after: %q", modes)
	}
	if !strings.Contains(left, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("the cursor or the screen of before is not back: %q", left)
	}
	press("\x04") // ends cat
	_ = keys.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("script: %v", err)
	}
}

func TestTopWithoutATerminal(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.view(t, "GET", "/sample.jpg")
	dir := t.TempDir()
	once := s.glassine(t, dir, "top", "--admin", s.Addresses().Admin, "--every", "200ms")
	once.wants(t, 0, "ready", "/sample.jpg", "glassine-image")
	if strings.Contains(once.out, "\x1b") {
		t.Errorf("it speaks to a terminal: %q", once.out)
	}
	asked := s.glassine(t, dir, "top", "--admin", s.Addresses().Admin, "--every", "200ms", "-o", "json")
	asked.wants(t, 0)
	var v struct {
		Ready bool
		Last  []struct{ Status, Result, Path string }
	}
	if err := json.Unmarshal([]byte(asked.out), &v); err != nil || !v.Ready || len(v.Last) != 1 || v.Last[0].Status != "200" || v.Last[0].Result != "Miss" || v.Last[0].Path != "/sample.jpg" {
		t.Errorf("%v: %s", err, asked.out)
	}
	s.glassine(t, dir, "top", "--admin", "127.0.0.1:1").wants(t, 3, "the admin port on 127.0.0.1:1 does not answer")
	s.glassine(t, dir, "top", "--every", "1ms").wants(t, 2, "--every 1ms")
}
