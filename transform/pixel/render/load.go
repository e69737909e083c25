package render

import (
	"fmt"
	"maps"
	"math"
	"strings"

	"glassine/transform/pixel/vips"
)

// loaders are libvips's operations by the names of formats, and the classes by which it knows them.
var loaders = map[string]string{
	"jpeg": "jpegload_buffer",
	"png":  "pngload_buffer",
	"webp": "webpload_buffer",
	"gif":  "gifload_buffer",
	"tiff": "tiffload_buffer",
	"avif": "heifload_buffer",
	"svg":  "svgload_buffer",
}

// plan is the geometry of a job on its source.
type plan struct {
	region rect // of the loaded frame
	turn   turn
	fitted // after the turn
	// frameHeight is that of the loaded frame.
	frameHeight int
}

// loadArgs are what every load of a source has in common.
func (w *work) loadArgs(extra vips.Args) vips.Args {
	args := vips.Args{"buffer": w.source, "access": "sequential", "fail_on": "none"}
	if w.job.Strict {
		args["fail_on"] = "error"
		if w.job.Source == "jpeg" {
			args["fail_on"] = "warning" // libjpeg only warns of damaged data
		}
	}
	if w.header.frames > 1 {
		args["n"] = w.header.frames
	}
	maps.Copy(args, extra)
	return args
}

// open reads the source's header and holds it against what the job says of it: another size would be one that no limit was
// checked for.
func (w *work) open() error {
	j := w.job
	if loader := strings.ToLower(w.Loader(w.source)); !loads(j.Source, loader) {
		return w.undecodable()
	}
	image, err := w.Image(loaders[j.Source], w.loadArgs(nil))
	if err != nil {
		return w.explain(err)
	}
	h := header{image: image, width: image.Width(), height: image.Height(), orientation: j.Orientation, frames: 1}
	if j.Source == "avif" {
		h.orientation = 1 // libheif has turned it already
	}
	if !j.announced(h.width, h.height) {
		return &InputError{fmt.Sprintf("The picture is %d x %d pixels, but its file says %d x %d.", h.width, h.height, j.SourceWidth, j.SourceHeight)}
	}
	if pages, _ := w.Field(image, "n-pages"); pages != nil && j.Frames > 1 && (j.Format == "gif" || j.Format == "webp") && !j.Facts &&
		(j.Source == "gif" || j.Source == "webp") {
		h.frames = min(pages.(int), j.Frames)
	}
	w.header = h
	if h.frames < 2 {
		return nil
	}
	if w.header.image, err = w.Image(loaders[j.Source], w.loadArgs(nil)); err != nil {
		return w.explain(err)
	}
	if w.header.image.Width() != h.width || w.header.image.Height() != h.height*h.frames {
		return &InputError{"The frames of the picture are not of one size."}
	}
	if delays, _ := w.Field(w.header.image, "delay"); delays != nil {
		w.header.delays = delays.([]int)
	}
	if loop, _ := w.Field(w.header.image, "loop"); loop != nil {
		w.header.loop = loop.(int)
	}
	return nil
}

// loads says whether libvips's class of loader, in small letters, is of a format: "vipsforeignloadjpegbuffer" of "jpeg".
func loads(format, class string) bool {
	switch format {
	case "jpeg":
		// A JPEG with a gain map is known as Ultra HDR (libvips 8.18). Its base picture is what every JPEG reader shows.
		return strings.HasPrefix(class, "vipsforeignloadjpeg") || strings.HasPrefix(class, "vipsforeignloaduhdr")
	case "gif":
		return strings.HasPrefix(class, "vipsforeignloadnsgif")
	case "avif":
		return strings.HasPrefix(class, "vipsforeignloadheif")
	}
	return strings.HasPrefix(class, "vipsforeignload"+format)
}

// announced says whether a picture of w x h is the one that the job speaks of, before or after turning. The size of an SVG is a
// wish that may be rounded, and may be left out.
func (j *Job) announced(w, h int) bool {
	tolerance := int64(0)
	if j.Source == "svg" {
		if j.SourceWidth == 0 || j.SourceHeight == 0 {
			return true
		}
		tolerance = 1
	}
	near := func(a, b int64) bool { return max(a-b, b-a) <= tolerance }
	width, height := int64(w), int64(h)
	return near(width, j.SourceWidth) && near(height, j.SourceHeight) || near(width, j.SourceHeight) && near(height, j.SourceWidth)
}

// load plans the geometry and opens the source at the size that serves it best: a JPEG can be decoded at a half, a fourth or an
// eighth, a WebP at any smaller size, an SVG at any.
func (w *work) load() (*vips.Image, plan, error) {
	h := w.header
	image := h.image
	p := plan{region: rect{0, 0, h.width, h.height}, turn: w.job.turn(h.orientation), frameHeight: h.height}
	if err := w.crop(&p); err != nil {
		return nil, p, err
	}
	if w.job.Trim != nil {
		var err error
		if image, err = w.trim(image, &p); err != nil {
			return nil, p, w.explain(err)
		}
	}
	p.fitted = w.job.fit(p.turn.size(p.region.w, p.region.h))
	if err := checkSize(p.outWidth, p.outHeight); err != nil {
		return nil, p, err
	}
	if err := w.checkCut(p); err != nil {
		return nil, p, err
	}
	if w.job.Trim != nil {
		return image, p, nil
	}
	extra := w.scaleOnLoad(p)
	if extra == nil {
		return image, p, nil
	}
	image, err := w.Image(loaders[w.job.Source], w.loadArgs(extra))
	if err != nil {
		return nil, p, w.explain(err)
	}
	p.region = scaled(p.region, float64(image.Width())/float64(h.width), float64(image.Height())/float64(h.height), image.Width(), image.Height())
	p.frameHeight = image.Height()
	return image, p, nil
}

