package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/edge"
)

func (h *Handler) createDistribution(c *call) error {
	var in distributionConfig
	var tagged []edge.Tag
	if _, ok := c.query["WithTags"]; ok {
		var with struct {
			XMLName            xml.Name `xml:"DistributionConfigWithTags"`
			DistributionConfig distributionConfig
			Tags               *tags
		}
		if err := wire.ReadXML(bytes.NewReader(c.body), maxBody, &with); err != nil {
			return err
		}
		in, tagged = with.DistributionConfig, with.Tags.domain()
	} else if err := wire.ReadXML(bytes.NewReader(c.body), maxBody, &in); err != nil {
		return err
	}
	cfg, err := in.domain()
	if err != nil {
		return err
	}
	d, err := h.Edge.CreateDistributionWithTags(c.ctx, c.caller, cfg, tagged)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+"distribution/"+d.ID)
	return h.writeDistribution(c, http.StatusCreated, d)
}

func (h *Handler) getDistribution(c *call, id string) error {
	d, err := h.Edge.GetDistribution(c.ctx, c.caller, id)
	if err != nil {
		return err
	}
	return h.writeDistribution(c, http.StatusOK, d)
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
	return h.writeDistribution(c, http.StatusOK, d)
}

func (h *Handler) writeDistribution(c *call, status int, d edge.Distribution) error {
	c.w.Header().Set("ETag", d.ETag)
	wire.WriteXML(c.w, status, distribution{
		NS: namespace, Id: d.ID, ARN: d.ARN, Status: d.Status, LastModifiedTime: isoTime(d.LastModified), DomainName: d.DomainName,
		ActiveTrustedKeyGroups: activeShape(h.Edge.ActiveKeys(&d.Config)), DistributionConfig: configShape(d.Config),
	})
	return nil
}

// activeShape is the keys of each group that can sign for a distribution.
func activeShape(active map[string][]string) activeKeyGroups {
	if active == nil {
		return activeKeyGroups{}
	}
	out := activeKeyGroups{Enabled: true, Quantity: len(active), Items: &items[activeKeyGroup]{}}
	for _, id := range slices.Sorted(maps.Keys(active)) {
		out.Items.Item = append(out.Items.Item, activeKeyGroup{KeyGroupId: id, KeyPairIds: listOf(texts("KeyPairId", active[id]))})
	}
	return out
}

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
		OriginGroups         *list[originGroup]
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
	return writePage(c, "DistributionList", summaries)
}

// readDistributionConfig translates the XML of a configuration. Members that edge does not serve yet go to it as they are,
// and it refuses them by name.
func readDistributionConfig(body []byte) (edge.DistributionConfig, error) {
	var in distributionConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.DistributionConfig{}, err
	}
	return in.domain()
}

