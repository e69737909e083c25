package edge

import (
	"strconv"
	"strings"
)

// rangeKind is what becomes of a Range header.
type rangeKind int

const (
	rangeIgnored       rangeKind = iota // the whole is sent
	rangeOne                            // 206
	rangeUnsatisfiable                  // 416
)

// parseRange reads a Range of one byte range on a representation of size bytes (RFC 9110, section 14.1.2). Several
// ranges, another unit, and what is malformed are ignored (ibid., section 14.2; CloudFront Developer Guide, "How
// CloudFront processes partial requests for an object (range GETs)").
func parseRange(s string, size int64) (start, length int64, kind rangeKind) {
	unit, spec, ok := strings.Cut(s, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return 0, 0, rangeIgnored
	}
	from, to, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return 0, 0, rangeIgnored
	}
	first, hasFirst, ok1 := position(from)
	last, hasLast, ok2 := position(to)
	switch {
	case !ok1 || !ok2 || !hasFirst && !hasLast || hasFirst && hasLast && last < first:
		return 0, 0, rangeIgnored
	case !hasFirst:
		if last == 0 || size == 0 {
			return 0, 0, rangeUnsatisfiable
		}
		n := min(last, size)
		return size - n, n, rangeOne
	case first >= size:
		return 0, 0, rangeUnsatisfiable
	case !hasLast || last >= size:
		last = size - 1
	}
	return first, last - first + 1, rangeOne
}

// position reads the digits of a byte position; a number too large for an int64 is the largest one.
func position(s string) (n int64, given, ok bool) {
	if s == "" {
		return 0, false, true
	}
	if strings.Trim(s, "0123456789") != "" {
		return 0, false, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = 1<<63 - 1
	}
	return n, true, true
}
