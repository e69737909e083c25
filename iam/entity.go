package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"glassine/aws/fault"
	"glassine/state"
)

// record is a user or role as kept in the tables iam/users and iam/roles, in JSON, by its name in lower case: names
// differ by more than case. IAM API Reference, CreateRole and CreateUser.
type record struct {
	Name, Path, ID, Description string
	Created                     time.Time
	Inline                      map[string]string // documents by policy name
	Attached                    []string          // ARNs of managed policies

	// The rest are a role's.
	Trust      string
	TrustIDs   map[string]string // unique ids of the users and roles that Trust names, by ARN
	MaxSession time.Duration
}

// entity is a user or role ready for decisions. It is immutable.
type entity struct {
	record
	kind     Kind // User or RoleSession
	arn      string
	identity []*Policy // nil elements could not be read and deny
	trust    *Policy   // of a role; nil if it could not be read
}

// index is all identities in memory. It is immutable: a change makes another.
type index struct {
	names map[Kind]map[string]*entity // by kind, then by name in lower case
	byID  map[string]*entity          // by unique id
	keys  map[string]*accessKey       // long-term keys by access key id
}

func (x *index) clone() *index {
	c := &index{names: map[Kind]map[string]*entity{}, byID: maps.Clone(x.byID), keys: maps.Clone(x.keys)}
	for _, k := range []Kind{User, RoleSession} {
		c.names[k] = maps.Clone(x.names[k])
	}
	return c
}

func (x *index) put(e *entity) {
	x.remove(e.kind, e.Name)
	x.names[e.kind][strings.ToLower(e.Name)] = e
	x.byID[e.ID] = e
}

func (x *index) remove(kind Kind, name string) {
	key := strings.ToLower(name)
	if e := x.names[kind][key]; e != nil {
		delete(x.byID, e.ID)
		delete(x.names[kind], key)
	}
}

func table(kind Kind) string {
	if kind == User {
		return "iam/users"
	}
	return "iam/roles"
}

// noun is the kind as messages and ARNs spell it.
func noun(kind Kind) string {
	if kind == User {
		return "user"
	}
	return "role"
}

func (s *Service) entityARN(kind Kind, path, name string) string {
	return "arn:aws:iam::" + s.account + ":" + noun(kind) + path + name
}

// load reads all records into a new index.
func (s *Service) load(ctx context.Context) error {
	x := &index{names: map[Kind]map[string]*entity{User: {}, RoleSession: {}}, byID: map[string]*entity{}, keys: map[string]*accessKey{}}
	for _, kind := range []Kind{User, RoleSession} {
		list, err := s.state.List(ctx, table(kind), "")
		if err != nil {
			return err
		}
		for _, rec := range list {
			var r record
			if err := json.Unmarshal(rec.Value, &r); err != nil {
				return fmt.Errorf("%s %s: %w", noun(kind), rec.Key, err)
			}
			x.put(s.compile(kind, r))
		}
	}
	if err := s.loadKeys(ctx, x); err != nil {
		return err
	}
	s.index.Store(x)
	return s.loadRing(ctx)
}

// compile makes a record ready for decisions. A policy that cannot be read denies, and is logged.
func (s *Service) compile(kind Kind, r record) *entity {
	e := &entity{record: r, kind: kind, arn: s.entityARN(kind, r.Path, r.Name)}
	for _, name := range slices.Sorted(maps.Keys(r.Inline)) {
		p, err := s.parsed.parse(r.Inline[name], IdentityPolicy)
		if err != nil {
			s.log.LogAttrs(context.Background(), slog.LevelError, "stored policy cannot be read; it denies",
				slog.String("role", e.arn), slog.String("key", name), slog.Any("error", err))
		}
		e.identity = append(e.identity, p.Named(name))
	}
	for _, arn := range r.Attached {
		p := s.managed[arn]
		if p == nil {
			s.log.LogAttrs(context.Background(), slog.LevelError, "attached policy is not known; it denies",
				slog.String("role", e.arn), slog.String("key", arn))
		}
		e.identity = append(e.identity, p)
	}
	if kind != RoleSession {
		return e
	}
	trust, err := s.parsed.parse(r.Trust, TrustPolicy)
	if err != nil {
		s.log.LogAttrs(context.Background(), slog.LevelError, "stored trust policy cannot be read; it denies",
			slog.String("role", e.arn), slog.Any("error", err))
		return e
	}
	e.trust = trust.Pinned(r.TrustIDs)
	return e
}

// find returns the user or role of exactly that name, or nil.
func (s *Service) find(kind Kind, name string) *entity {
	e := s.index.Load().names[kind][strings.ToLower(name)]
	if e == nil || e.Name != name {
		return nil
	}
	return e
}

// ask authorises action on the user or role and returns it. Who may not ask does not learn whether it exists.
func (s *Service) ask(ctx context.Context, c Caller, action string, kind Kind, name string, keys Context) (*entity, error) {
	e := s.find(kind, name)
	arn := s.entityARN(kind, "/", name)
	if e != nil {
		arn = e.arn
	}
	if err := s.Authorize(ctx, c, Ask{Action: action, Resources: []string{arn}, Context: keys}); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, noSuchEntity(kind, name)
	}
	return e, nil
}

