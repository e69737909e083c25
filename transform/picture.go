package transform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"

	"glassine/telemetry"
	"glassine/transform/metadata"
	"glassine/transform/pixel"
	"glassine/transform/pixel/library"
	"glassine/transform/pixel/render"
)

// plan decides what goes out, before anything does.
func (r *request) plan(ctx context.Context, src *source, w wish) (*answer, error) {
	switch {
	case w.exif:
		return planEXIF(src, w)
	case w.json:
		return r.planFacts(ctx, src, w)
	}
	if !w.pixels {
		ans, err := planStrip(ctx, src, w)
		switch {
		case ans != nil:
			return ans, nil
		case errors.Is(err, metadata.ErrDamaged):
			return r.repair(ctx, src, w, err)
		case err != nil:
			return nil, src.explain(err)
		}
	}
	ans, err := r.picture(ctx, src, w)
	if err != nil && w.onError == "original" && ctx.Err() == nil {
		plain, stripErr := planStrip(ctx, src, wish{options: metadata.Options{Metadata: w.options.Metadata}})
		if stripErr == nil {
			return plain.brief(), nil
		}
	}
	return ans, err
}

func planEXIF(src *source, w wish) (*answer, error) {
	block, err := metadata.EXIF(src.at, src.size)
	if err != nil {
		return nil, src.explain(err)
	}
	text, err := metadata.ExifJSON(block)
	if err != nil {
		return nil, &refused{message: err.Error()}
	}
	ans := src.text(text, w)
	ans.did.Op = OpEXIF
	return ans, nil
}

// planStrip is the lossless answer; nil without an error says that it would not be what w wants.
func planStrip(ctx context.Context, src *source, w wish) (*answer, error) {
	_, span := telemetry.StartSpan(ctx, "transform.strip")
	p, err := w.options.Strip(src.at, src.size)
	span.Fail(err)
	if err != nil {
		return nil, err
	}
	if w.format != "" && w.format != string(p.Format) || w.job.Baseline || w.bake && p.Orientation > 1 {
		return nil, nil
	}
	if w.auto {
		h, err := metadata.ReadHeader(src.at, src.size)
		if err != nil {
			return nil, err
		}
		if f := w.negotiate(h); f != string(p.Format) {
			return nil, nil
		}
	}
	ans := &answer{
		status: http.StatusOK, size: p.Size, body: p.Reader(src.at),
		header: src.forward(p.ContentType, w.suffix()), did: Event{Op: OpStrip, Format: string(p.Format), Removed: p.Removed},
	}
	if p.Format == metadata.SVG {
		ans.header.Set("Content-Security-Policy", metadata.SVGPolicy)
		ans.header.Set("X-Content-Type-Options", "nosniff")
	}
	return ans, nil
}

// negotiate chooses the format of a picture that may be any: the smallest that the viewer takes and that loses nothing of
// it that shows. An SVG that is not to be changed stays one.
func (w *wish) negotiate(h metadata.Header) string {
	animated := h.Animated && !w.still
	switch {
	case h.Format == metadata.SVG && !w.pixels:
		return string(metadata.SVG)
	case strings.Contains(w.accept, "avif") && !animated:
		return "avif"
	case strings.Contains(w.accept, "webp"):
		return "webp"
	case animated:
		return "gif"
	case h.Format == metadata.JPEG || h.Format == metadata.PNG || h.Format == metadata.GIF:
		return string(h.Format)
	case h.Alpha || h.Format == metadata.SVG:
		return "png"
	}
	return "jpeg"
}

// repair is the answer to a picture whose structure is damaged: nothing of the file itself can be trusted to be picture, so
// what can be decoded of it is encoded anew. damage is what the stripper said.
func (r *request) repair(ctx context.Context, src *source, w wish, damage error) (*answer, error) {
	if r.f.Pixels == nil {
		return nil, src.explain(damage)
	}
	ans, err := r.picture(ctx, src, w)
	if err != nil {
		r.f.log(ctx, slog.LevelWarn, "damaged original could not be encoded anew", slog.String("request", r.ev.RequestID), slog.Any("error", err))
		return nil, src.explain(damage)
	}
	return ans, nil
}

