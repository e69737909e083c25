package rfc9111

import (
	"net/http"
	"strconv"
	"time"
)

// Action is what a cache is to do with a request.
type Action uint8

const (
	// Forward means: send the request on as it is; nothing stored may answer it.
	Forward Action = iota
	// Serve means: answer with the stored response.
	Serve
	// ServeStale means: answer with the stored response, which is stale, and validate it in the background (RFC 5861, section 3).
	ServeStale
	// Validate means: ask the origin with Decision.Condition; a 304 goes to Policy.Refresh.
	Validate
	// Refuse means: answer 504, the viewer wants nothing but what is stored (only-if-cached, RFC 9111, section 5.2.1.7).
	Refuse
)

func (a Action) String() string {
	return [...]string{"forward", "serve", "serve-stale", "validate", "refuse"}[a]
}

// Decision is what to do with a request, and why.
type Decision struct {
	Action Action
	// Condition are the fields to set on the request to the origin when Action is Validate or ServeStale, in place of the
	// viewer's own conditional fields and Range. nil when the stored response has no validator: ask anew.
	Condition http.Header
	// StaleOnError: should the origin not be reached, or answer 500, 502, 503 or 504, the stored response may be used instead.
	// RFC 9111, section 4.3.3; RFC 5861, section 4.
	StaleOnError bool
	// Reason is a short word for a log or a Cache-Status detail: "fresh", "stale", "no-cache", "min-fresh", ...
	Reason string
}

// Decide says what to do at now with a GET or HEAD that has no unmet conditions of its own; s is the stored response that Select
// chose, or nil. Any other method is to be forwarded, and its answer given to Invalidated. The cache must check itself that
// s holds the range that is asked for, if any, and whether NotModified holds for the viewer.
// RFC 9111, section 4.
func (p *Policy) Decide(q Request, s *Stored, now time.Time) Decision {
	var d Directives
	if lines := q.Header["Cache-Control"]; len(lines) > 0 && !p.IgnoreRequests {
		d = ParseCacheControl(lines)
	}
	if s == nil || q.Method != http.MethodGet && q.Method != http.MethodHead {
		return withoutStored(d, "miss")
	}
	if d.NoStore {
		return withoutStored(d, "request-no-store") // section 5.2.1.5: the answer is not to come from a store either
	}
	usable, reason := s.Terms.usable(d, now)
	if usable {
		return Decision{Action: Serve, Reason: reason}
	}
	if d.OnlyIfCached {
		return Decision{Action: Refuse, Reason: reason}
	}
	stale := s.Terms.staleFor(now)
	out := Decision{Action: Validate, Condition: s.condition(), Reason: reason}
	// A request that wants validation gets none of the stale answers (sections 5.2.1.1 to 5.2.1.4).
	asksMore := d.NoCache || d.MaxAge.Set || d.MinFresh.Set
	if !s.Terms.Validate && !asksMore {
		out.StaleOnError = stale < s.Terms.StaleIfError
		if stale < s.Terms.StaleWhileRevalidate {
			out.Action = ServeStale
		}
	}
	if d.StaleIfError.Set && !s.Terms.NeverStale && !s.Terms.Validate { // RFC 5861, section 4: a request may say it too
		out.StaleOnError = stale < d.StaleIfError.Duration()
	}
	if out.Condition == nil && out.Action == Validate {
		out.Action = Forward
	}
	return out
}

func withoutStored(d Directives, reason string) Decision {
	if d.OnlyIfCached {
		return Decision{Action: Refuse, Reason: reason}
	}
	return Decision{Action: Forward, Reason: reason}
}

// usable tells whether the stored response may be used without asking its origin, by the response's terms and the request's
// directives (RFC 9111, sections 4.2 and 5.2.1), and in one word why.
func (t Terms) usable(d Directives, now time.Time) (bool, string) {
	age := t.Age(now)
	switch {
	case t.Validate:
		return false, "no-cache"
	case d.NoCache:
		return false, "request-no-cache"
	case d.MaxAge.Set && age > d.MaxAge.Duration(), d.MaxAge.Set && d.MaxAge.Seconds == 0:
		return false, "request-max-age"
	case d.MinFresh.Set && t.Lifetime-age < d.MinFresh.Duration():
		return false, "request-min-fresh"
	case age < t.Lifetime:
		return true, "fresh"
	case t.NeverStale:
		return false, "stale"
	case d.AnyStale, d.MaxStale.Set && age-t.Lifetime <= d.MaxStale.Duration():
		return true, "request-max-stale"
	}
	return false, "stale"
}

// ServeHeader returns a copy of s's header as a response at now has it: with Age (RFC 9111, section 4).
func (s *Stored) ServeHeader(now time.Time) http.Header {
	h := s.Header.Clone()
	h.Set("Age", strconv.FormatInt(int64(s.Terms.Age(now)/time.Second), 10))
	return h
}

// IsOriginError tells whether status lets a stale response be used where Decision.StaleOnError says so (RFC 5861, section 4).
func IsOriginError(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}
