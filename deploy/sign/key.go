package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// KeyID is the number by which a signature names its key. It tells keys apart and proves nothing.
type KeyID [8]byte

// String is as minisign prints it: a number of 64 bits, whose lowest byte comes first in files.
func (id KeyID) String() string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(id[:])) }

// PublicKey checks signatures.
type PublicKey struct {
	ID  KeyID
	Key ed25519.PublicKey
}

// SecretKey makes signatures.
type SecretKey struct {
	ID  KeyID
	Key ed25519.PrivateKey // seed and public key, as libsodium has it
}

// The names of algorithms in files. (Minisign file formats, "Secret key format", "Public key format", "Signature format".)
const (
	algorithmKey    = "Ed"
	algorithmHashed = "ED" // of the BLAKE2b-512 of a file
	algorithmSum    = "B2"
	kdfScrypt       = "Sc"
	kdfNone         = "\x00\x00"
)

const untrusted = "untrusted comment: "

// NewSecretKey makes a key.
func NewSecretKey() (SecretKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	k := SecretKey{Key: key}
	rand.Read(k.ID[:])
	return k, err
}

// Public is the key that checks what k signs.
func (k SecretKey) Public() PublicKey {
	return PublicKey{k.ID, bytes.Clone(k.Key[ed25519.SeedSize:])}
}

// Base64 is the key as one word, which minisign -P takes.
func (p PublicKey) Base64() string {
	return base64.StdEncoding.EncodeToString(append(append([]byte(algorithmKey), p.ID[:]...), p.Key...))
}

// String is the file of the key.
func (p PublicKey) String() string {
	return untrusted + "minisign public key " + p.ID.String() + "\n" + p.Base64() + "\n"
}

// ParsePublicKey reads the file of a key, or the key as one word.
func ParsePublicKey(text string) (PublicKey, error) {
	text = strings.TrimSuffix(text, "\n")
	if comment, rest, ok := strings.Cut(text, "\n"); ok {
		if !strings.HasPrefix(comment, untrusted) {
			return PublicKey{}, errors.New("it does not begin with an untrusted comment")
		}
		text = rest
	}
	raw, err := decode(text, 2+8+ed25519.PublicKeySize)
	if err != nil {
		return PublicKey{}, err
	}
	if string(raw[:2]) != algorithmKey {
		return PublicKey{}, fmt.Errorf("its algorithm is %q, not Ed25519", raw[:2])
	}
	return PublicKey{KeyID(raw[2:10]), raw[10:]}, nil
}

// decode reads one line of base64 that stands for n bytes.
func decode(line string, n int) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(line)
	if err != nil {
		return nil, err
	}
	if len(raw) != n || strings.ContainsAny(line, "\r\n") { // which base64 passes over
		return nil, fmt.Errorf("it is not one line of %d bytes in base64", n)
	}
	return raw, nil
}

// Sizes of what a secret key's file has, bytes.
const (
	saltSize   = 32
	hiddenSize = 8 + ed25519.PrivateKeySize + blake2b.Size256
)

// LockedKey is a secret key as its file has it.
type LockedKey struct {
	kdf    string
	salt   [saltSize]byte
	cost   cost
	hidden [hiddenSize]byte // id, key and checksum; under scrypt, each bit turned as its output says
}

// ParseSecretKey reads the file of a secret key.
func ParseSecretKey(text string) (LockedKey, error) {
	comment, line, ok := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
	if !ok || !strings.HasPrefix(comment, untrusted) {
		return LockedKey{}, errors.New("it is not an untrusted comment and a line of base64")
	}
	raw, err := decode(line, 6+saltSize+16+hiddenSize)
	if err != nil {
		return LockedKey{}, err
	}
	l := LockedKey{
		kdf: string(raw[2:4]), salt: [saltSize]byte(raw[6:]), hidden: [hiddenSize]byte(raw[6+saltSize+16:]),
		cost: cost{operations: binary.LittleEndian.Uint64(raw[6+saltSize:]), memory: binary.LittleEndian.Uint64(raw[6+saltSize+8:])},
	}
	switch {
	case string(raw[:2]) != algorithmKey || string(raw[4:6]) != algorithmSum:
		return LockedKey{}, fmt.Errorf("its algorithms are %q and %q, not Ed25519 and BLAKE2b", raw[:2], raw[4:6])
	case l.kdf == kdfScrypt:
		return l, l.cost.check()
	case l.kdf != kdfNone:
		return LockedKey{}, fmt.Errorf("its passphrase goes through %q, not scrypt", l.kdf)
	}
	return l, nil
}

// NeedsPassphrase reports whether the key is encrypted.
func (l LockedKey) NeedsPassphrase() bool { return l.kdf != kdfNone }

// Unlock returns the key; one that is not encrypted takes no passphrase. What minisign makes takes 1 GiB of memory and some seconds.
func (l LockedKey) Unlock(passphrase []byte) (SecretKey, error) {
	plain := l.hidden
	if l.NeedsPassphrase() {
		mask, err := l.cost.derive(passphrase, l.salt[:], hiddenSize)
		if err != nil {
			return SecretKey{}, err
		}
		subtle.XORBytes(plain[:], plain[:], mask)
	}
	k := SecretKey{KeyID(plain[:]), bytes.Clone(plain[8 : 8+ed25519.PrivateKeySize])}
	sum := k.checksum()
	if l.NeedsPassphrase() && subtle.ConstantTimeCompare(sum[:], plain[8+ed25519.PrivateKeySize:]) == 0 {
		return SecretKey{}, errors.New("the passphrase is another")
	}
	if !k.Key.Equal(ed25519.NewKeyFromSeed(k.Key.Seed())) {
		return SecretKey{}, errors.New("it is damaged: its two halves do not belong together")
	}
	return k, nil
}

// checksum is what tells a wrong passphrase: of the algorithm's name, the id and the key.
func (k SecretKey) checksum() [blake2b.Size256]byte {
	return blake2b.Sum256(append(append([]byte(algorithmKey), k.ID[:]...), k.Key...))
}

// Plain is the file of the key, not encrypted, and as minisign -G -W has it: without a checksum.
func (k SecretKey) Plain() string {
	return k.file("", LockedKey{kdf: kdfNone}, [blake2b.Size256]byte{})
}

// Encrypted is the file of the key under a passphrase that costs whoever tries one that much.
func (k SecretKey) Encrypted(passphrase []byte, c cost) (string, error) {
	l := LockedKey{kdf: kdfScrypt, cost: c}
	rand.Read(l.salt[:])
	mask, err := c.derive(passphrase, l.salt[:], hiddenSize)
	if err != nil {
		return "", err
	}
	copy(l.hidden[:], mask)
	return k.file("encrypted ", l, k.checksum()), nil
}

// file is the file of the key, under the mask that l hides.
func (k SecretKey) file(kind string, l LockedKey, sum [blake2b.Size256]byte) string {
	plain := append(append(append([]byte(nil), k.ID[:]...), k.Key...), sum[:]...)
	subtle.XORBytes(l.hidden[:], l.hidden[:], plain)
	raw := []byte(algorithmKey + l.kdf + algorithmSum)
	raw = append(raw, l.salt[:]...)
	raw = binary.LittleEndian.AppendUint64(raw, l.cost.operations)
	raw = binary.LittleEndian.AppendUint64(raw, l.cost.memory)
	raw = append(raw, l.hidden[:]...)
	return untrusted + "minisign " + kind + "secret key\n" + base64.StdEncoding.EncodeToString(raw) + "\n"
}
