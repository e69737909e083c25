package edge

import (
	"net"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// withDefaults returns c with everything set that CloudFront fills in when it echoes a configuration.
func (c DistributionConfig) withDefaults() DistributionConfig {
	c.HTTPVersion = or(c.HTTPVersion, "http2")
	c.PriceClass = or(c.PriceClass, "PriceClass_All")
	c.ViewerCertificate = c.ViewerCertificate.withDefaults()
	c.Aliases, c.CustomErrorResponses = list(c.Aliases), list(c.CustomErrorResponses)
	c.GeoRestriction, c.GeoLocations = or(c.GeoRestriction, "none"), list(c.GeoLocations)
	c.Origins, c.Groups = list(c.Origins), list(c.Groups)
	for i := range c.Groups {
		c.Groups[i].StatusCodes = list(c.Groups[i].StatusCodes)
	}
	for i := range c.Origins {
		o := &c.Origins[i]
		o.CustomHeaders = list(o.CustomHeaders)
		o.ConnectionAttempts = or(o.ConnectionAttempts, 3)
		o.ConnectionTimeout = or(o.ConnectionTimeout, 10)
		if o.Custom != nil {
			custom := *o.Custom
			custom.HTTPPort, custom.HTTPSPort = or(custom.HTTPPort, 80), or(custom.HTTPSPort, 443)
			custom.ReadTimeout, custom.KeepaliveTimeout = or(custom.ReadTimeout, 30), or(custom.KeepaliveTimeout, 5)
			custom.SSLProtocols = list(custom.SSLProtocols)
			if len(custom.SSLProtocols) == 0 {
				custom.SSLProtocols = []string{"TLSv1.2"}
			}
			o.Custom = &custom
		}
		if o.S3 != nil {
			s3 := *o.S3
			s3.ReadTimeout = or(s3.ReadTimeout, 30)
			o.S3 = &s3
		}
	}
	c.DefaultCacheBehavior = c.DefaultCacheBehavior.withDefaults()
	c.CacheBehaviors = list(c.CacheBehaviors)
	for i := range c.CacheBehaviors {
		c.CacheBehaviors[i] = c.CacheBehaviors[i].withDefaults()
	}
	return c
}

func (b CacheBehavior) withDefaults() CacheBehavior {
	b.AllowedMethods, b.CachedMethods = list(b.AllowedMethods), list(b.CachedMethods)
	b.LambdaFunctions, b.Functions = list(b.LambdaFunctions), list(b.Functions)
	b.TrustedKeyGroups, b.TrustedSigners = list(b.TrustedKeyGroups), list(b.TrustedSigners)
	if b.Forwarded != nil {
		f := *b.Forwarded
		f.Headers, f.QueryStringCacheKeys, f.Cookies.Names = list(f.Headers), list(f.QueryStringCacheKeys), list(f.Cookies.Names)
		f.Cookies.Behavior = or(f.Cookies.Behavior, "none")
		policy, _ := f.policies()
		if !slices.Contains(f.Headers, "*") {
			f.DefaultTTL, f.MaxTTL = policy.DefaultTTL, policy.MaxTTL
		}
		b.Forwarded = &f
	}
	if len(b.AllowedMethods) == 0 {
		b.AllowedMethods = []string{"HEAD", "GET"}
	}
	if len(b.CachedMethods) == 0 {
		b.CachedMethods = []string{"HEAD", "GET"}
	}
	return b
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// list returns a copy of l; an empty list is nil, so that equal configurations are deeply equal.
func list[T any](l []T) []T { return append([]T(nil), l...) }

// behaviors returns all behaviors, the default one last.
func (c *DistributionConfig) behaviors() []CacheBehavior {
	return append(slices.Clone(c.CacheBehaviors), c.DefaultCacheBehavior)
}

// check validates the configuration of the distribution id, "" for a new one, but for its functions. e.control is held.
func (e *Edge) check(id string, cfg DistributionConfig) error {
	switch {
	case cfg.CallerReference == "":
		return invalid("The caller reference is missing.")
	case len(cfg.Comment) > 128:
		return invalid("The comment has more than 128 characters.")
	case !slices.Contains([]string{"http1.1", "http2", "http3", "http2and3"}, strings.ToLower(cfg.HTTPVersion)):
		return invalid("%q is no HTTP version.", cfg.HTTPVersion)
	case strings.HasPrefix(cfg.DefaultRootObject, "/") || !validPath("/"+cfg.DefaultRootObject) || len(cfg.DefaultRootObject) > 255:
		return fault.New("InvalidDefaultRootObject", "The default root object file name is too big or contains a character that is not valid.")
	case cfg.WebACLID != "":
		return notImplemented("A web ACL")
	case cfg.Staging:
		return notImplemented("A staging distribution")
	}
	if err := e.checkLogging(cfg.Logging); err != nil {
		return err
	}
	if err := e.checkAliases(id, cfg.Aliases); err != nil {
		return err
	}
	if err := cfg.ViewerCertificate.check(); err != nil {
		return err
	}
	origins, err := e.checkOrigins(cfg.Origins)
	if err != nil {
		return err
	}
	if err := checkGroups(cfg.Groups, origins); err != nil {
		return err
	}
	if err := checkErrors(cfg.CustomErrorResponses); err != nil {
		return err
	}
	if err := e.checkGeo(cfg.GeoRestriction, cfg.GeoLocations); err != nil {
		return err
	}
	if name := cfg.CacheTagHeader; name != "" && !validToken(name) {
		return invalid("%q is no header name for cache tags.", name)
	}
	patterns := map[string]bool{"": true}
	for _, b := range cfg.CacheBehaviors {
		switch pattern := strings.TrimPrefix(b.PathPattern, "/"); {
		case !validPattern(b.PathPattern):
			return invalid("%q is no path pattern.", b.PathPattern)
		case patterns[pattern]:
			return invalid("The path pattern %s appears twice.", b.PathPattern)
		default:
			patterns[pattern] = true
		}
		if err := e.checkBehavior(b, origins, cfg.Groups); err != nil {
			return err
		}
	}
	return e.checkBehavior(cfg.DefaultCacheBehavior, origins, cfg.Groups)
}

func (e *Edge) checkAliases(id string, aliases []string) error {
	seen := map[string]bool{}
	for _, alias := range aliases {
		name := strings.ToLower(alias)
		switch {
		case !validDomain(strings.TrimPrefix(name, "*.")) || strings.HasSuffix(name, ".cloudfront.net"):
			return invalid("The parameter CNAME contains %q, which is not valid.", alias)
		case seen[name]:
			return invalid("The parameter CNAME contains %q twice.", alias)
		}
		seen[name] = true
	}
	for _, d := range e.distributions {
		if d.ID == id {
			continue
		}
		for _, alias := range d.Config.Aliases {
			if seen[strings.ToLower(alias)] {
				return fault.New("CNAMEAlreadyExists", "One or more of the CNAMEs you provided are already associated with a different resource.")
			}
		}
	}
	return nil
}

// checkOrigins returns the origins by ID. e.control is held.
func (e *Edge) checkOrigins(list []Origin) (map[string]*Origin, error) {
	if len(list) == 0 {
		return nil, invalid("A distribution needs an origin.")
	}
	origins := map[string]*Origin{}
	for i := range list {
		o := &list[i]
		switch {
		case o.ID == "" || origins[o.ID] != nil:
			return nil, invalid("The ID of an origin, %q, is empty or appears twice.", o.ID)
		case !validDomain(o.DomainName):
			return nil, fault.New("InvalidOrigin", "%q is not the domain name of an origin.", o.DomainName)
		case !validOriginPath(o.Path):
			return nil, invalid("The origin path %q does not begin with a slash, or ends with one.", o.Path)
		case o.ConnectionAttempts < 1 || o.ConnectionAttempts > 3:
			return nil, invalid("ConnectionAttempts is 1 to 3.")
		case o.ConnectionTimeout < 1 || o.ConnectionTimeout > 10:
			return nil, invalid("ConnectionTimeout is 1 to 10 seconds.")
		case (o.Custom == nil) == (o.S3 == nil):
			return nil, fault.New("InvalidOrigin", "An origin has either CustomOriginConfig or S3OriginConfig.")
		}
		if err := checkShield(o.ShieldRegion); err != nil {
			return nil, err
		}
		if err := checkCustomHeaders(o.CustomHeaders); err != nil {
			return nil, err
		}
		if err := checkOriginKind(o); err != nil {
			return nil, err
		}
		if err := e.checkOriginAccess(o); err != nil {
			return nil, err
		}
		origins[o.ID] = o
	}
	return origins, nil
}

func checkOriginKind(o *Origin) error {
	if o.S3 != nil {
		if o.S3.OriginAccessIdentity != "" {
			return notImplemented("An origin access identity")
		}
		if _, ok := s3Region(o.DomainName); !ok {
			return fault.New("InvalidOrigin", "%q is not the domain name of a bucket or access point.", o.DomainName)
		}
		return checkTimeouts(o.S3.ReadTimeout, 1)
	}
	c := o.Custom
	switch {
	case !validPort(c.HTTPPort) || !validPort(c.HTTPSPort):
		return invalid("An origin's port is 80, 443 or 1024 to 65535.")
	case !slices.Contains([]string{"http-only", "match-viewer", "https-only"}, c.ProtocolPolicy):
		return invalid("%q is no origin protocol policy.", c.ProtocolPolicy)
	}
	for _, p := range c.SSLProtocols {
		if !slices.Contains([]string{"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"}, p) {
			return invalid("%q is no SSL protocol.", p)
		}
	}
	if _, _, ok := tlsVersions(c.SSLProtocols); !ok && c.ProtocolPolicy != "http-only" {
		return notImplemented("An origin that speaks SSLv3 alone")
	}
	return checkTimeouts(c.ReadTimeout, c.KeepaliveTimeout)
}

func checkTimeouts(read, keepalive int) error {
	if read < 1 || read > 120 {
		return fault.New("InvalidOriginReadTimeout", "The read timeout specified for the origin is not valid: 1 to 120 seconds.")
	}
	if keepalive < 1 || keepalive > 120 {
		return fault.New("InvalidOriginKeepaliveTimeout", "The keep alive timeout specified for the origin is not valid: 1 to 120 seconds.")
	}
	return nil
}

// forbiddenCustom are the names that an origin's custom headers may not have, in lower case.
// CloudFront Developer Guide, "Add custom headers to origin requests".
var forbiddenCustom = set("cache-control connection content-length cookie host if-match if-modified-since if-none-match if-range " +
	"if-unmodified-since max-forwards pragma proxy-authorization proxy-connection range request-range te trailer " +
	"transfer-encoding upgrade via x-real-ip")

func checkCustomHeaders(fields []HeaderField) error {
	total, seen := 0, map[string]bool{}
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		total += len(f.Name) + len(f.Value)
		switch {
		case !validToken(f.Name) || len(f.Name) > 256 || len(f.Value) > 1783 || !validValue(f.Value):
			return invalid("The custom header %q has a name or value that is not valid.", f.Name)
		case forbiddenCustom[name] || strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "x-edge-"):
			return invalid("The custom header %s is not allowed.", f.Name)
		case seen[name]:
			return invalid("The custom header %s appears twice.", f.Name)
		}
		seen[name] = true
	}
	if total > 10240 {
		return invalid("The custom headers have more than 10240 characters in total.")
	}
	return nil
}

