package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestFirstRequestMissesAndTheNextOnesHitForADay(t *testing.T) {
	inBubble(t, setup{origin: always(200, "picture", "Content-Type", "image/jpeg")}, func(t *testing.T, rg *rig) {
		a := rg.get("/a.jpg")
		at(t, a.body, "picture", "body")
		at(t, a.header.Get("X-Cache"), "Miss from cloudfront", "X-Cache of the first")
		at(t, a.header.Get("Age"), "", "Age of a miss")
		at(t, a.header.Get("Content-Type"), "image/jpeg", "Content-Type")
		at(t, a.header.Get("X-Amz-Cf-Pop"), "LOC50-C1", "X-Amz-Cf-Pop")
		at(t, len(a.header.Get("X-Amz-Cf-Id")), 56, "length of X-Amz-Cf-Id")
		if via := a.header.Get("Via"); !strings.HasPrefix(via, "1.1 ") || !strings.HasSuffix(via, ".cloudfront.net (CloudFront)") {
			t.Errorf("Via = %q", via)
		}
		synctest.Wait()
		time.Sleep(24*time.Hour - time.Second)
		b := rg.get("/a.jpg")
		at(t, b.header.Get("X-Cache"), "Hit from cloudfront", "X-Cache a second before the day is over")
		at(t, b.header.Get("Age"), "86399", "Age")
		at(t, b.body, "picture", "body of the hit")
		if b.header.Get("X-Amz-Cf-Id") == a.header.Get("X-Amz-Cf-Id") {
			t.Error("two requests have one X-Amz-Cf-Id")
		}
		time.Sleep(time.Second)
		at(t, rg.get("/a.jpg").xCache(), "Miss", "X-Cache after a day")
		at(t, len(rg.requests), 2, "origin requests")
	})
}

func TestThousandViewersOfOneColdKeyCostOneFetchAndOneFunctionRun(t *testing.T) {
	want := strings.Repeat("pixels ", 15000)
	inBubble(t, setup{
		function: func(_ context.Context, _ string, event []byte) ([]byte, error) { return echo(event), nil },
		origin: func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			pr, pw := io.Pipe()
			go func() {
				for chunk := want; chunk != ""; chunk = chunk[min(len(chunk), 10000):] {
					time.Sleep(time.Millisecond)
					_, _ = io.WriteString(pw, chunk[:min(len(chunk), 10000)])
				}
				_ = pw.Close()
			}()
			r := response(200, "")
			r.Body, r.ContentLength = pr, int64(len(want))
			return r, nil
		},
	}, func(t *testing.T, rg *rig) {
		var wg sync.WaitGroup
		var misses atomic.Int32
		for range 1000 {
			wg.Go(func() {
				a := rg.get("/cold.jpg")
				if a.body != want || a.status != 200 {
					t.Errorf("status %d with %d bytes, want 200 with %d", a.status, len(a.body), len(want))
				}
				if a.xCache() == "Miss" {
					misses.Add(1)
				}
			})
		}
		wg.Wait()
		at(t, len(rg.requests), 1, "origin requests")
		at(t, len(rg.events), 1, "function runs")
		at(t, int(misses.Load()), 1, "viewers that saw Miss")
	})
}

func TestViewersOfOneFillDoNotWaitForASlowOne(t *testing.T) {
	inBubble(t, setup{origin: always(200, strings.Repeat("x", 1<<20))}, func(t *testing.T, rg *rig) {
		stop := make(chan struct{})
		slow := make(chan struct{})
		go func() {
			rg.ServeHTTP(&slowWriter{header: http.Header{}, stop: stop}, rg.request("GET", "/a"))
			close(slow)
		}()
		synctest.Wait()
		at(t, len(rg.get("/a").body), 1<<20, "length of the fast viewer's body while the slow one hangs")
		close(stop)
		<-slow
	})
}

// slowWriter hangs in its first Write.
type slowWriter struct {
	header http.Header
	stop   chan struct{}
}

func (w *slowWriter) Header() http.Header         { return w.header }
func (w *slowWriter) WriteHeader(int)             {}
func (w *slowWriter) Write(p []byte) (int, error) { <-w.stop; return len(p), nil }

