package rfc9111

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noon is when every response of these tests arrives, asked for in the same instant.
var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// header makes a header of "Name: value" lines; "@-60" in a value is the date 60 seconds before noon.
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if rest, ok := strings.CutPrefix(value, "@"); ok {
			d, err := time.ParseDuration(rest + "s")
			if err != nil {
				panic(err)
			}
			value = noon.Add(d).Format(http.TimeFormat)
		}
		h.Add(name, value)
	}
	return h
}

func got(status int, lines ...string) Response {
	return Response{Status: status, Header: header(lines...), Requested: noon, Received: noon}
}

func TestTermsOf(t *testing.T) {
	t.Parallel()
	strict := &Policy{DistrustAge: true}
	cdn := &Policy{Targeted: []string{"CDN-Cache-Control"}, Surrogate: "glassine"}
	day := 24 * time.Hour
	for _, c := range []struct {
		name          string
		policy        *Policy
		response      Response
		lifetime, age time.Duration
	}{
		{"max-age", nil, got(200, "Cache-Control: max-age=3600"), time.Hour, 0},
		{"s-maxage before max-age before Expires", nil, got(200, "Expires: @-10", "Cache-Control: max-age=0, s-maxage=60"), time.Minute, 0},
		{"Expires less Date", nil, got(200, "Expires: @100", "Date: @-10"), 110 * time.Second, 10 * time.Second},
		{"Expires before Date", nil, got(200, "Expires: @300", "Date: @400"), 0, 0},
		{"Expires with a Date that is none", nil, got(200, "Expires: @10", "Date: foo"), 10 * time.Second, 0},
		{"Expires 0 has passed, and leaves no room for a guess", nil, got(200, "Expires: 0", "Last-Modified: @-86400"), 0, 0},
		{"the first Expires counts", nil, got(200, "Expires: @10", "Expires: @20"), 10 * time.Second, 0},
		{"Age is added", nil, got(200, "Cache-Control: max-age=3600", "Age: 1800"), time.Hour, 30 * time.Minute},
		{"Date in the past counts as age", nil, got(200, "Cache-Control: max-age=3600", "Date: @-7200"), time.Hour, 2 * time.Hour},
		{"the older of Age and Date", nil, got(200, "Cache-Control: max-age=3600", "Date: @-60", "Age: 30"), time.Hour, time.Minute},
		{"an Age that is no number is passed over", nil, got(200, "Cache-Control: max-age=60", "Age: abc"), time.Minute, 0},
		{"the first Age of a list counts", nil, got(200, "Cache-Control: max-age=60", "Age: 7, 9"), time.Minute, 7 * time.Second},
		{"an Age that is no number makes stale, if distrusted", strict, got(200, "Cache-Control: max-age=60", "Age: abc"), 0, 0},
		{"two equal Ages make stale, if distrusted", strict, got(200, "Cache-Control: max-age=60", "Age: 0", "Age: 0"), 0, 0},
		{"a clean Age is trusted", strict, got(200, "Cache-Control: max-age=60", "Age: 5"), time.Minute, 5 * time.Second},
		{"heuristic: a tenth of the time since Last-Modified", nil, got(200, "Last-Modified: @-1000"), 100 * time.Second, 0},
		{"heuristic: a day at most", nil, got(200, "Last-Modified: @-99999999"), day, 0},
		{"heuristic: not for a 302", nil, got(302, "Last-Modified: @-1000"), 0, 0},
		{"heuristic: for a 302 that is public", nil, got(302, "Last-Modified: @-1000", "Cache-Control: public"), 100 * time.Second, 0},
		{"heuristic: not before its time", nil, got(200, "Last-Modified: @1000"), 0, 0},
		{"heuristic: switched off", &Policy{Heuristic: -1}, got(200, "Last-Modified: @-1000"), 0, 0},
		{"heuristic: other part, other bound", &Policy{Heuristic: 0.5, HeuristicMax: time.Minute}, got(200, "Last-Modified: @-1000"), time.Minute, 0},
		{"nothing", nil, got(200), 0, 0},
		{"CDN-Cache-Control is not for a cache without it", nil, got(200, "CDN-Cache-Control: max-age=9"), 0, 0},
		{"CDN-Cache-Control before Cache-Control", cdn, got(200, "CDN-Cache-Control: max-age=9", "Cache-Control: no-store, max-age=1"), 9 * time.Second, 0},
		{"CDN-Cache-Control hides Expires", cdn, got(200, "CDN-Cache-Control: none", "Expires: @1000"), 0, 0},
		{"a malformed CDN-Cache-Control hides nothing", cdn, got(200, "CDN-Cache-Control: Q=", "Cache-Control: max-age=1"), time.Second, 0},
		{"Surrogate-Control before Cache-Control", cdn, got(200, "Surrogate-Control: max-age=9", "Cache-Control: max-age=1"), 9 * time.Second, 0},
		{"CDN-Cache-Control before Surrogate-Control", cdn, got(200, "CDN-Cache-Control: max-age=8", "Surrogate-Control: max-age=9"), 8 * time.Second, 0},
	} {
		p := c.policy
		if p == nil {
			p = &Policy{}
		}
		terms := p.TermsOf(c.response)
		if terms.Lifetime != c.lifetime || terms.Age(noon) != c.age {
			t.Errorf("%s: lifetime %v, age %v, want %v, %v (%v)", c.name, terms.Lifetime, terms.Age(noon), c.lifetime, c.age, c.response.Header)
		}
	}
	slow := got(200, "Cache-Control: max-age=60", "Age: 10")
	slow.Requested = noon.Add(-4 * time.Second)
	if age := (&Policy{}).TermsOf(slow).Age(noon); age != 14*time.Second {
		t.Errorf("age of a response that took 4 s = %v, want 14 s", age)
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"IMF-fixdate", "Thu, 18 Aug 2050 02:01:18 GMT", "2050-08-18T02:01:18Z"},
		{"asctime", "Thu Aug  8 02:01:18 2050", "2050-08-08T02:01:18Z"},
		{"RFC 850 in this century", "Thursday, 18-Aug-50 02:01:18 GMT", "2050-08-18T02:01:18Z"},
		{"RFC 850, 43 years ahead", "Sunday, 18-Aug-69 02:01:18 GMT", "2069-08-18T02:01:18Z"},
		{"RFC 850, more than 50 years ahead is the past", "Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"},
		{"another zone", "Thu, 18 Aug 2050 02:01:18 AEST", ""},
		{"no comma", "Thu 18 Aug 2050 02:01:18 GMT", ""},
		{"a number", "0", ""},
	} {
		got := ""
		if d, ok := ParseDate(c.in, noon); ok {
			got = d.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s: ParseDate(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	here, _ := url.Parse("http://a.example/b?c=d")
	get := func(lines ...string) Request { return Request{http.MethodGet, here, header(lines...)} }
	post := Request{http.MethodPost, here, http.Header{}}
	for _, c := range []struct {
		name     string
		request  Request
		response Response
		want     Refusal
	}{
		{"a fresh GET", get(), got(200, "Cache-Control: max-age=1"), ""},
		{"a HEAD has no body to keep", Request{http.MethodHead, here, nil}, got(200, "Cache-Control: max-age=1"), RefusedMethod},
		{"a POST", post, got(200, "Cache-Control: max-age=1"), RefusedMethod},
		{"a POST that gives its own GET", post, got(200, "Cache-Control: max-age=1", "Content-Location: /b?c=d"), ""},
		{"a POST that gives another GET", post, got(200, "Cache-Control: max-age=1", "Content-Location: /b"), RefusedMethod},
		{"a POST without explicit freshness", post, got(200, "Last-Modified: @-9999", "Content-Location: /b?c=d"), RefusedMethod},
		{"no-store", get(), got(200, "Cache-Control: max-age=1, no-store"), RefusedNoStore},
		{"no-store of the request", get("Cache-Control: no-store"), got(200, "Cache-Control: max-age=1"), RefusedRequest},
		{"must-understand overrides no-store", get(), got(200, "Cache-Control: max-age=1, no-store, must-understand"), ""},
		{"must-understand with a status nobody knows", get(), got(599, "Cache-Control: max-age=1, must-understand"), RefusedStatus},
		{"a status nobody knows", get(), got(599, "Cache-Control: max-age=1"), ""},
		{"private", get(), got(200, "Cache-Control: max-age=1, private"), RefusedPrivate},
		{"private for one field", get(), got(200, `Cache-Control: max-age=1, private="a"`), ""},
		{"Authorization", get("Authorization: x"), got(200, "Cache-Control: max-age=1"), RefusedAuthorization},
		{"Authorization and public", get("Authorization: x"), got(200, "Cache-Control: max-age=1, public"), ""},
		{"Authorization and must-revalidate", get("Authorization: x"), got(200, "Cache-Control: max-age=1, must-revalidate"), ""},
		{"Authorization and s-maxage", get("Authorization: x"), got(200, "Cache-Control: s-maxage=1"), ""},
		{"Vary: *", get(), got(200, "Cache-Control: max-age=1", "Vary: a, *"), RefusedVary},
		{"a 304", get(), got(304, "Cache-Control: max-age=1"), RefusedStatus},
		{"a status that no cache may store", get(), got(429, "Cache-Control: max-age=1"), RefusedStatus},
		{"an interim response", get(), got(103, "Cache-Control: max-age=1"), RefusedStatus},
		{"a part", get("Range: bytes=0-4"), got(206, "Cache-Control: max-age=1", "Content-Range: bytes 0-4/10"), ""},
		{"a part that does not say which", get(), got(206, "Cache-Control: max-age=1"), RefusedStatus},
		{"several parts", get(), got(206, "Cache-Control: max-age=1", "Content-Range: bytes 0-4/10", "Content-Type: multipart/byteranges; b"), RefusedStatus},
		{"neither fresh nor validator", get(), got(200), RefusedUseless},
		{"already stale, without a validator", get(), got(200, "Expires: @-1"), RefusedUseless},
		{"already stale, with a validator", get(), got(200, "Expires: @-1", `Etag: "a"`), ""},
		{"already stale, for errors", get(), got(200, "Cache-Control: max-age=0, stale-if-error=9"), ""},
		{"no-cache without a validator", get(), got(200, "Cache-Control: no-cache, max-age=9"), RefusedUseless},
		{"no-cache with a validator", get(), got(200, "Cache-Control: no-cache", `Etag: "a"`), ""},
		{"201 without explicit freshness", get(), got(201, "Last-Modified: @-9999"), RefusedUseless},
	} {
		s, why := (&Policy{}).Admit(c.request, c.response)
		if why != c.want || (s == nil) != (why != "") {
			t.Errorf("%s: Admit refuses for %q, want %q (stored %v)", c.name, why, c.want, s != nil)
		}
	}
}

func TestStoredHeader(t *testing.T) {
	t.Parallel()
	s, why := (&Policy{}).Admit(Request{Method: "GET"}, got(200,
		"Cache-Control: max-age=9", `Cache-Control: no-cache="x-secret", private="x-own"`, "Connection: x-hop, close", "X-Hop: 1", "X-Secret: 2",
		"X-Own: 3", "Keep-Alive: 4", "Te: 5", "Upgrade: 6", "Transfer-Encoding: chunked", "Proxy-Authenticate: 7", "Age: 8", "X-Kept: 9"))
	if s == nil {
		t.Fatal("refused:", why)
	}
	want := header("Cache-Control: max-age=9", `Cache-Control: no-cache="x-secret", private="x-own"`, "X-Kept: 9", "Date: @0")
	if diff := cmp.Diff(want, s.Header); diff != "" {
		t.Errorf("stored header: -want +got\n%s", diff)
	}
	if age := s.ServeHeader(noon.Add(1500 * time.Millisecond)).Get("Age"); age != "9" {
		t.Errorf("Age served = %q, want 9 (8 on arrival, 1.5 s since)", age)
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	p := &Policy{StaleOnError: 30 * time.Second}
	const tag = `Etag: "a"`
	for _, c := range []struct {
		name     string
		stored   []string // the response's fields; nil: nothing is stored
		request  []string
		after    time.Duration
		action   Action
		onError  bool
		reason   string
		validate bool // there is a condition
	}{
		{name: "nothing stored", action: Forward, reason: "miss"},
		{name: "nothing stored, only-if-cached", request: []string{"Cache-Control: only-if-cached"}, action: Refuse, reason: "miss"},
		{name: "fresh", stored: []string{"Cache-Control: max-age=10"}, after: 9 * time.Second, action: Serve, reason: "fresh"},
		{name: "stale by the second", stored: []string{"Cache-Control: max-age=10", tag}, after: 10 * time.Second, action: Validate, onError: true, reason: "stale", validate: true},
		{name: "stale beyond the time for errors", stored: []string{"Cache-Control: max-age=10", tag}, after: 40 * time.Second, action: Validate, reason: "stale", validate: true},
		{name: "stale without a validator", stored: []string{"Cache-Control: max-age=10"}, after: 20 * time.Second, action: Forward, onError: true, reason: "stale"},
		{name: "must-revalidate is never stale", stored: []string{"Cache-Control: max-age=10, must-revalidate, stale-if-error=99, stale-while-revalidate=99", tag}, after: 20 * time.Second, action: Validate, reason: "stale", validate: true},
		{name: "proxy-revalidate is never stale", stored: []string{"Cache-Control: max-age=10, proxy-revalidate", tag}, after: 20 * time.Second, action: Validate, reason: "stale", validate: true},
		{name: "s-maxage is never stale", stored: []string{"Cache-Control: s-maxage=10", tag}, after: 20 * time.Second, action: Validate, reason: "stale", validate: true},
		{name: "no-cache is never served unasked", stored: []string{"Cache-Control: max-age=10, no-cache", tag}, action: Validate, reason: "no-cache", validate: true},
		{name: "stale-while-revalidate", stored: []string{"Cache-Control: max-age=10, stale-while-revalidate=5", tag}, after: 14 * time.Second, action: ServeStale, onError: true, reason: "stale", validate: true},
		{name: "stale-while-revalidate, without a validator", stored: []string{"Cache-Control: max-age=10, stale-while-revalidate=5"}, after: 14 * time.Second, action: ServeStale, onError: true, reason: "stale"},
		{name: "stale-while-revalidate has ended", stored: []string{"Cache-Control: max-age=10, stale-while-revalidate=5", tag}, after: 15 * time.Second, action: Validate, onError: true, reason: "stale", validate: true},
		{name: "stale-if-error=0 beats the policy", stored: []string{"Cache-Control: max-age=10, stale-if-error=0", tag}, after: 11 * time.Second, action: Validate, reason: "stale", validate: true},
		{name: "stale-if-error beats the policy", stored: []string{"Cache-Control: max-age=10, stale-if-error=99", tag}, after: 100 * time.Second, action: Validate, onError: true, reason: "stale", validate: true},
		{name: "request no-cache", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: no-cache"}, action: Validate, reason: "request-no-cache", validate: true},
		{name: "request no-store", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: no-store"}, action: Forward, reason: "request-no-store"},
		{name: "request max-age=0", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: max-age=0"}, action: Validate, reason: "request-max-age", validate: true},
		{name: "request max-age, young enough", stored: []string{"Cache-Control: max-age=10"}, request: []string{"Cache-Control: max-age=5"}, after: 5 * time.Second, action: Serve, reason: "fresh"},
		{name: "request max-age, too old", stored: []string{"Cache-Control: max-age=10"}, request: []string{"Cache-Control: max-age=5"}, after: 6 * time.Second, action: Forward, reason: "request-max-age"},
		{name: "request min-fresh", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: min-fresh=5"}, after: 6 * time.Second, action: Validate, reason: "request-min-fresh", validate: true},
		{name: "request max-stale", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: max-stale"}, after: time.Hour, action: Serve, reason: "request-max-stale"},
		{name: "request max-stale with a bound", stored: []string{"Cache-Control: max-age=10"}, request: []string{"Cache-Control: max-stale=5"}, after: 16 * time.Second, action: Forward, onError: true, reason: "stale"},
		{name: "request max-stale cannot undo must-revalidate", stored: []string{"Cache-Control: max-age=10, must-revalidate", tag}, request: []string{"Cache-Control: max-stale"}, after: time.Hour, action: Validate, reason: "stale", validate: true},
		{name: "request stale-if-error", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: stale-if-error=3600"}, after: time.Hour, action: Validate, onError: true, reason: "stale", validate: true},
		{name: "stale, only-if-cached", stored: []string{"Cache-Control: max-age=10", tag}, request: []string{"Cache-Control: only-if-cached"}, after: time.Hour, action: Refuse, reason: "stale"},
		{name: "Pragma says nothing any more", stored: []string{"Cache-Control: max-age=10"}, request: []string{"Pragma: no-cache"}, action: Serve, reason: "fresh"},
	} {
		var s *Stored
		if c.stored != nil {
			var why Refusal
			if s, why = p.Admit(Request{Method: "GET"}, got(200, c.stored...)); s == nil {
				t.Errorf("%s: not stored: %s", c.name, why)
				continue
			}
		}
		d := p.Decide(Request{Method: "GET", Header: header(c.request...)}, s, noon.Add(c.after))
		if d.Action != c.action || d.StaleOnError != c.onError || d.Reason != c.reason || (d.Condition != nil) != c.validate {
			t.Errorf("%s: %v, stale on error %v, reason %q, condition %v; want %v, %v, %q, %v", c.name, d.Action, d.StaleOnError, d.Reason,
				d.Condition, c.action, c.onError, c.reason, c.validate)
		}
	}
	ignoring := &Policy{IgnoreRequests: true}
	s, _ := ignoring.Admit(Request{Method: "GET"}, got(200, "Cache-Control: max-age=10"))
	if d := ignoring.Decide(Request{Method: "GET", Header: header("Cache-Control: no-cache, only-if-cached, max-age=0")}, s, noon); d.Action != Serve {
		t.Errorf("a cache that ignores request directives decides %v", d)
	}
	if d := ignoring.Decide(Request{Method: "PUT"}, s, noon); d.Action != Forward {
		t.Errorf("a PUT is answered with %v", d)
	}
}

func BenchmarkDecideFresh(b *testing.B) {
	p := &Policy{StaleOnError: time.Minute}
	q := Request{Method: "GET", Header: header("Accept-Encoding: gzip, br", "User-Agent: x")}
	s, _ := p.Admit(q, got(200, "Cache-Control: max-age=10", `Etag: "a"`, "Vary: Accept-Encoding"))
	b.ReportAllocs()
	for b.Loop() {
		if d := p.Decide(q, s, noon); d.Action != Serve {
			b.Fatal(d)
		}
	}
}

func BenchmarkVaryKey(b *testing.B) {
	p := &Policy{}
	h := header("Accept-Encoding: gzip, deflate, br", "User-Agent: x")
	b.ReportAllocs()
	for b.Loop() {
		p.VaryKey([]string{"Accept-Encoding"}, h)
	}
}

func BenchmarkAdmit(b *testing.B) {
	p := &Policy{Targeted: []string{"CDN-Cache-Control"}}
	q := Request{Method: "GET", Header: header("Accept-Encoding: gzip")}
	r := got(200, "Cache-Control: public, max-age=10, stale-while-revalidate=30", `Etag: "a"`, "Date: @0", "Content-Type: image/jpeg")
	b.ReportAllocs()
	for b.Loop() {
		if s, _ := p.Admit(q, r); s == nil {
			b.Fatal("refused")
		}
	}
}
