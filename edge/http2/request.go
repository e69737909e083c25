package http2

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Request is a GET or HEAD without a body. Its strings may be kept.
type Request struct {
	Method string // "GET" or "HEAD"
	Target string // :path, which begins with a slash
	Host   string // not empty
	Remote string // the viewer's address with its port
	// TLS is the connection's state, nil on plaintext.
	TLS *tls.ConnectionState

	fields   []field  // those that are regular, once read was called; Host is not among them
	values   []string // of fields
	scheme   string
	expects  bool   // 100-continue
	trailer  bool   // it has a Trailer field
	length   int64  // Content-Length, -1 without
	room     int    // for more fields, in bytes as SETTINGS_MAX_HEADER_LIST_SIZE counts; below 0: they were too many
	conn     *conn  // nil unless the Responder is asked
	stream   uint32 // its stream
	reserved int64  // of the connection's window, by Takes
	answered bool
	block    []byte // an answer's header block
	scratch  []byte
	text     texts
}

var requests = sync.Pool{New: func() any { return new(Request) }}

// free gives r back.
func (r *Request) free() {
	clear(r.fields)
	clear(r.values)
	*r = Request{fields: r.fields[:0], values: r.values[:0], block: r.block[:0], scratch: r.scratch[:0], text: r.text}
	requests.Put(r)
}

// take adds a field that was decoded, if it has room.
func (r *Request) take(f field) {
	if r.room -= f.size(); r.room < 0 {
		r.room = -1 << 30
		return
	}
	r.fields = append(r.fields, f)
}

// read takes the protocol's own fields out of what was decoded. It is false for a malformed request (RFC 9113, sections
// 8.1.1 and 8.3.1).
func (r *Request) read() bool {
	r.length = -1
	path, authority, hosted := "", "", ""
	seen := [malformed]bool{}
	kept, cookie, cookies := 0, -1, 0
	for _, f := range r.fields {
		switch f.kind {
		case malformed:
			return false
		case pseudoMethod, pseudoScheme, pseudoPath, pseudoAuthority:
			if seen[f.kind] || seen[regular] {
				return false
			}
			switch f.kind {
			case pseudoMethod:
				r.Method = f.value
			case pseudoScheme:
				r.scheme = f.value
			case pseudoPath:
				path = f.value
			default:
				authority = f.value
			}
			seen[f.kind] = true
			continue
		case fieldHost, fieldContentLength:
			if seen[f.kind] {
				return false
			}
			seen[f.kind] = true
		}
		seen[regular] = true
		switch f.kind {
		case fieldHost:
			hosted = f.value
			continue
		case fieldContentLength:
			n, ok := parseLength(f.value)
			if !ok {
				return false
			}
			r.length = n
		case fieldExpect:
			r.expects = r.expects || strings.EqualFold(f.value, "100-continue")
		case fieldTrailer:
			r.trailer = true
		case fieldCookie:
			if cookies++; cookie < 0 {
				cookie = kept
			}
		}
		r.fields[kept] = f
		kept++
	}
	clear(r.fields[kept:])
	r.fields = r.fields[:kept]
	if cookies > 1 {
		r.joinCookies(cookie)
	}
	for i := range r.fields {
		r.values = append(r.values, r.fields[i].value)
	}
	r.Target = path
	if r.Host = authority; !seen[pseudoAuthority] {
		r.Host = hosted
	} else if seen[fieldHost] && !strings.EqualFold(authority, hosted) {
		return false
	}
	if !validMethod(r.Method) || !validHost(r.Host) {
		return false
	}
	if r.Method == http.MethodConnect { // section 8.5
		return !seen[pseudoScheme] && !seen[pseudoPath] && authority != ""
	}
	return (r.scheme == "https" || r.scheme == "http") && (strings.HasPrefix(path, "/") || path == "*" && r.Method == http.MethodOptions)
}

// parseLength reads a Content-Length (RFC 9110, section 8.6).
func parseLength(s string) (int64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// joinCookies makes one field of the cookies, which clients may send in pieces (RFC 9113, section 8.2.3). The first is at
// index first.
func (r *Request) joinCookies(first int) {
	r.scratch = r.scratch[:0]
	kept := first
	for i := first; i < len(r.fields); i++ {
		f := r.fields[i]
		if f.kind != fieldCookie {
			r.fields[kept] = f
			kept++
			continue
		}
		if i == first {
			kept++
		} else {
			r.scratch = append(r.scratch, "; "...)
		}
		r.scratch = append(r.scratch, f.value...)
	}
	r.fields[first].value = r.text.of(r.scratch)
	clear(r.fields[kept:])
	r.fields = r.fields[:kept]
}

// plain reports whether the Responder may know an answer: a GET or HEAD that says nothing unusual and has no body.
func (r *Request) plain() bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.length < 0 && !r.expects && !r.trailer && r.Host != "" && validTarget(r.Target)
}

// Values returns the values of a header field, one for each line, like http.Header.Values; Host is not among them. name is
// in canonical form. Nobody may write to them.
func (r *Request) Values(name string) []string {
	var all []string
	for i := range r.fields {
		f := &r.fields[i]
		if len(f.name) != len(name) || !sameName(f.name, name) {
			continue
		}
		if all == nil {
			all = r.values[i : i+1 : i+1]
			continue
		}
		all = append(all, f.value)
	}
	return all
}

// AddTo puts the header's fields into h, under canonical names; Host is not among them. The lists are valid as long as r is.
func (r *Request) AddTo(h http.Header) {
	for i := range r.fields {
		name := http.CanonicalHeaderKey(r.fields[i].name)
		if h[name] == nil {
			h[name] = r.Values(name)
		}
	}
}

// Size is how many bytes the header has as HTTP/1.1 writes it, without Host.
func (r *Request) Size() int {
	n := 0
	for i := range r.fields {
		n += len(r.fields[i].name) + len(r.fields[i].value) + len(": \r\n")
	}
	return n
}

// texts makes strings of bytes, many in one allocation, so that a request's fields cost none of their own. A chunk lives
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
