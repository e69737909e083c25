package compress

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
)

// The rows are those of the Developer Guide, "Compressed objects in your cache" and "Conditions for compression".
func TestNegotiate(t *testing.T) {
	t.Parallel()
	both, gz, br := Formats{Gzip: true, Brotli: true}, Formats{Gzip: true}, Formats{Brotli: true}
	all := Formats{Gzip: true, Brotli: true, Zstd: true}
	lines := func(s ...string) []string { return s }
	f := func(name string, formats Formats, lines []string, major, minor int, key, forward string) {
		t.Helper()
		got := formats.Negotiate(lines, major, minor)
		if got.Key != key || got.Forward != forward || got.Ordinary {
			t.Errorf("%s: Negotiate(%q) = key %q, forward %q, ordinary %v, want %q, %q", name, lines, got.Key, got.Forward, got.Ordinary, key, forward)
		}
	}
	f("both on, the viewer has both", both, lines("gzip, deflate, br"), 1, 1, "br,gzip", "br,gzip")
	f("both on, in another order, on two lines", both, lines("br", "gzip"), 2, 0, "br,gzip", "br,gzip")
	f("both on, the viewer has gzip", both, lines("gzip, deflate"), 1, 1, "gzip", "gzip")
	f("both on, the viewer has Brotli", both, lines("br;q=1.0"), 1, 1, "br", "br")
	f("both on, the viewer has neither", both, lines("deflate, sdch"), 1, 1, "", "identity")
	f("both on, the viewer has an empty list", both, lines(""), 1, 1, "", "identity")
	f("gzip on, the viewer has both", gz, lines("gzip, br"), 1, 1, "gzip", "gzip")
	f("gzip on, the viewer has Brotli", gz, lines("br"), 1, 1, "", "identity")
	f("Brotli on, the viewer has both", br, lines("gzip, br"), 1, 1, "br", "br")
	f("no Accept-Encoding", both, nil, 1, 1, "", "")
	f("HTTP/1.0", both, lines("gzip, br"), 1, 0, "", "")
	f("HTTP/3", both, lines("gzip"), 3, 0, "gzip", "gzip")
	f("a weight of 0", both, lines("gzip;q=0, br;q=0.000"), 1, 1, "", "identity")
	f("a weight above 0", both, lines("gzip;q=0.001, br; Q = 0"), 1, 1, "gzip", "gzip")
	f("a weight that is none", both, lines("gzip;q=x"), 1, 1, "", "identity")
	f("any case, and the old name", both, lines("X-GZip, BR"), 1, 1, "br,gzip", "br,gzip")
	f("a name that only begins so", both, lines("gzipped, brr"), 1, 1, "", "identity")
	f("zstd is not CloudFront's", both, lines("zstd"), 1, 1, "", "identity")
	f("zstd, if enabled", all, lines("zstd, gzip"), 1, 1, "zstd,gzip", "zstd,gzip")
	f("all three", all, lines("gzip, zstd, br"), 1, 1, "br,zstd,gzip", "br,zstd,gzip")
	if got := (Formats{}).Negotiate(lines("gzip"), 1, 1); !got.Ordinary || got.Key != "" || got.Forward != "" {
		t.Errorf("both off: %+v, want an ordinary header", got)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	both := Formats{Gzip: true, Brotli: true}
	json := map[string]string{"Content-Type": "application/json", "Content-Length": "5000"}
	with := func(name, value string) map[string]string {
		m := map[string]string{}
		for k, v := range json {
			m[k] = v
		}
		m[name] = value
		if value == "-" {
			delete(m, name)
		}
		return m
	}
	for _, c := range []struct {
		name, accept string
		status       int
		header       map[string]string
		ttl          time.Duration
		want         Coding
	}{
		{"Brotli is preferred", "gzip, br", 200, json, time.Hour, Brotli},
		{"gzip for who has no Brotli", "gzip", 200, json, time.Hour, Gzip},
		{"nothing for who takes nothing", "deflate", 200, json, time.Hour, ""},
		{"403", "gzip", 403, json, time.Hour, Gzip},
		{"404", "gzip", 404, json, time.Hour, Gzip},
		{"another status", "gzip", 206, json, time.Hour, ""},
		{"an error", "gzip", 500, json, time.Hour, ""},
		{"what is not cached", "gzip", 200, json, 0, ""},
		{"what is encoded", "gzip", 200, with("Content-Encoding", "gzip"), time.Hour, ""},
		{"what is encoded as itself", "gzip", 200, with("Content-Encoding", "identity"), time.Hour, ""},
		{"no Content-Length", "gzip", 200, with("Content-Length", "-"), time.Hour, ""},
		{"999 bytes", "gzip", 200, with("Content-Length", "999"), time.Hour, ""},
		{"1,000 bytes", "gzip", 200, with("Content-Length", "1000"), time.Hour, Gzip},
		{"10,000,000 bytes", "gzip", 200, with("Content-Length", "10000000"), time.Hour, Gzip},
		{"10,000,001 bytes", "gzip", 200, with("Content-Length", "10000001"), time.Hour, ""},
		{"a picture", "gzip", 200, with("Content-Type", "image/jpeg"), time.Hour, ""},
		{"SVG, with a parameter", "gzip", 200, with("Content-Type", "Image/SVG+xml; charset=utf-8"), time.Hour, Gzip},
		{"WebAssembly", "gzip", 200, with("Content-Type", "application/wasm"), time.Hour, ""},
		{"no type", "gzip", 200, with("Content-Type", "-"), time.Hour, ""},
		{"no-transform", "gzip", 200, with("Cache-Control", "public, No-Transform"), time.Hour, ""},
	} {
		h := http.Header{}
		for k, v := range c.header {
			h.Set(k, v)
		}
		if got := both.Negotiate([]string{c.accept}, 1, 1).Choose(c.status, h, c.ttl); got != c.want {
			t.Errorf("%s: Choose(%d, %v, %v) for %q = %q, want %q", c.name, c.status, h, c.ttl, c.accept, got, c.want)
		}
	}
	if got := (Formats{}).Negotiate([]string{"gzip"}, 1, 1).Choose(200, http.Header{"Content-Type": {"text/css"}, "Content-Length": {"5000"}}, time.Hour); got != "" {
		t.Errorf("with no format enabled: %q", got)
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		before, want http.Header
	}{
		{
			"a strong tag becomes weak",
			http.Header{"Etag": {`"a"`}, "Content-Length": {"5000"}, "Content-Type": {"text/css"}},
			http.Header{"Etag": {`W/"a"`}, "Content-Type": {"text/css"}, "Content-Encoding": {"br"}, "Vary": {"Accept-Encoding"}},
		},
		{"a weak tag stays", http.Header{"Etag": {`W/"a"`}}, http.Header{"Etag": {`W/"a"`}, "Content-Encoding": {"br"}, "Vary": {"Accept-Encoding"}}},
		{"a malformed tag goes", http.Header{"Etag": {`a`}}, http.Header{"Content-Encoding": {"br"}, "Vary": {"Accept-Encoding"}}},
		{
			"what described the body goes",
			http.Header{"Content-Md5": {"x"}, "Content-Digest": {"y"}, "Accept-Ranges": {"bytes"}},
			http.Header{"Content-Encoding": {"br"}, "Vary": {"Accept-Encoding"}},
		},
		{"Vary is added to", http.Header{"Vary": {"Origin"}}, http.Header{"Vary": {"Origin", "Accept-Encoding"}, "Content-Encoding": {"br"}}},
		{"Vary has it already", http.Header{"Vary": {"Origin, accept-encoding"}}, http.Header{"Vary": {"Origin, accept-encoding"}, "Content-Encoding": {"br"}}},
	} {
		before := c.before.Clone()
		if diff := cmp.Diff(c.want, Header(c.before, Brotli), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
		if diff := cmp.Diff(before, c.before); diff != "" {
			t.Errorf("%s: the header that was given changed:\n%s", c.name, diff)
		}
	}
}

var codings = []Coding{Brotli, Zstd, Gzip}

// decoded reads a body with an independent reader: for gzip the standard library's.
func decoded(c Coding, r io.Reader) ([]byte, error) {
	switch c {
	case Brotli:
		return io.ReadAll(brotli.NewReader(r))
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	}
	z, err := zstd.NewReader(r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

// document is text such as an EXIF answer, of about n bytes.
func document(n int) []byte {
	var b bytes.Buffer
	b.WriteString("[")
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":%d,"make":"Example","exposure":"1/%d","gps":{"lat":%d.5,"lon":-%d.25}},`, i, i*i%8000, i%90, i*7%180)
	}
	return append(b.Bytes(), ']')
}

func TestReaderRoundTrips(t *testing.T) {
	t.Parallel()
	for _, c := range codings {
		for _, n := range []int{0, 1, 1000, 100_000, 1_500_000} {
			want := document(n)[:n]
			for name, source := range map[string]io.Reader{
				"whole": bytes.NewReader(want), "with the end beside the last bytes": iotest.DataErrReader(bytes.NewReader(want)), "by halves": iotest.HalfReader(bytes.NewReader(want)),
			} {
				r := NewReader(source, c)
				var wire bytes.Buffer
				if _, err := io.Copy(&wire, r); err != nil {
					t.Fatalf("%s of %d bytes, %s: %v", c, n, name, err)
				}
				r.Close()
				got, err := decoded(c, &wire)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s of %d bytes, %s, comes back as %d bytes, %v", c, n, name, len(got), err)
				}
			}
		}
	}
}

// A source that breaks off must not look like a whole body.
func TestReaderKeepsErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, c := range codings {
		r := NewReader(io.MultiReader(bytes.NewReader(document(200_000)), iotest.ErrReader(broken)), c)
		wire, err := io.ReadAll(r)
		if !errors.Is(err, broken) {
			t.Errorf("%s: error %v, want the source's", c, err)
		}
		if _, err := decoded(c, bytes.NewReader(wire)); err == nil {
			t.Errorf("%s: a body that broke off reads as a whole one", c)
		}
		r.Close()
		r.Close()
		if _, err := r.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: Read after Close: %v", c, err)
		}
	}
}

