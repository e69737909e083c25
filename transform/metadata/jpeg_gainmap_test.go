package metadata_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

const (
	xmpHead = "http://ns.adobe.com/xap/1.0/\x00"
	isoHead = "urn:iso:std:iso:ts:21496:-1\x00"
	hdrgmNS = `xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"`
)

func xmpOf(attributes, elements string) string {
	return seg(0xe1, xmpHead+`<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="CANARY-toolkit"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">`+
		`<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="CANARY-tool" `+hdrgmNS+` `+attributes+`>`+elements+`</rdf:Description></rdf:RDF></x:xmpmeta>`)
}

// ultraHDR ties primary, whose application segments are given, and second by MPF, which is the last of the segments.
func ultraHDR(primary []byte, segments string, second []byte, tail string) []byte {
	mpf := func(n, offset int) string {
		be := binary.BigEndian
		b := []byte("MPF\x00MM\x00*\x00\x00\x00\x08\x00\x02\xb0\x00\x00\x07\x00\x00\x00\x040100\xb0\x02\x00\x07\x00\x00\x00\x20\x00\x00\x00\x26\x00\x00\x00\x00")
		b = be.AppendUint32(b, 0x30000)
		b = append(be.AppendUint32(b, uint32(n)), make([]byte, 12)...)
		b = be.AppendUint32(b, uint32(len(second)))
		return seg(0xe2, string(append(be.AppendUint32(b, uint32(offset)), 0, 0, 0, 0)))
	}
	whole := afterSOI(primary, segments, mpf(0, 0))
	index := 2 + len(segments) + 8
	whole = afterSOI(primary, segments, mpf(len(whole), len(whole)-index))
	return append(append(whole, second...), tail...)
}

func TestGainMapStays(t *testing.T) {
	base := baseline(t)
	one := `hdrgm:Version="1.0" hdrgm:GainMapMax="2.5" hdrgm:HDRCapacityMax="2.5" hdrgm:Private="CANARY-private"`
	three := `<hdrgm:GainMapMax><rdf:Seq><rdf:li>1</rdf:li><rdf:li>2</rdf:li><rdf:li>3.5</rdf:li></rdf:Seq></hdrgm:GainMapMax>`
	iso := isoHead + "\x00\x00\x00\x00\x40" + strings.Repeat("\x00\x00\x00\x01", 14)
	noise := seg(0xfe, "CANARY-comment") + seg(0xe1, "Exif\x00\x00"+orientedTIFF(binary.BigEndian, 6))
	tail := "\x00\x00\x00\x18ftypmp42CANARY-video"
	for _, c := range []struct {
		name           string
		primary, gains string
		want           []string
	}{
		{"XMP", xmpOf(`hdrgm:Version="1.0"`, ""), xmpOf(one, ""), []string{`hdrgm:GainMapMax="2.5"`, `Item:Semantic="GainMap"`}},
		{"XMP with a number for each colour", xmpOf(`hdrgm:Version="1.0"`, ""), xmpOf(`hdrgm:Version="1.0"`, three), []string{"<rdf:li>3.5</rdf:li>"}},
		{"ISO 21496-1", seg(0xe2, isoHead+"\x00\x00\x00\x00"), seg(0xe2, iso+"CANARY-behind"), []string{iso}},
		{"both", xmpOf(`hdrgm:Version="1.0"`, "") + seg(0xe2, isoHead+"\x00\x00\x00\x00"), xmpOf(one, "") + seg(0xe2, iso), []string{iso, `hdrgm:GainMapMax="2.5"`}},
	} {
		second := afterSOI(base, noise, c.gains)
		in := ultraHDR(base, noise+c.primary, second, tail)
		out, p := strip(t, in)
		if left := canary.FindAllString(string(out), -1); left != nil {
			t.Errorf("%s: copy holds %q", c.name, left)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: copy lacks %q", c.name, want)
			}
		}
		if p.Orientation != 6 {
			t.Errorf("%s: orientation %d, want 6", c.name, p.Orientation)
		}
		if again, _ := strip(t, out); !bytes.Equal(again, out) {
			t.Errorf("%s: the copy's copy differs", c.name)
		}
		gains := gainMapOf(t, out)
		if !bytes.Equal(decode(t, gains), decode(t, base)) || !bytes.Equal(decode(t, out), decode(t, base)) {
			t.Errorf("%s: djpeg sees other pixels", c.name)
		}
	}
}

