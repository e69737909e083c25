package edge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"glassine/aws/fault"
	"glassine/iam"
)

func TestDistributionLivesThroughARestartUntilItIsDeleted(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		d := rg.dist
		if !strings.HasPrefix(d.ID, "E") || len(d.ID) != 14 || len(d.DomainName) != 14+len(".cloudfront.net") || d.Status != "Deployed" ||
			d.ARN != "arn:aws:cloudfront::"+account+":distribution/"+d.ID {
			t.Errorf("distribution %+v", d)
		}
		at(t, d.Config.HTTPVersion, "http2", "HttpVersion by default")
		at(t, fmt.Sprint(*d.Config.Origins[0].Custom), "{80 443 https-only [TLSv1.2] 30 5}", "custom origin with defaults")
		again, err := New(t.Context(), rg.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		got, err := again.GetDistribution(t.Context(), rg.root, d.ID)
		if err != nil || got.ETag != d.ETag {
			t.Fatalf("after a restart: %+v, %v", got, err)
		}
		if again.routes.Load().site(d.DomainName) == nil {
			t.Error("after a restart its name is unknown")
		}

		code := func(want string, err error) {
			t.Helper()
			if fault.Code(err) != want {
				t.Errorf("err = %v, want code %q", err, want)
			}
		}
		code("InvalidIfMatchVersion", rg.DeleteDistribution(t.Context(), rg.root, d.ID, ""))
		code("PreconditionFailed", rg.DeleteDistribution(t.Context(), rg.root, d.ID, "E0"))
		code("DistributionNotDisabled", rg.DeleteDistribution(t.Context(), rg.root, d.ID, d.ETag))
		code("CachePolicyInUse", rg.DeleteCachePolicy(t.Context(), rg.root, d.Config.DefaultCacheBehavior.CachePolicyID, rg.policies[d.Config.DefaultCacheBehavior.CachePolicyID].ETag))
		off := d.Config
		off.Enabled = false
		_, err = rg.UpdateDistribution(t.Context(), rg.root, d.ID, "E0", off)
		code("PreconditionFailed", err)
		_, err = rg.UpdateDistribution(t.Context(), rg.root, "E0", d.ETag, off)
		code("NoSuchDistribution", err)
		other := off
		other.CallerReference = "2"
		_, err = rg.UpdateDistribution(t.Context(), rg.root, d.ID, d.ETag, other)
		code("IllegalUpdate", err)
		updated, err := rg.UpdateDistribution(t.Context(), rg.root, d.ID, d.ETag, off)
		if err != nil || updated.ETag == d.ETag || updated.Config.Enabled {
			t.Fatalf("update: %+v, %v", updated, err)
		}
		at(t, rg.get("/").status, 403, "status while disabled")
		if err := rg.DeleteDistribution(t.Context(), rg.root, d.ID, updated.ETag); err != nil {
			t.Fatal(err)
		}
		_, err = rg.GetDistribution(t.Context(), rg.root, d.ID)
		code("NoSuchDistribution", err)
		policy, err := rg.GetCachePolicy(t.Context(), rg.root, d.Config.DefaultCacheBehavior.CachePolicyID)
		code("", err)
		code("", rg.DeleteCachePolicy(t.Context(), rg.root, policy.ID, policy.ETag))
		for _, table := range []string{distributionTable, policyTable, invalidationTable} {
			if left, err := rg.cfg.State.List(t.Context(), table, ""); err != nil || len(left) != 0 {
				t.Errorf("table %s holds %d records, %v", table, len(left), err)
			}
		}
	})
}

func TestCallerReferenceMakesCreationIdempotent(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		cfg := plainDistribution(rg.dist.Config.DefaultCacheBehavior.CachePolicyID)
		cfg.Aliases = []string{} // as a decoder may leave it
		again, err := rg.CreateDistribution(t.Context(), rg.root, cfg)
		if err != nil || again.ID != rg.dist.ID {
			t.Errorf("same reference and configuration: %s, %v; want %s", again.ID, err, rg.dist.ID)
		}
		cfg.Comment = "other"
		if _, err := rg.CreateDistribution(t.Context(), rg.root, cfg); !fault.Is(err, "DistributionAlreadyExists") {
			t.Errorf("same reference, other configuration: %v", err)
		}
	})
}

// checked is an Invoker that refuses a function by what check says.
type checked struct {
	invoke
	check func(arn string) error
}

