package edge

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// policiesOf returns what of requests is in a behavior's cache key, with all TTLs set, and what else goes to the origin; the
// second is nil when nothing does. e.control is held.
func (e *Edge) policiesOf(b *CacheBehavior) (CachePolicyConfig, *forwarding, error) {
	if b.Forwarded != nil {
		key, more := b.Forwarded.policies()
		if more == nil {
			return key, nil, nil
		}
		return key, newForwarding(*more), nil
	}
	p, err := e.findPolicy(b.CachePolicyID)
	if err != nil || b.OriginRequestPolicyID == "" {
		if err != nil {
			return CachePolicyConfig{}, nil, err
		}
		return p.Config, nil, nil
	}
	more, err := e.OriginRequestPolicies.find(b.OriginRequestPolicyID)
	if err != nil {
		return CachePolicyConfig{}, nil, err
	}
	return p.Config, newForwarding(more.Config), nil
}

// secondary is the second member of an origin group, as an index into Origins.
type secondary struct {
	index int
	codes []int
}

// originsOf returns the index of the origin that a behavior's target names, -1 for none, and the one that helps out, or nil.
func (c *DistributionConfig) originsOf(target string) (int, *secondary) {
	find := func(id string) int { return slices.IndexFunc(c.Origins, func(o Origin) bool { return o.ID == id }) }
	for _, g := range c.Groups {
		if g.ID == target {
			return find(g.Members[0]), &secondary{find(g.Members[1]), g.StatusCodes}
		}
	}
	return find(target), nil
}

// madeBy are the CloudFront- headers that a cache policy puts into the key.
func madeBy(p CachePolicyConfig) []string {
	var out []string
	for _, name := range p.Headers.Names {
		if name = http.CanonicalHeaderKey(name); strings.HasPrefix(name, "Cloudfront-") {
			out = append(out, name)
		}
	}
	return out
}

// errorPages are the pages for errors, by status.
func errorPages(responses []CustomErrorResponse) map[int]errorPage {
	var out map[int]errorPage
	for _, r := range responses {
		status, err := strconv.Atoi(r.ResponseCode)
		if r.ResponsePagePath == "" || err != nil {
			continue
		}
		if out == nil {
			out = map[int]errorPage{}
		}
		out[r.ErrorCode] = errorPage{r.ResponsePagePath, status}
	}
	return out
}
