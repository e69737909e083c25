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

// originate runs the origin-request function, if there is one, then asks the origin, and runs the origin-response function on its answer. An error says that ctx ended.
func (e *Edge) originate(ctx context.Context, q *originRequest) (*origination, error) {
	ctx = q.point.Context(ctx)
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

// fetching is what a fill needs of the request that began it, which it may outlive. It is for one fill.
type fetching struct {
	edge     *Edge
	behavior *behavior
	site     *site
	q        *originRequest
	sent     http.Header // of q, before functions change it
	personal bool        // what comes may be meant for this viewer alone
}

func (x *exchange) newFetching() *fetching {
	q := x.newOriginRequest()
	return &fetching{x.edge, x.behavior, x.site, q, q.header.Clone(), !x.edge.strict().Authorization && q.personal(x.behavior)}
}

// clone returns a copy for another fill.
func (f *fetching) clone() *fetching {
	g, q := *f, *f.q
	q.header = q.header.Clone()
	g.q = &q
	return &g
}

// fill returns the fill of x's request for the cache. It may run after the viewer left. key is where it stores.
func (x *exchange) fill(key cache.Key) cache.Fill {
	if x.behavior.rfc != nil {
		return x.fillByRFC(x.cacheRequest(), false)
	}
	f, came := x.newFetching(), x.came
	pieces := x.inSlices(key, f)
	return func(ctx context.Context, stale *cache.Entry) (*cache.Response, error) {
		f.q.forFill(stale)
		o := came.take()
		if o == nil && stale == nil && pieces != nil {
			if r := pieces.whole(ctx, false); r != nil {
				return r, nil
			}
		}
		if o == nil {
			var err error
			if o, err = f.edge.originate(ctx, f.q); err != nil {
				return nil, err
			}
		}
		r := f.cached(o, stale)
		if pieces != nil && r.Store && r.Status == http.StatusOK && r.Length > f.edge.cache.MaxObject() && takesRanges(o.resp.Header) {
			if whole := pieces.whole(ctx, true); whole != nil {
				r.Body.Close()
				return whole, nil
			}
		}
		return f.q.storing(ctx, f.q.compressed(f.behavior, r)), nil
	}
}

// takesRanges reports whether a response's header says that its origin serves ranges of it which go together.
func takesRanges(h http.Header) bool {
	return strings.EqualFold(h.Get("Accept-Ranges"), "bytes") && validator(h.Get) != ""
}

// cached makes what is cached of an answer, which may be that stale is good as it is.
func (f *fetching) cached(o *origination, stale *cache.Entry) *cache.Response {
	e, status := f.edge, o.status()
	switch {
	case stale != nil && status == http.StatusNotModified:
		o.resp.Body.Close()
		r := e.revalidated(f.behavior, f.site, stale, o.resp, f.sent)
		if f.personal {
			unshared(e.strict(), r)
		}
		return r
	case o.page != nil:
		ttl := f.site.errorMin(status)
		return failure(f.site, &cache.Response{
			Status: status, Meta: &stored{page: o.page, result: o.page.result}, Length: 0,
			TTL: ttl, Store: ttl > 0, Share: true,
		})
	}
	r := e.response(f.behavior, f.site, o)
	r.Meta.(*stored).chosen(f.behavior, e.strict(), r.Header, f.sent)
	if f.personal {
		unshared(e.strict(), r)
	}
	return failure(f.site, r)
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
	l := b.ttl.judge(e.strict(), status, h, site.errorMin(status))
	if unbounded(o.resp) && !e.strict().Truncated {
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
	status := stale.Status
	if stale.Meta.(*stored).slice != nil {
		status = http.StatusOK // its header is the whole's
	}
	l := b.ttl.judge(e.strict(), status, h, site.errorMin(status))
	age := max(0, parseSeconds(resp.Header.Get("Age"), 0))
	e.clean(h, b)
	meta := &stored{result: resultMiss, plain: writable(h)}
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	meta.chosen(b, e.strict(), h, sent)
	return &cache.Response{
		Status: stale.Status, Header: h, Meta: meta, Reuse: stale,
		TTL: l.ttl, Age: time.Duration(age) * time.Second, Store: l.store, Share: l.share,
		StaleWhileRevalidate: l.staleWhile, StaleIfError: l.staleError,
	}
}

// clean takes out of an origin's response header what does not reach viewers, and adds our Via.
// CloudFront Developer Guide, "Request and response behavior for custom origins", "Response behavior for custom origins".
func (e *Edge) clean(h http.Header, b *behavior) {
	dropHop(h)
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

// dropHop takes out of an origin's header what is of the hop to it alone, and what only the edge says.
func dropHop(h http.Header) {
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
