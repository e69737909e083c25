package glassine

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func local(h http.HandlerFunc) *inProcess {
	return &inProcess{handler: h, next: roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errElsewhere })}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errElsewhere = errors.New("went elsewhere")

func get(t *testing.T, rt http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(req)
}

const ourURL = "https://b.s3.us-east-1.amazonaws.com/a%20b//c?x=%2F"

func TestRequestArrivesAsItWasSent(t *testing.T) {
	rt := local(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/a%20b//c?x=%2F" || r.Host != "b.s3.us-east-1.amazonaws.com" || r.TLS == nil || !strings.HasPrefix(r.RemoteAddr, "127.0.0.1:") {
			t.Errorf("request = %q at %q, TLS %v, from %q", r.RequestURI, r.Host, r.TLS, r.RemoteAddr)
		}
		w.Header().Set("X-A", "1")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-B", "too late")
		_, _ = io.WriteString(w, "body")
	})
	resp, err := get(t, rt, ourURL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "body" || resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-A") != "1" || resp.Header.Get("X-B") != "" {
		t.Errorf("answer = %d %v %q %v", resp.StatusCode, resp.Header, body, err)
	}
}

func TestOtherHostsGoOn(t *testing.T) {
	rt := local(func(http.ResponseWriter, *http.Request) { t.Error("handled here") })
	if _, err := get(t, rt, "https://example.com/"); !errors.Is(err, errElsewhere) {
		t.Errorf("err = %v, want the next transport's", err)
	}
	// What only looks like AWS's name is not ours.
	if _, err := get(t, rt, "https://amazonaws.com.example.com/"); !errors.Is(err, errElsewhere) {
		t.Errorf("err = %v, want the next transport's", err)
	}
}

// object is a store's body: a reader that can be read at positions.
type object struct {
	*strings.Reader
	closed chan struct{}
}

func TestReaderAtIsHandedOver(t *testing.T) {
	o := object{strings.NewReader("0123456789"), make(chan struct{})}
	returned := make(chan int64, 1)
	rt := local(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(http.StatusOK)
		n, err := w.(io.ReaderFrom).ReadFrom(struct {
			io.Reader
			io.ReaderAt
		}{o, o})
		if err != nil {
			t.Error(err)
		}
		returned <- n
	})
	resp, err := get(t, rt, ourURL)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := resp.Body.(io.ReaderAt)
	if !ok {
		t.Fatal("the body is no io.ReaderAt")
	}
	p := make([]byte, 3)
	if _, err := at.ReadAt(p, 4); err != nil || string(p) != "456" {
		t.Errorf("ReadAt = %q %v", p, err)
	}
	select {
	case <-returned:
		t.Error("the handler went on before the body was closed")
	default:
	}
	resp.Body.Close()
	if n := <-returned; n != 10 {
		t.Errorf("ReadFrom = %d, want 10", n)
	}
}

func TestAnswerThatBreaksOffIsAnError(t *testing.T) {
	rt := local(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	resp, err := get(t, rt, ourURL)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("read %q to a clean end", body)
	}
	rt = local(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := get(t, rt, ourURL); err == nil {
		t.Error("an answer that never began gave no error")
	}
}

func TestLeavingEndsTheHandler(t *testing.T) {
	ended := make(chan error, 1)
	rt := local(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		_, err := w.Write([]byte("x"))
		ended <- err
	})
	resp, err := get(t, rt, ourURL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; err == nil {
		t.Error("a write after the user left gave no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	stuck := local(func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, ourURL, nil)
	if _, err := stuck.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
	stuck.running.Wait()
}
