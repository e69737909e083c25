package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Table is one table of a Store as typed records, encoded as JSON, with a copy of all of them in memory: a read costs
// no I/O and sees every write that returned. It fits tables of configuration, not of data. Safe for many goroutines.
// A record handed out is shared: treat it as read-only.
type Table[T any] struct {
	store Store
	name  string

	mu   sync.Mutex // held by writers, one at a time
	rows atomic.Pointer[map[string]row[T]]
}

type row[T any] struct {
	value    T
	revision uint64
}

// OpenTable reads the whole table.
func OpenTable[T any](ctx context.Context, store Store, name string) (*Table[T], error) {
	records, err := store.List(ctx, name, "")
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", name, err)
	}
	rows := make(map[string]row[T], len(records))
	for _, r := range records {
		var v T
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return nil, fmt.Errorf("decode record %q of table %s: %w", r.Key, name, err)
		}
		rows[r.Key] = row[T]{v, r.Revision}
	}
	t := &Table[T]{store: store, name: name}
	t.rows.Store(&rows)
	return t, nil
}

// Get returns the record of key.
func (t *Table[T]) Get(key string) (T, bool) {
	r, ok := (*t.rows.Load())[key]
	return r.value, ok
}

// All returns the records in the order of their keys.
func (t *Table[T]) All() []T {
	rows := *t.rows.Load()
	out := make([]T, 0, len(rows))
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[k].value)
	}
	return out
}

// Update writes what change makes of the record: change gets the current value, or the zero value and false. Its error
// is returned and nothing is written.
func (t *Table[T]) Update(ctx context.Context, key string, change func(old T, exists bool) (T, error)) (T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var zero T
	old, exists := (*t.rows.Load())[key]
	v, err := change(old.value, exists)
	if err != nil {
		return zero, err
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return zero, fmt.Errorf("encode record %q of table %s: %w", key, t.name, err)
	}
	err = t.store.Commit(ctx, Change{Table: t.name, Key: key, Value: encoded, If: Revision(old.revision)})
	// The outcome of a commit that failed may be unknown: what the store now has is what counts.
	reloaded := t.reload(ctx, key)
	if err != nil {
		return zero, fmt.Errorf("write record %q of table %s: %w", key, t.name, err)
	}
	return v, reloaded
}

// Delete removes the record after check, which may be nil, let it go. An absent record calls check with exists false.
func (t *Table[T]) Delete(ctx context.Context, key string, check func(old T, exists bool) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, exists := (*t.rows.Load())[key]
	if check != nil {
		if err := check(old.value, exists); err != nil {
			return err
		}
	}
	if !exists {
		return nil
	}
	err := t.store.Commit(ctx, Change{Table: t.name, Key: key, If: Revision(old.revision)})
	reloaded := t.reload(ctx, key)
	if err != nil {
		return fmt.Errorf("delete record %q of table %s: %w", key, t.name, err)
	}
	return reloaded
}

// reload reads one record back, for its revision, and swaps a new map in. The caller holds mu.
func (t *Table[T]) reload(ctx context.Context, key string) error {
	rows := maps.Clone(*t.rows.Load())
	r, err := t.store.Get(context.WithoutCancel(ctx), t.name, key)
	switch {
	case errors.Is(err, ErrNotFound):
		delete(rows, key)
	case err != nil:
		return fmt.Errorf("read record %q of table %s: %w", key, t.name, err)
	default:
		var v T
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return fmt.Errorf("decode record %q of table %s: %w", key, t.name, err)
		}
		rows[key] = row[T]{v, r.Revision}
	}
	t.rows.Store(&rows)
	return nil
}
