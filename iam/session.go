package iam

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
)

// longestService is how long credentials that a service asks for may live. A session that lives longer takes new ones.
const longestService = 12 * time.Hour

// The refusals of credentials, with S3's texts; other services say the same in their own words.
// S3 API Reference, "Error responses".
func unknownKey(accessKeyID string) error {
	return fault.New("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.").With("AWSAccessKeyId", accessKeyID)
}

func badToken() error {
	return fault.New("InvalidToken", "The provided token is malformed or otherwise invalid.")
}

func expiredToken() error { return fault.New("ExpiredToken", "The provided token has expired.") }

// Lookup finds whose key it is, and returns the secret that signatures must be made with. sessionToken is "" for
// long-term keys. Faults: InvalidAccessKeyId for a key that is not known, InvalidToken for a token that does not belong
// to the key or whose owner is gone, ExpiredToken. The caller's Context is nil: the front end fills it.
func (s *Service) Lookup(ctx context.Context, accessKeyID, sessionToken string) (secret string, c Caller, err error) {
	x := s.index.Load()
	k := x.keys[accessKeyID]
	if sessionToken == "" {
		if !k.active() {
			return "", Caller{}, unknownKey(accessKeyID)
		}
		p, ok := s.owner(x, k)
		if !ok {
			return "", Caller{}, unknownKey(accessKeyID)
		}
		return k.secret, Caller{Principal: p, AccessKeyID: accessKeyID}, nil
	}
	claims, secret, err := s.ring.Load().open(accessKeyID, sessionToken)
	if err != nil {
		return "", Caller{}, badToken()
	}
	if !s.now().Before(claims.Expires) {
		return "", Caller{}, expiredToken()
	}
	p, ok := s.principal(x, &claims)
	if !ok {
		return "", Caller{}, badToken()
	}
	return secret, Caller{Principal: p, AccessKeyID: accessKeyID, Session: &claims.Session}, nil
}

// owner returns the principal that a long-term key belongs to.
func (s *Service) owner(x *index, k *accessKey) (Principal, bool) {
	if k.owner == rootOwner {
		return s.rootPrincipal(), true
	}
	return s.user(x, k.owner)
}

func (s *Service) user(x *index, id string) (Principal, bool) {
	e := x.byID[id]
	if e == nil || e.class != users {
		return Principal{}, false
	}
	return Principal{Kind: User, Account: s.account, ARN: e.arn, ID: e.ID, Name: e.Name}, true
}

// principal returns who a token speaks for, if that one still exists, and the key that the token was minted from too.
func (s *Service) principal(x *index, c *claims) (Principal, bool) {
	if c.Parent != "" && !x.keys[c.Parent].active() {
		return Principal{}, false
	}
	switch c.kind {
	case Root:
		return s.rootPrincipal(), c.id == s.account
	case User:
		return s.user(x, c.id)
	case RoleSession:
		e := x.byID[c.id]
		if e == nil || e.class != roles {
			return Principal{}, false
		}
		return s.sessionPrincipal(e, c.session), true
	case ServicePrincipal:
		return Principal{Kind: ServicePrincipal, Service: c.id}, true
	}
	return Principal{}, false
}

// sessionPrincipal names a session of the role. Its ARN has no path.
// IAM User Guide, "IAM identifiers", IAM ARNs.
func (s *Service) sessionPrincipal(e *entity, session string) Principal {
	return Principal{
		Kind: RoleSession, Account: s.account, Name: e.Name, RoleARN: e.arn, ID: e.ID + ":" + session,
		ARN: "arn:aws:sts::" + s.account + ":assumed-role/" + e.Name + "/" + session,
	}
}

// AssumeForService issues a session of the role to AWS services, such as lambda.amazonaws.com for a function, together with
// edgelambda.amazonaws.com for one at the edge. Every service named must be allowed by the trust policy now: a role whose
// trust is withdrawn gets no new credentials. A role that does not exist and one that does not trust give the same
// AccessDenied fault. sessionName is 1 to 64 of letters, digits and +=,.@-_ (the function's name); life is at most 12
// hours, whatever the role's longest session is.
func (s *Service) AssumeForService(ctx context.Context, roleARN string, services []string, sessionName string, life time.Duration) (Credentials, error) {
	if err := checkAll(checkName("roleSessionName", sessionName, 64), checkLife(life)); err != nil {
		return Credentials{}, err
	}
	if len(services) == 0 {
		return Credentials{}, fault.New("AccessDenied", "No service asks to assume %s", roleARN)
	}
	now := s.now()
	e := s.find(roles, lastPart(roleARN))
	for _, service := range services {
		if e == nil || e.arn != roleARN || !s.trusts(e, service, sessionName, now) {
			return Credentials{}, fault.New("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", service, roleARN)
		}
	}
	return s.mint(ctx, claims{kind: RoleSession, id: e.ID, session: sessionName, Session: Session{Issued: now, Expires: now.Add(life)}})
}

