package metadata

import "errors"

// maxTIFFValue is the longest value that the Exif block of a TIFF carries over: colour profiles, XMP and lists of strips may
// be longer.
const maxTIFFValue = 64 << 10

// exifTIFF returns the first two directories of a TIFF, and those of Exif, position and interoperability, as one classic
// Exif block. Its pointers lead within the block; all other values are the file's.
func exifTIFF(w *window) ([]byte, error) {
	f, err := openTIFF(w)
	if err != nil {
		return nil, err
	}
	entries, next, err := f.directory(f.first)
	if err != nil {
		return nil, err
	}
	b := &exifBuilder{tiffFile: f}
	b.out = (&tiffFile{order: f.order, read: f.read}).appendHeader(nil)
	slot, err := b.directory(entries, 0)
	if err != nil {
		return nil, err
	}
	if next != 0 {
		if entries, _, err = f.directory(next); err == nil {
			f.read.PutUint32(b.out[slot:], uint32(len(b.out)))
			_, err = b.directory(entries, 2)
		}
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	return b.out, nil
}

type exifBuilder struct {
	*tiffFile
	out []byte
	// values is how many bytes of values there are so far.
	values int64
}

// directory appends a directory and what it leads to, and returns where its offset of a next one stands. What is damaged
// below the first directory is left out.
func (b *exifBuilder) directory(entries []tiffEntry, depth int) (slot int, err error) {
	type wanted struct {
		tiffEntry
		value []byte
		sub   int64
	}
	var list []wanted
	for _, e := range entries {
		if e.n == 0 || e.n > maxTIFFValue {
			continue
		}
		if b.values += e.n; b.values > maxExif {
			return 0, &DamagedError{Format: TIFF, Offset: e.off, Reason: "more than 1 MiB of Exif"}
		}
		x := wanted{tiffEntry: e}
		if x.value, err = b.bytes(e.off, e.n); err != nil {
			if errors.Is(err, ErrDamaged) {
				continue
			}
			return 0, err
		}
		if e.tag == tagExifIFD || e.tag == tagGPSIFD || e.tag == tagInteropIFD {
			if v, err := b.numbers(e, 1); err == nil && len(v) == 1 && depth < 2 {
				x.sub = v[0]
			}
			x.typ, x.count, x.value = typeLong, 1, make([]byte, 4)
		}
		b.narrow(&x.tiffEntry, &x.value)
		list = append(list, x)
	}
	start := len(b.out)
	b.out = b.order.AppendUint16(b.out, uint16(len(list)))
	values := len(b.out)
	b.out = append(b.out, make([]byte, 12*len(list)+4)...)
	for i, x := range list {
		at := values + 12*i
		b.read.PutUint16(b.out[at:], x.tag)
		b.read.PutUint16(b.out[at+2:], x.typ)
		b.read.PutUint32(b.out[at+4:], uint32(x.count))
		if len(x.value) <= 4 {
			copy(b.out[at+8:], x.value)
		} else {
			b.read.PutUint32(b.out[at+8:], uint32(len(b.out)))
			b.out = append(b.out, x.value...)
			b.out = append(b.out, make([]byte, len(x.value)&1)...)
		}
	}
	for i, x := range list {
		if x.sub == 0 {
			continue
		}
		sub, _, err := b.tiffFile.directory(x.sub)
		if err == nil {
			b.read.PutUint32(b.out[values+12*i+8:], uint32(len(b.out)))
			_, err = b.directory(sub, depth+1)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			return 0, err
		}
	}
	return start + 2 + 12*len(list), nil
}

// narrow turns the types that only BigTIFF has into LONG.
func (b *exifBuilder) narrow(e *tiffEntry, value *[]byte) {
	if e.typ != typeLong8 && e.typ != typeIFD8 {
		return
	}
	var out []byte
	for v := *value; len(v) >= 8; v = v[8:] {
		out = b.order.AppendUint32(out, uint32(min(b.read.Uint64(v), 1<<32-1)))
	}
	e.typ, *value = typeLong, out
}
