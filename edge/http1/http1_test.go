package http1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoopAndHandlerShareAConnection(t *testing.T) {
	inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
		c := rg.connect()
		for _, step := range []struct {
			name, say, bodies string
			answered, handled int
		}{
			{"a hit", get("/hit/1"), "loop /hit/1", 1, 0},
			{"a miss", get("/2"), "handler /2", 1, 1},
			{"a hit after a miss", get("/hit/3"), "loop /hit/3", 2, 1},
			{"HEAD", strings.Replace(get("/hit/4"), "GET", "HEAD", 1), "200", 3, 1},
			{"pipelined hits", get("/hit/5") + get("/hit/6"), "loop /hit/5, loop /hit/6", 5, 1},
			{"pipelined hits and misses", get("/hit/7") + get("/8") + get("/9") + get("/hit/10") + get("/11"), "loop /hit/7, handler /8, handler /9, loop /hit/10, handler /11", 7, 4},
			{"OPTIONS is the handler's, and the loop goes on", strings.Replace(get("/hit/12"), "GET", "OPTIONS", 1) + get("/hit/13"), "loop /hit/12, loop /hit/13", 8, 5},
			{"Pragma alone, of which net/http makes a Cache-Control", get("/hit/14", "Pragma: no-cache") + get("/hit/15", "Pragma: no-cache", "Cache-Control: no-cache"), "loop /hit/14, loop /hit/15", 9, 6},
			{"a header longer than net/http's buffer", get("/hit/16", "X: "+strings.Repeat("x", 9000)) + get("/17", "X: "+strings.Repeat("x", 9000)) + get("/hit/18"), "loop /hit/16, handler /17, loop /hit/18", 11, 7},
			{"a header longer than the loop takes, and what follows", get("/hit/19", "X: "+strings.Repeat("x", maxHeader)) + get("/hit/20"), "loop /hit/19, loop /hit/20", 11, 9},
		} {
			want(t, bodies(c.say(step.say)), step.bodies, step.name)
			want(t, int(rg.answered.Load()), step.answered, step.name+": answered by the loop")
			want(t, int(rg.handled.Load()), step.handled, step.name+": by the handler")
		}
	})
}

func TestConnectionWithABodyIsTheHandlersForGood(t *testing.T) {
	inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
		c := rg.connect()
		post := "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n" + get("/hit/0")[:30]
		want(t, bodies(c.say(get("/hit/1")+post+get("/hit/3"))), "loop /hit/1, handler /2 with 30, loop /hit/3", "answers")
		want(t, bodies(c.say(get("/hit/4"))), "loop /hit/4", "answer")
		want(t, int(rg.answered.Load()), 1, "answered by the loop")
		want(t, int(rg.handled.Load()), 3, "by the handler")
	})
}

// What the network makes of a stream changes no answer, and not who gives it.
func TestRequestsInPiecesAreAnsweredAlike(t *testing.T) {
	stream := get("/hit/1") + get("/2", "X:y") + get("/hit/3") + "POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + get("/hit/5")
	const answers = "loop /hit/1, handler /2, loop /hit/3, handler /4 with 2, loop /hit/5"
	for at := 1; at < len(stream); at++ {
		inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
			c := rg.connect()
			got := c.say(stream[:at]) + c.say(stream[at:])
			if bodies(got) != answers || rg.answered.Load() != 2 || rg.handled.Load() != 3 {
				t.Errorf("cut at %d: %q, %d of the loop and %d of the handler; want %q, 2 and 3", at, bodies(got), rg.answered.Load(), rg.handled.Load(), answers)
			}
		})
	}
	inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
		c := rg.connect()
		got := ""
		for i := range stream {
			got += c.say(stream[i : i+1])
		}
		want(t, bodies(got), answers, "byte by byte")
		want(t, int(rg.answered.Load()), 2, "answered by the loop")
	})
}

