package render

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"glassine/transform/pixel/vips"
)

// maxOverlay is the most pixels a watermark's file may have.
const maxOverlay = 50_000_000

// maxText is the most that the height of a text in pixels times its runes may be: what fits no result is not drawn.
const maxText = 4 * MaxSide

func (j *Job) checkOverlays() error {
	for _, m := range j.Watermarks {
		if loaders[m.Format] == "" || m.Format == "svg" {
			return &InputError{fmt.Sprintf("A watermark cannot be of the format %q.", m.Format)}
		}
		if !(m.Scale >= 0 && m.Scale <= 1) {
			return &InputError{"The scale of a watermark must be between 0 and 1."}
		}
		if err := checkLayer(m.Opacity, m.Gravity, m.X, m.Y); err != nil {
			return err
		}
	}
	for _, t := range j.Texts {
		if !(t.Size > 0) || t.Size*float64(utf8.RuneCountInString(t.Text)) > maxText {
			return &InputError{"The text is too large."}
		}
		if err := checkLayer(t.Opacity, t.Gravity, t.X, t.Y); err != nil {
			return err
		}
	}
	return nil
}

func checkLayer(opacity float64, g Gravity, x, y int) error {
	if !(opacity >= 0 && opacity <= 1) {
		return &InputError{"The opacity of a watermark or text must be between 0 and 1."}
	}
	if !(math.Abs(g.X) <= 1 && math.Abs(g.Y) <= 1) || g.Mode != "" {
		return &InputError{"The gravity of a watermark or text must be a point."}
	}
	if max(x, -x, y, -y) > MaxSide {
		return &InputError{fmt.Sprintf("A watermark or text can be moved by %d pixels.", MaxSide)}
	}
	return nil
}

// layer is a picture with alpha that is laid over every frame, with its top left corner at x, y.
type layer struct {
	image *vips.Image
	x, y  int
}

// overlay lays the watermarks and, above them, the texts over a frame.
func (w *work) overlay(frame *vips.Image) (*vips.Image, error) {
	if w.layers == nil {
		for i := range w.job.Watermarks {
			if err := w.addWatermark(&w.job.Watermarks[i], frame.Width(), frame.Height()); err != nil {
				return nil, err
			}
		}
		for i := range w.job.Texts {
			if err := w.addText(&w.job.Texts[i], frame.Width(), frame.Height()); err != nil {
				return nil, err
			}
		}
	}
	var err error
	for _, l := range w.layers {
		if l.x >= frame.Width() || l.y >= frame.Height() || l.x+l.image.Width() <= 0 || l.y+l.image.Height() <= 0 {
			continue
		}
		if frame, err = w.compose(frame, l.image, l.x, l.y); err != nil {
			return nil, err
		}
	}
	return frame, nil
}

// addWatermark makes a layer of a picture file for frames of width x height.
func (w *work) addWatermark(m *Watermark, width, height int) error {
	image, err := w.watermark(m, width, height)
	if err == nil {
		err = w.lay(image, m.Opacity, m.Gravity, m.X, m.Y, m.Tile, width, height)
	}
	if _, ok := errors.AsType[*vips.Error](err); ok {
		return &InputError{"The watermark cannot be decoded."}
	}
	return err
}

// watermark decodes a watermark's file, upright, of sRGB with alpha, at its size on frames of width x height.
func (w *work) watermark(m *Watermark, width, height int) (*vips.Image, error) {
	if !loads(m.Format, strings.ToLower(w.Loader(m.Image))) {
		return nil, &InputError{"The watermark cannot be decoded."}
	}
	image, err := w.Image(loaders[m.Format], vips.Args{"buffer": m.Image, "access": "sequential", "fail_on": "error"})
	if err != nil {
		return nil, err
	}
	if int64(image.Width())*int64(image.Height()) > maxOverlay {
		return nil, &InputError{"The watermark has too many pixels."}
	}
	t := uprightTurn(m.Orientation)
	if m.Format == "avif" {
		t = turn{} // libheif has turned it already
	}
	ownW, ownH := t.size(image.Width(), image.Height())
	scale := min(1, float64(width)/float64(ownW), float64(height)/float64(ownH))
	if m.Scale > 0 {
		scale = m.Scale * float64(width) / float64(ownW)
	}
	toW, toH := whole(float64(ownW)*scale), whole(float64(ownH)*scale)
	if err := checkSize(toW, toH); err != nil {
		return nil, err
	}
	toW, toH = t.size(toW, toH)
	return through(image,
		func(image *vips.Image) (*vips.Image, error) { return w.resize(image, toW, toH) },
		func(image *vips.Image) (*vips.Image, error) { return w.turned(image, t) },
		w.plainRGB, w.withAlpha)
}

