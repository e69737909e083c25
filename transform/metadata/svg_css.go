package metadata

import (
	"regexp"
	"strconv"
	"strings"
)

// cleanCSS returns a style sheet, a list of declarations or a single value without comments, without @import and @charset, and
// with "none" for every address that is not within the document, a picture in a data: URL as picture returns it, or a font in
// a data: URL. A text that hides names behind escapes, or has what old browsers ran as a program, is dropped whole.
func cleanCSS(s string, picture func(string) (string, bool)) string {
	var b strings.Builder
	ok := true
	for i := 0; i < len(s) && ok; {
		var piece string
		piece, i, ok = cssPiece(s, i, picture)
		b.WriteString(piece)
	}
	out := b.String()
	plain := strings.ToLower(cssUnescape(out))
	if !ok || cssForbids(plain) || strings.Contains(out, `\`) && strings.Contains(plain, "url") {
		return ""
	}
	return strings.TrimSpace(out)
}

// cssWords is what no style may have. The last ones are functions that take an address without url().
var cssWords = []string{
	"expression(", "expression (", "-moz-binding", "behavior:", "behavior :", "javascript:", "vbscript:", "@import", "</", "<!--",
	"image(", "image-set(", "src(", "attr(", "element(", "paint(",
}

// cssForbids reports whether a style in lower case has one of cssWords.
func cssForbids(s string) bool {
	for _, word := range cssWords {
		if strings.Contains(s, word) {
			return true
		}
	}
	return false
}

var cssFont = regexp.MustCompile(`^(?i)data:\s*(font/[a-z0-9.+-]+|application/(x-)?font-[a-z0-9.+-]+|application/vnd\.ms-fontobject)\s*;[^,]*,[A-Za-z0-9+/=\s%]*$`)

// cssPiece reads the next piece of s at i: a run of plain characters, a string, a comment, an address or an at-rule. ok is false
// for one that does not end.
func cssPiece(s string, i int, picture func(string) (string, bool)) (piece string, next int, ok bool) {
	rest := s[i:]
	switch {
	case strings.HasPrefix(rest, "/*"):
		end := strings.Index(rest[2:], "*/")
		if end < 0 {
			return "", len(s), true // a comment that does not end goes to the end
		}
		return " ", i + 2 + end + 2, true
	case rest[0] == '"' || rest[0] == '\'':
		n := cssString(rest)
		return rest[:max(n, 0)], i + max(n, 1), n > 0
	case rest[0] == '@' && (hasPrefixFold(rest, "@import") || hasPrefixFold(rest, "@charset") || hasPrefixFold(rest, "@namespace")):
		end := strings.IndexAny(rest, ";}")
		if end < 0 {
			return "", len(s), true
		}
		return "", i + end + 1, true
	case hasPrefixFold(rest, "url(") && (i == 0 || !cssName(s[i-1])):
		return cssReference(s, i, picture)
	}
	end := strings.IndexAny(rest[1:], `/"'@uU`) + 1
	if end == 0 {
		end = len(rest)
	}
	return rest[:end], i + end, true
}

// hasPrefixFold reports whether s begins with prefix in any case of its ASCII letters.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func cssName(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80 || c == '\\'
}

// cssString returns the length of the string that s begins with, 0 when it does not end.
func cssString(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		case '\n':
			return 0
		}
	}
	return 0
}

// cssReference reads url(...) at i.
func cssReference(s string, i int, picture func(string) (string, bool)) (piece string, next int, ok bool) {
	at := i + len("url(")
	at += len(s[at:]) - len(strings.TrimLeft(s[at:], " \t\r\n\f"))
	if at >= len(s) {
		return "", at, false
	}
	var address string
	if s[at] == '"' || s[at] == '\'' {
		n := cssString(s[at:])
		if n == 0 {
			return "", at, false
		}
		address, at = s[at+1:at+n-1], at+n
	} else {
		n := strings.IndexByte(s[at:], ')')
		if n < 0 {
			return "", at, false
		}
		address, at = strings.TrimSpace(s[at:at+n]), at+n
	}
	end := strings.IndexByte(s[at:], ')')
	if end < 0 || strings.TrimSpace(s[at:at+end]) != "" {
		return "", at, false
	}
	next = at + end + 1
	switch {
	case strings.ContainsAny(address, `\"'()<>`):
	case strings.HasPrefix(address, "#"):
		return "url(" + address + ")", next, true
	case cssFont.MatchString(address):
		return `url("` + address + `")`, next, true
	default:
		if clean, ok := picture(address); ok {
			return `url("` + clean + `")`, next, true
		}
	}
	return "none", next, true
}

// cssUnescape resolves escapes (CSS Syntax Level 3 section 4.3.7).
func cssUnescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		digits := 0
		for digits < 6 && i+1+digits < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i+1+digits]) >= 0 {
			digits++
		}
		if digits == 0 {
			continue // the character itself follows
		}
		n, _ := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
		out.WriteRune(rune(n))
		if i += digits; i+1 < len(s) && strings.IndexByte(" \t\r\n\f", s[i+1]) >= 0 {
			i++
		}
	}
	return out.String()
}

var svgUnits = map[string]float64{"": 1, "px": 1, "pt": 96.0 / 72, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4}

// svgLength returns a length in pixels; 0 for a percentage and for units of a font.
func svgLength(s string) float64 {
	s = strings.TrimSpace(s)
	i := strings.LastIndexAny(s, "0123456789.") + 1
	v, err := strconv.ParseFloat(s[:i], 64)
	unit, known := svgUnits[strings.ToLower(s[i:])]
	if err != nil || !known || !(v > 0) || v > 1e9 {
		return 0
	}
	return v * unit
}
