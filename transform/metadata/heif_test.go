package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

// heifItemIn is an item of a file that heifFile writes.
type heifItemIn struct {
	id         int
	kind, name string
	data       string
	// properties are numbers of heifIn's properties; with 0x80 added they are essential.
	properties string
	// inIdat puts the data into idat.
	inIdat bool
}

// heifIn describes a HEIF file.
type heifIn struct {
	brands     string
	items      []heifItemIn
	properties []string
	refs       []string
	more, tail string
	groups     string
}

func be16(v int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(v))) }
func be32(v int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(v))) }

// ref is a reference between items.
func ref(kind string, from int, to ...int) string {
	s := be16(from) + be16(len(to))
	for _, id := range to {
		s += be16(id)
	}
	return isoBox(kind, s)
}

// write lays the file out: ftyp, meta, what is more, mdat.
func (h heifIn) write() []byte {
	ftyp := isoBox("ftyp", h.brands)
	var infos, associations, idat, mdat string
	entries := 0
	for _, it := range h.items {
		infe := "\x02\x00\x00\x00" + be16(it.id) + "\x00\x00" + it.kind + it.name + "\x00"
		if it.kind == "mime" {
			infe += "application/rdf+xml\x00"
		}
		infos += isoBox("infe", infe)
		if it.properties != "" {
			associations += be16(it.id) + string([]byte{byte(len(it.properties))}) + it.properties
			entries++
		}
	}
	meta := func(start int) string {
		idat, mdat = "", ""
		var places string
		for _, it := range h.items {
			method, off := 0, start+len(mdat)
			if it.inIdat {
				method, off = 1, len(idat)
				idat += it.data
			} else {
				mdat += it.data
			}
			places += be16(it.id) + be16(method) + be16(0) + be16(1) + be32(off) + be32(len(it.data))
		}
		s := isoBox("hdlr", "\x00\x00\x00\x00\x00\x00\x00\x00pict"+strings.Repeat("\x00", 12)+"CANARY-handler\x00") +
			isoBox("pitm", "\x00\x00\x00\x00"+be16(h.items[0].id)) +
			isoBox("iloc", "\x01\x00\x00\x00\x44\x00"+be16(len(h.items))+places) +
			isoBox("iinf", "\x00\x00\x00\x00"+be16(len(h.items))+infos) +
			isoBox("iprp", isoBox("ipco", strings.Join(h.properties, "")), isoBox("ipma", "\x00\x00\x00\x00"+be32(entries)+associations))
		if h.refs != nil {
			s += isoBox("iref", "\x00\x00\x00\x00"+strings.Join(h.refs, ""))
		}
		if idat != "" {
			s += isoBox("idat", idat)
		}
		if h.groups != "" {
			s += isoBox("grpl", h.groups)
		}
		return isoBox("meta", "\x00\x00\x00\x00"+s)
	}
	start := len(ftyp) + len(meta(0)) + len(h.more) + 8
	return []byte(ftyp + meta(start) + h.more + isoBox("mdat", mdat) + h.tail)
}

func fullBox(kind, data string) string { return isoBox(kind, "\x00\x00\x00\x00"+data) }

const (
	heicBrands = "heic\x00\x00\x00\x00mif1heic"
	alphaURN   = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00"
)

