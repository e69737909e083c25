package signedurl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// policy is a canned or a custom policy.
type policy struct {
	canned        bool         // resource is the URL itself, which the signature covers
	resource      string       // with wildcards
	before, after int64        // Unix seconds; after is 0 for none
	from          netip.Prefix // invalid: from anywhere
}

// wirePolicy is the JSON of a custom policy.
// CloudFront Developer Guide, "Values that you specify in the policy statement for a signed URL that uses a custom policy".
type wirePolicy struct {
	Statement []struct {
		Resource  *string
		Condition struct {
			DateLessThan, DateGreaterThan *epochTime
			IPAddress                     *struct {
				SourceIP string `json:"AWS:SourceIp"`
			} `json:"IpAddress"`
		}
	}
}

type epochTime struct {
	Seconds *int64 `json:"AWS:EpochTime"`
}

// longestPolicy bounds what is read, in bytes; a URL cannot have more.
const longestPolicy = 8192

// parsePolicy reads a custom policy: one statement, with a Resource and a DateLessThan. A condition that is not known is an error,
// for it would restrict what nobody checks.
func parsePolicy(text []byte) (*policy, error) {
	if len(text) > longestPolicy {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", len(text), longestPolicy)
	}
	var w wirePolicy
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON")
	}
	if len(w.Statement) != 1 {
		return nil, fmt.Errorf("it has %d statements, not one", len(w.Statement))
	}
	s := w.Statement[0]
	if s.Resource == nil || *s.Resource == "" {
		return nil, errors.New("it has no Resource")
	}
	if s.Condition.DateLessThan == nil || s.Condition.DateLessThan.Seconds == nil {
		return nil, errors.New("it has no DateLessThan")
	}
	p := &policy{resource: *s.Resource, before: *s.Condition.DateLessThan.Seconds}
	if after := s.Condition.DateGreaterThan; after != nil {
		if after.Seconds == nil {
			return nil, errors.New("its DateGreaterThan has no AWS:EpochTime")
		}
		p.after = *after.Seconds
	}
	if ip := s.Condition.IPAddress; ip != nil {
		var err error
		if p.from, err = parsePrefix(ip.SourceIP); err != nil {
			return nil, fmt.Errorf("read AWS:SourceIp: %w", err)
		}
	}
	return p, nil
}

// parsePrefix reads an address or a range in CIDR form. CloudFront takes IPv4; IPv6 is taken here too.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return a.Prefix(a.BitLen())
	}
	return netip.ParsePrefix(s)
}

// allows tells whether a request for url may be served at now; nil: it may.
func (p *policy) allows(r Request, url string, now time.Time) *Error {
	switch seconds := now.Unix(); {
	case seconds >= p.before:
		return &Error{Expired, ""}
	case p.after != 0 && seconds <= p.after:
		return &Error{NotYet, ""}
	case p.from.IsValid() && !p.from.Contains(r.Viewer.Unmap()):
		return &Error{OtherAddress, ""}
	case !p.canned && p.resource != url && !matches(p.resource, r, Strip(r.RawQuery)):
		return &Error{OtherResource, ""}
	}
	return nil
}

// matches tells whether a Resource with wildcards is r's URL. "*" stands for any characters and "?" for one, within the section they
// are in: scheme, domain, path, query. "\?" begins the query. A "*" that ends the path takes in the query, one that ends the domain
// the path and query, and "*" alone is any URL.
// CloudFront Developer Guide, "Create a signed URL using a custom policy", "Use wildcard characters".
func matches(resource string, r Request, rawQuery string) bool {
	if resource == "*" {
		return true
	}
	scheme, rest, ok := strings.Cut(resource, "://")
	if !ok || !glob(strings.ToLower(scheme), strings.ToLower(r.Scheme)) {
		return false
	}
	rest, query, hasQuery := strings.Cut(rest, `\?`)
	domain, path, hasPath := strings.Cut(rest, "/")
	if !glob(strings.ToLower(domain), strings.ToLower(r.Host)) {
		return false
	}
	switch {
	case !hasPath && !hasQuery && strings.HasSuffix(domain, "*"):
		return true
	case !glob("/"+path, r.Path):
		return false
	case hasQuery:
		return glob(query, rawQuery)
	}
	return rawQuery == "" || strings.HasSuffix(path, "*")
}

// glob matches "*" and "?" in time linear in s for each "*".
func glob(pattern, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}
