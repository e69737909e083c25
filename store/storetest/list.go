package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return keys
}

func keysOf(p store.Page) []string {
	var keys []string
	for _, o := range p.Objects {
		keys = append(keys, o.Key)
	}
	return keys
}

// Listing is a page with the keys of its objects alone, for comparison with another.
type Listing struct {
	Keys, Prefixes []string
	Next           string
}

// ListingOf returns a page's Listing.
func ListingOf(p store.Page) Listing {
	return Listing{Keys: keysOf(p), Prefixes: p.Prefixes, Next: p.Next}
}

// ModelList lists keys the obvious way: every entry is made, and then those that opt does not want are dropped. It is
// what a store's pages are compared with.
func ModelList(keys []string, opt store.ListOptions) Listing {
	if opt.Max <= 0 {
		opt.Max = 1000
	}
	isPrefix := make(map[string]bool)
	var entries []string
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, opt.Prefix)
		if !ok {
			continue
		}
		before, _, found := strings.Cut(rest, opt.Delimiter)
		if opt.Delimiter != "" && found {
			key = opt.Prefix + before + opt.Delimiter
			isPrefix[key] = true
		}
		if key > opt.After {
			entries = append(entries, key)
		}
	}
	slices.Sort(entries)
	entries = slices.Compact(entries)
	var l Listing
	if len(entries) > opt.Max {
		entries = entries[:opt.Max]
		l.Next = entries[opt.Max-1]
	}
	for _, e := range entries {
		if isPrefix[e] {
			l.Prefixes = append(l.Prefixes, e)
		} else {
			l.Keys = append(l.Keys, e)
		}
	}
	return l
}

func testListPages(t *testing.T, s store.Store) {
	for _, key := range []string{"a", "b/1", "b/2", "b/c/3", "b0", "c//", "c/d", "d\xff", "d\xff\xff1", "d\xff\xff2", "e"} {
		put(t, s, "b", key, "")
	}
	tests := []struct {
		name string
		opt  store.ListOptions
		want Listing
	}{
		{
			"all",
			store.ListOptions{},
			Listing{Keys: []string{"a", "b/1", "b/2", "b/c/3", "b0", "c//", "c/d", "d\xff", "d\xff\xff1", "d\xff\xff2", "e"}},
		},
		{"a prefix", store.ListOptions{Prefix: "b/"}, Listing{Keys: []string{"b/1", "b/2", "b/c/3"}}},
		{
			"rolled up",
			store.ListOptions{Delimiter: "/"},
			Listing{Keys: []string{"a", "b0", "d\xff", "d\xff\xff1", "d\xff\xff2", "e"}, Prefixes: []string{"b/", "c/"}},
		},
		{
			"rolled up below a prefix",
			store.ListOptions{Prefix: "b/", Delimiter: "/"},
			Listing{Keys: []string{"b/1", "b/2"}, Prefixes: []string{"b/c/"}},
		},
		{
			"a prefix without its delimiter",
			store.ListOptions{Prefix: "b", Delimiter: "/"},
			Listing{Keys: []string{"b0"}, Prefixes: []string{"b/"}},
		},
		{
			"a delimiter right after the prefix",
			store.ListOptions{Prefix: "c/", Delimiter: "/"},
			Listing{Keys: []string{"c/d"}, Prefixes: []string{"c//"}},
		},
		{
			"a delimiter of several bytes, the last of them FF",
			store.ListOptions{Delimiter: "\xff\xff", Prefix: "d"},
			Listing{Keys: []string{"d\xff"}, Prefixes: []string{"d\xff\xff"}},
		},
		{"after a key", store.ListOptions{After: "b0"}, Listing{Keys: []string{"c//", "c/d", "d\xff", "d\xff\xff1", "d\xff\xff2", "e"}}},
		{"after a key that is not there", store.ListOptions{After: "b/11", Prefix: "b/"}, Listing{Keys: []string{"b/2", "b/c/3"}}},
		{"after a rolled-up prefix", store.ListOptions{After: "b/", Delimiter: "/", Prefix: "b"}, Listing{Keys: []string{"b0"}}},
		{"after a key within a rolled-up prefix", store.ListOptions{After: "b/1", Delimiter: "/", Prefix: "b"}, Listing{Keys: []string{"b0"}}},
		{"after what is less than the prefix", store.ListOptions{After: "a", Prefix: "e"}, Listing{Keys: []string{"e"}}},
		{"after all of the prefix", store.ListOptions{After: "c", Prefix: "b"}, Listing{}},
		{"a page that ends with a key", store.ListOptions{Max: 2}, Listing{Keys: []string{"a", "b/1"}, Next: "b/1"}},
		{
			"a page that ends with a prefix",
			store.ListOptions{Max: 2, Delimiter: "/"},
			Listing{Keys: []string{"a"}, Prefixes: []string{"b/"}, Next: "b/"},
		},
		{"a page that holds just what is left", store.ListOptions{Max: 1, After: "d\xff\xff2"}, Listing{Keys: []string{"e"}}},
		{
			"a last prefix, with nothing but its keys behind",
			store.ListOptions{Max: 1, Prefix: "b", After: "b", Delimiter: "/"},
			Listing{Prefixes: []string{"b/"}, Next: "b/"},
		},
		{
			"a last prefix that ends the page",
			store.ListOptions{Max: 3, Prefix: "b/", Delimiter: "/"},
			Listing{Keys: []string{"b/1", "b/2"}, Prefixes: []string{"b/c/"}},
		},
		{"nothing there", store.ListOptions{Prefix: "x"}, Listing{}},
	}
	for _, tt := range tests {
		page, err := s.List(t.Context(), "b", tt.opt)
		if err != nil {
			t.Errorf("%s: List(%+v): %v", tt.name, tt.opt, err)
			continue
		}
		if diff := cmp.Diff(tt.want, ListingOf(page)); diff != "" {
			t.Errorf("%s: List(%+v) (-want +got):\n%s", tt.name, tt.opt, diff)
		}
	}
}

