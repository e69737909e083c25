package edge

import (
	"encoding/binary"
	"errors"
	"net/http"
	"time"

	"glassine/edge/rfc9111"
)

// stored is what the edge keeps with a cached response.
type stored struct {
	page     *page     // the body is this page, made anew for each viewer
	result   result    // of the request that filled it
	modified time.Time // Last-Modified, or zero
	// plain: who asks for it may have it as it is. There is no page, its header can be written so, and nothing of the request
	// but the key matters.
	plain bool

	vary    []string // fields beside the key that chose it, in canonical spelling, sorted; nil: none
	varyKey string   // what they were: rfc9111.Policy.VaryKey

	slice *rfc9111.Part // what a slice has of the whole, which the header is of; else nil

	came *came // what the origin's side answered in place of a slice; of a response that is not stored; else nil

	rfc  *rfc9111.Stored // its terms, without its header, where RFC 9111 rules; else nil
	once http.Header     // more of the header, for who asked for it only; nil: none. It is not kept on disk.
}

// storedVersion is the first byte of an encoded stored.
const storedVersion = 1

// What an encoded stored has.
const (
	storedPlain = 1 << iota
	storedPage
	storedModified
	storedVary
	storedSlice
	storedTerms
	storedLimit // beyond the last
)

// errStored says that bytes are no stored.
var errStored = errors.New("not what is kept with a response")

// encodeStored is cache.Config.EncodeMeta.
func encodeStored(meta any) ([]byte, error) {
	m := meta.(*stored)
	flags := byte(0)
	for i, set := range []bool{m.plain, m.page != nil, !m.modified.IsZero(), m.vary != nil, m.slice != nil, m.rfc != nil} {
		if set {
			flags |= 1 << i
		}
	}
	b := appendCounted([]byte{storedVersion, flags}, string(m.result))
	if p := m.page; p != nil {
		b = binary.AppendVarint(b, int64(p.status))
		b = appendCounted(appendCounted(appendCounted(b, string(p.result)), p.detail), p.cause)
	}
	if !m.modified.IsZero() {
		b = binary.AppendVarint(b, m.modified.Unix())
	}
	if m.vary != nil {
		b = binary.AppendUvarint(b, uint64(len(m.vary)))
		for _, name := range m.vary {
			b = appendCounted(b, name)
		}
		b = appendCounted(b, m.varyKey)
	}
	if s := m.slice; s != nil {
		for _, n := range []int64{s.First, s.Last, s.Total} {
			b = binary.AppendVarint(b, n)
		}
	}
	if m.rfc == nil {
		return b, nil
	}
	return m.rfc.AppendBinary(b)
}

func appendCounted(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeStored is cache.Config.DecodeMeta.
func decodeStored(b []byte) (any, error) {
	if len(b) < 2 || b[0] != storedVersion || b[1] >= storedLimit {
		return nil, errStored
	}
	flags := b[1]
	d := storedReader{b: b[2:]}
	m := &stored{plain: flags&storedPlain != 0, result: result(d.text())}
	if flags&storedPage != 0 {
		m.page = &page{status: int(d.number()), result: result(d.text()), detail: d.text(), cause: d.text()}
	}
	if flags&storedModified != 0 {
		m.modified = time.Unix(d.number(), 0).UTC()
	}
	if flags&storedVary != 0 {
		m.vary = []string{}
		for n := d.count(); n > 0; n-- {
			m.vary = append(m.vary, d.text())
		}
		m.varyKey = d.text()
	}
	if flags&storedSlice != 0 {
		m.slice = &rfc9111.Part{First: d.number(), Last: d.number(), Total: d.number()}
	}
	if d.bad {
		return nil, errStored
	}
	if flags&storedTerms != 0 {
		m.rfc = new(rfc9111.Stored)
		return m, m.rfc.UnmarshalBinary(d.b)
	}
	if len(d.b) > 0 {
		return nil, errStored
	}
	return m, nil
}

// storedReader takes bytes apart. After an error everything is zero and bad is set.
type storedReader struct {
	b   []byte
	bad bool
}

func (d *storedReader) number() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[size:]
	return n
}

// count is a number of things that have a byte each at least.
func (d *storedReader) count() int {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(len(d.b)-size) {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

func (d *storedReader) text() string {
	n := d.count()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
