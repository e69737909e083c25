package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glassine"
	"glassine/edge"
)

// rawSite is a distribution in front of an origin that writes what each case wants on its connections.
type rawSite struct {
	*system
	conns  atomic.Int64 // that the origin accepted
	mu     sync.Mutex   // guards answer
	answer func(net.Conn)
}

// newRawSite starts one. Errors are kept for a second, and the origin may be silent for a second.
func newRawSite(t *testing.T) *rawSite {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &rawSite{system: start(t, func(c *glassine.Config) { c.Demo = false })}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go func() {
				defer conn.Close()
				for r := bufio.NewScanner(conn); r.Scan() && r.Text() != ""; {
				}
				s.mu.Lock()
				answer := s.answer
				s.mu.Unlock()
				answer(conn)
			}()
		}
	}()
	root := s.IAM.Root()
	policy, err := s.Edge.CreateCachePolicy(t.Context(), root, edge.CachePolicyConfig{
		Name: "faults", DefaultTTL: new(int64(60)), Headers: edge.Selection{Behavior: "none"}, Cookies: edge.Selection{Behavior: "none"},
		QueryStrings: edge.Selection{Behavior: "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Edge.CreateDistribution(t.Context(), root, edge.DistributionConfig{
		CallerReference: "faults", Enabled: true, Aliases: []string{"localhost"},
		Origins: []edge.Origin{{
			ID: "raw", DomainName: "localhost", ConnectionAttempts: 1, ConnectionTimeout: 1,
			Custom: &edge.CustomOrigin{ProtocolPolicy: "http-only", HTTPPort: l.Addr().(*net.TCPAddr).Port, ReadTimeout: 1},
		}},
		DefaultCacheBehavior: edge.CacheBehavior{TargetOriginID: "raw", ViewerProtocolPolicy: "allow-all", CachePolicyID: policy.ID},
		CustomErrorResponses: []edge.CustomErrorResponse{
			{ErrorCode: 502, ErrorCachingMinTTL: new(int64(0))}, {ErrorCode: 504, ErrorCachingMinTTL: new(int64(0))},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *rawSite) answers(f func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// get returns status, X-Cache's word and body, or "broken" when the connection ended before the answer did. lines are the request's header.
func (s *rawSite) get(t *testing.T, path string, lines ...string) string {
	t.Helper()
	conn := s.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+strings.Join(append(lines, ""), "\r\n")+"\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "broken" // before its header was on its way
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	word, _, _ := strings.Cut(resp.Header.Get("X-Cache"), " ")
	switch {
	case err != nil:
		return "broken"
	case strings.HasPrefix(string(body), "<!DOCTYPE"):
		body = []byte("page")
	}
	return fmt.Sprintf("%d %s %s", resp.StatusCode, word, body)
}

func (s *rawSite) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addresses().HTTP)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// writes is an answer that is written as it stands.
func writes(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// then is an answer that goes on once the first part is written.
func then(text string, next func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		next(conn)
	}
}

func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

const (
	good    = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood"
	promise = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
)

// What a viewer gets of an origin that fails in the middle, and that none of it is stored: the next viewer gets what the origin
// says once it is well.
func TestOriginFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		origin func(net.Conn)
		want   string
		next   string // once the origin is well
	}{
		{"hangs up at once", func(net.Conn) {}, "502 Error page", "200 Miss good"},
		{"resets the connection", reset, "502 Error page", "200 Miss good"},
		{"never answers", hang, "504 Error page", "200 Miss good"},
		{"breaks off in its header", writes("HTTP/1.1 200 OK\r\nContent-Le"), "502 Error page", "200 Miss good"},
		{"speaks no HTTP", writes("hello\r\n\r\n"), "502 Error page", "200 Miss good"},
		{"announces two lengths", writes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood!"), "502 Error page", "200 Miss good"},
		{"announces a length that is none", writes("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\ngood"), "502 Error page", "200 Miss good"},
		{"has a header that is too large", writes("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 30<<10) + "\r\nContent-Length: 4\r\n\r\ngood"), "502 Error page", "200 Miss good"},
		{"answers too little", writes(promise), "broken", "200 Miss good"},
		{"answers too little in chunks", writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), "broken", "200 Miss good"},
		{"has a chunk that is none", writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhalf\r\n0\r\n\r\n"), "broken", "200 Miss good"},
		{"resets in its body", then(promise, reset), "broken", "200 Miss good"},
		{"hangs in its body", then(promise, hang), "broken", "200 Miss good"},
		{"answers too much: what was announced counts", writes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbest of all"), "200 Miss best", "200 Hit best"},
		{"ends its body with the connection: it may be whole, and is not stored", writes("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall?"), "200 Miss all?", "200 Miss good"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newRawSite(t)
			s.answers(c.origin)
			began := time.Now()
			if got := s.get(t, "/a"); got != c.want {
				t.Errorf("origin that fails: %q, want %q", got, c.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("the answer took %v", took)
			}
			s.answers(writes(good))
			if got := s.get(t, "/a"); got != c.next {
				t.Errorf("origin that is well again: %q, want %q", got, c.next)
			}
		})
	}
}

// An origin that hangs holds up the first who finds what is stored expired, for as long as it may be silent, and nobody after.
func TestOriginThatHangsHoldsUpOneViewer(t *testing.T) {
	t.Parallel()
	s := newRawSite(t)
	s.answers(writes(strings.Replace(good, "\r\n\r\n", "\r\nCache-Control: max-age=1\r\n\r\n", 1)))
	if got := s.get(t, "/a"); got != "200 Miss good" {
		t.Fatalf("first: %q", got)
	}
	s.answers(hang)
	wait := time.Now().Add(5 * time.Second)
	for s.conns.Load() < 2 {
		if got := s.get(t, "/a"); got != "200 Hit good" || time.Now().After(wait) {
			t.Fatalf("while the origin hangs: %q after %d connections, want the stale object", got, s.conns.Load())
		}
	}
	for range 20 {
		began := time.Now()
		if got := s.get(t, "/a"); got != "200 Hit good" {
			t.Errorf("after it was found to hang: %q", got)
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("a viewer waited %v for an origin that is known to hang", took)
		}
	}
}

// Viewers that read slowly, or not at all, hold up neither others nor the fetch.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := newRawSite(t)
	const size = 16 << 20
	s.answers(func(conn net.Conn) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", size)
		_, _ = io.CopyN(conn, zeros{}, size)
	})
	for range 50 {
		conn := s.dial(t)
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"the first", "another"} {
		began := time.Now()
		if got := s.get(t, "/a"); len(got) < size {
			t.Errorf("%s who reads: %.40q with %d bytes, want all of it", want, got, len(got))
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%s who reads waited %v for those who do not", want, took)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("the origin was asked %d times, want once", n)
	}
}

// zeros are bytes without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
