package metadata

import (
	"errors"
	"io"
	"slices"
)

const (
	// maxPages bounds the pictures of a TIFF, maxStrips the strips and tiles of all of them, maxTIFFParts the ranges that
	// they make: together under 2 MiB of memory.
	maxPages     = 1024
	maxStrips    = 1 << 16
	maxTIFFParts = 1 << 15
	// maxTIFFValues bounds the values of all directories, without strips and profiles.
	maxTIFFValues = 1 << 20
)

// tiffPage is one picture of the copy.
type tiffPage struct {
	entries []pageEntry
	// data are the strips or tiles, as parts of a plan, and sizes how many bytes each of them has.
	data  Plan
	sizes []int64
	// countsTag is the tag of the entry with the sizes, and counted says that it is there.
	countsTag uint16
	counted   bool
}

// pageEntry is an entry of the copy: its value is lit, or n bytes of the source at off. offsets marks the one whose values
// become known last.
type pageEntry struct {
	tag, typ uint16
	count    int64
	lit      []byte
	off, n   int64
	offsets  bool
}

func (e *pageEntry) size() int64 { return int64(len(e.lit)) + e.n }

type tiffStripper struct {
	*tiffFile
	o     Options
	plan  *Plan
	pages []*tiffPage
	// The rest sums up what the pages have.
	strips, parts, profiles int
	kept, values            int64
}

// stripTIFF writes the file anew: header, directories of whitelisted tags with their values, then strips and tiles. Every
// page stays, except those that are smaller versions of another; sub-directories and all that directories led to go.
func stripTIFF(w *window, o Options) (*Plan, error) {
	f, err := openTIFF(w)
	if err != nil {
		return nil, err
	}
	s := &tiffStripper{tiffFile: f, o: o, plan: &Plan{Format: TIFF, ContentType: TIFF.ContentType(), Orientation: 1}}
	err = f.eachPage(func(i int, off int64, entries []tiffEntry) error {
		keep, err := s.showable(i, entries)
		if err != nil || !keep {
			return err
		}
		return s.page(off, entries)
	})
	if err != nil {
		return nil, err
	}
	s.plan.noteTIFF(f)
	return s.write()
}

// eachPage calls fn for each directory of the chain.
func (f *tiffFile) eachPage(fn func(i int, off int64, entries []tiffEntry) error) error {
	seen := make(map[int64]bool)
	for i, off := 0, f.first; off != 0; i++ {
		if seen[off] || i == maxPages {
			return f.damaged(off, "directories that lead in a circle, or too many of them")
		}
		seen[off] = true
		entries, next, err := f.directory(off)
		if err != nil {
			return err
		}
		if err := fn(i, off, entries); err != nil {
			return err
		}
		off = next
	}
	if len(seen) == 0 {
		return f.damaged(4, "file without a picture")
	}
	return nil
}

// showable reports whether a page stays. The error is a kind of TIFF of which no picture would be left, or another one.
func (s *tiffStripper) showable(i int, entries []tiffEntry) (bool, error) {
	unsupported := func(detail string) (bool, error) {
		return false, &UnsupportedError{Format: TIFF, Detail: detail}
	}
	reduced, err := s.reduced(entries)
	if err != nil {
		return false, err
	}
	compression, err := s.number(entries, tagCompression, 1)
	if err != nil {
		return false, err
	}
	raw, err := s.raw(entries, reduced && i == 0)
	if err != nil {
		return false, err
	}
	switch {
	case raw:
		return unsupported("camera raw")
	case i > 0 && reduced:
		return false, nil
	case compression == 6:
		return unsupported("old-style JPEG compression")
	}
	return true, nil
}

// page plans one page, whose directory stands at off.
func (s *tiffStripper) page(off int64, entries []tiffEntry) error {
	p := &tiffPage{}
	if s.kept += 12 * int64(len(entries)); s.kept > s.w.size {
		return s.damaged(off, "directories that share bytes")
	}
	last := uint16(0)
	for i, e := range entries {
		if i > 0 && e.tag <= last {
			continue // out of order, or twice: decoders differ about which counts
		}
		last = e.tag
		if err := s.entry(p, e, entries); err != nil {
			return err
		}
	}
	if len(p.sizes) == 0 || !p.counted {
		return s.damaged(off, "page without strips or tiles, or with tags out of order")
	}
	for _, tag := range []uint16{tagWidth, tagHeight} {
		if !slices.ContainsFunc(p.entries, func(e pageEntry) bool { return e.tag == tag }) {
			return s.damaged(off, "page without a size")
		}
	}
	s.pages = append(s.pages, p)
	return nil
}

