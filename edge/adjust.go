package edge

// Adjustable is the part of Config that may change while an Edge serves.
type Adjustable struct {
	Strict      Strict
	CacheStatus bool
}

// Adjust changes how requests are answered from now on; those under way may end by either. What was stored stays as it is.
func (e *Edge) Adjust(a Adjustable) { e.adjusted.Store(&a) }

func (e *Edge) strict() Strict { return e.adjusted.Load().Strict }

func (e *Edge) cacheStatus() bool { return e.adjusted.Load().CacheStatus }
