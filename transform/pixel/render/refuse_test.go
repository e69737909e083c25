package render

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestRefused(t *testing.T) {
	r := renderer(t)
	m := scene(60, 40)
	file := asPNG(t, m)
	nan := math.NaN()
	for _, c := range []struct {
		name   string
		job    func(*Job)
		reason string // a part of it
	}{
		{"another size than announced", func(j *Job) { j.SourceWidth = 61 }, "60 x 40"},
		{"no size announced", func(j *Job) { j.SourceWidth, j.SourceHeight = 0, 0 }, "60 x 40"},
		{"another format than announced", func(j *Job) { j.Source = "jpeg" }, "cannot be decoded"},
		{"a source of no format that is known", func(j *Job) { j.Source = "heic" }, "heic"},
		{"crop outside", func(j *Job) { j.Crop = &Crop{Left: 60, Width: 5, Height: 5} }, "outside the picture of 60 x 40"},
		{"crop of no number", func(j *Job) { j.Crop = &Crop{Left: nan, Width: 5, Height: 5} }, "crop"},
		{"too wide", func(j *Job) { j.Width, j.Fit = MaxSide+1, FitContain }, "width"},
		{"too high by its proportions", func(j *Job) { j.Width, j.Fit, j.Crop = 10000, FitContain, &Crop{Width: 10, Height: 40} }, "10000 x 40000"},
		{"too large by its padding", func(j *Job) { j.Padding = [4]int{0, MaxSide, 0, 0} }, "16443 x 40"},
		{"negative padding", func(j *Job) { j.Padding = [4]int{0, -1, 0, 0} }, "padding"},
		{"a turn of no right angle", func(j *Job) { j.Rotate = 45 }, "rotated"},
		{"an unknown fit", func(j *Job) { j.Fit = "stretch" }, "stretch"},
		{"an unknown gravity", func(j *Job) { j.Gravity.Mode = "face" }, "face"},
		{"gravity of no number", func(j *Job) { j.Gravity.X = nan }, "gravity"},
		{"too much blur", func(j *Job) { j.Blur = 1e9 }, "blur"},
		{"brightness of no number", func(j *Job) { j.Brightness = &nan }, "brightness"},
		{"quality above 100", func(j *Job) { j.Quality = 101 }, "quality"},
		{"trim of no number", func(j *Job) { j.Trim = &Trim{Threshold: nan} }, "trim"},
		{"an unknown rule for profiles", func(j *Job) { j.ICC = "p3" }, "p3"},
		{"a watermark that is no picture", func(j *Job) { j.Watermarks = []Watermark{{Image: []byte("no"), Format: "png"}} }, "watermark"},
		{"a damaged watermark", func(j *Job) { j.Watermarks = []Watermark{{Image: file[:60], Format: "png"}} }, "watermark"},
		{"an empty watermark", func(j *Job) { j.Watermarks = []Watermark{{Format: "png"}} }, "watermark"},
		{"a watermark of SVG", func(j *Job) { j.Watermarks = []Watermark{{Image: []byte(drawing), Format: "svg"}} }, "svg"},
		{"opacity above 1", func(j *Job) { j.Watermarks = []Watermark{{Image: file, Format: "png", Opacity: 2}} }, "opacity"},
		{"scale of no number", func(j *Job) { j.Watermarks = []Watermark{{Image: file, Format: "png", Scale: nan}} }, "scale"},
		{"text of no size", func(j *Job) { j.Texts = []Text{{Text: "a"}} }, "text"},
		{"text of great length", func(j *Job) { j.Texts = []Text{{Text: strings.Repeat("a", 10000), Size: 100}} }, "text"},
		{"an Exif block that JPEG has no room for", func(j *Job) { j.Format, j.Exif = "jpeg", make([]byte, 70000) }, "Exif"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.Render(pngJob(60, 40).with(c.job), file)
			fault, ok := errors.AsType[*InputError](err)
			if !ok {
				t.Fatalf("error = %v, want an *InputError", err)
			}
			if !strings.Contains(fault.Reason, c.reason) || !strings.HasSuffix(fault.Reason, ".") {
				t.Errorf("reason = %q, want a sentence with %q", fault.Reason, c.reason)
			}
		})
	}
	t.Run("an unknown result is the program's fault", func(t *testing.T) {
		if _, err := r.Render(pngJob(60, 40).with(func(j *Job) { j.Format = "bmp" }), file); err == nil || isInput(err) {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("a size announced as it is after turning", func(t *testing.T) {
		render(t, r, pngJob(40, 60).with(func(j *Job) { j.Orientation = 6 }), file)
	})
}

// What is damaged is used as far as it goes, unless the job is strict.
func TestDamaged(t *testing.T) {
	r := renderer(t)
	m := noise(200, 160)
	whole := map[string][]byte{"png": asPNG(t, m), "jpeg": asJPEG(t, m)}
	for _, format := range []string{"webp", "gif", "tiff", "avif"} {
		whole[format] = sharpFile(t, whole["png"], []any{format})
	}
	for format, file := range whole {
		job := Job{Source: format, SourceWidth: 200, SourceHeight: 160, Width: 100, Format: "png"}
		render(t, r, job.with(func(j *Job) { j.Strict = true }), file)
		for name, damaged := range map[string][]byte{
			"cut at two thirds":  file[:len(file)*2/3],
			"a hole in the data": append(append(bytes.Clone(file[:len(file)/2]), make([]byte, 400)...), file[len(file)/2+400:]...),
			"cut in the header":  file[:10],
			"empty":              {},
		} {
			t.Run(format+" "+name, func(t *testing.T) {
				got, err := r.Render(job, damaged)
				if err == nil && (got.Width != 100 || got.Height != 80) || err != nil && !isInput(err) {
					t.Errorf("result %+v, error %v", got, err)
				}
				if (format == "jpeg" || format == "png") && len(damaged) > len(file)/2 && name == "cut at two thirds" && err != nil {
					t.Errorf("error = %v, want what there is", err)
				}
				// A hole in compressed data without checksums is not always damage that a decoder can know.
				_, err = r.Render(job.with(func(j *Job) { j.Strict = true }), damaged)
				if err != nil && !isInput(err) {
					t.Errorf("strict: error %v", err)
				}
				if err == nil && (name != "a hole in the data" || format == "png") {
					t.Error("strict: no error")
				}
			})
		}
	}
}
