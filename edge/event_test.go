package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
)

func decode(t testing.TB, line string) map[string]string {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return m
}

// echo returns the request of an event, as a function that changes nothing does.
func echo(event []byte) []byte { return rewrite(event, func(map[string]any) {}) }

// rewrite returns the request of an event, changed.
func rewrite(event []byte, change func(request map[string]any)) []byte {
	var e struct {
		Records []struct {
			CF struct{ Request map[string]any }
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		panic(err)
	}
	request := e.Records[0].CF.Request
	change(request)
	out, err := json.Marshal(request)
	if err != nil {
		panic(err)
	}
	return out
}

func header(key, value string) []any { return []any{map[string]any{"key": key, "value": value}} }

func TestOriginRequestEventIsCloudFronts(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok"), function: func(_ context.Context, arn string, event []byte) ([]byte, error) {
		if arn != functionARN {
			t.Errorf("function = %s", arn)
		}
		return echo(event), nil
	}, dist: func(c *DistributionConfig) {
		c.Origins[0].CustomHeaders = []HeaderField{{"X-Secret", "s"}}
		c.Origins[0].Path = "/prefix"
	}}, func(t *testing.T, rg *rig) {
		a := rg.get("/a.jpg?showExif=true&x=1", "Accept-Encoding", "gzip")
		want := `{"Records":[{"cf":{"config":{"distributionDomainName":"DOMAIN","distributionId":"ID","eventType":"origin-request","requestId":"REQUEST"},` +
			`"request":{"clientIp":"203.0.113.178","headers":{"accept-encoding":[{"key":"Accept-Encoding","value":"gzip"}],` +
			`"host":[{"key":"Host","value":"` + originDomain + `"}],"user-agent":[{"key":"User-Agent","value":"Amazon CloudFront"}],` +
			`"via":[{"key":"Via","value":"1.1 NODE (CloudFront)"}],"x-forwarded-for":[{"key":"X-Forwarded-For","value":"203.0.113.178"}]},` +
			`"method":"GET","origin":{"custom":{"customHeaders":{"x-secret":[{"key":"X-Secret","value":"s"}]},"domainName":"` + originDomain +
			`","keepaliveTimeout":5,"path":"/prefix","port":443,"protocol":"https","readTimeout":30,"sslProtocols":["TLSv1.2"]}},` +
			`"querystring":"showExif=true","uri":"/a.jpg"}}}]}` + "\n"
		want = strings.NewReplacer("DOMAIN", rg.dist.DomainName, "ID\"", rg.dist.ID+"\"", "REQUEST", a.header.Get("X-Amz-Cf-Id"),
			"NODE", rg.brand.node).Replace(want)
		at(t, rg.events[0], want, "event")
		r := rg.requests[0]
		at(t, r.URL.RequestURI(), "/prefix/a.jpg?showExif=true", "request target after an echo")
		at(t, r.Header.Get("X-Secret"), "s", "custom header after an echo")
		at(t, r.Header.Get("X-Amz-Cf-Id"), a.header.Get("X-Amz-Cf-Id"), "X-Amz-Cf-Id")
		at(t, a.xCache(), "Miss", "X-Cache")
	})
}

