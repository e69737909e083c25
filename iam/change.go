package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"glassine/aws/fault"
	"glassine/state"
)

// create commits a new record.
func (s *Service) create(ctx context.Context, cl *class, r record) (*entity, error) {
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	x := s.index.Load()
	if x.names[cl][strings.ToLower(r.Name)] != nil {
		return nil, cl.exists(r.Name)
	}
	if limit := s.quotas.of(cl); len(x.names[cl]) >= limit {
		return nil, overQuota(cl.plural+"PerAccount", limit)
	}
	if err := s.checkBoundary(x, r.Boundary); err != nil {
		return nil, err
	}
	r.Created = s.now().UTC().Truncate(time.Second)
	r.ID = newID(cl.prefix, 17)
	err = s.commit(ctx, cl, "", r, 0)
	if fault.Is(err, "ConcurrentModification") {
		return nil, cl.exists(r.Name)
	}
	return s.find(cl, r.Name), err
}

// update changes the record of e as f says; f may refuse. f works on a copy of its own and sees the index as it is now.
func (s *Service) update(ctx context.Context, e *entity, f func(*index, *record) error) error {
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, revision, err := s.stored(ctx, e)
	if err != nil {
		return err
	}
	old := r.Name
	if err := f(s.index.Load(), &r); err != nil {
		return err
	}
	return s.commit(ctx, e.class, old, r, revision)
}

// stored reads the record of e, which must still be the same one. The caller has the turn.
func (s *Service) stored(ctx context.Context, e *entity) (r record, revision uint64, err error) {
	rec, err := s.state.Get(ctx, e.class.table, strings.ToLower(e.Name))
	if errors.Is(err, state.ErrNotFound) {
		return r, 0, e.class.missing(e.Name)
	}
	if err == nil {
		err = json.Unmarshal(rec.Value, &r)
	}
	if err != nil {
		return r, 0, fmt.Errorf("read %s %s: %w", e.class.noun, e.Name, err)
	}
	if r.ID != e.ID {
		return r, 0, concurrent(e.Name)
	}
	return r, rec.Revision, nil
}

// delete removes e if f, which sees the stored record and the index as it is now, agrees.
func (s *Service) delete(ctx context.Context, e *entity, f func(*index, *record) error) error {
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, revision, err := s.stored(ctx, e)
	if err != nil {
		return err
	}
	x := s.index.Load()
	if err := f(x, &r); err != nil {
		return err
	}
	err = s.state.Commit(ctx, state.Change{Table: e.class.table, Key: strings.ToLower(e.Name), If: &revision})
	if err != nil {
		return s.reload(ctx, e.class, err, e.Name)
	}
	x = x.clone()
	x.remove(e.class, e.Name)
	s.index.Store(x)
	return nil
}

// commit writes the record in place of that of the name old at the revision, and then puts it into the index. A new
// record has the old name "" and revision 0. The caller has the turn.
func (s *Service) commit(ctx context.Context, cl *class, old string, r record, revision uint64) error {
	value, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", cl.noun, r.Name, err)
	}
	key, oldKey := strings.ToLower(r.Name), strings.ToLower(old)
	changes := []state.Change{{Table: cl.table, Key: key, Value: value, If: &revision}}
	if old != "" && key != oldKey { // renamed
		changes[0].If = state.Revision(0)
		changes = append(changes, state.Change{Table: cl.table, Key: oldKey, If: &revision})
	}
	if err := s.state.Commit(ctx, changes...); err != nil {
		return s.reload(ctx, cl, err, r.Name, old)
	}
	x := s.index.Load().clone()
	x.remove(cl, old)
	s.put(x, cl, r)
	s.index.Store(x)
	return nil
}

// reload brings the index in line with the state after a commit that failed with cause, since it may have been done all
// the same. What cannot be read is taken out: it decides nothing rather than something old.
func (s *Service) reload(ctx context.Context, cl *class, cause error, names ...string) error {
	x := s.index.Load().clone()
	for _, name := range names {
		x.remove(cl, name)
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		rec, err := s.state.Get(context.WithoutCancel(ctx), cl.table, strings.ToLower(name))
		var r record
		if err == nil && json.Unmarshal(rec.Value, &r) == nil {
			s.put(x, cl, r)
		}
	}
	s.index.Store(x)
	if errors.Is(cause, state.ErrConflict) {
		return concurrent(names[0])
	}
	return fmt.Errorf("write %s %s: %w", cl.noun, names[0], cause)
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
