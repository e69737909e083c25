package metadata

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxPacket is the largest XMP packet or IPTC block that Describe reads, and maxShownProfile the largest profile that it
	// takes the name of.
	maxPacket       = 4 << 20
	maxShownProfile = 1 << 20
)

func describeJPEG(w *window, f *facts) error {
	chunks := make(map[byte][]byte)
	for at := int64(2); ; {
		seg, err := nextSegment(w, at)
		if errors.Is(err, io.EOF) || errors.Is(err, errCut) || err == nil && seg.marker == mEOI {
			return &DamagedError{Format: JPEG, Offset: w.size, Reason: "file ends before its picture"}
		}
		if err != nil {
			return err
		}
		if seg.marker == mSOS {
			break
		}
		if seg.size > 4 {
			b, err := seg.payload(w)
			if err != nil {
				return err
			}
			f.jpegSegment(seg, b, chunks)
		}
		at = seg.end()
	}
	for i := 1; chunks[byte(i)] != nil && i < 255; i++ {
		f.icc = append(f.icc, chunks[byte(i)]...)
	}
	return nil
}

// jpegSegment notes what a segment with the payload b says; chunks collects those of the profile.
func (f *facts) jpegSegment(seg segment, b []byte, chunks map[byte][]byte) {
	const photoshop = "Photoshop 3.0\x00"
	switch m := seg.marker; {
	case m == mAPP1 && bytes.HasPrefix(b, xmpID) && f.xmp == nil:
		f.xmp = bytes.Clone(b[len(xmpID):])
	case m == mAPP1 && bytes.HasPrefix(b, []byte(extendedXMPID)):
		f.addExtended(b[len(extendedXMPID):])
	case m == mAPP2 && bytes.HasPrefix(b, iccID) && len(b) > 14 && len(chunks)*len(b) < maxShownProfile:
		chunks[b[12]] = bytes.Clone(b[14:])
	case m == mAPP13 && bytes.HasPrefix(b, []byte(photoshop)) && len(f.photoshop) < maxPacket:
		f.photoshop = append(f.photoshop, b[len(photoshop):]...)
	case m >= mSOF0 && m <= mSOF15 && m != mDHT && m != mJPG && m != mDAC && len(b) >= 6:
		f.height, f.width = int64(binary.BigEndian.Uint16(b[1:])), int64(binary.BigEndian.Uint16(b[3:]))
	}
}

func describePNG(w *window, f *facts) error {
	for at := int64(len(pngSignature)); ; {
		c, err := readChunk(w, at)
		if err != nil {
			return err
		}
		switch c.kind {
		case "IHDR":
			b, err := w.at(c.data(), 8)
			if err != nil {
				return err
			}
			f.width, f.height = int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
		case "acTL":
			if b, err := w.at(c.data(), 4); err == nil && c.n == 8 {
				f.frames = int(binary.BigEndian.Uint32(b))
			}
		case "iCCP", "iTXt", "tEXt", "zTXt":
			if c.n > maxPacket {
				break
			}
			b, err := w.read(c.data(), c.n)
			if err != nil {
				return err
			}
			f.pngText(c.kind, b)
		case "IEND":
			return nil
		}
		at = c.end()
	}
}

// pngText notes a colour profile, an XMP packet, or IPTC (W3C PNG, third edition, sections 11.3.2.3 and 11.3.3).
func (f *facts) pngText(kind string, b []byte) {
	name, rest, ok := bytes.Cut(b, []byte{0})
	if !ok || len(rest) < 1 {
		return
	}
	if kind == "iCCP" {
		f.icc = inflate(rest[1:], maxShownProfile)
		return
	}
	var text []byte
	switch kind {
	case "tEXt":
		text = rest
	case "zTXt":
		text = inflate(rest[1:], maxPacket)
	case "iTXt":
		if len(rest) < 2 {
			return
		}
		parts := bytes.SplitN(rest[2:], []byte{0}, 3)
		if len(parts) < 3 {
			return
		}
		if text = parts[2]; rest[0] == 1 {
			text = inflate(text, maxPacket)
		}
	}
	// ImageMagick's way to put other blocks into texts: coders/png.c, "Raw profile type".
	switch string(name) {
	case "XML:com.adobe.xmp":
		if f.xmp == nil && kind == "iTXt" {
			f.xmp = text
		}
	case "Raw profile type xmp":
		if f.xmp == nil {
			f.xmp = rawProfile(text)
		}
	case "Raw profile type iptc":
		b := bytes.TrimPrefix(rawProfile(text), []byte("Photoshop 3.0\x00"))
		if bytes.HasPrefix(b, []byte("8BIM")) {
			f.photoshop = b
		} else if f.iptc == nil {
			f.iptc = b
		}
	}
}

