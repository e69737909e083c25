package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// endpoint stands in for the AWS endpoint: it answers any of AWS's names over TLS, with certificates of a CA of its own,
// and over plain HTTP, and says what it was asked.
type endpoint struct {
	ours
	caFile string
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{ours: ours{make(chan net.Conn), make(chan struct{})}, caFile: filepath.Join(t.TempDir(), "ca.pem")}
	e.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &e.key.PublicKey, e.key)
	if err != nil {
		t.Fatal(err)
	}
	if e.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(e.handle)}
	go func() { _ = server.Serve(e) }() // until its connections end with their processes
	t.Cleanup(func() { server.Close() })
	return e
}

// serve is Config.AWS.
func (e *endpoint) serve(c net.Conn) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		c.Close()
		return
	}
	c = &peeked{c, first}
	if first[0] == 22 {
		c = tls.Server(c, &tls.Config{GetCertificate: e.leaf})
	}
	select {
	case e.conns <- c:
	case <-e.done:
		c.Close()
	}
}

type peeked struct {
	net.Conn
	first []byte
}

func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

func (e *endpoint) leaf(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{hello.ServerName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, e.ca, &e.key.PublicKey, e.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: e.key}, err
}

// handle answers, and is the proxy that Config.AWS has to be below level strict.
func (e *endpoint) handle(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprint(c, "HTTP/1.1 200 Connection established\r\n\r\n")
			go e.serve(c)
		}
		return
	}
	fmt.Fprintf(w, "tls=%t host=%s path=%s", r.TLS != nil, r.Host, r.URL.Path)
}

// awsCases are functions that ask for a URL by the plain means of their language.
func awsCases(r *rig) map[string]Version {
	return map[string]Version{
		"Node's https module": node(r, `const get = (url) => new Promise((ok, no) => require(url.host ? 'http' : url.split(':')[0]).get(url, (r) => { let b = ''; r.on('data', (d) => b += d).on('end', () => ok(b)) }).on('error', no));
			exports.handler = async (e) => get(e.get)`),
		"Node's fetch":    node(r, `exports.handler = async (e) => (await fetch(e.get)).text()`),
		"Python's urllib": python(r, "import urllib.request\ndef handler(e, c):\n    return urllib.request.urlopen(e['get'], timeout=10).read().decode()"),
		"Go's net/http":   provided(r, "main"),
	}
}

func TestAWSNamesLeadToUs(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	r := strict(t, func(c *Config) { c.AWS, c.CAFile = e.serve, e.caFile })
	for name, v := range awsCases(r) {
		t.Run(name, func(t *testing.T) {
			r.t = t
			for _, host := range []string{
				"io-use1-001.s3-object-lambda.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "a-bucket.s3.us-east-1.amazonaws.com",
				"my-ap-123456789012.s3-accesspoint.eu-central-1.amazonaws.com", "sts.amazonaws.com",
			} {
				r.want(r.invoke(v, fmt.Sprintf(`{"get":"https://%s/key"}`, host)), fmt.Sprintf(`"tls=true host=%s path=/key"`, host))
			}
			r.want(r.invoke(v, `{"get":"http://s3.us-east-1.amazonaws.com/plain"}`), `"tls=false host=s3.us-east-1.amazonaws.com path=/plain"`)
			r.Retire(v.Key)
		})
	}
}
