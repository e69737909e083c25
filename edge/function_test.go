package edge

import (
	"encoding/json"
	"strings"
	"testing"

	"glassine/aws/fault"
)

const plainFunction = `function handler(event) { var r = event.request; console.log('uri ' + r.uri); r.uri = '/made' + r.uri; return r; }`

func TestFunctionLivesInItsStages(t *testing.T) {
	inBubble(t, setup{origin: always(200, "ok")}, func(t *testing.T, rg *rig) {
		ctx := t.Context()
		code := func(what, want string, err error) {
			t.Helper()
			if fault.Code(err) != want || want == "" && err != nil {
				t.Errorf("%s: err = %v, want code %q", what, err, want)
			}
		}
		cfg := FunctionConfig{Comment: "c", Runtime: "cloudfront-js-2.0"}
		f, err := rg.CreateFunction(ctx, rg.root, "make", cfg, []byte(plainFunction), []Tag{{"a", "b"}})
		if err != nil || f.Stage != StageDevelopment || f.Status != "UNPUBLISHED" || f.ARN != "arn:aws:cloudfront::"+account+":function/make" {
			t.Fatalf("%+v, %v", f, err)
		}
		_, err = rg.CreateFunction(ctx, rg.root, "make", cfg, []byte(plainFunction), nil)
		code("the name again", "FunctionAlreadyExists", err)
		_, err = rg.CreateFunction(ctx, rg.root, "a b", cfg, []byte(plainFunction), nil)
		code("a name with a blank", "InvalidArgument", err)
		_, err = rg.CreateFunction(ctx, rg.root, "long", cfg, []byte(strings.Repeat(" ", 10241)), nil)
		code("too much code", "FunctionSizeLimitExceeded", err)
		_, err = rg.CreateFunction(ctx, rg.root, "old", FunctionConfig{Runtime: "cloudfront-js-0.9"}, []byte("x"), nil)
		code("a runtime that there is not", "InvalidArgument", err)
		_, err = rg.CreateFunction(ctx, rg.root, "kvs", FunctionConfig{Runtime: "cloudfront-js-2.0", KeyValueStores: []string{"arn"}}, []byte("x"), nil)
		code("a key value store", "NotImplemented", err)
		tags, err := rg.TagsOf(ctx, rg.root, f.ARN)
		if err != nil || len(tags) != 1 || tags[0] != (Tag{"a", "b"}) {
			t.Errorf("tags %v, %v", tags, err)
		}
		_, err = rg.GetFunction(ctx, rg.root, "make", StageLive)
		code("the live stage before it was published", "NoSuchFunctionExists", err)
		_, err = rg.PublishFunction(ctx, rg.root, "make", "E0")
		code("publishing another version", "PreconditionFailed", err)
		live, err := rg.PublishFunction(ctx, rg.root, "make", f.ETag)
		if err != nil || live.Stage != StageLive || live.Status != "UNASSOCIATED" {
			t.Fatalf("%+v, %v", live, err)
		}
		newer, err := rg.UpdateFunction(ctx, rg.root, "make", f.ETag, cfg, []byte("function handler("))
		if err != nil || newer.ETag == f.ETag {
			t.Fatalf("%+v, %v", newer, err)
		}
		if got, err := rg.GetFunction(ctx, rg.root, "make", StageLive); err != nil || string(got.Code) != plainFunction {
			t.Errorf("the live stage after an update: %q, %v", got.Code, err)
		}
		_, err = rg.PublishFunction(ctx, rg.root, "make", newer.ETag)
		code("publishing what does not compile", "InvalidArgument", err)
		again, err := New(ctx, rg.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if all, err := again.ListFunctions(ctx, rg.root, ""); err != nil || len(all) != 2 {
			t.Errorf("both stages after a restart: %+v, %v", all, err)
		}
		if all, err := rg.ListFunctions(ctx, rg.root, StageLive); err != nil || len(all) != 1 || all[0].Stage != StageLive {
			t.Errorf("live functions: %+v, %v", all, err)
		}
		code("delete of another version", "PreconditionFailed", rg.DeleteFunction(ctx, rg.root, "make", f.ETag))
		code("delete", "", rg.DeleteFunction(ctx, rg.root, "make", newer.ETag))
		_, err = rg.TagsOf(ctx, rg.root, f.ARN)
		code("tags of what is gone", "NoSuchResource", err)
		if left, err := rg.cfg.State.List(ctx, "cloudfront/tags", ""); err != nil || len(left) != 0 {
			t.Errorf("%d records of tags left, %v", len(left), err)
		}
	})
}

func TestFunctionIsTestedOnAnEvent(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok")})
	defer rg.Close()
	for _, test := range []struct {
		name, code, event string
		want              string // of the output, or of the error when it begins with !
		fault             string
	}{
		{"a changed request", plainFunction, `{"version":"1.0","viewer":{"ip":"1.2.3.4"},"request":{"method":"GET","uri":"/a","querystring":{"x":{"value":"1"}},"headers":{"host":{"value":"h"}},"cookies":{"c":{"value":"d"}}}}`, `"uri":"/made/a"`, ""},
		{"its cookies are seen", `function handler(e) { return {statusCode: 200, headers: {x: {value: e.request.cookies.c.value}}}; }`, `{"request":{"method":"GET","uri":"/","cookies":{"c":{"value":"d"}}}}`, `"x":{"value":"d"}`, ""},
		{
			"several values of a parameter", `function handler(e) { return {statusCode: 200, headers: {x: {value: '' + e.request.querystring.a.multiValue.length}}}; }`,
			`{"request":{"method":"GET","uri":"/","querystring":{"a":{"value":"1","multiValue":[{"value":"1"},{"value":"2"}]}}}}`, `"x":{"value":"2"}`, "",
		},
		{"a response", `function handler(e) { e.response.headers['x-a'] = {value: 'b'}; return e.response; }`, `{"request":{"method":"GET","uri":"/"},"response":{"statusCode":200,"headers":{"server":{"value":"s"}}}}`, `"x-a":{"value":"b"}`, ""},
		{"a function that throws", `function handler(e) { throw new Error('no'); }`, `{"request":{"method":"GET","uri":"/"}}`, `!no`, ""},
		{"a function that does not compile", `function handler(`, `{"request":{"method":"GET","uri":"/"}}`, `!not valid`, ""},
		{"an event that is none", plainFunction, `{"request":{}}`, "", "InvalidArgument"},
		{"an event that is no JSON", plainFunction, `{`, "", "InvalidArgument"},
	} {
		f, err := rg.CreateFunction(t.Context(), rg.root, "f", FunctionConfig{Runtime: "cloudfront-js-2.0"}, []byte(test.code), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := rg.TestFunction(t.Context(), rg.root, "f", f.ETag, "", []byte(test.event))
		if fault.Code(err) != test.fault {
			t.Errorf("%s: %v, want %q", test.name, err, test.fault)
		}
		if message, failed := strings.CutPrefix(test.want, "!"); failed {
			if !strings.Contains(got.Error, message) || got.Output != "" {
				t.Errorf("%s: error %q, output %q; want %q", test.name, got.Error, got.Output, message)
			}
		} else if !strings.Contains(got.Output, test.want) || test.want != "" && !json.Valid([]byte(got.Output)) {
			t.Errorf("%s: output %q, error %q; want %q", test.name, got.Output, got.Error, test.want)
		}
		if err := rg.DeleteFunction(t.Context(), rg.root, "f", f.ETag); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzTestEvent(f *testing.F) {
	f.Add(`{"request":{"method":"GET","uri":"/","headers":{"host":{"value":"h","multiValue":[{"value":"a"}]}}},"response":{"statusCode":200}}`)
	f.Add(`{"request":{"method":"GET","uri":"/","cookies":{"":{}}},"response":{"cookies":{"a":{"value":"b","attributes":"Path=/"}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := parseTestEvent([]byte(text)); err == nil && !strings.HasPrefix(e.Request.URI, "/") {
			t.Errorf("%q gave the uri %q", text, e.Request.URI)
		}
	})
}
