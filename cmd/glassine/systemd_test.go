package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// managerSocket is a service manager's end of a socket.
func managerSocket(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func heard(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestTheServiceManagerIsTold(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@glassine-test-" + strconv.Itoa(os.Getpid())} {
		manager := managerSocket(t, name)
		ctx, stop := context.WithCancel(t.Context())
		hangups, ended := make(chan os.Signal), make(chan struct{})
		order := make(chan string, 1)
		go func() {
			defer close(ended)
			notifier{name}.watch(ctx, hangups, func() { order <- "reload" }, slog.New(slog.NewTextHandler(io.Discard, nil)))
		}()
		if got := heard(t, manager); got != "READY=1" {
			t.Errorf("first heard %q, want READY=1", got)
		}
		var before unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
			t.Fatal(err)
		}
		hangups <- syscall.SIGHUP
		var micros int64
		if _, err := fmt.Sscanf(heard(t, manager), "RELOADING=1\nMONOTONIC_USEC=%d", &micros); err != nil || micros < before.Nano()/1000 || micros > before.Nano()/1000+10e6 {
			t.Errorf("a reload is told with the time %d, %v; want one right after %d", micros, err, before.Nano()/1000)
		}
		if got := <-order; got != "reload" {
			t.Error("no reload")
		}
		if got := heard(t, manager); got != "READY=1" {
			t.Errorf("after the reload %q, want READY=1", got)
		}
		stop()
		if got := heard(t, manager); got != "STOPPING=1" {
			t.Errorf("at the end %q, want STOPPING=1", got)
		}
		<-ended
	}
	if err := (notifier{}).tell("READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	if err := (notifier{filepath.Join(t.TempDir(), "nobody")}).tell("READY=1"); err == nil {
		t.Error("a socket that nobody has is told without an error")
	}
}

// Sockets as systemd passes them: descriptors in a row, with names.
func TestSocketsAreInherited(t *testing.T) {
	const first = 400 // that no test has
	tcp := func(t *testing.T) *net.TCPListener {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	pass := func(t *testing.T, at int, f func() (*os.File, error)) {
		file, err := f()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := syscall.Dup3(int(file.Fd()), at, 0); err != nil {
			t.Fatal(err)
		}
	}
	env := func(names string, n int) func(string) string {
		return func(name string) string {
			return map[string]string{"LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDS": strconv.Itoa(n), "LISTEN_FDNAMES": names}[name]
		}
	}
	t.Run("two listeners and a datagram socket", func(t *testing.T) {
		https, admin := tcp(t), tcp(t)
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		pass(t, first, https.File)
		pass(t, first+1, admin.File)
		pass(t, first+2, udp.File)
		in, err := inherit(env("https:admin:http3", 3), first)
		if err != nil {
			t.Fatal(err)
		}
		defer in.http3.Close()
		for name, want := range map[string]net.Listener{"https": https, "admin": admin} {
			got := in.listeners[name]
			if got == nil || got.Addr().String() != want.Addr().String() {
				t.Errorf("%s is at %v, want %v", name, got, want.Addr())
				continue
			}
			defer got.Close()
		}
		if got := in.http3.LocalAddr().String(); got != udp.LocalAddr().String() {
			t.Errorf("http3 is at %s, want %s", got, udp.LocalAddr())
		}
		if len(in.listeners) != 2 {
			t.Errorf("listeners %v, want two", in.listeners)
		}
	})
	for _, tt := range []struct{ name, names, want string }{
		{"a name that is none of ours", "glassine.socket", "FileDescriptorName= is none of aws, http, https, admin, http3"},
		{"one name twice", "http:http", "two of that name"},
		{"fewer names than sockets", "http:https:aws", "set FileDescriptorName= in each socket unit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pass(t, first, tcp(t).File)
			pass(t, first+1, tcp(t).File)
			defer syscall.Close(first + 1)
			n := strings.Count(tt.names, ":") + 1
			if n > 2 {
				n = 2
			}
			in, err := inherit(env(tt.names, n), first)
			for _, l := range in.listeners {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("sockets of another process", func(t *testing.T) {
		in, err := inherit(func(name string) string {
			return map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}[name]
		}, first)
		if err != nil || len(in.listeners) != 0 {
			t.Errorf("%v, %v; want nothing", in, err)
		}
	})
}
