package transform

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestQueriesThatAskForTheSameAreOne(t *testing.T) {
	browser := http.Header{"Accept": {"text/html,image/avif,image/webp;q=0.9,*/*;q=0.8"}}
	for _, c := range []struct {
		query     string
		header    http.Header
		canonical string
		accept    string
	}{
		{"", browser, "", ""},
		{"w=100", browser, "width=100", ""},
		{"width=0100&utm_source=mail", nil, "width=100", ""},
		{"w=100&width=200", nil, "width=100", ""},
		{"h=10&w=20", nil, "height=10&width=20", ""},
		{"fit=inside", nil, "fit=contain", ""},
		{"fit=scale-down&dpr=1&rotate=0&anim=true&blur=0&wm-x=0&gravity=center", nil, "", ""},
		{"q=medium-high", nil, "quality=80", ""},
		{"f=auto", browser, "format=auto", "avif,webp"},
		{"f=auto", http.Header{"Accept": {"image/webp"}}, "format=auto", "webp"},
		{"f=auto", http.Header{"Accept": {"image/avif;q=0,image/webp;q=0.0,*/*"}}, "format=auto", ""},
		{"f=auto", http.Header{"Accept": {"IMAGE/AVIF;q=1"}}, "format=auto", "avif"},
		{"f=jpg", browser, "format=jpeg", ""},
		{"preset=small", browser, "preset=small", "avif,webp"},
		{"bg=%23F00", nil, "background=ff0000", ""},
		{"bg=red", nil, "background=ff0000", ""},
		{"bg=rgb(255,0,0)", nil, "background=ff0000", ""},
		{"bg=rgba(255,0,0,0.5)", nil, "background=ff000080", ""},
		{"g=0.50x0.33", nil, "gravity=0.5x0.33", ""},
		{"padding=4", nil, "padding=4%2C4%2C4%2C4", ""},
		{"grayscale=true", nil, "saturation=0", ""},
		{"blur=2.00004", nil, "blur=2", ""},
		{"flip=vh", nil, "flip=hv", ""},
		{"text=a+b%26c", nil, "text=a+b%26c", ""},
		{"showExif=TRUE&width=bad", browser, "showExif=true", ""},
		{"showExif=false", nil, "", ""},
		{"width=huge", nil, "width=huge", ""}, // for the function to refuse
		{"versionId=abc&w=5&X-Amz-Foo=1&x=1", nil, "width=5", ""},
	} {
		canonical, accept := Canonical(c.query, c.header)
		if canonical != c.canonical || accept != c.accept {
			t.Errorf("Canonical(%q) = %q, %q, want %q, %q", c.query, canonical, accept, c.canonical, c.accept)
		}
	}
}

func TestValuesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"width=0", "width=0 cannot be; allowed are auto and whole numbers from 1 to 8192"},
		{"w=8193", "width=8193 cannot be"},
		{"w=1e3", "width=1e3"},
		{"w=", "width= cannot be"},
		{"dpr=9", "dpr=9 cannot be; allowed are numbers from 0.1 to 8"},
		{"blur=NaN", "blur=NaN"},
		{"blur=0.1", "blur=0.1 cannot be; allowed are numbers from 0.3 to 250"},
		{"fit=stretch", "fit=stretch cannot be; allowed are scale-down, contain, cover, crop, pad and squeeze, and inside, outside and fill"},
		{"gravity=face", "gravity=face cannot be; allowed are left, right"},
		{"gravity=1.5x0", "gravity=1.5x0"},
		{"wm-gravity=auto", "wm-gravity=auto"},
		{"rotate=45", "rotate=45 cannot be; allowed are 0, 90, 180 and 270"},
		{"bg=reddish", "background=reddish"},
		{"bg=rgb(256,0,0)", "background=rgb(256,0,0)"},
		{"crop=1,2,3", "crop=1,2,3"},
		{"crop=0.5,0.5,0.6,0.5", "crop=0.5,0.5,0.6,0.5"},
		{"crop=0.5,1,1,1", "crop=0.5,1,1,1"},
		{"trim=1;2;3", "trim=1;2;3"},
		{"padding=1,2,3", "padding=1,2,3"},
		{"border=2,mauvish", "border=2,mauvish"},
		{"q=101", "quality=101"},
		{"format=bmp", "format=bmp cannot be; allowed are auto, avif, webp, jpeg, baseline-jpeg, png, gif, tiff and json"},
		{"metadata=all", "metadata=all cannot be; allowed are none, copyright and keep"},
		{"icc=p3", "icc=p3 cannot be; allowed are keep, strip and srgb"},
		{"orient=up", "orient=up cannot be; allowed are tag and bake"},
		{"text=%00", "text=\x00 cannot be; allowed are up to 200 characters"},
		{"text=" + strings.Repeat("é", 201), "cannot be; allowed are up to 200 characters"},
		{"metadata=keep&icc=strip", "icc=strip goes with metadata=none and metadata=copyright; metadata=keep changes nothing"},
	} {
		_, err := readWish(c.query)
		r := asRefused(err)
		if r == nil || r.status != 400 || r.code != "InvalidArgument" || !strings.Contains(r.message, c.want) {
			t.Errorf("readWish(%q): %v, want InvalidArgument: ... %s", c.query, err, c.want)
		}
	}
}

func TestGrammarIsInOrderAndWithinItsBounds(t *testing.T) {
	if !slices.IsSortedFunc(grammar, func(a, b parameter) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) }) {
		t.Error("the grammar is not in alphabetical order")
	}
	if len(grammar) > maxParameters {
		t.Errorf("%d parameters, more than maxParameters", len(grammar))
	}
}

// A canonical query is its own canonical form, and is refused exactly when the query is.
func FuzzCanonical(f *testing.F) {
	for _, q := range []string{"w=100&h=20&fit=cover&f=auto", "bg=%23fff&trim=border,9", "crop=0.1,0.1,0.5,0.5&text=a%20b", "showExif=true", "versionId=1&q=high"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		h := http.Header{"Accept": {"image/avif,image/webp"}}
		one, accept := Canonical(query, h)
		two, acceptTwo := Canonical(one, h)
		if one != two || accept != acceptTwo {
			t.Fatalf("Canonical(%q) = %q, whose own is %q", query, one, two)
		}
		w, err := readWish(query)
		v, errTwo := readWish(one)
		if (err == nil) != (errTwo == nil) {
			t.Fatalf("%q: %v, but canonical %q: %v", query, err, one, errTwo)
		}
		if err == nil && w.canonical != v.canonical {
			t.Fatalf("%q: %q, but canonical %q: %q", query, w.canonical, one, v.canonical)
		}
	})
}
