package http1

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/edge/http2"
)

// memory2 is a Responder of HTTP/2 that knows every path that begins with /hit.
type memory2 struct{}

func (memory2) AnswerHTTP2(r *http2.Request) bool {
	body := "loop " + r.Target
	if !strings.HasPrefix(r.Target, "/hit") || !r.Takes(int64(len(body))) {
		return false
	}
	_, _ = r.Write([]byte("HTTP/1.1 200 OK\r\n"), []byte(body)) // the connection knows
	return true
}

// serveBoth serves both protocols on a socket of this machine.
func serveBoth(t *testing.T, secure bool) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	common := &http.Server{Handler: http.HandlerFunc(says), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	s := &Server{HTTP: common, Responder: memory{}, HTTP2: &http2.Server{HTTP: common, Responder: memory2{}}}
	serve := s.Serve
	if secure {
		common.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2", "http/1.1"}}
		serve = s.ServeTLS
	}
	done := make(chan error, 1)
	go func() { done <- serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("Shutdown: %v", err)
		}
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}

func TestBothProtocolsOnAListener(t *testing.T) {
	for _, secure := range []bool{false, true} {
		address := serveBoth(t, secure)
		for _, two := range []bool{false, true} {
			name := map[bool]string{false: "plaintext, ", true: "TLS, "}[secure] + map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[two]
			t.Run(name, func(t *testing.T) {
				tr := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
				tr.Protocols.SetHTTP1(!two)
				tr.Protocols.SetHTTP2(two && secure)
				tr.Protocols.SetUnencryptedHTTP2(two && !secure)
				c := &http.Client{Transport: tr}
				defer c.CloseIdleConnections()
				scheme, handler := "http://", "HTTP/1.1, TLS false"
				if secure {
					scheme, handler = "https://", "HTTP/1.1, TLS true"
				}
				if two {
					handler = strings.Replace(handler, "1.1", "2.0", 1)
				}
				for path, body := range map[string]string{"/hit/1": "loop /hit/1", "/2": handler} {
					for range 2 {
						resp, err := c.Get(scheme + address + path)
						if err != nil {
							t.Fatal(err)
						}
						got, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if string(got) != body || err != nil {
							t.Errorf("%s: %q, %v; want %q", path, got, err, body)
						}
					}
				}
			})
		}
	}
}

// What is of neither protocol gets no answer; what begins like HTTP/2 and is HTTP/1.1 in the end gets that one's.
func TestConnectionOfNeitherProtocol(t *testing.T) {
	address := serveBoth(t, false)
	for _, test := range []struct{ say, want string }{
		{"INVALID CONNECTION PREFACE\r\n\r\n", ""},
		{"PRI * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{preface2[:10], "HTTP/1.1 400 Bad Request\r\n"},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, test.say)
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !strings.HasPrefix(string(answer), test.want) || (len(answer) == 0) != (test.want == "") {
			t.Errorf("%q: %q, want %q", test.say, answer, test.want)
		}
	}
}
