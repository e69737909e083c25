package edge

import (
	"strings"
	"sync"
	"testing"

	"glassine/aws/fault"
	"glassine/edge/script"
)

// attach makes, publishes and associates a CloudFront function, and returns what PublishFunction did.
func (st *stage) attach(t *testing.T, event, code string) Function {
	t.Helper()
	ctx := t.Context()
	f, err := st.CreateFunction(ctx, st.root, "at-"+event, FunctionConfig{Runtime: script.Runtime20}, []byte(code), nil)
	if err != nil {
		t.Fatal(err)
	}
	live, err := st.PublishFunction(ctx, st.root, f.Name, f.ETag)
	if err != nil {
		t.Fatal(err)
	}
	st.reconfigure(t, func(d *DistributionConfig) {
		b := &d.DefaultCacheBehavior
		b.Functions = append(b.Functions, FunctionAssociation{f.ARN, event})
	})
	return live
}

func (st *stage) reconfigure(t *testing.T, change func(*DistributionConfig)) {
	t.Helper()
	d, err := st.GetDistribution(t.Context(), st.root, st.dist.ID)
	if err != nil {
		t.Fatal(err)
	}
	change(&d.Config)
	if _, err := st.UpdateDistribution(t.Context(), st.root, d.ID, d.ETag, d.Config); err != nil {
		t.Fatal(err)
	}
}

