package provider

import (
	"context"
	"slices"
	"strings"
	"time"

	"glassine/cloudformation"
	"glassine/iam"
)

func (s Services) createUser(ctx context.Context, r *request) (resource, error) {
	name := named(r, "UserName", 64)
	user, err := s.IAM.CreateUser(ctx, r.Caller, iam.NewUser{
		Name: name, Path: r.Properties.Text("Path"), Boundary: r.Properties.Text("PermissionsBoundary"), Tags: iamTags(tagsOf(r.Tags, r.Properties["Tags"])),
	})
	if retake(r, err, []string{"EntityAlreadyExists"}, func() (time.Time, error) {
		got, err := s.IAM.GetUser(ctx, r.Caller, name)
		user = got
		return got.Created, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: name, Attributes: values{"Arn": user.ARN}}, each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.memberships(ctx, r, name) },
		func() error { return s.users().policies(ctx, r, name) },
	)
}

// memberships brings the groups of a user.
func (s Services) memberships(ctx context.Context, r *request, user string) error {
	join, leave := difference(textsOf(r.Properties["Groups"]), textsOf(r.Previous["Groups"]))
	for _, g := range join {
		if err := s.IAM.AddUserToGroup(ctx, r.Caller, g, user); err != nil {
			return err
		}
	}
	for _, g := range leave {
		if err := deleted(s.IAM.RemoveUserFromGroup(ctx, r.Caller, g, user)); err != nil {
			return err
		}
	}
	return nil
}

func (s Services) updateUser(ctx context.Context, r *request) (resource, error) {
	name := r.PhysicalID
	err := each(
		func() error {
			if !changed(r, "Path") {
				return nil
			}
			return s.IAM.UpdateUser(ctx, r.Caller, name, "", pathOf(r))
		},
		func() error {
			return s.bound(r, func(arn string) error { return s.IAM.PutUserPermissionsBoundary(ctx, r.Caller, name, arn) },
				func() error { return s.IAM.DeleteUserPermissionsBoundary(ctx, r.Caller, name) })
		},
		func() error { return s.memberships(ctx, r, name) },
		func() error { return s.users().policies(ctx, r, name) },
		func() error {
			return retag(r, func(tags []iam.Tag) error { return s.IAM.TagUser(ctx, r.Caller, name, tags) },
				func(keys []string) error { return s.IAM.UntagUser(ctx, r.Caller, name, keys) })
		},
	)
	if err != nil {
		return resource{}, err
	}
	return s.readUser(ctx, r)
}

func pathOf(r *request) string {
	if p := r.Properties.Text("Path"); p != "" {
		return p
	}
	return "/"
}

func (s Services) readUser(ctx context.Context, r *request) (resource, error) {
	user, err := s.IAM.GetUser(ctx, r.Caller, r.PhysicalID)
	return found(resource{PhysicalID: user.Name, Attributes: values{"Arn": user.ARN}}, err)
}

func (s Services) deleteUser(ctx context.Context, r *request) error {
	if err := s.users().strip(ctx, r, r.PhysicalID); err != nil {
		return err
	}
	for _, g := range textsOf(r.Properties["Groups"]) {
		if err := deleted(s.IAM.RemoveUserFromGroup(ctx, r.Caller, g, r.PhysicalID)); err != nil {
			return err
		}
	}
	return deleted(s.IAM.DeleteUser(ctx, r.Caller, r.PhysicalID))
}

func (s Services) createGroup(ctx context.Context, r *request) (resource, error) {
	name := named(r, "GroupName", 128)
	group, err := s.IAM.CreateGroup(ctx, r.Caller, name, r.Properties.Text("Path"))
	if retake(r, err, []string{"EntityAlreadyExists"}, func() (time.Time, error) {
		got, _, err := s.IAM.GetGroup(ctx, r.Caller, name)
		group = got
		return got.Created, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: name, Attributes: values{"Arn": group.ARN}}, each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.groups().policies(ctx, r, name) },
	)
}

func (s Services) updateGroup(ctx context.Context, r *request) (resource, error) {
	err := each(
		func() error {
			if !changed(r, "Path") {
				return nil
			}
			return s.IAM.UpdateGroup(ctx, r.Caller, r.PhysicalID, "", pathOf(r))
		},
		func() error { return s.groups().policies(ctx, r, r.PhysicalID) },
	)
	if err != nil {
		return resource{}, err
	}
	return s.readGroup(ctx, r)
}

func (s Services) readGroup(ctx context.Context, r *request) (resource, error) {
	group, _, err := s.IAM.GetGroup(ctx, r.Caller, r.PhysicalID)
	return found(resource{PhysicalID: group.Name, Attributes: values{"Arn": group.ARN}}, err)
}

func (s Services) deleteGroup(ctx context.Context, r *request) error {
	if err := s.groups().strip(ctx, r, r.PhysicalID); err != nil {
		return err
	}
	return deleted(s.IAM.DeleteGroup(ctx, r.Caller, r.PhysicalID))
}

// createAccessKey makes a key for a user. A key that an earlier attempt made, and whose secret is lost with it, is removed:
// its id was noted, or it is younger than that attempt.
func (s Services) createAccessKey(ctx context.Context, r *request) (resource, error) {
	user := r.Properties.Text("UserName")
	if r.Retry {
		keys, err := s.IAM.ListAccessKeys(ctx, r.Caller, user)
		if err != nil {
			return resource{}, err
		}
		keys = slices.DeleteFunc(keys, func(k iam.AccessKey) bool { return k.ID != r.PhysicalID && k.Created.Before(r.Begun) })
		for _, k := range keys {
			if err := deleted(s.IAM.DeleteAccessKey(ctx, r.Caller, user, k.ID)); err != nil {
				return resource{}, err
			}
		}
	}
	made, key, err := s.IAM.CreateAccessKey(ctx, r.Caller, user)
	if err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: key.ID, Attributes: values{"Id": key.ID, "SecretAccessKey": made.SecretAccessKey}}, each(
		func() error { return r.Note(ctx, key.ID) },
		func() error {
			if !strings.EqualFold(r.Properties.Text("Status"), "Inactive") {
				return nil
			}
			return s.IAM.UpdateAccessKey(ctx, r.Caller, user, key.ID, false)
		},
	)
}

func (s Services) updateAccessKey(ctx context.Context, r *request) (resource, error) {
	active := !strings.EqualFold(r.Properties.Text("Status"), "Inactive")
	return resource{PhysicalID: r.PhysicalID, Attributes: r.Attributes}, s.IAM.UpdateAccessKey(ctx, r.Caller, r.Properties.Text("UserName"), r.PhysicalID, active)
}

// readAccessKey gives back the secret that was kept with the stack: IAM shows it once.
func (s Services) readAccessKey(ctx context.Context, r *request) (resource, error) {
	keys, err := s.IAM.ListAccessKeys(ctx, r.Caller, r.Properties.Text("UserName"))
	if err == nil && !slices.ContainsFunc(keys, func(k iam.AccessKey) bool { return k.ID == r.PhysicalID }) {
		return resource{}, cloudformation.ErrNotFound
	}
	return found(resource{PhysicalID: r.PhysicalID, Attributes: r.Attributes}, err)
}

func (s Services) deleteAccessKey(ctx context.Context, r *request) error {
	return deleted(s.IAM.DeleteAccessKey(ctx, r.Caller, r.Properties.Text("UserName"), r.PhysicalID))
}
