package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/blake2b"
)

const trusted = "trusted comment: "

// mostComment is the longest trusted comment, bytes. (minisign.h, TRUSTEDCOMMENTMAXBYTES, which counts what stands before it and the end.)
const mostComment = 8192 - len(trusted) - 1

// Signature is what is in a .minisig file. (Minisign file formats, "Signature format".)
type Signature struct {
	ID      KeyID
	Of      [ed25519.SignatureSize]byte // of the file's BLAKE2b-512
	Trusted string                      // a comment that is signed too
	All     [ed25519.SignatureSize]byte // of Of and Trusted
}

// Sign reads all of file. The comment is one line of text.
func (k SecretKey) Sign(file io.Reader, comment string) (Signature, error) {
	if err := checkComment(comment); err != nil {
		return Signature{}, err
	}
	sum, err := digest(file)
	if err != nil {
		return Signature{}, err
	}
	s := Signature{ID: k.ID, Of: [ed25519.SignatureSize]byte(ed25519.Sign(k.Key, sum)), Trusted: comment}
	s.All = [ed25519.SignatureSize]byte(ed25519.Sign(k.Key, s.signed()))
	return s, nil
}

// signed is what All is the signature of.
func (s Signature) signed() []byte { return append(s.Of[:len(s.Of):len(s.Of)], s.Trusted...) }

func digest(file io.Reader) ([]byte, error) {
	h, err := blake2b.New512(nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(h, file)
	return h.Sum(nil), err
}

// Verify reads all of file and says whether s is p's signature of it, its comment included. An error that is not file's own says why it is not.
func (p PublicKey) Verify(file io.Reader, s Signature) error {
	if s.ID != p.ID {
		return fmt.Errorf("it is signed by another key: %s, not %s", s.ID, p.ID)
	}
	sum, err := digest(file)
	if err != nil {
		return err
	}
	if !ed25519.Verify(p.Key, sum, s.Of[:]) {
		return errors.New("it is not what was signed")
	}
	if !ed25519.Verify(p.Key, s.signed(), s.All[:]) {
		return errors.New("the signature's comment is not what was signed")
	}
	return nil
}

// String is the .minisig file.
func (s Signature) String() string {
	of := append(append([]byte(algorithmHashed), s.ID[:]...), s.Of[:]...)
	return untrusted + "signature from minisign secret key\n" + base64.StdEncoding.EncodeToString(of) + "\n" +
		trusted + s.Trusted + "\n" + base64.StdEncoding.EncodeToString(s.All[:]) + "\n"
}

// ParseSignature reads a .minisig file. It verifies nothing.
func ParseSignature(text string) (Signature, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], untrusted) || !strings.HasPrefix(lines[2], trusted) {
		return Signature{}, errors.New("it is not an untrusted comment, a signature, a trusted comment and a signature")
	}
	of, err := decode(lines[1], 2+8+ed25519.SignatureSize)
	if err != nil {
		return Signature{}, err
	}
	if string(of[:2]) != algorithmHashed {
		return Signature{}, fmt.Errorf("its algorithm is %q, not Ed25519 of a BLAKE2b-512 (%q)", of[:2], algorithmHashed)
	}
	all, err := decode(lines[3], ed25519.SignatureSize)
	if err != nil {
		return Signature{}, err
	}
	s := Signature{
		ID: KeyID(of[2:10]), Of: [ed25519.SignatureSize]byte(of[10:]), Trusted: strings.TrimPrefix(lines[2], trusted),
		All: [ed25519.SignatureSize]byte(all),
	}
	return s, checkComment(s.Trusted)
}

// checkComment refuses what would not be shown as it is, or not be read by minisign.
func checkComment(text string) error {
	odd := func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }
	if len(text) > mostComment || !utf8.ValidString(text) || strings.ContainsFunc(text, odd) {
		return errors.New("the comment is not one line of text")
	}
	return nil
}
