package iam

import "strings"

// Request is what a decision is about. Nothing in it comes from a clock or a store: time is a condition key.
type Request struct {
	Principal Principal
	// Action is such as s3:GetObject; its case does not matter.
	Action string
	// Resources are ARNs that all name the one resource, such as a function with and without :$LATEST. An Allow needs to
	// name one of them; a Deny of any of them denies. None means an action without a resource: only * names it.
	Resources []string
	// ResourceAccount owns the resource. "" means the principal's own account.
	ResourceAccount string
	// Context holds the condition keys, in lower case.
	Context Context
}

// Policies are all policies that apply to a request. A nil or zero Policy in a list is one that could not be read: it
// denies, since it might have.
type Policies struct {
	// Identity are the policies of the user, its groups, or the role.
	Identity []*Policy
	// Session are the policies passed when the session was made; nil means that none were, an empty list allows nothing.
	Session []*Policy
	// Boundary is the user's or role's permissions boundary, or nil.
	Boundary *Policy
	// Resource are the resource's own policies, or the role's trust policy when the action is to assume it.
	Resource []*Policy
}

// Decision is the answer, and what it rests on.
type Decision struct {
	Allowed bool
	// Explicit says that a Deny statement, or a policy that could not be read, refused. A refusal that is not explicit
	// means that nothing allowed.
	Explicit bool
	// By is the kind of policy that decided. In an implicit refusal it is the kind that should have allowed and did not.
	// 0: no policy did; it was the account's root.
	By PolicyKind
	// Policy, Statement and Sid are the statement that decided: its policy's name, its index from 0 and its Sid.
	// Statement is -1 when no single one did.
	Policy    string
	Statement int
	Sid       string
	// Rule is what refused where no policy did: a setting of the service that was asked, such as Block Public Access. ""
	// otherwise. Decide never sets it: see Service.Refused.
	Rule string
}

// Decide says whether the request is allowed. It is pure: no I/O, no clock. It allocates nothing unless a condition
// substitutes a variable into longer text or decodes base64.
// IAM User Guide, "Policy evaluation logic" and "Cross account policy evaluation logic".
func Decide(r Request, p Policies) Decision {
	var v votes
	if v.rootsWayOut(&r) {
		return Decision{Allowed: true, Statement: -1}
	}
	for _, l := range [...]struct {
		policies []*Policy
		kind     PolicyKind
	}{{p.Identity, IdentityPolicy}, {p.Session, SessionPolicy}, {p.Resource, ResourcePolicy}} {
		for _, policy := range l.policies {
			if d, denied := v.count(policy, l.kind, &r); denied {
				return d
			}
		}
	}
	if p.Boundary != nil {
		if d, denied := v.count(p.Boundary, BoundaryPolicy, &r); denied {
			return d
		}
	}
	v.noBoundary, v.noSession = p.Boundary == nil, p.Session == nil
	return v.combine(&r.Principal, r.ResourceAccount)
}

// votes are the Allow statements found, one witness for each way of being allowed.
type votes struct {
	identity, boundary, session     witness
	direct, role, everyone, account witness // of resource policies
	noBoundary, noSession, trust    bool
}

type witness struct {
	policy    *Policy
	statement int
}

func (w *witness) set(p *Policy, i int) {
	if w.policy == nil {
		*w = witness{p, i}
	}
}

func (w witness) ok() bool { return w.policy != nil }

// rootsWayOut reports whether the account's root repairs a bucket policy. It may even against a Deny in that very policy,
// or nobody could undo one.
// S3 User Guide, "Bucket policies": the root user can perform these even if the policy denies it.
func (v *votes) rootsWayOut(r *Request) bool {
	if r.Principal.Kind != Root || r.ResourceAccount != "" && r.ResourceAccount != r.Principal.Account {
		return false
	}
	return strings.EqualFold(r.Action, "s3:GetBucketPolicy") || strings.EqualFold(r.Action, "s3:PutBucketPolicy") ||
		strings.EqualFold(r.Action, "s3:DeleteBucketPolicy")
}

