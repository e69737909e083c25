package metadata

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
)

// Header is what a picture file says about its picture before anything is decoded.
type Header struct {
	Format Format
	// Width and Height are in pixels, as the file stores them, before the picture is turned. An SVG may ask for no size: both are
	// then 0.
	Width, Height int64
	// Frames is how many pictures an animation or a file of pages has, else 1; 0 when only a decoder could tell. Of a damaged
	// file it is how many begin before the damage.
	Frames int
	// Orientation is as in Exif, 1 to 8, and 1 when the file does not say. Decoders of AVIF, HEIF and JPEG XL turn the picture by
	// themselves; those of other formats do not.
	Orientation int
	// Interlaced says that a decoder shows the whole picture coarsely first: Adam7 of PNG, progressive JPEG.
	Interlaced bool
	// Alpha says that the file may have transparent parts; of an SVG it is true.
	Alpha bool
	// Animated says that its frames are shown one after the other in time. Pages are not.
	Animated bool
}

// ReadHeader reads the head of a picture in src, which holds size bytes. It needs less of a file than Strip: one that ends in its
// pixels, or is damaged there, has a header. The error is an *UnsupportedError, a *DamagedError when no size can be told, or what
// src.ReadAt returned.
func ReadHeader(src io.ReaderAt, size int64) (Header, error) {
	w := newWindow(src, size)
	defer w.free()
	format, err := w.sniff()
	if err != nil {
		return Header{}, err
	}
	read := headerOf(format)
	if read == nil {
		return Header{}, &UnsupportedError{Format: format}
	}
	h := Header{Format: format, Frames: 1, Orientation: 1}
	err = read(w, &h)
	if errors.Is(err, io.EOF) {
		err = &DamagedError{Format: format, Offset: w.size, Reason: "file ends before its picture"}
	}
	sized := h.Width > 0 && h.Height > 0
	switch {
	case errors.Is(err, ErrDamaged) && sized:
	case err != nil:
		return Header{}, err
	case !sized && format != SVG:
		return Header{}, &DamagedError{Format: format, Offset: 0, Reason: "picture without a size"}
	}
	return h, nil
}

func headerOf(f Format) func(*window, *Header) error {
	switch f {
	case JPEG:
		return headerJPEG
	case PNG:
		return headerPNG
	case WebP:
		return headerWebP
	case GIF:
		return headerGIF
	case TIFF:
		return headerTIFF
	case AVIF, HEIF:
		return headerHEIF
	case JXL:
		return headerJXL
	case SVG:
		return headerSVG
	}
	return nil
}

func headerJPEG(w *window, h *Header) error {
	exif := false
	for at := int64(2); ; {
		seg, err := nextSegment(w, at)
		if errors.Is(err, errCut) {
			err = seg.damaged("file ends before its picture")
		}
		if err != nil {
			return err
		}
		switch m := seg.marker; {
		case m == mEOI:
			return seg.damaged("file ends before its picture")
		case m == mSOS:
			if h.Width > 0 && h.Height == 0 {
				h.Height, err = jpegLines(w, seg.end())
			}
			return err
		case m == mAPP1 && !exif:
			b, err := seg.payload(w)
			if err != nil {
				return err
			}
			if exif = isExif(b); exif {
				h.Orientation = orientation(b[6:])
			}
		case m >= mSOF0 && m <= mSOF15 && m != mDHT && m != mJPG && m != mDAC && h.Width == 0:
			b, err := seg.payload(w)
			if err != nil {
				return err
			}
			if reason := checkFrame(b); reason != "" {
				return seg.damaged(reason)
			}
			h.Height, h.Width = int64(binary.BigEndian.Uint16(b[1:])), int64(binary.BigEndian.Uint16(b[3:]))
			h.Interlaced = m&3 == 2 // SOF2, 6, 10 and 14 (T.81 table B.1)
		}
		at = seg.end()
	}
}

// jpegLines returns the height that DNL tells behind the scan at off (T.81 B.2.5), 0 when it does not.
func jpegLines(w *window, off int64) (int64, error) {
	end, err := scanEnd(w, off)
	if err != nil {
		return 0, err
	}
	seg, err := nextSegment(w, end)
	if err != nil || seg.marker != mDNL || seg.size != 6 {
		if errors.Is(err, errCut) {
			err = nil
		}
		return 0, err
	}
	b, err := seg.payload(w)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint16(b)), nil
}

