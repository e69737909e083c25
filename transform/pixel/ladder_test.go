package pixel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/confine"
)

// What a picture that took its worker over can do, at each level.
func TestWhatAWorkerCanReach(t *testing.T) {
	t.Setenv("GLASSINE_TEST_SECRET", "of-the-server")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	const denied, hidden = "permission denied", "no such file or directory"
	for _, c := range []struct {
		try  string
		want map[confine.Level]string // what each level gives; "" is anything
	}{
		{"read " + secret, map[confine.Level]string{confine.Strict: hidden, confine.Restricted: denied, confine.Process: "done"}},
		{"read /etc/passwd", map[confine.Level]string{confine.Strict: hidden, confine.Restricted: denied, confine.Process: "done"}},
		{"read /etc/ld.so.cache", map[confine.Level]string{confine.Strict: "done", confine.Restricted: "done", confine.Process: "done"}},
		{"list /proc/self/fd", map[confine.Level]string{confine.Strict: "", confine.Restricted: denied, confine.Process: ""}},
		{"write /tmp/glassine-test", map[confine.Level]string{confine.Strict: "not permitted", confine.Restricted: "not permitted", confine.Process: "not permitted"}},
		{"socket", map[confine.Level]string{confine.Strict: "not permitted", confine.Restricted: "not permitted", confine.Process: "not permitted"}},
		{"fork", map[confine.Level]string{confine.Strict: "not permitted", confine.Restricted: "not permitted", confine.Process: "not permitted"}},
		{"exec", map[confine.Level]string{confine.Strict: "not permitted", confine.Restricted: "not permitted", confine.Process: "not permitted"}},
	} {
		for _, level := range confine.Levels {
			r := newRig(t, func(c *Config) { c.Level, c.Workers = level, 1 })
			if got := r.must("try " + c.try); !strings.Contains(got, c.want[level]) {
				t.Errorf("%s: %s: %q, want %q", level, c.try, got, c.want[level])
			}
			r.Close()
		}
	}
	for _, level := range confine.Levels {
		r := newRig(t, func(c *Config) { c.Level, c.Workers = level, 1 })
		env := r.must("env")
		if strings.Contains(env, "of-the-server") || !strings.Contains(env, "MALLOC_ARENA_MAX=2") {
			t.Errorf("%s: environment %q", level, env)
		}
		if fds := r.must("try list /proc/self/fd"); level == confine.Strict && fds != "0 1 2 3 4 5" { // 3 is the listing's own
			t.Errorf("%s: descriptors %q", level, fds)
		}
		r.Close()
	}
	if left, _ := filepath.Glob("/tmp/glassine-test"); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		level, require confine.Level
		works          bool
	}{
		{"", "", true},
		{"", confine.Strict, true},
		{confine.Restricted, "", true},
		{confine.Restricted, confine.Restricted, true},
		{confine.Restricted, confine.Process, true},
		{confine.Restricted, confine.Strict, false},
		{confine.Process, confine.Restricted, false},
		{confine.Process, confine.Strict, false},
		{confine.Process, confine.Process, true},
	} {
		r := newRig(t, func(cfg *Config) { cfg.Level, cfg.Isolation = c.level, c.require })
		got, why := r.Level()
		if want := c.level; want != "" && (got != want || len(why) == 0) || want == "" && got != confine.Strict {
			t.Errorf("forced to %q: %s, %q", c.level, got, why)
		}
		_, err := r.job("")
		if errors.Is(err, ErrWeakIsolation) == c.works || c.works != (err == nil) {
			t.Errorf("%s, %s required: %v", got, c.require, err)
		}
		if !c.works && (!strings.Contains(err.Error(), fmt.Sprintf("%s is required for pictures, this machine gives %s", c.require, c.level)) || r.count(Unavailable) != 1) {
			t.Errorf("%s, %s required: %v, %d events", got, c.require, err, r.count(Unavailable))
		}
		r.Close()
		left, _ := filepath.Glob(filepath.Join(r.cfg.Dir, tmpPrefix+"*"))
		if len(left) > 0 {
			t.Errorf("%s: left behind: %q", got, left)
		}
	}
}

// What a server that was killed left in its directory goes away.
func TestLeftoversAreSwept(t *testing.T) {
	r := newRig(t, nil)
	old := filepath.Join(r.cfg.Dir, tmpPrefix+"123")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	r.must("")
	if _, err := os.Stat(old); err == nil {
		t.Error("it is still there")
	}
}
