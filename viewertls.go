package glassine

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"glassine/edge"
	"glassine/edge/acme"
	"glassine/edge/certdir"
	"glassine/edge/http3"
)

// certificates finds the certificate for a server name: one that the user gave, else one of an authority for public names,
// else one of our own authority, which everybody gets who asks for a name that nobody else vouches for.
type certificates struct {
	dir   atomic.Pointer[certdir.Dir] // nil: none were given
	moved chan struct{}               // tells that dir is another one; room for one
	acme  *acme.Manager               // nil: no public names
	local *certificateAuthority
	now   func() time.Time
}

// find returns the certificate for a handshake.
func (c *certificates) find(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if dir := c.dir.Load(); dir != nil {
		if found := dir.Certificate(hello); found != nil {
			return found, nil
		}
	}
	if c.acme != nil {
		if found := c.acme.Certificate(hello); found != nil {
			return found, nil
		}
	}
	return c.local.leaf(serverName(hello), c.now())
}

// serverName is the name that the certificate has to have: that which the client asks for, or where it came.
func serverName(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" {
		return strings.ToLower(hello.ServerName)
	}
	if hello.Conn != nil {
		if host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String()); err == nil && net.ParseIP(host) != nil {
			return host
		}
	}
	return "localhost"
}

// same reports whether who asks for serverName gets a certificate that is good for host too.
func (c *certificates) same(serverName, host string) bool {
	found, err := c.find(&tls.ClientHelloInfo{ServerName: serverName})
	return err == nil && found.Leaf != nil && found.Leaf.VerifyHostname(host) == nil
}

// viewerTLS secures viewers' connections, as the distribution says whose name the viewer asks for. Safe for many
// goroutines.
type viewerTLS struct {
	ask          func(serverName string) edge.ViewerTLS
	certificates *certificates
	now          func() time.Time

	mu      sync.Mutex // guards what follows
	until   time.Time  // when secrets[0] is too old
	secrets [][32]byte // that session tickets are made of; the first is the newest
	configs map[viewerConfig]*tls.Config
}

// viewerConfig is what tells the configurations of connections apart.
type viewerConfig struct {
	distribution, policy string
	http2, quic          bool
}

// How long a secret makes session tickets, and how many secrets are taken: a viewer can resume for a day to a day and a half.
const (
	ticketLife    = 12 * time.Hour
	ticketSecrets = 3
	// maxViewerConfigs bounds the configurations kept: each change of a distribution can leave one behind.
	maxViewerConfigs = 4096
)

// config is for the listener of HTTP/1.1 and HTTP/2.
func (v *viewerTLS) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: v.certificates.find,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if v.certificates.acme != nil {
				if c := v.certificates.acme.Challenge(hello); c != nil {
					return c, nil
				}
			}
			asked := v.ask(hello.ServerName)
			// HTTP/2 is for TLS 1.2 and later (RFC 9113, section 9.2).
			return v.configFor(asked, asked.HTTP2 && speaks(hello, tls.VersionTLS12), false), nil
		},
	}
}

// quicConfig is for HTTP/3, which distributions without it, and those that nobody knows, refuse.
func (v *viewerTLS) quicConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, GetCertificate: v.certificates.find,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			asked := v.ask(hello.ServerName)
			if !asked.HTTP3 {
				return nil, fmt.Errorf("HTTP/3 is not served for %q", hello.ServerName)
			}
			return v.configFor(asked, false, true), nil
		},
	}
}

// speaks reports whether a client takes a version or a later one.
func speaks(hello *tls.ClientHelloInfo, version uint16) bool {
	for _, v := range hello.SupportedVersions {
		if v >= version && v&0xff00 == 0x0300 { // not one of RFC 8701's, which mean nothing
			return true
		}
	}
	return false
}

