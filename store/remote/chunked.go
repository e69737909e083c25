package remote

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// chunked frames a body as aws-chunked with a trailing checksum:
//
//	10000 CRLF 65536 bytes CRLF ... 0 CRLF x-amz-checksum-crc64nvme:VALUE CRLF CRLF
//
// After a failure of the body, or of accept, it gives that error in place of what is left, so that the request's body stays
// shorter than was announced. (S3 API Reference, "Signature calculations for ... trailing headers", the unsigned kind.)
type chunked struct {
	in      io.Reader
	size    int64 // bytes of in
	length  int64 // bytes that Read gives in all
	trailer string
	accept  func(digest) error

	mu      sync.Mutex // guards what follows: the transport may read a little longer than the request lasts
	hashing *hashing
	frame   [frameSize]byte
	buffer  []byte // that ready lies in
	ready   []byte // framed bytes that wait to be read
	touched bool   // something was read
	eof     bool   // in has ended
	ended   bool   // the last frame is in ready, or was read
	err     error
}

// errStopped is what a body gives whose request is over.
var errStopped = errors.New("the request is over")

func newChunked(in io.Reader, size int64, trailer string, h *hashing, accept func(digest) error) *chunked {
	c := &chunked{in: in, size: size, trailer: trailer, hashing: h, accept: accept}
	frame := func(n int64) int64 { return int64(len(strconv.FormatInt(n, 16))) + 2 + n + 2 } // CRLF twice
	c.length = size/frameSize*frame(frameSize) + int64(len(c.last(h.digest().checksum.Value)))
	if rest := size % frameSize; rest > 0 {
		c.length += frame(rest)
	}
	return c
}

// last is the last frame.
func (c *chunked) last(checksum string) string {
	return "0\r\n" + c.trailer + ":" + checksum + "\r\n\r\n"
}

func (c *chunked) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.touched = true
	for len(c.ready) == 0 {
		if c.err == nil && !c.ended {
			c.err = c.next()
		}
		if c.err != nil {
			return 0, c.err
		}
		if c.ended && len(c.ready) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// next frames what comes next.
func (c *chunked) next() error {
	want := int(min(c.size-c.hashing.size, frameSize))
	if want == 0 {
		return c.finish()
	}
	n, err := c.fill(c.frame[:want])
	if err != nil {
		return err
	}
	if n < want {
		return fmt.Errorf("the body has %d bytes where %d were announced", c.hashing.size+int64(n), c.size)
	}
	_, _ = c.hashing.Write(c.frame[:n]) // it never fails
	c.buffer = append(strconv.AppendInt(c.buffer[:0], int64(n), 16), "\r\n"...)
	c.buffer = append(append(c.buffer, c.frame[:n]...), "\r\n"...)
	c.ready = c.buffer
	return nil
}

// fill reads until p is full or the body has ended.
func (c *chunked) fill(p []byte) (n int, err error) {
	for n < len(p) && !c.eof {
		m, err := c.in.Read(p[n:])
		n += m
		if err == io.EOF {
			c.eof = true
		} else if err != nil {
			return n, err
		}
	}
	return n, nil
}

// finish reads the body's end and frames the checksum.
func (c *chunked) finish() error {
	var one [1]byte
	n, err := c.fill(one[:])
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("the body has more than the %d bytes that were announced", c.size)
	}
	d := c.hashing.digest()
	if c.accept != nil {
		if err := c.accept(d); err != nil {
			return err
		}
	}
	c.ready, c.ended = []byte(c.last(d.checksum.Value)), true
	return nil
}

// Seek lets the SDK ask how long a body is, and send one again that was not touched. It moves nothing.
func (c *chunked) Seek(offset int64, whence int) (int64, error) {
	switch {
	case offset != 0 || c.wasTouched():
		return 0, errors.New("a body that streams cannot be sent twice")
	case whence == io.SeekEnd:
		return c.length, nil
	}
	return 0, nil
}

func (c *chunked) wasTouched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.touched
}

// stop waits for a Read under way, lets no other touch the body, and says how it stands: ended well, failed, or neither.
func (c *chunked) stop() (ended bool, failed error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended, failed = c.ended, c.err
	c.ready, c.err = nil, errStopped
	return ended, failed
}

// untouchedRetryer sends a request again only when its body was not touched.
type untouchedRetryer struct {
	aws.Retryer
	body *chunked
}

// IsErrorRetryable implements aws.Retryer.
func (r untouchedRetryer) IsErrorRetryable(err error) bool {
	return !r.body.wasTouched() && r.Retryer.IsErrorRetryable(err)
}
