package cloudformation

import (
	"strings"

	"glassine/aws/fault"
)

// expandLoops puts in place of every Fn::ForEach what it makes.
// CloudFormation User Guide, "AWS::LanguageExtensions transform", Fn::ForEach.
func expandLoops(root *node, given []Parameter) (*node, error) {
	x := &expander{root: root, given: given}
	return x.expand(root, nil)
}

// Bounds of what loops make, so that a small template does not become a huge one.
const (
	maxExpanded      = 200_000 // values
	maxExpandedBytes = 4 << 20 // of text
)

type expander struct {
	root  *node
	given []Parameter
	made  int // values
	bytes int // of their text
}

// binding is the value of a loop's variable.
type binding struct{ name, value string }

const loopPrefix = "Fn::ForEach::"

func (x *expander) expand(n *node, bound []binding) (*node, error) {
	if x.made++; x.made > maxExpanded {
		return nil, n.refuse("Template error: Fn::ForEach makes more than %d values", maxExpanded)
	}
	out := &node{line: n.line, column: n.column, scalar: n.scalar}
	switch {
	case n.isList():
		out.list = []*node{}
		for _, e := range n.list {
			v, err := x.expand(e, bound)
			if err != nil {
				return nil, err
			}
			out.list = append(out.list, v)
		}
	case n.isObject():
		if name, argument, ok := n.function(); ok && name == "Ref" {
			if s, _ := argument.text(); s != "" {
				for _, b := range bound {
					if b.name == s {
						out.scalar = b.value
						return out, nil
					}
				}
			}
		}
		out.fields = []field{}
		for _, f := range n.fields {
			made, err := x.field(f, bound)
			if err != nil {
				return nil, err
			}
			for _, g := range made {
				if err := out.add(g); err != nil {
					return nil, err
				}
			}
		}
	default:
		if s, ok := n.scalar.(string); ok {
			text := substitute(s, bound)
			if x.bytes += len(text); x.bytes > maxExpandedBytes {
				return nil, n.refuse("Template error: Fn::ForEach makes more than %d bytes", maxExpandedBytes)
			}
			out.scalar = text
		}
	}
	return out, nil
}

// substitute puts variables into text: ${Name}, and &{Name} for the value's letters and digits alone.
func substitute(s string, bound []binding) string {
	for _, b := range bound {
		s = strings.ReplaceAll(s, "${"+b.name+"}", b.value)
		s = strings.ReplaceAll(s, "&{"+b.name+"}", strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
				return r
			}
			return -1
		}, b.value))
	}
	return s
}

func (x *expander) field(f field, bound []binding) ([]field, error) {
	if !strings.HasPrefix(f.name, loopPrefix) {
		v, err := x.expand(f.value, bound)
		return []field{{substitute(f.name, bound), f.line, f.column, v}}, err
	}
	refuse := func(text string) error {
		return fault.New("ValidationError", "Template error: %s: %s%s", f.name, text, position(f.line, f.column))
	}
	if !f.value.isList() || len(f.value.list) != 3 {
		return nil, refuse("the arguments are the variable's name, the collection, and an object")
	}
	variable, ok := f.value.list[0].text()
	if !ok || !f.value.list[2].isObject() {
		return nil, refuse("the arguments are the variable's name, the collection, and an object")
	}
	values, err := x.collection(f.value.list[1], bound)
	if err != nil {
		return nil, err
	}
	var out []field
	for _, v := range values {
		inner := append(append([]binding(nil), bound...), binding{variable, v})
		made, err := x.expand(f.value.list[2], inner)
		if err != nil {
			return nil, err
		}
		out = append(out, made.fields...)
	}
	return out, nil
}

// collection is what a loop goes through: a list of text, or a list parameter: its value, or its default. Values of resources
// and of SSM parameters are not known when loops are made.
func (x *expander) collection(n *node, bound []binding) ([]string, error) {
	if name, argument, ok := n.function(); ok && name == "Ref" {
		s, _ := argument.text()
		for _, p := range x.given {
			if p.Key == s && !p.UsePrevious {
				return commaList(p.Value), nil
			}
		}
		p := x.root.get("Parameters").get(s)
		d, ok := p.get("Default").text()
		if kind, _ := p.get("Type").text(); !ok || strings.HasPrefix(kind, ssmValue) {
			return nil, n.refuse("Template error: the collection of Fn::ForEach is a list, or a parameter that has a value, not %s", s)
		}
		return commaList(d), nil
	}
	v, err := x.expand(n, bound)
	if err != nil {
		return nil, err
	}
	if !v.isList() {
		return nil, n.refuse("Template error: the collection of Fn::ForEach is a list, or a parameter that has a value")
	}
	var out []string
	for _, e := range v.list {
		s, ok := e.text()
		if !ok {
			return nil, e.refuse("Template error: the collection of Fn::ForEach holds text only")
		}
		out = append(out, s)
	}
	return out, nil
}
