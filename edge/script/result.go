package script

import (
	"encoding/base64"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// read makes a result of what handler returned. It may panic with a JavaScript exception of a getter.
func (w *world) read(v goja.Value) (*Result, error) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, badResult("neither a request nor a response, but %v", v)
	}
	if defined(o.Get("statusCode")) {
		r, err := w.readResponse(o)
		if err != nil {
			return nil, err
		}
		return &Result{Response: r}, nil
	}
	if w.event.Response != nil {
		return nil, badResult("a viewer-response function returned no response: it has no statusCode")
	}
	if !defined(o.Get("uri")) && !defined(o.Get("method")) {
		return nil, badResult("neither a request nor a response: it has no statusCode, uri or method")
	}
	r, err := w.readRequest(o)
	if err != nil {
		return nil, err
	}
	return &Result{Request: r}, nil
}

func defined(v goja.Value) bool { return v != nil && !goja.IsUndefined(v) && !goja.IsNull(v) }

// readRequest reads a request as "Restrictions on edge functions" and "CloudFront Functions event structure" have it.
func (w *world) readRequest(o *goja.Object) (*Request, error) {
	before := &w.event.Request
	if m := o.Get("method"); !defined(m) || m.String() != before.Method {
		return nil, badResult("it changed request.method, which is read-only")
	}
	uri, ok := text(o.Get("uri"))
	if !ok || !strings.HasPrefix(uri, "/") || strings.ContainsAny(uri, "?# \t\r\n") {
		return nil, badResult("request.uri %q is not a path that begins with /", uri)
	}
	out := &Request{Method: before.Method, URI: uri, RawQuery: before.RawQuery, ForceQuery: before.ForceQuery}
	query, err := w.readPairs(o.Get("querystring"), "request.querystring")
	if err != nil {
		return nil, err
	}
	if !same(query, parseQuery(before.RawQuery)) { // else the viewer's own spelling stays
		out.RawQuery, out.ForceQuery = joinQuery(query), false
	}
	if strings.ContainsAny(out.RawQuery, "# \t\r\n") {
		return nil, badResult("request.querystring has a blank, a line break or # in it")
	}
	if len(uri)+len(out.RawQuery) > MaxURL {
		return nil, badResult("uri and query string have %d bytes, at most %d are allowed", len(uri)+len(out.RawQuery), MaxURL)
	}
	cookies, err := w.readPairs(o.Get("cookies"), "request.cookies")
	if err != nil {
		return nil, err
	}
	if out.Header, err = w.readHeaders(o.Get("headers"), "request.headers"); err != nil {
		return nil, err
	}
	switch {
	case same(cookies, parseCookies(before.Header["Cookie"])):
		if lines := before.Header["Cookie"]; len(lines) > 0 && len(out.Header["Cookie"]) == 0 {
			out.Header["Cookie"] = lines
		}
	case len(cookies) > 0:
		out.Header["Cookie"] = []string{joinCookies(cookies)}
	}
	if problem := checkHeaders(before.Header, out.Header, false); problem != nil {
		return nil, problem
	}
	return out, nil
}

func (w *world) readResponse(o *goja.Object) (*Response, error) {
	code := o.Get("statusCode")
	s, ok := text(code)
	status, err := strconv.Atoi(s) // a number, or a string that is one
	if !ok || err != nil || status < 200 || status > 599 {
		return nil, badResult("response.statusCode %v is not a number from 200 to 599", code)
	}
	out := &Response{Status: status}
	if d := o.Get("statusDescription"); defined(d) {
		out.Description = d.String()
		if strings.ContainsAny(out.Description, "\r\n") {
			return nil, badResult("response.statusDescription has a line break in it")
		}
	}
	if out.Header, err = w.readHeaders(o.Get("headers"), "response.headers"); err != nil {
		return nil, err
	}
	cookies, err := w.readPairs(o.Get("cookies"), "response.cookies")
	if err != nil {
		return nil, err
	}
	var before http.Header
	if w.event.Response != nil {
		before = w.event.Response.Header
	}
	if same(cookies, parseSetCookies(before["Set-Cookie"])) {
		if lines := before["Set-Cookie"]; len(lines) > 0 {
			out.Header["Set-Cookie"] = slices.Concat(lines, out.Header["Set-Cookie"])
		}
	} else {
		out.Header["Set-Cookie"] = append(out.Header["Set-Cookie"], joinSetCookies(cookies)...)
	}
	if problem := checkHeaders(before, out.Header, w.event.Response != nil); problem != nil {
		return nil, problem
	}
	if out.Body, err = readBody(o.Get("body")); err != nil {
		return nil, err
	}
	if out.Status == http.StatusNoContent && len(out.Body) > 0 {
		return nil, badResult("a response with status 204 has a body")
	}
	return out, nil
}

