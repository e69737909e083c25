package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"glassine/edge/rfc9111"
)

// ttlPolicy is a cache policy's MinTTL, DefaultTTL and MaxTTL in seconds.
type ttlPolicy struct{ least, normal, most int64 }

// Strict switches off, one by one, what the edge does better than CloudFront: docs/aws-differences.md. With all of them it does what
// CloudFront does. Behaviors that cache by RFC 9111 are not concerned.
type Strict struct {
	// Vary: of a response's Vary only what is in the cache key tells requests apart. Otherwise so does all that is forwarded.
	Vary bool
	// Targeted: CDN-Cache-Control (RFC 9213) and Surrogate-Control are not read. Otherwise they go before Cache-Control and
	// Expires.
	Targeted bool
	// MustRevalidate: must-revalidate and proxy-revalidate do not keep a response from being served stale.
	MustRevalidate bool
	// Truncated: a body that ends with the connection, of which nobody knows whether it is whole, is stored.
	Truncated bool
	// Authorization: what came for a request whose Authorization the origin saw, and which is not in the cache key, is stored for
	// all. Otherwise only where the response allows that (RFC 9111, section 3.5).
	Authorization bool
}

// lifetime is what is to become of a response.
type lifetime struct {
	ttl         time.Duration // fresh for so long from now
	store       bool          // later requests may have it
	share       bool          // those who wait for it now may have it
	revalidates bool          // it has a validator
	why         string        // what ttl was computed from, in a few words
	// staleWhile and staleError are for how long after ttl it is served while it is refreshed, and when its origin fails.
	staleWhile, staleError time.Duration
}

// staleForever is for how long a response is served when its origin fails and it does not say for how long: while it is stored.
// 100 years, the longest TTL, so that no sum with a time overflows.
const staleForever = maxSeconds * time.Second

// judge decides about a response of the origin. errorMin is the distribution's ErrorCachingMinTTL for the status.
// CloudFront Developer Guide, "Manage how long content stays in the cache (expiration)", "How CloudFront caches HTTP
// 4xx and 5xx status codes from your origin", "How CloudFront processes HTTP 3xx status codes".
func (p ttlPolicy) judge(strict Strict, status int, h http.Header, errorMin time.Duration) lifetime {
	cc := controlOf(strict, h)
	explicit, given := cc.freshFor(h)
	l := lifetime{share: true, revalidates: h.Get("Etag") != "" || h.Get("Last-Modified") != ""}
	age := max(0, parseSeconds(h.Get("Age"), 0))
	switch status {
	case 404, 410, 414, 500, 501, 502, 503, 504:
		l.ttl, l.why = max(errorMin, p.capped(explicit, given)), "an error is kept for ErrorCachingMinTTL, or longer when it says so"
		l.store = l.ttl > 0
		return l
	case 400, 403, 405, 412, 415:
		l.why = "such an error is kept only when it has max-age or s-maxage"
		if cc.sMaxAge >= 0 || cc.maxAge >= 0 {
			l.ttl = max(errorMin, p.capped(explicit, given))
			l.store = l.ttl > 0
		}
		return l
	case 307, 308:
		if len(h["Cache-Control"]) == 0 && !cc.targeted {
			l.why = "such a redirect is kept only when it has Cache-Control"
			return l
		}
	case 200, 203, 204, 300, 301, 302, 303:
	default:
		// 206 and 304 answer what we did not ask; the rest is not in the lists of the pages above.
		l.why = "responses with this status are not kept"
		l.share = status != http.StatusPartialContent && status != http.StatusNotModified
		return l
	}
	seconds := max(p.least, p.normal)
	l.why = "it says nothing, so DefaultTTL counts"
	switch forbidden := cc.noStore || cc.noCache || cc.private; {
	case forbidden && p.least > 0:
		seconds, l.why = p.least, cc.forbids()+", but MinTTL is above 0"
	case forbidden && cc.noCache && !cc.noStore && !cc.private && l.revalidates:
		return lifetime{store: true, revalidates: true, why: "no-cache: it is kept, and revalidated each time"}
	case forbidden || varyAll(h) && p.least == 0:
		return lifetime{why: or(cc.forbids(), "Vary: * says that every request has its own")}
	case given:
		seconds, l.why = min(max(explicit, p.least), p.most), cc.source()
	}
	seconds = max(seconds-age, p.least)
	l.ttl = time.Duration(seconds) * time.Second
	l.share = seconds > 0
	l.staleWhile, l.staleError = p.stale(strict, cc)
	l.store = seconds > 0 || l.revalidates || l.staleWhile > 0
	return l
}

// stale returns for how long a response may be served after it was fresh, and when its origin fails.
// CloudFront Developer Guide, "Serve stale (expired) content"; that MaxTTL bounds both is not said there.
func (p ttlPolicy) stale(strict Strict, cc cacheControl) (while, onError time.Duration) {
	if !strict.MustRevalidate && (cc.mustRevalidate || cc.proxyRevalidate) {
		return 0, 0
	}
	while = time.Duration(min(max(cc.staleWhile, 0), p.most)) * time.Second
	if cc.staleIfError < 0 {
		return while, staleForever
	}
	return while, time.Duration(min(cc.staleIfError, p.most)) * time.Second
}

// capped is what an error's own freshness counts for.
func (p ttlPolicy) capped(explicit int64, given bool) time.Duration {
	if !given {
		return 0
	}
	return time.Duration(min(explicit, p.most)) * time.Second
}

func varyAll(h http.Header) bool {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == "*" {
				return true
			}
		}
	}
	return false
}

