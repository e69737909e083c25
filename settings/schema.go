package settings

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Schema is a JSON Schema (draft 2020-12) of the file, for editors and for checks before a deployment. What it refuses, Read
// refuses too; Read knows more, such as whether a file exists. title is what editors show, id the URL that names the schema.
func (m Model) Schema(id, title string) []byte {
	properties := map[string]any{}
	for _, s := range m {
		if !s.NoFile {
			properties[s.Name] = s.schema()
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id, "title": title,
		"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false,
	}); err != nil {
		panic(err) // a broken program: maps of strings
	}
	return out.Bytes()
}

// schema is that of one setting.
func (s *Setting) schema() map[string]any {
	out := map[string]any{"description": s.Help}
	value := s.valueSchema()
	if s.List {
		out["type"], out["items"] = "array", value
		return out
	}
	for k, v := range value {
		out[k] = v
	}
	if d, ok := s.defaultValue(); ok {
		out["default"] = d
	}
	return out
}

// defaultValue is the default as JSON has it.
func (s *Setting) defaultValue() (any, bool) {
	switch s.Kind {
	case Switch:
		return s.Default == "true", true
	case Number:
		n, err := strconv.Atoi(s.Default)
		return n, err == nil
	}
	return s.Default, s.Default != ""
}

// valueSchema is that of one value.
func (s *Setting) valueSchema() map[string]any {
	switch {
	case len(s.Choices) > 0:
		return map[string]any{"enum": s.Choices}
	case s.Kind == Switch:
		return map[string]any{"type": "boolean"}
	case s.Kind == Number:
		return map[string]any{"type": "integer", "minimum": 0, "maximum": 999999999}
	}
	out := map[string]any{"type": "string"}
	pattern := patterns[s.Kind]
	if pattern != "" {
		if len(s.Words) > 0 {
			pattern = "^(" + strings.Trim(pattern, "^$") + "|" + strings.Join(quoted(s.Words), "|") + ")$"
		}
		out["pattern"] = pattern
	}
	if s.Kind == Size {
		delete(out, "type")
		delete(out, "pattern")
		out["anyOf"] = []any{map[string]any{"type": "string", "pattern": pattern}, map[string]any{"const": 0}}
	}
	if s.Example != "" {
		out["examples"] = []string{s.Example}
	}
	return out
}

func quoted(words []string) []string {
	out := slices.Clone(words)
	for i, w := range out {
		out[i] = regexp.QuoteMeta(w)
	}
	return out
}
