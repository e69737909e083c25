package store

import "strings"

// EntryOptions selects a page of what a key may have several of: versions or uploads, the entries. Prefix, Delimiter and
// Max are as in ListOptions; Max counts entries and rolled-up prefixes.
type EntryOptions struct {
	Prefix, Delimiter string
	// KeyMarker selects what comes after it: after all entries of that key, or, with IDMarker, after the entry of that key
	// and id. The entry need not be there any more. IDMarker without KeyMarker means nothing.
	KeyMarker, IDMarker string
	Max                 int
}

// EntryCursor walks one bucket's entries in their order, for ListEntries. The moves return the key of the entry they come
// to, and false past the last.
type EntryCursor[T any] interface {
	// Seek moves to the first entry of the first key that is not less than from.
	Seek(from string) (key string, ok bool)
	// SeekAfter moves to the first entry after the one with this key and id.
	SeekAfter(key, id string) (next string, ok bool)
	Next() (key string, ok bool)
	// Entry returns the current entry and its id.
	Entry() (entry T, id string, err error)
}

// EntryPage is a part of a listing of entries. NextKey and NextID are the markers of the following page; NextKey "" means
// that this page is the last.
type EntryPage[T any] struct {
	Entries         []T
	Prefixes        []string // in byte order
	NextKey, NextID string
}

// ListEntries builds the page that opt selects. Like ListFrom it seeks past rolled-up keys.
func ListEntries[T any](c EntryCursor[T], opt EntryOptions) (EntryPage[T], error) {
	limit := opt.Max
	if limit <= 0 {
		limit = 1000
	}
	var page EntryPage[T]
	lastKey, lastID := "", ""
	list := ListOptions{Prefix: opt.Prefix, Delimiter: opt.Delimiter, After: opt.KeyMarker}
	key, ok := beginEntries(c, opt, list)
	for n := 0; ok && strings.HasPrefix(key, opt.Prefix); n++ {
		if n == limit {
			page.NextKey, page.NextID = lastKey, lastID
			break
		}
		if prefix := list.rollUp(key); prefix != "" {
			page.Prefixes = append(page.Prefixes, prefix)
			lastKey, lastID = prefix, ""
			key, ok = seekPast(c, prefix)
			continue
		}
		entry, id, err := c.Entry()
		if err != nil {
			return EntryPage[T]{}, err
		}
		page.Entries = append(page.Entries, entry)
		lastKey, lastID = key, id
		key, ok = c.Next()
	}
	return page, nil
}

// beginEntries moves c to the first entry that may be on the page.
func beginEntries[T any](c EntryCursor[T], opt EntryOptions, list ListOptions) (key string, ok bool) {
	if opt.IDMarker != "" && opt.KeyMarker != "" && opt.KeyMarker >= opt.Prefix && list.rollUp(opt.KeyMarker) == "" {
		return c.SeekAfter(opt.KeyMarker, opt.IDMarker)
	}
	return list.begin(c)
}
