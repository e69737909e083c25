package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"glassine/telemetry"
)

// errOriginTimeout says that the origin was silent for longer than its timeouts allow.
var errOriginTimeout = fmt.Errorf("origin did not answer in time: %w", os.ErrDeadlineExceeded)

// headerLimit is the largest response header that is taken from an origin, in bytes.
// CloudFront Developer Guide, "Quotas".
const headerLimit = 20480

var errHeaderTooBig = errors.New("origin's response header is larger than 20480 bytes")

// send sends q, again if the origin cannot be reached, or does not answer a GET or HEAD, up to the origin's number of
// attempts. The caller closes the body. CloudFront Developer Guide, "Control connection attempts and timeouts".
func (e *Edge) send(ctx context.Context, q *originRequest) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := e.sendOnce(ctx, q)
		again := q.method == http.MethodGet || q.method == http.MethodHead || neverSent(err)
		if err == nil || !again || attempt >= q.attempts || ctx.Err() != nil || errors.Is(err, errHeaderTooBig) {
			return resp, err
		}
	}
}

func (e *Edge) sendOnce(ctx context.Context, q *originRequest) (*http.Response, error) {
	ctx, span := telemetry.StartSpan(ctx, "edge.origin", "server.address", q.target.domain, "http.request.method", q.method, "url.path", q.target.path+q.uri)
	began := e.cfg.Now()
	resp, err := e.exchangeWith(traceOrigin(ctx), q)
	e.meterOrigin(q, e.cfg.Now().Sub(began))
	if err != nil {
		span.Fail(err)
		return nil, err
	}
	if span != nil {
		telemetry.AddSpan(ctx, "response header", 0, "http.response.status_code", itoa(resp.StatusCode))
		resp.Body = &tracedBody{ReadCloser: resp.Body, span: span}
	}
	return resp, nil
}

// exchangeWith sends q to its target, signed if it is to be, and returns the response.
func (e *Edge) exchangeWith(ctx context.Context, q *originRequest) (*http.Response, error) {
	terms, err := q.terms()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, originTerms{}, terms))
	timer := newPatience(q.target.connect+q.target.read, func() { cancel(errOriginTimeout) })
	ctx = q.hints.trace(timer.trace(ctx, q.target.read))
	if q.upstream != nil {
		ctx = q.upstream.trace(ctx, e.cfg.Now)
	}
	req := q.request().WithContext(ctx)
	if q.signer != nil && q.target.s3 {
		_, signing := telemetry.StartSpan(ctx, "sigv4.sign")
		err := q.signer.sign(ctx, req, q.target.region)
		signing.Fail(err)
		if err != nil {
			timer.Stop()
			cancel(nil)
			return nil, err
		}
	}
	if req.Body != nil {
		req.Body = timer.follow(req.Body, q.target.read)
	}
	resp, err := e.cfg.Origin.RoundTrip(req)
	timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), errOriginTimeout) {
			err = errOriginTimeout
		}
		cancel(nil)
		return nil, fmt.Errorf("fetch from %s: %w", q.target.domain, err)
	}
	if headerSize(resp.Header) > headerLimit {
		cancel(nil)
		resp.Body.Close()
		return nil, fmt.Errorf("fetch from %s: %w", q.target.domain, errHeaderTooBig)
	}
	resp.Body = &originBody{rc: resp.Body, ctx: ctx, cancel: cancel, idle: q.target.read}
	return resp, nil
}

// originBody is an origin's body that fails when a read takes longer than the origin's read timeout.
type originBody struct {
	rc     io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   time.Duration
}

func (b *originBody) Read(p []byte) (int, error) {
	timer := time.AfterFunc(b.idle, func() { b.cancel(errOriginTimeout) })
	n, err := b.rc.Read(p)
	timer.Stop()
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), errOriginTimeout) {
		err = errOriginTimeout
	}
	return n, err
}

func (b *originBody) Close() error {
	b.cancel(nil)
	return b.rc.Close()
}

// headerSize is what a header takes on an HTTP/1.1 connection, in bytes.
func headerSize(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, value := range values {
			n += len(name) + len(value) + 4
		}
	}
	return n
}
