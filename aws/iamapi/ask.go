package iamapi

import (
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

func simulatePrincipal(c *call) (any, error) { return simulate(c, c.get("PolicySourceArn")) }
func simulateCustom(c *call) (any, error)    { return simulate(c, "") }

// simulate answers both simulations. IAM API Reference, SimulatePrincipalPolicy.
func simulate(c *call, principal string) (any, error) {
	m := iam.Simulation{
		Principal: principal, ResourcePolicy: c.get("ResourcePolicy"), ResourceOwner: c.get("ResourceOwner"), Caller: c.get("CallerArn"), Context: iam.Context{},
	}
	var err error
	read := func(name string) (out []string) {
		if err == nil {
			out, err = c.form.Strings(name)
		}
		return out
	}
	m.Actions, m.Resources, m.Policies = read("ActionNames"), read("ResourceArns"), read("PolicyInputList")
	if b := read("PermissionsBoundaryPolicyInputList"); len(b) > 1 {
		err = fault.New("InvalidInput", "There can be only one permissions boundary.")
	} else if len(b) == 1 {
		m.Boundary = b[0]
	}
	if err != nil {
		return nil, err
	}
	entries, err := c.form.List("ContextEntries")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if m.Context[e.Get("ContextKeyName")], err = e.Strings("ContextKeyValues"); err != nil {
			return nil, err
		}
	}
	all, err := c.iam.Simulate(c.ctx, c.caller, m)
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, all, func(s iam.Simulated) string { return s.Action + " " + s.Resource })
	return struct {
		EvaluationResults wire.Members[evaluation]
		paging
	}{wire.MembersOf(part, evaluate), p}, err
}

type position struct{ Line, Column int }

type matched struct {
	SourcePolicyId, SourcePolicyType string
	StartPosition, EndPosition       position
}

type evaluation struct {
	EvalActionName, EvalResourceName, EvalDecision string
	MatchedStatements                              wire.Members[matched]
	MissingContextValues                           wire.Members[string]
	PermissionsBoundaryDecisionDetail              *boundaryDetail
}

type boundaryDetail struct{ AllowedByPermissionsBoundary bool }

func evaluate(s iam.Simulated) evaluation {
	e := evaluation{EvalActionName: s.Action, EvalResourceName: s.Resource, EvalDecision: "implicitDeny", MissingContextValues: wire.Members[string]{Member: s.Missing}}
	switch {
	case s.Allowed:
		e.EvalDecision = "allowed"
	case s.Explicit:
		e.EvalDecision = "explicitDeny"
	}
	for _, m := range s.Matches {
		if m.Kind == iam.BoundaryPolicy {
			continue
		}
		kind := "IAM Policy"
		if m.Kind == iam.ResourcePolicy {
			kind = "Resource Policy"
		}
		e.MatchedStatements.Member = append(e.MatchedStatements.Member, matched{m.Policy, kind, position(m.Start), position(m.End)})
	}
	if s.Bounded {
		e.PermissionsBoundaryDecisionDetail = &boundaryDetail{s.InBoundary}
	}
	return e
}

func contextKeysOfPrincipal(c *call) (any, error) { return contextKeys(c, c.get("PolicySourceArn")) }
func contextKeysOfDocuments(c *call) (any, error) { return contextKeys(c, "") }

func contextKeys(c *call, principal string) (any, error) {
	docs, err := c.form.Strings("PolicyInputList")
	if err != nil {
		return nil, err
	}
	keys, err := c.iam.ContextKeys(c.ctx, c.caller, principal, docs)
	return struct{ ContextKeyNames wire.Members[string] }{wire.Members[string]{Member: keys}}, err
}

func getAccountSummary(c *call) (any, error) {
	counts, err := c.iam.Summary(c.ctx, c.caller)
	type pair struct {
		Key   string `xml:"key"`
		Value int    `xml:"value"`
	}
	var out struct {
		SummaryMap struct {
			Entry []pair `xml:"entry"`
		}
	}
	for k, v := range counts {
		out.SummaryMap.Entry = append(out.SummaryMap.Entry, pair{k, v})
	}
	slices.SortFunc(out.SummaryMap.Entry, func(a, b pair) int { return strings.Compare(a.Key, b.Key) })
	return out, err
}

// nothing is an operation about something that glassine does not have: of the user or role whose name stands in the
// parameter owner, if it is not "".
func nothing(element, owner string, required ...string) operation {
	return op(func(c *call) (any, error) {
		noun, name := "", ""
		if owner != "" {
			noun, name = map[string]string{"UserName": "user", "RoleName": "role"}[owner], c.get(owner)
			if name == "" {
				noun = ""
			}
		}
		return empty{element}, c.iam.Nothing(c.ctx, c.caller, "iam:"+c.get("Action"), noun, name)
	}, required...)
}

func noLoginProfile(c *call) (any, error) {
	if err := c.iam.Nothing(c.ctx, c.caller, "iam:"+c.get("Action"), "user", c.get("UserName")); err != nil {
		return nil, err
	}
	return nil, fault.New("NoSuchEntity", "Login Profile for User %s cannot be found.", c.get("UserName"))
}
