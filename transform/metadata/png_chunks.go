package metadata

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
)

// ancillary is what W3C PNG, third edition, section 5.6 asks of a chunk that may stay. A chunk out of its place, of a
// wrong length, or come twice is ignored by decoders; here it is dropped.
type ancillary struct {
	// n is the length; 0 means that length decides.
	n int64
	// beforePLTE and afterPLTE are relative to a PLTE that may be missing.
	beforePLTE, afterPLTE bool
}

// kept is the whitelist. All of these stand before the first IDAT.
var kept = map[string]ancillary{
	"cHRM": {n: 32, beforePLTE: true},
	"cICP": {n: 4, beforePLTE: true},
	"cLLI": {n: 8, beforePLTE: true},
	"gAMA": {n: 4, beforePLTE: true},
	"iCCP": {beforePLTE: true},
	"mDCV": {n: 24, beforePLTE: true},
	"sBIT": {beforePLTE: true},
	"sRGB": {n: 1, beforePLTE: true},
	"bKGD": {afterPLTE: true},
	"tRNS": {afterPLTE: true},
	"pHYs": {n: 9},
	"acTL": {n: 8},
}

// wanted reports whether c is on the whitelist, in its place and of its length. The error is a picture that no decoder
// shows.
func (s *pngStripper) wanted(c chunk) (bool, error) {
	switch c.kind {
	case "IHDR":
		if c.n != 13 {
			return false, c.damaged("IHDR of a wrong length")
		}
		return true, nil
	case "PLTE":
		if s.seen["PLTE"] || s.idat > 0 || s.color == 0 || s.color == 4 {
			return false, c.damaged("PLTE out of its place")
		}
		if c.n == 0 || c.n%3 != 0 || c.n > 768 || s.color == 3 && c.n/3 > 1<<s.depth {
			return false, c.damaged("PLTE of a wrong length")
		}
		return true, nil
	case "IDAT":
		if s.idat == 2 {
			return false, c.damaged("IDAT chunks are not together")
		}
		if s.color == 3 && !s.seen["PLTE"] {
			return false, c.damaged("no PLTE before IDAT")
		}
		return true, nil
	case "IEND":
		if s.idat == 0 || c.n != 0 {
			return false, c.damaged("IEND without a picture, or of a wrong length")
		}
		return true, nil
	case "fcTL", "fdAT":
		return s.frame(c)
	case "eXIf":
		return !s.seen["eXIf"], nil
	}
	if c.critical() {
		return false, c.damaged("critical chunk " + c.kind + " that no decoder knows")
	}
	rule, ok := kept[c.kind]
	if !ok || s.idat > 0 || s.seen[c.kind] || rule.beforePLTE && s.seen["PLTE"] {
		return false, nil
	}
	if rule.afterPLTE && s.color == 3 && !s.seen["PLTE"] {
		return false, nil
	}
	if rule.n > 0 {
		return c.n == rule.n, nil
	}
	return s.fits(c), nil
}

// frame decides about the chunks of an animation (section 11.3.5). Without acTL they mean nothing.
func (s *pngStripper) frame(c chunk) (bool, error) {
	if !s.seen["acTL"] {
		return false, nil
	}
	if c.kind == "fcTL" && c.n != 26 || c.kind == "fdAT" && (c.n < 4 || s.idat == 0) {
		return false, c.damaged(c.kind + " of a wrong length or out of its place")
	}
	return true, nil
}

