package confine

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// denied are the system calls that change what holds a process, reach into others or into the kernel's rarely used parts,
// and that no function needs. They answer EPERM, as they do to a process without privilege.
var denied = append([]uintptr{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_FANOTIFY_INIT,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
	unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY,
}, deniedHere...)

// missing are system calls that programs try and do without: io_uring passes by this filter, and the flags of clone3 lie in
// memory, where a filter cannot look; the C library then uses clone.
var missing = []uintptr{unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}

// families are the sockets that are left: AF_VSOCK, for one, reaches the machine below past every network namespace.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// namespaces are the flags of clone that make one. CLONE_NEWTIME is not among clone's.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET

// foreignNumbers is where the numbers of amd64's x32 begin, a second way to every call. No other machine has any there.
const foreignNumbers = 0x40000000

// Offsets in struct seccomp_data: the arguments are 64 bits wide, and the low half comes first on the machines we run on.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArg0   = 16
	offsetArg1   = 24
)

// filterSyscalls installs the filter on this thread. It takes no_new_privs.
func filterSyscalls() error {
	program := filter()
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// filter is the program: classic BPF over struct seccomp_data. Which answer a number gets depends on the number alone but
// for clone, socket and ioctl, so the kernel caches what is allowed. (Documentation/userspace-api/seccomp_filter.rst.)
func filter() []unix.SockFilter {
	var (
		eperm  = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
		enosys = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
		allow  = ret(unix.SECCOMP_RET_ALLOW)
	)
	p := []unix.SockFilter{
		load(offsetArch), skipUnless(unix.BPF_JEQ, auditArch, 1), skip(1), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offsetNumber), skipUnless(unix.BPF_JGE, foreignNumbers, 1), enosys,
	}
	for _, n := range denied {
		p = append(p, skipUnless(unix.BPF_JEQ, uint32(n), 1), eperm)
	}
	for _, n := range missing {
		p = append(p, skipUnless(unix.BPF_JEQ, uint32(n), 1), enosys)
	}
	p = append(p,
		skipUnless(unix.BPF_JEQ, unix.SYS_CLONE, 4),
		load(offsetArg0), skipUnless(unix.BPF_JSET, namespaces, 1), eperm, allow)
	p = append(p, skipUnless(unix.BPF_JEQ, unix.SYS_IOCTL, 6), // put characters into a terminal's input
		load(offsetArg1), skipUnless(unix.BPF_JEQ, unix.TIOCSTI, 1), eperm, skipUnless(unix.BPF_JEQ, unix.TIOCLINUX, 1), eperm, allow)
	p = append(p, skipUnless(unix.BPF_JEQ, unix.SYS_SOCKET, uint8(2+2*len(families))), load(offsetArg0))
	for _, f := range families {
		p = append(p, skipUnless(unix.BPF_JEQ, f, 1), allow)
	}
	p = append(p, eperm)
	return append(p, allow)
}

// skipUnless passes over n instructions when the accumulator does not compare so to k.
func skipUnless(compare uint16, k uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | compare | unix.BPF_K, K: k, Jf: n}
}

func skip(n uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: n}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func ret(what uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
}
