package render

import (
	"fmt"

	"glassine/transform/pixel/vips"
)

// frame takes frame i of the loaded picture and gives it the plan's geometry, but for what FitPad adds around.
func (w *work) frame(loaded *vips.Image, i int, p plan) (*vips.Image, error) {
	r := p.region
	r.y += i * p.frameHeight
	return through(loaded,
		func(image *vips.Image) (*vips.Image, error) { return w.extract(image, r) },
		func(image *vips.Image) (*vips.Image, error) {
			width, height := p.turn.size(p.width, p.height)
			return w.resize(image, width, height)
		},
		func(image *vips.Image) (*vips.Image, error) { return w.turned(image, p.turn) },
		func(image *vips.Image) (*vips.Image, error) { return w.cutOut(image, p.fitted) },
	)
}

// extract is a part of a picture.
func (w *work) extract(image *vips.Image, r rect) (*vips.Image, error) {
	if (r == rect{0, 0, image.Width(), image.Height()}) {
		return image, nil
	}
	return w.Image("extract_area", vips.Args{"input": image, "left": r.x, "top": r.y, "width": r.w, "height": r.h})
}

// resize scales a picture. Transparent pixels count by their alpha, so that no colour that cannot be seen bleeds into what can.
func (w *work) resize(image *vips.Image, width, height int) (*vips.Image, error) {
	if width == image.Width() && height == image.Height() {
		return image, nil
	}
	return w.premultiplied(image, func(image *vips.Image) (*vips.Image, error) {
		return w.Image("resize", vips.Args{
			"in": image, "kernel": "lanczos3",
			"scale": float64(width) / float64(image.Width()), "vscale": float64(height) / float64(image.Height()),
		})
	})
}

// premultiplied does a step that mixes neighbouring pixels, on colours that are multiplied by their alpha.
func (w *work) premultiplied(image *vips.Image, do step) (*vips.Image, error) {
	if !image.HasAlpha() {
		return do(image)
	}
	format := image.Format()
	return through(image,
		w.op("premultiply"), w.cast(format), do, w.op("unpremultiply"), w.cast(format))
}

// op is an operation of one input and no more arguments.
func (w *work) op(name string) step {
	return func(image *vips.Image) (*vips.Image, error) { return w.Image(name, vips.Args{"in": image}) }
}

// cast makes values of another type, held at the ends of its range.
func (w *work) cast(format string) step {
	return func(image *vips.Image) (*vips.Image, error) {
		if image.Format() == format {
			return image, nil
		}
		return w.Image("cast", vips.Args{"in": image, "format": format})
	}
}

// turned mirrors and turns a picture, which is put in memory if it must be read in another order than from the top.
func (w *work) turned(image *vips.Image, t turn) (*vips.Image, error) {
	var err error
	if t.quarters > 0 {
		if image, err = w.InMemory(image); err != nil {
			return nil, err
		}
	}
	if t.mirror {
		if image, err = w.Image("flip", vips.Args{"in": image, "direction": "horizontal"}); err != nil {
			return nil, err
		}
	}
	if t.quarters == 0 {
		return image, nil
	}
	return w.Image("rot", vips.Args{"in": image, "angle": fmt.Sprintf("d%d", 90*t.quarters)})
}

// cutOut cuts a picture to its outWidth x outHeight where it is larger, by Job.Gravity.
func (w *work) cutOut(image *vips.Image, f fitted) (*vips.Image, error) {
	width, height := min(f.outWidth, image.Width()), min(f.outHeight, image.Height())
	if width == image.Width() && height == image.Height() {
		return image, nil
	}
	if w.cut != nil {
		return w.extract(image, *w.cut)
	}
	g := w.job.Gravity
	if g.Mode == "" {
		return w.extract(image, rect{around(width, image.Width(), g.X), around(height, image.Height(), g.Y), width, height})
	}
	image, err := w.InMemory(image)
	if err != nil {
		return nil, err
	}
	input, err := w.toSRGB(image)
	if err != nil {
		return nil, err
	}
	out, err := w.Image("smartcrop", vips.Args{"input": input, "width": width, "height": height, "interesting": g.Mode})
	if err != nil {
		return nil, err
	}
	// smartcrop says where it cut only by the offset of its result.
	x, y, err := w.offset(out)
	if err != nil {
		return nil, err
	}
	w.cut = &rect{x, y, width, height}
	return w.extract(image, *w.cut)
}

// offset is where a picture lay in the one that it was cut from.
func (w *work) offset(image *vips.Image) (int, int, error) {
	x, err := w.Field(image, "xoffset")
	if err != nil {
		return 0, 0, err
	}
	y, err := w.Field(image, "yoffset")
	if err != nil {
		return 0, 0, err
	}
	return -x.(int), -y.(int), nil
}

// toSRGB makes 8 bits of sRGB, or of grey, of what is neither, without a look at profiles.
func (w *work) toSRGB(image *vips.Image) (*vips.Image, error) {
	space := "srgb"
	switch image.Interpretation() {
	case "b-w", "grey16":
		space = "b-w"
	case "multiband", "matrix", "histogram", "fourier":
		if image.Bands() > 4 {
			var err error
			if image, err = w.Image("extract_band", vips.Args{"in": image, "band": 0, "n": 3}); err != nil {
				return nil, err
			}
		}
		if image.Bands() < 3 {
			space = "b-w"
		}
		var err error
		if image, err = w.Image("copy", vips.Args{"in": image, "interpretation": space}); err != nil {
			return nil, err
		}
	}
	if image.Interpretation() != space {
		var err error
		if image, err = w.Image("colourspace", vips.Args{"in": image, "space": space}); err != nil {
			return nil, err
		}
	}
	return w.cast("uchar")(image)
}
