// Package acme gets certificates for public names from a certificate authority that speaks ACME (RFC 8555), such as Let's
// Encrypt, and renews them: certmagic with what glassine needs of it. It proves that a name is ours on the viewers' listeners,
// in a TLS handshake (tls-alpn-01, RFC 8737) or over plaintext (http-01, RFC 8555, section 8.3), so port 443 or port 80 of the
// name must lead to them. Wildcards, which need a record in DNS, are not offered.
//
// Start at New.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Protocol is what an authority offers in the handshake that proves a name, and nothing else (RFC 8737, section 4).
const Protocol = "acme-tls/1"

// Config says what to get and from whom.
type Config struct {
	// Domains are the names: public ones, at least one, without wildcards.
	Domains []string
	// Email is where the authority writes when something is wrong; "" gives it none.
	Email string
	// Directory is the authority's URL; "" means Let's Encrypt. Its terms are agreed to.
	Directory string
	// Roots are trusted for the connection to the authority; nil means the system's.
	Roots *x509.CertPool
	// Storage is the directory that keeps the account, keys and certificates.
	Storage string
	// Host is where the listeners that answer challenges listen, and HTTPPort and TLSPort are their ports; they are open
	// already. They need not be 80 and 443: something may lead there.
	Host              string
	HTTPPort, TLSPort int
	// Log gets what was obtained and what failed; nil discards.
	Log *slog.Logger
}

// Manager keeps the certificates. Safe for many goroutines.
type Manager struct {
	domains []string // in lower case
	log     *slog.Logger
	cache   *certmagic.Cache
	config  *certmagic.Config
	issuer  *certmagic.ACMEIssuer
	end     context.CancelFunc
	running context.Context
}

// New checks the configuration; nothing is asked of anybody before Start. The caller closes the Manager.
func New(cfg Config) (*Manager, error) {
	m := &Manager{log: cfg.Log}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range cfg.Domains {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		switch {
		case strings.Contains(name, "*"):
			return nil, fmt.Errorf("no certificate can be had for %s: a wildcard needs a proof in DNS, which is not offered; name the hosts, or give a certificate's files", name)
		case cfg.Directory == "" && !certmagic.SubjectQualifiesForPublicCert(name) || !certmagic.SubjectQualifiesForCert(name) || certmagic.SubjectIsIP(name):
			return nil, fmt.Errorf("no public certificate can be had for %q: it is not a public name", name)
		}
		m.domains = append(m.domains, name)
	}
	if len(m.domains) == 0 || cfg.Storage == "" {
		return nil, errors.New("acme: Domains and Storage are required")
	}
	m.running, m.end = context.WithCancel(context.Background())
	quiet := zap.NewNop() // event tells what there is to tell
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil }, Logger: quiet,
	})
	m.config = certmagic.New(m.cache, certmagic.Config{Storage: &certmagic.FileStorage{Path: cfg.Storage}, Logger: quiet, OnEvent: m.event})
	m.issuer = certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA: cfg.Directory, Email: cfg.Email, Agreed: true, TrustedRoots: cfg.Roots,
		ListenHost: cfg.Host, AltHTTPPort: cfg.HTTPPort, AltTLSALPNPort: cfg.TLSPort, Logger: quiet,
	})
	m.config.Issuers = []certmagic.Issuer{m.issuer}
	return m, nil
}

// Start reads what is stored, and gets and renews certificates in the background until Close. It is called once, when the
// listeners are served. A name whose certificate cannot be had is tried again, less and less often, for 30 days.
func (m *Manager) Start() error {
	return m.config.ManageAsync(m.running, m.domains)
}

// event is what certmagic does.
func (m *Manager) event(_ context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		m.log.Info("certificate obtained", "name", data["identifier"], "renewal", data["renewal"])
	case "cert_failed":
		m.log.Error("certificate not obtained", "name", data["identifier"], "error", fmt.Sprint(data["error"]))
	}
	return nil
}

// Has reports whether the name is one of the domains.
func (m *Manager) Has(name string) bool {
	return slices.Contains(m.domains, strings.ToLower(strings.TrimSuffix(name, ".")))
}

// Certificate returns the certificate for the handshake; nil when the name is not one of the domains, or there is no
// certificate yet.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	if !m.Has(hello.ServerName) {
		return nil
	}
	c, err := m.config.GetCertificate(hello)
	if err != nil || c == nil || len(c.Certificate) == 0 {
		return nil
	}
	return c
}

// Challenge returns the configuration for a handshake by which the authority looks for its proof; nil when it is no such
// handshake.
func (m *Manager) Challenge(hello *tls.ClientHelloInfo) *tls.Config {
	if !slices.Equal(hello.SupportedProtos, []string{Protocol}) || !m.Has(hello.ServerName) {
		return nil
	}
	return &tls.Config{GetCertificate: m.config.GetCertificate, NextProtos: []string{Protocol}, MinVersion: tls.VersionTLS12}
}

// HTTP answers the authority's requests for its proof over plaintext, and gives every other to next.
func (m *Manager) HTTP(next http.Handler) http.Handler { return m.issuer.HTTPChallengeHandler(next) }

// Close ends what is under way.
func (m *Manager) Close() error {
	m.end()
	m.cache.Stop()
	return nil
}
