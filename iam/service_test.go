package iam

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/state"
)

var testStart = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// memory is a state.Memory whose commits can fail: commit, if not nil, is asked before each and after it was done.
type memory struct {
	state.Memory
	commit func(done bool) error
}

func (m *memory) Commit(ctx context.Context, changes ...state.Change) error {
	if m.commit == nil {
		return m.Memory.Commit(ctx, changes...)
	}
	if err := m.commit(false); err != nil {
		return err
	}
	if err := m.Memory.Commit(ctx, changes...); err != nil {
		return err
	}
	return m.commit(true)
}

// clock is a time that stands still until it is set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newService returns a service over a fresh store, at testStart.
func newService(t testing.TB) (*Service, *memory, *clock) {
	t.Helper()
	m, c := &memory{}, &clock{at: testStart}
	return openService(t, m, c), m, c
}

// openService opens the store anew, as a restart does.
func openService(t testing.TB, m *memory, c *clock) *Service {
	t.Helper()
	s, err := New(context.Background(), Config{State: m, Account: account, Now: c.now, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// makeRole creates a role that Lambda may assume, with the given inline policy ("" for none).
func makeRole(t testing.TB, s *Service, name, policy string) Role {
	t.Helper()
	r, err := s.CreateRole(context.Background(), s.Root(), NewRole{Name: name, Trust: functionTrust})
	if err != nil {
		t.Fatal(err)
	}
	if policy != "" {
		if err := s.PutRolePolicy(context.Background(), s.Root(), name, "inline", policy); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// assume returns a session of the role, as Lookup finds it.
func assume(t testing.TB, s *Service, r Role) (Credentials, Caller) {
	t.Helper()
	c, err := s.AssumeForService(context.Background(), r.ARN, []string{"lambda.amazonaws.com"}, "fn", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, who, err := s.Lookup(context.Background(), c.AccessKeyID, c.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	return c, who
}

// makeUser creates a user with the given inline policy ("" for none), and returns it as a caller with a long-term key.
func makeUser(t testing.TB, s *Service, name, policy string) (Credentials, Caller) {
	t.Helper()
	ctx := context.Background()
	if _, err := s.CreateUser(ctx, s.Root(), NewUser{Name: name}); err != nil {
		t.Fatal(err)
	}
	if policy != "" {
		if err := s.PutUserPolicy(ctx, s.Root(), name, "inline", policy); err != nil {
			t.Fatal(err)
		}
	}
	k, _, err := s.CreateAccessKey(ctx, s.Root(), name)
	if err != nil {
		t.Fatal(err)
	}
	_, who, err := s.Lookup(ctx, k.AccessKeyID, "")
	if err != nil {
		t.Fatal(err)
	}
	return k, who
}

func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("error is %v, want %s", err, code)
	}
}

func TestNewRefusesABrokenConfig(t *testing.T) {
	good := Config{State: &memory{}, Account: account, Key: [32]byte{1}}
	for name, breakIt := range map[string]func(*Config){
		"no state":      func(c *Config) { c.State = nil },
		"no account":    func(c *Config) { c.Account = "" },
		"short account": func(c *Config) { c.Account = "1234" },
		"zero key":      func(c *Config) { c.Key = [32]byte{} },
	} {
		c := good
		breakIt(&c)
		if _, err := New(t.Context(), c); err == nil {
			t.Errorf("%s: New gave no error", name)
		}
	}
	if _, err := New(t.Context(), good); err != nil {
		t.Error(err)
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	s, m, c := newService(t)
	if _, _, err := s.EnsureRoot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{State: m, Account: account, Now: c.now, Key: [32]byte{2}}); !errors.Is(err, errSealed) {
		t.Errorf("New with another key: %v, want %v", err, errSealed)
	}
}

func TestAuthorizeMessages(t *testing.T) {
	s, _, _ := newService(t)
	_, bob := makeUser(t, s, "bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`)
	r := makeRole(t, s, "worker", "")
	_, worker := assume(t, s, r)
	deny := mustParse(t, ResourcePolicy, `{"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`)
	bound := worker
	bound.Session = &Session{Issued: testStart, Expires: testStart.Add(time.Hour), Bound: &Bound{}}
	for _, c := range []struct {
		name string
		who  Caller
		ask  Ask
		want string
	}{
		{
			"no identity policy", worker,
			Ask{Action: "logs:PutLogEvents", Resources: []string{"arn:x"}},
			"User: arn:aws:sts::111122223333:assumed-role/worker/fn is not authorized to perform: logs:PutLogEvents on resource: arn:x because no identity-based policy allows the logs:PutLogEvents action",
		},
		{
			"S3 quotes the resource", worker,
			Ask{Action: "s3:GetObject", Resources: []string{testObject}},
			`User: arn:aws:sts::111122223333:assumed-role/worker/fn is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows the s3:GetObject action`,
		},
		{
			"denied by identity", bob,
			Ask{Action: "iam:GetUser", Resources: []string{"arn:y"}},
			"User: arn:aws:iam::111122223333:user/bob is not authorized to perform: iam:GetUser on resource: arn:y with an explicit deny in an identity-based policy",
		},
		{
			"root denied by resource", s.Root(),
			Ask{Action: "lambda:InvokeFunction", Resources: []string{"arn:z"}, Policies: []*Policy{deny}},
			"User: arn:aws:iam::111122223333:root is not authorized to perform: lambda:InvokeFunction on resource: arn:z with an explicit deny in a resource-based policy",
		},
		{
			"no resource", worker,
			Ask{Action: "lambda:ListFunctions"},
			"User: arn:aws:sts::111122223333:assumed-role/worker/fn is not authorized to perform: lambda:ListFunctions on resource: * because no identity-based policy allows the lambda:ListFunctions action",
		},
		{
			"outside of the bound", bound,
			Ask{Action: "s3:GetObject", Resources: []string{testObject}},
			`User: arn:aws:sts::111122223333:assumed-role/worker/fn is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no session policy allows the s3:GetObject action`,
		},
		{"nobody learns nothing", Caller{}, Ask{Action: "s3:GetObject", Resources: []string{testObject}}, "Access Denied"},
		{"a service learns nothing of S3", Caller{Principal: testService}, Ask{Action: "s3:GetObject", Resources: []string{testObject}}, "Access Denied"},
		{
			"a service elsewhere",
			Caller{Principal: testService},
			Ask{Action: "lambda:InvokeFunction", Resources: []string{"arn:z"}},
			"User: cloudfront.amazonaws.com is not authorized to perform: lambda:InvokeFunction on resource: arn:z because no resource-based policy allows the lambda:InvokeFunction action",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.Authorize(t.Context(), c.who, c.ask)
			if want := "AccessDenied: " + c.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestAnotherAccountIsRefused(t *testing.T) {
	s, _, _ := newService(t)
	open := mustParse(t, ResourcePolicy, `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`)
	for _, p := range []Principal{
		{Kind: Root, Account: "444455556666", ARN: "arn:aws:iam::444455556666:root", ID: "444455556666"},
		{Kind: User, Account: "444455556666", ARN: "arn:aws:iam::444455556666:user/u", ID: "AIDAABCDEFGHIJKLMNOPQ"},
		{Kind: Root},
		{Kind: User},
		{Kind: RoleSession},
	} {
		err := s.Authorize(t.Context(), Caller{Principal: p}, Ask{Action: "s3:GetObject", Resources: []string{testObject}, Policies: []*Policy{open}})
		wantCode(t, err, "AccessDenied")
	}
}

func TestContextOfACaller(t *testing.T) {
	s, _, _ := newService(t)
	_, bob := makeUser(t, s, "bob", "")
	_, worker := assume(t, s, makeRole(t, s, "worker", ""))
	forward := worker
	forward.Session = &Session{Issued: testStart, Expires: testStart.Add(time.Minute), Via: []string{"a.amazonaws.com", "b.amazonaws.com"}}
	front := Context{
		"aws:sourceip": {"192.0.2.1"}, "aws:securetransport": {"true"}, "aws:sourcearn": {"arn:forged"},
		"aws:principalarn": {"arn:forged"}, "aws:username": {"forged"}, "aws:currenttime": {"forged"}, "aws:calledvia": {"forged"}, "aws:multifactorauthpresent": {"true"},
	}
	f := func(name string, c Caller, want map[string]string) {
		t.Helper()
		got := s.context(&c, Context{"S3:Prefix": {"p"}}, testStart)
		for k, v := range want {
			if list := strings.Join(got[k], ","); list != v {
				t.Errorf("%s: %s is %q, want %q", name, k, list, v)
			}
		}
	}
	role := "arn:aws:iam::111122223333:role/worker"
	f("user", bob.WithContext(front), map[string]string{
		"aws:principalarn": "arn:aws:iam::111122223333:user/bob", "aws:principalaccount": account, "aws:principaltype": "User", "aws:userid": bob.Principal.ID,
		"aws:username": "bob", "aws:principalisawsservice": "false", "aws:viaawsservice": "false", "aws:calledvia": "", "aws:sourceip": "192.0.2.1",
		"aws:securetransport": "true", "aws:sourcearn": "", "aws:currenttime": "2026-11-01T12:00:00Z", "aws:epochtime": "1793534400",
		"aws:tokenissuetime": "", "aws:multifactorauthpresent": "", "s3:prefix": "p", "aws:resourceaccount": account,
	})
	f("session", worker.WithContext(front), map[string]string{
		"aws:principalarn": role, "aws:principaltype": "AssumedRole", "aws:userid": worker.Principal.ID, "aws:username": "",
		"aws:tokenissuetime": "2026-11-01T12:00:00Z", "aws:multifactorauthpresent": "false",
	})
	f("session through services", forward.WithContext(front), map[string]string{
		"aws:principalarn": role, "aws:viaawsservice": "true", "aws:calledvia": "a.amazonaws.com,b.amazonaws.com",
		"aws:calledviafirst": "a.amazonaws.com", "aws:calledvialast": "b.amazonaws.com", "aws:sourceip": "",
	})
	f("root", s.Root().WithContext(front), map[string]string{
		"aws:principalarn": "arn:aws:iam::111122223333:root", "aws:principaltype": "Account", "aws:userid": account, "aws:username": "",
	})
	f("service", Caller{Principal: testService}.WithContext(front), map[string]string{
		"aws:principalarn": "", "aws:principalisawsservice": "true", "aws:principalservicename": "cloudfront.amazonaws.com",
		"aws:sourcearn": "arn:forged", "aws:principalaccount": "",
	})
	f("nobody", Caller{}.WithContext(front), map[string]string{
		"aws:principalarn": "", "aws:principaltype": "Anonymous", "aws:userid": "anonymous", "aws:sourcearn": "",
	})
}

func TestWithContextLeavesTheCaller(t *testing.T) {
	c := Caller{Context: Context{"a:b": {"1"}}}
	d := c.WithContext(Context{"A:B": {"2"}, "a:c": {"3"}})
	if c.Context["a:b"][0] != "1" || len(c.Context) != 1 {
		t.Errorf("the caller became %v", c.Context)
	}
	if d.Context["a:b"][0] != "2" || d.Context["a:c"][0] != "3" || len(d.Context) != 2 {
		t.Errorf("the copy is %v", d.Context)
	}
}

func TestPassRole(t *testing.T) {
	s, _, _ := newService(t)
	_, bob := makeUser(t, s, "bob", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/worker","Condition":{"StringEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}}]}`)
	const worker = "arn:aws:iam::111122223333:role/worker"
	if err := s.AuthorizePassRole(t.Context(), bob, worker, "lambda.amazonaws.com"); err != nil {
		t.Errorf("to Lambda: %v", err)
	}
	wantCode(t, s.AuthorizePassRole(t.Context(), bob, worker, "edgelambda.amazonaws.com"), "AccessDenied")
	wantCode(t, s.AuthorizePassRole(t.Context(), bob, worker+"2", "lambda.amazonaws.com"), "AccessDenied")
	wantCode(t, s.AuthorizePassRole(t.Context(), s.Root(), "arn:aws:iam::444455556666:role/worker", "lambda.amazonaws.com"), "AccessDenied")
	wantCode(t, s.AuthorizePassRole(t.Context(), s.Root(), "worker", "lambda.amazonaws.com"), "ValidationError")
}

func BenchmarkAuthorize(b *testing.B) {
	s, _, _ := newService(b)
	_, c := assume(b, s, makeRole(b, s, "worker", edgePolicy))
	c = c.WithContext(Context{"aws:securetransport": {"true"}, "aws:sourceip": {"127.0.0.1"}})
	a := Ask{Action: "s3:GetObject", Resources: []string{bucketARN + "/a/photo.jpg"}, Policies: []*Policy{mustParse(b, ResourcePolicy, enforceTLS)}}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Authorize(b.Context(), c, a); err != nil {
			b.Fatal(err)
		}
	}
}
