package confine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// selfPrograms are what this test's program is when a test runs it as a child.
var selfPrograms = map[string]func(){
	"confine-test-echo": echo, "confine-test-spin": spin, "confine-test-hard": hard, "confine-test-replace": replaceSelf,
}

// echo answers each byte with the next one, to the channel's end.
func echo() {
	channel := os.NewFile(ChannelFD, "channel")
	b := make([]byte, 1)
	for {
		if _, err := channel.Read(b); err != nil {
			return
		}
		b[0]++
		if _, err := channel.Write(b); err != nil {
			return
		}
	}
}

func spin() {
	for i := 0; ; i++ {
		_ = i
	}
}

// self is this test's program as a child. Linked with cgo, it needs the machine's libraries.
func self(level Level, program string) Spec {
	spec := machine()
	spec.Level, spec.Self, spec.Args = level, true, []string{"x", program}
	return spec
}

func TestChannel(t *testing.T) {
	s := spawner(t)
	for _, level := range Levels {
		spec := self(level, "confine-test-echo")
		spec.Channel = true
		c, err := s.Start(t.Context(), spec)
		if err != nil {
			t.Fatalf("%s: %v", level, err)
		}
		b := []byte{41}
		if _, err := c.Channel.Write(b); err != nil {
			t.Fatalf("%s: write: %v", level, err)
		}
		if err := c.Channel.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Errorf("%s: the channel takes no deadline: %v", level, err)
		}
		if _, err := io.ReadFull(c.Channel, b); err != nil || b[0] != 42 {
			t.Errorf("%s: answer %d, %v, want 42", level, b[0], err)
		}
		_ = c.Channel.SetReadDeadline(time.Now().Add(-time.Second)) // it takes them, as above
		if _, err := c.Channel.Read(b); !os.IsTimeout(err) {
			t.Errorf("%s: reading after the deadline: %v", level, err)
		}
		_ = c.Channel.SetReadDeadline(time.Time{})
		c.Kill()
		if _, err := c.Channel.Read(b); err != io.EOF {
			t.Errorf("%s: reading from a child that was killed: %v, want its end", level, err)
		}
		c.Close()
		c.Channel.Close()
		spec = machine()
		spec.Level = level
		if out, _ := run(t, s, spec, "/bin/sh", "-c", "[ -e /proc/self/fd/5 ] || echo none"); level != Restricted && out != "none" { // it sees no /proc there
			t.Errorf("%s: a child without a channel has descriptor 5: %q", level, out)
		}
	}
}

func TestProcessorTimeIsBounded(t *testing.T) {
	s := spawner(t)
	for _, level := range Levels {
		spec := self(level, "confine-test-spin")
		spec.Limits.CPUSeconds = 1
		c, err := s.Start(t.Context(), spec)
		if err != nil {
			t.Fatalf("%s: %v", level, err)
		}
		tooLate := time.AfterFunc(time.Minute, c.Kill) // a machine that has much to do gives it little
		if exit := c.Wait(); exit.Signal != "killed" || !tooLate.Stop() {
			t.Errorf("%s: a spinning child ended as %v, or not within a minute", level, exit)
		}
		c.Close()
	}
}

// A server whose file was replaced by an update goes on starting what it is itself.
func TestSelfOutlivesItsFile(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, content, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), file, "confine-test-replace", file).CombinedOutput()
	if got := string(out); err != nil || got != "strict: 42\nrestricted: 42\nprocess: 42\n" {
		t.Errorf("a program without its file: %q, %v", got, err)
	}
}

// replaceSelf removes the program's file and starts it at each level.
func replaceSelf() {
	fatal := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fatal(os.Remove(os.Args[2]))
	s := NewSpawner()
	defer s.Close()
	for _, level := range Levels {
		spec := self(level, "confine-test-echo")
		spec.Channel = true
		c, err := s.Start(context.Background(), spec)
		fatal(err)
		_, err = c.Channel.Write([]byte{41})
		fatal(err)
		b := make([]byte, 1)
		_, err = io.ReadFull(c.Channel, b)
		fatal(err)
		fmt.Printf("%s: %d\n", level, b[0])
		c.Close()
	}
}

// hard hardens itself and prints what each attempt gives, from a thread that was there before.
func hard() {
	ask, answer := make(chan func() error), make(chan error)
	go func() {
		runtime.LockOSThread()
		for f := range ask {
			answer <- f()
		}
	}()
	do := func(f func() error) error { ask <- f; return <-answer }
	if err := do(func() error { return nil }); err != nil {
		return
	}
	if err := Harden(); err != nil {
		fmt.Println("harden:", err)
		return
	}
	for _, a := range attempts {
		err := do(a.try)
		errno, ok := errors.AsType[syscall.Errno](err)
		if err != nil && !ok {
			fmt.Printf("%s: %v\n", a.name, err)
			continue
		}
		fmt.Printf("%s: %d\n", a.name, int(errno))
	}
}

