package storetest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

// Entry is an entry of a listing of versions or uploads, for ModelEntries.
type Entry struct{ Key, ID string }

// ModelEntries lists entries the obvious way. all is in order.
func ModelEntries(all []Entry, opt store.EntryOptions) store.EntryPage[Entry] {
	if opt.Max <= 0 {
		opt.Max = 1000
	}
	// What the marker shuts out is a number of entries at the beginning, and all prefixes up to it.
	passed := 0
	for i, e := range all {
		if e.Key < opt.KeyMarker || e.Key == opt.KeyMarker && opt.IDMarker == "" || e == (Entry{opt.KeyMarker, opt.IDMarker}) {
			passed = i + 1
		}
	}
	var page store.EntryPage[Entry]
	last := Entry{}
	for i, e := range all {
		rest, ok := strings.CutPrefix(e.Key, opt.Prefix)
		before, _, found := strings.Cut(rest, opt.Delimiter)
		prefix := opt.Prefix + before + opt.Delimiter
		rolled := opt.Delimiter != "" && found
		switch {
		case !ok:
			continue
		case rolled && (prefix <= opt.KeyMarker || slices.Contains(page.Prefixes, prefix)):
			continue
		case !rolled && i < passed:
			continue
		case len(page.Entries)+len(page.Prefixes) == opt.Max:
			page.NextKey, page.NextID = last.Key, last.ID
			return page
		case rolled:
			page.Prefixes = append(page.Prefixes, prefix)
			last = Entry{Key: prefix}
			continue
		}
		page.Entries = append(page.Entries, e)
		last = e
	}
	return page
}

// testEntryPages compares random pages of versions and of uploads with ModelEntries.
func testEntryPages(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	word := func(most int) string {
		b := make([]byte, r.IntN(most+1))
		for i := range b {
			b[i] = letters(s)[r.IntN(5)]
		}
		return string(b)
	}
	byKey, uploads := make(map[string][]Entry), []Entry(nil)
	for range 120 {
		key := "a" + word(4)
		if r.IntN(3) == 0 {
			up := createUpload(t, s, "b", key, store.UploadOptions{})
			uploads = append(uploads, Entry{key, up.ID})
		}
		var id string
		if r.IntN(4) == 0 {
			d, err := s.DeleteVersion(t.Context(), "b", key, store.DeleteOptions{Version: store.Versioned})
			if err != nil {
				t.Fatal(err)
			}
			id = d.VersionID
		} else {
			mode := store.Versioning(r.IntN(3))
			id = putVersion(t, s, key, "", mode).VersionID
			byKey[key] = slices.DeleteFunc(byKey[key], func(e Entry) bool { return mode != store.Versioned && e.ID == store.NullVersion })
		}
		byKey[key] = slices.Insert(byKey[key], 0, Entry{key, id})
	}
	var versions []Entry
	for _, e := range byKey {
		versions = append(versions, e...)
	}
	byKeyOnly := func(a, b Entry) int { return strings.Compare(a.Key, b.Key) }
	slices.SortStableFunc(versions, byKeyOnly)
	slices.SortStableFunc(uploads, byKeyOnly)

	list := map[string]func(store.EntryOptions) (store.EntryPage[Entry], error){
		"versions": func(opt store.EntryOptions) (store.EntryPage[Entry], error) {
			page, err := s.ListVersions(t.Context(), "b", opt)
			return entriesOf(page, func(v store.Info) Entry { return Entry{v.Key, v.VersionID} }), err
		},
		"uploads": func(opt store.EntryOptions) (store.EntryPage[Entry], error) {
			page, err := s.ListUploads(t.Context(), "b", opt)
			return entriesOf(page, func(u store.Upload) Entry { return Entry{u.Key, u.ID} }), err
		},
	}
	for name, all := range map[string][]Entry{"versions": versions, "uploads": uploads} {
		for range 1000 {
			opt := store.EntryOptions{Prefix: word(3), Delimiter: word(2), KeyMarker: word(4), Max: r.IntN(12)}
			if r.IntN(3) > 0 {
				e := all[r.IntN(len(all))]
				opt.Prefix, opt.KeyMarker = e.Key[:r.IntN(min(3, len(e.Key)+1))], e.Key
				if r.IntN(2) == 0 {
					opt.IDMarker = e.ID
				}
			}
			got, err := list[name](opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ModelEntries(all, opt), got); diff != "" {
				t.Fatalf("seed %d: page of %s for %#v (-model +got):\n%s", seed, name, opt, diff)
			}
		}
		for opt := (store.EntryOptions{Max: 1 + r.IntN(6), Delimiter: word(1)}); ; { // page after page
			page, err := list[name](opt)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ModelEntries(all, opt), page); diff != "" {
				t.Fatalf("seed %d: page of %s for %#v (-model +got):\n%s", seed, name, opt, diff)
			}
			if opt.KeyMarker, opt.IDMarker = page.NextKey, page.NextID; page.NextKey == "" {
				break
			}
		}
	}
	// A marker whose entry is gone is as good, and one that means nothing repeats rather than omits.
	for _, e := range versions {
		if e.ID == store.NullVersion {
			continue
		}
		opt := store.EntryOptions{KeyMarker: e.Key, IDMarker: e.ID, Prefix: e.Key}
		before, err := list["versions"](opt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.DeleteVersion(t.Context(), "b", e.Key, store.DeleteOptions{VersionID: e.ID}); err != nil {
			t.Fatal(err)
		}
		after, err := list["versions"](opt)
		if diff := cmp.Diff(before, after); err != nil || diff != "" {
			t.Errorf("after the marker %v was deleted: %v (-before +after):\n%s", e, err, diff)
		}
	}
	put(t, s, "b", "z", "")
	if isRelayed(s) {
		return // its service may refuse such a marker
	}
	if page, err := list["versions"](store.EntryOptions{KeyMarker: "z", IDMarker: "nonsense"}); err != nil || len(page.Entries) != 1 {
		t.Errorf("after a marker that means nothing: %+v, %v; want the key's version", page, err)
	}
}

