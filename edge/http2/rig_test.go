package http2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The peer of these tests is x/net's Framer and hpack: another's reading of the same RFCs.

// memory is a Responder that knows every path that begins with /hit; /hit/N has N bytes.
type memory struct{ answered atomic.Int32 }

func (m *memory) AnswerHTTP2(r *Request) bool {
	rest, ok := strings.CutPrefix(r.Target, "/hit")
	if !ok {
		return false
	}
	body := []byte("hit " + rest)
	var n int
	if _, err := fmt.Sscanf(rest, "/%d", &n); err == nil {
		body = bytes.Repeat([]byte("x"), n)
	}
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Saw: %s\r\n", len(body), strings.Join(r.Values("X-Say"), ","))
	if r.Method == http.MethodHead {
		body = nil
	}
	if !r.Takes(int64(len(body))) {
		return false
	}
	_, _ = r.Write(head, body) // the connection knows
	m.answered.Add(1)
	return true
}

// echo is the handler: it says what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Saw", strings.Join(r.Header.Values("X-Say"), ","))
	if len(body) > 0 {
		fmt.Fprintf(w, "handler %s %d", r.RequestURI, len(body))
		return
	}
	io.WriteString(w, "handler "+r.RequestURI)
}

// rig is a server in a synctest bubble.
type rig struct {
	*Server
	*memory
	wait sync.WaitGroup
}

// newRig serves with the timeouts of glassine's viewers. handler nil is echo.
func newRig(handler http.HandlerFunc) *rig {
	if handler == nil {
		handler = echo
	}
	m := new(memory)
	return &rig{memory: m, Server: &Server{Responder: m, HTTP: &http.Server{
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10, Handler: handler,
	}}}
}

// inBubble runs f with a rig and checks that Shutdown leaves nothing behind: a goroutine that stays makes the bubble fail.
func inBubble(t *testing.T, handler http.HandlerFunc, f func(t *testing.T, rg *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rg := newRig(handler)
		f(t, rg)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if rg.Shutdown(ctx) != nil {
			rg.Server.Close()
		}
		rg.wait.Wait()
	})
}

// client is the far end of a connection, and what it got.
type client struct {
	t    *testing.T
	conn net.Conn
	fr   *http2.Framer
	enc  *hpack.Encoder
	head bytes.Buffer
	turn chan struct{} // whose it is to write: a mutex would not let a bubble rest

	mu    sync.Mutex
	seen  []string // frames, in words
	data  map[uint32]int
	ended bool
}

// connect makes a connection; it says nothing yet.
func (rg *rig) connect(t *testing.T) *client {
	near, far := net.Pipe()
	rg.wait.Go(func() { rg.ServeConn(far, nil, nil) })
	c := &client{t: t, conn: near, fr: http2.NewFramer(near, near), data: map[uint32]int{}, turn: make(chan struct{}, 1)}
	c.fr.AllowIllegalWrites = true
	c.enc = newEncoder(c)
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return c
}

// dial makes a connection that has shaken hands.
func (rg *rig) dial(t *testing.T, settings ...http2.Setting) *client {
	c := rg.connect(t)
	c.listen()
	c.do(func() {
		_, _ = io.WriteString(c.conn, preface)
		_ = c.fr.WriteSettings(settings...)
	})
	c.take()
	return c
}

// listen notes what comes.
func (c *client) listen() {
	go func() {
		for {
			f, err := c.fr.ReadFrame()
			c.mu.Lock()
			if err != nil {
				c.ended = true
				c.mu.Unlock()
				return
			}
			if d, ok := f.(*http2.DataFrame); ok {
				c.data[d.StreamID] += len(d.Data())
			}
			c.seen = append(c.seen, words(f))
			c.mu.Unlock()
		}
	}()
}

// words says what a frame is.
func words(f http2.Frame) string {
	id := f.Header().StreamID
	end := ""
	switch f := f.(type) {
	case *http2.DataFrame:
		if f.StreamEnded() {
			end = " end"
		}
		if len(f.Data()) > 100 {
			return fmt.Sprintf("%d data %d bytes%s", id, len(f.Data()), end)
		}
		return fmt.Sprintf("%d data %q%s", id, f.Data(), end)
	case *http2.MetaHeadersFrame:
		if f.StreamEnded() {
			end = " end"
		}
		var fields []string
		for _, h := range f.Fields {
			if h.Name != "date" && h.Name != "content-type" && h.Name != "content-length" && (h.Name != "x-saw" || h.Value != "") {
				fields = append(fields, strings.TrimPrefix(h.Name+"=", ":status=")+h.Value)
			}
		}
		return fmt.Sprintf("%d headers %s%s", id, strings.Join(fields, " "), end)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("%d reset %v", id, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("goaway %d %v", f.LastStreamID, f.ErrCode)
	case *http2.SettingsFrame:
		if f.IsAck() {
			return "settings ack"
		}
		return "settings"
	case *http2.PingFrame:
		if f.IsAck() {
			return "ping ack"
		}
		return "ping"
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("%d window %d", id, f.Increment)
	}
	return fmt.Sprintf("%d %v", id, f.Header().Type)
}

// do sends what f writes and waits until everything does.
func (c *client) do(f func()) {
	go func() {
		c.turn <- struct{}{}
		f()
		<-c.turn
	}()
	synctest.Wait()
}

// take returns what came since, as words.
func (c *client) take() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.seen = nil }()
	return strings.Join(c.seen, "; ")
}

// over reports whether the server has closed the connection.
func (c *client) over() bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// block encodes fields given as name, value in turn.
func (c *client) block(fields ...string) []byte {
	c.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(c.head.Bytes())
}

// get is the header of a request, with more fields.
func get(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "a.example.com"}, more...)
}

// send sends HEADERS with END_STREAM or without.
func (c *client) send(id uint32, end bool, fields ...string) {
	c.do(func() {
		_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(fields...), EndHeaders: true, EndStream: end})
	})
}

func want(t *testing.T, got, want any, what string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// numbered puts a stream's number in place of each %d.
func numbered(s string, id uint32) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(id)) }

// discard is a log that nobody reads.
var discard = log.New(io.Discard, "", 0)

// tcpPair is a connection of this machine's sockets.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// newEncoder makes the encoder of a client's blocks.
func newEncoder(c *client) *hpack.Encoder { return hpack.NewEncoder(&c.head) }

// readFrames reads n frames.
func readFrames(t *testing.T, r io.Reader, n int) {
	t.Helper()
	for range n {
		head := make([]byte, headerSize)
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, int64(parseFrame(head).length)); err != nil {
			t.Fatal(err)
		}
	}
}
