package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

// tiffTag is one entry of a directory; offsets holds directories that it points at, whose places are its values.
type tiffTag struct {
	tag, typ uint16
	value    any // string, []uint16, []uint32, []*tiffDir, or tiffStrips
}

// tiffStrips are strips whose places are the values.
type tiffStrips []string

type tiffDir struct {
	tags []tiffTag
	next *tiffDir
}

// tiffWriter writes TIFF and BigTIFF files by hand.
type tiffWriter struct {
	order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
	big bool
	b   []byte
}

func writeTIFF(big bool, d *tiffDir) []byte {
	w := &tiffWriter{order: binary.LittleEndian, big: big}
	if big {
		w.b = append([]byte("II+\x00\x08\x00\x00\x00"), make([]byte, 8)...)
	} else {
		w.b = append([]byte("II*\x00"), make([]byte, 4)...)
	}
	at := w.dir(d)
	w.offset(at, map[bool]int{false: 4, true: 8}[big])
	return w.b
}

// offset sets the offset at i.
func (w *tiffWriter) offset(v, i int) {
	if w.big {
		w.order.PutUint64(w.b[i:], uint64(v))
	} else {
		w.order.PutUint32(w.b[i:], uint32(v))
	}
}

// dir writes values, then the directory, and returns its place.
func (w *tiffWriter) dir(d *tiffDir) int {
	type entry struct {
		tag, typ uint16
		count    int
		value    []byte
	}
	room := map[bool]int{false: 4, true: 8}[w.big]
	number := func(b []byte, v int) []byte {
		if w.big {
			return w.order.AppendUint64(b, uint64(v))
		}
		return w.order.AppendUint32(b, uint32(v))
	}
	var list []entry
	for _, t := range d.tags {
		e := entry{tag: t.tag, typ: t.typ}
		switch v := t.value.(type) {
		case string:
			e.count, e.value = len(v), []byte(v)
		case []uint16:
			e.count = len(v)
			for _, x := range v {
				e.value = w.order.AppendUint16(e.value, x)
			}
		case []uint32:
			if e.count = len(v); e.typ == 5 {
				e.count /= 2
			}
			for _, x := range v {
				e.value = w.order.AppendUint32(e.value, x)
			}
		case []*tiffDir:
			e.count, e.typ = len(v), map[bool]uint16{false: 4, true: 18}[w.big]
			for _, x := range v {
				e.value = number(e.value, w.dir(x))
			}
		case tiffStrips:
			e.count, e.typ = len(v), map[bool]uint16{false: 4, true: 16}[w.big]
			for _, x := range v {
				e.value = number(e.value, len(w.b))
				w.b = append(w.b, x...)
			}
		}
		if len(e.value) > room {
			at := len(w.b)
			w.b = append(append(w.b, e.value...), '\n')
			e.value = number(nil, at)
		}
		list = append(list, e)
	}
	next := 0
	if d.next != nil {
		next = w.dir(d.next)
	}
	at := len(w.b)
	if w.big {
		w.b = w.order.AppendUint64(w.b, uint64(len(list)))
	} else {
		w.b = w.order.AppendUint16(w.b, uint16(len(list)))
	}
	for _, e := range list {
		w.b = w.order.AppendUint16(w.b, e.tag)
		w.b = w.order.AppendUint16(w.b, e.typ)
		w.b = number(w.b, e.count)
		w.b = append(w.b, append(e.value, make([]byte, 8)...)[:room]...)
	}
	w.b = number(w.b, next)
	return at
}

// tiffImage is a page of 4 by 2 gray pixels in two strips, with more tags in their order.
func tiffImage(more ...tiffTag) *tiffDir {
	short := func(tag, v uint16) tiffTag { return tiffTag{tag, 3, []uint16{v}} }
	tags := append([]tiffTag{
		short(256, 4), short(257, 2), short(258, 8), short(259, 1), short(262, 1),
		{273, 0, tiffStrips{"abcd", "efgh"}},
		short(277, 1),
		short(278, 1),
		{279, 4, []uint32{4, 4}},
	}, more...)
	slices.SortStableFunc(tags, func(a, b tiffTag) int { return int(a.tag) - int(b.tag) })
	return &tiffDir{tags: tags}
}

