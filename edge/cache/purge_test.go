package cache

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tagged is stored with tags.
func tagged(body string, tags ...string) *Response {
	r := stored(body)
	r.Tags = tags
	return r
}

func TestPurgeByTagVoidsWhatHasTheTag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		fetch(t, c, "/a", give(tagged("a", "red", "round")))
		fetch(t, c, "/b", give(tagged("b", "red")))
		fetch(t, c, "/c", give(tagged("c", "Red", "redd")))
		fetch(t, c, "/d", give(stored("d")))
		synctest.Wait()
		c.PurgeTag("round")
		if c.Lookup(key("/a")) != nil || c.Lookup(key("/b")) == nil {
			t.Error("purge of round: want /a gone and /b there")
		}
		c.PurgeTag("red")
		if c.Lookup(key("/b")) != nil || c.Lookup(key("/c")) == nil || c.Lookup(key("/d")) == nil {
			t.Error("purge of red: want /b gone, /c and /d there")
		}
		if s, how := fetch(t, c, "/a", give(tagged("a2", "red"))); s != "a2" || how != Filled {
			t.Errorf("after the purge: %q, %v; want a2, Filled", s, how)
		}
		synctest.Wait()
		if c.Lookup(key("/a")) == nil {
			t.Error("what came after the purge is not stored")
		}
	})
}

func TestPurgeByTagReachesFillsUnderWay(t *testing.T) {
	for _, when := range []string{"before its header", "while its body arrives", "before its header, forgotten by a sweep since"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{})
				defer c.Close()
				header, rest := make(chan struct{}), make(chan struct{})
				before, after := make(chan string, 1), make(chan string, 1)
				go func() {
					s, _ := fetch(t, c, "/a", func(context.Context, *Entry) (*Response, error) {
						<-header
						r := tagged("old", "red")
						r.Body = io.NopCloser(&funcReader{func([]byte) (int, error) { <-rest; return 0, io.EOF }, strings.NewReader("old")})
						return r, nil
					})
					before <- s
				}()
				synctest.Wait()
				if when == "while its body arrives" {
					close(header)
					synctest.Wait()
				}
				c.PurgeTag("red")
				if strings.HasSuffix(when, "since") {
					for i := range sweepAt + 1 {
						c.Purge(fmt.Sprint("/other", i))
					}
					synctest.Wait()
				}
				go func() {
					// It may join the fill under way, since nobody knows its tags yet; then it must see that it was wrong.
					s, _ := fetch(t, c, "/a", give(tagged("new", "red")))
					after <- s
				}()
				synctest.Wait()
				if when != "while its body arrives" {
					close(header)
				}
				synctest.Wait()
				close(rest)
				if s := <-before; s != "old" {
					t.Errorf("the request before the purge got %q, want old", s)
				}
				if s := <-after; s != "new" {
					t.Errorf("the request after the purge got %q, want new", s)
				}
				synctest.Wait()
				if e := c.Lookup(key("/a")); e == nil || string(e.Body) != "new" {
					t.Errorf("stored %v, want what was fetched after the purge", e)
				}
			})
		})
	}
}

func TestResponseThatNoPurgeWouldReachIsNotStored(t *testing.T) {
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for _, test := range []struct {
		name   string
		tags   []string
		stored bool
	}{
		{"50 tags", many[:50], true},
		{"51 tags", many, false},
		{"a tag of 512 bytes", []string{strings.Repeat("x", 512)}, true},
		{"a tag of 513 bytes", []string{strings.Repeat("x", 513)}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Config{})
			defer c.Close()
			if s, _ := fetch(t, c, "/a", give(tagged("a", test.tags...))); s != "a" {
				t.Errorf("%s: got %q", test.name, s)
			}
			synctest.Wait()
			if got := c.Lookup(key("/a")) != nil; got != test.stored {
				t.Errorf("%s: stored is %v, want %v", test.name, got, test.stored)
			}
		})
	}
}

func TestSoftPurgeMakesStale(t *testing.T) {
	for name, purge := range map[string]func(*Cache){
		"by path":   func(c *Cache) { c.SoftPurge("/a") },
		"by prefix": func(c *Cache) { c.SoftPurgePrefix("/") },
		"by tag":    func(c *Cache) { c.SoftPurgeTag("red") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{})
				defer c.Close()
				r := tagged("old", "red")
				r.TTL, r.StaleWhileRevalidate = time.Hour, time.Minute
				fetch(t, c, "/a", give(r))
				synctest.Wait()
				time.Sleep(time.Minute)
				purge(c)
				if e := c.Lookup(key("/a")); e != nil {
					t.Errorf("Lookup after a soft purge: %q, want nil", e.Body)
				}
				time.Sleep(59 * time.Second)
				if s, how := fetch(t, c, "/a", give(tagged("new", "red"))); s != "old" || how != Stale {
					t.Errorf("within StaleWhileRevalidate of the purge: %q, %v; want old, Stale", s, how)
				}
				synctest.Wait()
				if e := c.Lookup(key("/a")); e == nil || string(e.Body) != "new" {
					t.Errorf("after the refresh behind: %v, want new", e)
				}
				purge(c)
				time.Sleep(time.Hour)
				var stale *Entry
				fetch(t, c, "/a", func(_ context.Context, e *Entry) (*Response, error) {
					stale = e
					return stored("newest"), nil
				})
				if stale == nil || string(stale.Body) != "new" {
					t.Errorf("an hour after the purge the fill got %v, want the stale entry", stale)
				}
			})
		})
	}
}

