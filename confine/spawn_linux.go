package confine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spawner starts children, each of which dies with it. Safe for many goroutines.
type Spawner struct {
	requests chan func()
	closing  chan struct{}
	once     sync.Once
	ended    chan struct{}
	groups   *hierarchy
	groupErr error // why there are no control groups

	mu   sync.Mutex // guards live
	live map[*Child]struct{}
}

// NewSpawner starts the thread that all children are forked from. The kernel ends a child when the thread that forked it
// ends, so one thread stays for all of them.
func NewSpawner() *Spawner {
	s := &Spawner{requests: make(chan func()), closing: make(chan struct{}), ended: make(chan struct{}), live: map[*Child]struct{}{}}
	s.groups, s.groupErr = findHierarchy()
	locked := make(chan struct{})
	go s.run(locked)
	<-locked
	return s
}

func (s *Spawner) run(locked chan struct{}) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	if unix.Gettid() == unix.Getpid() {
		// But for the first thread, which the runtime keeps. While this goroutine has it, another gets another.
		elsewhere := make(chan struct{})
		go s.run(elsewhere)
		<-elsewhere
		runtime.UnlockOSThread()
		close(locked)
		return
	}
	defer close(s.ended)
	close(locked)
	for {
		select {
		case f := <-s.requests:
			f()
		case <-s.closing:
			return
		}
	}
}

// Close ends the children that are left.
func (s *Spawner) Close() error {
	s.once.Do(func() { close(s.closing) })
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.Kill()
	}
	return nil
}

// hold remembers a child until it has ended.
func (s *Spawner) hold(c *Child) {
	s.mu.Lock()
	s.live[c] = struct{}{}
	s.mu.Unlock()
	go func() {
		c.wait()
		s.mu.Lock()
		delete(s.live, c)
		s.mu.Unlock()
	}()
}

// startTime is the most time from the fork to the program's first instruction.
const startTime = 10 * time.Second

// firstID is where the machine's ids of children begin, when root starts them: in the range that containers use.
// (systemd, "Users, Groups, UIDs and GIDs on systemd Systems".) Each child gets another.
const firstID = 1_878_900_000

var children atomic.Uint32

// Start starts a child and returns when its program runs. The error says which step failed; nothing then runs. When ctx
// ends before, so does the child.
func (s *Spawner) Start(ctx context.Context, spec Spec) (*Child, error) {
	return s.start(ctx, order{Spec: spec})
}

func (s *Spawner) start(ctx context.Context, o order) (*Child, error) {
	if !mainCalled.Load() {
		return nil, ErrNoMain // run anew, this program would do all that it does
	}
	var hostID int
	if o.Spec.Level == Strict {
		hostID = os.Geteuid()
		if o.Wide = hostID == 0 && mapsAllIDs(); o.Wide {
			hostID = firstID + int(children.Add(1)%65536)
		}
	}
	group, groupErr := s.groups.group(o.Spec.Limits)
	if groupErr == nil {
		o.Spec.Limits.DataMB = 0
	}
	text, err := json.Marshal(o)
	if err == nil && len(text) > maxMessage {
		err = fmt.Errorf("the child's description has %d bytes, more than %d", len(text), maxMessage)
	}
	if err != nil {
		group.remove()
		return nil, err
	}
	f, err := s.fork(ctx, o, hostID)
	if err != nil {
		group.remove()
		return nil, fmt.Errorf("start child: %w", err)
	}
	c := &Child{Output: f.output, Log: f.log, Channel: f.channel, ended: make(chan struct{})}
	c.impl = child{process: f.process, control: f.control, group: group, strict: o.Spec.Level == Strict}
	if groupErr == nil {
		c.Control = group.kind
	}
	err = c.order(ctx, text, len(o.Spec.Listen))
	s.hold(c)
	if err != nil {
		c.Close()
		for _, socket := range append(c.Sockets, c.Channel) {
			socket.Close() // without a channel it is nil, and says so
		}
		return nil, err
	}
	return c, nil
}

// forked is a process and the parent's ends of what leads to it.
type forked struct {
	process     *os.Process
	control     *os.File
	output, log *os.File
	channel     *os.File // nil without Spec.Channel
}

func (f forked) close() {
	for _, end := range []*os.File{f.control, f.output, f.log, f.channel} {
		end.Close() // one that was not opened is nil, and says so
	}
}

// fork runs this program again on the spawner's thread.
func (s *Spawner) fork(ctx context.Context, o order, hostID int) (forked, error) {
	f, theirs, err := connect(o.Spec)
	if err == nil {
		attr := &os.ProcAttr{Dir: "/", Env: []string{}, Files: theirs, Sys: attributes(o, hostID)}
		f.process, err = s.onThread(ctx, attr)
	}
	for _, end := range theirs {
		end.Close() // the child has it
	}
	if err != nil {
		f.close()
		return forked{}, err
	}
	return f, nil
}

