package render

import "testing"

func TestTurns(t *testing.T) {
	// The top left corner of a stored picture of 4 x 3, and where it stands upright (Exif 3.0, section 4.6.5.1.6).
	for orientation, want := range map[int]rect{
		1: {0, 0, 1, 1}, 2: {3, 0, 1, 1}, 3: {3, 2, 1, 1}, 4: {0, 2, 1, 1},
		5: {0, 0, 1, 1}, 6: {2, 0, 1, 1}, 7: {2, 3, 1, 1}, 8: {0, 3, 1, 1},
	} {
		upright := uprightTurn(orientation)
		if got := upright.rect(rect{0, 0, 1, 1}, 4, 3); got != want {
			t.Errorf("orientation %d: top left is at %v, want %v", orientation, got, want)
		}
		width, height := upright.size(4, 3)
		if got := upright.inverse().rect(want, width, height); got != (rect{0, 0, 1, 1}) {
			t.Errorf("orientation %d: the way back leads to %v", orientation, got)
		}
	}
	for a := range 8 {
		for b := range 8 {
			first, second := turn{a > 3, a % 4}, turn{b > 3, b % 4}
			r := rect{1, 0, 1, 2}
			width, height := first.size(4, 3)
			want := second.rect(first.rect(r, 4, 3), width, height)
			if got := first.then(second).rect(r, 4, 3); got != want {
				t.Errorf("%v then %v moves %v to %v, want %v", first, second, r, got, want)
			}
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		name          string
		fit           Fit
		width, height int
		want          fitted
	}{
		{"no area leaves the size", FitCover, 0, 0, fitted{400, 300, 400, 300}},
		{"scale-down shrinks to the tighter side", "", 200, 200, fitted{200, 150, 200, 150}},
		{"scale-down never enlarges", "", 800, 0, fitted{400, 300, 400, 300}},
		{"one side gives the other", FitContain, 0, 600, fitted{800, 600, 800, 600}},
		{"contain enlarges", FitContain, 800, 800, fitted{800, 600, 800, 600}},
		{"cover is cut", FitCover, 200, 200, fitted{267, 200, 200, 200}},
		{"cover enlarges", FitCover, 800, 800, fitted{1067, 800, 800, 800}},
		{"crop of a larger picture is cover", FitCrop, 200, 200, fitted{267, 200, 200, 200}},
		{"crop does not enlarge, and cuts the longer side", FitCrop, 350, 500, fitted{400, 300, 350, 300}},
		{"crop leaves a smaller picture", FitCrop, 500, 500, fitted{400, 300, 400, 300}},
		{"pad lays the picture on the area", FitPad, 200, 200, fitted{200, 150, 200, 200}},
		{"squeeze changes proportions", FitSqueeze, 100, 300, fitted{100, 300, 100, 300}},
		{"outside covers and is whole", FitOutside, 200, 200, fitted{267, 200, 267, 200}},
		{"a side is never nothing", FitContain, 1, 0, fitted{1, 1, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := Job{Fit: c.fit, Width: c.width, Height: c.height}
			if got := j.fit(400, 300); got != c.want {
				t.Errorf("fit %q of 400 x 300 in %d x %d = %+v, want %+v", c.fit, c.width, c.height, got, c.want)
			}
		})
	}
}

func TestCropPixels(t *testing.T) {
	for _, c := range []struct {
		name   string
		crop   Crop
		want   rect
		inside bool
	}{
		{"pixels", Crop{Left: 10, Top: 20, Width: 30, Height: 40}, rect{10, 20, 30, 40}, true},
		{"fractions", Crop{Left: 0.25, Top: 0.5, Width: 0.5, Height: 0.25, Relative: true}, rect{100, 150, 200, 75}, true},
		{"what stands over the edge is left out", Crop{Left: 350, Top: -10, Width: 100, Height: 20}, rect{350, 0, 50, 10}, true},
		{"no width is the rest", Crop{Left: 100, Top: 100}, rect{100, 100, 300, 200}, true},
		{"less than a pixel is a pixel", Crop{Left: 10, Top: 10, Width: 0.2, Height: 0.2}, rect{10, 10, 1, 1}, true},
		{"outside", Crop{Left: 400, Top: 0, Width: 10, Height: 10}, rect{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, inside := c.crop.pixels(400, 300)
			if inside != c.inside || inside && got != c.want {
				t.Errorf("%+v of 400 x 300 = %v, %v; want %v, %v", c.crop, got, inside, c.want, c.inside)
			}
		})
	}
}
