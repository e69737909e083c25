package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of the parser, checked before any work is done on a document.
const (
	maxDocument   = 131072 // bytes; IAM API Reference, CreatePolicy, PolicyDocument
	maxNesting    = 16
	maxStatements = 1000
	maxStrings    = 10000 // element names and values together
)

// node is a JSON value. encoding/json keeps the last of two members of one name, so that a statement with
// "Effect":"Deny","Effect":"Allow" would be an Allow; here a repeated name is an error.
type node struct {
	kind    nodeKind
	text    string // of a string, number or boolean
	members []member
	items   []node

	start, end int // of an object: the bytes of the document that it takes
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	textNode          // a string
	wordNode          // a number or a boolean
	arrayNode
	objectNode
)

type member struct {
	name  string
	value node
}

var errNotJSON = errors.New("not JSON")

// readJSON reads one JSON value and nothing after it.
func readJSON(doc []byte) (node, error) {
	if len(doc) > maxDocument {
		return node{}, fmt.Errorf("longer than %d bytes", maxDocument)
	}
	if !utf8.Valid(doc) || !json.Valid(doc) {
		return node{}, errNotJSON
	}
	r := reader{dec: json.NewDecoder(bytes.NewReader(doc))}
	r.dec.UseNumber()
	return r.value(0)
}

type reader struct {
	dec     *json.Decoder
	strings int
}

func (r *reader) value(depth int) (node, error) {
	t, err := r.dec.Token()
	if err != nil {
		return node{}, errNotJSON
	}
	switch v := t.(type) {
	case json.Delim:
		if depth == maxNesting {
			return node{}, fmt.Errorf("nested deeper than %d", maxNesting)
		}
		if v == '[' {
			return r.array(depth + 1)
		}
		start := int(r.dec.InputOffset()) - len("{")
		n, err := r.object(depth + 1)
		n.start, n.end = start, int(r.dec.InputOffset())
		return n, err
	case string:
		return node{kind: textNode, text: v}, r.count()
	case json.Number:
		return node{kind: wordNode, text: v.String()}, r.count()
	case bool:
		return node{kind: wordNode, text: fmt.Sprint(v)}, r.count()
	}
	return node{kind: nullNode}, nil
}

func (r *reader) array(depth int) (node, error) {
	n := node{kind: arrayNode}
	for r.dec.More() {
		v, err := r.value(depth)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
	}
	_, err := r.dec.Token()
	return n, err
}

func (r *reader) object(depth int) (node, error) {
	n := node{kind: objectNode}
	seen := map[string]bool{}
	for r.dec.More() {
		t, err := r.dec.Token()
		if err != nil {
			return n, errNotJSON
		}
		name := t.(string) // json.Valid has seen that it is one
		if seen[name] {
			return n, fmt.Errorf("%q is repeated", name)
		}
		seen[name] = true
		if err := r.count(); err != nil {
			return n, err
		}
		v, err := r.value(depth)
		if err != nil {
			return n, err
		}
		n.members = append(n.members, member{name, v})
	}
	_, err := r.dec.Token()
	return n, err
}

func (r *reader) count() error {
	if r.strings++; r.strings > maxStrings {
		return fmt.Errorf("more than %d strings", maxStrings)
	}
	return nil
}

// texts returns the strings of a string or of an array of strings. With words, numbers and booleans count as strings.
// ok is false for anything else and for an empty array.
func (n *node) texts(words bool) (out []string, ok bool) {
	one := func(v *node) bool { return v.kind == textNode || words && v.kind == wordNode }
	if one(n) {
		return []string{n.text}, true
	}
	if n.kind != arrayNode || len(n.items) == 0 {
		return nil, false
	}
	for i := range n.items {
		if !one(&n.items[i]) {
			return nil, false
		}
		out = append(out, n.items[i].text)
	}
	return out, true
}
