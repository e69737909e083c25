package storetest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/store"
)

// putVersion stores body, which must succeed.
func putVersion(t *testing.T, s store.Store, key, body string, v store.Versioning) store.Info {
	t.Helper()
	info, err := s.Put(t.Context(), "b", key, strings.NewReader(body), store.PutOptions{Version: v})
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return info
}

// readVersion returns a version's bytes, or why they cannot be read.
func readVersion(t *testing.T, s store.Store, key, id string) (string, error) {
	t.Helper()
	o, err := s.Get(t.Context(), "b", key, store.GetOptions{VersionID: id})
	if err != nil {
		return "", err
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	return string(b), err
}

// versions returns the key's versions as "id", "id marker", and a star on the latest.
func versions(t *testing.T, s store.Store, key string) []string {
	t.Helper()
	page, err := s.ListVersions(t.Context(), "b", store.EntryOptions{Prefix: key})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range page.Entries {
		if v.Key != key {
			continue
		}
		text := v.VersionID
		if v.DeleteMarker {
			text += " marker"
		}
		if v.Latest {
			text += " *"
		}
		all = append(all, text)
	}
	return all
}

func testVersions(t *testing.T, s store.Store) {
	var ids []string
	for i := range 5 {
		info := putVersion(t, s, "k", fmt.Sprint("body ", i), store.Versioned)
		ids = append(ids, info.VersionID)
	}
	if sorted := slices.Sorted(slices.Values(ids)); len(slices.Compact(sorted)) != 5 || slices.Contains(ids, "") || slices.Contains(ids, store.NullVersion) {
		t.Fatalf("version ids %q: want five different ones", ids)
	}
	for i, id := range ids {
		if got, err := readVersion(t, s, "k", id); err != nil || got != fmt.Sprint("body ", i) {
			t.Errorf("version %d reads %q, %v", i, got, err)
		}
		info, err := s.HeadVersion(t.Context(), "b", "k", id)
		if err != nil || info.VersionID != id || info.ETag != etag(fmt.Sprint("body ", i)) {
			t.Errorf("HeadVersion of version %d = %+v, %v", i, info, err)
		}
	}
	if got := read(t, s, "b", "k"); got != "body 4" {
		t.Errorf("the current version reads %q", got)
	}
	if diff := cmp.Diff([]string{ids[4] + " *", ids[3], ids[2], ids[1], ids[0]}, versions(t, s, "k")); diff != "" {
		t.Errorf("ListVersions (-want +got):\n%s", diff)
	}
	page, err := s.List(t.Context(), "b", store.ListOptions{})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].ETag != etag("body 4") || page.Objects[0].VersionID != ids[4] && !isRelayed(s) {
		t.Errorf("List = %+v, %v; want the newest version alone", page, err)
	}
	for _, id := range []string{store.NullVersion, "x", ids[0] + "0", strings.ToUpper(ids[0]), strings.Repeat("0", 32), otherID(ids[0])} {
		if slices.Contains(ids, id) {
			continue
		}
		if _, err := s.HeadVersion(t.Context(), "b", "k", id); !errors.Is(err, store.ErrNoVersion) || !errors.Is(err, store.ErrNotFound) {
			t.Errorf("HeadVersion of %q: %v, want ErrNoVersion, an ErrNotFound", id, err)
		}
		if _, err := readVersion(t, s, "k", id); !errors.Is(err, store.ErrNoVersion) {
			t.Errorf("Get of version %q: %v, want ErrNoVersion", id, err)
		}
	}
	if _, err := s.HeadVersion(t.Context(), "b", "other", ids[0]); !errors.Is(err, store.ErrNoVersion) {
		t.Errorf("HeadVersion of another key: %v, want ErrNoVersion", err)
	}
}

