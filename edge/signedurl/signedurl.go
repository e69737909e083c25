// Package signedurl verifies CloudFront's signed URLs and signed cookies: canned and custom policies, RSA and ECDSA P-256 keys, SHA-1
// and SHA-256. It signs nothing, keeps no keys and reads no clock; which keys a behavior trusts is its caller's to know.
//
// Start from Verify.
//
// CloudFront Developer Guide, "Serve private content with signed URLs and signed cookies" and the pages below it.
package signedurl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1" // CloudFront's default
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Request is what a signature is about. Nothing in it is changed.
type Request struct {
	// Scheme and Host are of the viewer's connection and Host field: "https", "d111111abcdef8.cloudfront.net".
	Scheme, Host string
	// Path is the path as received, with its escapes; RawQuery what follows "?" as received.
	Path, RawQuery string
	// Header is the viewer's; only its Cookie lines are read.
	Header http.Header
	// Viewer is the viewer's address.
	Viewer netip.Addr
}

// Key is a public key that may sign for a behavior. The zero Key verifies nothing.
type Key struct{ public crypto.PublicKey }

// ParseKey reads an EncodedKey: a PEM block "PUBLIC KEY" with an RSA key of 2048 bits or more, or an ECDSA key on P-256.
// CloudFront Developer Guide, "Specify signers that can create signed URLs and signed cookies".
func ParseKey(encoded []byte) (Key, error) {
	block, _ := pem.Decode(encoded)
	if block == nil {
		return Key{}, errors.New("the key is not in PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("read the public key: %w", err)
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return Key{}, fmt.Errorf("the RSA key has %d bits, at least 2048 are needed", k.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("the ECDSA key is on %s, not on P-256", k.Curve.Params().Name)
		}
	default:
		return Key{}, fmt.Errorf("a key of type %T cannot sign URLs", public)
	}
	return Key{public}, nil
}

// The parameters of a signed URL; a cookie's name is "CloudFront-" and one of these.
const (
	paramExpires   = "Expires"
	paramPolicy    = "Policy"
	paramSignature = "Signature"
	paramKey       = "Key-Pair-Id"
	paramHash      = "Hash-Algorithm"
)

// Strip returns rawQuery without the parameters of signed URLs; the others keep their order and spelling. They are gone for the
// cache key, for functions and for the origin, whether or not they were needed.
// CloudFront Developer Guide, "Use signed URLs".
func Strip(rawQuery string) string {
	if !strings.Contains(rawQuery, paramExpires) && !strings.Contains(rawQuery, paramPolicy) && !strings.Contains(rawQuery, paramSignature) &&
		!strings.Contains(rawQuery, paramKey) && !strings.Contains(rawQuery, paramHash) {
		return rawQuery
	}
	var kept []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		switch name {
		case paramExpires, paramPolicy, paramSignature, paramKey, paramHash:
		default:
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}

// signed are the parts of a signature as they came.
type signed struct{ expires, policy, signature, key, hash string }

// Verify tells whether r carries a signature by one of keys, by their Key-Pair-Id, that holds at now, and returns r's query without
// its parameters (see Strip). The error is an *Error. A query that has Key-Pair-Id, Signature or Policy counts alone; cookies
// count where it has none of them. Expiry is looked at here only: a transfer that has begun may end after it.
func Verify(r Request, keys map[string]Key, now time.Time) (rawQuery string, err error) {
	rawQuery = Strip(r.RawQuery)
	s := fromQuery(r.RawQuery)
	if s.key == "" && s.signature == "" && s.policy == "" {
		s = fromCookies(r.Header)
	}
	if s.key == "" {
		return "", &Error{MissingKey, ""}
	}
	key, ok := keys[s.key]
	if !ok {
		return "", &Error{UnknownKey, s.key}
	}
	if s.signature == "" {
		return "", &Error{MissingSignature, ""}
	}
	signature, ok := decode(s.signature)
	if !ok {
		return "", &Error{MalformedSignature, ""}
	}
	url := r.Scheme + "://" + r.Host + r.Path
	if rawQuery != "" {
		url += "?" + rawQuery
	}
	policy, text, problem := s.read(url)
	if problem != nil {
		return "", problem
	}
	if !key.verifies(text, signature, s.hash) {
		return "", &Error{BadSignature, ""}
	}
	if problem := policy.allows(r, url, now); problem != nil {
		return "", problem
	}
	return rawQuery, nil
}

func fromQuery(rawQuery string) signed {
	var s signed
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		s.set(name, value)
	}
	return s
}

func fromCookies(h http.Header) signed {
	var s signed
	for _, line := range h["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if name, ok := strings.CutPrefix(name, "CloudFront-"); ok {
				s.set(name, value)
			}
		}
	}
	return s
}

// set takes a part; the first of two counts.
func (s *signed) set(name, value string) {
	var to *string
	switch name {
	case paramExpires:
		to = &s.expires
	case paramPolicy:
		to = &s.policy
	case paramSignature:
		to = &s.signature
	case paramKey:
		to = &s.key
	case paramHash:
		to = &s.hash
	default:
		return
	}
	if *to == "" {
		*to = value
	}
}

// read returns the policy, and the text that was signed: the custom policy as it came, or the canned one for url.
func (s *signed) read(url string) (*policy, []byte, *Error) {
	if s.policy != "" {
		text, ok := decode(s.policy)
		if !ok {
			return nil, nil, &Error{MalformedPolicy, "it is not in base64"}
		}
		p, err := parsePolicy(text)
		if err != nil {
			return nil, nil, &Error{MalformedPolicy, err.Error()}
		}
		return p, text, nil
	}
	if s.expires == "" {
		return nil, nil, &Error{MissingPolicy, ""}
	}
	expires, err := strconv.ParseInt(s.expires, 10, 64)
	if err != nil || strconv.FormatInt(expires, 10) != s.expires {
		return nil, nil, &Error{MalformedPolicy, "Expires is not a number of seconds"}
	}
	// Exactly this text, without a blank, is signed (Developer Guide, "Create a signed URL using a canned policy").
	text := `{"Statement":[{"Resource":"` + url + `","Condition":{"DateLessThan":{"AWS:EpochTime":` + s.expires + `}}}]}`
	return &policy{canned: true, before: expires}, []byte(text), nil
}

// decode reads CloudFront's variant of base64: "-" for "+", "_" for "=", "~" for "/". Padding may be left out.
// Developer Guide, "Use Linux commands and OpenSSL for base64 encoding and encryption".
func decode(s string) ([]byte, bool) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "=", "~", "/").Replace(s), "=")
	b, err := base64.RawStdEncoding.DecodeString(s)
	return b, err == nil
}

// verifies tells whether signature is k's for text. hash is Hash-Algorithm: "" and "SHA1" are SHA-1, "SHA256" is SHA-256, another
// is none. An ECDSA signature is in ASN.1.
func (k Key) verifies(text, signature []byte, hash string) bool {
	var sum []byte
	var algorithm crypto.Hash
	switch strings.ToUpper(hash) {
	case "", "SHA1":
		h := sha1.Sum(text) // see above
		sum, algorithm = h[:], crypto.SHA1
	case "SHA256":
		h := sha256.Sum256(text)
		sum, algorithm = h[:], crypto.SHA256
	default:
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, algorithm, sum, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, sum, signature)
	}
	return false
}
