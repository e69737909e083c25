package console

import (
	"sync"
	"time"
)

// Failed logins that an address may have, and how soon one is forgiven. Keys are 256 random bits of secret: the limit is
// there to keep a guesser from costing work, not to make guessing hard.
const (
	loginBurst  = 10
	loginRefill = 6 * time.Second
)

// maxAddresses bounds the memory of a limiter.
const maxAddresses = 4096

// limiter counts failed logins by address, and all together. Safe for many goroutines.
type limiter struct {
	now func() time.Time

	mu   sync.Mutex // guards from
	from map[string]bucket
}

// bucket holds tokens as of a time.
type bucket struct {
	tokens float64
	at     time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, from: map[string]bucket{}}
}

func (l *limiter) level(address string, now time.Time) bucket {
	b, ok := l.from[address]
	if !ok {
		return bucket{loginBurst, now}
	}
	return bucket{min(loginBurst, b.tokens+now.Sub(b.at).Seconds()/loginRefill.Seconds()), now}
}

// allow reports whether an address may try, or how long it is to wait.
func (l *limiter) allow(address string) (ok bool, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.level(address, l.now())
	if b.tokens >= 1 {
		return true, 0
	}
	return false, time.Duration((1 - b.tokens) * float64(loginRefill))
}

// failed counts a failed login.
func (l *limiter) failed(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.level(address, now)
	b.tokens--
	if _, known := l.from[address]; !known && len(l.from) >= maxAddresses {
		for a := range l.from { // whoever has paid off, or else anybody
			delete(l.from, a)
			if len(l.from) < maxAddresses {
				break
			}
		}
	}
	l.from[address] = b
}
