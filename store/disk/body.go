package disk

import (
	"errors"
	"io"
	"os"
)

// Body is what Get returns in store.Object.Body: a blob, or a range of one. Read, WriteTo and Close are for one
// goroutine; ReadAt may be called beside them.
type Body struct {
	f *os.File
	span
}

// span is the range of a file that a body is.
type span struct {
	off, len int64
	pos      int64 // of the next Read, within the range
}

// readAt reads from the file; off is relative to the range.
func (s *span) readAt(file io.ReaderAt, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errNegative
	}
	if off >= s.len {
		return 0, io.EOF
	}
	cut := int64(len(p)) > s.len-off
	if cut {
		p = p[:s.len-off]
	}
	n, err := file.ReadAt(p, s.off+off)
	if errors.Is(err, io.EOF) { // the file is shorter than its range: somebody cut it, or the index is damaged
		return n, io.ErrUnexpectedEOF
	}
	if err == nil && cut {
		err = io.EOF
	}
	return n, err
}

var errNegative = errors.New("read of an object at a negative offset")

// readOn is the Read of a body that has ReadAt: it goes on at pos.
func readOn(body io.ReaderAt, p []byte, pos *int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := body.ReadAt(p, *pos)
	*pos += int64(n)
	if n > 0 {
		return n, nil
	}
	return n, err
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) { return readOn(b, p, &b.pos) }

// ReadAt implements io.ReaderAt; off is relative to the range.
func (b *Body) ReadAt(p []byte, off int64) (int, error) { return b.readAt(b.f, p, off) }

// WriteTo implements io.WriterTo. When w is a plaintext connection, or an http.ResponseWriter on one, Go sends the file
// with sendfile(2) and the bytes pass no buffer of this process.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	if b.pos >= b.len {
		return 0, nil
	}
	if _, err := b.f.Seek(b.off+b.pos, io.SeekStart); err != nil {
		return 0, err
	}
	want := b.len - b.pos
	n, err := io.Copy(w, &io.LimitedReader{R: b.f, N: want})
	b.pos += n
	if err == nil && n < want {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// File returns the file that holds the object, and the range's offset and length in it, for a caller that sends it with
// sendfile(2) itself. The file is the Body's: the caller reads it by position only, at the offsets given, and not after
// Close.
func (b *Body) File() (f *os.File, off, n int64) { return b.f, b.off, b.len }

// Close implements io.Closer.
func (b *Body) Close() error { return b.f.Close() }
