package metadata

import (
	"encoding/binary"
	"errors"
)

// tiffBlock is an Exif block: a TIFF header with directories (IFDs) behind it. Offsets count from its first byte.
type tiffBlock struct {
	b     []byte
	big   bool
	order binary.ByteOrder
	// ifd0 is the offset of the first directory, which need not lie within b.
	ifd0 int64
}

// parseTIFF reads the header. Its errors have the texts of exif-reader 2.0.3, which the reference function passes on.
func parseTIFF(b []byte) (*tiffBlock, error) {
	t := &tiffBlock{b: b, order: binary.LittleEndian}
	switch {
	case len(b) >= 2 && b[0] == 'I' && b[1] == 'I':
	case len(b) >= 2 && b[0] == 'M' && b[1] == 'M':
		t.big, t.order = true, binary.BigEndian
	default:
		return nil, errors.New("Invalid EXIF data: expected byte order marker.")
	}
	if len(b) < 4 || t.order.Uint16(b[2:]) != 42 {
		return nil, errors.New("Invalid EXIF data: expected 0x002A.")
	}
	if len(b) <= 8 {
		return nil, errors.New("Invalid EXIF data: Ends before ifdOffset")
	}
	t.ifd0 = int64(t.order.Uint32(b[4:]))
	// exif-reader counts the "Exif\0\0" that a JPEG has before the block: its limit of 8 is 2 here.
	if t.ifd0 < 2 {
		return nil, errors.New("Invalid EXIF data: ifdOffset < 8")
	}
	return t, nil
}

// has reports whether n bytes at off lie within the block.
func (t *tiffBlock) has(off, n int64) bool { return off >= 0 && int64(len(t.b))-off >= n }

func (t *tiffBlock) u16(off int64) uint16 { return t.order.Uint16(t.b[off:]) }
func (t *tiffBlock) u32(off int64) uint32 { return t.order.Uint32(t.b[off:]) }

// tagOrientation is Exif 3.0 section 4.6.5.1.6: one SHORT, 1 to 8.
const tagOrientation = 0x0112

// orientation returns the Orientation of the Exif block b, or 1 when it has none that browsers follow: Blink and Gecko
// ask for exactly one SHORT in the first directory.
func orientation(b []byte) int {
	t, err := parseTIFF(b)
	if err != nil || !t.has(t.ifd0, 2) {
		return 1
	}
	n := int64(t.u16(t.ifd0))
	for at := t.ifd0 + 2; n > 0 && t.has(at, 12); n, at = n-1, at+12 {
		if t.u16(at) != tagOrientation || t.u16(at+2) != 3 || t.u32(at+4) != 1 {
			continue
		}
		if o := int(t.u16(at + 8)); o >= 1 && o <= 8 {
			return o
		}
		return 1
	}
	return 1
}
