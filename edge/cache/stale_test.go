package cache

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// origin is a Fill that counts its calls and answers as long after as it is told.
type origin struct {
	calls atomic.Int32
	takes time.Duration
	reply func() (*Response, error)
}

func (o *origin) fill(ctx context.Context, _ *Entry) (*Response, error) {
	o.calls.Add(1)
	select {
	case <-time.After(o.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return o.reply()
}

func (o *origin) want(t *testing.T, calls int32, when string) {
	t.Helper()
	if n := o.calls.Load(); n != calls {
		t.Errorf("%s: the origin was asked %d times, want %d", when, n, calls)
	}
}

// quick is fetch, which must not wait.
func quick(t *testing.T, c *Cache, o *origin, want string, how How, when string) {
	t.Helper()
	begin := time.Now()
	if s, got := fetch(t, c, "/a", o.fill); s != want || got != how || time.Since(begin) != 0 {
		t.Errorf("%s: %q, %v after %v; want %q, %v at once", when, s, got, time.Since(begin), want, how)
	}
}

// kept is a response that is fresh for a minute.
func kept(body string, while, onError time.Duration) *Response {
	r := stored(body)
	r.StaleWhileRevalidate, r.StaleIfError = while, onError
	return r
}

func TestStaleIsGivenAtOnceWhileOneRefreshRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		o := &origin{takes: 5 * time.Second, reply: func() (*Response, error) { return kept("new", time.Hour, 0), nil }}
		fetch(t, c, "/a", give(kept("old", time.Hour, 0)))
		time.Sleep(time.Minute)
		for range 100 {
			quick(t, c, o, "old", Stale, "after its TTL")
		}
		synctest.Wait()
		o.want(t, 1, "a hundred requests for what is stale")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		quick(t, c, o, "new", Hit, "after the refresh")
		time.Sleep(time.Minute + time.Hour)
		if s, how := fetch(t, c, "/a", o.fill); s != "new" || how != Filled {
			t.Errorf("after TTL and StaleWhileRevalidate: %q, %v; want a fill that is waited for", s, how)
		}
		o.want(t, 2, "at the end")
	})
}

func TestRefreshBehindThatFailsIsNotRepeatedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Retry: 10 * time.Second})
		defer c.Close()
		o := &origin{reply: func() (*Response, error) { return nil, errors.New("down") }}
		fetch(t, c, "/a", give(kept("old", time.Hour, 0)))
		time.Sleep(time.Minute)
		for range 30 {
			quick(t, c, o, "old", Stale, "while the origin is down")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		o.want(t, 3, "in 30 s with a Retry of 10 s")
	})
}

func TestFailedRefreshGivesStaleAndTheNextDoNotWaitForTheOrigin(t *testing.T) {
	for name, reply := range map[string]func() (*Response, error){
		"error": func() (*Response, error) { return nil, errors.New("down") },
		"failed response": func() (*Response, error) {
			return &Response{Status: 502, Body: io.NopCloser(strings.NewReader("bad gateway")), Length: 11, Share: true, Failed: true}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Retry: 10 * time.Second})
				defer c.Close()
				hanging := &origin{takes: 30 * time.Second, reply: reply}
				fetch(t, c, "/a", give(kept("old", 0, time.Hour)))
				time.Sleep(time.Minute)
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						begin := time.Now()
						s, how := fetch(t, c, "/a", hanging.fill)
						if took := time.Since(begin); s != "old" || how != Kept && how != Shared || took > time.Minute {
							t.Errorf("at the first failure: %q, %v after %v", s, how, took)
						}
					})
				}
				wg.Wait()
				synctest.Wait()
				calls := hanging.calls.Load()
				if calls > 2 {
					t.Errorf("ten requests at once asked the origin %d times", calls)
				}
				// From now on nobody waits. A probe runs after each Retry.
				for range 9 {
					quick(t, c, hanging, "old", Kept, "within Retry")
					time.Sleep(time.Second)
				}
				hanging.want(t, calls, "within Retry")
				time.Sleep(time.Second)
				for range 20 {
					quick(t, c, hanging, "old", Kept, "while a probe runs")
					time.Sleep(time.Second)
				}
				hanging.want(t, calls+1, "while a probe runs")
				time.Sleep(time.Minute)
				well := &origin{takes: time.Second, reply: func() (*Response, error) { return kept("new", 0, time.Hour), nil }}
				quick(t, c, well, "old", Kept, "at the request whose probe succeeds")
				time.Sleep(2 * time.Second)
				synctest.Wait()
				quick(t, c, well, "new", Hit, "after it")
			})
		})
	}
}

func TestFailedRefreshIsTheAnswerWhenStaleMayNotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		down := errors.New("down")
		fetch(t, c, "/a", give(kept("old", 0, time.Minute)))
		time.Sleep(2 * time.Minute) // TTL and StaleIfError
		_, err := c.Fetch(t.Context(), key("/a"), func(context.Context, *Entry) (*Response, error) { return nil, down })
		if !errors.Is(err, down) {
			t.Errorf("after StaleIfError: %v, want the origin's error", err)
		}
		fetch(t, c, "/b", give(kept("old", 0, time.Hour)))
		time.Sleep(2 * time.Minute)
		go func() {
			_, err := c.Fetch(t.Context(), key("/b"), func(context.Context, *Entry) (*Response, error) {
				time.Sleep(time.Second)
				return nil, down
			})
			if !errors.Is(err, down) {
				t.Errorf("purged while it failed: %v, want the origin's error", err)
			}
		}()
		synctest.Wait()
		c.Purge("/b")
		time.Sleep(time.Minute)
		_, err = c.Fetch(t.Context(), key("/b"), func(context.Context, *Entry) (*Response, error) { return nil, down })
		if !errors.Is(err, down) {
			t.Errorf("after a purge: %v, want the origin's error", err)
		}
	})
}