// testDeletions plays scenarios. A step is "put u", "put v" or "put s" for a put in an unversioned, versioned or
// suspended bucket, "del u", "del v" or "del s" for a deletion, and "rm N" for the removal of the version that step N
// (from 0) made. The versions wanted are steps, newest first, with "m" on markers.
func testDeletions(t *testing.T, s store.Store) {
	modes := map[string]store.Versioning{"u": store.Unversioned, "v": store.Versioned, "s": store.Suspended}
	tests := []struct{ name, steps, want, current string }{
		{"an unversioned object goes", "put u, del u", "", ""},
		{"a marker hides", "put u, put v, del v", "2m 1 0", ""},
		{"a marker over nothing", "del v", "0m", ""},
		{"markers pile up", "del v, del v", "1m 0m", ""},
		{"a put over a marker", "put v, del v, put v", "2 1m 0", "2"},
		{"removal of a marker brings the object back", "put v, del v, rm 1", "0", "0"},
		{"removal of the current version brings the one before back", "put v, put v, rm 1", "0", "0"},
		{"removal of an older version", "put v, put v, rm 0", "1", "1"},
		{"removal down to a marker", "put v, del v, put v, rm 2", "1m 0", ""},
		{"removal of all", "put v, del v, rm 0, rm 1", "", ""},
		{"removal of what is not there", "put v, rm 0, rm 0", "", ""},
		{"a suspended put replaces the null version", "put u, put v, put s", "2 1", "2"},
		{"and again", "put u, put v, put s, put s", "3 1", "3"},
		{"a suspended deletion replaces the null version", "put u, put v, del s", "2m 1", ""},
		{"a suspended put replaces a null marker", "put v, del s, put s", "2 0", "2"},
		{"a suspended deletion over nothing", "del s", "0m", ""},
		{"an unversioned deletion removes the null version beneath others", "put u, put v, del u", "1", "1"},
		{"an unversioned put keeps other versions", "put v, put u", "1 0", "1"},
		{"removal of the null version by its id", "put u, put v, rm 0", "1", "1"},
		{"removal of a null marker", "put v, del s, rm 1", "0", "0"},
	}
	for i, tt := range tests {
		key := fmt.Sprint("key ", i)
		ids, step := make(map[int]string), 0 // of the version that a step made
		nullBy := 0                          // the step that made the null version last
		for text := range strings.SplitSeq(tt.steps, ", ") {
			verb, arg, _ := strings.Cut(text, " ")
			switch verb {
			case "put":
				ids[step] = putVersion(t, s, key, fmt.Sprint(step), modes[arg]).VersionID
			case "del", "rm":
				opt := store.DeleteOptions{Version: modes[arg]}
				if verb == "rm" {
					opt.VersionID = ids[int(arg[0]-'0')]
				}
				d, err := s.DeleteVersion(t.Context(), "b", key, opt)
				if err != nil {
					t.Fatalf("%s: step %q: %v", tt.name, text, err)
				}
				if verb == "del" && arg != "u" {
					if !d.Marker {
						t.Errorf("%s: step %q = %+v, want a marker", tt.name, text, d)
					}
					ids[step] = d.VersionID
				}
			}
			if ids[step] == store.NullVersion {
				nullBy = step
			}
			step++
		}
		var want []string
		for w := range strings.FieldsSeq(tt.want) {
			n := int(w[0] - '0')
			text := ids[n]
			if strings.HasSuffix(w, "m") {
				text += " marker"
			}
			if len(want) == 0 {
				text += " *"
			}
			if ids[n] == store.NullVersion && n != nullBy {
				t.Fatalf("%s: the test wants two null versions", tt.name)
			}
			want = append(want, text)
		}
		if diff := cmp.Diff(want, versions(t, s, key)); diff != "" {
			t.Errorf("%s: versions (-want +got):\n%s", tt.name, diff)
		}
		got, err := readVersion(t, s, key, "")
		if got != tt.current || (err == nil) != (tt.current != "") || err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: the current object reads %q, %v; want %q", tt.name, got, err, tt.current)
		}
	}
}

