package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"glassine/cloudformation"
	"glassine/iam"
	"glassine/lambda"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/state"
	"glassine/store/memory"
)

// cutStore is a store whose power fails at a commit: that commit is done or not, and nothing comes after it until it is
// mended.
type cutStore struct {
	state.Store

	mu     sync.Mutex
	tables map[string]bool
	left   int  // commits until the cut; -1 is never
	done   bool // the commit at which it is cut is on disk all the same
	dead   bool
}

var errCut = errors.New("the power failed")

func (c *cutStore) Commit(ctx context.Context, changes ...state.Change) error {
	c.mu.Lock()
	for _, x := range changes {
		c.tables[x.Table] = true
	}
	cut := c.left == 0
	if c.left >= 0 {
		c.left--
	}
	dead := c.dead
	c.dead = dead || cut
	c.mu.Unlock()
	if dead || cut && !c.done {
		return errCut
	}
	if err := c.Store.Commit(ctx, changes...); err != nil || cut {
		return errors.Join(err, errCut)
	}
	return nil
}

func (c *cutStore) set(left int, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.done, c.dead = left, done, false
}

func (c *cutStore) wasCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// keys are the keys of all records.
func (c *cutStore) keys(t *testing.T) []string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for table := range c.tables {
		all, err := c.List(context.Background(), table, "")
		if err != nil {
			t.Fatal(err)
		}
		if table == "lambda/layers" || table == "cloudfront/tags" {
			continue // a layer's numbers go on after its last version; tags are written before the distribution that they are of
		}
		for _, r := range all {
			out = append(out, table+"/"+r.Key)
		}
	}
	slices.Sort(out)
	return out
}

