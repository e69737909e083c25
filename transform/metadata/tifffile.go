package metadata

import (
	"encoding/binary"
	"errors"
	"io"
)

// tiffFile is a TIFF or BigTIFF file (TIFF 6.0 section 2; "The BigTIFF File Format", libtiff). An Exif block within another
// file is a tiffBlock.
type tiffFile struct {
	w     *window
	order binary.AppendByteOrder
	read  binary.ByteOrder
	// big is BigTIFF: offsets and counts of 8 bytes.
	big bool
	// first is where the first directory stands.
	first int64
}

// tiffEntry is one entry of a directory.
type tiffEntry struct {
	tag, typ uint16
	count    int64
	// off is where the value stands, in the entry itself or elsewhere, and n its length in bytes; n is 0 for an unknown type.
	off, n int64
}

// tiffTypes holds the size of one value by its type; types 13 and 16 to 18 are IFD, LONG8, SLONG8 and IFD8.
var tiffTypes = [...]int64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8}

const (
	typeIFD   = 13
	typeLong8 = 16
	typeIFD8  = 18

	// maxEntries is the most that a directory may have. Cameras write under 100.
	maxEntries = 4096
)

func (f *tiffFile) damaged(off int64, reason string) error {
	return &DamagedError{Format: TIFF, Offset: off, Reason: reason}
}

// openTIFF reads the header.
func openTIFF(w *window) (*tiffFile, error) {
	f := &tiffFile{w: w, order: binary.LittleEndian, read: binary.LittleEndian}
	b, err := w.at(0, int(min(16, w.size)))
	if err != nil {
		return nil, err
	}
	if b[0] == 'M' {
		f.order, f.read = binary.BigEndian, binary.BigEndian
	}
	if len(b) < 16 {
		return nil, f.damaged(0, "file ends in its header")
	}
	if string(b[8:10]) == "CR" {
		return nil, &UnsupportedError{Format: TIFF, Detail: "camera raw"}
	}
	switch f.read.Uint16(b[2:]) {
	case 42:
		f.first = int64(f.read.Uint32(b[4:]))
	case 43:
		if f.big = true; f.read.Uint16(b[4:]) != 8 || f.read.Uint16(b[6:]) != 0 {
			return nil, f.damaged(4, "offsets that are not 8 bytes long")
		}
		f.first = f.long8(b[8:])
	}
	return f, nil
}

// long8 returns an offset or count of 8 bytes, which no real file needs all of.
func (f *tiffFile) long8(b []byte) int64 {
	return int64(min(f.read.Uint64(b), 1<<62))
}

// directory reads the directory at off, and where the next one of the chain stands, 0 for none.
func (f *tiffFile) directory(off int64) (entries []tiffEntry, next int64, err error) {
	head, size, tail := int64(2), int64(12), int64(4)
	if f.big {
		head, size, tail = 8, 20, 8
	}
	b, err := f.bytes(off, head)
	if err != nil {
		return nil, 0, err
	}
	var n int64
	if f.big {
		n = f.long8(b)
	} else {
		n = int64(f.read.Uint16(b))
	}
	if n == 0 || n > maxEntries {
		return nil, 0, f.damaged(off, "directory with an impossible number of entries")
	}
	if b, err = f.bytes(off+head, n*size+tail); err != nil {
		return nil, 0, err
	}
	for i := range n {
		entries = append(entries, f.entry(b[i*size:], off+head+i*size))
	}
	if f.big {
		return entries, f.long8(b[n*size:]), nil
	}
	return entries, int64(f.read.Uint32(b[n*size:])), nil
}

// entry parses the directory entry b, which stands at off.
func (f *tiffFile) entry(b []byte, off int64) tiffEntry {
	e := tiffEntry{tag: f.read.Uint16(b), typ: f.read.Uint16(b[2:])}
	value, room := int64(8), int64(4)
	if f.big {
		e.count, value, room = f.long8(b[4:]), 12, 8
	} else {
		e.count = int64(f.read.Uint32(b[4:]))
	}
	if int(e.typ) < len(tiffTypes) && e.count < 1<<50 {
		e.n = e.count * tiffTypes[e.typ]
	}
	switch e.off = off + value; {
	case e.n <= room:
	case f.big:
		e.off = f.long8(b[value:])
	default:
		e.off = int64(f.read.Uint32(b[value:]))
	}
	return e
}

