package confine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is what Child holds on Linux.
type child struct {
	process *os.Process
	control *os.File
	group   group
	strict  bool
}

// keeperTime is how long a keeper has to end what it keeps, before it is ended itself.
const keeperTime = 2 * time.Second

func (c *child) kill() {
	if c.strict {
		// The first process of a PID namespace: the kernel ends all others with it. (pid_namespaces(7).)
		_ = c.process.Kill() // gone already
		return
	}
	// The keeper sees the end of the socket and ends what it keeps.
	raw, err := c.control.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
	_ = err // closed: the child is gone
}

// wait reaps the child and lets its resources go.
func (c *Child) wait() {
	var kept *syscall.WaitStatus
	if !c.impl.strict {
		kept = c.impl.awaitKeeper()
		timer := time.AfterFunc(keeperTime, c.impl.endKeeper)
		defer timer.Stop()
	}
	state, err := c.impl.process.Wait()
	c.exit = Exit{Code: -1, Signal: syscall.SIGKILL.String()} // a keeper does not tell when it was told to kill
	switch {
	case kept != nil:
		c.exit = exitOf(*kept)
	case c.impl.strict && err == nil:
		c.exit = exitOf(state.Sys().(syscall.WaitStatus))
	}
	c.impl.control.Close()
	c.impl.group.remove()
	close(c.ended)
}

// awaitKeeper reads how the kept program ended; nil says that the keeper did not tell.
func (c *child) awaitKeeper() *syscall.WaitStatus {
	for {
		m, _, err := receive(c.control)
		if err != nil {
			return nil
		}
		if m.Exited {
			return &m.Status
		}
	}
}

// endKeeper ends a keeper that does not end by itself, and its group as far as the program has not left it.
func (c *child) endKeeper() {
	_ = syscall.Kill(-c.process.Pid, syscall.SIGKILL)
	_ = c.process.Kill()
}

func exitOf(s syscall.WaitStatus) Exit {
	if s.Signaled() {
		return Exit{Code: -1, Signal: s.Signal().String()}
	}
	return Exit{Code: s.ExitStatus()}
}

// memory asks the control group, or adds up the processes.
func (c *child) memory() int64 {
	if n, ok := c.group.memory(); ok {
		return n
	}
	// All of it: orphans go to the first process of their namespace, or to their keeper, which itself does not count.
	var total int64
	if c.strict {
		total = resident(c.process.Pid)
	}
	for _, p := range descendants(c.process.Pid) {
		total += resident(p)
	}
	return total
}

// resident reads /proc/pid/statm: its second and third fields are the resident and the shared pages. (proc(5).)
func resident(pid int) int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	shared, _ := strconv.ParseInt(f[2], 10, 64)
	return max(pages-shared, 0) * int64(os.Getpagesize())
}

// descendants lists the processes below pid, as far as they still are.
func descendants(pid int) []int {
	var out []int
	tasks, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for f := range strings.FieldsSeq(string(b)) {
			if p, err := strconv.Atoi(f); err == nil {
				out = append(out, p)
				out = append(out, descendants(p)...)
			}
		}
	}
	return out
}

// mapsAllIDs reports whether this user namespace has all ids of the machine, as the first one has.
func mapsAllIDs() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(b))
	return err == nil && len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}
