package metadata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func describe(t testing.TB, b []byte) *metadata.Info {
	t.Helper()
	i, err := metadata.Describe(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("Describe: %v", err)
	}
	return i
}

// TestDescribe compares with what exiftool reads in the same files: size, orientation, position, XMP and IPTC.
func TestDescribe(t *testing.T) {
	files := map[string][]byte{"a.jpg": baseline(t), "a.png": pngOf(t, scene(20, 10))}
	maps.Copy(files, makePictures(t, "webp", "gif", "tiff", "avif"))
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.HasPrefix(name, "big") || name == "pyramid.tiff" })
	for _, name := range []string{"grid.heic", "boxes.jxl"} {
		files[name] = readFile(t, filepath.Join("testdata", name))
	}
	files = withExiftool(t, files,
		"-GPSLatitude=48.8766667", "-GPSLatitudeRef=S", "-GPSLongitude=123.3933333", "-GPSLongitudeRef=W", "-GPSAltitude=12.5", "-GPSAltitudeRef#=1",
		"-EXIF:Make=Acme", "-XMP-dc:Creator=A", "-XMP-dc:Creator=B", "-XMP-dc:Rights=free", "-XMP-photoshop:City=Ort", "-XMP-iptcCore:CreatorCity=Heim",
		"-IPTC:City=Örtchen", "-IPTC:Keywords=x", "-IPTC:Keywords=y", "-charset", "iptc=UTF8", "-codedcharacterset=utf8")
	about := exiftoolReads(t, files, "-n", "-G0", "-ImageWidth", "-ImageHeight", "-EXIF:GPSLatitude", "-XMP:City", "-XMP:Creator", "-IPTC:City", "-IPTC:Keywords")
	for name, b := range files {
		i, want := describe(t, b), about[name]
		number := func(suffix string) int64 {
			for k, v := range want {
				if f, ok := v.(float64); ok && strings.HasSuffix(k, suffix) {
					return int64(f)
				}
			}
			return 0
		}
		if filepath.Ext(name) != ".jxl" && filepath.Ext(name) != ".heic" && (i.Width != number("ImageWidth") || i.Height != number("ImageHeight")) {
			t.Errorf("%s: %dx%d, exiftool says %dx%d", name, i.Width, i.Height, number("ImageWidth"), number("ImageHeight"))
		}
		if want["EXIF:GPSLatitude"] != nil {
			if p := i.GPS; p == nil || math.Abs(p.Latitude+48.8766667) > 1e-6 || math.Abs(p.Longitude+123.3933333) > 1e-6 || p.Altitude == nil || *p.Altitude != -12.5 {
				t.Errorf("%s: position %+v", name, i.GPS)
			}
		}
		if want["XMP:City"] != nil {
			info := fmt.Sprint(i.XMP["Iptc4xmpCore:CreatorContactInfo"])
			if i.XMP["photoshop:City"] != "Ort" || fmt.Sprint(i.XMP["dc:creator"]) != "[A B]" || i.XMP["dc:rights"] != "free" || info != "map[Iptc4xmpCore:CiAdrCity:Heim]" {
				t.Errorf("%s: XMP %v", name, i.XMP)
			}
		}
		if want["IPTC:City"] != nil && (i.IPTC["City"] != "Örtchen" || fmt.Sprint(i.IPTC["Keywords"]) != "[x y]") {
			t.Errorf("%s: IPTC %v", name, i.IPTC)
		}
		if text, err := i.JSON(); err != nil || !json.Valid(text) {
			t.Errorf("%s: JSON %s, %v", name, text, err)
		}
	}
	for name, has := range map[string][]string{
		"a.jpg": {"EXIF:GPSLatitude", "XMP:City", "IPTC:City"}, "a.png": {"EXIF:GPSLatitude", "XMP:City", "IPTC:City"}, "lossy.webp": {"EXIF:GPSLatitude", "XMP:City"},
		"still.gif": {"XMP:City"}, "lzw.tiff": {"EXIF:GPSLatitude", "XMP:City", "IPTC:City"}, "lossy.avif": {"EXIF:GPSLatitude", "XMP:City"},
		"grid.heic": {"EXIF:GPSLatitude", "XMP:City"}, "boxes.jxl": {"EXIF:GPSLatitude", "XMP:City"},
	} {
		for _, tag := range has {
			if about[name][tag] == nil {
				t.Errorf("%s: exiftool wrote no %s, so nothing was compared", name, tag)
			}
		}
	}
}

