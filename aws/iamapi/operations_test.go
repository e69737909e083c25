package iamapi

import "testing"

// Every operation that clients of the reference set-up need is here.
func TestOperationsAreServed(t *testing.T) {
	all := []string{
		"CreateRole", "GetRole", "ListRoles", "DeleteRole", "UpdateRole", "UpdateAssumeRolePolicy",
		"PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies",
		"AttachRolePolicy", "DetachRolePolicy", "ListAttachedRolePolicies",
		"TagRole", "UntagRole", "ListRoleTags", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary",
		"CreatePolicy", "GetPolicy", "ListPolicies", "DeletePolicy", "CreatePolicyVersion", "GetPolicyVersion", "ListPolicyVersions", "DeletePolicyVersion", "SetDefaultPolicyVersion",
		"CreateUser", "GetUser", "ListUsers", "DeleteUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey",
		"PutUserPolicy", "GetUserPolicy", "DeleteUserPolicy", "ListUserPolicies", "AttachUserPolicy", "DetachUserPolicy", "ListAttachedUserPolicies",
		"SimulatePrincipalPolicy", "ListInstanceProfilesForRole", "ListEntitiesForPolicy",
	}
	for _, name := range all {
		if operations[name].run == nil {
			t.Errorf("%s is not served", name)
		}
	}
}
