package edge

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The order of what happens to an answer is a decision: the viewer-response function first, then the response headers policy, in
// start. CloudFront's documentation does not say; so what a policy promises, such as Strict-Transport-Security, no function
// takes away.

// onViewerRequest runs the function at viewer-request. It returns false when there is none, or when the request goes on, as the
// function left it: path, query, header and body are then the function's. The behavior stays (CloudFront Developer Guide,
// "Write and create a Lambda@Edge function", "Change the URI"), and what is derived for the cache key is made of the new ones.
func (x *exchange) onViewerRequest() (answered, whole bool) {
	t := &x.behavior.triggers
	if t.atViewerRequest() {
		x.record()
	}
	switch {
	case t.scriptRequest != nil:
		answered, whole = x.runRequestScript(t.scriptRequest)
	case t.viewerRequest != nil:
		answered, whole = x.runViewerRequest(t.viewerRequest)
	default:
		return false, true
	}
	if !answered {
		x.derive()
	}
	return answered, whole
}

func (x *exchange) runViewerRequest(t *trigger) (answered, whole bool) {
	q := x.seenRequest(x.shownPath())
	if x.body && x.r.Body != nil {
		q.body, q.length = x.r.Body, x.r.ContentLength
	}
	g, p := x.edge.triggerRequest(x.r.Context(), q, t)
	switch {
	case x.r.Context().Err() != nil:
		x.result, x.detail = resultError, "ClientCommError"
		return true, false
	case p != nil:
		x.refuse(p)
		return true, true
	case g != nil:
		x.generated(g, resultLambdaGenerated)
		return true, true
	}
	x.adopt(q)
	return false, true
}

// shownPath is the path as viewer-request functions see it: "/" is not yet the root object. No page says which comes first;
// a function that adds index.html to what ends in a slash gives the same either way.
func (x *exchange) shownPath() string {
	if x.asked == "/" {
		return x.asked
	}
	return x.path
}

// seenRequest is the viewer's request as functions of the viewer's events see it, without its body.
func (x *exchange) seenRequest(path string) *originRequest {
	q := &originRequest{
		site: x.site, id: x.id, clientIP: x.clientIP(), method: x.method, uri: path, query: x.query, host: x.host,
		header: x.headerMap().Clone(),
	}
	q.header.Del("Content-Length") // shown tells it
	return q
}

// adopt makes x's request what a function made of it.
func (x *exchange) adopt(q *originRequest) {
	x.path, x.query = q.uri, q.query
	if x.path == "/" && x.site.root != "" {
		x.path = x.site.root
	}
	x.setHeader(q.header)
	if q.body == nil {
		x.r.Body, x.r.ContentLength = http.NoBody, 0
		return
	}
	x.r.Body, x.r.ContentLength = io.NopCloser(q.body), q.length
}

// setHeader gives x's request another header. The log goes on with what the viewer sent.
func (x *exchange) setHeader(h http.Header) {
	if x.sentHeader == nil {
		x.sentHeader = x.header
	}
	r := *x.r
	r.Header = h
	x.r, x.header = &r, headerMap(h)
}

// generated answers with a response that a function at viewer-request made. It is never cached, and no viewer-response function
// sees it.
func (x *exchange) generated(g *generated, result result) {
	h := x.answerHeader()
	for name, values := range g.header {
		h[name] = values
	}
	if h.Get("Date") == "" {
		h.Set("Date", x.edge.cfg.Now().UTC().Format(http.TimeFormat))
	}
	if h.Get("Server") == "" {
		h["Server"] = x.edge.brand.own
	}
	h["Via"] = x.edge.brand.via
	x.result = result
	if g.status != http.StatusNoContent && g.status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.Itoa(len(g.body))}
	}
	x.identify(h)
	unsniffed(h)
	x.start(g.status)
	if x.method != http.MethodHead && len(g.body) > 0 {
		x.write(g.body)
	}
}

// onViewerResponse runs the function at viewer-response on an answer whose header is in place. It returns the status with
// which the caller sends the answer, its header being as the function left it; or true when the answer has been sent, with the
// function's body or as the page that says that it failed.
//
// It does not run for errors of the origin, for the pages that the edge or the distribution has for errors, for what a
// viewer-request function made, nor for the redirect to https: those do not come here.
// CloudFront Developer Guide, "CloudFront events that can trigger a Lambda@Edge function".
func (x *exchange) onViewerResponse(status int) (next int, answered bool) {
	t := &x.behavior.triggers
	if status >= 400 || !t.atViewerResponse() {
		return status, false
	}
	h := x.answerHeader()
	before := seenHeader(h)
	var c *changedResponse
	var p *page
	if t.scriptResponse != nil {
		c, p = x.runResponseScript(t.scriptResponse, status, before)
	} else {
		c, p = x.edge.triggerResponse(x.r.Context(), x.seenRequest(x.path), t.viewerResponse, status, before)
	}
	length := h["Content-Length"]
	clear(h)
	if p != nil {
		x.refuse(p)
		return 0, true
	}
	for name, values := range c.header {
		h[name] = values
	}
	unsniffed(h)
	if !c.replaced {
		if length != nil {
			h["Content-Length"] = length
		}
		return c.status, false
	}
	delete(h, "Content-Range")
	if c.status != http.StatusNoContent && c.status != http.StatusNotModified {
		h["Content-Length"] = []string{strconv.Itoa(len(c.body))}
	}
	x.start(c.status)
	if x.method != http.MethodHead && len(c.body) > 0 {
		x.write(c.body)
	}
	return 0, true
}

// seenHeader is a copy of an answer's header without the fields that have no value.
func seenHeader(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		if len(values) > 0 && !strings.HasPrefix(name, http.TrailerPrefix) {
			out[name] = values
		}
	}
	return out
}
