// Package http3 serves HTTP/3 (RFC 9114) to viewers, over QUIC on a UDP socket: quic-go with what an http.Handler expects of
// a server, limits, and an end in good order. It knows no distributions: which names are served is the TLS configuration's
// decision, and so is the certificate.
//
// Start at Server.
package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Server serves HTTP/3 from one socket. Set its fields before Serve.
type Server struct {
	// Handler answers; a request's Proto is HTTP/3.0. A request without a body has ContentLength 0, as with net/http.
	Handler http.Handler
	// TLS has the certificates. Its GetConfigForClient, if any, is asked for each connection, and an error refuses it. The
	// protocol in the handshake (ALPN) is set to h3 here. There is no 0-RTT, as on CloudFront: what comes in it can be sent
	// again by anybody (RFC 8446, section 8).
	TLS *tls.Config
	// IdleTimeout ends a connection without requests; 0 means 60 s.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds a request's header; 0 means 32 KiB.
	MaxHeaderBytes int
	// Log gets what goes wrong with connections, at level debug; nil discards.
	Log *slog.Logger

	once      sync.Once
	http      *http3.Server
	transport *quic.Transport
	mu        sync.Mutex          // guards listener
	listener  *quic.EarlyListener // nil before Serve

	active atomic.Int64 // requests that a handler has
	last   atomic.Int64 // when one was last answered, in nanoseconds since the epoch
	pace   pace
}

// maxStreams is how many requests a connection may have at a time: what net/http allows on HTTP/2, and a bound for what one
// viewer can hold.
const maxStreams = 250

// settle is how long after its last answer a server waits in Shutdown for viewers to take it: QUIC drops what is not yet
// acknowledged when a connection is closed.
const settle = 500 * time.Millisecond

func (s *Server) init() {
	s.once.Do(func() {
		log := s.Log
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		idle, header := s.IdleTimeout, s.MaxHeaderBytes
		if idle == 0 {
			idle = time.Minute
		}
		if header == 0 {
			header = 32 << 10
		}
		s.http = &http3.Server{Handler: s.handler(), IdleTimeout: idle, MaxHeaderBytes: header, Logger: log}
	})
}

// Serve answers on conn until Shutdown or Close; the error is then http.ErrServerClosed. conn stays open.
func (s *Server) Serve(conn net.PacketConn) error {
	s.init()
	transport := &quic.Transport{
		Conn: conn,
		// RFC 9000, section 8.1.2: who begins connections faster than people do has to prove his address first.
		VerifySourceAddress: func(net.Addr) bool { return s.pace.fast(time.Now()) },
	}
	config := &quic.Config{
		MaxIdleTimeout: s.http.IdleTimeout, HandshakeIdleTimeout: 10 * time.Second, MaxIncomingStreams: maxStreams,
		// What a viewer may send ahead of being read, for a stream and in all: images are sent, seldom taken.
		MaxStreamReceiveWindow: 1 << 20, MaxConnectionReceiveWindow: 4 << 20,
	}
	listener, err := transport.ListenEarly(http3.ConfigureTLSConfig(s.TLS), config)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.transport, s.listener = transport, listener
	s.mu.Unlock()
	err = s.http.ServeListener(listener)
	if errors.Is(err, quic.ErrServerClosed) {
		err = http.ErrServerClosed
	}
	return err
}

// handler counts requests and mends what quic-go leaves unsaid.
func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.active.Add(1)
		defer func() {
			s.last.Store(time.Now().UnixNano())
			s.active.Add(-1)
		}()
		measure(r)
		s.Handler.ServeHTTP(w, r)
	})
}

// measure finds out whether a request that announces no length has a body: one without ends with its header, in most cases
// in the same packet.
func measure(r *http.Request) {
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	if r.ContentLength >= 0 {
		return
	}
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	if n == 0 && errors.Is(err, io.EOF) {
		r.ContentLength, r.Body = 0, http.NoBody
		return
	}
	r.Body = &begun{ReadCloser: r.Body, first: first[:n], err: err}
}

// begun is a body whose first byte was read already.
type begun struct {
	io.ReadCloser
	first []byte
	err   error // of reading it
}

func (b *begun) Read(p []byte) (int, error) {
	switch {
	case len(b.first) > 0 && len(p) > 0:
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	case b.err != nil:
		return 0, b.err
	}
	return b.ReadCloser.Read(p)
}

// Shutdown takes no new connections and requests, tells viewers so (GOAWAY, RFC 9114, section 5.2), and waits for answers
// under way until ctx ends. Connections without requests are closed soon, whether their viewers close them or not.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.stop()
	// quic-go waits for viewers to close their connections, which idle ones do not.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		tick := time.NewTicker(settle / 10)
		defer tick.Stop()
		begun := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				if since := max(begun.UnixNano(), s.last.Load()); s.active.Load() == 0 && now.UnixNano()-since > int64(settle) {
					cancel(errQuiet)
					return
				}
			}
		}
	}()
	err := s.http.Shutdown(ctx)
	if errors.Is(context.Cause(ctx), errQuiet) {
		err = nil
	}
	cancel(nil)
	<-quiet
	return errors.Join(err, s.end())
}

var errQuiet = errors.New("no requests are left")

// stop ends the taking of connections.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close() // is closed at the second time
	}
}

// end gives the socket back.
func (s *Server) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transport == nil {
		return nil
	}
	return s.transport.Close()
}

// Close cuts everything off.
func (s *Server) Close() error {
	s.init()
	s.stop()
	return errors.Join(s.http.Close(), s.end())
}

// pace counts the connections that begin in a second.
type pace struct {
	mu     sync.Mutex // guards what follows
	second int64      // since the epoch
	n      int
}

// manyConnections is how many connections may begin in a second before addresses have to be proved.
const manyConnections = 200

// fast counts one, and reports whether there are too many.
func (p *pace) fast(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if second := now.Unix(); second != p.second {
		p.second, p.n = second, 0
	}
	p.n++
	return p.n > manyConnections
}
