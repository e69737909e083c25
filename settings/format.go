package settings

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Format returns the text of a file of settings in the form of glassine config fmt: each value of a list on a line of its own, two
// spaces before it, at most one empty line between settings. Values, comments and the order stay as they are. The error is
// Problems, as Read's, or that the text would come to say something else.
func Format(name string, text []byte, m Model) ([]byte, error) {
	before, err := Read(name, text, m)
	if err != nil {
		return nil, err
	}
	if len(before.Values) == 0 {
		return text, nil // comments alone
	}
	var doc yaml.Node
	if err := yaml.Load(text, &doc); err != nil {
		return nil, fmt.Errorf("format %s: %w", name, err)
	}
	root := doc.Content[0]
	root.Style = 0
	for i := 1; i < len(root.Content); i += 2 {
		root.Content[i].Style &^= yaml.FlowStyle
	}
	var out bytes.Buffer
	d, err := yaml.NewDumper(&out, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, err
	}
	if err := d.Dump(&doc); err != nil {
		return nil, fmt.Errorf("format %s: %w", name, err)
	}
	if err := d.Close(); err != nil {
		return nil, fmt.Errorf("format %s: %w", name, err)
	}
	formatted := spaced(text, out.Bytes(), root)
	after, err := Read(name, formatted, m)
	if err != nil {
		return nil, fmt.Errorf("format %s: what came of it is wrong: %w", name, err)
	}
	if !reflect.DeepEqual(before.plain(), after.plain()) {
		return nil, fmt.Errorf("format %s: what came of it says something else", name)
	}
	return formatted, nil
}

// spaced puts an empty line into out before each key that has one in text, which the dumper leaves out. root is what text says.
func spaced(text, out []byte, root *yaml.Node) []byte {
	var doc yaml.Node
	if err := yaml.Load(out, &doc); err != nil || len(doc.Content[0].Content) != len(root.Content) {
		return out // Format finds that it is wrong
	}
	before, lines := strings.Split(string(text), "\n"), strings.Split(string(out), "\n")
	for i := len(root.Content) - 2; i > 0; i -= 2 {
		if above(before, root.Content[i].Line-1) < 0 {
			continue
		}
		if at := above(lines, doc.Content[0].Content[i].Line-1); at < 0 {
			lines = slices.Insert(lines, -at-1, "")
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// above looks over the comments right above a line; it returns where they begin when the line above them is empty, else the
// complement, -1 less. Lines count from 0.
func above(lines []string, line int) int {
	for line > 0 && strings.HasPrefix(strings.TrimSpace(lines[line-1]), "#") {
		line--
	}
	if line > 0 && strings.TrimSpace(lines[line-1]) == "" {
		return line
	}
	return -line - 1
}

// plain is the values without their places.
func (f *File) plain() map[string]Value {
	out := map[string]Value{}
	for name, v := range f.Values {
		v.Line, v.Column = 0, 0
		out[name] = v
	}
	return out
}
