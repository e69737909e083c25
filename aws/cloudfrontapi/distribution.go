package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"slices"

	"glassine/aws/wire"
	"glassine/edge"
)

func (h *Handler) createDistribution(c *call) error {
	if _, ok := c.query["WithTags"]; ok {
		return unsupported("POST", []string{"distribution?WithTags"})
	}
	cfg, err := readDistributionConfig(c.body)
	if err != nil {
		return err
	}
	d, err := h.Edge.CreateDistribution(c.ctx, c.caller, cfg)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+"distribution/"+d.ID)
	return writeDistribution(c, http.StatusCreated, d)
}

func (h *Handler) getDistribution(c *call, id string) error {
	d, err := h.Edge.GetDistribution(c.ctx, c.caller, id)
	if err != nil {
		return err
	}
	return writeDistribution(c, http.StatusOK, d)
}

func (h *Handler) getDistributionConfig(c *call, id string) error {
	d, err := h.Edge.GetDistributionConfig(c.ctx, c.caller, id)
	if err != nil {
		return err
	}
	out := configShape(d.Config)
	out.NS = namespace
	c.w.Header().Set("ETag", d.ETag)
	wire.WriteXML(c.w, http.StatusOK, out)
	return nil
}

func (h *Handler) updateDistribution(c *call, id string) error {
	cfg, err := readDistributionConfig(c.body)
	if err != nil {
		return err
	}
	d, err := h.Edge.UpdateDistribution(c.ctx, c.caller, id, c.ifMatch, cfg)
	if err != nil {
		return err
	}
	return writeDistribution(c, http.StatusOK, d)
}

func writeDistribution(c *call, status int, d edge.Distribution) error {
	c.w.Header().Set("ETag", d.ETag)
	wire.WriteXML(c.w, status, distribution{
		NS: namespace, Id: d.ID, ARN: d.ARN, Status: d.Status, LastModifiedTime: isoTime(d.LastModified), DomainName: d.DomainName,
		DistributionConfig: configShape(d.Config),
	})
	return nil
}

// listDistributions answers all distributions in one page: an installation has few.
func (h *Handler) listDistributions(c *call) error {
	all, err := h.Edge.ListDistributions(c.ctx, c.caller)
	if err != nil {
		return err
	}
	// A summary is the configuration without the caller's reference, between the distribution's own members.
	type summary struct {
		XMLName              xml.Name `xml:"DistributionSummary"`
		Id                   string
		ARN                  string
		Status               string
		LastModifiedTime     string
		DomainName           string
		Aliases              *list[text]
		Origins              *list[origin]
		OriginGroups         *list[any1]
		DefaultCacheBehavior cacheBehavior
		CacheBehaviors       *list[cacheBehavior]
		CustomErrorResponses *list[customErrorResponse]
		Comment              string
		PriceClass           string
		Enabled              bool
		ViewerCertificate    *viewerCertificate
		Restrictions         *restrictions
		WebACLId             string
		HttpVersion          string
		IsIPV6Enabled        bool
		Staging              bool
	}
	var summaries []summary
	for _, d := range all {
		s := configShape(d.Config)
		summaries = append(summaries, summary{
			Id: d.ID, ARN: d.ARN, Status: d.Status, LastModifiedTime: isoTime(d.LastModified), DomainName: d.DomainName,
			Aliases: s.Aliases, Origins: s.Origins, OriginGroups: s.OriginGroups, DefaultCacheBehavior: s.DefaultCacheBehavior,
			CacheBehaviors: s.CacheBehaviors, CustomErrorResponses: s.CustomErrorResponses, Comment: s.Comment, PriceClass: s.PriceClass,
			Enabled: s.Enabled, ViewerCertificate: s.ViewerCertificate, Restrictions: s.Restrictions, HttpVersion: s.HttpVersion, IsIPV6Enabled: s.IsIPV6Enabled,
		})
	}
	wire.WriteXML(c.w, http.StatusOK, struct {
		XMLName     xml.Name `xml:"DistributionList"`
		NS          string   `xml:"xmlns,attr"`
		Marker      string
		MaxItems    int
		IsTruncated bool
		*list[summary]
	}{NS: namespace, MaxItems: 100, list: listOf(summaries)})
	return nil
}

