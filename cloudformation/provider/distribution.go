package provider

import (
	"context"
	"strconv"

	"glassine/cloudformation"
	"glassine/edge"
)

func (s Services) distributionType() *cloudformation.Type {
	return &cloudformation.Type{
		Name: "AWS::CloudFront::Distribution", Taggable: true,
		Properties: fields{"DistributionConfig": required(object(distributionFields())), "Tags": tagList()},
		Attributes: []string{"DomainName", "Id"},
		Handler:    handler{create: s.createDistribution, update: s.updateDistribution, read: s.readDistribution, delete: s.deleteDistribution},
	}
}

// distributionFields are spelt and shaped as in templates, where lists are plain and a few names have other capitals than in
// CloudFront's API. (CloudFormation Template Reference, AWS::CloudFront::Distribution DistributionConfig.)
func distributionFields() fields {
	path := behaviorFields()
	path["PathPattern"] = required(text())
	quantity := func(item *property) *property {
		return object(fields{"Quantity": required(integer()), "Items": required(list(item))})
	}
	return fields{
		"Aliases": texts(), "Comment": text(), "DefaultRootObject": text(), "Enabled": required(boolean()), "HttpVersion": text(), "IPV6Enabled": boolean(),
		"PriceClass": text(), "WebACLId": text(), "Staging": boolean(),
		"Logging":              object(fields{"Bucket": text(), "IncludeCookies": boolean(), "Prefix": text()}),
		"CacheTagConfig":       object(fields{"HeaderName": required(text())}),
		"DefaultCacheBehavior": required(object(behaviorFields())),
		"CacheBehaviors":       list(object(path)),
		"CustomErrorResponses": list(object(fields{
			"ErrorCode": required(integer()), "ErrorCachingMinTTL": number(), "ResponseCode": integer(), "ResponsePagePath": text(),
		})),
		"OriginGroups": object(fields{"Quantity": required(integer()), "Items": list(object(fields{
			"Id": required(text()), "SelectionCriteria": enum("default"),
			"FailoverCriteria": required(object(fields{"StatusCodes": required(quantity(integer()))})),
			"Members":          required(quantity(object(fields{"OriginId": required(text())}))),
		}))}),
		"Origins": required(list(object(originFields()))),
		"Restrictions": object(fields{"GeoRestriction": required(object(fields{
			"RestrictionType": required(text()), "Locations": texts(),
		}))}),
		"ViewerCertificate": object(fields{
			"AcmCertificateArn": text(), "CloudFrontDefaultCertificate": boolean(), "IamCertificateId": text(), "MinimumProtocolVersion": text(), "SslSupportMethod": text(),
		}),
	}
}

func originFields() fields {
	return fields{
		"Id": required(text()), "DomainName": required(text()), "OriginPath": text(), "ConnectionAttempts": integer(), "ConnectionTimeout": integer(),
		"OriginAccessControlId": text(), "OriginCustomHeaders": list(object(fields{"HeaderName": required(text()), "HeaderValue": required(text())})),
		"OriginShield":   object(fields{"Enabled": boolean(), "OriginShieldRegion": text()}),
		"S3OriginConfig": object(fields{"OriginAccessIdentity": text(), "OriginReadTimeout": integer()}),
		"CustomOriginConfig": object(fields{
			"HTTPPort": integer(), "HTTPSPort": integer(), "OriginKeepaliveTimeout": integer(), "OriginReadTimeout": integer(), "OriginProtocolPolicy": required(text()),
			"OriginSSLProtocols": texts(), "IpAddressType": enum("ipv4"),
		}),
	}
}

func behaviorFields() fields {
	return fields{
		"AllowedMethods": texts(), "CachedMethods": texts(), "CachePolicyId": text(), "Compress": boolean(), "SmoothStreaming": boolean(), "TargetOriginId": required(text()),
		"ViewerProtocolPolicy": required(text()), "OriginRequestPolicyId": text(), "ResponseHeadersPolicyId": text(), "TrustedKeyGroups": texts(), "TrustedSigners": texts(),
		"RealtimeLogConfigArn": text(), "FieldLevelEncryptionId": text(), "MinTTL": number(), "DefaultTTL": number(), "MaxTTL": number(),
		"ForwardedValues": object(fields{
			"QueryString": required(boolean()), "QueryStringCacheKeys": texts(), "Headers": texts(),
			"Cookies": object(fields{"Forward": required(text()), "WhitelistedNames": texts()}),
		}),
		"FunctionAssociations": list(object(fields{"EventType": text(), "FunctionARN": text()})),
		"LambdaFunctionAssociations": list(object(fields{
			"EventType": text(), "IncludeBody": boolean(), "LambdaFunctionARN": text(),
		})),
	}
}

