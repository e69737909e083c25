package glassine

import (
	"bytes"
	"image/jpeg"
	"io"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func TestLookInto(t *testing.T) {
	p, err := lookInto(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Width != 1600 || p.Height != 1200 || p.ContentType != "image/jpeg" {
		t.Errorf("picture = %s %dx%d, want image/jpeg 1600x1200 as it is shown", p.ContentType, p.Width, p.Height)
	}
	var names []string
	found := map[string]string{}
	for _, g := range p.Groups {
		names = append(names, g.Name)
		if g.Risky == (g.Name == "Technical") {
			t.Errorf("group %s: risky %v", g.Name, g.Risky)
		}
		for _, f := range g.Fields {
			found[f.Name] = g.Name + ": " + f.Value
		}
	}
	if got := strings.Join(names, " "); got != "Location People Time Device Technical" {
		t.Errorf("groups = %s, want the riskiest first", got)
	}
	for name, want := range map[string]string{
		"Position": "Location: 48° 52′ 31.6″ S, 123° 23′ 33.1″ W", "Artist": "People: Alex Example", "BodySerialNumber": "Device: GL-0000042-DEMO", "ExposureTime": "Technical: 0.01666666667",
		"DateTimeOriginal": "Time: 2026-06-21T21:14:07.000Z",
	} {
		if found[name] != want {
			t.Errorf("%s = %q, want %q", name, found[name], want)
		}
	}
	for _, name := range []string{"GPSLatitude", "Orientation", "ExifTag", "JPEGInterchangeFormat"} {
		if v, ok := found[name]; ok {
			t.Errorf("%s = %q is shown", name, v)
		}
	}
	if _, err := jpeg.Decode(bytes.NewReader(p.Thumbnail)); err != nil {
		t.Errorf("the thumbnail of %d bytes: %v", len(p.Thumbnail), err)
	}

	plan, err := metadata.Strip(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	clean, err := io.ReadAll(plan.Reader(bytes.NewReader(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	p, err = lookInto(bytes.NewReader(clean), int64(len(clean)))
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := p.Fields(); all != 0 || len(p.Thumbnail) != 0 {
		t.Errorf("a stripped picture says %+v", p.Groups)
	}
	if _, err := lookInto(strings.NewReader("%PDF-1.4"), 8); err == nil {
		t.Error("a PDF is a picture")
	}
}

// Offsets are a stranger's: none may lead out of the block.
func TestThumbnailStaysInItsBlock(t *testing.T) {
	exif := append(make([]byte, 20), 0xff, 0xd8, 0xff, 0xd9)
	for _, c := range []struct {
		offset, length any
		want           int
	}{
		{20.0, 4.0, 4}, {20.0, 5.0, 0}, {21.0, 3.0, 0}, {-1.0, 4.0, 0}, {1e300, 4.0, 0}, {20.0, 1e300, 0}, {"20", 4.0, 0}, {20.0, nil, 0}, {8.0, 4.0, 0},
	} {
		got := thumbnail(exif, map[string]any{"JPEGInterchangeFormat": c.offset, "JPEGInterchangeFormatLength": c.length})
		if len(got) != c.want {
			t.Errorf("thumbnail at %v of %v = %d bytes, want %d", c.offset, c.length, len(got), c.want)
		}
	}
}