func (c checked) CheckEdgeFunction(_ context.Context, arn string) error { return c.check(arn) }

func TestConfigurationsThatAreRefused(t *testing.T) {
	function := func(arn, event string, body bool) func(*DistributionConfig) {
		return func(c *DistributionConfig) {
			c.DefaultCacheBehavior.LambdaFunctions = []LambdaFunctionAssociation{{arn, event, body}}
		}
	}
	behavior := func(change func(*CacheBehavior)) func(*DistributionConfig) {
		return func(c *DistributionConfig) { change(&c.DefaultCacheBehavior) }
	}
	origin := func(change func(*Origin)) func(*DistributionConfig) {
		return func(c *DistributionConfig) { change(&c.Origins[0]) }
	}
	group := func(change func(*OriginGroup)) func(*DistributionConfig) {
		return func(c *DistributionConfig) {
			second := c.Origins[0]
			second.ID = "second"
			c.Origins = append(c.Origins, second)
			g := OriginGroup{ID: "both", StatusCodes: []int{500, 404}, Members: [2]string{"olap", "second"}}
			if change != nil {
				change(&g)
			}
			c.Groups = []OriginGroup{g}
		}
	}
	legacy := func(change func(*ForwardedValues)) func(*DistributionConfig) {
		return func(c *DistributionConfig) {
			f := &ForwardedValues{Cookies: Selection{Behavior: "none"}}
			if change != nil {
				change(f)
			}
			c.DefaultCacheBehavior.CachePolicyID, c.DefaultCacheBehavior.Forwarded = "", f
		}
	}
	pattern := func(p string) func(*DistributionConfig) {
		return func(c *DistributionConfig) {
			b := c.DefaultCacheBehavior
			b.PathPattern = p
			c.CacheBehaviors = append(c.CacheBehaviors, b)
		}
	}
	for _, test := range []struct {
		name   string
		change func(*DistributionConfig)
		code   string // "" is accepted
	}{
		{"the reference solution", func(*DistributionConfig) {}, ""},
		{"no caller reference", func(c *DistributionConfig) { c.CallerReference = "" }, "InvalidArgument"},
		{"long comment", func(c *DistributionConfig) { c.Comment = strings.Repeat("a", 129) }, "InvalidArgument"},
		{"root object with a slash", func(c *DistributionConfig) { c.DefaultRootObject = "/index.html" }, "InvalidDefaultRootObject"},
		{"root object in a folder", func(c *DistributionConfig) { c.DefaultRootObject = "a/index.html" }, ""},
		{"HTTP version that is none", func(c *DistributionConfig) { c.HTTPVersion = "http4" }, "InvalidArgument"},
		{"origin group", group(nil), ""},
		{"behavior on an origin group", func(c *DistributionConfig) { group(nil)(c); c.DefaultCacheBehavior.TargetOriginID = "both" }, ""},
		{"origin group with the ID of an origin", group(func(g *OriginGroup) { g.ID = "olap" }), "InvalidArgument"},
		{"origin group with an origin that is not there", group(func(g *OriginGroup) { g.Members[1] = "x" }), "NoSuchOrigin"},
		{"origin group of one origin twice", group(func(g *OriginGroup) { g.Members[1] = "olap" }), "InvalidArgument"},
		{"origin group without status codes", group(func(g *OriginGroup) { g.StatusCodes = nil }), "InvalidArgument"},
		{"origin group with the status 200", group(func(g *OriginGroup) { g.StatusCodes = []int{200} }), "InvalidArgument"},
		{"geographic restriction without a database", func(c *DistributionConfig) { c.GeoRestriction, c.GeoLocations = "whitelist", []string{"DE"} }, "NotImplemented"},
		{"geographic restriction of no country", func(c *DistributionConfig) { c.GeoRestriction = "whitelist" }, "InvalidGeoRestrictionParameter"},
		{"geographic restriction of an unknown type", func(c *DistributionConfig) { c.GeoRestriction = "greylist" }, "InvalidGeoRestrictionParameter"},
		{"cache tags", func(c *DistributionConfig) { c.CacheTagHeader = "Cache-Tag" }, ""},
		{"cache tags in what is no header", func(c *DistributionConfig) { c.CacheTagHeader = "Cache Tag" }, "InvalidArgument"},
		{"no geographic restriction", func(c *DistributionConfig) { c.GeoRestriction = "none" }, ""},
		{"web ACL", func(c *DistributionConfig) { c.WebACLID = "x" }, "NotImplemented"},
		{"logging without a way to deliver", func(c *DistributionConfig) { c.Logging.Bucket = "b.s3.amazonaws.com" }, "NotImplemented"},
		{"aliases", func(c *DistributionConfig) { c.Aliases = []string{"www.example.com", "*.example.com"} }, ""},
		{"alias in the middle of a name", func(c *DistributionConfig) { c.Aliases = []string{"a.*.example.com"} }, "InvalidArgument"},
		{"alias under cloudfront.net", func(c *DistributionConfig) { c.Aliases = []string{"dabc.cloudfront.net"} }, "InvalidArgument"},
		{"alias twice", func(c *DistributionConfig) { c.Aliases = []string{"a.example.com", "A.example.com"} }, "InvalidArgument"},
		{"alias of another distribution", func(c *DistributionConfig) { c.Aliases = []string{"taken.example.com"} }, "CNAMEAlreadyExists"},
		{"no origin", func(c *DistributionConfig) { c.Origins = nil }, "InvalidArgument"},
		{"origin twice", func(c *DistributionConfig) { c.Origins = append(c.Origins, c.Origins[0]) }, "InvalidArgument"},
		{"target that is no origin", behavior(func(b *CacheBehavior) { b.TargetOriginID = "x" }), "NoSuchOrigin"},
		{"origin that is an address", origin(func(o *Origin) { o.DomainName = "192.0.2.1" }), "InvalidOrigin"},
		{"origin that is a URL", origin(func(o *Origin) { o.DomainName = "https://a.example.com" }), "InvalidOrigin"},
		{"origin of no kind", origin(func(o *Origin) { o.Custom = nil }), "InvalidOrigin"},
		{"origin of both kinds", origin(func(o *Origin) { o.S3 = &S3Origin{} }), "InvalidOrigin"},
		{"bucket", origin(func(o *Origin) { o.Custom, o.S3, o.DomainName = nil, &S3Origin{}, "b.s3.eu-west-1.amazonaws.com" }), ""},
		{"bucket that is none", origin(func(o *Origin) { o.Custom, o.S3, o.DomainName = nil, &S3Origin{}, "b.example.com" }), "InvalidOrigin"},
		{"origin path that ends with a slash", origin(func(o *Origin) { o.Path = "/a/" }), "InvalidArgument"},
		{"origin path", origin(func(o *Origin) { o.Path = "/a" }), ""},
		{"four attempts", origin(func(o *Origin) { o.ConnectionAttempts = 4 }), "InvalidArgument"},
		{"read timeout", origin(func(o *Origin) { o.Custom = &CustomOrigin{ProtocolPolicy: "https-only", ReadTimeout: 121} }), "InvalidOriginReadTimeout"},
		{"keep-alive timeout", origin(func(o *Origin) { o.Custom = &CustomOrigin{ProtocolPolicy: "https-only", KeepaliveTimeout: 121} }), "InvalidOriginKeepaliveTimeout"},
		{"port 22", origin(func(o *Origin) { o.Custom = &CustomOrigin{ProtocolPolicy: "https-only", HTTPSPort: 22} }), "InvalidArgument"},
		{"SSL 3 only", origin(func(o *Origin) {
			o.Custom = &CustomOrigin{ProtocolPolicy: "https-only", SSLProtocols: []string{"SSLv3"}}
		}), "NotImplemented"},
		{"custom header", origin(func(o *Origin) { o.CustomHeaders = []HeaderField{{"X-A", "b"}} }), ""},
		{"custom header that is not allowed", origin(func(o *Origin) { o.CustomHeaders = []HeaderField{{"Host", "b"}} }), "InvalidArgument"},
		{"custom header with a newline", origin(func(o *Origin) { o.CustomHeaders = []HeaderField{{"X-A", "b\n"}} }), "InvalidArgument"},
		{"origin access control that is not there", origin(func(o *Origin) { o.OriginAccessControlID = "E1" }), "InvalidOriginAccessControl"},
		{"origin shield nowhere", origin(func(o *Origin) { o.ShieldRegion = "nowhere" }), "InvalidArgument"},
		{"protocol policy that is none", behavior(func(b *CacheBehavior) { b.ViewerProtocolPolicy = "" }), "InvalidArgument"},
		{"five methods", behavior(func(b *CacheBehavior) { b.AllowedMethods = strings.Fields("GET HEAD PUT POST PATCH") }), "InvalidArgument"},
		{"seven methods", behavior(func(b *CacheBehavior) { b.AllowedMethods = strings.Fields("GET HEAD PUT POST PATCH DELETE OPTIONS") }), ""},
		{"cached method that is not allowed", behavior(func(b *CacheBehavior) { b.CachedMethods = strings.Fields("GET HEAD OPTIONS") }), "InvalidArgument"},
		{"no cache policy", behavior(func(b *CacheBehavior) { b.CachePolicyID = "" }), "InvalidArgument"},
		{"unknown cache policy", behavior(func(b *CacheBehavior) { b.CachePolicyID = "x" }), "NoSuchCachePolicy"},
		{"managed cache policy", behavior(func(b *CacheBehavior) { b.CachePolicyID = "658327ea-f89d-4fab-a63d-7e88639e58f6" }), ""},
		{"legacy form", legacy(nil), ""},
		{"legacy form and a cache policy", behavior(func(b *CacheBehavior) { b.Forwarded = &ForwardedValues{} }), "InvalidArgument"},
		{"legacy form and an origin request policy", func(c *DistributionConfig) {
			legacy(nil)(c)
			c.DefaultCacheBehavior.OriginRequestPolicyID = "216adef6-5c7f-47e4-b989-5492eafa07d3"
		}, "InvalidArgument"},
		{"legacy form with cache keys and no query string", legacy(func(f *ForwardedValues) { f.QueryStringCacheKeys = []string{"a"} }), "InvalidQueryStringParameters"},
		{"legacy form with all headers and a MinTTL", legacy(func(f *ForwardedValues) { f.Headers, f.MinTTL = []string{"*"}, 1 }), "InvalidArgument"},
		{"legacy form with all headers", legacy(func(f *ForwardedValues) { f.Headers = []string{"*"} }), ""},
		{"legacy form with all headers and one", legacy(func(f *ForwardedValues) { f.Headers = []string{"*", "Origin"} }), "InvalidArgument"},
		{"legacy form with TTLs out of order", legacy(func(f *ForwardedValues) { f.MinTTL, f.MaxTTL = 2, new(int64(1)) }), "InvalidTTLOrder"},
		{"legacy form with the viewer's address in the key", legacy(func(f *ForwardedValues) { f.Headers = []string{"CloudFront-Viewer-Address"} }), "InvalidArgument"},
		{"key group that is not there", behavior(func(b *CacheBehavior) { b.TrustedKeyGroups = []string{"k"} }), "TrustedKeyGroupDoesNotExist"},
		{"trusted signers", behavior(func(b *CacheBehavior) { b.TrustedSigners = []string{"self"} }), "NotImplemented"},
		{"CloudFront function that is not there", behavior(func(b *CacheBehavior) { b.Functions = []FunctionAssociation{{"a", "viewer-request"}} }), "InvalidFunctionAssociation"},
		{"origin request policy that is not there", behavior(func(b *CacheBehavior) { b.OriginRequestPolicyID = "x" }), "NoSuchOriginRequestPolicy"},
		{"managed origin request policy", behavior(func(b *CacheBehavior) { b.OriginRequestPolicyID = "216adef6-5c7f-47e4-b989-5492eafa07d3" }), ""},
		{"response headers policy that is not there", behavior(func(b *CacheBehavior) { b.ResponseHeadersPolicyID = "x" }), "NoSuchResponseHeadersPolicy"},
		{"managed response headers policy", behavior(func(b *CacheBehavior) { b.ResponseHeadersPolicyID = "67f7725c-6f97-4210-82d7-5512b31e9d03" }), ""},
		{"error code that is none", func(c *DistributionConfig) { c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 401}} }, "InvalidErrorCode"},
		{"error page", func(c *DistributionConfig) {
			c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "/x", ResponseCode: "200"}}
		}, ""},
		{"error page without a status", func(c *DistributionConfig) {
			c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "/x"}}
		}, "InvalidArgument"},
		{"error page with a status that is not allowed", func(c *DistributionConfig) {
			c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "/x", ResponseCode: "301"}}
		}, "InvalidResponseCode"},
		{"error page without a slash", func(c *DistributionConfig) {
			c.CustomErrorResponses = []CustomErrorResponse{{ErrorCode: 404, ResponsePagePath: "x", ResponseCode: "200"}}
		}, "InvalidArgument"},
		{"behavior", pattern("images/*.jpg"), ""},
		{"pattern with a percent sign", pattern("a%20b"), "InvalidArgument"},
		{"pattern of 256 characters", pattern(strings.Repeat("a", 256)), "InvalidArgument"},
		{"pattern twice, once with a slash", func(c *DistributionConfig) { pattern("a")(c); pattern("/a")(c) }, "InvalidArgument"},
		{"function", function(functionARN, "origin-request", false), ""},
		{"function without a version", function(strings.TrimSuffix(functionARN, ":1"), "origin-request", false), "InvalidLambdaFunctionAssociation"},
		{"function $LATEST", function(strings.TrimSuffix(functionARN, "1")+"$LATEST", "origin-request", false), "InvalidLambdaFunctionAssociation"},
		{"function by alias", function(strings.TrimSuffix(functionARN, "1")+"live", "origin-request", false), "InvalidLambdaFunctionAssociation"},
		{"function in another region", function(strings.Replace(functionARN, "us-east-1", "us-west-2", 1), "origin-request", false), "InvalidLambdaFunctionAssociation"},
		{"function of another account", function(strings.Replace(functionARN, account, "210987654321", 1), "origin-request", false), "InvalidLambdaFunctionAssociation"},
		{"function that cannot run at the edge", function(functionARN+"3", "origin-request", false), "InvalidLambdaFunctionAssociation"},
		{"event that is none", function(functionARN, "request", false), "InvalidLambdaFunctionAssociation"},
		{"body at a response event", function(functionARN, "origin-response", true), "InvalidLambdaFunctionAssociation"},
		{"function at the viewer's request", function(functionARN, "viewer-request", false), ""},
		{"function at the origin's response", function(functionARN, "origin-response", false), ""},
		{"function at the viewer's response", function(functionARN, "viewer-response", false), ""},
		{"body", function(functionARN, "origin-request", true), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := newRig(t, setup{
				origin: always(200, "ok"), dist: func(c *DistributionConfig) { c.Aliases = []string{"taken.example.com"} },
				config: func(c *Config) {
					c.Invoker = checked{check: func(arn string) error {
						if arn != functionARN {
							return fault.New("AccessDenied", "the role does not trust edgelambda.amazonaws.com")
						}
						return nil
					}}
				},
			})
			defer rg.Close()
			cfg := plainDistribution(rg.dist.Config.DefaultCacheBehavior.CachePolicyID)
			cfg.CallerReference = "2"
			test.change(&cfg)
			d, err := rg.CreateDistribution(t.Context(), rg.root, cfg)
			if fault.Code(err) != test.code || (err == nil) != (test.code == "") {
				t.Fatalf("err = %v, want code %q", err, test.code)
			}
			if err != nil && rg.distributions[d.ID] != nil {
				t.Error("refused, and made nevertheless")
			}
		})
	}
}