// A tag has to cost the same whether nothing or a million has it: what is counted is that a purge looks at no entry.
func TestPurgeOfATagLooksAtNoEntry(t *testing.T) {
	c := newCache(t, Config{Bytes: 1 << 30})
	for i := range 3000 {
		store(t, c, key(fmt.Sprint("/", i)), "x")
	}
	c.running.Wait()
	var all []*Entry
	for i := range c.shards {
		for e := range c.shards[i].entries.all() {
			e.tags = []string{"all"}
			all = append(all, e)
		}
	}
	c.PurgeTag("all")
	for _, e := range all {
		if e.seen.Load() == c.purges.generation.Load() {
			t.Fatal("the purge looked at an entry")
		}
	}
	for i := range 3000 {
		if c.Lookup(key(fmt.Sprint("/", i))) != nil {
			t.Fatalf("/%d is there after a purge of its tag", i)
		}
	}
}

func TestPurgesAreKeptAsLongAsTheDiskMayNeedThem(t *testing.T) {
	cfg := onDisk(t.TempDir())
	c := newCache(t, cfg)
	put(t, c, "/purged", stored("a"))
	put(t, c, "/kept", stored(big("b", smallBody+1)))
	c = restart(t, c, cfg) // memory has none of it
	purge := func(n int) int {
		for i := range n {
			c.Purge(fmt.Sprint("/other", c.purges.generation.Load(), i))
		}
		c.running.Wait()
		c.purges.mu.RLock()
		defer c.purges.mu.RUnlock()
		return c.purges.len()
	}
	c.Purge("/purged")
	if n := purge(sweepAt + 1); n < sweepAt {
		t.Errorf("%d purges are left, and the disk has what is older", n)
	}
	c = restart(t, c, cfg)
	if c.Open(t.Context(), key("/purged")) != nil {
		t.Error("/purged came back")
	}
	v := c.Open(t.Context(), key("/kept"))
	if v == nil {
		t.Fatal("/kept is gone")
	}
	v.Close()
	c.purges.most = sweepAt
	if n := purge(2 * sweepAt); n > 2*sweepAt {
		t.Errorf("%d purges are left, the limit is %d", n, sweepAt)
	}
	if c.Open(t.Context(), key("/purged")) != nil {
		t.Error("/purged came back")
	}
	if s := c.Disk(); s.Objects != 0 || s.Err != nil {
		t.Errorf("%+v: what the forgotten purges could have meant is still there", s)
	}
	put(t, c, "/new", stored("new"))
	if c = restart(t, c, cfg); c.Open(t.Context(), key("/new")) == nil {
		t.Error("/new is gone")
	}
	if b := c.disk.journal.kept; b > 4*sweepAt {
		t.Errorf("the journal has %d records", b)
	}
}

func TestJournalKeepsWhatIsWholeAndRefusesWhatIsDamaged(t *testing.T) {
	records := []purgeRecord{
		{generation: 1, kind: purgePath, name: "/a"},
		{generation: 2, kind: purgePrefix, soft: true, at: 12345, name: ""},
		{generation: 9, kind: purgeTag, name: strings.Repeat("t", 300)},
		{generation: 10, kind: purgeKinds},
	}
	var b []byte
	ends := map[int]int{0: 0}
	for i, r := range records {
		b = r.append(b)
		ends[len(b)] = i + 1
	}
	last := 0
	for n := range len(b) + 1 {
		if m, ok := ends[n]; ok {
			last = m
		}
		got, _, err := parseJournal(b[:n])
		if err != nil || fmt.Sprint(got) != fmt.Sprint(records[:last]) && last > 0 {
			t.Fatalf("first %d bytes: %v, %v; want %d records", n, got, err, last)
		}
	}
	// No damage looks like a record that lacks its end.
	for i := range b {
		bad := append([]byte(nil), b...)
		bad[i] ^= 0x10
		if got, _, err := parseJournal(bad); err == nil {
			t.Fatalf("byte %d changed: %v, want an error", i, got)
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add(purgeRecord{generation: 1, kind: purgeTag, name: "red"}.append(purgeRecord{generation: 2, soft: true, at: 7, name: "/a"}.append(nil)))
	f.Add([]byte{0, 0, 0, 18, 255, 255, 255, 237})
	f.Fuzz(func(t *testing.T, b []byte) {
		records, whole, err := parseJournal(b)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			again = r.append(again)
		}
		if string(again) != string(b[:whole]) {
			t.Errorf("%x reads as %v, which writes as %x", b[:whole], records, again)
		}
	})
}
