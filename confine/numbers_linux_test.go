package confine

import "golang.org/x/sys/unix"

var deniedByName = map[string]uintptr{
	"ptrace": unix.SYS_PTRACE, "userfaultfd": unix.SYS_USERFAULTFD, "keyctl": unix.SYS_KEYCTL, "bpf": unix.SYS_BPF,
	"perf_event_open": unix.SYS_PERF_EVENT_OPEN, "unshare": unix.SYS_UNSHARE, "clone": unix.SYS_CLONE, "socket": unix.SYS_SOCKET,
}
