package edge

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"glassine/edge/cache"
)

// hit answers with a stored response. This is the path that must cost nothing: it allocates the request's own values
// (X-Amz-Cf-Id, Age) and what net/http's header map needs, and reads no configuration twice.
func (x *exchange) hit(e *cache.Entry) bool {
	meta := e.Meta.(*stored)
	x.result, x.handled = hitResult(e), handledHit
	if e.Status >= 400 && x.customError(e.Status) {
		return true
	}
	if meta.page != nil {
		x.refuse(meta.page)
		return true
	}
	x.head(e, true)
	return x.respond(e, meta, nil)
}

// hitResult is the result of a hit.
func hitResult(e *cache.Entry) result {
	if e.Status >= 400 {
		return resultError
	}
	return resultHit
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
	x.handled = handledBy(v.How)
	if e.Status >= 400 && x.result != resultLambdaGenerated {
		x.result = resultError
	}
	if e.Status >= 400 && x.customError(e.Status) {
		return true
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
	if !aged {
		for name, lines := range e.Meta.(*stored).once {
			h[name] = lines
		}
	}
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

// respond sends what the request gets of a response whose header is in place. The body comes from v, or is e.Body when v
// is nil.
func (x *exchange) respond(e *cache.Entry, meta *stored, v *cache.View) bool {
	p := x.choose(e, meta)
	h := x.w.Header()
	for name := range h {
		if p.drops(name) {
			delete(h, name)
		}
	}
	switch p.kind {
	case partUnsatisfiable:
		h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(e.Length, 10)}
		h["Content-Length"] = []string{"0"}
		x.result = resultError
		x.identify(h)
	case partRange:
		x.ranged = p.span()
		h["Content-Range"] = []string{"bytes " + x.ranged + "/" + strconv.FormatInt(e.Length, 10)}
		h["Content-Length"] = []string{strconv.FormatInt(p.length, 10)}
	}
	status, answered := x.onViewerResponse(p.status(e))
	if answered {
		return true
	}
	x.start(status)
	switch {
	case x.method == http.MethodHead || p.length == 0:
		return true
	case v != nil:
		return x.stream(v, p.first, p.length)
	}
	x.write(e.Body[p.first : p.first+p.length])
	return true
}

// stream sends length bytes from first of a body that still arrives, all of it when length is -1.
func (x *exchange) stream(v *cache.View, first, length int64) bool {
	whole := length > 0 && first+length == v.Entry.Length
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
	if whole {
		// The end itself: what is to be stored is, before the viewer has all of it and asks again.
		_, _ = v.Next(x.r.Context())
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
	if x.behavior != nil && x.behavior.response != nil && x.result != resultRedirect {
		x.behavior.response.apply(x, x.w.Header())
	}
	if x.edge.cfg.CacheStatus {
		x.cacheStatus(x.w.Header())
	}
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
