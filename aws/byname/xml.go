package byname

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// element is an element of an answer.
type element struct {
	name     string
	text     string
	children []*element
}

// deepest bounds the nesting of answers that are read.
const deepest = 64

// parseXML reads an answer.
func parseXML(raw []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(raw))
	root := &element{}
	stack := []*element{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read an answer in XML: %w", err)
		}
		top := stack[len(stack)-1]
		switch x := token.(type) {
		case xml.StartElement:
			if len(stack) > deepest {
				return nil, errors.New("read an answer in XML: it is nested too deep")
			}
			e := &element{name: x.Name.Local}
			top.children = append(top.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.text += string(x)
		}
	}
	if len(root.children) != 1 {
		return nil, errors.New("read an answer in XML: it has no root element")
	}
	return root.children[0], nil
}

func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// value is what an SDK makes of the element without its model: text, members by name, or a list. members says that lists have
// elements of the name member (Query protocol); otherwise they are elements that repeat.
func (e *element) value(members bool) any {
	switch {
	case e == nil:
		return nil
	case len(e.children) == 0:
		return strings.TrimSpace(e.text)
	case members && e.children[0].name == "member":
		var out []any
		for _, c := range e.children {
			out = append(out, c.value(members))
		}
		return out
	}
	out := map[string]any{}
	for _, c := range e.children {
		v := c.value(members)
		switch old := out[c.name].(type) {
		case nil:
			out[c.name] = v
		case []any:
			out[c.name] = append(old, v)
		default:
			out[c.name] = []any{old, v}
		}
	}
	return out
}

// writeXML writes a value as the named element. A list is in an element of its own member's name with elements of items[name]
// in it, or, where that begins with "*", repeated under the name that follows.
func writeXML(name, namespace string, v any, items map[string]string) ([]byte, error) {
	var b bytes.Buffer
	attribute := ""
	if namespace != "" {
		attribute = ` xmlns="` + namespace + `"`
	}
	err := writeElement(&b, name, attribute, v, items)
	return b.Bytes(), err
}

func writeElement(b *bytes.Buffer, name, attribute string, v any, items map[string]string) error {
	if list, ok := v.([]any); ok {
		return writeList(b, name, list, items)
	}
	fmt.Fprintf(b, "<%s%s>", name, attribute)
	if m, ok := v.(map[string]any); ok {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if strings.ContainsAny(k, "<>&\"' /") || k == "" {
				return fmt.Errorf("%q cannot be the name of a member", k)
			}
			if err := writeElement(b, k, "", m[k], items); err != nil {
				return err
			}
		}
	} else if v != nil {
		text, err := scalar(v)
		if err != nil {
			return err
		}
		if err := xml.EscapeText(b, []byte(text)); err != nil {
			return err
		}
	}
	fmt.Fprintf(b, "</%s>", name)
	return nil
}

func writeList(b *bytes.Buffer, name string, list []any, items map[string]string) error {
	item := items[name]
	if repeated, ok := strings.CutPrefix(item, "*"); ok {
		for _, e := range list {
			if err := writeElement(b, repeated, "", e, items); err != nil {
				return err
			}
		}
		return nil
	}
	if item == "" {
		item = "member"
	}
	fmt.Fprintf(b, "<%s>", name)
	for _, e := range list {
		if err := writeElement(b, item, "", e, items); err != nil {
			return err
		}
	}
	fmt.Fprintf(b, "</%s>", name)
	return nil
}
