package metadata_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// ask puts questions to sharp and exif-reader, the libraries of the reference function: see e2e/node/peer.cjs.
func ask(t testing.TB, questions ...map[string]string) []string {
	t.Helper()
	dir := filepath.Join("..", "..", "e2e", "node")
	for _, p := range []string{"sharp", "exif-reader"} {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", p)); err != nil {
			t.Fatalf("this test asks the npm package %s, which is not in e2e/node/node_modules: run make deps (npm ci in e2e/node)", p)
		}
	}
	var in bytes.Buffer
	for _, q := range questions {
		if f := q["file"]; f != "" {
			abs, err := filepath.Abs(f)
			if err != nil {
				t.Fatal(err)
			}
			q["file"] = abs
		}
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	out := run(t, in.Bytes(), tool(t, "node", "nodejs"), filepath.Join(dir, "peer.cjs"))
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(questions) {
		t.Fatalf("peer.cjs gave %d answers to %d questions", len(lines), len(questions))
	}
	for i, line := range lines {
		var a struct{ Text, Error string }
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("answer of peer.cjs: %v", err)
		}
		if lines[i] = a.Text; a.Error != "" {
			lines[i] = "error: " + a.Error
		}
	}
	return lines
}

func askBlocks(t *testing.T, blocks []string) []string {
	questions := make([]map[string]string, len(blocks))
	for i, b := range blocks {
		questions[i] = map[string]string{"op": "block", "data": base64.StdEncoding.EncodeToString([]byte(b))}
	}
	return ask(t, questions...)
}

func TestExifReaderAgrees(t *testing.T) {
	var blocks []string
	for _, c := range exifCases {
		blocks = append(blocks, c.block)
	}
	for i, got := range askBlocks(t, blocks) {
		if want := exifCases[i].want; got != want {
			t.Errorf("%s:\nexif-reader %s\nours        %s", exifCases[i].name, got, want)
		}
	}
}

// exifSeeds are whole Exif blocks: a rich one, and those of GLASSINE_SAMPLES.
func exifSeeds(t testing.TB) [][]byte {
	var seeds [][]byte
	add := func(b []byte) {
		block, err := metadata.EXIF(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if len(block) > 0 && len(block) < 20000 {
			seeds = append(seeds, block)
		}
	}
	add(sample.JPEG)
	for _, f := range samples(t, "exif-golden/*.jpg") {
		add(readFile(t, f))
	}
	return seeds
}

func TestExifReaderAgreesOnDamagedBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var blocks []string
	for _, seed := range exifSeeds(t) {
		for range 60 {
			b := bytes.Clone(seed)
			for range 1 + r.IntN(12) {
				// The directories lie at the front, where most of the structure is.
				b[r.IntN(min(len(b), 1200))] = [...]byte{0, 1, 2, 7, 0xff, byte(r.Uint32())}[r.IntN(6)]
			}
			if r.IntN(3) == 0 {
				b = b[:r.IntN(len(b))]
			}
			blocks = append(blocks, string(b))
		}
	}
	for i, want := range askBlocks(t, blocks) {
		if got := answer(blocks[i]); got != want {
			t.Errorf("block %q:\ngot         %.2000s\nexif-reader %.2000s", blocks[i], got, want)
		}
	}
}

func TestReferenceFunctionAgreesOnFilesThatExiftoolWrote(t *testing.T) {
	exiftool := tool(t, "exiftool", "libimage-exiftool-perl")
	base := writeFile(t, "a.jpg", baseline(t))
	dir := t.TempDir()
	var files []string
	for name, args := range map[string][]string{
		"gps.jpg": {
			"-GPSLatitude=12.5", "-GPSLatitudeRef=N", "-GPSLongitude=7.25", "-GPSLongitudeRef=W", "-GPSAltitude=-3.5",
			"-GPSTimeStamp=12:34:56.78", "-GPSDateStamp=2026:01:02", "-GPSDestBearing=359.99", "-GPSImgDirection=0.01",
		},
		"text.jpg": {"-Make=M\"q\\", "-Model=tab\there", "-ImageDescription=Grüße", "-Artist=", "-UserComment=note", "-XPTitle=Titel", "-Copyright=(c) x"},
		"photo.jpg": {
			"-ExposureTime=1/8000", "-FNumber=1.4", "-ISO=102400", "-DateTimeOriginal=2026:02:30 25:00:00", "-CreateDate=2026:01:02 03:04:05",
			"-SubSecTimeOriginal=123", "-OffsetTimeOriginal=+05:30", "-LensInfo=24 70 2.8 2.8", "-ExposureCompensation=-0.333", "-BrightnessValue=-1.25",
			"-SerialNumber=SN-1", "-Flash=16", "-ComponentsConfiguration=1 2 3 0", "-SubjectArea=1 2 3 4", "-Gamma=2.2", "-AmbientTemperature=-12.5",
		},
		"little.jpg":  {"-ExifByteOrder=II", "-Make=x", "-Orientation#=7", "-XResolution=71.99", "-ResolutionUnit=cm", "-YCbCrCoefficients=0.299 0.587 0.114"},
		"thumb.jpg":   {"-Make=x", "-ThumbnailImage<=" + base},
		"interop.jpg": {"-InteropIndex=R98 - DCF basic file (sRGB)", "-InteropVersion=0100", "-RelatedImageWidth=640"},
		"dates.jpg":   {"-ModifyDate#=0000:00:00 00:00:00", "-DateTimeOriginal#=    :  :     :  :  "},
		"a.png":       {"-Make=png", "-Orientation#=3", "-GPSLatitude=1", "-GPSLatitudeRef=S"},
	} {
		file := filepath.Join(dir, name)
		b := readFile(t, base)
		if strings.HasSuffix(name, ".png") {
			b = pngOf(t, scene(20, 10))
		}
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		run(t, nil, exiftool, append(append([]string{"-q", "-m", "-overwrite_original"}, args...), file)...)
		files = append(files, file)
	}
	files = append(files, goldenDir+"/Portrait_3.jpg", "../sample/sample.jpg")
	questions := make([]map[string]string, len(files))
	for i, f := range files {
		questions[i] = map[string]string{"op": "exif", "file": f}
	}
	for i, want := range ask(t, questions...) {
		got := exifJSON(t, readFile(t, files[i]))
		if got != want {
			t.Errorf("%s:\ngot      %s\nreference %s", filepath.Base(files[i]), got, want)
		}
		if len(want) < 40 {
			t.Errorf("%s: exiftool wrote nothing: %s", filepath.Base(files[i]), want)
		}
	}
}
