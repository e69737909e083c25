package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// The scripts ask glassine itself what can stand there, so that they fit whichever glassine is installed.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

// Run prints the script.
func (c *completionCmd) Run() error {
	_, err := io.WriteString(os.Stdout, map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell])
	return err
}

// completeCmd is what the scripts ask. It never fails: a shell has no place for an error there.
type completeCmd struct {
	Shell  string   `enum:"bash,plain" default:"plain" help:"bash gives the line up to the cursor, and gets what replaces its own notion of a word."`
	Breaks string   `help:"Of bash: COMP_WORDBREAKS."`
	Words  []string `arg:"" optional:"" help:"The words up to the cursor, the program's name first."`
}

// Run prints what can stand there: a line for each candidate, with a tab and what it is, and at the end a line that begins with a
// colon: files or dirs when names of these may stand there too, otherwise nothing.
func (c *completeCmd) Run(parser *kong.Kong) error {
	words, before := c.Words, ""
	quoted := byte(0)
	if c.Shell == "bash" {
		line := ""
		if len(words) > 0 {
			line = words[0]
		}
		words, quoted = splitLine(line)
		before = brokenOff(words[len(words)-1], c.Breaks)
		if quoted != 0 {
			before = ""
		}
	}
	if len(words) < 2 {
		return nil
	}
	s := completing(parser.Model, words[1:len(words)-1])
	found, also := s.candidates(words[len(words)-1])
	var b strings.Builder
	for _, f := range found {
		value := f.value
		if c.Shell == "bash" {
			if value = strings.TrimPrefix(value, before); quoted == 0 {
				value = escaped(value)
			}
		}
		if strings.ContainsFunc(value+f.help, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			continue // a key with a line's end in it cannot be offered
		}
		b.WriteString(value + "\t" + f.help + "\n")
	}
	fmt.Fprintf(&b, ":%s\n", also)
	_, err := io.WriteString(os.Stdout, b.String())
	return err
}

// splitLine takes a line apart as a shell does; the last word may be empty or unfinished, and quoted is the quote that is open in it.
func splitLine(line string) (words []string, quoted byte) {
	var word strings.Builder
	in := false
	for i := 0; i < len(line); i++ {
		switch ch := line[i]; {
		case quoted != 0 && ch == quoted:
			quoted = 0
		case ch == '\\' && quoted != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			in = true
		case quoted != 0:
			word.WriteByte(ch)
		case ch == '\'' || ch == '"':
			quoted, in = ch, true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(ch)
			in = true
		}
	}
	return append(words, word.String()), quoted
}

// brokenOff is the part of a word that bash takes for words of their own, and so keeps.
func brokenOff(word, breaks string) string {
	return word[:strings.LastIndexAny(word, strings.Trim(breaks, " \t\n\"'"))+1]
}