// cacheControl is a response's Cache-Control. Seconds are -1 where the directive is absent, and 0 where its value is no
// number (RFC 9111, section 4.2.1: such a response is stale).
type cacheControl struct {
	maxAge, sMaxAge                 int64
	staleWhile, staleIfError        int64
	targeted                        bool // Expires does not count
	noCache, noStore, private       bool
	public                          bool
	mustRevalidate, proxyRevalidate bool
}

// controlOf returns the directives that count for the edge: those of CDN-Cache-Control (RFC 9213), else of Surrogate-Control
// (Edge Architecture Specification 1.0), else of Cache-Control.
func controlOf(strict Strict, h http.Header) cacheControl {
	if !strict.Targeted {
		if d, ok := rfc9111.ParseTargeted(h["Cdn-Cache-Control"]); ok {
			return targetedControl(d)
		}
		if d, ok := rfc9111.ParseSurrogateControl(h["Surrogate-Control"], surrogate); ok {
			return targetedControl(d)
		}
	}
	return parseCacheControl(h["Cache-Control"])
}

// surrogate is what an origin calls us in Surrogate-Control.
const surrogate = "glassine"

func targetedControl(d rfc9111.Directives) cacheControl {
	seconds := func(d rfc9111.Delta) int64 {
		if !d.Set {
			return -1
		}
		return d.Seconds
	}
	return cacheControl{
		targeted: true, maxAge: seconds(d.MaxAge), sMaxAge: seconds(d.SMaxAge), staleWhile: seconds(d.StaleWhileRevalidate),
		staleIfError: seconds(d.StaleIfError), noStore: d.NoStore, noCache: d.NoCache || len(d.NoCacheFields) > 0,
		private: d.Private || len(d.PrivateFields) > 0, public: d.Public, mustRevalidate: d.MustRevalidate, proxyRevalidate: d.ProxyRevalidate,
	}
}

// parseCacheControl reads Cache-Control lines (RFC 9111, section 5.2). Of a directive that appears twice the first
// counts. no-cache and private count in their qualified forms too.
func parseCacheControl(lines []string) cacheControl {
	cc := cacheControl{maxAge: -1, sMaxAge: -1, staleIfError: -1, staleWhile: -1}
	for _, line := range lines {
		for line != "" {
			var name, value string
			name, value, line = nextDirective(line)
			switch strings.ToLower(name) {
			case "max-age":
				setSeconds(&cc.maxAge, value)
			case "s-maxage":
				setSeconds(&cc.sMaxAge, value)
			case "stale-while-revalidate":
				setSeconds(&cc.staleWhile, value)
			case "stale-if-error":
				setSeconds(&cc.staleIfError, value)
			case "no-cache":
				cc.noCache = true
			case "no-store":
				cc.noStore = true
			case "private":
				cc.private = true
			case "public":
				cc.public = true
			case "must-revalidate":
				cc.mustRevalidate = true
			case "proxy-revalidate":
				cc.proxyRevalidate = true
			}
		}
	}
	return cc
}

// nextDirective cuts the first directive off s. A value in quotes loses them; commas in it do not end it.
func nextDirective(s string) (name, value, rest string) {
	i := strings.IndexAny(s, ",=")
	if i < 0 {
		return strings.TrimSpace(s), "", ""
	}
	name = strings.TrimSpace(s[:i])
	if s[i] == ',' {
		return name, "", s[i+1:]
	}
	s = strings.TrimLeft(s[i+1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ",")
		return name, strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i = 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	if i >= len(s) {
		return name, b.String(), ""
	}
	_, rest, _ = strings.Cut(s[i+1:], ",")
	return name, b.String(), rest
}

func setSeconds(to *int64, value string) {
	if *to < 0 {
		*to = parseSeconds(value, 0)
	}
}

// parseSeconds reads a delta-seconds (RFC 9111, section 1.2.2), no more than 2^31; otherwise is for what is none.
func parseSeconds(s string, otherwise int64) int64 {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1 << 31
	}
	return min(n, 1<<31)
}

// freshFor returns the origin's own freshness in seconds: s-maxage, else max-age, else Expires minus Date. An Expires
// that is no date has passed (RFC 9111, section 5.3).
func (cc cacheControl) freshFor(h http.Header) (seconds int64, given bool) {
	switch {
	case cc.sMaxAge >= 0:
		return cc.sMaxAge, true
	case cc.maxAge >= 0:
		return cc.maxAge, true
	case cc.targeted || len(h["Expires"]) == 0:
		return 0, false
	}
	expires, err := http.ParseTime(h["Expires"][0])
	if err != nil {
		return 0, true
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, true
	}
	return max(0, int64(expires.Sub(date)/time.Second)), true
}

// source is what freshFor returned, when something was given.
func (cc cacheControl) source() string {
	switch {
	case cc.targeted && cc.sMaxAge >= 0:
		return "s-maxage of CDN-Cache-Control or Surrogate-Control"
	case cc.targeted:
		return "max-age of CDN-Cache-Control or Surrogate-Control"
	case cc.sMaxAge >= 0:
		return "s-maxage of Cache-Control"
	case cc.maxAge >= 0:
		return "max-age of Cache-Control"
	}
	return "Expires"
}

// forbids is the directive that keeps a response from being kept, or "".
func (cc cacheControl) forbids() string {
	switch {
	case cc.noStore:
		return "no-store"
	case cc.private:
		return "private"
	case cc.noCache:
		return "no-cache"
	}
	return ""
}
