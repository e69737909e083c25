package edge

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"glassine/edge/cache"
	"glassine/edge/rfc9111"
)

// SemanticsHeader is the name of a header that, listed in a cache policy, makes the behaviors with that policy cache as RFC 9111
// says and not as CloudFront does: package rfc9111. It is in no request: neither in the key nor sent to the origin. Of the policy's
// TTLs MaxTTL alone counts, as an upper bound, and as everywhere all three of 0 turn caching off. A behavior that allows all
// methods then allows also those that CloudFront does not know, but CONNECT and TRACE.
const SemanticsHeader = "Glassine-Semantics-RFC9111"

// newSemantics returns what a behavior follows with a cache policy that lists the names; nil is CloudFront's way.
func newSemantics(names []string) *rfc9111.Policy {
	for _, name := range names {
		if http.CanonicalHeaderKey(name) == semanticsField {
			return &rfc9111.Policy{
				Targeted: []string{"CDN-Cache-Control"}, Surrogate: surrogate, StaleOnError: time.Hour, DistrustAge: true, Languages: true,
			}
		}
	}
	return nil
}

// semanticsField is SemanticsHeader in canonical spelling.
var semanticsField = http.CanonicalHeaderKey(SemanticsHeader)

// allows reports whether requests with the method are served.
func (b *behavior) allows(method string) bool {
	if b.allowed[method] {
		return true
	}
	return b.rfc != nil && b.allowed[http.MethodDelete] && method != http.MethodConnect && method != http.MethodTrace && validToken(method)
}

// terms is what e was stored with, for the functions of rfc9111; nil when it was stored by CloudFront's rules.
func (m *stored) terms(e *cache.Entry) *rfc9111.Stored {
	if m.rfc == nil {
		return nil
	}
	s := *m.rfc // without its header, which e has
	s.Header = e.Header.Map()
	s.Header.Del("Via") // clean adds it again
	return &s
}

// pageOnlyCached answers only-if-cached (RFC 9111, section 5.2.1.7).
var pageOnlyCached = &page{504, resultError, "OnlyIfCached", "The request asks for a stored response, and there is none that may be used."}

// cacheRequest is what of x's request a cache looks at: what the origin sees of it, and what it says to caches.
func (x *exchange) cacheRequest() rfc9111.Request {
	q := rfc9111.Request{Method: x.method, URL: x.targetURL(), Header: x.forwarded().Clone()}
	for _, name := range []string{"Cache-Control", "Authorization"} {
		if lines := x.header.Values(name); len(lines) > 0 {
			q.Header[name] = lines
		} else {
			delete(q.Header, name)
		}
	}
	return q
}

