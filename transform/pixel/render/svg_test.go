package render

import (
	"errors"
	"fmt"
	"image/color"
	"testing"
)

// A drawing of 40 x 30 with an edge that shows whether it was drawn at its size or enlarged.
const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30" viewBox="0 0 40 30">` +
	`<rect width="20" height="30" fill="#c80000"/><rect x="20" y="15" width="20" height="15" fill="#0000c8"/></svg>`

func TestSVG(t *testing.T) {
	r := renderer(t)
	red, blue := color.NRGBA{200, 0, 0, 255}, color.NRGBA{0, 0, 200, 255}
	job := Job{Source: "svg", SourceWidth: 40, SourceHeight: 30, Format: "png"}
	for _, c := range []struct {
		name          string
		job           func(*Job)
		width, height int
		points        []point
	}{
		{"at its own size", func(*Job) {}, 40, 30, []point{{19, 20, red}, {20, 20, blue}, {20, 5, transparent}}},
		{"enlarged with sharp edges", func(j *Job) { j.Width, j.Fit = 2000, FitContain }, 2000, 1500, []point{{999, 1000, red}, {1000, 1000, blue}, {1000, 749, transparent}, {1000, 750, blue}}},
		{"made smaller", func(j *Job) { j.Width = 20 }, 20, 15, []point{{9, 10, red}, {11, 10, blue}}},
		{"never enlarged by scale-down", func(j *Job) { j.Width = 2000 }, 40, 30, nil},
		{
			"a part, enlarged", func(j *Job) {
				j.Crop, j.Width, j.Fit = &Crop{Left: 10, Top: 10, Width: 20, Height: 10}, 1000, FitContain
			}, 1000, 500,
			[]point{{499, 400, red}, {500, 400, blue}, {500, 248, transparent}, {500, 252, blue}},
		},
		{"turned", func(j *Job) { j.Rotate, j.Width, j.Fit = 90, 600, FitContain }, 600, 800, []point{{100, 399, red}, {100, 400, blue}, {500, 600, transparent}}},
		{"of other proportions", func(j *Job) { j.Width, j.Height, j.Fit = 400, 600, FitSqueeze }, 400, 600, []point{{180, 400, red}, {220, 400, blue}}},
		{"on a background", func(j *Job) { j.Background = &Colour{9, 9, 9, 255} }, 40, 30, []point{{30, 5, color.NRGBA{9, 9, 9, 255}}}},
		{"of a size that the job does not know", func(j *Job) { j.SourceWidth, j.SourceHeight = 0, 0 }, 40, 30, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, r, job.with(c.job), []byte(drawing))
			if got.Width != c.width || got.Height != c.height {
				t.Fatalf("size = %d x %d, want %d x %d", got.Width, got.Height, c.width, c.height)
			}
			m := decode(t, got.Body)
			for _, p := range c.points {
				expect(t, m, p.x, p.y, p.want, 2)
			}
		})
	}
	t.Run("with text", func(t *testing.T) {
		text := `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60"><rect width="200" height="60" fill="#fff"/>` +
			`<text x="10" y="45" font-family="Go" font-size="40">SVG</text></svg>`
		got := render(t, r, Job{Source: "svg", SourceWidth: 200, SourceHeight: 60, Format: "png"}, []byte(text))
		if where := inked(decode(t, got.Body)); where.Dx() < 50 || where.Dy() < 20 {
			t.Errorf("ink at %v", where)
		}
	})
	t.Run("refused by a renderer that was not opened for it", func(t *testing.T) {
		closed := &Renderer{library: r.library}
		_, err := closed.Render(job, []byte(drawing))
		if _, input := errors.AsType[*InputError](err); err == nil || input {
			t.Errorf("error = %v, want one that is not the caller's", err)
		}
	})
	t.Run("files that it names are not read", func(t *testing.T) {
		for _, inside := range []string{
			`<image href="file:///etc/hostname" width="40" height="30"/>`, `<image href="http://127.0.0.1:9/" width="40" height="30"/>`,
			`<style>@import url("file:///etc/hostname");</style>`,
		} {
			svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30">%s</svg>`, inside)
			got := render(t, r, job, []byte(svg))
			expect(t, decode(t, got.Body), 20, 15, transparent, 0)
		}
	})
}
