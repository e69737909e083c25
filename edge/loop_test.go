package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"glassine/edge/http1"
	"glassine/telemetry"
)

// pipes is a listener whose connections are made by dial.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(secure bool) net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	if secure {
		return tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	}
	return client
}

// counting is an Edge as Responder that counts what it answers.
type counting struct {
	*Edge
	answered atomic.Int32
}

func (c *counting) Answer(r *http1.Request) bool {
	ok := c.Edge.Answer(r)
	if ok {
		c.answered.Add(1)
	}
	return ok
}

// twins are two servers of one edge, one of them with the loop.
type twins struct {
	rg          *rig
	counting    *counting
	plain, loop *pipes
	secure      bool
	close       func()
}

func newTwins(t *testing.T, rg *rig, secure bool) *twins {
	tw := &twins{rg: rg, counting: &counting{Edge: rg.Edge}, secure: secure}
	open := func() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }
	tw.plain, tw.loop = open(), open()
	config := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13}
	plain := &http.Server{Handler: rg, TLSConfig: config.Clone()}
	loop := &http1.Server{Responder: tw.counting, HTTP: &http.Server{Handler: rg, TLSConfig: config.Clone()}}
	go func() {
		if secure {
			_ = plain.ServeTLS(tw.plain, "", "")
			return
		}
		_ = plain.Serve(tw.plain)
	}()
	go func() {
		if secure {
			_ = loop.ServeTLS(tw.loop)
			return
		}
		_ = loop.Serve(tw.loop)
	}()
	tw.close = func() { plain.Close(); loop.Close() }
	return tw
}

func selfSigned(t testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// say sends text on a new connection and returns what comes back until everything waits, and the access log's lines. The
// connection is then closed.
func (tw *twins) say(to *pipes, text string) (answer, log string) {
	synctest.Wait()
	tw.rg.log.Reset()
	conn := to.dial(tw.secure)
	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&got, conn) // a broken answer is compared like any other
	}()
	go func() { _, _ = io.WriteString(conn, text) }()
	synctest.Wait()
	conn.Close()
	<-done
	synctest.Wait()
	return got.String(), tw.rg.log.String()
}

var ids = regexp.MustCompile(`(X-Amz-Cf-Id: |Request ID: |"x-edge-request-id":")[-_A-Za-z0-9]{54}==`)

func unnamed(s string) string { return ids.ReplaceAllString(s, "${1}id") }

// loopCase is a configuration with the requests that it is asked.
type loopCase struct {
	name   string
	setup  setup
	asks   []loopAsk
	secure bool
}

// loopAsk is a stream of requests, with HOST for the distribution's name. It is sent once before it is compared, so that
// what can be stored is.
type loopAsk struct {
	name, text string
	answered   int // by the loop
}

