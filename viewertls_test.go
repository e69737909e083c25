package glassine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/edge"
	"glassine/edge/certdir"
	"glassine/edge/tlspolicy"
)

// policy finds a security policy.
func policy(t *testing.T, name string) tlspolicy.Policy {
	t.Helper()
	p, ok := tlspolicy.Find(name)
	if !ok {
		t.Fatalf("no policy %s", name)
	}
	return p
}

// viewers are a viewerTLS for distributions by server name, and its clock.
type viewers struct {
	*viewerTLS
	by  map[string]edge.ViewerTLS
	now time.Time
}

func newViewers(t *testing.T) *viewers {
	t.Helper()
	ca, err := openCA(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v := &viewers{by: map[string]edge.ViewerTLS{}, now: time.Now()}
	v.viewerTLS = &viewerTLS{
		ask: func(name string) edge.ViewerTLS {
			if d, ok := v.by[name]; ok {
				return d
			}
			return edge.ViewerTLS{Policy: tlspolicy.Floor, HTTP2: true}
		},
		certificates: &certificates{local: ca, now: time.Now}, now: func() time.Time { return v.now },
	}
	return v
}

// meet lets a viewer shake hands and exchanges a byte each way, after which a session of TLS 1.3 can be resumed.
func (v *viewers) meet(client *tls.Config) (tls.ConnectionState, error) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	server := tls.Server(b, v.config())
	go func() {
		if _, err := io.ReadFull(server, make([]byte, 1)); err == nil {
			_, _ = server.Write([]byte{1})
		}
		b.Close()
	}()
	conn := tls.Client(a, client)
	if _, err := conn.Write([]byte{1}); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

// anyName is a viewer's memory of sessions that does not mind which name a session was for.
type anyName struct{ session *tls.ClientSessionState }

func (a *anyName) Get(string) (*tls.ClientSessionState, bool)    { return a.session, a.session != nil }
func (a *anyName) Put(_ string, session *tls.ClientSessionState) { a.session = session }

func TestProtocolsAreTheDistributions(t *testing.T) {
	v := newViewers(t)
	v.by["one.example.com"] = edge.ViewerTLS{Distribution: "E1", Policy: policy(t, "TLSv1_2016")}
	v.by["two.example.com"] = edge.ViewerTLS{Distribution: "E2", Policy: policy(t, "TLSv1_2016"), HTTP2: true}
	v.by["new.example.com"] = edge.ViewerTLS{Distribution: "E3", Policy: policy(t, "TLSv1.3_2025"), HTTP2: true}
	for _, row := range []struct {
		name, sni string
		offers    []string
		most      uint16
		want      string // "" is a refusal
	}{
		{"HTTP/1.1 only", "one.example.com", []string{"h2", "http/1.1"}, tls.VersionTLS13, "http/1.1"},
		{"HTTP/1.1 only, of who wants HTTP/2 only", "one.example.com", []string{"h2"}, tls.VersionTLS13, ""},
		{"HTTP/2", "two.example.com", []string{"h2", "http/1.1"}, tls.VersionTLS12, "h2"},
		{"HTTP/2 is not for TLS 1.1", "two.example.com", []string{"h2", "http/1.1"}, tls.VersionTLS11, "http/1.1"},
		{"a policy of TLS 1.3", "new.example.com", []string{"h2"}, tls.VersionTLS13, "h2"},
		{"a policy of TLS 1.3, of who has 1.2", "new.example.com", []string{"h2"}, tls.VersionTLS12, ""},
		{"nobody's name", "example.org", []string{"h2", "http/1.1"}, tls.VersionTLS12, "h2"},
		{"nobody's name, of who has 1.1", "example.org", []string{"h2", "http/1.1"}, tls.VersionTLS11, ""},
		{"no name", "", []string{"h2", "http/1.1"}, tls.VersionTLS13, "h2"},
	} {
		state, err := v.meet(&tls.Config{InsecureSkipVerify: true, ServerName: row.sni, NextProtos: row.offers, MinVersion: tls.VersionTLS10, MaxVersion: row.most})
		if got := state.NegotiatedProtocol; got != row.want || (err == nil) != (row.want != "") {
			t.Errorf("%s: protocol %q, %v; want %q", row.name, got, err, row.want)
		}
	}
}

// A session can be resumed with the distribution that it was made with, for as long as tickets hold, and with none else.
func TestSessionsAreResumedWhereTheyWereMade(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, row := range []struct {
			name   string
			change func(t *testing.T, v *viewers)
			next   string // server name of the second connection
			want   bool
		}{
			{"the same name", func(*testing.T, *viewers) {}, "lax.example.com", true},
			{"another name of the distribution", func(*testing.T, *viewers) {}, "also.example.com", true},
			{"a distribution with a stricter policy", func(*testing.T, *viewers) {}, "strict.example.com", false},
			{"another distribution with the same policy", func(*testing.T, *viewers) {}, "other.example.com", false},
			{"nobody's name", func(*testing.T, *viewers) {}, "example.org", false},
			{"no name", func(*testing.T, *viewers) {}, "", false},
			{"the policy became stricter", func(t *testing.T, v *viewers) {
				v.by["lax.example.com"] = edge.ViewerTLS{Distribution: "E1", Policy: policy(t, "TLSv1.2_2021")}
			}, "lax.example.com", false},
			{"a day later", func(_ *testing.T, v *viewers) { v.now = v.now.Add(24*time.Hour - time.Minute) }, "lax.example.com", true},
			{"two days later, with others in between", func(t *testing.T, v *viewers) {
				for range 4 {
					v.now = v.now.Add(12 * time.Hour)
					if _, err := v.meet(&tls.Config{InsecureSkipVerify: true, ServerName: "lax.example.com"}); err != nil {
						t.Fatal(err)
					}
				}
			}, "lax.example.com", false},
		} {
			t.Run(tls.VersionName(version)+": "+row.name, func(t *testing.T) {
				v := newViewers(t)
				lax, strict := policy(t, "TLSv1_2016"), policy(t, "TLSv1.2_2021")
				v.by["lax.example.com"] = edge.ViewerTLS{Distribution: "E1", Policy: lax}
				v.by["also.example.com"] = v.by["lax.example.com"]
				v.by["strict.example.com"] = edge.ViewerTLS{Distribution: "E2", Policy: strict}
				v.by["other.example.com"] = edge.ViewerTLS{Distribution: "E3", Policy: lax}
				memory := new(anyName)
				client := &tls.Config{InsecureSkipVerify: true, ServerName: "lax.example.com", MinVersion: version, MaxVersion: version, ClientSessionCache: memory}
				first, err := v.meet(client)
				if err != nil || first.DidResume || memory.session == nil {
					t.Fatalf("first: resumed %t, %v; session %v", first.DidResume, err, memory.session)
				}
				row.change(t, v)
				client.ServerName = row.next
				second, err := v.meet(client)
				if err != nil || second.DidResume != row.want {
					t.Errorf("second: resumed %t, %v; want %t", second.DidResume, err, row.want)
				}
			})
		}
	}
}

