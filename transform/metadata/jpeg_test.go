package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// encodings are JPEGs of every kind that browsers show.
func encodings(t *testing.T) map[string][]byte {
	cjpeg, jpegtran := tool(t, "cjpeg", "libjpeg-turbo-progs"), tool(t, "jpegtran", "libjpeg-turbo-progs")
	picture := ppm(scene(131, 77))
	files := map[string][]byte{"of Go": baseline(t), "sample": sample.JPEG}
	for _, args := range []string{
		"-baseline", "-progressive", "-rgb", "-grayscale", "-optimize", "-restart 1", "-restart 5B -progressive",
		"-sample 1x1", "-sample 2x1,1x1,1x1", "-arithmetic", "-arithmetic -progressive", "-quality 3", "-quality 100",
	} {
		files["cjpeg "+args] = run(t, picture, cjpeg, strings.Fields(args)...)
	}
	files["jpegtran -progressive"] = run(t, sample.JPEG, jpegtran, "-progressive", "-copy", "all")
	cmyk := filepath.Join(t.TempDir(), "cmyk.jpg")
	ask(t, map[string]string{"op": "cmyk", "file": writeFile(t, "rgb.jpg", baseline(t)), "out": cmyk})
	files["CMYK"] = readFile(t, cmyk)
	for _, f := range append(samples(t, "photos/*.jpg"), samples(t, "formats/*.jpg")...) {
		files[filepath.Base(f)] = readFile(t, f)
	}
	for _, f := range samples(t, "exif-golden/*.jpg") {
		files[filepath.Base(f)] = readFile(t, f)
	}
	return files
}

// TestPixelsAreTheSame asks libjpeg-turbo and libvips what they see before and after.
func TestPixelsAreTheSame(t *testing.T) {
	dir := t.TempDir()
	var names []string
	var questions []map[string]string
	for name, in := range encodings(t) {
		out, _ := strip(t, in)
		if before, after := decode(t, in), decode(t, out); !bytes.Equal(before, after) {
			t.Errorf("%s: djpeg decodes other pixels after the strip", name)
		}
		for _, b := range [][]byte{in, out} {
			file := filepath.Join(dir, fmt.Sprintf("%d.jpg", len(questions)))
			if err := os.WriteFile(file, b, 0o666); err != nil {
				t.Fatal(err)
			}
			questions = append(questions, map[string]string{"op": "upright", "file": file})
		}
		names = append(names, name)
	}
	answers := ask(t, questions...)
	for i, name := range names {
		if answers[2*i] != answers[2*i+1] || strings.HasPrefix(answers[2*i], "error") {
			t.Errorf("%s: upright, sharp sees %s before and %s after", name, answers[2*i], answers[2*i+1])
		}
	}
}

// TestExiftoolFindsNothing asks exiftool what is left in the copies.
func TestExiftoolFindsNothing(t *testing.T) {
	exiftool := tool(t, "exiftool", "libimage-exiftool-perl")
	dir := t.TempDir()
	i := 0
	for _, in := range encodings(t) {
		out, _ := strip(t, in)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), out, 0o666); err != nil {
			t.Fatal(err)
		}
		i++
	}
	checkExiftool(t, run(t, nil, exiftool, "-r", "-a", "-G1", "-s", "-ee3", "-U", "-e", dir), i)
}

// checkExiftool reads exiftool's report about n files: groups of the file itself and of ICC may stand, and Orientation.
func checkExiftool(t *testing.T, report []byte, n int) {
	t.Helper()
	if got := bytes.Count(report, []byte("======== ")); got != n {
		t.Errorf("exiftool looked at %d files, want %d", got, n)
	}
	file := ""
	for line := range strings.Lines(string(report)) {
		if strings.HasPrefix(line, "========") || !strings.HasPrefix(line, "[") {
			file = line
			continue
		}
		group, _, _ := strings.Cut(line[1:], "]")
		tag := strings.Fields(line[len(group)+2:])[0]
		switch group {
		case "System", "File", "JFIF", "PNG", "PNG-cICP", "PNG-pHYs", "Adobe", "APNG", "RIFF", "GIF", "QuickTime", "Meta", "Jpeg2000", "JXL", "SVG":
			if tag != "Warning" && tag != "Comment" && (group != "QuickTime" || !strings.Contains(tag, "Date")) {
				continue
			}
		case "MPF0", "MPImage1", "MPImage2", "XMP-hdrgm", "XMP-Container":
			// The ties between a picture and its gain map.
			continue
		case "ExifTool":
			// Half a picture is what the file was before, too.
			if tag == "ExifToolVersion" || tag == "Warning" && strings.Contains(line, "JPEG EOI marker not found") {
				continue
			}
		case "IFD0", "IFD1", "IFD2":
			if tag == "Orientation" || strings.HasSuffix(file, ".tiff\n") && tiffTags.MatchString(tag) {
				continue
			}
		}
		if strings.HasPrefix(group, "ICC") {
			continue
		}
		t.Errorf("%sexiftool still finds %s", file, line)
	}
}