func distributionConfig(r *request) edge.DistributionConfig {
	c := objectOf(r.Properties["DistributionConfig"])
	certificate, geo := objectOf(c["ViewerCertificate"]), objectOf(objectOf(c["Restrictions"])["GeoRestriction"])
	logging := objectOf(c["Logging"])
	out := edge.DistributionConfig{
		CallerReference: r.Token, Comment: c.Text("Comment"), Enabled: boolOf(c["Enabled"]), DefaultRootObject: c.Text("DefaultRootObject"), Aliases: textsOf(c["Aliases"]),
		HTTPVersion: c.Text("HttpVersion"), PriceClass: c.Text("PriceClass"), IPv6Enabled: boolOf(c["IPV6Enabled"]), WebACLID: c.Text("WebACLId"), Staging: boolOf(c["Staging"]),
		CacheTagHeader: objectOf(c["CacheTagConfig"]).Text("HeaderName"), GeoRestriction: geo.Text("RestrictionType"), GeoLocations: textsOf(geo["Locations"]),
		DefaultCacheBehavior: behavior(objectOf(c["DefaultCacheBehavior"])),
		Logging:              edge.Logging{Bucket: logging.Text("Bucket"), Prefix: logging.Text("Prefix"), IncludeCookies: boolOf(logging["IncludeCookies"])},
		ViewerCertificate: edge.ViewerCertificate{
			CloudFrontDefault: boolOf(certificate["CloudFrontDefaultCertificate"]), ACMCertificateARN: certificate.Text("AcmCertificateArn"),
			IAMCertificateID: certificate.Text("IamCertificateId"), SSLSupportMethod: certificate.Text("SslSupportMethod"), MinimumProtocolVersion: certificate.Text("MinimumProtocolVersion"),
		},
	}
	if certificate == nil {
		out.ViewerCertificate.CloudFrontDefault = true
	}
	for _, x := range listOf(c["CacheBehaviors"]) {
		out.CacheBehaviors = append(out.CacheBehaviors, behavior(objectOf(x)))
	}
	for _, x := range listOf(c["Origins"]) {
		out.Origins = append(out.Origins, origin(objectOf(x)))
	}
	for _, x := range listOf(objectOf(c["OriginGroups"])["Items"]) {
		out.Groups = append(out.Groups, originGroup(objectOf(x)))
	}
	for _, x := range listOf(c["CustomErrorResponses"]) {
		e := objectOf(x)
		response := edge.CustomErrorResponse{ErrorCode: intOf(e["ErrorCode"]), ErrorCachingMinTTL: seconds(e["ErrorCachingMinTTL"]), ResponsePagePath: e.Text("ResponsePagePath")}
		if code := intOf(e["ResponseCode"]); code > 0 {
			response.ResponseCode = strconv.Itoa(code)
		}
		out.CustomErrorResponses = append(out.CustomErrorResponses, response)
	}
	return out
}

func originGroup(g values) edge.OriginGroup {
	out := edge.OriginGroup{ID: g.Text("Id")}
	for _, code := range listOf(objectOf(objectOf(g["FailoverCriteria"])["StatusCodes"])["Items"]) {
		out.StatusCodes = append(out.StatusCodes, intOf(code))
	}
	for i, m := range listOf(objectOf(g["Members"])["Items"]) {
		if i < len(out.Members) {
			out.Members[i] = objectOf(m).Text("OriginId")
		}
	}
	return out
}

func origin(o values) edge.Origin {
	out := edge.Origin{
		ID: o.Text("Id"), DomainName: o.Text("DomainName"), Path: o.Text("OriginPath"), ConnectionAttempts: intOf(o["ConnectionAttempts"]),
		ConnectionTimeout: intOf(o["ConnectionTimeout"]), OriginAccessControlID: o.Text("OriginAccessControlId"),
	}
	for _, x := range listOf(o["OriginCustomHeaders"]) {
		out.CustomHeaders = append(out.CustomHeaders, edge.HeaderField{Name: objectOf(x).Text("HeaderName"), Value: objectOf(x).Text("HeaderValue")})
	}
	if shield := objectOf(o["OriginShield"]); boolOf(shield["Enabled"]) {
		out.ShieldRegion = shield.Text("OriginShieldRegion")
	}
	if c := objectOf(o["CustomOriginConfig"]); c != nil {
		out.Custom = &edge.CustomOrigin{
			HTTPPort: intOf(c["HTTPPort"]), HTTPSPort: intOf(c["HTTPSPort"]), ProtocolPolicy: c.Text("OriginProtocolPolicy"), SSLProtocols: textsOf(c["OriginSSLProtocols"]),
			ReadTimeout: intOf(c["OriginReadTimeout"]), KeepaliveTimeout: intOf(c["OriginKeepaliveTimeout"]),
		}
	}
	if c := objectOf(o["S3OriginConfig"]); c != nil {
		out.S3 = &edge.S3Origin{OriginAccessIdentity: c.Text("OriginAccessIdentity"), ReadTimeout: intOf(c["OriginReadTimeout"])}
	}
	return out
}

