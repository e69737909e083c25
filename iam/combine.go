package iam

// combine turns the allows that were found into a decision: nothing denied. The account of the resource is "" when it is
// the principal's own.
// IAM User Guide, "Policy evaluation logic", evaluating identity-based policies with resource-based policies.
func (v *votes) combine(who *Principal, resourceAccount string) Decision {
	across := resourceAccount != "" && resourceAccount != who.Account
	switch who.Kind {
	case Root:
		if v.trust {
			return refused(TrustPolicy) // root users cannot assume roles
		}
		if !across {
			return Decision{Allowed: true, Statement: -1}
		}
		return granted(ResourcePolicy, v.direct, v.everyone) // its account's name is its own
	case User, RoleSession:
		if across {
			return v.acrossAccounts()
		}
		if v.trust {
			return v.toAssume(who.Kind)
		}
		if who.Kind == User {
			return v.toUser()
		}
		return v.toSession()
	case ServicePrincipal:
		return granted(v.resourceKind(), v.direct, v.everyone)
	}
	return granted(v.resourceKind(), v.everyone) // anonymous
}

// toUser: the user's own name or * in a resource policy is enough; else identity and boundary together.
func (v *votes) toUser() Decision {
	d := granted(ResourcePolicy, v.direct, v.everyone)
	if !d.Allowed {
		if !v.identity.ok() {
			return refused(IdentityPolicy)
		}
		if !v.noBoundary && !v.boundary.ok() {
			return refused(BoundaryPolicy)
		}
		d = granted(IdentityPolicy, v.identity)
	}
	if !v.noSession && !v.session.ok() {
		return refused(SessionPolicy)
	}
	return d
}

// toSession: the session's own ARN in a resource policy is enough; all other grants stay within boundary and session
// policies.
func (v *votes) toSession() Decision {
	if v.direct.ok() {
		return granted(ResourcePolicy, v.direct)
	}
	d := granted(ResourcePolicy, v.role, v.everyone)
	if !d.Allowed {
		d = granted(IdentityPolicy, v.identity)
	}
	return v.within(d)
}

// within refuses what the boundary and the session policies do not allow.
func (v *votes) within(d Decision) Decision {
	switch {
	case !d.Allowed:
		return d
	case !v.noBoundary && !v.boundary.ok():
		return refused(BoundaryPolicy)
	case !v.noSession && !v.session.ok():
		return refused(SessionPolicy)
	}
	return d
}

// toAssume: the trust policy must allow, whatever identity policies say. Naming only the account leaves it to them.
// IAM User Guide, "Granting a user permissions to switch roles".
func (v *votes) toAssume(kind Kind) Decision {
	if v.direct.ok() || kind == User && v.everyone.ok() {
		return granted(TrustPolicy, v.direct, v.everyone)
	}
	d := granted(TrustPolicy, v.role, v.everyone)
	if !d.Allowed && v.account.ok() {
		d = granted(IdentityPolicy, v.identity)
	}
	return v.within(d)
}

// acrossAccounts: both sides must allow, the caller's by identity policies within boundary and session, the resource's by
// any name of the caller.
func (v *votes) acrossAccounts() Decision {
	if d := granted(IdentityPolicy, v.identity); !d.Allowed {
		return d
	}
	return v.within(granted(v.resourceKind(), v.direct, v.role, v.everyone, v.account))
}

func (v *votes) resourceKind() PolicyKind {
	if v.trust {
		return TrustPolicy
	}
	return ResourcePolicy
}

// granted allows by the first witness that there is, or refuses for want of a policy of the kind.
func granted(by PolicyKind, ws ...witness) Decision {
	for _, w := range ws {
		if w.ok() {
			return Decision{Allowed: true, By: by, Policy: w.policy.Name(), Statement: w.statement, Sid: w.policy.doc.statements[w.statement].sid}
		}
	}
	return refused(by)
}

func refused(by PolicyKind) Decision { return Decision{By: by, Statement: -1} }
