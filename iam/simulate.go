package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
)

// maxSimulated bounds the decisions of one simulation: each costs a few microseconds.
const maxSimulated = 10000

// Simulation is a question about policies, put to Decide without any request being made.
type Simulation struct {
	// Principal is the ARN of the user, group or role whose policies are asked; "" asks Policies alone.
	Principal string
	Policies  []string // further identity policies' documents
	Boundary  string   // a document in place of the principal's boundary, or ""
	Actions   []string // at least one
	Resources []string // ARNs; none means "*"
	// ResourcePolicy is a document attached to every resource, or "". Who calls must then be known.
	ResourcePolicy string
	ResourceOwner  string // an ARN of the account that owns the resources; "" means this account
	Caller         string // the ARN of the user who calls; "" means Principal, if it is a user or role
	// Context are the request's condition keys. They win over those that the service knows of the principal.
	Context Context
}

// Simulated is the answer for one action and resource.
type Simulated struct {
	Action, Resource string
	Trace
	// Bounded says that there is a permissions boundary, InBoundary that it allows.
	Bounded, InBoundary bool
}

// Simulate answers a simulation, action by action and in each resource by resource. It needs
// iam:SimulatePrincipalPolicy on the principal, or iam:SimulateCustomPolicy without one.
// IAM API Reference, SimulatePrincipalPolicy and SimulateCustomPolicy.
func (s *Service) Simulate(ctx context.Context, c Caller, m Simulation) ([]Simulated, error) {
	if len(m.Resources) == 0 {
		m.Resources = []string{"*"}
	}
	p, err := s.askToSimulate(ctx, c, &m)
	if err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	r := Request{}
	if r.Principal, err = s.simulatedCaller(&m); err != nil {
		return nil, err
	}
	if m.ResourceOwner != "" {
		a, err := arn.Parse(m.ResourceOwner)
		if err != nil || !isAccount(a.Account) {
			return nil, fault.New("InvalidInput", "Invalid resource owner: %s.", m.ResourceOwner)
		}
		r.ResourceAccount = a.Account
	}
	r.Context = s.context(&Caller{Principal: r.Principal}, nil, s.now())
	if e := s.index.Load().byID[entityID(r.Principal.ID)]; e != nil {
		r.Context.principalTags(e.Tags)
	}
	r.Context.add(m.Context)
	out := make([]Simulated, 0, len(m.Actions)*len(m.Resources))
	for _, r.Action = range m.Actions {
		for _, resource := range m.Resources {
			r.Resources = []string{resource}
			x := Simulated{Action: r.Action, Resource: resource, Trace: trace(r, p), Bounded: p.Boundary != nil}
			if x.Bounded {
				x.InBoundary = Decide(Request{Principal: Principal{Kind: User}, Action: r.Action, Resources: r.Resources, Context: r.Context},
					Policies{Identity: []*Policy{p.Boundary}}).Allowed
			}
			out = append(out, x)
		}
	}
	return out, nil
}

func (m *Simulation) check() error {
	if len(m.Actions) == 0 {
		return fault.New("ValidationError", "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null")
	}
	for _, a := range m.Actions {
		if vendor, name, ok := strings.Cut(a, ":"); !ok || vendor == "" || name == "" || len(a) > 128 {
			return fault.New("InvalidInput", "Invalid Entity Action: %s.", a)
		}
	}
	if n := len(m.Actions) * len(m.Resources); n > maxSimulated {
		return fault.New("LimitExceeded", "%d actions on resources are more than the %d of one simulation.", n, maxSimulated)
	}
	return nil
}

