package metadata

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// An Ultra HDR JPEG is a picture, and behind its EOI a second JPEG, the gain map, which says how much brighter a bright screen
// shows each part ("Ultra HDR Image Format v1.1", developer.android.com; ISO 21496-1). XMP of both, and MPF (CIPA DC-007) in
// the first, tie them together. The gain map is picture and stays, with these ties written anew.

var (
	mpfID = []byte("MPF\x00")
	xmpID = []byte("http://ns.adobe.com/xap/1.0/\x00")
	isoID = []byte("urn:iso:std:iso:ts:21496:-1\x00")
)

const (
	gainMapSpace = "http://ns.adobe.com/hdr-gain-map/1.0/"
	rdfSpace     = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
)

// gainMapTies is what a JPEG tells about a gain map before its scan.
type gainMapTies struct {
	// parameters are the hdrgm properties of its XMP, by name; xmp says that there is a packet that has some.
	xmp        bool
	parameters map[string][]string
	// iso is the data of its ISO 21496-1 segment, as it may stay; nil when there is none.
	iso []byte
	// second is where MPF says that further pictures lie.
	second []extent
	// tables is where the first segment after the application segments stands.
	tables int64
}

// application notes what an APP1 or APP2 with the payload b says.
func (g *gainMapTies) application(seg segment, b []byte) {
	switch {
	case seg.marker == mAPP1 && bytes.HasPrefix(b, xmpID) && bytes.Contains(b, []byte(gainMapSpace)):
		if !g.xmp {
			g.xmp = true
			g.parameters = gainMapParameters(b[len(xmpID):])
		}
	case seg.marker == mAPP2 && bytes.HasPrefix(b, isoID):
		if g.iso == nil {
			g.iso = isoGainMap(b[len(isoID):])
		}
	case seg.marker == mAPP2 && bytes.HasPrefix(b, mpfID):
		if g.second == nil {
			g.second = mpfPictures(b[len(mpfID):], seg.off+4+int64(len(mpfID)))
		}
	}
}

// mpfPictures returns where an MPF index says that the pictures after the first lie. Offsets count from base, where the index's
// TIFF header stands (CIPA DC-007 section 5.2.3.3.3).
func mpfPictures(b []byte, base int64) (list []extent) {
	t, err := parseTIFF(b)
	if err != nil || !t.has(t.ifd0, 2) {
		return nil
	}
	for i := range int64(t.u16(t.ifd0)) {
		at := t.ifd0 + 2 + 12*i
		if !t.has(at, 12) {
			return nil
		}
		if t.u16(at) != 0xb002 {
			continue
		}
		entries := t.slice(int64(t.u32(at+8)), min(int64(t.u32(at+4)), 16*64))
		for k := 16; k+16 <= len(entries); k += 16 {
			list = append(list, extent{base + int64(t.order.Uint32(entries[k+8:])), int64(t.order.Uint32(entries[k+4:]))})
		}
		return list
	}
	return nil
}

// isoGainMap returns the metadata of ISO 21496-1 annex C that b begins with, without what follows it; nil when it is none. In the
// primary picture it is the two versions alone.
func isoGainMap(b []byte) []byte {
	if len(b) < 4 || b[0]|b[1] != 0 {
		return nil // minimum version 0 is the only one
	}
	if len(b) == 4 {
		return bytes.Clone(b)
	}
	channels, width, fixed := 1, 8, 5
	if b[4]&0x80 != 0 {
		channels = 3
	}
	if b[4]&0x08 != 0 {
		width, fixed = 4, 9 // a common denominator
	}
	n := fixed + 2*width + channels*5*width
	if len(b) < n {
		return nil
	}
	return bytes.Clone(b[:n])
}

// hdrgm lists the parameters of a gain map's XMP in the order in which they are written.
var hdrgm = []string{"Version", "BaseRenditionIsHDR", "GainMapMin", "GainMapMax", "Gamma", "OffsetSDR", "OffsetHDR", "HDRCapacityMin", "HDRCapacityMax"}

var hdrgmValue = regexp.MustCompile(`^([-+0-9.eE]{1,32}|True|False|true|false)$`)

