package edge

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"glassine/edge/cache"
)

// hit answers with a stored response. This is the path that must cost nothing: it allocates the request's own values
// (X-Amz-Cf-Id, Age) and what net/http's header map needs, and reads no configuration twice.
func (x *exchange) hit(e *cache.Entry) bool {
	meta := e.Meta.(*stored)
	if x.result = resultHit; e.Status >= 400 {
		x.result = resultError
	}
	if meta.page != nil {
		x.refuse(meta.page)
		return true
	}
	x.head(e, true)
	return x.respond(e, meta, nil)
}

// view answers with what a fetch brought.
func (x *exchange) view(v *cache.View) bool {
	e := v.Entry
	meta := e.Meta.(*stored)
	aged := true
	switch v.How {
	case cache.Refreshed:
		x.result = resultRefreshHit
	case cache.Filled:
		x.result, aged = meta.result, false
	default:
		// Whoever waited for another's fetch is logged as Hit (CloudFront Developer Guide, "Simultaneous requests for the same
		// object (request collapsing)"), and so is what is served stale because the origin fails.
		x.result = resultHit
	}
	if e.Status >= 400 && x.result != resultLambdaGenerated {
		x.result = resultError
	}
	if meta.page != nil {
		x.refuse(meta.page)
		return true
	}
	x.head(e, aged)
	if v.Complete() {
		v = nil
	}
	return x.respond(e, meta, v)
}

// head puts the response's header and the request's own fields into the viewer's header, with Age if it is aged. Values
// are shared, not copied.
func (x *exchange) head(e *cache.Entry, aged bool) {
	h := x.w.Header()
	for _, f := range e.Header.Fields() {
		h[f.Name] = f.Values
	}
	if h["Content-Length"] == nil && e.Length >= 0 && e.Status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.FormatInt(e.Length, 10)}
	}
	own := x.identify(h)
	unsniffed(h)
	if aged {
		own[0] = strconv.FormatInt(e.Age(x.edge.cfg.Now()), 10)
		h["Age"] = own[:1:1]
	}
}

// unsniffed keeps net/http from guessing a Content-Type that the origin did not send.
func unsniffed(h http.Header) {
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil
	}
}

// identify sets the fields that every answer has. It returns room for one more value of the request's own.
func (x *exchange) identify(h http.Header) []string {
	b := x.edge.brand
	own := []string{"", x.id}
	h["X-Cache"] = b.xCache[x.result]
	h["X-Amz-Cf-Pop"] = b.pop
	h["X-Amz-Cf-Id"] = own[1:]
	return own[:1:1]
}

// respond evaluates the viewer's conditions and range on a response whose header is in place, and sends it. The body
// comes from v, or is e.Body when v is nil.
func (x *exchange) respond(e *cache.Entry, meta *stored, v *cache.View) bool {
	r := x.r
	if e.Status == http.StatusOK && x.unmodified(e, meta) {
		h := x.w.Header()
		for name := range h {
			// RFC 9110, section 15.4.5: the fields that a 304 has are those that tell a cache what it needs.
			if strings.HasPrefix(name, "Content-") && name != "Content-Location" {
				delete(h, name)
			}
		}
		x.start(http.StatusNotModified)
		return true
	}
	first, length := int64(0), e.Length
	status := e.Status
	if line := r.Header["Range"]; len(line) == 1 && status == http.StatusOK && length >= 0 && r.Method == http.MethodGet && x.ifRange(e, meta) {
		start, n, kind := parseRange(line[0], length)
		switch kind {
		case rangeUnsatisfiable:
			return x.unsatisfiable(length)
		case rangeOne:
			first, length, status = start, n, http.StatusPartialContent
			h := x.w.Header()
			x.ranged = strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(first+length-1, 10)
			h["Content-Range"] = []string{"bytes " + x.ranged + "/" + strconv.FormatInt(e.Length, 10)}
			h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
		}
	}
	x.start(status)
	switch {
	case r.Method == http.MethodHead:
		return true
	case v != nil:
		return x.stream(v, first, length)
	}
	x.write(e.Body[first : first+length])
	return true
}

// unmodified evaluates If-None-Match, or If-Modified-Since in its absence (RFC 9110, section 13.2.2). If-Match and
// If-Unmodified-Since are for origins (RFC 9111, section 4.3.2).
func (x *exchange) unmodified(e *cache.Entry, meta *stored) bool {
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		return false
	}
	if lines := x.r.Header["If-None-Match"]; len(lines) > 0 {
		return matchesETag(lines, e.Header.Get("Etag"))
	}
	lines := x.r.Header["If-Modified-Since"]
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
	lines := x.r.Header["If-Range"]
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

// unsatisfiable answers 416. CloudFront does not say what it sends with it; this is what RFC 9110, section 15.5.17 asks.
func (x *exchange) unsatisfiable(length int64) bool {
	h := x.w.Header()
	for name := range h {
		if strings.HasPrefix(name, "Content-") {
			delete(h, name)
		}
	}
	h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(length, 10)}
	h["Content-Length"] = []string{"0"}
	x.result = resultError
	x.identify(h)
	x.start(http.StatusRequestedRangeNotSatisfiable)
	return true
}

// stream sends length bytes from first of a body that still arrives, all of it when length is -1.
func (x *exchange) stream(v *cache.View, first, length int64) bool {
	for length != 0 {
		data, err := v.Next(x.r.Context())
		if err != nil {
			return x.ended(err)
		}
		if first > 0 {
			skip := min(first, int64(len(data)))
			data, first = data[skip:], first-skip
		}
		if length > 0 {
			data = data[:min(length, int64(len(data)))]
			length -= int64(len(data))
		}
		if len(data) == 0 {
			continue
		}
		if !x.write(data) {
			return true
		}
		if length != 0 {
			x.flush()
		}
	}
	return true
}

// ended reports whether a body's end was its real one.
func (x *exchange) ended(err error) bool {
	if errors.Is(err, io.EOF) {
		return true
	}
	x.result, x.detail = resultError, "OriginReadError"
	if x.r.Context().Err() != nil {
		x.detail = "ClientCommError"
	}
	return false
}

// start sends the status line with the header.
func (x *exchange) start(status int) {
	x.status = status
	x.w.WriteHeader(status)
	if x.edge.access != nil {
		x.firstByte = x.edge.cfg.Now()
	}
}

// write sends a part of the body; false when the viewer is gone.
func (x *exchange) write(b []byte) bool {
	n, err := x.w.Write(b)
	x.sent += int64(n)
	if err != nil && x.detail == "" {
		x.detail = "ClientCommError"
	}
	return err == nil
}

func (x *exchange) flush() {
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush()
	}
}
