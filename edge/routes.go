package edge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"glassine/edge/rfc9111"
	"glassine/edge/signedurl"
	"glassine/telemetry"
)

// routes is the data plane's view of the configuration. It is never changed, only replaced.
type routes struct {
	exact map[string]*site // by host name, in lower case
	wild  map[string]*site // by what follows the *: .example.com
	// logged says that a site has a standard log, so that requests take note of what a line says.
	logged bool
}

// site is a distribution as requests see it.
type site struct {
	id, domain string
	enabled    bool
	root       string        // default root object with a leading slash, or ""
	behaviors  []*behavior   // in order; the last one matches everything
	errorTTL   map[int]int64 // ErrorCachingMinTTL in seconds, where it is set
	pages      map[int]errorPage
	geo        *geoRestriction // nil: all countries are served
	tagHeader  string          // canonical; "": none
	tls        ViewerTLS
	altSvc     []string   // Alt-Svc of answers over TLS, nil: HTTP/3 is not served
	log        *logTarget // nil: no standard log
}

// behavior is a cache behavior with what it refers to.
type behavior struct {
	pattern  pattern
	name     string // the pattern as configured, "*" for the default behavior
	protocol string // viewer protocol policy
	allowed  map[string]bool
	options  bool // OPTIONS is cached
	policy   keyPolicy
	derived  []derivedHeader
	made     []string // CloudFront- headers in policy, canonical
	compress bool
	forward  *forwarding              // nil: no origin request policy
	response *responseHeaders         // nil: no response headers policy
	keys     map[string]signedurl.Key // nil: no signature is needed
	fallback *fallback                // nil: origin is not of a group
	ttl      ttlPolicy
	caching  bool            // false: every request goes to the origin, nobody waits for another
	rfc      *rfc9111.Policy // nil: what is cached, and for how long, is as CloudFront has it
	origin   *Origin
	signer   *originSigner // of origin, or nil
	triggers triggers
	meter    *telemetry.RequestMeter // nil: nothing is counted
}

// publish compiles the records and lets requests see them. e.control is held, or nobody else has e yet.
func (e *Edge) publish() error {
	r := &routes{exact: map[string]*site{}, wild: map[string]*site{}}
	e.scripts.begin()
	for _, d := range e.distributions {
		s, err := e.compile(d)
		if err != nil {
			return fmt.Errorf("compile distribution %s: %w", d.ID, err)
		}
		r.exact[d.DomainName] = s
		r.logged = r.logged || s.log != nil
		for _, alias := range d.Config.Aliases {
			alias = strings.ToLower(alias)
			if suffix, ok := strings.CutPrefix(alias, "*"); ok {
				r.wild[suffix] = s
			} else {
				r.exact[alias] = s
			}
		}
	}
	e.routes.Store(r)
	e.keepMeters(r)
	e.scripts.end()
	return nil
}

