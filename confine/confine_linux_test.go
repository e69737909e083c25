package confine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStrictChild(t *testing.T) {
	t.Setenv("GLASSINE_TEST_SECRET", "of-the-server")
	s := spawner(t)
	if level, why := s.Probe(t.Context()); level != Strict {
		t.Fatalf("this machine gives %s: %q", level, why)
	}
	spec := machine()
	spec.Env = append(spec.Env, "MINE=1")
	spec.Files = map[string]string{"/etc/passwd": "someone:x:993:993::/:/bin/sh\n"}
	spec.Limits = Limits{Processes: 32, Files: 50}
	spec.Dir = "/tmp"
	for _, c := range []struct{ name, script, want string }{
		{"who it is", "id", "uid=993(someone) gid=993 groups=993"},
		{"its process number", "echo $$", "1"},
		{"its directory", "pwd", "/tmp"},
		{"its environment", "env | sort | grep -v '^PWD='", "MINE=1\nPATH=/usr/bin:/bin"},
		{"its capabilities", "grep -E '^Cap' /proc/self/status | cut -f2 | sort -u", "0000000000000000"},
		{"no new privileges, and a filter", "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '", "1 2"},
		{"its descriptors", `python3 -Sc "import os; print(*sorted(map(int, os.listdir('/proc/self/fd'))))"`, "0 1 2 3 4"}, // 3 is the listing's own
		{"its root", "ls /", "bin\ndev\netc\nlib\nlib64\nproc\ntmp\nusr"},
		{"its interfaces", "ls /sys 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo"},
		{"its limits", "ulimit -n; ulimit -c", "50\n0"},
		{"writing", "for f in /x /usr/x /etc/x /dev/x; do touch $f 2>/dev/null && echo $f; done; touch /tmp/x && echo x > /dev/null && echo fine", "fine"},
		{"a device of its own", "mknod /tmp/null c 1 3 2>/dev/null || echo refused", "refused"},
		{"its status", "exit 3", ""},
	} {
		out, exit := run(t, s, spec, "/bin/sh", "-c", c.script)
		if out != c.want || c.name == "its status" && exit.String() != "exit status 3" {
			t.Errorf("%s: %q, %v, want %q", c.name, out, exit, c.want)
		}
	}
	if _, exit := run(t, s, spec, "/usr/bin/python3", "-Sc", "import ctypes; ctypes.string_at(0)"); exit.String() != "signal: segmentation fault" {
		t.Errorf("exit = %v, want a segmentation fault", exit)
	}
}

// Where namespaces are refused, the next level holds, and what is missing is said: here inside a strict child, whose filter
// refuses them as containers do.
func TestLadderWhereNamespacesAreRefused(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec := machine()
	spec.Binds = append(spec.Binds, Bind{From: self, To: "/opt/self"})
	spec.Env = append(spec.Env, "CONFINE_TEST_PROBE=1")
	out, exit := run(t, spawner(t), spec, "/opt/self")
	if !strings.HasPrefix(out, "restricted [not strict: start child: fork/exec /proc/self/exe: operation not permitted") || exit.Code != 0 {
		t.Errorf("inside a strict child: %q, %v", out, exit)
	}
}

// syscalls calls each number and prints the error it gives.
const syscalls = `
import ctypes, sys
call = ctypes.CDLL(None, use_errno=True).syscall
for n in sys.argv[1:]:
    ctypes.set_errno(0)
    call(*[ctypes.c_long(int(x, 0)) for x in n.split(',')])
    print(ctypes.get_errno(), end=' ')
`

// deniedByName are the numbers that the test below calls.
var deniedByName = map[string]uintptr{
	"ptrace": unix.SYS_PTRACE, "userfaultfd": unix.SYS_USERFAULTFD, "keyctl": unix.SYS_KEYCTL, "bpf": unix.SYS_BPF,
	"perf_event_open": unix.SYS_PERF_EVENT_OPEN, "unshare": unix.SYS_UNSHARE, "clone": unix.SYS_CLONE, "socket": unix.SYS_SOCKET,
}

