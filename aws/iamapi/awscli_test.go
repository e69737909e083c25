package iamapi_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/aws/awscli"
	"glassine/aws/iamapi"
	"glassine/iam"
	"glassine/state"
)

const account = "123456789012"

const (
	lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	readPhotos  = `{"Version":"2012-10-17","Statement":[{"Sid":"read","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}]}`
	listPhotos  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos"}]}`
)

func newService(t *testing.T) (*iam.Service, iam.Credentials) {
	t.Helper()
	s, err := iam.New(t.Context(), iam.Config{State: &state.Memory{}, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	root, _, err := s.EnsureRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, root
}

// cli runs aws-cli against an IAM endpoint, as root unless as says otherwise.
type cli struct {
	t        *testing.T
	endpoint string
	home     string
	key      iam.Credentials
}

func newCLI(t *testing.T) (cli, *iam.Service) {
	t.Helper()
	s, root := newService(t)
	server := httptest.NewServer(&iamapi.Handler{IAM: s})
	t.Cleanup(server.Close)
	return cli{t, server.URL, t.TempDir(), root}, s
}

func (c cli) as(key iam.Credentials) cli {
	c.key = key
	return c
}

// try runs "aws iam args..." and returns what it printed, and what it complained of.
func (c cli) try(args ...string) (out []byte, complaint string) {
	c.t.Helper()
	cmd := awscli.Command(c.t.Context(), append([]string{"--endpoint-url", c.endpoint, "--output", "json", "iam"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=eu-west-1",
		"AWS_MAX_ATTEMPTS=1", "AWS_ACCESS_KEY_ID=" + c.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.key.SecretAccessKey,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, err.Error() + ": " + strings.TrimSpace(stderr.String())
	}
	return stdout.Bytes(), ""
}

// run wants success, and decodes the answer into out unless it is nil.
func (c cli) run(out any, args ...string) {
	c.t.Helper()
	text, complaint := c.try(args...)
	if complaint != "" {
		c.t.Fatalf("aws iam %s: %s", strings.Join(args, " "), complaint)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		c.t.Fatalf("aws iam %s: %v: %s", strings.Join(args, " "), err, text)
	}
}

// fails wants the error code.
func (c cli) fails(code string, args ...string) {
	c.t.Helper()
	if _, complaint := c.try(args...); !strings.Contains(complaint, "("+code+")") {
		c.t.Errorf("aws iam %s: %q, want %s", strings.Join(args, " "), complaint, code)
	}
}

func same(t *testing.T, got any, doc string) {
	t.Helper()
	var want any
	if err := json.Unmarshal([]byte(doc), &want); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		t.Errorf("document is %s, want %s", a, b)
	}
}

func TestAWSCLIRoles(t *testing.T) {
	t.Parallel()
	c, s := newCLI(t)
	type role struct {
		RoleName, Arn, RoleId, Path, Description string
		CreateDate                               time.Time
		MaxSessionDuration                       int
		AssumeRolePolicyDocument                 any
		Tags                                     []struct{ Key, Value string }
	}
	var made, got struct{ Role role }
	c.run(&made, "create-role", "--role-name", "worker", "--path", "/photos/", "--description", "makes <small> pictures", "--assume-role-policy-document", lambdaTrust,
		"--max-session-duration", "7200", "--tags", "Key=team,Value=a & b")
	c.run(&got, "get-role", "--role-name", "worker")
	r := got.Role
	if r.Arn != "arn:aws:iam::"+account+":role/photos/worker" || r.Description != "makes <small> pictures" || r.MaxSessionDuration != 7200 || r.RoleId != made.Role.RoleId ||
		time.Since(r.CreateDate) > time.Hour || len(r.Tags) != 1 || r.Tags[0].Value != "a & b" {
		t.Errorf("get-role = %+v", r)
	}
	same(t, r.AssumeRolePolicyDocument, lambdaTrust)
	c.run(nil, "put-role-policy", "--role-name", "worker", "--policy-name", "read", "--policy-document", readPhotos)
	var policy struct {
		RoleName, PolicyName string
		PolicyDocument       any
	}
	c.run(&policy, "get-role-policy", "--role-name", "worker", "--policy-name", "read")
	same(t, policy.PolicyDocument, readPhotos)
	if policy.RoleName != "worker" || policy.PolicyName != "read" {
		t.Errorf("get-role-policy = %+v", policy)
	}
	c.run(nil, "attach-role-policy", "--role-name", "worker", "--policy-arn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
	var attached struct {
		AttachedPolicies []struct{ PolicyName, PolicyArn string }
	}
	c.run(&attached, "list-attached-role-policies", "--role-name", "worker")
	if len(attached.AttachedPolicies) != 1 || attached.AttachedPolicies[0].PolicyName != "AWSLambdaBasicExecutionRole" {
		t.Errorf("list-attached-role-policies = %+v", attached)
	}
	for _, name := range []string{"b", "c", "d"} {
		if _, err := s.CreateRole(t.Context(), s.Root(), iam.NewRole{Name: name, Trust: lambdaTrust}); err != nil {
			t.Fatal(err)
		}
	}
	var all struct{ Roles []role }
	c.run(&all, "list-roles", "--page-size", "2") // two pages, which aws-cli joins
	if len(all.Roles) != 4 || all.Roles[3].RoleName != "worker" || all.Roles[0].RoleName != "b" {
		t.Errorf("list-roles = %+v", all.Roles)
	}
	c.fails("DeleteConflict", "delete-role", "--role-name", "worker")
	var profiles struct{ InstanceProfiles []any }
	c.run(&profiles, "list-instance-profiles-for-role", "--role-name", "worker")
	if profiles.InstanceProfiles == nil || len(profiles.InstanceProfiles) != 0 {
		t.Errorf("list-instance-profiles-for-role = %v, want an empty list", profiles.InstanceProfiles)
	}
}

func TestAWSCLIUsers(t *testing.T) {
	t.Parallel()
	c, s := newCLI(t)
	c.run(nil, "create-user", "--user-name", "bob", "--tags", "Key=team,Value=photos")
	var key struct {
		AccessKey struct{ UserName, AccessKeyId, SecretAccessKey, Status string }
	}
	c.run(&key, "create-access-key", "--user-name", "bob")
	if key.AccessKey.UserName != "bob" || key.AccessKey.Status != "Active" {
		t.Errorf("create-access-key made a key of %q, %q", key.AccessKey.UserName, key.AccessKey.Status)
	}
	bob := c.as(iam.Credentials{AccessKeyID: key.AccessKey.AccessKeyId, SecretAccessKey: key.AccessKey.SecretAccessKey})
	bob.fails("AccessDenied", "get-user")
	if err := s.AttachUserPolicy(t.Context(), s.Root(), "bob", "arn:aws:iam::aws:policy/IAMReadOnlyAccess"); err != nil {
		t.Fatal(err)
	}
	var self struct {
		User struct {
			UserName string
			Tags     []struct{ Key, Value string }
		}
	}
	bob.run(&self, "get-user")
	if self.User.UserName != "bob" || len(self.User.Tags) != 1 {
		t.Errorf("get-user of oneself = %+v", self)
	}
	if err := s.UpdateAccessKey(t.Context(), s.Root(), "bob", bob.key.AccessKeyID, false); err != nil {
		t.Fatal(err)
	}
	bob.fails("InvalidClientTokenId", "get-user")
	c.as(iam.Credentials{AccessKeyID: c.key.AccessKeyID, SecretAccessKey: "wrong"}).fails("SignatureDoesNotMatch", "get-user")
}

func TestAWSCLIManagedPolicies(t *testing.T) {
	t.Parallel()
	c, s := newCLI(t)
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte(readPhotos), 0o600); err != nil {
		t.Fatal(err)
	}
	var made struct {
		Policy struct {
			Arn, DefaultVersionId string
			AttachmentCount       int
		}
	}
	c.run(&made, "create-policy", "--policy-name", "photos", "--policy-document", "file://"+file)
	arn := made.Policy.Arn
	if arn != "arn:aws:iam::"+account+":policy/photos" || made.Policy.DefaultVersionId != "v1" {
		t.Errorf("create-policy = %+v", made)
	}
	if _, err := s.CreateUser(t.Context(), s.Root(), iam.NewUser{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	c.run(nil, "attach-user-policy", "--user-name", "bob", "--policy-arn", arn)
	c.run(nil, "create-policy-version", "--policy-arn", arn, "--policy-document", listPhotos, "--set-as-default")
	var versions struct {
		Versions []struct {
			VersionId        string
			IsDefaultVersion bool
		}
	}
	c.run(&versions, "list-policy-versions", "--policy-arn", arn)
	if len(versions.Versions) != 2 || versions.Versions[0].VersionId != "v2" || !versions.Versions[0].IsDefaultVersion {
		t.Errorf("list-policy-versions = %+v", versions)
	}
	var version struct{ PolicyVersion struct{ Document any } }
	c.run(&version, "get-policy-version", "--policy-arn", arn, "--version-id", "v2")
	same(t, version.PolicyVersion.Document, listPhotos)

	var result struct {
		EvaluationResults []struct {
			EvalActionName, EvalDecision string
			MatchedStatements            []struct {
				SourcePolicyId             string
				StartPosition, EndPosition struct{ Line, Column int }
			}
			MissingContextValues []string
		}
	}
	c.run(&result, "simulate-principal-policy", "--policy-source-arn", "arn:aws:iam::"+account+":user/bob", "--action-names", "s3:ListBucket", "s3:GetObject",
		"--resource-arns", "arn:aws:s3:::photos")
	r := result.EvaluationResults
	if len(r) != 2 || r[0].EvalDecision != "allowed" || r[1].EvalDecision != "implicitDeny" || len(r[0].MatchedStatements) != 1 ||
		r[0].MatchedStatements[0].SourcePolicyId != arn || r[0].MatchedStatements[0].StartPosition.Column == 0 {
		t.Errorf("simulate-principal-policy = %+v", r)
	}
	c.run(&result, "simulate-custom-policy", "--policy-input-list", readPhotos, `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`,
		"--action-names", "s3:GetObject", "--resource-arns", "arn:aws:s3:::photos/a", "--context-entries", "ContextKeyName=aws:SecureTransport,ContextKeyValues=false,ContextKeyType=boolean")
	if r := result.EvaluationResults; len(r) != 1 || r[0].EvalDecision != "explicitDeny" || len(r[0].MatchedStatements) != 2 {
		t.Errorf("simulate-custom-policy = %+v", r)
	}
	var summary struct{ SummaryMap map[string]int }
	c.run(&summary, "get-account-summary")
	if summary.SummaryMap["Users"] != 1 || summary.SummaryMap["PolicyVersionsInUse"] != 2 {
		t.Errorf("get-account-summary = %v", summary)
	}
	var details struct {
		UserDetailList []struct {
			UserName                string
			AttachedManagedPolicies []struct{ PolicyArn string }
		}
		Policies []struct {
			Arn               string
			PolicyVersionList []struct{ Document any }
		}
	}
	c.run(&details, "get-account-authorization-details")
	if len(details.UserDetailList) != 1 || len(details.UserDetailList[0].AttachedManagedPolicies) != 1 || len(details.Policies) != 1 || len(details.Policies[0].PolicyVersionList) != 2 {
		t.Errorf("get-account-authorization-details = %+v", details)
	}
}
