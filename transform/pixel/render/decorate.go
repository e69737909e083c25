package render

import (
	"math"

	"glassine/transform/pixel/vips"
)

// transparent says whether the result can hold alpha.
func (j *Job) transparent() bool { return j.Format != "jpeg" }

// bare is the colour of what is laid bare.
func (j *Job) bare() Colour {
	switch {
	case j.Background != nil && (j.transparent() || j.Background.A == 255):
		return *j.Background
	case j.Background != nil:
		return over(*j.Background, Colour{255, 255, 255, 255})
	case j.transparent():
		return Colour{}
	}
	return Colour{255, 255, 255, 255}
}

// over lays a colour over an opaque one.
func over(c, below Colour) Colour {
	mix := func(a, b uint8) uint8 {
		return uint8(math.Round((float64(a)*float64(c.A) + float64(b)*float64(255-c.A)) / 255))
	}
	return Colour{mix(c.R, below.R), mix(c.G, below.G), mix(c.B, below.B), 255}
}

// background fills transparent pixels with Job.Background.
func (w *work) background(image *vips.Image) (*vips.Image, error) {
	if w.job.Background == nil {
		return image, nil
	}
	return w.under(image, w.job.bare())
}

// opaque takes alpha from a picture whose format has none.
func (w *work) opaque(image *vips.Image) (*vips.Image, error) {
	if w.job.transparent() {
		return image, nil
	}
	return w.under(image, w.job.bare())
}

// under lays a colour under a picture.
func (w *work) under(image *vips.Image, c Colour) (*vips.Image, error) {
	switch {
	case !image.HasAlpha() || c.A == 0:
		return image, nil
	case c.A == 255:
		return w.Image("flatten", vips.Args{"in": image, "background": ink(image.Bands()-1, c)})
	}
	canvas, err := w.canvas(image.Width(), image.Height(), c)
	if err != nil {
		return nil, err
	}
	return w.compose(canvas, image, 0, 0)
}

// ink is a colour for a picture of so many bands; of one or two, its grey.
func ink(bands int, c Colour) []float64 {
	r, g, b, a := float64(c.R), float64(c.G), float64(c.B), float64(c.A)
	if bands < 3 {
		return []float64{0.2126*r + 0.7152*g + 0.0722*b, a}[:bands]
	}
	return []float64{r, g, b, a}[:bands]
}

// canvas is a picture of one colour, with alpha.
func (w *work) canvas(width, height int, c Colour) (*vips.Image, error) {
	image, err := w.Image("black", vips.Args{"width": width, "height": height})
	if err != nil {
		return nil, err
	}
	if image, err = w.Image("linear", vips.Args{"in": image, "a": []float64{1, 1, 1, 1}, "b": ink(4, c), "uchar": true}); err != nil {
		return nil, err
	}
	return w.Image("copy", vips.Args{"in": image, "interpretation": "srgb"})
}

// compose lays a picture with alpha over another, with its top left corner at x, y.
func (w *work) compose(below, above *vips.Image, x, y int) (*vips.Image, error) {
	image, err := w.Image("composite2", vips.Args{"base": below, "overlay": above, "mode": "over", "x": x, "y": y})
	if err != nil {
		return nil, err
	}
	if image, err = w.cast("uchar")(image); err != nil || below.HasAlpha() {
		return image, err
	}
	// An opaque picture stays opaque; composite2 gives alpha to every result.
	return w.Image("extract_band", vips.Args{"in": image, "band": 0, "n": image.Bands() - 1})
}

// withAlpha adds full alpha to a picture that has none.
func (w *work) withAlpha(image *vips.Image) (*vips.Image, error) {
	if image.HasAlpha() {
		return image, nil
	}
	return w.op("addalpha")(image)
}

// pad lays the picture on the area of FitPad, and that on one with Job.Padding.
func (w *work) pad(p plan) step {
	return func(image *vips.Image) (*vips.Image, error) {
		j := w.job
		top, right, bottom, left := j.Padding[0], j.Padding[1], j.Padding[2], j.Padding[3]
		areaW, areaH := max(p.outWidth, image.Width()), max(p.outHeight, image.Height())
		if areaW == image.Width() && areaH == image.Height() && j.Padding == [4]int{} {
			return image, nil
		}
		width, height := left+areaW+right, top+areaH+bottom
		if err := checkSize(width, height); err != nil {
			return nil, err
		}
		c := j.bare()
		if c.A < 255 {
			var err error
			if image, err = w.withAlpha(image); err != nil {
				return nil, err
			}
		}
		return w.Image("embed", vips.Args{
			"in": image, "extend": "background", "background": ink(image.Bands(), c), "width": width, "height": height,
			"x": left + place(image.Width(), areaW, j.Gravity.X), "y": top + place(image.Height(), areaH, j.Gravity.Y),
		})
	}
}

