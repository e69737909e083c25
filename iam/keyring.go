package iam

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"glassine/state"
)

const (
	ringTable = "iam/tokenkeys"
	// A master key mints for a day. Its nonces are random: 2^32 tokens in that day would be 49,000 every second.
	masterKeyAge = 24 * time.Hour
	// A master key is kept this long after it minted last: the longest life of temporary credentials.
	// STS API Reference, GetSessionToken, DurationSeconds.
	longestSession = 36 * time.Hour
)

// masterKey seals session tokens and derives their secret access keys. It is immutable.
type masterKey struct {
	id   uint32
	made time.Time
	root []byte      // 32 random bytes; never used but to derive from
	aead cipher.AEAD // under a key derived from root
}

// keyring is the master keys alive. It is immutable.
type keyring struct {
	current *masterKey // the newest; nil before the first token
	byID    map[uint32]*masterKey
}

// masterRecord is a master key as kept in the table iam/tokenkeys, in JSON, by its id in hexadecimal.
type masterRecord struct {
	Made time.Time
	Root []byte // sealed
}

func newMasterKey(id uint32, made time.Time, root []byte) (*masterKey, error) {
	key, err := hkdf.Key(sha256.New, root, nil, "glassine session token", 32)
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &masterKey{id: id, made: made, root: root, aead: aead}, nil
}

// secret derives the secret access key of the session whose token has the nonce: 40 characters. It is stored nowhere.
// RFC 5869.
func (k *masterKey) secret(nonce []byte, accessKeyID string) (string, error) {
	b, err := hkdf.Key(sha256.New, k.root, nonce, "secret"+accessKeyID, 30)
	return base64.StdEncoding.EncodeToString(b), err
}

func (k *masterKey) key() string { return fmt.Sprintf("%08x", k.id) }

func (k *masterKey) dead(now time.Time) bool {
	return now.After(k.made.Add(masterKeyAge + longestSession))
}

func (s *Service) loadRing(ctx context.Context) error {
	list, err := s.state.List(ctx, ringTable, "")
	if err != nil {
		return err
	}
	ring := &keyring{byID: map[uint32]*masterKey{}}
	for _, rec := range list {
		k, err := s.openMaster(rec)
		if err != nil {
			return fmt.Errorf("token key %s: %w", rec.Key, err)
		}
		if k.dead(s.now()) {
			continue
		}
		ring.byID[k.id] = k
		if ring.current == nil || k.made.After(ring.current.made) {
			ring.current = k
		}
	}
	s.ring.Store(ring)
	return nil
}

func (s *Service) openMaster(rec state.Record) (*masterKey, error) {
	id, err := strconv.ParseUint(rec.Key, 16, 32)
	if err != nil {
		return nil, err
	}
	var r masterRecord
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return nil, err
	}
	root, err := unseal(s.seal, ringTable+"/"+rec.Key, r.Root)
	if err != nil {
		return nil, err
	}
	return newMasterKey(uint32(id), r.Made, root)
}

// master returns the key to mint with, and makes a new one when the newest is a day old.
func (s *Service) master(ctx context.Context) (*masterKey, error) {
	if k := s.ring.Load().current; k != nil && s.now().Before(k.made.Add(masterKeyAge)) {
		return k, nil
	}
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	old, now := s.ring.Load(), s.now().UTC()
	if k := old.current; k != nil && now.Before(k.made.Add(masterKeyAge)) {
		return k, nil
	}
	ring := &keyring{byID: map[uint32]*masterKey{}}
	var changes []state.Change
	for id, k := range old.byID {
		if k.dead(now) {
			changes = append(changes, state.Change{Table: ringTable, Key: k.key()})
			continue
		}
		ring.byID[id] = k
	}
	k, change, err := s.newMaster(now)
	if err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	if err := s.state.Commit(ctx, append(changes, change)...); err != nil {
		return nil, fmt.Errorf("write token key: %w", err)
	}
	ring.current, ring.byID[k.id] = k, k
	s.ring.Store(ring)
	return k, nil
}

func (s *Service) newMaster(now time.Time) (*masterKey, state.Change, error) {
	root := make([]byte, 32+4)
	rand.Read(root)
	id := uint32(root[32])<<24 | uint32(root[33])<<16 | uint32(root[34])<<8 | uint32(root[35])
	k, err := newMasterKey(id, now, root[:32:32])
	if err != nil {
		return nil, state.Change{}, err
	}
	value, err := json.Marshal(masterRecord{Made: now, Root: seal(s.seal, ringTable+"/"+k.key(), k.root)})
	return k, state.Change{Table: ringTable, Key: k.key(), Value: value, If: state.Revision(0)}, err
}
