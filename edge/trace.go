package edge

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/edge/cache"
	"glassine/iam"
	"glassine/telemetry"
)

// traceAction is what a caller must be allowed to see how requests are answered. The service glassine is this program's own:
// docs/aws-differences.md.
const traceAction = "glassine:TraceRequest"

// TraceRequest is what a trace asks in a viewer's place.
type TraceRequest struct {
	Method string      // GET or HEAD; "" is GET
	URL    string      // absolute, as a viewer would open it
	Header http.Header // more of the request's header
	// KeyOnly goes as far as the lookup in the cache: what the request's key is made of, and whether something fresh is there.
	// Nothing is fetched and no function runs; there is no answer.
	KeyOnly bool
}

// Traced is what a viewer would have got, and how it came about. The body is not kept.
type Traced struct {
	Status int             `json:"status"`
	Header http.Header     `json:"headers"`
	Bytes  int64           `json:"bytes"`  // of the body
	Broken bool            `json:"broken"` // the connection would have been reset
	Trace  telemetry.Trace `json:"trace"`
}

// Trace makes a request as a viewer on this machine would, over a connection that is as good as TLS where the URL is https, and
// returns what came and why. It is a request like any other: functions run, it is logged, and what it fetches is cached. The caller
// needs glassine:TraceRequest on the distribution. Errors: AccessDenied, InvalidArgument.
func (e *Edge) Trace(ctx context.Context, c iam.Caller, t TraceRequest) (Traced, error) {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Traced{}, invalid("%q is no http or https URL.", t.URL)
	}
	resource := "*"
	if s := e.routes.Load().site(u.Host); s != nil {
		resource = e.arn("distribution/" + s.id)
	}
	if err := e.authorize(ctx, c, iam.Ask{Action: traceAction, Resources: []string{resource}}); err != nil {
		return Traced{}, err
	}
	method := or(t.Method, http.MethodGet)
	if method != http.MethodGet && method != http.MethodHead {
		return Traced{}, invalid("A trace is of GET or HEAD, not of %q.", t.Method)
	}
	for name, values := range t.Header {
		for _, value := range values {
			if !validToken(name) || !validValue(value) {
				return Traced{}, invalid("%q is no header that a request can have.", name)
			}
		}
	}
	// What the URL's text says after the host, as a browser sends it: nothing is cleaned or decoded.
	_, target, _ := strings.Cut(strings.SplitN(t.URL, "#", 2)[0], "://")
	if i := strings.IndexAny(target, "/?"); i < 0 {
		target = "/"
	} else if target = target[i:]; target[0] == '?' {
		target = "/" + target
	}
	rec := telemetry.NewRecorder("", e.cfg.Now)
	r := &http.Request{
		Method: method, URL: u, Host: u.Host, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, RemoteAddr: "127.0.0.1:0",
	}
	for name, values := range t.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if u.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, CipherSuite: tls.TLS_AES_128_GCM_SHA256, ServerName: u.Hostname()}
	}
	w := &tracedWriter{header: http.Header{}}
	if t.KeyOnly {
		e.explainKeyOf(w, r.WithContext(telemetry.WithRecorder(ctx, rec)))
		return Traced{Trace: rec.Trace()}, nil
	}
	broken := w.serve(e, r.WithContext(telemetry.WithRecorder(ctx, rec)))
	return Traced{w.status, w.sent, w.bytes, broken, rec.Trace()}, nil
}

// explainKeyOf takes r, whose recorder notes it, through the steps before a fetch.
func (e *Edge) explainKeyOf(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	*x = exchange{edge: e, viewer: viewerOf(r), w: w, r: r, id: requestID(), room: x.room}
	defer x.free()
	x.began = e.cfg.Now()
	x.traced()
	refused, insecure := x.admit()
	x.explainRoute()
	switch {
	case refused != nil:
		x.trace.Fact("glassine.result", strconv.Itoa(refused.status), "it is refused before the cache is asked")
	case insecure:
		x.trace.Fact("glassine.result", string(resultRedirect), "the behavior sends viewers to https")
	case !x.behavior.cached(x.method):
		x.explainUncached()
	default:
		if x.behavior.triggers.atViewerRequest() {
			x.derive() // as if the function left the request as it is
			x.trace.Fact("glassine.cache.key", "", "a function at viewer-request may still change what it is made of")
		}
		k := x.cacheKey()
		x.explainKey()
		x.explainLookup(k)
	}
}

// RecordedTrace returns the trace of a request that was answered, by its X-Amz-Cf-Id. Kept are the last requests that were not
// answered from the cache alone, as many as Config.Traces holds. The caller needs glassine:TraceRequest on every distribution.
// Errors: AccessDenied, NoSuchResource.
func (e *Edge) RecordedTrace(ctx context.Context, c iam.Caller, requestID string) (telemetry.Trace, error) {
	if err := e.authorize(ctx, c, iam.Ask{Action: traceAction, Resources: []string{"*"}}); err != nil {
		return telemetry.Trace{}, err
	}
	t, ok := e.cfg.Traces.Get(requestID)
	if !ok {
		return t, fault.New("NoSuchResource", "There is no trace of the request %s: it was a hit, or it is too long ago.", requestID).WithStatus(http.StatusNotFound)
	}
	return t, nil
}

