package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func key(s string) Key { return Key{Bytes: []byte(s), Path: len(s)} }

func newCache(t testing.TB, cfg Config) *Cache {
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

// stored is a response that may be stored and shared for a minute.
func stored(body string) *Response {
	return &Response{
		Status: 200, Header: map[string][]string{"Content-Type": {"text/plain"}},
		Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body)), TTL: time.Minute, Store: true, Share: true,
	}
}

func give(r *Response) Fill {
	return func(context.Context, *Entry) (*Response, error) { return r, nil }
}

// mustNot is a Fill that must not run.
func mustNot(t testing.TB) Fill {
	return func(context.Context, *Entry) (*Response, error) {
		t.Error("a fill ran where a stored response was expected")
		return nil, errors.New("unexpected fill")
	}
}

// read returns the whole body of v and closes it.
func read(ctx context.Context, v *View) (string, error) {
	defer v.Close()
	if v.Complete() {
		return string(v.Entry.Body), nil
	}
	var all []byte
	for {
		b, err := v.Next(ctx)
		if errors.Is(err, io.EOF) {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
		all = append(all, b...)
	}
}

// fetch is Fetch and read.
func fetch(t testing.TB, c *Cache, k string, do Fill) (string, How) {
	t.Helper()
	v, err := c.Fetch(t.Context(), key(k), do)
	if err != nil {
		t.Errorf("Fetch(%q): %v", k, err)
		return "", 0
	}
	s, err := read(t.Context(), v)
	if err != nil {
		t.Errorf("body of %q: %v", k, err)
	}
	return s, v.How
}

func TestResponseIsStoredUntilItsTTLAndThenRefetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		r := stored("a picture")
		r.TTL, r.Age = 24*time.Hour, time.Hour
		if s, how := fetch(t, c, "/a", give(r)); s != "a picture" || how != Filled {
			t.Fatalf("first: %q, %v", s, how)
		}
		synctest.Wait()
		time.Sleep(24*time.Hour - time.Second)
		e := c.Lookup(key("/a"))
		if e == nil || string(e.Body) != "a picture" {
			t.Fatalf("a second before its TTL ends: %+v, want the response", e)
		}
		if got, want := e.Age(time.Now()), int64(25*3600-1); got != want {
			t.Errorf("Age = %d, want %d: the origin's hour and what passed since", got, want)
		}
		time.Sleep(time.Second)
		if e := c.Lookup(key("/a")); e != nil {
			t.Fatalf("Lookup at its TTL = %+v, want nil", e)
		}
		var stale *Entry
		_, how := fetch(t, c, "/a", func(_ context.Context, s *Entry) (*Response, error) {
			stale = s
			return stored("new"), nil
		})
		if stale == nil || string(stale.Body) != "a picture" || how != Filled {
			t.Errorf("refetch: stale = %+v, how = %v", stale, how)
		}
	})
}

func TestRevalidatedResponseKeepsItsBodyAndGetsANewHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		fetch(t, c, "/a", give(stored("body")))
		synctest.Wait()
		first := c.Lookup(key("/a"))
		time.Sleep(time.Hour)
		s, how := fetch(t, c, "/a", func(_ context.Context, stale *Entry) (*Response, error) {
			return &Response{Status: 200, Header: map[string][]string{"X": {"2"}}, Reuse: stale, TTL: time.Hour, Store: true, Share: true}, nil
		})
		if s != "body" || how != Refreshed {
			t.Fatalf("refresh: %q, %v; want body, Refreshed", s, how)
		}
		e := c.Lookup(key("/a"))
		if e == nil || e.Header.Get("X") != "2" || &e.Body[0] != &first.Body[0] {
			t.Fatalf("after refresh: %+v, want the same body under the new header", e)
		}
		if first.Header.Get("X") != "" {
			t.Error("the first entry changed")
		}
	})
}

