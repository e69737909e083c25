package edge

import (
	"net/http"
	"slices"

	"glassine/edge/cache"
)

// handling is how the cache handled a request, as Cache-Status says it.
type handling string

const (
	handledHit     handling = "; hit"
	handledStale   handling = "; hit; detail=stale"
	handledJoined  handling = "; fwd=miss; collapsed"
	handledRefresh handling = "; fwd=stale; fwd-status=304"
	handledMiss    handling = "; fwd=miss"
	handledBypass  handling = "; fwd=bypass"
)

// cacheStatus adds our member to Cache-Status, after those of the caches nearer to the origin (RFC 9211, section 2). An answer
// that is made here has none.
func (x *exchange) cacheStatus(h http.Header) {
	if x.handled != "" {
		h["Cache-Status"] = append(slices.Clone(h["Cache-Status"]), x.edge.brand.server+string(x.handled))
	}
}

// handledBy is what a fetch came to.
func handledBy(how cache.How) handling {
	switch how {
	case cache.Hit:
		return handledHit
	case cache.Shared:
		return handledJoined
	case cache.Refreshed:
		return handledRefresh
	case cache.Kept, cache.Stale:
		return handledStale
	}
	return handledMiss
}
