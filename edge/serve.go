package edge

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"glassine/edge/cache"
	"glassine/telemetry"
)

// exchange is one request and its answer. On a connection that runs a loop of our own, a request that cannot be answered
// from memory has two: the loop's, which leaves nothing behind, and the handler's.
type exchange struct {
	edge *Edge
	viewer
	w    http.ResponseWriter // nil in the loop
	r    *http.Request       // nil in the loop
	loop looped              // nil in ServeHTTP

	hints *interim // nil: no interim responses are passed on

	id          string    // "" in the loop unless there is an access log
	began       time.Time // with the wall clock's and, if Config.Now has it, the monotonic reading
	path, query string    // raw, of the request line; path with the root object in place of "/", query as derive left it
	asked       string    // path before that
	askedQuery  string    // query before that
	site        *site     // nil: none
	behavior    *behavior

	status     int
	sent       int64 // bytes of the body
	firstByte  time.Time
	result     result
	detail     string // "": result says it all
	ranged     string // "start-end" of a 206
	handled    handling
	broken     bool                // the body of an error page broke off
	upstream   *upstream           // nil unless Server-Timing may be sent
	trace      *telemetry.Recorder // nil: nothing is recorded
	explained  bool                // trace is to say why, too
	introduced bool                // trace has what is asked for
	looked     bool                // trace has the lookup
	point      telemetry.Point     // where in trace the next steps are
	paced      time.Time           // the write deadline as it was set; zero: it was not

	came       *came       // what the origin answered to a request for a slice, not taken yet; or nil
	forwards   http.Header // forwarded's, once it was asked for
	sentHeader lines       // the viewer's own, where a function changed it; else nil

	room
}

// room is what an exchange keeps for the next one.
type room struct {
	key   []byte      // of the cache key
	block []byte      // of the answer's status line and header, in the loop
	made  http.Header // of the request's header for those who want it as a map, in the loop
	shard uint32      // of the counters that it counts on
}

var exchanges = sync.Pool{New: func() any {
	return &exchange{room: room{key: make([]byte, 0, 512), block: make([]byte, 0, 1024), made: http.Header{}, shard: rand.Uint32()}}
}}

// ServeHTTP answers a viewer. The steps are those of a request's path in docs/architecture.md.
// It panics with http.ErrAbortHandler when a body broke off on its way, so that the viewer's connection is reset and
// nobody takes the part for the whole.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	*x = exchange{edge: e, viewer: viewerOf(r), w: w, r: r, id: requestID(), room: x.room}
	x.began = e.cfg.Now()
	x.traced()
	whole := x.serve() && !x.broken
	if x.logged() {
		if x.sentHeader != nil {
			x.header = x.sentHeader
		}
		e.log(x)
	}
	x.count()
	x.meter()
	x.conclude()
	x.free()
	if !whole {
		panic(http.ErrAbortHandler)
	}
}

// free gives x back.
func (x *exchange) free() {
	*x = exchange{room: x.room}
	exchanges.Put(x)
}

// serve answers the request. It returns false when the body broke off.
func (x *exchange) serve() bool {
	e := x.edge
	p, insecure := x.admit()
	x.explainRoute()
	switch {
	case p != nil:
		x.refuse(p)
		return true
	case insecure:
		x.redirect()
		return true
	}
	if answered, whole := x.onViewerRequest(); answered {
		return whole
	}
	x.hints = x.newInterim()
	if !x.behavior.cached(x.method) {
		x.explainUncached()
		return x.pass()
	}
	k := x.cacheKey()
	x.explainKey()
	x.explainLookup(k)
	if x.behavior.rfc != nil {
		return x.byRFC9111()
	}
	if entry := e.cache.Find(k); entry != nil && x.matches(entry) {
		x.watchedHit()
		if hit, whole := x.hit(entry); hit {
			return whole
		}
	}
	if answered, whole := x.bySlices(k); answered {
		return whole
	}
	defer func() { _ = x.came.Close() }() // of a body that nobody took
	return x.fetch(k)
}

// admit takes the request through the steps before the cache: it finds distribution and behavior, and makes what the
// behavior derives. It returns the page that refuses the request, or true when its answer is the redirect to https.
func (x *exchange) admit() (refused *page, insecure bool) {
	if !x.target() {
		return pageBadRequest, false
	}
	routes := x.edge.routes.Load()
	x.site = routes.site(x.host)
	if p := x.refusal(); p != nil {
		return p, false
	}
	if x.tls != nil && x.astray(routes) {
		return pageNoSite, false
	}
	b := x.site.behavior(x.path)
	x.behavior = b
	if x.tls == nil && b.protocol != "allow-all" {
		if b.protocol == "https-only" {
			return pageHTTPS, false
		}
		return nil, true
	}
	if !b.allows(x.method) {
		return pageMethod, false
	}
	if x.method == http.MethodGet && x.body {
		// CloudFront Developer Guide, "Request and response behavior for custom origins", "GET requests that include a body".
		return pageBody, false
	}
	if x.asked == "/" && x.site.root != "" {
		x.path = x.site.root
	}
	if x.site.geo != nil && x.site.geo.blocks(x) {
		return pageGeo, false
	}
	if p := x.signature(); p != nil {
		return p, false
	}
	if !b.triggers.atViewerRequest() {
		x.derive() // else that is for after the function
	}
	return nil, false
}

// cacheKey is the key of an admitted request. It is valid while x is.
func (x *exchange) cacheKey() cache.Key {
	k := x.behavior.policy.appendKey(x.key[:0], x.site.domain, x.path, x.query, &x.viewer)
	x.key = k.Bytes
	return k
}

// cached reports whether requests with the method are answered from the cache.
func (b *behavior) cached(method string) bool {
	return b.caching && (method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions && b.options && b.rfc == nil)
}

// target takes path and query from the request line as they are, be it in origin or absolute form (RFC 9112, section
// 3.2); false when there is no path or it has characters that a request line cannot have.
func (x *exchange) target() bool {
	t := x.uri
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
	switch {
	case len(x.uri) > viewerURL, len(x.method)+len(x.uri)+len(" HTTP/1.1\r\n")+x.header.Size() > requestLimit:
		return pageTooLarge
	case x.site == nil || !x.site.enabled:
		return pageNoSite
	}
	// A request that came through two distributions does not go through a third.
	passed := 0
	for _, line := range x.header.Values("Via") {
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
	x.record()
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
	return x.passOn(o)
}

// passOn sends a response of the origin's side to the viewer, with no cache between.
func (x *exchange) passOn(o *origination) bool {
	e := x.edge
	defer o.resp.Body.Close()
	if x.behavior.rfc != nil {
		x.outdated(o)
		if answered, whole := x.storePost(o); answered {
			return whole
		}
	}
	r := e.response(x.behavior, x.site, o)
	x.result, x.handled = r.Meta.(*stored).result, handledBypass
	if r.Status >= 400 && x.customError(r.Status) {
		return true
	}
	if r.Status >= 400 && x.result == resultMiss {
		x.result = resultError
	}
	h := x.answerHeader()
	for name, values := range r.Header {
		h[name] = values
	}
	x.identify(h)
	unsniffed(h)
	status, answered := x.onViewerResponse(r.Status)
	if answered {
		return true
	}
	x.start(status)
	if x.method == http.MethodHead {
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
