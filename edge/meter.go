package edge

import (
	"time"

	"glassine/edge/cache"
	"glassine/telemetry"
)

// meterUnserved counts requests that no distribution answers for: their hosts are anybody's invention.
func (e *Edge) meterUnserved() *telemetry.RequestMeter {
	return e.cfg.Metrics.Meter(telemetry.None, telemetry.None)
}

// meter counts x, which is over. Of a request that no behavior was found for, the distribution's default one takes the count.
func (x *exchange) meter() {
	m := x.edge.unserved
	switch {
	case x.behavior != nil:
		m = x.behavior.meter
	case x.site != nil:
		m = x.site.behaviors[len(x.site.behaviors)-1].meter
	}
	if m == nil {
		return
	}
	m.Count(x.room.shard, string(x.result), x.edge.cfg.Now().Sub(x.began), x.sent, x.trace.TraceID())
}

// keepMeters drops the counters of behaviors and origins that are no more. e.control is held, or nobody else has e yet.
func (e *Edge) keepMeters(r *routes) {
	wanted, origins := map[[2]string]bool{{telemetry.None, telemetry.None}: true}, map[string]bool{otherOrigin: true}
	for _, s := range r.exact {
		for _, b := range s.behaviors {
			wanted[[2]string{s.id, b.name}] = true
			origins[b.origin.DomainName] = true
			if b.fallback != nil {
				origins[b.fallback.origin.DomainName] = true
			}
		}
	}
	e.cfg.Metrics.Keep(func(distribution, behavior string) bool { return wanted[[2]string{distribution, behavior}] })
	e.cfg.Metrics.KeepOrigins(func(origin string) bool { return origins[origin] })
}

// otherOrigin is what the metrics call an origin that a function named and no distribution has.
const otherOrigin = "other"

// meterOrigin counts a request to an origin: until its header came, or it failed.
func (e *Edge) meterOrigin(q *originRequest, took time.Duration) {
	e.cfg.Metrics.Origin(q.configured(), took)
}

// configured is the domain name of q's origin, if a distribution has it.
func (q *originRequest) configured() string {
	for _, b := range q.site.behaviors {
		if b.origin.DomainName == q.target.domain || b.fallback != nil && b.fallback.origin.DomainName == q.target.domain {
			return q.target.domain
		}
	}
	return otherOrigin
}

// CacheStats are what the cache has and did.
type CacheStats struct {
	cache.Stats
	Disk cache.DiskStats
}

// CacheStats returns what the cache has and did.
func (e *Edge) CacheStats() CacheStats { return CacheStats{e.cache.Stats(), e.cache.Disk()} }