func TestFunctionChangesWhatGoesToTheOrigin(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok"), function: func(_ context.Context, _ string, event []byte) ([]byte, error) {
		return rewrite(event, func(q map[string]any) {
			h := q["headers"].(map[string]any)
			// As the reference solution's signer: mixed case beside lower case, keys in lower case.
			h["Authorization"] = header("Authorization", "AWS4-HMAC-SHA256 x")
			h["x-amz-date"] = []any{map[string]any{"value": "20261126T000000Z"}}
			h["host"] = header("host", "other.example.com")
			delete(h, "user-agent")
			q["uri"], q["querystring"] = "/b%2Fc//", "y=%20"
			q["origin"] = map[string]any{"custom": map[string]any{
				"customHeaders": map[string]any{"x-k": header("x-k", "v")}, "domainName": "other.example.com",
				"keepaliveTimeout": 6, "path": "/p", "port": 8443, "protocol": "https", "readTimeout": 7, "sslProtocols": []string{"TLSv1.2"},
			}}
		}), nil
	}}, func(t *testing.T, rg *rig) {
		rg.get("/a")
		r := rg.requests[0]
		at(t, r.URL.String(), "https://other.example.com:8443/p/b%2Fc//?y=%20", "URL")
		at(t, r.Host, "other.example.com", "Host")
		at(t, r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 x", "Authorization")
		at(t, r.Header.Get("X-Amz-Date"), "20261126T000000Z", "X-Amz-Date")
		at(t, r.Header.Get("X-K"), "v", "custom header")
		if ua, ok := r.Header["User-Agent"]; !ok || len(ua) != 0 {
			t.Errorf("User-Agent = %q, want the empty list that keeps net/http from sending its own", ua)
		}
		synctest.Wait()
		at(t, rg.get("/a").xCache(), "Hit", "X-Cache under the viewer's own path")
	})
}

func TestAnswersOfAFunctionThatAreNotValidAreA502(t *testing.T) {
	set := func(name string, value any) func(map[string]any) {
		return func(q map[string]any) { q[name] = value }
	}
	headers := func(change func(h map[string]any)) func(map[string]any) {
		return func(q map[string]any) { change(q["headers"].(map[string]any)) }
	}
	origin := func(change func(o map[string]any)) func(map[string]any) {
		return func(q map[string]any) { change(q["origin"].(map[string]any)["custom"].(map[string]any)) }
	}
	for name, change := range map[string]func(map[string]any){
		"uri that is missing":                 func(q map[string]any) { delete(q, "uri") },
		"uri without a slash":                 set("uri", "a"),
		"uri with a space":                    set("uri", "/a b"),
		"uri that is a number":                set("uri", 1),
		"query string with a fragment":        set("querystring", "a#b"),
		"query string with a newline":         set("querystring", "a\nb"),
		"uri of 8192 bytes":                   set("uri", "/"+strings.Repeat("a", 8191)),
		"another method":                      set("method", "PUT"),
		"another clientIp":                    set("clientIp", "192.0.2.1"),
		"headers that are a list":             set("headers", []any{}),
		"disallowed header":                   headers(func(h map[string]any) { h["X-Amz-Cf-Id"] = header("x-amz-cf-id", "x") }),
		"connection header":                   headers(func(h map[string]any) { h["connection"] = header("connection", "close") }),
		"read-only header changed":            headers(func(h map[string]any) { h["accept-encoding"] = header("accept-encoding", "br") }),
		"read-only header deleted":            headers(func(h map[string]any) { delete(h, "via") }),
		"read-only header added":              headers(func(h map[string]any) { h["if-none-match"] = header("if-none-match", "x") }),
		"header value with a newline":         headers(func(h map[string]any) { h["x"] = header("x", "a\r\nb: c") }),
		"header value that is a number":       headers(func(h map[string]any) { h["x"] = []any{map[string]any{"key": "x", "value": 1}} }),
		"header without a value":              headers(func(h map[string]any) { h["x"] = []any{map[string]any{"key": "x"}} }),
		"header whose key is another":         headers(func(h map[string]any) { h["x"] = header("y", "1") }),
		"header name with a space":            headers(func(h map[string]any) { h["x y"] = header("x y", "1") }),
		"two hosts":                           headers(func(h map[string]any) { h["host"] = append(header("host", "a"), header("host", "b")...) }),
		"host with a path":                    headers(func(h map[string]any) { h["host"] = header("host", "a/b") }),
		"origin domain with a port":           origin(func(o map[string]any) { o["domainName"] = "a.example.com:1" }),
		"origin domain that is an address":    origin(func(o map[string]any) { o["domainName"] = "127.0.0.1" }),
		"origin path that ends with a slash":  origin(func(o map[string]any) { o["path"] = "/a/" }),
		"origin port that is reserved":        origin(func(o map[string]any) { o["port"] = 22 }),
		"origin protocol that is none":        origin(func(o map[string]any) { o["protocol"] = "ftp" }),
		"origin read timeout of an hour":      origin(func(o map[string]any) { o["readTimeout"] = 3600 }),
		"origin that is neither":              set("origin", map[string]any{}),
		"custom header that is among headers": origin(func(o map[string]any) { o["customHeaders"] = map[string]any{"user-agent": header("User-Agent", "x")} }),
		"custom header that is not allowed":   origin(func(o map[string]any) { o["customHeaders"] = map[string]any{"x-amz-date": header("x-amz-date", "x")} }),
		"status that is too large":            set("status", 600),
		"status that is too small":            set("status", "199"),
		"body that is not base64":             func(q map[string]any) { q["status"], q["body"], q["bodyEncoding"] = "200", "%", "base64" },
		"body of more than 1 MB":              func(q map[string]any) { q["status"], q["body"] = "200", strings.Repeat("a", 1<<20+1) },
		"encoding that is unknown":            func(q map[string]any) { q["status"], q["body"], q["bodyEncoding"] = "200", "", "gzip" },
		"204 with a body":                     func(q map[string]any) { q["headers"], q["status"], q["body"] = nil, "204", "x" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{origin: always(200, "ok"), function: func(_ context.Context, _ string, event []byte) ([]byte, error) {
				return rewrite(event, change), nil
			}}, func(t *testing.T, rg *rig) {
				a := rg.get("/a", "Accept-Encoding", "gzip")
				at(t, a.status, 502, "status")
				at(t, a.header.Get("X-Cache"), "LambdaValidationError from cloudfront", "X-Cache")
				at(t, len(rg.requests), 0, "origin requests")
			})
		})
	}
	for _, text := range []string{"", "null", "[]", `"x"`, "{", "1"} {
		if _, err := new(originRequest).apply([]byte(text), atOrigin); err == nil {
			t.Errorf("answer %q is valid, want an error", text)
		}
	}
}

