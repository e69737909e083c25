package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// connectTimeout is the context key of a target's connection timeout, a time.Duration.
type connectTimeout struct{}

// NewOriginTransport returns a transport as ServeHTTP needs it: HTTP/1.1, TLS 1.2 or later with verified certificates,
// no compression of its own, the connection timeout of the origin that a request goes to, and no proxy. Each call
// returns a new one; the caller may change it before its first use.
func NewOriginTransport() *http.Transport {
	dialer := &net.Dialer{KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			timeout, ok := ctx.Value(connectTimeout{}).(time.Duration)
			if !ok {
				timeout = 10 * time.Second
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        5 * time.Second, // OriginKeepaliveTimeout's default
		ExpectContinueTimeout:  time.Second,
	}
}

// errOriginTimeout says that the origin was silent for longer than its timeouts allow.
var errOriginTimeout = fmt.Errorf("origin did not answer in time: %w", os.ErrDeadlineExceeded)

// headerLimit is the largest response header that is taken from an origin, in bytes.
// CloudFront Developer Guide, "Quotas".
const headerLimit = 20480

var errHeaderTooBig = errors.New("origin's response header is larger than 20480 bytes")

// send sends q, again if the origin cannot be reached or does not answer a GET or HEAD, up to the origin's number of
// attempts. The caller closes the body. CloudFront Developer Guide, "Control connection attempts and timeouts".
func (e *Edge) send(ctx context.Context, q *originRequest) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		resp, err := e.sendOnce(ctx, q)
		again := q.method == http.MethodGet || q.method == http.MethodHead
		if err == nil || !again || attempt >= q.attempts || ctx.Err() != nil || errors.Is(err, errHeaderTooBig) {
			return resp, err
		}
	}
}

func (e *Edge) sendOnce(ctx context.Context, q *originRequest) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, connectTimeout{}, q.target.connect))
	timer := time.AfterFunc(q.target.connect+q.target.read, func() { cancel(errOriginTimeout) })
	if q.upstream != nil {
		ctx = q.upstream.trace(ctx, e.cfg.Now)
	}
	req := q.request().WithContext(ctx)
	if q.signer != nil && q.target.s3 {
		if err := q.signer.sign(ctx, req, q.target.region); err != nil {
			timer.Stop()
			cancel(nil)
			return nil, err
		}
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
