package metadata

import (
	"bytes"
	"errors"
	"io"
)

// jxlSignature begins the container form (ISO/IEC 18181-2 section 9.1); a bare codestream begins with ff 0a.
const jxlSignature = "\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"

// stripJXL keeps the codestream, the level that it needs and nothing else of the container. Exif, XMP, JUMBF, their compressed
// forms, the frame index, gain maps and the data that would restore a JPEG go: these restore its metadata too. How the
// picture is turned is told by the codestream (ISO/IEC 18181-1 section D.3.2). A bare codestream has no metadata. What follows
// the codestream's own end goes, where that can be told without a decoder: see jxlEnd.
func stripJXL(w *window, o Options) (*Plan, error) {
	plan := &Plan{Format: JXL, ContentType: JXL.ContentType(), Orientation: 1}
	f, err := openJXL(w)
	if err != nil {
		return nil, err
	}
	if f.preview {
		return nil, &UnsupportedError{Format: JXL, Detail: "with a preview"}
	}
	stream := newJXLStream(w, f)
	end, err := stream.end()
	if err != nil {
		return nil, err
	}
	if f.bare {
		if end < 0 {
			end = w.size
		}
		plan.keep(0, end)
		return plan.finish(), nil
	}
	plan.noteJXL(w)
	plan.put([]byte(jxlSignature))
	plan.put(appendBox(nil, "ftyp", []byte("jxl \x00\x00\x00\x00jxl ")))
	if f.level != nil {
		plan.put(appendBox(nil, "jxll", f.level))
	}
	if o.Metadata == KeepCopyright {
		block, err := f.exif(w)
		if err != nil {
			return nil, err
		}
		e := o.essence(block)
		e.orientation = 1
		if b := e.block(); b != nil {
			plan.put(appendBox(nil, "Exif", make([]byte, 4), b))
		}
	}
	if end >= 0 && end < stream.size {
		stream.keep(plan, end)
		return plan.finish(), nil
	}
	for _, b := range f.stream {
		if b.sized {
			plan.keep(b.off, b.size)
			continue
		}
		plan.put(append([]byte{0, 0, 0, 0}, b.kind...)) // a last box, which goes to the end of the file
		plan.keep(b.data(), b.size-b.head)
	}
	if len(plan.parts) > maxParts {
		return nil, &DamagedError{Format: JXL, Offset: 0, Reason: "too many boxes to drop"}
	}
	return plan.finish(), nil
}

// jxlFile is the structure of a JPEG XL file.
type jxlFile struct {
	jxlHeader
	bare bool
	// level is the data of jxll, one byte.
	level []byte
	// stream are the boxes of the codestream: one jxlc, or jxlp in order.
	stream []jxlBox
	// meta are the first boxes of the kinds Exif, "xml " and brob.
	meta map[string]box
}

type jxlBox struct {
	box
	// sized says that the box tells its length.
	sized bool
}

func openJXL(w *window) (*jxlFile, error) {
	f := &jxlFile{meta: make(map[string]box)}
	sig, err := w.at(0, int(min(w.size, int64(len(jxlSignature)))))
	if err != nil {
		return nil, err
	}
	if string(sig) != jxlSignature {
		f.bare = true
		head, err := w.read(0, min(w.size, maxJXLHead))
		if err != nil {
			return nil, err
		}
		return f, f.parse(head, 0)
	}
	var whole bool
	for off := int64(len(jxlSignature)); off < w.size; {
		b, err := readBox(w, JXL, off, w.size)
		if whole && errors.Is(err, ErrDamaged) {
			break // what follows the picture is no box
		}
		if err == nil {
			err = f.box(w, b, &whole)
		}
		if err != nil {
			return nil, err
		}
		off = b.end()
	}
	if !whole {
		return nil, &DamagedError{Format: JXL, Offset: w.size, Reason: "file ends before its picture"}
	}
	return f, f.head(w)
}