func TestBodyThatBreaksOffResetsTheViewerAndIsNotStored(t *testing.T) {
	calls := 0
	inBubble(t, setup{origin: func(*http.Request) (*http.Response, error) {
		calls++
		r := response(200, "")
		r.Body, r.ContentLength = &brokenBody{strings.NewReader("half")}, 8
		if calls > 1 {
			return response(200, "complete"), nil
		}
		return r, nil
	}}, func(t *testing.T, rg *rig) {
		a := rg.get("/a")
		if !a.broken || a.body != "half" {
			t.Errorf("first viewer: broken = %v with %q, want the connection reset after the half", a.broken, a.body)
		}
		if b := rg.get("/a"); b.broken || b.body != "complete" || b.xCache() != "Miss" {
			t.Errorf("second viewer: %+v, want a whole Miss", b)
		}
	})
}

func TestHeadIsAnsweredFromTheCachedGetAndFillsAsGet(t *testing.T) {
	inBubble(t, setup{origin: always(200, "picture", "Etag", `"1"`)}, func(t *testing.T, rg *rig) {
		a := rg.send(rg.request("HEAD", "/a"))
		at(t, a.body, "", "body of HEAD")
		at(t, a.header.Get("Content-Length"), "7", "Content-Length of HEAD")
		at(t, rg.requests[0].Method, "GET", "method to the origin")
		synctest.Wait()
		at(t, rg.get("/a").xCache(), "Hit", "X-Cache of the GET after it")
		at(t, rg.send(rg.request("HEAD", "/a")).xCache(), "Hit", "X-Cache of a HEAD after it")
	})
}

func TestOriginRequestIsWhatCloudFrontSends(t *testing.T) {
	for _, test := range []struct {
		name   string
		target string
		fields []string
		path   string // of the origin request target
		want   map[string]string
	}{
		{
			"raw path and allow-listed query string stay as they are", "/a//b/%7Ec%2Fd?x=1&showExif=true&y=%20",
			[]string{"Accept", "image/webp", "Cookie", "a=b", "Authorization", "Basic x", "Referer", "r", "User-Agent", "curl"},
			"/a//b/%7Ec%2Fd?showExif=true",
			map[string]string{
				"User-Agent": "Amazon CloudFront", "Accept": "", "Cookie": "", "Authorization": "", "Referer": "",
				"Accept-Encoding": "", "X-Forwarded-For": "203.0.113.178",
			},
		},
		{"path that begins with two slashes stays one", "//a", nil, "//a", nil},
		{"empty and repeated parameters are passed literally", "/?showExif&showExif=&showExif=a&showexif=b", nil, "/?showExif&showExif=&showExif=a", nil},
		{"viewer that takes gzip and brotli", "/", []string{"Accept-Encoding", "gzip, deflate, br"}, "/", map[string]string{"Accept-Encoding": "br,gzip"}},
		{"viewer that takes brotli only", "/", []string{"Accept-Encoding", "gzip;q=0, br"}, "/", map[string]string{"Accept-Encoding": "br"}},
		{"viewer that takes neither", "/", []string{"Accept-Encoding", "zstd"}, "/", map[string]string{"Accept-Encoding": "identity"}},
		{"forwarded-for is appended", "/", []string{"X-Forwarded-For", "192.0.2.1"}, "/", map[string]string{"X-Forwarded-For": "192.0.2.1, 203.0.113.178"}},
		{
			"viewer's conditions and range stay here", "/",
			[]string{"If-None-Match", `"1"`, "Range", "bytes=0-1"},
			"/",
			map[string]string{"If-None-Match": "", "Range": ""},
		},
		{"unencoded characters that a URL should not have", `/a|b"`, nil, `/a|b"`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
				a := rg.get(test.target, test.fields...)
				r := rg.requests[0]
				at(t, r.URL.RequestURI(), test.path, "request target")
				at(t, r.URL.Scheme+"://"+r.URL.Host, "https://"+originDomain, "origin")
				at(t, r.Host, originDomain, "Host")
				at(t, r.Header.Get("X-Amz-Cf-Id"), a.header.Get("X-Amz-Cf-Id"), "X-Amz-Cf-Id to the origin")
				for name, want := range test.want {
					at(t, r.Header.Get(name), want, name)
				}
			})
		})
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		status int
		detail string
	}{
		{"unknown host", func(r *http.Request) { r.Host = "example.org" }, 403, "InvalidRequestCertificate"},
		{"method that the behavior does not allow", func(r *http.Request) { r.Method = "POST" }, 403, "InvalidRequestMethod"},
		{"method that no behavior allows", func(r *http.Request) { r.Method = "M-SEARCH" }, 403, "InvalidRequestMethod"},
		{"GET with a body", func(r *http.Request) { r.ContentLength = 1 }, 403, "InvalidRequest"},
		{"GET with a chunked body", func(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }, 403, "InvalidRequest"},
		{"URL of more than 8192 bytes", func(r *http.Request) { r.RequestURI = "/" + strings.Repeat("a", 8192) }, 413, "InvalidRequestHeader"},
		{"header of more than 20480 bytes", func(r *http.Request) { r.Header.Set("X", strings.Repeat("a", 20480)) }, 413, "InvalidRequestHeader"},
		{"asterisk form", func(r *http.Request) { r.RequestURI = "*" }, 400, "InvalidRequest"},
		{"fragment in the request line", func(r *http.Request) { r.RequestURI = "/a#b" }, 400, "InvalidRequest"},
		{"two distributions before this one", func(r *http.Request) {
			r.Header["Via"] = []string{"1.1 a.cloudfront.net (CloudFront), 1.1 b.cloudfront.net (CloudFront)"}
		}, 403, "InvalidRequestBlocked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
				r := rg.request("GET", "/")
				test.change(r)
				a := rg.send(r)
				at(t, a.status, test.status, "status")
				at(t, a.header.Get("X-Cache"), "Error from cloudfront", "X-Cache")
				at(t, a.header.Get("Server"), "CloudFront", "Server")
				for _, phrase := range []string{
					"Generated by cloudfront (CloudFront)", "Request ID: " + a.header.Get("X-Amz-Cf-Id"),
					fmt.Sprintf("<H1>%d ERROR</H1>", test.status),
				} {
					if !strings.Contains(a.body, phrase) {
						t.Errorf("page lacks %q:\n%s", phrase, a.body)
					}
				}
				if !strings.Contains(rg.log.String(), `"x-edge-detailed-result-type":"`+test.detail+`"`) {
					t.Errorf("log lacks detail %s: %s", test.detail, rg.log.String())
				}
				at(t, len(rg.requests), 0, "origin requests")
			})
		})
	}
}

