package cache

import "hash/maphash"

// Finding is what memory has under a key, for who explains an answer.
type Finding int

// The findings.
const (
	Absent   Finding = iota // nothing; the disk may have it
	Fresh                   // Lookup gives it
	Lapsed                  // it is no longer fresh
	Softened                // a soft purge made it stale
	Purged                  // a purge voided it, and nobody has asked since
	Unshared                // no response, only that the last one was nobody else's
	InFile                  // its body is on disk
)

// Explain returns what memory has under k, the entry if there is one, and whether a fill is under way for it. It gives nothing to
// anybody: the entry may be purged.
func (c *Cache) Explain(k Key) (f Finding, e *Entry, filling bool) {
	h := maphash.Bytes(c.seed, k.Bytes)
	s := &c.shards[h&(shardCount-1)]
	s.mu.RLock()
	e = s.entries.get(h, k.Bytes)
	filling = s.fills[string(k.Bytes)] != nil
	s.mu.RUnlock()
	now := c.cfg.Now().UnixNano()
	switch {
	case e == nil:
		return Absent, nil, filling
	case !c.current(e):
		return Purged, e, filling
	case e.marker || now < e.aloneUntil:
		return Unshared, e, filling
	case e.softAt.Load() != 0:
		return Softened, e, filling
	case now >= e.expires:
		return Lapsed, e, filling
	case !e.inMemory():
		return InFile, e, filling
	}
	return Fresh, e, filling
}
