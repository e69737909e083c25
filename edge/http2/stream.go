package http2

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// stream is a request that a handler answers.
type stream struct {
	conn    *conn
	id      uint32
	context context.Context
	cancel  context.CancelFunc

	// What follows is guarded by conn.mu.
	wake sync.Cond
	err  error // why it ended before its time

	// What is sent. A handler's Write leaves its bytes in body and waits until they are in frames.
	window int64
	body   []byte
	last   bool // the stream ends after body
	done   bool // it has
	queued bool
	next   *stream // in the queue
	begun  bool    // the header was sent

	// What is received.
	inflow   inflow
	length   int64 // Content-Length, -1 without
	received int64
	input    bytes.Buffer // not more than streamWindow
	ended    bool         // END_STREAM came
	unread   bool         // nobody reads the rest
	returned bool         // the handler has, before END_STREAM came
	inputErr error        // what reading says instead
	trailer  http.Header

	readTimer, writeTimer *time.Timer
}

var errReset = errors.New("the peer reset the stream")

// openStream makes the stream of a request. c.mu is held.
func (c *conn) openStream(r *Request, id uint32, ended bool) *stream {
	s := &stream{conn: c, id: id, window: c.initial, inflow: inflow{open: streamWindow}, length: r.length, ended: ended}
	s.wake.L = &c.mu
	s.context, s.cancel = context.WithCancel(c.ctx)
	c.streams[id] = s
	return s
}

// sending reports whether there is something to send. c.mu is held.
func (s *stream) sending() bool { return (len(s.body) > 0 || s.last && !s.done) && s.err == nil }

// sent is called when the body is in frames. c.mu is held.
func (s *stream) sent() {
	s.body = nil
	if s.last {
		s.finished()
	}
	s.wake.Broadcast()
}

// finished is called when our side of the stream has ended. c.mu is held.
func (s *stream) finished() {
	s.done = true
	if s.ended {
		s.remove()
	}
}

// remove forgets a stream that both sides have ended. c.mu is held.
func (s *stream) remove() {
	delete(s.conn.streams, s.id)
	s.conn.overYet()
}

// abort ends the stream before its time. c.mu is held.
func (s *stream) abort(err error) {
	if s.err != nil {
		return
	}
	s.err = err
	s.conn.queue.drop(s)
	s.discard()
	s.cancel()
	s.wake.Broadcast()
	s.remove()
}

// discard drops what was received and not read, and what comes. c.mu is held.
func (s *stream) discard() {
	s.unread = true
	s.release(s.input.Len())
	s.input = bytes.Buffer{}
}

// release opens the windows after n bytes that were received and are done with. c.mu is held.
func (s *stream) release(n int) {
	s.conn.release(n)
	if s.ended || s.err != nil || s.unread {
		return
	}
	if open := s.inflow.release(n, streamWindow); open > 0 {
		s.conn.put(appendWindowUpdate(s.conn.pending(), s.id, open))
	}
}

// release is the same for the connection alone. c.mu is held.
func (c *conn) release(n int) {
	if open := c.inflow.release(n, connWindow); open > 0 {
		c.put(appendWindowUpdate(c.pending(), 0, open))
	}
}

// inform sends an interim response, if the final one was not begun.
func (s *stream) inform(head []byte) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.err == nil && !s.begun {
		c.put(appendHeaders(c.pending(), s.id, head, false))
		c.flush()
	}
	return s.err
}

// write sends p as DATA, behind head if that is not nil, a header block, and waits until all is in frames. With last the stream
// ends.
func (s *stream) write(head, p []byte, last bool) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if head != nil {
		s.begun = true
		empty := last && len(p) == 0
		c.put(appendHeaders(c.pending(), s.id, head, empty))
		if empty {
			s.finished()
			c.flush()
			return nil
		}
	}
	s.body, s.last = p, last
	switch {
	case !s.sending():
		c.flush()
	case s.window > 0 || len(p) == 0:
		c.queue.add(s)
	}
	for s.sending() {
		if !c.writing && s.queued && (c.window > 0 || len(s.body) == 0) {
			c.pump(s)
			continue
		}
		c.stalled++
		s.wake.Wait()
		c.stalled--
	}
	s.body = nil
	return s.err
}
