package edge

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// signedQuery returns the parameters of a signed URL with a canned policy.
func signedQuery(t *testing.T, key *ecdsa.PrivateKey, id, url string, expires int64) string {
	t.Helper()
	policy := fmt.Sprintf(`{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}`, url, expires)
	sum := sha1.Sum([]byte(policy))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	encoded := strings.NewReplacer("+", "-", "=", "_", "/", "~").Replace(base64.StdEncoding.EncodeToString(signature))
	return fmt.Sprintf("Expires=%d&Signature=%s&Key-Pair-Id=%s", expires, encoded, id)
}

func TestSignedURLsAndCookies(t *testing.T) {
	key, encoded := pemKey(t)
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		k, err := rg.PublicKeys.Create(t.Context(), rg.root, PublicKeyConfig{CallerReference: "1", Name: "k", EncodedKey: encoded})
		if err != nil {
			t.Fatal(err)
		}
		g, err := rg.KeyGroups.Create(t.Context(), rg.root, KeyGroupConfig{Name: "g", Keys: []string{k.ID}})
		if err != nil {
			t.Fatal(err)
		}
		cfg := rg.dist.Config
		private := cfg.DefaultCacheBehavior
		private.PathPattern, private.TrustedKeyGroups = "/private/*", []string{g.ID}
		cfg.CacheBehaviors = []CacheBehavior{private}
		if rg.dist, err = rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfg); err != nil {
			t.Fatal(err)
		}
		expires := time.Now().Add(time.Minute).Unix()
		url := "https://" + rg.dist.DomainName + "/private/a"
		query := signedQuery(t, key, k.ID, url, expires)
		withExif := signedQuery(t, key, k.ID, url+"?showExif=1", expires)
		refused := func(name, target, code string, fields ...string) {
			t.Helper()
			a := rg.get(target, fields...)
			if a.status != 403 || !strings.Contains(a.body, "<Error><Code>"+code+"</Code>") || a.header.Get("Content-Type") != "text/xml" || a.xCache() != "Error" {
				t.Errorf("%s: %d %s %q, want 403 and %s", name, a.status, a.header.Get("Content-Type"), a.body, code)
			}
		}
		refused("no signature", "/private/a", "MissingKey")
		refused("a key that is not trusted", "/private/a?Key-Pair-Id=K0&Signature=a&Expires=1", "InvalidKey")
		refused("another path", "/private/b?"+query, "AccessDenied")
		at(t, len(rg.requests), 0, "requests that reached the origin")
		at(t, rg.get("/public").status, 200, "status without a signature where none is asked for")
		a := rg.get("/private/a?" + query)
		at(t, a.status, 200, "status with a signature")
		at(t, rg.requests[1].URL.RawQuery, "", "query at the origin")
		at(t, rg.get("/private/a?"+signedQuery(t, key, k.ID, url, expires+1)).xCache(), "Hit", "X-Cache with another signature")
		a = rg.get("/private/a?showExif=1&" + withExif)
		at(t, a.status, 200, "status with parameters of its own")
		at(t, rg.requests[2].URL.RawQuery, "showExif=1", "its query at the origin")
		cookies := strings.NewReplacer("Expires=", "CloudFront-Expires=", "Signature=", "CloudFront-Signature=", "Key-Pair-Id=", "CloudFront-Key-Pair-Id=", "&", "; ").Replace(query)
		at(t, rg.get("/private/a", "Cookie", cookies).status, 200, "status with signed cookies")
		if log := rg.log.String(); strings.Contains(log, "Signature") {
			t.Errorf("a signature is in the log: %s", log)
		}
		time.Sleep(61 * time.Second)
		refused("expired", "/private/a?"+query, "AccessDenied")
	})
}

func TestGeographicRestriction(t *testing.T) {
	for _, test := range []struct {
		name, kind, country, address string
		status                       int
	}{
		{"allowed country", "whitelist", "DE", "203.0.113.1", 200},
		{"country that is not allowed", "whitelist", "FR", "203.0.113.1", 403},
		{"blocked country", "blacklist", "de", "203.0.113.1", 403},
		{"country that is not blocked", "blacklist", "FR", "203.0.113.1", 200},
		{"unknown country, of which none is blocked", "blacklist", "DE", "198.51.100.1", 200},
		{"unknown country, of which some are allowed", "whitelist", "DE", "198.51.100.1", 403},
	} {
		rg := newRig(t, setup{origin: always(200, "ok"), config: func(c *Config) { c.Geo = germany{} }, dist: func(c *DistributionConfig) {
			c.GeoRestriction, c.GeoLocations = test.kind, []string{test.country}
		}})
		r := rg.request("GET", "/a")
		r.RemoteAddr = test.address + ":1"
		a := rg.send(r)
		if a.status != test.status || test.status == 403 && !strings.Contains(rg.log.String(), `"x-edge-detailed-result-type":"ClientGeoBlocked"`) {
			t.Errorf("%s: %d, want %d; log %s", test.name, a.status, test.status, rg.log.String())
		}
		rg.Close()
	}
}

