package render

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// The same resize by sharp, which stands on the same library, and by a path of its own.
func TestFitsAsSharp(t *testing.T) {
	r := renderer(t)
	const width, height = 420, 310
	m := scene(width, height)
	for _, c := range []struct {
		name  string
		job   func(*Job)
		sharp [][]any
	}{
		{
			"scale-down", func(j *Job) { j.Width, j.Height = 150, 150 },
			[][]any{{"resize", 150, 150, map[string]any{"fit": "inside", "withoutEnlargement": true}}},
		},
		{"scale-down of a smaller picture", func(j *Job) { j.Width = 900 }, nil},
		{
			"contain", func(j *Job) { j.Width, j.Height, j.Fit = 600, 800, FitContain },
			[][]any{{"resize", 600, 800, map[string]any{"fit": "inside"}}},
		},
		{
			"cover", func(j *Job) { j.Width, j.Height, j.Fit = 120, 160, FitCover },
			[][]any{{"resize", 120, 160, map[string]any{"fit": "cover"}}},
		},
		{
			"cover with gravity at the right", func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.X = 120, 160, FitCover, 1 },
			[][]any{{"resize", 120, 160, map[string]any{"fit": "cover", "position": "right"}}},
		},
		{
			"cover with gravity at the top", func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.Y = 160, 50, FitCover, -1 },
			[][]any{{"resize", 160, 50, map[string]any{"fit": "cover", "position": "top"}}},
		},
		{
			"cover by attention", func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.Mode = 100, 160, FitCover, "attention" },
			[][]any{{"resize", 100, 160, map[string]any{"fit": "cover", "position": "attention"}}},
		},
		{
			"cover by entropy", func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.Mode = 160, 60, FitCover, "entropy" },
			[][]any{{"resize", 160, 60, map[string]any{"fit": "cover", "position": "entropy"}}},
		},
		{
			"pad", func(j *Job) { j.Width, j.Height, j.Fit = 200, 200, FitPad; j.Background = &Colour{10, 200, 30, 255} },
			[][]any{{"resize", 200, 200, map[string]any{"fit": "contain", "background": "rgb(10,200,30)"}}},
		},
		{
			"squeeze", func(j *Job) { j.Width, j.Height, j.Fit = 90, 220, FitSqueeze },
			[][]any{{"resize", 90, 220, map[string]any{"fit": "fill"}}},
		},
		{
			"outside", func(j *Job) { j.Width, j.Height, j.Fit = 150, 150, FitOutside },
			[][]any{{"resize", 150, 150, map[string]any{"fit": "outside"}}},
		},
		{
			"crop of a part, then a resize", func(j *Job) { j.Crop, j.Width = &Crop{Left: 50, Top: 40, Width: 200, Height: 100}, 100 },
			[][]any{{"extract", map[string]int{"left": 50, "top": 40, "width": 200, "height": 100}}, {"resize", 100}},
		},
		{
			"rotate and flip", func(j *Job) { j.Rotate, j.FlipHorizontal = 90, true },
			[][]any{{"flip"}, {"rotate", 90}},
		}, // it mirrors before it turns, whatever the order of calls
		{"blur", func(j *Job) { j.Blur = 3 }, [][]any{{"blur", map[string]any{"sigma": 3, "minAmplitude": 0.05}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for source, file := range map[string][]byte{"png": asPNG(t, m), "jpeg": asJPEG(t, m)} {
				job := pngJob(width, height).with(c.job)
				job.Source = source
				got := decode(t, render(t, r, job, file).Body)
				want := sharpPixels(t, file, c.sharp...)
				if d := difference(t, got, want); d > 1 {
					t.Errorf("%s: mean difference from sharp = %.2f of 255, want at most 1", source, d)
				}
			}
		})
	}
}