// LatestTraces returns the traces that RecordedTrace knows, the latest first, at most as many as said. The caller needs what he needs
// there.
func (e *Edge) LatestTraces(ctx context.Context, c iam.Caller, most int) ([]telemetry.Trace, error) {
	if err := e.authorize(ctx, c, iam.Ask{Action: traceAction, Resources: []string{"*"}}); err != nil {
		return nil, err
	}
	return e.cfg.Traces.Latest(max(0, most)), nil
}

// TraceFeed is how requests were answered that changed since the last look, and where to go on from.
type TraceFeed struct {
	Traces []telemetry.Trace `json:"traces"` // the latest change last
	Next   uint64            `json:"next"`
}

// longestWatch bounds how long WatchTraces waits, so that rights that were taken away end it.
const longestWatch = 10 * time.Second

// WatchTraces waits up to that long (10 s at most) for requests that began, went on or ended after the point that an earlier
// call returned, 0 being the beginning, and returns at most that many. While somebody watches, some hits are recorded as well.
// The caller needs what he needs for RecordedTrace.
func (e *Edge) WatchTraces(ctx context.Context, c iam.Caller, after uint64, wait time.Duration, most int) (TraceFeed, error) {
	if err := e.authorize(ctx, c, iam.Ask{Action: traceAction, Resources: []string{"*"}}); err != nil {
		return TraceFeed{}, err
	}
	limited, cancel := context.WithTimeout(ctx, min(max(0, wait), longestWatch))
	defer cancel()
	all, next := e.cfg.Traces.Since(limited, after, max(1, most))
	return TraceFeed{all, next}, ctx.Err()
}

// eventAction is what a caller must be allowed, on a function, to see the events that it was run with: they have its viewers'
// addresses and header fields. The service glassine is this program's own: docs/aws-differences.md.
const eventAction = "glassine:ReadFunctionEvents"

// RecordedEvents returns the events that functions were run with for a request, by its X-Amz-Cf-Id, without credentials, tokens
// and signatures. Beside what RecordedTrace asks, the caller needs glassine:ReadFunctionEvents on each function whose event it is
// to see; the events of others are left out. Errors: AccessDenied when it may see none of those there are, NoSuchResource.
func (e *Edge) RecordedEvents(ctx context.Context, c iam.Caller, requestID string) ([]telemetry.FunctionEvent, error) {
	if err := e.authorize(ctx, c, iam.Ask{Action: traceAction, Resources: []string{"*"}}); err != nil {
		return nil, err
	}
	all, ok := e.cfg.Traces.Events(requestID)
	if !ok {
		return nil, fault.New("NoSuchResource", "There is no trace of the request %s: it was a hit, or it is too long ago.", requestID).WithStatus(http.StatusNotFound)
	}
	seen := []telemetry.FunctionEvent{}
	var refused error
	for _, event := range all {
		if err := e.authorize(ctx, c, iam.Ask{Action: eventAction, Resources: []string{event.Function}}); err != nil {
			refused = err
			continue
		}
		seen = append(seen, event)
	}
	if len(seen) == 0 && refused != nil {
		return nil, refused
	}
	return seen, nil
}

// tracedWriter keeps what a viewer gets, but for the body.
type tracedWriter struct {
	header, sent http.Header
	status       int
	bytes        int64
}

func (w *tracedWriter) Header() http.Header { return w.header }

func (w *tracedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		for name, values := range w.sent {
			if values == nil { // net/http leaves it out
				delete(w.sent, name)
			}
		}
	}
}

func (w *tracedWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.bytes += int64(len(b))
	return len(b), nil
}

// serve answers r into w; true when the answer broke off.
func (w *tracedWriter) serve(e *Edge, r *http.Request) (broken bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // net/http compares so too
				panic(p)
			}
			broken = true
		}
	}()
	e.ServeHTTP(w, r)
	return false
}

// traced takes up the Recorder of a request that Trace makes. Only such a request is explained in full.
func (x *exchange) traced() {
	if x.trace = telemetry.RecorderOf(x.r.Context()); x.trace != nil {
		x.explained, x.point = true, telemetry.PointOf(x.r.Context())
		x.trace.Begun(x.id, x.began)
	}
}

// record begins the trace of a request that costs more than a hit, if such are kept.
func (x *exchange) record() {
	if x.trace != nil || x.edge.cfg.Traces == nil {
		return
	}
	x.startTrace(false)
}

// startTrace begins the trace of a request, which can be watched from now on: what it asks for comes first.
func (x *exchange) startTrace(hit bool) {
	x.trace = telemetry.NewRecorder(x.id, x.edge.cfg.Now)
	x.trace.Begun(x.id, x.began)
	x.r = x.r.WithContext(telemetry.WithRecorder(x.r.Context(), x.trace))
	x.point = telemetry.PointOf(x.r.Context())
	x.introduce()
	x.edge.cfg.Traces.Begin(x.trace, hit)
}

