package objectlambda

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// A token is base64url(version | id | MAC): who holds one may answer one waiting request, once. The id finds the request,
// the MAC makes ids of our own making the only ones that are looked up. In a cluster a node's name joins the id.

const tokenVersion = 1

var tokenLength = base64.RawURLEncoding.EncodedLen(1 + 16 + sha256.Size)

// newToken returns a token and its id.
func (s *Service) newToken() (string, [16]byte) {
	var id [16]byte
	rand.Read(id[:])
	raw := append([]byte{tokenVersion}, id[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, s.tokenMAC(raw)...)), id
}

// openToken returns the id of a token that this process made.
func (s *Service) openToken(token string) ([16]byte, bool) {
	var id [16]byte
	if len(token) != tokenLength {
		return id, false // base64's decoder passes over line ends
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 1+len(id)+sha256.Size || raw[0] != tokenVersion {
		return id, false
	}
	signed, mac := raw[:1+len(id)], raw[1+len(id):]
	if !hmac.Equal(mac, s.tokenMAC(signed)) {
		return id, false
	}
	copy(id[:], signed[1:])
	return id, true
}

func (s *Service) tokenMAC(signed []byte) []byte {
	h := hmac.New(sha256.New, s.tokenKey[:])
	h.Write(signed)
	return h.Sum(nil)
}
