package metadata

import (
	"cmp"
	"slices"
)

// Kind is what a block of a file says besides the picture.
type Kind string

// The kinds of blocks. A block within another, such as the GPS data of an Exif block, counts as its own kind and not as the other.
const (
	KindExif      Kind = "exif"
	KindGPS       Kind = "gps"        // of Exif
	KindMakerNote Kind = "maker_note" // of Exif
	KindThumbnail Kind = "thumbnail"
	KindXMP       Kind = "xmp"
	KindIPTC      Kind = "iptc"
	KindC2PA      Kind = "c2pa"
	KindComment   Kind = "comment"
	KindText      Kind = "text" // titles, descriptions, text chunks
	KindICC       Kind = "icc"  // a colour profile, or the part of one that is none
	// KindOther is whatever no decoder needs and none of these is: private blocks, further pictures, what follows the picture's end.
	KindOther Kind = "other"

	// rewritten is what the copy says in its own words: heads, tables of contents. It is no metadata.
	rewritten Kind = ""
)

// Kinds are all kinds that a Removal may have.
var Kinds = []Kind{KindC2PA, KindComment, KindExif, KindGPS, KindICC, KindIPTC, KindMakerNote, KindOther, KindText, KindThumbnail, KindXMP}

// Removal is what of a kind does not go out.
type Removal struct {
	Kind   Kind
	Blocks int
	Bytes  int64
}

// note says that n bytes of the source at off are of a kind. What was noted first counts, so that the inner is noted before the
// outer. A note says nothing of whether the bytes stay.
type note struct {
	kind   Kind
	off, n int64
	more   bool // a further piece of the block that was noted before
}

// maxNotes bounds a plan's notes; what finds no place among them is of kind other.
const maxNotes = 1024

// note notes a block.
func (p *Plan) note(kind Kind, off, n int64) { p.noted(note{kind, off, n, false}) }

// noteMore notes a further piece of a block.
func (p *Plan) noteMore(kind Kind, off, n int64) { p.noted(note{kind, off, n, true}) }

func (p *Plan) noted(n note) {
	if n.n <= 0 || n.off < 0 {
		return
	}
	// A run of pieces of one kind, as the words of a GIF's comment, is one note.
	if k := len(p.notes) - 1; k >= 0 && n.more && p.notes[k].kind == n.kind && p.notes[k].off+p.notes[k].n == n.off {
		p.notes[k].n += n.n
		return
	}
	if len(p.notes) < maxNotes {
		p.notes = append(p.notes, n)
	}
}

// account sets Removed, Rewritten and Added from the notes and from what the plan keeps of the size bytes of the source.
func (p *Plan) account(size int64) {
	notes := p.notes
	p.notes = nil // the plan outlives them
	gone := p.gone(size)
	var painted []extent // what is noted already, in order and apart from each other
	blocks, bytes := map[Kind]int{}, map[Kind]int64{}
	for _, n := range notes {
		fresh := uncovered(painted, extent{n.off, n.n})
		lost := int64(0)
		for _, x := range fresh {
			lost += overlap(gone, x)
			painted = insertExtent(painted, x)
		}
		if lost == 0 {
			continue
		}
		bytes[n.kind] += lost
		if !n.more || blocks[n.kind] == 0 {
			blocks[n.kind]++
		}
	}
	for _, g := range gone {
		for _, x := range uncovered(painted, g) {
			bytes[KindOther] += x.n
			blocks[KindOther]++
		}
	}
	p.Added, p.Rewritten = p.Size-size, bytes[rewritten]
	for _, g := range gone {
		p.Added += g.n // the copy is what stays of the source, once, and what is added
	}
	p.Removed = nil
	for _, kind := range Kinds {
		if bytes[kind] > 0 {
			p.Removed = append(p.Removed, Removal{kind, blocks[kind], bytes[kind]})
		}
	}
}

// gone are the bytes of the source that the plan does not keep, in order.
func (p *Plan) gone(size int64) (out []extent) {
	kept := make([]extent, 0, len(p.parts))
	for _, q := range p.parts {
		if q.lit == nil && q.n > 0 {
			kept = append(kept, extent{q.off, q.n})
		}
	}
	slices.SortFunc(kept, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	at := int64(0)
	for _, x := range kept {
		if x.off > at {
			out = append(out, extent{at, x.off - at})
		}
		at = max(at, x.off+x.n)
	}
	if at < size {
		out = append(out, extent{at, size - at})
	}
	return out
}

// firstAfter is the index of the first of the ordered extents that ends after off.
func firstAfter(list []extent, off int64) int {
	i, _ := slices.BinarySearchFunc(list, off, func(x extent, off int64) int {
		if x.off+x.n <= off {
			return -1
		}
		return 1
	})
	return i
}

// overlap is how many bytes of x are in the ordered extents.
func overlap(list []extent, x extent) (n int64) {
	for i := firstAfter(list, x.off); i < len(list) && list[i].off < x.off+x.n; i++ {
		n += min(list[i].off+list[i].n, x.off+x.n) - max(list[i].off, x.off)
	}
	return n
}

// uncovered is what of x is in none of the ordered extents.
func uncovered(list []extent, x extent) (out []extent) {
	at, end := x.off, x.off+x.n
	for i := firstAfter(list, at); i < len(list) && list[i].off < end; i++ {
		if list[i].off > at {
			out = append(out, extent{at, list[i].off - at})
		}
		at = max(at, list[i].off+list[i].n)
	}
	if at < end {
		out = append(out, extent{at, end - at})
	}
	return out
}

// insertExtent puts x, which overlaps none, into the ordered extents.
func insertExtent(list []extent, x extent) []extent {
	i := firstAfter(list, x.off)
	if i > 0 && list[i-1].off+list[i-1].n == x.off {
		list[i-1].n += x.n
		return list
	}
	return slices.Insert(list, i, x)
}
