package e2e

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// guidePages are the pages whose commands are run: the README and the guide.
func guidePages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../docs/guide/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("there is no guide: %v", err)
	}
	return append(pages, "../README.md")
}

// Every command of the guide works as it stands there, one after another in one shell, on a machine where glassine was just installed, and
// prints what the page says. Each page has a network of its own, so that its glassine listens on the documented ports.
func TestGuide(t *testing.T) {
	t.Parallel()
	site := newGuideSite(t)
	for _, page := range guidePages(t) {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			steps, err := parseGuide(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(steps) == 0 {
				return
			}
			begun := time.Now()
			if err := site.run(t, steps); err != nil {
				t.Error(err)
			}
			t.Logf("%d blocks in %s", len(steps), time.Since(begun).Round(time.Millisecond))
		})
	}
}

// The test of the guide is worth something: it finds what is wrong on a page.
func TestGuideFindsWrongCommands(t *testing.T) {
	t.Parallel()
	site := newGuideSite(t)
	for name, c := range map[string]struct{ page, want string }{
		"a command that does not exist":       {"```sh\nglassine nonsense\n```\n", "line 1"},
		"an option that does not exist":       {"```sh\ntrue\n```\n\n```sh\nglassine version --nonsense\n```\n", "line 5"},
		"a failure in the middle of a block":  {"```sh\nfalse\ntrue\n```\n", "line 1"},
		"a failure at the head of a pipe":     {"```sh\nfalse | cat\n```\n", "line 1"},
		"an end before the end":               {"```sh\nexit 0\n```\n\n```sh\ntrue\n```\n", "line 1"},
		"other output":                        {"```sh\necho one\n```\n\n```text\ntwo\n```\n", "one"},
		"no output":                           {"```sh\ntrue\n```\n\n```text\ntwo\n```\n", "two"},
		"a server that does not start":        {"```sh shell=server\nglassine up --http nowhere\n```\n", "line 1"},
		"output of a server that it has not":  {"```sh shell=server\necho Ready.\nsleep 9\n```\n\n```text\nNever.\n```\n", "Ready."},
		"something that is reached elsewhere": {"```sh\ncurl -sS -m 5 http://192.0.2.1/\n```\n", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, err := parseGuide(c.page)
			if err != nil {
				t.Fatal(err)
			}
			if err := site.run(t, steps); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("run = %v, want an error with %q", err, c.want)
			}
		})
	}
	t.Run("and what works, works", func(t *testing.T) {
		t.Parallel()
		steps, err := parseGuide("```sh shell=one\necho Ready.\nread -r never </dev/zero\n```\n\n```sh\ncd /tmp\nA=b\n```\n\n```sh\necho $A $PWD; echo $HOME\n```\n\n```text\nb /tmp\n…\n```\n")
		if err != nil {
			t.Fatal(err)
		}
		if err := site.run(t, steps); err != nil {
			t.Error(err)
		}
	})
}

// guideSite is what a reader's machine has.
type guideSite struct {
	bin      string // glassine and the programs that stand for what would ask the internet
	examples string
}

// guideMake runs what is to be run of a target and not to be built: the test built the program.
const guideMake = `#!/bin/sh
exec sh -c "$(/usr/bin/make -n --no-print-directory -f %s "$@" | tail -1)"
`

// guideInstall is npm, or pip: it puts the packages in place that it would fetch. They are those that other tests put into archives.
const guideInstall = `#!/bin/sh
[ "$*" = "%s" ] || { echo "$0 $*: the test has no such packages" >&2; exit 1; }
python3 -m zipfile -e %s %s && rm -f %s
`

