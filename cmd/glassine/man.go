package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"glassine"
)

type manCmd struct {
	Command []string `arg:"" optional:"" complete:"command" help:"The command; the program itself when not given."`
	Dir     string   `help:"Write every page into this folder, as glassine.1, glassine-deploy.1 and so on." type:"path" placeholder:"DIR"`
}

// Run prints a page, or writes all of them.
func (c *manCmd) Run(parser *kong.Kong) error {
	m := newManPages(parser, manDate())
	if c.Dir == "" {
		name := strings.Join(append([]string{"glassine"}, c.Command...), "-")
		for _, p := range m.pages() {
			if p.name == name {
				_, err := io.WriteString(os.Stdout, p.text)
				return err
			}
		}
		return usageError{&card{fmt.Errorf("there is no page %s(1)", name), "", "glassine man"}}
	}
	if len(c.Command) > 0 {
		return usageError{errors.New("--dir is for all pages: name no command with it")}
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	for _, p := range m.pages() {
		if err := os.WriteFile(filepath.Join(c.Dir, p.name+".1"), []byte(p.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manDate is that of the pages, so that the same source makes the same bytes: SOURCE_DATE_EPOCH (reproducible-builds.org), or when
// the source was committed, or when the program was written to the disk.
func manDate() time.Time {
	if at, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(at, 0).UTC()
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at.UTC()
			}
		}
	}
	if exe, err := os.Executable(); err == nil {
		if info, err := os.Stat(exe); err == nil {
			return info.ModTime().UTC()
		}
	}
	return time.Now().UTC()
}

// manPage is one page, as roff in man(7)'s macros.
type manPage struct{ name, text string }

// manPages makes them.
type manPages struct {
	model  *kong.Application
	manual map[string]*manualPage
	date   string
}

func newManPages(parser *kong.Kong, date time.Time) *manPages {
	return &manPages{parser.Model, readManual(manualText), date.Format("2006-01-02")}
}

// pages are glassine(1), and one for each command.
func (m *manPages) pages() []manPage {
	out := []manPage{{"glassine", m.program()}}
	everyCommand(m.model.Node, func(n *kong.Node) {
		out = append(out, manPage{pageName(n), m.command(n)})
	})
	return out
}

// pageName is glassine-config-print.
func pageName(n *kong.Node) string {
	return strings.TrimRight("glassine-"+strings.ReplaceAll(commandPath(n), " ", "-"), "-")
}

// header begins a page.
func (m *manPages) header(name, about string) string {
	return fmt.Sprintf(".TH %s 1 %q %q %q\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), m.date, "glassine "+glassine.Version(), "glassine manual", roffName(name), roff(strings.TrimSuffix(about, ".")))
}

// program is glassine(1).
func (m *manPages) program() string {
	var b strings.Builder
	b.WriteString(m.header("glassine", "S3 Object Lambda behind CloudFront, in one program"))
	b.WriteString(".SH SYNOPSIS\n.B glassine\n.I command\n.RI [ flags ]\n.SH DESCRIPTION\n" + roff(m.model.Help) + "\n")
	for _, p := range conventions {
		b.WriteString(".PP\n" + roff(p) + "\n")
	}
	b.WriteString(".SH COMMANDS\n")
	group := ""
	for _, n := range m.model.Children {
		if n.Hidden {
			continue
		}
		if n.Group != nil && n.Group.Title != group {
			group = n.Group.Title
			b.WriteString(".SS " + roff(group) + "\n")
		}
		b.WriteString(".TP\n.BR " + roffName(pageName(n)) + " (1)\n" + roff(n.Help) + "\n")
	}
	b.WriteString(".SH FLAGS OF EVERY COMMAND\n")
	m.flags(&b, m.model.Flags)
	b.WriteString(exitSection + ".SH ENVIRONMENT\n")
	for _, v := range [][2]string{
		{"GLASSINE_*", "Settings, each by the name of its flag: GLASSINE_DATA is --data. See glassine-serve(1)."},
		{"AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CA_BUNDLE", "Where the endpoint is this one, commands sign with this key in place of the root key, which only who owns the data directory can read."},
		{"NO_COLOR", "No colours when it is not empty."},
	} {
		b.WriteString(".TP\n.B " + roff(v[0]) + "\n" + roff(v[1]) + "\n")
	}
	b.WriteString(".SH FILES\n.TP\n.I ~/.local/share/glassine\nThe data directory, unless --data says otherwise.\n.TP\n.I ~/.config/glassine/glassine.yaml, /etc/glassine/glassine.yaml\nSettings.\n")
	return b.String()
}

// exitSection is what every page says of statuses.
const exitSection = `.SH EXIT STATUS
.TP
.B 0
It is done.
.TP
.B 1
It failed.
.TP
.B 2
The command line is wrong.
.TP
.B 3
The server does not run, or is not ready.
.TP
.B 4
The caller may not do it.
`

// command is the page of a command.
func (m *manPages) command(n *kong.Node) string {
	var b strings.Builder
	b.WriteString(m.header(pageName(n), n.Help))
	b.WriteString(".SH SYNOPSIS\n.B glassine " + roffName(commandPath(n)) + "\n")
	if len(n.Children) > 0 {
		b.WriteString(".I command\n")
	}
	b.WriteString(".RI [ flags ]\n")
	for _, p := range n.Positional {
		b.WriteString(roff(p.Summary()) + "\n")
	}
	page := m.manual[commandPath(n)]
	b.WriteString(".SH DESCRIPTION\n")
	for i, p := range m.text(n) {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roff(p) + "\n")
	}
	if len(n.Children) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, child := range n.Children {
			b.WriteString(".TP\n.BR " + roffName(pageName(child)) + " (1)\n" + roff(child.Help) + "\n")
		}
	}
	if len(n.Positional) > 0 {
		b.WriteString(".SH ARGUMENTS\n")
		for _, p := range n.Positional {
			b.WriteString(".TP\n" + roff(p.Summary()) + "\n" + roff(cmpHelp(p.Help)) + "\n")
		}
	}
	if len(n.Flags) > 0 {
		b.WriteString(".SH FLAGS\n")
		m.flags(&b, n.Flags)
	}
	if page != nil && len(page.examples) > 0 {
		b.WriteString(".SH EXAMPLES\n")
		for i, e := range page.examples {
			if i > 0 {
				b.WriteString(".PP\n")
			}
			if e.remark != "" {
				b.WriteString(roff(e.remark) + ":\n.PP\n")
			}
			b.WriteString(".RS 4\n.nf\n" + roff(e.command) + "\n.fi\n.RE\n")
		}
	}
	b.WriteString(exitSection + ".SH SEE ALSO\n.BR glassine (1)\n")
	return b.String()
}

// text is a command's longer text, its help when there is none.
func (m *manPages) text(n *kong.Node) []string {
	if page := m.manual[commandPath(n)]; page != nil && len(page.text) > 0 {
		return page.text
	}
	detail, _, _ := strings.Cut(n.Detail, "Examples:\n")
	if detail = strings.TrimSpace(detail); detail != "" {
		return strings.Split(detail, "\n\n")
	}
	return []string{n.Help}
}

// cmpHelp is a help text; roff needs one.
func cmpHelp(text string) string {
	if text == "" {
		return "See the description."
	}
	return text
}

// flags writes a paragraph for each.
func (m *manPages) flags(b *strings.Builder, all []*kong.Flag) {
	for _, f := range all {
		if f.Hidden {
			continue
		}
		name := `\fB` + roffName("--"+f.Name) + `\fR`
		if f.Short != 0 {
			name = `\fB` + roffName("-"+string(f.Short)) + `\fR, ` + name
		}
		if !f.IsBool() {
			name += `=\fI` + roff(atHome(f.FormatPlaceHolder())) + `\fR`
		}
		fmt.Fprintf(b, ".TP\n%s\n%s\n", name, roff(flagHelp(f)))
	}
}

// atHome is a text without the home of who makes the pages.
func atHome(text string) string {
	return strings.ReplaceAll(text, defaultData(), "~/.local/share/glassine")
}

// flagHelp is a flag's help with its values, default and variable.
func flagHelp(f *kong.Flag) string {
	text := cmpHelp(f.Help)
	if f.Enum != "" {
		var words []string
		for _, w := range f.EnumSlice() {
			if w != "" {
				words = append(words, w)
			}
		}
		text += " One of: " + strings.Join(words, ", ") + "."
	}
	if f.HasDefault && f.Default != "" {
		text += " Default: " + atHome(f.Default) + "."
	}
	if len(f.Envs) > 0 {
		text += " Variable: " + strings.Join(f.Envs, ", ") + "."
	}
	return text
}

// roff is a text that roff takes for nothing else.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`, "--", `\-\-`, "\n", " ").Replace(strings.TrimSpace(text))
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// roffName is a name to be typed: its hyphens are that character, and no sign of a broken word.
func roffName(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(roff(name), `\-`, "-"), "-", `\-`)
}

// conventions are what all commands have in common.
var conventions = []string{
	"Data goes to standard output, everything else to standard error: progress, questions, remarks, errors. Progress bars and colours are for terminals alone.",
	"-o, --output is json, yaml, text or table, the words of aws-cli. As there, the form does not depend on where the output goes. table is for people, and the default; text has values between tabs, as aws-cli has them; json and yaml are one document, but of commands that print many records as they find them (events, logs, audit, inspect, fsck): these print one object on each line, or one document after another. Names in them do not change between versions.",
	"An error is a card of up to three lines: what failed, with AWS's code; why: the fact that decided it; try: a command that helps. When something is denied, why is the policy's statement, taken from the audit log with the caller's own rights.",
	"Commands that delete or replace ask first on a terminal; --yes answers, and --dry-run tells what would be done and does nothing. Elsewhere than on a terminal they do not ask.",
	"Commands that speak to a running glassine do it through its AWS endpoint, signed: as the root user whose key is in the data directory, or, where the shell's AWS_ENDPOINT_URL is this endpoint, with the shell's key. They have no other way in.",
}