func TestSystemCallsAreFiltered(t *testing.T) {
	const eperm, enosys, fine = 1, 38, 0
	s := spawner(t)
	for _, c := range []struct {
		name string
		call []uint64
		want int
		open int // without the filter; -1 is what does not matter
	}{
		{"ptrace", []uint64{uint64(deniedByName["ptrace"]), 0, 0, 0, 0}, eperm, fine},
		{"userfaultfd of a bad flag", []uint64{uint64(deniedByName["userfaultfd"]), 0xffff}, eperm, 22},
		{"keyctl", []uint64{uint64(deniedByName["keyctl"]), 0xffff}, eperm, -1},
		{"bpf of a bad command", []uint64{uint64(deniedByName["bpf"]), 0xffff, 0, 0}, eperm, -1},
		{"perf_event_open", []uint64{uint64(deniedByName["perf_event_open"]), 0, 0, 0, 0, 0xffff}, eperm, 22},
		{"clone3", []uint64{uint64(missing[0]), 0, 0}, enosys, 22},
		{"io_uring_setup", []uint64{uint64(missing[1]), 0, 0}, enosys, -1},
		{"unshare of nothing", []uint64{uint64(deniedByName["unshare"]), 0}, eperm, fine},
		{"clone into a user namespace", []uint64{uint64(deniedByName["clone"]), 0x10000000 | 17, 0, 0, 0, 0}, eperm, -1},
		{"a socket of the hypervisor's", []uint64{uint64(deniedByName["socket"]), 40, 1, 0}, eperm, -1},
		{"a socket of the kernel's ciphers", []uint64{uint64(deniedByName["socket"]), 38, 5, 0}, eperm, -1},
		{"a socket", []uint64{uint64(deniedByName["socket"]), 2, 1, 0}, fine, fine},
		{"a call of the other way to count", []uint64{0x40000000 + 39}, enosys, -1},
	} {
		var words []string
		for _, w := range c.call {
			words = append(words, strconv.FormatUint(w, 10))
		}
		for _, level := range Levels {
			want := c.want
			if level == Process {
				if want = c.open; want < 0 || strings.Contains(c.name, "clone into") {
					continue
				}
			}
			spec := machine()
			spec.Level = level
			got, _ := run(t, s, spec, "/usr/bin/python3", "-Sc", syscalls, strings.Join(words, ","))
			if got != strconv.Itoa(want) {
				t.Errorf("%s at level %s: errno %s, want %d", c.name, level, got, want)
			}
		}
	}
}

// What cannot be granted must not be left out in silence.
func TestMissingPathFailsClosed(t *testing.T) {
	s := spawner(t)
	spec := machine()
	spec.Level, spec.Read = Restricted, append(spec.Read, "/not/there")
	spec.Args = []string{"/bin/sh", "-c", "echo ran"}
	if _, err := s.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "landlock: open /not/there: no such file") {
		t.Errorf("restricted, a path that is missing: %v", err)
	}
	spec = machine()
	spec.Args, spec.Binds = []string{"/bin/sh"}, append(spec.Binds, Bind{From: "/not/there", To: "/x"})
	if _, err := s.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "bind: stat /not/there: no such file") {
		t.Errorf("strict, a path that is missing: %v", err)
	}
	spec.Binds[len(spec.Binds)-1].Optional = true
	if out, _ := run(t, s, spec, "/bin/sh", "-c", "echo ran"); out != "ran" {
		t.Errorf("strict, an optional path that is missing: %q", out)
	}
}

func TestProgramThatCannotRun(t *testing.T) {
	s := spawner(t)
	for _, level := range Levels {
		spec := machine()
		spec.Level, spec.Args = level, []string{"/usr/bin/not-there"}
		_, err := s.Start(t.Context(), spec)
		if program, ok := errors.AsType[*ProgramError](err); !ok || program.Reason != "fork/exec /usr/bin/not-there: no such file or directory" {
			t.Errorf("%s: %v", level, err)
		}
	}
}

func TestRestrictedChild(t *testing.T) {
	s := spawner(t)
	allowed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer allowed.Close()
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Close()
	own := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := machine()
	spec.Level, spec.Write, spec.Ports = Restricted, []string{own}, []uint16{uint16(allowed.Addr().(*net.TCPAddr).Port)}
	elsewhere := "PermissionError"
	if version, err := landlockVersion(); err == nil && version < portsVersion { // Linux before 6.7, of which the start tells
		elsewhere = "connected"
	}
	connect := "import socket,sys; socket.create_connection(('127.0.0.1', %d), 5); print('connected')"
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"another's file", "Permission denied", []string{"/bin/sh", "-c", "cat " + secret + " 2>&1"}},
		{"its own directory", "x", []string{"/bin/sh", "-c", "echo x > " + own + "/f && cat " + own + "/f"}},
		{"its port", "connected", []string{"/usr/bin/python3", "-Sc", fmt.Sprintf(connect, spec.Ports[0])}},
		{"another port", elsewhere, []string{"/usr/bin/python3", "-Sc", fmt.Sprintf(connect, refused.Addr().(*net.TCPAddr).Port)}},
		{"its capabilities", "0000000000000000", []string{"/bin/sh", "-c", "grep CapEff /proc/self/status | cut -f2"}},
		{"the exit", "", []string{"/bin/sh", "-c", "exit 3"}},
	} {
		spec := spec
		spec.Read = append(spec.Read, "/proc")
		out, exit := run(t, s, spec, c.args...)
		if !strings.Contains(out, c.want) || c.name == "the exit" && exit.Code != 3 {
			t.Errorf("%s: %q, %v, want %q", c.name, out, exit, c.want)
		}
	}
}

