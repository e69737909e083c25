package edge

import (
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// with makes a rig whose default behavior is changed, after the records that it needs were made.
func with(t *testing.T, s setup, records func(rg *rig, b *CacheBehavior)) *rig {
	t.Helper()
	rg := newRig(t, s)
	cfg := rg.dist.Config
	records(rg, &cfg.DefaultCacheBehavior)
	d, err := rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfg)
	if err != nil {
		t.Fatal(err)
	}
	rg.dist = d
	return rg
}

func TestOriginRequestPolicyAddsToTheOriginRequestAndNotToTheKey(t *testing.T) {
	none := Selection{Behavior: "none"}
	some := func(names ...string) Selection { return Selection{"whitelist", names} }
	viewer := []string{
		"Referer", "https://r", "User-Agent", "Browser", "Authorization", "Bearer t", "Cookie", "a=1; b=2", "X-A", "1", "X-A", "2", "X-Edge-A", "no",
		"Cloudfront-Viewer-Country", "forged", "Range", "bytes=0-1", "If-None-Match", `"x"`, "X-Forwarded-For", "10.0.0.1", "Accept-Encoding", "gzip", "Te", "trailers",
	}
	for _, test := range []struct {
		name   string
		policy OriginRequestPolicyConfig
		query  string            // at the origin, of ?showExif=1&x=2&y=3
		host   string            // "" is the origin's name
		header map[string]string // at the origin, joined by a bar; "" is absent
	}{
		{"nothing", OriginRequestPolicyConfig{Headers: none, Cookies: none, QueryStrings: none}, "showExif=1", "", map[string]string{
			"Referer": "", "User-Agent": "Amazon CloudFront", "Cookie": "", "X-A": "", "X-Forwarded-For": "10.0.0.1, 203.0.113.178",
		}},
		{"some of each", OriginRequestPolicyConfig{Headers: some("referer", "x-a", "User-Agent"), Cookies: some("b"), QueryStrings: some("y")}, "showExif=1&y=3", "", map[string]string{
			"Referer": "https://r", "User-Agent": "Browser", "Cookie": "b=2", "X-A": "1|2", "Authorization": "",
		}},
		{
			"all but some",
			OriginRequestPolicyConfig{Headers: Selection{"allExcept", []string{"Host", "Authorization"}}, Cookies: Selection{"allExcept", []string{"a"}}, QueryStrings: Selection{"allExcept", []string{"showExif", "x"}}},
			"showExif=1&y=3", "",
			map[string]string{"Referer": "https://r", "Authorization": "", "Cookie": "b=2", "X-A": "1|2"},
		},
		{
			"all of the viewer's",
			OriginRequestPolicyConfig{Headers: Selection{Behavior: "allViewer"}, Cookies: Selection{Behavior: "all"}, QueryStrings: Selection{Behavior: "all"}},
			"showExif=1&x=2&y=3", "HOST",
			map[string]string{
				"Referer": "https://r", "User-Agent": "Browser", "Authorization": "Bearer t", "Cookie": "a=1; b=2", "X-A": "1|2",
				"X-Edge-A": "", "Cloudfront-Viewer-Country": "", "Range": "", "If-None-Match": "", "Te": "", "Accept-Encoding": "gzip",
				"X-Forwarded-For": "10.0.0.1, 203.0.113.178",
			},
		},
		{"the viewer's host", OriginRequestPolicyConfig{Headers: some("Host"), Cookies: none, QueryStrings: none}, "showExif=1", "HOST", nil},
		{
			"headers that CloudFront makes",
			OriginRequestPolicyConfig{Headers: some("CloudFront-Viewer-Country", "CloudFront-Viewer-Address", "CloudFront-Forwarded-Proto", "CloudFront-Viewer-ASN", "CloudFront-Is-Mobile-Viewer"), Cookies: none, QueryStrings: none},
			"showExif=1", "",
			map[string]string{
				"Cloudfront-Viewer-Country": "DE", "Cloudfront-Viewer-Address": "203.0.113.178:4711", "Cloudfront-Forwarded-Proto": "https",
				"Cloudfront-Viewer-Asn": "64496", "Cloudfront-Is-Mobile-Viewer": "false",
			},
		},
		{
			"all of the viewer's and the country",
			OriginRequestPolicyConfig{Headers: Selection{"allViewerAndWhitelistCloudFront", []string{"CloudFront-Viewer-Country"}}, Cookies: none, QueryStrings: none},
			"showExif=1", "HOST",
			map[string]string{"Cloudfront-Viewer-Country": "DE", "Referer": "https://r", "Cookie": ""},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := with(t, setup{origin: always(200, "0123", "Cache-Control", "public"), config: func(c *Config) { c.Geo = germany{} }}, func(rg *rig, b *CacheBehavior) {
				test.policy.Name = "p"
				p, err := rg.OriginRequestPolicies.Create(t.Context(), rg.root, test.policy)
				if err != nil {
					t.Fatal(err)
				}
				b.OriginRequestPolicyID = p.ID
			})
			defer rg.Close()
			rg.get("/a?showExif=1&x=2&y=3", viewer...)
			r := rg.requests[0]
			at(t, r.URL.RawQuery, test.query, "query at the origin")
			at(t, r.Host, strings.ReplaceAll(or(test.host, originDomain), "HOST", rg.dist.DomainName), "host at the origin")
			for name, want := range test.header {
				at(t, strings.Join(r.Header[name], "|"), want, name+" at the origin")
			}
			// Where cookies are forwarded nobody waits for another's fill, so the answer may be there before it is stored.
			for i := 0; i < 1000 && rg.get("/a?showExif=1&x=2&y=3", viewer...).xCache() != "Hit"; i++ {
				runtime.Gosched()
			}
			if a := rg.get("/a?showExif=1&x=9", "Referer", "another", "Accept-Encoding", "gzip"); a.xCache() != "Hit" {
				t.Errorf("what the policy chooses is in the key: X-Cache %q", a.xCache())
			}
		})
	}
}

