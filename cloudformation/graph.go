package cloudformation

import (
	"slices"
)

// circle returns the names of one circle in g, which has for each name those that it depends on, or nil. Of several it is
// always the same one.
func circle(g map[string][]string) []string {
	const (
		unseen = iota
		open
		done
	)
	state := map[string]int{}
	var path, found []string
	var visit func(string) bool
	visit = func(n string) bool {
		switch state[n] {
		case open:
			found = slices.Clone(path[slices.Index(path, n):])
			return true
		case done:
			return false
		}
		state[n] = open
		path = append(path, n)
		for _, on := range g[n] {
			if visit(on) {
				return true
			}
		}
		path = path[:len(path)-1]
		state[n] = done
		return false
	}
	for _, n := range sortedKeys(g) {
		if visit(n) {
			return found
		}
	}
	return nil
}

// reversed returns g with every edge turned round.
func reversed(g map[string][]string) map[string][]string {
	out := make(map[string][]string, len(g))
	for n := range g {
		out[n] = nil
	}
	for _, n := range sortedKeys(g) {
		for _, on := range g[n] {
			if _, ok := g[on]; ok {
				out[on] = append(out[on], n)
			}
		}
	}
	return out
}

// schedule hands out the names of a graph when all that they depend on is done. It is used by one goroutine.
type schedule struct {
	waits map[string]int      // how many it still waits for
	next  map[string][]string // who waits for it
	ready []string            // sorted
	left  int                 // not done
}

// newSchedule makes one of g; names in it that g has no entry for are done already. g has no circle.
func newSchedule(g map[string][]string) *schedule {
	s := &schedule{waits: map[string]int{}, next: map[string][]string{}, left: len(g)}
	for _, n := range sortedKeys(g) {
		for _, on := range g[n] {
			if _, ok := g[on]; ok {
				s.waits[n]++
				s.next[on] = append(s.next[on], n)
			}
		}
		if s.waits[n] == 0 {
			s.ready = append(s.ready, n)
		}
	}
	return s
}

// take returns one that may begin, the first by name.
func (s *schedule) take() (string, bool) {
	if len(s.ready) == 0 {
		return "", false
	}
	n := s.ready[0]
	s.ready = s.ready[1:]
	return n, true
}

// done says that n is.
func (s *schedule) done(n string) {
	s.left--
	for _, w := range s.next[n] {
		if s.waits[w]--; s.waits[w] == 0 {
			i, _ := slices.BinarySearch(s.ready, w)
			s.ready = slices.Insert(s.ready, i, w)
		}
	}
}
