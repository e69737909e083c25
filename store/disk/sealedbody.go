package disk

import (
	"errors"
	"io"
	"os"
	"sync"
)

// sealedBody is the body of an object that is one encrypted file, or a range of it. Read, WriteTo and Close are for one
// goroutine; ReadAt may be called beside them. The file is open, so that nobody's removal of it is felt.
type sealedBody struct {
	file     *sealedFile // never read by itself: it is what the views are copies of
	off, len int64       // the range
	pos      int64       // of the next Read, within the range

	mu     sync.Mutex  // guards what follows
	idle   *sealedFile // a view that nobody reads just now, nil if there is none
	closed bool
}

// take returns a view of the file, which is for one goroutine; put gives it back.
func (b *sealedBody) take() (*sealedFile, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosedBody
	}
	v := b.idle
	if b.idle = nil; v == nil {
		v = &sealedFile{f: b.file.f, aead: b.file.aead, size: b.file.size}
	}
	return v, nil
}

func (b *sealedBody) put(v *sealedFile) {
	b.mu.Lock()
	if b.idle == nil && !b.closed {
		b.idle, v = v, nil
	}
	b.mu.Unlock()
	if v != nil {
		v.release()
	}
}

// Read implements io.Reader.
func (b *sealedBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.ReadAt(p, b.pos)
	b.pos += int64(n)
	if n > 0 {
		return n, nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt; off is relative to the range.
func (b *sealedBody) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read of an object at a negative offset")
	}
	if off >= b.len {
		return 0, io.EOF
	}
	cut := int64(len(p)) > b.len-off
	if cut {
		p = p[:b.len-off]
	}
	v, err := b.take()
	if err != nil {
		return 0, err
	}
	defer b.put(v)
	n, err := v.ReadAt(p, b.off+off)
	if errors.Is(err, io.EOF) { // the range is longer than the object: the index is damaged
		return n, io.ErrUnexpectedEOF
	}
	if err == nil && cut {
		err = io.EOF
	}
	return n, err
}

// WriteTo implements io.WriterTo.
func (b *sealedBody) WriteTo(w io.Writer) (int64, error) {
	if b.pos >= b.len {
		return 0, nil
	}
	v, err := b.take()
	if err != nil {
		return 0, err
	}
	defer b.put(v)
	n, err := v.writeTo(w, b.off+b.pos, b.len-b.pos)
	b.pos += n
	return n, err
}

// Close implements io.Closer.
func (b *sealedBody) Close() error {
	b.mu.Lock()
	closed, v := b.closed, b.idle
	b.closed, b.idle = true, nil
	b.mu.Unlock()
	if closed {
		return os.ErrClosed
	}
	if v != nil {
		v.release()
	}
	return b.file.f.Close()
}
