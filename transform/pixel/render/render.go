package render

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"glassine/transform/pixel/vips"
)

// MaxSide is the longest side of a result, in pixels: what every format can hold (WebP: 14 bits, RFC 9649, section 2.7.1).
const MaxSide = 16383

// Renderer does jobs, one at a time: it is not safe for many goroutines.
type Renderer struct {
	library *vips.Library
	svg     bool
	// fonts is a folder of the fonts and of fontconfig's configuration, made when first needed; "" before.
	fonts string
}

// Open loads libvips from a file, as vips.Open does. With svg it reads SVG pictures too: a process that reads those from
// strangers should do nothing else. A process opens one Renderer, and one alone: libvips and fontconfig have one state in it.
func Open(library string, svg bool) (*Renderer, error) {
	l, err := vips.Open(library, vips.Options{SVG: svg})
	if err != nil {
		return nil, err
	}
	return &Renderer{library: l, svg: svg}, nil
}

// Close removes the files that rendering text needed: fonts, in a folder of os.TempDir. The library stays loaded, but no
// text can be drawn any more. A process that is killed leaves the folder, so give it a TMPDIR of its own.
func (r *Renderer) Close() error {
	if r.fonts == "" {
		return nil
	}
	err := os.RemoveAll(r.fonts)
	r.fonts = ""
	return err
}

// Version returns libvips's version, such as "8.18.7".
func (r *Renderer) Version() string { return r.library.Version() }

// Render does a job on a whole picture file, which must not change meanwhile. What the source or the job has wrong is an
// *InputError; any other error is the program's or the machine's.
func (r *Renderer) Render(job Job, source []byte) (*Result, error) {
	if err := job.check(); err != nil {
		return nil, err
	}
	if job.Source == "svg" && !r.svg {
		return nil, errors.New("render: this process was not opened for SVG")
	}
	if needsFonts(&job) {
		if err := r.PrepareFonts(); err != nil {
			return nil, err
		}
	}
	s := r.library.Begin()
	defer s.Close()
	w := &work{Session: s, job: &job, source: source}
	if err := w.open(); err != nil {
		return nil, err
	}
	if job.Facts {
		return w.facts()
	}
	return w.picture()
}

// work is one job under way.
type work struct {
	*vips.Session
	job    *Job
	source []byte
	header header
	// cut is the part that a smart Gravity chose on the first frame, and the others follow.
	cut *rect
	// layers are the watermarks and texts, made for the first frame; all frames have one size.
	layers []layer
}

// header is what the source says before a pixel is made.
type header struct {
	image         *vips.Image
	width, height int // of a frame, as stored
	orientation   int // that is yet to be undone
	frames        int // to be read
	delays        []int
	loop          int
}

// step makes a picture of a picture.
type step func(*vips.Image) (*vips.Image, error)

// through does steps in their order.
func through(image *vips.Image, steps ...step) (*vips.Image, error) {
	var err error
	for _, do := range steps {
		if image, err = do(image); err != nil {
			return nil, err
		}
	}
	return image, nil
}

// picture makes every frame and encodes them.
func (w *work) picture() (*Result, error) {
	loaded, plan, err := w.load()
	if err != nil {
		return nil, err
	}
	frames := make([]*vips.Image, w.header.frames)
	for i := range frames {
		frame, err := w.frame(loaded, i, plan)
		if err == nil {
			frame, err = through(frame, w.normalise, w.adjust, w.blur, w.sharpen, w.background, w.pad(plan), w.border, w.round,
				w.overlay, w.opaque)
		}
		if err == nil && len(frames) > 1 {
			frame, err = w.InMemory(frame)
		}
		if err != nil {
			return nil, w.explain(err)
		}
		frames[i] = frame
	}
	width, height := frames[0].Width(), frames[0].Height()
	joined := frames[0]
	if len(frames) > 1 {
		if joined, err = w.Image("arrayjoin", vips.Args{"in": frames, "across": 1}); err != nil {
			return nil, w.explain(err)
		}
	}
	body, err := w.encode(joined, height)
	if err != nil {
		return nil, w.explain(err)
	}
	return &Result{Format: w.job.Format, Width: width, Height: height, Frames: len(frames), Body: body}, nil
}

