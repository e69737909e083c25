//go:build linux

package cache

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Each says that the test binary is a child of a test, which works in the directory that is its value.
const (
	killEnv = "GLASSINE_TEST_CACHE_KILL"
	fullEnv = "GLASSINE_TEST_CACHE_FULL"
)

// The test binary is also the process that is killed: it stores one response after another, purges some, and writes a
// line for each when it is acknowledged.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killEnv); dir != "" {
		storeForever(dir)
	}
	if dir := os.Getenv(fullEnv); dir != "" {
		if err := fillFileSystem(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killedBody is what the child stores under n: of 10 bytes to 200 KB.
func killedBody(n int) string {
	size := 1 << (n * 7 % 15)
	if n%10 == 0 {
		size = 200 << 10
	}
	return strings.Repeat(fmt.Sprintf("%09d\n", n), size/10+1)
}

func killedConfig(dir string) Config {
	cfg := onDisk(dir)
	cfg.DiskBytes, cfg.SegmentBytes = 256<<20, 2<<20
	return cfg
}

func storeForever(dir string) {
	c := New(killedConfig(dir))
	for n := 0; ; n++ {
		r := stored(killedBody(n))
		r.TTL, r.Tags = time.Hour, []string{fmt.Sprint(n)}
		v, err := c.Fetch(context.Background(), key(fmt.Sprint("/", n)), give(r))
		if err == nil {
			_, err = read(context.Background(), v)
		}
		if n%20 == 19 {
			c.Flush()
			fmt.Println("stored", n) // and all before it
			c.PurgeTag(fmt.Sprint(n - 5))
			fmt.Println("purged", n-5)
		}
		if err != nil || c.Disk().Err != nil {
			fmt.Println("failed", err, c.Disk().Err)
			os.Exit(1)
		}
	}
}

func TestKilledProcessLosesNothingThatWasWrittenAndServesNothingTorn(t *testing.T) {
	for round := range 4 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last, purged := -1, map[int]bool{}
		lines := bufio.NewReader(out)
		kill := func() {
			_ = cmd.Process.Kill() // SIGKILL
			rest, _ := io.ReadAll(lines)
			for line := range strings.Lines(string(rest)) {
				note(t, line, &last, purged)
			}
			_ = cmd.Wait()
		}
		for last < 150+round*37 {
			line, err := lines.ReadString('\n')
			if err != nil {
				kill()
				t.Fatalf("the child ended: %v", err)
			}
			note(t, line, &last, purged)
		}
		kill()
		c := New(killedConfig(dir))
		missing := 0
		for n := range last + 200 {
			v := c.Open(t.Context(), key(fmt.Sprint("/", n)))
			switch {
			case v == nil && n <= last && !purged[n] && n != last-5:
				missing++
				continue
			case v == nil:
				continue
			case purged[n]:
				t.Errorf("/%d was purged and is there", n)
			}
			if s, err := read(t.Context(), v); err != nil || s != killedBody(n) {
				t.Errorf("/%d has %d bytes, %v; want %d", n, len(s), err, len(killedBody(n)))
			}
		}
		if missing > 0 {
			t.Errorf("%d of %d acknowledged responses are gone", missing, last+1)
		}
		c.Close()
	}
}

// note takes a line of the child.
func note(t *testing.T, line string, last *int, purged map[int]bool) {
	var what string
	var n int
	if _, err := fmt.Sscan(line, &what, &n); err != nil || !strings.HasSuffix(line, "\n") {
		if strings.HasPrefix(line, "failed") {
			t.Error(line)
		}
		return
	}
	if what == "stored" {
		*last = n
		return
	}
	purged[n] = true
}
