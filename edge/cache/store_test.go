package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPurgeReachesStoredResponsesByPathAndPrefix(t *testing.T) {
	for _, test := range []struct {
		purge  string
		prefix bool
		gone   string // of /a, /a variant, /a?x, /b/c
	}{
		{"/a", false, "a, a2"},
		{"/a?x", false, "ax"},
		{"/a", true, "a, a2, ax"},
		{"/b/", true, "bc"},
		{"/", true, "a, a2, ax, bc"},
		{"", true, "a, a2, ax, bc"},
		{"/A", true, ""},
		{"/b", false, ""},
	} {
		c := newCache(t, Config{})
		keys := map[string]Key{"a": key("/a"), "a2": {Bytes: []byte("/a\x00gzip"), Path: 2}, "ax": key("/a?x"), "bc": key("/b/c")}
		for name, k := range keys {
			store(t, c, k, name)
		}
		if test.prefix {
			c.PurgePrefix(test.purge)
		} else {
			c.Purge(test.purge)
		}
		for range 2 { // the second time past the short cut
			var gone []string
			for _, name := range []string{"a", "a2", "ax", "bc"} {
				if c.Lookup(keys[name]) == nil {
					gone = append(gone, name)
				}
			}
			if got := strings.Join(gone, ", "); got != test.gone {
				t.Errorf("purge of %q, prefix %v: gone %q, want %q", test.purge, test.prefix, got, test.gone)
			}
		}
		for name, k := range keys {
			store(t, c, k, name)
			if c.Lookup(k) == nil {
				t.Errorf("purge of %q: %s cannot be stored anew", test.purge, name)
			}
		}
	}
}

// store puts body under k and waits until it is there.
func store(t testing.TB, c *Cache, k Key, body string) {
	t.Helper()
	v, err := c.Fetch(t.Context(), k, give(stored(body)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t.Context(), v); err != nil {
		t.Fatal(err)
	}
}

func TestPurgeReachesFillsUnderWay(t *testing.T) {
	for _, test := range []struct {
		name  string
		purge func(*Cache)
	}{
		{"by path", func(c *Cache) { c.Purge("/a") }},
		{"by prefix", func(c *Cache) { c.PurgePrefix("/") }},
		{"by path, forgotten by a sweep since", func(c *Cache) {
			c.Purge("/a")
			for i := range sweepAt + 1 {
				c.Purge(fmt.Sprint("/other", i))
			}
			synctest.Wait()
			if n := c.purges.len(); n > 1 {
				panic(fmt.Sprintf("%d purges are left after a sweep", n))
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, when := range []string{"before its header", "while its body arrives"} {
				synctest.Test(t, func(t *testing.T) {
					c := New(Config{})
					defer c.Close()
					header, rest := make(chan struct{}), make(chan struct{})
					before := make(chan string, 1)
					go func() {
						s, _ := fetch(t, c, "/a", func(context.Context, *Entry) (*Response, error) {
							<-header
							r := stored("old")
							r.Body = io.NopCloser(&funcReader{func([]byte) (int, error) { <-rest; return 0, io.EOF }, strings.NewReader("old")})
							return r, nil
						})
						before <- s
					}()
					synctest.Wait()
					if when != "before its header" {
						close(header)
						synctest.Wait()
					}
					test.purge(c)
					if s, how := fetch(t, c, "/a", give(stored("new"))); s != "new" || how != Filled {
						t.Errorf("%s: a request after the purge got %q, %v", when, s, how)
					}
					if when == "before its header" {
						close(header)
					}
					close(rest)
					if s := <-before; s != "old" {
						t.Errorf("%s: the request before the purge got %q", when, s)
					}
					synctest.Wait()
					if e := c.Lookup(key("/a")); e == nil || string(e.Body) != "new" {
						t.Errorf("%s: stored %v, want what was fetched after the purge", when, e)
					}
				})
			}
		})
	}
}

// funcReader reads first and then calls then.
type funcReader struct {
	then  func([]byte) (int, error)
	first io.Reader
}

func (r *funcReader) Read(p []byte) (int, error) {
	if n, err := r.first.Read(p); err == nil {
		return n, nil
	}
	return r.then(p)
}

func TestSweepKeepsWhatWasNotPurged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		store(t, c, key("/keep"), "keep")
		store(t, c, key("/go"), "go")
		synctest.Wait()
		c.Purge("/go")
		for i := range sweepAt + 1 {
			c.PurgePrefix(fmt.Sprint("/other", i))
		}
		synctest.Wait()
		if n := c.purges.len(); n > 2 {
			t.Errorf("%d purges are left after a sweep", n)
		}
		if c.Lookup(key("/keep")) == nil || c.Lookup(key("/go")) != nil || c.Len() != 1 {
			t.Errorf("%d entries are left, want /keep", c.Len())
		}
	})
}

