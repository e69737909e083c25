package storetest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

func testTags(t *testing.T, s store.Store) {
	old := putVersion(t, s, "k", "old", store.Versioned)
	now := putVersion(t, s, "k", "new", store.Versioned)
	steps := []struct {
		name, id string
		tags     map[string]string
		old, new map[string]string // afterwards
	}{
		{"the current version", "", map[string]string{"a": "1", "b": ""}, nil, map[string]string{"a": "1", "b": ""}},
		{"a named version", old.VersionID, map[string]string{"ö": "\xff"}, map[string]string{"ö": "\xff"}, map[string]string{"a": "1", "b": ""}},
		{"others", now.VersionID, map[string]string{"c": "2"}, map[string]string{"ö": "\xff"}, map[string]string{"c": "2"}},
		{"none", "", nil, map[string]string{"ö": "\xff"}, nil},
	}
	for _, tt := range steps {
		tt.tags, tt.old, tt.new = values(s, tt.tags), values(s, tt.old), values(s, tt.new)
		info, err := s.SetTags(t.Context(), "b", "k", tt.id, tt.tags)
		if err != nil || !cmp.Equal(info.Tags, tt.tags) {
			t.Errorf("%s: SetTags = %+v, %v", tt.name, info, err)
		}
		for _, v := range []struct {
			was  store.Info
			tags map[string]string
		}{{old, tt.old}, {now, tt.new}} {
			v.was.Tags = v.tags
			got, err := s.HeadVersion(t.Context(), "b", "k", v.was.VersionID)
			if diff := cmp.Diff(v.was, promised(s, v.was, got)); err != nil || diff != "" {
				t.Errorf("%s: HeadVersion: %v (-want +got):\n%s", tt.name, err, diff)
			}
		}
	}
	if got := read(t, s, "b", "k"); got != "new" {
		t.Errorf("after tagging the object reads %q", got)
	}
	if got := versions(t, s, "k"); len(got) != 2 {
		t.Errorf("after tagging the versions are %q", got)
	}
	for _, name := range []string{"absent", "gone"} {
		want := store.ErrNotFound
		if name == "gone" {
			putVersion(t, s, name, "", store.Versioned)
			if _, err := s.DeleteVersion(t.Context(), "b", name, store.DeleteOptions{Version: store.Versioned}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.SetTags(t.Context(), "b", name, "", map[string]string{"a": "b"}); !errors.Is(err, want) {
			t.Errorf("SetTags of %s: %v, want %v", name, err, want)
		}
	}
}

func testChecksums(t *testing.T, s store.Store) {
	// The check values of the CRC catalogue, for "123456789"; SHA from FIPS 180's usual tools.
	sums := map[string]string{
		store.CRC32: "cbf43926", store.CRC32C: "e3069283", store.CRC64NVME: "ae8b14860a799888",
		store.SHA1:   "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		store.SHA256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	}
	for algorithm, sum := range sums {
		info, err := s.Put(t.Context(), "b", algorithm, strings.NewReader("123456789"), store.PutOptions{ChecksumAlgorithm: algorithm})
		raw, _ := hex.DecodeString(sum)
		want := store.Checksum{Algorithm: algorithm, Value: base64.StdEncoding.EncodeToString(raw), Type: store.FullObject}
		if err != nil || info.Checksum != want {
			t.Errorf("%s of 123456789 is %+v, %v; want %+v", algorithm, info.Checksum, err, want)
		}
		if head, err := s.Head(t.Context(), "b", algorithm); err != nil || head.Checksum != want {
			t.Errorf("%s: Head says %+v, %v; want %+v", algorithm, head.Checksum, err, want)
		}
	}
	if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("x"), store.PutOptions{ChecksumAlgorithm: "MD4"}); !errors.Is(err, store.ErrChecksum) {
		t.Errorf("an unknown algorithm: %v, want ErrChecksum", err)
	}
	absent(t, s, "b", "k")
}

func testAccept(t *testing.T, s store.Store) {
	refusal := errors.New("not what was announced")
	var seen store.Info
	ended := false
	body := io.MultiReader(strings.NewReader("body"), readerFunc(func([]byte) (int, error) { ended = true; return 0, io.EOF }))
	opt := store.PutOptions{
		Metadata: map[string]string{"a": "b"},
		Accept: func(info store.Info) error {
			if !ended {
				t.Error("Accept was called before the body had ended")
			}
			seen = info
			absent(t, s, "b", "k")
			return nil
		},
	}
	info, err := s.Put(t.Context(), "b", "k", body, opt)
	seen.VersionID, seen.Modified = info.VersionID, info.Modified
	if diff := cmp.Diff(info, promised(s, info, seen)); err != nil || diff != "" {
		t.Errorf("Put: %v, Accept saw (-published +seen):\n%s", err, diff)
	}
	opt.Accept = func(store.Info) error { return refusal }
	if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("other"), opt); !errors.Is(err, refusal) {
		t.Errorf("Put that is refused: %v", err)
	}
	if _, err := s.Copy(t.Context(), store.Source{Bucket: "b", Key: "k"}, "b", "copy", opt); !errors.Is(err, refusal) {
		t.Errorf("Copy that is refused: %v", err)
	}
	absent(t, s, "b", "copy")
	opt.Size = 6 << 20
	if _, err := s.Put(t.Context(), "b", "large", strings.NewReader(random(6<<20, 21)), opt); !errors.Is(err, refusal) {
		t.Errorf("Put of a large body that is refused: %v", err)
	}
	absent(t, s, "b", "large")
	if got := read(t, s, "b", "k"); got != "body" {
		t.Errorf("after refusals the object reads %q", got)
	}
}

func testCopy(t *testing.T, s store.Store) {
	body := random(200_000, 20)
	src, err := s.Put(t.Context(), "b", "src", strings.NewReader(body), store.PutOptions{
		Headers: store.Headers{ContentType: "text/plain"}, Metadata: map[string]string{"a": "b"}, Tags: map[string]string{"t": "1"},
		ChecksumAlgorithm: store.SHA256,
	})
	if err != nil {
		t.Fatal(err)
	}
	from := store.Source{Bucket: "b", Key: "src"}
	tests := []struct {
		name, bucket, key string
		opt               store.PutOptions
		checksum          store.Checksum
	}{
		{"plain, into another bucket", "other", "k", store.PutOptions{}, src.Checksum},
		{"with everything new", "b", "k", store.PutOptions{
			Headers: store.Headers{ContentType: "x/y"}, Metadata: map[string]string{"c": "d"}, Tags: map[string]string{"u": "2"},
		}, src.Checksum},
		{"with another checksum", "b", "k", store.PutOptions{ChecksumAlgorithm: store.CRC32C}, checksum(store.CRC32C, body)},
		{"with the same checksum", "b", "k", store.PutOptions{ChecksumAlgorithm: store.SHA256}, src.Checksum},
		{"onto itself", "b", "src", store.PutOptions{Metadata: map[string]string{"new": "1"}}, src.Checksum},
		{"onto itself as a version", "b", "src", store.PutOptions{Version: store.Versioned}, src.Checksum},
	}
	for _, tt := range tests {
		info, err := s.Copy(t.Context(), from, tt.bucket, tt.key, tt.opt)
		want := store.Info{
			Key: tt.key, Size: src.Size, ETag: src.ETag, Modified: info.Modified, VersionID: info.VersionID, Encrypted: info.Encrypted,
			Headers: tt.opt.Headers, Metadata: tt.opt.Metadata, Tags: tt.opt.Tags, Checksum: tt.checksum,
		}
		if diff := cmp.Diff(want, info); err != nil || diff != "" {
			t.Errorf("%s: Copy: %v (-want +got):\n%s", tt.name, err, diff)
		}
		head, err := s.Head(t.Context(), tt.bucket, tt.key)
		if diff := cmp.Diff(want, promised(s, want, head)); err != nil || diff != "" {
			t.Errorf("%s: Head: %v (-want +got):\n%s", tt.name, err, diff)
		}
		if got := read(t, s, tt.bucket, tt.key); got != body {
			t.Errorf("%s: the copy reads %d bytes", tt.name, len(got))
		}
	}
	// The bytes live as long as somebody needs them.
	for _, key := range []string{"src", "k"} {
		for _, id := range []string{"", store.NullVersion} {
			if _, err := s.DeleteVersion(t.Context(), "b", key, store.DeleteOptions{VersionID: id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := read(t, s, "other", "k"); got != body {
		t.Errorf("after the source was deleted the copy reads %d bytes", len(got))
	}
	put(t, s, "other", "k", "replaced")
	if got := read(t, s, "b", "src"); got != body { // the version that was copied onto it
		t.Errorf("after another copy was replaced this one reads %d bytes", len(got))
	}
}

func testCopySource(t *testing.T, s store.Store) {
	old := putVersion(t, s, "k", "old", store.Versioned)
	putVersion(t, s, "k", "new", store.Versioned)
	d, err := s.DeleteVersion(t.Context(), "b", "k", store.DeleteOptions{Version: store.Versioned})
	if err != nil {
		t.Fatal(err)
	}
	isMarker := errors.New("a MarkerError that is not ErrNotFound")
	tests := []struct {
		name string
		src  store.Source
		opt  store.PutOptions
		want error
	}{
		{"a version", store.Source{Bucket: "b", Key: "k", VersionID: old.VersionID}, store.PutOptions{}, nil},
		{"a version with that ETag", store.Source{Bucket: "b", Key: "k", VersionID: old.VersionID, ETag: old.ETag}, store.PutOptions{}, nil},
		{"a version with another ETag", store.Source{Bucket: "b", Key: "k", VersionID: old.VersionID, ETag: etag("new")}, store.PutOptions{}, store.ErrPrecondition},
		{"an object under a marker", store.Source{Bucket: "b", Key: "k"}, store.PutOptions{}, store.ErrNotFound},
		{"a marker", store.Source{Bucket: "b", Key: "k", VersionID: d.VersionID}, store.PutOptions{}, isMarker},
		{"no version", store.Source{Bucket: "b", Key: "k", VersionID: "x"}, store.PutOptions{}, store.ErrNoVersion},
		{"an absent object", store.Source{Bucket: "c", Key: "k"}, store.PutOptions{}, store.ErrNotFound},
		{"no name", store.Source{Bucket: "b"}, store.PutOptions{}, store.ErrName},
		{"over an object, if there is none", store.Source{Bucket: "b", Key: "k", VersionID: old.VersionID}, store.PutOptions{IfNoneMatch: "*"}, store.ErrPrecondition},
		{"with an unknown checksum", store.Source{Bucket: "b", Key: "k", VersionID: old.VersionID}, store.PutOptions{ChecksumAlgorithm: "x"}, store.ErrChecksum},
	}
	for _, tt := range tests {
		put(t, s, "b", "copy", "before")
		_, err := s.Copy(t.Context(), tt.src, "b", "copy", tt.opt)
		if marker := new(store.MarkerError); errors.As(err, &marker) && marker.Named {
			err = isMarker
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("copy of %s: %v, want %v", tt.name, err, tt.want)
		}
		want := "before"
		if tt.want == nil {
			want = "old"
		}
		if got := read(t, s, "b", "copy"); got != want {
			t.Errorf("after the copy of %s the key holds %q, want %q", tt.name, got, want)
		}
	}
	if _, err := s.Copy(t.Context(), store.Source{Bucket: "b", Key: "copy"}, "b", "", store.PutOptions{}); !errors.Is(err, store.ErrName) {
		t.Errorf("copy to no key: %v, want ErrName", err)
	}
}

// testCopyRace copies in a ring while the sources are overwritten and deleted.
func testCopyRace(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	keys := []string{"a", "b", "c", "d"}
	for w := range 4 {
		wg.Go(func() {
			for i := range 60 {
				key, next := keys[(w+i)%4], keys[(w+i+1)%4]
				var err error
				switch i % 3 {
				case 0:
					_, err = s.Put(t.Context(), "b", key, strings.NewReader(random(1000+i, uint64(w*100+i))), store.PutOptions{})
				case 1:
					_, err = s.Copy(t.Context(), store.Source{Bucket: "b", Key: key}, "b", next, store.PutOptions{})
					if errors.Is(err, store.ErrNotFound) {
						err = nil
					}
				case 2:
					if i%2 == 0 {
						err = s.Delete(t.Context(), "b", key)
					}
				}
				if err != nil {
					t.Errorf("step %d of worker %d: %v", i, w, err)
				}
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		o, err := s.Get(t.Context(), "b", key, store.GetOptions{})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Errorf("Get(%q): %v", key, err)
			continue
		}
		b, err := io.ReadAll(o.Body)
		o.Body.Close()
		if err != nil || etag(string(b)) != o.Info.ETag {
			t.Errorf("%q reads %d bytes with ETag %s, %v; want %s", key, len(b), etag(string(b)), err, o.Info.ETag)
		}
	}
}

func fromBase64(text string) string {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "not base64: " + text
	}
	return string(b)
}
