package render

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

// The corners of the test picture, from the top left, clockwise. No turn or mirror of it looks like another.
var corner = [4]color.NRGBA{{230, 20, 20, 255}, {20, 210, 30, 255}, {240, 230, 20, 255}, {30, 40, 230, 255}}

// scene is a soft picture with a block of colour in each corner.
func scene(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{uint8(60 + 120*x/width), uint8(60 + 120*y/height), uint8(100 + 60*(x/8%2)), 255}
			left, top := x < width/4, y < height/4
			right, bottom := x >= width-width/4, y >= height-height/4
			switch {
			case left && top:
				c = corner[0]
			case right && top:
				c = corner[1]
			case right && bottom:
				c = corner[2]
			case left && bottom:
				c = corner[3]
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// plainColour is a picture of one colour.
func plainColour(width, height int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(m.Pix); i += 4 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = c.R, c.G, c.B, c.A
	}
	return m
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngJob is a job from a PNG of a size to a PNG.
func pngJob(width, height int) Job {
	return Job{Source: "png", SourceWidth: int64(width), SourceHeight: int64(height), Format: "png"}
}

// with changes a job.
func (j Job) with(change func(*Job)) Job {
	change(&j)
	return j
}

// pixel is a point of a picture.
func pixel(m image.Image, x, y int) color.NRGBA {
	return color.NRGBAModel.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).(color.NRGBA)
}

// near says whether two colours differ by no more than a tolerance in each value.
func near(a, b color.NRGBA, tolerance int) bool {
	if a.A == 0 && b.A == 0 {
		return true
	}
	for _, d := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}, {a.A, b.A}} {
		if max(int(d[0])-int(d[1]), int(d[1])-int(d[0])) > tolerance {
			return false
		}
	}
	return true
}

// expect compares a point of a picture.
func expect(t *testing.T, m image.Image, x, y int, want color.NRGBA, tolerance int) {
	t.Helper()
	if got := pixel(m, x, y); !near(got, want, tolerance) {
		t.Errorf("pixel at %d, %d = %v, want %v", x, y, got, want)
	}
}
