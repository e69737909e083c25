package edge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"glassine/edge/cache"
	"glassine/edge/rfc9111"
)

// origination is what came of a request to the origin side: a response, of the origin or of a function, or a page that
// says why there is none.
type origination struct {
	resp   *http.Response // nil: page says why; the receiver closes its body
	page   *page
	result result // Miss, or LambdaGeneratedResponse
}

func (o *origination) status() int {
	if o.page != nil {
		return o.page.status
	}
	return o.resp.StatusCode
}

// stored is what the edge keeps with a cached response.
type stored struct {
	page     *page     // the body is this page, made anew for each viewer
	result   result    // of the request that filled it
	modified time.Time // Last-Modified, or zero
	// plain: who asks for it may have it as it is. There is no page, its header can be written so, and nothing of the request
	// but the key matters.
	plain bool

	vary    []string // fields beside the key that chose it, in canonical spelling, sorted; nil: none
	varyKey string   // what they were: rfc9111.Policy.VaryKey

	rfc  *rfc9111.Stored // its terms, without its header, where RFC 9111 rules; else nil
	once http.Header     // more of the header, for who asked for it only; nil: none
}

// originate runs the origin-request function, if there is one, then asks the origin, and runs the origin-response function on its answer. An error says that ctx ended.
func (e *Edge) originate(ctx context.Context, q *originRequest) (*origination, error) {
	if q.fallback != nil {
		return e.failover(ctx, q)
	}
	if q.onRequest != nil {
		g, p := e.triggerRequest(ctx, q, q.onRequest)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case p != nil:
			return &origination{page: p}, nil
		case g != nil:
			return &origination{resp: g.response(), result: resultLambdaGenerated}, nil //nolint:bodyclose // its receiver does
		}
	}
	resp, err := e.send(ctx, q)
	switch {
	case ctx.Err() != nil:
		if resp != nil {
			resp.Body.Close()
		}
		return nil, context.Cause(ctx)
	case err != nil:
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "origin failed", slog.String("request", q.id), slog.String("distribution", q.site.id),
			slog.String("error", err.Error()))
		return &origination{page: originPage(err)}, nil
	}
	o := &origination{resp: resp, result: resultMiss}
	if q.onResponse != nil {
		return e.originated(ctx, q, o)
	}
	return o, nil
}

// originPage is the page for an origin that did not answer.
// CloudFront Developer Guide, "Troubleshoot error response status codes in CloudFront".
func originPage(err error) *page {
	var dns *net.DNSError
	var op *net.OpError
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || ok && timeout.Timeout():
		return &page{
			504, resultError, "OriginCommError",
			"CloudFront attempted to establish a connection with the origin, but either the attempt failed or the origin closed the connection.",
		}
	case errors.Is(err, errHeaderTooBig):
		return &page{502, resultError, "OriginHeaderTooBigError", "The origin returned headers that are too large."}
	case errors.As(err, &dns):
		return &page{502, resultError, "OriginDnsError", "CloudFront wasn't able to resolve the origin domain name."}
	case errors.As(err, &op) && op.Op == "dial":
		return &page{502, resultError, "OriginConnectError", "CloudFront wasn't able to connect to the origin."}
	}
	return &page{502, resultError, "OriginCommError", "CloudFront wasn't able to connect to the origin."}
}

// fill returns the fill of x's request for the cache. It may run after the viewer left.
func (x *exchange) fill() cache.Fill {
	if x.behavior.rfc != nil {
		return x.fillByRFC(x.cacheRequest(), false)
	}
	e, b, site, q := x.edge, x.behavior, x.site, x.newOriginRequest()
	sent := q.header.Clone()
	return func(ctx context.Context, stale *cache.Entry) (*cache.Response, error) {
		q.forFill(stale)
		o, err := e.originate(ctx, q)
		if err != nil {
			return nil, err
		}
		status := o.status()
		switch {
		case stale != nil && status == http.StatusNotModified:
			o.resp.Body.Close()
			return e.revalidated(b, site, stale, o.resp, sent), nil
		case o.page != nil:
			ttl := site.errorMin(status)
			return failure(site, &cache.Response{
				Status: status, Meta: &stored{page: o.page, result: o.page.result}, Length: 0,
				TTL: ttl, Store: ttl > 0, Share: true,
			}), nil
		}
		r := e.response(b, site, o)
		r.Meta.(*stored).chosen(b, e.cfg.Strict, r.Header, sent)
		return q.compressed(b, failure(site, r)), nil
	}
}

// failure is r, which what is stored stands in for when r is an error of the origin's side; that is not tried again for as long
// as the error would be kept, and nobody waits for it meanwhile (CloudFront Developer Guide, "How CloudFront caches HTTP 4xx and
// 5xx status codes from your origin").
func failure(site *site, r *cache.Response) *cache.Response {
	if r.Status >= 500 {
		r.Failed, r.Retry = true, max(site.errorMin(r.Status), 1)
	}
	return r
}