func TestDisabledDistributionRefuses(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok"), dist: func(c *DistributionConfig) { c.Enabled = false }}, func(t *testing.T, rg *rig) {
		at(t, rg.get("/").status, 403, "status")
	})
}

func TestHTTPIsTreatedAsTheViewerProtocolPolicySays(t *testing.T) {
	const body = "<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n<center><h1>301 Moved Permanently</h1></center>\r\n" +
		"<hr><center>CloudFront</center>\r\n</body>\r\n</html>\r\n"
	if len(body) != 167 {
		t.Fatalf("CloudFront's redirect has 167 bytes, this text %d", len(body))
	}
	for _, test := range []struct {
		name, policy, method, proto, port string
		status                            int
		location                          string
	}{
		{"GET is redirected for good", "redirect-to-https", "GET", "HTTP/1.1", "8443", 301, "https://HOST:8443/a//b?x=%20"},
		{"port 443 is not named", "redirect-to-https", "GET", "HTTP/1.1", "443", 301, "https://HOST/a//b?x=%20"},
		{"no port means 443", "redirect-to-https", "HEAD", "HTTP/1.1", "", 301, "https://HOST/a//b?x=%20"},
		{"POST keeps its method", "redirect-to-https", "POST", "HTTP/1.1", "", 307, "https://HOST/a//b?x=%20"},
		{"POST over HTTP/1.0 is refused", "redirect-to-https", "POST", "HTTP/1.0", "", 403, ""},
		{"https-only refuses", "https-only", "GET", "HTTP/1.1", "", 403, ""},
		{"allow-all serves", "allow-all", "GET", "HTTP/1.1", "", 200, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{
				origin: always(200, "ok"),
				config: func(c *Config) { c.HTTPSPort = test.port },
				dist:   func(c *DistributionConfig) { c.DefaultCacheBehavior.ViewerProtocolPolicy = test.policy },
			}, func(t *testing.T, rg *rig) {
				r := rg.request(test.method, "/a//b?x=%20")
				r.TLS, r.Host = nil, rg.dist.DomainName+":8080"
				r.Proto = test.proto
				r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(test.proto)
				a := rg.send(r)
				at(t, a.status, test.status, "status")
				at(t, a.header.Get("Location"), strings.ReplaceAll(test.location, "HOST", rg.dist.DomainName), "Location")
				if test.status == 301 {
					at(t, a.header.Get("X-Cache"), "Redirect from cloudfront", "X-Cache")
					at(t, a.header.Get("Content-Length"), "167", "Content-Length")
					if want := body; test.method == "GET" {
						at(t, a.body, want, "body")
					}
				}
			})
		})
	}
}

