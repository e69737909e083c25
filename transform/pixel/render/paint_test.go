package render

import (
	"image"
	"image/color"
	"testing"
)

var (
	white       = color.NRGBA{255, 255, 255, 255}
	black       = color.NRGBA{0, 0, 0, 255}
	transparent = color.NRGBA{}
	grey        = color.NRGBA{128, 128, 128, 255}
)

// point is a pixel that a test looks at.
type point struct {
	x, y int
	want color.NRGBA
}

func TestPaint(t *testing.T) {
	r := renderer(t)
	red, blue := color.NRGBA{200, 0, 0, 255}, color.NRGBA{0, 0, 200, 255}
	opaque := plainColour(100, 80, red)
	holed := plainColour(100, 80, red)
	for y := range 80 {
		for x := 50; x < 100; x++ {
			holed.SetNRGBA(x, y, transparent)
		}
	}
	half := plainColour(100, 80, color.NRGBA{200, 0, 0, 128})
	mark := asPNG(t, plainColour(20, 10, blue))
	for _, c := range []struct {
		name          string
		source        image.Image
		job           func(*Job)
		width, height int
		points        []point
	}{
		{"what is transparent stays so", holed, func(*Job) {}, 100, 80, []point{{10, 10, red}, {90, 10, transparent}}},
		{"background fills what is transparent", holed, func(j *Job) { j.Background = &Colour{0, 0, 200, 255} }, 100, 80, []point{{10, 10, red}, {90, 10, blue}}},
		{"background shows through", half, func(j *Job) { j.Background = &Colour{0, 0, 200, 255} }, 100, 80, []point{{10, 10, color.NRGBA{100, 0, 100, 255}}}},
		{"background may be half transparent itself", holed, func(j *Job) { j.Background = &Colour{0, 0, 200, 128} }, 100, 80, []point{{10, 10, red}, {90, 10, color.NRGBA{0, 0, 200, 128}}}},
		{"pad is transparent without a background", opaque, func(j *Job) { j.Width, j.Height, j.Fit = 100, 100, FitPad }, 100, 100, []point{{50, 9, transparent}, {50, 10, red}, {50, 90, transparent}}},
		{"gravity places the picture on the area", opaque, func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.Y = 100, 100, FitPad, 1 }, 100, 100, []point{{50, 19, transparent}, {50, 20, red}, {50, 99, red}}},
		{"padding", opaque, func(j *Job) { j.Padding, j.Background = [4]int{1, 2, 3, 4}, &Colour{0, 0, 200, 255} }, 106, 84, []point{{3, 10, blue}, {4, 10, red}, {103, 10, red}, {104, 10, blue}, {50, 0, blue}, {50, 1, red}, {50, 80, red}, {50, 81, blue}}},
		{"border over the edge", opaque, func(j *Job) { j.Border = &Border{3, Colour{0, 0, 200, 255}} }, 100, 80, []point{{0, 0, blue}, {2, 40, blue}, {3, 40, red}, {50, 77, blue}, {50, 76, red}}},
		{"border half transparent", opaque, func(j *Job) { j.Border = &Border{3, Colour{0, 0, 200, 128}} }, 100, 80, []point{{0, 0, color.NRGBA{100, 0, 100, 255}}, {3, 40, red}}},
		{"border wider than the picture", opaque, func(j *Job) { j.Border = &Border{60, Colour{0, 0, 200, 255}} }, 100, 80, []point{{50, 40, blue}}},
		{"round corners", opaque, func(j *Job) { j.Radius = 20 }, 100, 80, []point{{0, 0, transparent}, {4, 4, transparent}, {7, 7, red}, {0, 25, red}, {25, 0, red}, {99, 79, transparent}, {92, 72, red}, {99, 40, red}}},
		{"an ellipse", opaque, func(j *Job) { j.Radius = RadiusMax }, 100, 80, []point{{0, 40, red}, {50, 0, red}, {12, 12, transparent}, {16, 14, red}}},
		{"a radius larger than half the side makes a pill", opaque, func(j *Job) { j.Radius = 1000 }, 100, 80, []point{{50, 0, red}, {0, 40, red}, {10, 10, transparent}, {13, 13, red}}},
		{"round corners on a background", opaque, func(j *Job) { j.Radius, j.Background = 20, &Colour{0, 0, 200, 255} }, 100, 80, []point{{0, 0, blue}, {7, 7, red}}},
		{"a watermark in the middle", opaque, func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png"}} }, 100, 80, []point{{40, 35, blue}, {59, 44, blue}, {39, 35, red}, {60, 44, red}}},
		{"at an edge, moved inwards", opaque, func(j *Job) {
			j.Watermarks = []Watermark{{Image: mark, Format: "png", Gravity: Gravity{X: 1, Y: -1}, X: 5, Y: 7}}
		}, 100, 80, []point{{75, 7, blue}, {94, 16, blue}, {95, 7, red}, {75, 6, red}}},
		{"partly outside", opaque, func(j *Job) {
			j.Watermarks = []Watermark{{Image: mark, Format: "png", Gravity: Gravity{X: -1, Y: -1}, X: -15, Y: -5}}
		}, 100, 80, []point{{0, 0, blue}, {4, 4, blue}, {5, 4, red}, {4, 5, red}}},
		{"wholly outside", opaque, func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png", X: 5000}} }, 100, 80, []point{{50, 40, red}}},
		{"half opaque", opaque, func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png", Opacity: 0.5}} }, 100, 80, []point{{50, 40, color.NRGBA{100, 0, 100, 255}}}},
		{"scaled to a part of the width", opaque, func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png", Scale: 0.5}} }, 100, 80, []point{{25, 28, blue}, {74, 51, blue}, {24, 40, red}, {75, 40, red}, {50, 26, red}, {50, 53, red}}},
		{"made to fit", plainColour(10, 80, red), func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png"}} }, 10, 80, []point{{0, 39, blue}, {9, 39, blue}, {5, 36, red}, {5, 43, red}}},
		{"turned upright", opaque, func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png", Orientation: 6}} }, 100, 80, []point{{45, 30, blue}, {54, 49, blue}, {44, 40, red}, {55, 40, red}}},
		{"on what is transparent", holed, func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png"}} }, 100, 80, []point{{45, 40, blue}, {55, 40, blue}, {65, 40, transparent}}},
		{"after a turn", opaque, func(j *Job) {
			j.Rotate, j.Watermarks = 90, []Watermark{{Image: mark, Format: "png", Gravity: Gravity{X: -1, Y: -1}}}
		}, 80, 100, []point{{0, 0, blue}, {19, 9, blue}, {20, 0, red}}},
		{"the last watermark is on top", opaque, func(j *Job) {
			j.Watermarks = []Watermark{{Image: mark, Format: "png"}, {Image: asPNG(t, plainColour(4, 4, white)), Format: "png"}}
		}, 100, 80, []point{{50, 40, white}, {45, 40, blue}}},
		{"a grey picture takes colour", image.Image(greyed(opaque)), func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png"}} }, 100, 80, []point{{50, 40, blue}, {5, 5, color.NRGBA{60, 60, 60, 255}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := c.source.Bounds().Size()
			got := render(t, r, pngJob(size.X, size.Y).with(c.job), asPNG(t, c.source))
			if got.Width != c.width || got.Height != c.height {
				t.Fatalf("size = %d x %d, want %d x %d", got.Width, got.Height, c.width, c.height)
			}
			m := decode(t, got.Body)
			for _, p := range c.points {
				expect(t, m, p.x, p.y, p.want, 2)
			}
		})
	}
}

func greyed(m *image.NRGBA) *image.Gray {
	out := image.NewGray(m.Rect)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

// Every pixel of a tiled picture is that of the tile, wherever the tile begins.
func TestTiles(t *testing.T) {
	r := renderer(t)
	tile := scene(13, 9)
	for _, c := range []struct {
		name string
		mark Watermark
		x, y int // where one tile begins
	}{
		{"from the top left", Watermark{Gravity: Gravity{X: -1, Y: -1}}, 0, 0},
		{"from the middle", Watermark{}, 294, 196},
		{"moved", Watermark{Gravity: Gravity{X: -1, Y: -1}, X: 4, Y: -30}, 4, -30},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.mark.Image, c.mark.Format, c.mark.Tile = asPNG(t, tile), "png", true
			got := decode(t, render(t, r, pngJob(600, 400).with(func(j *Job) { j.Watermarks = []Watermark{c.mark} }), asPNG(t, plainColour(600, 400, white))).Body)
			for _, at := range []image.Point{{0, 0}, {599, 399}, {0, 399}, {300, 200}, {257, 255}, {511, 256}} {
				x, y := (at.X-c.x+130000)%13, (at.Y-c.y+90000)%9
				expect(t, got, at.X, at.Y, tile.NRGBAAt(x, y), 1)
			}
		})
	}
}

func TestText(t *testing.T) {
	r := renderer(t)
	file := asPNG(t, plainColour(300, 100, white))
	draw := func(t *testing.T, text Text) (*Result, image.Rectangle) {
		t.Helper()
		got := render(t, r, pngJob(300, 100).with(func(j *Job) { j.Texts = []Text{text} }), file)
		return got, inked(decode(t, got.Body))
	}
	red := Colour{255, 0, 0, 255}
	t.Run("lies in the middle, as high as it is to be", func(t *testing.T) {
		got, where := draw(t, Text{Text: "Hxg", Size: 50, Colour: red})
		if where.Dy() < 35 || where.Dy() > 55 || max(where.Min.X-(300-where.Max.X), (300-where.Max.X)-where.Min.X) > 3 {
			t.Errorf("ink at %v, want 35 to 55 high, and centred", where)
		}
		m := decode(t, got.Body)
		found := false
		for x := where.Min.X; x < where.Max.X; x++ {
			found = found || near(pixel(m, x, where.Min.Y+10), color.NRGBA{255, 0, 0, 255}, 2)
		}
		if !found {
			t.Error("there is no red in the letters")
		}
	})
	t.Run("twice the size is twice as wide", func(t *testing.T) {
		_, small := draw(t, Text{Text: "glassine", Size: 20, Colour: red})
		_, large := draw(t, Text{Text: "glassine", Size: 40, Colour: red})
		if ratio := float64(large.Dx()) / float64(small.Dx()); ratio < 1.9 || ratio > 2.1 {
			t.Errorf("%v and %v: ratio %.2f", small, large, ratio)
		}
	})
	t.Run("bold has more ink", func(t *testing.T) {
		thin, _ := draw(t, Text{Text: "glassine", Size: 40, Colour: red})
		bold, _ := draw(t, Text{Text: "glassine", Size: 40, Colour: red, Bold: true})
		if a, b := coverage(decode(t, thin.Body)), coverage(decode(t, bold.Body)); b < a*1.15 {
			t.Errorf("ink = %.0f thin, %.0f bold", a, b)
		}
	})
	t.Run("markup is text", func(t *testing.T) {
		_, plain := draw(t, Text{Text: "b", Size: 20, Colour: red})
		_, marked := draw(t, Text{Text: "<b>b</b>&amp;", Size: 20, Colour: red})
		if marked.Dx() < 5*plain.Dx() {
			t.Errorf("%v, want all signs of the markup: a letter is %v", marked, plain)
		}
	})
	t.Run("bad UTF-8 and control characters do not fail", func(t *testing.T) {
		draw(t, Text{Text: "a\xffb\x00c\x1b", Size: 20, Colour: red})
	})
	t.Run("text without ink draws nothing", func(t *testing.T) {
		if _, where := draw(t, Text{Text: " \u200b ", Size: 20, Colour: red}); !where.Empty() {
			t.Errorf("ink at %v", where)
		}
	})
	t.Run("in a corner, half opaque", func(t *testing.T) {
		got, where := draw(t, Text{Text: "\u2588\u2588", Size: 40, Colour: Colour{0, 0, 0, 255}, Opacity: 0.5, Gravity: Gravity{X: 1, Y: 1}, X: 10, Y: 10})
		if where.Max.X != 290 || where.Max.Y != 90 {
			t.Errorf("ink ends at %v, want 290, 90", where.Max)
		}
		expect(t, decode(t, got.Body), where.Min.X+where.Dx()/4, where.Min.Y+where.Dy()/2, color.NRGBA{127, 127, 127, 255}, 3)
	})
	t.Run("tiled", func(t *testing.T) {
		_, where := draw(t, Text{Text: "tile", Size: 20, Colour: red, Tile: true})
		if where.Dx() < 290 || where.Dy() < 90 {
			t.Errorf("ink at %v, want all over 300 x 100", where)
		}
	})
}

// inked is where a picture on white is not white.
func inked(m image.Image) image.Rectangle {
	var out image.Rectangle
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if !near(pixel(m, x, y), white, 8) {
				out = out.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return out
}

// coverage is how much of a picture on white is inked, by its green.
func coverage(m image.Image) float64 {
	var sum float64
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			sum += float64(255-pixel(m, x, y).G) / 255
		}
	}
	return sum
}

func TestAdjust(t *testing.T) {
	r := renderer(t)
	factor := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		name     string
		from, to color.NRGBA
		job      func(*Job)
	}{
		{"brightness", color.NRGBA{100, 50, 200, 255}, color.NRGBA{150, 75, 255, 255}, func(j *Job) { j.Brightness = factor(1.5) }},
		{"no brightness is black", color.NRGBA{100, 50, 200, 255}, black, func(j *Job) { j.Brightness = factor(0) }},
		{"contrast moves from the middle", color.NRGBA{100, 50, 200, 255}, color.NRGBA{73, 0, 255, 255}, func(j *Job) { j.Contrast = factor(2) }},
		{"no contrast is grey", color.NRGBA{100, 50, 200, 255}, grey, func(j *Job) { j.Contrast = factor(0) }},
		{"no saturation is the grey of the luminance", color.NRGBA{100, 50, 200, 255}, color.NRGBA{71, 71, 71, 255}, func(j *Job) { j.Saturation = factor(0) }},
		{"saturation moves from the grey", color.NRGBA{100, 50, 200, 255}, color.NRGBA{129, 29, 255, 255}, func(j *Job) { j.Saturation = factor(2) }},
		{"gamma lightens the middle", color.NRGBA{64, 0, 255, 255}, color.NRGBA{128, 0, 255, 255}, func(j *Job) { j.Gamma = factor(2) }},
		{"alpha stays", color.NRGBA{100, 50, 200, 77}, color.NRGBA{200, 100, 255, 77}, func(j *Job) { j.Brightness = factor(2) }},
		{"all of them, in turn", color.NRGBA{100, 50, 200, 255}, color.NRGBA{99, 99, 99, 255}, func(j *Job) {
			j.Brightness, j.Contrast, j.Saturation, j.Gamma = factor(1.2), factor(1.5), factor(0), factor(1.5)
		}},
		{"factors of 1 change nothing", color.NRGBA{1, 99, 254, 200}, color.NRGBA{1, 99, 254, 200}, func(j *Job) {
			j.Brightness, j.Contrast, j.Saturation, j.Gamma = factor(1), factor(1), factor(1), factor(1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := decode(t, render(t, r, pngJob(16, 16).with(c.job), asPNG(t, plainColour(16, 16, c.from))).Body)
			expect(t, got, 8, 8, c.to, 2)
		})
	}
}

func TestBlurAndSharpen(t *testing.T) {
	r := renderer(t)
	m := plainColour(80, 80, color.NRGBA{80, 80, 80, 255})
	for y := range 80 {
		for x := 40; x < 80; x++ {
			m.SetNRGBA(x, y, color.NRGBA{160, 160, 160, 255})
		}
	}
	edge := func(job func(*Job)) int {
		got := decode(t, render(t, r, pngJob(80, 80).with(job), asPNG(t, m)).Body)
		return int(pixel(got, 40, 40).R) - int(pixel(got, 39, 40).R)
	}
	previous := edge(func(*Job) {})
	for _, sigma := range []float64{0.5, 2, 8} {
		if now := edge(func(j *Job) { j.Blur = sigma }); now >= previous {
			t.Errorf("blur %v leaves an edge of %d, want less than %d", sigma, now, previous)
		} else {
			previous = now
		}
	}
	previous = edge(func(*Job) {})
	for _, strength := range []float64{0.3, 1, 3} {
		if now := edge(func(j *Job) { j.Sharpen = strength }); now <= previous {
			t.Errorf("sharpen %v leaves an edge of %d, want more than %d", strength, now, previous)
		} else {
			previous = now
		}
	}
	// A transparent neighbour has no colour that could bleed.
	holed := plainColour(40, 40, color.NRGBA{200, 0, 0, 255})
	for y := range 40 {
		for x := 20; x < 40; x++ {
			holed.SetNRGBA(x, y, color.NRGBA{0, 255, 0, 0})
		}
	}
	got := decode(t, render(t, r, pngJob(40, 40).with(func(j *Job) { j.Blur = 3 }), asPNG(t, holed)).Body)
	if p := pixel(got, 20, 20); p.G > 3 || p.A < 50 || p.A > 200 {
		t.Errorf("beside the hole = %v, want red half transparent", p)
	}
}
