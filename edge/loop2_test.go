package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"glassine/edge/http1"
	"glassine/edge/http2"
	"glassine/telemetry"
)

// AnswerHTTP2 counts too.
func (c *counting) AnswerHTTP2(r *http2.Request) bool {
	ok := c.Edge.AnswerHTTP2(r)
	if ok {
		c.answered.Add(1)
	}
	return ok
}

// requests2 makes requests of a stream of HTTP/1.1, or nothing if it has what HTTP/2 has not: bodies are another test's. It leaves
// out those that net/http's client does not send.
func requests2(t *testing.T, text string) (all []*http.Request, left int) {
	br := bufio.NewReader(strings.NewReader(text))
	for {
		if _, err := br.Peek(1); err != nil {
			return all, left
		}
		r, err := http.ReadRequest(br)
		if err != nil || r.ProtoMinor != 1 || r.ContentLength != 0 || r.Close || !strings.HasPrefix(r.RequestURI, "/") {
			return nil, 0
		}
		if strings.HasPrefix(r.RequestURI, "//") {
			left++
			continue
		}
		path, query, _ := strings.Cut(r.RequestURI, "?")
		r.URL = &url.URL{Scheme: "http", Host: r.Host, Opaque: path, RawQuery: query}
		r.RequestURI = ""
		if _, ok := r.Header["User-Agent"]; !ok {
			r.Header["User-Agent"] = nil // the client is to add none
		}
		all = append(all, r.WithContext(t.Context()))
	}
}

// buffered is a pipe whose client does not wait for the server to read, as a socket's does not: net/http's client waits for
// itself otherwise.
type buffered struct {
	net.Conn
	queue chan []byte
	done  chan struct{}
	once  sync.Once
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, queue: make(chan []byte, 1000), done: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-b.queue:
				_, _ = c.Write(p) // the read meets the same end
			case <-b.done:
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.queue <- bytes.Clone(p):
		return len(p), nil
	case <-b.done:
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Conn.Close()
}

