package provider

import (
	"context"
	"reflect"
	"strings"
	"time"

	"glassine/cloudformation"
	"glassine/edge"
	"glassine/iam"
)

// collection is a kind of CloudFront's records, of which each is replaced as a whole.
type collection[C any] struct {
	create func(ctx context.Context, c iam.Caller, cfg C) (edge.Versioned[C], error)
	get    func(ctx context.Context, c iam.Caller, id string) (edge.Versioned[C], error)
	list   func(ctx context.Context, c iam.Caller) ([]edge.Versioned[C], error)
	update func(ctx context.Context, c iam.Caller, id, ifMatch string, cfg C) (edge.Versioned[C], error)
	delete func(ctx context.Context, c iam.Caller, id, ifMatch string) error
}

func of[C any](s *edge.Collection[C]) collection[C] {
	return collection[C]{s.Create, s.Get, s.List, s.Update, s.Delete}
}

// through is a collection of a kind that has methods of its own, by what they return.
func through[P, C any](
	convert func(P) edge.Versioned[C],
	create func(context.Context, iam.Caller, C) (P, error),
	get func(context.Context, iam.Caller, string) (P, error),
	list func(context.Context, iam.Caller) ([]P, error),
	update func(context.Context, iam.Caller, string, string, C) (P, error),
	remove func(ctx context.Context, c iam.Caller, id, ifMatch string) error,
) collection[C] {
	one := func(p P, err error) (edge.Versioned[C], error) { return convert(p), err }
	return collection[C]{
		create: func(ctx context.Context, c iam.Caller, cfg C) (edge.Versioned[C], error) {
			return one(create(ctx, c, cfg))
		},
		get: func(ctx context.Context, c iam.Caller, id string) (edge.Versioned[C], error) {
			return one(get(ctx, c, id))
		},
		list: func(ctx context.Context, c iam.Caller) (out []edge.Versioned[C], err error) {
			all, err := list(ctx, c)
			for _, p := range all {
				out = append(out, convert(p))
			}
			return out, err
		},
		update: func(ctx context.Context, c iam.Caller, id, ifMatch string, cfg C) (edge.Versioned[C], error) {
			return one(update(ctx, c, id, ifMatch, cfg))
		},
		delete: remove,
	}
}

func (s Services) cachePolicies() collection[edge.CachePolicyConfig] {
	e := s.Edge
	return through(func(p edge.CachePolicy) edge.Versioned[edge.CachePolicyConfig] {
		return edge.Versioned[edge.CachePolicyConfig](p)
	},
		e.CreateCachePolicy, e.GetCachePolicy, e.ListCachePolicies, e.UpdateCachePolicy, e.DeleteCachePolicy)
}

func (s Services) accessControls() collection[edge.OriginAccessControlConfig] {
	e := s.Edge
	return through(func(p edge.OriginAccessControl) edge.Versioned[edge.OriginAccessControlConfig] {
		return edge.Versioned[edge.OriginAccessControlConfig]{ID: p.ID, ETag: p.ETag, Config: p.Config}
	}, e.CreateOriginAccessControl, e.GetOriginAccessControl, e.ListOriginAccessControls, e.UpdateOriginAccessControl, e.DeleteOriginAccessControl)
}