// germany is a Geo that knows one network.
type germany struct{}

func (germany) Place(a netip.Addr) Place {
	if !netip.MustParsePrefix("203.0.113.0/24").Contains(a) {
		return Place{}
	}
	return Place{Country: "DE", CountryName: "Germany", City: "Berlin", AutonomousSystem: "64496", TimeZone: "Europe/Berlin"}
}

func TestChoosersTogetherChooseWhatEitherChooses(t *testing.T) {
	choices := []Selection{
		{Behavior: "none"},
		{Behavior: "all"},
		{"whitelist", []string{"a", "b"}},
		{"whitelist", []string{"b", "c"}},
		{"allExcept", []string{"a", "b"}},
		{"allExcept", []string{"b", "c"}},
	}
	for _, one := range choices {
		for _, other := range choices {
			x, y := newChooser(one), newChooser(other)
			both := x.or(y)
			for _, name := range []string{"a", "b", "c", "d"} {
				if got, want := both.has(name), x.has(name) || y.has(name); got != want {
					t.Errorf("%v or %v has %q: %v, want %v", one, other, name, got, want)
				}
			}
		}
	}
}

func TestViewerDerivedHeadersInTheKey(t *testing.T) {
	rg := newRig(t, setup{
		origin: always(200, "ok"), config: func(c *Config) { c.Geo = germany{} },
		policy: func(p *CachePolicyConfig) {
			p.Headers = Selection{"whitelist", []string{"CloudFront-Viewer-Country", "CloudFront-Is-Mobile-Viewer"}}
		},
	})
	defer rg.Close()
	const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
	rg.get("/a", "CloudFront-Viewer-Country", "FR")
	at(t, rg.requests[0].Header.Get("Cloudfront-Viewer-Country"), "DE", "country at the origin")
	at(t, rg.get("/a").xCache(), "Hit", "the same again")
	at(t, rg.get("/a", "User-Agent", phone).xCache(), "Miss", "a phone")
	at(t, rg.requests[1].Header.Get("Cloudfront-Is-Mobile-Viewer"), "true", "mobile at the origin")
	elsewhere := rg.request("GET", "/a", "Cloudfront-Viewer-Country", "DE")
	elsewhere.RemoteAddr = "198.51.100.1:1"
	at(t, rg.send(elsewhere).xCache(), "Miss", "from elsewhere")
	at(t, len(rg.requests[2].Header["Cloudfront-Viewer-Country"]), 0, "countries of an unknown address")
}