// entry plans what becomes of one entry.
func (s *tiffStripper) entry(p *tiffPage, e tiffEntry, entries []tiffEntry) error {
	switch e.tag {
	case tagStripOffsets:
		return s.strip(p, e, entries, tagStripByteCounts)
	case tagTileOffsets:
		return s.strip(p, e, entries, tagTileByteCounts)
	case tagStripByteCounts, tagTileByteCounts:
		if e.tag != p.countsTag {
			return nil
		}
		p.counted = true
		// Their values are those of the copy. Offsets have the smaller tag, so p.sizes is known.
		out := pageEntry{tag: e.tag, typ: typeLong, count: int64(len(p.sizes))}
		if s.big {
			out.typ = typeLong8
		}
		for _, n := range p.sizes {
			out.lit = s.appendOffset(out.lit, n)
		}
		p.entries = append(p.entries, out)
		return nil
	case tagJPEGTables:
		return s.tables(p, e)
	case tagICCProfile:
		if !s.o.profile() || e.n == 0 {
			return nil
		}
		if e.off > s.w.size || e.n > s.w.size-e.off {
			return s.damaged(e.off, "points outside the file")
		}
		n, err := profileAt(s.w, e.off, e.n)
		if s.profiles++; s.profiles > 16 {
			return s.damaged(e.off, "too many profiles")
		}
		if n > 0 {
			p.entries = append(p.entries, pageEntry{tag: e.tag, typ: typeUndefined, count: n, off: e.off, n: n})
		}
		return err
	case tagArtist, tagCopyright:
		if s.o.Metadata != KeepCopyright || e.typ != typeASCII || e.n > maxText || len(s.pages) > 0 {
			return nil
		}
	default:
		if most, ok := tiffKept[e.tag]; !ok || e.count > most || e.typ == typeASCII || e.n == 0 {
			return nil
		}
	}
	if e.tag == tagOrientation && len(s.pages) == 0 {
		v, err := s.numbers(e, 1)
		if err != nil {
			return err
		}
		if v[0] < 1 || v[0] > 8 {
			return nil
		}
		s.plan.Orientation = int(v[0])
	}
	if err := s.value(e, e.n); err != nil {
		return err
	}
	b, err := s.bytes(e.off, e.n)
	if err != nil {
		return err
	}
	p.entries = append(p.entries, pageEntry{tag: e.tag, typ: e.typ, count: e.count, lit: b})
	return nil
}

// value counts n bytes of a value that stays: values may share bytes in the source, and do not in the copy.
func (s *tiffStripper) value(e tiffEntry, n int64) error {
	if n > 8 || n > 4 && !s.big {
		s.kept += n
	}
	if s.values += n; s.values > maxTIFFValues || s.kept > s.w.size {
		return s.damaged(e.off, "too many values")
	}
	return nil
}

// strip plans the strips or tiles of a page.
func (s *tiffStripper) strip(p *tiffPage, e tiffEntry, entries []tiffEntry, countsTag uint16) error {
	if len(p.sizes) > 0 {
		return s.damaged(e.off, "strips and tiles in one page")
	}
	counts, ok := findTag(entries, countsTag)
	if !ok || counts.count != e.count || e.count == 0 {
		return s.damaged(e.off, "strips or tiles without their lengths")
	}
	if s.strips += int(min(e.count, maxStrips+1)); s.strips > maxStrips {
		return s.damaged(e.off, "too many strips or tiles")
	}
	offs, err := s.numbers(e, maxStrips)
	if err != nil {
		return err
	}
	lens, err := s.numbers(counts, maxStrips)
	if err != nil {
		return err
	}
	compression, err := s.number(entries, tagCompression, 1)
	if err != nil {
		return err
	}
	for i, off := range offs {
		n := lens[i]
		if off > s.w.size || n > s.w.size-off {
			return s.damaged(off, "file ends in its picture")
		}
		// Strips that share bytes would make the copy larger than the source.
		if s.kept += n; s.kept > s.w.size {
			return s.damaged(off, "strips or tiles that overlap")
		}
		size := n
		if compression == 7 && n > 0 {
			if size, err = s.jpeg(p, off, n); err != nil {
				return err
			}
		} else {
			p.data.keep(off, n)
		}
		p.sizes = append(p.sizes, size)
		if len(p.data.parts)+s.parts > maxTIFFParts {
			return s.damaged(off, "too many strips or tiles apart from each other")
		}
	}
	s.parts += len(p.data.parts)
	p.countsTag = countsTag
	out := pageEntry{tag: e.tag, typ: typeLong, count: e.count, offsets: true}
	if s.big {
		out.typ = typeLong8
	}
	out.lit = make([]byte, out.count*tiffTypes[out.typ])
	p.entries = append(p.entries, out)
	return nil
}

