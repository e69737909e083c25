package rfc9111

import (
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// VaryNames returns the names that h's Vary lists, in canonical spelling, sorted, each once. all: it lists "*", and no request can
// match (RFC 9110, section 12.5.5).
func VaryNames(h http.Header) (names []string, all bool) {
	for _, line := range h["Vary"] {
		for name := range strings.SplitSeq(line, ",") {
			switch name = strings.Trim(name, " \t"); name {
			case "":
			case "*":
				all = true
			default:
				names = append(names, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), all
}

// VaryKey is what the named fields are in a request: equal keys mean that the fields match as RFC 9111, section 4.1, has it. The
// lines of a field are combined, blanks around commas are dropped, an absent field differs from an empty one, and fields of
// content negotiation are compared without regard to case and, except Accept-Language, to order.
func (p *Policy) VaryKey(names []string, request http.Header) string {
	var b strings.Builder
	for _, name := range names {
		lines, ok := request[name]
		if !ok {
			b.WriteString("-\n")
			continue
		}
		b.WriteByte('+')
		b.WriteString(p.normal(name, lines))
		b.WriteByte('\n')
	}
	return b.String()
}

// normal is a field's value in the spelling that is compared.
func (p *Policy) normal(name string, lines []string) string {
	members := splitList(lines)
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Charset", "Accept-Language":
		for i, m := range members {
			members[i] = strings.ToLower(strings.Join(strings.Fields(m), ""))
		}
		// The order of these says nothing (RFC 9110, section 12.4.2), but some take Accept-Language's for a preference
		// (section 12.5.4).
		if name != "Accept-Language" || p.Languages {
			slices.Sort(members)
		}
	}
	return strings.Join(members, ",")
}

// splitList splits a list field at commas outside quotes, without the blanks around members and without empty members (RFC 9110,
// section 5.6.1).
func splitList(lines []string) []string {
	var members []string
	add := func(m string) {
		if m = strings.Trim(m, " \t"); m != "" {
			members = append(members, m)
		}
	}
	for _, line := range lines {
		start, quoted := 0, false
		for i := 0; i < len(line); i++ {
			switch c := line[i]; {
			case c == '\\' && quoted:
				i++
			case c == '"':
				quoted = !quoted
			case c == ',' && !quoted:
				add(line[start:i])
				start = i + 1
			}
		}
		add(line[min(start, len(line)):])
	}
	return members
}

// picked are the named fields of h.
func picked(names []string, h http.Header) http.Header {
	out := http.Header{}
	for _, name := range names {
		if lines, ok := h[name]; ok {
			out[name] = slices.Clone(lines)
		}
	}
	return out
}

// Matches tells whether s was chosen by the same request fields as q has (RFC 9111, section 4.1).
func (p *Policy) Matches(s *Stored, q Request) bool {
	if len(s.Vary) == 0 || p.VaryKey(s.Vary, q.Header) == s.VaryKey {
		return true
	}
	return p.Languages && p.speaks(s, q)
}

// speaks tells whether s differs from what q asks for in Accept-Language only, and is in the language that q wants most.
func (p *Policy) speaks(s *Stored, q Request) bool {
	const field = "Accept-Language"
	if !slices.Contains(s.Vary, field) || len(q.Header[field]) == 0 {
		return false
	}
	language := s.Header.Get("Content-Language")
	if language == "" || !strings.EqualFold(language, preferred(q.Header[field])) {
		return false
	}
	others := slices.DeleteFunc(slices.Clone(s.Vary), func(name string) bool { return name == field })
	return p.VaryKey(others, q.Header) == p.VaryKey(others, s.asked)
}

// preferred is the one language with the highest weight in an Accept-Language, or "" where several have it (RFC 9110, section
// 12.5.4).
func preferred(lines []string) string {
	best, weight := "", 0.0
	for _, m := range splitList(lines) {
		tag, params, _ := strings.Cut(m, ";")
		w := 1.0
		if q, ok := strings.CutPrefix(strings.ToLower(strings.Trim(params, " \t")), "q="); ok {
			var err error
			if w, err = strconv.ParseFloat(q, 64); err != nil {
				w = 0
			}
		}
		switch tag = strings.Trim(tag, " \t"); {
		case w > weight:
			best, weight = tag, w
		case w == weight:
			best = ""
		}
	}
	return best
}

// Select returns which of the responses that are stored for q's URI may answer it: of those that match the one with the latest
// Date, nil if none does (RFC 9111, section 4.1).
func (p *Policy) Select(stored []*Stored, q Request) *Stored {
	var best *Stored
	for _, s := range stored {
		if p.Matches(s, q) && (best == nil || date(s.Header, s.Terms.Born).After(date(best.Header, best.Terms.Born))) {
			best = s
		}
	}
	return best
}

// Asked returns the request fields that chose s, for a request that the cache makes of its own accord to validate it.
func (s *Stored) Asked() http.Header { return maps.Clone(s.asked) }
