package edge

import (
	"bytes"
	"net/http"
	"os"
	"strconv"
	"strings"

	"glassine/edge/cache"
	"glassine/edge/http1"
	"glassine/edge/http2"
)

// looped is a request as a connection's loop has it, an http1.Request or an http2.Request.
type looped interface {
	lines
	AddTo(h http.Header)
	Takes(n int64) bool
	Write(head, body []byte) (int64, error)
	WriteFile(head []byte, f *os.File, offset, length int64) (int64, error)
}

// Answer answers a request whose answer is in memory, its body perhaps in a file, fresh and whole, and leaves every other to ServeHTTP, which then
// answers as if Answer had not been asked: both take a request through the same steps, and what they send for a hit is the
// same to the byte. It makes an Edge the Responder of an http1.Server. A hit that is sent whole allocates nothing, unless
// there is an access log or the distribution has a standard log.
func (e *Edge) Answer(r *http1.Request) bool {
	return e.answer(r, viewer{
		method: r.Method, uri: r.Target, host: r.Host, remote: r.Remote, proto: "HTTP/1.1", major: 1, minor: 1, tls: r.TLS, header: r,
	})
}

// AnswerHTTP2 is Answer for a request of HTTP/2, whose answer is the same field by field. It makes an Edge the Responder of
// an http2.Server.
func (e *Edge) AnswerHTTP2(r *http2.Request) bool {
	return e.answer(r, viewer{
		method: r.Method, uri: r.Target, host: r.Host, remote: r.Remote, proto: "HTTP/2.0", major: 2, tls: r.TLS, header: r,
	})
}

func (e *Edge) answer(r looped, v viewer) bool {
	x := exchanges.Get().(*exchange)
	*x = exchange{edge: e, viewer: v, loop: r, room: x.room}
	defer x.free()
	if e.access != nil || e.cfg.Metrics != nil || e.routes.Load().logged {
		x.began = e.cfg.Now()
	}
	if !x.answer() {
		return false
	}
	if x.logged() {
		e.log(x)
	}
	x.countLooped()
	x.meter()
	return true
}

// answer sends the stored response; false when there is more to it than sending. Whatever a behavior comes to do to hits is
// either refused here or done by appendHead; TestLoopAnswersAsServeHTTP has a row for each.
func (x *exchange) answer() bool {
	if p, insecure := x.admit(); p != nil || insecure || !x.behavior.cached(x.method) || x.behavior.response != nil || x.behavior.triggers.atViewer() || x.edge.cacheStatus() || x.edge.cfg.Traces.WantsHits() {
		return false
	}
	e := x.edge.cache.Find(x.cacheKey())
	if e == nil {
		return false
	}
	meta := e.Meta.(*stored)
	if e.Status >= 400 && len(x.site.pages) > 0 || !meta.plain || e.Status == http.StatusNoContent {
		return false
	}
	var file *cache.View // nil: the body is in memory
	if int64(len(e.Body)) != e.Length {
		if file = e.Open(); file == nil {
			return false
		}
		defer file.Close()
	}
	p := x.choose(e, meta)
	if p.kind == partUnsatisfiable || p.kind == partSeveral || x.method != http.MethodHead && !x.loop.Takes(p.length) {
		return false
	}
	x.result = hitResult(e)
	if p.kind == partRange {
		x.ranged = p.span()
	}
	logged := x.logged()
	if logged {
		x.id = requestID()
	}
	x.status = p.status(e)
	head := x.appendHead(x.block[:0], e, p)
	x.block = head
	if logged {
		x.firstByte = x.edge.cfg.Now()
	}
	if err := x.sendLoop(head, e, file, p); err != nil {
		x.detail = "ClientCommError"
	}
	return true
}

// sendLoop sends head, and p of the body, which is in file unless that is nil.
func (x *exchange) sendLoop(head []byte, e *cache.Entry, file *cache.View, p part) (err error) {
	switch {
	case x.method == http.MethodHead || p.length == 0:
		x.sent, err = x.loop.Write(head, nil)
	case file != nil:
		f, at, _ := file.File()
		x.sent, err = x.loop.WriteFile(head, f, at+p.first, p.length)
	default:
		x.sent, err = x.loop.Write(head, e.Body[p.first:p.first+p.length])
	}
	return err
}

