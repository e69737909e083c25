package settings

import (
	"fmt"
	"regexp"
	"strings"
)

// Nearest returns the one of names that somebody probably meant who wrote word, or "" when none is near: at most a third of
// its letters missing, added, changed, or swapped with the next.
func Nearest(word string, names []string) string {
	word = strings.ReplaceAll(strings.ToLower(word), "_", "-")
	best, least := "", max(1, len(word)/3)+1
	if len(word) > 64 {
		return ""
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		if d := distance(word, strings.ReplaceAll(strings.ToLower(name), "_", "-")); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the edits between two words: insertions, deletions, changes, and swaps of neighbours (optimal string
// alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// linked are the variables that Kubernetes and Docker set in a container for a service called glassine or glassine-something.
// They are nobody's settings. Kubernetes, "Service", "Environment variables".
var linked = regexp.MustCompile(`_SERVICE_HOST=|_SERVICE_PORT(_[A-Z0-9_]+)?=|_PORT=[a-z]+://|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=`)

// UnknownVariables are the variables of environ, NAME=VALUE each, that begin with prefix and set nothing: neither a setting nor
// one of others. Whoever sets one believes that it does something.
func (m Model) UnknownVariables(environ []string, prefix string, others []string) Problems {
	var known []string // without prefix, which would make any two alike
	for _, name := range others {
		known = append(known, strings.TrimPrefix(name, prefix))
	}
	for _, s := range m {
		known = append(known, strings.TrimPrefix(s.Env, prefix))
	}
	var out Problems
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		own, ours := strings.CutPrefix(name, prefix)
		if !ours || contains(known, own) || linked.MatchString("_"+variable) {
			continue
		}
		text := "there is no such setting, so this variable does nothing"
		if near := Nearest(own, known); near != "" {
			text += fmt.Sprintf("; did you mean %s?", prefix+near)
		}
		out = append(out, Problem{name, text})
	}
	return out
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
