package iamapi

import (
	"context"

	"glassine/aws/wire"
	"glassine/iam"
)

// operation is how one action is answered. A result of nil is an answer without content.
type operation struct {
	run      func(*call) (any, error)
	required []string // parameters
}

// op makes an operation of a handler and the parameters that it must have.
func op(run func(*call) (any, error), required ...string) operation { return operation{run, required} }

// operations are all actions that are served. It is never written to. IAM API Reference, "Actions".
var operations = map[string]operation{
	"CreateUser": op(createUser, "UserName"),
	"GetUser":    op(getUser),
	"UpdateUser": op(updateUser, "UserName"),
	"DeleteUser": named("UserName", (*iam.Service).DeleteUser),
	"ListUsers":  op(listUsers),

	"CreateAccessKey":      op(createAccessKey),
	"UpdateAccessKey":      op(updateAccessKey, "AccessKeyId", "Status"),
	"DeleteAccessKey":      op(deleteAccessKey, "AccessKeyId"),
	"ListAccessKeys":       op(listAccessKeys),
	"GetAccessKeyLastUsed": op(getAccessKeyLastUsed, "AccessKeyId"),

	"CreateGroup":         op(createGroup, "GroupName"),
	"GetGroup":            op(getGroup, "GroupName"),
	"UpdateGroup":         op(updateGroup, "GroupName"),
	"DeleteGroup":         named("GroupName", (*iam.Service).DeleteGroup),
	"ListGroups":          op(listGroups),
	"AddUserToGroup":      pair("GroupName", "UserName", (*iam.Service).AddUserToGroup),
	"RemoveUserFromGroup": pair("GroupName", "UserName", (*iam.Service).RemoveUserFromGroup),
	"ListGroupsForUser":   op(listGroupsForUser, "UserName"),

	"CreateRole":              op(createRole, "RoleName", "AssumeRolePolicyDocument"),
	"GetRole":                 op(getRole, "RoleName"),
	"UpdateRole":              op(updateRole, "RoleName"),
	"UpdateRoleDescription":   op(updateRoleDescription, "RoleName", "Description"),
	"DeleteRole":              named("RoleName", (*iam.Service).DeleteRole),
	"ListRoles":               op(listRoles),
	"UpdateAssumeRolePolicy":  pair("RoleName", "PolicyDocument", (*iam.Service).UpdateAssumeRolePolicy),
	"CreateServiceLinkedRole": op(createServiceLinkedRole, "AWSServiceName"),

	"PutRolePermissionsBoundary":    pair("RoleName", "PermissionsBoundary", (*iam.Service).PutRolePermissionsBoundary),
	"DeleteRolePermissionsBoundary": named("RoleName", (*iam.Service).DeleteRolePermissionsBoundary),
	"PutUserPermissionsBoundary":    pair("UserName", "PermissionsBoundary", (*iam.Service).PutUserPermissionsBoundary),
	"DeleteUserPermissionsBoundary": named("UserName", (*iam.Service).DeleteUserPermissionsBoundary),

	"TagRole":        tagOp("RoleName", (*iam.Service).TagRole),
	"UntagRole":      untagOp("RoleName", (*iam.Service).UntagRole),
	"ListRoleTags":   tagsOp("RoleName", (*iam.Service).ListRoleTags),
	"TagUser":        tagOp("UserName", (*iam.Service).TagUser),
	"UntagUser":      untagOp("UserName", (*iam.Service).UntagUser),
	"ListUserTags":   tagsOp("UserName", (*iam.Service).ListUserTags),
	"TagPolicy":      tagOp("PolicyArn", (*iam.Service).TagPolicy),
	"UntagPolicy":    untagOp("PolicyArn", (*iam.Service).UntagPolicy),
	"ListPolicyTags": tagsOp("PolicyArn", (*iam.Service).ListPolicyTags),

	"PutUserPolicy":     putInline("UserName", (*iam.Service).PutUserPolicy),
	"PutGroupPolicy":    putInline("GroupName", (*iam.Service).PutGroupPolicy),
	"PutRolePolicy":     putInline("RoleName", (*iam.Service).PutRolePolicy),
	"GetUserPolicy":     getInline("UserName", (*iam.Service).GetUserPolicy),
	"GetGroupPolicy":    getInline("GroupName", (*iam.Service).GetGroupPolicy),
	"GetRolePolicy":     getInline("RoleName", (*iam.Service).GetRolePolicy),
	"DeleteUserPolicy":  pair("UserName", "PolicyName", (*iam.Service).DeleteUserPolicy),
	"DeleteGroupPolicy": pair("GroupName", "PolicyName", (*iam.Service).DeleteGroupPolicy),
	"DeleteRolePolicy":  pair("RoleName", "PolicyName", (*iam.Service).DeleteRolePolicy),
	"ListUserPolicies":  listInline("UserName", (*iam.Service).ListUserPolicies),
	"ListGroupPolicies": listInline("GroupName", (*iam.Service).ListGroupPolicies),
	"ListRolePolicies":  listInline("RoleName", (*iam.Service).ListRolePolicies),

	"AttachUserPolicy":          pair("UserName", "PolicyArn", (*iam.Service).AttachUserPolicy),
	"AttachGroupPolicy":         pair("GroupName", "PolicyArn", (*iam.Service).AttachGroupPolicy),
	"AttachRolePolicy":          pair("RoleName", "PolicyArn", (*iam.Service).AttachRolePolicy),
	"DetachUserPolicy":          pair("UserName", "PolicyArn", (*iam.Service).DetachUserPolicy),
	"DetachGroupPolicy":         pair("GroupName", "PolicyArn", (*iam.Service).DetachGroupPolicy),
	"DetachRolePolicy":          pair("RoleName", "PolicyArn", (*iam.Service).DetachRolePolicy),
	"ListAttachedUserPolicies":  listAttached("UserName", (*iam.Service).ListAttachedUserPolicies),
	"ListAttachedGroupPolicies": listAttached("GroupName", (*iam.Service).ListAttachedGroupPolicies),
	"ListAttachedRolePolicies":  listAttached("RoleName", (*iam.Service).ListAttachedRolePolicies),

	"CreatePolicy":            op(createPolicy, "PolicyName", "PolicyDocument"),
	"GetPolicy":               op(getPolicy, "PolicyArn"),
	"DeletePolicy":            named("PolicyArn", (*iam.Service).DeletePolicy),
	"ListPolicies":            op(listPolicies),
	"CreatePolicyVersion":     op(createPolicyVersion, "PolicyArn", "PolicyDocument"),
	"GetPolicyVersion":        op(getPolicyVersion, "PolicyArn", "VersionId"),
	"DeletePolicyVersion":     pair("PolicyArn", "VersionId", (*iam.Service).DeletePolicyVersion),
	"ListPolicyVersions":      op(listPolicyVersions, "PolicyArn"),
	"SetDefaultPolicyVersion": pair("PolicyArn", "VersionId", (*iam.Service).SetDefaultPolicyVersion),
	"ListEntitiesForPolicy":   op(listEntitiesForPolicy, "PolicyArn"),

	"SimulatePrincipalPolicy":          op(simulatePrincipal, "PolicySourceArn", "ActionNames"),
	"SimulateCustomPolicy":             op(simulateCustom, "PolicyInputList", "ActionNames"),
	"GetContextKeysForPrincipalPolicy": op(contextKeysOfPrincipal, "PolicySourceArn"),
	"GetContextKeysForCustomPolicy":    op(contextKeysOfDocuments, "PolicyInputList"),
	"GetAccountSummary":                op(getAccountSummary),
	"GetAccountAuthorizationDetails":   op(getAccountAuthorizationDetails),

	// What glassine does not have. Tools ask for it before they delete a role or a user.
	"ListAccountAliases":             nothing("AccountAliases", ""),
	"ListInstanceProfiles":           nothing("InstanceProfiles", ""),
	"ListInstanceProfilesForRole":    nothing("InstanceProfiles", "RoleName", "RoleName"),
	"ListMFADevices":                 nothing("MFADevices", "UserName"),
	"ListVirtualMFADevices":          nothing("VirtualMFADevices", ""),
	"ListSSHPublicKeys":              nothing("SSHPublicKeys", "UserName"),
	"ListSigningCertificates":        nothing("Certificates", "UserName"),
	"ListServiceSpecificCredentials": nothing("ServiceSpecificCredentials", "UserName"),
	"ListOpenIDConnectProviders":     nothing("OpenIDConnectProviderList", ""),
	"ListSAMLProviders":              nothing("SAMLProviderList", ""),
	"ListServerCertificates":         nothing("ServerCertificateMetadataList", ""),
	"GetLoginProfile":                op(noLoginProfile, "UserName"),
	"DeleteLoginProfile":             op(noLoginProfile, "UserName"),
}

