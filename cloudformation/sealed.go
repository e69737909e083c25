package cloudformation

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"glassine/state"
)

// sealed is a Store whose values are encrypted with AES-256-GCM under a key of the installation. A value belongs to its table and
// key, which name the stack and the logical id: moved to another record it does not open. Keys are in the clear.
//
// Whole records are sealed, not the secrets in them: values of NoEcho parameters come again in properties, attributes, outputs,
// change sets and what functions say.
type sealed struct {
	state.Store
	aead cipher.AEAD
}

func newSealed(under state.Store, key [32]byte) (*sealed, error) {
	own, err := hkdf.Key(sha256.New, key[:], nil, "glassine stacks 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealed{under, aead}, err
}

var errSealed = errors.New("sealed under another key, or damaged")

// about is what a value is bound to. No table has a NUL in its name.
func about(table, key string) []byte { return []byte(table + "\x00" + key) }

func (s *sealed) open(table string, r state.Record) (state.Record, error) {
	plain, err := s.aead.Open([]byte{}, nil, r.Value, about(table, r.Key))
	if err != nil {
		return state.Record{}, fmt.Errorf("record %q of %s: %w", r.Key, table, errSealed)
	}
	r.Value = plain
	return r, nil
}

// Get implements state.Store.
func (s *sealed) Get(ctx context.Context, table, key string) (state.Record, error) {
	r, err := s.Store.Get(ctx, table, key)
	if err != nil {
		return r, err
	}
	return s.open(table, r)
}

// List implements state.Store. One record that does not open is an error.
func (s *sealed) List(ctx context.Context, table, prefix string) ([]state.Record, error) {
	records, err := s.Store.List(ctx, table, prefix)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if records[i], err = s.open(table, r); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// Commit implements state.Store.
func (s *sealed) Commit(ctx context.Context, changes ...state.Change) error {
	closed := make([]state.Change, len(changes))
	for i, c := range changes {
		if c.Value != nil {
			c.Value = s.aead.Seal(nil, nil, c.Value, about(c.Table, c.Key))
		}
		closed[i] = c
	}
	return s.Store.Commit(ctx, closed...)
}
