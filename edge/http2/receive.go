package http2

import (
	"encoding/binary"
	"net/http"
	"slices"
)

// receive takes a frame. Its error is a connError, a streamError, or the end of the connection.
func (c *conn) receive(f frame, p []byte) error {
	switch {
	case !c.settled && (f.kind != frameSettings || f.has(flagAck)):
		return connError{protocolError, "the first frame is no SETTINGS"}
	case c.header.stream != 0 && (f.kind != frameContinuation || f.stream != c.header.stream):
		return connError{protocolError, "a header block is interrupted"}
	}
	switch f.kind {
	case frameData:
		return c.data(f, p)
	case frameHeaders:
		return c.headers(f, p)
	case frameContinuation:
		if c.header.stream == 0 {
			return connError{protocolError, "CONTINUATION of nothing"}
		}
		return c.piece(f, p)
	case frameWindowUpdate:
		return c.windowUpdate(f, p)
	case frameSettings:
		return c.settings(f, p)
	case framePushPromise:
		return connError{protocolError, "PUSH_PROMISE of a client"}
	}
	if !c.cheap.spend() {
		return connError{enhanceYourCalm, "too many frames that ask for nothing"}
	}
	switch f.kind {
	case frameReset:
		return c.reset(f, p)
	case framePing:
		return c.ping(f, p)
	case framePriority:
		return priority(f, p)
	case frameGoAway:
		return c.goAway(f, p)
	}
	return nil // of an extension that we do not know (RFC 9113, section 5.5)
}

