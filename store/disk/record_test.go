package disk

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

func sampleRecords() []record {
	null := store.NewID(7)
	clear(null[8:])
	versioned := store.NewID(1<<64 - 1)
	sum := func(algorithm, kind, suffix string) store.Checksum {
		h, _ := store.NewHash(algorithm)
		c := store.SumOf(algorithm, h)
		c.Type, c.Value = kind, c.Value+suffix
		return c
	}
	return []record{
		{id: null, content: content{blob: blobID{run: 1, seq: 1}}, info: store.Info{
			VersionID: store.NullVersion, ETag: strings.Repeat("0f", 16), Modified: time.Unix(0, 0).UTC(),
		}},
		{id: versioned, content: content{blob: blobID{run: 1<<32 - 1, seq: 1<<64 - 1}}, info: store.Info{
			VersionID: versioned.String(), Encrypted: true, Checksum: sum(store.SHA256, store.FullObject, ""),
			Size: 1<<63 - 1, ETag: strings.Repeat("ff", 16), Modified: time.Date(1815, 12, 10, 1, 2, 3, 0, time.UTC),
			Headers: store.Headers{
				ContentType: "image/jpeg", CacheControl: "no-store", ContentDisposition: "\xff",
				ContentEncoding: "gzip", ContentLanguage: "de", Expires: "0",
			},
			Metadata: map[string]string{"": "", "b": strings.Repeat("v", 70_000), "a": "\x00"},
			Tags:     map[string]string{"t": "1"},
		}},
		{id: versioned, content: content{manifest: store.NewID(5)}, info: store.Info{
			VersionID: versioned.String(), PartCount: 10_000, ETag: strings.Repeat("0f", 16) + "-10000", Modified: time.Unix(9, 0).UTC(),
			Checksum: sum(store.CRC32C, store.Composite, "-10000"),
		}},
		{id: null, info: store.Info{VersionID: store.NullVersion, DeleteMarker: true, Modified: time.Unix(-1, 0).UTC()}},
	}
}

var compareAll = cmp.AllowUnexported(record{}, content{}, blobID{}, partRecord{}, segment{}, uploadRecord{}, blobRecord{})

