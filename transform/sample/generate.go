//go:build ignore

// This program computes sample.jpg: run "go run generate.go scene.go" in this folder. It needs nothing but Go and gives the
// same pixels every time.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"math"
	"os"
)

const (
	width, height = 1600, 1200
	quality       = 91
)

func main() {
	upright := render(width, height)
	// Orientation 6: the first row as stored is the right side as seen, the first column is the top (Exif 3.0, 4.6.5.1.6).
	stored := image.NewRGBA(image.Rect(0, 0, height, width))
	for y := range width {
		for x := range height {
			stored.Set(x, y, upright.At(width-1-y, x))
		}
	}
	picture := encode(stored, quality)
	thumbnail := encode(shrink(stored, 10), 75)

	var out bytes.Buffer
	out.Write(picture[:2])
	out.Write(segment(0xe1, append([]byte("Exif\x00\x00"), exif(thumbnail)...)))
	out.Write(segment(0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), xmp...)))
	out.Write(segment(0xed, iptc()))
	out.Write(segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), srgb()...)))
	out.Write(segment(0xfe, []byte("An evening that never was, for glassine")))
	out.Write(picture[2:])
	if err := os.WriteFile("sample.jpg", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println("sample.jpg:", out.Len(), "bytes")
}

func encode(img image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}

// shrink averages squares of n by n pixels.
func shrink(img *image.RGBA, n int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, img.Rect.Dx()/n, img.Rect.Dy()/n))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			var r, g, b int
			for i := range n * n {
				c := img.RGBAAt(x*n+i%n, y*n+i/n)
				r, g, b = r+int(c.R), g+int(c.G), b+int(c.B)
			}
			out.SetRGBA(x, y, color.RGBA{uint8(r / (n * n)), uint8(g / (n * n)), uint8(b / (n * n)), 255})
		}
	}
	return out
}

func segment(marker byte, payload []byte) []byte {
	return append([]byte{0xff, marker, byte((len(payload) + 2) >> 8), byte(len(payload) + 2)}, payload...)
}

// entry is one field of a TIFF directory (TIFF 6.0, section 2).
type entry struct {
	tag, typ uint16
	count    int
	data     []byte
}

func ascii(tag uint16, s string) entry { return entry{tag, 2, len(s) + 1, append([]byte(s), 0)} }
func undefined(tag uint16, b string) entry {
	return entry{tag, 7, len(b), []byte(b)}
}
func short(tag, v uint16) entry { return entry{tag, 3, 1, binary.BigEndian.AppendUint16(nil, v)} }
func long(tag uint16, v uint32) entry {
	return entry{tag, 4, 1, binary.BigEndian.AppendUint32(nil, v)}
}

func rational(tag uint16, v ...uint32) entry {
	e := entry{tag, 5, len(v) / 2, nil}
	for _, n := range v {
		e.data = binary.BigEndian.AppendUint32(e.data, n)
	}
	return e
}

// directory lays out entries, in ascending order of tag, at offset at; next is the offset of the directory after it.
func directory(at, next int, entries []entry) []byte {
	var head, tail []byte
	head = binary.BigEndian.AppendUint16(head, uint16(len(entries)))
	dataAt := at + 2 + 12*len(entries) + 4
	for _, e := range entries {
		head = binary.BigEndian.AppendUint16(head, e.tag)
		head = binary.BigEndian.AppendUint16(head, e.typ)
		head = binary.BigEndian.AppendUint32(head, uint32(e.count))
		if len(e.data) <= 4 {
			head = append(head, append(e.data, 0, 0, 0, 0)[:4]...)
			continue
		}
		head = binary.BigEndian.AppendUint32(head, uint32(dataAt+len(tail)))
		tail = append(tail, e.data...)
		if len(tail)%2 == 1 {
			tail = append(tail, 0)
		}
	}
	return append(binary.BigEndian.AppendUint32(head, uint32(next)), tail...)
}

