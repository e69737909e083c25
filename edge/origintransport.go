package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// OriginTransport fetches from origins over HTTP/1.1, each on the terms that its origin sets: connection timeout, how long an
// idle connection is kept, TLS versions, and the names that its certificate may have. Connections are kept apart by those. Safe
// for many goroutines.
type OriginTransport struct {
	// Transport is what all connections are made like. Its fields may be changed before the first use; what an origin sets
	// takes the place of IdleConnTimeout and of the versions in TLSClientConfig.
	*http.Transport

	mu sync.Mutex // guards by
	by map[pool]*http.Transport
}

// originTerms is the context key of a request's terms.
type originTerms struct{}

// terms are what an origin sets.
type terms struct {
	connect time.Duration
	pool
}

// pool is what connections are kept apart by, beside the origin's address.
type pool struct {
	keepalive   time.Duration
	least, most uint16 // TLS versions
	// server is the name asked for in the handshake where that is not the origin's own: the Host that viewers' requests
	// forward. domain is then the origin's. Both are "" else.
	server, domain string
}

// maxPools bounds the pools: with a forwarded Host, viewers choose what is in it.
const maxPools = 256

// NewOriginTransport returns a transport as ServeHTTP needs it: HTTP/1.1, verified certificates, no compression of its own and
// no proxy. A request that is not the edge's is sent on CloudFront's defaults: 10 s to connect, connections kept for 5 s, TLS 1.2
// and later.
func NewOriginTransport() *OriginTransport {
	dialer := &net.Dialer{KeepAlive: 30 * time.Second}
	return &OriginTransport{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			timeout := 10 * time.Second
			if t, ok := ctx.Value(originTerms{}).(terms); ok {
				timeout = t.connect
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        5 * time.Second,
		ExpectContinueTimeout:  time.Second,
	}}
}

// RoundTrip implements http.RoundTripper.
func (t *OriginTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	terms, ok := r.Context().Value(originTerms{}).(terms)
	if !ok {
		return t.Transport.RoundTrip(r)
	}
	if r.URL.Scheme == "http" {
		terms.least, terms.most, terms.server, terms.domain = 0, 0, "", ""
	}
	return t.pool(terms.pool).RoundTrip(r)
}

// pool returns the transport of a pool.
func (t *OriginTransport) pool(p pool) *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.by[p]; found != nil {
		return found
	}
	if len(t.by) >= maxPools {
		for _, old := range t.by {
			old.CloseIdleConnections() // what is under way ends by itself
		}
		t.by = nil
	}
	made := t.Transport.Clone()
	made.IdleConnTimeout = p.keepalive
	config := made.TLSClientConfig
	config.MinVersion, config.MaxVersion = p.least, p.most
	if p.least != 0 && p.least < tls.VersionTLS12 {
		config.CipherSuites = oldSuites()
	}
	if p.server != "" {
		// A certificate for either name will do, which crypto/tls does not offer.
		config.ServerName, config.InsecureSkipVerify = p.server, true
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return verifyEither(state.PeerCertificates, config.RootCAs, p.server, p.domain)
		}
	}
	if t.by == nil {
		t.by = map[pool]*http.Transport{}
	}
	t.by[p] = made
	return made
}

// CloseIdleConnections closes the connections of all pools that carry no request.
func (t *OriginTransport) CloseIdleConnections() {
	t.Transport.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, pool := range t.by {
		pool.CloseIdleConnections()
	}
}

// verifyEither verifies a chain as crypto/tls does, for one of two names.
func verifyEither(chain []*x509.Certificate, roots *x509.CertPool, names ...string) error {
	if len(chain) == 0 {
		return errors.New("origin sent no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	var err error
	for _, name := range names {
		options.DNSName = name
		if _, err = chain[0].Verify(options); err == nil {
			return nil
		}
	}
	return err
}

// oldSuites are Go's own and those that servers have which speak nothing newer than TLS 1.1. CloudFront Developer Guide,
// "Supported protocols and ciphers between CloudFront and the origin".
func oldSuites() []uint16 {
	var ids []uint16
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)
}

// tlsVersions returns the range of OriginSslProtocols; false when Go speaks none of them, which is SSLv3 alone. TLS 1.3 is used
// wherever 1.2 is, as on CloudFront. A gap cannot be kept: {TLSv1, TLSv1.2} is 1.1 as well (docs/aws-differences.md).
func tlsVersions(protocols []string) (least, most uint16, ok bool) {
	if len(protocols) == 0 {
		return tls.VersionTLS12, tls.VersionTLS13, true
	}
	for _, p := range protocols {
		var v uint16
		switch p {
		case "TLSv1":
			v = tls.VersionTLS10
		case "TLSv1.1":
			v = tls.VersionTLS11
		case "TLSv1.2":
			v = tls.VersionTLS12
		default:
			continue
		}
		if least == 0 || v < least {
			least = v
		}
		most = max(most, v)
	}
	if most == tls.VersionTLS12 {
		most = tls.VersionTLS13
	}
	return least, most, most != 0
}

// terms are those of q's target. Where the viewer's Host goes to the origin, the handshake names it, and a certificate for it
// or for the origin's domain name will do (CloudFront Developer Guide, "Require HTTPS for communication between CloudFront and
// your custom origin").
func (q *originRequest) terms() (terms, error) {
	t := &q.target
	out := terms{connect: t.connect, pool: pool{keepalive: time.Duration(t.keepaliveTimeout) * time.Second}}
	if t.scheme != "https" {
		return out, nil
	}
	var ok bool
	if out.least, out.most, ok = tlsVersions(t.sslProtocols); !ok {
		return out, fmt.Errorf("fetch from %s: none of the origin's SSL protocols, %s, is spoken here", t.domain, strings.Join(t.sslProtocols, " "))
	}
	if host := strings.ToLower(hostName(q.host)); host != "" && host != strings.ToLower(t.domain) && validDomain(host) {
		out.server, out.domain = host, t.domain
	}
	return out, nil
}

// neverSent reports whether a request failed before anything of it was sent: there was no connection.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// patience is how long an origin may be silent: its connection timeout and response timeout together, then the response
// timeout anew whenever something goes to it.
type patience struct {
	mu    sync.Mutex // guards what follows
	timer *time.Timer
	over  bool // there is an answer
}

func newPatience(d time.Duration, tired func()) *patience {
	return &patience{timer: time.AfterFunc(d, tired)}
}

// extend begins a new wait.
func (p *patience) extend(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.timer.Reset(d)
	}
}

// Stop ends it.
func (p *patience) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
}

// trace extends p by d when the request was sent: "The origin response timeout" begins there (CloudFront Developer Guide, "All
// distribution settings reference", "Response timeout").
func (p *patience) trace(ctx context.Context, d time.Duration) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { p.extend(d) }})
}

// follow extends p by d whenever more of the body is taken.
func (p *patience) follow(body io.ReadCloser, d time.Duration) io.ReadCloser {
	return &followedBody{body, p, d}
}

type followedBody struct {
	io.ReadCloser
	patience *patience
	d        time.Duration
}

func (b *followedBody) Read(p []byte) (int, error) {
	b.patience.extend(b.d)
	n, err := b.ReadCloser.Read(p)
	b.patience.extend(b.d)
	return n, err
}
