package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// initName is the zeroth argument of this program run as a child's first step.
const initName = "glassine-confine-init"

// controlFD is the first step's end of the socket to the parent.
const controlFD = 3

// maxMessage bounds a message on the control socket: a Spec, which is a few kilobytes, an environment of 4 KB included.
const maxMessage = 192 << 10

// order is what the parent sends: the child, and who it is to be.
type order struct {
	Spec Spec
	// Wide says that the namespace maps two identities: 0 is the machine's root, which makes the new root, and ID is what
	// the child becomes.
	Wide bool
	// Probe ends the first step where it would start the program.
	Probe bool
}

// message is what the first step answers: once when the sockets come with it, and again only when something failed after.
type message struct {
	Error string `json:",omitempty"`
	// Program says that the error is the program's.
	Program bool `json:",omitempty"`
	// Exited and Status carry the end of the program below level Strict, where the first step stays as its keeper.
	Exited bool               `json:",omitempty"`
	Status syscall.WaitStatus `json:",omitempty"`
}

// Main runs the first step of a child when this process was started for it, and then does not return. In any other process
// it returns false at once.
func Main() bool {
	if len(os.Args) == 0 || os.Args[0] != initName {
		mainCalled.Store(true)
		return false
	}
	// What is set from here on belongs to a thread: Landlock, seccomp, no_new_privs, the death signal.
	runtime.LockOSThread()
	err := firstStep()
	_, program := errors.AsType[*ProgramError](err)
	send(message{Error: err.Error(), Program: program})
	os.Exit(1)
	return true
}

func firstStep() error {
	unix.CloseOnExec(controlFD)
	// What the server itself inherited is no business of a child's.
	if err := unix.CloseRange(LogFD+1, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark descriptors close-on-exec: %w", err)
	}
	o, err := receiveOrder()
	if err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	if o.Spec.Level != Strict {
		return keep(o)
	}
	program, err := openProgram(o.Spec)
	if err != nil {
		return err
	}
	if err := makeRoot(o.Spec); err != nil {
		return err
	}
	sockets, err := listen(o.Spec.Listen)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(controlFD, []byte("{}"), unix.UnixRights(sockets...), nil, 0); err != nil {
		return fmt.Errorf("send sockets: %w", err)
	}
	for _, s := range sockets {
		_ = unix.Close(s) // sent
	}
	if err := awaitGo(); err != nil {
		return err
	}
	if err := os.Chdir(o.Spec.Dir); err != nil {
		return err
	}
	if err := setLimits(o.Spec.Limits); err != nil {
		return err
	}
	if err := dropIdentity(o.Wide); err != nil {
		return err
	}
	if err := restrictStrict(program); err != nil {
		return err
	}
	if err := filterSyscalls(); err != nil {
		return err
	}
	if o.Probe {
		os.Exit(0)
	}
	if o.Spec.Channel {
		if _, err := unix.FcntlInt(ChannelFD, unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("keep channel over exec: %w", err)
		}
	}
	path := o.Spec.Args[0]
	if o.Spec.Self {
		path = openFile(program) // which needs no name in the new root
	}
	return programError(o.Spec.Args[0], syscall.Exec(path, o.Spec.Args, o.Spec.Env))
}

// ownFile is the file of the program that runs, even when its name is another file's by now.
const ownFile = "/proc/self/exe"

// openProgram opens this program's file before the new root hides it; -1 is none, for a spec that names another.
func openProgram(s Spec) (int, error) {
	if !s.Self {
		return -1, nil
	}
	fd, err := unix.Open(ownFile, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open own program: %w", err)
	}
	return fd, nil
}

// openFile is a path to what an open descriptor of this process names.
func openFile(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

func programError(name string, err error) error {
	return &ProgramError{fmt.Sprintf("fork/exec %s: %v", name, err)}
}

func receiveOrder() (order, error) {
	buf := make([]byte, maxMessage)
	n, err := unix.Read(controlFD, buf)
	if err != nil {
		return order{}, err
	}
	var o order
	return o, json.Unmarshal(buf[:n], &o)
}

func send(m message) {
	b, err := json.Marshal(m)
	if err == nil {
		_, _ = unix.Write(controlFD, b) // a parent that is gone reads nothing
	}
}

// awaitGo waits until the parent has put this process into its control group. When the parent has died, no death signal may
// have come: its thread was gone before that was asked for. Then this reads the end.
func awaitGo() error {
	n, err := unix.Read(controlFD, make([]byte, 1))
	if err == nil && n == 0 {
		err = errors.New("parent is gone")
	}
	return err
}

func setLimits(l Limits) error {
	for _, r := range []struct {
		name  string
		what  int
		value int64
		set   bool
	}{
		{"core", unix.RLIMIT_CORE, 0, true},
		{"data", unix.RLIMIT_DATA, int64(l.DataMB) << 20, l.DataMB > 0},
		{"processes", unix.RLIMIT_NPROC, int64(l.Processes), l.Processes > 0},
		{"file size", unix.RLIMIT_FSIZE, int64(l.FileMB) << 20, l.FileMB > 0},
		{"files", unix.RLIMIT_NOFILE, int64(l.Files), l.Files > 0},
		{"processor time", unix.RLIMIT_CPU, int64(l.CPUSeconds), l.CPUSeconds > 0},
	} {
		if !r.set {
			continue
		}
		limit := unix.Rlimit{Cur: uint64(r.value), Max: uint64(r.value)}
		if err := unix.Setrlimit(r.what, &limit); err != nil {
			return fmt.Errorf("limit %s to %d: %w", r.name, r.value, err)
		}
	}
	return nil
}

// dropIdentity makes the process ID without any capability, now and after any exec.
func dropIdentity(wide bool) error {
	if wide {
		if err := unix.Setgroups(nil); err != nil {
			return fmt.Errorf("drop groups: %w", err)
		}
	}
	if err := dropBounding(); err != nil {
		return err
	}
	if wide {
		if err := unix.Setresgid(ID, ID, ID); err != nil {
			return fmt.Errorf("become group %d: %w", ID, err)
		}
		if err := unix.Setresuid(ID, ID, ID); err != nil {
			return fmt.Errorf("become user %d: %w", ID, err)
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	// The change of user took the death signal away, and the kernel keeps one for each thread. (prctl(2), PR_SET_PDEATHSIG.)
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set death signal: %w", err)
	}
	return noNewPrivileges()
}

// dropBounding takes every capability out of what an exec may give.
func dropBounding() error {
	for c := 0; c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("drop capability %d: %w", c, err) // EINVAL: this kernel does not know it
		}
	}
	return nil
}

// dropCapabilities takes this thread's capabilities.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

func noNewPrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}
