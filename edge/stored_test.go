package edge

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glassine/edge/rfc9111"
)

func storedCases() map[string]*stored {
	return map[string]*stored{
		"nothing":          {},
		"a plain response": {result: resultMiss, modified: time.Unix(1445412480, 0).UTC(), plain: true},
		"a page":           {page: pageDown, result: resultError},
		"a variant":        {vary: []string{"Accept-Language"}, varyKey: "+de\n", result: resultMiss},
		"a slice":          {slice: &rfc9111.Part{First: 1 << 20, Last: 2<<20 - 1, Total: 1 << 40}, plain: true},
		"terms of RFC 9111": {rfc: &rfc9111.Stored{
			Status: 200, Terms: rfc9111.Terms{Lifetime: time.Hour, Born: time.Unix(1_700_000_000, 1)}, Vary: []string{"X"}, VaryKey: "-\n",
		}},
	}
}

var storedDiff = cmp.AllowUnexported(stored{}, page{})

func TestWhatIsKeptWithAResponseComesBackFromDisk(t *testing.T) {
	for name, m := range storedCases() {
		b, err := encodeStored(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeStored(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(m, got.(*stored), storedDiff, cmp.Comparer(func(a, b *rfc9111.Stored) bool {
			if a == nil || b == nil {
				return a == b
			}
			x, _ := a.AppendBinary(nil)
			y, _ := b.AppendBinary(nil)
			return bytes.Equal(x, y)
		})); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
		for n := range len(b) {
			if _, err := decodeStored(b[:n]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken", name, n, len(b))
			}
		}
		if _, err := decodeStored(append(b, 0)); err == nil {
			t.Errorf("%s: a byte too many is taken", name)
		}
	}
}

// FuzzDecodeStored: what is read is written back as it was.
func FuzzDecodeStored(f *testing.F) {
	for _, m := range storedCases() {
		b, _ := encodeStored(m)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeStored(b)
		if err != nil {
			return
		}
		once, err := encodeStored(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeStored(once)
		if err != nil {
			t.Fatalf("%x: written again: %v", b, err)
		}
		twice, _ := encodeStored(again)
		if !bytes.Equal(once, twice) {
			t.Fatalf("%x: %x, then %x", b, once, twice)
		}
	})
}