// testListModel puts random keys over an alphabet that makes collisions, and compares random pages with ModelList.
func testListModel(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	word := func(most int) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = letters(s)[r.IntN(5)]
		}
		return string(b)
	}
	present := make(map[string]bool)
	for len(present) < 150 {
		if key := word(8); key != "" && !present[key] {
			present[key] = true
			put(t, s, "b", key, "")
		}
	}
	var keys []string
	for key := range present {
		keys = append(keys, key)
	}
	for range 3000 {
		opt := store.ListOptions{Prefix: word(3), Delimiter: word(2), After: word(5), Max: r.IntN(20)}
		if r.IntN(3) == 0 {
			opt.After = keys[r.IntN(len(keys))]
		}
		page, err := s.List(t.Context(), "b", opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ModelList(keys, opt), ListingOf(page)); diff != "" {
			t.Fatalf("seed %d: List(%#v) (-model +got):\n%s", seed, opt, diff)
		}
	}
	for range 50 { // page after page
		opt := store.ListOptions{Prefix: word(1), Delimiter: word(1)}
		whole := ModelList(keys, opt)
		var got Listing
		opt.Max = 1 + r.IntN(7)
		for {
			page, err := s.List(t.Context(), "b", opt)
			if err != nil {
				t.Fatal(err)
			}
			got.Keys = append(got.Keys, keysOf(page)...)
			got.Prefixes = append(got.Prefixes, page.Prefixes...)
			if opt.After = page.Next; page.Next == "" {
				break
			}
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Fatalf("seed %d: all pages of %#v (-model +got):\n%s", seed, opt, diff)
		}
	}
}

func testListWhileChanging(t *testing.T, s store.Store) {
	var steady []string
	for i := range 30 {
		key := fmt.Sprintf("steady-%02d", i)
		steady = append(steady, key)
		put(t, s, "b", key, "")
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			key := fmt.Sprintf("steady-%02d-not", i%30)
			if _, err := s.Put(t.Context(), "b", key, strings.NewReader("x"), store.PutOptions{}); err != nil {
				t.Errorf("Put: %v", err)
				return
			}
			if err := s.Delete(t.Context(), "b", key); err != nil {
				t.Errorf("Delete: %v", err)
				return
			}
		}
	})
	for range 20 {
		var seen []string
		for opt := (store.ListOptions{Max: 4}); ; {
			page, err := s.List(t.Context(), "b", opt)
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range keysOf(page) {
				if !strings.HasSuffix(key, "-not") {
					seen = append(seen, key)
				}
			}
			if opt.After = page.Next; page.Next == "" {
				break
			}
		}
		if diff := cmp.Diff(steady, seen); diff != "" {
			t.Errorf("keys that nobody touched (-want +got):\n%s", diff)
			break
		}
	}
	close(stop)
	wg.Wait()
}