func TestFrames(t *testing.T) {
	files := makePictures(t, "webp", "gif", "tiff")
	for name, want := range map[string]int{"animation.webp": 3, "lossy.webp": 1, "animation.gif": 4, "still.gif": 1, "pyramid.tiff": 1} {
		if got := describe(t, files[name]).Frames; got != want {
			t.Errorf("%s: %d frames, want %d", name, got, want)
		}
	}
	if got := describe(t, animation(t)).Frames; got != 2 {
		t.Errorf("APNG: %d frames, want 2", got)
	}
}

func TestDescriptionAsJSON(t *testing.T) {
	i := describe(t, sample.JPEG)
	text, err := i.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	exif, err := metadata.ExifJSON(i.EXIF)
	if err != nil || string(got["exif"]) != string(exif) {
		t.Errorf("exif is not ExifJSON's: %.200s", got["exif"])
	}
	for name, want := range map[string]string{
		"type": `"image/jpeg"`, "bytes": fmt.Sprint(len(sample.JPEG)), "frames": "1", "orientation": "6", "width": fmt.Sprint(i.Width), "height": fmt.Sprint(i.Height),
	} {
		if string(got[name]) != want {
			t.Errorf("%s: got %s, want %s", name, got[name], want)
		}
	}
	for _, name := range []string{"icc", "gps", "xmp"} {
		if len(got[name]) < 3 {
			t.Errorf("%s: got %q, and the sample has one", name, got[name])
		}
	}
	out, _ := strip(t, sample.JPEG)
	text, err = describe(t, out).JSON()
	if err != nil || strings.Contains(string(text), "gps") || strings.Contains(string(text), "xmp") || !strings.Contains(string(text), `"exif":{"bigEndian":true,"Image":{"Orientation":6}}`) {
		t.Errorf("after the strip: %s, %v", text, err)
	}
}

