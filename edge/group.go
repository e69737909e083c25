package edge

import (
	"context"
	"net/http"
	"slices"

	"glassine/aws/fault"
)

// failoverCodes are the statuses that a group may count as failure. CloudFront API Reference, "StatusCodes"; Developer
// Guide, "Create an origin group".
var failoverCodes = []int{400, 403, 404, 416, 429, 500, 502, 503, 504}

// checkGroups validates origin groups.
func checkGroups(groups []OriginGroup, origins map[string]*Origin) error {
	seen := map[string]bool{}
	for _, g := range groups {
		switch {
		case g.ID == "" || seen[g.ID] || origins[g.ID] != nil:
			return invalid("The ID of an origin group, %q, is empty or appears twice.", g.ID)
		case len(g.StatusCodes) == 0:
			return invalid("The origin group %s has no status codes for failover.", g.ID)
		case g.Members[0] == g.Members[1]:
			return invalid("The origin group %s has the same member twice.", g.ID)
		}
		seen[g.ID] = true
		for _, code := range g.StatusCodes {
			if !slices.Contains(failoverCodes, code) {
				return invalid("%d is no status code for failover.", code)
			}
		}
		for _, id := range g.Members {
			if origins[id] == nil {
				return fault.New("NoSuchOrigin", "No origin exists with the specified Origin Id: %q.", id)
			}
		}
	}
	return nil
}

// fallback is the second member of an origin group.
type fallback struct {
	origin *Origin
	signer *originSigner
	codes  []int // statuses of the first member that count as failure
}

// wants reports whether the first member's outcome makes the second one be asked. CloudFront Developer Guide, "Optimize high
// availability with CloudFront origin failover": a status of the list, or no answer at all, whatever the list says.
func (f *fallback) wants(o *origination) bool {
	if o.result == resultLambdaGenerated || o.page != nil && o.page.result != resultError {
		return false // what a function made, or its failure, is no failure of the origin
	}
	return o.page != nil || slices.Contains(f.codes, o.resp.StatusCode)
}

// failover is originate for an origin group: it asks the first member, and if that fails, the second, for which the functions
// run again.
func (e *Edge) failover(ctx context.Context, q *originRequest) (*origination, error) {
	second := *q
	second.header = q.header.Clone()
	f := q.fallback
	q.fallback, second.fallback = nil, nil
	o, err := e.originate(ctx, q)
	if err != nil || !f.wants(o) {
		return o, err
	}
	switch q.method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		return o, nil
	}
	if o.resp != nil {
		o.resp.Body.Close()
	}
	if second.host == second.target.domain {
		second.host = f.origin.DomainName
	}
	second.target, second.attempts, second.signer = newTarget(f.origin, second.viewerScheme), f.origin.ConnectionAttempts, f.signer
	return e.originate(ctx, &second)
}
