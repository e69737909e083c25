package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
)

// net/http puts header names into canonical case, and functions look them up in the case that the caller sent:
// AWS's own examples read SuperSecretToken and requiredToken. So the connections of the AWS endpoint note the names as they
// come by, and RawNames gives a request's back. HTTP/1.1 only; what it cannot follow it stops noting, and the names are then
// the canonical ones.

// maxHead bounds what is held of a request's head. It is more than the server accepts.
const maxHead = 64 << 10

// NamesConn is a connection that notes the header names of the HTTP/1.1 requests read from it.
type NamesConn struct {
	net.Conn

	mu    sync.Mutex // guards what follows: reads come from the server, names are asked for by handlers
	heads []map[string]string
	head  []byte // of the request being read; nil between
	state namesState
	left  int64 // bytes of the body, or of the chunk, still to come
}

type namesState int

const (
	inHead      namesState = iota
	inBody                 // left bytes, then a head
	inChunkLine            // a chunk's size
	inChunk                // left bytes with their CRLF
	inTrailer              // lines to an empty one
	lost                   // not HTTP/1.1 as it should be: nothing is noted any more
)

type namesKey struct{}

// WithNames puts c into the contexts of its requests: it is an http.Server's ConnContext.
func WithNames(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, namesKey{}, c)
}

// NoteNames takes the names of r's headers from its connection. It must see every request of the connection, in order, once;
// it returns r with the names in its context. Where TLS is under the NamesConn, net/http did not see it: r.TLS is set here.
func NoteNames(r *http.Request) *http.Request {
	c, ok := r.Context().Value(namesKey{}).(*NamesConn)
	if !ok {
		return r
	}
	if secure, ok := c.Conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		r.TLS = &state
	}
	names := c.next()
	if names == nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), rawNamesKey{}, names))
}

type rawNamesKey struct{}

// RawName is the name of a header of r as it was sent; the canonical one where that is not known.
func RawName(r *http.Request, canonical string) string {
	names, _ := r.Context().Value(rawNamesKey{}).(map[string]string)
	if raw, ok := names[canonical]; ok {
		return raw
	}
	return canonical
}

func (c *NamesConn) next() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heads) == 0 {
		c.state = lost // a request came that was not noted: the next ones would get another's names
		return nil
	}
	names := c.heads[0]
	c.heads = c.heads[1:]
	return names
}

// Read implements net.Conn.
func (c *NamesConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follow(p[:n])
	return n, err
}

// CloseWrite ends the sending side, so that net/http can close in order.
func (c *NamesConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// Stop ends the noting, for a connection that becomes something else.
func (c *NamesConn) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.head = lost, nil
}

// follow takes the next bytes of the connection. The caller holds mu.
func (c *NamesConn) follow(p []byte) {
	for len(p) > 0 && c.state != lost {
		switch c.state {
		case inBody, inChunk:
			n := min(int64(len(p)), c.left)
			p = p[n:]
			if c.left -= n; c.left == 0 {
				if c.state == inBody {
					c.state = inHead
				} else {
					c.state = inChunkLine
				}
			}
		default:
			p = c.line(p)
		}
	}
}

// line gathers up to a line's end, which may come in pieces, and acts on it.
func (c *NamesConn) line(p []byte) []byte {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		c.gather(p)
		return nil
	}
	c.gather(p[:i+1])
	if c.state == lost {
		return nil
	}
	switch c.state {
	case inHead:
		if bytes.HasSuffix(c.head, []byte("\n\r\n")) || bytes.HasSuffix(c.head, []byte("\n\n")) {
			c.headEnd()
		} else if len(bytes.TrimRight(c.head, "\r\n")) == 0 {
			c.head = nil // empty lines before a request are passed over (RFC 9112, section 2.2)
		}
	case inChunkLine:
		size, _, _ := strings.Cut(strings.TrimSpace(string(c.head)), ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 63)
		c.head = nil
		switch {
		case err != nil || n < 0:
			c.state = lost
		case n == 0:
			c.state = inTrailer
		default:
			c.state, c.left = inChunk, n+2
		}
	case inTrailer:
		if len(bytes.TrimRight(c.head, "\r\n")) == 0 {
			c.state = inHead
		}
		c.head = nil
	}
	return p[i+1:]
}

func (c *NamesConn) gather(p []byte) {
	if len(c.head)+len(p) > maxHead {
		c.state, c.head = lost, nil
		return
	}
	c.head = append(c.head, p...)
}

// headEnd notes a whole head's names and finds out how its body ends. (RFC 9112, section 6.3.)
func (c *NamesConn) headEnd() {
	lines := strings.Split(string(c.head), "\n")
	names := make(map[string]string, len(lines))
	c.head, c.state, c.left = nil, inHead, 0
	chunked := false
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r"), ":")
		if !ok {
			continue
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if _, twice := names[canonical]; !twice {
			names[canonical] = name
		}
		switch canonical {
		case "Content-Length":
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 63)
			if err != nil || n < 0 {
				c.state = lost
				return
			}
			c.left = n
		case "Transfer-Encoding":
			chunked = true
		case "Upgrade":
			c.state = lost // noted once more, then it is another protocol
		}
	}
	c.heads = append(c.heads, names)
	switch {
	case c.state == lost:
	case chunked:
		c.state, c.left = inChunkLine, 0
	case c.left > 0:
		c.state = inBody
	}
}
