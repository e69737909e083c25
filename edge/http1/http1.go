// Package http1 lets an http.Server answer what it has in memory without the cost of net/http: on a connection of HTTP/1.1,
// a loop of our own parses the next request, and a Responder that knows the answer has it written at once, header and body
// in one system call. Everything else goes to net/http, byte for byte, on the same connection and in order.
//
// It is no HTTP server: it never answers a request by itself, not even a malformed one. Connections of HTTP/2 it hands to
// another (Server.HTTP2). What the loop takes is a strict subset of what net/http accepts, read in the same way; whatever is
// unusual is net/http's, and so are bodies, upgrades, HTTP/1.0, the limits of headers, and the answers to nonsense.
//
// How the two share a connection: net/http reads from a wrapped connection. While it waits for a request, the wrapper's
// Read runs the loop. A request that the Responder leaves alone is given to net/http in exactly its bytes, and the loop is
// on again when net/http says that the connection is idle (http.StateIdle). This is sound because such a request has no
// body, so that both know where the next one begins; once a connection brought anything that is not so plain, it is
// net/http's for good.
//
// Start at Server.
package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Responder answers what it can answer at once.
type Responder interface {
	// Answer answers r with one call of r.Write or r.WriteFile and returns true, or returns false having done nothing; then the handler of
	// the server gets the request. It must not wait for anything but these, and r is not valid after it; r's strings are.
	// It is called by many goroutines.
	Answer(r *Request) bool
}

// HTTP2 is a server of HTTP/2, such as http2.Server.
type HTTP2 interface {
	// ServeConn serves c until it ends, and closes it. early is what was read from it already.
	ServeConn(c net.Conn, early []byte, state *tls.ConnectionState)
	Shutdown(context.Context) error
	Close() error
}

// Server is an http.Server whose HTTP/1.1 connections run the loop. Its timeouts are HTTP's: IdleTimeout holds between
// requests (to within a second), ReadHeaderTimeout from a request's first byte, WriteTimeout for each answer unless there is a StallTimeout.
type Server struct {
	// HTTP is the server that gets everything else. Its ConnState is called as before, except that requests which the loop
	// answers do not show: such a connection stays as it was. Call Serve, Shutdown and Close here, not there.
	HTTP *http.Server
	// Responder is asked first.
	Responder Responder
	// HTTP2 gets the connections of HTTP/2: over TLS those that negotiated it, on plaintext those that begin with its preface
	// (RFC 9113, section 3.3). Shutdown and Close end it too. nil: over TLS they are net/http's, and on plaintext there are none.
	HTTP2 HTTP2
	// StallTimeout ends a connection whose viewer takes nearly nothing of the loop's answers: 256 KiB may take that long, and up to
	// twice that. 0 is for ever, or HTTP.WriteTimeout for each answer. What net/http answers is not concerned.
	StallTimeout time.Duration

	once  sync.Once // sets HTTP.ConnState
	ended atomic.Bool
	hard  atomic.Bool // Close was called: answers under way are cut off

	mu         sync.Mutex // guards what follows
	conns      map[*conn]struct{}
	handshakes map[net.Conn]struct{}
	empty      chan struct{} // closed when conns is empty, once Shutdown waits for that
	shaking    sync.WaitGroup
}

// Serve is http.Server.Serve: it serves plaintext connections of l until Shutdown or Close.
func (s *Server) Serve(l net.Listener) error {
	s.init()
	return s.HTTP.Serve(&plainListener{l, s})
}

// ServeTLS is http.Server.ServeTLS with the certificates of HTTP.TLSConfig. HTTP/2 is offered if its NextProtos names h2.
func (s *Server) ServeTLS(l net.Listener) error {
	s.init()
	config := s.HTTP.TLSConfig.Clone()
	if !slices.Contains(config.NextProtos, "http/1.1") {
		config.NextProtos = append(slices.Clone(config.NextProtos), "http/1.1")
	}
	return s.HTTP.Serve(newSecureListener(l, config, s))
}

func (s *Server) init() {
	s.once.Do(func() {
		next := s.HTTP.ConnState
		s.HTTP.ConnState = func(c net.Conn, state http.ConnState) {
			s.changed(c, state)
			if next != nil {
				next(c, state)
			}
		}
	})
}

// changed is told what net/http does with a connection.
func (s *Server) changed(c net.Conn, state http.ConnState) {
	own := unwrap(c)
	if own == nil {
		return
	}
	switch state {
	case http.StateIdle:
		own.resume()
	case http.StateHijacked:
		own.state.Store(given)
		s.forget(own)
	}
}

// Shutdown is http.Server.Shutdown: it takes no new connections, closes idle ones, and waits for answers under way until
// ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.ended.Store(true)
	s.mu.Lock()
	for c := range s.conns {
		c.retire()
	}
	s.mu.Unlock()
	second := make(chan error, 1)
	go func() { second <- s.shutdown2(ctx) }()
	err := s.HTTP.Shutdown(ctx)
	s.stopHandshakes()
	if err := errors.Join(err, <-second); err != nil {
		return err
	}
	// What net/http holds for closed may still be sending the answer that the loop began.
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) shutdown2(ctx context.Context) error {
	if s.HTTP2 == nil {
		return nil
	}
	return s.HTTP2.Shutdown(ctx)
}

// Close is http.Server.Close: it cuts everything off.
func (s *Server) Close() error {
	s.ended.Store(true)
	s.hard.Store(true)
	err := s.HTTP.Close()
	if s.HTTP2 != nil {
		err = errors.Join(err, s.HTTP2.Close())
	}
	s.mu.Lock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // nobody is there to tell
	}
	s.stopHandshakes()
	return err
}

func (s *Server) stopHandshakes() {
	s.mu.Lock()
	for c := range s.handshakes {
		c.Close()
	}
	s.mu.Unlock()
	s.shaking.Wait()
}

// track adds c to the connections; forget takes it out.
func (s *Server) track(c *conn) {
	s.mu.Lock()
	if s.conns == nil {
		s.conns = map[*conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	s.mu.Unlock()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
	s.mu.Unlock()
}

// headerTimeout is how long a request's header may take; 0 is for ever. It is what net/http makes of its two settings.
func (s *Server) headerTimeout() time.Duration {
	if s.HTTP.ReadHeaderTimeout != 0 {
		return s.HTTP.ReadHeaderTimeout
	}
	return s.HTTP.ReadTimeout
}

// idleTimeout is how long a connection may wait between requests.
func (s *Server) idleTimeout() time.Duration {
	if s.HTTP.IdleTimeout != 0 {
		return s.HTTP.IdleTimeout
	}
	return s.HTTP.ReadTimeout
}

// handshakeTimeout is what net/http gives a TLS handshake: the shortest of its timeouts.
func (s *Server) handshakeTimeout() (d time.Duration) {
	for _, t := range []time.Duration{s.HTTP.ReadHeaderTimeout, s.HTTP.ReadTimeout, s.HTTP.WriteTimeout} {
		if t > 0 && (d == 0 || t < d) {
			d = t
		}
	}
	return d
}

// plainListener wraps what it accepts.
type plainListener struct {
	net.Listener
	server *Server
}

func (l *plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(c, l.server, nil), nil
}
