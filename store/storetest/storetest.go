// Package storetest is the contract of store.Store as a test suite. Begin with Run; every implementation passes it.
//
// History and Trace check what a suite in one process cannot see: what a killed process leaves behind, and the order in
// which a process flushes what it acknowledges.
package storetest

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

// Run tests the stores that open returns. Each call of open must return an empty store of its own; Run closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) { run(t, open, nil) }

// run tests; known says why cases fail.
func run(t *testing.T, open func(t *testing.T) store.Store, known map[string]string) {
	tests := []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"an object comes back as it was put", testRoundTrip},
		{"the caller owns the maps", testOwnership},
		{"keys are opaque bytes", testKeys},
		{"names outside the limits are refused", testNames},
		{"buckets are partitions", testBuckets},
		{"an absent object is ErrNotFound", testAbsent},
		{"ranges are cut as in HTTP", testRanges},
		{"a body is an io.ReaderAt within its range", testReaderAt},
		{"a body that fails publishes nothing", testFailingBody},
		{"a cancelled context publishes nothing", testContext},
		{"a body may come in any portions", testPortions},
		{"an open reader survives overwriting and deletion", testOpenReader},
		{"conditions are decided at publication", testConditions},
		{"of many conditional puts one wins", testConditionRace},
		{"increments by If-Match are not lost", testCounterRace},
		{"readers see whole objects while writers overwrite", testConcurrency},
		{"a page of a listing is what its options say", testListPages},
		{"listings agree with a naive model", testListModel},
		{"listing goes on while keys come and go", testListWhileChanging},
		{"versions pile up and any of them can be read", testVersions},
		{"what a deletion does depends on the bucket's versioning", testDeletions},
		{"conditions look at the current object alone", testVersionConditions},
		{"versions agree with a naive model", testVersionModel},
		{"pages of versions and uploads agree with a naive model", testEntryPages},
		{"tags change without the body", testTags},
		{"checksums are what S3 computes", testChecksums},
		{"Accept decides before publication", testAccept},
		{"a copy stands on its own", testCopy},
		{"a copy of a version, or of nothing", testCopySource},
		{"copies race with deletions", testCopyRace},
		{"the parts of an upload become one object", testUpload},
		{"an upload's parts can be replaced, listed and left out", testParts},
		{"what is no upload or no part is refused", testUploadErrors},
		{"an upload can be dropped", testAbort},
		{"completion obeys conditions and versioning", testComplete},
		{"a part is copied from a range", testCopyPart},
		{"a multipart object is read through many files", testMultipartRanges},
		{"a reader of many files survives deletion", testMultipartOpenReader},
		{"every method fails after Close", testClose},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if reason := known[tt.name]; reason != "" && os.Getenv(inEarnest) == "" {
				mustFail(t, reason)
				return
			}
			s := open(t)
			t.Cleanup(func() { _ = s.Close() }) // testClose closed it
			tt.test(t, s)
		})
	}
}

// put stores body, which must succeed.
func put(t *testing.T, s store.Store, bucket, key, body string) store.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bucket, key, strings.NewReader(body), store.PutOptions{})
	if err != nil {
		t.Fatalf("Put(%q, %q): %v", bucket, key, err)
	}
	return info
}

