package objectlambda

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"glassine/aws/fault"
)

// fields reads members of a JSON object that a function returned, leniently as functions write them: numbers and booleans
// may be strings, and a list of one may be that one (what xmltodict makes of XML, as AWS's own examples use it). null is
// absent. The first thing that does not fit is kept in err.
type fields struct {
	at  string // where the object stands, for messages
	m   map[string]any
	err *fault.Error
}

// readReturned reads what a function returned.
func readReturned(payload []byte) (*fields, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	f := &fields{}
	if err := d.Decode(&f.m); err != nil || d.More() || f.m == nil {
		return nil, invalidReturn("The Lambda function did not return a JSON object.")
	}
	return f, nil
}

func invalidReturn(format string, args ...any) *fault.Error {
	return fault.New("LambdaInvalidResponse", format, args...)
}

func (f *fields) bad(name, want string) {
	if f.err == nil {
		f.err = invalidReturn("The Lambda function returned a %s that is not %s.", f.at+name, want)
	}
}

func (f *fields) has(name string) bool { return f.m[name] != nil }

// need notes that a member is missing.
func (f *fields) need(names ...string) {
	for _, n := range names {
		if !f.has(n) && f.err == nil {
			f.err = invalidReturn("The Lambda function returned no %s.", f.at+n)
		}
	}
}

func (f *fields) text(name string) string {
	s, ok := scalar(f.m[name])
	if !ok {
		f.bad(name, "a string")
	}
	return s
}

// scalar is a string, a number or a boolean as text; nil is "".
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func (f *fields) number(name string) int64 {
	if !f.has(name) {
		return 0
	}
	n, ok := wholeNumber(f.text(name))
	if !ok {
		f.bad(name, "a whole number")
	}
	return n
}

func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n, err == nil && n >= 0
}

func (f *fields) boolean(name string) bool {
	switch strings.ToLower(f.text(name)) {
	case "true":
		return true
	case "false", "":
	default:
		f.bad(name, "a boolean")
	}
	return false
}

// object is the member as an object; nil when it is absent.
func (f *fields) object(name string) *fields {
	if !f.has(name) {
		return nil
	}
	m, ok := f.m[name].(map[string]any)
	if !ok {
		f.bad(name, "an object")
	}
	return &fields{at: f.at + name + ".", m: m, err: f.err}
}

// list calls each with the objects of a list, or with the one that stands in its place.
func (f *fields) list(name string, each func(*fields)) {
	items, ok := f.m[name].([]any)
	if !ok && f.has(name) {
		items = []any{f.m[name]}
	}
	for i, v := range items {
		at := name + "[" + strconv.Itoa(i) + "]"
		m, ok := v.(map[string]any)
		if !ok {
			f.bad(at, "an object")
			return
		}
		item := &fields{at: f.at + at + ".", m: m}
		each(item)
		if f.err == nil {
			f.err = item.err
		}
	}
}

// failure returns the error.
func (f *fields) failure() error {
	if f.err != nil {
		return f.err
	}
	return nil
}

// answer reads what the returns of all operations have in common.
func (f *fields) answer() Answer {
	f.need("statusCode")
	a := Answer{Status: int(f.number("statusCode")), ErrorCode: f.text("errorCode"), ErrorMessage: f.text("errorMessage"), Length: -1}
	if f.err == nil {
		if checkStatus(a.Status) != nil {
			f.err = invalidReturn("The Lambda function returned the statusCode %d.", a.Status)
		} else if a.Status < 400 && (a.ErrorCode != "" || a.ErrorMessage != "") {
			f.err = invalidReturn("The Lambda function returned an error with the statusCode %d.", a.Status)
		} else if a.ErrorCode != "" && !errorCode(a.ErrorCode) {
			f.err = invalidReturn("The Lambda function returned an errorCode that does not match ^[A-Z][a-zA-Z]+$.")
		}
	}
	return a
}
