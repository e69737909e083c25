package provider

import (
	"slices"
	"strings"
	"testing"

	"glassine/iam"
)

const trust = `{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}`

func doc(action string) string {
	return `{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "` + action + `", Resource: "*"}]}`
}

func TestRoleFromItsFirstDayToItsLast(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	out := r.deploy("roles", `
Resources:
  Boundary: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: `+doc("*")+`}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: `+trust+`
      Description: one
      MaxSessionDuration: 7200
      PermissionsBoundary: !Ref Boundary
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]
      Policies: [{PolicyName: a, PolicyDocument: `+doc("s3:GetObject")+`}, {PolicyName: b, PolicyDocument: `+doc("s3:PutObject")+`}]
      Tags: [{Key: t, Value: "1"}]
Outputs:
  Arn: {Value: !GetAtt Role.Arn}
  Id: {Value: !GetAtt Role.RoleId}
`)
	name := out["#Role"]
	if !strings.HasPrefix(name, "roles-Role-") || len(name) != len("roles-Role-")+12 {
		t.Errorf("name = %q, want roles-Role-<12>", name)
	}
	role, err := r.IAM.GetRole(ctx, r.root, name)
	if err != nil || role.ARN != out["Arn"] || role.ID != out["Id"] || role.Description != "one" || role.MaxSessionDuration.Hours() != 2 || role.Boundary != out["#Boundary"] ||
		len(role.Inline) != 2 || !slices.Equal(role.Attached, []string{"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}) || len(role.Tags) != 1 {
		t.Errorf("role = %+v, %v", role, err)
	}

	out = r.deploy("roles", `
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: edgelambda.amazonaws.com}, Action: sts:AssumeRole}]}
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      Policies: [{PolicyName: b, PolicyDocument: `+doc("s3:ListBucket")+`}]
`)
	equal(t, "role after the update", out["#Role"], name)
	role, err = r.IAM.GetRole(ctx, r.root, name)
	if err != nil || role.Description != "" || role.MaxSessionDuration.Hours() != 1 || role.Boundary != "" || len(role.Inline) != 1 || !strings.Contains(role.Inline["b"], "ListBucket") ||
		!slices.Equal(role.Attached, []string{"arn:aws:iam::aws:policy/AdministratorAccess"}) || len(role.Tags) != 0 || !strings.Contains(role.Trust, "edgelambda") {
		t.Errorf("role after the update = %+v, %v", role, err)
	}

	out = r.deploy("roles", "Resources: {Role: {Type: AWS::IAM::Role, Properties: {RoleName: other, AssumeRolePolicyDocument: "+trust+"}}}")
	equal(t, "role after the replacement", out["#Role"], "other")
	_, err = r.IAM.GetRole(ctx, r.root, name)
	wantCode(t, "the replaced role", err, "NoSuchEntity")
	r.destroy("roles")
	_, err = r.IAM.GetRole(ctx, r.root, "other")
	wantCode(t, "the deleted role", err, "NoSuchEntity")
}

func TestPoliciesOfTheirOwn(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	template := func(inline, managed, roles string) string {
		return `
Resources:
  One: {Type: AWS::IAM::Role, Properties: {RoleName: one, AssumeRolePolicyDocument: ` + trust + `}}
  Two: {Type: AWS::IAM::Role, Properties: {RoleName: two, AssumeRolePolicyDocument: ` + trust + `}}
  Group: {Type: AWS::IAM::Group, Properties: {GroupName: group, Policies: [{PolicyName: g, PolicyDocument: ` + doc("s3:GetObject") + `}]}}
  Policy: {Type: AWS::IAM::Policy, Properties: {PolicyName: "` + inline + `", PolicyDocument: ` + doc("s3:"+inline) + `, Roles: ` + roles + `, Groups: [!Ref Group]}}
  Managed: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: ` + doc(managed) + `, Roles: ` + roles + `}}
  Single: {Type: AWS::IAM::RolePolicy, Properties: {PolicyName: single, RoleName: !Ref One, PolicyDocument: ` + doc(managed) + `}}
Outputs:
  Version: {Value: !GetAtt Managed.DefaultVersionId}
`
	}
	out := r.deploy("policies", template("GetObject", "s3:a", "[!Ref One, !Ref Two]"))
	policy := func(role, name string) string {
		text, err := r.IAM.GetRolePolicy(ctx, r.root, role, name)
		if err != nil {
			return ""
		}
		return text
	}
	if policy("one", "GetObject") == "" || policy("two", "GetObject") == "" || policy("one", "single") == "" {
		t.Error("an inline policy is missing")
	}
	if !strings.HasPrefix(out["#Managed"], "arn:aws:iam::"+account+":policy/policies-Managed-") || out["Version"] != "v1" {
		t.Errorf("managed policy = %q %q", out["#Managed"], out["Version"])
	}
	// More versions than IAM keeps.
	for i, action := range []string{"s3:b", "s3:c", "s3:d", "s3:e", "s3:f", "s3:g"} {
		out = r.deploy("policies", template("PutObject", action, "[!Ref Two]"))
		if i == 0 {
			if policy("one", "GetObject") != "" || policy("two", "GetObject") != "" || policy("one", "PutObject") != "" || policy("two", "PutObject") == "" {
				t.Error("the inline policy did not follow its new name and roles")
			}
		}
	}
	v, err := r.IAM.GetPolicyVersion(ctx, r.root, out["#Managed"], out["Version"])
	if err != nil || out["Version"] != "v7" || !strings.Contains(v.Document, "s3:g") {
		t.Errorf("version in force = %+v %s, %v", v, out["Version"], err)
	}
	if role, err := r.IAM.GetRole(ctx, r.root, "one"); err != nil || len(role.Attached) != 0 {
		t.Errorf("role one = %+v, %v, want nothing attached", role, err)
	}
	r.destroy("policies")
	_, err = r.IAM.GetPolicy(ctx, r.root, out["#Managed"])
	wantCode(t, "the deleted policy", err, "NoSuchEntity")
	r.fails("Resources: {P: {Type: AWS::IAM::Policy, Properties: {PolicyName: p, PolicyDocument: "+doc("s3:a")+"}}}", "At least one of [Groups,Roles,Users] must be non-empty.")
}

func TestUsersKeysAndGroups(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	template := func(path, groups, status, serial string) string {
		return `
Resources:
  G1: {Type: AWS::IAM::Group, Properties: {GroupName: g1, ManagedPolicyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}}
  G2: {Type: AWS::IAM::Group, Properties: {GroupName: g2}}
  User: {Type: AWS::IAM::User, Properties: {UserName: ann, Path: ` + path + `, Groups: ` + groups + `, Policies: [{PolicyName: p, PolicyDocument: ` + doc("s3:a") + `}]}}
  Bob: {Type: AWS::IAM::User, Properties: {UserName: bob}}
  Addition: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: !Ref G2, Users: [!Ref Bob]}}
  Key: {Type: AWS::IAM::AccessKey, Properties: {UserName: !Ref User, Status: ` + status + `, Serial: ` + serial + `}}
Outputs:
  Arn: {Value: !GetAtt User.Arn}
  Secret: {Value: !GetAtt Key.SecretAccessKey}
`
	}
	out := r.deploy("users", template("/a/", "[!Ref G1]", "Active", "1"))
	equal(t, "Arn", out["Arn"], "arn:aws:iam::"+account+":user/a/ann")
	secret, c, err := r.IAM.Lookup(ctx, out["#Key"], "")
	if err != nil || secret != out["Secret"] || c.Principal.Name != "ann" {
		t.Errorf("the key is %v of %v, %v", out["#Key"], c.Principal.Name, err)
	}
	if groups, err := r.IAM.ListGroupsForUser(ctx, r.root, "bob"); err != nil || len(groups) != 1 {
		t.Errorf("groups of bob = %v, %v", groups, err)
	}
	again := r.deploy("users", template("/b/", "[!Ref G2]", "Inactive", "1"))
	equal(t, "key after the update", again["#Key"], out["#Key"])
	equal(t, "secret after the update", again["Secret"], out["Secret"])
	user, err := r.IAM.GetUser(ctx, r.root, "ann")
	if err != nil || user.Path != "/b/" || !slices.Equal(user.Groups, []string{"g2"}) || len(user.Inline) != 1 {
		t.Errorf("user = %+v, %v", user, err)
	}
	keys, err := r.IAM.ListAccessKeys(ctx, r.root, "ann")
	if err != nil || len(keys) != 1 || keys[0].Active {
		t.Errorf("keys = %+v, %v, want one that is not active", keys, err)
	}
	rotated := r.deploy("users", template("/b/", "[!Ref G2]", "Active", "2"))
	if rotated["#Key"] == out["#Key"] {
		t.Error("another serial did not make another key")
	}
	if keys, err := r.IAM.ListAccessKeys(ctx, r.root, "ann"); err != nil || len(keys) != 1 || keys[0].ID != rotated["#Key"] {
		t.Errorf("keys = %+v, %v, want the new one alone", keys, err)
	}
	r.destroy("users")
	if users, err := r.IAM.ListUsers(ctx, r.root, ""); err != nil || len(users) != 0 {
		t.Errorf("users = %v, %v, want none", users, err)
	}
}

// The caller of the stack operation decides: CloudFormation has no rights of its own.
func TestIAMDecidesForTheCaller(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.IAM.CreateUser(ctx, r.root, iam.NewUser{Name: "small"}); err != nil {
		t.Fatal(err)
	}
	if err := r.IAM.PutUserPolicy(ctx, r.root, "small", "p", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:*","s3:*"],"Resource":"*"}]}`); err != nil {
		t.Fatal(err)
	}
	key, _, err := r.IAM.CreateAccessKey(ctx, r.root, "small")
	if err != nil {
		t.Fatal(err)
	}
	_, small, err := r.IAM.Lookup(ctx, key.AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	admin := r.root
	r.root = small
	r.deploy("allowed", "Resources: {Bucket: {Type: AWS::S3::Bucket}}")
	r.fails("Resources: {Bucket: {Type: AWS::S3::Bucket}, Role: {Type: AWS::IAM::Role, DependsOn: Bucket, Properties: {AssumeRolePolicyDocument: "+trust+"}}}", "not authorized to perform: iam:CreateRole")
	r.root = admin
	if buckets, err := r.S3.Buckets(ctx, r.root); err != nil || len(buckets) != 1 {
		t.Errorf("buckets = %v, %v, want the allowed one alone", buckets, err)
	}
}
