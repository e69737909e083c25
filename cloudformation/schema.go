package cloudformation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"glassine/aws/fault"
)

// Kind is what a property's value is. Templates write scalars as they like, as CloudFormation lets them ("512" for 512,
// true for "true"): handlers get exactly the Go type named here.
type Kind int

// The kinds.
const (
	String   Kind = iota // string
	Integer              // int64
	Number               // float64
	Boolean              // bool
	Object               // map[string]any with the keys of Property.Fields
	List                 // []any, each by Property.Items
	Map                  // map[string]any with any keys, each value by Property.Items
	Document             // map[string]any: a JSON document such as a policy, its values as the template has them; text that is a JSON object is parsed
	Any                  // anything, as the template has it
)

func (k Kind) String() string {
	return [...]string{"String", "Integer", "Number", "Boolean", "Object", "List", "Map", "Json", "Any"}[k]
}

// Property says what one property may be.
type Property struct {
	Kind     Kind
	Required bool
	// Replace says that a change of the property, or of anything in it, makes a new resource and deletes the old one.
	Replace bool
	// Secret keeps the value out of everything that is shown: a password.
	Secret bool
	// Fields are those of an Object.
	Fields map[string]*Property
	// Items is what the elements of a List or the values of a Map are; nil means strings.
	Items *Property
	// Enum are the values that a String may have; empty means any.
	Enum []string
	// Min and Max bound an Integer's or Number's value, a String's length in characters and a List's length. Max 0 means no bounds.
	Min, Max float64
	// Check looks at a value, of the kind's Go type, that is known when a change is planned; nil accepts all. Its error's
	// text goes to the user.
	Check func(value any) error
}

// Values are properties or attributes by name. In JSON and back they keep their kinds: a number without fraction is an
// int64, any other a float64.
type Values map[string]any

// UnmarshalJSON reads an object.
func (v *Values) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	for k, x := range m {
		m[k] = plainNumbers(x)
	}
	*v = m
	return nil
}

// plainNumbers puts int64 or float64 in place of each json.Number.
func plainNumbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(x.String(), 10, 64); err == nil {
			return n
		}
		f, _ := x.Float64() // out of range gives an infinity, which no property takes
		return f
	case map[string]any:
		for k, e := range x {
			x[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range x {
			x[i] = plainNumbers(e)
		}
	}
	return v
}

// Text returns the string under name, or "".
func (v Values) Text(name string) string {
	s, _ := v[name].(string)
	return s
}

// unknown stands for a value that is not known before resources are made.
type unknown struct{}

// A mismatch is a value that a schema refuses: path is the way to it, such as [Origins 0 Id].
type mismatch struct {
	path []string
	text string
}

func (m *mismatch) Error() string {
	if len(m.path) == 0 {
		return m.text
	}
	return strings.Join(m.path, "/") + ": " + m.text
}

func refuse(path []string, format string, args ...any) error {
	return &mismatch{slices.Clone(path), fmt.Sprintf(format, args...)}
}

// conform returns v in the Go types of the property's kind; what is unknown stays.
func (p *Property) conform(path []string, v any) (any, error) {
	if _, ok := v.(unknown); ok {
		return v, nil
	}
	var out any
	var err error
	switch p.Kind {
	case Object:
		m, ok := v.(map[string]any)
		if !ok {
			return nil, refuse(path, "expected type: Object, found: %s", kindOf(v))
		}
		out, err = conformFields(path, p.Fields, false, m)
	case Map:
		out, err = p.conformMap(path, v)
	case List:
		out, err = p.conformList(path, v)
	case Document:
		out, err = conformDocument(path, v)
	case Any:
		out = v
	default:
		out, err = p.conformScalar(path, v)
	}
	if err != nil {
		return nil, err
	}
	if p.Check != nil && !anyUnknown(out) {
		if err := p.Check(out); err != nil {
			text := err.Error()
			if f, ok := errors.AsType[*fault.Error](err); ok {
				text = f.Message
			}
			return nil, refuse(path, "%s", text)
		}
	}
	return out, nil
}

