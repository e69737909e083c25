package iam

import (
	"context"
	"testing"
	"time"
)

// AWS revokes a role's sessions with a policy on the role that denies everything to those that began before a moment.
// IAM User Guide, "Revoke IAM role temporary security credentials", AWSRevokeOlderSessions.
func TestRevokedSessionsAreDenied(t *testing.T) {
	s, _, clk := newService(t)
	r := makeRole(t, s, "worker", edgePolicy)
	must(t, s.PutRolePolicy(t.Context(), s.Root(), "worker", "all", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`))
	ask := Ask{Action: "s3:GetObject", Resources: []string{"arn:aws:s3:::b/k"}}
	_, older := assume(t, s, r)
	must(t, s.Authorize(t.Context(), older, ask))

	clk.add(10 * time.Second)
	at := clk.now().UTC().Format(time.RFC3339)
	must(t, s.PutRolePolicy(t.Context(), s.Root(), "worker", "AWSRevokeOlderSessions", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],
		"Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+at+`"}}}]}`))
	wantCode(t, s.Authorize(t.Context(), older, ask), "AccessDenied")
	if d, err := s.Explain(t.Context(), older, ask); err != nil || !d.Explicit || d.Policy != "AWSRevokeOlderSessions" {
		t.Errorf("decision = %+v, %v; want the explicit deny of AWSRevokeOlderSessions", d, err)
	}
	clk.add(time.Second)
	_, newer := assume(t, s, r)
	must(t, s.Authorize(t.Context(), newer, ask))

	// It revokes sessions, not keys that last: a user's own key has no time of issue.
	root := s.Root()
	_, err := s.CreateUser(t.Context(), root, NewUser{Name: "ann"})
	must(t, err)
	must(t, s.PutUserPolicy(t.Context(), root, "ann", "all", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"`+at+`"}}}]}`))
	k, _, err := s.CreateAccessKey(t.Context(), root, "ann")
	must(t, err)
	_, ann, err := s.Lookup(t.Context(), k.AccessKeyID, "")
	must(t, err)
	must(t, s.Authorize(t.Context(), ann, ask))
}

// The observer hears of what a service refuses by a rule of its own.
func TestObserverHearsOfRefusalsByRule(t *testing.T) {
	var heard []Decision
	s := &Service{observe: func(_ context.Context, _ Caller, a Ask, d Decision) {
		if a.Action != "s3:GetObject" {
			t.Errorf("action = %s", a.Action)
		}
		heard = append(heard, d)
	}}
	s.Refused(t.Context(), Caller{}, Ask{Action: "s3:GetObject"}, "a rule")
	if len(heard) != 1 || heard[0].Allowed || heard[0].Rule != "a rule" || heard[0].Statement != -1 {
		t.Errorf("heard %+v", heard)
	}
	new(Service).Refused(t.Context(), Caller{}, Ask{}, "with nobody to hear it")
}
