package rfc9111

import (
	"net/http"
	"time"
)

// TermsOf reads what r's fields say about its use.
func (p *Policy) TermsOf(r Response) Terms {
	d, targeted := p.directives(r.Header)
	t := Terms{
		Born:     p.born(r),
		Validate: d.NoCache,
		// s-maxage is proxy-revalidate too (RFC 9111, section 5.2.2.10).
		NeverStale:           d.MustRevalidate || d.ProxyRevalidate || d.SMaxAge.Set || d.NoCache,
		StaleWhileRevalidate: d.StaleWhileRevalidate.Duration(),
		StaleIfError:         p.StaleOnError,
	}
	if d.StaleIfError.Set {
		t.StaleIfError = d.StaleIfError.Duration()
	}
	if t.NeverStale {
		t.StaleIfError, t.StaleWhileRevalidate = 0, 0
	}
	if _, clean := ParseAge(r.Header["Age"]); !clean && p.DistrustAge {
		return t
	}
	lifetime, explicit := explicitLifetime(d, r.Header, r.Received, targeted)
	if !explicit {
		lifetime = p.heuristicLifetime(r, d)
		t.Heuristic = lifetime > 0
	}
	t.Lifetime = lifetime
	return t
}

// explicitLifetime is the freshness lifetime that the origin gives, and whether it gives one (RFC 9111, section 4.2.1).
func explicitLifetime(d Directives, h http.Header, received time.Time, targeted bool) (time.Duration, bool) {
	switch {
	case d.SMaxAge.Set:
		return d.SMaxAge.Duration(), true
	case d.MaxAge.Set:
		return d.MaxAge.Duration(), true
	case targeted || len(h["Expires"]) == 0:
		return 0, false
	}
	expires, ok := ParseDate(h["Expires"][0], received)
	if !ok { // RFC 9111, section 5.3: a date that is none, above all "0", has passed.
		return 0, true
	}
	return max(0, expires.Sub(date(h, received))), true
}

// heuristicLifetime is that of a response whose origin gives none (RFC 9111, section 4.2.2).
func (p *Policy) heuristicLifetime(r Response, d Directives) time.Duration {
	part := p.Heuristic
	if part == 0 {
		part = 0.1
	}
	if part < 0 || !heuristicallyCacheable(r.Status) && !d.Public {
		return 0
	}
	modified, ok := ParseDate(r.Header.Get("Last-Modified"), r.Received)
	if !ok {
		return 0
	}
	most := p.HeuristicMax
	if most == 0 {
		most = 24 * time.Hour
	}
	since := date(r.Header, r.Received).Sub(modified)
	return max(0, min(time.Duration(float64(since)*part), most))
}

// heuristicallyCacheable are the statuses that RFC 9110, section 15.1, lists so. 206 is left out: its lifetime belongs to a whole.
func heuristicallyCacheable(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// understood are the statuses whose caching rules this package follows, for must-understand (RFC 9111, section 5.2.2.3): the
// final ones of RFC 9110, section 15, and 451.
func understood(status int) bool {
	switch {
	case status >= 200 && status <= 206, status >= 300 && status <= 305, status == 307, status == 308,
		status >= 400 && status <= 417, status == 421, status == 422, status == 426, status == 451,
		status >= 500 && status <= 505:
		return true
	}
	return false
}

// neverStored are the statuses that no cache may store, whatever the response says (RFC 6585, sections 3 to 6).
func neverStored(status int) bool {
	return status == 428 || status == 429 || status == 431 || status == 511
}
