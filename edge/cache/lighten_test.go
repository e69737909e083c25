package cache

import (
	"context"
	"testing"
	"time"
)

func TestLargeBodyLeavesMemoryOnceItIsInAFile(t *testing.T) {
	now := time.Now()
	cfg := onDisk(t.TempDir())
	cfg.Now = func() time.Time { return now }
	c := newCache(t, cfg)
	large, small := big("l", 4*smallBody), big("s", smallBody)
	put(t, c, "/large", stored(large))
	put(t, c, "/small", stored(small))
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if c.Lookup(key("/small")) == nil {
		t.Error("a small body left memory")
	}
	e := c.Find(key("/large"))
	if e == nil || e.inMemory() || e.Body != nil || e.Length != int64(len(large)) {
		t.Fatalf("Find = %+v, want an entry whose body is in a file", e)
	}
	if used := c.Used(); used > smallBody+8<<10 {
		t.Errorf("%d bytes are in use, want those of the small one and two headers", used)
	}
	v := e.Open()
	if s, err := read(t.Context(), v); s != large || err != nil || v.How != Hit {
		t.Errorf("the file has %d bytes, %v, %v; want %d", len(s), err, v.How, len(large))
	}
	c.PurgeTag("nothing of theirs")
	if c.Find(key("/large")) == nil {
		t.Error("it is gone after a purge of something else")
	}
	c.SoftPurge("/large")
	if c.Find(key("/large")) != nil {
		t.Error("it is fresh after a soft purge")
	}
	c.Purge("/large")
	if c.Recall(t.Context(), key("/large")) != nil {
		t.Error("it is there after a purge")
	}
}

func TestSectionOfABodyInAFileReadsNothingElse(t *testing.T) {
	c := newCache(t, onDisk(t.TempDir()))
	body := big("0123456789", 3*fileChunk)
	put(t, c, "/a", stored(body))
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, s := range [][2]int64{{0, int64(len(body))}, {1, 2}, {fileChunk - 1, 3}, {int64(len(body)) - 1, 1}, {5, 0}} {
		v := c.Open(t.Context(), key("/a"))
		if v == nil || !v.Section(s[0], s[1]) {
			t.Fatal("there is no body in a file")
		}
		if got, err := read(t.Context(), v); got != body[s[0]:s[0]+s[1]] || err != nil {
			t.Errorf("%d from %d: %d bytes, %v", s[1], s[0], len(got), err)
		}
	}
}

func TestWhatIsNotStoredTakesAwayWhatItReplacesAlsoWhereThatMovedToAFile(t *testing.T) {
	now := time.Now()
	cfg := onDisk(t.TempDir())
	cfg.Now = func() time.Time { return now }
	c := newCache(t, cfg)
	r := stored(big("a", 4*smallBody))
	r.TTL = 0 // for revalidation only
	put(t, c, "/a", r)
	v, err := c.Fetch(t.Context(), key("/a"), func(_ context.Context, stale *Entry) (*Response, error) {
		if err := c.Flush(); err != nil { // the body moves while this fill runs
			return nil, err
		}
		if stale == nil {
			t.Error("there is nothing to revalidate")
		}
		return &Response{Status: 200, Share: true}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	c.running.Wait()
	if e := c.Recall(t.Context(), key("/a")); e != nil {
		t.Errorf("what was replaced is there: %d bytes", e.Length)
	}
}
