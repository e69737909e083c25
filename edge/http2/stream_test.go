package http2

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

func TestHandlerLearnsThatTheViewerLeft(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"the stream is reset":     func(c *client) { c.do(func() { c.fr.WriteRSTStream(1, http2.ErrCodeCancel) }) },
		"the connection is":       func(c *client) { c.conn.Close() },
		"the connection is wrong": func(c *client) { c.do(func() { c.conn.Write(raw(frameData, 0, 0)) }) },
	} {
		t.Run(name, func(t *testing.T) {
			var left, read, wrote error
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				left = r.Context().Err()
				_, read = r.Body.Read(make([]byte, 1))
				_, wrote = w.Write(make([]byte, 10000))
			}, func(t *testing.T, rg *rig) {
				c := rg.dial(t)
				c.send(1, false, get("POST", "/")...)
				leave(c)
				synctest.Wait()
				want(t, left, context.Canceled, "the context's error")
				want(t, read != nil && wrote != nil, true, "reading and writing fail")
			})
		})
	}
}

func TestContextEndsWithTheHandler(t *testing.T) {
	var ctx context.Context
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() }, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, true, get("GET", "/")...)
		want(t, ctx.Err(), context.Canceled, "the context's error")
	})
}

func TestBodiesTakeTurns(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 200_000)) }, func(t *testing.T, rg *rig) {
		c := rg.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		c.send(1, true, get("GET", "/")...)
		c.send(3, true, get("GET", "/")...)
		c.take() // up to the connection's window
		c.do(func() { c.conn.Write(raw(frameWindowUpdate, 0, 0, number(16*maxFrame)...)) })
		var turns []string
		for line := range strings.SplitSeq(c.take(), "; ") {
			turns = append(turns, line[:1])
		}
		got := strings.Join(turns, "")
		if strings.Contains(got, "111") || strings.Contains(got, "333") || len(got) < 16 {
			t.Errorf("frames are of the streams %s, want that they take turns", got)
		}
		c.do(func() { c.conn.Write(raw(frameWindowUpdate, 0, 0, number(1<<20)...)) })
		c.take()
		want(t, c.data[1], 200_000, "bytes of the first")
		want(t, c.data[3], 200_000, "bytes of the second")
	})
}

// A body that nobody takes keeps no other answer from going out.
func TestStalledStreamDoesNotHoldOthers(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 100_000)) }, func(t *testing.T, rg *rig) {
		c := rg.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
		c.send(1, true, get("GET", "/")...)
		want(t, c.take(), "1 headers 200; 1 data 1000 bytes", "as far as the window")
		c.send(3, true, get("GET", "/hit/a")...)
		want(t, c.take(), `3 headers 200; 3 data "hit /a" end`, "another")
		c.do(func() { c.fr.WriteRSTStream(1, http2.ErrCodeCancel) })
		c.send(5, true, get("GET", "/hit/b")...)
		want(t, c.take(), `5 headers 200; 5 data "hit /b" end`, "one more")
	})
}

func TestUploadsWindow(t *testing.T) {
	step := make(chan int, 10)
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		step = make(chan int, 10)
		rg.HTTP.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for n := range step {
				io.ReadFull(r.Body, make([]byte, n))
			}
		})
		c := rg.dial(t)
		c.send(1, false, get("POST", "/")...)
		for range streamWindow / maxFrame {
			c.do(func() { c.conn.Write(raw(frameData, 0, 1, make([]byte, maxFrame)...)) })
		}
		want(t, c.take(), "", "windows before the handler reads")
		step <- streamWindow / 4
		want(t, c.take(), fmt.Sprintf("1 window %d", streamWindow/4), "windows when it has read a quarter")
		step <- streamWindow * 3 / 4
		close(step)
		if got := c.take(); !strings.Contains(got, fmt.Sprintf("0 window %d", connWindow/4)) {
			t.Errorf("windows when it has read all: %s", got)
		}
	})
}

func TestUploadBeyondTheWindow(t *testing.T) {
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, false, get("POST", "/")...)
		for range streamWindow/maxFrame + 1 {
			c.do(func() { c.conn.Write(raw(frameData, 0, 1, make([]byte, maxFrame)...)) })
		}
		want(t, c.take(), fmt.Sprintf("1 reset FLOW_CONTROL_ERROR; 0 window %d", streamWindow+maxFrame), "answer")
	})
}

