package provider

import (
	"context"
	"time"

	"glassine/cloudformation"
	"glassine/iam"
)

// identities are the types of IAM.
func (s Services) identities() []*cloudformation.Type {
	inline := list(object(fields{"PolicyName": required(text()), "PolicyDocument": required(document())}))
	all := []*cloudformation.Type{
		{
			Name: "AWS::IAM::Role", Capability: true, NameProperty: "RoleName", Taggable: true,
			Properties: fields{
				"RoleName": fixed(text()), "Path": fixed(text()), "AssumeRolePolicyDocument": required(document()), "Description": text(), "ManagedPolicyArns": texts(),
				"MaxSessionDuration": integer(3600, 43200), "PermissionsBoundary": text(), "Policies": inline, "Tags": tagList(),
			},
			Attributes: []string{"Arn", "RoleId"},
			Handler:    handler{create: s.createRole, update: s.updateRole, read: s.readRole, delete: s.deleteRole},
		},
		{
			Name: "AWS::IAM::User", Capability: true, NameProperty: "UserName", Taggable: true,
			Properties: fields{
				"UserName": fixed(text()), "Path": text(), "Groups": texts(), "ManagedPolicyArns": texts(), "PermissionsBoundary": text(), "Policies": inline, "Tags": tagList(),
			},
			Attributes: []string{"Arn"},
			Handler:    handler{create: s.createUser, update: s.updateUser, read: s.readUser, delete: s.deleteUser},
		},
		{
			Name: "AWS::IAM::Group", Capability: true, NameProperty: "GroupName",
			Properties: fields{"GroupName": fixed(text()), "Path": text(), "ManagedPolicyArns": texts(), "Policies": inline},
			Attributes: []string{"Arn"},
			Handler:    handler{create: s.createGroup, update: s.updateGroup, read: s.readGroup, delete: s.deleteGroup},
		},
	}
	return append(all, s.policyTypes()...)
}

// kind is what has policies: the operations on a role, a user or a group, by its name.
type kind struct {
	attach, detach func(ctx context.Context, c iam.Caller, name, policyARN string) error
	put            func(ctx context.Context, c iam.Caller, name, policy, doc string) error
	remove         func(ctx context.Context, c iam.Caller, name, policy string) error
}

func (s Services) roles() kind {
	return kind{s.IAM.AttachRolePolicy, s.IAM.DetachRolePolicy, s.IAM.PutRolePolicy, s.IAM.DeleteRolePolicy}
}

func (s Services) users() kind {
	return kind{s.IAM.AttachUserPolicy, s.IAM.DetachUserPolicy, s.IAM.PutUserPolicy, s.IAM.DeleteUserPolicy}
}

func (s Services) groups() kind {
	return kind{s.IAM.AttachGroupPolicy, s.IAM.DetachGroupPolicy, s.IAM.PutGroupPolicy, s.IAM.DeleteGroupPolicy}
}

// policies brings the attached and inline policies from Previous to Properties.
func (k kind) policies(ctx context.Context, r *request, name string) error {
	attach, detach := difference(textsOf(r.Properties["ManagedPolicyArns"]), textsOf(r.Previous["ManagedPolicyArns"]))
	if r.Retry {
		attach = textsOf(r.Properties["ManagedPolicyArns"])
	}
	for _, a := range attach {
		if err := k.attach(ctx, r.Caller, name, a); err != nil {
			return err
		}
	}
	for _, a := range detach {
		if err := deleted(k.detach(ctx, r.Caller, name, a)); err != nil {
			return err
		}
	}
	now, before := inlineOf(r.Properties), inlineOf(r.Previous)
	for _, p := range sortedKeys(now) {
		if now[p] == before[p] && !r.Retry {
			continue
		}
		if err := k.put(ctx, r.Caller, name, p, now[p]); err != nil {
			return err
		}
	}
	for _, p := range sortedKeys(before) {
		if _, kept := now[p]; kept {
			continue
		}
		if err := deleted(k.remove(ctx, r.Caller, name, p)); err != nil {
			return err
		}
	}
	return nil
}

// strip takes from it what the template gave it, so that it can be deleted.
func (k kind) strip(ctx context.Context, r *request, name string) error {
	var errs []error
	for _, a := range textsOf(r.Properties["ManagedPolicyArns"]) {
		errs = append(errs, k.detach(ctx, r.Caller, name, a))
	}
	for _, p := range sortedKeys(inlineOf(r.Properties)) {
		errs = append(errs, k.remove(ctx, r.Caller, name, p))
	}
	return joined(errs...)
}

