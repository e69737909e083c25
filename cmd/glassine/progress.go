package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// meter shows how far something is: a bar on standard error, drawn ten times a second at most, when that is a terminal; otherwise
// nothing. One goroutine may use it. All methods do nothing on nil.
type meter struct {
	what        string // such as "looked into"
	total, done int64  // total 0: it is not known
	bytes       bool   // they are bytes
	shown       time.Time
}

// newMeter returns a meter for a number of things, nil when standard error is no terminal.
func newMeter(what string, total int64) *meter {
	if !isTerminal(os.Stderr) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &meter{what: what, total: total}
}

// step counts n more.
func (m *meter) step(n int64) {
	if m == nil {
		return
	}
	m.done += n
	if time.Since(m.shown) >= 100*time.Millisecond || m.done == m.total {
		m.shown = time.Now()
		fmt.Fprint(os.Stderr, "\r"+m.line()+"\x1b[K")
	}
}

// Write counts bytes, so that a meter can stand where bytes pass by. It takes all of them.
func (m *meter) Write(p []byte) (int, error) {
	if m != nil {
		m.bytes = true
		m.step(int64(len(p)))
	}
	return len(p), nil
}

// line is the bar.
func (m *meter) line() string {
	number := func(n int64) string {
		if m.bytes {
			return shownSize(n)
		}
		return fmt.Sprint(n)
	}
	if m.total == 0 {
		return number(m.done) + " " + m.what
	}
	const width = 40
	n := int(width * min(m.done, m.total) / m.total)
	return strings.TrimSpace(fmt.Sprintf("[%s%s] %s of %s %s", strings.Repeat("#", n), strings.Repeat(".", width-n), number(m.done), number(m.total), m.what))
}

// clear takes the bar off the terminal, so that a line can be written there.
func (m *meter) clear() {
	if m != nil && !m.shown.IsZero() {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}

// end takes the bar off the terminal.
func (m *meter) end() { m.clear() }
