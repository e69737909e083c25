package iam

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// pattern is a compiled piece of policy text: literal runs, the wildcards * and ?, and ${variables}. A variable stands
// for its value byte for byte: a user named "*" is no wildcard.
// IAM User Guide, "IAM JSON policy elements: Resource" and "IAM policy elements: Variables and tags".
type pattern struct {
	chunks    []chunk // what stands between the *; never empty
	variables bool    // some piece is a variable
}

// chunk is a run of pieces without *. It matches a fixed number of characters, so trying it at the leftmost place first
// never has to be taken back, and a pattern of m bytes is tried against n bytes in at most n*m steps.
type chunk []piece

type piece struct {
	kind        pieceKind
	text        string // the literal, or the variable's key in lower case
	name        string // of a variable: its key as written
	fallback    string // of a variable: ${key, 'fallback'}
	hasFallback bool
}

type pieceKind uint8

const (
	literal pieceKind = iota
	anyOne
	variable
)

// syntax says what is special in a pattern's text.
type syntax struct {
	wildcards bool // * and ?
	variables bool // ${...}
}

var errVariable = errors.New("a policy variable is not of the form ${key} or ${key, 'default'}")

// compilePattern reads text. Without wildcards in the syntax, * and ? are themselves.
func compilePattern(text string, x syntax) (pattern, error) {
	p := pattern{chunks: []chunk{nil}}
	add := func(pc piece) {
		last := &p.chunks[len(p.chunks)-1]
		if n := len(*last); pc.kind == literal && n > 0 && (*last)[n-1].kind == literal {
			(*last)[n-1].text += pc.text
			return
		}
		*last = append(*last, pc)
	}
	for text != "" {
		special := strings.IndexAny(text, "*?$")
		if special < 0 {
			special = len(text)
		}
		if special > 0 {
			add(piece{text: text[:special]})
			text = text[special:]
			continue
		}
		switch {
		case x.wildcards && text[0] == '*':
			if len(p.chunks) == 1 || len(p.chunks[len(p.chunks)-1]) > 0 { // ** is *
				p.chunks = append(p.chunks, nil)
			}
			text = text[1:]
		case x.wildcards && text[0] == '?':
			add(piece{kind: anyOne})
			text = text[1:]
		case x.variables && strings.HasPrefix(text, "${"):
			pc, rest, err := readVariable(text)
			if err != nil {
				return pattern{}, err
			}
			p.variables = p.variables || pc.kind == variable
			add(pc)
			text = rest
		default:
			add(piece{text: text[:1]})
			text = text[1:]
		}
	}
	return p, nil
}

// readVariable reads the variable that text begins with and returns what follows it. ${*}, ${?} and ${$} are those
// characters themselves.
func readVariable(text string) (piece, string, error) {
	body := text[len("${"):]
	end := strings.IndexAny(body, "},")
	if end <= 0 {
		return piece{}, "", errVariable
	}
	key := body[:end]
	if strings.ContainsAny(key, "${'") {
		if key != "$" || body[end] != '}' {
			return piece{}, "", errVariable
		}
	}
	if body[end] == '}' {
		if key == "*" || key == "?" || key == "$" {
			return piece{text: key}, body[end+1:], nil
		}
		return piece{kind: variable, text: strings.ToLower(key), name: key}, body[end+1:], nil
	}
	quoted, ok := strings.CutPrefix(body[end:], ", '")
	fallback, rest, closed := strings.Cut(quoted, "'")
	if !ok || !closed || !strings.HasPrefix(rest, "}") {
		return piece{}, "", errVariable
	}
	return piece{kind: variable, text: strings.ToLower(key), name: key, fallback: fallback, hasFallback: true}, rest[1:], nil
}

// value returns what the piece stands for. Only a key with exactly one value can be a variable.
func (pc *piece) value(ctx Context) (string, bool) {
	if pc.kind == literal {
		return pc.text, true
	}
	if v := ctx[pc.text]; len(v) == 1 {
		return v[0], true
	}
	return pc.fallback, pc.hasFallback
}

// resolves reports whether every variable has a value. A pattern that does not resolve matches nothing.
func (p *pattern) resolves(ctx Context) bool {
	if !p.variables {
		return true
	}
	for _, c := range p.chunks {
		for i := range c {
			if c[i].kind != variable {
				continue
			}
			if _, ok := c[i].value(ctx); !ok {
				return false
			}
		}
	}
	return true
}

// match reports whether the whole of s fits. With fold, ASCII letters of s are compared in lower case; the pattern is
// then already in lower case.
func (p *pattern) match(s string, ctx Context, fold bool) bool {
	if !p.resolves(ctx) {
		return false
	}
	n, ok := p.chunks[0].prefix(s, ctx, fold)
	last := len(p.chunks) - 1
	if !ok || last == 0 {
		return ok && n == len(s)
	}
	s = s[n:]
	for _, c := range p.chunks[1:last] {
		from, n := c.find(s, ctx, fold)
		if from < 0 {
			return false
		}
		s = s[from+n:]
	}
	return p.chunks[last].ends(s, ctx, fold)
}

