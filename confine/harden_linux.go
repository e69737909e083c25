package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Harden leaves this process only what computing takes, for good and for all its threads: memory that is not code, threads,
// the clock, files to read, and the descriptors that it has. It opens nothing to write, makes no socket, no process and no
// code, and signals no other process. A program that is about to read what a stranger sent calls it when everything is
// loaded. Level says what it may read: Landlock was set before the program began, since it cannot be set for threads that
// run. A refused call fails with EPERM, one that is unknown to the list with ENOSYS, as on an older kernel.
func Harden() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := noNewPrivileges(); err != nil {
		return err
	}
	program := hardFilter(uint32(os.Getpid()))
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	id, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if id != 0 { // a thread that could not take the filter (seccomp(2), SECCOMP_FILTER_FLAG_TSYNC)
		return errors.New("seccomp: a thread has a filter of its own")
	}
	return nil
}

// computing are the calls that Harden leaves as they are.
var computing = append([]uintptr{
	unix.SYS_READ, unix.SYS_READV, unix.SYS_PREAD64, unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_RECVMSG, unix.SYS_RECVFROM, unix.SYS_LSEEK, unix.SYS_CLOSE,
	unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_READLINKAT, unix.SYS_GETDENTS64,
	unix.SYS_GETCWD, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FADVISE64,
	unix.SYS_DUP, unix.SYS_PIPE2, unix.SYS_EVENTFD2, unix.SYS_PPOLL, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT,
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_MINCORE, unix.SYS_MEMBARRIER,
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SET_TID_ADDRESS,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_GETPARAM,
	unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_GET_PRIORITY_MAX, unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_GETCPU,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_TIMES,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_GETRUSAGE, unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}, computingHere...)

// refused are the calls that programs expect to be there and are told that they may not. What is not named anywhere here
// does not exist.
var refused = []uintptr{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT,
	unix.SYS_ACCEPT4, unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG, unix.SYS_PTRACE, unix.SYS_IOCTL, unix.SYS_MEMFD_CREATE,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_MKNODAT, unix.SYS_TRUNCATE,
	unix.SYS_FTRUNCATE, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, unix.SYS_SETXATTR, unix.SYS_FALLOCATE,
}

// condition is a call that is allowed when one of its arguments is as it should be.
type condition struct {
	call     uintptr
	argument uint32
	without  uint32   // none of these bits may be set
	with     uint32   // one of these bits must be
	among    []uint32 // it must be one of these
}

// opening are the flags of open that write, and the bit that makes an unnamed file.
const opening = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND | (unix.O_TMPFILE &^ unix.O_DIRECTORY)

// nameVMA is prctl's PR_SET_VMA, by which Go and the C library say what memory is for.
const nameVMA = 0x53564d41

func conditions(pid uint32) []condition {
	return append([]condition{
		{call: unix.SYS_OPENAT, argument: 2, without: opening},
		{call: unix.SYS_MMAP, argument: 2, without: unix.PROT_EXEC},
		{call: unix.SYS_MPROTECT, argument: 2, without: unix.PROT_EXEC},
		{call: unix.SYS_CLONE, argument: 0, with: unix.CLONE_THREAD},
		{call: unix.SYS_KILL, argument: 0, among: []uint32{pid}},
		{call: unix.SYS_TGKILL, argument: 0, among: []uint32{pid}},
		{call: unix.SYS_PRLIMIT64, argument: 0, among: []uint32{0, pid}},
		{call: unix.SYS_PRCTL, argument: 0, among: []uint32{unix.PR_SET_NAME, unix.PR_GET_NAME, nameVMA}},
		{call: unix.SYS_FCNTL, argument: 1, among: []uint32{unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW}},
	}, conditionsHere...)
}

// hardFilter is the program of Harden, for the process of that number.
func hardFilter(pid uint32) []unix.SockFilter {
	var (
		eperm  = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
		enosys = ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
		allow  = ret(unix.SECCOMP_RET_ALLOW)
	)
	p := []unix.SockFilter{
		load(offsetArch), skipUnless(unix.BPF_JEQ, auditArch, 1), skip(1), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offsetNumber),
	}
	for _, n := range computing {
		p = append(p, skipUnless(unix.BPF_JEQ, uint32(n), 1), allow)
	}
	for _, n := range refused {
		p = append(p, skipUnless(unix.BPF_JEQ, uint32(n), 1), eperm)
	}
	for _, c := range conditions(pid) {
		check := c.check(allow, eperm)
		p = append(p, skipUnless(unix.BPF_JEQ, uint32(c.call), uint8(len(check))))
		p = append(p, check...)
	}
	return append(p, enosys)
}

// check is the part of the program for the condition's call; it always answers.
func (c condition) check(allow, eperm unix.SockFilter) []unix.SockFilter {
	p := []unix.SockFilter{load(offsetArg0 + 8*c.argument)}
	if c.without != 0 {
		return append(p, skipUnless(unix.BPF_JSET, c.without, 1), eperm, allow)
	}
	if c.with != 0 {
		return append(p, skipUnless(unix.BPF_JSET, c.with, 1), allow, eperm)
	}
	for _, v := range c.among {
		p = append(p, skipUnless(unix.BPF_JEQ, v, 1), allow)
	}
	return append(p, eperm)
}
