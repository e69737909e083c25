package logs

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// matcher reports whether an event's message is one that a pattern looks for.
type matcher func(message string) bool

// maxPattern is the most bytes of a pattern. (CloudWatch Logs API Reference, FilterLogEvents.)
const maxPattern = 1024

// parsePattern reads a filter pattern; nil is the empty one, which takes all. Terms are ERROR or "a phrase"; all must be
// there, of those with ? before them one, of those with - none; %a regular expression% is a term too. { $.a.b = "x" } reads
// messages that are JSON. Patterns of space-delimited events, [a, b], are refused.
// (CloudWatch Logs User Guide, "Filter pattern syntax".)
func parsePattern(text string) (matcher, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, nil
	case len(text) > maxPattern:
		return nil, invalid("The filter pattern is longer than %d characters.", maxPattern)
	case text[0] == '[':
		return nil, invalid("Invalid filter pattern: glassine does not read patterns of space-delimited events.")
	case text[0] == '{':
		if text[len(text)-1] != '}' {
			return nil, badPattern()
		}
		p := jsonPattern{text[1 : len(text)-1]}
		m, err := p.or()
		if err != nil || strings.TrimSpace(p.rest) != "" {
			return nil, badPattern()
		}
		return func(message string) bool {
			var v any
			d := json.NewDecoder(strings.NewReader(message))
			return d.Decode(&v) == nil && m(v)
		}, nil
	}
	return parseTerms(text)
}

func badPattern() error { return invalid("Invalid filter pattern") }

// parseTerms reads a pattern of terms.
func parseTerms(text string) (matcher, error) {
	var all, some, none []matcher
	for text != "" {
		into := &all
		switch text[0] {
		case '?':
			into, text = &some, text[1:]
		case '-':
			into, text = &none, text[1:]
		}
		term, rest, err := parseTerm(text)
		if err != nil {
			return nil, err
		}
		*into = append(*into, term)
		text = strings.TrimSpace(rest)
	}
	return func(message string) bool {
		for _, m := range all {
			if !m(message) {
				return false
			}
		}
		for _, m := range none {
			if m(message) {
				return false
			}
		}
		for _, m := range some {
			if m(message) {
				return true
			}
		}
		return len(some) == 0 || len(all) > 0 // beside terms that must be there, those with ? say nothing: as on AWS
	}, nil
}

// parseTerm reads one term.
func parseTerm(text string) (m matcher, rest string, err error) {
	if text == "" {
		return nil, "", badPattern()
	}
	switch text[0] {
	case '"':
		phrase, rest, ok := quoted(text)
		if !ok {
			return nil, "", badPattern()
		}
		return func(message string) bool { return strings.Contains(message, phrase) }, rest, nil
	case '%':
		expression, rest, ok := strings.Cut(text[1:], "%")
		if !ok {
			return nil, "", badPattern()
		}
		re, err := regexp.Compile(expression)
		if err != nil {
			return nil, "", badPattern()
		}
		return re.MatchString, rest, nil
	}
	word, rest := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		word, rest = text[:i], text[i:]
	}
	return func(message string) bool { return strings.Contains(message, word) }, rest, nil
}

// quoted reads a phrase in quotes, in which \" and \\ stand for " and \.
func quoted(text string) (phrase, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case text[i] == '"':
			return b.String(), text[i+1:], true
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", false
}

// jsonPattern reads a pattern over JSON: comparisons with && and ||, and parentheses.
type jsonPattern struct{ rest string }

type jsonMatcher func(v any) bool

func (p *jsonPattern) take(token string) bool {
	p.rest = strings.TrimLeft(p.rest, " \t")
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *jsonPattern) or() (jsonMatcher, error) {
	left, err := p.and()
	for err == nil && p.take("||") {
		var right jsonMatcher
		a := left
		if right, err = p.and(); err == nil {
			left = func(v any) bool { return a(v) || right(v) }
		}
	}
	return left, err
}

