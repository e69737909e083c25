package http2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

func TestMalformedRequestsReachNobody(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, test := range []struct {
		name   string
		fields []string
	}{
		{"no method", []string{":scheme", "http", ":path", "/"}},
		{"no scheme", []string{":method", "GET", ":path", "/"}},
		{"no path", []string{":method", "GET", ":scheme", "http"}},
		{"empty path", get("GET", "")},
		{"path that begins with no slash", get("GET", "a")},
		{"path of a star", get("GET", "*")},
		{"path that is no URL", get("GET", "/%zz")},
		{"path with a control character", get("GET", "/\x01")},
		{"unknown scheme", []string{":method", "GET", ":scheme", "ftp", ":path", "/"}},
		{"method that is no token", get("G T", "/")},
		{"method twice", get("GET", "/", ":method", "GET")},
		{"pseudo field behind a field", []string{":method", "GET", ":scheme", "http", "a", "b", ":path", "/"}},
		{"unknown pseudo field", get("GET", "/", ":a", "b")},
		{"pseudo field of an answer", get("GET", "/", ":status", "200")},
		{"extended CONNECT", get("CONNECT", "/", ":protocol", "websocket")},
		{"CONNECT with a path", get("CONNECT", "/")},
		{"CONNECT to nowhere", []string{":method", "CONNECT"}},
		{"field in capitals", get("GET", "/", "Accept", "x")},
		{"field with a space", get("GET", "/", "a b", "x")},
		{"field with a colon", get("GET", "/", "a:b", "x")},
		{"field that is not ASCII", get("GET", "/", "caf\xe9", "x")},
		{"field without a name", get("GET", "/", "", "x")},
		{"value with a line end", get("GET", "/", "a", "x\r\ny: z")},
		{"value with a NUL", get("GET", "/", "a", "\x00")},
		{"value that begins with a space", get("GET", "/", "a", " x")},
		{"value that ends with a tab", get("GET", "/", "a", "x\t")},
		{"Connection", get("GET", "/", "connection", "close")},
		{"Keep-Alive", get("GET", "/", "keep-alive", "1")},
		{"Proxy-Connection", get("GET", "/", "proxy-connection", "close")},
		{"Transfer-Encoding", get("GET", "/", "transfer-encoding", "chunked")},
		{"Upgrade", get("GET", "/", "upgrade", "h2c")},
		{"TE of something", get("GET", "/", "te", "gzip")},
		{"user in the authority", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "u@a"}},
		{"authority with a slash", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a/b"}},
		{"Host that is another", get("GET", "/", "host", "b.example.com")},
		{"two Host", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a", "host", "a"}},
		{"Content-Length without a body", get("GET", "/", "content-length", "1")},
		{"Content-Length that is no number", get("GET", "/", "content-length", "+0")},
		{"two Content-Length", get("GET", "/", "content-length", "0", "content-length", "0")},
		{"value in the table that is malformed", get("GET", "/", "a", long+"\x01")},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, rg *rig) {
				c := rg.dial(t)
				c.send(1, true, test.fields...)
				c.send(3, true, test.fields...) // from the table
				c.send(5, true, get("GET", "/hit/a", "x-say", "1")...)
				want(t, c.take(), `1 reset PROTOCOL_ERROR; 3 reset PROTOCOL_ERROR; 5 headers 200 x-saw=1; 5 data "hit /a" end`, "answers")
			})
		})
	}
}

func TestUnusualRequestsAreRead(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"Host in place of the authority", []string{":method", "GET", ":scheme", "https", ":path", "/hit/a", "host", "a:80"}, `1 headers 200; 1 data "hit /a" end`},
		{"Host that is the same", get("GET", "/hit/a", "host", "A.example.com"), `1 headers 200; 1 data "hit /a" end`},
		{"TE: trailers", get("GET", "/hit/a", "te", "trailers"), `1 headers 200; 1 data "hit /a" end`},
		{"several lines of a field", get("GET", "/hit/a", "x-say", "1", "x-say", "2"), `1 headers 200 x-saw=1,2; 1 data "hit /a" end`},
		{"the same for the handler", get("GET", "/a", "x-say", "1", "x-say", "2"), `1 headers 200 x-saw=1,2; 1 data "handler /a" end`},
		{"Content-Length of nothing", get("GET", "/hit/a", "content-length", "0"), `1 headers 200; 1 data "handler /hit/a" end`},
		{"target that is no usual one", get("GET", "/hit/#"), `1 headers 200; 1 data "handler /hit/#" end`},
		{"OPTIONS of a star", get("OPTIONS", "*"), `1 headers 200 end`},
		{"CONNECT", []string{":method", "CONNECT", ":authority", "a:443"}, `1 headers 405 x-content-type-options=nosniff; 1 data "this is no proxy\n" end`},
		{"header that is too long", get("GET", "/hit/a", "a", strings.Repeat("x", 33<<10)), `1 headers 431 x-content-type-options=nosniff; 1 data "the request's header is too large\n" end`},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, rg *rig) {
				c := rg.dial(t)
				c.do(func() {
					block := c.block(test.fields...)
					c.conn.Write(appendHeaders(nil, 1, block, true))
				})
				want(t, c.take(), test.want, "answer")
			})
		})
	}
}

