package metadata

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// chunk is one PNG chunk: length, type, data, CRC (W3C PNG, third edition, section 5.3).
type chunk struct {
	kind string
	// off is where its length stands; n is the length of its data.
	off, n int64
}

func (c chunk) data() int64 { return c.off + 8 }
func (c chunk) end() int64  { return c.off + 12 + c.n }

func (c chunk) damaged(reason string) error {
	return &DamagedError{Format: PNG, Offset: c.off, Reason: reason}
}

// critical reports whether a decoder must understand c (section 5.4).
func (c chunk) critical() bool { return c.kind[0]&0x20 == 0 }

// readChunk measures the chunk at off.
func readChunk(w *window, off int64) (chunk, error) {
	c := chunk{off: off}
	b, err := w.at(off, 8)
	if errors.Is(err, io.EOF) {
		return c, c.damaged("file ends before IEND")
	}
	if err != nil {
		return c, err
	}
	c.n = int64(binary.BigEndian.Uint32(b))
	for _, letter := range b[4:] {
		if letter|0x20 < 'a' || letter|0x20 > 'z' {
			return c, c.damaged("chunk type is not four letters")
		}
	}
	c.kind = string(b[4:])
	if c.n > 1<<31-1 || c.end() > w.size {
		return c, c.damaged("file ends in a " + c.kind + " chunk")
	}
	return c, nil
}

// checkCRC reports whether the chunk's CRC is right. It reads the chunk through.
func (c chunk) checkCRC(w *window) (bool, error) {
	var sum uint32
	for at, end := c.off+4, c.end()-4; at < end; {
		b, err := w.peek(at)
		if err != nil {
			return false, err
		}
		b = b[:min(int64(len(b)), end-at)]
		sum = crc32.Update(sum, crc32.IEEETable, b)
		at += int64(len(b))
	}
	b, err := w.at(c.end()-4, 4)
	if err != nil {
		return false, err
	}
	return binary.BigEndian.Uint32(b) == sum, nil
}

// newChunk returns a whole chunk.
func newChunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngStripper is the walk through one PNG.
type pngStripper struct {
	w    *window
	o    Options
	plan *Plan
	// depth and color are IHDR's bit depth and colour type; palette is the number of PLTE's entries.
	depth, color byte
	palette      int64
	// seen holds the chunks that may come once.
	seen map[string]bool
	// idat is 0 before the first IDAT, 1 within the run, 2 after it.
	idat int
}

func stripPNG(w *window, o Options) (*Plan, error) {
	s := &pngStripper{
		w: w, o: o, seen: make(map[string]bool),
		plan: &Plan{Format: PNG, ContentType: PNG.ContentType(), Orientation: 1},
	}
	s.plan.keep(0, int64(len(pngSignature)))
	for at := int64(len(pngSignature)); ; {
		c, err := readChunk(w, at)
		if err != nil {
			return nil, err
		}
		if (at == int64(len(pngSignature))) != (c.kind == "IHDR") {
			return nil, c.damaged("IHDR is not the first chunk, and the only one")
		}
		if s.idat == 1 && c.kind != "IDAT" {
			s.idat = 2
		}
		if err := s.chunk(c); err != nil {
			return nil, err
		}
		if len(s.plan.parts) > maxParts {
			return nil, c.damaged("too many chunks to drop")
		}
		if c.kind == "IEND" {
			return s.plan.finish(), nil // whatever follows is not the picture's
		}
		at = c.end()
	}
}

// chunk plans one chunk.
func (s *pngStripper) chunk(c chunk) error {
	keep, err := s.wanted(c)
	if err != nil {
		return err
	}
	if !keep {
		return s.noteChunk(c)
	}
	ok, err := c.checkCRC(s.w)
	if err != nil {
		return err
	}
	if !ok {
		// Decoders leave out an ancillary chunk with a wrong CRC, and so do we; the frames of an animation count on
		// each other.
		if c.critical() || c.kind == "fcTL" || c.kind == "fdAT" {
			return c.damaged("wrong CRC in a " + c.kind + " chunk")
		}
		return s.noteChunk(c)
	}
	s.seen[c.kind] = true
	switch c.kind {
	case "IHDR":
		if err := s.header(c); err != nil {
			return err
		}
	case "PLTE":
		s.palette = c.n / 3
	case "IDAT":
		s.idat = 1
	case "eXIf":
		return s.exif(c)
	case "iCCP":
		if !s.o.profile() {
			return s.noteChunk(c)
		}
		return s.profile(c)
	}
	s.plan.keep(c.off, c.end()-c.off)
	return nil
}

// header reads IHDR (section 11.2.1).
func (s *pngStripper) header(c chunk) error {
	b, err := s.w.at(c.data(), 13)
	if err != nil {
		return err
	}
	width, height := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if width-1 > 1<<31-2 || height-1 > 1<<31-2 {
		return c.damaged("impossible size")
	}
	s.depth, s.color = b[8], b[9]
	// The depths that each colour type allows, as a set of bits.
	depths := map[byte]uint32{
		0: 1<<1 | 1<<2 | 1<<4 | 1<<8 | 1<<16,
		2: 1<<8 | 1<<16,
		3: 1<<1 | 1<<2 | 1<<4 | 1<<8,
		4: 1<<8 | 1<<16,
		6: 1<<8 | 1<<16,
	}
	if s.depth > 16 || depths[s.color]>>s.depth&1 == 0 {
		return c.damaged("impossible colour type or bit depth")
	}
	if b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return c.damaged("unknown compression, filter or interlace method")
	}
	return nil
}

// exif plans an eXIf of what stays: the orientation, when it turns the picture.
func (s *pngStripper) exif(c chunk) error {
	b, err := s.w.at(c.data(), int(min(c.n, windowSize)))
	if err != nil {
		return err
	}
	e := s.o.essence(b)
	s.plan.Orientation = e.orientation
	s.plan.noteExif(b, c.data())
	s.plan.note(KindExif, c.off, c.end()-c.off)
	if block := e.block(); block != nil {
		s.plan.put(newChunk("eXIf", block))
	}
	return nil
}

func exifPNG(w *window) ([]byte, error) {
	for at := int64(len(pngSignature)); ; {
		c, err := readChunk(w, at)
		if err != nil {
			return nil, err
		}
		if c.kind == "IEND" {
			return nil, nil
		}
		if c.kind == "eXIf" {
			ok, err := c.checkCRC(w)
			if err != nil {
				return nil, err
			}
			if ok && c.n > maxExif {
				return nil, c.damaged("eXIf chunk of more than 1 MiB")
			}
			if ok {
				return readTIFF(w, c)
			}
		}
		at = c.end()
	}
}

// readTIFF returns the data of an eXIf chunk, and nil when it does not begin as section 11.3.4.4 asks: libpng and
// libspng ignore it then.
func readTIFF(w *window, c chunk) ([]byte, error) {
	b, err := w.read(c.data(), c.n)
	if err != nil || len(b) < 4 || string(b[:4]) != "II*\x00" && string(b[:4]) != "MM\x00*" {
		return nil, err
	}
	return b, nil
}
