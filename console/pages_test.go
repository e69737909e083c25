package console

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"glassine/console/client"
	"glassine/telemetry"
)

const nasty = `<img src=x onerror=alert(1)>"'&`

// fill puts something into every field that v leads to: text that would act if it were not escaped, one element into each
// list. Templates fail when they run, so each is run on a model that has everything.
func fill(v reflect.Value, depth int) {
	if depth > 12 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(nasty)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("{}"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth+1)
			}
		}
	}
}

func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), 0)
	return v
}

// models are the data of each page.
var models = map[string]any{
	"login": loginData{}, "error": nil, "studio": studioData{}, "buckets": []bucketRow{}, "bucket": bucketData{}, "object": objectData{Original: &original{}}, "points": pointsData{}, "point": pointData{},
	"lambdas": lambdasData{}, "functions": functionsData{}, "function": functionData{}, "access": accessData{}, "identity": identityData{}, "policy": "", "explain": explainData{},
	"distributions": []client.Distribution{}, "distribution": distributionData{}, "cachepolicies": []client.CachePolicy{}, "logs": logsData{}, "charts": []chart{}, "stacks": []client.Stack{},
	"stack": stackData{}, "settings": settingsData{}, "requests": requestsData{}, "guide": guideData{}, "changes": changesData{}, "docs": docsData{}, "backup": backupData{},
}

func TestEveryPageShowsEverything(t *testing.T) {
	c := newRig(t)
	for name, parse := range c.pages.all {
		page, err := parse()
		if err != nil {
			t.Error(err)
			continue
		}
		model, ok := models[name]
		if !ok {
			t.Errorf("the page %s has no model here", name)
			continue
		}
		for _, full := range []bool{false, true} {
			v := view{Title: "x", Data: model}
			if full {
				v = filled[view]()
				v.Scripts = []string{"studio.js"}
				v.Theme = "dark"
				if model != nil {
					data := reflect.New(reflect.TypeOf(model)).Elem()
					fill(data, 0)
					v.Data = data.Interface()
				}
			}
			switch d := v.Data.(type) { // AWS's times are longer than what fill writes
			case functionsData:
				if full {
					d.Rows[0].LastModified = "2026-11-26T10:00:00.000+0000"
				}
			case functionData:
				if full {
					d.Versions[0].LastModified = "2026-11-26T10:00:00.000+0000"
				}
			}
			var b bytes.Buffer
			if err := page.ExecuteTemplate(&b, "layout", &v); err != nil {
				t.Errorf("page %s, full %v: %v", name, full, err)
				continue
			}
			if strings.Contains(b.String(), "<img src=x") {
				t.Errorf("page %s shows a stranger's text as HTML", name)
			}
			if strings.Contains(b.String(), "ZgotmplZ") {
				t.Errorf("page %s has a value where html/template lets none be", name)
			}
		}
	}
}

func TestEveryPageIsServed(t *testing.T) {
	for name := range models {
		if _, err := files.ReadFile("templates/" + name + ".html"); err != nil {
			t.Errorf("model without a page: %v", err)
		}
	}
}

func TestGuideStepsAreWhole(t *testing.T) {
	n := guideNames{Bucket: "b", Point: "p", Lambda: "l", Function: "f", Signer: "s", Policy: "c", Account: "123456789012", Region: "eu-west-1"}
	if len(guideSteps) != 8 {
		t.Errorf("%d steps, want the bucket and the seven of the reference solution", len(guideSteps))
	}
	for _, s := range guideSteps {
		commands := s.commands(n)
		if len(commands) == 0 || s.template(n) == "" || s.state == nil || s.do == nil {
			t.Errorf("step %s is not whole", s.Id)
		}
		for _, c := range commands {
			if !strings.Contains(c, "aws ") {
				t.Errorf("step %s has a command that is none of the AWS CLI: %s", s.Id, c)
			}
		}
		for _, f := range s.Fields {
			if n.value(f.Name) == "" {
				t.Errorf("step %s has a field that no name is for: %s", s.Id, f.Name)
			}
		}
	}
}

func TestObjectLambdaOf(t *testing.T) {
	for domain, want := range map[string][2]string{
		"my-point-123456789012.s3-object-lambda.us-east-1.amazonaws.com": {"my-point", ""},
		"my-point-abc--ol-s3.s3.us-east-1.amazonaws.com":                 {"", "my-point-abc--ol-s3"},
		"bucket.s3.us-east-1.amazonaws.com":                              {"", ""},
		"example.com":                                                    {"", ""},
		"-123456789012.s3-object-lambda.us-east-1.amazonaws.com":         {"", ""},
	} {
		name, alias, ok := objectLambdaOf(domain)
		if got := [2]string{name, alias}; got != want || ok != (want != [2]string{}) {
			t.Errorf("objectLambdaOf(%s) = %q %q %v, want %q", domain, name, alias, ok, want)
		}
	}
}

