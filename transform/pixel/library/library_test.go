package library

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// ours is where the library for this machine is embedded.
const ours = "lib/" + runtime.GOARCH + "/"

// elf is a file that begins like a shared library for that machine.
func elf(machine byte, rest string) []byte {
	head := make([]byte, 20)
	copy(head, "\x7fELF\x02\x01\x01")
	head[18] = machine
	return append(head, rest...)
}

func here(t *testing.T) byte {
	t.Helper()
	m, ok := machines[runtime.GOARCH]
	if !ok || runtime.GOOS != "linux" {
		t.Skip("no library is embedded on this machine")
	}
	return m
}

func embeds(content []byte) fs.FS {
	return fstest.MapFS{ours + "README.md": {Data: []byte("x")}, ours + "libvips-cpp.so.8": {Data: content}}
}

var nothing = fstest.MapFS{ours + "README.md": {Data: []byte("x")}}

func put(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	m := here(t)
	dir := t.TempDir()
	configured, system := put(t, dir, "mine/libvips.so.42", elf(m, "mine")), put(t, dir, "lib/libvips.so.42", elf(m, "system"))
	link := filepath.Join(dir, "link")
	if err := os.Symlink(configured, link); err != nil {
		t.Fatal(err)
	}
	foreign, text := put(t, dir, "foreign.so", elf(m^1, "")), put(t, dir, "text.so", []byte("#!/bin/sh\necho not a library\n"))
	unpacked := filepath.Join(dir, "data", fmt.Sprintf("%x.so", sha256.Sum256(elf(m, "embedded"))))
	for _, c := range []struct {
		name, configured string
		embedded         fs.FS
		system           string
		path, from, err  string
	}{
		{"the configured one comes first", configured, embeds(elf(m, "embedded")), filepath.Dir(system), configured, Configured, ""},
		{"a link is resolved", link, nothing, "", configured, Configured, ""},
		{"then the embedded one, unpacked", "", embeds(elf(m, "embedded")), filepath.Dir(system), unpacked, Embedded, ""},
		{"then the system's", "", nothing, filepath.Dir(system), system, System, ""},
		{"none", "", nothing, dir, "", "", "embeds no libvips and the system has none"},
		{"a configured one that is missing leads to no other", dir + "/none", embeds(elf(m, "embedded")), filepath.Dir(system), "", "", "no such file"},
		{"a configured one for another machine", foreign, nothing, "", "", "", "foreign.so is for another machine than " + runtime.GOARCH},
		{"a configured one that is a script", text, nothing, "", "", "", "text.so is no shared library"},
		{"a configured directory", dir, nothing, "", "", "", "is a directory"},
		{"an embedded one for another machine", "", embeds(elf(m^1, "")), filepath.Dir(system), "", "", "is for another machine"},
		{"an embedded one that is cut off", "", embeds([]byte("x")), "", "", "", "cannot be unpacked: read " + ours + "libvips-cpp.so.8"},
		{"a system's for another machine is passed over", "", nothing, filepath.Dir(foreign), "", "", "the system has none"},
	} {
		path, from, err := find(c.configured, filepath.Join(dir, "data"), c.embedded, []string{filepath.Join(dir, "empty"), c.system})
		if path != c.path || from != c.from || (c.err == "") != (err == nil) {
			t.Errorf("%s: %q, %q, %v, want %q, %q", c.name, path, from, err, c.path, c.from)
		}
		if _, ok := errors.AsType[*UnavailableError](err); c.err != "" && (!ok || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want an UnavailableError with %q", c.name, err, c.err)
		}
	}
}

func TestUnpackedOnceAndWhole(t *testing.T) {
	m := here(t)
	dir := filepath.Join(t.TempDir(), "data")
	content := elf(m, strings.Repeat("library ", 10000))
	path, _, err := find("", dir, embeds(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil || before.Mode().Perm() != 0o644 {
		t.Fatalf("unpacked as %v, %v, want mode 0644", before, err)
	}
	old := time.Now().Add(-time.Hour * 24)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	if _, _, err := find("", dir, embeds(content), nil); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || after.ModTime().Unix() != old.Unix() {
		t.Errorf("a whole library was written anew: %v, %v", after, err)
	}
	for name, damaged := range map[string][]byte{"cut off": content[:100], "changed": append(append([]byte(nil), content[:50]...), make([]byte, len(content)-50)...)} {
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := find("", dir, embeds(content), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != string(content) {
			t.Errorf("%s: %d bytes, %v, want the library", name, len(got), err)
		}
	}
	// An update replaces it, and takes away what is left of others; what is not ours stays.
	half := put(t, dir, "unpacking-123", []byte("half"))
	if err := os.Chtimes(half, old, old); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "unpacking-124", []byte("another process is at it"))
	put(t, dir, "notes.so", []byte("not ours"))
	next, _, err := find("", dir, embeds(elf(m, "next")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), filepath.Base(next)+" notes.so unpacking-124"; got != want {
		t.Errorf("after an update: %q, want %q", got, want)
	}
}

func TestDirectoryThatCannotBeWritten(t *testing.T) {
	m := here(t)
	file := put(t, t.TempDir(), "file", nil)
	_, _, err := find("", filepath.Join(file, "data"), embeds(elf(m, "")), nil)
	if _, ok := errors.AsType[*UnavailableError](err); !ok || !strings.Contains(err.Error(), "GLASSINE_LIBVIPS") {
		t.Errorf("error = %v, want one that says what to do", err)
	}
}

// What fetch.sh put into lib is what is found, and a library by the judgement of another reader.
func TestEmbeddedLibrary(t *testing.T) {
	if _, err := fs.Stat(lib, ours+"README.md"); err != nil {
		t.Skip("built with the tag novips, which embeds nothing")
	}
	if names, err := fs.Glob(lib, "lib/*/*.so.*"); err != nil || len(names) == 0 {
		t.Fatal("nothing is embedded: make libvips puts it there")
	}
	path, from, err := Find("", t.TempDir())
	if err != nil || from != Embedded {
		t.Fatalf("Find = %q, %q, %v", path, from, err)
	}
	out, err := exec.CommandContext(t.Context(), "ldd", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "not found") || !strings.Contains(string(out), "libstdc++") {
		t.Errorf("ldd %s: %v\n%s", path, err, out)
	}
}

// The lock file names versions and hashes, and no registry.
func TestLockNamesNoRegistry(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), "resolved") || strings.Count(string(lock), `"integrity": "sha512-`) != 2 {
		t.Error("package-lock.json names a registry, or lacks a hash")
	}
}