// connect opens what leads to a child: the parent's ends, and the child's in the order of its descriptors, as far as it
// came before an error.
func connect(spec Spec) (f forked, theirs []*os.File, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return f, nil, err
	}
	theirs = append(theirs, null)
	output, theirOutput, err := pipe()
	if err != nil {
		return f, theirs, err
	}
	f.output, theirs = output, append(theirs, theirOutput, theirOutput)
	control, theirControl, err := pair(unix.SOCK_SEQPACKET)
	if err != nil {
		return f, theirs, err
	}
	f.control, theirs = control, append(theirs, theirControl)
	logs, theirLog, err := pipe()
	if err != nil {
		return f, theirs, err
	}
	f.log, theirs = logs, append(theirs, theirLog)
	if spec.Channel {
		channel, theirChannel, err := pair(unix.SOCK_STREAM)
		if err != nil {
			return f, theirs, err
		}
		f.channel, theirs = channel, append(theirs, theirChannel)
	}
	return f, theirs, nil
}

// pair is a connected pair of sockets. Ours alone is non-blocking, so that the runtime's poller waits and deadlines hold.
func pair(kind int) (ours, theirs *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	_ = unix.SetNonblock(p[0], true) // fails only for a bad descriptor
	return os.NewFile(uintptr(p[0]), "socket"), os.NewFile(uintptr(p[1]), "socket"), nil
}

func (s *Spawner) onThread(ctx context.Context, attr *os.ProcAttr) (*os.Process, error) {
	type started struct {
		process *os.Process
		err     error
	}
	result := make(chan started, 1)
	request := func() {
		p, err := os.StartProcess("/proc/self/exe", []string{initName}, attr)
		result <- started{p, err}
	}
	select {
	case s.requests <- request:
		r := <-result
		return r.process, r.err
	case <-s.closing:
		return nil, errors.New("the spawner is closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipe is a pipe whose end for us is polled and whose end for the child blocks.
func pipe() (ours, theirs *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	_ = unix.SetNonblock(p[0], true) // fails only for a bad descriptor
	return os.NewFile(uintptr(p[0]), "pipe"), os.NewFile(uintptr(p[1]), "pipe"), nil
}

// attributes are the namespaces and identities. Below level Strict there are none, and the keeper, which must outlive a
// parent for a moment to end what it holds, gets no death signal.
func attributes(o order, hostID int) *syscall.SysProcAttr {
	if o.Spec.Level != Strict {
		return &syscall.SysProcAttr{Setpgid: true}
	}
	a := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Setpgid:    true, Pdeathsig: unix.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: ID, HostID: hostID, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: ID, HostID: hostID, Size: 1}},
	}
	if o.Wide {
		root := syscall.SysProcIDMap{ContainerID: 0, HostID: 0, Size: 1}
		a.UidMappings = append(a.UidMappings, root)
		a.GidMappings = append(a.GidMappings, root)
		a.GidMappingsEnableSetgroups = true
		return a
	}
	a.GidMappings[0].HostID = os.Getegid()
	// A user that is not 0 inside keeps capabilities of its own namespace over the exec only as ambient ones.
	a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT}
	return a
}

// order tells the first step what to do, takes its sockets, and waits until it runs the program.
func (c *Child) order(ctx context.Context, text []byte, sockets int) error {
	control := c.impl.control
	stop := context.AfterFunc(ctx, func() { _ = control.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = control.SetReadDeadline(time.Now().Add(startTime)) // a socket takes deadlines
	err := c.exchange(text, sockets)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *Child) exchange(text []byte, sockets int) error {
	control := c.impl.control
	if _, err := control.Write(text); err != nil {
		return fmt.Errorf("start child: %w", err)
	}
	joined := make(chan error, 1) // joining takes the kernel some milliseconds, in which the child makes its root
	go func() { joined <- c.impl.group.add(c.impl.process.Pid) }()
	m, files, err := receive(control)
	c.Sockets = files
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("start child: its first step ended without a word")
	case err == nil && m.Error != "":
		err = fmt.Errorf("start child: %s", m.Error)
	case err == nil && len(files) != sockets:
		err = fmt.Errorf("start child: got %d sockets, want %d", len(files), sockets)
	}
	if joinErr := <-joined; err == nil && joinErr != nil {
		err = fmt.Errorf("start child: join control group: %w", joinErr)
	}
	if err != nil {
		return err
	}
	if _, err := control.Write([]byte{1}); err != nil {
		return fmt.Errorf("start child: %w", err)
	}
	m, _, err = receive(control)
	switch {
	case c.impl.strict && errors.Is(err, io.EOF):
		return nil // closed by the exec
	case err != nil:
		return fmt.Errorf("start child: %w", err)
	case m.Program:
		return &ProgramError{m.Error}
	case m.Error != "":
		return fmt.Errorf("start child: %s", m.Error)
	}
	return control.SetReadDeadline(time.Time{})
}

// receive reads one message and the descriptors with it; io.EOF is the other side's end.
func receive(control *os.File) (message, []*os.File, error) {
	raw, err := control.SyscallConn()
	if err != nil {
		return message{}, nil, err
	}
	buf, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*16))
	var n, oobn int
	readErr := raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC)
		return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	if err = errors.Join(readErr, err); err != nil {
		return message{}, nil, err
	}
	if n == 0 && oobn == 0 {
		return message{}, nil, io.EOF
	}
	files, err := descriptors(oob[:oobn])
	if err != nil {
		return message{}, nil, err
	}
	var m message
	return m, files, json.Unmarshal(buf[:n], &m)
}

func descriptors(oob []byte) ([]*os.File, error) {
	controls, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, c := range controls {
		fds, err := unix.ParseUnixRights(&c)
		if err != nil {
			continue // not descriptors
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "socket"))
		}
	}
	return files, nil
}