// count evaluates one policy. It returns the decision when the policy denies.
func (v *votes) count(p *Policy, as PolicyKind, r *Request) (Decision, bool) {
	if p == nil || p.doc == nil || !p.doc.kind.servesAs(as) {
		return Decision{Explicit: true, By: as, Policy: p.Name(), Statement: -1}, true
	}
	if p.doc.kind == TrustPolicy {
		as, v.trust = TrustPolicy, true
	}
	for i := range p.doc.statements {
		s := &p.doc.statements[i]
		n, ok := s.covers(r)
		if !ok {
			continue
		}
		if s.effect == Deny {
			return Decision{Explicit: true, By: as, Policy: p.Name(), Statement: i, Sid: s.sid}, true
		}
		switch as {
		case IdentityPolicy:
			v.identity.set(p, i)
		case BoundaryPolicy:
			v.boundary.set(p, i)
		case SessionPolicy:
			v.session.set(p, i)
		default:
			v.named(n, p, i)
		}
	}
	return Decision{}, false
}

func (v *votes) named(n names, p *Policy, i int) {
	if n&byDirect != 0 {
		v.direct.set(p, i)
	}
	if n&byRole != 0 {
		v.role.set(p, i)
	}
	if n&byAnyone != 0 {
		v.everyone.set(p, i)
	}
	if n&byAccount != 0 {
		v.account.set(p, i)
	}
}

// servesAs reports whether a document parsed as kind k may stand in the list of kind as.
func (k PolicyKind) servesAs(as PolicyKind) bool {
	if as == ResourcePolicy {
		return k == ResourcePolicy || k == TrustPolicy
	}
	return k == IdentityPolicy
}

// covers reports whether the statement is about the request, and how it named the caller. A statement of an identity
// policy names nobody.
func (s *statement) covers(r *Request) (names, bool) {
	n, ok := s.namesOf(&r.Principal)
	return n, ok && s.coversAction(r) && s.coversResource(r) && s.conditionsHold(r.Context)
}

func (s *statement) namesOf(who *Principal) (n names, ok bool) {
	if len(s.principals) == 0 {
		return 0, true
	}
	for i := range s.principals {
		n |= s.principals[i].names(who)
	}
	if s.notPrincipal {
		return 0, !n.spares(who)
	}
	return n, n != 0
}

func (s *statement) coversAction(r *Request) bool {
	if strings.IndexByte(r.Action, ':') < 1 {
		return s.effect == Deny // not an action: nothing allows it
	}
	for i := range s.actions {
		if s.actions[i].match(r.Action, r.Context, true) {
			return !s.notAction
		}
	}
	return s.notAction
}

func (s *statement) coversResource(r *Request) bool {
	if len(s.resources) == 0 {
		return true
	}
	if len(r.Resources) == 0 {
		return s.listed("*", r.Context) != s.notResource
	}
	if s.notResource && s.effect == Allow {
		// All names must be outside the list, and the list must be readable: else it would allow what it meant to except.
		for i := range s.resources {
			if !s.resources[i].resolves(r.Context) {
				return false
			}
		}
		for _, name := range r.Resources {
			if s.listed(name, r.Context) {
				return false
			}
		}
		return true
	}
	for _, name := range r.Resources {
		if s.listed(name, r.Context) != s.notResource {
			return true
		}
	}
	return false
}

// listed reports whether one of the statement's resource patterns fits.
func (s *statement) listed(resource string, ctx Context) bool {
	for i := range s.resources {
		if s.resources[i].match(resource, ctx) {
			return true
		}
	}
	return false
}

func (s *statement) conditionsHold(ctx Context) bool {
	for i := range s.conditions {
		if !s.conditions[i].holds(ctx) {
			return false
		}
	}
	return true
}