// client2 speaks HTTP/2 to one of the twins.
func (tw *twins) client2(to *pipes) *http.Transport {
	tr := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	tr.Protocols.SetUnencryptedHTTP2(true)
	tr.DialContext = func(context.Context, string, string) (net.Conn, error) { return newBuffered(to.dial(false)), nil }
	if tw.secure {
		tr.Protocols.SetUnencryptedHTTP2(false)
		tr.Protocols.SetHTTP2(true)
		tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return tr
}

// say2 is say over HTTP/2.
func (tw *twins) say2(to *pipes, tr *http.Transport, requests []*http.Request) (answers, log string) {
	synctest.Wait()
	tw.rg.log.Reset()
	for _, r := range requests {
		r = r.Clone(r.Context())
		if tw.secure {
			r.URL.Scheme = "https"
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			answers += fmt.Sprintf("%s: %v\n", r.URL, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if id := resp.Header["X-Amz-Cf-Id"]; len(id) == 1 && len(id[0]) == 56 {
			resp.Header["X-Amz-Cf-Id"] = []string{"id"}
		}
		answers += fmt.Sprintf("%s %s %q length %d %q %v\n", resp.Proto, resp.Status, resp.Header, resp.ContentLength, body, err)
		synctest.Wait() // the log's line is written behind the answer
	}
	return answers, tw.rg.log.String()
}

// newTwins2 has servers of HTTP/2: net/http's, and the loop.
func newTwins2(t *testing.T, rg *rig, secure bool) *twins {
	tw := &twins{rg: rg, counting: &counting{Edge: rg.Edge}, secure: secure}
	open := func() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }
	tw.plain, tw.loop = open(), open()
	server := func() *http.Server {
		s := &http.Server{Handler: rg, MaxHeaderBytes: 32 << 10, Protocols: new(http.Protocols)}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}
		s.Protocols.SetHTTP2(true)
		s.Protocols.SetUnencryptedHTTP2(true)
		return s
	}
	plain, ours := server(), server()
	loop := &http1.Server{HTTP: ours, Responder: tw.counting, HTTP2: &http2.Server{HTTP: ours, Responder: tw.counting}}
	if secure {
		go func() { _ = plain.ServeTLS(tw.plain, "", "") }()
		go func() { _ = loop.ServeTLS(tw.loop) }()
	} else {
		go func() { _ = plain.Serve(tw.plain) }()
		go func() { _ = loop.Serve(tw.loop) }()
	}
	tw.close = func() { plain.Close(); loop.Close() }
	return tw
}

// A viewer cannot tell over HTTP/2 either whether the loop or net/http answered, and neither can who reads the access log.
func TestLoopAnswersAsServeHTTPOverHTTP2(t *testing.T) {
	compared := 0
	for _, test := range loopCases() {
		for _, ask := range test.asks {
			t.Run(test.name+": "+ask.name, func(t *testing.T) {
				inBubble(t, test.setup, func(t *testing.T, rg *rig) {
					requests, left := requests2(t, strings.ReplaceAll(ask.text, "HOST", rg.dist.DomainName))
					if requests == nil {
						return
					}
					compared++
					tw := newTwins2(t, rg, test.secure)
					defer tw.close()
					plain, loop := tw.client2(tw.plain), tw.client2(tw.loop)
					defer plain.CloseIdleConnections()
					defer loop.CloseIdleConnections()
					tw.say2(tw.plain, plain, requests)
					time.Sleep(3 * time.Second) // so that there is an Age
					want, wantLog := tw.say2(tw.plain, plain, requests)
					want = strings.ReplaceAll(want, `" c "`, `"c"`) // net/http sends such a value as it is, against RFC 9113, section 8.2.1
					got, gotLog := tw.say2(tw.loop, loop, requests)
					if unnamed(got) != unnamed(want) || want == "" {
						t.Errorf("got  %.2000s\nwant %.2000s", unnamed(got), unnamed(want))
					}
					if unnamed(gotLog) != unnamed(wantLog) {
						t.Errorf("log  %s\nwant %s", unnamed(gotLog), unnamed(wantLog))
					}
					answered := ask.answered - left
					if strings.Contains(ask.text, "HOST\r\nPragma: no-cache\r\n\r\n") {
						answered++ // of which net/http makes nothing over HTTP/2
					}
					if n := int(tw.counting.answered.Load()); n != answered {
						t.Errorf("the loop answered %d requests, want %d; answer %.2000s", n, answered, got)
					}
				})
			})
		}
	}
	if compared < 30 {
		t.Errorf("%d rows were compared, want at least 30", compared)
	}
}

// A hit over HTTP/2 costs no allocation either, client included. Measured 2026-11-26: 0.
func TestHitInTheLoopOverHTTP2AllocatesNothing(t *testing.T) {
	if raced() {
		t.Skip("the race detector allocates")
	}
	rg := newRig(t, setup{
		origin: always(200, strings.Repeat("x", 10<<10), "Content-Type", "image/jpeg", "Etag", `"0123456789abcdef"`),
		dist:   func(c *DistributionConfig) { c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all" },
		config: func(c *Config) { c.AccessLog, c.Metrics = nil, telemetry.NewMetrics("").Requests() },
	})
	t.Cleanup(rg.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	count := &counting{Edge: rg.Edge}
	ours := &http.Server{Handler: rg}
	s := &http1.Server{Responder: count, HTTP: ours, HTTP2: &http2.Server{HTTP: ours, Responder: count}}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fr := xhttp2.NewFramer(conn, nil)
	_, _ = io.WriteString(conn, xhttp2.ClientPreface)
	_ = fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 30})
	_ = fr.WriteWindowUpdate(0, 1<<30)
	fields := []hpack.HeaderField{
		{Name: ":method", Value: "GET"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/a.jpg?showExif=false"},
		{Name: ":authority", Value: rg.dist.DomainName},
		{Name: "accept", Value: "image/avif,image/webp,*/*;q=0.8"},
		{Name: "accept-encoding", Value: "gzip, deflate, br"},
		{Name: "user-agent", Value: "Mozilla/5.0"},
	}
	id, frames := uint32(1), make([]byte, 64<<10)
	once := func() {
		block.Reset()
		for _, f := range fields {
			_ = enc.WriteField(f)
		}
		if err := fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
		id += 2
		for n := 0; n < 10<<10; {
			m, err := conn.Read(frames)
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
	if n > 0 {
		t.Errorf("%v allocations, the budget is 0", n)
	}
}
