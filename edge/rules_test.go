package edge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ruled is an edge behind a listener, in front of an origin behind another, with a clock of its own.
type ruled struct {
	*rig
	t      *testing.T
	viewer *httptest.Server
	client *http.Client
	ahead  atomic.Int64 // of the real clock, nanoseconds

	mu     sync.Mutex // guards what follows
	answer func(w http.ResponseWriter, r *http.Request)
	asked  []string // what the origin heard: method, conditions and range
}

func newRuled(t *testing.T, s setup) *ruled {
	u := &ruled{t: t}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard := r.Method
		for _, name := range []string{"If-None-Match", "If-Modified-Since", "Range"} {
			if v := r.Header.Get(name); v != "" {
				heard += " " + name + "=" + v
			}
		}
		u.mu.Lock()
		u.asked = append(u.asked, heard)
		answer := u.answer
		u.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(origin.Close)
	transport := NewOriginTransport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, origin.Listener.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	config, dist := s.config, s.dist
	s.origin = transport.RoundTrip
	s.config = func(c *Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(u.ahead.Load())) }
		if config != nil {
			config(c)
		}
	}
	s.dist = func(c *DistributionConfig) {
		c.Origins[0].Custom = &CustomOrigin{ProtocolPolicy: "http-only"}
		c.Origins[0].ConnectionAttempts = 1
		c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
		c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
		if dist != nil {
			dist(c)
		}
	}
	u.rig = newRig(t, s)
	t.Cleanup(u.rig.Close)
	u.viewer = httptest.NewServer(u.rig)
	t.Cleanup(u.viewer.Close)
	u.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(u.client.CloseIdleConnections)
	return u
}

// ask sends a viewer's request; lines are its header. It returns status, X-Cache's word and body.
func (u *ruled) ask(method, target string, lines ...string) (string, http.Header) {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.t.Context(), method, u.viewer.URL+target, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Host = u.dist.DomainName
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	resp, err := u.client.Do(req)
	if err != nil {
		return "broken", nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "broken", nil
	}
	if strings.HasPrefix(string(body), "<!DOCTYPE") {
		body = []byte("page")
	}
	word, _, _ := strings.Cut(resp.Header.Get("X-Cache"), " ")
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", resp.StatusCode, word, body)), resp.Header
}

// answers makes the origin's answer from a status, the lines of a header, and a body.
func (u *ruled) answers(status int, lines []string, body string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = nil
	u.answer = func(w http.ResponseWriter, r *http.Request) {
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		if status != http.StatusNotModified {
			_, _ = io.WriteString(w, body)
		}
	}
}

func (u *ruled) heard() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.asked, ", ")
}

// ruleStep is one request.
type ruleStep struct {
	wait   time.Duration // before it, by the edge's clock
	ask    string        // method and lines of the header, separated by "|"; "" is GET
	status int           // of the origin, should it be asked; 0: it hangs up
	lines  []string      // of the origin's header
	body   string
	want   string // status, X-Cache, body
	asked  string // what the origin must hear
	field  string // "Name: value" that the answer must have; "Name:" one that it must not have
	soon   bool   // want comes to be true within 5 s, with what was refreshed behind
}

func (u *ruled) run(steps []ruleStep) {
	u.t.Helper()
	for i, s := range steps {
		u.ahead.Add(int64(s.wait))
		u.answers(s.status, s.lines, s.body)
		parts := strings.Split(s.ask, "|")
		if parts[0] == "" {
			parts[0] = "GET"
		}
		got, header := u.ask(parts[0], "/a", parts[1:]...)
		for end := time.Now().Add(5 * time.Second); s.soon && got != s.want && time.Now().Before(end); {
			got, header = u.ask(parts[0], "/a", parts[1:]...)
		}
		if got != s.want {
			u.t.Errorf("step %d: %q, want %q", i+1, got, s.want)
		}
		heard := u.heard()
		for end := time.Now().Add(5 * time.Second); heard != s.asked && s.asked != "" && time.Now().Before(end); {
			heard = u.heard() // a refresh behind may still be on its way
		}
		if heard != s.asked && !s.soon {
			u.t.Errorf("step %d: the origin heard %q, want %q", i+1, heard, s.asked)
		}
		if name, value, ok := strings.Cut(s.field, ":"); ok && header.Get(name) != strings.TrimSpace(value) {
			u.t.Errorf("step %d: %s = %q, want %q", i+1, name, header.Get(name), strings.TrimSpace(value))
		}
	}
}

func ttls(least, normal, most int64) func(*CachePolicyConfig) {
	return func(c *CachePolicyConfig) { c.MinTTL, c.DefaultTTL, c.MaxTTL = least, &normal, &most }
}

func allViewer(c *DistributionConfig) {
	c.DefaultCacheBehavior.OriginRequestPolicyID = "216adef6-5c7f-47e4-b989-5492eafa07d3"
}

