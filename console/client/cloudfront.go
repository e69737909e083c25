package client

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Distribution is a distribution. (CloudFront API Reference, DistributionSummary and Distribution.)
type Distribution struct {
	Id, ARN, Status, DomainName string
	LastModifiedTime            time.Time
	Config                      DistributionConfig `xml:"DistributionConfig"`
}

// DistributionConfig is what the console shows of a configuration.
type DistributionConfig struct {
	Comment, PriceClass, HttpVersion string
	Enabled                          bool
	Aliases                          []string   `xml:"Aliases>Items>CNAME"`
	Origins                          []Origin   `xml:"Origins>Items>Origin"`
	Default                          Behavior   `xml:"DefaultCacheBehavior"`
	Behaviors                        []Behavior `xml:"CacheBehaviors>Items>CacheBehavior"`
}

// Origin is an origin.
type Origin struct {
	Id, DomainName, OriginPath, OriginAccessControlId string
	Custom                                            *struct {
		OriginProtocolPolicy string
		SslProtocols         []string `xml:"OriginSslProtocols>Items>SslProtocol"`
	} `xml:"CustomOriginConfig"`
	Shield struct {
		Enabled            bool
		OriginShieldRegion string
	} `xml:"OriginShield"`
}

// Behavior is a cache behavior. The default one has no PathPattern.
type Behavior struct {
	PathPattern, TargetOriginId, ViewerProtocolPolicy, CachePolicyId, OriginRequestPolicyId, ResponseHeadersPolicyId string
	Compress                                                                                                         bool
	Methods                                                                                                          []string `xml:"AllowedMethods>Items>Method"`
	Lambdas                                                                                                          []struct {
		ARN       string `xml:"LambdaFunctionARN"`
		EventType string
	} `xml:"LambdaFunctionAssociations>Items>LambdaFunctionAssociation"`
	Functions []struct {
		ARN       string `xml:"FunctionARN"`
		EventType string
	} `xml:"FunctionAssociations>Items>FunctionAssociation"`
}

// CachePolicy is a cache policy. Type is managed or custom.
type CachePolicy struct {
	Type   string
	Id     string `xml:"CachePolicy>Id"`
	Config struct {
		Name, Comment              string
		DefaultTTL, MaxTTL, MinTTL int64
		Key                        KeyParameters `xml:"ParametersInCacheKeyAndForwardedToOrigin"`
	} `xml:"CachePolicy>CachePolicyConfig"`
}

// KeyParameters say what of a request is part of the cache key.
type KeyParameters struct {
	Gzip         bool     `xml:"EnableAcceptEncodingGzip"`
	Brotli       bool     `xml:"EnableAcceptEncodingBrotli"`
	Headers      string   `xml:"HeadersConfig>HeaderBehavior"`
	HeaderNames  []string `xml:"HeadersConfig>Headers>Items>Name"`
	Cookies      string   `xml:"CookiesConfig>CookieBehavior"`
	CookieNames  []string `xml:"CookiesConfig>Cookies>Items>Name"`
	Queries      string   `xml:"QueryStringsConfig>QueryStringBehavior"`
	QueryStrings []string `xml:"QueryStringsConfig>QueryStrings>Items>Name"`
}

// Invalidation is a purge.
type Invalidation struct {
	Id, Status string
	CreateTime time.Time
	Paths      []string `xml:"InvalidationBatch>Paths>Items>Path"`
}

// cloudfront is a call of CloudFront. path follows the version.
func (c *Client) cloudfront(operation, method, path string, body []byte, cli ...string) request {
	r := request{
		operation: "cloudfront:" + operation, service: "cloudfront", region: "us-east-1", method: method,
		url: "https://cloudfront.amazonaws.com/2020-05-31/" + path, body: body, cli: append([]string{"cloudfront"}, cli...),
	}
	if body != nil {
		r.header = http.Header{"Content-Type": {"text/xml"}}
	}
	return r
}

