package rfc9111

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func stored(t *testing.T, p *Policy, request []string, response ...string) *Stored {
	t.Helper()
	s, why := p.Admit(Request{Method: "GET", Header: header(request...)}, got(200, response...))
	if s == nil {
		t.Fatalf("%v is not stored: %s", response, why)
	}
	return s
}

func TestCondition(t *testing.T) {
	t.Parallel()
	p := &Policy{}
	s := stored(t, p, nil, "Expires: @-1", `Etag: W/"a"`, "Last-Modified: @-60")
	want := header(`If-None-Match: W/"a"`, "If-Modified-Since: @-60")
	if diff := cmp.Diff(want, p.Decide(Request{Method: "GET"}, s, noon).Condition); diff != "" {
		t.Errorf("condition: -want +got\n%s", diff)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	p := &Policy{}
	s := stored(t, p, nil, "Cache-Control: max-age=2", `Etag: "a"`, "Date: @0", "X-A: 1", "X-B: 2", "Content-Encoding: gzip", "Content-Length: 5", "Age: 1")
	later := noon.Add(time.Minute)
	f := func(name string, r Response, want http.Header, fresh time.Duration) {
		t.Helper()
		r.Requested, r.Received = later, later
		before := s.Header.Clone()
		out, ok := p.Refresh(s, r)
		if !ok {
			t.Errorf("%s: not refreshed", name)
			return
		}
		if diff := cmp.Diff(want, out.Header); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if diff := cmp.Diff(before, s.Header); diff != "" {
			t.Errorf("%s changed what was stored:\n%s", name, diff)
		}
		if !out.Terms.Fresh(later.Add(fresh-1)) || out.Terms.Fresh(later.Add(fresh)) {
			t.Errorf("%s: lifetime %v, born %v, want fresh for %v after %v", name, out.Terms.Lifetime, out.Terms.Born, fresh, later)
		}
	}
	f("fields of the 304 replace those that are stored", got(304, `Etag: "a"`, "Date: @60", "X-A: 9", "Cache-Control: max-age=10", "Age: 4"),
		header("Cache-Control: max-age=10", `Etag: "a"`, "Date: @60", "X-A: 9", "X-B: 2", "Content-Encoding: gzip", "Content-Length: 5"), 6*time.Second)
	f("fields of the body stay", got(304, "Date: @60", "Content-Encoding: br", "Content-Length: 9", "Content-Range: x", "Connection: x-b", "X-B: 7"),
		header("Cache-Control: max-age=2", `Etag: "a"`, "Date: @60", "X-A: 1", "X-B: 2", "Content-Encoding: gzip", "Content-Length: 5"), 2*time.Second)
	f("a 304 for another tag gives nothing but its time", got(304, `Etag: "b"`, "Date: @60", "X-A: 9", "Cache-Control: max-age=10"),
		header("Cache-Control: max-age=2", `Etag: "a"`, "Date: @60", "X-A: 1", "X-B: 2", "Content-Encoding: gzip", "Content-Length: 5"), 2*time.Second)
	if out, _ := p.Refresh(s, got(304, `Etag: "a"`, "Cache-Control: no-store, max-age=10, stale-if-error=99")); p.Decide(Request{Method: "GET"}, out, noon).Action != Validate {
		t.Errorf("a response that became no-store is used unasked: %+v", out.Terms)
	}
	if _, ok := p.Refresh(s, got(200, `Etag: "a"`)); ok {
		t.Error("a 200 refreshes")
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	p := &Policy{}
	s := stored(t, p, nil, "Cache-Control: max-age=2", `Etag: "a"`, "Content-Length: 5", "X-A: 1")
	if out, ok := p.Head(s, got(200, "Content-Length: 5", "X-A: 2", "Cache-Control: max-age=10")); !ok || out.Header.Get("X-A") != "2" || out.Terms.Lifetime != 10*time.Second {
		t.Errorf("a HEAD of the same length gives %v, %+v", ok, out)
	}
	if _, ok := p.Head(s, got(200, "Content-Length: 6")); ok {
		t.Error("a HEAD of another length leaves it usable")
	}
	if _, ok := p.Head(s, got(200, `Etag: "b"`)); ok {
		t.Error("a HEAD with another tag leaves it usable")
	}
	if out, ok := p.Head(s, got(410, "X-A: 2")); !ok || out != s {
		t.Error("a 410 to HEAD changes it")
	}
}

func TestNotModified(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		response []string
		request  []string
		want     bool
	}{
		{"no condition", []string{`Etag: "a"`}, nil, false},
		{"the tag", []string{`Etag: "a"`}, []string{`If-None-Match: "a"`}, true},
		{"one of several tags", []string{`Etag: "a"`}, []string{`If-None-Match: "x", "a,b", W/"a"`}, true},
		{"a tag with a comma", []string{`Etag: "a,b"`}, []string{`If-None-Match: "x", "a,b"`}, true},
		{"part of a tag", []string{`Etag: "a"`}, []string{`If-None-Match: "x,"a"`}, false},
		{"a weak tag", []string{`Etag: W/"a"`}, []string{`If-None-Match: "a"`}, true},
		{"another tag", []string{`Etag: "a"`}, []string{`If-None-Match: "b"`}, false},
		{"any", []string{`Etag: "a"`}, []string{`If-None-Match: *`}, true},
		{"tags count before dates", []string{`Etag: "a"`, "Last-Modified: @-60"}, []string{`If-None-Match: "b"`, "If-Modified-Since: @0"}, false},
		{"an old date counts less than the tag", []string{`Etag: "a"`, "Last-Modified: @-60"}, []string{`If-None-Match: "a"`, "If-Modified-Since: @-99"}, true},
		{"the date", []string{"Last-Modified: @-60"}, []string{"If-Modified-Since: @-60"}, true},
		{"a later date", []string{"Last-Modified: @-60"}, []string{"If-Modified-Since: @-59"}, true},
		{"an earlier date", []string{"Last-Modified: @-60"}, []string{"If-Modified-Since: @-61"}, false},
		{"a date that is none", []string{"Last-Modified: @-60"}, []string{"If-Modified-Since: yesterday"}, false},
		{"without Last-Modified, Date counts", []string{"Date: @-5"}, []string{"If-Modified-Since: @-5"}, true},
		{"without Last-Modified, before Date", []string{"Date: @-5"}, []string{"If-Modified-Since: @-6"}, false},
		{"conditions for the origin do not count", []string{`Etag: "a"`}, []string{`If-Match: "b"`}, false},
	} {
		s := stored(t, &Policy{}, nil, append(c.response, "Cache-Control: max-age=100")...)
		if got := s.NotModified(header(c.request...)); got != c.want {
			t.Errorf("%s: NotModified(%v) of %v = %v, want %v", c.name, c.request, c.response, got, c.want)
		}
	}
	h := NotModifiedHeader(header(`Etag: "a"`, "Content-Length: 5", "Content-Type: x", "Vary: b"))
	if diff := cmp.Diff(header(`Etag: "a"`, "Vary: b"), h); diff != "" {
		t.Errorf("header of a 304: -want +got\n%s", diff)
	}
}

func TestVary(t *testing.T) {
	t.Parallel()
	lax := &Policy{Languages: true}
	for _, c := range []struct {
		name            string
		policy          *Policy
		vary            string
		first, second   []string
		contentLanguage string
		want            bool
	}{
		{"the same", nil, "Foo", []string{"Foo: 1", "X: 1"}, []string{"Foo: 1", "X: 2"}, "", true},
		{"another value", nil, "Foo", []string{"Foo: 1"}, []string{"Foo: 2"}, "", false},
		{"absent then present", nil, "Foo", nil, []string{"Foo: 1"}, "", false},
		{"absent is not empty", nil, "Foo", nil, []string{"Foo: "}, "", false},
		{"both absent", nil, "Foo, Bar", []string{"Bar: 1"}, []string{"Bar: 1"}, "", true},
		{"values do not flow from one field into the next", nil, "A, B", []string{"A: 1", "B: 2"}, []string{"A: 1,2", "B: "}, "", false},
		{"lines are combined", nil, "Foo", []string{"Foo: 1, 2"}, []string{"Foo: 1", "Foo: 2"}, "", true},
		{"blanks around commas", nil, "foo", []string{"Foo: 1,2"}, []string{"Foo:  1 , 2 "}, "", true},
		{"blanks in quotes count", nil, "Foo", []string{`Foo: "1,2"`}, []string{`Foo: "1, 2"`}, "", false},
		{"case of an unknown field counts", nil, "Foo", []string{"Foo: a"}, []string{"Foo: A"}, "", false},
		{"case of a language does not", nil, "Accept-Language", []string{"Accept-Language: en, de"}, []string{"Accept-Language: eN,De"}, "", true},
		{"order of languages counts", nil, "Accept-Language", []string{"Accept-Language: en, de"}, []string{"Accept-Language: de, en"}, "", false},
		{"order of languages does not, if so wished", lax, "Accept-Language", []string{"Accept-Language: en, de"}, []string{"Accept-Language: de, en"}, "", true},
		{"order of encodings does not", nil, "Accept-Encoding", []string{"Accept-Encoding: gzip, br"}, []string{"Accept-Encoding: br, gzip"}, "", true},
		{"weights count", nil, "Accept", []string{"Accept: a/b;q=0.1, c/d"}, []string{"Accept: a/b, c/d;q=0.1"}, "", false},
		{"the language that is wanted most", lax, "Accept-Language", []string{"Accept-Language: en"}, []string{"Accept-Language: fr;q=0.5, de;q=1.0"}, "de", true},
		{"a language that is wanted less", lax, "Accept-Language", []string{"Accept-Language: en"}, []string{"Accept-Language: fr;q=0.5, de;q=1.0"}, "fr", false},
		{"a language wanted as much as another", lax, "Accept-Language", []string{"Accept-Language: en"}, []string{"Accept-Language: fr, de"}, "de", false},
		{"the language fits and another field does not", lax, "Accept-Language, Foo", []string{"Accept-Language: en", "Foo: 1"}, []string{"Accept-Language: de", "Foo: 2"}, "de", false},
	} {
		p := c.policy
		if p == nil {
			p = &Policy{}
		}
		response := []string{"Cache-Control: max-age=9", "Vary: " + c.vary}
		if c.contentLanguage != "" {
			response = append(response, "Content-Language: "+c.contentLanguage)
		}
		s := stored(t, p, c.first, response...)
		if got := p.Matches(s, Request{Method: "GET", Header: header(c.second...)}); got != c.want {
			t.Errorf("%s: Vary %s, stored for %v, matches %v = %v, want %v", c.name, c.vary, c.first, c.second, got, c.want)
		}
	}
}

func TestSelectTakesTheLatestThatMatches(t *testing.T) {
	t.Parallel()
	p := &Policy{}
	old := stored(t, p, []string{"Foo: 1"}, "Cache-Control: max-age=9", "Vary: Foo", "Date: @-2")
	newer := stored(t, p, []string{"Foo: 1"}, "Cache-Control: max-age=9", "Vary: Foo", "Date: @-1")
	other := stored(t, p, []string{"Foo: 2"}, "Cache-Control: max-age=9", "Vary: Foo", "Date: @0")
	if s := p.Select([]*Stored{old, newer, other}, Request{Method: "GET", Header: header("Foo: 1")}); s != newer {
		t.Errorf("selected %v", s)
	}
	if s := p.Select([]*Stored{old, newer, other}, Request{Method: "GET"}); s != nil {
		t.Errorf("selected %v for a request that matches none", s)
	}
	if got := newer.Asked(); got.Get("Foo") != "1" {
		t.Errorf("Asked = %v", got)
	}
}

func TestInvalidated(t *testing.T) {
	t.Parallel()
	here, _ := url.Parse("https://a.example/b/c?d#e")
	for _, c := range []struct {
		name, method string
		response     Response
		want         []string
	}{
		{"POST", "POST", got(200), []string{"https://a.example/b/c?d"}},
		{"a method nobody knows", "M-SEARCH", got(204), []string{"https://a.example/b/c?d"}},
		{"a redirect is a success", "PUT", got(303), []string{"https://a.example/b/c?d"}},
		{"GET", "GET", got(200, "Location: /x"), nil},
		{"an error", "DELETE", got(500), nil},
		{"not found", "DELETE", got(404), nil},
		{"both locations", "POST", got(201, "Location: x#y", "Content-Location: /z"), []string{"https://a.example/b/c?d", "https://a.example/b/x", "https://a.example/z"}},
		{"a location elsewhere", "POST", got(201, "Location: https://b.example/x", "Content-Location: http://a.example/"), []string{"https://a.example/b/c?d"}},
		{"a location that is none", "POST", got(201, "Location: ::"), []string{"https://a.example/b/c?d"}},
	} {
		var got []string
		for _, u := range Invalidated(Request{Method: c.method, URL: here}, c.response) {
			got = append(got, u.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}
