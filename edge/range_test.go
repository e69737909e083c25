package edge

import (
	"fmt"
	"testing"

	"glassine/edge/rfc9111"
)

func TestRangeHeaders(t *testing.T) {
	for _, test := range []struct {
		s    string
		size int64
		want string // first-last of each range
		kind rangeKind
	}{
		{"bytes=0-0", 10, "0-0", rangeSome},
		{"BYTES = 0-0", 10, "0-0", rangeSome},
		{"bytes=5-99", 10, "5-9", rangeSome},
		{"bytes=5-", 10, "5-9", rangeSome},
		{"bytes=-99", 10, "0-9", rangeSome},
		{"bytes=0-99999999999999999999", 10, "0-9", rangeSome},
		{"bytes=99999999999999999999-", 10, "", rangeUnsatisfiable},
		{"bytes=10-", 10, "", rangeUnsatisfiable},
		{"bytes=-0", 10, "", rangeUnsatisfiable},
		{"bytes=0-", 0, "", rangeUnsatisfiable},
		{"bytes=-1", 0, "", rangeUnsatisfiable},
		{"bytes=5-4", 10, "", rangeIgnored},
		{"bytes=-", 10, "", rangeIgnored},
		{"bytes=", 10, "", rangeIgnored},
		{"bytes=a-b", 10, "", rangeIgnored},
		{"bytes=+1-2", 10, "", rangeIgnored},
		{"bytes=0-1,3-4", 10, "0-1 3-4", rangeSome},
		{"bytes=0-1, 2-2 ,-2", 10, "0-1 2-2 8-9", rangeSome},
		{"bytes=0-1,20-", 10, "0-1", rangeSome},
		{"bytes=10-,20-", 10, "", rangeUnsatisfiable},
		{"bytes=3-4,0-1", 10, "", rangeIgnored}, // descending
		{"bytes=0-4,4-5", 10, "", rangeIgnored}, // overlapping
		{"bytes=0-,-1", 10, "", rangeIgnored},   // likewise
		{"bytes=0-1,3-x", 10, "", rangeIgnored}, // one is none
		{"bytes=0-1,bytes=2-3", 10, "", rangeIgnored},
		{"lines=0-1", 10, "", rangeIgnored},
		{"bytes", 10, "", rangeIgnored},
	} {
		parts, kind := parseRange(test.s, test.size)
		if got := spans(parts); got != test.want || kind != test.kind {
			t.Errorf("%q of %d bytes: %q, %d; want %q, %d", test.s, test.size, got, kind, test.want, test.kind)
		}
	}
}

func spans(parts []rfc9111.Part) string {
	s := ""
	for i, p := range parts {
		if i > 0 {
			s += " "
		}
		s += fmt.Sprintf("%d-%d", p.First, p.Last)
	}
	return s
}

// FuzzRange: what is sent of a representation is in it, ascends and does not overlap.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1,3-4", "bytes=-5", "bytes=9-, 1-2", "bytes=0-0,-1", "bytes=99999999999999999999-"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 || size > 1<<50 {
			t.Skip()
		}
		parts, kind := parseRange(s, size)
		if (kind == rangeSome) != (len(parts) > 0) || len(parts) > mostRanges {
			t.Fatalf("%q of %d bytes: %v, %d", s, size, parts, kind)
		}
		last := int64(-1)
		for _, p := range parts {
			if p.First <= last || p.Last < p.First || p.Last >= size || p.Total != size {
				t.Fatalf("%q of %d bytes: %v", s, size, parts)
			}
			last = p.Last
		}
	})
}
