// Package metadata reads what a picture file says about its maker, and takes it out without touching the picture.
//
// Start with Strip: it reads the structure of a whole file, never its pixels, and returns a Plan, the list of the ranges
// of the source that stay and the few bytes that are written anew. Only a Plan writes anything, so a damaged file is an
// error before the first byte has gone out, the length of the answer is known, and the same Plan can be written twice.
//
// What stays is a whitelist: the parts that a decoder needs to show the same pixels in the same colours, and the
// orientation. Everything else goes: Exif, XMP, IPTC, comments, C2PA, maker notes, thumbnails, gain maps, text chunks and
// whatever follows the picture's own end.
//
// Two things a plan does not do. It does not decode entropy-coded data, so it cannot see bytes hidden inside a JPEG scan or
// behind the end of the zlib stream of PNG's IDAT chunks; and it keeps an ICC profile as it is, with the profile's own
// description.
//
// EXIF and ExifJSON are the other half: the Exif block of a file, and the JSON that the npm package exif-reader makes of it.
//
// JPEG and PNG are supported. The package imports only the standard library and holds no state.
package metadata

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnsupported is matched by the error of a file that is no JPEG or PNG, or is a kind of JPEG that nobody shows.
var ErrUnsupported = errors.New("unsupported file type")

// ErrDamaged is matched by every *DamagedError.
var ErrDamaged = errors.New("damaged file")

// UnsupportedError says what a file is, when it is not something that Strip can read.
type UnsupportedError struct {
	// Format is what the content looks like; "" when it looks like nothing known.
	Format Format
	// Detail says more where the format is supported but this kind of it is not; else it is "".
	Detail string
}

// Error begins as the reference function's refusal does ("File type X is not supported") and names what is supported.
func (e *UnsupportedError) Error() string {
	name := e.Format.ContentType()
	if name == "" {
		name = "unknown"
	}
	if e.Detail != "" {
		name += " (" + e.Detail + ")"
	}
	return "File type " + name + " is not supported; supported types are image/jpeg and image/png"
}

// Is makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

// DamagedError says where a file stops being what it begins as.
type DamagedError struct {
	Format Format
	// Offset is where the damaged part begins, in bytes from the start of the file.
	Offset int64
	Reason string
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("damaged %s at byte %d: %s", e.Format, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrDamaged) true.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// Strip plans a copy of src, which holds size bytes, that shows the same picture and says nothing else.
//
// It reads src through, 64 KiB at a time, and keeps nothing of it but the plan (under 512 KiB whatever the size of the
// file; for a camera's JPEG about 1 KiB). The error is an *UnsupportedError, a *DamagedError or what src.ReadAt returned.
func Strip(src io.ReaderAt, size int64) (*Plan, error) {
	w := newWindow(src, size)
	defer w.free()
	format, err := w.sniff()
	if err != nil {
		return nil, err
	}
	switch format {
	case JPEG:
		return stripJPEG(w)
	case PNG:
		return stripPNG(w)
	}
	return nil, &UnsupportedError{Format: format}
}

// EXIF returns the Exif block of a picture, from its TIFF header on (without the "Exif\0\0" that a JPEG puts before it), or
// nil when there is none. Of several blocks it is the first, as libvips does (seen with sharp 0.35.5). The block is not
// examined; it is at most 64 KiB from a JPEG and 1 MiB from a PNG, where a larger one is an error.
//
// Only the part of the file before the picture's data is read from a JPEG. The errors are those of Strip.
func EXIF(src io.ReaderAt, size int64) ([]byte, error) {
	w := newWindow(src, size)
	defer w.free()
	format, err := w.sniff()
	if err != nil {
		return nil, err
	}
	switch format {
	case JPEG:
		return exifJPEG(w)
	case PNG:
		return exifPNG(w)
	}
	return nil, &UnsupportedError{Format: format}
}
