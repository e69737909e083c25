package http2

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// handle gives a request to h, on a goroutine of its own.
func (c *conn) handle(r *Request, id uint32, ended bool, h http.Handler) error {
	req, err := r.request(c)
	if err != nil {
		return streamError{id, protocolError, "the path is malformed"} // RFC 9113, section 8.3.1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.openStream(r, id, ended)
	s.unread = ended
	req.Body = http.NoBody
	if !ended {
		req.Body, req.ContentLength = &requestBody{stream: s, continues: r.expects, trailer: req.Trailer}, r.length
	}
	req = req.WithContext(s.context)
	if d := c.server.HTTP.ReadTimeout; d > 0 && !ended {
		s.setRead(time.Now().Add(d))
	}
	if d := c.server.HTTP.WriteTimeout; d > 0 {
		s.setWrite(time.Now().Add(d))
	}
	c.running++
	c.handlers.Go(func() { s.run(h, req) })
	return nil
}

// request makes net/http's request of r, as its own server does.
func (r *Request) request(c *conn) (*http.Request, error) {
	req := &http.Request{
		Method: r.Method, Proto: "HTTP/2.0", ProtoMajor: 2, Header: make(http.Header, len(r.fields)),
		Host: r.Host, RequestURI: r.Target, RemoteAddr: c.remote, TLS: c.tls,
	}
	if r.room < 0 {
		req.Method, req.URL = http.MethodGet, new(url.URL) // for nobody who looks at it
		return req, nil
	}
	values := slices.Clone(r.values) // r's are not for keeping
	for i := range r.fields {
		name := http.CanonicalHeaderKey(r.fields[i].name)
		if before := req.Header[name]; before != nil {
			req.Header[name] = append(before, values[i])
		} else {
			req.Header[name] = values[i : i+1 : i+1]
		}
	}
	if r.expects {
		delete(req.Header, "Expect")
	}
	for _, line := range req.Header["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			switch name = http.CanonicalHeaderKey(textproto.TrimString(name)); name {
			case "", "Transfer-Encoding", "Trailer", "Content-Length":
				continue
			}
			if req.Trailer == nil {
				req.Trailer = http.Header{}
			}
			req.Trailer[name] = nil
		}
	}
	delete(req.Header, "Trailer")
	if r.Method == http.MethodConnect {
		req.URL, req.RequestURI = &url.URL{Host: r.Host}, r.Host
		return req, nil
	}
	var err error
	req.URL, err = url.ParseRequestURI(r.Target)
	return req, err
}

func tooLarge(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "the request's header is too large", http.StatusRequestHeaderFieldsTooLarge)
}

func refuseConnect(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this is no proxy", http.StatusMethodNotAllowed)
}

func generalOptions(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") }

// run is the goroutine of a handler.
func (s *stream) run(h http.Handler, req *http.Request) {
	c := s.conn
	w := &response{stream: s, head: req.Method == http.MethodHead, declared: -1}
	whole := false
	defer func() {
		if !whole {
			if v := recover(); v != nil && v != http.ErrAbortHandler { //nolint:errorlint // a panic's value, as it is
				c.server.logf("http2: panic serving %v: %v\n%s", c.remote, v, debug.Stack())
			}
		}
		s.close(whole)
	}()
	h.ServeHTTP(w, req)
	if req.MultipartForm != nil {
		_ = req.MultipartForm.RemoveAll() // as net/http does
	}
	whole = w.finish() == nil
}

// close is called when the handler has returned; whole says that all that it wrote was sent.
func (s *stream) close(whole bool) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	for _, t := range []*time.Timer{s.readTimer, s.writeTimer} {
		if t != nil {
			t.Stop()
		}
	}
	switch {
	case s.err != nil:
	case !whole:
		c.abandon(s.id, internalError, http.ErrAbortHandler)
	case !s.ended && c.leaving:
		c.abandon(s.id, noError, errUnread)
	case !s.ended:
		s.returned = true // and data refuses the rest of the body, when there is much of it
	}
	s.discard()
	s.cancel()
	c.flush()
}

var errUnread = errors.New("the handler has returned")

// requestBody is a request's body.
type requestBody struct {
	stream    *stream
	continues bool        // 100 Continue is to be sent before the first read; of the goroutine that reads
	trailer   http.Header // the request's, which is filled in at the end; nil for none announced
}

// Read waits for the next bytes.
func (b *requestBody) Read(p []byte) (int, error) {
	if b.continues {
		b.continues = false
		if err := b.stream.inform(appendStatus(nil, http.StatusContinue)); err != nil {
			return 0, err
		}
	}
	s := b.stream
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	for len(p) > 0 && s.input.Len() == 0 && !s.ended && s.err == nil && s.inputErr == nil && !s.unread {
		s.wake.Wait()
	}
	switch {
	case s.inputErr != nil:
		return 0, s.inputErr
	case s.err != nil:
		return 0, s.err
	case s.unread:
		return 0, http.ErrBodyReadAfterClose
	case s.input.Len() == 0 && s.ended:
		for name, values := range s.trailer {
			if _, announced := b.trailer[name]; announced { // as net/http does
				b.trailer[name] = values
			}
		}
		return 0, io.EOF
	}
	n, _ := s.input.Read(p) // which has something
	s.release(n)
	s.conn.flush()
	return n, nil
}

// Close drops the rest.
func (b *requestBody) Close() error {
	s := b.stream
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.discard()
	s.conn.flush()
	return nil
}

// setRead sets the deadline of the request's body, the zero time for none. c.mu is held.
func (s *stream) setRead(t time.Time) {
	if s.readTimer != nil {
		s.readTimer.Stop()
	}
	s.readTimer = s.at(t, func() {
		s.inputErr = os.ErrDeadlineExceeded
		s.wake.Broadcast()
	})
}

// setWrite sets the deadline of the answer: then the stream is reset, as net/http does. c.mu is held.
func (s *stream) setWrite(t time.Time) {
	if s.writeTimer != nil {
		s.writeTimer.Stop()
	}
	s.writeTimer = s.at(t, func() {
		if s.err == nil && !s.done {
			s.conn.abandon(s.id, internalError, os.ErrDeadlineExceeded)
			s.conn.flush()
		}
	})
}

// at calls f at t with c.mu held, at once if t has passed; never if it is zero.
func (s *stream) at(t time.Time, f func()) *time.Timer {
	if t.IsZero() {
		return nil
	}
	d := time.Until(t)
	if d <= 0 {
		f()
		return nil
	}
	return time.AfterFunc(d, func() {
		s.conn.mu.Lock()
		defer s.conn.mu.Unlock()
		f()
	})
}
