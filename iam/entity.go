package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// record is a user, group, role or customer managed policy as kept in its class's table, in JSON, by its name in lower
// case: names differ by more than case. IAM API Reference, CreateRole, CreateUser, CreatePolicy.
type record struct {
	Name, Path, ID, Description string
	Created                     time.Time
	Tags                        []Tag `json:",omitempty"`

	// Of users, groups and roles.
	Inline   map[string]string // documents by policy name
	Attached []string          // ARNs of managed policies
	Boundary string            `json:",omitempty"` // the ARN of a managed policy, or ""; not of groups

	// Of users: the unique ids of their groups, in the order they were joined.
	Groups []string `json:",omitempty"`

	// Of roles.
	Trust      string
	TrustIDs   map[string]string // unique ids of the users and roles that Trust names, by ARN
	MaxSession time.Duration

	// Of managed policies.
	Versions []version `json:",omitempty"` // oldest first
	Default  int       `json:",omitempty"` // number of the version in force
	Last     int       `json:",omitempty"` // the highest number given so far
	Updated  time.Time `json:",omitzero"`
}

// entity is a record ready for decisions. It is immutable.
type entity struct {
	record
	class    *class
	arn      string
	identity []*Policy // nil elements could not be read and deny
	boundary *Policy   // nil: none; one that could not be read is a zero Policy, which denies
	trust    *Policy   // of a role; nil if it could not be read
	document *Policy   // of a managed policy: the version in force; nil if it could not be read
}

// index is all identities in memory. It is immutable: a change makes another.
type index struct {
	names map[*class]map[string]*entity // by class, then by name in lower case
	byID  map[string]*entity            // by unique id
	keys  map[string]*accessKey         // long-term keys by access key id
}

func newIndex() *index {
	x := &index{names: map[*class]map[string]*entity{}, byID: map[string]*entity{}, keys: map[string]*accessKey{}}
	for _, cl := range classes {
		x.names[cl] = map[string]*entity{}
	}
	return x
}

func (x *index) clone() *index {
	c := &index{names: map[*class]map[string]*entity{}, byID: maps.Clone(x.byID), keys: maps.Clone(x.keys)}
	for _, cl := range classes {
		c.names[cl] = maps.Clone(x.names[cl])
	}
	return c
}

func (x *index) remove(cl *class, name string) {
	key := strings.ToLower(name)
	if e := x.names[cl][key]; e != nil {
		delete(x.byID, e.ID)
		delete(x.names[cl], key)
	}
}

// find returns what has exactly that name, or nil.
func (x *index) find(cl *class, name string) *entity {
	e := x.names[cl][strings.ToLower(name)]
	if e == nil || e.Name != name {
		return nil
	}
	return e
}

