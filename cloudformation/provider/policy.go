package provider

import (
	"context"
	"reflect"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/iam"
)

// policyTypes are policies as resources of their own, access keys and memberships.
func (s Services) policyTypes() []*cloudformation.Type {
	all := []*cloudformation.Type{
		{
			Name: "AWS::IAM::Policy", Capability: true,
			Properties: fields{"PolicyName": required(text()), "PolicyDocument": required(document()), "Roles": texts(), "Users": texts(), "Groups": texts()},
			Attributes: []string{"Id"},
			Handler:    handler{create: s.createPolicy, update: s.updatePolicy, read: s.readPolicy, delete: s.deletePolicy},
		},
		{
			Name: "AWS::IAM::ManagedPolicy", Capability: true, NameProperty: "ManagedPolicyName",
			Properties: fields{
				"ManagedPolicyName": fixed(text()), "Path": fixed(text()), "Description": fixed(text()), "PolicyDocument": required(document()),
				"Roles": texts(), "Users": texts(), "Groups": texts(),
			},
			Attributes: []string{"PolicyArn", "PolicyId", "AttachmentCount", "CreateDate", "DefaultVersionId", "IsAttachable", "PermissionsBoundaryUsageCount", "UpdateDate"},
			Handler:    handler{create: s.createManagedPolicy, update: s.updateManagedPolicy, read: s.readManagedPolicy, delete: s.deleteManagedPolicy},
		},
		{
			Name: "AWS::IAM::AccessKey", Capability: true,
			Properties: fields{"UserName": fixed(required(text())), "Serial": fixed(integer()), "Status": enum("Active", "Inactive")},
			Attributes: []string{"Id", "SecretAccessKey"},
			Handler:    handler{create: s.createAccessKey, update: s.updateAccessKey, read: s.readAccessKey, delete: s.deleteAccessKey},
		},
		{
			Name: "AWS::IAM::UserToGroupAddition", Capability: true,
			Properties: fields{"GroupName": required(text()), "Users": required(texts())},
			Attributes: []string{"Id"},
			Handler:    handler{create: s.createAddition, update: s.updateAddition, read: s.readAddition, delete: s.deleteAddition},
		},
	}
	for property, k := range map[string]kind{"Role": s.roles(), "User": s.users(), "Group": s.groups()} {
		all = append(all, inlinePolicy(property, k))
	}
	return all
}

// holders are whom a policy of its own is for.
type holders struct {
	property string
	kind
}

func (s Services) holders() []holders {
	return []holders{{"Roles", s.roles()}, {"Users", s.users()}, {"Groups", s.groups()}}
}

// createPolicy puts an inline policy on everybody that it names. A policy of that name which is there already is overwritten,
// as on AWS.
func (s Services) createPolicy(ctx context.Context, r *request) (resource, error) {
	id := r.Name(64)
	res := resource{PhysicalID: id, Attributes: values{"Id": id}}
	if err := r.Note(ctx, id); err != nil {
		return resource{}, err
	}
	return res, s.putPolicy(ctx, r)
}

func (s Services) putPolicy(ctx context.Context, r *request) error {
	doc, name := docOf(r.Properties["PolicyDocument"]), r.Properties.Text("PolicyName")
	all := changed(r, "PolicyDocument", "PolicyName") || r.Retry
	any := false
	for _, h := range s.holders() {
		now := textsOf(r.Properties[h.property])
		put, _ := difference(now, textsOf(r.Previous[h.property]))
		if all {
			put = now
		}
		any = any || len(now) > 0
		for _, n := range put {
			if err := h.put(ctx, r.Caller, n, name, doc); err != nil {
				return err
			}
		}
	}
	if !any {
		return fault.New("ValidationError", "At least one of [Groups,Roles,Users] must be non-empty.")
	}
	return nil
}

// updatePolicy puts the new first, so that nobody is without in between.
func (s Services) updatePolicy(ctx context.Context, r *request) (resource, error) {
	if err := s.putPolicy(ctx, r); err != nil {
		return resource{}, err
	}
	for _, h := range s.holders() {
		before := textsOf(r.Previous[h.property])
		_, left := difference(textsOf(r.Properties[h.property]), before)
		if changed(r, "PolicyName") {
			left = before
		}
		for _, n := range left {
			if err := deleted(h.remove(ctx, r.Caller, n, r.Previous.Text("PolicyName"))); err != nil {
				return resource{}, err
			}
		}
	}
	return resource{PhysicalID: r.PhysicalID, Attributes: values{"Id": r.PhysicalID}}, nil
}