// data takes a DATA frame (RFC 9113, section 6.1).
func (c *conn) data(f frame, p []byte) error {
	if f.stream == 0 {
		return connError{protocolError, "DATA of no stream"}
	}
	body, err := unpad(f, p)
	if err != nil {
		return err
	}
	if len(body) == 0 && !f.has(flagEndStream) && !c.cheap.spend() {
		return connError{enhanceYourCalm, "too many empty DATA"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream > c.last || f.stream%2 == 0 {
		return connError{protocolError, "DATA of an idle stream"}
	}
	if !c.inflow.receive(f.length) {
		return connError{flowControlError, "DATA beyond the connection's window"}
	}
	s := c.streams[f.stream]
	if s == nil || s.ended {
		c.release(f.length)
		if s == nil && slices.Contains(c.resets[:], f.stream) {
			return nil // sent before the peer knew (section 5.1, "closed")
		}
		return streamError{f.stream, streamClosed, "DATA on a closed stream"}
	}
	s.received += int64(len(body))
	switch {
	case !s.inflow.receive(f.length):
		c.release(f.length)
		return streamError{f.stream, flowControlError, "DATA beyond the stream's window"}
	case s.length >= 0 && (s.received > s.length || f.has(flagEndStream) && s.received != s.length):
		c.release(f.length)
		return streamError{f.stream, protocolError, "the body is not as long as its Content-Length"} // section 8.1.1
	}
	done := f.length - len(body)
	if s.unread {
		done = f.length
	} else {
		s.input.Write(body)
	}
	if f.has(flagEndStream) {
		s.end()
	}
	s.release(done)
	s.wake.Broadcast()
	if s.returned && !s.ended && s.received > mostUnread {
		c.abandon(s.id, noError, errUnread)
	}
	return nil
}

// mostUnread is how many bytes of a body are let go by when its handler has returned; then the peer is told that the rest is
// not wanted (RFC 9113, section 8.1).
const mostUnread = 16 << 10

// end is called when the peer's side of the stream has ended. c.mu is held.
func (s *stream) end() {
	s.ended = true
	if s.done {
		s.remove()
	}
	s.wake.Broadcast()
}

// headers takes a HEADERS frame (RFC 9113, section 6.2).
func (c *conn) headers(f frame, p []byte) error {
	if f.stream%2 == 0 {
		return connError{protocolError, "HEADERS of a stream that no client begins"}
	}
	p, err := unpad(f, p)
	if err != nil {
		return err
	}
	if f.has(flagPriority) {
		if len(p) < 5 {
			return connError{frameSizeError, "HEADERS without the priority that it announces"}
		}
		if binary.BigEndian.Uint32(p)&^(1<<31) == f.stream {
			// RFC 7540, section 5.3.1. The connection ends, since the table misses this block.
			return connError{protocolError, "a stream depends on itself"}
		}
		p = p[5:]
	}
	if f.has(flagEndHeaders) {
		return c.whole(f, p)
	}
	c.header, c.block, c.pieces = f, append(c.block[:0], p...), 1
	return nil
}

// mostPieces bounds the frames of a header block: empty ones cost the peer next to nothing.
const mostPieces = 128

// piece takes a CONTINUATION frame (RFC 9113, section 6.10).
func (c *conn) piece(f frame, p []byte) error {
	c.pieces++
	if c.pieces > mostPieces || len(c.block)+len(p) > c.server.headerLimit()+maxFrame {
		return connError{enhanceYourCalm, "the header block is too long"}
	}
	c.block = append(c.block, p...)
	if !f.has(flagEndHeaders) {
		return nil
	}
	begin, block := c.header, c.block
	c.header, c.block = frame{}, nil
	return c.whole(begin, block)
}

// whole takes a header block that is complete.
func (c *conn) whole(f frame, block []byte) error {
	r := requests.Get().(*Request)
	defer r.free()
	r.room = c.server.headerLimit()
	if err := c.table.decode(r, block); err != nil {
		return err
	}
	begins, err := c.begins(r, f)
	if !begins || err != nil {
		return err
	}
	ended := f.has(flagEndStream)
	switch {
	case r.room < 0:
		return c.handle(r, f.stream, ended, http.HandlerFunc(tooLarge))
	case !r.read():
		return streamError{f.stream, protocolError, "the request is malformed"}
	case ended && r.length > 0:
		return streamError{f.stream, protocolError, "there is no body of the announced length"}
	case r.Method == http.MethodConnect:
		return c.handle(r, f.stream, ended, http.HandlerFunc(refuseConnect))
	case ended && c.server.Responder != nil && r.plain() && c.answer(r, f.stream):
		return nil
	case r.Target == "*" && !c.server.HTTP.DisableGeneralOptionsHandler:
		return c.handle(r, f.stream, ended, http.HandlerFunc(generalOptions))
	}
	return c.handle(r, f.stream, ended, c.server.handler())
}

// begins reports whether a header block begins a request. If it does not, it is a trailer section, which begins takes, or
// nothing.
func (c *conn) begins(r *Request, f frame) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[f.stream]; s != nil {
		return false, s.trailers(r, f.has(flagEndStream))
	}
	switch {
	case f.stream <= c.last && slices.Contains(c.resets[:], f.stream):
		return false, nil // sent before the peer knew
	case f.stream <= c.last:
		return false, connError{streamClosed, "HEADERS on a closed stream"}
	case c.final:
		return false, nil // the peer knows from the GOAWAY that it is not answered (section 6.8)
	}
	c.last = f.stream
	if len(c.streams) >= maxStreams || c.running >= maxStreams {
		return false, streamError{f.stream, refusedStream, "too many streams"}
	}
	return true, nil
}

// trailers takes the trailer section of a request (RFC 9113, section 8.1). c.mu is held.
func (s *stream) trailers(r *Request, ended bool) error {
	if s.ended {
		return streamError{s.id, streamClosed, "HEADERS on a stream that has ended"}
	}
	if !ended || r.room < 0 {
		return streamError{s.id, protocolError, "a trailer section does not end the stream"}
	}
	if s.length >= 0 && s.received != s.length {
		return streamError{s.id, protocolError, "the body is not as long as its Content-Length"}
	}
	for _, f := range r.fields {
		switch f.kind {
		case malformed, pseudoMethod, pseudoScheme, pseudoPath, pseudoAuthority:
			return streamError{s.id, protocolError, "the trailer section is malformed"}
		}
		name := http.CanonicalHeaderKey(f.name)
		if s.trailer == nil {
			s.trailer = http.Header{}
		}
		s.trailer[name] = append(s.trailer[name], f.value)
	}
	s.end()
	return nil
}

// priority looks at what RFC 9113, section 5.3, deprecates.
func priority(f frame, p []byte) error {
	switch {
	case f.stream == 0:
		return connError{protocolError, "PRIORITY of no stream"}
	case len(p) != 5:
		return streamError{f.stream, frameSizeError, "PRIORITY of another length than 5"}
	case binary.BigEndian.Uint32(p)&^(1<<31) == f.stream:
		return streamError{f.stream, protocolError, "a stream depends on itself"} // RFC 7540, section 5.3.1
	}
	return nil
}

// reset takes a RST_STREAM (RFC 9113, section 6.4).
func (c *conn) reset(f frame, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.stream == 0 || f.stream > c.last || f.stream%2 == 0:
		return connError{protocolError, "RST_STREAM of an idle stream"}
	case len(p) != 4:
		return connError{frameSizeError, "RST_STREAM of another length than 4"}
	}
	if s := c.streams[f.stream]; s != nil {
		s.abort(errReset)
	}
	return nil
}