func TestThousandRequestsForOneColdKeyCostOneFill(t *testing.T) {
	c := newCache(t, Config{})
	want := strings.Repeat("0123456789abcdef", 5000)
	var fills atomic.Int32
	gate := make(chan struct{})
	do := func(context.Context, *Entry) (*Response, error) {
		fills.Add(1)
		<-gate
		r := stored(want)
		r.Length = -1
		return r, nil
	}
	var wg sync.WaitGroup
	var started, filled atomic.Int32
	for range 1000 {
		wg.Go(func() {
			started.Add(1)
			v, err := c.Fetch(context.Background(), key("/cold"), do)
			if err != nil {
				t.Error(err)
				return
			}
			if v.How == Filled {
				filled.Add(1)
			}
			if s, err := read(context.Background(), v); err != nil || s != want {
				t.Errorf("body of %d bytes, err %v; want %d bytes", len(s), err, len(want))
			}
		})
	}
	for started.Load() < 1000 {
		time.Sleep(time.Millisecond) // not a wait for the cache: only so that most queue on the fill
	}
	close(gate)
	wg.Wait()
	if fills.Load() != 1 || filled.Load() != 1 {
		t.Errorf("%d fills, %d requests that filled; want 1 and 1", fills.Load(), filled.Load())
	}
}

func TestFollowersReadTheBodyWhileItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		pr, pw := io.Pipe()
		r := stored("")
		r.Body, r.Length = pr, -1
		lead, err := c.Fetch(t.Context(), key("/a"), give(r))
		if err != nil {
			t.Fatal(err)
		}
		defer lead.Close()
		_, _ = pw.Write([]byte("first"))
		b, err := lead.Next(t.Context())
		if string(b) != "first" || err != nil {
			t.Fatalf("leader read %q, %v before the end of the body", b, err)
		}
		follow, err := c.Fetch(t.Context(), key("/a"), mustNot(t))
		if err != nil || follow.How != Shared {
			t.Fatalf("follower: %v, %v", follow, err)
		}
		defer follow.Close()
		if b, err := follow.Next(t.Context()); string(b) != "first" || err != nil {
			t.Fatalf("follower read %q, %v before the end of the body", b, err)
		}
		// The leader reads no further: it holds up nobody.
		go func() {
			for range 100 {
				_, _ = pw.Write(bytes.Repeat([]byte("x"), 10000))
			}
			_ = pw.Close()
		}()
		n := 0
		for {
			b, err := follow.Next(t.Context())
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				break
			}
			n += len(b)
		}
		if n != 1000000 {
			t.Errorf("follower read %d more bytes, want 1000000", n)
		}
		synctest.Wait()
		if e := c.Lookup(key("/a")); e == nil || len(e.Body) != 1000005 {
			t.Errorf("stored: %v, want 1000005 bytes", e)
		}
	})
}

func TestFillOutlivesTheViewerWhoBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := c.Fetch(ctx, key("/a"), func(fill context.Context, _ *Entry) (*Response, error) {
				time.Sleep(time.Second)
				return stored("body"), fill.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the viewer who left got %v", err)
			}
		}()
		synctest.Wait()
		cancel()
		time.Sleep(2 * time.Second)
		if e := c.Lookup(key("/a")); e == nil || string(e.Body) != "body" {
			t.Errorf("stored after the viewer left: %v, want the body", e)
		}
	})
}

func TestFillOfAResponseForNobodyElseEndsWithItsViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		closed := make(chan struct{})
		v, err := c.Fetch(t.Context(), key("/a"), give(&Response{
			Status: 200, Length: -1,
			Body: &funcBody{
				read:  func([]byte) (int, error) { <-closed; return 0, io.ErrClosedPipe },
				close: func() error { close(closed); return nil },
			},
		}))
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
		<-closed
		synctest.Wait()
		if n := len(c.live); n != 0 {
			t.Errorf("%d fills are left", n)
		}
	})
}

// funcBody is a body made of functions.
type funcBody struct {
	read  func([]byte) (int, error)
	close func() error
}

func (b *funcBody) Read(p []byte) (int, error) { return b.read(p) }
func (b *funcBody) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

func TestFailureBeforeTheHeaderIsTriedOnceMoreWithAFollower(t *testing.T) {
	for _, test := range []struct {
		name           string
		followerFails  bool
		followers      int
		wantErr, wantN int32
	}{
		{"follower succeeds, and all get its response", false, 9, 1, 2},
		{"follower fails too, and all get its error", true, 9, 10, 2},
		{"nobody else waits, and the error stands", true, 0, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{})
				defer c.Close()
				broken := errors.New("broken")
				var calls, failed atomic.Int32
				gate := make(chan struct{})
				run := func(do Fill) {
					v, err := c.Fetch(t.Context(), key("/a"), func(ctx context.Context, e *Entry) (*Response, error) {
						calls.Add(1)
						return do(ctx, e)
					})
					if err != nil {
						if !errors.Is(err, broken) {
							t.Errorf("err = %v, want broken", err)
						}
						failed.Add(1)
						return
					}
					if s, err := read(t.Context(), v); s != "ok" || err != nil {
						t.Errorf("body %q, %v", s, err)
					}
				}
				go run(func(context.Context, *Entry) (*Response, error) { <-gate; return nil, broken })
				synctest.Wait()
				for range test.followers {
					go run(func(context.Context, *Entry) (*Response, error) {
						if test.followerFails {
							return nil, broken
						}
						return stored("ok"), nil
					})
				}
				synctest.Wait()
				close(gate)
				synctest.Wait()
				want := test.wantErr
				if !test.followerFails {
					want = 0
				}
				if failed.Load() != want || calls.Load() != test.wantN {
					t.Errorf("%d failed after %d calls, want %d after %d", failed.Load(), calls.Load(), want, test.wantN)
				}
			})
		})
	}
}

