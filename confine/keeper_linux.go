package confine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// keep runs the program as a child of this process, which stays beside it below level Strict: where no PID namespace ends
// what a program leaves behind, all that it started and orphaned comes to its keeper, which ends it. The parent's end of
// the control socket is the sign to do so, whether Kill closed it or the parent died.
func keep(o order) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become subreaper: %w", err)
	}
	send(message{})
	if err := awaitGo(); err != nil {
		return err
	}
	limits := o.Spec.Limits
	if limits.Processes > 0 {
		limits.Processes += tasksOf(os.Getuid())
	}
	if err := setLimits(limits); err != nil {
		return err
	}
	// This thread alone is closed in; the others wait and kill. What it forks inherits from it.
	if err := dropBounding(); err != nil && !errors.Is(err, unix.EPERM) { // a user without capabilities has none to drop
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if err := noNewPrivileges(); err != nil {
		return err
	}
	if o.Spec.Level == Restricted {
		if err := restrictPaths(o.Spec); err != nil {
			return err
		}
		if err := filterSyscalls(); err != nil {
			return err
		}
	}
	if o.Probe {
		send(message{Exited: true})
		os.Exit(0)
	}
	program, err := startKept(o.Spec)
	if err != nil {
		if path, ok := errors.AsType[*os.PathError](err); ok {
			err = path.Err
		}
		return programError(o.Spec.Args[0], err)
	}
	// The pipes are the program's alone now: they end when it does.
	for _, fd := range []int{1, 2, LogFD, ChannelFD} {
		_ = unix.Close(fd) // or the pipe ends later
	}
	send(message{})
	// This thread is closed in and cannot see what it has to end; and it stays, or the program gets its death signal.
	ended := make(chan error)
	go func() { ended <- watch(program.Pid) }()
	return <-ended
}

// startKept starts the program.
func startKept(s Spec) (*os.Process, error) {
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr, nil, os.NewFile(LogFD, "log")}
	if s.Channel {
		files = append(files, os.NewFile(ChannelFD, "channel"))
	}
	path := s.Args[0]
	if s.Self {
		path = ownFile
	}
	return os.StartProcess(path, s.Args, &os.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL},
	})
}

// watch ends what is kept when the parent's end of the socket closes, or when the program has ended, and then this process.
func watch(program int) error {
	go func() {
		_, _ = unix.Read(controlFD, make([]byte, 1)) // nothing comes but the end
		endAll()
		os.Exit(1)
	}()
	status, err := reap(program)
	if err != nil {
		return err
	}
	endAll()
	send(message{Exited: true, Status: status})
	os.Exit(0)
	return nil
}

// tasksOf counts the threads of a user on this machine, which RLIMIT_NPROC counts too.
func tasksOf(uid int) int {
	n := 0
	processes, _ := filepath.Glob("/proc/[0-9]*/task") // the pattern is good
	for _, p := range processes {
		info, err := os.Stat(p)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(uid) {
			continue
		}
		if tasks, err := os.ReadDir(p); err == nil {
			n += len(tasks)
		}
	}
	return n
}

// restrictPaths grants what the program's files are, and nothing else.
func restrictPaths(s Spec) error {
	grants := []grant{{"/dev/null", all}, {"/dev/zero", read}, {"/dev/random", read}, {"/dev/urandom", read}}
	for _, p := range s.Read {
		grants = append(grants, grant{p, read})
	}
	if s.Self {
		grants = append(grants, grant{ownFile, fileRead})
	}
	for _, p := range s.Write {
		grants = append(grants, grant{p, all})
	}
	return landlock(grants, s.Ports, true)
}

// reap waits for pid, and for whatever else came to this process meanwhile.
func reap(pid int) (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for program: %w", err)
		case got == pid && (status.Exited() || status.Signaled()):
			return status, nil
		}
	}
}

// endAll kills everything below this process until nothing is left. What forks meanwhile is found the next time around:
// it cannot leave the tree, since orphans come here.
func endAll() {
	for range 1000 {
		left := descendants(os.Getpid())
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			_ = syscall.Kill(p, syscall.SIGKILL) // gone already
		}
		for {
			if got, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || got <= 0 {
				break
			}
		}
		time.Sleep(time.Millisecond)
	}
}
