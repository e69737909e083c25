package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// TestMain makes the test binary the command itself, when a test runs it so.
func TestMain(m *testing.M) {
	if os.Getenv("GLASSINE_TEST_COMMAND") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// command runs glassine with in as its standard input.
func command(t *testing.T, in io.Reader, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "GLASSINE_TEST_COMMAND=1")
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	err = cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// wants runs glassine and fails the test when its status is another.
func wants(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	out, errs, got := command(t, nil, args...)
	if got != status {
		t.Fatalf("glassine %q: status %d, want %d\n%s%s", args, got, status, out, errs)
	}
	return out, errs
}

// tree writes files, by their names, into a new folder.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list returns the names of all files below dir.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clean is the sample as the package strips it.
func clean(t *testing.T) []byte {
	t.Helper()
	p, err := metadata.Strip(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(p.Reader(bytes.NewReader(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exiftool(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("exiftool")
	if err != nil {
		t.Fatal("this test asks exiftool: apt-get install libimage-exiftool-perl")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("exiftool %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestStripWritesBesideThePicture(t *testing.T) {
	dir := tree(t, map[string][]byte{"a.JPG": sample.JPEG})
	file, result := filepath.Join(dir, "a.JPG"), filepath.Join(dir, "a.clean.JPG")
	out, _ := wants(t, 0, "strip", file)
	if want := fmt.Sprintf("%s -> %s: %d bytes, of %d\n", file, result, len(clean(t)), len(sample.JPEG)); out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if !bytes.Equal(read(t, result), clean(t)) || !bytes.Equal(read(t, file), sample.JPEG) {
		t.Error("the result is not the stripped picture, or the picture is not as it was")
	}
	if info, err := os.Stat(result); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode of the result: %v, %v, want 0640", info.Mode(), err)
	}
	tags := "-GPS:all -XMP:all -IPTC:all -ExifIFD:all -IFD1:all -IFD0:Artist -IFD0:Make"
	if before, after := exiftool(t, append(strings.Fields(tags), "-s", file)...), exiftool(t, append(strings.Fields(tags), "-s", result)...); after != "" || before == "" {
		t.Errorf("exiftool found %q, and finds %q", before, after)
	}
	if got := exiftool(t, "-Orientation#", "-s3", result); got != "6" {
		t.Errorf("orientation %s, want 6", got)
	}
	_, errs := wants(t, 1, "strip", file)
	if !strings.Contains(errs, "is there already; --force overwrites it") {
		t.Errorf("a second time: %q", errs)
	}
	if err := os.WriteFile(result, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, 1, "strip", file)
	if string(read(t, result)) != "another" {
		t.Error("a file was overwritten without --force")
	}
	wants(t, 0, "strip", "--force", file)
	if !bytes.Equal(read(t, result), clean(t)) {
		t.Error("--force does not overwrite")
	}
}

func TestStripOfAFolder(t *testing.T) {
	files := map[string][]byte{
		"a.jpg": sample.JPEG, "sub/deep/b.jpg": sample.JPEG, "sub/notes.txt": []byte("no picture"), "sub/damaged.jpg": sample.JPEG[:300],
		"sub/false.png": []byte("says that it is one"), ".glassine-LEFT.tmp": sample.JPEG, "old.clean.jpg": sample.JPEG,
	}
	dir := tree(t, files)
	out := filepath.Join(t.TempDir(), "new", "out")
	stdout, errs := wants(t, 1, "strip", dir, "--out", out, "--jobs", "3")
	if got, want := list(t, out), []string{"a.jpg", "old.clean.jpg", "sub/deep/b.jpg"}; !slices.Equal(got, want) {
		t.Errorf("results %v, want %v", got, want)
	}
	for _, name := range list(t, out) {
		if !bytes.Equal(read(t, filepath.Join(out, name)), clean(t)) {
			t.Errorf("%s is not the stripped picture", name)
		}
	}
	for _, want := range []string{
		filepath.Join(dir, "sub/damaged.jpg") + ": damaged jpeg at byte 300", filepath.Join(dir, "sub/false.png") + ": File type unknown is not supported",
		"left alone: 1 file of other kinds", "2 could not be stripped, 3 were",
	} {
		if !strings.Contains(errs, want) {
			t.Errorf("standard error lacks %q: %s", want, errs)
		}
	}
	if !strings.HasSuffix(stdout, "3 pictures stripped, 15.0 KB less\n") || strings.Contains(stdout+errs, "\x1b") || strings.Contains(stdout+errs, "\r") {
		t.Errorf("standard output, which is no terminal: %q", stdout)
	}
	// Beside the pictures; results of before are no pictures of this time.
	wants(t, 1, "strip", dir)
	wants(t, 1, "strip", dir, "-f")
	want := []string{".glassine-LEFT.tmp", "a.clean.jpg", "a.jpg", "old.clean.jpg", "sub/damaged.jpg", "sub/deep/b.clean.jpg", "sub/deep/b.jpg", "sub/false.png", "sub/notes.txt"}
	if got := list(t, dir); !slices.Equal(got, want) {
		t.Errorf("beside: %v, want %v", got, want)
	}
	for name, b := range files {
		if !bytes.Equal(read(t, filepath.Join(dir, name)), b) {
			t.Errorf("%s is not as it was", name)
		}
	}
}

func TestStripOfSeveral(t *testing.T) {
	one, two := tree(t, map[string][]byte{"p/a.jpg": sample.JPEG}), tree(t, map[string][]byte{"q/a.jpg": sample.JPEG, "q/b.jpg": sample.JPEG})
	out := t.TempDir()
	wants(t, 0, "strip", filepath.Join(one, "p"), filepath.Join(two, "q"), filepath.Join(two, "q", "b.jpg"), "-o", out)
	if got, want := list(t, out), []string{"b.jpg", "p/a.jpg", "q/a.jpg", "q/b.jpg"}; !slices.Equal(got, want) {
		t.Errorf("results %v, want %v", got, want)
	}
	out = t.TempDir()
	_, errs := wants(t, 1, "strip", filepath.Join(one, "p", "a.jpg"), filepath.Join(two, "q", "a.jpg"), "-f", "-o", out)
	if !strings.Contains(errs, "its result would be") || !slices.Equal(list(t, out), []string{"a.jpg"}) {
		t.Errorf("two results of one name: %q, %v", errs, list(t, out))
	}
	// The folder of the results is in the folder of the pictures, twice.
	inside := filepath.Join(two, "q", "results")
	wants(t, 0, "strip", filepath.Join(two, "q"), "-o", inside)
	wants(t, 0, "strip", filepath.Join(two, "q"), "-f", "-o", inside)
	if got, want := list(t, inside), []string{"a.jpg", "b.jpg"}; !slices.Equal(got, want) {
		t.Errorf("results %v, want %v", got, want)
	}
}

func TestStripInPlace(t *testing.T) {
	dir := tree(t, map[string][]byte{"a.jpg": sample.JPEG, "damaged.jpg": sample.JPEG[:300]})
	wants(t, 1, "strip", "--in-place", dir)
	if !bytes.Equal(read(t, filepath.Join(dir, "a.jpg")), clean(t)) || !bytes.Equal(read(t, filepath.Join(dir, "damaged.jpg")), sample.JPEG[:300]) {
		t.Error("a.jpg is not stripped, or the damaged one is not as it was")
	}
	if info, err := os.Stat(filepath.Join(dir, "a.jpg")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode: %v, %v, want 0640", info.Mode(), err)
	}
	if got := list(t, dir); len(got) != 2 {
		t.Errorf("files that were left: %v", got)
	}
	wants(t, 2, "strip", "--in-place", "--out", "x", dir)
}

func TestStripFollowsNoLinkOutOfAFolder(t *testing.T) {
	outside := tree(t, map[string][]byte{"secret.jpg": sample.JPEG, "sub/secret.jpg": sample.JPEG})
	dir := tree(t, map[string][]byte{"a.jpg": sample.JPEG})
	for name, target := range map[string]string{"link.jpg": filepath.Join(outside, "secret.jpg"), "folder": outside} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	_, errs := wants(t, 0, "strip", "--in-place", dir)
	if !strings.Contains(errs, "not followed: 2 symbolic links") {
		t.Errorf("standard error: %s", errs)
	}
	for _, name := range list(t, outside) {
		if !bytes.Equal(read(t, filepath.Join(outside, name)), sample.JPEG) {
			t.Errorf("%s, which a link leads to, was changed", name)
		}
	}
	// A link among the results leads nowhere either.
	in, out := tree(t, map[string][]byte{"folder/a.jpg": sample.JPEG}), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(out, "folder")); err != nil {
		t.Fatal(err)
	}
	wants(t, 1, "strip", "-f", in, "-o", out)
	if got := list(t, outside); len(got) != 2 {
		t.Errorf("a result was written through a link: %v", got)
	}
	// One that is named itself is followed.
	link := filepath.Join(dir, "link.jpg")
	wants(t, 0, "strip", link)
	if !bytes.Equal(read(t, filepath.Join(dir, "link.clean.jpg")), clean(t)) {
		t.Error("the result of a link is not beside it")
	}
}

func TestStripOfStandardInput(t *testing.T) {
	for name, in := range map[string]io.Reader{"a pipe": bytes.NewReader(sample.JPEG), "a file": openFile(t, tree(t, map[string][]byte{"a.jpg": sample.JPEG})+"/a.jpg")} {
		out, errs, status := command(t, in, "strip", "-")
		if status != 0 || out != string(clean(t)) {
			t.Errorf("%s: status %d, %d bytes, want %d: %s", name, status, len(out), len(clean(t)), errs)
		}
	}
	file := filepath.Join(t.TempDir(), "out.jpg")
	for i, want := range []int{0, 1} {
		if _, errs, status := command(t, bytes.NewReader(sample.JPEG), "strip", "-", "-o", file); status != want || !bytes.Equal(read(t, file), clean(t)) {
			t.Errorf("to a file, time %d: status %d, want %d: %s", i, status, want, errs)
		}
	}
	if out, errs, status := command(t, strings.NewReader("hello"), "strip", "-"); status != 1 || out != "" || !strings.Contains(errs, "not supported") {
		t.Errorf("no picture: status %d, %q, %q", status, out, errs)
	}
	dir := tree(t, map[string][]byte{"a.jpg": sample.JPEG})
	if out, _ := wants(t, 0, "strip", dir+"/a.jpg", "-o", "-"); out != string(clean(t)) {
		t.Errorf("--out -: %d bytes, want %d", len(out), len(clean(t)))
	}
}

func openFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestStripOptions(t *testing.T) {
	dir := tree(t, map[string][]byte{"a.jpg": sample.JPEG})
	file := filepath.Join(dir, "a.jpg")
	f := func(want string, args ...string) {
		t.Helper()
		result := filepath.Join(dir, "out.jpg")
		wants(t, 0, append([]string{"strip", file, "-f", "-o", result}, args...)...)
		if got := exiftool(t, "-s3", "-Artist", "-Make", "-ICC_Profile:ProfileDescription", result); got != want {
			t.Errorf("%q: exiftool finds %q, want %q", args, got, want)
		}
	}
	profile := exiftool(t, "-s3", "-ICC_Profile:ProfileDescription", file)
	f(profile)
	f("", "--icc", "strip")
	f("Alex Example\n"+profile, "--metadata", "copyright")
	f("Alex Example\nGlassine Optical\n"+profile, "--metadata=keep")
	for _, args := range [][]string{{"--metadata", "all"}, {"--icc", "srgb"}} {
		if _, _, status := command(t, nil, append([]string{"strip", file}, args...)...); status != 2 {
			t.Errorf("%q: status %d, want 2", args, status)
		}
	}
	wants(t, 1, "strip", file, "--metadata=keep", "--icc=strip")
	wants(t, 1, "strip", filepath.Join(dir, "none.jpg"))
	wants(t, 1, "strip", t.TempDir())
}

// TestStripOnATerminal: script is a terminal to what it runs.
func TestStripOnATerminal(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Fatal("this test asks script: apt-get install bsdutils")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string][]byte{"a.jpg": sample.JPEG, "b.jpg": sample.JPEG})
	cmd := exec.Command(script, "-qec", self+" strip "+dir, os.DevNull)
	cmd.Env = append(os.Environ(), "GLASSINE_TEST_COMMAND=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\r["+strings.Repeat("#", 40)+"] 2 of 2") || strings.Contains(string(out), " -> ") {
		t.Errorf("on a terminal: %v, %q", err, out)
	}
	cmd = exec.Command(script, "-qec", self+" strip - < "+dir+"/a.jpg", os.DevNull)
	cmd.Env = append(os.Environ(), "GLASSINE_TEST_COMMAND=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "standard output is a terminal") || len(out) > 500 {
		t.Errorf("a picture to a terminal: %v, %d bytes: %.300q", err, len(out), out)
	}
}

func TestAPlaceIsWholeAtAnyMoment(t *testing.T) {
	dir := tree(t, map[string][]byte{"a": []byte("before")})
	f := newFinder()
	defer f.close()
	p, err := f.place(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err = p.write(0o600, true, func(w io.Writer) error {
		io.WriteString(w, "half")
		if got := string(read(t, filepath.Join(dir, "a"))); got != "before" {
			t.Errorf("while it is written: %q", got)
		}
		return broken
	})
	if !errors.Is(err, broken) || string(read(t, filepath.Join(dir, "a"))) != "before" || len(list(t, dir)) != 1 {
		t.Errorf("after an error: %v, %q, files %v", err, read(t, filepath.Join(dir, "a")), list(t, dir))
	}
	// Somebody else makes the file in the meantime.
	p.name = "b"
	err = p.write(0o600, false, func(io.Writer) error { return os.WriteFile(filepath.Join(dir, "b"), []byte("theirs"), 0o600) })
	if !errors.Is(err, errThere) || string(read(t, filepath.Join(dir, "b"))) != "theirs" || len(list(t, dir)) != 2 {
		t.Errorf("a file that came in between: %v, %q, files %v", err, read(t, filepath.Join(dir, "b")), list(t, dir))
	}
}

func TestInOrder(t *testing.T) {
	var got []int
	n := inOrder(t.Context(), 100, 4, func(i int) int { return i * i }, func(i, v int) {
		if v != i*i {
			t.Errorf("result of %d is %d", i, v)
		}
		got = append(got, i)
	})
	if n != 100 || !slices.IsSorted(got) || len(got) != 100 {
		t.Errorf("%d done, in the order %v", n, got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	count := 0
	n = inOrder(ctx, 100, 2, func(i int) int {
		if i == 10 {
			cancel()
		}
		return i
	}, func(int, int) { count++ })
	if n < 11 || n > 15 || n != count {
		t.Errorf("stopped in the eleventh: %d done, %d reported", n, count)
	}
}
