package transform

import (
	"net/url"
	"strconv"
	"strings"

	"glassine/transform/metadata"
	"glassine/transform/pixel/render"
)

// parameter is one name of the query grammar.
type parameter struct {
	name, alias string
	// allowed ends the sentence that refuses another value.
	allowed string
	// read puts a value into w and returns it in its one canonical form, "" when it asks for nothing. False is a value that
	// cannot be.
	read func(w *wish, value string) (canonical string, ok bool)
	// free says that the parameter can be fulfilled without decoding the picture, or may be.
	free bool

	index int // in grammar
}

// grammar is the whole query grammar, by name in alphabetical order: Cloudflare's words where Cloudflare has one.
// docs/pictures.md explains each.
var grammar []parameter

// known finds a parameter by its name and its alias.
var known = map[string]*parameter{}

func init() {
	grammar = []parameter{
		{name: "anim", allowed: "true and false", read: flag(func(w *wish) *bool { return &w.still }, true)},
		{name: "background", alias: "bg", allowed: colours, read: colour(func(w *wish, c render.Colour) { w.job.Background = &c })},
		{name: "blur", allowed: "numbers from 0.3 to 250", read: number(0.3, 250, 0, func(w *wish, v float64) { w.blur = v })},
		{name: "border", allowed: "WIDTH and WIDTH,COLOUR, with a width from 1 to 1000", read: readBorder},
		{name: "brightness", allowed: "numbers from 0 to 10", read: number(0, 10, 1, func(w *wish, v float64) { w.job.Brightness = &v })},
		{name: "compression", allowed: "fast", read: word(map[string]string{"fast": "fast"}, func(w *wish, _ string) { w.job.Fast = true })},
		{name: "contrast", allowed: "numbers from 0 to 10", read: number(0, 10, 1, func(w *wish, v float64) { w.job.Contrast = &v })},
		{name: "crop", allowed: "LEFT,TOP,WIDTH,HEIGHT in pixels, or with a decimal point in each as parts of the picture", read: readCrop},
		{name: "dpr", allowed: "numbers from 0.1 to 8", read: number(0.1, 8, 1, func(w *wish, v float64) { w.dpr = v })},
		{name: "fit", allowed: "scale-down, contain, cover, crop, pad and squeeze, and inside, outside and fill", read: word(map[string]string{
			"scale-down": "", "contain": "contain", "cover": "cover", "crop": "crop", "pad": "pad", "squeeze": "squeeze",
			"inside": "contain", "outside": "outside", "fill": "squeeze",
		}, func(w *wish, v string) { w.job.Fit = render.Fit(v) })},
		{name: "flip", allowed: "h, v and hv", read: word(map[string]string{"h": "h", "v": "v", "hv": "hv", "vh": "hv"}, func(w *wish, v string) {
			w.job.FlipHorizontal, w.job.FlipVertical = strings.Contains(v, "h"), strings.Contains(v, "v")
		})},
		{name: "format", alias: "f", free: true, allowed: "auto, avif, webp, jpeg, baseline-jpeg, png, gif, tiff and json", read: readFormat},
		{name: "gamma", allowed: "numbers from 0.1 to 10", read: number(0.1, 10, 1, func(w *wish, v float64) { w.job.Gamma = &v })},
		{name: "gravity", alias: "g", allowed: gravities + ", auto and entropy", read: gravity(func(w *wish) *render.Gravity { return &w.job.Gravity }, true)},
		{name: "height", alias: "h", allowed: sides, read: side(func(w *wish) *int { return &w.height })},
		{name: "icc", free: true, allowed: "keep, strip and srgb", read: word(map[string]string{"keep": "", "strip": "strip", "srgb": "srgb"}, func(w *wish, v string) {
			w.options.ICC = metadata.ICC(v)
		})},
		{name: "lossless", allowed: "true and false", read: flag(func(w *wish) *bool { return &w.job.Lossless }, false)},
		{name: "max-bytes", allowed: "whole numbers from 1000 to 67108864", read: readMaxBytes},
		{name: "metadata", free: true, allowed: "none, copyright and keep", read: word(map[string]string{"none": "", "copyright": "copyright", "keep": "keep"}, func(w *wish, v string) {
			w.options.Metadata = metadata.Keep(v)
		})},
		{name: "onerror", free: true, allowed: "original and fallback", read: word(map[string]string{"original": "original", "redirect": "original", "fallback": "fallback"}, func(w *wish, v string) {
			w.onError = v
		})},
		{name: "orient", free: true, allowed: "tag and bake", read: word(map[string]string{"tag": "", "bake": "bake"}, func(w *wish, v string) { w.bake = v == "bake" })},
		{name: "padding", allowed: "ALL, or VERTICAL,HORIZONTAL, or TOP,RIGHT,BOTTOM,LEFT, each from 0 to 4096", read: readPadding},
		{name: "preset", free: true, allowed: "the names of presets", read: func(w *wish, v string) (string, bool) { w.preset = v; return v, true }},
		{name: "progressive", allowed: "true and false", read: flag(func(w *wish) *bool { return &w.job.Progressive }, false)},
		{name: "quality", alias: "q", allowed: "whole numbers from 1 to 100, and high, medium-high, medium-low and low", read: readQuality},
		{name: "radius", allowed: "max and whole numbers from 1 to 4096", read: readRadius},
		{name: "rotate", allowed: "0, 90, 180 and 270", read: word(map[string]string{"0": "", "90": "90", "180": "180", "270": "270"}, func(w *wish, v string) {
			w.job.Rotate, _ = strconv.Atoi(v)
		})},
		{name: "saturation", allowed: "numbers from 0 to 10", read: number(0, 10, 1, func(w *wish, v float64) { w.job.Saturation = &v })},
		{name: "sharpen", allowed: "numbers from 0 to 10", read: number(0, 10, 0, func(w *wish, v float64) { w.job.Sharpen = v })},
		{name: "showExif", free: true, allowed: "true", read: readShowExif},
		{name: "sig", free: true, allowed: "signatures", read: func(w *wish, v string) (string, bool) { w.signature = v; return v, true }},
		{name: "text", allowed: "up to 200 characters", read: readText},
		{name: "text-bold", allowed: "true and false", read: flag(func(w *wish) *bool { return &w.text.Bold }, false)},
		{name: "text-color", allowed: colours, read: colour(func(w *wish, c render.Colour) { w.text.Colour = c })},
		{name: "text-gravity", allowed: gravities, read: gravity(func(w *wish) *render.Gravity { return &w.text.Gravity }, false)},
		{name: "text-opacity", allowed: "numbers from 0.01 to 1", read: number(0.01, 1, 1, func(w *wish, v float64) { w.text.Opacity = v })},
		{name: "text-size", allowed: "numbers from 4 to 1000", read: number(4, 1000, 0, func(w *wish, v float64) { w.text.Size = v })},
		{name: "text-tile", allowed: "true and false", read: flag(func(w *wish) *bool { return &w.text.Tile }, false)},
		{name: "text-x", allowed: offsets, read: offset(func(w *wish) *int { return &w.text.X })},
		{name: "text-y", allowed: offsets, read: offset(func(w *wish) *int { return &w.text.Y })},
		{name: "trim", allowed: "border, border,TOLERANCE with a tolerance from 1 to 255, and TOP;RIGHT;BOTTOM;LEFT in pixels", read: readTrim},
		{name: "width", alias: "w", allowed: sides, read: side(func(w *wish) *int { return &w.width })},
		{name: "wm", allowed: "the names of watermarks", read: func(w *wish, v string) (string, bool) { w.watermark = v; return v, true }},
		{name: "wm-gravity", allowed: gravities, read: gravity(func(w *wish) *render.Gravity { return &w.mark.Gravity }, false)},
		{name: "wm-opacity", allowed: "numbers from 0.01 to 1", read: number(0.01, 1, 1, func(w *wish, v float64) { w.mark.Opacity = v })},
		{name: "wm-scale", allowed: "numbers from 0.01 to 1", read: number(0.01, 1, 0, func(w *wish, v float64) { w.mark.Scale = v })},
		{name: "wm-tile", allowed: "true and false", read: flag(func(w *wish) *bool { return &w.mark.Tile }, false)},
		{name: "wm-x", allowed: offsets, read: offset(func(w *wish) *int { return &w.mark.X })},
		{name: "wm-y", allowed: offsets, read: offset(func(w *wish) *int { return &w.mark.Y })},
	}
	for i := range grammar {
		p := &grammar[i]
		p.index = i
		known[p.name] = p
		if p.alias != "" {
			known[p.alias] = p
		}
	}
	// What DIT calls it; to us it is a saturation of nothing.
	known["grayscale"] = &parameter{name: "saturation", allowed: "true and false (as grayscale)", read: readGrayscale, index: known["saturation"].index}
}

// pair is one parameter as it was sent.
type pair struct {
	*parameter
	value string // unescaped
}

// maxParameters is more than the grammar has.
const maxParameters = 64

// pairs returns the known parameters of a raw query. Of one that comes twice, under whatever name, the first counts, as with
// URLSearchParams.get.
func pairs(query string) []pair {
	var out []pair
	var seen [maxParameters]bool
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		p := known[unescape(name)]
		if p == nil {
			continue
		}
		if !seen[p.index] {
			seen[p.index] = true
			out = append(out, pair{p, unescape(value)})
		}
	}
	return out
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}