// bytes returns a copy of the n bytes at off; n is at most about 1 MiB.
func (f *tiffFile) bytes(off, n int64) ([]byte, error) {
	b, err := f.w.read(off, n)
	if errors.Is(err, io.EOF) {
		return nil, f.damaged(off, "points outside the file")
	}
	return b, err
}

// numbers returns the values of an entry of whole numbers, at most limit of them.
func (f *tiffFile) numbers(e tiffEntry, limit int64) ([]int64, error) {
	if e.count > limit {
		return nil, f.damaged(e.off, "too many values")
	}
	switch e.typ {
	case typeByte, typeShort, typeLong, typeIFD, typeLong8, typeIFD8:
	default:
		return nil, f.damaged(e.off, "values of a wrong type")
	}
	b, err := f.bytes(e.off, e.n)
	if err != nil {
		return nil, err
	}
	out := make([]int64, 0, e.count)
	for size := tiffTypes[e.typ]; len(b) > 0; b = b[size:] {
		switch size {
		case 1:
			out = append(out, int64(b[0]))
		case 2:
			out = append(out, int64(f.read.Uint16(b)))
		case 4:
			out = append(out, int64(f.read.Uint32(b)))
		default:
			out = append(out, f.long8(b))
		}
	}
	return out, nil
}

// number returns the one value of an entry, and def when entries have no such tag.
func (f *tiffFile) number(entries []tiffEntry, tag uint16, def int64) (int64, error) {
	e, ok := findTag(entries, tag)
	if !ok {
		return def, nil
	}
	v, err := f.numbers(e, 64)
	if err != nil || len(v) == 0 {
		return def, err
	}
	return v[0], nil
}

// raw reports whether a page is of a camera's raw file: DNG, values of a colour filter, or a first page that is a preview of
// what is in a sub-directory.
func (f *tiffFile) raw(entries []tiffEntry, preview bool) (bool, error) {
	photometric, err := f.number(entries, tagPhotometric, 0)
	if err != nil {
		return false, err
	}
	_, dng := findTag(entries, tagDNGVersion)
	_, sub := findTag(entries, tagSubIFDs)
	return dng || photometric == 32803 || photometric == 34892 || preview && sub, nil
}

// reduced reports whether a page is a smaller version of another.
func (f *tiffFile) reduced(entries []tiffEntry) (bool, error) {
	kind, err := f.number(entries, tagNewSubfileType, 0)
	if err != nil {
		return false, err
	}
	old, err := f.number(entries, tagSubfileType, 0)
	return kind&1 != 0 || old == 2, err
}

// findTag returns the first entry with the tag.
func findTag(entries []tiffEntry, tag uint16) (tiffEntry, bool) {
	for _, e := range entries {
		if e.tag == tag {
			return e, true
		}
	}
	return tiffEntry{}, false
}

// appendOffset appends an offset or a count in the width that the file has for it.
func (f *tiffFile) appendOffset(b []byte, v int64) []byte {
	if f.big {
		return f.order.AppendUint64(b, uint64(v))
	}
	return f.order.AppendUint32(b, uint32(v))
}

// appendHeader appends a header whose first directory follows it.
func (f *tiffFile) appendHeader(b []byte) []byte {
	name := "II"
	if f.read == binary.BigEndian {
		name = "MM"
	}
	b = append(b, name...)
	if f.big {
		b = f.order.AppendUint16(b, 43)
		b = f.order.AppendUint16(b, 8)
		b = f.order.AppendUint16(b, 0)
		return f.order.AppendUint64(b, 16)
	}
	b = f.order.AppendUint16(b, 42)
	return f.order.AppendUint32(b, 8)
}
