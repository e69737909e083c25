package edge

import (
	"slices"
	"strings"

	"glassine/aws/fault"
)

// ResponseHeadersPolicy says what headers are taken from answers and put on them.
// CloudFront API Reference, "ResponseHeadersPolicy".
type ResponseHeadersPolicy = Versioned[ResponseHeadersPolicyConfig]

// ResponseHeadersPolicyConfig is the changeable part. What is removed goes first, then what is added comes.
// CloudFront API Reference, "ResponseHeadersPolicyConfig".
type ResponseHeadersPolicyConfig struct {
	Name, Comment string      // at most 128 characters each
	CORS          *CORSConfig // nil: none
	Security      *SecurityHeaders
	ServerTiming  *ServerTiming
	Custom        []CustomHeader
	Remove        []string // header names
}

// CORSConfig are the headers for requests with an Origin. CloudFront API Reference, "ResponseHeadersPolicyCorsConfig".
type CORSConfig struct {
	AllowOrigins     []string // "*", "https://example.com", or with a wildcard as left-most label
	AllowHeaders     []string // names or "*"
	AllowMethods     []string // GET, DELETE, HEAD, OPTIONS, PATCH, POST, PUT, or ALL
	AllowCredentials bool
	ExposeHeaders    []string
	MaxAge           *int64 // seconds; nil sends no Access-Control-Max-Age
	OriginOverride   bool   // these headers replace the origin's
}

// SecurityHeaders are headers that tell browsers to be careful; a nil member adds nothing. In each, Override replaces the
// origin's. CloudFront API Reference, "ResponseHeadersPolicySecurityHeadersConfig".
type SecurityHeaders struct {
	XSSProtection           *XSSProtection
	FrameOptions            *Overridable // DENY or SAMEORIGIN
	ReferrerPolicy          *Overridable
	ContentSecurityPolicy   *Overridable
	ContentTypeOptions      *Overridable // Value is not used: nosniff
	StrictTransportSecurity *StrictTransportSecurity
}

// Overridable is a header's value, and whether it replaces the origin's.
type Overridable struct {
	Value    string
	Override bool
}

// XSSProtection is X-XSS-Protection. CloudFront API Reference, "ResponseHeadersPolicyXSSProtection".
type XSSProtection struct {
	Override, Protection bool
	ModeBlock            bool   // not with ReportURI
	ReportURI            string // "": none
}

// StrictTransportSecurity is the header of that name. CloudFront API Reference,
// "ResponseHeadersPolicyStrictTransportSecurity".
type StrictTransportSecurity struct {
	Override                   bool
	MaxAge                     int64 // seconds
	IncludeSubdomains, Preload bool
}

// ServerTiming adds Server-Timing to a share of answers. CloudFront API Reference,
// "ResponseHeadersPolicyServerTimingHeadersConfig".
type ServerTiming struct {
	Enabled      bool
	SamplingRate float64 // percent, 0 to 100
}

// CustomHeader is any header. CloudFront API Reference, "ResponseHeadersPolicyCustomHeader".
type CustomHeader struct {
	Name, Value string
	Override    bool
}

// responseHeadersPolicies is the kind.
func responseHeadersPolicies() kind[ResponseHeadersPolicyConfig] {
	return kind[ResponseHeadersPolicyConfig]{
		table: "cloudfront/responseheaderspolicies", noun: "ResponseHeadersPolicy", plural: "ResponseHeadersPolicies", what: "response headers policy",
		resource: "response-headers-policy", missing: "NoSuchResponseHeadersPolicy", used: "ResponseHeadersPolicyInUse", newID: newUUID,
		check: func(_ *Edge, _ *ResponseHeadersPolicy, cfg ResponseHeadersPolicyConfig) error { return cfg.check() },
		same:  func(a, b ResponseHeadersPolicyConfig) bool { return a.Name == b.Name },
		inUse: func(e *Edge, id string) bool {
			return e.anyBehavior(func(b *CacheBehavior) bool { return b.ResponseHeadersPolicyID == id })
		},
		managed: managedResponseHeadersPolicies(),
	}
}

var referrerPolicies = strings.Fields("no-referrer no-referrer-when-downgrade origin origin-when-cross-origin same-origin strict-origin strict-origin-when-cross-origin unsafe-url")

