package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What a filter answers.
const (
	allows    = unix.SECCOMP_RET_ALLOW
	forbids   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	knowsNot  = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	endsIt    = uint32(unix.SECCOMP_RET_KILL_PROCESS)
	otherArch = auditArch ^ 1
)

// answer interprets a filter, as the kernel does, for a call in the architecture given. struct seccomp_data is made in network order, which is
// what the interpreter reads; the halves of an argument stay where they are on the machines we run on.
func answer(t *testing.T, program []unix.SockFilter, arch uint32, call uintptr, arguments ...uint64) uint32 {
	t.Helper()
	var code []bpf.Instruction
	for _, i := range program {
		code = append(code, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K}.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatalf("the kernel would refuse it: %v", err)
	}
	data := binary.BigEndian.AppendUint32(nil, uint32(call))
	data = binary.BigEndian.AppendUint32(data, arch)
	data = binary.BigEndian.AppendUint64(data, 0) // where the call was made
	for i := range 6 {
		var a uint64
		if i < len(arguments) {
			a = arguments[i]
		}
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	out, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(out)
}

// filterCase is a system call and what a filter is to answer.
type filterCase struct {
	name      string
	arch      uint32
	call      uintptr
	arguments []uint64
	want      uint32
}

func wantAnswers(t *testing.T, program []unix.SockFilter, cases []filterCase) {
	t.Helper()
	for _, c := range cases {
		if got := answer(t, program, c.arch, c.call, c.arguments...); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

// The numbers of calls differ by architecture. This runs wherever the tests are built for, by an interpreter where the kernel is another's:
// GOARCH=arm64 go test -exec qemu-aarch64-static -run ^TestFilter ./confine.
func TestFilterOfFunctions(t *testing.T) {
	program := filter()
	wantAnswers(t, program, []filterCase{
		{"a call of another architecture", otherArch, unix.SYS_GETPID, nil, endsIt},
		{"a harmless call", auditArch, unix.SYS_GETPID, nil, allows},
		{"a call by x32's numbers", auditArch, 0x40000000 + 39, nil, knowsNot},
		{"mounting", auditArch, unix.SYS_MOUNT, nil, forbids},
		{"the last that is denied", auditArch, denied[len(denied)-1], nil, forbids},
		{"clone3", auditArch, unix.SYS_CLONE3, nil, knowsNot},
		{"io_uring", auditArch, unix.SYS_IO_URING_SETUP, nil, knowsNot},
		{"a thread", auditArch, unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, allows},
		{"a process in a user namespace", auditArch, unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, forbids},
		{"typing into a terminal", auditArch, unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, forbids},
		{"asking a terminal", auditArch, unix.SYS_IOCTL, []uint64{0, unix.TCGETS}, allows},
		{"a socket of TCP", auditArch, unix.SYS_SOCKET, []uint64{unix.AF_INET}, allows},
		{"a socket of the hypervisor's", auditArch, unix.SYS_SOCKET, []uint64{unix.AF_VSOCK}, forbids},
	})
	for _, n := range denied {
		if got := answer(t, program, auditArch, n); got != forbids {
			t.Errorf("the call %d: %#x, want %#x", n, got, forbids)
		}
	}
}

func TestFilterOfWorkers(t *testing.T) {
	const self, other = 77, 78
	program := hardFilter(self)
	wantAnswers(t, program, []filterCase{
		{"a call of another architecture", otherArch, unix.SYS_READ, nil, endsIt},
		{"reading", auditArch, unix.SYS_READ, nil, allows},
		{"waiting", auditArch, unix.SYS_PPOLL, nil, allows},
		{"a program", auditArch, unix.SYS_EXECVE, nil, forbids},
		{"a socket", auditArch, unix.SYS_SOCKET, nil, forbids},
		{"a call that is not listed", auditArch, unix.SYS_MOUNT, nil, knowsNot},
		{"a file to read", auditArch, unix.SYS_OPENAT, []uint64{0, 0, unix.O_RDONLY | unix.O_CLOEXEC}, allows},
		{"a directory to read", auditArch, unix.SYS_OPENAT, []uint64{0, 0, unix.O_RDONLY | unix.O_DIRECTORY}, allows},
		{"a file to write", auditArch, unix.SYS_OPENAT, []uint64{0, 0, unix.O_WRONLY}, forbids},
		{"a file without a name", auditArch, unix.SYS_OPENAT, []uint64{0, 0, unix.O_TMPFILE | unix.O_RDWR}, forbids},
		{"memory", auditArch, unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, allows},
		{"memory that is code", auditArch, unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, forbids},
		{"making code of memory", auditArch, unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_EXEC}, forbids},
		{"a thread", auditArch, unix.SYS_CLONE, []uint64{unix.CLONE_THREAD}, allows},
		{"a process", auditArch, unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, forbids},
		{"a signal to itself", auditArch, unix.SYS_TGKILL, []uint64{self}, allows},
		{"a signal to another", auditArch, unix.SYS_TGKILL, []uint64{other}, forbids},
		{"naming a thread", auditArch, unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, allows},
		{"another filter", auditArch, unix.SYS_PRCTL, []uint64{unix.PR_SET_SECCOMP}, forbids},
	})
	for _, n := range computing {
		if got := answer(t, program, auditArch, n); got != allows {
			t.Errorf("the call %d: %#x, want %#x", n, got, allows)
		}
	}
	for _, n := range refused {
		if got := answer(t, program, auditArch, n); got != forbids {
			t.Errorf("the call %d: %#x, want %#x", n, got, forbids)
		}
	}
}
