package metadata_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"glassine/transform/metadata"
)

// made are pictures of the scene that sharp writes, by name; the name's part after the last dot is the format's.
var made = map[string]string{
	"lossy.webp": `{"quality":60}`, "lossless.webp": `{"lossless":true}`, "alpha.webp": `{"quality":60,"alpha":true,"icc":"p3"}`,
	"animation.webp": `{"frames":3,"alpha":true,"delay":50}`, "lossless animation.webp": `{"frames":3,"lossless":true,"icc":"p3"}`,
	"still.gif": `{}`, "animation.gif": `{"frames":4,"loop":3}`, "alpha.gif": `{"alpha":true}`,
	"plain.tiff": `{"compression":"none"}`, "lzw.tiff": `{"compression":"lzw","predictor":"horizontal","icc":"p3"}`,
	"jpeg.tiff": `{"compression":"jpeg","quality":80}`, "deflate tiles.tiff": `{"compression":"deflate","tile":true,"tileWidth":16,"tileHeight":16}`,
	"jpeg tiles.tiff": `{"compression":"jpeg","tile":true,"tileWidth":16,"tileHeight":16}`, "alpha.tiff": `{"alpha":true,"compression":"lzw"}`,
	"big.tiff": `{"bigtiff":true,"compression":"lzw","icc":"p3"}`, "big tiles.tiff": `{"bigtiff":true,"compression":"none","tile":true,"tileWidth":16,"tileHeight":16}`,
	"pyramid.tiff": `{"pyramid":true,"tile":true,"tileWidth":32,"tileHeight":32,"compression":"deflate"}`, "one bit.tiff": `{"gray":true,"bitdepth":1,"compression":"ccittfax4"}`,
	"lossy.avif": `{"quality":50,"effort":1}`, "alpha.avif": `{"alpha":true,"effort":1,"icc":"p3"}`, "lossless.avif": `{"lossless":true,"effort":1}`,
}

// pictures holds what sharp wrote, once for all tests, since AVIF takes its time.
var pictures struct {
	sync.Mutex
	files map[string][]byte
}

// makePictures returns the pictures of the formats that sharp writes, by name.
func makePictures(t testing.TB, formats ...string) map[string][]byte {
	t.Helper()
	pictures.Lock()
	defer pictures.Unlock()
	if pictures.files == nil {
		pictures.files = writePictures(t)
	}
	files := make(map[string][]byte)
	for name, b := range pictures.files {
		if slices.Contains(formats, strings.TrimPrefix(filepath.Ext(name), ".")) {
			files[name] = bytes.Clone(b)
		}
	}
	return files
}

func writePictures(t testing.TB) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	in := writeFile(t, "scene.png", pngOf(t, scene(97, 61)))
	var names []string
	var questions []map[string]string
	for name, options := range made {
		names = append(names, name)
		questions = append(questions, map[string]string{
			"op": "make", "file": in, "out": filepath.Join(dir, name), "format": strings.TrimPrefix(filepath.Ext(name), "."), "options": options,
		})
	}
	files := make(map[string][]byte)
	for i, a := range ask(t, questions...) {
		if strings.HasPrefix(a, "error") {
			t.Fatalf("%s: %s", names[i], a)
		}
		files[names[i]] = readFile(t, filepath.Join(dir, names[i]))
	}
	return files
}

// withSamples adds the files of GLASSINE_SAMPLES that match.
func withSamples(t testing.TB, files map[string][]byte, patterns ...string) map[string][]byte {
	for _, p := range patterns {
		for _, f := range samples(t, p) {
			files[filepath.Base(f)] = readFile(t, f)
		}
	}
	return files
}