// explain makes an error of libvips about the source one for the caller: a source is only decoded when a result is asked for, so
// its faults can come out of any call. libvips begins each line with who speaks.
func (w *work) explain(err error) error {
	fault, ok := errors.AsType[*vips.Error](err)
	if !ok {
		return err
	}
	for line := range strings.Lines(fault.Text) {
		speaker, _, _ := strings.Cut(line, ":")
		if strings.Contains(speaker, "save") || strings.Contains(speaker, "target") || strings.Contains(line, "ut of memory") {
			return err
		}
	}
	return w.undecodable()
}

func (w *work) undecodable() error {
	return &InputError{fmt.Sprintf("The picture cannot be decoded: it is damaged, or of a kind of %s that is not supported.",
		strings.ToUpper(w.job.Source))}
}

// check refuses what no picture could serve.
func (j *Job) check() error {
	switch j.Format {
	case "jpeg", "png", "webp", "gif", "tiff", "avif":
	default:
		if !j.Facts {
			return fmt.Errorf("render: no format %q", j.Format)
		}
	}
	if loaders[j.Source] == "" {
		return &InputError{fmt.Sprintf("Pictures of the format %q cannot be changed.", j.Source)}
	}
	for _, c := range []struct {
		name      string
		v         float64
		low, high float64
	}{
		{"width", float64(j.Width), 0, MaxSide},
		{"height", float64(j.Height), 0, MaxSide},
		{"quality", float64(j.Quality), 0, 100},
		{"brightness", value(j.Brightness), 0, 100},
		{"contrast", value(j.Contrast), 0, 100},
		{"saturation", value(j.Saturation), 0, 100},
		{"gamma", value(j.Gamma), 0.01, 100},
		{"blur", j.Blur, 0, maxBlur},
		{"sharpen", j.Sharpen, 0, 10},
		{"gravity", j.Gravity.X, -1, 1},
		{"gravity", j.Gravity.Y, -1, 1},
		{"radius", float64(j.Radius), 0, RadiusMax},
		{"padding", float64(min(j.Padding[0], j.Padding[1], j.Padding[2], j.Padding[3])), 0, MaxSide},
	} {
		if !(c.v >= c.low && c.v <= c.high) {
			return &InputError{fmt.Sprintf("The %s must be between %v and %v.", c.name, c.low, c.high)}
		}
	}
	if j.Rotate%90 != 0 || j.Rotate < 0 {
		return &InputError{"The picture can be rotated by 90, 180 or 270 degrees."}
	}
	switch j.Fit {
	case "", FitScaleDown, FitContain, FitCover, FitCrop, FitPad, FitSqueeze, FitOutside:
	default:
		return &InputError{fmt.Sprintf("There is no fit %q.", j.Fit)}
	}
	switch j.Gravity.Mode {
	case "", "attention", "entropy":
	default:
		return &InputError{fmt.Sprintf("There is no gravity %q.", j.Gravity.Mode)}
	}
	switch j.ICC {
	case "", "srgb", "strip":
	default:
		return &InputError{fmt.Sprintf("A colour profile cannot be treated as %q.", j.ICC)}
	}
	if t := j.Trim; t != nil && !(t.Threshold >= 0 && t.Threshold <= 255 && t.Keep >= 0) {
		return &InputError{"The threshold of trim must be between 0 and 255, and what is kept no less than 0."}
	}
	if c := j.Crop; c != nil && !(finite(c.Left) && finite(c.Top) && finite(c.Width) && finite(c.Height) && c.Width >= 0 && c.Height >= 0) {
		return &InputError{"The part to crop must be given by numbers, its sides no less than 0."}
	}
	return j.checkOverlays()
}

// value is what an unset factor means.
func value(factor *float64) float64 {
	if factor == nil {
		return 1
	}
	return *factor
}

// checkSize refuses a result that is too large to be made.
func checkSize(width, height int) error {
	if width > MaxSide || height > MaxSide {
		return &InputError{fmt.Sprintf("The result would be %d x %d pixels; a side can have %d.", width, height, MaxSide)}
	}
	return nil
}

// finite says whether a number can be counted with.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
