package sandbox

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
)

// apiServer serves the Runtime API of one process. It is not net/http's server because an invocation is one small request
// on a connection that never changes: watching that connection and its deadlines, as net/http must, costs more than the
// invocation.
type apiServer struct{ handler http.Handler }

// maxHead is the most bytes of a request's head, as net/http's server has it.
const maxHead = 1 << 20

// serve answers the connections of l until it is closed. A connection ends with its process.
func (s *apiServer) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.serveConn(c)
	}
}

func (s *apiServer) serveConn(c net.Conn) {
	defer c.Close()
	limit := &io.LimitedReader{R: c}
	in, out := bufio.NewReaderSize(limit, 64<<10), bufio.NewWriterSize(c, 16<<10) // trailers must fit into the first
	for {
		limit.N = maxHead
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		limit.N = MaxStream + maxHead
		if r.Header.Get("Expect") == "100-continue" {
			_, _ = io.WriteString(out, "HTTP/1.1 100 Continue\r\n\r\n")
			_ = out.Flush() // the error comes again
		}
		w := &apiAnswer{conn: c, in: in, out: out, header: http.Header{}}
		s.handler.ServeHTTP(w, r)
		_, drained := io.Copy(io.Discard, http.MaxBytesReader(nil, r.Body, 4*MaxPayload))
		if w.finish() != nil || drained != nil || r.Close || w.gone {
			_ = out.Flush()
			return
		}
		// A client that has sent its next request already does not wait for this answer: it goes out with the next one, and
		// the runtime is not woken twice.
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

// apiAnswer is an http.ResponseWriter whose body is written once.
type apiAnswer struct {
	conn   net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	header http.Header
	status int
	body   []byte
	gone   bool // the client is, or must find a broken answer
}

func (w *apiAnswer) Header() http.Header { return w.header }

func (w *apiAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *apiAnswer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body == nil {
		w.body = p // kept until finish, and not changed: handlers here write once
		return len(p), nil
	}
	w.body = append(w.body[:len(w.body):len(w.body)], p...)
	return len(p), nil
}

func (w *apiAnswer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// finish writes the answer.
func (w *apiAnswer) finish() error {
	if w.gone {
		return nil
	}
	w.WriteHeader(http.StatusOK)
	b := append(w.out.AvailableBuffer(), "HTTP/1.1 "...)
	b = append(strconv.AppendInt(b, int64(w.status), 10), ' ')
	b = append(append(b, http.StatusText(w.status)...), "\r\n"...)
	for name, values := range w.header {
		value := values[0]
		if strings.ContainsAny(value, "\r\n") { // a client's trace id or context could hold them
			value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
		}
		b = append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
	}
	b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(w.body)), 10), "\r\n\r\n"...)
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	_, err := w.out.Write(w.body)
	return err
}

// alive reports whether the client is still there, so that no event goes to one that has closed its connection.
func (w *apiAnswer) alive() bool {
	if w.in.Buffered() > 0 {
		return true
	}
	c, ok := w.conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	alive := true
	err = raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = n > 0 || errors.Is(err, syscall.EAGAIN)
	})
	return alive && err == nil
}
