package iam

import (
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

// TestAWSManagedPolicies asks each AWS managed policy one thing that it allows and one that it does not.
func TestAWSManagedPolicies(t *testing.T) {
	const fn, role = "arn:aws:lambda:eu-west-1:111122223333:function:f", "arn:aws:iam::111122223333:role/r"
	rows := []struct{ name, yes, yesOn, no, noOn string }{
		{"AdministratorAccess", "iam:DeleteUser", "*", "", ""},
		{"PowerUserAccess", "s3:DeleteBucket", "arn:aws:s3:::b", "iam:CreateUser", "*"},
		{"ReadOnlyAccess", "s3:GetObject", testObject, "s3:PutObject", testObject},
		{"job-function/ViewOnlyAccess", "s3:ListBucket", "arn:aws:s3:::b", "s3:GetObject", testObject},
		{"AmazonS3FullAccess", "s3-object-lambda:GetObject", "*", "lambda:InvokeFunction", fn},
		{"AmazonS3ReadOnlyAccess", "s3:ListBucket", "arn:aws:s3:::b", "s3:DeleteObject", testObject},
		{"service-role/AmazonS3ObjectLambdaExecutionRolePolicy", "s3-object-lambda:WriteGetObjectResponse", objectLambdaARN, "s3:GetObject", testObject},
		{"service-role/AWSLambdaBasicExecutionRole", "logs:PutLogEvents", "*", "logs:DeleteLogGroup", "*"},
		{"service-role/AWSLambdaVPCAccessExecutionRole", "ec2:CreateNetworkInterface", "*", "ec2:RunInstances", "*"},
		{"service-role/AWSLambdaRole", "lambda:InvokeFunction", fn, "lambda:DeleteFunction", fn},
		{"AWSLambdaExecute", "s3:PutObject", testObject, "s3:DeleteObject", testObject},
		{"AWSLambda_FullAccess", "lambda:CreateFunction", fn, "iam:PassRole", role},
		{"AWSLambda_ReadOnlyAccess", "lambda:GetFunction", fn, "lambda:InvokeFunction", fn},
		{"CloudFrontFullAccess", "cloudfront:CreateDistribution", "*", "s3:GetObject", testObject},
		{"CloudFrontReadOnlyAccess", "cloudfront:GetDistribution", "*", "cloudfront:CreateInvalidation", "*"},
		{"AWSCloudFormationFullAccess", "cloudformation:CreateStack", "*", "iam:CreateRole", role},
		{"AWSCloudFormationReadOnlyAccess", "cloudformation:DescribeStacks", "*", "cloudformation:DeleteStack", "*"},
		{"CloudWatchLogsFullAccess", "logs:DeleteLogGroup", "*", "s3:GetObject", testObject},
		{"CloudWatchLogsReadOnlyAccess", "logs:FilterLogEvents", "*", "logs:PutLogEvents", "*"},
		{"IAMFullAccess", "iam:CreateRole", role, "s3:GetObject", testObject},
		{"IAMReadOnlyAccess", "iam:SimulatePrincipalPolicy", role, "iam:CreateRole", role},
		{"AWSXRayDaemonWriteAccess", "xray:PutTraceSegments", "*", "xray:GetTraceSummaries", "*"},
		{"AWSXrayWriteOnlyAccess", "xray:PutTelemetryRecords", "*", "xray:GetTraceSummaries", "*"},
		{"AmazonSSMReadOnlyAccess", "ssm:GetParameter", "*", "ssm:PutParameter", "*"},
	}
	s, _, _ := newService(t)
	for _, c := range rows {
		e := s.managed["arn:aws:iam::aws:policy/"+c.name]
		if e == nil {
			t.Errorf("%s is not there", c.name)
			continue
		}
		decide := func(action, resource string) bool {
			return Decide(Request{Principal: testUser, Action: action, Resources: []string{resource}}, Policies{Identity: []*Policy{e.document}}).Allowed
		}
		if !decide(c.yes, c.yesOn) {
			t.Errorf("%s does not allow %s on %s", c.name, c.yes, c.yesOn)
		}
		if c.no != "" && decide(c.no, c.noOn) {
			t.Errorf("%s allows %s on %s", c.name, c.no, c.noOn)
		}
	}
	if len(rows) != len(s.managed) {
		t.Errorf("%d policies asked, there are %d", len(rows), len(s.managed))
	}
	pass := Request{Principal: testUser, Action: "iam:PassRole", Resources: []string{role}, Context: Context{"iam:passedtoservice": {"lambda.amazonaws.com"}}}
	if !Decide(pass, Policies{Identity: []*Policy{s.managed["arn:aws:iam::aws:policy/AWSLambda_FullAccess"].document}}).Allowed {
		t.Error("AWSLambda_FullAccess does not let a role be passed to Lambda")
	}
}

func TestPolicyVersions(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", "")
	p, err := s.CreatePolicy(ctx, root, NewPolicy{Name: "photos", Path: "/d/", Description: "reads", Document: allowIdentity, Tags: []Tag{{"team", "a"}}})
	must(t, err)
	const arn = "arn:aws:iam::111122223333:policy/d/photos"
	if p.ARN != arn || p.DefaultVersion != "v1" || p.Attachments != 0 || len(p.ID) != 21 || !strings.HasPrefix(p.ID, "ANPA") || len(p.Tags) != 1 {
		t.Errorf("created %+v", p)
	}
	must(t, s.AttachUserPolicy(ctx, root, "bob", arn))
	allowed := func(when, action string, want bool) {
		t.Helper()
		for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
			d, err := s.Explain(ctx, bob, Ask{Action: action, Resources: []string{testObject}})
			if err != nil || d.Allowed != want || want && d.Policy != arn {
				t.Errorf("%s, %s: %+v, %v, want allowed %v by %s", when, name, d, err, want, arn)
			}
		}
	}
	version := func(doc string, setDefault bool) string {
		t.Helper()
		clk.add(time.Minute)
		v, err := s.CreatePolicyVersion(ctx, root, arn, doc, setDefault)
		must(t, err)
		if v.Default != setDefault || !v.Created.Equal(clk.now()) {
			t.Errorf("created %+v", v)
		}
		return v.ID
	}
	allowed("v1", "s3:GetObject", true)
	version(allowOther, false)
	allowed("v2 is not in force", "s3:PutObject", false)
	must(t, s.SetDefaultPolicyVersion(ctx, root, arn, "v2"))
	allowed("v2 is in force", "s3:PutObject", true)
	allowed("v1 no more", "s3:GetObject", false)
	version(allowIdentity, true)
	allowed("v3", "s3:GetObject", true)
	version(allowOther, false)
	version(allowOther, false)
	_, err = s.CreatePolicyVersion(ctx, root, arn, allowOther, false)
	wantCode(t, err, "LimitExceeded")
	wantCode(t, s.DeletePolicyVersion(ctx, root, arn, "v3"), "DeleteConflict")
	must(t, s.DeletePolicyVersion(ctx, root, arn, "v5"))
	if id := version(allowOther, false); id != "v6" {
		t.Errorf("the version after v5 was deleted is %s, want v6: ids are never used again", id)
	}
	list, err := s.ListPolicyVersions(ctx, root, arn)
	var ids []string
	for _, v := range list {
		ids = append(ids, v.ID)
	}
	if got := strings.Join(ids, " "); err != nil || got != "v6 v4 v3 v2 v1" {
		t.Errorf("versions %q, %v", got, err)
	}
	if v, err := s.GetPolicyVersion(ctx, root, arn, "v2"); err != nil || v.Document != allowOther || v.Default {
		t.Errorf("v2 is %+v, %v", v, err)
	}
	for id, code := range map[string]string{"v9": "NoSuchEntity", "9": "ValidationError", "v0": "ValidationError", "v+1": "ValidationError", "v": "ValidationError"} {
		_, err := s.GetPolicyVersion(ctx, root, arn, id)
		wantCode(t, err, code)
	}
	wantCode(t, s.DeletePolicy(ctx, root, arn), "DeleteConflict") // attached
	users, err := s.ListEntitiesForPolicy(ctx, root, arn, "", false)
	if err != nil || len(users.Users) != 1 || users.Users[0].Name != "bob" || len(users.Roles)+len(users.Groups) != 0 {
		t.Errorf("ListEntitiesForPolicy gave %+v, %v", users, err)
	}
	must(t, s.DetachUserPolicy(ctx, root, "bob", arn))
	wantCode(t, s.DeletePolicy(ctx, root, arn), "DeleteConflict") // versions
	for _, id := range []string{"v1", "v2", "v4", "v6"} {
		must(t, s.DeletePolicyVersion(ctx, root, arn, id))
	}
	must(t, s.DeletePolicy(ctx, root, arn))
	_, err = s.GetPolicy(ctx, root, arn)
	wantCode(t, err, "NoSuchEntity")
}