func TestTimeouts(t *testing.T) {
	for _, test := range []struct {
		name string
		says []string
		// The connection is open after alive and closed after dead, counted from the last of says.
		alive, dead time.Duration
	}{
		{"nothing was said", nil, 9 * time.Second, 11 * time.Second},
		{"half of the first request", []string{"GET /hit HTTP/1.1\r\n"}, 9 * time.Second, 11 * time.Second},
		{"idle after a hit", []string{get("/hit")}, 59 * time.Second, 62 * time.Second},
		{"idle after a miss", []string{get("/")}, 59 * time.Second, 61 * time.Second},
		{"idle after a miss and a hit", []string{get("/"), get("/hit")}, 59 * time.Second, 62 * time.Second},
		{"half a request after a hit", []string{get("/hit"), "GET /hit HTTP/1.1\r\n"}, 9 * time.Second, 11 * time.Second},
		{"half a request after a miss", []string{get("/"), "GET /hit HTTP/1.1\r\n"}, 9 * time.Second, 11 * time.Second},
		{"half a request that is net/http's, after a hit", []string{get("/hit"), "POST /hit HTTP/1.1\r\n"}, 9 * time.Second, 11 * time.Second},
		{"half a request behind a hit", []string{get("/hit") + "GET /hit HTTP/1.1\r\n"}, 9 * time.Second, 11 * time.Second},
		{"a byte now and then", []string{get("/hit"), "G"}, 9 * time.Second, 11 * time.Second},
		{"a whole request resets the header's time", []string{get("/hit") + "GET /hi", "t HTTP/1.1\r\nHost: a\r\n\r\n"}, 59 * time.Second, 62 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
				c := rg.connect()
				for i, text := range test.says {
					time.Sleep(time.Duration(i) * time.Second)
					c.say(text)
				}
				time.Sleep(test.alive)
				want(t, c.ended(), false, "closed after "+test.alive.String())
				time.Sleep(test.dead - test.alive)
				want(t, c.ended(), true, "closed after "+test.dead.String())
			})
		})
	}
}

// The idle time runs anew with each hit.
func TestBusyConnectionStaysOpen(t *testing.T) {
	inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
		c := rg.connect()
		for range 100 {
			want(t, bodies(c.say(get("/hit"))), "loop /hit", "answer")
			time.Sleep(50 * time.Second)
		}
		want(t, int(rg.answered.Load()), 100, "answered by the loop")
	})
}

func TestHandlerLearnsThatTheViewerLeft(t *testing.T) {
	left := make(chan error, 1)
	inBubble(t, memory{}, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		left <- r.Context().Err()
	}, func(t *testing.T, rg *rig) {
		c := rg.connect()
		c.say(get("/hit"))
		c.say(get("/"))
		c.Close()
		synctest.Wait()
		select {
		case err := <-left:
			want(t, err, context.Canceled, "the context's error")
		default:
			t.Error("the handler's context goes on")
		}
	})
}

func TestRequestSentWhileAHandlerRunsIsAnsweredAfterIt(t *testing.T) {
	inBubble(t, memory{}, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		if r.Context().Err() != nil {
			t.Error("the handler's context ended")
		}
		echo(w, r)
	}, func(t *testing.T, rg *rig) {
		c := rg.connect()
		want(t, c.say(get("/1")), "", "answer before the handler is through")
		want(t, c.say(get("/hit/2")+get("/hit/3")), "", "answer before the handler is through")
		time.Sleep(2 * time.Second)
		want(t, bodies(c.take()), "handler /1, loop /hit/2, loop /hit/3", "answers")
		want(t, int(rg.answered.Load()), 2, "answered by the loop")
	})
}

func TestConnectionCloseEndsIt(t *testing.T) {
	for _, target := range []string{"/hit", "/"} {
		inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
			c := rg.connect()
			got := c.say(get(target, "Connection: close") + get("/hit/2"))
			if strings.Count(got, "Connection: close\r\n") != 1 || strings.Contains(got, "/hit/2") || !c.ended() {
				t.Errorf("%s: %q, ended %v; want one answer with Connection: close", target, got, c.ended())
			}
		})
	}
}

