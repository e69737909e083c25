package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sample is one measurement.
type sample struct {
	rate         float64       // requests a second
	middle, high time.Duration // wrk: 50th and 99th percentile; h2load: mean and maximum
}

// load is a way to ask.
type load struct {
	protocol string
	run      func(context.Context, options, *server, int) (sample, error)
}

var loads = []load{{"HTTP/1.1", wrk}, {"TLS h2", h2load}}

func wrk(ctx context.Context, o options, s *server, size int) (sample, error) {
	out, err := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprint("-c", o.connections), fmt.Sprint("-d", int(o.duration.Seconds()), "s"),
		"--latency", "-H", "Host: "+s.host, fmt.Sprintf("http://%s/%d", s.plain, size)).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, out)
	}
	text := string(out)
	if strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		return sample{}, fmt.Errorf("not every request was answered:\n%s", text)
	}
	rate, err1 := number(text, `Requests/sec:\s+([0-9.]+)`)
	middle, err2 := duration(text, `(?m)^\s+50%\s+(\S+)`)
	high, err3 := duration(text, `(?m)^\s+99%\s+(\S+)`)
	return sample{rate, middle, high}, firstOf(err1, err2, err3)
}

func h2load(ctx context.Context, o options, s *server, size int) (sample, error) {
	out, err := exec.CommandContext(ctx, "h2load", "-t1", fmt.Sprint("-c", o.connections), "-m1", fmt.Sprint("-D", int(o.duration.Seconds())),
		"-H", ":authority: "+s.host, fmt.Sprintf("https://%s/%d", s.secure, size)).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, out)
	}
	text := string(out)
	rate, err1 := number(text, `finished in [^,]+, ([0-9.]+) req/s`)
	wrong, err2 := number(text, `status codes: .* 2xx, ([0-9]+) 3xx`)
	client, err3 := number(text, `([0-9]+) 4xx`)
	broken, err4 := number(text, `([0-9]+) 5xx`)
	if err := firstOf(err1, err2, err3, err4); err != nil {
		return sample{}, err
	}
	if wrong+client+broken > 0 || !strings.Contains(text, "Application protocol: h2") {
		return sample{}, fmt.Errorf("not every request was answered over h2:\n%s", text)
	}
	// time for request: min max mean sd
	m := regexp.MustCompile(`time for request:\s+\S+\s+(\S+)\s+(\S+)`).FindStringSubmatch(text)
	if m == nil {
		return sample{}, fmt.Errorf("no times in\n%s", text)
	}
	high, err1 := time.ParseDuration(m[1])
	middle, err2 := time.ParseDuration(m[2])
	return sample{rate, middle, high}, firstOf(err1, err2)
}

func number(text, pattern string) (float64, error) {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no %s in\n%s", pattern, text)
	}
	return strconv.ParseFloat(m[1], 64)
}

func duration(text, pattern string) (time.Duration, error) {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no %s in\n%s", pattern, text)
	}
	return time.ParseDuration(m[1])
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// warm asks for every object as the load will, with no Accept-Encoding, so that it is cached, and checks the answers.
func warm(s *server) error {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for _, size := range sizes {
		for _, base := range []string{"http://" + s.plain, "https://" + s.secure} {
			for range 3 {
				r, err := http.NewRequest(http.MethodGet, fmt.Sprint(base, "/", size), nil)
				if err != nil {
					return err
				}
				r.Host = s.host
				resp, err := client.Do(r)
				if err != nil {
					return fmt.Errorf("warm %s: %w", s.name, err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil {
					return fmt.Errorf("warm %s: %w", s.name, err)
				}
				if resp.StatusCode != http.StatusOK || len(body) != size {
					return fmt.Errorf("warm %s: status %d with %d bytes; want 200 with %d", s.name, resp.StatusCode, len(body), size)
				}
			}
		}
	}
	return nil
}

const (
	certificateFile = "certificate.pem"
	keyFile         = "key.pem"
)

// writeCertificate makes the self-signed certificate (ECDSA, P-256) that both servers show.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"bench.example.com"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{certificateFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