// named is an operation on one thing that answers nothing.
func named(name string, f func(*iam.Service, context.Context, iam.Caller, string) error) operation {
	return op(func(c *call) (any, error) { return nil, f(c.iam, c.ctx, c.caller, c.get(name)) }, name)
}

// pair is named with one thing more.
func pair(name, other string, f func(*iam.Service, context.Context, iam.Caller, string, string) error) operation {
	return op(func(c *call) (any, error) { return nil, f(c.iam, c.ctx, c.caller, c.get(name), c.get(other)) }, name, other)
}

func tagOp(name string, f func(*iam.Service, context.Context, iam.Caller, string, []iam.Tag) error) operation {
	return op(func(c *call) (any, error) {
		ts, err := c.tags()
		if err != nil {
			return nil, err
		}
		return nil, f(c.iam, c.ctx, c.caller, c.get(name), ts)
	}, name, "Tags")
}

func untagOp(name string, f func(*iam.Service, context.Context, iam.Caller, string, []string) error) operation {
	return op(func(c *call) (any, error) {
		keys, err := c.form.Strings("TagKeys")
		if err != nil {
			return nil, err
		}
		return nil, f(c.iam, c.ctx, c.caller, c.get(name), keys)
	}, name, "TagKeys")
}

func tagsOp(name string, f func(*iam.Service, context.Context, iam.Caller, string) ([]iam.Tag, error)) operation {
	return op(func(c *call) (any, error) {
		all, err := f(c.iam, c.ctx, c.caller, c.get(name))
		if err != nil {
			return nil, err
		}
		part, p, err := page(c, all, func(t iam.Tag) string { return t.Key })
		return struct {
			Tags wire.Members[tag]
			paging
		}{wire.MembersOf(part, tagShape), p}, err
	}, name)
}

