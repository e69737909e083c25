package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	status, body := http.StatusOK, "ok\n"
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // is not asked
	admin := server.Listener.Addr().String()
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		cmd      healthCmd
		asked    string
		notReady bool
		fails    string
	}{
		{"ready", 200, "ok\n", healthCmd{}, "/readyz", false, ""},
		{"alive", 200, "ok\n", healthCmd{Live: true}, "/healthz", false, ""},
		{"in full", 200, "[+]state ok\n", healthCmd{Verbose: true}, "/readyz?verbose", false, ""},
		{"not ready", 503, "[-]state\n  failed\n", healthCmd{}, "/readyz", true, "not ready: [-]state failed"},
		{"not ready, in JSON", 503, "{\n \"status\": \"draining\"}", healthCmd{}, "/readyz", true, `not ready: {"status":"draining"}`},
		{"another program", 404, "", healthCmd{}, "/readyz", false, "is not glassine's admin port"},
		{"a page to log in", 303, "", healthCmd{}, "/readyz", false, "is not glassine's admin port"},
	} {
		status, body, asked = tt.status, tt.body, ""
		tt.cmd.Admin, tt.cmd.Timeout = admin, 5*time.Second
		err := tt.cmd.Run()
		if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) || isNotReady(err) != tt.notReady {
			t.Errorf("%s: error %v, want %q, not ready: %v", tt.name, err, tt.fails, tt.notReady)
		}
		if asked != tt.asked {
			t.Errorf("%s: asked %s, want %s", tt.name, asked, tt.asked)
		}
	}
	server.Close()
	err := (&healthCmd{Admin: admin, Timeout: time.Second}).Run()
	if err == nil || isNotReady(err) || !strings.Contains(err.Error(), "is glassine running?") {
		t.Errorf("nobody there: %v, want an error that is not of readiness", err)
	}
}

func TestListeningEverywhereIsDialedAtLoopback(t *testing.T) {
	for given, want := range map[string]string{
		"0.0.0.0:7070": "127.0.0.1:7070", ":7070": "127.0.0.1:7070", "[::]:7070": "127.0.0.1:7070", "10.0.0.5:7070": "10.0.0.5:7070", "localhost:1": "localhost:1", "x": "x",
	} {
		if got := dialed(given); got != want {
			t.Errorf("%s is dialed at %s, want %s", given, got, want)
		}
	}
}
