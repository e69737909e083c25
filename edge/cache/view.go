package cache

import (
	"context"
	"io"
)

// How says where a view's response came from.
type How int

// The origins of a view's response.
const (
	Hit       How = iota // it was stored and fresh
	Shared               // another request's fill brought it
	Filled               // this request's fill brought it
	Refreshed            // this request's fill revalidated what was stored
	Kept                 // this request's fill failed to, and what was stored must do (Response.Kept)
)

// View is one request's reading of a response. It is for one goroutine.
type View struct {
	Entry *Entry
	How   How

	party  *party // nil when the body is in Entry
	body   *body
	cursor *cursor

	direct io.ReadCloser
	stop   func() bool
	buf    []byte
	read   int64
}

// Complete reports whether Entry.Body is the body, so that there is nothing to stream.
func (v *View) Complete() bool { return v.party == nil }

// Next returns the next bytes of a body that is not complete, waiting for them, and io.EOF after its end. Nobody may
// write to them; they are valid until the next call. Any other error means that the body ended before its end.
func (v *View) Next(ctx context.Context) ([]byte, error) {
	switch {
	case v.Complete():
		return nil, io.EOF
	case v.direct == nil:
		return v.body.next(ctx, v.cursor)
	}
	if v.buf == nil {
		v.buf = make([]byte, 32<<10)
	}
	n, err := v.direct.Read(v.buf)
	v.read += int64(n)
	length := v.Entry.Length
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case length >= 0 && (v.read > length || err == io.EOF && v.read < length):
		return nil, ErrTruncated
	case n > 0:
		return v.buf[:n], nil
	}
	return nil, err
}

// Close ends the reading. It may be called more than once.
func (v *View) Close() {
	if v.party == nil {
		return
	}
	if v.stop != nil {
		v.stop()
	}
	v.party.leave()
}
