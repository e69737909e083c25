package iam

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"glassine/packed"
)

// A session token is base64url, without padding, of
//
//	version(1) | master key id(4) | nonce(12) | AES-256-GCM(claims)
//
// with version, master key id and the access key id as associated data. It says who acts, never what is allowed: policies
// are read when a decision is made.
const (
	tokenVersion = 3
	tokenHead    = 1 + 4
	nonceSize    = 12
	maxToken     = 16 << 10 // characters
	// Bytes. What was passed to AssumeRole is at most half, so that a bound of two ARNs with the longest key that S3 allows
	// always fits beside it.
	maxClaims = 8 << 10
	maxPassed = 4 << 10
)

// claims are what a token says.
type claims struct {
	kind    Kind
	id      string // the user's or role's unique id, the account's for root, a service's name
	session string // the role session's name
	Session
}

var errToken = errors.New("bad token")

// mint seals the claims into new credentials.
func (k *masterKey) mint(c claims) (Credentials, error) {
	plain := c.encode()
	if len(plain) > maxClaims {
		return Credentials{}, invalid("bound", "bound", "fit into a session token")
	}
	id := newID("ASIA", 16)
	out := make([]byte, tokenHead+nonceSize, tokenHead+nonceSize+len(plain)+k.aead.Overhead())
	out[0] = tokenVersion
	binary.BigEndian.PutUint32(out[1:], k.id)
	nonce := out[tokenHead:]
	rand.Read(nonce)
	secret, err := k.secret(nonce, id)
	if err != nil {
		return Credentials{}, err
	}
	out = k.aead.Seal(out, nonce, plain, associated(out[:tokenHead], id))
	return Credentials{
		AccessKeyID: id, SecretAccessKey: secret, SessionToken: base64.RawURLEncoding.EncodeToString(out), Expires: c.Expires,
	}, nil
}

func associated(head []byte, accessKeyID string) []byte {
	return append(append(make([]byte, 0, len(head)+len(accessKeyID)), head...), accessKeyID...)
}

// open verifies a token against the access key id that came with it, and returns its claims and secret access key. All
// errors are alike: which step failed is nobody's business.
func (r *keyring) open(accessKeyID, token string) (c claims, secret string, err error) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // encoding/base64 skips line breaks
		return c, "", errToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < tokenHead+nonceSize || raw[0] != tokenVersion {
		return c, "", errToken
	}
	k := r.byID[binary.BigEndian.Uint32(raw[1:])]
	if k == nil {
		return c, "", errToken
	}
	nonce := raw[tokenHead : tokenHead+nonceSize]
	plain, err := k.aead.Open(nil, nonce, raw[tokenHead+nonceSize:], associated(raw[:tokenHead], accessKeyID))
	if err != nil {
		return c, "", errToken
	}
	if c, err = decodeClaims(plain); err != nil {
		return c, "", err
	}
	secret, err = k.secret(nonce, accessKeyID)
	return c, secret, err
}

// Marks of claims.
const (
	markBound    = 1
	markSignedIn = 2
)

// encode writes the claims: kind, then the times in milliseconds since 1970 (issued 0 for none), then texts, each with
// its length before it, and lists, each with its count before it. Tags are a list of keys and values in turn. A byte of marks
// follows, and where it has markBound, the two lists of the bound.
func (c *claims) encode() []byte {
	b := []byte{byte(c.kind)}
	b = binary.AppendUvarint(b, millis(c.Issued))
	b = binary.AppendUvarint(b, millis(c.Expires))
	for _, s := range []string{c.id, c.session, c.Parent, c.SourceIdentity, c.SourceARN} {
		b = packed.AppendText(b, s)
	}
	b = packed.AppendTexts(b, c.Via)
	b = c.encodePassed(b)
	var marks byte
	if c.SignedIn {
		marks |= markSignedIn
	}
	if c.Bound == nil {
		return append(b, marks)
	}
	b = append(b, marks|markBound)
	b = packed.AppendTexts(b, c.Bound.Actions)
	return packed.AppendTexts(b, c.Bound.Resources)
}

// encodePassed writes what whoever began the session passed: session policies and tags.
func (c *claims) encodePassed(b []byte) []byte {
	b = packed.AppendText(b, c.Policy)
	b = packed.AppendTexts(b, c.PolicyARNs)
	var tags []string
	for _, t := range c.Tags {
		tags = append(tags, t.Key, t.Value)
	}
	b = packed.AppendTexts(b, tags)
	return packed.AppendTexts(b, c.Transitive)
}

func millis(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixMilli())
}

// decodeClaims reads what encode wrote, all of it and nothing else.
func decodeClaims(b []byte) (claims, error) {
	r := claimReader{packed.Reader{Rest: b}}
	var c claims
	c.kind = Kind(r.Byte())
	c.Issued, c.Expires = r.time(), r.time()
	c.id, c.session, c.Parent, c.SourceIdentity, c.SourceARN = r.Text(), r.Text(), r.Text(), r.Text(), r.Text()
	c.Via = r.Texts()
	c.Policy, c.PolicyARNs = r.Text(), r.Texts()
	tags := r.Texts()
	for i := 0; i+1 < len(tags); i += 2 {
		c.Tags = append(c.Tags, Tag{tags[i], tags[i+1]})
	}
	c.Transitive = r.Texts()
	marks := r.Byte()
	c.SignedIn = marks&markSignedIn != 0
	if marks&markBound != 0 {
		c.Bound = &Bound{Actions: r.Texts(), Resources: r.Texts()}
	}
	if !r.Whole() || marks > markBound|markSignedIn || len(tags)%2 != 0 || c.Expires.IsZero() {
		return claims{}, errToken
	}
	return c, nil
}

// claimReader reads what encode wrote.
type claimReader struct{ packed.Reader }

func (r *claimReader) time() time.Time {
	ms := r.Uint()
	if ms == 0 {
		return time.Time{}
	}
	if ms > 1<<52 {
		r.Fail()
	}
	return time.UnixMilli(int64(ms)).UTC()
}
