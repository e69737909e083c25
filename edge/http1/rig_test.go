package http1

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a Responder that knows every path that begins with /hit.
type memory struct{}

func (memory) Answer(r *Request) bool {
	if !strings.HasPrefix(r.Target, "/hit") {
		return false
	}
	body := []byte("loop " + r.Target)
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nDate: %s\r\n", len(body), time.Now().UTC().Format(http.TimeFormat))
	if r.Method == http.MethodHead {
		body = nil
	}
	_, _ = r.Write(head, body) // the loop knows
	return true
}

// echo is the handler: it answers like memory, but says who it is where it must.
func echo(w http.ResponseWriter, r *http.Request) {
	who := "handler "
	if strings.HasPrefix(r.RequestURI, "/hit") {
		who = "loop " // so that answers compare
	}
	n, _ := io.Copy(io.Discard, r.Body)
	body := who + r.RequestURI
	if n > 0 {
		body += fmt.Sprint(" with ", n)
	}
	w.Header()["Content-Type"] = nil
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = io.WriteString(w, body) // net/http knows
}

// pipes is a listener whose connections are made by dial.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// counting counts the requests that the Responder answered and that the handler got.
type counting struct {
	next     Responder
	answered atomic.Int32
	handled  atomic.Int32
}

func (c *counting) Answer(r *Request) bool {
	ok := c.next.Answer(r)
	if ok {
		c.answered.Add(1)
	}
	return ok
}

// rig is a server in a synctest bubble.
type rig struct {
	*Server
	*counting
	*pipes
}

// newRig serves with the timeouts of glassine's viewers. handler nil is echo.
func newRig(t *testing.T, r Responder, handler http.HandlerFunc) *rig {
	if handler == nil {
		handler = echo
	}
	count := &counting{next: r}
	rg := &rig{pipes: newPipes(), counting: count}
	rg.Server = &Server{Responder: count, HTTP: &http.Server{
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { count.handled.Add(1); handler(w, r) }),
	}}
	go func() { _ = rg.Serve(rg.pipes) }()
	t.Cleanup(func() { rg.Server.Close() })
	return rg
}

func (rg *rig) Close() error { return rg.Server.Close() }

// client is one connection, what it got so far, and whether the server ended it.
type client struct {
	net.Conn
	turn chan struct{} // whose it is to write: a mutex would not let a bubble rest
	mu   sync.Mutex
	got  bytes.Buffer
	end  bool
}

func (rg *rig) connect() *client { return newClient(rg.dial()) }

func newClient(conn net.Conn) *client {
	c := &client{Conn: conn, turn: make(chan struct{}, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			c.mu.Lock()
			c.got.Write(buf[:n])
			c.end = c.end || err != nil
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// say sends and returns what came back until everything waits, since the last call.
func (c *client) say(text string) string {
	go func() {
		c.turn <- struct{}{}
		_, _ = io.WriteString(c, text) // a server that closes does not read
		<-c.turn
	}()
	synctest.Wait()
	return c.take()
}

func (c *client) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.got.Reset()
	return c.got.String()
}

func (c *client) ended() bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// bodies are the answers' bodies in a transcript, statuses of those without.
func bodies(transcript string) string {
	var all []string
	for part := range strings.SplitSeq(transcript, "HTTP/1.1 ") {
		if part == "" {
			continue
		}
		_, body, _ := strings.Cut(part, "\r\n\r\n")
		if body == "" {
			body = part[:3]
		}
		all = append(all, body)
	}
	return strings.Join(all, ", ")
}

func get(target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func want(t *testing.T, got, want any, what string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// inBubble runs f with a rig and checks that Shutdown leaves nothing behind: a goroutine that stays makes the bubble fail.
func inBubble(t *testing.T, r Responder, handler http.HandlerFunc, f func(t *testing.T, rg *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rg := newRig(t, r, handler)
		f(t, rg)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if rg.Shutdown(ctx) != nil {
			rg.Server.Close()
		}
	})
}
