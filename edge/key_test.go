package edge

import (
	"net/http"
	"strings"
	"testing"
)

func TestCacheKeyHoldsWhatThePolicyChooses(t *testing.T) {
	none := Selection{Behavior: "none"}
	listed := func(names ...string) Selection { return Selection{Behavior: "whitelist", Names: names} }
	except := func(names ...string) Selection { return Selection{Behavior: "allExcept", Names: names} }
	all := Selection{Behavior: "all"}
	plain := CachePolicyConfig{Headers: none, Cookies: none, QueryStrings: none}
	query := func(s Selection) CachePolicyConfig { c := plain; c.QueryStrings = s; return c }
	cookies := func(s Selection) CachePolicyConfig { c := plain; c.Cookies = s; return c }
	headers := func(s Selection) CachePolicyConfig { c := plain; c.Headers = s; return c }
	encodings := plain
	encodings.AcceptEncodingGzip, encodings.AcceptEncodingBrotli = true, true
	gzip := plain
	gzip.AcceptEncodingGzip = true

	type req struct {
		method, path, query string
		proto               int
		header              http.Header
	}
	for _, test := range []struct {
		name   string
		policy CachePolicyConfig
		a, b   req
		same   bool
	}{
		{"query string that is not chosen", query(none), req{query: "a=1"}, req{query: "a=2"}, true},
		{"chosen query string", query(listed("a")), req{query: "a=1"}, req{query: "a=2"}, false},
		{"chosen query string among others", query(listed("a")), req{query: "x=1&a=1"}, req{query: "a=1&y"}, true},
		{"order of query strings", query(all), req{query: "a=1&b=2"}, req{query: "b=2&a=1"}, false},
		{"order of chosen query strings", query(listed("a", "b")), req{query: "a=1&b=2"}, req{query: "b=2&a=1"}, false},
		{"case of a query string's name", query(listed("a")), req{query: "A=1"}, req{query: "A=2"}, true},
		{"case of a query string's value", query(all), req{query: "a=x"}, req{query: "a=X"}, false},
		{"encoding of a query string", query(all), req{query: "a=%7e"}, req{query: "a=%7E"}, false},
		{"empty value and no value", query(listed("a")), req{query: "a="}, req{query: "a"}, false},
		{"chosen query string and none", query(listed("a")), req{query: "a"}, req{}, false},
		{"query strings but one", query(except("a")), req{query: "a=1&b=1"}, req{query: "b=1&a=2"}, true},
		{"query strings but another", query(except("a")), req{query: "b=1"}, req{query: "b=2"}, false},
		{"path's encoding", plain, req{path: "/%7Ea"}, req{path: "/~a"}, false},
		{"two slashes", plain, req{path: "/a//b"}, req{path: "/a/b"}, false},
		{"query string is not path", query(all), req{path: "/a", query: "b"}, req{path: "/a?b"}, true},
		{"GET and HEAD", plain, req{method: "GET"}, req{method: "HEAD"}, true},
		{"OPTIONS apart", plain, req{method: "GET"}, req{method: "OPTIONS"}, false},
		{"header that is not chosen", plain, req{header: http.Header{"A": {"1"}}}, req{}, true},
		{"chosen header", headers(listed("a")), req{header: http.Header{"A": {"1"}}}, req{}, false},
		{"chosen header in two lines", headers(listed("a")), req{header: http.Header{"A": {"1", "2"}}}, req{header: http.Header{"A": {"12"}}}, false},
		{"value of one header is not another's", headers(listed("A", "B")), req{header: http.Header{"A": {"1"}}}, req{header: http.Header{"B": {"1"}}}, false},
		{"cookie that is not chosen", cookies(listed("a")), req{header: http.Header{"Cookie": {"b=1"}}}, req{}, true},
		{"chosen cookie", cookies(listed("a")), req{header: http.Header{"Cookie": {"b=1; a=1"}}}, req{header: http.Header{"Cookie": {"a=2"}}}, false},
		{"encoding without the flags", plain, req{header: http.Header{"Accept-Encoding": {"gzip"}}}, req{}, true},
		{"spellings of gzip and brotli", encodings, req{header: http.Header{"Accept-Encoding": {"br;q=1, GZIP"}}}, req{header: http.Header{"Accept-Encoding": {"gzip", "br"}}}, true},
		{"gzip and brotli, or gzip", encodings, req{header: http.Header{"Accept-Encoding": {"br, gzip"}}}, req{header: http.Header{"Accept-Encoding": {"gzip"}}}, false},
		{"brotli refused", encodings, req{header: http.Header{"Accept-Encoding": {"br;q=0.000, gzip"}}}, req{header: http.Header{"Accept-Encoding": {"gzip"}}}, true},
		{"brotli where only gzip counts", gzip, req{header: http.Header{"Accept-Encoding": {"br"}}}, req{header: http.Header{"Accept-Encoding": {"zstd"}}}, true},
		{"none of the encodings, or nothing said", encodings, req{header: http.Header{"Accept-Encoding": {"zstd"}}}, req{}, true},
		{"HTTP/1.0 takes no encoding", encodings, req{proto: 10, header: http.Header{"Accept-Encoding": {"gzip"}}}, req{proto: 10}, true},
	} {
		key := func(r req) string {
			h := &http.Request{Method: r.method, Header: r.header, ProtoMajor: 1, ProtoMinor: 1}
			if r.proto == 10 {
				h.ProtoMinor = 0
			}
			p := newKeyPolicy(test.policy)
			k := p.appendKey(nil, "d.cloudfront.net", r.path, r.query, viewing(h))
			return string(k.Bytes[:k.Path]) + "|" + string(k.Bytes[k.Path:])
		}
		if a, b := key(test.a), key(test.b); (a == b) != test.same {
			t.Errorf("%s: keys %q and %q, want same = %v", test.name, a, b, test.same)
		}
	}
}

