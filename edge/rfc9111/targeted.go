package rfc9111

import (
	"net/http"
	"strings"

	"github.com/dunglas/httpsfv"
)

// directives returns the directives that h has for this cache, and whether they came from a field that is targeted at it, in
// which case Cache-Control and Expires do not count (RFC 9213, section 2.2).
func (p *Policy) directives(h http.Header) (d Directives, targeted bool) {
	for _, name := range p.Targeted {
		if d, ok := ParseTargeted(h.Values(name)); ok {
			return d, true
		}
	}
	if p.Surrogate != "" {
		if d, ok := ParseSurrogateControl(h.Values("Surrogate-Control"), p.Surrogate); ok {
			return d, true
		}
	}
	return ParseCacheControl(h["Cache-Control"]), false
}

// ParseTargeted reads the lines of a targeted field such as CDN-Cache-Control, a Dictionary of RFC 8941 (RFC 9213, section 2.1).
// False: it is absent, empty or malformed, and is to be ignored. A directive whose value has another type than its own, such
// as max-age="1", is ignored alone; parameters are ignored.
func ParseTargeted(lines []string) (d Directives, ok bool) {
	if len(lines) == 0 {
		return d, false
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil || len(dict.Names()) == 0 {
		return d, false
	}
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		item, isItem := member.(httpsfv.Item)
		if !isItem {
			continue
		}
		switch v := item.Value.(type) {
		case int64:
			d.setSeconds(name, v)
		case string:
			if name == "no-cache" || name == "private" {
				d.set(name, v, true)
			}
		case bool:
			if v && !takesSeconds(name) || v && name == "max-stale" {
				d.set(name, "", false)
			}
		}
	}
	return d, true
}

func takesSeconds(name string) bool {
	switch name {
	case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "min-fresh", "max-stale":
		return true
	}
	return false
}

// setSeconds takes a directive whose value is an Integer. One below 0 is no delta-seconds and is ignored.
func (d *Directives) setSeconds(name string, n int64) {
	if n < 0 || !takesSeconds(name) {
		return
	}
	delta := Delta{min(n, mostSeconds), true}
	switch name {
	case "max-age":
		d.MaxAge = delta
	case "s-maxage":
		d.SMaxAge = delta
	case "stale-while-revalidate":
		d.StaleWhileRevalidate = delta
	case "stale-if-error":
		d.StaleIfError = delta
	case "min-fresh":
		d.MinFresh = delta
	case "max-stale":
		d.MaxStale = delta
	}
}

// ParseSurrogateControl reads the lines of a Surrogate-Control field: directives as in Cache-Control, each of which may name the
// devices it is for after ";" (Edge Architecture Specification 1.0, section 2.2). One for another device than name is left
// out. max-age=a+b is fresh for a and may be used stale for b more. False: neither max-age nor no-store is there for this cache.
func ParseSurrogateControl(lines []string, name string) (d Directives, ok bool) {
	for _, line := range lines {
		for line != "" {
			var directive, value string
			var valued bool
			directive, value, valued, line = nextDirective(line)
			if valued {
				var mine bool
				if value, mine = forDevice(value, name); !mine {
					continue
				}
			} else {
				var mine bool
				if directive, mine = forDevice(directive, name); !mine {
					continue
				}
			}
			directive = strings.ToLower(directive)
			ok = ok || directive == "max-age" || directive == "no-store"
			if fresh, stale, extended := strings.Cut(value, "+"); extended && directive == "max-age" {
				d.StaleWhileRevalidate.set(stale)
				value = fresh
			}
			d.set(directive, value, valued)
		}
	}
	return d, ok
}

// forDevice cuts the devices off a directive and tells whether device is one, or there are none.
func forDevice(s, device string) (string, bool) {
	s, devices, targeted := strings.Cut(s, ";")
	s = strings.TrimRight(s, " \t")
	if !targeted {
		return s, true
	}
	for d := range strings.SplitSeq(devices, ";") {
		if strings.Trim(d, " \t") == device {
			return s, true
		}
	}
	return s, false
}

// Capability is the Surrogate-Capability that a request to the origin is to carry so that Surrogate-Control is answered, or ""
// when the policy has no Surrogate. viewers is what came from the viewer.
func (p *Policy) Capability(viewers string) string {
	if p.Surrogate == "" {
		return viewers
	}
	own := p.Surrogate + `="Surrogate/1.0"`
	if viewers == "" {
		return own
	}
	return viewers + ", " + own
}