func putInline(owner string, f func(*iam.Service, context.Context, iam.Caller, string, string, string) error) operation {
	return op(func(c *call) (any, error) {
		return nil, f(c.iam, c.ctx, c.caller, c.get(owner), c.get("PolicyName"), c.get("PolicyDocument"))
	}, owner, "PolicyName", "PolicyDocument")
}

func getInline(owner string, f func(*iam.Service, context.Context, iam.Caller, string, string) (string, error)) operation {
	return op(func(c *call) (any, error) {
		doc, err := f(c.iam, c.ctx, c.caller, c.get(owner), c.get("PolicyName"))
		out := struct {
			UserName       string `xml:",omitempty"`
			GroupName      string `xml:",omitempty"`
			RoleName       string `xml:",omitempty"`
			PolicyName     string
			PolicyDocument string
		}{PolicyName: c.get("PolicyName"), PolicyDocument: encoded(doc)}
		switch owner {
		case "UserName":
			out.UserName = c.get(owner)
		case "GroupName":
			out.GroupName = c.get(owner)
		case "RoleName":
			out.RoleName = c.get(owner)
		}
		return out, err
	}, owner, "PolicyName")
}

func listInline(owner string, f func(*iam.Service, context.Context, iam.Caller, string) ([]string, error)) operation {
	return op(func(c *call) (any, error) {
		names, err := f(c.iam, c.ctx, c.caller, c.get(owner))
		if err != nil {
			return nil, err
		}
		part, p, err := page(c, names, text)
		return struct {
			PolicyNames wire.Members[string]
			paging
		}{wire.Members[string]{Member: part}, p}, err
	}, owner)
}

func listAttached(owner string, f func(*iam.Service, context.Context, iam.Caller, string) ([]string, error)) operation {
	return op(func(c *call) (any, error) {
		arns, err := f(c.iam, c.ctx, c.caller, c.get(owner))
		if err != nil {
			return nil, err
		}
		arns = under(arns, c.get("PathPrefix"))
		part, p, err := page(c, arns, text)
		return struct {
			AttachedPolicies wire.Members[attachedPolicy]
			paging
		}{wire.MembersOf(part, attached), p}, err
	}, owner)
}
