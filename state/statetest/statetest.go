// Package statetest is the contract of state.Store as a test suite. Begin with Run; every implementation passes it.
package statetest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/state"
)

// Run tests the stores that open returns. Each call of open must return an empty store of its own; Run closes it.
func Run(t *testing.T, open func(t *testing.T) state.Store) {
	tests := []struct {
		name string
		test func(t *testing.T, s state.Store)
	}{
		{"a committed record comes back", testRoundTrip},
		{"an absent record is ErrNotFound", testAbsent},
		{"the caller owns every value", testOwnership},
		{"a list is one table's prefix in byte order", testList},
		{"revisions grow with every change", testRevisions},
		{"a guard that does not hold is ErrConflict", testGuards},
		{"a commit makes all changes or none", testAtomic},
		{"a commit applies its changes in order", testOrder},
		{"an empty table or key is refused", testNames},
		{"a cancelled context does nothing", testContext},
		{"counters raced by compare-and-set lose no increment", testRace},
		{"readers see commits whole", testIsolation},
		{"every method fails after Close", testClose},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { _ = s.Close() }) // testClose closed it
			tt.test(t, s)
		})
	}
}

func put(table, key, value string) state.Change {
	return state.Change{Table: table, Key: key, Value: []byte(value)}
}

func commit(t *testing.T, s state.Store, changes ...state.Change) {
	t.Helper()
	if err := s.Commit(t.Context(), changes...); err != nil {
		t.Fatalf("Commit(%v): %v", changes, err)
	}
}

func get(t *testing.T, s state.Store, table, key string) state.Record {
	t.Helper()
	r, err := s.Get(t.Context(), table, key)
	if err != nil {
		t.Fatalf("Get(%q, %q): %v", table, key, err)
	}
	return r
}

func testRoundTrip(t *testing.T, s state.Store) {
	for _, key := range []string{"a", "a/b", "\x00", "\xff\xfe", "a\x00b", strings.Repeat("k", 1024)} {
		for _, value := range []string{"", "\x00", "value of " + key, strings.Repeat("v", 1<<20)} {
			commit(t, s, put("table", key, value))
			r := get(t, s, "table", key)
			if r.Key != key || string(r.Value) != value || r.Value == nil || r.Revision == 0 {
				t.Errorf("Get(%q) = %q, %d bytes, revision %d; want %d bytes", key, r.Key, len(r.Value), r.Revision, len(value))
			}
		}
	}
	commit(t, s, state.Change{Table: "table", Key: "a"})
	if _, err := s.Get(t.Context(), "table", "a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get of a deleted record: %v, want ErrNotFound", err)
	}
}

func testAbsent(t *testing.T, s state.Store) {
	if _, err := s.Get(t.Context(), "never", "written"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get in an unknown table: %v, want ErrNotFound", err)
	}
	commit(t, s, put("table", "k", "v"))
	for _, key := range []string{"j", "l", "k/", ""} {
		if _, err := s.Get(t.Context(), "table", key); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("Get(%q): %v, want ErrNotFound", key, err)
		}
	}
	if _, err := s.Get(t.Context(), "other", "k"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get of another table's key: %v, want ErrNotFound", err)
	}
	commit(t, s, state.Change{Table: "table", Key: "absent"}, state.Change{Table: "unknown", Key: "absent"})
}

func testOwnership(t *testing.T, s state.Store) {
	value := []byte("original")
	commit(t, s, state.Change{Table: "t", Key: "k", Value: value})
	copy(value, "scribble")
	r := get(t, s, "t", "k")
	copy(r.Value, "scribble")
	list, err := s.List(t.Context(), "t", "")
	if err != nil || len(list) != 1 {
		t.Fatalf("List: %v, %v", list, err)
	}
	copy(list[0].Value, "scribble")
	if got := string(get(t, s, "t", "k").Value); got != "original" {
		t.Errorf("after its copies were written over, the record holds %q", got)
	}
}