// rich is a grid of two tiles, with all that a telephone puts beside it.
func rich() heifIn {
	exif := "\x00\x00\x00\x06Exif\x00\x00" + orientedTIFF(binary.BigEndian, 6)
	return heifIn{
		brands: "heic\x00\x00\x00\x07mif1CANAheicMiHB",
		items: []heifItemIn{
			{id: 5, kind: "grid", name: "CANARY-name", data: "\x00\x00\x00\x01\x00\x04\x00\x02", properties: "\x01\x02\x83\x84\x0a\x0b", inIdat: true},
			{id: 1, kind: "hvc1", data: "TILE-ONE", properties: "\x85\x01"},
			{id: 9, kind: "Exif", data: exif},
			{id: 2, kind: "hvc1", data: "TILE-TWO!", properties: "\x85\x01"},
			{id: 3, kind: "hvc1", data: "CANARY-thumbnail", properties: "\x85\x01"},
			{id: 4, kind: "hvc1", data: "ALPHA", properties: "\x85\x01\x06"},
			{id: 6, kind: "hvc1", data: "CANARY-depth", properties: "\x85\x01\x07"},
			{id: 7, kind: "mime", data: `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">CANARY-XMP</rdf:RDF>`},
			{id: 8, kind: "hvc1", data: "CANARY-another-picture", properties: "\x85\x01"},
			{id: 10, kind: "uri ", data: "CANARY-uri"},
		},
		properties: []string{
			fullBox("ispe", be32(4)+be32(2)), fullBox("pixi", "\x03\x08\x08\x08"), isoBox("irot", "\x03"), isoBox("imir", "\x01"), isoBox("hvcC", "CONFIG"),
			fullBox("auxC", alphaURN+"CANARY"), fullBox("auxC", "urn:mpeg:hevc:2015:auxid:2\x00"), isoBox("uuid", "CANARY-unused-property"),
			fullBox("udes", "CANARY-unused-description"), fullBox("udes", "en\x00CANARY-description\x00\x00\x00"),
			isoBox("colr", "prof", iccProfile(200, 200), "CANARY-behind-the-profile"),
		},
		refs: []string{
			ref("dimg", 5, 1, 2), ref("thmb", 3, 5), ref("auxl", 4, 5), ref("auxl", 6, 5), ref("cdsc", 9, 5), ref("cdsc", 7, 5), ref("CANA", 8, 5),
		},
		groups: isoBox("altr", "\x00\x00\x00\x00"+be32(99)+be32(2)+be32(5)+be32(8)),
		more:   isoBox("uuid", "CANARY-C2PA") + isoBox("free", "CANARY-free"),
		tail:   isoBox("mpvd", "CANARY-motion-photo") + isoBox("skip", "CANARY"),
	}
}

func TestHEIFItemsThatStay(t *testing.T) {
	in := rich().write()
	checkCanaries(t, in, 13)
	out, p := strip(t, in)
	if p.Format != metadata.HEIF || p.ContentType != "image/heif" {
		t.Errorf("plan: %s, %s", p.Format, p.ContentType)
	}
	want := heifWanted()
	if !bytes.Equal(out, want) {
		t.Errorf("copy\ngot  %q\nwant %q", out, want)
	}
	block, err := metadata.EXIF(bytes.NewReader(in), int64(len(in)))
	if err != nil || string(block) != orientedTIFF(binary.BigEndian, 6) {
		t.Errorf("EXIF: got %q, %v", block, err)
	}
	info, err := metadata.Describe(bytes.NewReader(in), int64(len(in)))
	if err != nil || info.Width != 4 || info.Height != 2 || info.Orientation != 5 || info.XMP == nil {
		t.Errorf("Describe: %+v, %v; want 4x2, orientation 5 (a quarter turn with the clock, then left and right exchanged) and XMP", info, err)
	}
}