func TestStoredBytesNeverPassTheBound(t *testing.T) {
	const bound = 1 << 20
	c := newCache(t, Config{Bytes: bound, MaxObject: bound})
	rnd := rand.New(rand.NewPCG(1, 2))
	sizes := make([]int, 400)
	for i := range sizes {
		sizes[i] = rnd.IntN(bound / 8)
	}
	sizes[7] = bound // with its header it is larger than the whole cache
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i, size := range sizes {
				v, err := c.Fetch(context.Background(), key(fmt.Sprint(w%4, "/", i)), give(stored(strings.Repeat("x", size))))
				if err != nil {
					t.Error(err)
					return
				}
				if s, err := read(context.Background(), v); err != nil || len(s) != size {
					t.Errorf("%d bytes, %v; want %d", len(s), err, size)
				}
				if used := c.Used(); used > bound {
					t.Errorf("%d bytes are stored, the bound is %d", used, bound)
				}
			}
		})
	}
	wg.Wait()
	c.running.Wait()
	var sum int64
	for i := range c.shards {
		for e := range c.shards[i].entries.all() {
			sum += e.charge()
		}
	}
	if sum != c.Used() || sum < bound/2 {
		t.Errorf("entries have %d bytes, Used says %d, of %d", sum, c.Used(), bound)
	}
}

func TestBodiesOnTheirWayCountAndThoseWithoutRoomArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bound = 1 << 20
		c := New(Config{Bytes: bound, MaxObject: bound / 2})
		defer c.Close()
		release := make(chan struct{})
		body := strings.Repeat("x", bound/3)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				s, _ := fetch(t, c, fmt.Sprint("/", i), func(context.Context, *Entry) (*Response, error) {
					r := stored(body)
					r.Body = io.NopCloser(&funcReader{func([]byte) (int, error) { <-release; return 0, io.EOF }, strings.NewReader(body)})
					if i%2 == 1 {
						r.Length = -1
					}
					return r, nil
				})
				if s != body {
					t.Errorf("%d bytes, want %d", len(s), len(body))
				}
			})
		}
		synctest.Wait()
		if used := c.Used(); used > bound || used < bound/3 {
			t.Errorf("%d bytes are in use by bodies on their way, the bound is %d", used, bound)
		}
		close(release)
		wg.Wait()
		synctest.Wait()
		if n := c.Len(); n < 1 || n > 2 {
			t.Errorf("%d bodies are stored, want 1 or 2 of a third of the bound each", n)
		}
		var sum int64
		for i := range c.shards {
			for e := range c.shards[i].entries.all() {
				sum += e.size
			}
		}
		if sum != c.Used() {
			t.Errorf("entries have %d bytes, Used says %d", sum, c.Used())
		}
	})
}

func TestScanDoesNotWashOutWhatIsUsed(t *testing.T) {
	c := newCache(t, Config{Bytes: 4 << 20})
	hot := func(i int) Key { return key(fmt.Sprint("/hot", i)) }
	body := strings.Repeat("x", 1000)
	for i := range 200 {
		store(t, c, hot(i), body)
	}
	c.running.Wait()
	for range 3 {
		for i := range 200 {
			c.Lookup(hot(i))
		}
	}
	for i := range 20000 {
		store(t, c, key(fmt.Sprint("/scan", i)), body)
		if i%4000 == 0 { // more than fits: the least recently used rule would lose them all
			for i := range 200 {
				c.Lookup(hot(i))
			}
		}
	}
	c.running.Wait()
	if n := c.Len(); n > 4000 {
		t.Fatalf("%d entries fit, the scan is too small for this test", n)
	}
	left := 0
	for i := range 200 {
		if c.Lookup(hot(i)) != nil {
			left++
		}
	}
	if left < 190 {
		t.Errorf("%d of 200 hot entries are left after a scan of five times the cache, want 190", left)
	}
}

