package crash

import (
	"fmt"
	"slices"
	"testing"
)

// testBucket is a bucket of the test with what decides how it keeps objects.
type testBucket struct {
	name                 string
	versioned, encrypted bool
}

var testBuckets = []testBucket{
	{"plain-test", false, false}, {"encrypted-test", false, true}, {"versions-test", true, false}, {"encrypted-versions-test", true, true},
}

// place is a key of a bucket.
type place struct {
	bucket testBucket
	key    string
}

func (p place) path() string { return "/" + p.bucket.name + "/" + p.key }

// version is what a key holds, or held: an object or a delete marker.
type version struct {
	id     string // "null" in a bucket without versions; "" not known
	marker bool
	body   body
	etag   string // "" not known
}

func (v version) String() string {
	if v.marker {
		return "marker " + v.id
	}
	return fmt.Sprintf("body %v as %s", v.body, v.id)
}

// is reports whether found is v, as far as v is known.
func (v version) is(found version) bool {
	return v.marker == found.marker && v.body == found.body && (v.id == "" || v.id == found.id) && (v.etag == "" || v.etag == found.etag)
}

// change is one request's change to a place. One of its fields is set.
type change struct {
	put   *version // the newest from here on
	drop  string   // the id of a version that goes
	clear bool     // all goes: a deletion in a bucket without versions
}

// apply returns the place's versions after the change, the newest first.
func (ch change) apply(p place, old []version) []version {
	switch {
	case ch.clear:
		return nil
	case ch.drop != "":
		return slices.DeleteFunc(slices.Clone(old), func(v version) bool { return v.id == ch.drop })
	case p.bucket.versioned:
		return append([]version{*ch.put}, old...)
	}
	return []version{*ch.put}
}

// model is exactly what one client, the only one that writes to its places, knows of them: what was acknowledged, and what
// was under way when the server was killed.
type model struct {
	holds   map[place][]version // acknowledged, the newest first
	pending map[place]change    // sent, and not answered
	landed  map[place]bool      // of those that were pending at the last check: the change had happened
	early   bool                // a mutant: takes what is sent for acknowledged
}

func newModel(early bool) *model {
	return &model{holds: map[place][]version{}, pending: map[place]change{}, landed: map[place]bool{}, early: early}
}

// begin notes that a change is sent.
func (m *model) begin(p place, ch change) {
	if m.early {
		m.holds[p] = ch.apply(p, m.holds[p])
		return
	}
	m.pending[p] = ch
}

// acknowledged notes that the change under way at p has succeeded; the id and the ETag are those that the answer gave.
func (m *model) acknowledged(p place, id, etag string) {
	if m.early {
		if v := m.holds[p]; len(v) > 0 && v[0].id == "" { // what begin put there
			v[0].id, v[0].etag = id, etag
		}
		return
	}
	ch := m.pending[p]
	delete(m.pending, p)
	if ch.put != nil {
		ch.put.id, ch.put.etag = id, etag
	}
	m.holds[p] = ch.apply(p, m.holds[p])
}

// check returns what is wrong with a place that now holds found. When nothing is, found is what it holds from here on.
func (m *model) check(p place, found []version) error {
	is := func(want []version) bool { return slices.EqualFunc(want, found, version.is) }
	ch, wasPending := m.pending[p]
	happened := wasPending && is(ch.apply(p, m.holds[p]))
	if !happened && !is(m.holds[p]) {
		err := fmt.Errorf("%s holds %v; acknowledged was %v", p.path(), found, m.holds[p])
		if wasPending {
			err = fmt.Errorf("%w, and under way a change to %v", err, ch.apply(p, m.holds[p]))
		}
		return err
	}
	delete(m.pending, p)
	m.landed[p] = happened
	m.holds[p] = found
	return nil
}

// current returns the object that a reader of p gets.
func (m *model) current(p place) (version, bool) {
	if v := m.holds[p]; len(v) > 0 && !v[0].marker {
		return v[0], true
	}
	return version{}, false
}

// The model must bite.
func TestModelJudges(t *testing.T) {
	versions, plain := place{testBuckets[2], "k"}, place{testBuckets[0], "k"}
	object := func(id string, n uint64) version { return version{id: id, body: body{n, 1}} }
	put := func(n uint64) change { return change{put: &version{body: body{n, 1}}} }
	marker := change{put: &version{marker: true}}
	for _, c := range []struct {
		name    string
		place   place
		holds   []version
		pending *change
		found   []version
		fine    bool
	}{
		{"what was acknowledged is there", plain, []version{object("null", 1)}, nil, []version{object("null", 1)}, true},
		{"what was acknowledged is lost", plain, []version{object("null", 1)}, nil, nil, false},
		{"another body", plain, []version{object("null", 1)}, nil, []version{object("null", 2)}, false},
		{"an overwrite under way happened", plain, []version{object("null", 1)}, new(put(2)), []version{object("null", 2)}, true},
		{"an overwrite under way did not happen", plain, []version{object("null", 1)}, new(put(2)), []version{object("null", 1)}, true},
		{"an overwrite under way cost the object", plain, []version{object("null", 1)}, new(put(2)), nil, false},
		{"a deletion under way happened", plain, []version{object("null", 1)}, new(change{clear: true}), nil, true},
		{"a deletion that was acknowledged is undone", plain, nil, nil, []version{object("null", 1)}, false},
		{"a version under way is there under an id that nobody knew", versions, []version{object("a", 1)}, new(put(2)), []version{object("b", 2), object("a", 1)}, true},
		{"a version under way cost the one before", versions, []version{object("a", 1)}, new(put(2)), []version{object("b", 2)}, false},
		{"a version under way is twice there", versions, []version{object("a", 1)}, new(put(2)), []version{object("c", 2), object("b", 2), object("a", 1)}, false},
		{"versions in another order", versions, []version{object("a", 1), object("b", 2)}, nil, []version{object("b", 2), object("a", 1)}, false},
		{"another id than was acknowledged", versions, []version{object("a", 1)}, nil, []version{object("b", 1)}, false},
		{"a marker under way happened", versions, []version{object("a", 1)}, &marker, []version{{id: "m", marker: true}, object("a", 1)}, true},
		{"a marker where an object was put", versions, nil, new(put(2)), []version{{id: "m", marker: true}}, false},
		{"a version's removal under way happened", versions, []version{object("b", 2), object("a", 1)}, new(change{drop: "a"}), []version{object("b", 2)}, true},
		{"a version's removal took another", versions, []version{object("b", 2), object("a", 1)}, new(change{drop: "a"}), []version{object("a", 1)}, false},
	} {
		m := newModel(false)
		m.holds[c.place] = c.holds
		if c.pending != nil {
			m.begin(c.place, *c.pending)
		}
		if err := m.check(c.place, c.found); (err == nil) != c.fine {
			t.Errorf("%s: check = %v, want it to pass: %v", c.name, err, c.fine)
		}
	}
}
