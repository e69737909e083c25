package iamapi

import (
	"maps"
	"slices"
	"strings"

	"glassine/aws/wire"
)

type inlinePolicy struct{ PolicyName, PolicyDocument string }

func inline(docs map[string]string) wire.Members[inlinePolicy] {
	return wire.MembersOf(slices.Sorted(maps.Keys(docs)), func(name string) inlinePolicy { return inlinePolicy{name, encoded(docs[name])} })
}

type userDetail struct {
	userShape
	UserPolicyList          wire.Members[inlinePolicy]
	GroupList               wire.Members[string]
	AttachedManagedPolicies wire.Members[attachedPolicy]
}

type groupDetail struct {
	groupShape
	GroupPolicyList         wire.Members[inlinePolicy]
	AttachedManagedPolicies wire.Members[attachedPolicy]
}

type roleDetail struct {
	roleShape
	InstanceProfileList     wire.Members[string]
	RolePolicyList          wire.Members[inlinePolicy]
	AttachedManagedPolicies wire.Members[attachedPolicy]
}

type policyDetail struct {
	policyShape
	PolicyVersionList wire.Members[versionShape]
}

// getAccountAuthorizationDetails pages through all four lists as one.
// IAM API Reference, GetAccountAuthorizationDetails.
func getAccountAuthorizationDetails(c *call) (any, error) {
	filter, err := c.form.Strings("Filter")
	if err != nil {
		return nil, err
	}
	d, err := c.iam.Details(c.ctx, c.caller)
	if err != nil {
		return nil, err
	}
	var out struct {
		UserDetailList  wire.Members[userDetail]
		GroupDetailList wire.Members[groupDetail]
		RoleDetailList  wire.Members[roleDetail]
		Policies        wire.Members[policyDetail]
		paging
	}
	var entries []entry
	add := func(kind, key string, f func()) {
		if len(filter) == 0 || slices.Contains(filter, kind) {
			entries = append(entries, entry{kind + "/" + key, f})
		}
	}
	for _, g := range d.Groups {
		add("Group", g.Name, func() {
			out.GroupDetailList.Member = append(out.GroupDetailList.Member, groupDetail{group(g), inline(g.Inline), wire.MembersOf(g.Attached, attached)})
		})
	}
	for _, r := range d.Roles {
		add("Role", r.Name, func() {
			out.RoleDetailList.Member = append(out.RoleDetailList.Member, roleDetail{role(r, true), wire.Members[string]{}, inline(r.Inline), wire.MembersOf(r.Attached, attached)})
		})
	}
	for _, u := range d.Users {
		add("User", u.Name, func() {
			out.UserDetailList.Member = append(out.UserDetailList.Member, userDetail{user(u, true), inline(u.Inline), wire.Members[string]{Member: u.Groups}, wire.MembersOf(u.Attached, attached)})
		})
	}
	for _, p := range d.Policies {
		kind := "LocalManagedPolicy"
		if p.AWS {
			kind = "AWSManagedPolicy"
		}
		add(kind, p.Name, func() {
			out.Policies.Member = append(out.Policies.Member, policyDetail{policy(p.ManagedPolicy, true), wire.MembersOf(p.Versions, policyVersion)})
		})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	out.paging, err = pageEntries(c, entries)
	return out, err
}
