package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	testRoot      = Principal{Kind: Root, Account: account, ARN: "arn:aws:iam::111122223333:root", ID: account}
	testUser      = Principal{Kind: User, Account: account, ARN: "arn:aws:iam::111122223333:user/d/bob", ID: "AIDAABCDEFGHIJKLMNOPQ", Name: "bob"}
	testSession   = sessionOf("arn:aws:iam::111122223333:role/d/worker", "one")
	testService   = Principal{Kind: ServicePrincipal, Service: "cloudfront.amazonaws.com"}
	testAnonymous = Principal{}
)

const testObject = "arn:aws:s3:::b/k"

// allowIdentity and denyIdentity are identity policies for the test's one request.
const (
	allowIdentity = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	denyIdentity  = `{"Version":"2012-10-17","Statement":[{"Sid":"no","Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	allowOther    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}]}`
)

// bucketPolicy is a resource policy for the test's one request.
func bucketPolicy(effect, principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
}

// Each row is one way through the table of the IAM User Guide's "Policy evaluation logic"; identity, session and boundary
// hold letters: a allows, o allows something else, d denies, - is none.
func TestDecisionByCaller(t *testing.T) {
	const (
		everyone  = `"*"`
		account_  = `{"AWS":"111122223333"}`
		userARN   = `{"AWS":"arn:aws:iam::111122223333:user/d/bob"}`
		userID    = `{"AWS":"AIDAABCDEFGHIJKLMNOPQ"}`
		roleARN   = `{"AWS":"arn:aws:iam::111122223333:role/d/worker"}`
		roleID    = `{"AWS":"AROAABCDEFGHIJKLMNOPQ"}`
		session   = `{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/one"}`
		other     = `{"AWS":"arn:aws:sts::111122223333:assumed-role/worker/two"}`
		service   = `{"Service":"cloudfront.amazonaws.com"}`
		otherAcct = "444455556666"
	)
	for _, c := range []struct {
		name                       string
		who                        Principal
		identity, boundary, passed string
		resource                   []string // effect and principal of each bucket policy
		owner                      string
		want                       bool
		by                         PolicyKind
		explicit                   bool
	}{
		{name: "root needs no policy", who: testRoot, want: true},
		{name: "root is denied by a bucket policy", who: testRoot, resource: []string{"Deny", everyone}, by: ResourcePolicy, explicit: true},
		{name: "root is denied by the account's name", who: testRoot, resource: []string{"Deny", account_}, by: ResourcePolicy, explicit: true},
		{name: "root across accounts needs the bucket's word", who: testRoot, owner: otherAcct, by: ResourcePolicy},
		{name: "root across accounts has the bucket's word", who: testRoot, owner: otherAcct, resource: []string{"Allow", account_}, want: true, by: ResourcePolicy},

		{name: "user without a policy", who: testUser, by: IdentityPolicy},
		{name: "user's identity policy allows", who: testUser, identity: "a", want: true, by: IdentityPolicy},
		{name: "user's identity policy allows something else", who: testUser, identity: "o", by: IdentityPolicy},
		{name: "user's deny beats its allow", who: testUser, identity: "ad", by: IdentityPolicy, explicit: true},
		{name: "user named by ARN", who: testUser, resource: []string{"Allow", userARN}, want: true, by: ResourcePolicy},
		{name: "user named by unique id", who: testUser, resource: []string{"Allow", userID}, want: true, by: ResourcePolicy},
		{name: "user among everyone", who: testUser, resource: []string{"Allow", everyone}, want: true, by: ResourcePolicy},
		{name: "account's name only delegates", who: testUser, resource: []string{"Allow", account_}, by: IdentityPolicy},
		{name: "role's name is not the user's", who: testUser, resource: []string{"Allow", roleARN}, by: IdentityPolicy},
		{name: "bucket's deny beats the user's allow", who: testUser, identity: "a", resource: []string{"Deny", everyone}, by: ResourcePolicy, explicit: true},
		{name: "boundary limits identity", who: testUser, identity: "a", boundary: "o", by: BoundaryPolicy},
		{name: "boundary allows what identity does", who: testUser, identity: "a", boundary: "a", want: true, by: IdentityPolicy},
		{name: "boundary alone grants nothing", who: testUser, boundary: "a", by: IdentityPolicy},
		{name: "boundary does not limit the user's own name", who: testUser, boundary: "o", resource: []string{"Allow", userARN}, want: true, by: ResourcePolicy},
		{name: "boundary denies even the user's own name", who: testUser, boundary: "d", resource: []string{"Allow", userARN}, by: BoundaryPolicy, explicit: true},
		{name: "session policy limits a user", who: testUser, identity: "a", passed: "o", by: SessionPolicy},
		{name: "session policy limits even the user's own name", who: testUser, passed: "o", resource: []string{"Allow", userARN}, by: SessionPolicy},
		{name: "user across accounts needs both sides, has one", who: testUser, owner: otherAcct, identity: "a", by: ResourcePolicy},
		{name: "user across accounts needs both sides, has the other", who: testUser, owner: otherAcct, resource: []string{"Allow", userARN}, by: IdentityPolicy},
		{name: "user across accounts has both sides", who: testUser, owner: otherAcct, identity: "a", resource: []string{"Allow", account_}, want: true, by: ResourcePolicy},
		{name: "user across accounts is within the boundary", who: testUser, owner: otherAcct, identity: "a", boundary: "o", resource: []string{"Allow", userARN}, by: BoundaryPolicy},

		{name: "session without a policy", who: testSession, by: IdentityPolicy},
		{name: "session by its role's identity policy", who: testSession, identity: "a", want: true, by: IdentityPolicy},
		{name: "session by its role's ARN", who: testSession, resource: []string{"Allow", roleARN}, want: true, by: ResourcePolicy},
		{name: "session by its role's unique id", who: testSession, resource: []string{"Allow", roleID}, want: true, by: ResourcePolicy},
		{name: "session by the beginning of its role's unique id", who: Principal{Kind: RoleSession, Account: account, ID: "AROAABCDEFGHIJKLMNOPQX:one"}, resource: []string{"Allow", roleID}, by: IdentityPolicy},
		{name: "session by its own ARN", who: testSession, resource: []string{"Allow", session}, want: true, by: ResourcePolicy},
		{name: "session by another's ARN", who: testSession, resource: []string{"Allow", other}, by: IdentityPolicy},
		{name: "session by its account", who: testSession, resource: []string{"Allow", account_}, by: IdentityPolicy},
		{name: "session among everyone", who: testSession, resource: []string{"Allow", everyone}, want: true, by: ResourcePolicy},
		{name: "boundary limits the role's ARN", who: testSession, boundary: "o", resource: []string{"Allow", roleARN}, by: BoundaryPolicy},
		{name: "boundary limits everyone for a session", who: testSession, boundary: "o", resource: []string{"Allow", everyone}, by: BoundaryPolicy},
		{name: "boundary does not limit the session's own ARN", who: testSession, boundary: "o", resource: []string{"Allow", session}, want: true, by: ResourcePolicy},
		{name: "session policy limits identity", who: testSession, identity: "a", passed: "o", by: SessionPolicy},
		{name: "session policy limits the role's ARN", who: testSession, passed: "o", resource: []string{"Allow", roleARN}, by: SessionPolicy},
		{name: "session policy allows what identity does", who: testSession, identity: "a", passed: "a", want: true, by: IdentityPolicy},
		{name: "session policy alone grants nothing", who: testSession, passed: "a", by: IdentityPolicy},
		{name: "session policy denies", who: testSession, identity: "a", passed: "ad", by: SessionPolicy, explicit: true},
		{name: "empty list of session policies allows nothing", who: testSession, identity: "a", passed: "-", by: SessionPolicy},
		{name: "deny of the role holds for the session", who: testSession, identity: "a", resource: []string{"Deny", roleARN}, by: ResourcePolicy, explicit: true},
		{name: "deny of another session does not", who: testSession, identity: "a", resource: []string{"Deny", other}, want: true, by: IdentityPolicy},

		{name: "service named", who: testService, resource: []string{"Allow", service}, want: true, by: ResourcePolicy},
		{name: "service among everyone", who: testService, resource: []string{"Allow", `{"AWS":"*"}`}, want: true, by: ResourcePolicy},
		{name: "service has no identity policy", who: testService, identity: "a", by: ResourcePolicy},
		{name: "service is no account", who: testService, resource: []string{"Allow", account_}, by: ResourcePolicy},
		{name: "service is denied among everyone", who: testService, resource: []string{"Allow", service, "Deny", everyone}, by: ResourcePolicy, explicit: true},

		{name: "anonymous among everyone", who: testAnonymous, resource: []string{"Allow", everyone}, want: true, by: ResourcePolicy},
		{name: "anonymous has no identity policy", who: testAnonymous, identity: "a", by: ResourcePolicy},
		{name: "anonymous is no account", who: testAnonymous, resource: []string{"Allow", account_}, by: ResourcePolicy},
		{name: "anonymous across accounts among everyone", who: testAnonymous, owner: otherAcct, resource: []string{"Allow", everyone}, want: true, by: ResourcePolicy},
		{name: "anonymous is denied", who: testAnonymous, resource: []string{"Allow", everyone, "Deny", everyone}, by: ResourcePolicy, explicit: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Policies{Identity: letters(t, c.identity), Session: letters(t, c.passed)}
			if b := letters(t, c.boundary); len(b) > 0 {
				p.Boundary = b[0]
			}
			for i := 0; i < len(c.resource); i += 2 {
				p.Resource = append(p.Resource, mustParse(t, ResourcePolicy, bucketPolicy(c.resource[i], c.resource[i+1])))
			}
			d := Decide(Request{Principal: c.who, Action: "s3:GetObject", Resources: []string{testObject}, ResourceAccount: c.owner}, p)
			if d.Allowed != c.want || d.By != c.by || d.Explicit != c.explicit {
				t.Errorf("decision is %+v, want allowed %v, by %v, explicit %v", d, c.want, c.by, c.explicit)
			}
			if named := d.Allowed && d.By != 0 || d.Explicit; named != (d.Statement >= 0) {
				t.Errorf("decision %+v names statement %d", d, d.Statement)
			}
		})
	}
}