// box notes a box of the file's own level; whole says that the codestream has come to its last box.
func (f *jxlFile) box(w *window, b box, whole *bool) error {
	first, err := w.at(b.off, 4)
	if err != nil {
		return err
	}
	sized := !bytes.Equal(first, []byte{0, 0, 0, 0})
	switch b.kind {
	case "jxlc", "jxlp":
		if *whole || len(f.stream) > 0 && (b.kind == "jxlc" || f.stream[0].kind == "jxlc") || len(f.stream) == 1<<15 {
			return &DamagedError{Format: JXL, Offset: b.off, Reason: "more than one codestream"}
		}
		if *whole, err = f.part(w, b); err != nil {
			return err
		}
		f.stream = append(f.stream, jxlBox{b, sized})
	case "jxll":
		if f.level == nil && b.size-b.head == 1 {
			f.level, err = w.read(b.data(), 1)
		}
	case "Exif", "xml ", "brob":
		if _, twice := f.meta[b.kind]; !twice {
			f.meta[b.kind] = b
		}
	}
	return err
}

// part checks a box of the codestream and reports whether it is the last. A jxlp begins with its number; the last has the
// highest bit set (ISO/IEC 18181-2 section 9.9).
func (f *jxlFile) part(w *window, b box) (last bool, err error) {
	if b.kind == "jxlc" {
		return true, nil
	}
	c, err := w.at(b.data(), 4)
	if errors.Is(err, io.EOF) || b.size-b.head < 4 {
		return false, &DamagedError{Format: JXL, Offset: b.off, Reason: "part of a codestream without its number"}
	}
	if err != nil {
		return false, err
	}
	number := int64(c[0]&0x7f)<<24 | int64(c[1])<<16 | int64(c[2])<<8 | int64(c[3])
	if number != int64(len(f.stream)) {
		return false, &DamagedError{Format: JXL, Offset: b.off, Reason: "parts of the codestream out of order"}
	}
	return c[0]&0x80 != 0, nil
}

// head parses the first bytes of the codestream, which may be spread over parts.
func (f *jxlFile) head(w *window) error {
	var head []byte
	for _, b := range f.stream {
		p, err := w.read(b.stream(), min(b.end()-b.stream(), int64(maxJXLHead-len(head))))
		if err != nil {
			return err
		}
		if head = append(head, p...); len(head) == maxJXLHead {
			break
		}
	}
	return f.parse(head, f.stream[0].off)
}

// stream is where the codestream in a box begins: a jxlp has its number before.
func (b box) stream() int64 {
	if b.kind == "jxlp" {
		return min(b.data()+4, b.end())
	}
	return b.data()
}

func exifJXL(w *window) ([]byte, error) {
	f, err := openJXL(w)
	if err != nil {
		return nil, err
	}
	return f.exif(w)
}

// exif returns the Exif block. One that is compressed with Brotli is an error: this package has no Brotli.
func (f *jxlFile) exif(w *window) ([]byte, error) {
	b, ok := f.meta["Exif"]
	if !ok {
		return nil, f.compressed(w, "Exif")
	}
	n := b.size - b.head
	if n < 4 {
		return nil, nil
	}
	if n > maxExif {
		return nil, &DamagedError{Format: JXL, Offset: b.off, Reason: "Exif box of more than 1 MiB"}
	}
	p, err := w.read(b.data(), n)
	if err != nil {
		return nil, err
	}
	return exifPayload(p), nil
}

// compressed returns an error when the first brob box holds a box of the kind.
func (f *jxlFile) compressed(w *window, kind string) error {
	b, ok := f.meta["brob"]
	if !ok || b.size-b.head < 4 {
		return nil
	}
	p, err := w.at(b.data(), 4)
	if err != nil || string(p) != kind {
		return err
	}
	return &UnsupportedError{Format: JXL, Detail: "with " + kind + " compressed by Brotli"}
}