func TestFunctionThatFailsIsA503(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		xCache string
		text   string
	}{
		{
			"it threw", errors.New("boom"), "LambdaExecutionError",
			"The Lambda function associated with the CloudFront distribution is invalid or doesn't have the required permissions.",
		},
		{"it may not run", fault.New("AccessDeniedException", "secret"), "LambdaExecutionError", "required permissions."},
		{"it was throttled", fault.New("TooManyRequestsException", "Rate Exceeded."), "LambdaLimitExceeded", "throttled."},
		{"it took too long", nil, "LambdaExecutionError", "required permissions."},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: always(200, "ok"), function: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
				if test.err == nil {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return nil, test.err
			}}, func(t *testing.T, rg *rig) {
				a := rg.get("/a")
				at(t, a.status, 503, "status")
				at(t, a.header.Get("X-Cache"), test.xCache+" from cloudfront", "X-Cache")
				if !strings.Contains(a.body, test.text) || strings.Contains(a.body, "secret") || strings.Contains(a.body, "boom") {
					t.Errorf("page: %s", a.body)
				}
				time.Sleep(9 * time.Second)
				rg.get("/a")
				at(t, len(rg.events), 1, "runs within 10 seconds")
				time.Sleep(time.Second)
				rg.get("/a")
				at(t, len(rg.events), 2, "runs after 10 seconds")
			})
		})
	}
}

