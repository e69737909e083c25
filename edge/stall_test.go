package edge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/edge/http1"
)

// A viewer who stops reading holds up neither the fetch nor anybody else, and is let go after a while, whoever answers him.
func TestViewerWhoStopsReadingIsLetGo(t *testing.T) {
	body := bigBody(4 << 20)
	for _, c := range []struct {
		name   string
		stored bool // before he asks
		fields []string
		loop   bool // the loop answers one of the two
	}{
		{"a hit by the loop", true, nil, true},
		{"a hit by net/http", true, []string{"Pragma: x"}, false},
		{"a body that is fetched for him", false, nil, true}, // and then is there for who reads
		{"a body that is passed on", false, []string{"private"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			control := "max-age=3600"
			if len(c.fields) > 0 && c.fields[0] == "private" {
				control, c.fields = "private", nil
			}
			inBubble(t, setup{origin: always(200, body, "Cache-Control", control), config: func(cfg *Config) { cfg.StallTimeout = time.Minute }, dist: func(cfg *DistributionConfig) {
				cfg.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
			}}, func(t *testing.T, rg *rig) {
				if c.stored {
					rg.get("/a")
					synctest.Wait()
				}
				open := func() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }
				l, count := open(), &counting{Edge: rg.Edge}
				server := &http1.Server{Responder: count, StallTimeout: time.Minute, HTTP: &http.Server{Handler: rg, IdleTimeout: time.Minute}}
				go func() { _ = server.Serve(l) }()
				defer server.Close()
				ask := ask1("GET", "/a", c.fields...)
				ask = strings.Replace(ask, "HOST", rg.dist.DomainName, 1)
				stopped, reads := l.dial(false), l.dial(false)
				defer stopped.Close()
				defer reads.Close()
				if _, err := io.WriteString(stopped, ask); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				begun := time.Now()
				if _, err := io.WriteString(reads, ask); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(reads), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if string(got) != body || err != nil {
					t.Errorf("who reads got %d bytes, %v", len(got), err)
				}
				if took := time.Since(begun); took > 0 {
					t.Errorf("who reads waited %v", took)
				}
				time.Sleep(2*time.Minute + time.Second)
				synctest.Wait()
				got, _ = io.ReadAll(stopped) // what was on its way
				if len(got) >= len(body) {
					t.Errorf("who stopped got %d bytes of %d after two minutes", len(got), len(body))
				}
				at(t, count.answered.Load() > 0, c.loop, "the loop answered")
				if line := rg.log.String(); !strings.Contains(line, "ClientCommError") {
					t.Errorf("the log does not say that the viewer was let go: %s", line)
				}
			})
		})
	}
}

// An origin's body that stops is no viewer's fault: the deadline is of what is written, not of what is waited for.
func TestSlowOriginDoesNotCostItsViewers(t *testing.T) {
	part := strings.Repeat("x", 1000)
	inBubble(t, setup{origin: func(*http.Request) (*http.Response, error) {
		r, w := io.Pipe()
		go func() {
			for range 10 {
				time.Sleep(25 * time.Second)
				_, _ = io.WriteString(w, part)
			}
			w.Close()
		}()
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: r, ContentLength: 10 * int64(len(part))}, nil
	}, config: func(cfg *Config) { cfg.StallTimeout = time.Minute }, dist: func(cfg *DistributionConfig) {
		cfg.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
	}}, func(t *testing.T, rg *rig) {
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		server := &http.Server{Handler: rg}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		conn := l.dial(false)
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET /a HTTP/1.1\r\nHost: %s\r\n\r\n", rg.dist.DomainName); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || len(got) != 10*len(part) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
