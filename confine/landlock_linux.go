package confine

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock's rights. A right that the kernel does not know cannot be handled, so they are masked by the version that it
// answers. (landlock(7); Documentation/userspace-api/landlock.rst, "Compatibility".)
const (
	fileRead = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	read     = fileRead | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// fileAll are the rights that a rule for a file, not a directory, may name.
	fileAll = fileRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	all     = fileAll | read | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
)

// Kinds of rules, enum landlock_rule_type, and the first version that holds TCP ports.
const (
	rulePathBeneath = 1
	ruleNetPort     = 2
	portsVersion    = 4
)

// ruleset is Landlock's ruleset attribute. The kernel takes its size as an argument, so that older ones get less.
type ruleset struct {
	fs, net, scoped uint64
}

// grant is a path and what is allowed beneath it.
type grant struct {
	path   string
	rights uint64
}

// landlockVersion is the ABI of the kernel; an error says that there is none.
func landlockVersion() (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("landlock: %w", errno)
	}
	return int(v), nil
}

// restrictStrict lets the process read all that its root holds, and write to /tmp and the devices. program is an open file
// outside the root that may be run; -1 is none.
func restrictStrict(program int) error {
	grants := []grant{{"/", read}, {"/tmp", all}, {"/dev", all &^ unix.LANDLOCK_ACCESS_FS_MAKE_REG}}
	if program >= 0 {
		grants = append(grants, grant{openFile(program), fileRead})
	}
	return landlock(grants, nil, false)
}

// landlock closes all files and, when network is set, all TCP ports to this thread, but for the grants. What is granted must
// exist: one that does not is an error, and nothing may then run. A kernel before portsVersion leaves the ports open.
func landlock(grants []grant, ports []uint16, network bool) error {
	version, err := landlockVersion()
	if err != nil {
		return err
	}
	handled, size := rulesOf(version, network)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&handled)), size, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: create rules: %w", errno)
	}
	defer func() { _ = unix.Close(int(fd)) }() // the rules hold without it
	for _, g := range grants {
		if err := allowPath(fd, g, handled.fs); err != nil {
			return err
		}
	}
	if handled.net == 0 {
		ports = nil
	}
	for _, p := range ports {
		rule := struct{ rights, port uint64 }{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(p)}
		_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, ruleNetPort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
		if errno != 0 {
			return fmt.Errorf("landlock: allow port %d: %w", p, errno)
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: restrict: %w", errno)
	}
	return nil
}

// rulesOf is what a kernel of that version can handle, and the size of the attribute it knows.
func rulesOf(version int, network bool) (ruleset, uintptr) {
	r, size := ruleset{fs: all}, uintptr(8)
	if version < 2 {
		r.fs &^= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version < 3 {
		r.fs &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version < 5 {
		r.fs &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= portsVersion {
		size = 16
		if network {
			r.net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		}
	}
	if version >= 6 {
		size = 24
		r.scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return r, size
}

func allowPath(rules uintptr, g grant, handled uint64) error {
	fd, err := unix.Open(g.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("landlock: %w", &os.PathError{Op: "open", Path: g.path, Err: err})
	}
	defer func() { _ = unix.Close(fd) }() // only looked at
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return fmt.Errorf("landlock: look at %s: %w", g.path, err)
	}
	rights := g.rights & handled
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileAll
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, rules, rulePathBeneath, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: allow %s: %w", g.path, errno)
	}
	return nil
}