// slow is a Responder whose answer is larger than a pipe takes at once: its write waits for the reader.
type slow struct{}

func (slow) Answer(r *Request) bool {
	_, _ = r.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"), make([]byte, 100000)) // the loop knows
	return true
}

func TestShutdown(t *testing.T) {
	t.Run("closes connections that wait, at once", func(t *testing.T) {
		inBubble(t, memory{}, nil, func(t *testing.T, rg *rig) {
			afterHit, afterMiss := rg.connect(), rg.connect()
			afterHit.say(get("/hit"))
			afterMiss.say(get("/"))
			began := time.Now()
			want(t, rg.Shutdown(t.Context()), nil, "error")
			want(t, time.Since(began) < 2*time.Second, true, "within 2 s")
			want(t, afterHit.ended() && afterMiss.ended(), true, "both closed")
		})
	})
	t.Run("waits for the answer that is being sent", func(t *testing.T) {
		inBubble(t, slow{}, nil, func(t *testing.T, rg *rig) {
			conn := rg.dial()
			_, err := io.WriteString(conn, get("/"))
			want(t, err, nil, "error of the request")
			synctest.Wait()
			done := make(chan error, 1)
			go func() { done <- rg.Shutdown(t.Context()) }()
			time.Sleep(3 * time.Second)
			select {
			case <-done:
				t.Fatal("Shutdown returned while an answer was being sent")
			default:
			}
			answer, err := io.ReadAll(conn)
			want(t, err, nil, "error of the answer")
			want(t, len(answer) > 100000, true, "the answer is whole")
			want(t, <-done, nil, "error of Shutdown")
		})
	})
	t.Run("waits no longer than its context", func(t *testing.T) {
		inBubble(t, slow{}, nil, func(t *testing.T, rg *rig) {
			conn := rg.dial()
			_, err := io.WriteString(conn, get("/"))
			want(t, err, nil, "error of the request")
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := rg.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v, want that its time ended", err)
			}
			want(t, rg.Close(), nil, "error of Close")
			synctest.Wait()
			answer, _ := io.ReadAll(conn)
			want(t, len(answer) < 100000, true, "the answer was cut off")
		})
	})
	t.Run("lets a handler end", func(t *testing.T) {
		inBubble(t, memory{}, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Second)
			echo(w, r)
		}, func(t *testing.T, rg *rig) {
			c := rg.connect()
			c.say(get("/hit") + get("/1"))
			want(t, rg.Shutdown(t.Context()), nil, "error")
			want(t, bodies(c.take()), "handler /1", "answer")
			want(t, c.ended(), true, "closed")
		})
	})
}

func TestSlowReaderIsBoundedByTheWriteTimeout(t *testing.T) {
	inBubble(t, slow{}, nil, func(t *testing.T, rg *rig) {
		rg.HTTP.WriteTimeout = 7 * time.Second
		conn := rg.dial()
		_, err := io.WriteString(conn, get("/"))
		want(t, err, nil, "error of the request")
		time.Sleep(8 * time.Second)
		answer, _ := io.ReadAll(conn)
		want(t, len(answer) < 100000, true, "the answer was cut off")
	})
}

// broken is a Responder that panics.
type broken struct{}

func (broken) Answer(*Request) bool { panic(http.ErrAbortHandler) }

func TestResponderThatPanicsEndsItsConnectionOnly(t *testing.T) {
	inBubble(t, broken{}, nil, func(t *testing.T, rg *rig) {
		a, b := rg.connect(), rg.connect()
		a.say(get("/"))
		want(t, a.ended(), true, "closed")
		want(t, b.ended(), false, "the other is closed")
	})
}

func TestHijackedConnectionIsItsHandlers(t *testing.T) {
	inBubble(t, memory{}, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.Copy(conn, conn) // until the client leaves
		conn.Close()
	}, func(t *testing.T, rg *rig) {
		c := rg.connect()
		c.say(get("/hit"))
		c.say(get("/"))
		want(t, c.say(get("/hit")), get("/hit"), "echo")
		c.Close()
	})
}
