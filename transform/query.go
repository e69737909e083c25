package transform

import (
	"errors"
	"net/url"
	"strings"

	"glassine/transform/metadata"
)

// wish is what the caller's URL asks for.
type wish struct {
	// exif asks for the reference function's EXIF as JSON; json for all that the picture says.
	exif, json bool
	// format is the format that the picture should have, "" for its own.
	format  string
	options metadata.Options
}

// parameters are the query parameters that the function reads, and their short names. All others are ignored.
var parameters = map[string]string{
	"showExif": "showExif", "format": "format", "f": "format", "metadata": "metadata", "icc": "icc", "orient": "orient",
}

// formats are the values of the parameter format, with what metadata calls them.
var formats = map[string]metadata.Format{
	"avif": metadata.AVIF, "webp": metadata.WebP, "jpeg": metadata.JPEG, "baseline-jpeg": "", "png": metadata.PNG, "gif": metadata.GIF,
}

// parseWish reads the caller's URL, which is decoded in part, so it need not parse as one. Of a parameter that comes twice
// the first counts, as with URLSearchParams.get. An error is a *refused.
func parseWish(rawURL string) (wish, error) {
	rawURL, _, _ = strings.Cut(rawURL, "#")
	_, query, _ := strings.Cut(rawURL, "?")
	values := make(map[string]string)
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name = parameters[unescape(name)]; name == "" {
			continue
		}
		if _, twice := values[name]; !twice {
			values[name] = unescape(value)
		}
	}
	// The reference function reads showExif alone, in any case, and takes all but "true" for false.
	if strings.EqualFold(values["showExif"], "true") {
		return wish{exif: true}, nil
	}
	w := wish{options: metadata.Options{Metadata: metadata.Keep(values["metadata"]), ICC: metadata.ICC(values["icc"])}}
	if err := w.options.Check(); err != nil {
		if p, ok := errors.AsType[*metadata.PixelsError](err); ok {
			return w, needsPixels(p.Wish)
		}
		return w, bad(err.Error())
	}
	switch f := values["format"]; f {
	case "", "auto":
	case "json":
		w.json = true
	default:
		if _, ok := formats[f]; !ok {
			return w, bad("format=" + f + " is not known; allowed are auto, avif, webp, jpeg, baseline-jpeg, png, gif and json")
		}
		w.format = f
	}
	switch values["orient"] {
	case "", "tag":
	case "bake":
		return w, needsPixels("orient=bake")
	default:
		return w, bad("orient=" + values["orient"] + " is not known; allowed are tag and bake")
	}
	return w, nil
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// bad is a value that a parameter cannot have.
func bad(message string) *refused {
	return &refused{message: message, status: 400, code: "InvalidArgument"}
}

// needsPixels is a wish that the function cannot fulfil without decoding the picture.
func needsPixels(wish string) *refused {
	return bad((&metadata.PixelsError{Wish: wish}).Error())
}

// suffix is what the ETag of an answer to w ends in: the same original gives others for other wishes.
func (w wish) suffix() string {
	switch {
	case w.exif:
		return "-exif"
	case w.json:
		return "-json"
	}
	s := ""
	if m := w.options.Metadata; m != "" && m != metadata.KeepNone {
		s += "-" + string(m)
	}
	if w.options.ICC == metadata.ICCStrip {
		s += "-noicc"
	}
	return s
}
