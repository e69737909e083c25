package edge

import "time"

// Distribution is one CDN configuration with its public name.
// CloudFront API Reference, "Distribution".
type Distribution struct {
	ID           string // E and 13 of A-Z0-9
	ARN          string // arn:aws:cloudfront::<account>:distribution/<ID>
	DomainName   string // d and 13 of a-z0-9, then .cloudfront.net
	Status       string // always "Deployed": a change is in force before its call returns
	ETag         string // names this version of Config; If-Match of the next change
	LastModified time.Time
	Config       DistributionConfig
}

// DistributionConfig says what a distribution serves and how. Slices are plain lists, without the Quantity of the wire.
// CloudFront API Reference, "DistributionConfig".
type DistributionConfig struct {
	CallerReference string // makes CreateDistribution idempotent; never changes afterwards
	Comment         string // at most 128 characters
	Enabled         bool

	// DefaultRootObject is what "/" alone means, without a leading slash; "" sends "/" to the origin.
	DefaultRootObject string
	// Aliases are further host names: exact, or *.example.com.
	Aliases []string
	Origins []Origin
	// Groups are pairs of origins of which the second helps out; a behavior's TargetOriginID may name one.
	Groups []OriginGroup
	// DefaultCacheBehavior serves every path that no CacheBehaviors entry matches; its PathPattern is empty.
	DefaultCacheBehavior CacheBehavior
	// CacheBehaviors are tried in order; the first that matches the path serves it.
	CacheBehaviors       []CacheBehavior
	CustomErrorResponses []CustomErrorResponse

	// GeoRestriction is none (also ""), whitelist or blacklist, of the countries in GeoLocations: ISO 3166-1 alpha-2. It needs
	// Config.Geo.
	GeoRestriction string
	GeoLocations   []string
	// CacheTagHeader is the response header in which origins send the tags that an invalidation can name, separated by
	// commas; "" is none. CloudFront API Reference, "CacheTagConfig".
	CacheTagHeader string
	// Logging is where the standard log goes. It needs Config.StandardLog.
	Logging Logging

	// HTTPVersion is what viewers may speak besides HTTP/1.1: http1.1, http2 (default), http3 or http2and3.
	HTTPVersion       string
	ViewerCertificate ViewerCertificate

	// The rest is kept and echoed; it does not change how requests are served.
	PriceClass  string // default PriceClass_All
	IPv6Enabled bool

	// The rest is refused with NotImplemented when set, rather than ignored.
	WebACLID string
	Staging  bool
}

// OriginGroup sends a request to its second member when the first fails. Of requests that are not GET, HEAD or OPTIONS the
// first member's answer counts. CloudFront Developer Guide, "Optimize high availability with CloudFront origin failover".
type OriginGroup struct {
	ID          string
	StatusCodes []int     // of the first member's answer, that count as failure
	Members     [2]string // IDs of origins
}

// Origin is where a behavior fetches from. Exactly one of Custom and S3 is set.
// CloudFront API Reference, "Origin".
type Origin struct {
	ID         string
	DomainName string
	// Path is put before the URI on the way to the origin: "" or "/x", never with a slash at the end.
	Path string
	// ConnectionAttempts is 1 to 3; 0 means 3.
	ConnectionAttempts int
	// ConnectionTimeout is 1 to 10 seconds; 0 means 10.
	ConnectionTimeout int
	CustomHeaders     []HeaderField
	Custom            *CustomOrigin
	S3                *S3Origin

	// OriginAccessControlID is of the control that signs for an S3 origin, or "".
	OriginAccessControlID string

	// ShieldRegion is the AWS Region of the origin shield; "" is none. See shield.go for what one is here.
	ShieldRegion string
}

// HeaderField is one header line.
type HeaderField struct{ Name, Value string }

// CustomOrigin is any HTTP server. CloudFront API Reference, "CustomOriginConfig".
type CustomOrigin struct {
	HTTPPort         int    // 0 means 80
	HTTPSPort        int    // 0 means 443
	ProtocolPolicy   string // http-only, match-viewer or https-only
	SSLProtocols     []string
	ReadTimeout      int // seconds, 1 to 120; 0 means 30
	KeepaliveTimeout int // seconds, 1 to 120; 0 means 5
}

