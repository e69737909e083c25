package edge

import (
	"net/http"
	"slices"
	"strconv"

	"glassine/edge/cache"
	"glassine/edge/rfc9111"
)

// What came for a request with a Range is stored under a key of its own, so that a part is never given for the whole: there is
// at most one, the latest. Where RFC 9111 rules only; otherwise a range that is not stored fetches the whole.

// partKey is where the answer to a request with a Range is stored.
func partKey(k cache.Key) cache.Key {
	return cache.Key{Bytes: append(slices.Clone(k.Bytes), "\x00part"...), Path: k.Path}
}

// wantsPart reports whether x's request is for one range of bytes, and which.
func (x *exchange) wantsPart() (rfc9111.Range, bool) {
	lines := x.header.Values("Range")
	if x.method != http.MethodGet || len(lines) != 1 {
		return rfc9111.Range{}, false
	}
	ranges, ok := rfc9111.ParseRange(lines[0], 1)
	if !ok {
		return rfc9111.Range{}, false
	}
	return ranges[0], true
}

// within returns what e, stored under a partKey, gives of the range. A whole response gives what it gives to any request.
func (x *exchange) within(e *cache.Entry, s *rfc9111.Stored, r rfc9111.Range) (rfc9111.Part, bool) {
	if e.Status != http.StatusPartialContent {
		return rfc9111.Part{}, true
	}
	for _, name := range conditional {
		if name != "Range" && len(x.header.Values(name)) > 0 {
			return rfc9111.Part{}, false // they are about the whole, which is the origin's to judge
		}
	}
	return r.Within(s.Part)
}

// givePart answers with a part of a stored part. It is false when the file of that is gone, and nothing was done.
func (x *exchange) givePart(e *cache.Entry, held, p rfc9111.Part) (hit, whole bool) {
	v := e.Open()
	if v == nil {
		return false, false
	}
	defer v.Close()
	x.result, x.handled = resultHit, handledHit
	x.head(e, true)
	x.ranged = strconv.FormatInt(p.First, 10) + "-" + strconv.FormatInt(p.Last, 10)
	h := x.answerHeader()
	h["Content-Range"] = []string{p.String()}
	h["Content-Length"] = []string{strconv.FormatInt(p.Length(), 10)}
	x.start(http.StatusPartialContent)
	first := p.First - held.First
	s := source{entry: e, view: v}
	s.seek(first, p.Length())
	return true, x.stream(&s)
}

// storable reports whether a response may be stored as what it says to be. A part must have the length that its Content-Range
// says, and be where parts are.
func (f *rfcFill) storable(s *rfc9111.Stored, length int64) bool {
	return s.Status != http.StatusPartialContent || f.part && length == s.Part.Length()
}