// responseCodes are what a custom error page may be answered with. CloudFront API Reference, "CustomErrorResponse".
var responseCodes = strings.Fields("200 400 403 404 405 414 416 500 501 502 503 504")

func checkErrors(list []CustomErrorResponse) error {
	seen := map[int]bool{}
	for _, r := range list {
		switch {
		case !slices.Contains([]int{400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}, r.ErrorCode):
			return fault.New("InvalidErrorCode", "An invalid error code was specified: %d.", r.ErrorCode)
		case seen[r.ErrorCode]:
			return invalid("The error code %d appears twice.", r.ErrorCode)
		case r.ErrorCachingMinTTL != nil && (*r.ErrorCachingMinTTL < 0 || *r.ErrorCachingMinTTL > maxSeconds):
			return invalid("ErrorCachingMinTTL is 0 seconds to 100 years.")
		case (r.ResponsePagePath == "") != (r.ResponseCode == ""):
			return invalid("ResponsePagePath and ResponseCode go together: the error code %d has one of them.", r.ErrorCode)
		case r.ResponsePagePath != "" && (r.ResponsePagePath[0] != '/' || !validPath(r.ResponsePagePath) || len(r.ResponsePagePath) > 4000):
			return invalid("The ResponsePagePath %q is no path.", r.ResponsePagePath)
		case r.ResponseCode != "" && !slices.Contains(responseCodes, r.ResponseCode):
			return fault.New("InvalidResponseCode", "A response code is not valid: %s.", r.ResponseCode)
		}
		seen[r.ErrorCode] = true
	}
	return nil
}