// gainMapParameters reads the hdrgm properties of an XMP packet: one number each, or one for each colour. nil when there are
// none.
func gainMapParameters(packet []byte) map[string][]string {
	out := make(map[string][]string)
	add := func(name, value string) {
		if value = strings.TrimSpace(value); hdrgmValue.MatchString(value) && len(out[name]) < 3 {
			out[name] = append(out[name], value)
		}
	}
	known := func(n xml.Name) bool {
		return n.Space == gainMapSpace && strings.Contains(" "+strings.Join(hdrgm, " ")+" ", " "+n.Local+" ")
	}
	d := xml.NewDecoder(bytes.NewReader(packet))
	property := ""
	for {
		tok, err := d.Token()
		if err != nil {
			break
		}
		switch t := tok.(type) {
		case xml.StartElement:
			for _, a := range t.Attr {
				if known(a.Name) && out[a.Name.Local] == nil {
					add(a.Name.Local, a.Value)
				}
			}
			if known(t.Name) && out[t.Name.Local] == nil {
				property = t.Name.Local
			}
		case xml.EndElement:
			if known(t.Name) {
				property = ""
			}
		case xml.CharData:
			if property != "" {
				add(property, string(t))
			}
		}
	}
	if len(out["Version"]) == 0 {
		return nil
	}
	return out
}

// gainMap is a second picture as it goes out.
type gainMap struct {
	plan *Plan
	ties gainMapTies
}

// findGainMap plans the gain map of the picture whose EOI ends at eoi; nil when it has none that is whole.
func (s *jpegStripper) findGainMap(eoi int64) (*gainMap, error) {
	if s.ties.parameters == nil && s.ties.iso == nil || s.ties.tables == 0 {
		return nil, nil
	}
	for _, x := range s.ties.second[:min(len(s.ties.second), 4)] {
		if x.off < eoi || x.n < 4 || x.off > s.w.size-x.n {
			continue
		}
		g, err := s.gainMapAt(x)
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnsupported) {
			return nil, err
		}
		if g != nil && len(g.plan.parts)+len(s.plan.parts) < maxParts {
			return g, nil
		}
	}
	return nil, nil
}

func (s *jpegStripper) gainMapAt(x extent) (*gainMap, error) {
	in := newWindow(io.NewSectionReader(s.w.src, x.off, x.n), x.n)
	defer in.free()
	b, err := in.at(0, 3)
	if err != nil || Sniff(b) != JPEG {
		return nil, err
	}
	m := &jpegStripper{w: in, o: s.o, plan: &Plan{Format: JPEG, Orientation: 1}, inner: true}
	plan, err := m.strip()
	if err != nil {
		return nil, err
	}
	// The parameters must be there as XMP or, beyond the versions, as ISO 21496-1 has them.
	if m.ties.parameters["GainMapMax"] == nil && len(m.ties.iso) <= 4 || m.ties.tables == 0 {
		return nil, nil
	}
	tables := m.ties.tables + x.off
	for i := range plan.parts {
		plan.parts[i].off += x.off
	}
	for i := range plan.notes {
		plan.notes[i].off += x.off
	}
	g := &gainMap{plan, m.ties}
	return g, g.plan.insert(tables, g.segments())
}

// segments returns the application segments of the gain map.
func (g *gainMap) segments() []byte {
	var out []byte
	if p := g.ties.parameters; p["GainMapMax"] != nil {
		var attributes, elements strings.Builder
		for _, name := range hdrgm {
			switch v := p[name]; len(v) {
			case 0:
			case 1:
				fmt.Fprintf(&attributes, ` hdrgm:%s="%s"`, name, v[0])
			default:
				fmt.Fprintf(&elements, "<hdrgm:%s><rdf:Seq><rdf:li>%s</rdf:li></rdf:Seq></hdrgm:%s>", name, strings.Join(v, "</rdf:li><rdf:li>"), name)
			}
		}
		out = append(out, xmpSegment(`xmlns:hdrgm="`+gainMapSpace+`"`+attributes.String(), elements.String())...)
	}
	if g.ties.iso != nil {
		out = append(out, appSegment(mAPP2, append(bytes.Clone(isoID), g.ties.iso...))...)
	}
	return out
}

