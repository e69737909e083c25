// Package iam says who a caller is and decides what it may do: users' and roles' policies, trust, sessions, and the one
// decision function. It has no wire types: aws/iamapi and aws/stsapi translate.
//
// Start at Decide, which is pure, and at Service, which holds the account's identities and assembles Decide's input.
package iam

import (
	"time"
)

// Kind is what sort of principal acts.
type Kind int

// The kinds. Anonymous is the zero value, so that a forgotten principal is nobody.
const (
	Anonymous Kind = iota
	Root
	User
	RoleSession
	ServicePrincipal
)

// Principal names who acts.
type Principal struct {
	Kind    Kind
	Account string // 12 digits
	ARN     string // ...:root, ...:user/n, sts ...:assumed-role/n/session; a service's is empty
	ID      string // AIDA..., AROA...:session, the account id for root
	Name    string // user or role name
	RoleARN string // of a role session: the role's ARN, with its path
	Service string // of a service principal: cloudfront.amazonaws.com
}

// Caller is an authenticated principal with all that a decision about its request needs.
type Caller struct {
	Principal   Principal
	AccessKeyID string   // "" for a service principal and for nobody
	Session     *Session // nil for long-term credentials
	// Context holds the condition keys that the front end knows of the request (aws:SourceIp, aws:SecureTransport, ...).
	Context Context
}

// Session is what temporary credentials carry.
type Session struct {
	// Issued is when the caller's own session began. It is zero when a service acts for a caller with long-term
	// credentials: to policies such a caller has no token (aws:TokenIssueTime).
	Issued  time.Time
	Expires time.Time
	Via     []string // services that act for the caller (aws:CalledVia), first to last
	Bound   *Bound   // nil: not bound
	Parent  string   // the long-term access key that the session was minted from and dies with, or ""
	// SignedIn says that SignIn made the session: it may do all that its user may.
	SignedIn bool

	// Policy and PolicyARNs are the session policies: a document, or "", and ARNs of managed policies. Without any the
	// session may do all that its role or user may.
	Policy     string
	PolicyARNs []string
	// Tags are the session's own, besides those of its role. Transitive are the keys of those that go on to the next
	// role that the session assumes.
	Tags       []Tag
	Transitive []string
	// SourceIdentity is who began the chain of sessions, or "". It stays the same along the chain.
	SourceIdentity string
	// SourceARN is the resource for which a service calls on its own account (aws:SourceArn), or "".
	SourceARN string
}

// Bound narrows credentials that a service minted to act for a caller: nothing but these actions on these resources,
// whatever the policies allow.
type Bound struct {
	Actions, Resources []string
}

// Context is condition keys and their values. Keys are in lower case.
type Context map[string][]string

// Credentials sign requests. Printed or logged they show a part of the access key id and nothing else.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time // zero for long-term keys
}

// Ask is one question: may the caller do Action on the resource?
type Ask struct {
	Action    string   // such as s3:GetObject
	Resources []string // ARNs that all name the one resource, such as a function with and without :$LATEST
	// Policies are the resource-based policies attached to the resource. A nil one is a policy that could not be read:
	// it denies. No policy attached is an empty list.
	Policies []*Policy
	// Context is added to the caller's for this question.
	Context Context
}
