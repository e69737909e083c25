package storetest

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Absent is the sum that History uses for "the key holds no object".
const Absent = "-"

// History is what is known of a store that may be killed: which bodies were sent for each key, by their sums, and which
// were acknowledged. Its zero value is of an empty store. All methods are safe for many goroutines.
//
// The rules that Check applies: a key holds one of the bodies ever sent for it, whole; and none that an acknowledged one
// had surely replaced, which is one that began after the other was acknowledged. A write that was never acknowledged
// may be there or not. So are deletions judged, as writes of Absent.
//
// It cannot tell which of two writes that overlapped should have won. And a killed process does not lose what it wrote:
// the page cache survives it, so History says nothing of flushing; CheckFlushOrder does.
type History struct {
	mu     sync.Mutex            // guards what follows
	clock  int                   // counts events
	writes []*version            // by the number that Began returned
	keys   map[string][]*version // the versions a key may hold
}

// version is a body that a key may hold. The version before all writes began and ended at 0.
type version struct {
	sum          string
	began, ended int // clock
	acknowledged bool
}

// Began notes that a write of a body with this sum is about to begin, and returns its number.
func (h *History) Began(key, sum string) (number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	v := &version{sum: sum, began: h.clock}
	if h.keys == nil {
		h.keys = make(map[string][]*version)
	}
	h.keys[key] = append(h.versions(key), v)
	h.writes = append(h.writes, v)
	return len(h.writes) - 1
}

// Acknowledged notes that a write has succeeded.
func (h *History) Acknowledged(number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	h.writes[number].ended, h.writes[number].acknowledged = h.clock, true
}

// versions returns what a key may hold. The caller holds mu.
func (h *History) versions(key string) []*version {
	if v, ok := h.keys[key]; ok {
		return v
	}
	return []*version{{sum: Absent, acknowledged: true}}
}

// Keys returns every key that was ever written.
func (h *History) Keys() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var keys []string
	for key := range h.keys {
		keys = append(keys, key)
	}
	return keys
}

// Check returns what is wrong with a key that now, with no write under way, holds a whole body with the sum found, or
// Absent. When nothing is, that body is what the key holds from here on.
func (h *History) Check(key, found string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	versions := h.versions(key)
	sent, current := false, false
	for _, v := range versions {
		if v.sum == found {
			sent = true
			current = current || !replaced(v, versions)
		}
	}
	switch {
	case !sent:
		return fmt.Errorf("%q holds %s, which nobody sent", key, found)
	case !current && found == Absent:
		return fmt.Errorf("%q holds nothing: an acknowledged object is lost", key)
	case !current:
		return fmt.Errorf("%q holds %s, which an acknowledged write had replaced", key, found)
	}
	h.clock++
	if h.keys == nil {
		h.keys = make(map[string][]*version)
	}
	h.keys[key] = []*version{{sum: found, began: h.clock, ended: h.clock, acknowledged: true}}
	return nil
}

// replaced reports whether an acknowledged version began after v was acknowledged.
func replaced(v *version, versions []*version) bool {
	for _, w := range versions {
		if v.acknowledged && w.acknowledged && w.began > v.ended {
			return true
		}
	}
	return false
}

// Acknowledgements returns how many writes were acknowledged.
func (h *History) Acknowledgements() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, w := range h.writes {
		if w.acknowledged {
			n++
		}
	}
	return n
}

// Journal writes a History's events to a pipe, from a process that may be killed to its parent. Its methods are safe for
// many goroutines. A line is one write(2), so what was written before the kill arrives whole.
type Journal struct {
	W io.Writer

	mu   sync.Mutex // guards next and the order of lines
	next int
}

// Began writes that a write is about to begin, and returns its number.
func (j *Journal) Began(key, sum string) (number int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	fmt.Fprintf(j.W, "began %d %q %s\n", j.next, key, sum)
	return j.next
}

// Acknowledged writes that a write has succeeded.
func (j *Journal) Acknowledged(number int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.W, "acknowledged %d\n", number)
}

// ReadJournal notes the events that a Journal writes to r until r ends, and calls each after every one.
func (h *History) ReadJournal(r io.Reader, each func()) error {
	numbers := make(map[int]int) // the journal's to ours
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		number, rest, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(number)
		switch {
		case err == nil && word == "acknowledged":
			ours, ok := numbers[n]
			if !ok {
				return fmt.Errorf("journal acknowledges write %d, which never began", n)
			}
			h.Acknowledged(ours)
		case err == nil && word == "began":
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return fmt.Errorf("journal line %q: %w", lines.Text(), err)
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return fmt.Errorf("journal line %q: %w", lines.Text(), err)
			}
			numbers[n] = h.Began(key, strings.TrimPrefix(rest[len(quoted):], " "))
		default:
			return fmt.Errorf("journal line %q is unknown", lines.Text())
		}
		each()
	}
	return lines.Err()
}
