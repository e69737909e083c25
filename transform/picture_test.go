package transform

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/transform/metadata"
	"glassine/transform/pixel/render"
)

func TestWishesBecomeJobs(t *testing.T) {
	photo := metadata.Header{Format: metadata.JPEG, Width: 4000, Height: 3000, Frames: 1, Orientation: 6}
	gif := metadata.Header{Format: metadata.GIF, Width: 100, Height: 50, Frames: 7, Orientation: 1, Animated: true}
	svg := metadata.Header{Format: metadata.SVG, Width: 24, Height: 24, Frames: 1, Orientation: 1, Alpha: true}
	pages := metadata.Header{Format: metadata.TIFF, Width: 10, Height: 10, Frames: 3, Orientation: 1}
	job := func(h metadata.Header, change func(*render.Job)) render.Job {
		j := render.Job{Source: string(h.Format), SourceWidth: h.Width, SourceHeight: h.Height, Orientation: h.Orientation, Frames: 1, Format: string(h.Format)}
		change(&j)
		return j
	}
	for _, c := range []struct {
		query, accept string
		header        metadata.Header
		want          render.Job
	}{
		{"w=100", "avif,webp", photo, job(photo, func(j *render.Job) { j.Width = 100 })},
		{"w=100&h=50&dpr=2&fit=cover&g=auto", "", photo, job(photo, func(j *render.Job) {
			j.Width, j.Height, j.Fit, j.Gravity.Mode = 200, 100, render.FitCover, "attention"
		})},
		{"padding=1,2&border=1,red&radius=3&blur=2&dpr=1.5", "", photo, job(photo, func(j *render.Job) {
			j.Padding, j.Border, j.Radius, j.Blur = [4]int{2, 3, 2, 3}, &render.Border{Width: 2, Colour: render.Colour{R: 255, A: 255}}, 5, 3
		})},
		{"radius=max&dpr=2", "", photo, job(photo, func(j *render.Job) { j.Radius = render.RadiusMax })},
		{"trim=10;20;30;40", "", photo, job(photo, func(j *render.Job) { // upright it is 3000 x 4000
			j.Crop = &render.Crop{Left: 40, Top: 10, Width: 2940, Height: 3960}
		})},
		{"f=auto&w=1", "avif,webp", photo, job(photo, func(j *render.Job) { j.Width, j.Format = 1, "avif" })},
		{"f=auto&w=1", "avif,webp", gif, job(gif, func(j *render.Job) { j.Width, j.Format, j.Frames = 1, "webp", 7 })},
		{"f=auto&w=1&anim=false", "avif", gif, job(gif, func(j *render.Job) { j.Width, j.Format = 1, "avif" })},
		{"f=auto&w=1", "", gif, job(gif, func(j *render.Job) { j.Width, j.Frames = 1, 7 })},
		{"f=png", "", gif, job(gif, func(j *render.Job) { j.Format = "png" })},
		{"w=1", "", svg, job(svg, func(j *render.Job) { j.Width, j.Format, j.Fit = 1, "png", render.FitContain })},
		{"f=auto&w=1", "", pages, job(pages, func(j *render.Job) { j.Width, j.Format = 1, "jpeg" })},
		{"f=baseline-jpeg&icc=srgb&q=low", "", photo, job(photo, func(j *render.Job) { j.Baseline, j.ICC, j.Quality = true, "srgb", 50 })},
		{"text=hi&dpr=2", "", photo, job(photo, func(j *render.Job) {
			j.Texts = []render.Text{{Text: "hi", Size: 64, Colour: render.Colour{R: 255, G: 255, B: 255, A: 255}}}
		})},
	} {
		w, err := readWish(c.query)
		if err != nil {
			t.Fatal(err)
		}
		w.accept = c.accept
		got, err := w.jobFor(c.header)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.query, d)
		}
	}
}

func TestJobsThatCannotBe(t *testing.T) {
	photo := metadata.Header{Format: metadata.JPEG, Width: 100, Height: 50, Frames: 1, Orientation: 1}
	for _, c := range []struct {
		query  string
		header metadata.Header
		want   string
	}{
		{"w=8000&dpr=2", photo, "width and height times dpr are at most 8192"},
		{"w=1&dpr=0.1", photo, "dpr makes the picture less than a pixel large"},
		{"trim=30;0;20;0", photo, "trim leaves nothing of a picture of this size"},
		{"trim=1;1;1;1&crop=0,0,5,5", photo, "crop and trim=TOP;RIGHT;BOTTOM;LEFT do not go together"},
		{"w=1", metadata.Header{Format: metadata.HEIF}, "File type image/heif can be served as it is, without its metadata, but the pixel engine does not decode it"},
	} {
		w, err := readWish(c.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.jobFor(c.header)
		if r := asRefused(err); r == nil || r.status != 400 || r.message != c.want {
			t.Errorf("%s: %v, want %s", c.query, err, c.want)
		}
	}
}
