package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

type healthCmd struct {
	Config  string        `help:"File of settings; none reads no file." placeholder:"FILE" env:"GLASSINE_CONFIG"`
	Admin   string        `help:"Address of the admin port." default:"127.0.0.1:7070" env:"GLASSINE_ADMIN"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"5s"`
	Live    bool          `help:"Ask whether the process lives, not whether it is ready."`
	Verbose bool          `short:"v" help:"Print what each part says."`
}

// Help is shown below the flags.
func (c *healthCmd) Help() string {
	return "Ends with 0 when glassine is ready, with 3 when it runs and is not ready, and with 1 when nothing answers: for a container's HEALTHCHECK, and for scripts that wait."
}

// notReady is the error of something that runs and does not answer requests yet, or no more. The process ends with 3.
type notReady struct{ error }

// Unwrap makes errors.Is find what is inside.
func (e notReady) Unwrap() error { return e.error }

// Run asks /readyz of the admin port, or /healthz.
func (c *healthCmd) Run() error {
	path := "/readyz"
	if c.Live {
		path = "/healthz"
	}
	if c.Verbose {
		path += "?verbose"
	}
	body, err := askHealth("http://"+dialed(c.Admin)+path, c.Timeout)
	if err != nil {
		return err
	}
	if c.Verbose {
		_, err := os.Stdout.Write(body)
		return err
	}
	fmt.Println("ok")
	return nil
}

// askHealth returns the body of an answer of 200.
func askHealth(url string, timeout time.Duration) ([]byte, error) {
	// Not through a proxy that the environment names: it does not know this machine's loopback.
	client := &http.Client{
		Timeout: timeout, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get(url)
	if err != nil {
		return nil, fmt.Errorf("is glassine running? %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return body, nil
	case http.StatusServiceUnavailable:
		return nil, notReady{fmt.Errorf("not ready: %s", reasons(body))}
	}
	return nil, fmt.Errorf("what answers at %s is not glassine's admin port: status %s", url, resp.Status)
}

// reasons is what an answer says in one line.
func reasons(body []byte) string {
	text := strings.TrimSpace(string(body))
	var fields map[string]any
	if json.Unmarshal(body, &fields) == nil {
		if short, err := json.Marshal(fields); err == nil {
			return string(short)
		}
	}
	return strings.Join(strings.Fields(text), " ")
}

// dialed is an address at which what listens on address answers on this machine.
func dialed(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// isNotReady reports whether err is of something that runs and is not ready.
func isNotReady(err error) bool {
	_, ok := errors.AsType[notReady](err)
	return ok
}
