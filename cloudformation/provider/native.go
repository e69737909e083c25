package provider

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/iam"
	"glassine/lambda"
	"glassine/s3"
	"glassine/store"
)

// natives are the types that AWS has inside of CloudFormation, and the custom resources of CDK that run here: their functions
// would call back to a host name without its port, and need SDKs that a runtime may not have. Each does what the function of
// its ServiceToken does, as that function's role, for whoever may invoke it: docs/aws-differences.md.
func (s Services) natives() []*cloudformation.Type {
	token := required(text())
	return []*cloudformation.Type{
		nothing("AWS::CDK::Metadata", fields{"Analytics": {Kind: cloudformation.Any}}),
		// Without a wait condition, which is not supported, a handle is a resource that does nothing.
		nothing("AWS::CloudFormation::WaitConditionHandle", fields{}),
		{
			Name: "Custom::S3AutoDeleteObjects", AnyProperty: true, Attributes: []string{"*"},
			Properties: fields{"ServiceToken": token, "BucketName": text()},
			Handler:    handler{create: s.createAutoDelete, update: s.updateAutoDelete, read: readNative, delete: s.deleteAutoDelete},
		},
		{
			Name: "Custom::LogRetention", AnyProperty: true, Attributes: []string{"*"},
			Properties: fields{
				"ServiceToken": token, "LogGroupName": required(text()), "LogGroupRegion": text(), "RetentionInDays": integer(), "RemovalPolicy": text(),
			},
			Handler: handler{create: s.createRetention, update: s.updateRetention, read: readNative, delete: s.deleteRetention},
		},
		{
			Name: "Custom::AWS", AnyProperty: true, Attributes: []string{"*"},
			Properties: fields{"ServiceToken": token, "Create": text(), "Update": text(), "Delete": text()},
			Handler:    handler{create: s.createCall, update: s.updateCall, read: readNative, delete: s.deleteCall},
			Removes:    removedByCall,
		},
	}
}

// nothing is a type whose resources are their names alone.
func nothing(name string, p fields) *cloudformation.Type {
	keep := func(_ context.Context, r *request) (resource, error) {
		id := r.PhysicalID
		if id == "" {
			id = r.Name(128)
		}
		return resource{PhysicalID: id, Attributes: values{"Id": id}}, nil
	}
	return &cloudformation.Type{
		Name: name, Properties: p, Attributes: []string{"Id"},
		Handler: handler{create: keep, update: keep, read: keep, delete: func(context.Context, *request) error { return nil }},
	}
}

// readNative gives back what the stack keeps: there is nothing else to ask.
func readNative(_ context.Context, r *request) (resource, error) {
	return resource{PhysicalID: r.PhysicalID, Attributes: r.Attributes}, nil
}

// The ids of resources that never were. CDK's handlers give the first after a failed creation; its deletion does nothing.
const (
	createFailed = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
	missingID    = "AWSCDK::CustomResourceProviderFramework::MISSING_PHYSICAL_ID"
)

// roleOf returns credentials of the role of the ServiceToken's function, and who they are.
func (s Services) roleOf(ctx context.Context, r *request) (iam.Credentials, iam.Caller, error) {
	token := r.Properties.Text("ServiceToken")
	role, err := s.Lambda.ExecutionRole(ctx, r.Caller, token)
	if err != nil {
		return iam.Credentials{}, iam.Caller{}, err
	}
	session, _, _ := strings.Cut(functionName(token), ":")
	key, err := s.IAM.AssumeForService(ctx, role, []string{lambda.ServicePrincipal}, session, 15*time.Minute)
	if err != nil {
		return iam.Credentials{}, iam.Caller{}, err
	}
	_, c, err := s.IAM.Lookup(ctx, key.AccessKeyID, key.SessionToken)
	return key, c.WithContext(iam.Context{"aws:securetransport": {"true"}}), err // no byte leaves the process
}

// functionName is the name in a function's ARN.
func functionName(token string) string {
	a, err := arn.Parse(token)
	if err != nil {
		return token
	}
	name, _, _ := strings.Cut(a.Name("function"), ":")
	return name
}

// autoDeleteTag is on the buckets that may be emptied.
const autoDeleteTag = "aws-cdk:auto-delete-objects"

func (s Services) createAutoDelete(ctx context.Context, r *request) (resource, error) {
	_, _, err := s.roleOf(ctx, r)
	return resource{PhysicalID: r.Token}, err
}

func (s Services) updateAutoDelete(_ context.Context, r *request) (resource, error) {
	id := r.PhysicalID
	if changed(r, "BucketName") {
		id = r.Properties.Text("BucketName") // so that the old one is deleted
	}
	return resource{PhysicalID: id}, nil
}

