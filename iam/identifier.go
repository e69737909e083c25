package iam

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
)

// idAlphabet is what unique ids and access key ids are made of, five bits a character.
// IAM User Guide, "IAM identifiers", unique identifiers.
const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID returns prefix and n random characters: 16 for access keys (AKIA, ASIA), 17 for principals (AIDA, AROA).
func newID(prefix string, n int) string {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = idAlphabet[b[i]%32] // 256 is a multiple of 32: no bias
	}
	return prefix + string(b)
}

// newSecret returns a secret access key: 40 characters, 240 random bits.
func newSecret() string {
	b := make([]byte, 30)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// LogValue prints no more of the credentials than the last four characters of their public id.
func (c Credentials) LogValue() slog.Value {
	id := c.AccessKeyID
	if len(id) > 8 {
		id = id[:4] + "..." + id[len(id)-4:]
	}
	return slog.StringValue(id)
}

// String is LogValue's text, so that fmt prints no secret either.
func (c Credentials) String() string { return c.LogValue().String() }

// GoString is String, for %#v.
func (c Credentials) GoString() string { return c.String() }

// managedID returns the unique id of an AWS managed policy: it has none of its own here, and the same in every
// installation.
func managedID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	for i := range sum {
		sum[i] = idAlphabet[sum[i]%32]
	}
	return policies.prefix + string(sum[:17])
}
