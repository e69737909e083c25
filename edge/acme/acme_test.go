package acme

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/edge/acme/acmetest"
)

// site is what the viewers' listeners are to the manager.
type site struct {
	http, tls net.Listener
	manager   *Manager // set before the listeners are asked

	mu     sync.Mutex // guards proofs
	proofs []string   // by which a name was proved
}

func (s *site) proved(how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proofs = append(s.proofs, how)
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	for _, l := range []*net.Listener{&s.http, &s.tls} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// serve answers, with proofs over the two ways or one of them.
func (s *site) serve(t *testing.T, overHTTP, overTLS bool) {
	t.Helper()
	plain := http.NotFoundHandler()
	if overHTTP {
		plain = s.manager.HTTP(plain)
	}
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c := s.manager.Challenge(hello); c != nil {
			if !overTLS {
				return nil, fmt.Errorf("no proof here")
			}
			s.proved("tls")
			return c, nil
		}
		return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := s.manager.Certificate(hello); c != nil {
				return c, nil
			}
			return nil, fmt.Errorf("no certificate for %q", hello.ServerName)
		}}, nil
	}}
	plainServer := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if overHTTP && strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			s.proved("http")
		}
		plain.ServeHTTP(w, r)
	})}
	tlsServer := &http.Server{Handler: http.NotFoundHandler(), TLSConfig: config, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = plainServer.Serve(s.http) }()
	go func() { _ = tlsServer.ServeTLS(s.tls, "", "") }()
	t.Cleanup(func() { plainServer.Close(); tlsServer.Close() })
}

// shown is the certificate that a viewer gets, once it is verified.
func (s *site) shown(name string, roots *x509.CertPool) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", s.tls.Addr().String(), &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// log is what the manager says.
type log struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCertificateIsObtainedFromAnAuthority(t *testing.T) {
	for _, row := range []struct {
		name              string
		overHTTP, overTLS bool
		want              string
	}{
		{"proved in a TLS handshake", false, true, "tls"},
		{"proved over plaintext", true, false, "http"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, said := newSite(t), &log{}
			a := acmetest.Start(t, port(s.http), port(s.tls))
			roots, err := os.ReadFile(a.RootsFile)
			if err != nil {
				t.Fatal(err)
			}
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(roots)
			cfg := Config{
				Domains: []string{"Photos.example.com"}, Email: "me@example.com", Directory: a.Directory, Roots: pool, Storage: t.TempDir(),
				Host: "127.0.0.1", HTTPPort: port(s.http), TLSPort: port(s.tls), Log: slog.New(slog.NewTextHandler(said, nil)),
			}
			if s.manager, err = New(cfg); err != nil {
				t.Fatal(err)
			}
			s.serve(t, row.overHTTP, row.overTLS)
			if _, err := s.shown("photos.example.com", a.Issued); err == nil {
				t.Error("there is a certificate before one was asked for")
			}
			if err := s.manager.Start(); err != nil {
				t.Fatal(err)
			}
			var got *x509.Certificate
			for begun := time.Now(); got == nil; time.Sleep(50 * time.Millisecond) { // another process works
				if got, err = s.shown("photos.example.com", a.Issued); err != nil && time.Since(begun) > 60*time.Second {
					t.Fatalf("no certificate: %v\n%s", err, said)
				}
			}
			if s.proofs[0] != row.want {
				t.Errorf("proved over %v, want %s", s.proofs, row.want)
			}
			if !strings.Contains(said.String(), "certificate obtained") {
				t.Errorf("log = %s", said)
			}
			if _, err := s.shown("other.example.com", a.Issued); err == nil {
				t.Error("a name that is not ours has a certificate")
			}
			if err := s.manager.Close(); err != nil {
				t.Fatal(err)
			}
			// The next start has it from storage.
			if s.manager, err = New(cfg); err != nil {
				t.Fatal(err)
			}
			if err := s.manager.Start(); err != nil {
				t.Fatal(err)
			}
			for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				again, err := s.shown("photos.example.com", a.Issued)
				if err == nil {
					if again.SerialNumber.Cmp(got.SerialNumber) != 0 {
						t.Error("a second certificate was obtained")
					}
					break
				}
				if time.Since(begun) > 20*time.Second {
					t.Fatalf("the stored certificate is not served: %v", err)
				}
			}
			if err := s.manager.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestNamesThatNoAuthorityGivesAreRefused(t *testing.T) {
	for _, row := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"a wildcard", Config{Domains: []string{"*.example.com"}}, "a wildcard needs a proof in DNS"},
		{"this machine", Config{Domains: []string{"localhost"}}, "not a public name"},
		{"below this machine", Config{Domains: []string{"a.localhost"}}, "not a public name"},
		{"an address", Config{Domains: []string{"192.0.2.1"}}, "not a public name"},
		{"nothing", Config{Domains: []string{""}}, "not a public name"},
		{"no names", Config{}, "required"},
	} {
		row.cfg.Storage = t.TempDir()
		if _, err := New(row.cfg); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want an error with %q", row.name, err, row.want)
		}
	}
}
