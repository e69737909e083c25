package rfc9111

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Part is a run of bytes of a representation: First and Last are its first and last byte, Total is the whole length, -1 while that
// is not known.
type Part struct{ First, Last, Total int64 }

// Length is how many bytes it has.
func (a Part) Length() int64 { return a.Last - a.First + 1 }

// String is a as Content-Range has it.
func (a Part) String() string {
	total := "*"
	if a.Total >= 0 {
		total = strconv.FormatInt(a.Total, 10)
	}
	return fmt.Sprintf("bytes %d-%d/%s", a.First, a.Last, total)
}

// errContentRange is all that can be wrong with a Content-Range.
var errContentRange = errors.New("not a Content-Range of bytes")

// ParseContentRange reads the Content-Range of a 206 (RFC 9110, section 14.4). "bytes */n", which a 416 has, is an error.
func ParseContentRange(s string) (Part, error) {
	rest, ok := strings.CutPrefix(s, "bytes ")
	run, total, ok2 := strings.Cut(rest, "/")
	first, last, ok3 := strings.Cut(run, "-")
	if !ok || !ok2 || !ok3 {
		return Part{}, errContentRange
	}
	a := Part{Total: -1}
	var fine [3]bool
	a.First, fine[0] = parseOffset(first)
	a.Last, fine[1] = parseOffset(last)
	fine[2] = total == "*"
	if !fine[2] {
		a.Total, fine[2] = parseOffset(total)
	}
	if fine != [3]bool{true, true, true} || a.Last < a.First || a.Total >= 0 && a.Last >= a.Total {
		return Part{}, errContentRange
	}
	return a, nil
}

func parseOffset(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < 1<<62
}

// parsePosition is parseOffset for what a viewer asks: of digits that are too many it makes the last position there can be.
func parsePosition(s string) (int64, bool) {
	n, ok := parseOffset(s)
	if !ok && s != "" && strings.Trim(s, "0123456789") == "" {
		return lastPosition, true
	}
	return n, ok
}

// lastPosition is behind the end of everything, and can be added to.
const lastPosition = 1<<62 - 1

// Range is one range of a Range field. First is -1 for the last Last bytes; Last is -1 for all from First on.
type Range struct{ First, Last int64 }

// ParseRange reads a Range field of bytes (RFC 9110, section 14.2). False: it is to be ignored, as if it were not there; it is
// malformed, of another unit, or has more than most ranges.
func ParseRange(s string, most int) ([]Range, bool) {
	unit, set, ok := strings.Cut(s, "=")
	if !ok || !strings.EqualFold(strings.Trim(unit, " \t"), "bytes") {
		return nil, false
	}
	var out []Range
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue
		}
		first, last, ok := strings.Cut(spec, "-")
		if !ok || len(out) == most {
			return nil, false
		}
		r := Range{-1, -1}
		okFirst, okLast := true, true
		if first != "" {
			r.First, okFirst = parsePosition(first)
		}
		if last != "" {
			r.Last, okLast = parsePosition(last)
		}
		if !okFirst || !okLast || first == "" && last == "" || r.First >= 0 && r.Last >= 0 && r.Last < r.First {
			return nil, false
		}
		out = append(out, r)
	}
	return out, len(out) > 0
}

// Resolve returns what r is of a representation of total bytes. False: it cannot be satisfied (416; RFC 9110, section 15.5.17).
func (r Range) Resolve(total int64) (Part, bool) {
	switch {
	case r.First < 0 && (r.Last <= 0 || total == 0), r.First >= total:
		return Part{}, false
	case r.First < 0:
		return Part{max(0, total-r.Last), total - 1, total}, true
	case r.Last < 0:
		return Part{r.First, total - 1, total}, true
	}
	return Part{r.First, min(r.Last, total-1), total}, true
}

// Within returns the part of the representation that r asks for, if the stored part a holds all of it (RFC 9111, section 3.3). A
// range that runs to the end, or counts from it, needs a known total.
func (r Range) Within(a Part) (Part, bool) {
	want := Part{r.First, r.Last, a.Total}
	if a.Total >= 0 {
		var ok bool
		if want, ok = r.Resolve(a.Total); !ok {
			return Part{}, false
		}
	}
	if want.First < a.First || want.Last < want.First || want.Last > a.Last {
		return Part{}, false
	}
	return want, true
}

// Combinable tells whether responses with headers a and b have parts of one representation: both have the same strong entity
// tag (RFC 9110, section 15.3.7.3; RFC 9111, section 3.4). Dates do not count: they are weak where two changes can share a second.
func Combinable(a, b http.Header) bool {
	tag := strongTag(a)
	return tag != "" && tag == strongTag(b)
}

// Union returns the part that a and b make together. False: bytes would be missing between them, or their totals differ.
func (a Part) Union(b Part) (Part, bool) {
	if a.Total >= 0 && b.Total >= 0 && a.Total != b.Total || a.First > b.Last+1 || b.First > a.Last+1 {
		return Part{}, false
	}
	return Part{min(a.First, b.First), max(a.Last, b.Last), max(a.Total, b.Total)}, true
}

// Complete returns the fields of a request for the rest of s, a stored part, so that it becomes a whole: Range, and If-Range with
// its strong entity tag. nil: s is no part that begins the representation, or has no such tag, and then nothing may be
// combined with it (RFC 9111, section 3.3).
func (s *Stored) Complete() http.Header {
	tag := strongTag(s.Header)
	if s.Status != http.StatusPartialContent || s.Part.First != 0 || tag == "" || s.Part.Last+1 == s.Part.Total {
		return nil
	}
	return http.Header{
		"Range":    {"bytes=" + strconv.FormatInt(s.Part.Last+1, 10) + "-"},
		"If-Range": {tag},
	}
}

// IfRange tells whether a Range in request h still holds for a response with header stored (RFC 9110, section 13.1.5): there is no
// If-Range, or it has the same strong entity tag, or the same date, and that date is at least a second before Date.
func IfRange(h, stored http.Header) bool {
	lines := h["If-Range"]
	if len(lines) == 0 {
		return true
	}
	if strings.HasPrefix(lines[0], `"`) || strings.HasPrefix(lines[0], "W/") {
		return lines[0] == strongTag(stored)
	}
	modified, err := http.ParseTime(stored.Get("Last-Modified"))
	made, err2 := http.ParseTime(stored.Get("Date"))
	asked, err3 := http.ParseTime(lines[0])
	return err == nil && err2 == nil && err3 == nil && asked.Equal(modified) && made.Sub(modified) >= 1e9
}
