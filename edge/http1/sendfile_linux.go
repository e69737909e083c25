package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// sendFileTo is sendFile on plaintext. The header waits in the kernel for the first bytes of the body (send(2), MSG_MORE), so that
// both leave in one segment.
func (c *conn) sendFileTo(tcp *net.TCPConn, first []byte, f *os.File, offset, n int64) (sent int64, err error) {
	to, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	from, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := c.pace(); err != nil {
		return 0, err
	}
	more := 0
	if n > 0 {
		more = syscall.MSG_MORE
	}
	if err := writing(to, func(fd int) (bool, error) {
		m, err := syscall.SendmsgN(fd, first, nil, nil, more|syscall.MSG_NOSIGNAL)
		first = first[max(0, m):]
		return len(first) == 0, err
	}); err != nil {
		return 0, err
	}
	// The file stays open while Control runs.
	var failure error
	err = from.Control(func(src uintptr) {
		for sent < n && failure == nil {
			if failure = c.pace(); failure != nil {
				return
			}
			end := min(n, sent+piece)
			failure = writing(to, func(fd int) (bool, error) {
				at := offset + sent
				m, err := syscall.Sendfile(fd, int(src), &at, int(end-sent))
				if m == 0 && err == nil {
					return false, io.ErrUnexpectedEOF
				}
				sent += int64(max(0, m))
				return sent == end, err
			})
		}
	})
	return sent, errors.Join(err, failure)
}

// writing calls f with the connection's descriptor until it says that it is done or fails; when the connection takes nothing more,
// it waits until it does, or its deadline passes.
func writing(to syscall.RawConn, f func(fd int) (done bool, err error)) error {
	var failure error
	err := to.Write(func(fd uintptr) bool {
		for {
			done, err := f(int(fd))
			switch {
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				return false
			case err != nil:
				failure = err
				return true
			case done:
				return true
			}
		}
	})
	return errors.Join(err, failure)
}
