package e2e

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what CloudFront signs with
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"glassine/edge"
)

// behaviors adds cache behaviors that go to the second origin, which is seen in the path that the origin hears.
func behaviors(patterns ...string) func(*edge.DistributionConfig) {
	return func(c *edge.DistributionConfig) {
		for _, p := range patterns {
			b := c.DefaultCacheBehavior
			b.PathPattern, b.TargetOriginID = p, "second"
			c.CacheBehaviors = append(c.CacheBehaviors, b)
		}
	}
}

func defaultBehavior(change func(*edge.CacheBehavior)) func(*edge.DistributionConfig) {
	return func(c *edge.DistributionConfig) { change(&c.DefaultCacheBehavior) }
}

func keyed(queries, headers, cookies edge.Selection) func(*edge.CachePolicyConfig) {
	return func(c *edge.CachePolicyConfig) { c.QueryStrings, c.Headers, c.Cookies = queries, headers, cookies }
}

// requestRules are those of what viewers may ask, what is the same request, and what the origin hears: CloudFront Developer Guide,
// "Request and response behavior", "Control the cache key", "Using various origins", and the API's DistributionConfig.
func requestRules(t *testing.T, u *rules) []rule {
	none, all := edge.Selection{Behavior: "none"}, edge.Selection{Behavior: "all"}
	some := func(names ...string) edge.Selection { return edge.Selection{Behavior: "whitelist", Names: names} }
	redirects := defaultBehavior(func(b *edge.CacheBehavior) { b.ViewerProtocolPolicy = "redirect-to-https" })
	httpsOnly := defaultBehavior(func(b *edge.CacheBehavior) { b.ViewerProtocolPolicy = "https-only" })
	readOnly := defaultBehavior(func(b *edge.CacheBehavior) { b.AllowedMethods = []string{"GET", "HEAD"} })
	goes := func(ask, heard string) []ruleStep {
		return []ruleStep{{ask: ask, reply: "200||x", want: "200 Miss x", heard: []string{heard}}}
	}
	rules := []rule{
		// Paths and behaviors.
		{name: "a pattern's * is any number of characters, slashes too", dist: behaviors("/img/*.jpg"), steps: goes("GET /img/a/b/c.jpg", "GET /second/img/a/b/c.jpg")},
		{name: "a pattern's ? is one character", dist: behaviors("/a?c"), steps: goes("GET /abc", "GET /second/abc")},
		{name: "a pattern's ? is not none", dist: behaviors("/a?c"), steps: goes("GET /ac", "GET /ac")},
		{name: "patterns are case-sensitive", dist: behaviors("*.JPG"), steps: goes("GET /a.jpg", "GET /a.jpg")},
		{name: "a pattern needs no leading slash", dist: behaviors("img/*"), steps: goes("GET /img/a", "GET /second/img/a")},
		{name: "a pattern does not see the query", dist: behaviors("*jpg"), steps: goes("GET /a?jpg", "GET /a")},
		{name: "a pattern is held against the path as it came", dist: behaviors("/a~b"), steps: goes("GET /a%7eb", "GET /a%7eb")},
		{name: "the first behavior that matches serves", dist: func(c *edge.DistributionConfig) {
			behaviors("/a*", "/a/*")(c)
			c.CacheBehaviors[0].TargetOriginID = "main"
		}, steps: goes("GET /a/b", "GET /a/b")},
		{name: "the path goes to the origin as it came", steps: goes("GET /a//b/../c%2f%7e", "GET /a//b/../c%2f%7e")},
		{name: "the root object is for / alone", dist: func(c *edge.DistributionConfig) { c.DefaultRootObject = "index.html" }, steps: []ruleStep{
			{ask: "GET /", reply: "200||x", want: "200 Miss x", heard: []string{"GET /index.html"}},
			{ask: "GET /d/", reply: "200||y", want: "200 Miss y", heard: []string{"GET /d/"}},
			{ask: "GET /?q=1", want: "200 Hit x"},
		}},
		{name: "without a root object / goes to the origin", steps: goes("GET /", "GET /")},
		{name: "the origin's path is not part of the key", dist: behaviors("/b*"), steps: goes("GET /b", "GET /second/b")},

		// Protocols, methods, sizes.
		{name: "redirect-to-https is 301 with CloudFront's body", dist: redirects, steps: []ruleStep{{
			ask: "GET /a?b=c", want: "301 Redirect moved", has: []string{"Content-Length: 167", "Content-Type: text/html", "Server: CloudFront", "X-Amz-Cf-Id: *", "X-Amz-Cf-Pop: *", "Location: *"},
		}}},
		{name: "redirect-to-https is 307 for other methods", dist: redirects, steps: []ruleStep{{ask: "POST /a|body: x", want: "307 Redirect moved", has: []string{"Location: *"}}}},
		{name: "on HTTP/1.0 other methods are refused instead", dist: redirects, steps: []ruleStep{{ask: "HTTP/1.0 POST /a|body: x", want: "403 Error page"}}},
		{name: "https-only refuses HTTP", dist: httpsOnly, steps: []ruleStep{{ask: "GET /a", want: "403 Error page", has: []string{"Server: CloudFront", "Content-Type: text/html"}}}},
		{name: "a method that is not allowed is 403", dist: readOnly, steps: []ruleStep{{ask: "POST /a|body: x", want: "403 Error page"}, {ask: "OPTIONS /a", want: "403 Error page"}}},
		{name: "a GET with a body is 403", steps: []ruleStep{{ask: "GET /a|body: x", want: "403 Error page"}}},
		{name: "a URL over 8,192 bytes is 413", steps: []ruleStep{{ask: "GET /" + strings.Repeat("a", 8192), want: "413 Error page"}}},
		{name: "a URL of 8,192 bytes passes", steps: []ruleStep{{ask: "GET /" + strings.Repeat("a", 8191), reply: "200||x", want: "200 Miss x"}}},
		{name: "a header over 20,480 bytes is 413", steps: []ruleStep{{ask: "GET /a|X: " + strings.Repeat("a", 20480), want: "413 Error page"}}},
		{name: "a host of no distribution is 403", steps: []ruleStep{{ask: "GET /a|Host: nowhere.example", want: "403 Error page"}}},
		{name: "a chain of more than two distributions is 403", steps: []ruleStep{{ask: "GET /a|Via: 1.1 a.cloudfront.net (CloudFront), 1.1 b.cloudfront.net (CloudFront)", want: "403 Error page"}}},
		{name: "a wildcard alias is for every name below, and not for its own", dist: func(c *edge.DistributionConfig) { c.Aliases = []string{"*.rules.example"} }, steps: []ruleStep{
			{ask: "GET /a|Host: x.rules.example", reply: "200||x", want: "200 Miss x"},
			{ask: "GET /a|Host: x.y.rules.example", want: "200 Hit x"},
			{ask: "GET /a|Host: rules.example", want: "403 Error page"},
		}},

		// The key.
		{name: "query strings that are not listed go nowhere", policy: keyed(some("size"), none, none), steps: []ruleStep{
			{ask: "GET /a?x=1&size=2&y=3", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a?size=2"}}, {ask: "GET /a?size=2&z", want: "200 Hit x"},
		}},
		{name: "no query strings: every query is the same", steps: []ruleStep{{ask: "GET /a?x", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a"}}, {ask: "GET /a?y", want: "200 Hit x"}}},
		{name: "the order of query strings counts", policy: keyed(all, none, none), steps: []ruleStep{
			{ask: "GET /a?x=1&y=2", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a?x=1&y=2"}}, {ask: "GET /a?y=2&x=1", reply: "200||y", want: "200 Miss y"},
		}},
		{name: "query strings keep their spelling", policy: keyed(some("a"), none, none), steps: []ruleStep{
			{ask: "GET /a?a=%7e&a&a=&A=1", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a?a=%7e&a&a="}}, {ask: "GET /a?a=~&a&a=", reply: "200||y", want: "200 Miss y"},
		}},
		{name: "all query strings except some", policy: keyed(edge.Selection{Behavior: "allExcept", Names: []string{"x"}}, none, none), steps: []ruleStep{
			{ask: "GET /a?x=1&y=2", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a?y=2"}}, {ask: "GET /a?x=9&y=2", want: "200 Hit x"},
		}},
		{name: "a header of the policy is part of the key and is forwarded", policy: keyed(none, some("X-A"), none), steps: []ruleStep{
			{ask: "GET /a|X-A: 1|X-B: 1", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a", "X-A: 1", "X-B:"}},
			{ask: "GET /a|X-A: 2", reply: "200||y", want: "200 Miss y"},
			{ask: "GET /a|X-A: 1|X-B: 2", want: "200 Hit x"},
		}},
		{name: "a cookie of the policy is part of the key and is forwarded", policy: keyed(none, none, some("a")), steps: []ruleStep{
			{ask: "GET /a|Cookie: b=1; a=1", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a", "Cookie: a=1"}},
			{ask: "GET /a|Cookie: a=2", reply: "200||y", want: "200 Miss y"},
			{ask: "GET /a|Cookie: a=1; b=2", want: "200 Hit x", soon: true},
		}},
		{name: "GET and HEAD share a key", steps: []ruleStep{{reply: "200||x", want: "200 Miss x"}, {ask: "HEAD /a", want: "200 Hit", has: []string{"Content-Length: 1"}}}},
		{name: "the scheme is not in the key", dist: func(c *edge.DistributionConfig) { c.Aliases = []string{"localhost"} }, steps: []ruleStep{
			{ask: "GET /a|Host: localhost", reply: "200||x", want: "200 Miss x"}, {ask: "TLS GET /a|Host: localhost", want: "200 Hit x"},
		}},
		{name: "an alias shares the distribution's keys", dist: func(c *edge.DistributionConfig) { c.Aliases = []string{"one.example", "two.example"} }, steps: []ruleStep{
			{ask: "GET /a|Host: one.example", reply: "200||x", want: "200 Miss x"}, {ask: "GET /a|Host: two.example", want: "200 Hit x"}, {want: "200 Hit x"},
		}},

		// What the origin hears.
		{name: "what is not in a policy is not forwarded", steps: []ruleStep{{
			ask:   "GET /a|Accept: a|Accept-Language: b|Cookie: c=d|Referer: e|Authorization: f|TE: trailers|X-Edge-G: g|X-Real-IP: h|X-Forwarded-Proto: i|X-HTTP-Method-Override: PUT|Proxy-Authorization: j|User-Agent: k|X-Forwarded-For: 1.2.3.4",
			reply: "200||x", want: "200 Miss x",
			heard: []string{
				"GET /a", "Accept:", "Accept-Language:", "Cookie:", "Referer:", "Authorization:", "TE:", "X-Edge-G:", "X-Real-IP:", "X-Forwarded-Proto:", "X-HTTP-Method-Override:", "Proxy-Authorization:",
				"User-Agent: Amazon CloudFront", "X-Forwarded-For: 1.2.3.4, 127.0.0.1", "Via: *", "X-Amz-Cf-Id: *", "Host: localhost",
			},
		}}},
		{name: "an origin's own headers replace the viewer's", policy: keyed(none, some("X-Key"), none), dist: func(c *edge.DistributionConfig) {
			c.Origins[0].CustomHeaders = []edge.HeaderField{{Name: "X-Key", Value: "secret"}}
		}, steps: []ruleStep{{ask: "GET /a|X-Key: forged", reply: "200||x", want: "200 Miss x", heard: []string{"GET /a", "X-Key: secret"}}}},
		{name: "a body goes through", steps: []ruleStep{{ask: "PUT /a|body: hello", reply: "201||made", want: "201 Miss made", heard: []string{"PUT /a", "Content-Length: 5"}}}},

		// Origin groups.
		{name: "the second of a group helps out on a listed status", dist: group(503), steps: []ruleStep{{reply: "503||x", want: "503 Error x", times: 2, heard: []string{"GET /a"}}}},
		{name: "the second of a group does not on another", dist: group(503), steps: []ruleStep{{reply: "500||x", want: "500 Error x"}}},
		{name: "nor for a POST", dist: group(503), steps: []ruleStep{{ask: "POST /a|body: x", reply: "503||x", want: "503 Error x"}}},
		{name: "the second of a group helps out when the connection fails", dist: func(c *edge.DistributionConfig) {
			group(503)(c)
			broken := *c.Origins[0].Custom
			broken.HTTPPort = closedPort(t)
			c.Origins[0].Custom = &broken
		}, steps: []ruleStep{{reply: "200||x", want: "200 Miss x", heard: []string{"GET /second/a"}}}},
		{name: "an origin that cannot be reached is 502", dist: func(c *edge.DistributionConfig) {
			broken := *c.Origins[0].Custom
			broken.HTTPPort = closedPort(t)
			c.Origins[0].Custom = &broken
		}, steps: []ruleStep{{want: "502 Error page"}}},
		{name: "an origin without TLS where it must have it is 502", dist: func(c *edge.DistributionConfig) {
			secure := *c.Origins[0].Custom
			secure.ProtocolPolicy, secure.HTTPSPort = "https-only", secure.HTTPPort
			c.Origins[0].Custom = &secure
		}, steps: []ruleStep{{want: "502 Error page"}}},

		// Headers that the edge makes.
		{name: "headers that CloudFront makes go where a policy lists them", policy: keyed(none, some("CloudFront-Forwarded-Proto", "CloudFront-Is-Mobile-Viewer", "CloudFront-Is-Desktop-Viewer"), none), steps: []ruleStep{{
			ask:   "GET /a|CloudFront-Is-Mobile-Viewer: forged|User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
			reply: "200||x", want: "200 Miss x", heard: []string{"GET /a", "CloudFront-Forwarded-Proto: http", "CloudFront-Is-Mobile-Viewer: true", "CloudFront-Is-Desktop-Viewer: false"},
		}}},
		{name: "every answer names the edge", steps: []ruleStep{
			{reply: "200|X-Amz-Cf-Pop: theirs|X-Edge-A: theirs|Keep-Alive: 1||x", want: "200 Miss x", has: []string{"Via: *", "X-Amz-Cf-Pop: LOC50-C1", "X-Amz-Cf-Id: *", "X-Cache: Miss from cloudfront", "X-Edge-A:", "Keep-Alive:", "Age:"}},
			{wait: 3 * time.Second, want: "200 Hit x", has: []string{"X-Cache: Hit from cloudfront", "Age: 3"}},
		}},
	}
	return append(append(rules, responseRules()...), signedRule(t, u))
}

// group makes the default behavior's target a group of both origins.
func group(status int) func(*edge.DistributionConfig) {
	return func(c *edge.DistributionConfig) {
		c.Groups = []edge.OriginGroup{{ID: "both", StatusCodes: []int{status}, Members: [2]string{"main", "second"}}}
		c.DefaultCacheBehavior.TargetOriginID = "both"
		c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
	}
}

// signedRule is of a behavior that wants signed URLs. The signer is AWS's recipe: CloudFront Developer Guide, "Create a signed URL using a
// canned policy".
func signedRule(t *testing.T, u *rules) rule {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	root := u.IAM.Root()
	public, err := u.Edge.PublicKeys.Create(t.Context(), root, edge.PublicKeyConfig{
		CallerReference: "rules", Name: "rules", EncodedKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := u.Edge.KeyGroups.Create(t.Context(), root, edge.KeyGroupConfig{Name: "rules", Keys: []string{public.ID}})
	if err != nil {
		t.Fatal(err)
	}
	const host = "signed.rules.example"
	signed := func(path string, expires time.Time) string {
		sum := sha1.Sum(fmt.Appendf(nil, `{"Statement":[{"Resource":"http://%s%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}`, host, path, expires.Unix())) //nolint:gosec // see above
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		mark := "?"
		if strings.Contains(path, "?") {
			mark = "&"
		}
		text := strings.NewReplacer("+", "-", "=", "_", "/", "~").Replace(base64.StdEncoding.EncodeToString(signature))
		return fmt.Sprintf("GET %s%sExpires=%d&Signature=%s&Key-Pair-Id=%s|Host: %s", path, mark, expires.Unix(), text, public.ID, host)
	}
	// By the clock of the rules, which is some days ahead at the end.
	far := time.Now().Add(20 * 365 * 24 * time.Hour)
	all := edge.Selection{Behavior: "all"}
	return rule{
		name: "a behavior with key groups wants a signature, which goes nowhere", policy: keyed(all, edge.Selection{Behavior: "none"}, edge.Selection{Behavior: "none"}),
		dist: func(c *edge.DistributionConfig) {
			c.Aliases = []string{host}
			c.DefaultCacheBehavior.TrustedKeyGroups = []string{keys.ID}
		},
		steps: []ruleStep{
			{ask: "GET /a|Host: " + host, want: `403 Error <?xml version="1.0" encoding="UTF-8"?><Error><Code>MissingKey</Code><Message>Missing Key-Pair-Id query parameter or cookie value</Message></Error>`},
			{ask: signed("/a?x=1", far), reply: "200||x", want: "200 Miss x", heard: []string{"GET /a?x=1"}},
			{ask: signed("/a?x=1", far.Add(time.Second)), want: "200 Hit x"},
			{ask: strings.Replace(signed("/a?x=1", far), "/a?", "/b?", 1), want: `403 Error <?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>`},
			{ask: signed("/a?x=1", time.Now().Add(-time.Hour)), want: `403 Error <?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>`},
		},
	}
}