func TestDevicesAreToldByTheirUserAgents(t *testing.T) {
	for agent, want := range map[string]device{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1": {ios: true, kind: "mobile"},
		"Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148":                                    {ios: true, kind: "tablet"},
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36":                       {android: true, kind: "mobile"},
		"Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/120.0 Safari/537.36":                              {android: true, kind: "tablet"},
		"Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36":                                                         {kind: "smarttv"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36":                             {kind: "desktop"},
		"": {kind: "desktop"},
	} {
		v := viewer{header: headerMap{"User-Agent": {agent}}}
		if got := v.device(); got != want {
			t.Errorf("%q: %+v, want %+v", agent, got, want)
		}
	}
}

func TestResponseHeadersPolicyOnAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy ResponseHeadersPolicyConfig
		ask    []string          // header of the request
		method string            // "" is GET
		want   map[string]string // of the answer, joined by a bar; "" is absent
	}{
		{
			"custom headers, of which one replaces the origin's",
			ResponseHeadersPolicyConfig{Custom: []CustomHeader{{"x-new", "n", false}, {"X-Own", "replaced", true}, {"X-Kept", "not", false}}},
			nil, "",
			map[string]string{"X-New": "n", "X-Own": "replaced", "X-Kept": "kept"},
		},
		{
			"removal comes first",
			ResponseHeadersPolicyConfig{Remove: []string{"x-own", "X-Kept"}, Custom: []CustomHeader{{"X-Own", "again", false}}},
			nil, "",
			map[string]string{"X-Own": "again", "X-Kept": ""},
		},
		{"removal of Server leaves ours", ResponseHeadersPolicyConfig{Remove: []string{"Server"}}, nil, "", map[string]string{"Server": "CloudFront"}},
		{"security headers", ResponseHeadersPolicyConfig{Security: &SecurityHeaders{
			XSSProtection: &XSSProtection{Protection: true, ModeBlock: true}, FrameOptions: &Overridable{Value: "DENY"}, ReferrerPolicy: &Overridable{Value: "no-referrer"},
			ContentSecurityPolicy: &Overridable{Value: "default-src 'none'"}, ContentTypeOptions: &Overridable{}, StrictTransportSecurity: &StrictTransportSecurity{MaxAge: 60, IncludeSubdomains: true, Preload: true},
		}}, nil, "", map[string]string{
			"X-Xss-Protection": "1; mode=block", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'",
			"X-Content-Type-Options": "nosniff", "Strict-Transport-Security": "max-age=60; includeSubDomains; preload",
		}},
		{"no CORS without an Origin", ResponseHeadersPolicyConfig{CORS: corsFor("*")}, nil, "", map[string]string{"Access-Control-Allow-Origin": "origins-own"}},
		{"CORS for any origin leaves the origin's", ResponseHeadersPolicyConfig{CORS: corsFor("*")}, []string{"Origin", "https://a.example.com"}, "", map[string]string{"Access-Control-Allow-Origin": "origins-own"}},
		{"CORS for any origin replaces the origin's", ResponseHeadersPolicyConfig{CORS: override(corsFor("*"))}, []string{"Origin", "https://a.example.com"}, "", map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "X-A", "Access-Control-Allow-Methods": "", "Vary": "",
		}},
		{"CORS for one origin", ResponseHeadersPolicyConfig{CORS: override(corsFor("https://a.example.com"))}, []string{"Origin", "https://a.example.com"}, "", map[string]string{
			"Access-Control-Allow-Origin": "https://a.example.com", "Vary": "Origin",
		}},
		{"CORS for another origin", ResponseHeadersPolicyConfig{CORS: override(corsFor("https://b.example.com"))}, []string{"Origin", "https://a.example.com"}, "", map[string]string{"Access-Control-Allow-Origin": "origins-own"}},
		{"CORS for a wildcard", ResponseHeadersPolicyConfig{CORS: override(corsFor("https://*.example.com"))}, []string{"Origin", "https://a.example.com"}, "", map[string]string{"Access-Control-Allow-Origin": "https://a.example.com"}},
		{"CORS for another scheme", ResponseHeadersPolicyConfig{CORS: override(corsFor("http://a.example.com"))}, []string{"Origin", "https://a.example.com"}, "", map[string]string{"Access-Control-Allow-Origin": "origins-own"}},
		{"preflight", ResponseHeadersPolicyConfig{CORS: override(corsFor("*"))}, []string{"Origin", "https://a.example.com", "Access-Control-Request-Method", "PUT"}, "OPTIONS", map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET,PUT", "Access-Control-Allow-Headers": "X-B", "Access-Control-Max-Age": "600",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := with(t, setup{
				origin: always(200, "ok", "X-Own", "own", "X-Kept", "kept", "Server", "origin", "Access-Control-Allow-Origin", "origins-own"),
				dist: func(c *DistributionConfig) {
					c.DefaultCacheBehavior.AllowedMethods = []string{"GET", "HEAD", "OPTIONS"}
				},
			}, func(rg *rig, b *CacheBehavior) {
				test.policy.Name = "p"
				p, err := rg.ResponseHeadersPolicies.Create(t.Context(), rg.root, test.policy)
				if err != nil {
					t.Fatal(err)
				}
				b.ResponseHeadersPolicyID = p.ID
			})
			defer rg.Close()
			for _, when := range []string{"miss", "hit"} { // twice: what is stored must not have changed
				a := rg.send(rg.request(or(test.method, "GET"), "/a", test.ask...))
				for name, want := range test.want {
					at(t, strings.Join(a.header[name], "|"), want, name+" of the "+when)
				}
			}
		})
	}
}