// heifWanted is what the copy of rich must be, written out by hand.
func heifWanted() []byte {
	meta := func(data int) string {
		place := func(id, off, n int) string { return be16(id) + be16(0) + be16(1) + be32(data+off) + be32(n) }
		infe := func(id int, kind string) string {
			return isoBox("infe", "\x02\x00\x00\x00"+be16(id)+"\x00\x00"+kind+"\x00")
		}
		return isoBox("meta", "\x00\x00\x00\x00",
			isoBox("hdlr", "\x00\x00\x00\x00\x00\x00\x00\x00pict", strings.Repeat("\x00", 13)),
			fullBox("pitm", be16(5)),
			fullBox("iloc", "\x44\x00"+be16(4)+place(5, 0, 8)+place(1, 8, 8)+place(2, 16, 9)+place(4, 25, 5)),
			fullBox("iinf", be16(4)+infe(5, "grid")+infe(1, "hvc1")+infe(2, "hvc1")+infe(4, "hvc1")),
			isoBox("iprp", isoBox("ipco",
				fullBox("ispe", be32(4)+be32(2)), fullBox("pixi", "\x03\x08\x08\x08"), isoBox("irot", "\x03"), isoBox("imir", "\x01"),
				isoBox("colr", "prof", iccProfile(200, 200)), isoBox("hvcC", "CONFIG"), fullBox("auxC", alphaURN)),
				fullBox("ipma", be32(4)+be16(5)+"\x05\x01\x02\x83\x84\x05"+be16(1)+"\x02\x86\x01"+be16(2)+"\x02\x86\x01"+be16(4)+"\x03\x86\x01\x07")),
			fullBox("iref", ref("dimg", 5, 1, 2)+ref("auxl", 4, 5)))
	}
	ftyp := isoBox("ftyp", "heic\x00\x00\x00\x00mif1heicMiHB")
	n := len(ftyp) + len(meta(0)) + 8
	return []byte(ftyp + meta(n) + isoBox("mdat", "\x00\x00\x00\x01\x00\x04\x00\x02"+"TILE-ONE"+"TILE-TWO!"+"ALPHA"))
}

// TestMessagesInPicturesGo: private messages go from the items and from the codecs' configurations, and the units that are picture
// stay, as one extent.
func TestMessagesInPicturesGo(t *testing.T) {
	nal := func(kind byte, rest string) string { return be32(len(rest)+2) + string([]byte{kind << 1, 1}) + rest }
	obu := func(kind byte, rest string) string { return string([]byte{kind<<3 | 2, byte(len(rest))}) + rest }
	hvcc := func(arrays ...string) string {
		return isoBox("hvcC", strings.Repeat("\x01", 21)+"\xff"+string([]byte{byte(len(arrays))})+strings.Join(arrays, ""))
	}
	array := func(kind byte, rest string) string {
		return string([]byte{kind}) + be16(1) + be16(len(rest)+2) + string([]byte{kind << 1, 1}) + rest
	}
	for _, c := range []struct{ name, kind, data, wantData, config, wantConfig string }{
		{
			"HEVC", "hvc1", nal(39, "\x05CANARY") + nal(39, "\x89hdr") + nal(20, "SLICE") + nal(40, "\x05CANARY") + nal(20, "MORE"),
			nal(39, "\x89hdr") + nal(20, "SLICE") + nal(20, "MORE"), hvcc(array(32, "VPS"), array(39, "\x05CANARY"), array(34, "PPS")), hvcc(array(32, "VPS"), array(34, "PPS")),
		},
		{
			"AV1", "av01", "\x12\x00" + obu(1, "SEQ") + obu(5, "\x04CANARY") + obu(5, "\x01CLLI") + obu(5, "\x05CANARY-time") + obu(6, "FRAME") + obu(15, "CANARY"),
			"\x12\x00" + obu(1, "SEQ") + obu(5, "\x01CLLI") + obu(6, "FRAME"), isoBox("av1C", "\x81\x00\x00\x00"+obu(1, "SEQ")+obu(5, "\x1fCANARY")), isoBox("av1C", "\x81\x00\x00\x00"+obu(1, "SEQ")),
		},
		{"units that cannot be read stay", "hvc1", "\xff\xff\xff\xffX", "\xff\xff\xff\xffX", hvcc(), hvcc()},
	} {
		write := func(data, config string) []byte {
			return heifIn{
				brands: heicBrands, properties: []string{config},
				items: []heifItemIn{{id: 1, kind: c.kind, data: data, properties: "\x81"}},
			}.write()
		}
		// Both are stripped, since the test's own writer does not write as the copy does.
		got, _ := strip(t, write(c.data, c.config))
		want, _ := strip(t, write(c.wantData, c.wantConfig))
		if !bytes.Equal(got, want) || !strings.Contains(string(got), c.wantData) || !strings.Contains(string(got), c.wantConfig) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, got, want)
		}
	}
}

