package iam

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
)

// Quotas of the account. IAM User Guide, "IAM and AWS STS quotas".
const (
	maxRoles       = 1000
	maxRoleInline  = 10240 // characters of all inline policies, white space not counted
	maxAttached    = 10
	maxTrustPolicy = 8192 // AWS's default is 2,048 and is raised on request
)

// Role is a role and its policies.
type Role struct {
	Name, ARN, ID, Path, Description string
	Trust                            string // the trust policy's document
	Created                          time.Time
	MaxSessionDuration               time.Duration
	Inline                           map[string]string // documents by policy name
	Attached                         []string          // ARNs of managed policies, in the order they were attached
}

// NewRole is what CreateRole makes a role from.
type NewRole struct {
	Name               string        // 1 to 64 of letters, digits and +=,.@-_
	Path               string        // "" means "/"
	Description        string        // at most 1,000 characters
	Trust              string        // the trust policy's document
	MaxSessionDuration time.Duration // 0 means one hour; 1 to 12 hours
}

func (s *Service) role(e *entity) Role {
	return Role{
		Name: e.Name, ARN: e.arn, ID: e.ID, Path: e.Path, Description: e.Description,
		Trust: s.Shown(e.Trust, e.TrustIDs), Created: e.Created, MaxSessionDuration: e.MaxSession,
		Inline: maps.Clone(e.Inline), Attached: slices.Clone(e.Attached),
	}
}

// CreateRole makes a role. Faults: AccessDenied, ValidationError, MalformedPolicyDocument, EntityAlreadyExists,
// LimitExceeded. IAM API Reference, CreateRole.
func (s *Service) CreateRole(ctx context.Context, c Caller, n NewRole) (Role, error) {
	if n.Path == "" {
		n.Path = "/"
	}
	if n.MaxSessionDuration == 0 {
		n.MaxSessionDuration = time.Hour
	}
	if err := checkAll(checkName("roleName", n.Name, 64), checkPath(n.Path), checkLength("description", n.Description, 1000),
		checkMaxSession(n.MaxSessionDuration)); err != nil {
		return Role{}, err
	}
	arn := s.entityARN(RoleSession, n.Path, n.Name)
	if err := s.Authorize(ctx, c, Ask{Action: "iam:CreateRole", Resources: []string{arn}}); err != nil {
		return Role{}, err
	}
	ids, err := s.checkTrust(n.Trust)
	if err != nil {
		return Role{}, err
	}
	e, err := s.create(ctx, RoleSession, record{
		Name: n.Name, Path: n.Path, ID: newID("AROA", 17), Description: n.Description, Created: s.now().UTC().Truncate(time.Second),
		Trust: n.Trust, TrustIDs: ids, MaxSession: n.MaxSessionDuration,
	}, maxRoles)
	if err != nil {
		return Role{}, err
	}
	return s.role(e), nil
}

// checkTrust reads a trust policy that is being put and returns the ids of whom it names.
func (s *Service) checkTrust(doc string) (ids map[string]string, err error) {
	if length(doc) > maxTrustPolicy {
		return nil, fault.New("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: %d", maxTrustPolicy)
	}
	p, err := s.parsePut(doc, TrustPolicy)
	if err != nil {
		return nil, err
	}
	return s.ResolvePrincipals(p)
}

// GetRole returns the role, or a NoSuchEntity fault. IAM API Reference, GetRole.
func (s *Service) GetRole(ctx context.Context, c Caller, name string) (Role, error) {
	e, err := s.ask(ctx, c, "iam:GetRole", RoleSession, name, nil)
	if err != nil {
		return Role{}, err
	}
	return s.role(e), nil
}

