package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/state"
)

const (
	basicRole = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	adminRole = "arn:aws:iam::aws:policy/AdministratorAccess"
)

func TestRoleLife(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	r, err := s.CreateRole(ctx, root, NewRole{Name: "worker", Path: "/d/", Description: "does work", Trust: functionTrust})
	if err != nil {
		t.Fatal(err)
	}
	want := Role{
		Name: "worker", ARN: "arn:aws:iam::111122223333:role/d/worker", ID: r.ID, Path: "/d/", Description: "does work",
		Trust: functionTrust, Created: testStart, MaxSessionDuration: time.Hour,
	}
	if !reflect.DeepEqual(r, want) || !isUniqueID(r.ID) {
		t.Errorf("created %+v, want %+v", r, want)
	}
	if err := s.PutRolePolicy(ctx, root, "worker", "write", writeResponse); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is once
		if err := s.AttachRolePolicy(ctx, root, "worker", basicRole); err != nil {
			t.Fatal(err)
		}
	}
	want.Inline, want.Attached = map[string]string{"write": writeResponse}, []string{basicRole}
	for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
		got, err := s.GetRole(ctx, root, "worker")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: GetRole gave %v, %+v, want %+v", name, err, got, want)
		}
		if doc, err := s.GetRolePolicy(ctx, root, "worker", "write"); err != nil || doc != writeResponse {
			t.Errorf("%s: GetRolePolicy gave %v, %s", name, err, doc)
		}
		if list, err := s.ListRolePolicies(ctx, root, "worker"); err != nil || len(list) != 1 || list[0] != "write" {
			t.Errorf("%s: ListRolePolicies gave %v, %v", name, err, list)
		}
		if list, err := s.ListAttachedRolePolicies(ctx, root, "worker"); err != nil || len(list) != 1 || list[0] != basicRole {
			t.Errorf("%s: ListAttachedRolePolicies gave %v, %v", name, err, list)
		}
	}
	wantCode(t, s.DeleteRole(ctx, root, "worker"), "DeleteConflict")
	if err := s.DetachRolePolicy(ctx, root, "worker", basicRole); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.DetachRolePolicy(ctx, root, "worker", basicRole), "NoSuchEntity")
	wantCode(t, s.DeleteRole(ctx, root, "worker"), "DeleteConflict")
	if err := s.DeleteRolePolicy(ctx, root, "worker", "write"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.DeleteRolePolicy(ctx, root, "worker", "write"), "NoSuchEntity")
	if err := s.DeleteRole(ctx, root, "worker"); err != nil {
		t.Fatal(err)
	}
	_, err = s.GetRole(ctx, root, "worker")
	wantCode(t, err, "NoSuchEntity")
	if list, _ := m.List(ctx, "iam/roles", ""); len(list) != 0 {
		t.Errorf("%d records left", len(list))
	}
}

