package edge

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

type step struct {
	ask  string
	want want
}

func TestLambdaAtTheEdge(t *testing.T) {
	const failed = "LambdaExecutionError"
	plain := func(status, body string) map[string]any { return map[string]any{"status": status, "body": body} }
	replace := func(data string) func(map[string]any) {
		return func(m map[string]any) {
			m["body"] = map[string]any{"action": "replace", "encoding": "text", "data": data}
		}
	}
	invalid := want{status: 502, xCache: "LambdaValidationError", detail: "LambdaValidationError"}
	for _, row := range []struct {
		name   string
		fs     functions
		body   bool // IncludeBody
		change func(*DistributionConfig)
		steps  []step
		asked  string // of the origin; "-" nothing
		ran    string // the events; "-" none
	}{
		{
			"all four run for a miss, those of the viewer for a hit",
			functions{
				"viewer-request": pass("request", nil), "origin-request": pass("request", nil),
				"origin-response": pass("response", nil), "viewer-response": pass("response", nil),
			},
			false, nil,
			[]step{{"GET /a", want{status: 200, xCache: "Miss", detail: "Miss", body: "GET /a"}}, {"GET /a", want{status: 200, xCache: "Hit", body: "GET /a"}}},
			"GET /a", "viewer-request origin-request origin-response viewer-response viewer-request viewer-response",
		},
		{
			"viewer-request changes path, query and header before the key is made",
			functions{"viewer-request": pass("request", func(m map[string]any) {
				m["uri"], m["querystring"] = "/b", "y=2"
				field("X-Key", "made")(m)
			})},
			false, nil,
			[]step{{"GET /a?x=1\nX-Key: mine", want{xCache: "Miss", body: "GET /b?y=2 X-Key=made"}}, {"GET /other", want{xCache: "Hit", body: "GET /b?y=2 X-Key=made"}}},
			"GET /b?y=2 X-Key=made", "",
		},
		{
			"viewer-request sees the query that no policy forwards, and what the viewer says",
			functions{"viewer-request": func(_ context.Context, cf map[string]any) (any, error) {
				m := cf["request"].(map[string]any)
				_, origin := m["origin"]
				_, body := m["body"]
				_, connection := m["headers"].(map[string]any)["connection"]
				return plain("200", fmt.Sprint(m["querystring"], m["method"], m["uri"], origin, body, connection, m["clientIp"], m["headers"].(map[string]any)["cookie"])), nil
			}},
			false, nil,
			[]step{{"GET /a?q=%7e&b\nCookie: a=b", want{status: 200, body: "q=%7e&bGET/afalse false false127.0.0.1[map[key:Cookie value:a=b]]"}}},
			"-", "",
		},
		{
			"response of viewer-request is not cached, and viewer-response does not see it",
			functions{
				"viewer-request": returns(map[string]any{"status": "302", "headers": map[string]any{"Location": []any{map[string]any{"value": "/x"}}}}, nil), "viewer-response": pass("response", field("X-By", "v")),
			},
			false, nil,
			[]step{
				{"GET /a", want{status: 302, xCache: "LambdaGeneratedResponse", detail: "LambdaGeneratedResponse", body: "-", fields: map[string]string{"Location": "/x", "X-By": ""}}},
				{"GET /a", want{status: 302, xCache: "LambdaGeneratedResponse"}},
			},
			"-", "viewer-request viewer-request",
		},
		{
			"HEAD of a response of viewer-request has its length",
			functions{"viewer-request": returns(plain("200", "hello"), nil)},
			false, nil,
			[]step{{"HEAD /a", want{status: 200, body: "-", fields: map[string]string{"Content-Length": "5"}}}},
			"-", "",
		},
		{
			"response of viewer-request may have 40 KB",
			functions{"viewer-request": returns(plain("200", strings.Repeat("x", 40<<10)), nil)},
			false, nil,
			[]step{{"GET /a", want{status: 200}}},
			"-", "",
		},
		{"and no more", functions{"viewer-request": returns(plain("200", strings.Repeat("x", 40<<10+1)), nil)}, false, nil, []step{{"GET /a", invalid}}, "-", ""},
		{
			"response of origin-request is cached, and viewer-response sees it; origin-response does not",
			functions{
				"origin-request": returns(plain("200", strings.Repeat("x", 1<<20)), nil), "origin-response": pass("response", nil), "viewer-response": pass("response", field("X-By", "v")),
			},
			false, nil,
			[]step{
				{"GET /a", want{status: 200, xCache: "LambdaGeneratedResponse", fields: map[string]string{"X-By": "v"}}},
				{"GET /a", want{status: 200, xCache: "Hit", fields: map[string]string{"X-By": "v"}}},
			},
			"-", "origin-request viewer-response viewer-response",
		},
		{"of 1 MB at most", functions{"origin-request": returns(plain("200", strings.Repeat("x", 1<<20+1)), nil)}, false, nil, []step{{"GET /a", invalid}}, "-", ""},
		{
			"origin-response changes status, header and body, and that is cached",
			functions{"origin-response": pass("response", func(m map[string]any) {
				m["status"], m["body"] = 200, "another"
				field("X-By", "o", "p")(m)
				without("x-origin")(m)
			})},
			false, nil,
			[]step{
				{"GET /missing", want{status: 200, xCache: "Miss", body: "another", fields: map[string]string{"X-By": "o", "X-Origin": "", "Content-Length": "7"}}},
				{"GET /missing", want{status: 200, xCache: "Hit", body: "another"}},
			},
			"GET /missing", "",
		},
		{
			"origin-response sees the request that was sent, and its origin",
			functions{
				"origin-request": pass("request", func(m map[string]any) { m["uri"] = "/sent" }),
				"origin-response": func(_ context.Context, cf map[string]any) (any, error) {
					request := cf["request"].(map[string]any)
					origin := request["origin"].(map[string]any)["custom"].(map[string]any)
					response := cf["response"].(map[string]any)
					return plain("200", fmt.Sprint(request["uri"], " ", origin["protocol"], " ", response["status"], " ", response["statusDescription"])), nil
				},
			},
			false, nil,
			[]step{{"GET /a", want{body: "/sent http 200 OK"}}},
			"GET /sent", "",
		},
		{
			"a body that is left out stays, and an empty one takes it away",
			functions{"origin-response": pass("response", func(m map[string]any) {
				if m["status"] == "404" {
					m["body"] = ""
				}
			})},
			false, nil,
			[]step{{"GET /a", want{body: "GET /a"}}, {"GET /missing", want{status: 404, body: "-", xCache: "Error"}}},
			"", "",
		},
		{
			"origin-response in base64",
			functions{"origin-response": pass("response", func(m map[string]any) { m["body"], m["bodyEncoding"] = "aGk=", "base64" })},
			false, nil,
			[]step{{"GET /a", want{body: "hi"}}},
			"", "",
		},
		{
			"origin-response runs for a 304 too",
			functions{"origin-response": pass("response", func(m map[string]any) { field("X-By", m["status"].(string))(m) })},
			false, nil,
			[]step{{"GET /304", want{xCache: "Miss", fields: map[string]string{"X-By": "200"}}}, {"GET /304", want{status: 200, xCache: "RefreshHit", body: "GET /304", fields: map[string]string{"X-By": "304"}}}},
			"", "origin-response origin-response",
		},
		{
			"origin-response of a 200 that becomes a 204 has no body",
			functions{"origin-response": pass("response", set1("status", "204"))},
			false, nil,
			[]step{{"GET /a", want{status: 204, body: "-"}}},
			"", "",
		},
		{
			"viewer-response changes the header of hits and misses, and not what is cached",
			functions{"viewer-response": pass("response", func(m map[string]any) {
				field("Strict-Transport-Security", "max-age=1")(m)
				without("x-origin")(m)
				without("content-length")(m)
			})},
			false, nil,
			[]step{
				{"GET /a", want{xCache: "Miss", body: "GET /a", fields: map[string]string{"Strict-Transport-Security": "max-age=1", "X-Origin": "", "Content-Length": "6"}}},
				{"GET /a", want{xCache: "Hit", body: "GET /a", fields: map[string]string{"Strict-Transport-Security": "max-age=1", "Content-Length": "6"}}},
				{"GET /a\nRange: bytes=0-2", want{status: 206, xCache: "Hit", body: "GET", fields: map[string]string{"Strict-Transport-Security": "max-age=1", "Content-Length": "3"}}},
				{"POST /a\n\nbody", want{status: 200, body: "POST /a 4:body", fields: map[string]string{"Strict-Transport-Security": "max-age=1"}}},
			},
			"", "",
		},
		{
			"viewer-response sees the viewer's request as viewer-request left it",
			functions{
				"viewer-request": pass("request", func(m map[string]any) { m["uri"] = "/b"; field("X-By", "me")(m) }),
				"viewer-response": func(_ context.Context, cf map[string]any) (any, error) {
					request := cf["request"].(map[string]any)
					response := cf["response"].(map[string]any)
					_, origin := request["origin"]
					field("X-Saw", fmt.Sprint(request["uri"], request["headers"].(map[string]any)["x-by"], origin))(response)
					return response, nil
				},
			},
			false, nil,
			[]step{{"GET /a", want{fields: map[string]string{"X-Saw": "/b[map[key:X-By value:me]] false"}}}},
			"", "",
		},
		{
			"viewer-response replaces the body",
			functions{"viewer-response": pass("response", set1("body", "mine"))},
			false, nil,
			[]step{{"GET /a", want{status: 200, xCache: "Miss", body: "mine"}}, {"GET /a", want{xCache: "Hit", body: "mine"}}, {"HEAD /a", want{status: 200, body: "-", fields: map[string]string{"Content-Length": "4"}}}},
			"GET /a", "",
		},
		{"viewer-response of part of a body cannot", functions{"viewer-response": pass("response", set1("body", "mine"))}, false, nil, []step{{"GET /a", want{}}, {"GET /a\nRange: bytes=0-1", invalid}}, "", ""},
		{"viewer-response may not change the status", functions{"viewer-response": pass("response", set1("status", "201"))}, false, nil, []step{{"GET /a", invalid}}, "GET /a", ""},
		{
			"viewer-response does not run for errors of the origin",
			functions{"viewer-response": pass("response", field("X-By", "v"))},
			false, nil,
			[]step{{"GET /missing", want{status: 404, xCache: "Error", fields: map[string]string{"X-By": ""}}}, {"GET /down", want{status: 503, xCache: "Error"}}, {"POST /missing", want{status: 404}}},
			"", "-",
		},
		{
			"nor for what the edge refuses",
			functions{"viewer-request": pass("request", nil), "viewer-response": pass("response", nil)},
			false,
			func(d *DistributionConfig) { d.DefaultCacheBehavior.ViewerProtocolPolicy = "redirect-to-https" },
			[]step{{"GET /a", want{status: 301, xCache: "Redirect"}}},
			"-", "-",
		},
		{
			"a failing viewer-response does not leave the origin's header",
			functions{"viewer-response": returns(nil, errors.New("boom"))},
			false, nil,
			[]step{{"GET /a", want{status: 503, xCache: failed, detail: failed, fields: map[string]string{"X-Origin": "", "Content-Type": "text/html"}}}},
			"", "",
		},
		{"viewer-request that throws", functions{"viewer-request": returns(nil, errors.New("boom"))}, false, nil, []step{{"GET /a", want{status: 503, xCache: failed, detail: failed}}}, "-", ""},
		{"origin-response that throws", functions{"origin-response": returns(nil, errors.New("boom"))}, false, nil, []step{{"GET /a", want{status: 503, xCache: failed, detail: failed}}}, "", ""},
		{
			"a throttled function",
			functions{"viewer-request": returns(nil, fault.New("TooManyRequestsException", "Rate Exceeded."))},
			false, nil,
			[]step{{"GET /a", want{status: 503, xCache: "LambdaLimitExceeded", detail: "LambdaLimitExceeded"}}},
			"-", "",
		},
		{
			"a fault at a viewer's event is not cached, one at the origin's is",
			functions{"origin-request": returns("{", nil)},
			false, nil,
			[]step{{"GET /a", invalid}, {"GET /a", want{status: 502}}},
			"-", "origin-request",
		},
		{
			"the body is shown to who includes it, and goes on",
			functions{"viewer-request": pass("request", func(m map[string]any) {
				b := m["body"].(map[string]any)
				field("X-Key", fmt.Sprint(b["action"], b["encoding"], b["inputTruncated"], b["data"]))(m)
			})},
			true, nil,
			[]step{{"POST /a\n\nhello", want{body: "POST /a X-Key=read-onlybase64falseaGVsbG8= 5:hello"}}},
			"", "",
		},
		{
			"of a body of more than 40 KB viewer-request sees the beginning",
			functions{"viewer-request": pass("request", func(m map[string]any) {
				b := m["body"].(map[string]any)
				data, _ := base64.StdEncoding.DecodeString(b["data"].(string))
				field("X-Key", fmt.Sprint(b["inputTruncated"], len(data)))(m)
			})},
			true, nil,
			[]step{{"POST /a\n\n" + strings.Repeat("x", 50000), want{body: "POST /a X-Key=true 40960 50000:xxxxxxxxxxxxxxxxxxxx"}}},
			"", "",
		},
		{
			"origin-request sees 1 MB",
			functions{"origin-request": pass("request", func(m map[string]any) {
				b := m["body"].(map[string]any)
				data, _ := base64.StdEncoding.DecodeString(b["data"].(string))
				field("X-Key", fmt.Sprint(b["inputTruncated"], len(data)))(m)
			})},
			true, nil,
			[]step{
				{"POST /a\n\n" + strings.Repeat("x", 1<<20), want{body: "POST /a X-Key=false 1048576 1048576:xxxxxxxxxxxxxxxxxxxx"}},
				{"POST /a\n\n" + strings.Repeat("x", 1<<20+1), want{body: "POST /a X-Key=true 1048576 1048577:xxxxxxxxxxxxxxxxxxxx"}},
			},
			"", "",
		},
		{
			"both may replace it",
			functions{"viewer-request": pass("request", replace("from the viewer's")), "origin-request": pass("request", func(m map[string]any) {
				data, _ := base64.StdEncoding.DecodeString(m["body"].(map[string]any)["data"].(string))
				replace(string(data) + " and")(m)
			})},
			true, nil,
			[]step{{"POST /a\n\nhello", want{body: "POST /a 21:from the viewer's an"}}},
			"", "",
		},
		{"an empty body takes it away", functions{"viewer-request": pass("request", replace(""))}, true, nil, []step{{"POST /a\n\nhello", want{body: "POST /a"}}}, "", ""},
		{"a GET has none to replace", functions{"viewer-request": pass("request", replace("x"))}, true, nil, []step{{"GET /a", invalid}}, "-", ""},
		{"a body may be replaced only by who includes it", functions{"viewer-request": pass("request", replace("x"))}, false, nil, []step{{"POST /a\n\nhello", invalid}}, "-", ""},
		{"a body that replaces has 40 KB at most", functions{"viewer-request": pass("request", replace(strings.Repeat("x", 40<<10+1)))}, true, nil, []step{{"POST /a\n\nhello", invalid}}, "-", ""},
		{
			"the root object comes after viewer-request",
			functions{"viewer-request": pass("request", func(m map[string]any) { field("X-Key", m["uri"].(string))(m) })},
			false,
			func(d *DistributionConfig) { d.DefaultRootObject = "index.html" },
			[]step{{"GET /", want{body: "GET /index.html X-Key=/"}}},
			"", "",
		},
		{
			"functions run for a behavior that caches nothing",
			functions{"viewer-request": pass("request", field("X-Key", "k")), "origin-request": pass("request", nil), "origin-response": pass("response", field("X-By", "o")), "viewer-response": pass("response", field("X-V", "v"))},
			false, func(d *DistributionConfig) {
				d.DefaultCacheBehavior.CachePolicyID = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" // Managed-CachingDisabled
			},
			[]step{{"GET /a", want{body: "GET /a", fields: map[string]string{"X-By": "o", "X-V": "v"}}}},
			"", "viewer-request origin-request origin-response viewer-response",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			st := newStage(t, row.fs, row.body, row.change)
			for _, s := range row.steps {
				line, _, _ := strings.Cut(s.ask, "\n")
				a, log := st.ask(t, s.ask)
				s.want.check(t, line, a, log)
			}
			if row.asked != "" && st.asked() != strings.Trim(row.asked, "-") {
				t.Errorf("the origin was asked %q, want %q", st.asked(), row.asked)
			}
			if row.ran != "" && st.ran() != strings.Trim(row.ran, "-") {
				t.Errorf("events = %q, want %q", st.ran(), row.ran)
			}
		})
	}
}

