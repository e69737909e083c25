package http1

import (
	"bufio"
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
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate for localhost.
func certificate(t testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveSocket serves r and h on a socket of this machine and returns its address.
func serveSocket(t testing.TB, r Responder, h http.HandlerFunc, secure bool) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Responder: r, HTTP: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}}
	serve := s.Serve
	if secure {
		s.HTTP.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"}}
		serve = s.ServeTLS
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != http.ErrServerClosed { //nolint:errorlint // as it is
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

// says is a handler that says by which protocol and whether over TLS it was reached.
func says(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s, TLS %v", r.Proto, r.TLS != nil && r.TLS.HandshakeComplete)
}

func TestTLS(t *testing.T) {
	address := serveSocket(t, memory{}, says, true)
	insecure := &tls.Config{InsecureSkipVerify: true}
	ask := func(t *testing.T, c *http.Client, path, want string) {
		t.Helper()
		resp, err := c.Get("https://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if string(body) != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", path, body, err, want)
		}
	}
	t.Run("HTTP/1.1: the loop answers, the handler sees TLS", func(t *testing.T) {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure.Clone()}}
		defer c.CloseIdleConnections()
		for range 3 {
			ask(t, c, "/hit", "loop /hit")
			ask(t, c, "/", "HTTP/1.1, TLS true")
		}
	})
	t.Run("HTTP/2 is net/http's", func(t *testing.T) {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true}}
		defer c.CloseIdleConnections()
		ask(t, c, "/hit", "HTTP/2.0, TLS true")
	})
	t.Run("sessions are resumed", func(t *testing.T) {
		config := insecure.Clone()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for i := range 2 {
			conn, err := tls.Dial("tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, get("/hit", "Connection: close"))
			if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), "loop /hit") {
				t.Errorf("answer %q, %v", answer, err)
			}
			want(t, conn.ConnectionState().DidResume, i == 1, fmt.Sprint("resumed at connection ", i))
			conn.Close()
		}
	})
	t.Run("a body of many records is whole", func(t *testing.T) {
		address := serveSocket(t, slow{}, says, true)
		conn, err := tls.Dial("tcp", address, insecure)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		br := bufio.NewReader(conn)
		for range 3 {
			_, _ = io.WriteString(conn, get("/"))
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			want(t, n, int64(100000), "bytes")
			want(t, err, nil, "error")
		}
	})
	t.Run("a request in plaintext is told so", func(t *testing.T) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, get("/"))
		answer, _ := io.ReadAll(conn)
		want(t, string(answer), "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", "answer")
	})
}

func TestHandshakeThatDoesNotEndIsCutOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Responder: memory{}, HTTP: &http.Server{
		ReadHeaderTimeout: 50 * time.Millisecond, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate(t)}},
	}}
	go func() { _ = s.ServeTLS(l) }()
	defer s.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as it is
		t.Errorf("read: %v, want EOF", err)
	}
}

// fixed is a Responder that costs nothing itself.
type fixed struct{ head, body []byte }

func (f fixed) Answer(r *Request) bool {
	_, _ = r.Write(f.head, f.body)
	return true
}

func fixedOf(size int) fixed {
	return fixed{fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", size), make([]byte, size)}
}

const browser = "GET /a/b.jpg?w=1 HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: image/avif,image/webp,*/*;q=0.8\r\nAccept-Language: en\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n\r\n"

// exchange sends the browser's request once and reads an answer of size bytes with its head.
func exchange(t testing.TB, conn net.Conn, request, answer []byte) {
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
}

// What an answer may allocate, client included: nothing, but that a header's text takes its share of a 32 KiB piece, one in
// a hundred requests. crypto/tls allocates one small object for each time that it reads from the connection: one for a
// request, and on the client's side one for each piece in which the answer comes. Measured 2026-11-26, Go 1.26: 0 on
// plaintext; 2, 2 and 4 on TLS.
func TestAnswersAllocateNothing(t *testing.T) {
	if raced() {
		t.Skip("the race detector allocates")
	}
	for _, test := range []struct {
		size   int
		secure bool
		allocs float64
	}{
		{1 << 10, false, 0},
		{10 << 10, false, 0},
		{100 << 10, false, 0},
		{1 << 10, true, 2},
		{10 << 10, true, 2},
		{100 << 10, true, 12},
	} {
		t.Run(fmt.Sprintf("%d KiB, TLS %v", test.size>>10, test.secure), func(t *testing.T) {
			f := fixedOf(test.size)
			conn := dial(t, serveSocket(t, f, says, test.secure), test.secure)
			defer conn.Close()
			request, answer := []byte(browser), make([]byte, len(f.head)+2+test.size)
			for range 1000 { // records of TLS grow
				exchange(t, conn, request, answer)
			}
			if n := testing.AllocsPerRun(1000, func() { exchange(t, conn, request, answer) }); n > test.allocs {
				t.Errorf("%v allocations, the budget is %v", n, test.allocs)
			}
		})
	}
}

// raced reports whether the race detector is on, under which a sync.Pool loses what it holds now and then.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func dial(t testing.TB, address string, secure bool) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err == nil && secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func BenchmarkAnswer(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, size := range []int{1 << 10, 10 << 10, 100 << 10} {
			b.Run(fmt.Sprintf("%dKiB/TLS=%v", size>>10, secure), func(b *testing.B) {
				f := fixedOf(size)
				conn := dial(b, serveSocket(b, f, says, secure), secure)
				defer conn.Close()
				request, answer := []byte(browser), make([]byte, len(f.head)+2+size)
				b.ReportAllocs()
				for b.Loop() {
					exchange(b, conn, request, answer)
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	r := new(Request)
	for b.Loop() {
		if _, v := r.parse(browser); v != usual {
			b.Fatal(v)
		}
	}
}
