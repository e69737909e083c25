package disk

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/packed"
	"glassine/store"
)

var errRecord = errors.New("index record is damaged")

// blobID names a blob file for ever: the run of the store that wrote it, and the blob's number in that run.
type blobID struct {
	run uint32
	seq uint64
}

// blobIDLen is the length of an encoded blobID.
const blobIDLen = 12

func (id blobID) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(make([]byte, 0, blobIDLen), id.run), id.seq)
}

// decodeBlobID reads the first blobIDLen bytes of b; b may be nil.
func decodeBlobID(b []byte) blobID {
	if len(b) < blobIDLen {
		return blobID{}
	}
	return blobID{run: binary.BigEndian.Uint32(b), seq: binary.BigEndian.Uint64(b[4:])}
}

// content says where an object's bytes are.
type content struct {
	blob     blobID   // of an object that was put whole
	manifest store.ID // of a multipart object: that of the upload that made it, whose parts it keeps
}

// record is what the index keeps of a version or a delete marker. Modified has whole seconds.
type record struct {
	id      store.ID // its first 8 bytes order the versions of a key; the rest is nothing for the null version
	content content
	info    store.Info // Key is empty: it is the key of the record. Parts are records of their own.
}

// recordVersion is the first byte of every record, upload record and part record. The fields of a record that follow,
// numbers as uvarints unless said otherwise, strings as their length and their bytes:
//
//	flags     a byte: see below
//	id        20 bytes, of the null version the first 8 of them
//	modified  seconds since 1970, a signed varint; a delete marker ends here
//	parts     their number, 0 unless the object is a multipart object
//	content   the blob, 12 bytes, or, of a multipart object, the manifest, 20 bytes
//	size
//	MD5       of the ETag, 16 bytes
//	checksum  the algorithm, a byte, and the sum
//	headers   the six strings of store.Headers in their order
//	metadata  the number of names, then name and value of each, names ascending
//	tags      likewise
const recordVersion = 2

const (
	flagNull = 1 << iota
	flagMarker
	flagEncrypted
	flagComposite // of the checksum
)

// encode returns r's form in the index.
func (r record) encode() ([]byte, error) {
	e := encoder{append(make([]byte, 0, 256), recordVersion)}
	flags := byte(0)
	set := func(flag byte, on bool) {
		if on {
			flags |= flag
		}
	}
	set(flagNull, r.info.VersionID == store.NullVersion)
	set(flagMarker, r.info.DeleteMarker)
	set(flagEncrypted, r.info.Encrypted)
	set(flagComposite, r.info.Checksum.Type == store.Composite)
	e.b = append(e.b, flags)
	if flags&flagNull != 0 {
		e.b = append(e.b, r.id[:8]...)
	} else {
		e.b = append(e.b, r.id[:]...)
	}
	e.varint(r.info.Modified.Unix())
	if flags&flagMarker != 0 {
		return e.b, nil
	}
	e.uvarint(uint64(r.info.PartCount))
	if r.info.PartCount > 0 {
		e.b = append(e.b, r.content.manifest[:]...)
	} else {
		e.b = append(e.b, r.content.blob.encode()...)
	}
	e.uvarint(uint64(r.info.Size))
	err := errors.Join(e.etag(r.info.ETag, r.info.PartCount), e.checksum(r.info.Checksum))
	e.headers(&r.info.Headers)
	e.names(r.info.Metadata)
	e.names(r.info.Tags)
	return e.b, err
}

