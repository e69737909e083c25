package glassine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"glassine/aws/wire"
	"glassine/telemetry"
)

// inProcess is an http.RoundTripper that takes requests for AWS's host names to a handler in this process and lets every
// other go on to next. The request arrives as over TLS from loopback: same request line, same headers, same signature,
// verified and decided like any other. Only the transport is shortened.
//
// When the handler gives an answer's body as an io.ReaderAt (see wire.Send), the body is that reader, so that its user may
// read at positions. A request for one of AWS's names never leaves the process.
type inProcess struct {
	handler http.Handler
	next    http.RoundTripper
	running sync.WaitGroup // handlers under way
}

// tlsState marks a request as come over TLS, which the hop inside the process is equal to.
var tlsState = tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}

// RoundTrip implements http.RoundTripper.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	if _, ours := wire.AWSLabels(host); !ours {
		return t.next.RoundTrip(req)
	}
	ctx, span := telemetry.StartSpan(req.Context(), hopName(req, host), "server.address", wire.Hostname(host), "url.path", req.URL.Path)
	ctx, cancel := context.WithCancel(ctx)
	body := &abortable{r: req.Body}
	w := &handedWriter{header: http.Header{}, ready: make(chan struct{}), closed: make(chan struct{}), ctx: ctx, request: body, head: req.Method == http.MethodHead}
	w.reader, w.writer = io.Pipe()

	served := &http.Request{
		Method: req.Method, URL: &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: req.Header.Clone(), Body: body,
		ContentLength: req.ContentLength, Host: host, RequestURI: req.URL.RequestURI(), RemoteAddr: "127.0.0.1:0", TLS: &tlsState,
	}
	if req.Body == nil {
		served.Body = http.NoBody
	}
	t.running.Add(1)
	go func() {
		defer t.running.Done()
		defer cancel()
		defer func() { _ = body.Close() }() // nobody reads it any more
		err := serve(t.handler, w, served.WithContext(ctx))
		span.Fail(err, "http.response.status_code", strconv.Itoa(w.status))
		w.finish(err)
	}()
	select {
	case <-w.ready:
	case <-req.Context().Done():
	}
	if err := context.Cause(req.Context()); err != nil {
		cancel()
		_ = w.reader.Close() // a handler that writes must not wait for a user who left
		return nil, err
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.response(req, cancel), nil
}

// wait lets handlers under way end, whose users have gone by now; it gives up on one that does not notice.
func (t *inProcess) wait() error {
	ended := make(chan struct{})
	go func() { t.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-time.After(DrainTime / 2):
		return errors.New("requests inside the process did not end")
	}
}

// serve runs the handler; a handler that gives up with http.ErrAbortHandler breaks the answer off.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint // net/http compares so too
				panic(p)
			}
			err = io.ErrUnexpectedEOF
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// handedWriter is the handler's side of an answer. The answer is ready when its first byte is, so that it is known by
// then whether the body is a reader of the store's.
type handedWriter struct {
	ctx     context.Context
	request *abortable
	head    bool

	header http.Header
	status int
	sent   http.Header // what WriteHeader froze

	once   sync.Once
	ready  chan struct{}
	err    error // set before ready: there is no answer
	reader *io.PipeReader
	writer *io.PipeWriter
	source io.Reader     // set before ready: handed over instead of the pipe
	closed chan struct{} // closed when the user is done with source
}

func (w *handedWriter) Header() http.Header { return w.header }

func (w *handedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *handedWriter) begin() {
	w.WriteHeader(http.StatusOK)
	w.once.Do(func() { close(w.ready) })
}

func (w *handedWriter) Write(p []byte) (int, error) {
	w.begin()
	if w.head {
		return len(p), nil
	}
	return w.writer.Write(p)
}

// Flush makes the answer's beginning visible; bytes are never held back.
func (w *handedWriter) Flush() { w.begin() }

// SetReadDeadline ends the reading of the request's body when t is past.
func (w *handedWriter) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && time.Until(t) <= 0 {
		w.request.abort()
	}
	return nil
}

// SetWriteDeadline ends the answer when t is past: its user reads an error.
func (w *handedWriter) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && time.Until(t) <= 0 {
		_ = w.writer.CloseWithError(errAborted) // always nil
	}
	return nil
}

// TakeBody implements wire.BodyTaker: a body that can be read at positions, of an answer whose length was announced, is
// handed over as it is. It returns when the answer's user closed it.
func (w *handedWriter) TakeBody(body io.Reader) (n int64, taken bool, err error) {
	_, positions := body.(io.ReaderAt)
	length, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64)
	if !positions || err != nil || w.head {
		return 0, false, nil //nolint:nilerr // a length that was not announced
	}
	w.once.Do(func() {
		w.WriteHeader(http.StatusOK)
		w.source, taken = body, true
		close(w.ready)
	})
	if !taken {
		return 0, false, nil
	}
	select {
	case <-w.closed:
		return length, true, nil
	case <-w.ctx.Done():
		return 0, true, context.Cause(w.ctx)
	}
}

// ReadFrom copies src into the answer, or hands it over as TakeBody does.
func (w *handedWriter) ReadFrom(src io.Reader) (int64, error) {
	if n, taken, err := w.TakeBody(src); taken {
		return n, err
	}
	return io.Copy(struct{ io.Writer }{w}, src)
}

// finish ends the answer after the handler returned.
func (w *handedWriter) finish(err error) {
	w.once.Do(func() {
		w.WriteHeader(http.StatusOK)
		w.err = err
		close(w.ready)
	})
	_ = w.writer.CloseWithError(err) // nil is io.EOF; always nil itself
}

// response is the user's side of the answer.
func (w *handedWriter) response(req *http.Request, cancel context.CancelFunc) *http.Response {
	resp := &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1, Request: req,
	}
	for name, values := range w.sent {
		for _, v := range values {
			resp.Header.Add(name, v) // in canonical case, as a client of net/http reads it off the wire
		}
	}
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		resp.ContentLength = n
	}
	if w.source != nil {
		resp.Body = &handedBody{Reader: w.source, ReaderAt: w.source.(io.ReaderAt), done: sync.OnceFunc(func() { close(w.closed) })}
		return resp
	}
	resp.Body = &pipeBody{w.reader, cancel}
	return resp
}

// pipeBody is an answer that the handler writes; closing it early ends the handler's work.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *pipeBody) Close() error {
	err := b.PipeReader.Close()
	b.cancel()
	return err
}

// handedBody is an answer that is a reader of the store's; it stays valid until Close.
type handedBody struct {
	io.Reader
	io.ReaderAt
	done func()
}

func (b *handedBody) Close() error {
	b.done()
	return nil
}

// errAborted is what a body gives after its reading or writing was ended.
var errAborted = errors.New("body was ended before its time")

// abortable is a request's body that can be ended from elsewhere.
type abortable struct {
	r  io.ReadCloser
	mu sync.Mutex // guards ended
	// ended says that no more is to be read.
	ended bool
}

func (a *abortable) Read(p []byte) (int, error) {
	a.mu.Lock()
	ended := a.ended
	a.mu.Unlock()
	if ended || a.r == nil {
		return 0, errAborted
	}
	return a.r.Read(p)
}

func (a *abortable) abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
}

func (a *abortable) Close() error {
	a.abort()
	if a.r == nil {
		return nil
	}
	return a.r.Close()
}