func TestTIFFPixelsAreTheSame(t *testing.T) {
	files := withSamples(t, makePictures(t, "tiff"), "formats/*.tif")
	for name, big := range map[string]bool{"by hand.tiff": false, "by hand, BigTIFF.tiff": true} {
		page := tiffImage(tiffTag{274, 3, []uint16{6}})
		page.next = tiffImage(tiffTag{270, 2, "CANARY\x00"}, tiffTag{274, 3, []uint16{6}})
		files[name] = writeTIFF(big, page)
	}
	samePixels(t, files, stripped(t))
}

func TestTIFFDirectories(t *testing.T) {
	for _, big := range []bool{false, true} {
		exif := &tiffDir{tags: []tiffTag{{0x9003, 2, "CANARY-date\x00"}, {0x927c, 7, "CANARY-maker-note"}}}
		gps := &tiffDir{tags: []tiffTag{{1, 2, "N\x00"}, {29, 2, "CANARY-gps-date"}}}
		sub := tiffImage(tiffTag{270, 2, "CANARY-sub"})
		first := tiffImage(
			tiffTag{269, 2, "CANARY-document"}, tiffTag{270, 2, "CANARY-description\x00"}, tiffTag{271, 2, "CANARY-make\x00"}, tiffTag{274, 3, []uint16{6}},
			tiffTag{285, 2, "CANARY-page-name"}, tiffTag{305, 2, "CANARY-software"}, tiffTag{306, 2, "CANARY-date-time"}, tiffTag{315, 2, "CANARY-artist\x00"},
			tiffTag{316, 2, "CANARY-computer"}, tiffTag{330, 4, []*tiffDir{sub}}, tiffTag{333, 2, "CANARY-inks"}, tiffTag{338, 3, []uint16{0}},
			tiffTag{700, 1, "CANARY-XMP"}, tiffTag{33432, 2, "CANARY-copyright\x00"}, tiffTag{33723, 7, "CANARY-IPTC"}, tiffTag{34377, 1, "CANARY-photoshop"},
			tiffTag{34665, 4, []*tiffDir{exif}}, tiffTag{34675, 7, "CANARY-no-profile"}, tiffTag{34853, 4, []*tiffDir{gps}}, tiffTag{37500, 7, "CANARY-maker-note-2"},
			tiffTag{42112, 2, "CANARY-GDAL"}, tiffTag{65000, 2, "CANARY-private"}, tiffTag{301, 2, "CANARY-text-of-a-number-tag"},
		)
		thumbnail := tiffImage(tiffTag{254, 4, []uint32{1}}, tiffTag{270, 2, "CANARY-thumbnail"})
		second := tiffImage(tiffTag{270, 2, "CANARY-second"}, tiffTag{34675, 7, iccProfile(200, 200) + "CANARY-behind-the-profile"})
		first.next, thumbnail.next = thumbnail, second
		in := append(writeTIFF(big, first), "CANARY-trailer"...)
		checkCanaries(t, in, 25)
		out, p := strip(t, in)
		if p.Orientation != 6 {
			t.Errorf("BigTIFF %v: orientation %d, want 6", big, p.Orientation)
		}
		want := writeInOrder(big)
		if !bytes.Equal(out, want) {
			t.Errorf("BigTIFF %v:\ngot  %q\nwant %q", big, out, want)
		}
		info, err := metadata.Describe(bytes.NewReader(out), int64(len(out)))
		if err != nil || info.Frames != 2 || info.Width != 4 || info.Height != 2 {
			t.Errorf("BigTIFF %v: copy has %d pages of %dx%d (%v), want 2 of 4x2", big, info.Frames, info.Width, info.Height, err)
		}
		kept, err := tryStrip(metadata.Options{Metadata: metadata.KeepCopyright}, in)
		left := canary.FindAllString(string(kept), -1)
		if err != nil || !slices.Equal(left, []string{"CANARY-artist", "CANARY-copyright"}) {
			t.Errorf("BigTIFF %v: metadata=copyright keeps %q (%v)", big, left, err)
		}
	}
}