// samePixels asks sharp for the pixels of files and of what change makes of them, as they are stored and upright, all frames.
func samePixels(t *testing.T, files map[string][]byte, change func(name string, in []byte) []byte) {
	t.Helper()
	dir := t.TempDir()
	var names []string
	var questions []map[string]string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		in := files[name]
		for i, b := range [][]byte{in, change(name, in)} {
			file := filepath.Join(dir, fmt.Sprintf("%d-%d%s", len(names), i, filepath.Ext(name)))
			if err := os.WriteFile(file, b, 0o666); err != nil {
				t.Fatal(err)
			}
			questions = append(questions, map[string]string{"op": "pixels", "file": file}, map[string]string{"op": "upright", "file": file})
		}
		names = append(names, name)
	}
	answers := ask(t, questions...)
	for i, name := range names {
		a := answers[4*i : 4*i+4]
		if strings.HasPrefix(name, "pyramid") || name == "tiff.tiff" || name == "bigtiff.tiff" {
			a[0], a[2] = a[1], a[3] // sharp opens pages of one size only, and thumbnails too; the copy has one
		}
		if a[0] != a[2] || a[1] != a[3] || strings.HasPrefix(a[0], "error") || strings.HasPrefix(a[1], "error") {
			t.Errorf("%s: sharp sees %s before and %s after; upright %s and %s", name, a[0], a[2], a[1], a[3])
		}
	}
}

func stripped(t testing.TB) func(string, []byte) []byte {
	return func(name string, in []byte) []byte {
		t.Helper()
		out, err := tryStrip(metadata.Options{}, in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
}

// tryStrip returns b's copy with the options o.
func tryStrip(o metadata.Options, b []byte) ([]byte, error) {
	p, err := o.Strip(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(p.Reader(bytes.NewReader(b))); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// exifCanaries are what exiftool writes into any format that takes it.
func exifCanaries(orientation int) []string {
	args := []string{"-GPSLatitude=48.8766667", "-GPSLatitudeRef=N", "-GPSLongitude=123.3933333", "-GPSLongitudeRef=W", fmt.Sprintf("-Orientation#=%d", orientation)}
	for _, tag := range []string{
		"EXIF:Make", "EXIF:Model", "EXIF:Artist", "EXIF:Copyright", "EXIF:ImageDescription", "EXIF:Software", "EXIF:UserComment", "EXIF:SerialNumber",
		"EXIF:OwnerName", "EXIF:GPSAreaInformation", "XMP-dc:Creator", "XMP-dc:Rights", "XMP-aux:SerialNumber", "XMP-photoshop:City",
		"IPTC:By-line", "IPTC:City", "IPTC:Caption-Abstract", "File:Comment",
	} {
		args = append(args, fmt.Sprintf("-%s=CANARY-%s", tag, strings.ReplaceAll(tag, ":", "-")))
	}
	return args
}

// withExiftool returns the files after exiftool wrote into them, in one run. What a format does not take exiftool leaves out.
func withExiftool(t testing.TB, files map[string][]byte, args ...string) map[string][]byte {
	t.Helper()
	dir := writeFiles(t, files)
	run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), append(append([]string{"-q", "-q", "-m", "-overwrite_original"}, args...), dir)...)
	out := make(map[string][]byte)
	for name := range files {
		out[name] = readFile(t, filepath.Join(dir, name))
	}
	return out
}

func writeFiles(t testing.TB, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// exiftoolReads returns what exiftool says to a question about each of the files, in one run.
func exiftoolReads(t testing.TB, files map[string][]byte, tags ...string) map[string]map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal(run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), append(append([]string{"-q", "-j"}, tags...), writeFiles(t, files))...), &list); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]map[string]any)
	for _, about := range list {
		name := filepath.Base(about["SourceFile"].(string))
		delete(about, "SourceFile")
		out[name] = about
	}
	return out
}

// exiftoolFindsNothing asks exiftool what is left in files.
func exiftoolFindsNothing(t *testing.T, files map[string][]byte) {
	t.Helper()
	dir := writeFiles(t, files)
	// One more, since exiftool names the file only when there are two.
	if err := os.WriteFile(filepath.Join(dir, "zz.png"), pngOf(t, scene(3, 3)), 0o666); err != nil {
		t.Fatal(err)
	}
	checkExiftool(t, run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), "-r", "-a", "-G1", "-s", "-ee3", "-U", "-e", dir), len(files)+1)
}

