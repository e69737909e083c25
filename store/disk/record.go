package disk

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"glassine/store"
)

// blobID names a blob file for ever: the run of the store that wrote it, and the blob's number in that run.
type blobID struct {
	run uint32
	seq uint64
}

// blobIDLen is the length of an encoded blobID.
const blobIDLen = 12

// record is what the index keeps of an object. Modified has whole seconds.
type record struct {
	blob blobID
	info store.Info // Key is empty: it is the key of the record
}

// recordVersion is the first byte of every record. The fields that follow, numbers as uvarints unless said otherwise,
// strings as their length and their bytes:
//
//	blob      run, 4 bytes, and seq, 8 bytes, both big-endian
//	size
//	ETag      the MD5, 16 bytes
//	modified  seconds since 1970, a signed varint
//	headers   the six strings of store.Headers in their order
//	metadata  the number of names, then name and value of each, names ascending
const recordVersion = 1

var errRecord = errors.New("index record is damaged")

// encode returns r's form in the index.
func (r record) encode() ([]byte, error) {
	sum, err := hex.DecodeString(r.info.ETag)
	if err != nil || len(sum) != 16 {
		return nil, fmt.Errorf("ETag %q is no MD5", r.info.ETag)
	}
	b := append(make([]byte, 0, 256), recordVersion)
	b = binary.BigEndian.AppendUint32(b, r.blob.run)
	b = binary.BigEndian.AppendUint64(b, r.blob.seq)
	b = binary.AppendUvarint(b, uint64(r.info.Size))
	b = append(b, sum...)
	b = binary.AppendVarint(b, r.info.Modified.Unix())
	h := &r.info.Headers
	for _, s := range headerFields(h) {
		b = appendString(b, *s)
	}
	b = binary.AppendUvarint(b, uint64(len(r.info.Metadata)))
	for _, name := range slices.Sorted(maps.Keys(r.info.Metadata)) {
		b = appendString(b, name)
		b = appendString(b, r.info.Metadata[name])
	}
	return b, nil
}

// headerFields returns the fields of h in the order in which they are stored.
func headerFields(h *store.Headers) [6]*string {
	return [...]*string{
		&h.ContentType, &h.CacheControl, &h.ContentDisposition, &h.ContentEncoding, &h.ContentLanguage, &h.Expires,
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeRecord reads what encode wrote. It keeps nothing of b.
func decodeRecord(b []byte) (record, error) {
	d := decoder{rest: b}
	if version := d.bytes(1); d.bad || version[0] != recordVersion {
		return record{}, errRecord
	}
	var r record
	r.blob = decodeBlobID(d.bytes(blobIDLen))
	size := d.uvarint()
	r.info.Size = int64(size)
	r.info.ETag = hex.EncodeToString(d.bytes(16))
	r.info.Modified = time.Unix(d.varint(), 0).UTC()
	for _, s := range headerFields(&r.info.Headers) {
		*s = d.string()
	}
	if n := d.uvarint(); n > 0 && n <= uint64(len(d.rest)) { // a name and its value take two bytes or more
		r.info.Metadata = make(map[string]string, n)
		for range n {
			name := d.string()
			r.info.Metadata[name] = d.string()
		}
	} else if n != 0 {
		d.bad = true
	}
	if d.bad || len(d.rest) != 0 || r.info.Size < 0 {
		return record{}, errRecord
	}
	return r, nil
}

// recordBlob returns the blob of an encoded record without decoding the rest.
func recordBlob(b []byte) (blobID, error) {
	if len(b) < 1+blobIDLen || b[0] != recordVersion {
		return blobID{}, errRecord
	}
	return decodeBlobID(b[1:]), nil
}

// decodeBlobID reads the first blobIDLen bytes of b; b may be nil.
func decodeBlobID(b []byte) blobID {
	if len(b) < blobIDLen {
		return blobID{}
	}
	return blobID{run: binary.BigEndian.Uint32(b), seq: binary.BigEndian.Uint64(b[4:])}
}

// decoder takes fields off the front of rest. After a field that is not there, bad is true and every field is empty.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) bytes(n int) []byte {
	if d.bad || n > len(d.rest) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad = true
	}
	if d.bad {
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad = true
	}
	if d.bad {
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	return string(d.bytes(int(n)))
}