func behavior(b values) edge.CacheBehavior {
	out := edge.CacheBehavior{
		PathPattern: b.Text("PathPattern"), TargetOriginID: b.Text("TargetOriginId"), ViewerProtocolPolicy: b.Text("ViewerProtocolPolicy"),
		AllowedMethods: textsOf(b["AllowedMethods"]), CachedMethods: textsOf(b["CachedMethods"]), CachePolicyID: b.Text("CachePolicyId"), Compress: boolOf(b["Compress"]),
		SmoothStreaming: boolOf(b["SmoothStreaming"]), OriginRequestPolicyID: b.Text("OriginRequestPolicyId"), ResponseHeadersPolicyID: b.Text("ResponseHeadersPolicyId"),
		TrustedKeyGroups: textsOf(b["TrustedKeyGroups"]), TrustedSigners: textsOf(b["TrustedSigners"]), RealtimeLogConfigARN: b.Text("RealtimeLogConfigArn"),
		FieldLevelEncryptionID: b.Text("FieldLevelEncryptionId"),
	}
	for _, x := range listOf(b["FunctionAssociations"]) {
		out.Functions = append(out.Functions, edge.FunctionAssociation{FunctionARN: objectOf(x).Text("FunctionARN"), EventType: objectOf(x).Text("EventType")})
	}
	for _, x := range listOf(b["LambdaFunctionAssociations"]) {
		a := objectOf(x)
		out.LambdaFunctions = append(out.LambdaFunctions, edge.LambdaFunctionAssociation{FunctionARN: a.Text("LambdaFunctionARN"), EventType: a.Text("EventType"), IncludeBody: boolOf(a["IncludeBody"])})
	}
	if f := objectOf(b["ForwardedValues"]); f != nil {
		cookies := objectOf(f["Cookies"])
		out.Forwarded = &edge.ForwardedValues{
			QueryString: boolOf(f["QueryString"]), QueryStringCacheKeys: textsOf(f["QueryStringCacheKeys"]), Headers: textsOf(f["Headers"]),
			Cookies: edge.Selection{Behavior: cookies.Text("Forward"), Names: textsOf(cookies["WhitelistedNames"])},
			MinTTL:  int64(floatOf(b["MinTTL"])), DefaultTTL: seconds(b["DefaultTTL"]), MaxTTL: seconds(b["MaxTTL"]),
		}
	}
	return out
}

// createDistribution is idempotent by itself: the token is the caller reference.
func (s Services) createDistribution(ctx context.Context, r *request) (resource, error) {
	var tags []edge.Tag
	all := tagsOf(r.Tags, r.Properties["Tags"])
	for _, k := range sortedKeys(all) {
		tags = append(tags, edge.Tag{Key: k, Value: all[k]})
	}
	d, err := s.Edge.CreateDistributionWithTags(ctx, r.Caller, distributionConfig(r), tags)
	if err != nil {
		return resource{}, err
	}
	return distributionResource(d), nil
}

func distributionResource(d edge.Distribution) resource {
	return resource{PhysicalID: d.ID, Attributes: values{"DomainName": d.DomainName, "Id": d.ID}}
}

func (s Services) updateDistribution(ctx context.Context, r *request) (resource, error) {
	d, err := s.Edge.GetDistribution(ctx, r.Caller, r.PhysicalID)
	if err != nil {
		return resource{}, err
	}
	if changed(r, "DistributionConfig") {
		cfg := distributionConfig(r)
		cfg.CallerReference = d.Config.CallerReference
		if d, err = s.Edge.UpdateDistribution(ctx, r.Caller, d.ID, d.ETag, cfg); err != nil {
			return resource{}, err
		}
	}
	return distributionResource(d), s.retagEdge(ctx, r, d.ARN)
}

func (s Services) retagEdge(ctx context.Context, r *request, full string) error {
	set, removed := retagged(r)
	if len(set) > 0 {
		var tags []edge.Tag
		for _, k := range sortedKeys(set) {
			tags = append(tags, edge.Tag{Key: k, Value: set[k]})
		}
		if err := s.Edge.TagResource(ctx, r.Caller, full, tags); err != nil {
			return err
		}
	}
	if len(removed) > 0 {
		return s.Edge.UntagResource(ctx, r.Caller, full, removed)
	}
	return nil
}

func (s Services) readDistribution(ctx context.Context, r *request) (resource, error) {
	d, err := s.Edge.GetDistribution(ctx, r.Caller, r.PhysicalID)
	return found(distributionResource(d), err)
}

// deleteDistribution disables it first: CloudFront deletes no other.
func (s Services) deleteDistribution(ctx context.Context, r *request) error {
	d, err := s.Edge.GetDistribution(ctx, r.Caller, r.PhysicalID)
	if err != nil {
		return deleted(err)
	}
	if d.Config.Enabled {
		cfg := d.Config
		cfg.Enabled = false
		if d, err = s.Edge.UpdateDistribution(ctx, r.Caller, d.ID, d.ETag, cfg); err != nil {
			return deleted(err)
		}
	}
	return deleted(s.Edge.DeleteDistribution(ctx, r.Caller, d.ID, d.ETag))
}
