package rfc9111

import (
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"time"
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
	b = appendString(b, s.VaryKey)
	b = appendStrings(b, s.Vary)
	names := make([]string, 0, len(s.asked))
	for name := range s.asked {
		names = append(names, name)
	}
	slices.Sort(names)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = appendStrings(appendString(b, name), s.asked[name])
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendString(b, s)
	}
	return b
}

// UnmarshalBinary makes s what AppendBinary wrote; Header stays nil. An error says that b is nothing of that kind, and s is then not
// to be used. It keeps nothing of b.
func (s *Stored) UnmarshalBinary(b []byte) error {
	if len(b) < 2 || b[0] != encodingVersion || b[1] > flagHeuristic|flagValidate|flagNeverStale {
		return errEncoding
	}
	flags := b[1]
	d := decoder{b: b[2:]}
	*s = Stored{Status: int(d.int())}
	s.Terms = Terms{Lifetime: time.Duration(d.int()), Born: time.Unix(0, d.int()), StaleWhileRevalidate: time.Duration(d.int()), StaleIfError: time.Duration(d.int())}
	s.Terms.Heuristic, s.Terms.Validate, s.Terms.NeverStale = flags&flagHeuristic != 0, flags&flagValidate != 0, flags&flagNeverStale != 0
	s.Part = Part{d.int(), d.int(), d.int()}
	s.VaryKey = d.string()
	s.Vary = d.strings()
	s.asked = http.Header{}
	for n := d.count(); n > 0; n-- {
		name := d.string()
		s.asked[name] = d.strings()
	}
	if d.bad || len(d.b) > 0 {
		return errEncoding
	}
	return nil
}

// decoder takes bytes apart. After an error everything is zero and bad is set.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[size:]
	return n
}

// count is a number of things that have a byte each at least.
func (d *decoder) count() int {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(len(d.b)-size) {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

func (d *decoder) string() string {
	n := d.count()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// strings is nil where there are none.
func (d *decoder) strings() []string {
	var all []string
	for n := d.count(); n > 0; n-- {
		all = append(all, d.string())
	}
	return all
}