// gainMapOf follows the MPF index to the second picture, as a viewer does.
func gainMapOf(t *testing.T, b []byte) []byte {
	t.Helper()
	i := bytes.Index(b, []byte("MPF\x00II*\x00"))
	if i < 0 {
		t.Fatalf("no MPF index: %q", b[:300])
	}
	index := i + 4
	entry := b[index+50+16:]
	n, off := int(binary.LittleEndian.Uint32(entry[4:])), index+int(binary.LittleEndian.Uint32(entry[8:]))
	if first := int(binary.LittleEndian.Uint32(b[index+54:])); first != off || off+n != len(b) {
		t.Fatalf("index says %d bytes, then %d at %d; file has %d", first, n, off, len(b))
	}
	return b[off:]
}

func TestWhatIsNoGainMapGoes(t *testing.T) {
	base := baseline(t)
	gains := afterSOI(base, xmpOf(`hdrgm:Version="1.0" hdrgm:GainMapMax="2"`, ""))
	ties := xmpOf(`hdrgm:Version="1.0"`, "")
	dangling := ultraHDR(base, ties, gains, "")
	for _, c := range []struct {
		name string
		in   []byte
	}{
		{"second picture without parameters", ultraHDR(base, ties, afterSOI(base, seg(0xfe, "CANARY")), "")},
		{"primary without ties", ultraHDR(base, seg(0xfe, "CANARY"), gains, "")},
		{"second picture that is damaged", ultraHDR(base, ties, gains[:len(gains)/4], "")},
		{"second picture that is none", ultraHDR(base, ties, []byte("CANARY-CANARY"), "")},
		{"index that points outside", dangling[:len(dangling)-len(gains)]},
		{"motion photo", append(afterSOI(base, seg(0xe1, xmpHead+`<x GCamera:MotionPhoto="1" CANARY="x"/>`)), "\x00\x00\x00\x18ftypmp42CANARY"...)},
	} {
		if out, _ := strip(t, c.in); !bytes.Equal(out, base) {
			t.Errorf("%s: copy has %d bytes, want the picture's %d and no ties", c.name, len(out), len(base))
		}
	}
}

// TestGainMapOfSamples asks libultrahdr, through sharp, what it finds before and after.
func TestGainMapOfSamples(t *testing.T) {
	for _, f := range samples(t, "formats/ultra-hdr.jpg") {
		in := readFile(t, f)
		out, _ := strip(t, in)
		answers := ask(t, map[string]string{"op": "about", "file": f}, map[string]string{"op": "about", "file": writeFile(t, filepath.Base(f), out)})
		for _, a := range answers {
			var about struct{ GainMap struct{ Image int } }
			if err := json.Unmarshal([]byte(a), &about); err != nil || about.GainMap.Image < 10000 {
				t.Errorf("sharp finds a gain map of %d bytes: %s", about.GainMap.Image, a)
			}
		}
		if second := run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), "-b", "-MPImage2", f); len(second) < 10000 || !bytes.Equal(decode(t, second), decode(t, gainMapOf(t, out))) {
			t.Error("djpeg sees another gain map")
		}
	}
}

func FuzzGainMap(f *testing.F) {
	base := baseline(f)
	f.Add(ultraHDR(base, xmpOf(`hdrgm:Version="1.0"`, ""), afterSOI(base, xmpOf(`hdrgm:Version="1.0" hdrgm:GainMapMax="2"`, "")), "x"))
	f.Add(ultraHDR(base, seg(0xe2, isoHead+"\x00\x00\x00\x00"), afterSOI(base, seg(0xe2, isoHead+strings.Repeat("\x00", 70))), ""))
	f.Fuzz(func(t *testing.T, in []byte) {
		if metadata.Sniff(in) != metadata.JPEG {
			return
		}
		out, err := tryStrip(metadata.Options{}, in)
		if err != nil {
			return
		}
		// The ties are at most two XMP packets, two ISO segments and an index.
		if len(out) > len(in)+4096 {
			t.Errorf("%d bytes became %d", len(in), len(out))
		}
		if again, err := tryStrip(metadata.Options{}, out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("the copy's copy differs (%v): %d and %d bytes", err, len(out), len(again))
		}
	})
}
