package http2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// serveTLS serves handler over TLS on this machine and returns a client of HTTP/2 with the server's URL.
func serveTLS(t testing.TB, s *Server) (*http.Client, string) {
	twin := httptest.NewUnstartedServer(nil) // has a certificate
	twin.EnableHTTP2 = true
	twin.StartTLS()
	t.Cleanup(twin.Close)
	config := twin.TLS.Clone()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				secure := tls.Server(c, config)
				if secure.Handshake() != nil {
					c.Close()
					return
				}
				state := secure.ConnectionState()
				s.ServeConn(secure, nil, &state)
			})
		}
	})
	client := twin.Client()
	t.Cleanup(func() {
		l.Close()
		client.CloseIdleConnections()
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		wait.Wait()
	})
	return client, "https://" + l.Addr().String()
}

// behavior is a handler with the request that is sent to it.
type behavior struct {
	name    string
	handler http.HandlerFunc
	request func(r *http.Request) // nil: a GET
}

// withBody makes a POST of the body, whose length is said or not.
func withBody(body string, said bool) func(*http.Request) {
	return func(r *http.Request) {
		r.Method = http.MethodPost
		r.Body = io.NopCloser(strings.NewReader(body))
		r.ContentLength = -1
		if said {
			r.ContentLength = int64(len(body))
		}
	}
}

func behaviors() []behavior {
	head := func(r *http.Request) { r.Method = http.MethodHead }
	write := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("0123456789"), n/10)) }
	}
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, err := io.WriteString(w, body)
			w.Header().Set("Late", "1")
			if code == 204 && !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}
	}
	reads := func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Method, " ", n, " ", err, " ", r.ContentLength, " ", len(r.TransferEncoding), " ", r.Header, r.Trailer)
	}
	return []behavior{
		{"nothing", func(http.ResponseWriter, *http.Request) {}, nil},
		{"nothing to HEAD", func(http.ResponseWriter, *http.Request) {}, head},
		{"small body", write(10), nil},
		{"small body to HEAD", write(10), head},
		{"html", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, nil},
		{"encoded body is not guessed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "x")
			io.WriteString(w, "<html>")
		}, nil},
		{"no Content-Type wanted", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}, nil},
		{"body of the buffer's size", write(4090), nil},
		{"large body", write(1_000_000), nil},
		{"large body to HEAD", write(1_000_000), head},
		{"body with its length", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			write(1_000_000)(w, r)
		}, nil},
		{"length to HEAD", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "77") }, head},
		{"nonsense for length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "x")
			io.WriteString(w, "a")
		}, nil},
		{"many small writes", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3000 {
				fmt.Fprint(w, i, " ")
			}
		}, nil},
		{"flushed", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			io.WriteString(w, "b")
			_ = http.NewResponseController(w).Flush()
		}, nil},
		{"flushed before the body", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "b") }, nil},
		{"204", status(204, ""), nil},
		{"304", status(304, ""), nil},
		{"204 with a body", status(204, "x"), nil},
		{"404", status(404, "none"), nil},
		{"999", status(999, "odd"), nil},
		{"second WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }, nil},
		{"header in the map after WriteHeader", status(200, "x"), nil},
		{"odd header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["x-lower"] = []string{"1", "2"}
			w.Header()["No Name"] = []string{"1"}
			w.Header()["Ctl"] = []string{"a\x01b", "a\tb"}
			w.Header()["Transfer-Encoding"] = []string{"chunked"}
			w.Header()["Date"] = nil
			w.Header().Set("Connection", "keep-alive")
		}, nil},
		{"announced trailers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Trailer", "A, b")
			w.Header().Add("Trailer", "Content-Length")
			io.WriteString(w, "x")
			w.Header().Set("A", "1")
			w.Header()["B"] = []string{"2", "3"}
			w.Header().Set("C", "4")
		}, nil},
		{"trailers that were not announced", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("x", 10000))
			w.Header().Set(http.TrailerPrefix+"A", "1")
		}, nil},
		{"announced trailers that do not come", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "A")
			io.WriteString(w, "x")
		}, nil},
		{"interim responses", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.Header().Del("Link")
			w.WriteHeader(102)
			io.WriteString(w, "x")
		}, nil},
		{"aborted before anything", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil},
		{"aborted in the body", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, 100000))
			panic(http.ErrAbortHandler)
		}, nil},
		{"panic", func(http.ResponseWriter, *http.Request) { panic("no") }, nil},
		{"request with a body", reads, withBody("hello", true)},
		{"request with a body of unknown length", reads, withBody(strings.Repeat("x", 3_000_000), false)},
		{"request with an empty body", reads, withBody("", false)},
		{"request with trailers", reads, func(r *http.Request) {
			withBody("hello", false)(r)
			r.Trailer = http.Header{"A": {"1"}, "B": nil}
		}},
		{"request without a body", reads, nil},
		{"Expect: 100-continue", reads, func(r *http.Request) { withBody("hello", true)(r); r.Header.Set("Expect", "100-continue") }},
		{"Expect: 100-continue, refused", status(417, "no"), func(r *http.Request) { withBody("hello", true)(r); r.Header.Set("Expect", "100-continue") }},
		{"body that is not read", status(403, "no"), withBody(strings.Repeat("x", 10_000_000), false)},
		{"body that is closed", func(w http.ResponseWriter, r *http.Request) {
			r.Body.Close()
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err != nil)
		}, withBody(strings.Repeat("x", 100_000), false)},
		{"what the handler sees", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Proto, r.ProtoMajor, r.ProtoMinor, r.RequestURI, r.URL, r.Method, r.Header, r.TLS.HandshakeComplete, r.TLS.NegotiatedProtocol, r.Close, r.ContentLength)
			_, local := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
			_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
			fmt.Fprint(w, local, server, r.Host != "", r.RemoteAddr != "")
		}, func(r *http.Request) { r.Header["Cookie"] = []string{"a=1; b=2"}; r.Header["X-A"] = []string{"1", "2"} }},
		{"echo while both go on", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			buf := make([]byte, 1000)
			for {
				n, err := r.Body.Read(buf)
				w.Write(buf[:n])
				w.(http.Flusher).Flush()
				if err != nil {
					return
				}
			}
		}, withBody(strings.Repeat("abc", 100_000), false)},
		{"read deadline", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(-time.Second))
			_, err := io.ReadAll(r.Body)
			var timeout net.Error
			fmt.Fprint(w, errors.As(err, &timeout) && timeout.Timeout())
		}, func(r *http.Request) { withBody("", false)(r); r.Body, _ = io.Pipe() }},
		{"write deadline", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Second))
			w.Write(make([]byte, 10000))
		}, nil},
		{"Hijack and Push", func(w http.ResponseWriter, _ *http.Request) {
			_, hijacks := w.(http.Hijacker)
			fmt.Fprint(w, hijacks)
		}, nil},
	}
}