func TestCloudFrontFunctions(t *testing.T) {
	failed := want{status: 503, xCache: "FunctionExecutionError", detail: "FunctionExecutionError", fields: map[string]string{"X-Origin": ""}}
	handler := func(body string) string { return "function handler(event) { " + body + " }" }
	for _, row := range []struct {
		name              string
		request, response string // code
		steps             []step
		asked             string // of the origin; "-" nothing
	}{
		{
			"viewer-request changes path, query and header before the key is made",
			handler(`var r = event.request; r.uri = '/b'; r.querystring = {y: {value: '2'}}; r.headers['x-key'] = {value: 'made'}; return r;`), "",
			[]step{{"GET /a?x=1", want{xCache: "Miss", body: "GET /b?y=2 X-Key=made"}}, {"GET /c", want{xCache: "Hit", body: "GET /b?y=2 X-Key=made"}}},
			"GET /b?y=2 X-Key=made",
		},
		{
			"a request that is left alone stays as it came", handler(`return event.request;`), "",
			[]step{{"GET /a%2fb//?q=%7e&b&q=2", want{xCache: "Miss", body: "GET /a%2fb//?q=%7e&b&q=2"}}, {"POST /a\n\nbody", want{body: "POST /a 4:body"}}},
			"",
		},
		{
			"a response that it makes is not cached",
			handler(`return {statusCode: 302, statusDescription: 'Found', headers: {location: {value: event.request.uri + '/x'}}, cookies: {a: {value: 'b', attributes: 'Secure'}}};`), "",
			[]step{
				{"GET /a", want{status: 302, xCache: "FunctionGeneratedResponse", detail: "FunctionGeneratedResponse", body: "-", fields: map[string]string{"Location": "/a/x", "Set-Cookie": "a=b; Secure"}}},
				{"GET /a", want{status: 302, xCache: "FunctionGeneratedResponse"}},
			},
			"-",
		},
		{
			"with a body", handler(`return {statusCode: 403, body: {encoding: 'base64', data: 'aGk='}};`), "",
			[]step{{"GET /a", want{status: 403, xCache: "FunctionGeneratedResponse", body: "hi"}}, {"HEAD /a", want{status: 403, body: "-", fields: map[string]string{"Content-Length": "2"}}}},
			"-",
		},
		{
			"and viewer-response does not see it", handler(`return {statusCode: 200};`), handler(`event.response.headers['x-by'] = {value: 'v'}; return event.response;`),
			[]step{{"GET /a", want{status: 200, fields: map[string]string{"X-By": ""}}}},
			"-",
		},
		{
			"viewer-response changes the header of hits and misses", "",
			handler(`var r = event.response; r.headers['x-by'] = {value: event.request.uri + ' ' + r.statusCode + ' ' + event.context.eventType}; delete r.headers['x-origin']; return r;`),
			[]step{
				{"GET /a", want{xCache: "Miss", body: "GET /a", fields: map[string]string{"X-By": "/a 200 viewer-response", "X-Origin": "", "Content-Length": "6"}}},
				{"GET /a", want{xCache: "Hit", body: "GET /a", fields: map[string]string{"X-By": "/a 200 viewer-response"}}},
				{"GET /a\nRange: bytes=0-2", want{status: 206, body: "GET", fields: map[string]string{"X-By": "/a 206 viewer-response"}}},
			},
			"GET /a",
		},
		{
			"status and body too", "", handler(`event.response.statusCode = 201; if (event.request.uri === '/b') event.response.body = 'mine'; return event.response;`),
			[]step{{"GET /a", want{status: 201, body: "GET /a"}}, {"GET /b", want{status: 201, body: "mine", fields: map[string]string{"Content-Length": "4"}}}},
			"",
		},
		{
			"it does not run for errors of the origin", "", handler(`throw new Error('no');`),
			[]step{{"GET /missing", want{status: 404, xCache: "Error"}}, {"GET /a", failed}},
			"",
		},
		{"a function that throws", handler(`throw new Error('boom');`), "", []step{{"GET /a", failed}}, "-"},
		{"a function that never ends", handler(`for (;;) {}`), "", []step{{"GET /a", failed}}, "-"},
		{"a function that returns nothing", handler(``), "", []step{{"GET /a", failed}}, "-"},
		{"a function that changes Host", handler(`event.request.headers.host = {value: 'x'}; return event.request;`), "", []step{{"GET /a", failed}}, "-"},
		{"a function that makes a control character", handler(`event.request.headers['x-key'] = {value: 'a\x01b'}; return event.request;`), "", []step{{"GET /a", failed}}, "-"},
		{"a function that makes a uri with one", handler(`event.request.uri = '/a\x01'; return event.request;`), "", []step{{"GET /a", failed}}, "-"},
		{"a function that makes a 304 with a body", "", handler(`event.response.statusCode = 304; event.response.body = 'x'; return event.response;`), []step{{"GET /a", failed}}, ""},
		{"a function that makes too long a header", "", handler(`event.response.headers['x-a'] = {value: 'x'.repeat(21000)}; return event.response;`), []step{{"GET /a", failed}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			st := newStage(t, nil, false, nil)
			if row.request != "" {
				st.attach(t, "viewer-request", row.request)
			}
			if row.response != "" {
				st.attach(t, "viewer-response", row.response)
			}
			for _, s := range row.steps {
				line, _, _ := strings.Cut(s.ask, "\n")
				a, log := st.ask(t, s.ask)
				s.want.check(t, line, a, log)
				if s.want.status == 503 && !strings.Contains(a.body, "The CloudFront function associated with the CloudFront distribution is invalid or could not run.") {
					t.Errorf("page: %s", a.body)
				}
			}
			if row.asked != "" && st.asked() != strings.Trim(row.asked, "-") {
				t.Errorf("the origin was asked %q, want %q", st.asked(), row.asked)
			}
		})
	}
}

