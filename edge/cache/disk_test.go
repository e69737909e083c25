package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// onDisk is a configuration with a disk tier of small segments in dir. Meta are strings.
func onDisk(dir string) Config {
	return Config{
		Dir: dir, DiskBytes: 64 << 20, SegmentBytes: 4 << 20,
		EncodeMeta: func(meta any) ([]byte, error) { return []byte(meta.(string)), nil },
		DecodeMeta: func(b []byte) (any, error) { return string(b), nil },
	}
}

// big is a body that stays on disk; different for every seed.
func big(seed string, n int) string {
	rnd := rand.New(rand.NewPCG(diskHash(seed), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return string(b)
}

// put stores r under k and waits until it is in the files.
func put(t testing.TB, c *Cache, k string, r *Response) {
	t.Helper()
	fetch(t, c, k, give(r))
	c.running.Wait()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// restart closes c and returns a cache on what it left.
func restart(t testing.TB, c *Cache, cfg Config) *Cache {
	t.Helper()
	c.Close()
	return newCache(t, cfg)
}

// segments lists the files of dir.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestStoredResponseSurvivesARestartAsItWas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	now := time.Now()
	cfg := onDisk(dir)
	cfg.Now = func() time.Time { return now }
	for name, body := range map[string]string{"empty": "", "small": "a body", "at the limit": big("a", smallBody), "large": big("b", 3*smallBody)} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, cfg)
			put(t, c, "/"+name, &Response{
				Status: 203, Meta: "the meta", Header: map[string][]string{"A": {""}, "B": {"1", "2: 3"}, "Content-Type": {"image/jpeg"}},
				Body: io.NopCloser(strings.NewReader(body)), Length: -1, TTL: time.Hour, Age: time.Minute,
				Store: true, Share: true, Tags: []string{"red", "round"}, StaleWhileRevalidate: time.Minute, StaleIfError: time.Hour,
			})
			was := c.Find(key("/" + name))
			c = restart(t, c, cfg)
			if e := c.Lookup(key("/" + name)); e != nil {
				t.Error("memory has it after a restart")
			}
			v, err := c.Fetch(t.Context(), key("/"+name), mustNot(t))
			if err != nil {
				t.Fatal(err)
			}
			e := v.Entry
			s, err := read(t.Context(), v)
			if s != body || err != nil || v.How != Hit || e.Length != int64(len(body)) {
				t.Errorf("%d bytes of %d, %v, %v; want %d", len(s), e.Length, err, v.How, len(body))
			}
			if e.Status != 203 || e.Meta != "the meta" || e.Header.Block() != was.Header.Block() || fmt.Sprint(e.Header.Fields()) != fmt.Sprint(was.Header.Fields()) ||
				e.Age(now) != 60 || e.Expires() != was.Expires() || fmt.Sprint(e.tags) != "[red round]" || e.staleWhile != was.staleWhile || e.staleError != was.staleError {
				t.Errorf("got %+v, want %+v", e, was)
			}
			if inMemory := c.Lookup(key("/"+name)) != nil; inMemory != (len(body) <= smallBody) {
				t.Errorf("brought into memory: %v", inMemory)
			}
			c.Close()
		})
	}
	for _, name := range append(segments(t, dir), filepath.Join(dir, "purges"), filepath.Join(dir, "lock"), dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestViewOfABodyOnDiskGivesItsFile(t *testing.T) {
	cfg := onDisk(t.TempDir())
	c := newCache(t, cfg)
	want := big("x", 300<<10)
	put(t, c, "/a", stored(want))
	c = restart(t, c, cfg)
	for range 2 { // from disk, then with what memory has of it
		v := c.Open(t.Context(), key("/a"))
		if v == nil {
			t.Fatal("Open found nothing")
		}
		f, at, n := v.File()
		if f == nil || n != int64(len(want)) || v.Complete() {
			t.Fatalf("File = %v, %d, %d; want %d bytes", f, at, n, len(want))
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, io.NewSectionReader(f, at, n)); err != nil || b.String() != want {
			t.Errorf("the file has %d other bytes, %v", b.Len(), err)
		}
		if !v.Skip(1000) {
			t.Error("Skip did not")
		}
		if s, err := read(t.Context(), v); s != want[1000:] || err != nil {
			t.Errorf("after Skip: %d bytes, %v; want %d", len(s), err, len(want)-1000)
		}
		v.Close()
	}
	if c.Open(t.Context(), key("/b")) != nil {
		t.Error("Open found what is not there")
	}
	if c.Lookup(key("/a")) != nil {
		t.Error("Lookup gave an entry without its body")
	}
	c.PurgePrefix("/")
	if c.Open(t.Context(), key("/a")) != nil {
		t.Error("Open found what was purged")
	}
}

func TestPurgesHoldAfterARestart(t *testing.T) {
	for name, test := range map[string]struct {
		purge func(*Cache)
		soft  bool
	}{
		"path":        {func(c *Cache) { c.Purge("/a") }, false},
		"prefix":      {func(c *Cache) { c.PurgePrefix("/") }, false},
		"tag":         {func(c *Cache) { c.PurgeTag("red") }, false},
		"soft path":   {func(c *Cache) { c.SoftPurge("/a") }, true},
		"soft prefix": {func(c *Cache) { c.SoftPurgePrefix("/a") }, true},
		"soft tag":    {func(c *Cache) { c.SoftPurgeTag("red") }, true},
	} {
		for _, body := range []string{"small", big("large", 2*smallBody)} {
			t.Run(fmt.Sprint(name, " ", len(body)), func(t *testing.T) {
				cfg := onDisk(t.TempDir())
				c := newCache(t, cfg)
				put(t, c, "/a", tagged(body, "red"))
				test.purge(c)
				c = restart(t, c, cfg)
				c = restart(t, c, cfg) // the second one has the journal that the first one opened
				if v := c.Open(t.Context(), key("/a")); v != nil {
					t.Error("Open found what was purged")
				}
				_, how := fetch(t, c, "/a", func(_ context.Context, stale *Entry) (*Response, error) {
					if (stale != nil) != test.soft {
						t.Errorf("stale is %v", stale)
					}
					return tagged("new", "red"), nil
				})
				if how != Filled {
					t.Errorf("%v, want Filled", how)
				}
				c.running.Wait()
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				c = restart(t, c, cfg)
				if s, how := fetch(t, c, "/a", mustNot(t)); s != "new" || how != Hit {
					t.Errorf("what came after the purge: %q, %v; want new, Hit", s, how)
				}
			})
		}
	}
}

func TestWhatReplacesOrVoidsAResponseDoesSoAfterARestart(t *testing.T) {
	now := time.Now()
	cfg := onDisk(t.TempDir())
	cfg.Now = func() time.Time { return now }
	c := newCache(t, cfg)
	for _, k := range []string{"/replaced", "/voided", "/private", "/refreshed"} {
		put(t, c, k, stored(big(k, 2*smallBody)))
	}
	c = restart(t, c, cfg)
	now = now.Add(time.Hour)
	put(t, c, "/replaced", stored("new"))
	put(t, c, "/voided", &Response{Status: 403, Share: true})
	put(t, c, "/private", &Response{Status: 200, Body: io.NopCloser(strings.NewReader("mine")), Length: 4})
	// A body that is nowhere but on disk is written anew under its new header.
	s, how := fetch(t, c, "/refreshed", func(_ context.Context, stale *Entry) (*Response, error) {
		return &Response{Status: 200, Header: map[string][]string{"X": {"2"}}, Reuse: stale, TTL: time.Hour, Store: true, Share: true}, nil
	})
	if s != big("/refreshed", 2*smallBody) || how != Refreshed {
		t.Errorf("refreshed: %d bytes, %v", len(s), how)
	}
	c.running.Wait()
	c = restart(t, c, cfg)
	if s, how := fetch(t, c, "/replaced", mustNot(t)); s != "new" || how != Hit {
		t.Errorf("replaced: %d bytes, %v; want new", len(s), how)
	}
	for _, k := range []string{"/voided", "/private"} {
		fetch(t, c, k, func(_ context.Context, stale *Entry) (*Response, error) {
			if stale != nil {
				t.Errorf("%s came back as stale", k)
			}
			return stored("x"), nil
		})
	}
	v := c.Open(t.Context(), key("/refreshed"))
	if v == nil {
		t.Fatal("what was refreshed is not there")
	}
	if x := v.Entry.Header.Get("X"); x != "2" {
		t.Errorf("refreshed header has X %q, want 2", x)
	}
	if s, err := read(t.Context(), v); s != big("/refreshed", 2*smallBody) || err != nil {
		t.Errorf("refreshed: %d bytes, %v", len(s), err)
	}
}

func TestDiskStaysWithinItsBoundAndKeepsWhatIsUsed(t *testing.T) {
	cfg := onDisk(t.TempDir())
	cfg.Bytes, cfg.DiskBytes, cfg.SegmentBytes = 1<<20, 8<<20, 1<<20
	c := newCache(t, cfg)
	body := big("x", 70<<10) // stays on disk
	name := func(i int) string { return fmt.Sprint("/", i) }
	put(t, c, "/hot", stored(body))
	for i := range 600 {
		put(t, c, name(i), stored(body))
		if v := c.Open(t.Context(), key("/hot")); v == nil {
			t.Fatalf("what was used is gone after %d others", i)
		} else {
			v.Close()
		}
		if n := c.Disk().Bytes; n > cfg.DiskBytes {
			t.Fatalf("%d bytes on disk, the bound is %d", n, cfg.DiskBytes)
		}
	}
	stats := c.Disk()
	if stats.Objects < 60 || stats.Objects > 120 || stats.Moved == 0 || stats.Err != nil || stats.Bytes < cfg.DiskBytes/2 {
		t.Errorf("after 42 MB through 8 MiB: %+v", stats)
	}
	c = restart(t, c, cfg)
	if got := c.Disk(); got.Objects != stats.Objects {
		t.Errorf("%d objects after a restart, %d before", got.Objects, stats.Objects)
	}
	if v := c.Open(t.Context(), key(name(599))); v == nil {
		t.Error("the newest is gone")
	} else if s, err := read(t.Context(), v); s != body || err != nil {
		t.Errorf("the newest has %d bytes, %v", len(s), err)
	}
	if v := c.Open(t.Context(), key(name(0))); v != nil {
		t.Error("the oldest is there")
	}
	cfg.DiskBytes /= 4
	c = restart(t, c, cfg)
	if n := c.Disk().Bytes; n > cfg.DiskBytes {
		t.Errorf("%d bytes on disk after a restart with a bound of %d", n, cfg.DiskBytes)
	}
}

func TestReaderKeepsTheFileThatIsDropped(t *testing.T) {
	cfg := onDisk(t.TempDir())
	cfg.Bytes, cfg.MaxObject, cfg.DiskBytes, cfg.SegmentBytes = 1<<20, 1<<19, 4<<20, 1<<20
	c := newCache(t, cfg)
	want := big("first", 300<<10)
	put(t, c, "/first", stored(want))
	c = restart(t, c, cfg)
	v := c.Open(t.Context(), key("/first"))
	if v == nil {
		t.Fatal("not there")
	}
	file := v.file
	first, err := v.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := string(first)
	for i := range 40 {
		put(t, c, fmt.Sprint("/", i), stored(big(fmt.Sprint(i), 300<<10)))
	}
	if !file.dropped.Load() {
		t.Fatal("the segment is still there: the test shows nothing")
	}
	rest, err := read(t.Context(), v)
	if got += rest; got != want || err != nil {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	if n := file.refs.Load(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
	if s, _ := fetch(t, c, "/first", give(stored("new"))); s != "new" && s != want {
		t.Errorf("afterwards: %d bytes", len(s))
	}
}

func TestDiskThatFailsTurnsOffAndTheCacheGoesOn(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func(f *os.File, b []byte, at int64) error
	}{
		{"full at once", func(*os.File, []byte, int64) error { return syscall.ENOSPC }},
		{"full in the middle of a record", func(f *os.File, b []byte, at int64) error {
			_, _ = f.WriteAt(b[:len(b)/2], at)
			return syscall.ENOSPC
		}},
		{"broken", func(*os.File, []byte, int64) error { return syscall.EIO }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			cfg := onDisk(t.TempDir())
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			c := newCache(t, cfg)
			put(t, c, "/before", stored(big("before", 2*smallBody)))
			c.disk.write = test.write // the writer is idle
			for i := range 10 {
				k := fmt.Sprint("/", i)
				fetch(t, c, k, give(stored("x")))
				c.running.Wait()
				if err := c.Flush(); err != nil {
					t.Error(err)
				}
				if s, how := fetch(t, c, k, mustNot(t)); s != "x" || how != Hit {
					t.Errorf("%s: %q, %v", k, s, how)
				}
			}
			c.Close() // the writer logs
			if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "disk cache is off") {
				t.Errorf("%d log lines: %s", n, log.String())
			}
			if err := c.Disk().Err; err == nil {
				t.Error("Disk has no error")
			}
			if c.disk.on() {
				t.Error("the tier is on")
			}
			// What was whole is there at the next start.
			c = newCache(t, cfg)
			if s, how := fetch(t, c, "/before", mustNot(t)); s != big("before", 2*smallBody) || how != Hit {
				t.Errorf("before: %d bytes, %v", len(s), how)
			}
			for i := range 10 {
				if v := c.Open(t.Context(), key(fmt.Sprint("/", i))); v != nil {
					t.Errorf("/%d is there", i)
				}
			}
		})
	}
}

