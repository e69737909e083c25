package pixel

import (
	"crypto/sha256"
	"encoding/json"
	"sync"
	"time"

	"glassine/transform/pixel/render"
)

// How often a picture may take its worker with it, for how long it is then refused, and how many such are remembered.
const (
	crashesAllowed = 2
	refusalTime    = 5 * time.Minute
	maxRemembered  = 1024
)

// jobKey is a source and what is to become of it.
type jobKey [sha256.Size]byte

func keyOf(job *render.Job, source []byte) jobKey {
	h := sha256.New()
	sum := sha256.Sum256(source)
	h.Write(sum[:])
	text, err := json.Marshal(job)
	if err != nil {
		text = nil // a number that is none: it reaches no worker either
	}
	h.Write(text)
	return jobKey(h.Sum(nil))
}

// crashes remembers the jobs that ended their worker, by a crash or a deadline. The zero value is ready. Safe for many
// goroutines.
type crashes struct {
	mu   sync.Mutex // guards what follows
	jobs map[jobKey]*crashed
}

type crashed struct {
	times int
	until time.Time
	last  error
}

// empty reports that there is nothing to look for, so that no key need be made.
func (c *crashes) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(time.Now())
	return len(c.jobs) == 0
}

// refused returns the last error of a job that crashed too often, or nil.
func (c *crashes) refused(key jobKey) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(time.Now())
	if j := c.jobs[key]; j != nil && j.times >= crashesAllowed {
		return j.last
	}
	return nil
}

// add notes a crash of a job. When there are too many, the one that would be forgotten first is.
func (c *crashes) add(key jobKey, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.forget(now)
	j := c.jobs[key]
	if j == nil {
		if c.jobs == nil {
			c.jobs = map[jobKey]*crashed{}
		}
		if len(c.jobs) >= maxRemembered {
			c.forgetFirst()
		}
		j = &crashed{}
		c.jobs[key] = j
	}
	j.times++
	j.until, j.last = now.Add(refusalTime), err
}

// forget drops what is over. mu is held.
func (c *crashes) forget(now time.Time) {
	for key, j := range c.jobs {
		if now.After(j.until) {
			delete(c.jobs, key)
		}
	}
}

// forgetFirst drops the job that would be over first. mu is held.
func (c *crashes) forgetFirst() {
	var first jobKey
	var until time.Time
	for key, j := range c.jobs {
		if until.IsZero() || j.until.Before(until) {
			first, until = key, j.until
		}
	}
	delete(c.jobs, first)
}