func TestRoleRefusals(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	makeRole(t, s, "Worker", "")
	create := func(n NewRole) error {
		_, err := s.CreateRole(ctx, root, n)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"name in another case":        {create(NewRole{Name: "wORKER", Trust: functionTrust}), "EntityAlreadyExists"},
		"no name":                     {create(NewRole{Trust: functionTrust}), "ValidationError"},
		"name with a slash":           {create(NewRole{Name: "a/b", Trust: functionTrust}), "ValidationError"},
		"long name":                   {create(NewRole{Name: strings.Repeat("a", 65), Trust: functionTrust}), "ValidationError"},
		"path without an end":         {create(NewRole{Name: "x", Path: "/a", Trust: functionTrust}), "ValidationError"},
		"long description":            {create(NewRole{Name: "x", Description: strings.Repeat("ä", 1001), Trust: functionTrust}), "ValidationError"},
		"short session":               {create(NewRole{Name: "x", MaxSessionDuration: time.Minute, Trust: functionTrust}), "ValidationError"},
		"long session":                {create(NewRole{Name: "x", MaxSessionDuration: 13 * time.Hour, Trust: functionTrust}), "ValidationError"},
		"no trust":                    {create(NewRole{Name: "x"}), "ValidationError"},
		"identity policy as trust":    {create(NewRole{Name: "x", Trust: allowIdentity}), "MalformedPolicyDocument"},
		"trust in nobody known":       {create(NewRole{Name: "x", Trust: strings.Replace(functionTrust, `{"Service":"lambda.amazonaws.com"}`, `{"AWS":"arn:aws:iam::111122223333:role/nosuch"}`, 1)}), "MalformedPolicyDocument"},
		"trust in another path":       {create(NewRole{Name: "x", Trust: strings.Replace(functionTrust, `{"Service":"lambda.amazonaws.com"}`, `{"AWS":"arn:aws:iam::111122223333:role/d/Worker"}`, 1)}), "MalformedPolicyDocument"},
		"trust in no id known":        {create(NewRole{Name: "x", Trust: strings.Replace(functionTrust, `{"Service":"lambda.amazonaws.com"}`, `{"AWS":"AROAABCDEFGHIJKLMNOPQ"}`, 1)}), "MalformedPolicyDocument"},
		"long trust":                  {create(NewRole{Name: "x", Trust: strings.Replace(functionTrust, "{", `{"Id":"`+strings.Repeat("x", 8192)+`",`, 1)}), "LimitExceeded"},
		"trust as identity policy":    {s.PutRolePolicy(ctx, root, "Worker", "p", functionTrust), "MalformedPolicyDocument"},
		"empty policy":                {s.PutRolePolicy(ctx, root, "Worker", "p", ""), "ValidationError"},
		"policy name with a space":    {s.PutRolePolicy(ctx, root, "Worker", "a b", allowIdentity), "ValidationError"},
		"policy of a missing role":    {s.PutRolePolicy(ctx, root, "nosuch", "p", allowIdentity), "NoSuchEntity"},
		"role's name in another case": {s.PutRolePolicy(ctx, root, "worker", "p", allowIdentity), "NoSuchEntity"},
		"unknown managed policy":      {s.AttachRolePolicy(ctx, root, "Worker", "arn:aws:iam::aws:policy/AWSDirectConnectFullAccess"), "NoSuchEntity"},
		"missing policy":              {s.DeleteRolePolicy(ctx, root, "Worker", "p"), "NoSuchEntity"},
		"missing role":                {s.DeleteRole(ctx, root, "nosuch"), "NoSuchEntity"},
		"trust of a missing role":     {s.UpdateAssumeRolePolicy(ctx, root, "nosuch", functionTrust), "NoSuchEntity"},
	} {
		if fault.Code(c.err) != c.code {
			t.Errorf("%s: %v, want %s", name, c.err, c.code)
		}
	}
	big := strings.Replace(allowIdentity, `"s3:GetObject"`, `["s3:GetObject","s3:`+strings.Repeat("x", 5000)+`"]`, 1)
	if err := s.PutRolePolicy(ctx, root, "Worker", "one", big); err != nil {
		t.Fatal(err)
	}
	err := s.PutRolePolicy(ctx, root, "Worker", "two", strings.Replace(big, "xxx", strings.Repeat("y", 400), 1))
	if want := "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role Worker"; err == nil || err.Error() != want {
		t.Errorf("two large policies: %v, want %s", err, want)
	}
}