// leaver is a child that leaves two sleepers of that time in sessions of their own.
func leaver(level Level, marker string) Spec {
	spec := machine()
	spec.Level, spec.Args = level, []string{"/bin/sh", "-c", "setsid sleep " + marker + " & setsid sh -c 'setsid sleep " + marker + "' & echo up; sleep 60"}
	return spec
}

func TestKillLeavesNothing(t *testing.T) {
	for _, level := range Levels {
		for _, end := range []string{"Kill", "the end of the spawner"} {
			s := NewSpawner()
			marker := fmt.Sprintf("33%d", time.Now().UnixNano()%1e12)
			c, err := s.Start(t.Context(), leaver(level, marker))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c.Output, make([]byte, 3)); err != nil {
				t.Fatalf("%s: %v", level, err)
			}
			await(t, func() bool { return alive(marker) == 2 })
			if end == "Kill" {
				c.Kill()
			} else {
				s.Close()
			}
			if exit := c.Wait(); exit.Signal != "killed" {
				t.Errorf("%s, %s: exit %v", level, end, exit)
			}
			if n := alive(marker); n != 0 {
				t.Errorf("%s, %s: %d grandchildren live", level, end, n)
			}
			c.Close()
			s.Close()
		}
	}
}

// A server that is killed can tell nobody.
func TestChildrenEndWithAKilledServer(t *testing.T) {
	for _, level := range Levels {
		marker := fmt.Sprintf("34%d", time.Now().UnixNano()%1e12)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		server := exec.CommandContext(t.Context(), self)
		server.Env = []string{"CONFINE_TEST_LEVEL=" + string(level), "CONFINE_TEST_MARKER=" + marker}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return alive(marker) == 2 })
		if err := server.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = server.Wait()
		await(t, func() bool { return alive(marker) == 0 })
	}
}

// serverOfATest starts a leaver and waits to be killed.
func serverOfATest(level, marker string) {
	s := NewSpawner()
	if _, err := s.Start(context.Background(), leaver(Level(level), marker)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// alive counts the machine's sleepers of that time.
func alive(marker string) int {
	n := 0
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && string(b) == "sleep\x00"+marker+"\x00" {
			n++
		}
	}
	return n
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come to pass in 10 s")
}

func TestMemoryIsBounded(t *testing.T) {
	s := spawner(t)
	hog := []string{"/usr/bin/python3", "-Sc", "x = []\nwhile True: x.append(bytearray(4 << 20))"}
	spec := machine()
	spec.Limits = Limits{MemoryMB: 64, DataMB: 64}
	out, exit := run(t, s, spec, hog...)
	if s.groupErr == nil && exit.Signal != "killed" || s.groupErr != nil && !strings.Contains(out, "MemoryError") {
		t.Errorf("hog = %v, %q; control groups: %v", exit, out, s.groupErr)
	}
	s.groups, s.groupErr = &hierarchy{}, ErrUnsupported // as on a machine that gives none
	if out, exit = run(t, s, spec, hog...); !strings.Contains(out, "MemoryError") || exit.Code != 1 {
		t.Errorf("hog without a control group = %v, %q", exit, out)
	}
	spec = machine()
	spec.Args = []string{"/usr/bin/python3", "-Sc", "import os, time\nx = bytearray(30 << 20)\nif os.fork() == 0: y = bytearray(30 << 20)\nprint('.', flush=True)\ntime.sleep(60)"}
	for _, level := range Levels {
		spec.Level = level
		c, err := s.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.Output, make([]byte, 4)); err != nil { // a dot and a line feed from each
			t.Fatal(err)
		}
		if n := c.Memory() >> 20; n < 58 || n > 150 {
			t.Errorf("%s: memory of two processes with 60 MB, half of it shared or not = %d MB", level, n)
		}
		c.Close()
		if n := c.Memory(); n != 0 {
			t.Errorf("%s: memory afterwards = %d", level, n)
		}
	}
}

func TestGroupsGoAway(t *testing.T) {
	s := spawner(t)
	if s.groupErr != nil {
		t.Skip("no control groups for this user: ", s.groupErr)
	}
	spec := machine()
	spec.Limits.MemoryMB = 64
	run(t, s, spec, "/usr/bin/true")
	left, _ := filepath.Glob(filepath.Join(s.groups.dir, fmt.Sprintf("%s%d-*", prefix, os.Getpid())))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestStartHonoursContext(t *testing.T) {
	s := spawner(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	spec := machine()
	spec.Args = []string{"/usr/bin/true"}
	if _, err := s.Start(ctx, spec); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	spec.Files = map[string]string{"/x": strings.Repeat("x", maxMessage)}
	if _, err := s.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "bytes, more than") {
		t.Errorf("a description that is too long: %v", err)
	}
	s.Close()
	if _, err := s.Start(t.Context(), machine()); err == nil {
		t.Error("a closed spawner started a child")
	}
}
