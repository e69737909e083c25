package edge

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What an origin says before its answer reaches who asked, and nobody else.
func TestInterimResponsesReachTheViewer(t *testing.T) {
	t.Parallel()
	for name, semantics := range map[string]func(*CachePolicyConfig){
		"CloudFront's rules": nil,
		"RFC 9111": func(c *CachePolicyConfig) {
			c.Headers = Selection{Behavior: "whitelist", Names: []string{SemanticsHeader}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := newRuled(t, setup{policy: semantics})
			u.mu.Lock()
			u.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", "</a.css>; rel=preload")
				w.Header().Set("X-Edge-A", "theirs")
				w.WriteHeader(http.StatusEarlyHints)
				w.Header().Del("Link")
				w.WriteHeader(http.StatusProcessing)
				w.Header().Set("Cache-Control", "max-age=60")
				w.WriteHeader(http.StatusOK)
			}
			u.mu.Unlock()
			for _, c := range []struct {
				method, target string
				want           []string
			}{
				{"GET", "/a", []string{"103 </a.css>; rel=preload", "102 "}},
				{"GET", "/a", nil}, // from the cache
				{"POST", "/a", []string{"103 </a.css>; rel=preload", "102 "}},
			} {
				var mu sync.Mutex
				var got []string
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, fmt.Sprint(status, " ", h.Get("Link")))
					if h.Get("X-Edge-A") != "" || h.Get("Cache-Control") != "" {
						t.Errorf("%d has %v", status, h)
					}
					return nil
				}})
				req, err := http.NewRequestWithContext(ctx, c.method, u.viewer.URL+c.target, strings.NewReader(""))
				if err != nil {
					t.Fatal(err)
				}
				req.Host = u.dist.DomainName
				resp, err := u.client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK || resp.Header.Get("Link") != "" {
					t.Errorf("%s %s: %s %v", c.method, c.target, resp.Status, resp.Header)
				}
				mu.Lock()
				if !slices.Equal(got, c.want) {
					t.Errorf("%s %s: interim responses %q, want %q", c.method, c.target, got, c.want)
				}
				mu.Unlock()
			}
		})
	}
}
