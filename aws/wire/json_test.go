package wire

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"glassine/aws/fault"
)

func TestJSONErrors(t *testing.T) {
	for _, c := range []struct {
		name    string
		dialect JSON
		err     error
		status  int
		kind    string // X-Amzn-Errortype
		body    string
	}{
		{"Lambda's with a small m", Lambda, fault.New("InvalidParameterValueException", "no <b>"), 400, "InvalidParameterValueException", `{"Type":"User","message":"no <b>"}`},
		{"Lambda's with a capital", Lambda, fault.New("ResourceNotFoundException", "no"), 404, "ResourceNotFoundException", `{"Message":"no","Type":"User"}`},
		{"a conflict", Lambda, fault.New("ResourceConflictException", "no"), 409, "ResourceConflictException", `{"Type":"User","message":"no"}`},
		{"a precondition", Lambda, fault.New("PreconditionFailedException", "no"), 412, "PreconditionFailedException", `{"Type":"User","message":"no"}`},
		{"with members", Lambda, fault.New("TooManyRequestsException", "no").With("Reason", "r").With("Retry-After", "1"), 429, "TooManyRequestsException", `{"Reason":"r","Type":"User","message":"no"}`},
		{"of a runtime", Lambda, fault.New("InvalidRuntimeException", "no"), 502, "InvalidRuntimeException", `{"Message":"no","Type":"Service"}`},
		{"ours", Lambda, errors.New("secret"), 500, "ServiceException", `{"Message":"The service encountered an internal error. Please try again.","Type":"Service"}`},
		{"Lambda's refusal", Lambda, Lambda.Fault(fault.New("AccessDenied", "no")), 403, "AccessDeniedException", `{"Type":"User","message":"no"}`},
		{"Logs'", Logs, fault.New("ResourceNotFoundException", "no"), 400, "", `{"__type":"ResourceNotFoundException","message":"no"}`},
		{"Logs' refusal", Logs, Logs.Fault(fault.New("AccessDenied", "no")), 400, "", `{"__type":"AccessDeniedException","message":"no"}`},
		{"ours, of Logs", Logs, errors.New("secret"), 500, "", `{"__type":"ServiceUnavailableException","message":"The service encountered an internal error. Please try again."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteJSONError(w, httptest.NewRequest("POST", "/", nil), c.dialect, "id", c.err, slog.New(slog.DiscardHandler))
			if w.Code != c.status || w.Header().Get("X-Amzn-Errortype") != c.kind || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.dialect.ContentType {
				t.Errorf("answer = %d %s %s %s, want %d %s %s", w.Code, w.Header().Get("X-Amzn-Errortype"), w.Header().Get("Content-Type"), w.Body, c.status, c.kind, c.body)
			}
			if got := w.Header().Get("Retry-After"); (got != "") != (c.status == 429) {
				t.Errorf("Retry-After = %q", got)
			}
		})
	}
}

type member struct {
	Name   string `path:"Name" json:"-"`
	Number *int   `query:"Number" json:"-"`
}

type routeInput struct {
	member
	Flag  bool     `query:"Flag" json:"-"`
	Keys  []string `query:"key" json:"-"`
	Kind  string   `header:"X-Kind" json:"-"`
	Value map[string]int
}

func TestRoutes(t *testing.T) {
	var got *routeInput
	answer := func(_ string, in *routeInput) (map[string]string, error) {
		got = in
		return map[string]string{"a": "<&>"}, nil
	}
	routes := Routes[string]{
		Rest(Lambda, "Get", "GET", "/v/things/{Name}", 200, answer),
		Rest(Lambda, "List", "GET", "/v/things", 200, answer),
		Rest(Lambda, "Put", "PUT", "/v/things/{Name}/value", 201, answer),
		RestDo(Lambda, "Delete", "DELETE", "/v/things/{Name}", func(_ string, in *routeInput) error { got = in; return nil }),
	}
	for _, c := range []struct {
		method, target, body string
		name                 string // of the operation; "" for none
		status               int
		want                 routeInput
	}{
		{"GET", "/v/things", "", "List", 200, routeInput{}},
		{"GET", "/v/things/", "", "List", 200, routeInput{}},
		{"GET", "/v/things/a", "", "Get", 200, routeInput{member: member{Name: "a"}}},
		{"GET", "/v/things/arn%3Aaws%3Ax%2Fy?Number=5&Flag=true&key=a&key=b%20c", "", "Get", 200, routeInput{member: member{Name: "arn:aws:x/y", Number: new(5)}, Flag: true, Keys: []string{"a", "b c"}}},
		{"GET", "/v/things/a:b", "", "Get", 200, routeInput{member: member{Name: "a:b"}}},
		{"PUT", "/v/things/a/value", `{"Value":{"x":1},"Name":"not from here","Kind":"nor this","Other":[]}`, "Put", 201, routeInput{member: member{Name: "a"}, Kind: "k", Value: map[string]int{"x": 1}}},
		{"DELETE", "/v/things/a", "", "Delete", 204, routeInput{member: member{Name: "a"}}},
		{"GET", "/v/things//value", "", "", 0, routeInput{}},
		{"GET", "/v/things/a/b/c", "", "", 0, routeInput{}},
		{"POST", "/v/things/a", "", "", 0, routeInput{}},
		{"GET", "/v/things/%zz", "", "", 0, routeInput{}},
		{"GET", "/v", "", "", 0, routeInput{}},
	} {
		r := &http.Request{Method: c.method, RequestURI: c.target, Header: http.Header{}}
		r.URL, _ = url.Parse(c.target)
		if r.URL == nil {
			r.URL = &url.URL{Path: c.target}
		}
		if c.method == "PUT" {
			r.Header.Set("X-Kind", "k")
		}
		route, params, ok := routes.Find(r)
		if route.Name != c.name || ok != (c.name != "") {
			t.Errorf("%s %s is %q, want %q", c.method, c.target, route.Name, c.name)
			continue
		}
		if !ok {
			continue
		}
		w := httptest.NewRecorder()
		if err := route.Run("", Input{Params: params, Query: r.URL.Query(), Header: r.Header, Body: []byte(c.body)}, w); err != nil {
			t.Errorf("%s %s: %v", c.method, c.target, err)
			continue
		}
		if w.Code != c.status || c.status != 204 && w.Body.String() != `{"a":"<&>"}` || c.status == 204 && w.Body.Len() > 0 {
			t.Errorf("%s %s = %d %s", c.method, c.target, w.Code, w.Body)
		}
		if !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s %s: input = %+v, want %+v", c.method, c.target, *got, c.want)
		}
	}
	for name, in := range map[string]Input{
		"InvalidRequestContentException": {Body: []byte(`{"Value":`)},
		"ValidationException":            {Query: url.Values{"Number": {"x"}}},
	} {
		if err := routes[1].Run("", in, httptest.NewRecorder()); fault.Code(err) != name {
			t.Errorf("input %+v = %v, want %s", in, err, name)
		}
	}
	if err := routes[1].Run("", Input{Body: []byte(`{"Value":{"x":"y"}}`)}, httptest.NewRecorder()); fault.Code(err) != "InvalidRequestContentException" || !strings.Contains(err.Error(), "Value") {
		t.Errorf("input of another type = %v", err)
	}
}

// Whatever the path, a route's parameters are what its parts decode to.
func FuzzRoute(f *testing.F) {
	routes := Routes[string]{RestRaw("Get", "GET", "/v/{A}/x/{B}", func(string, Input, http.ResponseWriter) error { return nil })}
	f.Add("/v/a/x/b")
	f.Add("/v/a%2F/x/%")
	f.Fuzz(func(t *testing.T, path string) {
		r := &http.Request{Method: "GET", RequestURI: path, URL: &url.URL{Path: path}}
		_, params, ok := routes.Find(r)
		if ok && (params["A"] == "" || params["B"] == "" || strings.Count(strings.Trim(path, "/"), "/") < 3) {
			t.Errorf("%q matched with %v", path, params)
		}
	})
}

func TestEventStreamIsFramed(t *testing.T) {
	w := httptest.NewRecorder()
	s := NewEventStream(w)
	s.Begin()
	if err := s.Send("PayloadChunk", "application/octet-stream", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	// The Amazon Event Stream Specification's own example of a frame is not to be had offline: e2e asks botocore to read ours.
	if n := int(raw[0])<<24 | int(raw[1])<<16 | int(raw[2])<<8 | int(raw[3]); n != len(raw) || !strings.Contains(string(raw), "\x0b:event-type\x07\x00\x0cPayloadChunk") {
		t.Errorf("frame of %d bytes = %q", len(raw), raw)
	}
	if w.Header().Get("Content-Type") != "application/vnd.amazon.eventstream" || !w.Flushed {
		t.Errorf("headers = %v, flushed %t", w.Header(), w.Flushed)
	}
}

func TestReadJSONPassesOverNothing(t *testing.T) {
	v := struct{ A int }{5}
	if err := ReadJSON(Logs, []byte(" \n"), &v); err != nil || v.A != 5 {
		t.Errorf("ReadJSON of no body = %+v, %v", v, err)
	}
	if err := ReadJSON(Logs, []byte("["), &v); fault.Code(err) != "SerializationException" {
		t.Errorf("ReadJSON of half a body = %v", err)
	}
	if b, err := encodeJSON(v); err != nil || !json.Valid(b) {
		t.Errorf("encodeJSON = %s, %v", b, err)
	}
}
