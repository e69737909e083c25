package edge

import (
	"glassine/edge/cache"
)

// personal reports whether what comes of q may be meant for its viewer alone: the origin, or a function before it, sees the
// viewer's Authorization, and the cache key does not tell one viewer's from another's. A signature that a function or an origin
// access control makes is no viewer's. q is as newOriginRequest made it.
func (q *originRequest) personal(b *behavior) bool {
	if len(q.header["Authorization"]) == 0 || b.policy.has("Authorization") {
		return false
	}
	replaced := q.signer != nil && q.signer.override && q.target.s3 && q.onRequest == nil && q.fallback == nil
	return !replaced
}

// unshared keeps r, which came for a request that was personal, from everybody else, unless it says that all may have it
// (RFC 9111, section 3.5). CloudFront stores it for all: docs/aws-differences.md.
func unshared(strict Strict, r *cache.Response) {
	cc := controlOf(strict, r.Header)
	if cc.public || cc.mustRevalidate || cc.sMaxAge >= 0 {
		return
	}
	r.TTL, r.Store, r.Share = 0, false, false
}
