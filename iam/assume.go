package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
)

// Limits of sessions. STS API Reference, AssumeRole and GetSessionToken.
const (
	maxSessionPolicy = 2048 // characters
	maxSessionARNs   = 10
	longestChained   = time.Hour // IAM User Guide, "Role chaining"
	longestRoot      = time.Hour
	longestSignIn    = 12 * time.Hour // IAM User Guide, "Enable custom identity broker access": a console session's longest
	shortestSession  = 15 * time.Minute
)

// AssumeRole is what a user or role session asks when it wants to be a role.
type AssumeRole struct {
	RoleARN        string
	SessionName    string // 2 to 64 of letters, digits and +=,.@-_
	Policy         string // a session policy's document, at most 2,048 characters, or ""
	PolicyARNs     []string
	Duration       time.Duration // 0 means one hour; 15 minutes up to the role's longest session
	ExternalID     string        // 2 to 1,224 characters, or ""
	SourceIdentity string        // 2 to 64 characters, or ""
	Tags           []Tag
	Transitive     []string // keys of Tags that go on to the next role
}

// AssumedRole is the session that came of it.
type AssumedRole struct {
	Credentials
	ARN, ID        string // of the session: arn:aws:sts::...:assumed-role/role/session and AROA...:session
	SourceIdentity string
	Packed         int // percent of the space for session policies and tags that they take
}

// AssumeRole makes a session of the role if the role's trust policy and the caller's own policies let it. A role that does
// not exist and one that does not trust give the same AccessDenied fault; root may assume nothing. Faults besides:
// ValidationError, MalformedPolicyDocument, PackedPolicyTooLarge. STS API Reference, AssumeRole.
func (s *Service) AssumeRole(ctx context.Context, c Caller, a AssumeRole) (AssumedRole, error) {
	if err := a.check(); err != nil {
		return AssumedRole{}, err
	}
	if c.Principal.Kind == Root {
		return AssumedRole{}, fault.New("AccessDenied", "Roles may not be assumed by root accounts.")
	}
	if err := a.follow(c.Session); err != nil {
		return AssumedRole{}, err
	}
	e, err := s.askToAssume(ctx, c, &a)
	if err != nil {
		return AssumedRole{}, err
	}
	if err := a.checkDuration(c.Principal.Kind, e.MaxSession); err != nil {
		return AssumedRole{}, err
	}
	if err := s.checkSessionPolicies(&a); err != nil {
		return AssumedRole{}, err
	}
	now := s.now()
	cl := claims{kind: RoleSession, id: e.ID, session: a.SessionName, Session: Session{
		Issued: now, Expires: now.Add(a.Duration), Policy: a.Policy, PolicyARNs: a.PolicyARNs,
		Tags: a.Tags, Transitive: a.Transitive, SourceIdentity: a.SourceIdentity,
	}}
	packed, err := cl.packed()
	if err != nil {
		return AssumedRole{}, err
	}
	k, err := s.mint(ctx, cl)
	if err != nil {
		return AssumedRole{}, err
	}
	p := s.sessionPrincipal(e, a.SessionName)
	return AssumedRole{Credentials: k, ARN: p.ARN, ID: p.ID, SourceIdentity: a.SourceIdentity, Packed: packed}, nil
}

// packed returns how many percent of their space the session policies and tags take.
func (c *claims) packed() (int, error) {
	if c.Policy == "" && len(c.PolicyARNs)+len(c.Tags) == 0 {
		return 0, nil
	}
	percent := (100*len(c.encodePassed(nil)) + maxPassed - 1) / maxPassed
	if percent > 100 {
		return 0, fault.New("PackedPolicyTooLarge", "Packed size of session tags and policies consumes %d%% of allotted space.", percent)
	}
	return percent, nil
}

