package edge

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	mathrand "math/rand/v2"
)

// requestID returns what X-Amz-Cf-Id carries: 56 characters, the base64 of 40 bytes in its URL-safe alphabet. It names
// a request and protects nothing, so it need not be unpredictable.
func requestID() string { return string(appendRequestID(make([]byte, 0, 56))) }

// appendRequestID appends a requestID.
func appendRequestID(b []byte) []byte {
	var raw [40]byte
	for i := 0; i < len(raw); i += 8 {
		binary.LittleEndian.PutUint64(raw[i:], mathrand.Uint64())
	}
	return base64.URLEncoding.AppendEncode(b, raw[:])
}

// newID returns prefix and 13 characters of alphabet, at random.
func newID(prefix, alphabet string) string {
	var raw [13]byte
	rand.Read(raw[:])
	for i, b := range raw {
		raw[i] = alphabet[int(b)%len(alphabet)]
	}
	return prefix + string(raw[:])
}

const (
	upperDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	lowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// newUUID returns a random UUID (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