// conformFields does so for all properties of an object.
func conformFields(path []string, fields map[string]*Property, open bool, m map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		f := fields[name]
		at := append(slices.Clone(path), name)
		if f == nil {
			if open {
				out[name] = m[name]
				continue
			}
			return nil, refuse(at, "extraneous key [%s] is not permitted%s", name, didYouMean(name, slices.Collect(maps.Keys(fields))))
		}
		v, err := f.conform(at, m[name])
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if _, ok := m[name]; !ok && fields[name].Required {
			return nil, refuse(path, "required key [%s] not found", name)
		}
	}
	return out, nil
}

func (p *Property) items() *Property {
	if p.Items == nil {
		return &Property{}
	}
	return p.Items
}

func (p *Property) conformMap(path []string, v any) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, refuse(path, "expected type: Object, found: %s", kindOf(v))
	}
	out := make(map[string]any, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		x, err := p.items().conform(append(slices.Clone(path), k), m[k])
		if err != nil {
			return nil, err
		}
		out[k] = x
	}
	return out, nil
}

func (p *Property) conformList(path []string, v any) (any, error) {
	l, ok := v.([]any)
	if !ok {
		return nil, refuse(path, "expected type: JSONArray, found: %s", kindOf(v))
	}
	out := make([]any, len(l))
	for i, x := range l {
		var err error
		if out[i], err = p.items().conform(append(slices.Clone(path), strconv.Itoa(i)), x); err != nil {
			return nil, err
		}
	}
	if p.Max > 0 && (float64(len(out)) < p.Min || float64(len(out)) > p.Max) {
		return nil, refuse(path, "expected %v to %v items, found %d", p.Min, p.Max, len(out))
	}
	return out, nil
}

func conformDocument(path []string, v any) (any, error) {
	switch x := v.(type) {
	case map[string]any:
		return x, nil
	case string:
		var m Values
		if err := json.Unmarshal([]byte(x), &m); err == nil && m != nil {
			return map[string]any(m), nil
		}
	}
	return nil, refuse(path, "expected type: Json, found: %s", kindOf(v))
}

func (p *Property) conformScalar(path []string, v any) (any, error) {
	text, ok := scalarText(v)
	if !ok {
		return nil, refuse(path, "expected type: %s, found: %s", p.Kind, kindOf(v))
	}
	size := 0.0
	var out any
	switch p.Kind {
	case String:
		if len(p.Enum) > 0 && !slices.Contains(p.Enum, text) {
			return nil, refuse(path, "%s is not a valid enum value; expected one of [%s]", text, strings.Join(p.Enum, ", "))
		}
		size, out = float64(len([]rune(text))), text
	case Integer:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			f, ferr := strconv.ParseFloat(text, 64)
			if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return nil, refuse(path, "expected type: Integer, found: %s", kindOf(v))
			}
			n = int64(f)
		}
		size, out = float64(n), n
	case Number:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, refuse(path, "expected type: Number, found: %s", kindOf(v))
		}
		size, out = f, f
	case Boolean:
		if text != "true" && text != "false" {
			return nil, refuse(path, "expected type: Boolean, found: %s", kindOf(v))
		}
		return text == "true", nil
	}
	if p.Max > 0 && (size < p.Min || size > p.Max) {
		what := "value"
		if p.Kind == String {
			what = "length"
		}
		return nil, refuse(path, "%s %v is not between %v and %v", what, size, p.Min, p.Max)
	}
	return out, nil
}

// scalarText returns a scalar as CloudFormation writes it.
func scalarText(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case int64:
		return strconv.FormatInt(x, 10), true
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), true
	}
	return "", false
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "Null"
	case string:
		return "String"
	case bool:
		return "Boolean"
	case int64:
		return "Integer"
	case float64:
		return "Number"
	case []any:
		return "JSONArray"
	case map[string]any, Values:
		return "JSONObject"
	}
	return "Unknown"
}

func anyUnknown(v any) bool {
	switch x := v.(type) {
	case unknown:
		return true
	case []any:
		return slices.ContainsFunc(x, anyUnknown)
	case map[string]any:
		for _, e := range x {
			if anyUnknown(e) {
				return true
			}
		}
	}
	return false
}

// didYouMean returns "; did you mean X?" for the known name nearest to what was written, or "".
func didYouMean(written string, known []string) string {
	best, distance := "", 1+len(written)/3
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := editDistance(strings.ToLower(written), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance is the number of letters to insert, delete or exchange to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
