package iam

import (
	"context"
	"slices"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
)

const maxManaged = 6144 // characters of a managed policy, white space not counted; IAM User Guide, quotas

// ManagedPolicy is a policy that stands by itself and is attached by its ARN.
type ManagedPolicy struct {
	Name, ARN, ID, Path, Description string
	Created, Updated                 time.Time
	DefaultVersion                   string // such as v2
	Attachments, Boundaries          int    // how many users, groups and roles have it attached or as their boundary
	Tags                             []Tag
}

// NewPolicy is what CreatePolicy makes a policy from.
type NewPolicy struct {
	Name        string // 1 to 128 of letters, digits and +=,.@-_
	Path        string // "" means "/"
	Description string // at most 1,000 characters
	Document    string // at most 6,144 characters without white space
	Tags        []Tag  // at most 50
}

func managedPolicy(x *index, e *entity) ManagedPolicy {
	p := ManagedPolicy{
		Name: e.Name, ARN: e.arn, ID: e.ID, Path: e.Path, Description: e.Description, Created: e.Created, Updated: e.Updated,
		DefaultVersion: version{Number: e.Default}.id(), Tags: slices.Clone(e.Tags),
	}
	p.Attachments, p.Boundaries = x.uses(e.arn)
	return p
}

// uses counts who has the policy attached, and whose boundary it is.
func (x *index) uses(policyARN string) (attached, boundaries int) {
	for _, cl := range []*class{users, groups, roles} {
		for _, e := range x.names[cl] {
			if slices.Contains(e.Attached, policyARN) {
				attached++
			}
			if e.Boundary == policyARN {
				boundaries++
			}
		}
	}
	return attached, boundaries
}

// CreatePolicy makes a customer managed policy with the version v1. Faults: AccessDenied, ValidationError,
// MalformedPolicyDocument, EntityAlreadyExists, LimitExceeded. Tags need iam:TagPolicy as well.
// IAM API Reference, CreatePolicy.
func (s *Service) CreatePolicy(ctx context.Context, c Caller, n NewPolicy) (ManagedPolicy, error) {
	r := record{Name: n.Name, Path: n.Path, Description: n.Description, Tags: n.Tags}
	if err := checkAll(checkLength("description", n.Description, 1000), r.check(policies)); err != nil {
		return ManagedPolicy{}, err
	}
	if err := s.askToCreate(ctx, c, policies, &r); err != nil {
		return ManagedPolicy{}, err
	}
	if err := s.checkManaged(n.Document); err != nil {
		return ManagedPolicy{}, err
	}
	r.addVersion(n.Document, true, s.now())
	e, err := s.create(ctx, policies, r)
	if err != nil {
		return ManagedPolicy{}, err
	}
	return managedPolicy(s.index.Load(), e), nil
}

func (s *Service) checkManaged(doc string) error {
	if _, err := s.parsePut(doc, IdentityPolicy); err != nil {
		return err
	}
	if length(doc) > maxManaged {
		return overQuota("PolicySize", maxManaged)
	}
	return nil
}

// GetPolicy returns a managed policy, or a NoSuchEntity fault. IAM API Reference, GetPolicy.
func (s *Service) GetPolicy(ctx context.Context, c Caller, policyARN string) (ManagedPolicy, error) {
	e, err := s.askPolicy(ctx, c, "iam:GetPolicy", policyARN, nil)
	if err != nil {
		return ManagedPolicy{}, err
	}
	return managedPolicy(s.index.Load(), e), nil
}

// askPolicy authorises action on the managed policy and returns it.
func (s *Service) askPolicy(ctx context.Context, c Caller, action, policyARN string, keys Context) (*entity, error) {
	if err := checkARN("policyArn", policyARN); err != nil {
		return nil, err
	}
	e := s.policy(s.index.Load(), policyARN)
	if e != nil {
		keys = e.keys(keys)
	}
	if err := s.Authorize(ctx, c, Ask{Action: action, Resources: []string{policyARN}, Context: keys}); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, policies.missing(policyARN)
	}
	return e, nil
}

