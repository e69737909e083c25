package iam

import (
	"context"
	"maps"
	"slices"

	"glassine/aws/fault"
)

// The inline policies of users, groups and roles work alike: only names and limits differ.

func (s *Service) putPolicy(ctx context.Context, c Caller, cl *class, owner, name, doc string) error {
	e, err := s.ask(ctx, c, cl.action("Put*Policy"), cl, owner, nil)
	if err != nil {
		return err
	}
	if err := checkName("policyName", name, 128); err != nil {
		return err
	}
	if _, err := s.parsePut(doc, IdentityPolicy); err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[name] = doc
		total := 0
		for _, d := range r.Inline {
			total += length(d)
		}
		if total > cl.inline {
			return fault.New("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", cl.inline, cl.noun, owner)
		}
		return nil
	})
}

func (s *Service) getPolicy(ctx context.Context, c Caller, cl *class, owner, name string) (string, error) {
	e, err := s.ask(ctx, c, cl.action("Get*Policy"), cl, owner, nil)
	if err != nil {
		return "", err
	}
	doc, ok := e.Inline[name]
	if !ok {
		return "", noSuchPolicy(cl, name)
	}
	return doc, nil
}

func noSuchPolicy(cl *class, name string) error {
	return fault.New("NoSuchEntity", "The %s policy with name %s cannot be found.", cl.noun, name)
}

func (s *Service) listPolicies(ctx context.Context, c Caller, cl *class, owner string) ([]string, error) {
	e, err := s.ask(ctx, c, cl.action("List*Policies"), cl, owner, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(e.Inline)), nil
}

func (s *Service) deletePolicy(ctx context.Context, c Caller, cl *class, owner, name string) error {
	e, err := s.ask(ctx, c, cl.action("Delete*Policy"), cl, owner, nil)
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		if _, ok := r.Inline[name]; !ok {
			return noSuchPolicy(cl, name)
		}
		delete(r.Inline, name)
		return nil
	})
}

// PutRolePolicy adds or replaces an inline policy. IAM API Reference, PutRolePolicy.
func (s *Service) PutRolePolicy(ctx context.Context, c Caller, role, name, doc string) error {
	return s.putPolicy(ctx, c, roles, role, name, doc)
}

// GetRolePolicy returns an inline policy's document, or a NoSuchEntity fault. IAM API Reference, GetRolePolicy.
func (s *Service) GetRolePolicy(ctx context.Context, c Caller, role, name string) (string, error) {
	return s.getPolicy(ctx, c, roles, role, name)
}

// ListRolePolicies returns the names of the inline policies, sorted. IAM API Reference, ListRolePolicies.
func (s *Service) ListRolePolicies(ctx context.Context, c Caller, role string) ([]string, error) {
	return s.listPolicies(ctx, c, roles, role)
}

// DeleteRolePolicy removes an inline policy. IAM API Reference, DeleteRolePolicy.
func (s *Service) DeleteRolePolicy(ctx context.Context, c Caller, role, name string) error {
	return s.deletePolicy(ctx, c, roles, role, name)
}

// PutUserPolicy adds or replaces an inline policy. IAM API Reference, PutUserPolicy.
func (s *Service) PutUserPolicy(ctx context.Context, c Caller, user, name, doc string) error {
	return s.putPolicy(ctx, c, users, user, name, doc)
}

// GetUserPolicy returns an inline policy's document, or a NoSuchEntity fault. IAM API Reference, GetUserPolicy.
func (s *Service) GetUserPolicy(ctx context.Context, c Caller, user, name string) (string, error) {
	return s.getPolicy(ctx, c, users, user, name)
}

// ListUserPolicies returns the names of the inline policies, sorted. IAM API Reference, ListUserPolicies.
func (s *Service) ListUserPolicies(ctx context.Context, c Caller, user string) ([]string, error) {
	return s.listPolicies(ctx, c, users, user)
}

// DeleteUserPolicy removes an inline policy. IAM API Reference, DeleteUserPolicy.
func (s *Service) DeleteUserPolicy(ctx context.Context, c Caller, user, name string) error {
	return s.deletePolicy(ctx, c, users, user, name)
}

// PutGroupPolicy adds or replaces an inline policy, which all users of the group get. IAM API Reference, PutGroupPolicy.
func (s *Service) PutGroupPolicy(ctx context.Context, c Caller, group, name, doc string) error {
	return s.putPolicy(ctx, c, groups, group, name, doc)
}

// GetGroupPolicy returns an inline policy's document, or a NoSuchEntity fault. IAM API Reference, GetGroupPolicy.
func (s *Service) GetGroupPolicy(ctx context.Context, c Caller, group, name string) (string, error) {
	return s.getPolicy(ctx, c, groups, group, name)
}

// ListGroupPolicies returns the names of the inline policies, sorted. IAM API Reference, ListGroupPolicies.
func (s *Service) ListGroupPolicies(ctx context.Context, c Caller, group string) ([]string, error) {
	return s.listPolicies(ctx, c, groups, group)
}

// DeleteGroupPolicy removes an inline policy. IAM API Reference, DeleteGroupPolicy.
func (s *Service) DeleteGroupPolicy(ctx context.Context, c Caller, group, name string) error {
	return s.deletePolicy(ctx, c, groups, group, name)
}
