package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"glassine"
	"glassine/edge"
	"glassine/edge/acme/acmetest"
)

// redistribute changes the demo's distribution.
func (s *system) redistribute(t *testing.T, change func(*edge.DistributionConfig)) edge.Distribution {
	t.Helper()
	all, err := s.Edge.ListDistributions(t.Context(), s.IAM.Root())
	if err != nil || len(all) != 1 {
		t.Fatalf("distributions: %d, %v", len(all), err)
	}
	cfg := all[0].Config
	change(&cfg)
	d, err := s.Edge.UpdateDistribution(t.Context(), s.IAM.Root(), all[0].ID, all[0].ETag, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// over3 is a client of HTTP/3, which reaches the viewers' port whatever name a URL has.
func (s *system) over3(t *testing.T) *http.Client {
	t.Helper()
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots(t)}, DisableCompression: true,
		Dial: func(ctx context.Context, _ string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
			return quic.DialAddrEarly(ctx, s.Addresses().HTTPS, tlsConfig, config)
		},
	}
	t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// text is a log that a test reads while it is written.
type text struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *text) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestHTTP3(t *testing.T) {
	log := &text{}
	s := start(t, func(c *glassine.Config) { c.AccessLog = log })
	h3 := s.over3(t)
	if a := s.view(t, "GET", "/sample.jpg"); a.Header["Alt-Svc"] != nil {
		t.Errorf("Alt-Svc = %q of a distribution without HTTP/3", a.Header["Alt-Svc"])
	}
	if resp, err := h3.Get(s.url("/sample.jpg")); err == nil {
		resp.Body.Close()
		t.Fatal("a distribution without HTTP/3 is served over it")
	}
	s.redistribute(t, func(c *edge.DistributionConfig) { c.HTTPVersion = "http2and3" })

	over2 := s.view(t, "GET", "/sample.jpg")
	_, port, _ := net.SplitHostPort(s.Addresses().HTTPS)
	if want := `h3=":` + port + `"; ma=86400`; over2.Header.Get("Alt-Svc") != want || over2.ProtoMajor != 2 {
		t.Errorf("Alt-Svc = %q over %s, want %q", over2.Header.Get("Alt-Svc"), over2.Proto, want)
	}
	over3 := do(t, h3, request(t, "GET", s.url("/sample.jpg"), nil))
	if over3.Proto != "HTTP/3.0" || over3.StatusCode != 200 || !bytes.Equal(over3.body, over2.body) {
		t.Errorf("over HTTP/3: %s %d with %d bytes, want the %d of HTTP/2", over3.Proto, over3.StatusCode, len(over3.body), len(over2.body))
	}
	for _, name := range []string{"Etag", "Content-Type", "Content-Length"} {
		if over3.Header.Get(name) != over2.Header.Get(name) {
			t.Errorf("%s = %q, over HTTP/2 %q", name, over3.Header.Get(name), over2.Header.Get(name))
		}
	}
	if over3.Header.Get("X-Cache") != "Hit from cloudfront" || over3.Header["Alt-Svc"] != nil {
		t.Errorf("over HTTP/3: X-Cache %q, Alt-Svc %q", over3.Header.Get("X-Cache"), over3.Header["Alt-Svc"])
	}
	unchanged := request(t, "GET", s.url("/sample.jpg"), nil)
	unchanged.Header.Set("If-None-Match", over3.Header.Get("Etag"))
	if a := do(t, h3, unchanged); a.StatusCode != 304 || len(a.body) != 0 {
		t.Errorf("unchanged: %d with %d bytes", a.StatusCode, len(a.body))
	}
	if a := do(t, h3, request(t, "HEAD", s.url("/sample.jpg"), nil)); a.StatusCode != 200 || a.ContentLength != int64(len(over2.body)) {
		t.Errorf("HEAD: %d, length %d", a.StatusCode, a.ContentLength)
	}
	if a := do(t, h3, request(t, "POST", s.url("/sample.jpg"), []byte("x"))); a.StatusCode != 403 {
		t.Errorf("POST: %d", a.StatusCode)
	}
	// A miss streams through the whole system.
	if a := do(t, h3, request(t, "GET", s.url("/sample.jpg?showExif=true"), nil)); a.StatusCode != 200 || !bytes.Contains(a.body, []byte("Glassine Optical")) {
		t.Errorf("EXIF: %d %.100s", a.StatusCode, a.body)
	}
	for _, want := range []string{`"cs-protocol-version":"HTTP/3.0"`, `"ssl-protocol":"TLSv1.3"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the access log has no %s", want)
		}
	}
}

func TestHTTP3StandsBackWhenItsPortIsTaken(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := start(t, func(c *glassine.Config) { c.HTTPS = taken.LocalAddr().String() })
	s.redistribute(t, func(c *edge.DistributionConfig) { c.HTTPVersion = "http2and3" })
	if a := s.view(t, "GET", "/sample.jpg"); a.StatusCode != 200 || a.Header["Alt-Svc"] != nil {
		t.Errorf("status %d, Alt-Svc %q; want 200 and none", a.StatusCode, a.Header["Alt-Svc"])
	}
}

// curl has OpenSSL, which speaks what Go's client does not offer by itself.
func TestSecurityPoliciesAsCurlFindsThem(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is not installed; sh e2e/deps.sh installs it")
	}
	s := start(t)
	_, port, _ := net.SplitHostPort(s.Addresses().HTTPS)
	fetch := func(args ...string) string {
		args = append([]string{
			"--silent", "--output", os.DevNull, "--write-out", "%{http_version} %{http_code}", "--cacert", s.CAFile(), "--noproxy", "*",
			"--connect-to", "::127.0.0.1:" + port, "https://photos.example.com/sample.jpg",
		}, args...)
		out, err := exec.CommandContext(t.Context(), curl, args...).Output()
		if err != nil {
			return "refused"
		}
		return string(out)
	}
	old := []string{"--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0"}
	for _, row := range []struct {
		policy, version string
		args            []string
		want            string
	}{
		{"TLSv1_2016", "http2", append(old, "--tls-max", "1.0"), "1.1 200"},
		{"TLSv1.1_2016", "http2", append(old, "--tls-max", "1.0"), "refused"},
		{"TLSv1.1_2016", "http2", append(old, "--tls-max", "1.1"), "1.1 200"},
		{"TLSv1.2_2018", "http2", append(old, "--tls-max", "1.1"), "refused"},
		{"TLSv1.2_2018", "http2", []string{"--tls-max", "1.2"}, "2 200"},
		{"TLSv1.2_2019", "http1.1", []string{"--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA256"}, "1.1 200"},
		{"TLSv1.2_2021", "http1.1", []string{"--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA256"}, "refused"},
		{"TLSv1.2_2021", "http1.1", []string{"--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305"}, "1.1 200"},
		{"TLSv1.2_2025", "http1.1", []string{"--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305"}, "refused"},
		{"TLSv1.3_2025", "http2", []string{"--tls-max", "1.2"}, "refused"},
		{"TLSv1.3_2025", "http2", nil, "2 200"},
		{"TLSv1.3_2025", "http1.1", nil, "1.1 200"},
	} {
		s.redistribute(t, func(c *edge.DistributionConfig) {
			c.Aliases, c.HTTPVersion = []string{"localhost", "photos.example.com"}, row.version
			c.ViewerCertificate = edge.ViewerCertificate{
				ACMCertificateARN: "arn:aws:acm:us-east-1:" + account + ":certificate/1", SSLSupportMethod: "sni-only", MinimumProtocolVersion: row.policy,
			}
		})
		if got := fetch(row.args...); got != row.want {
			t.Errorf("%s, %s, curl %s: %s, want %s", row.policy, row.version, strings.Join(row.args, " "), got, row.want)
		}
	}
	// A name that is another's: the handshake is for photos.example.com, the request for a name that no distribution has.
	if got := fetch("--header", "Host: nobody.example.com"); got != "1.1 403" {
		t.Errorf("a Host of nobody: %s", got)
	}
}

// issued makes a certificate for names in dir, and returns the roots that trust it.
func issued(t *testing.T, dir string, serial int64, names ...string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: names, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "site.crt"), certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "site.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return roots
}

// shown is what a viewer of name gets, verified by roots; it asks for /sample.jpg too.
func (s *system) shown(name string, roots *x509.CertPool) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", s.Addresses().HTTPS, &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /sample.jpg HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name); err != nil {
		return nil, err
	}
	head, err := io.ReadAll(io.LimitReader(conn, 15))
	if err == nil && string(head) != "HTTP/1.1 200 OK" {
		err = fmt.Errorf("answer %q", head)
	}
	return conn.ConnectionState().PeerCertificates[0], err
}

func TestUsersCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := issued(t, dir, 1, "photos.example.com")
	s := start(t, func(c *glassine.Config) { c.CertificateDir = dir })
	s.redistribute(t, func(c *edge.DistributionConfig) {
		c.Aliases = []string{"localhost", "photos.example.com", "ours.example.com"}
	})
	first, err := s.shown("photos.example.com", roots)
	if err != nil || first.SerialNumber.Int64() != 1 {
		t.Fatalf("photos.example.com: %v", err)
	}
	if _, err := s.shown("ours.example.com", s.roots(t)); err != nil {
		t.Errorf("a name that no file is for: %v", err)
	}
	if _, err := glassine.New(t.Context(), glassine.Config{Data: t.TempDir(), CertificateDir: t.TempDir(), AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "there is no certificate") {
		t.Errorf("an empty directory: %v", err)
	}
}

// A certificate is had from an authority while the system runs, and none before.
func TestCertificateFromAnAuthority(t *testing.T) {
	port := func() (string, int) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, p, _ := net.SplitHostPort(l.Addr().String())
		n, err := strconv.Atoi(p)
		if err != nil {
			t.Fatal(err)
		}
		return l.Addr().String(), n
	}
	plain, plainPort := port()
	secure, securePort := port()
	authority := acmetest.Start(t, plainPort, securePort)
	s := start(t, func(c *glassine.Config) {
		c.HTTP, c.HTTPS = plain, secure
		c.ACME = glassine.ACME{Domains: []string{"photos.example.com"}, Directory: authority.Directory, Roots: authority.RootsFile}
	})
	s.redistribute(t, func(c *edge.DistributionConfig) { c.Aliases = []string{"localhost", "photos.example.com"} })
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) { // another process works
		_, err := s.shown("photos.example.com", authority.Issued)
		if err == nil {
			break
		}
		if time.Since(begun) > 60*time.Second {
			t.Fatalf("no certificate: %v", err)
		}
	}
	if _, err := s.shown("localhost", s.roots(t)); err != nil {
		t.Errorf("localhost: %v", err)
	}
}