// plainRGB makes 8 bits of sRGB, by the picture's profile if it has one.
func (w *work) plainRGB(image *vips.Image) (*vips.Image, error) {
	profile, err := w.profile(image)
	if err != nil {
		return nil, err
	}
	if profile != nil || image.Interpretation() == "cmyk" {
		if image, err = w.toProfile(image); err != nil {
			return nil, err
		}
	}
	if image, err = w.toSRGB(image); err != nil || image.Interpretation() == "srgb" {
		return image, err
	}
	return w.Image("colourspace", vips.Args{"in": image, "space": "srgb"})
}

// addText makes a layer of a text. Text without ink makes none.
func (w *work) addText(t *Text, width, height int) error {
	text := plainText(t.Text)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	weight := ""
	if t.Bold {
		weight = "Bold "
	}
	mask, err := w.Image("text", vips.Args{
		"text": text, "font": fmt.Sprintf("Go %s%g", weight, t.Size), "dpi": 72, // a point is a pixel
	})
	if err != nil {
		if strings.Contains(err.Error(), "no text to render") {
			return nil
		}
		return err
	}
	c := t.Colour
	image, err := w.Image("linear", vips.Args{
		"in": mask, "a": []float64{0, 0, 0, float64(c.A) / 255}, "b": []float64{float64(c.R), float64(c.G), float64(c.B), 0}, "uchar": true,
	})
	if err != nil {
		return err
	}
	if image, err = w.Image("copy", vips.Args{"in": image, "interpretation": "srgb"}); err != nil {
		return err
	}
	return w.lay(image, t.Opacity, t.Gravity, t.X, t.Y, t.Tile, width, height)
}

// plainText says a text in Pango's markup, in which libvips takes it, so that nothing in it is markup.
func plainText(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// lay adds a layer to frames of width x height. The layer is put in memory, for each frame reads it anew.
func (w *work) lay(image *vips.Image, opacity float64, g Gravity, x, y int, tile bool, width, height int) error {
	var err error
	if opacity > 0 && opacity < 1 {
		image, err = w.Image("linear", vips.Args{"in": image, "a": []float64{1, 1, 1, opacity}, "b": []float64{0, 0, 0, 0}, "uchar": true})
		if err != nil {
			return err
		}
	}
	if image, err = w.InMemory(image); err != nil {
		return err
	}
	l := layer{image, place(image.Width(), width, g.X) + inwards(x, g.X), place(image.Height(), height, g.Y) + inwards(y, g.Y)}
	if tile {
		if l, err = w.tile(l, width, height); err != nil {
			return err
		}
	}
	w.layers = append(w.layers, l)
	return nil
}

// inwards is an offset from the edge that a gravity names.
func inwards(offset int, gravity float64) int {
	if gravity > 0 {
		return -offset
	}
	return offset
}

// tile repeats a layer over a frame of width x height, such that one of them lies where the layer lies.
func (w *work) tile(l layer, width, height int) (layer, error) {
	tileW, tileH := l.image.Width(), l.image.Height()
	x, y := ((l.x%tileW)+tileW)%tileW, ((l.y%tileH)+tileH)%tileH
	if x > 0 {
		x -= tileW
	}
	if y > 0 {
		y -= tileH
	}
	// A large tile first: libvips spends its time by tiles, not by pixels.
	const large = 256
	for _, room := range [][2]int{{large, large}, {width - x, height - y}} {
		image, err := w.Image("replicate", vips.Args{
			"in":     l.image,
			"across": (room[0] + l.image.Width() - 1) / l.image.Width(), "down": (room[1] + l.image.Height() - 1) / l.image.Height(),
		})
		if err != nil {
			return l, err
		}
		if l.image = image; room[0] == large {
			if l.image, err = w.InMemory(image); err != nil {
				return l, err
			}
		}
	}
	image, err := w.extract(l.image, rect{-x, -y, width, height})
	return layer{image, 0, 0}, err
}
