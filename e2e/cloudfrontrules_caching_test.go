package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/edge"
)

func ttls(least, normal, most int64) func(*edge.CachePolicyConfig) {
	return func(c *edge.CachePolicyConfig) { c.MinTTL, c.DefaultTTL, c.MaxTTL = least, &normal, &most }
}

// cachingRules are those of how long an answer is kept, and for whom: CloudFront Developer Guide, "Manage how long content stays in the
// cache (expiration)", "Serve stale (expired) content", "How CloudFront processes partial requests for an object (range GETs)".
func cachingRules() []rule {
	const sec, day = time.Second, 24 * time.Hour
	get := func(lines string) ruleStep {
		if lines != "" {
			lines = "|" + lines
		}
		return ruleStep{reply: "200" + lines + "||one", want: "200 Miss one"}
	}
	hit := func(after time.Duration) ruleStep { return ruleStep{wait: after, want: "200 Hit one"} }
	anew := func(after time.Duration) ruleStep {
		return ruleStep{wait: after, reply: "200||two", want: "200 Miss two"}
	}
	fails := func(after time.Duration, want string) ruleStep {
		return ruleStep{wait: after, reply: "503||down", want: want}
	}
	allViewer := defaultBehavior(func(b *edge.CacheBehavior) { b.OriginRequestPolicyID = "216adef6-5c7f-47e4-b989-5492eafa07d3" })
	min60 := ttls(60, 3600, 7200)
	cookies := keyed(edge.Selection{Behavior: "none"}, edge.Selection{Behavior: "none"}, edge.Selection{Behavior: "all"})
	return []rule{
		// TTL.
		{name: "nothing said: DefaultTTL", steps: []ruleStep{get(""), hit(day - sec), anew(sec)}},
		{name: "nothing said and MinTTL above DefaultTTL's default: MinTTL", policy: func(c *edge.CachePolicyConfig) { c.MinTTL = 2 * 86400 }, steps: []ruleStep{get(""), hit(2*day - sec), anew(sec)}},
		{name: "max-age between MinTTL and MaxTTL", policy: min60, steps: []ruleStep{get("Cache-Control: max-age=100"), hit(99 * sec), anew(sec)}},
		{name: "max-age below MinTTL", policy: min60, steps: []ruleStep{get("Cache-Control: max-age=1"), hit(59 * sec), anew(sec)}},
		{name: "max-age above MaxTTL", policy: min60, steps: []ruleStep{get("Cache-Control: max-age=9999"), hit(7199 * sec), anew(sec)}},
		{name: "s-maxage before max-age", steps: []ruleStep{get("Cache-Control: max-age=1, s-maxage=9"), hit(8 * sec), anew(sec)}},
		{name: "max-age before Expires", steps: []ruleStep{get("Cache-Control: max-age=9|Expires: Thu, 01 Jan 1970 00:00:00 GMT"), hit(8 * sec), anew(sec)}},
		{name: "Expires less Date", steps: []ruleStep{get("Date: Thu, 01 Jan 2026 00:00:00 GMT|Expires: Thu, 01 Jan 2026 00:00:09 GMT"), hit(8 * sec), anew(sec)}},
		{name: "no-store is asked for anew", steps: []ruleStep{get("Cache-Control: no-store"), anew(0)}},
		{name: "private is asked for anew", steps: []ruleStep{get("Cache-Control: private, max-age=9"), anew(0)}},
		{name: "no-cache is validated each time", steps: []ruleStep{get(`Cache-Control: no-cache|Etag: "1"`), {reply: "304", want: "200 RefreshHit one", heard: []string{"GET /a", `If-None-Match: "1"`}}}},
		{name: "no-store with MinTTL is kept for that", policy: min60, steps: []ruleStep{get("Cache-Control: no-store"), hit(59 * sec), anew(sec)}},
		{name: "no-cache with MinTTL is kept for that", policy: min60, steps: []ruleStep{get("Cache-Control: no-cache"), hit(59 * sec), anew(sec)}},
		{name: "Age of the origin counts", steps: []ruleStep{get("Cache-Control: max-age=9|Age: 4"), {wait: 4 * sec, want: "200 Hit one", has: []string{"Age: 8"}}, anew(sec)}},
		{name: "a miss has no Age", steps: []ruleStep{{reply: "200|Age: 4||one", want: "200 Miss one", has: []string{"Age:"}}}},
		{name: "Cache-Control and Expires reach the viewer as they are", policy: min60, steps: []ruleStep{
			{reply: "200|Cache-Control: max-age=1|Expires: x||one", want: "200 Miss one", has: []string{"Cache-Control: max-age=1", "Expires: x"}}, {want: "200 Hit one", has: []string{"Cache-Control: max-age=1", "Expires: x"}},
		}},
		{name: "the viewer's Cache-Control is ignored", steps: []ruleStep{get(""), {ask: "GET /a|Cache-Control: no-cache, no-store|Pragma: no-cache", want: "200 Hit one"}}},
		{name: "all TTLs 0: no caching", policy: ttls(0, 0, 0), steps: []ruleStep{get("Cache-Control: max-age=9"), anew(0)}},
		{name: "CDN-Cache-Control goes before Cache-Control", steps: []ruleStep{get("Cache-Control: max-age=1|CDN-Cache-Control: max-age=9"), hit(8 * sec), anew(sec)}},
		{name: "Surrogate-Control goes before Cache-Control", steps: []ruleStep{get("Cache-Control: no-store|Surrogate-Control: max-age=9"), hit(8 * sec), anew(sec)}},

		// What is stored.
		{name: "POST passes and invalidates nothing", steps: []ruleStep{get(""), {ask: "POST /a|body: x", reply: "200||post", want: "200 Miss post"}, hit(0)}},
		{name: "OPTIONS passes where it is not cached", steps: []ruleStep{{ask: "OPTIONS /a", reply: "200||o", want: "200 Miss o"}, {ask: "OPTIONS /a", reply: "200||p", want: "200 Miss p"}}},
		{name: "OPTIONS is cached apart where the behavior says so", dist: defaultBehavior(func(b *edge.CacheBehavior) { b.CachedMethods = strings.Fields("GET HEAD OPTIONS") }), steps: []ruleStep{
			{ask: "OPTIONS /a", reply: "200||o", want: "200 Miss o"}, {ask: "OPTIONS /a", want: "200 Hit o"}, get(""), hit(0),
		}},
		{name: "a body that is shorter than its length is sent on and not kept", steps: []ruleStep{{reply: "200|Content-Length: 9||one", want: "broken"}, anew(0)}},
		{name: "chunks that do not end are sent on and not kept", steps: []ruleStep{{reply: "200|Transfer-Encoding: chunked||3\r\none\r\n", want: "broken"}, anew(0)}},
		{name: "a body that ends with the connection is not kept", steps: []ruleStep{{reply: "200|close||one", want: "200 Miss one"}, anew(0)}},
		{name: "chunks that end are kept", steps: []ruleStep{{reply: "200|Transfer-Encoding: chunked||3\r\none\r\n0\r\n\r\n", want: "200 Miss one"}, hit(0)}},
		{name: "301 is cached and not followed", steps: []ruleStep{{reply: "301|Location: /b", want: "301 Miss"}, {want: "301 Hit", has: []string{"Location: /b"}}}},
		{name: "307 is not cached without Cache-Control", steps: []ruleStep{{reply: "307|Location: /b", want: "307 Miss"}, {reply: "307", want: "307 Miss"}}},
		{name: "308 is cached with Cache-Control", steps: []ruleStep{{reply: "308|Cache-Control: max-age=9", want: "308 Miss"}, {wait: 8 * sec, want: "308 Hit"}}},
		{name: "204 is cached", steps: []ruleStep{{reply: "204|Content-Length: 0", want: "204 Miss"}, {want: "204 Hit"}}},

		// Vary and cookies.
		{name: "Vary on what is not forwarded is dropped", steps: []ruleStep{{ask: "GET /a|Foo: 1", reply: "200|Vary: Foo||one", want: "200 Miss one", has: []string{"Vary:"}}, {ask: "GET /a|Foo: 2", want: "200 Hit one"}}},
		{name: "Vary on what is forwarded tells variants apart", dist: allViewer, steps: []ruleStep{
			{ask: "GET /a|Foo: 1", reply: "200|Vary: Foo||one", want: "200 Miss one", has: []string{"Vary: Foo"}},
			{ask: "GET /a|Foo: 2", reply: "200|Vary: Foo||two", want: "200 Miss two"},
			{ask: "GET /a|Foo: 1", want: "200 Hit one"},
			{ask: "GET /a|Foo: 2", want: "200 Hit two"},
		}},
		{name: "Vary: * is asked for anew without conditions", steps: []ruleStep{get(`Vary: *|Etag: "1"`), {reply: "200||two", want: "200 Miss two", heard: []string{"GET /a", "If-None-Match:"}}}},
		{name: "Set-Cookie is dropped where no cookie is forwarded", steps: []ruleStep{{reply: "200|Set-Cookie: a=b||one", want: "200 Miss one", has: []string{"Set-Cookie:"}}, {want: "200 Hit one", has: []string{"Set-Cookie:"}}}},
		{name: "Set-Cookie is stored where cookies are forwarded", policy: cookies, steps: []ruleStep{
			{reply: "200|Set-Cookie: a=b||one", want: "200 Miss one", has: []string{"Set-Cookie: a=b"}}, {want: "200 Hit one", soon: true, times: -1, has: []string{"Set-Cookie: a=b"}},
		}},

		// Revalidation and stale.
		{name: "304 refreshes header and TTL", steps: []ruleStep{get(`Cache-Control: max-age=9|Etag: "1"|X-V: 1`), {
			wait: 9 * sec, reply: "304|Cache-Control: max-age=99|X-V: 2", want: "200 RefreshHit one", has: []string{"X-V: 2"}, heard: []string{"GET /a", `If-None-Match: "1"`},
		}, {wait: 98 * sec, want: "200 Hit one", has: []string{"X-V: 2"}}}},
		{name: "200 to a condition is a miss", steps: []ruleStep{get(`Cache-Control: max-age=9|Etag: "1"`), {wait: 9 * sec, reply: "200||two", want: "200 Miss two", heard: []string{"GET /a", `If-None-Match: "1"`}}}},
		{name: "a date is a condition too", steps: []ruleStep{
			get("Cache-Control: max-age=9|Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"), {wait: 9 * sec, reply: "304", want: "200 RefreshHit one", heard: []string{"GET /a", "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT"}},
		}},
		{name: "the viewer's conditions are answered from the cache", steps: []ruleStep{get(`Etag: "1"`), {ask: `GET /a|If-None-Match: "1"`, want: "304 Hit", has: []string{`Etag: "1"`}}, {ask: `GET /a|If-None-Match: "2"`, want: "200 Hit one"}}},
		{name: "stale-while-revalidate answers at once and refreshes behind", steps: []ruleStep{
			get("Cache-Control: max-age=9, stale-while-revalidate=9"), {wait: 10 * sec, reply: "200||two", want: "200 Hit one", has: []string{"Age: 10"}}, {want: "200 Hit two", soon: true},
		}},
		{name: "after its window stale-while-revalidate waits", steps: []ruleStep{get("Cache-Control: max-age=9, stale-while-revalidate=9"), anew(19 * sec)}},
		{name: "MaxTTL bounds stale-while-revalidate", policy: ttls(0, 5, 5), steps: []ruleStep{get("Cache-Control: max-age=5, stale-while-revalidate=999"), anew(11 * sec)}},
		{name: "stale is served when the origin answers 5xx", steps: []ruleStep{get("Cache-Control: max-age=9"), fails(9*sec, "200 Hit one")}},
		{name: "stale is served when the origin hangs up", steps: []ruleStep{get("Cache-Control: max-age=9"), {wait: 9 * sec, reply: "hangs up", want: "200 Hit one", times: -1}}},
		{name: "after a failure nobody waits, until it is tried again behind", steps: []ruleStep{
			get("Cache-Control: max-age=9"), fails(9*sec, "200 Hit one"), hit(9 * sec), {wait: sec, reply: "200||two", want: "200 Hit one"}, {want: "200 Hit two", soon: true},
		}},
		{name: "stale-if-error bounds it", steps: []ruleStep{get("Cache-Control: max-age=9, stale-if-error=9"), fails(10*sec, "200 Hit one"), fails(9*sec, "503 Error down")}},
		{name: "stale-if-error=0 forbids it", steps: []ruleStep{get("Cache-Control: max-age=9, stale-if-error=0"), fails(9*sec, "503 Error down")}},
		{name: "must-revalidate forbids it", steps: []ruleStep{get("Cache-Control: max-age=9, must-revalidate"), fails(9*sec, "503 Error down")}},
		{name: "proxy-revalidate forbids it", steps: []ruleStep{get("Cache-Control: max-age=9, proxy-revalidate"), fails(9*sec, "503 Error down")}},
		{name: "a 404 replaces what is stored", steps: []ruleStep{get("Cache-Control: max-age=9"), {wait: 9 * sec, reply: "404||gone", want: "404 Error gone"}, {want: "404 Error gone"}}},

		// Ranges and HEAD.
		{name: "a range comes from the whole that is stored", steps: []ruleStep{get(""), {ask: "GET /a|Range: bytes=1-", want: "206 Hit ne", has: []string{"Content-Range: bytes 1-2/3"}}}},
		{name: "a range from the end", steps: []ruleStep{get(""), {ask: "GET /a|Range: bytes=-1", want: "206 Hit e", has: []string{"Content-Range: bytes 2-2/3"}}}},
		{name: "a range beyond the end is 416, which is not kept", steps: []ruleStep{get(""), {ask: "GET /a|Range: bytes=3-", want: "416 Error", has: []string{"Content-Range: bytes */3"}}, hit(0)}},
		{name: "a range that is none gets the whole", steps: []ruleStep{get(""), {ask: "GET /a|Range: bytes=2-1", want: "200 Hit one"}}},
		{name: "If-Range with another tag gets the whole", steps: []ruleStep{get(`Etag: "1"`), {ask: `GET /a|Range: bytes=0-0|If-Range: "2"`, want: "200 Hit one"}, {ask: `GET /a|Range: bytes=0-0|If-Range: "1"`, want: "206 Hit o"}}},
		{name: "an origin that ignores the range: later ranges come from the cache", steps: []ruleStep{
			{ask: "GET /a|Range: bytes=0-0", reply: "200||one", want: "206 Miss o", times: -1}, {ask: "GET /a|Range: bytes=1-1", want: "206 Hit n", soon: true},
		}},
		{name: "HEAD gives a GET nothing that is not there", steps: []ruleStep{{ask: "HEAD /a", reply: "200||one", want: "200 Miss", has: []string{"Content-Length: 3"}, times: -1}, {reply: "200||one", want: "200 Hit one", soon: true, times: -1}}},
	}
}

