package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

var updateGuide = flag.Bool("update-cli", false, "write docs/guide/cli.md anew")

// dressed is the parser as main has it.
func dressed(t *testing.T) *kong.Kong {
	t.Helper()
	parser, _, err := newParser(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	if err := dress(parser); err != nil {
		t.Fatal(err)
	}
	return parser
}

func TestEveryCommandIsInTheManual(t *testing.T) {
	parser, pages := dressed(t), readManual(manualText)
	var commands []string
	everyCommand(parser.Model.Node, func(n *kong.Node) {
		name := commandPath(n)
		commands = append(commands, name)
		page := pages[name]
		switch {
		case page == nil:
			t.Errorf("manual.txt has nothing about %s", name)
			return
		case len(page.examples) == 0:
			t.Errorf("%s has no example", name)
		}
		for _, e := range page.examples {
			checkExample(t, parser, name, e.command)
		}
		if n.Help == "" || !strings.HasSuffix(n.Help, ".") {
			t.Errorf("%s has the help %q, which is no sentence", name, n.Help)
		}
		if n.Parent == parser.Model.Node && n.Group == nil {
			t.Errorf("%s stands in no group", name)
		}
		for _, f := range n.Flags {
			if f.Help == "" {
				t.Errorf("--%s of %s has no help", f.Name, name)
			}
		}
		for _, p := range n.Positional {
			if p.Help == "" {
				t.Errorf("%s of %s has no help", p.Name, name)
			}
		}
	})
	for name := range pages {
		if !slices.Contains(commands, name) {
			t.Errorf("manual.txt has %s, which is no command", name)
		}
	}
}

// checkExample parses a command line up to what the shell makes of it. Files that it names need not be there.
func checkExample(t *testing.T, parser *kong.Kong, name, line string) {
	t.Helper()
	command, _, _ := strings.Cut(line, " | ")
	words, quoted := splitLine(command)
	words = slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, ">") || strings.HasPrefix(w, "<") })
	if quoted != 0 || len(words) < 2 || words[0] != "glassine" || !strings.HasPrefix(strings.Join(words[1:], " ")+" ", name+" ") {
		t.Errorf("%s: the example %q is of something else", name, line)
		return
	}
	ctx, err := kong.Trace(parser, words[1:])
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Error != nil && !strings.Contains(ctx.Error.Error(), "no such file") && !strings.Contains(ctx.Error.Error(), "exist") {
		t.Errorf("%s: the example %q is wrong: %v", name, line, ctx.Error)
	}
}

func TestWrongExamplesAreFound(t *testing.T) {
	for _, line := range []string{"glassine deploy --no-such-flag", "glassine stacks extra words", "glassine deploy 'open"} {
		words, quoted := splitLine(line)
		if quoted != 0 {
			continue
		}
		ctx, err := kong.Trace(dressed(t), words[1:])
		if err == nil && ctx.Error == nil {
			t.Errorf("%q was parsed", line)
		}
	}
}

// The commands that have no --output, and why.
var withoutOutput = map[string]string{
	"up": "it serves", "serve": "it serves", "down": "it prints one remark", "health": "its status is its answer", "console": "it prints one link",
	"config validate": "its status is its answer", "config schema": "it prints JSON", "config fmt": "it prints a file", "trust": "it prints commands for a shell",
	"init": "it writes a file", "import": "it tells what it does on the way", "user delete": "it prints one remark", "export": "it prints a template", "dev": "it runs until it is interrupted",
	"sign": "it prints one URL", "strip": "its -o says where results go", "backup": "it writes a file", "restore": "it writes files", "help": "it prints text", "completion": "it prints a script", "man": "it prints a page",
}

