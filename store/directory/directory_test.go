package directory_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
	"glassine/store/directory"
	"glassine/store/storetest"
)

// write makes a file below dir, and its directories.
func write(t *testing.T, dir, key, content string) {
	t.Helper()
	name := filepath.Join(dir, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *directory.Store {
	t.Helper()
	s, err := directory.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

func read(t *testing.T, s store.Store, key string, r *store.Range) (string, error) {
	t.Helper()
	o, err := s.Get(t.Context(), "b", key, store.GetOptions{Range: r})
	if err != nil {
		return "", err
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	return string(b), err
}

func TestFilesAreObjects(t *testing.T) {
	dir := t.TempDir()
	keys := map[string]string{"a.jpg": "picture", "sub/deep/b.html": "<p>", ".hidden": "", "name\xff": "no UTF-8", "sp ace+%": "x", "noextension": "0123456789"}
	types := map[string]string{"a.jpg": "image/jpeg", "sub/deep/b.html": "text/html; charset=utf-8"}
	for key, content := range keys {
		write(t, dir, key, content)
	}
	s := open(t, dir)
	for key, content := range keys {
		if got, err := read(t, s, key, nil); err != nil || got != content {
			t.Errorf("%q reads %q, %v; want %q", key, got, err, content)
		}
		info, err := s.HeadVersion(t.Context(), "b", key, store.NullVersion)
		want := store.Info{Key: key, Size: int64(len(content)), ETag: info.ETag, Modified: info.Modified, Headers: store.Headers{ContentType: types[key]}, VersionID: store.NullVersion}
		if diff := cmp.Diff(want, info); err != nil || diff != "" {
			t.Errorf("Head(%q): %v (-want +got):\n%s", key, err, diff)
		}
	}
	if got, err := read(t, s, "noextension", &store.Range{Start: -1, End: 3}); err != nil || got != "789" {
		t.Errorf("the last three bytes are %q, %v", got, err)
	}
	o, err := s.Get(t.Context(), "b", "noextension", store.GetOptions{Range: &store.Range{Start: 2, End: 5}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if err := iotest.TestReader(struct{ io.Reader }{o.Body}, []byte("2345")); err != nil || o.Offset != 2 || o.Length != 4 || o.Info.Size != 10 {
		t.Errorf("a range: offset %d, length %d of %d: %v", o.Offset, o.Length, o.Info.Size, err)
	}
	if _, err := read(t, s, "noextension", &store.Range{Start: 10, End: -1}); !errors.Is(err, store.ErrRange) {
		t.Errorf("a range behind the end: %v, want ErrRange", err)
	}
	if _, err := s.HeadVersion(t.Context(), "b", "a.jpg", "x"); !errors.Is(err, store.ErrNoVersion) {
		t.Errorf("another version: %v, want ErrNoVersion", err)
	}
}

func TestNothingButRegularFilesBelowTheDirectory(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, outside, "secret", "secret")
	write(t, dir, "a/b", "inside")
	for name, target := range map[string]string{"link": filepath.Join(outside, "secret"), "links": outside, "a/up": "../../", "inner": "a/b", "tree": "a"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	for _, key := range []string{
		"a", "a/", "a//b", "./a/b", "a/./b", "a/../a/b", "../" + filepath.Base(outside) + "/secret", "/a/b", filepath.Join(outside, "secret"), "a/b/", "a/b/c",
		"link", "links/secret", "inner", "tree/b", "a/up/a/b", "pipe", "a\x00", "..", ".", strings.Repeat("x", 1024), strings.Repeat("x/", 500) + "x",
	} {
		if got, err := read(t, s, key, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q reads %q, %v; want ErrNotFound", key, got, err)
		}
		if _, err := s.Head(t.Context(), "b", key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Head(%q): %v, want ErrNotFound", key, err)
		}
	}
	page, err := s.List(t.Context(), "b", store.ListOptions{})
	if diff := cmp.Diff(storetest.Listing{Keys: []string{"a/b"}}, storetest.ListingOf(page)); err != nil || diff != "" {
		t.Errorf("List: %v (-want +got):\n%s", err, diff)
	}
}

// Listings are compared with the model of the conformance suite, over names that sort otherwise with a slash behind them.
func TestListingsAgreeWithTheModel(t *testing.T) {
	dir := t.TempDir()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	word := func(letters string, most int) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	keys := []string{"a.txt", "a/b", "a/b.c", "a0", "a/c/d/e", "a-/x"}
	for _, key := range keys {
		write(t, dir, key, "")
	}
	for len(keys) < 120 {
		var elements []string
		for range 1 + r.IntN(3) {
			elements = append(elements, "a"+word("a.-0\xff", 3))
		}
		key := strings.Join(elements, "/")
		if name := filepath.Join(dir, key); os.MkdirAll(filepath.Dir(name), 0o755) != nil || os.WriteFile(name, nil, 0o644) != nil || slices.Contains(keys, key) {
			continue // a file is where a directory should be, or the other way round
		}
		keys = append(keys, key)
	}
	s := open(t, dir)
	const letters = "a./-0\xff"
	for range 3000 {
		opt := store.ListOptions{Prefix: word(letters, 3), Delimiter: word(letters, 2), After: word(letters, 5), Max: r.IntN(20)}
		if r.IntN(3) == 0 {
			opt.After = keys[r.IntN(len(keys))]
		}
		page, err := s.List(t.Context(), "b", opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(storetest.ModelList(keys, opt), storetest.ListingOf(page)); diff != "" {
			t.Fatalf("seed %d: List(%#v) (-model +got):\n%s", seed, opt, diff)
		}
	}
	var all []storetest.Entry
	for _, key := range slices.Sorted(slices.Values(keys)) {
		all = append(all, storetest.Entry{Key: key, ID: store.NullVersion})
	}
	for opt := (store.EntryOptions{Max: 7, Delimiter: "/"}); ; {
		page, err := s.ListVersions(t.Context(), "b", opt)
		if err != nil {
			t.Fatal(err)
		}
		got := store.EntryPage[storetest.Entry]{Prefixes: page.Prefixes, NextKey: page.NextKey, NextID: page.NextID}
		for _, e := range page.Entries {
			got.Entries = append(got.Entries, storetest.Entry{Key: e.Key, ID: e.VersionID})
		}
		if diff := cmp.Diff(storetest.ModelEntries(all, opt), got); diff != "" {
			t.Fatalf("ListVersions(%#v) (-model +got):\n%s", opt, diff)
		}
		if opt.KeyMarker, opt.IDMarker = page.NextKey, page.NextID; page.NextKey == "" {
			break
		}
	}
}

func TestETagChangesWithTheFile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "k", "one")
	s := open(t, dir)
	name := filepath.Join(dir, "k")
	was, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, step := range []struct {
		name   string
		change func() error
	}{
		{"at first", func() error { return nil }},
		{"written anew", func() error { return os.WriteFile(name, []byte("two"), 0o644) }},
		{"of another size", func() error { return os.WriteFile(name, []byte("three"), 0o644) }},
		{"replaced, with the times of the first", func() error {
			other := filepath.Join(t.TempDir(), "k")
			return errors.Join(os.WriteFile(other, []byte("one"), 0o644), os.Rename(other, name), os.Chtimes(name, was.ModTime(), was.ModTime()))
		}},
		{"written anew, with the times of the first", func() error {
			return errors.Join(os.WriteFile(name, []byte("six"), 0o644), os.Chtimes(name, was.ModTime(), was.ModTime()))
		}},
	} {
		time.Sleep(20 * time.Millisecond) // the clock of the file system may tick as seldom as each 10 ms
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		info, err := s.Head(t.Context(), "b", "k")
		if err != nil || seen[info.ETag] != "" {
			t.Errorf("%s: ETag %s, %v; it was seen %s", step.name, info.ETag, err, seen[info.ETag])
		}
		seen[info.ETag] = step.name
		if again, err := s.Head(t.Context(), "b", "k"); err != nil || again.ETag != info.ETag {
			t.Errorf("%s: ETag %s, and then %s, %v", step.name, info.ETag, again.ETag, err)
		}
	}
}

func TestAFileThatChangesWhileItIsReadBreaksOff(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(name string) error
		want   error
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"deleted", os.Remove, nil},
		{"replaced", func(name string) error {
			return errors.Join(os.WriteFile(name+"~", []byte("new"), 0o644), os.Rename(name+"~", name))
		}, nil},
		{"cut", func(name string) error { return os.Truncate(name, 10) }, io.ErrUnexpectedEOF},
		{"written to", func(name string) error { return os.WriteFile(name, []byte(strings.Repeat("y", 100_000)), 0o644) }, io.ErrUnexpectedEOF},
	} {
		dir := t.TempDir()
		content := strings.Repeat("x", 100_000)
		write(t, dir, "k", content)
		s := open(t, dir)
		o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		head := make([]byte, 100)
		if _, err := io.ReadFull(o.Body, head); err != nil {
			t.Fatal(err)
		}
		if err := tt.change(filepath.Join(dir, "k")); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(o.Body)
		if !errors.Is(err, tt.want) || tt.want == nil && string(head)+string(rest) != content {
			t.Errorf("%s: read %d bytes, %v; want %v", tt.name, len(head)+len(rest), err, tt.want)
		}
		o.Body.Close()
	}
}

func TestEveryChangeIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "k", "content")
	s := open(t, dir)
	ctx := t.Context()
	up := store.UploadID{Bucket: "b", Key: "k", ID: "x"}
	for name, tt := range map[string]struct {
		err, want error
	}{
		"Put":            {second(s.Put(ctx, "b", "k", strings.NewReader("new"), store.PutOptions{})), store.ErrReadOnly},
		"Delete":         {s.Delete(ctx, "b", "k"), store.ErrReadOnly},
		"Copy":           {second(s.Copy(ctx, store.Source{Bucket: "b", Key: "k"}, "b", "l", store.PutOptions{})), store.ErrReadOnly},
		"SetTags":        {second(s.SetTags(ctx, "b", "k", "", nil)), store.ErrReadOnly},
		"SetVersioning":  {s.SetVersioning(ctx, "b", store.Versioned), store.ErrReadOnly},
		"CreateUpload":   {second(s.CreateUpload(ctx, "b", "k", store.UploadOptions{})), store.ErrReadOnly},
		"PutPart":        {second(s.PutPart(ctx, up, 1, strings.NewReader(""), store.PartOptions{})), store.ErrNoUpload},
		"CompleteUpload": {second(s.CompleteUpload(ctx, up, nil, store.CompleteOptions{})), store.ErrNoUpload},
		"AbortUpload":    {s.AbortUpload(ctx, up), store.ErrNoUpload},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.err, tt.want)
		}
	}
	if got, err := read(t, s, "k", nil); err != nil || got != "content" {
		t.Errorf("after refusals the file reads %q, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Head(ctx, "b", "k"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Head after Close: %v, want ErrClosed", err)
	}
}

func second[T any](_ T, err error) error { return err }
