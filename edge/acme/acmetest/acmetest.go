// Package acmetest is a certificate authority for tests of ACME: Pebble, at the version of tools.mod. It is for tests alone.
//
// Start at Start.
package acmetest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Authority is Pebble, the ACME server that Let's Encrypt has for tests, as a process of its own.
type Authority struct {
	Directory string         // its URL
	RootsFile string         // PEM of what its listener's certificate is signed by
	Issued    *x509.CertPool // the root of what it issues
}

// Start builds and starts Pebble until the test ends. It looks for proofs on this machine's two ports, whatever the name is.
func Start(t *testing.T, httpPort, tlsPort int) *Authority {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "pebble")
	mod, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "tools.mod")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-modfile="+tools, "-o", program, "github.com/letsencrypt/pebble/v2/cmd/pebble").CombinedOutput(); err != nil {
		t.Fatalf("build pebble: %v\n%s", err, out)
	}
	cert, key, roots := listenerCertificate(t, dir)
	listen, manage := freePort(t), freePort(t)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:" + strconv.Itoa(listen), "managementListenAddress": "127.0.0.1:" + strconv.Itoa(manage),
		"certificate": cert, "privateKey": key, "httpPort": httpPort, "tlsPort": tlsPort, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	pebble := exec.CommandContext(ctx, program, "-config", file, "-dnsserver", nameServer(t))
	pebble.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1")
	var output bytes.Buffer
	pebble.Stdout, pebble.Stderr = &output, &output
	if err := pebble.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = pebble.Wait() // killed
		if t.Failed() {
			t.Logf("pebble:\n%s", output.String())
		}
	})
	a := &Authority{Directory: fmt.Sprintf("https://127.0.0.1:%d/dir", listen), RootsFile: cert, Issued: x509.NewCertPool()}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) { // a process that starts says nothing else
		resp, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/roots/0", manage))
		if err != nil {
			if time.Since(begun) > 20*time.Second {
				t.Fatalf("pebble does not answer: %v", err)
			}
			continue
		}
		root, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !a.Issued.AppendCertsFromPEM(root) {
			t.Fatalf("root of pebble: %q, %v", root, err)
		}
		return a
	}
}

// listenerCertificate makes the certificate of Pebble's own listener.
func listenerCertificate(t *testing.T, dir string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(certFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return certFile, keyFile, roots
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// nameServer is a DNS server over TCP (RFC 1035, section 4.2.2), which Pebble asks, for which every name has the address
// 127.0.0.1 and nothing else.
func nameServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for {
					size := make([]byte, 2)
					if _, err := io.ReadFull(conn, size); err != nil {
						return
					}
					packet := make([]byte, binary.BigEndian.Uint16(size))
					if _, err := io.ReadFull(conn, packet); err != nil {
						return
					}
					answer := resolve(packet)
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// resolve answers a question of DNS.
func resolve(packet []byte) []byte {
	end := 12 // after the header, the question: labels, a zero, type and class
	for end < len(packet) && packet[end] != 0 {
		end += int(packet[end]) + 1
	}
	end = min(end+5, len(packet))
	answer := append([]byte(nil), packet[:end]...)
	copy(answer[2:12], []byte{0x85, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}) // an authoritative answer, one question
	if answer[end-3] == 1 {                                        // A
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return answer
}
