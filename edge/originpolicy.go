package edge

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// OriginRequestPolicy decides what of a viewer's request goes to the origin beside what the cache key holds.
// CloudFront API Reference, "OriginRequestPolicy".
type OriginRequestPolicy = Versioned[OriginRequestPolicyConfig]

// OriginRequestPolicyConfig is the changeable part. CloudFront API Reference, "OriginRequestPolicyConfig".
type OriginRequestPolicyConfig struct {
	Name, Comment string // at most 128 characters each
	// Headers' Behavior is none, whitelist, allViewer, allViewerAndWhitelistCloudFront (with the names of the CloudFront-
	// headers to add) or allExcept.
	Headers Selection
	// Cookies and QueryStrings are none, whitelist, allExcept or all.
	Cookies, QueryStrings Selection
}

// originRequestPolicies is the kind.
func originRequestPolicies() kind[OriginRequestPolicyConfig] {
	return kind[OriginRequestPolicyConfig]{
		table: "cloudfront/originrequestpolicies", noun: "OriginRequestPolicy", plural: "OriginRequestPolicies", what: "origin request policy",
		resource: "origin-request-policy", missing: "NoSuchOriginRequestPolicy", used: "OriginRequestPolicyInUse", newID: newUUID,
		check: func(_ *Edge, _ *OriginRequestPolicy, cfg OriginRequestPolicyConfig) error { return cfg.check() },
		same:  func(a, b OriginRequestPolicyConfig) bool { return a.Name == b.Name },
		inUse: func(e *Edge, id string) bool {
			return e.anyBehavior(func(b *CacheBehavior) bool { return b.OriginRequestPolicyID == id })
		},
		managed: managedOriginRequestPolicies(),
	}
}

func (c OriginRequestPolicyConfig) check() error {
	if err := checkPolicyName("an origin request policy", c.Name, c.Comment); err != nil {
		return err
	}
	for _, part := range []struct {
		what    string
		choice  Selection
		allowed []string
	}{
		{"HeadersConfig", c.Headers, []string{"none", "whitelist", "allViewer", "allViewerAndWhitelistCloudFront", "allExcept"}},
		{"CookiesConfig", c.Cookies, []string{"none", "whitelist", "allExcept", "all"}},
		{"QueryStringsConfig", c.QueryStrings, []string{"none", "whitelist", "allExcept", "all"}},
	} {
		if err := part.choice.check(part.what, part.allowed); err != nil {
			return err
		}
	}
	for _, name := range c.Headers.Names {
		lower := strings.ToLower(name)
		switch made := strings.HasPrefix(lower, "cloudfront-"); {
		case !validToken(name):
			return invalid("%q is no header name.", name)
		case unmade[lower]:
			return notImplemented("The header %s", name)
		case made && !derivable(name):
			return invalid("%s is no header that CloudFront adds.", name)
		case !made && c.Headers.Behavior == "allViewerAndWhitelistCloudFront":
			return invalid("%s is no CloudFront header, and all headers of the viewer go to the origin as it is.", name)
		case made && c.Headers.Behavior == "allExcept":
			return invalid("%s is no header of the viewer's.", name)
		case c.Headers.Behavior == "whitelist" && (lower == "authorization" || lower == "accept-encoding"):
			// CloudFront Developer Guide, "Understand origin request policies": these two are for the cache policy.
			return invalid("The header %s cannot be in an origin request policy. Use a cache policy.", name)
		}
	}
	return nil
}

func checkPolicyName(what, name, comment string) error {
	if name == "" || len(name) > 128 {
		return invalid("The name of %s has 1 to 128 characters.", what)
	}
	if len(comment) > 128 {
		return invalid("The comment of %s has at most 128 characters.", what)
	}
	return nil
}

// managedOriginRequestPolicies are AWS's own.
// CloudFront Developer Guide, "Use managed origin request policies".
func managedOriginRequestPolicies() []OriginRequestPolicy {
	none, all := Selection{Behavior: "none"}, Selection{Behavior: "all"}
	some := func(behavior, names string) Selection {
		return Selection{Behavior: behavior, Names: strings.Fields(names)}
	}
	policy := func(id, name, comment string, headers, cookies, queries Selection) OriginRequestPolicy {
		return OriginRequestPolicy{
			ID: id, ETag: "E23ZP02F085DFQ", Managed: true, LastModified: managedSince,
			Config: OriginRequestPolicyConfig{Name: "Managed-" + name, Comment: comment, Headers: headers, Cookies: cookies, QueryStrings: queries},
		}
	}
	return []OriginRequestPolicy{
		policy("216adef6-5c7f-47e4-b989-5492eafa07d3", "AllViewer", "Policy to forward all parameters in viewer requests",
			Selection{Behavior: "allViewer"}, all, all),
		policy("33f36d7e-f396-46d9-90e0-52428a34d9dc", "AllViewerAndCloudFrontHeaders-2022-06", "Policy to forward all parameters in viewer requests and all CloudFront headers released through June 2022",
			Selection{Behavior: "allViewerAndWhitelistCloudFront", Names: slices.Clone(headersOf2022)}, all, all),
		policy("b689b0a8-53d0-40ab-baf2-68738e2966ac", "AllViewerExceptHostHeader", "Policy to forward all parameters in viewer requests except for the Host header",
			some("allExcept", "Host"), all, all),
		policy("59781a5b-3903-41f3-afcb-af62929ccde1", "CORS-CustomOrigin", "Policy for CORS with a custom origin",
			some("whitelist", "Origin"), none, none),
		policy("88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", "CORS-S3Origin", "Policy for S3 origin with CORS",
			some("whitelist", "Origin Access-Control-Request-Headers Access-Control-Request-Method"), none, none),
		policy("775133bc-15f2-49f9-abea-afb2e0bf67d2", "Elemental-MediaTailor-PersonalizedManifests", "Policy for Elemental MediaTailor",
			some("whitelist", "Origin Access-Control-Request-Headers Access-Control-Request-Method User-Agent X-Forwarded-For"), none, all),
		policy("acba4595-bd28-49b8-b9fe-13317c0390fa", "UserAgentRefererHeaders", "Policy to forward user-agent and referer headers to origin",
			some("whitelist", "User-Agent Referer"), none, none),
	}
}

