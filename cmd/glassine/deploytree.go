package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"glassine/cloudformation/client"
)

// stackTree is the state of stacks and their resources, to be drawn.
type stackTree struct {
	order []*row          // stacks, in the order in which they were first seen
	rows  map[string]*row // by stack id, and stack id and logical id
	drawn int             // lines that are on the terminal
}

// row is one line: a stack, with those of its resources below it.
type row struct {
	name, typeName, status, reason string
	began, changed                 time.Time
	cause, cancelled               bool // the first failure; a failure that only followed
	below                          []*row
}

func (r *row) running() bool { return strings.HasSuffix(r.status, "_IN_PROGRESS") }
func (r *row) failed() bool  { return strings.HasSuffix(r.status, "_FAILED") }

// event takes up an event.
func (t *stackTree) event(e client.Event) {
	stack := t.rows[e.StackID]
	if stack == nil {
		stack = &row{name: e.StackName, began: e.Time}
		t.rows[e.StackID] = stack
		t.order = append(t.order, stack)
	}
	r := stack
	if !e.OfStack() {
		key, name := e.StackID+" "+e.LogicalID, e.LogicalID
		if strings.HasSuffix(stack.status, "_CLEANUP_IN_PROGRESS") { // what was replaced goes now
			key, name = key+" old", name+" (the old one)"
		}
		if r = t.rows[key]; r == nil {
			r = &row{name: name, typeName: e.Type, began: e.Time}
			t.rows[key] = r
			stack.below = append(stack.below, r)
		}
	}
	if !r.running() && strings.HasSuffix(e.Status, "_IN_PROGRESS") && !e.OfStack() {
		r.began = e.Time // another operation on it
	}
	r.status, r.changed = e.Status, e.Time
	switch {
	case e.Cancelled():
		r.cancelled, r.reason = true, e.Reason
	case e.Failed() && !e.OfStack():
		r.reason = e.Reason
		r.cause = true
		for _, other := range stack.below {
			if other != r && other.cause && !other.changed.After(e.Time) {
				r.cause = false
			}
		}
	}
}

// lines draws the tree within height lines of width characters. When it is higher, what is done and went well is only counted.
func (t *stackTree) lines(now time.Time, height, width int, paint func(colour, text string) string) []string {
	total := 0
	for _, s := range t.order {
		total += 1 + len(s.below)
	}
	folded := total > height
	var out []string
	for _, s := range t.order {
		out = append(out, s.line(0, now, width, paint))
		quiet := 0
		rows := s.below
		for _, r := range rows {
			if r.cause { // first, wherever it stands
				out = append(out, r.line(1, now, width, paint))
			}
		}
		for _, r := range rows {
			switch {
			case r.cause:
			case folded && (r.cancelled || !r.running() && !r.failed()):
				quiet++
			default:
				out = append(out, r.line(1, now, width, paint))
			}
		}
		if quiet > 0 {
			out = append(out, clip(fmt.Sprintf("  %d more done", quiet), width))
		}
	}
	if len(out) > height && height > 0 {
		out = out[:height]
	}
	return out
}

func (r *row) line(depth int, now time.Time, width int, paint func(colour, text string) string) string {
	until := r.changed
	if r.running() {
		until = now
	}
	took := max(until.Sub(r.began), 0).Round(10 * time.Millisecond)
	text := fmt.Sprintf("%s%-*s %-28s %8s  %s", strings.Repeat("  ", depth), 32-2*depth, r.name, strings.ToLower(strings.ReplaceAll(r.status, "_", " ")), took, r.typeName)
	if r.reason != "" {
		text += "  " + strings.ReplaceAll(r.reason, "\n", " ")
	}
	text = clip(text, width)
	switch {
	case r.cancelled:
		return paint(dim, text)
	case r.failed(), strings.Contains(r.status, "ROLLBACK"):
		return paint(red, text)
	case r.running():
		return paint(bold, text)
	}
	return text
}

func clip(text string, width int) string {
	if r := []rune(text); width > 0 && len(r) > width {
		return string(r[:width])
	}
	return text
}

// terminalSize is the size of a terminal in lines and characters, 24 by 80 when it does not say.
func terminalSize(f *os.File) (height, width int) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Row == 0 || size.Col == 0 {
		return 24, 80
	}
	return int(size.Row), int(size.Col)
}
