package iam

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
)

// UserAccount is a user and its policies.
type UserAccount struct {
	Name, ARN, ID, Path string
	Created             time.Time
	Boundary            string // the ARN of the permissions boundary, or ""
	Tags                []Tag
	Groups              []string          // names, in the order they were joined
	Inline              map[string]string // documents by policy name
	Attached            []string          // ARNs of managed policies
}

// NewUser is what CreateUser makes a user from.
type NewUser struct {
	Name     string // 1 to 64 of letters, digits and +=,.@-_
	Path     string // "" means "/"
	Boundary string // the ARN of a managed policy, or ""
	Tags     []Tag  // at most 50
}

func user(x *index, e *entity) UserAccount {
	u := UserAccount{
		Name: e.Name, ARN: e.arn, ID: e.ID, Path: e.Path, Created: e.Created, Boundary: e.Boundary,
		Tags: slices.Clone(e.Tags), Inline: maps.Clone(e.Inline), Attached: slices.Clone(e.Attached),
	}
	for _, id := range e.Groups {
		if g := x.byID[id]; g != nil {
			u.Groups = append(u.Groups, g.Name)
		}
	}
	return u
}

// CreateUser makes a user without any right. Faults: AccessDenied, ValidationError, EntityAlreadyExists, LimitExceeded,
// NoSuchEntity for the boundary. Tags need iam:TagUser as well. IAM API Reference, CreateUser.
func (s *Service) CreateUser(ctx context.Context, c Caller, n NewUser) (UserAccount, error) {
	r := record{Name: n.Name, Path: n.Path, Boundary: n.Boundary, Tags: n.Tags}
	if err := r.check(users); err != nil {
		return UserAccount{}, err
	}
	if err := s.askToCreate(ctx, c, users, &r); err != nil {
		return UserAccount{}, err
	}
	e, err := s.create(ctx, users, r)
	if err != nil {
		return UserAccount{}, err
	}
	return user(s.index.Load(), e), nil
}

// GetUser returns the user, or a NoSuchEntity fault. No name means the caller's own user, or the root user.
// IAM API Reference, GetUser.
func (s *Service) GetUser(ctx context.Context, c Caller, name string) (UserAccount, error) {
	if name == "" && c.Principal.Kind == Root {
		root := s.rootPrincipal()
		err := s.Authorize(ctx, c, Ask{Action: "iam:GetUser", Resources: []string{root.ARN}})
		return UserAccount{ARN: root.ARN, ID: root.ID, Path: "/"}, err
	}
	name, err := self(c, name)
	if err != nil {
		return UserAccount{}, err
	}
	e, err := s.ask(ctx, c, "iam:GetUser", users, name, nil)
	if err != nil {
		return UserAccount{}, err
	}
	return user(s.index.Load(), e), nil
}

// self returns the caller's own user's name in place of "".
// IAM API Reference, CreateAccessKey: without a name, the user is who signed.
func self(c Caller, name string) (string, error) {
	switch {
	case name != "":
		return name, nil
	case c.Principal.Kind == User:
		return c.Principal.Name, nil
	case c.Principal.Kind == Anonymous:
		return "", fault.New("AccessDenied", "Access Denied")
	}
	return "", fault.New("ValidationError", "Must specify userName when calling with non-User credentials")
}

// ListUsers returns the users whose path begins with pathPrefix ("" means all), by name. IAM API Reference, ListUsers.
func (s *Service) ListUsers(ctx context.Context, c Caller, pathPrefix string) ([]UserAccount, error) {
	list, err := s.list(ctx, c, users, pathPrefix)
	x := s.index.Load()
	out := make([]UserAccount, len(list))
	for i, e := range list {
		out[i] = user(x, e)
	}
	return out, err
}

// UpdateUser gives a user another name or path; "" leaves it. Its keys, groups and policies stay, and policies that name
// it go on meaning it. IAM API Reference, UpdateUser.
func (s *Service) UpdateUser(ctx context.Context, c Caller, name, newName, newPath string) error {
	return s.move(ctx, c, users, name, newName, newPath)
}

// move renames a user or group. Both the old and the new ARN must be allowed: who may change one path must not move what
// is in it into another. IAM User Guide, "Rename an IAM user", permissions required.
func (s *Service) move(ctx context.Context, c Caller, cl *class, name, newName, newPath string) error {
	e, err := s.ask(ctx, c, cl.action("Update*"), cl, name, nil)
	if err != nil {
		return err
	}
	if newName == "" {
		newName = e.Name
	}
	if newPath == "" {
		newPath = e.Path
	}
	if err := checkAll(checkName("new"+cl.title+"Name", newName, cl.name), checkPath(newPath)); err != nil {
		return err
	}
	ask := Ask{Action: cl.action("Update*"), Resources: []string{s.entityARN(cl, newPath, newName)}, Context: e.keys(nil)}
	if err := s.Authorize(ctx, c, ask); err != nil {
		return err
	}
	return s.update(ctx, e, func(x *index, r *record) error {
		if o := x.names[cl][strings.ToLower(newName)]; o != nil && o.ID != r.ID {
			return cl.exists(newName)
		}
		r.Name, r.Path = newName, newPath
		return nil
	})
}

// DeleteUser removes a user that has no policies, groups and access keys left: DeleteConflict otherwise.
// IAM API Reference, DeleteUser.
func (s *Service) DeleteUser(ctx context.Context, c Caller, name string) error {
	e, err := s.ask(ctx, c, "iam:DeleteUser", users, name, nil)
	if err != nil {
		return err
	}
	return s.delete(ctx, e, func(x *index, r *record) error {
		if len(x.keysOf(r.ID)) > 0 {
			return fault.New("DeleteConflict", "Cannot delete entity, must delete access keys first.")
		}
		if len(r.Groups) > 0 {
			return fault.New("DeleteConflict", "Cannot delete entity, must remove users from group first.")
		}
		return hasNoPolicies(x, r)
	})
}