// configFor returns the configuration of a connection. Session tickets hold for the distribution, its policy and the kind of
// connection alone, so no session can be taken to where it would not have come to be.
func (v *viewerTLS) configFor(asked edge.ViewerTLS, http2, quic bool) *tls.Config {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.now(); !now.Before(v.until) {
		var secret [32]byte
		_, _ = rand.Read(secret[:]) // never fails
		v.secrets = append([][32]byte{secret}, v.secrets[:min(len(v.secrets), ticketSecrets-1)]...)
		v.until, v.configs = now.Add(ticketLife), nil
	}
	if len(v.configs) >= maxViewerConfigs {
		v.configs = nil
	}
	key := viewerConfig{asked.Distribution, asked.Policy.Name, http2, quic}
	if c := v.configs[key]; c != nil {
		return c
	}
	c := &tls.Config{GetCertificate: v.certificates.find, NextProtos: []string{"http/1.1"}}
	if http2 {
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	asked.Policy.Apply(c)
	if quic {
		c.MinVersion = tls.VersionTLS13
	}
	keys := make([][32]byte, len(v.secrets))
	for i, secret := range v.secrets {
		mac := hmac.New(sha256.New, secret[:])
		fmt.Fprintf(mac, "%q", []any{asked.Distribution, asked.Policy.Name, quic})
		keys[i] = [32]byte(mac.Sum(nil))
	}
	c.SetSessionTicketKeys(keys)
	if v.configs == nil {
		v.configs = map[viewerConfig]*tls.Config{}
	}
	v.configs[key] = c
	return c
}

// ACME says which certificates are to be had from a certificate authority that speaks ACME (RFC 8555).
type ACME struct {
	// Domains are public names that lead here, port 443 to HTTPS or port 80 to HTTP; none means no ACME.
	Domains []string
	// Email is where the authority writes when something is wrong; "" gives it none.
	Email string
	// Directory is the authority's URL; "" means Let's Encrypt. Its terms of service are agreed to.
	Directory string
	// Roots is a file of certificates, in PEM, that the connection to the authority may be signed by; "" means the system's.
	Roots string
}

// certificatesEvery is how often the files of Config.CertificateDir are looked at.
const certificatesEvery = 10 * time.Second

// openViewerTLS makes what secures the viewers' connections, whose listeners are open.
func (s *System) openViewerTLS(viewer, viewerSecure net.Listener) error {
	c := &certificates{local: s.ca, now: s.cfg.Now, moved: make(chan struct{}, 1)}
	s.viewers = &viewerTLS{ask: func(name string) edge.ViewerTLS { return s.Edge.ViewerTLS(name) }, certificates: c, now: s.cfg.Now}
	var err error
	if s.cfg.CertificateDir != "" {
		dir, err := certdir.Open(s.cfg.CertificateDir, s.cfg.Log)
		if err != nil {
			return err
		}
		c.dir.Store(dir)
	}
	a := s.cfg.ACME
	if len(a.Domains) == 0 {
		return nil
	}
	cfg := acme.Config{Domains: a.Domains, Email: a.Email, Directory: a.Directory, Storage: filepath.Join(s.cfg.Data, "acme"), Log: s.cfg.Log}
	if cfg.Host, _, err = net.SplitHostPort(viewerSecure.Addr().String()); err != nil {
		return err
	}
	if cfg.HTTPPort, err = strconv.Atoi(port(viewer)); err != nil {
		return err
	}
	if cfg.TLSPort, err = strconv.Atoi(port(viewerSecure)); err != nil {
		return err
	}
	if a.Roots != "" {
		text, err := os.ReadFile(a.Roots)
		if err != nil {
			return fmt.Errorf("read the authority's roots: %w", err)
		}
		if cfg.Roots = x509.NewCertPool(); !cfg.Roots.AppendCertsFromPEM(text) {
			return fmt.Errorf("read the authority's roots: %s holds no certificate", a.Roots)
		}
	}
	if c.acme, err = acme.New(cfg); err != nil {
		return err
	}
	s.onClose(c.acme.Close)
	return nil
}

// listenQUIC opens the UDP port of the number that TLS has. Without it HTTP/3 is not served and not advertised, and everything
// else is: viewers come over HTTP/2 then.
func (s *System) listenQUIC(viewerSecure net.Listener) {
	if given := s.cfg.QUIC; given != nil {
		s.onClose(given.Close)
		if !s.cfg.NoHTTP3 {
			s.quic = given
		}
		return
	}
	if s.cfg.NoHTTP3 {
		return
	}
	conn, err := net.ListenPacket("udp", viewerSecure.Addr().String())
	if err != nil {
		s.cfg.Log.Warn("HTTP/3 is not served: its UDP port is not to be had", "address", viewerSecure.Addr().String(), "error", err.Error())
		return
	}
	s.quic = conn
	s.onClose(conn.Close)
}

// quicPort is where HTTP/3 is served, "" for nowhere.
func (s *System) quicPort() string {
	if s.quic == nil {
		return ""
	}
	return strconv.Itoa(s.quic.LocalAddr().(*net.UDPAddr).Port) //nolint:forcetypeassert // of net.ListenPacket
}

// serveQUIC is the server of HTTP/3, without a listener of TCP.
func (s *System) serveQUIC() server {
	h := &http3.Server{Handler: s.Edge, TLS: s.viewers.quicConfig(), Log: s.cfg.Log}
	return server{"http3", nil, h, func(net.Listener) error { return h.Serve(s.quic) }}
}

// keepCertificates reads the user's files again when they change, and gets certificates for public names, until ctx ends.
func (s *System) keepCertificates(ctx context.Context) {
	if a := s.viewers.certificates.acme; a != nil {
		if err := a.Start(); err != nil {
			s.cfg.Log.Error("no certificates for public names", "error", err.Error())
		}
	}
	c := s.viewers.certificates
	for ctx.Err() == nil {
		watching, stop := context.WithCancel(ctx)
		var watch sync.WaitGroup
		if dir := c.dir.Load(); dir != nil {
			watch.Go(func() { dir.Watch(watching, certificatesEvery) })
		}
		select {
		case <-ctx.Done():
		case <-c.moved:
		}
		stop()
		watch.Wait()
	}
}
