package edge

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/telemetry"
)

// eventType is one of the four events at which functions run, with what a function may do there.
type eventType struct {
	name    string
	origin  bool          // an origin event, else a viewer event
	timeout time.Duration // the longest that a function may take
	memory  int           // MB that a function may have, 0: as many as Lambda gives
	// limit is the size in bytes of a body that a function is shown or makes, and of a whole response that it generates. What
	// is returned in base64 counts as decoded.
	limit int
	// readOnly are headers, in lower case, that a function may echo and neither add, change nor delete.
	readOnly []string
}

// The events. CloudFront Developer Guide, "CloudFront events that can trigger a Lambda@Edge function"; "Quotas on Lambda@Edge";
// "Restrictions on edge functions", "Read-only headers".
var (
	viewerRequest = &eventType{
		name: "viewer-request", timeout: 5 * time.Second, memory: 128, limit: 40 << 10,
		readOnly: strings.Fields("content-length host transfer-encoding via"),
	}
	originRequestEvent = &eventType{
		name: "origin-request", origin: true, timeout: 30 * time.Second, limit: 1 << 20,
		readOnly: strings.Fields("accept-encoding content-length if-modified-since if-none-match if-range if-unmodified-since transfer-encoding via"),
	}
	originResponse = &eventType{
		name: "origin-response", origin: true, timeout: 30 * time.Second, limit: 1 << 20,
		readOnly: strings.Fields("transfer-encoding via"),
	}
	viewerResponse = &eventType{
		name: "viewer-response", timeout: 5 * time.Second, memory: 128, limit: 40 << 10,
		readOnly: strings.Fields("warning via"),
	}
	eventTypes = []*eventType{viewerRequest, originRequestEvent, originResponse, viewerResponse}
)

// eventTypeOf returns the event of that name, or nil.
func eventTypeOf(name string) *eventType {
	for _, t := range eventTypes {
		if t.name == name {
			return t
		}
	}
	return nil
}

// trigger is a Lambda@Edge function at an event.
type trigger struct {
	at       *eventType
	function string // version ARN
	body     bool   // it is shown the request's body
}

// triggers are the functions of a behavior; nil where there is none. At the viewer's events they are Lambda@Edge functions or
// CloudFront Functions, never both.
type triggers struct {
	viewerRequest, originRequest, originResponse, viewerResponse *trigger
	scriptRequest, scriptResponse                                *liveScript
}

// triggersOf returns the functions of a behavior. e.control is held.
func (e *Edge) triggersOf(c *CacheBehavior) (t triggers) {
	for _, f := range c.LambdaFunctions {
		at := eventTypeOf(f.EventType)
		made := &trigger{at, f.FunctionARN, f.IncludeBody}
		switch at {
		case viewerRequest:
			t.viewerRequest = made
		case originRequestEvent:
			t.originRequest = made
		case originResponse:
			t.originResponse = made
		case viewerResponse:
			t.viewerResponse = made
		}
	}
	for _, f := range c.Functions {
		if s := e.script(f.FunctionARN); f.EventType == viewerRequest.name {
			t.scriptRequest = s
		} else {
			t.scriptResponse = s
		}
	}
	return t
}

// atViewer reports whether a function runs for every request, hits included.
func (t *triggers) atViewer() bool { return t.atViewerRequest() || t.atViewerResponse() }

func (t *triggers) atViewerRequest() bool { return t.viewerRequest != nil || t.scriptRequest != nil }

func (t *triggers) atViewerResponse() bool { return t.viewerResponse != nil || t.scriptResponse != nil }

// pageFunction is for a function that gave no answer: it threw, ended or took too long, or may not be run.
// CloudFront Developer Guide, "HTTP 503 status code (Service Unavailable)".
var pageFunction = &page{
	503, resultLambdaFailed, string(resultLambdaFailed),
	"The Lambda function associated with the CloudFront distribution is invalid or doesn't have the required permissions.",
}

