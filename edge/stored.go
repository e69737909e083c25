package edge

import (
	"encoding/binary"
	"errors"
	"net/http"
	"time"

	"glassine/edge/rfc9111"
	"glassine/packed"
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
	b := packed.AppendText([]byte{storedVersion, flags}, string(m.result))
	if p := m.page; p != nil {
		b = binary.AppendVarint(b, int64(p.status))
		b = packed.AppendText(packed.AppendText(packed.AppendText(b, string(p.result)), p.detail), p.cause)
	}
	if !m.modified.IsZero() {
		b = binary.AppendVarint(b, m.modified.Unix())
	}
	if m.vary != nil {
		b = packed.AppendText(packed.AppendTexts(b, m.vary), m.varyKey)
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

// decodeStored is cache.Config.DecodeMeta.
func decodeStored(b []byte) (any, error) {
	if len(b) < 2 || b[0] != storedVersion || b[1] >= storedLimit {
		return nil, errStored
	}
	flags := b[1]
	d := packed.Reader{Rest: b[2:]}
	m := &stored{plain: flags&storedPlain != 0, result: result(d.Text())}
	if flags&storedPage != 0 {
		m.page = &page{status: int(d.Int()), result: result(d.Text()), detail: d.Text(), cause: d.Text()}
	}
	if flags&storedModified != 0 {
		m.modified = time.Unix(d.Int(), 0).UTC()
	}
	if flags&storedVary != 0 {
		m.vary, m.varyKey = append([]string{}, d.Texts()...), d.Text()
	}
	if flags&storedSlice != 0 {
		m.slice = &rfc9111.Part{First: d.Int(), Last: d.Int(), Total: d.Int()}
	}
	if d.Bad() {
		return nil, errStored
	}
	if flags&storedTerms != 0 {
		m.rfc = new(rfc9111.Stored)
		return m, m.rfc.UnmarshalBinary(d.Rest)
	}
	if len(d.Rest) > 0 {
		return nil, errStored
	}
	return m, nil
}
