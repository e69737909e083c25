package metadata_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestOrientationsRenderTheSame: all eight orientations in every format that has one, as an independent decoder shows them before and
// after. The eight look different, so the decoder follows what the test wrote.
func TestOrientationsRenderTheSame(t *testing.T) {
	asked := make(map[string][]byte)
	grid, stream := readFile(t, "testdata/grid.heic"), readFile(t, "testdata/orientation-6.jxl")
	// Turns and mirrors of HEIF that make Exif's orientations: ISO/IEC 23008-12 sections 6.5.10 and 6.5.12.
	turns := [9][2]int{{}, {0, 0}, {0, 2}, {2, 0}, {0, 1}, {1, 1}, {3, 0}, {1, 2}, {1, 0}}
	avif := makePictures(t, "avif")["lossless.avif"]
	renders := map[string]map[string]int{"heic": {}, "jxl": {}}
	for o := 1; o <= 8; o++ {
		exif := orientedTIFF(binary.BigEndian, o)
		asked[fmt.Sprintf("%d.jpg", o)] = afterSOI(baseline(t), seg(0xe1, "Exif\x00\x00"+exif))
		asked[fmt.Sprintf("%d.png", o)] = beforeChunk(pngOf(t, scene(40, 30)), "IDAT", pngChunk("eXIf", exif))
		asked[fmt.Sprintf("%d.avif", o)] = turned(t, avif, turns[o][0], turns[o][1])
		jxl := bytes.Clone(stream)
		at := bytes.Index(jxl, []byte("\xff\x0a\x07\x2d")) + 3 // 3 bits after the size and two flags: ISO/IEC 18181-1 section D.3.2
		jxl[at] = jxl[at]&^0x38 | byte(o-1)<<3
		for ext, in := range map[string][]byte{"heic": turned(t, grid, turns[o][0], turns[o][1]), "jxl": jxl} {
			out := stripped(t)(ext, in)
			if got := header(t, in).Orientation; got != o {
				t.Errorf("%s: orientation %d is read as %d", ext, o, got)
			}
			before, after := rendered(t, "."+ext, in), rendered(t, "."+ext, out)
			if !bytes.Equal(before, after) || len(before) < 1000 {
				t.Errorf("%s, orientation %d: its decoder sees %d bytes of pixels before, other %d after", ext, o, len(before), len(after))
			}
			renders[ext][string(before)] = o
		}
	}
	for ext, seen := range renders {
		if len(seen) != 8 {
			t.Errorf("%s: %d different pictures, want 8", ext, len(seen))
		}
	}
	plain := makePictures(t, "webp", "tiff")
	for o := 1; o <= 8; o++ {
		turned := withExiftool(t, map[string][]byte{"a.webp": plain["lossy.webp"], "b.webp": plain["lossless.webp"], "c.tiff": plain["lzw.tiff"], "c.webp": plain["alpha.webp"], "d.tiff": plain["jpeg.tiff"]}, fmt.Sprintf("-Orientation#=%d", o))
		for name, b := range turned {
			asked[fmt.Sprintf("%d%s", o, name)] = b
		}
	}
	for name, b := range asked {
		// Decoders of AVIF turn the picture by themselves: no viewer is asked to.
		if _, p := strip(t, b); filepath.Ext(name) != ".avif" && fmt.Sprint(p.Orientation) != name[:1] {
			t.Errorf("%s: plan says orientation %d", name, p.Orientation)
		}
	}
	samePixels(t, asked, stripped(t))
	differ(t, asked)
}

// differ asks sharp whether it shows the eight orientations of each format in eight ways.
func differ(t *testing.T, files map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	var names []string
	var questions []map[string]string
	for name, b := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		questions = append(questions, map[string]string{"op": "upright", "file": file})
	}
	seen := make(map[string]map[string]bool)
	for i, answer := range ask(t, questions...) {
		series := names[i][1:]
		if seen[series] == nil {
			seen[series] = make(map[string]bool)
		}
		seen[series][answer] = true
	}
	for series, answers := range seen {
		if len(answers) != 8 {
			t.Errorf("%s: sharp shows %d different pictures, want 8", series, len(answers))
		}
	}
}
