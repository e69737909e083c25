package edge

import (
	"strings"
	"time"
)

// CachePolicy decides a behavior's cache key and how long responses are kept.
// CloudFront API Reference, "CachePolicy".
type CachePolicy struct {
	ID           string // a UUID
	ETag         string // names this version of Config; If-Match of the next change
	LastModified time.Time
	Managed      bool // AWS's own, read-only
	Config       CachePolicyConfig
}

// CachePolicyConfig is the changeable part of a cache policy. CloudFront API Reference, "CachePolicyConfig".
type CachePolicyConfig struct {
	Name, Comment string
	// MinTTL, DefaultTTL and MaxTTL are in seconds. A nil DefaultTTL means 86400, or MinTTL when that is larger; a nil
	// MaxTTL 31536000, or DefaultTTL when that is larger.
	MinTTL             int64
	DefaultTTL, MaxTTL *int64
	// AcceptEncodingGzip and AcceptEncodingBrotli put the normalised Accept-Encoding into the key.
	AcceptEncodingGzip, AcceptEncodingBrotli bool
	Headers, Cookies, QueryStrings           Selection
}

// Selection says which of a request's headers, cookies or query strings belong to the key, and so go to the origin.
type Selection struct {
	// Behavior is none, whitelist, allExcept or all (headers: none or whitelist).
	Behavior string
	Names    []string
}

// Default and Max values of a cache policy's TTLs, in seconds. CloudFront API Reference, "CachePolicyConfig".
const (
	defaultTTL = 86400
	defaultMax = 31536000
)

// withDefaults returns c with both optional TTLs set.
func (c CachePolicyConfig) withDefaults() CachePolicyConfig {
	if c.DefaultTTL == nil {
		c.DefaultTTL = new(max(defaultTTL, c.MinTTL))
	}
	if c.MaxTTL == nil {
		c.MaxTTL = new(max(defaultMax, *c.DefaultTTL))
	}
	return c
}

// managedPolicies are AWS's own policies, which exist from the start and cannot be changed.
// CloudFront Developer Guide, "Using the managed cache policies".
var managedPolicies = []CachePolicy{
	elementalMediaPackage(), amplify(),
	managed("658327ea-f89d-4fab-a63d-7e88639e58f6", "Managed-CachingOptimized",
		"Policy with caching enabled. Supports Gzip and Brotli compression.", 1, 86400, 31536000, true),
	managed("b2884449-e4de-46a7-ac36-70bc7f1ddd6d", "Managed-CachingOptimizedForUncompressedObjects",
		"Default policy when compression is disabled", 1, 86400, 31536000, false),
	managed("4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "Managed-CachingDisabled",
		"Policy with caching disabled", 0, 0, 0, false),
}

func managed(id, name, comment string, least, normal, most int64, encodings bool) CachePolicy {
	none := Selection{Behavior: "none"}
	return CachePolicy{
		ID: id, ETag: "E23ZP02F085DFQ", Managed: true,
		LastModified: managedSince,
		Config: CachePolicyConfig{
			Name: name, Comment: comment, MinTTL: least, DefaultTTL: &normal, MaxTTL: &most,
			AcceptEncodingGzip: encodings, AcceptEncodingBrotli: encodings,
			Headers: none, Cookies: none, QueryStrings: none,
		},
	}
}

// elementalMediaPackage is the policy for video of AWS Elemental MediaPackage.
func elementalMediaPackage() CachePolicy {
	p := managed("08627262-05a9-4f76-9ded-b50ca2e3a84f", "Managed-Elemental-MediaPackage", "Policy for Elemental MediaPackage Origin", 0, 86400, 31536000, false)
	p.Config.AcceptEncodingGzip = true
	p.Config.Headers = Selection{Behavior: "whitelist", Names: []string{"Origin"}}
	p.Config.QueryStrings = Selection{Behavior: "whitelist", Names: strings.Fields("aws.manifestfilter end m start")}
	return p
}

// amplify is the policy for AWS Amplify's origins.
func amplify() CachePolicy {
	p := managed("2e54312d-136d-493c-8eb9-b001f22f67d2", "Managed-Amplify", "Policy for Amplify Origin", 2, 2, 600, true)
	p.Config.Headers = Selection{Behavior: "whitelist", Names: strings.Fields("Authorization CloudFront-Viewer-Country Host")}
	p.Config.Cookies, p.Config.QueryStrings = Selection{Behavior: "all"}, Selection{Behavior: "all"}
	return p
}