// recordType makes the type of a kind: config reads the one property that it has, time is the attribute that says when it
// was changed, or "".
func recordType[C any](name, when string, p fields, api collection[C], config func(values) C) *cloudformation.Type {
	property := name[strings.LastIndex(name, ":")+1:] + "Config"
	p = fields{property: required(object(p))}
	read := func(v edge.Versioned[C]) resource {
		res := resource{PhysicalID: v.ID, Attributes: values{"Id": v.ID}}
		if when != "" {
			res.Attributes[when] = v.LastModified.UTC().Format(time.RFC3339)
		}
		return res
	}
	configOf := func(r *request) C { return config(objectOf(r.Properties[property])) }
	h := handler{
		create: func(ctx context.Context, r *request) (resource, error) {
			v, err := api.create(ctx, r.Caller, configOf(r))
			if err != nil && r.Retry {
				return takeRecord(ctx, r, api, configOf(r), err, read)
			}
			if err != nil {
				return resource{}, err
			}
			return read(v), nil
		},
		read: func(ctx context.Context, r *request) (resource, error) {
			v, err := api.get(ctx, r.Caller, r.PhysicalID)
			return found(read(v), err)
		},
		update: func(ctx context.Context, r *request) (resource, error) {
			v, err := api.get(ctx, r.Caller, r.PhysicalID)
			if err != nil {
				return resource{}, err
			}
			if v, err = api.update(ctx, r.Caller, v.ID, v.ETag, configOf(r)); err != nil {
				return resource{}, err
			}
			return read(v), nil
		},
		delete: func(ctx context.Context, r *request) error {
			v, err := api.get(ctx, r.Caller, r.PhysicalID)
			if err != nil {
				return deleted(err)
			}
			return deleted(api.delete(ctx, r.Caller, v.ID, v.ETag))
		},
	}
	attributes := []string{"Id"}
	if when != "" {
		attributes = append(attributes, when)
	}
	return &cloudformation.Type{Name: name, Properties: p, Attributes: attributes, Handler: h}
}

// takeRecord finds what an earlier attempt made: of the very configuration, and no older than the attempt.
func takeRecord[C any](ctx context.Context, r *request, api collection[C], cfg C, refused error, read func(edge.Versioned[C]) resource) (resource, error) {
	all, err := api.list(ctx, r.Caller)
	if err != nil {
		return resource{}, err
	}
	for _, v := range all {
		young := v.LastModified.IsZero() || !v.LastModified.Before(r.Begun.Truncate(time.Second))
		if !v.Managed && young && sameName(v.Config, cfg) {
			return read(v), nil
		}
	}
	return resource{}, refused
}

// sameName compares the names that CloudFront's configurations have.
func sameName(a, b any) bool {
	return reflect.ValueOf(a).FieldByName("Name").String() == reflect.ValueOf(b).FieldByName("Name").String()
}

// edges are the types of CloudFront.
func (s Services) edges() []*cloudformation.Type {
	all := []*cloudformation.Type{
		recordType("AWS::CloudFront::CachePolicy", "LastModifiedTime", cachePolicyFields(), s.cachePolicies(), cachePolicyConfig),
		recordType("AWS::CloudFront::OriginAccessControl", "", fields{
			"Name": required(text()), "Description": text(), "OriginAccessControlOriginType": required(text()), "SigningBehavior": required(text()), "SigningProtocol": required(text()),
		}, s.accessControls(), func(c values) edge.OriginAccessControlConfig {
			return edge.OriginAccessControlConfig{
				Name: c.Text("Name"), Description: c.Text("Description"), SigningProtocol: c.Text("SigningProtocol"), SigningBehavior: c.Text("SigningBehavior"),
				OriginType: c.Text("OriginAccessControlOriginType"),
			}
		}),
		recordType("AWS::CloudFront::OriginRequestPolicy", "LastModifiedTime", selectionFields(fields{"Name": required(text()), "Comment": text()}),
			of(s.Edge.OriginRequestPolicies), func(c values) edge.OriginRequestPolicyConfig {
				out := edge.OriginRequestPolicyConfig{Name: c.Text("Name"), Comment: c.Text("Comment")}
				out.Headers, out.Cookies, out.QueryStrings = selections(c)
				return out
			}),
		recordType("AWS::CloudFront::ResponseHeadersPolicy", "LastModifiedTime", responsePolicyFields(), of(s.Edge.ResponseHeadersPolicies), responsePolicyConfig),
		recordType("AWS::CloudFront::PublicKey", "CreatedTime", fields{
			"Name": required(text()), "Comment": text(), "CallerReference": required(text()), "EncodedKey": required(text()),
		}, of(s.Edge.PublicKeys), func(c values) edge.PublicKeyConfig {
			return edge.PublicKeyConfig{CallerReference: c.Text("CallerReference"), Name: c.Text("Name"), Comment: c.Text("Comment"), EncodedKey: c.Text("EncodedKey")}
		}),
		recordType("AWS::CloudFront::KeyGroup", "LastModifiedTime", fields{"Name": required(text()), "Comment": text(), "Items": required(texts())},
			of(s.Edge.KeyGroups), func(c values) edge.KeyGroupConfig {
				return edge.KeyGroupConfig{Name: c.Text("Name"), Comment: c.Text("Comment"), Keys: textsOf(c["Items"])}
			}),
	}
	return append(all, s.distributionType(), s.edgeFunctionType())
}

