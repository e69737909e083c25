package metadata_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"glassine/transform/sample"
)

var (
	canary = regexp.MustCompile(`CANARY-[A-Za-z0-9-]+`)
	// canaryUTF16 is how EXIF's XPAuthor stores it.
	canaryUTF16 = regexp.MustCompile(`C\x00A\x00N\x00A\x00R\x00Y\x00`)
)

// sampleProfile is the ICC profile of the sample picture.
func sampleProfile(t *testing.T) string {
	_, profile, ok := strings.Cut(string(sample.JPEG), "ICC_PROFILE\x00\x01\x01")
	if !ok {
		t.Fatal("the sample has no profile")
	}
	return profile[:binary.BigEndian.Uint32([]byte(profile))]
}

// exiftoolCanaries are what exiftool writes into a JPEG; each value holds a name of its own.
func exiftoolCanaries(t *testing.T, thumbnail string) []string {
	args := []string{
		"-q", "-m", "-overwrite_original",
		"-GPSLatitude=48.8766667", "-GPSLongitude=123.3933333", "-ThumbnailImage<=" + thumbnail,
	}
	for _, tag := range []string{
		"EXIF:Make", "EXIF:Model", "EXIF:Artist", "EXIF:Copyright", "EXIF:ImageDescription", "EXIF:Software",
		"EXIF:UserComment", "EXIF:XPAuthor", "EXIF:SerialNumber", "EXIF:LensSerialNumber", "EXIF:OwnerName", "EXIF:ImageUniqueID",
		"EXIF:GPSAreaInformation", "EXIF:GPSProcessingMethod", "EXIF:GPSSatellites",
		"XMP-dc:Creator", "XMP-dc:Description", "XMP-exif:GPSAreaInformation", "XMP-aux:SerialNumber", "XMP-photoshop:City", "XMP-xmpMM:DocumentID",
		"IPTC:By-line", "IPTC:City", "IPTC:Caption-Abstract", "IPTC:Contact", "Photoshop:URL", "Ducky:Comment", "File:Comment",
	} {
		args = append(args, fmt.Sprintf("-%s=CANARY-%s", tag, strings.ReplaceAll(tag, ":", "-")))
	}
	return args
}

// TestCanariesInJPEG writes a name into every place of a JPEG that can hold one, and looks for them in the copy.
func TestCanariesInJPEG(t *testing.T) {
	exiftool := tool(t, "exiftool", "libimage-exiftool-perl")
	progressive := run(t, ppm(scene(131, 77)), tool(t, "cjpeg", "libjpeg-turbo-progs"), "-progressive")
	thumbnail := writeFile(t, "thumb.jpg", afterSOI(baseline(t), seg(0xfe, "CANARY-in-the-thumbnail")))
	file := writeFile(t, "a.jpg", progressive)
	run(t, nil, exiftool, append(exiftoolCanaries(t, thumbnail), file)...)
	b := readFile(t, file)

	profile := sampleProfile(t)
	var segments []string
	for m := 0xe0; m <= 0xef; m++ {
		segments = append(segments, seg(byte(m), fmt.Sprintf("CANARY-APP%d\x00", m-0xe0)))
	}
	segments = append(segments,
		seg(0xe0, "JFXX\x00\x13\x01\x01CANARY-JFXX"),
		seg(0xe0, "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x02\x02CANARY-JFIF"),
		seg(0xe1, "Exif\x00\x00CANARY-second-Exif"),
		seg(0xe1, "http://ns.adobe.com/xmp/extension/\x00CANARY-extended-XMP"),
		seg(0xe2, "MPF\x00CANARY-MPF"),
		seg(0xe2, "ICC_PROFILE\x00\x01\x02"+profile[:300]),
		seg(0xe2, "ICC_PROFILE\x00\x02\x02"+profile[300:]+"CANARY-behind-the-profile"),
		seg(0xeb, "JP\x00\x01\x00\x00\x00\x01\x00\x00\x00\x40jumbCANARY-C2PA"),
		seg(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x01CANARY-behind-Adobe"),
		"CANARY-junk",
	)
	b = beforeLast(b, "\xff\xda", seg(0xfe, "CANARY-COM-between-scans")+seg(0xe1, "Exif\x00\x00CANARY-APP1-between-scans")+
		seg(0xe2, "ICC_PROFILE\x00\x01\x01"+iccProfile(200, 200)+"CANARY-ICC-between-scans")+"\xff\xd0CANARY-junk-between-scans")
	b = afterSOI(b, segments...)
	b = beforeLast(b, "\xff\xd9", seg(0xfe, "CANARY-COM-before-EOI"))
	b = append(b, "CANARY-trailer"...)
	b = append(b, afterSOI(baseline(t), seg(0xe1, "Exif\x00\x00CANARY-Exif-of-a-gain-map"), seg(0xfe, "CANARY-COM-of-a-gain-map"))...)
	b = append(b, "\x00\x00\x00\x18ftypmp42CANARY-motion-photo"...)

	checkCanaries(t, b, 60)
	out, _ := strip(t, b)
	if !bytes.Equal(decode(t, b), decode(t, out)) {
		t.Error("djpeg decodes other pixels after the strip")
	}
	dir := t.TempDir()
	for i := range 2 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), out, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	checkExiftool(t, run(t, nil, exiftool, "-r", "-a", "-G1", "-s", "-ee3", "-U", "-e", dir), 2)
}

