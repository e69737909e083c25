//go:build !linux

package http1

import (
	"net"
	"os"
)

func (c *conn) sendFileTo(_ *net.TCPConn, first []byte, f *os.File, offset, n int64) (int64, error) {
	return c.copyFile(first, f, offset, n)
}