// TestToneMapStays: a tone-mapped alternative with its gain map (ISO 21496-1) stays with the group that offers it.
func TestToneMapStays(t *testing.T) {
	h := heifIn{
		brands: "heic\x00\x00\x00\x00mif1heictmap",
		items: []heifItemIn{
			{id: 1, kind: "hvc1", data: "BASE", properties: "\x81"},
			{id: 2, kind: "hvc1", data: "GAIN", properties: "\x81"},
			{id: 3, kind: "tmap", data: "\x00GAINMAP", properties: "\x02"},
			{id: 4, kind: "hvc1", data: "CANARY", properties: "\x81"},
		},
		properties: []string{isoBox("hvcC", "CONFIG"), fullBox("ispe", be32(4)+be32(2))},
		refs:       []string{ref("dimg", 3, 1, 2)},
		groups:     isoBox("altr", "\x00\x00\x00\x00"+be32(7)+be32(2)+be32(3)+be32(1)) + isoBox("ster", "\x00\x00\x00\x00"+be32(8)+be32(2)+be32(1)+be32(4)),
	}
	out, _ := strip(t, h.write())
	for _, want := range []string{isoBox("grpl", isoBox("altr", "\x00\x00\x00\x00"+be32(7)+be32(2)+be32(3)+be32(1))), ref("dimg", 3, 1, 2), "BASEGAIN\x00GAINMAP", "tmap"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("copy lacks %q: %q", want, out)
		}
	}
	if strings.Contains(string(out), "CANARY") {
		t.Errorf("copy holds the other picture: %q", out)
	}
}

func TestHEIFThatIsNone(t *testing.T) {
	change := func(f func(*heifIn)) []byte {
		h := rich()
		f(&h)
		return h.write()
	}
	whole := rich().write()
	for _, c := range []struct {
		name string
		in   []byte
		want error
		text string
	}{
		{"ftyp alone", []byte(isoBox("ftyp", heicBrands)), metadata.ErrDamaged, "without a picture"},
		{"cut in meta", whole[:200], metadata.ErrDamaged, "ends in a box"},
		{"cut in mdat", whole[:bytes.Index(whole, []byte("TILE-TWO"))], metadata.ErrDamaged, "lies outside the file"},
		{"no picture where the tables say", whole[:bytes.LastIndex(whole, []byte("uuid"))-4], metadata.ErrDamaged, "outside the file"},
		{"tile that is not there", change(func(h *heifIn) { h.refs[0] = ref("dimg", 5, 1, 77) }), metadata.ErrDamaged, "not there"},
		{"picture of an unknown kind", change(func(h *heifIn) { h.items[1].kind = "what" }), metadata.ErrUnsupported, "kind what"},
		{"picture made of metadata", change(func(h *heifIn) { h.refs[0] = ref("dimg", 5, 7) }), metadata.ErrUnsupported, "kind mime"},
		{"essential property that is unknown", change(func(h *heifIn) { h.items[0].properties += "\x88" }), metadata.ErrUnsupported, "essential property uuid"},
		{"property that is not there", change(func(h *heifIn) { h.items[0].properties += "\x3f" }), metadata.ErrDamaged, "property that is not there"},
		{"mini box", []byte(isoBox("ftyp", heicBrands) + isoBox("mini", "x")), metadata.ErrUnsupported, "mini"},
		{"fragments", []byte(isoBox("ftyp", heicBrands) + isoBox("moof", "x")), metadata.ErrUnsupported, "moof"},
		{"another handler", bytes.Replace(whole, []byte("pict"), []byte("null"), 1), metadata.ErrUnsupported, "no pictures"},
		{"place in another item", bytes.Replace(whole, []byte(be16(1)+be16(0)+be16(0)+be16(1)), []byte(be16(1)+be16(2)+be16(0)+be16(1)), 1), metadata.ErrDamaged, "within another"},
		{"place in another file", bytes.Replace(whole, []byte(be16(1)+be16(0)+be16(0)+be16(1)), []byte(be16(1)+be16(0)+be16(1)+be16(1)), 1), metadata.ErrDamaged, "within another"},
		{"encrypted", bytes.Replace(whole, []byte(be16(5)+"\x00\x00grid"), []byte(be16(5)+"\x00\x01grid"), 1), metadata.ErrUnsupported, "encrypted"},
		{"item information of an old kind", bytes.Replace(whole, []byte("infe\x02"), []byte("infe\x01"), 1), metadata.ErrUnsupported, "version 0 or 1"},
	} {
		_, err := metadata.Strip(bytes.NewReader(c.in), int64(len(c.in)))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want %v with %q", c.name, err, c.want, c.text)
		}
	}
}

