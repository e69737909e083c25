package iam

import "slices"

// Policy is a compiled policy document. It is immutable, so many goroutines and many principals may share one.
// The zero Policy is no policy at all: Decide refuses whatever it is attached to.
type Policy struct {
	name string
	doc  *document
}

// PolicyKind says what a policy is attached to, which decides its grammar and its part in a decision.
type PolicyKind int

// The kinds. Parse takes the first three; the others only name who decided.
// IAM User Guide, "Policies and permissions in IAM", policy types.
const (
	// IdentityPolicy is attached to a user, group or role: it names no principal.
	IdentityPolicy PolicyKind = iota + 1
	// ResourcePolicy is attached to a bucket, access point or function: it must name its principals.
	ResourcePolicy
	// TrustPolicy is a role's own resource policy: who may assume it. It names no resource.
	TrustPolicy
	// BoundaryPolicy is an identity policy used as a permissions boundary.
	BoundaryPolicy
	// SessionPolicy is an identity policy passed when a session was made. A session's Bound counts as one.
	SessionPolicy
)

// String returns the kind as AWS's AccessDenied messages name it, or "policy" for no kind.
func (k PolicyKind) String() string {
	switch k {
	case IdentityPolicy:
		return "identity-based policy"
	case ResourcePolicy:
		return "resource-based policy"
	case TrustPolicy:
		return "role trust policy"
	case BoundaryPolicy:
		return "permissions boundary"
	case SessionPolicy:
		return "session policy"
	}
	return "policy"
}

// Effect is what a statement does to the requests that it matches.
type Effect int

// The effects. Deny is the zero value, so that a forgotten effect allows nothing.
const (
	Deny Effect = iota
	Allow
)

// String returns the effect as policies spell it.
func (e Effect) String() string {
	if e == Allow {
		return "Allow"
	}
	return "Deny"
}

// Statement is one statement of a policy as it was written, for those who check what a policy may name.
// Of Actions and NotActions one is empty, and so of Resources and NotResources.
type Statement struct {
	Sid                     string
	Effect                  Effect
	Actions, NotActions     []string
	Resources, NotResources []string
	ConditionKeys           []string // in lower case, in the order of the document
}

// Statements returns the policy's statements in their order. The caller owns what it gets.
func (p *Policy) Statements() []Statement {
	if p == nil || p.doc == nil {
		return nil
	}
	out := make([]Statement, 0, len(p.doc.statements))
	for i := range p.doc.statements {
		s := &p.doc.statements[i]
		v := Statement{Sid: s.sid, Effect: s.effect}
		if s.notAction {
			v.NotActions = slices.Clone(s.actionText)
		} else {
			v.Actions = slices.Clone(s.actionText)
		}
		if s.notResource {
			v.NotResources = slices.Clone(s.resourceText)
		} else {
			v.Resources = slices.Clone(s.resourceText)
		}
		for _, c := range s.conditions {
			v.ConditionKeys = append(v.ConditionKeys, c.key)
		}
		out = append(out, v)
	}
	return out
}

// String returns the document as it was given to Parse, byte for byte.
func (p *Policy) String() string {
	if p == nil || p.doc == nil {
		return ""
	}
	return p.doc.text
}

// Kind returns the kind that the policy was parsed as.
func (p *Policy) Kind() PolicyKind {
	if p == nil || p.doc == nil {
		return 0
	}
	return p.doc.kind
}

// Name returns the name given by Named, else the document's Id, else "".
func (p *Policy) Name() string {
	switch {
	case p == nil || p.doc == nil:
		return ""
	case p.name != "":
		return p.name
	}
	return p.doc.id
}

// Named returns the same policy under the name that decisions report. The document is shared, not copied.
func (p *Policy) Named(name string) *Policy {
	if p == nil {
		return nil
	}
	return &Policy{name: name, doc: p.doc}
}

// document is a compiled policy document.
type document struct {
	kind       PolicyKind
	text       string
	id         string
	variables  bool // Version 2012-10-17: ${...} is a variable
	statements []statement
}

// statement is one compiled statement. What it does not name it does not limit: no principals means everybody (an
// identity policy), no resources means every resource (a trust policy).
type statement struct {
	sid          string
	effect       Effect
	notPrincipal bool
	principals   []principalPattern
	notAction    bool
	actions      []pattern // in lower case
	notResource  bool
	resources    []arnPattern
	conditions   []condition

	actionText, resourceText []string
	start, end               int // where it stands in the document's text, in bytes
}
