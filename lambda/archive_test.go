package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// entryOf is one file of an archive under test.
type entryOf struct {
	name, content string
	mode          fs.FileMode
}

func zipOf(t testing.TB, entries ...entryOf) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		h.SetMode(e.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, content string) entryOf { return entryOf{name, content, 0o644} }

func link(name, target string) entryOf { return entryOf{name, target, 0o777 | fs.ModeSymlink} }

func newArchives(t testing.TB) *archives {
	t.Helper()
	a, err := openArchives(filepath.Join(t.TempDir(), "code"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestArchiveIsUnpacked(t *testing.T) {
	a := newArchives(t)
	raw := zipOf(t, file("index.js", "code"), entryOf{"bin/", "", 0o755 | fs.ModeDir}, entryOf{"bin/run", "#!", 0o700}, link("lib/now", "../index.js"), entryOf{"odd", "x", 0})
	made, release, err := a.add(t.Context(), bytes.NewReader(raw), MaxZip)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	dir, err := a.folder(t.Context(), made.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if made.Size != int64(len(raw)) || made.Unpacked != int64(len("code#!../index.jsx")) {
		t.Errorf("archive = %+v, of %d bytes", made, len(raw))
	}
	for name, want := range map[string]string{"index.js": "code", "bin/run": "#!", "lib/now": "code", "odd": "x"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]fs.FileMode{"index.js": 0o444, "bin/run": 0o555, "odd": 0o444} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	again, release2, err := a.add(t.Context(), bytes.NewReader(raw), MaxZip)
	if err != nil || again != made {
		t.Errorf("the same archive again = %+v, %v, want %+v", again, err, made)
	}
	release2()
	f, err := a.open(made.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("the archive came back as %d bytes, %v, want the %d that were sent", len(got), err, len(raw))
	}
}

func TestArchivesThatAreRefused(t *testing.T) {
	corrupt := zipOf(t, file("index.js", strings.Repeat("some code that is packed ", 20)))
	corrupt[45] ^= 0xff
	// raw has a file of 100 bytes of which the archive says that it has size.
	raw := func(size uint64) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateRaw(&zip.FileHeader{Name: "index.js", Method: zip.Store, CompressedSize64: 100, UncompressedSize64: size})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, strings.Repeat("x", 100)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name string
		zip  []byte
	}{
		{"nothing", nil},
		{"no archive", []byte("export const handler = () => {}")},
		{"an archive without files", zipOf(t)},
		{"cut off", zipOf(t, file("index.js", "code"))[:40]},
		{"damaged", corrupt},
		{"lies about its size", raw(10)},
		{"more than 250 MB", raw(maxUnpacked + 1)},
		{"an absolute name", zipOf(t, file("/etc/passwd", "x"))},
		{"a name above", zipOf(t, file("../x", "x"))},
		{"a name that goes up on its way", zipOf(t, file("a/../../x", "x"))},
		{"a backslash", zipOf(t, file(`..\x`, "x"))},
		{"a file twice", zipOf(t, file("a", "x"), file("a", "y"))},
		{"a file that is a folder", zipOf(t, file("a", "x"), file("a/b", "y"))},
		{"an absolute link", zipOf(t, link("a", "/etc/passwd"))},
		{"a link above", zipOf(t, link("a", "../x"))},
		{"a link above from a folder", zipOf(t, link("d/a", "../../x"))},
		{"a link through a link", zipOf(t, link("d/e", ".."), link("f", "d/e/../x"), file("x", "y"))},
		{"a link to itself", zipOf(t, link("a", "a"))},
		{"a file behind a link", zipOf(t, link("a", "."), file("a/b", "x"))},
		{"a link that a file replaces", zipOf(t, link("a", "b"), file("a", "x"))},
		{"a device", zipOf(t, entryOf{"a", "", 0o644 | fs.ModeDevice})},
		{"a pipe", zipOf(t, entryOf{"a", "", 0o644 | fs.ModeNamedPipe})},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArchives(t)
			outside := filepath.Join(filepath.Dir(a.dir), "x")
			_, _, err := a.add(t.Context(), bytes.NewReader(c.zip), MaxZip)
			wantCode(t, "add", err, "InvalidParameterValueException")
			if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a file was written outside")
			}
			for _, dir := range []string{a.zipFile(""), a.unpacked("")} {
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("%s holds %v, %v, want nothing", dir, left, err)
				}
			}
		})
	}
}

func TestArchiveMayNotBeLargerThanItsLimit(t *testing.T) {
	a := newArchives(t)
	raw := zipOf(t, file("index.js", "code"))
	_, release, err := a.add(t.Context(), bytes.NewReader(raw), int64(len(raw)))
	wantCode(t, "add of as many bytes as allowed", err, "")
	release()
	_, _, err = a.add(t.Context(), bytes.NewReader(raw), int64(len(raw))-1)
	wantCode(t, "add of one byte more", err, "InvalidParameterValueException")
}