// IssueToService issues credentials with which an AWS service calls on its own account, for one of its resources: the
// distribution whose origin CloudFront fetches. It has no policies of its own, so it may do what resource policies allow
// it, which tell one resource from another by aws:SourceArn and aws:SourceAccount. sourceARN is an ARN of this account; life
// is at most 12 hours.
// IAM User Guide, "AWS service principals"; CloudFront Developer Guide, "Restrict access to an Amazon S3 origin".
func (s *Service) IssueToService(ctx context.Context, service, sourceARN string, life time.Duration) (Credentials, error) {
	if err := checkLife(life); err != nil {
		return Credentials{}, err
	}
	if service == "" || sourceARN == "" {
		return Credentials{}, invalid("", "service", "name a service and its resource")
	}
	now := s.now()
	return s.mint(ctx, claims{kind: ServicePrincipal, id: service, Session: Session{Issued: now, Expires: now.Add(life), SourceARN: sourceARN}})
}

// trusts reports whether the role's trust policy lets the service assume it.
func (s *Service) trusts(e *entity, service, sessionName string, now time.Time) bool {
	c := Caller{Principal: Principal{Kind: ServicePrincipal, Service: service}}
	keys := Context{"aws:sourceaccount": {s.account}, "sts:rolesessionname": {sessionName}}
	d := Decide(
		Request{Principal: c.Principal, Action: "sts:AssumeRole", Resources: []string{e.arn}, Context: s.context(&c, keys, now)},
		Policies{Resource: []*Policy{e.trust}},
	)
	return d.Allowed
}

func checkLife(life time.Duration) error {
	value := strconv.FormatInt(int64(life/time.Second), 10)
	if life <= 0 {
		return invalid(value, "durationSeconds", "have value greater than or equal to 1")
	}
	if life > longestService {
		return invalid(value, "durationSeconds", fmt.Sprintf("have value less than or equal to %d", longestService/time.Second))
	}
	return nil
}

func (s *Service) mint(ctx context.Context, c claims) (Credentials, error) {
	k, err := s.master(ctx)
	if err != nil {
		return Credentials{}, err
	}
	c.Issued, c.Expires = c.Issued.UTC().Truncate(time.Millisecond), c.Expires.UTC().Truncate(time.Millisecond)
	return k.mint(c)
}

// Forward mints credentials with which a service acts as the caller: the same principal and the same policies, via added
// to its aws:CalledVia, and nothing but what b names (an empty b names nothing). They live for life, at most 12 hours, and
// never longer than the caller's own session; a caller that is itself bound stays within its bound. aws:TokenIssueTime is
// the caller's own, and absent for long-term keys, so that revoking the caller's sessions ends these too. Nobody cannot be
// forwarded: AccessDenied. IAM User Guide, "Forward access sessions".
func (s *Service) Forward(ctx context.Context, c Caller, via string, b Bound, life time.Duration) (Credentials, error) {
	return s.forward(ctx, c, via, &b, life)
}

// ForwardUnbound is Forward without a bound of its own, for a service that acts for its user in whatever way: CloudFormation.
func (s *Service) ForwardUnbound(ctx context.Context, c Caller, via string, life time.Duration) (Credentials, error) {
	return s.forward(ctx, c, via, nil, life)
}

func (s *Service) forward(ctx context.Context, c Caller, via string, b *Bound, life time.Duration) (Credentials, error) {
	if err := checkLife(life); err != nil {
		return Credentials{}, err
	}
	if via == "" {
		return Credentials{}, invalid("", "via", "name a service")
	}
	now := s.now()
	cl := claims{kind: c.Principal.Kind, id: entityID(c.Principal.ID)}
	cl.Parent = c.AccessKeyID
	switch cl.kind {
	case Anonymous:
		return Credentials{}, fault.New("AccessDenied", "An anonymous caller has no identity that %s could act with", via)
	case ServicePrincipal:
		cl.id = c.Principal.Service
	case RoleSession:
		if c.Session == nil {
			return Credentials{}, fault.New("AccessDenied", "%s is not a session: it has no issue time", c.Principal.ARN)
		}
		_, cl.session, _ = strings.Cut(c.Principal.ID, ":")
	}
	end := now.Add(life)
	if o := c.Session; o != nil {
		if !now.Before(o.Expires) {
			return Credentials{}, expiredToken()
		}
		if o.Expires.Before(end) {
			end = o.Expires
		}
		cl.Session = *o
		if o.Bound != nil && b != nil {
			b = o.Bound.within(*b)
		} else if b == nil {
			b = o.Bound
		}
	}
	cl.Expires, cl.Bound, cl.Via = end, b, append(slices.Clone(cl.Via), via)
	return s.mint(ctx, cl)
}

// within returns the part of b that o names too.
func (o *Bound) within(b Bound) *Bound {
	var n Bound
	for _, a := range b.Actions {
		if slices.ContainsFunc(o.Actions, func(x string) bool { return strings.EqualFold(x, a) }) {
			n.Actions = append(n.Actions, a)
		}
	}
	for _, r := range b.Resources {
		if slices.Contains(o.Resources, r) {
			n.Resources = append(n.Resources, r)
		}
	}
	return &n
}
