package rfc9111

import (
	"net/http"
	"net/url"
	"strings"
)

// Invalidated returns the URIs for which nothing stored may be used any more, because r, the answer to q, shows that they have
// changed: q's own, and those of the same origin in Location and Content-Location. nil when q's method is safe or r is an
// error. The query counts; a fragment does not and is not returned. RFC 9111, section 4.4.
func Invalidated(q Request, r Response) []*url.URL {
	if safe(q.Method) || r.Status < 200 || r.Status >= 400 || q.URL == nil {
		return nil
	}
	out := []*url.URL{withoutFragment(q.URL)}
	for _, name := range []string{"Location", "Content-Location"} {
		location := r.Header.Get(name)
		if location == "" {
			continue
		}
		u, err := q.URL.Parse(location)
		if err != nil || !strings.EqualFold(u.Scheme, q.URL.Scheme) || !strings.EqualFold(u.Host, q.URL.Host) {
			continue
		}
		out = append(out, withoutFragment(u))
	}
	return out
}

// safe are the methods that change nothing (RFC 9110, section 9.2.1, and the IANA registry of methods). One that is not known is
// not safe.
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, "PROPFIND", "REPORT", "SEARCH", "QUERY":
		return true
	}
	return false
}

func withoutFragment(u *url.URL) *url.URL {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return &c
}

func sameURI(a, b *url.URL) bool { return withoutFragment(a).String() == withoutFragment(b).String() }