// writeInOrder is what the copy of TestTIFFDirectories must be: header, two directories, their values, four strips.
func writeInOrder(big bool) []byte {
	le := binary.LittleEndian
	var b, tail []byte
	profile := iccProfile(200, 200)
	number := func(v int) {
		if big {
			b = le.AppendUint64(b, uint64(v))
		} else {
			b = le.AppendUint32(b, uint32(v))
		}
	}
	size := func(entries, values int) int {
		return map[bool]int{false: 6 + 12*entries, true: 16 + 20*entries}[big] + values
	}
	head := map[bool]int{false: 8, true: 16}[big]
	arrays := map[bool]int{false: 8, true: 16}[big] // of two strips
	end1 := head + size(11, 2*arrays)
	end2 := end1 + size(10, 2*arrays+200)
	if big {
		b = append(b, "II+\x00\x08\x00\x00\x00"...)
	} else {
		b = append(b, "II*\x00"...)
	}
	number(head)
	dir := func(n int, entries, values, next, data int, oriented, icc bool) {
		if tail = nil; big {
			b = le.AppendUint64(b, uint64(entries))
		} else {
			b = le.AppendUint16(b, uint16(entries))
		}
		at := n + size(entries, 0)
		entry := func(tag, typ uint16, count int, value []byte) {
			b = le.AppendUint16(le.AppendUint16(b, tag), typ)
			number(count)
			if room := map[bool]int{false: 4, true: 8}[big]; len(value) <= room {
				b = append(b, append(bytes.Clone(value), make([]byte, 8)...)[:room]...)
				return
			}
			number(at + len(tail))
			tail = append(tail, value...)
		}
		short := func(tag, v uint16) { entry(tag, 3, 1, le.AppendUint16(nil, v)) }
		pair := func(tag uint16, x, y int) {
			if big {
				entry(tag, 16, 2, le.AppendUint64(le.AppendUint64(nil, uint64(x)), uint64(y)))
			} else {
				entry(tag, 4, 2, le.AppendUint32(le.AppendUint32(nil, uint32(x)), uint32(y)))
			}
		}
		short(256, 4)
		short(257, 2)
		short(258, 8)
		short(259, 1)
		short(262, 1)
		pair(273, data, data+4)
		if oriented {
			short(274, 6)
		}
		short(277, 1)
		short(278, 1)
		pair(279, 4, 4)
		if oriented {
			short(338, 0)
		}
		if icc {
			entry(34675, 7, 200, []byte(profile))
		}
		number(next)
		b = append(b, tail...)
	}
	dir(head, 11, 0, end1, end2, true, false)
	dir(end1, 10, 0, 0, end2+8, false, true)
	return append(b, "abcdefghabcdefgh"...)
}

