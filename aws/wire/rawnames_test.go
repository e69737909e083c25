package wire

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// namesServer answers each request with the header names that it finds, sorted by nothing: one on a line, raw.
func namesServer(t testing.TB, handle func(*http.Request)) net.Addr {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { handle(NoteNames(r)) }))
	srv.Listener = namesListener{srv.Listener}
	srv.Config.ConnContext = WithNames
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr()
}

type namesListener struct{ net.Listener }

func (l namesListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &NamesConn{Conn: c}, nil
}

func TestNamesKeepTheirCase(t *testing.T) {
	var mu sync.Mutex
	var got []string
	addr := namesServer(t, func(r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %d", RawName(r, "Supersecrettoken"), RawName(r, "X-Amz-Content-Sha256"), len(body)))
	})
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Four requests on one connection, the last two pipelined; bodies that look like heads must not be taken for one.
	fake := "GET / HTTP/1.1\r\nsupersecrettoken: no\r\n\r\n"
	requests := []string{
		"GET /a HTTP/1.1\r\nHost: h\r\nSuperSecretToken: 1\r\nX-Amz-Content-SHA256: x\r\n\r\n",
		fmt.Sprintf("PUT /b HTTP/1.1\r\nHost: h\r\nSUPERsecretTOKEN: 1\r\ncontent-length: %d\r\n\r\n%s", len(fake), fake),
		fmt.Sprintf("PUT /c HTTP/1.1\r\nHost: h\r\nsuperSecretToken: 1\r\nTransfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n5\r\nabcde\r\n0\r\nTrail: er\r\n\r\n", len(fake), fake) +
			"GET /d HTTP/1.1\r\nHost: h\r\n\r\n",
	}
	for _, r := range requests {
		for i := 0; i < len(r); i += 7 { // in pieces, so that lines are cut anywhere
			if _, err := io.WriteString(conn, r[i:min(i+7, len(r))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	buf := make([]byte, 4096)
	answers := 0
	for answers < 4 {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		answers += strings.Count(string(buf[:n]), "HTTP/1.1 200")
	}
	mu.Lock()
	defer mu.Unlock()
	want := []string{
		"SuperSecretToken X-Amz-Content-SHA256 0", fmt.Sprintf("SUPERsecretTOKEN X-Amz-Content-Sha256 %d", len(fake)),
		fmt.Sprintf("superSecretToken X-Amz-Content-Sha256 %d", len(fake)+5), "Supersecrettoken X-Amz-Content-Sha256 0",
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("names = %q\nwant %q", got, want)
	}
}

// Whatever the bytes, following them neither panics nor holds more than its bound, however they are cut.
func FuzzNames(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nA: b\r\n\r\n"), uint8(3))
	f.Add([]byte("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, p []byte, cut uint8) {
		whole, pieces := &NamesConn{}, &NamesConn{}
		whole.follow(p)
		for n := int(cut) + 1; len(p) > 0; {
			n = min(n, len(p))
			pieces.follow(p[:n])
			p = p[n:]
		}
		if len(whole.heads) != len(pieces.heads) || whole.state != pieces.state || whole.left != pieces.left {
			t.Errorf("in one piece %d heads, state %d, %d left; in pieces %d, %d, %d", len(whole.heads), whole.state, whole.left, len(pieces.heads), pieces.state, pieces.left)
		}
		if len(pieces.head) > maxHead {
			t.Errorf("holds %d bytes", len(pieces.head))
		}
	})
}