// fits reports whether the length of a chunk agrees with the colour type (section 11.3).
func (s *pngStripper) fits(c chunk) bool {
	switch c.kind {
	case "sBIT":
		return c.n == map[byte]int64{0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[s.color]
	case "bKGD":
		return c.n == map[byte]int64{0: 2, 2: 6, 3: 1, 4: 2, 6: 6}[s.color]
	case "tRNS":
		if s.color == 3 {
			return c.n > 0 && c.n <= s.palette
		}
		return c.n == map[byte]int64{0: 2, 2: 6}[s.color] && c.n > 0
	}
	return true // iCCP: profile looks into it
}

// maxProfile is the largest ICC profile that a PNG keeps, inflated.
const maxProfile = 8 << 20

// profile plans iCCP under the name "icc", without what may follow the end of its zlib stream. A profile whose length is
// not the one in its header is dropped, as libpng ignores it.
func (s *pngStripper) profile(c chunk) error {
	b, err := s.w.at(c.data(), int(min(c.n, 81)))
	if err != nil {
		return err
	}
	// A name of 1 to 79 bytes, NUL, compression method 0.
	name := bytes.IndexByte(b, 0)
	if name < 1 || name > 79 || name+1 >= len(b) || b[name+1] != 0 {
		return s.noteChunk(c)
	}
	const head = "icc\x00\x00"
	z := &zlibSource{w: s.w, at: c.data() + int64(name) + 2, end: c.end() - 4}
	z.sum = crc32.ChecksumIEEE([]byte("iCCP" + head))
	start := z.at
	ok, err := z.isProfile()
	if err != nil {
		return err
	}
	if !ok {
		return s.noteChunk(c)
	}
	n := z.at - start
	s.plan.note(rewritten, c.off, start-c.off)
	s.plan.note(rewritten, c.end()-4, 4)
	s.plan.note(KindICC, z.at, c.end()-4-z.at)
	s.plan.put(append(binary.BigEndian.AppendUint32(nil, uint32(len(head))+uint32(n)), "iCCP"+head...))
	s.plan.keep(start, n)
	s.plan.put(binary.BigEndian.AppendUint32(nil, z.sum))
	return nil
}

// zlibSource gives the bytes from at to end to a zlib reader, no byte more than it needs, and sums them up.
type zlibSource struct {
	w       *window
	at, end int64
	sum     uint32
	// err is what the source itself failed with.
	err error
}

func (z *zlibSource) Read(p []byte) (int, error) {
	if z.at >= z.end {
		return 0, io.EOF
	}
	b, err := z.w.peek(z.at)
	if err != nil {
		z.err = err
		return 0, err
	}
	n := copy(p, b[:min(int64(len(b)), z.end-z.at)])
	z.sum = crc32.Update(z.sum, crc32.IEEETable, p[:n])
	z.at += int64(n)
	return n, nil
}

// ReadByte makes compress/flate read byte by byte, so that at is the end of the stream when it has ended.
func (z *zlibSource) ReadByte() (byte, error) {
	var b [1]byte
	_, err := z.Read(b[:])
	return b[0], err
}

// isProfile inflates the stream to its end and reports whether it is one ICC profile.
func (z *zlibSource) isProfile() (bool, error) {
	r, err := zlib.NewReader(z)
	if err != nil {
		return false, z.err
	}
	defer r.Close()
	var header [iccHeaderLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return false, z.err
	}
	declared := int64(binary.BigEndian.Uint32(header[:]))
	rest, err := io.Copy(io.Discard, io.LimitReader(r, maxProfile))
	if err != nil {
		return false, z.err
	}
	return string(header[36:40]) == "acsp" && declared == iccHeaderLen+rest && declared <= maxProfile, nil
}

// noteChunk notes a chunk that goes.
func (s *pngStripper) noteChunk(c chunk) error {
	kind := KindOther
	switch c.kind {
	case "eXIf":
		kind = KindExif
	case "iCCP":
		kind = KindICC
	case "caBX": // C2PA Specification 2.1, "Embedding manifests into PNG"
		kind = KindC2PA
	case "tEXt", "zTXt", "iTXt":
		b, err := s.w.at(c.data(), int(min(c.n, 80)))
		if err != nil {
			return err
		}
		keyword, _, _ := bytes.Cut(b, []byte{0})
		kind = pngText(string(keyword))
	}
	s.plan.note(kind, c.off, c.end()-c.off)
	return nil
}

// pngText is what a text chunk holds by its keyword. (W3C PNG, third edition, section 11.3.3.1; XMP Specification Part 3, section
// 1.1.5; ImageMagick's raw profiles.)
func pngText(keyword string) Kind {
	switch strings.ToLower(keyword) {
	case "xml:com.adobe.xmp", "raw profile type xmp":
		return KindXMP
	case "raw profile type exif", "raw profile type app1":
		return KindExif
	case "raw profile type iptc", "raw profile type 8bim":
		return KindIPTC
	case "raw profile type icc", "raw profile type icm":
		return KindICC
	case "comment":
		return KindComment
	}
	return KindText
}
