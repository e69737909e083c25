package awscli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// python is the interpreter of the AWS CLI.
func python(t *testing.T) string {
	t.Helper()
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	line, err := interpreter(path)
	if err != nil {
		t.Skipf("%s: %v", path, err)
	}
	return line[0]
}

// probe is an aws that tells what a command finds when it begins.
func probe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/probe.py")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "aws")
	if err := os.WriteFile(name, append([]byte("#!"+python(t)+"\n"), text...), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// newServer starts a server that ends with the test.
func newServer(t *testing.T, script string, given ...string) *server {
	t.Helper()
	s, err := start(script, given)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.input.Close()
		<-s.ended
		if _, err := os.Stat(s.folder); !os.IsNotExist(err) {
			t.Errorf("the folder of a server that has ended: %v, want none", err)
		}
	})
	return s
}

// forked runs a command of the server.
func (s *server) forked(t *testing.T, c *Cmd) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	files, err := c.open()
	if err != nil {
		t.Fatal(err)
	}
	err = s.run(c.ctx, c.Dir, c.Args, c.Env, files.child)
	return out.String(), errOut.String(), errors.Join(err, files.wait(patience))
}

// left tells what is behind the descriptors that this process passes on to all that it starts, because who started it left them open.
func left(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range files {
		info, _ := os.ReadFile(name) // it may be closed by now
		var pos, flags int
		if n, _ := fmt.Sscanf(string(info), "pos: %d\nflags: 0%o", &pos, &flags); n == 2 && flags&syscall.O_CLOEXEC == 0 {
			link, _ := os.Readlink("/proc/self/fd/" + filepath.Base(name))
			found = append(found, link)
		}
	}
	return strings.Join(found, "\n")
}

// A command finds what it finds when it is started: the probe tells the same, byte for byte, and nothing is left of the server's own start.
func TestCommandFindsWhatAStartedOneFinds(t *testing.T) {
	t.Parallel()
	script := probe(t)
	for _, c := range []struct {
		name string
		env  []string
	}{
		{"no locale, no time zone", []string{"PATH=/usr/bin:/bin", "HOME=/home/of-the-command", "X=a=b"}},
		{"all that counts", []string{"PATH=/bin:/usr/bin", "LANG=C.UTF-8", "TZ=Asia/Tokyo", "PYTHONIOENCODING=latin-1", "AWS_DATA_PATH=/data/of-the-command", "HTTPS_PROXY=http://127.0.0.1:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var given []string
			for _, s := range c.env {
				if counts(s) {
					given = append(given, s)
				}
			}
			s := newServer(t, script, given...)
			env := append(c.env, "LEFT="+left(t))
			dir, args := t.TempDir(), []string{"say", "7", "é\xff", "the-home-of-the-command:" + s.folder}
			stdin := strings.Repeat("input ", 20000) // more than a pipe holds
			cmd := &Cmd{Args: args, Env: env, Dir: dir, Stdin: strings.NewReader(stdin), ctx: t.Context()}
			got, complaint, err := s.forked(t, cmd)
			if exit, ok := errors.AsType[*ExitError](err); !ok || exit.Code != 7 || complaint != "" {
				t.Fatalf("forked: %v, %s, want status 7", err, complaint)
			}
			var want, wantComplaint bytes.Buffer
			real := &Cmd{Args: args, Dir: dir, Stdin: strings.NewReader(stdin), Stdout: &want, Stderr: &wantComplaint, ctx: t.Context()}
			if err := real.start(script, env); err == nil || err.Error() != "exit status 7" {
				t.Fatalf("started: %v, %s, want status 7", err, wantComplaint.String())
			}
			var a, b map[string]any
			if err := errors.Join(json.Unmarshal([]byte(got), &a), json.Unmarshal(want.Bytes(), &b)); err != nil {
				t.Fatal(err)
			}
			for key := range b {
				if x, y := fmt.Sprintf("%q", a[key]), fmt.Sprintf("%q", b[key]); x != y {
					t.Errorf("%s = %.500s, want %.500s", key, x, y)
				}
			}
			if len(a) != len(b) || len(b) == 0 || fmt.Sprint(a["stdin"]) != stdin {
				t.Errorf("%d and %d facts, and %d bytes of input", len(a), len(b), len(fmt.Sprint(a["stdin"])))
			}
		})
	}
}

// The variables that are read when modules are imported are known, so that each server has them as its commands have.
func TestImportReadsNoOtherVariable(t *testing.T) {
	t.Parallel()
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python(t), "testdata/reads.py", path, "server.py")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	names := strings.Fields(string(out))
	for _, name := range names {
		if name != "HOME" && !counts(name) {
			t.Errorf("%s is read when modules are imported", name)
		}
	}
	if !slices.Contains(names, "HOME") || !slices.Contains(names, "AWS_DATA_PATH") {
		t.Errorf("read: %q, want HOME and AWS_DATA_PATH among them", names)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	script := probe(t)
	s := newServer(t, script, "PATH=/usr/bin:/bin")
	t.Run("it starts what has other variables", func(t *testing.T) { otherVariables(t, s, script) })
	t.Run("its commands run beside each other", func(t *testing.T) { besideEachOther(t, s) })
}

