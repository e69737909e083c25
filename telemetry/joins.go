package telemetry

import (
	"sync"
	"time"
)

// Joins finds the place in a trace that a request from outside the process belongs to, by a secret that was made for it: the
// access key of a presigned URL, a token. So a function in a process of its own is in the trace of the request that it answers,
// and nobody else can get into it: what a stranger's header says of traces is not read. The zero value is ready. Safe for many
// goroutines.
type Joins struct {
	mu     sync.Mutex // guards what follows
	points map[string]joined
	swept  time.Time
}

type joined struct {
	point Point
	until time.Time
}

// mostJoins bounds the secrets that are known; beyond it further ones are not.
const mostJoins = 1 << 16

// Put notes that what comes with the secret until then is under p.
func (j *Joins) Put(secret string, p Point, now, until time.Time) {
	if p.r == nil || secret == "" {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if now.Sub(j.swept) > time.Minute || len(j.points) >= mostJoins {
		j.swept = now
		for secret, p := range j.points {
			if p.until.Before(now) {
				delete(j.points, secret)
			}
		}
	}
	if len(j.points) >= mostJoins {
		return
	}
	if j.points == nil {
		j.points = map[string]joined{}
	}
	j.points[secret] = joined{p, until}
}

// Find returns where what comes with the secret belongs; the zero Point when nobody knows.
func (j *Joins) Find(secret string, now time.Time) Point {
	j.mu.Lock()
	defer j.mu.Unlock()
	found, ok := j.points[secret]
	if !ok || found.until.Before(now) {
		return Point{}
	}
	return found.point
}