// A photograph that is decoded at an eighth must still look as one that is not.
func TestShrinkOnLoad(t *testing.T) {
	r := renderer(t)
	const width, height = 1603, 1207
	m := scene(width, height)
	for source, file := range map[string][]byte{"jpeg": asJPEG(t, m), "webp": sharpFile(t, asPNG(t, m), []any{"webp", map[string]any{"quality": 95}})} {
		for _, to := range []int{1000, 801, 400, 200, 150} {
			job := pngJob(width, height).with(func(j *Job) { j.Source, j.Width = source, to })
			got := render(t, r, job, file)
			want := sharpPixels(t, file, []any{"resize", map[string]any{"width": to, "fastShrinkOnLoad": false}})
			if got.Width != to || got.Height != want.Rect.Dy() {
				t.Errorf("%s to %d: size = %d x %d, want that of sharp, %v", source, to, got.Width, got.Height, want.Rect)
				continue
			}
			if d := difference(t, decode(t, got.Body), want); d > 3 {
				t.Errorf("%s to %d: mean difference from a full decode = %.2f of 255, want at most 3", source, to, d)
			}
		}
	}
}

// The order of turning, cropping and resizing: whatever the turn, the result is that of the steps one after the other.
func TestCropInUprightSource(t *testing.T) {
	r := renderer(t)
	const width, height = 64, 48
	file := asPNG(t, scene(width, height))
	for orientation := 1; orientation <= 8; orientation++ {
		turned := render(t, r, pngJob(width, height).with(func(j *Job) { j.Orientation = orientation }), file)
		crop := func(j *Job) {
			j.Crop = &Crop{Left: 3, Top: 5, Width: 30, Height: 20}
			j.Rotate, j.FlipVertical = 270, true
			j.Width, j.Height, j.Fit, j.Gravity = 10, 16, FitCover, Gravity{X: -1, Y: 1}
		}
		want := decode(t, render(t, r, pngJob(turned.Width, turned.Height).with(crop), turned.Body).Body)
		job := pngJob(width, height).with(crop)
		job.Orientation = orientation
		got := decode(t, render(t, r, job, file).Body)
		if d := difference(t, got, want); d > 0.5 {
			t.Errorf("orientation %d: mean difference from the steps in turn = %.2f", orientation, d)
		}
	}
}

func TestFocalPoint(t *testing.T) {
	r := renderer(t)
	m := plainColour(200, 100, corner[0])
	for y := range 100 {
		m.SetNRGBA(60, y, corner[3])
	}
	// The line is at 30 %: as X -0.4. It is to stand in the middle of a cut of 40 pixels.
	job := pngJob(200, 100).with(func(j *Job) { j.Width, j.Height, j.Fit, j.Gravity.X = 40, 100, FitCover, -0.4 })
	got := decode(t, render(t, r, job, asPNG(t, m)).Body)
	expect(t, got, 20, 50, corner[3], 0)
	expect(t, got, 19, 50, corner[0], 0)
}

// A line that is cut to a square is scaled to be far larger than any result.
func TestCoverOfALine(t *testing.T) {
	r := renderer(t)
	m := plainColour(4, 4000, corner[0])
	for x := range 4 {
		for y := 1990; y < 2010; y++ {
			m.SetNRGBA(x, y, corner[3])
		}
	}
	job := pngJob(4, 4000).with(func(j *Job) { j.Width, j.Height, j.Fit = 400, 400, FitCover })
	got := decode(t, render(t, r, job, asPNG(t, m)).Body)
	expect(t, got, 200, 200, corner[3], 3)
	job.Gravity.Y = -1
	got = decode(t, render(t, r, job, asPNG(t, m)).Body)
	expect(t, got, 200, 200, corner[0], 3)
	job.Gravity = Gravity{Mode: "attention"}
	if _, err := r.Render(job, asPNG(t, m)); !isInput(err) {
		t.Errorf("held whole to be looked at: error = %v, want an *InputError", err)
	}
}

