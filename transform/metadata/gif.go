package metadata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// GIF block labels, GIF89a specification, appendix A.
const (
	gifExtension   = 0x21
	gifImage       = 0x2c
	gifTrailer     = 0x3b
	gifControl     = 0xf9
	gifApplication = 0xff
	gifComment     = 0xfe
	gifPlainText   = 0x01
)

// gifStripper is the walk through one GIF.
type gifStripper struct {
	w      *window
	o      Options
	plan   *Plan
	frames int
	icc    bool
}

// errGIFEnd is a source that ends within a block.
var errGIFEnd = errors.New("file ends in a block")

func (s *gifStripper) damaged(off int64, reason string) error {
	return &DamagedError{Format: GIF, Offset: off, Reason: reason}
}

// stripGIF keeps the pictures with their control blocks, how often an animation repeats, and the colour profile. A file that
// stops in a picture does so in the copy: decoders show what there is, and some tell it from a whole one.
func stripGIF(w *window, o Options) (*Plan, error) {
	s := &gifStripper{w: w, o: o, plan: &Plan{Format: GIF, ContentType: GIF.ContentType(), Orientation: 1}}
	at, err := s.screen()
	for err == nil {
		var label []byte
		if label, err = w.at(at, 1); err != nil {
			break
		}
		switch label[0] {
		case gifTrailer:
			if s.frames == 0 {
				return nil, s.damaged(at, "file without a picture")
			}
			s.plan.keep(at, 1)
			return s.plan.finish(), nil
		case gifImage:
			at, err = s.image(at)
		case gifExtension:
			at, err = s.extension(at)
		default:
			return nil, s.damaged(at, "block of an unknown kind")
		}
		if len(s.plan.parts) > maxParts {
			return nil, s.damaged(at, "too many blocks to drop")
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, errGIFEnd) {
		return nil, err
	}
	if s.frames == 0 {
		return nil, s.damaged(w.size, "file ends before its picture")
	}
	return s.plan.finish(), nil
}

// screen plans the signature, the logical screen and the global colours.
func (s *gifStripper) screen() (next int64, err error) {
	b, err := s.w.at(0, 13)
	if errors.Is(err, io.EOF) {
		return 0, s.damaged(s.w.size, "file ends before its picture")
	}
	if err != nil {
		return 0, err
	}
	next = 13 + gifColours(b[10])
	if next > s.w.size {
		return 0, s.damaged(s.w.size, "file ends before its picture")
	}
	s.plan.keep(0, next)
	return next, nil
}

// gifColours returns the length of the colour table that packed flags announce.
func gifColours(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

// walk goes over a file of which nothing is planned, as far as it can be read: it counts the frames, gives the extension that begins at
// at to extension, which returns where it ends, and returns the size of the logical screen. The error is of the screen alone.
func (s *gifStripper) walk(extension func(at int64) (next int64, err error)) (width, height int64, err error) {
	at, err := s.screen()
	if err != nil {
		return 0, 0, err
	}
	b, err := s.w.at(0, 10)
	if err != nil {
		return 0, 0, err
	}
	width, height = int64(binary.LittleEndian.Uint16(b[6:])), int64(binary.LittleEndian.Uint16(b[8:]))
	for {
		b, err := s.w.at(at, 1)
		if err != nil || b[0] != gifImage && b[0] != gifExtension {
			return width, height, nil //nolint:nilerr // a file that the end cuts short is what it is
		}
		if b[0] == gifImage {
			at, err = s.image(at)
		} else {
			at, err = extension(at)
		}
		if err != nil {
			return width, height, nil //nolint:nilerr // likewise
		}
		s.plan.parts = s.plan.parts[:0]
	}
}

// image plans an image descriptor, its colours and its data.
func (s *gifStripper) image(off int64) (next int64, err error) {
	b, err := s.w.at(off, 10)
	if err != nil {
		return 0, err
	}
	data := off + 10 + gifColours(b[9])
	size, err := s.w.at(data, 1)
	if err != nil {
		return 0, err
	}
	if size[0] < 1 || size[0] > 11 {
		return 0, s.damaged(data, "impossible size of LZW codes")
	}
	data++
	end, _, err := s.blocks(data) // one that the file's end cuts short stays so
	if err != nil {
		return 0, err
	}
	s.plan.keep(off, end-off)
	s.frames++
	return end, nil
}

// blocks walks the data sub-blocks at off to their terminator; cut says that the file ends before it.
func (s *gifStripper) blocks(off int64) (end int64, cut bool, err error) {
	for {
		b, err := s.w.at(off, 1)
		if errors.Is(err, io.EOF) {
			return s.w.size, true, nil
		}
		if err != nil {
			return 0, false, err
		}
		n := int64(b[0])
		if n == 0 {
			return off + 1, false, nil
		}
		if off+1+n > s.w.size {
			return s.w.size, true, nil
		}
		off += 1 + n
	}
}

// extension plans an extension block.
func (s *gifStripper) extension(off int64) (next int64, err error) {
	b, err := s.w.at(off, 2)
	if err != nil {
		return 0, err
	}
	label := b[1]
	end, cut, err := s.blocks(off + 2)
	if err != nil {
		return 0, err
	}
	if cut {
		return 0, errGIFEnd
	}
	switch label {
	case gifControl:
		// Six bytes: the length, which is 4, the data and the terminator.
		s.plan.note(rewritten, off, end-off)
		if b, err := s.w.at(off+2, 6); err == nil && b[0] == 4 && b[5] == 0 {
			s.plan.keep(off, 8)
		} else if err == nil && b[0] >= 4 {
			s.plan.put(append([]byte{gifExtension, gifControl, 4}, b[1:5]...))
			s.plan.put([]byte{0})
		}
	case gifApplication:
		return end, s.application(off, end)
	case gifComment:
		s.plan.note(KindComment, off, end-off)
	case gifPlainText:
		s.plan.note(KindText, off, end-off)
	}
	return end, nil
}

// application plans an application extension: its name is 11 bytes long, its data sub-blocks follow.
func (s *gifStripper) application(off, end int64) error {
	b, err := s.w.at(off+2, int(min(end-off-2, 12+5)))
	if err != nil {
		return err
	}
	if len(b) < 12 || b[0] != 11 {
		return nil
	}
	switch string(b[1:12]) {
	case "NETSCAPE2.0", "ANIMEXTS1.0":
		// Of the Netscape extension only "repeat n times" changes what is seen.
		s.plan.note(rewritten, off, end-off)
		if len(b) == 17 && b[12] == 3 && b[13] == 1 {
			s.plan.keep(off, 2+12+4)
			s.plan.put([]byte{0})
		}
	case "ICCRGBG1012":
		s.plan.note(KindICC, off, end-off)
		return s.profile(off, end)
	case "XMP DataXMP":
		s.plan.note(KindXMP, off, end-off)
	case "C2PA_GIF\x01\x00\x00":
		s.plan.note(KindC2PA, off, end-off)
	}
	return nil
}

// profile plans the ICC profile ("ICC profiles in GIF", ICC.1:2001-04 annex B.3) when its sub-blocks hold just that.
func (s *gifStripper) profile(off, end int64) error {
	if s.icc || s.frames > 0 || !s.o.profile() {
		return nil
	}
	p, err := gifData(s.w, off+14, end, 1<<20)
	if err != nil {
		return err
	}
	if n, ok := profileSize(p); ok && n == int64(len(p)) {
		s.icc = true
		s.plan.keep(off, end-off)
	}
	return nil
}

// gifData returns what the sub-blocks at off hold together, and nil when that is more than limit.
func gifData(w *window, off, end, limit int64) ([]byte, error) {
	if end-off > limit {
		return nil, nil
	}
	raw, err := w.read(off, end-off)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for len(raw) > 0 && raw[0] > 0 && len(raw) > int(raw[0]) {
		n := 1 + int(raw[0])
		out.Write(raw[1:n])
		raw = raw[n:]
	}
	return out.Bytes(), nil
}