func TestXMPProperties(t *testing.T) {
	const head = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:u="http://example.com/ns/"><rdf:Description rdf:about="" `
	const tail = `</rdf:RDF></x:xmpmeta>`
	for _, c := range []struct{ name, packet, want string }{
		{"attribute and element", head + `d:source="a"><d:format> b </d:format></rdf:Description>` + tail, `{"dc:format":"b","dc:source":"a"}`},
		{"lists", head + `><d:creator><rdf:Seq><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Seq></d:creator><d:subject><rdf:Bag/></d:subject></rdf:Description>` + tail, `{"dc:creator":["a","b"],"dc:subject":[]}`},
		{"languages", head + `><d:title><rdf:Alt><rdf:li xml:lang="de">d</rdf:li><rdf:li xml:lang="x-default">e</rdf:li></rdf:Alt></d:title></rdf:Description>` + tail, `{"dc:title":"e"}`},
		{"structures", head + `><u:a rdf:parseType="Resource"><u:b>1</u:b></u:a><u:c><rdf:Description u:d="2"/></u:c><u:e u:f="3"/></rdf:Description>` + tail, `{"http://example.com/ns/a":{"http://example.com/ns/b":"1"},"http://example.com/ns/c":{"http://example.com/ns/d":"2"},"http://example.com/ns/e":{"http://example.com/ns/f":"3"}}`},
		{"address", head + `><u:a rdf:resource="x:y"/></rdf:Description>` + tail, `{"http://example.com/ns/a":"x:y"}`},
		{"several descriptions", head + `d:source="a"/><rdf:Description d:format="b" d:source="c"/>` + tail, `{"dc:format":"b","dc:source":"a"}`},
		{"cut", head + `d:source="a"><d:format>b</d:format><d:ti`, `{"dc:format":"b","dc:source":"a"}`},
		{"no RDF", `<x/>`, `null`},
	} {
		b := afterSOI(baseline(t), seg(0xe1, xmpHead+c.packet))
		i := describe(t, b)
		got, err := json.Marshal(i.XMP)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
		if noted := slices.ContainsFunc(i.Notes, func(s string) bool { return strings.HasPrefix(s, "XMP") }); noted != (c.want == "null") {
			t.Errorf("%s: notes %q", c.name, i.Notes)
		}
	}
}

// TestExtendedXMP: a packet that does not fit into a segment, as exiftool writes it, is read whole, and parts in any order.
func TestExtendedXMP(t *testing.T) {
	long := strings.Repeat("a long history. ", 8000)
	file := writeFile(t, "a.jpg", baseline(t))
	run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), "-q", "-overwrite_original", "-XMP-dc:Creator=A", "-XMP-dc:Description="+long, "-XMP-photoshop:History="+long, file)
	b := readFile(t, file)
	if n := bytes.Count(b, []byte("http://ns.adobe.com/xmp/extension/")); n < 2 {
		t.Fatalf("exiftool wrote %d segments of an extension", n)
	}
	read := func(b []byte) string {
		i := describe(t, b)
		if i.XMP["photoshop:History"] != strings.TrimSpace(long) {
			return fmt.Sprintf("%.60v %q", i.XMP["photoshop:History"], i.Notes)
		}
		return fmt.Sprint(i.XMP["dc:creator"], i.Notes)
	}
	if got := read(b); got != "[A] []" {
		t.Errorf("exiftool's: %s", got)
	}
	first := bytes.Index(b, []byte("http://ns.adobe.com/xmp/extension/")) - 4
	n := 2 + int(b[first+2])<<8 + int(b[first+3])
	segment := b[first : first+n]
	without := append(bytes.Clone(b[:first]), b[first+n:]...)
	if got := read(without); !strings.Contains(got, "not whole") {
		t.Errorf("without a part: %s", got)
	}
	last := bytes.Index(without, []byte("\xff\xdb"))
	moved := append(append(bytes.Clone(without[:last]), segment...), without[last:]...)
	if got := read(moved); got != "[A] []" {
		t.Errorf("parts in another order: %s", got)
	}
}

// TestPNGTexts: IPTC and XMP in the texts that ImageMagick writes, plain and compressed.
func TestPNGTexts(t *testing.T) {
	const city = "\x1c\x02\x5a\x00\x03Ort"
	raw := func(name, data string) string { return fmt.Sprintf("\n%s\n%8d\n%x\n", name, len(data), data) }
	for _, c := range []struct{ name, kind, data, want string }{
		{"IPTC as it is", "tEXt", "Raw profile type iptc\x00" + raw("iptc", city), "Ort <nil>"},
		{"compressed", "zTXt", "Raw profile type iptc\x00\x00" + deflate(raw("iptc", city)), "Ort <nil>"},
		{"in Photoshop's resources", "zTXt", "Raw profile type iptc\x00\x00" + deflate(raw("iptc", "8BIM\x04\x04\x00\x00"+be32(len(city))+city)), "Ort <nil>"},
		{"XMP", "tEXt", "Raw profile type xmp\x00" + raw("xmp", leakXMP(false)), "<nil> [CANARY-xmp]"},
		{"too short", "tEXt", "Raw profile type iptc\x00\niptc\n 99\n1c02\n", "<nil> <nil>"},
		{"no digits", "tEXt", "Raw profile type iptc\x00\niptc\n 2\nzzzz\n", "<nil> <nil>"},
		{"another text", "tEXt", "Comment\x00" + raw("iptc", city), "<nil> <nil>"},
	} {
		i := describe(t, beforeChunk(pngOf(t, scene(9, 9)), "IDAT", pngChunk(c.kind, c.data)))
		if got := fmt.Sprintf("%v %v", i.IPTC["City"], i.XMP["dc:creator"]); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func FuzzXMP(f *testing.F) {
	f.Add([]byte(`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description a:b="c" xmlns:a="d"><a:e><rdf:Seq><rdf:li>f</rdf:li></rdf:Seq></a:e></rdf:Description></rdf:RDF>`), []byte("8BIM\x04\x04\x00\x00\x00\x00\x00\x08\x1c\x02\x5a\x00\x03abc"))
	base := baseline(f)
	f.Add([]byte(leakXMP(true)), []byte(strings.Repeat("0", 32)+be32(9)+be32(0)+"<rdf:RDF/>"))
	f.Fuzz(func(t *testing.T, packet, resources []byte) {
		if len(packet) > 60000 || len(resources) > 60000 {
			return
		}
		b := afterSOI(base, seg(0xe1, xmpHead+string(packet)), seg(0xe1, "http://ns.adobe.com/xmp/extension/\x00"+string(resources)), seg(0xed, "Photoshop 3.0\x00"+string(resources)))
		i := describe(t, b)
		if text, err := i.JSON(); err != nil || !json.Valid(text) {
			t.Errorf("JSON: %q, %v", text, err)
		}
	})
}
