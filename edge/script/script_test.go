package script

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// viewerRequest is the request event of the tests; the guide's own example, shortened.
func viewerRequest() *Event {
	return &Event{
		DistributionDomainName: "d111111abcdef8.cloudfront.net", DistributionID: "EDFDVBD6EXAMPLE", RequestID: "EXAMPLEntjQpEXAMPLE==", ViewerIP: "1.2.3.4",
		Request: Request{
			Method: "GET", URI: "/media/index.mpd", RawQuery: "ID=42&NoValue=&querymv=val1&querymv=val2%2Cval3",
			Header: http.Header{
				"Host": {"video.example.com"}, "Accept": {"application/json", "text/html"}, "Cookie": {"id=CookieIdValue; loggedIn=false"},
				"X-Forwarded-Proto": {"https"}, "X-Amz-Cf-Id": {"hidden"},
			},
		},
		Edge: EdgeLocation{Name: "SEA", ServerIP: "1.2.3.4"},
	}
}

func viewerResponse() *Event {
	e := viewerRequest()
	e.Response = &Response{
		Status: 200, Description: "OK",
		Header: http.Header{
			"Content-Type": {"video/mp4"}, "Via": {"1.1 x"}, "X-Cache": {"Hit from cloudfront"},
			"Set-Cookie": {"ID=id1234; Expires=Wed, 05 Apr 2021 07:28:00 GMT", "C=val1; Secure", "C=val2; Path=/"},
		},
	}
	return e
}

func compile(t testing.TB, runtime, code string) *Function {
	t.Helper()
	// A budget that a busy machine keeps.
	f, err := New(Config{Runtime: runtime, Code: []byte(code), Budget: 5 * time.Second, Stores: map[string]KeyValueStore{"store-1": mapStore{"a": "b", "json": `{"n":[1]}`}}})
	if err != nil {
		t.Fatalf("New(%s): %v", code, err)
	}
	t.Cleanup(f.Close)
	return f
}

// mapStore is a KeyValueStore.
type mapStore map[string]string

func (m mapStore) Get(key string) (string, bool) { v, ok := m[key]; return v, ok }
func (m mapStore) Info() StoreInfo {
	return StoreInfo{Created: time.Unix(1_700_000_000, 0), Updated: time.Unix(1_800_000_000, 0), Keys: len(m)}
}

