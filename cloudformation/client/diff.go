package client

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Difference is one place at which two templates differ.
type Difference struct {
	// Path leads there, such as [Resources Bucket Properties Tags 0 Value].
	Path []string
	// Before and After are the values, in the types of encoding/json; nil where there is none.
	Before, After any
}

// MarshalJSON writes {"Path": "Resources/Bucket/...", "Before": ..., "After": ...}.
func (d Difference) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Path   string
		Before any `json:",omitempty"`
		After  any `json:",omitempty"`
	}{strings.Join(d.Path, "/"), d.Before, d.After})
}

// Compare finds the differences of two templates, as values: how they are written and ordered is none.
func Compare(before, after *Template) []Difference {
	var out []Difference
	compare(nil, before.Value(), after.Value(), &out)
	return out
}

func compare(path []string, before, after any, out *[]Difference) {
	if reflect.DeepEqual(before, after) || scalarsEqual(before, after) {
		return
	}
	at := func(name string) []string { return append(slices.Clone(path), name) }
	x, isMap := before.(map[string]any)
	y, bothMaps := after.(map[string]any)
	if isMap && bothMaps && !isFunctionCall(x) && !isFunctionCall(y) {
		names := map[string]bool{}
		for name := range x {
			names[name] = true
		}
		for name := range y {
			names[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			compare(at(name), x[name], y[name], out)
		}
		return
	}
	a, isList := before.([]any)
	b, bothLists := after.([]any)
	if isList && bothLists && len(a) == len(b) {
		for i := range a {
			compare(at(strconv.Itoa(i)), a[i], b[i], out)
		}
		return
	}
	*out = append(*out, Difference{path, before, after})
}

// scalarsEqual takes "512" and 512 for the same, as CloudFormation does.
func scalarsEqual(a, b any) bool {
	x, ok := scalarText(a)
	y, both := scalarText(b)
	return ok && both && x == y
}

func scalarText(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case json.Number:
		return x.String(), true
	}
	return "", false
}

// isFunctionCall reports whether an object is a call such as {"Ref": ...}, of which half would say nothing.
func isFunctionCall(m map[string]any) bool {
	if len(m) != 1 {
		return false
	}
	for name := range m {
		return name == "Ref" || strings.HasPrefix(name, "Fn::")
	}
	return false
}