// askOwnPolicy is askPolicy for what may be changed: AWS's own policies may not, by anybody.
func (s *Service) askOwnPolicy(ctx context.Context, c Caller, action, policyARN string, keys Context) (*entity, error) {
	e, err := s.askPolicy(ctx, c, action, policyARN, keys)
	if err == nil && s.managed[policyARN] != nil {
		err = fault.New("AccessDenied", "User: %s is not authorized to perform: %s on resource: policy %s: it is managed by AWS", c.Principal.ARN, action, policyARN)
	}
	return e, err
}

// Which says what ListPolicies returns. The zero value is all. IAM API Reference, ListPolicies.
type Which struct {
	AWS, Local   bool   // only AWS's, or only the account's own
	Attached     bool   // only what is attached or a boundary
	AsBoundary   bool   // of what is attached, only boundaries
	AsPermission bool   // of what is attached, only what is no boundary alone
	PathPrefix   string // "" means "/"
}

// ListPolicies returns managed policies, by ARN. IAM API Reference, ListPolicies.
func (s *Service) ListPolicies(ctx context.Context, c Caller, w Which) ([]ManagedPolicy, error) {
	if err := s.Authorize(ctx, c, Ask{Action: "iam:ListPolicies"}); err != nil {
		return nil, err
	}
	x := s.index.Load()
	var all []*entity
	if !w.AWS {
		all = x.sorted(policies, "/")
	}
	if !w.Local {
		for _, e := range s.managed {
			all = append(all, e)
		}
	}
	out := []ManagedPolicy{}
	for _, e := range all {
		p := managedPolicy(x, e)
		switch {
		case !strings.HasPrefix(p.Path, w.PathPrefix),
			w.Attached && p.Attachments+p.Boundaries == 0,
			w.AsBoundary && p.Boundaries == 0, w.AsPermission && p.Attachments == 0:
			continue
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b ManagedPolicy) int { return strings.Compare(a.ARN, b.ARN) })
	return out, nil
}

// DeletePolicy removes a customer managed policy that nobody has and that has no version besides the default one:
// DeleteConflict otherwise. IAM API Reference, DeletePolicy.
func (s *Service) DeletePolicy(ctx context.Context, c Caller, policyARN string) error {
	e, err := s.askOwnPolicy(ctx, c, "iam:DeletePolicy", policyARN, nil)
	if err != nil {
		return err
	}
	return s.delete(ctx, e, func(x *index, r *record) error {
		if attached, boundaries := x.uses(e.arn); attached+boundaries > 0 {
			return fault.New("DeleteConflict", "Cannot delete a policy attached to entities.")
		}
		if len(r.Versions) > 1 {
			return fault.New("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return nil
	})
}

// Entity is a user, group or role that has a policy.
type Entity struct{ Name, ID string }

// PolicyUsers are who has a policy.
type PolicyUsers struct{ Users, Groups, Roles []Entity }

// ListEntitiesForPolicy returns who has the policy attached, or with asBoundary whose boundary it is, each by name.
// IAM API Reference, ListEntitiesForPolicy.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, c Caller, policyARN, pathPrefix string, asBoundary bool) (PolicyUsers, error) {
	e, err := s.askPolicy(ctx, c, "iam:ListEntitiesForPolicy", policyARN, nil)
	if err != nil {
		return PolicyUsers{}, err
	}
	x := s.index.Load()
	having := func(cl *class) (out []Entity) {
		for _, o := range x.sorted(cl, pathPrefix) {
			if !asBoundary && slices.Contains(o.Attached, e.arn) || asBoundary && o.Boundary == e.arn {
				out = append(out, Entity{o.Name, o.ID})
			}
		}
		return out
	}
	return PolicyUsers{Users: having(users), Groups: having(groups), Roles: having(roles)}, nil
}

// checkARN checks the form of an ARN that a request brings.
func checkARN(field, value string) error {
	switch {
	case len(value) < 20:
		return invalid(value, field, "have length greater than or equal to 20")
	case len(value) > 2048:
		return invalid(value, field, "have length less than or equal to 2048")
	case !arn.Is(value):
		return fault.New("ValidationError", "ARN %s is not valid.", value)
	}
	return nil
}
