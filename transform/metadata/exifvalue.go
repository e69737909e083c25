package metadata

import (
	"math"
	"strconv"
)

// TIFF 6.0 section 2, "Types"; exif-reader knows no other. Types 11 and 12 (floats) give null.
const (
	typeByte      = 1
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeSByte     = 6
	typeUndefined = 7
	typeSShort    = 8
	typeSLong     = 9
	typeSRational = 10
)

// typeSize is the size of one value, by type; types 0 and beyond the list are unknown.
var typeSize = [...]int64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8}

var null = []byte("null")

// field reads the directory entry at off, which has at least its tag within the block.
func (e *exifEncoder) field(off int64) field {
	f := field{tag: e.u16(off), num: math.NaN(), json: null}
	// exif-reader asks for one byte of the value field, not four.
	if !e.has(off, 9) {
		return f
	}
	typ, count := e.u16(off+2), int64(e.u32(off+4))
	if typ == 0 || int(typ) >= len(typeSize) {
		return f
	}
	at := off + 8
	if typeSize[typ]*count > 4 {
		if !e.has(off, 12) {
			return f
		}
		at = int64(e.u32(at))
	}
	switch typ {
	case typeASCII:
		f.json = e.text(e.slice(at, count))
	case typeUndefined:
		f.json = e.buffer(e.slice(at, count))
	default:
		if count == 1 {
			f.num = e.number(at, typ)
			f.json = appendNumber(nil, f.num)
		} else {
			f.json = e.array(at, typ, count)
		}
	}
	return f
}

// slice returns n bytes at off, or as many as there are.
func (t *tiffBlock) slice(off, n int64) []byte {
	size := int64(len(t.b))
	return t.b[min(off, size):min(off+n, size)]
}

// text is a string without its last NUL, or a buffer when any byte is not ASCII.
func (e *exifEncoder) text(b []byte) []byte {
	for _, c := range b {
		if c >= 0x80 {
			return e.buffer(b)
		}
	}
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	if !e.spend(len(b)) {
		return null
	}
	return appendString(nil, b)
}

// buffer is what JSON.stringify makes of a Node Buffer.
func (e *exifEncoder) buffer(b []byte) []byte {
	if !e.spend(4 * len(b)) {
		return null
	}
	out := append(make([]byte, 0, 32+4*len(b)), `{"type":"Buffer","data":[`...)
	for i, c := range b {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(c), 10)
	}
	return append(out, "]}"...)
}

// array reads values until the block ends. A last value that is cut is null.
func (e *exifEncoder) array(at int64, typ uint16, count int64) []byte {
	out := []byte{'['}
	for i := int64(0); i < count && at < int64(len(e.b)); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		before := len(out)
		out = appendNumber(out, e.number(at, typ))
		if !e.spend(len(out) - before + 1) {
			return null
		}
		at += typeSize[typ]
	}
	return append(out, ']')
}

// spend counts n bytes against maxExifJSON and reports whether they fit.
func (e *exifEncoder) spend(n int) bool {
	e.size += n
	if e.size > maxExifJSON {
		e.tooLarge = true
	}
	return !e.tooLarge
}

// number reads one value, NaN where the block does not hold it all.
func (e *exifEncoder) number(at int64, typ uint16) float64 {
	if !e.has(at, typeSize[typ]) {
		return math.NaN()
	}
	switch typ {
	case typeByte:
		return float64(e.b[at])
	case typeShort:
		return float64(e.u16(at))
	case typeLong:
		return float64(e.u32(at))
	case typeRational:
		return float64(e.u32(at)) / float64(e.u32(at+4))
	case typeSByte:
		return float64(int8(e.b[at]))
	case typeSShort:
		return float64(int16(e.u16(at)))
	case typeSLong:
		return float64(int32(e.u32(at)))
	case typeSRational:
		return float64(int32(e.u32(at))) / float64(int32(e.u32(at+4)))
	}
	return math.NaN()
}
