// Package rfc9111 says what a shared HTTP cache may do, as RFC 9111 (HTTP Caching), RFC 9213 (Targeted Cache Control), RFC
// 5861 (stale-while-revalidate, stale-if-error) and the range rules of RFC 9110 have it. It is pure: it stores nothing, sends
// nothing, starts nothing and reads no clock; the cache gives it headers and times and does what it answers.
//
// It is not the way that CloudFront computes freshness; that is the edge's own. It is used where a behavior asks for these
// semantics.
//
// Start from Policy, which an HTTP cache calls in this order:
//
//	p.Decide(request, stored, now)     a viewer's request, and the stored response that p.Select chose for it, or nil
//	p.Admit(request, response)         the origin's response to a request that was forwarded: store it or not
//	p.Refresh(stored, response)        a 304 to a conditional request that Decide had made
//	p.Head(stored, response)           a 200 to a HEAD
//	Invalidated(request, response)     the answer to an unsafe method: what must not be used any more
//
// Authorization counts in the viewer's request only. That an origin request was signed by the edge does not make its response
// private.
//
// All functions are safe for many goroutines at once. Nothing that is given to them is changed, and what they return shares
// no map with it.
package rfc9111

import (
	"net/http"
	"net/url"
	"time"
)

// Policy is how a cache reads HTTP. The zero value is a shared cache that does what RFC 9111 says and no more. It is not
// to be changed once it is in use.
type Policy struct {
	// Targeted are the response fields of RFC 9213 that are meant for this cache, the closest first: "CDN-Cache-Control".
	// The first that is there and can be read is used in place of Cache-Control and Expires.
	Targeted []string
	// Surrogate is the name that this cache has in Surrogate-Capability. If set, Surrogate-Control is read, after Targeted
	// and before Cache-Control (Edge Architecture Specification 1.0, W3C note of 4 August 2001).
	Surrogate string
	// Heuristic is the part of the time since Last-Modified for which a response without explicit freshness is fresh: 0
	// means 0.1, less than 0 never (RFC 9111, section 4.2.2).
	Heuristic float64
	// HeuristicMax bounds it; 0 means a day.
	HeuristicMax time.Duration
	// StaleOnError is for how long a response may be used after it was fresh when its origin cannot be reached or answers
	// 500, 502, 503 or 504, where the response has no stale-if-error of its own. 0: not at all (RFC 9111, section 4.2.4).
	StaleOnError time.Duration
	// IgnoreRequests makes the request's Cache-Control count for nothing but no-store, as CDNs commonly do (RFC 9111, section
	// 5.2.1, "Caches MAY").
	IgnoreRequests bool
	// DistrustAge makes a response stale whose Age is not one number. RFC 9111, section 5.1, says to ignore such an Age, or
	// to take the first of a list; http-cache-tests 0.4.5 asks for what this does.
	DistrustAge bool
	// Languages compares Accept-Language by the languages it names, whatever their order where they have no weights, and lets a
	// response serve whose Content-Language is what the request wants most (RFC 9111, section 4.1). An origin that reads the
	// order as a preference should not be behind it.
	Languages bool
}

// Request is what must be known of a viewer's request.
type Request struct {
	Method string
	// URL is the target URI; only Admit of a POST and Invalidated look at it.
	URL    *url.URL
	Header http.Header
}

// Response is a response of the origin, as it arrived.
type Response struct {
	Status int
	Header http.Header
	// Requested and Received are when the request for it left and when its header was there, by the cache's own clock.
	Requested, Received time.Time
}

// Stored is what a cache keeps of a response beside its body. It is immutable.
type Stored struct {
	Status int
	// Header is what may be kept and sent on: without fields of the connection (StripConnection), without Age, and without the
	// fields that a qualified private or no-cache names. Date is always there.
	Header http.Header
	Terms  Terms
	// Vary are the names of the request fields that chose this response, in canonical spelling, sorted. VaryKey is what they
	// were in the request that fetched it: see Policy.VaryKey. The two together are the secondary key.
	Vary    []string
	VaryKey string
	// Part is what a 206 holds; Part{} in anything else.
	Part Part

	asked http.Header // the request fields that Vary names
}

// Terms are what a response's fields say about its use, read once when it is stored or refreshed.
type Terms struct {
	// Lifetime is its freshness lifetime (RFC 9111, section 4.2.1), or the heuristic one. Never negative.
	Lifetime time.Duration
	// Heuristic tells that nothing explicit was there.
	Heuristic bool
	// Born is when its age was 0: the response's time minus its corrected initial age (RFC 9111, section 4.2.3).
	Born time.Time
	// Validate: it is never used without success in validating it (no-cache, RFC 9111, section 5.2.2.4).
	Validate bool
	// NeverStale: it may not be used stale, whatever happens (must-revalidate, proxy-revalidate, s-maxage).
	NeverStale bool
	// StaleWhileRevalidate and StaleIfError are for how long after its lifetime it may be used so; StaleIfError is the
	// policy's StaleOnError where the response does not say (RFC 5861). 0: not so.
	StaleWhileRevalidate, StaleIfError time.Duration
}

// Age is how old the response is at now (current_age of RFC 9111, section 4.2.3). Never negative. The Age field is this in
// whole seconds.
func (t Terms) Age(now time.Time) time.Duration { return max(0, now.Sub(t.Born)) }

// Fresh tells whether it may be used at now without validating it.
func (t Terms) Fresh(now time.Time) bool { return !t.Validate && t.Age(now) < t.Lifetime }

// staleFor is for how long it has been stale, negative while it is fresh.
func (t Terms) staleFor(now time.Time) time.Duration { return t.Age(now) - t.Lifetime }
