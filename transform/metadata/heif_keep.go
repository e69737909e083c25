package metadata

import (
	"maps"
	"slices"
	"strings"
)

// heifPictures are the kinds of items that are pictures, or made of pictures: AV1, HEVC, AVC, VVC, JPEG 2000, uncompressed;
// grid, overlay, identity and tone map (a base picture with its gain map, ISO 21496-1).
var heifPictures = []string{"av01", "hvc1", "hev1", "avc1", "vvc1", "j2k1", "unci", "grid", "iovl", "iden", "tmap"}

// heifProperties is the whitelist: size, depth, colours, codec configuration, crop, turn and mirror, layers. What is not here
// tells about the picture and changes nothing that is seen: descriptions, times, accessibility texts.
var heifProperties = []string{
	"ispe", "pixi", "colr", "pasp", "clap", "irot", "imir", "auxC", "clli", "mdcv", "cclv", "amve", "reve", "ndwt", "rloc", "lsel",
	"av1C", "a1op", "a1lx", "hvcC", "lhvC", "oinf", "tols", "avcC", "vvcC", "vvnC", "j2kH", "uncC", "cmpd",
}

// heifRefs are the references between pictures that stay: made of, auxiliary of, premultiplied by, predicted from.
var heifRefs = []string{"dimg", "auxl", "prem", "pred", "base", "exbl", "tbas"}

// alphaURNs name the auxiliary pictures that are alpha planes (ISO/IEC 23008-12 annex B; MIAF section 7.3.5.2). Depth maps, mattes
// and gain maps of the kind whose parameters are in maker notes go.
var alphaURNs = []string{"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:avc:2015:auxid:1"}

// reachable returns the items that the primary item is shown with, as the file lists them.
func (f *heifFile) reachable() ([]*heifItem, error) {
	kept := make(map[uint32]bool)
	made := make(map[uint32][]uint32)
	for _, r := range f.refs {
		if r.kind != "auxl" && r.kind != "prem" && slices.Contains(heifRefs, r.kind) {
			made[r.from] = append(made[r.from], r.to...)
		}
	}
	if err := f.reach(kept, made, f.primary); err != nil {
		return nil, err
	}
	// A tone-mapped alternative of the primary item shares its base picture.
	for _, g := range f.groups {
		ids := groupIDs(g)
		if g.kind != "altr" || !slices.Contains(ids, f.primary) {
			continue
		}
		for _, id := range ids {
			if it := f.items[id]; it != nil && it.kind == "tmap" {
				if err := f.reach(kept, made, id); err != nil {
					return nil, err
				}
			}
		}
	}
	shown := maps.Clone(kept)
	for _, r := range f.refs {
		if r.kind != "auxl" || kept[r.from] || !slices.ContainsFunc(r.to, func(id uint32) bool { return shown[id] }) || !f.isAlpha(r.from) {
			continue
		}
		if err := f.reach(kept, made, r.from); err != nil {
			return nil, err
		}
	}
	var out []*heifItem
	for _, id := range f.order {
		if kept[id] {
			out = append(out, f.items[id])
		}
	}
	return out, nil
}

// reach marks the item and what it is made of, which made tells of each.
func (f *heifFile) reach(kept map[uint32]bool, made map[uint32][]uint32, id uint32) error {
	todo := []uint32{id}
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if kept[id] {
			continue
		}
		it := f.items[id]
		switch {
		case it == nil || it.kind == "":
			return f.damaged(0, "picture that is made of an item that is not there")
		case !slices.Contains(heifPictures, it.kind):
			return f.unsupported("with an item of kind " + it.kind)
		case it.protected:
			return f.unsupported("encrypted")
		case !it.located:
			return f.damaged(f.w.size, "item that lies outside the file, or within another")
		}
		kept[id] = true
		todo = append(todo, made[id]...)
	}
	return nil
}

// isAlpha reports whether the item is an alpha plane.
func (f *heifFile) isAlpha(id uint32) bool {
	it := f.items[id]
	if it == nil {
		return false
	}
	p, ok := f.property(it, "auxC")
	if !ok || len(p) < 4 {
		return false
	}
	urn, _, _ := strings.Cut(string(p[4:]), "\x00")
	return slices.Contains(alphaURNs, urn)
}

// groupIDs returns the entities of an EntityToGroupBox (ISO/IEC 14496-12 section 8.18.3).
func groupIDs(b memBox) (ids []uint32) {
	c := &cursor{b: b.data}
	c.bytes(8)
	for n := c.uint(4); n > 0 && len(c.b) >= 4; n-- {
		ids = append(ids, uint32(c.uint(4)))
	}
	return ids
}

// cleanProperty returns a property box as it may stay. nil means that it goes, which an essential property must not.
func (f *heifFile) cleanProperty(p memBox, o Options) ([]byte, error) {
	if !slices.Contains(heifProperties, p.kind) {
		return nil, nil
	}
	switch p.kind {
	case "colr":
		return cleanColr(p, o), nil
	case "av1C", "hvcC":
		return cleanConfig(p), nil
	case "auxC":
		if len(p.data) < 4 {
			return nil, nil
		}
		urn, _, _ := strings.Cut(string(p.data[4:]), "\x00")
		return appendBox(nil, "auxC", fullHead(0, 0), []byte(urn), []byte{0}), nil
	}
	return p.whole, nil
}

// cleanColr keeps a colour box whose length agrees with its kind (ISO/IEC 14496-12 section 12.1.5).
func cleanColr(p memBox, o Options) []byte {
	if len(p.data) < 4 {
		return nil
	}
	switch string(p.data[:4]) {
	case "nclx":
		if len(p.data) >= 11 {
			return appendBox(nil, "colr", p.data[:11])
		}
	case "rICC", "prof":
		profile := p.data[4:]
		if n, ok := profileSize(profile); ok && n <= int64(len(profile)) && o.profile() {
			return appendBox(nil, "colr", p.data[:4+n])
		}
	}
	return nil
}