// picture is the answer whose pixels are made anew.
func (r *request) picture(ctx context.Context, src *source, w wish) (*answer, error) {
	if r.f.Pixels == nil {
		return nil, bad("this needs the pixels of the picture, and there is no pixel engine here")
	}
	h, err := metadata.ReadHeader(src.at, src.size)
	if err != nil {
		return nil, src.explain(err)
	}
	job, err := w.jobFor(h)
	if err != nil {
		return nil, err
	}
	if err := r.limit(h, src.size, job); err != nil {
		return nil, err
	}
	if job.Format != "gif" {
		if job.Exif, err = metadata.ExifFor(metadata.Options{Metadata: w.options.Metadata}, src.at, src.size); err != nil {
			return nil, src.explain(err)
		}
	}
	tag := w.canonical + "\n" + job.Format
	if w.watermark != "" {
		mark, etag, err := r.watermark(ctx, w)
		if err != nil {
			return nil, err
		}
		job.Watermarks = []render.Watermark{mark}
		tag += "\n" + etag
	}
	result, err := r.render(ctx, src, h, job)
	if err != nil {
		return nil, err
	}
	// The encoder's own additions go the way of all metadata.
	made := bytes.NewReader(result.Body)
	p, err := metadata.Options{Metadata: w.options.Metadata}.Strip(made, made.Size())
	if err != nil {
		return nil, &refused{message: "The picture could not be made", cause: fmt.Errorf("read what the engine made: %w", err)}
	}
	sum := sha256.Sum256([]byte(tag))
	return &answer{
		status: http.StatusOK, size: p.Size, body: p.Reader(made), header: src.forward(p.ContentType, "-"+hex.EncodeToString(sum[:6])),
		did: Event{Op: OpRender, Format: string(p.Format), Pixels: h.Width * h.Height * int64(max(1, job.Frames)), Removed: lost(src, w)},
	}, nil
}

// lost is what of an original's metadata is not in a picture that was made of it: what a lossless copy would not have had.
func lost(src *source, w wish) []metadata.Removal {
	p, err := metadata.Options{Metadata: w.options.Metadata}.Strip(src.at, src.size)
	if err != nil {
		return nil // damaged, so that nobody can tell
	}
	return p.Removed
}

// limit refuses what would cost too much, from the header alone.
func (r *request) limit(h metadata.Header, size int64, job render.Job) error {
	err := r.f.Limits.Check(h, size)
	if err == nil {
		err = r.f.Limits.CheckResult(job)
	}
	if l, ok := errors.AsType[*pixel.LimitError](err); ok {
		return &refused{message: l.Error(), status: http.StatusBadRequest, code: "EntityTooLarge"}
	}
	return err
}