func TestTIFFThatIsNone(t *testing.T) {
	loop := writeTIFF(false, tiffImage())
	dir := binary.LittleEndian.Uint32(loop[4:])
	binary.LittleEndian.PutUint32(loop[len(loop)-4:], dir)
	without := func(tag uint16) *tiffDir {
		d := tiffImage()
		d.tags = slices.DeleteFunc(d.tags, func(t tiffTag) bool { return t.tag == tag })
		return d
	}
	change := func(tag uint16, typ uint16, v any) *tiffDir {
		d := without(tag)
		d.tags = append(d.tags, tiffTag{tag, typ, v})
		slices.SortStableFunc(d.tags, func(a, b tiffTag) int { return int(a.tag) - int(b.tag) })
		return d
	}
	rawSub := tiffImage(tiffTag{254, 4, []uint32{1}}, tiffTag{330, 4, []*tiffDir{tiffImage()}})
	for _, c := range []struct {
		name string
		in   []byte
		want error
		text string
	}{
		{"header alone", []byte("II*\x00\x08\x00\x00\x00"), metadata.ErrDamaged, "ends in its header"},
		{"no directory", append([]byte("II*\x00"), make([]byte, 20)...), metadata.ErrDamaged, "without a picture"},
		{"directory outside", append([]byte("II*\x00\xff\x00\x00\x00"), make([]byte, 20)...), metadata.ErrDamaged, "outside the file"},
		{"directory that leads to itself", loop, metadata.ErrDamaged, "circle"},
		{"directory of 0 entries", append([]byte("II*\x00\x08\x00\x00\x00"), make([]byte, 20)...), metadata.ErrDamaged, "impossible number of entries"},
		{"BigTIFF with offsets of 4 bytes", append([]byte("II+\x00\x04\x00\x00\x00"), make([]byte, 20)...), metadata.ErrDamaged, "8 bytes"},
		{"no strips", writeTIFF(false, without(273)), metadata.ErrDamaged, "without strips"},
		{"no width", writeTIFF(false, without(256)), metadata.ErrDamaged, "without a size"},
		{"two heights", writeTIFF(false, change(257, 3, []uint16{2, 2})), metadata.ErrDamaged, "without a size"},
		{"no lengths", writeTIFF(false, without(279)), metadata.ErrDamaged, "without their lengths"},
		{"one length for two strips", writeTIFF(false, change(279, 4, []uint32{8})), metadata.ErrDamaged, "without their lengths"},
		{"strip outside", writeTIFF(false, change(273, 4, []uint32{8, 0xffffff00})), metadata.ErrDamaged, "ends in its picture"},
		{"strip that is too long", writeTIFF(false, change(279, 4, []uint32{4, 4000})), metadata.ErrDamaged, "ends in its picture"},
		{"strips that share bytes", writeTIFF(false, &tiffDir{tags: []tiffTag{{273, 4, make([]uint32, 60)}, {279, 4, slices.Repeat([]uint32{400}, 60)}}}), metadata.ErrDamaged, "overlap"},
		{"strips as text", writeTIFF(false, change(273, 2, "abcd")), metadata.ErrDamaged, "without their lengths"},
		{"JPEG of no JPEG", writeTIFF(false, change(259, 3, []uint16{7})), metadata.ErrDamaged, "no JPEG"},
		{"old-style JPEG", writeTIFF(false, change(259, 3, []uint16{6})), metadata.ErrUnsupported, "old-style JPEG"},
		{"DNG", writeTIFF(false, tiffImage(tiffTag{50706, 1, "\x01\x04\x00\x00"})), metadata.ErrUnsupported, "camera raw"},
		{"colour filter array", writeTIFF(false, change(262, 3, []uint16{32803})), metadata.ErrUnsupported, "camera raw"},
		{"thumbnail with the picture below it", writeTIFF(false, rawSub), metadata.ErrUnsupported, "camera raw"},
		{"CR2", append([]byte("II*\x00\x10\x00\x00\x00CR\x02\x00"), make([]byte, 20)...), metadata.ErrUnsupported, "camera raw"},
		{"compression as text", writeTIFF(false, change(259, 2, "x")), metadata.ErrDamaged, "wrong type"},
	} {
		_, err := metadata.Strip(bytes.NewReader(c.in), int64(len(c.in)))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want %v with %q", c.name, err, c.want, c.text)
		}
	}
}

// pointers are the tags whose values differ in a block that is made anew.
// TestTIFFExif compares with exif-reader on the same file, but for the offsets that a block made anew has.
var pointers = regexp.MustCompile(`"(ExifTag|GPSTag|InteroperabilityTag)":\d+`)

