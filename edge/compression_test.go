package edge

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

func TestCompression(t *testing.T) {
	text := strings.Repeat("some text that repeats itself; ", 100)
	origin := func(body string, fields ...string) roundTrip { return always(200, body, fields...) }
	for _, test := range []struct {
		name     string
		origin   roundTrip
		off      bool // Compress is false
		accept   []string
		encoding string // of the answer
		etag     string
	}{
		{"Brotli before gzip", origin(text, "Content-Type", "text/plain", "Etag", `"v1"`), false, []string{"Accept-Encoding", "gzip, br"}, "br", `W/"v1"`},
		{"gzip", origin(text, "Content-Type", "application/json"), false, []string{"Accept-Encoding", "gzip"}, "gzip", ""},
		{"a viewer that takes neither", origin(text, "Content-Type", "text/plain", "Etag", `"v1"`), false, []string{"Accept-Encoding", "zstd"}, "", `"v1"`},
		{"a viewer that says nothing", origin(text, "Content-Type", "text/plain"), false, nil, "", ""},
		{"a behavior that does not", origin(text, "Content-Type", "text/plain"), true, []string{"Accept-Encoding", "gzip, br"}, "", ""},
		{"a picture", origin(text, "Content-Type", "image/jpeg"), false, []string{"Accept-Encoding", "gzip, br"}, "", ""},
		{"a short text", origin(text[:999], "Content-Type", "text/plain"), false, []string{"Accept-Encoding", "gzip, br"}, "", ""},
		{"what is not cached", origin(text, "Content-Type", "text/plain", "Cache-Control", "no-store"), false, []string{"Accept-Encoding", "gzip, br"}, "", ""},
		{"what the origin compressed", origin(text, "Content-Type", "text/plain", "Content-Encoding", "gzip"), false, []string{"Accept-Encoding", "gzip, br"}, "gzip!", ""},
		{"a length that is not known", func(*http.Request) (*http.Response, error) {
			r := response(200, text, "Content-Type", "text/plain")
			r.ContentLength = -1
			return r, nil
		}, false, []string{"Accept-Encoding", "gzip, br"}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := newRig(t, setup{origin: test.origin, dist: func(c *DistributionConfig) { c.DefaultCacheBehavior.Compress = !test.off }})
			defer rg.Close()
			for _, when := range []string{"miss", "hit"} {
				a := rg.get("/a", test.accept...)
				at(t, a.header.Get("Content-Encoding"), strings.TrimSuffix(test.encoding, "!"), when+": Content-Encoding")
				at(t, a.header.Get("Etag"), test.etag, when+": ETag")
				switch body := unpacked(t, a.body, test.encoding); {
				case !strings.HasPrefix(text, body) || len(body) < 999:
					t.Errorf("%s: body of %d bytes, %d unpacked, is another", when, len(a.body), len(body))
				case (test.encoding == "br" || test.encoding == "gzip") && len(a.body) > len(text)/5:
					t.Errorf("%s: %d bytes are left of %d", when, len(a.body), len(text))
				case test.encoding == "br" && a.header.Get("Vary") != "Accept-Encoding":
					t.Errorf("%s: Vary %q", when, a.header.Get("Vary"))
				}
			}
		})
	}
}

// unpacked undoes an encoding; one with an exclamation mark is only said to be.
func unpacked(t *testing.T, body, encoding string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	switch encoding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCompressedObjectStaysWhatItIsWhenRevalidated(t *testing.T) {
	text := strings.Repeat("some text that repeats itself; ", 100)
	inBubble(t, setup{origin: func(r *http.Request) (*http.Response, error) {
		if tag := r.Header.Get("If-None-Match"); tag == `W/"v1"` {
			return response(304, "", "Etag", `"v1"`, "Cache-Control", "max-age=5", "Vary", "Origin"), nil
		}
		return response(200, text, "Content-Type", "text/plain", "Etag", `"v1"`, "Cache-Control", "max-age=5"), nil
	}, dist: func(c *DistributionConfig) { c.DefaultCacheBehavior.Compress = true }}, func(t *testing.T, rg *rig) {
		rg.get("/a", "Accept-Encoding", "br")
		time.Sleep(6 * time.Second)
		a := rg.get("/a", "Accept-Encoding", "br")
		at(t, a.xCache(), "RefreshHit", "X-Cache")
		at(t, a.header.Get("Etag"), `W/"v1"`, "ETag")
		at(t, a.header.Get("Vary"), "Accept-Encoding", "Vary")
		at(t, unpacked(t, a.body, a.header.Get("Content-Encoding")), text, "body")
		at(t, rg.get("/a", "Accept-Encoding", "br", "If-None-Match", `W/"v1"`).status, 304, "status of a condition")
	})
}

func TestBodyOfAnotherLengthIsNotKeptCompressed(t *testing.T) {
	text := strings.Repeat("some text that repeats itself; ", 100)
	for _, length := range []int64{int64(len(text)) - 1, int64(len(text)) + 1} {
		n := 0
		rg := newRig(t, setup{origin: func(*http.Request) (*http.Response, error) {
			n++
			r := response(200, text, "Content-Type", "text/plain")
			r.ContentLength = length
			return r, nil
		}, dist: func(c *DistributionConfig) { c.DefaultCacheBehavior.Compress = true }})
		a := rg.get("/a", "Accept-Encoding", "gzip")
		at(t, a.broken, true, "the connection was reset")
		rg.get("/a", "Accept-Encoding", "gzip")
		at(t, n, 2, "origin requests")
		rg.Close()
	}
}