func TestOriginGroupFailsOver(t *testing.T) {
	const secondDomain = "second.example.com"
	down := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	}
	for _, test := range []struct {
		name   string
		first  roundTrip
		method string // "" is GET
		policy string // origin request policy
		want   int
		asked  string // the hosts that were asked, in turn
	}{
		{"the first answers", always(200, "1"), "", "", 200, originDomain},
		{"the first has a status of the list", always(503, "1"), "", "", 200, originDomain + " " + secondDomain},
		{"the first has another status", always(404, "1"), "", "", 404, originDomain},
		{"the first cannot be reached", down, "", "", 200, strings.Repeat(originDomain+" ", 3) + secondDomain},
		{"HEAD", always(503, "1"), "HEAD", "", 200, originDomain + " " + secondDomain},
		{"POST", always(503, "1"), "POST", "", 503, originDomain},
		{"the viewer's host goes to both", always(503, "1"), "", "216adef6-5c7f-47e4-b989-5492eafa07d3", 200, "HOST HOST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := true
			rg := newRig(t, setup{origin: func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == secondDomain {
					return response(200, "second"), nil
				}
				first = false
				return test.first(r)
			}, dist: func(c *DistributionConfig) {
				second := c.Origins[0]
				second.ID, second.DomainName = "second", secondDomain
				c.Origins = append(c.Origins, second)
				c.Groups = []OriginGroup{{ID: "both", StatusCodes: []int{500, 503}, Members: [2]string{"olap", "second"}}}
				c.DefaultCacheBehavior.TargetOriginID, c.DefaultCacheBehavior.OriginRequestPolicyID = "both", test.policy
				c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD PUT POST PATCH DELETE OPTIONS")
			}})
			defer rg.Close()
			a := rg.send(rg.request(or(test.method, "GET"), "/a"))
			at(t, a.status, test.want, "status")
			var asked []string
			for _, r := range rg.requests {
				asked = append(asked, r.Host)
				at(t, r.Header.Get("X-Amz-Cf-Id"), a.header.Get("X-Amz-Cf-Id"), "X-Amz-Cf-Id at the origin")
			}
			at(t, strings.Join(asked, " "), strings.ReplaceAll(test.asked, "HOST", rg.dist.DomainName), "hosts asked")
			at(t, first, false, "the first was not asked")
		})
	}
}

func TestOriginGroupRunsTheFunctionForEachMember(t *testing.T) {
	rg := newRig(t, setup{
		origin: func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "second.example.com" {
				return response(200, r.Header.Get("X-Made")), nil
			}
			return response(500, ""), nil
		},
		function: func(_ context.Context, _ string, event []byte) ([]byte, error) {
			return requestOf(t, event, "x-made", "yes"), nil
		},
		dist: func(c *DistributionConfig) {
			second := c.Origins[0]
			second.ID, second.DomainName = "second", "second.example.com"
			c.Origins = append(c.Origins, second)
			c.Groups = []OriginGroup{{ID: "both", StatusCodes: []int{500}, Members: [2]string{"olap", "second"}}}
			c.DefaultCacheBehavior.TargetOriginID = "both"
		},
	})
	defer rg.Close()
	at(t, rg.get("/a").body, "yes", "body")
	at(t, len(rg.events), 2, "events")
	if !strings.Contains(rg.events[1], `"domainName":"second.example.com"`) || strings.Contains(rg.events[1], "x-made") {
		t.Errorf("event for the second member: %s", rg.events[1])
	}
}