func (s Services) readPolicy(ctx context.Context, r *request) (resource, error) {
	read := map[string]func(context.Context, iam.Caller, string, string) (string, error){
		"Roles": s.IAM.GetRolePolicy, "Users": s.IAM.GetUserPolicy, "Groups": s.IAM.GetGroupPolicy,
	}
	for property, get := range read {
		for _, n := range textsOf(r.Properties[property]) {
			if _, err := get(ctx, r.Caller, n, r.Properties.Text("PolicyName")); err != nil {
				return found(resource{}, err)
			}
		}
	}
	return resource{PhysicalID: r.PhysicalID, Attributes: values{"Id": r.PhysicalID}}, nil
}

func (s Services) deletePolicy(ctx context.Context, r *request) error {
	var errs []error
	for _, h := range s.holders() {
		for _, n := range textsOf(r.Properties[h.property]) {
			errs = append(errs, h.remove(ctx, r.Caller, n, r.Properties.Text("PolicyName")))
		}
	}
	return joined(errs...)
}

// inlinePolicy is AWS::IAM::RolePolicy, UserPolicy or GroupPolicy: one policy of one holder.
func inlinePolicy(holder string, k kind) *cloudformation.Type {
	id := func(r *request) string {
		return r.Properties.Text("PolicyName") + "|" + r.Properties.Text(holder+"Name")
	}
	put := func(ctx context.Context, r *request) (resource, error) {
		if err := k.put(ctx, r.Caller, r.Properties.Text(holder+"Name"), r.Properties.Text("PolicyName"), docOf(r.Properties["PolicyDocument"])); err != nil {
			return resource{}, err
		}
		return resource{PhysicalID: id(r)}, nil
	}
	return &cloudformation.Type{
		Name: "AWS::IAM::" + holder + "Policy", Capability: true,
		Properties: fields{"PolicyName": fixed(required(text())), holder + "Name": fixed(required(text())), "PolicyDocument": required(document())},
		Handler: handler{
			create: put, update: put,
			read: func(_ context.Context, r *request) (resource, error) { return resource{PhysicalID: id(r)}, nil },
			delete: func(ctx context.Context, r *request) error {
				return deleted(k.remove(ctx, r.Caller, r.Properties.Text(holder+"Name"), r.Properties.Text("PolicyName")))
			},
		},
	}
}

