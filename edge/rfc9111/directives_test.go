package rfc9111

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func seconds(n int64) Delta { return Delta{n, true} }

func TestParseCacheControl(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		want  Directives
	}{
		{"nothing", nil, Directives{}},
		{"names in any case", []string{"MaX-aGe=3600, PUBLIC"}, Directives{MaxAge: seconds(3600), Public: true}},
		{"unknown directives are passed over", []string{"foobar, x=y, max-age=1"}, Directives{MaxAge: seconds(1)}},
		{"a quoted number counts", []string{`max-age="3600"`}, Directives{MaxAge: seconds(3600)}},
		{"single quotes are no quotes", []string{`max-age='3600'`}, Directives{MaxAge: seconds(0)}},
		{"a directive inside a quoted string is none", []string{`extension="max-age=3600", max-age=1`}, Directives{MaxAge: seconds(1)}},
		{"a quoted string with an escaped quote", []string{`ext="a\", max-age=9", no-store`}, Directives{NoStore: true}},
		{"a quoted string that does not end swallows the rest", []string{`ext="a, no-store`}, Directives{}},
		{"leading zeros", []string{"max-age=003600"}, Directives{MaxAge: seconds(3600)}},
		{"a fraction is no number", []string{"max-age=3600.5"}, Directives{MaxAge: seconds(0)}},
		{"a negative number is none", []string{"max-age=-1"}, Directives{MaxAge: seconds(0)}},
		{"no argument is no number", []string{"max-age"}, Directives{MaxAge: seconds(0)}},
		{"more than 2^31 is 2^31", []string{"max-age=99999999999999999999"}, Directives{MaxAge: seconds(1 << 31)}},
		{"a blank before = spoils the argument", []string{"max-age =3600, public"}, Directives{MaxAge: seconds(0), Public: true}},
		{"a blank after = spoils the argument", []string{"max-age= 3600"}, Directives{MaxAge: seconds(0)}},
		{"the first of two counts", []string{"max-age=1, max-age=2", "max-age=3"}, Directives{MaxAge: seconds(1)}},
		{"several lines", []string{"max-age=1", "s-maxage=2"}, Directives{MaxAge: seconds(1), SMaxAge: seconds(2)}},
		{
			"qualified forms name fields",
			[]string{`no-cache="a, x-b", private=c`},
			Directives{NoCacheFields: []string{"A", "X-B"}, PrivateFields: []string{"C"}},
		},
		{"an empty list of fields is the plain form", []string{`no-cache=""`}, Directives{NoCache: true}},
		{
			"stale directives",
			[]string{"stale-while-revalidate=5, stale-if-error=6"},
			Directives{StaleWhileRevalidate: seconds(5), StaleIfError: seconds(6)},
		},
		{"max-stale with and without a number", []string{"max-stale"}, Directives{AnyStale: true}},
		{"max-stale=7", []string{"max-stale=7, min-fresh=8, only-if-cached"}, Directives{MaxStale: seconds(7), MinFresh: seconds(8), OnlyIfCached: true}},
		{
			"all flags",
			[]string{"no-store,no-transform,no-cache,private,public,must-understand,must-revalidate,proxy-revalidate,immutable"},
			Directives{
				NoStore: true, NoTransform: true, NoCache: true, Private: true, Public: true, MustUnderstand: true, MustRevalidate: true,
				ProxyRevalidate: true, Immutable: true,
			},
		},
	} {
		if diff := cmp.Diff(c.want, ParseCacheControl(c.lines)); diff != "" {
			t.Errorf("%s: ParseCacheControl(%q): -want +got\n%s", c.name, c.lines, diff)
		}
	}
}

