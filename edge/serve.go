package edge

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"glassine/edge/cache"
)

// exchange is one request and its answer.
type exchange struct {
	edge *Edge
	w    http.ResponseWriter
	r    *http.Request

	id          string
	began       time.Time // with the wall clock's and, if Config.Now has it, the monotonic reading
	path, query string    // raw, of the request line; path with the root object in place of "/", query as derive left it
	asked       string    // path before that
	askedQuery  string    // query before that
	site        *site     // nil: none
	behavior    *behavior

	status    int
	sent      int64 // bytes of the body
	firstByte time.Time
	result    result
	detail    string // "": result says it all
	ranged    string // "start-end" of a 206

	key []byte // room for the cache key, kept between requests
}

var exchanges = sync.Pool{New: func() any { return &exchange{key: make([]byte, 0, 512)} }}

// ServeHTTP answers a viewer. The steps are those of a request's path in docs/architecture.md.
// It panics with http.ErrAbortHandler when a body broke off on its way, so that the viewer's connection is reset and
// nobody takes the part for the whole.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	*x = exchange{edge: e, w: w, r: r, id: requestID(), key: x.key[:0]}
	if e.access != nil {
		x.began = e.cfg.Now()
	}
	whole := x.serve()
	if e.access != nil {
		e.access.line(x)
	}
	*x = exchange{key: x.key[:0]}
	exchanges.Put(x)
	if !whole {
		panic(http.ErrAbortHandler)
	}
}

// serve answers the request. It returns false when the body broke off.
func (x *exchange) serve() bool {
	e, r := x.edge, x.r
	if !x.target() {
		x.refuse(pageBadRequest)
		return true
	}
	x.site = e.routes.Load().site(r.Host)
	if p := x.refusal(); p != nil {
		x.refuse(p)
		return true
	}
	b := x.site.behavior(x.path)
	x.behavior = b
	if r.TLS == nil && b.protocol != "allow-all" {
		if b.protocol == "https-only" {
			x.refuse(pageHTTPS)
		} else {
			x.redirect()
		}
		return true
	}
	if !b.allowed[r.Method] {
		x.refuse(pageMethod)
		return true
	}
	if r.Method == http.MethodGet && (r.ContentLength > 0 || len(r.TransferEncoding) > 0) {
		// CloudFront Developer Guide, "Request and response behavior for custom origins", "GET requests that include a body".
		x.refuse(pageBody)
		return true
	}
	if x.asked == "/" && x.site.root != "" {
		x.path = x.site.root
	}
	x.derive()
	if !b.cached(r.Method) {
		return x.pass()
	}
	k := b.policy.appendKey(x.key[:0], x.site.domain, x.path, x.query, r)
	x.key = k.Bytes
	if entry := e.cache.Lookup(k); entry != nil {
		return x.hit(entry)
	}
	view, err := e.cache.Fetch(r.Context(), k, x.fill())
	if err != nil {
		return x.unfetched(err)
	}
	defer view.Close()
	return x.view(view)
}

// cached reports whether requests with the method are answered from the cache.
func (b *behavior) cached(method string) bool {
	return b.caching && (method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions && b.options)
}

// target takes path and query from the request line as they are, be it in origin or absolute form (RFC 9112, section
// 3.2); false when there is no path or it has characters that a request line cannot have.
func (x *exchange) target() bool {
	t := x.r.RequestURI
	if !strings.HasPrefix(t, "/") {
		_, rest, ok := strings.Cut(t, "://")
		if !ok {
			return false
		}
		i := strings.IndexAny(rest, "/?")
		if i < 0 {
			rest, i = "/", 0
		}
		if t = rest[i:]; t[0] == '?' {
			t = "/" + t
		}
	}
	x.path, x.query, _ = strings.Cut(t, "?")
	x.asked, x.askedQuery = x.path, x.query
	return validPath(x.path) && validQuery(x.query)
}

// The largest request line with header, and URL, in bytes. CloudFront Developer Guide, "Quotas".
const (
	requestLimit = 20480
	viewerURL    = 8192
)

// refusal returns why the request is refused whatever its behavior, or nil.
func (x *exchange) refusal() *page {
	r := x.r
	switch {
	case len(r.RequestURI) > viewerURL, len(r.Method)+len(r.RequestURI)+len(" HTTP/1.1\r\n")+headerSize(r.Header) > requestLimit:
		return pageTooLarge
	case x.site == nil || !x.site.enabled:
		return pageNoSite
	}
	// A request that came through two distributions does not go through a third.
	passed := 0
	for _, line := range r.Header["Via"] {
		passed += strings.Count(line, " (CloudFront)") + strings.Count(line, ".glassine (glassine)")
	}
	if passed >= 2 {
		return pageLoop
	}
	return nil
}

// unfetched answers a request whose fetch failed.
func (x *exchange) unfetched(err error) bool {
	switch {
	case x.r.Context().Err() != nil:
		// The viewer left; nobody reads an answer. The log says 000 (CloudFront Developer Guide, "Standard log file fields").
		x.result, x.detail = resultError, "ClientCommError"
		return false
	case errors.Is(err, cache.ErrBusy):
		x.refuse(pageBusy)
	default:
		x.edge.cfg.Log.LogAttrs(x.r.Context(), slog.LevelError, "fetch failed", slog.String("request", x.id), slog.String("error", err.Error()))
		x.refuse(pageDown)
	}
	return true
}

// pass sends the request to the origin and its answer to the viewer, with no cache between.
func (x *exchange) pass() bool {
	e, q := x.edge, x.newOriginRequest()
	q.forPass(x.r)
	o, err := e.originate(x.r.Context(), q)
	switch {
	case err != nil:
		return x.unfetched(err)
	case o.page != nil:
		x.refuse(o.page)
		return true
	}
	defer o.resp.Body.Close()
	r := e.response(x.behavior, x.site, o)
	x.result = r.Meta.(*stored).result
	if r.Status >= 400 && x.result == resultMiss {
		x.result = resultError
	}
	h := x.w.Header()
	for name, values := range r.Header {
		h[name] = values
	}
	x.identify(h)
	unsniffed(h)
	x.start(r.Status)
	if x.r.Method == http.MethodHead {
		return true
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := o.resp.Body.Read(buf)
		if n > 0 && !x.write(buf[:n]) {
			return true
		}
		if err != nil {
			return x.ended(err)
		}
		x.flush()
	}
}

// clientIP is the viewer's address without its port.
func (x *exchange) clientIP() string {
	if host, _, err := net.SplitHostPort(x.r.RemoteAddr); err == nil {
		return host
	}
	return x.r.RemoteAddr
}

func (x *exchange) scheme() string {
	if x.r.TLS != nil {
		return "https"
	}
	return "http"
}

// version is the viewer's HTTP version as Via has it.
func (x *exchange) version() string {
	if x.r.ProtoMajor >= 2 {
		return itoa(x.r.ProtoMajor) + ".0"
	}
	return strings.TrimPrefix(x.r.Proto, "HTTP/")
}
