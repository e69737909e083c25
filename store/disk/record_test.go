package disk

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

func sampleRecords() []record {
	return []record{
		{blob: blobID{run: 1, seq: 1}, info: store.Info{ETag: strings.Repeat("0f", 16), Modified: time.Unix(0, 0).UTC()}},
		{blob: blobID{run: 1<<32 - 1, seq: 1<<64 - 1}, info: store.Info{
			Size: 1<<63 - 1, ETag: strings.Repeat("ff", 16), Modified: time.Date(1815, 12, 10, 1, 2, 3, 0, time.UTC),
			Headers: store.Headers{
				ContentType: "image/jpeg", CacheControl: "no-store", ContentDisposition: "\xff",
				ContentEncoding: "gzip", ContentLanguage: "de", Expires: "0",
			},
			Metadata: map[string]string{"": "", "b": strings.Repeat("v", 70_000), "a": "\x00"},
		}},
	}
}

func TestRecordComesBackAsItWasEncoded(t *testing.T) {
	for _, want := range sampleRecords() {
		b, err := want.encode()
		if err != nil {
			t.Fatalf("encode(%+v): %v", want, err)
		}
		got, err := decodeRecord(b)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(record{}, blobID{})); err != nil || diff != "" {
			t.Errorf("decode: %v (-want +got):\n%s", err, diff)
		}
		if id, err := recordBlob(b); err != nil || id != want.blob {
			t.Errorf("recordBlob = %v, %v; want %v", id, err, want.blob)
		}
		for n := range min(len(b), 300) {
			if _, err := decodeRecord(b[:n]); !errors.Is(err, errRecord) {
				t.Errorf("a record of %d bytes, cut to %d: %v, want errRecord", len(b), n, err)
			}
		}
		if _, err := decodeRecord(append(b, 0)); !errors.Is(err, errRecord) {
			t.Errorf("a record with one byte more: %v, want errRecord", err)
		}
		if _, err := decodeRecord(append([]byte{recordVersion + 1}, b[1:]...)); !errors.Is(err, errRecord) {
			t.Errorf("a record of another version: %v, want errRecord", err)
		}
	}
	for _, etag := range []string{"", "0f", strings.Repeat("x", 32), strings.Repeat("0f", 17)} {
		if _, err := (record{info: store.Info{ETag: etag}}).encode(); err == nil {
			t.Errorf("a record with the ETag %q was encoded", etag)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	for _, r := range sampleRecords() {
		b, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 200)])
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add(append(append([]byte{recordVersion}, make([]byte, 12+1+16+1+6)...), 0xff, 0xff, 0xff, 0x7f)) // a great many names
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatalf("%+v was decoded and cannot be encoded: %v", r, err)
		}
		second, err := decodeRecord(again)
		if diff := cmp.Diff(r, second, cmp.AllowUnexported(record{}, blobID{})); err != nil || diff != "" {
			t.Errorf("decoded, encoded and decoded: %v (-first +second):\n%s", err, diff)
		}
		if len(again) > len(b) && !bytes.Equal(again, b) {
			t.Errorf("%d bytes became %d", len(b), len(again))
		}
	})
}

func TestBlobNames(t *testing.T) {
	b := &blobs{dir: "objects"}
	for _, id := range []blobID{{}, {1, 0x1ff}, {1<<32 - 1, 1<<64 - 1}} {
		path := b.path(id)
		if got, ok := parseBlobName(path[len("objects/xx/"):], byte(id.seq)); !ok || got != id {
			t.Errorf("%v is %s, which is %v, %v", id, path, got, ok)
		}
	}
	for _, name := range []string{
		"", "readme", "000000010000000000000001.tmp", "00000001000000000000000g", "+00000010000000000000001",
		"000000010000000000000002", "00000001000000000000001",
	} {
		if id, ok := parseBlobName(name, 1); ok {
			t.Errorf("%q in directory 1 is taken for blob %v", name, id)
		}
	}
}
