package http1

import (
	"errors"
	"time"
)

// piece is how much of an answer is written under one deadline, in bytes: who takes less in StallTimeout is stalled.
const piece = 256 << 10

// pace sets the write deadline for what is written next: the answer's, or with StallTimeout that and no later than twice that
// from now, so that it need not be set for every write.
func (c *conn) pace() error {
	d := c.server.StallTimeout
	if d <= 0 {
		return nil
	}
	now := time.Now()
	if c.paced.Sub(now) >= d {
		return nil
	}
	c.paced = now.Add(2 * d)
	return c.Conn.SetWriteDeadline(c.paced)
}

// unpace takes the loop's write deadline away.
func (c *conn) unpace() error {
	if c.paced.IsZero() {
		return nil
	}
	c.paced = time.Time{}
	return c.Conn.SetWriteDeadline(time.Time{})
}

// send writes first and then body, and returns how many bytes of both.
func (c *conn) send(r *Request, first, body []byte) (n int64, err error) {
	if d := c.server.HTTP.WriteTimeout; d > 0 && c.server.StallTimeout <= 0 {
		if err := c.SetWriteDeadline(time.Now().Add(d)); err != nil {
			return 0, err
		}
	}
	if c.cork != nil && len(body) > 0 {
		c.cork.hold()
		defer func() { err = errors.Join(err, c.cork.release()) }()
	}
	if c.cork == nil && len(body) > 0 {
		if err := c.pace(); err != nil {
			return 0, err
		}
		now := body[:min(piece, len(body))]
		body = body[len(now):]
		r.pair = [2][]byte{first, now}
		r.bufs = r.pair[:]
		n, err = r.bufs.WriteTo(c.Conn)
		r.pair = [2][]byte{}
		first = nil
	}
	for next := first; err == nil && len(next)+len(body) > 0; {
		if len(next) == 0 {
			next = body[:min(piece, len(body))]
			body = body[len(next):]
		}
		if err := c.pace(); err != nil {
			return n, err
		}
		var m int
		m, err = c.Conn.Write(next)
		n += int64(m)
		next = nil
	}
	return n, err
}