func corsFor(origin string) *CORSConfig {
	return &CORSConfig{AllowOrigins: []string{origin}, AllowHeaders: []string{"X-B"}, AllowMethods: []string{"GET", "PUT"}, ExposeHeaders: []string{"X-A"}, MaxAge: new(int64(600))}
}

func override(c *CORSConfig) *CORSConfig {
	c.OriginOverride = true
	return c
}

func TestResponseHeadersPolicyOnErrorsAndNotOnRedirects(t *testing.T) {
	rg := with(t, setup{origin: func(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }}, func(_ *rig, b *CacheBehavior) {
		b.ResponseHeadersPolicyID = "67f7725c-6f97-4210-82d7-5512b31e9d03" // SecurityHeadersPolicy
	})
	defer rg.Close()
	a := rg.get("/a")
	at(t, a.status, 502, "status of an origin that is down")
	at(t, a.header.Get("X-Frame-Options"), "SAMEORIGIN", "X-Frame-Options of the error page")
	plain := rg.request("GET", "/a")
	plain.TLS = nil
	a = rg.send(plain)
	at(t, a.status, 301, "status over plaintext")
	at(t, a.header.Get("X-Frame-Options"), "", "X-Frame-Options of the redirect")
}

func TestServerTiming(t *testing.T) {
	for _, test := range []struct {
		name   string
		timing ServerTiming
		fields []string
		want   bool
	}{
		{"every answer", ServerTiming{true, 100}, nil, true},
		{"none", ServerTiming{true, 0}, nil, false},
		{"who asks for it", ServerTiming{true, 0}, []string{"Pragma", "no-cache, Server-Timing"}, true},
		{"off, though asked for", ServerTiming{false, 100}, []string{"Pragma", "server-timing"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: func(*http.Request) (*http.Response, error) {
				time.Sleep(30 * time.Millisecond)
				return response(200, "ok"), nil
			}}, func(t *testing.T, rg *rig) {
				p, err := rg.ResponseHeadersPolicies.Create(t.Context(), rg.root, ResponseHeadersPolicyConfig{Name: "p", ServerTiming: &test.timing})
				if err != nil {
					t.Fatal(err)
				}
				cfg := rg.dist.Config
				cfg.DefaultCacheBehavior.ResponseHeadersPolicyID = p.ID
				if _, err := rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfg); err != nil {
					t.Fatal(err)
				}
				for i, want := range [][]string{{"cdn-cache-miss", "cdn-downstream-fbl;dur=30", `cdn-upstream-layer;desc="Origin"`}, {"cdn-cache-hit", "cdn-downstream-fbl;dur=0", `cdn-hit-layer;desc="EDGE"`}} {
					a := rg.get("/a", test.fields...)
					got := a.header.Get("Server-Timing")
					if (got != "") != test.want {
						t.Fatalf("answer %d: Server-Timing %q, want one: %v", i, got, test.want)
					}
					metrics := strings.Split(got, ",")
					for _, m := range append(want, `cdn-rid;desc="`+a.header.Get("X-Amz-Cf-Id")+`"`, `cdn-pop;desc="LOC50-C1"`) {
						if test.want && !slices.Contains(metrics, m) {
							t.Errorf("answer %d: Server-Timing %q has not %s", i, got, m)
						}
					}
				}
			})
		})
	}
}

