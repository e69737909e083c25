package edge

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// rawOrigin is an origin that writes answer to every connection, and a transport that reaches it under any name. heard
// gets the header of each request as it stood on the wire.
func rawOrigin(t *testing.T, answer string) (*OriginTransport, <-chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heard := make(chan string, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var lines []string
			for r := bufio.NewScanner(conn); r.Scan() && r.Text() != ""; {
				lines = append(lines, r.Text())
			}
			heard <- strings.Join(lines, "\n")
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	transport := NewOriginTransport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport, heard
}

func wireRig(t *testing.T, answer string) (*rig, <-chan string, *httptest.Server) {
	transport, heard := rawOrigin(t, answer)
	rg := newRig(t, setup{origin: transport.RoundTrip, dist: func(c *DistributionConfig) {
		c.Origins[0].Custom = &CustomOrigin{ProtocolPolicy: "http-only"}
	}})
	t.Cleanup(rg.Close)
	server := httptest.NewUnstartedServer(rg)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return rg, heard, server
}

// ask sends a raw HTTP/1.1 request to the server over TLS and reads the answer. An error is of its header or its body.
func ask(t *testing.T, server *httptest.Server, host, requestLine string) (a answer, err error) {
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, requestLine+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}, err
}

func TestOriginHearsTheViewersTargetByteForByte(t *testing.T) {
	for target, want := range map[string]string{
		"/a//b/%7Ec%2Fd/../e?x=1&showExif=%20a": "/a//b/%7Ec%2Fd/../e?showExif=%20a",
		"//a":                                   "//a",
		"/a|b^c`":                               "/a|b^c`",
		"/caf\xe9":                              "/caf\xe9",
		"/a;b=c,d+e@f:g":                        "/a;b=c,d+e@f:g",
		"/%C3%A9%c3%a9":                         "/%C3%A9%c3%a9",
	} {
		rg, heard, server := wireRig(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		a, err := ask(t, server, rg.dist.DomainName, "GET "+target)
		if err != nil {
			t.Fatal(err)
		}
		at(t, a.status, 200, "status of "+target)
		at(t, a.header.Get("Content-Type"), "", "Content-Type, which the origin did not send")
		lines := strings.Split(<-heard, "\n")
		at(t, lines[0], "GET "+want+" HTTP/1.1", "request line")
		names := map[string]string{}
		for _, line := range lines[1:] {
			name, value, _ := strings.Cut(line, ": ")
			names[name] = value
		}
		at(t, names["Host"], originDomain, "Host")
		at(t, names["User-Agent"], "Amazon CloudFront", "User-Agent")
		at(t, names["X-Amz-Cf-Id"], a.header.Get("X-Amz-Cf-Id"), "X-Amz-Cf-Id")
		if _, ok := names["Accept-Encoding"]; ok || len(names) != 5 {
			t.Errorf("header fields %q, want Host, User-Agent, Via, X-Amz-Cf-Id and X-Forwarded-For", names)
		}
	}
}

func TestViewersConnectionBreaksWithTheOrigins(t *testing.T) {
	for name, answer := range map[string]string{
		"announced length": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"nothing stored":   "HTTP/1.1 200 OK\r\nCache-Control: private\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			rg, _, server := wireRig(t, answer)
			_, err := ask(t, server, rg.dist.DomainName, "GET /a")
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("HTTP/1.1: body ends with %v, want an unexpected EOF", err)
			}
			r, _ := http.NewRequest(http.MethodGet, server.URL+"/a", nil)
			r.Host = rg.dist.DomainName
			resp, err := server.Client().Do(r)
			if err == nil {
				defer resp.Body.Close()
				at(t, resp.Proto, "HTTP/2.0", "protocol")
				_, err = io.ReadAll(resp.Body)
			}
			if err == nil {
				t.Error("HTTP/2: the stream ends well")
			}
		})
	}
}

func TestOriginWithALargeHeaderOrNonsenseIsA502(t *testing.T) {
	for name, answer := range map[string]string{
		"header of more than 20480 bytes": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 20480) + "\r\nContent-Length: 0\r\n\r\n",
		"no HTTP":                         "hello\r\n\r\n",
		"nothing":                         "",
	} {
		t.Run(name, func(t *testing.T) {
			rg, _, server := wireRig(t, answer)
			a, err := ask(t, server, rg.dist.DomainName, "GET /a")
			if err != nil {
				t.Fatal(err)
			}
			at(t, a.status, 502, "status")
		})
	}
}

func TestResponseWithoutABodyKeepsTheConnection(t *testing.T) {
	rg, _, server := wireRig(t, "HTTP/1.1 204 No Content\r\n\r\n")
	a, err := ask(t, server, rg.dist.DomainName, "GET /a")
	if err != nil {
		t.Fatal(err)
	}
	at(t, a.status, 204, "status")
	at(t, a.header.Get("Content-Length"), "", "Content-Length")
}

// FuzzRequest sends what viewers may: none may panic, and every answer is one.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a?showExif=true", "", `"v1"`, "bytes=1-2", `"v1"`, "gzip", "1.1 x.cloudfront.net (CloudFront)")
	f.Add("HEAD", "http://host/a//%7e", "x:1", `W/"v", *`, "bytes=-", "Wed, 21 Oct 2015 07:28:00 GMT", "br;q=0", "")
	f.Add("POST", "*", "[::1]", `"`, "bytes=9-", "", ",", "")
	rg := newRig(f, setup{
		origin:   always(200, "0123456789", "Etag", `"v1"`, "Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
		function: func(_ context.Context, _ string, event []byte) ([]byte, error) { return echo(event), nil },
		config:   func(c *Config) { c.CacheBytes = 1 << 20 },
	})
	f.Cleanup(rg.Close)
	f.Fuzz(func(t *testing.T, method, target, host, match, rng, ifRange, encoding, via string) {
		rg.mu.Lock()
		rg.requests, rg.events = nil, nil
		rg.mu.Unlock()
		rg.log.Reset()
		for _, value := range []string{host, match, rng, ifRange, encoding, via} {
			if !validValue(value) {
				t.Skip() // net/http refuses it before us
			}
		}
		r := rg.request("GET", target, "If-None-Match", match, "Range", rng, "If-Range", ifRange, "Accept-Encoding", encoding, "Via", via)
		if r.Method = method; host != "" {
			r.Host = host
		}
		a := rg.send(r)
		if a.broken || a.header.Get("X-Cache") == "" || len(a.header.Get("X-Amz-Cf-Id")) != 56 {
			t.Fatalf("answer %+v", a)
		}
		switch a.status {
		case 200, 206, 301, 304, 307, 400, 403, 413, 416:
		default:
			t.Fatalf("status %d: %s", a.status, a.body)
		}
		decode(t, rg.log.String())
		rg.mu.Lock()
		defer rg.mu.Unlock()
		for _, q := range rg.requests {
			if uri := q.URL.RequestURI(); !validPath(strings.ReplaceAll(uri, "?", "")) {
				t.Fatalf("request target %q to the origin", uri)
			}
		}
	})
}
