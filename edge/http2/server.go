// Package http2 is a server of HTTP/2 (RFC 9113) that answers what it has in memory without the cost of net/http: the
// goroutine that reads a connection asks a Responder, which knows the answer or leaves the request alone, and writes what
// answers it got while there was something to read in one go. Every other request is an ordinary one for an http.Handler,
// on a goroutine of its own, with what handlers of net/http have: bodies that stream, trailers, Expect, deadlines, and a
// context that ends with the stream.
//
// It replaces net/http's own HTTP/2 and reads more strictly: what RFC 9113 calls malformed reaches no handler. It has no
// server push, no extended CONNECT and no priorities: streams that have something to send take turns.
//
// Start at Server. A connection's frames come in through receive.go, and all that is sent goes through send.go.
package http2

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// Responder answers what it can answer at once.
type Responder interface {
	// AnswerHTTP2 answers r with one call of r.Write and returns true, or returns false having done nothing; then the
	// handler gets the request. It must not wait for anything but r.Write, and r is not valid after it; r's strings are. It
	// is called by many goroutines.
	AnswerHTTP2(r *Request) bool
}

// Server serves connections of HTTP/2.
type Server struct {
	// HTTP says what net/http's server would do: Handler, ConnContext, ErrorLog, MaxHeaderBytes, and the timeouts. IdleTimeout
	// holds while no handler runs, ReadHeaderTimeout for the preface and each header; ReadTimeout and WriteTimeout are a
	// request's, counted from its header. The others are not looked at. It need not serve by itself.
	HTTP *http.Server
	// Responder is asked first; nil: everything is the handler's.
	Responder Responder
	// StallTimeout ends a connection whose viewer takes nearly nothing: 64 KiB may take that long, and up to twice that. 0 is a
	// minute.
	StallTimeout time.Duration

	mu    sync.Mutex // guards what follows
	conns map[*conn]struct{}
	ended bool
	empty chan struct{} // closed when conns is empty, once Shutdown waits for that
}

// maxStreams is how many requests a connection may have under way.
const maxStreams = 250

// ServeConn serves c until it ends, and closes it. What was read from c already is early; it is not kept. state is that of TLS, whose
// handshake is over, nil for plaintext. It returns when the connection's handlers have returned.
func (s *Server) ServeConn(c net.Conn, early []byte, state *tls.ConnectionState) {
	own := newConn(s, c, state)
	if !s.track(own) {
		c.Close()
		return
	}
	defer s.forget(own)
	own.serve(early)
}

// Shutdown tells every peer that the connection ends and waits for the requests under way until ctx ends (RFC 9113,
// section 6.8).
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.ended = true
	var leaving sync.WaitGroup
	for c := range s.conns {
		leaving.Go(c.leave)
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
		if len(s.conns) == 0 {
			close(s.empty)
		}
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		leaving.Wait()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close cuts everything off.
func (s *Server) Close() error {
	s.mu.Lock()
	s.ended = true
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.mu.Lock()
		c.fail(net.ErrClosed)
		c.mu.Unlock()
	}
	return nil
}

func (s *Server) track(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.ended && s.empty != nil {
		close(s.empty)
	}
}

func (s *Server) handler() http.Handler {
	if s.HTTP.Handler != nil {
		return s.HTTP.Handler
	}
	return http.DefaultServeMux
}

func (s *Server) headerTimeout() time.Duration {
	if s.HTTP.ReadHeaderTimeout != 0 {
		return s.HTTP.ReadHeaderTimeout
	}
	return s.HTTP.ReadTimeout
}

func (s *Server) idleTimeout() time.Duration {
	if s.HTTP.IdleTimeout != 0 {
		return s.HTTP.IdleTimeout
	}
	return s.HTTP.ReadTimeout
}

// headerLimit is the longest header list, in bytes as HTTP/2 counts them: MaxHeaderBytes and, as net/http does, the overhead of ten
// fields.
func (s *Server) headerLimit() int {
	n := s.HTTP.MaxHeaderBytes
	if n <= 0 {
		n = http.DefaultMaxHeaderBytes
	}
	return n + 10*fieldOverhead
}

func (s *Server) stallTimeout() time.Duration {
	if s.StallTimeout > 0 {
		return s.StallTimeout
	}
	return time.Minute
}

func (s *Server) logf(format string, args ...any) {
	if s.HTTP.ErrorLog != nil {
		s.HTTP.ErrorLog.Printf(format, args...)
	}
}