func TestWhatAFunctionMayNotChangeIsA502(t *testing.T) {
	many := func(m map[string]any) { field("X-Much", strings.Repeat("x", 21000))(m) }
	for _, row := range []struct {
		name, event string
		change      func(map[string]any)
	}{
		{"Host at viewer-request", "viewer-request", field("Host", "other.example.com")},
		{"Via at viewer-request", "viewer-request", field("Via", "1.1 x")},
		{"Content-Length at viewer-request", "viewer-request", field("Content-Length", "1")},
		{"Transfer-Encoding at viewer-request", "viewer-request", field("Transfer-Encoding", "chunked")},
		{"CloudFront-Viewer-Country at viewer-request", "viewer-request", field("CloudFront-Viewer-Country", "DE")},
		{"Connection at viewer-request", "viewer-request", field("Connection", "close")},
		{"X-Forwarded-Proto at viewer-request", "viewer-request", field("X-Forwarded-Proto", "https")},
		{"X-Edge-Anything at viewer-request", "viewer-request", field("X-Edge-Anything", "x")},
		{"the method at viewer-request", "viewer-request", set1("method", "PUT")},
		{"clientIp at viewer-request", "viewer-request", set1("clientIp", "192.0.2.1")},
		{"a uri of 8192 bytes", "viewer-request", set1("uri", "/"+strings.Repeat("a", 8191))},
		{"a query with a blank", "viewer-request", set1("querystring", "a b")},
		{"a request of more than 20480 bytes", "viewer-request", many},
		{"Via at origin-response", "origin-response", field("Via", "1.1 x")},
		{"Transfer-Encoding at origin-response", "origin-response", field("Transfer-Encoding", "gzip")},
		{"X-Cache at origin-response", "origin-response", field("X-Cache", "Hit")},
		{"X-Amz-Cf-Pop at origin-response", "origin-response", field("X-Amz-Cf-Pop", "x")},
		{"status 199 at origin-response", "origin-response", set1("status", "199")},
		{"no status at origin-response", "origin-response", func(m map[string]any) { delete(m, "status") }},
		{"204 with a body at origin-response", "origin-response", func(m map[string]any) { m["status"], m["body"] = "204", "x" }},
		{"body that is no base64 at origin-response", "origin-response", func(m map[string]any) { m["body"], m["bodyEncoding"] = "%", "base64" }},
		{"body of more than 1 MB at origin-response", "origin-response", set1("body", strings.Repeat("x", 1<<20+1))},
		{"header of more than 20480 bytes at origin-response", "origin-response", many},
		{"Via deleted at viewer-response", "viewer-response", without("via")},
		{"Warning at viewer-response", "viewer-response", field("Warning", "110 - x")},
		{"X-Amz-Cf-Id at viewer-response", "viewer-response", field("X-Amz-Cf-Id", "x")},
		{"body of more than 40 KB at viewer-response", "viewer-response", set1("body", strings.Repeat("x", 40<<10+1))},
		{"value with a line break at viewer-response", "viewer-response", field("X-A", "a\r\nb: c")},
	} {
		t.Run(row.name, func(t *testing.T) {
			what := "request"
			if strings.HasSuffix(row.event, "response") {
				what = "response"
			}
			st := newStage(t, functions{row.event: pass(what, row.change)}, false, nil)
			a, log := st.ask(t, "GET /a")
			want{status: 502, xCache: "LambdaValidationError", detail: "LambdaValidationError"}.check(t, "GET /a", a, log)
			if got := st.logs.of("/aws/cloudfront/LambdaEdge/" + st.dist.ID); !strings.Contains(got, a.header.Get("X-Amz-Cf-Id")) || !strings.Contains(got, functionAt(row.event)) {
				t.Errorf("the log of validation errors says %q", got)
			}
		})
	}
}