// decodeRecord reads what encode wrote. It keeps nothing of b.
func decodeRecord(b []byte) (record, error) {
	d := decoder{packed.Reader{Rest: b}}
	version, flags := d.Byte(), d.Byte()
	if d.Bad() || version != recordVersion || flags >= flagComposite<<1 {
		return record{}, errRecord
	}
	var r record
	if flags&flagNull != 0 {
		copy(r.id[:], d.Bytes(8))
		r.info.VersionID = store.NullVersion
	} else {
		copy(r.id[:], d.Bytes(len(r.id)))
		r.info.VersionID = r.id.String()
	}
	r.info.Modified = time.Unix(d.Int(), 0).UTC()
	r.info.DeleteMarker = flags&flagMarker != 0
	if r.info.DeleteMarker {
		if !d.Whole() || flags&^(flagNull|flagMarker) != 0 {
			return record{}, errRecord
		}
		return r, nil
	}
	r.info.Encrypted = flags&flagEncrypted != 0
	parts := d.Uint()
	r.info.PartCount = int(parts)
	if parts > store.MaxPartNumber {
		d.Fail()
	}
	if parts > 0 {
		copy(r.content.manifest[:], d.Bytes(len(r.content.manifest)))
	} else {
		r.content.blob = decodeBlobID(d.Bytes(blobIDLen))
	}
	r.info.Size = d.size()
	r.info.ETag = hex.EncodeToString(d.Bytes(16))
	if parts > 0 {
		r.info.ETag += "-" + strconv.Itoa(r.info.PartCount)
	}
	r.info.Checksum = d.checksum()
	if flags&flagComposite != 0 {
		r.info.Checksum.Type = store.Composite
		r.info.Checksum.Value += "-" + strconv.Itoa(r.info.PartCount)
	}
	d.headers(&r.info.Headers)
	r.info.Metadata, r.info.Tags = d.names(), d.names()
	if !d.Whole() {
		return record{}, errRecord
	}
	return r, nil
}

// algorithms are the checksum algorithms by their number in the index, with the lengths of their sums.
var algorithms = []struct {
	name   string
	length int
}{
	{"", 0},
	{store.CRC32, 4},
	{store.CRC32C, 4},
	{store.CRC64NVME, 8},
	{store.SHA1, 20},
	{store.SHA256, 32},
	{store.MD5, 16},
	{store.SHA512, 64},
	{store.XXHASH64, 8},
	{store.XXHASH3, 8},
	{store.XXHASH128, 16},
}

func algorithmNumber(name string) int {
	for i, a := range algorithms {
		if a.name == name {
			return i
		}
	}
	return -1
}

// encoder appends fields to b.
type encoder struct{ b []byte }

func (e *encoder) uvarint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) varint(n int64) { e.b = binary.AppendVarint(e.b, n) }

func (e *encoder) string(s string) { e.b = packed.AppendText(e.b, s) }

// etag appends the 16 bytes of an ETag that ends in the number of parts, unless that is 0.
func (e *encoder) etag(etag string, parts int) error {
	digits := etag
	if parts > 0 {
		digits = strings.TrimSuffix(etag, "-"+strconv.Itoa(parts))
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != 16 {
		return fmt.Errorf("ETag %q is no MD5", etag)
	}
	e.b = append(e.b, sum...)
	return nil
}

func (e *encoder) checksum(c store.Checksum) error {
	value, _, _ := strings.Cut(c.Value, "-") // base64's standard alphabet has none
	sum, err := base64.StdEncoding.DecodeString(value)
	n := algorithmNumber(c.Algorithm)
	if err != nil || n < 0 || len(sum) != algorithms[n].length {
		return fmt.Errorf("%+v is no checksum", c)
	}
	e.b = append(append(e.b, byte(n)), sum...)
	return nil
}

func (e *encoder) headers(h *store.Headers) {
	for _, s := range headerFields(h) {
		e.string(*s)
	}
}

func (e *encoder) names(m map[string]string) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	e.uvarint(uint64(len(m)))
	for _, name := range names {
		e.string(name)
		e.string(m[name])
	}
}

// headerFields returns the fields of h in the order in which they are stored.
func headerFields(h *store.Headers) [6]*string {
	return [...]*string{
		&h.ContentType, &h.CacheControl, &h.ContentDisposition, &h.ContentEncoding, &h.ContentLanguage, &h.Expires,
	}
}

// decoder takes fields off the front of what encoder wrote.
type decoder struct{ packed.Reader }

// size takes a number of bytes.
func (d *decoder) size() int64 {
	n := int64(d.Uint())
	if n < 0 {
		d.Fail()
	}
	return n
}

func (d *decoder) checksum() (c store.Checksum) {
	n := int(d.Byte())
	if n >= len(algorithms) {
		d.Fail()
		return c
	}
	sum := d.Bytes(algorithms[n].length)
	if n == 0 || d.Bad() {
		return c
	}
	return store.Checksum{Algorithm: algorithms[n].name, Value: base64.StdEncoding.EncodeToString(sum), Type: store.FullObject}
}

func (d *decoder) headers(h *store.Headers) {
	for _, s := range headerFields(h) {
		*s = d.Text()
	}
}

func (d *decoder) names() map[string]string {
	n := d.Count() // a name and its value take two bytes or more
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		name := d.Text()
		m[name] = d.Text()
	}
	return m
}
