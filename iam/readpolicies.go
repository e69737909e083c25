package iam

import (
	"maps"
	"sync"
)

// maxReadPolicies bounds the policies that are kept read. At 20 KB of text each they take some 100 MB, if every one is as
// long as it may be; most have 1 KB.
const maxReadPolicies = 1024

// ReadPolicies keeps resource policies as they were read, under their text, for the decisions to come. The zero value is
// ready. Safe for many goroutines.
type ReadPolicies struct {
	mu sync.RWMutex // guards m
	m  map[string]ReadPolicy
}

// ReadPolicy is a policy pinned to whom ids say that its ARNs mean. It is never written to.
type ReadPolicy struct {
	ids      map[string]string
	Policies []*Policy // the one
	Public   bool
}

// Read returns a stored policy. Its ids are a stored record's: they are kept.
func (c *ReadPolicies) Read(text string, ids map[string]string) (ReadPolicy, error) {
	c.mu.RLock()
	p, ok := c.m[text]
	c.mu.RUnlock()
	if ok && maps.Equal(p.ids, ids) { // the same text elsewhere may mean others
		return p, nil
	}
	parsed, err := Parse([]byte(text), ResourcePolicy)
	if err != nil {
		return ReadPolicy{}, err
	}
	p = ReadPolicy{ids: ids, Policies: []*Policy{parsed.Pinned(ids)}, Public: parsed.Public()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxReadPolicies { // begin anew rather than keep an order
		c.m = map[string]ReadPolicy{}
	}
	c.m[text] = p
	return p, nil
}
