package compress

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// encoder is what the three libraries have in common.
type encoder interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// brotliQuality is the best of those that keep up with a network: 4 and 5 are the usual choices at an edge.
const brotliQuality = 5

// window is the largest distance that a coding looks back, as a power of two. A MiB is enough for the text that is compressed here,
// and a quarter of what Brotli would take; a viewer has to hold it as well (RFC 9659 has 8 MB for zstd).
const window = 20

// pools keep encoders, which are large: making one costs more than compressing a small response.
var pools = map[Coding]*sync.Pool{
	Brotli: {New: func() any {
		return brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: brotliQuality, LGWin: window})
	}},
	Gzip: {New: func() any { return gzip.NewWriter(io.Discard) }},
	Zstd: {New: func() any {
		e, err := zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<window))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	}},
}

// Reader is a body being compressed as it is read. It is for one goroutine.
type Reader struct {
	source io.Reader
	coding Coding
	enc    encoder // nil once the end or an error has been met
	out    bytes.Buffer
	in     *[inSize]byte
	err    error // what comes when out is empty
}

// inSize is how much of the source is read at once, in bytes.
const inSize = 32 << 10

var inputs = sync.Pool{New: func() any { return new([inSize]byte) }}

// NewReader returns source compressed with c, which must be one of the codings. It holds no more than the coding's window. An error
// of source comes through after what was compressed before it, and the body does not end as a whole one would. The caller closes
// the Reader; source stays the caller's.
func NewReader(source io.Reader, c Coding) *Reader {
	r := &Reader{source: source, coding: c, enc: pools[c].Get().(encoder), in: inputs.Get().(*[inSize]byte)}
	r.enc.Reset(&r.out)
	return r
}

// Read reads compressed bytes.
func (r *Reader) Read(p []byte) (int, error) {
	for r.out.Len() == 0 && r.err == nil {
		r.fill()
	}
	if r.out.Len() == 0 {
		return 0, r.err
	}
	n, _ := r.out.Read(p)
	return n, nil
}

// fill compresses one more piece of the source.
func (r *Reader) fill() {
	n, err := r.source.Read(r.in[:])
	if n > 0 {
		if _, err := r.enc.Write(r.in[:n]); err != nil {
			r.end(err)
			return
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		if err := r.enc.Close(); err != nil {
			r.end(err)
			return
		}
		r.end(io.EOF)
	default:
		r.end(err)
	}
}

// end gives back what is pooled; err is what Read says from now on.
func (r *Reader) end(err error) {
	r.err = err
	if r.enc == nil {
		return
	}
	r.enc.Reset(io.Discard)
	pools[r.coding].Put(r.enc)
	inputs.Put(r.in)
	r.enc, r.in = nil, nil
}

// errClosed is what Read says after Close.
var errClosed = errors.New("read of a closed body")

// Close gives up what the Reader holds. It may be called more than once.
func (r *Reader) Close() error {
	if r.enc != nil {
		r.end(errClosed)
	}
	r.out = bytes.Buffer{}
	if r.err == nil || errors.Is(r.err, io.EOF) {
		r.err = errClosed
	}
	return nil
}

// Bytes returns body compressed with c.
func Bytes(body []byte, c Coding) ([]byte, error) {
	r := NewReader(bytes.NewReader(body), c) // it is read to its end, so it need not be closed
	out := bytes.NewBuffer(make([]byte, 0, len(body)/3+64))
	_, err := out.ReadFrom(r)
	return out.Bytes(), err
}