// ListRoles returns the roles whose path begins with pathPrefix ("" means all), by name.
// IAM API Reference, ListRoles.
func (s *Service) ListRoles(ctx context.Context, c Caller, pathPrefix string) ([]Role, error) {
	if pathPrefix == "" {
		pathPrefix = "/"
	}
	resource := "arn:aws:iam::" + s.account + ":role" + pathPrefix
	if err := s.Authorize(ctx, c, Ask{Action: "iam:ListRoles", Resources: []string{resource}}); err != nil {
		return nil, err
	}
	var out []Role
	for _, e := range s.index.Load().names[RoleSession] {
		if strings.HasPrefix(e.Path, pathPrefix) {
			out = append(out, s.role(e))
		}
	}
	slices.SortFunc(out, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// DeleteRole removes a role that has no policies left: DeleteConflict otherwise. Its sessions end at once.
// IAM API Reference, DeleteRole.
func (s *Service) DeleteRole(ctx context.Context, c Caller, name string) error {
	e, err := s.ask(ctx, c, "iam:DeleteRole", RoleSession, name, nil)
	if err != nil {
		return err
	}
	return s.delete(ctx, e, hasNoPolicies)
}

func hasNoPolicies(r *record) error {
	if len(r.Attached) > 0 {
		return fault.New("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	}
	if len(r.Inline) > 0 {
		return fault.New("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	return nil
}

// UpdateAssumeRolePolicy replaces the role's trust policy. IAM API Reference, UpdateAssumeRolePolicy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, c Caller, name, doc string) error {
	e, err := s.ask(ctx, c, "iam:UpdateAssumeRolePolicy", RoleSession, name, nil)
	if err != nil {
		return err
	}
	ids, err := s.checkTrust(doc)
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(r *record) error {
		r.Trust, r.TrustIDs = doc, ids
		return nil
	})
}

// PutRolePolicy adds or replaces an inline policy. IAM API Reference, PutRolePolicy.
func (s *Service) PutRolePolicy(ctx context.Context, c Caller, role, name, doc string) error {
	return s.putPolicy(ctx, c, "iam:PutRolePolicy", RoleSession, role, name, doc)
}

// GetRolePolicy returns an inline policy's document, or a NoSuchEntity fault. IAM API Reference, GetRolePolicy.
func (s *Service) GetRolePolicy(ctx context.Context, c Caller, role, name string) (string, error) {
	return s.getPolicy(ctx, c, "iam:GetRolePolicy", RoleSession, role, name)
}

// ListRolePolicies returns the names of the inline policies, sorted. IAM API Reference, ListRolePolicies.
func (s *Service) ListRolePolicies(ctx context.Context, c Caller, role string) ([]string, error) {
	return s.listPolicies(ctx, c, "iam:ListRolePolicies", RoleSession, role)
}

// DeleteRolePolicy removes an inline policy. IAM API Reference, DeleteRolePolicy.
func (s *Service) DeleteRolePolicy(ctx context.Context, c Caller, role, name string) error {
	return s.deletePolicy(ctx, c, "iam:DeleteRolePolicy", RoleSession, role, name)
}

// AttachRolePolicy attaches a managed policy; twice is once. A policy that is not known gives NoSuchEntity.
// IAM API Reference, AttachRolePolicy.
func (s *Service) AttachRolePolicy(ctx context.Context, c Caller, role, policyARN string) error {
	return s.attach(ctx, c, "iam:AttachRolePolicy", RoleSession, role, policyARN)
}

// DetachRolePolicy removes a managed policy from the role. IAM API Reference, DetachRolePolicy.
func (s *Service) DetachRolePolicy(ctx context.Context, c Caller, role, policyARN string) error {
	return s.detach(ctx, c, "iam:DetachRolePolicy", RoleSession, role, policyARN)
}

// ListAttachedRolePolicies returns the ARNs of the managed policies in the order they were attached.
// IAM API Reference, ListAttachedRolePolicies.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, c Caller, role string) ([]string, error) {
	return s.listAttached(ctx, c, "iam:ListAttachedRolePolicies", RoleSession, role)
}