// prefix reports whether s begins with the chunk, and how many bytes of s it takes.
func (c chunk) prefix(s string, ctx Context, fold bool) (n int, ok bool) {
	for i := range c {
		if c[i].kind == anyOne {
			if n == len(s) {
				return 0, false
			}
			n += width(s[n:])
			continue
		}
		text, _ := c[i].value(ctx)
		if len(s)-n < len(text) || !equal(text, s[n:n+len(text)], fold) {
			return 0, false
		}
		n += len(text)
	}
	return n, true
}

// find returns where the chunk first fits in s and how many bytes it takes, or -1.
func (c chunk) find(s string, ctx Context, fold bool) (from, n int) {
	if len(c) == 1 && c[0].kind == literal && !fold {
		return strings.Index(s, c[0].text), len(c[0].text)
	}
	for {
		if n, ok := c.prefix(s[from:], ctx, fold); ok {
			return from, n
		}
		if from == len(s) {
			return -1, 0
		}
		from += width(s[from:])
	}
}

// ends reports whether the chunk fits at the very end of s.
func (c chunk) ends(s string, ctx Context, fold bool) bool {
	if len(c) == 0 {
		return true
	}
	if len(c) == 1 && c[0].kind == literal && !fold {
		return strings.HasSuffix(s, c[0].text)
	}
	for {
		if n, ok := c.prefix(s, ctx, fold); ok && n == len(s) {
			return true
		}
		if s == "" {
			return false
		}
		s = s[width(s):]
	}
}

// width is the length of the first character of s in bytes; a broken one counts as one byte.
func width(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// equal compares text of equal length.
func equal(want, s string, fold bool) bool {
	if !fold {
		return want == s
	}
	for i := range len(s) {
		b := s[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b != want[i] {
			return false
		}
	}
	return true
}

// substitute returns the text that a pattern without wildcards stands for, and whether all its variables have values.
func (p *pattern) substitute(ctx Context) (string, bool) {
	c := p.chunks[0]
	if len(c) == 0 {
		return "", true
	}
	if len(c) == 1 {
		return c[0].value(ctx)
	}
	var b strings.Builder
	for i := range c {
		v, ok := c[i].value(ctx)
		if !ok {
			return "", false
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// fixed reports whether the pattern is plain text: no wildcard, no variable.
func (p *pattern) fixed() bool {
	c := p.chunks[0]
	return len(p.chunks) == 1 && (len(c) == 0 || len(c) == 1 && c[0].kind == literal)
}

// arnPattern is a pattern for an ARN. Its six parts are compared one by one, so that a * among the first five never
// swallows a colon.
type arnPattern struct {
	all   bool     // the single *: everything, ARN or not
	whole *pattern // one variable that holds a whole ARN
	parts [6]pattern
}

var (
	errNotARN        = errors.New("not an ARN of six parts")
	errEarlyVariable = errors.New("a policy variable stands before the fifth colon of an ARN")
)

// compileARN reads an ARN pattern of six parts. Variables may stand after the fifth colon only.
// IAM User Guide, "IAM policy elements: Variables and tags", where you can use policy variables.
func compileARN(text string, x syntax) (arnPattern, error) {
	var a arnPattern
	rest := text
	for i := range a.parts {
		part := rest
		if i < len(a.parts)-1 {
			var ok bool
			if part, rest, ok = strings.Cut(rest, ":"); !ok {
				return a, errNotARN
			}
			if x.variables && strings.Contains(part, "${") {
				return a, errEarlyVariable
			}
		}
		p, err := compilePattern(part, x)
		if err != nil {
			return a, err
		}
		a.parts[i] = p
	}
	if !a.parts[0].match("arn", nil, false) {
		return a, errNotARN
	}
	return a, nil
}

// match compares s part by part. Text of fewer than six parts fits only the pattern *.
func (a *arnPattern) match(s string, ctx Context) bool {
	if a.all {
		return true
	}
	if a.whole != nil {
		return a.whole.match(s, ctx, false)
	}
	for i := range a.parts[:5] {
		colon := strings.IndexByte(s, ':')
		if colon < 0 || !a.parts[i].match(s[:colon], ctx, false) {
			return false
		}
		s = s[colon+1:]
	}
	return a.parts[5].match(s, ctx, false)
}

// resolves reports whether every variable in the pattern has a value.
func (a *arnPattern) resolves(ctx Context) bool {
	if a.whole != nil {
		return a.whole.resolves(ctx)
	}
	return a.all || a.parts[5].resolves(ctx)
}
