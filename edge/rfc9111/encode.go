package rfc9111

import (
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"time"

	"glassine/packed"
)

// errEncoding is all that can be wrong with the bytes of a Stored.
var errEncoding = errors.New("not an encoded response")

// encodingVersion is the first byte of what AppendBinary writes.
const encodingVersion = 1

// The flags of an encoded Terms.
const (
	flagHeuristic = 1 << iota
	flagValidate
	flagNeverStale
)

// AppendBinary appends all of s but its Header, for a cache that keeps the header elsewhere and outlives the process. Born keeps its
// nanoseconds and loses its zone. The error is always nil; it is there for encoding.BinaryAppender.
func (s *Stored) AppendBinary(b []byte) ([]byte, error) {
	flags := byte(0)
	for i, set := range []bool{s.Terms.Heuristic, s.Terms.Validate, s.Terms.NeverStale} {
		if set {
			flags |= 1 << i
		}
	}
	b = append(b, encodingVersion, flags)
	for _, n := range []int64{
		int64(s.Status), int64(s.Terms.Lifetime), s.Terms.Born.UnixNano(), int64(s.Terms.StaleWhileRevalidate), int64(s.Terms.StaleIfError),
		s.Part.First, s.Part.Last, s.Part.Total,
	} {
		b = binary.AppendVarint(b, n)
	}
	b = packed.AppendText(b, s.VaryKey)
	b = packed.AppendTexts(b, s.Vary)
	names := make([]string, 0, len(s.asked))
	for name := range s.asked {
		names = append(names, name)
	}
	slices.Sort(names)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = packed.AppendTexts(packed.AppendText(b, name), s.asked[name])
	}
	return b, nil
}

// UnmarshalBinary makes s what AppendBinary wrote; Header stays nil. An error says that b is nothing of that kind, and s is then not
// to be used. It keeps nothing of b.
func (s *Stored) UnmarshalBinary(b []byte) error {
	if len(b) < 2 || b[0] != encodingVersion || b[1] > flagHeuristic|flagValidate|flagNeverStale {
		return errEncoding
	}
	flags := b[1]
	d := packed.Reader{Rest: b[2:]}
	*s = Stored{Status: int(d.Int())}
	s.Terms = Terms{Lifetime: time.Duration(d.Int()), Born: time.Unix(0, d.Int()), StaleWhileRevalidate: time.Duration(d.Int()), StaleIfError: time.Duration(d.Int())}
	s.Terms.Heuristic, s.Terms.Validate, s.Terms.NeverStale = flags&flagHeuristic != 0, flags&flagValidate != 0, flags&flagNeverStale != 0
	s.Part = Part{d.Int(), d.Int(), d.Int()}
	s.VaryKey = d.Text()
	s.Vary = d.Texts()
	s.asked = http.Header{}
	for n := d.Count(); n > 0; n-- {
		name := d.Text()
		s.asked[name] = d.Texts()
	}
	if !d.Whole() {
		return errEncoding
	}
	return nil
}