func TestPurgeThatCannotBeNotedTakesTheFilesAlong(t *testing.T) {
	cfg := onDisk(t.TempDir())
	c := newCache(t, cfg)
	put(t, c, "/a", stored("a"))
	c.disk.journal.file.Close() // the next write fails
	c.Purge("/a")
	if names := segments(t, cfg.Dir); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
	if c.Lookup(key("/a")) != nil {
		t.Error("memory has it")
	}
	c = restart(t, c, cfg)
	if v := c.Open(t.Context(), key("/a")); v != nil {
		t.Error("it came back")
	}
	put(t, c, "/a", stored("b"))
	if n := c.Disk().Objects; n != 1 {
		t.Errorf("%d objects after a new start, want 1", n)
	}
}

func TestDiskWithoutASoundJournalBeginsAnew(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t.TempDir())
			c := newCache(t, cfg)
			put(t, c, "/a", stored("a"))
			c.Purge("/a")
			c.Close()
			if err := harm(filepath.Join(cfg.Dir, "purges")); err != nil {
				t.Fatal(err)
			}
			c = newCache(t, cfg)
			if v := c.Open(t.Context(), key("/a")); v != nil {
				t.Error("what was purged came back")
			}
			if s := c.Disk(); s.Objects != 0 || s.Err != nil {
				t.Errorf("%+v, want an empty tier that works", s)
			}
		})
	}
}

