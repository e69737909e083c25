package edge

import (
	"net/http"
	"strconv"
	"strings"

	"glassine/edge/cache"
)

// part is what of a stored response a request gets.
type part struct {
	kind          partKind
	first, length int64    // of the body; length is -1 while that of the whole is unknown
	several       *several // of partSeveral
}

type partKind int

const (
	partWhole         partKind = iota // the response as it is
	partRange                         // 206
	partSeveral                       // 206 with several ranges
	partNothing                       // 304
	partUnsatisfiable                 // 416
)

// choose evaluates the viewer's conditions and range on a stored response.
func (x *exchange) choose(e *cache.Entry, meta *stored) part {
	if e.Status != http.StatusOK {
		return part{length: e.Length}
	}
	return x.chooseOf(e, meta, e.Length)
}

// chooseOf is choose for a representation of length bytes, -1 while that is not known, with e's header.
func (x *exchange) chooseOf(e *cache.Entry, meta *stored, length int64) part {
	whole := part{length: length}
	if x.unmodified(e, meta) {
		return part{kind: partNothing}
	}
	line := x.header.Values("Range")
	if len(line) != 1 || length < 0 || x.method != http.MethodGet || !x.ifRange(e, meta) {
		return whole
	}
	switch parts, kind := parseRange(line[0], length); kind {
	case rangeUnsatisfiable:
		// CloudFront does not say what it sends with it; what we send is what RFC 9110, section 15.5.17 asks.
		return part{kind: partUnsatisfiable}
	case rangeSome:
		if len(parts) == 1 {
			return part{kind: partRange, first: parts[0].First, length: parts[0].Length()}
		}
		return part{kind: partSeveral, length: length, several: newSeveral(parts, e.Header.Get("Content-Type"))}
	}
	return whole
}

// status is the answer's.
func (p part) status(e *cache.Entry) int {
	switch p.kind {
	case partRange, partSeveral:
		return http.StatusPartialContent
	case partNothing:
		return http.StatusNotModified
	case partUnsatisfiable:
		return http.StatusRequestedRangeNotSatisfiable
	}
	return e.Status
}

// drops reports whether the answer goes without a field of the stored response.
func (p part) drops(name string) bool {
	switch {
	case p.kind == partWhole || p.kind == partRange || p.kind == partSeveral || !strings.HasPrefix(name, "Content-"):
		return false
	case p.kind == partNothing:
		// RFC 9110, section 15.4.5: the fields that a 304 has are those that tell a cache what it needs.
		return name != "Content-Location"
	}
	return true
}

// span is the range as Content-Range has it.
func (p part) span() string {
	return strconv.FormatInt(p.first, 10) + "-" + strconv.FormatInt(p.first+p.length-1, 10)
}

// unmodified evaluates If-None-Match, or If-Modified-Since in its absence (RFC 9110, section 13.2.2). If-Match and
// If-Unmodified-Since are for origins (RFC 9111, section 4.3.2).
func (x *exchange) unmodified(e *cache.Entry, meta *stored) bool {
	if x.method != http.MethodGet && x.method != http.MethodHead {
		return false
	}
	if lines := x.header.Values("If-None-Match"); len(lines) > 0 {
		return matchesETag(lines, e.Header.Get("Etag"))
	}
	lines := x.header.Values("If-Modified-Since")
	if len(lines) != 1 || meta.modified.IsZero() {
		return false
	}
	since, err := http.ParseTime(lines[0])
	return err == nil && !meta.modified.After(since)
}

// matchesETag compares an If-None-Match with an entity tag, weakly (RFC 9110, section 13.1.2). It looks for the tag in
// each comma-separated element; a comma inside a tag is respected.
func matchesETag(lines []string, etag string) bool {
	opaque := strings.TrimPrefix(etag, "W/")
	for _, line := range lines {
		for line != "" {
			line = strings.TrimLeft(line, " \t,")
			if strings.HasPrefix(line, "*") {
				return true
			}
			line = strings.TrimPrefix(line, "W/")
			if !strings.HasPrefix(line, `"`) {
				break
			}
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				break
			}
			if line[:end+2] == opaque {
				return true
			}
			line = line[end+2:]
		}
	}
	return false
}

// ifRange reports whether a range applies: there is no If-Range, or it names this very representation (RFC 9110, section
// 13.1.5: strong comparison).
func (x *exchange) ifRange(e *cache.Entry, meta *stored) bool {
	lines := x.header.Values("If-Range")
	switch {
	case len(lines) == 0:
		return true
	case len(lines) > 1:
		return false
	case strings.HasPrefix(lines[0], `"`):
		return lines[0] == e.Header.Get("Etag")
	}
	at, err := http.ParseTime(lines[0])
	return err == nil && at.Equal(meta.modified)
}