func testList(t *testing.T, s state.Store) {
	for _, key := range []string{"b", "a", "a/2", "a/10", "a\x00", "a\xff", "\xff", "\xff\xff", "ab", "B"} {
		commit(t, s, put("t", key, "v"+key), put("other", key+"x", "no"))
	}
	tests := []struct {
		prefix string
		want   []string
	}{
		{"", []string{"B", "a", "a\x00", "a/10", "a/2", "ab", "a\xff", "b", "\xff", "\xff\xff"}},
		{"a", []string{"a", "a\x00", "a/10", "a/2", "ab", "a\xff"}},
		{"a/", []string{"a/10", "a/2"}},
		{"\xff", []string{"\xff", "\xff\xff"}},
		{"c", nil},
	}
	for _, tt := range tests {
		list, err := s.List(t.Context(), "t", tt.prefix)
		if err != nil {
			t.Fatalf("List(%q): %v", tt.prefix, err)
		}
		var keys []string
		for _, r := range list {
			keys = append(keys, r.Key)
			if string(r.Value) != "v"+r.Key || r.Revision == 0 {
				t.Errorf("List(%q) has %q at revision %d for key %q", tt.prefix, r.Value, r.Revision, r.Key)
			}
		}
		if diff := cmp.Diff(tt.want, keys); diff != "" {
			t.Errorf("List(%q) (-want +got):\n%s", tt.prefix, diff)
		}
	}
	if list, err := s.List(t.Context(), "unknown", ""); err != nil || len(list) != 0 {
		t.Errorf("List of an unknown table = %v, %v; want nothing", list, err)
	}
}

func testRevisions(t *testing.T, s state.Store) {
	var last uint64
	for i := range 10 {
		table := "t" + strconv.Itoa(i%3)
		commit(t, s, put(table, "a", "v"), put(table, "b", "v"))
		a, b := get(t, s, table, "a"), get(t, s, table, "b")
		if a.Revision <= last || b.Revision <= a.Revision {
			t.Fatalf("revisions %d, %d after %d: they must grow", a.Revision, b.Revision, last)
		}
		last = b.Revision
	}
	commit(t, s, put("t0", "a", "same"))
	first := get(t, s, "t0", "a")
	commit(t, s, put("t0", "a", "same"))
	if second := get(t, s, "t0", "a"); second.Revision <= first.Revision {
		t.Errorf("writing the same value again left revision %d at %d", first.Revision, second.Revision)
	}
	before := get(t, s, "t0", "a").Revision
	commit(t, s, state.Change{Table: "t0", Key: "a"})
	commit(t, s, put("t0", "a", "again"))
	if after := get(t, s, "t0", "a").Revision; after <= before+1 {
		t.Errorf("revision %d, then a deletion and a write, then %d: the deletion is a change too", before, after)
	}
}

