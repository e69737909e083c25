package edge

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"glassine/edge/cache"
)

// walk goes over the slices of an object, one ahead of who reads. It is for one goroutine; its owner closes it.
type walk struct {
	object *object
	ctx    context.Context // of who reads
	last   int64           // number of the last slice that is wanted

	model *cache.Entry // the first slice, which the others must go with; nil before it
	view  *cache.View  // where it is
	at    int64        // its number

	coming chan sliceFetched // what ahead fetches; nil: nothing
	next   int64             // its number
	stop   context.CancelFunc
}

type sliceFetched struct {
	view *cache.View
	err  error
}

// to goes to slice n.
func (w *walk) to(n int64) error {
	if w.view != nil && w.at == n {
		return nil
	}
	if w.view != nil {
		w.view.Close()
		w.view = nil
	}
	got := w.fetched(n)
	if got.err != nil {
		return got.err
	}
	w.view, w.at = got.view, n
	if w.model == nil {
		w.model = w.view.Entry
		return nil
	}
	if !sameObject(w.model, w.view.Entry) {
		// What is stored of it is of yesterday, or today's is: whoever asks next gets all of one.
		e := w.object.fetching.edge
		e.cache.Purge(string(w.object.key.Bytes[:w.object.key.Path]))
		e.cfg.Log.LogAttrs(w.ctx, slog.LevelWarn, "an object changed while it was fetched in slices", slog.String("key", string(w.object.key.Bytes[:w.object.key.Path])))
		return errChanged
	}
	return nil
}

// fetched returns slice n, from what was fetched ahead if it is that.
func (w *walk) fetched(n int64) sliceFetched {
	if w.coming != nil && w.next == n {
		got := <-w.coming
		w.coming = nil
		w.stop()
		return got
	}
	w.drop()
	v, err := w.object.fetch(w.ctx, n)
	return sliceFetched{v, err}
}

// ahead begins to fetch the slice behind this one, if it is wanted.
func (w *walk) ahead() {
	if w.coming != nil || w.at >= w.last {
		return
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(w.ctx)
	coming, n := make(chan sliceFetched, 1), w.at+1
	w.coming, w.next = coming, n
	go func() {
		v, err := w.object.fetch(ctx, n)
		coming <- sliceFetched{v, err}
	}()
}

// drop waits for what was fetched ahead, and lets it go.
func (w *walk) drop() {
	if w.coming == nil {
		return
	}
	w.stop()
	if got := <-w.coming; got.view != nil {
		got.view.Close()
	}
	w.coming = nil
}

func (w *walk) close() {
	w.drop()
	if w.view != nil {
		w.view.Close()
		w.view = nil
	}
}

// whole returns the object put together from its slices, or nil when it cannot be. Unless any is true, it is only if its first slice
// is stored. ctx is the fill's.
func (o *object) whole(ctx context.Context, any bool) *cache.Response {
	f := o.fetching
	if !any && f.edge.cache.Recall(ctx, o.keyOf(0)) == nil {
		return nil
	}
	w := &walk{object: o, ctx: ctx}
	if err := w.to(0); err != nil {
		return nil
	}
	meta := w.model.Meta.(*stored)
	if meta.slice == nil || meta.vary != nil && varying.VaryKey(meta.vary, f.sent) != meta.varyKey {
		w.close()
		return nil
	}
	total := meta.slice.Total
	w.last = (total - 1) / sliceSize
	now := f.edge.cfg.Now()
	age := w.model.Age(now)
	h := http.Header(w.model.Header.Map())
	h.Set("Age", strconv.FormatInt(age, 10))
	l := f.behavior.ttl.judge(f.edge.strict(), http.StatusOK, h, f.site.errorMin(http.StatusOK))
	tags := f.site.cacheTags(h)
	h.Del("Age")
	h.Set("Content-Length", strconv.FormatInt(total, 10))
	m := *meta
	m.slice, m.plain = nil, writable(h) && meta.vary == nil
	return &cache.Response{
		Status: http.StatusOK, Header: h, Meta: &m, Body: &sliced{walk: w, total: total}, Length: total, TTL: l.ttl,
		Age: time.Duration(age) * time.Second, Store: l.store, Share: l.share, Tags: tags,
		StaleWhileRevalidate: l.staleWhile, StaleIfError: l.staleError,
	}
}

// sliced is the body of an object in slices.
type sliced struct {
	total int64

	mu     sync.Mutex // guards what follows: Close may come while a Read waits, which ends with the fill's context
	closed bool
	walk   *walk
	at     int64 // bytes that were read
	source source
	data   []byte
}

func (s *sliced) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, fs.ErrClosed
	}
	for len(s.data) == 0 {
		if s.at == s.total {
			return 0, io.EOF
		}
		if s.at%sliceSize == 0 {
			if err := s.walk.to(s.at / sliceSize); err != nil {
				return 0, err
			}
			s.walk.ahead()
			s.source = source{entry: s.walk.view.Entry, view: s.walk.view}
			s.source.seek(0, min(sliceSize, s.total-s.at))
		}
		data, err := s.source.next(s.walk.ctx)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the slice is shorter than it said
		}
		if err != nil {
			return 0, err
		}
		s.data = data
		s.at += int64(len(data))
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// Close ends the reading.
func (s *sliced) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.walk.close()
	return nil
}
