// Command sign makes and checks signatures of files in minisign's format (https://jedisct1.github.io/minisign/, "Minisign file formats"), so
// that whoever has minisign, or this program, can tell that checksums.txt of a release is its makers'.
//
//	sign keygen -secret FILE -public FILE [-passphrase-file FILE] [-W]
//	sign sign -secret FILE [-passphrase-file FILE] [-version VERSION] FILE
//	sign verify (-public FILE | -key KEY) FILE
//
// A signature of FILE is FILE.minisig. It is of the file's BLAKE2b-512 ("ED"); the older kind, of the file itself, is neither made nor taken.
//
// Start at SecretKey.Sign and PublicKey.Verify.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const usage = `usage: sign keygen -secret FILE -public FILE [-passphrase-file FILE] [-W]
       sign sign -secret FILE [-passphrase-file FILE] [-version VERSION] FILE
       sign verify (-public FILE | -key KEY) FILE
`

// errUsage says that the arguments are not what a command takes.
var errUsage = errors.New("usage")

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "sign:", err)
		os.Exit(1)
	}
}

// options are what the commands are told.
type options struct {
	secret, public, key, passphraseFile, version string

	plain bool
}

func run(args []string, in *os.File, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	var o options
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.secret, "secret", "", "file of the secret key")
	f.StringVar(&o.public, "public", "", "file of the public key")
	f.StringVar(&o.key, "key", "", "the public key itself")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "file with the secret key's passphrase; else it is asked")
	f.StringVar(&o.version, "version", "", "what the signed comment calls the release")
	f.BoolVar(&o.plain, "W", false, "do not encrypt the secret key")
	if err := f.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case args[0] == "keygen" && o.secret != "" && o.public != "" && f.NArg() == 0:
		return keygen(o, in, out)
	case args[0] == "sign" && o.secret != "" && f.NArg() == 1:
		return sign(o, f.Arg(0), in, out)
	case args[0] == "verify" && (o.public != "") != (o.key != "") && f.NArg() == 1:
		return verify(o, f.Arg(0), out)
	}
	return errUsage
}

// keygen makes a pair of keys. Files that there are stay as they are.
func keygen(o options, in *os.File, out io.Writer) error {
	pass, err := o.passphrase(in, true)
	if err != nil {
		return err
	}
	k, err := NewSecretKey()
	if err != nil {
		return err
	}
	secret := k.Plain()
	if !o.plain {
		if secret, err = k.Encrypted(pass, sensitive); err != nil {
			return err
		}
	}
	if err := create(o.secret, 0o600, secret); err != nil {
		return err
	}
	if err := create(o.public, 0o644, k.Public().String()); err != nil {
		_ = os.Remove(o.secret) // it was made just now, and signed nothing
		return err
	}
	fmt.Fprintf(out, "%s: the secret key. Who has it signs as you.\n%s: the public key %s, for everybody:\n%s\n", o.secret, o.public, k.ID, k.Public().Base64())
	return nil
}

func create(name string, mode os.FileMode, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// sign writes the signature of a file beside it.
func sign(o options, name string, in *os.File, out io.Writer) error {
	raw, err := os.ReadFile(o.secret)
	if err != nil {
		return err
	}
	locked, err := ParseSecretKey(string(raw))
	if err != nil {
		return fmt.Errorf("read the secret key %s: %w", o.secret, err)
	}
	var pass []byte
	if locked.NeedsPassphrase() {
		if pass, err = o.passphrase(in, false); err != nil {
			return err
		}
	}
	k, err := locked.Unlock(pass)
	if err != nil {
		return fmt.Errorf("read the secret key %s: %w", o.secret, err)
	}
	at, err := now()
	if err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	comment := fmt.Sprintf("timestamp:%d\tfile:%s\thashed", at.Unix(), filepath.Base(name))
	if o.version != "" {
		comment += "\tversion:" + o.version
	}
	s, err := k.Sign(f, comment)
	if err != nil {
		return fmt.Errorf("sign %s: %w", name, err)
	}
	if err := os.WriteFile(name+".minisig", []byte(s.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s.minisig: signed by the key %s\n", name, k.ID)
	return nil
}

// now is the time that a signature bears: SOURCE_DATE_EPOCH, so that the same inputs give the same bytes, or the clock's.
func now() (time.Time, error) {
	s := os.Getenv("SOURCE_DATE_EPOCH")
	if s == "" {
		return time.Now(), nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(n, 0), nil
}

// verify says whether the signature beside a file is the key's, and what its comment is.
func verify(o options, name string, out io.Writer) error {
	key := o.key
	if o.public != "" {
		raw, err := os.ReadFile(o.public)
		if err != nil {
			return err
		}
		key = string(raw)
	}
	p, err := ParsePublicKey(key)
	if err != nil {
		return fmt.Errorf("read the public key: %w", err)
	}
	raw, err := os.ReadFile(name + ".minisig")
	if err != nil {
		return err
	}
	s, err := ParseSignature(string(raw))
	if err != nil {
		return fmt.Errorf("read the signature %s.minisig: %w", name, err)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := p.Verify(f, s); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(out, "%s: signed by the key %s: %s\n", name, p.ID, strings.ReplaceAll(s.Trusted, "\t", " "))
	return nil
}
