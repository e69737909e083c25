package metadata

import "errors"

const (
	// maxMeta bounds each box of a HEIF file that is read whole: item lists, properties, the movie. maxItems and maxExtents
	// bound what they may list. A 200-megapixel picture of a telephone has some 800 items.
	maxMeta    = 1 << 20
	maxItems   = 8192
	maxExtents = 1 << 15
)

// heifFile is the structure of an AVIF or HEIF file (ISO/IEC 23008-12; AV1 Image File Format 1.2).
type heifFile struct {
	w      *window
	format Format
	// ftyp is the data of the first box.
	ftyp []byte
	// primary is the item that is shown.
	primary uint32
	// items holds every item; order has their ids as the file lists them.
	items map[uint32]*heifItem
	order []uint32
	refs  []heifRef
	// properties are the children of ipco; the first has the number 1.
	properties []memBox
	// groups are the children of grpl.
	groups []memBox
	// idat is where the data of the idat box stand, and idatEnd where they end.
	idat, idatEnd int64
	// movie is the data of moov; nil when there is none.
	movie []byte
	// hasMeta says that there is a meta box.
	hasMeta bool
}

// heifItem is one item: a picture, a tile of one, or metadata.
type heifItem struct {
	id   uint32
	kind string
	// content is the media type of an item of kind mime.
	content string
	hidden  bool
	// protected items are encrypted.
	protected bool
	// extents are ranges of the file.
	extents []extent
	// located says that iloc names the item.
	located      bool
	associations []association
}

// extent is n bytes of the file at off.
type extent struct{ off, n int64 }

// association is a property of an item, by its number from 1.
type association struct {
	property  int
	essential bool
}

// heifRef says that the item from refers to the items to.
type heifRef struct {
	kind string
	from uint32
	to   []uint32
}

func (f *heifFile) damaged(off int64, reason string) error {
	return &DamagedError{Format: f.format, Offset: off, Reason: reason}
}

func (f *heifFile) unsupported(detail string) error {
	return &UnsupportedError{Format: f.format, Detail: detail}
}

