package http2

import "os"

// mostAtOnce is the largest body that the reader sends by itself. While it does, nothing is read; so what is larger has a
// goroutine of its own, and takes turns with others.
const mostAtOnce = 128 << 10

// answer has the Responder answer r.
func (c *conn) answer(r *Request, id uint32) bool {
	r.conn, r.stream, r.Remote, r.TLS = c, id, c.remote, c.tls
	r.answered = c.server.Responder.AnswerHTTP2(r)
	if r.reserved > 0 { // of what was not used
		c.mu.Lock()
		c.window += r.reserved
		c.pass()
		c.mu.Unlock()
	}
	return r.answered
}

// Takes reports whether Write can send a body of n bytes without waiting for the peer to open its window, and makes sure of
// it. It is asked before Write, once.
func (r *Request) Takes(n int64) bool {
	if n > mostAtOnce {
		return false
	}
	c := r.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.window || n > c.initial || c.writing && c.unsent() >= batch {
		return false
	}
	c.window -= n
	r.reserved = n
	return true
}

// Write sends an answer: head, which is the status line and header lines of HTTP/1.1 with their ends but without the empty
// line, and body, for which Takes has found room; body may be read after Write, and nobody may write to it. It returns how
// many bytes of the body are on their way. It may be called once.
func (r *Request) Write(head, body []byte) (int64, error) {
	c := r.conn
	r.block = appendHead(r.block[:0], head)
	c.mu.Lock()
	defer c.mu.Unlock()
	b := appendHeaders(c.pending(), r.stream, r.block, len(body) == 0)
	n := int64(len(body))
	r.reserved -= n
	c.rest = rest{r.stream, body}
	b = c.rest.appendTo(b, batch)
	c.put(b)
	c.crowded = len(b) >= batch
	return n, c.err
}

// rest is what is left of a body of Write's.
type rest struct {
	stream uint32
	body   []byte
}

// appendTo appends frames until b has most bytes.
func (r *rest) appendTo(b []byte, most int) []byte {
	for len(r.body) > 0 && len(b) < most {
		n := min(len(r.body), maxFrame)
		f := frame{n, frameData, 0, r.stream}
		if n == len(r.body) {
			f.flags = flagEndStream
		}
		b = append(appendFrame(b, f), r.body[:n]...)
		r.body = r.body[n:]
	}
	return b
}

// WriteFile is Write of a body that is length bytes of f from offset on. If they cannot be read, the stream is reset.
func (r *Request) WriteFile(head []byte, f *os.File, offset, length int64) (int64, error) {
	c := r.conn
	r.block = appendHead(r.block[:0], head)
	piece := inputs.Get().(*[largeInput]byte)
	defer inputs.Put(piece)
	sent := int64(0)
	for first := true; first || sent < length; first = false {
		body := piece[:min(maxFrame, length-sent)]
		_, readErr := f.ReadAt(body, offset+sent)
		c.mu.Lock()
		b := c.pending()
		switch {
		case readErr != nil:
			c.abandon(r.stream, internalError, readErr)
			c.mu.Unlock()
			return sent, readErr
		case first:
			b = appendHeaders(b, r.stream, r.block, len(body) == 0)
		}
		if len(body) > 0 {
			data := frame{len(body), frameData, 0, r.stream}
			if sent += int64(len(body)); sent == length {
				data.flags = flagEndStream
			}
			b = append(appendFrame(b, data), body...)
		}
		c.put(b)
		c.crowded = len(b) >= batch
		err := c.err
		r.reserved -= int64(len(body))
		c.mu.Unlock()
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
