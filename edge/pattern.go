package edge

import "strings"

// pattern is a behavior's path pattern without its leading slash, which means nothing.
// CloudFront Developer Guide, "Path pattern".
type pattern string

// match reports whether the pattern matches path (as received, percent-encoded, with its leading slash). * is any
// number of characters, slashes included, and ? is one. It takes at most len(pattern)*len(path) steps and remembers only
// the last star, so no pattern makes it slow.
func (p pattern) match(path string) bool {
	path = strings.TrimPrefix(path, "/")
	i, j := 0, 0
	star, from := -1, 0 // where to go on after a mismatch
	for j < len(path) {
		switch {
		case i < len(p) && p[i] == '*':
			star, from = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == path[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// validPattern reports whether s has 1 to 255 of the characters that a path pattern may have.
func validPattern(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && strings.IndexByte("_-.*$/~\"'@:+&?", c) < 0 {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// validPath reports whether s can stand in a request line as a path: no space, control character, ? or #.
func validPath(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '#' || c == '?' {
			return false
		}
	}
	return true
}

// validQuery is validPath for a query string.
func validQuery(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// validToken reports whether s is a header name (RFC 9110, section 5.6.2).
func validToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// validValue reports whether s can be a header value: no control characters but the tab (RFC 9110, section 5.5).
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
