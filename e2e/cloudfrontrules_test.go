package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"

	"glassine"
	"glassine/edge"
)

// rule is what CloudFront's documentation says about viewers, origins and the cache, as a distribution and the requests that show it.
// The clock moves only forward, for all rules at once.
type rule struct {
	name   string
	policy func(*edge.CachePolicyConfig)
	dist   func(*edge.DistributionConfig)
	steps  []ruleStep
}

// ruleStep is one request on a connection of its own.
type ruleStep struct {
	wait time.Duration // before it

	// ask is "METHOD target", then lines of the header, each after a bar. "HTTP/1.0 " before it asks in that version, "TLS " over TLS.
	// A line "Host: x" stands in the place of the distribution's name, "body: x" is the request's body. "" is GET /a.
	ask string

	// reply is the origin's answer: status, lines of the header and after two bars the body. "" is an origin that must not be asked,
	// "hangs up" one that ends the connection. A Content-Length is added unless the header says how the body ends; "close" as a line
	// lets it end with the connection.
	reply string

	want  string   // of the answer: status, X-Cache's word, body
	has   []string // "Name: value" that the answer must have, "Name:" that it must not
	heard []string // the request that the origin got: "METHOD target", and header lines like has; nil does not look
	times int      // how often the origin is asked; 0 is once when there is a reply, -1 does not look
	soon  bool     // asked again until the answer is want, for 5 s
}

// rules is a system, with the origin of all rules.
type rules struct {
	*system
	t      *testing.T
	ahead  *atomic.Int64
	origin net.Listener

	mu    sync.Mutex // guards what follows
	reply string
	heard []string // requests, each a line and a header
	slow  chan struct{}
}

func newRules(t *testing.T) *rules {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rules{t: t, ahead: new(atomic.Int64), origin: l}
	server := &http.Server{Handler: http.HandlerFunc(u.answer)}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	u.system = start(t, func(c *glassine.Config) {
		c.Demo = false
		c.Now = func() time.Time { return time.Now().Add(time.Duration(u.ahead.Load())) }
	})
	return u
}

