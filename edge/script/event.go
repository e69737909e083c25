package script

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dop251/goja"
)

// Event is what a function is called with.
type Event struct {
	DistributionDomainName, DistributionID, RequestID string
	ViewerIP                                          string
	Request                                           Request
	// Response makes it a viewer-response event; nil makes it a viewer-request event.
	Response *Response
	// Edge is where it runs (cf.edgeLocation, viewer-request only).
	Edge EdgeLocation
}

// EdgeLocation is what cf.edgeLocation says; fields that are "" are left out.
type EdgeLocation struct{ Name, ServerIP, Region string }

// Request is a viewer's request. Names in Header are canonical; Cookie is among them.
type Request struct {
	Method string
	// URI is the path as received, with its escapes.
	URI string
	// RawQuery is what follows "?"; ForceQuery tells that there is a "?" though RawQuery is "".
	RawQuery   string
	ForceQuery bool
	Header     http.Header
}

// Response is a response to the viewer. Names in Header are canonical; Set-Cookie is among them.
type Response struct {
	Status      int
	Description string // "" for none
	Header      http.Header
	// Body is the body that the function made. nil: it made none; a viewer-response function then leaves the one that is there.
	Body []byte
}

// eventObject builds the event. CloudFront Developer Guide, "CloudFront Functions event structure".
func (w *world) eventObject() *goja.Object {
	e := w.event
	o := w.vm.NewObject()
	setMember(o, "version", "1.0")
	kind := "viewer-request"
	if e.Response != nil {
		kind = "viewer-response"
	}
	ctx := w.vm.NewObject()
	setMember(ctx, "distributionDomainName", e.DistributionDomainName)
	setMember(ctx, "distributionId", e.DistributionID)
	setMember(ctx, "eventType", kind)
	setMember(ctx, "requestId", e.RequestID)
	setMember(o, "context", ctx)
	viewer := w.vm.NewObject()
	setMember(viewer, "ip", e.ViewerIP)
	setMember(o, "viewer", viewer)
	setMember(o, "request", w.requestObject(&e.Request))
	if e.Response != nil {
		setMember(o, "response", w.responseObject(e.Response))
	}
	return o
}

func (w *world) requestObject(r *Request) *goja.Object {
	o := w.vm.NewObject()
	setMember(o, "method", r.Method)
	setMember(o, "uri", r.URI)
	setMember(o, "querystring", w.pairs(parseQuery(r.RawQuery)))
	setMember(o, "headers", w.headers(r.Header, "Cookie"))
	setMember(o, "cookies", w.pairs(parseCookies(r.Header["Cookie"])))
	if w.fn.cfg.Runtime == Runtime20 { // Developer Guide, "General helper methods"
		raw := func(goja.FunctionCall) goja.Value {
			if r.RawQuery == "" && !r.ForceQuery {
				return goja.Undefined()
			}
			return w.vm.ToValue(r.RawQuery)
		}
		setFixed(o, "rawQueryString", w.vm.ToValue(raw), false)
	}
	return o
}

func (w *world) responseObject(r *Response) *goja.Object {
	o := w.vm.NewObject()
	setMember(o, "statusCode", r.Status)
	setMember(o, "statusDescription", r.Description)
	setMember(o, "headers", w.headers(r.Header, "Set-Cookie"))
	setMember(o, "cookies", w.pairs(parseSetCookies(r.Header["Set-Cookie"])))
	return o
}

// pair is a name with its values, in the order of appearance.
type pair struct {
	name   string
	values []value
}

type value struct{ value, attributes string }

// pairs builds {name: {value, multiValue: [{value}]}}. multiValue is there when there is more than one value; value is the first.
func (w *world) pairs(list []pair) *goja.Object {
	o := w.vm.NewObject()
	for _, p := range list {
		v := w.valueObject(p.values[0])
		if len(p.values) > 1 {
			all := make([]any, len(p.values))
			for i, one := range p.values {
				all[i] = w.valueObject(one)
			}
			setMember(v, "multiValue", w.vm.NewArray(all...))
		}
		setMember(o, p.name, v)
	}
	return o
}

func (w *world) valueObject(v value) *goja.Object {
	o := w.vm.NewObject()
	setMember(o, "value", v.value)
	if v.attributes != "" {
		setMember(o, "attributes", v.attributes)
	}
	return o
}

// headers builds the headers object: names in lower case, without those that functions do not see and without cookies, which
// have an object of their own.
func (w *world) headers(h http.Header, cookie string) *goja.Object {
	names := make([]string, 0, len(h))
	for name, lines := range h {
		if name != cookie && len(lines) > 0 && !hidden(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	list := make([]pair, len(names))
	for i, name := range names {
		list[i] = pair{strings.ToLower(name), make([]value, len(h[name]))}
		for j, line := range h[name] {
			list[i].values[j] = value{value: line}
		}
	}
	return w.pairs(list)
}

// add appends a value to the pair of that name.
func add(list []pair, name string, v value) []pair {
	for i := range list {
		if list[i].name == name {
			list[i].values = append(list[i].values, v)
			return list
		}
	}
	return append(list, pair{name, []value{v}})
}

// parseQuery splits a query string; names and values stay escaped as they are.
func parseQuery(raw string) []pair {
	var list []pair
	if raw == "" {
		return nil
	}
	for part := range strings.SplitSeq(raw, "&") {
		name, v, _ := strings.Cut(part, "=")
		list = add(list, name, value{value: v})
	}
	return list
}

func parseCookies(lines []string) []pair {
	var list []pair
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			if part = strings.Trim(part, " \t"); part != "" {
				name, v, _ := strings.Cut(part, "=")
				list = add(list, name, value{value: v})
			}
		}
	}
	return list
}

func parseSetCookies(lines []string) []pair {
	var list []pair
	for _, line := range lines {
		first, attributes, _ := strings.Cut(line, ";")
		name, v, _ := strings.Cut(first, "=")
		list = add(list, strings.Trim(name, " \t"), value{strings.Trim(v, " \t"), strings.Trim(attributes, " \t")})
	}
	return list
}