// openHEIF reads the structure.
func openHEIF(w *window) (*heifFile, error) {
	f, err := readHEIF(w)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readHEIF reads the structure. Beside an error it returns what came before.
func readHEIF(w *window) (*heifFile, error) {
	f := &heifFile{w: w, items: make(map[uint32]*heifItem)}
	format, err := w.sniff()
	if err != nil {
		return f, err
	}
	f.format = format
	for off := int64(0); off < w.size; {
		b, err := readBox(w, format, off, w.size)
		if errors.Is(err, ErrDamaged) && (f.hasMeta || f.movie != nil) {
			break // what follows is no box: a trailer, or data that the file's end cuts short, which items then miss
		}
		if err == nil {
			err = f.box(b)
		}
		if err != nil {
			return f, err
		}
		off = b.end()
	}
	if f.ftyp == nil || !f.hasMeta && f.movie == nil {
		return f, f.damaged(w.size, "file without a picture")
	}
	return f, nil
}

// box reads a box of the file's own level.
func (f *heifFile) box(b box) (err error) {
	switch b.kind {
	case "ftyp":
		if f.ftyp != nil {
			return nil
		}
		if f.ftyp, err = f.load(b, 4096); err == nil && len(f.ftyp) < 8 {
			err = f.damaged(b.off, "ftyp of a wrong length")
		}
	case "meta":
		if f.hasMeta {
			return nil
		}
		f.hasMeta = true
		return f.meta(b)
	case "moov":
		if f.movie != nil {
			return nil
		}
		f.movie, err = f.load(b, maxMeta)
	case "mini", "moof", "sidx":
		return f.unsupported("with a " + b.kind + " box")
	}
	return err
}

// load reads the data of a box into memory.
func (f *heifFile) load(b box, limit int64) ([]byte, error) {
	n := b.size - b.head
	if n > limit {
		return nil, f.unsupported("with a " + b.kind + " box of more than 1 MiB")
	}
	return f.w.read(b.data(), n)
}

// meta reads the meta box (ISO/IEC 14496-12 section 8.11).
func (f *heifFile) meta(m box) error {
	if m.size-m.head < 4 {
		return f.damaged(m.off, "meta of a wrong length")
	}
	children := make(map[string]box)
	err := eachBox(f.w, f.format, m.data()+4, m.end(), func(b box) error {
		if _, twice := children[b.kind]; !twice {
			children[b.kind] = b
		}
		return nil
	})
	if err != nil {
		return err
	}
	if b, ok := children["idat"]; ok {
		f.idat, f.idatEnd = b.data(), b.end()
	}
	for _, part := range []struct {
		kind     string
		required bool
		parse    func(*cursor) error
	}{
		{"hdlr", true, f.handler},
		{"pitm", true, f.primaryItem},
		{"iinf", true, f.itemInfos},
		{"iloc", true, f.locations},
		{"iref", false, f.references},
		{"iprp", false, f.itemProperties},
		{"grpl", false, f.entityGroups},
	} {
		b, ok := children[part.kind]
		if !ok {
			if part.required {
				return f.damaged(m.off, "no "+part.kind+" box")
			}
			continue
		}
		data, err := f.load(b, maxMeta)
		if err != nil {
			return err
		}
		c := &cursor{b: data}
		if err := part.parse(c); err != nil {
			return err
		}
		if c.short {
			return f.damaged(b.off, part.kind+" is cut short")
		}
	}
	return nil
}

func (f *heifFile) handler(c *cursor) error {
	c.bytes(8)
	if kind := string(c.bytes(4)); kind != "pict" {
		return f.unsupported("whose items are no pictures")
	}
	return nil
}

func (f *heifFile) primaryItem(c *cursor) error {
	f.primary = uint32(c.uint(idSize(c.uint(4)>>24 > 0)))
	return nil
}

// idSize is the length of an item's number.
func idSize(wide bool) int {
	if wide {
		return 4
	}
	return 2
}

// item returns the item with the number id, which it makes when it is new.
func (f *heifFile) item(id uint32) (*heifItem, error) {
	if it := f.items[id]; it != nil {
		return it, nil
	}
	if len(f.items) == maxItems {
		return nil, f.damaged(0, "too many items")
	}
	it := &heifItem{id: id}
	f.items[id] = it
	f.order = append(f.order, id)
	return it, nil
}

// itemInfos reads iinf (section 8.11.6).
func (f *heifFile) itemInfos(c *cursor) error {
	n := c.uint(idSize(c.uint(4)>>24 > 0))
	boxes, ok := splitBoxes(c.b)
	if !ok || int64(len(boxes)) < n {
		c.short = true
		return nil
	}
	for _, b := range boxes {
		if b.kind != "infe" {
			continue
		}
		e := &cursor{b: b.data}
		head := e.uint(4)
		version := head >> 24
		if version < 2 {
			return f.unsupported("with infe of version 0 or 1")
		}
		id := uint32(e.uint(idSize(version > 2)))
		protection := e.uint(2)
		kind := string(e.bytes(4))
		if e.short {
			c.short = true
			return nil
		}
		it, err := f.item(id)
		if err != nil {
			return err
		}
		it.kind, it.hidden, it.protected = kind, head&1 != 0, protection != 0
		e.text() // the item's name
		if kind == "mime" {
			it.content = e.text()
		}
	}
	return nil
}

// locations reads iloc (section 8.11.3).
func (f *heifFile) locations(c *cursor) error {
	version := c.uint(4) >> 24
	sizes := c.uint(2)
	offsetSize, lengthSize, baseSize := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15)
	indexSize := 0
	if version > 0 {
		indexSize = int(sizes & 15)
	}
	for _, size := range []int{offsetSize, lengthSize, baseSize, indexSize} {
		if version > 2 || size != 0 && size != 4 && size != 8 {
			return f.unsupported("with iloc of an unknown kind")
		}
	}
	extents := 0
	for n := c.uint(idSize(version == 2)); n > 0 && !c.short; n-- {
		it, err := f.item(uint32(c.uint(idSize(version == 2))))
		if err != nil {
			return err
		}
		method := int64(0)
		if version > 0 {
			method = c.uint(2) & 15
		}
		elsewhere := c.uint(2) != 0
		base := c.uint(baseSize)
		count := c.uint(2)
		if count > 1 && offsetSize+lengthSize+indexSize == 0 {
			return f.damaged(0, "extents that say nothing")
		}
		if it.located {
			return f.damaged(0, "item with two places")
		}
		if it.located = true; method > 1 || elsewhere {
			it.located = false // in another item, or in another file
		}
		if extents += int(count); extents > maxExtents {
			return f.damaged(0, "too many extents")
		}
		for ; count > 0 && !c.short; count-- {
			c.bytes(indexSize)
			off, n := base+c.uint(offsetSize), c.uint(lengthSize)
			end := f.w.size
			if method == 1 {
				off, end = off+f.idat, f.idatEnd
			}
			if lengthSize == 0 && off <= end {
				n = end - off
			}
			if off < 0 || off > end || n > end-off {
				it.located = false // the file ends before it
				continue
			}
			it.extents = append(it.extents, extent{off, n})
		}
	}
	return nil
}

