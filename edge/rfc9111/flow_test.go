package rfc9111

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// originFunc answers what a cache forwards.
type originFunc func(r *http.Request) (status int, lines []string, body string)

func (f originFunc) RoundTrip(r *http.Request) (*http.Response, error) {
	status, lines, body := f(r)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// ask sends one request through c and returns "status body age".
func ask(c *mapCache, method, target string, lines ...string) string {
	r := httptest.NewRequest(method, target, nil)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	c.refresh.Wait()
	out := http.StatusText(w.Code) + " " + w.Body.String()
	if age := w.Header().Get("Age"); age != "" {
		out += " " + age + " s old"
	}
	return out
}

// A cache made of this package's functions, through the life of its entries, with the clock of a test.
func TestCache(t *testing.T) {
	t.Parallel()
	type step struct {
		wait    time.Duration
		method  string
		lines   []string // of the request
		status  int      // of the origin, should it be asked; 0: it cannot be reached
		headers []string
		body    string
		want    string // of the viewer
		asked   string // what the origin must see: "" nothing, else "METHOD" and conditions
	}
	const fresh, tag = "Cache-Control: max-age=10", `Etag: "a"`
	for _, c := range []struct {
		name   string
		policy Policy
		steps  []step
	}{
		{"a response is used while it is fresh, and then validated", Policy{}, []step{
			{status: 200, headers: []string{fresh, tag}, body: "one", want: "OK one", asked: "GET"},
			{wait: 9 * time.Second, want: "OK one 9 s old"},
			{wait: 2 * time.Second, status: 304, headers: []string{fresh, tag}, want: "OK one 0 s old", asked: `GET "a"`},
			{wait: 9 * time.Second, want: "OK one 9 s old"},
			{wait: 2 * time.Second, status: 200, headers: []string{fresh, `Etag: "b"`}, body: "two", want: "OK two 0 s old", asked: `GET "a"`},
			{lines: []string{`If-None-Match: "b"`}, want: "Not Modified  0 s old"},
			{lines: []string{"Range: bytes=1-"}, want: "Partial Content wo 0 s old"},
			{method: "HEAD", want: "OK  0 s old"},
		}},
		{"stale-while-revalidate answers at once and asks behind", Policy{}, []step{
			{status: 200, headers: []string{"Cache-Control: max-age=10, stale-while-revalidate=5"}, body: "one", want: "OK one", asked: "GET"},
			{wait: 12 * time.Second, status: 200, headers: []string{fresh}, body: "two", want: "OK one 12 s old", asked: "GET"},
			{want: "OK two 0 s old"},
		}},
		{"stale is served when the origin fails, for as long as the policy says", Policy{StaleOnError: 30 * time.Second}, []step{
			{status: 200, headers: []string{fresh}, body: "one", want: "OK one", asked: "GET"},
			{wait: 20 * time.Second, status: 0, want: "OK one 20 s old", asked: "GET"},
			{status: 503, want: "OK one 20 s old", asked: "GET"},
			{status: 404, want: "Not Found ", asked: "GET"},
			{wait: 30 * time.Second, status: 0, want: "Gateway Timeout ", asked: "GET"},
		}},
		{"must-revalidate is never served stale", Policy{StaleOnError: time.Hour}, []step{
			{status: 200, headers: []string{"Cache-Control: max-age=10, must-revalidate"}, body: "one", want: "OK one", asked: "GET"},
			{wait: 11 * time.Second, status: 0, want: "Gateway Timeout ", asked: "GET"},
		}},
		{"a POST takes away what was stored, unless it fails", Policy{}, []step{
			{status: 200, headers: []string{fresh}, body: "one", want: "OK one", asked: "GET"},
			{method: "POST", status: 500, want: "Internal Server Error ", asked: "POST"},
			{want: "OK one 0 s old"},
			{method: "POST", status: 204, want: "No Content ", asked: "POST"},
			{status: 200, headers: []string{fresh}, body: "two", want: "OK two", asked: "GET"},
		}},
		{"variants are kept apart", Policy{}, []step{
			{lines: []string{"Foo: 1"}, status: 200, headers: []string{fresh, "Vary: Foo"}, body: "one", want: "OK one", asked: "GET"},
			{lines: []string{"Foo: 2"}, status: 200, headers: []string{fresh, "Vary: Foo"}, body: "two", want: "OK two", asked: "GET"},
			{lines: []string{"Foo: 1"}, want: "OK one 0 s old"},
			{lines: []string{"Foo:  2 "}, want: "OK two 0 s old"},
		}},
		{"a HEAD refreshes what it still describes", Policy{}, []step{
			{status: 200, headers: []string{fresh, "Content-Length: 3"}, body: "one", want: "OK one", asked: "GET"},
			{wait: 11 * time.Second, method: "HEAD", status: 200, headers: []string{fresh, "Content-Length: 3"}, want: "OK ", asked: "HEAD"},
			{wait: time.Second, want: "OK one 1 s old"},
			{wait: 11 * time.Second, method: "HEAD", status: 200, headers: []string{fresh, "Content-Length: 4"}, want: "OK ", asked: "HEAD"},
			{status: 0, want: "Gateway Timeout ", asked: "GET"},
		}},
		{"a part answers ranges inside it and nothing else", Policy{}, []step{
			{lines: []string{"Range: bytes=2-5"}, status: 206, headers: []string{fresh, "Content-Range: bytes 2-5/10"}, body: "cdef", want: "Partial Content cdef", asked: "GET"},
			{lines: []string{"Range: bytes=3-4"}, want: "Partial Content de 0 s old"},
			{lines: []string{"Range: bytes=3-6"}, status: 206, headers: []string{"Content-Range: bytes 3-6/10"}, body: "defg", want: "Partial Content defg", asked: "GET"},
			{status: 200, headers: []string{fresh}, body: "abcdefghij", want: "OK abcdefghij", asked: "GET"},
			{lines: []string{"Range: bytes=-2"}, want: "Partial Content ij 0 s old"},
		}},
		{"a part that is shorter than it says is not kept", Policy{}, []step{
			{lines: []string{"Range: bytes=2-5"}, status: 206, headers: []string{fresh, "Content-Range: bytes 2-5/10"}, body: "cd", want: "Partial Content cd", asked: "GET"},
			{lines: []string{"Range: bytes=2-3"}, status: 206, headers: []string{"Content-Range: bytes 2-3/10"}, body: "cd", want: "Partial Content cd", asked: "GET"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var now step
				asked := ""
				cache := &mapCache{
					policy: &c.policy, origin: &url.URL{Scheme: "http", Host: "origin.example"}, entries: map[string][]*mapEntry{},
					client: originFunc(func(r *http.Request) (int, []string, string) {
						asked = strings.TrimSpace(asked + " " + r.Method + " " + r.Header.Get("If-None-Match"))
						return now.status, now.headers, now.body
					}),
				}
				for i, s := range c.steps {
					time.Sleep(s.wait)
					now, asked = s, ""
					if s.method == "" {
						s.method = "GET"
					}
					if got := ask(cache, s.method, "http://a.example/b", s.lines...); got != s.want || asked != s.asked {
						t.Errorf("step %d: %q after asking %q, want %q after %q", i+1, got, asked, s.want, s.asked)
					}
				}
			})
		})
	}
}
