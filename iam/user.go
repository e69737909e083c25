package iam

import (
	"context"
	"maps"
	"slices"
	"time"

	"glassine/aws/fault"
)

// IAM User Guide, "IAM and AWS STS quotas".
const (
	maxUsers      = 5000
	maxUserInline = 2048
)

// UserAccount is a user and its policies.
type UserAccount struct {
	Name, ARN, ID, Path string
	Created             time.Time
	Inline              map[string]string // documents by policy name
	Attached            []string          // ARNs of managed policies
}

func user(e *entity) UserAccount {
	return UserAccount{Name: e.Name, ARN: e.arn, ID: e.ID, Path: e.Path, Created: e.Created,
		Inline: maps.Clone(e.Inline), Attached: slices.Clone(e.Attached)}
}

// CreateUser makes a user without any right. A path of "" means "/". Faults: AccessDenied, ValidationError,
// EntityAlreadyExists, LimitExceeded. IAM API Reference, CreateUser.
func (s *Service) CreateUser(ctx context.Context, c Caller, name, path string) (UserAccount, error) {
	if path == "" {
		path = "/"
	}
	if err := checkAll(checkName("userName", name, 64), checkPath(path)); err != nil {
		return UserAccount{}, err
	}
	if err := s.Authorize(ctx, c, Ask{Action: "iam:CreateUser", Resources: []string{s.entityARN(User, path, name)}}); err != nil {
		return UserAccount{}, err
	}
	e, err := s.create(ctx, User, record{Name: name, Path: path, ID: newID("AIDA", 17), Created: s.now().UTC().Truncate(time.Second)}, maxUsers)
	if err != nil {
		return UserAccount{}, err
	}
	return user(e), nil
}

// GetUser returns the user, or a NoSuchEntity fault. IAM API Reference, GetUser.
func (s *Service) GetUser(ctx context.Context, c Caller, name string) (UserAccount, error) {
	e, err := s.ask(ctx, c, "iam:GetUser", User, name, nil)
	if err != nil {
		return UserAccount{}, err
	}
	return user(e), nil
}

// DeleteUser removes a user that has no policies and no access keys left: DeleteConflict otherwise.
// IAM API Reference, DeleteUser.
func (s *Service) DeleteUser(ctx context.Context, c Caller, name string) error {
	e, err := s.ask(ctx, c, "iam:DeleteUser", User, name, nil)
	if err != nil {
		return err
	}
	return s.delete(ctx, e, func(r *record) error {
		if len(s.index.Load().keysOf(r.ID)) > 0 {
			return fault.New("DeleteConflict", "Cannot delete entity, must delete access keys first.")
		}
		return hasNoPolicies(r)
	})
}

// PutUserPolicy adds or replaces an inline policy. IAM API Reference, PutUserPolicy.
func (s *Service) PutUserPolicy(ctx context.Context, c Caller, user, name, doc string) error {
	return s.putPolicy(ctx, c, "iam:PutUserPolicy", User, user, name, doc)
}

// GetUserPolicy returns an inline policy's document, or a NoSuchEntity fault. IAM API Reference, GetUserPolicy.
func (s *Service) GetUserPolicy(ctx context.Context, c Caller, user, name string) (string, error) {
	return s.getPolicy(ctx, c, "iam:GetUserPolicy", User, user, name)
}

// DeleteUserPolicy removes an inline policy. IAM API Reference, DeleteUserPolicy.
func (s *Service) DeleteUserPolicy(ctx context.Context, c Caller, user, name string) error {
	return s.deletePolicy(ctx, c, "iam:DeleteUserPolicy", User, user, name)
}

// AttachUserPolicy attaches a managed policy; twice is once. IAM API Reference, AttachUserPolicy.
func (s *Service) AttachUserPolicy(ctx context.Context, c Caller, user, policyARN string) error {
	return s.attach(ctx, c, "iam:AttachUserPolicy", User, user, policyARN)
}

// DetachUserPolicy removes a managed policy from the user. IAM API Reference, DetachUserPolicy.
func (s *Service) DetachUserPolicy(ctx context.Context, c Caller, user, policyARN string) error {
	return s.detach(ctx, c, "iam:DetachUserPolicy", User, user, policyARN)
}