func (e *Edge) compile(d *Distribution) (*site, error) {
	cfg := &d.Config
	s := &site{id: d.ID, domain: d.DomainName, enabled: cfg.Enabled, errorTTL: map[int]int64{}, tls: d.viewerTLS()}
	s.altSvc = e.advertisement(s.tls)
	if cfg.DefaultRootObject != "" {
		s.root = "/" + cfg.DefaultRootObject
	}
	s.geo, s.tagHeader = newGeoRestriction(cfg.GeoRestriction, cfg.GeoLocations), http.CanonicalHeaderKey(cfg.CacheTagHeader)
	s.pages, s.log = errorPages(cfg.CustomErrorResponses), e.logTarget(d)
	for _, r := range cfg.CustomErrorResponses {
		if r.ErrorCachingMinTTL != nil {
			s.errorTTL[r.ErrorCode] = *r.ErrorCachingMinTTL
		}
	}
	signers := make([]*originSigner, len(cfg.Origins))
	for i := range cfg.Origins {
		signers[i] = e.signer(d, &cfg.Origins[i])
	}
	for _, c := range cfg.behaviors() {
		p, forward, err := e.policiesOf(&c)
		if err != nil {
			return nil, err
		}
		i, second := cfg.originsOf(c.TargetOriginID)
		if i < 0 {
			return nil, fmt.Errorf("no origin %q", c.TargetOriginID)
		}
		b := &behavior{
			pattern: pattern(strings.TrimPrefix(c.PathPattern, "/")), name: c.PathPattern,
			protocol: c.ViewerProtocolPolicy, allowed: set(strings.Join(c.AllowedMethods, " ")),
			options: slices.Contains(c.CachedMethods, "OPTIONS"),
			policy:  newKeyPolicy(p), origin: &cfg.Origins[i], signer: signers[i],
			derived: e.derivedBy(p),
			ttl:     ttlPolicy{least: p.MinTTL, normal: *p.DefaultTTL, most: *p.MaxTTL},
			rfc:     newSemantics(p.Headers.Names),
			made:    madeBy(p), compress: c.Compress, forward: forward, keys: e.trustedKeys(c.TrustedKeyGroups),
		}
		if second != nil {
			b.fallback = &fallback{&cfg.Origins[second.index], signers[second.index], second.codes}
		}
		if c.ResponseHeadersPolicyID != "" {
			r, err := e.ResponseHeadersPolicies.find(c.ResponseHeadersPolicyID)
			if err != nil {
				return nil, err
			}
			b.response = newResponseHeaders(r.Config)
		}
		// All TTLs zero is caching off (CloudFront API Reference, "CachePolicyConfig"; Developer Guide, CachingDisabled).
		b.caching = b.ttl != ttlPolicy{}
		if c.PathPattern == "" {
			b.pattern, b.name = "*", "*"
		}
		b.triggers, b.meter = e.triggersOf(&c), e.cfg.Metrics.Meter(s.id, b.name)
		s.behaviors = append(s.behaviors, b)
	}
	return s, nil
}

// derivedHeader is a header of Config.Derived that a cache policy lists.
type derivedHeader struct {
	name string
	from Derive
}

func (e *Edge) derivedBy(p CachePolicyConfig) []derivedHeader {
	var out []derivedHeader
	for name, from := range e.cfg.Derived {
		if slices.ContainsFunc(p.Headers.Names, func(n string) bool { return strings.EqualFold(n, name) }) {
			out = append(out, derivedHeader{http.CanonicalHeaderKey(name), from})
		}
	}
	return out
}

// derive makes the headers that the behavior's policy lists and the edge has to make.
func (x *exchange) derive() {
	if len(x.behavior.derived)+len(x.behavior.made) == 0 {
		return
	}
	h := x.headerMap()
	for _, name := range x.behavior.made {
		delete(h, name) // whatever the viewer says
		if value := x.cloudFrontHeader(name); value != "" {
			h[name] = []string{value}
		}
	}
	for _, d := range x.behavior.derived {
		query, value := d.from(x.query, h)
		x.query = query
		delete(h, d.name)
		if value != "" {
			h[d.name] = []string{value}
		}
	}
}

// site returns the distribution that the Host names, or nil. The port does not matter. An exact name goes before a
// wildcard, and a longer wildcard before a shorter one; a wildcard stands for one or more labels.
// CloudFront Developer Guide, "Use custom URLs by adding alternate domain names (CNAMEs)".
func (r *routes) site(host string) *site {
	host = strings.TrimSuffix(strings.ToLower(hostName(host)), ".")
	if s := r.exact[host]; s != nil {
		return s
	}
	if len(r.wild) == 0 {
		return nil
	}
	for i := range len(host) {
		if host[i] == '.' && i > 0 {
			if s := r.wild[host[i:]]; s != nil {
				return s
			}
		}
	}
	return nil
}

// hostName returns a Host header's value without its port.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		return host[:i]
	}
	return host
}

// behavior returns the first behavior whose pattern matches path.
func (s *site) behavior(path string) *behavior {
	for _, b := range s.behaviors {
		if b.pattern == "*" || b.pattern.match(path) {
			return b
		}
	}
	return s.behaviors[len(s.behaviors)-1]
}

// errorMin is how long an error with the status is kept at least: 10 seconds unless the distribution says otherwise.
// CloudFront API Reference, "CustomErrorResponse".
func (s *site) errorMin(status int) time.Duration {
	if seconds, ok := s.errorTTL[status]; ok {
		return time.Duration(seconds) * time.Second
	}
	return 10 * time.Second
}
