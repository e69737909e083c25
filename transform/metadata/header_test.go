package metadata_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func header(t testing.TB, b []byte) metadata.Header {
	t.Helper()
	h, err := metadata.ReadHeader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("ReadHeader: %v", err)
	}
	return h
}

// TestHeaderAgreesWithSharp asks sharp for size, pages, alpha, interlacing and orientation of every picture that it can read.
func TestHeaderAgreesWithSharp(t *testing.T) {
	files := makePictures(t, "webp", "gif", "tiff", "avif")
	files["baseline.jpg"], files["sample.jpg"] = baseline(t), sample.JPEG
	files["progressive.jpg"] = run(t, ppm(scene(131, 77)), tool(t, "cjpeg", "libjpeg-turbo-progs"), "-progressive")
	for name, b := range pngs(t) {
		files[strings.TrimSuffix(name, ".png")+".png"] = b
	}
	withSamples(t, files, "photos/*.jpg", "exif-golden/*.jpg", "formats/*.png", "formats/*.webp", "formats/*.gif", "formats/*.avif", "formats/*.jpg", "formats/*.tif")
	var names []string
	var questions []map[string]string
	dir := writeFiles(t, files)
	for name := range files {
		names = append(names, name)
		questions = append(questions, map[string]string{"op": "about", "file": filepath.Join(dir, name)})
	}
	for i, answer := range ask(t, questions...) {
		name := names[i]
		var want struct {
			Width, Height int64
			Pages         int
			Orientation   int
			HasAlpha      bool
			IsProgressive bool
		}
		if err := json.Unmarshal([]byte(answer), &want); err != nil {
			t.Errorf("%s: sharp says %q", name, answer)
			continue
		}
		h := header(t, files[name])
		ext := filepath.Ext(name)
		got, wanted := []any{h.Width, h.Height, h.Frames}, []any{want.Width, want.Height, max(want.Pages, 1)}
		if strings.HasPrefix(name, "pyramid") || ext == ".png" {
			got, wanted = got[:2], wanted[:2] // sharp counts levels as pages, and of an APNG one
		}
		if ext != ".avif" {
			got, wanted = append(got, h.Orientation), append(wanted, max(want.Orientation, 1))
		} else if h.Orientation > 4 { // sharp tells the size after the turn
			got[0], got[1] = h.Height, h.Width
		}
		if ext != ".gif" { // libvips says that every GIF has alpha
			got, wanted = append(got, h.Alpha), append(wanted, want.HasAlpha)
		}
		if ext == ".jpg" || ext == ".png" {
			got, wanted = append(got, h.Interlaced), append(wanted, want.IsProgressive)
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Errorf("%s: got %v, sharp says %v: size, frames, orientation, alpha, interlaced", name, got, wanted)
		}
	}
}