func headerPNG(w *window, h *Header) error {
	exif := false
	for at := int64(len(pngSignature)); ; {
		c, err := readChunk(w, at)
		if err != nil {
			return err
		}
		if (h.Width == 0) != (c.kind == "IHDR") {
			return c.damaged("IHDR is not the first chunk, and the only one")
		}
		switch c.kind {
		case "IHDR":
			b, err := w.at(c.data(), 13)
			if err != nil {
				return err
			}
			h.Width, h.Height = int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
			if c.n != 13 || h.Width-1 > 1<<31-2 || h.Height-1 > 1<<31-2 || h.Width == 0 || h.Height == 0 {
				h.Width = 0
				return c.damaged("impossible size")
			}
			h.Alpha, h.Interlaced = b[9]&4 != 0, b[12] == 1
		case "tRNS":
			h.Alpha = true
		case "acTL":
			if b, err := w.at(c.data(), 4); err == nil && c.n == 8 {
				h.Frames, h.Animated = int(min(binary.BigEndian.Uint32(b), math.MaxInt32)), true
			}
		case "eXIf":
			ok, err := c.checkCRC(w)
			if err != nil {
				return err
			}
			if ok && !exif && c.n <= maxExif {
				block, err := readTIFF(w, c)
				if err != nil {
					return err
				}
				exif, h.Orientation = true, orientation(block)
			}
		case "IEND":
			return nil
		}
		at = c.end()
	}
}

func headerWebP(w *window, h *Header) error {
	b, err := w.at(0, 12)
	if err != nil {
		return err
	}
	// The container may be longer than the file: what is there is read.
	end := min(8+int64(binary.LittleEndian.Uint32(b[4:])), w.size)
	extended, exif := false, false
	for at := int64(12); at < end; {
		c, err := readRIFFChunk(w, at, end)
		cut := err // of the picture itself the first bytes are enough
		if err != nil && c.kind != "VP8 " && c.kind != "VP8L" {
			return err
		}
		switch c.kind {
		case "VP8X":
			b, err := w.at(c.data(), 10)
			if err != nil {
				return err
			}
			if !extended && at == 12 {
				extended = true
				h.Width = 1 + (int64(b[4]) | int64(b[5])<<8 | int64(b[6])<<16)
				h.Height = 1 + (int64(b[7]) | int64(b[8])<<8 | int64(b[9])<<16)
				h.Alpha, h.Animated = b[0]&webpAlpha != 0, b[0]&webpAnimation != 0
				if h.Animated {
					h.Frames = 0
				}
			}
		case "VP8 ", "VP8L":
			if h.Width > 0 {
				break
			}
			width, height, err := webpSize(w, c)
			if err != nil {
				return err
			}
			h.Width, h.Height = int64(width), int64(height)
			if b, err := w.at(c.data(), 5); err == nil && c.kind == "VP8L" {
				h.Alpha = b[4]&0x10 != 0 // RFC 9649 section 3.4, alpha_is_used
			}
		case "ANMF":
			if h.Animated {
				h.Frames++
			}
		case "EXIF":
			if c.n > maxExif || exif || !extended {
				break
			}
			block, err := w.read(c.data(), c.n)
			if err != nil {
				return err
			}
			exif, h.Orientation = true, orientation(withoutExifID(block))
		}
		if cut != nil {
			return cut
		}
		at = c.next()
	}
	return nil
}

func headerGIF(w *window, h *Header) error {
	s := &gifStripper{w: w, plan: &Plan{}}
	var err error
	h.Width, h.Height, err = s.walk(func(at int64) (next int64, err error) {
		// The graphic control extension: bit 0 of its flags says that one colour is transparent (GIF89a section 23).
		if b, err := w.at(at, 4); err == nil && b[1] == gifControl && b[2] >= 4 {
			h.Alpha = h.Alpha || b[3]&1 != 0
		}
		next, _, err = s.blocks(at + 2)
		return next, err
	})
	if err != nil {
		return err
	}
	if h.Frames = s.frames; s.frames == 0 {
		h.Width = 0
		return s.damaged(w.size, "file ends before its picture")
	}
	h.Animated = s.frames > 1
	return nil
}

