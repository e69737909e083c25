package cloudformation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"glassine/aws/fault"
)

// node is a value of a template and where it stands. Scalars are string, bool, int64 or float64.
type node struct {
	line, column int
	scalar       any             // of a scalar
	list         []*node         // of a list; not nil for an empty one
	fields       []field         // of an object; not nil for an empty one
	index        map[string]bool // names of fields while an object of many is read
}

// field is one member of an object, in the order of the text.
type field struct {
	name         string
	line, column int
	value        *node
}

// maxDepth is how deep a template may be nested.
const maxDepth = 100

func (n *node) isList() bool   { return n != nil && n.list != nil }
func (n *node) isObject() bool { return n != nil && n.fields != nil }

// get returns the member of that name, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i := range n.fields {
		if n.fields[i].name == name {
			return n.fields[i].value
		}
	}
	return nil
}

// text returns the text of a scalar, as CloudFormation writes it.
func (n *node) text() (string, bool) {
	if n == nil {
		return "", false
	}
	return scalarText(n.scalar)
}

// at is the place of a fault, for the end of its text.
func (n *node) at() string { return position(n.line, n.column) }

func position(line, column int) string { return fmt.Sprintf(" (line %d, column %d)", line, column) }

// refuse is a fault of the template at the node.
func (n *node) refuse(format string, args ...any) error {
	return fault.New("ValidationError", "%s%s", fmt.Sprintf(format, args...), n.at())
}

// plain returns the value without positions.
func (n *node) plain() any {
	switch {
	case n.isList():
		out := make([]any, len(n.list))
		for i, x := range n.list {
			out[i] = x.plain()
		}
		return out
	case n.isObject():
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.name] = f.value.plain()
		}
		return out
	}
	return n.scalar
}

// parseDocument reads a template's text, JSON or YAML. Faults carry the line and column.
func parseDocument(text string) (*node, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fault.New("ValidationError", "Template format error: the template is empty")
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		n, err := parseJSON(text)
		if err == nil {
			return n, nil
		}
		// YAML may begin with a brace too. What is neither is told as JSON, which it looks like.
		if n, yamlErr := parseYAML(text); yamlErr == nil {
			return n, nil
		}
		return nil, err
	}
	return parseYAML(text)
}

// jsonReader makes nodes of JSON tokens. The positions are those of the tokens' first bytes.
type jsonReader struct {
	text  string
	lines []int // offsets at which lines begin
	dec   *json.Decoder
}

func parseJSON(text string) (*node, error) {
	r := &jsonReader{text: text, dec: json.NewDecoder(strings.NewReader(text)), lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	r.dec.UseNumber()
	n, err := r.value(0)
	if err == nil {
		if _, more := r.dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the template")
		}
	}
	if err == nil {
		return n, nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return nil, err
	}
	line, column := r.place(int(r.dec.InputOffset()))
	return nil, fault.New("ValidationError", "Template format error: JSON not well-formed.%s: %s", position(line, column), err)
}

func (r *jsonReader) place(offset int) (line, column int) {
	i := sort.SearchInts(r.lines, offset+1) - 1
	return i + 1, offset - r.lines[i] + 1
}

// next is where the next token begins.
func (r *jsonReader) next() (line, column int) {
	i := int(r.dec.InputOffset())
	for i < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[i]) >= 0 {
		i++
	}
	return r.place(i)
}

func (r *jsonReader) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	line, column := r.next()
	t, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{line: line, column: column}
	switch x := t.(type) {
	case json.Delim:
		if x == '[' {
			n.list = []*node{}
			for r.dec.More() {
				e, err := r.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.list = append(n.list, e)
			}
		} else if err := r.object(n, depth); err != nil {
			return nil, err
		}
		_, err := r.dec.Token() // the end
		return n, err
	case json.Number:
		n.scalar = number(x.String())
	case nil:
		return nil, n.refuse("Template format error: 'null' values are not allowed in templates")
	default:
		n.scalar = x
	}
	return n, nil
}