// targetURL is the target URI of x's request, nil when package url cannot read it.
func (x *exchange) targetURL() *url.URL {
	target := x.scheme() + "://" + x.host + x.path
	if x.query != "" {
		target += "?" + x.query
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	return u
}

// conditional are the fields that ask for less than the whole.
var conditional = []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"}

// byRFC9111 answers a GET or HEAD as RFC 9111, section 4, says.
func (x *exchange) byRFC9111() bool {
	k, p := x.cacheKey(), x.behavior.rfc
	asked := rfc9111.Request{Method: x.method, Header: http.Header{"Cache-Control": x.header.Values("Cache-Control")}}
	for range varyTries {
		key := x.variant(k)
		e, s := x.usable(key)
		var part rfc9111.Part
		if r, ok := x.wantsPart(); ok && s == nil {
			key = partKey(key)
			if e, s = x.usable(key); s != nil {
				if part, ok = x.within(e, s, r); !ok {
					s = nil
				}
			}
		}
		d := p.Decide(asked, s, x.edge.cfg.Now())
		x.trace.Fact("glassine.cache.decision", d.Reason, "by RFC 9111")
		switch {
		case d.Action == rfc9111.Serve && s.Status == http.StatusPartialContent:
			if hit, whole := x.givePart(e, s.Part, part); hit {
				return whole
			}
		case d.Action == rfc9111.Serve:
			if hit, whole := x.hit(e); hit {
				return whole
			}
		case d.Action == rfc9111.Refuse:
			x.refuse(pageOnlyCached)
			return true
		case d.Reason == "request-no-store":
			return x.pass()
		}
		again, whole := x.fetchByRFC(k, key, x.cacheRequest(), s, d)
		if !again {
			return whole
		}
	}
	return x.pass()
}

// usable returns what is stored under key, with its terms, if it was chosen by what x's request has; nil otherwise.
func (x *exchange) usable(key cache.Key) (*cache.Entry, *rfc9111.Stored) {
	e := x.edge.cache.Recall(x.r.Context(), key)
	if e == nil || !x.matches(e) {
		return nil, nil
	}
	return e, e.Meta.(*stored).terms(e)
}

// fetchByRFC is one try under key, as fetchVariant is. s may be validated.
func (x *exchange) fetchByRFC(k, key cache.Key, asked rfc9111.Request, s *rfc9111.Stored, d rfc9111.Decision) (again, whole bool) {
	get := x.edge.cache.Fetch
	own := d.Condition == nil && x.asksForLess()
	if own || demands(asked) || s != nil && s.Terms.Fresh(x.edge.cfg.Now()) {
		// What this viewer wants of the origin is not what others want, and what another fetches would not do.
		get = x.edge.cache.Renew
	}
	x.record()
	wait := x.fetchSpan("glassine.cache.reason", d.Reason)
	view, err := get(x.r.Context(), key, x.fillByRFC(asked, own))
	wait.Fail(err)
	if err != nil {
		return false, x.unfetched(err)
	}
	defer view.Close()
	if meta := view.Entry.Meta.(*stored); meta.rfc != nil && len(meta.rfc.Vary) > 0 {
		x.edge.variants.learn(k, meta.rfc.Vary)
	}
	if view.How != cache.Filled && !x.matches(view.Entry) {
		return true, false
	}
	if m := view.Entry.Meta.(*stored); view.How != cache.Filled && m.rfc != nil && view.Entry.Status == http.StatusPartialContent {
		r, _ := x.wantsPart()
		part, ok := r.Within(m.rfc.Part)
		if file, _, _ := view.File(); !ok || file == nil && !view.Complete() {
			return false, x.pass()
		}
		if hit, whole := x.givePart(view.Entry, m.rfc.Part, part); hit {
			return false, whole
		}
		return true, false
	}
	return false, x.view(view)
}

func (x *exchange) asksForLess() bool {
	for _, name := range conditional {
		if len(x.header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// demands reports whether a request accepts nothing stored or fetched for another, unless it is as new as it says.
func demands(q rfc9111.Request) bool {
	d := rfc9111.ParseCacheControl(q.Header["Cache-Control"])
	return d.NoCache || d.MaxAge.Set || d.MinFresh.Set
}

// fillByRFC returns the fill of x's request. own: it takes the viewer's conditions and range to the origin where nothing
// stored is validated.
func (x *exchange) fillByRFC(asked rfc9111.Request, own bool) cache.Fill {
	e, b, site, q := x.edge, x.behavior, x.site, x.newOriginRequest()
	conditions := http.Header{}
	for _, name := range conditional {
		if lines := x.header.Values(name); own && len(lines) > 0 {
			conditions[name] = lines
		}
	}
	return func(ctx context.Context, stale *cache.Entry) (*cache.Response, error) {
		f := rfcFill{edge: e, behavior: b, site: site, q: q, asked: asked, own: own, part: own && len(conditions["Range"]) > 0}
		if stale != nil && !own {
			if s := stale.Meta.(*stored).terms(stale); s != nil && b.rfc.Matches(s, asked) {
				f.stale, f.stored = stale, s
			}
		}
		f.decision = b.rfc.Decide(asked, f.stored, e.cfg.Now())
		return f.run(ctx, conditions)
	}
}

// rfcFill is one fetch.
type rfcFill struct {
	edge     *Edge
	behavior *behavior
	site     *site
	q        *originRequest
	asked    rfc9111.Request
	own      bool
	part     bool            // it is stored as the answer to a request with a Range
	stale    *cache.Entry    // nil: there is nothing to validate
	stored   *rfc9111.Stored // of stale
	decision rfc9111.Decision
}

func (f *rfcFill) run(ctx context.Context, conditions http.Header) (*cache.Response, error) {
	q, p := f.q, f.behavior.rfc
	if q.method == http.MethodHead {
		q.method = http.MethodGet // as forFill does
	}
	if f.decision.Condition != nil {
		conditions = f.decision.Condition
	}
	for _, name := range conditional {
		delete(q.header, name)
	}
	for name, lines := range conditions {
		q.header[name] = lines
	}
	if own := p.Capability(q.header.Get("Surrogate-Capability")); own != "" {
		q.header.Set("Surrogate-Capability", own)
	}
	requested := f.edge.cfg.Now()
	o, err := f.edge.originate(ctx, q)
	if err != nil {
		return nil, err
	}
	if o.page != nil || rfc9111.IsOriginError(o.status()) {
		if r := f.instead(o); r != nil {
			return r, nil
		}
	}
	if o.page != nil {
		return f.guard(&cache.Response{Status: o.status(), Meta: &stored{page: o.page, result: o.page.result}, Share: true}), nil
	}
	r := rfc9111.Response{Status: o.resp.StatusCode, Header: o.resp.Header, Requested: requested, Received: f.edge.cfg.Now()}
	if f.stored != nil && f.decision.Condition != nil {
		if s, ok := p.Refresh(f.stored, r); ok {
			o.resp.Body.Close()
			return f.refreshed(s), nil
		}
	}
	s, _ := p.Admit(f.asked, r)
	if s != nil && !f.storable(s, o.resp.ContentLength) {
		s = nil
	}
	return q.storing(ctx, q.compressed(f.behavior, f.guard(f.response(o, s, r.Received)))), nil
}

// guard is r, made a failure that what is stored stands in for where that is allowed.
func (f *rfcFill) guard(r *cache.Response) *cache.Response {
	r.Failed = rfc9111.IsOriginError(r.Status) && f.decision.StaleOnError
	r.Retry = max(f.site.errorMin(r.Status), 1)
	return r
}

// instead returns the stored response in place of a failure, where the request alone allows it (RFC 5861, section 4); nil where
// the stored response itself does, which the cache sees to, or nothing does.
func (f *rfcFill) instead(o *origination) *cache.Response {
	now := f.edge.cfg.Now()
	if f.stored == nil || !f.decision.StaleOnError || f.stored.Terms.Age(now)-f.stored.Terms.Lifetime < f.stored.Terms.StaleIfError {
		return nil
	}
	if o.resp != nil {
		o.resp.Body.Close()
	}
	return &cache.Response{
		Status: f.stale.Status, Header: f.stale.Header.Map(), Meta: f.stale.Meta, Reuse: f.stale, Kept: true,
		Age: now.Sub(f.stale.Since()), Store: true, Share: true,
	}
}

// refreshed makes what is cached of a stored response that was validated.
func (f *rfcFill) refreshed(s *rfc9111.Stored) *cache.Response {
	h := s.Header
	keepCoding(h, f.stale)
	f.edge.clean(h, f.behavior)
	r := f.kept(h, s, f.edge.cfg.Now())
	r.Reuse, r.Status = f.stale, f.stale.Status
	r.Meta.(*stored).result = resultMiss
	return r
}

// response makes what is cached of the origin's answer: s, or when that is nil, nothing beyond the viewer's own answer.
func (f *rfcFill) response(o *origination, s *rfc9111.Stored, now time.Time) *cache.Response {
	whole := rfc9111.StripConnection(o.resp.Header)
	h := whole.Clone()
	if s != nil {
		h = s.Header.Clone()
	}
	if h.Get("Date") == "" {
		h.Set("Date", now.UTC().Format(http.TimeFormat))
	}
	if n := o.resp.ContentLength; n >= 0 && o.resp.StatusCode != http.StatusNoContent && o.resp.StatusCode != http.StatusNotModified {
		h.Set("Content-Length", itoa(int(n)))
	}
	tags := f.site.cacheTags(h)
	f.edge.clean(h, f.behavior)
	r := &cache.Response{Header: h, Meta: &stored{}, Share: f.own}
	if s != nil {
		r = f.kept(h, s, now)
	}
	meta := r.Meta.(*stored)
	meta.result, meta.once = o.result, f.once(whole, h)
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	r.Status, r.Body, r.Length, r.Tags = o.resp.StatusCode, o.resp.Body, o.resp.ContentLength, tags
	return r
}

// once is what of an answer's header only the viewer gets who asked for it: what may not be stored, and the Age that the
// answer came with.
func (f *rfcFill) once(whole, kept http.Header) http.Header {
	var out http.Header
	age := whole["Age"]
	f.edge.clean(whole, f.behavior)
	if len(age) > 0 {
		whole["Age"] = age
	}
	for name, lines := range whole {
		if _, ok := kept[name]; ok {
			continue
		}
		if out == nil {
			out = http.Header{}
		}
		out[name] = lines
	}
	return out
}

// kept makes a response to be stored by the terms of s, with the cleaned header h.
func (f *rfcFill) kept(h http.Header, s *rfc9111.Stored, now time.Time) *cache.Response {
	bound := *s
	bound.Header = nil
	bound.Terms.Lifetime = min(bound.Terms.Lifetime, time.Duration(f.behavior.ttl.most)*time.Second)
	t := bound.Terms
	r := &cache.Response{Header: h, Store: true, Age: t.Age(now)}
	if t.Fresh(now) {
		r.TTL = t.Lifetime - r.Age
	}
	if !t.Validate {
		r.StaleWhileRevalidate, r.StaleIfError = t.StaleWhileRevalidate, t.StaleIfError
	}
	r.Share = r.TTL > 0
	meta := &stored{rfc: &bound}
	meta.modified, _ = http.ParseTime(h.Get("Last-Modified"))
	r.Meta = meta
	return r
}

// outdated takes away what the answer to a request that changes things shows to be changed (RFC 9111, section 4.4).
func (x *exchange) outdated(o *origination) {
	q := rfc9111.Request{Method: x.method, URL: x.targetURL()}
	for _, u := range rfc9111.Invalidated(q, rfc9111.Response{Status: o.resp.StatusCode, Header: o.resp.Header}) {
		key := append([]byte(x.site.domain), u.EscapedPath()...)
		if query := x.behavior.policy.appendQuery(nil, u.RawQuery); len(query) > 0 {
			key = append(append(key, '?'), query...)
		}
		x.edge.cache.Purge(string(key))
	}
}

// storePost stores the answer to a POST that says to be what a GET gives (RFC 9110, section 9.3.3), and answers with it.
func (x *exchange) storePost(o *origination) (answered, whole bool) {
	if x.method != http.MethodPost {
		return false, false
	}
	asked, now := x.cacheRequest(), x.edge.cfg.Now()
	s, _ := x.behavior.rfc.Admit(asked, rfc9111.Response{Status: o.resp.StatusCode, Header: o.resp.Header, Requested: now, Received: now})
	f := rfcFill{edge: x.edge, behavior: x.behavior, site: x.site}
	if s == nil || len(s.Vary) > 0 || !f.storable(s, o.resp.ContentLength) {
		return false, false
	}
	r := f.response(o, s, now)
	view, err := x.edge.cache.Renew(x.r.Context(), x.cacheKey(), func(context.Context, *cache.Entry) (*cache.Response, error) {
		return r, nil
	})
	if err != nil {
		return true, x.unfetched(err)
	}
	defer view.Close()
	return true, x.view(view)
}
