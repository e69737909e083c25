package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// idleBudget is how many bytes of the program's memory a connection may hold that waits for its next request: net/http's two
// buffers, a goroutine's stack with its frames, and the system's own, which counts elsewhere. Measured 2026-11-26: 17,354 and 21,690.
const idleBudget = 32 << 10

// 10,000 connections that were answered and wait for the next request cost the program a bounded memory each, and the next viewer
// nothing. The program is a process of its own: both ends in one would be 20,000 files.
func TestIdleConnectionsOfTheProgram(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max // the program raises its own, as every Go program does
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(10000, int(limit.Max)-1000)
	if n < 1000 {
		t.Fatalf("only %d files may be open: ulimit -Hn 12000", limit.Max)
	}
	origin := newVersioned(t, 1)
	data := t.TempDir()
	edgeInFrontOf(t, data, origin.Listener.Addr().String())
	p := serveEdge(t, data)
	ask := func(conn net.Conn) error {
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		if _, err := io.WriteString(conn, "GET /0 HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-13\r\n\r\n"); err != nil {
			return err
		}
		r := bufio.NewReader(conn)
		status, err := r.ReadString('\n')
		for line := status; err == nil && line != "\r\n"; {
			line, err = r.ReadString('\n')
		}
		body := make([]byte, 14)
		if err == nil {
			_, err = io.ReadFull(r, body)
		}
		if want := versionedBody(0, 0)[:14]; err == nil && (!strings.HasPrefix(status, "HTTP/1.1 206") || string(body) != string(want)) {
			err = fmt.Errorf("%q %q", status, body)
		}
		return err
	}
	answered := func() (net.Conn, error) {
		conn, err := net.Dial("tcp", p.http)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		return conn, ask(conn)
	}
	for range 10 {
		if _, err := answered(); err != nil {
			t.Fatal(err)
		}
	}
	before := residentOf(t, p.cmd.Process.Pid)
	idle := make([]net.Conn, n)
	const openers = 16 // so that the first are not closed for idleness, after a minute, before the last are there
	begun := time.Now()
	var opening sync.WaitGroup
	for o := range openers {
		opening.Go(func() {
			for i := o; i < n; i += openers {
				var err error
				if idle[i], err = answered(); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	if opening.Wait(); t.Failed() {
		return
	}
	each := (residentOf(t, p.cmd.Process.Pid) - before) / int64(n)
	t.Logf("%d idle connections, opened in %v, %d bytes each", n, time.Since(begun), each)
	if each > idleBudget {
		t.Errorf("an idle connection takes %d bytes, the budget is %d", each, idleBudget)
	}
	for i := range 20 {
		begun := time.Now()
		var err error
		if i%2 == 0 {
			_, err = answered()
		} else {
			err = ask(idle[n-1-i])
		}
		if err != nil {
			t.Errorf("beside %d idle connections: %v", n, err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("beside %d idle connections a hit took %v", n, took)
		}
	}
}

// residentOf is how many bytes of memory a process has.
func residentOf(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		t.Fatalf("VmRSS of %s: %v", b, err)
	}
	return n << 10
}
