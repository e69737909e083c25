package edge

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tlsOrigin is an origin of HTTPS over pipes, in whose log is what its connections were.
type tlsOrigin struct {
	config *tls.Config
	answer func(n int, conn net.Conn, r *http.Request) // of the nth request; nil answers 200

	mu       sync.Mutex // guards what follows
	opened   []string   // addresses dialed
	greeted  []string   // server name and version of each handshake
	requests int
}

func (o *tlsOrigin) note(to *[]string, line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	*to = append(*to, line)
}

func (o *tlsOrigin) noted(from *[]string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), *from...)
}

// dial makes a connection to the origin, plaintext when it has no TLS configuration.
func (o *tlsOrigin) dial(_ context.Context, _, address string) (net.Conn, error) {
	client, server := net.Pipe()
	o.note(&o.opened, address)
	go func() {
		defer server.Close()
		conn := server
		if o.config != nil {
			secure := tls.Server(server, o.config)
			if err := secure.Handshake(); err != nil {
				return
			}
			o.note(&o.greeted, secure.ConnectionState().ServerName+" "+tls.VersionName(secure.ConnectionState().Version))
			conn = secure
		}
		br := bufio.NewReader(conn)
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			o.mu.Lock()
			o.requests++
			n := o.requests
			o.mu.Unlock()
			if o.answer != nil {
				o.answer(n, conn, r)
				continue
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok")
		}
	}()
	return client, nil
}

// authority issues the certificates of origins.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(1e5 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

