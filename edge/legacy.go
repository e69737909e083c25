package edge

import (
	"slices"
	"strings"

	"glassine/aws/fault"
)

// ForwardedValues is the form of a behavior from before there were policies. It chooses the cache key and what is forwarded
// at once, with TTLs of the behavior's own. CloudFront API Reference, "ForwardedValues".
type ForwardedValues struct {
	QueryString bool
	// QueryStringCacheKeys are the parameters in the key while all are forwarded; nil: all are in it. Only with QueryString.
	QueryStringCacheKeys []string
	Cookies              Selection // none, whitelist or all
	// Headers are in the key and forwarded; "*" forwards all and turns caching off.
	Headers []string
	// MinTTL, DefaultTTL and MaxTTL are in seconds; see CachePolicyConfig.
	MinTTL             int64
	DefaultTTL, MaxTTL *int64
}

// check validates the legacy form.
func (f *ForwardedValues) check() error {
	if err := f.Cookies.check("Cookies", []string{"none", "whitelist", "all"}); err != nil {
		return err
	}
	if !f.QueryString && len(f.QueryStringCacheKeys) > 0 {
		return fault.New("InvalidQueryStringParameters", "QueryStringCacheKeys are given while QueryString is false.")
	}
	for _, name := range f.Headers {
		switch {
		case name == "*" && len(f.Headers) > 1:
			return invalid("* is given together with other headers.")
		case name == "*" && f.MinTTL != 0:
			return invalid("To forward all headers, set MinTTL to 0.")
		case name == "*":
		case !validToken(name):
			return invalid("%q is no header name.", name)
		case strings.HasPrefix(strings.ToLower(name), "cloudfront-") && !keyable(name):
			return invalid("%s cannot be in the cache key.", name)
		}
	}
	policy, _ := f.policies()
	return policy.checkTTL()
}

// policies returns the policies that say the same. With a nil second one, what is in the key is all that is forwarded.
func (f *ForwardedValues) policies() (CachePolicyConfig, *OriginRequestPolicyConfig) {
	none, all := Selection{Behavior: "none"}, Selection{Behavior: "all"}
	key := CachePolicyConfig{
		MinTTL: f.MinTTL, DefaultTTL: f.DefaultTTL, MaxTTL: f.MaxTTL, Headers: none, Cookies: f.Cookies, QueryStrings: none,
		// CloudFront Developer Guide, "Serve compressed files": of Accept-Encoding the old form keeps gzip.
		AcceptEncodingGzip: !slices.ContainsFunc(f.Headers, func(n string) bool { return strings.EqualFold(n, "Accept-Encoding") }),
	}
	key = key.withDefaults()
	more := OriginRequestPolicyConfig{Headers: none, Cookies: none, QueryStrings: none}
	switch {
	case f.QueryString && len(f.QueryStringCacheKeys) > 0:
		key.QueryStrings, more.QueryStrings = Selection{Behavior: "whitelist", Names: f.QueryStringCacheKeys}, all
	case f.QueryString:
		key.QueryStrings = all
	}
	switch {
	case slices.Contains(f.Headers, "*"):
		zero := int64(0)
		key.MinTTL, key.DefaultTTL, key.MaxTTL, key.AcceptEncodingGzip = 0, &zero, &zero, false
		more.Headers = Selection{Behavior: "allViewer"}
	case len(f.Headers) > 0:
		key.Headers = Selection{Behavior: "whitelist", Names: f.Headers}
	}
	if more.QueryStrings.Behavior == "none" && more.Headers.Behavior == "none" {
		return key, nil
	}
	return key, &more
}