// xmpSegment returns an APP1 with an XMP packet of one description.
func xmpSegment(attributes, elements string) []byte {
	packet := `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="` + rdfSpace + `"><rdf:Description rdf:about="" ` +
		attributes + `>` + elements + `</rdf:Description></rdf:RDF></x:xmpmeta>`
	return appSegment(mAPP1, append(bytes.Clone(xmpID), packet...))
}

const containerXMP = `<Container:Directory><rdf:Seq>` +
	`<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>` +
	`<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="%d"/></rdf:li>` +
	`</rdf:Seq></Container:Directory>`

// addGainMap puts the ties into the plan of the primary picture, and the gain map behind it.
func (s *jpegStripper) addGainMap(g *gainMap) error {
	second := g.plan.finish().Size
	head := []byte{}
	if s.ties.parameters != nil {
		head = xmpSegment(`xmlns:Container="http://ns.google.com/photos/1.0/container/" xmlns:Item="http://ns.google.com/photos/1.0/container/item/" xmlns:hdrgm="`+
			gainMapSpace+`" hdrgm:Version="`+s.ties.parameters["Version"][0]+`"`, fmt.Sprintf(containerXMP, second))
	}
	if s.ties.iso != nil {
		head = append(head, appSegment(mAPP2, append(bytes.Clone(isoID), s.ties.iso...))...)
	}
	const mpfLen = 4 + 4 + 82
	before, err := s.plan.sizeBefore(s.ties.tables)
	if err != nil {
		return err
	}
	first := s.plan.finish().Size + int64(len(head)) + mpfLen
	index := before + int64(len(head)) + 8 // where MPF's TIFF header will stand
	if err := s.plan.insert(s.ties.tables, append(head, mpfSegment(first, second, first-index)...)); err != nil {
		return err
	}
	s.plan.parts = append(s.plan.parts, g.plan.parts...)
	for _, n := range g.plan.notes {
		s.plan.noted(n)
	}
	return nil
}

// mpfSegment returns an APP2 with an MPF index of two pictures: their lengths, and how far the second is from the index.
func mpfSegment(first, second, offset int64) []byte {
	le := binary.LittleEndian
	b := append(bytes.Clone(mpfID), "II*\x00\x08\x00\x00\x00\x03\x00"...)
	b = append(b, "\x00\xb0\x07\x00\x04\x00\x00\x000100"...)             // MPFVersion
	b = append(b, "\x01\xb0\x04\x00\x01\x00\x00\x00\x02\x00\x00\x00"...) // NumberOfImages
	b = append(b, "\x02\xb0\x07\x00\x20\x00\x00\x00\x32\x00\x00\x00"...) // MPEntry, 32 bytes at 50
	b = append(b, 0, 0, 0, 0)                                            // no next directory
	b = le.AppendUint32(b, 0x00030000)                                   // baseline primary picture
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, uint32(first)), 0), 0)
	b = le.AppendUint32(b, 0) // a picture of no known kind
	return appSegment(mAPP2, le.AppendUint32(le.AppendUint32(le.AppendUint32(b, uint32(second)), uint32(offset)), 0))
}

// placeOf returns the part that keeps the source's bytes at off.
func (p *Plan) placeOf(off int64) (int, error) {
	for i, q := range p.parts {
		if q.lit == nil && off >= q.off && off < q.off+q.n {
			return i, nil
		}
	}
	return 0, &DamagedError{Format: p.Format, Offset: off, Reason: "tables that did not stay"}
}

// sizeBefore returns how many bytes of the copy precede the source's bytes at off.
func (p *Plan) sizeBefore(off int64) (int64, error) {
	i, err := p.placeOf(off)
	if err != nil {
		return 0, err
	}
	n := off - p.parts[i].off
	for _, q := range p.parts[:i] {
		n += q.size()
	}
	return n, nil
}

// insert puts new bytes before the source's bytes at off.
func (p *Plan) insert(off int64, b []byte) error {
	i, err := p.placeOf(off)
	if err != nil || len(b) == 0 {
		return err
	}
	q := p.parts[i]
	parts := append([]part(nil), p.parts[:i]...)
	if n := off - q.off; n > 0 {
		parts = append(parts, part{off: q.off, n: n})
	}
	parts = append(parts, part{lit: b}, part{off: off, n: q.off + q.n - off})
	p.parts = append(parts, p.parts[i+1:]...)
	return nil
}
