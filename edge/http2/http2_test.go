package http2

import (
	"testing"

	"golang.org/x/net/http2"
)

func TestLoopAndHandlerShareAConnection(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		id := uint32(1)
		for _, step := range []struct {
			name         string
			method, path string
			want         string
			answered     int32
		}{
			{"a hit", "GET", "/hit/a", `%d headers 200; %d data "hit /a" end`, 1},
			{"a miss", "GET", "/2", `%d headers 200; %d data "handler /2" end`, 1},
			{"a hit after a miss", "GET", "/hit/b", `%d headers 200; %d data "hit /b" end`, 2},
			{"HEAD", "HEAD", "/hit/c", `%d headers 200 end`, 3},
			{"HEAD of the handler", "HEAD", "/3", `%d headers 200 end`, 3},
			{"OPTIONS is the handler's", "OPTIONS", "/hit/d", `%d headers 200; %d data "handler /hit/d" end`, 3},
		} {
			c.send(id, true, get(step.method, step.path)...)
			want(t, c.take(), numbered(step.want, id), step.name)
			want(t, rg.answered.Load(), step.answered, step.name+": answered by the Responder")
			id += 2
		}
	})
}

func TestManyAnswersInOneWrite(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.dial(t)
		c.do(func() {
			var b []byte
			for i := range uint32(3) {
				block := c.block(get("GET", "/hit/a")...)
				b = appendHeaders(b, 2*i+1, block, true)
			}
			c.conn.Write(b)
		})
		want(t, c.take(), `1 headers 200; 1 data "hit /a" end; 3 headers 200; 3 data "hit /a" end; 5 headers 200; 5 data "hit /a" end`, "answers")
	})
}

func TestBodyWaitsForTheWindow(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, rg *rig) {
		c := rg.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5})
		c.send(1, true, get("GET", "/hit/12")...)
		want(t, c.take(), `1 headers 200; 1 data "handl"`, "what the window takes, from the handler")
		c.do(func() { c.fr.WriteWindowUpdate(1, 3) })
		want(t, c.take(), `1 data "er "`, "what it takes more")
		c.do(func() { c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}) })
		want(t, c.take(), `settings ack; 1 data "/hit/12" end`, "the rest")
	})
}