// collapses shows that viewers of one cold key wait for one request, and that those of what is nobody else's do not.
func collapses(t *testing.T, u *rules) {
	const viewers = 50
	for _, c := range []struct {
		name   string
		policy func(*edge.CachePolicyConfig)
		reply  string
		before int // requests at the origin before it answers one
		want   int // in all
	}{
		{"viewers of one cold key share one request", nil, "200||one", 1, 1},
		{"viewers wait for one that may not be kept, and then ask themselves", nil, "200|Cache-Control: no-store||one", 1, viewers},
		{"where cookies are forwarded nobody waits", keyed(edge.Selection{Behavior: "none"}, edge.Selection{Behavior: "none"}, edge.Selection{Behavior: "all"}), "200||one", viewers, viewers},
		{"where nothing is cached nobody waits", ttls(0, 0, 0), "200||one", viewers, viewers},
	} {
		t.Run(c.name, func(t *testing.T) {
			u.t = t
			d := u.distribution(rule{name: c.name, policy: c.policy})
			gate := make(chan struct{})
			u.mu.Lock()
			u.reply, u.heard, u.slow = c.reply, nil, gate
			u.mu.Unlock()
			var all sync.WaitGroup
			answers := make([]string, viewers)
			for i := range viewers {
				all.Go(func() { answers[i], _ = u.ask(d.DomainName, fmt.Sprintf("GET /a|Cookie: a=b|X-Viewer: %d", i)) })
			}
			if n := len(u.requests(c.before)); n != c.before {
				t.Errorf("%d requests came to the origin before it answered, want %d", n, c.before)
			}
			close(gate)
			all.Wait()
			u.mu.Lock()
			heard := len(u.heard)
			u.slow = nil
			u.mu.Unlock()
			if heard != c.want {
				t.Errorf("the origin was asked %d times, want %d", heard, c.want)
			}
			for i, a := range answers {
				if !strings.HasSuffix(a, " one") || !strings.HasPrefix(a, "200 ") {
					t.Errorf("viewer %d got %q", i, a)
				}
			}
		})
	}
}