// invoke runs the function of t on an event for q's request. The page says that it gave no answer.
func (e *Edge) invoke(ctx context.Context, q *originRequest, t *trigger, event []byte) ([]byte, *page) {
	limited, cancel := context.WithTimeout(ctx, t.at.timeout)
	defer cancel()
	limited, span := telemetry.StartSpan(limited, "edge.trigger "+t.at.name, "faas.invoked_name", t.function)
	answer, err := e.cfg.Invoker.InvokeEdge(limited, t.function, event)
	span.Fail(err)
	if fault.Is(err, "TooManyRequestsException") {
		e.warn(ctx, q, t, "Lambda@Edge function was throttled", err)
		return nil, &page{
			503, resultLambdaThrottled, string(resultLambdaThrottled),
			"The Lambda function associated with the CloudFront distribution was throttled.",
		}
	}
	if err != nil {
		e.warn(ctx, q, t, "Lambda@Edge function failed", err)
		return nil, pageFunction
	}
	return answer, nil
}

func (e *Edge) warn(ctx context.Context, q *originRequest, t *trigger, message string, err error) {
	if ctx.Err() != nil {
		return // the viewer left
	}
	e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, message, slog.String("request", q.id), slog.String("distribution", q.site.id),
		slog.String("function", t.function), slog.String("error", err.Error()))
}

// invalid is the page for an answer that breaks a rule, which also goes to the log that CloudFront keeps of such.
// CloudFront Developer Guide, "HTTP 502 status code (Lambda validation error)"; "Test and debug Lambda@Edge functions".
func (e *Edge) invalid(ctx context.Context, q *originRequest, t *trigger, err error) *page {
	e.warn(ctx, q, t, "Lambda@Edge function's answer is not valid", err)
	if e.cfg.FunctionLog != nil {
		e.cfg.FunctionLog("/aws/cloudfront/LambdaEdge/"+q.site.id, e.logStream(q.site.id), e.cfg.Now(),
			[]string{q.id + " " + t.at.name + " " + t.function + " ERROR Validation error: " + err.Error()})
	}
	return &page{502, resultLambdaInvalid, string(resultLambdaInvalid), err.Error()}
}

// logStream is the name of today's stream of a distribution's functions.
func (e *Edge) logStream(distribution string) string {
	return e.cfg.Now().UTC().Format("2006/01/02/") + distribution
}

// triggerRequest runs the function of a request event, which changes q or makes a response; a page says that it failed.
func (e *Edge) triggerRequest(ctx context.Context, q *originRequest, t *trigger) (*generated, *page) {
	var body *lambdaBody
	if t.body {
		var err error
		if body, err = q.show(t.at.limit); err != nil {
			return nil, &page{400, resultError, "ClientCommError", "Bad request."}
		}
	}
	event, err := q.event(t, body, 0, nil)
	if err != nil {
		e.warn(ctx, q, t, "event of a Lambda@Edge function could not be made", err)
		return nil, pageFunction
	}
	answer, p := e.invoke(ctx, q, t, event)
	if p != nil {
		return nil, p
	}
	g, err := q.apply(answer, t)
	if err != nil {
		return nil, e.invalid(ctx, q, t, err)
	}
	return g, nil
}

// triggerResponse runs the function of a response event on status and header of a response to q.
func (e *Edge) triggerResponse(ctx context.Context, q *originRequest, t *trigger, status int, header http.Header) (*changedResponse, *page) {
	event, err := q.event(t, nil, status, header)
	if err != nil {
		e.warn(ctx, q, t, "event of a Lambda@Edge function could not be made", err)
		return nil, pageFunction
	}
	answer, p := e.invoke(ctx, q, t, event)
	if p != nil {
		return nil, p
	}
	c, err := parseResponse(answer, t.at, status, header)
	if err != nil {
		return nil, e.invalid(ctx, q, t, err)
	}
	return c, nil
}
