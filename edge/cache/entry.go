package cache

import (
	"sort"
	"strings"
	"sync/atomic"
	"time"
)

// Entry is a stored response, or the header of one that is still arriving. It is immutable; its body is nil while it
// arrives, and for good in a response that is not stored.
type Entry struct {
	// What Lookup reads comes first, so that it is in one line of the processor's cache.
	key     string
	expires int64         // until then it is given without asking; Unix nanoseconds
	seen    atomic.Uint64 // the purge generation up to which it is known to be untouched
	softAt  atomic.Int64  // when a soft purge reached it, Unix nanoseconds; 0: none did
	uses    atomic.Uint32 // recent uses that its shard's counts do not have yet, 0 to mostCounted
	marker  bool          // there is no response, only aloneUntil
	extent  extent        // where the body is, if it is in a file

	Status int
	Header Header
	// Meta is what Response.Meta was.
	Meta any
	// Body is the whole body once the entry is stored in memory, nil when it is in a file. Nobody may write to it.
	Body []byte
	// Length is the body's length in bytes, -1 while it is unknown.
	Length int64

	path       int
	since      int64 // when its age was 0, in Unix nanoseconds
	tags       []string
	lapsed     int64 // when it stops being fresh: expires, or earlier when it was kept beyond that
	staleWhile int64 // Response.StaleWhileRevalidate, nanoseconds
	staleError int64 // Response.StaleIfError, nanoseconds
	aloneUntil int64 // until then its key's requests do not wait for each other; Unix nanoseconds
	size       int64 // bytes charged
	stamp      uint64
	retry      atomic.Int64 // its refresh failed, and the next is not tried before; Unix nanoseconds, 0: it did not fail

	// The queue that the entry is in; guarded by its shard's mu.
	prev, next *Entry
	in         *queue
	hash       uint64
}

// Age is how old the response is at now, in whole seconds, never negative (RFC 9111, section 4.2.3).
func (e *Entry) Age(now time.Time) int64 { return max(0, (now.UnixNano()-e.since)/int64(time.Second)) }

// Since is when its age was 0.
func (e *Entry) Since() time.Time { return time.Unix(0, e.since) }

// Expires is when the entry stops being fresh.
func (e *Entry) Expires() time.Time { return time.Unix(0, e.expires) }

// withBody returns e with a body, to be stored.
func (e *Entry) withBody(body []byte) *Entry {
	return &Entry{
		Status: e.Status, Header: e.Header, Meta: e.Meta, Body: body, Length: int64(len(body)),
		key: e.key, path: e.path, tags: e.tags, hash: e.hash, stamp: e.stamp, since: e.since, expires: e.expires, lapsed: e.lapsed,
		staleWhile: e.staleWhile, staleError: e.staleError, aloneUntil: e.aloneUntil,
	}
}

// same reports whether e is what other is, its body perhaps moved to a file meanwhile.
func (e *Entry) same(other *Entry) bool {
	return e == other || e.stamp == other.stamp && e.since == other.since && e.expires == other.expires && e.Header.block == other.Header.block
}

// fresh reports whether e may be given without asking.
func (e *Entry) fresh(now int64) bool { return now < e.expires && e.softAt.Load() == 0 }

// inMemory reports whether Body is the body.
func (e *Entry) inMemory() bool { return e.extent.segment == nil }

// gone reports whether the file that the body is in was dropped.
func (e *Entry) gone() bool { return e.extent.segment != nil && e.extent.segment.dropped.Load() }

// touch counts a use. It writes only while there is something to write, so a hot entry costs other cores nothing.
func (e *Entry) touch() {
	if n := e.uses.Load(); n < mostCounted {
		e.uses.CompareAndSwap(n, n+1)
	}
}

// overhead is charged for each entry: the struct, its map slot and its share of the sketch.
const overhead = 512

func (e *Entry) charge() int64 {
	n := int64(len(e.Body)) + int64(len(e.Header.block)) + int64(len(e.Header.fields))*64 + int64(len(e.key)) + overhead
	for _, tag := range e.tags {
		n += int64(len(tag)) + 16
	}
	return n
}

// Header is an immutable header, kept as the lines of HTTP/1.1 and as fields that point into them.
type Header struct {
	block  string
	fields []Field
}

// Field is one header name with its values, one for each line. Nobody may write to Values.
type Field struct {
	Name   string
	Values []string
}

// NewHeader copies h. Names are taken as they are; they come out sorted.
func NewHeader(h map[string][]string) Header {
	names := make([]string, 0, len(h))
	lines := 0
	for name, values := range h {
		names = append(names, name)
		lines += len(values)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, name := range names {
		for _, value := range h[name] {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	out := Header{block: b.String(), fields: make([]Field, 0, len(names))}
	all := make([]string, 0, lines)
	at := 0
	for _, name := range names {
		first := len(all)
		field := Field{}
		for _, value := range h[name] {
			field.Name = out.block[at : at+len(name)]
			at += len(name) + 2
			all = append(all, out.block[at:at+len(value)])
			at += len(value) + 2
		}
		if len(all) == first {
			continue
		}
		field.Values = all[first:len(all):len(all)]
		out.fields = append(out.fields, field)
	}
	return out
}

// Block returns the header as HTTP/1.1 writes it: lines of "Name: value\r\n", without the empty line.
func (h Header) Block() string { return h.block }

// Fields returns the header by name. Nobody may write to it.
func (h Header) Fields() []Field { return h.fields }

// Get returns the first value of name, or "". Names compare exactly.
func (h Header) Get(name string) string {
	for i := range h.fields {
		if h.fields[i].Name == name {
			return h.fields[i].Values[0]
		}
	}
	return ""
}

// Map copies the header into a map.
func (h Header) Map() map[string][]string {
	m := make(map[string][]string, len(h.fields))
	for _, f := range h.fields {
		m[f.Name] = append([]string(nil), f.Values...)
	}
	return m
}
