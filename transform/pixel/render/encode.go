package render

import (
	"fmt"
	"maps"

	"glassine/transform/pixel/vips"
)

// DefaultQuality is what Job.Quality 0 means: 80 for JPEG and WebP, 50 for AVIF, 100 for the others, which lose nothing.
func DefaultQuality(format string) int {
	switch format {
	case "jpeg", "webp":
		return 80
	case "avif":
		return 50
	}
	return 100
}

// builtin are the fields that every libvips image has; they are no metadata.
var builtin = map[string]bool{
	"width": true, "height": true, "bands": true, "format": true, "coding": true, "interpretation": true,
	"xoffset": true, "yoffset": true, "xres": true, "yres": true, "filename": true,
}

// pixelsPerMillimetre is 72 pixels an inch, which says nothing: the source's resolution does not stay.
const pixelsPerMillimetre = 72 / 25.4

// encode makes the file. Height is that of one frame.
func (w *work) encode(image *vips.Image, height int) ([]byte, error) {
	image, err := w.bareOfMetadata(image, height)
	if err != nil {
		return nil, err
	}
	quality := w.job.Quality
	if quality == 0 {
		quality = DefaultQuality(w.job.Format)
	}
	body, err := w.encodeWithin(image, quality)
	if err != nil {
		return nil, err
	}
	return body, nil
}

// bareOfMetadata leaves nothing but the pixels, the profile if it is kept, the Exif block of the job, and the times of an
// animation.
func (w *work) bareOfMetadata(image *vips.Image, height int) (*vips.Image, error) {
	image, err := w.Image("copy", vips.Args{"in": image, "xres": pixelsPerMillimetre, "yres": pixelsPerMillimetre})
	if err != nil {
		return nil, err
	}
	for _, name := range image.Fields() {
		if !builtin[name] && name != profileField {
			image.RemoveField(name)
		}
	}
	exif, err := w.job.exif()
	if err != nil {
		return nil, err
	}
	if exif != nil {
		if err := w.SetField(image, exifField, exif); err != nil {
			return nil, err
		}
	}
	if w.header.frames < 2 {
		return image, nil
	}
	if err := w.SetField(image, "page-height", height); err != nil {
		return nil, err
	}
	if w.header.delays != nil {
		if err := w.SetField(image, "delay", w.header.delays); err != nil {
			return nil, err
		}
	}
	return image, w.SetField(image, "loop", w.header.loop)
}

// encodeWithin encodes with the highest quality up to the one given whose result is within Job.MaxBytes.
func (w *work) encodeWithin(image *vips.Image, quality int) ([]byte, error) {
	limit := w.job.MaxBytes
	if limit > 0 {
		// The pixels are needed more than once.
		var err error
		if image, err = w.InMemory(image); err != nil {
			return nil, err
		}
	}
	body, err := w.save(image, quality)
	if err != nil || limit <= 0 || int64(len(body)) <= limit {
		return body, err
	}
	if !w.lossy() {
		return nil, tooLarge(limit, len(body))
	}
	smallest := len(body)
	body = nil
	for low, high := 1, quality-1; low <= high; {
		middle := (low + high) / 2
		tried, err := w.save(image, middle)
		if err != nil {
			return nil, err
		}
		smallest = min(smallest, len(tried))
		if int64(len(tried)) <= limit {
			body, low = tried, middle+1
		} else {
			high = middle - 1
		}
	}
	if body == nil {
		return nil, tooLarge(limit, smallest)
	}
	return body, nil
}

func tooLarge(limit int64, smallest int) error {
	return &InputError{fmt.Sprintf("The result cannot be made within %d bytes: the smallest is %d.", limit, smallest)}
}

// lossy says whether a lower quality makes a smaller file.
func (w *work) lossy() bool {
	switch w.job.Format {
	case "jpeg":
		return true
	case "webp", "avif":
		return !w.job.Lossless
	case "png":
		return w.job.Palette
	}
	return false
}

// save encodes once.
func (w *work) save(image *vips.Image, quality int) ([]byte, error) {
	operation, args := w.saver(quality)
	all := vips.Args{"in": image, "keep": keepICC}
	if image.HasField(exifField) {
		all["keep"] = keepICC | keepExif // with nothing to keep, libvips would make up a block
	}
	maps.Copy(all, args)
	return w.Bytes(operation, all)
}

// Flags of libvips's VipsForeignKeep.
const (
	keepExif = 1 << 0
	keepICC  = 1 << 3
)

// saver returns the operation and its settings. The efforts are where more CPU no longer buys much; Job.Fast takes the least.
func (w *work) saver(quality int) (string, vips.Args) {
	j := w.job
	effort := func(usual, least int) int {
		if j.Fast {
			return least
		}
		return usual
	}
	switch j.Format {
	case "jpeg":
		return "jpegsave_buffer", vips.Args{"Q": quality, "optimize_coding": !j.Fast, "interlace": j.Progressive && !j.Baseline}
	case "png":
		args := vips.Args{"compression": effort(6, 1), "interlace": j.Progressive}
		if j.Palette {
			args["palette"], args["Q"], args["effort"] = true, quality, effort(7, 1)
		}
		return "pngsave_buffer", args
	case "webp":
		return "webpsave_buffer", vips.Args{"Q": quality, "lossless": j.Lossless, "effort": effort(3, 0)}
	case "gif":
		return "gifsave_buffer", vips.Args{"effort": effort(7, 1)}
	case "tiff":
		return "tiffsave_buffer", vips.Args{"compression": "deflate", "predictor": "horizontal"}
	}
	return "heifsave_buffer", vips.Args{"compression": "av1", "Q": quality, "bitdepth": 8, "lossless": j.Lossless, "effort": effort(2, 0)}
}