func letters(t *testing.T, s string) (list []*Policy) {
	t.Helper()
	for _, r := range s {
		if list == nil {
			list = []*Policy{}
		}
		switch r {
		case 'a':
			list = append(list, mustParse(t, IdentityPolicy, allowIdentity))
		case 'd':
			list = append(list, mustParse(t, IdentityPolicy, denyIdentity))
		case 'o':
			list = append(list, mustParse(t, IdentityPolicy, allowOther))
		}
	}
	return list
}

func TestRootRepairsABucketPolicy(t *testing.T) {
	lockout := mustParse(t, ResourcePolicy, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"}}`)
	f := func(name string, who Principal, action, owner string, want bool) {
		t.Helper()
		d := Decide(Request{Principal: who, Action: action, Resources: []string{"arn:aws:s3:::b"}, ResourceAccount: owner}, Policies{Resource: []*Policy{lockout}})
		if d.Allowed != want {
			t.Errorf("%s: %+v, want allowed %v", name, d, want)
		}
	}
	f("root removes the policy", testRoot, "s3:DeleteBucketPolicy", "", true)
	f("root replaces the policy", testRoot, "s3:PutBucketPolicy", account, true)
	f("root reads the policy", testRoot, "s3:getbucketpolicy", "", true)
	f("root does nothing else", testRoot, "s3:ListBucket", "", false)
	f("another account's root does not", testRoot, "s3:DeleteBucketPolicy", "444455556666", false)
	f("a user does not", testUser, "s3:DeleteBucketPolicy", "", false)
}

func TestNotPrincipal(t *testing.T) {
	deny := func(list string) *Policy {
		return mustParse(t, ResourcePolicy, `{"Statement":{"Effect":"Deny","NotPrincipal":`+list+`,"Action":"s3:*","Resource":"*"}}`)
	}
	const root, user, role, session = `"arn:aws:iam::111122223333:root"`, `"arn:aws:iam::111122223333:user/d/bob"`,
		`"arn:aws:iam::111122223333:role/d/worker"`, `"arn:aws:sts::111122223333:assumed-role/worker/one"`
	aws := func(names ...string) string { return `{"AWS":[` + strings.Join(names, ",") + `]}` }
	f := func(name string, who Principal, list string, denied bool) {
		t.Helper()
		d := Decide(Request{Principal: who, Action: "s3:GetObject", Resources: []string{testObject}}, Policies{Resource: []*Policy{deny(list)}})
		if d.Explicit != denied {
			t.Errorf("%s: %+v, want explicit deny %v", name, d, denied)
		}
	}
	f("user and account listed", testUser, aws(user, root), false)
	f("user alone listed", testUser, aws(user), true)
	f("account alone listed", testUser, aws(root), true)
	f("session with all its names listed", testSession, aws(root, role, session), false)
	f("session without its role listed", testSession, aws(root, session), true)
	f("session without its own name listed", testSession, aws(root, role), true)
	f("root listed", testRoot, aws(root), false)
	f("root not listed", testRoot, aws(user), true)
	f("service listed", testService, `{"Service":"cloudfront.amazonaws.com"}`, false)
	f("service not listed", testService, `{"Service":"lambda.amazonaws.com"}`, true)
	f("anonymous is never listed", testAnonymous, aws(root, user), true)
	f("everyone listed", testAnonymous, `"*"`, false)
}

func TestTrustPolicyMustAllow(t *testing.T) {
	trust := func(principal string) []*Policy {
		return []*Policy{mustParse(t, TrustPolicy, `{"Statement":{"Effect":"Allow","Principal":`+principal+`,"Action":"sts:AssumeRole"}}`)}
	}
	all := []*Policy{mustParse(t, IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)}
	other := mustParse(t, IdentityPolicy, allowOther)
	const byAccount, byUser, byRole = `{"AWS":"111122223333"}`, `{"AWS":"arn:aws:iam::111122223333:user/d/bob"}`, `{"AWS":"arn:aws:iam::111122223333:role/d/worker"}`
	f := func(name string, who Principal, p Policies, want bool, by PolicyKind) {
		t.Helper()
		d := Decide(Request{Principal: who, Action: "sts:AssumeRole", Resources: []string{"arn:aws:iam::111122223333:role/x"}}, p)
		if d.Allowed != want || d.By != by {
			t.Errorf("%s: %+v, want allowed %v by %v", name, d, want, by)
		}
	}
	f("identity alone is not enough", testUser, Policies{Identity: all, Resource: trust(`{"Service":"lambda.amazonaws.com"}`)}, false, TrustPolicy)
	f("the user's name is enough", testUser, Policies{Resource: trust(byUser)}, true, TrustPolicy)
	f("the account's name needs identity", testUser, Policies{Resource: trust(byAccount)}, false, IdentityPolicy)
	f("the account's name with identity", testUser, Policies{Identity: all, Resource: trust(byAccount)}, true, IdentityPolicy)
	f("the boundary limits identity", testUser, Policies{Identity: all, Boundary: other, Resource: trust(byAccount)}, false, BoundaryPolicy)
	f("the boundary does not limit everyone for a user", testUser, Policies{Boundary: other, Resource: trust(`"*"`)}, true, TrustPolicy)
	f("the boundary limits everyone for a session", testSession, Policies{Boundary: other, Resource: trust(`"*"`)}, false, BoundaryPolicy)
	f("the role's name is enough", testSession, Policies{Resource: trust(byRole)}, true, TrustPolicy)
	f("the session policy limits the role's name", testSession, Policies{Session: []*Policy{other}, Resource: trust(byRole)}, false, SessionPolicy)
	f("root assumes nothing", testRoot, Policies{Resource: trust(byAccount)}, false, TrustPolicy)
	f("nobody assumes nothing", testAnonymous, Policies{Resource: trust(byAccount)}, false, TrustPolicy)
}

func TestStatementMatching(t *testing.T) {
	const fn = "arn:aws:lambda:r:111122223333:function:f"
	both := []string{fn, fn + ":$LATEST"}
	for _, c := range []struct {
		name, statement, action string
		resources               []string
		ctx                     Context
		want                    bool
	}{
		{"allow of one of two names", `"Effect":"Allow","Action":"lambda:*","Resource":"` + fn + `"`, "lambda:InvokeFunction", both, nil, true},
		{"allow of the other name", `"Effect":"Allow","Action":"lambda:*","Resource":"` + fn + `:*"`, "lambda:InvokeFunction", both, nil, true},
		{"NotResource excepts the resource by either name", `"Effect":"Allow","Action":"lambda:*","NotResource":"` + fn + `"`, "lambda:InvokeFunction", both, nil, false},
		{"NotResource allows the rest", `"Effect":"Allow","Action":"lambda:*","NotResource":"` + fn + `"`, "lambda:InvokeFunction", []string{fn + "2"}, nil, true},
		{"NotResource with a variable that has no value allows nothing", `"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::b/${aws:username}"`, "s3:GetObject", []string{testObject}, nil, false},
		{"NotResource with a variable that has one", `"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::b/${aws:username}"`, "s3:GetObject", []string{testObject}, Context{"aws:username": {"x"}}, true},
		{"NotAction allows every other service", `"Effect":"Allow","NotAction":"iam:*","Resource":"*"`, "ec2:RunInstances", nil, nil, true},
		{"NotAction excepts what it names", `"Effect":"Allow","NotAction":"iam:*","Resource":"*"`, "IAM:CreateUser", nil, nil, false},
		{"an action without a resource needs a star", `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::*"`, "s3:ListAllMyBuckets", nil, nil, false},
		{"a star is every resource", `"Effect":"Allow","Action":"s3:*","Resource":"*"`, "s3:ListAllMyBuckets", nil, nil, true},
		{"an action is not empty", `"Effect":"Allow","Action":"*","Resource":"*"`, "", nil, nil, false},
		{"an action has a service", `"Effect":"Allow","Action":"*","Resource":"*"`, "GetObject", nil, nil, false},
		{"a user's home", `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", []string{"arn:aws:s3:::b/bob/x"}, Context{"aws:username": {"bob"}}, true},
		{"another user's home", `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", []string{"arn:aws:s3:::b/eve/x"}, Context{"aws:username": {"bob"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustParse(t, IdentityPolicy, `{"Version":"2012-10-17","Statement":{`+c.statement+`}}`)
			d := Decide(Request{Principal: testUser, Action: c.action, Resources: c.resources, Context: c.ctx}, Policies{Identity: []*Policy{p}})
			if d.Allowed != c.want {
				t.Errorf("decision is %+v, want allowed %v", d, c.want)
			}
		})
	}
	deny := mustParse(t, IdentityPolicy, `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"`+fn+`:$LATEST"}]}`)
	if d := Decide(Request{Principal: testUser, Action: "lambda:InvokeFunction", Resources: both}, Policies{Identity: []*Policy{deny}}); !d.Explicit || d.Statement != 1 {
		t.Errorf("deny of one of two names: %+v, want an explicit deny by statement 1", d)
	}
}