func TestParseTargeted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		want  Directives
		ok    bool
	}{
		{"absent", nil, Directives{}, false},
		{"empty is as if absent", []string{""}, Directives{}, false},
		{"malformed is as if absent", []string{"max-age=10000, &&&&&"}, Directives{}, false},
		{"a name in upper case is malformed", []string{"Max-Age=3600"}, Directives{}, false},
		{"an integer", []string{"max-age=3600"}, Directives{MaxAge: seconds(3600)}, true},
		{"of two the last counts, by the rules of dictionaries", []string{"max-age=1", "max-age=2"}, Directives{MaxAge: seconds(2)}, true},
		{"a string is not max-age's type", []string{`max-age="3600", no-store`}, Directives{NoStore: true}, true},
		{"a decimal is not max-age's type", []string{"max-age=3600.0"}, Directives{}, true},
		{"max-age without a value", []string{"max-age"}, Directives{}, true},
		{"below zero", []string{"max-age=-1"}, Directives{}, true},
		{"parameters are passed over", []string{"max-age=10;a=b"}, Directives{MaxAge: seconds(10)}, true},
		{"false is not set", []string{"no-store=?0"}, Directives{}, true},
		{"fields of private", []string{`private="a"`}, Directives{PrivateFields: []string{"A"}}, true},
		{"a field of unknown directives is still used", []string{"none"}, Directives{}, true},
		{"an inner list is no directive", []string{"max-age=(1 2), public"}, Directives{Public: true}, true},
	} {
		got, ok := ParseTargeted(c.lines)
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("%s: ParseTargeted(%q) = %v, want %v; -want +got\n%s", c.name, c.lines, ok, c.ok, diff)
		}
	}
}

func TestParseSurrogateControl(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		want  Directives
		ok    bool
	}{
		{"absent", nil, Directives{}, false},
		{"for all", []string{"foobar, MaX-aGe=3600"}, Directives{MaxAge: seconds(3600)}, true},
		{"for us", []string{"max-age=3600;glassine"}, Directives{MaxAge: seconds(3600)}, true},
		{"for another", []string{"max-age=3600;not-for-you"}, Directives{}, false},
		{"for another and for us", []string{"max-age=1;other, max-age=2;glassine"}, Directives{MaxAge: seconds(2)}, true},
		{"no-store for us", []string{"no-store;glassine"}, Directives{NoStore: true}, true},
		{"no-store for another", []string{"no-store;other"}, Directives{}, false},
		{"max-age with a stale time", []string{"max-age=10+60"}, Directives{MaxAge: seconds(10), StaleWhileRevalidate: seconds(60)}, true},
		{"says nothing of freshness", []string{`content="ESI/1.0"`}, Directives{}, false},
	} {
		got, ok := ParseSurrogateControl(c.lines, "glassine")
		if diff := cmp.Diff(c.want, got); diff != "" || ok != c.ok {
			t.Errorf("%s: ParseSurrogateControl(%q) = %v, want %v; -want +got\n%s", c.name, c.lines, ok, c.ok, diff)
		}
	}
	if got := (&Policy{Surrogate: "glassine"}).Capability(`a="Surrogate/1.0"`); got != `a="Surrogate/1.0", glassine="Surrogate/1.0"` {
		t.Errorf("Capability = %q", got)
	}
	if got := (&Policy{}).Capability("x"); got != "x" {
		t.Errorf("Capability without a name = %q", got)
	}
}

func FuzzParseCacheControl(f *testing.F) {
	for _, s := range []string{"max-age=1, no-cache=\"a,b\"", `x="a\"`, "max-age =1", `no-cache="`, "=,=\",", "max-stale"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := ParseCacheControl([]string{s})
		for _, delta := range []Delta{d.MaxAge, d.SMaxAge, d.MinFresh, d.MaxStale, d.StaleIfError, d.StaleWhileRevalidate} {
			if delta.Seconds < 0 || delta.Seconds > mostSeconds || !delta.Set && delta.Seconds != 0 {
				t.Errorf("ParseCacheControl(%q) has delta %v", s, delta)
			}
		}
		// A cache that does not understand a field must err on the safe side: no-store may not vanish by what follows it.
		if d := ParseCacheControl([]string{"no-store," + s}); !d.NoStore {
			t.Errorf("no-store before %q is lost", s)
		}
	})
}

func FuzzParseTargeted(f *testing.F) {
	for _, s := range []string{"max-age=1", "max-age=(1 2);a", `private="a"`, "none", "a=?0", "max-age=999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := ParseTargeted([]string{s})
		if !ok && !cmp.Equal(d, Directives{}) {
			t.Errorf("ParseTargeted(%q) refuses and yet says %+v", s, d)
		}
		if d.MaxAge.Seconds < 0 || d.MaxAge.Seconds > mostSeconds {
			t.Errorf("ParseTargeted(%q): max-age %d", s, d.MaxAge.Seconds)
		}
		ParseSurrogateControl([]string{s}, "glassine")
	})
}
