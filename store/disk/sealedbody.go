package disk

import (
	"io"
	"os"
	"sync"
)

// sealedBody is the body of an object that is one encrypted file, or a range of it. Read, WriteTo and Close are for one
// goroutine; ReadAt may be called beside them. The file is open, so that nobody's removal of it is felt.
type sealedBody struct {
	sealedViews
	span
}

// sealedViews are an encrypted file for several goroutines at once.
type sealedViews struct {
	file *sealedFile // never read by itself: it is what the views are copies of

	mu     sync.Mutex  // guards what follows
	idle   *sealedFile // a view that nobody reads just now, nil if there is none
	closed bool
}

// take returns a view of the file, which is for one goroutine; put gives it back.
func (b *sealedViews) take() (*sealedFile, error) {
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

func (b *sealedViews) put(v *sealedFile) {
	b.mu.Lock()
	if b.idle == nil && !b.closed {
		b.idle, v = v, nil
	}
	b.mu.Unlock()
	if v != nil {
		v.release()
	}
}

// ReadAt implements io.ReaderAt over the whole of what the file holds.
func (b *sealedViews) ReadAt(p []byte, off int64) (int, error) {
	v, err := b.take()
	if err != nil {
		return 0, err
	}
	defer b.put(v)
	return v.ReadAt(p, off)
}

// Read implements io.Reader.
func (b *sealedBody) Read(p []byte) (int, error) { return readOn(b, p, &b.pos) }

// ReadAt implements io.ReaderAt; off is relative to the range.
func (b *sealedBody) ReadAt(p []byte, off int64) (int, error) {
	return b.readAt(&b.sealedViews, p, off)
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