// own are the fields that an answer has of its own, in their order among the others.
var own = [...]string{"Age", "Alt-Svc", "Content-Length", "Content-Range", "X-Amz-Cf-Id", "X-Amz-Cf-Pop", "X-Cache"}

// appendHead appends status line and header of an aged stored response: what head and respond put into net/http's map,
// written as net/http does, names in their order. The stored lines are copied in as few pieces as there are.
func (x *exchange) appendHead(b []byte, e *cache.Entry, p part) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(x.status), 10), ' ')
	b = append(append(b, http.StatusText(x.status)...), "\r\n"...)
	lines := e.Header.Block()
	from, at, next := 0, 0, 0
	for _, f := range e.Header.Fields() {
		for next < len(own) && own[next] < f.Name {
			b = x.appendOwn(append(b, lines[from:at]...), own[next], e, p)
			from = at
			next++
		}
		end := at
		for _, value := range f.Values {
			end += len(f.Name) + len(value) + len(": \r\n")
		}
		switch {
		case next < len(own) && own[next] == f.Name && (p.kind == partWhole && strings.HasPrefix(f.Name, "Content-") || f.Name == "Alt-Svc" && x.advertises() == nil):
			next++ // theirs stays
		case next < len(own) && own[next] == f.Name, p.drops(f.Name):
			b = append(b, lines[from:at]...)
			from = end
		}
		at = end
	}
	b = append(b, lines[from:at]...)
	for ; next < len(own); next++ {
		b = x.appendOwn(b, own[next], e, p)
	}
	return b
}

// appendOwn appends the line of one of own, if the answer has it.
func (x *exchange) appendOwn(b []byte, name string, e *cache.Entry, p part) []byte {
	begin := len(b)
	b = append(append(b, name...), ": "...)
	switch name {
	case "Age":
		b = strconv.AppendInt(b, e.Age(x.edge.cfg.Now()), 10)
	case "Alt-Svc":
		lines := x.advertises()
		if lines == nil {
			return b[:begin]
		}
		b = append(b, lines[0]...)
	case "Content-Length":
		if p.kind == partNothing {
			return b[:begin]
		}
		b = strconv.AppendInt(b, p.length, 10)
	case "Content-Range":
		if p.kind != partRange {
			return b[:begin]
		}
		b = append(append(b, "bytes "...), x.ranged...)
		b = strconv.AppendInt(append(b, '/'), e.Length, 10)
	case "X-Amz-Cf-Id":
		if x.id == "" {
			b = appendRequestID(b)
		} else {
			b = append(b, x.id...)
		}
	case "X-Amz-Cf-Pop":
		b = append(b, x.edge.brand.pop[0]...)
	case "X-Cache":
		b = append(b, x.edge.brand.xCache[x.result][0]...)
	}
	return append(b, "\r\n"...)
}

// headSize is how many bytes the answer's header has as HTTP/1.1 writes it.
func (x *exchange) headSize() int {
	if x.loop == nil {
		return headerSize(x.w.Header())
	}
	return len(x.block) - bytes.IndexByte(x.block, '\n') - 1
}

// answered returns the first value of a field of the answer, or "".
func (x *exchange) answered(name string) string {
	if x.loop == nil {
		return x.w.Header().Get(name)
	}
	_, value, _ := bytes.Cut(x.block, []byte("\r\n"+name+": "))
	value, _, _ = bytes.Cut(value, []byte("\r\n"))
	return string(value)
}

// writable reports whether a header can be written as it is. net/http leaves out fields whose name is none and trims and
// mends values, which what comes from an origin over the wire does not need, but a handler or a function may.
func writable(h http.Header) bool {
	for name, values := range h {
		if !validToken(name) {
			return false
		}
		for _, value := range values {
			if !validValue(value) || value != "" && (strings.IndexByte(" \t", value[0]) >= 0 || strings.IndexByte(" \t", value[len(value)-1]) >= 0) {
				return false
			}
		}
	}
	return true
}

var (
	_ http1.Responder = (*Edge)(nil)
	_ http2.Responder = (*Edge)(nil)
)