func TestConditionsAndRangesAreAnsweredFromTheCache(t *testing.T) {
	const modified = "Wed, 21 Oct 2015 07:28:00 GMT"
	for _, test := range []struct {
		name   string
		fields []string
		status int
		body   string
		rng    string // Content-Range
	}{
		{"matching tag", []string{"If-None-Match", `"v1"`}, 304, "", ""},
		{"matching tag among others, weak", []string{"If-None-Match", `"a,b", W/"v1"`}, 304, "", ""},
		{"asterisk", []string{"If-None-Match", "*"}, 304, "", ""},
		{"other tag", []string{"If-None-Match", `"v2"`}, 200, "0123456789", ""},
		{"other tag wins over a matching date", []string{"If-None-Match", `"v2"`, "If-Modified-Since", modified}, 200, "0123456789", ""},
		{"not modified since", []string{"If-Modified-Since", modified}, 304, "", ""},
		{"modified since", []string{"If-Modified-Since", "Wed, 21 Oct 2015 07:27:59 GMT"}, 200, "0123456789", ""},
		{"date that is none", []string{"If-Modified-Since", "yesterday"}, 200, "0123456789", ""},
		{"range", []string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"range to the end", []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"last bytes", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"range beyond the end", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"several ranges that descend get the whole", []string{"Range", "bytes=4-5,0-1"}, 200, "0123456789", ""},
		{"range of this tag", []string{"Range", "bytes=0-0", "If-Range", `"v1"`}, 206, "0", "bytes 0-0/10"},
		{"range of another tag gets the whole", []string{"Range", "bytes=0-0", "If-Range", `"v0"`}, 200, "0123456789", ""},
		{"range of a weak tag gets the whole", []string{"Range", "bytes=0-0", "If-Range", `W/"v1"`}, 200, "0123456789", ""},
		{"range of this date", []string{"Range", "bytes=0-0", "If-Range", modified}, 206, "0", "bytes 0-0/10"},
		{"condition goes before range", []string{"Range", "bytes=0-0", "If-None-Match", `"v1"`}, 304, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: always(200, "0123456789", "Etag", `"v1"`, "Last-Modified", modified, "Content-Type", "text/plain")},
				func(t *testing.T, rg *rig) {
					// Once while the body arrives, once from the store.
					for _, result := range []string{"Miss", "Hit"} {
						a := rg.get("/a", test.fields...)
						at(t, a.status, test.status, result+": status")
						at(t, a.body, test.body, result+": body")
						at(t, a.header.Get("Content-Range"), test.rng, result+": Content-Range")
						want := result
						if test.status == 416 {
							want = "Error"
						}
						at(t, a.xCache(), want, "X-Cache")
						if test.status == 304 {
							at(t, a.header.Get("Content-Type")+a.header.Get("Content-Length"), "", "description of a body that is not there")
							at(t, a.header.Get("Etag"), `"v1"`, "Etag")
						}
						synctest.Wait()
					}
					at(t, len(rg.requests), 1, "origin requests")
				})
		})
	}
}