// jpeg plans a strip or tile of JPEG compression, which may hold metadata of its own (TIFF Technical Note 2).
func (s *tiffStripper) jpeg(p *tiffPage, off, n int64) (int64, error) {
	plan, err := stripInnerJPEG(s.w, off, n, false)
	if err != nil {
		var d *DamagedError
		if errors.As(err, &d) {
			return 0, s.damaged(off, "JPEG strip: "+d.Reason)
		}
		return 0, err
	}
	for _, n := range plan.notes {
		s.plan.noted(n)
	}
	for _, q := range plan.parts {
		if q.lit != nil {
			p.data.put(q.lit)
		} else {
			p.data.keep(q.off, q.n)
		}
	}
	return plan.Size, nil
}

// tables plans JPEGTables: a JPEG of tables alone.
func (s *tiffStripper) tables(p *tiffPage, e tiffEntry) error {
	if e.n < 4 || e.n > 1<<16 {
		return s.damaged(e.off, "JPEG tables of a wrong length")
	}
	if e.off > s.w.size-e.n {
		return s.damaged(e.off, "points outside the file")
	}
	in := newWindow(io.NewSectionReader(s.w.src, e.off, e.n), e.n)
	defer in.free()
	out := []byte{0xff, mSOI}
	for at := int64(2); ; {
		seg, err := nextSegment(in, at)
		if errors.Is(err, io.EOF) || err == nil && seg.marker == mEOI {
			break
		}
		if err != nil {
			return s.damaged(e.off, "JPEG tables that cannot be read")
		}
		if m := seg.marker; m == mDQT || m == mDHT || m == mDAC || m == mDRI {
			b, err := seg.payload(in)
			if err != nil {
				return err
			}
			if reason := checkTables(m, b); reason != "" {
				return s.damaged(e.off, reason)
			}
			out = append(out, appSegment(m, b)...)
		}
		at = seg.end()
	}
	out = append(out, 0xff, mEOI)
	p.entries = append(p.entries, pageEntry{tag: e.tag, typ: typeUndefined, count: int64(len(out)), lit: out})
	return nil
}

// write lays the copy out.
func (s *tiffStripper) write() (*Plan, error) {
	head, entry, tail, room := int64(2), int64(12), int64(4), int64(4)
	s.plan.put(s.appendHeader(nil))
	at := int64(8)
	if s.big {
		head, entry, tail, room, at = 8, 20, 8, 8, 16
	}
	// Directories and values come first, so that the data begins where they end.
	starts := make([]int64, len(s.pages)+1)
	starts[0] = at
	for i, p := range s.pages {
		at += head + entry*int64(len(p.entries)) + tail
		for _, e := range p.entries {
			if e.size() > room {
				at += e.size() + e.size()&1
			}
		}
		starts[i+1] = at
	}
	for i, p := range s.pages {
		next := starts[i+1]
		if i == len(s.pages)-1 {
			next = 0
		}
		s.directoryOf(p, starts[i], next, at)
		for _, n := range p.sizes {
			at += n
		}
	}
	for _, p := range s.pages {
		for _, q := range p.data.parts {
			if q.lit != nil {
				s.plan.put(q.lit)
			} else {
				s.plan.keep(q.off, q.n)
			}
		}
	}
	if s.plan.finish(); s.plan.Size > 1<<32-1 && !s.big {
		return nil, s.damaged(0, "more than 4 GiB")
	}
	return s.plan, nil
}

// directoryOf writes the directory of p, which stands at start, then its values. The page's data begins at data.
func (s *tiffStripper) directoryOf(p *tiffPage, start, next, data int64) {
	var b []byte
	room := int64(4)
	if s.big {
		room = 8
		b = s.order.AppendUint64(b, uint64(len(p.entries)))
		start += 8 + 20*int64(len(p.entries)) + 8
	} else {
		b = s.order.AppendUint16(b, uint16(len(p.entries)))
		start += 2 + 12*int64(len(p.entries)) + 4
	}
	for i := range p.entries {
		e := &p.entries[i]
		if e.offsets {
			e.lit = e.lit[:0]
			for _, n := range p.sizes {
				e.lit = s.appendOffset(e.lit, data)
				data += n
			}
		}
		b = s.order.AppendUint16(b, e.tag)
		b = s.order.AppendUint16(b, e.typ)
		b = s.appendOffset(b, e.count)
		if e.size() <= room {
			b = append(b, append(append([]byte(nil), e.lit...), make([]byte, 8)...)[:room]...)
			continue
		}
		b = s.appendOffset(b, start)
		start += e.size() + e.size()&1
	}
	s.plan.put(s.appendOffset(b, next))
	for _, e := range p.entries {
		if e.size() <= room {
			continue
		}
		if e.n > 0 {
			s.plan.keep(e.off, e.n)
		} else {
			s.plan.put(e.lit)
		}
		if e.size()&1 != 0 {
			s.plan.put([]byte{0})
		}
	}
}