func TestHeader(t *testing.T) {
	gif := makePictures(t, "gif")
	for _, c := range []struct {
		name string
		file []byte
		want metadata.Header
	}{
		{"APNG", animation(t), metadata.Header{Format: metadata.PNG, Width: 20, Height: 10, Frames: 2, Orientation: 1, Animated: true}},
		{"GIF with transparency", gif["alpha.gif"], metadata.Header{Format: metadata.GIF, Width: 97, Height: 61, Frames: 1, Orientation: 1, Alpha: true}},
		{"GIF with frames that show the one before through", gif["animation.gif"], metadata.Header{Format: metadata.GIF, Width: 97, Height: 61, Frames: 4, Orientation: 1, Alpha: true, Animated: true}},
		{"AVIF sequence with alpha", readFile(t, "testdata/sequence.avif"), metadata.Header{Format: metadata.AVIF, Width: 48, Height: 32, Frames: 2, Orientation: 1, Alpha: true, Animated: true}},
		{"HEIC grid", readFile(t, "testdata/grid.heic"), metadata.Header{Format: metadata.HEIF, Width: 48, Height: 32, Frames: 1, Orientation: 1}},
		{"JPEG XL without a container", readFile(t, "testdata/bare.jxl"), metadata.Header{Format: metadata.JXL, Width: 48, Height: 32, Frames: 1, Orientation: 1}},
		{"JPEG XL turned", readFile(t, "testdata/orientation-6.jxl"), metadata.Header{Format: metadata.JXL, Width: 48, Height: 32, Frames: 1, Orientation: 6}},
		{"SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"/>`), metadata.Header{Format: metadata.SVG, Width: 30, Height: 20, Frames: 1, Orientation: 1, Alpha: true}},
		{"SVG without a size", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), metadata.Header{Format: metadata.SVG, Frames: 1, Orientation: 1, Alpha: true}},
	} {
		if got := header(t, c.file); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestHeaderOfDamagedFiles cuts pictures everywhere: once a header is there, it stays the same but for frames that were cut off.
func TestHeaderOfDamagedFiles(t *testing.T) {
	files := makePictures(t, "webp", "gif", "tiff", "avif")
	files["a.jpg"], files["a.png"] = baseline(t), animation(t)
	for _, name := range []string{"sequence.avif", "grid.heic", "boxes.jxl", "bare.jxl"} {
		files[name] = readFile(t, filepath.Join("testdata", name))
	}
	for name, in := range files {
		whole := header(t, in)
		passed := 0
		step := max(len(in)/200, 1)
		for n := 0; n < len(in); n += step {
			h, err := metadata.ReadHeader(bytes.NewReader(in[:n]), int64(n))
			if err != nil {
				if !errors.Is(err, metadata.ErrDamaged) && !errors.Is(err, metadata.ErrUnsupported) {
					t.Errorf("%s, %d of %d bytes: %v", name, n, len(in), err)
				}
				continue
			}
			passed++
			if h.Format != whole.Format || h.Width != whole.Width || h.Height != whole.Height || h.Frames > whole.Frames {
				t.Errorf("%s, %d of %d bytes: %+v, of the whole %+v", name, n, len(in), h, whole)
			}
		}
		if filepath.Ext(name) != ".tiff" && passed == 0 { // directories of a TIFF may be its end
			t.Errorf("%s: cut anywhere, it has no header", name)
		}
	}
	cut := baseline(t)
	cut = cut[:len(cut)/2]
	if h := header(t, cut); h.Width != 97 || h.Height != 61 {
		t.Errorf("JPEG that ends in its scan: %+v", h)
	}
	damaged := afterSOI(baseline(t)[:700], seg(0xe1, "Exif\x00\x00"+orientedTIFF(binary.BigEndian, 6)))
	if h := header(t, damaged); h.Orientation != 6 {
		t.Errorf("JPEG that ends in its scan, with an orientation: %+v", h)
	}
}

func TestHeaderThatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"nothing":             {"", metadata.ErrUnsupported},
		"text":                {"hello", metadata.ErrUnsupported},
		"PDF":                 {"%PDF-1.7\n", metadata.ErrUnsupported},
		"JPEG without SOF":    {string(baseline(t)[:20]), metadata.ErrDamaged},
		"PNG of no width":     {"\x89PNG\r\n\x1a\n" + pngChunk("IHDR", "\x00\x00\x00\x00\x00\x00\x00\x01\x08\x02\x00\x00\x00"), metadata.ErrDamaged},
		"camera raw":          {string(writeTIFF(false, tiffImage(tiffTag{50706, 1, "\x01\x04\x00\x00"}))), metadata.ErrUnsupported},
		"WebP of no bitmap":   {"RIFF\x04\x00\x00\x00WEBP", metadata.ErrDamaged},
		"GIF without pixels":  {"GIF89a\x01\x00\x01\x00\x00\x00\x00;", metadata.ErrDamaged},
		"JPEG XL of one byte": {"\xff\x0a", metadata.ErrDamaged},
	} {
		if h, err := metadata.ReadHeader(strings.NewReader(c.file), int64(len(c.file))); !errors.Is(err, c.want) || h != (metadata.Header{}) {
			t.Errorf("%s: got %+v, %v, want %v", name, h, err, c.want)
		}
	}
}

// FuzzReadHeader: a picture that Strip takes has a header, unless it tells no size, and it is the copy's.
func FuzzReadHeader(f *testing.F) {
	for _, b := range makePictures(f, "webp", "gif", "tiff", "avif") {
		f.Add(b)
	}
	for _, name := range []string{"sequence.avif", "grid.heic", "bare.jxl", "boxes.jxl"} {
		f.Add(readFile(f, filepath.Join("testdata", name)))
	}
	f.Add(baseline(f))
	f.Add(animation(f))
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 30 20"/>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := metadata.ReadHeader(bytes.NewReader(in), int64(len(in)))
		if err != nil && !errors.Is(err, metadata.ErrDamaged) && !errors.Is(err, metadata.ErrUnsupported) {
			t.Errorf("ReadHeader: %v", err)
		}
		if err == nil && (h.Orientation < 1 || h.Orientation > 8 || h.Width < 0 || h.Frames < 0) {
			t.Errorf("impossible header %+v", h)
		}
		out, stripErr := tryStrip(metadata.Options{}, in)
		if stripErr != nil {
			return
		}
		if err != nil {
			// AVIF without ispe, and a GIF that leaves its size to its frames.
			if !strings.HasSuffix(err.Error(), "picture without a size") {
				t.Fatalf("Strip takes what ReadHeader refuses: %v", err)
			}
			return
		}
		if after := header(t, out); after.Width != h.Width || after.Height != h.Height || after.Orientation != h.Orientation || after.Animated != h.Animated {
			t.Errorf("header %+v became %+v", h, after)
		}
	})
}