func failing[T any](_ T, err error) error { return err }

func call(number uintptr, args ...uintptr) func() error {
	args = append(args, 0, 0, 0, 0, 0, 0)
	return func() error {
		_, _, errno := unix.Syscall6(number, args[0], args[1], args[2], args[3], args[4], args[5])
		if errno == 0 {
			return nil
		}
		return errno
	}
}

// attempts are what a hardened program tries, and the errno that it gets.
var attempts = []struct {
	name string
	want int
	try  func() error
}{
	{"a socket", 1, call(unix.SYS_SOCKET, unix.AF_UNIX, unix.SOCK_STREAM)},
	{"a pair of sockets", 1, func() error { return failing(unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)) }},
	{"connecting", 1, call(unix.SYS_CONNECT, 5, 0, 0)},
	{"a program", 1, call(unix.SYS_EXECVE)},
	{"a program by descriptor", 1, call(unix.SYS_EXECVEAT)},
	{"a process", 1, call(unix.SYS_CLONE, uintptr(unix.SIGCHLD))},
	{"a process by clone3", 38, call(unix.SYS_CLONE3)},
	{"looking into a process", 1, call(unix.SYS_PTRACE)},
	{"reading another's memory", 38, call(unix.SYS_PROCESS_VM_READV)},
	{"io_uring", 38, call(unix.SYS_IO_URING_SETUP)},
	{"opening to write", 1, func() error { return failing(unix.Open("/dev/null", unix.O_WRONLY, 0)) }},
	{"opening to read and write", 1, func() error { return failing(unix.Open("/dev/null", unix.O_RDWR, 0)) }},
	{"making a file", 1, func() error { return failing(unix.Open("/tmp/x", unix.O_CREAT, 0o600)) }},
	{"making a file without a name", 1, func() error { return failing(unix.Open("/tmp", unix.O_TMPFILE|unix.O_RDONLY, 0o600)) }},
	{"making a directory", 1, func() error { return unix.Mkdirat(unix.AT_FDCWD, "/tmp/x", 0o700) }},
	{"removing", 1, func() error { return unix.Unlinkat(unix.AT_FDCWD, "/tmp/x", 0) }},
	{"memory that is a file", 1, func() error { return failing(unix.MemfdCreate("x", 0)) }},
	{"memory that is code", 1, func() error {
		return failing(unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE))
	}},
	{"making memory code", 1, func() error {
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	}},
	{"a signal to its parent", 1, func() error { return unix.Kill(os.Getppid()+1<<20, 0) }},
	{"a signal to a group", 1, func() error { return unix.Kill(-1, 0) }},
	{"a signal to itself", 0, func() error { return unix.Kill(os.Getpid(), 0) }},
	{"another's limits", 1, func() error { return unix.Prlimit(1<<20, unix.RLIMIT_CORE, nil, nil) }},
	{"undoing it", 1, func() error { return unix.Prctl(unix.PR_SET_SECCOMP, 0, 0, 0, 0) }},
	{"reading", 0, func() error { return failing(unix.Open("/dev/null", unix.O_RDONLY, 0)) }},
	{"threads", 0, func() error {
		done := make(chan int)
		for range 20 {
			go func() { runtime.LockOSThread(); done <- 1 }()
		}
		for range 20 {
			<-done
		}
		return nil
	}},
	{"memory and its collection", 0, func() error {
		for range 20 {
			_ = append([]byte(nil), make([]byte, 8<<20)...)
			runtime.GC()
		}
		return nil
	}},
}

func TestHarden(t *testing.T) {
	s := spawner(t)
	for _, level := range Levels {
		spec := self(level, "confine-test-hard")
		out, exit := run(t, s, spec, spec.Args...)
		got := strings.Split(out, "\n")
		if len(got) != len(attempts) || exit.Code != 0 {
			t.Errorf("%s: %v, %q", level, exit, out)
			continue
		}
		for i, a := range attempts {
			if want := fmt.Sprintf("%s: %d", a.name, a.want); got[i] != want {
				t.Errorf("%s: %q, want %q", level, got[i], want)
			}
		}
	}
	// Without it, what must be refused is not, where the child has the machine's files.
	for _, a := range attempts {
		switch a.name {
		case "a socket", "a pair of sockets", "opening to write", "opening to read and write", "memory that is a file", "memory that is code", "making memory code":
			if err := a.try(); err != nil {
				t.Errorf("not hardened: %s: %v", a.name, err)
			}
		}
	}
}
