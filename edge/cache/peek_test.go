package cache

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPeekAndRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		k := Key{Bytes: []byte("host/a"), Path: 6}
		fill := func(body string, was *string) Fill {
			return func(_ context.Context, stale *Entry) (*Response, error) {
				if *was = "nothing"; stale != nil {
					*was = string(stale.Body)
				}
				time.Sleep(time.Second)
				return &Response{Status: 200, Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body)), TTL: time.Minute, Store: true, Share: true}, nil
			}
		}
		get := func(how func(context.Context, Key, Fill) (*View, error), body string) string {
			var was string
			v, err := how(t.Context(), k, fill(body, &was))
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			synctest.Wait()
			return was
		}
		if c.Peek(k) != nil {
			t.Error("Peek finds something in an empty cache")
		}
		get(c.Fetch, "one")
		if was := get(c.Renew, "two"); was != "one" {
			t.Errorf("Renew of what is fresh was given %q, want one", was)
		}
		time.Sleep(2 * time.Minute)
		if e := c.Peek(k); e == nil || string(e.Body) != "two" {
			t.Errorf("Peek of what is stale = %v, want two", e)
		}
		// Renew joins nobody.
		var first, second string
		done := make(chan struct{})
		go func() {
			defer close(done)
			if v, err := c.Fetch(t.Context(), k, fill("three", &first)); err == nil {
				v.Close()
			}
		}()
		synctest.Wait()
		if second = get(c.Renew, "four"); second != "two" || first != "two" {
			t.Errorf("the fills were given %q and %q, want two runs with two", first, second)
		}
		<-done
		c.Purge("host/a")
		if c.Peek(k) != nil {
			t.Error("Peek finds what was purged")
		}
	})
}