func TestFunctionHasFiveSecondsAtTheViewersEventsAndThirtyAtTheOrigins(t *testing.T) {
	for _, at := range eventTypes {
		t.Run(at.name, func(t *testing.T) {
			inBubble(t, setup{
				origin: always(200, "ok"),
				function: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				},
				dist: func(d *DistributionConfig) { d.DefaultCacheBehavior.LambdaFunctions[0].EventType = at.name },
			}, func(t *testing.T, rg *rig) {
				began := time.Now()
				a := rg.get("/a")
				limit := 5 * time.Second
				if at.origin {
					limit = 30 * time.Second
				}
				if took := time.Since(began); took != limit || a.status != 503 || a.xCache() != "LambdaExecutionError" {
					t.Errorf("%d %s after %v, want 503 LambdaExecutionError after %v", a.status, a.xCache(), took, limit)
				}
			})
		})
	}
}

// described is an Invoker that knows the limits of its functions.
type described struct {
	invoke
	timeout time.Duration
	memory  int
}

func (d described) DescribeEdgeFunction(context.Context, string) (time.Duration, int, error) {
	return d.timeout, d.memory, nil
}

func TestFunctionsConfigurationIsComparedWithItsEvent(t *testing.T) {
	for _, row := range []struct {
		event   string
		timeout time.Duration
		memory  int
		code    string
	}{
		{"viewer-request", 5 * time.Second, 128, ""},
		{"viewer-request", 6 * time.Second, 128, "InvalidLambdaFunctionAssociation"},
		{"viewer-response", 5 * time.Second, 129, "InvalidLambdaFunctionAssociation"},
		{"origin-request", 30 * time.Second, 10240, ""},
		{"origin-response", 31 * time.Second, 128, "InvalidLambdaFunctionAssociation"},
	} {
		rg := newRig(t, setup{origin: always(200, "ok"), config: func(c *Config) { c.Invoker = described{timeout: row.timeout, memory: row.memory} }})
		d := plainDistribution(rg.dist.Config.DefaultCacheBehavior.CachePolicyID)
		d.CallerReference = "2"
		d.DefaultCacheBehavior.LambdaFunctions = []LambdaFunctionAssociation{{FunctionARN: functionARN, EventType: row.event}}
		if _, err := rg.CreateDistribution(t.Context(), rg.root, d); fault.Code(err) != row.code {
			t.Errorf("%s with %v and %d MB: %v, want code %q", row.event, row.timeout, row.memory, err, row.code)
		}
		rg.Close()
	}
}