func TestStaleObjectIsRevalidatedOrServedWhenTheOriginFails(t *testing.T) {
	for _, test := range []struct {
		name    string
		first   []string // header fields of the stored response
		second  func(*http.Request) (*http.Response, error)
		status  int
		body    string
		xCache  string
		third   string // X-Cache of a request 1 s later
		fetches int
	}{
		{
			"304 refreshes it",
			[]string{"Etag", `"1"`, "X-V", "1"},
			func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("If-None-Match") != `"1"` {
					return response(400, "no condition"), nil
				}
				return response(304, "", "X-V", "2"), nil
			}, 200, "old", "RefreshHit", "Hit", 2,
		},
		{"200 replaces it", []string{"Etag", `"1"`}, always(200, "new"), 200, "new", "Miss", "Hit", 2},
		{"404 replaces it", nil, always(404, "gone"), 404, "gone", "Error", "Error", 2},
		{"500 leaves it, for as long as errors are kept", nil, always(500, "oops"), 200, "old", "Hit", "Hit", 2},
		{
			"unreachable origin leaves it", nil, func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") },
			200, "old", "Hit", "Hit", 4,
		},
		{"must-revalidate forbids stale", []string{"Cache-Control", "must-revalidate"}, always(500, "oops"), 500, "oops", "Error", "Error", 2},
		{"stale-if-error=0 forbids stale", []string{"Cache-Control", "stale-if-error=0"}, always(500, "oops"), 500, "oops", "Error", "Error", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			first := true
			inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
				if first {
					first = false
					return response(200, "old", test.first...), nil
				}
				return test.second(r)
			}}, func(t *testing.T, rg *rig) {
				rg.get("/a")
				time.Sleep(25 * time.Hour)
				a := rg.get("/a")
				at(t, a.status, test.status, "status")
				at(t, a.body, test.body, "body")
				at(t, a.xCache(), test.xCache, "X-Cache")
				if test.xCache == "RefreshHit" {
					at(t, a.header.Get("X-V"), "2", "a field that the 304 changed")
					at(t, strings.Count(a.header.Get("Via"), "cloudfront"), 1, "Via entries of ours")
				}
				time.Sleep(time.Second)
				at(t, rg.get("/a").xCache(), test.third, "X-Cache a second later")
				at(t, len(rg.requests), test.fetches, "origin requests")
			})
		})
	}
}

func TestErrorsAreKeptAsLongAsTheDistributionSays(t *testing.T) {
	for _, test := range []struct {
		name   string
		origin roundTrip
		ttl    *int64 // ErrorCachingMinTTL for 404, 502 and 403
		kept   time.Duration
		status int
	}{
		{"404 for ten seconds", always(404, "no"), nil, 10 * time.Second, 404},
		{"404 for ErrorCachingMinTTL", always(404, "no"), new(int64(60)), time.Minute, 404},
		{"404 not at all when that is 0", always(404, "no"), new(int64(0)), 0, 404},
		{"404 for its own longer max-age", always(404, "no", "Cache-Control", "max-age=30"), nil, 30 * time.Second, 404},
		{"unreachable origin for ten seconds", func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }, nil, 10 * time.Second, 502},
		{
			"silent origin is a 504", func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
			nil, 10 * time.Second, 504,
		},
		{"403 not at all", always(403, "no"), nil, 0, 403},
		{"403 with max-age", always(403, "no", "Cache-Control", "max-age=30"), nil, 30 * time.Second, 403},
		{"403 with Expires only, not at all", always(403, "no", "Expires", "Wed, 21 Oct 2065 07:28:00 GMT"), nil, 0, 403},
		{"416 never", always(416, "no", "Cache-Control", "max-age=30"), nil, 0, 416},
		{"429 never", always(429, "no", "Cache-Control", "max-age=30"), nil, 0, 429},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, setup{origin: test.origin, dist: func(c *DistributionConfig) {
				c.Origins[0].ConnectionAttempts = 1
				if test.ttl != nil {
					c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 404, ErrorCachingMinTTL: test.ttl}}
				}
			}}, func(t *testing.T, rg *rig) {
				a := rg.get("/a")
				at(t, a.status, test.status, "status")
				at(t, a.xCache(), "Error", "X-Cache")
				if test.kept > 0 {
					time.Sleep(test.kept - time.Millisecond)
					b := rg.get("/a")
					at(t, b.status, test.status, "status from the cache")
					at(t, b.xCache(), "Error", "X-Cache from the cache")
					if strings.Contains(b.body, "Request ID: ") && !strings.Contains(b.body, b.header.Get("X-Amz-Cf-Id")) {
						t.Error("a page of ours names another request")
					}
					at(t, len(rg.requests), 1, "origin requests while it is kept")
					time.Sleep(time.Millisecond)
				}
				rg.get("/a")
				at(t, len(rg.requests), 2, "origin requests after it")
			})
		})
	}
}

