package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"glassine/edge/script"
	"glassine/telemetry"
)

// liveScript is the LIVE stage of a CloudFront function, as requests run it. References are one of the configuration and one
// of each call; who gives back the last one closes it.
type liveScript struct {
	name, etag string
	cfg        script.Config
	fn         *script.Function // nil: it cannot be compiled, or there is none
	references atomic.Int64
}

// scriptBudget is the longest that a call may take, by the clock, on a machine that does other work. CloudFront counts its own
// engine's time and gives about a millisecond of it: docs/aws-differences.md.
const scriptBudget = testBudget

// run calls the function. A request that began before the function was replaced may come when it is closed; it then gets one
// of its own, so that it is never served by another version, or by none.
func (s *liveScript) run(ctx context.Context, ev *script.Event) (*script.Result, error) {
	if s.fn == nil {
		return &script.Result{}, &script.Error{Kind: script.Invalid, Message: "it is not there"}
	}
	for n := s.references.Load(); n > 0; n = s.references.Load() {
		if s.references.CompareAndSwap(n, n+1) {
			defer s.release()
			return s.fn.Run(ctx, ev)
		}
	}
	own, err := script.New(s.cfg)
	if err != nil {
		return &script.Result{}, err
	}
	defer own.Close()
	return own.Run(ctx, ev)
}

func (s *liveScript) release() {
	if s.references.Add(-1) == 0 && s.fn != nil {
		s.fn.Close()
	}
}

// scripts are the CloudFront functions that behaviors use, by ARN. A new configuration takes over those that are the same.
type scripts struct{ current, next map[string]*liveScript }

// begin starts a new configuration, in place of one that came to nothing.
func (s *scripts) begin() {
	for arn, unused := range s.next {
		if s.current[arn] != unused {
			unused.release()
		}
	}
	s.next = map[string]*liveScript{}
}

// end puts the new configuration in force. Requests no longer find what it does not have.
func (s *scripts) end() {
	for arn, old := range s.current {
		if s.next[arn] != old {
			old.release()
		}
	}
	s.current, s.next = s.next, nil
}

// script returns the LIVE stage of a function for the configuration that is being made. e.control is held.
func (e *Edge) script(arn string) *liveScript {
	if s := e.scripts.next[arn]; s != nil {
		return s
	}
	f, _ := e.liveFunction(arn)
	s := e.scripts.current[arn]
	if s == nil || s.etag != f.ETag {
		s = &liveScript{name: f.Name, etag: f.ETag, cfg: script.Config{Runtime: f.Runtime, Code: f.Code, Budget: scriptBudget}}
		s.references.Store(1)
		var err error
		if s.fn, err = script.New(s.cfg); err != nil {
			e.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "CloudFront function cannot be run", slog.String("function", arn), slog.String("error", err.Error()))
		}
	}
	e.scripts.next[arn] = s
	return s
}

// pageScript is for a CloudFront function that failed. CloudFront Developer Guide, "Restrictions on CloudFront Functions"; the
// sentence is what CloudFront's page says.
var pageScript = &page{
	503, resultFunctionFailed, string(resultFunctionFailed),
	"The CloudFront function associated with the CloudFront distribution is invalid or could not run.",
}

// errOriginChange says that a function called what is not built. docs/aws-differences.md.
var errOriginChange = errors.New("the function changed the origin, which functions cannot do here")

// runScript calls s, writes its log, and refuses a result that no request or response could have.
func (x *exchange) runScript(s *liveScript, ev *script.Event) (*script.Result, *page) {
	ctx := x.r.Context()
	_, span := telemetry.StartSpan(ctx, "CloudFront function", "faas.name", s.name)
	r, err := s.run(ctx, ev)
	span.Fail(err)
	switch {
	case ctx.Err() != nil:
		return nil, pageScript // nobody reads it
	case err == nil && r.Origin != nil:
		err = errOriginChange
	case err == nil:
		err = sendable(r)
	}
	lines := r.Log
	if err != nil {
		lines = append(lines, "ERROR: "+err.Error())
		x.edge.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "CloudFront function failed", slog.String("request", x.id), slog.String("distribution", x.site.id),
			slog.String("function", s.name), slog.String("error", err.Error()))
	}
	if log := x.edge.cfg.FunctionLog; log != nil && len(lines) > 0 {
		log("/aws/cloudfront/function/"+s.name, x.edge.logStream(x.site.id), x.edge.cfg.Now(), scriptLog(x.id, x.site.id, lines))
	}
	if err != nil {
		return nil, pageScript
	}
	return r, nil
}

