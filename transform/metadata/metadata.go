// Package metadata reads what a picture file says about its maker, and takes it out without touching the picture.
//
// Start with Strip: it reads the structure of a whole file, never its pixels, and returns a Plan, the list of the ranges
// of the source that stay and the few bytes that are written anew. Only a Plan writes anything, so a damaged file is an
// error before the first byte has gone out, the length of the answer is known, and the same Plan can be written twice.
// Options.Strip does the same with a choice of what may stay.
//
// What stays is a whitelist: the parts that a decoder needs to show the same pixels in the same colours, and the
// orientation. Everything else goes: Exif, XMP, IPTC, comments, C2PA, maker notes, thumbnails, text chunks, private chunks
// and whatever follows the picture's own end. A gain map is picture: the one of an Ultra HDR JPEG stays, stripped itself.
//
// Three things a plan does not do. It does not decode entropy-coded data, so it cannot see bytes hidden inside a JPEG scan,
// behind the end of a zlib or LZW stream, or in the bitstream of a video codec; it cannot see the end of a JPEG XL codestream with
// an embedded colour profile, extensions or groups in an order of its own, so what follows one in the same box or bare file stays;
// and it keeps an ICC profile as it is, with the profile's own description.
//
// EXIF and ExifJSON are the other half: the Exif block of a file, and the JSON that the npm package exif-reader makes of it.
// Describe tells all there is: size, frames, orientation, colour profile, Exif, XMP, IPTC and position.
//
// JPEG, PNG and APNG, WebP, GIF, TIFF and BigTIFF, AVIF and HEIF, JPEG XL and SVG are supported, by their content. The
// package imports only the standard library and holds no state.
package metadata

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnsupported is matched by the error of a file that is no picture, or is a kind of picture that Strip does not know whole.
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

// SupportedTypes is how errors name what Strip reads.
const SupportedTypes = "image/jpeg, image/png, image/webp, image/gif, image/avif, image/heif, image/tiff, image/jxl and image/svg+xml"

// Error begins as the reference function's refusal does ("File type X is not supported") and names what is supported.
func (e *UnsupportedError) Error() string {
	name := e.Format.ContentType()
	if name == "" {
		name = "unknown"
	}
	if e.Detail != "" {
		name += " (" + e.Detail + ")"
	}
	return "File type " + name + " is not supported; supported types are " + SupportedTypes
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
// It reads src through, 64 KiB at a time, and keeps nothing of it but the plan: for a camera's JPEG about 1 KiB, at most
// 2 MiB whatever the size of the file. An SVG is the exception: it is rewritten, so it is held whole, up to 8 MiB. The error is
// an *UnsupportedError, a *DamagedError or what src.ReadAt returned.
func Strip(src io.ReaderAt, size int64) (*Plan, error) { return Options{}.Strip(src, size) }

// Strip plans a copy of src that keeps what o says. Beyond the errors of the function Strip it returns an *OptionsError
// or a *PixelsError when o is not possible.
func (o Options) Strip(src io.ReaderAt, size int64) (*Plan, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	w := newWindow(src, size)
	defer w.free()
	format, err := w.sniff()
	if err != nil {
		return nil, err
	}
	strip := stripperOf(format)
	if strip == nil {
		return nil, &UnsupportedError{Format: format}
	}
	plan, err := strip(w, o)
	if err != nil {
		return nil, err
	}
	if o.Metadata == KeepAll && format != SVG {
		plan.parts = nil
		plan.keep(0, size)
		plan.finish()
	}
	for _, q := range plan.parts {
		if q.lit == nil && (q.off < 0 || q.n < 0 || q.off > size-q.n) {
			return nil, &DamagedError{Format: format, Offset: q.off, Reason: "file ends in its picture"}
		}
	}
	plan.account(size)
	return plan, nil
}

// stripperOf returns the stripper of a format, nil for none.
func stripperOf(f Format) func(*window, Options) (*Plan, error) {
	switch f {
	case JPEG:
		return stripJPEG
	case PNG:
		return stripPNG
	case WebP:
		return stripWebP
	case GIF:
		return stripGIF
	case TIFF:
		return stripTIFF
	case AVIF, HEIF:
		return stripHEIF
	case JXL:
		return stripJXL
	case SVG:
		return stripSVG
	}
	return nil
}

// maxExif is the largest Exif block that EXIF returns. JPEG's limit is 64 KiB; no camera writes more elsewhere.
const maxExif = 1 << 20

// EXIF returns the Exif block of a picture, from its TIFF header on (without the "Exif\0\0" that a JPEG puts before it), or
// nil when there is none. Of several blocks it is the first, as libvips does (seen with sharp 0.35.5). The block is not
// examined; it is at most 64 KiB from a JPEG and 1 MiB from other files, where a larger one is an error. A TIFF is such a
// block itself: the answer is one made anew of its first directory and those that it leads to, with the values that are
// at most 64 KiB. GIF and SVG carry no Exif.
//
// Only what is needed to find it is read. The errors are those of Strip.
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
	case WebP:
		return exifWebP(w)
	case TIFF:
		return exifTIFF(w)
	case AVIF, HEIF:
		return exifHEIF(w)
	case JXL:
		return exifJXL(w)
	case GIF, SVG:
		return nil, nil
	}
	return nil, &UnsupportedError{Format: format}
}
