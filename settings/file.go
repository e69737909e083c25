package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxFile is how large a file of settings may be, in bytes.
const MaxFile = 1 << 20

// File is a file of settings that has no faults.
type File struct {
	Name   string           // as it was given
	Values map[string]Value // by the name of the setting
}

// Value is what a file says about one setting.
type Value struct {
	Text         string   // of a single value, as a flag has it
	List         []string // of a list
	Line, Column int      // of the key, from 1
}

// reading is a file that is being read.
type reading struct {
	name     string
	model    Model
	file     *File
	problems Problems
}

// Read reads a file of settings: one YAML mapping of names to values, or nothing. The error is Problems, all of them: a key that
// there is not, with the nearest that there is, a key twice, a value of another type or one that its setting refuses. Relative
// paths become absolute, from the folder of name.
func Read(name string, text []byte, m Model) (*File, error) {
	r := &reading{name: name, model: m, file: &File{Name: name, Values: map[string]Value{}}}
	root, err := r.parse(text)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return r.file, nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		r.pair(root.Content[i], root.Content[i+1])
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return r.file, nil
}

// parse returns the mapping that the text is, or nil for a text without content.
func (r *reading) parse(text []byte) (*yaml.Node, error) {
	if len(text) > MaxFile {
		return nil, Problems{{r.name, fmt.Sprintf("it is larger than %d KiB, which no file of settings is", MaxFile>>10)}}
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err == nil {
		if err = d.Decode(&more); err == nil {
			return nil, Problems{{r.at(&more), "a second document begins; a file of settings is one"}}
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return nil, Problems{r.malformed(err)}
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, Problems{{r.at(root), "a file of settings is a mapping, with a line NAME: VALUE for each"}}
	}
	return root, nil
}

// malformed is what the YAML parser said.
func (r *reading) malformed(err error) Problem {
	if e, ok := errors.AsType[*yaml.LoadError](err); ok && e.Mark.Line > 0 {
		return Problem{fmt.Sprintf("%s:%d:%d", r.name, e.Mark.Line, e.Mark.Column+1), "not well-formed YAML: " + e.Message}
	}
	return Problem{r.name, "not well-formed YAML: " + err.Error()}
}

func (r *reading) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", r.name, n.Line, n.Column) }

func (r *reading) refuse(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.at(n), fmt.Sprintf(format, args...)})
}

// pair reads one key and its value.
func (r *reading) pair(key, value *yaml.Node) {
	if key.Kind != yaml.ScalarNode {
		r.refuse(key, "a key is the name of a setting")
		return
	}
	s, ok := r.model.Find(key.Value)
	if !ok || s.NoFile {
		r.unknown(key, ok)
		return
	}
	if first, twice := r.file.Values[s.Name]; twice {
		r.refuse(key, "%s is set twice; the first is in line %d", s.Name, first.Line)
		return
	}
	v := Value{Line: key.Line, Column: key.Column}
	r.file.Values[s.Name] = v // for the next of the name, also when the value is wrong
	if !s.List {
		v.Text, ok = r.scalar(&s, value)
	} else {
		v.List, ok = r.list(&s, value)
	}
	if ok {
		r.file.Values[s.Name] = v
	}
}

// unknown refuses a key that sets nothing here.
func (r *reading) unknown(key *yaml.Node, exists bool) {
	if exists {
		r.refuse(key, "%s is for the command line and the environment, not for the file", key.Value)
		return
	}
	names := make([]string, len(r.model))
	for i, s := range r.model {
		names[i] = s.Name
	}
	if near := Nearest(strings.TrimPrefix(key.Value, "--"), names); near != "" {
		r.refuse(key, "there is no setting %q; did you mean %q?", key.Value, near)
		return
	}
	r.refuse(key, "there is no setting %q; glassine config print lists them", key.Value)
}

// list reads the value of a setting that takes several.
func (r *reading) list(s *Setting, n *yaml.Node) ([]string, bool) {
	if n.Kind != yaml.SequenceNode || n.Anchor != "" {
		r.refuse(n, "%s takes a list: a line beginning with - for each value, or [a, b]", s.Name)
		return nil, false
	}
	out, all := []string{}, true
	for _, e := range n.Content {
		text, ok := r.scalar(s, e)
		out, all = append(out, text), all && ok
	}
	return out, all
}

// types are the YAML types that values of a kind have; text for the others.
var types = map[Kind]string{Number: "!!int", Switch: "!!bool"}

// scalar reads one value.
func (r *reading) scalar(s *Setting, n *yaml.Node) (string, bool) {
	tag := n.ShortTag()
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.refuse(n, "%s: anchors and aliases are not for settings", s.Name)
		return "", false
	case n.Kind != yaml.ScalarNode:
		r.refuse(n, "%s takes one value: %s", s.Name, s.form())
		return "", false
	case tag == "!!null" && n.Value == "":
		r.refuse(n, "%s has no value; leave the line out for what it is by default", s.Name)
		return "", false
	}
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		r.refuse(n, "%s: tags such as %s are not for settings", s.Name, n.Tag)
		return "", false
	}
	want := types[s.Kind]
	if want == "" {
		want = "!!str"
	}
	switch {
	case s.Kind == Size && tag == "!!int" && n.Value == "0", contains(s.Words, n.Value):
	case tag == want && (s.Kind != Number || digits(n.Value)):
	case want == "!!str" && s.Kind != Size && s.Kind != Duration && (tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!timestamp"):
		r.refuse(n, "%s is text, which this is not in YAML; write it in quotes: %q", s.Name, n.Value)
		return "", false
	default:
		r.refuse(n, "%s is %q; write %s", s.Name, n.Value, s.form())
		return "", false
	}
	text := n.Value
	if s.Kind == Switch {
		text = strings.ToLower(text)
	}
	text = s.absolute(text, filepath.Dir(r.name))
	if wrong := s.wrong(text); wrong != "" {
		r.refuse(n, "%s", wrong)
		return "", false
	}
	return text, true
}

// digits reports whether s is a whole number below a thousand million as people write one: 010 is eight to some readers.
func digits(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && len(s) <= 9 && strings.Trim(s, "0123456789") == ""
}

// absolute makes a relative path in a value one from dir. A path that begins with ~ is the home directory's.
func (s *Setting) absolute(text, dir string) string {
	name, path := "", text
	switch s.Kind {
	case Path:
	case Pair:
		n, p, ok := strings.Cut(text, "=")
		if !ok {
			return text
		}
		name, path = n+"=", p
	default:
		return text
	}
	if path == "" || contains(s.Words, path) || filepath.IsAbs(path) || strings.HasPrefix(path, "~") {
		return text
	}
	return name + filepath.Join(dir, path)
}
