package edge

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
)

// viewer is a viewer's request as the steps before the cache see it, whoever parsed it.
type viewer struct {
	method string
	uri    string // of the request line, as it came
	host   string
	remote string // address with port
	proto  string // "HTTP/1.1"
	major  int
	minor  int
	tls    *tls.ConnectionState // nil: plaintext
	header lines
	body   bool  // it has one
	length int64 // of the body, -1 unknown
}

// lines is a request's header without Host. Names are canonical, and nobody may write to what it returns.
type lines interface {
	Values(name string) []string
	Size() int // bytes, as HTTP/1.1 writes it
}

// headerMap is a header as net/http has it.
type headerMap http.Header

func (h headerMap) Values(name string) []string { return h[name] }
func (h headerMap) Size() int                   { return headerSize(http.Header(h)) }

func viewerOf(r *http.Request) viewer {
	return viewer{
		method: r.Method, uri: r.RequestURI, host: r.Host, remote: r.RemoteAddr, proto: r.Proto, major: r.ProtoMajor, minor: r.ProtoMinor,
		tls: r.TLS, header: headerMap(r.Header), body: r.ContentLength != 0, length: r.ContentLength,
	}
}

// old reports whether the viewer speaks HTTP/1.0 or less.
func (v *viewer) old() bool { return v.major < 1 || v.major == 1 && v.minor < 1 }

// field returns the first value of a header field, or "".
func (v *viewer) field(name string) string {
	if lines := v.header.Values(name); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// clientIP is the viewer's address without its port.
func (v *viewer) clientIP() string {
	if host, _, err := net.SplitHostPort(v.remote); err == nil {
		return host
	}
	return v.remote
}

func (v *viewer) scheme() string {
	if v.tls != nil {
		return "https"
	}
	return "http"
}

// version is the viewer's HTTP version as Via has it.
func (v *viewer) version() string {
	if v.major >= 2 {
		return itoa(v.major) + ".0"
	}
	return strings.TrimPrefix(v.proto, "HTTP/")
}

// headerMap returns the request's header as a map that may be changed; from then on it is what x.header shows.
func (x *exchange) headerMap() http.Header {
	if x.loop == nil {
		return x.r.Header
	}
	h := x.made
	clear(h)
	x.loop.AddTo(h)
	x.header = headerMap(h)
	return h
}
