package edge

import (
	"glassine/edge/rfc9111"
)

// rangeKind is what becomes of a Range header.
type rangeKind int

const (
	rangeIgnored       rangeKind = iota // the whole is sent
	rangeSome                           // 206
	rangeUnsatisfiable                  // 416
)

// mostRanges is how many ranges a request may name, so that a short one does not cost a long answer (RFC 9110, section 17.15).
const mostRanges = 32

// parseRange reads a Range on a representation of size bytes and returns what can be sent of it: ranges that begin behind the end
// do not count unless all do (RFC 9110, section 14.1.2). Another unit, what is malformed, and ranges that overlap or do not
// ascend are ignored (CloudFront Developer Guide, "How CloudFront processes partial requests for an object (range GETs)").
func parseRange(s string, size int64) ([]rfc9111.Part, rangeKind) {
	ranges, ok := rfc9111.ParseRange(s, mostRanges)
	if !ok {
		return nil, rangeIgnored
	}
	var parts []rfc9111.Part
	for _, r := range ranges {
		p, ok := r.Resolve(size)
		if !ok {
			continue
		}
		if len(parts) > 0 && p.First <= parts[len(parts)-1].Last {
			return nil, rangeIgnored
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, rangeUnsatisfiable
	}
	return parts, rangeSome
}
