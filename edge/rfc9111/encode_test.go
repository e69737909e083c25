package rfc9111

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func encodedCases() map[string]*Stored {
	at := time.Unix(1_700_000_000, 123456789)
	full := &Stored{
		Status: 206, Vary: []string{"Accept-Language", "Cookie"}, VaryKey: "+de\n-\n", Part: Part{4, 9, -1},
		Terms: Terms{Lifetime: time.Hour, Heuristic: true, Born: at, Validate: true, NeverStale: true, StaleWhileRevalidate: time.Second, StaleIfError: 2 * time.Second},
		asked: http.Header{"Accept-Language": {"de", ""}},
	}
	return map[string]*Stored{
		"everything set": full,
		"nothing but when it was born": {
			Status: 200, Terms: Terms{Born: at}, asked: http.Header{},
		},
		"born before 1970": {Status: 404, Terms: Terms{Born: time.Unix(-1, 0), Lifetime: time.Minute}, asked: http.Header{}},
	}
}

func TestEncodedTermsComeBack(t *testing.T) {
	for name, s := range encodedCases() {
		b, err := s.AppendBinary([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		var got Stored
		if err := got.UnmarshalBinary(bytes.TrimPrefix(b, []byte("before"))); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(s, &got, cmp.AllowUnexported(Stored{})); d != "" {
			t.Errorf("%s: (-want +got)\n%s", name, d)
		}
	}
}

func TestBytesThatAreNoTermsAreRefused(t *testing.T) {
	for name, s := range encodedCases() {
		b, _ := s.AppendBinary(nil)
		for n := range len(b) {
			if err := new(Stored).UnmarshalBinary(b[:n]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken", name, n, len(b))
			}
		}
		if err := new(Stored).UnmarshalBinary(append(b, 0)); err == nil {
			t.Errorf("%s: a byte too many is taken", name)
		}
		b[0]++
		if err := new(Stored).UnmarshalBinary(b); err == nil {
			t.Errorf("%s: another version is taken", name)
		}
	}
}

// FuzzUnmarshalBinary: what is read is written back so that it is read the same.
func FuzzUnmarshalBinary(f *testing.F) {
	for _, s := range encodedCases() {
		b, _ := s.AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again Stored
		if s.UnmarshalBinary(b) != nil {
			return
		}
		out, _ := s.AppendBinary(nil)
		if err := again.UnmarshalBinary(out); err != nil {
			t.Fatalf("%x: written again: %v", b, err)
		}
		if d := cmp.Diff(s, again, cmp.AllowUnexported(Stored{})); d != "" {
			t.Fatalf("%x: (-read +written and read)\n%s", b, d)
		}
	})
}