func TestCustomErrorPages(t *testing.T) {
	pages := func(c *DistributionConfig) {
		c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD PUT POST PATCH DELETE OPTIONS")
		live := c.DefaultCacheBehavior
		live.PathPattern, live.CachePolicyID = "/live/*", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" // CachingDisabled
		errors := c.DefaultCacheBehavior
		errors.PathPattern, errors.TargetOriginID = "/errors/*", "pages"
		c.CacheBehaviors = []CacheBehavior{live, errors}
		second := c.Origins[0]
		second.ID, second.DomainName = "pages", "pages.example.com"
		c.Origins = append(c.Origins, second)
		c.CustomErrorResponses = []CustomErrorResponse{
			{ErrorCode: 404, ResponsePagePath: "/errors/404.html", ResponseCode: "200"},
			{ErrorCode: 502, ResponsePagePath: "/errors/50x.html", ResponseCode: "502"},
			{ErrorCode: 403, ResponsePagePath: "/errors/missing.html", ResponseCode: "403"},
		}
	}
	origin := func(r *http.Request) (*http.Response, error) {
		switch {
		case r.URL.Host == "pages.example.com" && r.URL.Path == "/errors/missing.html":
			return response(404, "no page"), nil
		case r.URL.Host == "pages.example.com":
			return response(200, "page "+r.URL.Path, "Content-Type", "text/html", "Etag", `"p"`), nil
		case strings.Contains(r.URL.Path, "down"):
			return nil, io.ErrUnexpectedEOF
		case strings.Contains(r.URL.Path, "forbidden"):
			return response(403, "forbidden"), nil
		}
		return response(404, "none"), nil
	}
	for _, test := range []struct {
		name, method, target string
		status               int
		body                 string
		fields               []string
	}{
		{"error of the origin", "GET", "/a", 200, "page /errors/404.html", nil},
		{"its conditions and range do not matter", "GET", "/a", 200, "page /errors/404.html", []string{"If-None-Match", `"p"`, "Range", "bytes=0-1"}},
		{"HEAD", "HEAD", "/a", 200, "", nil},
		{"POST", "POST", "/a", 200, "page /errors/404.html", nil},
		{"behavior that does not cache", "GET", "/live/a", 200, "page /errors/404.html", nil},
		{"origin that is down", "GET", "/down", 502, "page /errors/50x.html", nil},
		{"error that has no page", "GET", "/forbidden", 403, "forbidden", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := newRig(t, setup{origin: origin, dist: pages})
			defer rg.Close()
			server := newServer(t, rg)
			for _, when := range []string{"first", "second"} {
				req, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+test.target, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = rg.dist.DomainName
				for i := 0; i < len(test.fields); i += 2 {
					req.Header.Set(test.fields[i], test.fields[i+1])
				}
				resp, err := server.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != test.status || string(body) != test.body {
					t.Errorf("%s: %d %q, %v; want %d %q", when, resp.StatusCode, body, err, test.status, test.body)
				}
				at(t, resp.Header.Get("X-Cache"), "Error from cloudfront", when+": X-Cache")
			}
			fetched := 0
			for _, r := range rg.requests {
				if r.URL.Host == "pages.example.com" && r.URL.Path != "/errors/missing.html" {
					fetched++
				}
			}
			if fetched > 1 {
				t.Errorf("the page was fetched %d times", fetched)
			}
		})
	}
}

func TestInvalidationByTag(t *testing.T) {
	rg := newRig(t, setup{
		origin: func(r *http.Request) (*http.Response, error) {
			return response(200, "ok", "Cache-Tag", "all, "+strings.TrimPrefix(r.URL.Path, "/")+",bad tag", "Cache-Tag", "More"), nil
		},
		dist: func(c *DistributionConfig) { c.CacheTagHeader = "cache-tag" },
	})
	defer rg.Close()
	fill := func() { rg.get("/a"); rg.get("/b") }
	n := 0
	for _, test := range []struct {
		name, tag string
		a, b      string // X-Cache afterwards
	}{
		{"a tag of one", "#a", "Miss", "Hit"},
		{"a tag of both", "#all", "Miss", "Miss"},
		{"without regard to case", "#mORE", "Miss", "Miss"},
		{"a tag of none", "#c", "Hit", "Hit"},
		{"a part of a tag", "#al", "Hit", "Hit"},
	} {
		fill()
		n++
		if _, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, fmt.Sprint(n), []string{test.tag}); err != nil {
			t.Fatal(err)
		}
		at(t, rg.get("/a").xCache(), test.a, test.name+": /a")
		at(t, rg.get("/b").xCache(), test.b, test.name+": /b")
	}
	at(t, rg.get("/a").header.Get("Cache-Tag"), "all, a,bad tag", "Cache-Tag for the viewer")
}

// newServer serves the rig over TLS on a socket.
func newServer(t *testing.T, rg *rig) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(rg)
	t.Cleanup(s.Close)
	return s
}

