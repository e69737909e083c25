package metadata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// riffChunk is one chunk of a WebP file: four letters, the length of its data in little-endian order, the data and a pad
// byte when the length is odd (WebP Container Specification, "RIFF File Format"; RFC 9649 section 2.3).
type riffChunk struct {
	kind string
	// off is where its name stands; n is the length of its data.
	off, n int64
}

func (c riffChunk) data() int64 { return c.off + 8 }
func (c riffChunk) end() int64  { return c.off + 8 + c.n }

// next is where the chunk after c stands.
func (c riffChunk) next() int64 { return c.end() + c.n&1 }

func (c riffChunk) damaged(reason string) error {
	return &DamagedError{Format: WebP, Offset: c.off, Reason: reason}
}

// readRIFFChunk measures the chunk at off, which must lie before end.
func readRIFFChunk(w *window, off, end int64) (riffChunk, error) {
	c := riffChunk{off: off}
	b, err := w.at(off, 8)
	if errors.Is(err, io.EOF) || off+8 > end {
		return c, c.damaged("file ends in the head of a chunk")
	}
	if err != nil {
		return c, err
	}
	c.kind, c.n = string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
	if c.end() > end {
		return c, c.damaged("file ends in a chunk")
	}
	return c, nil
}

// riffEnd returns where the RIFF container of a WebP file ends. What follows is no part of it.
func riffEnd(w *window) (int64, error) {
	b, err := w.at(0, 12)
	if err != nil {
		return 0, err
	}
	end := 8 + int64(binary.LittleEndian.Uint32(b[4:]))
	if end > w.size && end-w.size > 1 { // a last pad byte may be missing
		return 0, &DamagedError{Format: WebP, Offset: 4, Reason: "file is shorter than it says"}
	}
	return min(end, w.size), nil
}

// VP8X flags (RFC 9649 section 2.7.1).
const (
	webpAnimation = 0x02
	webpXMP       = 0x04
	webpExif      = 0x08
	webpAlpha     = 0x10
	webpICC       = 0x20
)

// webpStripper is the walk through one WebP.
type webpStripper struct {
	w    *window
	o    Options
	plan *Plan
	// vp8x holds the data of the VP8X chunk; nil in a simple file.
	vp8x []byte
	// image, alpha, anim and icc say which of these came, and frames how many ANMF.
	image, alpha, anim, icc bool
	frames                  int
	essence                 essence
	exif                    bool
}

// stripWebP keeps what RFC 9649 section 2.7 calls reconstruction chunks and the colour profile. An orientation stays as a
// one-tag EXIF chunk, so a viewer that follows it shows the copy as it showed the source.
func stripWebP(w *window, o Options) (*Plan, error) {
	s := &webpStripper{w: w, o: o, plan: &Plan{Format: WebP, ContentType: WebP.ContentType(), Orientation: 1}}
	end, err := riffEnd(w)
	if err != nil {
		return nil, err
	}
	for at := int64(12); at < end; {
		c, err := readRIFFChunk(w, at, end)
		if err != nil {
			return nil, err
		}
		if at == 12 && c.kind == "VP8X" {
			if err := s.extended(c); err != nil {
				return nil, err
			}
		} else if err := s.chunk(c); err != nil {
			return nil, err
		}
		if len(s.plan.parts) > maxParts {
			return nil, c.damaged("too many chunks to drop")
		}
		at = c.next()
	}
	return s.finish()
}

// extended reads VP8X.
func (s *webpStripper) extended(c riffChunk) error {
	if c.n < 10 {
		return c.damaged("VP8X of a wrong length")
	}
	b, err := s.w.read(c.data(), 10)
	s.vp8x = b
	s.plan.note(rewritten, c.off, 8+10)
	return err
}

// noteChunk notes what a chunk of the file's own level is; the head of one that stays may be written anew.
func (s *webpStripper) noteChunk(c riffChunk) {
	kind := KindOther
	switch c.kind {
	case "EXIF":
		kind = KindExif // and what is within it: exifChunk
	case "XMP ":
		kind = KindXMP
	case "ICCP":
		kind = KindICC
	case "C2PA": // C2PA Specification 2.1, "Embedding manifests into RIFF-based formats"
		kind = KindC2PA
	case "ANIM", "ANMF", "ALPH":
		s.plan.note(rewritten, c.off, 8)
	}
	s.plan.note(kind, c.off, c.next()-c.off)
}