func TestKeptResponseDoesNotProlongStaleIfError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		r := kept("old", 0, 10*time.Minute)
		r.Tags = []string{"red"}
		fetch(t, c, "/a", give(r))
		time.Sleep(2 * time.Minute)
		fetch(t, c, "/a", func(_ context.Context, stale *Entry) (*Response, error) {
			return &Response{Status: 200, Reuse: stale, Kept: true, TTL: time.Minute, Store: true, Share: true}, nil
		})
		synctest.Wait()
		if e := c.Lookup(key("/a")); e == nil || string(e.Body) != "old" {
			t.Fatalf("kept: %v, want it for another minute", e)
		}
		time.Sleep(2 * time.Minute)
		down := &origin{reply: func() (*Response, error) { return nil, errors.New("down") }}
		quick(t, c, down, "old", Kept, "after it was kept") // since the origin is known to fail
		time.Sleep(8 * time.Minute)
		if _, err := c.Fetch(t.Context(), key("/a"), down.fill); err == nil {
			t.Error("given ten minutes after its own TTL, being kept in between")
		}
		if c.PurgeTag("red"); c.Lookup(key("/a")) != nil {
			t.Error("a response that was kept lost its tags")
		}
	})
}

func TestStaleIsGivenWhenNoFillCanBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Fills: 1, FillWait: time.Second})
		defer c.Close()
		fetch(t, c, "/a", give(kept("old", 0, time.Hour)))
		time.Sleep(2 * time.Minute)
		release := make(chan struct{})
		go fetch(t, c, "/b", func(context.Context, *Entry) (*Response, error) { <-release; return stored("b"), nil })
		synctest.Wait()
		begin := time.Now()
		if s, how := fetch(t, c, "/a", mustNot(t)); s != "old" || how != Kept || time.Since(begin) != time.Second {
			t.Errorf("%q, %v after %v; want old, Kept after FillWait", s, how, time.Since(begin))
		}
		close(release)
		synctest.Wait()
	})
}

func TestBodyThatBreaksOffInARefreshLeavesTheStaleOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		fetch(t, c, "/a", give(kept("old", 0, time.Hour)))
		time.Sleep(2 * time.Minute)
		r := stored("short")
		r.Length = 10
		v, err := c.Fetch(t.Context(), key("/a"), give(r))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(t.Context(), v); !errors.Is(err, ErrTruncated) {
			t.Errorf("the body ended with %v, want ErrTruncated", err)
		}
		synctest.Wait()
		o := &origin{reply: func() (*Response, error) { return kept("new", 0, 0), nil }}
		quick(t, c, o, "old", Kept, "after it")
		o.want(t, 0, "within Retry")
	})
}

func TestFollowerThatWaitedTooLongGoesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{JoinWait: 5 * time.Second})
		defer c.Close()
		slow := &origin{takes: 20 * time.Second, reply: func() (*Response, error) { return stored("slow"), nil }}
		var wg sync.WaitGroup
		wg.Go(func() {
			begin := time.Now()
			if s, how := fetch(t, c, "/a", slow.fill); s != "slow" || how != Filled || time.Since(begin) != 20*time.Second {
				t.Errorf("the first: %q, %v after %v; want its own after 20s", s, how, time.Since(begin))
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				begin := time.Now()
				fast := &origin{takes: time.Second, reply: func() (*Response, error) { return stored("fast"), nil }}
				if s, how := fetch(t, c, "/a", fast.fill); s != "fast" || how != Filled || time.Since(begin) != 6*time.Second {
					t.Errorf("a follower: %q, %v after %v; want its own after 6s", s, how, time.Since(begin))
				}
			})
		}
		wg.Wait()
		slow.want(t, 1, "at the end")
	})
}

func TestFillWhoseViewersLeftGoesOnWhenEnoughHasCome(t *testing.T) {
	for _, test := range []struct {
		name   string
		finish float64
		came   int // of 100 bytes
		length int64
		stored bool
	}{
		{"always, by default", 0, 1, 100, true},
		{"enough", 0.5, 50, 100, true},
		{"too little", 0.5, 49, 100, false},
		{"never", 1, 99, 100, false},
		{"no length", 0.5, 1, -1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{Finish: test.finish})
				defer c.Close()
				pr, pw := io.Pipe()
				r := stored("")
				r.Body, r.Length = pr, test.length
				v, err := c.Fetch(t.Context(), key("/a"), give(r))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = pw.Write([]byte(strings.Repeat("x", test.came)))
				synctest.Wait()
				v.Close()
				synctest.Wait()
				_, err = pw.Write([]byte(strings.Repeat("x", 100-test.came)))
				_ = pw.Close()
				synctest.Wait()
				if got := c.Lookup(key("/a")) != nil; got != test.stored || (err == nil) != test.stored {
					t.Errorf("stored is %v, the origin's write ended with %v; want stored %v", got, err, test.stored)
				}
			})
		})
	}
}
