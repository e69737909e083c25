package http1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Whose turn it is on a connection.
const (
	waiting   int32 = iota // the loop's, no request is under way
	answering              // the loop's, in a request
	closing                // the same, and Close was called meanwhile
	lent                   // net/http's for one request
	given                  // net/http's for good
	second                 // HTTP/2's for good; Close is its server's affair
	closed
)

// conn is a connection as net/http sees it. The goroutine of net/http that serves the connection runs the loop, inside
// Read.
type conn struct {
	net.Conn
	server *Server
	tls    *tls.ConnectionState // nil: plaintext
	cork   *cork                // below TLS; nil on plaintext
	remote string

	state  atomic.Int32
	served atomic.Bool // a request was answered, by whomever

	limited atomic.Bool // net/http or a handler set a write deadline

	// Of the goroutine that reads.
	rest   []byte    // read, but neither answered nor given to net/http
	due    int       // how much of rest is net/http's, of the request that is lent to it
	armed  bool      // the loop set a read deadline, or has to
	begun  time.Time // when the first byte of a request came, once that is known
	parsed int       // bytes of an incomplete request that were looked at
	paced  time.Time // write deadline as the loop set it; zero: it set none

	mu      sync.Mutex // guards what follows
	until   time.Time  // read deadline as it is set
	held    bool       // a background read of net/http waits although there are bytes
	aborted bool       // a deadline in the past ends it
	wake    *sync.Cond
}

// secureConn is a conn whose TLS state net/http asks for, to set Request.TLS.
type secureConn struct{ *conn }

// ConnectionState returns the state after the handshake.
func (c secureConn) ConnectionState() tls.ConnectionState { return *c.tls }

// newConn wraps c; state is nil for plaintext.
func newConn(c net.Conn, s *Server, state *tls.ConnectionState) net.Conn {
	own := &conn{Conn: c, server: s, tls: state, remote: c.RemoteAddr().String()}
	own.wake = sync.NewCond(&own.mu)
	s.track(own)
	if state != nil {
		return secureConn{own}
	}
	return own
}

// unwrap returns the conn that c is, or nil.
func unwrap(c net.Conn) *conn {
	switch c := c.(type) {
	case *conn:
		return c
	case secureConn:
		return c.conn
	}
	return nil
}

// Read is net/http's. It runs the loop, or passes on what belongs to net/http.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	switch c.state.Load() {
	case waiting:
		return c.loop(p)
	case lent:
		if c.due == 0 {
			return c.hold(p)
		}
		n := copy(p, c.rest[:c.due])
		c.rest, c.due = c.rest[n:], c.due-n
		return n, nil
	}
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// loop answers requests until there is one for net/http. p is where it reads to, which the contract of io.Reader allows,
// so that a connection that waits has no buffer besides net/http's.
func (c *conn) loop(p []byte) (int, error) {
	buf, n := p, copy(p, c.rest)
	if n < len(c.rest) {
		buf = c.grown(c.rest)
		n = len(c.rest)
	}
	c.rest, c.armed, c.parsed, c.begun = nil, false, 0, time.Time{}
	for {
		at, verdict, err := 0, partial, error(nil)
		switch begins, whole := c.begins2(buf[:n]); {
		case whole:
			return 0, c.serve2(buf[:n])
		case !begins && c.nonsense(buf[:n]):
			return 0, io.EOF
		case !begins:
			at, verdict, err = c.answer(buf[:n])
		}
		if err != nil {
			return 0, err
		}
		if verdict != partial {
			return c.handOver(p, buf[at:n], verdict)
		}
		n = copy(buf, buf[at:n])
		if n == len(buf) {
			if n >= maxHeader {
				return c.handOver(p, buf, unusual)
			}
			buf = c.grown(buf)
		}
		c.arm(n > 0)
		m, err := c.Conn.Read(buf[n:])
		if n += m; m > 0 {
			continue
		}
		if n > 0 && errors.Is(err, io.EOF) {
			return c.handOver(p, buf[:n], unusual) // which answers half a request, and meets the end itself
		}
		return 0, err
	}
}

