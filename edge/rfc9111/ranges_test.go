package rfc9111

import (
	"net/http"
	"slices"
	"testing"
)

func TestParseContentRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Part
		ok   bool
	}{
		{"bytes 0-4/10", Part{0, 4, 10}, true},
		{"bytes 4-9/*", Part{4, 9, -1}, true},
		{"bytes 4-10/10", Part{}, false},
		{"bytes 5-4/10", Part{}, false},
		{"bytes */10", Part{}, false},
		{"lines 0-4/10", Part{}, false},
		{"bytes 0-99999999999999999999/*", Part{}, false},
		{"bytes -1-4/10", Part{}, false},
		{"", Part{}, false},
	} {
		got, err := ParseContentRange(c.in)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("ParseContentRange(%q) = %v, %v, want %v", c.in, got, err, c.want)
		}
	}
}

func TestParseRange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want []Range
	}{
		{"bytes=0-1", []Range{{0, 1}}},
		{"Bytes=0-1, -5 ,, 9-", []Range{{0, 1}, {-1, 5}, {9, -1}}},
		{"bytes=1-0", nil},
		{"bytes=-", nil},
		{"bytes=", nil},
		{"bytes=a-b", nil},
		{"bytes=+1-2", nil},
		{"items=0-1", nil},
		{"bytes=0-1,2-3,4-5,6-7,8-9", nil}, // more than 4
	} {
		if got, ok := ParseRange(c.in, 4); !slices.Equal(got, c.want) || ok != (c.want != nil) {
			t.Errorf("ParseRange(%q) = %v, %v, want %v", c.in, got, ok, c.want)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		asked Range
		held  Part
		want  Part
		ok    bool
	}{
		{"inside a whole", Range{0, 1}, Part{0, 10, 11}, Part{0, 1, 11}, true},
		{"to the end of a whole", Range{1, -1}, Part{0, 10, 11}, Part{1, 10, 11}, true},
		{"the last of a whole", Range{-1, 1}, Part{0, 10, 11}, Part{10, 10, 11}, true},
		{"more last than there is", Range{-1, 99}, Part{0, 10, 11}, Part{0, 10, 11}, true},
		{"beyond the end is cut", Range{5, 99}, Part{0, 10, 11}, Part{5, 10, 11}, true},
		{"after the end", Range{11, 12}, Part{0, 10, 11}, Part{}, false},
		{"none of the last", Range{-1, 0}, Part{0, 10, 11}, Part{}, false},
		{"inside a part", Range{6, 8}, Part{4, 9, 10}, Part{6, 8, 10}, true},
		{"to the end of a part that ends the whole", Range{6, -1}, Part{4, 9, 10}, Part{6, 9, 10}, true},
		{"before a part", Range{3, 8}, Part{4, 9, 10}, Part{}, false},
		{"to the end, and the part ends before", Range{4, -1}, Part{4, 8, 10}, Part{}, false},
		{"inside a part of unknown total", Range{6, 8}, Part{4, 9, -1}, Part{6, 8, -1}, true},
		{"the last of an unknown total", Range{-1, 1}, Part{4, 9, -1}, Part{}, false},
		{"to the end of an unknown total", Range{5, -1}, Part{4, 9, -1}, Part{}, false},
		{"beyond a part of unknown total", Range{5, 12}, Part{4, 9, -1}, Part{}, false},
	} {
		if got, ok := c.asked.Within(c.held); got != c.want || ok != c.ok {
			t.Errorf("%s: %v within %v = %v, %v, want %v, %v", c.name, c.asked, c.held, got, ok, c.want, c.ok)
		}
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a, b Part
		want Part
		ok   bool
	}{
		{"adjacent", Part{0, 4, 10}, Part{5, 9, 10}, Part{0, 9, 10}, true},
		{"adjacent, the other way round", Part{5, 9, -1}, Part{0, 4, 10}, Part{0, 9, 10}, true},
		{"overlapping", Part{0, 6, 10}, Part{5, 9, 10}, Part{0, 9, 10}, true},
		{"with a gap", Part{0, 3, 10}, Part{5, 9, 10}, Part{}, false},
		{"other totals", Part{0, 4, 10}, Part{5, 9, 11}, Part{}, false},
	} {
		if got, ok := c.a.Union(c.b); got != c.want || ok != c.ok {
			t.Errorf("%s: %v and %v = %v, %v, want %v, %v", c.name, c.a, c.b, got, ok, c.want, c.ok)
		}
	}
	for _, c := range []struct {
		name string
		a, b string
		want bool
	}{
		{"the same strong tag", `"a"`, `"a"`, true},
		{"the same weak tag", `W/"a"`, `W/"a"`, false},
		{"weak and strong", `W/"a"`, `"a"`, false},
		{"other tags", `"a"`, `"b"`, false},
		{"no tags", "", "", false},
	} {
		if got := Combinable(header("Etag: "+c.a), header("Etag: "+c.b)); got != c.want {
			t.Errorf("%s: Combinable = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	f := func(name, contentRange, tag, want string) {
		t.Helper()
		s, why := (&Policy{}).Admit(Request{Method: "GET"}, got(206, "Cache-Control: max-age=9", "Content-Range: "+contentRange, "Etag: "+tag))
		if s == nil {
			t.Fatalf("%s: not stored: %s", name, why)
		}
		h := s.Complete()
		if h.Get("Range") != want || want != "" && h.Get("If-Range") != tag {
			t.Errorf("%s: Complete = %v, want Range %q", name, h, want)
		}
	}
	f("the first half", "bytes 0-4/10", `"a"`, "bytes=5-")
	f("the first half of an unknown total", "bytes 0-4/*", `"a"`, "bytes=5-")
	f("without a strong tag", "bytes 0-4/10", `W/"a"`, "")
	f("the second half", "bytes 5-9/10", `"a"`, "")
	f("all of it", "bytes 0-9/10", `"a"`, "")
}

func TestIfRange(t *testing.T) {
	t.Parallel()
	stored := header(`Etag: "a"`, "Last-Modified: @-60", "Date: @0")
	for _, c := range []struct {
		name, value string
		stored      []string
		want        bool
	}{
		{"the tag", `"a"`, nil, true},
		{"another tag", `"b"`, nil, false},
		{"a weak tag", `W/"a"`, nil, false},
		{"the date", "@-60", nil, true},
		{"another date", "@-59", nil, false},
		{"a date in the second of Date is weak", "@0", []string{"Last-Modified: @0", "Date: @0"}, false},
		{"a date that is none", "soon", nil, false},
	} {
		h := stored
		if c.stored != nil {
			h = header(c.stored...)
		}
		if got := IfRange(header("If-Range: "+c.value), h); got != c.want {
			t.Errorf("%s: IfRange(%q) = %v, want %v", c.name, c.value, got, c.want)
		}
	}
	if !IfRange(header(), stored) {
		t.Error("no If-Range forbids the range")
	}
}

func FuzzRanges(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=9-, 1-2", "bytes 0-4/10", "bytes 4-9/*", "bytes=99999999999999999999-"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, s string, total int64) {
		if a, err := ParseContentRange(s); err == nil {
			if a.First < 0 || a.Length() < 1 || a.Total >= 0 && a.Last >= a.Total {
				t.Errorf("ParseContentRange(%q) = %v", s, a)
			}
			if again, err := ParseContentRange(a.String()); err != nil || again != a {
				t.Errorf("%v does not come back: %v, %v", a, again, err)
			}
		}
		ranges, ok := ParseRange(s, 5)
		if !ok || total < 0 || total >= 1<<62 {
			return
		}
		for _, r := range ranges {
			if a, ok := r.Resolve(total); ok && (a.First < 0 || a.Last >= total || a.Length() < 1) {
				t.Errorf("%v of %d bytes = %v", r, total, a)
			}
		}
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add("max-age=1", "Foo, *", "12", "Thu, 18 Aug 2050 02:01:18 GMT", `"a"`, "no-cache")
	f.Add(`no-cache="a`, "", "0,1", "0", `W/"`, "max-stale")
	f.Add("public", "Accept-Language", "", "Thursday, 18-Aug-50 02:01:18 GMT", "*", "min-fresh=x")
	p := &Policy{StaleOnError: 1e9, Languages: true, DistrustAge: true, Targeted: []string{"Cdn-Cache-Control"}, Surrogate: "g"}
	f.Fuzz(func(t *testing.T, control, vary, age, date, tag, asked string) {
		q := Request{Method: "GET", Header: http.Header{
			"Cache-Control": {asked}, "If-None-Match": {tag}, "If-Modified-Since": {date}, "Accept-Language": {asked},
		}}
		r := got(200)
		r.Header["Vary"] = []string{vary}
		r.Header["Cache-Control"], r.Header["Age"], r.Header["Etag"] = []string{control}, []string{age}, []string{tag}
		r.Header["Date"], r.Header["Expires"], r.Header["Last-Modified"] = []string{date}, []string{date}, []string{date}
		s, why := p.Admit(q, r)
		if (s == nil) == (why == "") {
			t.Fatalf("Admit = %v, %q", s, why)
		}
		if s == nil {
			return
		}
		if !p.Matches(s, q) {
			t.Errorf("the request %v does not match the response that it fetched: Vary %v", q.Header, s.Vary)
		}
		if s.Terms.Lifetime < 0 || s.Terms.Born.After(noon) {
			t.Errorf("terms %+v", s.Terms)
		}
		d := p.Decide(q, s, noon)
		if d.Action == Serve && (s.Terms.Validate || ParseCacheControl([]string{asked}).NoCache) {
			t.Errorf("served unvalidated: %+v", d)
		}
		s.NotModified(q.Header)
		if again, ok := p.Refresh(s, Response{304, r.Header, noon, noon}); !ok || again.Header.Get("Etag") != s.Header.Get("Etag") {
			t.Errorf("refresh: %v, %v", again, ok)
		}
	})
}
