package confine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// hierarchy is where control groups for children can be made: below the group that this process is in, so that whatever
// bounds us bounds them too.
type hierarchy struct {
	kind string // "cgroup v2", "cgroup v1", or "" for none
	dir  string
	made atomic.Uint64
}

// prefix begins the names of our groups; the process id of the server that made it follows.
const prefix = "glassine-"

// findHierarchy looks for a place for control groups with the memory controller; the error says why there is none.
// (cgroups(7).)
func findHierarchy() (*hierarchy, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return &hierarchy{}, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return &hierarchy{}, err
	}
	v1, v2 := groupDirs(string(own), string(mounts))
	h := &hierarchy{}
	switch {
	case v1 != "":
		h.kind, h.dir, err = "cgroup v1", v1, nil
	case v2 != "":
		h.kind, h.dir, err = "cgroup v2", v2, enableMemory(v2)
	default:
		err = errors.New("no control group with a memory controller is mounted")
	}
	if err == nil {
		h.sweep()
		// Only a try tells whether we may: a container mounts the files read-only, a user owns none of them.
		var g group
		if g, err = h.group(Limits{MemoryMB: 64, Processes: 16}); err == nil {
			g.remove()
		}
	}
	if err != nil {
		return &hierarchy{}, fmt.Errorf("control group: %w", err)
	}
	return h, nil
}

// groupDirs finds this process's group in the v1 hierarchy with the memory controller, and in the v2 hierarchy, from
// /proc/self/cgroup and /proc/self/mountinfo; "" for what is not there.
func groupDirs(own, mounts string) (v1, v2 string) {
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			v2 = mounted(mounts, "cgroup2", "", f[2])
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			v1 = mounted(mounts, "cgroup", "memory", f[2])
		}
	}
	return v1, v2
}

// mounted is the directory of a group in the file system of that kind, with that controller among its options.
func mounted(mounts, kind, controller, path string) string {
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 || g[0] != kind {
			continue
		}
		if controller != "" && !slices.Contains(strings.Split(g[2], ","), controller) {
			continue
		}
		if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(f[3], "/")); ok {
			return filepath.Join(f[4], rest)
		}
	}
	return ""
}

// enableMemory turns the memory and process controllers on for the groups below dir. A group of version 2 that does so may
// hold no processes itself (cgroups(7), "no internal processes"), so this process steps into a group of its own first; when
// there are others beside it, the group is not ours to arrange.
func enableMemory(dir string) error {
	control := filepath.Join(dir, "cgroup.subtree_control")
	on, err := os.ReadFile(control)
	if err != nil {
		return err
	}
	if slices.Contains(strings.Fields(string(on)), "memory") {
		return nil
	}
	offered, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(offered)), "memory") {
		return fmt.Errorf("%s has no memory controller", dir)
	}
	enable := []byte("+memory +pids")
	if err := os.WriteFile(control, enable, 0o644); err == nil || !errors.Is(err, syscall.EBUSY) {
		return err
	}
	members, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return err
	}
	self := strconv.Itoa(os.Getpid())
	if strings.TrimSpace(string(members)) != self {
		return fmt.Errorf("%s holds other processes: run glassine in a unit of its own with Delegate=yes", dir)
	}
	server := filepath.Join(dir, prefix+"server")
	if err := os.Mkdir(server, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(server, "cgroup.procs"), []byte(self), 0o644); err != nil {
		return err
	}
	return os.WriteFile(control, enable, 0o644)
}

// sweep removes the empty groups of servers that are gone.
func (h *hierarchy) sweep() {
	left, _ := filepath.Glob(filepath.Join(h.dir, prefix+"[0-9]*-*"))
	for _, dir := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, fs.ErrNotExist) {
			_ = syscall.Rmdir(dir) // one that is in use stays
		}
	}
}

// group is one child's control group; the zero group is none.
type group struct{ kind, dir string }

// group makes a group with limits.
func (h *hierarchy) group(l Limits) (group, error) {
	if h.kind == "" {
		return group{}, ErrUnsupported
	}
	g := group{h.kind, filepath.Join(h.dir, fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), h.made.Add(1)))}
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return group{}, err
	}
	type setting struct {
		file     string
		value    int64
		optional bool
	}
	memory := int64(l.MemoryMB) << 20
	settings := []setting{{"memory.limit_in_bytes", memory, false}, {"memory.memsw.limit_in_bytes", memory, true}}
	if g.kind == "cgroup v2" {
		settings = []setting{{"memory.max", memory, false}, {"memory.swap.max", 0, true}, {"memory.oom.group", 1, true}, {"pids.max", int64(l.Processes), false}}
	}
	for _, s := range settings {
		if s.value == 0 && !s.optional {
			continue // no limit
		}
		err := os.WriteFile(filepath.Join(g.dir, s.file), strconv.AppendInt(nil, s.value, 10), 0o644)
		if err != nil && !(s.optional && errors.Is(err, fs.ErrNotExist)) {
			g.remove()
			return group{}, err
		}
	}
	return g, nil
}

// add puts a process into the group.
func (g group) add(pid int) error {
	if g.dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), strconv.AppendInt(nil, int64(pid), 10), 0o644)
}

// memory is the anonymous memory of the group, in bytes; false when there is none.
func (g group) memory() (int64, bool) {
	if g.dir == "" {
		return 0, false
	}
	b, err := os.ReadFile(filepath.Join(g.dir, "memory.stat"))
	if err != nil {
		return 0, true // the child is gone, and the group with it
	}
	return anonymous(b), true
}

// anonymous reads memory.stat: what version 1 calls rss is anon in version 2.
func anonymous(stat []byte) int64 {
	for line := range bytes.Lines(stat) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(name) == "rss" || string(name) == "anon" {
			n, _ := strconv.ParseInt(string(value), 10, 64)
			return n
		}
	}
	return 0
}

// remove takes the group away. The kernel may need a moment after the last process.
func (g group) remove() {
	if g.dir == "" {
		return
	}
	for range 100 {
		if err := syscall.Rmdir(g.dir); !errors.Is(err, syscall.EBUSY) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}
