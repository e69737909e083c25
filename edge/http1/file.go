package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
)

// WriteFile is Write with a body of n bytes from offset of f, which is neither sought nor closed. On plaintext the system copies
// them from its cache to the connection where it can (sendfile). A file that ends too early is io.ErrUnexpectedEOF, and ends the
// connection.
func (r *Request) WriteFile(head []byte, f *os.File, offset, n int64) (int64, error) {
	out := r.begin(head)
	sent, err := r.conn.sendFile(out, f, offset, n)
	r.failure = err
	return sent, err
}

// fileChunk is how much of a file goes through memory at once, in bytes.
const fileChunk = 64 << 10

var fileChunks = sync.Pool{New: func() any { return new([fileChunk]byte) }}

// sendFile writes first and then n bytes from offset of f, and returns how many of these.
func (c *conn) sendFile(first []byte, f *os.File, offset, n int64) (sent int64, err error) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return c.sendFileTo(tcp, first, f, offset, n)
	}
	return c.copyFile(first, f, offset, n)
}

// copyFile is sendFile through memory.
func (c *conn) copyFile(first []byte, f *os.File, offset, n int64) (sent int64, err error) {
	if c.cork != nil {
		c.cork.hold()
		defer func() { err = errors.Join(err, c.cork.release()) }()
	}
	if err := c.pace(); err != nil {
		return 0, err
	}
	if _, err := c.Conn.Write(first); err != nil {
		return 0, err
	}
	buf := fileChunks.Get().(*[fileChunk]byte)
	defer fileChunks.Put(buf)
	for sent < n {
		b := buf[:min(n-sent, fileChunk)]
		if _, err := f.ReadAt(b, offset+sent); err != nil {
			return sent, early(err)
		}
		if err := c.pace(); err != nil {
			return sent, err
		}
		m, err := c.Conn.Write(b)
		sent += int64(m)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// early is err, or what says that a file ended too early.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
