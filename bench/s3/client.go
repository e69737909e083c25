package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"glassine/aws/sigv4"
)

// request is the head of a signed request as it goes on the wire. Its body, if any, is not signed.
func (s *server) request(method, path string, body []byte) []byte {
	r, err := http.NewRequest(method, "http://"+s.address+path, nil)
	if err != nil {
		panic(err) // the paths are our own
	}
	hash := ""
	if body != nil {
		hash = sigv4.UnsignedPayload
	}
	sigv4.Sign(r, s.credentials, "us-east-1", "s3", hash, time.Now())
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, r.URL.RequestURI(), s.address)
	if method != http.MethodGet {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(body))
	}
	_ = r.Header.Write(&head) // a buffer does not fail
	head.WriteString("\r\n")
	return head.Bytes()
}

// connection is a bare client: it writes what it is given and reads the answer.
type connection struct {
	net.Conn
	r *bufio.Reader
}

func (s *server) dial() (*connection, error) {
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReaderSize(c, 64<<10)}, nil
}

// do sends a request and returns the body of its answer, which must be a success.
func (c *connection) do(head, body []byte) ([]byte, error) {
	buffers := net.Buffers{head, body}
	if _, err := buffers.WriteTo(c.Conn); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode/100 != 2 {
		line, _, _ := bytes.Cut(head, []byte("\r\n"))
		return nil, fmt.Errorf("%s: %d %s (%v)", line, resp.StatusCode, got, err) //nolint:errorlint // it may be nil
	}
	return got, nil
}

// makeBucket creates a bucket.
func (s *server) makeBucket(name string) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.do(s.request("PUT", "/"+name, nil), nil)
	return err
}