func TestCachePoliciesThatAreRefused(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok")})
	defer rg.Close()
	for _, test := range []struct {
		name   string
		change func(*CachePolicyConfig)
		code   string
	}{
		{"another", func(*CachePolicyConfig) {}, ""},
		{"name that is taken", func(c *CachePolicyConfig) { c.Name = "object-lambda-query-string" }, "CachePolicyAlreadyExists"},
		{"no name", func(c *CachePolicyConfig) { c.Name = "" }, "InvalidArgument"},
		{"MinTTL above DefaultTTL", func(c *CachePolicyConfig) { c.MinTTL, c.DefaultTTL = 2, new(int64(1)) }, "InvalidTTLOrder"},
		{"DefaultTTL above MaxTTL", func(c *CachePolicyConfig) { c.MaxTTL = new(int64(1)) }, "InvalidTTLOrder"},
		{"negative", func(c *CachePolicyConfig) { c.MinTTL = -1 }, "InvalidArgument"},
		{"behavior that is none", func(c *CachePolicyConfig) { c.Headers.Behavior = "all" }, "InvalidArgument"},
		{"names without a list", func(c *CachePolicyConfig) { c.Cookies.Names = []string{"a"} }, "InvalidArgument"},
		{"list without names", func(c *CachePolicyConfig) { c.QueryStrings.Names = nil }, "InvalidArgument"},
		{"header of CloudFront's", func(c *CachePolicyConfig) {
			c.Headers = Selection{"whitelist", []string{"CloudFront-Viewer-Country"}}
		}, ""},
		{"header of CloudFront's for origins only", func(c *CachePolicyConfig) {
			c.Headers = Selection{"whitelist", []string{"CloudFront-Viewer-Address"}}
		}, "InvalidArgument"},
		{"Accept-Encoding with the flags", func(c *CachePolicyConfig) { c.Headers = Selection{"whitelist", []string{"accept-encoding"}} }, "InvalidArgument"},
	} {
		cfg := plainPolicy()
		cfg.Name = test.name
		test.change(&cfg)
		p, err := rg.CreateCachePolicy(t.Context(), rg.root, cfg)
		if fault.Code(err) != test.code || (err == nil) != (test.code == "") {
			t.Errorf("%s: err = %v, want code %q", test.name, err, test.code)
		}
		if err == nil && (*p.Config.DefaultTTL != 86400 || *p.Config.MaxTTL != 31536000) {
			t.Errorf("%s: TTLs %d, %d; want the defaults", test.name, *p.Config.DefaultTTL, *p.Config.MaxTTL)
		}
	}
	const managed = "658327ea-f89d-4fab-a63d-7e88639e58f6"
	if err := rg.DeleteCachePolicy(t.Context(), rg.root, managed, "E23ZP02F085DFQ"); !fault.Is(err, "IllegalDelete") {
		t.Errorf("delete of a managed policy: %v", err)
	}
	if _, err := rg.UpdateCachePolicy(t.Context(), rg.root, managed, "E23ZP02F085DFQ", plainPolicy()); !fault.Is(err, "IllegalUpdate") {
		t.Errorf("update of a managed policy: %v", err)
	}
	all, err := rg.ListCachePolicies(t.Context(), rg.root)
	if err != nil || len(all) != 8 {
		t.Errorf("%d policies, %v; want five managed and three of ours", len(all), err)
	}
}