// managedSince is the LastModifiedTime of AWS's own policies here. AWS's differ from one to the other.
var managedSince = time.Date(2020, 6, 30, 0, 0, 0, 0, time.UTC)

// forwarding is an origin request policy ready to be applied. Nothing of it is in the cache key.
type forwarding struct {
	headers        []string        // canonical names, with the CloudFront- ones
	all            bool            // every header of the viewer's but those in except
	except         map[string]bool // canonical
	query, cookies chooser
}

func newForwarding(c OriginRequestPolicyConfig) *forwarding {
	f := &forwarding{query: newChooser(c.QueryStrings), cookies: newChooser(c.Cookies), except: map[string]bool{}}
	for _, name := range c.Headers.Names {
		if name = http.CanonicalHeaderKey(name); c.Headers.Behavior == "allExcept" {
			f.except[name] = true
		} else {
			f.headers = append(f.headers, name)
		}
	}
	f.all = strings.HasPrefix(c.Headers.Behavior, "all")
	return f
}

// unforwarded are the headers of a viewer that no policy sends on as they are: those of the hop, those that the edge makes
// itself, and the conditions and range, which are for the edge where it caches, and of which forPass takes care where it does
// not. CloudFront Developer Guide, "Request and response behavior for custom origins", "HTTP request headers".
var unforwarded = set("Accept-Encoding Connection Content-Length Expect Host If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since " +
	"Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection Range Te Trailer Transfer-Encoding Upgrade Via X-Amz-Cf-Id " +
	"X-Forwarded-For X-Forwarded-Proto X-Real-Ip X-Http-Method-Override")

// apply adds to q what the policy chooses of x's request.
func (f *forwarding) apply(x *exchange, q *originRequest) {
	p := &x.behavior.policy
	// Both policies choose, and what is sent keeps the viewer's order.
	q.query = string((&keyPolicy{query: p.query.or(f.query)}).appendQuery(nil, x.query))
	both := &keyPolicy{cookies: p.cookies.or(f.cookies)}
	if cookies := string(both.appendCookies(nil, x.header.Values("Cookie"))); cookies != "" {
		q.header.Set("Cookie", cookies)
	}
	if f.all {
		f.applyAll(x, q)
	}
	for _, name := range f.headers {
		switch {
		case strings.HasPrefix(name, "Cloudfront-"):
			if value := x.cloudFrontHeader(name); value != "" {
				q.header[name] = []string{value}
			}
		case name == "Host":
			q.host = x.host
		case name == "X-Forwarded-For": // the edge appends to it and sends it anyway
		case x.edge.derives(name): // only where the cache policy lists it, and then it is there
		default:
			if values := x.header.Values(name); len(values) > 0 {
				q.header[name] = slices.Clone(values)
			}
		}
	}
}

func (f *forwarding) applyAll(x *exchange, q *originRequest) {
	if !f.except["Host"] {
		q.host = x.host
	}
	p := &x.behavior.policy
	if values := x.header.Values("Accept-Encoding"); len(values) > 0 && !p.gzip && !p.brotli && !f.except["Accept-Encoding"] {
		q.header["Accept-Encoding"] = slices.Clone(values)
	}
	for name, values := range x.headerMap() {
		switch lower := strings.ToLower(name); {
		case f.except[name], unforwarded[name], name == "Cookie", x.edge.derives(name):
		case strings.HasPrefix(lower, "x-edge-"), strings.HasPrefix(lower, "x-amz-cf-"), strings.HasPrefix(lower, "cloudfront-"):
			// The CloudFront- headers are ours: what a viewer says under such a name is not passed on.
		default:
			q.header[name] = slices.Clone(values)
		}
	}
}

// derives reports whether the edge makes the header itself, so that what a viewer says under the name does not count.
func (e *Edge) derives(name string) bool {
	for derived := range e.cfg.Derived {
		if strings.EqualFold(derived, name) {
			return true
		}
	}
	return false
}

// or returns a chooser that has what either has.
func (c chooser) or(other chooser) chooser {
	switch {
	case c.none(), other.names == nil && other.everything:
		return other
	case other.none(), c.names == nil && c.everything:
		return c
	case c.listed && other.listed:
		union := chooser{names: map[string]bool{}, listed: true}
		for _, names := range []map[string]bool{c.names, other.names} {
			for name := range names {
				union.names[name] = true
			}
		}
		return union
	}
	// At least one is a list of exceptions, and so is what comes out: the names that neither has.
	union := chooser{names: map[string]bool{}}
	for _, names := range []map[string]bool{c.names, other.names} {
		for name := range names {
			if !c.has(name) && !other.has(name) {
				union.names[name] = true
			}
		}
	}
	return union
}