// readDistributionConfig translates the XML of a configuration. Members that edge does not serve yet go to it as they are,
// and it refuses them by name.
func readDistributionConfig(body []byte) (edge.DistributionConfig, error) {
	var in distributionConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.DistributionConfig{}, err
	}
	cfg := edge.DistributionConfig{
		CallerReference: in.CallerReference, Comment: in.Comment, Enabled: in.Enabled, DefaultRootObject: in.DefaultRootObject,
		HTTPVersion: in.HttpVersion, PriceClass: in.PriceClass, IPv6Enabled: in.IsIPV6Enabled, WebACLID: in.WebACLId, Staging: in.Staging,
	}
	aliases, err := in.Aliases.get()
	if err != nil {
		return cfg, err
	}
	cfg.Aliases = values(aliases)
	origins, err := in.Origins.get()
	if err != nil {
		return cfg, err
	}
	for _, o := range origins {
		domain, err := o.domain()
		if err != nil {
			return cfg, err
		}
		cfg.Origins = append(cfg.Origins, domain)
	}
	if cfg.DefaultCacheBehavior, err = in.DefaultCacheBehavior.domain(); err != nil {
		return cfg, err
	}
	behaviors, err := in.CacheBehaviors.get()
	if err != nil {
		return cfg, err
	}
	for _, b := range behaviors {
		domain, err := b.domain()
		if err != nil {
			return cfg, err
		}
		cfg.CacheBehaviors = append(cfg.CacheBehaviors, domain)
	}
	errorResponses, err := in.CustomErrorResponses.get()
	if err != nil {
		return cfg, err
	}
	for _, e := range errorResponses {
		cfg.CustomErrorResponses = append(cfg.CustomErrorResponses, edge.CustomErrorResponse{
			ErrorCode: e.ErrorCode, ErrorCachingMinTTL: e.ErrorCachingMinTTL, ResponsePagePath: e.ResponsePagePath, ResponseCode: e.ResponseCode,
		})
	}
	if in.OriginGroups != nil {
		cfg.OriginGroups = in.OriginGroups.Quantity
	}
	if in.Logging != nil && in.Logging.Enabled {
		cfg.LoggingBucket = in.Logging.Bucket
	}
	if in.Restrictions != nil {
		cfg.GeoRestriction = in.Restrictions.GeoRestriction.RestrictionType
	}
	if v := in.ViewerCertificate; v != nil {
		cfg.ViewerCertificate = edge.ViewerCertificate{
			CloudFrontDefault: v.CloudFrontDefaultCertificate, ACMCertificateARN: v.ACMCertificateArn, IAMCertificateID: v.IAMCertificateId,
			SSLSupportMethod: v.SSLSupportMethod, MinimumProtocolVersion: v.MinimumProtocolVersion,
		}
	}
	return cfg, nil
}

func (o origin) domain() (edge.Origin, error) {
	out := edge.Origin{
		ID: o.Id, DomainName: o.DomainName, Path: o.OriginPath, ConnectionAttempts: o.ConnectionAttempts, ConnectionTimeout: o.ConnectionTimeout,
		OriginAccessControlID: o.OriginAccessControlId,
	}
	headers, err := o.CustomHeaders.get()
	if err != nil {
		return out, err
	}
	for _, h := range headers {
		out.CustomHeaders = append(out.CustomHeaders, edge.HeaderField{Name: h.HeaderName, Value: h.HeaderValue})
	}
	if c := o.CustomOriginConfig; c != nil {
		protocols, err := c.OriginSslProtocols.get()
		if err != nil {
			return out, err
		}
		out.Custom = &edge.CustomOrigin{
			HTTPPort: c.HTTPPort, HTTPSPort: c.HTTPSPort, ProtocolPolicy: c.OriginProtocolPolicy, SSLProtocols: values(protocols),
			ReadTimeout: c.OriginReadTimeout, KeepaliveTimeout: c.OriginKeepaliveTimeout,
		}
	}
	if s := o.S3OriginConfig; s != nil {
		out.S3 = &edge.S3Origin{OriginAccessIdentity: s.OriginAccessIdentity, ReadTimeout: s.OriginReadTimeout}
	}
	if s := o.OriginShield; s != nil && s.Enabled {
		out.ShieldRegion = s.OriginShieldRegion
	}
	return out, nil
}

func (b cacheBehavior) domain() (edge.CacheBehavior, error) {
	out := edge.CacheBehavior{
		PathPattern: b.PathPattern, TargetOriginID: b.TargetOriginId, ViewerProtocolPolicy: b.ViewerProtocolPolicy, CachePolicyID: b.CachePolicyId,
		Compress: b.Compress, SmoothStreaming: b.SmoothStreaming, OriginRequestPolicyID: b.OriginRequestPolicyId,
		ResponseHeadersPolicyID: b.ResponseHeadersPolicyId, RealtimeLogConfigARN: b.RealtimeLogConfigArn,
		FieldLevelEncryptionID: b.FieldLevelEncryptionId,
		ForwardedValues:        b.ForwardedValues != nil || b.MinTTL != nil || b.DefaultTTL != nil || b.MaxTTL != nil,
	}
	if m := b.AllowedMethods; m != nil {
		methods, err := (&list[text]{m.Quantity, m.Items}).get()
		if err != nil {
			return out, err
		}
		out.AllowedMethods = values(methods)
		cached, err := m.CachedMethods.get()
		if err != nil {
			return out, err
		}
		out.CachedMethods = values(cached)
	}
	lambdas, err := b.LambdaFunctionAssociations.get()
	if err != nil {
		return out, err
	}
	for _, a := range lambdas {
		out.LambdaFunctions = append(out.LambdaFunctions, edge.LambdaFunctionAssociation{FunctionARN: a.LambdaFunctionARN, EventType: a.EventType, IncludeBody: a.IncludeBody})
	}
	functions, err := b.FunctionAssociations.get()
	if err != nil {
		return out, err
	}
	for _, f := range functions {
		out.Functions = append(out.Functions, edge.FunctionAssociation{FunctionARN: f.FunctionARN, EventType: f.EventType})
	}
	out.TrustedSigners, out.TrustedKeyGroups = b.TrustedSigners.names(), b.TrustedKeyGroups.names()
	return out, nil
}