// told is what a client sees of an answer, in words.
func told(t *testing.T, client *http.Client, url string, b behavior) string {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/a?b=%7e", nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.request != nil {
		b.request(r)
	}
	var interim []string
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		interim = append(interim, fmt.Sprint(code, h))
		return nil
	}}))
	resp, err := client.Do(r)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if _, dated := resp.Header["Date"]; dated {
		resp.Header["Date"] = []string{"some"}
	}
	length := len(body)
	if length > 2000 {
		body = body[:2000]
	}
	if err != nil {
		length, body, err = 0, nil, errors.New("broken off")
	}
	return fmt.Sprintf("%s %s %v %v, length %d: %d bytes %q, %v, %v", resp.Proto, resp.Status, interim, resp.Header, resp.ContentLength, length, body, err, resp.Trailer)
}

// A client of net/http cannot tell whether a handler runs here or in net/http's own server.
func TestHandlersAreServedAsByNetHTTP(t *testing.T) {
	for _, b := range behaviors() {
		t.Run(b.name, func(t *testing.T) {
			reference := httptest.NewUnstartedServer(b.handler)
			reference.EnableHTTP2 = true
			reference.Config.ErrorLog = discard
			reference.StartTLS()
			defer reference.Close()
			client, url := serveTLS(t, &Server{HTTP: &http.Server{Handler: b.handler}})
			want := told(t, reference.Client(), reference.URL, b)
			if got := told(t, client, url, b); got != want {
				t.Errorf("got  %.3000s\nwant %.3000s", got, want)
			}
		})
	}
}

// At the same time, on one connection.
func TestManyAtATime(t *testing.T) {
	all := slices.DeleteFunc(behaviors(), func(b behavior) bool { return strings.Contains(b.name, "deadline") })
	handler := func(w http.ResponseWriter, r *http.Request) {
		var i int
		fmt.Sscan(r.Header.Get("Which"), &i)
		r.Header.Del("Which")
		all[i].handler(w, r)
	}
	client, url := serveTLS(t, &Server{HTTP: &http.Server{Handler: http.HandlerFunc(handler)}})
	which := func(i int) behavior {
		b := all[i]
		return behavior{request: func(r *http.Request) {
			if b.request != nil {
				b.request(r)
			}
			r.Header.Set("Which", fmt.Sprint(i))
		}}
	}
	want := make([]string, len(all))
	for i := range all {
		want[i] = told(t, client, url, which(i))
	}
	var wait sync.WaitGroup
	for range 4 {
		for i := range all {
			wait.Go(func() {
				if got := told(t, client, url, which(i)); got != want[i] {
					t.Errorf("%s: got %.3000s\nwant %.3000s", all[i].name, got, want[i])
				}
			})
		}
	}
	wait.Wait()
}
