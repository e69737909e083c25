package objectlambda

import (
	"encoding/base64"
	"testing"
)

func TestTokens(t *testing.T) {
	s := &Service{tokenKey: [32]byte{7}}
	token, id := s.newToken()
	if got, ok := s.openToken(token); !ok || got != id {
		t.Errorf("openToken of a new token = %x, %t, want %x", got, ok, id)
	}
	for i := range len(token) {
		b := []byte(token)
		b[i] = 'A'
		if token[i] == 'A' {
			b[i] = 'B'
		}
		if _, ok := s.openToken(string(b)); ok {
			t.Errorf("a token with another character at %d opens", i)
		}
	}
	if _, ok := (&Service{}).openToken(token); ok {
		t.Error("a token opens under another key")
	}
	raw := append([]byte{tokenVersion + 1}, id[:]...)
	if _, ok := s.openToken(base64.RawURLEncoding.EncodeToString(append(raw, s.tokenMAC(raw)...))); ok {
		t.Error("a token of another version opens")
	}
}

func FuzzOpenToken(f *testing.F) {
	s := &Service{tokenKey: [32]byte{7}}
	id := [16]byte{1, 2, 3}
	signed := append([]byte{tokenVersion}, id[:]...) // the same in each of the fuzzer's processes
	real := base64.RawURLEncoding.EncodeToString(append(signed, s.tokenMAC(signed)...))
	f.Add(real)
	f.Add(real + "\n")
	f.Add(real[:len(real)-1] + "_")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		got, ok := s.openToken(token)
		if ok != (token == real) || ok && got != id {
			t.Errorf("openToken(%q) = %x, %t; the only token is %q", token, got, ok, real)
		}
	})
}
