package edge

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
)

// interim passes the interim responses of an origin (RFC 9110, section 15.2; 103 is RFC 8297's) on to the viewer whose request went
// there, until that viewer's answer begins. They are never stored, and who only waits for the same answer does not get them. A nil
// *interim passes nothing on. CloudFront drops them: docs/aws-differences.md.
type interim struct {
	mu sync.Mutex // guards w
	w  http.ResponseWriter
}

// newInterim returns the one of x's viewer, who must speak HTTP/1.1 or later.
func (x *exchange) newInterim() *interim {
	if x.w == nil || x.major == 1 && x.minor == 0 {
		return nil
	}
	return &interim{w: x.w}
}

// trace returns a context in which an HTTP transport tells i what comes.
func (i *interim) trace(ctx context.Context) context.Context {
	if i == nil {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
		i.send(status, http.Header(h))
		return nil
	}})
}

func (i *interim) send(status int, h http.Header) {
	if status == http.StatusContinue || status == http.StatusSwitchingProtocols {
		return // of the hop to the origin alone
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.w == nil {
		return
	}
	lines := h.Clone()
	dropHop(lines)
	header := i.w.Header()
	maps.Copy(header, lines)
	i.w.WriteHeader(status)
	for name := range lines {
		delete(header, name)
	}
}

// end is to be called before the answer begins.
func (i *interim) end() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.w = nil
}

// answerHeader is the header of the viewer's answer, which begins.
func (x *exchange) answerHeader() http.Header {
	x.hints.end()
	return x.w.Header()
}