// What a boot, or a program that was killed, left half done is made again from the archive.
func TestUnpackedFilesAreMadeAgain(t *testing.T) {
	a := newArchives(t)
	made, release, err := a.add(t.Context(), bytes.NewReader(zipOf(t, file("index.js", "code"))), MaxZip)
	if err != nil {
		t.Fatal(err)
	}
	release()
	for _, d := range []string{filepath.Join(a.dir, "unpacked", "an-earlier-boot", made.SHA256), filepath.Join(a.unpacked(""), ".new-1")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(a.zipFile(".new-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(a.unpacked(made.SHA256)); err != nil {
		t.Fatal(err)
	}
	if a, err = openArchives(a.dir); err != nil {
		t.Fatal(err)
	}
	dir, err := a.folder(t.Context(), made.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "index.js")); err != nil || string(got) != "code" {
		t.Errorf("index.js = %q, %v", got, err)
	}
	for _, d := range []string{filepath.Join(a.dir, "unpacked", "an-earlier-boot"), filepath.Join(a.unpacked(""), ".new-1"), a.zipFile(".new-1")} {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there", d)
		}
	}
}

func TestSweepTakesWhatNobodyUsesTwice(t *testing.T) {
	a := newArchives(t)
	add := func(content string) (string, func()) {
		t.Helper()
		made, release, err := a.add(t.Context(), bytes.NewReader(zipOf(t, file("index.js", content))), MaxZip)
		if err != nil {
			t.Fatal(err)
		}
		return made.SHA256, release
	}
	used, free := add("used")
	free()
	loose, free := add("loose")
	free()
	pinned, free := add("pinned")
	there := func(sum string) bool {
		_, err := os.Stat(a.zipFile(sum))
		_, err2 := os.Stat(a.unpacked(sum))
		return err == nil || err2 == nil
	}
	sweep := func(all bool) {
		t.Helper()
		if err := a.sweep(map[string]bool{used: true}, all); err != nil {
			t.Fatal(err)
		}
	}
	sweep(false)
	if !there(used) || !there(loose) || !there(pinned) {
		t.Error("the first sweep took something")
	}
	sweep(false)
	if !there(used) || there(loose) || !there(pinned) {
		t.Errorf("after the second sweep: used %t, loose %t, pinned %t", there(used), there(loose), there(pinned))
	}
	free()
	sweep(false)
	if _, again := add("pinned"); again != nil { // used again between two sweeps
		again()
	}
	sweep(false)
	if !there(pinned) {
		t.Error("the sweep took an archive that was added since the last one")
	}
	sweep(true)
	if there(pinned) || !there(used) {
		t.Error("the sweep of all left what nobody uses, or took what is used")
	}
}

// Code that no version refers to goes, a while after.
func TestCodeThatIsReplacedGoes(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Dir = filepath.Join(t.TempDir(), "code") })
	if _, _, err := r.UpdateFunctionCode(t.Context(), r.root, "clean", CodeChange{Code: Code{Zip: zipOf(t, file("index.js", "no runtime"))}}); err == nil {
		t.Error("an archive was taken of a function without runtime and handler")
	}
	n := newFunction()
	n.Name, n.Runtime, n.Handler, n.Code = "zipped", "nodejs20.x", "index.handler", Code{Zip: zipOf(t, file("index.js", "one"))}
	f, err := r.CreateFunction(t.Context(), r.root, n)
	if err != nil {
		t.Fatal(err)
	}
	one := f.Latest.Archive.SHA256
	if _, _, err := r.PublishVersion(t.Context(), r.root, "zipped", Publish{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.UpdateFunctionCode(t.Context(), r.root, "zipped", CodeChange{Code: Code{Zip: zipOf(t, file("index.js", "two"))}, DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if f, _, err = r.UpdateFunctionCode(t.Context(), r.root, "zipped", CodeChange{Code: Code{Zip: zipOf(t, file("index.js", "three"))}}); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		entries, err := os.ReadDir(r.archives.zipFile(""))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	sweep := func() {
		t.Helper()
		for range 2 {
			if err := r.archives.sweep(r.usedArchives(), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	if sweep(); count() != 2 {
		t.Errorf("%d archives are kept, want version 1's and $LATEST's", count())
	}
	if err := r.DeleteFunction(t.Context(), r.root, "zipped:1"); err != nil {
		t.Fatal(err)
	}
	if sweep(); count() != 1 {
		t.Errorf("%d archives are kept after version 1 was deleted, want $LATEST's", count())
	}
	if _, err := os.Stat(r.archives.zipFile(one)); err == nil {
		t.Error("version 1's archive is the one that is kept")
	}
	if err := r.DeleteFunction(t.Context(), r.root, "zipped"); err != nil {
		t.Fatal(err)
	}
	if sweep(); count() != 0 {
		t.Errorf("%d archives are kept without a function", count())
	}
	_ = f
}

// Whatever is uploaded, nothing is written outside, and it ends.
func FuzzArchive(f *testing.F) {
	for _, z := range [][]byte{
		zipOf(f, file("index.js", "code"), link("a", "index.js")),
		zipOf(f, link("a", "../x"), file("a/b", "y")),
		zipOf(f, entryOf{"d/", "", 0o755 | fs.ModeDir}, file("d/x", "")),
		zipOf(f, file("../../x", "y")),
	} {
		f.Add(z)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		top := t.TempDir()
		a, err := openArchives(filepath.Join(top, "code"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		made, release, err := a.add(ctx, bytes.NewReader(raw), 1<<20)
		if err == nil {
			release()
			if _, err := a.folder(ctx, made.SHA256); err != nil {
				t.Error(err)
			}
		}
		if entries, err := os.ReadDir(top); err != nil || len(entries) != 1 {
			t.Errorf("outside of the archives are %v, %v", entries, err)
		}
	})
}
