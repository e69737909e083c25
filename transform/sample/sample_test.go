package sample_test

import (
	"bytes"
	"image/jpeg"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func TestSampleHasSomethingToTakeOut(t *testing.T) {
	size := int64(len(sample.JPEG))
	if size < 150<<10 || size > 400<<10 {
		t.Errorf("sample is %d bytes, want a photograph's 150 to 400 KiB", size)
	}
	block, err := metadata.EXIF(bytes.NewReader(sample.JPEG), size)
	if err != nil {
		t.Fatal(err)
	}
	text, err := metadata.ExifJSON(block)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"Make":"Glassine Optical"`, `"Orientation":6`, `"BodySerialNumber":"GL-0000042-DEMO"`,
		`"GPSLatitude":[48,52,31.6]`, `"GPSLatitudeRef":"S"`, `"Thumbnail":{`, `"DateTimeOriginal":"2026-06-21T21:14:07.000Z"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("EXIF: no %s in %s", want, text)
		}
	}
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(sample.JPEG))
	if err != nil || cfg.Width != 1200 || cfg.Height != 1600 {
		t.Errorf("stored as %dx%d, %v; want 1200x1600, which Orientation 6 turns", cfg.Width, cfg.Height, err)
	}
	plan, err := metadata.Strip(bytes.NewReader(sample.JPEG), size)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Orientation != 6 {
		t.Errorf("orientation of the copy: got %d, want 6", plan.Orientation)
	}
	var out bytes.Buffer
	out.ReadFrom(plan.Reader(bytes.NewReader(sample.JPEG)))
	for _, secret := range []string{"Alex", "Glassine", "GL-0000042", "Nowhere", "never was", "maker note"} {
		if !bytes.Contains(sample.JPEG, []byte(secret)) {
			t.Errorf("sample does not hold %q", secret)
		}
		if bytes.Contains(out.Bytes(), []byte(secret)) {
			t.Errorf("copy still holds %q", secret)
		}
	}
}