func entriesOf[T any](page store.EntryPage[T], entry func(T) Entry) store.EntryPage[Entry] {
	out := store.EntryPage[Entry]{Prefixes: page.Prefixes, NextKey: page.NextKey, NextID: page.NextID}
	for _, e := range page.Entries {
		out.Entries = append(out.Entries, entry(e))
	}
	return out
}

// createUpload begins an upload, which must succeed.
func createUpload(t *testing.T, s store.Store, bucket, key string, opt store.UploadOptions) store.UploadID {
	t.Helper()
	u, err := s.CreateUpload(t.Context(), bucket, key, opt)
	if err != nil {
		t.Fatalf("CreateUpload(%q, %q): %v", bucket, key, err)
	}
	if u.Key != key || u.ID == "" || u.Initiated.IsZero() {
		t.Errorf("CreateUpload(%q, %q) = %+v", bucket, key, u)
	}
	return store.UploadID{Bucket: bucket, Key: key, ID: u.ID}
}

// putPart stores a part, which must succeed.
func putPart(t *testing.T, s store.Store, up store.UploadID, number int, body string) store.Part {
	t.Helper()
	p, err := s.PutPart(t.Context(), up, number, strings.NewReader(body), store.PartOptions{Size: int64(len(body))})
	if err != nil {
		t.Fatalf("PutPart(%q, %d): %v", up.Key, number, err)
	}
	if p.Number != number || p.Size != int64(len(body)) || p.ETag != etag(body) || p.Modified.IsZero() {
		t.Errorf("PutPart(%q, %d) = %+v; want %d bytes, ETag %s", up.Key, number, p, len(body), etag(body))
	}
	return p
}

// multipart stores an object of the given parts' bodies, which must succeed.
func multipart(t *testing.T, s store.Store, key string, bodies ...string) store.Info {
	t.Helper()
	up := createUpload(t, s, "b", key, store.UploadOptions{})
	var parts []store.Part
	for i, body := range bodies {
		parts = append(parts, putPart(t, s, up, i+1, body))
	}
	info, err := s.CompleteUpload(t.Context(), up, parts, store.CompleteOptions{})
	if err != nil {
		t.Fatalf("CompleteUpload(%q): %v", key, err)
	}
	return info
}

// multipartETag is what the ETag of an object of these parts must be.
func multipartETag(bodies ...string) string {
	var sums strings.Builder
	for _, body := range bodies {
		sum, _ := hex.DecodeString(etag(body))
		sums.Write(sum)
	}
	return fmt.Sprintf("%s-%d", etag(sums.String()), len(bodies))
}