// Encoders are used again; what one body left in them must not get into the next.
func TestEncodersAreReused(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, c := range codings {
		for i := range 8 {
			all.Go(func() {
				for j := range 20 {
					want := []byte(strings.Repeat(fmt.Sprint(i, j, c), 500))
					if j%3 == 0 { // one that is given up half way
						r := NewReader(bytes.NewReader(document(100_000)), c)
						r.Read(make([]byte, 10))
						r.Close()
					}
					wire, err := Bytes(want, c)
					if err != nil {
						t.Errorf("%s: %v", c, err)
						return
					}
					if got, err := decoded(c, bytes.NewReader(wire)); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%s: %d bytes come back as %d, %v", c, len(want), len(got), err)
					}
				}
			})
		}
	}
	all.Wait()
}

func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"gzip, br", "br;q=0", "gzip;q=", ";;,,", "*"} {
		f.Add(s)
	}
	all := Formats{Gzip: true, Brotli: true, Zstd: true}
	f.Fuzz(func(t *testing.T, s string) {
		a := all.Negotiate([]string{s}, 1, 1)
		if again := all.Negotiate([]string{a.Forward}, 1, 1); again.Key != a.Key {
			t.Errorf("%q is normalised to %q, and that to %q", s, a.Key, again.Key)
		}
		for c := range strings.SplitSeq(a.Key, ",") {
			if c != "" && !strings.Contains(strings.ToLower(s), c) {
				t.Errorf("%q is normalised to %q", s, a.Key)
			}
		}
	})
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add(document(2000))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, c := range codings {
			wire, err := Bytes(body, c)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decoded(c, bytes.NewReader(wire)); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s: %q comes back as %q, %v", c, body, got, err)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for _, c := range codings {
		for _, n := range []int{2_000, 200_000} {
			body := document(n)
			b.Run(fmt.Sprintf("%s/%d", c, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				size := int64(0)
				for b.Loop() {
					r := NewReader(bytes.NewReader(body), c)
					size, _ = io.Copy(io.Discard, r)
					r.Close()
				}
				b.ReportMetric(float64(len(body))/float64(size), "ratio")
			})
		}
	}
}

func BenchmarkNegotiate(b *testing.B) {
	f, lines := Formats{Gzip: true, Brotli: true}, []string{"gzip, deflate, br, zstd"}
	b.ReportAllocs()
	for b.Loop() {
		f.Negotiate(lines, 1, 1)
	}
}