func TestPanicInAFillIsAnErrorForItsViewers(t *testing.T) {
	c := newCache(t, Config{})
	_, err := c.Fetch(t.Context(), key("/a"), func(context.Context, *Entry) (*Response, error) { panic("oh no") })
	if err == nil || !strings.Contains(err.Error(), "oh no") {
		t.Errorf("err = %v, want the panic's text", err)
	}
}

func TestBodyThatIsNotWholeIsNeverStored(t *testing.T) {
	broken := errors.New("connection reset")
	for _, test := range []struct {
		name   string
		body   io.Reader
		length int64
		want   error
	}{
		{"ends before its announced length", strings.NewReader("short"), 10, ErrTruncated},
		{"goes on after its announced length", strings.NewReader("much too long"), 10, ErrTruncated},
		{"breaks off with a length", io.MultiReader(strings.NewReader("12345"), &funcBody{read: func([]byte) (int, error) { return 0, broken }}), 10, broken},
		{"breaks off without a length", io.MultiReader(strings.NewReader("12345"), &funcBody{read: func([]byte) (int, error) { return 0, broken }}), -1, broken},
		{"never brings a byte", &funcBody{read: func([]byte) (int, error) { return 0, nil }}, -1, io.ErrNoProgress},
	} {
		for _, share := range []bool{true, false} {
			for _, store := range []bool{true, false} {
				if !share && !store && errors.Is(test.want, io.ErrNoProgress) {
					continue // its one reader reads on
				}
				t.Run(fmt.Sprintf("%s, share=%v store=%v", test.name, share, store), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c := New(Config{})
						defer c.Close()
						b := test.body
						if s, ok := b.(*strings.Reader); ok {
							_, _ = s.Seek(0, io.SeekStart)
						} else if errors.Is(test.want, broken) {
							b = io.MultiReader(strings.NewReader("12345"), &funcBody{read: func([]byte) (int, error) { return 0, broken }})
						}
						v, err := c.Fetch(t.Context(), key("/a"), give(&Response{
							Status: 200, Body: io.NopCloser(b), Length: test.length,
							TTL: time.Minute, Store: store, Share: share,
						}))
						if err != nil {
							t.Fatal(err)
						}
						if _, err := read(t.Context(), v); !errors.Is(err, test.want) {
							t.Errorf("body ended with %v, want %v", err, test.want)
						}
						synctest.Wait()
						if e := c.Lookup(key("/a")); e != nil {
							t.Errorf("stored: %q", e.Body)
						}
					})
				})
			}
		}
	}
}

func TestResponseThatIsNotSharedMakesNobodyQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		private := func(n *atomic.Int32, wait time.Duration) Fill {
			return func(context.Context, *Entry) (*Response, error) {
				i := n.Add(1)
				time.Sleep(wait)
				return &Response{Status: 200, Body: io.NopCloser(strings.NewReader(fmt.Sprint(i))), Length: -1}, nil
			}
		}
		var n atomic.Int32
		bodies := make(chan string, 10)
		begin := time.Now()
		for range 10 {
			go func() {
				v, err := c.Fetch(t.Context(), key("/a"), private(&n, time.Second))
				if err != nil {
					t.Error(err)
					return
				}
				s, _ := read(t.Context(), v)
				bodies <- s
			}()
		}
		seen := map[string]bool{}
		for range 10 {
			seen[<-bodies] = true
		}
		if len(seen) != 10 || n.Load() != 10 {
			t.Errorf("%d different answers from %d fills, want 10 and 10", len(seen), n.Load())
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("took %v, want 2s: one fill to learn it, then all at once", took)
		}
		// From now on they do not wait even for the first.
		begin = time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				v, err := c.Fetch(t.Context(), key("/a"), private(&n, time.Second))
				if err == nil {
					_, _ = read(t.Context(), v)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
		// Once it can be stored, it is, and all share it again.
		if s, _ := fetch(t, c, "/a", give(stored("public"))); s != "public" {
			t.Errorf("got %q", s)
		}
		synctest.Wait()
		if e := c.Lookup(key("/a")); e == nil || string(e.Body) != "public" {
			t.Errorf("stored: %v", e)
		}
	})
}

