package pixel

import (
	"fmt"
	"math"

	"glassine/transform/metadata"
	"glassine/transform/pixel/render"
)

// Limits say which pictures are not worked on, by what their headers say: what a header asks for, a decoder would take. Zero
// fields have the value that their comment gives.
type Limits struct {
	SourceBytes int64 // 64 MiB
	// Pixels bounds one frame; 0 means 50 million. imgproxy has 50, thumbor 75 by default.
	Pixels int64
	// BaselinePixels is for JPEG that is not progressive, which is decoded in rows and shrunk meanwhile; 0 means 100 million.
	// 280 million took 0.19 s and 19 MB (measured 2026-11, libvips 8.18).
	BaselinePixels int64
	// InterlacedPixels is for progressive JPEG and Adam7 PNG, which are held whole; 0 means 32 million. A PNG of 256 million took
	// 1023 MB and 3 to 6 s (measured 2026-11, libvips 8.18), so these take 128 MB and under 1 s, twice that with 16 bits: less than
	// a worker has.
	InterlacedPixels int64
	Frames           int   // of an animation; 0 means 300
	FramePixels      int64 // frames x width x height, of a source and of a result; 0 means 250 million
	ResultSide       int   // the longer side of a result, padding included; 0 means 8192
}

// LimitError is a picture, or a wish about it, that a limit forbids. Its text is for the caller.
type LimitError struct {
	Limit string // the field of Limits, such as "Pixels"
	Max   int64  // its value
	Got   int64  // the picture's; math.MaxInt64 when it is more than that
}

func (e *LimitError) Error() string {
	what := map[string]string{
		"SourceBytes": "bytes of the picture", "Pixels": "pixels of the picture", "BaselinePixels": "pixels of the picture",
		"InterlacedPixels": "pixels of the interlaced picture", "Frames": "frames of the picture", "FramePixels": "pixels of all frames",
		"ResultSide": "pixels of the result's longer side",
	}[e.Limit]
	return fmt.Sprintf("Too many %s: %d, and %d are the most.", what, e.Got, e.Max)
}

func (l Limits) withDefaults() Limits {
	set := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	set(&l.SourceBytes, 64<<20)
	set(&l.Pixels, 50e6)
	set(&l.BaselinePixels, 100e6)
	set(&l.InterlacedPixels, 32e6)
	set(&l.FramePixels, 250e6)
	if l.Frames == 0 {
		l.Frames = 300
	}
	if l.ResultSide == 0 {
		l.ResultSide = 8192
	}
	return l
}

// Check decides about a source of size bytes by its header. The error is a *LimitError. Frames are counted of animations
// alone: of pages the first is used.
func (l Limits) Check(h metadata.Header, size int64) error {
	l = l.withDefaults()
	name, most := "Pixels", l.Pixels
	switch {
	case h.Interlaced:
		name, most = "InterlacedPixels", l.InterlacedPixels
	case h.Format == metadata.JPEG:
		name, most = "BaselinePixels", l.BaselinePixels
	}
	frames := int64(1)
	if h.Animated {
		frames = max(1, int64(h.Frames))
	}
	pixels := product(h.Width, h.Height)
	return first(
		over("SourceBytes", size, l.SourceBytes),
		over(name, pixels, most),
		over("Frames", frames, int64(l.Frames)),
		over("FramePixels", product(pixels, frames), l.FramePixels),
	)
}

// CheckResult decides about what a job is to make; its source has passed Check. What Trim leaves of a picture is not known
// here: render.MaxSide holds it. The error is a *LimitError.
func (l Limits) CheckResult(job render.Job) error {
	l = l.withDefaults()
	width, height := resultSize(&job)
	pixels := product(whole(width), whole(height))
	return first(
		over("ResultSide", max(whole(width), whole(height)), int64(l.ResultSide)),
		over("FramePixels", product(pixels, max(1, int64(job.Frames))), l.FramePixels),
	)
}

// resultSize is the most that a job makes of its source, in pixels.
func resultSize(job *render.Job) (width, height float64) {
	w, h := float64(job.SourceWidth), float64(job.SourceHeight)
	if job.Orientation >= 5 != (job.Rotate%180 != 0) {
		w, h = h, w
	}
	if c := job.Crop; c != nil {
		cw, ch := c.Width, c.Height
		if c.Relative {
			cw, ch = cw*w, ch*h
		}
		if cw > 0 {
			w = min(w, cw)
		}
		if ch > 0 {
			h = min(h, ch)
		}
	}
	width, height = scaled(job, w, h)
	return width + float64(job.Padding[1]) + float64(job.Padding[3]), height + float64(job.Padding[0]) + float64(job.Padding[2])
}

// scaled is a picture of w x h after Job.Fit.
func scaled(job *render.Job, w, h float64) (width, height float64) {
	width, height = float64(job.Width), float64(job.Height)
	switch {
	case width == 0 && height == 0 || w == 0 || h == 0: // an SVG may have no size of its own
		return max(w, width), max(h, height)
	case width == 0:
		width = height * w / h
	case height == 0:
		height = width * h / w
	}
	larger, smaller := max(width/w, height/h), min(width/w, height/h)
	switch job.Fit {
	case "", render.FitScaleDown:
		scale := min(smaller, 1)
		return w * scale, h * scale
	case render.FitContain:
		return w * smaller, h * smaller
	case render.FitOutside:
		return w * larger, h * larger
	case render.FitCrop:
		scale := min(larger, 1)
		return min(width, w*scale), min(height, h*scale)
	}
	return width, height // the area
}

// over is the error of a limit, or nil.
func over(limit string, got, most int64) *LimitError {
	if got <= most {
		return nil
	}
	return &LimitError{limit, most, got}
}

// first is the first error that there is.
func first(errs ...*LimitError) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// whole rounds a length. What is no number is too much.
func whole(length float64) int64 {
	if !(length < math.MaxInt32) {
		return math.MaxInt64
	}
	return int64(math.Round(length))
}

// product multiplies what is not negative, up to math.MaxInt64.
func product(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}
