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
	"slices"
	"strconv"
	"strings"
	"time"
)

// sample is one measurement.
type sample struct {
	rate         float64       // requests a second
	cost         time.Duration // of the server's processors, for a request
	middle, high time.Duration // 50th and 99th percentile
}

// row is a way to ask.
type row struct {
	protocol    string // "h1", "tls" or "h2"
	connections int
	size        int // of the object in bytes
}

// rowNames are the protocols as they are printed.
var rowNames = map[string]string{"h1": "HTTP/1.1", "tls": "TLS HTTP/1.1", "h2": "TLS HTTP/2"}

// measure loads s for the duration.
func (r row) measure(ctx context.Context, d time.Duration, dir string, s *server) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	load := wrk
	if r.protocol == "h2" {
		load = h2load
	}
	got, err := load(ctx, r, d, dir, s)
	if err != nil {
		return sample{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	got.cost = time.Duration(float64(since(before, after)) / (got.rate * d.Seconds()))
	return got, nil
}

func wrk(ctx context.Context, r row, d time.Duration, _ string, s *server) (sample, error) {
	base := "http://" + s.plain
	if r.protocol == "tls" {
		base = "https://" + s.secure
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", fmt.Sprint("-c", r.connections), fmt.Sprint("-d", int(d.Seconds()), "s"),
		"--latency", "-H", "Host: "+s.host, fmt.Sprintf("%s/%d", base, r.size)).CombinedOutput()
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
	return sample{rate: rate, middle: middle, high: high}, firstOf(err1, err2, err3)
}

func h2load(ctx context.Context, r row, d time.Duration, dir string, s *server) (sample, error) {
	log := filepath.Join(dir, "h2load.log")
	defer os.Remove(log)
	out, err := exec.CommandContext(ctx, "h2load", "-t1", fmt.Sprint("-c", r.connections), "-m1", fmt.Sprint("-D", int(d.Seconds())),
		"--log-file="+log, "-H", ":authority: "+s.host, fmt.Sprintf("https://%s/%d", s.secure, r.size)).CombinedOutput()
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
	middle, high, err := percentiles(log)
	return sample{rate: rate, middle: middle, high: high}, err
}

// percentiles reads h2load's log: a line for each request, whose third column is its time in microseconds.
func percentiles(path string) (middle, high time.Duration, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	var times []float64
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return 0, 0, fmt.Errorf("%s: %q", path, line)
		}
		us, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return 0, 0, err
		}
		times = append(times, us)
	}
	if len(times) == 0 {
		return 0, 0, fmt.Errorf("%s is empty", path)
	}
	slices.Sort(times)
	at := func(q float64) time.Duration {
		return time.Duration(times[int(q*float64(len(times)-1))]) * time.Microsecond
	}
	return at(.50), at(.99), nil
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
func warm(s *server, sizes []int) error {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	bases := []string{"http://" + s.plain}
	if s.secure != "" {
		bases = append(bases, "https://"+s.secure)
	}
	for _, size := range sizes {
		for _, base := range bases {
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

// writeCertificate makes the self-signed certificate (ECDSA, P-256) that the servers show.
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