func testVersionConditions(t *testing.T, s store.Store) {
	putVersion(t, s, "k", "one", store.Versioned)
	d, err := s.DeleteVersion(t.Context(), "b", "k", store.DeleteOptions{Version: store.Versioned})
	if err != nil {
		t.Fatal(err)
	}
	var marker *store.MarkerError
	if _, err := s.Head(t.Context(), "b", "k"); !errors.As(err, &marker) || marker.VersionID != d.VersionID || marker.Named || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Head under a marker: %v, want a MarkerError that is ErrNotFound", err)
	}
	if _, err := readVersion(t, s, "k", d.VersionID); !errors.As(err, &marker) || !marker.Named || errors.Is(err, store.ErrNotFound) || marker.Modified.IsZero() {
		t.Errorf("Get of the marker: %v, want a MarkerError that is not ErrNotFound", err)
	}
	if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("x"), store.PutOptions{IfMatch: etag("one"), Version: store.Versioned}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("IfMatch under a marker: %v, want ErrPrecondition", err)
	}
	if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("two"), store.PutOptions{IfNoneMatch: "*", Version: store.Versioned}); err != nil {
		t.Errorf("IfNoneMatch under a marker: %v", err)
	}
	for _, tt := range []struct {
		name string
		opt  store.DeleteOptions
		want error
	}{
		{"another ETag", store.DeleteOptions{IfMatch: etag("one")}, store.ErrPrecondition},
		{"another ETag, for a marker", store.DeleteOptions{IfMatch: etag("one"), Version: store.Versioned}, store.ErrPrecondition},
		{"a marker's ETag", store.DeleteOptions{IfMatch: "*", VersionID: d.VersionID}, store.ErrPrecondition},
		{"any object", store.DeleteOptions{IfMatch: "*", Version: store.Versioned}, nil},
		{"any object, when there is none", store.DeleteOptions{IfMatch: "*", Version: store.Versioned}, store.ErrPrecondition},
	} {
		if _, err := s.DeleteVersion(t.Context(), "b", "k", tt.opt); !errors.Is(err, tt.want) {
			t.Errorf("delete if it is %s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if n := len(versions(t, s, "k")); n != 4 {
		t.Errorf("%d versions, want 2 objects and 2 markers", n)
	}
}

// modelVersion is a version in the naive model of testVersionModel: a list of all, newest first.
type modelVersion struct {
	key, id, body string
	marker        bool
}

// testVersionModel makes random changes and compares everything with the model after each.
func testVersionModel(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	keys := []string{"a", key(s, "a\x00"), key(s, "a/"), "b"}
	slices.Sort(keys)
	model := make(map[string][]modelVersion)
	drop := func(key, id string) {
		model[key] = slices.DeleteFunc(model[key], func(v modelVersion) bool { return v.id == id })
	}
	for step := range 300 {
		key, mode := keys[r.IntN(len(keys))], store.Versioning(r.IntN(3))
		switch op := r.IntN(10); {
		case op < 5:
			body := fmt.Sprint("step ", step)
			info := putVersion(t, s, key, body, mode)
			if mode != store.Versioned {
				drop(key, store.NullVersion)
			}
			model[key] = slices.Insert(model[key], 0, modelVersion{key: key, id: info.VersionID, body: body})
		case op < 7:
			d, err := s.DeleteVersion(t.Context(), "b", key, store.DeleteOptions{Version: mode})
			if err != nil {
				t.Fatal(err)
			}
			if mode != store.Versioned {
				drop(key, store.NullVersion)
			}
			if mode != store.Unversioned {
				model[key] = slices.Insert(model[key], 0, modelVersion{key: key, id: d.VersionID, marker: true})
			}
		case len(model[key]) > 0:
			v := model[key][r.IntN(len(model[key]))]
			d, err := s.DeleteVersion(t.Context(), "b", key, store.DeleteOptions{VersionID: v.id})
			if err != nil || d.VersionID != v.id || d.Marker != v.marker {
				t.Fatalf("seed %d, step %d: DeleteVersion(%q) = %+v, %v; want %+v", seed, step, v.id, d, err, v)
			}
			drop(key, v.id)
		}
		compareVersions(t, s, keys, model)
		if t.Failed() {
			t.Fatalf("seed %d, step %d", seed, step)
		}
	}
}

func compareVersions(t *testing.T, s store.Store, keys []string, model map[string][]modelVersion) {
	t.Helper()
	var all, got []string
	var current []string
	for _, key := range keys {
		for i, v := range model[key] {
			all = append(all, fmt.Sprintf("%q %s %v %v", key, v.id, v.marker, i == 0))
			body, err := readVersion(t, s, key, v.id)
			if body != v.body || (err != nil) != v.marker {
				t.Errorf("%q version %s reads %q, %v; want %q", key, v.id, body, err, v.body)
			}
			if i == 0 && !v.marker {
				current = append(current, key)
			}
		}
	}
	for opt := (store.EntryOptions{Max: 3}); ; {
		page, err := s.ListVersions(t.Context(), "b", opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Entries {
			got = append(got, fmt.Sprintf("%q %s %v %v", v.Key, v.VersionID, v.DeleteMarker, v.Latest))
		}
		if opt.KeyMarker, opt.IDMarker = page.NextKey, page.NextID; page.NextKey == "" {
			break
		}
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("ListVersions (-model +got):\n%s", diff)
	}
	page, err := s.List(t.Context(), "b", store.ListOptions{})
	if diff := cmp.Diff(current, keysOf(page)); err != nil || diff != "" {
		t.Errorf("List: %v (-model +got):\n%s", err, diff)
	}
}

// otherID is an id of the same form that differs in its last character.
func otherID(id string) string {
	if strings.HasSuffix(id, "v") {
		return id[:len(id)-1] + "u"
	}
	return id[:len(id)-1] + "v"
}
