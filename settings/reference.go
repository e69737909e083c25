package settings

import (
	"bytes"
	"fmt"
	"strings"
)

// Reference is the tables of the page of reference, in Markdown: a heading for each group.
func (m Model) Reference() []byte {
	var b bytes.Buffer
	group := ""
	for _, s := range m {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&b, "\n## %s\n\n| setting | environment | default | |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", s.title(), s.Env, s.shownDefault(), cell(s.sentences()))
	}
	return b.Bytes()
}

// title is the name, marked when the file has not got it.
func (s *Setting) title() string {
	if s.NoFile {
		return "`--" + s.Name + "`"
	}
	return "`" + s.Name + "`"
}

func (s *Setting) shownDefault() string {
	if s.Default == "" {
		return ""
	}
	return "`" + cell(s.Default) + "`"
}

// sentences are the help and what the kind and the model say besides.
func (s *Setting) sentences() string {
	out := []string{strings.TrimSuffix(s.Help, ".") + "."}
	switch {
	case len(s.Choices) > 0:
		which := "One of "
		if s.List {
			which = "Each one of "
		}
		out = append(out, which+joined(s.Choices)+".")
	case s.Kind == Size || s.Kind == Duration:
		out = append(out, "Written as "+s.form()+".")
	}
	if s.List {
		how := "repeat the flag for several; the variable holds one"
		if s.Commas {
			how = "in a flag and the variable joined by commas"
		}
		out = append(out, "A list in the file; "+how+".")
	}
	if s.Live {
		out = append(out, "**Reload.**")
	}
	return strings.Join(out, " ")
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