func TestPathOfAKeyIsWhatAnInvalidationNames(t *testing.T) {
	p := newKeyPolicy(CachePolicyConfig{Headers: Selection{Behavior: "whitelist", Names: []string{"Accept"}}, QueryStrings: Selection{Behavior: "whitelist", Names: []string{"w"}}})
	for query, want := range map[string]string{"": "d/a", "x=1": "d/a", "x=1&w=2": "d/a?w=2"} {
		k := p.appendKey(nil, "d", "/a", query, viewing(&http.Request{Header: http.Header{"Accept": {"image/webp"}}}))
		if got := string(k.Bytes[:k.Path]); got != want {
			t.Errorf("path of ?%s = %q, want %q", query, got, want)
		}
	}
}

func TestPathPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, path string
		want          bool
	}{
		{"*", "/", true},
		{"*", "/a/b", true},
		{"images/*", "/images/a/b.jpg", true},
		{"/images/*", "/images/", true},
		{"images/*", "/images", false},
		{"images/*", "/Images/a", false},
		{"*.jpg", "/a/b.jpg", true},
		{"*.jpg", "/a.jpg.png", false},
		{"*.jpg", "/a.jpg.jpg", true},
		{"a?c", "/abc", true},
		{"a?c", "/a/c", true},
		{"a?c", "/ac", false},
		{"a**b", "/axxb", true},
		{"a*b*c", "/aXbYbZc", true},
		{"a*b*c", "/aXcYb", false},
		{"", "/", true},
		{"", "/a", false},
		{"%7E*", "/%7Ea", true},
		{"~*", "/%7Ea", false},
	} {
		if got := pattern(strings.TrimPrefix(test.pattern, "/")).match(test.path); got != test.want {
			t.Errorf("pattern %q matches %q = %v, want %v", test.pattern, test.path, got, test.want)
		}
	}
}

// matchSlowly is the definition of a path pattern, without thought for its cost.
func matchSlowly(p, s string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '*':
		return matchSlowly(p[1:], s) || s != "" && matchSlowly(p, s[1:])
	}
	return s != "" && (p[0] == '?' || p[0] == s[0]) && matchSlowly(p[1:], s[1:])
}

func FuzzPattern(f *testing.F) {
	f.Add("images/*.j?g", "images/a/b.jpg")
	f.Add("a*b*c", "aXcYbc")
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 20 || len(s) > 20 || strings.HasPrefix(s, "/") || strings.Count(p, "*") > 4 {
			t.Skip() // the definition would take too long, or the slash is not part of it
		}
		if got, want := pattern(p).match(s), matchSlowly(p, s); got != want {
			t.Errorf("pattern %q matches %q = %v, want %v", p, s, got, want)
		}
	})
}

func viewing(r *http.Request) *viewer { return new(viewerOf(r)) }

func FuzzKey(f *testing.F) {
	f.Add("/a", "showExif=true&x", "a=b; c", "gzip, br;q=0")
	f.Add("", "&&=&showExif", ";;", ",;q=")
	p := newKeyPolicy(CachePolicyConfig{
		AcceptEncodingGzip: true, AcceptEncodingBrotli: true,
		QueryStrings: Selection{Behavior: "whitelist", Names: []string{"showExif"}}, Cookies: Selection{Behavior: "whitelist", Names: []string{"a"}},
	})
	f.Fuzz(func(t *testing.T, path, query, cookie, encoding string) {
		r := &http.Request{ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Cookie": {cookie}, "Accept-Encoding": {encoding}}}
		k := p.appendKey(nil, "d", path, query, viewing(r))
		// What goes to the origin makes the same key again: nothing else is in it.
		sent := string(p.appendQuery(nil, query))
		again := &http.Request{ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Cookie": {string(p.appendCookies(nil, r.Header["Cookie"]))}}}
		if e := p.encoding(viewing(r)); e != "" {
			again.Header.Set("Accept-Encoding", e)
		}
		if l := p.appendKey(nil, "d", path, sent, viewing(again)); string(l.Bytes) != string(k.Bytes) {
			t.Errorf("key %q of the request, %q of what is sent", k.Bytes, l.Bytes)
		}
	})
}
