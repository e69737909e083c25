package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// wrapped is a ResponseWriter over another one, as those that log are.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// taking is a ResponseWriter that takes bodies, or does not.
type taking struct {
	*httptest.ResponseRecorder
	takes bool
	took  io.Reader
}

func (w *taking) TakeBody(body io.Reader) (int64, bool, error) {
	if !w.takes {
		return 0, false, nil
	}
	w.took = body
	return 7, true, nil
}

// writing is a body that writes itself.
type writing struct {
	io.Reader
	wrote bool
}

func (b *writing) WriteTo(w io.Writer) (int64, error) {
	b.wrote = true
	return io.Copy(w, struct{ io.Reader }{b.Reader})
}

func TestSend(t *testing.T) {
	long, short := strings.Repeat("x", smallBody+1), strings.Repeat("x", smallBody)
	for _, c := range []struct {
		name          string
		content       string
		takes         bool
		handed, wrote bool
	}{
		{"a writer that takes bodies gets the body itself", long, true, true, false},
		{"a small body too", short, true, true, false},
		{"one that does not take it gets the bytes of a long body from its WriteTo", long, false, false, true},
		{"and a small body at once", short, false, false, false},
		{"an empty body is sent", "", false, false, false},
	} {
		under := &taking{ResponseRecorder: httptest.NewRecorder(), takes: c.takes}
		body := &writing{Reader: strings.NewReader(c.content)}
		n, err := Send(wrapped{wrapped{under}}, body, int64(len(c.content)))
		if c.handed {
			if n != 7 || err != nil || under.took != io.Reader(body) || under.Body.Len() > 0 {
				t.Errorf("%s: Send = %d, %v; took %v", c.name, n, err, under.took)
			}
			continue
		}
		if n != int64(len(c.content)) || err != nil || under.Body.String() != c.content || body.wrote != c.wrote {
			t.Errorf("%s: Send = %d, %v with %d bytes; WriteTo was called: %t, want %t", c.name, n, err, under.Body.Len(), body.wrote, c.wrote)
		}
	}
}

func TestSendOfBodyThatBreaksOff(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, length := range []int64{10, smallBody + 10} {
		w := httptest.NewRecorder()
		n, err := Send(w, io.MultiReader(strings.NewReader("half"), errReader{broken}), length)
		if !errors.Is(err, broken) || n == length {
			t.Errorf("Send of %d bytes that break off = %d, %v", length, n, err)
		}
		if n, err := Send(w, strings.NewReader("half"), length); err == nil && n == length {
			t.Errorf("Send of 4 bytes as %d = %d, %v", length, n, err)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestSendToRealConnection(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		w.WriteHeader(http.StatusOK)
		if n, err := Send(wrapped{w}, bytes.NewReader(content), int64(len(content))); n != 1_000_000 || err != nil {
			t.Errorf("Send = %d, %v", n, err)
		}
	}))
	defer s.Close()
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d other bytes, %v", len(got), err)
	}
}