// The event has exactly the members of "CloudFront Functions event structure", in the shapes of its example.
func TestEvent(t *testing.T) {
	t.Parallel()
	print := "function handler(event) { console.log(JSON.stringify(event)); return event.response || event.request; }"
	for _, c := range []struct {
		name  string
		event *Event
		want  string
	}{
		{"viewer-request", viewerRequest(), `{"version":"1.0","context":{"distributionDomainName":"d111111abcdef8.cloudfront.net","distributionId":"EDFDVBD6EXAMPLE",` +
			`"eventType":"viewer-request","requestId":"EXAMPLEntjQpEXAMPLE=="},"viewer":{"ip":"1.2.3.4"},"request":{"method":"GET","uri":"/media/index.mpd",` +
			`"querystring":{"ID":{"value":"42"},"NoValue":{"value":""},"querymv":{"value":"val1","multiValue":[{"value":"val1"},{"value":"val2%2Cval3"}]}},` +
			`"headers":{"accept":{"value":"application/json","multiValue":[{"value":"application/json"},{"value":"text/html"}]},"host":{"value":"video.example.com"}},` +
			`"cookies":{"id":{"value":"CookieIdValue"},"loggedIn":{"value":"false"}}}}`},
		{"viewer-response", viewerResponse(), `{"version":"1.0","context":{"distributionDomainName":"d111111abcdef8.cloudfront.net","distributionId":"EDFDVBD6EXAMPLE",` +
			`"eventType":"viewer-response","requestId":"EXAMPLEntjQpEXAMPLE=="},"viewer":{"ip":"1.2.3.4"},"request":{"method":"GET","uri":"/media/index.mpd",` +
			`"querystring":{"ID":{"value":"42"},"NoValue":{"value":""},"querymv":{"value":"val1","multiValue":[{"value":"val1"},{"value":"val2%2Cval3"}]}},` +
			`"headers":{"accept":{"value":"application/json","multiValue":[{"value":"application/json"},{"value":"text/html"}]},"host":{"value":"video.example.com"}},` +
			`"cookies":{"id":{"value":"CookieIdValue"},"loggedIn":{"value":"false"}}},"response":{"statusCode":200,"statusDescription":"OK",` +
			`"headers":{"content-type":{"value":"video/mp4"},"via":{"value":"1.1 x"}},"cookies":{"ID":{"value":"id1234","attributes":"Expires=Wed, 05 Apr 2021 07:28:00 GMT"},` +
			`"C":{"value":"val1","attributes":"Secure","multiValue":[{"value":"val1","attributes":"Secure"},{"value":"val2","attributes":"Path=/"}]}}}}`},
	} {
		for _, runtime := range []string{Runtime10, Runtime20} {
			r, err := compile(t, runtime, print).Run(t.Context(), c.event)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if diff := cmp.Diff([]string{c.want}, r.Log); diff != "" {
				t.Errorf("%s in %s: -want +got\n%s", c.name, runtime, diff)
			}
			// A function that changes nothing leaves every byte as it was, what it did not see included.
			if c.event.Response == nil {
				if diff := cmp.Diff(&c.event.Request, r.Request); diff != "" {
					t.Errorf("%s in %s: request: -want +got\n%s", c.name, runtime, diff)
				}
			} else if diff := cmp.Diff(c.event.Response, r.Response); diff != "" {
				t.Errorf("%s in %s: response: -want +got\n%s", c.name, runtime, diff)
			}
		}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	request := func(change func(*Request)) *Result {
		r := viewerRequest().Request
		change(&r)
		return &Result{Request: &r}
	}
	response := func(change func(*Response)) *Result {
		r := viewerResponse().Response
		change(r)
		return &Result{Response: r}
	}
	for _, c := range []struct {
		name  string
		event *Event
		body  string // of handler
		want  *Result
	}{
		{"the path is rewritten", viewerRequest(), "event.request.uri += '.gz'; return event.request", request(func(r *Request) { r.URI = "/media/index.mpd.gz" })},
		{"the query is changed", viewerRequest(), "var q = event.request.querystring; delete q.ID; q.querymv.multiValue.pop(); q.n = {value: 7}; return event.request", request(func(r *Request) {
			r.RawQuery = "NoValue=&querymv=val1&n=7"
		})},
		{"the query is emptied", viewerRequest(), "event.request.querystring = {}; return event.request", request(func(r *Request) { r.RawQuery = "" })},
		{"a header is added, one is dropped", viewerRequest(), "delete event.request.headers.accept; event.request.headers['x-new'] = {value: 'a'}; return event.request", request(func(r *Request) {
			delete(r.Header, "Accept")
			r.Header["X-New"] = []string{"a"}
		})},
		{"cookies are changed", viewerRequest(), "event.request.cookies.id.value = 'x'; delete event.request.cookies.loggedIn; event.request.cookies.n = {value: 'y'}; return event.request", request(func(r *Request) {
			r.Header["Cookie"] = []string{"id=x; n=y"}
		})},
		{"cookies are dropped", viewerRequest(), "event.request.cookies = {}; return event.request", request(func(r *Request) { delete(r.Header, "Cookie") })},
		{"a response is generated", viewerRequest(), "return {statusCode: 302, statusDescription: 'Found', headers: {location: {value: '/a'}}, cookies: {a: {value: 'b', attributes: 'Secure'}}}", &Result{Response: &Response{
			Status: 302, Description: "Found", Header: http.Header{"Location": {"/a"}, "Set-Cookie": {"a=b; Secure"}},
		}}},
		{"a body as a string", viewerRequest(), "return {statusCode: 200, body: 'hi'}", &Result{Response: &Response{Status: 200, Header: http.Header{}, Body: []byte("hi")}}},
		{"a body in base64", viewerRequest(), "return {statusCode: 200, body: {encoding: 'base64', data: 'aGk='}}", &Result{Response: &Response{Status: 200, Header: http.Header{}, Body: []byte("hi")}}},
		{"a header of the response", viewerResponse(), "event.response.headers['x-frame-options'] = {value: 'DENY'}; return event.response", response(func(r *Response) {
			r.Header["X-Frame-Options"] = []string{"DENY"}
		})},
		{"a header with several values", viewerResponse(), "event.response.headers.link = {value: 'a', multiValue: [{value: 'a'}, {value: 'b'}]}; return event.response", response(func(r *Response) {
			r.Header["Link"] = []string{"a", "b"}
		})},
		{"a cookie of the response", viewerResponse(), "event.response.cookies.ID.value = 'x'; return event.response", response(func(r *Response) {
			r.Header["Set-Cookie"] = []string{"ID=x; Expires=Wed, 05 Apr 2021 07:28:00 GMT", "C=val1; Secure", "C=val2; Path=/"}
		})},
		{"another status", viewerResponse(), "event.response.statusCode = 404; event.response.statusDescription = 'Gone'; return event.response", response(func(r *Response) {
			r.Status, r.Description = 404, "Gone"
		})},
		{"a body for the response", viewerResponse(), "event.response.body = 'x'; return event.response", response(func(r *Response) { r.Body = []byte("x") })},
	} {
		r, err := compile(t, Runtime10, "function handler(event) {"+c.body+"}").Run(t.Context(), c.event)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.want.Request, r.Request); diff != "" {
			t.Errorf("%s: request: -want +got\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.want.Response, r.Response); diff != "" {
			t.Errorf("%s: response: -want +got\n%s", c.name, diff)
		}
	}
}

func TestBadResults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		event *Event
		body  string
	}{
		{"nothing", viewerRequest(), ""},
		{"null", viewerRequest(), "return null"},
		{"a string", viewerRequest(), "return 'x'"},
		{"an empty object", viewerRequest(), "return {}"},
		{"a request for a response", viewerResponse(), "return event.request"},
		{"another method", viewerRequest(), "event.request.method = 'PUT'; return event.request"},
		{"no method", viewerRequest(), "delete event.request.method; return event.request"},
		{"a path without /", viewerRequest(), "event.request.uri = 'x'; return event.request"},
		{"a path with a query", viewerRequest(), "event.request.uri = '/x?y'; return event.request"},
		{"a path that is no string", viewerRequest(), "event.request.uri = {}; return event.request"},
		{"a path that is too long", viewerRequest(), "event.request.uri = '/' + 'x'.repeat(8192); return event.request"},
		{"a query with a line break", viewerRequest(), "event.request.querystring.x = {value: 'a\\r\\nb'}; return event.request"},
		{"a header without a value", viewerRequest(), "event.request.headers.x = 'y'; return event.request"},
		{"a header in capitals", viewerRequest(), "event.request.headers['X-Y'] = {value: 'y'}; return event.request"},
		{"a header name that is none", viewerRequest(), "event.request.headers['x y'] = {value: 'y'}; return event.request"},
		{"a header value with a line break", viewerRequest(), "event.request.headers.x = {value: 'a\\r\\nb'}; return event.request"},
		{"headers that are no object", viewerRequest(), "event.request.headers = 'x'; return event.request"},
		{"another host", viewerRequest(), "event.request.headers.host = {value: 'x'}; return event.request"},
		{"no host", viewerRequest(), "delete event.request.headers.host; return event.request"},
		{"a Content-Length", viewerRequest(), "event.request.headers['content-length'] = {value: '1'}; return event.request"},
		{"a header that functions may not add", viewerRequest(), "event.request.headers.connection = {value: 'close'}; return event.request"},
		{"a header of CloudFront's", viewerRequest(), "event.request.headers['x-amz-cf-x'] = {value: '1'}; return event.request"},
		{"another Via", viewerResponse(), "event.response.headers.via = {value: 'x'}; return event.response"},
		{"a status below 200", viewerRequest(), "return {statusCode: 101}"},
		{"a status above 599", viewerRequest(), "return {statusCode: 600}"},
		{"a status that is no number", viewerRequest(), "return {statusCode: 'OK'}"},
		{"a status with a fraction", viewerRequest(), "return {statusCode: 200.5}"},
		{"a description with a line break", viewerRequest(), "return {statusCode: 200, statusDescription: 'a\\nb'}"},
		{"204 with a body", viewerRequest(), "return {statusCode: 204, body: 'x'}"},
		{"a body that is no base64", viewerRequest(), "return {statusCode: 200, body: {encoding: 'base64', data: '!'}}"},
		{"a body in another encoding", viewerRequest(), "return {statusCode: 200, body: {encoding: 'gzip', data: 'x'}}"},
		{"a body that is too long", viewerRequest(), "return {statusCode: 200, body: 'x'.repeat(40961)}"},
	} {
		r, err := compile(t, Runtime20, "function handler(event) {"+c.body+"}").Run(t.Context(), c.event)
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != BadResult {
			t.Errorf("%s: %v, want a bad result", c.name, err)
		}
		if r == nil || r.Request != nil || r.Response != nil {
			t.Errorf("%s: there is a result beside the error: %+v", c.name, r)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, code string
		kind       Kind
		text       string // in the message
	}{
		{"a throw", "function handler(e) {\n  throw new Error('boom') }", Threw, "boom"},
		{"its place", "function handler(e) {\n  throw new Error('boom') }", Threw, "function:2"},
		{"a rejected promise", "async function handler(e) { await null; throw new TypeError('late') }", Threw, "late"},
		{"a promise that stays open", "function handler(e) { return new Promise(function () {}) }", Threw, "never settled"},
		{"an endless loop", "function handler(e) { while (true) {} }", TimedOut, ""},
		{"an endless chain of promises", "async function handler(e) { while (true) await null }", TimedOut, ""},
		{"a loop that catches everything", "function handler(e) { while (true) { try { while (true) {} } catch (x) {} } }", TimedOut, ""},
		{"endless recursion", "function handler(e) { return handler(e) }", Threw, "stack"},
		{"eval", "function handler(e) { eval('1') }", Threw, "eval"},
		{"an indirect eval", "function handler(e) { (0, globalThis.eval)('1') }", Threw, "eval"},
		{"Function", "function handler(e) { return new Function('return 1')() }", Threw, "constructor"},
		{"Function without new", "function handler(e) { return Function('return 1')() }", Threw, "strings"},
		{"Function by the back door", "function handler(e) { return (function () {}).constructor('return 1')() }", Threw, "strings"},
		{"an async function of text", "function handler(e) { return (async function () {}).constructor('return 1')() }", Threw, "strings"},
		{"a generator of text", "function handler(e) { return (function * () {}).constructor('return 1')() }", Threw, "strings"},
		{"timers", "function handler(e) { setTimeout(handler, 1) }", Threw, "setTimeout"},
		{"network", "function handler(e) { fetch('https://a.example') }", Threw, "fetch"},
		{"processes", "function handler(e) { process.exit() }", Threw, "process"},
		{"files", "function handler(e) { require('fs') }", Threw, "Cannot find module"},
		{"too long a string", "function handler(e) { 'x'.repeat(1e9) }", Threw, "memory"},
		{"too large a Buffer", "function handler(e) { Buffer.alloc(1e9) }", Threw, "memory"},
		{"a getter that throws", "function handler(e) { return { get statusCode() { throw new Error('got') } } }", Threw, "got"},
		{"a proxy that never answers", "function handler(e) { return new Proxy({}, { get: function () { while (true) {} } }) }", TimedOut, ""},
	} {
		f, err := New(Config{Runtime: Runtime20, Code: []byte(c.code), Budget: 200 * time.Millisecond})
		if err != nil {
			t.Errorf("%s: New: %v", c.name, err)
			continue
		}
		t.Cleanup(f.Close)
		r, err := f.Run(t.Context(), viewerRequest())
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Kind != c.kind || !strings.Contains(e.Message, c.text) {
			t.Errorf("%s: %v, want kind %d with %q", c.name, err, c.kind, c.text)
		}
		if c.kind == TimedOut && r.Utilization != 100 {
			t.Errorf("%s: utilization %d, want 100", c.name, r.Utilization)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"a syntax error":                 {Runtime: Runtime20, Code: []byte("function handler( {")},
		"no handler":                     {Runtime: Runtime20, Code: []byte("var x = 1")},
		"a handler that is no function":  {Runtime: Runtime20, Code: []byte("var handler = 1")},
		"a throw while loading":          {Runtime: Runtime20, Code: []byte("throw new Error('x')")},
		"a loop while loading":           {Runtime: Runtime20, Code: []byte("while (true) {}")},
		"a module of 2.0 in 1.0":         {Runtime: Runtime10, Code: []byte("var b = require('buffer'); function handler() {}")},
		"an import of what is no module": {Runtime: Runtime20, Code: []byte("import fs from 'fs';\nfunction handler() {}")},
		"too much code":                  {Runtime: Runtime20, Code: []byte("function handler() {}" + strings.Repeat(" ", MaxCode))},
	} {
		_, err := New(cfg)
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != Invalid {
			t.Errorf("%s: New = %v, want an invalid function", name, err)
		}
	}
	if _, err := New(Config{Runtime: "cloudfront-js-9.0", Code: []byte("function handler() {}")}); err == nil {
		t.Error("an unknown runtime is taken")
	}
}

// Nothing of one viewer's call may be seen by another's.
func TestCallsShareNothing(t *testing.T) {
	t.Parallel()
	f := compile(t, Runtime20, `
		let seen = 0
		function handler(event) {
			seen++; globalThis.n = (globalThis.n || 0) + 1; Object.prototype.leak = (Object.prototype.leak || 0) + 1
			console.log(seen + ',' + n + ',' + ({}).leak)
			delete Object.prototype.leak
			return event.request
		}`)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			r, err := f.Run(t.Context(), viewerRequest())
			if err != nil || len(r.Log) != 1 || r.Log[0] != "1,1,1" {
				t.Errorf("log %q, %v, want 1,1,1", r.Log, err)
			}
		})
	}
	all.Wait()
}

func TestRunWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	f := compile(t, Runtime20, "function handler(event) { return event.request }")
	for range cap(f.gate) {
		f.gate <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Run(ctx, viewerRequest()); !errors.Is(err, context.Canceled) {
		t.Errorf("Run while all turns are taken = %v, want the context's error", err)
	}
	<-f.gate
	if _, err := f.Run(t.Context(), viewerRequest()); err != nil {
		t.Errorf("Run with a free turn: %v", err)
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	f := compile(t, Runtime20, "function handler(event) { for (let i = 0; i < 50; i++) console.log('x'.repeat(999), {a: [1]}); return event.request }")
	r, err := f.Run(t.Context(), viewerRequest())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Join(r.Log, "")); n != MaxLog {
		t.Errorf("log of %d bytes, want %d", n, MaxLog)
	}
	if !strings.HasSuffix(r.Log[0], `x {"a":[1]}`) {
		t.Errorf("first line ends %q", r.Log[0][990:])
	}
}

func BenchmarkRun(b *testing.B) {
	for name, code := range map[string]string{
		"unchanged": "function handler(event) { return event.request }",
		"rewrite":   "function handler(event) { var r = event.request; if (r.uri.endsWith('/')) r.uri += 'index.html'; r.headers['x-a'] = {value: 'b'}; return r }",
		"hmac":      "import crypto from 'crypto'\nfunction handler(event) { event.request.headers['x-a'] = {value: crypto.createHmac('sha256', 'k').update(event.request.uri).digest('base64url')}; return event.request }",
		"buffer":    "function handler(event) { event.request.headers['x-a'] = {value: Buffer.from('aGk', 'base64url').toString()}; return event.request }",
		"kvs":       "import cf from 'cloudfront'\nconst kvs = cf.kvs()\nasync function handler(event) { event.request.uri = '/' + await kvs.get('a'); return event.request }",
	} {
		f, e := compile(b, Runtime20, code), viewerRequest()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			warm := time.Duration(0) // what a call takes that finds a world ready
			for b.Loop() {
				f.refills.Wait()
				start := time.Now()
				if _, err := f.Run(context.Background(), e); err != nil {
					b.Fatal(err)
				}
				warm += time.Since(start)
			}
			b.ReportMetric(float64(warm.Nanoseconds())/float64(b.N), "ns/warm-call")
		})
	}
}
