package transform

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// placed is a response body that can be read in place, as the in-process transport gives.
type placed struct {
	*bytes.Reader
	closed bool
}

func (p *placed) Read([]byte) (int, error) { panic("a body that can be read in place is not streamed") }
func (p *placed) Close() error             { p.closed = true; return nil }

func s3Answer(body io.ReadCloser, n int64) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: body, ContentLength: n}
}

func TestOriginalIsReadInPlace(t *testing.T) {
	in := picture(t)
	original := &placed{Reader: bytes.NewReader(in)}
	var got []byte
	f := &Function{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return s3Answer(original, int64(len(in))), nil
		}
		if original.closed {
			t.Error("original is closed before its copy was sent")
		}
		got, _ = io.ReadAll(r.Body)
		return s3Answer(http.NoBody, 0), nil
	})}
	if _, err := f.Handle(t.Context(), testEvent("https://olap/a.jpg"), testCreds); err != nil {
		t.Fatal(err)
	}
	if want := stripped(t, in); !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
	if !original.closed {
		t.Error("original is left open")
	}
}

// slow is a transport whose reads of the original, or whose deliveries, take a second.
func slow(t *testing.T, get, write bool, inPlace bool) *Function {
	in := picture(t)
	wait := func(ctx context.Context) error {
		select {
		case <-time.After(time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return &Function{MaxConcurrent: 1, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			if get {
				if err := wait(r.Context()); err != nil {
					return nil, err
				}
			}
			if inPlace {
				return s3Answer(&placed{Reader: bytes.NewReader(in)}, int64(len(in))), nil
			}
			return s3Answer(io.NopCloser(bytes.NewReader(in)), int64(len(in))), nil
		}
		if write {
			if err := wait(r.Context()); err != nil {
				return nil, err
			}
		}
		return s3Answer(http.NoBody, 0), nil
	})}
}

func TestGate(t *testing.T) {
	for _, c := range []struct {
		name                string
		get, write, inPlace bool
		want                time.Duration
	}{
		{"three reads of the original take turns", true, false, true, 3 * time.Second},
		{"a slow viewer of an original read in place holds up nobody", false, true, true, time.Second},
		{"an original in memory counts until it is delivered", false, true, false, 3 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := slow(t, c.get, c.write, c.inPlace)
				start := time.Now()
				done := make(chan error)
				for range 3 {
					go func() {
						_, err := f.Handle(t.Context(), testEvent("https://olap/a.jpg"), testCreds)
						done <- err
					}()
				}
				for range 3 {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(start); took != c.want {
					t.Errorf("took %v, want %v", took, c.want)
				}
			})
		})
	}
}

func TestWaitAtTheGateEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := slow(t, true, false, true)
		first := make(chan error)
		go func() {
			_, err := f.Handle(t.Context(), testEvent("https://olap/a.jpg"), testCreds)
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := f.Handle(ctx, testEvent("https://olap/a.jpg"), testCreds)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "free place") {
			t.Errorf("got %v, want the deadline while waiting for a place", err)
		}
		if err := <-first; err != nil {
			t.Errorf("first request: %v", err)
		}
	})
}

func TestDeadlineWhileReadingTheOriginalIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := slow(t, true, false, true)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := f.Handle(ctx, testEvent("https://olap/a.jpg"), testCreds); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
}

func TestTransportThatFailsToDeliverIsAnError(t *testing.T) {
	in := picture(t)
	broken := errors.New("connection reset")
	var late io.Reader
	f := &Function{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet {
			return s3Answer(io.NopCloser(bytes.NewReader(in)), int64(len(in))), nil
		}
		late = r.Body
		return nil, broken
	})}
	if _, err := f.Handle(t.Context(), testEvent("https://olap/a.jpg"), testCreds); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	if n, err := late.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("a transport that reads on after its answer got %d bytes of a buffer that is another's by now", n)
	}
}
