package rfc9111

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"glassine/edge/rfc9111/cachetest"
)

// The suite is looked for in GLASSINE_CACHE_TESTS, the folder of the npm package http-cache-tests 0.4.5, and where e2e installs it.
func TestSuite(t *testing.T) {
	t.Parallel()
	dir := cmp.Or(os.Getenv("GLASSINE_CACHE_TESTS"), filepath.FromSlash("../../e2e/node/node_modules/http-cache-tests"))
	cachetest.Check(t, cachetest.Run(t, dir, func(port int) string {
		transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
		t.Cleanup(transport.CloseIdleConnections)
		cache := &mapCache{
			policy:  &Policy{Targeted: []string{"CDN-Cache-Control"}, Surrogate: "glassine", StaleOnError: time.Hour, DistrustAge: true, Languages: true},
			client:  transport,
			entries: map[string][]*mapEntry{},
			origin:  &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)},
		}
		server := httptest.NewServer(cache)
		t.Cleanup(func() { server.Close(); cache.refresh.Wait() })
		return server.URL
	}))
}