func (e *Edge) checkBehavior(b CacheBehavior, origins map[string]*Origin, groups []OriginGroup) error {
	methods := []string{"GET HEAD", "GET HEAD OPTIONS", "DELETE GET HEAD OPTIONS PATCH POST PUT"}
	switch {
	case origins[b.TargetOriginID] == nil && !slices.ContainsFunc(groups, func(g OriginGroup) bool { return g.ID == b.TargetOriginID }):
		return fault.New("NoSuchOrigin", "No origin exists with the specified Origin Id: %q.", b.TargetOriginID)
	case !slices.Contains([]string{"allow-all", "https-only", "redirect-to-https"}, b.ViewerProtocolPolicy):
		return invalid("%q is no viewer protocol policy.", b.ViewerProtocolPolicy)
	case !slices.Contains(methods, sorted(b.AllowedMethods)):
		return invalid("The parameter AllowedMethods is neither GET, HEAD, nor GET, HEAD, OPTIONS, nor all seven methods.")
	case !slices.Contains(methods[:2], sorted(b.CachedMethods)):
		return invalid("The parameter CachedMethods is neither GET, HEAD nor GET, HEAD, OPTIONS.")
	case slices.Contains(b.CachedMethods, "OPTIONS") && !slices.Contains(b.AllowedMethods, "OPTIONS"):
		return invalid("CachedMethods names OPTIONS, which AllowedMethods does not.")
	case b.Forwarded != nil && b.CachePolicyID != "":
		return invalid("A behavior has either a cache policy or ForwardedValues and TTLs.")
	case b.Forwarded != nil && b.OriginRequestPolicyID != "":
		return invalid("An origin request policy goes with a cache policy, not with ForwardedValues.")
	case b.Forwarded == nil && b.CachePolicyID == "":
		return invalid("A behavior needs a cache policy.")
	case len(b.TrustedSigners) > 0:
		return notImplemented("A behavior with accounts as trusted signers")
	case b.RealtimeLogConfigARN != "":
		return notImplemented("A real-time log")
	case b.FieldLevelEncryptionID != "":
		return notImplemented("Field-level encryption")
	}
	if err := e.checkFunctionAssociations(&b); err != nil {
		return err
	}
	return e.checkReferences(b)
}

