package metadata

import (
	"encoding/binary"
	"slices"
	"strings"
)

// heifCopy is an AVIF or HEIF file under construction: ftyp, meta, moov, and one mdat with the bytes that items and samples
// of the source use.
type heifCopy struct {
	*heifFile
	o     Options
	items []*heifItem
	movie *movie
	// ranges are the bytes of the source that stay, in order and apart from each other, and starts where each begins within
	// the copy's mdat.
	ranges []extent
	starts []int64
	// exif is the data of an Exif item that the copy gets, nil for none.
	exif []byte
	// wide makes offsets and lengths 8 bytes long, wideIDs the numbers of items 4.
	wide, wideIDs bool
	// kept are the numbers of items.
	kept map[uint32]bool
	// mdat is where the data of the copy's mdat begin.
	mdat int64
}

// stripHEIF keeps the primary item, what it is made of and its alpha plane, and the tracks of an image sequence. It writes the
// tables anew; the pictures stay as they are. Exif, XMP, thumbnails, depth maps, mattes and further pictures go. How the
// picture is turned is told by the properties irot and imir, never by Exif (ISO/IEC 23008-12 section 6.5.10), and stays.
func stripHEIF(w *window, o Options) (*Plan, error) {
	f, err := openHEIF(w)
	if err != nil {
		return nil, err
	}
	h := &heifCopy{heifFile: f, o: o, wide: w.size >= 1<<31}
	if f.hasMeta {
		if h.items, err = f.reachable(); err != nil {
			return nil, err
		}
		h.kept = make(map[uint32]bool, len(h.items))
		for _, it := range h.items {
			if it.extents, err = f.trim(it); err != nil {
				return nil, err
			}
			h.kept[it.id] = true
			h.wideIDs = h.wideIDs || it.id >= 1<<16-1
		}
		if o.Metadata == KeepCopyright {
			block, err := f.exif()
			if err != nil {
				return nil, err
			}
			e := o.essence(block)
			e.orientation = 1
			if b := e.block(); b != nil {
				h.exif = append([]byte{0, 0, 0, 0}, b...)
			}
		}
	}
	if f.movie != nil {
		if h.movie, err = f.parseMovie(o); err != nil {
			return nil, err
		}
	}
	if len(h.items) == 0 && h.movie == nil {
		return nil, f.damaged(w.size, "file without a picture")
	}
	if err := h.collect(); err != nil {
		return nil, err
	}
	plan, err := h.write()
	if err != nil {
		return nil, err
	}
	plan.noteHEIF(f, h.kept)
	return plan, nil
}

// collect finds the bytes that stay.
func (h *heifCopy) collect() error {
	var all []extent
	for _, it := range h.items {
		all = append(all, it.extents...)
	}
	if h.movie != nil {
		all = append(all, h.movie.chunks...)
	}
	slices.SortFunc(all, func(a, b extent) int { return int(min(max(a.off-b.off, -1), 1)) })
	at := int64(0)
	for _, x := range all {
		if x.n == 0 {
			continue
		}
		if k := len(h.ranges) - 1; k >= 0 && x.off <= h.ranges[k].off+h.ranges[k].n {
			last := &h.ranges[k]
			end := max(last.off+last.n, x.off+x.n)
			at += end - last.off - last.n
			last.n = end - last.off
			continue
		}
		h.ranges = append(h.ranges, x)
		h.starts = append(h.starts, at)
		at += x.n
	}
	if len(h.ranges) == 0 {
		return h.damaged(h.w.size, "picture without data")
	}
	return nil
}

// moved returns where the bytes at off of the source are in the copy.
func (h *heifCopy) moved(off int64) int64 {
	i, found := slices.BinarySearchFunc(h.ranges, off, func(x extent, off int64) int { return int(min(max(x.off-off, -1), 1)) })
	if !found {
		i--
	}
	if i < 0 {
		return h.mdat // only of an extent of no bytes
	}
	return h.mdat + h.starts[i] + min(off-h.ranges[i].off, h.ranges[i].n)
}

// together returns where the extents of an item are in the copy, joined where they follow each other there.
func (h *heifCopy) together(extents []extent) (list []extent) {
	for _, x := range extents {
		at := h.moved(x.off)
		if k := len(list) - 1; k >= 0 && list[k].off+list[k].n == at {
			list[k].n += x.n
			continue
		}
		list = append(list, extent{at, x.n})
	}
	return list
}

// dataSize is how many bytes of the source stay.
func (h *heifCopy) dataSize() int64 {
	k := len(h.ranges) - 1
	return h.starts[k] + h.ranges[k].n
}