func newGuideSite(t *testing.T) *guideSite {
	t.Helper()
	site := &guideSite{bin: t.TempDir()}
	makefile, err := filepath.Abs("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if site.examples, err = filepath.Abs("../examples"); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"glassine": glassineCommand(t), "aws": tool(t, "aws"), "go": tool(t, "go"), "node": tool(t, "node")} {
		if err := os.Symlink(target, filepath.Join(site.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	node, python := writeTemp(t, "node.zip", nodeArchive(t, "read.mjs")), writeTemp(t, "python.zip", pythonArchive(t, "annotate.py"))
	for name, text := range map[string]string{
		"make": fmt.Sprintf(guideMake, makefile),
		"npm":  fmt.Sprintf(guideInstall, "install @aws-sdk/client-s3", node, ".", "index.mjs read.mjs"),
		"pip":  fmt.Sprintf(guideInstall, "install --quiet --target quiet boto3", python, "quiet", "quiet/index.py"),
	} {
		if err := os.WriteFile(filepath.Join(site.bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return site
}

// guidePatience is how long a page may take; a command that waits for ever is found by it.
const guidePatience = 5 * time.Minute

//go:embed testdata/guide/run.bash
var guideRun string

// run runs the blocks of a page, in a home directory, a process tree and a network of their own. The error says which block is wrong, and
// what it printed.
func (site *guideSite) run(t *testing.T, steps []guideStep) error {
	t.Helper()
	home, guide := filepath.Join(t.TempDir(), "ada"), t.TempDir() // a name as homes have: what is named after its folder is named so
	if err := os.CopyFS(filepath.Join(home, "examples"), withoutModules{os.DirFS(site.examples)}); err != nil {
		return err
	}
	if err := os.Symlink(site.bin, filepath.Join(home, "bin")); err != nil {
		return err
	}
	script := guideRun
	for i, s := range steps {
		script += fmt.Sprintf("\necho %d >\"$GUIDE/at\"\n", i)
		if s.shell != "" {
			if err := os.WriteFile(filepath.Join(guide, strconv.Itoa(i)+".sh"), []byte(s.commands), 0o600); err != nil {
				return err
			}
			script += fmt.Sprintf("guide_open %d %s\n", i, s.shell)
			continue
		}
		script += fmt.Sprintf("exec >\"$GUIDE/%d.out\" 2>\"$GUIDE/%d.err\"\n%s", i, i, s.commands)
	}
	script += "\necho end >\"$GUIDE/at\"\n"
	if err := os.WriteFile(filepath.Join(guide, "script"), []byte(script), 0o600); err != nil {
		return err
	}
	args := []string{"--net", "--pid", "--fork", "--mount-proc", "--kill-child"}
	if os.Getuid() != 0 {
		args = append(args, "--map-root-user")
	}
	ctx, stop := context.WithTimeout(t.Context(), guidePatience)
	defer stop()
	cmd := exec.CommandContext(ctx, "unshare", append(args, "bash", filepath.Join(guide, "script"))...)
	cmd.Env = site.environment(t, home, guide)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	at, readErr := os.ReadFile(filepath.Join(guide, "at"))
	if readErr != nil {
		return fmt.Errorf("no block began: %w: %s", errors.Join(err, readErr), out)
	}
	reached := strings.TrimSpace(string(at))
	if n, convErr := strconv.Atoi(reached); convErr == nil { // it did not come to the end
		return fmt.Errorf("line %d: %w\n%s%s", steps[n].line, errors.Join(err, errors.New("the block failed")), guideOutput(guide, n), out)
	}
	for i, s := range steps {
		name := strconv.Itoa(i) + ".out"
		if s.shell != "" {
			name = strconv.Itoa(i) + ".ready" // and not what it prints later
		}
		got, err := os.ReadFile(filepath.Join(guide, name))
		if err != nil {
			return err
		}
		if s.compared && !guideMatches(s.want, string(got)) {
			return fmt.Errorf("line %d: the block prints\n%swhere the page has\n%s", s.line, got, s.want)
		}
	}
	return nil
}

// environment is that of a login on a fresh machine; of the test's own it has where Go keeps what it downloaded and built.
func (site *guideSite) environment(t *testing.T, home, guide string) []string {
	t.Helper()
	env := []string{"HOME=" + home, "GUIDE=" + guide, "PATH=" + site.bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=dumb", "USER=reader"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return append(env, "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=-mod=mod")
}

// guideOutput is what a block printed.
func guideOutput(guide string, n int) string {
	text := ""
	for _, stream := range []string{".out", ".err"} {
		b, err := os.ReadFile(filepath.Join(guide, strconv.Itoa(n)+stream))
		if err == nil {
			text += string(last(b, 4000))
		}
	}
	return text
}

// withoutModules is the examples as they are in the repository.
type withoutModules struct{ fs.FS }

func (f withoutModules) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(f.FS, name)
	var kept []fs.DirEntry
	for _, e := range all {
		if e.Name() != "node_modules" && e.Name() != "cdk.out" {
			kept = append(kept, e)
		}
	}
	return kept, err
}