func ask1(method, target string, fields ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: HOST\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func loopCases() []loopCase {
	get := func(target string, fields ...string) string { return ask1("GET", target, fields...) }
	allowAll := func(c *DistributionConfig) {
		c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
		c.DefaultCacheBehavior.AllowedMethods = []string{"GET", "HEAD", "OPTIONS"}
	}
	photo := always(200, "0123456789", "Content-Type", "image/jpeg", "Etag", `"v1"`, "Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT",
		"Content-Language", "en", "Content-Location", "/b", "Accept-Ranges", "bytes", "Access-Control-Allow-Origin", "*", "Zeta", "z", "X-B", "1", "X-B", "2", "Xyz", "")
	photoAsks := []loopAsk{
		{"GET", get("/a"), 1},
		{"HEAD", ask1("HEAD", "/a"), 1},
		{"OPTIONS", ask1("OPTIONS", "/a"), 0},
		{"POST", "POST /a HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nhi", 0},
		{"GET with a body", get("/a", "Content-Length: 2") + "hi", 0},
		{"pipelined, the last with close", get("/a") + ask1("HEAD", "/a") + get("/a", "Range: bytes=1-2") + get("/a", "Connection: close") + get("/a"), 4},
		{"HTTP/1.0", "GET /a HTTP/1.0\r\nHost: HOST\r\n\r\n", 0},
		{"host with a port, in capitals and with a dot", strings.Replace(get("/a"), "HOST", "HOST.:8443", 1), 1},
		{"unknown host", "GET /a HTTP/1.1\r\nHost: b.example.com\r\n\r\n", 0},
		{"absolute form", "GET https://HOST/a HTTP/1.1\r\nHost: HOST\r\n\r\n", 0},
		{"root", get("/"), 1},
		{"root with a query", get("/?showExif=1"), 1},
		{"a query that is not chosen", get("/a?x=1"), 1},
		{"odd paths", get("/a//b/%7Ec%2Fd/../e?x=1&showExif=%20a") + get("//a") + get("/caf\xe9"), 3},
		{"URL that is too long", get("/" + strings.Repeat("a", 8200)), 0},
		{"header that is too long", get("/a", "X: "+strings.Repeat("x", 30000)), 0},
		{"two distributions", get("/a", "Via: 1.1 a.cloudfront.net (CloudFront)", "via: 1.1 b.cloudfront.net (CloudFront)"), 0},
		{"one distribution", get("/a", "Via: 1.1 a.cloudfront.net (CloudFront)"), 1},
		{"encodings", get("/a", "Accept-Encoding: gzip, deflate, br") + get("/a", "Accept-Encoding: gzip", "accept-encoding: br;q=0") + get("/a", "Accept-Encoding: zstd"), 3},
		{"what the log has", get("/a", "Referer: https://x/\"", "User-Agent: A b", "X-Forwarded-For: 10.0.0.1", "x-forwarded-for: 10.0.0.2"), 1},
		{"If-None-Match", get("/a", `If-None-Match: "v0", W/"v1"`) + ask1("HEAD", "/a", "If-None-Match: *") + get("/a", `If-None-Match: "v2"`), 3},
		{"If-Modified-Since", get("/a", "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT") + get("/a", "If-Modified-Since: Wed, 21 Oct 2015 07:27:59 GMT") + get("/a", "If-Modified-Since: x"), 3},
		{"both", get("/a", `If-None-Match: "v2"`, "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT"), 1},
		{"ranges", get("/a", "Range: bytes=0-3") + get("/a", "Range: bytes=-3") + get("/a", "range: bytes=8-") + get("/a", "Range: bytes=3-4,0-1") + get("/a", "Range: x=1-2") + ask1("HEAD", "/a", "Range: bytes=0-3"), 6},
		{"range that cannot be", get("/a", "Range: bytes=10-"), 0},
		{"If-Range", get("/a", "Range: bytes=0-3", `If-Range: "v1"`) + get("/a", "Range: bytes=0-3", `If-Range: "v2"`) + get("/a", "Range: bytes=0-3", "If-Range: Wed, 21 Oct 2015 07:28:00 GMT"), 3},
		{"no-cache of the viewer", get("/a", "Cache-Control: no-cache", "Pragma: no-cache"), 1},
		{"nonsense", "GET /a HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n", 0},
	}
	return []loopCase{
		{"over TLS", setup{origin: photo, dist: func(c *DistributionConfig) {
			c.DefaultCacheBehavior.AllowedMethods = []string{"GET", "HEAD", "OPTIONS"}
			c.DefaultRootObject = "index.html"
		}}, photoAsks, true},
		{"plaintext", setup{origin: photo, dist: allowAll}, photoAsks, false},
		{"HTTP/3 is advertised", withHTTP3("http2and3"), []loopAsk{{"GET", get("/a"), 1}, {"HEAD", ask1("HEAD", "/a"), 1}, {"range", get("/a", "Range: bytes=0-3"), 1}}, true},
		{"branding", setup{origin: photo, dist: allowAll, config: func(c *Config) { c.Branding, c.Location = "glassine", "HEL50-C1" }}, []loopAsk{{"hit", get("/a"), 1}}, false},
		{"redirect to https", setup{origin: photo}, []loopAsk{{"GET", get("/a?b"), 0}, {"HEAD", ask1("HEAD", "/a"), 0}}, false},
		{"https only", setup{origin: photo, dist: func(c *DistributionConfig) { c.DefaultCacheBehavior.ViewerProtocolPolicy = "https-only" }}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"disabled", setup{origin: photo, dist: func(c *DistributionConfig) { allowAll(c); c.Enabled = false }}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"behaviors by path", setup{origin: photo, dist: func(c *DistributionConfig) {
			allowAll(c)
			b := c.DefaultCacheBehavior
			b.PathPattern, b.CachePolicyID = "/live/*", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
			c.CacheBehaviors = []CacheBehavior{b}
		}}, []loopAsk{{"cached", get("/a"), 1}, {"not cached", get("/live/a"), 0}, {"both", get("/live/a") + get("/a"), 1}}, false},
		{"aliases", setup{origin: photo, dist: func(c *DistributionConfig) { allowAll(c); c.Aliases = []string{"a.example.com", "*.b.example.com"} }}, []loopAsk{
			{"exact", strings.Replace(get("/a"), "HOST", "A.example.com:80", 1), 1},
			{"wildcard", strings.Replace(get("/a"), "HOST", "x.y.b.example.com", 1), 1},
			{"none", strings.Replace(get("/a"), "HOST", "b.example.com", 1), 0},
		}, false},
		{"chosen headers and cookies", setup{origin: photo, dist: allowAll, policy: func(p *CachePolicyConfig) {
			p.Headers = Selection{Behavior: "whitelist", Names: []string{"Host", "x-a", "Cache-Control"}}
			p.Cookies = Selection{Behavior: "allExcept", Names: []string{"c"}}
			p.QueryStrings = Selection{Behavior: "all"}
		}}, []loopAsk{
			{"in several lines", get("/a?x=1&y", "X-A: 1", "Cookie: a=1; c=2", "x-a: 2", "cookie: b=3"), 1},
			{"Pragma, of which net/http makes a Cache-Control", get("/a", "Pragma: no-cache") + get("/a", "Cache-Control: no-cache"), 1},
		}, false},
		{"derived header", setup{
			origin: photo, dist: allowAll, config: func(c *Config) { c.Derived = map[string]Derive{"X-Made": lower} },
			policy: func(p *CachePolicyConfig) {
				p.QueryStrings.Names = []string{"showexif"}
				p.Headers = Selection{Behavior: "whitelist", Names: []string{"x-made"}}
			},
		}, []loopAsk{
			{"with a query", get("/a?SHOWEXIF=X", "accept: image/webp", "X-Made: forged"), 1},
			{"without", get("/a", "Accept: image/png"), 1},
			{"in turn", get("/a?showExif=x", "Accept: image/webp") + get("/a") + get("/a?SHOWEXIF=X", "Accept: image/webp"), 3},
		}, false},
		{"error of the origin", setup{origin: always(404, "none", "Content-Type", "text/plain"), dist: allowAll}, []loopAsk{{"GET", get("/a"), 1}, {"HEAD with conditions", ask1("HEAD", "/a", "If-None-Match: *", "Range: bytes=0-1"), 1}}, false},
		{"redirect of the origin", setup{origin: always(302, "", "Location", "/b"), dist: allowAll}, []loopAsk{{"GET", get("/a"), 1}}, false},
		{"no body", setup{origin: always(204, ""), dist: allowAll}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"empty body", setup{origin: always(200, ""), dist: allowAll}, []loopAsk{{"GET", get("/a"), 1}, {"range", get("/a", "Range: bytes=0-"), 0}}, false},
		{"origin that is down", setup{origin: func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, dist: allowAll}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"not to be stored", setup{origin: always(200, "x", "Cache-Control", "private"), dist: allowAll}, []loopAsk{{"GET", get("/a"), 0}}, false},
		{"length that the origin did not say", setup{origin: func(*http.Request) (*http.Response, error) {
			r := response(200, "0123456789")
			r.ContentLength = -1
			return r, nil
		}, dist: allowAll}, []loopAsk{{"GET", get("/a"), 1}, {"HEAD", ask1("HEAD", "/a"), 1}, {"range", get("/a", "Range: bytes=1-1"), 1}}, false},
		{"Content-Range on a whole response, and an Age", setup{origin: always(200, "x", "Content-Range", "bytes 0-0/1", "Age", "100", "X-Cache", "y", "Date", "Sat, 01 Jan 2000 00:00:00 GMT"), dist: allowAll}, []loopAsk{{"GET", get("/a"), 1}}, false},
		{"header that net/http mends", setup{origin: func(*http.Request) (*http.Response, error) {
			r := response(200, "x")
			r.Header["X-Split"] = []string{"a\r\nSet-Cookie: b", " c "}
			r.Header["No Name"] = []string{"d"}
			return r, nil
		}, dist: allowAll}, []loopAsk{{"GET", get("/a"), 0}}, false},
	}
}

// A viewer cannot tell whether the loop or net/http answered, and neither can who reads the access log.
func TestLoopAnswersAsServeHTTP(t *testing.T) {
	for _, test := range loopCases() {
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

// What happens to an entry happens on connections that are open already.
func TestLoopForgetsWithTheCache(t *testing.T) {
	count := 0
	inBubble(t, setup{origin: func(*http.Request) (*http.Response, error) {
		count++
		return response(200, fmt.Sprint(count), "Cache-Control", "max-age=60"), nil
	}, dist: func(c *DistributionConfig) { c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all" }}, func(t *testing.T, rg *rig) {
		tw := newTwins(t, rg, false)
		defer tw.close()
		conn := tw.loop.dial(false)
		defer conn.Close()
		br := bufio.NewReader(conn)
		step := func(name, body string, answered int32) {
			t.Helper()
			_, _ = io.WriteString(conn, strings.ReplaceAll(ask1("GET", "/a"), "HOST", rg.dist.DomainName))
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			synctest.Wait() // the answer is there before the loop has counted it
			at(t, string(got), body, name)
			at(t, tw.counting.answered.Load(), answered, name+": answered by the loop")
		}
		step("miss", "1", 0)
		step("hit", "1", 1)
		time.Sleep(61 * time.Second)
		step("expired", "2", 1)
		step("hit again", "2", 2)
		if _, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "1", []string{"/a"}); err != nil {
			t.Fatal(err)
		}
		step("invalidated", "3", 2)
		step("hit once more", "3", 3)
		d := rg.dist
		cfg := d.Config
		cfg.Enabled = false
		if _, err := rg.UpdateDistribution(t.Context(), rg.root, d.ID, d.ETag, cfg); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, strings.ReplaceAll(ask1("GET", "/a"), "HOST", rg.dist.DomainName))
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		at(t, resp.StatusCode, 403, "status of a disabled distribution")
	})
}

// loopAllocs is how many allocations a hit may cost on a connection with the loop, client included. Measured 2026-11-26: 0.
const loopAllocs = 0

func TestHitInTheLoopAllocatesNothing(t *testing.T) {
	if raced() {
		t.Skip("the race detector allocates")
	}
	for _, derives := range []bool{false, true} {
		t.Run(fmt.Sprint("derived header ", derives), func(t *testing.T) {
			rg := newRig(t, setup{
				origin: always(200, strings.Repeat("x", 10<<10), "Content-Type", "image/jpeg", "Etag", `"0123456789abcdef"`),
				dist:   func(c *DistributionConfig) { c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all" },
				config: func(c *Config) {
					c.AccessLog, c.Metrics = nil, telemetry.NewMetrics("").Requests() // which count each of them
					c.Derived = map[string]Derive{"X-Made": func(query string, _ http.Header) (string, string) { return query, "" }}
				},
				policy: func(p *CachePolicyConfig) {
					if derives {
						p.Headers = Selection{Behavior: "whitelist", Names: []string{"x-made"}}
					}
				},
			})
			t.Cleanup(rg.Close)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			count := &counting{Edge: rg.Edge}
			s := &http1.Server{Responder: count, HTTP: &http.Server{Handler: rg}}
			go func() { _ = s.Serve(l) }()
			t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			request := []byte("GET /a.jpg?showExif=false HTTP/1.1\r\nHost: " + rg.dist.DomainName + "\r\nAccept: image/avif,image/webp,*/*;q=0.8\r\n" +
				"Accept-Encoding: gzip, deflate, br\r\nUser-Agent: Mozilla/5.0\r\nAccept-Language: en\r\n\r\n")
			answer := make([]byte, 64<<10)
			once := func() {
				if _, err := conn.Write(request); err != nil {
					t.Fatal(err)
				}
				for n := 0; n < 10<<10; {
					m, err := conn.Read(answer)
					if err != nil {
						t.Fatal(err)
					}
					n += m
				}
			}
			for range 100 {
				once()
			}
			before := count.answered.Load()
			n := testing.AllocsPerRun(1000, once)
			if got := count.answered.Load() - before; got < 1000 { // of 1001; the last may not be counted yet
				t.Errorf("the loop answered %d requests, want 1001", got)
			}
			if n > loopAllocs {
				t.Errorf("%v allocations, the budget is %d", n, loopAllocs)
			}
		})
	}
}

// raced reports whether the race detector is on, under which a sync.Pool loses what it holds now and then.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