// render reads the whole source and gives it to a worker.
func (r *request) render(ctx context.Context, src *source, h metadata.Header, job render.Job) (*render.Result, error) {
	if !src.inMemory {
		r.leave() // what takes long has places of its own
	}
	leave, err := r.f.enterPixels(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	in, err := wholePicture(src, h)
	if err != nil {
		return nil, err
	}
	_, span := telemetry.StartSpan(ctx, "transform.render", "glassine.format.from", job.Source, "glassine.format.to", job.Format)
	result, err := r.f.Pixels.Render(ctx, job, in)
	span.Fail(err)
	if err == nil {
		return result, nil
	}
	if input, ok := errors.AsType[*render.InputError](err); ok {
		return nil, &refused{message: input.Reason, status: http.StatusBadRequest, code: "InvalidRequest"}
	}
	if missing, ok := errors.AsType[*library.UnavailableError](err); ok {
		return nil, bad("this needs the pixels of the picture, and there is no pixel engine here: " + missing.Error())
	}
	if _, ok := errors.AsType[*pixel.BusyError](err); ok {
		return nil, busy(err)
	}
	if _, ok := errors.AsType[*pixel.DeadlineError](err); ok {
		return nil, &refused{message: "The picture took too long to make", cause: err}
	}
	if ctx.Err() != nil {
		return nil, err
	}
	return nil, &refused{message: "The picture could not be made", cause: err}
}

func busy(cause error) error {
	return &refused{message: "Please reduce your request rate.", status: http.StatusServiceUnavailable, code: "SlowDown", cause: cause}
}

// maxMark is the largest watermark file.
const maxMark = 8 << 20

// watermark reads the picture that is laid over this one. tag tells it from what the key held before.
func (r *request) watermark(ctx context.Context, w wish) (mark render.Watermark, tag string, err error) {
	src, err := r.object(ctx, w.watermark, maxMark)
	if err != nil {
		return mark, "", &refused{message: "The watermark could not be read", cause: err}
	}
	defer src.close()
	h, err := metadata.ReadHeader(src.at, src.size)
	if err == nil {
		err = r.f.Limits.Check(h, src.size)
	}
	if err == nil && (!decodable[h.Format] || h.Format == metadata.SVG || src.size > maxMark) {
		err = errors.New("a watermark is a PNG, WebP, AVIF, JPEG, GIF or TIFF of at most 8 MiB")
	}
	if err != nil {
		return mark, "", &refused{message: "The watermark is no picture that can be used", cause: err}
	}
	mark = w.mark
	mark.Format, mark.Orientation = string(h.Format), h.Orientation
	mark.X, mark.Y = int(math.Round(float64(mark.X)*w.dpr)), int(math.Round(float64(mark.Y)*w.dpr))
	if mark.Image, err = wholePicture(src, h); err != nil {
		return mark, "", err
	}
	sum := sha256.Sum256(mark.Image)
	return mark, hex.EncodeToString(sum[:]), nil
}

// wholePicture holds a source of at most maxSource whole: a job's worker gets it in one piece. An SVG is made safe first.
func wholePicture(src *source, h metadata.Header) ([]byte, error) {
	var r io.Reader = io.NewSectionReader(src.at, 0, src.size)
	size := src.size
	if h.Format == metadata.SVG {
		p, err := metadata.Strip(src.at, src.size)
		if err != nil {
			return nil, src.explain(err)
		}
		r, size = p.Reader(src.at), p.Size
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, &refused{message: "The original could not be read", cause: err}
	}
	return b, nil
}

// planFacts is the answer to format=json. What needs the pixels is left out where they cannot be had, and a note says so.
func (r *request) planFacts(ctx context.Context, src *source, w wish) (*answer, error) {
	info, err := metadata.Describe(src.at, src.size)
	if err != nil {
		return nil, src.explain(err)
	}
	facts, decoded, err := r.facts(ctx, src)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		info.Notes = append(info.Notes, "dominant colour, blurhash and thumbhash: "+err.Error())
	}
	text, err := info.JSON()
	if err != nil {
		return nil, err
	}
	if facts != nil {
		more, err := json.Marshal(struct {
			Dominant  string `json:"dominantColor"`
			BlurHash  string `json:"blurhash"`
			ThumbHash []byte `json:"thumbhash"` // in base64, as its library gives it
		}{"#" + colourText(facts.Dominant), facts.BlurHash, facts.ThumbHash})
		if err != nil {
			return nil, err
		}
		text = append(append(text[:len(text)-1], ','), more[1:]...) // one object of two
	}
	ans := src.text(text, w)
	ans.did.Op, ans.did.Pixels = OpDescribe, decoded
	return ans, nil
}

// facts are what the pixels tell, and how many were decoded for it.
func (r *request) facts(ctx context.Context, src *source) (*render.Facts, int64, error) {
	if r.f.Pixels == nil {
		return nil, 0, errors.New("there is no pixel engine here")
	}
	h, err := metadata.ReadHeader(src.at, src.size)
	if err != nil {
		return nil, 0, src.explain(err)
	}
	job := baseJob(h)
	job.Facts = true
	if err := r.limit(h, src.size, job); err != nil {
		return nil, 0, err
	}
	result, err := r.render(ctx, src, h, job)
	if err != nil {
		return nil, 0, err
	}
	return result.Facts, h.Width * h.Height, nil
}