func testGuards(t *testing.T, s state.Store) {
	commit(t, s, put("t", "here", "1"))
	at := get(t, s, "t", "here").Revision
	tests := []struct {
		name   string
		change state.Change
		want   error
	}{
		{"absent guard on a present record", state.Change{Table: "t", Key: "here", Value: []byte("2"), If: state.Revision(0)}, state.ErrConflict},
		{"older revision", state.Change{Table: "t", Key: "here", Value: []byte("2"), If: state.Revision(at + 1)}, state.ErrConflict},
		{"a revision of an absent record", state.Change{Table: "t", Key: "gone", Value: []byte("2"), If: state.Revision(at)}, state.ErrConflict},
		{"guarded deletion at another revision", state.Change{Table: "t", Key: "here", If: state.Revision(at + 7)}, state.ErrConflict},
		{"guarded deletion of an absent record", state.Change{Table: "t", Key: "gone", If: state.Revision(0)}, nil},
		{"guard in an unknown table", state.Change{Table: "u", Key: "k", Value: []byte("1"), If: state.Revision(9)}, state.ErrConflict},
		{"absent guard on an absent record", state.Change{Table: "t", Key: "new", Value: []byte("1"), If: state.Revision(0)}, nil},
		{"the current revision", state.Change{Table: "t", Key: "here", Value: []byte("2"), If: state.Revision(at)}, nil},
		{"that revision once more", state.Change{Table: "t", Key: "here", Value: []byte("3"), If: state.Revision(at)}, state.ErrConflict},
	}
	for _, tt := range tests {
		if err := s.Commit(t.Context(), tt.change); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if got := string(get(t, s, "t", "here").Value); got != "2" {
		t.Errorf("the record holds %q, want %q", got, "2")
	}
}

func testAtomic(t *testing.T, s state.Store) {
	commit(t, s, put("t", "a", "1"), put("t", "b", "1"))
	before := get(t, s, "t", "b")
	err := s.Commit(t.Context(), put("t", "a", "2"), put("new", "c", "2"), state.Change{Table: "t", Key: "b"},
		state.Change{Table: "t", Key: "d", Value: []byte("2"), If: state.Revision(99)})
	if !errors.Is(err, state.ErrConflict) {
		t.Fatalf("Commit with one bad guard: %v, want ErrConflict", err)
	}
	if got := string(get(t, s, "t", "a").Value); got != "1" {
		t.Errorf("a refused commit wrote %q", got)
	}
	if _, err := s.Get(t.Context(), "new", "c"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a refused commit made a record: %v", err)
	}
	if after := get(t, s, "t", "b"); !cmp.Equal(before, after) {
		t.Errorf("a refused commit changed %v to %v", before, after)
	}
}

func testOrder(t *testing.T, s state.Store) {
	commit(t, s, put("t", "k", "1"), state.Change{Table: "t", Key: "k"},
		state.Change{Table: "t", Key: "k", Value: []byte("3"), If: state.Revision(0)})
	if got := string(get(t, s, "t", "k").Value); got != "3" {
		t.Errorf("write, delete, guarded write left %q, want %q", got, "3")
	}
	if err := s.Commit(t.Context(), state.Change{Table: "t", Key: "k"}, put("t", "k", "4"),
		state.Change{Table: "t", Key: "k", Value: []byte("5"), If: state.Revision(0)}); !errors.Is(err, state.ErrConflict) {
		t.Errorf("a guard for absence after a write in the same commit: %v, want ErrConflict", err)
	}
}

func testNames(t *testing.T, s state.Store) {
	for _, c := range []state.Change{put("", "k", "v"), put("t", "", "v"), {Table: "t"}, {Key: "k"}} {
		if err := s.Commit(t.Context(), put("t", "kept-out", "v"), c); err == nil {
			t.Errorf("Commit(%v) was accepted", c)
		}
	}
	if _, err := s.Get(t.Context(), "t", "kept-out"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a refused commit made a record: %v", err)
	}
}

func testContext(t *testing.T, s state.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, put("t", "k", "v")); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v, want context.Canceled", err)
	}
	if _, err := s.Get(ctx, "t", "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v, want context.Canceled", err)
	}
	if _, err := s.List(ctx, "t", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v, want context.Canceled", err)
	}
	if _, err := s.Get(t.Context(), "t", "k"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("a cancelled commit made a record: %v", err)
	}
}

func testRace(t *testing.T, s state.Store) {
	const workers, each = 8, 10
	commit(t, s, put("t", "counter", "0"))
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				r, err := s.Get(t.Context(), "t", "counter")
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(r.Value))
				err = s.Commit(t.Context(), state.Change{
					Table: "t", Key: "counter",
					Value: []byte(strconv.Itoa(n + 1)), If: state.Revision(r.Revision),
				})
				if err == nil {
					done++
				} else if !errors.Is(err, state.ErrConflict) {
					t.Errorf("Commit: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, want := string(get(t, s, "t", "counter").Value), strconv.Itoa(workers*each); got != want {
		t.Errorf("the counter is %s, want %s", got, want)
	}
}

func testIsolation(t *testing.T, s state.Store) {
	write := func(n int) error {
		v := strconv.Itoa(n)
		return s.Commit(t.Context(), put("t", "a", v), put("t", "b", v), put("t", "c", v))
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				list, err := s.List(t.Context(), "t", "")
				if err != nil || len(list) != 3 {
					t.Errorf("List: %d records, %v", len(list), err)
					return
				}
				if a, c := string(list[0].Value), string(list[2].Value); a != c {
					t.Errorf("List saw half a commit: a is %s, c is %s", a, c)
					return
				}
			}
		})
	}
	for n := range 50 {
		if err := write(n); err != nil {
			t.Errorf("Commit: %v", err)
		}
	}
	close(stop)
	wg.Wait()
}

func testClose(t *testing.T, s state.Store) {
	commit(t, s, put("t", "k", "v"))
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if _, err := s.Get(t.Context(), "t", "k"); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Get after Close: %v, want ErrClosed", err)
	}
	if _, err := s.List(t.Context(), "t", ""); !errors.Is(err, state.ErrClosed) {
		t.Errorf("List after Close: %v, want ErrClosed", err)
	}
	if err := s.Commit(t.Context(), put("t", "k", "v")); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Commit after Close: %v, want ErrClosed", err)
	}
	if err := s.Close(); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Close after Close: %v, want ErrClosed", err)
	}
}
