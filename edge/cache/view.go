package cache

import (
	"context"
	"io"
	"os"
	"sync"
)

// How says where a view's response came from.
type How int

// The origins of a view's response.
const (
	Hit       How = iota // it was stored and fresh
	Shared               // another request's fill brought it
	Filled               // this request's fill brought it
	Refreshed            // this request's fill revalidated what was stored
	Kept                 // a fill failed to, and what was stored must do (Response.Kept, Response.StaleIfError)
	Stale                // it was stored and is being refreshed behind (Response.StaleWhileRevalidate)
)

// View is one request's reading of a response. It is for one goroutine.
type View struct {
	Entry *Entry
	How   How

	party  *party // nil when the body is stored
	body   *body
	cursor *cursor
	file   *segment // nil unless the body is in a file

	direct io.ReadCloser
	stop   func() bool
	buf    []byte
	chunk  *[fileChunk]byte // from chunks, until Close
	read   int64
	// omitted is how many bytes at the end of a body in a file are not to be read.
	omitted int64
}

// fileChunk is how much of a body in a file Next returns at once, in bytes.
const fileChunk = 128 << 10

var chunks = sync.Pool{New: func() any { return new([fileChunk]byte) }}

// viewOf returns a view of a stored response, or errAgain when the file of its body was dropped.
func viewOf(e *Entry, how How) (*View, error) {
	v := &View{Entry: e, How: how}
	if e.inMemory() {
		return v, nil
	}
	if !e.extent.segment.acquire() {
		return nil, errAgain
	}
	v.file = e.extent.segment
	return v, nil
}

// Complete reports whether Entry.Body is the body, so that there is nothing to stream.
func (v *View) Complete() bool { return v.party == nil && v.file == nil }

// File returns the file that the body is in, from offset on for length bytes, for sendfile; nil when it is in no file.
// The file is the cache's: it is read with ReadAt or with an offset of one's own, never sought, and only until Close.
func (v *View) File() (f *os.File, offset, length int64) {
	if v.file == nil {
		return nil, 0, 0
	}
	return v.file.file, v.Entry.extent.offset, v.Entry.Length
}

// Skip passes over n bytes of a body that is in a file, which then Next does not return, and reports whether it did. Of
// any other body it skips nothing.
func (v *View) Skip(n int64) bool {
	if v.file == nil {
		return false
	}
	v.read = min(v.read+n, v.Entry.Length)
	return true
}

// Section makes Next return length bytes from first of a body that is in a file and read nothing else, and reports whether it
// did. Of any other body it leaves everything as it is. The section must lie within the body.
func (v *View) Section(first, length int64) bool {
	if v.file == nil {
		return false
	}
	v.read, v.omitted = first, v.Entry.Length-first-length
	return true
}

// Next returns the next bytes of a body that is not complete, waiting for them, and io.EOF after its end. Nobody may
// write to them; they are valid until the next call, or Close. Any other error means that the body ended before its end.
func (v *View) Next(ctx context.Context) ([]byte, error) {
	switch {
	case v.Complete():
		return nil, io.EOF
	case v.file != nil:
		return v.nextOfFile(ctx)
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

func (v *View) nextOfFile(ctx context.Context) ([]byte, error) {
	left := v.Entry.Length - v.omitted - v.read
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case left == 0:
		return nil, io.EOF
	case v.chunk == nil:
		v.chunk = chunks.Get().(*[fileChunk]byte)
	}
	b := v.chunk[:min(left, fileChunk)]
	if _, err := v.file.file.ReadAt(b, v.Entry.extent.offset+v.read); err != nil {
		if err == io.EOF {
			err = ErrTruncated
		}
		return nil, err
	}
	v.read += int64(len(b))
	return b, nil
}

// Close ends the reading. It may be called more than once.
func (v *View) Close() {
	if v.file != nil {
		v.file.release()
		v.file = nil
	}
	if v.chunk != nil {
		chunks.Put(v.chunk)
		v.chunk = nil
	}
	if v.party == nil {
		return
	}
	if v.stop != nil {
		v.stop()
	}
	v.party.leave()
}