func selection(behavior, names string) *property {
	return object(fields{behavior: required(text()), names: texts()})
}

// selectionFields adds the three selections that policies have.
func selectionFields(f fields) fields {
	f["CookiesConfig"] = required(selection("CookieBehavior", "Cookies"))
	f["HeadersConfig"] = required(selection("HeaderBehavior", "Headers"))
	f["QueryStringsConfig"] = required(selection("QueryStringBehavior", "QueryStrings"))
	return f
}

func selections(c values) (headers, cookies, query edge.Selection) {
	pick := func(config, behavior, names string) edge.Selection {
		o := objectOf(c[config])
		return edge.Selection{Behavior: o.Text(behavior), Names: textsOf(o[names])}
	}
	return pick("HeadersConfig", "HeaderBehavior", "Headers"), pick("CookiesConfig", "CookieBehavior", "Cookies"), pick("QueryStringsConfig", "QueryStringBehavior", "QueryStrings")
}

func cachePolicyFields() fields {
	return fields{
		"Name": required(text()), "Comment": text(), "DefaultTTL": required(number()), "MaxTTL": required(number()), "MinTTL": required(number()),
		"ParametersInCacheKeyAndForwardedToOrigin": required(object(selectionFields(fields{
			"EnableAcceptEncodingBrotli": boolean(), "EnableAcceptEncodingGzip": required(boolean()),
		}))),
	}
}

func cachePolicyConfig(c values) edge.CachePolicyConfig {
	p := objectOf(c["ParametersInCacheKeyAndForwardedToOrigin"])
	out := edge.CachePolicyConfig{
		Name: c.Text("Name"), Comment: c.Text("Comment"), MinTTL: int64(floatOf(c["MinTTL"])), DefaultTTL: seconds(c["DefaultTTL"]), MaxTTL: seconds(c["MaxTTL"]),
		AcceptEncodingGzip: boolOf(p["EnableAcceptEncodingGzip"]), AcceptEncodingBrotli: boolOf(p["EnableAcceptEncodingBrotli"]),
	}
	out.Headers, out.Cookies, out.QueryStrings = selections(p)
	return out
}

func responsePolicyFields() fields {
	items := func() *property { return object(fields{"Items": required(texts())}) }
	overriding := func(f fields) *property {
		f["Override"] = required(boolean())
		return object(f)
	}
	return fields{
		"Name": required(text()), "Comment": text(),
		"CorsConfig": object(fields{
			"AccessControlAllowCredentials": required(boolean()), "AccessControlAllowHeaders": required(items()), "AccessControlAllowMethods": required(items()),
			"AccessControlAllowOrigins": required(items()), "AccessControlExposeHeaders": items(), "AccessControlMaxAgeSec": integer(), "OriginOverride": required(boolean()),
		}),
		"CustomHeadersConfig": object(fields{"Items": required(list(overriding(fields{"Header": required(text()), "Value": required(text())})))}),
		"RemoveHeadersConfig": object(fields{"Items": required(list(object(fields{"Header": required(text())})))}),
		"SecurityHeadersConfig": object(fields{
			"ContentSecurityPolicy": overriding(fields{"ContentSecurityPolicy": required(text())}),
			"ContentTypeOptions":    overriding(fields{}),
			"FrameOptions":          overriding(fields{"FrameOption": required(text())}),
			"ReferrerPolicy":        overriding(fields{"ReferrerPolicy": required(text())}),
			"StrictTransportSecurity": overriding(fields{
				"AccessControlMaxAgeSec": required(integer()), "IncludeSubdomains": boolean(), "Preload": boolean(),
			}),
			"XSSProtection": overriding(fields{"Protection": required(boolean()), "ModeBlock": boolean(), "ReportUri": text()}),
		}),
		"ServerTimingHeadersConfig": object(fields{"Enabled": required(boolean()), "SamplingRate": number()}),
	}
}

