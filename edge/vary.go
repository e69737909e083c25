package edge

import (
	"hash/maphash"
	"net/http"
	"slices"
	"sync"

	"glassine/edge/cache"
	"glassine/edge/rfc9111"
)

// variants remembers by which fields of the request the responses under a cache key vary, for keys where they do. What it
// says is only where to look: each stored response is compared with the request by its own fields before it is given. So it
// may forget, and two keys may share a place. Safe for many goroutines.
type variants struct {
	seed maphash.Seed

	mu    sync.RWMutex // guards names
	names map[uint64][]string
}

// mostVariants bounds the keys that are remembered: some 100 bytes each.
const mostVariants = 1 << 16

func newVariants() *variants {
	return &variants{seed: maphash.MakeSeed(), names: map[uint64][]string{}}
}

// of returns the fields, in canonical spelling, or nil.
func (v *variants) of(k cache.Key) []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.names) == 0 {
		return nil
	}
	return v.names[maphash.Bytes(v.seed, k.Bytes)]
}

// learn remembers the fields of a response under k.
func (v *variants) learn(k cache.Key, names []string) {
	if slices.Equal(v.of(k), names) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for h := range v.names {
		if len(v.names) < mostVariants {
			break
		}
		delete(v.names, h)
	}
	v.names[maphash.Bytes(v.seed, k.Bytes)] = names
}

// varying compares fields of requests (RFC 9111, section 4.1).
var varying rfc9111.Policy

// forwarded is the header that goes to the origin for x's request before functions change it: all that a response can depend
// on. It is made once.
func (x *exchange) forwarded() http.Header {
	if x.forwards == nil {
		upstream := x.upstream
		x.forwards = x.newOriginRequest().header
		x.upstream = upstream
	}
	return x.forwards
}

// variant returns the key under which the response for x's request is stored: k for the first that came under k, and else k
// with the fields by which responses vary.
func (x *exchange) variant(k cache.Key) cache.Key {
	names := x.edge.variants.of(k)
	if names == nil {
		return k
	}
	if e := x.edge.cache.Recall(x.r.Context(), k); e != nil && x.matches(e) {
		return k
	}
	key := append(slices.Clone(k.Bytes), "\x00vary\x00"...)
	return cache.Key{Bytes: append(key, varying.VaryKey(names, x.forwarded())...), Path: k.Path}
}

// matches reports whether a stored response was chosen by the fields that x's request has.
func (x *exchange) matches(e *cache.Entry) bool {
	meta := e.Meta.(*stored)
	if meta.rfc != nil {
		if len(meta.rfc.Vary) == 0 {
			return true
		}
		p := x.behavior.rfc
		if p == nil {
			p = &varying // it was stored before the behavior's semantics changed
		}
		return p.Matches(meta.terms(e), rfc9111.Request{Method: x.method, Header: x.forwarded()})
	}
	return meta.vary == nil || varying.VaryKey(meta.vary, x.forwarded()) == meta.varyKey
}

// varies returns the fields of a response's Vary that tell responses under one key apart: those that really go to the origin
// and are not in the key. The others cannot have made a difference, or already do.
func (b *behavior) varies(h http.Header) []string {
	names, _ := rfc9111.VaryNames(h)
	names = slices.DeleteFunc(names, func(name string) bool { return b.policy.has(name) || !b.forward.sends(name) })
	if len(names) == 0 {
		return nil
	}
	return names
}

// has reports whether a request field is in the key with all that the origin sees of it.
func (p *keyPolicy) has(name string) bool {
	return name == "Accept-Encoding" && (p.gzip || p.brotli) || slices.Contains(p.headers, name)
}

// sends reports whether a request field goes to the origin by the policy's choice.
func (f *forwarding) sends(name string) bool {
	switch {
	case f == nil:
		return false
	case name == "Cookie":
		return !f.cookies.none()
	case slices.Contains(f.headers, name):
		return true
	case name == "Accept-Encoding":
		return f.all && !f.except[name]
	}
	return f.all && !f.except[name] && !unforwarded[name]
}

// forwardsCookies reports whether any cookie goes to the origin.
func (b *behavior) forwardsCookies() bool {
	return !b.policy.cookies.none() || b.forward.sends("Cookie")
}

// varyTries is how often a request looks again because what came for it was chosen by other fields than its own.
const varyTries = 3

// fetch answers what a lookup under k did not: from a variant that is stored, or from a fetch.
func (x *exchange) fetch(k cache.Key) bool {
	x.record()
	for range varyTries {
		again, whole := x.fetchVariant(k, x.variant(k))
		if !again {
			return whole
		}
	}
	return x.pass() // its fields change with every answer
}

// fetchVariant is one try under key. again: what is there is for requests with other fields.
func (x *exchange) fetchVariant(k, key cache.Key) (again, whole bool) {
	get := x.edge.cache.Fetch
	if x.behavior.forwardsCookies() && x.edge.cache.Recall(x.r.Context(), key) == nil {
		// CloudFront Developer Guide, "Simultaneous requests for the same object (request collapsing)": not where cookies are
		// forwarded. Among those who had to ask, each asks for itself.
		get = x.edge.cache.Renew
	}
	wait := x.fetchSpan()
	view, err := get(x.r.Context(), key, x.fill(key))
	wait.Fail(err)
	if err != nil {
		return false, x.unfetched(err)
	}
	defer view.Close()
	if meta := view.Entry.Meta.(*stored); meta.vary != nil {
		x.edge.variants.learn(k, meta.vary)
	}
	if !x.matches(view.Entry) {
		return true, false
	}
	x.explainView(view)
	return false, x.view(view)
}
