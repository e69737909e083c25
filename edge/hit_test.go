package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"glassine/edge/cache"
	"glassine/telemetry"
)

// sink is the cheapest ResponseWriter: what remains is what ServeHTTP itself costs.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (w *sink) Header() http.Header         { return w.header }
func (w *sink) WriteHeader(status int)      { w.status = status }
func (w *sink) Write(p []byte) (int, error) { w.bytes += len(p); return len(p), nil }

func (w *sink) reset() {
	clear(w.header)
	w.status, w.bytes = 0, 0
}

// hitRig is a rig with a stored object of size bytes under /a.jpg, and a browser's request for it.
func hitRig(t testing.TB, size int) (*rig, *http.Request) {
	rg := newRig(t, setup{origin: always(200, strings.Repeat("x", size), "Content-Type", "image/jpeg", "Etag", `"0123456789abcdef"`,
		"Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT", "X-Amz-Request-Id", "0123456789ABCDEF"), config: func(c *Config) { c.AccessLog, c.Metrics = nil, telemetry.NewMetrics("").Requests() }})
	t.Cleanup(rg.Close)
	r := rg.request("GET", "/a.jpg?showExif=false", "Accept", "image/avif,image/webp,*/*;q=0.8", "Accept-Encoding", "gzip, deflate, br",
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Accept-Language", "en")
	rg.send(r)
	return rg, r
}

// hitAllocs is how many allocations a hit may cost in ServeHTTP: the request id, the list of it and the Age, and the
// Age's digits from 100 s on. Measured 2026-11-26: 2, with an Age below 100 s.
const hitAllocs = 3

func TestHitStaysWithinItsAllocations(t *testing.T) {
	rg, r := hitRig(t, 10<<10)
	for rg.cache.Lookup(lookupKey(rg, r)) == nil {
	}
	w := &sink{header: make(http.Header, 32)}
	n := testing.AllocsPerRun(1000, func() {
		w.reset()
		rg.ServeHTTP(w, r)
	})
	if w.status != 200 || w.bytes != 10<<10 || w.header.Get("X-Cache") != "Hit from cloudfront" {
		t.Fatalf("status %d, %d bytes, %s: no hit", w.status, w.bytes, w.header.Get("X-Cache"))
	}
	t.Logf("%v allocations", n)
	if n > hitAllocs {
		t.Errorf("a hit allocates %v times, the budget is %d", n, hitAllocs)
	}
}

func lookupKey(rg *rig, r *http.Request) cache.Key {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	s := rg.routes.Load().site(r.Host)
	return s.behavior(path).policy.appendKey(nil, s.domain, path, query, viewing(r))
}

func BenchmarkHit(b *testing.B) {
	for _, size := range []int{10 << 10, 100 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			rg, r := hitRig(b, size)
			for rg.cache.Lookup(lookupKey(rg, r)) == nil {
			}
			w := &sink{header: make(http.Header, 32)}
			b.ReportAllocs()
			for b.Loop() {
				w.reset()
				rg.ServeHTTP(w, r)
			}
			if w.header.Get("X-Cache") != "Hit from cloudfront" {
				b.Fatal("no hit")
			}
		})
	}
}

func TestHitsOnOneEntryDoNotChangeIt(t *testing.T) {
	inBubble(t, setup{origin: always(200, "0123456789", "Content-Type", "text/plain")}, func(t *testing.T, rg *rig) {
		rg.get("/a")
		synctest.Wait()
		rg.get("/a", "Range", "bytes=1-2")
		rg.get("/a", "Range", "bytes=99-")
		a := rg.get("/a")
		at(t, a.body, "0123456789", "body")
		at(t, a.header.Get("Content-Type"), "text/plain", "Content-Type")
		at(t, a.header.Get("Content-Length"), "10", "Content-Length")
		at(t, a.header.Get("Content-Range"), "", "Content-Range")
	})
}
