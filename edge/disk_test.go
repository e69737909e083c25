package edge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"glassine/edge/cache"
	"glassine/edge/http1"
	"glassine/iam"
	"glassine/state"
)

// diskRig is a rig with a disk tier that can be restarted. down makes its origin fail.
type diskRig struct {
	*rig
	cfg  Config
	down atomic.Bool
	asks atomic.Int32 // of the origin
}

func newDiskRig(t *testing.T, s setup) *diskRig {
	t.Helper()
	d := &diskRig{}
	origin := s.origin
	s.origin = func(r *http.Request) (*http.Response, error) {
		if d.down.Load() {
			return nil, errors.New("origin is down")
		}
		d.asks.Add(1)
		return origin(r)
	}
	change, records := s.config, new(state.Memory)
	s.config = func(c *Config) {
		if change != nil {
			change(c)
		}
		ids, err := iam.New(t.Context(), iam.Config{State: records, Account: account, Key: [32]byte{1}})
		if err != nil {
			t.Fatal(err)
		}
		c.State, c.IAM, c.CacheDir = records, ids, t.TempDir()
		d.cfg = *c
	}
	d.rig = newRig(t, s)
	return d
}

// restart ends the edge and begins another on its records and its disk, with the origin down.
func (d *diskRig) restart(t *testing.T) {
	t.Helper()
	d.Edge.Close()
	d.log.Reset()
	e, err := New(t.Context(), d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cache.Disk().Err; err != nil {
		t.Fatal(err)
	}
	d.Edge = e
	d.down.Store(true)
}

// settled waits until what was asked for is stored.
func (d *diskRig) settled(t *testing.T) {
	t.Helper()
	if err := d.cache.Flush(); err != nil {
		t.Fatal(err)
	}
}

// big is a body of n bytes in which every place is another.
func bigBody(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%07d\n", i)
	}
	return b.String()[:n]
}

