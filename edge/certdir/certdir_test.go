package certdir

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is a certificate and its key as PEM.
type pair struct{ cert, key string }

// signed makes a certificate for names that signer issues; a nil issuer signs itself.
func signed(t testing.TB, key crypto.Signer, until time.Time, names ...string) pair {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: names, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{text("CERTIFICATE", der), text("PRIVATE KEY", pkcs8)}
}

func text(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newECDSA(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// put writes files, names and texts in turn.
func put(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// hello is a client that takes every signature.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
	}
}

// subject is the names of the certificate for a name, "" for none.
func subject(d *Dir, h *tls.ClientHelloInfo) string {
	c := d.Certificate(h)
	if c == nil {
		return ""
	}
	return strings.Join(c.Leaf.DNSNames, " ")
}

var later = time.Now().Add(24 * time.Hour)

func TestCertificatesAndKeysAreFoundByContent(t *testing.T) {
	a, b := signed(t, newECDSA(t), later, "a.example.com"), signed(t, newECDSA(t), later, "b.example.com")
	ec := newECDSA(t)
	c := signed(t, ec, later, "c.example.com")
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	old := newRSA(t)
	d := signed(t, old, later, "d.example.com")
	for _, row := range []struct {
		name  string
		files []string
		want  string // names found
	}{
		{"two files", []string{"a.crt", a.cert, "a.key", a.key}, "a.example.com"},
		{"one file with both", []string{"all.pem", a.key + a.cert}, "a.example.com"},
		{"certbot's folders, with the leaf alone beside the chain", []string{
			"a/privkey.pem", a.key, "a/cert.pem", a.cert, "a/fullchain.pem", a.cert + b.cert, "a/README", "hello", "b/fullchain.pem", b.cert, "b/privkey.pem", b.key,
		}, "a.example.com b.example.com"},
		{"names that say nothing", []string{"1", a.key, "2", b.cert, "3", b.key, "4", a.cert}, "a.example.com b.example.com"},
		{"a key in the form of SEC 1", []string{"c.crt", c.cert, "c.key", text("EC PRIVATE KEY", sec1)}, "c.example.com"},
		{"a key in the form of PKCS #1", []string{"d.crt", d.cert, "d.key", text("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(old))}, "d.example.com"},
		{"a certificate whose key is elsewhere", []string{"a.crt", a.cert, "a.key", a.key, "b.crt", b.cert}, "a.example.com"},
		{"hidden files, as Kubernetes has them", []string{"..data/tls.crt", b.cert, "..data/tls.key", b.key, "tls.crt", a.cert, "tls.key", a.key}, "a.example.com"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, row.files...)
			got, err := Open(dir, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if names := strings.Join(got.Names(), " "); names != row.want {
				t.Errorf("names = %q, want %q", names, row.want)
			}
			for _, name := range got.Names() {
				if s := subject(got, hello(name)); s != name {
					t.Errorf("certificate of %s is for %q", name, s)
				}
			}
		})
	}
	t.Run("the longer chain is sent", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "cert.pem", a.cert, "fullchain.pem", a.cert+b.cert, "privkey.pem", a.key)
		got, err := Open(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got.Certificate(hello("a.example.com")).Certificate); n != 2 {
			t.Errorf("%d certificates are sent, want 2", n)
		}
	})
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	a := signed(t, newECDSA(t), later, "a.example.com")
	for _, row := range []struct {
		name  string
		files []string
		want  string
	}{
		{"an empty directory", []string{"README", "nothing"}, "there is no certificate for a DNS name"},
		{"a certificate without a key", []string{"a.crt", a.cert}, "there is no certificate for a DNS name"},
		{"an encrypted key", []string{"a.crt", a.cert, "a.key", text("ENCRYPTED PRIVATE KEY", []byte("x"))}, "a.key: the private key is encrypted"},
		{"a key that is none", []string{"a.crt", a.cert, "a.key", text("PRIVATE KEY", []byte("x"))}, "a.key: private key:"},
		{"a certificate that is none", []string{"a.crt", text("CERTIFICATE", []byte("x")), "a.key", a.key}, "a.crt: x509:"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, row.files...)
			if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error = %v, want one with %q", err, row.want)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), slog.New(slog.DiscardHandler)); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		next, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, ok := err.(*os.PathError); ok { //nolint:errorlint // it is what os.IsNotExist takes
			return err
		}
		err = next.Unwrap()
	}
}

