package client

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The same files make the same archive, whatever their times and the order in which they were written; other bytes, names and
// modes make another.
func TestArchiveIsOfItsFiles(t *testing.T) {
	make := func(change func(dir string)) (string, []byte) {
		t.Helper()
		dir := t.TempDir()
		write(t, filepath.Join(dir, "b", "two.txt"), "2")
		write(t, filepath.Join(dir, "a.txt"), "1")
		write(t, filepath.Join(dir, ".hidden"), "3")
		if change != nil {
			change(dir)
		}
		a, err := readArchive(dir)
		if err != nil {
			t.Fatal(err)
		}
		body, err := a.zip()
		if err != nil {
			t.Fatal(err)
		}
		return a.hash, body
	}
	hash, body := make(nil)
	for _, tt := range []struct {
		name   string
		change func(dir string)
		same   bool
	}{
		{"another time", func(dir string) {
			at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
			if err := os.Chtimes(filepath.Join(dir, "a.txt"), at, at); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"another mask of modes", func(dir string) {
			if err := os.Chmod(filepath.Join(dir, "a.txt"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"an executable", func(dir string) {
			if err := os.Chmod(filepath.Join(dir, "a.txt"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"other bytes", func(dir string) { write(t, filepath.Join(dir, "a.txt"), "9") }, false},
		{"one file more", func(dir string) { write(t, filepath.Join(dir, "c"), "") }, false},
	} {
		otherHash, other := make(tt.change)
		if same := otherHash == hash; same != tt.same {
			t.Errorf("%s: the hash is the same: %t, want %t", tt.name, same, tt.same)
		}
		if same := bytes.Equal(body, other); same != tt.same {
			t.Errorf("%s: the archive is the same: %t, want %t", tt.name, same, tt.same)
		}
	}
	r, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Name+"="+string(text)+" "+f.Mode().String())
	}
	if want := ".hidden=3 -rw-r--r-- a.txt=1 -rw-r--r-- b/two.txt=2 -rw-r--r--"; strings.Join(got, " ") != want {
		t.Errorf("archive %q, want %q", got, want)
	}
}

func TestArchiveFollowsLinks(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, filepath.Join(elsewhere, "in.txt"), "1")
	write(t, filepath.Join(dir, "a.txt"), "1")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	a, err := readArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.files) != 2 || a.files[1].name != "link/in.txt" {
		t.Errorf("files %v", a.files)
	}
	if err := os.Symlink(dir, filepath.Join(elsewhere, "back")); err != nil {
		t.Fatal(err)
	}
	if _, err := readArchive(dir); err == nil || !strings.Contains(err.Error(), "leads back") {
		t.Errorf("a circle of links: %v", err)
	}
	if _, err := readArchive(t.TempDir()); err == nil {
		t.Error("an empty folder became an archive")
	}
}

// An archive that somebody made goes as it is, any other single file is put into one.
func TestStagingCode(t *testing.T) {
	fake, c := newFakeAWS(t)
	dir := t.TempDir()
	s := newStaging(c, "staging", nil)
	ready := "PK\x03\x04 as it was made"
	write(t, filepath.Join(dir, "ready.zip"), ready)
	write(t, filepath.Join(dir, "index.js"), "1")
	for file, whole := range map[string]bool{"ready.zip": true, "index.js": false} {
		key, err := s.code(t.Context(), "F", filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		got := fake.objects["staging/"+key]
		if (string(got) == ready) != whole || !bytes.HasPrefix(got, []byte("PK")) {
			t.Errorf("%s: sent %.30q", file, got)
		}
	}
}
