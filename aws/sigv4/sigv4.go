// Package sigv4 signs requests with AWS Signature Version 4 and verifies them: header form and query (presigned) form.
//
// It holds no keys and decides nothing: a front end parses the signature, finds the key's secret, and verifies. Start at
// Sign for a client and at Parse for a server. Signature Version 4A and the aws-chunked body forms are not here.
//
// AWS General Reference, "Signature Version 4 signing process"; Amazon S3 API Reference, "Authenticating Requests".
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Algorithm is the only signing algorithm that is spoken here.
const Algorithm = "AWS4-HMAC-SHA256"

// UnsignedPayload stands in place of the body's hash where the body is not signed.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// EmptyPayload is the hex SHA-256 of no bytes.
const EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// timeFormat is X-Amz-Date's: ISO 8601, basic, UTC.
const timeFormat = "20060102T150405Z"

// terminator ends every credential scope.
const terminator = "aws4_request"

// Credentials sign. SessionToken is empty for long-term keys.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
}

// LogValue keeps the secret and the token out of every log.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.AccessKeyID) }

// String names the key without its secret, so that a stray %v leaks nothing.
func (c Credentials) String() string { return c.AccessKeyID }

// scope is a credential scope: date/region/service/aws4_request.
type scope struct{ date, region, service string }

func (s scope) String() string {
	return s.date + "/" + s.region + "/" + s.service + "/" + terminator
}

// key derives the signing key of the scope.
func (s scope) key(secret string) []byte {
	k := mac([]byte("AWS4"+secret), s.date)
	k = mac(k, s.region)
	k = mac(k, s.service)
	return mac(k, terminator)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// stringToSign joins the four lines that are signed.
func stringToSign(at time.Time, s scope, canonicalRequest string) string {
	return Algorithm + "\n" + at.UTC().Format(timeFormat) + "\n" + s.String() + "\n" + hexHash(canonicalRequest)
}

// s3Like reports whether a service's canonical path is the path as sent: single encoding, nothing cleaned.
func s3Like(service string) bool {
	return service == "s3" || service == "s3-object-lambda"
}

// canonicalRequest joins the parts in their order.
func canonicalRequest(method, path, query string, headers []header, signed []string, payloadHash string) string {
	var b strings.Builder
	b.WriteString(method)
	b.WriteByte('\n')
	b.WriteString(path)
	b.WriteByte('\n')
	b.WriteString(query)
	b.WriteByte('\n')
	for _, h := range headers {
		b.WriteString(h.name)
		b.WriteByte(':')
		b.WriteString(h.value)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(signed, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String()
}

// header is a canonical header: lower-case name, folded value.
type header struct{ name, value string }

// foldSpaces trims a header value and makes every inner run of spaces one.
func foldSpaces(v string) string {
	v = strings.Trim(v, " \t\r\n")
	if !strings.Contains(v, "  ") {
		return v
	}
	var b strings.Builder
	space := false
	for i := range len(v) {
		if v[i] == ' ' {
			space = true
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

const upperHex = "0123456789ABCDEF"

// encode writes s with everything but unreserved characters (and, in a path, the slash) as %XX in upper case.
func encode(s string, keepSlash bool) string {
	clean := true
	for i := range len(s) {
		if !unreserved(s[i]) && (!keepSlash || s[i] != '/') {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || keepSlash && c == '/' {
			b = append(b, c)
			continue
		}
		b = append(b, '%', upperHex[c>>4], upperHex[c&15])
	}
	return string(b)
}

func unreserved(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// decode undoes percent-encoding once, byte for byte; a stray percent sign stays as it is. A plus is a plus.
func decode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// canonicalPath is the canonical URI of a path as it stands on the wire.
func canonicalPath(service, raw string) string {
	if raw == "" {
		raw = "/"
	}
	if s3Like(service) {
		return encode(decode(raw), true)
	}
	return encode(cleanPath(raw), true)
}

// cleanPath removes dot segments and repeated slashes and keeps a trailing slash (all services but S3).
func cleanPath(raw string) string {
	var out []string
	for seg := range strings.SplitSeq(raw, "/") {
		switch seg {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, seg)
		}
	}
	p := "/" + strings.Join(out, "/")
	if p != "/" && strings.HasSuffix(raw, "/") {
		p += "/"
	}
	return p
}

// parameter is one query parameter, decoded.
type parameter struct{ key, value string }

// splitQuery decodes a raw query: empty pieces are dropped, the first = divides, a plus is a plus.
func splitQuery(raw string) []parameter {
	var ps []parameter
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		k, v, _ := strings.Cut(piece, "=")
		ps = append(ps, parameter{decode(k), decode(v)})
	}
	return ps
}

// canonicalQuery sorts and encodes the parameters, leaving out the one named without.
func canonicalQuery(ps []parameter, without string) string {
	lines := make([]parameter, 0, len(ps))
	for _, p := range ps {
		if p.key == without && without != "" {
			continue
		}
		lines = append(lines, parameter{encode(p.key, false), encode(p.value, false)})
	}
	slices.SortFunc(lines, func(a, b parameter) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(l.key)
		b.WriteByte('=')
		b.WriteString(l.value)
	}
	return b.String()
}