func TestAVIFPixelsAreTheSame(t *testing.T) {
	samePixels(t, withSamples(t, makePictures(t, "avif"), "formats/*.avif"), stripped(t))
}

// TestAVIFOrientations turns sharp's AVIF by irot and imir, all eight ways, and asks sharp what it sees before and after.
func TestAVIFOrientations(t *testing.T) {
	in := makePictures(t, "avif")["lossless.avif"]
	files := make(map[string][]byte)
	seen := make(map[int]bool)
	for turn := range 4 {
		for mirror := range 3 {
			b := turned(t, in, turn, mirror)
			files[fmt.Sprintf("turn %d, mirror %d.avif", turn, mirror)] = b
			info, err := metadata.Describe(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			seen[info.Orientation] = true
			out, _ := strip(t, b)
			if after, err := metadata.Describe(bytes.NewReader(out), int64(len(out))); err != nil || after.Orientation != info.Orientation {
				t.Errorf("turn %d, mirror %d: orientation %d became %d (%v)", turn, mirror, info.Orientation, after.Orientation, err)
			}
		}
	}
	if len(seen) != 8 {
		t.Errorf("orientations %v, want all eight", seen)
	}
	samePixels(t, files, stripped(t))
	var plain, quarter map[string]string
	plain = map[string]string{"op": "pixels", "file": writeFile(t, "a.avif", files["turn 0, mirror 0.avif"])}
	quarter = map[string]string{"op": "pixels", "file": writeFile(t, "b.avif", files["turn 1, mirror 0.avif"])}
	if a := ask(t, plain, quarter); a[0] == a[1] || !strings.HasPrefix(a[1], "61x97x") {
		t.Errorf("sharp does not turn the test's picture: %s, %s", a[0], a[1])
	}
}

// turned puts irot and, for mirror 1 and 2, imir at the end of ipco, and gives them to the last item of ipma. in has meta before
// mdat, where one item has its one extent, whose place moves.
func turned(t *testing.T, in []byte, turn, mirror int) []byte {
	t.Helper()
	added := isoBox("irot", string([]byte{byte(turn)}))
	if mirror > 0 {
		added += isoBox("imir", string([]byte{byte(mirror - 1)}))
	}
	b := bytes.Clone(in)
	at := func(kind string) int {
		i := bytes.Index(b, []byte(kind))
		if i < 4 {
			t.Fatalf("no %s", kind)
		}
		return i - 4
	}
	grow := func(kind string, n int) {
		i := at(kind)
		binary.BigEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:])+uint32(n))
	}
	properties := 0
	ipco := at("ipco")
	end := ipco + int(binary.BigEndian.Uint32(b[ipco:]))
	for i := ipco + 8; i < end; i += int(binary.BigEndian.Uint32(b[i:])) {
		properties++
	}
	ipma := at("ipma")
	// The last entry is the one of the picture that is shown: each has the item's number, a count, and so many properties.
	count := ipma + 18
	for n := binary.BigEndian.Uint32(b[ipma+12:]); n > 1; n-- {
		count += 1 + int(b[count]) + 2
	}
	if string(b[ipma+8:ipma+12]) != "\x00\x00\x00\x00" || b[count+int(b[count])] == 0 {
		t.Fatalf("ipma is not as this test expects: %q", b[ipma:ipma+24])
	}
	numbers := []byte{byte(properties+1) | 0x80}
	if mirror > 0 {
		numbers = append(numbers, byte(properties+2)|0x80)
	}
	list := count + 1 + int(b[count])
	b[count] += byte(len(numbers))
	b = append(b[:list:list], append(bytes.Clone(numbers), b[list:]...)...)
	b = append(b[:end:end], append([]byte(added), b[end:]...)...)
	grow("ipco", len(added))
	grow("iprp", len(added)+len(numbers))
	grow("ipma", len(numbers))
	grow("meta", len(added)+len(numbers))
	// iloc: the place of the first item's data is where mdat's data began.
	old := be32(bytes.Index(in, []byte("mdat")) + 4)
	iloc := at("iloc")
	place := bytes.Index(b[iloc:], []byte(old))
	if place < 0 {
		t.Fatalf("iloc is not as this test expects: %q", b[iloc:iloc+40])
	}
	copy(b[iloc+place:], be32(bytes.Index(b, []byte("mdat"))+4))
	return b
}

