package cache

import (
	"context"
	"sync"
)

// body is a body that arrives: a list of chunks that only grows at its end. What was committed never changes, so readers
// get slices of it, each from its own cursor.
type body struct {
	length int64 // announced, or -1
	// window is 0 for a body that is kept whole. Otherwise its beginning is dropped once every reader is past it, the
	// fill is no more than passAhead in front of its fastest reader, and a reader that is window behind that one is cut
	// off: so no more than both together is held. Only the fill changes it, under mu.
	window int64

	mu      sync.Mutex // guards what follows
	chunks  [][]byte   // chunks[i][:len] is committed; only the fill touches what lies beyond len
	dropped int        // chunks that are gone
	size    int64      // bytes committed
	err     error      // io.EOF when it is whole
	wake    chan struct{}
	readers map[*party]*cursor
	moved   chan struct{} // 1 deep: a reader went on or away
}

// cursor is where one reader is.
type cursor struct {
	chunk, off int   // chunk counts from the first ever
	pos        int64 // bytes returned
	err        error
}

const (
	firstChunk = 16 << 10
	lastChunk  = 512 << 10
	passAhead  = 256 << 10
)

func newBody(length, window int64) *body {
	return &body{length: length, window: window, readers: map[*party]*cursor{}, moved: make(chan struct{}, 1)}
}

// space returns where the next bytes go: never empty.
func (b *body) space() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.chunks)
	if n > 0 {
		if last := b.chunks[n-1]; len(last) < cap(last) {
			return last[len(last):cap(last)]
		}
	}
	size := int64(firstChunk)
	switch {
	case b.window > 0:
		size = passAhead / 4
	case b.length > b.size:
		size = b.length - b.size
	case n > 0 && b.length < 0:
		size = min(int64(cap(b.chunks[n-1]))*2, lastChunk)
	case b.length >= 0:
		size = 1 // for the byte that would be too many, or the end
	}
	chunk := make([]byte, 0, size)
	b.chunks = append(b.chunks, chunk)
	return chunk[:size]
}

// commit makes n bytes written to space readable.
func (b *body) commit(n int) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	last := &b.chunks[len(b.chunks)-1]
	*last = (*last)[:len(*last)+n]
	b.size += int64(n)
	b.rouse()
}

// arrived is how many bytes are there.
func (b *body) arrived() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// finish ends the body with err, io.EOF for a whole one.
func (b *body) finish(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.rouse()
}

// rouse wakes the readers. b.mu is held.
func (b *body) rouse() {
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
}

// whole returns the body in one slice, without copying if it lies in one.
func (b *body) whole() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.chunks) > 0 && int64(len(b.chunks[0])) == b.size {
		return b.chunks[0][:b.size:b.size]
	}
	all := make([]byte, 0, b.size)
	for _, chunk := range b.chunks {
		all = append(all, chunk...)
	}
	return all
}

// register gives p a cursor at the beginning.
func (b *body) register(p *party) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readers[p] = &cursor{}
}

// reader returns p's cursor.
func (b *body) reader(p *party) *cursor {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.readers[p]; c != nil {
		return c
	}
	return &cursor{err: ErrTooSlow} // it was cut off before it began
}

// unregister takes p's cursor away.
func (b *body) unregister(p *party) {
	b.mu.Lock()
	delete(b.readers, p)
	b.mu.Unlock()
	b.advance()
}

// advance tells a fill that holds back that something moved.
func (b *body) advance() {
	select {
	case b.moved <- struct{}{}:
	default:
	}
}

// next returns what follows c, waiting for it. It ends with io.EOF or the fill's error.
func (b *body) next(ctx context.Context, c *cursor) ([]byte, error) {
	for {
		b.mu.Lock()
		if c.err != nil {
			b.mu.Unlock()
			return nil, c.err
		}
		if data := b.take(c); data != nil {
			paced := b.window > 0
			b.mu.Unlock()
			if paced {
				b.advance()
			}
			return data, nil
		}
		if b.err != nil {
			b.mu.Unlock()
			return nil, b.err
		}
		if b.wake == nil {
			b.wake = make(chan struct{})
		}
		wake := b.wake
		b.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take returns what is committed of c's chunk, and moves c past it; nil when there is nothing yet. b.mu is held.
func (b *body) take(c *cursor) []byte {
	for i := c.chunk - b.dropped; i < len(b.chunks); i++ {
		chunk := b.chunks[i]
		if c.off < len(chunk) {
			data := chunk[c.off:len(chunk):len(chunk)]
			c.off = len(chunk)
			c.pos += int64(len(data))
			return data
		}
		if len(chunk) < cap(chunk) {
			return nil
		}
		c.chunk, c.off = c.chunk+1, 0
	}
	return nil
}

// limit gives b its window from here on.
func (b *body) limit(window int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window = window
}

// passWindow is the window of a body that is passed on: as much as a body that is stored may take, and at least what
// readers that are merely scheduled unevenly need.
func (c *Cache) passWindow() int64 { return max(c.cfg.MaxObject, 4*passAhead) }

// pace holds back the fill of a body that is passed on: it waits until a reader is near, drops what all have read, and
// cuts off who fell too far behind. It returns at once for a body that is kept.
func (b *body) pace(ctx context.Context) error {
	for b.window > 0 {
		if near, err := b.trim(); near || err != nil {
			return err
		}
		select {
		case <-b.moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// trim is one look of pace: near says that the fill may go on.
func (b *body) trim() (near bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.readers) == 0 {
		return false, errUnwanted
	}
	var fastest int64
	for _, c := range b.readers {
		fastest = max(fastest, c.pos)
	}
	first := int(^uint(0) >> 1)
	for p, c := range b.readers {
		if fastest-c.pos > b.window {
			c.err = ErrTooSlow
			delete(b.readers, p)
			b.rouse()
			continue
		}
		first = min(first, c.chunk)
	}
	if n := min(first-b.dropped, len(b.chunks)); n > 0 {
		b.chunks = append([][]byte(nil), b.chunks[n:]...)
		b.dropped += n
	}
	return b.size-fastest <= passAhead, nil
}
