// Package certdir keeps the certificates that somebody else puts into a directory, such as certbot, mkcert, step, a secret of
// Kubernetes or a person, and finds the one for a TLS handshake. What belongs together is found by content: a certificate and
// the private key of its public key, whatever their files are called and whether they are one file or two. It issues nothing.
//
// Start at Open.
package certdir

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Dir is a directory of certificates. Safe for many goroutines.
type Dir struct {
	path string
	log  *slog.Logger

	current atomic.Pointer[contents]
}

// contents is what a directory held at a time. It is never changed, only replaced.
type contents struct {
	state  string                        // of the files: names, sizes, times
	byName map[string][]*tls.Certificate // by name in lower case, also *.example.com; that which holds longest first
}

// Limits of what is read: a directory of certificates is small, and one that is not was named by mistake.
const (
	maxFiles = 2000
	maxFile  = 1 << 20 // bytes
)

// Open reads the directory and its direct subdirectories; files whose names begin with a dot, and those that are no PEM, are
// passed over. The errors are that there is no certificate with its key, and that a key cannot be read or is encrypted.
func Open(path string, log *slog.Logger) (*Dir, error) {
	d := &Dir{path: path, log: log}
	_, err := d.Reload()
	return d, err
}

// Reload reads the directory anew if a file changed. On an error what was there stays.
func (d *Dir) Reload() (changed bool, err error) {
	files, state, err := d.list()
	if err != nil {
		return false, fmt.Errorf("read certificates in %s: %w", d.path, err)
	}
	if c := d.current.Load(); c != nil && c.state == state {
		return false, nil
	}
	c, err := d.read(files)
	if err != nil {
		return false, fmt.Errorf("read certificates in %s: %w", d.path, err)
	}
	c.state = state
	d.current.Store(c)
	return true, nil
}

// Watch reloads every so often until ctx ends. What cannot be read is logged once.
func (d *Dir) Watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := d.Reload()
		switch {
		case err != nil && err.Error() != last:
			last = err.Error()
			d.log.Error("certificates not read again; those from before are used", "error", last)
		case changed:
			last = ""
			d.log.Info("certificates read again", "names", strings.Join(d.Names(), " "))
		}
	}
}

// Names are the names that there are certificates for, sorted, as the certificates spell them.
func (d *Dir) Names() []string { return slices.Sorted(maps.Keys(d.current.Load().byName)) }

// Expiry returns until when there is a certificate for each of Names: that which holds longest.
func (d *Dir) Expiry() map[string]time.Time {
	out := map[string]time.Time{}
	for name, list := range d.current.Load().byName {
		out[name] = list[0].Leaf.NotAfter
	}
	return out
}

// Certificate returns the certificate for the handshake: one that has the name exactly before one of a wildcard (RFC 9525,
// section 6.3), and of several one that the client can verify. It is nil when there is none for the name, or no name.
func (d *Dir) Certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	c := d.current.Load()
	found := c.byName[name]
	if i := strings.IndexByte(name, '.'); found == nil && i > 0 {
		found = c.byName["*"+name[i:]]
	}
	for _, certificate := range found {
		if hello.SupportsCertificate(certificate) == nil {
			return certificate
		}
	}
	if len(found) > 0 {
		return found[0] // the handshake says what is wrong
	}
	return nil
}

// list returns the paths of the files, and what changes when one of them does.
func (d *Dir) list() (files []string, state string, err error) {
	var b strings.Builder
	add := func(path string) error {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
			return nil //nolint:nilerr // a link to nowhere, a socket, something else
		}
		if files = append(files, path); len(files) > maxFiles {
			return fmt.Errorf("there are more than %d files", maxFiles)
		}
		fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		return nil
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		path := filepath.Join(d.path, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		inside, err := os.ReadDir(path)
		if err != nil {
			if err := add(path); err != nil {
				return nil, "", err
			}
			continue
		}
		for _, f := range inside {
			if strings.HasPrefix(f.Name(), ".") {
				continue
			}
			if err := add(filepath.Join(path, f.Name())); err != nil {
				return nil, "", err
			}
		}
	}
	return files, b.String(), nil
}

// chain is the certificates of a file, the leaf first.
type chain struct {
	path string
	leaf *x509.Certificate
	der  [][]byte
}

// read makes contents of files.
func (d *Dir) read(files []string) (*contents, error) {
	var chains []chain
	var keys []crypto.Signer
	for _, path := range files {
		text, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since; the next time shows what came of it
		}
		if err != nil {
			return nil, err
		}
		der, more, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, more...)
		if len(der) == 0 {
			continue
		}
		leaf, err := x509.ParseCertificate(der[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		chains = append(chains, chain{path, leaf, der})
	}
	return d.match(chains, keys)
}

// match puts certificates and keys together.
func (d *Dir) match(chains []chain, keys []crypto.Signer) (*contents, error) {
	c := &contents{byName: map[string][]*tls.Certificate{}}
	// certbot has the leaf alone in one file and with its chain in another.
	slices.SortStableFunc(chains, func(a, b chain) int {
		return cmp.Or(b.leaf.NotAfter.Compare(a.leaf.NotAfter), cmp.Compare(len(b.der), len(a.der)))
	})
	for _, ch := range chains {
		i := slices.IndexFunc(keys, func(k crypto.Signer) bool { return samePublic(ch.leaf.PublicKey, k.Public()) })
		if i < 0 {
			if !ch.leaf.IsCA {
				d.log.Warn("certificate without its private key is not used", "file", ch.path)
			}
			continue
		}
		if now := time.Now(); now.After(ch.leaf.NotAfter) {
			d.log.Warn("certificate has expired", "file", ch.path, "expired", ch.leaf.NotAfter)
		}
		certificate := &tls.Certificate{Certificate: ch.der, PrivateKey: keys[i], Leaf: ch.leaf}
		for _, name := range ch.leaf.DNSNames {
			name = strings.ToLower(name)
			c.byName[name] = append(c.byName[name], certificate)
		}
	}
	if len(c.byName) == 0 {
		return nil, errors.New("there is no certificate for a DNS name with its private key")
	}
	return c, nil
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(x crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// parse returns the certificates and private keys in PEM text (RFC 7468), which may hold anything else besides.
func parse(text []byte) (certificates [][]byte, keys []crypto.Signer, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return certificates, keys, nil
		}
		switch {
		case block.Type == "CERTIFICATE":
			certificates = append(certificates, block.Bytes)
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, nil, errors.New("the private key is encrypted; a server needs it without a password")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			key, err := parseKey(block.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("private key: %w", err)
			}
			keys = append(keys, key)
		}
	}
}

// parseKey reads the three forms that there are: PKCS #8 (RFC 5958), SEC 1 (RFC 5915) and PKCS #1 (RFC 8017).
func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if ec, ecErr := x509.ParseECPrivateKey(der); ecErr == nil {
			return ec, nil
		}
		if rsa, rsaErr := x509.ParsePKCS1PrivateKey(der); rsaErr == nil {
			return rsa, nil
		}
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}