func TestManagedPolicyRefusals(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	must(t, second(s.CreatePolicy(ctx, root, NewPolicy{Name: "P", Document: allowIdentity})))
	create := func(n NewPolicy) error { return second(s.CreatePolicy(ctx, root, n)) }
	big := func(n int) string {
		return strings.Replace(allowIdentity, "s3:GetObject", "s3:"+strings.Repeat("x", n-length(allowIdentity)+len("GetObject")), 1)
	}
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"name in another case":    {create(NewPolicy{Name: "p", Path: "/d/", Document: allowIdentity}), "EntityAlreadyExists"},
		"no document":             {create(NewPolicy{Name: "x"}), "ValidationError"},
		"broken document":         {create(NewPolicy{Name: "x", Document: "{"}), "MalformedPolicyDocument"},
		"as long as can be":       {create(NewPolicy{Name: "long", Document: big(maxManaged)}), ""},
		"white space is free":     {create(NewPolicy{Name: "white", Document: strings.Repeat(" \n", 9000) + big(maxManaged)}), ""},
		"too long":                {create(NewPolicy{Name: "x", Document: big(maxManaged + 1)}), "LimitExceeded"},
		"no policy":               {second(s.GetPolicy(ctx, root, "arn:aws:iam::111122223333:policy/nosuch")), "NoSuchEntity"},
		"the path left out":       {second(s.GetPolicy(ctx, root, "arn:aws:iam::aws:policy/AWSLambdaRole")), "NoSuchEntity"},
		"no ARN":                  {second(s.GetPolicy(ctx, root, "AdministratorAccess-or-such")), "ValidationError"},
		"AWS's policy deleted":    {s.DeletePolicy(ctx, root, adminRole), "AccessDenied"},
		"AWS's policy changed":    {second(s.CreatePolicyVersion(ctx, root, adminRole, allowIdentity, true)), "AccessDenied"},
		"AWS's policy tagged":     {s.TagPolicy(ctx, root, adminRole, []Tag{{"a", "b"}}), "AccessDenied"},
		"boundary that is none":   {second(s.CreateUser(ctx, root, NewUser{Name: "x", Boundary: "arn:aws:iam::aws:policy/Nothing"})), "NoSuchEntity"},
		"boundary that is a role": {second(s.CreateRole(ctx, root, NewRole{Name: "x", Trust: functionTrust, Boundary: functionRole})), "NoSuchEntity"},
		"boundary that is no ARN": {second(s.CreateRole(ctx, root, NewRole{Name: "x", Trust: functionTrust, Boundary: "AdministratorAccess-or-such"})), "ValidationError"},
	} {
		if fault.Code(c.err) != c.code {
			t.Errorf("%s: %v, want code %q", name, c.err, c.code)
		}
	}
}