// references reads iref (section 8.11.12).
func (f *heifFile) references(c *cursor) error {
	wide := c.uint(4)>>24 > 0
	boxes, ok := splitBoxes(c.b)
	if !ok {
		c.short = true
	}
	for _, b := range boxes {
		e := &cursor{b: b.data}
		r := heifRef{kind: b.kind, from: uint32(e.uint(idSize(wide)))}
		for n := e.uint(2); n > 0 && !e.short; n-- {
			r.to = append(r.to, uint32(e.uint(idSize(wide))))
		}
		if e.short {
			c.short = true
			return nil
		}
		f.refs = append(f.refs, r)
	}
	return nil
}

// itemProperties reads iprp: ipco and ipma (ISO/IEC 23008-12 section 9.3).
func (f *heifFile) itemProperties(c *cursor) error {
	boxes, ok := splitBoxes(c.b)
	ipco, found := findBox(boxes, "ipco")
	if !ok || !found {
		c.short = true
		return nil
	}
	if f.properties, ok = splitBoxes(ipco.data); !ok {
		c.short = true
		return nil
	}
	for _, b := range boxes {
		if b.kind != "ipma" {
			continue
		}
		e := &cursor{b: b.data}
		head := e.uint(4)
		for n := e.uint(4); n > 0 && !e.short; n-- {
			it := f.items[uint32(e.uint(idSize(head>>24 > 0)))]
			for k := e.uint(1); k > 0 && !e.short; k-- {
				var a association
				if head&1 != 0 {
					v := e.uint(2)
					a = association{int(v & 0x7fff), v&0x8000 != 0}
				} else {
					v := e.uint(1)
					a = association{int(v & 0x7f), v&0x80 != 0}
				}
				if a.property > len(f.properties) {
					return f.damaged(0, "item with a property that is not there")
				}
				if it != nil && a.property > 0 {
					it.associations = append(it.associations, a)
				}
			}
		}
		c.short = c.short || e.short
	}
	return nil
}

func (f *heifFile) entityGroups(c *cursor) error {
	boxes, ok := splitBoxes(c.b)
	f.groups, c.short = boxes, !ok
	return nil
}

// property returns the data of the item's first property of a kind.
func (f *heifFile) property(it *heifItem, kind string) ([]byte, bool) {
	for _, a := range it.associations {
		if p := f.properties[a.property-1]; p.kind == kind {
			return p.data, true
		}
	}
	return nil, false
}
