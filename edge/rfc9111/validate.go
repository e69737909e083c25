package rfc9111

import (
	"net/http"
	"slices"
	"strings"
)

// condition are the fields that make a request validate s, or nil: it has no validator. RFC 9111, section 4.3.1.
func (s *Stored) condition() http.Header {
	var h http.Header
	if tag := s.Header.Get("Etag"); tag != "" {
		h = http.Header{"If-None-Match": {tag}}
	}
	if modified := s.Header.Get("Last-Modified"); modified != "" {
		if h == nil {
			h = http.Header{}
		}
		h["If-Modified-Since"] = []string{modified}
	}
	return h
}

// Refresh returns s as the 304 r, the answer to a request that had Decide's Condition, makes it: with r's fields and as new as r.
// Where r names another representation than s (another entity tag, or with no tag at all another date) no field of r is taken
// over, as RFC 9111, section 4.3.4, demands; but r still answers the condition that was sent, which named s alone, so s counts as
// validated (RFC 9110, section 15.4.5). Origins that compress do this: a 304 has the tag without their "-gzip".
// False: r is no 304.
func (p *Policy) Refresh(s *Stored, r Response) (*Stored, bool) {
	if r.Status != http.StatusNotModified {
		return nil, false
	}
	if !sameRepresentation(s.Header, r.Header) {
		only := http.Header{}
		for _, name := range []string{"Date", "Age"} {
			if lines := r.Header[name]; len(lines) > 0 {
				only[name] = lines
			}
		}
		r.Header = only
	}
	return p.update(s, r), true
}

// sameRepresentation: the validator that fresh has is stored's. Entity tags count before dates.
func sameRepresentation(stored, fresh http.Header) bool {
	if tag := fresh.Get("Etag"); tag != "" {
		return weakEqual(tag, stored.Get("Etag"))
	}
	if modified := fresh.Get("Last-Modified"); modified != "" && stored.Get("Last-Modified") != "" && stored.Get("Etag") == "" {
		return modified == stored.Get("Last-Modified")
	}
	return true
}

// keptOnUpdate are fields that describe the stored bytes, and stay as they were when a 304 or HEAD has others (RFC 9111, section
// 3.2).
var keptOnUpdate = []string{"Content-Encoding", "Content-Length", "Content-Md5", "Content-Range", "Etag"}

// update merges r's header into s's. RFC 9111, section 3.2.
func (p *Policy) update(s *Stored, r Response) *Stored {
	d, _ := p.directives(r.Header)
	fresh := storedHeader(r, d)
	merged := s.Header.Clone()
	for name, lines := range fresh {
		if !slices.Contains(keptOnUpdate, name) {
			merged[name] = lines
		}
	}
	out := *s
	out.Header = merged
	// The 304's Age, or its absence, is of now; so is its time. Its other fields may be those of the stored response.
	seen := merged.Clone()
	seen.Del("Age")
	if age := r.Header["Age"]; len(age) > 0 {
		seen["Age"] = age
	}
	out.Terms = p.TermsOf(Response{Status: s.Status, Header: seen, Requested: r.Requested, Received: r.Received})
	if d, _ := p.directives(merged); d.NoStore || d.Private {
		// It would not be stored now. It may answer the request that asked, and no other unasked.
		out.Terms = Terms{Born: out.Terms.Born, Validate: true, NeverStale: true}
	}
	return &out
}

// Head returns s as r, the 200 that the origin gave to a HEAD, makes it. False: r describes another representation, and s is stale
// from now on: drop it. A status other than 200 says nothing about s, which comes back as it was.
// RFC 9111, section 4.3.5.
func (p *Policy) Head(s *Stored, r Response) (*Stored, bool) {
	if r.Status != http.StatusOK {
		return s, true
	}
	for _, name := range []string{"Etag", "Last-Modified", "Content-Length"} {
		if had, has := s.Header.Get(name), r.Header.Get(name); had != "" && has != "" && had != has {
			return nil, false
		}
	}
	return p.update(s, r), true
}

// NotModified tells whether a viewer's GET or HEAD, with header h, for which s would be the answer, is to be answered 304 instead
// (RFC 9111, section 4.3.2; RFC 9110, section 13.2.2). If-Match and If-Unmodified-Since are the origin's to judge.
func (s *Stored) NotModified(h http.Header) bool {
	if s.Status != http.StatusOK && s.Status != http.StatusPartialContent {
		return false
	}
	if lines := h["If-None-Match"]; len(lines) > 0 {
		return tagListed(lines, s.Header.Get("Etag"))
	}
	if lines := h["If-Modified-Since"]; len(lines) == 1 {
		since, ok := ParseDate(lines[0], s.Terms.Born)
		if !ok {
			return false
		}
		// Without Last-Modified the Date stands in (RFC 9111, section 4.3.2); it is always there.
		modified, ok := ParseDate(s.Header.Get("Last-Modified"), s.Terms.Born)
		if !ok {
			modified = date(s.Header, s.Terms.Born)
		}
		return !modified.After(since)
	}
	return false
}

// tagListed tells whether an If-None-Match names tag, by weak comparison (RFC 9110, section 13.1.2).
func tagListed(lines []string, tag string) bool {
	for _, member := range splitList(lines) {
		if member == "*" || tag != "" && weakEqual(member, tag) {
			return true
		}
	}
	return false
}

func weakEqual(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// strongTag returns h's entity tag if it is a strong one, else "".
func strongTag(h http.Header) string {
	tag := h.Get("Etag")
	if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return ""
	}
	return tag
}

// NotModifiedHeader returns what a 304 to the viewer carries of a response's header h (RFC 9110, section 15.4.5): all of it but
// what describes a body that is not sent.
func NotModifiedHeader(h http.Header) http.Header {
	out := h.Clone()
	for _, name := range []string{"Content-Length", "Content-Range", "Content-Encoding", "Content-Type", "Content-Md5"} {
		delete(out, name)
	}
	return out
}
