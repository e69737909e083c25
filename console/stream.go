package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"glassine/console/client"
	"glassine/telemetry"
)

// streamAlive is how often a stream says that it is still there, when it has nothing else to say: proxies end what is silent.
const streamAlive = 15 * time.Second

// stream is server-sent events to one browser. It ends with the request, the session and the console.
// (HTML Living Standard, "Server-sent events".)
type stream struct {
	ctx  context.Context
	end  context.CancelFunc
	w    http.ResponseWriter
	out  *http.ResponseController
	last time.Time // when something was written
	now  func() time.Time
}

// stream begins one. The caller ends it.
func (q *request) stream() *stream {
	ctx, end := context.WithCancel(q.ctx())
	context.AfterFunc(q.s.ctx, end)
	context.AfterFunc(q.c.running, end)
	h := q.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	return &stream{ctx: ctx, end: end, w: q.w, out: http.NewResponseController(q.w), now: q.c.cfg.Now}
}

// resume is where a browser that comes back was, 0 for one that is new.
func (q *request) resume() uint64 {
	after, err := strconv.ParseUint(q.r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil {
		return 0
	}
	return after
}

// send sends an event with a JSON value; false when the browser is gone. id "" leaves out where a browser goes on from.
func (s *stream) send(id, event string, v any) bool {
	raw, err := json.Marshal(v)
	if err != nil {
		return false
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	return s.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, event, raw))
}

// comment sends what no script sees; false when the browser is gone.
func (s *stream) comment(text string) bool { return s.write(": " + text + "\n\n") }

func (s *stream) write(text string) bool {
	if s.ctx.Err() != nil {
		return false
	}
	s.last = s.now()
	_, err := fmt.Fprint(s.w, text)
	return err == nil && s.out.Flush() == nil
}

// How a watch goes: for how long one look waits, and how long there is between two, in which changes gather.
const (
	watchWait  = 10 * time.Second
	watchPause = 150 * time.Millisecond
)

// watch sends what f makes of each request at the edge that changes, until f says that it was the last, or the browser is gone.
// pause is the least time between two looks. A refusal on the way is an event of its own: who lost a right is told.
func (s *stream) watch(aws *client.Client, after uint64, pause time.Duration, f func(telemetry.Trace, uint64) (more bool)) {
	for {
		feed, err := aws.Watch(s.ctx, after, watchWait, 100)
		if err != nil {
			if s.ctx.Err() == nil {
				s.send("", "refused", problemOf(err))
			}
			return
		}
		after = feed.Next
		for _, t := range feed.Traces {
			if !f(t, feed.Next) {
				return
			}
		}
		if len(feed.Traces) == 0 || s.now().Sub(s.last) >= streamAlive {
			if !s.comment("alive") {
				return
			}
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// readable makes a trace safe to show by a script.
func readable(t telemetry.Trace) telemetry.Trace {
	if t.Spans == nil {
		t.Spans = []telemetry.Span{} // a script's list is never null
	}
	for i := range t.Facts {
		t.Facts[i].Value, t.Facts[i].Why = shown(t.Facts[i].Value), shown(t.Facts[i].Why)
	}
	for i := range t.Spans {
		t.Spans[i].Error = shown(t.Spans[i].Error)
	}
	return t
}