func TestCookiesInPiecesAreOne(t *testing.T) {
	var cookies []string
	inBubble(t, func(w http.ResponseWriter, r *http.Request) { cookies = r.Header["Cookie"] }, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, true, get("GET", "/", "cookie", "a=1", "x", "y", "cookie", "b=2", "z", "", "cookie", "c=3")...)
		want(t, strings.Join(cookies, "|"), "a=1; b=2; c=3", "cookies")
		want(t, c.take(), "1 headers 200 end", "answer")
	})
}

// raw makes a frame.
func raw(kind frameType, flags uint8, stream uint32, payload ...byte) []byte {
	return append(appendFrame(nil, frame{len(payload), kind, flags, stream}), payload...)
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// The frames of RFC 9113, section 6, as no client sends them.
func TestFramesThatMustNotBe(t *testing.T) {
	for _, test := range []struct {
		name string
		// open has the stream 1 open, and 3 finished
		open   bool
		frames []byte
		want   string
	}{
		{"DATA of no stream", false, raw(frameData, 0, 0, 'a'), "goaway 0 PROTOCOL_ERROR"},
		{"DATA of an idle stream", false, raw(frameData, 0, 1, 'a'), "goaway 0 PROTOCOL_ERROR"},
		{"DATA of a finished stream", true, raw(frameData, 0, 3, 'a'), "3 reset STREAM_CLOSED"},
		{"DATA that is all padding and more", true, raw(frameData, flagPadded, 1, 5, 'a'), "goaway 3 PROTOCOL_ERROR"},
		{"DATA without the length of its padding", true, raw(frameData, flagPadded, 1), "goaway 3 FRAME_SIZE_ERROR"},
		{"frame that is too long", true, appendFrame(nil, frame{maxFrame + 1, frameData, 0, 1}), "goaway 3 FRAME_SIZE_ERROR"},
		{"HEADERS of an even stream", false, raw(frameHeaders, flagEndHeaders, 2, 0x82), "goaway 0 PROTOCOL_ERROR"},
		{"HEADERS of a finished stream", true, raw(frameHeaders, flagEndHeaders|flagEndStream, 3, 0x82), "goaway 3 STREAM_CLOSED"},
		{"HEADERS with half a priority", false, raw(frameHeaders, flagEndHeaders|flagPriority, 1, 0, 0, 0), "goaway 0 FRAME_SIZE_ERROR"},
		{"HEADERS that depend on themselves", false, raw(frameHeaders, flagEndHeaders|flagPriority, 1, 0, 0, 0, 1, 0, 0x82), "goaway 0 PROTOCOL_ERROR"},
		{"HEADERS that are no HPACK", false, raw(frameHeaders, flagEndHeaders, 1, 0x80), "goaway 0 COMPRESSION_ERROR"},
		{"header block with something between", false, append(raw(frameHeaders, 0, 1, 0x82), raw(framePing, 0, 0, make([]byte, 8)...)...), "goaway 0 PROTOCOL_ERROR"},
		{"header block of two streams", false, append(raw(frameHeaders, 0, 1, 0x82), raw(frameContinuation, flagEndHeaders, 3, 0x84)...), "goaway 0 PROTOCOL_ERROR"},
		{"CONTINUATION of nothing", false, raw(frameContinuation, flagEndHeaders, 1, 0x82), "goaway 0 PROTOCOL_ERROR"},
		{"trailers that do not end", true, raw(frameHeaders, flagEndHeaders, 1), "1 reset PROTOCOL_ERROR"},
		{"trailers with a pseudo field", true, raw(frameHeaders, flagEndHeaders|flagEndStream, 1, 0x82), "1 reset PROTOCOL_ERROR"},
		{"PRIORITY of no stream", false, raw(framePriority, 0, 0, 0, 0, 0, 0, 0), "goaway 0 PROTOCOL_ERROR"},
		{"PRIORITY of another length", false, raw(framePriority, 0, 5, 0), "5 reset FRAME_SIZE_ERROR"},
		{"PRIORITY on itself", false, raw(framePriority, 0, 5, 0, 0, 0, 5, 0), "5 reset PROTOCOL_ERROR"},
		{"RST_STREAM of no stream", false, raw(frameReset, 0, 0, number(8)...), "goaway 0 PROTOCOL_ERROR"},
		{"RST_STREAM of an idle stream", false, raw(frameReset, 0, 1, number(8)...), "goaway 0 PROTOCOL_ERROR"},
		{"RST_STREAM of another length", true, raw(frameReset, 0, 1, 0), "goaway 3 FRAME_SIZE_ERROR"},
		{"SETTINGS of a stream", false, raw(frameSettings, 0, 1), "goaway 0 PROTOCOL_ERROR"},
		{"SETTINGS of another length", false, raw(frameSettings, 0, 0, 0), "goaway 0 FRAME_SIZE_ERROR"},
		{"SETTINGS that acknowledge something", false, raw(frameSettings, flagAck, 0, make([]byte, 6)...), "goaway 0 FRAME_SIZE_ERROR"},
		{"ENABLE_PUSH of 2", false, raw(frameSettings, 0, 0, 0, 2, 0, 0, 0, 2), "goaway 0 PROTOCOL_ERROR"},
		{"INITIAL_WINDOW_SIZE that is too large", false, raw(frameSettings, 0, 0, 0, 4, 0x80, 0, 0, 0), "goaway 0 FLOW_CONTROL_ERROR"},
		{"MAX_FRAME_SIZE that is too small", false, raw(frameSettings, 0, 0, 0, 5, 0, 0, 0, 1), "goaway 0 PROTOCOL_ERROR"},
		{"PUSH_PROMISE", true, raw(framePushPromise, flagEndHeaders, 1, 0, 0, 0, 2), "goaway 3 PROTOCOL_ERROR"},
		{"PING of a stream", false, raw(framePing, 0, 1, make([]byte, 8)...), "goaway 0 PROTOCOL_ERROR"},
		{"PING of another length", false, raw(framePing, 0, 0, 0), "goaway 0 FRAME_SIZE_ERROR"},
		{"GOAWAY of a stream", false, raw(frameGoAway, 0, 1, make([]byte, 8)...), "goaway 0 PROTOCOL_ERROR"},
		{"GOAWAY of another length", false, raw(frameGoAway, 0, 0, 0), "goaway 0 FRAME_SIZE_ERROR"},
		{"WINDOW_UPDATE of another length", false, raw(frameWindowUpdate, 0, 0, 0), "goaway 0 FRAME_SIZE_ERROR"},
		{"WINDOW_UPDATE by nothing", false, raw(frameWindowUpdate, 0, 0, number(0)...), "goaway 0 PROTOCOL_ERROR"},
		{"WINDOW_UPDATE by too much", false, raw(frameWindowUpdate, 0, 0, number(maxWindow)...), "goaway 0 FLOW_CONTROL_ERROR"},
		{"WINDOW_UPDATE of a stream by nothing", true, raw(frameWindowUpdate, 0, 1, number(0)...), "1 reset PROTOCOL_ERROR"},
		{"WINDOW_UPDATE of a stream by too much", true, raw(frameWindowUpdate, 0, 1, number(maxWindow)...), "1 reset FLOW_CONTROL_ERROR"},
		{"WINDOW_UPDATE of an idle stream", false, raw(frameWindowUpdate, 0, 1, number(1)...), "goaway 0 PROTOCOL_ERROR"},
		{"WINDOW_UPDATE of a finished stream", true, raw(frameWindowUpdate, 0, 3, number(1)...), ""},
		{"frame that nobody knows", false, raw(77, 0xff, 9, 1, 2, 3), ""},
		{"settings that nobody knows", false, raw(frameSettings, 0, 0, 0, 99, 0, 0, 0, 1), "settings ack"},
		{"PING", false, raw(framePing, 0, 0, make([]byte, 8)...), "ping ack"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, rg *rig) {
				c := rg.dial(t)
				if test.open {
					c.send(1, false, get("POST", "/")...)
					c.send(3, true, get("GET", "/hit/a")...)
					c.take()
				}
				c.do(func() { c.conn.Write(test.frames) })
				want(t, c.take(), test.want, "answer")
				want(t, c.over(), strings.Contains(test.want, "goaway"), "the connection is over")
			})
		})
	}
}

