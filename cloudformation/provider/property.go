package provider

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"glassine/cloudformation"
)

// Kinds of properties, for the tables of the types.
type (
	property = cloudformation.Property
	fields   = map[string]*property
)

func text() *property                 { return &property{} }
func boolean() *property              { return &property{Kind: cloudformation.Boolean} }
func number() *property               { return &property{Kind: cloudformation.Number} }
func document() *property             { return &property{Kind: cloudformation.Document} }
func object(f fields) *property       { return &property{Kind: cloudformation.Object, Fields: f} }
func list(of *property) *property     { return &property{Kind: cloudformation.List, Items: of} }
func texts() *property                { return list(text()) }
func mapOf(of *property) *property    { return &property{Kind: cloudformation.Map, Items: of} }
func enum(values ...string) *property { return &property{Enum: values} }

func integer(bounds ...float64) *property {
	p := &property{Kind: cloudformation.Integer}
	if len(bounds) == 2 {
		p.Min, p.Max = bounds[0], bounds[1]
	}
	return p
}

// required and fixed mark a property that a template must set, and one whose change replaces the resource.
func required(p *property) *property {
	p.Required = true
	return p
}

func fixed(p *property) *property {
	p.Replace = true
	return p
}

func tagList() *property {
	return list(object(fields{"Key": required(text()), "Value": required(text())}))
}

// The readers of values take nil for what a template does not say.

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func boolOf(v any) bool {
	b, _ := v.(bool)
	return b
}

func intOf(v any) int {
	n, _ := v.(int64)
	return int(n)
}

func floatOf(v any) float64 {
	f, _ := v.(float64)
	return f
}

func objectOf(v any) values {
	m, _ := v.(map[string]any)
	return m
}

func listOf(v any) []any {
	l, _ := v.([]any)
	return l
}

func textsOf(v any) []string {
	var out []string
	for _, x := range listOf(v) {
		out = append(out, textOf(x))
	}
	return out
}

func mapTexts(v any) map[string]string {
	m := objectOf(v)
	if m == nil {
		return nil
	}
	out := map[string]string{}
	for k, x := range m {
		out[k] = textOf(x)
	}
	return out
}

// docOf is a JSON document as text, "" when there is none.
func docOf(v any) string {
	m := objectOf(v)
	if m == nil {
		return ""
	}
	raw, err := json.Marshal(map[string]any(m))
	if err != nil {
		return "" // cannot be: it came out of YAML or JSON
	}
	return string(raw)
}

// ints and times of properties that are not there stay unsaid.
func intPointer(v any) *int {
	n, ok := v.(int64)
	if !ok {
		return nil
	}
	i := int(n)
	return &i
}

func seconds(v any) *int64 {
	switch n := v.(type) {
	case int64:
		return &n
	case float64:
		i := int64(n)
		return &i
	}
	return nil
}

// changed reports whether an update changes any of the properties. In a creation, where there is nothing before, what is said
// is changed.
func changed(r *request, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return !reflect.DeepEqual(r.Properties[n], r.Previous[n]) })
}

// tags are those of the stack, and over them those of the resource. system tags of CloudFormation are not among them:
// docs/aws-differences.md.
func tagsOf(stack []cloudformation.Tag, property any) map[string]string {
	out := map[string]string{}
	for _, t := range stack {
		out[t.Key] = t.Value
	}
	for _, x := range listOf(property) {
		t := objectOf(x)
		out[t.Text("Key")] = t.Text("Value")
	}
	for k, v := range objectOf(property) {
		out[k] = textOf(v)
	}
	return out
}

// retagged returns what tags an update sets, and the keys of those that it removes.
func retagged(r *request) (set map[string]string, removed []string) {
	set = tagsOf(r.Tags, r.Properties["Tags"])
	for k, v := range tagsOf(r.PreviousTags, r.Previous["Tags"]) {
		now, ok := set[k]
		switch {
		case !ok:
			removed = append(removed, k)
		case now == v && !r.Retry:
			delete(set, k)
		}
	}
	slices.Sort(removed)
	return set, removed
}

// difference returns what of the lists was added and what was taken away, in their orders.
func difference(now, before []string) (added, removed []string) {
	added = slices.DeleteFunc(slices.Clone(now), func(s string) bool { return slices.Contains(before, s) })
	removed = slices.DeleteFunc(slices.Clone(before), func(s string) bool { return slices.Contains(now, s) })
	return added, removed
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