// rawProfile decodes a name, a length and so many bytes in hexadecimal, each behind line ends; nil when it is something else.
func rawProfile(text []byte) []byte {
	_, rest, _ := bytes.Cut(bytes.TrimLeft(text, "\n"), []byte("\n")) // the name may have spaces
	fields := bytes.Fields(rest)
	if len(fields) < 2 {
		return nil
	}
	n, err := strconv.Atoi(string(fields[0]))
	digits := bytes.Join(fields[1:], nil)
	if err != nil || len(digits)%2 != 0 || len(digits)/2 < n || n < 0 {
		return nil
	}
	out := make([]byte, len(digits)/2)
	if _, err := hex.Decode(out, digits); err != nil {
		return nil
	}
	return out[:n]
}

// inflate returns what a zlib stream holds, at most limit bytes of it; nil when it is none.
func inflate(b []byte, limit int64) []byte {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	defer z.Close()
	out, err := io.ReadAll(io.LimitReader(z, limit))
	if err != nil {
		return nil
	}
	return out
}

func describeWebP(w *window, f *facts) error {
	end, err := riffEnd(w)
	if err != nil {
		return err
	}
	frames := 0
	for at := int64(12); at < end; {
		c, err := readRIFFChunk(w, at, end)
		if err != nil {
			return err
		}
		switch c.kind {
		case "VP8X":
			if b, err := w.at(c.data(), 10); err == nil {
				f.width = 1 + (int64(b[4]) | int64(b[5])<<8 | int64(b[6])<<16)
				f.height = 1 + (int64(b[7]) | int64(b[8])<<8 | int64(b[9])<<16)
			}
		case "VP8 ", "VP8L":
			width, height, err := webpSize(w, c)
			if err != nil {
				return err
			}
			if f.width == 0 {
				f.width, f.height = int64(width), int64(height)
			}
		case "ANMF":
			frames++
		case "ICCP":
			if c.n <= maxShownProfile {
				f.icc, err = w.read(c.data(), c.n)
			}
		case "XMP ":
			if c.n <= maxPacket && f.xmp == nil {
				f.xmp, err = w.read(c.data(), c.n)
			}
		}
		if err != nil {
			return err
		}
		at = c.next()
	}
	f.frames = max(frames, 1)
	if f.width == 0 {
		return &DamagedError{Format: WebP, Offset: w.size, Reason: "file without a picture"}
	}
	return nil
}

func describeGIF(w *window, f *facts) error {
	s := &gifStripper{w: w, plan: &Plan{}}
	var err error
	if f.width, f.height, err = s.walk(func(at int64) (int64, error) { return s.describeExtension(f, at) }); err != nil {
		return err
	}
	if f.frames = s.frames; s.frames == 0 {
		return s.damaged(w.size, "file ends before its picture")
	}
	return nil
}

