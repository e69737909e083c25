package iam

import (
	"fmt"
	"strings"
	"testing"

	"glassine/aws/fault"
)

// must stops the test at the first error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestGroupsGiveTheirUsersTheirPolicies(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	_, bob := makeUser(t, s, "bob", "")
	must(t, second(s.CreateGroup(ctx, root, "readers", "/d/")), second(s.CreateGroup(ctx, root, "others", "")))
	read := Ask{Action: "s3:GetObject", Resources: []string{testObject}}
	allowed := func(when string, want bool) {
		t.Helper()
		for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
			if d, err := s.Explain(ctx, bob, read); err != nil || d.Allowed != want {
				t.Errorf("%s, %s: %+v, %v, want allowed %v", when, name, d, err, want)
			}
		}
	}
	must(t, s.PutGroupPolicy(ctx, root, "readers", "p", allowIdentity))
	allowed("outside the group", false)
	for range 2 { // twice is once
		must(t, s.AddUserToGroup(ctx, root, "readers", "bob"))
	}
	allowed("in the group", true)
	must(t, s.UpdateGroup(ctx, root, "readers", "Lectors", "/e/"), s.UpdateUser(ctx, root, "bob", "robert", "/f/"))
	allowed("both renamed", true)
	if g, members, err := s.GetGroup(ctx, root, "Lectors"); err != nil || g.ARN != "arn:aws:iam::111122223333:group/e/Lectors" || len(members) != 1 || members[0].ARN != "arn:aws:iam::111122223333:user/f/robert" {
		t.Errorf("GetGroup gave %+v, %+v, %v", g, members, err)
	}
	if list, err := s.ListGroupsForUser(ctx, root, "robert"); err != nil || len(list) != 1 || list[0].Name != "Lectors" {
		t.Errorf("ListGroupsForUser gave %+v, %v", list, err)
	}
	if u, err := s.GetUser(ctx, root, "robert"); err != nil || strings.Join(u.Groups, " ") != "Lectors" {
		t.Errorf("GetUser gave %+v, %v", u, err)
	}
	must(t, s.PutGroupPolicy(ctx, root, "Lectors", "q", denyIdentity))
	allowed("the group denies", false)
	must(t, s.DeleteGroupPolicy(ctx, root, "Lectors", "q"))
	allowed("the group denies no more", true)
	must(t, s.DeleteGroupPolicy(ctx, root, "Lectors", "p"), s.AttachGroupPolicy(ctx, root, "Lectors", adminRole))
	allowed("by a managed policy of the group", true)
	own, err := s.CreatePolicy(ctx, root, NewPolicy{Name: "own", Document: allowOther})
	must(t, err, s.DetachGroupPolicy(ctx, root, "Lectors", adminRole), s.AttachGroupPolicy(ctx, root, "Lectors", own.ARN))
	allowed("by another policy of the group", false)
	must(t, second(s.CreatePolicyVersion(ctx, root, own.ARN, allowIdentity, true)))
	allowed("by that policy's new version", true)
	wantCode(t, s.DeleteGroup(ctx, root, "Lectors"), "DeleteConflict")
	must(t, s.RemoveUserFromGroup(ctx, root, "Lectors", "robert"))
	allowed("out of the group", false)
	wantCode(t, s.RemoveUserFromGroup(ctx, root, "Lectors", "robert"), "NoSuchEntity")
	wantCode(t, s.DeleteGroup(ctx, root, "Lectors"), "DeleteConflict") // its policy
	must(t, s.DetachGroupPolicy(ctx, root, "Lectors", own.ARN), s.DeleteGroup(ctx, root, "Lectors"))
	if list, err := s.ListGroups(ctx, root, ""); err != nil || len(list) != 1 || list[0].Name != "others" {
		t.Errorf("ListGroups gave %+v, %v", list, err)
	}
}