// grown copies b to where the longest header has room.
func (c *conn) grown(b []byte) []byte {
	buf := make([]byte, maxHeader)
	copy(buf, b)
	return buf
}

// answer answers the requests in b, and returns where what it did not answer begins. The verdict on that is partial,
// usual when the request there is net/http's and the loop goes on after it, or unusual.
func (c *conn) answer(b []byte) (at int, v verdict, err error) {
	if len(b) == 0 || c.parsed > 0 && bytes.IndexByte(b[c.parsed:], '\n') < 0 {
		c.parsed = len(b)
		return 0, partial, nil
	}
	r := requests.Get().(*Request)
	defer r.free()
	for at < len(b) {
		c.parsed = 0
		end := len(b)
		if i := bytes.Index(b[at:], emptyLine); i >= 0 {
			end = at + i + len(emptyLine)
		}
		_, v := r.parse(r.text.of(b[at:end]))
		switch {
		case v == partial && end == len(b):
			c.parsed = len(b) - at
			return at, partial, nil
		case v != usual:
			return at, unusual, nil
		}
		answered, err := c.ask(r)
		if err != nil {
			return at, unusual, err
		}
		if !answered {
			c.due = end - at
			return at, usual, nil
		}
		at = end
	}
	return at, partial, nil
}

var emptyLine = []byte("\r\n\r\n")

// ask has the Responder answer r. An error ends the connection.
func (c *conn) ask(r *Request) (answered bool, err error) {
	if !c.state.CompareAndSwap(waiting, answering) {
		return false, net.ErrClosed
	}
	over := true // also when the Responder panics, which net/http reports
	defer func() {
		if over {
			c.state.Store(given) // so that Close closes
		}
	}()
	if r.Method != "OPTIONS" && !r.pragma && !c.server.ended.Load() {
		r.conn, r.Remote, r.TLS = c, c.remote, c.tls
		answered = c.server.Responder.Answer(r)
	}
	next := waiting
	if !answered {
		next = lent
	}
	switch {
	case r.failure != nil:
		return true, r.failure
	case answered && r.close, !c.state.CompareAndSwap(answering, next):
		return answered, io.EOF // the viewer's wish, or Close was called
	}
	over = false
	c.served.Store(true)
	c.armed = c.armed || answered
	c.begun = time.Time{}
	return answered, nil
}

// handOver gives net/http what b begins with: the request that is lent to it, or all.
func (c *conn) handOver(p, b []byte, v verdict) (int, error) {
	if err := c.unpace(); err != nil {
		return 0, err
	}
	give := len(b)
	if v == usual {
		give = c.due
	} else {
		if !c.state.CompareAndSwap(waiting, given) {
			return 0, net.ErrClosed
		}
		if c.armed {
			// It may have set the header's deadline before the loop set others.
			if err := c.SetReadDeadline(c.headerDeadline()); err != nil {
				return 0, err
			}
		}
	}
	n := min(len(p), give)
	if n < len(b) {
		c.rest = append([]byte(nil), b[n:]...) // before p, which b may be part of, changes
	}
	copy(p, b[:n])
	c.due = give - n
	return n, nil
}

// idleSlack saves setting a deadline anew for every request.
const idleSlack = time.Second

// arm sets the read deadline before the loop waits, inside a request or for one. Until the loop answered something, the
// one that net/http set holds.
func (c *conn) arm(inRequest bool) {
	c.mu.Lock()
	until := c.until
	c.mu.Unlock()
	idle := c.server.idleTimeout()
	switch {
	case inRequest && (c.served.Load() || c.armed):
		if c.begun.IsZero() {
			c.begun, c.armed = time.Now(), true
			_ = c.SetReadDeadline(c.headerDeadline()) // fails only on a closed connection, as the read then does
		}
	case inRequest || !c.armed:
	case idle <= 0:
		if !until.IsZero() {
			_ = c.SetReadDeadline(time.Time{})
		}
	default:
		now := time.Now()
		if end := now.Add(idle); until.Before(end) || until.After(end.Add(idleSlack)) {
			_ = c.SetReadDeadline(end.Add(idleSlack))
		}
	}
}