// exif returns the block from its TIFF header on.
func exif(thumbnail []byte) []byte {
	main := func(exifAt, gpsAt int) []entry {
		return []entry{
			ascii(0x010e, "Evening at a lake that is on no map"), ascii(0x010f, "Glassine Optical"), ascii(0x0110, "Demo One"),
			short(0x0112, 6), rational(0x011a, 72, 1), rational(0x011b, 72, 1), short(0x0128, 2),
			ascii(0x0131, "glassine transform/sample"), ascii(0x0132, "2026:06:21 21:14:07"), ascii(0x013b, "Alex Example"),
			short(0x0213, 1), ascii(0x8298, "The glassine authors, Apache-2.0"),
			long(0x8769, uint32(exifAt)), long(0x8825, uint32(gpsAt)),
		}
	}
	photo := []entry{
		rational(0x829a, 1, 60), rational(0x829d, 8, 1), short(0x8827, 200), undefined(0x9000, "0232"),
		ascii(0x9003, "2026:06:21 21:14:07"), ascii(0x9004, "2026:06:21 21:14:07"), ascii(0x9010, "-08:00"),
		undefined(0x9101, "\x01\x02\x03\x00"), rational(0x920a, 35, 1),
		undefined(0x927c, "Glassine maker note: shutter count 12345, owner Alex Example"),
		undefined(0x9286, "ASCII\x00\x00\x00A note to myself"), short(0xa001, 1),
		long(0xa002, height), long(0xa003, width), ascii(0xa430, "Alex Example"), ascii(0xa431, "GL-0000042-DEMO"),
		ascii(0xa433, "Glassine Optical"), ascii(0xa434, "Imaginar 35mm f/2"), ascii(0xa435, "LN-0000007-DEMO"),
	}
	gps := []entry{
		{0x0000, 1, 4, []byte{2, 3, 0, 0}},
		ascii(0x0001, "S"), rational(0x0002, 48, 1, 52, 1, 3160, 100),
		ascii(0x0003, "W"), rational(0x0004, 123, 1, 23, 1, 3307, 100),
		{0x0005, 1, 1, []byte{0}},
		rational(0x0006, 3, 1),
		rational(0x0007, 5, 1, 14, 1, 7, 1), ascii(0x001d, "2026:06:22"),
	}
	const start = 8
	exifAt := start + len(directory(start, 0, main(0, 0)))
	gpsAt := exifAt + len(directory(exifAt, 0, photo))
	secondAt := gpsAt + len(directory(gpsAt, 0, gps))
	second := func(jpegAt int) []entry {
		return []entry{short(0x0103, 6), long(0x0201, uint32(jpegAt)), long(0x0202, uint32(len(thumbnail)))}
	}
	jpegAt := secondAt + len(directory(secondAt, 0, second(0)))

	b := []byte("MM\x00*\x00\x00\x00\x08")
	b = append(b, directory(start, secondAt, main(exifAt, gpsAt))...)
	b = append(b, directory(exifAt, 0, photo)...)
	b = append(b, directory(gpsAt, 0, gps)...)
	b = append(b, directory(secondAt, 0, second(jpegAt))...)
	return append(b, thumbnail...)
}

const xmp = `<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">
<dc:creator><rdf:Seq><rdf:li>Alex Example</rdf:li></rdf:Seq></dc:creator>
<photoshop:City>Nowhere</photoshop:City>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>`

// iptc returns a Photoshop resource block with three IPTC records: by-line, city, contact.
func iptc() []byte {
	var iim []byte
	for _, r := range []struct {
		id   byte
		text string
	}{{80, "Alex Example"}, {90, "Nowhere"}, {118, "alex@example.com"}} {
		iim = append(iim, 0x1c, 2, r.id, 0, byte(len(r.text)))
		iim = append(iim, r.text...)
	}
	if len(iim)%2 == 1 {
		iim = append(iim, 0)
	}
	b := append([]byte("Photoshop 3.0\x008BIM\x04\x04\x00\x00"), 0, 0, 0, byte(len(iim)))
	return append(b, iim...)
}

// srgb returns an ICC version 4 profile of sRGB: primaries adapted to D50, and the exact curve of IEC 61966-2-1 as a
// parametric curve (ICC.1:2022).
func srgb() []byte {
	be32 := binary.BigEndian.AppendUint32
	fixed := func(b []byte, v float64) []byte { return be32(b, uint32(int32(math.Round(v*65536)))) }
	text := func(s string) []byte {
		b := be32(be32([]byte("mluc\x00\x00\x00\x00"), 1), 12)
		b = append(b, "enUS"...)
		b = be32(be32(b, uint32(2*len(s))), 28)
		for _, c := range s {
			b = append(b, 0, byte(c))
		}
		return b
	}
	xyz := func(x, y, z float64) []byte {
		return fixed(fixed(fixed([]byte("XYZ \x00\x00\x00\x00"), x), y), z)
	}
	curve := []byte("para\x00\x00\x00\x00\x00\x03\x00\x00")
	for _, v := range []float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045} {
		curve = fixed(curve, v)
	}
	tags := []struct {
		name string
		data []byte
	}{
		{"desc", text("sRGB (glassine)")},
		{"cprt", text("Apache-2.0")},
		{"wtpt", xyz(0.9642, 1, 0.8249)},
		{"rXYZ", xyz(0.43607, 0.22249, 0.01392)},
		{"gXYZ", xyz(0.38515, 0.71687, 0.09708)},
		{"bXYZ", xyz(0.14307, 0.06061, 0.71410)},
		{"rTRC", curve},
		{"gTRC", curve},
		{"bTRC", curve},
	}
	table := be32(nil, uint32(len(tags)))
	var data []byte
	curveAt := uint32(0)
	for _, t := range tags {
		at := uint32(128 + 4 + 12*len(tags) + len(data))
		if &t.data[0] == &curve[0] && curveAt != 0 {
			at = curveAt // the three curves are one
		} else {
			data = append(data, t.data...)
			data = append(data, make([]byte, (4-len(data)%4)%4)...)
		}
		if &t.data[0] == &curve[0] {
			curveAt = at
		}
		table = append(table, t.name...)
		table = be32(be32(table, at), uint32(len(t.data)))
	}
	head := be32(nil, uint32(128+len(table)+len(data)))
	head = append(head, "\x00\x00\x00\x00\x04\x40\x00\x00mntrRGB XYZ "...)
	head = append(head, 0x07, 0xea, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0) // 2026-01-01
	head = append(head, "acsp"...)
	head = append(head, make([]byte, 28)...) // platform, flags, device, attributes, perceptual intent
	head = fixed(fixed(fixed(head, 0.9642), 1), 0.8249)
	head = append(head, make([]byte, 128-len(head))...)
	return append(append(head, table...), data...)
}