func TestBoundaries(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	p, err := s.CreatePolicy(ctx, root, NewPolicy{Name: "limit", Document: allowOther})
	must(t, err)
	const everything = `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	_, bob := makeUser(t, s, "bob", everything)
	_, worker := assume(t, s, makeRole(t, s, "worker", everything))
	allowed := func(when string, action string, want bool) {
		t.Helper()
		for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
			for _, who := range []Caller{bob, worker} {
				d, err := s.Explain(ctx, who, Ask{Action: action, Resources: []string{testObject}})
				if err != nil || d.Allowed != want || !want && d.By != BoundaryPolicy {
					t.Errorf("%s, %s, %s: %+v, %v, want allowed %v", when, name, who.Principal.ARN, d, err, want)
				}
			}
		}
	}
	must(t, s.PutUserPermissionsBoundary(ctx, root, "bob", p.ARN), s.PutRolePermissionsBoundary(ctx, root, "worker", p.ARN))
	allowed("inside", "s3:PutObject", true)
	allowed("outside", "s3:GetObject", false)
	if err := s.Authorize(ctx, bob, Ask{Action: "s3:GetObject", Resources: []string{testObject}}); err == nil || !strings.HasSuffix(err.Error(), "because no permissions boundary allows the s3:GetObject action") {
		t.Errorf("message: %v", err)
	}
	wantCode(t, s.DeletePolicy(ctx, root, p.ARN), "DeleteConflict")
	if got, err := s.GetPolicy(ctx, root, p.ARN); err != nil || got.Boundaries != 2 || got.Attachments != 0 {
		t.Errorf("GetPolicy gave %+v, %v", got, err)
	}
	if got, err := s.ListEntitiesForPolicy(ctx, root, p.ARN, "", true); err != nil || len(got.Users) != 1 || len(got.Roles) != 1 {
		t.Errorf("ListEntitiesForPolicy gave %+v, %v", got, err)
	}
	must(t, second(s.CreatePolicyVersion(ctx, root, p.ARN, allowIdentity, true)))
	allowed("the boundary's new version", "s3:GetObject", true)
	must(t, s.DeleteUserPermissionsBoundary(ctx, root, "bob"), s.DeleteRolePermissionsBoundary(ctx, root, "worker"))
	allowed("without one", "s3:PutObject", true)
	wantCode(t, s.DeleteRolePermissionsBoundary(ctx, root, "worker"), "NoSuchEntity")
}

// A delegated administrator may make roles only within a boundary, and may not lift it.
// IAM User Guide, "Permissions boundaries for IAM entities", delegating responsibility.
func TestDelegatedAdministrator(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	p, err := s.CreatePolicy(ctx, root, NewPolicy{Name: "limit", Document: allowOther})
	must(t, err)
	_, admin := makeUser(t, s, "admin", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["iam:CreateRole","iam:PutRolePolicy","iam:PutRolePermissionsBoundary"],"Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+p.ARN+`"}}},
		{"Effect":"Allow","Action":"iam:TagRole","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"a"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}]}`)
	create := func(name, boundary string, tags ...Tag) error {
		return second(s.CreateRole(ctx, admin, NewRole{Name: name, Trust: functionTrust, Boundary: boundary, Tags: tags}))
	}
	wantCode(t, create("free", ""), "AccessDenied")
	wantCode(t, create("free", adminRole), "AccessDenied")
	must(t, create("bounded", p.ARN))
	wantCode(t, create("tagged", p.ARN, Tag{"team", "b"}), "AccessDenied")
	wantCode(t, create("tagged", p.ARN, Tag{"team", "a"}, Tag{"more", ""}), "AccessDenied")
	must(t, create("tagged", p.ARN, Tag{"team", "a"}))
	must(t, s.PutRolePolicy(ctx, admin, "bounded", "p", allowIdentity))
	makeRole(t, s, "other", "")
	wantCode(t, s.PutRolePolicy(ctx, admin, "other", "p", allowIdentity), "AccessDenied")
	wantCode(t, s.PutRolePermissionsBoundary(ctx, admin, "bounded", adminRole), "AccessDenied")
	wantCode(t, s.DeleteRolePermissionsBoundary(ctx, admin, "bounded"), "AccessDenied")
}

func TestTags(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}/*"},
		{"Effect":"Allow","Action":"iam:GetRole","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/Team}"}}}]}`)
	makeRole(t, s, "worker", "")
	ask := Ask{Action: "s3:GetObject", Resources: []string{"arn:aws:s3:::b/photos/1"}}
	wantCode(t, s.Authorize(ctx, bob, ask), "AccessDenied")
	forged := bob.WithContext(Context{"aws:PrincipalTag/Team": {"photos"}})
	wantCode(t, s.Authorize(ctx, forged, Ask{Action: ask.Action, Resources: ask.Resources, Context: Context{"aws:PrincipalTag/team": {"photos"}}}), "AccessDenied")
	must(t, s.TagUser(ctx, root, "bob", []Tag{{"Team", "photos"}, {"k", ""}}))
	must(t, s.Authorize(ctx, bob, ask))
	wantCode(t, second(s.GetRole(ctx, bob, "worker")), "AccessDenied")
	must(t, s.TagRole(ctx, root, "worker", []Tag{{"team", "photos"}}), second(s.GetRole(ctx, bob, "worker")))
	must(t, s.TagUser(ctx, root, "bob", []Tag{{"TEAM", "films"}}))
	if list, err := s.ListUserTags(ctx, root, "bob"); err != nil || len(list) != 2 || list[0] != (Tag{"TEAM", "films"}) {
		t.Errorf("tags are %v, %v", list, err)
	}
	must(t, s.UntagUser(ctx, root, "bob", []string{"team", "nosuch"}))
	wantCode(t, s.Authorize(ctx, bob, ask), "AccessDenied")
	many := make([]Tag, maxTags)
	for i := range many {
		many[i] = Tag{Key: strings.Repeat("x", i+1)}
	}
	wantCode(t, s.TagUser(ctx, root, "bob", many), "LimitExceeded") // with k
	for name, tags := range map[string][]Tag{
		"too many": append(many, Tag{Key: "y"}), "no key": {{}}, "long key": {{strings.Repeat("ä", 129), ""}}, "long value": {{"a", strings.Repeat("ä", 257)}}, "a bracket": {{"a(", ""}},
	} {
		if err := s.TagUser(ctx, root, "bob", tags); !fault.Is(err, "ValidationError") {
			t.Errorf("%s: %v, want ValidationError", name, err)
		}
	}
}

func TestServiceLinkedRoles(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	r, err := s.CreateServiceLinkedRole(ctx, root, "replicator.lambda.amazonaws.com", "")
	if err != nil || r.ARN != "arn:aws:iam::111122223333:role/aws-service-role/replicator.lambda.amazonaws.com/AWSServiceRoleForLambdaReplicator" {
		t.Fatalf("CreateServiceLinkedRole gave %+v, %v", r, err)
	}
	must(t, second(s.AssumeForService(ctx, r.ARN, []string{"replicator.lambda.amazonaws.com"}, "x", time.Hour)))
	wantCode(t, second(s.CreateServiceLinkedRole(ctx, root, "replicator.lambda.amazonaws.com", "")), "InvalidInput")
	wantCode(t, second(s.CreateServiceLinkedRole(ctx, root, "nosuch.amazonaws.com", "")), "InvalidInput")
}