func (p *jsonPattern) and() (jsonMatcher, error) {
	left, err := p.comparison()
	for err == nil && p.take("&&") {
		var right jsonMatcher
		a := left
		if right, err = p.comparison(); err == nil {
			left = func(v any) bool { return a(v) && right(v) }
		}
	}
	return left, err
}

func (p *jsonPattern) comparison() (jsonMatcher, error) {
	if p.take("(") {
		m, err := p.or()
		if err == nil && !p.take(")") {
			err = badPattern()
		}
		return m, err
	}
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	switch {
	case p.take("IS NULL"):
		return func(v any) bool { x, ok := at(v, path); return ok && x == nil }, nil
	case p.take("IS TRUE"):
		return func(v any) bool { x, _ := at(v, path); return x == true }, nil
	case p.take("IS FALSE"):
		return func(v any) bool { x, ok := at(v, path); return ok && x == false }, nil
	case p.take("NOT EXISTS"):
		return func(v any) bool { _, ok := at(v, path); return !ok }, nil
	case p.take("EXISTS"):
		return func(v any) bool { _, ok := at(v, path); return ok }, nil
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} { // longer ones first
		if p.take(op) {
			want, err := p.value()
			return func(v any) bool {
				x, ok := at(v, path)
				return ok && compare(op, x, want)
			}, err
		}
	}
	return nil, badPattern()
}

// path reads $.a.b[0]; its steps are names and indices.
func (p *jsonPattern) path() ([]any, error) {
	if !p.take("$") {
		return nil, badPattern()
	}
	var steps []any
	for p.rest != "" {
		switch p.rest[0] {
		case '.':
			name := p.rest[1:]
			if i := strings.IndexAny(name, ".[ \t=!<>)&|"); i >= 0 {
				name = name[:i]
			}
			if name == "" {
				return nil, badPattern()
			}
			p.rest = p.rest[1+len(name):]
			steps = append(steps, name)
		case '[':
			text, rest, ok := strings.Cut(p.rest[1:], "]")
			n, err := strconv.Atoi(text)
			if !ok || err != nil || n < 0 {
				return nil, badPattern()
			}
			p.rest = rest
			steps = append(steps, n)
		default:
			return steps, nil
		}
	}
	return steps, nil
}

// value reads what a comparison compares with: "a string", where * stands for anything, or a number or word.
func (p *jsonPattern) value() (string, error) {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if strings.HasPrefix(p.rest, `"`) {
		text, rest, ok := quoted(p.rest)
		if !ok {
			return "", badPattern()
		}
		p.rest = rest
		return text, nil
	}
	word := p.rest
	if i := strings.IndexAny(word, " \t)&|"); i >= 0 {
		word = word[:i]
	}
	if word == "" {
		return "", badPattern()
	}
	p.rest = p.rest[len(word):]
	return word, nil
}

// at finds what a path leads to.
func at(v any, path []any) (any, bool) {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = m[step]; !ok {
				return nil, false
			}
		case int:
			list, ok := v.([]any)
			if !ok || step >= len(list) {
				return nil, false
			}
			v = list[step]
		}
	}
	return v, true
}

func compare(op string, x any, want string) bool {
	switch x := x.(type) {
	case float64:
		n, err := strconv.ParseFloat(want, 64)
		if err != nil {
			return op == "!="
		}
		switch op {
		case "=":
			return x == n
		case "!=":
			return x != n
		case "<":
			return x < n
		case "<=":
			return x <= n
		case ">":
			return x > n
		}
		return x >= n
	case string:
		return (op == "=" && glob(want, x)) || (op == "!=" && !glob(want, x))
	case bool:
		return (op == "=" && strconv.FormatBool(x) == want) || (op == "!=" && strconv.FormatBool(x) != want)
	}
	return false
}

// glob matches a text where * in the pattern stands for anything.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = after
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
