package e2e

import (
	"net"
	"strings"
	"testing"
	"time"

	"glassine/edge"
)

// closedPort is one where nobody listens.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// responseRules are those of what becomes of an origin's answer on its way: CloudFront Developer Guide, "Serve compressed files", "Add
// or remove HTTP headers in CloudFront responses with a policy", "Generate custom error responses", "How CloudFront caches HTTP 4xx
// and 5xx status codes from your origin".
func responseRules() []rule {
	both := func(c *edge.CachePolicyConfig) { c.AcceptEncodingGzip, c.AcceptEncodingBrotli = true, true }
	gzipOnly := func(c *edge.CachePolicyConfig) { c.AcceptEncodingGzip = true }
	compresses := defaultBehavior(func(b *edge.CacheBehavior) { b.Compress = true })
	text := strings.Repeat("a", 1000)
	reply := func(lines string) string { return "200|" + lines + "||" + text }
	squeeze := func(name, ask, reply string, want string, has ...string) rule {
		return rule{name: name, policy: both, dist: compresses, steps: []ruleStep{{ask: "GET /a|Accept-Encoding: " + ask, reply: reply, want: want, has: has}}}
	}
	accepts := func(name string, policy func(*edge.CachePolicyConfig), line, heard string) rule {
		return rule{name: name, policy: policy, steps: []ruleStep{{ask: "GET /a" + line, reply: "200||x", want: "200 Miss x", heard: []string{"GET /a", "Accept-Encoding: " + heard}}}}
	}
	const miss = "200 Miss a*1000"
	second := time.Second
	return append([]rule{
		accepts("Accept-Encoding: both formats", both, "|Accept-Encoding: gzip, deflate, br;q=0.9", "br,gzip"),
		accepts("Accept-Encoding: one of two formats", both, "|Accept-Encoding: gzip, deflate", "gzip"),
		accepts("Accept-Encoding: neither", both, "|Accept-Encoding: deflate", "identity"),
		accepts("Accept-Encoding: one flag", gzipOnly, "|Accept-Encoding: gzip, br", "gzip"),
		accepts("Accept-Encoding: none sent, none forwarded", both, "", ""),
		accepts("Accept-Encoding: without flags it is not forwarded", nil, "|Accept-Encoding: gzip", ""),
		{name: "what a format answers is its own entry", policy: both, steps: []ruleStep{
			{ask: "GET /a|Accept-Encoding: gzip", reply: "200||x", want: "200 Miss x"},
			{ask: "GET /a|Accept-Encoding: br", reply: "200||y", want: "200 Miss y"},
			{ask: "GET /a|Accept-Encoding: gzip;q=0.5, deflate", want: "200 Hit x"},
		}},
		squeeze("text is compressed, with Brotli rather", "gzip, br", reply(`Content-Type: text/plain|Etag: "1"`), miss, "Content-Encoding: br", `Etag: W/"1"`, "Vary: Accept-Encoding", "Content-Length:"),
		squeeze("text is compressed with gzip", "gzip", reply("Content-Type: application/json"), miss, "Content-Encoding: gzip"),
		squeeze("a weak entity tag stays", "gzip", reply(`Content-Type: text/css|Etag: W/"1"`), miss, "Content-Encoding: gzip", `Etag: W/"1"`),
		squeeze("an entity tag that is none goes", "gzip", reply("Content-Type: text/css|Etag: 1"), miss, "Content-Encoding: gzip", "Etag:"),
		squeeze("a picture is not compressed", "gzip", reply(`Content-Type: image/jpeg|Etag: "1"`), miss, "Content-Encoding:", `Etag: "1"`),
		squeeze("below 1,000 bytes nothing is compressed", "gzip", "200|Content-Type: text/plain||"+text[1:], "200 Miss a*999", "Content-Encoding:"),
		squeeze("without a length nothing is compressed", "gzip", "200|Content-Type: text/plain|close||"+text, miss, "Content-Encoding:"),
		squeeze("what the origin compressed stays", "gzip", reply("Content-Type: text/plain|Content-Encoding: zstd"), miss, "Content-Encoding: zstd"),
		squeeze("no viewer's wish, no compression", "identity", reply("Content-Type: text/plain"), miss, "Content-Encoding:"),
		squeeze("a 404 is compressed", "gzip", "404|Content-Type: text/html||"+text, "404 Error a*1000", "Content-Encoding: gzip"),
		squeeze("a 500 is not", "gzip", "500|Content-Type: text/html||"+text, "500 Error a*1000", "Content-Encoding:"),
		{name: "without Compress nothing is compressed", policy: both, steps: []ruleStep{{ask: "GET /a|Accept-Encoding: gzip", reply: reply("Content-Type: text/plain"), want: miss, has: []string{"Content-Encoding:"}}}},
		{name: "on HTTP/1.0 nothing is compressed", policy: both, dist: compresses, steps: []ruleStep{{ask: "HTTP/1.0 GET /a|Accept-Encoding: gzip", reply: reply("Content-Type: text/plain"), want: miss, has: []string{"Content-Encoding:"}}}},

		// Response headers policies, by the managed ones.
		{name: "security headers are added, to hits too, and the origin's stay where the policy says so", dist: defaultBehavior(func(b *edge.CacheBehavior) {
			b.ResponseHeadersPolicyID = "67f7725c-6f97-4210-82d7-5512b31e9d03"
		}), steps: []ruleStep{
			{reply: "200|X-Frame-Options: DENY||x", want: "200 Miss x", has: []string{"X-Frame-Options: DENY", "X-Content-Type-Options: nosniff", "Referrer-Policy: strict-origin-when-cross-origin", "Strict-Transport-Security: max-age=31536000"}},
			{want: "200 Hit x", has: []string{"X-Frame-Options: DENY", "X-Content-Type-Options: nosniff"}},
		}},
		{name: "CORS headers are for requests with an Origin", dist: defaultBehavior(func(b *edge.CacheBehavior) {
			b.ResponseHeadersPolicyID = "60669652-455b-4ae9-85a4-c4c02393f86c"
		}), steps: []ruleStep{
			{reply: "200||x", want: "200 Miss x", has: []string{"Access-Control-Allow-Origin:"}},
			{ask: "GET /a|Origin: https://a.example", want: "200 Hit x", has: []string{"Access-Control-Allow-Origin: *"}},
		}},

		// Errors.
		{name: "a custom error page has its own path, behavior and status", dist: func(c *edge.DistributionConfig) {
			behaviors("/errors/*")(c)
			c.CustomErrorResponses = []edge.CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "/errors/404", ResponseCode: "200"}}
		}, steps: []ruleStep{
			{ask: "GET /errors/404", reply: "200||sorry", want: "200 Miss sorry", heard: []string{"GET /second/errors/404"}},
			{reply: "404||gone", want: "200 Error sorry"},
			{want: "200 Error sorry"},
		}},
		{name: "a custom error page that cannot be had: the error itself", dist: func(c *edge.DistributionConfig) {
			c.CustomErrorResponses = []edge.CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "/errors/404", ResponseCode: "404"}}
		}, steps: []ruleStep{{reply: "404||gone", want: "404 Error gone", times: 2}}},
		{name: "ErrorCachingMinTTL may be set alone", dist: func(c *edge.DistributionConfig) {
			c.CustomErrorResponses = []edge.CustomErrorResponse{{ErrorCode: 500, ErrorCachingMinTTL: new(int64(60))}}
		}, steps: []ruleStep{{reply: "500||x", want: "500 Error x"}, {wait: 59 * second, want: "500 Error x"}, {wait: second, reply: "200||y", want: "200 Miss y"}}},
		{name: "an error's own max-age counts when it is longer", steps: []ruleStep{
			{reply: "404|Cache-Control: max-age=30||x", want: "404 Error x"}, {wait: 29 * second, want: "404 Error x"}, {wait: second, reply: "200||y", want: "200 Miss y"},
		}},
		{name: "416 is never kept", steps: []ruleStep{{reply: "416|Cache-Control: max-age=30||x", want: "416 Error x"}, {reply: "200||y", want: "200 Miss y"}}},
	}, errorRules()...)
}

// errorRules say of each status how long it is kept without and with a max-age.
func errorRules() []rule {
	var rules []rule
	for _, status := range strings.Fields("404 410 414 500 501 502 503 504") {
		rules = append(rules, rule{name: status + " is kept for 10 s", steps: []ruleStep{
			{reply: status + "||x", want: status + " Error x"}, {wait: 9 * time.Second, want: status + " Error x"}, {wait: time.Second, reply: "200||y", want: "200 Miss y"},
		}})
	}
	for _, status := range strings.Fields("400 403 405 412 415") {
		rules = append(rules,
			rule{name: status + " is not kept", steps: []ruleStep{{reply: status + "||x", want: status + " Error x"}, {reply: "200||y", want: "200 Miss y"}}},
			rule{name: status + " with max-age is kept", steps: []ruleStep{
				{reply: status + "|Cache-Control: max-age=30||x", want: status + " Error x"}, {wait: 29 * time.Second, want: status + " Error x"}, {wait: time.Second, reply: "200||y", want: "200 Miss y"},
			}})
	}
	return rules
}
