package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/iam"
	"glassine/s3"
	"glassine/store"
)

// helper is the template of a CDK helper function and its role with the statements.
func helper(name, statements string) string {
	return `
  ` + name + `Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: ` + trust + `
      Policies: [{PolicyName: p, PolicyDocument: {Version: "2012-10-17", Statement: [` + statements + `]}}]
  ` + name + `: {Type: AWS::Lambda::Function, Properties: {FunctionName: ` + name + `, Runtime: nodejs24.x, Handler: index.handler, Role: !GetAtt ` + name + `Role.Arn, Code: {ZipFile: "not run"}}}`
}

func TestAutoDeleteObjects(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	template := func(tag, bucket string) string {
		return `
Resources:
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: ` + bucket + `, VersioningConfiguration: {Status: Enabled}, Tags: [{Key: aws-cdk:auto-delete-objects, Value: "` + tag + `"}]}}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Deny, Principal: {AWS: "*"}, Action: s3:*, Resource: [!GetAtt Bucket.Arn, !Sub "${Bucket.Arn}/*"], Condition: {Bool: {aws:SecureTransport: false}}}
          - {Effect: Allow, Principal: {AWS: !GetAtt HelperRole.Arn}, Action: ["s3:DeleteObject*", "s3:GetBucket*", "s3:List*", s3:PutBucketPolicy], Resource: [!GetAtt Bucket.Arn, !Sub "${Bucket.Arn}/*"]}
  Empty: {Type: Custom::S3AutoDeleteObjects, DependsOn: Policy, Properties: {ServiceToken: !GetAtt Helper.Arn, BucketName: !Ref Bucket}}` +
			helper("Helper", `{Effect: Allow, Action: logs:CreateLogGroup, Resource: "*"}`)
	}
	fill := func(bucket string) {
		secure := r.root.WithContext(iam.Context{"aws:securetransport": {"true"}})
		for i := range 3 {
			if _, err := r.S3.PutObject(ctx, secure, s3.Target{Bucket: bucket}, fmt.Sprintf("k%d", i/2), strings.NewReader("x"), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.S3.DeleteObject(ctx, secure, s3.Target{Bucket: bucket}, "k0", store.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	r.deploy("auto", template("true", "first-bucket"))
	fill("first-bucket")
	// Another name: the old bucket is emptied and deleted.
	r.deploy("auto", template("true", "second-bucket"))
	if r.S3.HasBucket("first-bucket") {
		t.Error("the replaced bucket is still there")
	}
	fill("second-bucket")
	r.destroy("auto")
	if r.S3.HasBucket("second-bucket") {
		t.Error("the bucket is still there")
	}

	// Without its tag the bucket is not touched, and so the stack stays.
	r.deploy("kept", template("no", "kept-bucket"))
	fill("kept-bucket")
	if err := r.stack.DeleteStack(ctx, r.root, cloudformation.DeleteInput{Region: region, Name: "kept"}); err != nil {
		t.Fatal(err)
	}
	r.settle("kept", "DELETE_FAILED")
	if _, page, err := r.S3.ListObjectVersions(ctx, r.root, s3.Target{Bucket: "kept-bucket"}, store.EntryOptions{}); err != nil || len(page.Entries) != 4 {
		t.Errorf("versions = %d, %v, want all 4", len(page.Entries), err)
	}
}

func TestDeletionOfWhatNeverWas(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"Custom::S3AutoDeleteObjects", "Custom::LogRetention", "Custom::AWS"} {
		q := r.request(name, values{"ServiceToken": "arn:aws:lambda:us-east-1:" + account + ":function:none", "BucketName": "b", "Delete": `{"service":"S3","action":"listBuckets"}`, "RemovalPolicy": "destroy"})
		q.PhysicalID = createFailed
		if err := r.types.Find(name).Handler.Delete(t.Context(), q); err != nil {
			t.Errorf("%s: Delete after a failed creation = %v", name, err)
		}
		q.PhysicalID = "real"
		if err := r.types.Find(name).Handler.Delete(t.Context(), q); err == nil {
			t.Errorf("%s: Delete without its function is no error", name)
		}
	}
}

func TestLogRetention(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	template := func(days, policy string) string {
		return `
Resources:
  Keep: {Type: Custom::LogRetention, Properties: {ServiceToken: !GetAtt Helper.Arn, LogGroupName: /aws/lambda/x` + days + policy + `}}` +
			helper("Helper", `{Effect: Allow, Action: ["logs:*RetentionPolicy", logs:CreateLogGroup, logs:DeleteLogGroup], Resource: "*"}`) + `
Outputs: {Group: {Value: !GetAtt Keep.LogGroupName}}`
	}
	groups := func() map[string]int {
		all, err := r.Logs.DescribeLogGroups(ctx, r.root, region, "", "")
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int{}
		for _, g := range all {
			out[g.Name] = g.Retention
		}
		return out
	}
	out := r.deploy("retention", template(`, RetentionInDays: "3"`, ""))
	equal(t, "Data.LogGroupName", out["Group"], "/aws/lambda/x")
	equal(t, "physical id", out["#Keep"], "/aws/lambda/x")
	if got := groups(); got["/aws/lambda/x"] != 3 || got["/aws/lambda/Helper"] != 1 || len(got) != 2 {
		t.Errorf("groups = %v", got)
	}
	r.deploy("retention", template("", ", RemovalPolicy: destroy"))
	if got := groups(); got["/aws/lambda/x"] != 0 || len(got) != 2 {
		t.Errorf("groups after the update = %v", got)
	}
	r.destroy("retention")
	if got := groups(); len(got) != 1 {
		t.Errorf("groups at the end = %v, want the helper's own alone", got)
	}
	r.fails(`
Resources:
  Keep: {Type: Custom::LogRetention, Properties: {ServiceToken: !GetAtt Small.Arn, LogGroupName: /aws/lambda/x}}`+helper("Small", `{Effect: Allow, Action: s3:ListBucket, Resource: "*"}`), "logs:CreateLogGroup")
}

// fakeAPI is API calls by name.
type fakeAPI struct {
	run   func(region, service, operation string, input map[string]any) (map[string]any, error)
	calls []string
	keys  []iam.Credentials
}

func (f *fakeAPI) Run(_ context.Context, key iam.Credentials, region, service, operation string, input map[string]any) (map[string]any, error) {
	f.calls = append(f.calls, fmt.Sprint(region, " ", service, " ", operation, " ", input))
	f.keys = append(f.keys, key)
	return f.run(region, service, operation, input)
}

func TestAwsCustomResource(t *testing.T) {
	api := &fakeAPI{}
	api.run = func(_, _, operation string, input map[string]any) (map[string]any, error) {
		if operation == "fail" {
			return nil, fault.New("ParameterNotFound", "There is none.")
		}
		return map[string]any{"Parameter": map[string]any{"Value": "v-" + fmt.Sprint(input["Name"]), "Tags": []any{"a", "b"}}}, nil
	}
	r := newRig(t)
	s := r.Services
	s.API = api
	handler := s.natives()[4].Handler
	if _, err := r.IAM.CreateRole(t.Context(), r.root, iam.NewRole{Name: "helper", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}); err != nil {
		t.Fatal(err)
	}
	r.deploy("helper", "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {FunctionName: f, Role: arn:aws:iam::"+account+":role/helper, Code: glassine://image}}")
	token := "arn:aws:lambda:us-east-1:" + account + ":function:f"
	for _, c := range []struct {
		name       string
		properties values
		id         string
		attributes values
		call, code string
	}{
		{
			"one path of the answer",
			values{"Create": `{"service":"SSM","action":"getParameter","region":"us-west-2","parameters":{"Name":"/x","Deep":[{"On":"TRUE:BOOLEAN"}]},"physicalResourceId":{"id":"123"},"outputPath":"Parameter.Value"}`},
			"123",
			values{"Parameter.Value": "v-/x"},
			"us-west-2 SSM getParameter map[Deep:[map[On:true]] Name:/x]", "",
		},
		{
			"the whole answer, and the id of the update",
			values{
				"Create": `{"service":"ssm","action":"GetParameter","parameters":{"Name":"PHYSICAL:RESOURCEID:"},"apiVersion":"2014-11-06"}`,
				"Update": `{"service":"ssm","action":"x","physicalResourceId":{"id":"of-update"}}`,
			},
			"of-update",
			values{"Parameter.Value": "v-of-update", "Parameter.Tags.0": "a", "Parameter.Tags.1": "b", "region": "us-east-1", "apiVersion": "2014-11-06"},
			"us-east-1 ssm GetParameter map[Name:of-update]", "",
		},
		{
			"an id out of the answer",
			values{"Create": `{"service":"ssm","action":"x","parameters":{"Name":"n"},"physicalResourceId":{"responsePath":"Parameter.Value"},"outputPaths":["Parameter.Tags","region"]}`},
			"v-n",
			values{"Parameter.Tags.0": "a", "Parameter.Tags.1": "b", "region": "us-east-1"},
			"us-east-1 ssm x map[Name:n]", "",
		},
		{"no call at all", values{"Update": `{"service":"ssm","action":"x"}`}, "Thing", values{}, "", ""},
		{"an error that does not matter", values{"Create": `{"service":"ssm","action":"fail","ignoreErrorCodesMatching":"Not.*"}`}, "Thing", values{}, "us-east-1 ssm fail map[]", ""},
		{"an error that matters", values{"Create": `{"service":"ssm","action":"fail","ignoreErrorCodesMatching":"^NoSuch"}`}, "", nil, "us-east-1 ssm fail map[]", "ParameterNotFound"},
		{"no JSON", values{"Create": `{`}, "", nil, "", "InvalidRequest"},
		{"no service", values{"Create": `{}`}, "", nil, "", "InvalidRequest"},
		{"a role that does not trust", values{"Create": `{"service":"ssm","action":"x","assumedRoleArn":"arn:aws:iam::` + account + `:role/none"}`}, "", nil, "", "AccessDenied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			api.calls = nil
			c.properties["ServiceToken"] = token
			res, err := handler.Create(t.Context(), r.request("Custom::AWS", c.properties))
			wantCode(t, "Create", err, c.code)
			if err == nil && (res.PhysicalID != c.id || !maps.Equal(res.Attributes, c.attributes)) {
				t.Errorf("Create = %s %v, want %s %v", res.PhysicalID, res.Attributes, c.id, c.attributes)
			}
			if got := strings.Join(api.calls, "; "); got != c.call {
				t.Errorf("calls = %s, want %s", got, c.call)
			}
		})
	}
	// The calls are the function's role's own.
	_, c, err := r.IAM.Lookup(t.Context(), api.keys[0].AccessKeyID, api.keys[0].SessionToken)
	if err != nil || c.Principal.RoleARN != "arn:aws:iam::"+account+":role/helper" {
		t.Errorf("the call was made by %+v, %v, want the role helper", c.Principal, err)
	}
	// An update that gives no id keeps it; a deletion calls with it.
	api.calls = nil
	q := r.request("Custom::AWS", values{"ServiceToken": token, "Update": `{"service":"ssm","action":"u"}`, "Delete": `{"service":"ssm","action":"d","parameters":{"Name":"PHYSICAL:RESOURCEID:"}}`})
	q.PhysicalID, q.Previous = "kept", values{}
	if res, err := handler.Update(t.Context(), q); err != nil || res.PhysicalID != "kept" {
		t.Errorf("Update = %+v, %v", res, err)
	}
	if err := handler.Delete(t.Context(), q); err != nil {
		t.Error(err)
	}
	if want := []string{"us-east-1 ssm u map[]", "us-east-1 ssm d map[Name:kept]"}; !slices.Equal(api.calls, want) {
		t.Errorf("calls = %q, want %q", api.calls, want)
	}
	s.API = nil
	_, err = s.natives()[4].Handler.Update(t.Context(), q)
	wantCode(t, "without an API", err, "NotImplemented")
}

func FuzzAPICall(f *testing.F) {
	f.Add(`{"service":"SSM","action":"getParameter","parameters":{"Name":"PHYSICAL:RESOURCEID:"},"physicalResourceId":{"id":"1","responsePath":"a"},"outputPaths":["a"]}`)
	f.Add(`{"service":1}`)
	f.Add(`{"service":"a","action":"b","parameters":[1]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := callOf(values{"Create": text}, "Create")
		if (c == nil) != (err != nil || text == "") {
			t.Fatalf("callOf(%q) = %+v, %v", text, c, err)
		}
		if c == nil {
			return
		}
		parameters, _ := replaced(c.Parameters, "id").(map[string]any)
		all := values{}
		flatten(all, "", parameters)
		for k, v := range all {
			if v == physicalIDReference || v == nil {
				t.Errorf("parameter %q is %v", k, v)
			}
		}
	})
}

// Who may not invoke the function of a ServiceToken gets nothing done with its role.
func TestNativesAskForTheRightToInvoke(t *testing.T) {
	r := newRig(t)
	r.stock()
	if _, err := r.IAM.CreateUser(t.Context(), r.root, iam.NewUser{Name: "nobody"}); err != nil {
		t.Fatal(err)
	}
	key, _, err := r.IAM.CreateAccessKey(t.Context(), r.root, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	_, nobody, err := r.IAM.Lookup(t.Context(), key.AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, properties := range map[string]values{
		"Custom::S3AutoDeleteObjects": {"BucketName": "base-bucket"}, "Custom::LogRetention": {"LogGroupName": "base-logs"},
		"Custom::AWS": {"Create": `{"service":"SSM","action":"getParameter"}`},
	} {
		properties["ServiceToken"] = "arn:aws:lambda:us-east-1:" + account + ":function:base"
		q := r.request(name, properties)
		q.Caller = nobody
		_, err := r.types.Find(name).Handler.Create(t.Context(), q)
		if !fault.Is(err, "AccessDenied") || !strings.Contains(err.Error(), "lambda:InvokeFunction") {
			t.Errorf("%s = %v, want AccessDenied for lambda:InvokeFunction", name, err)
		}
	}
}
