package metadata

import (
	"encoding/binary"
	"slices"
	"strings"
)

// movie is the moov box of an image sequence (ISO/IEC 14496-12 section 8.2; ISO/IEC 23008-12 section 7), reduced to what
// decoders need.
type movie struct {
	f    *heifFile
	o    Options
	root *movieBox
	// chunks are where the samples of the tracks lie, and samples how many the first track has.
	chunks  []extent
	samples int
	tracks  int
}

// movieBox is a box of the copy: bytes, or boxes, or a table of offsets.
type movieBox struct {
	kind     string
	data     []byte
	children []*movieBox
	// offsets belong to stco and co64.
	offsets []int64
}

// movieChildren is the whitelist of boxes by what they stand in.
var movieChildren = map[string]string{
	"moov": "mvhd trak", "trak": "tkhd edts tref mdia", "edts": "elst", "mdia": "mdhd hdlr minf", "minf": "vmhd nmhd dinf stbl",
	"stbl": "stsd stts ctts cslg stss stsc stsz stz2 stco co64 sdtp",
}

// sampleChildren is the same for a sample entry.
const sampleChildren = "av1C hvcC avcC vvcC colr pasp clap ccst auxi clli mdcv cclv"

// parseMovie returns the movie of f, or nil when no track of it is a sequence of pictures.
func (f *heifFile) parseMovie(o Options) (*movie, error) {
	m := &movie{f: f, o: o}
	boxes, ok := splitBoxes(f.movie)
	if !ok {
		return nil, f.damaged(0, "moov is cut short")
	}
	if _, fragmented := findBox(boxes, "mvex"); fragmented {
		return nil, f.unsupported("with movie fragments")
	}
	var err error
	if m.root, err = m.container("moov", boxes, 0); err != nil {
		return nil, err
	}
	if m.tracks == 0 {
		return nil, nil
	}
	return m, nil
}

// container copies the boxes on the whitelist.
func (m *movie) container(kind string, boxes []memBox, depth int) (*movieBox, error) {
	out := &movieBox{kind: kind}
	for _, b := range boxes {
		if !strings.Contains(movieChildren[kind], b.kind) || strings.ContainsRune(b.kind, ' ') {
			continue
		}
		child, err := m.box(b, depth)
		if err != nil {
			return nil, err
		}
		if child != nil {
			out.children = append(out.children, child)
		}
	}
	return out, nil
}

// box copies one box. nil means that it goes.
func (m *movie) box(b memBox, depth int) (*movieBox, error) {
	short := m.f.damaged(0, b.kind+" is cut short")
	if _, container := movieChildren[b.kind]; container {
		boxes, ok := splitBoxes(b.data)
		if !ok || depth > 5 {
			return nil, short
		}
		if b.kind == "trak" {
			return m.track(boxes, depth)
		}
		return m.container(b.kind, boxes, depth+1)
	}
	data := slices.Clone(b.data)
	switch b.kind {
	case "mvhd", "tkhd", "mdhd":
		// Times of creation and modification, after version and flags.
		n := 8
		if len(data) > 0 && data[0] == 1 {
			n = 16
		}
		if len(data) < 4+n+8 {
			return nil, short
		}
		clear(data[4 : 4+n])
	case "hdlr":
		if len(data) < 12 {
			return nil, short
		}
		data = append(slices.Clone(data[:12]), make([]byte, 13)...)
		clear(data[4:8])
	case "tref":
		return m.trackRefs(b)
	case "dinf":
		return m.dataInfo(b)
	case "stsd":
		return m.descriptions(b)
	case "stco", "co64":
		c := &cursor{b: data}
		c.bytes(4)
		n, size := c.uint(4), map[string]int{"stco": 4, "co64": 8}[b.kind]
		if n > int64(len(c.b)/size) {
			return nil, short
		}
		out := &movieBox{kind: b.kind}
		for range n {
			out.offsets = append(out.offsets, c.uint(size))
		}
		return out, nil
	}
	return &movieBox{kind: b.kind, data: data}, nil
}

// track copies a track of pictures or of their alpha planes. Sound, video, thumbnails and timed metadata go.
func (m *movie) track(boxes []memBox, depth int) (*movieBox, error) {
	t, err := m.container("trak", boxes, depth+1)
	if err != nil {
		return nil, err
	}
	handler := t.find("mdia", "hdlr")
	if handler == nil || !slices.Contains([]string{"pict", "auxv"}, string(handler.data[8:12])) {
		return nil, nil
	}
	for _, b := range boxes {
		if b.kind == "tref" && strings.Contains(string(b.data), "thmb") {
			return nil, nil
		}
	}
	stbl := t.find("mdia", "minf", "stbl")
	if stbl == nil {
		return nil, m.f.damaged(0, "track without samples")
	}
	chunks, samples, ok := sampleChunks(stbl)
	if !ok || samples == 0 {
		return nil, m.f.damaged(0, "track whose tables of samples do not fit together")
	}
	for _, x := range chunks {
		if x.off > m.f.w.size || x.n > m.f.w.size-x.off {
			return nil, m.f.damaged(x.off, "file ends in a sample")
		}
	}
	if m.tracks++; m.tracks == 1 {
		m.samples = samples
	}
	m.chunks = append(m.chunks, chunks...)
	return t, nil
}

// find returns the box at the end of a path.
func (b *movieBox) find(path ...string) *movieBox {
	for _, kind := range path {
		i := slices.IndexFunc(b.children, func(c *movieBox) bool { return c.kind == kind })
		if i < 0 {
			return nil
		}
		b = b.children[i]
	}
	return b
}

