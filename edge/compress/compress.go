// Package compress says when the edge compresses a response and with what, and does it: gzip and Brotli as CloudFront does, zstd as
// an extension (docs/aws-differences.md).
//
// It does not look at the cache or at the behavior's Compress, which is its caller's, and never decompresses.
//
// Start from Formats.Negotiate, then Accepted.Choose, Header and NewReader.
//
// CloudFront Developer Guide, "Serve compressed files".
package compress

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Coding is a content coding: Brotli, Zstd, Gzip, or "" for none.
type Coding string

// The codings, as Content-Encoding has them.
const (
	Brotli Coding = "br"
	Zstd   Coding = "zstd"
	Gzip   Coding = "gzip"
)

// Formats are the codings that a cache policy enables: EnableAcceptEncodingGzip, EnableAcceptEncodingBrotli, and zstd.
type Formats struct{ Gzip, Brotli, Zstd bool }

// Accepted is what is left of a viewer's Accept-Encoding.
type Accepted struct {
	// Ordinary: no format is enabled, so Accept-Encoding is a header like any other, and the rest here is empty.
	Ordinary bool
	// Key is the part of the cache key: "br,gzip", "gzip", ..., or "" for none.
	Key string
	// Forward is the Accept-Encoding for the origin, or "": none is sent.
	Forward string

	codings []Coding // the best first
}

// preference is the order in which codings are used when a viewer takes several. "When the viewer supports both Gzip and Brotli,
// CloudFront uses Brotli."
var preference = []Coding{Brotli, Zstd, Gzip}

// Negotiate normalises the lines of a viewer's Accept-Encoding. major and minor are the version of the viewer's HTTP; before 1.1
// there is no compression. A coding with weight 0 is not taken; weights otherwise, and "*", are not looked at.
// Developer Guide, "Control the cache key", "Compressed objects in your cache".
func (f Formats) Negotiate(lines []string, major, minor int) Accepted {
	if f == (Formats{}) {
		return Accepted{Ordinary: true}
	}
	if len(lines) == 0 || major == 1 && minor == 0 || major < 1 {
		return Accepted{}
	}
	var a Accepted
	for _, c := range preference {
		if f.enabled(c) && takes(lines, c) {
			a.codings = append(a.codings, c)
		}
	}
	if len(a.codings) == 0 {
		return Accepted{Forward: "identity"}
	}
	var b strings.Builder
	for i, c := range a.codings {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(c))
	}
	a.Key = b.String()
	a.Forward = a.Key
	return a
}

func (f Formats) enabled(c Coding) bool {
	return c == Gzip && f.Gzip || c == Brotli && f.Brotli || c == Zstd && f.Zstd
}

// takes tells whether an Accept-Encoding lists c with a weight above 0 (RFC 9110, section 12.5.3).
func takes(lines []string, c Coding) bool {
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(member, ";")
			if name = strings.Trim(name, " \t"); !strings.EqualFold(name, string(c)) && !(c == Gzip && strings.EqualFold(name, "x-gzip")) {
				continue
			}
			return !zeroWeight(weight)
		}
	}
	return false
}

// zeroWeight tells whether a weight is "q=0", "q=0.0", ..., or none at all that can be read.
func zeroWeight(s string) bool {
	s = strings.Trim(s, " \t")
	if s == "" {
		return false
	}
	name, value, _ := strings.Cut(s, "=")
	if !strings.EqualFold(strings.Trim(name, " \t"), "q") {
		return false
	}
	q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
	return err != nil || !(q > 0)
}

// The sizes of what is compressed, in bytes of Content-Length (Developer Guide, "Conditions for compression").
const (
	MinSize = 1_000
	MaxSize = 10_000_000
)

// Choose returns the coding for an origin's response, or "": it goes out as it is. ttl is how long it will be in the cache; what
// is not cached is not compressed. Developer Guide, "Conditions for compression". Cache-Control: no-transform is kept too (RFC 9111,
// section 5.2.2.6), about which the guide says nothing.
func (a Accepted) Choose(status int, h http.Header, ttl time.Duration) Coding {
	if len(a.codings) == 0 || ttl <= 0 || status != 200 && status != 403 && status != 404 {
		return ""
	}
	if len(h["Content-Encoding"]) > 0 || !Compressible(h.Get("Content-Type")) || noTransform(h["Cache-Control"]) {
		return ""
	}
	size, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || size < MinSize || size > MaxSize {
		return ""
	}
	return a.codings[0]
}

func noTransform(lines []string) bool {
	for _, line := range lines {
		for directive := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(directive, " \t"), "no-transform") {
				return true
			}
		}
	}
	return false
}

// Header returns a copy of h as it is when the body is compressed with c: Content-Encoding, Vary, a weak ETag, and nothing that was
// true of the body as it was. Developer Guide, "ETag header conversion".
func Header(h http.Header, c Coding) http.Header {
	out := h.Clone()
	for _, name := range []string{"Content-Length", "Content-Md5", "Content-Digest", "Accept-Ranges"} {
		delete(out, name)
	}
	out.Set("Content-Encoding", string(c))
	if tag := out.Get("Etag"); tag != "" {
		switch {
		case strings.HasPrefix(tag, `"`):
			out.Set("Etag", "W/"+tag)
		case !strings.HasPrefix(tag, "W/"): // malformed
			delete(out, "Etag")
		}
	}
	if !slices.ContainsFunc(out["Vary"], func(line string) bool { return strings.Contains(strings.ToLower(line), "accept-encoding") }) {
		out.Add("Vary", "Accept-Encoding")
	}
	return out
}