func TestChangedCachePolicyIsInForceAtOnce(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		rg.get("/a?x=1")
		at(t, rg.get("/a?x=2").xCache(), "Hit", "X-Cache while x is not in the key")
		id := rg.dist.Config.DefaultCacheBehavior.CachePolicyID
		cfg := plainPolicy()
		cfg.QueryStrings = Selection{Behavior: "all"}
		if _, err := rg.UpdateCachePolicy(t.Context(), rg.root, id, rg.policies[id].ETag, cfg); err != nil {
			t.Fatal(err)
		}
		at(t, rg.get("/a?x=2").xCache(), "Miss", "X-Cache once it is")
	})
}

func TestEveryCallAsksIAM(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok")})
	defer rg.Close()
	ctx, id, policy := t.Context(), rg.dist.ID, rg.dist.Config.DefaultCacheBehavior.CachePolicyID
	arn := "arn:aws:cloudfront::" + account + ":"
	nobody := iam.Caller{}
	for _, test := range []struct {
		action, resource string
		call             func() error
	}{
		{"CreateDistribution", arn + "distribution/*", func() error { _, err := rg.CreateDistribution(ctx, nobody, DistributionConfig{}); return err }},
		{"GetDistribution", arn + "distribution/" + id, func() error { _, err := rg.GetDistribution(ctx, nobody, id); return err }},
		{"GetDistributionConfig", arn + "distribution/" + id, func() error { _, err := rg.GetDistributionConfig(ctx, nobody, id); return err }},
		{"UpdateDistribution", arn + "distribution/" + id, func() error {
			_, err := rg.UpdateDistribution(ctx, nobody, id, "", DistributionConfig{})
			return err
		}},
		{"DeleteDistribution", arn + "distribution/" + id, func() error { return rg.DeleteDistribution(ctx, nobody, id, "") }},
		{"ListDistributions", "*", func() error { _, err := rg.ListDistributions(ctx, nobody); return err }},
		{"CreateCachePolicy", arn + "cache-policy/*", func() error { _, err := rg.CreateCachePolicy(ctx, nobody, CachePolicyConfig{}); return err }},
		{"GetCachePolicy", arn + "cache-policy/" + policy, func() error { _, err := rg.GetCachePolicy(ctx, nobody, policy); return err }},
		{"GetCachePolicyConfig", arn + "cache-policy/" + policy, func() error { _, err := rg.GetCachePolicyConfig(ctx, nobody, policy); return err }},
		{"UpdateCachePolicy", arn + "cache-policy/" + policy, func() error {
			_, err := rg.UpdateCachePolicy(ctx, nobody, policy, "", CachePolicyConfig{})
			return err
		}},
		{"DeleteCachePolicy", arn + "cache-policy/" + policy, func() error { return rg.DeleteCachePolicy(ctx, nobody, policy, "") }},
		{"ListCachePolicies", "*", func() error { _, err := rg.ListCachePolicies(ctx, nobody); return err }},
		{"CreateInvalidation", arn + "distribution/" + id, func() error { _, err := rg.Invalidate(ctx, nobody, id, "", nil); return err }},
		{"GetInvalidation", arn + "distribution/" + id, func() error { _, err := rg.GetInvalidation(ctx, nobody, id, "I"); return err }},
		{"ListInvalidations", arn + "distribution/" + id, func() error { _, err := rg.ListInvalidations(ctx, nobody, id); return err }},
	} {
		if err := test.call(); !fault.Is(err, "AccessDenied") {
			t.Errorf("%s by nobody: %v, want AccessDenied", test.action, err)
		}
		var asked iam.Ask
		denied := errors.New("denied")
		was := rg.authorize
		rg.authorize = func(_ context.Context, _ iam.Caller, a iam.Ask) error { asked = a; return denied }
		if err := test.call(); !errors.Is(err, denied) {
			t.Errorf("%s: err = %v, want what IAM said", test.action, err)
		}
		rg.authorize = was
		if asked.Action != "cloudfront:"+test.action || len(asked.Resources) != 1 || asked.Resources[0] != test.resource {
			t.Errorf("asked %+v, want cloudfront:%s on %s", asked, test.action, test.resource)
		}
	}
}

