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

	"glassine/aws/fault"
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

// stored is what the edge keeps with a cached response.
type stored struct {
	page       *page  // the body is this page, made anew for each viewer
	result     result // of the request that filled it
	neverStale bool
	modified   time.Time // Last-Modified, or zero
	plain      bool      // the header can be written as it is, and there is no page
}

// originate runs the origin-request function, if there is one, and then asks the origin. An error says that ctx ended.
func (e *Edge) originate(ctx context.Context, q *originRequest) (*origination, error) {
	if q.fallback != nil {
		return e.failover(ctx, q)
	}
	if q.function != "" {
		g, p := e.trigger(ctx, q)
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
	return &origination{resp: resp, result: resultMiss}, nil
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

// functionTimeout is the longest that a function of an origin event may take.
// CloudFront Developer Guide, "Quotas on Lambda@Edge".
const functionTimeout = 30 * time.Second

// trigger runs the origin-request function, which changes q or makes a response; a page says that it failed.
func (e *Edge) trigger(ctx context.Context, q *originRequest) (*generated, *page) {
	warn := func(message string, err error) {
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, message, slog.String("request", q.id), slog.String("distribution", q.site.id),
			slog.String("function", q.function), slog.String("error", err.Error()))
	}
	failed := &page{
		503, resultLambdaFailed, string(resultLambdaFailed),
		"The Lambda function associated with the CloudFront distribution is invalid or doesn't have the required permissions.",
	}
	event, err := q.event()
	if err != nil {
		warn("origin-request event could not be made", err)
		return nil, failed
	}
	limited, cancel := context.WithTimeout(ctx, functionTimeout)
	defer cancel()
	answer, err := e.cfg.Invoker.InvokeEdge(limited, q.function, event)
	if fault.Is(err, "TooManyRequestsException") {
		warn("origin-request function was throttled", err)
		return nil, &page{
			503, resultLambdaThrottled, string(resultLambdaThrottled),
			"The Lambda function associated with the CloudFront distribution was throttled.",
		}
	}
	if err != nil {
		warn("origin-request function failed", err)
		return nil, failed
	}
	g, err := q.apply(answer)
	if err != nil {
		warn("origin-request function's answer is not valid", err)
		return nil, &page{502, resultLambdaInvalid, string(resultLambdaInvalid), err.Error()}
	}
	return g, nil
}

// fill returns the fill of x's request for the cache. It may run after the viewer left.
func (x *exchange) fill() cache.Fill {
	e, b, site, q := x.edge, x.behavior, x.site, x.newOriginRequest()
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
			return e.revalidated(b, site, stale, o.resp), nil
		case stale != nil && status >= 500 && !stale.Meta.(*stored).neverStale:
			// What is stored must do, for as long as the error would be kept (CloudFront Developer Guide, "How CloudFront
			// caches HTTP 4xx and 5xx status codes from your origin").
			if o.resp != nil {
				o.resp.Body.Close()
			}
			return &cache.Response{
				Status: stale.Status, Header: stale.Header.Map(), Meta: stale.Meta, Reuse: stale, Kept: true,
				TTL: site.errorMin(status), Age: e.cfg.Now().Sub(stale.Since()), Store: true, Share: true,
			}, nil
		case o.page != nil:
			ttl := site.errorMin(status)
			return &cache.Response{
				Status: status, Meta: &stored{page: o.page, result: o.page.result}, Length: 0,
				TTL: ttl, Store: ttl > 0, Share: true,
			}, nil
		}
		return e.response(b, site, o), nil
	}
}

// response makes what is cached of an origin's or function's response.
func (e *Edge) response(b *behavior, site *site, o *origination) *cache.Response {
	h := o.resp.Header
	if h.Get("Date") == "" {
		h.Set("Date", e.cfg.Now().UTC().Format(http.TimeFormat))
	}
	status := o.resp.StatusCode
	l := b.ttl.judge(status, h, site.errorMin(status))
	age := max(0, parseSeconds(h.Get("Age"), 0))
	tags := site.cacheTags(h)
	e.clean(h, b)
	if o.resp.ContentLength >= 0 && status != http.StatusNoContent && status != http.StatusNotModified {
		h.Set("Content-Length", itoa(int(o.resp.ContentLength)))
	}
	meta := &stored{result: o.result, neverStale: l.neverStale, plain: writable(h)}
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	return &cache.Response{
		Status: status, Header: h, Meta: meta, Body: o.resp.Body, Length: o.resp.ContentLength,
		TTL: l.ttl, Age: time.Duration(age) * time.Second, Store: l.store, Share: l.share, Tags: tags,
	}
}

// revalidated makes what is cached of a 304: the stored response under the new header fields, without those that
// describe the body, which a 304 does not bring (RFC 9111, section 3.2).
func (e *Edge) revalidated(b *behavior, site *site, stale *cache.Entry, resp *http.Response) *cache.Response {
	h := http.Header(stale.Header.Map())
	delete(h, "Via") // clean adds it again
	for name, values := range resp.Header {
		switch name {
		case "Content-Length", "Content-Encoding", "Content-Type", "Content-Range", "Transfer-Encoding":
		default:
			h[name] = values
		}
	}
	if resp.Header.Get("Date") == "" {
		h.Set("Date", e.cfg.Now().UTC().Format(http.TimeFormat))
	}
	l := b.ttl.judge(stale.Status, h, site.errorMin(stale.Status))
	age := max(0, parseSeconds(resp.Header.Get("Age"), 0))
	e.clean(h, b)
	meta := &stored{result: resultMiss, neverStale: l.neverStale, plain: writable(h)}
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	return &cache.Response{
		Status: stale.Status, Header: h, Meta: meta, Reuse: stale,
		TTL: l.ttl, Age: time.Duration(age) * time.Second, Store: l.store, Share: l.share,
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
	if b.policy.cookies.none() {
		// Cookies that are not forwarded are not handed out either: whoever comes next would get them from the cache.
		delete(h, "Set-Cookie")
	}
	if vary := b.keptVary(h["Vary"]); vary == "" {
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
			case name == "*", name == "Accept-Encoding", name == "Cookie" && !b.policy.cookies.none():
				kept = append(kept, name)
			default:
				for _, in := range b.policy.headers {
					if in == name {
						kept = append(kept, name)
					}
				}
			}
		}
	}
	return strings.Join(kept, ", ")
}
