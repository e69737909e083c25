package http2

import (
	"errors"
	"math"
	"sync"
	"time"
)

// Frames are appended to c.out and sent together: by the reader before it waits for more, and by handlers that have a
// body to send. One of them at a time writes; who finds that somebody does leaves its frames to that one, who goes on until
// there are none.
//
// A reader that cannot write, because the peer does not read, is relieved: another goroutine reads on. There are peers that
// do not read before they have written (net/http's client, while a request's body holds its lock), and two that wait for
// each other would wait for ever.

// batch is how many bytes are written at a time, or a little more. While as many wait for their turn, nothing but what is small is added.
const batch = 64 << 10

var outputs = sync.Pool{New: func() any { return new(make([]byte, 0, batch+2*(headerSize+maxFrame))) }}

// pending returns the frames that are to be sent, to be appended to and put back by put. c.mu is held.
func (c *conn) pending() []byte {
	if c.out == nil {
		c.out = outputs.Get().(*[]byte)
	}
	return *c.out
}

func (c *conn) put(b []byte) { *c.out = b }

func (c *conn) unsent() int {
	if c.out == nil {
		return 0
	}
	return len(*c.out)
}

// flush has c.out sent, unless somebody sends and will send that too. c.mu is held, and released meanwhile.
func (c *conn) flush() {
	if !c.writing && c.unsent() > 0 {
		c.pump(nil)
	}
}

// reliefAfter is how long the reader may be busy with writing.
const reliefAfter = 20 * time.Millisecond

// errRelieved ends a reader in whose place another goroutine reads.
var errRelieved = errors.New("another goroutine reads")

// push is flush of the goroutine that reads.
func (c *conn) push() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.rest
	c.crowded, c.rest = false, rest{}
	switch {
	case c.writing:
		c.put(left.appendTo(c.pending(), math.MaxInt)) // not more than mostAtOnce
		return c.err
	case c.unsent() == 0:
		return c.err
	}
	c.pushing = true
	if c.relief == nil {
		c.relief = time.AfterFunc(reliefAfter, c.relieve)
	} else {
		c.relief.Reset(reliefAfter)
	}
	c.pump(nil)
	for len(left.body) > 0 && c.err == nil {
		c.put(left.appendTo(c.pending(), batch))
		c.pump(nil)
	}
	if !c.pushing {
		return errRelieved
	}
	c.relief.Stop()
	c.pushing = false
	return c.err
}

// relieve has another goroutine read, if the one that did still writes.
func (c *conn) relieve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pushing {
		c.pushing = false
		c.handlers.Go(c.read)
	}
}

// drain has everything sent that is in frames. c.mu is held, and released meanwhile.
func (c *conn) drain() {
	for c.writing && c.err == nil {
		c.idle.Wait()
	}
	c.flush()
}

// pump sends c.out and, while s has something to send, the streams' bodies by turns. c.mu is held, and released meanwhile.
func (c *conn) pump(s *stream) {
	c.writing = true
	for c.err == nil {
		if s != nil && s.sending() {
			c.schedule()
		}
		if c.unsent() == 0 {
			break
		}
		c.write()
	}
	c.writing = false
	c.idle.Broadcast()
	c.pass()
}

// pass wakes a stream's handler to go on sending, if there is something that can be sent. c.mu is held.
func (c *conn) pass() {
	if s := c.queue.first; !c.writing && s != nil && (c.window > 0 || len(s.body) == 0) {
		s.wake.Broadcast()
	}
}

// write sends a batch. c.mu is held, and released meanwhile.
func (c *conn) write() {
	b := c.out
	c.out = nil
	if c.spare != nil {
		c.out, c.spare = c.spare, nil
	}
	c.mu.Unlock()
	err := c.send(*b)
	*b = (*b)[:0]
	c.mu.Lock()
	if cap(*b) > 2*batch { // a header that was long
		b = nil
	}
	switch {
	case err != nil:
		c.fail(err)
	case b != nil && c.unsent() > 0:
		c.spare = b
	case b != nil:
		outputs.Put(b)
	}
}

// send writes b, which the peer has to take in a time.
func (c *conn) send(b []byte) error {
	stall := c.server.stallTimeout()
	if now := time.Now(); c.writeUntil.Sub(now) < stall {
		c.mu.Lock()
		err := c.err
		if err == nil && !c.ending {
			c.writeUntil = now.Add(2 * stall) // so that it is set anew every now and then only
			err = c.net.SetWriteDeadline(c.writeUntil)
		}
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	_, err := c.net.Write(b)
	return err
}

// schedule appends a batch of the streams' bodies, a frame of each in turn. c.mu is held.
func (c *conn) schedule() {
	b := c.pending()
	for len(b) < batch && c.queue.first != nil {
		s := c.queue.first
		n := len(s.body)
		if n > 0 {
			if n = int(min(int64(n), maxFrame, s.window, c.window)); n <= 0 {
				if s.window > 0 {
					break // of the connection's window there is nothing left
				}
				c.queue.remove()
				continue
			}
		}
		c.queue.remove()
		whole := n == len(s.body)
		b = s.appendData(b, n)
		if !whole {
			if n < tinyFrame && !c.tiny.spend() {
				c.fail(errTiny)
				return
			}
			c.queue.add(s)
			continue
		}
		s.sent()
	}
	c.put(b)
}

// tinyFrame is what no peer's window should make a body's frames smaller than, many times a second.
const tinyFrame = 256

var errTiny = connError{enhanceYourCalm, "the window is opened by too little at a time"}

// appendData appends a DATA frame with the next n bytes of the body.
func (s *stream) appendData(b []byte, n int) []byte {
	f := frame{n, frameData, 0, s.id}
	if n == len(s.body) && s.last {
		f.flags = flagEndStream
	}
	b = append(appendFrame(b, f), s.body[:n]...)
	s.body = s.body[n:]
	s.window -= int64(n)
	s.conn.window -= int64(n)
	return b
}

// queue is the streams that have something to send and of their window.
type queue struct{ first, end *stream }

func (q *queue) add(s *stream) {
	if s.queued {
		return
	}
	s.queued, s.next = true, nil
	if q.first == nil {
		q.first = s
	} else {
		q.end.next = s
	}
	q.end = s
}

// remove takes the first one out.
func (q *queue) remove() {
	s := q.first
	q.first = s.next
	s.queued, s.next = false, nil
}

// drop takes s out, wherever it is.
func (q *queue) drop(s *stream) {
	if !s.queued {
		return
	}
	if q.first == s {
		q.remove()
		return
	}
	for at := q.first; at != nil; at = at.next {
		if at.next != s {
			continue
		}
		at.next = s.next
		if q.end == s {
			q.end = at
		}
		break
	}
	s.queued, s.next = false, nil
}

// resetStream tells the peer that a stream has ended before its time.
func (c *conn) resetStream(e streamError) error {
	if !c.cheap.spend() {
		return connError{enhanceYourCalm, "too many streams end with an error"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandon(e.stream, e.code, e)
	return nil
}

// abandon resets a stream. c.mu is held.
func (c *conn) abandon(id uint32, why code, err error) {
	c.put(appendReset(c.pending(), id, why))
	c.resets[c.resetAt] = id
	c.resetAt = (c.resetAt + 1) % resetsKept
	if s := c.streams[id]; s != nil {
		s.abort(err)
	}
}