func headerTIFF(w *window, h *Header) error {
	t, err := openTIFF(w)
	if err != nil {
		return err
	}
	pages := 0
	err = t.eachPage(func(i int, _ int64, entries []tiffEntry) error {
		reduced, err := t.reduced(entries)
		if err != nil {
			return err
		}
		if i == 0 {
			pages = 1
			return h.firstPage(t, entries, reduced)
		}
		if !reduced {
			pages++
		}
		return nil
	})
	h.Frames = pages
	return err
}

// firstPage notes what the first page of a TIFF says.
func (h *Header) firstPage(t *tiffFile, entries []tiffEntry, reduced bool) error {
	raw, err := t.raw(entries, reduced)
	if err != nil {
		return err
	}
	if raw {
		return &UnsupportedError{Format: TIFF, Detail: "camera raw"}
	}
	if turned, err := t.number(entries, tagOrientation, 1); err == nil && turned >= 1 && turned <= 8 {
		h.Orientation = int(turned)
	}
	if e, ok := findTag(entries, tagExtraSamples); ok {
		// 1 and 2 are alpha, premultiplied and not (TIFF 6.0 section 18).
		kinds, err := t.numbers(e, 64)
		h.Alpha = err == nil && (slices.Contains(kinds, 1) || slices.Contains(kinds, 2))
	}
	if h.Width, err = t.number(entries, tagWidth, 0); err != nil {
		return err
	}
	h.Height, err = t.number(entries, tagHeight, 0)
	return err
}

func headerHEIF(w *window, h *Header) error {
	f, err := readHEIF(w)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return err
	}
	damage := err
	if f.movie != nil {
		h.Animated, h.Frames = true, 0
		if m, err := f.parseMovie(Options{}); err == nil && m != nil {
			h.Frames = m.samples
			h.Width, h.Height = m.size()
			h.Alpha = m.tracks > 1
		} else if err == nil {
			h.Animated, h.Frames = false, 1 // a film beside a still picture
		}
	}
	it := f.items[f.primary]
	if it == nil {
		return damage
	}
	if width, height := f.pixels(it); width > 0 {
		h.Width, h.Height = width, height
	}
	h.Orientation = f.turned(it)
	for _, r := range f.refs {
		h.Alpha = h.Alpha || r.kind == "auxl" && slices.Contains(r.to, f.primary) && f.isAlpha(r.from)
	}
	return damage
}

// pixels returns the size of an item as its property ispe tells it, 0 when there is none.
func (f *heifFile) pixels(it *heifItem) (width, height int64) {
	p, ok := f.property(it, "ispe")
	if !ok || len(p) < 12 {
		return 0, 0
	}
	return int64(binary.BigEndian.Uint32(p[4:])), int64(binary.BigEndian.Uint32(p[8:]))
}

// size returns the size that the first track is shown in: tkhd ends with it, in 16.16 fixed point (ISO/IEC 14496-12 section 8.3.2).
func (m *movie) size() (width, height int64) {
	head := m.root.find("trak", "tkhd")
	if head == nil || len(head.data) < 84 {
		return 0, 0
	}
	b := head.data[len(head.data)-8:]
	return int64(binary.BigEndian.Uint16(b)), int64(binary.BigEndian.Uint16(b[4:]))
}

func headerJXL(w *window, h *Header) error {
	head, off, err := jxlHead(w)
	if err != nil {
		return err
	}
	var x jxlHeader
	if err := x.parse(head, off); err != nil {
		return err
	}
	h.Width, h.Height, h.Orientation, h.Alpha = x.width, x.height, x.orientation, x.alpha
	if h.Animated = x.animation; x.animation {
		h.Frames = 0
	}
	return nil
}

func headerSVG(w *window, h *Header) error {
	h.Alpha = true
	if w.size > maxSVG {
		return &UnsupportedError{Format: SVG, Detail: "of more than 8 MiB"}
	}
	b, err := w.read(0, w.size)
	if err != nil {
		return err
	}
	width, height := svgSize(b)
	h.Width, h.Height = int64(math.Round(width)), int64(math.Round(height))
	return nil
}