func (in distributionConfig) domain() (edge.DistributionConfig, error) {
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
	if cfg.Groups, err = groupsOf(in.OriginGroups); err != nil {
		return cfg, err
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
	if in.Logging != nil && in.Logging.Enabled {
		cfg.Logging = edge.Logging{Bucket: in.Logging.Bucket, Prefix: in.Logging.Prefix, IncludeCookies: in.Logging.IncludeCookies}
		if cfg.Logging.Bucket == "" {
			return cfg, fault.New("InvalidArgument", "The parameter Logging Bucket does not refer to a valid S3 bucket.")
		}
	}
	if in.Restrictions != nil {
		g := in.Restrictions.GeoRestriction
		locations, err := (&list[text]{g.Quantity, g.Items}).get()
		if err != nil {
			return cfg, err
		}
		cfg.GeoRestriction, cfg.GeoLocations = g.RestrictionType, values(locations)
	}
	if in.CacheTagConfig != nil {
		cfg.CacheTagHeader = in.CacheTagConfig.HeaderName
	}
	if v := in.ViewerCertificate; v != nil {
		cfg.ViewerCertificate = v.domain()
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
		if out.ShieldRegion = s.OriginShieldRegion; out.ShieldRegion == "" {
			return out, fault.New("InvalidArgument", "The OriginShieldRegion of an enabled origin shield is missing.")
		}
	}
	return out, nil
}

// configShape is the XML of a configuration, with what AWS echoes where nothing was given.
func configShape(c edge.DistributionConfig) distributionConfig {
	out := distributionConfig{
		CallerReference: c.CallerReference, Aliases: listOf(texts("CNAME", c.Aliases)), DefaultRootObject: c.DefaultRootObject,
		OriginGroups: groupShapes(c.Groups), DefaultCacheBehavior: behaviorShape("DefaultCacheBehavior", c.DefaultCacheBehavior),
		Comment: c.Comment, Logging: &logging{c.Logging.Bucket != "", c.Logging.IncludeCookies, c.Logging.Bucket, c.Logging.Prefix}, PriceClass: c.PriceClass, Enabled: c.Enabled, HttpVersion: c.HTTPVersion, IsIPV6Enabled: c.IPv6Enabled,
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
		errorResponses = append(errorResponses, customErrorResponse{
			ErrorCode: e.ErrorCode, ResponsePagePath: e.ResponsePagePath, ResponseCode: e.ResponseCode, ErrorCachingMinTTL: e.ErrorCachingMinTTL,
		})
	}
	out.CustomErrorResponses = listOf(errorResponses)
	out.ViewerCertificate = certificateShape(c.ViewerCertificate)
	out.Restrictions = &restrictions{}
	g := &out.Restrictions.GeoRestriction
	locations := listOf(texts("Location", c.GeoLocations))
	g.RestrictionType, g.Quantity, g.Items = or(c.GeoRestriction, "none"), locations.Quantity, locations.Items
	if c.CacheTagHeader != "" {
		out.CacheTagConfig = &cacheTagConfig{c.CacheTagHeader}
	}
	return out
}

func originShape(o edge.Origin) origin {
	out := origin{
		Id: o.ID, DomainName: o.DomainName, OriginPath: o.Path, ConnectionAttempts: o.ConnectionAttempts,
		ConnectionTimeout: o.ConnectionTimeout, OriginShield: &originShield{o.ShieldRegion != "", o.ShieldRegion},
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

func groupsOf(l *list[originGroup]) ([]edge.OriginGroup, error) {
	groups, err := l.get()
	if err != nil {
		return nil, err
	}
	var out []edge.OriginGroup
	for _, g := range groups {
		group := edge.OriginGroup{ID: g.Id}
		codes, err := g.FailoverCriteria.StatusCodes.get()
		if err != nil {
			return nil, err
		}
		for _, c := range codes {
			n, err := strconv.Atoi(c.Value)
			if err != nil {
				return nil, fault.New("InvalidArgument", "%q is no status code for failover.", c.Value)
			}
			group.StatusCodes = append(group.StatusCodes, n)
		}
		members, err := g.Members.get()
		switch {
		case err != nil:
			return nil, err
		case len(members) != 2:
			return nil, fault.New("InvalidArgument", "The origin group %s has %d members, not two.", g.Id, len(members))
		case g.SelectionCriteria != "" && g.SelectionCriteria != "default":
			return nil, fault.New("NotImplemented", "Selection criteria %s of an origin group is not supported yet.", g.SelectionCriteria).WithStatus(http.StatusNotImplemented)
		}
		group.Members = [2]string{members[0].OriginId, members[1].OriginId}
		out = append(out, group)
	}
	return out, nil
}

func groupShapes(groups []edge.OriginGroup) *list[originGroup] {
	var out []originGroup
	for _, g := range groups {
		shape := originGroup{Id: g.ID, Members: listOf([]originGroupMember{{OriginId: g.Members[0]}, {OriginId: g.Members[1]}})}
		var codes []string
		for _, c := range g.StatusCodes {
			codes = append(codes, strconv.Itoa(c))
		}
		shape.FailoverCriteria.StatusCodes = listOf(texts("StatusCode", codes))
		out = append(out, shape)
	}
	return listOf(out)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
