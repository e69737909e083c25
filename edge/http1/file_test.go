package http1

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// files is a Responder that answers /file/<offset>/<length> from a file, or from memory.
type files struct {
	file *os.File
	body []byte
	fail chan error // of the last WriteFile
}

func newFiles(t testing.TB, size int) *files {
	body := make([]byte, 0, size+8)
	for i := 0; len(body) < size; i++ {
		body = fmt.Appendf(body, "%07d\n", i)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "body"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(body[:size]); err != nil {
		t.Fatal(err)
	}
	return &files{file: f, body: body[:size], fail: make(chan error, 100)}
}

func (s *files) Answer(r *Request) bool {
	var what string
	var offset, n int64
	if _, err := fmt.Sscanf(r.Target, "/%4s/%d/%d", &what, &offset, &n); err != nil {
		return false
	}
	head := []byte("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.FormatInt(n, 10) + "\r\n")
	if what == "body" {
		_, err := r.Write(head, s.body[offset:offset+n])
		s.fail <- err
		return true
	}
	sent, err := r.WriteFile(head, s.file, offset, n)
	if err == nil && sent != n {
		err = fmt.Errorf("%d bytes of %d were sent", sent, n)
	}
	s.fail <- err
	return true
}

func TestRunsOfAFileAreSentWithOneConnection(t *testing.T) {
	s := newFiles(t, 3<<20+17)
	size := int64(len(s.body))
	for _, secure := range []bool{false, true} {
		at := serveSocket(t, s, nil, secure)
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for _, run := range [][2]int64{{0, size}, {0, 0}, {1, 1}, {fileChunk - 1, 2}, {piece - 1, 2 * piece}, {size - 1, 1}, {5, size - 5}} {
			for _, from := range []string{"file", "body"} {
				if _, err := fmt.Fprintf(conn, "GET /%s/%d/%d HTTP/1.1\r\nHost: a\r\n\r\n", from, run[0], run[1]); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || !bytes.Equal(got, s.body[run[0]:run[0]+run[1]]) {
					t.Errorf("TLS %v, %s: %d bytes from %d: %d bytes came, %v", secure, from, run[1], run[0], len(got), err)
				}
				if err := <-s.fail; err != nil {
					t.Errorf("TLS %v, %s: %d bytes from %d: %v", secure, from, run[1], run[0], err)
				}
			}
		}
	}
	if at, err := s.file.Seek(0, io.SeekCurrent); err != nil || at != size {
		t.Errorf("the file is at %d, %v; want it where it was, at %d", at, err, size)
	}
}

func TestFileThatEndsTooEarlyEndsTheConnection(t *testing.T) {
	s := newFiles(t, 100<<10)
	for _, secure := range []bool{false, true} {
		at := serveSocket(t, s, nil, secure)
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if secure {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /file/0/200000 HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("TLS %v: %d bytes came and the answer ended well", secure, len(got))
		}
		if err := <-s.fail; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("TLS %v: WriteFile = %v, want an unexpected EOF", secure, err)
		}
	}
}

// A viewer that takes nothing is let go after StallTimeout, or twice that; one that takes a piece now and then is not.
func TestStalledViewerIsLetGo(t *testing.T) {
	files := newFiles(t, 2<<20)
	for _, from := range []string{"file", "body"} {
		inBubble(t, files, nil, func(t *testing.T, rg *rig) {
			rg.StallTimeout = time.Minute
			ask := fmt.Sprintf("GET /%s/0/%d HTTP/1.1\r\nHost: a\r\n\r\n", from, len(files.body))
			stalled, slow := rg.dial(), rg.dial()
			defer stalled.Close()
			defer slow.Close()
			for _, conn := range []net.Conn{stalled, slow} {
				if _, err := io.WriteString(conn, ask); err != nil {
					t.Fatal(err)
				}
			}
			begun := time.Now()
			synctest.Wait()
			r := bufio.NewReaderSize(slow, 64<<10)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			for err == nil {
				time.Sleep(10 * time.Second)
				_, err = io.CopyN(&got, resp.Body, 64<<10)
			}
			if !bytes.Equal(got.Bytes(), files.body) {
				t.Errorf("%s: who reads 64 KiB each 10 s got %d bytes of %d, %v", from, got.Len(), len(files.body), err)
			}
			if took := time.Since(begun); took < 5*time.Minute {
				t.Errorf("%s: it took %v, which says nothing", from, took)
			}
			rg.Server.mu.Lock()
			n := len(rg.Server.conns)
			rg.Server.mu.Unlock()
			want(t, n, 1, from+": connections left")
			var failures []error
			for len(files.fail) > 0 {
				if err := <-files.fail; err != nil {
					failures = append(failures, err)
				}
			}
			if len(failures) != 1 || !errors.Is(failures[0], os.ErrDeadlineExceeded) {
				t.Errorf("%s: failures %v, want one deadline", from, failures)
			}
		})
	}
}

// The loop's deadline is not net/http's, nor a handler's the loop's.
func TestDeadlinesOfWritesEndWithTheirAnswers(t *testing.T) {
	files := newFiles(t, 10)
	inBubble(t, files, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deadline" {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		} else {
			select {
			case <-time.After(10 * time.Minute):
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, "late")
	}, func(t *testing.T, rg *rig) {
		rg.StallTimeout = time.Minute
		c := rg.connect()
		defer c.Close()
		want(t, bodies(c.say("GET /body/0/9 HTTP/1.1\r\nHost: a\r\n\r\n")), "0000000\n0", "a hit")
		c.say(get("/slow"))
		time.Sleep(10*time.Minute + time.Second)
		want(t, bodies(c.take()), "late", "an answer of net/http after 10 minutes")
		want(t, bodies(c.say(get("/deadline"))), "late", "a handler with a deadline")
		time.Sleep(30 * time.Second)
		rg.StallTimeout = 0
		want(t, bodies(c.say("GET /body/0/9 HTTP/1.1\r\nHost: a\r\n\r\n")), "0000000\n0", "a hit behind the handler's deadline")
	})
}
