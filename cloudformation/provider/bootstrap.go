package provider

import (
	"context"
	"regexp"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/cloudformation"
)

// What `cdk bootstrap` makes may be there already, made on the first use of CDK in a region: a bucket for assets and roles. Its
// stack takes them over. It also names an image repository, which nothing here uses, and by its conditions no key.
var bootstrapName = regexp.MustCompile(`^cdk-[a-z0-9]{1,10}-(assets|container-assets|[a-z-]+-role)-[0-9]{12}-[a-z]{2}(-[a-z]+)+-[0-9]+$`)

// adopts reports whether a creation takes over what is there.
func adopts(err error, name string, codes ...string) bool {
	for _, code := range codes {
		if fault.Is(err, code) {
			return bootstrapName.MatchString(name)
		}
	}
	return false
}

// bootstraps are the types that only the stack of cdk bootstrap has.
func (s Services) bootstraps() []*cloudformation.Type {
	repository := &cloudformation.Type{
		Name: "AWS::ECR::Repository", AnyProperty: true, Attributes: []string{"Arn", "RepositoryUri"},
		Properties: fields{"RepositoryName": fixed(required(text()))},
	}
	make := func(_ context.Context, r *request) (resource, error) {
		name := r.Properties.Text("RepositoryName")
		if !bootstrapName.MatchString(name) {
			return resource{}, fault.New("NotImplemented", "There are no image repositories: the name of the one that cdk bootstrap makes is all that is accepted.")
		}
		return resource{PhysicalID: name, Attributes: values{
			"Arn": arn.New("ecr", r.Region, r.Account, "repository/"+name).String(), "RepositoryUri": r.Account + ".dkr.ecr." + r.Region + ".amazonaws.com/" + name,
		}}, nil
	}
	none := func(context.Context, *request) error { return nil }
	repository.Handler = handler{create: make, update: make, read: make, delete: none}
	refuse := func(context.Context, *request) (resource, error) {
		return resource{}, fault.New("NotImplemented", "There is no KMS: objects are encrypted under the installation's own key.")
	}
	key := handler{create: refuse, update: refuse, read: refuse, delete: none}
	return []*cloudformation.Type{
		repository,
		{Name: "AWS::KMS::Key", AnyProperty: true, Attributes: []string{"Arn", "KeyId"}, Handler: key},
		{Name: "AWS::KMS::Alias", AnyProperty: true, Handler: key},
	}
}

// adoptRole makes a role that is there what the template says: all else that it has goes.
func (s Services) adoptRole(ctx context.Context, r *request, name string) (resource, error) {
	role, err := s.IAM.GetRole(ctx, r.Caller, name)
	if err != nil {
		return resource{}, err
	}
	_, attached := difference(textsOf(r.Properties["ManagedPolicyArns"]), role.Attached)
	_, inline := difference(sortedKeys(inlineOf(r.Properties)), sortedKeys(role.Inline))
	for _, p := range attached {
		if err := deleted(s.IAM.DetachRolePolicy(ctx, r.Caller, name, p)); err != nil {
			return resource{}, err
		}
	}
	for _, p := range inline {
		if err := deleted(s.IAM.DeleteRolePolicy(ctx, r.Caller, name, p)); err != nil {
			return resource{}, err
		}
	}
	if err := s.IAM.UpdateAssumeRolePolicy(ctx, r.Caller, name, docOf(r.Properties["AssumeRolePolicyDocument"])); err != nil {
		return resource{}, err
	}
	return roleResource(role), each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.roles().policies(ctx, r, name) },
	)
}