// inlineOf are the documents of Policies by name.
func inlineOf(p values) map[string]string {
	out := map[string]string{}
	for _, x := range listOf(p["Policies"]) {
		policy := objectOf(x)
		out[policy.Text("PolicyName")] = docOf(policy["PolicyDocument"])
	}
	return out
}

func iamTags(tags map[string]string) []iam.Tag {
	var out []iam.Tag
	for _, k := range sortedKeys(tags) {
		out = append(out, iam.Tag{Key: k, Value: tags[k]})
	}
	return out
}

func (s Services) createRole(ctx context.Context, r *request) (resource, error) {
	name := named(r, "RoleName", 64)
	role, err := s.IAM.CreateRole(ctx, r.Caller, iam.NewRole{
		Name: name, Path: r.Properties.Text("Path"), Description: r.Properties.Text("Description"), Trust: docOf(r.Properties["AssumeRolePolicyDocument"]),
		MaxSessionDuration: time.Duration(intOf(r.Properties["MaxSessionDuration"])) * time.Second, Boundary: r.Properties.Text("PermissionsBoundary"),
		Tags: iamTags(tagsOf(r.Tags, r.Properties["Tags"])),
	})
	if retake(r, err, []string{"EntityAlreadyExists"}, func() (time.Time, error) {
		got, err := s.IAM.GetRole(ctx, r.Caller, name)
		role = got
		return got.Created, err
	}) {
		err = nil
	}
	if adopts(err, name, "EntityAlreadyExists") {
		return s.adoptRole(ctx, r, name)
	}
	if err != nil {
		return resource{}, err
	}
	return roleResource(role), each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.roles().policies(ctx, r, name) },
	)
}

// roleResource is a role as templates see it. (CloudFormation Template Reference, AWS::IAM::Role, "Return values".)
func roleResource(role iam.Role) resource {
	return resource{PhysicalID: role.Name, Attributes: values{"Arn": role.ARN, "RoleId": role.ID}}
}

func (s Services) updateRole(ctx context.Context, r *request) (resource, error) {
	p, name := r.Properties, r.PhysicalID
	err := each(
		func() error {
			if !changed(r, "AssumeRolePolicyDocument") {
				return nil
			}
			return s.IAM.UpdateAssumeRolePolicy(ctx, r.Caller, name, docOf(p["AssumeRolePolicyDocument"]))
		},
		func() error {
			if !changed(r, "Description", "MaxSessionDuration") {
				return nil
			}
			description, longest := p.Text("Description"), time.Hour
			if n := intOf(p["MaxSessionDuration"]); n > 0 {
				longest = time.Duration(n) * time.Second
			}
			return s.IAM.UpdateRole(ctx, r.Caller, name, &description, longest)
		},
		func() error {
			return s.bound(r, func(arn string) error { return s.IAM.PutRolePermissionsBoundary(ctx, r.Caller, name, arn) },
				func() error { return s.IAM.DeleteRolePermissionsBoundary(ctx, r.Caller, name) })
		},
		func() error { return s.roles().policies(ctx, r, name) },
		func() error {
			return retag(r, func(tags []iam.Tag) error { return s.IAM.TagRole(ctx, r.Caller, name, tags) },
				func(keys []string) error { return s.IAM.UntagRole(ctx, r.Caller, name, keys) })
		},
	)
	if err != nil {
		return resource{}, err
	}
	return s.readRole(ctx, r)
}

// bound brings the permissions boundary.
func (s Services) bound(r *request, put func(arn string) error, remove func() error) error {
	switch boundary := r.Properties.Text("PermissionsBoundary"); {
	case !changed(r, "PermissionsBoundary"):
		return nil
	case boundary == "":
		return deleted(remove())
	default:
		return put(boundary)
	}
}

func retag(r *request, tag func([]iam.Tag) error, untag func([]string) error) error {
	set, removed := retagged(r)
	if len(set) > 0 {
		if err := tag(iamTags(set)); err != nil {
			return err
		}
	}
	if len(removed) > 0 {
		return untag(removed)
	}
	return nil
}

func (s Services) readRole(ctx context.Context, r *request) (resource, error) {
	role, err := s.IAM.GetRole(ctx, r.Caller, r.PhysicalID)
	return found(roleResource(role), err)
}

func (s Services) deleteRole(ctx context.Context, r *request) error {
	if err := s.roles().strip(ctx, r, r.PhysicalID); err != nil {
		return err
	}
	return deleted(s.IAM.DeleteRole(ctx, r.Caller, r.PhysicalID))
}