// stock makes what the resources of the test refer to.
func (r *rig) stock() {
	r.t.Helper()
	ctx := context.Background()
	must := func(_ any, err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	must(r.S3.CreateBucket(ctx, r.root, "base-bucket", ""))
	r.upload("base-bucket", "layer.zip", "x.js", "x")
	must(r.S3.CreateAccessPoint(ctx, r.root, s3.NewAccessPoint{Name: "base-ap", Bucket: "base-bucket", Block: s3.BlockAll}))
	must(r.IAM.CreateRole(ctx, r.root, iam.NewRole{Name: "base-role", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","edgelambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`}))
	must(r.IAM.CreateUser(ctx, r.root, iam.NewUser{Name: "base-user"}))
	must(r.IAM.CreateGroup(ctx, r.root, "base-group", ""))
	must(r.Lambda.CreateFunction(ctx, r.root, lambda.NewFunction{Name: "base", Region: region, Role: "arn:aws:iam::" + account + ":role/base-role", Code: lambda.Code{URI: "glassine://signer"}}))
	must(r.ObjectLambda.Create(ctx, r.root, "base-olap", objectlambda.Configuration{
		SupportingAccessPoint: "arn:aws:s3:us-east-1:" + account + ":accesspoint/base-ap",
		Transformations:       []objectlambda.Transformation{{Actions: []string{"GetObject"}, Function: "arn:aws:lambda:us-east-1:" + account + ":function:base"}},
	}))
	must(nil, r.Logs.CreateLogGroup(ctx, r.root, region, "base-logs", nil))
}

type m = map[string]any

// interrupted is a resource of each type that makes something.
func interrupted() map[string]values {
	trust := m{"Version": "2012-10-17", "Statement": []any{m{"Effect": "Allow", "Principal": m{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}}
	policy := m{"Version": "2012-10-17", "Statement": []any{m{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}}
	inline := []any{m{"PolicyName": "a", "PolicyDocument": policy}, m{"PolicyName": "b", "PolicyDocument": policy}}
	attached := []any{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	tags := []any{m{"Key": "k", "Value": "v"}}
	role := "arn:aws:iam::" + account + ":role/base-role"
	to := func(resource string) m {
		return m{"Version": "2012-10-17", "Statement": []any{m{"Effect": "Allow", "Principal": m{"AWS": role}, "Action": "*", "Resource": resource}}}
	}
	selections := m{"HeadersConfig": m{"HeaderBehavior": "none"}, "CookiesConfig": m{"CookieBehavior": "none"}, "QueryStringsConfig": m{"QueryStringBehavior": "none"}}
	cache := m{"Name": "c", "DefaultTTL": 5.0, "MaxTTL": 5.0, "MinTTL": 0.0, "ParametersInCacheKeyAndForwardedToOrigin": m{
		"EnableAcceptEncodingGzip": true, "HeadersConfig": selections["HeadersConfig"], "CookiesConfig": selections["CookiesConfig"], "QueryStringsConfig": selections["QueryStringsConfig"],
	}}
	origin := m{"Name": "o", "HeadersConfig": selections["HeadersConfig"], "CookiesConfig": selections["CookiesConfig"], "QueryStringsConfig": selections["QueryStringsConfig"]}
	return map[string]values{
		"AWS::S3::Bucket": {
			"BucketName": "new-bucket", "Tags": tags, "VersioningConfiguration": m{"Status": "Enabled"},
			"CorsConfiguration": m{"CorsRules": []any{m{"AllowedMethods": []any{"GET"}, "AllowedOrigins": []any{"*"}}}},
		},
		"AWS::S3::BucketPolicy":                    {"Bucket": "base-bucket", "PolicyDocument": to("arn:aws:s3:::base-bucket")},
		"AWS::S3::AccessPoint":                     {"Name": "new-ap", "Bucket": "base-bucket", "Policy": to("arn:aws:s3:us-east-1:" + account + ":accesspoint/new-ap"), "Tags": tags},
		"AWS::S3ObjectLambda::AccessPoint":         {"Name": "new-olap", "ObjectLambdaConfiguration": m{"SupportingAccessPoint": "arn:aws:s3:us-east-1:" + account + ":accesspoint/base-ap", "TransformationConfigurations": []any{m{"Actions": []any{"GetObject"}, "ContentTransformation": m{"AwsLambda": m{"FunctionArn": "arn:aws:lambda:us-east-1:" + account + ":function:base"}}}}}},
		"AWS::S3ObjectLambda::AccessPointPolicy":   {"ObjectLambdaAccessPoint": "base-olap", "PolicyDocument": to("arn:aws:s3-object-lambda:us-east-1:" + account + ":accesspoint/base-olap")},
		"AWS::IAM::Role":                           {"RoleName": "new", "AssumeRolePolicyDocument": trust, "ManagedPolicyArns": attached, "Policies": inline, "Tags": tags},
		"AWS::IAM::User":                           {"UserName": "new", "Groups": []any{"base-group"}, "ManagedPolicyArns": attached, "Policies": inline},
		"AWS::IAM::Group":                          {"GroupName": "new", "ManagedPolicyArns": attached, "Policies": inline},
		"AWS::IAM::Policy":                         {"PolicyName": "p", "PolicyDocument": policy, "Roles": []any{"base-role"}, "Users": []any{"base-user"}, "Groups": []any{"base-group"}},
		"AWS::IAM::RolePolicy":                     {"PolicyName": "p", "RoleName": "base-role", "PolicyDocument": policy},
		"AWS::IAM::ManagedPolicy":                  {"ManagedPolicyName": "new", "PolicyDocument": policy, "Roles": []any{"base-role"}, "Users": []any{"base-user"}},
		"AWS::IAM::AccessKey":                      {"UserName": "base-user", "Status": "Inactive"},
		"AWS::IAM::UserToGroupAddition":            {"GroupName": "base-group", "Users": []any{"base-user"}},
		"AWS::Lambda::Function":                    {"FunctionName": "new", "Role": role, "Runtime": "nodejs22.x", "Handler": "index.handler", "Code": m{"ZipFile": "x"}, "ReservedConcurrentExecutions": int64(2), "Tags": tags},
		"AWS::Lambda::Version":                     {"FunctionName": "base"},
		"AWS::Lambda::Alias":                       {"FunctionName": "base", "Name": "live", "FunctionVersion": "$LATEST"},
		"AWS::Lambda::Permission":                  {"FunctionName": "base", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
		"AWS::Lambda::LayerVersion":                {"LayerName": "new", "Content": m{"S3Bucket": "base-bucket", "S3Key": "layer.zip"}},
		"AWS::Lambda::EventInvokeConfig":           {"FunctionName": "base", "Qualifier": "$LATEST", "MaximumRetryAttempts": int64(0)},
		"AWS::Logs::LogGroup":                      {"LogGroupName": "new", "RetentionInDays": int64(7), "Tags": tags},
		"AWS::Logs::LogStream":                     {"LogGroupName": "base-logs", "LogStreamName": "new"},
		"AWS::SSM::Parameter":                      {"Name": "/new", "Type": "String", "Value": "v", "Tags": m{"k": "v"}},
		"AWS::CloudFront::CachePolicy":             {"CachePolicyConfig": cache},
		"AWS::CloudFront::OriginRequestPolicy":     {"OriginRequestPolicyConfig": origin},
		"AWS::CloudFront::ResponseHeadersPolicy":   {"ResponseHeadersPolicyConfig": m{"Name": "r", "RemoveHeadersConfig": m{"Items": []any{m{"Header": "X-A"}}}}},
		"AWS::CloudFront::OriginAccessControl":     {"OriginAccessControlConfig": m{"Name": "a", "OriginAccessControlOriginType": "s3", "SigningBehavior": "always", "SigningProtocol": "sigv4"}},
		"AWS::CloudFront::Function":                {"Name": "new", "AutoPublish": true, "FunctionCode": "function handler(e) { return e.request }", "FunctionConfig": m{"Comment": "", "Runtime": "cloudfront-js-2.0"}},
		"AWS::CloudFront::Distribution":            {"DistributionConfig": m{"Enabled": true, "Origins": []any{m{"Id": "o", "DomainName": "x.example.com", "CustomOriginConfig": m{"OriginProtocolPolicy": "https-only"}}}, "DefaultCacheBehavior": m{"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}, "Tags": tags},
		"AWS::CDK::Metadata":                       {"Analytics": "x"},
		"AWS::CloudFormation::WaitConditionHandle": {},
	}
}

// A creation that is cut at any write, done on disk or not, is taken up again with the same token: the resource is there
// once, and after its deletion the records are those from before.
func TestInterruptedCreationsAreTakenUp(t *testing.T) {
	for name, properties := range interrupted() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &cutStore{Store: &state.Memory{}, tables: map[string]bool{}, left: -1}
			objects, dir := &memory.Store{}, t.TempDir()
			r := newRigOn(t, store, objects, dir)
			r.stock()
			before := store.keys(t)
			for at := 0; ; at++ {
				cut := false
				for _, done := range []bool{false, true} {
					what := fmt.Sprintf("cut at write %d, done %v", at, done)
					q := r.request(name, properties)
					q.Token, q.Begun = fmt.Sprintf("token-%d-%v", at, done), time.Now()
					store.set(at, done)
					res, err := r.types.Find(name).Handler.Create(t.Context(), q)
					if store.wasCut() {
						cut = true
						if err == nil {
							t.Fatalf("%s: Create says that all is well", what)
						}
						store.set(-1, false)
						r = newRigOn(t, store, objects, dir) // the program was killed
						retry := *q
						retry.Retry, retry.PhysicalID = true, res.PhysicalID
						if res, err = r.types.Find(name).Handler.Create(t.Context(), &retry); err != nil {
							t.Fatalf("%s: second Create = %v", what, err)
						}
					}
					store.set(-1, false)
					handler := r.types.Find(name).Handler
					if err != nil || res.PhysicalID == "" {
						t.Fatalf("%s: Create = %+v, %v", what, res, err)
					}
					q.PhysicalID, q.Attributes = res.PhysicalID, res.Attributes
					if read, err := handler.Read(t.Context(), q); err != nil || read.PhysicalID != res.PhysicalID {
						t.Errorf("%s: Read = %+v, %v, want %s", what, read, err, res.PhysicalID)
					}
					for range 2 {
						if err := handler.Delete(t.Context(), q); err != nil {
							t.Fatalf("%s: Delete = %v", what, err)
						}
					}
					if after := store.keys(t); !slices.Equal(after, before) {
						t.Fatalf("%s: records after the deletion = %q, want %q", what, after, before)
					}
				}
				if !cut {
					return
				}
			}
		})
	}
}

// What was there before the first attempt is nobody's to take.
func TestRetryDoesNotTakeWhatIsOlder(t *testing.T) {
	r := newRig(t)
	r.stock()
	handlerOf := func(name string) cloudformation.Handler { return r.types.Find(name).Handler }
	for _, name := range []string{
		"AWS::S3::Bucket", "AWS::S3::AccessPoint", "AWS::S3ObjectLambda::AccessPoint", "AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group", "AWS::IAM::ManagedPolicy",
		"AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::Logs::LogStream", "AWS::SSM::Parameter", "AWS::CloudFront::CachePolicy", "AWS::CloudFront::Function",
	} {
		q := r.request(name, interrupted()[name])
		if _, err := handlerOf(name).Create(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		q.Token, q.Retry, q.Begun = "token-2", true, time.Now().Add(2*time.Second)
		if res, err := handlerOf(name).Create(t.Context(), q); err == nil {
			t.Errorf("%s: a later operation took %s", name, res.PhysicalID)
		}
	}
}
