package edge

import (
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// responseHeaders is a response headers policy ready to be applied to the answers of a behavior, on their way to the
// viewer; what is cached is without it.
type responseHeaders struct {
	remove []string // canonical names
	cors   *CORSConfig
	add    []CustomHeader // security and custom headers, names canonical
	timing float64        // share of the answers that get Server-Timing, 0 to 1, beside those that ask; -1: none
}

func newResponseHeaders(c ResponseHeadersPolicyConfig) *responseHeaders {
	p := &responseHeaders{cors: c.CORS, timing: -1}
	for _, name := range c.Remove {
		p.remove = append(p.remove, http.CanonicalHeaderKey(name))
	}
	if c.Security != nil {
		p.add = c.Security.fields()
	}
	for _, h := range c.Custom {
		h.Name = http.CanonicalHeaderKey(h.Name)
		p.add = append(p.add, h)
	}
	if c.ServerTiming != nil && c.ServerTiming.Enabled {
		p.timing = c.ServerTiming.SamplingRate / 100
	}
	return p
}

// fields are the headers as they are sent.
func (s *SecurityHeaders) fields() []CustomHeader {
	var out []CustomHeader
	add := func(name, value string, override bool) { out = append(out, CustomHeader{name, value, override}) }
	if x := s.XSSProtection; x != nil {
		value := "0"
		switch {
		case x.Protection && x.ModeBlock:
			value = "1; mode=block"
		case x.Protection && x.ReportURI != "":
			value = "1; report=" + x.ReportURI
		case x.Protection:
			value = "1"
		}
		add("X-Xss-Protection", value, x.Override)
	}
	if f := s.FrameOptions; f != nil {
		add("X-Frame-Options", f.Value, f.Override)
	}
	if r := s.ReferrerPolicy; r != nil {
		add("Referrer-Policy", r.Value, r.Override)
	}
	if c := s.ContentSecurityPolicy; c != nil {
		add("Content-Security-Policy", c.Value, c.Override)
	}
	if t := s.ContentTypeOptions; t != nil {
		add("X-Content-Type-Options", "nosniff", t.Override)
	}
	if h := s.StrictTransportSecurity; h != nil {
		value := "max-age=" + strconv.FormatInt(h.MaxAge, 10)
		if h.IncludeSubdomains {
			value += "; includeSubDomains"
		}
		if h.Preload {
			value += "; preload"
		}
		add("Strict-Transport-Security", value, h.Override)
	}
	return out
}

// apply changes the header of x's answer: first what is removed, then what is added (CloudFront Developer Guide,
// "Understand response headers policies"). Values in h may be shared with a stored response, so they are replaced, never
// changed.
func (p *responseHeaders) apply(x *exchange, h http.Header) {
	for _, name := range p.remove {
		delete(h, name)
		switch name {
		case "Server":
			h[name] = x.edge.brand.own // ours takes the place of the origin's
		case "Date":
			h[name] = []string{x.edge.cfg.Now().UTC().Format(http.TimeFormat)}
		}
	}
	if origin := x.field("Origin"); p.cors != nil && origin != "" {
		p.cors.apply(x, h, origin)
	}
	for _, f := range p.add {
		if _, has := h[f.Name]; f.Override || !has {
			h[f.Name] = []string{f.Value}
		}
	}
	if p.timing >= 0 && (rand.Float64() < p.timing || x.asksForTiming()) {
		h["Server-Timing"] = append(slices.Clone(h["Server-Timing"]), x.serverTiming())
	}
}

// apply adds the CORS headers to the answer of a request from origin. Those for methods, headers and age go to preflight
// requests, which are OPTIONS. CloudFront Developer Guide, "Use managed response headers policies", "CORS-With-Preflight".
func (c *CORSConfig) apply(x *exchange, h http.Header, origin string) {
	allowed := c.allows(origin)
	if allowed == "" {
		return
	}
	for name := range corsCanonical {
		if _, has := h[name]; has && !c.OriginOverride {
			return // of the origin's CORS headers and ours, one side's count (ibid., "CORS headers")
		}
	}
	for name := range corsCanonical {
		delete(h, name)
	}
	h["Access-Control-Allow-Origin"] = []string{allowed}
	if allowed != "*" {
		h["Vary"] = append(slices.Clone(h["Vary"]), "Origin")
	}
	if c.AllowCredentials {
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	}
	if len(c.ExposeHeaders) > 0 {
		h["Access-Control-Expose-Headers"] = []string{strings.Join(c.ExposeHeaders, ",")}
	}
	if x.method != http.MethodOptions {
		return
	}
	methods := c.AllowMethods
	if slices.Contains(methods, "ALL") {
		methods = []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"}
	}
	h["Access-Control-Allow-Methods"] = []string{strings.Join(methods, ",")}
	h["Access-Control-Allow-Headers"] = []string{strings.Join(c.AllowHeaders, ",")}
	if c.MaxAge != nil {
		h["Access-Control-Max-Age"] = []string{strconv.FormatInt(*c.MaxAge, 10)}
	}
}

var corsCanonical = func() map[string]bool {
	m := map[string]bool{}
	for name := range corsHeaders {
		m[http.CanonicalHeaderKey(name)] = true
	}
	return m
}()

// allows returns what Access-Control-Allow-Origin says to a request from origin, or "".
func (c *CORSConfig) allows(origin string) string {
	scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
	for _, o := range c.AllowOrigins {
		if o == "*" {
			return "*"
		}
		wantScheme, want, hasScheme := strings.Cut(strings.ToLower(o), "://")
		if !hasScheme {
			want = wantScheme
		} else if wantScheme != scheme {
			continue
		}
		if ok && matchesHost(want, host) {
			return origin
		}
	}
	return ""
}

// matchesHost compares host[:port] with a pattern whose first label, and whose port, may be *.
func matchesHost(pattern, hostport string) bool {
	want, wantPort, _ := strings.Cut(pattern, ":")
	host, port, _ := strings.Cut(hostport, ":")
	if wantPort != port && wantPort != "*" {
		return false
	}
	if suffix, wild := strings.CutPrefix(want, "*"); wild {
		return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
	}
	return host == want
}

func isAddress(s string) bool { return net.ParseIP(s) != nil }
