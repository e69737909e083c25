package cloudfrontapi

import (
	"encoding/xml"
	"time"

	"glassine/aws/fault"
)

// The XML shapes of the CloudFront API, as the model of version 2020-05-31 names them. Pointers are members that a request
// may leave out; an answer carries the defaults that AWS echoes.

const namespace = "http://cloudfront.amazonaws.com/doc/2020-05-31/"

// list is CloudFront's form of a list: a Quantity and Items.
type list[T any] struct {
	Quantity int
	Items    *items[T] `xml:",omitempty"`
}

// items marshals each element under the name that the element type gives.
type items[T any] struct {
	Item []T `xml:",any"`
}

// get returns the elements, or InconsistentQuantities.
func (l *list[T]) get() ([]T, error) {
	if l == nil {
		return nil, nil
	}
	var got []T
	if l.Items != nil {
		got = l.Items.Item
	}
	if len(got) != l.Quantity {
		return nil, fault.New("InconsistentQuantities", "The value of Quantity (%d) and the number of items (%d) do not match.", l.Quantity, len(got))
	}
	return got, nil
}

func listOf[T any](elements []T) *list[T] {
	if len(elements) == 0 {
		return &list[T]{}
	}
	return &list[T]{Quantity: len(elements), Items: &items[T]{elements}}
}

// text is a list element that holds a string; its name is the element's.
type text struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func texts(name string, values []string) []text {
	out := make([]text, len(values))
	for i, v := range values {
		out[i] = text{xml.Name{Local: name}, v}
	}
	return out
}

func values(ts []text) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.Value)
	}
	return out
}

type distribution struct {
	XMLName                       xml.Name `xml:"Distribution"`
	NS                            string   `xml:"xmlns,attr,omitempty"`
	Id                            string
	ARN                           string
	Status                        string
	LastModifiedTime              string
	InProgressInvalidationBatches int
	DomainName                    string
	ActiveTrustedSigners          enabled
	ActiveTrustedKeyGroups        activeKeyGroups
	DistributionConfig            distributionConfig
}

type enabled struct {
	Enabled  bool
	Quantity int
}

type activeKeyGroups struct {
	Enabled  bool
	Quantity int
	Items    *items[activeKeyGroup] `xml:",omitempty"`
}

type activeKeyGroup struct {
	XMLName    xml.Name `xml:"KeyGroup"`
	KeyGroupId string
	KeyPairIds *list[text]
}

type originGroup struct {
	XMLName           xml.Name `xml:"OriginGroup"`
	Id                string
	FailoverCriteria  struct{ StatusCodes *list[text] }
	Members           *list[originGroupMember]
	SelectionCriteria string `xml:",omitempty"`
}

type originGroupMember struct {
	XMLName  xml.Name `xml:"OriginGroupMember"`
	OriginId string
}

type distributionConfig struct {
	XMLName              xml.Name `xml:"DistributionConfig"`
	NS                   string   `xml:"xmlns,attr,omitempty"`
	CallerReference      string
	Aliases              *list[text]
	DefaultRootObject    string
	Origins              *list[origin]
	OriginGroups         *list[originGroup]
	DefaultCacheBehavior cacheBehavior
	CacheBehaviors       *list[cacheBehavior]
	CustomErrorResponses *list[customErrorResponse]
	Comment              string
	Logging              *logging
	PriceClass           string
	Enabled              bool
	ViewerCertificate    *viewerCertificate
	Restrictions         *restrictions
	WebACLId             string
	HttpVersion          string
	IsIPV6Enabled        bool
	Staging              bool
	CacheTagConfig       *cacheTagConfig `xml:",omitempty"`
}

type cacheTagConfig struct{ HeaderName string }

type origin struct {
	XMLName               xml.Name `xml:"Origin"`
	Id                    string
	DomainName            string
	OriginPath            string
	CustomHeaders         *list[originHeader]
	S3OriginConfig        *s3OriginConfig     `xml:",omitempty"`
	CustomOriginConfig    *customOriginConfig `xml:",omitempty"`
	ConnectionAttempts    int
	ConnectionTimeout     int
	OriginShield          *originShield
	OriginAccessControlId string
}

type originHeader struct {
	XMLName     xml.Name `xml:"OriginCustomHeader"`
	HeaderName  string
	HeaderValue string
}

type s3OriginConfig struct {
	OriginAccessIdentity string
	OriginReadTimeout    int
}