// chunk plans a chunk of the file's own level.
func (s *webpStripper) chunk(c riffChunk) error {
	animated := s.vp8x != nil && s.vp8x[0]&webpAnimation != 0
	defer s.noteChunk(c) // after what is within it
	switch c.kind {
	case "VP8 ", "VP8L":
		if animated {
			return nil // decoders show the frames
		}
		if s.image {
			return nil // and of several pictures the first
		}
		s.image = true
		return s.bitstream(c)
	case "ALPH":
		if s.vp8x == nil || s.alpha || s.image || animated {
			return nil
		}
		s.alpha = true
		s.keep(c, c.n)
	case "ANIM":
		if !animated || s.anim {
			return nil
		}
		if c.n < 6 {
			return c.damaged("ANIM of a wrong length")
		}
		s.anim = true
		s.keep(c, 6)
	case "ANMF":
		if !animated {
			return nil
		}
		return s.frame(c)
	case "ICCP":
		return s.profile(c)
	case "EXIF":
		return s.exifChunk(c)
	}
	return nil
}

// keep plans the first n bytes of a chunk's data, under a new head where the source's does not fit.
func (s *webpStripper) keep(c riffChunk, n int64) {
	if n == c.n {
		s.plan.keep(c.off, 8+n)
	} else {
		s.plan.put(riffHead(c.kind, n))
		s.plan.keep(c.data(), n)
	}
	s.pad(c.data()+n, n)
}

// pad adds the pad byte behind n bytes of data, which end at end in the source.
func (s *webpStripper) pad(end, n int64) {
	if n&1 == 0 {
		return
	}
	if b, err := s.w.at(end, 1); err == nil && b[0] == 0 {
		s.plan.keep(end, 1)
		return
	}
	s.plan.put([]byte{0})
}

func riffHead(kind string, n int64) []byte {
	return binary.LittleEndian.AppendUint32([]byte(kind), uint32(n))
}

// bitstream plans VP8 or VP8L after a look at its head (RFC 6386 section 9.1; RFC 9649 section 3.4).
func (s *webpStripper) bitstream(c riffChunk) error {
	if _, _, err := webpSize(s.w, c); err != nil {
		return err
	}
	s.keep(c, c.n)
	return nil
}