func TestLiveStageOfAFunctionRunsFromItsPublicationOn(t *testing.T) {
	st := newStage(t, nil, false, nil)
	code := func(s string) string {
		return `function handler(event) { console.log('this is ` + s + `'); return {statusCode: 200, body: '` + s + `'}; }`
	}
	st.attach(t, "viewer-request", code("one"))
	is := func(want, when string) {
		t.Helper()
		if a, _ := st.ask(t, "GET /a"); a.body != want {
			t.Errorf("%s: %q, want %q", when, a.body, want)
		}
	}
	is("one", "first")
	ctx := t.Context()
	dev, err := st.GetFunction(ctx, st.root, "at-viewer-request", StageDevelopment)
	if err != nil {
		t.Fatal(err)
	}
	if dev, err = st.UpdateFunction(ctx, st.root, dev.Name, dev.ETag, FunctionConfig{Runtime: script.Runtime20}, []byte(code("two"))); err != nil {
		t.Fatal(err)
	}
	is("one", "after an update of the development stage")

	// Requests while it is published get one or the other.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if a := st.get("/a"); a.body != "one" && a.body != "two" {
					t.Errorf("while it is published: %d %q", a.status, a.body)
				}
				<-st.lines
			}
		})
	}
	if _, err = st.PublishFunction(ctx, st.root, dev.Name, dev.ETag); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	is("two", "after it was published")
	if err := st.DeleteFunction(ctx, st.root, dev.Name, dev.ETag); fault.Code(err) != "FunctionInUse" {
		t.Errorf("delete of a function in use: %v", err)
	}
	again, err := New(ctx, st.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	old := st.Edge
	st.Edge = again
	if a := st.get("/a"); a.body != "two" {
		t.Errorf("after a restart: %q", a.body)
	}
	<-st.lines
	st.Edge = old
	log := st.logs.of("/aws/cloudfront/function/at-viewer-request")
	for _, want := range []string{" START DistributionID: " + st.dist.ID + "\n", " this is one\n", " this is two\n", " END"} {
		if !strings.Contains(log, want) {
			t.Errorf("the function's log has no %q: %.500q", want, log)
		}
	}
	st.reconfigure(t, func(d *DistributionConfig) { d.DefaultCacheBehavior.Functions = nil })
	is("GET /a", "without a function")
}

// A request may have its behavior from a configuration that was replaced, and find the function closed.
func TestRequestOfAReplacedConfigurationRunsTheFunctionItFound(t *testing.T) {
	st := newStage(t, nil, false, nil)
	st.attach(t, "viewer-request", `function handler(event) { return {statusCode: 200, body: 'old'}; }`)
	late := st.routes.Load().site(st.dist.DomainName).behavior("/").triggers.scriptRequest
	st.reconfigure(t, func(d *DistributionConfig) { d.DefaultCacheBehavior.Functions = nil })
	if n := late.references.Load(); n != 0 {
		t.Fatalf("%d references are left of a function that nothing uses", n)
	}
	r, err := late.run(t.Context(), &script.Event{Request: script.Request{Method: "GET", URI: "/"}})
	if err != nil || r.Response == nil || string(r.Response.Body) != "old" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAssociationsOfCloudFrontFunctionsThatAreRefused(t *testing.T) {
	st := newStage(t, functions{"viewer-response": pass("response", nil)}, false, nil)
	ctx := t.Context()
	f, err := st.CreateFunction(ctx, st.root, "f", FunctionConfig{Runtime: script.Runtime10}, []byte(`function handler(e) { return e.request; }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	try := func(name, want string, event ...string) {
		t.Helper()
		d, err := st.GetDistribution(ctx, st.root, st.dist.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range event {
			d.Config.DefaultCacheBehavior.Functions = append(d.Config.DefaultCacheBehavior.Functions, FunctionAssociation{f.ARN, e})
		}
		if _, err := st.UpdateDistribution(ctx, st.root, d.ID, d.ETag, d.Config); fault.Code(err) != want {
			t.Errorf("%s: %v, want code %q", name, err, want)
		}
	}
	try("one that was never published", "InvalidFunctionAssociation", "viewer-request")
	if _, err := st.PublishFunction(ctx, st.root, "f", f.ETag); err != nil {
		t.Fatal(err)
	}
	try("beside Lambda@Edge at a viewer's event", "InvalidFunctionAssociation", "viewer-request")
	st.reconfigure(t, func(d *DistributionConfig) { d.DefaultCacheBehavior.LambdaFunctions[0].EventType = "origin-request" })
	try("at an origin's event", "InvalidFunctionAssociation", "origin-request")
	try("twice at one event", "InvalidFunctionAssociation", "viewer-request", "viewer-request")
	try("beside Lambda@Edge at an origin's event", "", "viewer-request", "viewer-response")
}
