package pixel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"glassine/confine"
	"glassine/transform/pixel/render"
)

// faults is the variable in a worker's environment that makes it a faulty one.
const faults = "GLASSINE_TEST_FAULTS"

func TestMain(m *testing.M) {
	if os.Getenv(faults) != "" && (confine.Main() || work(openFaulty)) || Main() {
		return
	}
	code := m.Run()
	if unpacked != "" {
		if r, err := here(); err == nil {
			r.Close()
		}
		os.RemoveAll(unpacked)
	}
	os.Exit(code)
}

// faulty does with a job what the job's ICC says.
type faulty struct{ svg bool }

func openFaulty(_ string, svg bool) (renderer, error) {
	if os.Getenv(faults) == "open" {
		return nil, errors.New("it is not to be opened")
	}
	return faulty{svg}, nil
}

func (faulty) PrepareFonts() error { return nil }

func (faulty) Version() string { return "0.0.0 faulty" }

var eaten [][]byte

func (f faulty) Render(job render.Job, source []byte) (*render.Result, error) {
	raw := func(b string) { _, _ = syscall.Write(confine.ChannelFD, []byte(b)) }
	result := &render.Result{Format: job.Format, Width: 1, Height: 1, Frames: 1, Body: source}
	word, argument, _ := strings.Cut(job.ICC, " ")
	n, _ := strconv.Atoi(argument)
	switch word {
	case "segv":
		fmt.Fprintln(os.Stderr, "about to fault")
		address := uintptr(n + 1)
		return nil, fmt.Errorf("read %d", **(**int)(unsafe.Pointer(&address))) // in no page that is mapped
	case "panic":
		panic("a bug")
	case "exit":
		syscall.Exit(n) // at once, with the race detector too
	case "hang":
		for {
			time.Sleep(time.Hour)
		}
	case "spin":
		for i := 0; ; i++ {
			_ = i
		}
	case "sleep":
		time.Sleep(time.Duration(n) * time.Millisecond)
	case "eat":
		for {
			b := make([]byte, 8<<20)
			for i := range b {
				b[i] = byte(i)
			}
			eaten = append(eaten, b)
		}
	case "hold":
		b := make([]byte, n<<20)
		for i := range b {
			b[i] = byte(i)
		}
		eaten = append(eaten, b)
	case "garbage":
		raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		select {}
	case "huge":
		raw("\x00\x00\x00\x02\x7f\xff\xff\xff\xff\xff\xff\xff{}")
		select {}
	case "half":
		raw("\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00{\"Re")
		syscall.Exit(0)
	case "json":
		raw("\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00[]")
		select {}
	case "format":
		result.Format = "svg"
	case "nothing":
		return nil, nil
	case "input":
		return nil, &render.InputError{Reason: "it is no picture"}
	case "error":
		return nil, errors.New("out of ideas")
	case "pid":
		result.Body = []byte(strconv.Itoa(os.Getpid()))
	case "env":
		result.Body = []byte(strings.Join(os.Environ(), "\n"))
	case "small":
		result.Body = nil
	case "svg":
		result.Body = []byte(strconv.FormatBool(f.svg))
	case "try":
		result.Body = []byte(try(argument))
	}
	return result, nil
}

// try does what a picture that took the worker over might, and says how it went.
func try(what string) string {
	var err error
	switch name, path, _ := strings.Cut(what, " "); name {
	case "read":
		_, err = os.ReadFile(path)
	case "write":
		err = os.WriteFile(path, []byte("x"), 0o600)
	case "list":
		var entries []os.DirEntry
		entries, err = os.ReadDir(path)
		if err == nil {
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			return strings.Join(names, " ")
		}
	case "socket":
		_, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	case "fork":
		var r uintptr
		var errno syscall.Errno
		if r, _, errno = syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0); errno == 0 && r == 0 {
			os.Exit(0)
		}
		if errno != 0 {
			err = errno
		}
	case "exec":
		err = syscall.Exec("/bin/true", []string{"true"}, nil)
	}
	if err == nil {
		return "done"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}

// rig is an Engine of faulty workers and what it told.
type rig struct {
	*Engine
	t      *testing.T
	mu     sync.Mutex // guards events
	events []Event
}

// newRig makes an engine whose library is any file: faulty workers do not load it.
func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t}
	cfg := Config{Library: "/bin/sh", Dir: t.TempDir(), Workers: 2, Timeout: 20 * time.Second, Observe: r.observe}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.env = []string{faults + "=1", mark}
	r.Engine = e
	t.Cleanup(func() { e.Close() })
	return r
}

func (r *rig) observe(e Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
}

// count is how often it was told of an outcome.
func (r *rig) count(o Outcome) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if e.Outcome == o {
			n++
		}
	}
	return n
}

// job does what the word says on a source that is no other job's.
func (r *rig) job(word string) (string, error) {
	result, err := r.Render(r.t.Context(), render.Job{Source: "jpeg", Format: "png", ICC: word}, []byte("a source"))
	if err != nil {
		return "", err
	}
	return string(result.Body), nil
}

// must is job for those that succeed.
func (r *rig) must(word string) string {
	r.t.Helper()
	got, err := r.job(word)
	if err != nil {
		r.t.Fatalf("%s: %v", word, err)
	}
	return got
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list descriptors: ", err)
	}
	return len(names)
}

// children counts the worker processes of this run of the tests.
func children(t *testing.T) int {
	t.Helper()
	n := 0
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(b), "\x00"+workerName+"\x00") {
			if env, err := os.ReadFile(filepath.Join(filepath.Dir(f), "environ")); err == nil && strings.Contains(string(env), mark) {
				n++
			}
		}
	}
	return n
}

// mark is in the environment of the workers of this run of the tests alone.
var mark = fmt.Sprintf("GLASSINE_TEST_RUN=%d-%d", os.Getpid(), time.Now().UnixNano())

// await polls what other processes do.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not come to pass in 10 s", what)
}