func TestLegacyForwardedValues(t *testing.T) {
	none := Selection{Behavior: "none"}
	for _, test := range []struct {
		name   string
		values ForwardedValues
		first  string // query at the origin of /a?x=1&y=2
		again  string // X-Cache of /a?x=1&y=3
		hosted bool   // the viewer's host goes to the origin
	}{
		{"no query string", ForwardedValues{Cookies: none}, "", "Hit", false},
		{"the query string", ForwardedValues{QueryString: true, Cookies: none}, "x=1&y=2", "Miss", false},
		{"one parameter in the key, all to the origin", ForwardedValues{QueryString: true, QueryStringCacheKeys: []string{"x"}, Cookies: none}, "x=1&y=2", "Hit", false},
		{"all headers, and no caching", ForwardedValues{QueryString: true, Cookies: none, Headers: []string{"*"}}, "x=1&y=2", "Miss", true},
		{"the host header", ForwardedValues{Cookies: none, Headers: []string{"Host"}}, "", "Hit", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := newRig(t, setup{origin: always(200, "ok"), dist: func(c *DistributionConfig) {
				c.DefaultCacheBehavior.CachePolicyID, c.DefaultCacheBehavior.Forwarded = "", &test.values
			}})
			defer rg.Close()
			rg.get("/a?x=1&y=2", "Accept-Encoding", "gzip, br")
			at(t, rg.requests[0].URL.RawQuery, test.first, "query at the origin")
			at(t, rg.requests[0].Host == rg.dist.DomainName, test.hosted, "the viewer's host at the origin")
			at(t, rg.get("/a?x=1&y=3", "Accept-Encoding", "gzip").xCache(), test.again, "X-Cache of another query")
			if len(test.values.Headers) == 0 {
				at(t, rg.requests[0].Header.Get("Accept-Encoding"), "gzip", "Accept-Encoding at the origin")
			}
		})
	}
}

func TestCacheStatus(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok", "Cache-Status", "inner; hit"), config: func(c *Config) { c.CacheStatus = true }})
	defer rg.Close()
	at(t, fmt.Sprint(rg.get("/a").header["Cache-Status"]), "[inner; hit CloudFront; fwd=miss]", "Cache-Status of a miss")
	at(t, fmt.Sprint(rg.get("/a").header["Cache-Status"]), "[inner; hit CloudFront; hit]", "Cache-Status of a hit")
	at(t, fmt.Sprint(rg.send(rg.request("DELETE", "/a")).header["Cache-Status"]), "[]", "Cache-Status of a refusal")
}

// What the edge derives cannot be said by a viewer, whatever a policy forwards.
func TestOriginRequestPolicyForwardsNoForgedDerivedHeader(t *testing.T) {
	for _, listed := range []bool{false, true} {
		for _, headers := range []Selection{{Behavior: "allViewer"}, {"whitelist", []string{"X-Made"}}} {
			rg := with(t, setup{
				origin: always(200, "ok"), config: func(c *Config) { c.Derived = map[string]Derive{"X-Made": lower} },
				policy: func(p *CachePolicyConfig) {
					if listed {
						p.Headers = Selection{"whitelist", []string{"x-made"}}
					}
				},
			}, func(rg *rig, b *CacheBehavior) {
				p, err := rg.OriginRequestPolicies.Create(t.Context(), rg.root, OriginRequestPolicyConfig{Name: "p", Headers: headers, Cookies: Selection{Behavior: "none"}, QueryStrings: Selection{Behavior: "none"}})
				if err != nil {
					t.Fatal(err)
				}
				b.OriginRequestPolicyID = p.ID
			})
			rg.get("/a", "X-Made", "forged", "Accept", "image/webp")
			want := map[bool]string{false: "", true: "webp"}[listed]
			at(t, rg.requests[0].Header.Get("X-Made"), want, fmt.Sprintf("X-Made at the origin, %s, listed %v", headers.Behavior, listed))
			rg.Close()
		}
	}
}
