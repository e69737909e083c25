package rfc9111

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// Refusal is why a response is not stored; "" when it is. It is text for a log or Cache-Status detail, stable between releases.
type Refusal string

// What keeps a response from being stored.
const (
	RefusedMethod        Refusal = "method"           // neither GET, nor a POST that gives its own GET
	RefusedStatus        Refusal = "status"           // not final, 304, a 206 that is not one plain part, or not understood
	RefusedRequest       Refusal = "request-no-store" // the viewer's Cache-Control
	RefusedNoStore       Refusal = "no-store"
	RefusedPrivate       Refusal = "private"
	RefusedAuthorization Refusal = "authorization"
	RefusedVary          Refusal = "vary-all"
	RefusedUseless       Refusal = "no-freshness" // it could never be used: neither fresh, nor with a validator, nor as stale
)

// Admit says whether r, the answer to q, may be stored for later requests, and as what. For a 206 the cache must still see that
// the body has Part's length; a body that was cut short is not to be stored at all. nil, and why: it may not.
// RFC 9111, section 3.
func (p *Policy) Admit(q Request, r Response) (*Stored, Refusal) {
	if !storableMethod(q, r) {
		return nil, RefusedMethod
	}
	d, targeted := p.directives(r.Header)
	part, ok := storableStatus(r, d)
	if !ok {
		return nil, RefusedStatus
	}
	if ParseCacheControl(q.Header["Cache-Control"]).NoStore {
		return nil, RefusedRequest // section 5.2.1.5
	}
	switch {
	case d.NoStore && !d.MustUnderstand: // must-understand overrides it for who understands (section 5.2.2.3)
		return nil, RefusedNoStore
	case d.Private:
		return nil, RefusedPrivate
	case len(q.Header["Authorization"]) > 0 && !d.MustRevalidate && !d.Public && !d.SMaxAge.Set:
		return nil, RefusedAuthorization // section 3.5
	}
	vary, all := VaryNames(r.Header)
	if all {
		return nil, RefusedVary // it would match no request (section 4.1)
	}
	s := &Stored{
		Status: r.Status, Header: storedHeader(r, d), Terms: p.TermsOf(r), Part: part,
		Vary: vary, VaryKey: p.VaryKey(vary, q.Header), asked: picked(vary, q.Header),
	}
	if q.Method == http.MethodPost && (s.Terms.Heuristic || s.Terms.Lifetime == 0) {
		return nil, RefusedMethod // RFC 9110, section 9.3.3: only with explicit freshness
	}
	if !heuristicallyCacheable(r.Status) && !d.Public && !d.MaxAge.Set && !d.SMaxAge.Set && (targeted || len(r.Header["Expires"]) == 0) {
		return nil, RefusedUseless // the last of section 3's list
	}
	if !s.useful(p) {
		return nil, RefusedUseless
	}
	return s, ""
}

// storableMethod: a GET, or a POST whose response is, by its Content-Location, what a GET of the same URI gives (RFC 9110, section
// 9.3.3). A HEAD has no body to store; see Policy.Head.
func storableMethod(q Request, r Response) bool {
	if q.Method == http.MethodGet {
		return true
	}
	location := r.Header.Get("Content-Location")
	if q.Method != http.MethodPost || location == "" || q.URL == nil || r.Status/100 != 2 {
		return false
	}
	u, err := q.URL.Parse(location)
	return err == nil && sameURI(u, q.URL)
}

func storableStatus(r Response, d Directives) (Part, bool) {
	if r.Status < 200 || r.Status == http.StatusNotModified || neverStored(r.Status) || d.MustUnderstand && !understood(r.Status) {
		return Part{}, false
	}
	if r.Status != http.StatusPartialContent {
		return Part{}, true
	}
	part, err := ParseContentRange(r.Header.Get("Content-Range"))
	return part, err == nil && !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/byteranges")
}

// useful tells whether s can ever answer anything, now or after its origin was asked.
func (s *Stored) useful(p *Policy) bool {
	t := s.Terms
	fresh := !t.Validate && t.Lifetime > 0
	return fresh || hasValidator(s.Header) || t.StaleWhileRevalidate > 0 || t.StaleIfError > p.StaleOnError
}

func hasValidator(h http.Header) bool {
	return h.Get("Etag") != "" || h.Get("Last-Modified") != ""
}

// storedHeader is r's header as it may be kept.
func storedHeader(r Response, d Directives) http.Header {
	h := StripConnection(r.Header)
	h.Del("Age")
	// A shared cache does not keep what private="name" names, and no-cache="name" asks for validation before use
	// (RFC 9111, sections 5.2.2.4 and 5.2.2.7). Such a field is left out until the origin sends it again.
	for _, name := range slices.Concat(d.NoCacheFields, d.PrivateFields) {
		h.Del(name)
	}
	if h.Get("Date") == "" {
		h.Set("Date", r.Received.UTC().Format(http.TimeFormat))
	}
	return h
}

// connectionFields are never stored or forwarded (RFC 9111, section 3.1; RFC 9110, section 7.6.1).
var connectionFields = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "Proxy-Connection", "Te",
	"Trailer", "Transfer-Encoding", "Upgrade",
}

// StripConnection returns a copy of h without the fields that belong to one connection: those of RFC 9110, section 7.6.1, those of
// proxy authentication, and those that Connection names.
func StripConnection(h http.Header) http.Header {
	out := h.Clone()
	if out == nil {
		out = http.Header{}
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(out, textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t")))
		}
	}
	for _, name := range connectionFields {
		delete(out, name)
	}
	return out
}
