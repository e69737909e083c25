package transform

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/image/colornames"

	"glassine/transform/pixel/render"
)

// reader is parameter.read.
type reader = func(w *wish, value string) (string, bool)

const (
	maxSide  = 8192
	sides    = "auto and whole numbers from 1 to 8192"
	offsets  = "whole numbers from -8192 to 8192"
	colours  = "names such as white, hexadecimal digits such as f00 or ff000080, and rgb(255,0,0)"
	maxText  = 200
	maxFrame = 4096 // pixels of padding or radius
)

// gravities are the values that name a place; the grammar's rows add what else they take.
const gravities = "left, right, top, bottom, center, top-left, top-right, bottom-left, bottom-right, and XxY such as 0.5x0.33"

// flag reads true and false. value is what it points to, but the other way round when inverted: anim=false makes a still.
func flag(field func(*wish) *bool, inverted bool) reader {
	return func(w *wish, value string) (string, bool) {
		switch strings.ToLower(value) {
		case "true", "1":
			*field(w) = !inverted
		case "false", "0":
			*field(w) = inverted
		default:
			return "", false
		}
		if !*field(w) {
			return "", true
		}
		return strconv.FormatBool(!inverted), true
	}
}

// word reads one of several words; words maps each to its canonical form.
func word(words map[string]string, set func(*wish, string)) reader {
	return func(w *wish, value string) (string, bool) {
		canonical, ok := words[strings.ToLower(value)]
		if ok {
			set(w, canonical)
		}
		return canonical, ok
	}
}

