package metadata

import "bytes"

// What is noted of formats whose copy is written anew.

// noteHEIF notes the items of an AVIF or HEIF file that go, and its boxes.
func (p *Plan) noteHEIF(f *heifFile, kept map[uint32]bool) {
	thumbnails := map[uint32]bool{}
	for _, r := range f.refs {
		if r.kind == "thmb" {
			thumbnails[r.from] = true
		}
	}
	for _, r := range f.refs { // the tiles of one
		if r.kind == "dimg" && thumbnails[r.from] {
			for _, id := range r.to {
				thumbnails[id] = true
			}
		}
	}
	for _, id := range f.order {
		it := f.items[id]
		if it == nil || kept[id] {
			continue
		}
		kind := KindOther
		switch {
		case it.kind == "Exif":
			kind = KindExif
			p.noteExifItem(f, it)
		case it.kind == "mime" && it.content == "application/rdf+xml":
			kind = KindXMP
		case thumbnails[id]:
			kind = KindThumbnail
		}
		for i, x := range it.extents {
			p.noted(note{kind, x.off, x.n, i > 0})
		}
	}
	_ = eachBoxCut(f.w, f.format, 0, func(b box) error { // what follows the last box is other
		switch b.kind {
		case "ftyp", "meta", "moov":
			p.note(rewritten, b.off, b.size)
		case "mdat":
			p.note(rewritten, b.off, b.head)
		case "uuid":
			p.note(uuidKind(f.w, b), b.off, b.size)
		}
		return nil
	})
}

// noteExifItem notes what is within an Exif item that stands in one place.
func (p *Plan) noteExifItem(f *heifFile, it *heifItem) {
	if len(it.extents) != 1 {
		return
	}
	x := it.extents[0]
	b, err := f.w.read(x.off, min(x.n, maxExif))
	if err != nil || len(b) < 4 {
		return
	}
	block := exifPayload(b)
	p.noteExif(block, x.off+int64(len(b)-len(block)))
}

// The user types of uuid boxes: C2PA Specification 2.1, "Embedding manifests into BMFF-based assets"; XMP Specification Part 3,
// section 1.1.6.
var (
	uuidC2PA = []byte("\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81")
	uuidXMP  = []byte("\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac")
)

func uuidKind(w *window, b box) Kind {
	id, err := w.at(b.data(), 16)
	switch {
	case err != nil:
	case bytes.Equal(id, uuidC2PA):
		return KindC2PA
	case bytes.Equal(id, uuidXMP):
		return KindXMP
	}
	return KindOther
}

// noteJXL notes the boxes of a JPEG XL file.
func (p *Plan) noteJXL(w *window) {
	_ = eachBoxCut(w, JXL, 0, func(b box) error { // as above
		kind := b.kind
		if kind == "brob" { // compressed by Brotli, under the name of what it is
			if name, err := w.at(b.data(), 4); err == nil {
				kind = string(name)
			}
		}
		switch kind {
		case "JXL ", "ftyp", "jxll":
			p.note(rewritten, b.off, b.size)
		case "jxlc", "jxlp":
			p.note(rewritten, b.off, b.head)
		case "Exif":
			if head, err := w.read(b.data(), min(b.size-b.head, maxExif)); err == nil && len(head) >= 4 && b.kind == "Exif" {
				block := exifPayload(head)
				p.noteExif(block, b.data()+int64(len(head)-len(block)))
			}
			p.note(KindExif, b.off, b.size)
		case "xml ":
			p.note(KindXMP, b.off, b.size)
		case "jumb":
			if head, err := w.at(b.data(), int(min(b.size-b.head, 64))); err == nil && (isC2PA(head) || b.kind == "brob") {
				p.note(KindC2PA, b.off, b.size)
			}
		}
		return nil
	})
}

// noteTIFF notes the directories of a TIFF file, and their values that are blocks of their own.
func (p *Plan) noteTIFF(f *tiffFile) {
	_ = f.eachPage(func(i int, off int64, entries []tiffEntry) error { // it was walked before
		if i == 0 {
			p.noteDirectories(f, 0)
			if sub, ok := findTag(entries, tagExifIFD); ok {
				p.noteDirectory(f, KindExif, f.pointer(sub), 0)
			}
		} else {
			p.noteValues(entries, 0)
		}
		if e, ok := findTag(entries, tagPhotoshop); ok && e.n <= 1<<20 {
			if b, err := f.bytes(e.off, e.n); err == nil {
				p.notePhotoshop(bytes.Clone(b), e.off)
			}
		}
		if reduced, err := f.reduced(entries); err == nil && reduced && i > 0 {
			p.noteStrips(f, entries)
		}
		for _, e := range entries[:min(len(entries), maxInner)] {
			switch {
			case tiffKept[e.tag] > 0, e.tag == tagStripOffsets, e.tag == tagStripByteCounts, e.tag == tagTileOffsets, e.tag == tagTileByteCounts, e.tag == tagJPEGTables:
				p.note(rewritten, e.off, e.n)
			case e.typ == typeASCII:
				p.note(KindText, e.off, e.n)
			}
		}
		p.note(rewritten, off, f.directorySize(len(entries)))
		return nil
	})
	head := int64(8)
	if f.big {
		head = 16
	}
	p.note(rewritten, 0, head)
}

// noteStrips notes the strips or tiles of a page that goes because it is a smaller version of another.
func (p *Plan) noteStrips(f *tiffFile, entries []tiffEntry) {
	for offsets, counts := range map[uint16]uint16{tagStripOffsets: tagStripByteCounts, tagTileOffsets: tagTileByteCounts} {
		at, ok := findTag(entries, offsets)
		length, sized := findTag(entries, counts)
		if !ok || !sized {
			continue
		}
		offs, err := f.numbers(at, maxStrips)
		lens, also := f.numbers(length, maxStrips)
		if err != nil || also != nil {
			continue
		}
		for i := range offs[:min(len(offs), len(lens), maxInner)] {
			p.noted(note{KindThumbnail, offs[i], lens[i], i > 0})
		}
	}
}

// noteToken notes a part of an SVG that goes, from where the token under way begins to where the decoder is.
func (s *svgWriter) noteToken(kind Kind) {
	if s.nested == 0 && len(s.gone) < maxNotes {
		s.gone = append(s.gone, note{kind, s.skipped + s.began, s.in.InputOffset() - s.began, false})
	}
}

// svgKind is what an element that goes says.
func svgKind(space, name string) Kind {
	switch {
	case name == "title" || name == "desc":
		return KindText
	case name == "metadata" || space == rdfSpace:
		return KindXMP
	}
	return KindOther
}