func TestTIFFExif(t *testing.T) {
	exif := func() *tiffDir {
		return &tiffDir{tags: []tiffTag{{0x829a, 5, []uint32{1, 80}}, {0x9003, 2, "2026:01:02 03:04:05\x00"}, {0xa005, 4, []*tiffDir{{tags: []tiffTag{{1, 2, "R98\x00"}}}}}}}
	}
	gps := &tiffDir{tags: []tiffTag{
		{1, 2, "S\x00"}, {2, 5, []uint32{12, 1, 30, 1, 0, 1}}, {3, 2, "E\x00"}, {4, 5, []uint32{7, 1, 15, 1, 36, 1}}, {5, 1, "\x01"}, {6, 5, []uint32{35, 10}},
	}}
	const want = `{"bigEndian":false,"Image":{"ImageWidth":4,"ImageLength":2,"BitsPerSample":8,"Compression":1,"PhotometricInterpretation":1,"Make":"Acme",` +
		`"StripOffsets":[14,18],"SamplesPerPixel":1,"RowsPerStrip":1,"StripByteCounts":[4,4],"ExifTag":0,"GPSTag":0},` +
		`"Photo":{"ExposureTime":0.0125,"DateTimeOriginal":"2026-01-02T03:04:05.000Z","InteroperabilityTag":0},` +
		`"GPSInfo":{"GPSLatitudeRef":"S","GPSLatitude":[12,30,0],"GPSLongitudeRef":"E","GPSLongitude":[7,15,36],"GPSAltitudeRef":1,"GPSAltitude":3.5},` +
		`"Iop":{"InteroperabilityIndex":"R98"}}`
	page := tiffImage(tiffTag{271, 2, "Acme\x00"}, tiffTag{34665, 4, []*tiffDir{exif()}}, tiffTag{34853, 4, []*tiffDir{gps}})
	for _, big := range []bool{false, true} {
		in := writeTIFF(big, page)
		got := pointers.ReplaceAllString(exifJSON(t, in), `"$1":0`)
		w := want
		if big {
			w = strings.Replace(w, "[14,18]", "[16,20]", 1)
		} else if reader := pointers.ReplaceAllString(askBlocks(t, []string{string(in)})[0], `"$1":0`); reader != w {
			t.Errorf("exif-reader on the file: %s", reader)
		}
		if got != w {
			t.Errorf("BigTIFF %v:\ngot  %s\nwant %s", big, got, w)
		}
		info, err := metadata.Describe(bytes.NewReader(in), int64(len(in)))
		if err != nil || info.GPS == nil || info.GPS.Latitude != -12.5 || info.GPS.Longitude != 7.26 || info.GPS.Altitude == nil || *info.GPS.Altitude != -3.5 {
			t.Errorf("BigTIFF %v: position %+v (%v), want -12.5, 7.26, -3.5 m", big, info.GPS, err)
		}
	}
}

func FuzzStripTIFF(f *testing.F) {
	page := tiffImage(tiffTag{274, 3, []uint16{6}}, tiffTag{271, 2, "Acme\x00"}, tiffTag{34665, 4, []*tiffDir{{tags: []tiffTag{{0x9003, 2, "2026"}}}}})
	page.next = tiffImage(tiffTag{254, 4, []uint32{1}})
	f.Add(writeTIFF(false, page))
	f.Add(writeTIFF(true, page))
	jpegs := tiffImage(tiffTag{347, 7, "\xff\xd8\xff\xdd\x00\x04\x00\x01\xff\xd9"})
	jpegs.tags[3] = tiffTag{259, 3, []uint16{7}}
	jpegs.tags[5] = tiffTag{273, 0, tiffStrips{string(baseline(f))}}
	jpegs.tags[8] = tiffTag{279, 4, []uint32{uint32(len(baseline(f)))}}
	f.Add(writeTIFF(false, jpegs))
	f.Fuzz(stripFuzz)
}