type customOriginConfig struct {
	HTTPPort               int
	HTTPSPort              int
	OriginProtocolPolicy   string
	OriginSslProtocols     *list[text]
	OriginReadTimeout      int
	OriginKeepaliveTimeout int
}

type originShield struct {
	Enabled            bool
	OriginShieldRegion string `xml:",omitempty"`
}

type cacheBehavior struct {
	XMLName                    xml.Name
	PathPattern                string `xml:",omitempty"`
	TargetOriginId             string
	TrustedSigners             *trusted
	TrustedKeyGroups           *trusted
	ViewerProtocolPolicy       string
	AllowedMethods             *allowedMethods
	SmoothStreaming            bool
	Compress                   bool
	LambdaFunctionAssociations *list[lambdaAssociation]
	FunctionAssociations       *list[functionAssociation]
	FieldLevelEncryptionId     string
	RealtimeLogConfigArn       string           `xml:",omitempty"`
	CachePolicyId              string           `xml:",omitempty"`
	OriginRequestPolicyId      string           `xml:",omitempty"`
	ResponseHeadersPolicyId    string           `xml:",omitempty"`
	ForwardedValues            *forwardedValues `xml:",omitempty"`
	MinTTL                     *int64           `xml:",omitempty"`
	DefaultTTL                 *int64           `xml:",omitempty"`
	MaxTTL                     *int64           `xml:",omitempty"`
}

type forwardedValues struct {
	QueryString bool
	Cookies     struct {
		Forward          string
		WhitelistedNames *list[text] `xml:",omitempty"`
	}
	Headers              *list[text]
	QueryStringCacheKeys *list[text]
}

type trusted struct {
	Enabled  bool
	Quantity int
	Items    *items[text] `xml:",omitempty"`
}

type allowedMethods struct {
	Quantity      int
	Items         *items[text]
	CachedMethods *list[text]
}

type lambdaAssociation struct {
	XMLName           xml.Name `xml:"LambdaFunctionAssociation"`
	LambdaFunctionARN string
	EventType         string
	IncludeBody       bool
}

type functionAssociation struct {
	XMLName     xml.Name `xml:"FunctionAssociation"`
	FunctionARN string
	EventType   string
}

type customErrorResponse struct {
	XMLName            xml.Name `xml:"CustomErrorResponse"`
	ErrorCode          int
	ResponsePagePath   string
	ResponseCode       string
	ErrorCachingMinTTL *int64
}

type logging struct {
	Enabled        bool
	IncludeCookies bool
	Bucket         string
	Prefix         string
}

type viewerCertificate struct {
	CloudFrontDefaultCertificate bool
	IAMCertificateId             string `xml:",omitempty"`
	ACMCertificateArn            string `xml:",omitempty"`
	SSLSupportMethod             string `xml:",omitempty"`
	MinimumProtocolVersion       string
	// The old form of the two above, which AWS still echoes beside them.
	Certificate       string `xml:",omitempty"`
	CertificateSource string `xml:",omitempty"` // cloudfront, iam or acm
}

type restrictions struct {
	GeoRestriction struct {
		RestrictionType string
		Quantity        int
		Items           *items[text] `xml:",omitempty"`
	}
}

type cachePolicy struct {
	XMLName           xml.Name `xml:"CachePolicy"`
	NS                string   `xml:"xmlns,attr,omitempty"`
	Id                string
	LastModifiedTime  string
	CachePolicyConfig cachePolicyConfig
}

type cachePolicyConfig struct {
	XMLName                                  xml.Name `xml:"CachePolicyConfig"`
	NS                                       string   `xml:"xmlns,attr,omitempty"`
	Comment                                  string
	Name                                     string
	DefaultTTL                               *int64
	MaxTTL                                   *int64
	MinTTL                                   int64
	ParametersInCacheKeyAndForwardedToOrigin *keyParameters
}

type keyParameters struct {
	EnableAcceptEncodingGzip   bool
	EnableAcceptEncodingBrotli bool
	selections
}

type invalidation struct {
	XMLName           xml.Name `xml:"Invalidation"`
	NS                string   `xml:"xmlns,attr,omitempty"`
	Id                string
	Status            string
	CreateTime        string
	InvalidationBatch invalidationBatch
}

type invalidationBatch struct {
	XMLName         xml.Name `xml:"InvalidationBatch"`
	Paths           *list[text]
	CallerReference string
}

// isoTime is CloudFront's time in XML.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
