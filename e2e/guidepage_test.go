package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guideStep is a fenced block of shell commands on a page.
type guideStep struct {
	line     int    // of the page, where its fence is
	shell    string // "" is the reader's shell; any other is one beside it, where something goes on running
	commands string
	compared bool // what it prints on standard output is compared with want
	want     string
}

// shown are the languages of blocks that are shown and not run. What is to be a file is written by commands.
var shown = []string{"", "go", "html", "ini", "js", "json", "nginx", "python", "yaml"}

// parseGuide reads a page. A block "sh" is run; "sh shell=NAME" is run in a shell beside, which is left running, and what runs in the shell
// of that name is interrupted first. A block "text" behind it is what it prints, where … stands for anything in a line, and alone
// in a line for any lines. A block "console" is a sample that is not run; a reason must stand behind the word.
func parseGuide(page string) (steps []guideStep, err error) {
	var block []string
	info, opened := "", 0
	textAllowed := false
	for i, line := range strings.Split(page, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case opened == 0 && isFence:
			info, opened, block = fence, i+1, nil
		case opened == 0:
		case !isFence:
			block = append(block, line)
		case fence != "":
			return nil, fmt.Errorf("line %d: a block begins within the block of line %d", i+1, opened)
		default:
			language, more, _ := strings.Cut(info, " ")
			text := strings.Join(block, "\n") + "\n"
			switch {
			case language == "sh":
				shell, ok := strings.CutPrefix(more, "shell=")
				if more != "" && (!ok || !regexp.MustCompile(`^[a-z]+$`).MatchString(shell)) {
					return nil, fmt.Errorf("line %d: %q is not shell=NAME", opened, more)
				}
				steps, textAllowed = append(steps, guideStep{line: opened, shell: shell, commands: text}), true
			case language == "text":
				if !textAllowed {
					return nil, fmt.Errorf("line %d: no commands print this text", opened)
				}
				textAllowed = false
				steps[len(steps)-1].compared, steps[len(steps)-1].want = true, text
			case language == "console":
				if more == "" {
					return nil, fmt.Errorf("line %d: a console block says behind the word why it is not run", opened)
				}
			case !slices.Contains(shown, language):
				return nil, fmt.Errorf("line %d: a block of %q is neither run nor shown", opened, language)
			}
			opened = 0
		}
	}
	if opened != 0 {
		return nil, fmt.Errorf("line %d: the block has no end", opened)
	}
	return steps, nil
}

// guideMatches reports whether output is what a page shows.
func guideMatches(want, output string) bool {
	pattern := "^"
	for line := range strings.Lines(want) {
		line = strings.TrimRight(line, " \n")
		if line == "…" {
			pattern += "(?:.*\n)*?"
			continue
		}
		pattern += strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + "[ \t\r]*\n"
	}
	if output != "" && !strings.HasSuffix(output, "\n") {
		output += "\n"
	}
	return regexp.MustCompile(pattern + "$").MatchString(output)
}

func TestPagesOfTheGuideAreRead(t *testing.T) {
	const fence = "```"
	page := "Words.\n\n" + fence + "sh shell=server\nglassine up\n" + fence + "\n\n" + fence + "sh\necho a\necho b\n" + fence + "\nwhich prints\n" + fence + "text\na\n…\n" + fence + "\n" +
		fence + "console needs a name of yours\nglassine serve\n" + fence + "\n" + fence + "json\n{}\n" + fence + "\n"
	steps, err := parseGuide(page)
	want := []guideStep{{line: 3, shell: "server", commands: "glassine up\n"}, {line: 7, commands: "echo a\necho b\n", compared: true, want: "a\n…\n"}}
	if err != nil || !slices.Equal(steps, want) {
		t.Errorf("parseGuide = %+v, %v, want %+v", steps, err, want)
	}
	for name, wrong := range map[string]string{
		"a console block without a reason":   fence + "console\nls\n" + fence + "\n",
		"a text that nothing prints":         fence + "text\na\n" + fence + "\n",
		"two texts of one block":             fence + "sh\nls\n" + fence + "\n" + fence + "text\na\n" + fence + "\n" + fence + "text\na\n" + fence + "\n",
		"a block without an end":             fence + "sh\nls\n",
		"a block within a block":             fence + "sh\nls\n" + fence + "sh\n" + fence + "\n",
		"a language that hides commands":     fence + "bash\nls\n" + fence + "\n",
		"a word behind sh that says nothing": fence + "sh skip\nls\n" + fence + "\n",
	} {
		if steps, err := parseGuide(wrong); err == nil {
			t.Errorf("%s: parseGuide = %+v, want an error", name, steps)
		}
	}
	for _, c := range []struct {
		want, output string
		matches      bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\nb\n", "a\nb", true},
		{"a\n", "a\nb\n", false},
		{"a\n…\n", "a\nb\nc\n", true},
		{"a\n…\nd\n", "a\nd\n", true},
		{"a\n…\nd\n", "a\nb\n", false},
		{"took … ms (a+b)\n", "took 12 ms (a+b)\n", true},
		{"took … ms\n", "took 12 s\n", false},
		{"", "a\n", false},
	} {
		if got := guideMatches(c.want, c.output); got != c.matches {
			t.Errorf("guideMatches(%q, %q) = %v", c.want, c.output, got)
		}
	}
}

// What pages link to is there: a file of the repository, and a heading of it.
func TestLinksOfTheGuideLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range append(guidePages(t), "../docs/pictures.md", "../docs/architecture.md", "../docs/aws-differences.md", "../docs/decisions.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			file, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			there, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
				continue
			}
			if heading != "" && !slices.Contains(headings(string(there)), heading) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

// headings are the anchors of a page, as GitHub makes them.
func headings(page string) (all []string) {
	for line := range strings.Lines(page) {
		if text := strings.TrimLeft(line, "#"); len(text) < len(line) {
			words := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), " ", "-")
			all = append(all, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(words, ""))
		}
	}
	return all
}