func TestDirectoryIsForOneProcess(t *testing.T) {
	var log bytes.Buffer
	cfg := onDisk(t.TempDir())
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	first := newCache(t, cfg)
	put(t, first, "/a", stored("a"))
	second := newCache(t, cfg)
	if err := second.Disk().Err; err == nil || !strings.Contains(err.Error(), "another process") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("second on the directory: %v, log %q", err, log.String())
	}
	if s, how := fetch(t, second, "/a", give(stored("b"))); s != "b" || how != Filled {
		t.Errorf("second: %q, %v", s, how)
	}
	second.Close()
	if v := first.Open(t.Context(), key("/a")); v == nil || first.Disk().Err != nil {
		t.Error("the first was disturbed")
	}
	c := restart(t, first, cfg)
	if err := c.Disk().Err; err != nil {
		t.Errorf("after the first was closed: %v", err)
	}
}

func TestResponseWhoseMetaHasNoBytesIsNotWritten(t *testing.T) {
	cfg := onDisk(t.TempDir())
	cfg.EncodeMeta = func(meta any) ([]byte, error) {
		if meta == "bad" {
			return nil, errors.New("no bytes")
		}
		return []byte("x"), nil
	}
	c := newCache(t, cfg)
	for _, meta := range []any{nil, "good", "bad"} {
		r := stored("x")
		r.Meta = meta
		put(t, c, fmt.Sprint("/", meta), r)
	}
	if n := c.Disk().Objects; n != 2 {
		t.Errorf("%d objects, want those without Meta and with a good one", n)
	}
}