func TestConnectionThatBeginsWithSomethingElse(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no preface", "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", "settings; 0 window 983041; goaway 0 PROTOCOL_ERROR"},
		{"no SETTINGS", preface + string(raw(framePing, 0, 0, make([]byte, 8)...)), "settings; 0 window 983041; goaway 0 PROTOCOL_ERROR"},
		{"SETTINGS that acknowledge", preface + string(raw(frameSettings, flagAck, 0)), "settings; 0 window 983041; goaway 0 PROTOCOL_ERROR"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, rg *rig) {
				c := rg.connect(t)
				c.listen()
				c.do(func() { io.WriteString(c.conn, test.text) })
				want(t, c.take(), test.want, "answer")
				want(t, c.over(), true, "the connection is over")
			})
		})
	}
}

// What the network makes of a stream changes no answer.
func TestFramesInPieces(t *testing.T) {
	var stream []byte
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.connect(t)
		stream = append([]byte(preface), raw(frameSettings, 0, 0)...)
		stream = appendHeaders(stream, 1, c.block(get("GET", "/hit/a")...), true)
		stream = append(stream, raw(frameHeaders, 0, 3, c.block(get("POST", "/b", "x-say", "hello")...)...)...)
		stream = append(stream, raw(frameContinuation, flagEndHeaders, 3)...)
		stream = append(stream, raw(frameData, flagPadded|flagEndStream, 3, 2, 'h', 'i', 0, 0)...)
		stream = appendHeaders(stream, 5, c.block(get("HEAD", "/hit/c")...), true)
		c.conn.Close()
	})
	const answers = `settings; 0 window 983041; settings ack; 1 headers 200; 1 data "hit /a" end; 5 headers 200 end; 3 headers 200 x-saw=hello; 3 data "handler /b 2" end`
	check := func(cuts ...int) {
		inBubble(t, nil, func(t *testing.T, rg *rig) {
			c := rg.connect(t)
			c.listen()
			from := 0
			for _, at := range append(cuts, len(stream)) {
				c.do(func() { c.conn.Write(stream[from:at]) })
				from = at
			}
			got := c.take()
			if got != answers && got != strings.Replace(answers, `; 5 headers 200 end; 3 headers 200 x-saw=hello; 3 data "handler /b 2" end`, `; 3 headers 200 x-saw=hello; 3 data "handler /b 2" end; 5 headers 200 end`, 1) {
				t.Errorf("cut at %d: %s", cuts, got)
			}
		})
	}
	for at := 1; at < len(stream); at++ {
		check(at)
	}
	var each []int
	for at := 1; at < len(stream); at++ {
		each = append(each, at)
	}
	check(each...)
}