// issue makes a certificate for names, with an RSA key where the suites of old versions need one.
func (a *authority) issue(t *testing.T, old bool, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: until, DNSNames: names}
	if old {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// transport reaches the origin and trusts the authority.
func (o *tlsOrigin) transport(a *authority) *OriginTransport {
	transport := NewOriginTransport()
	transport.DialContext = o.dial
	if a != nil {
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AddCert(a.cert)
	}
	return transport
}

func TestOriginSSLProtocols(t *testing.T) {
	for _, row := range []struct {
		allowed     string
		least, most uint16 // of the origin
		rsa         bool   // the origin has the old key exchange alone
		want        string // version, "" is 502
	}{
		{"TLSv1.2", tls.VersionTLS10, tls.VersionTLS13, false, "TLS 1.3"},
		{"TLSv1.2", tls.VersionTLS10, tls.VersionTLS12, false, "TLS 1.2"},
		{"TLSv1.2", tls.VersionTLS10, tls.VersionTLS11, false, ""},
		{"TLSv1 TLSv1.1", tls.VersionTLS12, tls.VersionTLS13, false, ""},
		{"TLSv1 TLSv1.1", tls.VersionTLS10, tls.VersionTLS13, false, "TLS 1.1"},
		{"TLSv1", tls.VersionTLS10, tls.VersionTLS13, false, "TLS 1.0"},
		{"SSLv3 TLSv1", tls.VersionTLS10, tls.VersionTLS10, true, "TLS 1.0"},
		{"TLSv1 TLSv1.1 TLSv1.2", tls.VersionTLS10, tls.VersionTLS13, false, "TLS 1.3"},
		{"TLSv1 TLSv1.1 TLSv1.2", tls.VersionTLS10, tls.VersionTLS10, true, "TLS 1.0"},
	} {
		inBubbleOf(t, row.allowed+" and "+tls.VersionName(row.least)+" to "+tls.VersionName(row.most), func(t *testing.T) {
			ca := newAuthority(t)
			o := &tlsOrigin{config: &tls.Config{Certificates: []tls.Certificate{ca.issue(t, row.rsa, time.Now().Add(time.Hour), "origin.example.com")}, MinVersion: row.least, MaxVersion: row.most}}
			if row.rsa {
				o.config.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
			}
			transport := o.transport(ca)
			defer transport.CloseIdleConnections()
			rg := newRig(t, setup{origin: transport.RoundTrip, dist: func(c *DistributionConfig) {
				c.Origins[0].DomainName, c.Origins[0].ConnectionAttempts = "origin.example.com", 1
				c.Origins[0].Custom.SSLProtocols = strings.Fields(row.allowed)
			}})
			defer rg.Close()
			a := rg.get("/a")
			if row.want == "" {
				at(t, a.status, 502, "status")
				at(t, len(o.noted(&o.greeted)), 0, "handshakes")
				return
			}
			at(t, a.status, 200, "status")
			at(t, strings.Join(o.noted(&o.greeted), ", "), "origin.example.com "+row.want, "handshakes")
		})
	}
}

// inBubbleOf runs a row in a bubble of its own.
func inBubbleOf(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// Which certificates of origins are taken, and what the handshake asks for.
func TestOriginCertificateIsVerified(t *testing.T) {
	const domain, alias = "origin.example.com", "www.example.com"
	for _, row := range []struct {
		name     string
		names    []string // of the certificate
		forward  bool     // the viewer's Host goes to the origin
		stranger bool     // nobody knows who issued it
		expired  bool
		client   bool // the origin asks for a certificate of ours
		want     int
		sni      string
	}{
		{name: "for the origin's name", names: []string{domain}, want: 200, sni: domain},
		{name: "for another name", names: []string{alias}, want: 502},
		{name: "by an authority that nobody knows", names: []string{domain}, stranger: true, want: 502},
		{name: "expired", names: []string{domain}, expired: true, want: 502},
		{name: "the origin asks for a client's", names: []string{domain}, client: true, want: 502},
		{name: "the Host forwarded, for the Host", names: []string{alias}, forward: true, want: 200, sni: alias},
		{name: "the Host forwarded, for the origin's name", names: []string{domain}, forward: true, want: 200, sni: alias},
		{name: "the Host forwarded, for a third name", names: []string{"example.org"}, forward: true, want: 502},
		{name: "the Host forwarded, by an authority that nobody knows", names: []string{alias}, forward: true, stranger: true, want: 502},
		{name: "the Host forwarded, expired", names: []string{alias}, forward: true, expired: true, want: 502},
	} {
		inBubbleOf(t, row.name, func(t *testing.T) {
			ca := newAuthority(t)
			trusted, until := ca, time.Now().Add(time.Hour)
			if row.stranger {
				trusted = newAuthority(t)
			}
			if row.expired {
				until = time.Now().Add(-time.Minute)
			}
			o := &tlsOrigin{config: &tls.Config{Certificates: []tls.Certificate{ca.issue(t, false, until, row.names...)}, MinVersion: tls.VersionTLS12}}
			if row.client {
				o.config.ClientAuth = tls.RequireAnyClientCert
			}
			transport := o.transport(trusted)
			defer transport.CloseIdleConnections()
			rg := newRig(t, setup{
				origin: transport.RoundTrip,
				dist: func(c *DistributionConfig) {
					c.Aliases, c.Origins[0].DomainName, c.Origins[0].ConnectionAttempts = []string{alias}, domain, 1
				},
				policy: func(p *CachePolicyConfig) {
					if row.forward {
						p.Headers = Selection{Behavior: "whitelist", Names: []string{"Host"}}
					}
				},
			})
			defer rg.Close()
			r := rg.request("GET", "/a")
			r.Host, r.TLS.ServerName = alias, alias
			a := rg.send(r)
			at(t, a.status, row.want, "status")
			if row.want == 200 {
				at(t, strings.Join(o.noted(&o.greeted), ", "), row.sni+" TLS 1.3", "handshakes")
			}
		})
	}
}

func TestOriginPortsAndProtocols(t *testing.T) {
	for _, row := range []struct {
		policy string
		viewer string // scheme
		want   string // address dialed
	}{
		{"http-only", "https", "origin.example.com:8080"},
		{"https-only", "http", "origin.example.com:8443"},
		{"match-viewer", "https", "origin.example.com:8443"},
		{"match-viewer", "http", "origin.example.com:8080"},
	} {
		inBubbleOf(t, row.policy+" for "+row.viewer, func(t *testing.T) {
			ca := newAuthority(t)
			o := &tlsOrigin{}
			if strings.HasSuffix(row.want, "8443") {
				o.config = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, false, time.Now().Add(time.Hour), "origin.example.com")}}
			}
			transport := o.transport(ca)
			defer transport.CloseIdleConnections()
			rg := newRig(t, setup{origin: transport.RoundTrip, dist: func(c *DistributionConfig) {
				c.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
				c.Origins[0].DomainName = "origin.example.com"
				c.Origins[0].Custom.HTTPPort, c.Origins[0].Custom.HTTPSPort, c.Origins[0].Custom.ProtocolPolicy = 8080, 8443, row.policy
			}})
			defer rg.Close()
			r := rg.request("GET", "/a")
			if row.viewer == "http" {
				r.TLS = nil
			}
			at(t, rg.send(r).status, 200, "status")
			at(t, strings.Join(o.noted(&o.opened), ", "), row.want, "connections")
		})
	}
}

// An idle connection is kept as long as its origin says.
func TestOriginKeepaliveTimeout(t *testing.T) {
	for _, row := range []struct {
		keepalive int
		pause     time.Duration
		want      int // connections for two requests
	}{{0, 4 * time.Second, 1}, {0, 6 * time.Second, 2}, {1, 2 * time.Second, 2}, {60, 59 * time.Second, 1}, {60, 61 * time.Second, 2}} {
		inBubbleOf(t, row.pause.String()+" of "+time.Duration(row.keepalive*int(time.Second)).String(), func(t *testing.T) {
			o := &tlsOrigin{}
			transport := o.transport(nil)
			defer transport.CloseIdleConnections()
			rg := newRig(t, setup{origin: transport.RoundTrip, dist: func(c *DistributionConfig) {
				c.Origins[0].Custom.ProtocolPolicy, c.Origins[0].Custom.KeepaliveTimeout = "http-only", row.keepalive
			}})
			defer rg.Close()
			at(t, rg.get("/a").status, 200, "status")
			time.Sleep(row.pause)
			at(t, rg.get("/b").status, 200, "status")
			at(t, len(o.noted(&o.opened)), row.want, "connections")
		})
	}
}