// sorted returns all of the class whose path begins with prefix, by name.
func (x *index) sorted(cl *class, prefix string) []*entity {
	var out []*entity
	for _, e := range x.names[cl] {
		if strings.HasPrefix(e.Path, prefix) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *entity) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (s *Service) find(cl *class, name string) *entity { return s.index.Load().find(cl, name) }

func (s *Service) entityARN(cl *class, path, name string) string {
	return "arn:aws:iam::" + s.account + ":" + cl.noun + path + name
}

// policy returns the managed policy, AWS's or the account's own, of that ARN, or nil.
func (s *Service) policy(x *index, arn string) *entity {
	if e := s.managed[arn]; e != nil {
		return e
	}
	e := x.find(policies, lastPart(arn))
	if e == nil || e.arn != arn {
		return nil
	}
	return e
}

// lastPart is the name in an ARN that has a path.
func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// load reads all records into a new index.
func (s *Service) load(ctx context.Context) error {
	x := newIndex()
	for _, cl := range classes {
		list, err := s.state.List(ctx, cl.table, "")
		if err != nil {
			return err
		}
		for _, rec := range list {
			var r record
			if err := json.Unmarshal(rec.Value, &r); err != nil {
				return fmt.Errorf("%s %s: %w", cl.noun, rec.Key, err)
			}
			x.put(s.compile(x, cl, r))
		}
	}
	if err := s.loadKeys(ctx, x); err != nil {
		return err
	}
	s.index.Store(x)
	return s.loadRing(ctx)
}

func (x *index) put(e *entity) {
	x.names[e.class][strings.ToLower(e.Name)] = e
	x.byID[e.ID] = e
}

// put puts the record into x, and makes anew whatever rests on it: who has the policy, who is in the group.
func (s *Service) put(x *index, cl *class, r record) {
	e := s.compile(x, cl, r)
	x.remove(cl, r.Name)
	x.put(e)
	if cl != policies && cl != groups {
		return
	}
	changed := []*entity{e}
	for _, above := range []*class{groups, users, roles} {
		for _, o := range x.names[above] {
			if slices.ContainsFunc(changed, o.restsOn) {
				o = s.compile(x, above, o.record)
				x.put(o) // its key was there before, so ranging goes on
				changed = append(changed, o)
			}
		}
	}
}

func (e *entity) restsOn(o *entity) bool {
	switch o.class {
	case policies:
		return e.Boundary == o.arn || slices.Contains(e.Attached, o.arn)
	case groups:
		return slices.Contains(e.Groups, o.ID)
	}
	return false
}

// compile makes a record ready for decisions, with the policies and groups of x. A policy that cannot be read denies, and
// is logged.
func (s *Service) compile(x *index, cl *class, r record) *entity {
	e := &entity{record: r, class: cl, arn: s.entityARN(cl, r.Path, r.Name)}
	if cl == policies {
		s.compileManaged(e)
		return e
	}
	for _, name := range slices.Sorted(maps.Keys(r.Inline)) {
		p, err := s.parsed.parse(r.Inline[name], IdentityPolicy)
		if err != nil {
			s.denies(e, "stored policy cannot be read; it denies", name, err)
		}
		e.identity = append(e.identity, p.Named(name))
	}
	for _, arn := range r.Attached {
		e.identity = append(e.identity, s.attachedPolicy(x, e, arn))
	}
	if r.Boundary != "" {
		if e.boundary = s.attachedPolicy(x, e, r.Boundary); e.boundary == nil {
			e.boundary = &Policy{}
		}
	}
	for _, id := range r.Groups {
		if g := x.byID[id]; g != nil {
			e.identity = append(e.identity, g.identity...)
		} else {
			s.denies(e, "group of a user is not known; it denies", id, nil)
			e.identity = append(e.identity, nil)
		}
	}
	if cl == roles {
		trust, err := s.parsed.parse(r.Trust, TrustPolicy)
		if err != nil {
			s.denies(e, "stored trust policy cannot be read; it denies", "", err)
		} else {
			e.trust = trust.Pinned(r.TrustIDs)
		}
	}
	return e
}

// attachedPolicy returns the managed policy's document in force, named by its ARN, or nil.
func (s *Service) attachedPolicy(x *index, e *entity, arn string) *Policy {
	p := s.policy(x, arn)
	if p == nil {
		s.denies(e, "attached policy is not known; it denies", arn, nil)
		return nil
	}
	return p.document
}

func (s *Service) compileManaged(e *entity) {
	for _, v := range e.Versions {
		if v.Number == e.Default {
			p, err := s.parsed.parse(v.Document, IdentityPolicy)
			if err != nil {
				s.denies(e, "stored policy cannot be read; it denies", v.id(), err)
			}
			e.document = p.Named(e.arn)
			return
		}
	}
	s.denies(e, "managed policy has no default version; it denies", "", nil)
}

// denies logs that something of e cannot be read, so that it denies.
func (s *Service) denies(e *entity, what, key string, err error) {
	s.log.LogAttrs(context.Background(), slog.LevelError, what,
		slog.String("role", e.arn), slog.String("key", key), slog.Any("error", err))
}

// keys are the condition keys that speak of e as a resource, and more, which comes first.
// Service Authorization Reference, "Condition keys for AWS Identity and Access Management".
func (e *entity) keys(more Context) Context {
	ctx := Context{}
	for _, t := range e.Tags {
		ctx["aws:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
		ctx["iam:resourcetag/"+strings.ToLower(t.Key)] = []string{t.Value}
	}
	if e.Boundary != "" {
		ctx["iam:permissionsboundary"] = []string{e.Boundary}
	}
	ctx.add(more)
	return ctx
}

// ask authorises action on what has that name and returns it. Who may not ask does not learn whether it exists.
func (s *Service) ask(ctx context.Context, c Caller, action string, cl *class, name string, keys Context) (*entity, error) {
	e := s.find(cl, name)
	arn := s.entityARN(cl, "/", name)
	if e != nil {
		arn, keys = e.arn, e.keys(keys)
	}
	if err := s.Authorize(ctx, c, Ask{Action: action, Resources: []string{arn}, Context: keys}); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, cl.missing(name)
	}
	return e, nil
}