func TestWhatIsCachedIsServedAfterARestart(t *testing.T) {
	small, large := bigBody(1000), bigBody(300<<10)
	byLanguage := func(r *http.Request) (*http.Response, error) {
		return response(200, "in "+r.Header.Get("Accept-Language"), "Vary", "Accept-Language", "Etag", `"v"`, "Cache-Control", "max-age=3600"), nil
	}
	forwarding := func(rg *rig, b *CacheBehavior) {
		p, err := rg.OriginRequestPolicies.Create(t.Context(), rg.root, OriginRequestPolicyConfig{
			Name: "p", Headers: Selection{"whitelist", []string{"Accept-Language"}}, Cookies: Selection{Behavior: "none"}, QueryStrings: Selection{Behavior: "none"},
		})
		if err != nil {
			t.Fatal(err)
		}
		b.OriginRequestPolicyID = p.ID
	}
	rfc := func(c *CachePolicyConfig) { c.Headers = Selection{"whitelist", []string{SemanticsHeader}} }
	photo := []string{"Content-Type", "image/jpeg", "Etag", `"v1"`, "Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT", "Cache-Control", "max-age=3600"}
	type ask struct {
		fields []string
		status int
		body   string
	}
	for _, c := range []struct {
		name   string
		setup  setup
		change func(*rig, *CacheBehavior)
		asks   []ask
	}{
		{"a small body", setup{origin: always(200, small, photo...)}, nil, []ask{
			{nil, 200, small},
			{[]string{"Range", "bytes=10-19"}, 206, small[10:20]},
			{[]string{"If-None-Match", `"v1"`}, 304, ""},
			{[]string{"If-Modified-Since", "Wed, 21 Oct 2015 07:28:00 GMT"}, 304, ""},
		}},
		{"a body in a file", setup{origin: always(200, large, photo...)}, nil, []ask{
			{nil, 200, large},
			{[]string{"Range", "bytes=200000-299999"}, 206, large[200000:300000]},
			{[]string{"Range", "bytes=-1"}, 206, large[len(large)-1:]},
			{[]string{"If-None-Match", `"v1"`}, 304, ""},
		}},
		{"variants", setup{origin: byLanguage}, forwarding, []ask{
			{[]string{"Accept-Language", "de"}, 200, "in de"},
			{[]string{"Accept-Language", "fr"}, 200, "in fr"},
			{[]string{"Accept-Language", "en"}, 200, "in en"},
		}},
		{"by RFC 9111", setup{origin: always(200, large, photo...), policy: rfc}, nil, []ask{
			{nil, 200, large},
			{[]string{"Range", "bytes=200000-299999"}, 206, large[200000:300000]},
			{[]string{"If-None-Match", `"v1"`}, 304, ""},
			{[]string{"Cache-Control", "max-age=3000"}, 200, large},
		}},
		{"variants by RFC 9111", setup{origin: byLanguage, policy: rfc}, forwarding, []ask{
			{[]string{"Accept-Language", "de"}, 200, "in de"},
			{[]string{"Accept-Language", "fr"}, 200, "in fr"},
		}},
		{"an error of the origin", setup{origin: always(404, "no such thing", "Cache-Control", "max-age=3600")}, nil, []ask{{nil, 404, "no such thing"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDiskRig(t, c.setup)
			defer func() { d.Edge.Close() }()
			if c.change != nil {
				if _, err := d.UpdateDistribution(t.Context(), d.root, d.dist.ID, d.dist.ETag, with1(d.dist.Config, func(b *CacheBehavior) { c.change(d.rig, b) })); err != nil {
					t.Fatal(err)
				}
			}
			for _, a := range c.asks {
				d.get("/a", a.fields...)
				d.settled(t)
			}
			d.restart(t)
			for range 2 {
				for _, ask := range c.asks {
					a := d.get("/a", ask.fields...)
					want := "Hit"
					if ask.status == 404 {
						want = "Error"
					}
					if a.status != ask.status || a.body != ask.body || a.xCache() != want || a.broken {
						t.Errorf("%q after a restart: %d, %d bytes, X-Cache %q; want %d, %d bytes, %s", ask.fields, a.status, len(a.body), a.xCache(), ask.status, len(ask.body), want)
					}
				}
			}
		})
	}
}

// with1 is c with its default behavior changed.
func with1(c DistributionConfig, f func(*CacheBehavior)) DistributionConfig {
	f(&c.DefaultCacheBehavior)
	return c
}

func TestInvalidationStaysInForceAfterARestart(t *testing.T) {
	d := newDiskRig(t, setup{
		origin: func(r *http.Request) (*http.Response, error) {
			return response(200, r.URL.Path, "X-Tag", r.URL.Path[1:2]), nil
		},
		dist: func(c *DistributionConfig) { c.CacheTagHeader = "X-Tag" },
	})
	defer func() { d.Edge.Close() }()
	other, err := d.CreateDistribution(t.Context(), d.root, with2(plainDistribution(d.dist.Config.DefaultCacheBehavior.CachePolicyID)))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(domain, path string) answer {
		r := httptest.NewRequest("GET", "https://"+domain+path, nil)
		r.RequestURI = path
		return d.send(r)
	}
	paths := []string{"/a1", "/a2", "/b1", "/c1", "/c2", "/d1"}
	for _, domain := range []string{d.dist.DomainName, other.DomainName} {
		for _, path := range paths {
			ask(domain, path)
		}
	}
	d.settled(t)
	if _, err := d.Invalidate(t.Context(), d.root, d.dist.ID, "1", []string{"/a*", "/b1", "#C"}); err != nil {
		t.Fatal(err)
	}
	d.restart(t)
	for _, path := range paths {
		want := 502
		if path == "/d1" {
			want = 200
		}
		if a := ask(d.dist.DomainName, path); a.status != want {
			t.Errorf("%s after an invalidation and a restart: %d, want %d", path, a.status, want)
		}
		if a := ask(other.DomainName, path); a.status != 200 || a.xCache() != "Hit" {
			t.Errorf("%s of another distribution: %d, X-Cache %q; want a hit", path, a.status, a.xCache())
		}
	}
}

func with2(c DistributionConfig) DistributionConfig {
	c.CallerReference, c.CacheTagHeader = "another", "X-Tag"
	return c
}

func TestDeletedDistributionLeavesNothingToServe(t *testing.T) {
	d := newDiskRig(t, setup{origin: always(200, "0123456789")})
	defer func() { d.Edge.Close() }()
	d.get("/a")
	d.settled(t)
	key := lookupKey(d.rig, d.request("GET", "/a"))
	if d.cache.Recall(t.Context(), key) == nil {
		t.Fatal("nothing is stored")
	}
	c := d.dist.Config
	c.Enabled = false
	off, err := d.UpdateDistribution(t.Context(), d.root, d.dist.ID, d.dist.ETag, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteDistribution(t.Context(), d.root, off.ID, off.ETag); err != nil {
		t.Fatal(err)
	}
	if d.cache.Recall(t.Context(), key) != nil {
		t.Error("what was cached for it is there")
	}
	d.restart(t)
	if d.cache.Recall(t.Context(), key) != nil {
		t.Error("what was cached for it is there after a restart")
	}
}

// Over TCP the loop sends bodies from their files by sendfile, over TLS and through net/http by copies: all the same bytes.
func TestBodiesInFilesAreSentWhole(t *testing.T) {
	body := bigBody(700<<10 + 13)
	d := newDiskRig(t, setup{origin: always(200, body, "Etag", `"v1"`, "Cache-Control", "max-age=3600"), dist: func(c *DistributionConfig) {
		c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
	}})
	defer func() { d.Edge.Close() }()
	d.get("/a")
	d.settled(t)
	d.down.Store(true)
	if e := d.cache.Find(lookupKey(d.rig, d.request("GET", "/a"))); e == nil || e.Body != nil {
		t.Fatal("the body is not in a file")
	}
	count := &counting{Edge: d.Edge}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http1.Server{HTTP: &http.Server{Handler: d.Edge}, Responder: count, StallTimeout: DefaultStallTimeout}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, c := range []struct {
		lines  string
		status int
		want   string
	}{
		{"", 200, body},
		{"Range: bytes=0-0\r\n", 206, body[:1]},
		{"Range: bytes=65535-700000\r\n", 206, body[65535:700001]},
		{"If-None-Match: \"v1\"\r\n", 304, ""},
		{"Connection: close\r\n", 200, body},
	} {
		if _, err := io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: "+d.dist.DomainName+"\r\n"+c.lines+"\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != c.status || string(got) != c.want {
			t.Errorf("%q: %d, %d bytes, %v; want %d, %d bytes", c.lines, resp.StatusCode, len(got), err, c.status, len(c.want))
		}
	}
	if n := count.answered.Load(); n != 5 {
		t.Errorf("the loop answered %d of 5", n)
	}
}

func TestEdgeGoesOnWithoutADiskThatCannotBeUsed(t *testing.T) {
	d := newDiskRig(t, setup{origin: always(200, "0123456789")})
	defer d.Edge.Close()
	second := d.cfg // of a directory that another edge has
	e, err := New(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.cache.Disk().Err == nil {
		t.Error("two edges use one directory")
	}
	first := d.Edge
	d.Edge = e
	d.get("/a")
	a := d.get("/a")
	at(t, a.xCache(), "Hit", "X-Cache without a disk")
	d.Edge = first
	var none cache.DiskStats
	if s := e.cache.Disk(); s.Objects != none.Objects {
		t.Errorf("%d objects on disk", s.Objects)
	}
}
