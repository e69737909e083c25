package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// outputFlags are shared by the commands that print data. As with aws-cli, the form is the same on a terminal and in a pipe.
type outputFlags struct {
	Output string `short:"o" enum:"json,yaml,text,table" default:"table" placeholder:"FORM" help:"What is printed: table, for people; text, values between tabs as aws-cli has them; json or yaml."`
}

// forPeople reports whether people read what is printed, and so whether progress and remarks are of use.
func (f *outputFlags) forPeople() bool { return f.Output == "" || f.Output == "table" }

// print writes data to standard output, as the flag says: data's JSON form as one document, or, for people, what people writes.
func (f *outputFlags) print(data any, people func(w io.Writer)) error {
	var b bytes.Buffer
	var err error
	switch f.Output {
	case "json":
		err = writeJSON(&b, data)
	case "yaml":
		err = writeYAML(&b, data)
	case "text":
		err = writeText(&b, data)
	default:
		people(&b)
	}
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b.Bytes())
	return err
}

// record writes one of many records, which nobody holds together: in JSON one on each line, in YAML one document each.
func (f *outputFlags) record(data any, people func(w io.Writer)) error {
	if f.forPeople() {
		return f.print(data, people)
	}
	b, err := f.form(data)
	if err == nil {
		_, err = os.Stdout.Write(b)
	}
	return err
}

// form is one of many records as programs read it.
func (f *outputFlags) form(data any) ([]byte, error) {
	var b bytes.Buffer
	switch f.Output {
	case "json":
		return compactJSON(data)
	case "yaml":
		b.WriteString("---\n")
		err := writeYAML(&b, data)
		return b.Bytes(), err
	}
	err := writeText(&b, data)
	return b.Bytes(), err
}

// compactJSON is a value as JSON on one line, with the line's end.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeYAML writes what JSON has of v, with the same names in the same order.
func writeYAML(w io.Writer, v any) error {
	raw, err := compactJSON(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	doc, err := yamlNode(d)
	if err != nil {
		return err
	}
	text, err := yaml.Dump(doc, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1))
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// yamlNode is the next value of d. Not YAML's own reader makes it, to which some characters of JSON's strings are line ends.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	scalar := func(tag, value string) (*yaml.Node, error) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}, nil
	}
	switch v := token.(type) {
	case nil:
		return scalar("!!null", "null")
	case bool:
		return scalar("!!bool", fmt.Sprint(v))
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return scalar("!!float", v.String())
		}
		return scalar("!!int", v.String())
	case string:
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
		if strings.ContainsFunc(v, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			n.Style = yaml.DoubleQuotedStyle
		}
		return n, nil
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if token == json.Delim('[') {
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	}
	for d.More() { // in an object names and values take turns
		child, err := yamlNode(d)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle // [] and {}
	}
	_, err = d.Token() // the end
	return n, err
}

// writeText writes v as aws-cli's --output text does: the values of an object on one line, in the order of their names, with tabs
// between; then what it contains, each line under the name of what it is. (aws-cli 2, awscli/text.py.)
func writeText(w io.Writer, v any) error {
	raw, err := compactJSON(v)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var item any
	if err := d.Decode(&item); err != nil {
		return err
	}
	var b bytes.Buffer
	textItem(&b, item, "", nil)
	_, err = w.Write(b.Bytes())
	return err
}

// textItem writes one value under a name, "" for none. keys are those that the line of an object has; nil for its own.
func textItem(b *bytes.Buffer, item any, name string, keys []string) {
	switch item := item.(type) {
	case map[string]any:
		textObject(b, item, name, keys)
	case []any:
		textList(b, item, name)
	default:
		b.WriteString(textScalar(item) + "\n")
	}
}

func textObject(b *bytes.Buffer, item map[string]any, name string, keys []string) {
	if keys == nil {
		keys = scalarKeys(item)
	}
	var values []string
	for _, key := range keys {
		value, ok := item[key]
		if !ok {
			values = append(values, "")
			continue
		}
		values = append(values, textScalar(value))
	}
	if len(values) > 0 {
		if name != "" {
			values = append([]string{strings.ToUpper(name)}, values...)
		}
		b.WriteString(strings.Join(values, "\t") + "\n")
	}
	for _, key := range slices.Sorted(maps.Keys(item)) {
		if !slices.Contains(keys, key) {
			textItem(b, item[key], key, nil)
		}
	}
}

func textList(b *bytes.Buffer, items []any, name string) {
	var objects []map[string]any
	var scalars []string
	for _, item := range items {
		switch item := item.(type) {
		case map[string]any:
			objects = append(objects, item)
		case []any:
		default:
			scalars = append(scalars, textScalar(item))
		}
	}
	switch {
	case len(objects) > 0:
		keys := scalarKeys(objects...)
		for _, item := range items {
			textItem(b, item, name, keys)
		}
	case len(scalars) > 0 && name == "":
		b.WriteString(strings.Join(scalars, "\t") + "\n")
	default:
		for _, s := range scalars {
			b.WriteString(strings.ToUpper(name) + "\t" + s + "\n")
		}
		for _, item := range items {
			if list, ok := item.([]any); ok {
				textList(b, list, name)
			}
		}
	}
}

// scalarKeys are the names under which objects have what goes on a line, in order: those that are a value in any of them and a list
// or object in none.
func scalarKeys(objects ...map[string]any) []string {
	scalar := map[string]bool{}
	for _, o := range objects {
		for key, value := range o {
			switch value.(type) {
			case map[string]any, []any:
				scalar[key] = false
			default:
				if _, seen := scalar[key]; !seen {
					scalar[key] = true
				}
			}
		}
	}
	keys := []string{}
	for _, key := range slices.Sorted(maps.Keys(scalar)) {
		if scalar[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// textScalar is a value within a line: what would break the line or speak to a terminal is a space in it.
func textScalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return strings.Map(func(r rune) rune {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				return ' '
			}
			return r
		}, v)
	}
	return fmt.Sprint(v)
}

// shownName is a name as a terminal may show it: quoted when there is something in it that a terminal might obey.
func shownName(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// shownSize is a number of bytes for people: powers of 1000.
func shownSize(n int64) string {
	switch v := float64(n); {
	case n < 1000 && n > -1000:
		return fmt.Sprintf("%d bytes", n)
	case v < 999_950 && v > -999_950:
		return fmt.Sprintf("%.1f KB", v/1e3)
	case v < 999_950_000 && v > -999_950_000:
		return fmt.Sprintf("%.1f MB", v/1e6)
	default:
		return fmt.Sprintf("%.1f GB", v/1e9)
	}
}

// counted is a number of things, such as "2 pictures".
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// The colours.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
	bold   = "1"
)

// coloured reports whether what goes to f may have colours: f is a terminal, and neither NO_COLOR (no-color.org), which
// --no-color sets, nor TERM says no.
func coloured(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}

// painted is text in a colour where f may have one.
func painted(f *os.File, colour, text string) string {
	if colour == "" || !coloured(f) {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// isTerminal reports whether f is a terminal, or another device that shows characters.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(info, null)
}