func TestAssociationNeedsTheCallersRightToTheFunction(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok"), function: func(_ context.Context, _ string, event []byte) ([]byte, error) { return echo(event), nil }})
	defer rg.Close()
	rg.authorize = func(_ context.Context, _ iam.Caller, a iam.Ask) error {
		if strings.HasPrefix(a.Action, "lambda:") {
			return fault.New("AccessDenied", "no")
		}
		return nil
	}
	cfg := rg.dist.Config
	cfg.CallerReference = "2"
	_, err := rg.CreateDistribution(t.Context(), rg.root, cfg)
	if !fault.Is(err, "InvalidLambdaFunctionAssociation") || !strings.Contains(err.Error(), "lambda:GetFunction for resource: "+functionARN) {
		t.Errorf("err = %v", err)
	}
}

func TestInvalidationsAreKeptAndIdempotent(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		first, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "r1", []string{"/a", "/b"})
		if err != nil || !strings.HasPrefix(first.ID, "I") || first.Status != "Completed" {
			t.Fatalf("%+v, %v", first, err)
		}
		again, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "r1", []string{"/b", "/a"})
		if err != nil || again.ID != first.ID {
			t.Errorf("same reference and paths: %+v, %v", again, err)
		}
		if _, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "r1", []string{"/c"}); !fault.Is(err, "InvalidationBatchAlreadyExists") {
			t.Errorf("same reference, other paths: %v", err)
		}
		second, err := rg.Invalidate(t.Context(), rg.root, rg.dist.ID, "r2", []string{"/*"})
		if err != nil {
			t.Fatal(err)
		}
		restarted, err := New(t.Context(), rg.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer restarted.Close()
		all, err := restarted.ListInvalidations(t.Context(), rg.root, rg.dist.ID)
		if err != nil || len(all) != 2 || all[0].ID != second.ID || all[1].ID != first.ID {
			t.Errorf("list after a restart: %+v, %v", all, err)
		}
		if got, err := restarted.GetInvalidation(t.Context(), rg.root, rg.dist.ID, first.ID); err != nil || len(got.Paths) != 2 {
			t.Errorf("get: %+v, %v", got, err)
		}
		if _, err := rg.GetInvalidation(t.Context(), rg.root, rg.dist.ID, "I0"); !fault.Is(err, "NoSuchInvalidation") {
			t.Errorf("unknown: %v", err)
		}
	})
}

