package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// Route is an operation of REST-JSON: C is what the service makes of a request. Make one with Rest, RestDo or RestRaw.
type Route[C any] struct {
	Name   string // AWS's name of the operation
	Limit  int64  // the most bytes of a request's body; 0 leaves it to the service
	method string
	parts  []string // of the path; "{Name}" takes any
	// Run answers, or returns an error before anything was answered.
	Run func(c C, in Input, w http.ResponseWriter) error
}

// Input is what a request says outside of its signature.
type Input struct {
	Params map[string]string // of the path, decoded
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Routes are a service's operations.
type Routes[C any] []Route[C]

// Rest makes a route of a function over its input and output. template is a path such as
// /2015-03-31/functions/{FunctionName}. In is a struct: a field with a tag path, query or header is taken from there under the
// tag's name (string, int, bool, []string or a pointer to one of them), all others from the body's JSON. Out is nil for no body.
func Rest[C, In, Out any](d JSON, name, method, template string, status int, f func(C, *In) (Out, error)) Route[C] {
	bindings := bindingsOf(reflect.TypeFor[In]())
	return RestRaw(name, method, template, func(c C, in Input, w http.ResponseWriter) error {
		var v In
		if err := bind(d, bindings, in, &v); err != nil {
			return err
		}
		out, err := f(c, &v)
		if err != nil {
			return err
		}
		WriteJSON(w, d, status, out)
		return nil
	})
}

// RestDo is Rest for an operation that answers nothing: 204.
func RestDo[C, In any](d JSON, name, method, template string, f func(C, *In) error) Route[C] {
	bindings := bindingsOf(reflect.TypeFor[In]())
	return RestRaw(name, method, template, func(c C, in Input, w http.ResponseWriter) error {
		var v In
		if err := bind(d, bindings, in, &v); err != nil {
			return err
		}
		if err := f(c, &v); err != nil {
			return err
		}
		WriteJSON(w, d, http.StatusNoContent, nil)
		return nil
	})
}

// RestRaw makes a route of a function that reads and answers by itself.
func RestRaw[C any](name, method, template string, run func(C, Input, http.ResponseWriter) error) Route[C] {
	return Route[C]{Name: name, method: method, parts: splitPath(template), Run: run}
}

// Limited returns the route with the most bytes of its bodies.
func (r Route[C]) Limited(limit int64) Route[C] {
	r.Limit = limit
	return r
}

// Find returns the operation that a request's method and path name, and what the path says. It matches the path as it
// was sent, so that an encoded slash or colon is part of a name; a slash at its end means nothing.
func (rs Routes[C]) Find(r *http.Request) (Route[C], map[string]string, bool) {
	path, _ := sigv4.Target(r)
	parts := splitPath(path)
	for _, route := range rs {
		if route.method != r.Method || len(route.parts) != len(parts) {
			continue
		}
		if params, ok := route.match(parts); ok {
			return route, params, true
		}
	}
	return Route[C]{}, nil, false
}

func (r Route[C]) match(parts []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, want := range r.parts {
		name, variable := strings.CutPrefix(want, "{")
		if !variable {
			if want != parts[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(parts[i])
		if err != nil || value == "" {
			return nil, false
		}
		params[strings.TrimSuffix(name, "}")] = value
	}
	return params, true
}

func splitPath(path string) []string {
	return strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
}

// binding says where a field of an input comes from.
type binding struct {
	field        []int  // its index, through embedded structs
	source, name string // source is path, query or header
}

func bindingsOf(t reflect.Type) []binding {
	var out []binding
	for _, f := range reflect.VisibleFields(t) {
		for _, source := range []string{"path", "query", "header"} {
			if name, ok := f.Tag.Lookup(source); ok {
				if f.Tag.Get("json") != "-" {
					panic(fmt.Sprintf("wire: %s.%s could come from the body too: tag it json:\"-\"", t, f.Name)) // a broken program
				}
				out = append(out, binding{f.Index, source, name})
			}
		}
	}
	return out
}

// bind fills v, a pointer to a struct, from in.
func bind(d JSON, bindings []binding, in Input, v any) error {
	if err := ReadJSON(d, in.Body, v); err != nil {
		return err
	}
	s := reflect.ValueOf(v).Elem()
	for _, b := range bindings {
		var values []string
		switch b.source {
		case "path":
			if v, ok := in.Params[b.name]; ok {
				values = []string{v}
			}
		case "query":
			values = in.Query[b.name]
		case "header":
			values = in.Header.Values(b.name)
		}
		if len(values) == 0 {
			continue
		}
		if err := setField(s.FieldByIndex(b.field), values); err != nil {
			return fault.New("ValidationException", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", values[0], b.name, err)
		}
	}
	return nil
}

// setField sets a field to the text, or texts, that a request has for it.
func setField(f reflect.Value, values []string) error {
	switch f.Kind() {
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		return setField(f.Elem(), values)
	case reflect.String:
		f.SetString(values[0])
	case reflect.Int:
		n, err := strconv.ParseInt(values[0], 10, 32) // AWS's integers have 32 bits
		if err != nil {
			return fmt.Errorf("Member must be a number")
		}
		f.SetInt(n)
	case reflect.Bool:
		b, err := strconv.ParseBool(values[0])
		if err != nil {
			return fmt.Errorf("Member must be true or false")
		}
		f.SetBool(b)
	case reflect.Slice:
		f.Set(reflect.ValueOf(values))
	default:
		panic(fmt.Sprintf("wire: a %s cannot come from outside of a body", f.Type())) // a broken program
	}
	return nil
}
