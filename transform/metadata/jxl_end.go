package metadata

import (
	"encoding/binary"
	"io"
)

// maxJXLFrames bounds the frames that are walked for the end of a codestream, maxJXLSections the sections of one of them.
const (
	maxJXLFrames   = 1 << 16
	maxJXLSections = 1 << 16
)

// Kinds of frames (ISO/IEC 18181-1 section F.2): shown, low resolution of a later one, only for reference, shown without progress.
const (
	jxlRegular = iota
	jxlLow
	jxlReference
	jxlSkip
)

// jxlStream is the codestream of a file, which may lie in several boxes, as one source.
type jxlStream struct {
	w *window
	// parts are where it lies, and size is how long it is.
	parts []extent
	size  int64
}

func newJXLStream(w *window, f *jxlFile) *jxlStream {
	s := &jxlStream{w: w}
	if f.bare {
		s.parts = []extent{{0, w.size}}
	}
	for _, b := range f.stream {
		s.parts = append(s.parts, extent{b.stream(), b.end() - b.stream()})
	}
	for _, x := range s.parts {
		s.size += x.n
	}
	return s
}

// ReadAt implements io.ReaderAt.
func (s *jxlStream) ReadAt(p []byte, off int64) (n int, err error) {
	for _, x := range s.parts {
		if off >= x.n {
			off -= x.n
			continue
		}
		k := int(min(int64(len(p)-n), x.n-off))
		if m, err := s.w.src.ReadAt(p[n:n+k], x.off+off); m < k {
			return n + m, err
		}
		if n, off = n+k, 0; n == len(p) {
			return n, nil
		}
	}
	return n, io.EOF
}

// keep plans the first n bytes of the codestream as one box.
func (s *jxlStream) keep(plan *Plan, n int64) {
	if n < 1<<32-8 {
		plan.put(append(binary.BigEndian.AppendUint32(nil, uint32(n+8)), "jxlc"...))
	} else {
		plan.put(binary.BigEndian.AppendUint64([]byte("\x00\x00\x00\x01jxlc"), uint64(n+16)))
	}
	for _, x := range s.parts {
		k := min(n, x.n)
		plan.keep(x.off, k)
		n -= k
	}
}

// end returns where the codestream ends, from the tables of contents of its frames (ISO/IEC 18181-1 section F.3). It is -1 when
// only a decoder could tell: with an embedded colour profile, extensions, or a table whose order is entropy-coded.
func (s *jxlStream) end() (int64, error) {
	w := newWindow(s, s.size)
	defer w.free()
	head, err := w.read(0, min(s.size, maxJXLHead))
	if err != nil {
		return -1, err
	}
	var h jxlHeader
	frames, err := h.read(head, 0)
	if err != nil || frames < 0 {
		return -1, err
	}
	at := int64(frames)
	for range maxJXLFrames {
		f := jxlFrame{jxlHeader: &h}
		size, err := f.read(w, at)
		if err != nil || size < 0 {
			return -1, err
		}
		if at += size; at > s.size {
			return -1, errJXLCut(s.size)
		}
		if f.last {
			return at, nil
		}
	}
	return -1, nil
}

func errJXLCut(at int64) error {
	return &DamagedError{Format: JXL, Offset: at, Reason: "file ends in its picture"}
}

// jxlFrame is what of a frame's header tells how long it is.
type jxlFrame struct {
	*jxlHeader
	kind    int64
	modular bool
	// groupShift makes groups of 128 pixels, doubled so many times; upsampling is by how much the picture is enlarged after decoding.
	groupShift, upsampling int64
	passes                 int64
	// level is of a low-resolution frame: 8 to its power is the scale.
	level                   int64
	frameWidth, frameHeight int64
	// hshift and vshift are how often the coarsest channel is halved.
	hshift, vshift int64
	duration       int64
	last           bool
}

// read reads the header and the table of contents of the frame at off, and returns the length of the frame; -1 when it cannot be told.
func (f *jxlFrame) read(w *window, off int64) (int64, error) {
	head, err := w.read(off, min(w.size-off, maxJXLHead))
	if err != nil {
		return -1, err
	}
	r := &jxlBits{b: head}
	known := f.header(r)
	permuted := r.bool()
	switch {
	case r.end && len(head) < maxJXLHead:
		return -1, errJXLCut(w.size)
	case r.end || !known || permuted:
		return -1, nil
	}
	toc := int64(r.at+7) / 8
	sections := f.sections()
	if sections > maxJXLSections {
		return -1, nil
	}
	if head, err = w.read(off+toc, min(w.size-off-toc, 4*sections)); err != nil {
		return -1, err
	}
	r = &jxlBits{b: head}
	sum := int64(0)
	for range sections {
		sum += r.u32(jxlField{0, 10}, jxlField{1024, 14}, jxlField{17408, 22}, jxlField{4211712, 30})
	}
	if r.end {
		return -1, errJXLCut(w.size)
	}
	return toc + int64(r.at+7)/8 + sum, nil
}

// sections is how many sections the frame has (section F.3.1).
func (f *jxlFrame) sections() int64 {
	ceil := func(a, b int64) int64 { return (a + b - 1) / b }
	scale := f.upsampling << (3 * f.level)
	width, height := ceil(f.frameWidth, scale), ceil(f.frameHeight, scale)
	group := int64(128) << f.groupShift
	groups := ceil(width, group) * ceil(height, group)
	if groups == 1 && f.passes == 1 {
		return 1
	}
	// Groups of the low resolution are of as many blocks as others are of pixels; blocks are padded to whole ones of the coarsest channel.
	across := ceil(width, 8<<f.hshift) << f.hshift
	down := ceil(height, 8<<f.vshift) << f.vshift
	return 2 + ceil(across, group)*ceil(down, group) + groups*f.passes
}

