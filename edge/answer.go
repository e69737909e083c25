package edge

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"glassine/edge/cache"
)

// hit answers with a stored response. This is the path that must cost nothing: it allocates the request's own values
// (X-Amz-Cf-Id, Age) and what net/http's header map needs, and reads no configuration twice. It is false when the file of the
// body is gone, and nothing was done.
func (x *exchange) hit(e *cache.Entry) (hit, whole bool) {
	var v *cache.View // nil: the body is in memory
	if int64(len(e.Body)) != e.Length {
		if v = e.Open(); v == nil {
			return false, false
		}
		defer v.Close()
	}
	meta := e.Meta.(*stored)
	x.result, x.handled = hitResult(e), handledHit
	if e.Status >= 400 && x.customError(e.Status) {
		return true, true
	}
	if meta.page != nil {
		x.refuse(meta.page)
		return true, true
	}
	x.head(e, true)
	return true, x.respond(e, meta, v)
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
	aged := x.took(v)
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

// took notes what a fetch came to. It reports whether the response is not of this very request, so that it has an age.
func (x *exchange) took(v *cache.View) (aged bool) {
	e := v.Entry
	meta := e.Meta.(*stored)
	aged = true
	switch v.How {
	case cache.Refreshed:
		x.result = resultRefreshHit
	case cache.Filled:
		x.result, aged = meta.result, false
	default:
		if v.How == cache.Shared {
			x.edge.cfg.Metrics.Collapsed()
		}
		// Whoever waited for another's fetch is logged as Hit (CloudFront Developer Guide, "Simultaneous requests for the same
		// object (request collapsing)"), and so is what is served stale because the origin fails.
		x.result = resultHit
	}
	x.handled = handledBy(v.How)
	if e.Status >= 400 && x.result != resultLambdaGenerated {
		x.result = resultError
	}
	return aged
}

// head puts the response's header and the request's own fields into the viewer's header, with Age if it is aged. Values
// are shared, not copied.
func (x *exchange) head(e *cache.Entry, aged bool) {
	h := x.answerHeader()
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
	x.advertise(h)
	return own[:1:1]
}

// respond sends what the request gets of a response whose header is in place. The body comes from v, or is e.Body when v
// is nil.
func (x *exchange) respond(e *cache.Entry, meta *stored, v *cache.View) bool {
	p := x.choose(e, meta)
	if x.begin(p, p.status(e), e.Length) {
		return true
	}
	s := source{entry: e, view: v}
	if p.kind == partSeveral {
		return x.sendSeveral(&s, p.several)
	}
	s.seek(p.first, p.length)
	return x.stream(&s)
}

// begin sends the header of p of a representation of length bytes, whose own header is in place, with the status. It reports
// whether that is all of the answer.
func (x *exchange) begin(p part, status int, length int64) (ended bool) {
	h := x.answerHeader()
	for name := range h {
		if p.drops(name) {
			delete(h, name)
		}
	}
	switch p.kind {
	case partUnsatisfiable:
		h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(length, 10)}
		h["Content-Length"] = []string{"0"}
		x.result = resultError
		x.identify(h)
	case partRange:
		x.ranged = p.span()
		h["Content-Range"] = []string{"bytes " + x.ranged + "/" + strconv.FormatInt(length, 10)}
		h["Content-Length"] = []string{strconv.FormatInt(p.length, 10)}
	case partSeveral:
		p.several.head(h)
	}
	status, answered := x.onViewerResponse(status)
	if answered {
		return true
	}
	x.start(status)
	return x.method == http.MethodHead || p.length == 0
}

// stream sends a run of s; false when it broke off.
func (x *exchange) stream(s *source) bool {
	for {
		data, err := s.next(x.r.Context())
		if err != nil {
			s.finish(x.r.Context())
			return x.ended(err)
		}
		if !x.write(data) {
			return true
		}
		if s.left != 0 {
			x.flush()
		}
	}
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
	if x.edge.cacheStatus() {
		x.cacheStatus(x.w.Header())
	}
	x.pace()
	x.w.WriteHeader(status)
	if x.logged() {
		x.firstByte = x.edge.cfg.Now()
	}
}

// piece is how much of a body is written under one deadline, in bytes.
const piece = 256 << 10

// write sends a part of the body; false when the viewer is gone, or takes nearly nothing.
func (x *exchange) write(b []byte) bool {
	for len(b) > 0 {
		now := b[:min(piece, len(b))]
		b = b[len(now):]
		x.pace()
		n, err := x.w.Write(now)
		x.sent += int64(n)
		if err != nil {
			x.detail = or(x.detail, "ClientCommError")
			return false
		}
	}
	return true
}

// pace gives the viewer Config.StallTimeout for what is written next, and no more than twice that, so that the deadline need not
// be set for every write. Every answer begins with it: what an earlier one on the connection left may have passed.
func (x *exchange) pace() {
	w, ok := x.w.(interface{ SetWriteDeadline(time.Time) error })
	if !ok {
		return
	}
	now, d := time.Now(), x.edge.cfg.StallTimeout // the connection's clock, not Config.Now
	if x.paced.Sub(now) >= d {
		return
	}
	x.paced = now.Add(2 * d)
	_ = w.SetWriteDeadline(x.paced) // of a connection that is gone, which the write says
}

func (x *exchange) flush() {
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush()
	}
}
