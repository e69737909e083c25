package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// windowSize is how much of a source is held at once. Larger windows gained nothing: the copy stays in the second-level
// cache either way.
const windowSize = 64 << 10

var windows = sync.Pool{New: func() any { return new([windowSize]byte) }}

// window reads a source of known size at any offset, through one buffer.
type window struct {
	src  io.ReaderAt
	size int64
	buf  *[windowSize]byte
	// buf[:n] is what the source holds at base.
	base int64
	n    int
}

func newWindow(src io.ReaderAt, size int64) *window {
	return &window{src: src, size: max(size, 0), buf: windows.Get().(*[windowSize]byte)}
}

// free gives the buffer back; what at and peek returned is then no longer valid.
func (w *window) free() {
	if w.buf != nil {
		windows.Put(w.buf)
		w.buf = nil
	}
}

// peek returns the bytes at offset, at least one and as many as one window holds, and io.EOF at the end of the source.
// They are valid until the next call.
func (w *window) peek(offset int64) ([]byte, error) {
	if offset < 0 || offset >= w.size {
		return nil, io.EOF
	}
	if offset < w.base || offset >= w.base+int64(w.n) {
		if err := w.fill(offset); err != nil {
			return nil, err
		}
	}
	return w.buf[offset-w.base : w.n], nil
}

// at returns the n bytes at offset, n <= windowSize, or io.EOF when the source does not hold them all. They are valid
// until the next call.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if offset < 0 || n < 0 || n > windowSize || offset > w.size-int64(n) {
		return nil, io.EOF
	}
	if offset < w.base || offset+int64(n) > w.base+int64(w.n) {
		if err := w.fill(offset); err != nil {
			return nil, err
		}
	}
	i := int(offset - w.base)
	return w.buf[i : i+n], nil
}

// read returns a copy of the n bytes at offset, or io.EOF when the source does not hold them all. The caller bounds n.
func (w *window) read(offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > w.size-n {
		return nil, io.EOF
	}
	b := make([]byte, 0, n)
	for int64(len(b)) < n {
		p, err := w.peek(offset + int64(len(b)))
		if err != nil {
			return nil, err
		}
		b = append(b, p[:min(int64(len(p)), n-int64(len(b)))]...)
	}
	return b, nil
}

func (w *window) fill(offset int64) error {
	n := int(min(windowSize, w.size-offset))
	w.base, w.n = offset, 0
	got, err := w.src.ReadAt(w.buf[:n], offset)
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the source is shorter than the caller said
		}
		return fmt.Errorf("read %d bytes at %d: %w", n, offset, err)
	}
	w.n = n
	return nil
}

// index returns the offset of the first byte b at or after offset; ok is false when there is none.
func (w *window) index(offset int64, b byte) (at int64, ok bool, err error) {
	for offset < w.size {
		p, err := w.peek(offset)
		if err != nil {
			return 0, false, err
		}
		if i := bytes.IndexByte(p, b); i >= 0 {
			return offset + int64(i), true, nil
		}
		offset += int64(len(p))
	}
	return w.size, false, nil
}

func (w *window) sniff() (Format, error) {
	if w.size == 0 {
		return "", nil
	}
	head, err := w.at(0, int(min(SniffLen, w.size)))
	if err != nil {
		return "", err
	}
	return Sniff(head), nil
}