// FuzzConn sends what it likes to a connection: it ends without a panic, and what comes back are frames.
func FuzzConn(f *testing.F) {
	f.Add(raw(frameHeaders, flagEndHeaders|flagEndStream, 1, 0x82, 0x86, 0x84))
	f.Add(bytes.Join([][]byte{raw(frameHeaders, flagEndHeaders, 1, 0x83, 0x86, 0x84), raw(frameData, flagPadded, 1, 1, 'a', 0), raw(frameWindowUpdate, 0, 1, number(7)...), raw(frameData, flagEndStream, 1, 'b')}, nil))
	f.Add(append(raw(frameSettings, 0, 0, 0, 4, 0, 0, 0, 1), raw(frameHeaders, flagEndHeaders|flagEndStream, 1, 0x82, 0x86, 0x84, 0x41, 1, 'a')...))
	f.Add(append(raw(frameHeaders, 0, 1, 0x82, 0x86), raw(frameContinuation, flagEndHeaders, 1, 0x84)...))
	f.Add(append(raw(frameReset, 0, 1, number(8)...), raw(frameGoAway, 0, 0, make([]byte, 8)...)...))
	f.Fuzz(func(t *testing.T, frames []byte) {
		rg := newRig(nil)
		c := rg.connect(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := c.fr.ReadFrame(); err != nil {
					if _, ok := errors.AsType[http2.ConnectionError](err); ok {
						t.Errorf("what came back is no frame: %v", err)
					}
					return
				}
			}
		}()
		io.WriteString(c.conn, preface)
		c.conn.Write(raw(frameSettings, 0, 0))
		c.conn.Write(frames)
		c.conn.Close()
		<-done
		rg.wait.Wait()
	})
}
