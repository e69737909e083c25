package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"glassine/packed"
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
	b = packed.AppendText(b, e.key)
	b = packed.AppendTexts(b, e.tags)
	b = binary.AppendUvarint(b, uint64(len(e.Header.fields)))
	for _, f := range e.Header.fields {
		b = binary.AppendUvarint(b, uint64(len(f.Name)))
		b = binary.AppendUvarint(b, uint64(len(f.Values)))
		for _, value := range f.Values {
			b = binary.AppendUvarint(b, uint64(len(value)))
		}
	}
	b = packed.AppendText(b, e.Header.block)
	return packed.AppendText(b, string(meta))
}

// parseHead makes an entry of a head, and returns the bytes of its Meta. The error is errRecord.
func parseHead(b []byte) (e *Entry, meta []byte, err error) {
	p := headParser{packed.Reader{Rest: b}}
	if p.Byte() != headVersion {
		return nil, nil, errRecord
	}
	e = &Entry{Status: int(p.Int())}
	path := p.Int()
	e.since, e.expires, e.lapsed, e.staleWhile, e.staleError = p.Int(), p.Int(), p.Int(), p.Int(), p.Int()
	e.softAt.Store(p.Int())
	e.key = p.Text()
	if path < 0 || path > int64(len(e.key)) {
		return nil, nil, errRecord
	}
	e.path = int(path)
	e.tags = p.Texts()
	e.Header = p.header()
	meta = p.Counted()
	if !p.Whole() {
		return nil, nil, errRecord
	}
	return e, meta, nil
}

// headParser takes a head apart.
type headParser struct{ packed.Reader }

// header makes the Header: the lengths of names and values come first, then the block that they are in.
func (p *headParser) header() Header {
	type size struct{ name, values int }
	n := p.Count()
	names := make([]size, 0, min(n, 64))
	var values []int
	for ; n > 0 && !p.Bad(); n-- {
		s := size{p.Count(), p.Count()}
		names = append(names, s)
		for range s.values {
			values = append(values, p.Count())
		}
	}
	block := p.Text()
	if p.Bad() {
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
				p.Fail()
				return Header{}
			}
			h.fields[i].Name = block[at : at+s.name]
			all[next] = block[at+s.name+2 : end]
			at = end + 2
			next++
		}
		if h.fields[i].Values = all[first:next:next]; first == next {
			p.Fail() // Get takes the first value for granted
			return Header{}
		}
	}
	if at != len(block) {
		p.Fail()
		return Header{}
	}
	return h
}