// Rules of how CloudFront caches, through real sockets: what strictness changes and when and how often the origin is asked. The others
// have their rows in e2e, for the whole system.
func TestCachingRules(t *testing.T) {
	t.Parallel()
	cc := func(s string, more ...string) []string { return append([]string{"Cache-Control: " + s}, more...) }
	hit := func(after time.Duration, body string) ruleStep { return ruleStep{wait: after, want: "200 Hit " + body} }
	miss := func(after time.Duration, body string) ruleStep {
		return ruleStep{wait: after, status: 200, body: body, want: "200 Miss " + body, asked: "GET"}
	}
	first := func(lines []string) ruleStep {
		return ruleStep{status: 200, lines: lines, body: "one", want: "200 Miss one", asked: "GET"}
	}
	fails := func(after time.Duration, want string) ruleStep {
		return ruleStep{wait: after, status: 503, body: "down", want: want, asked: "GET"}
	}
	const sec = time.Second
	strict := func(s Strict) setup { return setup{config: func(c *Config) { c.Strict = s }} }
	for _, c := range []struct {
		name  string
		setup setup
		steps []ruleStep
	}{
		{"strict: CDN-Cache-Control is not known", strict(Strict{Targeted: true}), []ruleStep{first(cc("max-age=1", "CDN-Cache-Control: max-age=9")), miss(sec, "two")}},
		// Methods.
		{"HEAD fills as GET, and a GET hits", setup{}, []ruleStep{{ask: "HEAD", status: 200, body: "one", want: "200 Miss", asked: "GET", field: "Content-Length: 3"}, hit(0, "one")}},
		// Vary and cookies.
		{"a request without what Vary names is a variant too", setup{dist: allViewer}, []ruleStep{
			{ask: "GET|Foo: 1", status: 200, lines: []string{"Vary: Foo"}, body: "one", want: "200 Miss one", asked: "GET", field: "Vary: Foo"},
			{ask: "GET", status: 200, lines: []string{"Vary: Foo"}, body: "two", want: "200 Miss two", asked: "GET"},
		}},
		{"strict: Vary beyond the key is ignored", setup{dist: allViewer, config: func(c *Config) { c.Strict.Vary = true }}, []ruleStep{
			{ask: "GET|Foo: 1", status: 200, lines: []string{"Vary: Foo"}, body: "one", want: "200 Miss one", asked: "GET"}, {ask: "GET|Foo: 2", want: "200 Hit one"},
		}},
		// Revalidation and stale.
		{"stale-while-revalidate answers at once and refreshes behind", setup{}, []ruleStep{
			first(cc("max-age=9, stale-while-revalidate=9")),
			{wait: 10 * sec, status: 200, body: "two", want: "200 Hit one", asked: "GET", field: "Age: 10"},
			{status: 200, body: "three", want: "200 Hit two", soon: true},
		}},
		{"stale is served when the origin hangs up", setup{}, []ruleStep{first(cc("max-age=9")), {wait: 9 * sec, want: "200 Hit one", asked: "GET, GET"}}},
		{"after a failure nobody waits, until it is tried again behind", setup{}, []ruleStep{
			first(cc("max-age=9")), fails(9*sec, "200 Hit one"), hit(9*sec, "one"),
			{wait: sec, status: 200, body: "two", want: "200 Hit one", asked: "GET"},
			{status: 200, body: "three", want: "200 Hit two", soon: true},
		}},
		{"strict: must-revalidate does not", strict(Strict{MustRevalidate: true}), []ruleStep{first(cc("max-age=9, must-revalidate")), fails(9*sec, "200 Hit one")}},
		// Ranges.
		{"a range that is not stored fetches the whole", setup{}, []ruleStep{{ask: "GET|Range: bytes=0-0", status: 200, body: "one", want: "206 Miss o", asked: "GET"}, hit(0, "one")}},
		{"several ranges that descend get the whole", setup{}, []ruleStep{first(nil), {ask: "GET|Range: bytes=2-2,0-0", want: "200 Hit one"}}},
		{"an origin that answers a part unasked: it is not stored", setup{}, []ruleStep{{status: 206, lines: []string{"Content-Range: bytes 0-0/3"}, body: "o", want: "206 Miss o", asked: "GET"}, miss(0, "one")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			newRuled(t, c.setup).run(c.steps)
		})
	}
}