// FuzzResponse feeds answers of functions of response events: none may panic, and none may make a header that is not one.
func FuzzResponse(f *testing.F) {
	before := func() http.Header {
		return http.Header{"Via": {"1.1 x"}, "X-Cache": {"Miss"}, "Content-Length": {"2"}, "X-Latin": {"caf\xe9"}}
	}
	f.Add([]byte(`{"status":"200","headers":{"via":[{"key":"Via","value":"1.1 x"}],"a":[{"value":"b"}]},"body":"aGk=","bodyEncoding":"base64"}`), true)
	f.Add([]byte(`{"status":204,"headers":{"via":[{"value":"1.1 x"}]}}`), true)
	f.Add([]byte(`{"status":"200","headers":{"Via":[{"value":"1.1 x"}],"X-LATIN":[{"value":"caf\ufffd"}]}}`), false)
	f.Fuzz(func(t *testing.T, answer []byte, origin bool) {
		at := viewerResponse
		if origin {
			at = originResponse
		}
		c, err := parseResponse(answer, at, 200, before())
		if err != nil {
			return
		}
		if c.status < 200 || c.status > 599 || !origin && c.status != 200 || len(c.body) > at.limit || c.header.Get("Via") != "1.1 x" || c.header.Get("X-Cache") != "Miss" || c.header["Content-Length"] != nil {
			t.Fatalf("answer %q made %+v", answer, c)
		}
		for name, values := range c.header {
			for _, value := range values {
				if !validToken(name) || !validValue(value) {
					t.Fatalf("answer %q made the header %q: %q", answer, name, value)
				}
			}
		}
		if c.status == 204 && (len(c.body) > 0 || !c.replaced) {
			t.Fatalf("answer %q gave a 204 a body", answer)
		}
	})
}
