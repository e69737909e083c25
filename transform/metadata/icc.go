package metadata

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// profileSize returns the length that an ICC profile declares in its header (ICC.1:2022 section 7.2), of which head is the
// beginning; ok is false when head is no profile's.
func profileSize(head []byte) (n int64, ok bool) {
	if len(head) < iccHeaderLen || string(head[36:40]) != "acsp" {
		return 0, false
	}
	n = int64(binary.BigEndian.Uint32(head))
	return n, n >= iccHeaderLen
}

// profileAt returns how many of the n bytes at off are an ICC profile: 0 when they are none, and never what follows the
// profile's own end. A profile that is cut short counts as none.
func profileAt(w *window, off, n int64) (int64, error) {
	head, err := w.at(off, int(min(n, iccHeaderLen)))
	if err != nil {
		return 0, err
	}
	size, ok := profileSize(head)
	if !ok || size > n || size > maxProfile {
		return 0, nil
	}
	return size, nil
}

// profileName returns the description of an ICC profile (section 9.2.41), such as "Display P3", and "" when it has none.
func profileName(p []byte) string {
	if _, ok := profileSize(p); !ok || len(p) < iccHeaderLen+4 {
		return ""
	}
	n := int64(binary.BigEndian.Uint32(p[iccHeaderLen:]))
	for i := range min(n, 200) {
		at := iccHeaderLen + 4 + 12*i
		if at+12 > int64(len(p)) {
			return ""
		}
		if string(p[at:at+4]) != "desc" {
			continue
		}
		off, size := int64(binary.BigEndian.Uint32(p[at+4:])), int64(binary.BigEndian.Uint32(p[at+8:]))
		if off > int64(len(p)) || size > int64(len(p))-off {
			return ""
		}
		return description(p[off : off+size])
	}
	return ""
}

// description reads a tag of type desc (ICC.1:2001-04 section 6.5.17) or mluc (ICC.1:2022 section 10.15), of which it takes the
// first language.
func description(b []byte) string {
	if len(b) >= 12 && string(b[:4]) == "desc" {
		n := int64(binary.BigEndian.Uint32(b[8:]))
		text := b[12:]
		text = text[:min(n, int64(len(text)))]
		text, _, _ = bytes.Cut(text, []byte{0})
		return strings.ToValidUTF8(string(text), "?")
	}
	if len(b) < 28 || string(b[:4]) != "mluc" || binary.BigEndian.Uint32(b[8:]) == 0 {
		return ""
	}
	n, off := int64(binary.BigEndian.Uint32(b[20:])), int64(binary.BigEndian.Uint32(b[24:]))
	if off > int64(len(b)) || n > int64(len(b))-off {
		return ""
	}
	var units []uint16
	for t := b[off : off+n]; len(t) >= 2; t = t[2:] {
		units = append(units, binary.BigEndian.Uint16(t))
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}
