package metadata

import (
	"bytes"
	"encoding/binary"
)

// The two texts that KeepCopyright keeps, Exif 3.0 section 4.6.5.4.
const (
	tagArtist    = 0x013b
	tagCopyright = 0x8298
	// maxText is the longest of them that stays, in bytes.
	maxText = 4 << 10
)

// essence is what of an Exif block may stay in a copy.
type essence struct {
	// orientation is 1 to 8; 0 counts as 1.
	orientation       int
	artist, copyright string
}

// essence returns what of the Exif block b the options keep.
func (o Options) essence(b []byte) essence {
	e := essence{orientation: orientation(b)}
	if o.Metadata == KeepCopyright {
		e.artist, e.copyright = exifText(b, tagArtist), exifText(b, tagCopyright)
	}
	return e
}

// block returns the smallest Exif block that says e, in big-endian order, and nil when there is nothing to say.
func (e essence) block() []byte {
	type entry struct {
		tag, typ uint16
		value    []byte
	}
	var entries []entry
	if e.orientation > 1 {
		entries = append(entries, entry{tagOrientation, typeShort, []byte{0, byte(e.orientation)}})
	}
	if e.artist != "" {
		entries = append(entries, entry{tagArtist, typeASCII, append([]byte(e.artist), 0)})
	}
	if e.copyright != "" {
		entries = append(entries, entry{tagCopyright, typeASCII, append([]byte(e.copyright), 0)})
	}
	if len(entries) == 0 {
		return nil
	}
	head := []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, byte(len(entries))}
	values := len(head) + 12*len(entries) + 4
	var tail []byte
	for _, x := range entries {
		head = binary.BigEndian.AppendUint16(head, x.tag)
		head = binary.BigEndian.AppendUint16(head, x.typ)
		head = binary.BigEndian.AppendUint32(head, uint32(int64(len(x.value))/typeSize[x.typ]))
		if len(x.value) <= 4 {
			head = append(head, append(x.value, 0, 0, 0, 0)[:4]...)
			continue
		}
		head = binary.BigEndian.AppendUint32(head, uint32(values+len(tail)))
		tail = append(tail, x.value...)
		if len(tail)%2 != 0 {
			tail = append(tail, 0) // TIFF 6.0 section 2: values begin on a word
		}
	}
	return append(append(head, 0, 0, 0, 0), tail...)
}

// exifText returns a text of the first directory of the Exif block b without the NULs behind it, and "" when there is none.
func exifText(b []byte, tag uint16) string {
	t, err := parseTIFF(b)
	if err != nil || !t.has(t.ifd0, 2) {
		return ""
	}
	n := int64(t.u16(t.ifd0))
	for at := t.ifd0 + 2; n > 0 && t.has(at, 12); n, at = n-1, at+12 {
		if t.u16(at) != tag || t.u16(at+2) != typeASCII {
			continue
		}
		count, value := int64(t.u32(at+4)), at+8
		if count > 4 {
			value = int64(t.u32(value))
		}
		text := t.slice(value, min(count, maxText))
		return string(bytes.TrimRight(text, "\x00"))
	}
	return ""
}
