package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"glassine/store"
)

// List implements store.Store. It reads the directories on the way to the page's first key and those that the page's keys
// lie in. What may not be read is left out, such as lost+found.
func (s *Store) List(ctx context.Context, bucket string, opt store.ListOptions) (store.Page, error) {
	err := s.begin(ctx, bucket, "any")
	var page store.Page
	if err == nil {
		w := &walk{store: s, ctx: ctx}
		page, err = store.ListFrom(w, opt)
		err = cmp.Or(w.err, err)
	}
	if err != nil {
		return store.Page{}, fmt.Errorf("list bucket %s: %w", bucket, err)
	}
	return page, nil
}

// ListVersions implements store.Store: each file is one version.
func (s *Store) ListVersions(ctx context.Context, bucket string, opt store.EntryOptions) (store.VersionPage, error) {
	err := s.begin(ctx, bucket, "any")
	var page store.VersionPage
	if err == nil {
		w := &versionWalk{&walk{store: s, ctx: ctx}}
		page, err = store.ListEntries(w, opt)
		err = cmp.Or(w.err, err)
	}
	if err != nil {
		return store.VersionPage{}, fmt.Errorf("list versions of bucket %s: %w", bucket, err)
	}
	return page, nil
}

// walk is a store.Cursor over the files in the byte order of their keys. That is the order of names in each directory when a
// directory's name counts with the slash behind it: "a.txt" comes before "a/b", and "a0" after.
type walk struct {
	store *Store
	ctx   context.Context
	stack []level // directories open, the outermost first
	key   string
	info  store.Info
	err   error
}

// level is a directory that is being walked through.
type level struct {
	prefix string // its key and a slash, or ""
	names  []string
}

// Seek implements store.Cursor.
func (w *walk) Seek(from string) (string, bool) {
	w.stack = []level{{names: w.read("")}}
	return w.next(from)
}

// Next implements store.Cursor.
func (w *walk) Next() (string, bool) { return w.next("") }

// next moves to the next file whose key is not less than from.
func (w *walk) next(from string) (string, bool) {
	for len(w.stack) > 0 {
		if w.err = cmp.Or(w.err, w.ctx.Err()); w.err != nil {
			return "", false
		}
		top := &w.stack[len(w.stack)-1]
		if len(top.names) == 0 {
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		key := top.prefix + top.names[0]
		top.names = top.names[1:]
		if strings.HasSuffix(key, "/") {
			if key >= from || strings.HasPrefix(from, key) { // else all of its keys are less
				w.stack = append(w.stack, level{key, w.read(key)})
			}
			continue
		}
		if key < from || len(key) > 1024 {
			continue
		}
		st, err := w.store.root.Lstat(key)
		if err != nil || !st.Mode().IsRegular() {
			continue // gone meanwhile, or another thing now
		}
		w.key, w.info = key, describe(key, st)
		return key, true
	}
	return "", false
}

// Info implements store.Cursor.
func (w *walk) Info() (store.Info, error) { return w.info, nil }

// read returns the names in a directory in the order of their keys, directories with a slash. prefix is its key and a slash,
// or "".
func (w *walk) read(prefix string) []string {
	if len(prefix) >= 1024 {
		return nil
	}
	dir, err := w.store.root.Open(cmp.Or(strings.TrimSuffix(prefix, "/"), "."))
	if err != nil {
		w.fail(err)
		return nil
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		w.fail(err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.IsDir():
			names = append(names, e.Name()+"/")
		case e.Type().IsRegular():
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// fail keeps an error, unless it says that a directory is gone or may not be read.
func (w *walk) fail(err error) {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		w.err = cmp.Or(w.err, err)
	}
}

// versionWalk is a store.EntryCursor over the same.
type versionWalk struct{ *walk }

// SeekAfter implements store.EntryCursor. A marker that means nothing repeats rather than omits.
func (w *versionWalk) SeekAfter(key, id string) (string, bool) {
	if id == store.NullVersion {
		key += "\x00"
	}
	return w.Seek(key)
}

// Entry implements store.EntryCursor.
func (w *versionWalk) Entry() (store.Info, string, error) {
	info := w.info
	info.Latest = true
	return info, info.VersionID, nil
}
