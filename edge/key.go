package edge

import (
	"net/http"
	"slices"
	"strings"

	"glassine/edge/cache"
)

// keyPolicy is a cache policy's choice of what belongs to the cache key. What does, and nothing else of the viewer's, is
// sent to the origin. CloudFront Developer Guide, "Understand cache policies".
type keyPolicy struct {
	headers       []string // canonical names
	query         chooser
	cookies       chooser
	gzip, brotli  bool
	forwardHost   bool // headers has Host
	plainEncoding bool // headers has Accept-Encoding
}

// chooser is a Selection ready to be asked.
type chooser struct {
	names map[string]bool
	// listed is what to answer for a name in names; others get !listed. Without names, all get everything.
	listed, everything bool
}

func newChooser(s Selection) chooser {
	switch s.Behavior {
	case "all":
		return chooser{everything: true}
	case "whitelist", "allExcept":
		return chooser{names: set(strings.Join(s.Names, " ")), listed: s.Behavior == "whitelist"}
	}
	return chooser{}
}

func (c *chooser) has(name string) bool {
	if c.names == nil {
		return c.everything
	}
	return c.names[name] == c.listed
}

// none reports whether c chooses nothing at all.
func (c *chooser) none() bool { return c.names == nil && !c.everything }

func newKeyPolicy(c CachePolicyConfig) keyPolicy {
	p := keyPolicy{
		query: newChooser(c.QueryStrings), cookies: newChooser(c.Cookies),
		gzip: c.AcceptEncodingGzip, brotli: c.AcceptEncodingBrotli,
	}
	for _, name := range c.Headers.Names {
		if name = http.CanonicalHeaderKey(name); name == semanticsField {
			continue
		}
		p.headers = append(p.headers, name)
		p.forwardHost = p.forwardHost || name == "Host"
		p.plainEncoding = p.plainEncoding || name == "Accept-Encoding"
	}
	slices.Sort(p.headers)
	return p
}

// appendKey appends the cache key of a request to buf. The key is the distribution's domain, the path as received, the
// chosen query strings, and after a NUL the method if it is kept apart, the encoding, the chosen headers and cookies. The
// scheme is not in it.
func (p *keyPolicy) appendKey(buf []byte, domain, path, query string, v *viewer) cache.Key {
	buf = append(append(buf, domain...), path...)
	at := len(buf)
	if buf = p.appendQuery(append(buf, '?'), query); len(buf) == at+1 {
		buf = buf[:at]
	}
	end := len(buf)
	buf = append(buf, 0)
	if v.method == http.MethodOptions {
		buf = append(buf, "OPTIONS"...)
	}
	buf = append(buf, 0)
	if encoding := p.encoding(v); encoding != "identity" {
		// Who takes none of the encodings shares with who names none.
		buf = append(buf, encoding...)
	}
	for _, name := range p.headers {
		buf = append(buf, 0)
		if name == "Host" {
			buf = append(buf, v.host...)
			continue
		}
		for _, value := range v.header.Values(name) {
			buf = append(append(buf, value...), '\n')
		}
	}
	if !p.cookies.none() {
		buf = p.appendCookies(append(buf, 0), v.header.Values("Cookie"))
	}
	return cache.Key{Bytes: buf, Path: end}
}

// appendQuery appends the chosen parameters of a raw query string, in the viewer's order and encoding. Names compare
// exactly as they were sent.
func (p *keyPolicy) appendQuery(buf []byte, query string) []byte {
	if query == "" || p.query.none() {
		return buf
	}
	if p.query.everything {
		return append(buf, query...)
	}
	begin := len(buf)
	for rest, more := query, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "&")
		name, _, _ := strings.Cut(part, "=")
		if name == "" || !p.query.has(name) {
			continue
		}
		if len(buf) > begin {
			buf = append(buf, '&')
		}
		buf = append(buf, part...)
	}
	return buf
}

// appendCookies appends the chosen cookies as one Cookie header's value, in the viewer's order.
func (p *keyPolicy) appendCookies(buf []byte, lines []string) []byte {
	begin := len(buf)
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.TrimSpace(part)
			name, _, _ := strings.Cut(part, "=")
			if part == "" || !p.cookies.has(name) {
				continue
			}
			if len(buf) > begin {
				buf = append(buf, "; "...)
			}
			buf = append(buf, part...)
		}
	}
	return buf
}

// encoding returns the normalised Accept-Encoding that goes to the origin: "br,gzip", "br", "gzip", which are in the key,
// "identity" when the viewer takes none of the policy's encodings, or "" to send none.
// CloudFront Developer Guide, "Serve compressed files", "Cache policy settings for compressed objects".
func (p *keyPolicy) encoding(v *viewer) string {
	if !p.gzip && !p.brotli || v.old() {
		return ""
	}
	lines := v.header.Values("Accept-Encoding")
	if len(lines) == 0 {
		return ""
	}
	gzip := p.gzip && accepts(lines, "gzip")
	brotli := p.brotli && accepts(lines, "br")
	switch {
	case gzip && brotli:
		return "br,gzip"
	case brotli:
		return "br"
	case gzip:
		return "gzip"
	}
	return "identity"
}

// accepts reports whether an Accept-Encoding names the coding with a weight above zero (RFC 9110, section 12.5.3).
func accepts(lines []string, coding string) bool {
	for _, line := range lines {
		for rest, more := line, true; more; {
			var part string
			part, rest, more = strings.Cut(rest, ",")
			name, weight, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), coding) {
				return !zeroWeight(weight)
			}
		}
	}
	return false
}

// zeroWeight reports whether s is q=0, 0.0, 0.00 or 0.000.
func zeroWeight(s string) bool {
	name, value, ok := strings.Cut(strings.TrimSpace(s), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return false
	}
	return strings.Trim(strings.TrimSpace(value), "0.") == ""
}