// webpSize returns the size that the head of a VP8 or VP8L bitstream tells.
func webpSize(w *window, c riffChunk) (width, height int, err error) {
	b, err := w.at(c.data(), int(min(c.n, 10)))
	if err != nil {
		return 0, 0, err
	}
	switch {
	case c.kind == "VP8L" && len(b) >= 5 && b[0] == 0x2f && b[4]>>5 == 0:
		bits := binary.LittleEndian.Uint32(b[1:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, nil
	case c.kind == "VP8 " && len(b) == 10 && b[0]&1 == 0 && bytes.Equal(b[3:6], []byte{0x9d, 0x01, 0x2a}):
		width, height = int(binary.LittleEndian.Uint16(b[6:])&0x3fff), int(binary.LittleEndian.Uint16(b[8:])&0x3fff)
		if width > 0 && height > 0 {
			return width, height, nil
		}
	}
	return 0, 0, c.damaged("bitstream that no decoder knows")
}

// frame plans one frame of an animation: 16 bytes about it, then ALPH and VP8, or VP8L (RFC 9649 section 2.7.1.1).
func (s *webpStripper) frame(c riffChunk) error {
	if c.n < 16 {
		return c.damaged("ANMF of a wrong length")
	}
	var alpha, image *riffChunk
	for at := c.data() + 16; at < c.end(); {
		sub, err := readRIFFChunk(s.w, at, c.end())
		if err != nil {
			return err
		}
		switch {
		case sub.kind == "ALPH" && alpha == nil && image == nil:
			alpha = &sub
		case (sub.kind == "VP8 " || sub.kind == "VP8L") && image == nil:
			image = &sub
		}
		at = sub.next()
	}
	if image == nil {
		return c.damaged("frame without a picture")
	}
	if image.kind == "VP8L" {
		alpha = nil
	}
	n := 16 + image.next() - image.off
	if alpha != nil {
		n += alpha.next() - alpha.off
	}
	if n == c.n {
		s.plan.keep(c.off, 8+16)
	} else {
		s.plan.put(riffHead("ANMF", n))
		s.plan.keep(c.data(), 16)
	}
	if alpha != nil {
		s.keep(*alpha, alpha.n)
	}
	s.frames++
	return s.bitstream(*image)
}

// profile plans ICCP, which stands before the picture, without what may follow the profile.
func (s *webpStripper) profile(c riffChunk) error {
	if s.vp8x == nil || s.icc || s.image || s.frames > 0 || !s.o.profile() {
		return nil
	}
	n, err := profileAt(s.w, c.data(), c.n)
	if err != nil || n == 0 {
		return err
	}
	s.icc = true
	s.keep(c, n)
	return nil
}

func (s *webpStripper) exifChunk(c riffChunk) error {
	if s.vp8x == nil || s.exif {
		return nil
	}
	s.exif = true
	b, err := s.w.at(c.data(), int(min(c.n, windowSize)))
	if err != nil {
		return err
	}
	s.essence = s.o.essence(withoutExifID(b))
	block := withoutExifID(b)
	s.plan.noteExif(block, c.data()+int64(len(b)-len(block)))
	return nil
}

// withoutExifID returns an Exif block without the "Exif\0\0" that some writers put before it as in a JPEG.
func withoutExifID(b []byte) []byte {
	if isExif(b) {
		return b[6:]
	}
	return b
}

// finish adds the EXIF chunk and writes the heads that depend on what stayed.
func (s *webpStripper) finish() (*Plan, error) {
	if !s.image && s.frames == 0 {
		return nil, &DamagedError{Format: WebP, Offset: s.w.size, Reason: "file without a picture"}
	}
	if s.frames > 0 && !s.anim {
		return nil, &DamagedError{Format: WebP, Offset: s.w.size, Reason: "animation without ANIM"}
	}
	block := s.essence.block()
	if block != nil {
		s.plan.put(riffHead("EXIF", int64(len(block))))
		if len(block)&1 != 0 {
			block = append(block, 0)
		}
		s.plan.put(block)
		s.plan.Orientation = max(s.essence.orientation, 1)
	}
	body := s.plan
	s.plan = &Plan{Format: WebP, ContentType: WebP.ContentType(), Orientation: body.Orientation, notes: body.notes}
	s.plan.note(rewritten, 0, 12)
	head := 4 + body.finish().Size // "WEBP"
	if s.vp8x != nil {
		head += 18
	}
	s.plan.put(append(riffHead("RIFF", head), "WEBP"...))
	if s.vp8x != nil {
		flags := s.vp8x[0] & (webpAnimation | webpAlpha)
		if s.icc {
			flags |= webpICC
		}
		if block != nil {
			flags |= webpExif
		}
		s.plan.put(append(riffHead("VP8X", 10), flags, 0, 0, 0))
		s.plan.put(s.vp8x[4:10])
	}
	s.plan.parts = append(s.plan.parts, body.parts...)
	return s.plan.finish(), nil
}

// findRIFF returns the first chunk of the kind on the file's own level; ok is false when there is none.
func findRIFF(w *window, kind string) (c riffChunk, ok bool, err error) {
	end, err := riffEnd(w)
	if err != nil {
		return c, false, err
	}
	for at := int64(12); at < end; at = c.next() {
		if c, err = readRIFFChunk(w, at, end); err != nil {
			return c, false, err
		}
		if c.kind == kind {
			return c, true, nil
		}
	}
	return c, false, nil
}

func exifWebP(w *window) ([]byte, error) {
	c, ok, err := findRIFF(w, "EXIF")
	if err != nil || !ok {
		return nil, err
	}
	if c.n > maxExif {
		return nil, c.damaged("EXIF chunk of more than 1 MiB")
	}
	b, err := w.read(c.data(), c.n)
	return withoutExifID(b), err
}
