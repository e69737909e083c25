package metadata

import (
	"bytes"
	"encoding/binary"
)

// What is noted within blocks that hold others.

// maxInner bounds the values of one directory that are noted.
const maxInner = 128

// noteExif notes an Exif block, whose TIFF header stands in b and at base in the source: first what is within it.
func (p *Plan) noteExif(b []byte, base int64) {
	if len(b) < 16 {
		return
	}
	w := newWindow(bytes.NewReader(b), int64(len(b)))
	defer w.free()
	if f, err := openTIFF(w); err == nil {
		p.noteDirectories(f, base)
	}
}

// noteDirectories notes what the first directory of f leads to, at base in the source. What is damaged is not noted.
func (p *Plan) noteDirectories(f *tiffFile, base int64) {
	entries, next, err := f.directory(f.first)
	if err != nil {
		return
	}
	p.noteValues(entries, base)
	if sub, ok := findTag(entries, tagExifIFD); ok {
		if entries, _, err := f.directory(f.pointer(sub)); err == nil {
			if e, ok := findTag(entries, tagMakerNote); ok {
				p.note(KindMakerNote, base+e.off, e.n)
			}
		}
	}
	if sub, ok := findTag(entries, tagGPSIFD); ok {
		p.noteDirectory(f, KindGPS, f.pointer(sub), base)
	}
	if next == 0 {
		return
	}
	if entries, _, err := f.directory(next); err == nil {
		at, ok := findTag(entries, tagThumbnail)
		length, sized := findTag(entries, tagThumbnailLength)
		if ok && sized {
			p.note(KindThumbnail, base+f.pointer(at), f.pointer(length))
		}
	}
}

// noteValues notes values of a directory that are a block of their own.
func (p *Plan) noteValues(entries []tiffEntry, base int64) {
	for tag, kind := range map[uint16]Kind{tagXMP: KindXMP, tagIPTC: KindIPTC, tagICCProfile: KindICC, tagC2PA: KindC2PA} {
		if e, ok := findTag(entries, tag); ok {
			p.note(kind, base+e.off, e.n)
		}
	}
}

// noteDirectory notes a directory and the values that it has elsewhere.
func (p *Plan) noteDirectory(f *tiffFile, kind Kind, off, base int64) {
	entries, _, err := f.directory(off)
	if err != nil {
		return
	}
	whole := f.directorySize(len(entries))
	p.note(kind, base+off, whole)
	for _, e := range entries[:min(len(entries), maxInner)] {
		if e.off < off || e.off >= off+whole {
			p.noteMore(kind, base+e.off, e.n)
		}
	}
}

// directorySize is what a directory of n entries takes, in bytes.
func (f *tiffFile) directorySize(n int) int64 {
	if f.big {
		return 8 + 20*int64(n) + 8
	}
	return 2 + 12*int64(n) + 4
}

// pointer is the one value of an entry that leads to a directory, 0 when there is none.
func (f *tiffFile) pointer(e tiffEntry) int64 {
	v, err := f.numbers(e, 1)
	if err != nil || len(v) == 0 {
		return 0
	}
	return v[0]
}

// More tags of Exif 3.0, sections 4.6.5 and 4.6.6.
const (
	tagThumbnail       = 0x0201
	tagThumbnailLength = 0x0202
	tagMakerNote       = 0x927c
	tagC2PA            = 0xcd41 // C2PA Specification 2.1, annex A.3.5
)

// notePhotoshop notes Photoshop's image resources in b, which stands at base in the source. (Adobe Photoshop File Formats,
// "Image Resource IDs".)
func (p *Plan) notePhotoshop(b []byte, base int64) {
	kinds := map[uint16]Kind{0x0404: KindIPTC, 0x0409: KindThumbnail, 0x040c: KindThumbnail, 0x040f: KindICC, 0x0422: KindExif, 0x0423: KindExif, 0x0424: KindXMP}
	for at := 0; at+12 <= len(b) && string(b[at:at+4]) == "8BIM" && len(p.notes) < maxNotes; {
		id := binary.BigEndian.Uint16(b[at+4:])
		name := 1 + int(b[at+6])
		data := at + 6 + name + name&1
		if data+4 > len(b) {
			return
		}
		n := int64(binary.BigEndian.Uint32(b[data:]))
		data += 4
		if n > int64(len(b)-data) {
			return
		}
		end := min(data+int(n+n&1), len(b))
		if kind, ok := kinds[id]; ok {
			p.note(kind, base+int64(at), int64(end-at))
		}
		at = end
	}
}

// Identifiers of application segments of JPEG.
var (
	extendedID  = []byte("http://ns.adobe.com/xmp/extension/\x00")
	jfxxID      = []byte("JFXX\x00")
	photoshopID = []byte("Photoshop 3.0\x00")
	jumbfID     = []byte("JP")
)

// noteApplication notes an APPn segment of a JPEG with payload b.
func (s *jpegStripper) noteApplication(seg segment, b []byte) {
	p := s.plan
	kind := KindOther
	switch {
	case seg.marker == mAPP0 && bytes.HasPrefix(b, jfifID) && !s.jfif:
		p.note(rewritten, seg.off, min(18, seg.size))
		kind = KindThumbnail
	case seg.marker == mAPP0 && bytes.HasPrefix(b, jfxxID):
		kind = KindThumbnail
	case seg.marker == mAPP1 && isExif(b):
		p.noteExif(b[6:], seg.off+4+6)
		kind = KindExif
	case seg.marker == mAPP1 && (bytes.HasPrefix(b, xmpID) || bytes.HasPrefix(b, extendedID)):
		kind = KindXMP
	case seg.marker == mAPP2 && bytes.HasPrefix(b, iccID):
		kind = KindICC
	case seg.marker == mAPP2 && bytes.HasPrefix(b, mpfID):
		kind = rewritten // the index of what follows the picture
	case seg.marker == mAPP11 && bytes.HasPrefix(b, jumbfID):
		kind = s.jumbf(b)
	case seg.marker == mAPP13 && bytes.HasPrefix(b, photoshopID):
		p.notePhotoshop(b[len(photoshopID):], seg.off+4+int64(len(photoshopID)))
	case seg.marker == mAPP14 && len(b) >= 12 && bytes.HasPrefix(b, adobeID):
		p.note(rewritten, seg.off, 4+12)
	}
	p.note(kind, seg.off, seg.size)
}

// jumbf tells whether a box of JUMBF in APP11 is C2PA's. A box of several segments says so in the first. (ISO/IEC 19566-5, annex D;
// C2PA Specification 2.1, "Embedding manifests into JPEG".)
func (s *jpegStripper) jumbf(b []byte) Kind {
	if len(b) < 8 {
		return KindOther
	}
	box := binary.BigEndian.Uint16(b[2:])
	if s.c2pa == nil {
		s.c2pa = map[uint16]bool{}
	}
	if isC2PA(b[8:]) && len(s.c2pa) < 64 {
		s.c2pa[box] = true
	}
	if s.c2pa[box] {
		return KindC2PA
	}
	return KindOther
}

// isC2PA reports whether the beginning of a JUMBF box says that it is C2PA's.
func isC2PA(b []byte) bool { return bytes.Contains(b[:min(len(b), 64)], []byte("c2pa")) }