// watchedHit records a hit when somebody watches requests as they come.
func (x *exchange) watchedHit() {
	if x.trace == nil && x.r != nil && x.edge.cfg.Traces.TakeHit() {
		x.startTrace(true)
	}
}

// introduce notes what a request asks for.
func (x *exchange) introduce() {
	t := x.trace
	if x.site != nil {
		t.Fact("glassine.distribution.id", x.site.id, "")
	}
	if x.behavior != nil {
		t.Fact("glassine.behavior", x.behavior.name, "")
	}
	t.Fact("http.request.method", x.method, "")
	t.Fact("server.address", x.host, "")
	t.Fact("url.path", x.asked, "")
	if x.askedQuery != "" {
		t.Fact("url.query", x.askedQuery, "")
	}
	t.Fact("url.scheme", x.scheme(), "")
	t.Fact("client.address", x.clientIP(), "")
	if agent := x.field("User-Agent"); agent != "" {
		t.Fact("user_agent.original", agent, "")
	}
	x.introduced = true
}

// span begins a step of x's request, under which what is fetched from now on is put.
func (x *exchange) span(name string, attributes ...string) *telemetry.ActiveSpan {
	if x.trace == nil {
		return nil
	}
	ctx, s := telemetry.StartSpan(x.r.Context(), name, attributes...)
	x.point = telemetry.PointOf(ctx)
	return s
}

// fetchSpan begins the step of a fetch; what came before it was the lookup.
func (x *exchange) fetchSpan(attributes ...string) *telemetry.ActiveSpan {
	if x.trace != nil && !x.looked {
		x.looked = true
		telemetry.AddSpan(x.r.Context(), "edge.lookup", x.edge.cfg.Now().Sub(x.began))
	}
	return x.span("edge.fetch", attributes...)
}

// conclude notes how x's request, which is over, was answered, and keeps its trace.
func (x *exchange) conclude() {
	t := x.trace
	if t == nil {
		return
	}
	if !x.introduced { // one that Trace made
		t.Fact("url.scheme", x.scheme(), "")
		t.Fact("http.request.method", x.method, "")
		t.Fact("server.address", x.host, "")
		t.Fact("url.path", x.asked, "")
		if x.askedQuery != "" {
			t.Fact("url.query", x.askedQuery, "")
		}
		t.Fact("client.address", x.clientIP(), "")
	}
	t.Fact("http.response.status_code", strconv.Itoa(x.status), "")
	t.Fact("http.response.body.size", strconv.FormatInt(x.sent, 10), "")
	t.Fact("glassine.result", string(x.result), x.detail)
	if x.handled != "" {
		t.Fact("glassine.cache.status", strings.TrimPrefix(string(x.handled), "; "), "as Cache-Status says it (RFC 9211)")
	}
	if !x.firstByte.IsZero() {
		t.Fact("glassine.time_to_first_byte", seconds(x.firstByte.Sub(x.began))+" s", "")
	}
	t.Fact("glassine.time_taken", seconds(x.edge.cfg.Now().Sub(x.began))+" s", "")
	x.edge.cfg.Traces.Add(t)
}

// traceOrigin returns a context in which an HTTP transport tells the spans of a connection that it makes.
func traceOrigin(ctx context.Context) context.Context {
	if telemetry.RecorderOf(ctx) == nil {
		return ctx
	}
	var dns, connect, handshake *telemetry.ActiveSpan // of one dial; with several at once the last counts
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(i httptrace.DNSStartInfo) {
			_, dns = telemetry.StartSpan(ctx, "DNS", "dns.question.name", i.Host)
		},
		DNSDone: func(i httptrace.DNSDoneInfo) { dns.Fail(i.Err) },
		ConnectStart: func(_, address string) {
			_, connect = telemetry.StartSpan(ctx, "connect", "network.peer.address", address)
		},
		ConnectDone:       func(_, _ string, err error) { connect.Fail(err) },
		TLSHandshakeStart: func() { _, handshake = telemetry.StartSpan(ctx, "TLS handshake") },
		TLSHandshakeDone:  func(_ tls.ConnectionState, err error) { handshake.Fail(err) },
	})
}

// storing puts the time in which the cache takes a body, which may go on after the viewer has its answer, into the trace.
func (q *originRequest) storing(ctx context.Context, r *cache.Response) *cache.Response {
	if !r.Store || r.Body == nil {
		return r
	}
	if _, span := telemetry.StartSpan(q.point.Context(ctx), "edge.store"); span != nil {
		r.Body = &tracedBody{ReadCloser: r.Body, span: span}
	}
	return r
}

// tracedBody ends a span when a body was read to its end, or closed.
type tracedBody struct {
	io.ReadCloser
	span *telemetry.ActiveSpan
	n    int64
}

func (b *tracedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	switch {
	case err == io.EOF:
		b.span.End("http.response.body.size", strconv.FormatInt(b.n, 10))
	case err != nil:
		b.span.Fail(err)
	}
	return n, err
}

func (b *tracedBody) Close() error {
	b.span.End("http.response.body.size", strconv.FormatInt(b.n, 10))
	return b.ReadCloser.Close()
}
