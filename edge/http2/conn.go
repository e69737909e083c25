package http2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// conn is a connection. The goroutine of serve reads it; whoever has something to send writes it, one at a time.
type conn struct {
	server *Server
	net    net.Conn
	tls    *tls.ConnectionState
	remote string
	ctx    context.Context // of its requests
	cancel context.CancelFunc

	// Of the goroutine that reads.
	first    [smallInput]byte
	in       []byte // what was read is in[from:to]
	from, to int
	greeted  bool // the preface came
	settled  bool // the peer's first SETTINGS came
	table    decoder
	header   frame  // the HEADERS whose block goes on in CONTINUATION; of no stream: there is none
	block    []byte // of header
	pieces   int    // frames of block
	begun    time.Time
	cheap    allowance
	early    []byte // was read before c was, and does not fit into in
	crowded  bool   // there is a batch to be sent
	rest     rest   // of the last answer

	handlers sync.WaitGroup

	mu        sync.Mutex // guards what follows
	err       error      // why nothing is sent any more
	streams   map[uint32]*stream
	last      uint32 // the peer's latest stream
	window    int64  // for what is sent
	initial   int64  // the same of a new stream
	inflow    inflow
	running   int // handlers
	stalled   int // of running, those that wait for the peer's window
	resets    [resetsKept]uint32
	resetAt   int
	until     time.Time // read deadline as it is set
	leaving   bool      // a GOAWAY was sent
	final     bool      // and it named the last stream, so that the connection ends with those there are
	finalTick *time.Timer

	out, spare *[]byte   // frames to be sent; nil for none
	writing    bool      // somebody sends
	idle       sync.Cond // nobody sends
	pushing    bool      // the goroutine that reads does
	relief     *time.Timer
	ending     bool      // the last is being sent
	writeUntil time.Time // write deadline as it is set
	queue      queue
	tiny       allowance // for frames that the peer's window keeps small
}

// smallInput is what an idle connection has for reading; while more comes at a time, it has a buffer for the longest frame.
const smallInput = 1 << 10

const largeInput = headerSize + maxFrame

var inputs = sync.Pool{New: func() any { return new([largeInput]byte) }}

// resetsKept is how many streams that we reset are remembered: what the peer sent for them before it knew is no error.
const resetsKept = 32

// linger is how long a connection that ended with an error is read, so that the peer gets the GOAWAY before the reset that
// unread bytes cause.
const linger = time.Second

func newConn(s *Server, nc net.Conn, state *tls.ConnectionState) *conn {
	c := &conn{
		server: s, net: nc, tls: state, remote: nc.RemoteAddr().String(),
		table: decoder{limit: tableSize}, streams: map[uint32]*stream{},
		window: defaultWindow, initial: defaultWindow, inflow: inflow{open: connWindow},
	}
	c.in = c.first[:]
	c.idle.L = &c.mu
	ctx := context.WithValue(context.Background(), http.ServerContextKey, s.HTTP)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, nc.LocalAddr())
	if s.HTTP.ConnContext != nil {
		ctx = s.HTTP.ConnContext(ctx, nc)
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// serve runs the connection.
func (c *conn) serve(early []byte) {
	c.early = early
	c.mu.Lock()
	c.greet()
	c.mu.Unlock()
	c.read()
	c.handlers.Wait()
	if len(c.in) == largeInput {
		inputs.Put((*[largeInput]byte)(c.in))
	}
}

// read is the goroutine that reads.
func (c *conn) read() {
	if err := c.runSafely(); !errors.Is(err, errRelieved) {
		c.end(err)
	}
}

// runSafely is run, whose Responder may panic: that ends its connection only, as in net/http.
func (c *conn) runSafely() (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // a panic's value, as it is
				c.server.logf("http2: panic serving %v: %v\n%s", c.remote, v, debug.Stack())
			}
			err = connError{internalError, "a panic"}
		}
	}()
	return c.run()
}

// greet queues our side of the preface. c.mu is held.
func (c *conn) greet() {
	settings := appendSetting(nil, settingMaxStreams, maxStreams)
	settings = appendSetting(settings, settingInitialWindow, streamWindow)
	settings = appendSetting(settings, settingMaxHeaderList, uint32(c.server.headerLimit()))
	b := appendFrame(c.pending(), frame{len(settings), frameSettings, 0, 0})
	c.put(appendWindowUpdate(append(b, settings...), 0, connWindow-defaultWindow))
}

