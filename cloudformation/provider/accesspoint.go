package provider

import (
	"context"
	"time"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/objectlambda"
	"glassine/s3"
)

func (s Services) createAccessPoint(ctx context.Context, r *request) (resource, error) {
	if a := r.Properties.Text("BucketAccountId"); a != "" && a != r.Account {
		return resource{}, fault.New("AccessDenied", "Access Denied")
	}
	name := lowerNamed(r, "Name", 50)
	tags := tagsOf(r.Tags, r.Properties["Tags"])
	ap, err := s.S3.CreateAccessPoint(ctx, r.Caller, s3.NewAccessPoint{
		Name: name, Bucket: r.Properties.Text("Bucket"), Block: blockOf(r.Properties["PublicAccessBlockConfiguration"]), Tags: tags,
	})
	if retake(r, err, []string{"AccessPointAlreadyOwnedByYou"}, func() (time.Time, error) {
		got, err := s.S3.GetAccessPoint(ctx, r.Caller, name)
		ap = got
		return got.Created, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return accessPointResource(ap), each(
		func() error { return r.Note(ctx, name) },
		func() error { return s.putAccessPointPolicy(ctx, r, name) },
	)
}

func (s Services) putAccessPointPolicy(ctx context.Context, r *request, name string) error {
	switch {
	case !changed(r, "Policy"):
		return nil
	case r.Properties["Policy"] == nil:
		return s.S3.DeleteAccessPointPolicy(ctx, r.Caller, name)
	}
	return s.S3.PutAccessPointPolicy(ctx, r.Caller, name, docOf(r.Properties["Policy"]))
}

func (s Services) updateAccessPoint(ctx context.Context, r *request) (resource, error) {
	ap, err := s.S3.GetAccessPoint(ctx, r.Caller, r.PhysicalID)
	if err != nil {
		return resource{}, err
	}
	return accessPointResource(ap), each(
		func() error { return s.putAccessPointPolicy(ctx, r, ap.Name) },
		func() error {
			set, removed := retagged(r)
			if len(set) > 0 {
				if err := s.S3.TagResource(ctx, r.Caller, ap.ARN(), set); err != nil {
					return err
				}
			}
			if len(removed) > 0 {
				return s.S3.UntagResource(ctx, r.Caller, ap.ARN(), removed)
			}
			return nil
		},
	)
}

// accessPointResource is an access point as templates see it. (CloudFormation Template Reference, AWS::S3::AccessPoint.)
func accessPointResource(ap s3.AccessPoint) resource {
	return resource{PhysicalID: ap.Name, Attributes: values{"Arn": ap.ARN(), "Alias": ap.Alias, "Name": ap.Name, "NetworkOrigin": "Internet"}}
}

func (s Services) readAccessPoint(ctx context.Context, r *request) (resource, error) {
	ap, err := s.S3.GetAccessPoint(ctx, r.Caller, r.PhysicalID)
	return found(accessPointResource(ap), err)
}

func (s Services) deleteAccessPoint(ctx context.Context, r *request) error {
	return deleted(s.S3.DeleteAccessPoint(ctx, r.Caller, r.PhysicalID))
}

// objectLambda are the types of S3 Object Lambda.
func (s Services) objectLambda() []*cloudformation.Type {
	transformation := fields{
		"Actions": required(texts()),
		"ContentTransformation": required(object(fields{
			"AwsLambda": required(object(fields{"FunctionArn": required(text()), "FunctionPayload": text()})),
		})),
	}
	return []*cloudformation.Type{
		{
			Name: "AWS::S3ObjectLambda::AccessPoint", NameProperty: "Name",
			Properties: fields{
				"Name": fixed(text()),
				"ObjectLambdaConfiguration": required(object(fields{
					"SupportingAccessPoint": required(text()), "AllowedFeatures": texts(), "CloudWatchMetricsEnabled": boolean(),
					"TransformationConfigurations": required(list(object(transformation))),
				})),
			},
			Attributes: []string{
				"Arn", "Alias", "Alias.Value", "Alias.Status", "CreationDate", "PolicyStatus", "PolicyStatus.IsPublic", "PublicAccessBlockConfiguration",
				"PublicAccessBlockConfiguration.BlockPublicAcls", "PublicAccessBlockConfiguration.BlockPublicPolicy",
				"PublicAccessBlockConfiguration.IgnorePublicAcls", "PublicAccessBlockConfiguration.RestrictPublicBuckets",
			},
			Handler: handler{create: s.createObjectLambda, update: s.updateObjectLambda, read: s.readObjectLambda, delete: s.deleteObjectLambda},
		},
		{
			Name: "AWS::S3ObjectLambda::AccessPointPolicy",
			Properties: fields{
				"ObjectLambdaAccessPoint": fixed(required(text())), "PolicyDocument": required(document()),
			},
			Handler: handler{create: s.createObjectLambdaPolicy, update: s.updateObjectLambdaPolicy, read: s.readObjectLambdaPolicy, delete: s.deleteObjectLambdaPolicy},
		},
	}
}

func objectLambdaConfiguration(v any) objectlambda.Configuration {
	c := objectOf(v)
	out := objectlambda.Configuration{
		SupportingAccessPoint: c.Text("SupportingAccessPoint"), AllowedFeatures: textsOf(c["AllowedFeatures"]), MetricsEnabled: boolOf(c["CloudWatchMetricsEnabled"]),
	}
	for _, x := range listOf(c["TransformationConfigurations"]) {
		t := objectOf(x)
		function := objectOf(objectOf(t["ContentTransformation"])["AwsLambda"])
		out.Transformations = append(out.Transformations, objectlambda.Transformation{
			Actions: textsOf(t["Actions"]), Function: function.Text("FunctionArn"), Payload: function.Text("FunctionPayload"),
		})
	}
	return out
}

func (s Services) createObjectLambda(ctx context.Context, r *request) (resource, error) {
	name := lowerNamed(r, "Name", 45)
	ap, err := s.ObjectLambda.Create(ctx, r.Caller, name, objectLambdaConfiguration(r.Properties["ObjectLambdaConfiguration"]))
	if retake(r, err, []string{"AccessPointAlreadyOwnedByYou"}, func() (time.Time, error) {
		got, err := s.ObjectLambda.Get(ctx, r.Caller, name)
		ap = got
		return got.Created, err
	}) {
		err = nil
	}
	if err != nil {
		return resource{}, err
	}
	return objectLambdaResource(ap), nil
}

func (s Services) updateObjectLambda(ctx context.Context, r *request) (resource, error) {
	if changed(r, "ObjectLambdaConfiguration") {
		if err := s.ObjectLambda.PutConfiguration(ctx, r.Caller, r.PhysicalID, objectLambdaConfiguration(r.Properties["ObjectLambdaConfiguration"])); err != nil {
			return resource{}, err
		}
	}
	return s.readObjectLambda(ctx, r)
}

// objectLambdaResource is an Object Lambda access point as templates see it: with a policy that is never public, and with
// Block Public Access on. (CloudFormation Template Reference, AWS::S3ObjectLambda::AccessPoint, "Return values".)
func objectLambdaResource(ap objectlambda.AccessPoint) resource {
	alias := map[string]any{"Value": ap.Alias, "Status": "READY"}
	policy := map[string]any{"IsPublic": false}
	block := map[string]any{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true}
	attributes := values{
		"Arn": ap.ARN(), "CreationDate": ap.Created.UTC().Format(time.RFC3339), "Alias": alias, "PolicyStatus": policy, "PublicAccessBlockConfiguration": block,
	}
	for prefix, members := range map[string]map[string]any{"Alias.": alias, "PolicyStatus.": policy, "PublicAccessBlockConfiguration.": block} {
		for k, v := range members {
			attributes[prefix+k] = v
		}
	}
	return resource{PhysicalID: ap.Name, Attributes: attributes}
}

func (s Services) readObjectLambda(ctx context.Context, r *request) (resource, error) {
	ap, err := s.ObjectLambda.Get(ctx, r.Caller, r.PhysicalID)
	return found(objectLambdaResource(ap), err)
}

func (s Services) deleteObjectLambda(ctx context.Context, r *request) error {
	return deleted(s.ObjectLambda.Delete(ctx, r.Caller, r.PhysicalID))
}

func (s Services) createObjectLambdaPolicy(ctx context.Context, r *request) (resource, error) {
	name := r.Properties.Text("ObjectLambdaAccessPoint")
	if !r.Retry {
		switch _, err := s.ObjectLambda.GetPolicy(ctx, r.Caller, name); {
		case err == nil:
			return resource{}, exists(r.Type, name)
		case !fault.Is(err, "NoSuchAccessPointPolicy"):
			return resource{}, err
		}
	}
	if err := s.ObjectLambda.PutPolicy(ctx, r.Caller, name, docOf(r.Properties["PolicyDocument"])); err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: name}, nil
}

func (s Services) updateObjectLambdaPolicy(ctx context.Context, r *request) (resource, error) {
	return resource{PhysicalID: r.PhysicalID}, s.ObjectLambda.PutPolicy(ctx, r.Caller, r.PhysicalID, docOf(r.Properties["PolicyDocument"]))
}

func (s Services) readObjectLambdaPolicy(ctx context.Context, r *request) (resource, error) {
	_, err := s.ObjectLambda.GetPolicy(ctx, r.Caller, r.PhysicalID)
	return found(resource{PhysicalID: r.PhysicalID}, err)
}

func (s Services) deleteObjectLambdaPolicy(ctx context.Context, r *request) error {
	return deleted(s.ObjectLambda.PutPolicy(ctx, r.Caller, r.PhysicalID, ""))
}
