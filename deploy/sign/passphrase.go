package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/scrypt"
	"golang.org/x/sys/unix"
)

// cost is what one try of a passphrase takes, in libsodium's words.
type cost struct{ operations, memory uint64 }

// sensitive is what minisign takes: 2^20 rounds in 1 GiB.
// (libsodium, crypto_pwhash_scryptsalsa208sha256_OPSLIMIT_SENSITIVE and MEMLIMIT_SENSITIVE.)
var sensitive = cost{1 << 25, 1 << 30}

// check refuses what would take more than minisign's.
func (c cost) check() error {
	if c.operations > sensitive.operations || c.memory > sensitive.memory {
		return fmt.Errorf("its passphrase takes more than minisign's: %d operations, %d bytes", c.operations, c.memory)
	}
	return nil
}

// parameters are scrypt's, of libsodium's limits. (libsodium, crypto_pwhash/scryptsalsa208sha256, pickparams.)
func (c cost) parameters() (n, r, p int) {
	r, p = 8, 1
	operations := max(c.operations, 32768)
	if operations < c.memory/32 {
		return power(operations / uint64(r*4)), r, p
	}
	n = power(c.memory / uint64(r*128))
	return n, r, max(int(operations/4/uint64(n))/r, 1)
}

// power is the greatest power of two that is at most most, and at least 2.
func power(most uint64) int {
	n := uint64(2)
	for n <= most/2 {
		n *= 2
	}
	return int(n)
}

// derive makes size bytes of a passphrase.
func (c cost) derive(passphrase, salt []byte, size int) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n, r, p := c.parameters()
	return scrypt.Key(passphrase, salt, n, r, p, size)
}

// passphrase reads the first line of the file that is named, or of in; twice from a terminal when it is a new one, without an echo.
func (o options) passphrase(in *os.File, fresh bool) ([]byte, error) {
	switch {
	case fresh && o.plain:
		return nil, nil
	case o.passphraseFile != "":
		raw, err := os.ReadFile(o.passphraseFile)
		line, _, _ := bytes.Cut(raw, []byte("\n"))
		return some(line, err)
	}
	lines := bufio.NewReader(in)
	state, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil { // no terminal
		return some(line(lines))
	}
	quiet := *state
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, &quiet); err != nil {
		return nil, err
	}
	defer func() {
		_ = unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, state) // a terminal that is gone shows nothing
		fmt.Fprintln(os.Stderr)
	}()
	fmt.Fprint(os.Stderr, "Passphrase of the secret key: ")
	first, err := some(line(lines))
	if err != nil || !fresh {
		return first, err
	}
	fmt.Fprint(os.Stderr, "\nOnce more: ")
	if second, err := line(lines); err != nil || !bytes.Equal(first, second) {
		return nil, errors.New("the two passphrases differ")
	}
	return first, nil
}

func line(r *bufio.Reader) ([]byte, error) {
	text, err := r.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return bytes.TrimSuffix(text, []byte("\n")), err
}

// some refuses no passphrase.
func some(text []byte, err error) ([]byte, error) {
	if err == nil && len(text) == 0 {
		err = errors.New("there is no passphrase")
	}
	return text, err
}