// headerDeadline is when the request that began at c.begun, or now, must have come with its header.
func (c *conn) headerDeadline() time.Time {
	d := c.server.headerTimeout()
	if d <= 0 {
		return time.Time{}
	}
	if c.begun.IsZero() {
		return time.Now().Add(d)
	}
	return c.begun.Add(d)
}

// hold is a read of net/http's while a handler runs: it wants to know whether the viewer leaves, and must get no byte of
// the next request. Bytes that come are kept, and the read waits until net/http gives it up.
func (c *conn) hold(p []byte) (int, error) {
	if len(c.rest) == 0 {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		c.rest = append(c.rest, p[:n]...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
	for !c.aborted && c.state.Load() == lent {
		c.wake.Wait()
	}
	c.held, c.aborted = false, false
	return 0, errAborted{}
}

// errAborted is the timeout by which net/http ends its own read.
type errAborted struct{}

func (errAborted) Error() string   { return "read given up" }
func (errAborted) Timeout() bool   { return true }
func (errAborted) Temporary() bool { return true }

// SetReadDeadline also ends a read that is held, if t is in the past.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.until = t
	c.aborted = !t.IsZero() && !t.After(time.Now())
	if c.held && c.aborted {
		c.wake.Broadcast()
	}
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is net/http's, or a handler's; it ends with the request.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.limited.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// resume is called when net/http is done with a request.
func (c *conn) resume() {
	c.served.Store(true)
	if c.limited.Swap(false) {
		_ = c.Conn.SetWriteDeadline(time.Time{}) // fails only on a closed connection
	}
	c.state.CompareAndSwap(lent, waiting)
}

// retire closes a connection that waits for another request, and has one that is being answered close after it. One that
// has not brought its first request yet is left to net/http, which waits for that a little.
func (c *conn) retire() {
	if c.served.Load() && c.state.CompareAndSwap(waiting, closed) {
		c.Conn.Close()
		return
	}
	c.state.CompareAndSwap(answering, closing)
}

// preface2 is what a client of HTTP/2 begins a plaintext connection with (RFC 9113, section 3.4).
const preface2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// begins2 reports whether the connection, of which b came, may be one of HTTP/2, and whether it surely is.
func (c *conn) begins2(b []byte) (begins, whole bool) {
	if c.server.HTTP2 == nil || c.tls != nil || c.served.Load() || len(b) == 0 {
		return false, false
	}
	n := min(len(b), len(preface2))
	begins = string(b[:n]) == preface2[:n]
	return begins, begins && n == len(preface2)
}

// nonsense reports whether the connection, of which b came, begins with a line of neither protocol. That gets no answer: to
// a peer that means HTTP/2 it would be none (RFC 9113, section 3.4).
func (c *conn) nonsense(b []byte) bool {
	if c.server.HTTP2 == nil || c.tls != nil || c.served.Load() {
		return false
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	return whole && len(line) > 1 && !bytes.Contains(line, []byte(" HTTP/"))
}

// serve2 runs the connection as one of HTTP/2, inside net/http's Read, which then meets the end.
func (c *conn) serve2(early []byte) error {
	if !c.state.CompareAndSwap(waiting, second) {
		return net.ErrClosed
	}
	c.server.HTTP2.ServeConn(c.Conn, early, nil)
	c.state.Store(given) // so that Close closes
	return io.EOF
}

// Close closes the connection, after the answer that the loop is sending unless the server is cut off.
func (c *conn) Close() error {
	if c.state.CompareAndSwap(answering, closing) && !c.server.hard.Load() {
		return nil
	}
	if c.state.Load() == second {
		return nil
	}
	c.state.Store(closed)
	c.mu.Lock()
	c.wake.Broadcast()
	c.mu.Unlock()
	c.server.forget(c)
	return c.Conn.Close()
}

// CloseWrite lets net/http end a connection in order.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
