package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// notifier tells a service manager how the process is: sd_notify(3). The zero value tells nobody.
type notifier struct{ socket string }

// tell sends what stands in NAME=VALUE form, in one datagram.
func (n notifier) tell(state ...string) error {
	if n.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"}) // a name with @ is abstract
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	_, err = conn.Write([]byte(strings.Join(state, "\n")))
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

// reloading is the state of a reload that begins now. systemd compares its time with that of the signal. (sd_notify(3),
// MONOTONIC_USEC.)
func reloading() []string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return []string{"RELOADING=1"}
	}
	return []string{"RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000)}
}

// inherited are sockets that the service manager has opened: sd_listen_fds(3).
type inherited struct {
	listeners map[string]net.Listener // by the name of their setting
	http3     net.PacketConn          // nil: none
}

// firstInherited is the descriptor of the first one. sd_listen_fds(3), SD_LISTEN_FDS_START.
const firstInherited = 3

// socketNames are the FileDescriptorName= that sockets may have.
var socketNames = []string{"aws", "http", "https", "admin"}

// inherit takes the sockets that are meant for this process, and their variables, which no child shall see.
func inherit(getenv func(string) string, first int) (in inherited, err error) {
	pid, fds, names := getenv("LISTEN_PID"), getenv("LISTEN_FDS"), strings.Split(getenv("LISTEN_FDNAMES"), ":")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // a name without = is no error
	}
	n, err := strconv.Atoi(fds)
	if fds == "" || pid != strconv.Itoa(os.Getpid()) {
		return in, nil
	}
	if err != nil || n < 0 || n != len(names) && n > 0 {
		return in, fmt.Errorf("LISTEN_FDS=%s sockets do not go with the names LISTEN_FDNAMES=%s: set FileDescriptorName= in each socket unit", fds, strings.Join(names, ":"))
	}
	in.listeners = map[string]net.Listener{}
	for i := range n {
		syscall.CloseOnExec(first + i)
		file := os.NewFile(uintptr(first+i), names[i])
		if err := in.take(names[i], file); err != nil {
			return in, fmt.Errorf("the socket %q of the service manager: %w", names[i], err)
		}
		if err := file.Close(); err != nil { // net has one of its own
			return in, err
		}
	}
	return in, nil
}

// take makes a listener of one socket.
func (in *inherited) take(name string, file *os.File) (err error) {
	if name == "http3" {
		in.http3, err = net.FilePacketConn(file)
		return err
	}
	for _, known := range socketNames {
		if name != known {
			continue
		}
		if in.listeners[name] != nil {
			return fmt.Errorf("there are two of that name; one address for each listener")
		}
		in.listeners[name], err = net.FileListener(file)
		return err
	}
	return fmt.Errorf("FileDescriptorName= is none of %s, http3", strings.Join(socketNames, ", "))
}