func TestRecordComesBackAsItWasEncoded(t *testing.T) {
	for _, want := range sampleRecords() {
		b, err := want.encode()
		if err != nil {
			t.Fatalf("encode(%+v): %v", want, err)
		}
		got, err := decodeRecord(b)
		if diff := cmp.Diff(want, got, compareAll); err != nil || diff != "" {
			t.Errorf("decode: %v (-want +got):\n%s", err, diff)
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
	for _, info := range []store.Info{
		{ETag: ""},
		{ETag: "0f"},
		{ETag: strings.Repeat("x", 32)},
		{ETag: strings.Repeat("0f", 17)},
		{ETag: strings.Repeat("0f", 16) + "-2", PartCount: 3},
		{ETag: strings.Repeat("0f", 16), Checksum: store.Checksum{Algorithm: store.CRC32, Value: "AAAAAAAA"}},
		{ETag: strings.Repeat("0f", 16), Checksum: store.Checksum{Algorithm: "MD4"}},
	} {
		if _, err := (record{info: info}).encode(); err == nil {
			t.Errorf("a record with %+v was encoded", info)
		}
	}
}

func samplePart() partRecord {
	h, _ := store.NewHash(store.CRC32)
	return partRecord{
		info: store.Part{Number: 10_000, Size: 1 << 40, ETag: strings.Repeat("0f", 16), Modified: time.Unix(1, 0).UTC(), Checksum: store.SumOf(store.CRC32, h)},
		segments: []segment{
			{blob: blobID{1, 2}, off: 3, size: 1<<40 - 1}, {blob: blobID{1<<32 - 1, 1<<64 - 1}, off: 1<<63 - 1, size: 1},
		},
	}
}

func sampleUploads() []uploadRecord {
	return []uploadRecord{
		{initiated: time.Unix(0, 0).UTC()},
		{initiated: time.Unix(1<<40, 0).UTC(), opt: store.UploadOptions{
			Headers: store.Headers{Expires: "x"}, Metadata: map[string]string{"a": "b"}, Tags: map[string]string{"c": "d"},
			Encrypt: true, Initiator: "someone", ChecksumAlgorithm: store.CRC32, ChecksumType: store.Composite,
		}},
		{initiated: time.Unix(1, 0).UTC(), opt: store.UploadOptions{ChecksumAlgorithm: store.CRC64NVME, ChecksumType: store.FullObject}},
	}
}

func TestOtherRecordsComeBackAsTheyWereEncoded(t *testing.T) {
	cutShort := func(name string, b []byte, decode func([]byte) error) {
		for n := range len(b) {
			if err := decode(b[:n]); !errors.Is(err, errRecord) {
				t.Errorf("%s of %d bytes, cut to %d: %v, want errRecord", name, len(b), n, err)
			}
		}
	}
	part, k := samplePart(), partKey(store.NewID(1), 10_000)
	b, err := part.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodePart(k, b)
	if diff := cmp.Diff(part, got, compareAll); err != nil || diff != "" {
		t.Errorf("part: %v (-want +got):\n%s", err, diff)
	}
	cutShort("a part", b, func(b []byte) error { _, err := decodePart(k, b); return err })

	for _, want := range sampleUploads() {
		b, err := want.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeUpload(b)
		if diff := cmp.Diff(want, got, compareAll); err != nil || diff != "" {
			t.Errorf("upload: %v (-want +got):\n%s", err, diff)
		}
		cutShort("an upload", b, func(b []byte) error { _, err := decodeUpload(b); return err })
	}

	key := bytes.Repeat([]byte{7}, wrappedLen)
	for _, want := range []blobRecord{{refs: 1}, {refs: 1<<64 - 1, size: 1<<63 - 1, crc: 1<<64 - 1, key: key}} {
		b := want.encode()
		got, err := decodeBlob(b)
		if diff := cmp.Diff(want, got, compareAll); err != nil || diff != "" {
			t.Errorf("blob: %v (-want +got):\n%s", err, diff)
		}
		cutShort("a blob", b[:len(b)-len(want.key)], func(b []byte) error { _, err := decodeBlob(b); return err })
	}
}

func TestEntryKeysSortLikeKeysAndTails(t *testing.T) {
	keys := []string{
		"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x00b", "a\x00\xff", "a\x01", "a/", "ab", "\xff", "\xff\x00",
	}
	var last []byte
	for _, key := range keys {
		if last != nil && bytes.Compare(escapeKey(nil, key), last) <= 0 {
			t.Errorf("%q sorts before the entries of the key before it", key)
		}
		for _, tail := range []string{"", "\x00", "\x01", "\xff"} {
			k := entryKey(key, []byte(tail))
			if bytes.Compare(k, last) <= 0 || bytes.Compare(k, escapeKey(nil, key)) < 0 {
				t.Errorf("%q, %q sorts before what it should follow", key, tail)
			}
			gotKey, gotTail, ok := splitEntryKey(k)
			if !ok || gotKey != key || string(gotTail) != tail {
				t.Errorf("%q, %q came back as %q, %q, %v", key, tail, gotKey, gotTail, ok)
			}
			last = k
		}
	}
	for _, bad := range []string{"", "a", "a\x00", "a\x00\x02", "\x00\xff"} {
		if key, _, ok := splitEntryKey([]byte(bad)); ok {
			t.Errorf("%q is taken for the key %q", bad, key)
		}
	}
}

func TestCutKeepsWhatTheRangeHolds(t *testing.T) {
	segs := []segment{{blobID{1, 1}, 10, 5}, {blobID{1, 2}, 0, 0}, {blobID{1, 3}, 7, 3}, {blobID{1, 1}, 0, 2}}
	bytesOf := func(segs []segment) (b []string) { // each byte by its blob and place
		for _, s := range segs {
			for i := range s.size {
				b = append(b, fmt.Sprint(s.blob.seq, " ", s.off+i))
			}
		}
		return b
	}
	all := bytesOf(segs)
	for off := range len(all) + 1 {
		for n := range len(all) - off + 1 {
			got := cut(segs, int64(off), int64(n))
			if !slices.Equal(bytesOf(got), all[off:off+n]) || len(got) == 0 {
				t.Errorf("cut(%d, %d) = %v", off, n, got)
			}
			if n > 0 && slices.ContainsFunc(got, func(s segment) bool { return s.size == 0 }) {
				t.Errorf("cut(%d, %d) has an empty segment: %v", off, n, got)
			}
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
	f.Add(append(append([]byte{recordVersion}, make([]byte, 1+20+1+1+12+1+16+1+6)...), 0xff, 0xff, 0xff, 0x7f)) // a great many names
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
		if diff := cmp.Diff(r, second, compareAll); err != nil || diff != "" {
			t.Errorf("decoded, encoded and decoded: %v (-first +second):\n%s", err, diff)
		}
		if len(again) > len(b) && !bytes.Equal(again, b) {
			t.Errorf("%d bytes became %d", len(b), len(again))
		}
	})
}

// FuzzDecodeOthers decodes the other records of the index, which must not panic, and must come back.
func FuzzDecodeOthers(f *testing.F) {
	part, err := samplePart().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(part)
	for _, u := range sampleUploads() {
		b, err := u.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(blobRecord{refs: 2, size: 3, key: make([]byte, wrappedLen)}.encode())
	f.Add(entryKey("a\x00b", []byte("tail")))
	k := partKey(store.NewID(1), 3)
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := decodePart(k, b); err == nil {
			again, err := p.encode()
			if err != nil {
				t.Fatalf("%+v was decoded and cannot be encoded: %v", p, err)
			}
			second, err := decodePart(k, again)
			if diff := cmp.Diff(p, second, compareAll); err != nil || diff != "" {
				t.Errorf("part: %v (-first +second):\n%s", err, diff)
			}
		}
		if u, err := decodeUpload(b); err == nil {
			again, err := u.encode()
			if err != nil {
				t.Fatalf("%+v was decoded and cannot be encoded: %v", u, err)
			}
			second, err := decodeUpload(again)
			if diff := cmp.Diff(u, second, compareAll); err != nil || diff != "" {
				t.Errorf("upload: %v (-first +second):\n%s", err, diff)
			}
		}
		if r, err := decodeBlob(b); err == nil {
			if second, err := decodeBlob(r.encode()); err != nil || !cmp.Equal(r, second, compareAll) {
				t.Errorf("blob: %+v became %+v, %v", r, second, err)
			}
		}
		if key, tail, ok := splitEntryKey(b); ok && !bytes.Equal(entryKey(key, tail), b) {
			t.Errorf("%x is the key %q, %x, which is %x", b, key, tail, entryKey(key, tail))
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
