package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// secureListener shakes hands and returns connections that are ready: those of HTTP/1.1 wrapped, those of HTTP/2 as
// *tls.Conn, by which net/http knows them, unless they are another server's.
type secureListener struct {
	net.Listener
	config *tls.Config
	server *Server
	conns  chan net.Conn
	failed chan error
	done   chan struct{}
	once   sync.Once
}

func newSecureListener(l net.Listener, config *tls.Config, s *Server) *secureListener {
	secure := &secureListener{
		Listener: l, config: config, server: s,
		conns: make(chan net.Conn), failed: make(chan error), done: make(chan struct{}),
	}
	s.shaking.Go(secure.run)
	return secure
}

// run accepts until the listener is closed.
func (l *secureListener) run() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			select {
			case l.failed <- err: // net/http waits and asks again, or ends
			case <-l.done:
				return
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if !l.server.shake(c) {
			c.Close()
			continue
		}
		go func() {
			second := l.offer(c)
			l.server.shaken(c)
			if second != nil {
				state := second.ConnectionState()
				l.server.HTTP2.ServeConn(second, nil, &state) // which waits for it at its end
			}
		}()
	}
}

// shake notes a connection whose handshake begins, and shaken that it is over. It is false when the server has ended.
func (s *Server) shake(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return false
	}
	if s.handshakes == nil {
		s.handshakes = map[net.Conn]struct{}{}
	}
	s.handshakes[c] = struct{}{}
	s.shaking.Add(1)
	return true
}

func (s *Server) shaken(c net.Conn) {
	s.mu.Lock()
	delete(s.handshakes, c)
	s.mu.Unlock()
	s.shaking.Done()
}

// offer shakes hands with c and queues it, or returns it if it is the other server's.
func (l *secureListener) offer(c net.Conn) *gathered {
	ready, err := l.handshake(c)
	if err != nil {
		reason := err.Error()
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			// As net/http does.
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			reason = "client sent an HTTP request to an HTTPS server"
		}
		c.Close()
		l.server.logf("http: TLS handshake error from %s: %v", c.RemoteAddr(), reason)
		return nil
	}
	if second, ok := ready.(*gathered); ok {
		return second
	}
	select {
	case l.conns <- ready:
	case <-l.done:
		ready.Close()
	}
	return nil
}

func (l *secureListener) handshake(c net.Conn) (net.Conn, error) {
	if d := l.server.handshakeTimeout(); d > 0 {
		if err := c.SetDeadline(time.Now().Add(d)); err != nil {
			return nil, err
		}
	}
	below := &cork{Conn: c}
	secure := tls.Server(below, l.config)
	if err := secure.HandshakeContext(context.Background()); err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	state := secure.ConnectionState()
	if p := state.NegotiatedProtocol; p != "" && p != "http/1.1" {
		if p == "h2" && l.server.HTTP2 != nil {
			return &gathered{secure, below}, nil
		}
		return secure, nil
	}
	ready := newConn(secure, l.server, &state)
	unwrap(ready).cork = below
	return ready, nil
}

// looksLikeHTTP reports whether what came in place of a TLS record is a request.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

func (s *Server) logf(format string, args ...any) {
	if s.HTTP.ErrorLog != nil {
		s.HTTP.ErrorLog.Printf(format, args...)
	}
}

// Accept returns the next connection that is ready.
func (l *secureListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener; handshakes under way end with the server.
func (l *secureListener) Close() error {
	err := l.Listener.Close()
	l.once.Do(func() { close(l.done) })
	return err
}