// settings takes a SETTINGS frame (RFC 9113, section 6.5).
func (c *conn) settings(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return connError{protocolError, "SETTINGS of a stream"}
	case f.has(flagAck) && len(p) > 0, len(p)%6 != 0:
		return connError{frameSizeError, "SETTINGS of an odd length"}
	case f.has(flagAck):
		return nil
	case c.settled && !c.cheap.spend():
		return connError{enhanceYourCalm, "too many SETTINGS"}
	}
	c.settled = true
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(p) > 0; p = p[6:] {
		value := binary.BigEndian.Uint32(p[2:])
		switch binary.BigEndian.Uint16(p) {
		case settingEnablePush:
			if value > 1 {
				return connError{protocolError, "SETTINGS_ENABLE_PUSH is neither 0 nor 1"}
			}
		case settingInitialWindow:
			if value > maxWindow {
				return connError{flowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is too large"}
			}
			if err := c.resize(int64(value)); err != nil {
				return err
			}
		case settingMaxFrame:
			if value < maxFrame || value > largestFrame {
				return connError{protocolError, "SETTINGS_MAX_FRAME_SIZE is out of range"}
			}
		}
	}
	c.put(appendFrame(c.pending(), frame{0, frameSettings, flagAck, 0}))
	return nil
}

// resize changes the initial window, and with it the windows of all streams (RFC 9113, section 6.9.2). c.mu is held.
func (c *conn) resize(initial int64) error {
	by := initial - c.initial
	c.initial = initial
	for _, s := range c.streams {
		if s.window += by; s.window > maxWindow {
			return connError{flowControlError, "a stream's window is too large"}
		}
		s.open()
	}
	c.pass()
	return nil
}

// open queues a stream whose window may have opened. c.mu is held.
func (s *stream) open() {
	if s.sending() && s.window > 0 {
		s.conn.queue.add(s)
	}
}

// windowUpdate takes a WINDOW_UPDATE (RFC 9113, section 6.9).
func (c *conn) windowUpdate(f frame, p []byte) error {
	if len(p) != 4 {
		return connError{frameSizeError, "WINDOW_UPDATE of another length than 4"}
	}
	by := int64(binary.BigEndian.Uint32(p) &^ (1 << 31))
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 {
		if by == 0 {
			return connError{protocolError, "the connection's window is opened by nothing"}
		}
		if c.window += by; c.window > maxWindow {
			return connError{flowControlError, "the connection's window is too large"}
		}
		c.pass()
		return nil
	}
	if f.stream > c.last || f.stream%2 == 0 {
		return connError{protocolError, "WINDOW_UPDATE of an idle stream"}
	}
	s := c.streams[f.stream]
	switch {
	case by == 0:
		return streamError{f.stream, protocolError, "the stream's window is opened by nothing"}
	case s == nil:
		return nil // it has ended
	}
	if s.window += by; s.window > maxWindow {
		return streamError{f.stream, flowControlError, "the stream's window is too large"}
	}
	s.open()
	c.pass()
	return nil
}

// ping answers a PING (RFC 9113, section 6.7).
func (c *conn) ping(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return connError{protocolError, "PING of a stream"}
	case len(p) != 8:
		return connError{frameSizeError, "PING of another length than 8"}
	}
	data := [8]byte(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !f.has(flagAck) {
		c.put(appendPing(c.pending(), flagAck, data))
		return nil
	}
	if c.leaving && data == leavePing {
		c.finish()
	}
	return nil
}

// goAway takes a GOAWAY (RFC 9113, section 6.8): the peer begins no more streams.
func (c *conn) goAway(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return connError{protocolError, "GOAWAY of a stream"}
	case len(p) < 8:
		return connError{frameSizeError, "GOAWAY of less than 8"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish()
	return nil
}