func (t *trusted) names() []string {
	if t == nil || !t.Enabled || t.Items == nil {
		return nil
	}
	return values(t.Items.Item)
}

// configShape is the XML of a configuration, with what AWS echoes where nothing was given.
func configShape(c edge.DistributionConfig) distributionConfig {
	out := distributionConfig{
		CallerReference: c.CallerReference, Aliases: listOf(texts("CNAME", c.Aliases)), DefaultRootObject: c.DefaultRootObject,
		OriginGroups: &list[any1]{}, DefaultCacheBehavior: behaviorShape("DefaultCacheBehavior", c.DefaultCacheBehavior),
		Comment: c.Comment, Logging: &logging{}, PriceClass: c.PriceClass, Enabled: c.Enabled, HttpVersion: c.HTTPVersion, IsIPV6Enabled: c.IPv6Enabled,
	}
	var origins []origin
	for _, o := range c.Origins {
		origins = append(origins, originShape(o))
	}
	out.Origins = listOf(origins)
	var behaviors []cacheBehavior
	for _, b := range c.CacheBehaviors {
		behaviors = append(behaviors, behaviorShape("CacheBehavior", b))
	}
	out.CacheBehaviors = listOf(behaviors)
	var errorResponses []customErrorResponse
	for _, e := range c.CustomErrorResponses {
		errorResponses = append(errorResponses, customErrorResponse{ErrorCode: e.ErrorCode, ErrorCachingMinTTL: e.ErrorCachingMinTTL})
	}
	out.CustomErrorResponses = listOf(errorResponses)
	v := c.ViewerCertificate
	out.ViewerCertificate = &viewerCertificate{CloudFrontDefaultCertificate: true, MinimumProtocolVersion: "TLSv1", CertificateSource: "cloudfront"}
	if v.ACMCertificateARN != "" || v.IAMCertificateID != "" {
		out.ViewerCertificate = &viewerCertificate{
			ACMCertificateArn: v.ACMCertificateARN, IAMCertificateId: v.IAMCertificateID,
			SSLSupportMethod: v.SSLSupportMethod, MinimumProtocolVersion: v.MinimumProtocolVersion,
		}
	}
	out.Restrictions = &restrictions{}
	out.Restrictions.GeoRestriction.RestrictionType = "none"
	return out
}

func originShape(o edge.Origin) origin {
	out := origin{
		Id: o.ID, DomainName: o.DomainName, OriginPath: o.Path, ConnectionAttempts: o.ConnectionAttempts,
		ConnectionTimeout: o.ConnectionTimeout, OriginShield: &originShield{},
	}
	var headers []originHeader
	for _, h := range o.CustomHeaders {
		headers = append(headers, originHeader{HeaderName: h.Name, HeaderValue: h.Value})
	}
	out.CustomHeaders = listOf(headers)
	if c := o.Custom; c != nil {
		out.CustomOriginConfig = &customOriginConfig{
			HTTPPort: c.HTTPPort, HTTPSPort: c.HTTPSPort, OriginProtocolPolicy: c.ProtocolPolicy,
			OriginSslProtocols: listOf(texts("SslProtocol", c.SSLProtocols)), OriginReadTimeout: c.ReadTimeout, OriginKeepaliveTimeout: c.KeepaliveTimeout,
		}
	}
	if s := o.S3; s != nil {
		out.S3OriginConfig = &s3OriginConfig{OriginAccessIdentity: s.OriginAccessIdentity, OriginReadTimeout: s.ReadTimeout}
	}
	return out
}

func behaviorShape(name string, b edge.CacheBehavior) cacheBehavior {
	methods, cached := b.AllowedMethods, b.CachedMethods
	if methods == nil {
		methods = []string{"HEAD", "GET"}
	}
	if cached == nil {
		cached = []string{"HEAD", "GET"}
	}
	var lambdas []lambdaAssociation
	for _, a := range b.LambdaFunctions {
		lambdas = append(lambdas, lambdaAssociation{LambdaFunctionARN: a.FunctionARN, EventType: a.EventType, IncludeBody: a.IncludeBody})
	}
	allowed := listOf(texts("Method", slices.Clone(methods)))
	return cacheBehavior{
		XMLName: xml.Name{Local: name}, PathPattern: b.PathPattern, TargetOriginId: b.TargetOriginID,
		TrustedSigners: &trusted{}, TrustedKeyGroups: &trusted{}, ViewerProtocolPolicy: b.ViewerProtocolPolicy,
		AllowedMethods:  &allowedMethods{Quantity: allowed.Quantity, Items: allowed.Items, CachedMethods: listOf(texts("Method", cached))},
		SmoothStreaming: b.SmoothStreaming, Compress: b.Compress, LambdaFunctionAssociations: listOf(lambdas),
		FunctionAssociations: listOf[functionAssociation](nil), CachePolicyId: b.CachePolicyID,
	}
}