// deleteAutoDelete empties the bucket, if its tag allows it, and lets nobody put anything into it while it does.
func (s Services) deleteAutoDelete(ctx context.Context, r *request) error {
	if r.PhysicalID == createFailed || r.PhysicalID == missingID {
		return nil
	}
	bucket := r.Properties.Text("BucketName")
	if bucket == "" {
		return fault.New("InvalidRequest", "No BucketName was provided.")
	}
	_, c, err := s.roleOf(ctx, r)
	if err != nil {
		return err
	}
	tags, err := s.S3.BucketTagging(ctx, c, bucket)
	switch {
	case fault.Is(err, "NoSuchBucket"), fault.Is(err, "NoSuchTagSet"):
		return nil
	case err != nil:
		return err
	case tags[autoDeleteTag] != "true":
		return nil
	}
	s.denyWrites(ctx, c, bucket)
	return s.empty(ctx, c, bucket)
}

// denyWrites adds a statement to the bucket's policy. That it may not is no failure: CDK's own handler goes on too.
func (s Services) denyWrites(ctx context.Context, c iam.Caller, bucket string) {
	doc := map[string]any{"Version": "2012-10-17"}
	if text, err := s.S3.GetBucketPolicy(ctx, c, bucket); err == nil && json.Unmarshal([]byte(text), &doc) != nil {
		return
	}
	statements := listOf(doc["Statement"])
	if one, ok := doc["Statement"].(map[string]any); ok {
		statements = []any{one}
	}
	doc["Statement"] = append(statements, map[string]any{
		"Effect": "Deny", "Principal": "*", "Action": []string{"s3:PutObject"}, "Resource": []string{s3.BucketARN(bucket) + "/*"},
	})
	text, err := json.Marshal(doc)
	if err != nil {
		return
	}
	_ = s.S3.PutBucketPolicy(ctx, c, bucket, string(text)) // see above
}

// empty deletes all versions and delete markers until there is none.
func (s Services) empty(ctx context.Context, c iam.Caller, bucket string) error {
	target := s3.Target{Bucket: bucket}
	for {
		_, page, err := s.S3.ListObjectVersions(ctx, c, target, store.EntryOptions{Max: 1000})
		if err != nil {
			return deleted(err)
		}
		var all []s3.ToDelete
		for _, v := range page.Entries {
			all = append(all, s3.ToDelete{Key: v.Key, VersionID: v.VersionID})
		}
		if len(all) == 0 {
			return nil
		}
		results, err := s.S3.DeleteObjects(ctx, c, target, all)
		if err != nil {
			return deleted(err)
		}
		for _, x := range results {
			if x.Err != nil {
				return x.Err
			}
		}
	}
}

func (s Services) createRetention(ctx context.Context, r *request) (resource, error) {
	res, err := s.updateRetention(ctx, r)
	if err != nil {
		return resource{}, err
	}
	_, c, err := s.roleOf(ctx, r)
	if err != nil {
		return resource{}, err
	}
	own := "/aws/lambda/" + functionName(r.Properties.Text("ServiceToken")) // the function would have written to it
	return res, s.keepLogs(ctx, c, r.Region, own, 1)
}

func (s Services) updateRetention(ctx context.Context, r *request) (resource, error) {
	p, group := r.Properties, r.Properties.Text("LogGroupName")
	_, c, err := s.roleOf(ctx, r)
	if err != nil {
		return resource{}, err
	}
	if err := s.keepLogs(ctx, c, regionOf(r), group, intOf(p["RetentionInDays"])); err != nil {
		return resource{}, err
	}
	return resource{PhysicalID: group, Attributes: values{"LogGroupName": group}}, nil
}

func regionOf(r *request) string {
	if region := r.Properties.Text("LogGroupRegion"); region != "" {
		return region
	}
	return r.Region
}

// keepLogs makes the group when it is not there, and says for how many days it keeps events; 0 is for ever.
func (s Services) keepLogs(ctx context.Context, c iam.Caller, region, group string, days int) error {
	if err := s.Logs.CreateLogGroup(ctx, c, region, group, nil); err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
		return err
	}
	if days == 0 {
		return s.Logs.DeleteRetentionPolicy(ctx, c, region, group)
	}
	return s.Logs.PutRetentionPolicy(ctx, c, region, group, days)
}

func (s Services) deleteRetention(ctx context.Context, r *request) error {
	if r.PhysicalID == createFailed || r.Properties.Text("RemovalPolicy") != "destroy" {
		return nil
	}
	_, c, err := s.roleOf(ctx, r)
	if err != nil {
		return err
	}
	return deleted(s.Logs.DeleteLogGroup(ctx, c, regionOf(r), r.Properties.Text("LogGroupName")))
}

// flatten makes one level of an API's answer: {"A":{"B":[1]}} is {"A.B.0":1}.
func flatten(into values, prefix string, v any) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			flatten(into, join(prefix, k), e)
		}
	case []any:
		for i, e := range x {
			flatten(into, join(prefix, strconv.Itoa(i)), e)
		}
	case nil:
	default:
		into[prefix] = x
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// only keeps the keys that begin with one of the paths.
func only(all values, paths []string) values {
	if len(paths) == 0 {
		return all
	}
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(k string, _ any) bool {
		for _, p := range paths {
			if strings.HasPrefix(k, p) {
				return false
			}
		}
		return true
	})
	return out
}
