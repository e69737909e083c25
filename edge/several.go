package edge

import (
	"net/http"
	"strconv"

	"glassine/edge/rfc9111"
)

// several are several ranges in one answer, multipart/byteranges (RFC 9110, section 14.6).
type several struct {
	parts    []rfc9111.Part
	boundary string
	heads    []string // what is before each part's bytes
}

func newSeveral(parts []rfc9111.Part, contentType string) *several {
	s := &several{parts: parts, boundary: newID("", lowerDigits) + newID("", lowerDigits)}
	line := "\r\n--" + s.boundary + "\r\n"
	if contentType != "" {
		line += "Content-Type: " + contentType + "\r\n"
	}
	for _, p := range parts {
		s.heads = append(s.heads, line+"Content-Range: "+p.String()+"\r\n\r\n")
	}
	return s
}

// tail is what is behind the last part.
func (s *several) tail() string { return "\r\n--" + s.boundary + "--\r\n" }

// head makes h that of the answer. Content-Range is in the parts.
func (s *several) head(h http.Header) {
	n := int64(len(s.tail()))
	for i, p := range s.parts {
		n += int64(len(s.heads[i])) + p.Length()
	}
	h["Content-Type"] = []string{"multipart/byteranges; boundary=" + s.boundary}
	h["Content-Length"] = []string{strconv.FormatInt(n, 10)}
}

// sendSeveral sends parts of the body that src has; false when it broke off.
func (x *exchange) sendSeveral(src *source, s *several) bool {
	for i, run := range s.parts {
		if !x.write([]byte(s.heads[i])) {
			return true
		}
		src.seek(run.First, run.Length())
		before := x.sent
		if !x.stream(src) {
			return false
		}
		if x.sent < before+run.Length() {
			return true // the viewer is gone
		}
	}
	x.write([]byte(s.tail()))
	return true
}
