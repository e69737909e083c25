package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strconv"
	"strings"
	"testing"

	"glassine/edge"
)

// A distribution with everything that a template may say of it, and all that it refers to.
func TestDistributionFromItsFirstDayToItsLast(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := strconv.Quote(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	template := func(comment, ttl, enabled string) string {
		return `
Resources:
  CachePolicy:
    Type: AWS::CloudFront::CachePolicy
    Properties:
      CachePolicyConfig:
        Name: cache
        Comment: ` + comment + `
        DefaultTTL: ` + ttl + `
        MaxTTL: 31536000
        MinTTL: 0
        ParametersInCacheKeyAndForwardedToOrigin:
          EnableAcceptEncodingGzip: true
          EnableAcceptEncodingBrotli: "true"
          HeadersConfig: {HeaderBehavior: none}
          CookiesConfig: {CookieBehavior: none}
          QueryStringsConfig: {QueryStringBehavior: whitelist, QueryStrings: [showExif]}
  OriginPolicy:
    Type: AWS::CloudFront::OriginRequestPolicy
    Properties:
      OriginRequestPolicyConfig: {Name: origin, Comment: ` + comment + `, HeadersConfig: {HeaderBehavior: whitelist, Headers: [X-A]}, CookiesConfig: {CookieBehavior: none}, QueryStringsConfig: {QueryStringBehavior: all}}
  ResponsePolicy:
    Type: AWS::CloudFront::ResponseHeadersPolicy
    Properties:
      ResponseHeadersPolicyConfig:
        Name: response
        Comment: ` + comment + `
        CorsConfig: {AccessControlAllowCredentials: false, AccessControlAllowHeaders: {Items: ["*"]}, AccessControlAllowMethods: {Items: [GET]}, AccessControlAllowOrigins: {Items: ["*"]}, AccessControlMaxAgeSec: 5, OriginOverride: true}
        CustomHeadersConfig: {Items: [{Header: X-B, Value: b, Override: true}]}
        RemoveHeadersConfig: {Items: [{Header: X-Powered-By}]}
        SecurityHeadersConfig: {ContentTypeOptions: {Override: true}, FrameOptions: {FrameOption: DENY, Override: true}, StrictTransportSecurity: {AccessControlMaxAgeSec: 7, Override: true, Preload: true}}
        ServerTimingHeadersConfig: {Enabled: true, SamplingRate: 12.5}
  Control:
    Type: AWS::CloudFront::OriginAccessControl
    Properties: {OriginAccessControlConfig: {Name: control, Description: ` + comment + `, OriginAccessControlOriginType: s3, SigningBehavior: always, SigningProtocol: sigv4}}
  PublicKey: {Type: AWS::CloudFront::PublicKey, Properties: {PublicKeyConfig: {Name: public, CallerReference: ref, Comment: ` + comment + `, EncodedKey: ` + public + `}}}
  Keys: {Type: AWS::CloudFront::KeyGroup, Properties: {KeyGroupConfig: {Name: keys, Comment: ` + comment + `, Items: [!Ref PublicKey]}}}
  Function:
    Type: AWS::CloudFront::Function
    Properties: {Name: rewrite, AutoPublish: true, FunctionCode: "function handler(event) { return event.request; } // ` + comment + `", FunctionConfig: {Comment: ` + comment + `, Runtime: cloudfront-js-2.0}}
  Distribution:
    Type: AWS::CloudFront::Distribution
    Properties:
      Tags: [{Key: c, Value: ` + comment + `}]
      DistributionConfig:
        Enabled: ` + enabled + `
        Comment: ` + comment + `
        HttpVersion: http2
        IPV6Enabled: true
        DefaultRootObject: index.html
        PriceClass: PriceClass_100
        Restrictions: {GeoRestriction: {RestrictionType: whitelist, Locations: [DE]}}
        ViewerCertificate: {CloudFrontDefaultCertificate: true}
        CustomErrorResponses: [{ErrorCode: 404, ErrorCachingMinTTL: 5, ResponseCode: 200, ResponsePagePath: /404.html}]
        Origins:
          - Id: one
            DomainName: images-olap-123456789012.s3-object-lambda.us-east-1.amazonaws.com
            OriginPath: /p
            ConnectionAttempts: 2
            CustomOriginConfig: {OriginProtocolPolicy: https-only, OriginSSLProtocols: [TLSv1.2], OriginReadTimeout: 60}
            OriginCustomHeaders: [{HeaderName: X-C, HeaderValue: c}]
          - {Id: two, DomainName: b.s3.us-east-1.amazonaws.com, S3OriginConfig: {OriginAccessIdentity: ""}, OriginAccessControlId: !GetAtt Control.Id}
        OriginGroups: {Quantity: 1, Items: [{Id: both, FailoverCriteria: {StatusCodes: {Quantity: 1, Items: [500]}}, Members: {Quantity: 2, Items: [{OriginId: one}, {OriginId: two}]}}]}
        DefaultCacheBehavior:
          TargetOriginId: both
          ViewerProtocolPolicy: redirect-to-https
          Compress: true
          CachePolicyId: !Ref CachePolicy
          OriginRequestPolicyId: !Ref OriginPolicy
          ResponseHeadersPolicyId: !Ref ResponsePolicy
          TrustedKeyGroups: [!Ref Keys]
          FunctionAssociations: [{EventType: viewer-request, FunctionARN: !GetAtt Function.FunctionARN}]
        CacheBehaviors:
          - PathPattern: "/old/*"
            TargetOriginId: one
            ViewerProtocolPolicy: allow-all
            AllowedMethods: [GET, HEAD, OPTIONS]
            DefaultTTL: 5
            ForwardedValues: {QueryString: true, QueryStringCacheKeys: [a], Cookies: {Forward: whitelist, WhitelistedNames: [c]}, Headers: [Origin]}
Outputs:
  Domain: {Value: !GetAtt Distribution.DomainName}
  Stage: {Value: !GetAtt Function.Stage}
  When: {Value: !GetAtt CachePolicy.LastModifiedTime}
`
	}
	out := r.deploy("cdn", template("one", "86400", "true"))
	id := out["#Distribution"]
	d, err := r.Edge.GetDistribution(ctx, r.root, id)
	if err != nil || d.DomainName != out["Domain"] || out["Stage"] != "LIVE" || out["When"] == "" {
		t.Fatalf("distribution = %+v, %v; outputs %v", d, err, out)
	}
	c := d.Config
	if !c.Enabled || c.Comment != "one" || !c.IPv6Enabled || c.GeoLocations[0] != "DE" || c.PriceClass != "PriceClass_100" || *c.CustomErrorResponses[0].ErrorCachingMinTTL != 5 ||
		c.CustomErrorResponses[0].ResponseCode != "200" || c.Groups[0].Members != [2]string{"one", "two"} || c.Groups[0].StatusCodes[0] != 500 {
		t.Errorf("configuration = %+v", c)
	}
	if o := c.Origins[0]; o.Path != "/p" || o.ConnectionAttempts != 2 || o.Custom.ReadTimeout != 60 || o.Custom.SSLProtocols[0] != "TLSv1.2" || o.CustomHeaders[0] != (edge.HeaderField{Name: "X-C", Value: "c"}) {
		t.Errorf("origin = %+v", o)
	}
	if o := c.Origins[1]; o.OriginAccessControlID != out["#Control"] || o.S3 == nil {
		t.Errorf("origin = %+v", o)
	}
	if b := c.DefaultCacheBehavior; b.CachePolicyID != out["#CachePolicy"] || b.OriginRequestPolicyID != out["#OriginPolicy"] || b.ResponseHeadersPolicyID != out["#ResponsePolicy"] ||
		b.TrustedKeyGroups[0] != out["#Keys"] || b.Functions[0].FunctionARN != out["#Function"] || !b.Compress {
		t.Errorf("behavior = %+v", b)
	}
	if f := c.CacheBehaviors[0].Forwarded; f == nil || !f.QueryString || f.Cookies.Names[0] != "c" || *f.DefaultTTL != 5 || f.Headers[0] != "Origin" {
		t.Errorf("forwarded values = %+v", f)
	}
	if p, err := r.Edge.ResponseHeadersPolicies.Get(ctx, r.root, out["#ResponsePolicy"]); err != nil || *p.Config.CORS.MaxAge != 5 || p.Config.ServerTiming.SamplingRate != 12.5 ||
		p.Config.Custom[0].Value != "b" || p.Config.Remove[0] != "X-Powered-By" || p.Config.Security.FrameOptions.Value != "DENY" || p.Config.Security.StrictTransportSecurity.MaxAge != 7 {
		t.Errorf("response headers policy = %+v, %v", p, err)
	}

	after := r.deploy("cdn", template("two", "10", "false"))
	for name, physical := range out {
		if strings.HasPrefix(name, "#") && after[name] != physical {
			t.Errorf("%s was replaced", name)
		}
	}
	d, err = r.Edge.GetDistribution(ctx, r.root, id)
	if err != nil || d.Config.Comment != "two" || d.Config.Enabled || d.Config.CallerReference != c.CallerReference {
		t.Errorf("configuration after the update = %+v, %v", d.Config, err)
	}
	if p, err := r.Edge.GetCachePolicy(ctx, r.root, out["#CachePolicy"]); err != nil || *p.Config.DefaultTTL != 10 || p.Config.Comment != "two" || !p.Config.AcceptEncodingBrotli {
		t.Errorf("cache policy after the update = %+v, %v", p, err)
	}
	if f, err := r.Edge.DescribeFunction(ctx, r.root, "rewrite", edge.StageLive); err != nil || f.Comment != "two" || !strings.Contains(string(f.Code), "two") {
		t.Errorf("function after the update = %+v, %v", f, err)
	}
	if tags, err := r.Edge.TagsOf(ctx, r.root, d.ARN); err != nil || len(tags) != 1 || tags[0].Value != "two" {
		t.Errorf("tags after the update = %v, %v", tags, err)
	}
	r.deploy("cdn", template("three", "10", "true"))
	r.destroy("cdn")
	if all, err := r.Edge.ListDistributions(ctx, r.root); err != nil || len(all) != 0 {
		t.Errorf("distributions = %v, %v, want none", all, err)
	}
	if all, err := r.Edge.KeyGroups.List(ctx, r.root); err != nil || len(all) != 0 {
		t.Errorf("key groups = %v, %v, want none", all, err)
	}
}

func TestWhatCloudFrontRefuses(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, config, reason string }{
		{"an origin that is not there", "{Enabled: true, Origins: [{Id: a, DomainName: x.example.com, CustomOriginConfig: {OriginProtocolPolicy: https-only}}], DefaultCacheBehavior: {TargetOriginId: b, ViewerProtocolPolicy: allow-all, CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6}}", "origin"},
		{"the API's spelling", "{Enabled: true, IsIPV6Enabled: true, Origins: [], DefaultCacheBehavior: {TargetOriginId: b, ViewerProtocolPolicy: allow-all}}", "IsIPV6Enabled"},
		{"no origins", "{Enabled: true, DefaultCacheBehavior: {TargetOriginId: b, ViewerProtocolPolicy: allow-all}}", "Origins"},
		{"a VPC origin", "{Enabled: true, Origins: [{Id: a, DomainName: x, VpcOriginConfig: {VpcOriginId: x}}], DefaultCacheBehavior: {TargetOriginId: b, ViewerProtocolPolicy: allow-all}}", "VpcOriginConfig"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := *r
			r.t = t
			r.fails("Resources: {D: {Type: AWS::CloudFront::Distribution, Properties: {DistributionConfig: "+c.config+"}}}", c.reason)
		})
	}
}