// answer is the origin.
func (u *rules) answer(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	for name, values := range r.Header {
		fmt.Fprintf(&text, "%s: %s\n", name, strings.Join(values, "|"))
	}
	u.mu.Lock()
	u.heard = append(u.heard, text.String())
	reply, slow := u.reply, u.slow
	u.mu.Unlock()
	if slow != nil {
		<-slow
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	if reply == "" || reply == "hangs up" {
		return
	}
	head, body, _ := strings.Cut(reply, "||")
	lines := strings.Split(head, "|")
	framed := lines[0] == "304"
	fmt.Fprintf(buf, "HTTP/1.1 %s x\r\n", lines[0])
	for _, line := range lines[1:] {
		framed = framed || line == "close" || strings.HasPrefix(line, "Content-Length:") || strings.HasPrefix(line, "Transfer-Encoding:")
		if line != "close" {
			buf.WriteString(line + "\r\n")
		}
	}
	if !framed {
		fmt.Fprintf(buf, "Content-Length: %d\r\n", len(body))
	}
	buf.WriteString("Connection: close\r\n\r\n")
	if r.Method != http.MethodHead {
		buf.WriteString(body)
	}
	buf.Flush()
}

// distribution makes the one of a rule: every method, the origin twice ("main" and, below /second, "second"), cached for a day.
func (u *rules) distribution(r rule) edge.Distribution {
	u.t.Helper()
	root := u.IAM.Root()
	none := edge.Selection{Behavior: "none"}
	policy := edge.CachePolicyConfig{Name: fmt.Sprintf("rule-%x", r.name), Headers: none, Cookies: none, QueryStrings: none}
	policy.Name = policy.Name[:min(len(policy.Name), 128)]
	if r.policy != nil {
		r.policy(&policy)
	}
	made, err := u.Edge.CreateCachePolicy(u.t.Context(), root, policy)
	if err != nil {
		u.t.Fatal(err)
	}
	port := u.origin.Addr().(*net.TCPAddr).Port
	at := &edge.CustomOrigin{ProtocolPolicy: "http-only", HTTPPort: port}
	cfg := edge.DistributionConfig{
		CallerReference: r.name, Enabled: true,
		Origins: []edge.Origin{
			{ID: "main", DomainName: "localhost", ConnectionAttempts: 1, ConnectionTimeout: 1, Custom: at},
			{ID: "second", DomainName: "localhost", Path: "/second", ConnectionAttempts: 1, ConnectionTimeout: 1, Custom: at},
		},
		DefaultCacheBehavior: edge.CacheBehavior{
			TargetOriginID: "main", ViewerProtocolPolicy: "allow-all", CachePolicyID: made.ID,
			AllowedMethods: strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE"),
		},
	}
	if r.dist != nil {
		r.dist(&cfg)
	}
	d, err := u.Edge.CreateDistribution(u.t.Context(), root, cfg)
	if err != nil {
		u.t.Fatal(err)
	}
	return d
}

// ask sends a step's request to the distribution called host, and returns the answer as want has it, and its header.
func (u *rules) ask(host, ask string) (string, http.Header) {
	u.t.Helper()
	if ask == "" {
		ask = "GET /a"
	}
	ask, secure := strings.CutPrefix(ask, "TLS ")
	ask, old := strings.CutPrefix(ask, "HTTP/1.0 ")
	lines := strings.Split(ask, "|")
	version, body := "HTTP/1.1", ""
	if old {
		version = "HTTP/1.0"
	}
	text := lines[0] + " " + version + "\r\n"
	named := false
	for _, line := range lines[1:] {
		if b, ok := strings.CutPrefix(line, "body: "); ok {
			body = b
			line = fmt.Sprintf("Content-Length: %d", len(b))
		}
		named = named || strings.HasPrefix(line, "Host:")
		text += line + "\r\n"
	}
	if !named {
		text += "Host: " + host + "\r\n"
	}
	addresses := u.Addresses()
	var conn net.Conn
	var err error
	if secure {
		conn, err = tls.Dial("tcp", addresses.HTTPS, &tls.Config{RootCAs: u.roots(u.t), ServerName: "localhost", NextProtos: []string{"http/1.1"}})
	} else {
		conn, err = net.Dial("tcp", addresses.HTTP)
	}
	if err != nil {
		u.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		u.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text+"Connection: close\r\n\r\n"+body); err != nil {
		u.t.Fatal(err)
	}
	method, _, _ := strings.Cut(lines[0], " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return "broken", nil
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return "broken", nil
	}
	got = readable(resp.Header, got)
	word, _, _ := strings.Cut(resp.Header.Get("X-Cache"), " ")
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", resp.StatusCode, word, got)), resp.Header
}

// readable is a body without its coding, CloudFront's page as "page" and its redirect as "moved", and a run of the same byte as
// the byte and how often.
func readable(h http.Header, body []byte) []byte {
	var r io.Reader
	switch h.Get("Content-Encoding") {
	case "gzip":
		r, _ = gzip.NewReader(bytes.NewReader(body))
	case "br":
		r = brotli.NewReader(bytes.NewReader(body))
	}
	if r != nil {
		if plain, err := io.ReadAll(r); err == nil {
			body = plain
		}
	}
	switch {
	case bytes.HasPrefix(body, []byte("<!DOCTYPE")) && bytes.Contains(body, []byte("Generated by cloudfront (CloudFront)\nRequest ID: "+h.Get("X-Amz-Cf-Id"))):
		return []byte("page")
	case string(body) == moved("301 Moved Permanently"), string(body) == moved("307 Temporary Redirect"):
		return []byte("moved")
	case len(body) > 100 && len(bytes.Trim(body, string(body[:1]))) == 0:
		return append(body[:1:1], "*"+strconv.Itoa(len(body))...)
	}
	return body
}

// moved is the body of a redirect.
func moved(status string) string {
	return strings.Join([]string{
		"<html>", "<head><title>" + status + "</title></head>", "<body>", "<center><h1>" + status + "</h1></center>",
		"<hr><center>CloudFront</center>", "</body>", "</html>", "",
	}, "\r\n")
}

// run runs a rule.
func (u *rules) run(t *testing.T, r rule) {
	u.t = t
	d := u.distribution(r)
	for i, s := range r.steps {
		u.ahead.Add(int64(s.wait))
		u.mu.Lock()
		u.reply, u.heard = s.reply, nil
		u.mu.Unlock()
		got, header := u.ask(d.DomainName, s.ask)
		for end := time.Now().Add(5 * time.Second); s.soon && got != s.want && time.Now().Before(end); {
			got, header = u.ask(d.DomainName, s.ask)
		}
		if got != s.want {
			t.Errorf("step %d: %q, want %q", i+1, got, s.want)
		}
		lacks(t, fmt.Sprintf("step %d: the answer", i+1), s.has, header.Get)
		times := s.times
		if times == 0 && s.reply != "" {
			times = 1
		}
		heard := u.requests(times)
		if times >= 0 && len(heard) != times {
			t.Errorf("step %d: the origin was asked %d times, want %d", i+1, len(heard), times)
		}
		if len(s.heard) == 0 || len(heard) == 0 {
			continue
		}
		line, fields, _ := strings.Cut(heard[0], "\n")
		if line != s.heard[0] {
			t.Errorf("step %d: the origin heard %q, want %q", i+1, line, s.heard[0])
		}
		lacks(t, fmt.Sprintf("step %d: the origin's request", i+1), s.heard[1:], func(name string) string {
			_, value, _ := strings.Cut("\n"+fields, "\n"+http.CanonicalHeaderKey(name)+": ")
			value, _, _ = strings.Cut(value, "\n")
			return value
		})
	}
}

// requests returns what the origin heard, once there are so many requests; one behind the answer may still be on its way.
func (u *rules) requests(times int) []string {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		u.mu.Lock()
		heard := u.heard
		u.mu.Unlock()
		if len(heard) >= times || time.Now().After(end) {
			return heard
		}
	}
}

// lacks reports the header lines that are not as wanted. "Name: *" wants any value.
func lacks(t *testing.T, what string, lines []string, get func(string) string) {
	t.Helper()
	for _, line := range lines {
		name, want, _ := strings.Cut(line, ":")
		want = strings.TrimSpace(want)
		if got := get(name); got != want && !(want == "*" && got != "") {
			t.Errorf("%s has %s %q, want %q", what, name, got, want)
		}
	}
}

// Every rule of requests and of caching, through the program's sockets, in front of an origin behind another.
func TestCloudFrontRules(t *testing.T) {
	ours := newRules(t)
	for _, r := range append(requestRules(t, ours), cachingRules()...) {
		t.Run(r.name, func(t *testing.T) {
			ours.run(t, r)
		})
	}
	t.Run("collapsing", func(t *testing.T) { collapses(t, ours) })
}