// checkCanaries fails when b holds fewer than n different canaries, or its copy any.
func checkCanaries(t *testing.T, b []byte, n int) {
	t.Helper()
	wide := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte{0}, nil) }
	names := make(map[string]bool)
	for _, name := range append(canary.FindAllString(string(b), -1), canaryUTF16.FindAllString(string(b), -1)...) {
		names[name] = true
	}
	if len(names) < n {
		t.Errorf("only %d canaries were written, want %d: %v", len(names), n, names)
	}
	out, _ := strip(t, b)
	if left := canary.FindAllString(string(wide(out)), -1); left != nil {
		t.Errorf("copy still holds %q", left)
	}
	if bytes.Contains(wide(out), []byte("CANARY")) {
		t.Error("copy still holds a canary")
	}
}

func TestCanariesInPNG(t *testing.T) {
	exiftool := tool(t, "exiftool", "libimage-exiftool-perl")
	file := writeFile(t, "a.png", pngOf(t, scene(40, 30)))
	run(t, nil, exiftool, "-q", "-m", "-overwrite_original", "-EXIF:Artist=CANARY-EXIF-Artist", "-EXIF:GPSAreaInformation=CANARY-GPS",
		"-EXIF:Orientation#=6", "-XMP-dc:Creator=CANARY-XMP", "-PNG:Author=CANARY-Author", "-PNG:Comment=CANARY-Comment", file)
	b := readFile(t, file)
	b = beforeChunk(b, "IDAT",
		pngChunk("tEXt", "Raw profile type exif\x00CANARY-raw-profile"), pngChunk("zTXt", "k\x00\x00CANARY-zTXt"),
		pngChunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00CANARY-iTXt"), pngChunk("tIME", "CANARY-tIME"),
		pngChunk("caBX", "CANARY-C2PA"), pngChunk("prVt", "CANARY-private"), pngChunk("eXIf", "CANARY-second-eXIf"),
		pngChunk("sPLT", "CANARY-sPLT"), pngChunk("hIST", "CANARY-hIST"), pngChunk("gAMA", "CANARY-gAMA"), pngChunk("pHYs", "CANARY-pHYs"),
		pngChunk("iCCP", "CANARY-profile-name\x00\x00"+deflate(sampleProfile(t))+"CANARY-behind-the-profile"))
	b = beforeChunk(b, "IEND", pngChunk("tEXt", "k\x00CANARY-after-IDAT"), pngChunk("bKGD", "CANARY-bKGD"), pngChunk("pHYs", "CANARY-4ever"))
	b = append(b, "CANARY-trailer"...)
	b = append(b, pngChunk("IDAT", "CANARY-IDAT-behind-IEND")...)
	checkCanaries(t, b, 20)
	out, p := strip(t, b)
	if p.Orientation != 6 {
		t.Errorf("orientation: got %d, want 6", p.Orientation)
	}
	if !strings.Contains(string(out), "iCCPicc\x00\x00") {
		t.Error("the profile is gone")
	}
	dir := t.TempDir()
	for i := range 2 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), out, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	checkExiftool(t, run(t, nil, exiftool, "-r", "-a", "-G1", "-s", "-ee3", "-U", "-e", dir), 2)
}