// describeExtension notes XMP, which is not in sub-blocks but reads as such (XMP Specification Part 3, section 1.1.2), and ICC.
func (s *gifStripper) describeExtension(f *facts, off int64) (next int64, err error) {
	end, cut, err := s.blocks(off + 2)
	if err != nil {
		return 0, err
	}
	if cut {
		return 0, errGIFEnd
	}
	b, err := s.w.at(off+1, int(min(end-off-1, 13)))
	if err != nil || len(b) < 13 || b[0] != gifApplication || b[1] != 11 {
		return end, err
	}
	const trailer = 258
	switch data := off + 14; string(b[2:13]) {
	case "XMP DataXMP":
		if n := end - data - trailer; n > 0 && n <= maxPacket {
			f.xmp, err = s.w.read(data, n)
		}
	case "ICCRGBG1012":
		f.icc, err = gifData(s.w, data, end, maxShownProfile)
	}
	return end, err
}

func describeTIFF(w *window, f *facts) error {
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
		if !reduced || i == 0 {
			pages++
		}
		if i > 0 {
			return nil
		}
		if f.width, err = t.number(entries, tagWidth, 0); err != nil {
			return err
		}
		if f.height, err = t.number(entries, tagHeight, 0); err != nil {
			return err
		}
		for tag, to := range map[uint16]*[]byte{tagICCProfile: &f.icc, tagXMP: &f.xmp, tagIPTC: &f.iptc, tagPhotoshop: &f.photoshop} {
			if e, ok := findTag(entries, tag); ok && e.n <= maxPacket {
				if *to, err = t.bytes(e.off, e.n); err != nil {
					return err
				}
			}
		}
		return nil
	})
	f.frames = pages
	return err
}

func describeHEIF(w *window, f *facts) error {
	h, err := openHEIF(w)
	if err != nil {
		return err
	}
	if h.movie != nil {
		m, err := h.parseMovie(Options{})
		if err != nil {
			return err
		}
		if m != nil {
			f.frames = m.samples
			f.width, f.height = m.size()
		}
	}
	f.orientation = 1
	it := h.items[h.primary]
	if it == nil {
		return nil // a sequence without a still picture
	}
	if width, height := h.pixels(it); width > 0 {
		f.width, f.height = width, height
	}
	f.orientation = h.turned(it)
	for _, a := range it.associations {
		if p := h.properties[a.property-1]; p.kind == "colr" && len(p.data) > 4 && slices.Contains([]string{"rICC", "prof"}, string(p.data[:4])) {
			f.icc = p.data[4:]
		}
	}
	xmp := h.find(func(it *heifItem) bool { return it.kind == "mime" && it.content == "application/rdf+xml" })
	if xmp != nil {
		f.xmp, err = h.contents(xmp, maxPacket)
	}
	return err
}

// turned returns the orientation in Exif's numbers that the properties irot and imir of an item make (ISO/IEC 23008-12 sections
// 6.5.10 and 6.5.12): first quarter turns against the clock, then a mirror that exchanges top and bottom, or left and right.
func (h *heifFile) turned(it *heifItem) int {
	turn, mirror := 0, 0
	if p, ok := h.property(it, "irot"); ok && len(p) > 0 {
		turn = int(p[0] & 3)
	}
	if p, ok := h.property(it, "imir"); ok && len(p) > 0 {
		mirror = 1 + int(p[0]&1)
	}
	return [3][4]int{{1, 8, 3, 6}, {4, 5, 2, 7}, {2, 7, 4, 5}}[mirror][turn]
}

func describeJXL(w *window, f *facts) error {
	x, err := openJXL(w)
	if err != nil {
		return err
	}
	f.width, f.height, f.orientation = x.width, x.height, x.orientation
	if x.animation {
		f.frames = 0
	}
	if b, ok := x.meta["xml "]; ok && b.size-b.head <= maxPacket {
		f.xmp, err = w.read(b.data(), b.size-b.head)
	}
	return err
}

func describeSVG(w *window, f *facts) error {
	if w.size > maxSVG {
		return &UnsupportedError{Format: SVG, Detail: "of more than 8 MiB"}
	}
	b, err := w.read(0, w.size)
	if err != nil {
		return err
	}
	width, height := svgSize(b)
	f.width, f.height = int64(math.Round(width)), int64(math.Round(height))
	f.orientation = 1
	if strings.Contains(string(b), rdfSpace) {
		f.xmp = b
	}
	return nil
}