// requestOf returns the request of an event with one header more, as a function would.
func requestOf(t *testing.T, event []byte, name, value string) []byte {
	t.Helper()
	var in struct {
		Records []struct {
			CF struct{ Request map[string]any } `json:"cf"`
		}
	}
	if err := json.Unmarshal(event, &in); err != nil {
		t.Fatal(err)
	}
	r := in.Records[0].CF.Request
	r["headers"].(map[string]any)[name] = []map[string]string{{"key": name, "value": value}}
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The loop and ServeHTTP agree where policies, keys, countries and pages have a say.
func TestLoopAnswersAsServeHTTPUnderPolicies(t *testing.T) {
	get := func(target string, fields ...string) string { return ask1("GET", target, fields...) }
	allowAll := func(c *DistributionConfig) { c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all" }
	for _, test := range []loopCase{
		{"response headers policy", setup{origin: always(200, "x"), dist: func(c *DistributionConfig) {
			allowAll(c)
			c.DefaultCacheBehavior.ResponseHeadersPolicyID = "e61eb60c-9c35-4d20-a928-2b84e02af89c"
		}}, []loopAsk{{"GET", get("/a"), 0}, {"CORS", get("/a", "Origin: https://a.example.com"), 0}}, false},
		{"origin request policy", setup{origin: always(200, "x"), dist: func(c *DistributionConfig) {
			allowAll(c)
			c.DefaultCacheBehavior.OriginRequestPolicyID = "216adef6-5c7f-47e4-b989-5492eafa07d3"
		}}, []loopAsk{{"GET", get("/a", "Referer: b"), 1}}, false},
		{"Cache-Status", setup{origin: always(200, "x"), dist: allowAll, config: func(c *Config) { c.CacheStatus = true }}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"country in the key", setup{origin: always(200, "x"), dist: allowAll, config: func(c *Config) { c.Geo = germany{} }, policy: func(p *CachePolicyConfig) {
			p.Headers = Selection{"whitelist", []string{"CloudFront-Viewer-Country", "CloudFront-Is-Desktop-Viewer"}}
		}}, []loopAsk{{"GET", get("/a"), 1}, {"forged", get("/a", "CloudFront-Viewer-Country: FR"), 1}}, false},
		{"country that is not served", setup{origin: always(200, "x"), config: func(c *Config) { c.Geo = germany{} }, dist: func(c *DistributionConfig) {
			allowAll(c)
			c.GeoRestriction, c.GeoLocations = "whitelist", []string{"DE"}
		}}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"error page", setup{origin: func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/404.html" {
				return response(200, "page"), nil
			}
			return response(404, "none"), nil
		}, dist: func(c *DistributionConfig) {
			allowAll(c)
			c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "/404.html", ResponseCode: "200"}}
		}}, []loopAsk{{"GET", get("/a"), 0}, {"the page itself", get("/404.html"), 1}}, false},
		{"tags", setup{origin: always(200, "x", "Cache-Tag", "a"), dist: func(c *DistributionConfig) { allowAll(c); c.CacheTagHeader = "Cache-Tag" }}, []loopAsk{{"GET", get("/a"), 1}}, false},
	} {
		for _, ask := range test.asks {
			t.Run(test.name+": "+ask.name, func(t *testing.T) {
				inBubble(t, test.setup, func(t *testing.T, rg *rig) {
					tw := newTwins(t, rg, test.secure)
					defer tw.close()
					text := strings.ReplaceAll(ask.text, "HOST", rg.dist.DomainName)
					tw.say(tw.plain, text)
					time.Sleep(3 * time.Second) // so that there is an Age
					want, wantLog := tw.say(tw.plain, text)
					got, gotLog := tw.say(tw.loop, text)
					if unnamed(got) != unnamed(want) || want == "" {
						t.Errorf("got  %.2000q\nwant %.2000q", unnamed(got), unnamed(want))
					}
					if unnamed(gotLog) != unnamed(wantLog) {
						t.Errorf("log  %s\nwant %s", unnamed(gotLog), unnamed(wantLog))
					}
					if n := int(tw.counting.answered.Load()); n != ask.answered {
						t.Errorf("the loop answered %d requests, want %d; answer %.2000q", n, ask.answered, got)
					}
				})
			})
		}
	}
}

func FuzzCacheTags(f *testing.F) {
	f.Add("all, a,,b c, D")
	f.Add(strings.Repeat("a", 300) + strings.Repeat(",x", 60))
	f.Fuzz(func(t *testing.T, line string) {
		s := &site{id: "E1", tagHeader: "Cache-Tag"}
		tags := s.cacheTags(http.Header{"Cache-Tag": {line}})
		if len(tags) > 50 {
			t.Errorf("%d tags", len(tags))
		}
		for _, tag := range tags {
			name, ok := strings.CutPrefix(tag, "E1 ")
			if !ok || !validCacheTag(name) || strings.ToLower(name) != name || !strings.Contains(strings.ToLower(line), name) {
				t.Errorf("%q gave the tag %q", line, tag)
			}
		}
	})
}

func FuzzAllowedOrigin(f *testing.F) {
	f.Add("https://*.example.com", "https://a.example.com")
	f.Add("http://a.example.com:*", "http://a.example.com:80")
	f.Fuzz(func(t *testing.T, allowed, origin string) {
		if !validAllowedOrigin(allowed) || allowed == "*" {
			return
		}
		got := (&CORSConfig{AllowOrigins: []string{allowed}}).allows(origin)
		if got != "" && got != origin {
			t.Errorf("%q allows %q as %q", allowed, origin, got)
		}
		if got != "" && !strings.Contains(allowed, "*") && !strings.HasSuffix(strings.ToLower(origin), strings.ToLower(allowed)) {
			t.Errorf("%q allows %q", allowed, origin)
		}
	})
}
