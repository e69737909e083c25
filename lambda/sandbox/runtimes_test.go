package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake puts a stand-in for an interpreter into a directory that is searched: the version is known without running it.
func fake(t *testing.T, s *interpreters, family, name, full string, version release) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.dirs = append(s.dirs, dir)
	if s.known == nil {
		s.known = map[string]interpreter{}
	}
	s.known[path] = interpreter{family: family, path: path, full: full, version: version}
}

func TestRuntimeNames(t *testing.T) {
	var s interpreters
	fake(t, &s, "node", "node", "20.20.2", release{20, 0})
	fake(t, &s, "node", "node", "24.1.0", release{24, 0})
	fake(t, &s, "python", "python3.11", "3.11.2", release{3, 11})
	for _, c := range []struct{ name, want, warning string }{
		{"nodejs20.x", "20.20.2", ""},
		{"nodejs24.x", "24.1.0", ""},
		{"nodejs16.x", "20.20.2", "Runtime nodejs16.x runs on Node.js 20.20.2: this machine has no Node.js 16."},
		{"nodejs22.x", "24.1.0", "Runtime nodejs22.x runs on Node.js 24.1.0: this machine has no Node.js 22."},
		{"nodejs", "20.20.2", "Runtime nodejs runs on"},
		{"nodejs4.3-edge", "20.20.2", "Runtime nodejs4.3-edge runs on"},
		{"python3.11", "3.11.2", ""},
		{"python3.9", "3.11.2", "Runtime python3.9 runs on Python 3.11.2: this machine has no Python 3.9."},
		{"python2.7", "3.11.2", "Runtime python2.7 runs on"},
		{"nodejs26.x", "24.1.0", "Runtime nodejs26.x runs on Node.js 24.1.0: this machine has no Node.js 26."},
		{"python3.15", "3.11.2", "Runtime python3.15 runs on Python 3.11.2: this machine has no Python 3.15."},
		{"provided", "", ""},
		{"provided.al2023", "", ""},
		{"go1.x", "", ""},
	} {
		r, err := s.find(t.Context(), c.name)
		if err != nil || r.full != c.want || !strings.HasPrefix(r.warning, c.warning) || c.warning == "" && r.warning != "" {
			t.Errorf("%s = %q with %q, %v, want %q with %q", c.name, r.full, r.warning, err, c.want, c.warning)
		}
	}
	for _, c := range []struct {
		name string
		want error
		text string
	}{
		{"java21", ErrUnsupportedRuntime, "unsupported runtime: java21"},
		{"ruby3.3", ErrUnsupportedRuntime, ""},
		{"dotnet8", ErrUnsupportedRuntime, ""},
		{"", ErrUnsupportedRuntime, ""},
	} {
		if _, err := s.find(t.Context(), c.name); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s = %v, want %v with %q", c.name, err, c.want, c.text)
		}
	}
}

// Whoever has no interpreter reads what is missing, where it was looked for, and what to do.
func TestMissingInterpreterSaysWhatToDo(t *testing.T) {
	empty, other := t.TempDir(), t.TempDir()
	for _, c := range []struct {
		name string
		dirs []string
		want string
	}{
		{"nodejs20.x", []string{empty, other, empty}, "no interpreter for runtime nodejs20.x: it takes Node.js 20, and there is none in " + empty + ", " + other +
			". Install it from https://nodejs.org/en/download; in a container, use the image glassine:full, since glassine:slim has no Node.js"},
		{"python3.12", []string{empty}, "no interpreter for runtime python3.12: it takes Python 3.12, and there is none in " + empty +
			". Install it from the package python3 or https://www.python.org/downloads; in a container, use the image glassine:full, since glassine:slim has no Python"},
		{"nodejs", nil, "no interpreter for runtime nodejs: it takes Node.js, and no directory was searched. Install it from https://nodejs.org/en/download; " +
			"in a container, use the image glassine:full, since glassine:slim has no Node.js"},
	} {
		s := interpreters{dirs: c.dirs}
		if _, err := s.find(t.Context(), c.name); !errors.Is(err, ErrNoInterpreter) || err.Error() != c.want {
			t.Errorf("%s = %v, want %s", c.name, err, c.want)
		}
	}
}

// A version manager's stub is a script that starts the interpreter it chooses.
func TestStubsArePassedOver(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"node", "python3"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho 99.0.0\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := interpreters{dirs: append([]string{dir}, SearchDirs("", "")...)}
	for _, name := range []string{"nodejs16.x", "python3.9"} {
		r, err := s.find(t.Context(), name)
		if err != nil || strings.HasPrefix(r.path, dir) || r.full == "99.0.0" {
			t.Errorf("%s = %+v, %v: want the machine's own", name, r, err)
		}
	}
}

func TestSearchDirs(t *testing.T) {
	home := t.TempDir()
	want := filepath.Join(home, ".nvm/versions/node/v22.1.0/bin")
	if err := os.MkdirAll(want, 0o755); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(SearchDirs(home, "/a:/b"), " ")
	if !strings.HasPrefix(got, "/a /b "+want+" ") || !strings.Contains(got, "/usr/bin") {
		t.Errorf("directories = %s", got)
	}
}

func FuzzRuntimeName(f *testing.F) {
	for _, s := range []string{"nodejs20.x", "python3.11", "provided.al2", "nodejs4.3-edge", "python99999999999999999999.1"} {
		f.Add(s)
	}
	s := interpreters{known: map[string]interpreter{}}
	f.Fuzz(func(t *testing.T, name string) {
		r, err := s.find(t.Context(), name)
		if err == nil && r.family != "" || err != nil && !errors.Is(err, ErrNoInterpreter) && !errors.Is(err, ErrUnsupportedRuntime) {
			t.Errorf("%q = %+v, %v", name, r, err)
		}
	})
}