func TestResponseThatAFunctionMadeIsCachedLikeAnOrigins(t *testing.T) {
	for _, test := range []struct{ name, answer, body string }{
		{"text", `{"status":"200","statusDescription":"OK","headers":{"Content-Type":[{"value":"text/html"}]},"body":"hi"}`, "hi"},
		{"base64 and a number", `{"status":200,"headers":{"content-type":[{"key":"Content-Type","value":"text/html"}]},"body":"aGk=","bodyEncoding":"base64"}`, "hi"},
		{"no body", `{"status":"200","headers":{"content-type":[{"key":"Content-Type","value":"text/html"}]}}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: always(500, "never asked"), function: func(context.Context, string, []byte) ([]byte, error) {
				return []byte(test.answer), nil
			}}, func(t *testing.T, rg *rig) {
				for _, want := range []string{"LambdaGeneratedResponse", "Hit"} {
					a := rg.get("/a")
					at(t, a.status, 200, "status")
					at(t, a.body, test.body, "body")
					at(t, a.header.Get("Content-Type"), "text/html", "Content-Type")
					at(t, a.xCache(), want, "X-Cache")
					synctest.Wait()
				}
				at(t, len(rg.requests), 0, "origin requests")
			})
		})
	}
}

func TestFunctionSeesTheConditionOfARevalidation(t *testing.T) {
	inBubble(t, setup{
		origin: func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("If-None-Match") != "" {
				return response(304, ""), nil
			}
			return response(200, "ok", "Etag", `"1"`), nil
		},
		function: func(_ context.Context, _ string, event []byte) ([]byte, error) { return echo(event), nil },
	}, func(t *testing.T, rg *rig) {
		rg.get("/a")
		time.Sleep(25 * time.Hour)
		at(t, rg.get("/a").xCache(), "RefreshHit", "X-Cache")
		if !strings.Contains(rg.events[1], `"if-none-match":[{"key":"If-None-Match","value":"\"1\""}]`) {
			t.Errorf("event: %s", rg.events[1])
		}
	})
}

func TestPathThatJSONCannotCarryReachesTheOriginAsItCame(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok"), function: func(_ context.Context, _ string, event []byte) ([]byte, error) {
		return echo(event), nil
	}}, func(t *testing.T, rg *rig) {
		rg.get("/caf\xe9")
		at(t, rg.requests[0].URL.RequestURI(), "/caf\xe9", "request target")
	})
}

// atOrigin is a function at origin-request.
var atOrigin = &trigger{at: originRequestEvent}

// FuzzApply feeds answers of functions: none may panic, and none may make a request that is not one.
func FuzzApply(f *testing.F) {
	q := fuzzRequest()
	event, err := q.event(atOrigin, nil, 0, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(echo(event))
	f.Add([]byte(`{"status":"200","headers":{"a":[{"value":"b"}]},"body":"aGk=","bodyEncoding":"base64"}`))
	f.Add([]byte(`{"uri":"/","headers":{"Via":[{"key":"via","value":"1.1 x"}]},"origin":{"s3":{"domainName":"b.s3.amazonaws.com","region":"us-east-1","path":"","authMethod":"none","customHeaders":{}}}}`))
	f.Add([]byte(`{"headers":{"a":[{}],"A":null}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		q := fuzzRequest()
		was := fmt.Sprintf("%+v", *q)
		g, err := q.apply(answer, atOrigin)
		if err != nil {
			if got := fmt.Sprintf("%+v", *q); got != was {
				t.Fatalf("refused answer %q changed the request:\n%s\n%s", answer, was, got)
			}
			return
		}
		if g != nil {
			if g.status < 200 || g.status > 599 || len(g.body) > originRequestEvent.limit {
				t.Fatalf("answer %q made %+v", answer, g)
			}
			return
		}
		r := q.request()
		if !strings.HasPrefix(q.uri, "/") || !validPath(q.uri) || !validQuery(q.query) || q.method != "GET" || q.header.Get("Via") != "1.1 x" {
			t.Fatalf("answer %q made %+v", answer, q)
		}
		for name, values := range r.Header {
			for _, value := range values {
				if !validToken(name) || !validValue(value) {
					t.Fatalf("answer %q made the header %q: %q", answer, name, value)
				}
			}
		}
	})
}

func fuzzRequest() *originRequest {
	return &originRequest{
		site: &site{domain: "d.cloudfront.net", id: "E"}, id: "id", clientIP: "192.0.2.1", method: "GET", uri: "/a",
		host: originDomain, header: http.Header{"Via": {"1.1 x"}, "User-Agent": {"Amazon CloudFront"}},
		target: target{domain: originDomain, scheme: "https", port: 443, sslProtocols: []string{"TLSv1.2"}, read: 30 * time.Second, keepaliveTimeout: 5},
	}
}
