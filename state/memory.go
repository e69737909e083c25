package state

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store that keeps everything in memory and loses it with the process. It is for tests. Its zero value is
// empty and ready.
type Memory struct {
	mu       sync.Mutex                   // guards what follows
	tables   map[string]map[string]Record // by table and key; a Value in it is never changed
	revision uint64
	closed   bool
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, table, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return Record{}, err
	}
	r, ok := m.tables[table][key]
	if !ok {
		return Record{}, fmt.Errorf("get %s %q: %w", table, key, ErrNotFound)
	}
	return r.copy(), nil
}

// List implements Store.
func (m *Memory) List(ctx context.Context, table, prefix string) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	var found []Record
	for key, r := range m.tables[table] {
		if strings.HasPrefix(key, prefix) {
			found = append(found, r.copy())
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	return found, nil
}

// Commit implements Store.
func (m *Memory) Commit(ctx context.Context, changes ...Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	next := make(map[string]map[string]Record) // the tables that change, copied
	revision := m.revision
	for _, c := range changes {
		if c.Table == "" || c.Key == "" {
			return fmt.Errorf("commit %s %q: %w", c.Table, c.Key, errName)
		}
		table, ok := next[c.Table]
		if !ok {
			table = maps.Clone(m.tables[c.Table])
			if table == nil {
				table = make(map[string]Record)
			}
			next[c.Table] = table
		}
		current := table[c.Key]
		if c.If != nil && *c.If != current.Revision {
			return fmt.Errorf("commit %s %q: %w", c.Table, c.Key, ErrConflict)
		}
		switch {
		case c.Value != nil:
			revision++
			table[c.Key] = Record{Key: c.Key, Value: append([]byte{}, c.Value...), Revision: revision}
		case current.Revision != 0:
			revision++
			delete(table, c.Key)
		}
	}
	if m.tables == nil {
		m.tables = make(map[string]map[string]Record)
	}
	maps.Copy(m.tables, next)
	m.revision = revision
	return nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.closed = true
	return nil
}

// usable returns why no method may run now, or nil. The caller holds mu.
func (m *Memory) usable(ctx context.Context) error {
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// copy returns r with a Value that the caller may keep.
func (r Record) copy() Record {
	r.Value = append([]byte{}, r.Value...)
	return r
}