func TestStoredForRevalidationOnlyIsFetchedByEachAndGivenAsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		r := stored("v1")
		r.TTL, r.Share = 0, false
		fetch(t, c, "/a", give(r))
		synctest.Wait()
		if e := c.Lookup(key("/a")); e != nil {
			t.Fatalf("Lookup = %v, want nil", e)
		}
		var wg sync.WaitGroup
		begin := time.Now()
		for range 3 {
			wg.Go(func() {
				v, err := c.Fetch(t.Context(), key("/a"), func(_ context.Context, stale *Entry) (*Response, error) {
					time.Sleep(time.Second)
					return &Response{Status: 200, Reuse: stale, Store: true}, nil
				})
				if err != nil {
					t.Error(err)
					return
				}
				if s, _ := read(t.Context(), v); s != "v1" || v.How != Refreshed {
					t.Errorf("%q, %v; want v1, Refreshed", s, v.How)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("three revalidations took %v, want 1s: none waits for another", took)
		}
	})
}

func TestErrorResponseIsSharedWithThoseWhoWaitAndNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		var n atomic.Int32
		do := func(context.Context, *Entry) (*Response, error) {
			n.Add(1)
			time.Sleep(time.Second)
			return &Response{Status: 403, Body: io.NopCloser(strings.NewReader("no")), Length: 2, Share: true}, nil
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if s, _ := fetch(t, c, "/a", do); s != "no" {
					t.Errorf("got %q", s)
				}
			})
		}
		wg.Wait()
		if n.Load() != 1 || c.Len() != 0 {
			t.Errorf("%d fills and %d entries, want 1 and 0", n.Load(), c.Len())
		}
	})
}

func TestFillThatCannotBeginInTimeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Fills: 1, FillWait: time.Second})
		defer c.Close()
		release := make(chan struct{})
		go fetch(t, c, "/a", func(context.Context, *Entry) (*Response, error) { <-release; return stored("a"), nil })
		synctest.Wait()
		begin := time.Now()
		_, err := c.Fetch(t.Context(), key("/b"), mustNot(t))
		if !errors.Is(err, ErrBusy) || time.Since(begin) != time.Second {
			t.Errorf("err = %v after %v, want ErrBusy after 1s", err, time.Since(begin))
		}
		close(release)
		if s, _ := fetch(t, c, "/b", give(stored("b"))); s != "b" {
			t.Errorf("after the slot is free: %q", s)
		}
	})
}

func TestCloseStopsFillsAndWaitsForThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		var ended atomic.Bool
		errs := make(chan error, 1)
		go func() {
			_, err := c.Fetch(context.Background(), key("/a"), func(ctx context.Context, _ *Entry) (*Response, error) {
				<-ctx.Done()
				ended.Store(true)
				return nil, ctx.Err()
			})
			errs <- err
		}()
		synctest.Wait()
		c.Close()
		if !ended.Load() {
			t.Error("Close returned before the fill ended")
		}
		if err := <-errs; !errors.Is(err, ErrClosed) {
			t.Errorf("err = %v, want ErrClosed", err)
		}
		if _, err := c.Fetch(t.Context(), key("/b"), mustNot(t)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	})
}

func TestHeaderIsOneBlockWithFieldsInIt(t *testing.T) {
	h := NewHeader(map[string][]string{"B": {"2", "3"}, "A": {""}, "Empty": nil})
	if got, want := h.Block(), "A: \r\nB: 2\r\nB: 3\r\n"; got != want {
		t.Errorf("Block = %q, want %q", got, want)
	}
	if got, want := fmt.Sprint(h.Fields()), "[{A []} {B [2 3]}]"; got != want {
		t.Errorf("Fields = %s, want %s", got, want)
	}
	if got := h.Get("B") + h.Get("C"); got != "2" {
		t.Errorf("Get = %q, want 2", got)
	}
}
