package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine"
)

// running is a system that notes what it is told.
type running struct {
	applied []glassine.Live
	results []bool
	fails   error
}

func (s *running) Apply(l glassine.Live) error {
	if s.fails != nil {
		return s.fails
	}
	s.applied = append(s.applied, l)
	return nil
}

func (s *running) Reloaded(ok bool) { s.results = append(s.results, ok) }

// reloading rig: a reloader of a command line with a file.
func newReloader(t *testing.T, file string) (*reloader, *running, *bytes.Buffer) {
	t.Helper()
	given(t, nil) // clears the environment
	var c cli
	parser, _, err := newParser(&c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse([]string{"serve", "--config", file})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	system := &running{}
	r := &reloader{
		again: func() (parsed, error) { return reread(ctx) }, system: system, level: &slog.LevelVar{}, access: &accessLog{}, log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	if r.now, err = r.again(); err != nil {
		t.Fatal(err)
	}
	out, err := openAccessLog(r.now.flags.AccessLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.access.use(out); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.access.use(nil) })
	return r, system, &log
}

func TestReloadAppliesAllOrNothing(t *testing.T) {
	certificates := t.TempDir()
	for _, tt := range []struct {
		name, text string // what the file says then
		fails      error
		live       []glassine.Live
		level      slog.Level
		says       string
	}{
		{"nothing changed", "log-level: warn\n", nil, []glassine.Live{{}}, slog.LevelWarn, "settings reloaded"},
		{
			"all that can", "log-level: debug\nstrict: [vary]\ncache-status: true\ncert-dir: " + certificates + "\n", nil,
			[]glassine.Live{{CertificateDir: certificates, Strict: []string{"vary"}, CacheStatus: true}},
			slog.LevelDebug, `changed="cert-dir strict cache-status log-level"`,
		},
		{"verbose is debug", "log-level: warn\nverbose: true\n", nil, []glassine.Live{{}}, slog.LevelDebug, "changed=verbose"},
		{"one that needs a restart", "log-level: debug\nhttp: 127.0.0.1:1\ncache-disk: 0\n", nil, nil, slog.LevelWarn, "a restart is needed for http, cache-disk"},
		{"the access log off", "log-level: debug\naccess-log: off\n", nil, nil, slog.LevelWarn, "a restart is needed for access-log"},
		{"a file with a fault", "log-level: debug\nzebra: 1\n", nil, nil, slog.LevelWarn, "there is no setting"},
		{"an access log that cannot be", "log-level: debug\naccess-log: /nowhere/at/all\n", nil, nil, slog.LevelWarn, "open access log"},
		{"what the system refuses", "log-level: debug\ncache-status: true\n", errors.New("certificates are damaged"), nil, slog.LevelWarn, "certificates are damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			access := filepath.Join(t.TempDir(), "access.log")
			line := "access-log: " + access + "\n"
			file := writeSettings(t, line+"log-level: warn\n")
			r, system, log := newReloader(t, file)
			r.level.Set(r.now.flags.level())
			system.fails = tt.fails
			text := tt.text
			if !strings.Contains(text, "access-log") {
				text += line
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			r.reload()
			if diff := cmp.Diff(tt.live, system.applied); diff != "" {
				t.Errorf("applied (-want +got):\n%s", diff)
			}
			if got, want := fmt.Sprint(system.results), fmt.Sprint([]bool{tt.live != nil}); got != want {
				t.Errorf("reloads counted: %s, want %s", got, want)
			}
			if got := r.level.Level(); got != tt.level {
				t.Errorf("level %v, want %v", got, tt.level)
			}
			if !strings.Contains(log.String(), tt.says) {
				t.Errorf("log %q, want %q in it", log.String(), tt.says)
			}
			if _, err := r.access.Write([]byte("x\n")); err != nil {
				t.Errorf("the access log after it: %v", err)
			}
			if got, _ := os.ReadFile(access); string(got) != "x\n" {
				t.Errorf("the access log holds %q, want the line", got)
			}
			// What was taken is in force: reading it once more changes nothing.
			if tt.live != nil {
				r.reload()
				if !strings.HasSuffix(log.String(), "changed=\"\"\n") {
					t.Errorf("a second reload of the same file: log %q", log)
				}
			}
			// What was refused is not in force: setting it back is no change.
			if tt.live == nil {
				if err := os.WriteFile(file, []byte(line+"log-level: warn\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				system.fails = nil
				r.reload()
				if len(system.applied) != 1 || !strings.HasSuffix(log.String(), "changed=\"\"\n") {
					t.Errorf("after setting it back: applied %v, log %q", system.applied, log)
				}
			}
		})
	}
}

func TestAccessLogIsReopenedUnderWriters(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "access.log")
	a := &accessLog{}
	file, err := openAccessLog(name)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.use(file)
	const writers, lines, rotations = 4, 500, 20
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range lines {
				if n, err := a.Write([]byte("line\n")); n != 5 || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			}
		})
	}
	for i := range rotations {
		if err := os.Rename(name, fmt.Sprintf("%s.%d", name, i)); err != nil {
			t.Fatal(err)
		}
		next, err := openAccessLog(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.use(next); err != nil {
			t.Fatal(err)
		}
	}
	wait.Wait()
	_ = a.use(nil)
	files, _ := filepath.Glob(name + "*")
	var all []byte
	for _, f := range files {
		text, _ := os.ReadFile(f)
		all = append(all, text...)
	}
	if got := bytes.Count(all, []byte("line\n")); got != writers*lines || len(all) != 5*got {
		t.Errorf("%d whole lines in %d bytes of %d files, want %d", got, len(all), len(files), writers*lines)
	}
}

func TestLogFormatAndLevel(t *testing.T) {
	for _, tt := range []struct {
		format string
		json   bool
	}{{"auto", true}, {"json", true}, {"text", false}} {
		file, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		level := &slog.LevelVar{}
		log := (&logFlags{LogFormat: tt.format}).logger(file, level)
		log.Debug("too quiet")
		level.Set(slog.LevelDebug)
		log.Debug("heard")
		file.Close()
		got, _ := os.ReadFile(file.Name())
		if bytes.HasPrefix(got, []byte("{")) != tt.json || !bytes.Contains(got, []byte("heard")) || bytes.Contains(got, []byte("quiet")) {
			t.Errorf("format %s into a file: %s", tt.format, got)
		}
	}
	for _, tt := range []struct {
		flags logFlags
		want  slog.Level
	}{
		{logFlags{LogLevel: "debug"}, slog.LevelDebug},
		{logFlags{LogLevel: "info"}, slog.LevelInfo},
		{logFlags{LogLevel: "warn"}, slog.LevelWarn},
		{logFlags{LogLevel: "error"}, slog.LevelError},
		{logFlags{LogLevel: "error", Verbose: true}, slog.LevelDebug},
	} {
		if got := tt.flags.level(); got != tt.want {
			t.Errorf("level of %+v is %v, want %v", tt.flags, got, tt.want)
		}
	}
}