func TestQuotas(t *testing.T) {
	s, err := New(t.Context(), Config{State: &memory{}, Account: account, Key: [32]byte{1}, Quotas: Quotas{Users: 2, Groups: 2, Roles: 2, Policies: 2}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, root := t.Context(), s.Root()
	for class, create := range map[string]func(name string) error{
		"Users":  func(n string) error { _, err := s.CreateUser(ctx, root, NewUser{Name: n}); return err },
		"Groups": func(n string) error { _, err := s.CreateGroup(ctx, root, n, ""); return err },
		"Roles": func(n string) error {
			_, err := s.CreateRole(ctx, root, NewRole{Name: n, Trust: functionTrust})
			return err
		},
		"Policies": func(n string) error {
			_, err := s.CreatePolicy(ctx, root, NewPolicy{Name: n, Document: allowIdentity})
			return err
		},
	} {
		f := func(name, code string) {
			t.Helper()
			if err := create(name); fault.Code(err) != code {
				t.Errorf("%s: %s: %v, want code %q", class, name, err, code)
			} else if code == "LimitExceeded" && err.Error() != "LimitExceeded: Cannot exceed quota for "+class+"PerAccount: 2" {
				t.Errorf("%s: %v", class, err)
			}
		}
		f("one", "")
		f("two", "")
		f("three", "LimitExceeded")
		f("ONE", "EntityAlreadyExists")
	}
}

func TestListRoles(t *testing.T) {
	s, _, _ := newService(t)
	for _, n := range []NewRole{{Name: "b", Path: "/x/"}, {Name: "a", Path: "/x/y/"}, {Name: "c"}} {
		n.Trust = functionTrust
		if _, err := s.CreateRole(t.Context(), s.Root(), n); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string]string{"": "a b c", "/": "a b c", "/x/": "a b", "/x/y/": "a", "/z/": ""} {
		list, err := s.ListRoles(t.Context(), s.Root(), prefix)
		var names []string
		for _, r := range list {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("ListRoles(%q) gave %v, %q, want %q", prefix, err, got, want)
		}
	}
}

// Every operation asks for its own action on the role's or user's own ARN, and tells who may not ask nothing.
func TestOperationsAskFirst(t *testing.T) {
	s, _, _ := newService(t)
	_, weak := makeUser(t, s, "weak", "")
	if _, err := s.CreateRole(t.Context(), s.Root(), NewRole{Name: "worker", Path: "/d/", Trust: functionTrust}); err != nil {
		t.Fatal(err)
	}
	type op = func(context.Context, Caller, string) error
	drop := func(_ any, err error) error { return err }
	for action, f := range map[string]op{
		"iam:GetRole":                func(ctx context.Context, c Caller, n string) error { return drop(s.GetRole(ctx, c, n)) },
		"iam:DeleteRole":             func(ctx context.Context, c Caller, n string) error { return s.DeleteRole(ctx, c, n) },
		"iam:UpdateAssumeRolePolicy": func(ctx context.Context, c Caller, n string) error { return s.UpdateAssumeRolePolicy(ctx, c, n, "x") },
		"iam:PutRolePolicy":          func(ctx context.Context, c Caller, n string) error { return s.PutRolePolicy(ctx, c, n, "p", "x") },
		"iam:GetRolePolicy":          func(ctx context.Context, c Caller, n string) error { return drop(s.GetRolePolicy(ctx, c, n, "p")) },
		"iam:ListRolePolicies":       func(ctx context.Context, c Caller, n string) error { return drop(s.ListRolePolicies(ctx, c, n)) },
		"iam:DeleteRolePolicy":       func(ctx context.Context, c Caller, n string) error { return s.DeleteRolePolicy(ctx, c, n, "p") },
		"iam:AttachRolePolicy":       func(ctx context.Context, c Caller, n string) error { return s.AttachRolePolicy(ctx, c, n, "x") },
		"iam:DetachRolePolicy":       func(ctx context.Context, c Caller, n string) error { return s.DetachRolePolicy(ctx, c, n, "x") },
		"iam:ListAttachedRolePolicies": func(ctx context.Context, c Caller, n string) error {
			return drop(s.ListAttachedRolePolicies(ctx, c, n))
		},
		"iam:GetUser":          func(ctx context.Context, c Caller, n string) error { return drop(s.GetUser(ctx, c, n)) },
		"iam:DeleteUser":       func(ctx context.Context, c Caller, n string) error { return s.DeleteUser(ctx, c, n) },
		"iam:PutUserPolicy":    func(ctx context.Context, c Caller, n string) error { return s.PutUserPolicy(ctx, c, n, "p", "x") },
		"iam:GetUserPolicy":    func(ctx context.Context, c Caller, n string) error { return drop(s.GetUserPolicy(ctx, c, n, "p")) },
		"iam:DeleteUserPolicy": func(ctx context.Context, c Caller, n string) error { return s.DeleteUserPolicy(ctx, c, n, "p") },
		"iam:AttachUserPolicy": func(ctx context.Context, c Caller, n string) error { return s.AttachUserPolicy(ctx, c, n, "x") },
		"iam:DetachUserPolicy": func(ctx context.Context, c Caller, n string) error { return s.DetachUserPolicy(ctx, c, n, "x") },
		"iam:CreateAccessKey": func(ctx context.Context, c Caller, n string) error {
			_, _, err := s.CreateAccessKey(ctx, c, n)
			return err
		},
		"iam:DeleteAccessKey": func(ctx context.Context, c Caller, n string) error { return s.DeleteAccessKey(ctx, c, n, "x") },
		"iam:CreateUser": func(ctx context.Context, c Caller, n string) error {
			return drop(s.CreateUser(ctx, c, NewUser{Name: n, Path: "/d/"}))
		},
		"iam:CreateRole": func(ctx context.Context, c Caller, n string) error {
			return drop(s.CreateRole(ctx, c, NewRole{Name: n, Path: "/d/", Trust: "x"}))
		},
	} {
		for _, name := range []string{"worker", "weak", "nosuch"} {
			path := "/"
			if strings.HasPrefix(action, "iam:Create") && action != "iam:CreateAccessKey" || name == "worker" && strings.Contains(action, "Role") {
				path = "/d/"
			}
			kind := "role"
			if strings.Contains(action, "User") || strings.Contains(action, "AccessKey") {
				kind = "user"
			}
			want := "AccessDenied: User: arn:aws:iam::111122223333:user/weak is not authorized to perform: " + action +
				" on resource: arn:aws:iam::111122223333:" + kind + path + name + " because no identity-based policy allows the " + action + " action"
			if err := f(t.Context(), weak, name); err == nil || err.Error() != want {
				t.Errorf("%s of %s as a powerless user:\n%v, want\n%s", action, name, err, want)
			}
			if err := f(t.Context(), Caller{}, name); err == nil || err.Error() != "AccessDenied: Access Denied" {
				t.Errorf("%s of %s as nobody: %v", action, name, err)
			}
		}
	}
	_, err := s.ListRoles(t.Context(), weak, "/d/")
	if want := "iam:ListRoles on resource: arn:aws:iam::111122223333:role/d/ "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("iam:ListRoles: %v, want %s", err, want)
	}
	if r, err := s.GetRole(t.Context(), s.Root(), "worker"); err != nil || r.Trust != functionTrust || len(r.Inline) != 0 {
		t.Errorf("the role was changed by who may not: %v, %+v", err, r)
	}
}

func TestAttachingIsLimitedByThePolicysARN(t *testing.T) {
	s, _, _ := newService(t)
	makeRole(t, s, "worker", "")
	_, bob := makeUser(t, s, "bob", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:AttachRolePolicy","Resource":"*","Condition":{"ArnLike":{"iam:PolicyARN":"arn:aws:iam::aws:policy/service-role/*"}}}}`)
	if err := s.AttachRolePolicy(t.Context(), bob, "worker", basicRole); err != nil {
		t.Error(err)
	}
	wantCode(t, s.AttachRolePolicy(t.Context(), bob, "worker", adminRole), "AccessDenied")
}

func TestChangesActAtOnce(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	r := makeRole(t, s, "worker", allowIdentity)
	c, worker := assume(t, s, r)
	ask := Ask{Action: "s3:GetObject", Resources: []string{testObject}}
	if err := s.Authorize(ctx, worker, ask); err != nil {
		t.Fatal(err)
	}
	if err := s.PutRolePolicy(ctx, root, "worker", "inline", allowOther); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Authorize(ctx, worker, ask), "AccessDenied")
	if err := s.AttachRolePolicy(ctx, root, "worker", adminRole); err != nil {
		t.Fatal(err)
	}
	if err := s.Authorize(ctx, worker, ask); err != nil {
		t.Errorf("with AdministratorAccess: %v", err)
	}
	if err := errors.Join(s.DetachRolePolicy(ctx, root, "worker", adminRole), s.DeleteRolePolicy(ctx, root, "worker", "inline"), s.DeleteRole(ctx, root, "worker")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Authorize(ctx, worker, ask), "AccessDenied")
	_, _, err := s.Lookup(ctx, c.AccessKeyID, c.SessionToken)
	wantCode(t, err, "InvalidToken")

	// A role of the same name is another role: neither tokens nor callers of the old one are its own.
	makeRole(t, s, "worker", allowIdentity)
	_, _, err = s.Lookup(ctx, c.AccessKeyID, c.SessionToken)
	wantCode(t, err, "InvalidToken")
	wantCode(t, s.Authorize(ctx, worker, ask), "AccessDenied")
}

func TestRolesInPoliciesArePinned(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	old := makeRole(t, s, "worker", "")
	trust := `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + old.ARN + `"},"Action":"sts:AssumeRole"}}`
	if _, err := s.CreateRole(ctx, root, NewRole{Name: "target", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	p := mustParse(t, ResourcePolicy, bucketPolicy("Allow", `{"AWS":"`+old.ARN+`"}`))
	ids, err := s.ResolvePrincipals(p)
	if err != nil || len(ids) != 1 || ids[old.ARN] != old.ID {
		t.Fatalf("ResolvePrincipals gave %v, %v", ids, err)
	}
	ask := Ask{Action: "s3:GetObject", Resources: []string{testObject}, Policies: []*Policy{p.Pinned(ids)}}
	_, worker := assume(t, s, old)
	if err := s.Authorize(ctx, worker, ask); err != nil {
		t.Errorf("the role that was meant: %v", err)
	}
	if r, _ := s.GetRole(ctx, root, "target"); r.Trust != trust {
		t.Errorf("trust is shown as %s", r.Trust)
	}
	if err := s.DeleteRole(ctx, root, "worker"); err != nil {
		t.Fatal(err)
	}
	_, again := assume(t, s, makeRole(t, s, "worker", ""))
	wantCode(t, s.Authorize(ctx, again, ask), "AccessDenied")
	if err := s.Authorize(ctx, again, Ask{Action: ask.Action, Resources: ask.Resources, Policies: []*Policy{p}}); err != nil {
		t.Errorf("unpinned, the name alone counts: %v", err)
	}
	for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
		r, err := s.GetRole(ctx, root, "target")
		if want := strings.Replace(trust, old.ARN, old.ID, 1); err != nil || r.Trust != want {
			t.Errorf("%s: trust is shown as %s, want %s", name, r.Trust, want)
		}
		e := s.find(roles, "target")
		d := Decide(Request{Principal: again.Principal, Action: "sts:AssumeRole", Resources: []string{e.arn}}, Policies{Resource: []*Policy{e.trust}})
		if d.Allowed {
			t.Errorf("%s: the role made anew is trusted", name)
		}
	}
}

func TestUnreadableStoredPolicyDenies(t *testing.T) {
	s, m, clk := newService(t)
	r := makeRole(t, s, "worker", allowIdentity)
	f := func(name string, assumable bool, spoil func(*record)) {
		t.Helper()
		rec, err := m.Get(t.Context(), "iam/roles", "worker")
		if err != nil {
			t.Fatal(err)
		}
		var stored record
		if err := json.Unmarshal(rec.Value, &stored); err != nil {
			t.Fatal(err)
		}
		spoil(&stored)
		value, _ := json.Marshal(stored)
		spoilt := &memory{}
		if err := spoilt.Commit(t.Context(), state.Change{Table: "iam/roles", Key: "worker", Value: value}); err != nil {
			t.Fatal(err)
		}
		s := openService(t, spoilt, clk)
		worker := Caller{Principal: s.sessionPrincipal(s.find(roles, "worker"), "fn")}
		err = s.Authorize(t.Context(), worker, Ask{Action: "s3:GetObject", Resources: []string{testObject}})
		_, assumeErr := s.AssumeForService(t.Context(), r.ARN, []string{"lambda.amazonaws.com"}, "fn", time.Hour)
		if (err == nil) == assumable {
			t.Errorf("%s: Authorize gave %v", name, err)
		}
		if (assumeErr == nil) != assumable {
			t.Errorf("%s: AssumeForService gave %v", name, assumeErr)
		}
	}
	f("inline policy", true, func(r *record) { r.Inline["broken"] = "{" })
	f("attached policy", true, func(r *record) { r.Attached = append(r.Attached, "arn:aws:iam::aws:policy/Gone") })
	f("trust policy", false, func(r *record) { r.Trust = `{"Statement":[]}` })
}

// A commit may fail before or after it was done: the service then is as the state is.
func TestFailedCommits(t *testing.T) {
	boom := errors.New("disk full")
	for _, after := range []bool{false, true} {
		s, m, clk := newService(t)
		ctx, root := t.Context(), s.Root()
		r := makeRole(t, s, "worker", allowIdentity)
		_, worker := assume(t, s, r)
		m.commit = func(done bool) error {
			if done == after {
				return boom
			}
			return nil
		}
		if err := s.PutRolePolicy(ctx, root, "worker", "inline", allowOther); !errors.Is(err, boom) {
			t.Errorf("PutRolePolicy gave %v", err)
		}
		if _, err := s.CreateRole(ctx, root, NewRole{Name: "second", Trust: functionTrust}); !errors.Is(err, boom) {
			t.Errorf("CreateRole gave %v", err)
		}
		if _, err := s.ReplaceRoot(ctx); !errors.Is(err, boom) {
			t.Errorf("ReplaceRoot gave %v", err)
		}
		m.commit = nil
		d, err := s.Explain(ctx, worker, Ask{Action: "s3:GetObject", Resources: []string{testObject}})
		if err != nil || d.Allowed == after {
			t.Errorf("commit done %v: old policy acts %v, %v", after, d.Allowed, err)
		}
		again := openService(t, m, clk)
		for _, name := range []string{"worker", "second"} {
			a, errA := s.GetRole(ctx, root, name)
			b, errB := again.GetRole(ctx, root, name)
			if !reflect.DeepEqual(a, b) || fault.Code(errA) != fault.Code(errB) {
				t.Errorf("commit done %v: %s is %+v (%v) in memory and %+v (%v) in the state", after, name, a, errA, b, errB)
			}
		}
	}
}

func TestConcurrentChanges(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	r := makeRole(t, s, "worker", "")
	_, worker := assume(t, s, r)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := s.PutRolePolicy(ctx, root, "worker", fmt.Sprintf("p%d", i), allowIdentity); err != nil {
				t.Error(err)
			}
			// Read your writes: the policy just put acts.
			if err := s.Authorize(ctx, worker, Ask{Action: "s3:GetObject", Resources: []string{testObject}}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.CreateRole(ctx, root, NewRole{Name: fmt.Sprintf("r%d", i), Trust: functionTrust}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for name, s := range map[string]*Service{"memory": s, "state": openService(t, m, clk)} {
		got, err := s.GetRole(ctx, root, "worker")
		roles, listErr := s.ListRoles(ctx, root, "")
		if err != nil || listErr != nil || len(got.Inline) != 8 || len(roles) != 9 {
			t.Errorf("%s: %d policies, %d roles, %v, %v", name, len(got.Inline), len(roles), err, listErr)
		}
	}
}

// Who is deleted and made anew between being asked for and being changed is not the one that was asked for.
func TestChangeOfARoleMadeAnewIsRefused(t *testing.T) {
	s, _, _ := newService(t)
	makeRole(t, s, "worker", "")
	old := s.find(roles, "worker")
	if err := s.DeleteRole(t.Context(), s.Root(), "worker"); err != nil {
		t.Fatal(err)
	}
	nothing := func(*index, *record) error { return nil }
	wantCode(t, s.update(t.Context(), old, nothing), "NoSuchEntity")
	makeRole(t, s, "worker", "")
	wantCode(t, s.update(t.Context(), old, nothing), "ConcurrentModification")
	wantCode(t, s.delete(t.Context(), old, nothing), "ConcurrentModification")
}

func TestWaitingForATurnHonoursTheContext(t *testing.T) {
	s, _, _ := newService(t)
	makeRole(t, s, "worker", "")
	release, err := s.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.PutRolePolicy(ctx, s.Root(), "worker", "p", allowIdentity); !errors.Is(err, context.Canceled) {
		t.Errorf("PutRolePolicy gave %v, want %v", err, context.Canceled)
	}
}