// scriptLog are the lines as CloudFront writes them. CloudFront Developer Guide, "Edge function logs", "CloudFront Functions
// logs": each begins with the request's id, and START and END frame them.
func scriptLog(request, distribution string, lines []string) []string {
	out := make([]string, 0, len(lines)+2)
	out = append(out, request+" START DistributionID: "+distribution)
	for _, line := range lines {
		out = append(out, request+" "+line)
	}
	return append(out, request+" END")
}

// sendable reports what package script lets through and HTTP does not.
func sendable(r *script.Result) error {
	var header http.Header
	switch {
	case r.Request != nil:
		if header = r.Request.Header; !validPath(r.Request.URI) || !validQuery(r.Request.RawQuery) {
			return errors.New("the URI or the query string has a character that is not allowed")
		}
		if headerSize(header)+len(r.Request.URI)+len(r.Request.RawQuery) > requestLimit {
			return errors.New("the request is larger than 20480 bytes")
		}
	case r.Response != nil:
		if header = r.Response.Header; headerSize(header) > headerLimit {
			return errors.New("the response's header is larger than 20480 bytes")
		}
	}
	for name, values := range header {
		for _, value := range values {
			if !validValue(value) {
				return errors.New("the header " + name + " has a character that is not allowed in its value")
			}
		}
	}
	return nil
}

// scriptEvent is the event of x's request. CloudFront Developer Guide, "CloudFront Functions event structure".
func (x *exchange) scriptEvent(path string) *script.Event {
	header := x.headerMap().Clone()
	header["Host"] = []string{x.host}
	return &script.Event{
		DistributionDomainName: x.site.domain, DistributionID: x.site.id, RequestID: x.id, ViewerIP: x.clientIP(),
		Request: script.Request{
			Method: x.method, URI: path, RawQuery: x.query, ForceQuery: x.query == "" && strings.HasSuffix(x.uri, "?"), Header: header,
		},
		Edge: script.EdgeLocation{Name: x.edge.cfg.Location},
	}
}

// runRequestScript is onViewerRequest for a CloudFront function.
func (x *exchange) runRequestScript(s *liveScript) (answered, whole bool) {
	r, p := x.runScript(s, x.scriptEvent(x.shownPath()))
	switch {
	case x.r.Context().Err() != nil:
		x.result, x.detail = resultError, "ClientCommError"
		return true, false
	case p != nil:
		x.refuse(p)
		return true, true
	case r.Response != nil:
		g := &generated{r.Response.Status, r.Response.Header, r.Response.Body}
		g.header.Del("Content-Length")
		g.header.Del("Transfer-Encoding")
		x.generated(g, resultFunctionGenerated)
		return true, true
	}
	x.path, x.query = r.Request.URI, r.Request.RawQuery
	if x.path == "/" && x.site.root != "" {
		x.path = x.site.root
	}
	delete(r.Request.Header, "Host")
	x.setHeader(r.Request.Header)
	return false, true
}

// runResponseScript is onViewerResponse for a CloudFront function, which may change the status too.
func (x *exchange) runResponseScript(s *liveScript, status int, before http.Header) (*changedResponse, *page) {
	ev := x.scriptEvent(x.path)
	ev.Response = &script.Response{Status: status, Description: http.StatusText(status), Header: before}
	r, p := x.runScript(s, ev)
	if p != nil {
		return nil, p
	}
	c := &changedResponse{status: r.Response.Status, header: r.Response.Header, body: r.Response.Body, replaced: r.Response.Body != nil}
	c.header.Del("Content-Length")
	c.header.Del("Transfer-Encoding")
	if err := c.checkBody(status); err != nil {
		return nil, pageScript
	}
	return c, nil
}
