package iam

import "context"

// Summary returns how much the account has of everything, and its quotas, under AWS's names.
// IAM API Reference, GetAccountSummary.
func (s *Service) Summary(ctx context.Context, c Caller) (map[string]int, error) {
	if err := s.Authorize(ctx, c, Ask{Action: "iam:GetAccountSummary"}); err != nil {
		return nil, err
	}
	x := s.index.Load()
	versions := 0
	for _, p := range x.names[policies] {
		versions += len(p.Versions)
	}
	rootKeys := 0
	if len(s.rootKeys()) > 0 {
		rootKeys = 1
	}
	return map[string]int{
		"Users": len(x.names[users]), "UsersQuota": s.quotas.of(users),
		"Groups": len(x.names[groups]), "GroupsQuota": s.quotas.of(groups),
		"Roles": len(x.names[roles]), "RolesQuota": s.quotas.of(roles),
		"Policies": len(x.names[policies]), "PoliciesQuota": s.quotas.of(policies),
		"PolicyVersionsInUse": versions, "PolicyVersionsInUseQuota": s.quotas.of(policies) * maxVersions,
		"VersionsPerPolicyQuota": maxVersions, "PolicySizeQuota": maxManaged, "AssumeRolePolicySizeQuota": maxTrustPolicy,
		"UserPolicySizeQuota": users.inline, "GroupPolicySizeQuota": groups.inline, "RolePolicySizeQuota": roles.inline,
		"AttachedPoliciesPerUserQuota": maxAttached, "AttachedPoliciesPerGroupQuota": maxAttached, "AttachedPoliciesPerRoleQuota": maxAttached,
		"AccessKeysPerUserQuota": maxKeysPerUser, "GroupsPerUserQuota": maxGroupsPerUser,
		"AccountAccessKeysPresent": rootKeys, "AccountMFAEnabled": 0, "MFADevices": 0, "MFADevicesInUse": 0,
		"InstanceProfiles": 0, "Providers": 0, "ServerCertificates": 0,
	}, nil
}

// Details is everything that the account has.
type Details struct {
	Users    []UserAccount
	Groups   []Group
	Roles    []Role
	Policies []PolicyDetails // the account's own, and those of AWS that are attached
}

// PolicyDetails is a managed policy with its versions, newest first.
type PolicyDetails struct {
	ManagedPolicy
	AWS      bool
	Versions []PolicyVersion
}

// Details returns everything that the account has, each by name. IAM API Reference, GetAccountAuthorizationDetails.
func (s *Service) Details(ctx context.Context, c Caller) (Details, error) {
	if err := s.Authorize(ctx, c, Ask{Action: "iam:GetAccountAuthorizationDetails"}); err != nil {
		return Details{}, err
	}
	var d Details
	x := s.index.Load()
	for _, e := range x.sorted(users, "/") {
		d.Users = append(d.Users, user(x, e))
	}
	for _, e := range x.sorted(groups, "/") {
		d.Groups = append(d.Groups, group(e))
	}
	for _, e := range x.sorted(roles, "/") {
		d.Roles = append(d.Roles, s.role(e))
	}
	for _, e := range x.sorted(policies, "/") {
		d.Policies = append(d.Policies, details(x, e))
	}
	for _, e := range s.managed {
		if p := details(x, e); p.Attachments+p.Boundaries > 0 {
			p.AWS = true
			d.Policies = append(d.Policies, p)
		}
	}
	return d, nil
}

func details(x *index, e *entity) PolicyDetails {
	p := PolicyDetails{ManagedPolicy: managedPolicy(x, e)}
	for i := len(e.Versions) - 1; i >= 0; i-- {
		p.Versions = append(p.Versions, e.shown(e.Versions[i]))
	}
	return p
}

// Nothing answers for what glassine does not have, such as instance profiles and MFA devices: it authorises action, on the
// role or user of that name if noun is "role" or "user", which must exist, and there is then nothing to list.
func (s *Service) Nothing(ctx context.Context, c Caller, action, noun, name string) error {
	for _, cl := range []*class{users, roles} {
		if cl.noun == noun {
			_, err := s.ask(ctx, c, action, cl, name, nil)
			return err
		}
	}
	return s.Authorize(ctx, c, Ask{Action: action})
}