// escaped is a word as bash takes it.
func escaped(word string) string {
	var b strings.Builder
	for _, r := range word {
		if strings.ContainsRune(" \t\"'\\$`&|;<>()*?[]{}!#~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// candidate is what can stand somewhere, and a few words about it.
type candidate struct{ value, help string }

// completionState is what a command line has said so far.
type completionState struct {
	node     *kong.Node
	given    map[string][]string // values of flags, by name
	awaits   *kong.Flag          // whose value comes next
	args     []string
	onlyArgs bool // after --
}

// completing reads the words of a command line that is not finished. What is wrong in it is passed over.
func completing(model *kong.Application, words []string) *completionState {
	s := &completionState{node: model.Node, given: map[string][]string{}}
	for _, w := range words {
		switch {
		case s.awaits != nil:
			s.given[s.awaits.Name] = append(s.given[s.awaits.Name], w)
			s.awaits = nil
		case w == "--":
			s.onlyArgs = true
		case !s.onlyArgs && len(w) > 1 && w[0] == '-':
			s.flag(w)
		default:
			s.word(w)
		}
	}
	return s
}

// flag takes up a flag, whose value may be in the word or the next one.
func (s *completionState) flag(word string) {
	name, value, has := strings.Cut(word, "=")
	for _, f := range s.flags() {
		long := name == "--"+f.Name
		short := f.Short != 0 && strings.HasPrefix(word, "-"+string(f.Short)) && !strings.HasPrefix(word, "--")
		switch {
		case !long && !short:
		case f.IsBool():
			s.given[f.Name] = append(s.given[f.Name], "true")
		case long && has:
			s.given[f.Name] = append(s.given[f.Name], value)
		case short && len(word) > 2:
			s.given[f.Name] = append(s.given[f.Name], word[2:])
		default:
			s.awaits = f
		}
	}
}

// word takes up a command or an argument.
func (s *completionState) word(w string) {
	if len(s.args) == 0 {
		for _, child := range s.node.Children {
			if child.Name == w || slices.Contains(child.Aliases, w) {
				s.node = child
				return
			}
		}
	}
	s.args = append(s.args, w)
}

// flags are those that may stand here.
func (s *completionState) flags() (out []*kong.Flag) {
	for _, group := range s.node.AllFlags(true) {
		out = append(out, group...)
	}
	return out
}

// candidates are what can stand in place of a word, which is not finished. also says that names of files or dirs can, too.
func (s *completionState) candidates(word string) (found []candidate, also string) {
	begun := func(all []candidate, prefix string) []candidate {
		var out []candidate
		for _, c := range all {
			if strings.HasPrefix(c.value, word) {
				out = append(out, candidate{prefix + c.value, c.help})
			}
		}
		return out
	}
	if s.awaits != nil {
		all, also := s.values(s.awaits.Value, word)
		return begun(all, ""), also
	}
	if strings.HasPrefix(word, "-") && !s.onlyArgs {
		name, value, has := strings.Cut(word, "=")
		if !has {
			return begun(s.flagNames(), ""), ""
		}
		for _, f := range s.flags() {
			if name == "--"+f.Name {
				word = value
				all, also := s.values(f.Value, value)
				return begun(all, name+"="), also
			}
		}
		return nil, ""
	}
	if len(s.args) == 0 {
		for _, child := range s.node.Children {
			if !child.Hidden {
				found = append(found, candidate{child.Name, child.Help})
			}
		}
	}
	if p := s.argument(); p != nil {
		all, files := s.values(p, word)
		found, also = append(found, all...), files
	}
	return begun(found, ""), also
}

// flagNames are the flags that are not given yet, or may be given again.
func (s *completionState) flagNames() (out []candidate) {
	for _, f := range s.flags() {
		if s.given[f.Name] != nil && !f.IsCumulative() {
			continue
		}
		name := "--" + f.Name
		if !f.IsBool() {
			name += "="
		}
		out = append(out, candidate{name, firstSentence(f.Help)})
	}
	slices.SortFunc(out, func(a, b candidate) int { return strings.Compare(a.value, b.value) })
	return out
}

// firstSentence is what a line of a list has room for.
func firstSentence(text string) string {
	for _, end := range []string{". ", "; ", ": "} {
		text, _, _ = strings.Cut(text, end)
	}
	return short(strings.TrimSuffix(text, "."))
}

// argument is the one that comes next.
func (s *completionState) argument() *kong.Positional {
	all := s.node.Positional
	switch n := len(s.args); {
	case n < len(all):
		return all[n]
	case len(all) > 0 && all[len(all)-1].IsCumulative():
		return all[len(all)-1]
	}
	return nil
}

// values are those that an argument or flag can have.
func (s *completionState) values(v *kong.Value, word string) (found []candidate, also string) {
	if v.Enum != "" {
		for _, e := range v.EnumSlice() {
			if e != "" {
				found = append(found, candidate{e, ""})
			}
		}
		return found, ""
	}
	kind := v.Tag.Get("complete")
	switch {
	case kind == "command":
		return s.commands(), ""
	case kind != "":
		return liveNames(s, kind, word), map[string]string{"template": "files"}[kind]
	case v.Tag.Type == "existingdir":
		return nil, "dirs"
	case v.Tag.Type == "existingfile", v.Tag.Type == "path", v.Tag.Get("is") == "path", slices.Contains([]string{"file", "path", "files", "dir"}, v.Name):
		return nil, "files"
	}
	return nil, ""
}

// commands are the commands below those that were named as arguments.
func (s *completionState) commands() (out []candidate) {
	n := s.node
	for n.Parent != nil {
		n = n.Parent
	}
	for _, w := range s.args {
		for _, child := range n.Children {
			if child.Name == w {
				n = child
			}
		}
	}
	for _, child := range n.Children {
		if !child.Hidden {
			out = append(out, candidate{child.Name, child.Help})
		}
	}
	return out
}