// write lays the copy out. The heads are made twice: their length does not depend on the offsets in them.
func (h *heifCopy) write() (*Plan, error) {
	total := h.dataSize() + int64(len(h.exif))
	mdatHead := append(binary.BigEndian.AppendUint32(nil, uint32(total+8)), "mdat"...)
	if h.wide {
		mdatHead = append(binary.BigEndian.AppendUint32(nil, 1), "mdat"...)
		mdatHead = binary.BigEndian.AppendUint64(mdatHead, uint64(total+16))
	}
	head, err := h.heads()
	if err != nil {
		return nil, err
	}
	h.mdat = int64(len(head) + len(mdatHead))
	if head, err = h.heads(); err != nil {
		return nil, err
	}
	plan := &Plan{Format: h.format, ContentType: h.format.ContentType(), Orientation: 1}
	plan.put(append(head, mdatHead...))
	for _, x := range h.ranges {
		plan.keep(x.off, x.n)
	}
	if len(h.exif) > 0 {
		plan.put(h.exif)
	}
	if Sniff(head) != h.format {
		return nil, h.damaged(0, "brands that do not fit together")
	}
	return plan.finish(), nil
}

func (h *heifCopy) heads() ([]byte, error) {
	out := h.brands()
	if len(h.items) > 0 {
		meta, err := h.metaBox()
		if err != nil {
			return nil, err
		}
		out = append(out, meta...)
	}
	if h.movie != nil {
		out = append(out, h.movie.write(h.moved)...)
	}
	return out, nil
}

// heifBrands are the brands that a copy may claim; those of sequences only with a movie.
const (
	heifBrands = "avif avio heic heix heim heis mif1 mif2 mif3 miaf MiHB MiHE MiHA MA1A MA1B MiPr tmap unif avci vvic j2ki geo1 1pic " +
		"isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 isoa isob mp41 mp42"
	sequenceBrands = "avis hevc hevx hevm hevs msf1 avcs vvis j2is"
)

// brands writes ftyp.
func (h *heifCopy) brands() []byte {
	known := func(brand string) bool {
		return !strings.ContainsRune(brand, ' ') && (strings.Contains(heifBrands, brand) || h.movie != nil && strings.Contains(sequenceBrands, brand))
	}
	var list []string
	for b := h.ftyp[8:]; len(b) >= 4 && len(list) < 32; b = b[4:] {
		if brand := string(b[:4]); known(brand) && !slices.Contains(list, brand) {
			list = append(list, brand)
		}
	}
	major := string(h.ftyp[:4])
	if !known(major) {
		major = "mif1"
		for _, brand := range []string{"avif", "heic", "heix"} {
			if slices.Contains(list, brand) {
				major = brand
				break
			}
		}
	}
	return appendBox(nil, "ftyp", []byte(major), make([]byte, 4), []byte(strings.Join(list, "")))
}

// exifID is the number of the Exif item that a copy gets.
func (h *heifCopy) exifID() uint32 {
	id := uint32(0)
	for _, it := range h.items {
		id = max(id, it.id)
	}
	return id + 1
}

func (h *heifCopy) appendID(b []byte, id uint32) []byte {
	if h.wideIDs {
		return binary.BigEndian.AppendUint32(b, id)
	}
	return binary.BigEndian.AppendUint16(b, uint16(id))
}

func (h *heifCopy) metaBox() ([]byte, error) {
	version := byte(0)
	if h.wideIDs {
		version = 1
	}
	properties, err := h.propertyBox(version)
	if err != nil {
		return nil, err
	}
	handler := append(make([]byte, 4), "pict"...)
	handler = append(handler, make([]byte, 13)...) // reserved, and a name that is empty
	return appendBox(nil, "meta", fullHead(0, 0),
		appendBox(nil, "hdlr", fullHead(0, 0), handler),
		appendBox(nil, "pitm", fullHead(version, 0), h.appendID(nil, h.primary)),
		h.locationBox(), h.infoBox(), properties, h.referenceBox(version), h.groupBox()), nil
}

// locationBox writes iloc: every extent where it is in the copy.
func (h *heifCopy) locationBox() []byte {
	version, sizes := byte(0), uint16(0x4400)
	if h.wide {
		sizes = 0x8800
	}
	if h.wideIDs {
		version = 2
	}
	number := func(b []byte, v int64) []byte {
		if h.wide {
			return binary.BigEndian.AppendUint64(b, uint64(v))
		}
		return binary.BigEndian.AppendUint32(b, uint32(v))
	}
	n := len(h.items)
	if h.exif != nil {
		n++
	}
	b := h.appendID(binary.BigEndian.AppendUint16(nil, sizes), uint32(n))
	place := func(id uint32, extents int) {
		b = h.appendID(b, id)
		if version == 2 {
			b = append(b, 0, 0) // construction method 0: offsets of the file
		}
		b = binary.BigEndian.AppendUint16(append(b, 0, 0), uint16(extents))
	}
	for _, it := range h.items {
		extents := h.together(it.extents)
		place(it.id, len(extents))
		for _, x := range extents {
			b = number(number(b, x.off), x.n)
		}
	}
	if h.exif != nil {
		place(h.exifID(), 1)
		b = number(number(b, h.mdat+h.dataSize()), int64(len(h.exif)))
	}
	return appendBox(nil, "iloc", fullHead(version, 0), b)
}

