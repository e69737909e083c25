package metadata

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// ExifFor returns the Exif block, from its TIFF header on, that a picture made anew of src should carry: with KeepNone none, with
// KeepCopyright the texts that Options.Strip would keep, with KeepAll the block as it is, but upright and without its thumbnail,
// since the new picture has been turned and looks different. Sizes that the block may tell stay as they are, and so do maker notes.
// It is nil when there is nothing to carry. Such a block is at most 1 MiB.
//
// A block that is damaged, too large or compressed by Brotli is left out. The error is an *OptionsError, a *PixelsError or what
// src.ReadAt returned.
func ExifFor(o Options, src io.ReaderAt, size int64) ([]byte, error) {
	o.ICC = "" // the profile is not in the block
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Metadata == "" || o.Metadata == KeepNone {
		return nil, nil
	}
	block, err := exifToCarry(src, size)
	if err != nil {
		if errors.Is(err, ErrDamaged) || errors.Is(err, ErrUnsupported) || errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if o.Metadata == KeepAll {
		return upright(block), nil
	}
	e := o.essence(block)
	e.orientation = 1
	return e.block(), nil
}

// exifToCarry is the function EXIF, except that of a TIFF nothing is carried that tells where its pixels are.
func exifToCarry(src io.ReaderAt, size int64) ([]byte, error) {
	w := newWindow(src, size)
	defer w.free()
	format, err := w.sniff()
	if err != nil {
		return nil, err
	}
	if format != TIFF {
		return EXIF(src, size)
	}
	f, err := openTIFF(w)
	if err != nil {
		return nil, err
	}
	entries, _, err := f.directory(f.first)
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e tiffEntry) bool { return ofPixels(e.tag) })
	if len(entries) == 0 {
		return nil, nil
	}
	b := &exifBuilder{tiffFile: f}
	b.out = (&tiffFile{order: f.order, read: f.read}).appendHeader(nil)
	_, err = b.directory(entries, 0)
	return b.out, err
}

// ofPixels reports whether a tag of a TIFF's directory belongs to its own pixels, or to another block than Exif.
func ofPixels(tag uint16) bool {
	switch tag {
	case tagOrientation, 282, 283, 296: // and resolution
		return false
	case tagStripOffsets, tagStripByteCounts, tagTileOffsets, tagTileByteCounts, tagJPEGTables, tagSubIFDs, tagICCProfile, tagXMP, tagIPTC, tagPhotoshop:
		return true
	}
	_, kept := tiffKept[tag]
	return kept || tag >= 512 && tag <= 521 // old-style JPEG
}

// upright returns a copy of an Exif block that says orientation 1 where it says one, and has no second directory: the thumbnail's.
// Nothing else moves, so offsets in maker notes stay right. It is nil when the block cannot be read.
func upright(block []byte) []byte {
	t, err := parseTIFF(bytes.Clone(block))
	if err != nil || !t.has(t.ifd0, 2) {
		return nil
	}
	n := int64(t.u16(t.ifd0))
	at := t.ifd0 + 2
	for ; n > 0 && t.has(at, 12); n, at = n-1, at+12 {
		if t.u16(at) == tagOrientation {
			t.order.PutUint16(t.b[at+2:], typeShort)
			t.order.PutUint32(t.b[at+4:], 1)
			clear(t.b[at+8 : at+12])
			t.order.PutUint16(t.b[at+8:], 1)
		}
	}
	if n > 0 || !t.has(at, 4) {
		return t.b
	}
	next := int64(t.u32(at))
	clear(t.b[at : at+4])
	t.dropThumbnail(next)
	return t.b
}

// dropThumbnail makes zeros of the directory at ifd and of the picture that it points to, or cuts them off where they are the
// block's end.
func (t *tiffBlock) dropThumbnail(ifd int64) {
	if ifd < 8 || !t.has(ifd, 2) || ifd == t.ifd0 {
		return
	}
	// JPEGInterchangeFormat with its length, or strips with theirs (Exif 3.0 section 4.5.8): one of each.
	for _, pair := range [][2]uint16{{513, 514}, {tagStripOffsets, tagStripByteCounts}} {
		off, ok1 := t.find(ifd, pair[0])
		length, ok2 := t.find(ifd, pair[1])
		if !ok1 || !ok2 || t.u32(off+4) != 1 || t.u32(length+4) != 1 {
			continue
		}
		from := int64(t.whole(off))
		end := min(from+int64(t.whole(length)), int64(len(t.b)))
		if from <= ifd || from >= end {
			continue // before its own directory there are values that stay
		}
		clear(t.b[from:end])
		if end == int64(len(t.b)) {
			t.b = t.b[:from]
		}
	}
	if size := 2 + 12*int64(t.u16(ifd)) + 4; t.has(ifd, size) {
		clear(t.b[ifd : ifd+size])
	}
}

// whole returns the value of the entry at off, a SHORT or a LONG.
func (t *tiffBlock) whole(off int64) uint32 {
	if t.u16(off+2) == typeShort {
		return uint32(t.u16(off + 8))
	}
	return t.u32(off + 8)
}
