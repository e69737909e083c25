package transform

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"glassine/transform/metadata"
	"glassine/transform/pixel/render"
)

// wish is what the caller's URL asks for.
type wish struct {
	// exif asks for the reference function's EXIF as JSON; json for all that the picture says.
	exif, json bool
	options    metadata.Options
	// format is the format that the picture should have, "" for its own; auto chooses it by what the viewer accepts.
	format string
	auto   bool
	accept string // "avif,webp", "avif", "webp" or "": what the viewer takes

	bake  bool // turn the pixels upright
	still bool // the first frame of an animation alone

	// What a job says in other units: pixels before dpr, and names.
	width, height int
	dpr, blur     float64
	insets        [4]int // pixels off the top, right, bottom and left
	text          render.Text
	mark          render.Watermark
	watermark     string
	job           render.Job

	preset, onError, signature string

	// pixels says that the picture must be decoded, whatever it is.
	pixels bool
	// canonical is the query in the one form of all that ask for the same, without the signature.
	canonical string
}

// parseWish reads the caller's URL, which is decoded in part, so it need not parse as one. An error is a *refused.
func parseWish(rawURL string, header map[string]string, c *config) (wish, error) {
	rawURL, _, _ = strings.Cut(rawURL, "#")
	path, query, _ := strings.Cut(rawURL, "?")
	w, err := readWish(query)
	if err != nil || w.exif {
		return w, err
	}
	if err := c.admit(&w, path); err != nil {
		return w, err
	}
	if w.preset != "" {
		preset, ok := c.Presets[w.preset]
		if !ok {
			return w, bad("preset=" + w.preset + " is not known; there are " + listed(slices.Sorted(maps.Keys(c.Presets))))
		}
		// Of a parameter that comes twice the first counts, so what stands in the URL wins.
		if w, err = readWish(query + "&" + preset); err != nil {
			return w, err
		}
	}
	if w.watermark != "" && c.Watermarks[w.watermark] == "" {
		return w, bad("wm=" + w.watermark + " is not known; there are " + listed(slices.Sorted(maps.Keys(c.Watermarks))))
	}
	w.accept = acceptedBy(header, c.Formats)
	return w, nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// readWish reads a raw query.
func readWish(query string) (wish, error) {
	w := wish{dpr: 1, text: render.Text{Colour: render.Colour{R: 255, G: 255, B: 255, A: 255}}}
	all := pairs(query)
	// The reference function reads showExif alone.
	for _, p := range all {
		if p.name == "showExif" {
			if _, _ = p.read(&w, p.value); w.exif {
				return wish{exif: true, canonical: "showExif=true"}, nil
			}
		}
	}
	canonical := make([]string, 0, len(all))
	for _, p := range sorted(all) {
		text, ok := p.read(&w, p.value)
		if !ok {
			return w, bad(p.name + "=" + p.value + " cannot be; allowed are " + p.allowed)
		}
		if text == "" || p.name == "sig" {
			continue
		}
		canonical = append(canonical, p.name+"="+url.QueryEscape(text))
		w.pixels = w.pixels || !p.free
	}
	w.canonical = strings.Join(canonical, "&")
	w.pixels = w.pixels || w.options.ICC == metadata.ICCsRGB
	if w.pixels {
		// Pixels that are made anew can go without their profile whatever else stays.
		w.job.ICC = string(w.options.ICC)
	} else if err := w.options.Check(); err != nil {
		return w, bad(err.Error())
	}
	return w, nil
}

func sorted(all []pair) []pair {
	slices.SortFunc(all, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	return all
}

// bad is a value that a parameter cannot have.
func bad(message string) *refused {
	return &refused{message: message, status: http.StatusBadRequest, code: "InvalidArgument"}
}

// suffix is what the ETag of an answer to w ends in when no pixel was touched: the same original gives others for other
// wishes.
func (w *wish) suffix() string {
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

// AcceptHeader is the header in which an edge tells the image formats that a viewer takes, in one of four forms: "avif,webp",
// "avif", "webp" or "".
const AcceptHeader = "Glassine-Image"

// Canonical returns the query in the one form of all queries that ask for the same, so that they share one entry of a cache:
// long names in alphabetical order, values in one spelling, without what is the default, comes twice or is not known.
// Nothing else of the query is left, S3's own parameters included. accept is what belongs into AcceptHeader: "" when the answer does not depend on it.
//
// A value that cannot be stays as it is, for the function to refuse.
func Canonical(query string, header http.Header) (canonical, accept string) {
	if query == "" {
		return "", ""
	}
	var w wish
	var out []string
	negotiated := false
	all := pairs(query)
	for _, p := range sorted(all) {
		text, ok := p.read(&w, p.value)
		if w.exif {
			out, negotiated = []string{"showExif=true"}, false
			break
		}
		if !ok {
			text = p.value
		} else if text == "" {
			continue
		}
		negotiated = negotiated || p.name == "preset" || p.name == "format" && text == "auto"
		out = append(out, p.name+"="+url.QueryEscape(text))
	}
	if negotiated {
		accept = accepts(header.Values("Accept"))
	}
	return strings.Join(out, "&"), accept
}

// acceptedBy is what the viewer takes of the formats that the configuration allows: as an edge tells it, or as Accept says.
func acceptedBy(header map[string]string, allowed []string) string {
	var told, accept string
	for name, value := range header {
		switch {
		case strings.EqualFold(name, AcceptHeader):
			told = value
		case strings.EqualFold(name, "Accept"):
			accept = value
		}
	}
	if told == "" {
		told = accepts([]string{accept})
	}
	if allowed == nil {
		return told
	}
	var out []string
	for f := range strings.SplitSeq(told, ",") {
		if slices.Contains(allowed, f) {
			out = append(out, f)
		}
	}
	return strings.Join(out, ",")
}

// accepts returns the formats that negotiation may choose and that lines of Accept name with a weight above zero. A wildcard
// does not count: every program sends one, whatever it can show. RFC 9110, section 12.5.1.
func accepts(lines []string) string {
	var avif, webp bool
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			kind, weight, _ := strings.Cut(part, ";")
			if refusedByWeight(weight) {
				continue
			}
			switch strings.ToLower(strings.TrimSpace(kind)) {
			case "image/avif":
				avif = true
			case "image/webp":
				webp = true
			}
		}
	}
	switch {
	case avif && webp:
		return "avif,webp"
	case avif:
		return "avif"
	case webp:
		return "webp"
	}
	return ""
}

// refusedByWeight reports whether the parameters of a media range hold q=0.
func refusedByWeight(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") && strings.Trim(value, "0. ") == "" {
			return true
		}
	}
	return false
}

// asRefused is err as a *refused, nil when it is none.
func asRefused(err error) *refused {
	r, _ := errors.AsType[*refused](err)
	return r
}