// checkReferences looks for what a behavior names. e.control is held.
func (e *Edge) checkReferences(b CacheBehavior) error {
	if b.OriginRequestPolicyID != "" {
		if _, err := e.OriginRequestPolicies.find(b.OriginRequestPolicyID); err != nil {
			return err
		}
	}
	if b.ResponseHeadersPolicyID != "" {
		if _, err := e.ResponseHeadersPolicies.find(b.ResponseHeadersPolicyID); err != nil {
			return err
		}
	}
	if err := e.checkTrustedGroups(b.TrustedKeyGroups); err != nil {
		return err
	}
	if b.Forwarded != nil {
		return b.Forwarded.check()
	}
	_, err := e.findPolicy(b.CachePolicyID)
	return err
}

func sorted(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// set splits a list of names at its spaces.
func set(names string) map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(names) {
		m[name] = true
	}
	return m
}

// validDomain reports whether s is a host name of at most 253 characters, and no IP address.
func validDomain(s string) bool {
	if s == "" || len(s) > 253 || net.ParseIP(s) != nil {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !alphanumeric(c) && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func validPort(p int) bool { return p == 80 || p == 443 || p >= 1024 && p <= 65535 }

// validOriginPath reports whether p is "" or a path that begins with a slash, ends with none and has at most 255 bytes.
func validOriginPath(p string) bool {
	return p == "" || p[0] == '/' && p[len(p)-1] != '/' && len(p) <= 255 && validPath(p)
}

// s3Region returns the region in a bucket's or access point's domain name.
func s3Region(domain string) (string, bool) {
	rest, ok := strings.CutSuffix(strings.ToLower(domain), ".amazonaws.com")
	if !ok {
		return "", false
	}
	labels := strings.Split(rest, ".")
	n := len(labels)
	switch last := labels[n-1]; {
	case n > 1 && last == "s3":
		return "us-east-1", true
	case n > 2 && (labels[n-2] == "s3" || labels[n-2] == "dualstack" || labels[n-2] == "s3-website" || labels[n-2] == "s3-accesspoint"):
		return last, true
	case n > 1 && strings.HasPrefix(last, "s3-"):
		return strings.TrimPrefix(last, "s3-"), true
	}
	return "", false
}