// header reads a FrameHeader (section F.2). It is false when there are extensions.
func (f *jxlFrame) header(r *jxlBits) bool {
	f.groupShift, f.upsampling, f.passes, f.last = 1, 1, 1, true
	f.frameWidth, f.frameHeight = f.width, f.height
	if r.bool() { // all default
		return true
	}
	powers := []jxlField{{1, 0}, {2, 0}, {4, 0}, {8, 0}}
	f.kind, f.modular = r.u(2), r.bool()
	const usesLow = 0x20 // the flag of a frame whose low resolution is in an earlier one
	low := r.u64()&usesLow != 0
	if ycbcr := !f.xyb && r.bool(); ycbcr && !low {
		for range 3 {
			mode := r.u(2)
			f.hshift, f.vshift = max(f.hshift, []int64{0, 1, 1, 0}[mode]), max(f.vshift, []int64{0, 1, 0, 1}[mode])
		}
	}
	if !low {
		f.upsampling = r.u32(powers...)
		for n := f.extra; n > 0 && !r.end; n-- {
			r.u32(powers...)
		}
	}
	switch {
	case f.modular:
		f.groupShift = r.u(2)
	case f.xyb:
		r.u(6)
	}
	if f.kind != jxlReference {
		f.readPasses(r, powers)
	}
	if f.kind == jxlLow {
		f.level = 1 + r.u(2)
	}
	partial := f.kind != jxlLow && f.readSize(r)
	f.last = false
	replaces := true
	if f.kind == jxlRegular || f.kind == jxlSkip {
		replaces = f.blending(r, partial)
		for n := f.extra; n > 0 && !r.end; n-- {
			f.blending(r, partial)
		}
		if f.animation {
			f.duration = r.u32(jxlField{0, 0}, jxlField{1, 0}, jxlField{0, 8}, jxlField{0, 32})
			if f.timecodes {
				r.u(32)
			}
		}
		f.last = r.bool()
	}
	saved := int64(0)
	if f.kind != jxlLow && !f.last {
		saved = r.u(2)
	}
	referenced := !f.last && f.kind != jxlLow && (f.duration == 0 || saved != 0)
	if f.kind == jxlReference || referenced && replaces && !partial && f.kind != jxlLow {
		r.u(1) // saved before the colours are transformed
	}
	r.skip(8 * int(r.u32(jxlField{0, 0}, jxlField{0, 4}, jxlField{16, 5}, jxlField{48, 10}))) // name
	return f.filter(r) && r.u64() == 0
}

func (f *jxlFrame) readPasses(r *jxlBits, powers []jxlField) {
	f.passes = r.u32(jxlField{1, 0}, jxlField{2, 0}, jxlField{3, 0}, jxlField{4, 3})
	if f.passes == 1 {
		return
	}
	steps := r.u32(jxlField{0, 0}, jxlField{1, 0}, jxlField{2, 0}, jxlField{3, 1})
	r.skip(2 * int(f.passes-1))
	for range steps {
		r.u32(powers...)
	}
	for range steps {
		r.u32(jxlField{0, 0}, jxlField{1, 0}, jxlField{2, 0}, jxlField{0, 3})
	}
}

// readSize reads a size and a place that differ from the picture's, and reports whether the frame is only a part of it.
func (f *jxlFrame) readSize(r *jxlBits) (partial bool) {
	if !r.bool() {
		return false
	}
	number := func() int64 {
		return r.u32(jxlField{0, 8}, jxlField{256, 11}, jxlField{2304, 14}, jxlField{18688, 30})
	}
	var x, y int64
	if f.kind == jxlRegular || f.kind == jxlSkip {
		signed := func(v int64) int64 { return v>>1 ^ -(v & 1) }
		x, y = signed(number()), signed(number())
	}
	f.frameWidth, f.frameHeight = number(), number()
	return x > 0 || y > 0 || x+f.frameWidth < f.width || y+f.frameHeight < f.height
}

// blending reads a BlendingInfo and reports whether the frame replaces what was there.
func (f *jxlFrame) blending(r *jxlBits, partial bool) (replaces bool) {
	const replace, blend, weighted, multiply = 0, 2, 3, 4
	mode := r.u32(jxlField{replace, 0}, jxlField{1, 0}, jxlField{blend, 0}, jxlField{weighted, 2})
	alpha := f.extra > 0 && (mode == blend || mode == weighted)
	if alpha {
		r.u32(jxlField{0, 0}, jxlField{1, 0}, jxlField{2, 0}, jxlField{3, 3})
	}
	if alpha || mode == multiply {
		r.u(1)
	}
	if mode != replace || partial {
		r.u(2)
	}
	return mode == replace
}

// filter passes over the parameters of the loop filters (section J.1). It is false when there are extensions.
func (f *jxlFrame) filter(r *jxlBits) bool {
	if r.bool() {
		return true
	}
	if smooths := r.bool(); smooths && r.bool() {
		r.skip(6 * 16)
	}
	if iterations := r.u(2); iterations > 0 {
		if !f.modular && r.bool() {
			r.skip(8 * 16)
		}
		if r.bool() {
			r.skip(5 * 16)
		}
		if r.bool() {
			r.skip(3 * 16)
			if !f.modular {
				r.skip(16)
			}
		}
		if f.modular {
			r.skip(16)
		}
	}
	return r.u64() == 0
}