// check checks what can be checked without knowing the role.
func (a *AssumeRole) check() error {
	if a.Duration == 0 {
		a.Duration = time.Hour
	}
	err := checkAll(checkARN("roleArn", a.RoleARN), checkWord("roleSessionName", a.SessionName, 64, "_+=,.@-"),
		checkSeconds(a.Duration, 12*time.Hour), checkTags(a.Tags), checkSessionPolicy(a.Policy, a.PolicyARNs))
	if err == nil && a.ExternalID != "" {
		err = checkWord("externalId", a.ExternalID, 1224, "_+=,.@:/-")
	}
	if err == nil && a.SourceIdentity != "" {
		err = checkWord("sourceIdentity", a.SourceIdentity, 64, "_+=,.@-")
	}
	if err != nil {
		return err
	}
	for _, key := range a.Transitive {
		if !slices.ContainsFunc(a.Tags, func(t Tag) bool { return strings.EqualFold(t.Key, key) }) {
			return fault.New("ValidationError", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

func checkSessionPolicy(doc string, arns []string) error {
	if n := len([]rune(doc)); n > maxSessionPolicy {
		return invalid(strconv.Itoa(n)+" characters", "policy", "have length less than or equal to "+strconv.Itoa(maxSessionPolicy))
	}
	if len(arns) > maxSessionARNs {
		return invalid(strconv.Itoa(len(arns))+" ARNs", "policyArns", "have length less than or equal to "+strconv.Itoa(maxSessionARNs))
	}
	for _, arn := range arns {
		if err := checkARN("policyArns.member.arn", arn); err != nil {
			return err
		}
	}
	return nil
}

// follow takes along what the caller's own session hands on: its source identity, which nobody may change, and its
// transitive tags, which the new ones may not replace.
// IAM User Guide, "Monitor and control actions taken with assumed roles" and "Pass session tags in AWS STS", chaining.
func (a *AssumeRole) follow(from *Session) error {
	if from == nil {
		return nil
	}
	if from.SourceIdentity != "" {
		if a.SourceIdentity != "" && a.SourceIdentity != from.SourceIdentity {
			return fault.New("AccessDenied", "The source identity of a session cannot be changed.")
		}
		a.SourceIdentity = from.SourceIdentity
	}
	a.Tags, a.Transitive = slices.Clone(a.Tags), slices.Clone(a.Transitive)
	for _, t := range from.Tags {
		if !slices.ContainsFunc(from.Transitive, func(k string) bool { return strings.EqualFold(k, t.Key) }) {
			continue
		}
		if slices.ContainsFunc(a.Tags, func(o Tag) bool { return strings.EqualFold(o.Key, t.Key) }) {
			return fault.New("InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		a.Tags, a.Transitive = append(a.Tags, t), append(a.Transitive, t.Key)
	}
	return nil
}

// askToAssume asks the role's trust policy and the caller's own, for each of the actions that the session needs.
// IAM User Guide, "Granting a user permissions to switch roles"; sts:TagSession and sts:SetSourceIdentity likewise.
func (s *Service) askToAssume(ctx context.Context, c Caller, a *AssumeRole) (*entity, error) {
	e := s.find(roles, lastPart(a.RoleARN))
	ask := Ask{Action: "sts:AssumeRole", Resources: []string{a.RoleARN}, Policies: []*Policy{nil}} // an unknown role denies
	keys := a.keys()
	if e != nil && e.arn == a.RoleARN {
		ask.Policies = []*Policy{e.trust}
		keys = e.keys(keys)
	}
	ask.Context = keys
	actions := []string{"sts:AssumeRole"}
	if len(a.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if a.SourceIdentity != "" {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, ask.Action = range actions {
		d, err := s.Explain(ctx, c, ask)
		if err != nil {
			return nil, err
		}
		if !d.Allowed {
			// Which policy refused would tell whether the role exists.
			return nil, fault.New("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s", c.Principal.name(), ask.Action, a.RoleARN)
		}
	}
	return e, nil
}

func (a *AssumeRole) keys() Context {
	ctx := Context{
		"sts:rolesessionname": {a.SessionName},
		"sts:durationseconds": {strconv.FormatInt(int64(a.Duration/time.Second), 10)},
	}
	if a.ExternalID != "" {
		ctx["sts:externalid"] = []string{a.ExternalID}
	}
	if a.SourceIdentity != "" {
		ctx["sts:sourceidentity"] = []string{a.SourceIdentity}
	}
	if len(a.Transitive) > 0 {
		ctx["sts:transitivetagkeys"] = a.Transitive
	}
	ctx.add(requestTags(a.Tags))
	return ctx
}

func (a *AssumeRole) checkDuration(caller Kind, longest time.Duration) error {
	if caller == RoleSession && a.Duration > longestChained {
		return fault.New("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if a.Duration > longest {
		return fault.New("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return nil
}

// checkSessionPolicies reads the session policies that are passed.
func (s *Service) checkSessionPolicies(a *AssumeRole) error {
	if a.Policy != "" {
		if _, err := s.parsed.parse(a.Policy, IdentityPolicy); err != nil {
			return err
		}
	}
	x := s.index.Load()
	for _, arn := range a.PolicyARNs {
		if s.policy(x, arn) == nil {
			return fault.New("ValidationError", "Policy %s does not exist or is not attachable.", arn)
		}
	}
	return nil
}

// sessionPolicies are those of the session as they are now: a managed policy that is gone denies. nil means none passed.
func (s *Service) sessionPolicies(x *index, o *Session) (list []*Policy) {
	if o.Policy != "" {
		p, err := s.parsed.parse(o.Policy, IdentityPolicy)
		if err != nil {
			p = nil
		}
		list = append(list, p.Named("session policy"))
	}
	for _, arn := range o.PolicyARNs {
		if e := s.policy(x, arn); e != nil {
			list = append(list, e.document)
		} else {
			list = append(list, nil)
		}
	}
	return list
}

// GetSessionToken makes a session of the caller's own user, or of root, which must call with a long-term key and needs no
// permission. life is 15 minutes to 36 hours, 0 means 12 hours; root's lasts an hour at most. The session dies with the
// key, and may do of IAM nothing and of STS nothing but assume roles. STS API Reference, GetSessionToken.
func (s *Service) GetSessionToken(ctx context.Context, c Caller, life time.Duration) (Credentials, error) {
	if life == 0 {
		life = 12 * time.Hour
	}
	if err := checkSeconds(life, longestSession); err != nil {
		return Credentials{}, err
	}
	k := c.Principal.Kind
	if c.Session != nil || k != User && k != Root {
		return Credentials{}, fault.New("AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	if k == Root {
		life = min(life, longestRoot)
	}
	now := s.now()
	return s.mint(ctx, claims{kind: k, id: c.Principal.ID, Session: Session{Issued: now, Expires: now.Add(life), Parent: c.AccessKeyID}})
}

// SignIn makes a session of the caller's own user, or of root, for a person at the web console: it may do all that its user may,
// identities included, and dies with the long-term key that the caller must call with. It needs no permission. life is 15 minutes
// to 12 hours. It is this program's own, in the place of AWS's sign-in endpoint, whose credentials are as good
// (AWS Sign-In API Reference, CreateOAuth2Token): docs/aws-differences.md.
func (s *Service) SignIn(ctx context.Context, c Caller, life time.Duration) (Credentials, error) {
	if err := checkSeconds(life, longestSignIn); err != nil {
		return Credentials{}, err
	}
	k := c.Principal.Kind
	if c.Session != nil || k != User && k != Root {
		return Credentials{}, fault.New("AccessDenied", "Cannot sign in with session credentials")
	}
	now := s.now()
	return s.mint(ctx, claims{kind: k, id: c.Principal.ID, Session: Session{Issued: now, Expires: now.Add(life), Parent: c.AccessKeyID, SignedIn: true}})
}

// CallerIdentity returns who calls. It needs no permission, and no Deny takes it away; only a service that acts for the
// caller does not get it. STS API Reference, GetCallerIdentity.
func (s *Service) CallerIdentity(c Caller) (Principal, error) {
	if k := c.Principal.Kind; k != Root && k != User && k != RoleSession || c.Session != nil && len(c.Session.Via) > 0 {
		return Principal{}, fault.New("AccessDenied", "Access Denied")
	}
	return c.Principal, nil
}

// AccessKeyAccount returns the account that an access key id belongs to. Of a temporary key only the form is looked at:
// there is one account an installation. STS API Reference, GetAccessKeyInfo.
func (s *Service) AccessKeyAccount(ctx context.Context, c Caller, accessKeyID string) (string, error) {
	if err := s.Authorize(ctx, c, Ask{Action: "sts:GetAccessKeyInfo"}); err != nil {
		return "", err
	}
	if err := checkWord("accessKeyId", accessKeyID, 128, "_"); err != nil {
		return "", err
	}
	if len(accessKeyID) == 20 && strings.HasPrefix(accessKeyID, "ASIA") || s.index.Load().keys[accessKeyID] != nil {
		return s.account, nil
	}
	return "", fault.New("ValidationError", "The access key id %s is not known.", accessKeyID)
}
