package metadata

import (
	"encoding/binary"
	"errors"
	"io"
)

// contents reads the extents of an item, at most limit bytes; nil when it has none.
func (f *heifFile) contents(it *heifItem, limit int64) ([]byte, error) {
	var out []byte
	if !it.located {
		return nil, nil
	}
	for _, x := range it.extents {
		if int64(len(out))+x.n > limit {
			return nil, f.damaged(x.off, "item of kind "+it.kind+" of more than 1 MiB")
		}
		b, err := f.w.read(x.off, x.n)
		if errors.Is(err, io.EOF) {
			return nil, f.damaged(x.off, "file ends in an item")
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// find returns the first item that match, as the file lists them.
func (f *heifFile) find(match func(*heifItem) bool) *heifItem {
	for _, id := range f.order {
		if it := f.items[id]; match(it) {
			return it
		}
	}
	return nil
}

func exifHEIF(w *window) ([]byte, error) {
	f, err := openHEIF(w)
	if err != nil {
		return nil, err
	}
	return f.exif()
}

// exif returns the Exif block: an item that begins with the offset of the TIFF header behind these four bytes (ISO/IEC
// 23008-12 annex A.2.1).
func (f *heifFile) exif() ([]byte, error) {
	it := f.find(func(it *heifItem) bool { return it.kind == "Exif" })
	if it == nil {
		return nil, nil
	}
	b, err := f.contents(it, maxExif)
	if err != nil || len(b) < 4 {
		return nil, err
	}
	return exifPayload(b), nil
}

// exifPayload returns the block within an Exif item or box, nil when it does not hold one.
func exifPayload(b []byte) []byte {
	skip := int64(binary.BigEndian.Uint32(b))
	if b = b[4:]; skip >= int64(len(b)) {
		return nil
	}
	return withoutExifID(b[skip:])
}