// readBody reads a body: a string, or {encoding: "text"|"base64", data}.
func readBody(v goja.Value) ([]byte, error) {
	if !defined(v) {
		return nil, nil
	}
	data, encoding := v, "text"
	if o, ok := v.(*goja.Object); ok {
		data = o.Get("data")
		if e := o.Get("encoding"); defined(e) {
			encoding = e.String()
		}
	}
	s, ok := text(data)
	if !ok {
		return nil, badResult("response.body is neither a string nor {encoding, data}")
	}
	body := []byte(s)
	switch encoding {
	case "text":
	case "base64":
		var err error
		if body, err = base64.StdEncoding.DecodeString(s); err != nil {
			return nil, badResult("response.body.data is not in base64")
		}
	default:
		return nil, badResult("response.body.encoding %q is neither text nor base64", encoding)
	}
	if len(body) > MaxBody {
		return nil, badResult("response.body has %d bytes, at most %d are allowed", len(body), MaxBody)
	}
	return body, nil
}

// text returns a string or a number as text.
func text(v goja.Value) (string, bool) {
	if _, object := v.(*goja.Object); object || !defined(v) {
		return "", false
	}
	return v.String(), true
}

// readPairs reads {name: {value, attributes, multiValue}}; absent is none. An entry that has multiValue is those values.
func (w *world) readPairs(v goja.Value, where string) ([]pair, error) {
	if !defined(v) {
		return nil, nil
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, badResult("%s is not an object", where)
	}
	var list []pair
	for _, name := range o.Keys() {
		entry := o.Get(name)
		if !defined(entry) {
			continue // deleted by setting it to undefined or null
		}
		values, ok := w.readValues(entry)
		if !ok {
			return nil, badResult("%s.%s is not {value: string}", where, name)
		}
		list = append(list, pair{name, values})
	}
	return list, nil
}

func (w *world) readValues(v goja.Value) ([]value, bool) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	if multi, ok := o.Get("multiValue").(*goja.Object); ok && multi.ClassName() == "Array" {
		var values []value
		for _, i := range multi.Keys() {
			one, ok := multi.Get(i).(*goja.Object)
			if !ok {
				return nil, false
			}
			v, ok := readValue(one)
			if !ok {
				return nil, false
			}
			values = append(values, v)
		}
		if len(values) > 0 {
			// One value that was changed beside an array that was not: the change is what was meant.
			if first, ok := readValue(o); ok && len(values) == 1 {
				values[0] = first
			}
			return values, true
		}
	}
	one, ok := readValue(o)
	return []value{one}, ok
}

func readValue(o *goja.Object) (value, bool) {
	s, ok := text(o.Get("value"))
	v := value{value: s}
	if a := o.Get("attributes"); defined(a) {
		v.attributes = a.String()
	}
	return v, ok
}

func (w *world) readHeaders(v goja.Value, where string) (http.Header, error) {
	list, err := w.readPairs(v, where)
	if err != nil {
		return nil, err
	}
	h := make(http.Header, len(list)+4)
	for _, p := range list {
		if p.name != strings.ToLower(p.name) {
			// Developer Guide, "event structure": "keys must be in lower case".
			return nil, badResult("%s has the name %q, which is not in lower case", where, p.name)
		}
		name := textproto.CanonicalMIMEHeaderKey(p.name)
		for _, one := range p.values {
			h[name] = append(h[name], one.value)
		}
	}
	return h, nil
}

func same(a, b []pair) bool {
	return slices.EqualFunc(a, b, func(a, b pair) bool { return a.name == b.name && slices.Equal(a.values, b.values) })
}

func joinQuery(list []pair) string {
	var parts []string
	for _, p := range list {
		for _, v := range p.values {
			parts = append(parts, p.name+"="+v.value)
		}
	}
	return strings.Join(parts, "&")
}

func joinCookies(list []pair) string {
	var parts []string
	for _, p := range list {
		for _, v := range p.values {
			parts = append(parts, p.name+"="+v.value)
		}
	}
	return strings.Join(parts, "; ")
}

func joinSetCookies(list []pair) []string {
	var lines []string
	for _, p := range list {
		for _, v := range p.values {
			line := p.name + "=" + v.value
			if v.attributes != "" {
				line += "; " + v.attributes
			}
			lines = append(lines, line)
		}
	}
	return lines
}
