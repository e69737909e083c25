package iamapi

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/state"
)

const (
	testAccount = "123456789012"
	adminARN    = "arn:aws:iam::aws:policy/AdministratorAccess"
	trust       = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	document    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
)

// testHandler returns a handler with the user, group, role and policy "x", and root's and that user's key.
func testHandler(t *testing.T) (h *Handler, root, weak iam.Credentials) {
	t.Helper()
	ctx := t.Context()
	s, err := iam.New(ctx, iam.Config{State: &state.Memory{}, Account: testAccount, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	check := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root, _, err = s.EnsureRoot(ctx)
	check(nil, err)
	check(s.CreateUser(ctx, s.Root(), iam.NewUser{Name: "x"}))
	check(s.CreateGroup(ctx, s.Root(), "x", ""))
	check(s.CreateRole(ctx, s.Root(), iam.NewRole{Name: "x", Trust: trust}))
	check(s.CreatePolicy(ctx, s.Root(), iam.NewPolicy{Name: "x", Document: document}))
	weak, _, err = s.CreateAccessKey(ctx, s.Root(), "x")
	check(nil, err)
	return &Handler{IAM: s}, root, weak
}

// ask signs the parameters, name and value in turn, and returns status and answer.
func ask(h http.Handler, key iam.Credentials, action string, pairs ...string) (int, string) {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	body := v.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://iam.amazonaws.com/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken}, "us-east-1", "iam",
		sigv4.PayloadSHA256([]byte(body)), time.Now())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

type answered struct {
	Error struct{ Type, Code, Message string }
}

func read(t *testing.T, body string, v any) {
	t.Helper()
	if err := xml.Unmarshal([]byte(body), v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

// everything is parameters with which every operation gets as far as asking for permission.
func everything(keyID string) []string {
	policy := "arn:aws:iam::" + testAccount + ":policy/x"
	return []string{
		"UserName", "x", "GroupName", "x", "RoleName", "x", "PolicyName", "x", "PolicyArn", policy, "PolicyDocument", document, "VersionId", "v1",
		"AssumeRolePolicyDocument", trust, "Description", "x", "AccessKeyId", keyID, "Status", "Active", "PermissionsBoundary", policy,
		"AWSServiceName", "xray.amazonaws.com", "PolicySourceArn", "arn:aws:iam::" + testAccount + ":user/x", "ActionNames.member.1", "s3:GetObject",
		"PolicyInputList.member.1", document, "Tags.member.1.Key", "k", "Tags.member.1.Value", "v", "TagKeys.member.1", "k",
	}
}

// Every operation asks for its own action, whoever asks.
func TestPowerlessUserMayDoNothing(t *testing.T) {
	h, _, weak := testHandler(t)
	for action := range operations {
		status, body := ask(h, weak, action, everything(weak.AccessKeyID)...)
		var e answered
		read(t, body, &e)
		if want := "is not authorized to perform: iam:" + action + " on resource: "; status != 403 || e.Error.Code != "AccessDenied" || !strings.Contains(e.Error.Message, want) {
			t.Errorf("%s: %d %s, want AccessDenied %q", action, status, body, want)
		}
	}
}

// An answer to an action that reads has a result; root gets through to all of them.
func TestRootReadsEverything(t *testing.T) {
	h, root, weak := testHandler(t)
	for action := range operations {
		if !slices.ContainsFunc([]string{"Get", "List", "Simulate"}, func(p string) bool { return strings.HasPrefix(action, p) }) {
			continue
		}
		want := 200
		if action == "GetLoginProfile" || action == "GetUserPolicy" || action == "GetGroupPolicy" || action == "GetRolePolicy" {
			want = 404 // there are none
		}
		status, body := ask(h, root, action, everything(weak.AccessKeyID)...)
		if status != want || want == 200 && !strings.Contains(body, "<"+action+"Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><"+action+"Result>") {
			t.Errorf("%s: %d %s", action, status, body)
		}
	}
}

func TestErrors(t *testing.T) {
	h, root, weak := testHandler(t)
	f := func(name string, status int, code, message, action string, pairs ...string) {
		t.Helper()
		got, body := ask(h, root, action, pairs...)
		var e answered
		read(t, body, &e)
		if got != status || e.Error.Code != code || e.Error.Message != message || e.Error.Type != "Sender" {
			t.Errorf("%s: %d %+v, want %d %s %s", name, got, e.Error, status, code, message)
		}
	}
	f("unknown action", 400, "InvalidAction", "Could not find operation CreateMFA for version 2010-05-08", "CreateMFA")
	f("missing parameter", 400, "ValidationError", "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null", "GetRole")
	f("missing user", 404, "NoSuchEntity", "The user with name nosuch cannot be found.", "GetUser", "UserName", "nosuch")
	f("missing role", 404, "NoSuchEntity", "The role with name nosuch cannot be found.", "GetRole", "RoleName", "nosuch")
	f("missing group", 404, "NoSuchEntity", "The group with name nosuch cannot be found.", "GetGroup", "GroupName", "nosuch")
	f("missing role policy", 404, "NoSuchEntity", "The role policy with name p cannot be found.", "GetRolePolicy", "RoleName", "x", "PolicyName", "p")
	f("missing managed policy", 404, "NoSuchEntity", "Policy arn:aws:iam::123456789012:policy/nosuch was not found.", "GetPolicy", "PolicyArn", "arn:aws:iam::123456789012:policy/nosuch")
	f("unknown AWS policy", 404, "NoSuchEntity", "Policy arn:aws:iam::aws:policy/AmazonEC2FullAccess does not exist or is not attachable.", "AttachRolePolicy", "RoleName", "x", "PolicyArn", "arn:aws:iam::aws:policy/AmazonEC2FullAccess")
	f("user twice", 409, "EntityAlreadyExists", "User with name X already exists.", "CreateUser", "UserName", "X")
	f("policy twice", 409, "EntityAlreadyExists", "A policy called X already exists. Duplicate names are not allowed.", "CreatePolicy", "PolicyName", "X", "PolicyDocument", document)
	f("user with a key", 409, "DeleteConflict", "Cannot delete entity, must delete access keys first.", "DeleteUser", "UserName", "x")
	f("status that is none", 400, "ValidationError", "1 validation error detected: Value 'Off' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", "UpdateAccessKey", "AccessKeyId", weak.AccessKeyID, "Status", "Off")
	f("name with a space", 400, "ValidationError", `1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`, "CreateUser", "UserName", "a b")
	f("page of nothing", 400, "ValidationError", "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1", "ListUsers", "MaxItems", "0")
	f("page of too much", 400, "ValidationError", "1 validation error detected: Value '1001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000", "ListUsers", "MaxItems", "1001")
	f("marker that is none", 400, "ValidationError", "Invalid Marker.", "ListUsers", "Marker", "?")
	f("tags that differ by case", 400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.", "TagRole", "RoleName", "x",
		"Tags.member.1.Key", "a", "Tags.member.1.Value", "", "Tags.member.2.Key", "A", "Tags.member.2.Value", "")
	f("policy that is none", 400, "MalformedPolicyDocument", "Syntax errors in policy.", "PutUserPolicy", "UserName", "x", "PolicyName", "p", "PolicyDocument", "{")
	f("login profile", 404, "NoSuchEntity", "Login Profile for User x cannot be found.", "GetLoginProfile", "UserName", "x")
}

func TestPages(t *testing.T) {
	h, root, _ := testHandler(t)
	for i := range 7 {
		if status, body := ask(h, root, "CreateGroup", "GroupName", fmt.Sprintf("g%d", i)); status != 200 {
			t.Fatal(body)
		}
	}
	var names []string
	marker, pages := "", 0
	for {
		pairs := []string{"MaxItems", "3"}
		if marker != "" {
			pairs = append(pairs, "Marker", marker)
		}
		_, body := ask(h, root, "ListGroups", pairs...)
		var a struct {
			ListGroupsResult struct {
				Groups struct {
					Member []struct{ GroupName string } `xml:"member"`
				}
				IsTruncated bool
				Marker      string
			}
		}
		read(t, body, &a)
		for _, g := range a.ListGroupsResult.Groups.Member {
			names = append(names, g.GroupName)
		}
		pages++
		if pages == 1 { // what the first page ended with is deleted meanwhile
			if status, body := ask(h, root, "DeleteGroup", "GroupName", "g2"); status != 200 {
				t.Fatal(body)
			}
		}
		if marker = a.ListGroupsResult.Marker; !a.ListGroupsResult.IsTruncated {
			break
		}
	}
	if got := strings.Join(names, " "); got != "g0 g1 g2 g3 g4 g5 g6 x" || pages != 3 || marker != "" {
		t.Errorf("%d pages of %q, and the last has the marker %q", pages, got, marker)
	}
}

func TestAnswersAsBytes(t *testing.T) {
	h, root, _ := testHandler(t)
	f := func(want, action string, pairs ...string) {
		t.Helper()
		_, body := ask(h, root, action, pairs...)
		_, body, _ = strings.Cut(body, `xmlns="https://iam.amazonaws.com/doc/2010-05-08/">`)
		body, _, _ = strings.Cut(body, "<ResponseMetadata><RequestId>")
		if body != want {
			t.Errorf("%s answers\n%s\nwant\n%s", action, body, want)
		}
	}
	f("", "PutRolePolicy", "RoleName", "x", "PolicyName", "p", "PolicyDocument", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"a:b":"é ~+"}}}}`)
	f("<GetRolePolicyResult><RoleName>x</RoleName><PolicyName>p</PolicyName><PolicyDocument>%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%2C%22Condition%22%3A%7B%22StringLike%22%3A%7B%22a%3Ab%22%3A%22%C3%A9%20~%2B%22%7D%7D%7D%7D</PolicyDocument></GetRolePolicyResult>",
		"GetRolePolicy", "RoleName", "x", "PolicyName", "p")
	f("<ListRolePoliciesResult><PolicyNames><member>p</member></PolicyNames><IsTruncated>false</IsTruncated></ListRolePoliciesResult>", "ListRolePolicies", "RoleName", "x")
	f("<ListUserPoliciesResult><PolicyNames></PolicyNames><IsTruncated>false</IsTruncated></ListUserPoliciesResult>", "ListUserPolicies", "UserName", "x")
	f("<ListInstanceProfilesForRoleResult><InstanceProfiles></InstanceProfiles><IsTruncated>false</IsTruncated></ListInstanceProfilesForRoleResult>", "ListInstanceProfilesForRole", "RoleName", "x")
	f("<UpdateRoleResult></UpdateRoleResult>", "UpdateRole", "RoleName", "x")
	f("", "AttachUserPolicy", "UserName", "x", "PolicyArn", adminARN)
	f("<ListAttachedUserPoliciesResult><AttachedPolicies><member><PolicyName>AdministratorAccess</PolicyName><PolicyArn>"+adminARN+"</PolicyArn></member></AttachedPolicies><IsTruncated>false</IsTruncated></ListAttachedUserPoliciesResult>", "ListAttachedUserPolicies", "UserName", "x")
	f("<GetContextKeysForCustomPolicyResult><ContextKeyNames><member>aws:SourceIp</member><member>aws:username</member></ContextKeyNames></GetContextKeysForCustomPolicyResult>", "GetContextKeysForCustomPolicy",
		"PolicyInputList.member.1", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}}`)
}
