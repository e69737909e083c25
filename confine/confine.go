// Package confine holds a child process: what it can see, reach, use up, and how all of it ends. On Linux it puts the child
// into namespaces of its own, under a root of its own, behind Landlock and seccomp, with limits; where the machine refuses
// that, it does less and says so. It knows nothing of functions or of AWS: what the child runs and finds is its caller's.
//
// A child is started by running this program again, so the program that uses this package calls Main first thing:
//
//	func main() {
//		if confine.Main() {
//			return
//		}
//		...
//	}
//
// Start at Spawner.Start; Probe tells which Level a machine gives. A child that is this program itself (Spec.Self) gives up
// more once it has loaded what it needs: Harden.
package confine

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// Level is how firmly a child is held.
type Level string

const (
	// Strict is a child in its own user, mount, process, network, IPC and UTS namespaces, under a root that holds only what
	// Spec lists, without capabilities, behind Landlock and seccomp. Nothing of it outlives Kill.
	Strict Level = "strict"
	// Restricted is a child under the machine's root and network, behind Landlock (files, TCP ports) and seccomp, with
	// resource limits. A keeper process ends it with its descendants.
	Restricted Level = "restricted"
	// Process is a process of its own with resource limits, and nothing else between it and what its user may do.
	Process Level = "process"
)

// Levels are all levels, the firmest first.
var Levels = []Level{Strict, Restricted, Process}

// LogFD is the file descriptor of Child.Log inside the child.
const LogFD = 4

// ChannelFD is the file descriptor of Child.Channel inside the child.
const ChannelFD = 5

// ID is the user and group that a child is inside its namespaces at level Strict.
const ID = 993

// Spec is a child to start.
type Spec struct {
	Level Level
	Args  []string // the program's path and its arguments
	Env   []string // all of it: nothing is inherited
	Dir   string   // working directory
	// Self runs this very program, whatever has become of its file meanwhile: Args[0] is then no path. A program that is
	// linked to libraries needs them in Binds or Read like any other.
	Self bool
	// Channel connects the child to Child.Channel by a stream socket, at ChannelFD.
	Channel bool

	// The following shape the new root at level Strict. Paths are absolute. Directories come to be as needed.
	Binds []Bind            // files and directories of the machine
	Links map[string]string // symbolic links: path to target
	Files map[string]string // small read-only files: path to content
	TmpMB int               // size of /tmp, a memory file system of the child's own; counts as the child's memory

	// Listen opens sockets on the child's own loopback interface, as "tcp:127.0.0.1:443" or "udp:127.0.0.1:53". They come
	// back as Child.Sockets; who serves them is outside. Level Strict only: below it the network is the machine's.
	Listen []string

	// What Landlock grants at level Restricted; at Strict the root says it. A path that does not exist is an error.
	Read, Write []string // beneath these paths: read and execute; all
	Ports       []uint16 // the TCP ports that may be connected to, on any address

	Limits Limits
}

// Bind is a file or directory of the machine in the child's root, read-only, with no set-user-id programs and no devices.
type Bind struct {
	From, To string
	// Device keeps a device file usable, and writable.
	Device bool
	// Optional leaves the bind out when From does not exist.
	Optional bool
}

// Limits bound what a child uses up. Zero fields set no limit. Core dumps are always off.
type Limits struct {
	// MemoryMB is the most memory, all processes together, page cache and /tmp included, before the kernel ends the child.
	// It takes a control group, and has no effect where Child.Control is empty.
	MemoryMB int
	// DataMB is the most private writable memory of one process (RLIMIT_DATA): allocation fails beyond it. It is the
	// backstop where there is no control group, and is not set where there is one.
	DataMB int
	// Processes is the most processes and threads together. Below level Strict it counts what else the user runs, and it
	// does not hold root.
	Processes int
	Files     int // open files of one process
	FileMB    int // the size of one file that is written
	// CPUSeconds is the processor time that one process may use in its life before the kernel ends it (RLIMIT_CPU).
	CPUSeconds int
}

// Exit is how a child ended.
type Exit struct {
	Code   int    // exit status; -1 when a signal ended it
	Signal string // the signal's name, such as "killed"; "" when none did
}

// String is as Lambda says it: "exit status 1", "signal: killed".
func (e Exit) String() string {
	if e.Signal != "" {
		return "signal: " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// ErrNoMain says that the program does not call Main, so that it cannot be run anew as a child's first step.
var ErrNoMain = errors.New("this program does not call confine.Main (glassine.Main) first, so it can start no sandbox")

// mainCalled says that Main was called, and found that this process is no child's.
var mainCalled atomic.Bool

// ErrUnsupported says that this system cannot do it.
var ErrUnsupported = errors.New("not supported on this system")

// ProgramError is a child whose program could not be run: everything around it was there.
type ProgramError struct{ Reason string }

func (e *ProgramError) Error() string { return e.Reason }

// Child is a running child. Its methods are safe for many goroutines.
type Child struct {
	Sockets []*os.File // one for each of Spec.Listen, in order; whoever takes one closes it
	Output  *os.File   // reads what the child writes to standard output and standard error
	Log     *os.File   // reads what the child writes to LogFD
	Channel *os.File   // the other end of the child's ChannelFD, with deadlines; nil without Spec.Channel; its taker closes it
	Control string     // the kind of control group: "cgroup v2", "cgroup v1", or "" for none

	impl  child
	ended chan struct{} // closed when the child and all its descendants are gone
	exit  Exit          // set before ended is closed
}

// Done is closed when the child and all its descendants are gone.
func (c *Child) Done() <-chan struct{} { return c.ended }

// Wait waits for the end of the child and says how it ended.
func (c *Child) Wait() Exit {
	<-c.ended
	return c.exit
}

// Kill ends the child and all its descendants. It does not wait; Wait does.
func (c *Child) Kill() { c.impl.kill() }

// Memory returns the memory that the child's processes hold for themselves, without page cache and files in /tmp, in bytes.
// It is 0 when the child is gone.
func (c *Child) Memory() int64 { return c.impl.memory() }

// Close ends the child, waits, and closes its output. Sockets and the channel are their takers'.
func (c *Child) Close() {
	c.Kill()
	c.Wait()
	c.Output.Close()
	c.Log.Close()
}
