package iam

import (
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

const allowEverything = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

// trusting is a trust policy with one statement.
func trusting(principal, actions, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":` + actions + condition + `}}`
}

const theAccount, theUser = `{"AWS":"111122223333"}`, `{"AWS":"arn:aws:iam::111122223333:user/bob"}`

// become assumes the role and returns the caller that its credentials make.
func become(t testing.TB, s *Service, c Caller, a AssumeRole) Caller {
	t.Helper()
	k, err := s.AssumeRole(t.Context(), c, a)
	if err != nil {
		t.Fatal(err)
	}
	secret, who, err := s.Lookup(t.Context(), k.AccessKeyID, k.SessionToken)
	if err != nil || secret != k.SecretAccessKey {
		t.Fatal(err)
	}
	return who
}

func TestAssumeRole(t *testing.T) {
	s, _, clk := newService(t)
	ctx := t.Context()
	_, bob := makeUser(t, s, "bob", "")
	r, err := s.CreateRole(ctx, s.Root(), NewRole{Name: "worker", Path: "/d/", Trust: trusting(theUser, `"sts:AssumeRole"`, "")})
	must(t, err, s.PutRolePolicy(ctx, s.Root(), "worker", "p", allowIdentity))
	got, err := s.AssumeRole(ctx, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one"})
	must(t, err)
	if got.ARN != "arn:aws:sts::111122223333:assumed-role/worker/one" || got.ID != r.ID+":one" || !got.Expires.Equal(clk.now().Add(time.Hour)) || got.Packed != 0 {
		t.Errorf("assumed %+v", got)
	}
	_, who, err := s.Lookup(ctx, got.AccessKeyID, got.SessionToken)
	must(t, err)
	if who.Principal.ARN != got.ARN || who.Principal.RoleARN != r.ARN || who.Session.Parent != "" {
		t.Errorf("the session's caller is %+v", who)
	}
	must(t, s.Authorize(ctx, who, Ask{Action: "s3:GetObject", Resources: []string{testObject}}))
	// The session stands on the role, not on the user who began it.
	must(t, s.DeleteAccessKey(ctx, s.Root(), "bob", bob.AccessKeyID), s.DeleteUser(ctx, s.Root(), "bob"))
	must(t, second(second3(s.Lookup(ctx, got.AccessKeyID, got.SessionToken))))
}

func second3[T, U any](_ T, u U, err error) (U, error) { return u, err }

// Who may assume: the trust policy must name the user or role, or its account and then the caller's own policies must let
// it. IAM User Guide, "Granting a user permissions to switch roles".
func TestWhoMayAssume(t *testing.T) {
	for _, c := range []struct {
		name, identity, trust string
		a                     AssumeRole
		code                  string
	}{
		{name: "named by the trust policy", trust: trusting(theUser, `"sts:AssumeRole"`, "")},
		{name: "not named", trust: functionTrust, identity: allowEverything, code: "AccessDenied"},
		{name: "account named, without a policy of one's own", trust: trusting(theAccount, `"sts:AssumeRole"`, ""), code: "AccessDenied"},
		{name: "account named, with one", trust: trusting(theAccount, `"sts:AssumeRole"`, ""), identity: allowEverything},
		{name: "named, and denied by one's own policy", trust: trusting(theUser, `"sts:AssumeRole"`, ""), identity: strings.Replace(allowEverything, "Allow", "Deny", 1), code: "AccessDenied"},
		{name: "everyone named", trust: trusting(`"*"`, `"sts:AssumeRole"`, "")},
		{name: "external id missing", trust: trusting(theUser, `"sts:AssumeRole"`, `{"StringEquals":{"sts:ExternalId":"x7"}}`), code: "AccessDenied"},
		{name: "external id wrong", trust: trusting(theUser, `"sts:AssumeRole"`, `{"StringEquals":{"sts:ExternalId":"x7"}}`), a: AssumeRole{ExternalID: "x8"}, code: "AccessDenied"},
		{name: "external id right", trust: trusting(theUser, `"sts:AssumeRole"`, `{"StringEquals":{"sts:ExternalId":"x7"}}`), a: AssumeRole{ExternalID: "x7"}},
		{name: "external id not asked for", trust: trusting(theUser, `"sts:AssumeRole"`, ""), a: AssumeRole{ExternalID: "x7"}},
		{name: "session name must be the user's", trust: trusting(theUser, `"sts:AssumeRole"`, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`), code: "AccessDenied"},
		{name: "session name is the user's", trust: trusting(theUser, `"sts:AssumeRole"`, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`), a: AssumeRole{SessionName: "bob"}},
		{name: "source identity without permission", trust: trusting(theUser, `"sts:AssumeRole"`, ""), a: AssumeRole{SourceIdentity: "bob"}, code: "AccessDenied"},
		{name: "source identity with permission", trust: trusting(theUser, `["sts:AssumeRole","sts:SetSourceIdentity"]`, `{"StringEqualsIfExists":{"sts:SourceIdentity":"bob"}}`), a: AssumeRole{SourceIdentity: "bob"}},
		{name: "another source identity than permitted", trust: trusting(theUser, `["sts:AssumeRole","sts:SetSourceIdentity"]`, `{"StringEqualsIfExists":{"sts:SourceIdentity":"bob"}}`), a: AssumeRole{SourceIdentity: "eve"}, code: "AccessDenied"},
		{name: "tags without permission", trust: trusting(theUser, `"sts:AssumeRole"`, ""), a: AssumeRole{Tags: []Tag{{"team", "a"}}}, code: "AccessDenied"},
		{name: "tags with permission", trust: trusting(theUser, `["sts:AssumeRole","sts:TagSession"]`, ""), a: AssumeRole{Tags: []Tag{{"team", "a"}}}},
		{name: "tags other than permitted", trust: trusting(theUser, `["sts:AssumeRole","sts:TagSession"]`, `{"StringEquals":{"aws:RequestTag/team":"b"}}`), a: AssumeRole{Tags: []Tag{{"team", "a"}}}, code: "AccessDenied"},
		{name: "transitive keys other than permitted", trust: trusting(theUser, `["sts:AssumeRole","sts:TagSession"]`, `{"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["x"]}}`), a: AssumeRole{Tags: []Tag{{"team", "a"}}, Transitive: []string{"team"}}, code: "AccessDenied"},
		{name: "no such role", a: AssumeRole{RoleARN: "arn:aws:iam::111122223333:role/nosuch"}, trust: trusting(`"*"`, `"sts:AssumeRole"`, ""), identity: allowEverything, code: "AccessDenied"},
		{name: "the role by another path", a: AssumeRole{RoleARN: "arn:aws:iam::111122223333:role/d/worker"}, trust: trusting(`"*"`, `"sts:AssumeRole"`, ""), identity: allowEverything, code: "AccessDenied"},
		{name: "a role of another account", a: AssumeRole{RoleARN: "arn:aws:iam::444455556666:role/worker"}, trust: trusting(`"*"`, `"sts:AssumeRole"`, ""), identity: allowEverything, code: "AccessDenied"},
		{name: "no ARN", a: AssumeRole{RoleARN: "worker"}, trust: functionTrust, code: "ValidationError"},
		{name: "one letter of a session name", a: AssumeRole{SessionName: "x"}, trust: functionTrust, code: "ValidationError"},
		{name: "a slash in the session name", a: AssumeRole{SessionName: "a/b"}, trust: functionTrust, code: "ValidationError"},
		{name: "a space in the external id", a: AssumeRole{ExternalID: "a b"}, trust: functionTrust, code: "ValidationError"},
		{name: "one letter of a source identity", a: AssumeRole{SourceIdentity: "x"}, trust: functionTrust, code: "ValidationError"},
		{name: "less than 15 minutes", a: AssumeRole{Duration: 899 * time.Second}, trust: functionTrust, code: "ValidationError"},
		{name: "more than 12 hours", a: AssumeRole{Duration: 12*time.Hour + time.Second}, trust: functionTrust, code: "ValidationError"},
		{name: "more than the role's longest session", a: AssumeRole{Duration: time.Hour + time.Second}, trust: trusting(theUser, `"sts:AssumeRole"`, ""), code: "ValidationError"},
		{name: "a transitive key without its tag", a: AssumeRole{Transitive: []string{"team"}}, trust: functionTrust, code: "ValidationError"},
		{name: "a session policy that is none", a: AssumeRole{Policy: "{}"}, trust: trusting(theUser, `"sts:AssumeRole"`, ""), code: "MalformedPolicyDocument"},
		{name: "a long session policy", a: AssumeRole{Policy: allowIdentity + strings.Repeat(" ", 2048)}, trust: functionTrust, code: "ValidationError"},
		{name: "eleven policies", a: AssumeRole{PolicyARNs: slices.Repeat([]string{adminRole}, 11)}, trust: functionTrust, code: "ValidationError"},
		{name: "a session policy that is not there", a: AssumeRole{PolicyARNs: []string{"arn:aws:iam::aws:policy/Nothing"}}, trust: trusting(theUser, `"sts:AssumeRole"`, ""), code: "ValidationError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, _ := newService(t)
			_, bob := makeUser(t, s, "bob", c.identity)
			r, err := s.CreateRole(t.Context(), s.Root(), NewRole{Name: "worker", Trust: c.trust})
			must(t, err)
			if c.a.RoleARN == "" {
				c.a.RoleARN = r.ARN
			}
			if c.a.SessionName == "" {
				c.a.SessionName = "one"
			}
			_, err = s.AssumeRole(t.Context(), bob, c.a)
			if fault.Code(err) != c.code {
				t.Errorf("AssumeRole gave %v, want code %q", err, c.code)
			}
			if want := "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: sts:"; c.code == "AccessDenied" && !strings.Contains(err.Error(), want) || c.code == "AccessDenied" && strings.Contains(err.Error(), "because") {
				t.Errorf("message is %v, want %s and no reason", err, want)
			}
			for name, who := range map[string]Caller{"root": s.Root(), "nobody": {}, "a service": {Principal: testService}} {
				if _, err := s.AssumeRole(t.Context(), who, c.a); c.code != "ValidationError" && !fault.Is(err, "AccessDenied") && !strings.Contains(c.trust, `"*"`) {
					t.Errorf("%s: %v, want AccessDenied", name, err)
				}
			}
		})
	}
}

func TestRootAssumesNothing(t *testing.T) {
	s, _, _ := newService(t)
	r, err := s.CreateRole(t.Context(), s.Root(), NewRole{Name: "worker", Trust: trusting(`"*"`, `"sts:AssumeRole"`, "")})
	must(t, err)
	_, err = s.AssumeRole(t.Context(), s.Root(), AssumeRole{RoleARN: r.ARN, SessionName: "one"})
	if want := "AccessDenied: Roles may not be assumed by root accounts."; err == nil || err.Error() != want {
		t.Errorf("root: %v, want %s", err, want)
	}
}

// What a session may do is what its role and its session policies both allow, as the policies are when it is done.
func TestSessionPolicies(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", "")
	r, err := s.CreateRole(ctx, root, NewRole{Name: "worker", Trust: trusting(theUser, `"sts:AssumeRole"`, "")})
	must(t, err, s.PutRolePolicy(ctx, root, "worker", "p", `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}}`))
	own, err := s.CreatePolicy(ctx, root, NewPolicy{Name: "own", Document: allowOther})
	must(t, err)
	f := func(name string, who Caller, action string, want bool) {
		t.Helper()
		d, err := s.Explain(ctx, who, Ask{Action: action, Resources: []string{testObject}})
		if err != nil || d.Allowed != want {
			t.Errorf("%s: %s: %+v, %v, want allowed %v", name, action, d, err, want)
		}
	}
	inline := become(t, s, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one", Policy: allowIdentity})
	f("inline", inline, "s3:GetObject", true)
	f("inline", inline, "s3:PutObject", false)
	if err := s.Authorize(ctx, inline, Ask{Action: "s3:PutObject", Resources: []string{testObject}}); err == nil || !strings.HasSuffix(err.Error(), "because no session policy allows the s3:PutObject action") {
		t.Errorf("message: %v", err)
	}
	managed := become(t, s, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one", PolicyARNs: []string{own.ARN}})
	f("managed", managed, "s3:PutObject", true)
	f("managed", managed, "s3:GetObject", false)
	both := become(t, s, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one", Policy: allowIdentity, PolicyARNs: []string{own.ARN}})
	f("either of two", both, "s3:PutObject", true)
	f("either of two", both, "s3:GetObject", true)
	f("neither of two", both, "s3:DeleteObject", false)
	denied := become(t, s, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one", Policy: denyIdentity, PolicyARNs: []string{adminRole}})
	f("one denies", denied, "s3:GetObject", false)
	f("the other allows", denied, "s3:PutObject", true)
	f("but no more than the role", denied, "lambda:InvokeFunction", false)

	// Its forwards are within it too, and so is who is forwarded without a bound.
	f("forwarded", forwardOf(t, s, inline, "s3-object-lambda.amazonaws.com", Bound{Actions: []string{"s3:GetObject", "s3:PutObject"}, Resources: []string{testObject}}), "s3:PutObject", false)
	k, err := s.ForwardUnbound(ctx, inline, "cloudformation.amazonaws.com", time.Minute)
	must(t, err)
	_, unbound, err := s.Lookup(ctx, k.AccessKeyID, k.SessionToken)
	must(t, err)
	f("forwarded without a bound", unbound, "s3:GetObject", true)
	f("forwarded without a bound", unbound, "s3:PutObject", false)
	if unbound.Session.Bound != nil || unbound.Session.Policy != allowIdentity {
		t.Errorf("forwarded without a bound: %+v", unbound.Session)
	}

	must(t, second(s.CreatePolicyVersion(ctx, root, own.ARN, allowIdentity, true)))
	f("managed, changed since", managed, "s3:GetObject", true)
	must(t, s.DeletePolicyVersion(ctx, root, own.ARN, "v1"), s.DeletePolicy(ctx, root, own.ARN))
	f("managed, gone since", managed, "s3:GetObject", false)
}

// A bound that is there stays when its holder is forwarded without one.
func TestForwardUnboundKeepsTheBound(t *testing.T) {
	s, _, _ := newService(t)
	bound := forwardOf(t, s, s.Root(), "cloudformation.amazonaws.com", Bound{Actions: []string{"s3:GetObject"}, Resources: []string{testObject}})
	k, err := s.ForwardUnbound(t.Context(), bound, "cloudformation.amazonaws.com", time.Minute)
	must(t, err)
	_, who, err := s.Lookup(t.Context(), k.AccessKeyID, k.SessionToken)
	must(t, err, s.Authorize(t.Context(), who, Ask{Action: "s3:GetObject", Resources: []string{testObject}}))
	wantCode(t, s.Authorize(t.Context(), who, Ask{Action: "s3:PutObject", Resources: []string{testObject}}), "AccessDenied")
}

func TestRoleChaining(t *testing.T) {
	s, _, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", "")
	all := `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	first, err := s.CreateRole(ctx, root, NewRole{Name: "first", Trust: trusting(theUser, all, ""), MaxSessionDuration: 12 * time.Hour})
	must(t, err)
	next, err := s.CreateRole(ctx, root, NewRole{Name: "next", Trust: trusting(`{"AWS":"`+first.ARN+`"}`, all, `{"StringEquals":{"aws:PrincipalTag/team":"a","aws:SourceIdentity":"bob"}}`), MaxSessionDuration: 12 * time.Hour})
	must(t, err, s.PutRolePolicy(ctx, root, "next", "p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}"}}`))
	start := AssumeRole{
		RoleARN: first.ARN, SessionName: "one", Duration: 12 * time.Hour, SourceIdentity: "bob",
		Tags: []Tag{{"team", "a"}, {"own", "x"}}, Transitive: []string{"Team"},
	}
	one := become(t, s, bob, start)
	if !one.Session.Expires.Equal(clk.now().Add(12 * time.Hour)) {
		t.Errorf("the first session ends %v", one.Session.Expires)
	}
	chain := AssumeRole{RoleARN: next.ARN, SessionName: "two"}
	two := become(t, s, one, chain)
	if o := two.Session; o.SourceIdentity != "bob" || len(o.Tags) != 1 || o.Tags[0] != (Tag{"team", "a"}) || len(o.Transitive) != 1 {
		t.Errorf("the next session is %+v", o)
	}
	must(t, s.Authorize(ctx, two, Ask{Action: "s3:GetObject", Resources: []string{"arn:aws:s3:::b/a"}}))
	f := func(name string, change func(*AssumeRole), code, text string) {
		t.Helper()
		a := chain
		change(&a)
		if _, err := s.AssumeRole(ctx, one, a); fault.Code(err) != code || code != "" && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %s %q", name, err, code, text)
		}
	}
	f("an hour", func(a *AssumeRole) { a.Duration = time.Hour }, "", "")
	f("more than an hour", func(a *AssumeRole) { a.Duration = time.Hour + time.Second }, "ValidationError", "1 hour session limit for roles assumed by role chaining")
	f("the same source identity", func(a *AssumeRole) { a.SourceIdentity = "bob" }, "", "")
	f("another source identity", func(a *AssumeRole) { a.SourceIdentity = "eve" }, "AccessDenied", "source identity")
	f("a transitive tag set anew", func(a *AssumeRole) { a.Tags = []Tag{{"TEAM", "b"}} }, "InvalidParameterValue", "conflicts with a transitive tag key")
	f("a tag that was not transitive", func(a *AssumeRole) { a.Tags = []Tag{{"own", "y"}} }, "", "")
}

func TestGetSessionToken(t *testing.T) {
	s, _, clk := newService(t)
	ctx := t.Context()
	_, _, err := s.EnsureRoot(ctx)
	must(t, err)
	_, bob := makeUser(t, s, "bob", allowEverything)
	session := func(c Caller, life time.Duration) Caller {
		t.Helper()
		k, err := s.GetSessionToken(ctx, c, life)
		must(t, err)
		_, who, err := s.Lookup(ctx, k.AccessKeyID, k.SessionToken)
		must(t, err)
		return who
	}
	who := session(bob, 0)
	if who.Principal != bob.Principal || !who.Session.Expires.Equal(clk.now().Add(12*time.Hour)) || !who.Session.Issued.Equal(clk.now()) {
		t.Errorf("session of a user: %+v", who)
	}
	if o := session(s.Root(), 36*time.Hour).Session; !o.Expires.Equal(clk.now().Add(time.Hour)) {
		t.Errorf("root's session ends %v, want after an hour", o.Expires)
	}
	if o := session(bob, 36*time.Hour).Session; !o.Expires.Equal(clk.now().Add(36 * time.Hour)) {
		t.Errorf("the longest session ends %v", o.Expires)
	}
	for _, life := range []time.Duration{899 * time.Second, 36*time.Hour + time.Second, -time.Hour} {
		wantCode(t, second(s.GetSessionToken(ctx, bob, life)), "ValidationError")
	}
	_, worker := assume(t, s, makeRole(t, s, "worker", allowEverything))
	for name, c := range map[string]Caller{"a session of its own": who, "a role session": worker, "nobody": {}, "a service": {Principal: testService}} {
		if _, err := s.GetSessionToken(ctx, c, 0); !fault.Is(err, "AccessDenied") {
			t.Errorf("%s: %v, want AccessDenied", name, err)
		}
	}
	// Without MFA such a session has no business with identities. STS API Reference, GetSessionToken, "Permissions".
	r, err := s.CreateRole(ctx, s.Root(), NewRole{Name: "target", Trust: trusting(theUser, `"sts:AssumeRole"`, "")})
	must(t, err)
	must(t, s.Authorize(ctx, who, Ask{Action: "s3:GetObject", Resources: []string{testObject}}))
	wantCode(t, second(s.GetUser(ctx, who, "bob")), "AccessDenied")
	wantCode(t, second(s.AccessKeyAccount(ctx, who, bob.AccessKeyID)), "AccessDenied")
	must(t, second(s.AssumeRole(ctx, who, AssumeRole{RoleARN: r.ARN, SessionName: "one"})))
	if p, err := s.CallerIdentity(who); err != nil || p != bob.Principal {
		t.Errorf("CallerIdentity gave %+v, %v", p, err)
	}
	wantCode(t, second(s.GetUser(ctx, session(s.Root(), 0), "bob")), "AccessDenied")
	k, err := s.ForwardUnbound(ctx, who, "cloudformation.amazonaws.com", time.Minute)
	must(t, err)
	_, forwarded, err := s.Lookup(ctx, k.AccessKeyID, k.SessionToken)
	must(t, err)
	wantCode(t, second(s.GetUser(ctx, forwarded, "bob")), "AccessDenied")
}

// All sessions that began before a moment are denied everything; those that begin after are not.
// IAM User Guide, "Revoke IAM role temporary security credentials".
func TestRevokedSessions(t *testing.T) {
	s, _, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", allowIdentity)
	r, err := s.CreateRole(ctx, root, NewRole{Name: "worker", Trust: trusting(theUser, `"sts:AssumeRole"`, "")})
	must(t, err, s.PutRolePolicy(ctx, root, "worker", "p", allowIdentity))
	begin := func() []Caller {
		k, err := s.GetSessionToken(ctx, bob, 0)
		must(t, err)
		_, own, err := s.Lookup(ctx, k.AccessKeyID, k.SessionToken)
		must(t, err)
		return []Caller{become(t, s, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one"}), own}
	}
	ask := Ask{Action: "s3:GetObject", Resources: []string{testObject}}
	old := begin()
	clk.add(time.Second)
	revoke := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"` + clk.now().Format(time.RFC3339) + `"}}}}`
	for _, c := range old {
		must(t, s.Authorize(ctx, c, ask))
	}
	must(t, s.PutRolePolicy(ctx, root, "worker", "AWSRevokeOlderSessions", revoke), s.PutUserPolicy(ctx, root, "bob", "AWSRevokeOlderSessions", revoke))
	for _, c := range old {
		wantCode(t, s.Authorize(ctx, c, ask), "AccessDenied")
	}
	for _, c := range append(begin(), bob) { // bob's long-term key has no issue time
		must(t, s.Authorize(ctx, c, ask))
	}
}

func TestPackedPolicies(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	_, bob := makeUser(t, s, "bob", "")
	r, err := s.CreateRole(ctx, s.Root(), NewRole{Name: "worker", Trust: trusting(theUser, `["sts:AssumeRole","sts:TagSession"]`, "")})
	must(t, err)
	longest := allowIdentity + strings.Repeat(" ", 2048-len(allowIdentity))
	got, err := s.AssumeRole(ctx, bob, AssumeRole{RoleARN: r.ARN, SessionName: strings.Repeat("n", 64), Policy: longest})
	must(t, err)
	if got.Packed < 50 || got.Packed > 51 || len(got.SessionToken) > 4096 {
		t.Errorf("a session policy of 2,048 characters takes %d %%, the token has %d characters", got.Packed, len(got.SessionToken))
	}
	tags := make([]Tag, maxTags)
	for i := range tags {
		tags[i] = Tag{strings.Repeat("k", i+1), strings.Repeat("v", 60)}
	}
	_, err = s.AssumeRole(ctx, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one", Policy: longest, Tags: tags})
	wantCode(t, err, "PackedPolicyTooLarge")
	// Whatever was passed, the session can be forwarded for the longest key.
	who := become(t, s, bob, AssumeRole{RoleARN: r.ARN, SessionName: "one", Policy: longest, Tags: tags[:18]})
	forwardOf(t, s, who, "s3-object-lambda.amazonaws.com", Bound{Actions: []string{"s3:GetObject"}, Resources: []string{testObject + strings.Repeat("k", 1024), accessPointARN + strings.Repeat("k", 1024)}})
}

func TestCallerIdentityOfServices(t *testing.T) {
	s, _, _ := newService(t)
	for name, c := range map[string]Caller{"nobody": {}, "a service": {Principal: testService}, "acting for root": forwardOf(t, s, s.Root(), "x.amazonaws.com", Bound{})} {
		if _, err := s.CallerIdentity(c); !fault.Is(err, "AccessDenied") {
			t.Errorf("%s: %v, want AccessDenied", name, err)
		}
	}
}

func TestAccessKeyAccount(t *testing.T) {
	s, _, _ := newService(t)
	k, _ := makeUser(t, s, "bob", "")
	for id, code := range map[string]string{k.AccessKeyID: "", "ASIAABCDEFGHIJKLMNOP": "", "AKIAABCDEFGHIJKLMNOP": "ValidationError", "": "ValidationError", "ASIA": "ValidationError"} {
		got, err := s.AccessKeyAccount(t.Context(), s.Root(), id)
		if fault.Code(err) != code || code == "" && got != account {
			t.Errorf("%q is of %q, %v, want code %q", id, got, err, code)
		}
	}
}

// Credentials of a person at the console are as good as the key, and die with it.
func TestSignIn(t *testing.T) {
	s, _, clk := newService(t)
	ctx := t.Context()
	k, bob := makeUser(t, s, "bob", allowEverything)
	got, err := s.SignIn(ctx, bob, 8*time.Hour)
	must(t, err)
	_, who, err := s.Lookup(ctx, got.AccessKeyID, got.SessionToken)
	must(t, err)
	if who.Principal != bob.Principal || !who.Session.Expires.Equal(clk.now().Add(8*time.Hour)) || !who.Session.SignedIn || who.Session.Parent != bob.AccessKeyID {
		t.Errorf("signed in: %+v", who)
	}
	must(t, second(s.GetUser(ctx, who, "bob")))
	f, err := s.ForwardUnbound(ctx, who, "cloudformation.amazonaws.com", time.Minute)
	must(t, err)
	_, forwarded, err := s.Lookup(ctx, f.AccessKeyID, f.SessionToken)
	must(t, err)
	must(t, second(s.GetUser(ctx, forwarded, "bob")))
	wantCode(t, second(s.SignIn(ctx, who, time.Hour)), "AccessDenied")
	wantCode(t, second(s.GetSessionToken(ctx, who, time.Hour)), "AccessDenied")
	_, worker := assume(t, s, makeRole(t, s, "worker", allowEverything))
	wantCode(t, second(s.SignIn(ctx, worker, time.Hour)), "AccessDenied")
	wantCode(t, second(s.SignIn(ctx, Caller{}, time.Hour)), "AccessDenied")
	for _, life := range []time.Duration{time.Minute, 12*time.Hour + time.Second} {
		wantCode(t, second(s.SignIn(ctx, bob, life)), "ValidationError")
	}
	must(t, s.DeleteAccessKey(ctx, s.Root(), "bob", k.AccessKeyID))
	_, _, err = s.Lookup(ctx, got.AccessKeyID, got.SessionToken)
	wantCode(t, err, "InvalidToken")
}
