package e2e

import (
	"strings"
	"testing"
)

// cdk bootstrap is accepted where CDK found all of it already, changes nothing the second time, and is done away with.
func TestCDKBootstrap(t *testing.T) {
	t.Parallel() // the CDK's command line polls
	u := newCDKUser(t)
	const assets = "cdk-hnb659fds-assets-" + account + "-us-east-1"
	if a := u.signed(t, u.root(t), "s3", "GET", "https://s3.us-east-1.amazonaws.com/"+assets+"?location", nil, nil); a.StatusCode != 200 {
		t.Fatalf("the first look for the staging bucket: %s %s", a.Status, a.body)
	}
	roles, err := u.IAM.ListRoles(t.Context(), u.IAM.Root(), "")
	if err != nil || len(roles) != 5 {
		t.Errorf("roles = %v, %v, want 5", roles, err)
	}
	if out := u.cdk("bootstrap", "aws://"+account+"/us-east-1"); !strings.Contains(out, "bootstrapped") {
		t.Errorf("cdk bootstrap: %s", out)
	}
	if out := u.cdk("bootstrap", "aws://"+account+"/us-east-1"); !strings.Contains(out, "bootstrapped (no changes)") {
		t.Errorf("second cdk bootstrap: %s", out)
	}
	roles, err = u.IAM.ListRoles(t.Context(), u.IAM.Root(), "")
	if err != nil || len(roles) != 5 {
		t.Errorf("roles = %v, %v, want the same 5", roles, err)
	}
}