func TestBodyThatIsTooLargeIsPassedOnAndNotStored(t *testing.T) {
	const most = 64 << 10
	want := bytes.Repeat([]byte("0123456789abcdef"), 10*most/16)
	for _, length := range []int64{-1, int64(len(want))} {
		t.Run(fmt.Sprint("length ", length), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Config{MaxObject: most})
				defer c.Close()
				var fills int
				do := func(context.Context, *Entry) (*Response, error) {
					fills++
					time.Sleep(time.Second)
					r := stored("")
					r.Body, r.Length = io.NopCloser(bytes.NewReader(want)), length
					return r, nil
				}
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						if s, _ := fetch(t, c, "/big", do); s != string(want) {
							t.Errorf("%d bytes, want %d", len(s), len(want))
						}
					})
				}
				wg.Wait()
				synctest.Wait()
				if fills != 1 || c.Len() != 0 || c.Used() != 0 {
					t.Errorf("%d fills, %d entries, %d bytes; want 1, 0, 0", fills, c.Len(), c.Used())
				}
			})
		})
	}
}

func TestReaderOfAPassedBodyThatFallsTooFarBehindIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 1 << 20
		c := New(Config{MaxObject: most})
		defer c.Close()
		produced := 0
		do := func(context.Context, *Entry) (*Response, error) {
			time.Sleep(time.Second)
			r := stored("")
			r.Length = 100 * most
			r.Body = io.NopCloser(&funcReader{func(p []byte) (int, error) {
				n := min(len(p), 100*most-produced)
				if produced += n; n == 0 {
					return 0, io.EOF
				}
				return n, nil
			}, strings.NewReader("")})
			return r, nil
		}
		var fast, slow *View
		var wg sync.WaitGroup
		for _, v := range []**View{&fast, &slow} {
			wg.Go(func() {
				var err error
				if *v, err = c.Fetch(t.Context(), key("/big"), do); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if produced > 2*passAhead {
			t.Errorf("%d bytes were fetched before anybody read", produced)
		}
		if _, err := slow.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			b, err := fast.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			n += len(b)
			fast.body.mu.Lock()
			held := len(fast.body.chunks) * (passAhead / 4)
			fast.body.mu.Unlock()
			if held > 2*most {
				t.Fatalf("%d bytes are held, the window is %d", held, most)
			}
		}
		if n != 100*most {
			t.Errorf("the fast reader got %d bytes, want %d", n, 100*most)
		}
		var err error
		for err == nil {
			_, err = slow.Next(t.Context())
		}
		if !errors.Is(err, ErrTooSlow) {
			t.Errorf("the slow reader got %v, want ErrTooSlow", err)
		}
		fast.Close()
		slow.Close()
	})
}

func TestStoredResponseThatCanNoLongerBeStoredIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{})
		defer c.Close()
		store(t, c, key("/a"), "old")
		time.Sleep(time.Hour)
		fetch(t, c, "/a", give(&Response{Status: 403, Share: true}))
		synctest.Wait()
		fetch(t, c, "/a", func(_ context.Context, stale *Entry) (*Response, error) {
			if stale != nil {
				t.Errorf("stale = %q after a 403 replaced it", stale.Body)
			}
			return stored("new"), nil
		})
	})
}

func TestLookupAllocatesNothing(t *testing.T) {
	c := newCache(t, Config{})
	store(t, c, key("/a"), "body")
	c.running.Wait()
	k := key("/a")
	if n := testing.AllocsPerRun(1000, func() {
		if c.Lookup(k) == nil {
			t.Fatal("not stored")
		}
	}); n != 0 {
		t.Errorf("Lookup allocates %v times, want 0", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprint("entries=", n), func(b *testing.B) {
			c := newCache(b, Config{Bytes: 1 << 30})
			keys := make([]Key, n)
			for i := range keys {
				keys[i] = key(fmt.Sprintf("dabcdefghijklm.cloudfront.net/images/%d.jpg\x00\x00br,gzip", i))
				store(b, c, keys[i], "x")
			}
			c.running.Wait()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if c.Lookup(keys[i]) == nil {
					b.Fatal("not stored")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

func BenchmarkPurge(b *testing.B) {
	c := newCache(b, Config{Bytes: 1 << 30})
	for i := range 100000 {
		store(b, c, key(fmt.Sprint("/", i)), "x")
	}
	c.running.Wait()
	for b.Loop() {
		c.PurgePrefix("/images/")
	}
}
