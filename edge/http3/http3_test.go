package http3

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// served is a Server and a client for it.
type served struct {
	*Server
	conn   net.PacketConn
	client *http3.Transport
	ended  chan error // of Serve
}

func serve(t *testing.T, h http.HandlerFunc, change func(*tls.Config)) *served {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certificate := selfSigned(t)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	if change != nil {
		change(config)
	}
	s := &served{Server: &Server{Handler: h, TLS: config}, conn: conn, ended: make(chan error, 1)}
	go func() { s.ended <- s.Serve(conn) }()
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	s.client = s.dialer(roots)
	t.Cleanup(func() {
		s.client.Close()
		_ = s.Close()
		conn.Close()
	})
	return s
}

// dialer is a client that reaches the server whatever name a URL has.
func (s *served) dialer(roots *x509.CertPool) *http3.Transport {
	return &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true,
		Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, s.conn.LocalAddr().String(), tlsConfig, config)
		},
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a.example.com", "b.example.com"},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// ask sends a request and returns the answer with its body.
func (s *served) ask(t *testing.T, method, url string, body io.Reader) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// unsized hides a body's length.
type unsized struct{ io.Reader }

func TestRequestsComeAsNetHTTPHasThem(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %d %t %q %v %s", r.Method, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.Body == http.NoBody, body, err, r.TLS.ServerName)
	}, nil)
	for _, row := range []struct {
		name, method, target string
		body                 io.Reader
		want                 string
	}{
		{"GET has no body", "GET", "/a%2Fb//c?x=1&%20", nil, `GET /a%2Fb//c?x=1&%20 HTTP/3.0 a.example.com 0 true "" <nil> a.example.com`},
		{"a body of known length", "POST", "/", strings.NewReader("hello"), `POST / HTTP/3.0 a.example.com 5 false "hello" <nil> a.example.com`},
		{"an empty body", "POST", "/", strings.NewReader(""), `POST / HTTP/3.0 a.example.com 0 true "" <nil> a.example.com`},
		{"a body of unknown length", "PUT", "/", unsized{strings.NewReader("hello")}, `PUT / HTTP/3.0 a.example.com -1 false "hello" <nil> a.example.com`},
		{"one byte of unknown length", "PUT", "/", unsized{strings.NewReader("h")}, `PUT / HTTP/3.0 a.example.com -1 false "h" <nil> a.example.com`},
		{"nothing, of unknown length", "PUT", "/", unsized{strings.NewReader("")}, `PUT / HTTP/3.0 a.example.com 0 true "" <nil> a.example.com`},
	} {
		_, got, err := s.ask(t, row.method, "https://a.example.com"+row.target, row.body)
		if err != nil || got != row.want {
			t.Errorf("%s: %s, %v\nwant %s", row.name, got, err, row.want)
		}
	}
}

func TestAnswersKeepTheirLengthAndBytes(t *testing.T) {
	picture := make([]byte, 3<<20)
	_, _ = rand.Read(picture)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(picture)))
		w.Header()["Content-Type"] = nil
		_, _ = w.Write(picture)
	}, nil)
	resp, got, err := s.ask(t, "GET", "https://a.example.com/", nil)
	if err != nil || resp.ContentLength != int64(len(picture)) || !bytes.Equal([]byte(got), picture) {
		t.Errorf("answer of %d bytes, length %d, %v", len(got), resp.ContentLength, err)
	}
	if _, guessed := resp.Header["Content-Type"]; guessed {
		t.Errorf("a Content-Type was guessed: %q", resp.Header["Content-Type"])
	}
}

// What is cut off must not look whole, also where no length was announced.
func TestBrokenAnswerIsNoWholeOne(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half of")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	if _, got, err := s.ask(t, "GET", "https://a.example.com/", nil); err == nil {
		t.Errorf("answer = %q without an error", got)
	}
}

func TestNamesThatAreNotServedAreRefused(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {}, func(c *tls.Config) {
		own := c.Clone()
		c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if hello.ServerName == "b.example.com" {
				return nil, errors.New("no HTTP/3 here")
			}
			return own, nil
		}
	})
	if _, _, err := s.ask(t, "GET", "https://a.example.com/", nil); err != nil {
		t.Errorf("a.example.com: %v", err)
	}
	if _, _, err := s.ask(t, "GET", "https://b.example.com/", nil); err == nil {
		t.Error("b.example.com was served")
	}
}

// A viewer that comes back resumes its session, and what it sends waits for the handshake: there is no 0-RTT.
func TestThereIsNoEarlyData(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "resumed %t, complete %t", r.TLS.DidResume, r.TLS.HandshakeComplete)
	}, nil)
	cache := tls.NewLRUClientSessionCache(10)
	s.client.TLSClientConfig.ClientSessionCache = cache
	if _, got, err := s.ask(t, "GET", "https://a.example.com/", nil); err != nil || got != "resumed false, complete true" {
		t.Fatalf("first: %s, %v", got, err)
	}
	s.client.CloseIdleConnections()
	var early bool
	s.client.Dial = func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
		conn, err := quic.DialAddrEarly(ctx, s.conn.LocalAddr().String(), tlsConfig, config)
		if err == nil {
			<-conn.HandshakeComplete()
			early = conn.ConnectionState().Used0RTT
		}
		return conn, err
	}
	if _, got, err := s.ask(t, http3.MethodGet0RTT, "https://a.example.com/", nil); err != nil || got != "resumed true, complete true" || early {
		t.Errorf("second: %s, %v; early data %t", got, err, early)
	}
}

func TestShutdownLetsAnswersEnd(t *testing.T) {
	asked, go_ := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-go_
		_, _ = io.WriteString(w, "whole")
	}, nil)
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		_, text, err := s.ask(t, "GET", "https://a.example.com/", nil)
		got <- result{text, err}
	}()
	<-asked
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	select {
	case err := <-down:
		t.Fatalf("Shutdown did not wait: %v", err)
	case <-time.After(2 * settle): // there is nothing that says that it waits
	}
	close(go_)
	if r := <-got; r.err != nil || r.text != "whole" {
		t.Errorf("answer under way = %q, %v", r.text, r.err)
	}
	// The client keeps its connection, and that does not hold Shutdown up.
	select {
	case err := <-down:
		if err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	case <-time.After(20 * settle):
		t.Error("Shutdown waits for a client that has nothing to ask")
	}
	if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	if _, _, err := s.ask(t, "GET", "https://a.example.com/", nil); err == nil {
		t.Error("a request was answered after Shutdown")
	}
}

func TestShutdownAndCloseBeforeServe(t *testing.T) {
	if err := new(Server).Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := new(Server).Close(); err != nil {
		t.Error(err)
	}
}

// Many connections in a second make viewers prove their address, which they do without noticing.
func TestFloodAsksForAddresses(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	for i := range manyConnections {
		if p.fast(now) {
			t.Fatalf("connection %d is one too many", i+1)
		}
	}
	if !p.fast(now) || p.fast(now.Add(time.Second)) {
		t.Error("a second does not end")
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") }, nil)
	s.pace.second, s.pace.n = time.Now().Unix(), manyConnections
	for range 3 { // whichever second it is
		s.pace.mu.Lock()
		s.pace.n = manyConnections
		s.pace.mu.Unlock()
		if _, got, err := s.ask(t, "GET", "https://a.example.com/", nil); err != nil || got != "ok" {
			t.Fatalf("answer = %q, %v", got, err)
		}
		s.client.CloseIdleConnections()
	}
}