func TestCertificateOfAName(t *testing.T) {
	dir := t.TempDir()
	exact, wild := signed(t, newECDSA(t), later, "a.example.com"), signed(t, newECDSA(t), later, "*.example.com", "EXAMPLE.com")
	modern, old := signed(t, newECDSA(t), later, "two.example.net"), signed(t, newRSA(t), later.Add(time.Hour), "two.example.net", "rsa")
	expired := signed(t, newECDSA(t), time.Now().Add(-time.Hour), "a.example.com", "expired")
	put(t, dir, "1", exact.cert+exact.key, "2", wild.cert+wild.key, "3", modern.cert+modern.key, "4", old.cert+old.key, "0", expired.cert+expired.key)
	d, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	noRSA := hello("two.example.net")
	noRSA.SignatureSchemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
	for _, row := range []struct {
		name  string
		hello *tls.ClientHelloInfo
		want  string
	}{
		{"exactly, and that which holds longer", hello("a.example.com"), "a.example.com"},
		{"in capitals, with a dot", hello("A.Example.COM."), "a.example.com"},
		{"by the wildcard", hello("b.example.com"), "*.example.com EXAMPLE.com"},
		{"written in capitals", hello("example.com"), "*.example.com EXAMPLE.com"},
		{"two labels are no wildcard's", hello("a.b.example.com"), ""},
		{"of two, that which holds longer", hello("two.example.net"), "two.example.net rsa"},
		{"of two, that which the client can verify", noRSA, "two.example.net"},
		{"another name", hello("example.org"), ""},
		{"no name", hello(""), ""},
	} {
		if got := subject(d, row.hello); got != row.want {
			t.Errorf("%s: certificate is for %q, want %q", row.name, got, row.want)
		}
	}
}

func TestChangedFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	a, b := signed(t, newECDSA(t), later, "a.example.com"), signed(t, newECDSA(t), later, "b.example.com")
	put(t, dir, "1", a.cert+a.key)
	var log bytes.Buffer
	d, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := d.Reload(); changed || err != nil {
		t.Errorf("nothing changed: %t, %v", changed, err)
	}
	put(t, dir, "2", b.cert+b.key)
	if changed, err := d.Reload(); !changed || err != nil {
		t.Errorf("a file came: %t, %v", changed, err)
	}
	if got := subject(d, hello("b.example.com")); got != "b.example.com" {
		t.Errorf("certificate of the file that came is for %q", got)
	}
	put(t, dir, "2", text("PRIVATE KEY", []byte("half of i")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); d.Watch(ctx, time.Millisecond) }()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := d.Reload(); err != nil {
			break
		}
	}
	if got := subject(d, hello("b.example.com")); got != "b.example.com" {
		t.Errorf("after a file broke, the certificate is for %q, want that from before", got)
	}
	put(t, dir, "2", a.cert+a.key)
	for time.Now().Before(deadline) && len(d.Names()) != 1 {
		time.Sleep(time.Millisecond) // Watch is what is tested, and the file system has no fake time
	}
	if got := subject(d, hello("b.example.com")); got != "" {
		t.Errorf("the certificate that went is still there: %q", got)
	}
	cancel()
	<-ended
	if n := strings.Count(log.String(), "certificates not read again"); n > 1 {
		t.Errorf("the same error was logged %d times", n)
	}
}

func FuzzParse(f *testing.F) {
	a := signed(f, newECDSA(f), later, "a.example.com")
	f.Add([]byte(a.cert + a.key))
	f.Add([]byte(text("RSA PRIVATE KEY", []byte{0x30, 0})))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nDEK-Info: x\n\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		certificates, keys, err := parse(text)
		if err != nil && (certificates != nil || keys != nil) {
			t.Errorf("an error and %d certificates, %d keys", len(certificates), len(keys))
		}
		for _, k := range keys {
			if k.Public() == nil {
				t.Error("a key without a public one")
			}
		}
	})
}