// read returns the whole object's bytes, which must be there.
func read(t *testing.T, s store.Store, bucket, key string) string {
	t.Helper()
	o, err := s.Get(t.Context(), bucket, key, store.GetOptions{})
	if err != nil {
		t.Fatalf("Get(%q, %q): %v", bucket, key, err)
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	if err != nil {
		t.Fatalf("reading %q, %q: %v", bucket, key, err)
	}
	return string(b)
}

// absent reports an object that should not be there.
func absent(t *testing.T, s store.Store, bucket, key string) {
	t.Helper()
	if info, err := s.Head(t.Context(), bucket, key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Head(%q, %q) = %+v, %v; want ErrNotFound", bucket, key, info, err)
	}
}

func etag(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// checksum is the full-object checksum of body.
func checksum(algorithm, body string) store.Checksum {
	h, err := store.NewHash(algorithm)
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(h, body) // it never fails
	return store.SumOf(algorithm, h)
}

// random returns n bytes that do not compress or repeat.
func random(n int, seed uint64) string {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	_, _ = r.Read(b) // it never fails
	return string(b)
}

func testRoundTrip(t *testing.T, s store.Store) {
	headers := store.Headers{
		ContentType: "image/jpeg", CacheControl: "max-age=60", ContentDisposition: "inline; filename=\"ä\"",
		ContentEncoding: "gzip", ContentLanguage: "de", Expires: "whatever, as given",
	}
	tests := []struct {
		name string
		size int
		opt  store.PutOptions
	}{
		{"empty and plain", 0, store.PutOptions{}},
		{"one byte", 1, store.PutOptions{Metadata: map[string]string{"one": ""}}},
		{"just under a buffer", 64<<10 - 1, store.PutOptions{Headers: headers, Tags: map[string]string{"t": "\xff", "": ""}}},
		{"a buffer", 64 << 10, store.PutOptions{Headers: store.Headers{ContentLanguage: "en"}}},
		{"just over a buffer", 64<<10 + 1, store.PutOptions{Metadata: map[string]string{"a": "1", "b": "\xff", "z-z": strings.Repeat("v", 2000)}}},
		{"several megabytes", 3<<20 + 17, store.PutOptions{Headers: headers, Metadata: map[string]string{"n": "v"}}},
		{"more of them, as was said", 6<<20 + 17, store.PutOptions{Headers: headers, Metadata: map[string]string{"n": "v"}, Size: 6<<20 + 17}},
		{"more of them, of which nothing was said", 6 << 20, store.PutOptions{Headers: headers}},
	}
	for i, tt := range tests {
		body := random(tt.size, uint64(i))
		tt.opt.Tags, tt.opt.Metadata = values(s, tt.opt.Tags), metadata(s, tt.opt.Metadata)
		before := time.Now().UTC().Truncate(time.Second)
		info, err := s.Put(t.Context(), "bucket", "key", strings.NewReader(body), tt.opt)
		if err != nil {
			t.Fatalf("%s: Put: %v", tt.name, err)
		}
		want := store.Info{
			Key: "key", Size: int64(tt.size), ETag: etag(body), Modified: info.Modified,
			Headers: tt.opt.Headers, Metadata: tt.opt.Metadata, Tags: tt.opt.Tags,
			VersionID: store.NullVersion, Checksum: checksum(store.CRC64NVME, body), Encrypted: info.Encrypted,
		}
		if diff := cmp.Diff(want, info); diff != "" {
			t.Errorf("%s: Put (-want +got):\n%s", tt.name, diff)
		}
		if isRelayed(s) {
			before = before.Add(-late)
		}
		if m := info.Modified; m.Before(before) || m.After(time.Now()) || m.Location() != time.UTC || m.Nanosecond() != 0 {
			t.Errorf("%s: Modified is %v, put after %v", tt.name, m, before)
		}
		got, err := s.Head(t.Context(), "bucket", "key")
		if diff := cmp.Diff(want, promised(s, want, got)); err != nil || diff != "" {
			t.Errorf("%s: Head: %v (-want +got):\n%s", tt.name, err, diff)
		}
		o, err := s.Get(t.Context(), "bucket", "key", store.GetOptions{})
		if err != nil {
			t.Fatalf("%s: Get: %v", tt.name, err)
		}
		if diff := cmp.Diff(want, promised(s, want, o.Info)); o.Offset != 0 || o.Length != int64(tt.size) || diff != "" {
			t.Errorf("%s: Get: offset %d, length %d (-want +got):\n%s", tt.name, o.Offset, o.Length, diff)
		}
		if tt.size <= 1 {
			err = iotest.TestReader(o.Body, []byte(body))
		} else if b, rerr := io.ReadAll(o.Body); rerr != nil || string(b) != body {
			err = fmt.Errorf("read %d bytes, %w", len(b), rerr)
		}
		if err != nil {
			t.Errorf("%s: body: %v", tt.name, err)
		}
		if err := o.Body.Close(); err != nil {
			t.Errorf("%s: closing the body: %v", tt.name, err)
		}
		page, err := s.List(t.Context(), "bucket", store.ListOptions{})
		if err != nil || len(page.Objects) != 1 {
			t.Fatalf("%s: List = %+v, %v; want one object", tt.name, page, err)
		}
		want = inListing(s, want)
		if diff := cmp.Diff(want, promised(s, want, page.Objects[0])); diff != "" {
			t.Errorf("%s: List (-want +got):\n%s", tt.name, diff)
		}
	}
}

func testOwnership(t *testing.T, s store.Store) {
	metadata := map[string]string{"name": "value"}
	info, err := s.Put(t.Context(), "b", "k", strings.NewReader("body"), store.PutOptions{Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	metadata["name"] = "scribbled"
	info.Metadata["name"] = "scribbled"
	head, err := s.Head(t.Context(), "b", "k")
	if err != nil || head.Metadata["name"] != "value" {
		t.Errorf("after the maps given and returned were changed, Head says %v, %v", head.Metadata, err)
	}
	head.Metadata["name"] = "scribbled"
	page, err := s.List(t.Context(), "b", store.ListOptions{})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Metadata["name"] != "value" && !isRelayed(s) {
		t.Fatalf("after Head's map was changed, List says %v, %v", page.Objects, err)
	}
	if !isRelayed(s) {
		page.Objects[0].Metadata["name"] = "scribbled"
	}
	o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil || o.Info.Metadata["name"] != "value" {
		t.Fatalf("after List's map was changed, Get says %v, %v", o.Info.Metadata, err)
	}
	o.Body.Close()
}

// strangeKeys are keys that a store over a file system tends to get wrong.
var strangeKeys = []string{
	"k", "k/child", "k/child/grandchild", "k/", "dir/", "dir//", "/", "//", "/k", "a//b", "a/b", "a/../b", "b", "../b", "..", ".",
	"./k", "k/.", "k\x00", "\x00", "\x00\x00", "k\n", " ", "k ", "K", "ķ", "k\xff", "\xff", "\xff\xfe\x80", "a\\b", "%2e%2e", "CON", "nul.txt",
	"e\u0301", "\u00e9", strings.Repeat("c", 300), strings.Repeat("c", 300) + "/" + strings.Repeat("d", 300),
	strings.Repeat("/", 1024), strings.Repeat("x", 1023), strings.Repeat("x", 1024), strings.Repeat("\xff", 1024),
}

func testKeys(t *testing.T, s store.Store) {
	strangeKeys := keys(s, strangeKeys)
	for _, key := range strangeKeys {
		put(t, s, "bucket", key, "body of "+key)
	}
	for _, key := range strangeKeys {
		if got, want := read(t, s, "bucket", key), "body of "+key; got != want {
			t.Errorf("key %q holds %q, want %q", key, got, want)
		}
	}
	page, err := s.List(t.Context(), "bucket", store.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sorted(strangeKeys), keysOf(page)); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for i, key := range strangeKeys {
		if err := s.Delete(t.Context(), "bucket", key); err != nil {
			t.Fatalf("Delete(%q): %v", key, err)
		}
		absent(t, s, "bucket", key)
		page, err := s.List(t.Context(), "bucket", store.ListOptions{})
		if err != nil || len(page.Objects) != len(strangeKeys)-i-1 {
			t.Fatalf("after %d deletions, the last of %q, %d of %d keys are left, %v", i+1, key, len(page.Objects), len(strangeKeys), err)
		}
	}
}

func testNames(t *testing.T, s store.Store) {
	tests := []struct{ name, bucket, key string }{
		{"no bucket", "", "k"},
		{"no key", "b", ""},
		{"a key of 1025 bytes", "b", strings.Repeat("k", 1025)},
		{"a bucket of 1025 bytes", strings.Repeat("b", 1025), "k"},
	}
	for _, tt := range tests {
		_, err := s.Put(t.Context(), tt.bucket, tt.key, strings.NewReader("body"), store.PutOptions{})
		if !errors.Is(err, store.ErrName) {
			t.Errorf("%s: Put: %v, want ErrName", tt.name, err)
		}
		if _, err := s.Get(t.Context(), tt.bucket, tt.key, store.GetOptions{}); !errors.Is(err, store.ErrName) {
			t.Errorf("%s: Get: %v, want ErrName", tt.name, err)
		}
		if _, err := s.Head(t.Context(), tt.bucket, tt.key); !errors.Is(err, store.ErrName) {
			t.Errorf("%s: Head: %v, want ErrName", tt.name, err)
		}
		if err := s.Delete(t.Context(), tt.bucket, tt.key); !errors.Is(err, store.ErrName) {
			t.Errorf("%s: Delete: %v, want ErrName", tt.name, err)
		}
	}
	if _, err := s.List(t.Context(), "", store.ListOptions{}); !errors.Is(err, store.ErrName) {
		t.Errorf("List of no bucket: %v, want ErrName", err)
	}
}

func testBuckets(t *testing.T, s store.Store) {
	names := []string{"b", "bb", "b/k", "B", "\x00", "b\x00k", strings.Repeat("b", 1024)}
	for _, bucket := range names {
		put(t, s, bucket, "k", "in "+bucket)
	}
	put(t, s, "b", "kk", "another")
	for _, bucket := range names {
		if got := read(t, s, bucket, "k"); got != "in "+bucket {
			t.Errorf("bucket %q holds %q", bucket, got)
		}
	}
	page, err := s.List(t.Context(), "bb", store.ListOptions{})
	if diff := cmp.Diff([]string{"k"}, keysOf(page)); err != nil || diff != "" {
		t.Errorf("List: %v (-want +got):\n%s", err, diff)
	}
	if err := s.Delete(t.Context(), "bb", "k"); err != nil {
		t.Fatal(err)
	}
	absent(t, s, "bb", "k")
	if got := read(t, s, "b", "k"); got != "in b" {
		t.Errorf("after a deletion in another bucket, the object holds %q", got)
	}
	put(t, s, "bb", "again", "a bucket that was emptied")
	if got := read(t, s, "bb", "again"); got != "a bucket that was emptied" {
		t.Errorf("a bucket that was emptied holds %q", got)
	}
}

func testAbsent(t *testing.T, s store.Store) {
	put(t, s, "b", "k", "body")
	for _, name := range [][2]string{{"b", "K"}, {"b", key(s, "k/")}, {"b", key(s, "k\x00")}, {"c", "k"}, {"never", "seen"}} {
		if _, err := s.Get(t.Context(), name[0], name[1], store.GetOptions{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%q): %v, want ErrNotFound", name, err)
		}
		if err := s.Delete(t.Context(), name[0], name[1]); err != nil {
			t.Errorf("Delete(%q) of nothing: %v", name, err)
		}
		absent(t, s, name[0], name[1])
	}
	if page, err := s.List(t.Context(), "never", store.ListOptions{Delimiter: "/"}); err != nil || !cmp.Equal(page, store.Page{}) {
		t.Errorf("List of an empty bucket = %+v, %v", page, err)
	}
}