// What RFC 9111 has and CloudFront has not; the rest is http-cache-tests in e2e.
func TestRulesOfRFC9111(t *testing.T) {
	t.Parallel()
	s := setup{dist: allViewer, policy: func(c *CachePolicyConfig) {
		c.Headers = Selection{Behavior: "whitelist", Names: []string{SemanticsHeader}}
		c.QueryStrings = Selection{Behavior: "all"}
	}}
	const fresh, tag = "Cache-Control: max-age=9", `Etag: "1"`
	const sec = time.Second
	first := ruleStep{status: 200, lines: []string{fresh, tag}, body: "one", want: "200 Miss one", asked: "GET"}
	part := ruleStep{ask: "GET|Range: bytes=2-5", status: 206, lines: []string{fresh, tag, "Content-Range: bytes 2-5/10"}, body: "cdef", want: "206 Miss cdef", asked: "GET Range=bytes=2-5"}
	for _, c := range []struct {
		name  string
		steps []ruleStep
	}{
		{"no freshness, no storing: DefaultTTL does not count", []ruleStep{{status: 200, body: "one", want: "200 Miss one", asked: "GET"}, {status: 200, body: "two", want: "200 Miss two", asked: "GET"}}},
		{"the viewer's no-cache validates", []ruleStep{first, {ask: "GET|Cache-Control: no-cache", status: 304, want: "200 RefreshHit one", asked: `GET If-None-Match="1"`}}},
		{"only-if-cached asks nobody", []ruleStep{{ask: "GET|Cache-Control: only-if-cached", want: "504 Error page"}, first, {ask: "GET|Cache-Control: only-if-cached", want: "200 Hit one"}}},
		{"max-stale takes what is stale", []ruleStep{first, {wait: 15 * sec, ask: "GET|Cache-Control: max-stale=10", want: "200 Hit one", field: "Age: 15"}}},
		{"no-store of the request stores nothing", []ruleStep{{ask: "GET|Cache-Control: no-store", status: 200, lines: []string{fresh}, body: "x", want: "200 Miss x", asked: "GET"}, first}},
		{"a POST takes away what was stored", []ruleStep{first, {ask: "POST", status: 204, want: "204 Miss", asked: "POST"}, {status: 200, body: "two", want: "200 Miss two", asked: "GET"}}},
		{"a POST that fails does not", []ruleStep{first, {ask: "POST", status: 500, want: "500 Error", asked: "POST"}, {want: "200 Hit one"}}},
		{"a POST whose answer is what a GET gives is stored", []ruleStep{
			{ask: "POST", status: 200, lines: []string{fresh, "Content-Location: /a"}, body: "posted", want: "200 Miss posted", asked: "POST"}, {want: "200 Hit posted"},
		}},
		{"an answer to Authorization is not for others", []ruleStep{
			{ask: "GET|Authorization: x", status: 200, lines: []string{fresh}, body: "mine", want: "200 Miss mine", asked: "GET"}, {status: 200, body: "two", want: "200 Miss two", asked: "GET"},
		}},
		{"stale is served for an hour when the origin fails", []ruleStep{
			first, {wait: 10 * sec, status: 503, want: "200 Hit one", asked: `GET If-None-Match="1"`}, {wait: time.Hour, status: 503, body: "down", want: "503 Error down", asked: `GET If-None-Match="1"`},
		}},
		{"conditions go to the origin on a miss", []ruleStep{{ask: `GET|If-None-Match: "7"`, status: 304, lines: []string{`Etag: "7"`}, want: "304 Miss", asked: `GET If-None-Match="7"`}, first}},
		{"a part answers ranges inside it, and nothing else", []ruleStep{
			part,
			{ask: "GET|Range: bytes=3-4", want: "206 Hit de", field: "Content-Range: bytes 3-4/10"},
			{ask: "GET|Range: bytes=3-6", status: 206, lines: []string{"Content-Range: bytes 3-6/10"}, body: "defg", want: "206 Miss defg", asked: "GET Range=bytes=3-6"},
			{status: 200, lines: []string{fresh}, body: "abcdefghij", want: "200 Miss abcdefghij", asked: "GET"},
			{ask: "GET|Range: bytes=-2", want: "206 Hit ij"},
		}},
		{"a stale part is validated, and gives its range", []ruleStep{
			part, {wait: 10 * sec, ask: "GET|Range: bytes=3-4", status: 304, lines: []string{fresh}, want: "206 Hit de", asked: `GET If-None-Match="1"`, field: "Content-Range: bytes 3-4/10"},
		}},
		{"a part that is shorter than it says is not kept", []ruleStep{
			{ask: "GET|Range: bytes=2-5", status: 206, lines: []string{fresh, "Content-Range: bytes 2-5/10"}, body: "cd", want: "206 Miss cd", asked: "GET Range=bytes=2-5"},
			{ask: "GET|Range: bytes=2-3", status: 206, lines: []string{"Content-Range: bytes 2-3/10"}, body: "cd", want: "206 Miss cd", asked: "GET Range=bytes=2-3"},
		}},
		{"a method that CloudFront does not know passes", []ruleStep{{ask: "M-SEARCH", status: 200, body: "found", want: "200 Miss found", asked: "M-SEARCH"}}},
		{"a field that no-cache names is for the first viewer only", []ruleStep{
			{status: 200, lines: []string{`Cache-Control: max-age=9, no-cache="X-Mine"`, "X-Mine: 1"}, body: "one", want: "200 Miss one", asked: "GET", field: "X-Mine: 1"}, {want: "200 Hit one", field: "X-Mine:"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			newRuled(t, s).run(c.steps)
		})
	}
}
