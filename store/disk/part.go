package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"time"

	"glassine/packed"
	"glassine/store"
)

// segment is a range of a blob's plaintext.
type segment struct {
	blob      blobID
	off, size int64
}

// partRecord is what the index keeps of a part, under the upload's id and the number in two bytes. It stays there when
// the upload is completed: the object's record names it as its manifest.
//
//	size, MD5, modified, checksum  as in a record
//	segments                       their number, and the blob, offset and size of each
type partRecord struct {
	info     store.Part // Number is in the key
	segments []segment
}

// partKey is the key of a part's record.
func partKey(upload store.ID, number int) []byte {
	return binary.BigEndian.AppendUint16(bytes.Clone(upload[:]), uint16(number))
}

func (p partRecord) encode() ([]byte, error) {
	e := encoder{append(make([]byte, 0, 64), recordVersion)}
	e.uvarint(uint64(p.info.Size))
	if err := e.etag(p.info.ETag, 0); err != nil {
		return nil, err
	}
	e.varint(p.info.Modified.Unix())
	if err := e.checksum(p.info.Checksum); err != nil {
		return nil, err
	}
	e.uvarint(uint64(len(p.segments)))
	for _, s := range p.segments {
		e.b = append(e.b, s.blob.encode()...)
		e.uvarint(uint64(s.off))
		e.uvarint(uint64(s.size))
	}
	return e.b, nil
}

// decodePart reads what encode wrote, and the number from the key. It keeps nothing of either.
func decodePart(k, v []byte) (partRecord, error) {
	d := decoder{packed.Reader{Rest: v}}
	var p partRecord
	if d.Byte() != recordVersion || len(k) != len(store.ID{})+2 {
		return p, errRecord
	}
	p.info.Number = int(binary.BigEndian.Uint16(k[len(k)-2:]))
	p.info.Size = d.size()
	p.info.ETag = hex.EncodeToString(d.Bytes(16))
	p.info.Modified = time.Unix(d.Int(), 0).UTC()
	p.info.Checksum = d.checksum()
	n := d.Count()
	p.segments = make([]segment, 0, n)
	for range n {
		p.segments = append(p.segments, segment{blob: decodeBlobID(d.Bytes(blobIDLen)), off: d.size(), size: d.size()})
	}
	if !d.Whole() {
		return partRecord{}, errRecord
	}
	return p, nil
}

// cut returns the segments that hold length bytes from off of what segs hold. Of nothing it keeps one empty segment, so
// that every part holds on to a blob.
func cut(segs []segment, off, length int64) []segment {
	var out []segment
	for _, s := range segs {
		if off >= s.size {
			off -= s.size
			continue
		}
		n := min(s.size-off, length)
		if n <= 0 {
			break
		}
		out = append(out, segment{blob: s.blob, off: s.off + off, size: n})
		off, length = 0, length-n
	}
	if out == nil && len(segs) > 0 {
		out = []segment{{blob: segs[0].blob, off: segs[0].off}}
	}
	return out
}

// uploadRecord is what the index keeps of an upload under way, under its key and id.
//
//	initiated          seconds since 1970, a signed varint
//	flags              a byte: flagEncrypted, flagComposite, flagFull
//	algorithm          a byte
//	headers, metadata, tags  as in a record
//	initiator          a string
type uploadRecord struct {
	initiated time.Time
	opt       store.UploadOptions
}

// flagFull is set in an upload's flags when its options ask for store.FullObject.
const flagFull = 1

func (u uploadRecord) encode() ([]byte, error) {
	e := encoder{append(make([]byte, 0, 128), recordVersion)}
	e.varint(u.initiated.Unix())
	flags := byte(0)
	if u.opt.Encrypt {
		flags |= flagEncrypted
	}
	switch u.opt.ChecksumType {
	case store.Composite:
		flags |= flagComposite
	case store.FullObject:
		flags |= flagFull
	}
	n := algorithmNumber(u.opt.ChecksumAlgorithm)
	if n < 0 {
		return nil, store.ErrChecksum
	}
	e.b = append(e.b, flags, byte(n))
	e.headers(&u.opt.Headers)
	e.names(u.opt.Metadata)
	e.names(u.opt.Tags)
	e.string(u.opt.Initiator)
	return e.b, nil
}

// decodeUpload reads what encode wrote. It keeps nothing of b.
func decodeUpload(b []byte) (uploadRecord, error) {
	d := decoder{packed.Reader{Rest: b}}
	if d.Byte() != recordVersion {
		return uploadRecord{}, errRecord
	}
	var u uploadRecord
	u.initiated = time.Unix(d.Int(), 0).UTC()
	flags, n := d.Byte(), int(d.Byte())
	if n >= len(algorithms) || flags&^(flagEncrypted|flagComposite|flagFull) != 0 {
		return uploadRecord{}, errRecord
	}
	u.opt.Encrypt = flags&flagEncrypted != 0
	switch flags & (flagComposite | flagFull) {
	case flagComposite:
		u.opt.ChecksumType = store.Composite
	case flagFull:
		u.opt.ChecksumType = store.FullObject
	case flagComposite | flagFull:
		return uploadRecord{}, errRecord
	}
	u.opt.ChecksumAlgorithm = algorithms[n].name
	d.headers(&u.opt.Headers)
	u.opt.Metadata, u.opt.Tags = d.names(), d.names()
	u.opt.Initiator = d.Text()
	if !d.Whole() {
		return uploadRecord{}, errRecord
	}
	return u, nil
}
