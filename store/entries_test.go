package store_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"glassine/store"
	"glassine/store/storetest"
)

// entriesIn reads entries, each a key, a space and an id, and puts them in order.
func entriesIn(lines string) []storetest.Entry {
	var all []storetest.Entry
	for line := range strings.FieldsFuncSeq(lines, func(r rune) bool { return r == '\n' }) {
		if key, id, ok := strings.Cut(line, " "); ok && key != "" && id != "" {
			all = append(all, storetest.Entry{Key: key, ID: id})
		}
	}
	slices.SortFunc(all, compareEntry)
	return slices.Compact(all)
}

func compareEntry(a, b storetest.Entry) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
}

// entryCursor is an EntryCursor over entries in order.
type entryCursor struct {
	all  []storetest.Entry
	at   int
	fail error
}

func (c *entryCursor) Seek(from string) (string, bool) {
	return c.move(slices.IndexFunc(c.all, func(e storetest.Entry) bool { return e.Key >= from }))
}

func (c *entryCursor) SeekAfter(key, id string) (string, bool) {
	marker := storetest.Entry{Key: key, ID: id}
	return c.move(slices.IndexFunc(c.all, func(e storetest.Entry) bool { return compareEntry(e, marker) > 0 }))
}

func (c *entryCursor) Next() (string, bool) { return c.move(c.at + 1) }

func (c *entryCursor) move(to int) (string, bool) {
	if c.at = to; to < 0 || to >= len(c.all) {
		return "", false
	}
	return c.all[to].Key, true
}

func (c *entryCursor) Entry() (storetest.Entry, string, error) {
	return c.all[c.at], c.all[c.at].ID, c.fail
}

// compareEntries compares a page with the model's. The model wants markers that name an entry.
func compareEntries(t *testing.T, all []storetest.Entry, opt store.EntryOptions) {
	t.Helper()
	if opt.IDMarker != "" && !slices.Contains(all, storetest.Entry{Key: opt.KeyMarker, ID: opt.IDMarker}) {
		return
	}
	page, err := store.ListEntries(&entryCursor{all: all}, opt)
	if diff := gocmp.Diff(storetest.ModelEntries(all, opt), page); err != nil || diff != "" {
		t.Errorf("entries %q, %#v: %v (-model +got):\n%s", all, opt, err, diff)
	}
}

func TestListEntriesStopsAtAnEntryThatCannotBeRead(t *testing.T) {
	damaged := errors.New("damaged")
	page, err := store.ListEntries(&entryCursor{all: []storetest.Entry{{Key: "a", ID: "1"}}, fail: damaged}, store.EntryOptions{})
	if !errors.Is(err, damaged) || page.Entries != nil {
		t.Errorf("ListEntries = %+v, %v; want the cursor's error", page, err)
	}
}