// TestCanariesInContainers is the leak matrix for the formats that exiftool writes: names in every place that it knows, none of
// which may be left, in the bytes or for exiftool, and the same pixels.
func TestCanariesInContainers(t *testing.T) {
	files := makePictures(t, "webp", "gif", "tiff", "avif")
	for _, name := range []string{"grid.heic", "boxes.jxl", "orientation-6.jxl", "from-jpeg.jxl"} {
		files[name] = readFile(t, filepath.Join("testdata", name))
	}
	// exiftool does not write BigTIFF: see TestTIFFDirectories.
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.HasPrefix(name, "big") })
	written := withExiftool(t, files, exifCanaries(6)...)
	clean, decodable := make(map[string][]byte), make(map[string][]byte)
	for name, b := range written {
		if n := len(canary.FindAll(b, -1)); n < 4 {
			t.Errorf("%s: exiftool wrote only %d canaries", name, n)
		}
		out, err := tryStrip(metadata.Options{}, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if left := canary.FindAllString(string(out), -1); left != nil {
			t.Errorf("%s: copy still holds %q", name, left)
		}
		again, err := tryStrip(metadata.Options{}, out)
		if err != nil || !bytes.Equal(again, out) {
			t.Errorf("%s: the copy's copy has %d bytes, not the same %d (%v)", name, len(again), len(out), err)
		}
		if ext := filepath.Ext(name); ext == ".jxl" || ext == ".heic" || ext == ".avif" {
			// Decoders leave Exif's orientation alone here, and exiftool's copy of it makes sharp turn the picture.
			if p, _ := metadata.Strip(bytes.NewReader(b), int64(len(b))); p.Orientation != 1 {
				t.Errorf("%s: plan says orientation %d", name, p.Orientation)
			}
		} else {
			decodable[name] = b
		}
		clean[name] = out
	}
	samePixels(t, decodable, stripped(t))
	exiftoolFindsNothing(t, clean)
	for _, name := range []string{"lossy.webp", "plain.tiff"} {
		p, err := metadata.Strip(bytes.NewReader(written[name]), int64(len(written[name])))
		if err != nil || p.Orientation != 6 {
			t.Errorf("%s: orientation 6 became %d (%v)", name, p.Orientation, err)
		}
	}
}

