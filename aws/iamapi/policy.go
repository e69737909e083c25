package iamapi

import (
	"slices"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

type policyResult struct{ Policy policyShape }

func createPolicy(c *call) (any, error) {
	ts, err := c.tags()
	if err != nil {
		return nil, err
	}
	p, err := c.iam.CreatePolicy(c.ctx, c.caller, iam.NewPolicy{
		Name: c.get("PolicyName"), Path: c.get("Path"), Description: c.get("Description"), Document: c.get("PolicyDocument"), Tags: ts,
	})
	return policyResult{policy(p, true)}, err
}

func getPolicy(c *call) (any, error) {
	p, err := c.iam.GetPolicy(c.ctx, c.caller, c.get("PolicyArn"))
	return policyResult{policy(p, true)}, err
}

// choice checks a parameter against its possible values; "" is always one.
func (c *call) choice(name string, values ...string) (string, error) {
	v := c.get(name)
	if v != "" && !slices.Contains(values, v) {
		return "", fault.New("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			v, strings.ToLower(name[:1])+name[1:], strings.Join(values, ", "))
	}
	return v, nil
}

func listPolicies(c *call) (any, error) {
	scope, err := c.choice("Scope", "All", "AWS", "Local")
	if err != nil {
		return nil, err
	}
	usage, err := c.choice("PolicyUsageFilter", "PermissionsPolicy", "PermissionsBoundary")
	if err != nil {
		return nil, err
	}
	only, err := c.form.Bool("OnlyAttached")
	if err != nil {
		return nil, err
	}
	all, err := c.iam.ListPolicies(c.ctx, c.caller, iam.Which{
		AWS: scope == "AWS", Local: scope == "Local", Attached: only,
		AsBoundary: only && usage == "PermissionsBoundary", AsPermission: only && usage == "PermissionsPolicy", PathPrefix: c.get("PathPrefix"),
	})
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, all, func(p iam.ManagedPolicy) string { return p.ARN })
	return struct {
		Policies wire.Members[policyShape]
		paging
	}{wire.MembersOf(part, listedPolicy), p}, err
}

// under returns the ARNs of policies whose path begins with prefix.
func under(arns []string, prefix string) []string {
	if prefix == "" || prefix == "/" {
		return arns
	}
	return slices.DeleteFunc(arns, func(s string) bool {
		a, err := arn.Parse(s)
		return err != nil || !strings.HasPrefix("/"+a.Name("policy"), prefix)
	})
}

type versionResult struct{ PolicyVersion versionShape }

func createPolicyVersion(c *call) (any, error) {
	setDefault, err := c.form.Bool("SetAsDefault")
	if err != nil {
		return nil, err
	}
	v, err := c.iam.CreatePolicyVersion(c.ctx, c.caller, c.get("PolicyArn"), c.get("PolicyDocument"), setDefault)
	return versionResult{listedVersion(v)}, err
}

func getPolicyVersion(c *call) (any, error) {
	v, err := c.iam.GetPolicyVersion(c.ctx, c.caller, c.get("PolicyArn"), c.get("VersionId"))
	return versionResult{policyVersion(v)}, err
}

func listPolicyVersions(c *call) (any, error) {
	all, err := c.iam.ListPolicyVersions(c.ctx, c.caller, c.get("PolicyArn"))
	if err != nil {
		return nil, err
	}
	part, p, err := page(c, all, func(v iam.PolicyVersion) string { return v.ID })
	return struct {
		Versions wire.Members[versionShape]
		paging
	}{wire.MembersOf(part, listedVersion), p}, err
}

func listEntitiesForPolicy(c *call) (any, error) {
	filter, err := c.choice("EntityFilter", "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
	if err != nil {
		return nil, err
	}
	usage, err := c.choice("PolicyUsageFilter", "PermissionsPolicy", "PermissionsBoundary")
	if err != nil {
		return nil, err
	}
	all, err := c.iam.ListEntitiesForPolicy(c.ctx, c.caller, c.get("PolicyArn"), c.get("PathPrefix"), usage == "PermissionsBoundary")
	if err != nil {
		return nil, err
	}
	type groupOf struct{ GroupName, GroupId string }
	type userOf struct{ UserName, UserId string }
	type roleOf struct{ RoleName, RoleId string }
	var out struct {
		PolicyGroups wire.Members[groupOf]
		PolicyUsers  wire.Members[userOf]
		PolicyRoles  wire.Members[roleOf]
		paging
	}
	var entries []entry
	collect := func(kind string, of []iam.Entity, add func(iam.Entity)) {
		if filter != "" && filter != kind {
			return
		}
		for _, e := range of {
			entries = append(entries, entry{kind + "/" + e.Name, func() { add(e) }})
		}
	}
	collect("Group", all.Groups, func(e iam.Entity) { out.PolicyGroups.Member = append(out.PolicyGroups.Member, groupOf{e.Name, e.ID}) })
	collect("Role", all.Roles, func(e iam.Entity) { out.PolicyRoles.Member = append(out.PolicyRoles.Member, roleOf{e.Name, e.ID}) })
	collect("User", all.Users, func(e iam.Entity) { out.PolicyUsers.Member = append(out.PolicyUsers.Member, userOf{e.Name, e.ID}) })
	out.paging, err = pageEntries(c, entries)
	return out, err
}
