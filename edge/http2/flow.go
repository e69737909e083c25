package http2

import "time"

// What the peer may send before we say more (RFC 9113, section 5.2). A body that a handler does not read waits in memory,
// so that the first is also the most that a connection's bodies have there.
const (
	connWindow   = 1 << 20
	streamWindow = 256 << 10
)

// inflow is the window of what the peer sends, and what was taken from it since the peer was told.
type inflow struct{ open, taken int64 }

// receive takes n bytes that came; false when they were too many.
func (f *inflow) receive(n int) bool {
	f.open -= int64(n)
	return f.open >= 0
}

// release takes n bytes that are done with, and returns by how much the window is to be opened, 0 for not yet.
func (f *inflow) release(n int, window int64) uint32 {
	f.taken += int64(n)
	if f.taken < window/4 && f.open > window/4 || f.taken == 0 {
		return 0
	}
	n, f.open, f.taken = int(f.taken), f.open+f.taken, 0
	return uint32(n)
}

// allowance bounds what costs us more than the peer: streams that are reset, PINGs, empty frames. It fills again with
// time, so that no connection that lives long uses it up.
type allowance struct {
	left int
	last time.Time
}

const (
	mostAllowed = 1000
	allowedAt   = 100 // a second
)

// spend takes one; false when there is none left.
func (a *allowance) spend() bool {
	if a.left == 0 {
		now := time.Now()
		a.left = mostAllowed
		if !a.last.IsZero() {
			a.left = min(mostAllowed, int(now.Sub(a.last).Seconds()*allowedAt))
		}
		if a.left == 0 {
			return false
		}
		a.last = now
	}
	a.left--
	return true
}
