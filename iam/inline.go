package iam

import (
	"context"
	"maps"
	"slices"

	"glassine/aws/fault"
)

// The policies of users and roles work alike: only the names of the actions and the limits differ.

func (s *Service) putPolicy(ctx context.Context, c Caller, action string, kind Kind, owner, name, doc string) error {
	e, err := s.ask(ctx, c, action, kind, owner, nil)
	if err != nil {
		return err
	}
	if err := checkName("policyName", name, 128); err != nil {
		return err
	}
	if _, err := s.parsePut(doc, IdentityPolicy); err != nil {
		return err
	}
	limit := maxRoleInline
	if kind == User {
		limit = maxUserInline
	}
	return s.update(ctx, e, func(r *record) error {
		if r.Inline == nil {
			r.Inline = map[string]string{}
		}
		r.Inline[name] = doc
		total := 0
		for _, d := range r.Inline {
			total += length(d)
		}
		if total > limit {
			return fault.New("LimitExceeded", "Maximum policy size of %d bytes exceeded for %s %s", limit, noun(kind), owner)
		}
		return nil
	})
}

func (s *Service) getPolicy(ctx context.Context, c Caller, action string, kind Kind, owner, name string) (string, error) {
	e, err := s.ask(ctx, c, action, kind, owner, nil)
	if err != nil {
		return "", err
	}
	doc, ok := e.Inline[name]
	if !ok {
		return "", noSuchPolicy(kind, name)
	}
	return doc, nil
}

func noSuchPolicy(kind Kind, name string) error {
	return fault.New("NoSuchEntity", "The %s policy with name %s cannot be found.", noun(kind), name)
}

func (s *Service) listPolicies(ctx context.Context, c Caller, action string, kind Kind, owner string) ([]string, error) {
	e, err := s.ask(ctx, c, action, kind, owner, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(e.Inline)), nil
}

func (s *Service) deletePolicy(ctx context.Context, c Caller, action string, kind Kind, owner, name string) error {
	e, err := s.ask(ctx, c, action, kind, owner, nil)
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(r *record) error {
		if _, ok := r.Inline[name]; !ok {
			return noSuchPolicy(kind, name)
		}
		delete(r.Inline, name)
		return nil
	})
}

func (s *Service) attach(ctx context.Context, c Caller, action string, kind Kind, owner, policyARN string) error {
	e, err := s.ask(ctx, c, action, kind, owner, Context{"iam:policyarn": {policyARN}})
	if err != nil {
		return err
	}
	if s.managed[policyARN] == nil {
		return fault.New("NoSuchEntity", "Policy %s does not exist or is not attachable.", policyARN)
	}
	return s.update(ctx, e, func(r *record) error {
		if slices.Contains(r.Attached, policyARN) {
			return nil
		}
		if len(r.Attached) >= maxAttached {
			per := "PoliciesPerRole"
			if kind == User {
				per = "PoliciesPerUser"
			}
			return fault.New("LimitExceeded", "Cannot exceed quota for %s: %d", per, maxAttached)
		}
		r.Attached = append(r.Attached, policyARN)
		return nil
	})
}

func (s *Service) detach(ctx context.Context, c Caller, action string, kind Kind, owner, policyARN string) error {
	e, err := s.ask(ctx, c, action, kind, owner, Context{"iam:policyarn": {policyARN}})
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(r *record) error {
		i := slices.Index(r.Attached, policyARN)
		if i < 0 {
			return fault.New("NoSuchEntity", "Policy %s was not found.", policyARN)
		}
		r.Attached = slices.Delete(r.Attached, i, i+1)
		return nil
	})
}

func (s *Service) listAttached(ctx context.Context, c Caller, action string, kind Kind, owner string) ([]string, error) {
	e, err := s.ask(ctx, c, action, kind, owner, nil)
	if err != nil {
		return nil, err
	}
	return slices.Clone(e.Attached), nil
}
