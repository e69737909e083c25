package edge

import (
	"cmp"
	"context"
	"slices"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

// Versioned is a record of the control plane whose configuration is replaced as a whole.
type Versioned[C any] struct {
	ID           string
	ETag         string    // names this version of Config; If-Match of the next change
	LastModified time.Time // of a public key: when it was made, as CloudFront's CreatedTime
	Managed      bool      // AWS's own, read-only
	Config       C
}

// Collection holds the records of one kind: origin request policies, response headers policies, public keys or key groups.
// Every method asks IAM for the action that CloudFront has under the same name. Errors are CloudFront's: no such record,
// InvalidIfMatchVersion for a missing If-Match, PreconditionFailed for one that names an older version, already exists and in
// use. A change is in force for requests before its call returns. Safe for many goroutines.
type Collection[C any] struct {
	edge  *Edge
	kind  kind[C]
	table *state.Table[Versioned[C]] // without the managed ones; changed while edge.control is held
}

// kind is what tells collections apart.
type kind[C any] struct {
	table        string
	noun, plural string // in the names of actions and faults
	what         string // in messages
	// resource is what an ARN has before the ID; "" for kinds that IAM policies cannot name one by one.
	// Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudFront".
	resource      string
	missing, used string // codes
	newID         func() string
	defaults      func(C) C // nil: none
	// check validates cfg in place of old, which is nil for a new record. edge.control is held.
	check func(e *Edge, old *Versioned[C], cfg C) error
	// same reports whether two records cannot both be.
	same func(a, b C) bool
	// inUse reports whether anything refers to the record. edge.control is held.
	inUse   func(e *Edge, id string) bool
	managed []Versioned[C]
}

func openCollection[C any](ctx context.Context, e *Edge, k kind[C]) (*Collection[C], error) {
	t, err := state.OpenTable[Versioned[C]](ctx, e.cfg.State, k.table)
	if err != nil {
		return nil, err
	}
	return &Collection[C]{e, k, t}, nil
}

func (s *Collection[C]) ask(ctx context.Context, c iam.Caller, action, id string) error {
	resource := "*"
	if s.kind.resource != "" {
		resource = s.kind.resource + "/" + id
	}
	return s.edge.ask(ctx, c, action, resource)
}

// find returns a record, managed ones included.
func (s *Collection[C]) find(id string) (Versioned[C], error) {
	if v, ok := s.table.Get(id); ok {
		return v, nil
	}
	if i := slices.IndexFunc(s.kind.managed, func(v Versioned[C]) bool { return v.ID == id }); i >= 0 {
		return s.kind.managed[i], nil
	}
	var none Versioned[C]
	return none, fault.New(s.kind.missing, "The specified %s does not exist.", s.kind.what)
}

func (s *Collection[C]) all() []Versioned[C] {
	all := append(slices.Clone(s.kind.managed), s.table.All()...)
	slices.SortFunc(all, func(a, b Versioned[C]) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Create makes a record.
func (s *Collection[C]) Create(ctx context.Context, c iam.Caller, cfg C) (Versioned[C], error) {
	if err := s.ask(ctx, c, "Create"+s.kind.noun, "*"); err != nil {
		return Versioned[C]{}, err
	}
	s.edge.control.Lock()
	defer s.edge.control.Unlock()
	if err := s.check(nil, &cfg); err != nil {
		return Versioned[C]{}, err
	}
	return s.put(ctx, Versioned[C]{ID: s.kind.newID(), ETag: newID("E", upperDigits), LastModified: s.edge.cfg.Now().UTC(), Config: cfg})
}

// Get returns a record.
func (s *Collection[C]) Get(ctx context.Context, c iam.Caller, id string) (Versioned[C], error) {
	if err := s.ask(ctx, c, "Get"+s.kind.noun, id); err != nil {
		return Versioned[C]{}, err
	}
	return s.find(id)
}

// GetConfig is Get for a caller who may only read the configuration.
func (s *Collection[C]) GetConfig(ctx context.Context, c iam.Caller, id string) (Versioned[C], error) {
	if err := s.ask(ctx, c, "Get"+s.kind.noun+"Config", id); err != nil {
		return Versioned[C]{}, err
	}
	return s.find(id)
}

// List returns all records, managed ones included, in the order of their IDs.
func (s *Collection[C]) List(ctx context.Context, c iam.Caller) ([]Versioned[C], error) {
	if err := s.edge.ask(ctx, c, "List"+s.kind.plural, "*"); err != nil {
		return nil, err
	}
	return s.all(), nil
}

// Update replaces the configuration; ifMatch is the ETag of the one it was made from.
func (s *Collection[C]) Update(ctx context.Context, c iam.Caller, id, ifMatch string, cfg C) (Versioned[C], error) {
	if err := s.ask(ctx, c, "Update"+s.kind.noun, id); err != nil {
		return Versioned[C]{}, err
	}
	s.edge.control.Lock()
	defer s.edge.control.Unlock()
	old, err := s.find(id)
	if err != nil {
		return old, err
	}
	if old.Managed {
		return old, fault.New("IllegalUpdate", "The update contains modifications that are not allowed: a managed policy cannot be changed.")
	}
	if err := match(ifMatch, old.ETag); err != nil {
		return old, err
	}
	if err := s.check(&old, &cfg); err != nil {
		return old, err
	}
	v := old
	v.Config, v.ETag = cfg, newID("E", upperDigits)
	if s.kind.noun != "PublicKey" {
		v.LastModified = s.edge.cfg.Now().UTC()
	}
	return s.put(ctx, v)
}

// Delete removes a record that nothing refers to.
func (s *Collection[C]) Delete(ctx context.Context, c iam.Caller, id, ifMatch string) error {
	if err := s.ask(ctx, c, "Delete"+s.kind.noun, id); err != nil {
		return err
	}
	s.edge.control.Lock()
	defer s.edge.control.Unlock()
	old, err := s.find(id)
	if err != nil {
		return err
	}
	if old.Managed {
		return fault.New("IllegalDelete", "You cannot delete a managed policy.")
	}
	if err := match(ifMatch, old.ETag); err != nil {
		return err
	}
	if s.kind.inUse(s.edge, id) {
		return fault.New(s.kind.used, "Cannot delete the %s because it is in use.", s.kind.what).WithStatus(409)
	}
	return s.table.Delete(ctx, id, nil)
}

// check validates cfg and fills its defaults in.
func (s *Collection[C]) check(old *Versioned[C], cfg *C) error {
	if s.kind.defaults != nil {
		*cfg = s.kind.defaults(*cfg)
	}
	if err := s.kind.check(s.edge, old, *cfg); err != nil {
		return err
	}
	for _, other := range s.all() {
		if (old == nil || other.ID != old.ID) && s.kind.same(other.Config, *cfg) {
			return fault.New(s.kind.noun+"AlreadyExists", "A %s with this name already exists. You must provide a unique name.", s.kind.what).WithStatus(409)
		}
	}
	return nil
}

// put stores v and lets requests see it.
func (s *Collection[C]) put(ctx context.Context, v Versioned[C]) (Versioned[C], error) {
	_, err := s.table.Update(ctx, v.ID, func(Versioned[C], bool) (Versioned[C], error) { return v, nil })
	if err != nil {
		return Versioned[C]{}, err
	}
	return v, s.edge.publish()
}

// anyBehavior reports whether a behavior of any distribution meets f. e.control is held.
func (e *Edge) anyBehavior(f func(*CacheBehavior) bool) bool {
	for _, d := range e.distributions {
		for _, b := range d.Config.behaviors() {
			if f(&b) {
				return true
			}
		}
	}
	return false
}
