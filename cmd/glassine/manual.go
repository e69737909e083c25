package main

import (
	_ "embed"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

//go:embed manual.txt
var manualText string

// manualPage is what the manual says of a command besides what kong's model does.
type manualPage struct {
	text     []string // paragraphs
	examples []example
}

// example is a command line, and a few words about it, or "".
type example struct{ command, remark string }

// readManual reads manual.txt: a page for each command, by its path such as "config print".
func readManual(text string) map[string]*manualPage {
	pages := map[string]*manualPage{}
	var page *manualPage
	paragraph := false // it goes on
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		name, begins := strings.CutPrefix(line, "# ")
		command, isExample := strings.CutPrefix(line, "  $ ")
		switch {
		case begins:
			page = &manualPage{}
			pages[name] = page
			paragraph = false
		case page == nil:
		case line == "":
			paragraph = false
		case isExample:
			command, remark, _ := strings.Cut(command, "   # ")
			page.examples = append(page.examples, example{command, remark})
		case paragraph:
			page.text[len(page.text)-1] += " " + line
		default:
			page.text = append(page.text, line)
			paragraph = true
		}
	}
	return pages
}

// commandPath is a command's name with those above it, without the program's.
func commandPath(n *kong.Node) string {
	if n.Parent == nil {
		return ""
	}
	return strings.TrimSpace(commandPath(n.Parent) + " " + n.Name)
}

// everyCommand calls f for all commands that are not hidden, those that have others below them too, in their order.
func everyCommand(n *kong.Node, f func(*kong.Node)) {
	for _, child := range n.Children {
		if !child.Hidden {
			f(child)
			everyCommand(child, f)
		}
	}
}

// helpWidth is how wide help is at most, whatever the terminal has.
const helpWidth = 80

// dress gives a parser the manual's texts and the way in which help is printed.
func dress(parser *kong.Kong) error {
	pages := readManual(manualText)
	everyCommand(parser.Model.Node, func(n *kong.Node) {
		settingsLast(n)
		page := pages[commandPath(n)]
		if page == nil {
			return
		}
		if len(page.text) > 0 {
			n.Detail = strings.Join(page.text, "\n\n")
		}
		if len(page.examples) > 0 {
			n.Detail = strings.TrimSpace(n.Detail + "\n\nExamples:\n\n" + shownExamples(page.examples))
		}
	})
	return kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: helpWidth}).Apply(parser)
}

// settingsLast puts the flags that a command shares with others behind its own, under a title.
func settingsLast(n *kong.Node) {
	isSetting := func(f *kong.Flag) bool { return len(f.Envs) > 0 && strings.HasPrefix(f.Envs[0], envPrefix) }
	var own, shared []*kong.Flag
	for _, f := range n.Flags {
		if !isSetting(f) {
			own = append(own, f)
			continue
		}
		if f.Group == nil {
			f.Group = &kong.Group{Key: "settings", Title: "Settings:"}
		}
		shared = append(shared, f)
	}
	n.Flags = append(own, shared...)
}

// shownExamples are examples with their remarks above them, so that no line is wider than it has to be.
func shownExamples(all []example) string {
	var b strings.Builder
	for _, e := range all {
		if e.remark != "" {
			fmt.Fprintf(&b, "    # %s\n", e.remark)
		}
		fmt.Fprintf(&b, "    %s\n", strings.Join(foldCommand(e.command, helpWidth-8), "\n        "))
	}
	return b.String()
}

// foldCommand breaks a command line that is wider than width with backslashes, at spaces outside of quotes. A word that is wider by
// itself stays.
func foldCommand(command string, width int) []string {
	var lines []string
	for len(command) > width {
		cut, quoted := -1, false
		for i := 0; i < len(command) && (i < width-2 || cut < 0); i++ {
			switch {
			case command[i] == '\'':
				quoted = !quoted
			case command[i] == ' ' && !quoted && i > 0:
				cut = i
			}
		}
		if cut < 0 {
			break
		}
		lines = append(lines, command[:cut]+" \\")
		command = command[cut+1:]
	}
	return append(lines, command)
}

type helpCmd struct {
	Command []string `arg:"" optional:"" complete:"command" help:"The command."`
}

// Run prints the help of a command, or of the program.
func (c *helpCmd) Run(parser *kong.Kong) error {
	n := parser.Model.Node
	for _, word := range c.Command {
		var next *kong.Node
		var names []string
		for _, child := range n.Children {
			if child.Name == word {
				next = child
			}
			if !child.Hidden {
				names = append(names, child.Name)
			}
		}
		if next == nil {
			return usageError{&card{fmt.Errorf("there is no command %s", strings.TrimSpace(commandPath(n)+" "+word)), nearest(word, names), "glassine --help"}}
		}
		n = next
	}
	ctx, err := kong.Trace(parser, c.Command)
	if err != nil {
		return err
	}
	parser.Stdout = os.Stdout
	return ctx.PrintUsage(false)
}

// nearest says which of some names is meant, "" when none is near.
func nearest(word string, names []string) string {
	best, least := "", 3 // more letters than two are another word
	for _, name := range names {
		if d := distance(word, name); d < least || strings.HasPrefix(name, word) && best == "" {
			best, least = name, min(d, least)
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is how many letters differ (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}
