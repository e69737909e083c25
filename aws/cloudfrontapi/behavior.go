package cloudfrontapi

import (
	"encoding/xml"
	"slices"

	"glassine/edge"
)

func (b cacheBehavior) domain() (edge.CacheBehavior, error) {
	out := edge.CacheBehavior{
		PathPattern: b.PathPattern, TargetOriginID: b.TargetOriginId, ViewerProtocolPolicy: b.ViewerProtocolPolicy, CachePolicyID: b.CachePolicyId,
		Compress: b.Compress, SmoothStreaming: b.SmoothStreaming, OriginRequestPolicyID: b.OriginRequestPolicyId,
		ResponseHeadersPolicyID: b.ResponseHeadersPolicyId, RealtimeLogConfigARN: b.RealtimeLogConfigArn,
		FieldLevelEncryptionID: b.FieldLevelEncryptionId,
	}
	var err error
	if out.Forwarded, err = b.legacy(); err != nil {
		return out, err
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
	if out.TrustedSigners, err = b.TrustedSigners.names(); err != nil {
		return out, err
	}
	out.TrustedKeyGroups, err = b.TrustedKeyGroups.names()
	return out, err
}

// legacy is the form of a behavior without a cache policy, or nil.
func (b cacheBehavior) legacy() (*edge.ForwardedValues, error) {
	if b.ForwardedValues == nil && b.MinTTL == nil && b.DefaultTTL == nil && b.MaxTTL == nil {
		return nil, nil //nolint:nilnil // no legacy form is one
	}
	out := &edge.ForwardedValues{DefaultTTL: b.DefaultTTL, MaxTTL: b.MaxTTL, Cookies: edge.Selection{Behavior: "none"}}
	if b.MinTTL != nil {
		out.MinTTL = *b.MinTTL
	}
	f := b.ForwardedValues
	if f == nil {
		return out, nil
	}
	cookies, err := f.Cookies.WhitelistedNames.get()
	if err != nil {
		return nil, err
	}
	headers, err := f.Headers.get()
	if err != nil {
		return nil, err
	}
	keys, err := f.QueryStringCacheKeys.get()
	if err != nil {
		return nil, err
	}
	out.QueryString, out.Cookies = f.QueryString, edge.Selection{Behavior: or(f.Cookies.Forward, "none"), Names: values(cookies)}
	out.Headers, out.QueryStringCacheKeys = values(headers), values(keys)
	return out, nil
}

// setLegacy puts the old form into the shape.
func (b *cacheBehavior) setLegacy(f *edge.ForwardedValues) {
	if f == nil {
		return
	}
	out := &forwardedValues{QueryString: f.QueryString, Headers: listOf(texts("Name", f.Headers)), QueryStringCacheKeys: listOf(texts("Name", f.QueryStringCacheKeys))}
	out.Cookies.Forward, out.Cookies.WhitelistedNames = f.Cookies.Behavior, namesOf(f.Cookies)
	b.ForwardedValues, b.MinTTL, b.DefaultTTL, b.MaxTTL = out, &f.MinTTL, f.DefaultTTL, f.MaxTTL
}

func (t *trusted) names() ([]string, error) {
	if t == nil || !t.Enabled {
		return nil, nil
	}
	names, err := (&list[text]{t.Quantity, t.Items}).get()
	return values(names), err
}

func trustedShape(names []string) *trusted {
	l := listOf(texts("KeyGroup", names))
	return &trusted{Enabled: len(names) > 0, Quantity: l.Quantity, Items: l.Items}
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
	var functions []functionAssociation
	for _, f := range b.Functions {
		functions = append(functions, functionAssociation{FunctionARN: f.FunctionARN, EventType: f.EventType})
	}
	out := cacheBehavior{
		XMLName: xml.Name{Local: name}, PathPattern: b.PathPattern, TargetOriginId: b.TargetOriginID,
		TrustedSigners: &trusted{}, TrustedKeyGroups: trustedShape(b.TrustedKeyGroups), ViewerProtocolPolicy: b.ViewerProtocolPolicy,
		AllowedMethods:  &allowedMethods{Quantity: allowed.Quantity, Items: allowed.Items, CachedMethods: listOf(texts("Method", cached))},
		SmoothStreaming: b.SmoothStreaming, Compress: b.Compress, LambdaFunctionAssociations: listOf(lambdas),
		FunctionAssociations: listOf(functions), CachePolicyId: b.CachePolicyID,
		OriginRequestPolicyId: b.OriginRequestPolicyID, ResponseHeadersPolicyId: b.ResponseHeadersPolicyID,
	}
	out.setLegacy(b.Forwarded)
	return out
}
