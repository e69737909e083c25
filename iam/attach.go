package iam

import (
	"context"
	"slices"

	"glassine/aws/fault"
)

const maxAttached = 10 // IAM User Guide, "IAM and AWS STS quotas"

// Managed policies are attached to users, groups and roles alike, and bound users and roles alike.

func (s *Service) attach(ctx context.Context, c Caller, cl *class, owner, policyARN string) error {
	e, err := s.ask(ctx, c, cl.action("Attach*Policy"), cl, owner, Context{"iam:policyarn": {policyARN}})
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(x *index, r *record) error {
		if s.policy(x, policyARN) == nil {
			return notAttachable(policyARN)
		}
		if slices.Contains(r.Attached, policyARN) {
			return nil
		}
		if len(r.Attached) >= maxAttached {
			return overQuota("PoliciesPer"+cl.title, maxAttached)
		}
		r.Attached = append(r.Attached, policyARN)
		return nil
	})
}

func notAttachable(policyARN string) error {
	return fault.New("NoSuchEntity", "Policy %s does not exist or is not attachable.", policyARN)
}

func (s *Service) detach(ctx context.Context, c Caller, cl *class, owner, policyARN string) error {
	e, err := s.ask(ctx, c, cl.action("Detach*Policy"), cl, owner, Context{"iam:policyarn": {policyARN}})
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		i := slices.Index(r.Attached, policyARN)
		if i < 0 {
			return fault.New("NoSuchEntity", "Policy %s was not found.", policyARN)
		}
		r.Attached = slices.Delete(r.Attached, i, i+1)
		return nil
	})
}

func (s *Service) listAttached(ctx context.Context, c Caller, cl *class, owner string) ([]string, error) {
	e, err := s.ask(ctx, c, cl.action("ListAttached*Policies"), cl, owner, nil)
	if err != nil {
		return nil, err
	}
	return slices.Clone(e.Attached), nil
}

// AttachRolePolicy attaches a managed policy; twice is once. A policy that is not known gives NoSuchEntity.
// IAM API Reference, AttachRolePolicy.
func (s *Service) AttachRolePolicy(ctx context.Context, c Caller, role, policyARN string) error {
	return s.attach(ctx, c, roles, role, policyARN)
}

// DetachRolePolicy removes a managed policy from the role. IAM API Reference, DetachRolePolicy.
func (s *Service) DetachRolePolicy(ctx context.Context, c Caller, role, policyARN string) error {
	return s.detach(ctx, c, roles, role, policyARN)
}

// ListAttachedRolePolicies returns the ARNs of the managed policies in the order they were attached.
// IAM API Reference, ListAttachedRolePolicies.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, c Caller, role string) ([]string, error) {
	return s.listAttached(ctx, c, roles, role)
}

// AttachUserPolicy attaches a managed policy; twice is once. IAM API Reference, AttachUserPolicy.
func (s *Service) AttachUserPolicy(ctx context.Context, c Caller, user, policyARN string) error {
	return s.attach(ctx, c, users, user, policyARN)
}

// DetachUserPolicy removes a managed policy from the user. IAM API Reference, DetachUserPolicy.
func (s *Service) DetachUserPolicy(ctx context.Context, c Caller, user, policyARN string) error {
	return s.detach(ctx, c, users, user, policyARN)
}

// ListAttachedUserPolicies returns the ARNs of the managed policies in the order they were attached.
// IAM API Reference, ListAttachedUserPolicies.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, c Caller, user string) ([]string, error) {
	return s.listAttached(ctx, c, users, user)
}

// AttachGroupPolicy attaches a managed policy; twice is once. IAM API Reference, AttachGroupPolicy.
func (s *Service) AttachGroupPolicy(ctx context.Context, c Caller, group, policyARN string) error {
	return s.attach(ctx, c, groups, group, policyARN)
}

// DetachGroupPolicy removes a managed policy from the group. IAM API Reference, DetachGroupPolicy.
func (s *Service) DetachGroupPolicy(ctx context.Context, c Caller, group, policyARN string) error {
	return s.detach(ctx, c, groups, group, policyARN)
}

// ListAttachedGroupPolicies returns the ARNs of the managed policies in the order they were attached.
// IAM API Reference, ListAttachedGroupPolicies.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, c Caller, group string) ([]string, error) {
	return s.listAttached(ctx, c, groups, group)
}

// checkBoundary refuses a permissions boundary that is no managed policy. "" is none.
func (s *Service) checkBoundary(x *index, policyARN string) error {
	if policyARN != "" && s.policy(x, policyARN) == nil {
		return notAttachable(policyARN)
	}
	return nil
}

// bound sets or, with "", removes a permissions boundary.
func (s *Service) bound(ctx context.Context, c Caller, cl *class, verb, owner, policyARN string) error {
	var keys Context
	if policyARN != "" {
		keys = Context{"iam:permissionsboundary": {policyARN}}
	}
	e, err := s.ask(ctx, c, cl.action(verb+"*PermissionsBoundary"), cl, owner, keys)
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(x *index, r *record) error {
		if policyARN == "" && r.Boundary == "" {
			return fault.New("NoSuchEntity", "%s %s does not have a permissions boundary.", cl.title, owner)
		}
		r.Boundary = policyARN
		return s.checkBoundary(x, policyARN)
	})
}

// PutRolePermissionsBoundary makes the managed policy the most that the role may do.
// IAM API Reference, PutRolePermissionsBoundary.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, c Caller, role, policyARN string) error {
	if err := checkARN("permissionsBoundary", policyARN); err != nil {
		return err
	}
	return s.bound(ctx, c, roles, "Put", role, policyARN)
}

// DeleteRolePermissionsBoundary lifts the boundary; NoSuchEntity when there is none.
// IAM API Reference, DeleteRolePermissionsBoundary.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, c Caller, role string) error {
	return s.bound(ctx, c, roles, "Delete", role, "")
}

// PutUserPermissionsBoundary makes the managed policy the most that the user may do.
// IAM API Reference, PutUserPermissionsBoundary.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, c Caller, user, policyARN string) error {
	if err := checkARN("permissionsBoundary", policyARN); err != nil {
		return err
	}
	return s.bound(ctx, c, users, "Put", user, policyARN)
}

// DeleteUserPermissionsBoundary lifts the boundary; NoSuchEntity when there is none.
// IAM API Reference, DeleteUserPermissionsBoundary.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, c Caller, user string) error {
	return s.bound(ctx, c, users, "Delete", user, "")
}