// chosen notes by which fields of the request, sent to the origin with the header sent, the response with header h was chosen.
func (m *stored) chosen(b *behavior, strict Strict, h, sent http.Header) {
	if strict.Vary {
		return
	}
	if m.vary = b.varies(h); m.vary != nil {
		m.varyKey, m.plain = varying.VaryKey(m.vary, sent), false
	}
}

// response makes what is cached of an origin's or function's response.
func (e *Edge) response(b *behavior, site *site, o *origination) *cache.Response {
	h := o.resp.Header
	if h.Get("Date") == "" {
		h.Set("Date", e.cfg.Now().UTC().Format(http.TimeFormat))
	}
	status := o.resp.StatusCode
	l := b.ttl.judge(e.cfg.Strict, status, h, site.errorMin(status))
	if unbounded(o.resp) && !e.cfg.Strict.Truncated {
		l.store = false
	}
	age := max(0, parseSeconds(h.Get("Age"), 0))
	tags := site.cacheTags(h)
	e.clean(h, b)
	if o.resp.ContentLength >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		h.Set("Content-Length", itoa(int(o.resp.ContentLength)))
	}
	meta := &stored{result: o.result, plain: writable(h)}
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	return &cache.Response{
		Status: status, Header: h, Meta: meta, Body: o.resp.Body, Length: o.resp.ContentLength,
		TTL: l.ttl, Age: time.Duration(age) * time.Second, Store: l.store, Share: l.share, Tags: tags,
		StaleWhileRevalidate: l.staleWhile, StaleIfError: l.staleError,
	}
}

// unbounded reports whether a body ends where the connection does, with nothing to tell whether that is its end (RFC 9112,
// section 6.3, item 8).
func unbounded(r *http.Response) bool {
	return r.ProtoMajor == 1 && r.ContentLength < 0 && len(r.TransferEncoding) == 0 && r.Close
}

// revalidated makes what is cached of a 304: the stored response under the new header fields, without those that
// describe the stored bytes (RFC 9111, section 3.2).
func (e *Edge) revalidated(b *behavior, site *site, stale *cache.Entry, resp *http.Response, sent http.Header) *cache.Response {
	h := http.Header(stale.Header.Map())
	delete(h, "Via") // clean adds it again
	for name, values := range resp.Header {
		switch name {
		case "Content-Encoding", "Content-Length", "Content-Md5", "Content-Range", "Transfer-Encoding":
		default:
			h[name] = values
		}
	}
	keepCoding(h, stale)
	if tag := stale.Header.Get("Etag"); tag != "" {
		h["Etag"] = []string{tag} // it was what the condition named
	}
	if resp.Header.Get("Date") == "" {
		h.Set("Date", e.cfg.Now().UTC().Format(http.TimeFormat))
	}
	l := b.ttl.judge(e.cfg.Strict, stale.Status, h, site.errorMin(stale.Status))
	age := max(0, parseSeconds(resp.Header.Get("Age"), 0))
	e.clean(h, b)
	meta := &stored{result: resultMiss, plain: writable(h)}
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	meta.chosen(b, e.cfg.Strict, h, sent)
	return &cache.Response{
		Status: stale.Status, Header: h, Meta: meta, Reuse: stale,
		TTL: l.ttl, Age: time.Duration(age) * time.Second, Store: l.store, Share: l.share,
		StaleWhileRevalidate: l.staleWhile, StaleIfError: l.staleError,
	}
}

// clean takes out of an origin's response header what does not reach viewers, and adds our Via.
// CloudFront Developer Guide, "Request and response behavior for custom origins", "Response behavior for custom origins".
func (e *Edge) clean(h http.Header, b *behavior) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "X-Cache", "Age",
	} {
		delete(h, name)
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Cf-") || strings.HasPrefix(name, "X-Edge-") {
			delete(h, name)
		}
	}
	if !b.forwardsCookies() {
		// Cookies that are not forwarded are not handed out either: whoever comes next would get them from the cache.
		delete(h, "Set-Cookie")
	}
	if vary := b.keptVary(h["Vary"]); b.rfc != nil {
		// All of it: viewers are caches too.
	} else if vary == "" {
		delete(h, "Vary")
	} else {
		h["Vary"] = []string{vary}
	}
	h["Via"] = []string{strings.Join(append(h["Via"], e.brand.via...), ", ")}
}

// keptVary returns what of an origin's Vary viewers see: the names that can vary the answer, being in the key.
func (b *behavior) keptVary(lines []string) string {
	var kept []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			switch name = http.CanonicalHeaderKey(strings.TrimSpace(name)); {
			case name == "*", name == "Accept-Encoding", name == "Cookie" && b.forwardsCookies(), b.policy.has(name), b.forward.sends(name):
				kept = append(kept, name)
			}
		}
	}
	return strings.Join(kept, ", ")
}
