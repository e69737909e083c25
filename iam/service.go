package iam

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/state"
)

// Config is what a Service needs.
type Config struct {
	State   state.Store // keeps users, roles and keys; nothing else may write to its tables iam/...
	Account string      // the account's id, 12 digits
	// Now reads the clock; nil means time.Now.
	Now func() time.Time
	// Key seals the secrets that are kept in State. It must not be zero, and must stay the same for the life of State.
	Key [32]byte
	// Quotas are how many users, groups, roles and policies there may be; the zero value means AWS's defaults.
	Quotas Quotas
	// Log hears of stored policies that cannot be read; nil is silence.
	Log *slog.Logger
	// Observe is told of every decision that Authorize makes, on the asking goroutine; nil is nobody. It must be quick.
	Observe func(ctx context.Context, c Caller, a Ask, d Decision)
}

// Service holds one account's identities and answers who calls and what they may do. All methods are safe for many
// goroutines. A change is seen by every call that begins after the change has returned: AWS's own IAM is only eventually
// consistent.
type Service struct {
	state   state.Store
	account string
	now     func() time.Time
	log     *slog.Logger
	seal    cipher.AEAD
	quotas  Quotas
	observe func(context.Context, Caller, Ask, Decision) // may be nil
	managed map[string]*entity                           // AWS's own policies by ARN; never written to after New
	parsed  policyCache

	// turn is held by the one change that is under way: read, commit, then the index. Waiting for it honours ctx.
	turn  chan struct{}
	index atomic.Pointer[index]   // replaced, never written to, by whoever has the turn
	ring  atomic.Pointer[keyring] // likewise
}

// New returns the service of an account, with all its identities loaded.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.State == nil {
		return nil, errors.New("iam: Config.State is nil")
	}
	if !isAccount(cfg.Account) {
		return nil, fmt.Errorf("iam: Config.Account %q is not 12 digits", cfg.Account)
	}
	if cfg.Key == [32]byte{} {
		return nil, errors.New("iam: Config.Key is zero")
	}
	s := &Service{state: cfg.State, account: cfg.Account, now: cfg.Now, log: cfg.Log, quotas: cfg.Quotas, observe: cfg.Observe, turn: make(chan struct{}, 1)}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.seal, err = newAEAD(cfg.Key[:]); err != nil {
		return nil, fmt.Errorf("iam: %w", err)
	}
	if err := s.loadManaged(); err != nil {
		return nil, fmt.Errorf("iam: %w", err)
	}
	if err := s.load(ctx); err != nil {
		return nil, fmt.Errorf("iam: load identities: %w", err)
	}
	return s, nil
}

// Account returns the account's id.
func (s *Service) Account() string { return s.account }

// Authorize asks whether the caller may do what a says. The answer is nil, or an AccessDenied fault with AWS's message.
// It is the one way to ask: every domain method goes through it, whoever calls.
func (s *Service) Authorize(ctx context.Context, c Caller, a Ask) error {
	d, err := s.Explain(ctx, c, a)
	if err != nil {
		return err
	}
	if s.observe != nil {
		s.observe(ctx, c, a, d)
	}
	if d.Allowed {
		return nil
	}
	return refusal(&c.Principal, a.Action, a.Resources, d)
}

// Refused tells the observer of a refusal that a service makes by a rule of its own, before any policy is asked. It changes
// and decides nothing.
func (s *Service) Refused(ctx context.Context, c Caller, a Ask, rule string) {
	if s.observe != nil {
		s.observe(ctx, c, a, Decision{Explicit: true, Rule: rule, Statement: -1})
	}
}

// Explain returns the decision that Authorize rests on. The error is not nil only when identities could not be read;
// nothing is allowed then.
func (s *Service) Explain(ctx context.Context, c Caller, a Ask) (Decision, error) {
	if d, ok := narrowed(&c, a); !ok {
		return d, nil
	}
	r, p, ok := s.assemble(&c, a)
	if !ok {
		return refused(IdentityPolicy), nil
	}
	return Decide(r, p), nil
}

