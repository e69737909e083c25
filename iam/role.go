package iam

import (
	"context"
	"maps"
	"slices"
	"time"

	"glassine/aws/fault"
)

const maxTrustPolicy = 8192 // AWS's default is 2,048 and is raised on request

// Role is a role and its policies.
type Role struct {
	Name, ARN, ID, Path, Description string
	Trust                            string // the trust policy's document
	Created                          time.Time
	MaxSessionDuration               time.Duration
	Boundary                         string // the ARN of the permissions boundary, or ""
	Tags                             []Tag
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
	Boundary           string        // the ARN of a managed policy, or ""
	Tags               []Tag         // at most 50
}

func (s *Service) role(e *entity) Role {
	return Role{
		Name: e.Name, ARN: e.arn, ID: e.ID, Path: e.Path, Description: e.Description,
		Trust: s.Shown(e.Trust, e.TrustIDs), Created: e.Created, MaxSessionDuration: e.MaxSession,
		Boundary: e.Boundary, Tags: slices.Clone(e.Tags), Inline: maps.Clone(e.Inline), Attached: slices.Clone(e.Attached),
	}
}

// CreateRole makes a role. Faults: AccessDenied, ValidationError, MalformedPolicyDocument, EntityAlreadyExists,
// LimitExceeded, NoSuchEntity for the boundary. Tags need iam:TagRole as well. IAM API Reference, CreateRole.
func (s *Service) CreateRole(ctx context.Context, c Caller, n NewRole) (Role, error) {
	if n.MaxSessionDuration == 0 {
		n.MaxSessionDuration = time.Hour
	}
	r := record{Name: n.Name, Path: n.Path, Description: n.Description, Tags: n.Tags, Boundary: n.Boundary, Trust: n.Trust, MaxSession: n.MaxSessionDuration}
	if err := checkAll(checkLength("description", n.Description, 1000), checkMaxSession(n.MaxSessionDuration), r.check(roles)); err != nil {
		return Role{}, err
	}
	if err := s.askToCreate(ctx, c, roles, &r); err != nil {
		return Role{}, err
	}
	var err error
	if r.TrustIDs, err = s.checkTrust(n.Trust); err != nil {
		return Role{}, err
	}
	e, err := s.create(ctx, roles, r)
	if err != nil {
		return Role{}, err
	}
	return s.role(e), nil
}

// check checks what all new records have, and puts "/" for no path.
func (r *record) check(cl *class) error {
	if r.Path == "" {
		r.Path = "/"
	}
	err := checkAll(checkName(cl.field(), r.Name, cl.name), checkPath(r.Path), checkTags(r.Tags))
	if err == nil && r.Boundary != "" {
		err = checkARN("permissionsBoundary", r.Boundary)
	}
	return err
}

// askToCreate asks for iam:Create... on the ARN that the record will have, and for iam:Tag... if it comes with tags.
// IAM User Guide, "Tags for IAM resources", permissions required.
func (s *Service) askToCreate(ctx context.Context, c Caller, cl *class, r *record) error {
	keys := Context{}
	keys.add(requestTags(r.Tags))
	if r.Boundary != "" {
		keys["iam:permissionsboundary"] = []string{r.Boundary}
	}
	ask := Ask{Action: cl.action("Create*"), Resources: []string{s.entityARN(cl, r.Path, r.Name)}, Context: keys}
	if err := s.Authorize(ctx, c, ask); err != nil || len(r.Tags) == 0 {
		return err
	}
	ask.Action = cl.action("Tag*")
	return s.Authorize(ctx, c, ask)
}

// checkTrust reads a trust policy that is being put and returns the ids of whom it names.
func (s *Service) checkTrust(doc string) (ids map[string]string, err error) {
	if length(doc) > maxTrustPolicy {
		return nil, overQuota("ACLSizePerRole", maxTrustPolicy)
	}
	p, err := s.parsePut(doc, TrustPolicy)
	if err != nil {
		return nil, err
	}
	return s.ResolvePrincipals(p)
}

// GetRole returns the role, or a NoSuchEntity fault. IAM API Reference, GetRole.
func (s *Service) GetRole(ctx context.Context, c Caller, name string) (Role, error) {
	e, err := s.ask(ctx, c, "iam:GetRole", roles, name, nil)
	if err != nil {
		return Role{}, err
	}
	return s.role(e), nil
}

// ListRoles returns the roles whose path begins with pathPrefix ("" means all), by name.
// IAM API Reference, ListRoles.
func (s *Service) ListRoles(ctx context.Context, c Caller, pathPrefix string) ([]Role, error) {
	list, err := s.list(ctx, c, roles, pathPrefix)
	out := make([]Role, len(list))
	for i, e := range list {
		out[i] = s.role(e)
	}
	return out, err
}

