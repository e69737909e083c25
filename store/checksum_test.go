package store_test

import (
	"errors"
	"strings"
	"testing"

	"glassine/store"
)

// part describes a part of body as a store would.
func part(t testing.TB, number int, body []byte, algorithm string) store.Part {
	t.Helper()
	h, err := store.NewHash(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	h.Write(body)
	return store.Part{Number: number, Size: int64(len(body)), ETag: strings.Repeat("0f", 16), Checksum: store.SumOf(algorithm, h)}
}

// FuzzCombinedChecksum compares the checksum that is made of the parts' with that of the bytes.
func FuzzCombinedChecksum(f *testing.F) {
	f.Add([]byte("123456789"), []byte("end"))
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0}, []byte{0, 0, 0})
	first := make([]byte, store.MinPartSize) // of every part but the last
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		if len(head) > len(first) {
			return
		}
		copy(first, head)
		defer clear(first[:len(head)])
		for _, algorithm := range []string{store.CRC32, store.CRC32C, store.CRC64NVME, ""} {
			parts := []store.Part{part(t, 1, first, algorithm), part(t, 2, tail, algorithm)}
			whole, err := store.NewHash(algorithm)
			if err != nil {
				t.Fatal(err)
			}
			whole.Write(first)
			whole.Write(tail)
			info, err := store.Assemble(store.UploadOptions{ChecksumAlgorithm: algorithm, ChecksumType: store.FullObject}, parts,
				func(n int) (store.Part, bool) { return parts[n-1], true })
			if want := store.SumOf(algorithm, whole); err != nil || info.Checksum != want {
				t.Errorf("%q of %d and %d bytes is %+v, %v; want %+v", algorithm, len(first), len(tail), info.Checksum, err, want)
			}
		}
	})
}

func TestDefaultsOfChecksums(t *testing.T) {
	for algorithm, want := range map[string]string{
		"": store.FullObject, store.CRC64NVME: store.FullObject, store.CRC32: store.Composite,
		store.CRC32C: store.Composite, store.SHA1: store.Composite, store.SHA256: store.Composite, store.MD5: store.Composite,
		store.SHA512: store.Composite, store.XXHASH64: store.Composite, store.XXHASH3: store.Composite, store.XXHASH128: store.Composite,
	} {
		if got := store.DefaultChecksumType(algorithm); got != want {
			t.Errorf("the default type of %q is %s, want %s", algorithm, got, want)
		}
		if err := (store.UploadOptions{ChecksumAlgorithm: algorithm, ChecksumType: want}).Check(); err != nil {
			t.Errorf("%q with its default type: %v", algorithm, err)
		}
	}
	for _, algorithm := range []string{store.MD5, store.SHA1, store.SHA256, store.SHA512, store.XXHASH64, store.XXHASH3, store.XXHASH128} {
		if err := (store.UploadOptions{ChecksumAlgorithm: algorithm, ChecksumType: store.FullObject}).Check(); !errors.Is(err, store.ErrChecksum) {
			t.Errorf("%s of the whole of an upload: %v, want ErrChecksum", algorithm, err)
		}
	}
	if _, err := store.NewHash("crc32"); !errors.Is(err, store.ErrChecksum) {
		t.Errorf("an algorithm in small letters: %v, want ErrChecksum", err)
	}
	bad := part(t, 1, []byte("x"), store.CRC32)
	_, err := store.Assemble(store.UploadOptions{ChecksumAlgorithm: store.SHA1}, []store.Part{bad}, func(int) (store.Part, bool) { return bad, true })
	if !errors.Is(err, store.ErrInvalidPart) {
		t.Errorf("a part with a checksum of another algorithm: %v, want ErrInvalidPart", err)
	}
}

func TestIDsAreInTheOrderOfTheirTimes(t *testing.T) {
	var last store.ID
	for _, nanos := range []uint64{0, 1, 255, 256, 1 << 32, 1<<63 - 1, 1<<64 - 1} {
		id, other := store.NewID(nanos), store.NewID(nanos)
		if id == other || id.Nanos() != nanos {
			t.Errorf("ids of time %d: %s, %s", nanos, id, other)
		}
		if nanos > 0 && id.String() <= last.String() {
			t.Errorf("%s of time %d sorts before the one of an earlier time, %s", id, nanos, last)
		}
		last = id
	}
	if a, b := store.NextNanos(0), store.NextNanos(1<<63); b != 1<<63+1 || a < 1<<60 {
		t.Errorf("NextNanos = %d, %d", a, b)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(store.NewID(1).String())
	f.Add("")
	f.Add(strings.Repeat("v", 32))
	f.Add(strings.ToUpper(store.NewID(1 << 60).String()))
	f.Add(strings.Repeat("\n", 32))
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := store.ParseID(text); ok && id.String() != text {
			t.Errorf("%q was read as %s", text, id)
		}
	})
}

func FuzzListEntries(f *testing.F) {
	f.Add("a 1\na 2\nb/1 1\nb/2 1\nc 5", "", "/", "a", "1", 2)
	f.Add("a 1\na 2\nab 3", "a", "", "a", "", 1)
	f.Add("a/ 1\na/b 2\na0 3", "", "/", "a/", "1", 1)
	f.Fuzz(func(t *testing.T, lines, prefix, delimiter, keyMarker, idMarker string, most int) {
		all := entriesIn(lines)
		opt := store.EntryOptions{Prefix: prefix, Delimiter: delimiter, KeyMarker: keyMarker, IDMarker: idMarker, Max: most}
		compareEntries(t, all, opt)
		for n := 0; n < 100; n++ { // and on, page after page
			page, err := store.ListEntries(&entryCursor{all: all}, opt)
			if err != nil || page.NextKey == "" {
				break
			}
			opt.KeyMarker, opt.IDMarker = page.NextKey, page.NextID
			compareEntries(t, all, opt)
		}
	})
}