// assemble puts together what Decide needs. ok is false for a principal of another account and for one that is gone.
func (s *Service) assemble(c *Caller, a Ask) (r Request, p Policies, ok bool) {
	r = Request{Principal: c.Principal, Action: a.Action, Resources: a.Resources}
	p.Resource = a.Policies
	switch c.Principal.Kind {
	case Root, User, RoleSession:
		if c.Principal.Account != s.account {
			return r, p, false // one account an installation: docs/decisions.md
		}
	}
	x := s.index.Load()
	r.Context = s.context(c, a.Context, s.now())
	if k := c.Principal.Kind; k == User || k == RoleSession {
		// By its unique id: who was deleted and made anew under the same name is another.
		e := x.byID[entityID(c.Principal.ID)]
		if e == nil || e.class.kind != k {
			return r, p, false
		}
		p.Identity, p.Boundary = e.identity, e.boundary
		r.Context.principalTags(e.Tags)
	}
	if c.Session != nil {
		p.Session = s.sessionPolicies(x, c.Session)
		r.Context.principalTags(c.Session.Tags) // these win: IAM User Guide, "Pass session tags in AWS STS"
	}
	return r, p, true
}

// entityID returns the user's or role's own id out of a principal's: AROA... of AROA...:session.
func entityID(id string) string {
	id, _, _ = strings.Cut(id, ":")
	return id
}

// narrowed reports whether credentials that a service minted may be used for this at all, whatever the policies say, and
// whoever the caller is.
func narrowed(c *Caller, a Ask) (Decision, bool) {
	if c.Session == nil {
		return Decision{}, true
	}
	if c.ofSessionToken() && identityAction(a.Action) && !openToSessionToken[strings.ToLower(a.Action)] {
		return refused(SessionPolicy), false
	}
	if b := c.Session.Bound; b != nil && !b.covers(a) {
		return refused(SessionPolicy), false
	}
	if len(c.Session.Via) > 0 && identityAction(a.Action) {
		for _, via := range c.Session.Via {
			if via != "cloudformation.amazonaws.com" { // it alone makes roles in its user's name
				return refused(SessionPolicy), false
			}
		}
	}
	return Decision{}, true
}

// openToSessionToken are the only identity actions of GetSessionToken's credentials, as long as there is no MFA. It is
// never written to. STS API Reference, GetSessionToken, "Permissions".
var openToSessionToken = map[string]bool{"sts:assumerole": true, "sts:tagsession": true, "sts:setsourceidentity": true, "sts:getcalleridentity": true}

// ofSessionToken reports whether the caller's credentials come from GetSessionToken: a user's or root's own session.
func (c *Caller) ofSessionToken() bool {
	k := c.Principal.Kind
	return (k == User || k == Root) && c.Session != nil && !c.Session.Issued.IsZero() && !c.Session.SignedIn
}

// covers reports whether the bound names the action and, exactly, one of the resource's names.
func (b *Bound) covers(a Ask) bool {
	return slices.ContainsFunc(b.Actions, func(x string) bool { return strings.EqualFold(x, a.Action) }) &&
		slices.ContainsFunc(a.Resources, func(r string) bool { return slices.Contains(b.Resources, r) })
}

func identityAction(action string) bool {
	service, _, _ := strings.Cut(action, ":")
	return strings.EqualFold(service, "iam") || strings.EqualFold(service, "sts")
}

// AuthorizePassRole asks whether the caller may hand the role to the service, such as lambda.amazonaws.com: iam:PassRole
// on the role with iam:PassedToService. Whether the role exists is not told.
// IAM User Guide, "Granting a user permissions to pass a role to an AWS service".
func (s *Service) AuthorizePassRole(ctx context.Context, c Caller, roleARN, service string) error {
	a, err := arn.Parse(roleARN)
	if err != nil || a.Service != "iam" || a.Name("role") == "" {
		return fault.New("ValidationError", "%q is not the ARN of a role", roleARN)
	}
	if a.Account != s.account {
		return fault.New("AccessDenied", "Cross-account pass role is not allowed.")
	}
	return s.Authorize(ctx, c, Ask{
		Action:    "iam:PassRole",
		Resources: []string{roleARN},
		Context:   Context{"iam:passedtoservice": {service}},
	})
}

// take waits for the turn to change something and returns how to give it back.
func (s *Service) take(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
