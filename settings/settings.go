// Package settings reads the file of settings and describes what may stand in it: a model of settings, which the command line
// is the source of, becomes the reader of the file, the JSON Schema for editors and the page of reference. It knows no setting by
// name, and decides nothing about what one means.
//
// Start at Model and Read.
package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is what the value of a setting is.
type Kind string

// The kinds, and how their values are written.
const (
	Text     Kind = "text"
	Path     Kind = "path"     // of a file or directory; in the file relative to where the file is
	Pair     Kind = "pair"     // NAME=PATH, the path as in Path
	Address  Kind = "address"  // host:port
	Size     Kind = "size"     // 512MiB; 0
	Duration Kind = "duration" // 10s, 1h30m
	Number   Kind = "number"   // a whole one, not negative
	Switch   Kind = "switch"   // true or false
)

// Setting is one thing that can be set.
type Setting struct {
	Name    string   // the flag without its dashes, and the key in the file
	Env     string   // the variable; "" for none
	Group   string   // what it belongs to, a title
	Help    string   // one or more sentences
	Kind    Kind     // of the value, or of each of a list
	List    bool     // several values: a list in the file
	Commas  bool     // of a list: values are joined by commas in a flag and in the environment
	Default string   // as it is written; "" for none
	Choices []string // what a value may be; nil: whatever Kind allows
	Words   []string // words that may stand in place of a value of Kind
	Example string   // a value, for those who read; "" for none
	Live    bool     // a reload takes a change of it
	NoFile  bool     // a flag and a variable only

	// Check says what is wrong with a value that is of its kind; nil: nothing.
	Check func(value string) error
}

// Model is all settings, in the order of the reference.
type Model []Setting

// Find returns the setting of that name.
func (m Model) Find(name string) (Setting, bool) {
	i := slices.IndexFunc(m, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return m[i], true
}

// Problem is a fault, and where it is.
type Problem struct {
	Place string // file:line:column, or the name of a variable
	Text  string // a sentence without a full stop
}

// Problems is the error of a text with faults, in their order. There is at least one.
type Problems []Problem

// Error gives each on a line of its own.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Place + ": " + one.Text
	}
	return strings.Join(lines, "\n")
}

// patterns are what values look like that are text in the file, and are those of the schema.
var patterns = map[Kind]string{
	Pair:     `^[^=]+=.+$`,
	Address:  `^.*:[^:]+$`,
	Size:     `^(0|[0-9]+(B|KiB|MiB|GiB|TiB))$`,
	Duration: `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`,
}

var compiled = func() map[Kind]*regexp.Regexp {
	out := map[Kind]*regexp.Regexp{}
	for kind, p := range patterns {
		out[kind] = regexp.MustCompile(p)
	}
	return out
}()

// forms say how a value of a kind is written.
var forms = map[Kind]string{
	Text: "text", Path: "a path", Pair: "NAME=PATH", Address: "host:port, such as 127.0.0.1:8080", Size: "a size with its unit, such as 512MiB or 20GiB, or 0",
	Duration: "a duration with its unit, such as 10s or 1h30m", Number: "a whole number", Switch: "true or false",
}

// form says how a value of the setting is written.
func (s *Setting) form() string {
	if len(s.Choices) > 0 {
		return "one of " + joined(s.Choices)
	}
	if len(s.Words) > 0 {
		return forms[s.Kind] + ", or " + strings.Join(s.Words, " or ")
	}
	return forms[s.Kind]
}

// joined lists words; "" is not shown.
func joined(words []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), ", ")
}

// wrong says what is wrong with a value that was written as text, or "".
func (s *Setting) wrong(value string) string {
	switch {
	case len(s.Choices) > 0 && !slices.Contains(s.Choices, value):
		if near := Nearest(value, s.Choices); near != "" {
			return fmt.Sprintf("%s is %q, which is none of %s; did you mean %q?", s.Name, value, joined(s.Choices), near)
		}
		return fmt.Sprintf("%s is %q, which is none of %s", s.Name, value, joined(s.Choices))
	case slices.Contains(s.Words, value):
		return ""
	}
	if p := compiled[s.Kind]; p != nil && !p.MatchString(value) {
		return fmt.Sprintf("%s is %q; write %s", s.Name, value, s.form())
	}
	if s.Check != nil {
		if err := s.Check(value); err != nil {
			return fmt.Sprintf("%s: %v", s.Name, err)
		}
	}
	return ""
}