// sampleChunks returns where the chunks of a track lie, from its tables (ISO/IEC 14496-12 sections 8.7.3 to 8.7.5).
func sampleChunks(stbl *movieBox) (chunks []extent, samples int, ok bool) {
	offsets := stbl.find("stco")
	if offsets == nil {
		offsets = stbl.find("co64")
	}
	stsc, stsz := stbl.find("stsc"), stbl.find("stsz")
	if offsets == nil || stsc == nil || stsz == nil {
		return nil, 0, false // stz2 is for sizes below 64 KiB, and nobody writes it
	}
	c := &cursor{b: stsz.data}
	c.bytes(4)
	same, count := c.uint(4), c.uint(4)
	sizes := c.b
	if same == 0 && int64(len(sizes)) < 4*count || count > 1<<20 {
		return nil, 0, false
	}
	runs := &cursor{b: stsc.data}
	runs.bytes(4)
	n := runs.uint(4)
	if n == 0 || n > int64(len(runs.b)/12) {
		return nil, 0, false
	}
	perChunk, next := int64(0), int64(0)
	advance := func() {
		if next, n = 1<<62, n-1; n >= 0 {
			perChunk = int64(binary.BigEndian.Uint32(runs.b[4:]))
			if runs.b = runs.b[12:]; n > 0 {
				next = int64(binary.BigEndian.Uint32(runs.b))
			}
		}
	}
	advance()
	sample := int64(0)
	for i, off := range offsets.offsets {
		for int64(i+1) >= next && next < 1<<62 {
			advance()
		}
		x := extent{off: off}
		for range min(perChunk, count-sample) {
			if same > 0 {
				x.n += same
			} else {
				x.n += int64(binary.BigEndian.Uint32(sizes[4*sample:]))
			}
			sample++
		}
		chunks = append(chunks, x)
	}
	return chunks, int(count), sample == count && len(chunks) <= maxExtents
}

// trackRefs keeps the references to the track that an alpha plane belongs to.
func (m *movie) trackRefs(b memBox) (*movieBox, error) {
	boxes, ok := splitBoxes(b.data)
	if !ok {
		return nil, m.f.damaged(0, "tref is cut short")
	}
	out := &movieBox{kind: "tref"}
	for _, r := range boxes {
		if r.kind == "auxl" || r.kind == "prem" {
			out.children = append(out.children, &movieBox{kind: r.kind, data: r.data})
		}
	}
	if len(out.children) == 0 {
		return nil, nil
	}
	return out, nil
}

// dataInfo writes the one data reference that says "in this file".
func (m *movie) dataInfo(b memBox) (*movieBox, error) {
	boxes, ok := splitBoxes(b.data)
	dref, found := findBox(boxes, "dref")
	if !ok || !found || len(dref.data) < 8 {
		return nil, m.f.damaged(0, "dinf is cut short")
	}
	refs, ok := splitBoxes(dref.data[8:])
	if !ok || len(refs) != 1 || refs[0].kind != "url " || len(refs[0].data) != 4 || refs[0].data[3] != 1 {
		return nil, m.f.unsupported("with samples in another file")
	}
	self := appendBox(nil, "url ", fullHead(0, 1))
	return &movieBox{kind: "dinf", data: appendBox(nil, "dref", fullHead(0, 0), []byte{0, 0, 0, 1}, self)}, nil
}

// descriptions copies the sample entries without the names of their encoders (ISO/IEC 14496-12 section 12.1.3).
func (m *movie) descriptions(b memBox) (*movieBox, error) {
	short := m.f.damaged(0, "stsd is cut short")
	if len(b.data) < 8 {
		return nil, short
	}
	entries, ok := splitBoxes(b.data[8:])
	if !ok {
		return nil, short
	}
	out := slices.Clone(b.data[:8])
	for _, e := range entries {
		const fields = 78
		if !slices.Contains(heifPictures[:6], e.kind) {
			return nil, m.f.unsupported("with samples of kind " + e.kind)
		}
		if len(e.data) < fields {
			return nil, short
		}
		head := slices.Clone(e.data[:fields])
		clear(head[42:74]) // compressorname
		boxes, ok := splitBoxes(e.data[fields:])
		if !ok {
			return nil, short
		}
		var children []byte
		for _, c := range boxes {
			switch {
			case c.kind == "colr":
				children = append(children, cleanColr(c, m.o)...)
			case c.kind == "av1C" || c.kind == "hvcC":
				children = append(children, cleanConfig(c)...)
			case strings.Contains(sampleChildren, c.kind) && !strings.ContainsRune(c.kind, ' '):
				children = append(children, c.whole...)
			}
		}
		out = appendBox(out, e.kind, head, children)
	}
	return &movieBox{kind: "stsd", data: out}, nil
}

// write returns the box; moved tells where an offset of the source is in the copy.
func (m *movie) write(moved func(int64) int64) []byte { return m.root.write(moved) }

func (b *movieBox) write(moved func(int64) int64) []byte {
	data := b.data
	if b.offsets != nil {
		data = binary.BigEndian.AppendUint32(fullHead(0, 0), uint32(len(b.offsets)))
		for _, off := range b.offsets {
			if b.kind == "co64" {
				data = binary.BigEndian.AppendUint64(data, uint64(moved(off)))
			} else {
				data = binary.BigEndian.AppendUint32(data, uint32(moved(off)))
			}
		}
	}
	parts := [][]byte{data}
	for _, c := range b.children {
		parts = append(parts, c.write(moved))
	}
	return appendBox(nil, b.kind, parts...)
}
