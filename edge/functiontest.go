package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/edge/script"
	"glassine/iam"
)

// FunctionTest is what a function did with a test event. CloudFront API Reference, "TestResult".
type FunctionTest struct {
	Utilization int      // percent of the time that a call may take
	Log         []string // what the function wrote
	Error       string   // "" when it came to an end
	Output      string   // {"request":{...}} or {"response":{...}}; "" after an error
}

// TestFunction runs a stage of a function, the development one for "", on an event in CloudFront's form; ifMatch is the
// stage's ETag. An event that is none is InvalidArgument. CloudFront API Reference, "TestFunction".
func (e *Edge) TestFunction(ctx context.Context, c iam.Caller, name, ifMatch, stage string, event []byte) (Function, FunctionTest, error) {
	f, err := e.getFunction(ctx, c, "TestFunction", name, stage)
	if err != nil {
		return f, FunctionTest{}, err
	}
	if err := match(ifMatch, f.ETag); err != nil {
		return f, FunctionTest{}, err
	}
	ev, err := parseTestEvent(event)
	if err != nil {
		return f, FunctionTest{}, err
	}
	// A machine that does other work is slower than the edge's path, and a test is run once.
	compiled, err := script.New(script.Config{Runtime: f.Runtime, Code: f.Code, Budget: testBudget})
	if bad, ok := errors.AsType[*script.Error](err); ok {
		return f, FunctionTest{Error: bad.Error()}, nil
	}
	if err != nil {
		return f, FunctionTest{}, err
	}
	defer compiled.Close()
	r, err := compiled.Run(ctx, ev)
	t := FunctionTest{Utilization: r.Utilization, Log: r.Log}
	if bad, ok := errors.AsType[*script.Error](err); ok {
		t.Error = bad.Error()
		return f, t, nil
	}
	if err != nil {
		return f, t, err
	}
	t.Output, err = outputOf(r)
	return f, t, err
}

// testBudget is the longest that a test may take, publishBudget what the code outside of handler may when it is published: a
// machine that is busy must not refuse what it would run.
const (
	testBudget    = 100 * time.Millisecond
	publishBudget = time.Second
)

// The event and the output of a CloudFront function in JSON. CloudFront Developer Guide, "CloudFront Functions event
// structure".
type (
	testEvent struct {
		Version string
		Context struct{ DistributionDomainName, DistributionID, RequestID string }
		Viewer  struct{ IP string }
		Request *struct {
			Method, URI string
			QueryString testFields
			Headers     testFields
			Cookies     testFields
		}
		Response *struct {
			StatusCode        int
			StatusDescription string
			Headers           testFields
			Cookies           testFields
			Body              json.RawMessage
		}
	}
	testFields map[string]testField
	testField  struct {
		Value      string      `json:"value"`
		Attributes string      `json:"attributes,omitempty"`
		MultiValue []testField `json:"multiValue,omitempty"`
	}
)

// parseTestEvent reads an event. The names of its members are taken in any case.
func parseTestEvent(text []byte) (*script.Event, error) {
	var in testEvent
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, invalid("The event object is not valid JSON, or not an event.")
	}
	if in.Request == nil || in.Request.Method == "" || !strings.HasPrefix(in.Request.URI, "/") {
		return nil, invalid("The event object has no request with a method and a uri.")
	}
	e := &script.Event{
		DistributionDomainName: in.Context.DistributionDomainName, DistributionID: in.Context.DistributionID, RequestID: in.Context.RequestID,
		ViewerIP: in.Viewer.IP,
		Request:  script.Request{Method: in.Request.Method, URI: in.Request.URI, RawQuery: in.Request.QueryString.join("&", false), Header: in.Request.Headers.header()},
	}
	if cookies := in.Request.Cookies.join("; ", false); cookies != "" {
		e.Request.Header.Set("Cookie", cookies)
	}
	if in.Response == nil {
		return e, nil
	}
	e.Response = &script.Response{Status: in.Response.StatusCode, Description: in.Response.StatusDescription, Header: in.Response.Headers.header()}
	for _, line := range strings.Split(in.Response.Cookies.join("\n", true), "\n") {
		if line != "" {
			e.Response.Header.Add("Set-Cookie", line)
		}
	}
	return e, nil
}

// all returns a field's values: those of multiValue if there are any, else the one.
func (f testField) all() []testField {
	if len(f.MultiValue) > 0 {
		return f.MultiValue
	}
	return []testField{f}
}

func (fs testFields) join(separator string, attributes bool) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fs)) {
		for _, v := range fs[name].all() {
			part := name + "=" + v.Value
			if attributes && v.Attributes != "" {
				part += "; " + v.Attributes
			}
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, separator)
}

func (fs testFields) header() http.Header {
	h := http.Header{}
	for name, f := range fs {
		for _, v := range f.all() {
			h.Add(name, v.Value)
		}
	}
	return h
}

// outputOf is a result in JSON.
func outputOf(r *script.Result) (string, error) {
	out := map[string]any{}
	switch {
	case r.Request != nil:
		q := r.Request
		query := testFields{}
		for part := range strings.SplitSeq(q.RawQuery, "&") {
			if name, value, _ := strings.Cut(part, "="); name != "" {
				query.add(name, testField{Value: value})
			}
		}
		out["request"] = map[string]any{
			"method": q.Method, "uri": q.URI, "querystring": query, "headers": fieldsOf(q.Header, "Cookie"), "cookies": cookiesOf(q.Header["Cookie"]),
		}
	case r.Response != nil:
		p := r.Response
		response := map[string]any{
			"statusCode": p.Status, "statusDescription": p.Description, "headers": fieldsOf(p.Header, "Set-Cookie"), "cookies": setCookiesOf(p.Header["Set-Cookie"]),
		}
		if p.Body != nil {
			response["body"] = map[string]string{"encoding": "text", "data": string(p.Body)}
		}
		out["response"] = response
	default:
		return "", fault.New("TestFunctionFailed", "The CloudFront function failed.").WithStatus(http.StatusInternalServerError)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(out)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func (fs testFields) add(name string, f testField) {
	old, ok := fs[name]
	if !ok {
		fs[name] = f
		return
	}
	if len(old.MultiValue) == 0 {
		old.MultiValue = []testField{{Value: old.Value, Attributes: old.Attributes}}
	}
	old.MultiValue = append(old.MultiValue, f)
	fs[name] = old
}

func fieldsOf(h http.Header, without string) testFields {
	out := testFields{}
	for name, values := range h {
		for _, v := range values {
			if name != without {
				out.add(strings.ToLower(name), testField{Value: v})
			}
		}
	}
	return out
}

func cookiesOf(lines []string) testFields {
	out := testFields{}
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name != "" {
				out.add(name, testField{Value: value})
			}
		}
	}
	return out
}

func setCookiesOf(lines []string) testFields {
	out := testFields{}
	for _, line := range lines {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		out.add(strings.TrimSpace(name), testField{Value: value, Attributes: strings.TrimSpace(attributes)})
	}
	return out
}