func (r *jsonReader) object(n *node, depth int) error {
	n.fields = []field{}
	for r.dec.More() {
		line, column := r.next()
		t, err := r.dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("a key is not text")
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if err := n.add(field{name, line, column, v}); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) add(f field) error {
	const few = 16
	var twice bool
	if len(n.fields) < few {
		twice = n.get(f.name) != nil
	} else {
		if n.index == nil {
			n.index = make(map[string]bool, 2*few)
			for _, g := range n.fields {
				n.index[g.name] = true
			}
		}
		twice = n.index[f.name]
		n.index[f.name] = true
	}
	if twice {
		return fault.New("ValidationError", "Template format error: duplicate key %q%s", f.name, position(f.line, f.column))
	}
	n.fields = append(n.fields, f)
	return nil
}

func parseYAML(text string) (*node, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&doc); err != nil {
		return nil, fault.New("ValidationError", "Template format error: YAML not well-formed. %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fault.New("ValidationError", "Template format error: YAML not well-formed. A template is one document.")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, fault.New("ValidationError", "Template format error: the template is empty")
	}
	return fromYAML(doc.Content[0], 0)
}

// shortForms are the tags that stand for functions, and how the function is spelt.
// CloudFormation User Guide, "Intrinsic function reference".
func shortForm(tag string) (name string, ok bool) {
	name, ok = strings.CutPrefix(tag, "!")
	switch {
	case !ok || strings.HasPrefix(tag, "!!") || name == "":
		return "", false
	case name == "Ref" || name == "Condition":
		return name, true
	}
	name = "Fn::" + name
	return name, isFunction(name)
}

func fromYAML(y *yaml.Node, depth int) (*node, error) {
	n := &node{line: y.Line, column: y.Column}
	if depth > maxDepth {
		return nil, n.refuse("Template format error: nested deeper than %d", maxDepth)
	}
	if y.Kind == yaml.AliasNode || y.Anchor != "" {
		return nil, n.refuse("Template error: YAML aliases are not allowed in CloudFormation templates")
	}
	if strings.HasPrefix(y.Tag, "!") && !strings.HasPrefix(y.Tag, "!!") {
		name, ok := shortForm(y.Tag)
		if !ok {
			return nil, n.refuse("Template format error: unknown tag %s", y.Tag)
		}
		untagged := *y
		untagged.Tag = ""
		if y.Kind == yaml.ScalarNode {
			untagged.Tag = "!!str"
		}
		argument, err := fromYAML(&untagged, depth+1)
		if err != nil {
			return nil, err
		}
		if name == "Fn::GetAtt" {
			argument = splitAttribute(argument)
		}
		n.fields = []field{{name, y.Line, y.Column, argument}}
		return n, nil
	}
	switch y.Kind {
	case yaml.SequenceNode:
		n.list = make([]*node, len(y.Content))
		for i, e := range y.Content {
			var err error
			if n.list[i], err = fromYAML(e, depth+1); err != nil {
				return nil, err
			}
		}
	case yaml.MappingNode:
		n.fields = []field{}
		for i := 0; i+1 < len(y.Content); i += 2 {
			k := y.Content[i]
			if k.Kind != yaml.ScalarNode || strings.HasPrefix(k.Tag, "!") && !strings.HasPrefix(k.Tag, "!!") {
				return nil, n.refuse("Template format error: a key is not text")
			}
			v, err := fromYAML(y.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			if err := n.add(field{k.Value, k.Line, k.Column, v}); err != nil {
				return nil, err
			}
		}
	default:
		return n, n.yamlScalar(y)
	}
	return n, nil
}

// splitAttribute makes [a, b.c] of a.b.c.
func splitAttribute(n *node) *node {
	text, ok := n.text()
	if !ok {
		return n
	}
	resource, attribute, ok := strings.Cut(text, ".")
	if !ok {
		return n
	}
	part := func(s string) *node { return &node{line: n.line, column: n.column, scalar: s} }
	return &node{line: n.line, column: n.column, list: []*node{part(resource), part(attribute)}}
}

func (n *node) yamlScalar(y *yaml.Node) error {
	n.scalar = y.Value
	switch y.ShortTag() {
	case "!!null":
		return n.refuse("Template format error: 'null' values are not allowed in templates")
	case "!!bool":
		n.scalar = strings.EqualFold(y.Value, "true")
	case "!!int", "!!float":
		n.scalar = number(y.Value)
	}
	return nil
}

// number returns a number whose text says all of it; any other, such as 012 or 1.10, stays the text it is, which every
// number property takes too.
func number(text string) any {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(i, 10) == text {
		return i
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strconv.FormatFloat(f, 'f', -1, 64) == text {
		return f
	}
	return text
}

// names are the names of an object's members, in their order.
func (n *node) names() []string {
	if n == nil {
		return nil
	}
	out := make([]string, len(n.fields))
	for i, f := range n.fields {
		out[i] = f.name
	}
	return out
}

// only refuses members that are not known.
func (n *node) only(what string, known ...string) error {
	for _, f := range n.fields {
		if !slices.Contains(known, f.name) {
			return fault.New("ValidationError", "%s '%s'%s%s", what, f.name, didYouMean(f.name, known), position(f.line, f.column))
		}
	}
	return nil
}
