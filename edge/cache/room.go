package cache

// room counts n bytes as used, evicting what has to give way; false when so much is under way that it cannot.
func (c *Cache) room(n int64) bool {
	for n <= c.cfg.Bytes {
		if c.reserve(n) {
			return true
		}
		if !c.giveWay() {
			return false
		}
	}
	return false
}

// reserve counts n bytes as used if they fit.
func (c *Cache) reserve(n int64) bool {
	for {
		used := c.used.Load()
		if used+n > c.cfg.Bytes {
			return false
		}
		if c.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// giveWay evicts one entry, or returns false when there is none. The shards take turns; those that have less than their
// share are passed over at first.
func (c *Cache) giveWay() bool {
	for try := range 2 * shardCount {
		s := &c.shards[c.evict.Add(1)&(shardCount-1)]
		s.mu.Lock()
		var freed int64
		if try >= shardCount || s.bytes() > s.share {
			freed = s.evict()
		}
		s.mu.Unlock()
		if freed > 0 {
			c.used.Add(-freed)
			c.evicted.Add(1)
			return true
		}
	}
	return false
}