// askToSimulate authorises the simulation and returns the policies that it is about.
func (s *Service) askToSimulate(ctx context.Context, c Caller, m *Simulation) (p Policies, err error) {
	if m.Principal == "" {
		err = s.Authorize(ctx, c, Ask{Action: "iam:SimulateCustomPolicy"})
	} else {
		var e *entity
		if e, err = s.askEntity(ctx, c, "iam:SimulatePrincipalPolicy", m.Principal); err == nil {
			p.Identity, p.Boundary = slices.Clone(e.identity), e.boundary
		}
	}
	if err != nil {
		return p, err
	}
	given, err := s.parseAll(m.Policies)
	if err != nil {
		return p, err
	}
	p.Identity = append(p.Identity, given...)
	if m.Boundary != "" {
		if p.Boundary, err = s.parsed.parse(m.Boundary, IdentityPolicy); err != nil {
			return p, err
		}
		p.Boundary = p.Boundary.Named("PermissionsBoundaryPolicyInputList.1")
	}
	if m.ResourcePolicy != "" {
		policy, err := s.parsed.parse(m.ResourcePolicy, ResourcePolicy)
		if err != nil {
			return p, err
		}
		p.Resource = []*Policy{policy.Named("ResourcePolicy")}
	}
	return p, nil
}

// askEntity authorises action on the user, group or role of that ARN and returns it.
func (s *Service) askEntity(ctx context.Context, c Caller, action, entityARN string) (*entity, error) {
	if err := s.Authorize(ctx, c, Ask{Action: action, Resources: []string{entityARN}}); err != nil {
		return nil, err
	}
	a, err := arn.Parse(entityARN)
	if err == nil && a.Service == "iam" {
		for _, cl := range []*class{users, groups, roles} {
			if a.Name(cl.noun) == "" {
				continue
			}
			if e := s.find(cl, lastPart(entityARN)); e != nil && e.arn == entityARN {
				return e, nil
			}
			return nil, cl.missing(lastPart(entityARN))
		}
	}
	return nil, fault.New("InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", entityARN)
}

// parseAll reads the documents of a PolicyInputList.
func (s *Service) parseAll(docs []string) ([]*Policy, error) {
	var out []*Policy
	for i, doc := range docs {
		p, err := s.parsePut(doc, IdentityPolicy)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Named(fmt.Sprintf("PolicyInputList.%d", i+1)))
	}
	return out, nil
}

// simulatedCaller is who makes the simulated request.
func (s *Service) simulatedCaller(m *Simulation) (Principal, error) {
	name := m.Caller
	if name == "" {
		name = m.Principal
	}
	a, err := arn.Parse(name)
	switch {
	case name == "" || err == nil && m.Caller == "" && a.Name("group") != "":
		if m.ResourcePolicy != "" {
			return Principal{}, fault.New("InvalidInput", "A caller's ARN is required with a resource policy.")
		}
		return Principal{Kind: User, Account: s.account}, nil // anybody who has the policies
	case err != nil || a.Service != "iam" || !isAccount(a.Account):
		return Principal{}, fault.New("InvalidInput", "Invalid caller: %s.", name)
	}
	x := s.index.Load()
	if role := a.Name("role"); role != "" {
		e := x.find(roles, lastPart(name))
		if e == nil || e.arn != name {
			return Principal{}, roles.missing(lastPart(name))
		}
		return s.sessionPrincipal(e, "simulation"), nil
	}
	if a.Name("user") == "" {
		return Principal{}, fault.New("InvalidInput", "Invalid caller: %s.", name)
	}
	if e := x.find(users, lastPart(name)); e != nil && e.arn == name {
		p, _ := s.user(x, e.ID)
		return p, nil
	}
	return Principal{Kind: User, Account: a.Account, ARN: name, Name: lastPart(name)}, nil
}

// ContextKeys returns the condition keys that the policies ask, sorted: those of principal, an ARN of a user, group or
// role, or "" for none, and those of the documents. IAM API Reference, GetContextKeysForPrincipalPolicy and
// GetContextKeysForCustomPolicy.
func (s *Service) ContextKeys(ctx context.Context, c Caller, principal string, docs []string) ([]string, error) {
	var of []*Policy
	if principal == "" {
		if err := s.Authorize(ctx, c, Ask{Action: "iam:GetContextKeysForCustomPolicy"}); err != nil {
			return nil, err
		}
	} else {
		e, err := s.askEntity(ctx, c, "iam:GetContextKeysForPrincipalPolicy", principal)
		if err != nil {
			return nil, err
		}
		of = slices.Clone(e.identity)
	}
	given, err := s.parseAll(docs)
	if err != nil {
		return nil, err
	}
	return contextKeys(append(of, given...)), nil
}
