package edge

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glassine/edge/cache"
	"glassine/edge/compress"
	"glassine/telemetry"
)

// originRequest is one request to an origin, before and after the origin-request function changed it. It holds nothing
// of the viewer's request that lives no longer than that does, except Body.
type originRequest struct {
	site                  *site
	onRequest, onResponse *trigger // functions of the origin events; nil: none

	id       string // X-Amz-Cf-Id, config.requestId of the event
	clientIP string
	method   string
	uri      string // raw, with its leading slash, without the origin's path
	query    string // raw, without the question mark
	host     string // Host header
	header   http.Header
	body     io.Reader // nil: none
	length   int64     // of body, -1 unknown

	target   target
	attempts int
	signer   *originSigner   // nil: nothing signs what goes to an S3 target
	fallback *fallback       // nil: there is no other origin
	upstream *upstream       // nil: nobody wants the times
	hints    *interim        // nil: nobody wants interim responses
	point    telemetry.Point // where in a trace its steps are

	accepted     compress.Accepted
	viewerScheme string
}

// target is the origin that a request goes to.
type target struct {
	s3               bool
	region           string // of an s3 target
	domain, path     string
	scheme           string
	port             int
	custom           []HeaderField
	sslProtocols     []string
	connect, read    time.Duration
	keepaliveTimeout int // seconds; shown to functions only
}

func newTarget(o *Origin, viewerScheme string) target {
	t := target{
		domain: o.DomainName, path: o.Path, custom: o.CustomHeaders, scheme: "https", port: 443,
		connect: time.Duration(o.ConnectionTimeout) * time.Second,
	}
	if o.S3 != nil {
		// Always TLS, where CloudFront takes the viewer's scheme: docs/aws-differences.md.
		t.s3, t.read, t.keepaliveTimeout = true, time.Duration(o.S3.ReadTimeout)*time.Second, 5
		t.region, _ = s3Region(o.DomainName)
		return t
	}
	t.sslProtocols, t.read, t.keepaliveTimeout = o.Custom.SSLProtocols, time.Duration(o.Custom.ReadTimeout)*time.Second, o.Custom.KeepaliveTimeout
	t.port = o.Custom.HTTPSPort
	if o.Custom.ProtocolPolicy == "http-only" || o.Custom.ProtocolPolicy == "match-viewer" && viewerScheme == "http" {
		t.scheme, t.port = "http", o.Custom.HTTPPort
	}
	return t
}

// newOriginRequest makes what goes to the origin for a viewer's request: what the cache key holds, and what CloudFront
// adds. CloudFront Developer Guide, "Request and response behavior for custom origins".
func (x *exchange) newOriginRequest() *originRequest {
	b := x.behavior
	q := &originRequest{
		site: x.site, onRequest: b.triggers.originRequest, onResponse: b.triggers.originResponse, id: x.id, clientIP: x.clientIP(),
		method: x.method, uri: strings.Clone(x.path), query: string(b.policy.appendQuery(nil, x.query)),
		host: b.origin.DomainName, header: http.Header{},
		target: newTarget(b.origin, x.scheme()), attempts: b.origin.ConnectionAttempts, signer: b.signer,
	}
	q.fallback, q.viewerScheme, q.point, q.hints = b.fallback, x.scheme(), x.point, x.hints
	if b.compress {
		q.accepted = x.accepted()
	}
	if b.response != nil && b.response.timing >= 0 {
		x.upstream = newUpstream()
		q.upstream = x.upstream
	}
	h := q.header
	h.Set("User-Agent", "Amazon CloudFront")
	for _, name := range b.policy.headers {
		if name == "Host" {
			q.host = x.host
		} else if values := x.header.Values(name); len(values) > 0 {
			h[name] = append([]string(nil), values...)
		}
	}
	if !b.policy.cookies.none() {
		if cookies := string(b.policy.appendCookies(nil, x.header.Values("Cookie"))); cookies != "" {
			h.Set("Cookie", cookies)
		}
	}
	if encoding := b.policy.encoding(&x.viewer); encoding != "" {
		h.Set("Accept-Encoding", encoding)
	}
	if b.forward != nil {
		b.forward.apply(x, q)
	}
	forwarded := append(append([]string(nil), x.header.Values("X-Forwarded-For")...), q.clientIP)
	h.Set("X-Forwarded-For", strings.Join(forwarded, ", "))
	h.Set("Via", strings.Join(append(append([]string(nil), x.header.Values("Via")...), x.edge.brand.viaFrom(x.version())), ", "))
	return q
}

// forFill makes q fetch what the cache stores: a HEAD is fetched as GET, so that the answer can serve both and a function
// that signs only GET is enough: docs/aws-differences.md. stale, if any, is revalidated.
func (q *originRequest) forFill(stale *cache.Entry) {
	if q.method == http.MethodHead {
		q.method = http.MethodGet
	}
	if stale == nil {
		return
	}
	if etag := stale.Header.Get("Etag"); etag != "" {
		q.header.Set("If-None-Match", etag)
	}
	if modified := stale.Header.Get("Last-Modified"); modified != "" {
		q.header.Set("If-Modified-Since", modified)
	}
}

// forPass makes q carry what a request that is not cached carries besides: the viewer's conditions, range and body.
func (q *originRequest) forPass(r *http.Request) {
	for _, name := range []string{
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range",
		"Content-Type", "Content-Encoding", "Content-Language",
	} {
		if values := r.Header[name]; len(values) > 0 {
			q.header[name] = values
		}
	}
	if r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0 {
		q.body, q.length = r.Body, r.ContentLength
	}
}

// request makes the HTTP request. The target's path comes before the URI; both go out as they are.
func (q *originRequest) request() *http.Request {
	t := &q.target
	authority := t.domain
	if t.scheme == "https" && t.port != 443 || t.scheme == "http" && t.port != 80 {
		authority = net.JoinHostPort(t.domain, itoa(t.port))
	}
	r := &http.Request{
		Method: q.method, URL: rawURL(t.scheme, authority, t.path+q.uri, q.query), Host: or(q.host, t.domain),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: q.header.Clone(),
	}
	for _, f := range t.custom {
		r.Header.Set(f.Name, f.Value)
	}
	r.Header.Set("X-Amz-Cf-Id", q.id)
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // net/http would send its own
	}
	if q.body != nil {
		r.Body, r.ContentLength = io.NopCloser(q.body), q.length
	}
	return r
}

// rawURL returns a URL whose RequestURI is path and query exactly as given, so that "a//b", "%7E" and "%2F" stay what
// the viewer sent and the function signed.
func rawURL(scheme, authority, path, query string) *url.URL {
	u := &url.URL{Scheme: scheme, Host: authority, RawQuery: query}
	if p, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = p, path
		if u.EscapedPath() == path {
			return u
		}
		u.RawPath = ""
	}
	u.Opaque = path // which RequestURI prefers to Path
	if strings.HasPrefix(path, "//") {
		// An opaque part that begins so is taken for an authority; the absolute form says the same to any server
		// (RFC 9112, section 3.2.2).
		u.Opaque = "//" + authority + path
	}
	return u
}