func TestPoliciesThatCannotBeReadDeny(t *testing.T) {
	allow := mustParse(t, IdentityPolicy, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	open := mustParse(t, ResourcePolicy, bucketPolicy("Allow", `"*"`))
	for name, p := range map[string]Policies{
		"nil identity policy":             {Identity: []*Policy{allow, nil}},
		"zero identity policy":            {Identity: []*Policy{allow, {}}},
		"nil bucket policy":               {Identity: []*Policy{allow}, Resource: []*Policy{nil}},
		"nil session policy":              {Identity: []*Policy{allow}, Session: []*Policy{allow, nil}},
		"zero boundary":                   {Identity: []*Policy{allow}, Boundary: &Policy{}},
		"identity policy on a bucket":     {Identity: []*Policy{allow}, Resource: []*Policy{allow}},
		"bucket policy on an identity":    {Identity: []*Policy{allow, open}},
		"bucket policy as a boundary":     {Identity: []*Policy{allow}, Boundary: open},
		"bucket policy as session policy": {Identity: []*Policy{allow}, Session: []*Policy{open}},
	} {
		for _, who := range []Principal{testRoot, testUser, testSession, testService, testAnonymous} {
			if d := Decide(Request{Principal: who, Action: "s3:GetObject", Resources: []string{testObject}}, p); d.Allowed || !d.Explicit {
				t.Errorf("%s: %v got %+v, want an explicit deny", name, who.Kind, d)
			}
		}
	}
}

// typical is a request of the reference solution with ten statements to look at and the condition keys of a real one.
func typical(t testing.TB) (Request, Policies) {
	s := &Service{account: account}
	c := Caller{Principal: sessionOf(edgeRole, "edge"), Context: Context{"aws:securetransport": {"true"}, "aws:sourceip": {"127.0.0.1"}}}
	r := Request{Principal: c.Principal, Action: "s3:GetObject", Resources: []string{bucketARN + "/2026/11/holiday/photo-0001.jpg"}, Context: s.context(&c, nil, testStart)}
	p := Policies{
		Identity: []*Policy{
			mustParse(t, IdentityPolicy, managedDocument(t, "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")),
			mustParse(t, IdentityPolicy, writeResponse), mustParse(t, IdentityPolicy, edgePolicy),
		},
		Resource: []*Policy{mustParse(t, ResourcePolicy, enforceTLS), mustParse(t, ResourcePolicy, accessPointPolicy), mustParse(t, ResourcePolicy, objectLambdaPolicy)},
	}
	return r, p
}

func TestDecideAllocatesNothing(t *testing.T) {
	r, p := typical(t)
	if d := Decide(r, p); !d.Allowed {
		t.Fatalf("the typical request is denied: %+v", d)
	}
	// 0 measured 2026-11.
	if n := testing.AllocsPerRun(100, func() { Decide(r, p) }); n != 0 {
		t.Errorf("%v allocations a decision, want 0", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	r, p := typical(b)
	b.ReportAllocs()
	for b.Loop() {
		if d := Decide(r, p); !d.Allowed {
			b.Fatalf("denied: %+v", d)
		}
	}
}

// fuzzed builds a request and policies out of whatever documents the fuzzer made that can be parsed.
func FuzzDecide(f *testing.F) {
	f.Add(edgePolicy, enforceTLS, "s3:GetObject", "arn:aws:s3:::my-images-blog-bucket/a", "aws:securetransport", "true", byte(3))
	f.Add(allowIdentity, bucketPolicy("Allow", `"*"`), "s3:GetObject", testObject, "aws:username", "*", byte(0))
	f.Add(denyIdentity, bucketPolicy("Deny", `{"AWS":"111122223333"}`), "s3:getobject", testObject, "aws:sourceip", "::1", byte(2))
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::${k, 'd'}","Condition":{"ForAllValues:StringLike":{"k":"${k}*"}}}}`,
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":"*","Resource":"*"}}`, "s3:x", "arn:aws:s3:::y", "k", "z", byte(4))
	f.Fuzz(func(t *testing.T, identity, resource, action, arn, key, value string, who byte) {
		r := Request{
			Principal: []Principal{testAnonymous, testRoot, testUser, testSession, testService}[who%5],
			Action:    action, Resources: []string{arn}, Context: Context{key: {value}, "k": {value, key}},
		}
		var p Policies
		if doc, err := Parse([]byte(identity), IdentityPolicy); err == nil {
			p.Identity = append(p.Identity, doc)
		}
		if doc, err := Parse([]byte(resource), ResourcePolicy); err == nil {
			p.Resource = append(p.Resource, doc)
		}
		d := Decide(r, p)
		if d.Allowed && d.Explicit {
			t.Errorf("allowed and denied: %+v", d)
		}
		if again := Decide(r, p); again != d {
			t.Errorf("decided twice: %+v and %+v", d, again)
		}
		tr := trace(r, p)
		if tr.Decision != d {
			t.Errorf("traced %+v, decided %+v", tr.Decision, d)
		}
		if d.Allowed && d.By != 0 && !slices.ContainsFunc(tr.Matches, func(m Match) bool { return m.Effect == Allow && m.Statement == d.Statement }) {
			t.Errorf("allowed by %+v, which the trace has not: %+v", d, tr.Matches)
		}
		if r.Principal.Kind == Anonymous && d.Allowed && d.By != ResourcePolicy {
			t.Errorf("anonymous is allowed by %v", d.By)
		}
		for i, more := range []Policies{
			{Identity: append(p.Identity[:len(p.Identity):len(p.Identity)], mustParse(t, IdentityPolicy, denyIdentity)), Resource: p.Resource},
			{Identity: p.Identity, Resource: append(p.Resource[:len(p.Resource):len(p.Resource)], mustParse(t, ResourcePolicy, bucketPolicy("Deny", `"*"`)))},
			{Identity: p.Identity, Resource: p.Resource, Boundary: mustParse(t, IdentityPolicy, allowOther)},
			{Identity: p.Identity, Resource: p.Resource, Session: []*Policy{}},
		} {
			if !d.Allowed && Decide(r, more).Allowed {
				t.Errorf("restriction %d allowed what was denied: %s", i, fmt.Sprint(d))
			}
		}
	})
}