func TestContentLengthIsKeptTo(t *testing.T) {
	for name, lengths := range map[string][]int{"too much": {3, 3}, "too little": {2, 0}} {
		t.Run(name, func(t *testing.T) {
			var read error
			inBubble(t, func(_ http.ResponseWriter, r *http.Request) { _, read = io.ReadAll(r.Body) }, func(t *testing.T, rg *rig) {
				c := rg.dial(t)
				c.send(1, false, get("POST", "/", "content-length", "5")...)
				c.do(func() {
					c.conn.Write(append(raw(frameData, 0, 1, make([]byte, lengths[0])...), raw(frameData, flagEndStream, 1, make([]byte, lengths[1])...)...))
				})
				want(t, c.take(), "1 reset PROTOCOL_ERROR", "answer")
				want(t, read != nil, true, "reading fails")
			})
		})
	}
}

func TestAnswerThatIsShorterThanAnnouncedIsBrokenOff(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		io.WriteString(w, "ab")
	}, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, true, get("GET", "/")...)
		want(t, c.take(), `1 headers 200; 1 data "ab"; 1 reset INTERNAL_ERROR`, "answer")
	})
}

func TestAnswerThatIsLongerThanAnnounced(t *testing.T) {
	var wrote error
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		io.WriteString(w, "ab")
		_, wrote = io.WriteString(w, "c")
	}, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, true, get("GET", "/")...)
		want(t, errors.Is(wrote, http.ErrContentLength), true, "writing fails")
		c.take()
	})
}

func TestBodyThatIsNotWantedIsRefused(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, false, get("POST", "/")...)
		want(t, c.take(), "1 headers 403 end", "answer")
		c.do(func() { c.conn.Write(raw(frameData, 0, 1, make([]byte, maxFrame)...)) })
		want(t, c.take(), "", "answer to a little of the body")
		c.do(func() { c.conn.Write(raw(frameData, 0, 1, 'a')) })
		want(t, c.take(), "1 reset NO_ERROR", "answer to more")
		c.do(func() { c.conn.Write(raw(frameData, flagEndStream, 1, 'a')) })
		c.send(3, true, get("GET", "/hit/a")...)
		want(t, c.take(), `3 headers 200; 3 data "hit /a" end`, "answer to what comes after it")
	})
}

func TestWriteDeadlineResetsTheStream(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(5 * time.Second))
		w.Write(make([]byte, 100_000))
	}, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.send(1, true, get("GET", "/")...)
		c.take()
		time.Sleep(6 * time.Second)
		want(t, c.take(), "1 reset INTERNAL_ERROR", "answer")
	})
}

// broken is a Responder that panics.
type broken struct{}

func (broken) AnswerHTTP2(*Request) bool { panic("no") }

func TestPanicsEndNoMoreThanTheyMust(t *testing.T) {
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) { panic("no") }, func(t *testing.T, rg *rig) {
		rg.HTTP.ErrorLog = discard
		c := rg.dial(t)
		c.send(1, true, get("GET", "/")...)
		want(t, c.take(), "1 reset INTERNAL_ERROR", "a handler's")
		rg.Responder = broken{}
		c.send(3, true, get("GET", "/")...)
		want(t, c.take(), "goaway 3 INTERNAL_ERROR", "a Responder's")
		want(t, c.over(), true, "the connection is over")
	})
}

func TestShutdown(t *testing.T) {
	pong := func(c *client) { c.do(func() { c.conn.Write(appendPing(nil, flagAck, leavePing)) }) }
	t.Run("ends a connection that waits, when the peer knows", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, rg *rig) {
			c := rg.dial(t)
			c.send(1, true, get("GET", "/hit/a")...)
			c.take()
			done := make(chan error, 1)
			go func() { done <- rg.Shutdown(t.Context()) }()
			want(t, c.take(), "goaway 2147483647 NO_ERROR; ping", "what the peer hears")
			c.send(3, true, get("GET", "/hit/b")...)
			want(t, c.take(), `3 headers 200; 3 data "hit /b" end`, "answer to what was under way")
			pong(c)
			want(t, c.take(), "goaway 3 NO_ERROR", "what the peer hears then")
			want(t, <-done, nil, "error")
			want(t, c.over(), true, "the connection is over")
		})
	})
	t.Run("lets handlers end, and begins no more", func(t *testing.T) {
		inBubble(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(5 * time.Second); echo(w, r) }, func(t *testing.T, rg *rig) {
			c := rg.dial(t)
			c.send(1, true, get("GET", "/a")...)
			began := time.Now()
			done := make(chan error, 1)
			go func() { done <- rg.Shutdown(t.Context()) }()
			c.take()
			time.Sleep(2 * time.Second) // the peer answers no PING
			want(t, c.take(), "goaway 1 NO_ERROR", "what the peer hears")
			c.send(3, true, get("GET", "/hit/b")...)
			want(t, c.take(), "", "answer to what came too late")
			want(t, <-done, nil, "error")
			want(t, c.take(), `1 headers 200; 1 data "handler /a" end`, "answer")
			want(t, time.Since(began), 5*time.Second, "time")
		})
	})
	t.Run("waits no longer than its context", func(t *testing.T) {
		inBubble(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, rg *rig) {
			c := rg.dial(t)
			c.send(1, true, get("GET", "/a")...)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			want(t, errors.Is(rg.Shutdown(ctx), context.DeadlineExceeded), true, "its time ended")
			want(t, rg.Server.Close(), nil, "error of Close")
			want(t, c.over(), true, "the connection is over")
		})
	})
	t.Run("takes no connection any more", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, rg *rig) {
			want(t, rg.Shutdown(t.Context()), nil, "error")
			c := rg.connect(t)
			c.listen()
			want(t, c.over(), true, "the connection is over")
		})
	})
	t.Run("a peer that leaves is let go", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, rg *rig) {
			c := rg.dial(t)
			c.do(func() { c.fr.WriteGoAway(0, http2.ErrCodeNo, nil) })
			want(t, c.take(), "goaway 0 NO_ERROR", "answer")
			want(t, c.over(), true, "the connection is over")
		})
	})
}

