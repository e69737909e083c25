package cloudfrontapi

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/aws/fault"
	"glassine/edge"
)

// What a configuration says survives the way to the wire and back: a client that reads one, changes a member and writes it
// loses nothing.
func TestDistributionConfigRoundTrip(t *testing.T) {
	ttl := int64(5)
	cfg := edge.DistributionConfig{
		CallerReference: "ref", Comment: "a <b> & c", Enabled: true, DefaultRootObject: "index.html", Aliases: []string{"a.example.com", "*.b.example.com"},
		Origins: []edge.Origin{
			{
				ID: "olap", DomainName: "x-123456789012.s3-object-lambda.us-east-1.amazonaws.com", Path: "/p", ConnectionAttempts: 2, ConnectionTimeout: 5,
				CustomHeaders: []edge.HeaderField{{Name: "X-A", Value: "1"}},
				Custom:        &edge.CustomOrigin{HTTPPort: 80, HTTPSPort: 443, ProtocolPolicy: "https-only", SSLProtocols: []string{"TLSv1.2"}, ReadTimeout: 30, KeepaliveTimeout: 5},
			},
			{ID: "bucket", DomainName: "b.s3.us-east-1.amazonaws.com", ConnectionAttempts: 3, ConnectionTimeout: 10, S3: &edge.S3Origin{ReadTimeout: 30}, ShieldRegion: "eu-west-1"},
		},
		DefaultCacheBehavior: edge.CacheBehavior{
			TargetOriginID: "olap", ViewerProtocolPolicy: "redirect-to-https", AllowedMethods: []string{"GET", "HEAD", "OPTIONS"}, CachedMethods: []string{"GET", "HEAD"},
			CachePolicyID: "658327ea-f89d-4fab-a63d-7e88639e58f6", Compress: true, OriginRequestPolicyID: "orp", ResponseHeadersPolicyID: "rhp", TrustedKeyGroups: []string{"g"},
			Functions:       []edge.FunctionAssociation{{FunctionARN: "arn:aws:cloudfront::123456789012:function/f", EventType: "viewer-request"}},
			LambdaFunctions: []edge.LambdaFunctionAssociation{{FunctionARN: "arn:aws:lambda:us-east-1:123456789012:function:f:1", EventType: "origin-request", IncludeBody: true}},
		},
		CacheBehaviors: []edge.CacheBehavior{{
			PathPattern: "*.jpg", TargetOriginID: "bucket", ViewerProtocolPolicy: "allow-all", AllowedMethods: []string{"GET", "HEAD"}, CachedMethods: []string{"GET", "HEAD"},
			Forwarded: &edge.ForwardedValues{
				QueryString: true, QueryStringCacheKeys: []string{"a"}, Cookies: edge.Selection{Behavior: "whitelist", Names: []string{"c"}}, Headers: []string{"Origin"},
				MinTTL: 1, DefaultTTL: &ttl, MaxTTL: &ttl,
			},
		}},
		CustomErrorResponses: []edge.CustomErrorResponse{{ErrorCode: 404, ErrorCachingMinTTL: &ttl, ResponsePagePath: "/404.html", ResponseCode: "200"}, {ErrorCode: 500}},
		Groups:               []edge.OriginGroup{{ID: "both", StatusCodes: []int{500, 404}, Members: [2]string{"olap", "bucket"}}}, CacheTagHeader: "Cache-Tag",
		HTTPVersion: "http2", PriceClass: "PriceClass_All", IPv6Enabled: true,
		ViewerCertificate: edge.ViewerCertificate{CloudFrontDefault: true, MinimumProtocolVersion: "TLSv1"},
		Logging:           edge.Logging{Bucket: "logs.s3.amazonaws.com", Prefix: "p/", IncludeCookies: true},
		GeoRestriction:    "whitelist", GeoLocations: []string{"DE", "FR"},
	}
	text, err := xml.Marshal(configShape(cfg))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readDistributionConfig(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(cfg, got); d != "" {
		t.Errorf("after the round trip (-want +got):\n%s", d)
	}
}

func TestQuantityMustBeTheNumberOfItems(t *testing.T) {
	for _, c := range []struct{ xml, code string }{
		{`<Aliases><Quantity>1</Quantity><Items><CNAME>a</CNAME></Items></Aliases>`, ""},
		{`<Aliases><Quantity>0</Quantity></Aliases>`, ""},
		{`<Aliases><Quantity>2</Quantity><Items><CNAME>a</CNAME></Items></Aliases>`, "InconsistentQuantities"},
		{`<Aliases><Quantity>1</Quantity></Aliases>`, "InconsistentQuantities"},
		{`<Aliases><Quantity>x</Quantity></Aliases>`, "MalformedXML"},
	} {
		_, err := readDistributionConfig([]byte("<DistributionConfig>" + c.xml + "</DistributionConfig>"))
		if fault.Code(err) != c.code {
			t.Errorf("%s: %v, want %q", c.xml, err, c.code)
		}
	}
	if _, err := readDistributionConfig([]byte("<CachePolicyConfig/>")); !fault.Is(err, "MalformedXML") {
		t.Errorf("another root element: %v, want MalformedXML", err)
	}
}

func FuzzDistributionConfig(f *testing.F) {
	f.Add("<DistributionConfig><Origins><Quantity>1</Quantity><Items><Origin><Id>a</Id></Origin></Items></Origins></DistributionConfig>")
	f.Add("<DistributionConfig><DefaultCacheBehavior><AllowedMethods><Quantity>1</Quantity><Items><Method>GET</Method></Items></AllowedMethods></DefaultCacheBehavior></DistributionConfig>")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := readDistributionConfig([]byte(text))
		if err != nil {
			return
		}
		if _, err := xml.Marshal(configShape(cfg)); err != nil {
			t.Errorf("cannot write what was read from %q: %v", text, err)
		}
	})
}

func FuzzCachePolicyConfig(f *testing.F) {
	f.Add("<CachePolicyConfig><Name>a</Name><MinTTL>0</MinTTL></CachePolicyConfig>")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = readCachePolicyConfig([]byte(text)) // must not panic
		_, _ = readDistributionConfig([]byte(strings.ReplaceAll(text, "CachePolicy", "Distribution")))
	})
}
