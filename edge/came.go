package edge

import (
	"context"
	"hash/maphash"
	"io"
	"sync"
	"time"

	"glassine/edge/cache"
)

// came is an answer of the origin's side on its way to who can use it. As the body of a response of the cache it is empty, and
// whoever does not want it closes it.
type came struct {
	mu sync.Mutex // guards o
	o  *origination
}

// take returns the answer, to whoever asks first; nil to others. A nil came has none.
func (c *came) take() *origination {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.o
	c.o = nil
	return o
}

func (c *came) Read([]byte) (int, error) { return 0, io.EOF }

// Close closes the answer's body unless the answer was taken.
func (c *came) Close() error {
	if o := c.take(); o != nil && o.resp != nil {
		return o.resp.Body.Close()
	}
	return nil
}

// originateApart is originate for an answer that may outlive ctx, which ends the request before its header is there only.
func (e *Edge) originateApart(ctx context.Context, q *originRequest) (*origination, error) {
	apart, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	o, err := e.originate(apart, q)
	stop()
	if err != nil || o.resp == nil {
		cancel(nil)
		return o, err
	}
	o.resp.Body = &apartBody{o.resp.Body, cancel}
	return o, nil
}

// apartBody ends its request when it is closed.
type apartBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *apartBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// hints remembers keys for an hour. It may forget, and two keys may share a place. Safe for many goroutines.
type hints struct {
	seed maphash.Seed
	now  func() time.Time

	mu    sync.RWMutex // guards until
	until map[uint64]int64
}

// mostHints bounds the keys that are remembered: some 50 bytes each.
const mostHints = 1 << 16

func newHints(now func() time.Time) *hints {
	return &hints{seed: maphash.MakeSeed(), now: now, until: map[uint64]int64{}}
}

func (h *hints) has(k cache.Key) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.until) > 0 && h.now().UnixNano() < h.until[maphash.Bytes(h.seed, k.Bytes)]
}

func (h *hints) add(k cache.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for old := range h.until {
		if len(h.until) < mostHints {
			break
		}
		delete(h.until, old)
	}
	h.until[maphash.Bytes(h.seed, k.Bytes)] = h.now().Add(time.Hour).UnixNano()
}