// TestCopyrightStays asks exiftool for the two texts that metadata=copyright keeps.
func TestCopyrightStays(t *testing.T) {
	files := map[string][]byte{"a.jpg": baseline(t), "a.png": pngOf(t, scene(9, 9))}
	all := makePictures(t, "webp", "tiff", "avif", "gif")
	for _, name := range []string{"lossy.webp", "animation.webp", "still.gif", "lzw.tiff", "lossy.avif"} {
		files[name] = all[name]
	}
	for _, name := range []string{"grid.heic", "boxes.jxl"} {
		files[name] = readFile(t, filepath.Join("testdata", name))
	}
	copies := make(map[string][]byte)
	for name, b := range withExiftool(t, files, exifCanaries(3)...) {
		out, err := tryStrip(metadata.Options{Metadata: metadata.KeepCopyright}, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		copies[name] = out
		left := slices.DeleteFunc(canary.FindAllString(string(out), -1), func(s string) bool {
			return s == "CANARY-EXIF-Artist" || s == "CANARY-EXIF-Copyright"
		})
		if len(left) > 0 {
			t.Errorf("%s: copy also holds %q", name, left)
		}
		if again, err := tryStrip(metadata.Options{Metadata: metadata.KeepCopyright}, out); err != nil || !bytes.Equal(again, out) {
			t.Errorf("%s: the copy's copy differs (%v)", name, err)
		}
	}
	for name, got := range exiftoolReads(t, copies, "-EXIF:Artist", "-EXIF:Copyright") {
		want := map[string]any{"Artist": "CANARY-EXIF-Artist", "Copyright": "CANARY-EXIF-Copyright"}
		if filepath.Ext(name) == ".gif" {
			want = map[string]any{}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: exiftool finds %v, want %v", name, got, want)
		}
	}
}

func TestProfilesStayUnlessToldOtherwise(t *testing.T) {
	files := makePictures(t, "webp", "tiff", "avif")
	for icc, want := range map[metadata.ICC]string{"": "sP3C", metadata.ICCKeep: "sP3C", metadata.ICCStrip: ""} {
		copies := make(map[string][]byte)
		for _, name := range []string{"alpha.webp", "lossless animation.webp", "lzw.tiff", "big.tiff", "alpha.avif"} {
			out, err := tryStrip(metadata.Options{ICC: icc}, files[name])
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			info, err := metadata.Describe(bytes.NewReader(out), int64(len(out)))
			if err != nil || info.ICC != want {
				t.Errorf("%s, icc=%s: profile %q (%v), want %q", name, icc, info.ICC, err, want)
			}
			copies[name] = out
		}
		for name, got := range exiftoolReads(t, copies, "-ICC_Profile:ProfileDescription") {
			if text, _ := got["ProfileDescription"].(string); text != want {
				t.Errorf("%s, icc=%s: exiftool finds profile %q, want %q", name, icc, text, want)
			}
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	in := baseline(t)
	for _, c := range []struct {
		o    metadata.Options
		want string
	}{
		{metadata.Options{Metadata: "all"}, "metadata=all is not known"},
		{metadata.Options{ICC: "p3"}, "icc=p3 is not known"},
		{metadata.Options{ICC: metadata.ICCsRGB}, "icc=srgb needs the pixels"},
		{metadata.Options{Metadata: metadata.KeepAll, ICC: metadata.ICCStrip}, "metadata=keep changes nothing"},
	} {
		_, err := tryStrip(c.o, in)
		_, isOptions := errors.AsType[*metadata.OptionsError](err)
		_, isPixels := errors.AsType[*metadata.PixelsError](err)
		if err == nil || !strings.Contains(err.Error(), c.want) || isOptions == isPixels {
			t.Errorf("%+v: got %v, want an error with %q", c.o, err, c.want)
		}
	}
	damaged := in[:100]
	if _, err := tryStrip(metadata.Options{Metadata: metadata.KeepAll}, damaged); !errors.Is(err, metadata.ErrDamaged) {
		t.Errorf("metadata=keep of a damaged file: got %v, want ErrDamaged", err)
	}
	whole := append(afterSOI(in, seg(0xfe, "comment")), "trailer"...)
	if out, err := tryStrip(metadata.Options{Metadata: metadata.KeepAll}, whole); err != nil || !bytes.Equal(out, whole) {
		t.Errorf("metadata=keep: got %d bytes, %v, want the %d of the original", len(out), err, len(whole))
	}
}

// TestTruncatedContainers cuts every picture everywhere: an error, or a copy that strips to itself.
func TestTruncatedContainers(t *testing.T) {
	files := makePictures(t, "webp", "gif", "tiff", "avif")
	for _, name := range []string{"sequence.avif", "grid.heic", "boxes.jxl", "from-jpeg.jxl"} {
		files[name] = readFile(t, filepath.Join("testdata", name))
	}
	for name, in := range files {
		step := max(len(in)/300, 1)
		for n := 0; n < len(in); n += step {
			cut := in[:n]
			out, err := tryStrip(metadata.Options{}, cut)
			if err != nil {
				if !errors.Is(err, metadata.ErrDamaged) && !errors.Is(err, metadata.ErrUnsupported) {
					t.Errorf("%s, %d of %d bytes: %v", name, n, len(in), err)
				}
				continue
			}
			if filepath.Ext(name) == ".webp" && n < len(in)-1 || filepath.Ext(name) == ".avif" && n < len(in)-1 {
				t.Errorf("%s: %d of %d bytes pass", name, n, len(in))
			}
			if again, err := tryStrip(metadata.Options{}, out); err != nil || !bytes.Equal(again, out) {
				t.Errorf("%s, %d of %d bytes: the copy's copy differs (%v)", name, n, len(in), err)
			}
		}
	}
}
