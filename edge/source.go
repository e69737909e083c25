package edge

import (
	"context"
	"io"

	"glassine/edge/cache"
)

// source reads runs of bytes of a body, each behind the one before, whether it is in memory, in a file or still arriving. It reads
// nothing of a file that is not asked for.
type source struct {
	entry *cache.Entry
	view  *cache.View // nil: the body is entry.Body
	first int64       // where the next bytes are from
	left  int64       // bytes of the run, -1 for all there are
	at    int64       // of a body that arrives: where data begins
	data  []byte      // came, and was not returned
}

// seek makes first and n the run that next returns; n is -1 for all from there on. A run begins behind the one before.
func (s *source) seek(first, n int64) {
	s.first, s.left = first, n
	if s.view != nil && n >= 0 {
		s.view.Section(first, n)
	}
}

// next returns more of the run, and io.EOF behind its end. Nobody may write to the bytes; they are valid until the next call. Any
// other error says that the body broke off.
func (s *source) next(ctx context.Context) ([]byte, error) {
	switch {
	case s.left == 0:
		return nil, io.EOF
	case s.view == nil || s.view.Complete():
		b := s.entry.Body[s.first:]
		if s.left > 0 {
			b = b[:s.left]
		}
		s.left = 0
		if len(b) == 0 {
			return nil, io.EOF
		}
		return b, nil
	}
	if f, _, _ := s.view.File(); f != nil {
		return s.take(s.view.Next(ctx))
	}
	for s.at+int64(len(s.data)) <= s.first {
		s.at += int64(len(s.data))
		var err error
		if s.data, err = s.view.Next(ctx); err != nil {
			s.data = nil
			return nil, err
		}
	}
	b := s.data[s.first-s.at:]
	if s.left > 0 {
		b = b[:min(s.left, int64(len(b)))]
	}
	return s.take(b, nil)
}

// finish waits for the end itself of a body that arrived to its last byte: what is to be stored is, before the viewer has all of it
// and asks again.
func (s *source) finish(ctx context.Context) {
	if s.view != nil && s.first == s.entry.Length {
		_, _ = s.view.Next(ctx)
	}
}

// take counts b as returned.
func (s *source) take(b []byte, err error) ([]byte, error) {
	s.first += int64(len(b))
	if s.left > 0 {
		s.left -= int64(len(b))
	}
	return b, err
}
