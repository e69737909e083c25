package metadata

import (
	"errors"
	"io"
)

// maxJXLHead is how many bytes of a codestream are read for its header.
const maxJXLHead = 4096

// jxlHeader is what the codestream's own header tells (ISO/IEC 18181-1 annex D).
type jxlHeader struct {
	width, height int64
	// orientation is as in Exif; decoders follow it by themselves.
	orientation        int
	preview, animation bool
	// alpha says that one of the extra channels is an alpha plane, as far as the header could be read.
	alpha bool
	// extra is how many extra channels there are, timecodes whether frames have them, xyb whether colours are XYB.
	extra          int64
	timecodes, xyb bool
}

// jxlBits reads bits, the lowest of a byte first. Past the end it gives zeros.
type jxlBits struct {
	b   []byte
	at  int
	end bool
}

func (r *jxlBits) u(n int) (v int64) {
	for i := range n {
		if r.at/8 >= len(r.b) {
			r.end = true
			return 0
		}
		v |= int64(r.b[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

func (r *jxlBits) bool() bool { return r.u(1) == 1 }

// jxlField is one way to write a number: base and the next n bits.
type jxlField struct {
	base int64
	n    int
}

// u32 reads a number that is written in one of four ways (section B.2.2).
func (r *jxlBits) u32(ways ...jxlField) int64 {
	way := ways[r.u(2)]
	return way.base + r.u(way.n)
}

// enum reads a number of a list (section B.2.6).
func (r *jxlBits) enum() int64 {
	return r.u32(jxlField{0, 0}, jxlField{1, 0}, jxlField{2, 4}, jxlField{18, 6})
}

// size reads a SizeHeader (section D.2).
func (r *jxlBits) size() (width, height int64) {
	small := r.bool()
	one := func() int64 {
		if small {
			return 8 * (1 + r.u(5))
		}
		return 1 + r.u([]int{9, 13, 18, 30}[r.u(2)])
	}
	height = one()
	if ratio := r.u(3); ratio > 0 {
		return height * jxlRatios[ratio][0] / jxlRatios[ratio][1], height
	}
	return one(), height
}

var jxlRatios = [...][2]int64{{}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}

// parse reads the header of the codestream that begins with head, which stands at off.
func (h *jxlHeader) parse(head []byte, off int64) error {
	_, err := h.read(head, off)
	return err
}

// read is parse, and returns where in head the frames begin, or -1 when this cannot be told: behind a colour profile, which is
// entropy-coded, or extensions.
func (h *jxlHeader) read(head []byte, off int64) (frames int, err error) {
	h.orientation, h.xyb = 1, true
	if len(head) < 2 || head[0] != 0xff || head[1] != 0x0a {
		return -1, &DamagedError{Format: JXL, Offset: off, Reason: "no codestream"}
	}
	r := &jxlBits{b: head[2:]}
	h.width, h.height = r.size()
	ends := func() error {
		if r.end {
			return &DamagedError{Format: JXL, Offset: off, Reason: "codestream ends in its header"}
		}
		return nil
	}
	known := true
	if !r.bool() { // not all is default
		extra := r.bool() // there are extra fields
		if extra {
			h.orientation = 1 + int(r.u(3))
			if r.bool() {
				r.size() // the size that the picture is to be shown in
			}
			if h.preview = r.bool(); h.preview {
				r.preview()
			}
			if h.animation = r.bool(); h.animation {
				h.timecodes = r.animation()
			}
		}
		if err := ends(); err != nil {
			return -1, err
		}
		h.channels(r)
		h.xyb = r.bool()
		known = r.colours()
		if extra && !r.bool() { // tone mapping
			r.u(16 + 16 + 1 + 16)
		}
		known = known && r.u64() == 0
	} else if err := ends(); err != nil {
		return -1, err
	}
	r.transforms(h.xyb)
	if !known || r.end || h.preview {
		return -1, nil
	}
	return 2 + (r.at+7)/8, nil
}

// colours passes over a colour encoding (section E.2). It is false when a profile follows the header.
func (r *jxlBits) colours() bool {
	if r.bool() {
		return true
	}
	profile := r.bool()
	space := r.enum()
	if profile {
		return false
	}
	const gray, xyb, custom = 1, 2, 2
	point := func() {
		for range 2 {
			r.u32(jxlField{0, 19}, jxlField{1 << 19, 19}, jxlField{1 << 20, 20}, jxlField{1 << 21, 21})
		}
	}
	if space != xyb && r.enum() == custom { // white
		point()
	}
	if space != xyb && space != gray && r.enum() == custom { // red, green, blue
		point()
		point()
		point()
	}
	if space != xyb { // transfer function
		if r.bool() {
			r.u(24)
		} else {
			r.enum()
		}
	}
	r.enum() // rendering intent
	return true
}

// transforms passes over the opsin matrix and upsampling weights (section D.3.1).
func (r *jxlBits) transforms(xyb bool) {
	if r.bool() {
		return
	}
	if xyb && !r.bool() {
		r.skip(16 * (9 + 3 + 4))
	}
	for mask, i := r.u(3), 0; i < 3; i++ {
		if mask>>i&1 != 0 {
			r.skip(16 * []int{15, 55, 210}[i])
		}
	}
}

func (r *jxlBits) skip(n int) {
	for range n {
		r.u(1)
	}
}

// u64 reads a number of up to 64 bits (section B.2.4).
func (r *jxlBits) u64() (v uint64) {
	switch r.u(2) {
	case 0:
		return 0
	case 1:
		return 1 + uint64(r.u(4))
	case 2:
		return 17 + uint64(r.u(8))
	}
	v = uint64(r.u(12))
	for shift := 12; r.bool(); shift += 8 {
		if shift == 60 {
			return v | uint64(r.u(4))<<60
		}
		v |= uint64(r.u(8)) << shift
	}
	return v
}

// preview passes over a PreviewHeader (section D.3.3).
func (r *jxlBits) preview() {
	one := func(div8 bool) {
		if div8 {
			r.u32(jxlField{16, 0}, jxlField{32, 0}, jxlField{1, 5}, jxlField{33, 9})
			return
		}
		r.u32(jxlField{1, 6}, jxlField{65, 8}, jxlField{321, 10}, jxlField{1345, 12})
	}
	div8 := r.bool()
	one(div8)
	if r.u(3) == 0 {
		one(div8)
	}
}

// animation passes over an AnimationHeader (section D.3.4) and reports whether frames have time codes.
func (r *jxlBits) animation() (timecodes bool) {
	r.u32(jxlField{100, 0}, jxlField{1000, 0}, jxlField{1, 10}, jxlField{1, 30})
	r.u32(jxlField{1, 0}, jxlField{1001, 0}, jxlField{1, 8}, jxlField{1, 10})
	r.u32(jxlField{0, 0}, jxlField{0, 3}, jxlField{0, 16}, jxlField{0, 32})
	return r.bool()
}

// bitDepth passes over a BitDepth (section D.3.5).
func (r *jxlBits) bitDepth() {
	if r.bool() { // floating point
		r.u32(jxlField{32, 0}, jxlField{16, 0}, jxlField{24, 0}, jxlField{1, 6})
		r.u(4)
		return
	}
	r.u32(jxlField{8, 0}, jxlField{10, 0}, jxlField{12, 0}, jxlField{1, 6})
}

// channels reads the bit depth and the extra channels (sections D.3.5 and D.3.6): the kind of one is 0 for alpha.
func (h *jxlHeader) channels(r *jxlBits) {
	r.bitDepth()
	r.u(1) // whether 16 bits are enough for modular data
	h.extra = r.u32(jxlField{0, 0}, jxlField{1, 0}, jxlField{2, 4}, jxlField{1, 12})
	for n := h.extra; n > 0 && !r.end; n-- {
		if r.bool() {
			h.alpha = true // all default: alpha of 8 bits
			continue
		}
		kind := r.enum()
		r.bitDepth()
		r.u32(jxlField{0, 0}, jxlField{3, 0}, jxlField{4, 0}, jxlField{1, 3})
		for name := r.u32(jxlField{0, 0}, jxlField{0, 4}, jxlField{16, 5}, jxlField{48, 10}); name > 0 && !r.end; name-- {
			r.u(8)
		}
		switch kind {
		case 0:
			h.alpha = h.alpha || !r.end
			r.u(1) // premultiplied
		case 2: // spot colour: four half-precision numbers
			r.u(64)
		case 5: // colour filter array
			r.u32(jxlField{1, 0}, jxlField{0, 2}, jxlField{3, 4}, jxlField{19, 8})
		}
	}
}

// jxlHead returns the first bytes of the codestream of a file, at most maxJXLHead, and where the box that holds them stands. Boxes
// may end behind the file.
func jxlHead(w *window) (head []byte, off int64, err error) {
	sig, err := w.at(0, int(min(w.size, int64(len(jxlSignature)))))
	if err != nil {
		return nil, 0, err
	}
	if string(sig) != jxlSignature {
		head, err = w.read(0, min(w.size, maxJXLHead))
		return head, 0, err
	}
	off = -1
	cut := errors.New("enough")
	err = eachBoxCut(w, JXL, int64(len(jxlSignature)), func(b box) error {
		if b.kind != "jxlc" && b.kind != "jxlp" {
			return nil
		}
		if off < 0 {
			off = b.off
		}
		at := b.stream()
		p, err := w.read(at, max(0, min(b.end()-at, w.size-at, int64(maxJXLHead-len(head)))))
		if err != nil {
			return err
		}
		if head = append(head, p...); len(head) == maxJXLHead || b.kind == "jxlc" {
			return cut
		}
		return nil
	})
	if err != nil && !errors.Is(err, cut) && !errors.Is(err, ErrDamaged) && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	return head, max(off, 0), nil
}
