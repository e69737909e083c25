package rfc9111

import (
	"net/textproto"
	"strings"
	"time"
)

// Delta is a delta-seconds argument (RFC 9111, section 1.2.2).
type Delta struct {
	// Seconds is 0..2^31; a larger number counts as 2^31, and what is no number as 0.
	Seconds int64
	// Set: the directive is there.
	Set bool
}

// Duration returns d as a duration; 0 when not set.
func (d Delta) Duration() time.Duration { return time.Duration(d.Seconds) * time.Second }

// Directives are the directives of a Cache-Control field, of a request or of a response. Of one that appears twice the first
// counts (RFC 9111, section 4.2.1); what is not known is ignored (section 5.2.3).
type Directives struct {
	MaxAge, SMaxAge                    Delta
	StaleWhileRevalidate, StaleIfError Delta // RFC 5861
	MinFresh, MaxStale                 Delta // of requests
	AnyStale                           bool  // max-stale without a number
	NoStore, NoTransform               bool
	NoCache                            bool     // without field names
	NoCacheFields                      []string // no-cache="a, b", in canonical spelling
	Private                            bool     // without field names
	PrivateFields                      []string // private="a, b"
	Public, MustUnderstand             bool
	MustRevalidate, ProxyRevalidate    bool
	Immutable                          bool // RFC 8246
	OnlyIfCached                       bool
}

// ParseCacheControl reads the lines of a Cache-Control field (RFC 9111, section 5.2). It has no errors: a name that is
// followed by anything but a well-formed argument counts with its strictest meaning, max-age=x as max-age=0.
func ParseCacheControl(lines []string) Directives {
	var d Directives
	for _, line := range lines {
		for line != "" {
			var name, value string
			var valued bool
			name, value, valued, line = nextDirective(line)
			d.set(strings.ToLower(name), value, valued)
		}
	}
	return d
}

// set takes one directive. Values of directives that have none are ignored: Caches are not to fail on them.
func (d *Directives) set(name, value string, valued bool) {
	switch name {
	case "max-age":
		d.MaxAge.set(value)
	case "s-maxage":
		d.SMaxAge.set(value)
	case "stale-while-revalidate":
		d.StaleWhileRevalidate.set(value)
	case "stale-if-error":
		d.StaleIfError.set(value)
	case "min-fresh":
		d.MinFresh.set(value)
	case "max-stale":
		if !valued {
			d.AnyStale = true
			return
		}
		d.MaxStale.set(value)
	case "no-cache":
		if names := fieldNames(value); len(names) > 0 {
			d.NoCacheFields = append(d.NoCacheFields, names...)
			return
		}
		d.NoCache = true
	case "private":
		if names := fieldNames(value); len(names) > 0 {
			d.PrivateFields = append(d.PrivateFields, names...)
			return
		}
		d.Private = true
	default:
		d.flag(name)
	}
}

func (d *Directives) flag(name string) {
	switch name {
	case "no-store":
		d.NoStore = true
	case "no-transform":
		d.NoTransform = true
	case "public":
		d.Public = true
	case "must-understand":
		d.MustUnderstand = true
	case "must-revalidate":
		d.MustRevalidate = true
	case "proxy-revalidate":
		d.ProxyRevalidate = true
	case "immutable":
		d.Immutable = true
	case "only-if-cached":
		d.OnlyIfCached = true
	}
}

// nextDirective cuts the first directive off s. A value in quotes loses them; commas in it do not end it.
func nextDirective(s string) (name, value string, valued bool, rest string) {
	i := strings.IndexAny(s, ",=")
	if i < 0 {
		return strings.Trim(s, " \t"), "", false, ""
	}
	if s[i] == ',' {
		return strings.Trim(s[:i], " \t"), "", false, s[i+1:]
	}
	// No space may stand around "=" (RFC 9111, section 5.2). Where one does, the directive has an argument that is none.
	name = strings.TrimLeft(s[:i], " \t")
	if trimmed := strings.TrimRight(name, " \t"); trimmed != name {
		name = trimmed
		_, rest = unquote(s[i+1:])
		return name, "", true, rest
	}
	value, rest = unquote(s[i+1:])
	return name, value, true, rest
}

// unquote cuts an argument, token or quoted-string (RFC 9110, section 5.6.4), and the comma after it off s. A token keeps the
// blanks before it, which make it none.
func unquote(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ",")
		return strings.TrimRight(value, " \t"), rest
	}
	var b strings.Builder
	i := 1
	for ; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	if i >= len(s) {
		return b.String(), ""
	}
	_, rest, _ = strings.Cut(s[i+1:], ",")
	return b.String(), rest
}

func (d *Delta) set(value string) {
	if d.Set {
		return
	}
	n, _ := parseDelta(value)
	*d = Delta{n, true}
}

// mostSeconds is what a larger delta-seconds counts for (RFC 9111, section 1.2.2).
const mostSeconds = 1 << 31

// parseDelta reads delta-seconds; 0, false for what is none.
func parseDelta(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), mostSeconds)
	}
	return n, true
}

func fieldNames(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.Trim(name, " \t"); name != "" {
			names = append(names, textproto.CanonicalMIMEHeaderKey(name))
		}
	}
	return names
}