func (c ResponseHeadersPolicyConfig) check() error {
	if err := checkPolicyName("a response headers policy", c.Name, c.Comment); err != nil {
		return err
	}
	if c.CORS != nil {
		if err := c.CORS.check(); err != nil {
			return err
		}
	}
	if c.Security != nil {
		if err := c.Security.check(); err != nil {
			return err
		}
	}
	if t := c.ServerTiming; t != nil && (t.SamplingRate < 0 || t.SamplingRate > 100) {
		return invalid("SamplingRate is 0 to 100 percent.")
	}
	seen := map[string]bool{}
	for _, h := range c.Custom {
		name := strings.ToLower(h.Name)
		switch {
		case !validToken(h.Name) || !validValue(h.Value):
			return invalid("The custom header %q has a name or value that is not valid.", h.Name)
		case unremovable(name):
			return invalid("The custom header %s is not allowed.", h.Name)
		case seen[name]:
			return invalid("The custom header %s appears twice.", h.Name)
		case corsHeaders[name] || securityHeaders[name]:
			return invalid("%s is configured in CorsConfig or SecurityHeadersConfig, not as a custom header.", h.Name)
		}
		seen[name] = true
	}
	seen = map[string]bool{}
	for _, name := range c.Remove {
		switch lower := strings.ToLower(name); {
		case !validToken(name):
			return invalid("%q is no header name.", name)
		case unremovable(lower):
			return invalid("The header %s cannot be removed.", name)
		case seen[lower]:
			return invalid("The header %s appears twice in RemoveHeadersConfig.", name)
		default:
			seen[lower] = true
		}
	}
	return nil
}

var (
	corsHeaders = set("access-control-allow-origin access-control-allow-headers access-control-allow-methods access-control-allow-credentials " +
		"access-control-expose-headers access-control-max-age")
	securityHeaders = set("x-xss-protection x-frame-options referrer-policy content-security-policy x-content-type-options strict-transport-security")
	framing         = set("content-encoding content-length host transfer-encoding via warning")
)

// unremovable reports whether a policy may neither remove nor set the header, in lower case.
// CloudFront Developer Guide, "Understand response headers policies", "Remove headers".
func unremovable(name string) bool { return framing[name] || disallowed(name) }

func (c *CORSConfig) check() error {
	if len(c.AllowOrigins) == 0 || len(c.AllowMethods) == 0 || len(c.AllowHeaders) == 0 {
		return invalid("CorsConfig needs origins, methods and headers.")
	}
	for _, o := range c.AllowOrigins {
		if !validAllowedOrigin(o) {
			return invalid("%q is no origin: a name with its scheme, a name whose first label is *, or * alone.", o)
		}
	}
	for _, m := range c.AllowMethods {
		if !slices.Contains([]string{"GET", "DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "ALL"}, m) {
			return invalid("%q is no method for Access-Control-Allow-Methods.", m)
		}
	}
	for _, names := range [][]string{c.AllowHeaders, c.ExposeHeaders} {
		for _, n := range names {
			if !validToken(n) {
				return invalid("%q is no header name.", n)
			}
		}
	}
	switch {
	case c.AllowCredentials && (slices.Contains(c.AllowOrigins, "*") || slices.Contains(c.AllowHeaders, "*") || slices.Contains(c.ExposeHeaders, "*")):
		// CloudFront API Reference, "ResponseHeadersPolicyCorsConfig"; Fetch Standard, "CORS protocol and credentials".
		return invalid("With AccessControlAllowCredentials no origin, header or exposed header can be *.")
	case c.MaxAge != nil && (*c.MaxAge < 0 || *c.MaxAge > maxSeconds):
		return invalid("AccessControlMaxAgeSec is 0 seconds to 100 years.")
	}
	return nil
}

// validAllowedOrigin reports whether s is *, or a host name with or without a scheme and a port, its first label perhaps *.
func validAllowedOrigin(s string) bool {
	if s == "*" {
		return true
	}
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if scheme != "http" && scheme != "https" {
			return false
		}
		s = rest
	}
	host, port, hasPort := strings.Cut(strings.TrimPrefix(s, "*."), ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789*") != "") {
		return false
	}
	return validDomain(host) || isAddress(host)
}