// TestSequenceStays: the samples of an AVIF image sequence that avifenc wrote are where the copy's tables say.
func TestSequenceStays(t *testing.T) {
	in := readFile(t, "testdata/sequence.avif")
	out, _ := strip(t, in)
	samples := func(b []byte) (list []string) {
		for len(b) > 0 {
			i := bytes.Index(b, []byte("stsz"))
			if i < 0 {
				return list
			}
			list = append(list, string(b[i:i+24]))
			b = b[i+4:]
		}
		return list
	}
	if a, b := samples(in), samples(out); len(a) != 2 || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("tables of sizes differ: %q and %q", a, b)
	}
	offsets := func(b []byte) (list []int) {
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte("stco\x00\x00\x00\x00\x00\x00\x00\x01"))
			if i < 0 {
				return list
			}
			at += i + 12
			list = append(list, int(binary.BigEndian.Uint32(b[at:])))
		}
	}
	sizes := []int{0x14a + 0x171, 0x1b + 0x11}
	before, after := offsets(in), offsets(out)
	if len(before) != 2 || len(after) != 2 {
		t.Fatalf("places of samples: %v and %v", before, after)
	}
	for i, n := range sizes {
		if !bytes.Equal(in[before[i]:before[i]+n], out[after[i]:after[i]+n]) {
			t.Errorf("samples of track %d differ", i+1)
		}
	}
	for _, name := range []string{"libavif", "Color", "Alpha"} {
		if bytes.Contains(out, []byte(name)) {
			t.Errorf("copy holds the name %q", name)
		}
	}
	created := in[bytes.Index(in, []byte("mvhd"))+8:][:8]
	if bytes.Equal(created, make([]byte, 8)) || bytes.Contains(out, created) {
		t.Errorf("time of creation % x is not there, or stays", created)
	}
	for _, b := range [][]byte{in, out} {
		info, err := metadata.Describe(bytes.NewReader(b), int64(len(b)))
		if err != nil || info.Frames != 2 || info.Width != 48 || info.Format != metadata.AVIF {
			t.Errorf("Describe: %+v, %v; want 2 frames of 48x32", info, err)
		}
	}
}

func FuzzStripHEIF(f *testing.F) {
	f.Add(rich().write())
	f.Add(readFile(f, "testdata/sequence.avif"))
	f.Add(readFile(f, "testdata/grid.heic"))
	f.Fuzz(stripFuzz)
}