func TestWhatPrintsDataHasOutput(t *testing.T) {
	for _, n := range dressed(t).Model.Leaves(true) {
		name := commandPath(n)
		i := slices.IndexFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == "output" })
		if reason, ok := withoutOutput[name]; ok {
			if i >= 0 {
				t.Errorf("%s has --output, and is among those that have none (%s)", name, reason)
			}
			continue
		}
		if i < 0 {
			t.Errorf("%s has no --output: embed outputFlags, or say why in withoutOutput", name)
			continue
		}
		f := n.Flags[i]
		for _, word := range []string{"json", "yaml", "text", "table"} {
			if !slices.Contains(f.EnumSlice(), word) {
				t.Errorf("%s --output has no %s", name, word)
			}
		}
		if f.Short != 'o' || f.Default != "table" {
			t.Errorf("%s --output is -%c and %s unless said, want -o and table", name, f.Short, f.Default)
		}
	}
}

func TestHelpIsNoWiderThanATerminal(t *testing.T) {
	parser := dressed(t)
	var out bytes.Buffer
	parser.Stdout = &out
	help := func(words ...string) string {
		t.Helper()
		out.Reset()
		ctx, err := kong.Trace(parser, words)
		if err == nil {
			err = ctx.PrintUsage(false)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, n := range append(parser.Model.Leaves(true), parser.Model.Node) {
		text := help(strings.Fields(commandPath(n))...)
		if !strings.HasPrefix(text, strings.TrimSpace("Usage: glassine "+commandPath(n))) {
			t.Errorf("the help of %q begins with %.60q", commandPath(n), text)
		}
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if utf8.RuneCountInString(line) > helpWidth && strings.Count(strings.TrimSpace(line), " ") > 2 {
				t.Errorf("the help of %q has a line of %d characters: %q", commandPath(n), len(line), line)
			}
		}
	}
	for _, want := range []string{"Run\n", "Set up\n", "See\n", "Pictures\n", "Maintain\n", "Stacks\n"} {
		if !strings.Contains(help(), want) {
			t.Errorf("--help lacks the group %q:\n%s", want, help())
		}
	}
	said, _ := wants(t, 0, "help", "deploy")
	if same, _ := wants(t, 0, "deploy", "--help"); said != same || said != help("deploy") {
		t.Errorf("help deploy is not deploy --help:\n%s\n%s", said, same)
	}
}

func TestManualPagesHaveNoFault(t *testing.T) {
	parser := dressed(t)
	m := newManPages(parser, time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC))
	pages := m.pages()
	if len(pages) < 30 {
		t.Fatalf("%d pages", len(pages))
	}
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Fatal("mandoc is missing: run make deps")
	}
	dir := t.TempDir()
	var files []string
	for _, p := range pages {
		file := filepath.Join(dir, p.name+".1")
		if err := os.WriteFile(file, []byte(p.text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	lint := func(files ...string) string {
		out, _ := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "warning"}, files...)...).CombinedOutput() // its status says what out does
		return string(out)
	}
	if out := lint(files...); out != "" {
		t.Errorf("mandoc finds faults:\n%s", out)
	}
	text, err := exec.Command(mandoc, "-T", "utf8", filepath.Join(dir, "glassine-strip.1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := overstruck(text)
	for _, want := range []string{"glassine-strip - Take the metadata out", "glassine strip album --in-place --dry-run", "--metadata=", "EXIT STATUS"} {
		if !strings.Contains(plain, want) {
			t.Errorf("glassine-strip(1) lacks %q:\n%s", want, plain)
		}
	}
	// A page with a fault, to see that it is found.
	bad := filepath.Join(dir, "bad.1")
	if err := os.WriteFile(bad, []byte(".TH BAD 1\n.SH NAME\nbad \\- x\n.BOGUS\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if lint(bad) == "" {
		t.Error("mandoc finds nothing wrong with a page that is")
	}
}

// overstruck is a terminal's text without its bold and underlined letters.
func overstruck(text []byte) string {
	var out []rune
	for _, r := range strings.ReplaceAll(string(text), "‐", "-") {
		if r == '\b' && len(out) > 0 {
			out = out[:len(out)-1]
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

func FuzzRoff(f *testing.F) {
	f.Add(".TH x")
	f.Add(`\fB--flag\fR 'a' ~`)
	f.Fuzz(func(t *testing.T, text string) {
		if out := roff(text); strings.HasPrefix(out, ".") || strings.HasPrefix(out, "'") || strings.Contains(out, "\n") {
			t.Errorf("%q is %q, a request", text, out)
		}
	})
}

func TestNearestCommand(t *testing.T) {
	for word, want := range map[string]string{"deplyo": "did you mean deploy?", "stak": "did you mean stacks?", "xyzzy": "", "statu": "did you mean status?"} {
		if got := nearest(word, []string{"deploy", "stacks", "status", "destroy"}); got != want && (word != "stak" || got == "") {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// guidePage is docs/guide/cli.md.
func guidePage(parser *kong.Kong) string {
	m := newManPages(parser, time.Time{})
	var b strings.Builder
	b.WriteString("# The command line\n\nThis page is made from the program: `go test ./cmd/glassine -run TestGuidePage -update-cli` writes it anew. The same is in `glassine help`, and in the manual pages that `glassine man --dir DIR` writes.\n\n")
	for _, p := range conventions {
		b.WriteString(guideText(p) + "\n\n")
	}
	b.WriteString("| status | means |\n|---|---|\n| 0 | it is done |\n| 1 | it failed |\n| 2 | the command line is wrong |\n| 3 | the server does not run, or is not ready |\n| 4 | the caller may not do it |\n\n")
	b.WriteString("Every command has `--help` and `--no-color`. Those that speak to a server have `--config`, `--data`, `--aws`, `--account` and `--region`, which are settings: see [settings.md](settings.md).\n")
	group := ""
	for _, top := range parser.Model.Children {
		if top.Hidden {
			continue
		}
		if top.Group.Title != group {
			group = top.Group.Title
			b.WriteString("\n## " + group + "\n")
		}
		nodes := []*kong.Node{top}
		everyCommand(top, func(n *kong.Node) { nodes = append(nodes, n) })
		for _, n := range nodes {
			b.WriteString(guideCommand(m, n))
		}
	}
	return b.String()
}

func guideCommand(m *manPages, n *kong.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### glassine %s\n\n", commandPath(n))
	text := m.text(n)
	if text[0] != n.Help {
		b.WriteString(guideText(n.Help) + "\n\n")
	}
	for _, p := range text {
		b.WriteString(guideText(p) + "\n\n")
	}
	var rows []string
	for _, p := range n.Positional {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", cell(p.Summary()), cell(guideText(p.Help))))
	}
	for _, f := range n.Flags {
		if f.Hidden || len(f.Envs) > 0 || f.Name == "help" {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", cell(name), cell(guideText(flagHelp(f)))))
	}
	if len(rows) > 0 {
		b.WriteString("| | |\n|---|---|\n" + strings.Join(rows, "") + "\n")
	}
	if page := m.manual[commandPath(n)]; page != nil && len(page.examples) > 0 {
		b.WriteString("```console examples, each for a set-up of its own\n")
		for _, e := range page.examples {
			line := "$ " + e.command
			if e.remark != "" {
				line += "   # " + e.remark
			}
			b.WriteString(line + "\n")
		}
		b.WriteString("```\n")
	}
	return b.String()
}

// guideText is a text in which Markdown sees nothing of its own, and its flags and variables stand as code.
func guideText(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		bare := strings.TrimRight(w, ".,:;)")
		switch {
		case strings.HasPrefix(bare, "-") && len(bare) > 1, strings.Contains(bare, "_"):
			words[i] = "`" + bare + "`" + w[len(bare):]
		default:
			words[i] = strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(w)
		}
	}
	return strings.Join(words, " ")
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func TestGuidePage(t *testing.T) {
	const file = "../../docs/guide/cli.md"
	want := guidePage(dressed(t))
	if *updateGuide {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the program says: go test ./cmd/glassine -run TestGuidePage -update-cli", file)
	}
}
