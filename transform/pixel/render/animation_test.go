package render

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"slices"
	"testing"
)

// animation is a GIF of one frame a colour: of that colour, with a white block in the top left corner.
func animation(t testing.TB, width, height int, colours []color.NRGBA, delays []int, loop int) []byte {
	t.Helper()
	g := &gif.GIF{LoopCount: loop}
	for i, c := range colours {
		m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{c, color.White})
		for y := range height / 4 {
			for x := range width / 4 {
				m.SetColorIndex(x, y, 1)
			}
		}
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, delays[i])
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// frames are the pictures of an animation, as sharp shows them.
func frames(t testing.TB, file []byte, height int) []*image.NRGBA {
	t.Helper()
	a := sharp(t, question{Input: file, Options: map[string]any{"pages": -1}, Want: "raw"})
	var out []*image.NRGBA
	for y := 0; y+height <= a.Height; y += height {
		out = append(out, &image.NRGBA{Pix: a.Data[4*a.Width*y : 4*a.Width*(y+height)], Stride: 4 * a.Width, Rect: image.Rect(0, 0, a.Width, height)})
	}
	return out
}

func TestAnimation(t *testing.T) {
	r := renderer(t)
	colours := corner[:]
	source := animation(t, 160, 120, colours, []int{5, 10, 20, 7}, 2)
	sources := map[string][]byte{
		"gif":  source,
		"webp": sharp(t, question{Input: source, Options: map[string]any{"pages": -1}, Steps: [][]any{{"webp", map[string]any{"lossless": true}}}, Want: "file"}).Data,
	}
	for _, c := range []struct {
		name          string
		job           func(*Job)
		width, height int
		white         image.Point // within the white block
		colour        []image.Point
	}{
		{"as it is", func(*Job) {}, 160, 120, image.Pt(20, 10), []image.Point{{159, 0}, {0, 119}, {159, 119}}},
		{"resized", func(j *Job) { j.Width = 80 }, 80, 60, image.Pt(8, 6), []image.Point{{79, 0}, {0, 59}, {79, 59}}},
		{"cut at the left", func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.X = 60, 60, FitCover, -1 }, 60, 60, image.Pt(8, 6), []image.Point{{59, 0}, {0, 59}}},
		{"a part", func(j *Job) { j.Crop = &Crop{Left: 20, Top: 10, Width: 100, Height: 50} }, 100, 50, image.Pt(10, 10), []image.Point{{99, 0}, {0, 49}}},
		{"turned", func(j *Job) { j.Rotate, j.Width = 90, 60 }, 60, 80, image.Pt(52, 8), []image.Point{{0, 0}, {0, 79}, {59, 79}}},
		{"by what catches the eye", func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.Mode = 60, 30, FitCover, "attention" }, 60, 30, image.Pt(5, 5), []image.Point{{59, 29}}},
	} {
		for from, file := range sources {
			for _, to := range []string{"gif", "webp"} {
				t.Run(c.name+" from "+from+" to "+to, func(t *testing.T) {
					job := Job{Source: from, SourceWidth: 160, SourceHeight: 120, Frames: 100, Format: to, Lossless: true}.with(c.job)
					got := render(t, r, job, file)
					if got.Frames != 4 || got.Width != c.width || got.Height != c.height {
						t.Fatalf("result = %d frames of %d x %d, want 4 of %d x %d", got.Frames, got.Width, got.Height, c.width, c.height)
					}
					said := inspect(t, got.Body)
					if said.Pages != 4 || said.PageHeight != c.height || !slices.Equal(said.Delay, []int{50, 100, 200, 70}) || said.Loop != inspect(t, file).Loop {
						t.Errorf("sharp finds %d frames of height %d, delays %v, loop %d", said.Pages, said.PageHeight, said.Delay, said.Loop)
					}
					for i, m := range frames(t, got.Body, c.height) {
						expect(t, m, c.white.X, c.white.Y, white, 12)
						for _, at := range c.colour {
							expect(t, m, at.X, at.Y, colours[i], 12)
						}
					}
				})
			}
		}
	}
}

func TestAnimationBesidesSizes(t *testing.T) {
	r := renderer(t)
	file := animation(t, 80, 60, corner[:], []int{5, 5, 5, 5}, 0)
	job := Job{Source: "gif", SourceWidth: 80, SourceHeight: 60, Frames: 100, Format: "webp", Lossless: true}
	t.Run("area, padding and border of every frame", func(t *testing.T) {
		got := render(t, r, job.with(func(j *Job) {
			j.Width, j.Height, j.Fit, j.Padding = 80, 80, FitPad, [4]int{5, 6, 7, 8}
			j.Background, j.Border = &Colour{9, 9, 9, 255}, &Border{2, Colour{250, 0, 250, 255}}
		}), file)
		if got.Width != 94 || got.Height != 92 {
			t.Fatalf("size = %d x %d, want 94 x 92", got.Width, got.Height)
		}
		for i, m := range frames(t, got.Body, 92) {
			expect(t, m, 0, 0, color.NRGBA{250, 0, 250, 255}, 0)
			expect(t, m, 93, 91, color.NRGBA{250, 0, 250, 255}, 0)
			expect(t, m, 4, 4, color.NRGBA{9, 9, 9, 255}, 0)
			expect(t, m, 8, 14, color.NRGBA{9, 9, 9, 255}, 0)
			expect(t, m, 87, 74, corner[i], 0)
		}
	})
	t.Run("one watermark on every frame", func(t *testing.T) {
		mark := asPNG(t, plainColour(10, 10, color.NRGBA{1, 2, 3, 255}))
		got := render(t, r, job.with(func(j *Job) { j.Watermarks = []Watermark{{Image: mark, Format: "png", Gravity: Gravity{X: 1, Y: 1}}} }), file)
		for i, m := range frames(t, got.Body, 60) {
			expect(t, m, 75, 55, color.NRGBA{1, 2, 3, 255}, 0)
			expect(t, m, 65, 45, corner[i], 0)
		}
	})
	t.Run("trim leaves what any frame shows", func(t *testing.T) {
		g := &gif.GIF{}
		for i := range 2 {
			m := image.NewPaletted(image.Rect(0, 0, 50, 50), color.Palette{color.Black, color.White})
			for p := range 100 {
				m.SetColorIndex(10+20*i+p%10, 10+20*i+p/10, 1)
			}
			g.Image, g.Delay = append(g.Image, m), append(g.Delay, 5)
		}
		var b bytes.Buffer
		if err := gif.EncodeAll(&b, g); err != nil {
			t.Fatal(err)
		}
		got := render(t, r, Job{Source: "gif", SourceWidth: 50, SourceHeight: 50, Frames: 2, Format: "gif", Trim: &Trim{}}, b.Bytes())
		if got.Width != 30 || got.Height != 30 || got.Frames != 2 {
			t.Errorf("result = %d frames of %d x %d, want 2 of 30 x 30", got.Frames, got.Width, got.Height)
		}
	})
	for _, c := range []struct {
		name   string
		job    func(*Job)
		frames int
	}{
		{"the first frame alone unless asked", func(j *Job) { j.Frames = 0 }, 1},
		{"no more frames than asked", func(j *Job) { j.Frames = 3 }, 3},
		{"one frame of a format without more", func(j *Job) { j.Format = "png" }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, r, job.with(c.job), file)
			if said := inspect(t, got.Body); got.Frames != c.frames || max(1, said.Pages) != c.frames || got.Height != 60 {
				t.Errorf("result = %d frames of height %d, of which sharp finds %d; want %d", got.Frames, got.Height, said.Pages, c.frames)
			}
		})
	}
}