// hangs never connects.
func hangs(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
}

// How long a viewer waits for an origin that is silent at some point, and what it was asked.
func TestOriginTimeoutsAndAttempts(t *testing.T) {
	const connect, read = 2, 7
	silent := func(int, net.Conn, *http.Request) {}
	for _, row := range []struct {
		name, method string
		dial         func(context.Context, string, string) (net.Conn, error) // nil: it connects
		answer       func(int, net.Conn, *http.Request)
		attempts     int
		status       int
		took         time.Duration
		asked        int
	}{
		{"it does not connect", "GET", hangs, nil, 3, 504, 3 * connect * time.Second, 0},
		{"it does not connect, once", "GET", hangs, nil, 1, 504, connect * time.Second, 0},
		{"it does not connect for a POST, of which nothing was sent", "POST", hangs, nil, 3, 504, 3 * connect * time.Second, 0},
		{"it does not answer", "GET", nil, silent, 2, 504, 2 * read * time.Second, 2},
		{"it does not answer a POST, which is not sent again", "POST", nil, silent, 2, 504, read * time.Second, 1},
		{"it answers at the second time", "GET", nil, func(n int, conn net.Conn, _ *http.Request) {
			if n == 2 {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		}, 3, 200, read * time.Second, 2},
		{"it answers just in time", "GET", nil, func(_ int, conn net.Conn, _ *http.Request) {
			time.Sleep(read*time.Second - time.Millisecond)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}, 1, 200, read*time.Second - time.Millisecond, 1},
	} {
		inBubbleOf(t, row.name, func(t *testing.T) {
			o := &tlsOrigin{answer: row.answer}
			transport := o.transport(nil)
			defer transport.CloseIdleConnections()
			if row.dial != nil {
				transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					ctx, cancel := context.WithTimeout(ctx, ctx.Value(originTerms{}).(terms).connect)
					defer cancel()
					return row.dial(ctx, network, address)
				}
			}
			rg := newRig(t, setup{origin: transport.RoundTrip, dist: func(c *DistributionConfig) {
				c.Origins[0].ConnectionAttempts, c.Origins[0].ConnectionTimeout = row.attempts, connect
				c.Origins[0].Custom.ProtocolPolicy, c.Origins[0].Custom.ReadTimeout = "http-only", read
				c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
			}})
			defer rg.Close()
			r := rg.request(row.method, "/a")
			if row.method == "POST" {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("hello")), 5
			}
			begun := time.Now()
			at(t, rg.send(r).status, row.status, "status")
			at(t, time.Since(begun), row.took, "time")
			o.mu.Lock()
			at(t, o.requests, row.asked, "requests to the origin")
			o.mu.Unlock()
		})
	}
}

// slowly is a body that comes in pieces, each after a while.
type slowly struct {
	pieces int
	pause  time.Duration
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.pieces == 0 {
		return 0, io.EOF
	}
	s.pieces--
	time.Sleep(s.pause)
	return copy(p, "x"), nil
}

// A body that takes long to come is no silence of the origin's.
func TestSlowUploadIsNotTheOriginsSilence(t *testing.T) {
	inBubbleOf(t, "an upload of ten times the read timeout", func(t *testing.T) {
		o := &tlsOrigin{}
		transport := o.transport(nil)
		defer transport.CloseIdleConnections()
		rg := newRig(t, setup{origin: transport.RoundTrip, dist: func(c *DistributionConfig) {
			c.Origins[0].Custom.ProtocolPolicy, c.Origins[0].Custom.ReadTimeout = "http-only", 5
			c.DefaultCacheBehavior.AllowedMethods = strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE")
		}})
		defer rg.Close()
		r := rg.request("PUT", "/a")
		r.Body, r.ContentLength = io.NopCloser(&slowly{pieces: 20, pause: 2500 * time.Millisecond}), 20
		at(t, rg.send(r).status, 200, "status")
	})
}

func TestPoolsAreBounded(t *testing.T) {
	transport := NewOriginTransport()
	for i := range 3 * maxPools {
		transport.pool(pool{keepalive: time.Duration(i)})
	}
	if n := len(transport.by); n > maxPools {
		t.Errorf("%d pools are kept, the most is %d", n, maxPools)
	}
	if first := transport.pool(pool{keepalive: 1}); transport.pool(pool{keepalive: 1}) != first {
		t.Error("the same terms have two pools")
	}
}

func TestFailureToConnectIsTold(t *testing.T) {
	for _, row := range []struct {
		err  error
		want bool
	}{
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, false},
		{errors.New("EOF"), false},
		{nil, false},
	} {
		if got := neverSent(row.err); got != row.want {
			t.Errorf("neverSent(%v) = %t", row.err, got)
		}
	}
}