func noSuchEntity(kind Kind, name string) error {
	return fault.New("NoSuchEntity", "The %s with name %s cannot be found.", noun(kind), name)
}

// create commits a new record.
func (s *Service) create(ctx context.Context, kind Kind, r record, limit int) (*entity, error) {
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	known := s.index.Load().names[kind]
	if known[strings.ToLower(r.Name)] != nil {
		return nil, alreadyExists(kind, r.Name)
	}
	if len(known) >= limit {
		plural := "Roles"
		if kind == User {
			plural = "Users"
		}
		return nil, fault.New("LimitExceeded", "Cannot exceed quota for %sPerAccount: %d", plural, limit)
	}
	err = s.commit(ctx, kind, r, 0)
	if fault.Is(err, "ConcurrentModification") {
		return nil, alreadyExists(kind, r.Name)
	}
	return s.find(kind, r.Name), err
}

func alreadyExists(kind Kind, name string) error {
	n := noun(kind)
	return fault.New("EntityAlreadyExists", "%s with name %s already exists.", strings.ToUpper(n[:1])+n[1:], name)
}

// update changes the record of e as f says; f may refuse. f works on a copy of its own.
func (s *Service) update(ctx context.Context, e *entity, f func(*record) error) error {
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, revision, err := s.stored(ctx, e)
	if err != nil {
		return err
	}
	if err := f(&r); err != nil {
		return err
	}
	return s.commit(ctx, e.kind, r, revision)
}

// stored reads the record of e, which must still be the same user or role. The caller has the turn.
func (s *Service) stored(ctx context.Context, e *entity) (r record, revision uint64, err error) {
	rec, err := s.state.Get(ctx, table(e.kind), strings.ToLower(e.Name))
	if errors.Is(err, state.ErrNotFound) {
		return r, 0, noSuchEntity(e.kind, e.Name)
	}
	if err == nil {
		err = json.Unmarshal(rec.Value, &r)
	}
	if err != nil {
		return r, 0, fmt.Errorf("read %s %s: %w", noun(e.kind), e.Name, err)
	}
	if r.ID != e.ID {
		return r, 0, concurrent(e.Name)
	}
	return r, rec.Revision, nil
}

// delete removes e if f, which sees the stored record, agrees.
func (s *Service) delete(ctx context.Context, e *entity, f func(*record) error) error {
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, revision, err := s.stored(ctx, e)
	if err != nil {
		return err
	}
	if err := f(&r); err != nil {
		return err
	}
	key := strings.ToLower(e.Name)
	err = s.state.Commit(ctx, state.Change{Table: table(e.kind), Key: key, If: &revision})
	if err != nil {
		return s.reload(ctx, e.kind, e.Name, err)
	}
	x := s.index.Load().clone()
	x.remove(e.kind, e.Name)
	s.index.Store(x)
	return nil
}

// commit writes the record at the revision and then puts it into the index. The caller has the turn.
func (s *Service) commit(ctx context.Context, kind Kind, r record, revision uint64) error {
	value, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", noun(kind), r.Name, err)
	}
	err = s.state.Commit(ctx, state.Change{Table: table(kind), Key: strings.ToLower(r.Name), Value: value, If: &revision})
	if err != nil {
		return s.reload(ctx, kind, r.Name, err)
	}
	x := s.index.Load().clone()
	x.put(s.compile(kind, r))
	s.index.Store(x)
	return nil
}

// reload brings the index in line with the state after a commit that failed with cause, since it may have been done all
// the same. What cannot be read is taken out: it decides nothing rather than something old.
func (s *Service) reload(ctx context.Context, kind Kind, name string, cause error) error {
	x := s.index.Load().clone()
	x.remove(kind, name)
	rec, err := s.state.Get(context.WithoutCancel(ctx), table(kind), strings.ToLower(name))
	var r record
	if err == nil && json.Unmarshal(rec.Value, &r) == nil {
		x.put(s.compile(kind, r))
	}
	s.index.Store(x)
	if errors.Is(cause, state.ErrConflict) {
		return concurrent(name)
	}
	return fmt.Errorf("write %s %s: %w", noun(kind), name, cause)
}

func concurrent(name string) error {
	return fault.New("ConcurrentModification", "The request was rejected because multiple requests to change %s were submitted simultaneously.", name)
}

// policyCache compiles a text once however many users and roles have it. Texts of up to 16 KiB are kept, 1,024 of them, so
// it holds 16 MiB of text at most.
type policyCache struct {
	mu sync.Mutex // guards m
	m  map[cacheKey]*Policy
}

type cacheKey struct {
	kind PolicyKind
	text string
}

func (c *policyCache) parse(text string, kind PolicyKind) (*Policy, error) {
	c.mu.Lock()
	p := c.m[cacheKey{kind, text}]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := Parse([]byte(text), kind)
	if err != nil || len(text) > 16<<10 {
		return p, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= 1024 { // begin anew rather than keep an order
		c.m = map[cacheKey]*Policy{}
	}
	c.m[cacheKey{kind, text}] = p
	return p, nil
}
