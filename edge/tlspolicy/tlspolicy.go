// Package tlspolicy is CloudFront's security policies, the values of MinimumProtocolVersion: which TLS versions and cipher
// suites a viewer may speak with a distribution. It knows no certificates and opens no connection.
//
// Start at Find.
package tlspolicy

import (
	"crypto/tls"
	"slices"
)

// Policy is one security policy as Go's crypto/tls can hold it. CloudFront Developer Guide, "Supported protocols and ciphers
// between viewers and CloudFront".
type Policy struct {
	Name string
	// MinVersion is the lowest version, such as tls.VersionTLS12. TLS 1.3 is in every policy.
	MinVersion uint16
	// Suites are those of TLS 1.0 to 1.2, in AWS's order; nil when TLS 1.3 alone is allowed. crypto/tls takes its own order of
	// preference, and all three suites of TLS 1.3 always.
	Suites []uint16
}

// Floor is what holds for a distribution with CloudFront's default certificate, and for a viewer who names no distribution.
// CloudFront gives those the policy TLSv1; here TLS 1.2 is the least: docs/aws-differences.md.
var Floor = policies["TLSv1.2_2018"]

// The suites of the policies. Go has none of RC4-MD5, and of CBC with SHA-384 neither; what a policy has of those is left
// out.
var (
	gcm = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	chacha  = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}
	cbc256  = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256}
	keyRSA  = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA256}
	cbcSHA1 = []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	}
	tripleDES = []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
)

// policies by name. Go has no SSL 3.0: of the policy SSLv3 the rest holds.
var policies = table(
	Policy{"SSLv3", tls.VersionTLS10, slices.Concat(gcm, chacha, cbc256, keyRSA, cbcSHA1, tripleDES)},
	Policy{"TLSv1", tls.VersionTLS10, slices.Concat(gcm, chacha, cbc256, keyRSA, cbcSHA1, tripleDES)},
	Policy{"TLSv1_2016", tls.VersionTLS10, slices.Concat(gcm, chacha, cbc256, keyRSA, cbcSHA1)},
	Policy{"TLSv1.1_2016", tls.VersionTLS11, slices.Concat(gcm, chacha, cbc256, keyRSA, cbcSHA1)},
	Policy{"TLSv1.2_2018", tls.VersionTLS12, slices.Concat(gcm, chacha, cbc256, keyRSA)},
	Policy{"TLSv1.2_2019", tls.VersionTLS12, slices.Concat(gcm, chacha, cbc256)},
	Policy{"TLSv1.2_2021", tls.VersionTLS12, slices.Concat(gcm, chacha)},
	Policy{"TLSv1.2_2025", tls.VersionTLS12, gcm},
	Policy{"TLSv1.3_2025", tls.VersionTLS13, nil},
)

func table(all ...Policy) map[string]Policy {
	byName := map[string]Policy{}
	for _, p := range all {
		byName[p.Name] = p
	}
	return byName
}

// Find returns the policy that MinimumProtocolVersion names; false when there is none of the name.
func Find(name string) (Policy, bool) {
	p, ok := policies[name]
	return p, ok
}

// Apply has a server's c hold the policy.
func (p Policy) Apply(c *tls.Config) {
	c.MinVersion, c.CipherSuites = p.MinVersion, p.Suites
}

// Allows reports whether a connection that came to be under another policy could have come to be under p as well.
func (p Policy) Allows(state *tls.ConnectionState) bool {
	return state.Version >= p.MinVersion && (state.Version >= tls.VersionTLS13 || slices.Contains(p.Suites, state.CipherSuite))
}