func TestTicketsOutliveTheirSecretByADay(t *testing.T) {
	v := newViewers(t)
	for range 10 {
		v.configFor(edge.ViewerTLS{Distribution: "E1", Policy: tlspolicy.Floor}, true, false)
		v.now = v.now.Add(ticketLife)
	}
	if len(v.secrets) != ticketSecrets {
		t.Errorf("%d secrets are kept, want %d", len(v.secrets), ticketSecrets)
	}
	for i := range maxViewerConfigs + 10 {
		v.configFor(edge.ViewerTLS{Distribution: string(rune('a' + i)), Policy: tlspolicy.Floor}, true, false)
	}
	if len(v.configs) > maxViewerConfigs {
		t.Errorf("%d configurations are kept", len(v.configs))
	}
}

// given writes a certificate of the user's for names.
func given(t *testing.T, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	if err := os.WriteFile(filepath.Join(dir, "all.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCertificateIsTheUsersElseOurs(t *testing.T) {
	v := newViewers(t)
	dir, err := certdir.Open(given(t, "*.example.com"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	v.certificates.dir.Store(dir)
	for _, row := range []struct{ sni, want, issuer string }{
		{"a.example.com", "*.example.com", ""},
		{"example.com", "example.com", "glassine local CA"},
		{"A.B.Example.com", "a.b.example.com", "glassine local CA"},
		{"", "localhost", "glassine local CA"},
	} {
		state, err := v.meet(&tls.Config{InsecureSkipVerify: true, ServerName: row.sni})
		if err != nil {
			t.Fatal(err)
		}
		got := state.PeerCertificates[0]
		if names := strings.Join(got.DNSNames, " "); names != row.want || got.Issuer.CommonName != row.issuer {
			t.Errorf("%q gets a certificate for %q of %q, want %q of %q", row.sni, names, got.Issuer.CommonName, row.want, row.issuer)
		}
	}
	for _, row := range []struct {
		name, host string
		want       bool
	}{
		{"a.example.com", "b.example.com", true},
		{"a.example.com", "example.com", false},
		{"a.example.com", "b.example.org", false},
		{"x.example.net", "y.example.net", false},
		{"x.example.net", "x.example.net", true},
	} {
		if got := v.certificates.same(row.name, row.host); got != row.want {
			t.Errorf("the certificate for %s is good for %s: %t, want %t", row.name, row.host, got, row.want)
		}
	}
}

func TestHTTP3IsForDistributionsThatHaveIt(t *testing.T) {
	v := newViewers(t)
	v.by["three.example.com"] = edge.ViewerTLS{Distribution: "E1", Policy: policy(t, "TLSv1_2016"), HTTP3: true}
	v.by["two.example.com"] = edge.ViewerTLS{Distribution: "E2", Policy: policy(t, "TLSv1_2016"), HTTP2: true}
	config := v.quicConfig()
	got, err := config.GetConfigForClient(&tls.ClientHelloInfo{ServerName: "three.example.com"})
	if err != nil || got.MinVersion != tls.VersionTLS13 {
		t.Errorf("three.example.com: %+v, %v", got, err)
	}
	for _, name := range []string{"two.example.com", "example.org", ""} {
		if got, err := config.GetConfigForClient(&tls.ClientHelloInfo{ServerName: name}); err == nil {
			t.Errorf("%q is served HTTP/3: %+v", name, got)
		}
	}
}
