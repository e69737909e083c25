package iam

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
)

func TestSessionOfAService(t *testing.T) {
	s, m, clk := newService(t)
	r := makeRole(t, s, "worker", edgePolicy)
	c, who := assume(t, s, r)
	if n := len(c.SessionToken); n > 400 {
		t.Errorf("token of %d characters, want at most 400", n)
	}
	if len(c.AccessKeyID) != 20 || !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.SecretAccessKey) != 40 || strings.ContainsAny(c.SessionToken, "+/=%") {
		t.Errorf("credentials have the wrong form: id %d, secret %d", len(c.AccessKeyID), len(c.SecretAccessKey))
	}
	want := Caller{
		AccessKeyID: c.AccessKeyID, Session: &Session{Issued: testStart, Expires: testStart.Add(time.Hour)},
		Principal: Principal{Kind: RoleSession, Account: account, Name: "worker", RoleARN: r.ARN, ID: r.ID + ":fn", ARN: "arn:aws:sts::111122223333:assumed-role/worker/fn"},
	}
	if !reflect.DeepEqual(who, want) {
		t.Errorf("caller is\n%+v, want\n%+v", who, want)
	}
	// After a restart the token is worth as much, with the same secret.
	secret, again, err := openService(t, m, clk).Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	if err != nil || secret != c.SecretAccessKey || !reflect.DeepEqual(again, want) {
		t.Errorf("after a restart: %v, %+v", err, again)
	}
	clk.add(time.Hour - time.Millisecond)
	if _, _, err := s.Lookup(t.Context(), c.AccessKeyID, c.SessionToken); err != nil {
		t.Errorf("a millisecond before its end: %v", err)
	}
	clk.add(time.Millisecond)
	_, _, err = s.Lookup(t.Context(), c.AccessKeyID, c.SessionToken)
	wantCode(t, err, "ExpiredToken")
}

