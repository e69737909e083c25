package vips

import (
	"fmt"
	"unsafe"
)

// Image is a picture of a Session: most are a plan, whose pixels are made when an operation asks for them.
type Image struct {
	l *Library
	p unsafe.Pointer
}

// own makes an image the session's.
func (s *Session) own(p unsafe.Pointer) *Image {
	image := &Image{l: s.l, p: p}
	s.images = append(s.images, image)
	return image
}

// Width returns pixels.
func (i *Image) Width() int { return int(i.l.imageWidth(i.p)) }

// Height returns pixels: of all frames, if it is an animation, which libvips holds as one tall picture.
func (i *Image) Height() int { return int(i.l.imageHeight(i.p)) }

// Bands returns the number of values of a pixel, alpha among them.
func (i *Image) Bands() int { return int(i.l.imageBands(i.p)) }

// HasAlpha says whether the last band is alpha.
func (i *Image) HasAlpha() bool { return i.l.imageHasAlpha(i.p) != 0 }

// Format returns the nick of a value's type, such as "uchar", "ushort", "float".
func (i *Image) Format() string { return i.l.enumNick(i.l.formatType(), i.l.imageFormat(i.p)) }

// Interpretation returns the nick of the colour space, such as "srgb", "b-w", "cmyk", "rgb16".
func (i *Image) Interpretation() string {
	return i.l.enumNick(i.l.interpretationType(), i.l.imageInterpretation(i.p))
}

// Fields returns the names of the metadata, with those of the header, such as "width".
func (i *Image) Fields() []string {
	list := i.l.imageFields(i.p)
	if list == nil {
		return nil
	}
	defer i.l.gStrfreev(list)
	var out []string
	for p := (*unsafe.Pointer)(list); *p != nil; p = (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(list))) {
		out = append(out, text(*p))
	}
	return out
}

// text copies a C string.
func text(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

// HasField says whether there is metadata of this name.
func (i *Image) HasField(name string) bool { return i.l.imageTypeof(i.p, name) != 0 }

// Field returns metadata by its name, as Session.Call returns outputs; nil when there is none.
func (s *Session) Field(i *Image, name string) (any, error) {
	if !i.HasField(name) {
		return nil, nil
	}
	var value gvalue
	if s.l.imageGet(i.p, name, &value) != 0 {
		return nil, s.l.failure("get " + name)
	}
	defer s.l.gValueUnset(&value)
	return s.get(&value)
}

// SetField sets metadata of an image that no operation has used yet, such as the result of "copy". v is an int, a []int, a
// []byte (copied) or a string.
func (s *Session) SetField(i *Image, name string, v any) error {
	var value gvalue
	l := s.l
	switch v := v.(type) {
	case int:
		l.gValueInit(&value, typeInt)
		l.gSetInt(&value, int32(v))
	case string:
		l.gValueInit(&value, typeString)
		l.gSetString(&value, v)
	case []int:
		l.gValueInit(&value, l.intsType())
		if err := s.setBoxed(&value, v); err != nil {
			return err
		}
	case []byte:
		l.gValueInit(&value, l.blobType())
		blob := l.blobCopy(unsafe.Pointer(unsafe.SliceData(v)), uintptr(len(v)))
		l.gSetBoxed(&value, blob)
		l.areaUnref(blob)
	default:
		return fmt.Errorf("libvips metadata %s: %T does not fit", name, v)
	}
	defer l.gValueUnset(&value)
	l.imageSet(i.p, name, &value)
	return nil
}

// RemoveField removes metadata of an image that no operation has used yet.
func (i *Image) RemoveField(name string) { i.l.imageRemove(i.p, name) }

// Memory makes an image of bytes, which it copies: rows from the top, each of width pixels of so many bands.
func (s *Session) Memory(pixels []byte, width, height, bands int) (*Image, error) {
	if len(pixels) != width*height*bands {
		return nil, fmt.Errorf("libvips image of %d x %d x %d: %d bytes", width, height, bands, len(pixels))
	}
	p := s.l.imageFromMemory(unsafe.Pointer(unsafe.SliceData(pixels)), uintptr(len(pixels)), int32(width), int32(height), int32(bands), 0)
	if p == nil {
		return nil, s.l.failure("image from memory")
	}
	return s.own(p), nil
}

// Matrix makes an image of one band of doubles, as the operations that convolve and recombine want it.
func (s *Session) Matrix(values []float64, width, height int) (*Image, error) {
	p := s.l.imageMatrix(int32(width), int32(height), unsafe.Pointer(unsafe.SliceData(values)), int32(len(values)))
	if p == nil {
		return nil, s.l.failure("matrix")
	}
	return s.own(p), nil
}

// InMemory makes all pixels now and returns an image that can be read in any order. It costs width x height x bands bytes.
func (s *Session) InMemory(i *Image) (*Image, error) {
	p := s.l.imageCopyMemory(i.p)
	if p == nil {
		return nil, s.l.failure("copy to memory")
	}
	return s.own(p), nil
}

// Pixels makes all pixels now and returns a copy: rows from the top, bands interleaved, each value as Image.Format says.
func (s *Session) Pixels(i *Image) ([]byte, error) {
	var size uintptr
	data := s.l.imageToMemory(i.p, &size)
	if data == nil {
		return nil, s.l.failure("write to memory")
	}
	defer s.l.gFree(data)
	return append([]byte{}, unsafe.Slice((*byte)(data), size)...), nil
}

// Loader returns the class that libvips would load these bytes with, such as "VipsForeignLoadJpegBuffer", by their first bytes;
// "" when it knows none.
func (s *Session) Loader(source []byte) string {
	if len(source) == 0 {
		return ""
	}
	s.pins.Pin(unsafe.SliceData(source))
	name := s.l.findLoadBuffer(unsafe.Pointer(unsafe.SliceData(source)), uintptr(len(source)))
	s.l.errorClear()
	return name
}
