package glassine

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"glassine/aws/wire"
)

// awsListener is the listener of the AWS endpoint: it answers TLS and plaintext on one port (the first byte decides) and
// takes back connections that a client tunnelled to it with CONNECT, so that the endpoint is a forward proxy for AWS's
// names. SDKs put labels before the endpoint's host, which no DNS resolves; a proxy needs no DNS.
type awsListener struct {
	net.Listener
	tls   *tls.Config
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// firstByte is how long a client has to say whether it speaks TLS, and to shake hands.
const firstByte = 10 * time.Second

func newAWSListener(l net.Listener, config *tls.Config) *awsListener {
	a := &awsListener{Listener: l, tls: config, conns: make(chan net.Conn), done: make(chan struct{})}
	go a.run()
	return a
}

// run accepts until the listener is closed. Each connection is looked at on a goroutine that ends by firstByte.
func (a *awsListener) run() {
	for {
		c, err := a.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				a.once.Do(func() { close(a.done) })
				return
			}
			time.Sleep(5 * time.Millisecond) // out of file descriptors: let some go, as net/http does
			continue
		}
		go a.offer(c)
	}
}

// offer finds out what c speaks and queues it.
func (a *awsListener) offer(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(firstByte)) // fails only on a closed connection, as the read then does
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		c.Close()
		return
	}
	var conn net.Conn = &peekedConn{Conn: c, buffered: first}
	if first[0] == 22 { // a TLS handshake record (RFC 8446, section 5.1)
		secure := tls.Server(conn, a.tls)
		if err := secure.Handshake(); err != nil {
			c.Close()
			return
		}
		conn = secure
	}
	_ = c.SetReadDeadline(time.Time{})
	conn = &wire.NamesConn{Conn: conn}
	select {
	case a.conns <- conn:
	case <-a.done:
		c.Close()
	}
}

func (a *awsListener) Accept() (net.Conn, error) {
	select {
	case c := <-a.conns:
		return c, nil
	case <-a.done:
		return nil, net.ErrClosed
	}
}

func (a *awsListener) Close() error {
	err := a.Listener.Close()
	a.once.Do(func() { close(a.done) })
	return err
}

// peekedConn gives the bytes that were looked at once more.
type peekedConn struct {
	net.Conn
	buffered []byte
}

func (c *peekedConn) Read(p []byte) (int, error) {
	if len(c.buffered) > 0 {
		n := copy(p, c.buffered)
		c.buffered = c.buffered[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// ReadFrom lets the kernel send a file by itself on a plaintext connection.
func (c *peekedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets net/http end a plaintext connection in order.
func (c *peekedConn) CloseWrite() error {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		return t.CloseWrite()
	}
	return nil
}

// proxy takes the requests that a proxy gets: CONNECT for one of our names becomes a connection of the same listener, and
// an absolute-form target for another name is refused. It is a proxy to nowhere else.
func (a *awsListener) proxy(ours func(host string) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = wire.NoteNames(r)
		if r.Method != http.MethodConnect {
			if r.URL.IsAbs() && !ours(r.Host) {
				http.Error(w, "glassine is a proxy for AWS's host names and its own only, not for "+wire.Hostname(r.Host), http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		if !ours(r.Host) {
			http.Error(w, "glassine is a proxy for AWS's host names and its own only, not for "+wire.Hostname(r.Host), http.StatusForbidden)
			return
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, "CONNECT needs HTTP/1.1", http.StatusHTTPVersionNotSupported)
			return
		}
		if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
			conn.Close()
			return
		}
		if names, ok := conn.(*wire.NamesConn); ok {
			names.Stop() // what comes now is the tunnel's, which notes its own
		}
		early, _ := buf.Peek(buf.Reader.Buffered())
		go a.offer(&peekedConn{Conn: conn, buffered: append([]byte(nil), early...)})
	})
}
