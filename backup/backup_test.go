package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

var at = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// sample is a backup of a few files.
func sample(t testing.TB, change ...func(*Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	b, err := NewWriter(&out, t.TempDir(), Header{Layout: 1, Version: "v1.2.3", Created: at})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"VERSION", "objects/index.db", "objects/objects/0a/0000000100000000000000aa"} {
		text := strings.Repeat(name, 1000)
		if err := b.Add(name, 0o644, int64(len(text)), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range change {
		f(b)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// entries makes a backup file of tar headers and bodies, as they are given.
func entries(t testing.TB, files ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f[0], Mode: 0o600, Size: int64(len(f[1]))}
		if target, ok := strings.CutPrefix(f[1], "-> "); ok {
			h.Typeflag, h.Linkname, h.Size, f[1] = tar.TypeSymlink, target, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// content is what is below dir, by name.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func accept(Summary) error { return nil }

// extract is Extract that does not wait for the disk.
func extract(ctx context.Context, raw []byte, dir string) (Summary, error) {
	now := func(string) error { return nil }
	return (&extraction{dir: dir, sync: now, syncTree: now}).run(ctx, bytes.NewReader(raw), 1, accept)
}

func TestBackupIsExtractedAsItWas(t *testing.T) {
	raw := sample(t)
	sum, err := Check(t.Context(), bytes.NewReader(raw), 1)
	if err != nil || sum.Files != 3 || sum.Version != "v1.2.3" || !sum.Created.Equal(at) || sum.Format != Format || len(sum.Damaged) != 0 {
		t.Fatalf("Check = %+v, %v", sum, err)
	}
	dir := filepath.Join(t.TempDir(), "deeper", "data")
	marked := false
	extracted, err := Extract(t.Context(), bytes.NewReader(raw), dir, 1, func(Summary) error {
		_, err := os.Stat(filepath.Join(dir, Unfinished))
		marked = err == nil
		return nil
	})
	if err != nil || extracted.Bytes != sum.Bytes || !marked {
		t.Fatalf("Extract = %+v, %v; marked while it was under way: %t", extracted, err, marked)
	}
	got := content(t, dir)
	if names := slices.Sorted(maps.Keys(got)); strings.Join(names, " ") != "VERSION lock objects/index.db objects/objects/0a/0000000100000000000000aa" {
		t.Errorf("files = %v", names)
	}
	if got["VERSION"] != strings.Repeat("VERSION", 1000) {
		t.Errorf("a file is not what it was: %d bytes", len(got["VERSION"]))
	}
}

// What stands in the package comment: tar and sha256sum alone take a backup apart.
func TestBackupIsReadByTarAndSHA256Sum(t *testing.T) {
	dir := t.TempDir()
	plain, err := zstd.NewReader(bytes.NewReader(sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	cmd := exec.Command("sh", "-c", "tar -xf - && sha256sum --strict -c MANIFEST")
	cmd.Dir, cmd.Stdin = dir, plain
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK") != 4 {
		t.Errorf("tar and sha256sum: %v\n%s", err, out)
	}
}

func TestDamagedFilesAreListed(t *testing.T) {
	broken := errors.New("broken")
	is := func(err error) bool { return errors.Is(err, broken) }
	raw := sample(t, func(b *Writer) {
		for _, c := range []struct {
			name string
			r    io.Reader
		}{
			{"objects/at-the-end", io.MultiReader(strings.NewReader("12345"), failing{broken})},
			{"objects/whole", strings.NewReader("12345")},
		} {
			if err := b.AddDamaged(c.name, 0o600, 5, c.r, is); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.AddDamaged("objects/inside", 0o600, 5, io.MultiReader(strings.NewReader("12"), failing{broken}), is); err != nil {
			t.Fatal(err)
		}
		b.Damaged("objects/missing")
	})
	dir := t.TempDir()
	sum, err := extract(t.Context(), raw, dir)
	if err != nil || strings.Join(sum.Damaged, " ") != "objects/at-the-end objects/inside objects/missing" {
		t.Fatalf("Extract = %q, %v", sum.Damaged, err)
	}
	if got := content(t, dir)["objects/inside"]; got != "12\x00\x00\x00" {
		t.Errorf("the damaged file is %q", got)
	}
	b, err := NewWriter(io.Discard, t.TempDir(), Header{Layout: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AddDamaged("objects/x", 0o600, 5, failing{errors.New("other")}, is); err == nil {
		t.Error("another error was taken for damage")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBackupThatWasGivenUpIsNone(t *testing.T) {
	var out bytes.Buffer
	b, err := NewWriter(&out, t.TempDir(), Header{Layout: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add("a", 0o600, 3, strings.NewReader("12")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is shorter than it was said: %v", err)
	}
	if err := b.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(t.Context(), &out, 1); err == nil {
		t.Error("it was accepted")
	}
}

// Every cut is found and leaves nothing, and so does every changed byte that changes a file. (Some bits of a frame's header, such as
// the size of the window, change none.)
func TestDamagedBackupsAreRefused(t *testing.T) {
	raw := sample(t)
	dir := filepath.Join(t.TempDir(), "data")
	refuse := func(name string, bad []byte) {
		t.Helper()
		_, err := extract(t.Context(), bad, dir)
		if err == nil {
			t.Fatalf("%s was accepted", name)
		}
		if left := content(t, dir); len(left) != 1 { // the lock
			t.Fatalf("%s left %v", name, slices.Sorted(maps.Keys(left)))
		}
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	whole, err := decoder.DecodeAll(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	unnoticed, step := 0, max(1, len(raw)/200)
	for n := 0; n < len(raw); n += step {
		refuse("a backup that was cut", raw[:n])
		changed := bytes.Clone(raw)
		changed[n] ^= 0x10
		if _, err := Check(t.Context(), bytes.NewReader(changed), 1); err == nil {
			plain, err := decoder.DecodeAll(changed, nil)
			if err != nil || !bytes.Equal(plain, whole) {
				t.Errorf("byte %d was changed, and nobody noticed (%v)", n, err)
			}
			unnoticed++
			continue
		}
		refuse("a backup with a changed byte", changed)
	}
	if unnoticed > 5 {
		t.Errorf("%d changed bytes changed nothing: is anything compared?", unnoticed)
	}
	refuse("a backup with something after it", append(bytes.Clone(raw), "more"...))
	refuse("a backup twice", append(bytes.Clone(raw), raw...))
}

func TestStrangersFilesAreRefused(t *testing.T) {
	header := [2]string{headerName, `{"format":1,"layout":1,"version":"v1"}`}
	outside := filepath.Join(t.TempDir(), "outside")
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"an empty file", "breaks off", nil},
		{"something else", "no backup of glassine", []byte("PK\x03\x04 something else altogether")},
		{"another archive", "no backup of glassine", entries(t, [2]string{"a", "b"})},
		{"a later format", "newer glassine, v9 (format 2; this program knows 1)", entries(t, [2]string{headerName, `{"format":2,"layout":1,"version":"v9"}`})},
		{"a later layout", "newer glassine, v9 (layout 7; this program knows 1)", entries(t, [2]string{headerName, `{"format":1,"layout":7,"version":"v9"}`})},
		{"no format", "no backup of glassine", entries(t, [2]string{headerName, `{}`})},
		{"no manifest", "breaks off", entries(t, header, [2]string{"a", "b"})},
		{"a manifest of other files", "not those that its manifest lists", entries(t, header, [2]string{"a", "b"}, [2]string{manifestName, "0000  a\n"})},
		{"a name that leads out", "no name of a file", entries(t, header, [2]string{"../outside", "b"})},
		{"a name inside that leads out", "no name of a file", entries(t, header, [2]string{"a/../../outside", "b"})},
		{"an absolute name", "no name of a file", entries(t, header, [2]string{outside, "b"})},
		{"a link", "no regular file", entries(t, header, [2]string{"a", "-> " + outside}, [2]string{"a/b", "c"})},
		{"a file twice", "file exists", entries(t, header, [2]string{"a", "b"}, [2]string{"a", "b"})},
		{"a file as a folder", "file exists", entries(t, header, [2]string{"a", "b"}, [2]string{"a/b", "b"})},
		{"the mark", "a meaning of its own", entries(t, header, [2]string{Unfinished, "b"})},
		{"the lock", "a meaning of its own", entries(t, header, [2]string{lockName, "b"})},
		{"a second header", "a meaning of its own", entries(t, header, header)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := extract(t.Context(), c.file, dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q", err, c.want)
			}
			if left := content(t, dir); len(left) != 1 {
				t.Errorf("it left %v", left)
			}
			if _, err := os.Lstat(outside); err == nil {
				t.Error("something was written outside")
			}
		})
	}
	var newer *NewerError
	if _, err := Check(t.Context(), bytes.NewReader(entries(t, [2]string{headerName, `{"format":2,"layout":1}`})), 1); !errors.As(err, &newer) {
		t.Errorf("a later format gives %T", err)
	}
}

func TestExtractTakesAnEmptyDirectoryOnly(t *testing.T) {
	raw := sample(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	var full *NotEmptyError
	if _, err := extract(t.Context(), raw, dir); !errors.As(err, &full) || full.Name != "mine" {
		t.Errorf("a directory with a file: %v", err)
	}
	if got := content(t, dir); got["mine"] != "mine" || len(got) != 1 {
		t.Errorf("the directory holds %v afterwards", got)
	}

	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if _, err := Extract(t.Context(), bytes.NewReader(raw), dir, 1, func(Summary) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("a refusal at the end: %v", err)
	}
	// What a killed one leaves: the mark and half of the files.
	for name, text := range map[string]string{Unfinished: "", "VERSION": "half", "rest": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := extract(t.Context(), raw, dir); err != nil {
		t.Fatalf("after one that was killed: %v", err)
	}
	got := content(t, dir)
	if _, ok := got["rest"]; ok || got["VERSION"] == "half" || got[Unfinished] != "" {
		t.Errorf("the directory holds what was left: %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestExtractEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := extract(ctx, sample(t), dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	if left := content(t, dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
}

func TestWriterRefusesNames(t *testing.T) {
	b, err := NewWriter(io.Discard, t.TempDir(), Header{Layout: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "/a", "a/../b", "a\nb", `a\b`, "MANIFEST", "lock", "RESTORING/x", strings.Repeat("a", 2000)} {
		if err := b.Add(name, 0o600, 0, strings.NewReader("")); err == nil {
			t.Errorf("the name %.20q was accepted", name)
		}
	}
}

// FuzzExtract gives tar entries in a valid frame, and the bytes as they are: nothing is written outside, and nothing is accepted
// that does not end with its manifest.
func FuzzExtract(f *testing.F) {
	plain, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	defer plain.Close()
	for _, seed := range [][]byte{
		sample(f), entries(f, [2]string{headerName, `{"format":1,"layout":1}`}, [2]string{"../a", "b"}),
		entries(f, [2]string{headerName, `{"format":1,"layout":1}`}, [2]string{"a", "-> /tmp"}, [2]string{"a/b", "c"}),
	} {
		f.Add(seed, false)
		inside, err := plain.DecodeAll(seed, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(inside, true)
	}
	compress, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte, frame bool) {
		if frame {
			raw = compress.EncodeAll(raw, nil)
		}
		above := t.TempDir()
		dir := filepath.Join(above, "data")
		sum, err := extract(t.Context(), raw, dir)
		entries, readErr := os.ReadDir(above)
		if readErr != nil || len(entries) != 1 {
			t.Fatalf("beside the directory: %v, %v", entries, readErr)
		}
		left := content(t, dir)
		if err != nil && len(left) > 1 || err == nil && len(left) != sum.Files+1 {
			t.Fatalf("Extract = %+v, %v, and left %d files", sum, err, len(left))
		}
	})
}