// A command whose variables are not those that its server was started with is started by it.
func otherVariables(t *testing.T, s *server, script string) {
	t.Helper()
	home, other := t.TempDir(), t.TempDir()
	site := exec.CommandContext(t.Context(), python(t), "-m", "site", "--user-site")
	site.Env = []string{"HOME=" + other}
	folder, _ := site.Output() // its status tells whether the folder is there
	if err := os.MkdirAll(strings.TrimSpace(string(folder)), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  []string
		want string
	}{
		{"the same variables", []string{"PATH=/usr/bin:/bin", "HOME=" + home}, "-c"},
		{"another PATH", []string{"PATH=/bin:/usr/bin", "HOME=" + home}, script},
		{"a locale", []string{"PATH=/usr/bin:/bin", "HOME=" + home, "LANG=C.UTF-8"}, script},
		{"a variable of Python's", []string{"PATH=/usr/bin:/bin", "HOME=" + home, "PYTHONPATH=/x"}, script},
		{"packages that a user installed", []string{"PATH=/usr/bin:/bin", "HOME=" + other}, script},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, complaint, err := s.forked(t, &Cmd{Args: []string{"how", "0"}, Env: c.env, Dir: home, ctx: t.Context()})
			if err != nil || strings.TrimSpace(out) != c.want {
				t.Errorf("the process runs %q, %v, %s, want %q", out, err, complaint, c.want)
			}
		})
	}
}

// Each command draws its own random numbers, and two that run at once do not hold each other's descriptors: what hangs does so alone.
func besideEachOther(t *testing.T, s *server) {
	t.Helper()
	never, w, err := os.Pipe() // the input of commands that wait for it
	if err != nil {
		t.Fatal(err)
	}
	defer never.Close()
	command := func(ctx context.Context, arg string, stdin io.Reader) *Cmd {
		return &Cmd{Args: []string{arg, "0", ""}, Env: []string{"PATH=/usr/bin:/bin", "HOME=/"}, Dir: "/", Stdin: stdin, ctx: ctx}
	}
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for range 3 {
		all.Go(func() {
			if _, _, err := s.forked(t, command(ctx, "say", never)); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "signal: killed") {
				t.Errorf("a command that waits for ever: %v, want its context's end and signal: killed", err)
			}
		})
	}
	var mu sync.Mutex // guards seen
	seen := map[string]bool{}
	var brief sync.WaitGroup
	for range 10 {
		brief.Go(func() {
			out, complaint, err := s.forked(t, command(t.Context(), "random", strings.NewReader("")))
			if err != nil {
				t.Errorf("%v: %s", err, complaint)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[out] = true
		})
	}
	brief.Wait()
	if len(seen) != 10 {
		t.Errorf("%d numbers of 10 commands, want 10: %v", len(seen), seen)
	}
	stop()
	all.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// A server that ends takes its commands along, and who waits for one is told.
func TestServerEndsItsCommands(t *testing.T) {
	t.Parallel()
	s, err := start(probe(t), []string{"PATH=/usr/bin:/bin"})
	if err != nil {
		t.Fatal(err)
	}
	never, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer never.Close()
	defer w.Close()
	out, in, err := os.Pipe() // it ends when no process has it any more
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() {
		c := &Cmd{Args: []string{"pid", "0", ""}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/", Stdin: never, Stdout: in, ctx: t.Context()}
		files, err := c.open()
		if err != nil {
			told <- err
			return
		}
		told <- errors.Join(s.run(c.ctx, c.Dir, c.Args, c.Env, files.child), files.wait(patience))
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line == "" {
		t.Fatalf("the command says %q, %v", line, err)
	}
	s.input.Close()
	<-s.ended
	if err := <-told; err == nil || !strings.Contains(err.Error(), "does not say how the command ended") {
		t.Errorf("a command whose server ended: %v", err)
	}
	in.Close()
	if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
		t.Errorf("the command said %q after its server ended, %v", rest, err)
	}
	if _, err := os.Stat(s.folder); !os.IsNotExist(err) {
		t.Errorf("the folder of a server that has ended: %v, want none", err)
	}
}

// What holds a command's output after it is waited for no longer than told.
func TestOutputThatIsHeldOpen(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	files, err := (&Cmd{Stdout: &out}).open()
	if err != nil {
		t.Fatal(err)
	}
	held, err := syscall.Dup(int(files.child[1].Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(held)
	if err := files.wait(10 * time.Millisecond); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "left behind") {
		t.Errorf("wait = %v, want that a process holds it", err)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, want string }{
		{"a program", "\x7fELF import awscli.clidriver", "no Python script of aws-cli's"},
		{"a shell script", "#!/bin/sh\nexec pyenv aws # import awscli.clidriver\n", "no Python script of aws-cli's"},
		{"another Python script", "#!/usr/bin/python3\nprint()\n", "no Python script of aws-cli's"},
		{"a Python without the package", "#!" + python(t) + " -IS\nimport awscli.clidriver\n", "No module named 'awscli'"},
		{"a Python that is not there", "#!/nowhere/python3\nimport awscli.clidriver\n", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "aws")
			if err := os.WriteFile(name, []byte(c.script), 0o755); err != nil {
				t.Fatal(err)
			}
			if _, err := start(name, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("start = %v, want %q", err, c.want)
			}
			var p pool
			if s := p.server(name, nil); s != nil || len(p.told) != 1 {
				t.Errorf("server = %v, told %v, want none, and one line", s, p.told)
			}
		})
	}
}

func FuzzParseEnd(f *testing.F) {
	for _, s := range []string{"exit 0", "exit 255", "signal 9", "signal 0", "exit", "exit 256", "exit -1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		end, err := parseEnd(line)
		switch {
		case err != nil && end != nil:
			t.Errorf("parseEnd(%q) = %v and %v", line, end, err)
		case err == nil && end == nil && line != "exit 0" && strings.Trim(line, "0") != "exit ":
			t.Errorf("parseEnd(%q) = success", line)
		case end != nil && end.Signal == 0 && (end.Code < 1 || end.Code > 255):
			t.Errorf("parseEnd(%q) = %+v", line, end)
		}
	})
}