// list returns all of the class under the path, by name.
func (s *Service) list(ctx context.Context, c Caller, cl *class, pathPrefix string) ([]*entity, error) {
	if pathPrefix == "" {
		pathPrefix = "/"
	}
	ask := Ask{Action: "iam:List" + cl.plural, Resources: []string{s.entityARN(cl, pathPrefix, "")}}
	if err := s.Authorize(ctx, c, ask); err != nil {
		return nil, err
	}
	return s.index.Load().sorted(cl, pathPrefix), nil
}

// DeleteRole removes a role that has no policies left: DeleteConflict otherwise. Its sessions end at once.
// IAM API Reference, DeleteRole.
func (s *Service) DeleteRole(ctx context.Context, c Caller, name string) error {
	e, err := s.ask(ctx, c, "iam:DeleteRole", roles, name, nil)
	if err != nil {
		return err
	}
	return s.delete(ctx, e, hasNoPolicies)
}

func hasNoPolicies(_ *index, r *record) error {
	if len(r.Attached) > 0 {
		return fault.New("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	}
	if len(r.Inline) > 0 {
		return fault.New("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	return nil
}

// UpdateRole changes a role's description, unless it is nil, and its longest session; 0 means one hour.
// IAM API Reference, UpdateRole.
func (s *Service) UpdateRole(ctx context.Context, c Caller, name string, description *string, maxSession time.Duration) error {
	if maxSession == 0 {
		maxSession = time.Hour
	}
	if err := checkMaxSession(maxSession); err != nil {
		return err
	}
	_, err := s.describe(ctx, c, "iam:UpdateRole", name, description, maxSession)
	return err
}

// UpdateRoleDescription changes a role's description and returns the role. IAM API Reference, UpdateRoleDescription.
func (s *Service) UpdateRoleDescription(ctx context.Context, c Caller, name, description string) (Role, error) {
	return s.describe(ctx, c, "iam:UpdateRoleDescription", name, &description, 0)
}

// describe changes what is given of description (nil: not) and maxSession (0: not).
func (s *Service) describe(ctx context.Context, c Caller, action, name string, description *string, maxSession time.Duration) (Role, error) {
	if description != nil {
		if err := checkLength("description", *description, 1000); err != nil {
			return Role{}, err
		}
	}
	e, err := s.ask(ctx, c, action, roles, name, nil)
	if err != nil {
		return Role{}, err
	}
	err = s.update(ctx, e, func(_ *index, r *record) error {
		if description != nil {
			r.Description = *description
		}
		if maxSession != 0 {
			r.MaxSession = maxSession
		}
		return nil
	})
	if e = s.index.Load().byID[e.ID]; err != nil || e == nil {
		return Role{}, err
	}
	return s.role(e), nil
}

// UpdateAssumeRolePolicy replaces the role's trust policy. IAM API Reference, UpdateAssumeRolePolicy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, c Caller, name, doc string) error {
	e, err := s.ask(ctx, c, "iam:UpdateAssumeRolePolicy", roles, name, nil)
	if err != nil {
		return err
	}
	ids, err := s.checkTrust(doc)
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		r.Trust, r.TrustIDs = doc, ids
		return nil
	})
}

// serviceLinkedRoles are the roles that services make for themselves, by the service's name. It is never written to.
// IAM User Guide, "AWS services that work with IAM", and each service's page on its service-linked role.
var serviceLinkedRoles = map[string]string{
	"logger.cloudfront.amazonaws.com": "AWSServiceRoleForCloudFrontLogger",
	"replicator.lambda.amazonaws.com": "AWSServiceRoleForLambdaReplicator",
	"lambda.amazonaws.com":            "AWSServiceRoleForLambda",
	"ssm.amazonaws.com":               "AWSServiceRoleForAmazonSSM",
	"xray.amazonaws.com":              "AWSServiceRoleForXRay",
}

// CreateServiceLinkedRole makes the role that the service would make for itself, which that service trusts and which has
// no policies: nothing in glassine acts by it, and templates that ask for it go through. A service that is not known gives
// InvalidInput. IAM API Reference, CreateServiceLinkedRole.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, c Caller, service, description string) (Role, error) {
	name := serviceLinkedRoles[service]
	r := record{Name: name, Path: "/aws-service-role/" + service + "/", Description: description, MaxSession: time.Hour}
	ask := Ask{
		Action: "iam:CreateServiceLinkedRole", Resources: []string{s.entityARN(roles, r.Path, name)},
		Context: Context{"iam:awsservicename": {service}},
	}
	if err := s.Authorize(ctx, c, ask); err != nil {
		return Role{}, err
	}
	if name == "" {
		return Role{}, fault.New("InvalidInput", "%s is not a service that glassine knows a service-linked role of.", service)
	}
	if err := checkLength("description", description, 1000); err != nil {
		return Role{}, err
	}
	r.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["` + service + `"]},"Action":["sts:AssumeRole"]}]}`
	e, err := s.create(ctx, roles, r)
	if fault.Is(err, "EntityAlreadyExists") {
		err = fault.New("InvalidInput", "Service role name %s has been taken in this account, please try a different suffix.", name)
	}
	if err != nil {
		return Role{}, err
	}
	return s.role(e), nil
}
