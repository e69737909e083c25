package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// palette paints text, or leaves it as it is.
type palette bool

func (p palette) paint(colour, text string) string {
	if !p || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// lines is the view as lines of at most width columns; at most height of them, where height is not 0. It takes what strangers
// named apart from what a terminal obeys.
func (v *topView) lines(width, height int, p palette) []string {
	state := p.paint(green, "ready")
	if !v.Ready {
		state = p.paint(red, "not ready")
	}
	head := []string{strings.TrimSpace("glassine "+v.Version) + " " + state}
	if !v.Started.IsZero() {
		head = append(head, "up "+v.At.Sub(v.Started).Round(time.Second).String())
	}
	if v.Memory > 0 {
		head = append(head, shownSize(v.Memory)+" resident")
	}
	head = append(head, v.At.Local().Format(time.TimeOnly))
	if v.paused {
		head = append(head, p.paint(yellow, "paused"))
	}
	out := flowed(head, "", width)
	for _, problem := range v.Problems {
		out = append(out, p.paint(yellow, cut("problem: "+printable(problem), width)))
	}
	out = append(out, "")
	out = append(out, flowed(v.edgeFacts(p), "  ", width)...)
	out = append(out, flowed(v.cacheFacts(), "  ", width)...)
	foot := 0
	if height > 0 {
		foot = 2
	}
	room := func(want int) int { // for lines of a table, its head and an empty line before it
		if height == 0 {
			return want
		}
		return max(0, min(want, height-foot-len(out)-2))
	}
	functions := len(v.Functions)
	if height > 0 && len(v.Last) > 0 { // half of what there is, or more if requests do not need it
		functions = min(functions, max((height-foot-len(out))/2-2, height-foot-len(out)-4-len(v.Last)))
	}
	if n := room(functions); n > 0 {
		out = append(out, "", p.paint(bold, functionRow("FUNCTION", "INVOKED/s", "ERRORS/s", "COLD/s", "RUNNING", width)))
		for _, f := range v.Functions[:n] {
			row := functionRow(printable(f.Name), perSecond(f.InvocationsPerSecond), perSecond(f.ErrorsPerSecond), perSecond(f.ColdStartsPerSecond), fmt.Sprint(f.Running), width)
			if f.ErrorsPerSecond > 0 {
				row = p.paint(red, row)
			}
			out = append(out, row)
		}
	}
	if n := room(len(v.Last)); n > 0 {
		out = append(out, "", p.paint(bold, cut("LAST THAT WERE NO HITS", width)))
		for _, r := range v.Last[:n] {
			out = append(out, r.line(width, p))
		}
	}
	if height > 0 {
		out = append(out, "", p.paint(dim, cut("q ends   space stops and goes on", width)))
		out = out[:min(len(out), height)]
	}
	return out
}

// edgeFacts are what viewers asked for and got.
func (v *topView) edgeFacts(p palette) []string {
	e := v.Edge
	out := []string{"edge  " + perSecond(e.RequestsPerSecond) + " requests/s", shownSize(int64(e.BytesPerSecond)) + "/s"}
	if e.RequestsPerSecond > 0 {
		out = append(out, fmt.Sprintf("%.1f%% hits", 100*e.HitRatio), "p50 "+shownTime(e.P50), "p95 "+shownTime(e.P95), "p99 "+shownTime(e.P99))
	}
	for _, result := range slices.Sorted(maps.Keys(e.ByResult)) {
		if r := e.ByResult[result]; r > 0 {
			colour := ""
			switch result {
			case "Hit", "RefreshHit":
				colour = green
			case "Error", "LimitExceeded", "CapacityExceeded":
				colour = red
			}
			out = append(out, p.paint(colour, result+" "+perSecond(r)))
		}
	}
	return out
}

func (v *topView) cacheFacts() []string {
	var out []string
	for _, tier := range []string{"memory", "disk"} {
		if t, ok := v.Cache[tier]; ok {
			out = append(out, fmt.Sprintf("%s, %s in %s", counted(int(t.Objects), "object"), shownSize(t.Bytes), map[string]string{"memory": "memory", "disk": "files"}[tier]))
		}
	}
	if len(out) > 0 {
		out[0] = "cache " + out[0]
	}
	return out
}

// functionRow gives the name what the numbers leave; narrow terminals do without the cold starts.
func functionRow(name, invoked, errors, cold, running string, width int) string {
	numbers := fmt.Sprintf("  %9s  %8s  %7s  %6s", invoked, errors, running, cold)
	if width < 72 {
		numbers = fmt.Sprintf("  %9s  %8s  %7s", invoked, errors, running)
	}
	return padded(name, max(8, min(64, width-len(numbers)))) + numbers
}

func (r topRequest) line(width int, p palette) string {
	colour := ""
	switch {
	case strings.HasPrefix(r.Status, "5"):
		colour = red
	case strings.HasPrefix(r.Status, "4"):
		colour = yellow
	}
	before := fmt.Sprintf("%s  %-3s  %s  %8s  ", r.At.Local().Format(time.TimeOnly), printable(r.Status), padded(printable(r.Result), 10), shownTime(r.Took))
	return p.paint(colour, before+cut(printable(r.Path), width-utf8.RuneCountInString(before)))
}

// flowed puts facts beside each other with three spaces between, on as many lines as they need; those after the first begin with indent.
// Colours take no room.
func flowed(facts []string, indent string, width int) []string {
	var out []string
	line, used := "", 0
	for _, fact := range facts {
		n := visible(fact)
		switch {
		case line == "":
			line, used = fact, n
		case used+3+n > width:
			out = append(out, line)
			line, used = indent+fact, len(indent)+n
		default:
			line, used = line+"   "+fact, used+3+n
		}
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}

// visible is how many columns a text takes.
func visible(text string) (n int) {
	for i, part := range strings.Split(text, "\x1b[") {
		if i > 0 {
			_, part, _ = strings.Cut(part, "m")
		}
		n += utf8.RuneCountInString(part)
	}
	return n
}

// cut is text in at most width columns, with an ellipsis where something is left out.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

func padded(text string, width int) string {
	text = cut(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

func perSecond(r float64) string {
	if r >= 9_999.5 {
		return fmt.Sprintf("%.1fk", r/1000)
	}
	return fmt.Sprintf("%.1f", r)
}

// shownTime is a time in seconds for people.
func shownTime(seconds float64) string {
	switch {
	case seconds <= 0:
		return "-"
	case seconds < 0.0995:
		return fmt.Sprintf("%.1f ms", seconds*1e3)
	case seconds < 0.9995:
		return fmt.Sprintf("%.0f ms", seconds*1e3)
	}
	return fmt.Sprintf("%.1f s", seconds)
}