func TestOriginThatCannotBeReachedIsTriedAsOftenAsTheOriginSays(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, test := range []struct {
		method   string
		attempts int
		want     int
	}{{"GET", 3, 3}, {"GET", 1, 1}, {"HEAD", 2, 2}, {"POST", 3, 3}} {
		t.Run(fmt.Sprintf("%s with %d attempts", test.method, test.attempts), func(t *testing.T) {
			inBubble(t, setup{origin: func(*http.Request) (*http.Response, error) { return nil, refused }, dist: func(c *DistributionConfig) {
				c.Origins[0].ConnectionAttempts = test.attempts
				c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
			}}, func(t *testing.T, rg *rig) {
				a := rg.send(rg.request(test.method, "/a"))
				at(t, a.status, 502, "status")
				at(t, len(rg.requests), test.want, "attempts")
				if !strings.Contains(rg.log.String(), `"x-edge-detailed-result-type":"OriginConnectError"`) {
					t.Errorf("log: %s", rg.log.String())
				}
				ids := map[string]bool{}
				for _, r := range rg.requests {
					ids[r.Header.Get("X-Amz-Cf-Id")] = true
				}
				at(t, len(ids), 1, "different request ids")
			})
		})
	}
}

func TestResponseHeaderReachesTheViewerWithoutWhatIsNotTheirs(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok", "Connection", "X-Hop", "X-Hop", "1", "Keep-Alive", "1", "Set-Cookie", "a=b", "X-Amz-Cf-Id", "theirs",
		"X-Cache", "theirs", "X-Edge-Y", "1", "Vary", "Origin, Accept-Encoding", "Server", "AmazonS3", "Via", "1.1 proxy", "Age", "5", "X-Amz-Id-2", "x")},
		func(t *testing.T, rg *rig) {
			for _, result := range []string{"Miss", "Hit"} {
				a := rg.get("/a")
				at(t, a.xCache(), result, "X-Cache")
				for _, name := range []string{"Connection", "X-Hop", "Keep-Alive", "Set-Cookie", "X-Edge-Y"} {
					at(t, a.header.Get(name), "", name)
				}
				at(t, a.header.Get("Vary"), "Accept-Encoding", "Vary")
				at(t, a.header.Get("Server"), "AmazonS3", "Server")
				at(t, a.header.Get("X-Amz-Id-2"), "x", "X-Amz-Id-2")
				at(t, strings.HasPrefix(a.header.Get("Via"), "1.1 proxy, 1.1 "), true, "Via begins with the origin's")
				if a.header.Get("Date") == "" {
					t.Error("no Date")
				}
				if result == "Hit" {
					at(t, a.header.Get("Age"), "5", "Age with the origin's")
				}
				synctest.Wait()
			}
		})
}

func TestMethodsThatAreNotCachedPassWithTheirBody(t *testing.T) {
	inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		return response(201, r.Method+" "+string(body), "Set-Cookie", "a=b"), nil
	}, dist: func(c *DistributionConfig) {
		c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
	}}, func(t *testing.T, rg *rig) {
		for range 2 {
			r := rg.request("POST", "/a", "Content-Type", "text/plain")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("data")), 4
			a := rg.send(r)
			at(t, a.status, 201, "status")
			at(t, a.body, "POST data", "body")
			at(t, a.xCache(), "Miss", "X-Cache")
		}
		at(t, rg.requests[0].Header.Get("Content-Type"), "text/plain", "Content-Type to the origin")
		at(t, rg.requests[0].ContentLength, int64(4), "Content-Length to the origin")
		at(t, len(rg.requests), 2, "origin requests")
	})
}

func TestCachingDisabledSendsConditionsAndRangesToTheOrigin(t *testing.T) {
	inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
		return response(206, "bc", "Content-Range", "bytes 1-2/9", "X-Range", r.Header.Get("Range")), nil
	}, dist: func(c *DistributionConfig) {
		c.DefaultCacheBehavior.CachePolicyID = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	}}, func(t *testing.T, rg *rig) {
		for range 2 {
			a := rg.get("/a", "Range", "bytes=1-2")
			at(t, a.status, 206, "status")
			at(t, a.header.Get("X-Range"), "bytes=1-2", "Range at the origin")
			at(t, a.xCache(), "Miss", "X-Cache")
		}
		at(t, len(rg.requests), 2, "origin requests")
	})
}