func TestInvalidationPaths(t *testing.T) {
	for _, test := range []struct {
		name, path, code string
	}{
		{"path", "/a.jpg", ""},
		{"everything", "/*", ""},
		{"star elsewhere is literal", "/a*b", ""},
		{"query string", "/a?x=1&y", ""},
		{"percent-encoded", "/caf%C3%A9", ""},
		{"no slash", "a.jpg", "InvalidArgument"},
		{"empty", "", "InvalidArgument"},
		{"space", "/a b", "InvalidArgument"},
		{"letter that is not ASCII", "/café", "InvalidArgument"},
		{"4000 characters", "/" + strings.Repeat("a", 3999), ""},
		{"4001 characters", "/" + strings.Repeat("a", 4000), "InvalidArgument"},
		{"tag", "#product:Shoes", ""},
		{"tag of 257 characters", "#" + strings.Repeat("a", 257), "InvalidArgument"},
		{"tag with a comma", "#a,b", "InvalidArgument"},
		{"tag of no characters", "#", "InvalidArgument"},
	} {
		if err := checkPaths([]string{test.path}); fault.Code(err) != test.code {
			t.Errorf("%s: %v, want %q", test.name, err, test.code)
		}
	}
	if err := checkPaths([]string{"/a", "/a"}); !fault.Is(err, "InvalidArgument") {
		t.Errorf("path twice: %v", err)
	}
	if err := checkPaths(make([]string, 3001)); !fault.Is(err, "BatchTooLarge") {
		t.Errorf("3001 paths: %v", err)
	}
}