// border lays a frame over the edge of the picture.
func (w *work) border(image *vips.Image) (*vips.Image, error) {
	b := w.job.Border
	if b == nil || b.Width <= 0 || b.Colour.A == 0 {
		return image, nil
	}
	width, height := image.Width(), image.Height()
	inner := rect{b.Width, b.Width, width - 2*b.Width, height - 2*b.Width}
	if inner.w <= 0 || inner.h <= 0 {
		all, err := w.canvas(width, height, b.Colour)
		if err != nil {
			return nil, err
		}
		return w.compose(image, all, 0, 0)
	}
	embed := func(inside *vips.Image) (*vips.Image, error) {
		return w.Image("embed", vips.Args{
			"in": inside, "extend": "background", "background": ink(inside.Bands(), b.Colour),
			"x": inner.x, "y": inner.y, "width": width, "height": height,
		})
	}
	if b.Colour.A == 255 {
		inside, err := w.extract(image, inner)
		if err != nil {
			return nil, err
		}
		return embed(inside)
	}
	hole, err := w.canvas(inner.w, inner.h, Colour{})
	if err != nil {
		return nil, err
	}
	frame, err := embed(hole)
	if err != nil {
		return nil, err
	}
	return w.compose(image, frame, 0, 0)
}

// round rounds the corners, and fills what that lays bare.
func (w *work) round(image *vips.Image) (*vips.Image, error) {
	if w.job.Radius <= 0 {
		return image, nil
	}
	width, height := image.Width(), image.Height()
	mask, err := w.Memory(corners(width, height, w.job.Radius), width, height, 1)
	if err != nil {
		return nil, err
	}
	if image, err = w.withAlpha(image); err != nil {
		return nil, err
	}
	if image, err = w.mask(image, mask); err != nil {
		return nil, err
	}
	return w.under(image, w.job.bare())
}

// mask multiplies alpha by a picture of one band.
func (w *work) mask(image, mask *vips.Image) (*vips.Image, error) {
	bands := image.Bands()
	colour, err := w.Image("extract_band", vips.Args{"in": image, "band": 0, "n": bands - 1})
	if err != nil {
		return nil, err
	}
	alpha, err := w.Image("extract_band", vips.Args{"in": image, "band": bands - 1})
	if err != nil {
		return nil, err
	}
	if alpha, err = w.Image("multiply", vips.Args{"left": alpha, "right": mask}); err != nil {
		return nil, err
	}
	if alpha, err = w.Image("linear", vips.Args{"in": alpha, "a": 1.0 / 255, "b": 0.5, "uchar": true}); err != nil {
		return nil, err
	}
	return w.Image("bandjoin", vips.Args{"in": []*vips.Image{colour, alpha}})
}

// corners is a mask of width x height with round corners: 255 inside, 0 outside, between them as much as is covered, by 4 x 4
// points. A radius of RadiusMax makes an ellipse; any other is at most half of the shorter side.
func corners(width, height, radius int) []byte {
	rx, ry := float64(width)/2, float64(height)/2
	if radius < RadiusMax {
		rx = math.Min(float64(radius), math.Min(rx, ry))
		ry = rx
	}
	mask := make([]byte, width*height)
	for y := range height {
		row := mask[y*width : (y+1)*width]
		for x := range (width + 1) / 2 {
			v := covered(x, y, float64(height), rx, ry)
			row[x], row[width-1-x] = v, v
		}
	}
	return mask
}

// covered is how much of a pixel in the left half lies inside.
func covered(x, y int, height, rx, ry float64) byte {
	if float64(x) >= rx || float64(y) >= ry && float64(y+1) <= height-ry {
		return 255
	}
	inside := 0
	for sub := range 16 {
		px, py := float64(x)+(float64(sub%4)+0.5)/4, float64(y)+(float64(sub/4)+0.5)/4
		dx := math.Max(0, rx-px) / rx
		dy := math.Max(0, math.Max(ry-py, py-(height-ry))) / ry
		if dx*dx+dy*dy <= 1 {
			inside++
		}
	}
	return byte(inside * 255 / 16)
}