func TestInvalidationReachesWhatIsStoredAndWhatIsUnderWay(t *testing.T) {
	n := 0
	release := make(chan struct{})
	inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
		n++
		body := fmt.Sprint(n)
		if r.URL.Path == "/slow" && n == 1 {
			<-release
		}
		return response(200, body), nil
	}}, func(t *testing.T, rg *rig) {
		release = make(chan struct{})
		slow := make(chan string)
		go func() { slow <- rg.get("/slow").body }()
		synctest.Wait()
		if _, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "1", []string{"/slow", "/b*"}); err != nil {
			t.Fatal(err)
		}
		at(t, rg.get("/slow").body, "2", "body of a request after the purge")
		close(release)
		at(t, <-slow, "1", "body of the request before it")
		synctest.Wait()
		at(t, rg.get("/slow").body, "2", "what is stored")

		for i, test := range []struct {
			cached, purge string
			gone          bool
		}{
			{"/a.jpg", "/a.jpg", true},
			{"/a.jpg", "/A.jpg", false},
			{"/a.jpg?showExif=true", "/a.jpg", false},
			{"/a.jpg?showExif=true", "/a.jpg?showExif=true", true},
			{"/a.jpg?showExif=true", "/a.jpg*", true},
			{"/a.jpg?other=1", "/a.jpg", true},
			{"/dir/x/y.jpg", "/dir/*", true},
			{"/dir/x/y.jpg", "/*", true},
			{"/dir/x/y.jpg", "/di*/y.jpg", false},
			{"/direct", "/dir/*", false},
		} {
			rg.get(test.cached)
			synctest.Wait()
			at(t, rg.get(test.cached).xCache(), "Hit", test.cached+" before")
			if _, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, fmt.Sprint("case", i), []string{test.purge}); err != nil {
				t.Fatal(err)
			}
			want := "Hit"
			if test.gone {
				want = "Miss"
			}
			at(t, rg.get(test.cached).xCache(), want, test.cached+" after "+test.purge)
			synctest.Wait()
		}
	})
}

func TestAccessLogHasALineOfJSONForEachRequest(t *testing.T) {
	inBubble(t, setup{origin: always(200, "picture", "Content-Type", "image/jpeg")}, func(t *testing.T, rg *rig) {
		a := rg.get("/a.jpg?showExif=true", "User-Agent", "curl \"7\"\n")
		rg.get("/a.jpg?showExif=true", "Range", "bytes=1-3")
		lines := strings.Split(strings.TrimSpace(rg.log.String()), "\n")
		at(t, len(lines), 2, "lines")
		first, second := decode(t, lines[0]), decode(t, lines[1])
		at(t, len(first), 33, "fields")
		for name, want := range map[string]string{
			"x-edge-result-type": "Miss", "sc-status": "200", "cs-uri-stem": "/a.jpg",
			"cs-uri-query": "showExif=true", "x-edge-request-id": a.header.Get("X-Amz-Cf-Id"), "c-ip": "203.0.113.178", "c-port": "4711",
			"cs(Host)": rg.dist.DomainName, "x-host-header": rg.dist.DomainName, "cs-protocol": "https", "cs-method": "GET",
			"sc-content-type": "image/jpeg", "sc-content-len": "7", "cs(User-Agent)": "curl \"7\"\n", "cs(Referer)": "-",
		} {
			at(t, first[name], want, name)
		}
		at(t, second["sc-range-start"]+"-"+second["sc-range-end"], "1-3", "range")
		at(t, second["x-edge-result-type"], "Hit", "result of the second")
	})
}

func TestViewerThatLeavesBeforeTheHeaderIsLoggedAs000(t *testing.T) {
	inBubble(t, setup{origin: func(*http.Request) (*http.Response, error) { time.Sleep(time.Minute); return response(200, "ok"), nil }},
		func(t *testing.T, rg *rig) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			a := rg.send(rg.request("GET", "/a").WithContext(ctx))
			at(t, a.broken, true, "aborted")
			at(t, decode(t, strings.TrimSpace(rg.log.String()))["sc-status"], "000", "sc-status")
			time.Sleep(2 * time.Minute)
			at(t, rg.get("/a").xCache(), "Hit", "X-Cache of the next viewer: the fetch was finished")
		})
}
