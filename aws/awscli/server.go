package awscli

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed server.py
var serverSource string

// atStart begins the names of the variables that count when the interpreter starts or a module is imported. A server has them as the
// command has. Seen 2026-11 of aws-cli 2.9.19 on Debian 12, by TestImportReadsNoOtherVariable for those that Python code reads: AWS_DATA_PATH
// of awscli, the UNIX ones of distro, APPENGINE_RUNTIME of urllib3, RUAMELDEBUG of ruamel.yaml, PATH of who asks for the distribution; the others
// are the interpreter's, the loader's, the C library's and those of the libraries in C.
var atStart = []string{
	"LANG", "LC_", "TZ", "PATH", "PYTHON", "LD_", "GLIBC_TUNABLES", "MALLOC_", "LOCPATH", "GCONV_PATH", "OPENSSL_", "CRYPTOGRAPHY_",
	"AWS_DATA_PATH", "AWS_CRT_", "UNIX", "APPENGINE_RUNTIME", "RUAMEL",
}

// server is a process that forks commands.
type server struct {
	folder string
	input  io.Closer // it ends with this, and so with our process
	ended  chan struct{}
}

// pool is the servers of this process. Its zero value is ready; it is safe for many goroutines.
type pool struct {
	mu      sync.Mutex // guards the maps
	servers map[string]func() *server
	told    map[string]bool
}

// running is of the process, as what it owns is: one server, and not one for each test.
var running pool

// server returns that of commands with an environment, nil where there cannot be one, which it says once.
func (p *pool) server(path string, env []string) *server {
	last := map[string]string{} // by the name: of two, exec takes the last
	for _, s := range env {
		if name, _, ok := strings.Cut(s, "="); ok && counts(name) {
			last[name] = s
		}
	}
	given := slices.Sorted(maps.Values(last))
	key := path + "\x00" + strings.Join(given, "\x00")
	p.mu.Lock()
	s, ok := p.servers[key]
	if !ok {
		s = sync.OnceValue(func() *server {
			s, err := start(path, given)
			if err != nil {
				p.tell(fmt.Sprintf("awscli: %s is started for each command: %v", path, err))
				return nil
			}
			return s
		})
		if p.servers == nil {
			p.servers = map[string]func() *server{}
		}
		p.servers[key] = s
	}
	p.mu.Unlock()
	return s()
}

// counts reports whether a variable, NAME or NAME=VALUE, counts at the start of a process.
func counts(variable string) bool {
	return slices.ContainsFunc(atStart, func(name string) bool { return strings.HasPrefix(variable, name) })
}

func (p *pool) tell(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == nil {
		p.told = map[string]bool{}
	}
	if !p.told[what] {
		p.told[what] = true
		fmt.Fprintln(os.Stderr, what)
	}
}

// interpreter returns the command line of the Python that a script names, if the script is aws-cli's.
func interpreter(path string) ([]string, error) {
	script, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	line, rest, _ := strings.Cut(string(script), "\n")
	words, ok := strings.CutPrefix(line, "#!")
	python := strings.Fields(words)
	if !ok || len(python) == 0 || !strings.HasPrefix(filepath.Base(python[0]), "python") || !strings.Contains(rest, "import awscli.clidriver") {
		return nil, errors.New("it is no Python script of aws-cli's")
	}
	return python, nil
}

// startup is how long the imports may take, on a machine that does much else.
const startup = 2 * time.Minute

// start starts a server of the commands that have the variables given.
func start(path string, given []string) (*server, error) {
	python, err := interpreter(path)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "awscli")
	if err != nil {
		return nil, err
	}
	s := &server{folder: folder, ended: make(chan struct{})}
	complaints, err := os.Create(filepath.Join(folder, "stderr"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	defer complaints.Close()
	cmd := exec.Command(python[0], slices.Concat(python[1:], []string{"-c", serverSource, path, folder}, atStart)...)
	cmd.Env, cmd.Dir, cmd.Stderr = append(slices.Clone(given), "HOME=/the-home-of-the-command"), folder, complaints // HOME of server.py
	if s.input, err = cmd.StdinPipe(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	late := time.AfterFunc(startup, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	late.Stop()
	if err != nil || line != "ready\n" {
		_ = cmd.Process.Kill()
		err = cmd.Wait()
		said, _ := os.ReadFile(complaints.Name())
		return nil, errors.Join(fmt.Errorf("its server does not start: %w: %s", err, lastLine(said)), os.RemoveAll(folder))
	}
	go func() {
		_ = cmd.Wait()
		close(s.ended)
	}()
	return s, nil
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// run runs a command. The files are closed, or left to the caller, by who made them.
func (s *server) run(ctx context.Context, dir string, args, env []string, files [3]*os.File) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(s.folder, "socket"), Net: "unix"})
	if err != nil {
		return fmt.Errorf("the server of aws-cli: %w", err)
	}
	defer func() { _ = conn.Close() }()
	content := joined(dir, args, env)
	// Fd makes a descriptor block, as programs expect; nothing closes it before it is sent.
	rights := syscall.UnixRights(int(files[0].Fd()), int(files[1].Fd()), int(files[2].Fd()))
	if _, _, err := conn.WriteMsgUnix(binary.BigEndian.AppendUint64(nil, uint64(len(content))), rights, nil); err != nil {
		return fmt.Errorf("the server of aws-cli: %w", err)
	}
	if _, err := conn.Write(content); err != nil {
		return fmt.Errorf("the server of aws-cli: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.CloseWrite() })() // it kills the process then, and says so
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(s.folder, "stderr"))
		return fmt.Errorf("the server of aws-cli does not say how the command ended: %w: %s", err, lastLine(said))
	}
	end, err := parseEnd(strings.TrimSpace(line))
	if err != nil || end == nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), end)
	}
	return end
}

// parseEnd reads "exit CODE" or "signal NUMBER". Status 0 is nil.
func parseEnd(line string) (*ExitError, error) {
	how, number, _ := strings.Cut(line, " ")
	n, err := strconv.ParseUint(number, 10, 8)
	switch {
	case err == nil && how == "exit" && n == 0:
		return nil, nil
	case err == nil && how == "exit":
		return &ExitError{Code: int(n)}, nil
	case err == nil && how == "signal" && n > 0:
		return &ExitError{Code: -1, Signal: syscall.Signal(n)}, nil
	}
	return nil, fmt.Errorf("the server of aws-cli said %q, want exit or signal and a number", line)
}