// run takes frames until the connection ends.
func (c *conn) run() error {
	for {
		if err := c.takeAll(); err != nil {
			return err
		}
		if err := c.push(); err != nil {
			return err
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// takeAll takes the frames that are whole.
func (c *conn) takeAll() error {
	if !c.greeted {
		n := min(len(preface), c.to)
		if string(c.in[:n]) != preface[:n] {
			return connError{protocolError, "no preface"}
		}
		if n < len(preface) {
			return nil
		}
		c.from, c.greeted = n, true
	}
	for c.to-c.from >= headerSize {
		f := parseFrame(c.in[c.from:])
		if f.length > maxFrame {
			return connError{frameSizeError, "the frame is too long"}
		}
		begin := c.from + headerSize
		if c.to-begin < f.length {
			return nil
		}
		c.from = begin + f.length
		err := c.receive(f, c.in[begin:c.from])
		if stream, ok := errors.AsType[streamError](err); ok {
			err = c.resetStream(stream)
		}
		if err == nil && c.crowded {
			err = c.push()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compact moves what is left to the beginning of the buffer, which is as large as needed.
func (c *conn) compact() {
	left := c.to - c.from
	need := smallInput
	if c.to == len(c.in) || left > smallInput/2 {
		need = largeInput // there is more than a little
	}
	switch b := c.in; {
	case need > len(b):
		c.in = inputs.Get().(*[largeInput]byte)[:]
		copy(c.in, b[c.from:c.to])
	case need < len(b) && left == 0:
		inputs.Put((*[largeInput]byte)(b))
		c.in = c.first[:]
	case c.from > 0:
		copy(b, b[c.from:c.to])
	}
	c.from, c.to = 0, left
}

// errOver ends a connection on which everything was said.
var errOver = errors.New("the connection is over")

// fill waits for more.
func (c *conn) fill() error {
	c.compact()
	if len(c.early) > 0 {
		n := copy(c.in[c.to:], c.early)
		c.early, c.to = c.early[n:], c.to+n
		return nil
	}
	for {
		if err := c.arm(); err != nil {
			return err
		}
		n, err := c.net.Read(c.in[c.to:])
		if n > 0 {
			c.to += n
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && c.busy() {
			continue
		}
		if err != nil {
			return err
		}
	}
}

// idleSlack saves setting a deadline anew for every read.
const idleSlack = time.Second

// arm sets the read deadline, or returns errOver when nothing is to be read any more.
func (c *conn) arm() error {
	timeout := c.server.idleTimeout()
	inHeader := !c.settled || c.header.stream != 0 || c.to > 0 && (c.to < headerSize || frameType(c.in[3]) != frameData)
	if inHeader {
		if c.begun.IsZero() {
			c.begun = time.Now()
		}
		timeout = c.server.headerTimeout()
	} else {
		c.begun = time.Time{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.final && len(c.streams) == 0:
		return errOver
	}
	switch {
	case timeout <= 0:
		if !c.until.IsZero() {
			return c.readUntil(time.Time{})
		}
	case inHeader:
		if end := c.begun.Add(timeout); !c.until.Equal(end) {
			return c.readUntil(end)
		}
	default:
		end := time.Now().Add(timeout)
		if c.until.Before(end) || c.until.After(end.Add(idleSlack)) {
			return c.readUntil(end.Add(idleSlack))
		}
	}
	return nil
}

// readUntil sets the read deadline. c.mu is held, so that nobody's wish is lost.
func (c *conn) readUntil(t time.Time) error {
	c.until = t
	return c.net.SetReadDeadline(t)
}

// busy reports whether a connection that has not been heard of for its idle time goes on: while a handler works, except that one
// that waits for nothing but the peer does not count.
func (c *conn) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final && len(c.streams) == 0 {
		return true // arm ends it
	}
	return c.begun.IsZero() && (c.writing || c.running > c.stalled)
}

// end sends what is left, tells the peer why, and closes.
func (c *conn) end(err error) {
	reason, isReason := errors.AsType[connError](err)
	polite := errors.Is(err, errOver) || errors.Is(err, os.ErrDeadlineExceeded)
	c.mu.Lock()
	if isReason || polite && !c.final {
		c.put(appendGoAway(c.pending(), c.last, reason.code))
	}
	if isReason {
		c.ending = true
		_ = c.net.SetWriteDeadline(time.Now().Add(linger)) // fails only on a closed connection, as the write then does
	}
	if isReason || polite {
		c.drain()
	}
	c.fail(fmt.Errorf("the connection ended: %w", err))
	c.mu.Unlock()
	if isReason {
		c.server.logf("http2: %s: %v", c.remote, reason)
	}
	if (isReason || polite) && closeWrite(c.net) == nil {
		_ = c.net.SetReadDeadline(time.Now().Add(linger)) // fails only on a closed connection, as the read then does
		_, _ = io.CopyN(io.Discard, c.net, 1<<20)         // what the peer still says is of no use
	}
	c.net.Close()
}

func closeWrite(c net.Conn) error {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// fail ends everything that is under way. c.mu is held. The first error counts.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.cancel()
	if c.finalTick != nil {
		c.finalTick.Stop()
	}
	for _, s := range c.streams {
		s.abort(err)
	}
	c.idle.Broadcast()
	_ = c.readUntil(longAgo)
	_ = c.net.SetWriteDeadline(longAgo) // both fail only on a closed connection
}

var longAgo = time.Unix(1, 0)

// leave begins the end of the connection: the peer is to begin no more streams, and those that it began before it knew are
// still answered (RFC 9113, section 6.8).
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving || c.err != nil {
		return
	}
	c.leaving = true
	b := appendGoAway(c.pending(), maxWindow, noError)
	c.put(appendPing(b, 0, leavePing))
	c.finalTick = time.AfterFunc(linger, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.finish()
		c.flush()
	})
	c.flush()
}

// leavePing is the PING whose answer says that the peer knows.
var leavePing = [8]byte{'g', 'l', 'a', 's', 's', 'i', 'n', 'e'}

// finish queues what names the last stream that is answered. c.mu is held.
func (c *conn) finish() {
	if c.final || c.err != nil {
		return
	}
	c.leaving, c.final = true, true
	c.put(appendGoAway(c.pending(), c.last, noError))
	for _, s := range c.streams {
		if s.returned {
			c.abandon(s.id, noError, errUnread)
		}
	}
	c.overYet()
}

// overYet wakes the reader if the connection is over. c.mu is held.
func (c *conn) overYet() {
	if c.final && len(c.streams) == 0 && c.err == nil {
		_ = c.readUntil(longAgo) // fails only on a closed connection
	}
}