func TestFullQueueHoldsUpNobody(t *testing.T) {
	cfg := onDisk(t.TempDir())
	c := newCache(t, cfg)
	put(t, c, "/warm", stored("x"))
	block, blocked := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.disk.write = func(f *os.File, b []byte, at int64) error {
		once.Do(func() { close(blocked) })
		<-block
		_, err := f.WriteAt(b, at)
		return err
	}
	fetch(t, c, "/first", give(stored("x")))
	<-blocked
	n := queueLength + 100
	for i := range n {
		fetch(t, c, fmt.Sprint("/", i), give(stored("x")))
	}
	c.running.Wait()
	if got := c.Disk().Unwritten; got != 100 {
		t.Errorf("%d were not written, want 100", got)
	}
	close(block)
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := c.Disk().Objects; got != queueLength+2 {
		t.Errorf("%d objects, want %d", got, queueLength+2)
	}
}

// The view is all that a hit on a body in a file may cost. Measured 2026-11-26: 1.
func TestOpenOfABodyInAFileAllocatesItsView(t *testing.T) {
	cfg := onDisk(t.TempDir())
	c := newCache(t, cfg)
	put(t, c, "/a", stored(big("a", 2*smallBody)))
	c = restart(t, c, cfg)
	k := key("/a")
	if n := testing.AllocsPerRun(1000, func() {
		v := c.Open(context.Background(), k)
		if f, _, _ := v.File(); f == nil {
			t.Fatal("not in a file")
		}
		v.Close()
	}); n > 1 {
		t.Errorf("Open allocates %v times, want 1", n)
	}
}

func BenchmarkOpenFile(b *testing.B) {
	cfg := onDisk(b.TempDir())
	c := newCache(b, cfg)
	put(b, c, "/a", stored(big("a", 2*smallBody)))
	c = restart(b, c, cfg)
	k := key("/a")
	b.ReportAllocs()
	for b.Loop() {
		c.Open(context.Background(), k).Close()
	}
}
