package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
	"glassine/store/storetest"
)

func FuzzRangeResolve(f *testing.F) {
	for _, r := range []store.Range{
		{Start: 0, End: 0},
		{Start: 5, End: -1},
		{Start: -1, End: 3},
		{Start: -1, End: -1},
		{Start: -2, End: 1},
		{Start: 1<<63 - 1, End: 1<<63 - 1},
		{Start: 0, End: -7},
		{Start: -1 << 63, End: -1 << 63},
	} {
		f.Add(r.Start, r.End, int64(10))
		f.Add(r.Start, r.End, int64(0))
		f.Add(r.Start, r.End, int64(1<<63-1))
	}
	f.Fuzz(func(t *testing.T, start, end, size int64) {
		if size < 0 {
			return
		}
		r := &store.Range{Start: start, End: end}
		offset, length, err := r.Resolve(size)
		if err != nil {
			if !errors.Is(err, store.ErrRange) || offset != 0 || length != 0 {
				t.Errorf("%+v of %d = %d, %d, %v", *r, size, offset, length, err)
			}
			if start >= 0 && start < size && (end == -1 || end >= start) || start == -1 && end > 0 && size > 0 {
				t.Errorf("%+v of %d was refused: %v", *r, size, err)
			}
			return
		}
		if offset < 0 || length <= 0 || offset > size-length {
			t.Errorf("%+v of %d is %d bytes from %d", *r, size, length, offset)
		}
		if start >= 0 && (offset != start || end != -1 && offset+length-1 > end) || start == -1 && length > end {
			t.Errorf("%+v of %d is %d bytes from %d", *r, size, length, offset)
		}
	})
}

func TestNoRangeIsTheWholeObject(t *testing.T) {
	for _, size := range []int64{0, 1, 1 << 40} {
		offset, length, err := (*store.Range)(nil).Resolve(size)
		if offset != 0 || length != size || err != nil {
			t.Errorf("no range of %d = %d, %d, %v", size, offset, length, err)
		}
	}
}

// sliceCursor is a Cursor over sorted keys, and counts its moves.
type sliceCursor struct {
	keys      []string
	at, moves int
	fail      error
}

func (c *sliceCursor) Seek(from string) (string, bool) {
	c.at, _ = slices.BinarySearch(c.keys, from)
	return c.key()
}

func (c *sliceCursor) Next() (string, bool) {
	c.at++
	return c.key()
}

func (c *sliceCursor) key() (string, bool) {
	c.moves++
	if c.at < len(c.keys) {
		return c.keys[c.at], true
	}
	return "", false
}

func (c *sliceCursor) Info() (store.Info, error) { return store.Info{Key: c.keys[c.at]}, c.fail }

func TestListSeeksPastWhatIsRolledUp(t *testing.T) {
	var keys []string
	for i := range 10_000 {
		keys = append(keys, fmt.Sprintf("%d/%05d", i/1000, i))
	}
	tests := []struct {
		name  string
		opt   store.ListOptions
		moves int // at most
	}{
		{"ten prefixes of a thousand keys each", store.ListOptions{Delimiter: "/"}, 11},
		{"the last three of them", store.ListOptions{Delimiter: "/", After: "6/"}, 4},
		{"three of them, and whether there are more", store.ListOptions{Delimiter: "/", Max: 3}, 4},
		{"after a key in the middle of one", store.ListOptions{Delimiter: "/", After: "8/08500"}, 2},
		{"five keys of ten thousand", store.ListOptions{Max: 5}, 6},
	}
	for _, tt := range tests {
		c := &sliceCursor{keys: keys}
		page, err := store.ListFrom(c, tt.opt)
		if err != nil || c.moves > tt.moves {
			t.Errorf("%s: %d moves, %v; want at most %d", tt.name, c.moves, err, tt.moves)
		}
		if diff := cmp.Diff(storetest.ModelList(keys, tt.opt), storetest.ListingOf(page)); diff != "" {
			t.Errorf("%s (-model +got):\n%s", tt.name, diff)
		}
	}
}

func TestListStopsAtARecordThatCannotBeRead(t *testing.T) {
	damaged := errors.New("damaged")
	page, err := store.ListFrom(&sliceCursor{keys: []string{"a"}, fail: damaged}, store.ListOptions{})
	if !errors.Is(err, damaged) || page.Objects != nil {
		t.Errorf("ListFrom = %+v, %v; want the cursor's error", page, err)
	}
}

func FuzzListFrom(f *testing.F) {
	f.Add("a\nb/1\nb/2\nc", "", "/", "", 2)
	f.Add("a\nb/1\nb/2\nc", "b", "/", "b/1", 0)
	f.Add("\xff\n\xff\xff\n\xff\xff\xff", "\xff", "\xff", "", 1)
	f.Add("aa\nab\nba", "a", "aa", "aa", 1000)
	f.Fuzz(func(t *testing.T, lines, prefix, delimiter, after string, most int) {
		keys := strings.FieldsFunc(lines, func(r rune) bool { return r == '\n' })
		slices.Sort(keys)
		keys = slices.Compact(keys)
		opt := store.ListOptions{Prefix: prefix, Delimiter: delimiter, After: after, Max: most}
		page, err := store.ListFrom(&sliceCursor{keys: keys}, opt)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(storetest.ModelList(keys, opt), storetest.ListingOf(page)); diff != "" {
			t.Errorf("keys %q, %#v (-model +got):\n%s", keys, opt, diff)
		}
	})
}