// decodable are the formats that the pixel engine reads.
var decodable = map[metadata.Format]bool{
	metadata.JPEG: true, metadata.PNG: true, metadata.WebP: true, metadata.GIF: true, metadata.TIFF: true, metadata.AVIF: true, metadata.SVG: true,
}

func baseJob(h metadata.Header) render.Job {
	return render.Job{
		Source: string(h.Format), SourceWidth: h.Width, SourceHeight: h.Height, Orientation: h.Orientation, Frames: 1,
	}
}

// jobFor turns the wish into a job for a picture with the header h.
func (w *wish) jobFor(h metadata.Header) (render.Job, error) {
	if !decodable[h.Format] {
		return render.Job{}, &refused{
			message: "File type " + h.Format.ContentType() + " can be served as it is, without its metadata, but the pixel engine does not decode it",
			status:  http.StatusBadRequest, code: "InvalidRequest",
		}
	}
	job, base := w.job, baseJob(h)
	job.Source, job.SourceWidth, job.SourceHeight, job.Orientation = base.Source, base.SourceWidth, base.SourceHeight, base.Orientation
	switch {
	case w.auto:
		job.Format = w.negotiate(h)
	case w.format != "":
		job.Format = w.format
	case h.Format == metadata.SVG:
		job.Format = "png"
	default:
		job.Format = string(h.Format)
	}
	if job.Frames = 1; !w.still && h.Animated && (job.Format == "gif" || job.Format == "webp") {
		job.Frames = h.Frames
	}
	if h.Format == metadata.SVG {
		// A drawing has no pixels to run out of, so it may be made larger.
		switch job.Fit {
		case "":
			job.Fit = render.FitContain
		case render.FitCrop:
			job.Fit = render.FitCover
		}
	}
	if err := w.cut(&job, h); err != nil {
		return job, err
	}
	return job, w.scale(&job)
}

// cut turns trim=TOP;RIGHT;BOTTOM;LEFT into a crop of the upright picture.
func (w *wish) cut(job *render.Job, h metadata.Header) error {
	if w.insets == [4]int{} {
		return nil
	}
	width, height := h.Width, h.Height
	if h.Orientation >= 5 {
		width, height = height, width
	}
	if job.Crop != nil {
		return bad("crop and trim=TOP;RIGHT;BOTTOM;LEFT do not go together")
	}
	left, top := int64(w.insets[3]), int64(w.insets[0])
	c := render.Crop{Left: float64(left), Top: float64(top), Width: float64(width - left - int64(w.insets[1])), Height: float64(height - top - int64(w.insets[2]))}
	if c.Width < 1 || c.Height < 1 {
		return bad("trim leaves nothing of a picture of this size")
	}
	job.Crop = &c
	return nil
}

// defaultText is the size of text whose size nobody says, in pixels before dpr.
const defaultText = 32

// scale multiplies lengths by dpr.
func (w *wish) scale(job *render.Job) error {
	px := func(n int) int { return int(math.Round(float64(n) * w.dpr)) }
	job.Width, job.Height, job.Blur = px(w.width), px(w.height), w.blur*w.dpr
	if w.width > 0 && job.Width == 0 || w.height > 0 && job.Height == 0 {
		return bad("dpr makes the picture less than a pixel large")
	}
	if job.Width > maxSide || job.Height > maxSide {
		return bad("width and height times dpr are at most 8192")
	}
	for i, n := range job.Padding {
		job.Padding[i] = px(n)
	}
	if job.Border != nil {
		b := *job.Border
		b.Width = max(px(b.Width), 1)
		job.Border = &b
	}
	if job.Radius != render.RadiusMax {
		job.Radius = px(job.Radius)
	}
	if w.text.Text != "" {
		t := w.text
		if t.Size == 0 {
			t.Size = defaultText
		}
		t.Size, t.X, t.Y = t.Size*w.dpr, px(t.X), px(t.Y)
		job.Texts = []render.Text{t}
	}
	return nil
}