// tiffTags are those that a TIFF cannot be read or shown without.
var tiffTags = regexp.MustCompile(`^(ImageWidth|ImageHeight|BitsPerSample|Compression|PhotometricInterpretation|SamplesPerPixel|` +
	`RowsPerStrip|Strip.*|Tile.*|PlanarConfiguration|Predictor|[XY]Resolution|ResolutionUnit|ExtraSamples|SampleFormat|SubfileType|JPEGTables|` +
	`YCbCr.*|ReferenceBlackWhite|FillOrder|PageNumber|T[46]Options|ColorMap|PreviewImageStart|PreviewImageLength)$`)

func TestOrientation(t *testing.T) {
	base := baseline(t)
	exif := func(order binary.ByteOrder, o int) string { return seg(0xe1, "Exif\x00\x00"+orientedTIFF(order, o)) }
	for o := range 11 {
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			out, p := strip(t, afterSOI(base, exif(order, o)))
			want, tag := 1, ""
			if o >= 2 && o <= 8 {
				want = o
				tag = seg(0xe1, "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"+string([]byte{byte(o)})+"\x00\x00\x00\x00\x00\x00")
			}
			if p.Orientation != want {
				t.Errorf("orientation %d, %v: plan says %d, want %d", o, order, p.Orientation, want)
			}
			if !bytes.Equal(out, afterSOI(base, tag)) {
				t.Errorf("orientation %d, %v: copy is not the picture with %d bytes of Exif", o, order, len(tag))
			}
		}
	}
	for _, c := range []struct {
		name, segments string
		want           int
	}{
		{"the first Exif counts", exif(binary.BigEndian, 6) + exif(binary.BigEndian, 3), 6},
		{"also when it says nothing", exif(binary.BigEndian, 1) + exif(binary.BigEndian, 3), 1},
		{"a LONG is not followed by browsers", seg(0xe1, "Exif\x00\x00"+block(0x112, 4, 1, "\x00\x00\x00\x06", "")), 1},
		{"nor are two values", seg(0xe1, "Exif\x00\x00"+block(0x112, 3, 2, "\x00\x06\x00\x06", "")), 1},
		{"Exif that is no TIFF", seg(0xe1, "Exif\x00\x00garbage"), 1},
		{"XMP's orientation is not one", seg(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x tiff:Orientation='6'/>"), 1},
	} {
		if _, p := strip(t, afterSOI(base, c.segments)); p.Orientation != c.want {
			t.Errorf("%s: got orientation %d, want %d", c.name, p.Orientation, c.want)
		}
	}
}

func TestSegmentsThatStay(t *testing.T) {
	base := baseline(t)
	profile := iccProfile(300, 300)
	icc := func(n, of int, data string) string {
		return seg(0xe2, "ICC_PROFILE\x00"+string([]byte{byte(n), byte(of)})+data)
	}
	jfif := func(tail string) string { return seg(0xe0, "JFIF\x00\x01\x02\x01\x00\x48\x00\x48"+tail) }
	const adobe = "Adobe\x00\x64\x00\x00\x00\x00\x01"
	for _, c := range []struct{ name, in, want string }{
		{"JFIF", jfif("\x00\x00"), jfif("\x00\x00")},
		{"JFIF loses its thumbnail", jfif("\x01\x01abc"), jfif("\x00\x00")},
		{"JFIF loses what follows it", jfif("\x00\x00more"), jfif("\x00\x00")},
		{"a second JFIF goes", jfif("\x00\x00") + jfif("\x00\x00"), jfif("\x00\x00")},
		{"a short JFIF goes", seg(0xe0, "JFIF\x00\x01\x02"), ""},
		{"JFXX goes", jfif("\x00\x00") + seg(0xe0, "JFXX\x00\x13\x01\x01abc"), jfif("\x00\x00")},
		{"Adobe", seg(0xee, adobe), seg(0xee, adobe)},
		{"Adobe loses what follows it", seg(0xee, adobe+"more"), seg(0xee, adobe)},
		{"a short Adobe goes", seg(0xee, adobe[:11]), ""},
		{"another APP14 goes", seg(0xee, "Adoba\x00\x64\x00\x00\x00\x00\x01"), ""},
		{"ICC", icc(1, 1, profile), icc(1, 1, profile)},
		{"ICC in pieces, out of order, other segments between", icc(2, 2, profile[200:]) + seg(0xfe, "x") + icc(1, 2, profile[:200]), icc(2, 2, profile[200:]) + icc(1, 2, profile[:200])},
		{"ICC loses what follows the profile", icc(1, 2, profile[:200]) + icc(2, 2, profile[200:]+"more"), icc(1, 2, profile[:200]) + icc(2, 2, profile[200:])},
		{"ICC that is cut stays with the decoder", icc(1, 1, profile[:250]), icc(1, 1, profile[:250])},
		{"ICC with a whole piece too many goes", icc(1, 2, profile) + icc(2, 2, "more"), ""},
		{"ICC with a piece missing goes", icc(1, 2, profile), ""},
		{"ICC with a piece twice goes", icc(1, 2, profile[:200]) + icc(1, 2, profile[:200]), ""},
		{"ICC that counts differently goes", icc(1, 2, profile[:200]) + icc(2, 3, profile[200:]), ""},
		{"ICC number 0 goes", icc(0, 1, profile), ""},
		{"ICC that is no profile goes", icc(1, 1, strings.Repeat("x", 300)), ""},
		{"ICC that is shorter than a header goes", icc(1, 1, profile[:100]), ""},
		{"APP2 of MPF and FlashPix go", seg(0xe2, "MPF\x00II*\x00\x08\x00\x00\x00") + seg(0xe2, "FPXR\x00\x00"), ""},
		{"fill bytes go", "\xff\xff\xff" + seg(0xee, adobe), seg(0xee, adobe)},
		{"junk and stray markers go", seg(0xfe, "x") + "junk\xff\x00junk\xff\xd3\xff\x01" + seg(0xee, adobe), seg(0xee, adobe)},
	} {
		out, _ := strip(t, afterSOI(base, c.in))
		if want := afterSOI(base, c.want); !bytes.Equal(out, want) {
			t.Errorf("%s: segments after SOI are\n%q, want\n%q", c.name, out[2:2+max(len(out)-len(base), 0)], c.want)
		}
	}
}

func TestEndOfTheFile(t *testing.T) {
	base := baseline(t)
	progressive := run(t, ppm(scene(64, 64)), tool(t, "cjpeg", "libjpeg-turbo-progs"), "-progressive")
	lastDHT := bytes.LastIndex(progressive, []byte("\xff\xc4"))
	for _, c := range []struct {
		name     string
		in, want []byte
	}{
		{"trailer goes", append(bytes.Clone(base), "trailer\xff\xd8\xff\xd9"...), base},
		{"fill bytes before EOI go", beforeLast(base, "\xff\xd9", "\xff\xff"), base},
		{"missing EOI is added", base[:len(base)-2], base},
		{"half an EOI is completed", base[:len(base)-1], base},
		{"picture cut in a later segment ends before it", progressive[:lastDHT+10], append(bytes.Clone(progressive[:lastDHT]), "\xff\xd9"...)},
		{"comment after the scan goes", beforeLast(base, "\xff\xd9", seg(0xfe, "x")+seg(0xe1, "Exif\x00\x00x")), base},
	} {
		out, _ := strip(t, c.in)
		if !bytes.Equal(out, c.want) {
			t.Errorf("%s: got %d bytes ending in %x, want %d ending in %x", c.name, len(out), out[len(out)-8:], len(c.want), c.want[len(c.want)-8:])
		}
	}
}

func TestHeightThatComesAfterTheScan(t *testing.T) {
	base := baseline(t)
	sof := bytes.Index(base, []byte("\xff\xc0"))
	noHeight := bytes.Clone(base)
	noHeight[sof+5], noHeight[sof+6] = 0, 0
	in := beforeLast(noHeight, "\xff\xd9", seg(0xdc, "\x00\x3d"))
	if out, _ := strip(t, in); !bytes.Equal(out, in) {
		t.Error("DNL after the first scan does not stay")
	}
	_, err := metadata.Strip(bytes.NewReader(noHeight), int64(len(noHeight)))
	if !errors.Is(err, metadata.ErrDamaged) {
		t.Errorf("no height and no DNL: got %v, want ErrDamaged", err)
	}
}

func TestDamagedJPEG(t *testing.T) {
	base := baseline(t)
	replace := func(old, new string) []byte { return bytes.Replace(base, []byte(old), []byte(new), 1) }
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"three bytes", base[:3], "ends before its picture"},
		{"cut in the tables", base[:100], "ends before its picture"},
		{"EOI before a scan", []byte("\xff\xd8\xff\xd9"), "ends before its picture"},
		{"second SOI", afterSOI(base, "\xff\xd8"), "second SOI"},
		{"segment of length 1", afterSOI(base, "\xff\xfe\x00\x01"), "shorter than its own length"},
		{"segment that swallows the picture", afterSOI(base, "\xff\xfe\xff\xff"), "ends before its picture"},
		{"reserved marker", afterSOI(base, seg(0x02, "x")), "no decoder knows"},
		{"JPG extension marker", afterSOI(base, seg(0xc8, "x")), "no decoder knows"},
		{"JPEG-LS", afterSOI(base, seg(0xf7, "x")), "no decoder knows"},
		{"bytes behind a quantization table", afterSOI(base, seg(0xdb, strings.Repeat("\x00", 65)+"more")), "quantization"},
		{"quantization table 4", afterSOI(base, seg(0xdb, "\x04"+strings.Repeat("\x01", 64))), "quantization"},
		{"bytes behind a Huffman table", afterSOI(base, seg(0xc4, strings.Repeat("\x00", 17)+"more")), "Huffman"},
		{"Huffman table with more values than it has", afterSOI(base, seg(0xc4, "\x00"+strings.Repeat("\x10", 16)+"x")), "Huffman"},
		{"bytes behind a restart interval", afterSOI(base, seg(0xdd, "\x00\x00more")), "DRI"},
		{"odd arithmetic conditioning", afterSOI(base, seg(0xcc, "\x00\x10x")), "arithmetic"},
		{"two frames", afterSOI(base, seg(0xc0, "\x08\x00\x10\x00\x10\x01\x01\x11\x00")), "second frame"},
		{"bytes behind the frame", replace("\xff\xc0\x00\x11", "\xff\xc0\x00\x12"), "frame header"},
		{"200 components", afterSOI(base, seg(0xc0, "\x08\x00\x10\x00\x10\xc8"+strings.Repeat("\x01\x11\x00", 200))), "components"},
		{"no width", afterSOI(base, seg(0xc0, "\x08\x00\x10\x00\x00\x01\x01\x11\x00")), "impossible size"},
		{"sampling factor 5", afterSOI(base, seg(0xc0, "\x08\x00\x10\x00\x10\x01\x01\x51\x00")), "sampling"},
		{"scan before the frame", afterSOI(base, seg(0xda, "\x01\x01\x00\x00\x3f\x00")), "before the frame"},
		{"bytes behind the scan header", replace("\xff\xda\x00\x0c", "\xff\xda\x00\x0d"), "scan header"},
		{"scan of four components where there are three", replace("\xff\xda\x00\x0c\x03", "\xff\xda\x00\x0e\x04"), "scan header"},
		{"unknown marker in the scan", beforeLast(base, "\xff\xd9", seg(0x55, "x")), "no decoder knows"},
		{"DNL of three bytes", beforeLast(base, "\xff\xd9", seg(0xdc, "\x00\x00x")), "DNL"},
		{"thousands of segments to drop", afterSOI(base, strings.Repeat(seg(0xdd, "\x00\x00")+seg(0xfe, ""), 5000)), "too many segments"},
	} {
		_, err := metadata.Strip(bytes.NewReader(c.in), int64(len(c.in)))
		d, ok := errors.AsType[*metadata.DamagedError](err)
		if !ok || !errors.Is(err, metadata.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a *DamagedError with %q", c.name, err, c.want)
			continue
		}
		if d.Format != metadata.JPEG || d.Offset < 0 || d.Offset > int64(len(c.in)) {
			t.Errorf("%s: error says %s at %d", c.name, d.Format, d.Offset)
		}
	}
	hierarchical := replace("\xff\xc0", "\xff\xc5")
	if _, err := metadata.Strip(bytes.NewReader(hierarchical), int64(len(hierarchical))); !errors.Is(err, metadata.ErrUnsupported) {
		t.Errorf("hierarchical frame: got %v, want ErrUnsupported", err)
	}
}