func FuzzInvalidationPath(f *testing.F) {
	f.Add("/a.jpg*")
	f.Add("/caf\xe9?x")
	f.Fuzz(func(t *testing.T, p string) {
		if !validInvalidationPath(p) {
			return
		}
		if p[0] != '/' || len(p) > 4000 || strings.ContainsAny(p, " #\"<>\x00\x7f") {
			t.Errorf("%q is valid", p)
		}
		// Every valid path but for its query string is one that a request line can have.
		path, _, _ := strings.Cut(p, "?")
		if !validPath(path) {
			t.Errorf("%q cannot be requested", p)
		}
	})
}

func TestHostChoosesTheDistribution(t *testing.T) {
	sites := map[string]*site{}
	for _, name := range []string{"d", "exact", "wild", "deep"} {
		sites[name] = &site{id: name}
	}
	r := &routes{
		exact: map[string]*site{"dabc.cloudfront.net": sites["d"], "www.example.com": sites["exact"]},
		wild:  map[string]*site{".example.com": sites["wild"], ".img.example.com": sites["deep"]},
	}
	for host, want := range map[string]string{
		"dabc.cloudfront.net":      "d",
		"DABC.CloudFront.net:8443": "d",
		"dabc.cloudfront.net.":     "d",
		"www.example.com":          "exact",
		"a.example.com":            "wild",
		"a.b.example.com:80":       "wild",
		"a.img.example.com":        "deep",
		"img.example.com":          "wild",
		"example.com":              "",
		"example.org":              "",
		"":                         "",
		"[::1]:80":                 "",
		"[::1]":                    "",
	} {
		got := ""
		if s := r.site(host); s != nil {
			got = s.id
		}
		if got != want {
			t.Errorf("host %q is served by %q, want %q", host, got, want)
		}
	}
}

