package cache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// written returns a segment file with a few records, with its contents at the end or without, and what keys have which
// body.
func written(t testing.TB, finished bool) (b []byte, bodies map[string]string) {
	t.Helper()
	cfg := onDisk(t.TempDir())
	c := New(cfg)
	bodies = map[string]string{"/a": "a", "/b": "", "/c": big("c", 1000), "/d": big("d", smallBody+1), "/e": "e"}
	for _, k := range []string{"/a", "/b", "/c", "/d", "/e"} {
		r := tagged(bodies[k], "tag")
		r.Meta = "meta of " + k
		put(t, c, k, r)
	}
	c.disk.remove("/e")
	c.disk.settle()
	delete(bodies, "/e")
	name := segments(t, cfg.Dir)[0]
	if finished {
		c.Close()
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	return b, bodies
}

// from returns a cache on a directory that has b as its only segment, and an empty journal.
func from(t testing.TB, b []byte) *Cache {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{fmt.Sprintf("%010d%s", 1, segmentSuffix): b, "purges": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return newCache(t, onDisk(dir))
}

// found counts those of bodies that c has, and fails if one of them is another.
func found(t testing.TB, c *Cache, bodies map[string]string, when string) int {
	t.Helper()
	n := 0
	for k, want := range bodies {
		v := c.Open(t.Context(), key(k))
		if v == nil {
			continue
		}
		n++
		if s, err := read(t.Context(), v); err != nil || s != want {
			t.Fatalf("%s: %s has %d bytes, %v; want %d", when, k, len(s), err, len(want))
		}
		if v.Entry.Meta != "meta of "+k || v.Entry.Header.Get("Content-Type") != "text/plain" {
			t.Fatalf("%s: %s has another header: %+v", when, k, v.Entry)
		}
	}
	if v := c.Open(t.Context(), key("/e")); v != nil && when != "torn" {
		t.Fatalf("%s: /e is there, which was voided", when)
	}
	return n
}

func TestSegmentIsFoundWithAndWithoutItsContents(t *testing.T) {
	for _, finished := range []bool{true, false} {
		b, bodies := written(t, finished)
		c := from(t, b)
		if n := found(t, c, bodies, "whole"); n != len(bodies) {
			t.Errorf("finished %v: %d found, want %d", finished, n, len(bodies))
		}
		c.Close()
	}
}

// A process that is killed leaves a file that ends anywhere.
func TestTornTailIsDiscarded(t *testing.T) {
	b, bodies := written(t, false)
	r := segment{id: 1}
	if err := r.read(bytes.NewReader(b), int64(len(b))); err != nil || len(r.contents) != 6 {
		t.Fatalf("%d records, %v; want 6", len(r.contents), err)
	}
	for i, c := range r.contents {
		for _, cut := range []int64{0, 1, recordFixed - 1, recordFixed + 5, c.bytes() - 1} {
			if cut >= c.bytes() {
				continue
			}
			torn := from(t, b[:int64(c.offset)+cut])
			if n := found(t, torn, bodies, "torn"); n != min(i, len(bodies)) {
				t.Errorf("cut at %d of record %d: %d found, want %d", cut, i, n, min(i, len(bodies)))
			}
			// What is written after it is found too.
			put(t, torn, "/new", stored("new"))
			if torn = restart(t, torn, torn.cfg); torn.Open(t.Context(), key("/new")) == nil {
				t.Errorf("cut at %d of record %d: what was written afterwards is not there", cut, i)
			}
			torn.Close()
		}
	}
}

// After a power failure there may be anything in a file.
func TestDamagedRecordIsNeverGiven(t *testing.T) {
	for _, finished := range []bool{true, false} {
		b, bodies := written(t, finished)
		lost := 0
		for at := 0; at < len(b); at += 1 + len(b)/80 {
			for _, harm := range []func([]byte){
				func(p []byte) { p[0] ^= 0x40 },
				func(p []byte) { clear(p[:min(len(p), 512)]) },
			} {
				bad := bytes.Clone(b)
				harm(bad[at:])
				c := from(t, bad)
				lost += len(bodies) - found(t, c, bodies, fmt.Sprintf("finished %v, byte %d", finished, at))
				c.Close()
			}
		}
		if lost == 0 {
			t.Error("nothing was lost: the test shows nothing")
		}
	}
}

func TestRecordOfAnotherKeyWithTheSameHashIsNotGiven(t *testing.T) {
	c := newCache(t, onDisk(t.TempDir()))
	put(t, c, "/a", stored("a"))
	at, _ := c.disk.index.get(diskHash("/a"))
	c.disk.index.set(diskHash("/b"), at)
	if v := c.Open(t.Context(), key("/b")); v != nil {
		t.Errorf("/b is %q", v.Entry.Body)
	}
}

func FuzzSegment(f *testing.F) {
	for _, finished := range []bool{true, false} {
		b, _ := written(f, finished)
		// Without the large body, so that the input stays small.
		f.Add(b[:2000])
		f.Add(append(b[:1500:1500], b[len(b)-200:]...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := segment{id: 1}
		if s.read(bytes.NewReader(b), int64(len(b))) != nil {
			return
		}
		at := int64(segmentHead)
		for _, c := range s.contents {
			if int64(c.offset) != at {
				t.Fatalf("record at %d, want %d", c.offset, at)
			}
			at += c.bytes()
		}
		if at > s.end || s.end > int64(len(b)) {
			t.Fatalf("records end at %d, data at %d of %d", at, s.end, len(b))
		}
	})
}

func FuzzRecord(f *testing.F) {
	h := NewHeader(map[string][]string{"A": {"1", ""}, "Content-Type": {"image/jpeg"}})
	e := &Entry{Status: 200, Header: h, key: "/a\x00gzip", path: 2, tags: []string{"red"}, since: -1, expires: 1 << 60}
	head := appendHead(make([]byte, recordFixed), e, []byte("meta"))
	r := record{hash: 1, stamp: 2, head: uint32(len(head) - recordFixed)}
	r.seal(head)
	f.Add(head)
	f.Add(appendHead(make([]byte, recordFixed), &Entry{}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseRecord(b); ok && int64(len(b)) >= recordFixed+int64(r.head) {
			again := bytes.Clone(b[:recordFixed+r.head])
			w := r
			w.seal(again)
			if r.check(b) && !bytes.Equal(again[:recordFixed], b[:recordFixed]) {
				t.Errorf("%x reads as %+v, which writes as %x", b[:recordFixed], r, again[:recordFixed])
			}
		}
		if len(b) < recordFixed {
			return
		}
		e, meta, err := parseHead(b[recordFixed:])
		if err != nil {
			return
		}
		// What it is must be what it would be written as, but for numbers that were written longer than need be.
		again := appendHead(nil, e, meta)
		e2, meta2, err := parseHead(again)
		if err != nil || !bytes.Equal(meta, meta2) || fmt.Sprint(e.Header) != fmt.Sprint(e2.Header) || e.key != e2.key {
			t.Errorf("%x reads as %+v, which writes as %x: %v", b[recordFixed:], e, again, err)
		}
		for _, field := range e.Header.Fields() {
			if len(field.Values) == 0 || len(field.Name) > len(b) {
				t.Errorf("field %+v", field)
			}
		}
		_ = e.Header.Get("X")
		if n, size := binary.Varint(b[recordFixed+1:]); size <= 0 || int(n) != e.Status {
			t.Errorf("status %d, want %d", e.Status, n)
		}
	})
}
