package http2

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// last is the last frame of what came.
func last(seen string) string { return seen[strings.LastIndex(seen, "; ")+1:] }

func TestFloodsEndTheConnection(t *testing.T) {
	for _, test := range []struct {
		name string
		// flood sends the i-th frame.
		flood func(c *client, b []byte, i uint32) []byte
		most  int // frames that may be needed
	}{
		{"rapid reset (CVE-2023-44487)", func(c *client, b []byte, i uint32) []byte {
			b = appendHeaders(b, 2*i+1, c.block(get("GET", "/slow")...), true)
			return appendReset(b, 2*i+1, cancelled)
		}, 1100},
		{"streams that end with an error", func(c *client, b []byte, i uint32) []byte {
			return appendHeaders(b, 2*i+1, c.block(get("GET", "no slash")...), true)
		}, 1100},
		{"PING", func(_ *client, b []byte, _ uint32) []byte { return appendPing(b, 0, [8]byte{}) }, 1100},
		{"SETTINGS", func(_ *client, b []byte, _ uint32) []byte { return append(b, raw(frameSettings, 0, 0)...) }, 1100},
		{"PRIORITY", func(_ *client, b []byte, i uint32) []byte {
			return append(b, raw(framePriority, 0, 2*i+1, 0, 0, 0, 0, 0)...)
		}, 1100},
		{"unknown frames", func(_ *client, b []byte, _ uint32) []byte { return append(b, raw(99, 0, 0)...) }, 1100},
		{"empty DATA", func(c *client, b []byte, i uint32) []byte {
			if i == 0 {
				b = appendHeaders(b, 1, c.block(get("POST", "/slow")...), false)
			}
			return append(b, raw(frameData, 0, 1)...)
		}, 1100},
		{"empty CONTINUATION", func(c *client, b []byte, i uint32) []byte {
			if i == 0 {
				return append(b, raw(frameHeaders, 0, 1, 0x82)...)
			}
			return append(b, raw(frameContinuation, 0, 1)...)
		}, 200},
		{"endless CONTINUATION", func(c *client, b []byte, i uint32) []byte {
			if i == 0 {
				return append(b, raw(frameHeaders, 0, 1, 0x82)...)
			}
			return append(b, raw(frameContinuation, 0, 1, make([]byte, 1000)...)...)
		}, 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, rg *rig) {
				c := rg.dial(t)
				sent := 0
				for ; sent < test.most && !c.over(); sent += 10 {
					c.do(func() {
						var b []byte
						for i := range 10 {
							b = test.flood(c, b, uint32(sent+i))
						}
						c.conn.Write(b)
					})
				}
				if got := last(c.take()); !strings.HasSuffix(got, " ENHANCE_YOUR_CALM") || !c.over() {
					t.Errorf("after %d: %q, over %v; want that the connection ends", sent, got, c.over())
				}
			})
		})
	}
}

// Who asks for the same in an hour that would be a flood in a second goes on.
func TestAllowanceFillsWithTime(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		for range 5000 {
			c.do(func() { c.conn.Write(raw(framePing, 0, 0, make([]byte, 8)...)) })
			want(t, c.take(), "ping ack", "answer")
			time.Sleep(time.Second / allowedAt)
		}
	})
}

func TestWindowOfABytePerFrame(t *testing.T) {
	inBubble(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 100000)) }, func(t *testing.T, rg *rig) {
		c := rg.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		c.send(1, true, get("GET", "/hit/100000")...)
		sent := 0
		for ; sent < 2000 && !c.over(); sent++ {
			c.do(func() { c.conn.Write(raw(frameWindowUpdate, 0, 1, number(1)...)) })
		}
		want(t, sent, mostAllowed+1, "frames of a byte until the connection ends")
	})
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	var release chan struct{}
	inBubble(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, func(t *testing.T, rg *rig) {
		release = make(chan struct{})
		c := rg.dial(t)
		for i := range uint32(maxStreams) {
			c.send(2*i+1, true, get("GET", "/")...)
		}
		want(t, c.take(), "", "answers")
		c.send(501, true, get("GET", "/hit/a")...)
		want(t, c.take(), "501 reset REFUSED_STREAM", "answer to one more")
		close(release)
		c.take()
		c.send(503, true, get("GET", "/hit/a")...)
		want(t, c.take(), `503 headers 200; 503 data "hit /a" end`, "answer when the others have ended")
	})
}

func TestTimeouts(t *testing.T) {
	for _, test := range []struct {
		name        string
		do          func(c *client)
		alive, dead time.Duration
	}{
		{"nothing but the preface", func(c *client) { c.do(func() { c.conn.Write([]byte(preface)) }) }, 9 * time.Second, 11 * time.Second},
		{"idle from the beginning", func(c *client) { c.greet() }, 59 * time.Second, 62 * time.Second},
		{"idle after an answer", func(c *client) { c.greet(); c.send(1, true, get("GET", "/hit/a")...) }, 59 * time.Second, 62 * time.Second},
		{"idle after an answer of the handler", func(c *client) { c.greet(); c.send(1, true, get("GET", "/a")...) }, 59 * time.Second, 62 * time.Second},
		{"half a header block", func(c *client) {
			c.greet()
			c.do(func() { c.conn.Write(raw(frameHeaders, 0, 1, 0x82)) })
		}, 9 * time.Second, 11 * time.Second},
		{"half a frame", func(c *client) {
			c.greet()
			c.do(func() { c.conn.Write(raw(frameHeaders, flagEndHeaders, 1, 0x82)[:9]) })
		}, 9 * time.Second, 11 * time.Second},
		{"window that stays closed", func(c *client) {
			c.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			c.send(1, true, get("GET", "/a")...)
		}, 59 * time.Second, 62 * time.Second},
		{"handler that works", func(c *client) { c.greet(); c.send(1, true, get("GET", "/slow")...) }, 299 * time.Second, 365 * time.Second},
		{"body that comes slowly", func(c *client) { c.greet(); c.send(1, false, get("POST", "/slow")...) }, 299 * time.Second, 365 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				if r.RequestURI == "/slow" {
					time.Sleep(300 * time.Second)
				}
				echo(w, r)
			}, func(t *testing.T, rg *rig) {
				c := rg.connect(t)
				c.listen()
				test.do(c)
				time.Sleep(test.alive)
				want(t, c.over(), false, "closed after "+test.alive.String())
				if strings.HasPrefix(test.name, "body") {
					c.do(func() { c.conn.Write(raw(frameData, flagEndStream, 1, 'a')) })
				}
				time.Sleep(test.dead - test.alive)
				want(t, c.over(), true, "closed after "+test.dead.String())
			})
		})
	}
}

// greet shakes hands.
func (c *client) greet(settings ...http2.Setting) {
	c.do(func() {
		c.conn.Write([]byte(preface))
		c.fr.WriteSettings(settings...)
	})
}

func TestPeerThatReadsNothingIsCutOff(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.connect(t) // which does not listen
		go func() {
			c.conn.Write([]byte(preface))
			c.fr.WriteSettings()
			c.conn.Write(appendHeaders(nil, 1, c.block(get("GET", "/hit/a")...), true))
		}()
		synctest.Wait()
		time.Sleep(2*time.Minute + time.Second)
		rg.wait.Wait()
	})
}