// S3Origin is a bucket, an access point or the alias of an Object Lambda access point. Without an origin access control it
// gives only what everybody may have. CloudFront API Reference, "S3OriginConfig".
type S3Origin struct {
	OriginAccessIdentity string // refused with NotImplemented when set
	ReadTimeout          int    // seconds, 1 to 120; 0 means 30
}

// CacheBehavior says how the paths it matches are served. CloudFront API Reference, "CacheBehavior".
type CacheBehavior struct {
	PathPattern          string // empty in the default behavior
	TargetOriginID       string
	ViewerProtocolPolicy string // allow-all, https-only or redirect-to-https
	// AllowedMethods is {GET,HEAD}, {GET,HEAD,OPTIONS} or all seven; nil means GET and HEAD.
	AllowedMethods []string
	// CachedMethods is {GET,HEAD} or {GET,HEAD,OPTIONS}; nil means GET and HEAD.
	CachedMethods []string
	CachePolicyID string
	// Compress makes the edge compress what viewers take compressed, with the encodings that the cache policy enables.
	// CloudFront Developer Guide, "Serve compressed files".
	Compress        bool
	SmoothStreaming bool
	LambdaFunctions []LambdaFunctionAssociation
	// OriginRequestPolicyID is of what goes to the origin beside what the cache policy says; "" is none. It needs a cache
	// policy.
	OriginRequestPolicyID string
	// ResponseHeadersPolicyID is of what is done to the header of every answer; "" is none.
	ResponseHeadersPolicyID string
	// TrustedKeyGroups are the IDs of the groups whose keys may sign URLs and cookies; with none every request is served.
	TrustedKeyGroups []string
	// Forwarded is the legacy form that stands in the place of CachePolicyID; nil when there is a policy.
	Forwarded *ForwardedValues

	// Functions are CloudFront functions at the viewer's events, where LambdaFunctions then has none.
	Functions []FunctionAssociation

	// The rest is refused with NotImplemented when set, rather than ignored.
	TrustedSigners         []string // accounts, which have no key pairs here: key groups have
	RealtimeLogConfigARN   string
	FieldLevelEncryptionID string
}

// LambdaFunctionAssociation runs a Lambda@Edge function at an event; a behavior has one at most for each.
type LambdaFunctionAssociation struct {
	FunctionARN string // of a numbered version in us-east-1
	EventType   string // viewer-request, origin-request, origin-response or viewer-response
	IncludeBody bool   // the function is shown the request's body and may replace it; of the request events only
}

// FunctionAssociation runs the LIVE stage of a CloudFront function at an event: viewer-request or viewer-response.
type FunctionAssociation struct{ FunctionARN, EventType string }

// CustomErrorResponse says how long an error is kept, and what viewers get in its place.
// CloudFront API Reference, "CustomErrorResponse".
type CustomErrorResponse struct {
	ErrorCode int
	// ErrorCachingMinTTL is in seconds; nil means 10.
	ErrorCachingMinTTL *int64
	// ResponsePagePath is the path of a page, which is fetched through the behavior that it matches, and ResponseCode the
	// status with which viewers get it; both or neither are set.
	ResponsePagePath, ResponseCode string
}

// ViewerCertificate says how viewers' connections are secured: with CloudFront's default certificate, or with a custom one under
// a security policy. Which certificate they get is the listener's matter, by the name that they ask for.
// CloudFront API Reference, "ViewerCertificate".
type ViewerCertificate struct {
	CloudFrontDefault                   bool
	ACMCertificateARN, IAMCertificateID string // of a custom one, one of both
	SSLSupportMethod                    string // sni-only, vip or static-ip: kept, all viewers are served by SNI
	MinimumProtocolVersion              string // a name that tlspolicy.Find knows
}

// Invalidation is one purge that was asked for. CloudFront API Reference, "Invalidation".
type Invalidation struct {
	ID              string // I and 13 of A-Z0-9
	Status          string // always "Completed": the purge is in force before its call returns
	CreateTime      time.Time
	CallerReference string
	Paths           []string
}