func (s *SecurityHeaders) check() error {
	if x := s.XSSProtection; x != nil {
		switch {
		case x.ModeBlock && x.ReportURI != "":
			return invalid("XSSProtection has ModeBlock or ReportUri, not both.")
		case !x.Protection && (x.ModeBlock || x.ReportURI != ""):
			return invalid("XSSProtection has ModeBlock or ReportUri only with Protection.")
		case !validValue(x.ReportURI) || strings.ContainsAny(x.ReportURI, " ;"):
			return invalid("ReportUri is not valid.")
		}
	}
	if f := s.FrameOptions; f != nil && f.Value != "DENY" && f.Value != "SAMEORIGIN" {
		return invalid("FrameOption %q is neither DENY nor SAMEORIGIN.", f.Value)
	}
	if r := s.ReferrerPolicy; r != nil && !slices.Contains(referrerPolicies, r.Value) {
		return invalid("%q is no referrer policy.", r.Value)
	}
	if p := s.ContentSecurityPolicy; p != nil {
		if p.Value == "" || !validValue(p.Value) {
			return invalid("ContentSecurityPolicy is not valid.")
		}
		if len(p.Value) > 1783 { // CloudFront Developer Guide, "Quotas on policies"
			return fault.New("TooLongCSPInResponseHeadersPolicy", "The length of the Content-Security-Policy header value in the response headers policy exceeds the maximum.")
		}
	}
	if h := s.StrictTransportSecurity; h != nil && (h.MaxAge < 0 || h.MaxAge > maxSeconds) {
		return invalid("AccessControlMaxAgeSec is 0 seconds to 100 years.")
	}
	return nil
}

// managedResponseHeadersPolicies are AWS's own.
// CloudFront Developer Guide, "Use managed response headers policies".
func managedResponseHeadersPolicies() []ResponseHeadersPolicy {
	simple := func() *CORSConfig {
		return &CORSConfig{AllowOrigins: []string{"*"}, AllowHeaders: []string{"*"}, AllowMethods: []string{"GET"}}
	}
	preflight := func() *CORSConfig {
		return &CORSConfig{
			AllowOrigins: []string{"*"}, AllowHeaders: []string{"*"}, ExposeHeaders: []string{"*"},
			AllowMethods: []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"},
		}
	}
	security := func() *SecurityHeaders {
		return &SecurityHeaders{
			ReferrerPolicy: &Overridable{Value: "strict-origin-when-cross-origin"}, StrictTransportSecurity: &StrictTransportSecurity{MaxAge: 31536000},
			ContentTypeOptions: &Overridable{Override: true}, FrameOptions: &Overridable{Value: "SAMEORIGIN"},
			XSSProtection: &XSSProtection{Protection: true, ModeBlock: true},
		}
	}
	policy := func(id, name, comment string, cors *CORSConfig, security *SecurityHeaders) ResponseHeadersPolicy {
		return ResponseHeadersPolicy{
			ID: id, ETag: "E23ZP02F085DFQ", Managed: true, LastModified: managedSince,
			Config: ResponseHeadersPolicyConfig{Name: "Managed-" + name, Comment: comment, CORS: cors, Security: security},
		}
	}
	return []ResponseHeadersPolicy{
		policy("e61eb60c-9c35-4d20-a928-2b84e02af89c", "CORS-and-SecurityHeadersPolicy", "Adds CORS and security headers to every response", simple(), security()),
		policy("5cc3b908-e619-4b99-88e5-2cf7f45965bd", "CORS-With-Preflight", "Allows all origins for CORS requests, including preflight requests", preflight(), nil),
		policy("eaab4381-ed33-4a86-88ca-d9558dc6cd63", "CORS-with-preflight-and-SecurityHeadersPolicy", "Allows all origins for CORS requests and adds security headers", preflight(), security()),
		policy("67f7725c-6f97-4210-82d7-5512b31e9d03", "SecurityHeadersPolicy", "Adds a set of security headers to every response", nil, security()),
		policy("60669652-455b-4ae9-85a4-c4c02393f86c", "SimpleCORS", "Allows all origins for simple CORS requests", simple(), nil),
	}
}
