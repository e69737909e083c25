package rfc9111

import (
	"net/http"
	"strings"
	"time"
)

// ParseDate reads an HTTP-date in any of its three forms (RFC 9110, section 5.6.7). A year of two digits that would be more than
// 50 years after now is one of the past century. False: it is none.
func ParseDate(s string, now time.Time) (time.Time, bool) {
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}, false
	}
	if strings.Contains(s, "-") { // RFC 850
		century := now.UTC().Year() / 100 * 100
		t = t.AddDate(century-t.Year()/100*100, 0, 0)
		if t.After(now.AddDate(50, 0, 0)) {
			t = t.AddDate(-100, 0, 0)
		}
	}
	return t.UTC(), true
}

// date is when h says that it was made, or received (RFC 9110, section 6.6.1: a recipient may take the time of receipt for a Date
// that is absent or none).
func date(h http.Header, received time.Time) time.Time {
	if t, ok := ParseDate(h.Get("Date"), received); ok {
		return t
	}
	return received
}

// ParseAge reads the lines of an Age field. Of a list the first member counts, and what is no number is as if it were not there
// (RFC 9111, section 5.1). clean is false where one of these rules was needed.
func ParseAge(lines []string) (age Delta, clean bool) {
	if len(lines) == 0 {
		return Delta{}, true
	}
	first, _, list := strings.Cut(lines[0], ",")
	n, ok := parseDelta(strings.Trim(first, " \t"))
	return Delta{n, ok}, ok && !list && len(lines) == 1
}

// born is when the age of r was 0 (RFC 9111, section 4.2.3).
func (p *Policy) born(r Response) time.Time {
	apparent := max(0, r.Received.Sub(date(r.Header, r.Received)))
	age, _ := ParseAge(r.Header["Age"])
	corrected := age.Duration() + max(0, r.Received.Sub(r.Requested))
	return r.Received.Add(-max(apparent, corrected))
}
