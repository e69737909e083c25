package http1

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Request is a GET or HEAD of HTTP/1.1 in origin form, with no body. Its strings may be kept.
type Request struct {
	Method string // "GET" or "HEAD"
	Target string // of the request line: begins with a slash
	Host   string // not empty
	Remote string // the viewer's address with its port
	// TLS is the connection's state, nil on plaintext.
	TLS *tls.ConnectionState

	close   bool // Connection: close
	pragma  bool // Pragma without Cache-Control, of which net/http makes one
	names   []string
	values  []string
	hostAt  int // index in names
	conn    *conn
	failure error

	out  []byte      // an answer's first bytes
	pair [2][]byte   // out and body
	bufs net.Buffers // pair, as writev wants it
	text texts
}

var requests = sync.Pool{New: func() any { return new(Request) }}

// free gives r back.
func (r *Request) free() {
	clear(r.names)
	clear(r.values)
	r.Method, r.Target, r.Host, r.Remote, r.TLS = "", "", "", "", nil
	r.conn, r.failure = nil, nil
	requests.Put(r)
}

// Values returns the values of a header field, one for each line, like http.Header.Values; Host is not among them. name is
// in canonical form. Nobody may write to them.
func (r *Request) Values(name string) []string {
	for i, n := range r.names {
		if len(n) != len(name) || i == r.hostAt || !sameName(n, name) {
			continue
		}
		all := r.values[i : i+1 : i+1]
		for j := i + 1; j < len(r.names); j++ {
			if len(r.names[j]) == len(name) && sameName(r.names[j], name) {
				all = append(all, r.values[j])
			}
		}
		return all
	}
	return nil
}

// AddTo puts the header's fields into h, under canonical names; Host is not among them.
func (r *Request) AddTo(h http.Header) {
	for i, name := range r.names {
		if i == r.hostAt {
			continue
		}
		if name = http.CanonicalHeaderKey(name); h[name] == nil {
			h[name] = r.Values(name)
		}
	}
}

// Takes reports whether Write can send a body of n bytes, which over HTTP/1.1 is always so.
func (r *Request) Takes(int64) bool { return true }

// Size is how many bytes the header has as HTTP/1.1 writes it, without Host.
func (r *Request) Size() int {
	n := 0
	for i, name := range r.names {
		if i != r.hostAt {
			n += len(name) + len(r.values[i]) + len(": \r\n")
		}
	}
	return n
}

// sameName compares a token with a name of the same length, letters in any case.
func sameName(token, name string) bool {
	for i := range len(name) {
		a, b := token[i], name[i]
		if a != b && (a|0x20 != b|0x20 || a|0x20 < 'a' || a|0x20 > 'z') {
			return false
		}
	}
	return true
}

// How much of a body is copied behind the header so that it goes out in the same write: on plaintext what costs less than
// writev does, on TLS what fills a record (RFC 8446, section 5.1).
const (
	joinPlain  = 2 << 10
	joinSecure = 16 << 10
)

// Write sends an answer: head, which is the status line and header lines with their ends but without the empty line, and
// body. It returns how many bytes of the body went out. A Connection header is Write's own affair. It may be called once.
func (r *Request) Write(head, body []byte) (int64, error) {
	out := r.begin(head)
	first := len(out)
	join := joinPlain
	if r.TLS != nil {
		join = max(0, joinSecure-first)
	}
	switch {
	case len(body) <= join:
		out, body = append(out, body...), nil
	case r.TLS != nil:
		out, body = append(out, body[:join]...), body[join:]
	}
	r.out = out
	n, err := r.conn.send(r, out, body)
	r.failure = err
	return max(0, n-int64(first)), err
}

// begin returns what an answer with head begins with, up to its body.
func (r *Request) begin(head []byte) []byte {
	out := append(r.out[:0], head...)
	if r.close {
		out = append(out, "Connection: close\r\n"...)
	}
	r.out = append(out, "\r\n"...)
	return r.out
}

// texts makes strings of bytes, many in one allocation, so that a request's header costs none of its own. A chunk lives
// as long as any string of it.
type texts struct{ b strings.Builder }

const chunk = 32 << 10

func (t *texts) of(p []byte) string {
	if t.b.Cap()-t.b.Len() < len(p) {
		t.b.Reset()
		t.b.Grow(max(chunk, len(p)))
	}
	from := t.b.Len()
	t.b.Write(p)
	return t.b.String()[from:]
}
