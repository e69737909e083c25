package stsapi

import "testing"

// Every operation that clients of the reference set-up need is here, and none is both served and not.
func TestOperationsAreServed(t *testing.T) {
	for _, name := range []string{"GetCallerIdentity", "AssumeRole", "GetSessionToken", "DecodeAuthorizationMessage"} {
		if operations[name] == nil || unserved[name] {
			t.Errorf("%s is not served", name)
		}
	}
}
