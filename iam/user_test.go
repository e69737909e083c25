package iam

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestUserLife(t *testing.T) {
	s, m, clk := newService(t)
	ctx, root := t.Context(), s.Root()
	u, err := s.CreateUser(ctx, root, NewUser{Name: "bob", Path: "/d/"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutUserPolicy(ctx, root, "bob", "p", allowIdentity); err != nil {
		t.Fatal(err)
	}
	if err := s.AttachUserPolicy(ctx, root, "bob", basicRole); err != nil {
		t.Fatal(err)
	}
	k, _, err := s.CreateAccessKey(ctx, root, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if len(k.AccessKeyID) != 20 || !strings.HasPrefix(k.AccessKeyID, "AKIA") || len(k.SecretAccessKey) != 40 || k.SessionToken != "" || !k.Expires.IsZero() {
		t.Errorf("a long-term key of the wrong form: %v", k)
	}
	want := Caller{AccessKeyID: k.AccessKeyID, Principal: Principal{Kind: User, Account: account, ARN: "arn:aws:iam::111122223333:user/d/bob", ID: u.ID, Name: "bob"}}
	for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
		secret, who, err := s.Lookup(ctx, k.AccessKeyID, "")
		if err != nil || secret != k.SecretAccessKey || !reflect.DeepEqual(who, want) {
			t.Errorf("%s: Lookup gave %v, %+v, want %+v", name, err, who, want)
		}
		got, err := s.GetUser(ctx, root, "bob")
		if err != nil || got.Inline["p"] != allowIdentity || len(got.Attached) != 1 || got.ID != u.ID || !got.Created.Equal(testStart) {
			t.Errorf("%s: GetUser gave %v, %+v", name, err, got)
		}
		for action, code := range map[string]string{"s3:GetObject": "", "logs:PutLogEvents": "", "s3:PutObject": "AccessDenied"} {
			if err := s.Authorize(ctx, who, Ask{Action: action, Resources: []string{testObject}}); code == "" && err != nil {
				t.Errorf("%s: %s: %v", name, action, err)
			} else if code != "" {
				wantCode(t, err, code)
			}
		}
	}
	wantCode(t, s.DeleteUser(ctx, root, "bob"), "DeleteConflict")
	if _, _, err := s.CreateAccessKey(ctx, root, "bob"); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.CreateAccessKey(ctx, root, "bob")
	wantCode(t, err, "LimitExceeded")
	_, err = s.CreateUser(ctx, root, NewUser{Name: "BOB"})
	wantCode(t, err, "EntityAlreadyExists")
	_, _, err = s.CreateAccessKey(ctx, root, "nosuch")
	wantCode(t, err, "NoSuchEntity")
	wantCode(t, s.DeleteAccessKey(ctx, root, "bob", "AKIAABCDEFGHIJKLMNOP"), "NoSuchEntity")
}

func TestRootKey(t *testing.T) {
	s, m, clk := newService(t)
	ctx := t.Context()
	if s.Root().AccessKeyID != "" {
		t.Error("root has a key before one is made")
	}
	k, made, err := s.EnsureRoot(ctx)
	if err != nil || !made {
		t.Fatalf("EnsureRoot gave made %v, %v", made, err)
	}
	for name, s := range map[string]*Service{"now": s, "after a restart": openService(t, m, clk)} {
		again, made, err := s.EnsureRoot(ctx)
		if err != nil || made || again.AccessKeyID != k.AccessKeyID || again.SecretAccessKey != k.SecretAccessKey {
			t.Errorf("%s: EnsureRoot made %v, %v: another key", name, made, err)
		}
	}
	secret, who, err := s.Lookup(ctx, k.AccessKeyID, "")
	if err != nil || secret != k.SecretAccessKey || !reflect.DeepEqual(who, s.Root()) || who.Principal.Kind != Root {
		t.Errorf("Lookup gave %v, %+v, want %+v", err, who, s.Root())
	}
	if err := s.Authorize(ctx, who, Ask{Action: "s3:DeleteBucket", Resources: []string{"arn:aws:s3:::b"}}); err != nil {
		t.Errorf("root: %v", err)
	}
	forward := forwardOf(t, s, who, "x.amazonaws.com", Bound{})
	fk, err := s.Forward(ctx, forward, "x.amazonaws.com", Bound{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.ReplaceRoot(ctx)
	if err != nil || n.AccessKeyID == k.AccessKeyID {
		t.Fatalf("ReplaceRoot gave %v, %v", n, err)
	}
	_, _, err = s.Lookup(ctx, k.AccessKeyID, "")
	wantCode(t, err, "InvalidAccessKeyId")
	_, _, err = s.Lookup(ctx, fk.AccessKeyID, fk.SessionToken)
	wantCode(t, err, "InvalidToken") // what was minted from the old key dies with it
	if _, _, err := s.Lookup(ctx, n.AccessKeyID, ""); err != nil {
		t.Error(err)
	}
	if list, _ := m.List(ctx, keyTable, ""); len(list) != 1 {
		t.Errorf("%d keys in the state, want 1", len(list))
	}
}

func TestDeletedKeyTakesItsForwardsWithIt(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	k, bob := makeUser(t, s, "bob", allowIdentity)
	fk, err := s.Forward(ctx, bob, "x.amazonaws.com", Bound{}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteAccessKey(ctx, s.Root(), "bob", k.AccessKeyID); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Lookup(ctx, k.AccessKeyID, "")
	wantCode(t, err, "InvalidAccessKeyId")
	_, _, err = s.Lookup(ctx, fk.AccessKeyID, fk.SessionToken)
	wantCode(t, err, "InvalidToken")
	if err := s.DeleteUserPolicy(ctx, s.Root(), "bob", "inline"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUser(ctx, s.Root(), "bob"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Authorize(ctx, bob, Ask{Action: "s3:GetObject", Resources: []string{testObject}}), "AccessDenied")
}

// No secret is in the state in clear.
func TestSecretsAreSealedAtRest(t *testing.T) {
	s, m, _ := newService(t)
	root, _, err := s.EnsureRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bob, _ := makeUser(t, s, "bob", "")
	assume(t, s, makeRole(t, s, "worker", ""))
	for _, table := range []string{keyTable, ringTable} {
		list, err := m.List(t.Context(), table, "")
		if err != nil || len(list) == 0 {
			t.Fatalf("%d records in %s, %v", len(list), table, err)
		}
		for _, r := range list {
			for name, secret := range map[string]string{"root": root.SecretAccessKey, "user": bob.SecretAccessKey, "master": string(s.ring.Load().current.root)} {
				if v := string(r.Value); strings.Contains(v, secret) || strings.Contains(v, base64.StdEncoding.EncodeToString([]byte(secret))) {
					t.Errorf("the %s secret stands in %s/%s", name, table, r.Key)
				}
			}
		}
	}
}