// ListDistributions returns all distributions.
func (c *Client) ListDistributions(ctx context.Context) ([]Distribution, error) {
	// A summary is the configuration between the distribution's own members.
	var out struct {
		List []struct {
			Id, ARN, Status, DomainName string
			LastModifiedTime            time.Time
			DistributionConfig
		} `xml:"Items>DistributionSummary"`
	}
	if _, err := c.xml(ctx, c.cloudfront("ListDistributions", http.MethodGet, "distribution", nil, "list-distributions"), &out); err != nil {
		return nil, err
	}
	all := make([]Distribution, len(out.List))
	for i, d := range out.List {
		all[i] = Distribution{d.Id, d.ARN, d.Status, d.DomainName, d.LastModifiedTime, d.DistributionConfig}
	}
	return all, nil
}

// GetDistribution returns one, and the ETag that a change of it needs.
func (c *Client) GetDistribution(ctx context.Context, id string) (Distribution, string, error) {
	var out Distribution
	h, err := c.xml(ctx, c.cloudfront("GetDistribution", http.MethodGet, "distribution/"+url.PathEscape(id), nil, "get-distribution", "--id", id), &out)
	return out, h.Get("Etag"), err
}

// SetEnabled switches a distribution on or off.
func (c *Client) SetEnabled(ctx context.Context, id string, on bool) error {
	return c.EditDistribution(ctx, id, ".Enabled = "+strconv.FormatBool(on), func(config *Element) error {
		config.Set(strconv.FormatBool(on), "Enabled")
		return nil
	})
}

// DeleteDistribution deletes a distribution that is off.
func (c *Client) DeleteDistribution(ctx context.Context, id, etag string) error {
	r := c.cloudfront("DeleteDistribution", http.MethodDelete, "distribution/"+url.PathEscape(id), nil, "delete-distribution", "--id", id, "--if-match", etag)
	r.header = http.Header{"If-Match": {etag}}
	_, err := c.xml(ctx, r, nil)
	return err
}

// ListCachePolicies returns all cache policies, AWS's managed ones too.
func (c *Client) ListCachePolicies(ctx context.Context) ([]CachePolicy, error) {
	var out struct {
		List []CachePolicy `xml:"Items>CachePolicySummary"`
	}
	_, err := c.xml(ctx, c.cloudfront("ListCachePolicies", http.MethodGet, "cache-policy", nil, "list-cache-policies"), &out)
	return out.List, err
}

// CreateCachePolicy makes a policy that caches by path and the query strings named, for a day where the origin says nothing.
func (c *Client) CreateCachePolicy(ctx context.Context, name string, queries []string) (string, error) {
	type parameters struct {
		EnableAcceptEncodingGzip   bool
		EnableAcceptEncodingBrotli bool
		Headers                    string   `xml:"HeadersConfig>HeaderBehavior"`
		Cookies                    string   `xml:"CookiesConfig>CookieBehavior"`
		Queries                    string   `xml:"QueryStringsConfig>QueryStringBehavior"`
		Quantity                   int      `xml:"QueryStringsConfig>QueryStrings>Quantity"`
		Names                      []string `xml:"QueryStringsConfig>QueryStrings>Items>Name"`
	}
	body := marshal(struct {
		XMLName                                  xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ CachePolicyConfig"`
		Comment, Name                            string
		DefaultTTL, MaxTTL, MinTTL               int
		ParametersInCacheKeyAndForwardedToOrigin parameters
	}{Name: name, DefaultTTL: 86400, MaxTTL: 31536000, MinTTL: 1, ParametersInCacheKeyAndForwardedToOrigin: parameters{
		EnableAcceptEncodingGzip: true, EnableAcceptEncodingBrotli: true, Headers: "none", Cookies: "none", Queries: "whitelist", Quantity: len(queries), Names: queries,
	}})
	var out struct{ Id string }
	_, err := c.xml(ctx, c.cloudfront("CreateCachePolicy", http.MethodPost, "cache-policy", body, "create-cache-policy", "--cache-policy-config", "file://cache-policy.json"), &out)
	return out.Id, err
}

// NewDistribution is a distribution in front of one origin over TLS.
type NewDistribution struct {
	Comment, OriginDomain, CachePolicyID string
	SignerARN                            string // of a numbered version, run at origin-request
	Reference                            string // CallerReference
}

