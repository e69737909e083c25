package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// node is a part of a template's text. What CloudFormation's short tags say stands in it in the long form, {"Fn::Sub": ...}.
type node struct {
	// start and end are the bytes of a scalar in the text, quotes included; end 0 when they are not known.
	start, end int
	scalar     any // string, bool, json.Number or nil
	list       []*node
	fields     []field
	kind       byte // 's'calar, 'l'ist or 'o'bject
}

type field struct {
	name  string
	value *node
}

// maxDepth is how deep a template may be nested.
const maxDepth = 100

var errDeep = fmt.Errorf("nested deeper than %d", maxDepth)

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

// text returns the text of a string.
func (n *node) text() (string, bool) {
	if n == nil {
		return "", false
	}
	s, ok := n.scalar.(string)
	return s, ok
}

// plain returns the value in the types of encoding/json, numbers as json.Number.
func (n *node) plain() any {
	switch n.kind {
	case 'l':
		out := make([]any, len(n.list))
		for i, x := range n.list {
			out[i] = x.plain()
		}
		return out
	case 'o':
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			out[f.name] = f.value.plain()
		}
		return out
	}
	return n.scalar
}

// parse reads JSON or YAML.
func parse(text string) (*node, error) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return nil, errors.New("it is empty")
	}
	var n *node
	var err error
	if trimmed[0] == '{' {
		if n, err = parseJSON(text); err != nil {
			if flow, yamlErr := parseYAML(text); yamlErr == nil { // YAML may begin with a brace too
				n, err = flow, nil
			}
		}
	} else {
		n, err = parseYAML(text)
	}
	if err != nil {
		return nil, err
	}
	if n.kind != 'o' {
		return nil, errors.New("it is not an object")
	}
	return n, nil
}

func parseJSON(text string) (*node, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	n, err := jsonValue(d, text, 0)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", 1+strings.Count(text[:min(int(d.InputOffset()), len(text))], "\n"), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	return n, nil
}

func jsonValue(d *json.Decoder, text string, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	start := int(d.InputOffset())
	for start < len(text) && strings.IndexByte(" \t\r\n,:", text[start]) >= 0 {
		start++
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		n := &node{kind: 'l'}
		for d.More() {
			e, err := jsonValue(d, text, depth+1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, e)
		}
		_, err := d.Token()
		return n, err
	case json.Delim('{'):
		n := &node{kind: 'o'}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := jsonValue(d, text, depth+1)
			if err != nil {
				return nil, err
			}
			n.fields = append(n.fields, field{key.(string), v}) // the decoder lets nothing else be a key
		}
		_, err := d.Token()
		return n, err
	}
	return &node{kind: 's', start: start, end: int(d.InputOffset()), scalar: t}, nil
}

func parseYAML(text string) (*node, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(&doc); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is more than one document")
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("it is empty")
	}
	r := &yamlReader{text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	return r.value(doc.Content[0], 0)
}

type yamlReader struct {
	text  string
	lines []int // where lines begin
}

func (r *yamlReader) value(y *yaml.Node, depth int) (*node, error) {
	switch {
	case depth > maxDepth:
		return nil, errDeep
	case y.Kind == yaml.AliasNode || y.Anchor != "":
		return nil, fmt.Errorf("line %d: CloudFormation takes no YAML aliases", y.Line)
	case strings.HasPrefix(y.Tag, "!") && !strings.HasPrefix(y.Tag, "!!") && len(y.Tag) > 1:
		return r.function(y, depth)
	}
	n := &node{}
	switch y.Kind {
	case yaml.SequenceNode:
		n.kind = 'l'
		for _, e := range y.Content {
			v, err := r.value(e, depth+1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, v)
		}
	case yaml.MappingNode:
		n.kind = 'o'
		for i := 0; i+1 < len(y.Content); i += 2 {
			k := y.Content[i]
			if k.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a key is not text", k.Line)
			}
			v, err := r.value(y.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			n.fields = append(n.fields, field{k.Value, v})
		}
	default:
		n.kind = 's'
		n.scalar = yamlScalar(y)
		n.start, n.end = r.span(y)
	}
	return n, nil
}

// function makes {"Fn::X": argument} of !X argument. CloudFormation User Guide, "Intrinsic function reference".
func (r *yamlReader) function(y *yaml.Node, depth int) (*node, error) {
	name := y.Tag[1:]
	untagged := *y
	if untagged.Tag = ""; y.Kind == yaml.ScalarNode {
		untagged.Tag = "!!str"
	}
	argument, err := r.value(&untagged, depth+1)
	if err != nil {
		return nil, err
	}
	argument.end = 0 // the text at its place begins with the tag
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	if text, ok := argument.text(); ok && name == "Fn::GetAtt" {
		if resource, attribute, ok := strings.Cut(text, "."); ok {
			argument = &node{kind: 'l', list: []*node{{kind: 's', scalar: resource}, {kind: 's', scalar: attribute}}}
		}
	}
	return &node{kind: 'o', fields: []field{{name, argument}}}, nil
}

func yamlScalar(y *yaml.Node) any {
	switch y.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(y.Value, "true")
	case "!!int", "!!float":
		if json.Valid([]byte(y.Value)) {
			return json.Number(y.Value)
		}
	}
	return y.Value
}

// span finds a scalar that stands on one line; 0, 0 for any other.
func (r *yamlReader) span(y *yaml.Node) (start, end int) {
	if y.Line < 1 || y.Line > len(r.lines) {
		return 0, 0
	}
	start = r.lines[y.Line-1]
	for range y.Column - 1 { // columns count characters
		_, size := firstRune(r.text[start:])
		start += size
	}
	rest := r.text[start:]
	switch {
	case strings.HasPrefix(rest, y.Value) && y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0:
		return start, start + len(y.Value)
	case strings.HasPrefix(rest, `"`+y.Value+`"`) || strings.HasPrefix(rest, `'`+y.Value+`'`):
		return start, start + len(y.Value) + 2
	}
	return 0, 0
}
