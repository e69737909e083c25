package objectlambda

import (
	"bytes"
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/lambda/runner"
)

// Handlers written for another server's Object Lambda: a URL stands where a function's ARN would. The handler gets the
// event by POST, fetches the original from inputS3Url, and its HTTP answer is the object. It needs no credentials and calls
// no WriteGetObjectResponse. It must echo the route and the token of the event in x-amz-request-route and
// x-amz-request-token, and may name a status, an error and headers in the fields that WriteGetObjectResponse has.
// (MinIO documentation, "Object Lambda".)
//
// Nobody is asked whether the caller may invoke it: a URL has no policy. Who may use the access point decides.

// isWebhook reports whether a transformation names a handler's URL.
func isWebhook(function string) bool {
	return strings.HasPrefix(function, "http://") || strings.HasPrefix(function, "https://")
}

func (c *Call) webhook() bool { return isWebhook(c.transform.Function) }

// checkWebhook validates a handler's URL in a configuration.
func (s *Service) checkWebhook(t Transformation) error {
	if s.cfg.Webhooks == nil || s.cfg.Endpoint == nil {
		return fault.New("InvalidRequest", "%q: handlers by URL are not enabled.", t.Function)
	}
	if err := runner.CheckWebhook(t.Function); err != nil {
		return fault.New("InvalidRequest", "%s.", strings.ToUpper(err.Error()[:1])+err.Error()[1:])
	}
	for _, a := range t.Actions {
		if a != GetObject {
			return fault.New("InvalidRequest", "A handler by URL can answer GetObject only, not %s.", a)
		}
	}
	return nil
}

// fromWebhook asks the handler and delivers its answer.
func (c *Call) fromWebhook(ctx context.Context, inputURL, token string, deliver func(Answer) error) error {
	limited, cancel := limit(ctx)
	defer cancel()
	payload, err := c.webhookEvent(inputURL, token)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(limited, http.MethodPost, c.transform.Function, bytes.NewReader(payload))
	if err != nil {
		return fault.New("LambdaInvocationFailed", "The handler's URL is not valid.")
	}
	req.Header.Set("Content-Type", "application/json")
	c.event.Function, c.event.invoked = c.transform.Function, c.s.cfg.Now()
	resp, err := c.s.cfg.Webhooks.RoundTrip(req) //nolint:bodyclose // Abort closes it too
	if err != nil {
		c.noAnswer(ctx, err)
		if limited.Err() != nil {
			return context.Cause(limited)
		}
		return fault.New("LambdaInvocationFailed", "The handler could not be reached.")
	}
	defer resp.Body.Close()
	a, err := c.webhookAnswer(resp, token)
	if err != nil {
		c.noAnswer(ctx, err)
		return err
	}
	c.answered()
	p := &pending{done: make(chan struct{})}
	a.Abort = func() { resp.Body.Close() }
	return p.finish(limited, c.Abort, a, deliver)
}

// webhookEvent is the event in that shape: header values are lists, and the URL is path and query alone.
func (c *Call) webhookEvent(inputURL, token string) ([]byte, error) {
	headers := map[string][]string{}
	for name, value := range userHeaders(c.Headers) {
		name = http.CanonicalHeaderKey(name)
		headers[name] = append(headers[name], value)
	}
	path := c.URL
	if u, err := url.Parse(path); err == nil {
		u.RawQuery = withoutSignature(u.RawQuery)
		path = u.RequestURI()
	}
	kind := "IAMUser"
	if c.Caller.Principal.Kind == iam.RoleSession {
		kind = "AssumedRole"
	}
	return encodeEvent(map[string]any{
		"protocolVersion":  "1.00",
		"getObjectContext": map[string]any{"inputS3Url": inputURL, "outputRoute": Route, "outputToken": token},
		"userRequest":      map[string]any{"url": path, "headers": headers},
		"userIdentity":     map[string]any{"type": kind, "principalId": c.Caller.Principal.ID, "accessKeyId": c.Caller.AccessKeyID},
	})
}

// webhookAnswer reads a handler's response. The status is the one that x-amz-fwd-status names, by number or by its
// standard text, else the response's own.
func (c *Call) webhookAnswer(resp *http.Response, token string) (Answer, error) {
	if resp.Header.Get("X-Amz-Request-Route") != Route || subtle.ConstantTimeCompare([]byte(resp.Header.Get("X-Amz-Request-Token")), []byte(token)) != 1 {
		return Answer{}, fault.New("LambdaInvalidResponse", "The handler's answer (status %d) does not carry the route and the token of the request.", resp.StatusCode)
	}
	a := Answer{
		Status: resp.StatusCode, Length: resp.ContentLength, Body: resp.Body,
		ErrorCode: resp.Header.Get("X-Amz-Fwd-Error-Code"), ErrorMessage: resp.Header.Get("X-Amz-Fwd-Error-Message"),
	}
	if named := resp.Header.Get("X-Amz-Fwd-Status"); named != "" {
		a.Status = statusNamed(named)
	}
	if own := resp.Header.Get("Content-Type"); own != "" {
		a.Headers = append(a.Headers, Header{"Content-Type", own}) // what the handler names in a field of its own comes after it
	}
	for name, values := range resp.Header {
		if suffix, ok := strings.CutPrefix(name, "X-Amz-Fwd-Header-"); ok {
			a.Headers = append(a.Headers, Header{suffix, values[0]})
		} else if strings.HasPrefix(name, "X-Amz-Meta-") {
			a.Headers = append(a.Headers, Header{strings.ToLower(name), strings.Join(values, ",")})
		}
	}
	if a.ErrorCode != "" {
		a.Length = 0
	}
	if err := (Write{Route: Route, Answer: a}).check(); err != nil {
		return Answer{}, fault.New("LambdaInvalidResponse", "The response that the handler gave is not valid: %s", err.Message)
	}
	return a, nil
}

// statusNamed is a status by its number or its text; 0 is none.
func statusNamed(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	for n := 100; n < 600; n++ {
		if http.StatusText(n) == s {
			return n
		}
	}
	return 0
}
