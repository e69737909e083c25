package tlspolicy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// The table of the Developer Guide, "Supported protocols and ciphers between viewers and CloudFront", for the suites that Go
// has. A column is a policy, in this order; x says that the policy has what the row names.
const columns = "SSLv3 TLSv1 TLSv1_2016 TLSv1.1_2016 TLSv1.2_2018 TLSv1.2_2019 TLSv1.2_2021 TLSv1.2_2025 TLSv1.3_2025"

var rows = []struct {
	name    string
	version uint16
	suite   uint16 // 0: whatever of the version
	has     string
}{
	{"TLS 1.3", tls.VersionTLS13, 0, "xxxxxxxxx"},
	{"TLS 1.2", tls.VersionTLS12, 0, "xxxxxxxx-"},
	{"TLS 1.1", tls.VersionTLS11, 0, "xxxx-----"},
	{"TLS 1.0", tls.VersionTLS10, 0, "xxx------"},
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "xxxxxxxx-"},
	{"ECDHE-ECDSA-AES128-SHA256", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, "xxxxxx---"},
	{"ECDHE-ECDSA-AES128-SHA", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, "xxxx-----"},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "xxxxxxxx-"},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "xxxxxxx--"},
	{"ECDHE-ECDSA-AES256-SHA", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, "xxxx-----"},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "xxxxxxxx-"},
	{"ECDHE-RSA-AES128-SHA256", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "xxxxxx---"},
	{"ECDHE-RSA-AES128-SHA", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "xxxx-----"},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "xxxxxxxx-"},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "xxxxxxx--"},
	{"ECDHE-RSA-AES256-SHA", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "xxxx-----"},
	{"AES128-GCM-SHA256", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "xxxxx----"},
	{"AES256-GCM-SHA384", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, "xxxxx----"},
	{"AES128-SHA256", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "xxxxx----"},
	{"AES256-SHA", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_CBC_SHA, "xxxx-----"},
	{"AES128-SHA", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_128_CBC_SHA, "xxxx-----"},
	{"DES-CBC3-SHA", tls.VersionTLS12, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, "xx-------"},
	{"RC4-SHA, which no policy has", tls.VersionTLS12, tls.TLS_RSA_WITH_RC4_128_SHA, "---------"},
}

func TestHandshakesHoldThePolicy(t *testing.T) {
	certificates := []tls.Certificate{selfSigned(t, false), selfSigned(t, true)}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for i, name := range strings.Fields(columns) {
				p, ok := Find(name)
				if !ok {
					t.Fatalf("there is no policy %s", name)
				}
				server := &tls.Config{Certificates: certificates}
				p.Apply(server)
				client := &tls.Config{InsecureSkipVerify: true, MinVersion: row.version, MaxVersion: row.version}
				if row.suite != 0 {
					client.CipherSuites = []uint16{row.suite}
				}
				state, err := handshake(server, client)
				if got, want := err == nil, row.has[i] == 'x'; got != want {
					t.Errorf("%s: handshake = %v, want success %t", name, err, want)
				}
				if err == nil && !p.Allows(&state) {
					t.Errorf("%s: Allows is false of what was negotiated, %s", name, tls.CipherSuiteName(state.CipherSuite))
				}
			}
		})
	}
}

// A connection under one policy is allowed by another when that has its version and suite.
func TestAllowsAsksForVersionAndSuite(t *testing.T) {
	for _, row := range rows {
		if row.suite == 0 {
			continue
		}
		state := tls.ConnectionState{Version: row.version, CipherSuite: row.suite}
		for i, name := range strings.Fields(columns) {
			p, _ := Find(name)
			if got, want := p.Allows(&state), row.has[i] == 'x'; got != want {
				t.Errorf("%s allows %s = %t, want %t", name, row.name, got, want)
			}
		}
	}
}

func TestThereAreNoOtherPolicies(t *testing.T) {
	if _, ok := Find("TLSv1.2_2022"); ok || len(policies) != len(strings.Fields(columns)) {
		t.Errorf("%d policies, TLSv1.2_2022 among them: %t", len(policies), ok)
	}
	if Floor.MinVersion != tls.VersionTLS12 {
		t.Errorf("the floor's version = %s", tls.VersionName(Floor.MinVersion))
	}
}

// handshake lets server and client meet.
func handshake(server, client *tls.Config) (tls.ConnectionState, error) {
	a, b := net.Pipe()
	defer a.Close()
	s, c := tls.Server(b, server), tls.Client(a, client)
	failed := make(chan error, 1)
	go func() {
		defer b.Close()
		failed <- s.Handshake()
	}()
	if err := c.Handshake(); err != nil {
		return tls.ConnectionState{}, err
	}
	// The server's side of TLS 1.3 writes its tickets after the handshake, which somebody has to read.
	go func() { _, _ = c.Read(make([]byte, 1)) }()
	return c.ConnectionState(), <-failed
}

func selfSigned(t *testing.T, old bool) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	if old {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