func TestGroupRefusals(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	makeUser(t, s, "bob", "")
	for i := range maxGroupsPerUser {
		name := fmt.Sprintf("g%d", i)
		must(t, second(s.CreateGroup(ctx, root, name, "")), s.AddUserToGroup(ctx, root, name, "bob"))
	}
	must(t, second(s.CreateGroup(ctx, root, "more", "")), second(s.CreateUser(ctx, root, NewUser{Name: "eve"})))
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"eleventh group":         {s.AddUserToGroup(ctx, root, "more", "bob"), "LimitExceeded"},
		"missing user":           {s.AddUserToGroup(ctx, root, "more", "nosuch"), "NoSuchEntity"},
		"missing group":          {s.AddUserToGroup(ctx, root, "nosuch", "bob"), "NoSuchEntity"},
		"user in a group":        {s.DeleteUser(ctx, root, "bob"), "DeleteConflict"},
		"name taken, by case":    {s.UpdateGroup(ctx, root, "more", "G1", ""), "EntityAlreadyExists"},
		"user's name taken":      {s.UpdateUser(ctx, root, "eve", "BOB", ""), "EntityAlreadyExists"},
		"group's name too long":  {second(s.CreateGroup(ctx, root, strings.Repeat("g", 129), "")), "ValidationError"},
		"a group's longer limit": {s.PutGroupPolicy(ctx, root, "more", "p", strings.Replace(allowIdentity, "s3:GetObject", "s3:"+strings.Repeat("x", 4900), 1)), ""},
		"over that limit":        {s.PutGroupPolicy(ctx, root, "more", "q", strings.Replace(allowIdentity, "s3:GetObject", "s3:"+strings.Repeat("x", 400), 1)), "LimitExceeded"},
		"group as a principal": {
			second(s.CreateRole(ctx, root, NewRole{Name: "r", Trust: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:group/more"},"Action":"sts:AssumeRole"}}`})),
			"MalformedPolicyDocument",
		},
	} {
		if fault.Code(c.err) != c.code {
			t.Errorf("%s: %v, want code %q", name, c.err, c.code)
		}
	}
	// A change of case alone is a new spelling, not another name.
	must(t, s.UpdateUser(ctx, root, "eve", "Eve", ""))
	if _, err := s.GetUser(ctx, root, "Eve"); err != nil {
		t.Error(err)
	}
}

// Who may change users under one path may not move a user out of it, nor one in.
func TestMovingNeedsBothPaths(t *testing.T) {
	s, _, _ := newService(t)
	ctx, root := t.Context(), s.Root()
	_, admin := makeUser(t, s, "admin", `{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::111122223333:user/team/*"}}`)
	must(t, second(s.CreateUser(ctx, root, NewUser{Name: "a", Path: "/team/"})), second(s.CreateUser(ctx, root, NewUser{Name: "b", Path: "/else/"})))
	must(t, s.UpdateUser(ctx, admin, "a", "a2", "/team/x/"))
	wantCode(t, s.UpdateUser(ctx, admin, "a2", "", "/else/"), "AccessDenied")
	wantCode(t, s.UpdateUser(ctx, admin, "b", "", "/team/"), "AccessDenied")
}

func TestUsersSeeThemselves(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	k, bob := makeUser(t, s, "bob", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}}`)
	if u, err := s.GetUser(ctx, bob, ""); err != nil || u.Name != "bob" {
		t.Errorf("own user: %+v, %v", u, err)
	}
	if list, err := s.ListAccessKeys(ctx, bob, ""); err != nil || len(list) != 1 || list[0].ID != k.AccessKeyID || !list[0].Active || list[0].User != "bob" {
		t.Errorf("own keys: %+v, %v", list, err)
	}
	second, _, err := s.CreateAccessKey(ctx, bob, "")
	must(t, err, s.UpdateAccessKey(ctx, bob, "", second.AccessKeyID, false))
	_, _, err = s.Lookup(ctx, second.AccessKeyID, "")
	wantCode(t, err, "InvalidAccessKeyId")
	_, worker := assume(t, s, makeRole(t, s, "worker", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`))
	if _, err := s.GetUser(ctx, worker, ""); err == nil || err.Error() != "ValidationError: Must specify userName when calling with non-User credentials" {
		t.Errorf("a role's own user: %v", err)
	}
	if u, err := s.GetUser(ctx, s.Root(), ""); err != nil || u.ARN != "arn:aws:iam::111122223333:root" {
		t.Errorf("root's own user: %+v, %v", u, err)
	}
	_, err = s.GetUser(ctx, Caller{}, "")
	wantCode(t, err, "AccessDenied")
}

// An inactive key, and all that was minted from it, sleeps until the key is active again.
func TestInactiveKeys(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	k, bob := makeUser(t, s, "bob", "")
	session, err := s.GetSessionToken(ctx, bob, 0)
	must(t, err, s.UpdateAccessKey(ctx, root, "bob", k.AccessKeyID, false))
	for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
		if _, _, err := s.Lookup(ctx, k.AccessKeyID, ""); !fault.Is(err, "InvalidAccessKeyId") {
			t.Errorf("%s: the key: %v", name, err)
		}
		if _, _, err := s.Lookup(ctx, session.AccessKeyID, session.SessionToken); !fault.Is(err, "InvalidToken") {
			t.Errorf("%s: its session: %v", name, err)
		}
	}
	must(t, s.UpdateAccessKey(ctx, root, "bob", k.AccessKeyID, true))
	secret, _, err := s.Lookup(ctx, k.AccessKeyID, "")
	if err != nil || secret != k.SecretAccessKey {
		t.Errorf("active again: %v", err)
	}
	wantCode(t, s.UpdateAccessKey(ctx, root, "bob", "AKIAABCDEFGHIJKLMNOP", true), "NoSuchEntity")
	must(t, second(s.CreateUser(ctx, root, NewUser{Name: "eve"})))
	wantCode(t, s.UpdateAccessKey(ctx, root, "eve", k.AccessKeyID, false), "NoSuchEntity")
	if got, err := s.AccessKeyUser(ctx, root, k.AccessKeyID); err != nil || got.User != "bob" {
		t.Errorf("AccessKeyUser gave %+v, %v", got, err)
	}
}

// A principal whose kind is not that of who has its id is nobody.
func TestPrincipalOfAnotherKindIsRefused(t *testing.T) {
	s, _, _ := newService(t)
	_, bob := makeUser(t, s, "bob", allowIdentity)
	bob.Principal.Kind = RoleSession
	wantCode(t, s.Authorize(t.Context(), bob, Ask{Action: "s3:GetObject", Resources: []string{testObject}}), "AccessDenied")
}