// checkCut refuses a picture that is much larger before it is cut than after, when it must be held whole for that, or when libvips
// counts no further.
func (w *work) checkCut(p plan) error {
	const mostSide, mostHeld = 10_000_000, 100_000_000
	held := p.turn.quarters > 0 || w.job.Gravity.Mode != ""
	if max(p.width, p.height) > mostSide || held && p.width*p.height > mostHeld {
		return &InputError{fmt.Sprintf("Before it is cut, the picture would be %d x %d pixels.", p.width, p.height)}
	}
	return nil
}

// scaleOnLoad returns the arguments with which a source is loaded near the size that is wanted; nil for none.
func (w *work) scaleOnLoad(p plan) vips.Args {
	width, height := p.turn.size(p.width, p.height)
	scale := max(float64(width)/float64(p.region.w), float64(height)/float64(p.region.h))
	whole := p.region == rect{0, 0, w.header.width, w.header.height}
	switch {
	case w.job.Source == "svg":
		// Cairo draws no surface of more than 32767 pixels a side.
		if most := 32000 / float64(max(w.header.width, w.header.height)); scale > most {
			scale = most
		}
		if scale != 1 {
			return vips.Args{"scale": scale}
		}
	case !whole || w.header.frames > 1:
		// A part would begin between pixels.
	case w.job.Source == "jpeg":
		for _, shrink := range []int{8, 4, 2} {
			// One more than the factor: libjpeg rounds the last column and row up, and just above the factor that would show.
			if 1/scale >= float64(shrink+1) {
				return vips.Args{"shrink": shrink}
			}
		}
	case w.job.Source == "webp" && scale < 1:
		return vips.Args{"scale": scale}
	}
	return nil
}

// scaled is r in a picture scaled to w x h.
func scaled(r rect, x, y float64, w, h int) rect {
	x0, y0 := min(int(math.Round(float64(r.x)*x)), w-1), min(int(math.Round(float64(r.y)*y)), h-1)
	x1, y1 := max(x0+1, min(int(math.Round(float64(r.x+r.w)*x)), w)), max(y0+1, min(int(math.Round(float64(r.y+r.h)*y)), h))
	return rect{x0, y0, x1 - x0, y1 - y0}
}

// crop puts Job.Crop into the plan, as a part of the source as it is stored.
func (w *work) crop(p *plan) error {
	if w.job.Crop == nil {
		return nil
	}
	upright := uprightTurn(w.header.orientation)
	width, height := upright.size(w.header.width, w.header.height)
	r, ok := w.job.Crop.pixels(width, height)
	if !ok {
		return &InputError{fmt.Sprintf("The part to crop lies outside the picture of %d x %d pixels.", width, height)}
	}
	p.region = upright.inverse().rect(r, width, height)
	return nil
}

// trim shrinks the plan's region to what Job.Trim leaves of all frames. It needs every pixel, and returns the picture in memory.
func (w *work) trim(image *vips.Image, p *plan) (*vips.Image, error) {
	image, err := w.InMemory(image)
	if err != nil {
		return nil, err
	}
	t := w.job.Trim
	threshold := t.Threshold
	if threshold == 0 {
		threshold = 10
	}
	left, top, right, bottom := p.region.w, p.region.h, 0, 0
	for i := range w.header.frames {
		frame, err := w.extract(image, rect{p.region.x, p.region.y + i*p.frameHeight, p.region.w, p.region.h})
		if err != nil {
			return nil, err
		}
		if frame, err = w.toSRGB(frame); err != nil {
			return nil, err
		}
		colour, err := w.trimColour(frame)
		if err != nil {
			return nil, err
		}
		args := vips.Args{"in": frame, "threshold": threshold, "background": colour}
		out, err := w.Call("find_trim", args, "left", "top", "width", "height")
		if err != nil {
			return nil, err
		}
		if l, t, w, h := out[0].(int), out[1].(int), out[2].(int), out[3].(int); w > 0 && h > 0 {
			left, top, right, bottom = min(left, l), min(top, t), max(right, l+w), max(bottom, t+h)
		}
	}
	if right <= left || bottom <= top {
		return image, nil // all of one colour: nothing to hold on to
	}
	left, top = max(0, left-t.Keep), max(0, top-t.Keep)
	right, bottom = min(p.region.w, right+t.Keep), min(p.region.h, bottom+t.Keep)
	p.region = rect{p.region.x + left, p.region.y + top, right - left, bottom - top}
	return image, nil
}

// trimColour is the colour that counts as edge: the wanted one, or that of the pixel that is top left when upright.
func (w *work) trimColour(frame *vips.Image) ([]float64, error) {
	if c := w.job.Trim.Colour; c != nil {
		if frame.Bands() < 3 {
			return []float64{0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)}, nil
		}
		return []float64{float64(c.R), float64(c.G), float64(c.B)}, nil
	}
	upright := uprightTurn(w.header.orientation)
	width, height := upright.size(frame.Width(), frame.Height())
	corner := upright.inverse().rect(rect{0, 0, 1, 1}, width, height)
	out, err := w.Call("getpoint", vips.Args{"in": frame, "x": corner.x, "y": corner.y}, "out_array")
	if err != nil {
		return nil, err
	}
	colour := out[0].([]float64)
	if frame.HasAlpha() {
		colour = colour[:len(colour)-1]
	}
	return colour, nil
}
