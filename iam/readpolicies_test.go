package iam

import (
	"fmt"
	"testing"
)

// The policy that is kept read is the one that would be read: of the same text, pinned to the same people.
func TestPoliciesAreKeptRead(t *testing.T) {
	const account, bucketARN = "123456789012", "arn:aws:s3:::photos"
	const viewer = "arn:aws:iam::" + account + ":role/viewer"
	document := func(effect, principal, key string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"s3:GetObject","Resource":"` + bucketARN + "/" + key + `"}]}`
	}
	text, public := document("Allow", `{"AWS":"`+viewer+`"}`, "*"), document("Allow", `"*"`, "*")
	var c ReadPolicies
	may := func(t *testing.T, text string, ids map[string]string, id string) bool {
		t.Helper()
		p, err := c.Read(text, ids)
		if err != nil {
			t.Fatal(err)
		}
		return Decide(Request{
			Principal: Principal{Kind: RoleSession, Account: account, ID: id + ":s", ARN: "arn:aws:sts::" + account + ":assumed-role/viewer/s"},
			Action:    "s3:GetObject", Resources: []string{bucketARN + "/k"}, ResourceAccount: account,
		}, Policies{Resource: p.Policies}).Allowed
	}
	first, second := map[string]string{viewer: "AROAFIRST"}, map[string]string{viewer: "AROASECOND"}
	for range 2 { // the second time from what is kept
		for _, want := range []struct {
			ids map[string]string
			id  string
			may bool
		}{{first, "AROAFIRST", true}, {first, "AROASECOND", false}, {second, "AROASECOND", true}, {second, "AROAFIRST", false}} {
			if got := may(t, text, want.ids, want.id); got != want.may {
				t.Errorf("with ids %v, %s may read: %t, want %t", want.ids, want.id, got, want.may)
			}
		}
	}
	if p, err := c.Read(text, first); err != nil || p.Public {
		t.Errorf("read = public %t, %v; want a policy that is not", p.Public, err)
	}
	if p, err := c.Read(public, nil); err != nil || !p.Public {
		t.Errorf("read = public %t, %v; want a public policy", p.Public, err)
	}
	if _, err := c.Read("{", nil); err == nil {
		t.Error("what does not parse is read")
	}
	for n := range 2 * maxReadPolicies {
		if _, err := c.Read(document("Deny", `"*"`, fmt.Sprint(n)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.m) > maxReadPolicies {
		t.Errorf("%d policies are kept, want at most %d", len(c.m), maxReadPolicies)
	}
}
