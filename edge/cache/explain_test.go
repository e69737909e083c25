package cache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestExplainSaysWhatMemoryHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		k := func(path string) Key { return Key{Bytes: []byte(path), Path: len(path)} }
		put := func(path string, r Response) {
			t.Helper()
			r.Status, r.Length = 200, 0
			v, err := c.Fetch(t.Context(), k(path), func(context.Context, *Entry) (*Response, error) { return &r, nil })
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			synctest.Wait()
		}
		for _, path := range []string{"fresh", "purged", "soft"} {
			put(path, Response{TTL: time.Hour, Store: true, Share: true})
		}
		put("lapsed", Response{TTL: time.Second, Store: true, Share: true})
		put("unshared", Response{})
		c.Purge("purged")
		c.SoftPurge("soft")
		time.Sleep(2 * time.Second)
		hold := make(chan struct{})
		go func() {
			v, err := c.Fetch(t.Context(), k("filling"), func(context.Context, *Entry) (*Response, error) { <-hold; return &Response{}, nil })
			if err == nil {
				v.Close()
			}
		}()
		synctest.Wait()
		for path, want := range map[string]Finding{
			"fresh": Fresh, "purged": Purged, "soft": Softened, "lapsed": Lapsed, "unshared": Unshared, "absent": Absent, "filling": Absent,
		} {
			got, e, filling := c.Explain(k(path))
			if got != want || (e == nil) != (want == Absent) || filling != (path == "filling") {
				t.Errorf("Explain(%s) = %v, %v, %v; want %v", path, got, e, filling, want)
			}
		}
		close(hold)
		synctest.Wait()
	})
}