// infoBox writes iinf, without names.
func (h *heifCopy) infoBox() []byte {
	version := byte(2)
	if h.wideIDs {
		version = 3
	}
	var b []byte
	n := len(h.items)
	add := func(id uint32, kind string, hidden bool) {
		flags := uint32(0)
		if hidden {
			flags = 1
		}
		b = appendBox(b, "infe", fullHead(version, flags), h.appendID(nil, id), []byte{0, 0}, []byte(kind), []byte{0})
	}
	for _, it := range h.items {
		add(it.id, it.kind, it.hidden)
	}
	if h.exif != nil {
		n++
		add(h.exifID(), "Exif", true)
	}
	return appendBox(nil, "iinf", fullHead(version-2, 0), h.appendID(nil, uint32(n)), b)
}

// propertyBox writes iprp with the properties that the items use, under new numbers.
func (h *heifCopy) propertyBox(version byte) ([]byte, error) {
	numbers := make(map[int]int)
	var ipco []byte
	count, entries, associations := 0, 0, []byte(nil)
	var lists [][]association
	for _, it := range h.items {
		var list []association
		for _, a := range it.associations {
			p := h.properties[a.property-1]
			n, seen := numbers[a.property]
			if !seen {
				clean, err := h.cleanProperty(p, h.o)
				if err != nil {
					return nil, err
				}
				if clean != nil {
					count++
					n, ipco = count, append(ipco, clean...)
				}
				numbers[a.property] = n
			}
			if n == 0 && a.essential && p.kind != "colr" {
				return nil, h.unsupported("with an essential property " + p.kind)
			}
			if n > 0 {
				list = append(list, association{n, a.essential})
			}
		}
		lists = append(lists, list)
	}
	flags := uint32(0)
	if count > 127 {
		flags = 1
	}
	for i, it := range h.items {
		list := lists[i]
		if len(list) == 0 {
			continue
		}
		if len(list) > 255 {
			return nil, h.damaged(0, "item with too many properties")
		}
		entries++
		associations = append(h.appendID(associations, it.id), byte(len(list)))
		for _, a := range list {
			v := uint16(a.property)
			if flags == 1 {
				if a.essential {
					v |= 0x8000
				}
				associations = binary.BigEndian.AppendUint16(associations, v)
				continue
			}
			if a.essential {
				v |= 0x80
			}
			associations = append(associations, byte(v))
		}
	}
	return appendBox(nil, "iprp", appendBox(nil, "ipco", ipco),
		appendBox(nil, "ipma", fullHead(version, flags), binary.BigEndian.AppendUint32(nil, uint32(entries)), associations)), nil
}

// referenceBox writes iref between the items that stay; nil when there is none.
func (h *heifCopy) referenceBox(version byte) []byte {
	var b []byte
	for _, r := range h.refs {
		if !h.kept[r.from] || !slices.Contains(heifRefs, r.kind) {
			continue
		}
		var to []byte
		n := 0
		for _, id := range r.to {
			if h.kept[id] {
				to = h.appendID(to, id)
				n++
			}
		}
		if n > 0 {
			b = appendBox(b, r.kind, h.appendID(nil, r.from), binary.BigEndian.AppendUint16(nil, uint16(n)), to)
		}
	}
	if h.exif != nil {
		b = appendBox(b, "cdsc", h.appendID(nil, h.exifID()), []byte{0, 1}, h.appendID(nil, h.primary))
	}
	if b == nil {
		return nil
	}
	return appendBox(nil, "iref", fullHead(version, 0), b)
}

// groupBox writes grpl with the alternatives that stay whole enough to be a choice; nil when there is none.
func (h *heifCopy) groupBox() []byte {
	var b []byte
	for _, g := range h.groups {
		if g.kind != "altr" || len(g.data) < 12 {
			continue
		}
		var ids []byte
		n := 0
		for _, id := range groupIDs(g) {
			if h.kept[id] {
				ids = binary.BigEndian.AppendUint32(ids, id)
				n++
			}
		}
		if n > 1 {
			b = appendBox(b, "altr", fullHead(0, 0), g.data[4:8], binary.BigEndian.AppendUint32(nil, uint32(n)), ids)
		}
	}
	if b == nil {
		return nil
	}
	return appendBox(nil, "grpl", b)
}