// number reads a number from low to high; nothing, which asks for nothing, is always allowed.
func number(low, high, nothing float64, set func(*wish, float64)) reader {
	return func(w *wish, value string) (string, bool) {
		v, ok := decimal(value)
		if !ok || v != nothing && (v < low || v > high) {
			return "", false
		}
		if v == nothing {
			return "", true
		}
		set(w, v)
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
}

// decimal reads digits with at most one point, to three places: a viewer cannot make endless variants of one picture.
func decimal(s string) (float64, bool) {
	if s == "" || len(s) > 16 || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return math.Round(v*1000) / 1000, err == nil
}

// whole reads a whole number from low to high.
func whole(s string, low, high int) (int, bool) {
	if len(s) > 9 || strings.Trim(s, "0123456789-") != "" {
		return 0, false
	}
	v, err := strconv.Atoi(s)
	return v, err == nil && v >= low && v <= high
}

func side(field func(*wish) *int) reader {
	return func(w *wish, value string) (string, bool) {
		if strings.EqualFold(value, "auto") {
			return "", true
		}
		v, ok := whole(value, 1, maxSide)
		*field(w) = v
		return strconv.Itoa(v), ok
	}
}

func offset(field func(*wish) *int) reader {
	return func(w *wish, value string) (string, bool) {
		v, ok := whole(value, -maxSide, maxSide)
		if !ok || v == 0 {
			return "", ok
		}
		*field(w) = v
		return strconv.Itoa(v), true
	}
}

// places are the named points, from the centre.
var places = map[string]render.Gravity{
	"center": {}, "centre": {}, "left": {X: -1}, "right": {X: 1}, "top": {Y: -1}, "bottom": {Y: 1},
	"top-left": {X: -1, Y: -1}, "top-right": {X: 1, Y: -1}, "bottom-left": {X: -1, Y: 1}, "bottom-right": {X: 1, Y: 1},
}

// gravity reads a place, and with clever also what the picture itself decides.
func gravity(field func(*wish) *render.Gravity, clever bool) reader {
	return func(w *wish, value string) (string, bool) {
		value = strings.ToLower(value)
		if g, ok := places[value]; ok {
			*field(w) = g
			if g == (render.Gravity{}) {
				return "", true
			}
			return value, true
		}
		if clever && (value == "auto" || value == "entropy") {
			field(w).Mode = map[string]string{"auto": "attention", "entropy": "entropy"}[value]
			return value, true
		}
		xs, ys, ok := strings.Cut(value, "x")
		x, ok1 := decimal(xs)
		y, ok2 := decimal(ys)
		if !ok || !ok1 || !ok2 || x > 1 || y > 1 {
			return "", false
		}
		*field(w) = render.Gravity{X: 2*x - 1, Y: 2*y - 1}
		return fmt.Sprintf("%gx%g", x, y), true
	}
}

func colour(set func(*wish, render.Colour)) reader {
	return func(w *wish, value string) (string, bool) {
		c, ok := parseColour(value)
		if ok {
			set(w, c)
		}
		return colourText(c), ok
	}
}

// parseColour reads a colour of CSS: a name, RGB, RRGGBB, RGBA, RRGGBBAA with or without "#", rgb(r,g,b) or rgba(r,g,b,a).
// CSS Color Module Level 4, sections 5.1, 5.2 and 6.1.
func parseColour(s string) (render.Colour, bool) {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	if s == "transparent" {
		return render.Colour{}, true
	}
	if c, ok := colornames.Map[s]; ok {
		return render.Colour{R: c.R, G: c.G, B: c.B, A: 255}, true
	}
	if inner, ok := strings.CutPrefix(strings.TrimSuffix(s, ")"), "rgb("); ok {
		return channels(strings.Split(inner, ","), 3)
	}
	if inner, ok := strings.CutPrefix(strings.TrimSuffix(s, ")"), "rgba("); ok {
		return channels(strings.Split(inner, ","), 4)
	}
	s = strings.TrimPrefix(s, "#")
	if len(s) == 3 || len(s) == 4 {
		var wide strings.Builder
		for _, c := range []byte(s) {
			wide.WriteByte(c)
			wide.WriteByte(c)
		}
		s = wide.String()
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 3 && len(b) != 4 {
		return render.Colour{}, false
	}
	c := render.Colour{R: b[0], G: b[1], B: b[2], A: 255}
	if len(b) == 4 {
		c.A = b[3]
	}
	return c, true
}

func channels(parts []string, n int) (render.Colour, bool) {
	if len(parts) != n {
		return render.Colour{}, false
	}
	v := [4]int{3: 255}
	for i, p := range parts {
		var ok bool
		if i == 3 {
			var alpha float64
			alpha, ok = decimal(p)
			ok = ok && alpha <= 1
			v[3] = int(math.Round(255 * alpha))
		} else {
			v[i], ok = whole(p, 0, 255)
		}
		if !ok {
			return render.Colour{}, false
		}
	}
	return render.Colour{R: uint8(v[0]), G: uint8(v[1]), B: uint8(v[2]), A: uint8(v[3])}, true
}

func colourText(c render.Colour) string {
	if c.A == 255 {
		return hex.EncodeToString([]byte{c.R, c.G, c.B})
	}
	return hex.EncodeToString([]byte{c.R, c.G, c.B, c.A})
}

func readBorder(w *wish, value string) (string, bool) {
	width, name, named := strings.Cut(value, ",")
	b := render.Border{Colour: render.Colour{A: 255}}
	n, ok := whole(width, 1, 1000)
	if !ok {
		return "", false
	}
	b.Width = n
	if named {
		if b.Colour, ok = parseColour(name); !ok {
			return "", false
		}
	}
	w.job.Border = &b
	return strconv.Itoa(n) + "," + colourText(b.Colour), true
}

func readCrop(w *wish, value string) (string, bool) {
	parts := strings.Split(value, ",")
	if len(parts) != 4 {
		return "", false
	}
	var v [4]float64
	points := 0
	for i, p := range parts {
		var ok bool
		if v[i], ok = decimal(p); !ok {
			return "", false
		}
		if strings.Contains(p, ".") {
			points++
		}
	}
	c := render.Crop{Left: v[0], Top: v[1], Width: v[2], Height: v[3], Relative: points == 4}
	limit := 1e6
	if c.Relative {
		limit = 1
	}
	if points != 0 && points != 4 || c.Width <= 0 || c.Height <= 0 || c.Left+c.Width > limit || c.Top+c.Height > limit {
		return "", false
	}
	w.job.Crop = &c
	if c.Relative {
		return fmt.Sprintf("%.3f,%.3f,%.3f,%.3f", v[0], v[1], v[2], v[3]), true
	}
	return fmt.Sprintf("%.0f,%.0f,%.0f,%.0f", v[0], v[1], v[2], v[3]), true
}

// readTrim reads Cloudflare's two kinds: edges of one colour, and so many pixels of each side.
func readTrim(w *wish, value string) (string, bool) {
	kind, tolerance, named := strings.Cut(value, ",")
	if kind == "border" {
		t := render.Trim{}
		if named {
			n, ok := whole(tolerance, 1, 255)
			if !ok {
				return "", false
			}
			t.Threshold = float64(n)
		}
		w.job.Trim = &t
		return value, true
	}
	parts := strings.Split(value, ";")
	if len(parts) != 4 {
		return "", false
	}
	var insets [4]int
	for i, p := range parts {
		var ok bool
		if insets[i], ok = whole(p, 0, 1e6); !ok {
			return "", false
		}
	}
	if insets == [4]int{} {
		return "", true
	}
	w.insets = insets
	return value, true
}

func readPadding(w *wish, value string) (string, bool) {
	parts := strings.Split(value, ",")
	var v []int
	for _, p := range parts {
		n, ok := whole(p, 0, maxFrame)
		if !ok {
			return "", false
		}
		v = append(v, n)
	}
	switch len(v) {
	case 1:
		w.job.Padding = [4]int{v[0], v[0], v[0], v[0]}
	case 2:
		w.job.Padding = [4]int{v[0], v[1], v[0], v[1]}
	case 4:
		w.job.Padding = [4]int(v)
	default:
		return "", false
	}
	if w.job.Padding == [4]int{} {
		return "", true
	}
	p := w.job.Padding
	return fmt.Sprintf("%d,%d,%d,%d", p[0], p[1], p[2], p[3]), true
}

func readRadius(w *wish, value string) (string, bool) {
	if strings.EqualFold(value, "max") {
		w.job.Radius = render.RadiusMax
		return "max", true
	}
	n, ok := whole(value, 1, maxFrame)
	w.job.Radius = n
	return strconv.Itoa(n), ok
}

// qualities are Cloudflare's words for a quality.
var qualities = map[string]int{"high": 90, "medium-high": 80, "medium-low": 65, "low": 50}

func readQuality(w *wish, value string) (string, bool) {
	n, ok := qualities[strings.ToLower(value)]
	if !ok {
		n, ok = whole(value, 1, 100)
	}
	w.job.Quality = n
	return strconv.Itoa(n), ok
}

func readMaxBytes(w *wish, value string) (string, bool) {
	n, ok := whole(value, 1000, 64<<20)
	w.job.MaxBytes = int64(n)
	return strconv.Itoa(n), ok
}

func readGrayscale(w *wish, value string) (string, bool) {
	on, ok := map[string]bool{"true": true, "1": true, "false": false, "0": false}[strings.ToLower(value)]
	if !on {
		return "", ok
	}
	grey := 0.0
	w.job.Saturation = &grey
	return "0", true
}

// readShowExif reads as the reference function does: "true" in any case, all else is false.
func readShowExif(w *wish, value string) (string, bool) {
	if w.exif = strings.EqualFold(value, "true"); w.exif {
		return "true", true
	}
	return "", true
}

// outputs are the values of the parameter format, with what a render.Job calls them.
var outputs = map[string]string{
	"avif": "avif", "webp": "webp", "jpeg": "jpeg", "jpg": "jpeg", "baseline-jpeg": "jpeg", "png": "png", "gif": "gif", "tiff": "tiff", "auto": "auto", "json": "json",
}

func readFormat(w *wish, value string) (string, bool) {
	value = strings.ToLower(value)
	f, ok := outputs[value]
	w.job.Baseline = value == "baseline-jpeg"
	switch f {
	case "auto":
		w.auto = true
	case "json":
		w.json = true
	default:
		w.format = f
	}
	if value == "jpg" {
		value = "jpeg"
	}
	return value, ok
}

func readText(w *wish, value string) (string, bool) {
	if value == "" {
		return "", true
	}
	for _, r := range value {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return "", false
		}
	}
	w.text.Text = value
	return value, utf8.RuneCountInString(value) <= maxText
}