// CreateDistribution makes one that sends viewers to HTTPS, and returns its id.
func (c *Client) CreateDistribution(ctx context.Context, n NewDistribution) (string, error) {
	type list struct{ Quantity int }
	type custom struct {
		HTTPPort, HTTPSPort  int
		OriginProtocolPolicy string
		Quantity             int      `xml:"OriginSslProtocols>Quantity"`
		SslProtocols         []string `xml:"OriginSslProtocols>Items>SslProtocol"`
	}
	type origin struct {
		Id, DomainName     string
		CustomOriginConfig custom
	}
	type association struct {
		LambdaFunctionARN, EventType string
		IncludeBody                  bool
	}
	type behavior struct {
		TargetOriginId, ViewerProtocolPolicy string
		Compress                             bool
		Quantity                             int           `xml:"LambdaFunctionAssociations>Quantity"`
		Lambdas                              []association `xml:"LambdaFunctionAssociations>Items>LambdaFunctionAssociation"`
		CachePolicyId                        string
	}
	body := marshal(struct {
		XMLName              xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ DistributionConfig"`
		CallerReference      string
		Aliases              list
		Quantity             int    `xml:"Origins>Quantity"`
		Origin               origin `xml:"Origins>Items>Origin"`
		DefaultCacheBehavior behavior
		Comment              string
		Enabled              bool
	}{
		CallerReference: n.Reference, Quantity: 1, Comment: n.Comment, Enabled: true,
		Origin: origin{"object-lambda", n.OriginDomain, custom{80, 443, "https-only", 1, []string{"TLSv1.2"}}},
		DefaultCacheBehavior: behavior{
			TargetOriginId: "object-lambda", ViewerProtocolPolicy: "redirect-to-https", Compress: true, Quantity: 1,
			Lambdas: []association{{n.SignerARN, "origin-request", false}}, CachePolicyId: n.CachePolicyID,
		},
	})
	var out struct{ Id string }
	_, err := c.xml(ctx, c.cloudfront("CreateDistribution", http.MethodPost, "distribution", body, "create-distribution", "--distribution-config", "file://distribution.json"), &out)
	return out.Id, err
}

// ListInvalidations returns a distribution's invalidations, without their paths.
func (c *Client) ListInvalidations(ctx context.Context, distribution string) ([]Invalidation, error) {
	var out struct {
		List []Invalidation `xml:"Items>InvalidationSummary"`
	}
	_, err := c.xml(ctx, c.cloudfront("ListInvalidations", http.MethodGet, "distribution/"+url.PathEscape(distribution)+"/invalidation", nil,
		"list-invalidations", "--distribution-id", distribution), &out)
	return out.List, err
}

// GetInvalidation returns one with its paths.
func (c *Client) GetInvalidation(ctx context.Context, distribution, id string) (Invalidation, error) {
	var out Invalidation
	_, err := c.xml(ctx, c.cloudfront("GetInvalidation", http.MethodGet, "distribution/"+url.PathEscape(distribution)+"/invalidation/"+url.PathEscape(id), nil,
		"get-invalidation", "--distribution-id", distribution, "--id", id), &out)
	return out, err
}

// CreateInvalidation purges paths; a * at the end of one makes it a prefix. reference is the CallerReference.
func (c *Client) CreateInvalidation(ctx context.Context, distribution, reference string, paths []string) (Invalidation, error) {
	body := marshal(struct {
		XMLName         xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ InvalidationBatch"`
		Quantity        int      `xml:"Paths>Quantity"`
		Paths           []string `xml:"Paths>Items>Path"`
		CallerReference string
	}{Quantity: len(paths), Paths: paths, CallerReference: reference})
	var out Invalidation
	_, err := c.xml(ctx, c.cloudfront("CreateInvalidation", http.MethodPost, "distribution/"+url.PathEscape(distribution)+"/invalidation", body,
		append([]string{"create-invalidation", "--distribution-id", distribution, "--paths"}, paths...)...), &out)
	return out, err
}