func responsePolicyConfig(c values) edge.ResponseHeadersPolicyConfig {
	out := edge.ResponseHeadersPolicyConfig{Name: c.Text("Name"), Comment: c.Text("Comment"), Security: securityHeaders(objectOf(c["SecurityHeadersConfig"]))}
	if x := objectOf(c["CorsConfig"]); x != nil {
		items := func(name string) []string { return textsOf(objectOf(x[name])["Items"]) }
		out.CORS = &edge.CORSConfig{
			AllowOrigins: items("AccessControlAllowOrigins"), AllowHeaders: items("AccessControlAllowHeaders"), AllowMethods: items("AccessControlAllowMethods"),
			AllowCredentials: boolOf(x["AccessControlAllowCredentials"]), ExposeHeaders: items("AccessControlExposeHeaders"), MaxAge: seconds(x["AccessControlMaxAgeSec"]),
			OriginOverride: boolOf(x["OriginOverride"]),
		}
	}
	if x := objectOf(c["ServerTimingHeadersConfig"]); x != nil {
		out.ServerTiming = &edge.ServerTiming{Enabled: boolOf(x["Enabled"]), SamplingRate: floatOf(x["SamplingRate"])}
	}
	for _, x := range listOf(objectOf(c["CustomHeadersConfig"])["Items"]) {
		h := objectOf(x)
		out.Custom = append(out.Custom, edge.CustomHeader{Name: h.Text("Header"), Value: h.Text("Value"), Override: boolOf(h["Override"])})
	}
	for _, x := range listOf(objectOf(c["RemoveHeadersConfig"])["Items"]) {
		out.Remove = append(out.Remove, objectOf(x).Text("Header"))
	}
	return out
}

func securityHeaders(c values) *edge.SecurityHeaders {
	if c == nil {
		return nil
	}
	overridable := func(name, member string) *edge.Overridable {
		x := objectOf(c[name])
		if x == nil {
			return nil
		}
		return &edge.Overridable{Value: x.Text(member), Override: boolOf(x["Override"])}
	}
	out := &edge.SecurityHeaders{
		FrameOptions: overridable("FrameOptions", "FrameOption"), ReferrerPolicy: overridable("ReferrerPolicy", "ReferrerPolicy"),
		ContentSecurityPolicy: overridable("ContentSecurityPolicy", "ContentSecurityPolicy"), ContentTypeOptions: overridable("ContentTypeOptions", ""),
	}
	if x := objectOf(c["XSSProtection"]); x != nil {
		out.XSSProtection = &edge.XSSProtection{Override: boolOf(x["Override"]), Protection: boolOf(x["Protection"]), ModeBlock: boolOf(x["ModeBlock"]), ReportURI: x.Text("ReportUri")}
	}
	if x := objectOf(c["StrictTransportSecurity"]); x != nil {
		out.StrictTransportSecurity = &edge.StrictTransportSecurity{
			Override: boolOf(x["Override"]), MaxAge: int64(intOf(x["AccessControlMaxAgeSec"])), IncludeSubdomains: boolOf(x["IncludeSubdomains"]), Preload: boolOf(x["Preload"]),
		}
	}
	return out
}