func TestRootTokenOfAnotherAccountIsRefused(t *testing.T) {
	s, m, clk := newService(t)
	k, err := s.Forward(t.Context(), s.Root(), "x.amazonaws.com", Bound{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(t.Context(), Config{State: m, Account: "444455556666", Now: clk.now, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Lookup(t.Context(), k.AccessKeyID, k.SessionToken); err != nil {
		t.Error(err)
	}
	_, _, err = other.Lookup(t.Context(), k.AccessKeyID, k.SessionToken)
	wantCode(t, err, "InvalidToken")
}

func TestAssumeForServiceRefusals(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	r := makeRole(t, s, "worker", "")
	f := func(name, role string, services []string, session string, life time.Duration, code string) {
		t.Helper()
		_, err := s.AssumeForService(ctx, role, services, session, life)
		if fault.Code(err) != code {
			t.Errorf("%s: %v, want code %q", name, err, code)
		}
	}
	lambda, both := []string{"lambda.amazonaws.com"}, []string{"lambda.amazonaws.com", "edgelambda.amazonaws.com"}
	f("trusted", r.ARN, lambda, "f", time.Hour, "")
	f("one of two services is not trusted", r.ARN, both, "fn", time.Hour, "AccessDenied")
	f("no service", r.ARN, nil, "fn", time.Hour, "AccessDenied")
	f("missing role", r.ARN+"x", lambda, "fn", time.Hour, "AccessDenied")
	f("another path", "arn:aws:iam::111122223333:role/d/worker", lambda, "fn", time.Hour, "AccessDenied")
	f("another case", "arn:aws:iam::111122223333:role/Worker", lambda, "fn", time.Hour, "AccessDenied")
	f("another account", "arn:aws:iam::444455556666:role/worker", lambda, "fn", time.Hour, "AccessDenied")
	f("no session name", r.ARN, lambda, "", time.Hour, "ValidationError")
	f("session name with a slash", r.ARN, lambda, "a/b", time.Hour, "ValidationError")
	f("too long", r.ARN, lambda, "fn", 12*time.Hour+1, "ValidationError")
	f("no time", r.ARN, lambda, "fn", 0, "ValidationError")

	// A missing role and one that does not trust cannot be told apart.
	_, missing := s.AssumeForService(ctx, "arn:aws:iam::111122223333:role/nosuch", both[1:], "fn", time.Hour)
	_, closed := s.AssumeForService(ctx, r.ARN, both[1:], "fn", time.Hour)
	if a, b := strings.ReplaceAll(missing.Error(), "nosuch", "worker"), closed.Error(); a != b {
		t.Errorf("missing role: %q\nclosed role:  %q", a, b)
	}

	if err := s.UpdateAssumeRolePolicy(ctx, s.Root(), "worker", edgeTrust); err != nil {
		t.Fatal(err)
	}
	f("both trusted now", r.ARN, both, "fn", time.Hour, "")
	if err := s.UpdateAssumeRolePolicy(ctx, s.Root(), "worker", `{"Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"},{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}]}`); err != nil {
		t.Fatal(err)
	}
	f("trust withdrawn", r.ARN, lambda, "fn", time.Hour, "AccessDenied")
}

func TestTrustConditionsOfAService(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	f := func(condition string, want string) {
		t.Helper()
		name := newID("r", 10)
		r, err := s.CreateRole(ctx, s.Root(), NewRole{Name: name, Trust: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":` + condition + `}}`})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.AssumeForService(ctx, r.ARN, []string{"lambda.amazonaws.com"}, "fn", time.Hour)
		if fault.Code(err) != want {
			t.Errorf("condition %s: %v, want code %q", condition, err, want)
		}
	}
	f(`{"StringEquals":{"aws:SourceAccount":"111122223333"}}`, "")
	f(`{"StringEquals":{"aws:SourceAccount":"444455556666"}}`, "AccessDenied")
	f(`{"DateGreaterThan":{"aws:CurrentTime":"2026-11-01T11:00:00Z"}}`, "")
	f(`{"DateLessThan":{"aws:CurrentTime":"2026-11-01T11:00:00Z"}}`, "AccessDenied")
	f(`{"Bool":{"aws:PrincipalIsAWSService":"true"},"StringEquals":{"aws:PrincipalServiceName":"lambda.amazonaws.com"}}`, "")
}

func TestForward(t *testing.T) {
	s, _, clk := newService(t)
	ctx := t.Context()
	if _, _, err := s.EnsureRoot(ctx); err != nil {
		t.Fatal(err)
	}
	_, bob := makeUser(t, s, "bob", allowIdentity)
	_, worker := assume(t, s, makeRole(t, s, "worker", allowIdentity))
	clk.add(10 * time.Minute)
	const via = "s3-object-lambda.amazonaws.com"
	b := Bound{Actions: []string{"s3:GetObject"}, Resources: []string{testObject}}
	for _, c := range []struct {
		name   string
		who    Caller
		issued time.Time
	}{
		{"root", s.Root(), time.Time{}}, {"user", bob, time.Time{}}, {"session", worker, testStart}, {"service", Caller{Principal: testService}, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := s.Forward(ctx, c.who, via, b, 61*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			secret, got, err := s.Lookup(ctx, k.AccessKeyID, k.SessionToken)
			if err != nil || secret != k.SecretAccessKey {
				t.Fatalf("Lookup: %v", err)
			}
			if got.Principal != c.who.Principal {
				t.Errorf("principal is %+v, want %+v", got.Principal, c.who.Principal)
			}
			if o := got.Session; !o.Issued.Equal(c.issued) || !o.Expires.Equal(clk.now().Add(61*time.Second)) || len(o.Via) != 1 || o.Via[0] != via || !reflect.DeepEqual(*o.Bound, b) {
				t.Errorf("session is %+v", o)
			}
			if _, err := s.Forward(ctx, got, "lambda.amazonaws.com", b, time.Second); err != nil {
				t.Errorf("forwarded once more: %v", err)
			}
		})
	}
	_, err := s.Forward(ctx, Caller{}, via, b, time.Minute)
	wantCode(t, err, "AccessDenied")
	_, err = s.Forward(ctx, Caller{Principal: worker.Principal}, via, b, time.Minute)
	wantCode(t, err, "AccessDenied")
	_, err = s.Forward(ctx, bob, "", b, time.Minute)
	wantCode(t, err, "ValidationError")
	_, err = s.Forward(ctx, bob, via, b, -time.Minute)
	wantCode(t, err, "ValidationError")
	_, err = s.Forward(ctx, bob, via, Bound{Resources: []string{strings.Repeat("x", maxClaims)}}, time.Minute)
	wantCode(t, err, "ValidationError")
}

func TestForwardNeverOutlivesTheCaller(t *testing.T) {
	s, _, clk := newService(t)
	_, worker := assume(t, s, makeRole(t, s, "worker", ""))
	k, err := s.Forward(t.Context(), worker, "x.amazonaws.com", Bound{}, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Expires.Equal(worker.Session.Expires) {
		t.Errorf("expires %v, want with the session at %v", k.Expires, worker.Session.Expires)
	}
	clk.add(time.Hour)
	_, err = s.Forward(t.Context(), worker, "x.amazonaws.com", Bound{}, time.Minute)
	wantCode(t, err, "ExpiredToken")
}

// forwardOf returns the caller that forwarded credentials make.
func forwardOf(t *testing.T, s *Service, c Caller, via string, b Bound) Caller {
	t.Helper()
	k, err := s.Forward(t.Context(), c, via, b, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, who, err := s.Lookup(t.Context(), k.AccessKeyID, k.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func TestBoundNarrowsEveryCaller(t *testing.T) {
	s, _, _ := newService(t)
	_, bob := makeUser(t, s, "bob", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	b := Bound{Actions: []string{"s3:GetObject"}, Resources: []string{testObject, "arn:aws:s3:::b/*"}}
	for _, who := range []Caller{s.Root(), bob} {
		c := forwardOf(t, s, who, "s3-object-lambda.amazonaws.com", b)
		f := func(name, action string, want bool, resources ...string) {
			t.Helper()
			d, err := s.Explain(t.Context(), c, Ask{Action: action, Resources: resources})
			if err != nil || d.Allowed != want || !want && d.By != SessionPolicy {
				t.Errorf("%s as %s: %+v, %v, want allowed %v", name, who.Principal.ARN, d, err, want)
			}
		}
		f("what is bound", "s3:GetObject", true, testObject)
		f("the action in another case", "S3:getobject", true, testObject)
		f("one of two names", "s3:GetObject", true, "arn:other", testObject)
		f("another action", "s3:GetObjectVersion", false, testObject)
		f("another resource", "s3:GetObject", false, "arn:aws:s3:::b/k2")
		f("a star in the bound is no wildcard", "s3:GetObject", false, "arn:aws:s3:::b/anything")
		f("the resource in another case", "s3:GetObject", false, "arn:aws:s3:::b/K")
		f("no resource", "s3:GetObject", false)

		// Bound once more it can only shrink.
		again := forwardOf(t, s, c, "lambda.amazonaws.com", Bound{Actions: []string{"S3:GETOBJECT", "s3:PutObject"}, Resources: []string{testObject, "arn:new"}})
		want := &Bound{Actions: []string{"S3:GETOBJECT"}, Resources: []string{testObject}}
		if !reflect.DeepEqual(again.Session.Bound, want) || strings.Join(again.Session.Via, " ") != "s3-object-lambda.amazonaws.com lambda.amazonaws.com" {
			t.Errorf("bound twice: %+v via %v, want %+v", again.Session.Bound, again.Session.Via, want)
		}
	}
}

// Origin access control: CloudFront itself calls, and the access point lets it in by way of Object Lambda only.
// S3 User Guide, "Using Amazon CloudFront with S3 Object Lambda".
func TestServiceThroughObjectLambda(t *testing.T) {
	s, _, _ := newService(t)
	policy := mustParse(t, ResourcePolicy, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3:*",
		"Resource":["`+accessPointARN+`","`+accessPointARN+`/object/*"],"Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":"s3-object-lambda.amazonaws.com"}}}}`)
	ask := Ask{Action: "s3:GetObject", Resources: []string{accessPointARN + "/object/k"}, Policies: []*Policy{policy}}
	direct := Caller{Principal: testService}
	through := forwardOf(t, s, direct, "s3-object-lambda.amazonaws.com", Bound{Actions: []string{"s3:GetObject"}, Resources: ask.Resources})
	if err := s.Authorize(t.Context(), through, ask); err != nil {
		t.Errorf("through Object Lambda: %v", err)
	}
	wantCode(t, s.Authorize(t.Context(), direct, ask), "AccessDenied")
}

func TestForwardedCallersDoNotTouchIdentities(t *testing.T) {
	s, _, _ := newService(t)
	const arn = "arn:aws:iam::111122223333:role/x"
	b := Bound{Actions: []string{"iam:GetRole", "sts:AssumeRole", "iam:PassRole"}, Resources: []string{arn}}
	olap := forwardOf(t, s, s.Root(), "s3-object-lambda.amazonaws.com", b)
	cfn := forwardOf(t, s, s.Root(), "cloudformation.amazonaws.com", b)
	for _, action := range b.Actions {
		wantCode(t, s.Authorize(t.Context(), olap, Ask{Action: action, Resources: []string{arn}}), "AccessDenied")
	}
	if err := s.Authorize(t.Context(), cfn, Ask{Action: "iam:GetRole", Resources: []string{arn}}); err != nil {
		t.Errorf("CloudFormation for its user: %v", err)
	}
	both := forwardOf(t, s, olap, "cloudformation.amazonaws.com", b)
	wantCode(t, s.Authorize(t.Context(), both, Ask{Action: "iam:GetRole", Resources: []string{arn}}), "AccessDenied")
}

// "Revoke sessions" in the console denies everything to tokens issued before a moment.
// IAM User Guide, "Revoke IAM role temporary security credentials".
func TestRevocationByIssueTime(t *testing.T) {
	s, _, clk := newService(t)
	r := makeRole(t, s, "worker", allowIdentity)
	_, worker := assume(t, s, r)
	ask := Ask{Action: "s3:GetObject", Resources: []string{testObject}}
	forward := forwardOf(t, s, worker, "s3-object-lambda.amazonaws.com", Bound{Actions: []string{"s3:GetObject"}, Resources: []string{testObject}})
	for _, c := range []Caller{worker, forward} {
		if err := s.Authorize(t.Context(), c, ask); err != nil {
			t.Fatal(err)
		}
	}
	clk.add(time.Second)
	if err := s.PutRolePolicy(t.Context(), s.Root(), "worker", "AWSRevokeOlderSessions", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":["*"],"Resource":["*"],
		"Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+clk.now().Format(time.RFC3339)+`"}}}}`); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Authorize(t.Context(), worker, ask), "AccessDenied")
	wantCode(t, s.Authorize(t.Context(), forward, ask), "AccessDenied")
	_, fresh := assume(t, s, r)
	if err := s.Authorize(t.Context(), fresh, ask); err != nil {
		t.Errorf("a session begun after: %v", err)
	}
}