// hitAllocs is how many allocations an answer of the Responder may cost over plaintext, client included. Measured
// 2026-11-26: 0.
const hitAllocs = 0

// fixed is a Responder that costs nothing itself.
type fixed struct{ head, body []byte }

func (f fixed) AnswerHTTP2(r *Request) bool {
	if !r.Takes(int64(len(f.body))) {
		return false
	}
	_, _ = r.Write(f.head, f.body) // the connection knows
	return true
}

func TestAnswersAllocateNothing(t *testing.T) {
	info, ok := debug.ReadBuildInfo()
	if ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector allocates")
	}
	const size = 10 << 10
	rg := newRig(nil)
	rg.Responder = fixed{fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: image/jpeg\r\n", size), make([]byte, size)}
	near, far := tcpPair(t)
	rg.wait.Go(func() { rg.ServeConn(far, nil, nil) })
	defer rg.wait.Wait()
	defer near.Close()
	c := &client{t: t, conn: near}
	c.enc = newEncoder(c)
	near.Write([]byte(preface))
	near.Write(raw(frameSettings, 0, 0))
	near.Write(raw(frameWindowUpdate, 0, 0, number(1<<30)...))
	readFrames(t, near, 3)
	fields := get("GET", "/a.jpg", "accept", "image/avif", "user-agent", "Mozilla/5.0", "accept-encoding", "gzip, deflate, br")
	near.Write(appendHeaders(nil, 1, c.block(fields...), true))
	readFrames(t, near, 2)
	request := appendHeaders(nil, 3, c.block(fields...), true)
	answer := make([]byte, headerSize+maxFrame)
	id := uint32(3)
	once := func() {
		binary.BigEndian.PutUint32(request[5:], id)
		id += 2
		near.Write(request)
		for range 2 {
			io.ReadFull(near, answer[:headerSize])
			io.ReadFull(near, answer[:parseFrame(answer).length])
		}
	}
	if n := testing.AllocsPerRun(1000, once); n > hitAllocs {
		t.Errorf("%v allocations, the budget is %d", n, hitAllocs)
	}
}

// A peer that writes and does not read, until it is through with writing, gets what it asked for all the same.
func TestReaderIsRelieved(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.connect(t)
		c.conn.Write([]byte(preface))
		c.fr.WriteSettings() // now the server wants to say something, and nobody listens
		for i := range uint32(20) {
			c.conn.Write(appendHeaders(nil, 2*i+1, c.block(get("GET", "/hit/3000")...), true))
		}
		c.listen()
		c.take()
		for i := range uint32(20) {
			want(t, c.data[2*i+1], 3000, fmt.Sprint("bytes of stream ", 2*i+1))
		}
		c.send(41, true, get("GET", "/hit/a")...)
		want(t, c.take(), `41 headers 200; 41 data "hit /a" end`, "answer after it")
	})
}

// An answer of more than a batch is whole, beside others.
func TestAnswersOfSeveralBatches(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, r *http.Request) {
		n := 300_000
		fmt.Sscanf(r.RequestURI, "/hit/%d", &n) // when the reader has too much to do
		w.Write(make([]byte, n))
	}, func(t *testing.T, rg *rig) {
		c := rg.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		c.do(func() { c.conn.Write(raw(frameWindowUpdate, 0, 0, number(1<<30)...)) })
		c.do(func() {
			var b []byte
			for i := range uint32(12) {
				b = appendHeaders(b, 2*i+1, c.block(get("GET", []string{"/hit/100000", "/a", "/hit/70000"}[i%3])...), true)
			}
			c.conn.Write(b)
		})
		c.take()
		for i := range uint32(12) {
			want(t, c.data[2*i+1], []int{100_000, 300_000, 70_000}[i%3], fmt.Sprint("bytes of stream ", 2*i+1))
		}
	})
}