func (s Services) createManagedPolicy(ctx context.Context, r *request) (resource, error) {
	name := named(r, "ManagedPolicyName", 128)
	p, err := s.IAM.CreatePolicy(ctx, r.Caller, iam.NewPolicy{
		Name: name, Path: r.Properties.Text("Path"), Description: r.Properties.Text("Description"), Document: docOf(r.Properties["PolicyDocument"]),
	})
	if retake(r, err, []string{"EntityAlreadyExists"}, func() (time.Time, error) {
		path := r.Properties.Text("Path")
		if path == "" {
			path = "/"
		}
		got, err := s.IAM.GetPolicy(ctx, r.Caller, arn.New("iam", "", r.Account, "policy"+path+name).String())
		p = got
		return got.Created, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	err = each(
		func() error { return r.Note(ctx, p.ARN) },
		func() error { return s.attachManaged(ctx, r, p.ARN) },
	)
	if err != nil {
		return resource{PhysicalID: p.ARN}, err
	}
	return s.managedPolicy(ctx, r, p.ARN)
}

func (s Services) attachManaged(ctx context.Context, r *request, policy string) error {
	for _, h := range s.holders() {
		attach, detach := difference(textsOf(r.Properties[h.property]), textsOf(r.Previous[h.property]))
		for _, n := range attach {
			if err := h.attach(ctx, r.Caller, n, policy); err != nil {
				return err
			}
		}
		for _, n := range detach {
			if err := deleted(h.detach(ctx, r.Caller, n, policy)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Services) managedPolicy(ctx context.Context, r *request, policy string) (resource, error) {
	p, err := s.IAM.GetPolicy(ctx, r.Caller, policy)
	return found(resource{PhysicalID: policy, Attributes: values{
		"PolicyArn": p.ARN, "PolicyId": p.ID, "AttachmentCount": int64(p.Attachments), "CreateDate": p.Created.UTC().Format(time.RFC3339), "DefaultVersionId": p.DefaultVersion,
		"IsAttachable": true, "PermissionsBoundaryUsageCount": int64(p.Boundaries), "UpdateDate": p.Updated.UTC().Format(time.RFC3339),
	}}, err)
}

func (s Services) updateManagedPolicy(ctx context.Context, r *request) (resource, error) {
	err := each(
		func() error {
			if !changed(r, "PolicyDocument") {
				return nil
			}
			return s.newPolicyVersion(ctx, r)
		},
		func() error { return s.attachManaged(ctx, r, r.PhysicalID) },
	)
	if err != nil {
		return resource{}, err
	}
	return s.managedPolicy(ctx, r, r.PhysicalID)
}

// newPolicyVersion puts a new version in force; the oldest makes room for it.
func (s Services) newPolicyVersion(ctx context.Context, r *request) error {
	doc := docOf(r.Properties["PolicyDocument"])
	_, err := s.IAM.CreatePolicyVersion(ctx, r.Caller, r.PhysicalID, doc, true)
	if !fault.Is(err, "LimitExceeded") {
		return err
	}
	versions, err := s.IAM.ListPolicyVersions(ctx, r.Caller, r.PhysicalID)
	if err != nil {
		return err
	}
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].Default {
			continue
		}
		if err := s.IAM.DeletePolicyVersion(ctx, r.Caller, r.PhysicalID, versions[i].ID); err != nil {
			return err
		}
		break
	}
	_, err = s.IAM.CreatePolicyVersion(ctx, r.Caller, r.PhysicalID, doc, true)
	return err
}

func (s Services) readManagedPolicy(ctx context.Context, r *request) (resource, error) {
	return s.managedPolicy(ctx, r, r.PhysicalID)
}

func (s Services) deleteManagedPolicy(ctx context.Context, r *request) error {
	var errs []error
	for _, h := range s.holders() {
		for _, n := range textsOf(r.Properties[h.property]) {
			errs = append(errs, h.detach(ctx, r.Caller, n, r.PhysicalID))
		}
	}
	if err := joined(errs...); err != nil {
		return err
	}
	versions, err := s.IAM.ListPolicyVersions(ctx, r.Caller, r.PhysicalID)
	if err != nil {
		return deleted(err)
	}
	for _, v := range versions {
		if v.Default {
			continue
		}
		if err := deleted(s.IAM.DeletePolicyVersion(ctx, r.Caller, r.PhysicalID, v.ID)); err != nil {
			return err
		}
	}
	return deleted(s.IAM.DeletePolicy(ctx, r.Caller, r.PhysicalID))
}

func (s Services) createAddition(ctx context.Context, r *request) (resource, error) {
	id := r.Name(64)
	if err := r.Note(ctx, id); err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: id, Attributes: values{"Id": id}}, s.addUsers(ctx, r)
}

func (s Services) addUsers(ctx context.Context, r *request) error {
	for _, u := range textsOf(r.Properties["Users"]) {
		if err := s.IAM.AddUserToGroup(ctx, r.Caller, r.Properties.Text("GroupName"), u); err != nil {
			return err
		}
	}
	return nil
}

func (s Services) updateAddition(ctx context.Context, r *request) (resource, error) {
	if err := s.addUsers(ctx, r); err != nil {
		return resource{}, err
	}
	before := textsOf(r.Previous["Users"])
	_, leave := difference(textsOf(r.Properties["Users"]), before)
	if !reflect.DeepEqual(r.Properties["GroupName"], r.Previous["GroupName"]) {
		leave = before
	}
	for _, u := range leave {
		if err := deleted(s.IAM.RemoveUserFromGroup(ctx, r.Caller, r.Previous.Text("GroupName"), u)); err != nil {
			return resource{}, err
		}
	}
	return s.readAddition(ctx, r)
}

func (s Services) readAddition(_ context.Context, r *request) (resource, error) {
	return resource{PhysicalID: r.PhysicalID, Attributes: values{"Id": r.PhysicalID}}, nil
}

func (s Services) deleteAddition(ctx context.Context, r *request) error {
	var errs []error
	for _, u := range textsOf(r.Properties["Users"]) {
		errs = append(errs, s.IAM.RemoveUserFromGroup(ctx, r.Caller, r.Properties.Text("GroupName"), u))
	}
	return joined(errs...)
}