func TestTrim(t *testing.T) {
	r := renderer(t)
	m := plainColour(120, 90, corner[1])
	inner := image.Rect(30, 20, 80, 60)
	for y := inner.Min.Y; y < inner.Max.Y; y++ {
		for x := inner.Min.X; x < inner.Max.X; x++ {
			m.SetNRGBA(x, y, corner[2])
		}
	}
	file := asPNG(t, m)
	for _, c := range []struct {
		name          string
		job           func(*Job)
		width, height int
	}{
		{"edges of the corner's colour go", func(j *Job) { j.Trim = &Trim{} }, 50, 40},
		{"some is kept", func(j *Job) { j.Trim = &Trim{Keep: 7} }, 64, 54},
		{"no more is kept than there is", func(j *Job) { j.Trim = &Trim{Keep: 1000} }, 120, 90},
		{"edges of another colour stay", func(j *Job) { j.Trim = &Trim{Colour: &Colour{0, 0, 0, 255}} }, 120, 90},
		{"edges of the colour named go", func(j *Job) { j.Trim = &Trim{Colour: &Colour{20, 210, 30, 255}} }, 50, 40},
		{"a turned picture is trimmed alike", func(j *Job) { j.Trim, j.Orientation = &Trim{}, 6 }, 40, 50},
		{"within a crop", func(j *Job) { j.Trim, j.Crop = &Trim{}, &Crop{Left: 0, Top: 0, Width: 60, Height: 90} }, 30, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, r, pngJob(120, 90).with(c.job), file)
			if got.Width != c.width || got.Height != c.height {
				t.Errorf("size = %d x %d, want %d x %d", got.Width, got.Height, c.width, c.height)
			}
		})
	}
	all := render(t, r, pngJob(50, 40).with(func(j *Job) { j.Trim = &Trim{} }), asPNG(t, plainColour(50, 40, corner[1])))
	if all.Width != 50 || all.Height != 40 {
		t.Errorf("a picture of one colour is trimmed to %d x %d, want it whole", all.Width, all.Height)
	}
}

// Every picture that GLASSINE_SAMPLES names, and the sample, as sharp makes it.
func TestSamplesAsSharp(t *testing.T) {
	r := renderer(t)
	files := map[string][]byte{"sample.jpg": sample.JPEG}
	if dir := os.Getenv("GLASSINE_SAMPLES"); dir != "" {
		names, err := filepath.Glob(filepath.Join(dir, "*", "*.*"))
		if err != nil || len(names) == 0 {
			t.Fatalf("GLASSINE_SAMPLES names %s: %d files, %v", dir, len(names), err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = data
		}
	}
	compared := 0
	for name, file := range files {
		info, err := metadata.Describe(bytes.NewReader(file), int64(len(file)))
		if err != nil || loaders[string(info.Format)] == "" || info.Format == "svg" {
			continue
		}
		job := Job{
			Source: string(info.Format), SourceWidth: info.Width, SourceHeight: info.Height, Orientation: info.Orientation,
			Width: 200, Format: "png", ICC: "srgb",
		}
		got, err := r.Render(job, file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resize := map[string]any{"width": 200, "withoutEnlargement": true}
		want := sharp(t, question{Input: file, Options: map[string]any{"failOn": "none"}, Steps: [][]any{{"autoOrient"}, {"resize", resize}}, Want: "raw"})
		pixels := &image.NRGBA{Pix: want.Data, Stride: 4 * want.Width, Rect: image.Rect(0, 0, want.Width, want.Height)}
		// sharp rounds what it has decoded at a part of its size once more.
		if got.Width != want.Width || got.Height < want.Height-1 || got.Height > want.Height+1 {
			t.Errorf("%s of %d x %d: size = %d x %d, sharp's is %d x %d", name, info.Width, info.Height, got.Width, got.Height, want.Width, want.Height)
		}
		if got.Height != want.Height {
			continue
		}
		if d := difference(t, decode(t, got.Body), pixels); d > 1.5 {
			t.Errorf("%s: mean difference from sharp = %.2f of 255, want at most 1.5", name, d)
		}
		compared++
	}
	t.Logf("%d of %d files compared", compared, len(files))
	if compared == 0 {
		t.Error("nothing was compared")
	}
}