func TestFirstBehaviorThatMatchesThePathServesIt(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok"), dist: func(c *DistributionConfig) {
		c.DefaultRootObject = "index.html"
		c.Origins = append(c.Origins, Origin{
			ID: "other", DomainName: "other.example.com", Path: "/site",
			Custom: &CustomOrigin{ProtocolPolicy: "http-only", HTTPPort: 8080},
		})
		for _, p := range []string{"images/*.jpg", "images/*"} {
			b := c.DefaultCacheBehavior
			b.PathPattern = p
			if p == "images/*" {
				b.TargetOriginID = "other"
			}
			c.CacheBehaviors = append(c.CacheBehaviors, b)
		}
	}}, func(t *testing.T, rg *rig) {
		for _, test := range []struct{ target, url string }{
			{"/images/a.jpg", "https://" + originDomain + "/images/a.jpg"},
			{"/images/a.png", "http://other.example.com:8080/site/images/a.png"},
			{"/b", "https://" + originDomain + "/b"},
			{"/", "https://" + originDomain + "/index.html"},
			{"/?showExif=1", "https://" + originDomain + "/index.html?showExif=1"},
			{"/images/", "http://other.example.com:8080/site/images/"},
		} {
			rg.requests = nil
			rg.get(test.target)
			at(t, rg.requests[0].URL.String(), test.url, "origin URL of "+test.target)
		}
	})
}
