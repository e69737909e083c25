package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A record is a stored response in a segment file: a fixed part, a head of varying length, and the body behind it, so
// that a body is one range of the file. All numbers are big-endian.
//
//	 0  magic
//	 4  CRC-32C of bytes 8 to 40 and of the head
//	 8  CRC-32C of the body
//	12  length of the head
//	16  length of the body
//	20  1 for a tombstone: what earlier records have under the hash is void; it has no head and no body
//	24  hash of the key
//	32  purge generation up to which the response is known to be untouched
//	40  head: see appendHead
type record struct {
	headSum, bodySum uint32
	head, body       uint32 // lengths
	tombstone        bool
	hash, stamp      uint64
}

const (
	recordMagic = 0x474c5231 // GLR1
	recordFixed = 40
	headVersion = 1
	headLimit   = 1 << 20 // a response with a larger head stays in memory
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errRecord  = errors.New("record is damaged")
)

// diskHash is what a key is found by on disk. The record has the whole key, so a collision costs no more than one of the
// two entries; that nobody makes them at will is why it is a cryptographic hash.
func diskHash[K string | []byte](key K) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

// size is how many bytes the whole record has.
func (r *record) size() int64 { return recordFixed + int64(r.head) + int64(r.body) }

// seal completes b, the fixed part's room with the head behind it.
func (r *record) seal(b []byte) {
	binary.BigEndian.PutUint32(b, recordMagic)
	binary.BigEndian.PutUint32(b[8:], r.bodySum)
	binary.BigEndian.PutUint32(b[12:], r.head)
	binary.BigEndian.PutUint32(b[16:], r.body)
	flags := uint32(0)
	if r.tombstone {
		flags = 1
	}
	binary.BigEndian.PutUint32(b[20:], flags)
	binary.BigEndian.PutUint64(b[24:], r.hash)
	binary.BigEndian.PutUint64(b[32:], r.stamp)
	r.headSum = crc32.Checksum(b[8:recordFixed+int(r.head)], castagnoli)
	binary.BigEndian.PutUint32(b[4:], r.headSum)
}

// parseRecord reads a fixed part; false when it is none. Its sum is checked by check, once the head is there.
func parseRecord(b []byte) (r record, ok bool) {
	if len(b) < recordFixed || binary.BigEndian.Uint32(b) != recordMagic {
		return r, false
	}
	flags := binary.BigEndian.Uint32(b[20:])
	r = record{
		headSum: binary.BigEndian.Uint32(b[4:]), bodySum: binary.BigEndian.Uint32(b[8:]),
		head: binary.BigEndian.Uint32(b[12:]), body: binary.BigEndian.Uint32(b[16:]), tombstone: flags == 1,
		hash: binary.BigEndian.Uint64(b[24:]), stamp: binary.BigEndian.Uint64(b[32:]),
	}
	return r, flags <= 1 && r.head <= headLimit && r.size() <= largestSegment && (!r.tombstone || r.head == 0 && r.body == 0)
}

// check verifies fixed part and head, which b has both.
func (r *record) check(b []byte) bool {
	return crc32.Checksum(b[8:recordFixed+int(r.head)], castagnoli) == r.headSum
}

// appendHead appends e without its body. meta is e.Meta as bytes.
func appendHead(b []byte, e *Entry, meta []byte) []byte {
	b = append(b, headVersion)
	for _, n := range []int64{int64(e.Status), int64(e.path), e.since, e.expires, e.lapsed, e.staleWhile, e.staleError, e.softAt.Load()} {
		b = binary.AppendVarint(b, n)
	}
	b = appendBytes(b, e.key)
	b = binary.AppendUvarint(b, uint64(len(e.tags)))
	for _, tag := range e.tags {
		b = appendBytes(b, tag)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Header.fields)))
	for _, f := range e.Header.fields {
		b = binary.AppendUvarint(b, uint64(len(f.Name)))
		b = binary.AppendUvarint(b, uint64(len(f.Values)))
		for _, value := range f.Values {
			b = binary.AppendUvarint(b, uint64(len(value)))
		}
	}
	b = appendBytes(b, e.Header.block)
	return appendBytes(b, string(meta))
}

func appendBytes(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parseHead makes an entry of a head, and returns the bytes of its Meta. The error is errRecord.
func parseHead(b []byte) (e *Entry, meta []byte, err error) {
	p := headParser{b: b}
	if p.byte() != headVersion {
		return nil, nil, errRecord
	}
	e = &Entry{Status: int(p.int())}
	path := p.int()
	e.since, e.expires, e.lapsed, e.staleWhile, e.staleError = p.int(), p.int(), p.int(), p.int(), p.int()
	e.softAt.Store(p.int())
	e.key = string(p.bytes())
	if path < 0 || path > int64(len(e.key)) {
		return nil, nil, errRecord
	}
	e.path = int(path)
	for n := p.count(); n > 0 && !p.bad; n-- {
		e.tags = append(e.tags, string(p.bytes()))
	}
	e.Header = p.header()
	meta = p.bytes()
	if p.bad || len(p.b) > 0 {
		return nil, nil, errRecord
	}
	return e, meta, nil
}

// headParser takes a head apart. After an error everything is zero and bad is set.
type headParser struct {
	b   []byte
	bad bool
}

func (p *headParser) fail() {
	p.b, p.bad = nil, true
}

func (p *headParser) byte() byte {
	if len(p.b) == 0 {
		p.fail()
		return 0
	}
	c := p.b[0]
	p.b = p.b[1:]
	return c
}

func (p *headParser) int() int64 {
	n, size := binary.Varint(p.b)
	if size <= 0 {
		p.fail()
		return 0
	}
	p.b = p.b[size:]
	return n
}

// count returns a number of things that have a byte each at least.
func (p *headParser) count() int {
	n, size := binary.Uvarint(p.b)
	if size <= 0 || n > uint64(len(p.b)-size) {
		p.fail()
		return 0
	}
	p.b = p.b[size:]
	return int(n)
}

func (p *headParser) bytes() []byte {
	n := p.count()
	if p.bad {
		return nil
	}
	s := p.b[:n:n]
	p.b = p.b[n:]
	return s
}

// header makes the Header: the lengths of names and values come first, then the block that they are in.
func (p *headParser) header() Header {
	type size struct{ name, values int }
	names := make([]size, 0, min(p.peek(), 64))
	var values []int
	for n := p.count(); n > 0 && !p.bad; n-- {
		s := size{p.count(), p.count()}
		names = append(names, s)
		for range s.values {
			values = append(values, p.count())
		}
	}
	block := string(p.bytes())
	if p.bad {
		return Header{}
	}
	h := Header{block: block, fields: make([]Field, len(names))}
	all := make([]string, len(values))
	at, next := 0, 0
	for i, s := range names {
		first := next
		for range s.values {
			end := at + s.name + 2 + values[next]
			if end+2 > len(block) || block[at+s.name:at+s.name+2] != ": " || block[end:end+2] != "\r\n" {
				p.fail()
				return Header{}
			}
			h.fields[i].Name = block[at : at+s.name]
			all[next] = block[at+s.name+2 : end]
			at = end + 2
			next++
		}
		if h.fields[i].Values = all[first:next:next]; first == next {
			p.fail() // Get takes the first value for granted
			return Header{}
		}
	}
	if at != len(block) {
		p.fail()
		return Header{}
	}
	return h
}

// peek is count without taking it.
func (p *headParser) peek() int {
	q := *p
	return q.count()
}
