package edge

import (
	"context"
	"slices"

	"glassine/iam"
)

// ListDistributionsUsing returns the IDs of the distributions that refer to what an action of CloudFront names:
// ListDistributionsByCachePolicyId, ...ByOriginRequestPolicyId, ...ByResponseHeadersPolicyId or ...ByKeyGroup, in their
// order. What does not exist is NoSuchCachePolicy and so on; another action is NotImplemented.
func (e *Edge) ListDistributionsUsing(ctx context.Context, c iam.Caller, action, id string) ([]string, error) {
	if err := e.ask(ctx, c, action, "*"); err != nil {
		return nil, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	var err error
	var uses func(b *CacheBehavior) bool
	switch action {
	case "ListDistributionsByCachePolicyId":
		_, err = e.findPolicy(id)
		uses = func(b *CacheBehavior) bool { return b.CachePolicyID == id }
	case "ListDistributionsByOriginRequestPolicyId":
		_, err = e.OriginRequestPolicies.find(id)
		uses = func(b *CacheBehavior) bool { return b.OriginRequestPolicyID == id }
	case "ListDistributionsByResponseHeadersPolicyId":
		_, err = e.ResponseHeadersPolicies.find(id)
		uses = func(b *CacheBehavior) bool { return b.ResponseHeadersPolicyID == id }
	case "ListDistributionsByKeyGroup":
		_, err = e.KeyGroups.find(id)
		uses = func(b *CacheBehavior) bool { return slices.Contains(b.TrustedKeyGroups, id) }
	default:
		return nil, notImplemented("%s", action)
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, d := range e.distributions {
		if slices.ContainsFunc(d.Config.behaviors(), func(b CacheBehavior) bool { return uses(&b) }) {
			ids = append(ids, d.ID)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// ListNone asks for the right to list a kind of which there are none here, by the action's name.
func (e *Edge) ListNone(ctx context.Context, c iam.Caller, action string) error {
	return e.ask(ctx, c, action, "*")
}
