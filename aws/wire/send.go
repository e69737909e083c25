package wire

import (
	"io"
	"net/http"
	"sync"
)

// BodyTaker is a ResponseWriter that can take an answer's body as an open reader in place of its bytes: the one of a hop
// inside the process. It may stand under others that have Unwrap.
type BodyTaker interface {
	// TakeBody takes body over, if it can, and returns when its user is done with it. taken is false when it cannot: then it
	// has done nothing.
	TakeBody(body io.Reader) (n int64, taken bool, err error)
}

// smallBody is the longest body that is copied into memory and written at once. A longer one, of a plain file, goes by
// sendfile(2), for which net/http writes the headers and the first bytes by themselves: two more system calls, which a small
// body does not win back.
const smallBody = 64 << 10

var smallBodies = sync.Pool{New: func() any { return new([smallBody]byte) }}

// Send writes a body of length bytes as the answer's. The status is written, and Content-Length set. The body is handed over
// as it is to a writer that takes it; else it is copied, by its WriteTo where it has one.
//
// It returns how many bytes went. An error after the first of them means that the answer broke off.
func Send(w http.ResponseWriter, body io.Reader, length int64) (int64, error) {
	if n, taken, err := HandOver(w, body); taken {
		return n, err
	}
	if length > smallBody {
		return io.Copy(w, body)
	}
	buf := smallBodies.Get().(*[smallBody]byte)
	defer smallBodies.Put(buf)
	if _, err := io.ReadFull(body, buf[:length]); err != nil {
		return 0, err
	}
	n, err := w.Write(buf[:length])
	return int64(n), err
}

// HandOver gives body to the first BodyTaker among w and the writers under it. It is for a writer that counts, too: taken is
// false when nobody takes it, and then nothing was done.
func HandOver(w http.ResponseWriter, body io.Reader) (n int64, taken bool, err error) {
	for {
		if t, ok := w.(BodyTaker); ok {
			return t.TakeBody(body)
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return 0, false, nil
		}
		w = u.Unwrap()
	}
}

// ReadFrom implements io.ReaderFrom for net/http: on a plaintext connection the kernel sends a file by itself.
func (c *NamesConn) ReadFrom(r io.Reader) (int64, error) {
	if f, ok := c.Conn.(io.ReaderFrom); ok {
		return f.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}
