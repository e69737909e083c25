package render

import (
	"encoding/hex"
	"image"
	"image/color"
	"testing"
)

// The hashes are those of github.com/bbrks/go-blurhash 1.2.0 and npm's thumbhash 0.1.1, of the same pixels; for BlurHash, which
// knows no alpha, over white. (npm's blurhash 2.0.5 looks for the largest wave without a view to its sign, and scales by another.)
func TestHashes(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		alpha         bool
		blur, thumb   string
	}{
		{"wide", 60, 40, false, "LzHB}B2U$2Scl]axjrf6gGfhfRfk", "5e080a259a7076777077877788688777b0900bf778"},
		{"upright", 40, 64, false, "TzH2fr2nwuhlaxjrgZfhfRi_a{ju", "5ef809241a700677777776787778b0900af777"},
		{"square, with alpha", 50, 50, true, "LUNm.u8u-7kp_y%KoeoMtyoej[j]", "e2f885150c279086b088896888c0c00cf96870778088877778"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pixels := make([]byte, 0, 4*c.width*c.height)
			for y := range c.height {
				for x := range c.width {
					alpha := 255
					if c.alpha {
						alpha = 255 * (x + y) / (c.width + c.height)
					}
					pixels = append(pixels, byte(255*x/c.width), byte(255*y/c.height), byte(x*y), byte(alpha))
				}
			}
			nx, ny := 4, 3
			if c.height > c.width {
				nx, ny = 3, 4
			}
			if got := blurHash(pixels, c.width, c.height, nx, ny); got != c.blur {
				t.Errorf("BlurHash = %s, want %s", got, c.blur)
			}
			if got := hex.EncodeToString(thumbHash(pixels, c.width, c.height)); got != c.thumb {
				t.Errorf("ThumbHash = %s, want %s", got, c.thumb)
			}
		})
	}
}

func TestFacts(t *testing.T) {
	r := renderer(t)
	m := plainColour(300, 200, color.NRGBA{20, 90, 160, 255})
	for y := range 60 {
		for x := range 300 {
			m.SetNRGBA(x, y, color.NRGBA{250, 250, 0, 255})
		}
	}
	job := pngJob(300, 200).with(func(j *Job) { j.Facts, j.Format = true, "" })
	got := render(t, r, job, asPNG(t, m))
	if d := got.Facts.Dominant; !near(color.NRGBA{d.R, d.G, d.B, d.A}, color.NRGBA{20, 90, 160, 255}, 2) {
		t.Errorf("dominant colour = %v, want that of seven tenths", d)
	}
	if got.Body != nil || got.Format != "" || got.Width != 300 || got.Height != 200 {
		t.Errorf("result = %+v", got)
	}
	if len(got.Facts.BlurHash) != 28 || len(got.Facts.ThumbHash) < 20 {
		t.Errorf("hashes = %q, %x", got.Facts.BlurHash, got.Facts.ThumbHash)
	}
	// Facts are of the upright picture, whatever the format and the way it lies.
	turned := stored(m, 6)
	again := render(t, r, pngJob(200, 300).with(func(j *Job) { j.Facts, j.Orientation = true, 6 }), asPNG(t, turned))
	if again.Facts.BlurHash != got.Facts.BlurHash || string(again.Facts.ThumbHash) != string(got.Facts.ThumbHash) || again.Width != 300 {
		t.Errorf("facts of the same picture turned = %+v, want %+v", again.Facts, got.Facts)
	}
	clear := render(t, r, pngJob(10, 10).with(func(j *Job) { j.Facts = true }), asPNG(t, image.NewNRGBA(image.Rect(0, 0, 10, 10))))
	if clear.Facts.Dominant != (Colour{}) {
		t.Errorf("dominant colour of nothing = %v", clear.Facts.Dominant)
	}
}