func TestTellingNames(t *testing.T) {
	for name, want := range map[string]bool{
		"IMG_20260331_143022.jpg": true, "a/2026-03-31.png": true, "DSC01234.jpg": false, "sample.jpg": false, "20260331/x.jpg": false, "PXL_20260331_143022123.jpg": true,
	} {
		if got := telling(name) != ""; got != want {
			t.Errorf("telling(%s) = %q", name, telling(name))
		}
	}
}

func TestCutAt(t *testing.T) {
	doc := "line one\nline two\nline three"
	for _, c := range []struct {
		start, end client.Position
		want       string
	}{
		{client.Position{Line: 2, Column: 1}, client.Position{Line: 2, Column: 9}, "line two"},
		{client.Position{Line: 1, Column: 6}, client.Position{Line: 3, Column: 5}, "one\nline two\nline"},
		{client.Position{Line: 9, Column: 9}, client.Position{Line: 1, Column: 1}, ""},
	} {
		before, inside, after := cutAt(doc, c.start, c.end)
		if inside != c.want || before+inside+after != doc {
			t.Errorf("cutAt(%v, %v) = %q %q %q, want %q inside", c.start, c.end, before, inside, after, c.want)
		}
	}
}

// Names come from URLs and forms, and may not lead the console to another host.
func TestConsoleAsksAWSAlone(t *testing.T) {
	rg := newRig(t)
	cookie, _ := rg.login()
	before := len(rg.aws.asked)
	for _, target := range []string{
		"/studio/denied?key=x&bucket=evil.example%2F", "/studio/denied?key=x&bucket=user%3Apass%40evil.example%2F", "/studio/denied?key=x&bucket=evil.example%3A80%2F",
		"/studio/denied?key=x&bucket=evil.example%23",
	} {
		w := rg.do("GET", target, nil, cookie, nil)
		if w.Code != 400 || !strings.Contains(w.Body.String(), "This is no") {
			t.Errorf("%s = %d %s, want 400", target, w.Code, w.Body)
		}
	}
	if got := rg.aws.asked[before:]; len(got) != 0 {
		t.Errorf("asked %q", got)
	}
}

func TestExplainLink(t *testing.T) {
	const message = `User: arn:aws:iam::1:user/a is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::b" because no identity-based policy allows the s3:ListBucket action`
	if got, want := explainLink(message), "/access/explain?action=s3%3AListBucket&principal=arn%3Aaws%3Aiam%3A%3A1%3Auser%2Fa&resource=arn%3Aaws%3As3%3A%3A%3Ab"; got != want {
		t.Errorf("explainLink = %s, want %s", got, want)
	}
	if got := explainLink("Access Denied"); got != "/access/explain" {
		t.Errorf("explainLink of a text that says nothing = %s", got)
	}
}

func TestSummary(t *testing.T) {
	got := summary(telemetry.Trace{RequestID: "id", Facts: []telemetry.Fact{
		{Name: "http.request.method", Value: "GET"},
		{Name: "url.path", Value: "/a.jpg"},
		{Name: "url.query", Value: "width=9"},
		{Name: "http.response.status_code", Value: "502"},
		{Name: "glassine.result", Value: "Error", Why: "the function failed"},
		{Name: "glassine.distribution.id", Value: "E1"},
		{Name: "glassine.time_taken", Value: "0.301 s"},
		{Name: "x", Value: "y"},
	}})
	want := tracedRequest{ID: "id", Method: "GET", Path: "/a.jpg?width=9", Status: "502", Result: "Error", Detail: "the function failed", Distribution: "E1", Took: "0.301", Time: "00:00:00", Class: "bad"}
	if got != want {
		t.Errorf("summary = %+v\nwant      %+v", got, want)
	}
}

func TestRowsOf(t *testing.T) {
	rows := rowsOf(telemetry.Trace{Spans: []telemetry.Span{
		{SpanID: "a", Name: "fetch", Start: 0, Duration: 1000}, {SpanID: "b", ParentID: "a", Name: "origin", Start: 500, Duration: 250}, {SpanID: "c", ParentID: "b", Duration: -1, Start: 1000},
	}})
	for i, want := range []struct {
		depth       int
		from, width float64
	}{{0, 0, 1000}, {1, 500, 250}, {2, 1000, 2}} {
		if got := rows[i]; got.Depth != want.depth || got.From != want.from || got.Width != want.width {
			t.Errorf("row %d = %d %v %v, want %v", i, got.Depth, got.From, got.Width, want)
		}
	}
}
