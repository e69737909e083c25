package iam

import (
	"context"
	"maps"
	"slices"
	"time"

	"glassine/aws/fault"
)

const maxGroupsPerUser = 10 // IAM User Guide, "IAM and AWS STS quotas"

// Group is a group of users and its policies, which its users get. A group is no principal: no policy names it.
type Group struct {
	Name, ARN, ID, Path string
	Created             time.Time
	Inline              map[string]string // documents by policy name
	Attached            []string          // ARNs of managed policies, in the order they were attached
}

func group(e *entity) Group {
	return Group{
		Name: e.Name, ARN: e.arn, ID: e.ID, Path: e.Path, Created: e.Created,
		Inline: maps.Clone(e.Inline), Attached: slices.Clone(e.Attached),
	}
}

// CreateGroup makes a group without users. A path of "" means "/". IAM API Reference, CreateGroup.
func (s *Service) CreateGroup(ctx context.Context, c Caller, name, path string) (Group, error) {
	r := record{Name: name, Path: path}
	if err := r.check(groups); err != nil {
		return Group{}, err
	}
	if err := s.askToCreate(ctx, c, groups, &r); err != nil {
		return Group{}, err
	}
	e, err := s.create(ctx, groups, r)
	if err != nil {
		return Group{}, err
	}
	return group(e), nil
}

// GetGroup returns the group and its users by name, or a NoSuchEntity fault. IAM API Reference, GetGroup.
func (s *Service) GetGroup(ctx context.Context, c Caller, name string) (Group, []UserAccount, error) {
	e, err := s.ask(ctx, c, "iam:GetGroup", groups, name, nil)
	if err != nil {
		return Group{}, nil, err
	}
	x := s.index.Load()
	var members []UserAccount
	for _, u := range x.sorted(users, "/") {
		if slices.Contains(u.Groups, e.ID) {
			members = append(members, user(x, u))
		}
	}
	return group(e), members, nil
}

// ListGroups returns the groups whose path begins with pathPrefix ("" means all), by name.
// IAM API Reference, ListGroups.
func (s *Service) ListGroups(ctx context.Context, c Caller, pathPrefix string) ([]Group, error) {
	list, err := s.list(ctx, c, groups, pathPrefix)
	out := make([]Group, len(list))
	for i, e := range list {
		out[i] = group(e)
	}
	return out, err
}

// UpdateGroup gives a group another name or path; "" leaves it. Its users and policies stay.
// IAM API Reference, UpdateGroup.
func (s *Service) UpdateGroup(ctx context.Context, c Caller, name, newName, newPath string) error {
	return s.move(ctx, c, groups, name, newName, newPath)
}

// DeleteGroup removes a group that has no users and no policies left: DeleteConflict otherwise.
// IAM API Reference, DeleteGroup.
func (s *Service) DeleteGroup(ctx context.Context, c Caller, name string) error {
	e, err := s.ask(ctx, c, "iam:DeleteGroup", groups, name, nil)
	if err != nil {
		return err
	}
	return s.delete(ctx, e, func(x *index, r *record) error {
		for _, u := range x.names[users] {
			if slices.Contains(u.Groups, r.ID) {
				return fault.New("DeleteConflict", "Cannot delete entity, must remove users from group first.")
			}
		}
		return hasNoPolicies(x, r)
	})
}

// AddUserToGroup gives the user the group's policies; twice is once. IAM API Reference, AddUserToGroup.
func (s *Service) AddUserToGroup(ctx context.Context, c Caller, group, user string) error {
	g, u, err := s.groupAndUser(ctx, c, "iam:AddUserToGroup", group, user)
	if err != nil {
		return err
	}
	return s.update(ctx, u, func(x *index, r *record) error {
		switch {
		case x.byID[g.ID] == nil:
			return groups.missing(group)
		case slices.Contains(r.Groups, g.ID):
			return nil
		case len(r.Groups) >= maxGroupsPerUser:
			return overQuota("GroupsPerUser", maxGroupsPerUser)
		}
		r.Groups = append(r.Groups, g.ID)
		return nil
	})
}

// RemoveUserFromGroup takes the group's policies from the user; NoSuchEntity when it is not in the group.
// IAM API Reference, RemoveUserFromGroup.
func (s *Service) RemoveUserFromGroup(ctx context.Context, c Caller, group, user string) error {
	g, u, err := s.groupAndUser(ctx, c, "iam:RemoveUserFromGroup", group, user)
	if err != nil {
		return err
	}
	return s.update(ctx, u, func(_ *index, r *record) error {
		i := slices.Index(r.Groups, g.ID)
		if i < 0 {
			return fault.New("NoSuchEntity", "User %s is not in group %s.", user, group)
		}
		r.Groups = slices.Delete(r.Groups, i, i+1)
		return nil
	})
}

// groupAndUser authorises action on the group and finds both.
func (s *Service) groupAndUser(ctx context.Context, c Caller, action, group, user string) (g, u *entity, err error) {
	if g, err = s.ask(ctx, c, action, groups, group, nil); err != nil {
		return nil, nil, err
	}
	if u = s.find(users, user); u == nil {
		return nil, nil, users.missing(user)
	}
	return g, u, nil
}

// ListGroupsForUser returns the groups that the user is in, in the order they were joined.
// IAM API Reference, ListGroupsForUser.
func (s *Service) ListGroupsForUser(ctx context.Context, c Caller, user string) ([]Group, error) {
	e, err := s.ask(ctx, c, "iam:ListGroupsForUser", users, user, nil)
	if err != nil {
		return nil, err
	}
	x := s.index.Load()
	var out []Group
	for _, id := range e.Groups {
		if g := x.byID[id]; g != nil {
			out = append(out, group(g))
		}
	}
	return out, nil
}
